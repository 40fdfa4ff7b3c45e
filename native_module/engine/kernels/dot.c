// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// The inner loop of CONV: nearly all of a network's time is spent here. Each x is loaded once for
// several rows of weights.
#include "kernels.h"

// `offset`: w has 128 added, and of each four values the last two come first.
#define WEIGHT(w, i) (offset ? (uint8_t)(w)[(i) ^ 2] : (w)[i])

HOG_HOT_INLINE void dot(const int8_t *x, const int8_t *w, size_t k, unsigned rows, const bool offset, uint32_t *sums) {
    // An index that counts up to 0 serves all pointers and is its own end test.
    ptrdiff_t i = -(ptrdiff_t)k;
    x += k;
    const int8_t *w0 = w + k;
    const int8_t *w1 = rows > 1 ? w0 + k : w0; // a row that is missing is another one twice
    uint32_t s0 = 0, s1 = 0;
    #if HOG_DOT_ROWS == 2
    do {
        int32_t v = x[i];
        s0 += (uint32_t)(v * WEIGHT(w0, i));
        s1 += (uint32_t)(v * WEIGHT(w1, i));
    } while (++i != 0);
    #else
    const int8_t *w2 = rows > 2 ? w1 + k : w0;
    const int8_t *w3 = rows > 3 ? w2 + k : w0;
    uint32_t s2 = 0, s3 = 0;
    #if defined(__ARM_FEATURE_DSP)
    // Words may lie anywhere for Armv7E-M. 16 products in 25 instructions.
    uint32_t x0, x1, a, b;
    ptrdiff_t end = -(ptrdiff_t)(k % 4);
    if (i != end) {
        i -= end;
        __asm__ (
            ".macro ROW w, sum\n"
            "    ldr %[a], [\\w, %[i]]\n"
            ".if %c[offset]\n"
            "    uxtb16 %[b], %[a], ror #24\n"
            "    uxtb16 %[a], %[a], ror #16\n"
            ".else\n"
            "    sxtb16 %[b], %[a], ror #8\n"
            "    sxtb16 %[a], %[a]\n"
            ".endif\n"
            "    smlad \\sum, %[x0], %[a], \\sum\n"
            "    smlad \\sum, %[x1], %[b], \\sum\n"
            ".endm\n"
            "1:  ldr %[x0], [%[x], %[i]]\n"
            "    sxtb16 %[x1], %[x0], ror #8\n"
            "    sxtb16 %[x0], %[x0]\n"
            "    ROW %[w0], %[s0]\n"
            "    ROW %[w1], %[s1]\n"
            "    ROW %[w2], %[s2]\n"
            "    ROW %[w3], %[s3]\n"
            "    adds %[i], %[i], #4\n"
            "    bmi 1b\n"
            ".purgem ROW\n"
            : [i] "+&r" (i), [s0] "+&r" (s0), [s1] "+&r" (s1), [s2] "+&r" (s2), [s3] "+&r" (s3), [x0] "=&r" (x0),
            [x1] "=&r" (x1), [a] "=&r" (a), [b] "=&r" (b)
            : [x] "r" (x + end), [w0] "r" (w0 + end), [w1] "r" (w1 + end), [w2] "r" (w2 + end), [w3] "r" (w3 + end),
            [offset] "i" (offset)
            : "cc", "memory");
        i = end;
    }
    #elif defined(__riscv) || defined(__xtensa__)
    // Loads with an offset, so that one step of the pointers serves four values.
    for (; i <= -4; i += 4) {
        const int8_t *px = x + i, *p0 = w0 + i, *p1 = w1 + i, *p2 = w2 + i, *p3 = w3 + i;
        #pragma GCC unroll 4
        for (unsigned j = 0; j < 4; ++j) {
            int32_t v = px[j];
            s0 += (uint32_t)(v * WEIGHT(p0, j));
            s1 += (uint32_t)(v * WEIGHT(p1, j));
            s2 += (uint32_t)(v * WEIGHT(p2, j));
            s3 += (uint32_t)(v * WEIGHT(p3, j));
        }
    }
    #endif
    for (; i != 0; ++i) {
        int32_t v = x[i];
        s0 += (uint32_t)(v * WEIGHT(w0, i));
        s1 += (uint32_t)(v * WEIGHT(w1, i));
        s2 += (uint32_t)(v * WEIGHT(w2, i));
        s3 += (uint32_t)(v * WEIGHT(w3, i));
    }
    sums[2] = s2;
    sums[3] = s3;
    #endif
    sums[0] = s0;
    sums[1] = s1;
}

HOG_HOT void hog_dot(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums) {
    dot(x, w, k, rows, false, sums);
}

HOG_HOT void hog_dot_offset(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums) {
    dot(x, w, k, rows, true, sums);
}

// A word has the weights of values 2, 3, 6, 7, 0, 1, 4, 5, from its lowest bits on: one mask gives two that are two apart.
HOG_HOT uint32_t hog_dot_narrow(const int8_t *x, const int8_t *w, size_t k) {
    uint32_t sum = 0;
    for (const int8_t *end = x + k; x != end; x += 8, w += 4) {
        uint32_t eight;
        memcpy(&eight, w, 4);
        #if defined(__ARM_FEATURE_DSP)
        const uint32_t mask = 0x000f000fu;
        uint32_t a, b;
        __asm__ (
            "    ldr %[a], [%[x]]\n"
            "    and %[b], %[mask], %[w]\n"
            "    sxtb16 %[a], %[a]\n"
            "    smladx %[sum], %[a], %[b], %[sum]\n"
            "    ldr %[a], [%[x]]\n"
            "    and %[b], %[mask], %[w], lsr #4\n"
            "    sxtb16 %[a], %[a], ror #8\n"
            "    smladx %[sum], %[a], %[b], %[sum]\n"
            "    ldr %[a], [%[x], #4]\n"
            "    and %[b], %[mask], %[w], lsr #8\n"
            "    sxtb16 %[a], %[a]\n"
            "    smladx %[sum], %[a], %[b], %[sum]\n"
            "    ldr %[a], [%[x], #4]\n"
            "    and %[b], %[mask], %[w], lsr #12\n"
            "    sxtb16 %[a], %[a], ror #8\n"
            "    smladx %[sum], %[a], %[b], %[sum]\n"
            : [sum] "+&r" (sum), [a] "=&r" (a), [b] "=&r" (b)
            : [x] "r" (x), [w] "r" (eight), [mask] "r" (mask)
            : "memory");
        #else
        sum += (uint32_t)(x[2] * (int32_t)(eight & 15) + x[3] * (int32_t)(eight >> 4 & 15));
        sum += (uint32_t)(x[6] * (int32_t)(eight >> 8 & 15) + x[7] * (int32_t)(eight >> 12 & 15));
        sum += (uint32_t)(x[0] * (int32_t)(eight >> 16 & 15) + x[1] * (int32_t)(eight >> 20 & 15));
        sum += (uint32_t)(x[4] * (int32_t)(eight >> 24 & 15) + x[5] * (int32_t)(eight >> 28));
        #endif
    }
    return sum;
}
