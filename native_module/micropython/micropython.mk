# SPDX-License-Identifier: MIT
#
# `_hognose` as a user C module, for ports that build with make:
#   make -C ports/unix USER_C_MODULES=…/native_module

# The second slash keeps the objects' paths whole: shortened to micropython/….o, as user modules' are,
# they would lie where ports/unix puts its program.
HOGNOSE_DIR := /$(abspath $(USERMOD_DIR)/..)

SRC_USERMOD_C += $(HOGNOSE_DIR)/micropython/modhognose.c
SRC_USERMOD_LIB_C += $(wildcard $(HOGNOSE_DIR)/engine/*.c $(HOGNOSE_DIR)/engine/ops/*.c)
CFLAGS_USERMOD += -I$(HOGNOSE_DIR)/engine -ffp-contract=off
