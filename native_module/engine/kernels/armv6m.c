// SPDX-License-Identifier: MIT
// Part of hognose: neural networks in MicroPython.
//
// Inner loops for Armv6-M (RP2040), whose only fast multiplication is 32 x 32 to 32 bits. They do what the
// functions of the same name in pairs.c do; how is told there.
//
// A scaled accumulator, floor(acc·multiplier ÷ 2^31 + 1/2), is had from three products, because acc has at most
// 21 bits here: with multiplier = m0 + m1·2^10 + m2·2^20, floor((floor((floor(acc·m0 ÷ 2^10) + acc·m1) ÷ 2^10) +
// acc·m2) ÷ 2^11) loses nothing that counts, as floors of floors do not. A shift leaves the last bit that went out
// in the carry flag, so that ADC rounds. Negative numbers round half away from zero: one less before the shift.
#include "pairs.h"

#if defined(__ARM_ARCH_6M__)

__asm__ (
    ".syntax unified\n"

    // r0: the next weights. \acc: accumulator; its scaled value goes to \result. r4: multiplier, r5: shift.
    ".macro SCALE acc, result, any\n"
    "    ldmia r0!, {r4, r5}\n"
    "    cmp \\acc, r12\n"
    "    bhs 3f\n"
    "    lsls r6, r4, #22\n"
    "    lsrs r6, r6, #22\n"
    "    muls r6, \\acc, r6\n"
    "    lsrs r6, r6, #10\n"
    "    lsls r7, r4, #12\n"
    "    lsrs r7, r7, #22\n"
    "    muls r7, \\acc, r7\n"
    "    adds r6, r6, r7\n"
    "    lsrs r6, r6, #10\n"
    "    .if \\any\n"
    "    lsrs r1, r4, #20\n"
    "    muls r1, \\acc, r1\n"
    "    adds r6, r6, r1\n"
    "    subs r6, r6, r4\n"             // the 2^20 that was added to acc
    "    asrs r7, r6, #31\n"
    "    asrs r6, r6, #11\n"
    "    adcs r6, r7\n"
    "    asrs r6, r5\n"
    "    mov r7, r11\n"
    "    adcs r6, r7\n"
    "    .else\n"
    "    lsrs r4, r4, #20\n"
    "    muls r4, \\acc, r4\n"
    "    adds r4, r4, r6\n"
    "    movs r6, #0\n"
    "    lsrs r4, r4, #11\n"
    "    adcs r4, r6\n"
    "    lsrs r4, r5\n"
    "    mov r6, r11\n"
    "    adcs r4, r6\n"
    "    .endif\n"
    "1:  cmp \\result, lr\n"
    "    bgt 4f\n"
    "    .if \\any\n"
    "    ldr r7, [sp, #8]\n"
    "    cmp \\result, r7\n"
    "    blt 5f\n"
    "    .endif\n"
    "2:\n"
    ".endm\n"

    // What SCALE leaves out: accumulators that are out of range, and clamping.
    ".macro SCALE_REST acc, result, any\n"
    "3:  .if \\any == 0\n"
    "    cmp \\acc, #0\n"
    "    bge 6f\n"
    "    ldr r4, [sp, #8]\n"
    "    b 2b\n"
    "    .endif\n"
    "6:  push {r0-r3}\n"
    "    mov r6, r12\n"
    "    mov r7, lr\n"
    "    push {r6, r7}\n"
    "    .if \\any\n"
    "    lsrs r6, r6, #1\n"
    "    subs r0, \\acc, r6\n"
    "    .else\n"
    "    movs r0, \\acc\n"
    "    .endif\n"
    "    movs r1, r4\n"
    "    negs r2, r5\n"
    "    bl hog_requantize\n"
    "    pop {r6, r7}\n"
    "    mov r12, r6\n"
    "    mov lr, r7\n"
    "    mov r7, r11\n"
    "    adds \\result, r0, r7\n"
    "    pop {r0-r3}\n"
    "    b 1b\n"
    "4:  mov \\result, lr\n"
    "    b 2b\n"
    "5:  movs \\result, r7\n"
    "    b 2b\n"
    ".endm\n"

    // Four values of two channels: 16 products in 21 cycles.
    ".macro QUAD\n"
    "    ldmia r1!, {r4, r5}\n"
    "    ldmia r0!, {r6, r7}\n"
    "    muls r6, r4, r6\n"
    "    muls r7, r4, r7\n"
    "    asrs r6, r6, #16\n"
    "    adcs r2, r6\n"
    "    asrs r7, r7, #16\n"
    "    adcs r3, r7\n"
    "    ldmia r0!, {r6, r7}\n"
    "    muls r6, r5, r6\n"
    "    muls r7, r5, r7\n"
    "    asrs r6, r6, #16\n"
    "    adcs r2, r6\n"
    "    asrs r7, r7, #16\n"
    "    adcs r3, r7\n"
    ".endm\n"

    // r8: end of x, r9: x, r10: out, r11: zero point, r12: limit of accumulators, lr: largest result.
    // sp + 0: end of weights, + 4: where the unrolled loop is entered, + 8: smallest result.
    ".macro DOTS name, result, any\n"
    "    .section .text.\\name, \"ax\", %progbits\n"
    "    .p2align 2\n"
    "    .global \\name\n"
    "    .type \\name, %function\n"
    "    .thumb_func\n"
    "\\name:\n"
    "    push {r4-r7, lr}\n"
    "    mov r4, r8\n"
    "    mov r5, r9\n"
    "    mov r6, r10\n"
    "    mov r7, r11\n"
    "    push {r4-r7}\n"
    "    sub sp, #12\n"
    "    ldmia r0!, {r1-r7}\n"
    "    mov r9, r1\n"
    "    mov r8, r2\n"
    "    str r4, [sp]\n"
    "    mov r10, r5\n"
    "    mov r11, r6\n"
    "    str r7, [sp, #8]\n"
    "    ldmia r0!, {r4, r5}\n"
    "    mov lr, r4\n"
    "    mov r12, r5\n"
    "    movs r0, r3\n"
    "    subs r2, r1, r2\n"             // minus the number of quads, times 8
    "    lsls r2, r2, #27\n"
    "    lsrs r2, r2, #30\n"            // quads to leave out in the first turn
    "    movs r4, #30\n"
    "    muls r2, r4, r2\n"
    "    adr r4, 7f\n"
    "    adds r4, r4, r2\n"
    "    str r4, [sp, #4]\n"
    "0:  ldmia r0!, {r2, r3}\n"
    "    mov r1, r9\n"
    "    ldr r4, [sp, #4]\n"
    "    mov pc, r4\n"
    "    .p2align 2\n"
    "7:  QUAD\n"
    "    QUAD\n"
    "    QUAD\n"
    "    QUAD\n"
    "    cmp r1, r8\n"
    "    bne 7b\n"
    "    SCALE r2, \\result, \\any\n"
    "    mov r1, r10\n"
    "    strb \\result, [r1]\n"
    "    b 8f\n"
    "    SCALE_REST r2, \\result, \\any\n"
    "8:  SCALE r3, \\result, \\any\n"
    "    mov r1, r10\n"
    "    strb \\result, [r1, #1]\n"
    "    adds r1, r1, #2\n"
    "    mov r10, r1\n"
    "    ldr r1, [sp]\n"
    "    cmp r0, r1\n"
    "    beq 9f\n"
    "    b 0b\n"
    "    SCALE_REST r3, \\result, \\any\n"
    "9:  add sp, #12\n"
    "    pop {r4-r7}\n"
    "    mov r8, r4\n"
    "    mov r9, r5\n"
    "    mov r10, r6\n"
    "    mov r11, r7\n"
    "    pop {r4-r7, pc}\n"
    "    .size \\name, . - \\name\n"
    ".endm\n"

    "    DOTS hog_dots_relu, r4, 0\n"
    "    DOTS hog_dots_any, r6, 1\n"
    "    .text\n"
    );

// x·multiplier·2^(shift - 31), rounded twice, without a product of 64 bits.
int32_t hog_requantize(int32_t x, int32_t multiplier, int shift) {
    if (shift > 0) {
        x = (int32_t)((uint32_t)x << shift);
        shift = 0;
    }
    return hog_shift_right(hog_multiply_high(x, multiplier), (unsigned)-shift);
}

// By halves: a·b = a1·b1·2^32 + (a1·b0 + a0·b1)·2^16 + a0·b0, where a0 and b0 are not negative.
int32_t hog_multiply_high(int32_t a, int32_t b) {
    uint32_t a0 = (uint16_t)a, b0 = (uint16_t)b;
    int32_t a1 = a >> 16, b1 = b >> 16;
    int32_t p = a1 * (int32_t)b0, q = (int32_t)a0 * b1;
    uint32_t low = a0 * b0;
    uint32_t middle = (low >> 16) + (uint16_t)p + (uint16_t)q;
    uint32_t high = (uint32_t)(a1 * b1 + (p >> 16) + (q >> 16)) + (middle >> 16);
    // bits 15 and up of `middle` are bits 31 and up of the product; adding 2^30 carries into them
    middle = (uint16_t)middle + (1u << 14);
    return (int32_t)((high << 1) + (middle >> 15));
}

#endif
