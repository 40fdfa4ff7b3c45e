// SPDX-License-Identifier: MIT
//
// DEPTHWISE: taps of a window are clipped to the image once a pixel, then each channel walks them.
#include "check.h"

// The taps of one output pixel. Strides are in elements.
typedef struct {
    uint32_t rows, columns;         // taps inside the image
    ptrdiff_t in_row, in_column;    // strides of the input: behind a row's last tap to the next row, from tap to tap
    ptrdiff_t w_row, w_column;      // strides of the weights, which are [k_h, k_w, out_c]
    size_t w_first;                 // offset of the first tap's weights
    uint32_t copies;                // output channels of an input channel
} taps_t;

// A function of its own, so that its loop has the registers.
static __attribute__((noinline)) uint32_t sum_int8(const taps_t *t, const int8_t *x, const int8_t *w) {
    uint32_t sum = 0;
    for (uint32_t ky = t->rows; ky != 0; --ky) {
        uint32_t kx = t->columns;
        do {
            sum += (uint32_t)(*x * *w);
            x += t->in_column;
            w += t->w_column;
        } while (--kx != 0);
        x += t->in_row;
        w += t->w_row;
    }
    return sum;
}

// The weights of taps outside the image, which the bias has counted as if they met the zero point.
static uint32_t outside_int8(const hog_conv_t *op, const taps_t *t, const int8_t *w) {
    const int8_t one = 1;
    taps_t ones = *t;
    ones.in_row = ones.in_column = 0;
    uint32_t inside = sum_int8(&ones, &one, w + t->w_first);
    ones.rows = op->k_h;
    ones.columns = op->k_w;
    ones.w_row = 0;
    return sum_int8(&ones, &one, w) - inside;
}

static void pixel_int8(const hog_conv_t *op, const taps_t *t, const void *params, const void *weights, const void *image,
    void *pixel) {
    const int32_t *bias = params, *multiplier = bias + op->out_c;
    const int8_t *w = weights, *in = image;
    int8_t *out = pixel;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    unsigned step = op->scales > 1;
    // Where the zero point is 0 the border needs no care.
    bool border = op->clamp.i.in_zp != 0 && t->rows * t->columns != (uint32_t)op->k_h * op->k_w;
    uint32_t left = t->copies;
    for (uint32_t c = 0; c < op->out_c; ++c) {
        uint32_t acc = (uint32_t)bias[c] + sum_int8(t, in, w + t->w_first + c);
        if (border) {
            acc += (uint32_t)(int32_t)op->clamp.i.in_zp * outside_int8(op, t, w + c);
        }
        out[c] = hog_clamp_int8(hog_requantize((int32_t)acc, *multiplier, *shift), &op->clamp);
        multiplier += step;
        shift += step;
        if (--left == 0) {
            left = t->copies;
            ++in;
        }
    }
}

static void pixel_float(const hog_conv_t *op, const taps_t *t, const void *params, const void *weights, const void *image,
    void *pixel) {
    const float *bias = params, *w = weights, *in = image;
    float *out = pixel;
    for (uint32_t c = 0; c < op->out_c; ++c) {
        const float *x = in + c / t->copies, *wc = w + t->w_first + c;
        float total = 0;
        for (uint32_t ky = t->rows; ky != 0; --ky) {
            for (uint32_t kx = t->columns; kx != 0; --kx) {
                total += *x * *wc;
                x += t->in_column;
                wc += t->w_column;
            }
            x += t->in_row;
            wc += t->w_row;
        }
        out[c] = hog_clamp_float(total + bias[c], op->clamp.f.min, op->clamp.f.max);
    }
}

// One output pixel, all channels of it.
typedef void pixel_t(const hog_conv_t *op, const taps_t *t, const void *params, const void *w, const void *in, void *out);

static void walk_pixels(const hog_t *h, void *arena, const hog_conv_t *op, size_t size, pixel_t *pixel) {
    const void *w = hog_at(h, arena, op->weights);
    const void *params = hog_at(h, arena, op->params);
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    taps_t t;
    t.copies = op->out_c / op->in_c;
    t.in_column = (ptrdiff_t)((size_t)op->dilation_w * op->in_c);
    t.w_column = (ptrdiff_t)op->out_c;
    for (unsigned b = 0; b < op->batch; ++b, in += size * op->in_h * op->in_w * op->in_c) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            hog_span_t rows = hog_span(y, op->k_h, op->dilation_h, op->in_h);
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w, out += size * op->out_c) {
                hog_span_t columns = hog_span(x, op->k_w, op->dilation_w, op->in_w);
                t.rows = columns.n == 0 ? 0 : (uint32_t)rows.n;
                t.columns = (uint32_t)columns.n;
                size_t row = (size_t)op->dilation_h * op->in_w - (size_t)t.columns * op->dilation_w;
                t.in_row = (ptrdiff_t)(row * op->in_c);
                t.w_row = (ptrdiff_t)(((size_t)op->k_w - t.columns) * op->out_c);
                size_t first = 0;
                t.w_first = 0;
                if (t.rows != 0) {
                    first = (size_t)(y + rows.first * op->dilation_h) * op->in_w;
                    first = (first + (size_t)(x + columns.first * op->dilation_w)) * op->in_c;
                    t.w_first = ((size_t)rows.first * op->k_w + (size_t)columns.first) * op->out_c;
                }
                pixel(op, &t, params, w, in + first * size, out);
            }
        }
    }
}

void hog_depthwise_int8(const hog_t *h, void *arena, const void *record) {
    walk_pixels(h, arena, record, 1, pixel_int8);
}

#if !HOG_PAIRS
void hog_depthwise_tiled(const hog_t *h, void *arena, const void *record) {
    hog_depthwise_int8(h, arena, record);
}
#endif

void hog_depthwise_float32(const hog_t *h, void *arena, const void *record) {
    walk_pixels(h, arena, record, 4, pixel_float);
}
