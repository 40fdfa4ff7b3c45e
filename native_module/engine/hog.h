// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// The engine: loads (validates) a `.hog` file and runs it in an arena that the caller owns.
//
//     hog_t h;
//     unsigned where;
//     const char *error = hog_load(&h, file, length, &where);  // NULL: all is well
//     // hand over h.arena_size bytes, 16-byte aligned
//     hog_reset(&h, arena);
//     // put the inputs where hog_io() says
//     hog_invoke(&h, arena);
//
// Nothing is allocated, nothing is static, the file is only read. It must stay in place, unchanged,
// as long as the model is used. A file is validated once; kernels then trust it. The structs below
// are the records of the PLAN section as they lie in the file, little-endian, naturally aligned;
// README.md of this folder's parent is the specification.
#ifndef HOGNOSE_HOG_H
#define HOGNOSE_HOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOG_VERSION (1)
#define HOG_ALIGN (16)          // of file and arena in memory; 4 suffices

#define HOG_FEATURE_INT8 (1u << 0)
#define HOG_FEATURE_FLOAT32 (1u << 1)
#define HOG_FEATURE_TYPES (1u << 2)     // any of the other element types
#define HOG_FEATURE_FULL (1u << 3)      // any operator from HOG_COMBINE on, or that computes in float32

// 0 leaves out what few models need: element types other than int8 and float32, the operators from
// HOG_COMBINE on, and float32 where it is more than moved, filled or quantized. Such an engine
// refuses files with these features.
#ifndef HOG_FULL
#define HOG_FULL (1)
#endif

// A ref is where a tensor lies: an offset into the arena or, with this bit, into the DATA section.
#define HOG_IN_DATA (0x80000000u)
#define HOG_NONE (0xffffffffu)

// Operator codes. `type` of an operator is its element type as a struct/array typecode.
enum {
    HOG_CONV = 1,       // also FULLY_CONNECTED: a 1x1 convolution over its rows
    HOG_DEPTHWISE = 2,
    HOG_AVERAGE_POOL = 3,
    HOG_MAX_POOL = 4,
    HOG_ADD = 5,
    HOG_MUL = 6,
    HOG_MEAN = 7,
    HOG_MOVE = 8,       // strided copy: PAD, CONCATENATION, ...
    HOG_FILL = 9,
    HOG_SOFTMAX = 10,
    HOG_LUT = 11,       // any int8 function of one int8 value
    HOG_QUANTIZE = 12,
    HOG_DEQUANTIZE = 13,
    HOG_CLAMP = 14,
    HOG_LOGISTIC = 15,
    HOG_TANH = 16,
    HOG_COMBINE = 17,   // two operands, any other function of them
    HOG_APPLY = 18,     // any other function of one value
    HOG_RESCALE = 19,   // integers of one scale to integers of another
    HOG_REDUCE = 20,    // sums, extremes and their positions
    HOG_SCAN = 21,      // cumulative sums
    HOG_L2_POOL = 22,
    HOG_NORMALIZE = 23, // a row by its length, or to the logarithms of probabilities
    HOG_GATHER = 24,    // copies from places that indices in a tensor say
    HOG_UPDATE = 25,    // copies to such a place
    HOG_MATMUL = 28,    // of two tensors; also FULLY_CONNECTED with weights that the model computes
    HOG_RESIZE = 29,    // bilinear
    HOG_CONV16 = 30,    // int16 values, int8 weights
    HOG_CURVE = 31,     // functions of int16 values by a table
    HOG_SVDF = 26,      // a dense layer that remembers, and weighs, its last activations
    HOG_LSTM = 27,
    HOG_JUMP = 32,      // runs on at another operator
    HOG_DETECT = 33,    // the boxes around objects that overlap least
    HOG_CONV4 = 34,     // CONV and DEPTHWISE with weights of 4 bits
    HOG_DEPTHWISE4 = 35,
};

typedef struct {
    uint8_t code;       // HOG_CONV ...
    uint8_t type;       // 'b' int8, 'f' float32; 'h' int16, 'i' int32, 'q' int64, 'B' uint8, '?' bool
    uint16_t words;     // length of the whole record in 4-byte words
} hog_op_t;

typedef union {         // what a result is clamped to
    struct {
        int16_t in_zp, out_zp, min, max;
    } i;
    struct {
        float min, max;
    } f;
    struct {
        int32_t min, max;
    } w;                // int32
} hog_clamp_t;

// `block` of a CONV of int8 that makes one pixel of groups of eight values, without scratch: how its weights are stored.
enum {
    HOG_ONE_WIDTH = 1,  // with 128 added
    HOG_TWO_WIDTHS = 2, // the same, or for channels that a bit names behind the shifts as 4 bits, with 8 added
};

// CONV, DEPTHWISE. Input NHWC [batch, in_h, in_w, in_c], output [batch, out_h, out_w, out_c].
// Weights: CONV [out_c, k_h, k_w, in_c / groups], some with 128 added, see README.md; DEPTHWISE [k_h, k_w, out_c],
// in_c == groups. CONV of float32, CONV16: weights may lie in the arena.
typedef struct {
    hog_op_t op;
    uint32_t in, out;   // refs
    uint32_t weights;   // ref into DATA
    uint32_t params;    // ref into DATA: int32 bias[out_c], int32 multiplier[scales], int8 shift[scales]
                        // or float bias[out_c]
    uint32_t scratch;   // arena ref of working memory, see `block`; HOG_NONE where there is none
    uint32_t in_c, out_c;
    uint16_t batch, in_h, in_w, out_h, out_w, k_h, k_w, groups;
    uint16_t stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w; // pad: rows above, columns left
    uint16_t scales;    // multipliers: 1 (per tensor) or out_c (per channel); 0 for float
    uint16_t block;     // 0, or how much of the output an engine may work on at once, or HOG_ONE_WIDTH …; see README.md
    hog_clamp_t clamp;
} hog_conv_t;

// CONV4, DEPTHWISE4: `conv` as of CONV, DEPTHWISE of int8, but weights in DATA are two to a byte, the first one in the
// low half. They are unpacked before the layer runs.
typedef struct {
    hog_conv_t conv;
    uint32_t unpacked;  // arena ref of room for the int8 weights
} hog_conv4_t;

// AVERAGE_POOL, MAX_POOL, of int16 too. The window counts only what lies inside the input.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t channels;
    uint16_t batch, in_h, in_w, out_h, out_w, k_h, k_w, stride_h, stride_w, pad_h, pad_w;
    uint16_t reserved;  // 0
    hog_clamp_t clamp;
} hog_pool_t;

// One level of a loop nest, outermost first; strides in elements (MOVE: bytes).
typedef struct {
    uint32_t n;
    int32_t a, b;       // strides of the first and second operand
} hog_loop_t;

#define HOG_MAX_LOOPS (6)

// Functions of COMBINE. What compares gives bool; SELECT's first operand is bool.
enum {
    HOG_F_ADD = 1,
    HOG_F_SUB = 2,
    HOG_F_MUL = 3,
    HOG_F_DIV = 4,
    HOG_F_MAXIMUM = 5,
    HOG_F_MINIMUM = 6,
    HOG_F_SQUARED_DIFFERENCE = 7,
    HOG_F_FLOOR_DIV = 8,
    HOG_F_FLOOR_MOD = 9,
    HOG_F_PRELU = 10,
    HOG_F_SELECT = 11,  // in1 ? in2 : what the output holds already
    HOG_F_AND = 12,
    HOG_F_OR = 13,
    HOG_F_EQUAL = 14,
    HOG_F_NOT_EQUAL = 15,
    HOG_F_LESS = 16,
    HOG_F_LESS_EQUAL = 17,
};

// ADD, MUL, COMBINE: out[i] = in1[...] op in2[...]; the output is contiguous.
typedef struct {
    hog_op_t op;
    uint32_t in1, in2, out;
    uint16_t loops;     // 1 ... HOG_MAX_LOOPS
    uint8_t left_shift; // int8, int16: bits that the operands are shifted left before they are scaled
    uint8_t function;   // COMBINE: HOG_F_ADD ...; else 0
    hog_clamp_t clamp;  // int8: clamp.i.in_zp is in1's zero point
    int32_t multiplier1, multiplier2, multiplier; // int8, int16 only; else 0
    int8_t shift1, shift2, shift; // of these; positive is left
    int8_t in2_zp;
    hog_loop_t loop[];
} hog_binary_t;

// Functions of APPLY, of float32 but for the last four.
enum {
    HOG_A_ABS = 1,
    HOG_A_NEG = 2,
    HOG_A_SQUARE = 3,
    HOG_A_SQRT = 4,
    HOG_A_RSQRT = 5,
    HOG_A_EXP = 6,
    HOG_A_LOG = 7,
    HOG_A_SIN = 8,
    HOG_A_COS = 9,
    HOG_A_FLOOR = 10,
    HOG_A_CEIL = 11,
    HOG_A_ROUND = 12,   // half to even
    HOG_A_ELU = 13,
    HOG_A_LEAKY_RELU = 14,
    HOG_A_HARD_SWISH = 15,
    HOG_A_NOT = 16,     // of bool
    HOG_A_CAST = 17,    // of and to any type but int64 and uint8
    HOG_A_QUANTIZE = 18, // float32 to int16 or uint8
    HOG_A_DEQUANTIZE = 19, // int16 or uint8 to float32
};

typedef struct {
    hog_op_t op;        // type: the input's
    uint32_t in, out;
    uint32_t count;
    uint8_t function;
    uint8_t out_type;
    uint16_t reserved;  // 0
    float alpha;        // LEAKY_RELU: the factor of what is negative; QUANTIZE, DEQUANTIZE: the scale
    int32_t zero_point;
} hog_apply_t;

// Functions of RESCALE: x = in - in_zp, y = requantize(f(x)), out = clamp(y + out_zp).
enum {
    HOG_R_SIGN = 1,     // one multiplier for x >= 0, another one for x < 0
    HOG_R_ABS = 2,
    HOG_R_RSQRT = 3,    // x < 0 gives the largest value
};

typedef struct {
    hog_op_t op;        // type: the input's, an integer type but int64
    uint32_t in, out;
    uint32_t count;
    uint8_t function;
    uint8_t out_type;   // such a type
    int8_t shift, negative_shift;
    int32_t multiplier, negative_multiplier;
    int32_t in_zp, out_zp, min, max;
} hog_rescale_t;

// Functions of REDUCE.
enum {
    HOG_D_SUM = 1,
    HOG_D_MAX = 2,
    HOG_D_MIN = 3,
    HOG_D_ARG_MAX = 4,  // the first one's index, int32
    HOG_D_ARG_MIN = 5,
};

// MEAN, REDUCE: the first `keep` loops walk the contiguous output, the others what is reduced (stride a).
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint8_t keep, reduce; // loops; of the latter at least 1, together at most HOG_MAX_LOOPS
    uint8_t function;   // REDUCE: HOG_D_SUM ...; else 0
    uint8_t left_shift; // REDUCE, SUM of int8 and int16: of the sum, before it is scaled; else 0
    hog_clamp_t clamp;
    int32_t multiplier; // int8 and int16 only; MEAN's holds the division by the count, too
    int32_t shift;
    hog_loop_t loop[];
} hog_reduce_t;

// SCAN: cumulative sums over the middle one of three axes. int8: the sum starts at -in_zp, as TFLM's does.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t outer, depth, inner;
    uint8_t exclusive, reverse; // 0 or 1
    uint8_t left_shift;
    int8_t shift;
    hog_clamp_t clamp;
    int32_t multiplier;
} hog_scan_t;

// Functions of NORMALIZE.
enum {
    HOG_N_L2 = 1,       // x ÷ √Σx²
    HOG_N_LOG_SOFTMAX = 2,
    HOG_N_SOFTMAX = 3,  // int8 to int16
};

// NORMALIZE over rows of `depth`. LOG_SOFTMAX int8, SOFTMAX: `table` and `entries` as SOFTMAX's.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t rows, depth;
    uint32_t table;     // else HOG_NONE
    uint32_t entries;
    uint8_t function;
    int8_t shift, reverse_shift; // LOG_SOFTMAX int8: steps of the input in q5_26, and the inverse of that
    int8_t in_zp;       // L2 int8
    int32_t multiplier, reverse_multiplier;
} hog_normalize_t;

// MOVE: copies runs of `run` bytes; a is the input's stride, b the output's, in bytes.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t run;
    uint32_t loops;     // 0 ... HOG_MAX_LOOPS
    hog_loop_t loop[];
} hog_move_t;

// GATHER: of [outer, axis, run] to [outer, count, run], run in bytes; an index beyond the axis counts as its end.
typedef struct {
    hog_op_t op;        // type: any, as MOVE's
    uint32_t in, indices, out; // the first two in the arena or in DATA; indices are int32
    uint32_t outer, axis, count, run;
} hog_gather_t;

// UPDATE: the contiguous input into the output, from int32 starts[loops] on. A loop is an axis: n what the
// input has of it, a the output's stride, b the last possible start, which a start beyond it counts as.
typedef struct {
    hog_op_t op;
    uint32_t in, starts, out; // the first two in the arena or in DATA
    uint32_t loops;     // 1 ... HOG_MAX_LOOPS
    hog_loop_t loop[];
} hog_update_t;

// MATMUL: for each place of the loops, matrices [rows, depth] and [depth, columns]; the output is contiguous.
typedef struct {
    hog_op_t op;        // int8, int16, float32
    uint32_t in1, in2, out; // the first two in the arena or in DATA
    uint32_t bias;      // ref into DATA: int32 (int16: int64, float32) bias[columns]; or HOG_NONE
    uint32_t rows, depth, columns;
    uint32_t row1, depth1, column2, depth2; // strides of in1 and in2, in elements
    int32_t multiplier; // not of float32
    hog_clamp_t clamp;  // int8: in_zp is in1's
    int8_t shift;
    int8_t in2_zp;
    uint16_t loops;     // 0 ... HOG_MAX_LOOPS, in elements
    hog_loop_t loop[];
} hog_matmul_t;

typedef union {
    int32_t i;          // int8: in 1024ths
    float f;
} hog_step_t;

// RESIZE of [batch, in_h, in_w, channels] to [batch, out_h, out_w, channels].
typedef struct {
    hog_op_t op;        // int8, float32
    uint32_t in, out;
    uint32_t channels;
    uint16_t batch, in_h, in_w, out_h, out_w;
    uint16_t half_pixel; // 0 or 1: centers of pixels lie at halves
    hog_step_t step_h, step_w; // input pixels for each output pixel
} hog_resize_t;

// CONV16 is hog_conv_t: weights int8 [out_c, k_h, k_w, in_c / groups]; params with int64 bias; no scratch; `block`
// is 1 where sums have 64 bits, 0 where they have 32.

// Functions of CURVE.
enum {
    HOG_C_LOGISTIC = 1,
    HOG_C_TANH = 2,
    HOG_C_SOFTMAX = 3,
};

typedef struct {
    hog_op_t op;        // int16
    uint32_t in, out;
    uint32_t rows, depth;
    uint32_t table;     // ref into DATA: uint16 sigmoid[256]; SOFTMAX: int16 exp[513], inverse[513]
    int32_t multiplier;
    uint8_t function;
    int8_t shift;       // LOGISTIC, TANH: positive is right
    uint16_t reserved;  // 0
} hog_curve_t;
// SVDF: of each of units·rank filters, state [batch, filters, memory] holds the last activations.
typedef struct {
    hog_op_t op;        // int8 or float32
    uint32_t in, out;   // [batch, inputs], [batch, units]
    uint32_t weights;   // ref into DATA: [filters, inputs]
    uint32_t time;      // ref into DATA: [filters, memory], of the state's type
    uint32_t params;    // ref into DATA: int32 feature_bias[filters], int32 bias[units], or float bias[units]
    uint32_t state;     // arena; kept between runs
    uint32_t batch, inputs, units, rank, memory;
    hog_clamp_t clamp;  // int8: in_zp is folded into feature_bias
    int32_t feature_multiplier, multiplier; // int8 only
    int8_t feature_shift, shift;
    uint8_t state_type; // int8 or int16; float32
    int8_t state_zp;
} hog_svdf_t;

// LSTM: the gates of a unit are forget, input, cell, output.
typedef struct {
    hog_op_t op;        // int8, int16 or float32
    uint32_t in, out;   // [batch, steps, inputs], [batch, steps, units], or [steps, batch, ...]
    uint32_t hidden, cell; // arena [batch, units], of the type and (integers) int16; kept between runs
    uint32_t weights;   // ref into DATA: [units, 4, inputs], [units, 4, units]; int8 or float32
    uint32_t params;    // ref into DATA: bias[units][4] (int8: int32, int16: int64, float32); int8: int32
                        // hidden_bias[units][4]; integers: int32 multiplier[11], int8 shift[11]
    uint32_t table;     // ref into DATA; integers: uint16 sigmoid[256]; else HOG_NONE
    uint32_t batch, steps, inputs, units;
    uint8_t time_major; // 0 or 1
    int8_t cell_shift;  // integers: of the cell, to q3_12
    uint16_t reserved;  // 0
    hog_clamp_t clamp;  // integers: out_zp is hidden's; min and max are the cell's
} hog_lstm_t;

// FILL: `count` elements of `size` bytes (1, 2, 4) with the low bytes of `value`.
typedef struct {
    hog_op_t op;
    uint32_t out;
    uint32_t count;
    uint32_t size;
    uint32_t value;
} hog_fill_t;

// SOFTMAX over rows of `depth`. int8: `table` is a DATA ref to int32 exp_table[entries], Q0.31, indexed by
// (row maximum - value); past its end the exponential is 0. float32: `beta`.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t rows, depth;
    uint32_t table;     // int8 only, else HOG_NONE
    union {
        uint32_t entries;
        float beta;
    } u;
} hog_softmax_t;

// LUT: out[i] = table[in[i] + 128], 256 bytes in DATA.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t count;
    uint32_t table;
} hog_lut_t;

// QUANTIZE (float32 to int8), DEQUANTIZE (int8 to float32); `type` is the int8 side's.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t count;
    float scale;
    int32_t zero_point;
} hog_quantize_t;

// CLAMP, LOGISTIC, TANH on float32; min and max are CLAMP's.
typedef struct {
    hog_op_t op;
    uint32_t in, out;
    uint32_t count;
    float min, max;
} hog_unary_t;

// JUMP to operator number `target` (their number: the end) where `condition` is false.
typedef struct {
    hog_op_t op;        // type: bool
    uint32_t condition; // arena ref of a bool, or HOG_NONE: always
    uint32_t target;
} hog_jump_t;

#define HOG_MAX_TURNS (1u << 16)        // jumps backward in one run
#if HOG_FULL
#define HOG_ENDLESS "a loop of the model does not end: stopped after 65536 turns"
#else
#define HOG_ENDLESS ""                  // has no loops
#endif

// DETECT: boxes [boxes, coordinates] relative to anchors [boxes, 4], scores [boxes, columns], of which the last ones
// are those of the classes. Out: boxes [detections, 4], their classes and scores, and how many there are, as a float.
typedef struct {
    hog_op_t op;        // float32
    uint32_t in, scores, anchors; // the last one in the arena or in DATA
    uint32_t out, out_classes, out_scores, out_count;
    uint32_t scratch;   // arena: float[boxes], or where a_class is not 0 float[a_class][4]
    uint32_t boxes, coordinates, columns, classes; // columns - classes is 0 or 1
    uint32_t detections;
    uint32_t a_class;   // 0: a box has one class, its best; else each class has boxes of its own, at most so many
    float score_threshold, overlap_threshold;
    float scale[4];     // of y, x, height, width
} hog_detect_t;

// An input or output of the model.
typedef struct {
    uint32_t ref;       // arena
    uint8_t type;       // as an operator's
    uint8_t rank;
    uint16_t reserved;  // 0
    float scale;        // 0 where not quantized
    int32_t zero_point;
    uint32_t dim[];     // rank of them
} hog_io_t;

typedef struct {
    const uint8_t *data;    // DATA section
    const uint8_t *plan;    // PLAN section, from its first byte
    const hog_op_t *op;     // the first operator
    uint32_t data_size, arena_size;
    uint16_t inputs, outputs, ops;
    uint16_t initial;       // of the operators, the first ones that only hog_reset() runs
} hog_t;

// Validates a file of `length` bytes at `file` (4-byte aligned) and fills `h`. Returns NULL, or what
// is wrong in words; `where` is then the operator's index, or ~0u where it is the file as such.
const char *hog_load(hog_t *h, const void *file, size_t length, unsigned *where);

// Input or output number i (inputs first).
const hog_io_t *hog_io(const hog_t *h, unsigned i);

// Runs one operator and returns the next one.
const hog_op_t *hog_run(const hog_t *h, void *arena, const hog_op_t *op);

// Runs operators first ... last - 1; false (HOG_ENDLESS) where a loop of the model did not end.
bool hog_run_ops(const hog_t *h, void *arena, unsigned first, unsigned last);

// Gives what the model keeps between runs its first value: to be called once before the first hog_invoke().
static inline void hog_reset(const hog_t *h, void *arena) {
    hog_run_ops(h, arena, 0, h->initial);
}

// Runs all operators but those of hog_reset(); false as hog_run_ops().
static inline bool hog_invoke(const hog_t *h, void *arena) {
    return hog_run_ops(h, arena, h->initial, h->ops);
}

// Numbers to elements and back, as TFLM's QUANTIZE and DEQUANTIZE do it (see kernels/quantize.c).
void hog_quantize(int8_t *out, const float *in, size_t n, float scale, int32_t zero_point);
void hog_dequantize(float *out, const int8_t *in, size_t n, float scale, int32_t zero_point);

#endif // HOGNOSE_HOG_H
