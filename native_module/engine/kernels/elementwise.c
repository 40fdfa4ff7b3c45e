// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// ADD, MUL, LUT, CLAMP, LOGISTIC, TANH.
#include "kernels.h"

static int8_t binary_int8(const hog_binary_t *op, int32_t x1, int32_t x2) {
    x1 -= op->clamp.i.in_zp;
    x2 -= op->in2_zp;
    int32_t y;
    if (op->op.code == HOG_ADD) {
        x1 = (int32_t)((uint32_t)x1 << op->left_shift);
        x2 = (int32_t)((uint32_t)x2 << op->left_shift);
        y = hog_add(hog_requantize(x1, op->multiplier1, op->shift1), hog_requantize(x2, op->multiplier2, op->shift2));
    } else {
        y = x1 * x2;
    }
    return hog_clamp_int8(hog_requantize(y, op->multiplier, op->shift), &op->clamp);
}

#define FRACTION (21)           // bits
#define DOUBT_BITS (12)
#define DOUBT (1 << DOUBT_BITS)

// ADD as sum = k0 + x1·k1 + x2·k2 with FRACTION bits, where that has 32 bits. `k1` is 0 where it has not.
typedef struct {
    int32_t k0, k1, k2;
} sum_t;

static int32_t factor(const hog_binary_t *op, int32_t multiplier, int shift) {
    int right = 31 - FRACTION - shift - op->shift - op->left_shift;
    return right < 0 || right > 30 || shift > 0 ? 0 : hog_multiply_high(multiplier, op->multiplier) >> right;
}

static sum_t find_sum(const hog_binary_t *op) {
    sum_t s = {0, factor(op, op->multiplier1, op->shift1), factor(op, op->multiplier2, op->shift2)};
    if (op->op.code != HOG_ADD || op->left_shift > 22 || op->shift > -11 || s.k2 == 0
        || (uint32_t)s.k1 + (uint32_t)s.k2 > 7u << 20) {
        s.k1 = 0;
    } else {
        s.k0 = op->clamp.i.out_zp * (1 << FRACTION) - op->clamp.i.in_zp * s.k1 - op->in2_zp * s.k2;
    }
    return s;
}

// What `sum` leaves out is less than DOUBT: roundings, of the operands by 1 each and of their sum by 1/2, are
// 2.5·2^(FRACTION + shift); k1 and k2 are 1.5 too small, at most, for 255 steps. Where a result is nearer than that to
// the next one, it is computed as specified.
static HOG_HOT void add_int8(const hog_binary_t *op, const sum_t *s, const int8_t *x1, const int8_t *x2, int8_t *out,
    uint32_t n) {
    int32_t k0 = s->k0 + (1 << (FRACTION - 1)) + DOUBT, k1 = s->k1, k2 = s->k2;
    int32_t min = op->clamp.i.min, max = op->clamp.i.max;
    // An index that counts up to 0 serves all pointers and is its own end test.
    ptrdiff_t i = -(ptrdiff_t)n;
    x1 += n;
    x2 += n;
    out += n;
    do {
        int32_t sum = k0 + x1[i] * k1 + x2[i] * k2, y = sum >> FRACTION;
        if ((uint32_t)sum << (32 - FRACTION) >> (32 - FRACTION + DOUBT_BITS + 1) == 0) {
            y = binary_int8(op, x1[i], x2[i]);
        }
        y = hog_max(y, min);
        out[i] = (int8_t)hog_min(y, max);
    } while (++i != 0);
}

void hog_binary(const hog_t *h, void *arena, const hog_binary_t *op) {
    const int8_t *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    int8_t *out = hog_at(h, arena, op->out);
    float *out_float = (float *)(void *)out;
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    bool int8 = !hog_is_float(op->op.type);
    sum_t sum = {0, 0, 0};
    if (int8 && inner->a == 1 && inner->b == 1) {
        sum = find_sum(op);
    }
    hog_walk_t walk = {{0}, 0, 0};
    do {
        if (int8) {
            const int8_t *x1 = in1 + walk.a, *x2 = in2 + walk.b;
            if (sum.k1 != 0) {
                add_int8(op, &sum, x1, x2, out, inner->n);
                out += inner->n;
                continue;
            }
            for (uint32_t i = 0; i < inner->n; ++i) {
                *out++ = binary_int8(op, x1[(ptrdiff_t)i * inner->a], x2[(ptrdiff_t)i * inner->b]);
            }
        } else {
            const float *x1 = (const float *)(const void *)in1 + walk.a;
            const float *x2 = (const float *)(const void *)in2 + walk.b;
            for (uint32_t i = 0; i < inner->n; ++i) {
                float p = x1[(ptrdiff_t)i * inner->a], q = x2[(ptrdiff_t)i * inner->b];
                float y = op->op.code == HOG_ADD ? p + q : p * q;
                *out_float++ = hog_clamp_float(y, op->clamp.f.min, op->clamp.f.max);
            }
        }
    } while (hog_walk(&walk, op->loop, op->loops - 1u));
}

void hog_lut(const hog_t *h, void *arena, const hog_lut_t *op) {
    const int8_t *in = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    const int8_t *zero = (const int8_t *)hog_at(h, arena, op->table) + 128;
    for (uint32_t i = 0; i < op->count; ++i) {
        out[i] = zero[in[i]];
    }
}

#if HOG_FULL

void hog_unary(const hog_t *h, void *arena, const hog_unary_t *op) {
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out);
    for (uint32_t i = 0; i < op->count; ++i) {
        float x = in[i];
        switch (op->op.code) {
            case HOG_CLAMP:
                x = hog_clamp_float(x, op->min, op->max);
                break;
            case HOG_LOGISTIC:
                x = hog_logistic(x);
                break;
            default:
                x = hog_tanh(x);
                break;
        }
        out[i] = x;
    }
}

#endif
