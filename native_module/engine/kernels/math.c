// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// The functions of libm that operators need, within 2e-7 of the true value (relative), most by the
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

static int32_t next_term(int32_t factor_q31, int32_t p, int32_t r) {
    return factor_q31 + (int32_t)((int64_t)p * r >> 32);
}

// Nearly always the float nearest to it, as libm's is: a small difference of results shows each rounding.
// In integers, with 32 bits behind the binary point.
float hog_exp(float x) {
    if (!(x < 89.0f)) {
        return x * hog_power_of_two(127); // infinity, or the NaN
    }
    if (x < -104.0f) {
        return 0;
    }
    union {
        float value;
        uint32_t bits;
    } u = {x};
    float t = x * 1.44269504f;
    int32_t n = (int32_t)(t + (t < 0 ? -0.5f : 0.5f));
    int shift = (int)(u.bits >> 23 & 0xff) - 110;
    int64_t x_q40 = (u.bits & 0x7fffff) | 0x800000;
    x_q40 = shift >= 0 ? x_q40 << shift : shift > -32 ? x_q40 >> -shift : 0;
    x_q40 = x < 0 ? -x_q40 : x_q40;
    int32_t r = (int32_t)((x_q40 - n * (int64_t)762123384786 + 128) >> 8); // x - n·ln 2
    int32_t p = 5918; // 1/9!
    // 1/8! ... 1/2!, not as a table: the native module for Xtensa does not find one here.
    p = next_term(53261, p, r);
    p = next_term(426088, p, r);
    p = next_term(2982616, p, r);
    p = next_term(17895697, p, r);
    p = next_term(89478485, p, r);
    p = next_term(357913941, p, r);
    p = next_term(1 << 30, p, r);
    int32_t square = (int32_t)((int64_t)r * r >> 32);
    int64_t y = ((int64_t)1 << 32) + r + ((int64_t)square * p >> 31);
    float result = (float)((uint32_t)(y >> 1) | (uint32_t)(y & 1)) * 4.65661287e-10f;
    // In two steps, because 2^n may be too large or too small for a float.
    int32_t half = n / 2;
    return result * hog_power_of_two(half) * hog_power_of_two(n - half);
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
