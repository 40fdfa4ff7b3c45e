// SPDX-License-Identifier: MIT
//
// CURVE: functions of int16 values by tables between whose entries they interpolate.
#include "check.h"

hog_error_t hog_check_curve(hog_t *h, const void *record) {
    const hog_curve_t *op = record;
    if (op->function - 1u >= HOG_CURVE_SOFTMAX) {
        return E_FUNCTION;
    }
    if (op->reserved != 0) {
        return E_RESERVED;
    }
    bool softmax = op->function == HOG_CURVE_SOFTMAX;
    if (!hog_in_data(h, op->table, softmax ? 4 * 513 : 2 * 256, 2)) {
        return E_TABLE;
    }
    if (softmax ? !hog_is_multiplier(op->multiplier, op->shift)
        : op->multiplier < 0 || !hog_is_int16(op->multiplier) || op->shift < 0 || op->shift > 31) {
        return E_MULTIPLIER;
    }
    return hog_check_elements(h, op->in, op->out, hog_times(op->rows, op->depth), 2, 2);
}

// A table of 513 values of a function, 128 apart; x is an int16.
static int32_t interpolate(const int16_t *table, int32_t x) {
    const int16_t *entry = table + 256 + (x >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (x & 127) + 64) >> 7);
}

static uint32_t leading_zeros(uint32_t x) {
    uint32_t n = 0;
    while (n < 32 && !(x << n >> 31)) {
        ++n;
    }
    return n;
}

// Names like q0_15 say where the binary point is.
static void softmax(const hog_curve_t *op, const int16_t *table, const int16_t *in, int16_t *out) {
    int32_t max = INT16_MIN;
    for (uint32_t i = 0; i < op->depth; ++i) {
        max = hog_max(max, in[i]);
    }
    uint32_t sum_q16_15 = 0;
    for (uint32_t i = 0; i < op->depth; ++i) {
        int32_t x = hog_add(hog_requantize(in[i] - max, op->multiplier, op->shift), INT16_MAX);
        out[i] = (int16_t)interpolate(table, hog_saturate(HOG_INT16, x));
        sum_q16_15 += (uint32_t)(int32_t)out[i];
    }
    // The sum as 1 + x, and the table's 1 ÷ (1 + x). Of hostile tables the sum may be anything.
    uint32_t headroom = hog_max((int32_t)leading_zeros(sum_q16_15), 1);
    headroom = headroom < 30 ? headroom : 30;
    int32_t x = (int32_t)(((sum_q16_15 << (headroom - 1)) + (1u << 13)) >> 14);
    x = hog_saturate(HOG_INT16, x - (1 << 15) - (1 << 16));
    int32_t inverse_q0_15 = interpolate(table + 513, x);
    unsigned right = 31 - headroom;
    for (uint32_t i = 0; i < op->depth; ++i) {
        int32_t y = hog_add(out[i] * inverse_q0_15, 1 << (right - 1)) >> right;
        out[i] = (int16_t)hog_min(hog_max(y, 0), INT16_MAX);
    }
}

// The table holds sigmoid(i ÷ 24) in q0_16; x is in steps of 2^-12 ÷ 3, the results are q0_15.
int16_t hog_sigmoid16(const uint16_t *table, int32_t x) {
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x, i = size >> 9, y = 0x7fffu << 10;
    if (i < 255) {
        y = ((uint32_t)table[i] << 9) + (size & 511) * (uint32_t)(table[i + 1] - table[i]);
    }
    return (int16_t)((x < 0 ? (1u << 25) - y + (1u << 9) - 1 : y + (1u << 9)) >> 10);
}

int16_t hog_tanh16(const uint16_t *table, int32_t x) {
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x, i = size >> 8, y = 0xffffu << 8;
    if (i < 255) {
        y = ((uint32_t)table[i] << 8) + (size & 255) * (uint32_t)(table[i + 1] - table[i]);
    }
    y -= 1u << 23;
    return (int16_t)((int32_t)(x < 0 ? (1u << 7) - 1 - y : y + (1u << 7)) >> 8);
}

void hog_curve(const hog_t *h, void *arena, const void *record) {
    const hog_curve_t *op = record;
    const void *table = hog_at(h, arena, op->table);
    const int16_t *in = hog_at(h, arena, op->in);
    int16_t *out = hog_at(h, arena, op->out);
    int32_t half = op->shift > 0 ? (int32_t)(1u << (op->shift - 1)) : 0;
    for (uint32_t r = 0; r < op->rows; ++r, in += op->depth, out += op->depth) {
        if (op->function == HOG_CURVE_SOFTMAX) {
            softmax(op, table, in, out);
        } else {
            for (uint32_t i = 0; i < op->depth; ++i) {
                int32_t x = (in[i] * op->multiplier + half) >> op->shift;
                out[i] = op->function == HOG_CURVE_TANH ? hog_tanh16(table, x) : hog_sigmoid16(table, x);
            }
        }
    }
}
