# SPDX-License-Identifier: MIT
#
# MicroPython's QEMU port for every processor that a native module is built for:
#   make -C ports/qemu BOARD=M0|M3|M4F|M7F|M33F|RV32|XTENSA BOARD_DIR=…/tests/qemu/firmware FROZEN_MANIFEST=
# run.py knows the machines that these are for.

HERE := $(abspath $(BOARD_DIR))
CFLAGS += -DMICROPY_HW_MCU_NAME='"$(BOARD)"' -DMICROPY_PY_UCTYPES=1

ifneq ($(filter M%,$(BOARD)),)
QEMU_ARCH = arm
SRC_BOARD_O = shared/runtime/gchelper_native.o
endif

ifeq ($(BOARD),M0)
# As on the RP2040, native code is Armv6-M's; the port leaves it out of this one.
CFLAGS += -mthumb -mcpu=cortex-m0 -DQEMU_SOC_NRF51 -DMICROPY_EMIT_THUMB=1 -DMICROPY_EMIT_THUMB_ARMV7M=0
MICROPY_HEAP_SIZE = 204800
LDSCRIPT = mcu/arm/nrf51.ld
SRC_BOARD_O += shared/runtime/gchelper_thumb1.o
else ifneq ($(filter M%,$(BOARD)),)
MICROPY_HEAP_SIZE = 1048576
LDSCRIPT = mcu/arm/mps2.ld
SRC_BOARD_O += shared/runtime/gchelper_thumb2.o
endif

ifeq ($(BOARD),M3)
CFLAGS += -mthumb -mcpu=cortex-m3 -DQEMU_SOC_MPS2
endif

ifeq ($(BOARD),M4F)
CFLAGS += -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard -fsingle-precision-constant -DQEMU_SOC_MPS2
LDFLAGS += -Wl,--wrap=uart_init
SRC_C += $(HERE)/fpu.c
endif

ifeq ($(BOARD),M7F)
CFLAGS += -mthumb -mcpu=cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard -DQEMU_SOC_MPS2
LDFLAGS += -Wl,--wrap=uart_init
SRC_C += $(HERE)/fpu.c
endif

ifeq ($(BOARD),M33F)
# The RP2350's core. The port has no such machine: its serial line and memory are elsewhere.
CFLAGS += -mthumb -mcpu=cortex-m33 -mfpu=fpv5-sp-d16 -mfloat-abi=hard -fsingle-precision-constant
AFLAGS += -mthumb -mcpu=cortex-m33
LDFLAGS += -Wl,--wrap=uart_init
LDSCRIPT = $(HERE)/m33.ld
SRC_C += $(HERE)/fpu.c $(HERE)/uart_m33.c
endif

ifeq ($(BOARD),RV32)
QEMU_ARCH = riscv32
# The assembler wants the extension for control registers named, the choice of a library must not have it.
RV32_ARCH = rv32imac
override AFLAGS = -mabi=ilp32 -march=rv32imac_zicsr
CFLAGS += -DQEMU_SOC_VIRT
MICROPY_HEAP_SIZE = 1048576
LDSCRIPT = mcu/rv32/virt.ld
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_rv32i.o
endif

ifeq ($(BOARD),XTENSA)
include $(HERE)/xtensa.mk
endif
