// SPDX-License-Identifier: MIT
//
// TFLite Micro behind a plain C interface.
//
//     tflite_t m;                                  // tflm_verify() and tflite_check() have passed
//     tflm_t *t = a block of tflm_size(&m) bytes;
//     tflm_measure(t, &m, work, size, &need);      // work: tflm_work_size(&m) bytes, more if it says so
//     tflm_open(t, &m, arena, need);               // more if it says so, but never more than size + need
//     memcpy(tflm_tensor(t, false, 0), ...);
//     tflm_invoke(t);
//
// All memory is the caller's and must stay in place; there is nothing to close. Nothing is printed: what
// TFLM says is tflm_error(). Interpreters are independent; on ports that run Python on several threads
// without a GIL only the error text of simultaneous calls may end up at the wrong one.
#ifndef HOGNOSE_TFLM_SHIM_H
#define HOGNOSE_TFLM_SHIM_H

#include "tflite.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TFLM_ALIGN (16)         // of the arena, its size and the tflm_t

typedef struct tflm tflm_t;

typedef enum {
    TFLM_OK,
    TFLM_ERROR,                 // see tflm_error()
    TFLM_NO_MEMORY,             // the arena is too small: by at least tflm_missing() bytes
} tflm_status_t;

typedef struct {
    const char *name;           // of the operator
    uint32_t us;
} tflm_event_t;

// TFLM's own verifier, which is to see a file before anything else does.
bool tflm_verify(const void *bytes, size_t size);

const char *tflm_operator_name(const tflite_code_t *code);

size_t tflm_size(tflite_t *m);
size_t tflm_work_size(tflite_t *m);

// Prepares the model without its activations, which need no memory then; `need` is the least arena.
tflm_status_t tflm_measure(tflm_t *t, tflite_t *m, void *work, size_t size, size_t *need);
tflm_status_t tflm_open(tflm_t *t, tflite_t *m, void *arena, size_t size);

const char *tflm_error(const tflm_t *t);
size_t tflm_missing(const tflm_t *t);
size_t tflm_used(const tflm_t *t);

// Where input or output i lies.
void *tflm_tensor(tflm_t *t, bool output, size_t i);

tflm_status_t tflm_invoke(tflm_t *t);
tflm_status_t tflm_reset(tflm_t *t);

// Invokes and notes up to `*count` operators with their times; `*count` is then their number.
tflm_status_t tflm_profile(tflm_t *t, uint32_t (*ticks_us)(void), tflm_event_t *events, size_t *count);

// Makes an error of a call that is running, in place of abort(); returns where none is.
void tflm_leave(void);

#ifdef __cplusplus
}
#endif

#endif // HOGNOSE_TFLM_SHIM_H
