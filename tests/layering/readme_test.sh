#!/usr/bin/env bash
# The program that the README shows is the example that is compiled and run.
# usage: readme_test.sh PROJECT_ROOT
set -euo pipefail
cd "$1"
shown=$(awk '/^```cpp$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md)
diff <(printf '%s\n' "$shown") examples/minimal.cpp
