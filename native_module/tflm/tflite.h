// SPDX-License-Identifier: MIT
//
// Reads and checks a `.tflite` flatbuffer, in C and without TFLM's headers: what the binding tells about
// a model, and what TFLM takes on trust (indices, sizes, the order of operators).
#ifndef HOGNOSE_TFLITE_H
#define HOGNOSE_TFLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFLITE_CUSTOM (32)      // the operator code of operators that have a name instead
#define TFLITE_VAR_HANDLE (142)

// Positions are offsets into the file; 0 is none.
typedef struct {
    uint32_t at, count;
} tflite_vector_t;

typedef struct {
    const uint8_t *bytes;
    uint32_t size;
    bool bad;                   // something lay outside the file, or at a crooked place
    unsigned where;             // the operator at which tflite_check stopped, ~0u: none
    uint32_t graph;             // the first subgraph, which is the model
    tflite_vector_t buffers, codes, graphs, tensors, operators, inputs, outputs, signatures;
} tflite_t;

typedef struct {
    const char *name;           // "" where it has none; not terminated: name_length
    uint32_t name_length;
    int type;                   // index into the types of TensorType
    char typecode;              // as in struct and array; 0 where MicroPython has none
    uint8_t rank;
    const uint8_t *shape;       // int32 each, little-endian, maybe not aligned
    uint32_t count, nbytes;
    float scale;                // 0 where not quantized
    int32_t zero_point;
    uint32_t scales;            // number of scales: more than one is per channel
    int32_t quantized_dimension;
    const uint8_t *all_scales;  // float each
    const uint8_t *data;        // of a constant, else NULL
    bool variable;
} tflite_tensor_t;

typedef struct {
    int builtin;                // BuiltinOperator
    int version;
    const char *custom;         // name, terminated, or NULL
} tflite_code_t;

typedef struct {
    uint32_t at;                // the operator's table
    uint32_t inputs, outputs;
    tflite_vector_t tensors;    // of its subgraph
} tflite_operator_t;

// Opens the file and checks it all. Returns NULL, or what is wrong in words.
const char *tflite_check(tflite_t *m, const void *bytes, size_t size);

// Of the first subgraph. Tensor index of input or output i; a tensor; what a type is called.
int32_t tflite_io(tflite_t *m, bool output, uint32_t i);
void tflite_tensor(tflite_t *m, uint32_t index, tflite_tensor_t *tensor);
int32_t tflite_dim(const tflite_tensor_t *tensor, unsigned i);
const char *tflite_type_name(int type);

// Operator code i of the model.
void tflite_code(tflite_t *m, uint32_t i, tflite_code_t *code);

// Number of operators in all subgraphs with this operator code, or in all if it is negative.
uint32_t tflite_count_operators(tflite_t *m, int builtin);
uint32_t tflite_count_tensors(tflite_t *m);
bool tflite_uses_code(tflite_t *m, uint32_t i);

// Operator k of the first subgraph.
void tflite_operator(tflite_t *m, uint32_t k, tflite_code_t *code);

// Signature i: its key, and its number of inputs or outputs; name and tensor index of each.
const char *tflite_signature(tflite_t *m, uint32_t i, uint32_t *length, uint32_t *inputs, uint32_t *outputs);
const char *tflite_signature_io(tflite_t *m, uint32_t i, bool output, uint32_t k, uint32_t *length, uint32_t *tensor);

// For the check itself: input or output k of an operator, false where it is left out; the type of its
// options (BuiltinOptions) and a field of them; whether the operands' shapes and types go together.
bool tflite_operand(tflite_t *m, const tflite_operator_t *op, bool output, uint32_t k, tflite_tensor_t *tensor);
int tflite_options_type(tflite_t *m, const tflite_operator_t *op);
int32_t tflite_option(tflite_t *m, const tflite_operator_t *op, unsigned id, unsigned size, int32_t otherwise);
bool tflite_shapes_fit(tflite_t *m, const tflite_operator_t *op, int code);
bool tflite_custom_fits(tflite_t *m, const tflite_operator_t *op, const char *name, const uint8_t *options, uint32_t size);

#ifdef __cplusplus
}
#endif

#endif // HOGNOSE_TFLITE_H
