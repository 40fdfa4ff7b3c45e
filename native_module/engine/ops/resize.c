// SPDX-License-Identifier: MIT
//
// RESIZE: bilinear interpolation.
#include "check.h"

hog_error_t hog_check_resize(hog_t *h, const void *record) {
    const hog_resize_t *op = record;
    uint32_t size = hog_size(op->op.type);
    if (hog_has_zero(op, offsetof(hog_resize_t, batch), 5) || op->channels == 0) {
        return E_ZERO;
    }
    if (op->half_pixel > 1) {
        return E_RESERVED;
    }
    // As bits, a float32 of 0 ... infinity is in order with integers.
    if (op->step_h.i < 0 || op->step_w.i < 0
        || (op->op.type == HOG_FLOAT32 && !(op->step_h.f <= FLT_MAX && op->step_w.f <= FLT_MAX))) {
        return E_SCALE;
    }
    hog_extent_t in = hog_image(op->in, op->batch, op->in_h, op->in_w, op->channels, size);
    hog_extent_t out = hog_image(op->out, op->batch, op->out_h, op->out_w, op->channels, size);
    hog_add_work(h, hog_times(out.size / size, 4));
    return hog_check_tensors(h, &in, &out, false);
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

void hog_resize(const hog_t *h, void *arena, const void *record) {
    const hog_resize_t *op = record;
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
