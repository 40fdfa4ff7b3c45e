// SPDX-License-Identifier: MIT
//
// CONV, and the check of all layers of hog_conv_t. int8: a patch of the input, contiguous in memory, times the rows of the
// weights. float32: straight loops, so that the order of the sum is TFLM's.
#include "conv.h"

hog_error_t hog_check_geometry(hog_t *h, const hog_conv_t *c, uint32_t size, hog_extent_t *in, hog_extent_t *out,
    uint32_t *weights) {
    if (hog_has_zero(c, offsetof(hog_conv_t, batch), 12) || c->in_c == 0 || c->out_c == 0) {
        return E_ZERO;
    }
    if (c->in_c % c->groups != 0 || c->out_c % c->groups != 0) {
        return E_GROUPS;
    }
    if (!hog_window_fits(c->out_h, c->stride_h, c->k_h, c->dilation_h)
        || !hog_window_fits(c->out_w, c->stride_w, c->k_w, c->dilation_w)) {
        return E_WINDOW;
    }
    *in = hog_image(c->in, c->batch, c->in_h, c->in_w, c->in_c, size);
    *out = hog_image(c->out, c->batch, c->out_h, c->out_w, c->out_c, size);
    uint32_t patch = hog_image(0, 1, c->k_h, c->k_w, c->in_c / c->groups, 1).size;
    *weights = hog_times(patch, c->out_c);
    hog_add_work(h, hog_times(hog_image(0, c->batch, c->out_h, c->out_w, c->out_c, 1).size, patch));
    return E_OK;
}

bool hog_has_weights(const hog_t *h, const hog_conv_t *c, uint32_t size, uint32_t align, bool computed,
    const hog_extent_t *out) {
    if (computed && !(c->weights & HOG_IN_DATA)) {
        return hog_in_arena(h, c->weights, size, align) && !hog_overlap(c->weights, size, out->ref, out->size);
    }
    return hog_in_data(h, c->weights, size, align);
}

// Whether every patch of the input is contiguous in memory.
static bool is_contiguous(const hog_conv_t *c) {
    if (c->pad_h != 0 || c->pad_w != 0) {
        return false;
    }
    if ((c->out_h - 1u) * c->stride_h + c->k_h > c->in_h || (c->out_w - 1u) * c->stride_w + c->k_w > c->in_w) {
        return false;
    }
    if (c->k_h == 1 && c->k_w == 1) {
        return true;
    }
    return c->groups == 1 && (c->k_w == 1 || c->dilation_w == 1)
           && (c->k_h == 1 || (c->k_w == c->in_w && c->dilation_h == 1));
}

static bool is_depthwise(const hog_conv_t *c) {
    return c->op.code == HOG_DEPTHWISE || c->op.code == HOG_DEPTHWISE_TILED;
}

// Bytes of scratch that a tile needs; `k` is the size of a patch.
static uint32_t tile_scratch(const hog_conv_t *c, uint32_t k) {
    if (is_depthwise(c)) {
        uint32_t rows = (c->tile - 1u) * c->stride_h + c->k_h, columns = (c->out_w - 1u) * c->stride_w + c->k_w;
        return hog_times(hog_times(rows, columns), 4);
    }
    uint64_t quads = (k + 3u) / 4;
    uint64_t bytes = (quads * 16 + 24) * (c->tile / 2u) + quads * 8;
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

// How much more `out` is than `stride` times `in`.
static uint32_t growth(uint32_t out, uint32_t stride, uint32_t in) {
    in = hog_times(in, stride);
    return out > in ? out - in : 0;
}

// Whether a tiled layer's output lies so far before the input that it overwrites only what nothing needs any more. CONV reads a
// patch, and then writes all channels of a pixel; DEPTHWISE reads and writes the rows of a tile. The last place written is the
// furthest ahead of what is still to be read at the first row or, where rows grow, at the last.
static bool trails_input(const hog_conv_t *c) {
    uint32_t in_row = c->in_w * c->in_c, out_row = c->out_w * c->out_c, rows = 1;
    if (c->tile == 0 || c->batch != 1 || c->in < c->out) {
        return false;
    }
    uint64_t lead = hog_times(c->pad_h, in_row);
    if (is_depthwise(c)) {
        rows = c->tile;
        lead += hog_times(rows, out_row);
    } else if (c->tile != c->out_c || (uint32_t)c->out_w * c->stride_w > (uint32_t)c->in_w + c->pad_w) {
        return false;
    } else {
        lead += hog_times(c->pad_w, c->in_c) + (uint64_t)hog_times(c->out_w, growth(c->out_c, c->stride_w, c->in_c));
    }
    lead += hog_times(c->out_h - rows, growth(out_row, c->stride_h, in_row));
    return c->in - c->out >= lead;
}

static HOG_HOT bool has(const int8_t *p, size_t n, int8_t value) {
    for (const int8_t *end = p + n; p != end; ++p) {
        if (*p == value) {
            return true;
        }
    }
    return false;
}

static hog_error_t check_tile(const hog_conv_t *c) {
    bool depthwise = is_depthwise(c);
    uint32_t most = depthwise ? c->out_h : c->out_c / c->groups;
    if (c->tile > most || (!depthwise && c->tile % 2 != 0)) {
        return E_TILE;
    }
    if (depthwise && (c->k_h != 3 || c->k_w != 3 || c->dilation_h != 1 || c->dilation_w != 1)) {
        return E_WINDOW;
    }
    const hog_clamp_t *clamp = &c->clamp;
    return clamp->i.min != clamp->i.out_zp && clamp->i.max - clamp->i.min != 255 ? E_CLAMP : E_OK;
}

// `unpacked`: the weights will be there, as int8, in the arena.
static hog_error_t check_conv(hog_t *h, const hog_conv_t *c, bool unpacked) {
    uint32_t size = hog_size(c->op.type), weights;
    hog_extent_t in, out;
    hog_error_t error = hog_check_geometry(h, c, size, &in, &out, &weights);
    if (error) {
        return error;
    }
    if (is_depthwise(c) && c->groups != c->in_c) {
        return E_GROUPS;
    }
    bool tiled = c->op.code == HOG_CONV_TILED || c->op.code == HOG_DEPTHWISE_TILED;
    if (tiled != (c->tile != 0)) {
        return E_TILE;
    }
    error = hog_check_tensors(h, &in, &out, false);
    if (error && !(error == E_OVERLAP && trails_input(c))) {
        return error;
    }
    if (c->op.type == HOG_FLOAT32 ? c->scales != 0 : c->scales != 1 && c->scales != c->out_c) {
        return E_SCALES;
    }
    error = hog_check_scales(h, c->params, c->out_c, c->scales, 0, tiled ? -1 : 30);
    if (error) {
        return error;
    }
    if (unpacked) {
        if (!hog_in_arena(h, c->weights, weights, 1) || hog_overlap(c->weights, weights, out.ref, out.size)
            || hog_overlap(c->weights, weights, in.ref, in.size)) {
            return E_WEIGHTS;
        }
    } else {
        bool computed = c->op.type == HOG_FLOAT32 && c->op.code == HOG_CONV;
        if (!hog_has_weights(h, c, hog_times(weights, size), size, computed, &out)) {
            return E_WEIGHTS;
        }
    }
    hog_extent_t scratch = {c->scratch, weights / c->out_c, 1}; // a patch
    if (tiled) {
        error = check_tile(c);
        if (error) {
            return error;
        }
        if (!unpacked && has(hog_at(h, NULL, c->weights), weights, INT8_MIN)) {
            return E_WEIGHT; // -8 at least where they are unpacked
        }
        scratch.size = tile_scratch(c, scratch.size);
        scratch.align = 4;
    } else if (c->op.code == HOG_DEPTHWISE || c->op.type == HOG_FLOAT32) {
        return c->scratch != HOG_NONE ? E_SCRATCH : hog_check_clamp(c->op.type, &c->clamp);
    } else if (c->scratch == HOG_NONE) {
        return is_contiguous(c) ? hog_check_clamp(HOG_INT8, &c->clamp) : E_NO_SCRATCH;
    }
    if (!hog_in_arena(h, scratch.ref, scratch.size, scratch.align)) {
        return E_SCRATCH;
    }
    if (hog_overlap(in.ref, in.size, scratch.ref, scratch.size) || hog_overlap(out.ref, out.size, scratch.ref, scratch.size)
        || (unpacked && hog_overlap(scratch.ref, scratch.size, c->weights, weights))) {
        return E_OVERLAP;
    }
    return hog_check_clamp(HOG_INT8, &c->clamp);
}

hog_error_t hog_check_conv(hog_t *h, const void *record) {
    return check_conv(h, record, false);
}

hog_error_t hog_check_unpacked(hog_t *h, const hog_conv_t *c) {
    return check_conv(h, c, true);
}

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
void hog_im2col(const hog_conv_t *op, const int8_t *in, int32_t y, int32_t x, uint32_t depth, int8_t *patch) {
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

// The output channels of one pixel that read `patch`.
static void scale_dots(const hog_conv_t *op, const int32_t *params, const int8_t *patch, const int8_t *w, size_t k,
    uint32_t channel, uint32_t channels, int8_t *out) {
    const int32_t *multiplier = params + op->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    while (channels != 0) {
        unsigned rows = channels < HOG_DOT_ROWS ? channels : HOG_DOT_ROWS;
        uint32_t sums[HOG_DOT_ROWS];
        hog_dot(patch, w, k, rows, sums);
        w += rows * k;
        channels -= rows;
        for (unsigned i = 0; i < rows; ++i, ++channel) {
            uint32_t s = op->scales > 1 ? channel : 0;
            int32_t acc = hog_add((int32_t)sums[i], params[channel]);
            out[channel] = hog_clamp_int8(hog_requantize(acc, multiplier[s], shift[s]), &op->clamp);
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
            hog_im2col(op, patch, y, x, depth, scratch);
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

// Makes one pixel of the output, all channels of it.
typedef void pixel_t(const hog_t *h, void *arena, const hog_conv_t *op, const void *image, int32_t y, int32_t x, void *out);

static void walk_pixels(const hog_t *h, void *arena, const hog_conv_t *op, size_t size, pixel_t *pixel) {
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    for (unsigned b = 0; b < op->batch; ++b, in += size * op->in_h * op->in_w * op->in_c) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = 0; oh < op->out_h; ++oh, y += op->stride_h) {
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = 0; ow < op->out_w; ++ow, x += op->stride_w, out += size * op->out_c) {
                pixel(h, arena, op, in, y, x, out);
            }
        }
    }
}

void hog_conv_int8(const hog_t *h, void *arena, const void *record) {
    walk_pixels(h, arena, record, 1, pixel_int8);
}

#if !HOG_PAIRS
void hog_conv_tiled(const hog_t *h, void *arena, const void *record) {
    hog_conv_int8(h, arena, record);
}
#endif

void hog_conv_float32(const hog_t *h, void *arena, const void *record) {
    walk_pixels(h, arena, record, 4, pixel_float);
}
