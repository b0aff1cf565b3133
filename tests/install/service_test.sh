#!/usr/bin/env bash
# systemd takes the unit without a warning and finds little that it leaves exposed.
# usage: service_test.sh UNIT SERVER; exits with 77 where there is no systemd-analyze
set -euo pipefail
unit=$1 server=$2
command -v systemd-analyze >/dev/null || exit 77
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# The server is not installed when this runs.
sed "s#^ExecStart=[^ ]*#ExecStart=$server#" "$unit" >"$folder/voicechan.service"
output=$(systemd-analyze verify --man=no "$folder/voicechan.service" 2>&1)
if [[ -n $output ]]; then
  printf '%s\n' "$output"
  exit 1
fi
systemd-analyze security --offline=true --no-pager --threshold=20 "$folder/voicechan.service"
