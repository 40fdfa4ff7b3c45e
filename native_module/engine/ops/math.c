// SPDX-License-Identifier: MIT
//
// The functions of libm that operators need, within 3e-7 of the true value (relative), most by the methods and polynomials of
// Cephes. FORMAT.md gives every step: other engines do the same ones.
#include "ops.h"

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
    // 1/8! ... 1/2!.
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

float hog_tanh_of(float x) {
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

float hog_logistic_of(float x) {
    if (x > 16.619047164916992f) {
        return 1.0f; // where TFLM stops as well
    }
    if (x < -9.0f) {
        return hog_exp(x);
    }
    return 1.0f / (1.0f + hog_exp(-x));
}

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

typedef union {
    float value;
    uint32_t bits;
} bits_t;

float hog_sqrt(float x) {
    if (!(x > 0) || x - x != 0) {
        return x < 0 ? (x - x) / (x - x) : x; // of what is negative NaN; 0, infinity, NaN
    }
    if (x < 1.17549435e-38f) {
        return hog_sqrt(x * 16777216.0f) * 2.44140625e-4f;
    }
    bits_t f = {x};
    uint32_t odd = ~(f.bits >> 23) & 1; // of the exponent: its bias is odd
    uint64_t square = (uint64_t)((f.bits & 0x7fffff) | 0x800000) << (23 + odd);
    uint32_t root = 0;
    for (uint32_t bit = 1u << 23; bit != 0; bit >>= 1) {
        uint32_t t = root | bit;
        if ((uint64_t)t * t <= square) {
            root = t;
        }
    }
    root += square - (uint64_t)root * root > root; // to nearest
    f.bits = (((f.bits >> 23) - odd + 127) >> 1 << 23) + (root - 0x800000);
    return f.value;
}

float hog_log(float x) {
    if (!(x > 0)) {
        return x == 0 ? -1.0f / (x * x) : (x - x) / (x - x);
    }
    int32_t exponent = -126;
    if (x < 1.17549435e-38f) {
        x = x * 16777216.0f;
        exponent = -150;
    }
    bits_t f = {x};
    if (f.bits >= 0x7f800000) {
        return x;
    }
    exponent += (int32_t)(f.bits >> 23);
    f.bits = (f.bits & 0x7fffff) | 0x3f000000;
    x = f.value; // 0.5 to 1
    if (x < 0.707106781f) {
        exponent -= 1;
        x = x + x;
    }
    x = x - 1.0f;
    float z = x * x;
    float p = 7.0376836292e-2f;
    p = p * x + -1.1514610310e-1f;
    p = p * x + 1.1676998740e-1f;
    p = p * x + -1.2420140846e-1f;
    p = p * x + 1.4249322787e-1f;
    p = p * x + -1.6668057665e-1f;
    p = p * x + 2.0000714765e-1f;
    p = p * x + -2.4999993993e-1f;
    p = p * x + 3.3333331174e-1f;
    p = p * x * z;
    p = p + (float)exponent * -2.12194440e-4f;
    p = p - 0.5f * z;
    return x + p + (float)exponent * 0.693359375f;
}

// x - n·π/2 for the nearest n, which is added to `quadrant`; x is 0.5 or more. x·2/π is taken modulo 4 in
// integers: of the bits of 2/π those matter that neither give multiples of 4 nor come to nothing.
static float reduce(float x, unsigned *quadrant) {
    static const uint32_t two_over_pi[] = {
        0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
    };
    bits_t f = {x};
    unsigned skip = (f.bits >> 23) - 120;
    uint32_t mantissa = (f.bits & 0x7fffff) | 0x800000;
    const uint32_t *word = two_over_pi + skip / 32;
    uint32_t window[3];
    for (unsigned i = 0; i < 3; ++i) {
        window[i] = (uint32_t)(((uint64_t)word[i] << 32 | word[i + 1]) << skip % 32 >> 32);
    }
    // Quarters of a turn, times 2^62.
    uint64_t turn = (uint64_t)(mantissa * window[0]) << 32;
    turn += (uint64_t)mantissa * window[1] + ((uint64_t)mantissa * window[2] >> 32);
    unsigned n = (unsigned)((turn + ((uint64_t)1 << 61)) >> 62);
    *quadrant += n;
    turn -= (uint64_t)n << 62;
    bool negative = turn >> 63;
    if (negative) {
        turn = 0 - turn;
    }
    float scale = 1.46291808e-9f; // π ÷ 2^31
    if (turn == 0) {
        return 0;
    }
    while (!(turn >> 63)) {
        turn <<= 1;
        scale = scale * 0.5f;
    }
    x = (float)(uint32_t)(turn >> 32) * scale;
    return negative ? -x : x;
}

float hog_sin(float x, unsigned quadrant) {
    if (x - x != 0) {
        return x - x; // NaN
    }
    float r = x;
    if (absolute(x) > 0.785398163f) {
        if (x < 0) { // sin(-x) = sin(x + π), cos(-x) = cos(x)
            quadrant += quadrant == 0 ? 2 : 0;
        }
        r = reduce(absolute(x), &quadrant);
    }
    float z = r * r, y;
    if (quadrant % 2 == 0) {
        y = -1.9515295891e-4f;
        y = y * z + 8.3321608736e-3f;
        y = y * z + -1.6666654611e-1f;
        y = y * z * r + r;
    } else {
        y = 2.443315711809948e-5f;
        y = y * z + -1.388731625493765e-3f;
        y = y * z + 4.166664568298827e-2f;
        y = y * z * z - 0.5f * z + 1.0f;
    }
    return quadrant & 2 ? -y : y;
}

// exp(x) - 1 for x < 0: near 0 by exp's polynomial without its 1.
float hog_expm1(float x) {
    if (!(x > -0.34f)) {
        return hog_exp(x) - 1.0f;
    }
    float p = 1.98756915e-4f;
    p = p * x + 1.39819995e-3f;
    p = p * x + 8.33345191e-3f;
    p = p * x + 4.16657959e-2f;
    p = p * x + 1.66666655e-1f;
    p = p * x + 5.00000012e-1f;
    return p * (x * x) + x;
}

static int32_t saturate(int64_t x) {
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

int32_t hog_inverse_sqrt(int32_t x, int *shift) {
    *shift = 0;
    if (x <= 1) {
        return INT32_MAX;
    }
    int right = 11;
    while (x >= 1 << 29) {
        x /= 4;
        ++right;
    }
    while (x < 1 << 27) { // in pairs of bits, so that the root's shift is whole
        x *= 4;
        --right;
    }
    int32_t half = hog_shift_right(x >> 1, 1); // q3_28, as all below
    int32_t y = 1 << 28;
    for (unsigned i = 0; i < 5; ++i) { // Newton: y = 1.5·y - x/2·y³
        int32_t cube = saturate((int64_t)hog_multiply_high(hog_multiply_high(y, y), y) * 64);
        y = saturate((int64_t)(hog_multiply_high(3 << 27, y) - hog_multiply_high(half, cube)) * 8);
    }
    y = hog_multiply_high(y, 1518500250); // √½
    if (right < 0) {
        return (int32_t)((uint32_t)y << -right);
    }
    *shift = -right;
    return y;
}
