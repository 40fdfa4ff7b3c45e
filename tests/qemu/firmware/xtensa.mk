# SPDX-License-Identifier: MIT
#
# The port does not know Xtensa. This is the ESP32's instruction set and calling convention on QEMU's simulator
# machine, built with the compiler and assembler settings of the native module (native_module/micropython/Makefile;
# XTENSA_GNU_CONFIG must be set as there).

QEMU_ARCH = xtensa
CROSS_COMPILE = xtensa-lx106-elf-
MICROPY_HEAP_SIZE = 1048576
AFLAGS += -mabi=windowed -mlongcalls -mtext-section-literals
CFLAGS += $(AFLAGS) -DMICROPY_EMIT_XTENSAWIN=1 -DMICROPY_NLR_SETJMP=1
LDFLAGS += -nostdlib
LDSCRIPT = $(HERE)/xtensa.ld
SRC_C += $(HERE)/xtensa_port.c $(abspath $(HERE)/../../../native_module/micropython/arithmetic.c)
SRC_BOARD_O = $(HERE)/xtensa_start.o
