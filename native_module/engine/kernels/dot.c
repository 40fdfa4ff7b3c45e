// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// The inner loop of CONV: nearly all of a network's time is spent here. Each x is loaded once for
// several rows of weights.
#include "kernels.h"

HOG_HOT void hog_dot(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums) {
    // An index that counts up to 0 serves all pointers and is its own end test.
    ptrdiff_t i = -(ptrdiff_t)k;
    x += k;
    const int8_t *w0 = w + k;
    const int8_t *w1 = rows > 1 ? w0 + k : w0; // a row that is missing is another one twice
    uint32_t s0 = 0, s1 = 0;
    #if HOG_DOT_ROWS == 2
    do {
        int32_t v = x[i];
        s0 += (uint32_t)(v * w0[i]);
        s1 += (uint32_t)(v * w1[i]);
    } while (++i != 0);
    #else
    const int8_t *w2 = rows > 2 ? w1 + k : w0;
    const int8_t *w3 = rows > 3 ? w2 + k : w0;
    uint32_t s2 = 0, s3 = 0;
    do {
        int32_t v = x[i];
        s0 += (uint32_t)(v * w0[i]);
        s1 += (uint32_t)(v * w1[i]);
        s2 += (uint32_t)(v * w2[i]);
        s3 += (uint32_t)(v * w3[i]);
    } while (++i != 0);
    sums[2] = s2;
    sums[3] = s3;
    #endif
    sums[0] = s0;
    sums[1] = s1;
}
