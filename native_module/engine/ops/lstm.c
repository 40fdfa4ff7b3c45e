// SPDX-License-Identifier: MIT
//
// LSTM. A name like q3_12 says where the binary point is.
#include "check.h"

static int32_t saturate_int16(int32_t x) {
    return hog_min(hog_max(x, INT16_MIN), INT16_MAX);
}

hog_error_t hog_check_lstm(hog_t *h, const void *record) {
    const hog_lstm_t *op = record;
    uint8_t type = op->op.type;
    bool is_float = type == HOG_FLOAT32;
    uint32_t size = hog_size(type), cell_size = is_float ? 4 : 2;
    uint32_t rows = hog_times(op->batch, op->steps), states = hog_times(op->batch, op->units);
    hog_add_work(h, hog_times(hog_times(rows, hog_times(op->units, 4)), op->inputs + op->units));
    const hog_extent_t tensors[] = {
        {op->in, hog_times(hog_times(rows, op->inputs), size), size},
        {op->out, hog_times(hog_times(rows, op->units), size), size},
        {op->hidden, hog_times(states, size), size},
        {op->cell, hog_times(states, cell_size), cell_size},
    };
    hog_error_t error = hog_check_apart(h, tensors, 4);
    if (error) {
        return error;
    }
    if (op->reserved != 0 || op->time_major > 1) {
        return E_RESERVED;
    }
    uint32_t weight_size = is_float ? 4 : 1, gates = hog_times(op->units, 4); // units and inputs are less than the arena
    if (!hog_in_data(h, op->weights, hog_times(hog_times(gates, op->inputs + op->units), weight_size), weight_size)) {
        return E_WEIGHTS;
    }
    uint32_t bias = hog_times(gates, is_float ? 4 : 8), scales = is_float ? 0 : 11;
    if (bias >= HOG_LIMIT || !hog_in_data(h, op->params, bias + scales * 5, 4)) {
        return E_PARAMS;
    }
    if (is_float) {
        return hog_check_clamp(type, &op->clamp);
    }
    if (!hog_in_data(h, op->table, 512, 2)) {
        return E_TABLE;
    }
    const int32_t *multiplier = (const void *)((const uint8_t *)hog_at(h, NULL, op->params) + bias);
    const int8_t *shift = (const int8_t *)(multiplier + scales);
    for (unsigned i = 0; i < scales; ++i) {
        bool is_wide = type == HOG_INT16 && i < 8; // of sums of 64 bits
        if (!hog_is_multiplier(multiplier[i], shift[i]) || (is_wide && shift[i] > 7)) {
            return E_MULTIPLIER;
        }
    }
    if (op->cell_shift < -30 || op->cell_shift > 14) {
        return E_MULTIPLIER;
    }
    if (!hog_is_int8(op->clamp.i.out_zp)) {
        return E_ZERO_POINT;
    }
    return hog_check_clamp(HOG_INT16, &op->clamp);
}

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
static void gates_int8(const lstm_t *l, uint32_t unit, const void *in, const void *hidden, int16_t *gate) {
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

static void gates_int16(const lstm_t *l, uint32_t unit, const void *in, const void *hidden, int16_t *gate) {
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

// A step's gates of a unit.
typedef void gates_t(const lstm_t *l, uint32_t unit, const void *in, const void *hidden, int16_t *gate);

static inline void step_integers(const lstm_t *l, const void *in, const void *hidden, void *cells, void *out,
    gates_t *gates) {
    const hog_lstm_t *op = l->op;
    const uint16_t *table = l->table;
    uint32_t size = hog_size(op->op.type);
    int16_t *cell = cells;
    for (uint32_t u = 0; u < op->units; ++u, ++cell) {
        int16_t gate[GATES];
        gates(l, u, in, hidden, gate);
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

static void step_int8(const lstm_t *l, const void *in, const void *hidden, void *cells, void *out) {
    step_integers(l, in, hidden, cells, out, gates_int8);
}

static void step_int16(const lstm_t *l, const void *in, const void *hidden, void *cells, void *out) {
    step_integers(l, in, hidden, cells, out, gates_int16);
}

static void step_float32(const lstm_t *l, const void *input, const void *state, void *cells, void *output) {
    const hog_lstm_t *op = l->op;
    const float *in = input, *hidden = state;
    float *cell = cells, *out = output;
    const float *w = l->weights, *v = l->hidden_weights, *bias = l->bias;
    for (uint32_t u = 0; u < op->units; ++u, ++cell) {
        float gate[GATES];
        for (unsigned g = 0; g < GATES; ++g) {
            float x = bounded(hog_dot_float32(in, w, op->inputs) + *bias++) + bounded(hog_dot_float32(hidden, v, op->units));
            gate[g] = g == CELL ? hog_tanh_of(x) : hog_logistic_of(x);
            w += op->inputs;
            v += op->units;
        }
        float x = bounded(gate[FORGET] * *cell) + bounded(gate[INPUT] * gate[CELL]);
        *cell = x = hog_clamp_float(x, op->clamp.f.min, op->clamp.f.max);
        out[u] = bounded(hog_tanh_of(x) * gate[OUTPUT]);
    }
}

// One step: reads all of the hidden state before it writes the output.
typedef void step_t(const lstm_t *l, const void *in, const void *hidden, void *cell, void *out);

static void run_steps(const hog_t *h, void *arena, const hog_lstm_t *op, step_t *step) {
    bool is_float = op->op.type == HOG_FLOAT32;
    uint32_t size = hog_size(op->op.type), weight_size = is_float ? 4 : 1;
    uint32_t bias_size = op->op.type == HOG_INT16 ? 8 : 4;
    lstm_t l = {.op = op, .weights = hog_at(h, arena, op->weights), .bias = hog_at(h, arena, op->params)};
    l.hidden_weights = (const uint8_t *)l.weights + (size_t)op->units * GATES * op->inputs * weight_size;
    l.multiplier = l.hidden_bias = (const void *)((const uint8_t *)l.bias + (size_t)op->units * GATES * bias_size);
    if (op->op.type == HOG_INT8) {
        l.multiplier += (size_t)op->units * GATES;
    }
    l.shift = (const int8_t *)(l.multiplier + 2 * GATES + 3);
    l.table = is_float ? NULL : hog_at(h, arena, op->table);
    uint32_t row = op->units * size, cell_row = op->units * (is_float ? 4 : 2);
    for (uint32_t b = 0; b < op->batch; ++b) {
        uint8_t *hidden = (uint8_t *)hog_at(h, arena, op->hidden) + (size_t)b * row;
        uint8_t *cell = (uint8_t *)hog_at(h, arena, op->cell) + (size_t)b * cell_row;
        for (uint32_t t = 0; t < op->steps; ++t) {
            size_t at = op->time_major ? (size_t)t * op->batch + b : (size_t)b * op->steps + t;
            const uint8_t *in = (const uint8_t *)hog_at(h, arena, op->in) + at * op->inputs * size;
            uint8_t *out = (uint8_t *)hog_at(h, arena, op->out) + at * row;
            step(&l, in, hidden, cell, out);
            memcpy(hidden, out, row);
        }
    }
}

void hog_lstm_int8(const hog_t *h, void *arena, const void *record) {
    run_steps(h, arena, record, step_int8);
}

void hog_lstm_int16(const hog_t *h, void *arena, const void *record) {
    run_steps(h, arena, record, step_int16);
}

void hog_lstm_float32(const hog_t *h, void *arena, const void *record) {
    run_steps(h, arena, record, step_float32);
}
