// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// CONV. int8: a patch of the input, contiguous in memory, times the rows of the weights.
// float32: straight loops, so that the order of the sum is TFLM's.
#include "pairs.h"

// Short runs do not pay for a call.
HOG_HOT void hog_copy_runs(int8_t *to, size_t to_step, const int8_t *from, size_t from_step, size_t n, size_t runs) {
    for (; runs != 0; --runs) {
        if (n > 32) {
            memcpy(to, from, n);
        } else {
            for (size_t i = 0; i < n; ++i) {
                to[i] = from[i];
            }
        }
        to += to_step;
        from += from_step;
    }
}

// A row of the window is one run where it is contiguous.
void hog_gather(const hog_conv_t *op, const int8_t *in, int32_t y, int32_t x, uint32_t depth, int8_t *patch) {
    hog_span_t rows = hog_span(y, op->k_h, op->dilation_h, op->in_h);
    hog_span_t columns = hog_span(x, op->k_w, op->dilation_w, op->in_w);
    size_t row = (size_t)op->k_w * depth, in_row = (size_t)op->dilation_h * op->in_w * op->in_c;
    size_t step = (size_t)op->dilation_w * op->in_c;
    uint32_t inside = (uint32_t)rows.n * (uint32_t)columns.n;
    if (inside != (uint32_t)op->k_h * op->k_w) {
        memset(patch, op->clamp.i.in_zp, op->k_h * row);
    }
    if (inside == 0) {
        return;
    }
    in += (size_t)(y + rows.first * op->dilation_h) * op->in_w * op->in_c;
    in += (size_t)(x + columns.first * op->dilation_w) * op->in_c;
    patch += rows.first * row + columns.first * depth;
    if (step == depth) {
        hog_copy_runs(patch, row, in, in_row, columns.n * depth, rows.n);
        return;
    }
    for (; rows.n != 0; --rows.n, patch += row, in += in_row) {
        hog_copy_runs(patch, depth, in, step, depth, columns.n);
    }
}

// Scales the sum of a channel.
static inline void finish(const hog_conv_t *op, const int32_t *params, uint32_t channel, uint32_t sum, int8_t *out) {
    const int32_t *multiplier = params + op->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    uint32_t i = op->scales > 1 ? channel : 0;
    int32_t acc = hog_add((int32_t)sum, params[channel]);
    out[channel] = hog_clamp_int8(hog_requantize(acc, multiplier[i], shift[i]), &op->clamp);
}

// The output channels of one pixel that read `patch`.
static void scale_dots(const hog_conv_t *op, const int32_t *params, const int8_t *patch, const int8_t *w, size_t k,
    uint32_t channel, uint32_t channels, int8_t *out) {
    bool offset = HOG_PAIRS <= 1 && hog_has_offset_weights(op); // otherwise hog_dense_pairs has done it
    uint32_t excess = 0; // of a sum with weights to which 128 is added
    for (size_t i = 0; offset && i < k; ++i) {
        excess += (uint32_t)(patch[i] * 128);
    }
    while (channels != 0) {
        unsigned rows = channels < HOG_DOT_ROWS ? channels : HOG_DOT_ROWS;
        uint32_t sums[HOG_DOT_ROWS];
        (offset ? hog_dot_offset : hog_dot)(patch, w, k, rows, sums);
        w += rows * k;
        channels -= rows;
        for (unsigned i = 0; i < rows; ++i) {
            finish(op, params, channel++, sums[i] - excess, out);
        }
    }
}

#if HOG_PAIRS <= 1

// Some rows of a dense layer, and the channels that they make.
typedef struct {
    const int8_t *row[HOG_DOT_ROWS];
    uint32_t channel[HOG_DOT_ROWS];
} rows_t;

// `excess`: of the sums with what is added to each weight.
static HOG_HOT void scale_rows(const hog_conv_t *op, const int32_t *params, const int8_t *x, size_t k, rows_t *r, unsigned rows,
    bool narrow, uint32_t excess, int8_t *out) {
    uint32_t sums[HOG_DOT_ROWS];
    for (unsigned i = rows; i < HOG_DOT_ROWS; ++i) {
        r->row[i] = r->row[0];
    }
    if (narrow) {
        hog_dot_narrow(x, r->row, k, rows, sums);
    } else {
        hog_dot_rows(x, r->row, k, sums);
    }
    for (unsigned i = 0; i < rows; ++i) {
        finish(op, params, r->channel[i], sums[i] - excess, out);
    }
}

// The same for a dense layer of one row and two widths: rows of either when there are enough of them.
static HOG_HOT void scale_dense(const hog_conv_t *op, const int32_t *params, const int8_t *x, const int8_t *w, size_t k,
    int8_t *out) {
    uint32_t total = 0;
    for (size_t i = 0; i < k; ++i) {
        total += (uint32_t)x[i];
    }
    rows_t wide, narrow;
    unsigned wides = 0, narrows = 0;
    for (uint32_t c = 0; c < op->out_c; ++c) {
        if (hog_is_narrow(op, params, c)) {
            narrow.row[narrows] = w;
            narrow.channel[narrows++] = c;
            w += k / 2;
        } else {
            wide.row[wides] = w;
            wide.channel[wides++] = c;
            w += k;
        }
        bool last = c + 1 == op->out_c;
        if (wides == HOG_DOT_ROWS || (last && wides != 0)) {
            scale_rows(op, params, x, k, &wide, wides, false, 128 * total, out);
            wides = 0;
        }
        if (narrows == HOG_DOT_ROWS || (last && narrows != 0)) {
            scale_rows(op, params, x, k, &narrow, narrows, true, 8 * total, out);
            narrows = 0;
        }
    }
}

#endif

static void pixel_int8(const hog_t *h, void *arena, const hog_conv_t *op, const void *image, int32_t y, int32_t x,
    void *out) {
    const int8_t *w = hog_at(h, arena, op->weights);
    uint32_t depth = op->in_c / op->groups, channels = op->out_c / op->groups;
    size_t k = (size_t)op->k_h * op->k_w * depth;
    #if HOG_PAIRS <= 1
    if (op->block == HOG_TWO_WIDTHS && hog_has_offset_weights(op)) {
        scale_dense(op, hog_at(h, arena, op->params), image, w, k, out);
        return;
    }
    #endif
    for (unsigned g = 0; g < op->groups; ++g, w += channels * k) {
        const int8_t *patch = (const int8_t *)image + g * depth;
        if (op->scratch == HOG_NONE) {
            patch += ((size_t)y * op->in_w + (size_t)x) * op->in_c;
        } else {
            int8_t *scratch = hog_at(h, arena, op->scratch);
            hog_gather(op, patch, y, x, depth, scratch);
            patch = scratch;
        }
        scale_dots(op, hog_at(h, arena, op->params), patch, w, k, g * channels, channels, out);
    }
}

static void pixel_float(const hog_t *h, void *arena, const hog_conv_t *op, const void *image, int32_t y, int32_t x,
    void *out) {
    const float *w = hog_at(h, arena, op->weights);
    const float *bias = hog_at(h, arena, op->params);
    uint32_t depth = op->in_c / op->groups, outputs = op->out_c / op->groups;
    hog_span_t rows = hog_span(y, op->k_h, op->dilation_h, op->in_h);
    hog_span_t columns = hog_span(x, op->k_w, op->dilation_w, op->in_w);
    for (uint32_t c = 0; c < op->out_c; ++c, w += (uint32_t)op->k_h * op->k_w * depth) {
        const float *in = (const float *)image + c / outputs * depth;
        float total = 0;
        for (int32_t ky = rows.first; ky < rows.first + rows.n; ++ky) {
            for (int32_t kx = columns.first; kx < columns.first + columns.n; ++kx) {
                size_t at = (size_t)(y + ky * op->dilation_h) * op->in_w + (size_t)(x + kx * op->dilation_w);
                const float *from = in + at * op->in_c;
                const float *by = w + (uint32_t)(ky * op->k_w + kx) * depth;
                for (uint32_t i = 0; i < depth; ++i) {
                    total += from[i] * by[i];
                }
            }
        }
        ((float *)out)[c] = hog_clamp_float(total + bias[c], op->clamp.f.min, op->clamp.f.max);
    }
}

void hog_conv(const hog_t *h, void *arena, const hog_conv_t *op) {
    bool int8 = !hog_is_float(op->op.type);
    #if HOG_PAIRS > 1
    if (int8 && hog_dense_pairs(h, arena, op)) {
        return;
    }
    #endif
    #if HOG_PAIRS
    if (int8 && hog_conv_pairs(h, arena, op)) {
        return;
    }
    #endif
    size_t size = int8 ? 1 : sizeof(float);
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    for (unsigned b = 0; b < op->batch; ++b, in += size * op->in_h * op->in_w * op->in_c) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w, out += size * op->out_c) {
                (int8 ? pixel_int8 : pixel_float)(h, arena, op, in, y, x, out);
            }
        }
    }
}
