// SPDX-License-Identifier: MIT
//
// What an engine is made of: its kernels, and its conversions of numbers to inputs and from outputs.
//
// A build takes all of operators.h. A native module is linked to measure instead (HOG_LINKED): each entry is then in a section
// of its own, and the linker puts those that are wanted behind the first element of either table, which says how many they are.
#ifndef HOGNOSE_TABLE_H
#define HOGNOSE_TABLE_H

#include "errors.h"
#include "hog.h"

struct hog_numbers;

// Checks a record, and adds its work to h->work. Runs it.
typedef hog_error_t hog_check_t(hog_t *h, const void *record);
typedef void hog_run_t(const hog_t *h, void *arena, const void *record);

typedef struct {
    uint8_t code;               // HOG_CONV …; of the first element: how many follow
    uint8_t words;              // length of the record without its loop nest, in 4-byte words
    uint8_t nest;               // whether there is one
    uint8_t types;              // the element types that the kernel takes, as bits
    hog_check_t *check;
    hog_run_t *run;
} hog_operator_t;

// Numbers to elements, elements to float32; `bytes` is where the input or output lies.
typedef void hog_write_t(const hog_io_t *io, void *bytes, const struct hog_numbers *numbers);
typedef void hog_read_t(const hog_io_t *io, const void *bytes, float *floats, size_t count);

typedef struct {
    uint32_t types;             // of the first element: how many follow
    hog_write_t *write;
    hog_read_t *read;
} hog_port_t;

#if defined(__GNUC__)
#define HOG_HIDDEN __attribute__((visibility("hidden")))
#else
#define HOG_HIDDEN
#endif
extern HOG_HIDDEN const hog_operator_t hog_operators[];
extern HOG_HIDDEN const hog_port_t hog_ports[];

// The entry for an operator, or for an input or output, of this type; NULL where there is none.
const hog_operator_t *hog_find_operator(uint8_t code, uint8_t type);
const hog_port_t *hog_find_port(uint8_t type);

// An element type as a bit; 0 where it is none.
static inline unsigned hog_type_bit(uint8_t type) {
    switch (type) {
        case HOG_INT8:
            return B;
        case HOG_FLOAT32:
            return F;
        case HOG_INT16:
            return H;
        case HOG_INT32:
            return I;
        case HOG_INT64:
            return Q;
        case HOG_UINT8:
            return U;
        case HOG_BOOL:
            return BOOL;
        default:
            return 0;
    }
}

#define DECLARE_ONE(name, code, record, nest, check, types, run) hog_check_t check; hog_run_t run;
#define DECLARE_TWO(name, code, record, nest, check, types, run, types2, run2) hog_check_t check; hog_run_t run, run2;
#define DECLARE_THREE(name, code, record, nest, check, types, run, types2, run2, types3, run3) \
    hog_check_t check; hog_run_t run, run2, run3;
HOG_OPERATORS(DECLARE_ONE, DECLARE_TWO, DECLARE_THREE)

// Inputs and outputs: name, element types.
#define HOG_PORTS(X) X(int8, B) X(float32, F) X(integers, H | I | Q | BOOL | U)

#define DECLARE_PORT(name, types) hog_write_t hog_write_##name; hog_read_t hog_read_##name;
HOG_PORTS(DECLARE_PORT)

#endif // HOGNOSE_TABLE_H
