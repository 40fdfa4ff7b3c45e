// SPDX-License-Identifier: MIT
//
// Reset, exception vectors, register windows, setjmp and longjmp for an Xtensa core with the windowed ABI.
//
// In that ABI a call rotates the register file, so that a caller's registers stay where they are until the file is
// full; an overflow exception then writes the oldest frame to the stack, an underflow exception on return reads it
// back. A frame's a0 to a3 go below the stack pointer of the function that it calls, further ones (a4 to a7 of a
// frame entered by call8, a4 to a11 by call12) below those of its caller.

    .section .reset, "ax"
    .global _reset
_reset:
    j 1f
    .align 4
0:  .word start
1:  l32r a0, 0b
    jx a0

    .section .vectors, "ax"
    .org 0x000 // overflow of a frame that has called with call4
    s32e a0, a5, -16
    s32e a1, a5, -12
    s32e a2, a5, -8
    s32e a3, a5, -4
    rfwo

    .org 0x040
underflow4:
    l32e a0, a5, -16
    l32e a1, a5, -12
    l32e a2, a5, -8
    l32e a3, a5, -4
    rfwu

    .org 0x080
    s32e a0, a9, -16
    l32e a0, a1, -12
    s32e a1, a9, -12
    s32e a2, a9, -8
    s32e a3, a9, -4
    s32e a4, a0, -32
    s32e a5, a0, -28
    s32e a6, a0, -24
    s32e a7, a0, -20
    rfwo

    .org 0x0c0
underflow8:
    l32e a0, a9, -16
    l32e a1, a9, -12
    l32e a2, a9, -8
    l32e a7, a1, -12
    l32e a3, a9, -4
    l32e a4, a7, -32
    l32e a5, a7, -28
    l32e a6, a7, -24
    l32e a7, a7, -20
    rfwu

    .org 0x100
    s32e a0, a13, -16
    l32e a0, a1, -12
    s32e a1, a13, -12
    s32e a2, a13, -8
    s32e a3, a13, -4
    s32e a4, a0, -48
    s32e a5, a0, -44
    s32e a6, a0, -40
    s32e a7, a0, -36
    s32e a8, a0, -32
    s32e a9, a0, -28
    s32e a10, a0, -24
    s32e a11, a0, -20
    rfwo

    .org 0x140
underflow12:
    l32e a0, a13, -16
    l32e a1, a13, -12
    l32e a2, a13, -8
    l32e a11, a1, -12
    l32e a3, a13, -4
    l32e a4, a11, -48
    l32e a5, a11, -44
    l32e a6, a11, -40
    l32e a7, a11, -36
    l32e a8, a11, -32
    l32e a9, a11, -28
    l32e a10, a11, -24
    l32e a11, a11, -20
    rfwu

    .org 0x300 // any other exception, in kernel mode
    wsr a0, excsave1
    rsr a0, exccause
    bnei a0, 5, stop
    j movsp_exception

    .org 0x340 // in user mode
    wsr a0, excsave1
    rsr a0, exccause
    bnei a0, 5, stop
    j movsp_exception

    .org 0x3c0 // an exception in an exception
stop:
    rsr a3, exccause
    addi a3, a3, 100 // QEMU ends with status 100 + cause
    movi a2, 1
    simcall

// MOVSP moves the stack pointer, below which the caller's registers may have been written, and so insists that they
// are in the register file. Read them back as a return would, by way of the underflow vectors, and try again.
movsp_exception:
    rsr a0, windowbase // excsave1 keeps a0
    rotw -1 // what was a0 is now a4; a0 to a3 are free, for their frame is on the stack
    rsr a2, ps
    extui a3, a2, 8, 4
    xor a3, a3, a4
    slli a3, a3, 8
    xor a2, a2, a3 // PS.OWB: the window to come back to
    wsr a2, ps
    rsr a4, excsave1
    rsync
    bbci a4, 31, underflow4 // the upper two bits of a return address: the call's size
    rotw -1
    bbci a8, 30, underflow8
    rotw -1
    j underflow12

    .text
    .align 4
    .literal_position
start:
    movi a2, 1
    wsr a2, windowstart
    movi a2, 0
    wsr a2, windowbase
    rsync
    movi a1, _stack_top
    movi a2, 0x4000f // windows on, interrupts off
    wsr a2, ps
    rsync
    movi a0, 0
    movi a4, port_start
    callx4 a4

// int simcall(int number, int a, int b, int c): asks QEMU.
    .align 4
    .global simcall
    .type simcall, @function
simcall:
    entry a1, 32
    simcall
    retw

// void spill(int n): calls itself n times, until every older frame has been written to the stack.
    .align 4
    .global spill
    .type spill, @function
spill:
    entry a1, 32
    beqz a2, 1f
    addi a10, a2, -1
    call8 spill
1:  retw

// A jmp_buf: 0 … 12 a0 to a3 of the function that called setjmp, 16 return address, 20 stack pointer of setjmp,
// 24 … 52 further registers of that function.

// After this, a3 … a5 hold: where the further registers lie, and how many (a4, in groups of four).
    .macro further buf
    l32i a5, \buf, 4 // its stack pointer
    addi a5, a5, -16
    l32i a3, a5, 4 // its caller's
    l32i a4, \buf, 0
    extui a4, a4, 30, 2
    addi a4, a4, -1
    slli a5, a4, 4
    sub a3, a3, a5
    addi a3, a3, -16
    .endm

    .align 4
    .global setjmp
    .type setjmp, @function
setjmp:
    entry a1, 32
    movi a10, 16
    call8 spill
    addi a3, a1, -16
    l32i a4, a3, 0
    s32i a4, a2, 0
    l32i a4, a3, 4
    s32i a4, a2, 4
    l32i a4, a3, 8
    s32i a4, a2, 8
    l32i a4, a3, 12
    s32i a4, a2, 12
    s32i a0, a2, 16
    s32i a1, a2, 20
    further a2
    addi a6, a2, 24
1:  beqz a4, 2f
    l32i a5, a3, 0
    s32i a5, a6, 0
    l32i a5, a3, 4
    s32i a5, a6, 4
    l32i a5, a3, 8
    s32i a5, a6, 8
    l32i a5, a3, 12
    s32i a5, a6, 12
    addi a3, a3, 16
    addi a6, a6, 16
    addi a4, a4, -1
    j 1b
2:  movi a2, 0
    retw

    .align 4
    .global longjmp
    .type longjmp, @function
longjmp:
    entry a1, 32
    mov a7, a3
    // Every frame but this one leaves the register file, so that the return reads the restored ones.
    rsr a4, windowbase
    ssl a4
    movi a5, 1
    sll a5, a5
    wsr a5, windowstart
    rsync
    l32i a0, a2, 16
    l32i a1, a2, 20
    addi a3, a1, -16
    l32i a4, a2, 0
    s32i a4, a3, 0
    l32i a4, a2, 4
    s32i a4, a3, 4
    l32i a4, a2, 8
    s32i a4, a3, 8
    l32i a4, a2, 12
    s32i a4, a3, 12
    further a2
    addi a6, a2, 24
1:  beqz a4, 2f
    l32i a5, a6, 0
    s32i a5, a3, 0
    l32i a5, a6, 4
    s32i a5, a3, 4
    l32i a5, a6, 8
    s32i a5, a3, 8
    l32i a5, a6, 12
    s32i a5, a3, 12
    addi a3, a3, 16
    addi a6, a6, 16
    addi a4, a4, -1
    j 1b
2:  mov a2, a7
    movi a5, 1
    moveqz a2, a5, a7
    retw
