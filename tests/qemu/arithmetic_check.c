// SPDX-License-Identifier: MIT
//
// Compares native_module/micropython/arithmetic.c with this machine's own arithmetic, on random bits.
// Built on the host with -D__XTENSA__; prints the number of cases, or the first difference.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t __addsf3(uint32_t, uint32_t), __subsf3(uint32_t, uint32_t), __mulsf3(uint32_t, uint32_t),
__divsf3(uint32_t, uint32_t), __negsf2(uint32_t), __floatsisf(int32_t), __floatunsisf(uint32_t), __fixunssfsi(uint32_t);
int32_t __fixsfsi(uint32_t), __divsi3(int32_t, int32_t), __modsi3(int32_t, int32_t);
uint32_t __udivsi3(uint32_t, uint32_t), __umodsi3(uint32_t, uint32_t);
int __eqsf2(uint32_t, uint32_t), __nesf2(uint32_t, uint32_t), __ltsf2(uint32_t, uint32_t), __lesf2(uint32_t, uint32_t),
__gtsf2(uint32_t, uint32_t), __gesf2(uint32_t, uint32_t), __unordsf2(uint32_t, uint32_t);
uint64_t __muldi3(uint64_t, uint64_t), __ashldi3(uint64_t, int), __lshrdi3(uint64_t, int), __udivdi3(uint64_t, uint64_t),
__umoddi3(uint64_t, uint64_t);
uint64_t __extendsfdf2(uint32_t), __floatsidf(int32_t);
uint32_t __truncdfsf2(uint64_t);
int64_t __ashrdi3(int64_t, int), __divdi3(int64_t, int64_t), __moddi3(int64_t, int64_t);

static uint64_t state = 88172645463325252u;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

// Random bits, often with an extreme exponent, or near `other`, so that rare paths are taken.
static uint32_t random_float(uint32_t other) {
    uint32_t x = (uint32_t)(next() >> 16);
    switch (next() >> 40 & 7) {
        case 0:
            return x & 0x807fffff;
        case 1:
            return (x & 0x807fffff) | 0x7f000000;
        case 2:
            return (x & 0x80000003) | (x & 4 ? 0x7f800000 : 0);
        case 3:
            return other ^ (x & 0x8000000f);
        case 4:
            return (other & 0x7f800000) ^ (x & 0x80ffffff);
        default:
            return x;
    }
}

static uint64_t random_wide(void) {
    uint64_t x = next();
    return x >> (next() >> 20 & 63);
}

static float of(uint32_t x) {
    float f;
    memcpy(&f, &x, 4);
    return f;
}

static void same(const char *what, uint32_t got, volatile float want, uint32_t a, uint32_t b) {
    uint32_t w;
    float f = want;
    memcpy(&w, &f, 4);
    if (got != w && !(isnan(f) && isnan(of(got)))) {
        printf("%s(%08x, %08x) = %08x, not %08x\n", what, a, b, got, w);
        exit(1);
    }
}

static void equal(const char *what, uint64_t got, uint64_t want, uint64_t a, uint64_t b) {
    if (got != want) {
        printf("%s(%llx, %llx) = %llx, not %llx\n", what, (unsigned long long)a, (unsigned long long)b,
            (unsigned long long)got, (unsigned long long)want);
        exit(1);
    }
}

static void floats(void) {
    uint32_t a = random_float(0), b = random_float(a);
    float x = of(a), y = of(b);
    same("add", __addsf3(a, b), x + y, a, b);
    same("sub", __subsf3(a, b), x - y, a, b);
    same("mul", __mulsf3(a, b), x * y, a, b);
    same("div", __divsf3(a, b), x / y, a, b);
    same("neg", __negsf2(a), -x, a, 0);
    same("float", __floatsisf((int32_t)a), (float)(int32_t)a, a, 0);
    same("float unsigned", __floatunsisf(a), (float)a, a, 0);
    equal("eq", __eqsf2(a, b) == 0, x == y, a, b);
    equal("ne", __nesf2(a, b) != 0, x != y, a, b);
    equal("lt", __ltsf2(a, b) < 0, x < y, a, b);
    equal("le", __lesf2(a, b) <= 0, x <= y, a, b);
    equal("gt", __gtsf2(a, b) > 0, x > y, a, b);
    equal("ge", __gesf2(a, b) >= 0, x >= y, a, b);
    equal("unordered", __unordsf2(a, b) != 0, isunordered(x, y), a, b);
    if (x > -2147483648.0f && x < 2147483648.0f) {
        equal("fix", (uint32_t)__fixsfsi(a), (uint32_t)(int32_t)x, a, 0);
    }
    if (x > -1.0f && x < 4294967296.0f) {
        equal("fix unsigned", __fixunssfsi(a), (uint32_t)x, a, 0);
    }
}

static void doubles(void) {
    uint32_t a = random_float(0);
    uint64_t want, wide = (uint64_t)random_float(a) << 32 | (next() & (a & 1 ? 0xffffffffu : 0xe0000000u));
    if (a & 2) { // exponents that a float has
        wide = (wide & 0x800fffffffffffffu) | (uint64_t)(1023 - 160 + (a >> 8) % 320) << 52;
    }
    double d = of(a);
    memcpy(&want, &d, 8);
    if (isnan(d)) {
        want = __extendsfdf2(a) | (uint64_t)1 << 51; // a NaN stays one
    }
    equal("extend", __extendsfdf2(a) | (isnan(d) ? (uint64_t)1 << 51 : 0), want, a, 0);
    memcpy(&d, &wide, 8);
    same("truncate", __truncdfsf2(wide), (float)d, (uint32_t)(wide >> 32), (uint32_t)wide);
    d = (int32_t)a;
    memcpy(&want, &d, 8);
    equal("double", __floatsidf((int32_t)a), want, a, 0);
}

static void integers(void) {
    uint64_t a = random_wide(), b = random_wide() | 1;
    int n = (int)(next() >> 30 & 63);
    equal("mul", __muldi3(a, b), a * b, a, b);
    equal("shl", __ashldi3(a, n), a << n, a, n);
    equal("lshr", __lshrdi3(a, n), a >> n, a, n);
    equal("ashr", (uint64_t)__ashrdi3((int64_t)a, n), (uint64_t)((int64_t)a >> n), a, n);
    equal("udiv", __udivdi3(a, b), a / b, a, b);
    equal("umod", __umoddi3(a, b), a % b, a, b);
    uint32_t c = (uint32_t)a, d = (uint32_t)b;
    equal("udiv32", __udivsi3(c, d), c / d, c, d);
    equal("umod32", __umodsi3(c, d), c % d, c, d);
    if ((int64_t)a != INT64_MIN || (int64_t)b != -1) {
        equal("div", (uint64_t)__divdi3((int64_t)a, (int64_t)b), (uint64_t)((int64_t)a / (int64_t)b), a, b);
        equal("mod", (uint64_t)__moddi3((int64_t)a, (int64_t)b), (uint64_t)((int64_t)a % (int64_t)b), a, b);
    }
    if ((int32_t)c != INT32_MIN || (int32_t)d != -1) {
        equal("div32", (uint32_t)__divsi3((int32_t)c, (int32_t)d), (uint32_t)((int32_t)c / (int32_t)d), c, d);
        equal("mod32", (uint32_t)__modsi3((int32_t)c, (int32_t)d), (uint32_t)((int32_t)c % (int32_t)d), c, d);
    }
}

int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 1000000;
    for (long i = 0; i < n; ++i) {
        floats();
        doubles();
        integers();
    }
    printf("%ld cases\n", n);
    return 0;
}
