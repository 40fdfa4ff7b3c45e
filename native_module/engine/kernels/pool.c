// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// AVERAGE_POOL, MAX_POOL. hog_load() has seen to it that every window has something inside.
#include <float.h>

#include "kernels.h"

typedef struct {
    uint32_t rows, columns;     // taps inside the image
    size_t row, column;         // strides in elements
} window_t;

static int8_t pool_int8(const hog_pool_t *op, const window_t *w, const int8_t *x) {
    bool average = op->op.code == HOG_AVERAGE_POOL;
    uint32_t sum = 0;
    int32_t max = INT8_MIN;
    for (uint32_t ky = 0; ky < w->rows; ++ky, x += w->row) {
        const int8_t *p = x;
        uint32_t n = w->columns;
        if (average) {
            do {
                sum += (uint32_t)(int32_t)*p;
                p += w->column;
            } while (--n != 0);
        } else {
            do {
                max = hog_max(max, *p);
                p += w->column;
            } while (--n != 0);
        }
    }
    if (average) {
        int32_t count = (int32_t)(w->rows * w->columns);
        int32_t acc = (int32_t)sum;
        max = hog_add(acc, acc > 0 ? count / 2 : -(count / 2)) / count;
    }
    return (int8_t)hog_min(hog_max(max, op->clamp.i.min), op->clamp.i.max);
}

static float pool_float(const hog_pool_t *op, const window_t *w, const float *x) {
    bool average = op->op.code == HOG_AVERAGE_POOL;
    float result = average ? 0 : -FLT_MAX;
    for (uint32_t ky = 0; ky < w->rows; ++ky, x += w->row) {
        const float *p = x;
        for (uint32_t kx = 0; kx < w->columns; ++kx, p += w->column) {
            result = average ? result + *p : result < *p ? *p : result;
        }
    }
    if (average) {
        result = result / (float)(int32_t)(w->rows * w->columns);
    }
    return hog_clamp_float(result, op->clamp.f.min, op->clamp.f.max);
}

void hog_pool(const hog_t *h, void *arena, const hog_pool_t *op) {
    bool int8 = !hog_is_float(op->op.type);
    window_t w;
    w.column = op->channels;
    w.row = (size_t)op->in_w * op->channels;
    size_t image = 0;
    const void *in = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    float *out_float = (float *)(void *)out;
    for (unsigned b = 0; b < op->batch; ++b, image += op->in_h * w.row) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            hog_span_t rows = hog_span(y, op->k_h, 1, op->in_h);
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w) {
                hog_span_t columns = hog_span(x, op->k_w, 1, op->in_w);
                w.rows = (uint32_t)rows.n;
                w.columns = (uint32_t)columns.n;
                if (columns.n == op->in_w) { // rows that follow each other are one long row
                    w.columns *= w.rows;
                    w.rows = 1;
                }
                size_t first = image + (size_t)(y + rows.first) * w.row + (size_t)(x + columns.first) * w.column;
                for (uint32_t c = 0; c < op->channels; ++c) {
                    if (int8) {
                        *out++ = pool_int8(op, &w, (const int8_t *)in + first + c);
                    } else {
                        *out_float++ = pool_float(op, &w, (const float *)in + first + c);
                    }
                }
            }
        }
    }
}
