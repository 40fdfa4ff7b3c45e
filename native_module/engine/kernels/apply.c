// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// APPLY, RESCALE: functions of one value that few models need.
#include "kernels.h"

#if HOG_FULL

static float half_to_even(float x) {
    float whole = hog_floor(x), rest = x - whole;
    if (!(rest >= 0.5f)) {
        return whole;
    }
    bool even = hog_floor(whole * 0.5f) == whole * 0.5f;
    return rest == 0.5f && even ? whole : whole + 1.0f;
}

static float hard_swish(float x) {
    float gate = x + 3.0f;
    gate = gate > 0 ? gate : 0;
    return x * (gate < 6.0f ? gate : 6.0f) / 6.0f;
}

static float apply_float(const hog_apply_t *op, float x) {
    switch (op->function) {
        case HOG_A_ABS:
            return x < 0 ? -x : x;
        case HOG_A_NEG:
            return -x;
        case HOG_A_SQUARE:
            return x * x;
        case HOG_A_SQRT:
            return hog_sqrt(x);
        case HOG_A_RSQRT:
            return 1.0f / hog_sqrt(x);
        case HOG_A_EXP:
            return hog_exp(x);
        case HOG_A_LOG:
            return hog_log(x);
        case HOG_A_SIN:
            return hog_sin(x, 0);
        case HOG_A_COS:
            return hog_sin(x, 1);
        case HOG_A_FLOOR:
            return hog_floor(x);
        case HOG_A_CEIL:
            return -hog_floor(-x);
        case HOG_A_ROUND:
            return half_to_even(x);
        case HOG_A_ELU:
            return x < 0 ? hog_expm1(x) : x;
        case HOG_A_LEAKY_RELU:
            return x > 0 ? x : x * op->alpha;
        default: // HOG_A_HARD_SWISH
            return hard_swish(x);
    }
}

// Toward 0; it saturates, and NaN gives 0.
static int32_t truncated(float x) {
    if (!(x < 2147483648.0f)) {
        return x == x ? INT32_MAX : 0;
    }
    return x < -2147483648.0f ? INT32_MIN : (int32_t)x;
}

static void apply(const hog_apply_t *op, const void *in, void *out) {
    uint8_t from = op->op.type, to = op->out_type;
    if (from == HOG_FLOAT32) {
        float x = *(const float *)in;
        if (op->function == HOG_A_QUANTIZE) {
            hog_put(out, to, hog_saturate(to, hog_add(hog_round(x / op->alpha), op->zero_point)));
        } else if (to == HOG_FLOAT32) {
            *(float *)out = op->function == HOG_A_CAST ? x : apply_float(op, x);
        } else {
            hog_put(out, to, to == HOG_BOOL ? x != 0 : hog_saturate(to, truncated(x)));
        }
        return;
    }
    int32_t x = hog_get(in, from);
    if (op->function == HOG_A_DEQUANTIZE) {
        *(float *)out = op->alpha * (float)(x - op->zero_point);
    } else if (to == HOG_FLOAT32) {
        *(float *)out = (float)x;
    } else {
        x = op->function == HOG_A_NOT ? x == 0 : x;
        hog_put(out, to, to == HOG_BOOL ? x != 0 : x);
    }
}

void hog_apply(const hog_t *h, void *arena, const hog_apply_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    uint32_t size = hog_size(op->op.type), out_size = hog_size(op->out_type);
    for (uint32_t i = 0; i < op->count; ++i) {
        // In place, what grows starts at the end.
        size_t at = out_size > size ? op->count - 1 - i : i;
        apply(op, in + at * size, out + at * out_size);
    }
}

static int32_t rescale(const hog_rescale_t *op, int32_t x) {
    x = hog_add(x, -op->in_zp);
    if (op->function == HOG_R_RSQRT) {
        if (x <= 0) {
            return op->max;
        }
        int shift;
        x = hog_inverse_sqrt(x, &shift);
        x = hog_requantize(1, x, shift + 20);
    }
    bool negative = x < 0;
    if (negative && op->function == HOG_R_ABS) {
        x = (int32_t)(0 - (uint32_t)x);
        negative = false;
    }
    x = negative ? hog_requantize(x, op->negative_multiplier, op->negative_shift)
                 : hog_requantize(x, op->multiplier, op->shift);
    return hog_min(hog_max(hog_add(x, op->out_zp), op->min), op->max);
}

void hog_rescale(const hog_t *h, void *arena, const hog_rescale_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    uint32_t size = hog_size(op->op.type), out_size = hog_size(op->out_type);
    for (uint32_t i = 0; i < op->count; ++i) {
        size_t at = out_size > size ? op->count - 1 - i : i;
        hog_put(out + at * out_size, op->out_type, rescale(op, hog_get(in + at * size, op->op.type)));
    }
}

#endif // HOG_FULL
