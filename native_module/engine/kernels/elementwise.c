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

void hog_binary(const hog_t *h, void *arena, const hog_binary_t *op) {
    const int8_t *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    int8_t *out = hog_at(h, arena, op->out);
    float *out_float = (float *)(void *)out;
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    hog_walk_t walk = {{0}, 0, 0};
    do {
        if (op->op.type == HOG_INT8) {
            const int8_t *x1 = in1 + walk.a, *x2 = in2 + walk.b;
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
