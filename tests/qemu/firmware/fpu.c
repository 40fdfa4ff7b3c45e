// SPDX-License-Identifier: MIT
//
// The port does not switch the floating point unit on. uart_init() is the first function that it calls.
#include <stdint.h>

#define CPACR (*(volatile uint32_t *)0xe000ed88)

void __real_uart_init(void);
void __wrap_uart_init(void);

void __wrap_uart_init(void) {
    CPACR |= 0xf << 20; // full access to coprocessors 10 and 11
    __asm volatile ("dsb\n isb");
    __real_uart_init();
}
