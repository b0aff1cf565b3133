#!/usr/bin/env bash
# Fails if the core library needs what it must not: SQLite, a Redis client, sockets, threads.
# usage: symbols_test.sh NM CORE_LIBRARY
set -euo pipefail

options=(--undefined-only --demangle)
[[ $2 == *.a ]] || options+=(--dynamic)
undefined=$("$1" "${options[@]}" "$2")

# An empty or wrong file would pass everything: the core cannot do without the heap.
grep -q 'operator new' <<<"$undefined" || { echo "no symbols found in $2"; exit 1; }

forbidden='sqlite3_|redis|U (socket|connect|accept4?|bind|listen|send(to|msg)?|recv(from|msg)?)(@|$)'
forbidden+='|pthread_create|std::thread::_M_start_thread'
if grep -E "$forbidden" <<<"$undefined"; then
  echo "The core library must not need these."
  exit 1
fi
