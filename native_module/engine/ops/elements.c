// SPDX-License-Identifier: MIT
//
// Operators that work element by element: LUT, CLAMP, LOGISTIC, TANH, QUANTIZE, DEQUANTIZE.
#include "check.h"

hog_error_t hog_check_lut(hog_t *h, const void *record) {
    const hog_lut_t *op = record;
    return hog_in_data(h, op->table, 256, 1) ? hog_check_elements(h, op->in, op->out, op->count, 1, 1) : E_TABLE;
}

void hog_lut(const hog_t *h, void *arena, const void *record) {
    const hog_lut_t *op = record;
    const int8_t *in = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    const int8_t *zero = (const int8_t *)hog_at(h, arena, op->table) + 128;
    for (uint32_t i = 0; i < op->count; ++i) {
        out[i] = zero[in[i]];
    }
}

hog_error_t hog_check_unary(hog_t *h, const void *record) {
    const hog_unary_t *op = record;
    return hog_check_elements(h, op->in, op->out, op->count, 4, 4);
}

hog_error_t hog_check_clamp_op(hog_t *h, const void *record) {
    const hog_clamp_op_t *op = record;
    hog_error_t error = hog_check_clamp(HOG_FLOAT32, &op->clamp);
    return error ? error : hog_check_elements(h, op->in, op->out, op->count, 4, 4);
}

void hog_clamp(const hog_t *h, void *arena, const void *record) {
    const hog_clamp_op_t *op = record;
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out);
    for (uint32_t i = 0; i < op->count; ++i) {
        out[i] = hog_clamp_float(in[i], op->clamp.f.min, op->clamp.f.max);
    }
}

static void apply_float(const hog_t *h, void *arena, const hog_unary_t *op, float (*function)(float x)) {
    const float *in = hog_at(h, arena, op->in);
    float *out = hog_at(h, arena, op->out);
    for (uint32_t i = 0; i < op->count; ++i) {
        out[i] = function(in[i]);
    }
}

void hog_logistic(const hog_t *h, void *arena, const void *record) {
    apply_float(h, arena, record, hog_logistic_of);
}

void hog_tanh(const hog_t *h, void *arena, const void *record) {
    apply_float(h, arena, record, hog_tanh_of);
}

hog_error_t hog_check_quantize(hog_t *h, const void *record) {
    const hog_quantize_t *op = record;
    if (!hog_is_scale(op->scale)) {
        return E_SCALE;
    }
    if (!hog_is_int8(op->zero_point)) {
        return E_ZERO_POINT;
    }
    bool to_int8 = op->op.code == HOG_QUANTIZE;
    return hog_check_elements(h, op->in, op->out, op->count, to_int8 ? 4 : 1, to_int8 ? 1 : 4);
}

// Both may work in place, though elements change their size: so QUANTIZE goes forward and DEQUANTIZE backward.
void hog_quantize(const hog_t *h, void *arena, const void *record) {
    const hog_quantize_t *op = record;
    const float *in = hog_at(h, arena, op->in);
    int8_t *out = hog_at(h, arena, op->out);
    for (uint32_t i = 0; i < op->count; ++i) {
        out[i] = hog_saturate_int8(hog_add(hog_round(in[i] / op->scale), op->zero_point));
    }
}

void hog_dequantize(const hog_t *h, void *arena, const void *record) {
    const hog_quantize_t *op = record;
    hog_dequantize_int8(hog_at(h, arena, op->out), hog_at(h, arena, op->in), op->count, op->scale, op->zero_point);
}
