// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// More of libm, for COMBINE, APPLY and NORMALIZE; within 3e-7 of the true value (relative).
#include "kernels.h"

#if HOG_FULL

static float absolute(float x) {
    return x < 0 ? -x : x;
}

float hog_floor(float x) {
    if (!(absolute(x) < 8388608.0f)) {
        return x; // whole already, or no number
    }
    float t = (float)(int32_t)x;
    return t > x ? t - 1.0f : t;
}

// The remainder of x ÷ y towards 0, exactly: long division in binary.
static float remainder_of(float x, float y) {
    float size = absolute(x), step = absolute(y);
    if (!(size - size == 0) || !(step > 0)) {
        return x * y / (x * y) - x; // NaN
    }
    if (step > size) {
        return x;
    }
    while (size - step >= step) {
        step = step + step;
    }
    while (true) {
        if (size >= step) {
            size -= step;
        }
        if (!(step > absolute(y))) {
            return x < 0 ? -size : size;
        }
        step = step * 0.5f;
    }
}

float hog_floor_mod(float x, float y) {
    float r = remainder_of(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

// As if the quotient were known to more bits than a float has: one that rounds up to a whole number does not count.
float hog_floor_div(float x, float y) {
    float q = x / y, whole = hog_floor(q);
    if (q == whole && absolute(q) < 8388608.0f) {
        float r = absolute(hog_floor_mod(x, y));
        if (r > absolute(y) - r) {
            return whole - 1.0f;
        }
    }
    return whole;
}

#endif // HOG_FULL
