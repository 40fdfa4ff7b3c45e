// SPDX-License-Identifier: MIT
//
// What MicroPython's QEMU port asks of a processor, for QEMU's Xtensa simulator machine.
#include <stdlib.h>
#include "py/gc.h"
#include "py/mpstate.h"
#include "shared/runtime/gchelper.h"
#include "uart.h"

// in xtensa_start.S
int simcall(int number, int a, int b, int c);
void spill(int n);

enum { SIM_EXIT = 1, SIM_READ = 3, SIM_WRITE = 4, SIM_SELECT_ONE = 29 };

extern uint32_t _bss_start, _bss_end;
int main(int argc, char **argv);

void port_start(void) {
    for (uint32_t *p = &_bss_start; p < &_bss_end; ++p) {
        *p = 0;
    }
    main(0, NULL);
    exit(0);
}

void uart_init(void) {
}

int uart_rx_chr(void) {
    uint8_t c;
    if (simcall(SIM_SELECT_ONE, 0, 1, 0) <= 0) {
        return UART_RX_NO_CHAR;
    }
    return simcall(SIM_READ, 0, (int)&c, 1) == 1 ? c : UART_RX_NO_CHAR;
}

void uart_tx_strn(const char *buf, size_t len) {
    simcall(SIM_WRITE, 1, (int)buf, (int)len);
}

void exit(int status) {
    for (;;) {
        simcall(SIM_EXIT, status, 0, 0);
    }
}

void abort(void) {
    exit(3);
}

void gc_helper_collect_regs_and_stack(void) {
    // Pointers may be in registers of callers: on the stack with them, below this frame too.
    spill(16);
    uint32_t *bottom = (uint32_t *)__builtin_frame_address(0) - 8;
    gc_collect_root((void **)bottom, (uint32_t *)MP_STATE_THREAD(stack_top) - bottom);
}
