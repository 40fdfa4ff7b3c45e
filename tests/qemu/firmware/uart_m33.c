// SPDX-License-Identifier: MIT
//
// The first serial line (a CMSDK UART) of QEMU's mps2-an505.
#include <stdint.h>
#include <stddef.h>
#include "uart.h"

typedef struct {
    volatile uint32_t data, state, control, interrupt, divider;
} cmsdk_uart_t;

#define UART ((cmsdk_uart_t *)0x50200000)
#define TX_FULL (1u << 0) // in state
#define RX_FULL (1u << 1)

void uart_init(void) {
    UART->divider = 16;
    UART->control = 3; // transmit and receive
}

int uart_rx_chr(void) {
    return UART->state & RX_FULL ? (int)UART->data : UART_RX_NO_CHAR;
}

void uart_tx_strn(const char *buf, size_t len) {
    for (size_t i = 0; i < len; ++i) {
        while (UART->state & TX_FULL) {
        }
        UART->data = buf[i];
    }
}
