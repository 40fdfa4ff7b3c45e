// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// CONV and DEPTHWISE int8 with two products a multiplication. Two values a word as sums, x0 + x1·2^16, times
// w1 + w0·2^16: bits 16 to 31 of the product are x0·w0 + x1·w1, less 1 where x0·w1, which is below, is negative.
// Adding bit 15 mends that. Exact where no weight is -128: |x0·w0 + x1·w1| ≤ 2·128·127 < 2^15, |x0·w1| < 2^15.
//
// Values 0 and 2, and 1 and 3 of four that follow each other share a word: two of four bytes are had by one mask.
#include "pairs.h"

#if HOG_PAIRS

typedef uint32_t __attribute__((may_alias)) word_t;

#define LANES (0x00ff00ffu)
#define SIGNS (0x00800080u)

static inline uint32_t swap_halves(uint32_t x) {
    return x << 16 | x >> 16;
}

// Four bytes, and less than four with zeros behind them, as values + 128.
static inline uint32_t four(const int8_t *p, size_t n) {
    if (n >= 4 && ((uintptr_t)p & 3) == 0) {
        return *(const word_t *)(const void *)p ^ 0x80808080u;
    }
    uint32_t x = 0;
    for (unsigned i = 0; i < 4 && i < n; ++i) {
        x |= (uint32_t)(uint8_t)p[i] << 8 * i;
    }
    return x ^ 0x80808080u;
}

// 4·quads values, word-aligned, to 2·quads words behind which they may lie.
static HOG_HOT uint32_t *expand(const int8_t *in, size_t quads, uint32_t *words) {
    const word_t *p = (const word_t *)(const void *)in;
    do {
        uint32_t x = *p++ ^ 0x80808080u;
        *words++ = (x & LANES) - SIGNS;
        *words++ = (x >> 8 & LANES) - SIGNS;
    } while (--quads != 0);
    return words;
}

// The weights of two channels, k each from w on, to 4·quads words.
static HOG_HOT uint32_t *expand_weights(const int8_t *w, size_t k, uint32_t *words) {
    const int8_t *v = w + k;
    for (size_t i = 0; i < k; i += 4) {
        uint32_t a = four(w + i, k - i), b = four(v + i, k - i);
        words[0] = swap_halves(a & LANES) - SIGNS;
        words[1] = swap_halves(b & LANES) - SIGNS;
        words[2] = swap_halves(a >> 8 & LANES) - SIGNS;
        words[3] = swap_halves(b >> 8 & LANES) - SIGNS;
        words += 4;
    }
    return words;
}

// The patch whose first tap is at (y, x), `depth` channels from `image` on.
static void expand_patch(const hog_conv_t *op, const int8_t *image, int32_t y, int32_t x, uint32_t depth, size_t quads,
    uint32_t *words) {
    uint32_t run = op->k_w * depth;
    size_t row = (size_t)op->in_w * op->in_c;
    if (run % 4 == 0 && depth == op->in_c && op->dilation_w == 1 && row % 4 == 0 && y >= 0 && x >= 0
        && y + (op->k_h - 1) * op->dilation_h < op->in_h && x + op->k_w <= op->in_w) {
        const int8_t *from = image + (size_t)y * row + (size_t)x * op->in_c;
        if (((uintptr_t)from & 3) == 0) {
            for (unsigned ky = op->k_h; ky != 0; --ky, from += op->dilation_h * row) {
                words = expand(from, run / 4, words);
            }
            return;
        }
    }
    // Into the second half of what `expand` fills from its beginning on.
    uint32_t *bytes = words + quads;
    bytes[quads - 1] = 0;
    hog_gather(op, image, y, x, depth, (int8_t *)bytes);
    expand((const int8_t *)bytes, quads, words);
}

// Whether every accumulator is scaled down.
static bool shifts_right(const hog_conv_t *op, const int32_t *multiplier, const int8_t *shift) {
    for (unsigned i = op->scales; i != 0; --i, ++multiplier) {
        if (*shift++ >= 0 && *multiplier != 0) {
            return false;
        }
    }
    return true;
}

#if !defined(__ARM_ARCH_6M__)

static void dots(const hog_dots_t *d, uint32_t offset) {
    int8_t *out = d->out;
    for (const uint32_t *w = d->w; w != d->w_end; w += 4) {
        uint32_t sum[2] = {w[0] - offset, w[1] - offset};
        w += 2;
        for (const uint32_t *x = d->x; x != d->x_end; ++x, w += 2) {
            sum[0] += (uint32_t)((int32_t)(x[0] * w[0] + 0x8000u) >> 16);
            sum[1] += (uint32_t)((int32_t)(x[0] * w[1] + 0x8000u) >> 16);
        }
        for (unsigned i = 0; i < 2; ++i) {
            int32_t y = hog_requantize((int32_t)sum[i], (int32_t)w[2 * i], -(int32_t)w[2 * i + 1]);
            *out++ = (int8_t)hog_min(hog_max(hog_add(y, d->zero_point), d->min), d->max);
        }
    }
}

void hog_dots_relu(const hog_dots_t *d) {
    dots(d, 0);
}

void hog_dots_any(const hog_dots_t *d) {
    dots(d, HOG_ACC_OFFSET);
}

#endif

// All pixels of `channels` output channels (an even number) from `channel` on.
static void conv_block(const hog_conv_t *op, const int8_t *image, uint32_t depth, size_t k, hog_dots_t *d, int8_t *out) {
    bool relu = op->clamp.i.min == op->clamp.i.out_zp;
    size_t quads = (k + 3) / 4;
    uint32_t *words = (uint32_t *)d->x;
    for (unsigned b = op->batch; b != 0; --b, image += (size_t)op->in_h * op->in_w * op->in_c) {
        int32_t y = -(int32_t)op->pad_h;
        for (unsigned oh = op->out_h; oh != 0; --oh, y += op->stride_h) {
            int32_t x = -(int32_t)op->pad_w;
            for (unsigned ow = op->out_w; ow != 0; --ow, x += op->stride_w, out += op->out_c) {
                expand_patch(op, image, y, x, depth, quads, words);
                d->out = out;
                (relu ? hog_dots_relu : hog_dots_any)(d);
            }
        }
    }
}

bool hog_conv_pairs(const hog_t *h, void *arena, const hog_conv_t *op) {
    const int32_t *bias = hog_at(h, arena, op->params);
    const int32_t *multiplier = bias + op->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    if (op->block == 0 || op->scratch == HOG_NONE || !shifts_right(op, multiplier, shift)) {
        return false;
    }
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
    d.limit = relu ? HOG_ACC_OFFSET : 2 * HOG_ACC_OFFSET;
    uint32_t offset = relu ? 0 : HOG_ACC_OFFSET;
    for (unsigned g = 0; g < op->groups; ++g) {
        for (uint32_t c = 0, n; c < channels; c += n) {
            // An odd last channel is done together with the one before it.
            n = channels - c < op->block ? (channels - c + 1) & ~1u : op->block;
            uint32_t first = g * channels + (c + n > channels ? c - 1 : c);
            uint32_t *words = (uint32_t *)d.w;
            const int8_t *w = (const int8_t *)hog_at(h, arena, op->weights) + first * k;
            for (uint32_t i = first; i < first + n; i += 2, w += 2 * k) {
                *words++ = (uint32_t)bias[i] + offset;
                *words++ = (uint32_t)bias[i + 1] + offset;
                words = expand_weights(w, k, words);
                for (unsigned j = 0; j < 2; ++j) {
                    uint32_t s = op->scales > 1 ? i + j : 0;
                    *words++ = (uint32_t)multiplier[s];
                    *words++ = multiplier[s] ? (uint32_t)-shift[s] : 1;
                }
            }
            d.w_end = words;
            conv_block(op, (const int8_t *)hog_at(h, arena, op->in) + g * depth, depth, k, &d,
                (int8_t *)hog_at(h, arena, op->out) + first);
        }
    }
    return true;
}

#endif
