// SPDX-License-Identifier: MIT
//
// APPLY: functions of one value that few models need.
#include "check.h"

hog_error_t hog_check_apply(hog_t *h, const void *record) {
    const hog_apply_t *op = record;
    static const uint8_t to[] = {
        [HOG_APPLY_CAST] = B | H | I | F | BOOL, [HOG_APPLY_QUANTIZE] = H | U, [HOG_APPLY_DEQUANTIZE] = F,
    };
    uint8_t from = op->function < HOG_APPLY_LOGICAL_NOT ? F : op->function == HOG_APPLY_LOGICAL_NOT ? BOOL : to[HOG_APPLY_CAST];
    if (op->function == HOG_APPLY_QUANTIZE) {
        from = F;
    } else if (op->function == HOG_APPLY_DEQUANTIZE) {
        from = H | U;
    }
    bool same = op->function < HOG_APPLY_CAST;
    if (op->function == 0 || op->function > HOG_APPLY_DEQUANTIZE || !(hog_type_bit(op->op.type) & from)
        || (same ? op->out_type != op->op.type : !(hog_type_bit(op->out_type) & to[op->function]))) {
        return E_FUNCTION;
    }
    if (op->reserved != 0) {
        return E_RESERVED;
    }
    if (op->function >= HOG_APPLY_QUANTIZE) {
        if (!hog_is_scale(op->alpha)) {
            return E_SCALE;
        }
        if (!hog_is_int16(op->zero_point)) {
            return E_ZERO_POINT;
        }
    }
    return hog_check_elements(h, op->in, op->out, op->count, hog_size(op->op.type), hog_size(op->out_type));
}

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
        case HOG_APPLY_ABS:
            return x < 0 ? -x : x;
        case HOG_APPLY_NEG:
            return -x;
        case HOG_APPLY_SQUARE:
            return x * x;
        case HOG_APPLY_SQRT:
            return hog_sqrt(x);
        case HOG_APPLY_RSQRT:
            return 1.0f / hog_sqrt(x);
        case HOG_APPLY_EXP:
            return hog_exp(x);
        case HOG_APPLY_LOG:
            return hog_log(x);
        case HOG_APPLY_SIN:
            return hog_sin(x, 0);
        case HOG_APPLY_COS:
            return hog_sin(x, 1);
        case HOG_APPLY_FLOOR:
            return hog_floor(x);
        case HOG_APPLY_CEIL:
            return -hog_floor(-x);
        case HOG_APPLY_ROUND:
            return half_to_even(x);
        case HOG_APPLY_ELU:
            return x < 0 ? hog_expm1(x) : x;
        case HOG_APPLY_LEAKY_RELU:
            return x > 0 ? x : x * op->alpha;
        default: // HOG_APPLY_HARD_SWISH
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
        if (op->function == HOG_APPLY_QUANTIZE) {
            hog_put(out, to, hog_saturate(to, hog_add(hog_round(x / op->alpha), op->zero_point)));
        } else if (to == HOG_FLOAT32) {
            *(float *)out = op->function == HOG_APPLY_CAST ? x : apply_float(op, x);
        } else {
            hog_put(out, to, to == HOG_BOOL ? x != 0 : hog_saturate(to, truncated(x)));
        }
        return;
    }
    int32_t x = hog_get(in, from);
    if (op->function == HOG_APPLY_DEQUANTIZE) {
        *(float *)out = op->alpha * (float)(x - op->zero_point);
    } else if (to == HOG_FLOAT32) {
        *(float *)out = (float)x;
    } else {
        x = op->function == HOG_APPLY_LOGICAL_NOT ? x == 0 : x;
        hog_put(out, to, to == HOG_BOOL ? x != 0 : x);
    }
}

void hog_apply(const hog_t *h, void *arena, const void *record) {
    const hog_apply_t *op = record;
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    uint32_t size = hog_size(op->op.type), out_size = hog_size(op->out_type);
    for (uint32_t i = 0; i < op->count; ++i) {
        // In place, what grows starts at the end.
        size_t at = out_size > size ? op->count - 1 - i : i;
        apply(op, in + at * size, out + at * out_size);
    }
}
