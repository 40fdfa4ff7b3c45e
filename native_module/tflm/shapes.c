// SPDX-License-Identifier: MIT
//
// TFLM's kernels take it on trust that the shapes of their operands fit together. Here they are compared
// for the operators that sensor models are made of; what is not listed passes.

#include "tflite.h"

// BuiltinOperator.
enum {
    ADD = 0, AVERAGE_POOL_2D = 1, CONCATENATION = 2, CONV_2D = 3, DEPTHWISE_CONV_2D = 4, DEPTH_TO_SPACE = 5,
    DEQUANTIZE = 6, EMBEDDING_LOOKUP = 7, FLOOR = 8,
    FULLY_CONNECTED = 9, L2_NORMALIZATION = 11, L2_POOL_2D = 12, LOGISTIC = 14, MAX_POOL_2D = 17, MUL = 18, RELU = 19,
    RELU6 = 21, RESHAPE = 22, RESIZE_BILINEAR = 23, SOFTMAX = 25, SPACE_TO_DEPTH = 26, SVDF = 27, TANH = 28, PAD = 34, GATHER = 36,
    BATCH_TO_SPACE_ND = 37, SPACE_TO_BATCH_ND = 38, TRANSPOSE = 39, MEAN = 40, SUB = 41, DIV = 42, SQUEEZE = 43,
    UNIDIRECTIONAL_SEQUENCE_LSTM = 44, STRIDED_SLICE = 45, EXP = 47, SPLIT = 49, LOG_SOFTMAX = 50, CAST = 53, PRELU = 54, MAXIMUM = 55, ARG_MAX = 56,
    MINIMUM = 57, LESS = 58, NEG = 59, PADV2 = 60, GREATER = 61, GREATER_EQUAL = 62, LESS_EQUAL = 63, SLICE = 65,
    SIN = 66, TRANSPOSE_CONV = 67, EXPAND_DIMS = 70, EQUAL = 71, NOT_EQUAL = 72, LOG = 73, SUM = 74, SQRT = 75,
    RSQRT = 76, SHAPE = 77, ARG_MIN = 79, REDUCE_MAX = 82, PACK = 83, LOGICAL_OR = 84, LOGICAL_AND = 86,
    LOGICAL_NOT = 87, UNPACK = 88, REDUCE_MIN = 89, FLOOR_DIV = 90, SQUARE = 92, ZEROS_LIKE = 93, FILL = 94, FLOOR_MOD = 95,
    RESIZE_NEAREST_NEIGHBOR = 97, LEAKY_RELU = 98, SQUARED_DIFFERENCE = 99, MIRROR_PAD = 100, ABS = 101, SPLIT_V = 102,
    CEIL = 104, REVERSE_V2 = 105, ADD_N = 106, GATHER_ND = 107, COS = 108, ELU = 111, QUANTIZE = 114, ROUND = 116,
    HARD_SWISH = 117, SELECT_V2 = 123, BATCH_MATMUL = 126, CUMSUM = 128, BROADCAST_TO = 130, REDUCE_ALL = 140, BROADCAST_ARGS = 145,
    DYNAMIC_UPDATE_SLICE = 151,
};

enum { FLOAT32 = 0, INT32 = 2, INT64 = 4, BOOL = 6, INT16 = 7, INT8 = 9, INT4 = 17 };

typedef struct {
    tflite_t *m;
    const tflite_operator_t *op;
    int code;
    tflite_tensor_t in[3], out;
    bool has[3], has_out;
} call_t;

// BuiltinOptions.
enum {
    CONV_2D_OPTIONS = 1, DEPTHWISE_OPTIONS = 2, POOL_OPTIONS = 5, SVDF_OPTIONS = 6, CONCATENATION_OPTIONS = 10,
    BILINEAR_OPTIONS = 15, SPACE_TO_DEPTH_OPTIONS = 19, GATHER_OPTIONS = 23, STRIDED_SLICE_OPTIONS = 32, SPLIT_OPTIONS = 35,
    TRANSPOSE_CONV_OPTIONS = 49, PACK_OPTIONS = 59, UNPACK_OPTIONS = 64, NEAREST_OPTIONS = 74,
    SEQUENCE_LSTM_OPTIONS = 71, SPLIT_V_OPTIONS = 79, DEPTH_TO_SPACE_OPTIONS = 94, BATCH_MATMUL_OPTIONS = 101,
};

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
    if (!c->has[0] || !c->has[1] || !c->has_out || c->in[0].type != c->in[1].type
        || (!compares && c->out.type != c->in[0].type)) {
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
    bool fits = in == INT8 ? bias == INT32 : in == INT16 ? bias == INT32 || bias == INT64 : bias == in;
    return fits && c->in[2].count == channels;
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
    return images(c) && has_options(c, POOL_OPTIONS) && dim(in, 3) == dim(out, 3) && in->type == out->type
        && padding <= 1
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

// Number i of a constant of integers; what is too large for any use is INT32_MIN.
static int32_t constant(const tflite_tensor_t *t, uint32_t i) {
    bool wide = t->type == INT64;
    const uint8_t *p = t->data + (wide ? 8 : 4) * i;
    int32_t n = (int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
    return wide && (p[7] != (n < 0 ? 255 : 0) || p[4] != p[7]) ? INT32_MIN : n;
}

static bool is_constant(call_t *c, unsigned i, int rank) {
    const tflite_tensor_t *t = &c->in[i];
    return c->has[i] && (t->type == INT32 || t->type == INT64) && t->data && (rank < 0 || t->rank == rank);
}

// What a kernel reads from it when it runs cannot be checked here. Only SLICE does that.
static bool is_computed(call_t *c, unsigned i) {
    return c->has[i] && c->in[i].data == NULL;
}

static bool reduction(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *axes = &c->in[1];
    if (!c->has[0] || !c->has_out || in->type != c->out.type || !is_constant(c, 1, -1)) {
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
    if (!c->has[0] || !c->has_out || in->type != c->out.type || !is_constant(c, 1, 2)
        || pads->count != 2u * in->rank || in->rank != c->out.rank || (c->has[2] && c->in[2].type != in->type)) {
        return false;
    }
    for (int i = 0; i < in->rank; ++i) {
        int32_t before = constant(pads, 2u * (unsigned)i), after = constant(pads, 2u * (unsigned)i + 1);
        int32_t most = c->code == MIRROR_PAD ? dim(in, i) : 1 << 28;
        if (before < 0 || after < 0 || before > most || after > most
            || dim(in, i) + before + after != dim(&c->out, i)) {
            return false;
        }
    }
    return true;
}

static bool transpose(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *order = &c->in[1];
    if (!c->has[0] || !c->has_out || in->type != c->out.type || !is_constant(c, 1, 1) || order->count != in->rank
        || in->rank != c->out.rank) {
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

// An axis in a constant, or an option; -1 where it is none of the rank's.
static int axis_of(int32_t axis, int rank) {
    return axis >= -rank && axis < rank ? (int)(axis < 0 ? axis + rank : axis) : -1;
}

static bool same_but(const tflite_tensor_t *a, const tflite_tensor_t *b, int axis) {
    for (int i = 0; i < a->rank && a->rank == b->rank; ++i) {
        if (i != axis && dim(a, i) != dim(b, i)) {
            return false;
        }
    }
    return a->rank == b->rank && a->type == b->type;
}

// SPLIT has the axis first, SPLIT_V the data.
static bool split(call_t *c) {
    bool sizes = c->code == SPLIT_V;
    unsigned data = sizes ? 0 : 1, place = sizes ? 2 : 0;
    if (!c->has[data] || !is_constant(c, place, -1) || c->in[place].count != 1 || (sizes && !is_constant(c, 1, 1))
        || !has_options(c, sizes ? SPLIT_V_OPTIONS : SPLIT_OPTIONS) || option(c, 0, 4, 0) != (int32_t)c->op->outputs) {
        return false;
    }
    int axis = axis_of(constant(&c->in[place], 0), c->in[data].rank);
    int32_t total = 0;
    for (uint32_t k = 0; k < c->op->outputs; ++k) {
        tflite_tensor_t t;
        tflite_operand(c->m, c->op, true, k, &t);
        if (axis < 0 || !same_but(&t, &c->in[data], axis) || (!sizes && dim(&t, axis) != dim(&c->out, axis))
            || (sizes && (k >= c->in[1].count || constant(&c->in[1], k) != dim(&t, axis)))) {
            return false;
        }
        total += dim(&t, axis);
    }
    return c->op->outputs > 0 && total == dim(&c->in[data], axis);
}

// All operands of the many side have the shape of the other one, without its axis.
static bool pack(call_t *c) {
    bool packs = c->code == PACK;
    const tflite_tensor_t *whole = packs ? &c->out : &c->in[0];
    uint32_t n = packs ? c->op->inputs : c->op->outputs;
    if (!c->has[0] || !c->has_out || !has_options(c, packs ? PACK_OPTIONS : UNPACK_OPTIONS)
        || option(c, 0, 4, 0) != (int32_t)n) {
        return false;
    }
    int axis = axis_of(option(c, 1, 4, 0), whole->rank);
    for (uint32_t k = 0; k < n; ++k) {
        tflite_tensor_t t;
        if (axis < 0 || !tflite_operand(c->m, c->op, !packs, k, &t) || t.rank + 1 != whole->rank
            || t.type != whole->type) {
            return false;
        }
        for (int i = 0; i < t.rank; ++i) {
            if (dim(&t, i) != dim(whole, i + (i >= axis))) {
                return false;
            }
        }
    }
    return axis >= 0 && dim(whole, axis) == (int32_t)n;
}

static bool gather(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *at = &c->in[1], *out = &c->out;
    if (!c->has[0] || !c->has[1] || !c->has_out || in->type != out->type || at->type != INT32
        || !has_options(c, GATHER_OPTIONS)) {
        return false;
    }
    int axis = axis_of(option(c, 0, 4, 0), in->rank);
    int32_t batch = option(c, 1, 4, 0);
    batch += batch < 0 ? at->rank : 0;
    if (axis < 0 || batch < 0 || batch > axis || batch > at->rank || out->rank != in->rank + at->rank - 1 - batch) {
        return false;
    }
    int k = 0;
    for (int i = 0; i < axis; ++i) {
        if (dim(out, k++) != dim(in, i) || (i < batch && dim(at, i) != dim(in, i))) {
            return false;
        }
    }
    for (int i = batch; i < at->rank; ++i) {
        if (dim(out, k++) != dim(at, i)) {
            return false;
        }
    }
    for (int i = axis + 1; i < in->rank; ++i) {
        if (dim(out, k++) != dim(in, i)) {
            return false;
        }
    }
    return true;
}

static bool gather_nd(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *at = &c->in[1];
    if (!c->has[0] || !c->has[1] || !c->has_out || in->type != c->out.type || at->type != INT32 || at->rank == 0) {
        return false;
    }
    int depth = dim(at, at->rank - 1);
    if (depth < 1 || depth > in->rank || in->count == 0) {
        return false;
    }
    uint64_t count = at->count / (unsigned)depth;
    for (int i = depth; i < in->rank; ++i) {
        count *= (uint32_t)dim(in, i);
    }
    return count == c->out.count && c->out.rank == at->rank - 1 + in->rank - depth;
}

static bool resize(call_t *c) {
    bool bilinear = c->code == RESIZE_BILINEAR;
    return images(c) && is_constant(c, 1, 1) && c->in[1].count == 2
        && has_options(c, bilinear ? BILINEAR_OPTIONS : NEAREST_OPTIONS) && c->in[0].type == c->out.type
        && dim(&c->in[0], 3) == dim(&c->out, 3) && constant(&c->in[1], 0) == dim(&c->out, 1)
        && constant(&c->in[1], 1) == dim(&c->out, 2) && c->in[0].count > 0 && c->out.count > 0;
}

// The block is an option; the other tensor is the deep one.
static bool depth_space(call_t *c) {
    bool to_depth = c->code == SPACE_TO_DEPTH;
    int32_t block = option(c, 0, 4, 0);
    if (!images(c) || !has_options(c, to_depth ? SPACE_TO_DEPTH_OPTIONS : DEPTH_TO_SPACE_OPTIONS)
        || block < 1 || block > 1 << 14 || c->in[0].type != c->out.type) {
        return false;
    }
    const tflite_tensor_t *wide = to_depth ? &c->in[0] : &c->out, *deep = to_depth ? &c->out : &c->in[0];
    return dim(wide, 1) == dim(deep, 1) * block && dim(wide, 2) == dim(deep, 2) * block
        && dim(deep, 3) == dim(wide, 3) * block * block;
}

static bool batch_space(call_t *c) {
    bool to_batch = c->code == SPACE_TO_BATCH_ND;
    const tflite_tensor_t *in = &c->in[0], *block = &c->in[1], *pads = &c->in[2], *out = &c->out;
    if (!c->has[0] || !c->has_out || !is_constant(c, 1, 1) || !is_constant(c, 2, 2) || in->type != out->type
        || in->rank != out->rank || in->rank < 3 || in->rank > 4 || block->count != in->rank - 2u
        || pads->count != 2 * block->count || dim(in, in->rank - 1) != dim(out, in->rank - 1)) {
        return false;
    }
    int64_t blocks = 1;
    for (uint32_t i = 0; i < block->count; ++i) {
        int32_t size = constant(block, i), before = constant(pads, 2 * i), after = constant(pads, 2 * i + 1);
        if (size < 1 || size > 1 << 14 || before < 0 || after < 0 || before > 1 << 20 || after > 1 << 20) {
            return false;
        }
        blocks *= size;
        int64_t small = dim(to_batch ? out : in, (int)i + 1), large = dim(to_batch ? in : out, (int)i + 1);
        if (small * size != large + before + after) {
            return false;
        }
    }
    return to_batch ? dim(out, 0) == dim(in, 0) * blocks : dim(in, 0) == dim(out, 0) * blocks;
}

static bool slice(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *out = &c->out;
    if (is_computed(c, 1) || is_computed(c, 2)) {
        return true;
    }
    if (!c->has[0] || !c->has_out || !is_constant(c, 1, 1) || !is_constant(c, 2, 1) || in->type != out->type
        || in->rank != out->rank || c->in[1].count != in->rank || c->in[2].count != in->rank || in->rank > 5) {
        return false;
    }
    for (int i = 0; i < in->rank; ++i) {
        int32_t begin = constant(&c->in[1], (uint32_t)i), size = constant(&c->in[2], (uint32_t)i);
        if (begin < 0 || begin > dim(in, i) || dim(out, i) > dim(in, i) - begin
            || dim(out, i) != (size == -1 ? dim(in, i) - begin : size)) {
            return false;
        }
    }
    return true;
}

// Begin, end and strides; TFLM compares the output's shape with what comes of them and of the masks.
static bool strided_slice(call_t *c) {
    tflite_tensor_t strides;
    if (!c->has[0] || !c->has_out || !is_constant(c, 1, 1) || !is_constant(c, 2, 1) || c->in[0].type != c->out.type
        || !tflite_operand(c->m, c->op, false, 3, &strides) || strides.type != INT32 || strides.data == NULL
        || strides.rank != 1 || !has_options(c, STRIDED_SLICE_OPTIONS) || c->in[0].rank > 5) {
        return false;
    }
    uint32_t n = c->in[1].count;
    for (uint32_t i = 0; i < strides.count; ++i) {
        if (constant(&strides, i) == 0 || constant(&strides, i) == INT32_MIN) {
            return false;
        }
    }
    return n == c->in[2].count && n == strides.count && n <= c->in[0].rank && c->out.count <= c->in[0].count
        && option(c, 2, 4, 0) == 0 && option(c, 3, 4, 0) == 0; // ellipsis and new axes: TFLM has neither
}

static bool transpose_convolution(call_t *c) {
    tflite_tensor_t bias;
    const tflite_tensor_t *w = &c->in[1], *in = &c->in[2], *out = &c->out;
    if (!is_constant(c, 0, 1) || c->in[0].count != 4 || !c->has[1] || !c->has[2] || !c->has_out || w->rank != 4
        || in->rank != 4 || out->rank != 4 || in->type != out->type || !has_options(c, TRANSPOSE_CONV_OPTIONS)) {
        return false;
    }
    for (int i = 0; i < 4; ++i) {
        if (constant(&c->in[0], (uint32_t)i) != dim(out, i)) {
            return false;
        }
    }
    int32_t padding = option(c, 0, 1, 0), stride_w = option(c, 1, 4, 0), stride_h = option(c, 2, 4, 0);
    bool has_bias = tflite_operand(c->m, c->op, false, 3, &bias);
    bool quantized = in->type == INT8 || in->type == INT16;
    return (c->op->inputs == 3 || has_bias) && dim(w, 0) == dim(out, 3) && dim(w, 3) == dim(in, 3)
        && dim(in, 0) == dim(out, 0) && w->type == (quantized ? INT8 : in->type) && padding <= 1
        && (!quantized || (in->scales && w->scales && out->scales))
        && (!has_bias || (bias.count == (uint32_t)dim(w, 0)
            && (quantized ? bias.type == INT32 || (in->type == INT16 && bias.type == INT64) : bias.type == in->type)))
        && window_fits(dim(out, 1), dim(in, 1), dim(w, 1), stride_h, 1, padding)
        && window_fits(dim(out, 2), dim(in, 2), dim(w, 2), stride_w, 1, padding);
}

static bool arg_extreme(call_t *c) {
    const tflite_tensor_t *in = &c->in[0];
    if (!c->has[0] || !c->has_out || !is_constant(c, 1, -1) || c->in[1].count != 1 || c->out.type != INT32) {
        return false;
    }
    int axis = axis_of(constant(&c->in[1], 0), in->rank);
    return axis >= 0 && dim(in, axis) > 0 && c->out.count == in->count / (uint32_t)dim(in, axis);
}

static bool all_alike(call_t *c) {
    for (uint32_t k = 0; k < c->op->inputs; ++k) {
        tflite_tensor_t t;
        if (!tflite_operand(c->m, c->op, false, k, &t) || t.type != c->out.type || !same_shape(&t, &c->out)) {
            return false;
        }
    }
    return c->has_out && c->op->inputs > 0;
}

static bool broadcasts_to(const tflite_tensor_t *t, const tflite_tensor_t *out) {
    for (int i = 0; i < t->rank; ++i) {
        int32_t n = dim_from_end(t, i);
        if (n != 1 && n != dim_from_end(out, i)) {
            return false;
        }
    }
    return t->rank <= out->rank;
}

static bool select(call_t *c) {
    if (!c->has[0] || !c->has[1] || !c->has[2] || !c->has_out || c->in[1].type != c->out.type
        || c->in[2].type != c->out.type || c->in[0].type != BOOL || c->out.rank > 5) {
        return false;
    }
    for (int i = 0; i < c->out.rank; ++i) {
        int32_t n = dim_from_end(&c->out, i);
        if (n != dim_from_end(&c->in[0], i) && n != dim_from_end(&c->in[1], i) && n != dim_from_end(&c->in[2], i)) {
            return false;
        }
    }
    return broadcasts_to(&c->in[0], &c->out) && broadcasts_to(&c->in[1], &c->out) && broadcasts_to(&c->in[2], &c->out);
}

static bool broadcast_to(call_t *c) {
    if (!c->has[0] || !is_constant(c, 1, 1) || !c->has_out || c->in[0].type != c->out.type
        || c->in[1].count != c->out.rank || c->out.rank > 5) {
        return false;
    }
    for (int i = 0; i < c->out.rank; ++i) {
        if (constant(&c->in[1], (uint32_t)i) != dim(&c->out, i)) {
            return false;
        }
    }
    return broadcasts_to(&c->in[0], &c->out);
}

// The same shape goes out; the second input names an axis, or several.
static bool along_axes(call_t *c) {
    if (!unary(c, false) || !same_shape(&c->in[0], &c->out) || !is_constant(c, 1, -1)
        || c->in[1].count > (c->code == CUMSUM ? 1u : c->in[0].rank) || c->in[1].count == 0) {
        return false;
    }
    unsigned seen = 0;
    for (uint32_t i = 0; i < c->in[1].count; ++i) {
        int axis = axis_of(constant(&c->in[1], i), c->in[0].rank);
        if (axis < 0 || seen >> axis & 1) {
            return false;
        }
        seen |= 1u << axis;
    }
    return true;
}

static bool update(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *part = &c->in[1], *at = &c->in[2];
    if (!unary(c, false) || !same_shape(in, &c->out) || !c->has[1] || !c->has[2] || part->type != in->type
        || part->rank != in->rank || (at->type != INT32 && at->type != INT64) || at->rank != 1
        || at->count != in->rank) {
        return false;
    }
    for (int i = 0; i < in->rank; ++i) {
        if (dim(part, i) > dim(in, i)) {
            return false;
        }
    }
    return true;
}

static bool lookup(call_t *c) {
    const tflite_tensor_t *at = &c->in[0], *table = &c->in[1];
    if (!c->has[0] || !c->has[1] || !c->has_out || at->type != INT32 || at->rank != 1 || table->rank < 2
        || c->out.rank != table->rank || dim(&c->out, 0) != dim(at, 0)) {
        return false;
    }
    for (int i = 1; i < table->rank; ++i) {
        if (dim(&c->out, i) != dim(table, i)) {
            return false;
        }
    }
    return table->type == c->out.type || (table->type == INT8 && c->out.type == FLOAT32);
}

static bool is_matrix(const tflite_tensor_t *t, int type, uint32_t rows, uint32_t columns) {
    return t->type == type && t->rank == 2 && (uint32_t)dim(t, 0) == rows && (uint32_t)dim(t, 1) == columns;
}

// What the operator keeps from one invocation to the next, which must not lie in the model.
static bool is_state(const tflite_tensor_t *t) {
    return t->variable && t->data == NULL;
}

// Input (batch, inputs), weights (filters, inputs) and (filters, memory), bias (units), state (batch, filters *
// memory); units are filters / rank.
static bool svdf(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *feature = &c->in[1], *time = &c->in[2];
    tflite_tensor_t bias, state;
    if (!c->has[0] || !c->has[1] || !c->has[2] || !c->has_out || c->op->inputs != 5 || !has_options(c, SVDF_OPTIONS)
        || !tflite_operand(c->m, c->op, false, 3, &bias) || !tflite_operand(c->m, c->op, false, 4, &state)
        || in->rank != 2 || feature->rank != 2 || time->rank != 2 || !is_state(&state)) {
        return false;
    }
    uint32_t batch = (uint32_t)dim(in, 0), filters = (uint32_t)dim(feature, 0), memory = (uint32_t)dim(time, 1);
    int32_t rank = option(c, 0, 4, 0);
    if (rank < 1 || batch == 0 || filters == 0 || memory == 0 || filters % (uint32_t)rank
        || (uint64_t)batch * filters * memory != state.count) {
        return false;
    }
    uint32_t units = filters / (uint32_t)rank;
    bool quantized = in->type == INT8;
    int narrow = quantized ? INT8 : FLOAT32, wide = quantized ? INT32 : FLOAT32;
    return (quantized ? time->type == INT8 || time->type == INT16 : in->type == FLOAT32)
        && (!quantized || (in->scales && feature->scales && time->scales && state.scales && bias.scales && c->out.scales))
        && is_matrix(feature, narrow, filters, (uint32_t)dim(in, 1))
        && is_matrix(time, quantized ? time->type : FLOAT32, filters, memory)
        && is_matrix(&state, time->type, batch, memory * filters) && is_matrix(&c->out, narrow, batch, units)
        && bias.type == wide && bias.rank == 1 && bias.count == units;
}

// The inputs of an LSTM as TFLM numbers them. Peepholes, projection and layer normalization it does not have.
enum { LSTM_INPUT_WEIGHTS = 1, LSTM_STATE_WEIGHTS = 5, LSTM_PEEPHOLES = 9, LSTM_BIASES = 12, LSTM_PROJECTION = 16,
       LSTM_HIDDEN = 18, LSTM_CELL = 19, LSTM_NORMALIZATION = 20, LSTM_INPUTS = 24 };

static bool lstm(call_t *c) {
    const tflite_tensor_t *in = &c->in[0], *out = &c->out;
    tflite_tensor_t t[LSTM_INPUTS], *hidden = &t[LSTM_HIDDEN], *cell = &t[LSTM_CELL];
    if (!c->has[0] || !c->has_out || c->op->inputs != LSTM_INPUTS || !has_options(c, SEQUENCE_LSTM_OPTIONS)
        || in->rank != 3 || out->rank != 3) {
        return false;
    }
    for (unsigned k = 1; k < LSTM_INPUTS; ++k) {
        bool optional = (k >= LSTM_PEEPHOLES && k < LSTM_BIASES) || (k >= LSTM_PROJECTION && k < LSTM_HIDDEN)
            || k >= LSTM_NORMALIZATION;
        if (tflite_operand(c->m, c->op, false, k, &t[k]) == optional) {
            return false;
        }
    }
    bool quantized = in->type != FLOAT32, time_major = option(c, 3, 1, 0) != 0;
    int weights = quantized ? INT8 : FLOAT32, cells = quantized ? INT16 : FLOAT32;
    int bias = in->type == INT16 ? INT64 : quantized ? INT32 : FLOAT32;
    uint32_t batch = (uint32_t)dim(in, time_major), inputs = (uint32_t)dim(in, 2), state = (uint32_t)dim(out, 2);
    if ((in->type != FLOAT32 && in->type != INT8 && in->type != INT16) || out->type != in->type || batch == 0
        || inputs == 0 || state == 0 || dim(out, 0) != dim(in, 0) || dim(out, 1) != dim(in, 1) || in->count == 0
        || !is_state(hidden) || !is_state(cell) || !is_matrix(hidden, in->type, batch, state)
        || !is_matrix(cell, cells, batch, state)
        || (quantized && (!in->scales || !out->scales || !hidden->scales || !cell->scales || !(cell->scale > 0)))) {
        return false;
    }
    for (unsigned k = 0; k < 4; ++k) { // the gates
        const tflite_tensor_t *w = &t[LSTM_INPUT_WEIGHTS + k], *u = &t[LSTM_STATE_WEIGHTS + k], *b = &t[LSTM_BIASES + k];
        if (!is_matrix(w, weights, state, inputs) || !is_matrix(u, weights, state, state)
            || b->type != bias || b->rank != 1 || b->count != state || (quantized && (!w->scales || !u->scales))) {
            return false;
        }
    }
    return true;
}

static bool batch_matmul(call_t *c) {
    const tflite_tensor_t *x = &c->in[0], *y = &c->in[1], *out = &c->out;
    int rank = x->rank > y->rank ? x->rank : y->rank;
    if (!c->has[0] || !c->has[1] || !c->has_out || !has_options(c, BATCH_MATMUL_OPTIONS) || x->rank < 2 || y->rank < 2
        || rank > 5 || out->rank != rank || y->type != x->type || out->type != x->type
        || (x->type != FLOAT32 && x->type != INT8 && x->type != INT16) || x->count == 0 || y->count == 0
        || (x->type != FLOAT32 && (!x->scales || !y->scales || !out->scales))) {
        return false;
    }
    int adj_x = option(c, 0, 1, 0) != 0, adj_y = option(c, 1, 1, 0) != 0;
    if (dim_from_end(x, adj_x) != dim_from_end(y, !adj_y) || dim_from_end(out, 1) != dim_from_end(x, !adj_x)
        || dim_from_end(out, 0) != dim_from_end(y, adj_y)) {
        return false;
    }
    for (int i = 2; i < rank; ++i) {
        int32_t a = dim_from_end(x, i), b = dim_from_end(y, i);
        if ((a != b && a != 1 && b != 1) || dim_from_end(out, i) != (a == 1 ? b : a)) {
            return false;
        }
    }
    return true;
}

static bool fill(call_t *c) {
    if (!is_constant(c, 0, 1) || !c->has[1] || c->in[1].count != 1 || !c->has_out || c->in[1].type != c->out.type
        || c->in[0].count != c->out.rank) {
        return false;
    }
    for (int i = 0; i < c->out.rank; ++i) {
        if (constant(&c->in[0], (uint32_t)i) != dim(&c->out, i)) {
            return false;
        }
    }
    return true;
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
        case ADD: case MUL: case SUB: case DIV: case PRELU: case MAXIMUM: case MINIMUM: case LOGICAL_OR:
        case LOGICAL_AND: case FLOOR_DIV: case FLOOR_MOD: case SQUARED_DIFFERENCE:
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
        case MEAN: case SUM: case REDUCE_MAX: case REDUCE_MIN: case REDUCE_ALL:
            return reduction(c);
        case PAD: case PADV2: case MIRROR_PAD:
            return padding(c);
        case SPLIT: case SPLIT_V:
            return split(c);
        case PACK: case UNPACK:
            return pack(c);
        case GATHER:
            return gather(c);
        case GATHER_ND:
            return gather_nd(c);
        case RESIZE_BILINEAR: case RESIZE_NEAREST_NEIGHBOR:
            return resize(c);
        case SPACE_TO_DEPTH: case DEPTH_TO_SPACE:
            return depth_space(c);
        case SPACE_TO_BATCH_ND: case BATCH_TO_SPACE_ND:
            return batch_space(c);
        case SLICE:
            return slice(c);
        case STRIDED_SLICE:
            return strided_slice(c);
        case TRANSPOSE_CONV:
            return transpose_convolution(c);
        case ARG_MAX: case ARG_MIN:
            return arg_extreme(c);
        case ADD_N:
            return all_alike(c);
        case SELECT_V2:
            return select(c);
        case BROADCAST_TO:
            return broadcast_to(c);
        case BROADCAST_ARGS:
            return c->has[0] && c->has[1] && c->has_out && c->in[0].rank == 1 && c->in[1].rank == 1 && c->out.rank == 1
                && c->in[0].type == c->in[1].type && c->in[0].type == c->out.type
                && c->out.count == (c->in[0].count > c->in[1].count ? c->in[0].count : c->in[1].count);
        case CUMSUM: case REVERSE_V2:
            return along_axes(c);
        case DYNAMIC_UPDATE_SLICE:
            return update(c);
        case EMBEDDING_LOOKUP:
            return lookup(c);
        case SVDF:
            return svdf(c);
        case UNIDIRECTIONAL_SEQUENCE_LSTM:
            return lstm(c);
        case BATCH_MATMUL:
            return batch_matmul(c);
        case FILL:
            return fill(c);
        case SHAPE:
            return c->has[0] && c->has_out && c->out.count == c->in[0].rank
                && (c->out.type == INT32 || c->out.type == INT64);
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
