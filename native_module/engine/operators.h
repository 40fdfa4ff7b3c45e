// SPDX-License-Identifier: MIT
//
// The operators: the one table of what there is, and the records that describe them in a file.
//
// The structs lie in the PLAN section of a `.hog` as they lie in memory here: little-endian, naturally aligned. They and
// the table below are the only source of the format's layout: native_module/tables.py reads this file, and writes from it the
// tables of the host tools, of the reference engine and of FORMAT.md. So each field has a line and a comment of its own.
// How operators compute, and what MUST hold for their fields, is in FORMAT.md; the checks stand beside the kernels, in ops/.
#ifndef HOGNOSE_OPERATORS_H
#define HOGNOSE_OPERATORS_H

#include <stdint.h>

// Where a tensor lies: an offset into the arena or, with bit 31 set, into the DATA section.
typedef uint32_t hog_ref_t;

#define HOG_IN_DATA (0x80000000u)
#define HOG_NONE (0xffffffffu)

// Element types, as the typecodes of Python's struct and array; and as bits of a set.
#define HOG_INT8 ('b')
#define HOG_INT16 ('h')
#define HOG_INT32 ('i')
#define HOG_INT64 ('q')         // read as two words: a tensor of it is aligned to 4
#define HOG_FLOAT32 ('f')
#define HOG_BOOL ('?')
#define HOG_UINT8 ('B')
enum {
    B = 1 << 0,                 // HOG_INT8
    H = 1 << 1,                 // HOG_INT16
    I = 1 << 2,                 // HOG_INT32
    Q = 1 << 3,                 // HOG_INT64
    F = 1 << 4,                 // HOG_FLOAT32
    BOOL = 1 << 5,              // HOG_BOOL
    U = 1 << 6,                 // HOG_UINT8
    ALL = B | H | I | Q | F | BOOL | U,
};

// One row an operator: name, code, record, whether a loop nest follows the record, check; then, for each kernel, the element
// types that it takes and the function that runs it. ONE, TWO or THREE says how many kernels. What most models need comes
// first, because it is found first.
#define HOG_OPERATORS(ONE, TWO, THREE) \
    ONE(CONV_TILED, 36, hog_conv_t, 0, hog_check_conv, B, hog_conv_tiled) \
    ONE(DEPTHWISE_TILED, 38, hog_conv_t, 0, hog_check_conv, B, hog_depthwise_tiled) \
    ONE(DENSE, 37, hog_dense_t, 0, hog_check_dense, B, hog_dense) \
    ONE(MOVE, 8, hog_move_t, 1, hog_check_move, ALL, hog_move) \
    TWO(ADD, 5, hog_binary_t, 1, hog_check_binary, B, hog_add_int8, F, hog_binary_float32) \
    TWO(SOFTMAX, 10, hog_softmax_t, 0, hog_check_softmax, B, hog_softmax_int8, F, hog_softmax_float32) \
    ONE(LUT, 11, hog_lut_t, 0, hog_check_lut, B, hog_lut) \
    THREE(AVERAGE_POOL, 3, hog_pool_t, 0, hog_check_pool, B, hog_pool_int8, H, hog_pool_int16, F, hog_pool_float32) \
    THREE(MAX_POOL, 4, hog_pool_t, 0, hog_check_pool, B, hog_pool_int8, H, hog_pool_int16, F, hog_pool_float32) \
    TWO(MEAN, 7, hog_reduce_t, 1, hog_check_reduce, B, hog_mean_int8, F, hog_mean_float32) \
    TWO(MUL, 6, hog_binary_t, 1, hog_check_binary, B, hog_mul_int8, F, hog_binary_float32) \
    ONE(FILL, 9, hog_fill_t, 0, hog_check_fill, ALL, hog_fill) \
    TWO(CONV, 1, hog_conv_t, 0, hog_check_conv, B, hog_conv_int8, F, hog_conv_float32) \
    TWO(DEPTHWISE, 2, hog_conv_t, 0, hog_check_conv, B, hog_depthwise_int8, F, hog_depthwise_float32) \
    ONE(QUANTIZE, 12, hog_quantize_t, 0, hog_check_quantize, B, hog_quantize) \
    ONE(DEQUANTIZE, 13, hog_quantize_t, 0, hog_check_quantize, B, hog_dequantize) \
    ONE(CLAMP, 14, hog_clamp_op_t, 0, hog_check_clamp_op, F, hog_clamp) \
    ONE(LOGISTIC, 15, hog_unary_t, 0, hog_check_unary, F, hog_logistic) \
    ONE(TANH, 16, hog_unary_t, 0, hog_check_unary, F, hog_tanh) \
    ONE(COMBINE, 17, hog_binary_t, 1, hog_check_binary, ALL, hog_combine) \
    ONE(APPLY, 18, hog_apply_t, 0, hog_check_apply, ALL, hog_apply) \
    ONE(RESCALE, 19, hog_rescale_t, 0, hog_check_rescale, B | H | I | U, hog_rescale) \
    ONE(REDUCE, 20, hog_reduce_t, 1, hog_check_reduce, B | H | F, hog_reduce) \
    ONE(SCAN, 21, hog_scan_t, 0, hog_check_scan, B | F, hog_scan) \
    ONE(L2_POOL, 22, hog_pool_t, 0, hog_check_pool, F, hog_l2_pool) \
    ONE(NORMALIZE, 23, hog_normalize_t, 0, hog_check_normalize, B | F, hog_normalize) \
    ONE(GATHER, 24, hog_gather_t, 0, hog_check_gather, ALL, hog_gather) \
    ONE(UPDATE, 25, hog_update_t, 1, hog_check_update, ALL, hog_update) \
    TWO(SVDF, 26, hog_svdf_t, 0, hog_check_svdf, B, hog_svdf_int8, F, hog_svdf_float32) \
    THREE(LSTM, 27, hog_lstm_t, 0, hog_check_lstm, B, hog_lstm_int8, H, hog_lstm_int16, F, hog_lstm_float32) \
    ONE(MATMUL, 28, hog_matmul_t, 1, hog_check_matmul, B | H | F, hog_matmul) \
    ONE(RESIZE, 29, hog_resize_t, 0, hog_check_resize, B | F, hog_resize) \
    ONE(CONV16, 30, hog_conv16_t, 0, hog_check_conv16, H, hog_conv16) \
    ONE(CURVE, 31, hog_curve_t, 0, hog_check_curve, H, hog_curve) \
    ONE(JUMP, 32, hog_jump_t, 0, hog_check_jump, BOOL, hog_jump) \
    ONE(DETECT, 33, hog_detect_t, 0, hog_check_detect, F, hog_detect) \
    ONE(CONV4, 34, hog_conv4_t, 0, hog_check_conv4, B, hog_conv4) \
    ONE(DEPTHWISE4, 35, hog_conv4_t, 0, hog_check_conv4, B, hog_conv4)

// HOG_CONV_TILED = 36 …
#define CODE(name, code, ...) HOG_##name = code,
enum {
    HOG_OPERATORS(CODE, CODE, CODE)
};
#undef CODE

// How each record begins.
typedef struct {
    uint8_t code;               // HOG_CONV …
    uint8_t type;               // element type: HOG_INT8 …
    uint16_t words;             // length of the record, its loop nest included, in 4-byte words
} hog_op_t;

// What a result is clamped to, by the operator's element type.
typedef union {
    struct {
        int16_t in_zp, out_zp, min, max;
    } i;                        // int8, int16: zero points of input and output, bounds of the result
    struct {
        float min, max;
    } f;                        // float32
    struct {
        int32_t min, max;
    } w;                        // the other types
} hog_clamp_t;

// One level of a loop nest. Nests lie behind their record, the outermost loop first.
typedef struct {
    uint32_t n;                 // iterations
    int32_t a;                  // stride of the first operand, in elements (MOVE: in bytes)
    int32_t b;                  // stride of the second operand, likewise
} hog_loop_t;

#define HOG_MAX_LOOPS (6)

// CONV, CONV_TILED, DEPTHWISE, DEPTHWISE_TILED. Input NHWC [batch, in_h, in_w, in_c], output [batch, out_h, out_w, out_c].
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    hog_ref_t weights;          // CONV [out_c, k_h, k_w, in_c / groups], DEPTHWISE [k_h, k_w, out_c]; in DATA, see FORMAT.md
    hog_ref_t params;           // in DATA; int32 bias[out_c], int32 multiplier[scales], int8 shift[scales]; or float bias[out_c]
    hog_ref_t scratch;          // arena; im2col buffer, or what a tile needs; HOG_NONE where nothing is needed
    uint32_t in_c;              // input channels
    uint32_t out_c;             // output channels
    uint16_t batch;             // images
    uint16_t in_h;              // input rows
    uint16_t in_w;              // input columns
    uint16_t out_h;             // output rows
    uint16_t out_w;             // output columns
    uint16_t k_h;               // kernel rows
    uint16_t k_w;               // kernel columns
    uint16_t groups;            // each output channel reads in_c / groups input channels; DEPTHWISE: in_c
    uint16_t stride_h;          // input rows from one output row to the next
    uint16_t stride_w;          // input columns from one output column to the next
    uint16_t dilation_h;        // input rows from tap to tap
    uint16_t dilation_w;        // input columns from tap to tap
    uint16_t pad_h;             // rows of padding above
    uint16_t pad_w;             // columns of padding on the left
    uint16_t scales;            // multipliers: 1 (per tensor) or out_c (per channel); 0 for float32
    uint16_t tile;              // CONV_TILED: output channels at a time; DEPTHWISE_TILED: output rows at a time; else 0
    hog_clamp_t clamp;
} hog_conv_t;

// CONV4, DEPTHWISE4: weights of 4 bits, two to a byte, the first one in the low half. They are unpacked before the layer runs:
// as CONV_TILED and DEPTHWISE_TILED where there is a tile, else as CONV and DEPTHWISE of int8.
typedef struct {
    hog_conv_t conv;
    hog_ref_t unpacked;         // arena; room for the weights as int8
} hog_conv4_t;

// CONV16: int16 values, int8 weights [out_c, k_h, k_w, in_c / groups]; params with an int64 bias; no scratch, no tile.
typedef struct {
    hog_conv_t conv;
    uint32_t wide_sums;         // 1: sums of 64 bits, scaled once; 0: sums wrap to 32 bits
} hog_conv16_t;

// How a dense layer's weights are stored, see FORMAT.md.
enum {
    HOG_DENSE_BYTES = 1,        // w + 128
    HOG_DENSE_MIXED = 2,        // the same or, for channels that a bit behind the shifts names, w + 8 in 4 bits
};

// DENSE: a fully connected layer of one row, whose weights are used once.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [inputs], in the arena
    hog_ref_t out;              // output [outputs], in the arena
    hog_ref_t weights;          // in DATA; a row of `inputs` weights an output
    hog_ref_t params;           // in DATA; as CONV's, then for HOG_DENSE_MIXED a bit an output
    uint32_t inputs;            // a multiple of 8
    uint32_t outputs;           // output channels
    uint16_t scales;            // multipliers: 1 or outputs
    uint16_t layout;            // HOG_DENSE_BYTES, HOG_DENSE_MIXED
    hog_clamp_t clamp;
} hog_dense_t;

// AVERAGE_POOL, MAX_POOL, L2_POOL. The window counts only what lies inside the input.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [batch, in_h, in_w, channels], in the arena
    hog_ref_t out;              // output [batch, out_h, out_w, channels], in the arena
    uint32_t channels;          // of input and output
    uint16_t batch;             // images
    uint16_t in_h;              // input rows
    uint16_t in_w;              // input columns
    uint16_t out_h;             // output rows
    uint16_t out_w;             // output columns
    uint16_t k_h;               // window rows
    uint16_t k_w;               // window columns
    uint16_t stride_h;          // input rows from one output row to the next
    uint16_t stride_w;          // input columns from one output column to the next
    uint16_t pad_h;             // rows of padding above
    uint16_t pad_w;             // columns of padding on the left
    uint16_t reserved;          // 0
    hog_clamp_t clamp;
} hog_pool_t;

// Functions of COMBINE. What compares gives bool; SELECT's first operand is bool.
enum {
    HOG_COMBINE_ADD = 1,
    HOG_COMBINE_SUB = 2,
    HOG_COMBINE_MUL = 3,
    HOG_COMBINE_DIV = 4,
    HOG_COMBINE_MAXIMUM = 5,
    HOG_COMBINE_MINIMUM = 6,
    HOG_COMBINE_SQUARED_DIFFERENCE = 7,
    HOG_COMBINE_FLOOR_DIV = 8,
    HOG_COMBINE_FLOOR_MOD = 9,
    HOG_COMBINE_PRELU = 10,
    HOG_COMBINE_SELECT = 11,    // in1 ? in2 : what the output holds already
    HOG_COMBINE_LOGICAL_AND = 12,
    HOG_COMBINE_LOGICAL_OR = 13,
    HOG_COMBINE_EQUAL = 14,
    HOG_COMBINE_NOT_EQUAL = 15,
    HOG_COMBINE_LESS = 16,
    HOG_COMBINE_LESS_EQUAL = 17,
};

// ADD, MUL, COMBINE: out[i] = in1[…] op in2[…]; the output is contiguous.
typedef struct {
    hog_op_t op;
    hog_ref_t in1;              // first operand, in the arena or in DATA
    hog_ref_t in2;              // second operand, in the arena or in DATA
    hog_ref_t out;              // output, in the arena
    uint16_t loops;             // 1 … HOG_MAX_LOOPS
    uint8_t left_shift;         // int8, int16: bits that the operands are shifted left before they are scaled
    uint8_t function;           // COMBINE: HOG_COMBINE_ADD …; else 0
    hog_clamp_t clamp;          // int8, int16: in_zp is in1's zero point
    int32_t multiplier1;        // of in1; int8 and int16 only, else 0
    int32_t multiplier2;        // of in2, likewise
    int32_t multiplier;         // of the result, likewise
    int8_t shift1;              // of multiplier1; positive is left
    int8_t shift2;              // of multiplier2
    int8_t shift;               // of multiplier
    int8_t in2_zp;              // zero point of in2
    hog_loop_t loop[];
} hog_binary_t;

// Functions of APPLY: of float32 but for the last four.
enum {
    HOG_APPLY_ABS = 1,
    HOG_APPLY_NEG = 2,
    HOG_APPLY_SQUARE = 3,
    HOG_APPLY_SQRT = 4,
    HOG_APPLY_RSQRT = 5,
    HOG_APPLY_EXP = 6,
    HOG_APPLY_LOG = 7,
    HOG_APPLY_SIN = 8,
    HOG_APPLY_COS = 9,
    HOG_APPLY_FLOOR = 10,
    HOG_APPLY_CEIL = 11,
    HOG_APPLY_ROUND = 12,       // half to even
    HOG_APPLY_ELU = 13,
    HOG_APPLY_LEAKY_RELU = 14,
    HOG_APPLY_HARD_SWISH = 15,
    HOG_APPLY_LOGICAL_NOT = 16, // of bool
    HOG_APPLY_CAST = 17,        // of and to any type but int64 and uint8
    HOG_APPLY_QUANTIZE = 18,    // float32 to int16 or uint8
    HOG_APPLY_DEQUANTIZE = 19,  // int16 or uint8 to float32
};

// APPLY: a function of each element.
typedef struct {
    hog_op_t op;                // type: the input's
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
    uint8_t function;           // HOG_APPLY_ABS …
    uint8_t out_type;           // the output's element type
    uint16_t reserved;          // 0
    float alpha;                // LEAKY_RELU: slope for negative values; QUANTIZE, DEQUANTIZE: the scale
    int32_t zero_point;         // QUANTIZE, DEQUANTIZE: of the quantized side
} hog_apply_t;

// Functions of RESCALE: x = in - in_zp, y = requantize(f(x)), out = clamp(y + out_zp).
enum {
    HOG_RESCALE_SIGN = 1,       // one multiplier for x >= 0, another one for x < 0
    HOG_RESCALE_ABS = 2,
    HOG_RESCALE_RSQRT = 3,      // x <= 0 gives the largest value
};

// RESCALE: integers of one scale to integers of another.
typedef struct {
    hog_op_t op;                // type: the input's
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
    uint8_t function;           // HOG_RESCALE_SIGN …
    uint8_t out_type;           // the output's element type: int8, int16, int32 or uint8
    int8_t shift;               // of multiplier; positive is left
    int8_t negative_shift;      // of negative_multiplier
    int32_t multiplier;         // for x >= 0
    int32_t negative_multiplier; // for x < 0
    int32_t in_zp;              // zero point of the input
    int32_t out_zp;             // zero point of the output
    int32_t min;                // lower bound of the result
    int32_t max;                // upper bound of the result
} hog_rescale_t;

// Functions of REDUCE.
enum {
    HOG_REDUCE_SUM = 1,
    HOG_REDUCE_MAX = 2,
    HOG_REDUCE_MIN = 3,
    HOG_REDUCE_ARG_MAX = 4,     // index of the first largest element, int32
    HOG_REDUCE_ARG_MIN = 5,
};

// MEAN, REDUCE: the first `keep` loops walk the contiguous output, the others what is reduced (stride a).
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint8_t keep;               // loops over the output
    uint8_t reduce;             // loops over what is reduced, at least 1; together at most HOG_MAX_LOOPS
    uint8_t function;           // REDUCE: HOG_REDUCE_SUM …; else 0
    uint8_t left_shift;         // REDUCE, SUM of int8 and int16: of the sum, before it is scaled; else 0
    hog_clamp_t clamp;
    int32_t multiplier;         // int8 and int16 only; MEAN's holds the division by the count, too
    int32_t shift;              // of multiplier; positive is left
    hog_loop_t loop[];
} hog_reduce_t;

// SCAN: cumulative sums over the middle one of three axes. int8: the sum starts at -in_zp, as TFLM's does.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [outer, depth, inner], in the arena
    hog_ref_t out;              // output of the same shape, in the arena
    uint32_t outer;             // size of the first axis
    uint32_t depth;             // size of the axis that is summed
    uint32_t inner;             // size of the last axis
    uint8_t exclusive;          // 1: a sum leaves out the element itself; or 0
    uint8_t reverse;            // 1: from the end; or 0
    uint8_t left_shift;         // int8: of the sum, before it is scaled
    int8_t shift;               // of multiplier; positive is left
    hog_clamp_t clamp;
    int32_t multiplier;         // int8 only
} hog_scan_t;

// Functions of NORMALIZE.
enum {
    HOG_NORMALIZE_L2 = 1,       // x / sqrt(sum of x^2)
    HOG_NORMALIZE_LOG_SOFTMAX = 2,
    HOG_NORMALIZE_SOFTMAX = 3,  // int8 to int16
};

// NORMALIZE over rows.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [rows, depth], in the arena
    hog_ref_t out;              // output of the same shape, in the arena
    uint32_t rows;              // rows
    uint32_t depth;             // elements of a row
    hog_ref_t table;            // int8 LOG_SOFTMAX, SOFTMAX: in DATA, as SOFTMAX's; else HOG_NONE
    uint32_t entries;           // of the table
    uint8_t function;           // HOG_NORMALIZE_L2 …
    int8_t shift;               // LOG_SOFTMAX int8: of multiplier
    int8_t reverse_shift;       // LOG_SOFTMAX int8: of reverse_multiplier
    int8_t in_zp;               // L2 int8: zero point of the input
    int32_t multiplier;         // LOG_SOFTMAX int8: steps of the input in q5_26
    int32_t reverse_multiplier; // LOG_SOFTMAX int8: the inverse of that
} hog_normalize_t;

// MOVE: copies runs of bytes; strides are in bytes, a is the input's, b the output's.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena or in DATA
    hog_ref_t out;              // output, in the arena
    uint32_t run;               // bytes of a run
    uint32_t loops;             // 0 … HOG_MAX_LOOPS
    hog_loop_t loop[];
} hog_move_t;

// GATHER: of [outer, axis, run] to [outer, count, run]; an index beyond the axis counts as its end.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena or in DATA
    hog_ref_t indices;          // int32 [count], in the arena or in DATA
    hog_ref_t out;              // output, in the arena
    uint32_t outer;             // size of the first axis
    uint32_t axis;              // size of the axis that is indexed
    uint32_t count;             // indices
    uint32_t run;               // bytes of what an index names
} hog_gather_t;

// UPDATE: the contiguous input into the output, from a start on. A loop is an axis: n is what the input has of it, a the
// output's stride, b the last possible start, which a start beyond it counts as.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena or in DATA
    hog_ref_t starts;           // int32 [loops], in the arena or in DATA
    hog_ref_t out;              // output, in the arena
    uint32_t loops;             // 1 … HOG_MAX_LOOPS
    hog_loop_t loop[];
} hog_update_t;

// MATMUL: for each place of the loops, matrices [rows, depth] and [depth, columns]; the output is contiguous.
typedef struct {
    hog_op_t op;
    hog_ref_t in1;              // first operand, in the arena or in DATA
    hog_ref_t in2;              // second operand, in the arena or in DATA
    hog_ref_t out;              // output, in the arena
    hog_ref_t bias;             // in DATA; int32 (int16: int64, float32: float32) bias[columns]; or HOG_NONE
    uint32_t rows;              // of in1 and the output
    uint32_t depth;             // columns of in1, rows of in2
    uint32_t columns;           // of in2 and the output
    uint32_t row1;              // in1: elements from row to row
    uint32_t depth1;            // in1: elements from column to column
    uint32_t column2;           // in2: elements from column to column
    uint32_t depth2;            // in2: elements from row to row
    int32_t multiplier;         // int8 and int16 only
    hog_clamp_t clamp;          // int8: in_zp is in1's zero point
    int8_t shift;               // of multiplier; positive is left
    int8_t in2_zp;              // int8: zero point of in2
    uint16_t loops;             // 0 … HOG_MAX_LOOPS
    hog_loop_t loop[];
} hog_matmul_t;

// A distance on an image.
typedef union {
    int32_t i;                  // int8: in 1024ths of a pixel
    float f;                    // float32: in pixels
} hog_step_t;

// RESIZE (bilinear) of [batch, in_h, in_w, channels] to [batch, out_h, out_w, channels].
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t channels;          // of input and output
    uint16_t batch;             // images
    uint16_t in_h;              // input rows
    uint16_t in_w;              // input columns
    uint16_t out_h;             // output rows
    uint16_t out_w;             // output columns
    uint16_t half_pixel;        // 1: centers of pixels lie at halves; or 0
    hog_step_t step_h;          // input rows for each output row
    hog_step_t step_w;          // input columns for each output column
} hog_resize_t;

// Functions of CURVE.
enum {
    HOG_CURVE_LOGISTIC = 1,
    HOG_CURVE_TANH = 2,
    HOG_CURVE_SOFTMAX = 3,
};

// CURVE: a function of int16 values, interpolated in a table.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [rows, depth], in the arena
    hog_ref_t out;              // output of the same shape, in the arena
    uint32_t rows;              // rows
    uint32_t depth;             // elements of a row
    hog_ref_t table;            // in DATA; uint16 sigmoid[256]; SOFTMAX: int16 exp[513], inverse[513]
    int32_t multiplier;         // of the input
    uint8_t function;           // HOG_CURVE_LOGISTIC …
    int8_t shift;               // of multiplier; LOGISTIC, TANH: positive is right
    uint16_t reserved;          // 0
} hog_curve_t;

// SVDF: of each of units x rank filters, state [batch, filters, memory] holds the last activations.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [batch, inputs], in the arena
    hog_ref_t out;              // output [batch, units], in the arena
    hog_ref_t weights;          // in DATA; [filters, inputs]
    hog_ref_t time;             // in DATA; [filters, memory], of the state's type
    hog_ref_t params;           // in DATA; int32 feature_bias[filters], int32 bias[units], or float bias[units]
    hog_ref_t state;            // arena; kept between runs
    uint32_t batch;             // rows
    uint32_t inputs;            // elements of a row
    uint32_t units;             // outputs
    uint32_t rank;              // filters of a unit
    uint32_t memory;            // activations of a filter
    hog_clamp_t clamp;          // int8: in_zp is folded into feature_bias
    int32_t feature_multiplier; // int8: of a filter's sum
    int32_t multiplier;         // int8: of a unit's sum
    int8_t feature_shift;       // of feature_multiplier
    int8_t shift;               // of multiplier
    uint8_t state_type;         // int8 or int16; float32 for float32
    int8_t state_zp;            // int8: zero point of the state
} hog_svdf_t;

// LSTM: the gates of a unit are forget, input, cell, output.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [batch, steps, inputs], or [steps, batch, inputs], in the arena
    hog_ref_t out;              // output [batch, steps, units], or [steps, batch, units], in the arena
    hog_ref_t hidden;           // arena [batch, units], of the type; kept between runs
    hog_ref_t cell;             // arena [batch, units], int16 or float32; kept between runs
    hog_ref_t weights;          // in DATA; [units, 4, inputs], [units, 4, units]; int8 or float32
    hog_ref_t params;           // in DATA; bias[units][4]; int8: hidden_bias[units][4]; integers: multiplier[11], shift[11]
    hog_ref_t table;            // integers: in DATA, uint16 sigmoid[256]; else HOG_NONE
    uint32_t batch;             // sequences
    uint32_t steps;             // of a sequence
    uint32_t inputs;            // elements of a step
    uint32_t units;             // outputs of a step
    uint8_t time_major;         // 1: the steps come first; or 0
    int8_t cell_shift;          // integers: of the cell, to q3_12
    uint16_t reserved;          // 0
    hog_clamp_t clamp;          // integers: out_zp is hidden's; min and max are the cell's
} hog_lstm_t;

// FILL: elements with the low bytes of a value.
typedef struct {
    hog_op_t op;
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
    uint32_t size;              // bytes of an element: 1, 2 or 4
    uint32_t value;             // the element
} hog_fill_t;

// SOFTMAX over rows.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input [rows, depth], in the arena
    hog_ref_t out;              // output of the same shape, in the arena
    uint32_t rows;              // rows
    uint32_t depth;             // elements of a row
    hog_ref_t table;            // int8: in DATA, int32 exp[entries], Q0.31, by distance from the row's maximum; else HOG_NONE
    uint32_t entries;           // int8: of the table; past its end the exponential is 0
    float beta;                 // float32: factor of the elements
} hog_softmax_t;

// LUT: out[i] = table[in[i] + 128].
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
    hog_ref_t table;            // in DATA; 256 bytes
} hog_lut_t;

// QUANTIZE (float32 to int8), DEQUANTIZE (int8 to float32); `type` is the int8 side's.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
    float scale;                // of the int8 side
    int32_t zero_point;         // of the int8 side
} hog_quantize_t;

// LOGISTIC, TANH.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
} hog_unary_t;

// CLAMP.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // input, in the arena
    hog_ref_t out;              // output, in the arena
    uint32_t count;             // elements
    hog_clamp_t clamp;
} hog_clamp_op_t;

// JUMP to another operator where a condition is false.
typedef struct {
    hog_op_t op;
    hog_ref_t condition;        // arena, a bool; or HOG_NONE: always
    uint32_t target;            // number of the operator; the number of operators is the end
} hog_jump_t;

// DETECT: the boxes around objects that overlap least.
typedef struct {
    hog_op_t op;
    hog_ref_t in;               // boxes [boxes, coordinates] relative to the anchors, in the arena
    hog_ref_t scores;           // [boxes, columns], of which the last ones are those of the classes, in the arena
    hog_ref_t anchors;          // [boxes, 4], in the arena or in DATA
    hog_ref_t out;              // boxes [detections, 4], in the arena
    hog_ref_t out_classes;      // [detections], in the arena
    hog_ref_t out_scores;       // [detections], in the arena
    hog_ref_t out_count;        // how many there are, as a float, in the arena
    hog_ref_t scratch;          // arena; float[boxes] or, where max_per_class is not 0, float[max_per_class][4]
    uint32_t boxes;             // candidates
    uint32_t coordinates;       // of a candidate, at least 4
    uint32_t columns;           // of the scores: classes, or one more
    uint32_t classes;           // classes
    uint32_t detections;        // boxes of the output
    uint32_t max_per_class;     // 0: a box has one class, its best; else up to so many boxes per class
    float score_threshold;      // lower scores do not count
    float overlap_threshold;    // intersection over union that is too much
    float scale[4];             // of y, x, height, width
} hog_detect_t;

#endif // HOGNOSE_OPERATORS_H
