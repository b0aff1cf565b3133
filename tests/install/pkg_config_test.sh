#!/bin/sh
# Builds the outside programs against an installed tree with pkg-config alone, and runs them.
# usage: pkg_config_test.sh COMPILER PKG_CONFIG PKGCONFIG_DIR SOURCE_DIR
set -eu
compiler=$1 pkg_config=$2 source=$4
export PKG_CONFIG_PATH="$3"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The flags are several words by design.
# shellcheck disable=SC2046
build_and_run() {
  "$compiler" -std=c++17 -o "$1" "$source/$1.cpp" \
    $("$pkg_config" --cflags --libs --static "$2")
  "./$1"
}

build_and_run embed_hub voicechan
if [ -e "$PKG_CONFIG_PATH/voicechan-sqlite.pc" ]; then
  build_and_run open_store voicechan-sqlite
fi
