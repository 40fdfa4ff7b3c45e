// SPDX-License-Identifier: MIT
//
// MEAN, REDUCE, SCAN.
#include "check.h"

static const uint8_t reduce_types[] = {
    [HOG_REDUCE_SUM] = B | H | F,
    [HOG_REDUCE_MAX] = B | F,
    [HOG_REDUCE_MIN] = B | F,
    [HOG_REDUCE_ARG_MAX] = B | F,
    [HOG_REDUCE_ARG_MIN] = B | F,
};

// MEAN, REDUCE.
hog_error_t hog_check_reduce(hog_t *h, const void *record) {
    const hog_reduce_t *op = record;
    uint32_t size = hog_size(op->op.type), out_size = size;
    unsigned loops = op->keep + op->reduce;
    if (loops != hog_loops(&op->op, sizeof(*op))) {
        return E_RECORD;
    }
    if (op->op.code == HOG_REDUCE) {
        if (hog_check_function(op->function, op->op.type, reduce_types, sizeof(reduce_types))) {
            return E_FUNCTION;
        }
        out_size = op->function >= HOG_REDUCE_ARG_MAX ? 4 : size;
    }
    uint32_t kept = hog_times(hog_places(op->loop, op->keep), out_size), all = hog_times(hog_places(op->loop, loops), size);
    if (all == 0 || op->reduce == 0) {
        return E_ZERO;
    }
    hog_add_work(h, hog_places(op->loop, loops));
    if (!hog_in_arena(h, op->out, kept, hog_alignment(out_size))) {
        return E_OUTPUT;
    }
    hog_extent_t in;
    if ((op->in & HOG_IN_DATA) || all > h->arena_size
        || !hog_find_extent(h, op->in, op->loop, loops, false, size, size, &in)) {
        return E_INPUT;
    }
    if (hog_overlap(in.ref, in.size, op->out, kept)) {
        return E_OVERLAP;
    }
    if (op->op.code == HOG_MEAN && (op->function != 0 || op->left_shift != 0)) {
        return E_RESERVED;
    }
    if (!hog_is_quantized(op->op.type) || op->function > HOG_REDUCE_SUM) {
        return E_OK;
    }
    return hog_is_multiplier(op->multiplier, op->shift) && op->left_shift <= 30 ? hog_check_clamp(op->op.type, &op->clamp)
                                                                           : E_MULTIPLIER;
}

// How many elements go into one of the output.
static uint32_t count_reduced(const hog_reduce_t *op) {
    uint32_t count = 1;
    for (unsigned i = 0; i < op->reduce; ++i) {
        count *= op->loop[op->keep + i].n;
    }
    return count;
}

void hog_mean_int8(const hog_t *h, void *arena, const void *record) {
    const hog_reduce_t *op = record;
    const int8_t *in = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    const hog_loop_t *reduced = op->loop + op->keep, *inner = reduced + op->reduce - 1;
    uint32_t start = count_reduced(op) * (uint32_t)-(int32_t)op->clamp.i.in_zp;
    hog_walk_t kept = {{0}, 0, 0};
    do {
        hog_walk_t walk = {{0}, kept.a, 0};
        uint32_t sum = start;
        do {
            const int8_t *x = in + walk.a;
            uint32_t i = inner->n;
            do {
                sum += (uint32_t)(int32_t)*x;
                x += inner->a;
            } while (--i != 0);
        } while (hog_walk(&walk, reduced, op->reduce - 1u));
        *out++ = hog_clamp_int8(hog_requantize((int32_t)sum, op->multiplier, (int)op->shift), &op->clamp);
    } while (hog_walk(&kept, op->loop, op->keep));
}

void hog_mean_float32(const hog_t *h, void *arena, const void *record) {
    const hog_reduce_t *op = record;
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out);
    const hog_loop_t *reduced = op->loop + op->keep, *inner = reduced + op->reduce - 1;
    uint32_t count = count_reduced(op);
    hog_walk_t kept = {{0}, 0, 0};
    do {
        hog_walk_t walk = {{0}, kept.a, 0};
        float sum = 0;
        do {
            const float *x = in + walk.a;
            uint32_t i = inner->n;
            do {
                sum += *x;
                x += inner->a;
            } while (--i != 0);
        } while (hog_walk(&walk, reduced, op->reduce - 1u));
        *out++ = sum / (float)(int32_t)count;
    } while (hog_walk(&kept, op->loop, op->keep));
}

// What is kept while the reduced loops run.
typedef struct {
    uint32_t sum;       // of integers; their best value
    float best;         // the sum of floats; their best value
    uint32_t index;
} kept_t;

static int32_t quantized(const hog_reduce_t *op, int32_t sum) {
    int32_t y = hog_requantize((int32_t)((uint32_t)sum << op->left_shift), op->multiplier, (int)op->shift);
    return hog_min(hog_max(hog_add(y, op->clamp.i.out_zp), op->clamp.i.min), op->clamp.i.max);
}

static void step_float(uint8_t function, float x, uint32_t i, kept_t *kept) {
    bool better = function == HOG_REDUCE_MAX || function == HOG_REDUCE_ARG_MAX ? x > kept->best : x < kept->best;
    if (function == HOG_REDUCE_SUM) {
        kept->best += x;
    } else if (better || (i == 0 && function >= HOG_REDUCE_ARG_MAX)) {
        kept->best = x;
        kept->index = i;
    }
}

static void step_int(const hog_reduce_t *op, int32_t x, uint32_t i, kept_t *kept) {
    uint8_t function = op->function;
    int32_t best = (int32_t)kept->sum;
    if (function == HOG_REDUCE_SUM) {
        kept->sum += (uint32_t)(x - op->clamp.i.in_zp);
    } else if (i == 0 || (function == HOG_REDUCE_MAX || function == HOG_REDUCE_ARG_MAX ? x > best : x < best)) {
        kept->sum = (uint32_t)x;
        kept->index = i;
    }
}

void hog_reduce(const hog_t *h, void *arena, const void *record) {
    const hog_reduce_t *op = record;
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    uint8_t type = op->op.type, function = op->function;
    ptrdiff_t size = (ptrdiff_t)hog_size(type);
    hog_walk_t kept = {{0}, 0, 0};
    do {
        hog_walk_t walk = {{0}, kept.a, 0};
        kept_t k = {0, function == HOG_REDUCE_MAX ? -FLT_MAX : function == HOG_REDUCE_MIN ? FLT_MAX : 0, 0};
        uint32_t i = 0;
        do {
            const uint8_t *p = in + walk.a * size;
            if (type == HOG_FLOAT32) {
                step_float(function, *(const float *)(const void *)p, i, &k);
            } else {
                step_int(op, hog_get(p, type), i, &k);
            }
            ++i;
        } while (hog_walk(&walk, op->loop + op->keep, op->reduce));
        if (function >= HOG_REDUCE_ARG_MAX) {
            hog_put(out, HOG_INT32, (int32_t)k.index);
            out += 4;
            continue;
        }
        if (type == HOG_FLOAT32) {
            *(float *)(void *)out = k.best;
        } else {
            hog_put(out, type, function == HOG_REDUCE_SUM ? quantized(op, (int32_t)k.sum) : (int32_t)k.sum);
        }
        out += size;
    } while (hog_walk(&kept, op->loop, op->keep));
}

hog_error_t hog_check_scan(hog_t *h, const void *record) {
    const hog_scan_t *op = record;
    uint32_t size = hog_size(op->op.type);
    if (op->exclusive > 1 || op->reverse > 1) {
        return E_RESERVED;
    }
    if (op->op.type == HOG_INT8) {
        if (op->left_shift > 30 || !hog_is_multiplier(op->multiplier, op->shift)) {
            return E_MULTIPLIER;
        }
        hog_error_t error = hog_check_clamp(HOG_INT8, &op->clamp);
        if (error) {
            return error;
        }
    }
    return hog_check_elements(h, op->in, op->out, hog_times(hog_times(op->outer, op->depth), op->inner), size, size);
}

static int8_t scan_int8(const hog_scan_t *op, uint32_t sum) {
    return hog_clamp_int8(hog_requantize((int32_t)(sum << op->left_shift), op->multiplier, op->shift), &op->clamp);
}

// One cumulative sum: `depth` elements from `at` on, `step` apart.
static void scan(const hog_scan_t *op, const uint8_t *in, uint8_t *out, size_t at, ptrdiff_t step) {
    bool is_int8 = op->op.type == HOG_INT8;
    uint32_t sum = is_int8 ? (uint32_t)-(int32_t)op->clamp.i.in_zp : 0;
    float sum_float = 0;
    for (uint32_t i = 0; i < op->depth; ++i, at = (size_t)((ptrdiff_t)at + step)) {
        uint32_t next = sum;
        float next_float = sum_float;
        if (is_int8) {
            next += (uint32_t)(((const int8_t *)in)[at] - op->clamp.i.in_zp);
            ((int8_t *)out)[at] = scan_int8(op, op->exclusive ? sum : next);
        } else {
            next_float += ((const float *)(const void *)in)[at];
            ((float *)(void *)out)[at] = op->exclusive ? sum_float : next_float;
        }
        sum = next;
        sum_float = next_float;
    }
}

void hog_scan(const hog_t *h, void *arena, const void *record) {
    const hog_scan_t *op = record;
    const uint8_t *in = hog_at(h, arena, op->in);
    uint8_t *out = hog_at(h, arena, op->out);
    ptrdiff_t step = (ptrdiff_t)op->inner;
    for (uint32_t o = 0; o < op->outer; ++o) {
        for (uint32_t i = 0; i < op->inner; ++i) {
            size_t at = (size_t)o * op->depth * op->inner + i;
            if (op->reverse) {
                scan(op, in, out, at + (size_t)(op->depth - 1) * op->inner, -step);
            } else {
                scan(op, in, out, at, step);
            }
        }
    }
}
