#!/usr/bin/env bash
# man shows the page without a warning, and in it each command and each option of --help.
# usage: man_page_test.sh PAGE PROGRAM
set -euo pipefail
page=$1 program=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

LC_ALL=C.UTF-8 MANWIDTH=200 man --local-file --warnings "$page" \
  >"$folder/text" 2>"$folder/warnings"
if [[ -s $folder/warnings ]]; then
  cat "$folder/warnings"
  exit 1
fi

seen=0
# look_for COMMAND...: what the help of this command, and of those below it, tells of.
look_for() {
  local help section option below
  help=$("$program" "$@" --help)
  # From the command's heading to the next one.
  section=$(awk -v heading="   $*" '
    heading == "   " ? /^DESCRIPTION/ : $0 == heading { inside = 1; next }
    /^ ? ? ?[^ ]/ { inside = 0 }
    inside' "$folder/text")
  while read -r option; do
    [[ $# == 0 || $option != --help ]] || continue
    seen=$((seen + 1))
    grep -qE -- "^ *(-[a-z], )?$option( |$)" <<<"$section" ||
      { echo "$option of \"$program $*\" is not in the page"; exit 1; }
  done < <(grep -oE '^  (-[a-z],)?--[a-z0-9-]+' <<<"$help" | sed 's/.*--/--/')
  while read -r below; do
    look_for "$@" "$below"
  done < <(awk '/^[^ ]/ { inside = $0 == "Subcommands:" } inside && /^  [a-z]/ { print $1 }' <<<"$help")
}
look_for
((seen > 10)) || { echo "only $seen options seen"; exit 1; }
echo "$seen options"
