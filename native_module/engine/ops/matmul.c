// SPDX-License-Identifier: MIT
//
// MATMUL: products of two tensors.
#include "check.h"

hog_error_t hog_check_matmul(hog_t *h, const void *record) {
    const hog_matmul_t *op = record;
    uint32_t size = hog_size(op->op.type);
    if (op->loops != hog_loops(&op->op, sizeof(*op))) {
        return E_RECORD;
    }
    uint32_t out = hog_times(hog_times(op->rows, op->columns), hog_times(hog_places(op->loop, op->loops), size));
    if (out == 0 || op->depth == 0) {
        return E_ZERO;
    }
    hog_add_work(h, hog_times(out / size, op->depth));
    if (!hog_in_arena(h, op->out, out, size)) {
        return E_OUTPUT;
    }
    if ((op->row1 | op->depth1 | op->column2 | op->depth2) >= HOG_LIMIT || op->depth1 == 0) {
        return E_OPERAND;
    }
    hog_loop_t all[HOG_MAX_LOOPS + 3];
    memcpy(all, op->loop, op->loops * sizeof(hog_loop_t));
    hog_loop_t *matrix = all + op->loops;
    matrix[0] = (hog_loop_t) {op->rows, (int32_t)op->row1, 0};
    matrix[1] = (hog_loop_t) {op->columns, 0, (int32_t)op->column2};
    matrix[2] = (hog_loop_t) {op->depth, (int32_t)op->depth1, (int32_t)op->depth2};
    hog_extent_t in;
    for (unsigned i = 0; i < 2; ++i) {
        if (!hog_find_extent(h, i == 0 ? op->in1 : op->in2, all, op->loops + 3u, i != 0, size, size, &in)) {
            return E_OPERAND;
        }
        if (hog_overlap(in.ref, in.size, op->out, out)) {
            return E_OVERLAP;
        }
    }
    if (op->bias != HOG_NONE && !hog_in_data(h, op->bias, hog_times(op->columns, op->op.type == HOG_INT16 ? 8 : 4), 4)) {
        return E_PARAMS;
    }
    if (op->op.type != HOG_FLOAT32 && !hog_is_multiplier(op->multiplier, op->shift)) {
        return E_MULTIPLIER;
    }
    if (op->op.type == HOG_INT16 && op->shift > 14) {
        return E_MULTIPLIER;
    }
    return hog_check_clamp(op->op.type, &op->clamp);
}

// One element of the product of two matrices, from a row's and a column's first element. Indices, because a step behind
// the last element may be a hostile file's, too far for a pointer.
static float dot_float(const hog_matmul_t *op, const float *x, const float *y) {
    float sum = 0;
    size_t i = 0, j = 0;
    for (uint32_t k = 0; k < op->depth; ++k, i += op->depth1, j += op->depth2) {
        sum += x[i] * y[j];
    }
    return sum;
}

static int32_t dot_int8(const hog_matmul_t *op, const int8_t *x, const int8_t *y) {
    uint32_t sum = 0;
    size_t i = 0, j = 0;
    for (uint32_t k = 0; k < op->depth; ++k, i += op->depth1, j += op->depth2) {
        sum += (uint32_t)((x[i] - op->clamp.i.in_zp) * (y[j] - op->in2_zp));
    }
    return (int32_t)sum;
}

static int64_t dot_int16(const hog_matmul_t *op, const int16_t *x, const int16_t *y) {
    int64_t sum = 0;
    size_t i = 0, j = 0;
    for (uint32_t k = 0; k < op->depth; ++k, i += op->depth1, j += op->depth2) {
        sum += x[i] * y[j];
    }
    return sum;
}

static void multiply(const hog_matmul_t *op, const void *x, const void *y, const void *bias, uint32_t column, void *out) {
    if (op->op.type == HOG_FLOAT32) {
        float sum = dot_float(op, x, y);
        sum = bias ? sum + ((const float *)bias)[column] : sum;
        *(float *)out = hog_clamp_float(sum, op->clamp.f.min, op->clamp.f.max);
    } else if (op->op.type == HOG_INT8) {
        int32_t sum = dot_int8(op, x, y);
        sum = bias ? hog_add(sum, ((const int32_t *)bias)[column]) : sum;
        *(int8_t *)out = hog_clamp_int8(hog_requantize(sum, op->multiplier, op->shift), &op->clamp);
    } else {
        int64_t sum = dot_int16(op, x, y);
        sum = bias ? (int64_t)((uint64_t)sum + (uint64_t)hog_get_int64(bias, column)) : sum;
        *(int16_t *)out = (int16_t)hog_clamp_int(hog_requantize64(sum, op->multiplier, op->shift), &op->clamp);
    }
}

void hog_matmul(const hog_t *h, void *arena, const void *record) {
    const hog_matmul_t *op = record;
    const uint8_t *x = hog_at(h, arena, op->in1), *y = hog_at(h, arena, op->in2);
    const void *bias = op->bias == HOG_NONE ? NULL : hog_at(h, arena, op->bias);
    uint8_t *out = hog_at(h, arena, op->out);
    ptrdiff_t size = (ptrdiff_t)hog_size(op->op.type);
    hog_walk_t walk = {{0}, 0, 0};
    do {
        const uint8_t *first = x + walk.a * size, *second = y + walk.b * size;
        for (uint32_t r = 0; r < op->rows; ++r) {
            for (uint32_t c = 0; c < op->columns; ++c, out += size) {
                multiply(op, first + r * op->row1 * (size_t)size, second + c * op->column2 * (size_t)size, bias, c, out);
            }
        }
    } while (hog_walk(&walk, op->loop, op->loops));
}
