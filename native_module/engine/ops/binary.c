// SPDX-License-Identifier: MIT
//
// ADD, MUL, and what their check has in common with COMBINE's.
#include "check.h"

// An operand of ADD, MUL reads what the output overwrites just then: the same elements in the same order.
static bool works_in_place(const hog_binary_t *op, uint32_t ref, bool second) {
    uint32_t stride = 1;
    for (unsigned i = op->loops; i-- != 0; stride *= op->loop[i].n) {
        int32_t own = second ? op->loop[i].b : op->loop[i].a;
        if (op->loop[i].n != 1 && own != (int32_t)stride) {
            return false;
        }
    }
    return ref == op->out;
}

static hog_error_t check_operand(const hog_t *h, const hog_binary_t *op, bool second, uint32_t size, uint32_t out_size) {
    uint32_t ref = second ? op->in2 : op->in1;
    hog_extent_t in;
    if (!hog_find_extent(h, ref, op->loop, op->loops, second, size, size, &in)) {
        return E_OPERAND;
    }
    return hog_overlap(in.ref, in.size, op->out, out_size) && !works_in_place(op, ref, second) ? E_OVERLAP : E_OK;
}

static const uint8_t combine_types[] = {
    [HOG_COMBINE_ADD] = B | H | I | F,
    [HOG_COMBINE_SUB] = B | H | I | F,
    [HOG_COMBINE_MUL] = B | H | I | F,
    [HOG_COMBINE_DIV] = B | I | F,
    [HOG_COMBINE_MAXIMUM] = B | H | I | Q | F,
    [HOG_COMBINE_MINIMUM] = B | H | I | Q | F,
    [HOG_COMBINE_SQUARED_DIFFERENCE] = B | H | I | F,
    [HOG_COMBINE_FLOOR_DIV] = F,
    [HOG_COMBINE_FLOOR_MOD] = F,
    [HOG_COMBINE_PRELU] = B | F,
    [HOG_COMBINE_SELECT] = B | H | I | Q | F | BOOL | U,
    [HOG_COMBINE_LOGICAL_AND] = BOOL,
    [HOG_COMBINE_LOGICAL_OR] = BOOL,
    [HOG_COMBINE_EQUAL] = B | I | Q | F | BOOL,
    [HOG_COMBINE_NOT_EQUAL] = B | I | Q | F | BOOL,
    [HOG_COMBINE_LESS] = B | I | Q | F,
    [HOG_COMBINE_LESS_EQUAL] = B | I | Q | F,
};

hog_error_t hog_check_binary(hog_t *h, const void *record) {
    const hog_binary_t *op = record;
    uint32_t size = hog_size(op->op.type), out_size = size, size1 = size;
    if (op->loops != hog_loops(&op->op, sizeof(*op))) {
        return E_RECORD;
    }
    if (op->op.code == HOG_COMBINE) {
        if (hog_check_function(op->function, op->op.type, combine_types, sizeof(combine_types))) {
            return E_FUNCTION;
        }
        out_size = op->function >= HOG_COMBINE_EQUAL ? 1 : size;
        size1 = op->function == HOG_COMBINE_SELECT ? 1 : size;
        if (size1 < out_size && op->in1 == op->out) {
            return E_OVERLAP;
        }
    } else if (op->function != 0) {
        return E_RESERVED;
    }
    uint32_t bytes = hog_times(hog_places(op->loop, op->loops), out_size);
    if (op->loops == 0 || bytes == 0) {
        return E_ZERO;
    }
    hog_add_work(h, bytes / out_size);
    if (!hog_in_arena(h, op->out, bytes, hog_alignment(out_size))) {
        return E_OUTPUT;
    }
    hog_error_t error = check_operand(h, op, false, size1, bytes);
    if (!error) {
        error = check_operand(h, op, true, size, bytes);
    }
    if (error) {
        return error;
    }
    if (hog_is_quantized(op->op.type)
        && (op->left_shift > 30 || !hog_is_multiplier(op->multiplier1, op->shift1)
            || !hog_is_multiplier(op->multiplier2, op->shift2) || !hog_is_multiplier(op->multiplier, op->shift))) {
        return E_MULTIPLIER;
    }
    return hog_check_clamp(op->op.type, &op->clamp);
}

static int8_t binary_int8(const hog_binary_t *op, int32_t x1, int32_t x2) {
    x1 -= op->clamp.i.in_zp;
    x2 -= op->in2_zp;
    int32_t y;
    if (op->op.code == HOG_ADD) {
        x1 = (int32_t)((uint32_t)x1 << op->left_shift);
        x2 = (int32_t)((uint32_t)x2 << op->left_shift);
        y = hog_add(hog_requantize(x1, op->multiplier1, op->shift1), hog_requantize(x2, op->multiplier2, op->shift2));
    } else {
        y = x1 * x2;
    }
    return hog_clamp_int8(hog_requantize(y, op->multiplier, op->shift), &op->clamp);
}

#define FRACTION (21)           // bits
#define DOUBT_BITS (12)
#define DOUBT (1 << DOUBT_BITS)

// ADD as sum = k0 + x1·k1 + x2·k2 with FRACTION bits, where that has 32 bits. `k1` is 0 where it has not.
typedef struct {
    int32_t k0, k1, k2;
} sum_t;

static int32_t factor(const hog_binary_t *op, int32_t multiplier, int shift) {
    int right = 31 - FRACTION - shift - op->shift - op->left_shift;
    return right < 0 || right > 30 || shift > 0 ? 0 : hog_multiply_high(multiplier, op->multiplier) >> right;
}

static sum_t find_sum(const hog_binary_t *op) {
    sum_t s = {0, factor(op, op->multiplier1, op->shift1), factor(op, op->multiplier2, op->shift2)};
    if (op->left_shift > 22 || op->shift > -11 || s.k2 == 0
        || (uint32_t)s.k1 + (uint32_t)s.k2 > 7u << 20) {
        s.k1 = 0;
    } else {
        s.k0 = op->clamp.i.out_zp * (1 << FRACTION) - op->clamp.i.in_zp * s.k1 - op->in2_zp * s.k2;
    }
    return s;
}

// What `sum` leaves out is less than DOUBT: roundings, of the operands by 1 each and of their sum by 1/2, are
// 2.5·2^(FRACTION + shift); k1 and k2 are 1.5 too small, at most, for 255 steps. Where a result is nearer than that to
// the next one, it is computed as specified.
static HOG_HOT void add_int8(const hog_binary_t *op, const sum_t *s, const int8_t *x1, const int8_t *x2, int8_t *out,
    uint32_t n) {
    int32_t k0 = s->k0 + (1 << (FRACTION - 1)) + DOUBT, k1 = s->k1, k2 = s->k2;
    int32_t min = op->clamp.i.min, max = op->clamp.i.max;
    // An index that counts up to 0 serves all pointers and is its own end test.
    ptrdiff_t i = -(ptrdiff_t)n;
    x1 += n;
    x2 += n;
    out += n;
    do {
        int32_t sum = k0 + x1[i] * k1 + x2[i] * k2, y = sum >> FRACTION;
        if ((uint32_t)sum << (32 - FRACTION) >> (32 - FRACTION + DOUBT_BITS + 1) == 0) {
            y = binary_int8(op, x1[i], x2[i]);
        }
        y = hog_max(y, min);
        out[i] = (int8_t)hog_min(y, max);
    } while (++i != 0);
}

// The elements one by one, as specified.
static void binary_each(const hog_binary_t *op, const int8_t *x1, const int8_t *x2, const hog_loop_t *inner, int8_t *out) {
    for (uint32_t i = 0; i < inner->n; ++i) {
        out[i] = binary_int8(op, x1[(ptrdiff_t)i * inner->a], x2[(ptrdiff_t)i * inner->b]);
    }
}

void hog_add_int8(const hog_t *h, void *arena, const void *record) {
    const hog_binary_t *op = record;
    const int8_t *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    int8_t *out = hog_at(h, arena, op->out);
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    sum_t sum = {0, 0, 0};
    if (inner->a == 1 && inner->b == 1) {
        sum = find_sum(op);
    }
    hog_walk_t walk = {{0}, 0, 0};
    do {
        if (sum.k1 != 0) {
            add_int8(op, &sum, in1 + walk.a, in2 + walk.b, out, inner->n);
        } else {
            binary_each(op, in1 + walk.a, in2 + walk.b, inner, out);
        }
        out += inner->n;
    } while (hog_walk(&walk, op->loop, op->loops - 1u));
}

void hog_mul_int8(const hog_t *h, void *arena, const void *record) {
    const hog_binary_t *op = record;
    const int8_t *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    int8_t *out = hog_at(h, arena, op->out);
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    hog_walk_t walk = {{0}, 0, 0};
    do {
        binary_each(op, in1 + walk.a, in2 + walk.b, inner, out);
        out += inner->n;
    } while (hog_walk(&walk, op->loop, op->loops - 1u));
}

void hog_binary_float32(const hog_t *h, void *arena, const void *record) {
    const hog_binary_t *op = record;
    const float *in1 = hog_at(h, arena, op->in1), *in2 = hog_at(h, arena, op->in2);
    float *out = hog_at(h, arena, op->out);
    const hog_loop_t *inner = &op->loop[op->loops - 1];
    hog_walk_t walk = {{0}, 0, 0};
    do {
        const float *x1 = in1 + walk.a, *x2 = in2 + walk.b;
        for (uint32_t i = 0; i < inner->n; ++i) {
            float x = x1[(ptrdiff_t)i * inner->a], y = x2[(ptrdiff_t)i * inner->b];
            *out++ = hog_clamp_float(op->op.code == HOG_ADD ? x + y : x * y, op->clamp.f.min, op->clamp.f.max);
        }
    } while (hog_walk(&walk, op->loop, op->loops - 1u));
}
