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

#if HOG_PAIRS

#define CHUNK (32)

// Scales operands of ADD into `sums`. x·2^20·multiplier ÷ 2^31, where x has 9 bits, takes two products of 32 bits,
// one of which is shifted to the left, without loss.
static HOG_HOT void scale_operands(const int8_t *x, uint32_t n, int32_t zero_point, int32_t multiplier, int shift,
    int32_t *sums) {
    int32_t high = multiplier >> 16, low = (uint16_t)multiplier;
    int32_t half = shift ? 1 << (-shift - 1) : 0, odd = -(shift != 0);
    int32_t *end = sums + n;
    do {
        int32_t v = *x++ - zero_point;
        v = v * high * 32 + ((v * low + 1024) >> 11);
        *sums++ = (v + half + (v >> 31 & odd)) >> -shift;
    } while (sums != end);
}

// The same for 1/2, and adds: the operand with the larger scale of the two has this multiplier.
static HOG_HOT void add_halves(const int8_t *x, uint32_t n, int32_t zero_point, int32_t *sums) {
    int32_t *end = sums + n;
    do {
        *sums++ += (*x++ - zero_point) * (1 << 19);
    } while (sums != end);
}

static HOG_HOT void scale_sums(const hog_binary_t *op, const int32_t *sums, uint32_t n, int8_t *out) {
    #if HOG_PAIRS > 1
    uint32_t high = (uint32_t)op->multiplier >> 16, low = (uint16_t)op->multiplier;
    #endif
    uint32_t shift = (unsigned)-op->shift;
    int32_t half = 1 << (shift - 1), zero_point = op->clamp.i.out_zp, min = op->clamp.i.min, max = op->clamp.i.max;
    const int32_t *end = sums + n;
    do {
        // As hog_requantize does it.
        int32_t y = *sums++;
        #if HOG_PAIRS > 1
        int32_t y1 = y >> 16;
        uint32_t y0 = (uint16_t)y;
        int32_t p = y1 * (int32_t)low;
        uint32_t q = y0 * high, middle = (y0 * low >> 16) + (uint16_t)p + (uint16_t)q + (1u << 14);
        y = (y1 * (int32_t)high + (p >> 16) + (int32_t)(q >> 16)) * 2 + (int32_t)(middle >> 15);
        #else
        y = hog_multiply_high(y, op->multiplier);
        #endif
        y = ((y + half + (y >> 31)) >> shift) + zero_point;
        *out++ = (int8_t)hog_min(hog_max(y, min), max);
    } while (sums != end);
}

// Adds n values that follow each other, where the scales are as TFLM has them; otherwise returns false.
static bool add_int8(const hog_binary_t *op, const int8_t *x1, const int8_t *x2, int8_t *out, uint32_t n) {
    int32_t sums[CHUNK];
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    bool first = op->multiplier1 == 1 << 30 && op->shift1 == 0;
    int32_t multiplier = first ? op->multiplier2 : op->multiplier1;
    int shift = first ? op->shift2 : op->shift1;
    if (op->op.code != HOG_ADD || op->left_shift != 20 || op->shift > -1 || op->shift < -28 || shift > 0 || shift < -28
        || !(first || (op->multiplier2 == 1 << 30 && op->shift2 == 0)) || inner->a != 1 || inner->b != 1) {
        return false;
    }
    int32_t zp1 = op->clamp.i.in_zp, zp2 = op->in2_zp;
    for (uint32_t i = 0, k; i < n; i += k) {
        k = n - i < CHUNK ? n - i : CHUNK;
        scale_operands((first ? x2 : x1) + i, k, first ? zp2 : zp1, multiplier, shift, sums);
        add_halves((first ? x1 : x2) + i, k, first ? zp1 : zp2, sums);
        scale_sums(op, sums, k, out + i);
    }
    return true;
}

#endif

void hog_binary(const hog_t *h, void *arena, const hog_binary_t *op) {
    const int8_t *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    int8_t *out = hog_at(h, arena, op->out);
    float *out_float = (float *)(void *)out;
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    hog_walk_t walk = {{0}, 0, 0};
    do {
        if (!hog_is_float(op->op.type)) {
            const int8_t *x1 = in1 + walk.a, *x2 = in2 + walk.b;
            #if HOG_PAIRS
            if (add_int8(op, x1, x2, out, inner->n)) {
                out += inner->n;
                continue;
            }
            #endif
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
