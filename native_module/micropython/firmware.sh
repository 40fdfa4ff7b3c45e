#!/bin/bash
# SPDX-License-Identifier: MIT
#
# firmware.sh BOARD FOLDER [stock]: MicroPython's firmware for a board of its ports rp2 and esp32, with the engine
# (`_hognose`) and the library `hognose` in it; `stock`: with nothing of ours.
#
#   TFLM_DIR=…          with TFLite Micro (`tflm`), too: native_module/tflm/README.md says what it holds
#   MICROPYTHON_DIR=…   a checkout of MicroPython; rp2 boards without a network need none
set -euo pipefail

die() { echo "$*"; exit 1; }

{ [ $# -ge 2 ] && [ -n "$1" ]; } || die "which board? make firmware BOARD=RPI_PICO"
board=$1 folder=$2 stock=${3:-} tflm=${TFLM_DIR:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
native=$root/native_module

# MicroPython asks git for its version; above its folder git would find ours.
export GIT_CEILING_DIRECTORIES=$root/.build/src
mp=$("$native/micropython/sources.sh")
for port in rp2 esp32 ''; do
    [ -n "$port" ] || die "BOARD=$board is none of" $(cd "$mp/ports" && echo rp2/boards/*/ esp32/boards/*/ |
        sed 's|[^ ]*/boards/||g; s|/||g')
    [ ! -d "$mp/ports/$port/boards/$board" ] || break
done
config=$mp/ports/$port/boards/$board

# Debian's source comes without MicroPython's network libraries and Python modules.
needs=()
whole=$([ ! -d "$mp/lib/micropython-lib/micropython" ] || echo yes)
if [ $port = esp32 ] && ! { [ -n "${IDF_PATH:-}" ] && command -v idf.py > /dev/null; }; then
    needs+=("ESP-IDF, whose IDF_PATH is not set (install version 5.2 to 5.4, then: . \$IDF_PATH/export.sh)")
fi
if [ -z "$whole" ] && { [ $port = esp32 ] || grep -qE 'LWIP|CYW43|BLUETOOTH' "$config/mpconfigboard.cmake"; }; then
    needs+=("a checkout of MicroPython (make -C ports/$port BOARD=$board submodules, then: MICROPYTHON_DIR=…)")
fi
[ ${#needs[@]} = 0 ] || die "BOARD=$board needs ${needs[0]}${needs[1]:+, and ${needs[1]}}"
if [ $port = esp32 ] && [ -n "$tflm" ] && [ "$tflm" != component ]; then
    die "TFLM_DIR=$tflm: on ESP32 boards TFLM is a component that ESP-IDF fetches: TFLM_DIR=component"
fi
[ ! -d "$tflm" ] || tflm=$(cd "$tflm" && pwd)
export TFLM_DIR=$tflm

mkdir -p "$folder"
out=$(cd "$folder" && pwd)
manifest=$config/manifest.py
[ -e "$manifest" ] || manifest=$mp/ports/$port/boards/manifest.py
[ -n "$whole" ] || manifest=$root/tests/rp2040/manifest.py
modules=
if [ -z "$stock" ]; then
    printf 'include("%s", port_manifest="%s")\n' "$native/micropython/manifest.py" "$manifest" > "$out/manifest.py"
    manifest=$out/manifest.py
    modules="$native/micropython/micropython.cmake${tflm:+;$native/tflm/micropython.cmake}"
fi

build_rp2() {
    cmake -S "$mp/ports/rp2" -B "$out" -DMICROPY_BOARD="$board" -DPICO_NO_PICOTOOL=1 -DPICO_BUILD_DOCS=0 \
        -DMICROPY_FROZEN_MANIFEST="$manifest" -DUSER_C_MODULES="$modules" || return
    env -u MAKEFLAGS -u MAKELEVEL make -C "$out" -j"${JOBS:-2}" || return
    local family=0xe48bff56
    ! grep -q '^PICO_PLATFORM:.*=rp2350' "$out/CMakeCache.txt" || family=0xe48bff59
    python3 "$mp/tools/uf2conv.py" -b 0x10000000 -f $family -c -o "$out/firmware.uf2" "$out/firmware.bin"
}

build_esp32() {
    env -u MAKEFLAGS -u MAKELEVEL IDFPY_FLAGS="${tflm:+-DEXTRA_COMPONENT_DIRS=$native/tflm}" \
        make -C "$mp/ports/esp32" BOARD="$board" BUILD="$out" FROZEN_MANIFEST="$manifest" USER_C_MODULES="'$modules'"
}

# CMake's first error as one line, else the compiler's first lines that say error.
explain() {
    awk '/^CMake Error/ { on = 1; next } on && (/^Call Stack/ || NF == 0 && text) { exit }
        on { sub(/^ +/, ""); text = text $0 " " } END { if (text) print text; exit !text }' "$out/build.log" || grep -m 5 -i error "$out/build.log"
    die "see $out/build.log"
}

[ $port = esp32 ] || "$native/micropython/sources.sh" rp2 > /dev/null
[ $port = esp32 ] && file=firmware.bin || file=firmware.uf2
echo "Building $board's firmware${stock:+ as it is}: ${out#"$root"/}/$file"
[ -n "$stock$tflm" ] || echo "Without TFLite Micro: TFLM_DIR is not set (native_module/tflm/README.md)"
build_$port > "$out/build.log" 2>&1 || explain
