// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// Tests only: the wheel's own DebugLog() is bound inside its shared object and ends in vfprintf(stderr, ...);
// the program's vfprintf comes first in the search and leads to the shim's DebugLog().
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>

void DebugLog(const char *format, va_list args);

int vfprintf(FILE *restrict stream, const char *restrict format, va_list args) {
    if (stream != stderr) {
        fflush(stream);
        return vdprintf(fileno(stream), format, args);
    }
    DebugLog(format, args);
    return 0;
}
