// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// CONV. int8: a patch of the input, contiguous in memory, times the weights of several output
// channels at once. float32: straight loops, so that the order of the sum is TFLM's.
#include "kernels.h"

// Scales and clamps the sums of output channels.
typedef struct {
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
    unsigned step;              // 1: a multiplier per channel, 0: one for all
} scaling_t;

static int8_t scale(const scaling_t *s, const hog_clamp_t *clamp, uint32_t channel, uint32_t sum) {
    uint32_t i = channel * s->step;
    int32_t acc = hog_add((int32_t)sum, s->bias[channel]);
    return hog_clamp_int8(hog_requantize(acc, s->multiplier[i], s->shift[i]), clamp);
}

// Products of x[k] with the rows of w[][k] that belong to output channels first ... end - 1.
// Each x is loaded once for several rows; missing rows of the last block repeat the last one.
static void dot_int8(const hog_conv_t *op, const scaling_t *s, const int8_t *x, const int8_t *w,
    uint32_t k, uint32_t first, uint32_t end, int8_t *out) {
    #if defined(__ARM_ARCH_6M__)
    // Eight registers: two rows are what fits.
    for (uint32_t c = first; c < end; c += 2) {
        const int8_t *w0 = w, *w1 = c + 1 < end ? w + k : w;
        uint32_t a0 = 0, a1 = 0;
        for (uint32_t i = 0; i < k; ++i) {
            int32_t v = x[i];
            a0 += (uint32_t)(v * w0[i]);
            a1 += (uint32_t)(v * w1[i]);
        }
        w = w1 + k;
        out[c] = scale(s, &op->clamp, c, a0);
        if (c + 1 < end) {
            out[c + 1] = scale(s, &op->clamp, c + 1, a1);
        }
    }
    #else
    for (uint32_t c = first; c < end; c += 4) {
        uint32_t rows = end - c;
        const int8_t *w0 = w;
        const int8_t *w1 = rows > 1 ? w0 + k : w0;
        const int8_t *w2 = rows > 2 ? w1 + k : w1;
        const int8_t *w3 = rows > 3 ? w2 + k : w2;
        uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
        for (uint32_t i = 0; i < k; ++i) {
            int32_t v = x[i];
            a0 += (uint32_t)(v * w0[i]);
            a1 += (uint32_t)(v * w1[i]);
            a2 += (uint32_t)(v * w2[i]);
            a3 += (uint32_t)(v * w3[i]);
        }
        w = w3 + k;
        out[c] = scale(s, &op->clamp, c, a0);
        if (rows > 1) {
            out[c + 1] = scale(s, &op->clamp, c + 1, a1);
        }
        if (rows > 2) {
            out[c + 2] = scale(s, &op->clamp, c + 2, a2);
        }
        if (rows > 3) {
            out[c + 3] = scale(s, &op->clamp, c + 3, a3);
        }
    }
    #endif
}

// Copies the window whose first tap is at (y, x) out of one image, `depth` channels from `in` on;
// what lies outside the image is the zero point. A row of the window is one run where it is contiguous.
static void gather(const hog_conv_t *op, const int8_t *in, int32_t y, int32_t x, uint32_t depth, int8_t *patch) {
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

static void pixel_int8(const hog_t *h, void *arena, const hog_conv_t *op, const void *image, int32_t y, int32_t x,
    void *out) {
    const int32_t *params = hog_at(h, arena, op->params);
    scaling_t s = {params, params + op->out_c, (const int8_t *)(params + op->out_c + op->scales), op->scales > 1};
    const int8_t *w = hog_at(h, arena, op->weights);
    uint32_t depth = op->in_c / op->groups, outputs = op->out_c / op->groups;
    uint32_t k = (uint32_t)op->k_h * op->k_w * depth;
    for (unsigned g = 0; g < op->groups; ++g) {
        const int8_t *in = (const int8_t *)image + g * depth;
        const int8_t *patch;
        if (op->scratch == HOG_NONE) {
            patch = in + ((size_t)y * op->in_w + (size_t)x) * op->in_c;
        } else {
            int8_t *scratch = hog_at(h, arena, op->scratch);
            gather(op, in, y, x, depth, scratch);
            patch = scratch;
        }
        dot_int8(op, &s, patch, w, k, g * outputs, (g + 1) * outputs, out);
        w += (size_t)outputs * k;
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
