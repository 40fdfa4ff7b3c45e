# SPDX-License-Identifier: MIT
#
# `tflm` as a user C module, for ports that build with make:
#   make -C ports/unix USER_C_MODULES=…/native_module TFLM_DIR=…
# Without TFLM_DIR the module is left out. README.md says what TFLM_DIR holds.

ifneq ($(TFLM_DIR),)

TFLM_LIB ?= $(firstword $(wildcard $(TFLM_DIR)/libtensorflow-microlite.a $(TFLM_DIR)/lib/libtensorflow-microlite.a \
  $(TFLM_DIR)/gen/*/lib/libtensorflow-microlite.a))

ifeq ($(wildcard $(TFLM_DIR)/tensorflow/lite/micro/micro_interpreter.h),)
$(error TFLM_DIR=$(TFLM_DIR) holds no TFLM headers (tensorflow/lite/micro/micro_interpreter.h): give a folder with \
  TFLM's headers and its static library libtensorflow-microlite.a built for this board's processor)
endif
ifeq ($(wildcard $(TFLM_LIB)),)
$(error TFLM_DIR=$(TFLM_DIR) holds no libtensorflow-microlite.a: build it there with TFLM's own makefile for this \
  board's processor, or name it with TFLM_LIB=…)
endif

# The second slash keeps the objects' paths whole, as in ../micropython/micropython.mk.
TFLM_MOD := /$(abspath $(USERMOD_DIR))
TFLM_DOWNLOADS := $(TFLM_DIR)/tensorflow/lite/micro/tools/make/downloads
TFLM_FLAGS := -I$(TFLM_MOD) -DTF_LITE_STATIC_MEMORY $(addprefix -I,$(TFLM_DIR) $(wildcard \
  $(TFLM_DIR)/third_party/flatbuffers/include $(TFLM_DIR)/third_party/gemmlowp $(TFLM_DIR)/third_party/ruy \
  $(TFLM_DOWNLOADS)/flatbuffers/include $(TFLM_DOWNLOADS)/gemmlowp $(TFLM_DOWNLOADS)/ruy))

SRC_USERMOD_C += $(TFLM_MOD)/modtflm.c
SRC_USERMOD_LIB_C += $(addprefix $(TFLM_MOD)/,tflite.c shapes.c custom.c)
SRC_USERMOD_LIB_CXX += $(TFLM_MOD)/shim.cpp
CFLAGS_USERMOD += -I$(TFLM_MOD)
CXXFLAGS_USERMOD += $(TFLM_FLAGS) -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics
LDFLAGS_USERMOD += -Wl,--wrap=abort $(TFLM_LIB) -lstdc++ -lm

endif
