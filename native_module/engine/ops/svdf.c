// SPDX-License-Identifier: MIT
//
// SVDF: a dense layer that remembers, and weighs, its last activations.
#include "check.h"

hog_error_t hog_check_svdf(hog_t *h, const void *record) {
    const hog_svdf_t *op = record;
    uint32_t size = hog_size(op->op.type), state_size = hog_size(op->state_type);
    bool is_float = op->op.type == HOG_FLOAT32;
    if (is_float ? op->state_type != HOG_FLOAT32 : (op->state_type != HOG_INT8 && op->state_type != HOG_INT16)) {
        return E_TYPE;
    }
    uint32_t filters = hog_times(op->units, op->rank), taps = hog_times(hog_times(filters, op->memory), state_size);
    hog_add_work(h, hog_times(hog_times(op->batch, filters), op->inputs + op->memory));
    const hog_extent_t tensors[] = {
        {op->in, hog_times(hog_times(op->batch, op->inputs), size), size},
        {op->out, hog_times(hog_times(op->batch, op->units), size), size},
        {op->state, hog_times(op->batch, taps), state_size},
    };
    hog_error_t error = hog_check_apart(h, tensors, 3);
    if (error) {
        return error;
    }
    if (!hog_in_data(h, op->weights, hog_times(hog_times(filters, op->inputs), size), size)
        || !hog_in_data(h, op->time, taps, state_size)) {
        return E_WEIGHTS;
    }
    // Both are less than the arena.
    if (!hog_in_data(h, op->params, hog_times(op->units + (is_float ? 0 : filters), 4), 4)) {
        return E_PARAMS;
    }
    if (!hog_is_multiplier(op->feature_multiplier, op->feature_shift) || !hog_is_multiplier(op->multiplier, op->shift)) {
        return E_MULTIPLIER;
    }
    return hog_check_clamp(op->op.type, &op->clamp);
}

// Makes room for the newest activations: all others move one place towards the beginning.
static void age(const hog_t *h, void *arena, const hog_svdf_t *op) {
    uint8_t *state = hog_at(h, arena, op->state);
    size_t size = hog_size(op->state_type);
    memmove(state, state + size, ((size_t)op->batch * op->units * op->rank * op->memory - 1) * size);
}

// The newest activation of each filter, behind the older ones.
static void svdf_features(const hog_svdf_t *op, const int8_t *in, const int8_t *weights, const int32_t *bias,
    uint8_t *state) {
    uint32_t size = hog_size(op->state_type), filters = op->units * op->rank;
    for (uint32_t f = 0; f < filters; f += HOG_DOT_ROWS) {
        uint32_t sums[HOG_DOT_ROWS], n = filters - f < HOG_DOT_ROWS ? filters - f : HOG_DOT_ROWS;
        hog_dot(in, weights + (size_t)f * op->inputs, op->inputs, n, sums);
        for (uint32_t i = 0; i < n; ++i) {
            int32_t x = (int32_t)(sums[i] + (uint32_t)bias[f + i]);
            x = hog_saturate(op->state_type, hog_requantize(x, op->feature_multiplier, op->feature_shift));
            state += op->memory * size;
            hog_put(state - size, op->state_type, x + op->state_zp); // of which it keeps the lower bits, as TFLM
        }
    }
}

void hog_svdf_int8(const hog_t *h, void *arena, const void *record) {
    const hog_svdf_t *op = record;
    age(h, arena, op);
    const int8_t *in = hog_at(h, arena, op->in), *weights = hog_at(h, arena, op->weights);
    int8_t *out = hog_at(h, arena, op->out);
    const int32_t *feature_bias = hog_at(h, arena, op->params);
    const uint8_t *state = hog_at(h, arena, op->state);
    uint32_t size = hog_size(op->state_type), taps = op->rank * op->memory, filters = op->units * op->rank;
    for (uint32_t b = 0; b < op->batch; ++b) {
        svdf_features(op, in, weights, feature_bias, (uint8_t *)state);
        in += op->inputs;
        const int32_t *bias = feature_bias + filters;
        const uint8_t *time = hog_at(h, arena, op->time);
        for (uint32_t u = 0; u < op->units; ++u) {
            uint32_t sum = (uint32_t)*bias++;
            for (uint32_t i = 0; i < taps; ++i) {
                sum += (uint32_t)(hog_get(time, op->state_type) * (hog_get(state, op->state_type) - op->state_zp));
                time += size;
                state += size;
            }
            *out++ = hog_clamp_int8(hog_requantize((int32_t)sum, op->multiplier, op->shift), &op->clamp);
        }
    }
}

void hog_svdf_float32(const hog_t *h, void *arena, const void *record) {
    const hog_svdf_t *op = record;
    age(h, arena, op);
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out), *state = hog_at(h, arena, op->state);
    for (uint32_t b = 0; b < op->batch; ++b) {
        const float *weights = hog_at(h, arena, op->weights), *time = hog_at(h, arena, op->time);
        const float *bias = hog_at(h, arena, op->params);
        for (uint32_t u = 0; u < op->units; ++u) {
            float total = *bias++;
            for (uint32_t r = 0; r < op->rank; ++r) {
                state[op->memory - 1] = hog_dot_float32(in, weights, op->inputs);
                weights += op->inputs;
                total += hog_dot_float32(state, time, op->memory);
                time += op->memory;
                state += op->memory;
            }
            const hog_clamp_t *clamp = &op->clamp;
            if (total != total && clamp->f.min >= -FLT_MAX) { // other than elsewhere a bound takes a NaN's place
                total = clamp->f.max <= FLT_MAX ? clamp->f.max : clamp->f.min;
            }
            *out++ = hog_clamp_float(total, clamp->f.min, clamp->f.max);
        }
        in += op->inputs;
    }
}
