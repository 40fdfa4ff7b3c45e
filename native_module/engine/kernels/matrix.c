// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// MATMUL, RESIZE, and what CONV16 and they share: products summed in 64 bits.
#include "kernels.h"

#if HOG_FULL

int32_t hog_requantize64(int64_t x, int32_t multiplier, int shift) {
    int32_t reduced = multiplier < 0x7fff0000 ? (multiplier + (1 << 15)) >> 16 : 0x7fff;
    int right = 15 - shift;
    // Of hostile files the product wraps.
    return (int32_t)((int64_t)((uint64_t)x * (uint32_t)reduced + ((uint64_t)1 << (right - 1))) >> right);
}

int64_t hog_get_int64(const void *p, uint32_t i) {
    const uint32_t *word = (const uint32_t *)p + 2 * (size_t)i;
    return (int64_t)((uint64_t)word[1] << 32 | word[0]);
}

// One element of the product of two matrices, from a row's and a column's first element. Indices, because a step behind
// the last element may be a hostile file's, too far for a pointer.
static float dot_float(const hog_matmul_t *op, const float *x, const float *y) {
    float sum = 0;
    size_t i = 0, j = 0;
    for (uint32_t k = 0; k < op->depth; ++k, i += op->depth1, j += op->depth2) {
        sum += x[i] * y[j];
    }
    return sum;
}

static int32_t dot_int8(const hog_matmul_t *op, const int8_t *x, const int8_t *y) {
    uint32_t sum = 0;
    size_t i = 0, j = 0;
    for (uint32_t k = 0; k < op->depth; ++k, i += op->depth1, j += op->depth2) {
        sum += (uint32_t)((x[i] - op->clamp.i.in_zp) * (y[j] - op->in2_zp));
    }
    return (int32_t)sum;
}

static int64_t dot_int16(const hog_matmul_t *op, const int16_t *x, const int16_t *y) {
    int64_t sum = 0;
    size_t i = 0, j = 0;
    for (uint32_t k = 0; k < op->depth; ++k, i += op->depth1, j += op->depth2) {
        sum += x[i] * y[j];
    }
    return sum;
}

static void multiply(const hog_matmul_t *op, const void *x, const void *y, const void *bias, uint32_t column, void *out) {
    if (op->op.type == HOG_FLOAT32) {
        float sum = dot_float(op, x, y);
        sum = bias ? sum + ((const float *)bias)[column] : sum;
        *(float *)out = hog_clamp_float(sum, op->clamp.f.min, op->clamp.f.max);
    } else if (op->op.type == HOG_INT8) {
        int32_t sum = dot_int8(op, x, y);
        sum = bias ? hog_add(sum, ((const int32_t *)bias)[column]) : sum;
        *(int8_t *)out = hog_clamp_int8(hog_requantize(sum, op->multiplier, op->shift), &op->clamp);
    } else {
        int64_t sum = dot_int16(op, x, y);
        sum = bias ? (int64_t)((uint64_t)sum + (uint64_t)hog_get_int64(bias, column)) : sum;
        *(int16_t *)out = (int16_t)hog_clamp_int(hog_requantize64(sum, op->multiplier, op->shift), &op->clamp);
    }
}

void hog_matmul(const hog_t *h, void *arena, const hog_matmul_t *op) {
    const uint8_t *x = hog_at(h, arena, op->in1), *y = hog_at(h, arena, op->in2);
    const void *bias = op->bias == HOG_NONE ? NULL : hog_at(h, arena, op->bias);
    uint8_t *out = hog_at(h, arena, op->out);
    ptrdiff_t size = (ptrdiff_t)hog_size(op->op.type);
    hog_walk_t walk = {{0}, 0, 0};
    do {
        const uint8_t *first = x + walk.a * size, *second = y + walk.b * size;
        for (uint32_t r = 0; r < op->rows; ++r) {
            for (uint32_t c = 0; c < op->columns; ++c, out += size) {
                multiply(op, first + r * op->row1 * (size_t)size, second + c * op->column2 * (size_t)size, bias, c, out);
            }
        }
    } while (hog_walk(&walk, op->loop, op->loops));
}

// Where a pixel of the output falls between two of the input: both, and how far behind the first.
typedef struct {
    size_t at[2];
    union {
        int32_t i;      // in 1024ths
        float f;
    } part;
} between_t;

// Pixel numbers are below 2^16. A hostile file may name a place beyond the image: it counts as the last pixel.
static between_t between(const hog_resize_t *op, hog_step_t step, uint32_t out, uint32_t size) {
    between_t b;
    int32_t low, high, last = (int32_t)size - 1;
    if (op->op.type == HOG_FLOAT32) {
        float x = op->half_pixel ? ((float)(int32_t)out + 0.5f) * step.f - 0.5f : (float)(int32_t)out * step.f;
        x = x < 65536.0f ? x : 65536.0f;
        low = (int32_t)hog_floor(x);
        high = -(int32_t)hog_floor(-x);
        low = hog_min(hog_max(low, 0), last);
        b.part.f = x - (float)low;
    } else {
        int32_t x = (int32_t)(out * (uint32_t)step.i);
        x = op->half_pixel ? hog_add(x, step.i / 2 - 512) : x;
        low = hog_min(hog_max(x / 1024, 0), last);
        high = hog_add(x, 1023) / 1024;
        b.part.i = (int32_t)((uint32_t)x - (uint32_t)low * 1024);
    }
    b.at[0] = (size_t)low;
    b.at[1] = (size_t)hog_max(hog_min(high, last), 0);
    return b;
}

static int8_t mix_int8(const int8_t *in[4], uint32_t c, int32_t y, int32_t x) {
    uint32_t sum = (uint32_t)in[0][c] * (1024 - (uint32_t)y) * (1024 - (uint32_t)x);
    sum += (uint32_t)in[1][c] * (uint32_t)y * (1024 - (uint32_t)x);
    sum += (uint32_t)in[2][c] * (1024 - (uint32_t)y) * (uint32_t)x;
    sum += (uint32_t)in[3][c] * (uint32_t)y * (uint32_t)x;
    int32_t total = (int32_t)sum;
    return (int8_t)(hog_add(total, total > 0 ? 1 << 19 : -(1 << 19)) / (1 << 20));
}

static float mix_float(const float *in[4], uint32_t c, float y, float x) {
    float sum = in[0][c] * (1 - y) * (1 - x) + in[1][c] * y * (1 - x);
    sum = sum + in[2][c] * (1 - y) * x;
    sum = sum + in[3][c] * y * x;
    return sum + 0.0f; // so that no -0 is left
}

void hog_resize(const hog_t *h, void *arena, const hog_resize_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    size_t pixel = (size_t)op->channels * hog_size(op->op.type), row = pixel * op->in_w;
    for (uint32_t b = 0; b < op->batch; ++b, in += row * op->in_h) {
        for (uint32_t i = 0; i < op->out_h; ++i) {
            between_t y = between(op, op->step_h, i, op->in_h);
            for (uint32_t j = 0; j < op->out_w; ++j, out += pixel) {
                between_t x = between(op, op->step_w, j, op->in_w);
                const void *corner[4];
                for (unsigned k = 0; k < 4; ++k) { // (y0, x0), (y1, x0), (y0, x1), (y1, x1)
                    corner[k] = in + y.at[k & 1] * row + x.at[k >> 1] * pixel;
                }
                for (uint32_t c = 0; c < op->channels; ++c) {
                    if (op->op.type == HOG_FLOAT32) {
                        ((float *)(void *)out)[c] = mix_float((const float **)corner, c, y.part.f, x.part.f);
                    } else {
                        ((int8_t *)out)[c] = mix_int8((const int8_t **)corner, c, y.part.i, x.part.i);
                    }
                }
            }
        }
    }
}

#endif // HOG_FULL
