// SPDX-License-Identifier: MIT
//
// A substitute for the RP2040's boot ROM, which the emulator's package does not carry: the entries that the
// Pico SDK's boot code and libraries look up, at the places and under the codes that its headers
// pico/bootrom.h and pico/bootrom/sf_table.h give. Floating point is libgcc's, so it takes more cycles than
// on silicon. What needs the world outside is a breakpoint (codes: see TRAP in emulator.mjs).

#include <stddef.h>
#include <stdint.h>

__asm__ (
    ".syntax unified\n"
    ".section .vectors, \"a\"\n"
    "    .word 0x20042000, reset, fault, fault\n" // stack pointer, reset, NMI, hard fault
    "    .byte 'M', 'u', 1, 3\n"                  // magic; version 3: all float and double entries
    "    .hword functions, data, lookup + 1, 0\n"
    ".macro function a, b, name\n"
    "    .byte \\a, \\b\n"
    "    .hword \\name + 1\n" // + 1: Thumb
    ".endm\n"
    "functions:\n"
    "    function 'P', '3', popcount32\n"
    "    function 'R', '3', reverse32\n"
    "    function 'L', '3', __clzsi2\n"
    "    function 'T', '3', ctz32\n"
    "    function 'M', 'S', memset\n"
    "    function 'S', '4', memset\n"
    "    function 'M', 'C', memcpy\n"
    "    function 'C', '4', memcpy\n"
    "    function 'I', 'F', nothing\n" // connect_internal_flash
    "    function 'E', 'X', nothing\n" // flash_exit_xip
    "    function 'F', 'C', nothing\n" // flash_flush_cache
    "    function 'C', 'X', nothing\n" // flash_enter_cmd_xip
    "    function 'R', 'E', flash_range_erase\n"
    "    function 'R', 'P', flash_range_program\n"
    "    function 'U', 'B', reset_usb_boot\n"
    "    .hword 0\n"
    "data:\n"
    "    .byte 'S', 'F'\n"
    "    .hword float_table + 4\n"
    "    .byte 'S', 'D'\n"
    "    .hword double_table + 4\n"
    "    .hword 0\n"

    ".section .text.entry, \"ax\"\n"
    ".thumb_func\n reset:\n"
    "    movs r0, #0\n" // no return address: boot2 goes on to the application
    "    mov lr, r0\n"
    "    ldr r0, =0x10000001\n"
    "    bx r0\n"
    ".thumb_func\n flash_range_erase:\n    bkpt #1\n    bx lr\n"
    ".thumb_func\n flash_range_program:\n    bkpt #2\n    bx lr\n"
    ".thumb_func\n reset_usb_boot:\n    bkpt #3\n    b reset_usb_boot\n"
    ".thumb_func\n fault:\n    bkpt #4\n    b fault\n"
    ".thumb_func\n .global unimplemented\n unimplemented:\n    bkpt #5\n    b unimplemented\n"
    ".thumb_func\n nothing:\n    bx lr\n"
    ".ltorg\n"
    ".text\n"
);

#define ENTRY __attribute__((used))

ENTRY static void *lookup(const uint16_t *table, uint32_t code) {
    for (; table[0] != 0; table += 2) {
        if (table[0] == (uint16_t)code) {
            return (void *)(uintptr_t)table[1];
        }
    }
    return NULL;
}

// Bits

// Under this name libgcc's floating point uses it, too, instead of its own, which reads a table.
ENTRY int __clzsi2(unsigned int x) {
    int n = 32;
    #pragma GCC unroll 5
    for (int shift = 16; shift > 0; shift >>= 1) {
        if (x >> shift != 0) {
            n -= shift;
            x >>= shift;
        }
    }
    return n - (int)x;
}

ENTRY static int ctz32(uint32_t x) {
    return x == 0 ? 32 : 31 - __clzsi2(x & -x);
}

ENTRY static uint32_t popcount32(uint32_t x) {
    x -= (x >> 1) & 0x55555555;
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333);
    return (((x + (x >> 4)) & 0x0f0f0f0f) * 0x01010101) >> 24;
}

ENTRY static uint32_t reverse32(uint32_t x) {
    x = ((x >> 1) & 0x55555555) | ((x & 0x55555555) << 1);
    x = ((x >> 2) & 0x33333333) | ((x & 0x33333333) << 2);
    x = ((x >> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
    return __builtin_bswap32(x);
}

// Memory

ENTRY void *memset(void *destination, int value, size_t n) {
    uint8_t *d = destination;
    for (; n > 0 && ((uintptr_t)d & 3) != 0; n--) {
        *d++ = (uint8_t)value;
    }
    const uint32_t word = (uint8_t)value * 0x01010101u;
    for (; n >= 16; n -= 16, d += 16) {
        uint32_t *w = (uint32_t *)d;
        w[0] = word;
        w[1] = word;
        w[2] = word;
        w[3] = word;
    }
    while (n-- > 0) {
        *d++ = (uint8_t)value;
    }
    return destination;
}

ENTRY void *memcpy(void *destination, const void *source, size_t n) {
    uint8_t *d = destination;
    const uint8_t *s = source;
    if ((((uintptr_t)d ^ (uintptr_t)s) & 3) == 0) {
        for (; n > 0 && ((uintptr_t)d & 3) != 0; n--) {
            *d++ = *s++;
        }
        for (; n >= 16; n -= 16, d += 16, s += 16) {
            uint32_t *w = (uint32_t *)d;
            const uint32_t *r = (const uint32_t *)s;
            const uint32_t a = r[0], b = r[1], c = r[2], e = r[3];
            w[0] = a;
            w[1] = b;
            w[2] = c;
            w[3] = e;
        }
    }
    while (n-- > 0) {
        *d++ = *s++;
    }
    return destination;
}

// Floating point: the SDK's float and double functions jump through these tables

// To an integer as the ROM does it: towards minus infinity, saturating.
#define TO_INTEGER(name, T, I, low, high, lowest, highest) \
    static I name(T x) { \
        if (x >= (high)) { \
            return highest; \
        } \
        if (!(x >= (low))) { \
            return lowest; \
        } \
        const I i = (I)x; \
        return (T)i > x ? i - 1 : i; \
    }

#define TO_INTEGERS(T) \
    TO_INTEGER(T##_to_i32, T, int32_t, -0x1p31f, 0x1p31f, INT32_MIN, INT32_MAX) \
    TO_INTEGER(T##_to_u32, T, uint32_t, 0, 0x1p32f, 0, UINT32_MAX) \
    TO_INTEGER(T##_to_i64, T, int64_t, -0x1p63f, 0x1p63f, INT64_MIN, INT64_MAX) \
    TO_INTEGER(T##_to_u64, T, uint64_t, 0, 0x1p64f, 0, UINT64_MAX)

TO_INTEGERS(float)
TO_INTEGERS(double)

typedef void (*function_t)(void);
#define ENTRIES 32

// The byte two before the first entry counts the entries.
typedef struct { uint8_t unused[2], entries, unused2; function_t entry[ENTRIES]; } table_t;

// p: the type's letter in the names of libgcc; other: the other type's. The indices are offset / 4 of
// sf_table.h; what MicroPython does not call is unimplemented and stops the emulator.
#define TABLE(T, p, other) { {0, 0}, ENTRIES, 0, { \
    [0 ... ENTRIES - 1] = unimplemented, \
    [0] = __aeabi_##p##add, __aeabi_##p##sub, __aeabi_##p##mul, __aeabi_##p##div, \
    [7] = (function_t)T##_to_i32, [9] = (function_t)T##_to_u32, \
    [11] = __aeabi_i2##p, [13] = __aeabi_ui2##p, [23] = __aeabi_l2##p, [25] = __aeabi_ul2##p, \
    [27] = (function_t)T##_to_i64, [29] = (function_t)T##_to_u64, \
    [31] = __aeabi_##p##2##other, \
} }

void unimplemented(void);
extern void __aeabi_fadd(void), __aeabi_fsub(void), __aeabi_fmul(void), __aeabi_fdiv(void), __aeabi_i2f(void),
    __aeabi_ui2f(void), __aeabi_l2f(void), __aeabi_ul2f(void), __aeabi_f2d(void);
extern void __aeabi_dadd(void), __aeabi_dsub(void), __aeabi_dmul(void), __aeabi_ddiv(void), __aeabi_i2d(void),
    __aeabi_ui2d(void), __aeabi_l2d(void), __aeabi_ul2d(void), __aeabi_d2f(void);

ENTRY static const table_t float_table = TABLE(float, f, d);
ENTRY static const table_t double_table = TABLE(double, d, f);
