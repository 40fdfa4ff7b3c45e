// SPDX-License-Identifier: MIT
//
// Two products of int8 values a multiplication. Two values a word as sums, x0 + x1·2^16, times
// w1 + w0·2^16: bits 16 to 31 of the product are x0·w0 + x1·w1, less 1 where x0·w1, which is below, is negative.
// Adding bit 15 mends that. Exact where no weight is -128: |x0·w0 + x1·w1| ≤ 2·128·127 < 2^15, |x0·w1| < 2^15.
//
// Values 0 and 2, and 1 and 3 of four that follow each other share a word: one mask takes two of four bytes.
#ifndef HOGNOSE_PAIRS_H
#define HOGNOSE_PAIRS_H

#include "conv.h"

#if HOG_PAIRS

typedef uint32_t __attribute__((may_alias)) word_t;

// Words of two values: x from a low and a high one, or values 0 and 2 of four (even) and 1 and 3 (odd); weights from a
// low and a high one, or from a word of x; and a sum with the products of both.
#if defined(__ARM_FEATURE_DSP)

// The halves are values on their own: Armv7E-M multiplies them so.
static inline uint32_t pair(int32_t low, int32_t high) {
    return (uint16_t)low | (uint32_t)high << 16;
}

static inline uint32_t even(uint32_t four) {
    __asm__ ("sxtb16 %0, %1" : "=r" (four) : "r" (four));
    return four;
}

static inline uint32_t odd(uint32_t four) {
    __asm__ ("sxtb16 %0, %1, ror #8" : "=r" (four) : "r" (four));
    return four;
}

static inline uint32_t pair_weights(int32_t low, int32_t high) {
    return pair(low, high);
}

static inline uint32_t turn(uint32_t four) {
    return four;
}

static inline uint32_t add_products(uint32_t sum, uint32_t x, uint32_t w) {
    __asm__ ("smlad %0, %1, %2, %0" : "+r" (sum) : "r" (x), "r" (w));
    return sum;
}

#else

#define LANES (0x00ff00ffu)
#define SIGNS (0x00800080u)

static inline uint32_t pair(int32_t low, int32_t high) {
    return (uint32_t)low + ((uint32_t)high << 16);
}

static inline uint32_t even(uint32_t four) {
    return ((four ^ 0x80808080u) & LANES) - SIGNS;
}

static inline uint32_t odd(uint32_t four) {
    return ((four ^ 0x80808080u) >> 8 & LANES) - SIGNS;
}

static inline uint32_t pair_weights(int32_t low, int32_t high) {
    return pair(high, low);
}

static inline uint32_t turn(uint32_t four) {
    return four << 16 | four >> 16;
}

static inline uint32_t add_products(uint32_t sum, uint32_t x, uint32_t w) {
    return sum + (uint32_t)((int32_t)(x * w + 0x8000u) >> 16);
}

#endif

// How an accumulator is finished: multiplier and shift to the right. Armv6-M's dots() take the multiplier in pieces of
// 10, 10 and 11 bits, and where no result is negative one shift for two, see there.
static inline uint32_t *put_scale(uint32_t multiplier, uint32_t right, bool relu, uint32_t *words) {
    #if defined(__ARM_ARCH_6M__)
    *words++ = (multiplier & 0x3ff) | (multiplier >> 10 & 0x3ff) << 16;
    *words++ = (multiplier >> 20) << 16 | (right + (relu ? 11 : 0));
    #else
    (void)relu;
    *words++ = multiplier;
    *words++ = right;
    #endif
    return words;
}

#if !defined(__ARM_ARCH_6M__)

// hog_requantize for a shift to the right by 1 ... 31.
static inline int32_t scale(uint32_t sum, uint32_t multiplier, uint32_t right) {
    int32_t y = hog_multiply_high((int32_t)sum, (int32_t)multiplier);
    y += y >> 31; // half away from zero
    return (y >> right) + (y >> (right - 1) & 1);
}

#endif

// The outputs of pixels that follow each other, two channels at a time. Armv6-M's assembly knows the order of the
// fields. What is said of `in` changes.
typedef struct {
    const uint32_t *x, *x_end;  // the patch: words of two values, a multiple of two
    const uint32_t *w, *w_end;  // for each pair of channels: their accumulators' start, the weights (four words for
                                // four values), then how either is scaled (two words, see put_scale)
    int8_t *out;
    int32_t zero_point, max;
    uint32_t runs;              // a patch is so many pieces of the input, or 0: it is in x already
    uint32_t run_quads;         // each of so many times four values,
    uint32_t run_step;          // and so many bytes from one to the next
    const int8_t *in;           // the first
    uint32_t in_step;           // bytes from pixel to pixel
    uint32_t out_gap;           // bytes from the last channel of a pixel to the first one of the next
    uint32_t pixels;            // at least 1
    int32_t min;                // zero_point, and -128 where max is 127
} hog_dots_t;

// Where results may be on either side of the zero point (`any`), accumulators have this added, so that those within
// ± 2^20 are not negative.
#define HOG_ACC_OFFSET (1u << 20)

// Not `any`: min is the zero point, as for RELU, and negative accumulators are done for.
void hog_dots(hog_dots_t *d, bool any);

// 4·quads values, word-aligned, to 2·quads words behind which they may lie; returns the end of these.
uint32_t *hog_expand(const int8_t *in, size_t quads, uint32_t *words);

// sums = bias + x·(w - 128), row after row; where a row's bit in `narrow` is set x·w, w 4 bits each. Both as FORMAT.md has
// them. Of each row so many values lie before those that meet x, and behind them. Returns the end of the rows. x as hog_expand
// makes it, a multiple of four words; w word-aligned, the numbers of values multiples of 8, at most 32 rows.
const int8_t *hog_dense_sums(const uint32_t *x, const uint32_t *x_end, const int8_t *w, uint32_t *sums, const uint32_t *sums_end,
    const uint32_t *bias, uint32_t before, uint32_t behind, uint32_t narrow);

// Scales sums as put_scale has said in two words each, from which `back` bytes (0 or 8)
// lead to those of the next one. Returns the end of the results.
int8_t *hog_finish(const uint32_t *words, uint32_t back, const uint32_t *sums, const uint32_t *sums_end, int8_t *out,
    const hog_clamp_t *clamp);

// Columns of an image, `rows` values each (at least one) that are `below` bytes apart, to columns of words `pitch` bytes
// apart: each value together with the one below it, the last one with `outside`.
void hog_columns(const int8_t *in, size_t in_c, size_t below, uint32_t *words, size_t pitch, size_t rows, size_t columns,
    int32_t outside);

// The outputs of one channel of a depthwise 3x3 layer. Again assembly knows the order of the fields.
typedef struct {
    uint32_t w[5];              // of the first two rows, in pairs; then of the third, in the upper half
    int32_t step;               // bytes from behind a window's words to the next window
    uint32_t start;             // of accumulators
    uint32_t w5;                // the last one
    uint32_t m[3];              // multiplier in pieces of 10, 10 and 11 bits
    uint32_t round, right;      // not `any`: half of what the upper piece is finer than a result, how far to shift after that;
                                // `any`: multiplier, shift to the right
    int32_t zero_point;
    uint32_t out_step;
    const uint32_t *row_end;    // where a row of windows ends
    int32_t max;
    uint32_t gap;               // bytes from there to the beginning of the next row
    uint32_t row;               // bytes from one row_end to the next
    const uint32_t *end;        // where the row behind the last one begins
    int32_t multiplier, shift;  // as hog_requantize has them
    const uint32_t *x, *x2;     // the first window's words of values above each other, rows 0 and 1; rows 2 and 3
    int8_t *out;
    int32_t min;
} hog_window_t;

void hog_windows(const hog_window_t *d, bool any);

#endif // HOG_PAIRS

#endif // HOGNOSE_PAIRS_H
