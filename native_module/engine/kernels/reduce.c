// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// REDUCE, SCAN, L2_POOL.
#include <float.h>

#include "kernels.h"

#if HOG_FULL

// What is kept while the reduced loops run.
typedef struct {
    uint32_t sum;       // of integers; their best value
    float best;         // the sum of floats; their best value
    uint32_t index;
} kept_t;

static int32_t quantized(const hog_reduce_t *op, int32_t sum) {
    int32_t y = hog_requantize((int32_t)((uint32_t)sum << op->left_shift), op->multiplier, (int)op->shift);
    return hog_min(hog_max(hog_add(y, op->clamp.i.out_zp), op->clamp.i.min), op->clamp.i.max);
}

static void step_float(uint8_t function, float x, uint32_t i, kept_t *kept) {
    bool better = function == HOG_D_MAX || function == HOG_D_ARG_MAX ? x > kept->best : x < kept->best;
    if (function == HOG_D_SUM) {
        kept->best += x;
    } else if (better || (i == 0 && function >= HOG_D_ARG_MAX)) {
        kept->best = x;
        kept->index = i;
    }
}

static void step_int(const hog_reduce_t *op, int32_t x, uint32_t i, kept_t *kept) {
    uint8_t function = op->function;
    int32_t best = (int32_t)kept->sum;
    if (function == HOG_D_SUM) {
        kept->sum += (uint32_t)(x - op->clamp.i.in_zp);
    } else if (i == 0 || (function == HOG_D_MAX || function == HOG_D_ARG_MAX ? x > best : x < best)) {
        kept->sum = (uint32_t)x;
        kept->index = i;
    }
}

void hog_reduce(const hog_t *h, void *arena, const hog_reduce_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    uint8_t type = op->op.type, function = op->function;
    ptrdiff_t size = (ptrdiff_t)hog_size(type);
    hog_walk_t kept = {{0}, 0, 0};
    do {
        hog_walk_t walk = {{0}, kept.a, 0};
        kept_t k = {0, function == HOG_D_MAX ? -FLT_MAX : function == HOG_D_MIN ? FLT_MAX : 0, 0};
        uint32_t i = 0;
        do {
            const uint8_t *p = in + walk.a * size;
            if (type == HOG_FLOAT32) {
                step_float(function, *(const float *)(const void *)p, i, &k);
            } else {
                step_int(op, hog_get(p, type), i, &k);
            }
            ++i;
        } while (hog_walk(&walk, op->loop + op->keep, op->reduce));
        if (function >= HOG_D_ARG_MAX) {
            hog_put(out, HOG_INT32, (int32_t)k.index);
            out += 4;
            continue;
        }
        if (type == HOG_FLOAT32) {
            *(float *)(void *)out = k.best;
        } else {
            hog_put(out, type, function == HOG_D_SUM ? quantized(op, (int32_t)k.sum) : (int32_t)k.sum);
        }
        out += size;
    } while (hog_walk(&kept, op->loop, op->keep));
}

static int8_t scan_int8(const hog_scan_t *op, uint32_t sum) {
    return hog_clamp_int8(hog_requantize((int32_t)(sum << op->left_shift), op->multiplier, op->shift), &op->clamp);
}

// One cumulative sum: `depth` elements from `at` on, `step` apart.
static void scan(const hog_scan_t *op, const uint8_t *in, uint8_t *out, size_t at, ptrdiff_t step) {
    bool is_int8 = op->op.type == HOG_INT8;
    uint32_t sum = is_int8 ? (uint32_t)-(int32_t)op->clamp.i.in_zp : 0;
    float sum_float = 0;
    for (uint32_t i = 0; i < op->depth; ++i, at = (size_t)((ptrdiff_t)at + step)) {
        uint32_t next = sum;
        float next_float = sum_float;
        if (is_int8) {
            next += (uint32_t)(((const int8_t *)in)[at] - op->clamp.i.in_zp);
            ((int8_t *)out)[at] = scan_int8(op, op->exclusive ? sum : next);
        } else {
            next_float += ((const float *)(const void *)in)[at];
            ((float *)(void *)out)[at] = op->exclusive ? sum_float : next_float;
        }
        sum = next;
        sum_float = next_float;
    }
}

void hog_scan(const hog_t *h, void *arena, const hog_scan_t *op) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    ptrdiff_t step = (ptrdiff_t)op->inner;
    for (uint32_t o = 0; o < op->outer; ++o) {
        for (uint32_t i = 0; i < op->inner; ++i) {
            size_t at = (size_t)o * op->depth * op->inner + i;
            if (op->reverse) {
                scan(op, in, out, at + (size_t)(op->depth - 1) * op->inner, -step);
            } else {
                scan(op, in, out, at, step);
            }
        }
    }
}

void hog_l2_pool(const hog_t *h, void *arena, const hog_pool_t *op) {
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out);
    for (uint32_t b = 0; b < op->batch; ++b, in += (size_t)op->in_h * op->in_w * op->channels) {
        for (int32_t y = 0; y < op->out_h; ++y) {
            int32_t top = y * op->stride_h - op->pad_h;
            hog_span_t rows = hog_span(top, op->k_h, 1, op->in_h);
            for (int32_t x = 0; x < op->out_w; ++x) {
                int32_t left = x * op->stride_w - op->pad_w;
                hog_span_t columns = hog_span(left, op->k_w, 1, op->in_w);
                for (uint32_t c = 0; c < op->channels; ++c) {
                    float sum = 0;
                    for (int32_t i = 0; i < rows.n * columns.n; ++i) {
                        int32_t row = top + rows.first + i / columns.n, column = left + columns.first + i % columns.n;
                        float v = in[((size_t)row * op->in_w + (size_t)column) * op->channels + c];
                        sum += v * v;
                    }
                    float y_float = hog_sqrt(sum / (float)(rows.n * columns.n));
                    *out++ = hog_clamp_float(y_float, op->clamp.f.min, op->clamp.f.max);
                }
            }
        }
    }
}

#endif // HOG_FULL
