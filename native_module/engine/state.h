// SPDX-License-Identifier: MIT
//
// What bindings have in common: a loaded model as bytes in a caller's buffer, and checks of all that a
// caller hands over, so that a mistake is a sentence and not a crash.
//
//     hog_call_t call;
//     const char *error = hog_open(&call, state, state_size, arena, arena_size);
//     if (!error) { error = hog_write(&call, 0, &numbers); }
//
// Functions return NULL or what is wrong; the text may lie in `call` and is gone with it.
#ifndef HOGNOSE_STATE_H
#define HOGNOSE_STATE_H

#include <stdbool.h>

#include "hog.h"

typedef struct {
    uint32_t busy;          // whether the model is between hog_enter() and hog_leave()
    uint32_t check;         // of all that follows
    uint32_t length;        // of the file
    const void *file;
    hog_t hog;
} hog_state_t;

#define HOG_TEXT_SIZE (120)     // of any error

typedef struct {
    hog_state_t *state;
    const hog_t *hog;
    void *arena;
    char text[HOG_TEXT_SIZE];         // an error with numbers in it
} hog_call_t;

// Numbers of a caller: `count` of `size` bytes each.
typedef struct hog_numbers {
    const void *items;
    size_t count;
    unsigned size;
    char kind;              // 'f' float, 'i' signed, 'u' unsigned, 0 something else
} hog_numbers_t;

// Index of the first number that is none, or the count.
size_t hog_find_nan(const hog_numbers_t *numbers);

// The kind of a typecode of Python's array and struct.
char hog_kind(char typecode);

// Loads the file and keeps the result in `state`, which must be at least sizeof(hog_state_t) bytes
// at an address divisible by that of a pointer.
const char *hog_open_file(hog_call_t *call, void *state, size_t state_size, const void *file, size_t length);

// Readies `call` for the functions below.
const char *hog_open(hog_call_t *call, void *state, size_t state_size, void *arena, size_t arena_size);

// Takes the model for one run, until hog_leave(): a second thread, or an interrupt, is told so.
const char *hog_enter(hog_call_t *call);
void hog_leave(hog_call_t *call);

// Numbers to input `i`, quantized where it is; what is out of range saturates. A NaN is an error.
const char *hog_write(hog_call_t *call, long i, const hog_numbers_t *numbers);

// Output `i` as float32, to `count` floats.
const char *hog_read(hog_call_t *call, long i, void *floats, size_t count);

// Checks that the model has as many inputs (outputs) as are given.
const char *hog_check_count(hog_call_t *call, bool output, size_t given);

// Finds the bytes in the arena of input or output `i`, which `size` must be the number of.
const char *hog_find(hog_call_t *call, bool output, long i, size_t size, void **bytes);

// What to say where hog_invoke() returned false.
const char *hog_endless(hog_call_t *call);

// Runs operator `i`, and says in `next` which one follows.
const char *hog_run_step(hog_call_t *call, long i, unsigned *next);

// Runs operators first … last - 1.
const char *hog_run_range(hog_call_t *call, long first, long last);

#endif // HOGNOSE_STATE_H
