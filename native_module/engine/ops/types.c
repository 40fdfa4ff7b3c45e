// SPDX-License-Identifier: MIT
//
// Elements of any type as int32 and back; sums of 64 bits.
#include "ops.h"

int32_t hog_get(const void *p, uint8_t type) {
    switch (type) {
        case HOG_INT8:
            return *(const int8_t *)p;
        case HOG_UINT8:
        case HOG_BOOL:
            return *(const uint8_t *)p;
        case HOG_INT16:
            return *(const int16_t *)p;
        default: // of an int64 the lower half
            return *(const int32_t *)p;
    }
}

void hog_put(void *p, uint8_t type, int32_t x) {
    switch (hog_size(type)) {
        case 1:
            *(uint8_t *)p = (uint8_t)x;
            break;
        case 2:
            *(uint16_t *)p = (uint16_t)x;
            break;
        case 8:
            ((int32_t *)p)[1] = x < 0 ? -1 : 0;
        // fall through
        default:
            *(int32_t *)p = x;
            break;
    }
}

int32_t hog_saturate(uint8_t type, int32_t x) {
    switch (type) {
        case HOG_INT8:
            return hog_saturate_int8(x);
        case HOG_INT16:
            return hog_min(hog_max(x, INT16_MIN), INT16_MAX);
        case HOG_UINT8:
            return hog_min(hog_max(x, 0), UINT8_MAX);
        case HOG_BOOL:
            return x != 0;
        default:
            return x;
    }
}

int32_t hog_requantize64(int64_t x, int32_t multiplier, int shift) {
    int32_t reduced = multiplier < 0x7fff0000 ? (multiplier + (1 << 15)) >> 16 : 0x7fff;
    int right = 15 - shift;
    // Of hostile files the product wraps.
    return (int32_t)((int64_t)((uint64_t)x * (uint32_t)reduced + ((uint64_t)1 << (right - 1))) >> right);
}

int64_t hog_get_int64(const void *p, uint32_t i) {
    const uint32_t *word = (const uint32_t *)p + 2 * (size_t)i;
    return (int64_t)((uint64_t)word[1] << 32 | word[0]);
}

// What no int32 can hold becomes the lowest one, as on TFLM's x86.
int32_t hog_round(float x) {
    float size = x < 0 ? -x : x;
    if (!(size < 2147483648.0f)) {
        return INT32_MIN;
    }
    int32_t n = (int32_t)size;
    n += size - (float)n >= 0.5f;
    return x < 0 ? -n : n;
}

void hog_dequantize_int8(float *out, const int8_t *in, size_t n, float scale, int32_t zero_point) {
    while (n-- != 0) {
        out[n] = scale * (float)(in[n] - zero_point);
    }
}
