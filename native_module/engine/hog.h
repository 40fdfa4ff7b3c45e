// SPDX-License-Identifier: MIT
//
// The engine: loads (validates) a `.hog` file and runs it in an arena that the caller owns.
//
//     hog_t h;
//     unsigned where;
//     hog_error_t error = hog_load(&h, file, length, &where);  // E_OK, or hog_words(error) says what is wrong
//     // hand over h.arena_size bytes, 16-byte aligned
//     hog_reset(&h, arena);
//     // put the inputs where hog_io() says
//     hog_invoke(&h, arena);
//
// Nothing is allocated, nothing is static, the file is only read. It must stay in place, unchanged, as long as the model is
// used. A file is validated once; kernels then trust it. What a file holds is in operators.h and, in words, in FORMAT.md.
#ifndef HOGNOSE_HOG_H
#define HOGNOSE_HOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"
#include "operators.h"

#define HOG_VERSION (2)         // of the format
#define HOG_ALIGN (16)          // of file and arena in memory; 4 suffices

// An input or output of the model.
typedef struct {
    uint32_t ref;               // where it lies in the arena
    uint8_t type;               // element type, as an operator's
    uint8_t rank;               // number of dimensions
    uint16_t reserved;          // 0
    float scale;                // 0 where not quantized
    int32_t zero_point;         // 0 where not quantized
    uint32_t dim[];             // `rank` sizes
} hog_io_t;

// A loaded model.
typedef struct {
    const uint8_t *data;        // DATA section
    const uint8_t *plan;        // PLAN section, from its first byte
    const hog_op_t *op;         // the first operator
    uint32_t data_size, arena_size;
    uint32_t work;              // of one pass over all operators, in steps
    uint32_t turns;             // most jumps back that one run may take
    uint16_t inputs, outputs, ops;
    uint16_t initial;           // of the operators, the first ones that only hog_reset() runs
    uint16_t index;             // of the operator that is being checked
} hog_t;

// The most work of one run that an engine takes on: the file's work times its turns and one. A Pico does this in an hour.
#define HOG_MAX_WORK ((uint64_t)1 << 33)

// The most work of a reset, which runs when a model is opened.
#define HOG_MAX_RESET_WORK (1u << 24)

// Validates a file of `length` bytes at `file` (4-byte aligned) and fills `h`. Where it returns an error, `where` is the
// operator's index, or ~0u where it is the file as such.
hog_error_t hog_load(hog_t *h, const void *file, size_t length, unsigned *where);

// An error in words; NULL for E_OK.
const char *hog_words(hog_error_t error);

// Input or output number i (inputs first).
const hog_io_t *hog_io(const hog_t *h, unsigned i);

// Runs one operator and returns the next one.
const hog_op_t *hog_run(const hog_t *h, void *arena, const hog_op_t *op);

// Runs operator number i, or decides a jump, and returns the number of the next one: a run in steps that a caller can break
// off. Where all operators together have little to do, a step ends only with the run, or before a jump back.
#define HOG_STEP_WORK (1u << 20) // Model's _IN_ONE_CALL
unsigned hog_step(const hog_t *h, void *arena, unsigned i);

// Runs operators first … last - 1; false where a loop of the model took more than h->turns jumps back.
bool hog_run_ops(const hog_t *h, void *arena, unsigned first, unsigned last);

// Gives what the model keeps between runs its first value: to be called once before the first hog_invoke().
static inline void hog_reset(const hog_t *h, void *arena) {
    hog_run_ops(h, arena, 0, h->initial);
}

// Runs all operators but those of hog_reset(); false as hog_run_ops().
static inline bool hog_invoke(const hog_t *h, void *arena) {
    return hog_run_ops(h, arena, h->initial, h->ops);
}

#endif // HOGNOSE_HOG_H
