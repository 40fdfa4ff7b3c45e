// SPDX-License-Identifier: MIT

#include "tflite.h"

#include <string.h>

// Fields of the schema's tables, by number.
enum { MODEL_VERSION, MODEL_CODES, MODEL_GRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS, MODEL_METADATA_BUFFER,
       MODEL_METADATA, MODEL_SIGNATURES };
enum { CODE_DEPRECATED, CODE_CUSTOM, CODE_VERSION, CODE_BUILTIN };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
enum { TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_QUANTIZATION, TENSOR_VARIABLE, TENSOR_SPARSITY };
enum { QUANTIZATION_SCALE = 2, QUANTIZATION_ZERO_POINT, QUANTIZATION_DETAILS_TYPE, QUANTIZATION_DETAILS,
       QUANTIZATION_DIMENSION };
enum { OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPERATOR_OPTIONS_TYPE, OPERATOR_OPTIONS, OPERATOR_CUSTOM,
       OPERATOR_INTERMEDIATES = 8, OPERATOR_LARGE_CUSTOM = 9, OPERATOR_OPTIONS_2_TYPE = 11, OPERATOR_OPTIONS_2 };
enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };
enum { METADATA_NAME, METADATA_BUFFER };
enum { SIGNATURE_INPUTS, SIGNATURE_OUTPUTS, SIGNATURE_KEY, SIGNATURE_GRAPH = 4 };
enum { MAP_NAME, MAP_TENSOR };

static const struct {
    char name[11];
    char typecode;
    uint8_t bits;
} types[] = { // by TensorType; no bits: TFLM does not know their size
    {"float32", 'f', 32}, {"float16", 0, 16}, {"int32", 'i', 32}, {"uint8", 'B', 8}, {"int64", 'q', 64},
    {"string", 0, 0}, {"bool", '?', 8}, {"int16", 'h', 16}, {"complex64", 0, 64}, {"int8", 'b', 8},
    {"float64", 'd', 64}, {"complex128", 0, 128}, {"uint64", 'Q', 64}, {"resource", 0, 32}, {"variant", 0, 0},
    {"uint32", 'I', 32}, {"uint16", 'H', 16}, {"int4", 0, 4}, {"bfloat16", 0, 0},
};
#define TYPES ((int)(sizeof(types) / sizeof(types[0])))

// Sizes of the fields of an operator's options, by BuiltinOptions, as TFLM's parsers read them:
// bytes of a number, V a vector of int32, s a string.
static const struct {
    uint8_t type;
    char fields[8];
} options[] = {
    {1, "1441441"}, {2, "1444144"}, {5, "144441"}, {6, "411"}, {8, "11111"}, {9, "4"}, {10, "41"}, {11, "11"},
    {12, "1"}, {14, "14411"}, {15, "4411"}, {17, "V"}, {19, "4"}, {21, "1"}, {23, "44"}, {27, "1"}, {28, "11"},
    {29, "1"}, {30, "V"}, {32, "444441"}, {35, "4"}, {37, "11"}, {40, "1"}, {49, "14411"}, {55, "1"}, {57, "1"},
    {59, "44"}, {64, "44"}, {71, "144111"}, {74, "11"}, {75, "4"}, {77, "1"}, {79, "4"}, {92, "44"}, {93, "44"},
    {94, "4"}, {101, "111"}, {102, "11"}, {103, "4"}, {111, "ss"},
};

// --- Flatbuffers: nothing is read outside the file; what would be makes the file bad and reads as 0 --------

static uint32_t fetch(tflite_t *m, uint32_t at, unsigned n) {
    if (at > m->size || n > m->size - at) {
        m->bad = true;
        return 0;
    }
    uint32_t value = 0;
    for (unsigned i = 0; i < n && i < 4; ++i) {
        value |= (uint32_t)m->bytes[at + i] << 8 * i;
    }
    return value;
}

static uint32_t target(tflite_t *m, uint32_t at) {
    uint32_t offset = fetch(m, at, 4);
    if (offset == 0 || offset > m->size - at) {
        m->bad = true;
        return 0;
    }
    return at + offset;
}

// The position of field `id` of a table, `n` bytes; 0 where it is absent.
static uint32_t field(tflite_t *m, uint32_t table, unsigned id, unsigned n) {
    uint32_t vtable = table - fetch(m, table, 4); // may wrap: fetch checks what comes of it
    uint32_t vtable_size = fetch(m, vtable, 2);
    if (m->bad || 4 + 2 * id + 2 > vtable_size) {
        return 0;
    }
    uint32_t size = fetch(m, vtable + 2, 2);
    uint32_t offset = fetch(m, vtable + 4 + 2 * id, 2);
    if (offset == 0) {
        return 0;
    }
    if (offset < 4 || offset + n > size || (table + offset) % n) {
        m->bad = true;
        return 0;
    }
    return table + offset;
}

static bool check_table(tflite_t *m, uint32_t table) {
    uint32_t vtable = table - fetch(m, table, 4);
    uint32_t vtable_size = fetch(m, vtable, 2);
    uint32_t size = fetch(m, vtable + 2, 2);
    if (table % 4 || vtable % 2 || vtable_size % 2 || vtable_size < 4 || size < 4 || vtable > m->size
        || vtable_size > m->size - vtable || size > m->size - table) {
        m->bad = true;
    }
    return !m->bad;
}

static uint32_t number(tflite_t *m, uint32_t table, unsigned id, unsigned n, uint32_t otherwise) {
    uint32_t at = field(m, table, id, n);
    return at ? fetch(m, at, n) : otherwise;
}

static uint32_t child(tflite_t *m, uint32_t table, unsigned id) {
    uint32_t at = field(m, table, id, 4);
    at = at ? target(m, at) : 0;
    return at && check_table(m, at) ? at : 0;
}

static tflite_vector_t vector(tflite_t *m, uint32_t table, unsigned id, unsigned item) {
    tflite_vector_t v = {0, 0};
    uint32_t at = field(m, table, id, 4);
    at = at ? target(m, at) : 0;
    if (at == 0) {
        return v;
    }
    v.count = fetch(m, at, 4);
    v.at = at + 4;
    if (at % 4 || v.at % item || v.count > (m->size - at - 4) / item) {
        m->bad = true;
        v.count = 0;
    }
    return v;
}

static uint32_t element(tflite_t *m, tflite_vector_t v, uint32_t i) {
    uint32_t at = target(m, v.at + 4 * i);
    return at && check_table(m, at) ? at : 0;
}

static int32_t integer(tflite_t *m, tflite_vector_t v, uint32_t i) {
    return (int32_t)fetch(m, v.at + 4 * i, 4);
}

static tflite_vector_t string(tflite_t *m, uint32_t table, unsigned id) {
    tflite_vector_t s = vector(m, table, id, 1);
    if (s.at && fetch(m, s.at + s.count, 1) != 0) {
        m->bad = true;
    }
    return s;
}

static bool is_text(tflite_t *m, tflite_vector_t s, const char *text) {
    return !m->bad && s.at && s.count == strlen(text) && memcmp(m->bytes + s.at, text, s.count) == 0;
}

// --- The model ---------------------------------------------------------------------------------------------

static tflite_vector_t data(tflite_t *m, uint32_t tensor) {
    tflite_vector_t none = {0, 0};
    uint32_t buffer = number(m, tensor, TENSOR_BUFFER, 4, 0);
    if (buffer >= m->buffers.count) {
        m->bad = true;
        return none;
    }
    return vector(m, element(m, m->buffers, buffer), BUFFER_DATA, 1);
}

static void read_tensor(tflite_t *m, uint32_t at, tflite_tensor_t *t) {
    memset(t, 0, sizeof(*t));
    tflite_vector_t shape = vector(m, at, TENSOR_SHAPE, 4);
    t->type = (int)number(m, at, TENSOR_TYPE, 1, 0);
    tflite_vector_t name = string(m, at, TENSOR_NAME);
    uint32_t quantization = child(m, at, TENSOR_QUANTIZATION);
    tflite_vector_t none = {0, 0};
    tflite_vector_t scale = quantization ? vector(m, quantization, QUANTIZATION_SCALE, 4) : none;
    tflite_vector_t zero_point = quantization ? vector(m, quantization, QUANTIZATION_ZERO_POINT, 8) : none;
    t->variable = number(m, at, TENSOR_VARIABLE, 1, 0) != 0;
    tflite_vector_t d = data(m, at);
    t->data = d.count ? m->bytes + d.at : NULL;
    if (t->type >= TYPES || shape.count > 8) {
        m->bad = true;
    }
    if (m->bad) {
        t->type = 0;
        return;
    }
    t->rank = (uint8_t)shape.count;
    t->shape = m->bytes + shape.at;
    t->name = name.at ? (const char *)m->bytes + name.at : "";
    t->name_length = name.count;
    t->typecode = types[t->type].typecode;
    if (scale.count && zero_point.count) {
        uint32_t bits = fetch(m, scale.at, 4);
        memcpy(&t->scale, &bits, 4);
        t->zero_point = (int32_t)fetch(m, zero_point.at, 4);
        t->scales = scale.count;
        t->all_scales = m->bytes + scale.at;
        t->quantized_dimension = (int32_t)number(m, quantization, QUANTIZATION_DIMENSION, 4, 0);
        if (zero_point.count < scale.count) {
            m->bad = true;
        }
    }
    uint64_t count = 1;
    for (unsigned i = 0; i < t->rank; ++i) {
        int32_t dim = tflite_dim(t, i);
        count *= (uint32_t)dim;
        if (dim < 0 || count > INT32_MAX / 16) {
            m->bad = true;
            return;
        }
    }
    t->count = (uint32_t)count;
    t->nbytes = (uint32_t)((count * types[t->type].bits + 7) / 8);
    if (t->scales > 1 && (t->quantized_dimension < 0 || t->quantized_dimension >= t->rank
        || tflite_dim(t, (unsigned)t->quantized_dimension) != (int32_t)t->scales)) {
        m->bad = true;
    }
}

static const char *check_indices(tflite_t *m, tflite_vector_t v, uint32_t tensors, bool optional) {
    for (uint32_t i = 0; i < v.count; ++i) {
        int32_t index = integer(m, v, i);
        if (!(optional && index == -1) && (index < 0 || (uint32_t)index >= tensors)) {
            return "a tensor's index is out of range";
        }
    }
    return NULL;
}

static bool contains(tflite_t *m, tflite_vector_t v, int32_t index) {
    for (uint32_t i = 0; i < v.count; ++i) {
        if (integer(m, v, i) == index) {
            return true;
        }
    }
    return false;
}

static bool is_written(tflite_t *m, tflite_vector_t operators, uint32_t before, int32_t index) {
    while (before--) {
        if (contains(m, vector(m, element(m, operators, before), OPERATOR_OUTPUTS, 4), index)) {
            return true;
        }
    }
    return false;
}

static bool has_value(tflite_t *m, tflite_vector_t tensors, int32_t index) {
    uint32_t tensor = element(m, tensors, (uint32_t)index);
    return data(m, tensor).count || number(m, tensor, TENSOR_VARIABLE, 1, 0);
}

static void check_options(tflite_t *m, uint32_t operator) {
    uint32_t type = number(m, operator, OPERATOR_OPTIONS_TYPE, 1, 0);
    uint32_t table = child(m, operator, OPERATOR_OPTIONS);
    child(m, operator, OPERATOR_OPTIONS_2);
    if (type == 0 || m->bad) {
        return;
    }
    if (table == 0) {
        m->bad = true;
        return;
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); ++i) {
        if (options[i].type == type) {
            for (unsigned id = 0; options[i].fields[id]; ++id) {
                char kind = options[i].fields[id];
                if (kind == 'V') {
                    vector(m, table, id, 4);
                } else if (kind == 's') {
                    string(m, table, id);
                } else {
                    field(m, table, id, (unsigned)(kind - '0'));
                }
            }
        }
    }
}

// What converters make of a float model that is asked to be small.
static bool is_hybrid(tflite_t *m, const tflite_operator_t *op, int code) {
    enum { CONV_2D = 3, DEPTHWISE_CONV_2D = 4, FULLY_CONNECTED = 9 };
    tflite_tensor_t in, weights;
    return (code == CONV_2D || code == DEPTHWISE_CONV_2D || code == FULLY_CONNECTED)
        && tflite_operand(m, op, false, 0, &in) && tflite_operand(m, op, false, 1, &weights)
        && in.typecode == 'f' && weights.typecode == 'b';
}

static const char *check_operator(tflite_t *m, tflite_vector_t tensors, tflite_vector_t inputs,
    tflite_vector_t operators, uint32_t k) {
    uint32_t operator = element(m, operators, k);
    if (number(m, operator, OPERATOR_CODE, 4, 0) >= m->codes.count) {
        return "an operator's code is out of range";
    }
    tflite_vector_t in = vector(m, operator, OPERATOR_INPUTS, 4);
    tflite_vector_t out = vector(m, operator, OPERATOR_OUTPUTS, 4);
    if (in.at == 0 || out.at == 0) {
        return "an operator has no lists of inputs and outputs";
    }
    const char *error = check_indices(m, in, tensors.count, true);
    error = error ? error : check_indices(m, out, tensors.count, false);
    error = error ? error : check_indices(m, vector(m, operator, OPERATOR_INTERMEDIATES, 4), tensors.count, true);
    if (error) {
        return error;
    }
    for (uint32_t i = 0; i < in.count; ++i) {
        int32_t index = integer(m, in, i);
        if (index != -1 && !has_value(m, tensors, index) && !contains(m, inputs, index)
            && !is_written(m, operators, k, index)) {
            return "an operator reads a tensor that nothing has written";
        }
    }
    for (uint32_t i = 0; i < out.count; ++i) {
        if (data(m, element(m, tensors, (uint32_t)integer(m, out, i))).count) {
            return "an operator writes a constant";
        }
    }
    check_options(m, operator);
    tflite_vector_t custom = vector(m, operator, OPERATOR_CUSTOM, 1);
    tflite_code_t code;
    tflite_code(m, number(m, operator, OPERATOR_CODE, 4, 0), &code);
    tflite_operator_t op = {operator, in.count, out.count, tensors};
    if (is_hybrid(m, &op, code.builtin)) {
        return "dynamic-range quantization (float values, int8 weights) is not in TFLM: quantize the model to full int8, or leave it float";
    }
    bool fits = m->bad || (code.builtin != TFLITE_CUSTOM ? tflite_shapes_fit(m, &op, code.builtin)
        : tflite_custom_fits(m, &op, code.custom, m->bytes + custom.at, custom.count));
    return fits ? NULL : "the shapes or types of its tensors, or its options, do not fit";
}

bool tflite_operand(tflite_t *m, const tflite_operator_t *op, bool output, uint32_t k, tflite_tensor_t *tensor) {
    tflite_vector_t v = vector(m, op->at, output ? OPERATOR_OUTPUTS : OPERATOR_INPUTS, 4);
    int32_t index = k < v.count ? integer(m, v, k) : -1;
    memset(tensor, 0, sizeof(*tensor));
    if (index >= 0) {
        read_tensor(m, element(m, op->tensors, (uint32_t)index), tensor);
    }
    return index >= 0;
}

int tflite_options_type(tflite_t *m, const tflite_operator_t *op) {
    return (int)number(m, op->at, OPERATOR_OPTIONS_TYPE, 1, 0);
}

int32_t tflite_option(tflite_t *m, const tflite_operator_t *op, unsigned id, unsigned size, int32_t otherwise) {
    uint32_t table = child(m, op->at, OPERATOR_OPTIONS);
    return table ? (int32_t)number(m, table, id, size, (uint32_t)otherwise) : otherwise;
}

static const char *check_graph(tflite_t *m, uint32_t graph) {
    tflite_vector_t tensors = vector(m, graph, GRAPH_TENSORS, 4);
    tflite_vector_t inputs = vector(m, graph, GRAPH_INPUTS, 4);
    tflite_vector_t outputs = vector(m, graph, GRAPH_OUTPUTS, 4);
    tflite_vector_t operators = vector(m, graph, GRAPH_OPERATORS, 4);
    if (m->bad || tensors.at == 0 || inputs.at == 0 || outputs.at == 0) {
        return "a subgraph has no tensors, inputs or outputs";
    }
    for (uint32_t i = 0; i < tensors.count && !m->bad; ++i) {
        uint32_t at = element(m, tensors, i);
        tflite_tensor_t t;
        read_tensor(m, at, &t);
        tflite_vector_t d = data(m, at);
        if (m->bad) {
            return "a tensor's type, shape or quantization makes no sense";
        }
        if (child(m, at, TENSOR_SPARSITY)) {
            return "a tensor is sparse, which TFLM cannot read";
        }
        if (types[t.type].bits == 0) {
            return "a tensor is of a type that TFLM does not have";
        }
        if (t.variable && d.count) {
            return "a variable has constant data";
        }
        unsigned bytes = types[t.type].bits / 8u;
        if (d.count && (d.count < t.nbytes || ((uintptr_t)m->bytes + d.at) % (bytes > 4 ? 4 : bytes ? bytes : 1))) {
            return "a tensor's data is too short or not aligned";
        }
    }
    const char *error = check_indices(m, inputs, tensors.count, false);
    error = error ? error : check_indices(m, outputs, tensors.count, false);
    for (uint32_t k = 0; k < operators.count && !error && !m->bad; ++k) {
        m->where = k;
        error = check_operator(m, tensors, inputs, operators, k);
    }
    if (error || m->bad) {
        return error;
    }
    m->where = ~0u;
    for (uint32_t i = 0; i < outputs.count; ++i) {
        int32_t index = integer(m, outputs, i);
        if (!has_value(m, tensors, index) && !contains(m, inputs, index)
            && !is_written(m, operators, operators.count, index)) {
            return "an output is written by no operator";
        }
    }
    for (uint32_t i = 0; i < inputs.count; ++i) {
        if (data(m, element(m, tensors, (uint32_t)integer(m, inputs, i))).count) {
            return "an input is a constant";
        }
    }
    return NULL;
}

// Operators that run other subgraphs: their options, and the fields of these that are subgraphs.
enum { IF = 118, WHILE = 119, CALL_ONCE = 129, IF_OPTIONS = 92, WHILE_OPTIONS = 93, CALL_ONCE_OPTIONS = 103 };

// A list of tensors: their subgraph, and where the list is.
typedef struct {
    uint32_t graph;
    tflite_vector_t list;
} tensors_t;

static bool read_listed(tflite_t *m, tensors_t v, uint32_t i, tflite_tensor_t *t) {
    int32_t index = i < v.list.count ? integer(m, v.list, i) : -1;
    if (index >= 0) {
        read_tensor(m, element(m, vector(m, v.graph, GRAPH_TENSORS, 4), (uint32_t)index), t);
    }
    return index >= 0 && !m->bad;
}

// TFLM copies one to the other as long as the first is.
static bool all_alike(tflite_t *m, tensors_t a, uint32_t skip, tensors_t b) {
    for (uint32_t i = 0; i < b.list.count; ++i) {
        tflite_tensor_t x, y;
        if (!read_listed(m, a, skip + i, &x) || !read_listed(m, b, i, &y) || x.type != y.type || x.count != y.count) {
            return false;
        }
    }
    return a.list.count == skip + b.list.count;
}

static bool is_condition(tflite_t *m, tensors_t v) {
    tflite_tensor_t t;
    return read_listed(m, v, 0, &t) && t.typecode == '?' && t.count == 1;
}

// Whether the tensors of IF and WHILE go with those of the subgraphs that they run.
static bool call_fits(tflite_t *m, int builtin, uint32_t caller, uint32_t operator, const uint32_t *called) {
    tensors_t in = {caller, vector(m, operator, OPERATOR_INPUTS, 4)}, out = {caller, vector(m, operator, OPERATOR_OUTPUTS, 4)};
    tensors_t inputs[2], outputs[2];
    for (unsigned i = 0; i < 2; ++i) {
        inputs[i] = (tensors_t) {called[i], vector(m, called[i], GRAPH_INPUTS, 4)};
        outputs[i] = (tensors_t) {called[i], vector(m, called[i], GRAPH_OUTPUTS, 4)};
    }
    if (builtin == IF) {
        return is_condition(m, in) && all_alike(m, in, 1, inputs[0]) && all_alike(m, in, 1, inputs[1])
            && all_alike(m, out, 0, outputs[0]) && all_alike(m, out, 0, outputs[1]);
    }
    return builtin == CALL_ONCE || (is_condition(m, outputs[0]) && all_alike(m, in, 0, inputs[0])
        && all_alike(m, in, 0, inputs[1]) && all_alike(m, in, 0, out) && all_alike(m, out, 0, outputs[1]));
}

// Subgraphs that run each other in a circle would never end. `steps` bounds the work.
static const char *check_calls(tflite_t *m, uint32_t graph, unsigned depth, unsigned *steps) {
    if (depth > 8 || ++*steps > 1000) {
        return "subgraphs run each other too deeply";
    }
    uint32_t caller = element(m, m->graphs, graph);
    tflite_vector_t operators = vector(m, caller, GRAPH_OPERATORS, 4);
    for (uint32_t k = 0; k < operators.count && !m->bad; ++k) {
        uint32_t operator = element(m, operators, k);
        uint32_t code = element(m, m->codes, number(m, operator, OPERATOR_CODE, 4, 0));
        int old = (int8_t)number(m, code, CODE_DEPRECATED, 1, 0), new = (int32_t)number(m, code, CODE_BUILTIN, 4, 0);
        if (new != IF && new != WHILE && new != CALL_ONCE && old != IF && old != WHILE) {
            continue;
        }
        // TFLM looks at one of the two in some places and at the larger one in others.
        int builtin = new ? new : old;
        uint32_t type = number(m, operator, OPERATOR_OPTIONS_TYPE, 1, 0), options = child(m, operator, OPERATOR_OPTIONS);
        if (options == 0 || (old != builtin && old < 127 && old != 0)
            || type != (builtin == IF ? IF_OPTIONS : builtin == WHILE ? WHILE_OPTIONS : CALL_ONCE_OPTIONS)) {
            return "an operator that runs subgraphs has other options";
        }
        uint32_t called[2] = {caller, caller};
        for (unsigned id = 0; id < (builtin == CALL_ONCE ? 1u : 2u); ++id) {
            uint32_t index = number(m, options, id, 4, 0);
            if (index >= m->graphs.count) {
                return "an operator runs a subgraph that is not there";
            }
            const char *error = check_calls(m, index, depth + 1, steps);
            if (error) {
                return error;
            }
            called[id] = element(m, m->graphs, index);
        }
        if (!call_fits(m, builtin, caller, operator, called)) {
            return "an operator's tensors do not go with those of the subgraph that it runs";
        }
    }
    return NULL;
}

enum { READ_VARIABLE = 143, ASSIGN_VARIABLE = 144, VAR_HANDLE_OPTIONS = 111 };
enum { HANDLE_CONTAINER, HANDLE_NAME };

// The variable that a READ_VARIABLE or ASSIGN_VARIABLE means: the name in the VAR_HANDLE that makes its handle.
static tflite_vector_t variable_name(tflite_t *m, uint32_t graph, uint32_t operator) {
    tflite_vector_t operators = vector(m, graph, GRAPH_OPERATORS, 4), name = {0, 0};
    tflite_vector_t in = vector(m, operator, OPERATOR_INPUTS, 4);
    int32_t handle = in.count ? integer(m, in, 0) : -1;
    for (uint32_t k = 0; k < operators.count && !m->bad; ++k) {
        uint32_t maker = element(m, operators, k);
        tflite_code_t code;
        tflite_code(m, number(m, maker, OPERATOR_CODE, 4, 0), &code);
        if (contains(m, vector(m, maker, OPERATOR_OUTPUTS, 4), handle)) {
            if (name.at || code.builtin != TFLITE_VAR_HANDLE) {
                return (tflite_vector_t) {0, 0};
            }
            name = string(m, child(m, maker, OPERATOR_OPTIONS), HANDLE_NAME);
        }
    }
    return name;
}

// The next READ_VARIABLE or ASSIGN_VARIABLE from operator *k of subgraph *graph on; `size` is what it moves.
static bool next_access(tflite_t *m, uint32_t *graph, uint32_t *k, tflite_vector_t *name, uint32_t *size) {
    for (; *graph < m->graphs.count && !m->bad; ++*graph, *k = 0) {
        uint32_t at = element(m, m->graphs, *graph);
        tflite_vector_t operators = vector(m, at, GRAPH_OPERATORS, 4);
        while (*k < operators.count && !m->bad) {
            uint32_t operator = element(m, operators, (*k)++);
            tflite_code_t code;
            tflite_code(m, number(m, operator, OPERATOR_CODE, 4, 0), &code);
            if (code.builtin != READ_VARIABLE && code.builtin != ASSIGN_VARIABLE) {
                continue;
            }
            bool reads = code.builtin == READ_VARIABLE;
            tensors_t moved = {at, vector(m, operator, reads ? OPERATOR_OUTPUTS : OPERATOR_INPUTS, 4)};
            tflite_tensor_t t = {0};
            *size = read_listed(m, moved, reads ? 0 : 1, &t) ? t.nbytes : ~0u;
            *name = variable_name(m, at, operator);
            return true;
        }
    }
    return false;
}

// TFLM compares the names, and the containers where the first one is there.
static bool handles_have_names(tflite_t *m) {
    bool with = false, without = false;
    for (uint32_t i = 0; i < m->graphs.count; ++i) {
        tflite_vector_t operators = vector(m, element(m, m->graphs, i), GRAPH_OPERATORS, 4);
        for (uint32_t k = 0; k < operators.count && !m->bad; ++k) {
            uint32_t operator = element(m, operators, k), options = child(m, operator, OPERATOR_OPTIONS);
            tflite_code_t code;
            tflite_code(m, number(m, operator, OPERATOR_CODE, 4, 0), &code);
            if (code.builtin != TFLITE_VAR_HANDLE) {
                continue;
            }
            if (options == 0 || number(m, operator, OPERATOR_OPTIONS_TYPE, 1, 0) != VAR_HANDLE_OPTIONS
                || string(m, options, HANDLE_NAME).at == 0) {
                return false;
            }
            *(string(m, options, HANDLE_CONTAINER).at ? &with : &without) = true;
        }
    }
    return !(with && without);
}

// TFLM moves as many bytes as the variable's first use has.
static const char *check_variables(tflite_t *m) {
    uint32_t graph = 0, k = 0, size;
    tflite_vector_t name;
    if (!handles_have_names(m)) {
        return "a VAR_HANDLE has no name, or only some have a container";
    }
    while (next_access(m, &graph, &k, &name, &size)) {
        if (name.at == 0 || size == ~0u) {
            return "a variable is read or written whose handle comes from no VAR_HANDLE";
        }
        uint32_t first_graph = 0, first_k = 0, first_size;
        tflite_vector_t first = {0, 0};
        while (next_access(m, &first_graph, &first_k, &first, &first_size) && first.at
            && (first.count != name.count || memcmp(m->bytes + first.at, m->bytes + name.at, name.count) != 0)) {
        }
        if (first_size != size) {
            return "a variable is read or written in different sizes";
        }
    }
    return NULL;
}

static const char *check_metadata(tflite_t *m, uint32_t model) {
    tflite_vector_t metadata = vector(m, model, MODEL_METADATA, 4);
    for (uint32_t i = 0; i < metadata.count && !m->bad; ++i) {
        uint32_t entry = element(m, metadata, i);
        tflite_vector_t name = string(m, entry, METADATA_NAME);
        uint32_t buffer = number(m, entry, METADATA_BUFFER, 4, 0);
        if (buffer >= m->buffers.count) {
            return "metadata lies in a buffer that is not there";
        }
        if (is_text(m, name, "OfflineMemoryAllocation")) {
            // int32 version, subgraph, count, then an offset for each tensor.
            tflite_vector_t d = vector(m, element(m, m->buffers, buffer), BUFFER_DATA, 4);
            if (d.count < 3 || (uint32_t)integer(m, d, 2) > d.count - 3) {
                return "the offline memory plan is cut short";
            }
        }
    }
    return NULL;
}

static const char *check_codes(tflite_t *m) {
    for (uint32_t i = 0; i < m->codes.count && !m->bad; ++i) {
        tflite_code_t code;
        tflite_code(m, i, &code);
        if (code.builtin == TFLITE_CUSTOM && code.custom == NULL) {
            return "a custom operator has no name";
        }
    }
    return NULL;
}

static const char *check_signatures(tflite_t *m) {
    for (uint32_t i = 0; i < m->signatures.count && !m->bad; ++i) {
        uint32_t length, n[2], index;
        uint32_t graph = number(m, element(m, m->signatures, i), SIGNATURE_GRAPH, 4, 0);
        if (graph >= m->graphs.count) {
            return "a signature's subgraph is out of range";
        }
        uint32_t tensors = vector(m, element(m, m->graphs, graph), GRAPH_TENSORS, 4).count;
        tflite_signature(m, i, &length, &n[0], &n[1]);
        for (uint32_t output = 0; output < 2; ++output) {
            for (uint32_t k = 0; k < n[output] && !m->bad; ++k) {
                tflite_signature_io(m, i, output, k, &length, &index);
                if (index >= tensors) {
                    return "a signature's tensor is out of range";
                }
            }
        }
    }
    return NULL;
}

static const char *check_model(tflite_t *m) {
    uint32_t model = target(m, 0);
    if (m->bad || !check_table(m, model)) {
        return NULL;
    }
    if (number(m, model, MODEL_VERSION, 4, 0) != 3) {
        return "the schema's version is not 3";
    }
    m->codes = vector(m, model, MODEL_CODES, 4);
    m->graphs = vector(m, model, MODEL_GRAPHS, 4);
    m->buffers = vector(m, model, MODEL_BUFFERS, 4);
    m->signatures = vector(m, model, MODEL_SIGNATURES, 4);
    vector(m, model, MODEL_METADATA_BUFFER, 4);
    if (m->bad || m->graphs.count == 0 || m->buffers.count == 0 || m->codes.at == 0) {
        return "there is no subgraph, buffer or operator code";
    }
    for (uint32_t i = 0; i < m->buffers.count && !m->bad; ++i) {
        uint32_t buffer = element(m, m->buffers, i);
        vector(m, buffer, BUFFER_DATA, 1);
        if (number(m, buffer, BUFFER_OFFSET, 8, 0) > 1) {
            return "weights lie behind the flatbuffer, which TFLM cannot read";
        }
    }
    const char *error = check_codes(m);
    for (uint32_t i = m->graphs.count; i-- && !error && !m->bad;) {
        m->graph = element(m, m->graphs, i);
        error = check_graph(m, m->graph);
    }
    unsigned steps = 0;
    for (uint32_t i = 0; i < m->graphs.count && !error && !m->bad; ++i) {
        error = check_calls(m, i, 0, &steps);
    }
    error = error || m->bad ? error : check_variables(m);
    error = error ? error : check_metadata(m, model);
    error = error ? error : check_signatures(m);
    m->tensors = vector(m, m->graph, GRAPH_TENSORS, 4);
    m->operators = vector(m, m->graph, GRAPH_OPERATORS, 4);
    m->inputs = vector(m, m->graph, GRAPH_INPUTS, 4);
    m->outputs = vector(m, m->graph, GRAPH_OUTPUTS, 4);
    return error;
}

const char *tflite_check(tflite_t *m, const void *bytes, size_t size) {
    memset(m, 0, sizeof(*m));
    m->bytes = bytes;
    m->size = (uint32_t)size;
    m->where = ~0u;
    if (size < 8 || size > INT32_MAX || memcmp(m->bytes + 4, "TFL3", 4) != 0) {
        return "not a .tflite file";
    }
    if ((uintptr_t)bytes % 4) {
        return "the model's address is not a multiple of 4";
    }
    const char *error = check_model(m);
    return error ? error : m->bad ? "something lies outside the file" : NULL;
}

// --- What the binding asks for -----------------------------------------------------------------------------

int32_t tflite_io(tflite_t *m, bool output, uint32_t i) {
    return integer(m, output ? m->outputs : m->inputs, i);
}

void tflite_tensor(tflite_t *m, uint32_t index, tflite_tensor_t *tensor) {
    read_tensor(m, element(m, m->tensors, index), tensor);
}

int32_t tflite_dim(const tflite_tensor_t *t, unsigned i) {
    const uint8_t *p = t->shape + 4 * i;
    return (int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
}

const char *tflite_type_name(int type) {
    return types[type].name;
}

void tflite_code(tflite_t *m, uint32_t i, tflite_code_t *code) {
    uint32_t at = element(m, m->codes, i);
    int deprecated = (int8_t)number(m, at, CODE_DEPRECATED, 1, 0);
    int builtin = (int32_t)number(m, at, CODE_BUILTIN, 4, 0);
    tflite_vector_t custom = string(m, at, CODE_CUSTOM);
    code->builtin = builtin > deprecated ? builtin : deprecated;
    code->version = (int)number(m, at, CODE_VERSION, 4, 1);
    code->custom = custom.at && !m->bad ? (const char *)m->bytes + custom.at : NULL;
}

uint32_t tflite_count_operators(tflite_t *m, int builtin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->graphs.count; ++i) {
        tflite_vector_t operators = vector(m, element(m, m->graphs, i), GRAPH_OPERATORS, 4);
        for (uint32_t k = 0; k < operators.count; ++k) {
            tflite_code_t code;
            tflite_code(m, number(m, element(m, operators, k), OPERATOR_CODE, 4, 0), &code);
            count += builtin < 0 || code.builtin == builtin;
        }
    }
    return count;
}

void tflite_operator(tflite_t *m, uint32_t k, tflite_code_t *code) {
    tflite_code(m, number(m, element(m, m->operators, k), OPERATOR_CODE, 4, 0), code);
}

bool tflite_uses_code(tflite_t *m, uint32_t code) {
    for (uint32_t i = 0; i < m->graphs.count; ++i) {
        tflite_vector_t operators = vector(m, element(m, m->graphs, i), GRAPH_OPERATORS, 4);
        for (uint32_t k = 0; k < operators.count; ++k) {
            if (number(m, element(m, operators, k), OPERATOR_CODE, 4, 0) == code) {
                return true;
            }
        }
    }
    return false;
}

uint32_t tflite_count_tensors(tflite_t *m) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->graphs.count; ++i) {
        count += vector(m, element(m, m->graphs, i), GRAPH_TENSORS, 4).count;
    }
    return count;
}

const char *tflite_signature(tflite_t *m, uint32_t i, uint32_t *length, uint32_t *inputs, uint32_t *outputs) {
    uint32_t at = element(m, m->signatures, i);
    tflite_vector_t key = string(m, at, SIGNATURE_KEY);
    *length = key.count;
    *inputs = vector(m, at, SIGNATURE_INPUTS, 4).count;
    *outputs = vector(m, at, SIGNATURE_OUTPUTS, 4).count;
    return key.at ? (const char *)m->bytes + key.at : "";
}

const char *tflite_signature_io(tflite_t *m, uint32_t i, bool output, uint32_t k, uint32_t *length, uint32_t *tensor) {
    uint32_t at = element(m, m->signatures, i);
    at = element(m, vector(m, at, output ? SIGNATURE_OUTPUTS : SIGNATURE_INPUTS, 4), k);
    tflite_vector_t name = string(m, at, MAP_NAME);
    *tensor = number(m, at, MAP_TENSOR, 4, 0);
    *length = name.count;
    return name.at ? (const char *)m->bytes + name.at : "";
}
