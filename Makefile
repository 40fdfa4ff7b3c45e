# SPDX-License-Identifier: MIT
#
#   make demo     from recorded motion to predictions in MicroPython
#   make test     lint and all tests that this machine can run
#   make unix     MicroPython for this machine, with and without our native module
#   make natmod   the native module for every architecture; ARCH=armv6m for one
#   make natmod-size ARCH=armv6m   what takes the room in it
#   make qemu     MicroPython for the emulated boards of tests/qemu
#   make rp2040   MicroPython for the emulated Pico of tests/rp2040
#   make firmware BOARD=RPI_PICO   MicroPython with our engine for a board; TFLM_DIR=… with TFLite Micro, too
#   make bench    benchmarks; LAYERS=1 for the cycles of each operator
#   make operators  counts the cases of each operator, type and engine: native_module/OPERATORS.md
#   make cost     fits the cost model of `hognose inspect --board`
#   make fuzz     damaged files for the engine's loader and for the reader; TIME= seconds or RUNS= each
#   make lint
#   make clean    removes what was built (not .venv, not the downloads)
#
# Each installs what it needs: Debian packages, .venv, MicroPython's source. All but .venv is in .build.

# One recipe at a time: pip and apt do not share. The builds below use JOBS.
.NOTPARALLEL:
SHELL := /bin/bash
JOBS ?= $(shell nproc)

BUILD := $(CURDIR)/.build
VENV := $(CURDIR)/.venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet
ENGINE := $(wildcard native_module/engine/*.[ch] native_module/engine/ops/*.[ch])
UNIX := $(BUILD)/unix/micropython
UNIX_STOCK := $(BUILD)/unix-stock/micropython
UNIX_TFLM := $(BUILD)/unix-tflm/micropython

.PHONY: help demo test typings unix unix-tflm natmod natmod-size qemu rp2040 firmware bench operators cost fuzz lint clean
help:
	@sed -n '3,/^$$/s/^#[ ]\{0,1\}//p' Makefile

demo: $(VENV)/.train $(BUILD)/.extension $(UNIX)
	@$(PYTHON) examples/gesture/demo.py

test: lint typings $(BUILD)/.extension unix unix-tflm natmod qemu rp2040
	@$(PYTHON) -m pytest tests

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(PYTHON) native_module/tables.py --check

bench: $(BUILD)/.extension unix unix-tflm
	@PYTHONPATH=tests/qemu:tests/unix:tests/host $(PYTHON) tests/bench.py $(if $(LAYERS),--layers)

operators: $(BUILD)/.extension unix unix-tflm natmod qemu
	@$(PYTHON) -m pytest tests/host/test_operators.py tests/unix/test_device.py tests/unix/test_tflm.py tests/qemu/test_boards.py \
	  tests/armv6m -k "operator and not accepts or bytes_are_tflms" --cases-page native_module/OPERATORS.md

cost: $(BUILD)/.extension
	@$(PYTHON) tests/fit_cost.py

fuzz: $(BUILD)/.apt-fuzz $(VENV)/.dev $(BUILD)/.extension
	@for what in loader reader; do $(PYTHON) tests/host/fuzz.py $$what $(if $(RUNS),--runs $(RUNS)) $(if $(TIME),--time $(TIME)) || exit 1; done

unix: $(UNIX) $(UNIX_STOCK)

unix-tflm: $(BUILD)/.apt-test $(UNIX_TFLM)

natmod: $(BUILD)/.apt-test $(VENV)/.dev $(BUILD)/micropython
	@echo "Building $(or $(ARCH),all) native modules"
	@set -o pipefail; $(MAKE) -s --no-print-directory -j$(JOBS) -C native_module/micropython ARCH= $(ARCH) | \
	  { grep -v '^CC \|^GEN \|^LINK \|^HOST ' || true; }

natmod-size: natmod
	@$(MAKE) -s --no-print-directory -C native_module/micropython ARCH=$(or $(ARCH),armv6m) size

qemu: $(BUILD)/.apt-test $(BUILD)/micropython
	@$(MAKE) -s --no-print-directory -C tests/qemu JOBS=$(JOBS)

rp2040: $(BUILD)/.apt-test
	@$(MAKE) -s --no-print-directory -C tests/rp2040 JOBS=$(JOBS)

firmware: $(BUILD)/.apt-firmware
	@TFLM_DIR="$(TFLM_DIR)" TFLM_LIB="$(TFLM_LIB)" JOBS=$(JOBS) \
	  native_module/micropython/firmware.sh "$(BOARD)" $(BUILD)/firmware/$(BOARD)

clean:
	@rm -rf build _hognose*.so; cd $(BUILD) 2> /dev/null && find . -mindepth 1 -maxdepth 1 ! -name src -exec rm -rf {} + || true

# --- Debian packages -------------------------------------------------------------------------------------------------

APT_BASE := gcc libc6-dev make xz-utils debian-archive-keyring
APT_FIRMWARE := $(APT_BASE) bzip2 cmake g++ gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib
APT_TEST := $(APT_FIRMWARE) valgrind \
  gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf \
  gcc-xtensa-lx106 picolibc-xtensa-lx106-elf binutils-source \
  qemu-system-arm qemu-system-misc \
  $(if $(shell command -v npm),,nodejs npm)

# $(call apt,PACKAGES): install those that are missing.
define apt
	@mkdir -p $(BUILD); command -v dpkg-query > /dev/null || \
	  { echo "No Debian packages here: have the like of these yourself: $(1)"; exit 0; }; \
	missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2> /dev/null | grep -q 'ok installed' || echo $$p; done | xargs); \
	[ -n "$$missing" ] || exit 0; \
	sudo=; [ $$(id -u) = 0 ] || { command -v sudo > /dev/null && sudo=sudo; } || \
	  { echo "Debian packages are missing; as root: apt-get install $$missing"; exit 1; }; \
	echo "Installing Debian packages: $$missing"; \
	{ $$sudo apt-get -qq update && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 \
	  install -y --no-install-recommends $$missing; } > $(BUILD)/apt.log 2>&1 || \
	  { tail -n 3 $(BUILD)/apt.log; echo "apt-get failed ($(BUILD)/apt.log): check the network, or install by hand: $$missing"; exit 1; }
endef

$(BUILD)/.apt: Makefile
	$(call apt,$(APT_BASE))
	@touch $@

$(BUILD)/.apt-firmware: Makefile
	$(call apt,$(APT_FIRMWARE))
	@touch $@

$(BUILD)/.apt-fuzz: Makefile
	$(call apt,$(APT_BASE) clang libclang-rt-dev)
	@touch $@

$(BUILD)/.apt-test: Makefile
	$(call apt,$(APT_TEST))
	@touch $@

# --- Python ----------------------------------------------------------------------------------------------------------

# The first Python of a fitting version.
FIND_PYTHON := for p in python3 python3.13 python3.12 python3.11 python3.10; do \
  $$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2> /dev/null && { echo $$p; break; }; done

$(PYTHON): | $(BUILD)/.apt
	@python=$$($(FIND_PYTHON)); [ -n "$$python" ] || \
	  { echo "Python 3.10, 3.11, 3.12 or 3.13 is needed (TensorFlow runs on no other): install one"; exit 1; }; \
	echo "Making .venv with $$($$python --version)"; \
	$$python -c 'import ensurepip, venv' 2> /dev/null && $$python -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "$$python cannot make a virtual environment: apt-get install python3-venv"; exit 1; }

# $(call pip,WHAT,WORDS)
define pip
	@echo "Installing $(2) into .venv"; $(PIP) install $(1) > $(BUILD)/pip.log 2>&1 || \
	  { tail -n 3 $(BUILD)/pip.log; echo "pip failed ($(BUILD)/pip.log): check the network and the free disk space (2 GB)"; exit 1; }
endef

# The C extension is built by .extension, so that a changed engine does not bring pip into it.
$(VENV)/.train: pyproject.toml | $(PYTHON)
	$(call pip,'setuptools>=77' wheel -e '.[train]',TensorFlow and hognose (1.6 GB the first time))
	$(call pip,$$($(PYTHON) -c 'from hognose_tools.data.formats import AEON; print(*AEON.split()[2:])'),recorded motion for the example)
	@touch $@ $(BUILD)/.extension

$(VENV)/.dev: pyproject.toml $(VENV)/.train
	$(call pip,'setuptools>=77' wheel -e '.[train$(comma)dev]',what the tests need)
	@touch $@ $(BUILD)/.extension

$(BUILD)/.extension: $(VENV)/.train setup.py $(ENGINE) $(wildcard native_module/cpython/*)
	@echo "Building the engine for Python"; \
	$(PYTHON) setup.py -q build_ext --inplace --build-temp $(BUILD)/extension > $(BUILD)/extension.log 2>&1 || { cat $(BUILD)/extension.log; exit 1; }
	@touch $@

# What MicroPython's modules are to a type checker, one folder a port; never in .venv.
typings: $(BUILD)/.typings
$(BUILD)/.typings: Makefile | $(VENV)/.dev
	@echo "Installing type stubs"; rm -rf $(BUILD)/typings; \
	{ for port in rp2 esp32 unix; do $(PIP) install --no-deps --target $(BUILD)/typings/$$port \
	  micropython-$$port-stubs==1.29.0.post1 micropython-stdlib-stubs==1.29.0.post2 || exit 1; done; \
	  $(PIP) install --no-deps --target $(BUILD)/typings/circuitpython circuitpython-stubs==10.3.1; } \
	  > $(BUILD)/typings.log 2>&1 || { tail -n 3 $(BUILD)/typings.log; exit 1; }
	@touch $@

comma := ,

# --- MicroPython -----------------------------------------------------------------------------------------------------

# MicroPython asks git for its version; above its folder git would find ours.
export GIT_CEILING_DIRECTORIES := $(BUILD)/src

SOURCES_SH := native_module/micropython/sources.sh

$(BUILD)/micropython: $(SOURCES_SH) | $(BUILD)/.apt
	@$(SOURCES_SH) > /dev/null

# $(call unix,PROGRAM,OPTIONS): the unix port without what needs further libraries. Its compressed error texts would be
# wrong after a change of one, until all is built anew.
define unix
	@echo "Building $(patsubst $(CURDIR)/%,%,$(1))"; $(MAKE) -s -j$(JOBS) -C $(BUILD)/micropython/ports/unix BUILD=$(patsubst %/,%,$(dir $(1))) \
	  FROZEN_MANIFEST= MICROPY_PY_SSL=0 MICROPY_PY_BTREE=0 MICROPY_PY_FFI=0 MICROPY_ROM_TEXT_COMPRESSION=0 $(2) > $(1).log 2>&1 || \
	  { grep -m 5 -i error $(1).log; echo "see $(1).log"; exit 1; }
endef

$(UNIX): $(ENGINE) $(wildcard native_module/micropython/*.c native_module/micropython/*.mk) | $(BUILD)/micropython
	@mkdir -p $(@D)
	$(call unix,$@,USER_C_MODULES=$(CURDIR)/native_module)
	@touch $@

# TFLM for this machine is the judge itself, out of its Python package.
TFLM_WHEEL := $(BUILD)/tflm-wheel/libtensorflow-microlite.a
$(TFLM_WHEEL): $(wildcard tests/unix/tflm_wheel/*) | $(VENV)/.train
	@$(PYTHON) tests/unix/tflm_wheel/make_tflm_dir.py $(@D)

$(UNIX_TFLM): $(TFLM_WHEEL) $(ENGINE) $(wildcard native_module/tflm/*) | $(BUILD)/micropython
	@mkdir -p $(@D)
	$(call unix,$@,USER_C_MODULES=$(CURDIR)/native_module TFLM_DIR=$(BUILD)/tflm-wheel)
	@touch $@

$(UNIX_STOCK): | $(BUILD)/micropython
	@mkdir -p $(@D)
	$(call unix,$@)
