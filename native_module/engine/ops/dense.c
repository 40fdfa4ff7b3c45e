// SPDX-License-Identifier: MIT
//
// DENSE: a fully connected layer of one row. Its weights are used once a run, so they are stored in the order that unpacks
// fastest.
#include "pairs.h"

// Whether the weights of channel c have 4 bits.
static bool is_narrow(const hog_dense_t *op, const int32_t *params, uint32_t c) {
    const uint8_t *bits = (const uint8_t *)(params + op->outputs + op->scales) + op->scales;
    return op->layout == HOG_DENSE_MIXED && (bits[c / 8] >> c % 8 & 1);
}

static HOG_HOT bool has_zero(const uint8_t *p, size_t n) {
    for (const uint8_t *end = p + n; p != end; ++p) {
        if (*p == 0) {
            return true;
        }
    }
    return false;
}

hog_error_t hog_check_dense(hog_t *h, const void *record) {
    const hog_dense_t *op = record;
    if (op->inputs == 0 || op->outputs == 0) {
        return E_ZERO;
    }
    if (op->layout != HOG_DENSE_BYTES && op->layout != HOG_DENSE_MIXED) {
        return E_LAYOUT;
    }
    if (op->inputs % 8 != 0) {
        return E_INPUTS;
    }
    hog_add_work(h, hog_times(op->inputs, op->outputs));
    hog_extent_t in = {op->in, op->inputs, 1}, out = {op->out, op->outputs, 1};
    hog_error_t error = hog_check_tensors(h, &in, &out, false);
    if (error) {
        return error;
    }
    if (op->scales != 1 && op->scales != op->outputs) {
        return E_SCALES;
    }
    uint32_t bits = op->layout == HOG_DENSE_MIXED ? (op->outputs + 7) / 8 : 0;
    error = hog_check_scales(h, op->params, op->outputs, op->scales, bits, -1);
    if (error) {
        return error;
    }
    const int32_t *params = hog_at(h, NULL, op->params);
    uint32_t ref = op->weights;
    for (uint32_t c = 0; c < op->outputs; ++c) {
        bool narrow = is_narrow(op, params, c);
        uint32_t n = op->inputs >> narrow;
        if (!hog_in_data(h, ref, n, 4)) {
            return E_WEIGHTS;
        }
        if (!narrow && has_zero(hog_at(h, NULL, ref), n)) {
            return E_WEIGHT; // -128, to which 128 is added
        }
        ref += n;
    }
    return hog_check_clamp(HOG_INT8, &op->clamp);
}

#if HOG_PAIRS > 1

#if !defined(__ARM_ARCH_6M__)

int8_t *hog_finish(const uint32_t *words, uint32_t back, const uint32_t *sums, const uint32_t *sums_end, int8_t *out,
    const hog_clamp_t *clamp) {
    for (; sums != sums_end; words += 2 - back / 4) {
        *out++ = hog_clamp_int8(scale(*sums++, words[0], words[1]), clamp);
    }
    return out;
}

HOG_HOT const int8_t *hog_dense_sums(const uint32_t *x, const uint32_t *x_end, const int8_t *w, uint32_t *sums,
    const uint32_t *sums_end, const uint32_t *bias, uint32_t before, uint32_t behind, uint32_t narrow) {
    for (; sums != sums_end; narrow >>= 1) {
        uint32_t sum = *bias++;
        w += before >> (narrow & 1);
        for (const uint32_t *p = x; p != x_end; w += 4) {
            uint32_t four = *(const word_t *)(const void *)w;
            for (unsigned i = 0; (narrow & 1) && i < 4; ++i) {
                sum = add_products(sum, *p++, four >> 4 * i & 0x000f000f);
            }
            if (!(narrow & 1)) {
                four ^= 0x80808080u;
                sum = add_products(add_products(sum, p[0], even(four)), p[1], odd(four));
                p += 2;
            }
        }
        w += behind >> (narrow & 1);
        *sums++ = sum;
    }
    return w;
}

#endif

#define CHUNK (128)             // values of x that are unpacked at once; this and
#define ROWS (32)               // as many sums are on the stack

// The sum of the values in at most CHUNK ÷ 2 words: either half has less than 15 bits.
static HOG_HOT uint32_t add_values(const uint32_t *words, const uint32_t *end) {
    uint32_t sum = 0;
    while (words != end) {
        sum += *words++;
    }
    uint32_t low = (uint32_t)(int16_t)sum;
    return low + (uint32_t)((int32_t)(sum - low) >> 16);
}

void hog_dense(const hog_t *h, void *arena, const void *record) {
    const hog_dense_t *op = record;
    const int32_t *bias = hog_at(h, arena, op->params), *multiplier = bias + op->outputs;
    const int8_t *image = hog_at(h, arena, op->in), *w = hog_at(h, arena, op->weights);
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    const uint8_t *narrow = (const uint8_t *)shift + op->scales;
    int8_t *out = hog_at(h, arena, op->out);
    uint32_t k = op->inputs;
    uint32_t words[CHUNK / 2], sums[ROWS], scales[2 * ROWS], step = op->scales > 1, total = 0;
    for (uint32_t c = 0, n; c < op->outputs; c += n) {
        n = op->outputs - c < ROWS ? op->outputs - c : ROWS;
        uint32_t bits = 0;
        for (uint32_t i = 0; i < n && op->layout == HOG_DENSE_MIXED; i += 8) {
            bits |= (uint32_t)*narrow++ << i;
        }
        const int8_t *end = w;
        for (uint32_t at = 0, taken; at < k; at += taken) {
            taken = k - at < CHUNK ? k - at : CHUNK;
            if (c == 0 || k > CHUNK) {
                const int8_t *x = image + at;
                if ((uintptr_t)x % 4 != 0) {
                    x = memcpy(words + taken / 4, x, taken);
                }
                hog_expand(x, taken / 4, words);
                if (op->layout == HOG_DENSE_MIXED) {
                    total = add_values(words, words + taken / 2) + (at == 0 ? 0 : total);
                }
            }
            const uint32_t *from = at == 0 ? (const uint32_t *)bias + c : sums;
            end = hog_dense_sums(words, words + taken / 2, w, sums, sums + n, from, at, k - at - taken, bits);
        }
        w = end;
        for (uint32_t i = 0; bits != 0; ++i, bits >>= 1) {
            sums[i] -= bits & 1 ? 8 * total : 0;
        }
        uint32_t *word = scales;
        for (uint32_t i = step ? n : c == 0; i != 0; --i, ++multiplier, ++shift) {
            word = put_scale((uint32_t)*multiplier, *multiplier ? (uint32_t)-*shift : 1, false, word);
        }
        out = hog_finish(scales, step ? 0 : 8, sums, sums + n, out, &op->clamp);
    }
}

#else

// Scales the sum of a channel.
static inline void finish(const hog_dense_t *op, const int32_t *params, uint32_t channel, uint32_t sum, int8_t *out) {
    const int32_t *multiplier = params + op->outputs;
    const int8_t *shift = (const int8_t *)(multiplier + op->scales);
    uint32_t i = op->scales > 1 ? channel : 0;
    int32_t acc = hog_add((int32_t)sum, params[channel]);
    out[channel] = hog_clamp_int8(hog_requantize(acc, multiplier[i], shift[i]), &op->clamp);
}

// Some rows of a dense layer, and the channels that they make.
typedef struct {
    const int8_t *row[HOG_DOT_ROWS];
    uint32_t channel[HOG_DOT_ROWS];
} rows_t;

// `excess`: of the sums with what is added to each weight.
static HOG_HOT void scale_rows(const hog_dense_t *op, const int32_t *params, const int8_t *x, size_t k, rows_t *r, unsigned rows,
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

// Rows of either width when there are enough of them.
static HOG_HOT void dense_mixed(const hog_dense_t *op, const int32_t *params, const int8_t *x, const int8_t *w, size_t k,
    int8_t *out) {
    uint32_t total = 0;
    for (size_t i = 0; i < k; ++i) {
        total += (uint32_t)x[i];
    }
    rows_t wide, narrow;
    unsigned wides = 0, narrows = 0;
    for (uint32_t c = 0; c < op->outputs; ++c) {
        if (is_narrow(op, params, c)) {
            narrow.row[narrows] = w;
            narrow.channel[narrows++] = c;
            w += k / 2;
        } else {
            wide.row[wides] = w;
            wide.channel[wides++] = c;
            w += k;
        }
        bool last = c + 1 == op->outputs;
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

static void dense_bytes(const hog_dense_t *op, const int32_t *params, const int8_t *x, const int8_t *w, size_t k,
    int8_t *out) {
    uint32_t excess = 0; // of a sum with weights to which 128 is added
    for (size_t i = 0; i < k; ++i) {
        excess += (uint32_t)(x[i] * 128);
    }
    for (uint32_t c = 0; c < op->outputs; c += HOG_DOT_ROWS) {
        unsigned rows = op->outputs - c < HOG_DOT_ROWS ? op->outputs - c : HOG_DOT_ROWS;
        uint32_t sums[HOG_DOT_ROWS];
        hog_dot_offset(x, w, k, rows, sums);
        w += rows * k;
        for (unsigned i = 0; i < rows; ++i) {
            finish(op, params, c + i, sums[i] - excess, out);
        }
    }
}

void hog_dense(const hog_t *h, void *arena, const void *record) {
    const hog_dense_t *op = record;
    (op->layout == HOG_DENSE_MIXED ? dense_mixed : dense_bytes)(op, hog_at(h, arena, op->params), hog_at(h, arena, op->in),
        hog_at(h, arena, op->weights), op->inputs, hog_at(h, arena, op->out));
}

#endif
