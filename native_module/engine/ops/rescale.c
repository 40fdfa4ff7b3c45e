// SPDX-License-Identifier: MIT
//
// RESCALE: integers of one scale to integers of another.
#include "check.h"

hog_error_t hog_check_rescale(hog_t *h, const void *record) {
    const hog_rescale_t *op = record;
    unsigned integers = B | H | I | U;
    if (op->function - 1u >= HOG_RESCALE_RSQRT || !(hog_type_bit(op->out_type) & integers)) {
        return E_FUNCTION;
    }
    if (!hog_is_multiplier(0, op->shift) || !hog_is_multiplier(0, op->negative_shift) || op->multiplier == INT32_MIN
        || op->negative_multiplier == INT32_MIN) {
        return E_MULTIPLIER;
    }
    if (!hog_is_int16(op->in_zp) || !hog_is_int16(op->out_zp)) {
        return E_ZERO_POINT;
    }
    if (op->min > op->max) {
        return E_CLAMP;
    }
    return hog_check_elements(h, op->in, op->out, op->count, hog_size(op->op.type), hog_size(op->out_type));
}

static int32_t rescale(const hog_rescale_t *op, int32_t x) {
    x = hog_add(x, -op->in_zp);
    if (op->function == HOG_RESCALE_RSQRT) {
        if (x <= 0) {
            return op->max;
        }
        int shift;
        x = hog_inverse_sqrt(x, &shift);
        x = hog_requantize(1, x, shift + 20);
    }
    bool negative = x < 0;
    if (negative && op->function == HOG_RESCALE_ABS) {
        x = (int32_t)(0 - (uint32_t)x);
        negative = false;
    }
    x = negative ? hog_requantize(x, op->negative_multiplier, op->negative_shift)
                 : hog_requantize(x, op->multiplier, op->shift);
    return hog_min(hog_max(hog_add(x, op->out_zp), op->min), op->max);
}

void hog_rescale(const hog_t *h, void *arena, const void *record) {
    const hog_rescale_t *op = record;
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    uint32_t size = hog_size(op->op.type), out_size = hog_size(op->out_type);
    for (uint32_t i = 0; i < op->count; ++i) {
        size_t at = out_size > size ? op->count - 1 - i : i;
        hog_put(out + at * out_size, op->out_type, rescale(op, hog_get(in + at * size, op->op.type)));
    }
}
