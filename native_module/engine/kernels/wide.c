// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// int16 values with int8 weights ("16x8"): CONV16, the pools, and CURVE, whose functions are tables
// between whose entries they interpolate.
#include "kernels.h"

#if HOG_FULL

typedef struct {
    const int8_t *weights;
    const void *bias;
    const int32_t *multiplier;
    const int8_t *shift;
} params_t;

static int16_t conv16(const hog_conv_t *op, const params_t *p, uint32_t c, int64_t sum) {
    sum = (int64_t)((uint64_t)sum + (uint64_t)hog_get_int64(p->bias, c));
    uint32_t i = op->scales > 1 ? c : 0;
    int32_t y = op->block != 0 ? hog_requantize64(sum, p->multiplier[i], p->shift[i])
        : hog_requantize((int32_t)(uint32_t)(uint64_t)sum, p->multiplier[i], p->shift[i]);
    return (int16_t)hog_clamp_int(y, &op->clamp);
}

static void pixel(const hog_conv_t *op, const params_t *p, const int16_t *image, int32_t y, int32_t x, int16_t *out) {
    uint32_t depth = op->in_c / op->groups, outputs = op->out_c / op->groups;
    hog_span_t rows = hog_span(y, op->k_h, op->dilation_h, op->in_h);
    hog_span_t columns = hog_span(x, op->k_w, op->dilation_w, op->in_w);
    const int8_t *w = p->weights;
    for (uint32_t c = 0; c < op->out_c; ++c, w += (uint32_t)op->k_h * op->k_w * depth) {
        const int16_t *in = image + c / outputs * depth;
        int64_t sum = 0;
        for (int32_t ky = rows.first; ky < rows.first + rows.n; ++ky) {
            for (int32_t kx = columns.first; kx < columns.first + columns.n; ++kx) {
                size_t at = (size_t)(y + ky * op->dilation_h) * op->in_w + (size_t)(x + kx * op->dilation_w);
                const int16_t *from = in + at * op->in_c;
                const int8_t *by = w + (uint32_t)(ky * op->k_w + kx) * depth;
                for (uint32_t i = 0; i < depth; ++i) {
                    sum += from[i] * by[i];
                }
            }
        }
        out[c] = conv16(op, p, c, sum);
    }
}

void hog_conv16(const hog_t *h, void *arena, const hog_conv_t *op) {
    params_t p;
    p.weights = hog_at(h, arena, op->weights);
    p.bias = hog_at(h, arena, op->params);
    p.multiplier = (const int32_t *)p.bias + 2 * (size_t)op->out_c;
    p.shift = (const int8_t *)(p.multiplier + op->scales);
    const int16_t *in = hog_at(h, arena, op->in);
    int16_t *out = hog_at(h, arena, op->out);
    for (unsigned b = 0; b < op->batch; ++b, in += (size_t)op->in_h * op->in_w * op->in_c) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w, out += op->out_c) {
                pixel(op, &p, in, y, x, out);
            }
        }
    }
}

void hog_pool16(const hog_t *h, void *arena, const hog_pool_t *op) {
    bool average = op->op.code == HOG_AVERAGE_POOL;
    const int16_t *in = hog_at(h, arena, op->in);
    int16_t *out = hog_at(h, arena, op->out);
    for (unsigned b = 0; b < op->batch; ++b, in += (size_t)op->in_h * op->in_w * op->channels) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            hog_span_t rows = hog_span(y, op->k_h, 1, op->in_h);
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w) {
                hog_span_t columns = hog_span(x, op->k_w, 1, op->in_w);
                for (uint32_t c = 0; c < op->channels; ++c) {
                    uint32_t sum = 0;
                    int32_t max = INT16_MIN;
                    for (int32_t i = 0; i < rows.n * columns.n; ++i) {
                        size_t row = (size_t)(y + rows.first + i / columns.n);
                        size_t column = (size_t)(x + columns.first + i % columns.n);
                        int32_t v = in[(row * op->in_w + column) * op->channels + c];
                        sum += (uint32_t)v;
                        max = hog_max(max, v);
                    }
                    int32_t count = rows.n * columns.n, acc = (int32_t)sum;
                    if (average) {
                        max = hog_add(acc, acc > 0 ? count / 2 : -(count / 2)) / count;
                    }
                    *out++ = (int16_t)hog_min(hog_max(max, op->clamp.i.min), op->clamp.i.max);
                }
            }
        }
    }
}

// A table of 513 values of a function, 128 apart; x is an int16.
static int32_t interpolate(const int16_t *table, int32_t x) {
    const int16_t *entry = table + 256 + (x >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (x & 127) + 64) >> 7);
}

static uint32_t leading_zeros(uint32_t x) {
    uint32_t n = 0;
    while (n < 32 && !(x << n >> 31)) {
        ++n;
    }
    return n;
}

// Names like q0_15 say where the binary point is.
static void softmax(const hog_curve_t *op, const int16_t *table, const int16_t *in, int16_t *out) {
    int32_t max = INT16_MIN;
    for (uint32_t i = 0; i < op->depth; ++i) {
        max = hog_max(max, in[i]);
    }
    uint32_t sum_q16_15 = 0;
    for (uint32_t i = 0; i < op->depth; ++i) {
        int32_t x = hog_add(hog_requantize(in[i] - max, op->multiplier, op->shift), INT16_MAX);
        out[i] = (int16_t)interpolate(table, hog_saturate(HOG_INT16, x));
        sum_q16_15 += (uint32_t)(int32_t)out[i];
    }
    // The sum as 1 + x, and the table's 1 ÷ (1 + x). Of hostile tables the sum may be anything.
    uint32_t headroom = hog_max((int32_t)leading_zeros(sum_q16_15), 1);
    headroom = headroom < 30 ? headroom : 30;
    int32_t x = (int32_t)(((sum_q16_15 << (headroom - 1)) + (1u << 13)) >> 14);
    x = hog_saturate(HOG_INT16, x - (1 << 15) - (1 << 16));
    int32_t inverse_q0_15 = interpolate(table + 513, x);
    unsigned right = 31 - headroom;
    for (uint32_t i = 0; i < op->depth; ++i) {
        int32_t y = hog_add(out[i] * inverse_q0_15, 1 << (right - 1)) >> right;
        out[i] = (int16_t)hog_min(hog_max(y, 0), INT16_MAX);
    }
}

// The table holds sigmoid(i ÷ 24) in q0_16; x is in steps of 2^-12 ÷ 3, the results are q0_15.
int16_t hog_sigmoid16(const uint16_t *table, int32_t x) {
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x, i = size >> 9, y = 0x7fffu << 10;
    if (i < 255) {
        y = ((uint32_t)table[i] << 9) + (size & 511) * (uint32_t)(table[i + 1] - table[i]);
    }
    return (int16_t)((x < 0 ? (1u << 25) - y + (1u << 9) - 1 : y + (1u << 9)) >> 10);
}

int16_t hog_tanh16(const uint16_t *table, int32_t x) {
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x, i = size >> 8, y = 0xffffu << 8;
    if (i < 255) {
        y = ((uint32_t)table[i] << 8) + (size & 255) * (uint32_t)(table[i + 1] - table[i]);
    }
    y -= 1u << 23;
    return (int16_t)((int32_t)(x < 0 ? (1u << 7) - 1 - y : y + (1u << 7)) >> 8);
}

void hog_curve(const hog_t *h, void *arena, const hog_curve_t *op) {
    const void *table = hog_at(h, arena, op->table);
    const int16_t *in = hog_at(h, arena, op->in);
    int16_t *out = hog_at(h, arena, op->out);
    int32_t half = op->shift > 0 ? (int32_t)(1u << (op->shift - 1)) : 0;
    for (uint32_t r = 0; r < op->rows; ++r, in += op->depth, out += op->depth) {
        if (op->function == HOG_C_SOFTMAX) {
            softmax(op, table, in, out);
        } else {
            for (uint32_t i = 0; i < op->depth; ++i) {
                int32_t x = (in[i] * op->multiplier + half) >> op->shift;
                out[i] = op->function == HOG_C_TANH ? hog_tanh16(table, x) : hog_sigmoid16(table, x);
            }
        }
    }
}

#endif // HOG_FULL
