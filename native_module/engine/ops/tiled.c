// SPDX-License-Identifier: MIT
//
// CONV_TILED and DEPTHWISE_TILED, of int8: weights, or rows of the input, are unpacked into scratch and used many times.
#include "pairs.h"

#if HOG_PAIRS

// Four bytes, and less than four with zeros behind them.
static HOG_HOT uint32_t four(const int8_t *p, size_t n) {
    uint32_t x = 0;
    for (unsigned i = 0; i < 4 && i < n; ++i) {
        x |= (uint32_t)(uint8_t)p[i] << 8 * i;
    }
    return x;
}

// The weights of two channels, k each from w on, to 4·quads words.
static HOG_HOT uint32_t *expand_weights(const int8_t *w, size_t k, uint32_t *words) {
    const int8_t *v = w + k, *end = v;
    bool aligned = (((uintptr_t)w | k) & 3) == 0;
    while (w < end) {
        uint32_t a, b;
        if (aligned) {
            a = *(const word_t *)(const void *)w;
            b = *(const word_t *)(const void *)v;
        } else {
            a = four(w, (size_t)(end - w));
            b = four(v, (size_t)(end - w));
        }
        w += 4;
        v += 4;
        a = turn(a);
        b = turn(b);
        words[0] = even(a);
        words[1] = even(b);
        words[2] = odd(a);
        words[3] = odd(b);
        words += 4;
    }
    return words;
}

#if !defined(__ARM_ARCH_6M__)

HOG_HOT uint32_t *hog_expand(const int8_t *in, size_t quads, uint32_t *words) {
    const word_t *p = (const word_t *)(const void *)in;
    for (; quads != 0; --quads) {
        uint32_t x = *p++;
        *words++ = even(x);
        *words++ = odd(x);
    }
    return words;
}

HOG_HOT void hog_columns(const int8_t *in, size_t in_c, size_t below, uint32_t *words, size_t pitch, size_t rows, size_t columns,
    int32_t outside) {
    for (; columns != 0; --columns, in += in_c, ++words) {
        const int8_t *from = in;
        uint32_t *to = words;
        for (size_t i = rows; i != 0; --i, from += below, to += pitch / 4) {
            *to = pair(*from, i > 1 ? from[below] : outside);
        }
    }
}

// Adds the products of all values of x with the weights of two channels; returns the end of these.
static inline const uint32_t *multiply_quads(const uint32_t *x, const uint32_t *x_end, const uint32_t *w, uint32_t *sums) {
    uint32_t sum0 = sums[0], sum1 = sums[1];
    #if defined(__ARM_FEATURE_DSP)
    uint32_t x0, x1, a, b;
    __asm__ (
        "1:  ldrd %[x0], %[x1], [%[x]], #8\n"
        "    ldrd %[a], %[b], [%[w]], #8\n"
        "    smlad %[sum0], %[x0], %[a], %[sum0]\n"
        "    smlad %[sum1], %[x0], %[b], %[sum1]\n"
        "    ldrd %[a], %[b], [%[w]], #8\n"
        "    smlad %[sum0], %[x1], %[a], %[sum0]\n"
        "    smlad %[sum1], %[x1], %[b], %[sum1]\n"
        "    cmp %[x], %[x_end]\n"
        "    bne 1b\n"
        : [x] "+&r" (x), [w] "+&r" (w), [sum0] "+&r" (sum0), [sum1] "+&r" (sum1), [x0] "=&r" (x0), [x1] "=&r" (x1),
        [a] "=&r" (a), [b] "=&r" (b)
        : [x_end] "r" (x_end)
        : "cc", "memory");
    #else
    for (; x != x_end; x += 2, w += 4) {
        sum0 = add_products(add_products(sum0, x[0], w[0]), x[1], w[2]);
        sum1 = add_products(add_products(sum1, x[0], w[1]), x[1], w[3]);
    }
    #endif
    sums[0] = sum0;
    sums[1] = sum1;
    return w;
}

HOG_HOT void hog_windows(const hog_window_t *d, bool any) {
    uint32_t start = d->start - (any ? HOG_ACC_OFFSET : 0);
    const uint32_t *x = d->x, *x2 = d->x2, *row_end = d->row_end, w0 = d->w[0], w1 = d->w[1], w2 = d->w[2];
    int32_t zero_point = d->zero_point, min = d->min, max = d->max, step = d->step / 4 + 3;
    int8_t *out = d->out;
    for (; x != d->end; x += d->gap / 4, x2 += d->gap / 4, row_end += d->row / 4) {
        for (; x != row_end; x += step, x2 += step) {
            uint32_t sum = add_products(add_products(add_products(start, x[0], w0), x[1], w1), x[2], w2);
            sum = add_products(add_products(add_products(sum, x2[0], d->w[3]), x2[1], d->w[4]), x2[2], d->w5);
            int32_t y = scale(sum, (uint32_t)d->multiplier, (uint32_t)-d->shift);
            *out = (int8_t)hog_min(hog_max(hog_add(y, zero_point), min), max);
            out += d->out_step;
        }
    }
}

HOG_HOT void hog_dots(hog_dots_t *d, bool any) {
    int8_t *out = d->out;
    uint32_t offset = any ? HOG_ACC_OFFSET : 0;
    int32_t zero_point = d->zero_point, min = d->min, max = d->max;
    for (; d->pixels != 0; --d->pixels, d->in += d->in_step, out += d->out_gap) {
        uint32_t *words = (uint32_t *)d->x;
        for (uint32_t i = 0; i < d->runs; ++i) {
            words = hog_expand(d->in + i * d->run_step, d->run_quads, words);
        }
        for (const uint32_t *w = d->w; w != d->w_end; w += 4) {
            uint32_t sum[2] = {w[0] - offset, w[1] - offset};
            w += 2;
            w = multiply_quads(d->x, d->x_end, w, sum);
            for (unsigned i = 0; i < 2; ++i) {
                int32_t y = scale(sum[i], w[2 * i], w[2 * i + 1]);
                *out++ = (int8_t)hog_min(hog_max(hog_add(y, zero_point), min), max);
            }
        }
    }
}

#endif

// 4·quads values outside the image.
static uint32_t *expand_outside(int32_t zero_point, size_t quads, uint32_t *words) {
    for (quads *= 2; quads != 0; --quads) {
        *words++ = pair(zero_point, zero_point);
    }
    return words;
}

// A patch that reaches over the border of an image whose pixels are whole words.
static void expand_border(const hog_conv_t *op, const int8_t *image, int32_t y, int32_t x, uint32_t *words) {
    int32_t zero_point = op->clamp.i.in_zp;
    size_t quads = op->in_c / 4, row = (size_t)op->in_w * op->in_c;
    hog_span_t columns = hog_span(x, op->k_w, 1, op->in_w);
    size_t before = columns.n ? (size_t)columns.first * quads : 0, inside = (size_t)columns.n * quads;
    size_t all = op->k_w * quads, behind = all - before - inside;
    for (unsigned ky = op->k_h; ky != 0; --ky, y += op->dilation_h) {
        bool out = y < 0 || y >= op->in_h;
        words = expand_outside(zero_point, out ? all : before, words);
        if (!out) {
            if (inside != 0) {
                const int8_t *from = image + (size_t)y * row + (size_t)(x + columns.first) * op->in_c;
                words = hog_expand(from, inside, words);
            }
            words = expand_outside(zero_point, behind, words);
        }
    }
}

// Positions of a window along one axis, first ... end - 1, where it lies inside the input.
static void find_inside(uint32_t size, uint32_t out, uint32_t taps, uint32_t dilation, uint32_t stride, uint32_t pad,
    uint32_t *first, uint32_t *end) {
    uint32_t reach = (taps - 1) * dilation + 1;
    *first = (pad + stride - 1) / stride;
    *end = size + pad < reach ? 0 : (size + pad - reach) / stride + 1;
    *end = *end < out ? *end : out;
    *first = *first < *end ? *first : *end;
}

// All pixels of the channels whose weights are ready, in one image; `depth` input channels from `image` on.
static void conv_channels(const hog_conv_t *op, const int8_t *image, uint32_t depth, hog_dots_t *d, int8_t *out) {
    bool any = op->clamp.i.min != op->clamp.i.out_zp;
    uint32_t run = op->k_w * depth, row = (uint32_t)op->in_w * op->in_c;
    // Patches whose rows are whole, and whether they can be read in place.
    uint32_t top = 0, bottom = 0, left = 0, right = 0;
    d->run_quads = 0;
    if (depth == op->in_c && op->dilation_w == 1) {
        find_inside(op->in_h, op->out_h, op->k_h, op->dilation_h, op->stride_h, op->pad_h, &top, &bottom);
        find_inside(op->in_w, op->out_w, op->k_w, 1, op->stride_w, op->pad_w, &left, &right);
        if (((row | op->in_c | (uintptr_t)image) & 3) == 0) {
            d->run_quads = run / 4;
        }
    }
    d->run_step = op->dilation_h * row;
    d->in_step = (uint32_t)op->stride_w * op->in_c;
    d->in = image;      // stepped on even where no patch is read in place
    size_t quads = (size_t)(d->x_end - d->x) / 2;
    uint32_t *bytes = (uint32_t *)d->x + quads; // the second half of what hog_expand fills from its beginning on
    uint32_t rows = op->out_h, columns = op->out_w;
    if (right == columns && bottom == rows && left + top == 0 && op->stride_h * row == columns * d->in_step) {
        right = columns *= rows; // all of it as one row
        rows = bottom = 1;
    }
    int32_t y = -(int32_t)op->pad_h;
    for (uint32_t oh = 0; oh < rows; ++oh, y += op->stride_h) {
        int32_t x = -(int32_t)op->pad_w;
        for (uint32_t ow = 0; ow < columns; ow += d->pixels) {
            d->pixels = 1;
            d->runs = 0;
            bool inside = top <= oh && oh < bottom && left <= ow && ow < right;
            if (inside) {
                d->in = image + (size_t)y * row + (size_t)x * op->in_c;
            }
            if (d->run_quads != 0) {
                if (inside) {
                    d->pixels = right - ow;
                    d->runs = op->k_h;
                } else {
                    expand_border(op, image, y, x, (uint32_t *)d->x);
                }
            } else {
                bytes[quads - 1] = 0;
                if (inside) {
                    hog_copy_runs((int8_t *)bytes, run, d->in, d->run_step, run, op->k_h);
                } else {
                    hog_im2col(op, image, y, x, depth, (int8_t *)bytes);
                }
                hog_expand((const int8_t *)bytes, quads, (uint32_t *)d->x);
            }
            d->out = out;
            uint32_t pixels = d->pixels;
            hog_dots(d, any);
            d->pixels = pixels;
            x += (int32_t)(pixels * op->stride_w);
            out += pixels * op->out_c;
        }
    }
}

void hog_conv_tiled(const hog_t *h, void *arena, const void *record) {
    const hog_conv_t *op = record;
    const int32_t *bias = hog_at(h, arena, op->params);
    const int32_t *multiplier = bias + op->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    uint32_t depth = op->in_c / op->groups, channels = op->out_c / op->groups;
    size_t k = (size_t)op->k_h * op->k_w * depth, quads = (k + 3) / 4;
    bool relu = op->clamp.i.min == op->clamp.i.out_zp;
    hog_dots_t d;
    d.x = hog_at(h, arena, op->scratch);
    d.x_end = d.x + 2 * quads;
    d.w = d.x_end;
    d.zero_point = op->clamp.i.out_zp;
    d.min = op->clamp.i.min;
    d.max = op->clamp.i.max;
    uint32_t offset = relu ? 0 : HOG_ACC_OFFSET;
    for (unsigned g = 0; g < op->groups; ++g) {
        for (uint32_t c = 0, n; c < channels; c += n) {
            // An odd last channel is done together with the one before it.
            n = channels - c < op->tile ? (channels - c + 1) & ~1u : op->tile;
            uint32_t first = g * channels + (c + n > channels ? c - 1 : c);
            uint32_t *words = (uint32_t *)d.w;
            const int8_t *w = (const int8_t *)hog_at(h, arena, op->weights) + first * k;
            for (uint32_t i = first; i < first + n; i += 2, w += 2 * k) {
                *words++ = (uint32_t)bias[i] + offset;
                *words++ = (uint32_t)bias[i + 1] + offset;
                words = expand_weights(w, k, words);
                for (unsigned j = 0; j < 2; ++j) {
                    uint32_t s = op->scales > 1 ? i + j : 0;
                    words = put_scale((uint32_t)multiplier[s], multiplier[s] ? (uint32_t)-shift[s] : 1, relu, words);
                }
            }
            d.w_end = words;
            d.out_gap = op->out_c - n;
            const int8_t *image = (const int8_t *)hog_at(h, arena, op->in) + g * depth;
            int8_t *out = (int8_t *)hog_at(h, arena, op->out) + first;
            for (unsigned b = op->batch; b != 0; --b) {
                conv_channels(op, image, depth, &d, out);
                image += (size_t)op->in_h * op->in_w * op->in_c;
                out += (size_t)op->out_h * op->out_w * op->out_c;
            }
        }
    }
}

// One channel of `rows` input rows from row y on, each value together with the one below it. What surrounds the image
// is there already, but for the upper half of the row above it.
static void expand_rows(const hog_conv_t *op, const int8_t *channel, int32_t y, int32_t rows, int32_t columns,
    uint32_t *words) {
    int32_t first = hog_max(y, 0), last = hog_min(y + rows, op->in_h);
    int32_t used = hog_min(op->in_w, columns - op->pad_w);
    if (first >= last || used <= 0) {
        return;
    }
    size_t below = (size_t)op->in_w * op->in_c;
    channel += first * below;
    words += (first - y) * columns + op->pad_w;
    int32_t zero_point = op->clamp.i.in_zp;
    hog_columns(channel, op->in_c, below, words, 4 * (size_t)columns, (size_t)(last - first), (size_t)used, zero_point);
    if (first > y) {
        words -= columns;
        for (; used != 0; --used, channel += op->in_c) {
            *words++ = pair(zero_point, *channel);
        }
    }
}

void hog_depthwise_tiled(const hog_t *h, void *arena, const void *record) {
    const hog_conv_t *op = record;
    const int32_t *bias = hog_at(h, arena, op->params);
    const int32_t *multiplier = bias + op->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    const int8_t *image = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    uint32_t *words = hog_at(h, arena, op->scratch);
    bool relu = op->clamp.i.min == op->clamp.i.out_zp;
    uint32_t copies = op->out_c / op->in_c;
    int32_t columns = (op->out_w - 1) * op->stride_w + 3, zero_point = op->clamp.i.in_zp;
    hog_window_t d;
    d.step = 4 * (op->stride_w - 3);
    d.zero_point = op->clamp.i.out_zp;
    d.min = op->clamp.i.min;
    d.max = op->clamp.i.max;
    d.out_step = op->out_c;
    d.row = 4u * op->stride_h * (uint32_t)columns;
    d.gap = d.row - 4u * op->stride_w * op->out_w;
    d.x = words;
    d.x2 = words + 2 * columns;
    for (unsigned b = op->batch; b != 0; --b, image += (size_t)op->in_h * op->in_w * op->in_c) {
        for (unsigned oh = 0, n; oh < op->out_h; oh += n) {
            n = op->out_h - oh < op->tile ? op->out_h - oh : op->tile;
            d.end = words + n * (d.row / 4);
            int32_t y = (int32_t)(oh * op->stride_h) - op->pad_h, rows = (int32_t)((n - 1) * op->stride_h + 3);
            for (int32_t i = 0; i < rows * columns; ++i) {
                words[i] = pair(zero_point, zero_point);
            }
            const int8_t *channel = image;
            for (uint32_t c = 0, left = 1; c < op->out_c; ++c) {
                if (--left == 0) {
                    left = copies;
                    expand_rows(op, channel++, y, rows, columns, words);
                }
                const int8_t *w = (const int8_t *)hog_at(h, arena, op->weights) + c;
                for (unsigned i = 0; i < 3; ++i, w += op->out_c) {
                    d.w[i] = pair_weights(w[0], w[3 * op->out_c]);
                    uint32_t third = pair_weights(w[6 * op->out_c], 0);
                    if (i < 2) {
                        d.w[3 + i] = third;
                    } else {
                        d.w5 = third;
                    }
                }
                uint32_t s = op->scales > 1 ? c : 0;
                d.start = (uint32_t)bias[c] + (relu ? 0 : HOG_ACC_OFFSET);
                d.multiplier = multiplier[s];
                d.shift = d.multiplier ? shift[s] : -1;
                d.m[0] = d.multiplier & 0x3ff;
                d.m[1] = d.multiplier >> 10 & 0x3ff;
                d.m[2] = d.multiplier >> 20;
                d.round = relu ? 1 << 10 : (uint32_t)d.multiplier;
                d.right = (uint32_t)((relu ? 11 : 0) - d.shift);
                d.row_end = words + op->stride_w * op->out_w;
                d.out = out + c;
                hog_windows(&d, !relu);
            }
            out += (size_t)n * op->out_w * op->out_c;
        }
    }
}

#endif
