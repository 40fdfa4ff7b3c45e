// SPDX-License-Identifier: MIT
//
// NORMALIZE: rows to length 1, to probabilities or their logarithms. A name like q5_26 says where the binary point is.
#include "check.h"

hog_error_t hog_check_normalize(hog_t *h, const void *record) {
    const hog_normalize_t *op = record;
    uint32_t size = hog_size(op->op.type);
    bool softmax = op->function == HOG_NORMALIZE_SOFTMAX;
    if (op->function - 1u >= HOG_NORMALIZE_SOFTMAX || (softmax && op->op.type != HOG_INT8)) {
        return E_FUNCTION;
    }
    if (op->op.type == HOG_INT8 && op->function != HOG_NORMALIZE_L2) {
        if (!hog_in_data(h, op->table, hog_times(op->entries, 4), 4)) {
            return E_TABLE;
        }
        if (!hog_is_multiplier(op->multiplier, op->shift) || !hog_is_multiplier(op->reverse_multiplier, op->reverse_shift)) {
            return E_MULTIPLIER;
        }
    }
    uint32_t count = hog_times(op->rows, op->depth);
    if (softmax) {
        hog_extent_t in = {op->in, count, 1}, out = {op->out, hog_times(count, 2), 2};
        hog_add_work(h, count);
        return count == 0 ? E_ZERO : hog_check_tensors(h, &in, &out, false);
    }
    return hog_check_elements(h, op->in, op->out, count, size, size);
}

static void l2_float(const float *in, uint32_t depth, float *out) {
    float sum = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        sum += in[i] * in[i];
    }
    float length = hog_sqrt(sum);
    length = length < 1e-6f ? 1e-6f : length;
    for (uint32_t i = 0; i < depth; ++i) {
        out[i] = in[i] / length;
    }
}

static void l2_int8(const hog_normalize_t *op, const int8_t *in, int8_t *out) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < op->depth; ++i) {
        int32_t x = in[i] - op->in_zp;
        sum += (uint32_t)(x * x);
    }
    int shift;
    int32_t multiplier = hog_inverse_sqrt((int32_t)sum, &shift);
    for (uint32_t i = 0; i < op->depth; ++i) {
        out[i] = hog_saturate_int8(hog_requantize(in[i] - op->in_zp, multiplier, shift + 7));
    }
}

static void log_softmax_float(const float *in, uint32_t depth, float *out) {
    float max = -FLT_MAX, sum = 0;
    for (uint32_t i = 0; i < depth; ++i) {
        max = max < in[i] ? in[i] : max;
    }
    for (uint32_t i = 0; i < depth; ++i) {
        sum += hog_exp(in[i] - max);
    }
    sum = hog_log(sum);
    for (uint32_t i = 0; i < depth; ++i) {
        out[i] = in[i] - max - sum;
    }
}

static int32_t saturate(int64_t x) {
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

static int32_t leading_zeros(int32_t x) {
    int32_t n = 0;
    while (n < 32 && !((uint32_t)x << n >> 31)) {
        ++n;
    }
    return n;
}

// The logarithm in q5_26 of x > 0 in q12_19: gemmlowp's, with a Padé approximation around √√½.
static int32_t log_q5_26(int32_t x) {
    const int32_t root_half = 1518500250, center = 1805811301;
    int32_t zeros = leading_zeros(x);
    int32_t r = hog_multiply_high(saturate((int64_t)x * (1u << (zeros - 1))), root_half);
    r = saturate((int64_t)r * 2);
    int32_t power_q6_25 = (12 - zeros) * (1 << 25) + (1 << 23);
    zeros = leading_zeros(hog_multiply_high(x, root_half)) - 1;
    r = hog_min(r, saturate((int64_t)x * (1u << zeros)));
    power_q6_25 = hog_max(power_q6_25, (12 - zeros) * (1 << 25) - (1 << 23));

    int32_t p = (int32_t)(((int64_t)r + center + 1) / 2);
    int32_t q = hog_add(hog_add(r, -center), hog_add(r, -center));
    int32_t square = hog_multiply_high(q, q);
    int32_t above = hog_add(hog_multiply_high(q, r), hog_multiply_high(hog_multiply_high(q, square), 117049297));
    int32_t below = hog_add(hog_add(1057819769, q), hog_multiply_high(127690142, square));
    below = hog_add(hog_multiply_high(p, below), hog_multiply_high(638450708, q));
    int32_t y = hog_multiply_high(hog_shift_right(above, 6), hog_one_over_one_plus(below));
    y = hog_add(hog_multiply_high(power_q6_25, 1488522236), y);
    return saturate((int64_t)y * 2);
}

static void log_softmax_int8(const hog_normalize_t *op, const int32_t *table, const int8_t *in, int8_t *out) {
    int32_t max = INT8_MIN;
    for (uint32_t i = 0; i < op->depth; ++i) {
        max = hog_max(max, in[i]);
    }
    uint32_t sum_q12_19 = 0;
    for (uint32_t i = 0; i < op->depth; ++i) {
        uint32_t below = (uint32_t)(max - in[i]);
        if (below < op->entries) {
            sum_q12_19 += (uint32_t)hog_shift_right(table[below], 12);
        }
    }
    int32_t log_q = log_q5_26(hog_max((int32_t)sum_q12_19, 1));
    int32_t least = hog_requantize(hog_add(log_q, INT32_MIN), op->reverse_multiplier, op->reverse_shift);
    least = hog_max(least, -(int32_t)op->entries);
    for (uint32_t i = 0; i < op->depth; ++i) {
        int32_t below = in[i] - max, y = INT8_MIN;
        if (below > least) {
            y = hog_requantize(below, op->multiplier, op->shift);
            y = hog_add(hog_shift_right((int32_t)((uint32_t)y - (uint32_t)log_q), 31 - 5 - 4), INT8_MAX);
        }
        out[i] = hog_saturate_int8(y);
    }
}

void hog_normalize(const hog_t *h, void *arena, const void *record) {
    const hog_normalize_t *op = record;
    const void *in = hog_at(h, arena, op->in);
    void *out = hog_at(h, arena, op->out);
    bool l2 = op->function == HOG_NORMALIZE_L2;
    for (uint32_t r = 0; r < op->rows; ++r) {
        size_t at = (size_t)r * op->depth;
        if (op->op.type == HOG_FLOAT32) {
            (l2 ? l2_float : log_softmax_float)((const float *)in + at, op->depth, (float *)out + at);
        } else if (l2) {
            l2_int8(op, (const int8_t *)in + at, (int8_t *)out + at);
        } else if (op->function == HOG_NORMALIZE_SOFTMAX) {
            hog_softmax_to_int16(hog_at(h, arena, op->table), op->entries, (const int8_t *)in + at, op->depth,
                (int16_t *)out + at);
        } else {
            log_softmax_int8(op, hog_at(h, arena, op->table), (const int8_t *)in + at, (int8_t *)out + at);
        }
    }
}
