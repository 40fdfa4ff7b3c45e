// SPDX-License-Identifier: MIT
//
// COMBINE: functions of two operands that few models need, written for size.
#include "check.h"

enum { BELOW, SAME, ABOVE, UNORDERED };

static bool compares(const hog_binary_t *op) {
    return op->function >= HOG_COMBINE_EQUAL;
}

static bool is_quantized(const hog_binary_t *op) {
    return op->op.type == HOG_INT8 || op->op.type == HOG_INT16;
}

static int32_t scaled1(const hog_binary_t *op, int32_t x) {
    x = (int32_t)((uint32_t)(x - op->clamp.i.in_zp) << op->left_shift);
    return hog_requantize(x, op->multiplier1, op->shift1);
}

static int32_t scaled2(const hog_binary_t *op, int32_t x) {
    x = (int32_t)((uint32_t)(x - op->in2_zp) << op->left_shift);
    return hog_requantize(x, op->multiplier2, op->shift2);
}

#define ORDER(x, y) ((x) < (y) ? BELOW : (x) > (y) ? ABOVE : (x) == (y) ? SAME : UNORDERED)

// How the operands compare: as numbers, and for MAXIMUM and MINIMUM as they are.
static int order(const hog_binary_t *op, const void *p, const void *q) {
    if (op->op.type == HOG_FLOAT32) {
        float x = *(const float *)p, y = *(const float *)q;
        return ORDER(x, y);
    }
    if (op->op.type == HOG_INT64) {
        int64_t x = hog_get_int64(p, 0), y = hog_get_int64(q, 0);
        return ORDER(x, y);
    }
    int32_t x = hog_get(p, op->op.type), y = hog_get(q, op->op.type);
    if (compares(op) && is_quantized(op)) {
        x = scaled1(op, x);
        y = scaled2(op, y);
    }
    return ORDER(x, y);
}

static bool holds(uint8_t function, int order) {
    switch (function) {
        case HOG_COMBINE_EQUAL:
            return order == SAME;
        case HOG_COMBINE_NOT_EQUAL:
            return order != SAME;
        case HOG_COMBINE_LESS:
            return order == BELOW;
        default:
            return order <= SAME;
    }
}

static float combine_float(uint8_t function, float x, float y) {
    switch (function) {
        case HOG_COMBINE_ADD:
            return x + y;
        case HOG_COMBINE_SUB:
            return x - y;
        case HOG_COMBINE_MUL:
            return x * y;
        case HOG_COMBINE_DIV:
            return x / y;
        case HOG_COMBINE_SQUARED_DIFFERENCE:
            x = x - y;
            return x * x;
        case HOG_COMBINE_FLOOR_DIV:
            return hog_floor_div(x, y);
        case HOG_COMBINE_FLOOR_MOD:
            return hog_floor_mod(x, y);
        default: // HOG_COMBINE_PRELU
            return x >= 0 ? x : x * y;
    }
}

static unsigned leading_zeros(uint32_t x) {
    unsigned n = 0;
    while (n < 32 && !(x >> 31)) {
        x <<= 1;
        ++n;
    }
    return n;
}

// x1 ÷ x2 by the reciprocal. What TFLM's processor makes of a shift by 32 and more is part of the result.
static int32_t divide(const hog_binary_t *op, int32_t x1, int32_t x2) {
    if (x2 < 0) {
        x1 = -x1;
        x2 = -x2;
    }
    unsigned zeros = leading_zeros((uint32_t)x2);
    uint32_t fraction = x2 != 0 ? (uint32_t)x2 << zeros : 0; // and so it has a reciprocal of 0
    int32_t inverse = hog_one_over_one_plus((int32_t)(fraction - (1u << 31)));
    unsigned headroom = leading_zeros((uint32_t)(x1 < 0 ? ~x1 : x1)) - 1;
    int32_t y = hog_multiply_high((int32_t)((uint32_t)x1 << headroom), inverse);
    y = hog_multiply_high(y, op->multiplier);
    int right = 31 - (int)zeros + (int)headroom - op->shift;
    unsigned bits = (unsigned)right & 31;
    return (unsigned)right <= 31 ? hog_shift_right(y, bits) : (y >> bits) + (y >= 0);
}

static int32_t combine_quantized(const hog_binary_t *op, int32_t x, int32_t y) {
    uint32_t difference;
    int32_t result;
    switch (op->function) {
        case HOG_COMBINE_MUL:
        case HOG_COMBINE_DIV:
        case HOG_COMBINE_PRELU:
            x -= op->clamp.i.in_zp;
            y -= op->in2_zp;
            if (op->function == HOG_COMBINE_DIV) {
                return divide(op, x, y);
            }
            if (op->function == HOG_COMBINE_PRELU && x >= 0) {
                return hog_requantize(x, op->multiplier1, op->shift1);
            }
            result = (int32_t)((uint32_t)x * (uint32_t)y);
            break;
        case HOG_COMBINE_ADD:
            result = hog_add(scaled1(op, x), scaled2(op, y));
            break;
        default:
            difference = (uint32_t)scaled1(op, x) - (uint32_t)scaled2(op, y);
            result = (int32_t)(op->function == HOG_COMBINE_SUB ? difference : difference * difference);
            break;
    }
    return hog_requantize(result, op->multiplier, op->shift);
}

static int32_t combine_int(uint8_t function, uint32_t x, uint32_t y) {
    switch (function) {
        case HOG_COMBINE_ADD:
            return (int32_t)(x + y);
        case HOG_COMBINE_SUB:
            return (int32_t)(x - y);
        case HOG_COMBINE_MUL:
            return (int32_t)(x * y);
        case HOG_COMBINE_DIV: // toward 0; TFLM stops where y is 0
            if (y + 1 <= 1) {
                return y == 0 ? 0 : (int32_t)(0u - x);
            }
            return (int32_t)x / (int32_t)y;
        case HOG_COMBINE_LOGICAL_AND:
            return x != 0 && y != 0;
        case HOG_COMBINE_LOGICAL_OR:
            return x != 0 || y != 0;
        default: // HOG_COMBINE_SQUARED_DIFFERENCE
            return (int32_t)((x - y) * (x - y));
    }
}

static void combine(const hog_binary_t *op, const uint8_t *p, const uint8_t *q, uint8_t *out) {
    uint8_t type = op->op.type, function = op->function;
    const hog_clamp_t *clamp = &op->clamp;
    if (function == HOG_COMBINE_SELECT) {
        if (*p) {
            memcpy(out, q, hog_size(type));
        }
    } else if (compares(op)) {
        *out = holds(function, order(op, p, q));
    } else if (function == HOG_COMBINE_MAXIMUM || function == HOG_COMBINE_MINIMUM) {
        bool first = order(op, p, q) == (function == HOG_COMBINE_MAXIMUM ? ABOVE : BELOW);
        memmove(out, first ? p : q, hog_size(type));
    } else if (type == HOG_FLOAT32) {
        float y = combine_float(function, *(const float *)(const void *)p, *(const float *)(const void *)q);
        *(float *)(void *)out = hog_clamp_float(y, clamp->f.min, clamp->f.max);
    } else {
        int32_t x = hog_get(p, type), y = hog_get(q, type);
        if (is_quantized(op)) {
            y = hog_add(combine_quantized(op, x, y), clamp->i.out_zp);
            y = hog_min(hog_max(y, clamp->i.min), clamp->i.max);
        } else {
            y = combine_int(function, (uint32_t)x, (uint32_t)y);
            if (type == HOG_INT32) {
                y = hog_min(hog_max(y, clamp->w.min), clamp->w.max);
            }
        }
        hog_put(out, type, y);
    }
}

void hog_combine(const hog_t *h, void *arena, const void *record) {
    const hog_binary_t *op = record;
    const uint8_t *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    uint8_t *out = hog_at(h, arena, op->out);
    ptrdiff_t size = (ptrdiff_t)hog_size(op->op.type);
    ptrdiff_t size1 = op->function == HOG_COMBINE_SELECT ? 1 : size;
    ptrdiff_t out_size = compares(op) ? 1 : size;
    hog_walk_t walk = {{0}, 0, 0};
    do {
        combine(op, in1 + walk.a * size1, in2 + walk.b * size, out);
        out += out_size;
    } while (hog_walk(&walk, op->loop, op->loops));
}
