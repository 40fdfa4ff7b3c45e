// SPDX-License-Identifier: MIT
//
// SOFTMAX. int8 is gemmlowp's fixed-point arithmetic: a name like q2_29 says where the binary point is.
#include "check.h"

hog_error_t hog_check_softmax(hog_t *h, const void *record) {
    const hog_softmax_t *op = record;
    if (op->op.type == HOG_INT8 && !hog_in_data(h, op->table, hog_times(op->entries, 4), 4)) {
        return E_TABLE;
    }
    uint32_t size = hog_size(op->op.type);
    return hog_check_elements(h, op->in, op->out, hog_times(op->rows, op->depth), size, size);
}

static int32_t shift_left_saturating(int32_t x, unsigned n) {
    int32_t limit = INT32_MAX >> n;
    if (x > limit) {
        return INT32_MAX;
    }
    return x < -limit - 1 ? INT32_MIN : (int32_t)((uint32_t)x << n);
}

// 1 ÷ (1 + a) by three Newton steps for 1 ÷ h, h = (1 + a) ÷ 2; a and result are q0_31.
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

void hog_softmax_to_int16(const int32_t *table, uint32_t entries, const int8_t *in, uint32_t depth, int16_t *out) {
    row_fixed(table, entries, in, depth, out, true);
}

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

void hog_softmax_int8(const hog_t *h, void *arena, const void *record) {
    const hog_softmax_t *op = record;
    const int8_t *in = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    const int32_t *table = hog_at(h, arena, op->table);
    for (uint32_t r = 0; r < op->rows; ++r, in += op->depth, out += op->depth) {
        row_fixed(table, op->entries, in, op->depth, out, false);
    }
}

void hog_softmax_float32(const hog_t *h, void *arena, const void *record) {
    const hog_softmax_t *op = record;
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out);
    for (uint32_t r = 0; r < op->rows; ++r, in += op->depth, out += op->depth) {
        row_float(op->beta, in, op->depth, out);
    }
}
