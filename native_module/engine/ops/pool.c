// SPDX-License-Identifier: MIT
//
// AVERAGE_POOL, MAX_POOL, L2_POOL. The check has seen to it that every window has something inside.
#include "check.h"

hog_error_t hog_check_pool(hog_t *h, const void *record) {
    const hog_pool_t *p = record;
    uint32_t size = hog_size(p->op.type);
    if (hog_has_zero(p, offsetof(hog_pool_t, batch), 9) || p->channels == 0) {
        return E_ZERO;
    }
    if (p->reserved != 0) {
        return E_RESERVED;
    }
    if (!hog_window_fits(p->out_h, p->stride_h, p->k_h, 1) || !hog_window_fits(p->out_w, p->stride_w, p->k_w, 1)) {
        return E_WINDOW;
    }
    if (p->pad_h >= p->k_h || p->pad_w >= p->k_w || (p->out_h - 1u) * p->stride_h >= (uint32_t)p->in_h + p->pad_h
        || (p->out_w - 1u) * p->stride_w >= (uint32_t)p->in_w + p->pad_w) {
        return E_EMPTY_WINDOW;
    }
    uint32_t rows = p->k_h < p->in_h ? p->k_h : p->in_h, columns = p->k_w < p->in_w ? p->k_w : p->in_w;
    hog_add_work(h, hog_times(hog_image(0, p->batch, p->out_h, p->out_w, p->channels, 1).size, rows * columns));
    hog_extent_t in = hog_image(p->in, p->batch, p->in_h, p->in_w, p->channels, size);
    hog_extent_t out = hog_image(p->out, p->batch, p->out_h, p->out_w, p->channels, size);
    hog_error_t error = hog_check_tensors(h, &in, &out, false);
    return error ? error : hog_check_clamp(p->op.type, &p->clamp);
}

typedef struct {
    uint32_t rows, columns;     // taps inside the image
    size_t row, column;         // strides in elements
} window_t;

// Rounded half away from zero.
static int32_t average(uint32_t sum, const window_t *w) {
    int32_t count = (int32_t)(w->rows * w->columns), acc = (int32_t)sum;
    return hog_add(acc, acc > 0 ? count / 2 : -(count / 2)) / count;
}

static int8_t pool_int8(const hog_pool_t *op, const window_t *w, const int8_t *x) {
    bool is_average = op->op.code == HOG_AVERAGE_POOL;
    uint32_t sum = 0;
    int32_t max = INT8_MIN;
    for (uint32_t ky = 0; ky < w->rows; ++ky, x += w->row) {
        const int8_t *p = x;
        uint32_t n = w->columns;
        if (is_average) {
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
    if (is_average) {
        max = average(sum, w);
    }
    return (int8_t)hog_min(hog_max(max, op->clamp.i.min), op->clamp.i.max);
}

// Calls `pool` for each output: of all channels, pixel by pixel.
typedef void pool_t(const hog_pool_t *op, const window_t *w, size_t first, const void *in, void *out);

static void walk_windows(const hog_t *h, void *arena, const hog_pool_t *op, size_t size, pool_t *pool) {
    window_t w;
    w.column = op->channels;
    w.row = (size_t)op->in_w * op->channels;
    size_t image = 0;
    const void *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    for (unsigned b = 0; b < op->batch; ++b, image += op->in_h * w.row) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            hog_span_t rows = hog_span(y, op->k_h, 1, op->in_h);
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w, out += size * op->channels) {
                hog_span_t columns = hog_span(x, op->k_w, 1, op->in_w);
                w.rows = (uint32_t)rows.n;
                w.columns = (uint32_t)columns.n;
                if (columns.n == op->in_w) { // rows that follow each other are one long row
                    w.columns *= w.rows;
                    w.rows = 1;
                }
                pool(op, &w, image + (size_t)(y + rows.first) * w.row + (size_t)(x + columns.first) * w.column, in, out);
            }
        }
    }
}

static void pixel_int8(const hog_pool_t *op, const window_t *w, size_t first, const void *in, void *out) {
    for (uint32_t c = 0; c < op->channels; ++c) {
        ((int8_t *)out)[c] = pool_int8(op, w, (const int8_t *)in + first + c);
    }
}

void hog_pool_int8(const hog_t *h, void *arena, const void *record) {
    walk_windows(h, arena, record, 1, pixel_int8);
}

static int16_t pool_int16(const hog_pool_t *op, const window_t *w, const int16_t *x) {
    uint32_t sum = 0;
    int32_t max = INT16_MIN;
    for (uint32_t ky = 0; ky < w->rows; ++ky, x += w->row) {
        const int16_t *p = x;
        for (uint32_t kx = 0; kx < w->columns; ++kx, p += w->column) {
            sum += (uint32_t)(int32_t)*p;
            max = hog_max(max, *p);
        }
    }
    if (op->op.code == HOG_AVERAGE_POOL) {
        max = average(sum, w);
    }
    return (int16_t)hog_min(hog_max(max, op->clamp.i.min), op->clamp.i.max);
}

static void pixel_int16(const hog_pool_t *op, const window_t *w, size_t first, const void *in, void *out) {
    for (uint32_t c = 0; c < op->channels; ++c) {
        ((int16_t *)out)[c] = pool_int16(op, w, (const int16_t *)in + first + c);
    }
}

void hog_pool_int16(const hog_t *h, void *arena, const void *record) {
    walk_windows(h, arena, record, 2, pixel_int16);
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

static void pixel_float32(const hog_pool_t *op, const window_t *w, size_t first, const void *in, void *out) {
    for (uint32_t c = 0; c < op->channels; ++c) {
        ((float *)out)[c] = pool_float(op, w, (const float *)in + first + c);
    }
}

void hog_pool_float32(const hog_t *h, void *arena, const void *record) {
    walk_windows(h, arena, record, 4, pixel_float32);
}

static void pixel_l2(const hog_pool_t *op, const window_t *w, size_t first, const void *in, void *out) {
    for (uint32_t c = 0; c < op->channels; ++c) {
        const float *x = (const float *)in + first + c;
        float sum = 0;
        for (uint32_t ky = 0; ky < w->rows; ++ky, x += w->row) {
            const float *p = x;
            for (uint32_t kx = 0; kx < w->columns; ++kx, p += w->column) {
                sum += *p * *p;
            }
        }
        float y = hog_sqrt(sum / (float)(int32_t)(w->rows * w->columns));
        ((float *)out)[c] = hog_clamp_float(y, op->clamp.f.min, op->clamp.f.max);
    }
}

void hog_l2_pool(const hog_t *h, void *arena, const void *record) {
    walk_windows(h, arena, record, 4, pixel_l2);
}
