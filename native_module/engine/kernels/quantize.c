// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// QUANTIZE and DEQUANTIZE. Both may work in place, though elements change their size: so QUANTIZE
// goes forward and DEQUANTIZE backward.
#include "kernels.h"

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

void hog_quantize(int8_t *out, const float *in, size_t n, float scale, int32_t zero_point) {
    for (size_t i = 0; i < n; ++i) {
        out[i] = hog_saturate_int8(hog_add(hog_round(in[i] / scale), zero_point));
    }
}

void hog_dequantize(float *out, const int8_t *in, size_t n, float scale, int32_t zero_point) {
    while (n-- != 0) {
        out[n] = scale * (float)(in[n] - zero_point);
    }
}
