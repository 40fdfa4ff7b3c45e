#!/bin/bash
# SPDX-License-Identifier: MIT
#
# sources.sh [rp2]: fetch MicroPython's source from Debian and print its folder.
# With rp2, lib/ also gets the Pico SDK, TinyUSB and mbed TLS. A user's own checkout: MICROPYTHON_DIR=… .
#
# apt works here in a private state (own source list, own cache), so that the machine's own Debian
# release does not matter and nothing of another release gets installed.
set -euo pipefail

MICROPYTHON_VERSION=1.25.0 # the pin: all that is built from MicroPython follows it
RELEASE=trixie             # the Debian release that carries this version for good

say() { echo "sources.sh: $*" >&2; }
die() { say "$*"; exit 1; }

root=$(cd "$(dirname "$0")/../.." && pwd)
src=$root/.build/src
case "${*:-}" in
    '') rp2= ;;
    rp2) rp2=1 ;;
    *) die "unknown argument '$*' (usage: sources.sh [rp2])" ;;
esac

if [ -n "${MICROPYTHON_DIR:-}" ]; then
    [ -f "$MICROPYTHON_DIR/py/dynruntime.mk" ] ||
        die "MICROPYTHON_DIR=$MICROPYTHON_DIR is no MicroPython source tree (it has no py/dynruntime.mk)"
    [ -z "$rp2" ] || [ -f "$MICROPYTHON_DIR/lib/pico-sdk/pico_sdk_init.cmake" ] ||
        die "MICROPYTHON_DIR lacks the Pico SDK: run 'make -C ports/rp2 submodules' there"
    tree=$(cd "$MICROPYTHON_DIR" && pwd)
else
    tree=$src/micropython-$MICROPYTHON_VERSION
fi

private_apt() {
    "$1" -qq -o Dir::Etc::SourceList="$src/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$src/apt/lists" -o Dir::Cache="$src/apt/cache" -o APT::Sandbox::User=root "${@:2}"
}

apt_ready=
# Prepare the private apt state, once a run.
apt_update() {
    [ -z "$apt_ready" ] || return 0
    command -v apt-get > /dev/null ||
        die "no apt-get here: clone MicroPython $MICROPYTHON_VERSION yourself and set MICROPYTHON_DIR to it"
    local key=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    [ -f $key ] || die "Debian's keyring is missing: apt-get install debian-archive-keyring, or set MICROPYTHON_DIR"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1 || true)
    [ -n "$mirror" ] || die "apt has no package source on this machine: add a Debian mirror, or set MICROPYTHON_DIR"
    mkdir -p "$src"/apt/lists/partial "$src"/apt/cache/archives/partial "$src"/debs
    printf '%s [signed-by='$key'] %s '$RELEASE' main\n' deb "$mirror" deb-src "$mirror" > "$src/apt/sources.list"
    say "reading Debian $RELEASE's package lists"
    private_apt apt-get update -o APT::Update::Error-Mode=any >&2 ||
        die "cannot read Debian $RELEASE from this machine's mirror: check the network, or set MICROPYTHON_DIR"
    apt_ready=1
}

# source_package NAME FOLDER [VERSION]: unpack the upstream tarball of a Debian source package.
source_package() {
    [ ! -f "$2/.complete" ] || return 0
    apt_update
    say "fetching $1 ${3:-}"
    local version=${3:-}
    if [ -n "$version" ]; then
        # Debian's revision (+ds-1, +ds-1+deb13u1) may move; the upstream source does not.
        version=$(private_apt apt-cache showsrc "$1" | sed -n "s/^Version: \($3+ds.*\)/\1/p" | head -n 1)
        [ -n "$version" ] || die "Debian $RELEASE has no $1 $3 any more: set MICROPYTHON_DIR to a checkout of it"
    fi
    (cd "$src/debs" && rm -f "$1"_* && private_apt apt-get source --download-only "$1${version:+=$version}" >&2) ||
        die "cannot download $1: check the network, or set MICROPYTHON_DIR"
    rm -rf "$2" && mkdir -p "$2"
    tar -C "$2" --strip-components 1 -xf "$(ls "$src"/debs/"$1"_*.orig.tar.*[!c])" ||
        die "cannot unpack $1: apt-get install xz-utils bzip2, or free some disk space"
    touch "$2/.complete"
}

# source_deb PACKAGE FOLDER: unpack a Debian package that holds source files.
source_deb() {
    [ ! -f "$2/.complete" ] || return 0
    apt_update
    say "fetching $1"
    (cd "$src/debs" && rm -f "$1"_* && private_apt apt-get download "$1" >&2 &&
        rm -rf "$2" && dpkg-deb -x "$1"_*.deb "$2") || die "cannot download $1: check the network"
    touch "$2/.complete"
}

# library NAME FOLDER: put a library where MicroPython looks for it (Debian leaves an empty folder there).
library() {
    [ -d "$tree/lib/$1" ] && [ ! -L "$tree/lib/$1" ] && rmdir "$tree/lib/$1"
    ln -sfn "$2" "$tree/lib/$1"
}

mkdir -p "$root/.build"
if [ -z "${MICROPYTHON_DIR:-}" ]; then
    # Two makes at once must not unpack into the same folder.
    exec 9> "$root/.build/.sources.lock"
    flock 9
    source_package micropython "$tree" $MICROPYTHON_VERSION
    # mkrules.cmake and frozen manifests want this file; Debian drops the library it belongs to.
    [ -e "$tree/lib/micropython-lib/README.md" ] || : > "$tree/lib/micropython-lib/README.md"
    if [ -n "$rp2" ]; then
        source_package mbedtls "$src/mbedtls"
        source_deb pico-sdk-source "$src/pico-sdk-source"
        source_deb tinyusb-source "$src/tinyusb-source"
        library mbedtls "$src/mbedtls"
        library pico-sdk "$src/pico-sdk-source/usr/src/pico-sdk"
        library tinyusb "$src/tinyusb-source/usr/src/tinyusb"
    fi
fi
ln -sfn "$tree" "$root/.build/micropython"
echo "$tree"
