// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// Loads, that is validates, a `.hog` file, and runs its operators.
//
// Files may be hostile. Sizes are uint32_t that saturate at UINT32_MAX, which fits nowhere, because
// arena and file are smaller than 2^31 bytes; so a product needs no check of its own.
#include <float.h>

#include "kernels/kernels.h"

#define LIMIT (0x80000000u)     // of the arena and of a file

#define HEADER_SIZE (24)
#define ENTRY_SIZE (12)         // of the section table
#define MAX_SECTIONS (16)
#define MAX_IO (64)

#if HOG_FULL
#define NEEDS "the file needs a newer engine"
#define FULL_ERRORS(X) \
    X(FUNCTION, "unknown function, or not of this type") \
    X(STATE, "state misplaced") \
    X(TARGET, "a jump out of the plan") \
    X(COUNTS, "not 4 coordinates, or a column for each class and one for none")
#else
#define NEEDS "the file needs the full engine; this is the small one"
#define FULL_ERRORS(X)
#endif

// What can be wrong with a file, and how it is said.
#define ERRORS(X) \
    X(OK, "") \
    X(ADDRESS, "the file is not at an address divisible by 4") \
    X(MAGIC, "not a .hog file") \
    X(VERSION, "the file's version is not 1") \
    X(LENGTH, "the file's length is not what its header says") \
    X(CHECKSUM, "the checksum is wrong: the file is damaged") \
    X(FEATURES, NEEDS) \
    X(ARENA, "the arena is 2 GB or larger") \
    X(SECTIONS, "the section table is misplaced") \
    X(SECTION, "a section is unknown, there twice or misplaced") \
    X(SECTION_OVERLAP, "sections overlap") \
    X(SECTION_MISSING, "a section is missing") \
    X(PLAN, "the plan is cut short") \
    X(PLAN_END, "the plan is too long") \
    X(IO_COUNT, "not 1 to 64 inputs and outputs") \
    X(IO, "input or output of the model misplaced") \
    X(IO_SCALE, "scale or zero point out of range") \
    X(OPERATOR, "unknown operator") \
    X(TYPE, "unknown type") \
    X(RECORD, "the record's length is wrong") \
    X(LOOPS, "too many loops") \
    X(RESERVED, "a reserved field is not 0") \
    X(ZERO, "a size is 0") \
    X(INPUT, "input misplaced") \
    X(OPERAND, "operand misplaced") \
    X(OUTPUT, "output misplaced") \
    X(WEIGHTS, "weights misplaced") \
    X(PARAMS, "parameters misplaced") \
    X(TABLE, "table misplaced") \
    X(SCRATCH, "scratch misplaced") \
    X(NO_SCRATCH, "patches need scratch") \
    X(OVERLAP, "tensors overlap") \
    X(GROUPS, "groups do not divide the channels") \
    X(WINDOW, "window too large") \
    X(BLOCK, "block out of range") \
    X(BLOCK_WEIGHTS, "a weight is -128 where it must not be") \
    X(EMPTY_WINDOW, "window outside the input") \
    X(SCALES, "not one multiplier or one for each channel") \
    X(MULTIPLIER, "multiplier or shift out of range") \
    X(ZERO_POINT, "zero point out of range") \
    X(CLAMP, "clamp out of range or empty") \
    X(SCALE, "scale is not a positive number") \
    X(FILL, "elements are not of 1, 2 or 4 bytes") \
    FULL_ERRORS(X)

#define NAME(name, words) E_##name,
typedef enum {
    ERRORS(NAME)
} error_t;

// One long text and a walk along it take less room than an array of pointers and code to fetch them.
static const char *words_of(error_t error) {
    #define WORDS(name, words) words "\0"
    static const char all[] = ERRORS(WORDS);
    const char *p = all;
    for (unsigned i = error; i != 0; --i) {
        while (*p++) {
        }
    }
    return error ? p : NULL;
}

static __attribute__((noinline)) uint32_t times(uint32_t a, uint32_t b) {
    uint64_t product = (uint64_t)a * b;
    return product > UINT32_MAX ? UINT32_MAX : (uint32_t)product;
}

#if HOG_FULL
#define FEATURES (HOG_FEATURE_INT8 | HOG_FEATURE_FLOAT32 | HOG_FEATURE_TYPES | HOG_FEATURE_FULL)
#define LAST_CODE (HOG_DEPTHWISE4)
#define ALIGNMENT(size) ((size) < 4 ? (size) : 4)
#define IS_QUANTIZED(type) ((type) == HOG_INT8 || (type) == HOG_INT16)
#else
#define FEATURES (HOG_FEATURE_INT8 | HOG_FEATURE_FLOAT32)
#define LAST_CODE (HOG_DEQUANTIZE)
#define ALIGNMENT(size) (size)
#define IS_QUANTIZED(type) ((type) == HOG_INT8)
#endif

// `align` is a power of two.
static bool fits(uint32_t limit, uint32_t at, uint32_t size, uint32_t align) {
    return at <= limit && size <= limit - at && (at & (align - 1)) == 0;
}

static bool in_arena(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align) {
    return fits(h->arena_size, ref, size, align); // a ref into DATA is beyond every arena
}

static bool in_data(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align) {
    return fits(h->data_size, ref ^ HOG_IN_DATA, size, align);
}

// Both are known to lie in the arena, or one in DATA.
static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
    return a < b + b_size && b < a + a_size;
}

static bool is_int8(int32_t x) {
    return x == (int8_t)x;
}

static bool is_multiplier(int32_t multiplier, int32_t shift) {
    return multiplier >= 0 && -31 <= shift && shift <= 30;
}

static error_t check_clamp(uint8_t type, const hog_clamp_t *c) {
    if (hog_is_float(type)) {
        return c->f.min <= c->f.max ? E_OK : E_CLAMP;
    }
    #if HOG_FULL
    if (type == HOG_INT16) {
        return c->i.min <= c->i.max ? E_OK : E_CLAMP;
    }
    if (type != HOG_INT8) {
        return c->w.min <= c->w.max ? E_OK : E_CLAMP;
    }
    #endif
    if (!is_int8(c->i.in_zp) || !is_int8(c->i.out_zp)) {
        return E_ZERO_POINT;
    }
    return is_int8(c->i.min) && is_int8(c->i.max) && c->i.min <= c->i.max ? E_OK : E_CLAMP;
}

typedef struct {
    uint32_t ref, size, align;  // in bytes
} tensor_t;

static error_t check_tensors(const hog_t *h, const tensor_t *in, const tensor_t *out, bool in_place) {
    if (!in_arena(h, in->ref, in->size, in->align)) {
        return E_INPUT;
    }
    if (!in_arena(h, out->ref, out->size, out->align)) {
        return E_OUTPUT;
    }
    bool same = in_place && in->ref == out->ref;
    return !same && overlap(in->ref, in->size, out->ref, out->size) ? E_OVERLAP : E_OK;
}

// Whether one of `n` uint16_t fields from `offset` on is 0.
static bool has_zero(const void *record, size_t offset, unsigned n) {
    const uint16_t *field = (const void *)((const uint8_t *)record + offset);
    while (n-- != 0) {
        if (*field++ == 0) {
            return true;
        }
    }
    return false;
}

// A tensor [batch, h, w, channels].
static tensor_t image(uint32_t ref, uint32_t batch, uint32_t h, uint32_t w, uint32_t channels, uint32_t size) {
    tensor_t t = {ref, times(times(batch * size, channels), h * w), size};
    return t;
}

// Positions of a window must be int32_t.
static bool window_fits(uint32_t out, uint32_t stride, uint32_t taps, uint32_t dilation) {
    return (uint64_t)(out - 1) * stride + (uint64_t)(taps - 1) * dilation < LIMIT;
}

// How much more `out` is than `stride` times `in`.
static uint32_t growth(uint32_t out, uint32_t stride, uint32_t in) {
    in = times(in, stride);
    return out > in ? out - in : 0;
}

// Every patch lies in the input as it is.
static bool is_contiguous(const hog_conv_t *c) {
    if (c->pad_h != 0 || c->pad_w != 0) {
        return false;
    }
    if ((c->out_h - 1u) * c->stride_h + c->k_h > c->in_h || (c->out_w - 1u) * c->stride_w + c->k_w > c->in_w) {
        return false;
    }
    if (c->k_h == 1 && c->k_w == 1) {
        return true;
    }
    return c->groups == 1 && (c->k_w == 1 || c->dilation_w == 1)
           && (c->k_h == 1 || (c->k_w == c->in_w && c->dilation_h == 1));
}

static error_t check_conv_params(const hog_t *h, const hog_conv_t *c) {
    uint32_t scales = c->scales;
    uint32_t words = c->out_c + scales; // out_c is less than the arena
    if (hog_is_float(c->op.type) ? scales != 0 : scales != 1 && scales != c->out_c) {
        return E_SCALES;
    }
    uint32_t bits = hog_has_offset_weights(c) && c->block == HOG_TWO_WIDTHS ? (c->out_c + 7) / 8 : 0;
    if (words >= LIMIT / 4 || !in_data(h, c->params, words * 4 + scales + bits, 4)) {
        return E_PARAMS;
    }
    const int32_t *multiplier = (const int32_t *)hog_at(h, NULL, c->params) + c->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + scales);
    for (; scales != 0; --scales, ++multiplier, ++shift) {
        if (!is_multiplier(*multiplier, *shift) || (c->block != 0 && *shift >= 0 && *multiplier != 0)) {
            return E_MULTIPLIER;
        }
    }
    return E_OK;
}

// Bytes of scratch of a record with a block; `k` is the size of a patch.
static uint32_t block_scratch(const hog_conv_t *c, uint32_t k) {
    if (c->op.code == HOG_DEPTHWISE) {
        uint32_t rows = (c->block - 1u) * c->stride_h + c->k_h, columns = (c->out_w - 1u) * c->stride_w + c->k_w;
        return times(times(rows, columns), 4);
    }
    uint64_t quads = (k + 3u) / 4;
    uint64_t bytes = (quads * 16 + 24) * (c->block / 2u) + quads * 8;
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

bool hog_has_offset_weights(const hog_conv_t *c) {
    return c->op.code == HOG_CONV && c->block != 0 && c->scratch == HOG_NONE && c->groups == 1
           && (c->batch | c->out_h | c->out_w) == 1 && (uint32_t)c->k_h * c->k_w * c->in_c % 8 == 0;
}

static HOG_HOT bool has(const int8_t *p, size_t n, int8_t value) {
    for (const int8_t *end = p + n; p != end; ++p) {
        if (*p == value) {
            return true;
        }
    }
    return false;
}

// A layer with a block, and its weights, of which a channel has `row` values.
static error_t check_block(const hog_t *h, const hog_conv_t *c, bool unpacked, uint32_t row) {
    if (c->op.type != HOG_INT8) {
        return E_TYPE;
    }
    uint32_t offset = hog_has_offset_weights(c), most = c->op.code == HOG_CONV ? c->out_c / c->groups : c->out_h;
    if (offset ? unpacked || c->block > HOG_TWO_WIDTHS : c->block > most || (c->op.code == HOG_CONV && c->block % 2 != 0)) {
        return E_BLOCK;
    }
    const hog_clamp_t *clamp = &c->clamp;
    if (!offset && clamp->i.min != clamp->i.out_zp && clamp->i.max - clamp->i.min != 255) {
        return E_BLOCK;
    }
    uint32_t ref = c->weights;
    for (uint32_t i = 0; i < c->out_c && !unpacked; ++i) { // -8 at least where they are unpacked
        uint32_t narrow = offset && hog_is_narrow(c, hog_at(h, NULL, c->params), i), n = row >> narrow;
        if (!in_data(h, ref, n, offset ? 4 : 1)) {
            return E_WEIGHTS;
        }
        if (!narrow && has(hog_at(h, NULL, ref), n, offset ? 0 : INT8_MIN)) {
            return E_BLOCK_WEIGHTS;
        }
        ref += n;
    }
    return E_OK;
}

// Whether the output lies so far before the input that it overwrites only what nothing needs any more. CONV reads a
// patch, and then writes all channels of a pixel; DEPTHWISE reads and writes the rows of a block. The last place
// written is the furthest ahead of what is still to be read at the first row or, where rows grow, at the last.
static bool trails_input(const hog_conv_t *c) {
    uint32_t in_row = c->in_w * c->in_c, out_row = c->out_w * c->out_c, rows = 1;
    if (c->scratch == HOG_NONE || c->block == 0 || c->batch != 1 || c->in < c->out) {
        return false;
    }
    uint64_t lead = times(c->pad_h, in_row);
    if (c->op.code == HOG_DEPTHWISE) {
        rows = c->block;
        lead += times(rows, out_row);
    } else if (c->block != c->out_c || (uint32_t)c->out_w * c->stride_w > (uint32_t)c->in_w + c->pad_w) {
        return false;
    } else {
        lead += times(c->pad_w, c->in_c) + (uint64_t)times(c->out_w, growth(c->out_c, c->stride_w, c->in_c));
    }
    lead += times(c->out_h - rows, growth(out_row, c->stride_h, in_row));
    return c->in - c->out >= lead;
}

// Those of float32 and int16 may lie in the arena: the model has computed them; those that CONV4 has unpacked do.
static bool has_weights(const hog_t *h, const hog_conv_t *c, bool unpacked, uint32_t size, uint32_t align,
    const tensor_t *out) {
    #if HOG_FULL
    if (unpacked || !(c->weights & HOG_IN_DATA)) {
        return (unpacked || c->op.code == HOG_CONV16 || (c->op.code == HOG_CONV && c->op.type == HOG_FLOAT32))
               && in_arena(h, c->weights, size, align) && !overlap(c->weights, size, out->ref, out->size);
    }
    #endif
    (void)unpacked;
    (void)out;
    return in_data(h, c->weights, size, align);
}

static error_t check_conv(const hog_t *h, const hog_conv_t *c, bool unpacked) {
    uint32_t size = hog_size(c->op.type);
    if (has_zero(c, offsetof(hog_conv_t, batch), 12) || c->in_c == 0 || c->out_c == 0) {
        return E_ZERO;
    }
    if (c->in_c % c->groups != 0 || c->out_c % c->groups != 0 || (c->op.code == HOG_DEPTHWISE && c->groups != c->in_c)) {
        return E_GROUPS;
    }
    if (!window_fits(c->out_h, c->stride_h, c->k_h, c->dilation_h)
        || !window_fits(c->out_w, c->stride_w, c->k_w, c->dilation_w)) {
        return E_WINDOW;
    }
    tensor_t in = image(c->in, c->batch, c->in_h, c->in_w, c->in_c, size);
    tensor_t out = image(c->out, c->batch, c->out_h, c->out_w, c->out_c, size);
    error_t error = check_tensors(h, &in, &out, false);
    if (error && !(error == E_OVERLAP && trails_input(c))) {
        return error;
    }
    error = check_conv_params(h, c);
    if (error) {
        return error;
    }
    tensor_t scratch = image(c->scratch, 1, c->k_h, c->k_w, c->in_c / c->groups, size);
    uint32_t weights = times(scratch.size, c->out_c);
    if ((c->block == 0 || unpacked) && !has_weights(h, c, unpacked, weights, size, &out)) {
        return E_WEIGHTS;
    }
    if (c->block != 0) {
        error = check_block(h, c, unpacked, scratch.size);
        if (error) {
            return error;
        }
        scratch.size = block_scratch(c, scratch.size);
        scratch.align = 4;
    }
    if (c->scratch != HOG_NONE) {
        if (!in_arena(h, scratch.ref, scratch.size, scratch.align)) {
            return E_SCRATCH;
        }
        if (overlap(in.ref, in.size, scratch.ref, scratch.size) || overlap(out.ref, out.size, scratch.ref, scratch.size)) {
            return E_OVERLAP;
        }
    } else if (c->op.code == HOG_CONV && c->op.type == HOG_INT8 && !is_contiguous(c)) {
        return E_NO_SCRATCH;
    }
    #if HOG_FULL
    if (unpacked && (overlap(in.ref, in.size, c->weights, weights)
                     || (c->scratch != HOG_NONE && overlap(scratch.ref, scratch.size, c->weights, weights)))) {
        return E_OVERLAP;
    }
    #endif
    return check_clamp(c->op.type, &c->clamp);
}

static error_t check_pool(const hog_t *h, const hog_pool_t *p) {
    uint32_t size = hog_size(p->op.type);
    if (has_zero(p, offsetof(hog_pool_t, batch), 9) || p->channels == 0) {
        return E_ZERO;
    }
    if (p->reserved != 0) {
        return E_RESERVED;
    }
    if (!window_fits(p->out_h, p->stride_h, p->k_h, 1) || !window_fits(p->out_w, p->stride_w, p->k_w, 1)) {
        return E_WINDOW;
    }
    if (p->pad_h >= p->k_h || p->pad_w >= p->k_w || (p->out_h - 1u) * p->stride_h >= (uint32_t)p->in_h + p->pad_h
        || (p->out_w - 1u) * p->stride_w >= (uint32_t)p->in_w + p->pad_w) {
        return E_EMPTY_WINDOW;
    }
    tensor_t in = image(p->in, p->batch, p->in_h, p->in_w, p->channels, size);
    tensor_t out = image(p->out, p->batch, p->out_h, p->out_w, p->channels, size);
    error_t error = check_tensors(h, &in, &out, false);
    return error ? error : check_clamp(p->op.type, &p->clamp);
}

// The product of all n, at most UINT32_MAX; 0 where there is an n of 0.
static uint32_t places(const hog_loop_t *loop, unsigned loops) {
    uint32_t n = 1;
    for (; loops != 0; --loops, ++loop) {
        if (loop->n == 0) {
            return 0;
        }
        n = times(n, loop->n);
    }
    return n;
}

// What a loop nest touches of the tensor at `ref`: where it begins and how many bytes. `second` is
// whose strides, `unit` what they count, and `run` the length of an access in bytes. False where
// that is in neither DATA nor the arena.
static bool find_extent(const hog_t *h, uint32_t ref, const hog_loop_t *loop, unsigned loops, bool second, uint32_t unit,
    uint32_t run, tensor_t *extent) {
    int64_t low = 0, high = 0;
    for (; loops != 0; --loops, ++loop) {
        int64_t reach = (int64_t)(loop->n - 1) * (second ? loop->b : loop->a);
        if (reach >= (int64_t)LIMIT || reach <= -(int64_t)LIMIT) {
            return false;
        }
        if (reach < 0) {
            low += reach;
        } else {
            high += reach;
        }
    }
    // The sums are below 2^34, so these are too.
    uint32_t area = ref & HOG_IN_DATA;
    int64_t at = ref ^ area;
    low = at + low * unit;
    high = at + high * unit + run;
    if (low < 0 || high > (area ? h->data_size : h->arena_size) || (ref & (ALIGNMENT(unit) - 1)) != 0) {
        return false;
    }
    extent->ref = (uint32_t)low | area;
    extent->size = (uint32_t)(high - low);
    return true;
}

// An operand of ADD, MUL reads what the output overwrites just then: the same elements in the same order.
static bool works_in_place(const hog_binary_t *op, uint32_t ref, bool second) {
    uint32_t stride = 1;
    for (unsigned i = op->loops; i-- != 0; stride *= op->loop[i].n) {
        int32_t own = second ? op->loop[i].b : op->loop[i].a;
        if (op->loop[i].n != 1 && own != (int32_t)stride) {
            return false;
        }
    }
    return ref == op->out;
}

static error_t check_operand(const hog_t *h, const hog_binary_t *op, bool second, uint32_t size, uint32_t out_size) {
    uint32_t ref = second ? op->in2 : op->in1;
    tensor_t in;
    if (!find_extent(h, ref, op->loop, op->loops, second, size, size, &in)) {
        return E_OPERAND;
    }
    return overlap(in.ref, in.size, op->out, out_size) && !works_in_place(op, ref, second) ? E_OVERLAP : E_OK;
}

#if HOG_FULL

// The types that functions of COMBINE take, as bits.
enum {
    B = 1 << 0,
    H = 1 << 1,
    I = 1 << 2,
    Q = 1 << 3,
    F = 1 << 4,
    BOOL = 1 << 5,
    U = 1 << 6,
};

static unsigned type_bit(uint8_t type) {
    switch (type) {
        case HOG_INT8:
            return B;
        case HOG_INT16:
            return H;
        case HOG_INT32:
            return I;
        case HOG_INT64:
            return Q;
        case HOG_FLOAT32:
            return F;
        case HOG_BOOL:
            return BOOL;
        default:
            return type == HOG_UINT8 ? U : 0;
    }
}

static bool is_type(uint8_t type) {
    return type_bit(type) != 0;
}

static const uint8_t combine_types[] = {
    [HOG_F_ADD] = B | H | I | F,
    [HOG_F_SUB] = B | H | I | F,
    [HOG_F_MUL] = B | H | I | F,
    [HOG_F_DIV] = B | I | F,
    [HOG_F_MAXIMUM] = B | H | I | Q | F,
    [HOG_F_MINIMUM] = B | H | I | Q | F,
    [HOG_F_SQUARED_DIFFERENCE] = B | H | I | F,
    [HOG_F_FLOOR_DIV] = F,
    [HOG_F_FLOOR_MOD] = F,
    [HOG_F_PRELU] = B | F,
    [HOG_F_SELECT] = B | H | I | Q | F | BOOL | U,
    [HOG_F_AND] = BOOL,
    [HOG_F_OR] = BOOL,
    [HOG_F_EQUAL] = B | I | Q | F | BOOL,
    [HOG_F_NOT_EQUAL] = B | I | Q | F | BOOL,
    [HOG_F_LESS] = B | I | Q | F,
    [HOG_F_LESS_EQUAL] = B | I | Q | F,
};

static error_t check_function(uint8_t function, uint8_t type, const uint8_t *types, size_t functions) {
    return function >= functions || !(types[function] & type_bit(type)) ? E_FUNCTION : E_OK;
}

#else

static bool is_type(uint8_t type) {
    return type == HOG_INT8 || type == HOG_FLOAT32;
}

#endif

static error_t check_binary(const hog_t *h, const hog_binary_t *op) {
    uint32_t size = hog_size(op->op.type), out_size = size, size1 = size;
    #if HOG_FULL
    if (op->op.code == HOG_COMBINE) {
        if (check_function(op->function, op->op.type, combine_types, sizeof(combine_types))) {
            return E_FUNCTION;
        }
        out_size = op->function >= HOG_F_EQUAL ? 1 : size;
        size1 = op->function == HOG_F_SELECT ? 1 : size;
        if (size1 < out_size && op->in1 == op->out) {
            return E_OVERLAP;
        }
    }
    #endif
    uint32_t bytes = times(places(op->loop, op->loops), out_size);
    if (op->loops == 0 || bytes == 0) {
        return E_ZERO;
    }
    if (!in_arena(h, op->out, bytes, ALIGNMENT(out_size))) {
        return E_OUTPUT;
    }
    error_t error = check_operand(h, op, false, size1, bytes);
    if (!error) {
        error = check_operand(h, op, true, size, bytes);
    }
    if (error) {
        return error;
    }
    if (IS_QUANTIZED(op->op.type)
        && (op->left_shift > 30 || (op->function != 0 && op->op.code != HOG_COMBINE) || !is_multiplier(op->multiplier1, op->shift1)
            || !is_multiplier(op->multiplier2, op->shift2) || !is_multiplier(op->multiplier, op->shift))) {
        return E_MULTIPLIER;
    }
    return check_clamp(op->op.type, &op->clamp);
}

#if HOG_FULL
static const uint8_t reduce_types[] = {
    [HOG_D_SUM] = B | H | F,
    [HOG_D_MAX] = B | F,
    [HOG_D_MIN] = B | F,
    [HOG_D_ARG_MAX] = B | F,
    [HOG_D_ARG_MIN] = B | F,
};
#endif

// MEAN, REDUCE.
static error_t check_reduce(const hog_t *h, const hog_reduce_t *op) {
    uint32_t size = hog_size(op->op.type), out_size = size;
    unsigned loops = op->keep + op->reduce;
    #if HOG_FULL
    if (op->op.code == HOG_REDUCE) {
        if (check_function(op->function, op->op.type, reduce_types, sizeof(reduce_types))) {
            return E_FUNCTION;
        }
        out_size = op->function >= HOG_D_ARG_MAX ? 4 : size;
    }
    #endif
    uint32_t kept = times(places(op->loop, op->keep), out_size), all = times(places(op->loop, loops), size);
    if (all == 0 || op->reduce == 0) {
        return E_ZERO;
    }
    if (!in_arena(h, op->out, kept, ALIGNMENT(out_size))) {
        return E_OUTPUT;
    }
    tensor_t in;
    if ((op->in & HOG_IN_DATA) || all > h->arena_size
        || !find_extent(h, op->in, op->loop, loops, false, size, size, &in)) {
        return E_INPUT;
    }
    if (overlap(in.ref, in.size, op->out, kept)) {
        return E_OVERLAP;
    }
    if (op->op.code == HOG_MEAN && (op->function != 0 || op->left_shift != 0)) {
        return E_RESERVED;
    }
    if (!IS_QUANTIZED(op->op.type) || op->function > HOG_D_SUM) {
        return E_OK;
    }
    return is_multiplier(op->multiplier, op->shift) && op->left_shift <= 30 ? check_clamp(op->op.type, &op->clamp)
                                                                           : E_MULTIPLIER;
}

static error_t check_move(const hog_t *h, const hog_move_t *op) {
    uint32_t bytes = times(places(op->loop, op->loops), op->run);
    if (bytes == 0) {
        return E_ZERO;
    }
    tensor_t in, out;
    if ((op->out & HOG_IN_DATA) || bytes > h->arena_size
        || !find_extent(h, op->out, op->loop, op->loops, true, 1, op->run, &out)) {
        return E_OUTPUT;
    }
    if (!find_extent(h, op->in, op->loop, op->loops, false, 1, op->run, &in)) {
        return E_OPERAND;
    }
    return overlap(in.ref, in.size, out.ref, out.size) ? E_OVERLAP : E_OK;
}

static error_t check_fill(const hog_t *h, const hog_fill_t *op) {
    if (op->size != 1 && op->size != 2 && op->size != 4) {
        return E_FILL;
    }
    if (op->count == 0) {
        return E_ZERO;
    }
    return in_arena(h, op->out, times(op->count, op->size), op->size) ? E_OK : E_OUTPUT;
}

// Operators that work element by element, in place where both tensors start together. `record` begins
// as hog_lut_t, hog_quantize_t, hog_unary_t and hog_softmax_t do: in, out, count.
static error_t check_elements(const hog_t *h, const hog_lut_t *op, uint32_t count, uint32_t in_size, uint32_t out_size) {
    if (count == 0) {
        return E_ZERO;
    }
    tensor_t in = {op->in, times(count, in_size), in_size}, out = {op->out, times(count, out_size), out_size};
    return check_tensors(h, &in, &out, true);
}

static error_t check_softmax(const hog_t *h, const hog_softmax_t *op) {
    if (op->op.type == HOG_INT8 && !in_data(h, op->table, times(op->u.entries, 4), 4)) {
        return E_TABLE;
    }
    uint32_t size = hog_size(op->op.type);
    return check_elements(h, (const void *)op, times(op->rows, op->depth), size, size);
}

static error_t check_quantize(const hog_t *h, const hog_quantize_t *op) {
    if (!(0 < op->scale && op->scale <= FLT_MAX)) {
        return E_SCALE;
    }
    if (!is_int8(op->zero_point)) {
        return E_ZERO_POINT;
    }
    bool to_int8 = op->op.code == HOG_QUANTIZE;
    return check_elements(h, (const void *)op, op->count, to_int8 ? 4 : 1, to_int8 ? 1 : 4);
}

#if HOG_FULL

static error_t check_apply(const hog_t *h, const hog_apply_t *op) {
    static const uint8_t to[] = {[HOG_A_CAST] = B | H | I | F | BOOL, [HOG_A_QUANTIZE] = H | U, [HOG_A_DEQUANTIZE] = F};
    uint8_t from = op->function < HOG_A_NOT ? F : op->function == HOG_A_NOT ? BOOL : to[HOG_A_CAST];
    if (op->function == HOG_A_QUANTIZE) {
        from = F;
    } else if (op->function == HOG_A_DEQUANTIZE) {
        from = H | U;
    }
    bool same = op->function < HOG_A_CAST;
    if (op->function == 0 || op->function > HOG_A_DEQUANTIZE || !(type_bit(op->op.type) & from)
        || (same ? op->out_type != op->op.type : !(type_bit(op->out_type) & to[op->function]))) {
        return E_FUNCTION;
    }
    if (op->reserved != 0) {
        return E_RESERVED;
    }
    if (op->function >= HOG_A_QUANTIZE) {
        if (!(0 < op->alpha && op->alpha <= FLT_MAX)) {
            return E_SCALE;
        }
        if (op->zero_point != (int16_t)op->zero_point) {
            return E_ZERO_POINT;
        }
    }
    return check_elements(h, (const void *)op, op->count, hog_size(op->op.type), hog_size(op->out_type));
}

static error_t check_rescale(const hog_t *h, const hog_rescale_t *op) {
    unsigned integers = B | H | I | U;
    if (op->function - 1u >= HOG_R_RSQRT || !(type_bit(op->op.type) & integers) || !(type_bit(op->out_type) & integers)) {
        return E_FUNCTION;
    }
    if (!is_multiplier(0, op->shift) || !is_multiplier(0, op->negative_shift) || op->multiplier == INT32_MIN
        || op->negative_multiplier == INT32_MIN) {
        return E_MULTIPLIER;
    }
    if (op->in_zp != (int16_t)op->in_zp || op->out_zp != (int16_t)op->out_zp) {
        return E_ZERO_POINT;
    }
    if (op->min > op->max) {
        return E_CLAMP;
    }
    return check_elements(h, (const void *)op, op->count, hog_size(op->op.type), hog_size(op->out_type));
}

static error_t check_scan(const hog_t *h, const hog_scan_t *op) {
    uint32_t size = hog_size(op->op.type);
    if (op->op.type != HOG_INT8 && op->op.type != HOG_FLOAT32) {
        return E_TYPE;
    }
    if (op->exclusive > 1 || op->reverse > 1) {
        return E_RESERVED;
    }
    if (op->op.type == HOG_INT8) {
        if (op->left_shift > 30 || !is_multiplier(op->multiplier, op->shift)) {
            return E_MULTIPLIER;
        }
        error_t error = check_clamp(HOG_INT8, &op->clamp);
        if (error) {
            return error;
        }
    }
    return check_elements(h, (const void *)op, times(times(op->outer, op->depth), op->inner), size, size);
}

static error_t check_normalize(const hog_t *h, const hog_normalize_t *op) {
    uint32_t size = hog_size(op->op.type);
    if (op->op.type != HOG_INT8 && op->op.type != HOG_FLOAT32) {
        return E_TYPE;
    }
    bool softmax = op->function == HOG_N_SOFTMAX;
    if (op->function - 1u >= HOG_N_SOFTMAX || (softmax && op->op.type != HOG_INT8)) {
        return E_FUNCTION;
    }
    if (op->op.type == HOG_INT8 && op->function != HOG_N_L2) {
        if (!in_data(h, op->table, times(op->entries, 4), 4)) {
            return E_TABLE;
        }
        if (!is_multiplier(op->multiplier, op->shift) || !is_multiplier(op->reverse_multiplier, op->reverse_shift)) {
            return E_MULTIPLIER;
        }
    }
    uint32_t count = times(op->rows, op->depth);
    if (softmax) {
        tensor_t in = {op->in, count, 1}, out = {op->out, times(count, 2), 2};
        return count == 0 ? E_ZERO : check_tensors(h, &in, &out, false);
    }
    return check_elements(h, (const void *)op, count, size, size);
}

static bool in_either(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align) {
    return ref & HOG_IN_DATA ? in_data(h, ref, size, align) : in_arena(h, ref, size, align);
}

static error_t check_gather(const hog_t *h, const hog_gather_t *op) {
    uint32_t table = times(times(op->outer, op->axis), op->run);
    uint32_t indices = times(op->count, 4), out = times(times(op->outer, op->count), op->run);
    if (table == 0 || out == 0) {
        return E_ZERO;
    }
    if (!in_either(h, op->in, table, 1) || !in_either(h, op->indices, indices, 4)) {
        return E_OPERAND;
    }
    if (!in_arena(h, op->out, out, 1)) {
        return E_OUTPUT;
    }
    return overlap(op->in, table, op->out, out) || overlap(op->indices, indices, op->out, out) ? E_OVERLAP : E_OK;
}

static error_t check_update(const hog_t *h, const hog_update_t *op) {
    uint32_t size = hog_size(op->op.type), in = times(places(op->loop, op->loops), size);
    if (op->loops == 0 || in == 0) {
        return E_ZERO;
    }
    if (!in_either(h, op->in, in, 1) || !in_either(h, op->starts, op->loops * 4, 4)) {
        return E_OPERAND;
    }
    uint32_t out = size;
    for (unsigned i = 0; i < op->loops; ++i) {
        const hog_loop_t *loop = &op->loop[i];
        if (loop->a < 0 || loop->b < 0) {
            return E_OUTPUT;
        }
        // Below 2^32 and not 0: n is in 1 ... 2^31 for its place in memory.
        uint32_t reach = times(times((uint32_t)loop->b + loop->n - 1, (uint32_t)loop->a), size);
        out = out + reach < out ? UINT32_MAX : out + reach;
    }
    if (!in_arena(h, op->out, out, 1)) {
        return E_OUTPUT;
    }
    return overlap(op->in, in, op->out, out) || overlap(op->starts, op->loops * 4, op->out, out) ? E_OVERLAP : E_OK;
}

// Input, output, and what stays in the arena between runs: all of them apart.
static error_t check_states(const hog_t *h, const tensor_t *t, unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
        if (t[i].size == 0) {
            return E_ZERO;
        }
        if (!in_arena(h, t[i].ref, t[i].size, t[i].align)) {
            return i == 0 ? E_INPUT : i == 1 ? E_OUTPUT : E_STATE;
        }
        for (unsigned j = 0; j < i; ++j) {
            if (overlap(t[i].ref, t[i].size, t[j].ref, t[j].size)) {
                return E_OVERLAP;
            }
        }
    }
    return E_OK;
}

static error_t check_svdf(const hog_t *h, const hog_svdf_t *op) {
    uint32_t size = hog_size(op->op.type), state_size = hog_size(op->state_type);
    bool is_float = op->op.type == HOG_FLOAT32;
    if (is_float ? op->state_type != HOG_FLOAT32
        : op->op.type != HOG_INT8 || (op->state_type != HOG_INT8 && op->state_type != HOG_INT16)) {
        return E_TYPE;
    }
    uint32_t filters = times(op->units, op->rank), taps = times(times(filters, op->memory), state_size);
    const tensor_t tensors[] = {
        {op->in, times(times(op->batch, op->inputs), size), size},
        {op->out, times(times(op->batch, op->units), size), size},
        {op->state, times(op->batch, taps), state_size},
    };
    error_t error = check_states(h, tensors, 3);
    if (error) {
        return error;
    }
    if (!in_data(h, op->weights, times(times(filters, op->inputs), size), size)
        || !in_data(h, op->time, taps, state_size)) {
        return E_WEIGHTS;
    }
    // Both are less than the arena.
    if (!in_data(h, op->params, times(op->units + (is_float ? 0 : filters), 4), 4)) {
        return E_PARAMS;
    }
    if (!is_multiplier(op->feature_multiplier, op->feature_shift) || !is_multiplier(op->multiplier, op->shift)) {
        return E_MULTIPLIER;
    }
    return check_clamp(op->op.type, &op->clamp);
}

static error_t check_lstm(const hog_t *h, const hog_lstm_t *op) {
    uint8_t type = op->op.type;
    if (type != HOG_INT8 && type != HOG_INT16 && type != HOG_FLOAT32) {
        return E_TYPE;
    }
    bool is_float = type == HOG_FLOAT32;
    uint32_t size = hog_size(type), cell_size = is_float ? 4 : 2;
    uint32_t rows = times(op->batch, op->steps), states = times(op->batch, op->units);
    const tensor_t tensors[] = {
        {op->in, times(times(rows, op->inputs), size), size},
        {op->out, times(times(rows, op->units), size), size},
        {op->hidden, times(states, size), size},
        {op->cell, times(states, cell_size), cell_size},
    };
    error_t error = check_states(h, tensors, 4);
    if (error) {
        return error;
    }
    if (op->reserved != 0 || op->time_major > 1) {
        return E_RESERVED;
    }
    uint32_t weight_size = is_float ? 4 : 1, gates = times(op->units, 4); // units and inputs are less than the arena
    if (!in_data(h, op->weights, times(times(gates, op->inputs + op->units), weight_size), weight_size)) {
        return E_WEIGHTS;
    }
    uint32_t bias = times(gates, is_float ? 4 : 8), scales = is_float ? 0 : 11;
    if (bias >= LIMIT || !in_data(h, op->params, bias + scales * 5, 4)) {
        return E_PARAMS;
    }
    if (is_float) {
        return check_clamp(type, &op->clamp);
    }
    if (!in_data(h, op->table, 512, 2)) {
        return E_TABLE;
    }
    const int32_t *multiplier = (const void *)((const uint8_t *)hog_at(h, NULL, op->params) + bias);
    const int8_t *shift = (const int8_t *)(multiplier + scales);
    for (unsigned i = 0; i < scales; ++i) {
        bool is_wide = type == HOG_INT16 && i < 8; // of sums of 64 bits
        if (!is_multiplier(multiplier[i], shift[i]) || (is_wide && shift[i] > 7)) {
            return E_MULTIPLIER;
        }
    }
    if (op->cell_shift < -30 || op->cell_shift > 14) {
        return E_MULTIPLIER;
    }
    if (!is_int8(op->clamp.i.out_zp)) {
        return E_ZERO_POINT;
    }
    return check_clamp(HOG_INT16, &op->clamp);
}

#endif

#if HOG_FULL

static bool is_int16(int32_t x) {
    return x == (int16_t)x;
}

static error_t check_matmul(const hog_t *h, const hog_matmul_t *op) {
    uint32_t size = hog_size(op->op.type), out = times(times(op->rows, op->columns), times(places(op->loop, op->loops), size));
    if (!(type_bit(op->op.type) & (B | H | F))) {
        return E_TYPE;
    }
    if (out == 0 || op->depth == 0) {
        return E_ZERO;
    }
    if (!in_arena(h, op->out, out, size)) {
        return E_OUTPUT;
    }
    if ((op->row1 | op->depth1 | op->column2 | op->depth2) >= LIMIT || op->depth1 == 0) {
        return E_OPERAND;
    }
    hog_loop_t all[HOG_MAX_LOOPS + 3];
    memcpy(all, op->loop, op->loops * sizeof(hog_loop_t));
    hog_loop_t *matrix = all + op->loops;
    matrix[0] = (hog_loop_t) {op->rows, (int32_t)op->row1, 0};
    matrix[1] = (hog_loop_t) {op->columns, 0, (int32_t)op->column2};
    matrix[2] = (hog_loop_t) {op->depth, (int32_t)op->depth1, (int32_t)op->depth2};
    tensor_t in;
    for (unsigned i = 0; i < 2; ++i) {
        if (!find_extent(h, i == 0 ? op->in1 : op->in2, all, op->loops + 3u, i != 0, size, size, &in)) {
            return E_OPERAND;
        }
        if (overlap(in.ref, in.size, op->out, out)) {
            return E_OVERLAP;
        }
    }
    if (op->bias != HOG_NONE && !in_data(h, op->bias, times(op->columns, op->op.type == HOG_INT16 ? 8 : 4), 4)) {
        return E_PARAMS;
    }
    if (op->op.type != HOG_FLOAT32 && !is_multiplier(op->multiplier, op->shift)) {
        return E_MULTIPLIER;
    }
    if (op->op.type == HOG_INT16 && op->shift > 14) {
        return E_MULTIPLIER;
    }
    return check_clamp(op->op.type, &op->clamp);
}

static error_t check_resize(const hog_t *h, const hog_resize_t *op) {
    uint32_t size = hog_size(op->op.type);
    if (!(type_bit(op->op.type) & (B | F))) {
        return E_TYPE;
    }
    if (has_zero(op, offsetof(hog_resize_t, batch), 5) || op->channels == 0) {
        return E_ZERO;
    }
    if (op->half_pixel > 1) {
        return E_RESERVED;
    }
    // As bits, a float32 of 0 ... infinity is in order with integers.
    if (op->step_h.i < 0 || op->step_w.i < 0
        || (op->op.type == HOG_FLOAT32 && !(op->step_h.f <= FLT_MAX && op->step_w.f <= FLT_MAX))) {
        return E_SCALE;
    }
    tensor_t in = image(op->in, op->batch, op->in_h, op->in_w, op->channels, size);
    tensor_t out = image(op->out, op->batch, op->out_h, op->out_w, op->channels, size);
    return check_tensors(h, &in, &out, false);
}

static error_t check_conv16(const hog_t *h, const hog_conv_t *c) {
    if (c->op.type != HOG_INT16) {
        return E_TYPE;
    }
    if (has_zero(c, offsetof(hog_conv_t, batch), 12) || c->in_c == 0 || c->out_c == 0) {
        return E_ZERO;
    }
    if (c->in_c % c->groups != 0 || c->out_c % c->groups != 0) {
        return E_GROUPS;
    }
    if (!window_fits(c->out_h, c->stride_h, c->k_h, c->dilation_h)
        || !window_fits(c->out_w, c->stride_w, c->k_w, c->dilation_w)) {
        return E_WINDOW;
    }
    tensor_t in = image(c->in, c->batch, c->in_h, c->in_w, c->in_c, 2);
    tensor_t out = image(c->out, c->batch, c->out_h, c->out_w, c->out_c, 2);
    error_t error = check_tensors(h, &in, &out, false);
    if (error) {
        return error;
    }
    if (c->scratch != HOG_NONE || c->block > 1) {
        return E_RESERVED;
    }
    if (!has_weights(h, c, false, times(image(0, 1, c->k_h, c->k_w, c->in_c / c->groups, 1).size, c->out_c), 1, &out)) {
        return E_WEIGHTS;
    }
    uint32_t scales = c->scales, words = 2 * c->out_c + scales; // out_c is less than the arena
    if (scales != 1 && scales != c->out_c) {
        return E_SCALES;
    }
    if (words >= LIMIT / 4 || !in_data(h, c->params, words * 4 + scales, 4)) {
        return E_PARAMS;
    }
    const int32_t *multiplier = (const int32_t *)hog_at(h, NULL, c->params) + 2 * c->out_c;
    const int8_t *shift = (const int8_t *)(multiplier + scales);
    for (; scales != 0; --scales, ++shift) {
        if (!is_multiplier(*multiplier++, *shift) || (c->block != 0 && *shift > 14)) {
            return E_MULTIPLIER;
        }
    }
    return check_clamp(HOG_INT16, &c->clamp);
}

static error_t check_conv4(const hog_t *h, const hog_conv4_t *op) {
    hog_conv_t c = hog_unpacked(op);
    if (c.op.type != HOG_INT8) {
        return E_TYPE;
    }
    error_t error = check_conv(h, &c, true);
    if (error) {
        return error;
    }
    // As int8 they are in the arena, so there are less than 2^31.
    uint32_t weights = image(0, 1, c.k_h, c.k_w, c.in_c / c.groups, 1).size * c.out_c;
    return in_data(h, op->conv.weights, (weights + 1) / 2, 1) ? E_OK : E_WEIGHTS;
}

static error_t check_curve(const hog_t *h, const hog_curve_t *op) {
    if (op->op.type != HOG_INT16) {
        return E_TYPE;
    }
    if (op->function - 1u >= HOG_C_SOFTMAX) {
        return E_FUNCTION;
    }
    if (op->reserved != 0) {
        return E_RESERVED;
    }
    bool softmax = op->function == HOG_C_SOFTMAX;
    if (!in_data(h, op->table, softmax ? 4 * 513 : 2 * 256, 2)) {
        return E_TABLE;
    }
    if (softmax ? !is_multiplier(op->multiplier, op->shift)
        : op->multiplier < 0 || !is_int16(op->multiplier) || op->shift < 0 || op->shift > 31) {
        return E_MULTIPLIER;
    }
    return check_elements(h, (const void *)op, times(op->rows, op->depth), 2, 2);
}

static error_t check_detect(const hog_t *h, const hog_detect_t *op) {
    if (op->op.type != HOG_FLOAT32) {
        return E_TYPE;
    }
    if (op->classes == 0 || op->columns - op->classes > 1 || op->coordinates < 4) {
        return E_COUNTS;
    }
    uint32_t many = times(op->detections, 4);
    const tensor_t tensors[] = {
        {op->in, times(times(op->boxes, op->coordinates), 4), 4},
        {op->out, times(many, 4), 4},
        {op->scores, times(times(op->boxes, op->columns), 4), 4},
        {op->out_classes, many, 4},
        {op->out_scores, many, 4},
        {op->out_count, 4, 4},
        {op->scratch, op->a_class == 0 ? times(op->boxes, 4) : times(op->a_class, 16), 4},
    };
    error_t error = check_states(h, tensors, 7);
    if (error) {
        return error;
    }
    uint32_t anchors = times(op->boxes, 16);
    if (!in_either(h, op->anchors, anchors, 4)) {
        return E_OPERAND;
    }
    for (unsigned i = 0; i < 7; ++i) {
        if (overlap(op->anchors, anchors, tensors[i].ref, tensors[i].size)) {
            return E_OVERLAP;
        }
    }
    for (unsigned i = 0; i < 4; ++i) {
        if (!(0 < op->scale[i] && op->scale[i] <= FLT_MAX)) {
            return E_SCALE;
        }
    }
    return 0 < op->overlap_threshold && op->overlap_threshold <= 1 ? E_OK : E_SCALE;
}

static error_t check_jump(const hog_t *h, const hog_jump_t *op) {
    if (op->op.type != HOG_BOOL) {
        return E_TYPE;
    }
    if (op->condition != HOG_NONE && !in_arena(h, op->condition, 1, 1)) {
        return E_INPUT;
    }
    return op->target <= h->ops ? E_OK : E_TARGET;
}

#endif

// Bytes of each record, without loops.
static const uint8_t record_size[] = {
    [HOG_CONV] = sizeof(hog_conv_t),
    [HOG_DEPTHWISE] = sizeof(hog_conv_t),
    [HOG_AVERAGE_POOL] = sizeof(hog_pool_t),
    [HOG_MAX_POOL] = sizeof(hog_pool_t),
    [HOG_ADD] = sizeof(hog_binary_t),
    [HOG_MUL] = sizeof(hog_binary_t),
    [HOG_MEAN] = sizeof(hog_reduce_t),
    [HOG_MOVE] = sizeof(hog_move_t),
    [HOG_FILL] = sizeof(hog_fill_t),
    [HOG_SOFTMAX] = sizeof(hog_softmax_t),
    [HOG_LUT] = sizeof(hog_lut_t),
    [HOG_QUANTIZE] = sizeof(hog_quantize_t),
    [HOG_DEQUANTIZE] = sizeof(hog_quantize_t),
    #if HOG_FULL
    [HOG_CLAMP] = sizeof(hog_unary_t),
    [HOG_LOGISTIC] = sizeof(hog_unary_t),
    [HOG_TANH] = sizeof(hog_unary_t),
    [HOG_COMBINE] = sizeof(hog_binary_t),
    [HOG_APPLY] = sizeof(hog_apply_t),
    [HOG_RESCALE] = sizeof(hog_rescale_t),
    [HOG_REDUCE] = sizeof(hog_reduce_t),
    [HOG_SCAN] = sizeof(hog_scan_t),
    [HOG_L2_POOL] = sizeof(hog_pool_t),
    [HOG_NORMALIZE] = sizeof(hog_normalize_t),
    [HOG_GATHER] = sizeof(hog_gather_t),
    [HOG_UPDATE] = sizeof(hog_update_t),
    [HOG_MATMUL] = sizeof(hog_matmul_t),
    [HOG_RESIZE] = sizeof(hog_resize_t),
    [HOG_CONV16] = sizeof(hog_conv_t),
    [HOG_CURVE] = sizeof(hog_curve_t),
    [HOG_SVDF] = sizeof(hog_svdf_t),
    [HOG_LSTM] = sizeof(hog_lstm_t),
    [HOG_JUMP] = sizeof(hog_jump_t),
    [HOG_DETECT] = sizeof(hog_detect_t),
    [HOG_CONV4] = sizeof(hog_conv4_t),
    [HOG_DEPTHWISE4] = sizeof(hog_conv4_t),
    #endif
};

// AVERAGE_POOL and MAX_POOL of int16.
static bool is_wide_pool(const hog_op_t *op) {
    #if HOG_FULL
    return op->type == HOG_INT16 && (op->code == HOG_AVERAGE_POOL || op->code == HOG_MAX_POOL);
    #else
    (void)op;
    return false;
    #endif
}

// An operator's record, of which `left` bytes are in the file.
static error_t check_op(const hog_t *h, const hog_op_t *op, uint32_t left) {
    const void *record = op;
    uint32_t size = op->words * 4u;
    uint8_t code = op->code;
    if (code < HOG_CONV || code > LAST_CODE) {
        return E_OPERATOR;
    }
    if (size > left || size < record_size[code]) {
        return E_RECORD;
    }
    const hog_binary_t *binary = record;
    const hog_reduce_t *reduce = record;
    const hog_move_t *move = record;
    uint32_t loops = 0;
    if (code == HOG_ADD || code == HOG_MUL || code == HOG_COMBINE) {
        loops = binary->loops;
    } else if (code == HOG_MEAN || code == HOG_REDUCE) {
        loops = (uint32_t)reduce->keep + reduce->reduce;
    } else if (code == HOG_MOVE || code == HOG_UPDATE) {
        loops = move->loops;
    }
    #if HOG_FULL
    if (code == HOG_MATMUL) {
        loops = ((const hog_matmul_t *)record)->loops;
    }
    #endif
    if (loops > HOG_MAX_LOOPS) {
        return E_LOOPS;
    }
    if (size != record_size[code] + loops * sizeof(hog_loop_t)) {
        return E_RECORD;
    }
    if (code > HOG_TANH || code == HOG_MOVE || code == HOG_FILL || is_wide_pool(op)) {
        if (!is_type(op->type)) {
            return E_TYPE;
        }
    } else if (op->type == HOG_INT8 ? code >= HOG_CLAMP : !hog_is_float(op->type) || (HOG_LUT <= code && code < HOG_CLAMP)) {
        return E_TYPE;
    }
    const hog_lut_t *lut = record;
    #if HOG_FULL
    const hog_unary_t *unary = record;
    #endif
    switch (code) {
        case HOG_CONV:
        case HOG_DEPTHWISE:
            return check_conv(h, record, false);
        case HOG_AVERAGE_POOL:
        case HOG_MAX_POOL:
            return check_pool(h, record);
        case HOG_ADD:
        case HOG_MUL:
        case HOG_COMBINE:
            return check_binary(h, record);
        case HOG_MEAN:
        case HOG_REDUCE:
            return check_reduce(h, record);
        case HOG_MOVE:
            return check_move(h, record);
        case HOG_FILL:
            return check_fill(h, record);
        case HOG_SOFTMAX:
            return check_softmax(h, record);
        case HOG_QUANTIZE:
        case HOG_DEQUANTIZE:
            return check_quantize(h, record);
        #if HOG_FULL
        case HOG_CLAMP:
        case HOG_LOGISTIC:
        case HOG_TANH:
            if (code == HOG_CLAMP && !(unary->min <= unary->max)) {
                return E_CLAMP;
            }
            return check_elements(h, record, unary->count, 4, 4);
        case HOG_APPLY:
            return check_apply(h, record);
        case HOG_RESCALE:
            return check_rescale(h, record);
        case HOG_SCAN:
            return check_scan(h, record);
        case HOG_L2_POOL:
            return op->type == HOG_FLOAT32 ? check_pool(h, record) : E_TYPE;
        case HOG_NORMALIZE:
            return check_normalize(h, record);
        case HOG_GATHER:
            return check_gather(h, record);
        case HOG_UPDATE:
            return check_update(h, record);
        case HOG_MATMUL:
            return check_matmul(h, record);
        case HOG_RESIZE:
            return check_resize(h, record);
        case HOG_CONV16:
            return check_conv16(h, record);
        case HOG_CURVE:
            return check_curve(h, record);
        case HOG_SVDF:
            return check_svdf(h, record);
        case HOG_LSTM:
            return check_lstm(h, record);
        case HOG_JUMP:
            return check_jump(h, record);
        case HOG_DETECT:
            return check_detect(h, record);
        case HOG_CONV4:
        case HOG_DEPTHWISE4:
            return check_conv4(h, record);
        #endif
        default:
            return in_data(h, lut->table, 256, 1) ? check_elements(h, lut, lut->count, 1, 1) : E_TABLE;
    }
}

static error_t check_io(const hog_t *h, const hog_io_t *io) {
    if (!is_type(io->type)) {
        return E_TYPE;
    }
    if (io->reserved != 0) {
        return E_RESERVED;
    }
    uint32_t size = hog_size(io->type);
    uint32_t bytes = size;
    for (unsigned i = 0; i < io->rank; ++i) {
        if (io->dim[i] == 0) {
            return E_ZERO;
        }
        bytes = times(bytes, io->dim[i]);
    }
    if (!in_arena(h, io->ref, bytes, ALIGNMENT(size))) {
        return E_IO;
    }
    bool zero_point_fits = is_int8(io->zero_point);
    #if HOG_FULL
    zero_point_fits = zero_point_fits || (io->type == HOG_INT16 && io->zero_point == (int16_t)io->zero_point) || (io->type == HOG_UINT8 && 0 <= io->zero_point && io->zero_point <= UINT8_MAX);
    #endif
    return 0 <= io->scale && io->scale <= FLT_MAX && zero_point_fits ? E_OK : E_IO_SCALE;
}

// zlib's, by nibbles: a table of 64 bytes.
static uint32_t crc32(const uint8_t *p, size_t n) {
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = ~0u;
    while (n-- != 0) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

// Four letters in the file, as a little-endian number.
#define TAG(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

typedef struct {
    uint32_t magic;
    uint16_t version, sections;
    uint32_t length, crc, arena_size, features;
} header_t;

typedef struct {
    uint32_t tag, offset, length;
} section_t;

static error_t check_header(hog_t *h, const header_t *header, size_t length) {
    if (length < HEADER_SIZE || header->magic != TAG('H', 'O', 'G', 'N')) {
        return E_MAGIC;
    }
    if (header->version != HOG_VERSION) {
        return E_VERSION;
    }
    if (length >= LIMIT || header->length != length) {
        return E_LENGTH;
    }
    if (crc32((const uint8_t *)header + 16, length - 16) != header->crc) {
        return E_CHECKSUM;
    }
    if (header->sections > MAX_SECTIONS || length < HEADER_SIZE + header->sections * (size_t)ENTRY_SIZE) {
        return E_SECTIONS;
    }
    if (header->features & ~FEATURES) {
        return E_FEATURES;
    }
    h->arena_size = header->arena_size;
    return header->arena_size < LIMIT ? E_OK : E_ARENA;
}

// Finds META, PLAN, DATA in the section table.
static error_t check_sections(const header_t *header, const section_t *found[3]) {
    static const uint32_t tags[3] = {TAG('M', 'E', 'T', 'A'), TAG('P', 'L', 'A', 'N'), TAG('D', 'A', 'T', 'A')};
    const section_t *table = (const section_t *)(header + 1);
    for (unsigned i = 0; i < header->sections; ++i) {
        const section_t *s = &table[i];
        unsigned kind = 0;
        while (kind < 3 && s->tag != tags[kind]) {
            ++kind;
        }
        if (kind == 3 || found[kind] || s->offset < HEADER_SIZE + header->sections * (uint32_t)ENTRY_SIZE
            || !fits(header->length, s->offset, s->length, kind == 2 ? 16 : 4)) {
            return E_SECTION;
        }
        found[kind] = s;
        for (unsigned j = 0; j < i; ++j) {
            if (overlap(s->offset, s->length, table[j].offset, table[j].length)) {
                return E_SECTION_OVERLAP;
            }
        }
    }
    return found[0] && found[1] && found[2] ? E_OK : E_SECTION_MISSING;
}

static error_t check_file(hog_t *h, const void *file, size_t length, unsigned *where) {
    const header_t *header = file;
    const section_t *found[3] = {NULL, NULL, NULL};
    if ((uintptr_t)file % 4 != 0) {
        return E_ADDRESS;
    }
    error_t error = check_header(h, header, length);
    if (!error) {
        error = check_sections(header, found);
    }
    if (error) {
        return error;
    }
    h->plan = (const uint8_t *)file + found[1]->offset;
    h->data = (const uint8_t *)file + found[2]->offset;
    h->data_size = found[2]->length;

    uint32_t size = found[1]->length, at = 8;
    if (size < at) {
        return E_PLAN;
    }
    const uint16_t *counts = (const uint16_t *)(const void *)h->plan;
    h->inputs = counts[0];
    h->outputs = counts[1];
    h->ops = counts[2];
    h->initial = counts[3];
    if (h->initial > h->ops) {
        return E_PLAN;
    }
    if (h->inputs - 1u >= MAX_IO || h->outputs - 1u >= MAX_IO) {
        return E_IO_COUNT;
    }
    for (unsigned i = h->inputs + h->outputs; i != 0; --i) {
        const hog_io_t *io = (const hog_io_t *)(const void *)(h->plan + at);
        if (size - at < sizeof(*io) || size - at < sizeof(*io) + 4u * io->rank) {
            return E_PLAN;
        }
        error = check_io(h, io);
        if (error) {
            return error;
        }
        at += (uint32_t)sizeof(*io) + 4u * io->rank;
    }
    h->op = (const hog_op_t *)(const void *)(h->plan + at);
    for (unsigned i = 0; i < h->ops; ++i) {
        const hog_op_t *op = (const hog_op_t *)(const void *)(h->plan + at);
        if (size - at < sizeof(*op)) {
            return E_PLAN;
        }
        error = check_op(h, op, size - at);
        if (error) {
            *where = i;
            return error;
        }
        at += op->words * 4u;
    }
    return at == size ? E_OK : E_PLAN_END;
}

const char *hog_load(hog_t *h, const void *file, size_t length, unsigned *where) {
    *where = ~0u;
    return words_of(check_file(h, file, length, where));
}

const hog_io_t *hog_io(const hog_t *h, unsigned i) {
    const uint8_t *p = h->plan + 8;
    while (i-- != 0) {
        p += sizeof(hog_io_t) + 4u * ((const hog_io_t *)(const void *)p)->rank;
    }
    return (const hog_io_t *)(const void *)p;
}

const hog_op_t *hog_run(const hog_t *h, void *arena, const hog_op_t *op) {
    const void *record = op;
    switch (op->code) {
        case HOG_CONV:
            hog_conv(h, arena, record);
            break;
        case HOG_DEPTHWISE:
            hog_depthwise(h, arena, record);
            break;
        case HOG_AVERAGE_POOL:
        case HOG_MAX_POOL:
            #if HOG_FULL
            if (op->type == HOG_INT16) {
                hog_pool16(h, arena, record);
                break;
            }
            #endif
            hog_pool(h, arena, record);
            break;
        case HOG_ADD:
        case HOG_MUL:
            hog_binary(h, arena, record);
            break;
        case HOG_MEAN:
            hog_mean(h, arena, record);
            break;
        case HOG_MOVE:
            hog_move(h, arena, record);
            break;
        case HOG_FILL:
            hog_fill(h, arena, record);
            break;
        case HOG_SOFTMAX:
            hog_softmax(h, arena, record);
            break;
        case HOG_QUANTIZE: {
            const hog_quantize_t *q = record;
            hog_quantize(hog_at(h, arena, q->out), hog_at(h, arena, q->in), q->count, q->scale, q->zero_point);
            break;
        }
        case HOG_DEQUANTIZE: {
            const hog_quantize_t *q = record;
            hog_dequantize(hog_at(h, arena, q->out), hog_at(h, arena, q->in), q->count, q->scale, q->zero_point);
            break;
        }
        #if HOG_FULL
        case HOG_CLAMP:
        case HOG_LOGISTIC:
        case HOG_TANH:
            hog_unary(h, arena, record);
            break;
        case HOG_COMBINE:
            hog_combine(h, arena, record);
            break;
        case HOG_APPLY:
            hog_apply(h, arena, record);
            break;
        case HOG_RESCALE:
            hog_rescale(h, arena, record);
            break;
        case HOG_REDUCE:
            hog_reduce(h, arena, record);
            break;
        case HOG_SCAN:
            hog_scan(h, arena, record);
            break;
        case HOG_L2_POOL:
            hog_l2_pool(h, arena, record);
            break;
        case HOG_NORMALIZE:
            hog_normalize(h, arena, record);
            break;
        case HOG_GATHER:
            hog_gather_rows(h, arena, record);
            break;
        case HOG_UPDATE:
            hog_update(h, arena, record);
            break;
        case HOG_MATMUL:
            hog_matmul(h, arena, record);
            break;
        case HOG_RESIZE:
            hog_resize(h, arena, record);
            break;
        case HOG_CONV16:
            hog_conv16(h, arena, record);
            break;
        case HOG_CURVE:
            hog_curve(h, arena, record);
            break;
        case HOG_DETECT:
            hog_detect(h, arena, record);
            break;
        case HOG_CONV4:
        case HOG_DEPTHWISE4:
            hog_conv4(h, arena, record);
            break;
        case HOG_JUMP: // hog_run_ops() does it
            break;
        case HOG_SVDF:
            hog_svdf(h, arena, record);
            break;
        case HOG_LSTM:
            hog_lstm(h, arena, record);
            break;
        #endif
        default:
            hog_lut(h, arena, record);
            break;
    }
    return op + op->words;
}

#if HOG_FULL

// Whether `op` is a jump that is taken.
static bool jumps(const void *arena, const hog_op_t *op) {
    const hog_jump_t *jump = (const void *)op;
    return op->code == HOG_JUMP && (jump->condition == HOG_NONE || ((const uint8_t *)arena)[jump->condition] == 0);
}

bool hog_run_ops(const hog_t *h, void *arena, unsigned first, unsigned last) {
    const hog_op_t *op = h->op;
    uint32_t turns = 0;
    for (unsigned i = 0; i < last; ++i) {
        if (i < first) {
            op += op->words;
        } else if (jumps(arena, op)) {
            first = ((const hog_jump_t *)(const void *)op)->target;
            if (first > i) {
                op += op->words;
            } else if (++turns <= HOG_MAX_TURNS) {
                op = h->op;
                i = ~0u; // from the beginning: records can only be walked forward
            } else {
                return false;
            }
        } else {
            op = hog_run(h, arena, op);
        }
    }
    return true;
}

#else

bool hog_run_ops(const hog_t *h, void *arena, unsigned first, unsigned last) {
    const hog_op_t *op = h->op;
    for (unsigned i = 0; i < last; ++i) {
        op = i < first ? op + op->words : hog_run(h, arena, op);
    }
    return true;
}

#endif
