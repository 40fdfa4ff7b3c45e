// SPDX-License-Identifier: MIT
//
// The inner loop of CONV: nearly all of a network's time is spent here. Each x is loaded once for
// several rows of weights.
#include "ops.h"

// `offset`: w has 128 added, and of each four values the last two come first.
#define WEIGHT(w, i) (offset ? (uint8_t)(w)[(i) ^ 2] : (w)[i])

HOG_HOT_INLINE void dot(const int8_t *x, const int8_t *w0, const int8_t *w1, const int8_t *w2, const int8_t *w3, size_t k,
    const bool offset, uint32_t *sums) {
    // An index that counts up to 0 serves all pointers and is its own end test.
    ptrdiff_t i = -(ptrdiff_t)k;
    x += k;
    w0 += k;
    w1 += k;
    uint32_t s0 = 0, s1 = 0;
    #if HOG_DOT_ROWS == 2
    do {
        int32_t v = x[i];
        s0 += (uint32_t)(v * WEIGHT(w0, i));
        s1 += (uint32_t)(v * WEIGHT(w1, i));
    } while (++i != 0);
    #else
    w2 += k;
    w3 += k;
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
    (void)w2;
    (void)w3;
    sums[0] = s0;
    sums[1] = s1;
}

// Rows that follow each other; one that is missing is the first one again.
HOG_HOT_INLINE void dots(const int8_t *x, const int8_t *w, size_t k, unsigned rows, const bool offset, uint32_t *sums) {
    const int8_t *w1 = rows > 1 ? w + k : w;
    const int8_t *w2 = rows > 2 ? w1 + k : w;
    const int8_t *w3 = rows > 3 ? w2 + k : w;
    dot(x, w, w1, w2, w3, k, offset, sums);
}

HOG_HOT void hog_dot(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums) {
    dots(x, w, k, rows, false, sums);
}

HOG_HOT void hog_dot_offset(const int8_t *x, const int8_t *w, size_t k, unsigned rows, uint32_t *sums) {
    dots(x, w, k, rows, true, sums);
}

#if HOG_DOT_ROWS == 4

HOG_HOT void hog_dot_rows(const int8_t *x, const int8_t *const *w, size_t k, uint32_t *sums) {
    dot(x, w[0], w[1], w[2], w[3], k, true, sums);
}

// A word has the weights of values 2, 3, 6, 7, 0, 1, 4, 5, from its lowest bits on: one mask gives two that are two apart.
// Two rows; 16 products in 26 instructions of Armv7E-M.
static HOG_HOT void dot_narrow(const int8_t *x, const int8_t *w0, const int8_t *w1, size_t k, uint32_t *sums) {
    uint32_t s0 = 0, s1 = 0;
    #if defined(__ARM_FEATURE_DSP)
    uint32_t a, b, p, q, four;
    __asm__ (
        ".macro EIGHTH lane, shift\n"
        "    sxtb16 %[a], %[four], ror #\\lane\n"
        "    and %[b], %[mask], %[p], lsr #\\shift\n"
        "    smladx %[s0], %[a], %[b], %[s0]\n"
        "    and %[b], %[mask], %[q], lsr #\\shift\n"
        "    smladx %[s1], %[a], %[b], %[s1]\n"
        ".endm\n"
        "1:  ldr %[p], [%[w0]], #4\n"
        "    ldr %[q], [%[w1]], #4\n"
        "    ldr %[four], [%[x]], #4\n"
        "    sxtb16 %[a], %[four]\n"
        "    and %[b], %[mask], %[p]\n"
        "    smladx %[s0], %[a], %[b], %[s0]\n"
        "    and %[b], %[mask], %[q]\n"
        "    smladx %[s1], %[a], %[b], %[s1]\n"
        "    EIGHTH 8, 4\n"
        "    ldr %[four], [%[x]], #4\n"
        "    EIGHTH 0, 8\n"
        "    EIGHTH 8, 12\n"
        "    cmp %[x], %[end]\n"
        "    bne 1b\n"
        ".purgem EIGHTH\n"
        : [x] "+&r" (x), [w0] "+&r" (w0), [w1] "+&r" (w1), [s0] "+&r" (s0), [s1] "+&r" (s1), [a] "=&r" (a), [b] "=&r" (b),
        [p] "=&r" (p), [q] "=&r" (q), [four] "=&r" (four)
        : [end] "r" (x + k), [mask] "r" (0x000f000f)
        : "cc", "memory");
    #else
    for (const int8_t *end = x + k; x != end; x += 8, w0 += 4, w1 += 4) {
        uint32_t p, q;
        memcpy(&p, w0, 4);
        memcpy(&q, w1, 4);
        #pragma GCC unroll 8
        for (unsigned i = 0; i < 8; ++i) {
            int32_t v = x[(i & 1) | (~i & 4) >> 1 | (i & 2) << 1];
            s0 += (uint32_t)(v * (int32_t)(p >> 4 * i & 15));
            s1 += (uint32_t)(v * (int32_t)(q >> 4 * i & 15));
        }
    }
    #endif
    sums[0] = s0;
    sums[1] = s1;
}

void hog_dot_narrow(const int8_t *x, const int8_t *const *w, size_t k, unsigned rows, uint32_t *sums) {
    for (unsigned i = 0; i < rows; i += 2) {
        dot_narrow(x, w[i], w[i + 1], k, sums + i);
    }
}

#endif

float hog_dot_float32(const float *x, const float *w, uint32_t n) {
    float total = 0;
    for (uint32_t i = 0; i < n; ++i) {
        total += x[i] * w[i];
    }
    return total;
}
