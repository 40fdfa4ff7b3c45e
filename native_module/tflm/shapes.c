// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// TFLM's kernels take it on trust that the shapes of their operands fit together. Here they are compared
// for the operators that sensor models are made of; what is not listed passes.

#include "tflite.h"

// BuiltinOperator.
enum {
    ADD = 0, AVERAGE_POOL_2D = 1, CONCATENATION = 2, CONV_2D = 3, DEPTHWISE_CONV_2D = 4, DEQUANTIZE = 6, FLOOR = 8,
    FULLY_CONNECTED = 9, L2_NORMALIZATION = 11, L2_POOL_2D = 12, LOGISTIC = 14, MAX_POOL_2D = 17, MUL = 18, RELU = 19,
    RELU6 = 21, RESHAPE = 22, SOFTMAX = 25, TANH = 28, PAD = 34, TRANSPOSE = 39, MEAN = 40, SUB = 41, DIV = 42,
    SQUEEZE = 43, EXP = 47, LOG_SOFTMAX = 50, CAST = 53, PRELU = 54, MAXIMUM = 55, MINIMUM = 57, LESS = 58, NEG = 59,
    PADV2 = 60, GREATER = 61, GREATER_EQUAL = 62, LESS_EQUAL = 63, SIN = 66, EXPAND_DIMS = 70, EQUAL = 71,
    NOT_EQUAL = 72, LOG = 73, SUM = 74, SQRT = 75, RSQRT = 76, REDUCE_MAX = 82, LOGICAL_OR = 84, LOGICAL_AND = 86,
    LOGICAL_NOT = 87, REDUCE_MIN = 89, FLOOR_DIV = 90, SQUARE = 92, ZEROS_LIKE = 93, FLOOR_MOD = 95, LEAKY_RELU = 98,
    SQUARED_DIFFERENCE = 99, ABS = 101, CEIL = 104, COS = 108, ELU = 111, QUANTIZE = 114, ROUND = 116,
    HARD_SWISH = 117,
};

enum { FLOAT32 = 0, INT32 = 2, INT64 = 4, INT16 = 7, INT8 = 9, INT4 = 17 };

typedef struct {
    tflite_t *m;
    const tflite_operator_t *op;
    int code;
    tflite_tensor_t in[3], out;
    bool has[3], has_out;
} call_t;

// BuiltinOptions.
enum { CONV_2D_OPTIONS = 1, DEPTHWISE_OPTIONS = 2, POOL_OPTIONS = 5, CONCATENATION_OPTIONS = 10 };

static bool has_options(call_t *c, int type) {
    return tflite_options_type(c->m, c->op) == type;
}

static int32_t option(call_t *c, unsigned id, unsigned size, int32_t otherwise) {
    return tflite_option(c->m, c->op, id, size, otherwise);
}

static int32_t dim(const tflite_tensor_t *t, int i) {
    return tflite_dim(t, (unsigned)i);
}

static bool same_shape(const tflite_tensor_t *a, const tflite_tensor_t *b) {
    for (int i = 0; i < a->rank && a->rank == b->rank; ++i) {
        if (dim(a, i) != dim(b, i)) {
            return false;
        }
    }
    return a->rank == b->rank;
}

static bool unary(call_t *c, bool converts) {
    return c->has[0] && c->has_out && c->in[0].count == c->out.count && (converts || c->in[0].type == c->out.type);
}

// The shape that a tensor has when broadcast: dimensions count from the last one.
static int32_t dim_from_end(const tflite_tensor_t *t, int i) {
    return i < t->rank ? dim(t, t->rank - 1 - i) : 1;
}

static bool binary(call_t *c, bool compares) {
    if (!c->has[0] || !c->has[1] || !c->has_out || c->in[0].type != c->in[1].type || (!compares && c->out.type != c->in[0].type)) {
        return false;
    }
    const tflite_tensor_t *a = &c->in[0], *b = &c->in[1];
    int rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < rank; ++i) {
        int32_t x = dim_from_end(a, i), y = dim_from_end(b, i);
        if ((x != y && x != 1 && y != 1) || dim_from_end(&c->out, i) != (x == 1 ? y : x)) {
            return false;
        }
    }
    return c->out.rank == rank;
}

// Weights and bias go with the input's type.
static bool weights_fit(call_t *c, uint32_t channels) {
    int in = c->in[0].type, weights = c->in[1].type;
    bool quantized = in == INT8 || in == INT16;
    if (c->out.type != in || (quantized ? weights != INT8 && weights != INT4 : weights != in)) {
        return false;
    }
    if (quantized && (c->in[0].scales == 0 || c->in[1].scales == 0 || c->out.scales == 0)) {
        return false;
    }
    if (!c->has[2]) {
        return true;
    }
    int bias = c->in[2].type;
    return c->in[2].count == channels && (in == INT8 ? bias == INT32 : in == INT16 ? bias == INT32 || bias == INT64 : bias == in);
}

static bool fully_connected(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *weights = &c->in[1];
    if (!c->has[0] || !c->has[1] || !c->has_out || weights->rank != 2 || dim(weights, 1) == 0 || c->out.rank == 0) {
        return false;
    }
    uint32_t channels = (uint32_t)dim(weights, 0), depth = (uint32_t)dim(weights, 1);
    return in->count % depth == 0 && c->out.count == (uint64_t)(in->count / depth) * channels
        && dim_from_end(&c->out, 0) == (int32_t)channels && weights_fit(c, channels)
        && (in->type != FLOAT32 || c->in[1].type == FLOAT32);
}

static bool window_fits(int32_t in, int32_t out, int32_t size, int32_t stride, int32_t dilation, int32_t padding) {
    if (in < 1 || size < 1 || stride < 1 || dilation < 1 || size > (1 << 20) / dilation || stride > 1 << 20) {
        return false;
    }
    int32_t covered = padding == 0 ? in : in - (size - 1) * dilation; // 0 is SAME
    return covered > 0 && out == (covered + stride - 1) / stride;
}

static bool images(call_t *c) {
    return c->has[0] && c->has_out && c->in[0].rank == 4 && c->out.rank == 4 && dim(&c->in[0], 0) == dim(&c->out, 0);
}

static bool convolution(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *w = &c->in[1], *out = &c->out;
    bool depthwise = c->code == DEPTHWISE_CONV_2D;
    if (!images(c) || !c->has[1] || w->rank != 4 || !has_options(c, depthwise ? DEPTHWISE_OPTIONS : CONV_2D_OPTIONS)) {
        return false;
    }
    int32_t in_c = dim(in, 3), out_c = dim(out, 3);
    if (depthwise) {
        int32_t multiplier = option(c, 3, 4, 0);
        if (c->op->inputs == 3 && !c->has[2]) {
            return false; // TFLM's kernel does not expect this
        }
        if (dim(w, 0) != 1 || dim(w, 3) != out_c || in_c < 1 || multiplier < 1 || out_c / in_c != multiplier
            || out_c % in_c) {
            return false;
        }
    } else if (dim(w, 0) != out_c || dim(w, 3) < 1 || in_c % dim(w, 3) || in_c < 1 || out_c % (in_c / dim(w, 3))) {
        return false;
    }
    int32_t padding = option(c, 0, 1, 0);
    unsigned dilation = depthwise ? 5 : 4;
    return padding <= 1 && weights_fit(c, (uint32_t)out_c)
        && window_fits(dim(in, 1), dim(out, 1), dim(w, 1), option(c, 2, 4, 0), option(c, dilation + 1, 4, 1), padding)
        && window_fits(dim(in, 2), dim(out, 2), dim(w, 2), option(c, 1, 4, 0), option(c, dilation, 4, 1), padding);
}

static bool pool(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *out = &c->out;
    int32_t padding = option(c, 0, 1, 0);
    return images(c) && has_options(c, POOL_OPTIONS) && dim(in, 3) == dim(out, 3) && in->type == out->type && padding <= 1
        && window_fits(dim(in, 1), dim(out, 1), option(c, 4, 4, 0), option(c, 2, 4, 0), 1, padding)
        && window_fits(dim(in, 2), dim(out, 2), option(c, 3, 4, 0), option(c, 1, 4, 0), 1, padding);
}

static bool concatenation(call_t *c) {
    if (!c->has_out || !has_options(c, CONCATENATION_OPTIONS)) {
        return false;
    }
    int32_t axis = option(c, 0, 4, 0), total = 0;
    axis += axis < 0 ? c->out.rank : 0;
    if (axis < 0 || axis >= c->out.rank) {
        return false;
    }
    for (uint32_t k = 0; k < c->op->inputs; ++k) {
        tflite_tensor_t t;
        if (!tflite_operand(c->m, c->op, false, k, &t) || t.rank != c->out.rank || t.type != c->out.type) {
            return false;
        }
        for (int i = 0; i < t.rank; ++i) {
            if (i != axis && dim(&t, i) != dim(&c->out, i)) {
                return false;
            }
        }
        total += dim(&t, axis);
    }
    return total == dim(&c->out, axis);
}

static int32_t constant(const tflite_tensor_t *t, uint32_t i) {
    const uint8_t *p = t->data + 4 * i;
    return (int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
}

static bool reduction(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *axes = &c->in[1];
    if (!c->has[0] || !c->has[1] || !c->has_out || in->type != c->out.type || axes->type != INT32 || axes->data == NULL) {
        return false;
    }
    unsigned reduced = 0;
    for (uint32_t i = 0; i < axes->count; ++i) {
        int32_t axis = constant(axes, i);
        axis += axis < 0 ? in->rank : 0;
        if (axis < 0 || axis >= in->rank) {
            return false;
        }
        reduced |= 1u << axis;
    }
    uint32_t count = 1;
    for (int i = 0; i < in->rank; ++i) {
        count *= reduced >> i & 1 ? 1u : (uint32_t)dim(in, i);
    }
    return axes->count <= in->rank && count == c->out.count && in->count > 0;
}

static bool padding(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *pads = &c->in[1];
    if (!c->has[0] || !c->has[1] || !c->has_out || in->type != c->out.type || pads->type != INT32 || pads->data == NULL
        || pads->count != 2u * in->rank || in->rank != c->out.rank || (c->has[2] && c->in[2].type != in->type)) {
        return false;
    }
    for (int i = 0; i < in->rank; ++i) {
        int32_t before = constant(pads, 2u * (unsigned)i), after = constant(pads, 2u * (unsigned)i + 1);
        if (before < 0 || after < 0 || before > 1 << 28 || after > 1 << 28 || dim(in, i) + before + after != dim(&c->out, i)) {
            return false;
        }
    }
    return true;
}

static bool transpose(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *order = &c->in[1];
    if (!c->has[0] || !c->has[1] || !c->has_out || in->type != c->out.type || order->type != INT32 || order->data == NULL
        || order->count != in->rank || in->rank != c->out.rank) {
        return false;
    }
    unsigned seen = 0;
    for (int i = 0; i < in->rank; ++i) {
        int32_t from = constant(order, (uint32_t)i);
        if (from < 0 || from >= in->rank || dim(&c->out, i) != dim(in, from)) {
            return false;
        }
        seen |= 1u << from;
    }
    return seen + 1 == 1u << in->rank;
}

static bool fits(call_t *c) {
    switch (c->code) {
        case LOGISTIC: case RELU: case RELU6: case TANH: case FLOOR: case L2_NORMALIZATION: case EXP: case LOG_SOFTMAX:
        case NEG: case SIN: case LOG: case SQRT: case RSQRT: case LOGICAL_NOT: case SQUARE: case ZEROS_LIKE:
        case LEAKY_RELU: case ABS: case CEIL: case COS: case ELU: case ROUND: case HARD_SWISH:
            return unary(c, false) && same_shape(&c->in[0], &c->out);
        case SOFTMAX:
            return unary(c, true) && same_shape(&c->in[0], &c->out) && c->out.rank > 0
                && (c->out.type == c->in[0].type || (c->in[0].type == INT8 && c->out.type == INT16));
        case RESHAPE: case SQUEEZE: case EXPAND_DIMS:
            return unary(c, false);
        case CAST: case QUANTIZE: case DEQUANTIZE:
            return unary(c, true) && same_shape(&c->in[0], &c->out);
        case ADD: case MUL: case SUB: case DIV: case PRELU: case MAXIMUM: case MINIMUM: case LOGICAL_OR: case LOGICAL_AND:
        case FLOOR_DIV: case FLOOR_MOD: case SQUARED_DIFFERENCE:
            return binary(c, false);
        case LESS: case GREATER: case GREATER_EQUAL: case LESS_EQUAL: case EQUAL: case NOT_EQUAL:
            return binary(c, true);
        case FULLY_CONNECTED:
            return fully_connected(c);
        case CONV_2D: case DEPTHWISE_CONV_2D:
            return convolution(c);
        case AVERAGE_POOL_2D: case MAX_POOL_2D: case L2_POOL_2D:
            return pool(c);
        case CONCATENATION:
            return concatenation(c);
        case MEAN: case SUM: case REDUCE_MAX: case REDUCE_MIN:
            return reduction(c);
        case PAD: case PADV2:
            return padding(c);
        case TRANSPOSE:
            return transpose(c);
        default:
            return true;
    }
}

bool tflite_shapes_fit(tflite_t *m, const tflite_operator_t *op, int code) {
    call_t c = {.m = m, .op = op, .code = code};
    for (unsigned i = 0; i < 3; ++i) {
        c.has[i] = tflite_operand(m, op, false, i, &c.in[i]);
    }
    c.has_out = tflite_operand(m, op, true, 0, &c.out);
    return fits(&c) && !m->bad;
}
