// SPDX-License-Identifier: MIT
//
// Tests only: on a board the shim's DebugLog() and abort() are linked into TFLM. The wheel's DebugLog() is bound
// inside its shared object and ends in vfprintf(stderr, ...), of the C library as abort() is: the program's
// come first in the search.
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

void DebugLog(const char *format, va_list args);
void tflm_leave(void);

int vfprintf(FILE *restrict stream, const char *restrict format, va_list args) {
    if (stream != stderr) {
        fflush(stream);
        return vdprintf(fileno(stream), format, args);
    }
    DebugLog(format, args);
    return 0;
}

void wheel_abort(void) __asm__("abort");
void wheel_abort(void) {
    tflm_leave();
    raise(SIGABRT);
}
