// SPDX-License-Identifier: MIT
//
// CONV16: convolutions of int16 values with int8 weights.
#include "conv.h"

hog_error_t hog_check_conv16(hog_t *h, const void *record) {
    const hog_conv16_t *op = record;
    const hog_conv_t *c = &op->conv;
    hog_extent_t in, out;
    uint32_t weights;
    hog_error_t error = hog_check_geometry(h, c, 2, &in, &out, &weights);
    if (!error) {
        error = hog_check_tensors(h, &in, &out, false);
    }
    if (error) {
        return error;
    }
    if (c->scratch != HOG_NONE || c->tile != 0 || op->wide_sums > 1) {
        return E_RESERVED;
    }
    if (!hog_has_weights(h, c, weights, 1, true, &out)) {
        return E_WEIGHTS;
    }
    if (c->scales != 1 && c->scales != c->out_c) {
        return E_SCALES;
    }
    error = hog_check_scales(h, c->params, 2 * c->out_c, c->scales, 0, op->wide_sums ? 14 : 30); // out_c is less than the arena
    return error ? error : hog_check_clamp(HOG_INT16, &c->clamp);
}
typedef struct {
    const int8_t *weights;
    const void *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    bool wide_sums;
} params_t;

static int16_t conv16(const hog_conv_t *op, const params_t *p, uint32_t c, int64_t sum) {
    sum = (int64_t)((uint64_t)sum + (uint64_t)hog_get_int64(p->bias, c));
    uint32_t i = op->scales > 1 ? c : 0;
    int32_t y = p->wide_sums ? hog_requantize64(sum, p->multiplier[i], p->shift[i])
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

void hog_conv16(const hog_t *h, void *arena, const void *record) {
    const hog_conv16_t *whole = record;
    const hog_conv_t *op = &whole->conv;
    params_t p;
    p.wide_sums = whole->wide_sums != 0;
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
