// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// int8 convolutions with two products a multiplication, for processors that have no better instruction: see pairs.c.
#ifndef HOGNOSE_PAIRS_H
#define HOGNOSE_PAIRS_H

#include "kernels.h"

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

// sums = bias + x·(w - 128), row after row; where a row's bit in `narrow` is set x·w, w 4 bits each. Both as README.md has
// them. Of each row so many values lie before those that meet x, and behind them. Returns the end of the rows. x as hog_expand
// makes it, a multiple of four words; w word-aligned, the numbers of values multiples of 8, at most 32 rows.
const int8_t *hog_dense(const uint32_t *x, const uint32_t *x_end, const int8_t *w, uint32_t *sums, const uint32_t *sums_end,
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

// All return false, having done nothing, where the layer is not one for them.
bool hog_conv_pairs(const hog_t *h, void *arena, const hog_conv_t *op);
bool hog_dense_pairs(const hog_t *h, void *arena, const hog_conv_t *op);
bool hog_depthwise_pairs(const hog_t *h, void *arena, const hog_conv_t *op);

#endif // HOGNOSE_PAIRS_H
