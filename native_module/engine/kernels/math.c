// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// The functions of libm that operators need, within 2e-7 of the true value (relative), by the
// methods and polynomials of Cephes. README.md gives every step: other engines do the same ones.
#include "kernels.h"

#if !HOG_FULL
static
#endif
float hog_power_of_two(int32_t n) {
    union {
        uint32_t bits;
        float value;
    } u;
    u.bits = (uint32_t)(n + 127) << 23;
    return u.value;
}

float hog_exp(float x) {
    if (!(x < 89.0f)) {
        return x * hog_power_of_two(127); // infinity, or the NaN
    }
    if (x < -104.0f) {
        return 0;
    }
    // x = n·ln 2 + r, ln 2 in two parts of which the first times n is exact.
    float t = x * 1.44269504f;
    int32_t n = (int32_t)(t + (t < 0 ? -0.5f : 0.5f));
    float r = x - (float)n * 0.693359375f;
    r = r + (float)n * 2.12194440e-4f;
    float p = 1.98756915e-4f;
    p = p * r + 1.39819995e-3f;
    p = p * r + 8.33345191e-3f;
    p = p * r + 4.16657959e-2f;
    p = p * r + 1.66666655e-1f;
    p = p * r + 5.00000012e-1f;
    p = p * (r * r) + r + 1.0f;
    // In two steps, because 2^n may be too large or too small for a float.
    int32_t half = n / 2;
    return p * hog_power_of_two(half) * hog_power_of_two(n - half);
}

float hog_tanh(float x) {
    float size = x < 0 ? -x : x;
    if (size < 0.625f) {
        float z = x * x;
        float p = -5.70498873e-3f;
        p = p * z + 2.06390888e-2f;
        p = p * z + -5.37397156e-2f;
        p = p * z + 1.33314422e-1f;
        p = p * z + -3.33332819e-1f;
        return p * z * x + x;
    }
    float y = 1.0f - 2.0f / (hog_exp(size + size) + 1.0f);
    return x < 0 ? -y : y;
}

float hog_logistic(float x) {
    if (x > 16.619047164916992f) {
        return 1.0f; // where TFLM stops as well
    }
    if (x < -9.0f) {
        return hog_exp(x);
    }
    return 1.0f / (1.0f + hog_exp(-x));
}
