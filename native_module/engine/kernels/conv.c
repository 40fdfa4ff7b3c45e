// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// CONV. int8: a patch of the input, contiguous in memory, times the rows of the weights.
// float32: straight loops, so that the order of the sum is TFLM's.
#include "pairs.h"

// A row of the window is one run where it is contiguous.
void hog_gather(const hog_conv_t *op, const int8_t *in, int32_t y, int32_t x, uint32_t depth, int8_t *patch) {
    bool whole = depth == op->in_c && op->dilation_w == 1;
    int32_t taps = whole ? op->k_w : 1;
    uint32_t run = (uint32_t)taps * depth;
    for (unsigned ky = 0; ky < op->k_h; ++ky, y += op->dilation_h) {
        int32_t column = x;
        for (int32_t kx = 0; kx < op->k_w; kx += taps, column += op->dilation_w) {
            hog_span_t inside = {0, 0};
            if (0 <= y && y < op->in_h) {
                inside = hog_span(column, taps, 1, op->in_w);
            }
            if (inside.n < taps) {
                memset(patch, op->clamp.i.in_zp, run);
            }
            if (inside.n > 0) {
                size_t from = (size_t)y * op->in_w + (size_t)(column + inside.first);
                memcpy(patch + (uint32_t)inside.first * depth, in + from * op->in_c, (uint32_t)inside.n * depth);
            }
            patch += run;
        }
    }
}

// The output channels of one pixel that read `patch`.
static void scale_dots(const hog_conv_t *op, const int32_t *params, const int8_t *patch, const int8_t *w, size_t k,
    uint32_t channel, uint32_t channels, int8_t *out) {
    const int32_t *multiplier = params + op->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    if (op->scales > 1) {
        multiplier += channel;
        shift += channel;
    }
    params += channel; // the biases
    out += channel;
    while (channels != 0) {
        unsigned rows = channels < HOG_DOT_ROWS ? channels : HOG_DOT_ROWS;
        uint32_t sums[HOG_DOT_ROWS];
        hog_dot(patch, w, k, rows, sums);
        w += rows * k;
        channels -= rows;
        for (unsigned i = 0; i < rows; ++i) {
            int32_t acc = hog_add((int32_t)sums[i], *params++);
            *out++ = hog_clamp_int8(hog_requantize(acc, *multiplier, *shift), &op->clamp);
            if (op->scales > 1) {
                ++multiplier;
                ++shift;
            }
        }
    }
}

static void pixel_int8(const hog_t *h, void *arena, const hog_conv_t *op, const void *image, int32_t y, int32_t x,
    void *out) {
    const int8_t *w = hog_at(h, arena, op->weights);
    uint32_t depth = op->in_c / op->groups, channels = op->out_c / op->groups;
    size_t k = (size_t)op->k_h * op->k_w * depth;
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
    bool int8 = op->op.type == HOG_INT8;
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
