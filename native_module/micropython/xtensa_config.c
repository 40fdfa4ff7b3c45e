// SPDX-License-Identifier: MIT
//
// Tells Debian's xtensa-lx106 assembler (through XTENSA_GNU_CONFIG) about the core of the ESP32: little-endian,
// register windows. Built on the host as a shared object with bfd/xtensa-modules.c of binutils' source, which
// holds the instruction set; the other fields are binutils' defaults.
#include "xtensa-config.h"

#undef XCHAL_HAVE_BE
#define XCHAL_HAVE_BE (0)
#undef XCHAL_NUM_AREGS
#define XCHAL_NUM_AREGS (64)

#define XTENSA_CONFIG_DEFINITION
#include "xtensa-dynconfig.h"

XTENSA_CONFIG_INSTANCE_LIST;
