// SPDX-License-Identifier: MIT
//
// The compiler's runtime library, for processors without floats in hardware: arithmetic that it calls by itself.
//
// - armv6m, rv32imc: libgcc has it too, at three times the size, and a native module lies in RAM. (On armv6m its
//   division cannot even be linked: mpy_ld.py refuses absolute addresses before MicroPython 1.26.1.)
// - xtensawin: Debian's libgcc for Xtensa has the ESP8266's calling convention, not the ESP32's. So here is also
//   what it needs for integers.
//
// Floats are IEEE binary32, rounded to nearest, ties to even. They come and go as their bits, in the same
// registers as a float where there is no hardware for floats.
#include <stdint.h>

#if defined(__ARM_ARCH_6M__)
// The Arm ABI's names.
#define __addsf3 __aeabi_fadd
#define __subsf3 __aeabi_fsub
#define __mulsf3 __aeabi_fmul
#define __divsf3 __aeabi_fdiv
#define __floatsisf __aeabi_i2f
#define __floatunsisf __aeabi_ui2f
#define __fixsfsi __aeabi_f2iz
#define __fixunssfsi __aeabi_f2uiz
#define __unordsf2 __aeabi_fcmpun
#endif

#define SIGN (0x80000000u)
#define INFINITE (0x7f800000u) // infinity; any larger magnitude is a NaN
#define NAN_BITS (0x7fc00000u)
#define LEADING (0x40000000u) // a normalized significand is in [LEADING, 2 * LEADING): 24 bits and 7 to round

// The biased exponent of x, which is finite and not 0, and its normalized significand.
static int unpack(uint32_t x, uint32_t *significand) {
    int e = x >> 23 & 0xff;
    uint32_t m = (x & 0x7fffff) << 7;
    if (e != 0) {
        m |= LEADING;
    } else {
        for (e = 1; m < LEADING; --e) {
            m <<= 1;
        }
    }
    *significand = m;
    return e;
}

typedef union {
    uint64_t all;
    struct {
        uint32_t low, high;
    } half;
} wide_t;

static wide_t multiply(uint32_t a, uint32_t b) {
    uint32_t al = a & 0xffff, ah = a >> 16, bl = b & 0xffff, bh = b >> 16;
    uint32_t low = al * bl, cross = ah * bl, other = al * bh;
    uint32_t middle = (low >> 16) + (cross & 0xffff) + (other & 0xffff);
    return (wide_t) {
        .half = { middle << 16 | (low & 0xffff), ah *bh + (cross >> 16) + (other >> 16) + (middle >> 16) }
    };
}

static uint32_t shift_right_sticky(uint32_t m, int n) {
    if (n == 0) {
        return m;
    }
    return n < 32 ? m >> n | ((m << (32 - n)) != 0) : m != 0;
}

// The float with this sign, biased exponent and normalized significand (its lowest bit may stand for more).
static uint32_t pack(uint32_t sign, int e, uint32_t m) {
    if (e >= 0xff) {
        return sign | INFINITE;
    }
    if (e < 1) {
        m = shift_right_sticky(m, 1 - e);
        e = 1;
    }
    uint32_t rest = m & 0x7f;
    m >>= 7;
    m += rest > 0x40 || (rest == 0x40 && (m & 1));
    return sign + ((uint32_t)(e - 1) << 23) + m; // a carry goes into the exponent, as it should
}

uint32_t __divsf3(uint32_t a, uint32_t b) {
    uint32_t sign = (a ^ b) & SIGN;
    a &= ~SIGN;
    b &= ~SIGN;
    if (a > INFINITE || b > INFINITE || (a == b && (a == 0 || a == INFINITE))) {
        return NAN_BITS;
    }
    if (a == INFINITE || b == 0) {
        return sign | INFINITE;
    }
    if (b == INFINITE || a == 0) {
        return sign;
    }
    uint32_t ma, mb, q = 0;
    int e = unpack(a, &ma);
    e += 127 - unpack(b, &mb);
    if (ma < mb) {
        ma <<= 1;
        --e;
    }
    for (int i = 0; i < 26; ++i) {
        q <<= 1;
        if (ma >= mb) {
            ma -= mb;
            q |= 1;
        }
        ma <<= 1;
    }
    return pack(sign, e, q << 5 | (ma != 0));
}

uint32_t __addsf3(uint32_t a, uint32_t b) {
    if ((a & ~SIGN) < (b & ~SIGN)) {
        uint32_t t = a;
        a = b;
        b = t;
    }
    uint32_t sign = a & SIGN, x = a & ~SIGN, y = b & ~SIGN; // x >= y
    if (x > INFINITE || (y == INFINITE && a != b)) {
        return NAN_BITS;
    }
    if (x == INFINITE) {
        return a;
    }
    if (y == 0) {
        return x == 0 ? a & b : a;
    }
    uint32_t mx, my;
    int e = unpack(x, &mx);
    my = 0;
    int n = e - unpack(y, &my);
    my = shift_right_sticky(my, n);
    if (sign == (b & SIGN)) {
        mx += my;
        if (mx & SIGN) {
            mx = shift_right_sticky(mx, 1);
            ++e;
        }
    } else {
        mx -= my;
        if (mx == 0) {
            return 0;
        }
        for (; mx < LEADING; --e) {
            mx <<= 1;
        }
    }
    return pack(sign, e, mx);
}

uint32_t __subsf3(uint32_t a, uint32_t b) {
    return __addsf3(a, b ^ SIGN);
}

uint32_t __negsf2(uint32_t a) {
    return a ^ SIGN;
}

uint32_t __mulsf3(uint32_t a, uint32_t b) {
    uint32_t sign = (a ^ b) & SIGN;
    a &= ~SIGN;
    b &= ~SIGN;
    if (a > INFINITE || b > INFINITE || (a == INFINITE && b == 0) || (b == INFINITE && a == 0)) {
        return NAN_BITS;
    }
    if (a == INFINITE || b == INFINITE) {
        return sign | INFINITE;
    }
    if (a == 0 || b == 0) {
        return sign;
    }
    uint32_t ma, mb;
    int e = unpack(a, &ma);
    e += unpack(b, &mb) - 127;
    wide_t p = multiply(ma << 1, mb << 1); // in [2^62, 2^64)
    uint32_t m = p.half.high | (p.half.low != 0);
    if (m & SIGN) {
        m = shift_right_sticky(m, 1);
        ++e;
    }
    return pack(sign, e, m);
}

int __unordsf2(uint32_t a, uint32_t b) {
    return (a & ~SIGN) > INFINITE || (b & ~SIGN) > INFINITE;
}

// -1, 0, 1, or `unordered` where one is a NaN.
static int compare(uint32_t a, uint32_t b, int unordered) {
    if (__unordsf2(a, b)) {
        return unordered;
    }
    int32_t x = (int32_t)(a & SIGN ? SIGN - a : a), y = (int32_t)(b & SIGN ? SIGN - b : b);
    return (x > y) - (x < y);
}

#if defined(__ARM_ARCH_6M__)

// The quotient in r0, the rest in r1: so the first is the word that a caller of __aeabi_uidiv takes.
uint64_t __aeabi_uidivmod(uint32_t a, uint32_t b) {
    uint32_t q = 0, bit = 1;
    for (; bit != 0 && b < a && !(b & SIGN); b <<= 1) {
        bit <<= 1;
    }
    for (; bit != 0; bit >>= 1, b >>= 1) {
        if (a >= b) {
            a -= b;
            q |= bit;
        }
    }
    return (uint64_t)a << 32 | q;
}

uint32_t __aeabi_uidiv(uint32_t a, uint32_t b) {
    return (uint32_t)__aeabi_uidivmod(a, b);
}

int32_t __aeabi_idiv(int32_t a, int32_t b) {
    uint32_t q = __aeabi_uidiv(a < 0 ? 0u - (uint32_t)a : (uint32_t)a, b < 0 ? 0u - (uint32_t)b : (uint32_t)b);
    return (int32_t)((a ^ b) < 0 ? 0u - q : q);
}

uint64_t __aeabi_idivmod(int32_t a, int32_t b) {
    uint32_t q = (uint32_t)__aeabi_idiv(a, b);
    return (uint64_t)((uint32_t)a - q * (uint32_t)b) << 32 | q;
}

int __aeabi_fcmpeq(uint32_t a, uint32_t b) {
    return compare(a, b, 1) == 0;
}

int __aeabi_fcmplt(uint32_t a, uint32_t b) {
    return compare(a, b, 1) < 0;
}

int __aeabi_fcmple(uint32_t a, uint32_t b) {
    return compare(a, b, 1) <= 0;
}

int __aeabi_fcmpgt(uint32_t a, uint32_t b) {
    return compare(a, b, -1) > 0;
}

int __aeabi_fcmpge(uint32_t a, uint32_t b) {
    return compare(a, b, -1) >= 0;
}

#else

int __eqsf2(uint32_t a, uint32_t b) {
    return compare(a, b, 1);
}

int __nesf2(uint32_t a, uint32_t b) {
    return compare(a, b, 1);
}

int __ltsf2(uint32_t a, uint32_t b) {
    return compare(a, b, 1);
}

int __lesf2(uint32_t a, uint32_t b) {
    return compare(a, b, 1);
}

int __gtsf2(uint32_t a, uint32_t b) {
    return compare(a, b, -1);
}

int __gesf2(uint32_t a, uint32_t b) {
    return compare(a, b, -1);
}

#endif

static uint32_t float_of(uint32_t sign, uint32_t n) {
    if (n == 0) {
        return 0;
    }
    int e = 127 + 31;
    for (; !(n & SIGN); --e) {
        n <<= 1;
    }
    return pack(sign, e, shift_right_sticky(n, 1));
}

uint32_t __floatunsisf(uint32_t n) {
    return float_of(0, n);
}

uint32_t __floatsisf(int32_t n) {
    return n < 0 ? float_of(SIGN, -(uint32_t)n) : float_of(0, (uint32_t)n);
}

// The integer part of |a|, at most `limit`.
static uint32_t integer_part(uint32_t a, uint32_t limit) {
    int e = (int)(a >> 23 & 0xff) - 127 - 23;
    uint32_t m = (a & 0x7fffff) | 0x800000;
    if (e > 8) {
        return limit;
    }
    m = e >= 0 ? m << e : e > -24 ? m >> -e : 0;
    return m < limit ? m : limit;
}

// Out of range: the nearest integer (C leaves it open).
int32_t __fixsfsi(uint32_t a) {
    return a & SIGN ? (int32_t)-integer_part(a, SIGN) : (int32_t)integer_part(a, SIGN - 1);
}

uint32_t __fixunssfsi(uint32_t a) {
    return a & SIGN ? 0 : integer_part(a, 0xffffffffu);
}

#if defined(__XTENSA__)

// Integers

uint64_t __muldi3(uint64_t a, uint64_t b) {
    wide_t x = { a }, y = { b }, z = multiply(x.half.low, y.half.low);
    z.half.high += x.half.low * y.half.high + x.half.high * y.half.low;
    return z.all;
}

uint64_t __ashldi3(uint64_t a, int n) {
    wide_t x = { a };
    if (n >= 32) {
        x.half.high = x.half.low << (n - 32);
        x.half.low = 0;
    } else if (n > 0) {
        x.half.high = x.half.high << n | x.half.low >> (32 - n);
        x.half.low <<= n;
    }
    return x.all;
}

uint64_t __lshrdi3(uint64_t a, int n) {
    wide_t x = { a };
    if (n >= 32) {
        x.half.low = x.half.high >> (n - 32);
        x.half.high = 0;
    } else if (n > 0) {
        x.half.low = x.half.low >> n | x.half.high << (32 - n);
        x.half.high >>= n;
    }
    return x.all;
}

int64_t __ashrdi3(int64_t a, int n) {
    wide_t x = { (uint64_t)a };
    if (n >= 32) {
        x.half.low = (uint32_t)((int32_t)x.half.high >> (n - 32));
        x.half.high = (uint32_t)((int32_t)x.half.high >> 31);
    } else if (n > 0) {
        x.half.low = x.half.low >> n | x.half.high << (32 - n);
        x.half.high = (uint32_t)((int32_t)x.half.high >> n);
    }
    return (int64_t)x.all;
}

// Long division; a division by 0 gives all ones and leaves the dividend.
static uint32_t divide_32(uint32_t a, uint32_t b, uint32_t *remainder) {
    uint32_t r = 0, q = 0;
    for (int i = 31; i >= 0; --i) {
        uint32_t out = r >> 31;
        r = r << 1 | (a >> i & 1);
        q <<= 1;
        if (out || r >= b) {
            r -= b;
            q |= 1;
        }
    }
    *remainder = r;
    return q;
}

static uint64_t divide_64(uint64_t a, uint64_t b, uint64_t *remainder) {
    uint64_t r = 0, q = 0;
    for (int i = 0; i < 64; ++i) {
        int out = (int64_t)r < 0;
        r = (r + r) + ((int64_t)a < 0); // sums: a shift would be a call
        a += a;
        q += q;
        if (out || r >= b) {
            r -= b;
            q += 1;
        }
    }
    *remainder = r;
    return q;
}

uint32_t __udivsi3(uint32_t a, uint32_t b) {
    return divide_32(a, b, &a);
}

uint32_t __umodsi3(uint32_t a, uint32_t b) {
    divide_32(a, b, &a);
    return a;
}

int32_t __divsi3(int32_t a, int32_t b) {
    uint32_t q = __udivsi3(a < 0 ? -(uint32_t)a : (uint32_t)a, b < 0 ? -(uint32_t)b : (uint32_t)b);
    return (int32_t)((a ^ b) < 0 ? -q : q);
}

int32_t __modsi3(int32_t a, int32_t b) {
    uint32_t r = __umodsi3(a < 0 ? -(uint32_t)a : (uint32_t)a, b < 0 ? -(uint32_t)b : (uint32_t)b);
    return (int32_t)(a < 0 ? -r : r);
}

uint64_t __udivdi3(uint64_t a, uint64_t b) {
    return divide_64(a, b, &a);
}

uint64_t __umoddi3(uint64_t a, uint64_t b) {
    divide_64(a, b, &a);
    return a;
}

int64_t __divdi3(int64_t a, int64_t b) {
    uint64_t q = __udivdi3(a < 0 ? -(uint64_t)a : (uint64_t)a, b < 0 ? -(uint64_t)b : (uint64_t)b);
    return (int64_t)((a < 0) != (b < 0) ? -q : q);
}

int64_t __moddi3(int64_t a, int64_t b) {
    uint64_t r = __umoddi3(a < 0 ? -(uint64_t)a : (uint64_t)a, b < 0 ? -(uint64_t)b : (uint64_t)b);
    return (int64_t)(a < 0 ? -r : r);
}

// Doubles: no arithmetic, only what passes floats through them

uint64_t __extendsfdf2(uint32_t a) {
    wide_t x = { 0 };
    uint32_t m = a & ~SIGN;
    if (m >= INFINITE) {
        x.half.high = 0x7ff00000 | (m & 0x7fffff) >> 3;
        x.half.low = m << 29;
    } else if (m != 0) {
        int e = unpack(m, &m);
        m -= LEADING;
        x.half.high = (uint32_t)(e - 127 + 1023) << 20 | m >> 10;
        x.half.low = m << 22;
    }
    x.half.high |= a & SIGN;
    return x.all;
}

uint32_t __truncdfsf2(uint64_t a) {
    wide_t x = { a };
    uint32_t sign = x.half.high & SIGN, fraction = x.half.high & 0xfffff;
    int e = x.half.high >> 20 & 0x7ff;
    if (e == 0x7ff) {
        return fraction | x.half.low ? NAN_BITS : sign | INFINITE;
    }
    uint32_t m = LEADING | fraction << 10 | x.half.low >> 22 | (x.half.low << 10 != 0);
    return e == 0 ? sign : pack(sign, e - 1023 + 127, m);
}

uint64_t __floatsidf(int32_t n) {
    if (n == 0) {
        return 0;
    }
    uint32_t m = n < 0 ? -(uint32_t)n : (uint32_t)n;
    int e = 1023 + 31;
    for (; !(m & SIGN); --e) {
        m <<= 1;
    }
    m &= ~SIGN;
    wide_t x = { .half = { m << 21, ((uint32_t)n & SIGN) | (uint32_t)e << 20 | m >> 11 } };
    return x.all;
}

#endif
