// SPDX-License-Identifier: MIT
//
// What kernels share. They trust their record: its check has seen it. Each kernel writes all of its output.
#ifndef HOGNOSE_OPS_H
#define HOGNOSE_OPS_H

#include <stdbool.h>
#include <string.h>

#include "hog.h"

// Inner loops, where a build for size gives away more time than it saves room.
#if defined(__GNUC__) && !defined(__clang__)
#define HOG_HOT __attribute__((noinline, optimize("O2")))
#define HOG_HOT_INLINE static inline __attribute__((always_inline, optimize("O2")))
#else
#define HOG_HOT
#define HOG_HOT_INLINE static inline
#endif

// An element of any integer type, or bool, as int32; `hog_put` takes what it can hold of x.
int32_t hog_get(const void *p, uint8_t type);
void hog_put(void *p, uint8_t type, int32_t x);
int32_t hog_saturate(uint8_t type, int32_t x);
float hog_floor(float x);
float hog_sqrt(float x);
float hog_log(float x);
float hog_sin(float x, unsigned quadrant); // quadrant 1: the cosine
float hog_expm1(float x);
float hog_power_of_two(int32_t n); // n in -126 ... 127
float hog_floor_div(float x, float y);
float hog_floor_mod(float x, float y);
int32_t hog_one_over_one_plus(int32_t a);
void hog_softmax_to_int16(const int32_t *table, uint32_t entries, const int8_t *in, uint32_t depth, int16_t *out);
int16_t hog_sigmoid16(const uint16_t *table, int32_t x);
int16_t hog_tanh16(const uint16_t *table, int32_t x);
int64_t hog_get_int64(const void *p, uint32_t i); // element i
int32_t hog_requantize64(int64_t x, int32_t multiplier, int shift); // rounded once; shift in -31 ... 14
int32_t hog_inverse_sqrt(int32_t x, int *shift); // 1 ÷ √x as a multiplier and its shift
float hog_dot_float32(const float *x, const float *w, uint32_t n);

// sums[r] = Σ x[i]·w[r][i] over k values, for the first `rows` rows of w, HOG_DOT_ROWS of them at most; `sums` has
// room for as many, and those of missing rows are not defined.
#if defined(__ARM_ARCH_6M__)
#define HOG_DOT_ROWS (2)        // what fits into eight registers
#else
#define HOG_DOT_ROWS (4)
#endif
void hog_dot(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums);
// The same for weights of DENSE; the sums are those of weights with 128 added.
void hog_dot_offset(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums);
// Of HOG_DOT_ROWS such rows, wherever they lie.
void hog_dot_rows(const int8_t *x, const int8_t *const *w, size_t k, uint32_t *sums);
// Of the first `rows` such rows, with 4 bits a weight; with 8 added.
void hog_dot_narrow(const int8_t *x, const int8_t *const *w, size_t k, unsigned rows, uint32_t *sums);

int32_t hog_round(float x);     // half away from zero; INT32_MIN where an int32 cannot hold it

// From the last element to the first, so that both may begin at the same place.
void hog_dequantize_int8(float *out, const int8_t *in, size_t n, float scale, int32_t zero_point);

float hog_exp(float x);
float hog_tanh_of(float x);
float hog_logistic_of(float x);

// Bytes of an element.
static inline uint32_t hog_size(uint8_t type) {
    switch (type) {
        case HOG_INT8:
        case HOG_UINT8:
        case HOG_BOOL:
            return 1;
        case HOG_INT16:
            return 2;
        case HOG_INT64:
            return 8;
        default:
            return 4;
    }
}

// Where a ref points. Constant tensors are only ever read, so the cast does no harm.
static inline void *hog_at(const hog_t *h, void *arena, uint32_t ref) {
    if (ref & HOG_IN_DATA) {
        return (void *)(h->data + (ref ^ HOG_IN_DATA));
    }
    return (uint8_t *)arena + ref;
}

// Sums wrap as they do in TFLM; in C only unsigned ones may.
static inline int32_t hog_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t hog_min(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static inline int32_t hog_max(int32_t a, int32_t b) {
    return a > b ? a : b;
}

// Products of int8 values in pairs (pairs.h): 1 for CONV_TILED and DEPTHWISE_TILED, where words have 32 bits; 2 for DENSE as
// well, where nothing multiplies better; 0 where the plain kernels run such layers.
#if !defined(HOG_PAIRS)
#if defined(__ARM_ARCH_6M__)
#define HOG_PAIRS (2)
#else
#define HOG_PAIRS (UINTPTR_MAX == 0xffffffffu)
#endif
#endif

// a·b ÷ 2^31, rounded to nearest.
#if defined(__ARM_ARCH_6M__)
int32_t hog_multiply_high(int32_t a, int32_t b);
#else
static inline int32_t hog_multiply_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}
#endif

// x ÷ 2^n, rounded half away from zero; n in 0 ... 31.
static inline int32_t hog_shift_right(int32_t x, unsigned n) {
    uint32_t mask = (1u << n) - 1;
    uint32_t threshold = (mask >> 1) + (x < 0);
    return (x >> n) + (((uint32_t)x & mask) > threshold);
}

// MultiplyByQuantizedMultiplier: x·multiplier·2^(shift - 31), rounded twice; shift in -31 ... 30.
#if defined(__ARM_ARCH_6M__)
int32_t hog_requantize(int32_t x, int32_t multiplier, int shift);
#else
static inline int32_t hog_requantize(int32_t x, int32_t multiplier, int shift) {
    int left = shift > 0 ? shift : 0;
    return hog_shift_right(hog_multiply_high((int32_t)((uint32_t)x << left), multiplier), (unsigned)(left - shift));
}
#endif

static inline int8_t hog_saturate_int8(int32_t x) {
    return (int8_t)hog_min(hog_max(x, INT8_MIN), INT8_MAX);
}

// An int8 result: zero point and clamp.
static inline int8_t hog_clamp_int8(int32_t x, const hog_clamp_t *clamp) {
    x = hog_add(x, clamp->i.out_zp);
    return (int8_t)hog_min(hog_max(x, clamp->i.min), clamp->i.max);
}

// An integer result of any width.
static inline int32_t hog_clamp_int(int32_t x, const hog_clamp_t *clamp) {
    return hog_min(hog_max(hog_add(x, clamp->i.out_zp), clamp->i.min), clamp->i.max);
}

// A NaN stays.
static inline float hog_clamp_float(float x, float min, float max) {
    return x < min ? min : x > max ? max : x;
}

// Taps of a window that lie inside the input: the rows or columns first ... first + n - 1 of the window.
typedef struct {
    int32_t first, n;
} hog_span_t;

// `start` is the input's position of a window's first tap, which may lie outside.
static inline hog_span_t hog_span(int32_t start, int32_t taps, int32_t dilation, int32_t size) {
    hog_span_t span;
    span.first = start < 0 ? -start : 0;
    int32_t end = size - start;
    if (dilation != 1) { // a division is slow on small processors
        span.first = (span.first + dilation - 1) / dilation;
        end = end > 0 ? (end - 1) / dilation + 1 : 0;
    }
    span.n = hog_max(hog_min(end, taps) - span.first, 0);
    return span;
}

// Walks the outer loops of a nest; the caller runs the innermost ones itself.
typedef struct {
    uint32_t at[HOG_MAX_LOOPS];
    int32_t a, b;       // where both operands are, in the strides' unit
} hog_walk_t;

// Steps to the next place; false after the last one. Loops are outermost first.
bool hog_walk(hog_walk_t *walk, const hog_loop_t *loop, unsigned loops);

#endif // HOGNOSE_OPS_H
