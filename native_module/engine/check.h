// SPDX-License-Identifier: MIT
//
// What the checks of records have in common. Files may be hostile. Sizes are uint32_t that saturate at UINT32_MAX, which fits
// nowhere, because arena and file are smaller than 2^31 bytes; so a product needs no check of its own.
#ifndef HOGNOSE_CHECK_H
#define HOGNOSE_CHECK_H

#include <float.h>

#include "ops/ops.h"
#include "table.h"

#define HOG_LIMIT (0x80000000u) // of the arena and of a file

// A place in memory, in bytes.
typedef struct {
    uint32_t ref, size, align;
} hog_extent_t;

uint32_t hog_times(uint32_t a, uint32_t b); // saturates

// Adds to the work of the model: `steps` of the innermost loop.
void hog_add_work(hog_t *h, uint32_t steps);

// Whether `size` bytes from `at` on lie below `limit`; `align` is a power of two.
bool hog_fits(uint32_t limit, uint32_t at, uint32_t size, uint32_t align);
bool hog_in_arena(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align);
bool hog_in_data(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align);
bool hog_in_either(const hog_t *h, uint32_t ref, uint32_t size, uint32_t align);

// Both are known to lie in the arena, or one in DATA.
bool hog_overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size);

// What a tensor's elements are aligned to.
static inline uint32_t hog_alignment(uint32_t size) {
    return size < 4 ? size : 4;
}

static inline bool hog_is_int8(int32_t x) {
    return x == (int8_t)x;
}

static inline bool hog_is_int16(int32_t x) {
    return x == (int16_t)x;
}

static inline bool hog_is_quantized(uint8_t type) {
    return type == HOG_INT8 || type == HOG_INT16;
}

static inline bool hog_is_scale(float x) {
    return 0 < x && x <= FLT_MAX;
}

bool hog_is_multiplier(int32_t multiplier, int32_t shift);

// Multipliers and shifts at `params`, a ref into DATA, behind `bias` words; no shift is larger than `most_left`. `extra` bytes
// follow.
hog_error_t hog_check_scales(const hog_t *h, uint32_t params, uint32_t bias, uint32_t scales, uint32_t extra,
    int32_t most_left);
hog_error_t hog_check_clamp(uint8_t type, const hog_clamp_t *clamp);

// Input and output; `in_place`: both may start at the same place.
hog_error_t hog_check_tensors(const hog_t *h, const hog_extent_t *in, const hog_extent_t *out, bool in_place);

// Operators that work element by element, in place where both tensors start together: in, out and their work.
hog_error_t hog_check_elements(hog_t *h, uint32_t in, uint32_t out, uint32_t count, uint32_t in_size, uint32_t out_size);

// Input, output, and what an operator keeps or works on: n places in the arena, all of them apart.
hog_error_t hog_check_apart(const hog_t *h, const hog_extent_t *extents, unsigned n);

// Whether one of `n` uint16_t fields from `offset` on is 0.
bool hog_has_zero(const void *record, size_t offset, unsigned n);

// A tensor [batch, h, w, channels] of elements of `size` bytes.
hog_extent_t hog_image(uint32_t ref, uint32_t batch, uint32_t h, uint32_t w, uint32_t channels, uint32_t size);

// Positions of a window must be int32_t.
bool hog_window_fits(uint32_t out, uint32_t stride, uint32_t taps, uint32_t dilation);

// The loops behind a record of `size` bytes.
static inline unsigned hog_loops(const hog_op_t *op, size_t size) {
    return (unsigned)((op->words * 4u - size) / sizeof(hog_loop_t));
}

// The product of all n, at most UINT32_MAX; 0 where there is an n of 0.
uint32_t hog_places(const hog_loop_t *loop, unsigned loops);

// What a loop nest touches of the tensor at `ref`: where it begins and how many bytes. `second` is whose strides, `unit` what
// they count, and `run` the length of an access in bytes. False where that is in neither DATA nor the arena.
bool hog_find_extent(const hog_t *h, uint32_t ref, const hog_loop_t *loop, unsigned loops, bool second, uint32_t unit,
    uint32_t run, hog_extent_t *extent);

// Whether `function` is one of `functions` and takes the type; `types` are the sets of types by function.
hog_error_t hog_check_function(uint8_t function, uint8_t type, const uint8_t *types, size_t functions);

#endif // HOGNOSE_CHECK_H
