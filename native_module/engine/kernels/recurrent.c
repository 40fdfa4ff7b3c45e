// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// SVDF, LSTM: layers with a state that stays in the arena between runs. A name like q3_12 says where the
// binary point is.
#include <float.h>

#include "kernels.h"

#if HOG_FULL

static int32_t saturate_int16(int32_t x) {
    return hog_min(hog_max(x, INT16_MIN), INT16_MAX);
}

// SVDF

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

static void svdf_int8(const hog_t *h, void *arena, const hog_svdf_t *op) {
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

static float dot_float(const float *x, const float *w, uint32_t n) {
    float total = 0;
    for (uint32_t i = 0; i < n; ++i) {
        total += x[i] * w[i];
    }
    return total;
}

static void svdf_float(const hog_t *h, void *arena, const hog_svdf_t *op) {
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out), *state = hog_at(h, arena, op->state);
    for (uint32_t b = 0; b < op->batch; ++b) {
        const float *weights = hog_at(h, arena, op->weights), *time = hog_at(h, arena, op->time);
        const float *bias = hog_at(h, arena, op->params);
        for (uint32_t u = 0; u < op->units; ++u) {
            float total = *bias++;
            for (uint32_t r = 0; r < op->rank; ++r) {
                state[op->memory - 1] = dot_float(in, weights, op->inputs);
                weights += op->inputs;
                total += dot_float(state, time, op->memory);
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

void hog_svdf(const hog_t *h, void *arena, const hog_svdf_t *op) {
    uint8_t *state = hog_at(h, arena, op->state);
    size_t size = hog_size(op->state_type);
    memmove(state, state + size, ((size_t)op->batch * op->units * op->rank * op->memory - 1) * size);
    (op->op.type == HOG_INT8 ? svdf_int8 : svdf_float)(h, arena, op);
}

// LSTM

enum { FORGET, INPUT, CELL, OUTPUT, GATES };

// What all steps of an LSTM use.
typedef struct {
    const hog_lstm_t *op;
    const void *weights, *hidden_weights, *bias;
    const int32_t *hidden_bias;         // int8 only
    const int32_t *multiplier;          // of 4 gates' input, 4 gates' hidden, forget·cell, input·cell, hidden
    const int8_t *shift;
    const uint16_t *table;
} lstm_t;

// A gate's input in q3_12 from sums over int8 values.
static void gates_int8(const lstm_t *l, uint32_t unit, const int8_t *in, const int8_t *hidden, int16_t *gate) {
    uint32_t inputs = l->op->inputs, units = l->op->units;
    uint32_t sums[GATES], hidden_sums[GATES];
    const int8_t *w = (const int8_t *)l->weights + (size_t)unit * GATES * inputs;
    const int8_t *v = (const int8_t *)l->hidden_weights + (size_t)unit * GATES * units;
    for (unsigned g = 0; g < GATES; g += HOG_DOT_ROWS) {
        hog_dot(in, w + (size_t)g * inputs, inputs, HOG_DOT_ROWS, sums + g);
        hog_dot(hidden, v + (size_t)g * units, units, HOG_DOT_ROWS, hidden_sums + g);
    }
    const int32_t *bias = (const int32_t *)l->bias + unit * GATES, *hidden_bias = l->hidden_bias + unit * GATES;
    for (unsigned g = 0; g < GATES; ++g) {
        int32_t x = (int32_t)(sums[g] + (uint32_t)bias[g]), y = (int32_t)(hidden_sums[g] + (uint32_t)hidden_bias[g]);
        x = saturate_int16(hog_requantize(x, l->multiplier[g], l->shift[g]));
        y = saturate_int16(hog_requantize(y, l->multiplier[GATES + g], l->shift[GATES + g]));
        gate[g] = (int16_t)saturate_int16(x + y);
    }
}

static int64_t dot_int16(const int16_t *x, const int8_t *w, uint32_t n) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; ++i) {
        sum += x[i] * w[i];
    }
    return sum;
}

static void gates_int16(const lstm_t *l, uint32_t unit, const int16_t *in, const int16_t *hidden, int16_t *gate) {
    uint32_t inputs = l->op->inputs, units = l->op->units;
    const int8_t *w = (const int8_t *)l->weights + (size_t)unit * GATES * inputs;
    const int8_t *v = (const int8_t *)l->hidden_weights + (size_t)unit * GATES * units;
    for (unsigned g = 0; g < GATES; ++g) {
        uint64_t bias = (uint64_t)hog_get_int64(l->bias, unit * GATES + g);
        int64_t sum = (int64_t)(bias + (uint64_t)dot_int16(in, w, inputs));
        int32_t x = saturate_int16(hog_requantize64(sum, l->multiplier[g], l->shift[g]));
        sum = dot_int16(hidden, v, units);
        x += saturate_int16(hog_requantize64(sum, l->multiplier[GATES + g], l->shift[GATES + g]));
        gate[g] = (int16_t)saturate_int16(x);
        w += inputs;
        v += units;
    }
}

// a·b, requantized with the multiplier `i`.
static int32_t scaled_product(const lstm_t *l, unsigned i, int32_t a, int32_t b) {
    return hog_requantize(a * b, l->multiplier[i], l->shift[i]);
}

static void step_int(const lstm_t *l, const void *in, const void *hidden, void *cells, void *out) {
    const hog_lstm_t *op = l->op;
    const uint16_t *table = l->table;
    uint32_t size = hog_size(op->op.type);
    int16_t *cell = cells;
    for (uint32_t u = 0; u < op->units; ++u, ++cell) {
        int16_t gate[GATES];
        if (op->op.type == HOG_INT8) {
            gates_int8(l, u, in, hidden, gate);
        } else {
            gates_int16(l, u, in, hidden, gate);
        }
        int32_t x = saturate_int16(scaled_product(l, 8, hog_sigmoid16(table, gate[FORGET] * 3), *cell));
        int32_t y = scaled_product(l, 9, hog_sigmoid16(table, gate[INPUT] * 3), hog_tanh16(table, gate[CELL] * 3));
        x += saturate_int16(y);
        *cell = (int16_t)hog_min(hog_max(x, op->clamp.i.min), op->clamp.i.max);
        int shift = op->cell_shift;
        x = *cell * 3;
        x = shift < 0 ? (x + (1 << (-shift - 1))) >> -shift : x * (1 << shift);
        x = scaled_product(l, 10, hog_tanh16(table, x), hog_sigmoid16(table, gate[OUTPUT] * 3));
        hog_put((uint8_t *)out + u * size, op->op.type, hog_saturate(op->op.type, hog_add(x, op->clamp.i.out_zp)));
    }
}

static float bounded(float x) {
    return hog_clamp_float(x, -FLT_MAX, FLT_MAX);
}

static void step_float(const lstm_t *l, const float *in, const float *hidden, float *cell, float *out) {
    const hog_lstm_t *op = l->op;
    const float *w = l->weights, *v = l->hidden_weights, *bias = l->bias;
    for (uint32_t u = 0; u < op->units; ++u, ++cell) {
        float gate[GATES];
        for (unsigned g = 0; g < GATES; ++g) {
            float x = bounded(dot_float(in, w, op->inputs) + *bias++) + bounded(dot_float(hidden, v, op->units));
            gate[g] = g == CELL ? hog_tanh(x) : hog_logistic(x);
            w += op->inputs;
            v += op->units;
        }
        float x = bounded(gate[FORGET] * *cell) + bounded(gate[INPUT] * gate[CELL]);
        *cell = x = hog_clamp_float(x, op->clamp.f.min, op->clamp.f.max);
        out[u] = bounded(hog_tanh(x) * gate[OUTPUT]);
    }
}

void hog_lstm(const hog_t *h, void *arena, const hog_lstm_t *op) {
    uint32_t size = hog_size(op->op.type), weight_size = op->op.type == HOG_FLOAT32 ? 4 : 1;
    uint32_t bias_size = op->op.type == HOG_INT16 ? 8 : 4;
    lstm_t l = {.op = op, .weights = hog_at(h, arena, op->weights), .bias = hog_at(h, arena, op->params)};
    l.hidden_weights = (const uint8_t *)l.weights + (size_t)op->units * GATES * op->inputs * weight_size;
    l.multiplier = l.hidden_bias = (const void *)((const uint8_t *)l.bias + (size_t)op->units * GATES * bias_size);
    if (op->op.type == HOG_INT8) {
        l.multiplier += (size_t)op->units * GATES;
    }
    l.shift = (const int8_t *)(l.multiplier + 2 * GATES + 3);
    l.table = op->op.type == HOG_FLOAT32 ? NULL : hog_at(h, arena, op->table);
    uint32_t row = op->units * size, cell_row = op->units * (op->op.type == HOG_FLOAT32 ? 4 : 2);
    for (uint32_t b = 0; b < op->batch; ++b) {
        uint8_t *hidden = (uint8_t *)hog_at(h, arena, op->hidden) + (size_t)b * row;
        uint8_t *cell = (uint8_t *)hog_at(h, arena, op->cell) + (size_t)b * cell_row;
        for (uint32_t t = 0; t < op->steps; ++t) {
            size_t at = op->time_major ? (size_t)t * op->batch + b : (size_t)b * op->steps + t;
            const uint8_t *in = (const uint8_t *)hog_at(h, arena, op->in) + at * op->inputs * size;
            uint8_t *out = (uint8_t *)hog_at(h, arena, op->out) + at * row;
            // All units read the hidden state before it becomes this step's output.
            if (op->op.type == HOG_FLOAT32) {
                step_float(&l, (const void *)in, (const void *)hidden, (void *)cell, (void *)out);
            } else {
                step_int(&l, in, hidden, cell, out);
            }
            memcpy(hidden, out, row);
        }
    }
}

#endif // HOG_FULL
