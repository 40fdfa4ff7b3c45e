// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// SOFTMAX. int8 is gemmlowp's fixed-point arithmetic: a name like q2_29 says where the binary point is.
#include <float.h>

#include "kernels.h"

static int32_t shift_left_saturating(int32_t x, unsigned n) {
    int32_t limit = INT32_MAX >> n;
    if (x > limit) {
        return INT32_MAX;
    }
    return x < -limit - 1 ? INT32_MIN : (int32_t)((uint32_t)x << n);
}

// 1 ÷ (1 + a) by three Newton steps for 1 ÷ h, h = (1 + a) ÷ 2; a and result are q0_31.
#if !HOG_FULL
static
#endif
int32_t hog_one_over_one_plus(int32_t a) {
    int32_t h = (int32_t)(((uint32_t)a + (1u << 31)) / 2);
    int32_t x_q2_29 = hog_add(1515870810, hog_multiply_high(h, -1010580540)); // 48/17 - 32/17·h
    for (unsigned i = 0; i < 3; ++i) {
        int32_t error = (int32_t)((1u << 29) - (uint32_t)hog_multiply_high(h, x_q2_29));
        x_q2_29 = hog_add(x_q2_29, shift_left_saturating(hog_multiply_high(x_q2_29, error), 2));
    }
    return shift_left_saturating(x_q2_29, 1);
}

// `out` is int8, or where `wide` int16.
static inline void row_fixed(const int32_t *table, uint32_t entries, const int8_t *in, uint32_t depth, void *out, bool wide) {
    int32_t max = INT8_MIN;
    for (uint32_t i = 0; i < depth; ++i) {
        max = hog_max(max, in[i]);
    }
    uint32_t sum_q12_19 = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        uint32_t below = (uint32_t)(max - in[i]);
        if (below < entries) {
            sum_q12_19 += (uint32_t)hog_shift_right(table[below], 12);
        }
    }
    // Normalize the sum to 1 + a; what it was shifted by goes into the last shift.
    unsigned headroom = 0;
    while (headroom < 31 && !((sum_q12_19 << headroom) >> 31)) {
        ++headroom;
    }
    int32_t scale = hog_one_over_one_plus((int32_t)((sum_q12_19 << headroom) - (1u << 31)));
    int shift = 12 - (int)headroom + 31 - (wide ? 16 : 8);
    for (uint32_t i = 0; i < depth; ++i) {
        uint32_t below = (uint32_t)(max - in[i]);
        int32_t y = 0;
        if (below < entries && 0 <= shift && shift <= 31) {
            y = hog_shift_right(hog_multiply_high(scale, table[below]), (unsigned)shift);
        }
        if (wide) {
            ((int16_t *)out)[i] = (int16_t)hog_max(hog_min(hog_add(y, INT16_MIN), INT16_MAX), INT16_MIN);
        } else {
            ((int8_t *)out)[i] = hog_saturate_int8(hog_add(y, INT8_MIN));
        }
    }
}

#if HOG_FULL
void hog_softmax_int16(const int32_t *table, uint32_t entries, const int8_t *in, uint32_t depth, int16_t *out) {
    row_fixed(table, entries, in, depth, out, true);
}
#endif

static void row_float(float beta, const float *in, uint32_t depth, float *out) {
    float max = -FLT_MAX;
    for (uint32_t i = 0; i < depth; ++i) {
        max = max < in[i] ? in[i] : max;
    }
    float sum = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        out[i] = hog_exp((in[i] - max) * beta);
        sum += out[i];
    }
    for (uint32_t i = 0; i < depth; ++i) {
        out[i] = out[i] / sum;
    }
}

void hog_softmax(const hog_t *h, void *arena, const hog_softmax_t *op) {
    const void *in = hog_at(h, arena, op->in);
    void *out = hog_at(h, arena, op->out);
    for (uint32_t r = 0; r < op->rows; ++r) {
        size_t at = (size_t)r * op->depth;
        if (!hog_is_float(op->op.type)) {
            row_fixed(hog_at(h, arena, op->table), op->u.entries, (const int8_t *)in + at, op->depth, (int8_t *)out + at,
                false);
        } else {
            row_float(op->u.beta, (const float *)in + at, op->depth, (float *)out + at);
        }
    }
}
