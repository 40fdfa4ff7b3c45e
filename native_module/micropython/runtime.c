// SPDX-License-Identifier: MIT
//
// The functions of a C library that the compiler calls by itself (copies of structs, loops that clear memory).
// A native module links no C library; MicroPython lends it two of these.
#include "py/dynruntime.h"

#undef memcpy
#undef memmove
#undef memset

void *memmove(void *dest, const void *src, size_t n) {
    return mp_fun_table.memmove_(dest, src, n);
}

void *memcpy(void *dest, const void *src, size_t n) {
    return mp_fun_table.memmove_(dest, src, n);
}

void *memset(void *dest, int c, size_t n) {
    return mp_fun_table.memset_(dest, c, n);
}
