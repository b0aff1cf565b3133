#!/usr/bin/env bash
# Says which #include breaks a rule of the layers, and fails if one does.
# usage: includes_test.sh PROJECT_SOURCE_DIR
set -euo pipefail
cd "$1"

broken=0

# Lines "file:number:#include ..." of the files and folders given.
includes_of() {
  grep -rnE --include='*.hpp' --include='*.cpp' '^[[:space:]]*#[[:space:]]*include\b' "$@"
}

# forbid RULE, with the offending lines on standard input
forbid() {
  local lines
  lines=$(cat)
  if [[ -n $lines ]]; then
    printf '%s\n%s\n\n' "$1" "$lines"
    broken=1
  fi
}

standard_header='<[a-z_]+>'
library=libvoicechan/src
other_code=()
for folder in server examples; do
  [[ -d $folder ]] && other_code+=("$folder")
done

forbid 'A public header includes only the standard library and "voicechan/...":' < <(
  includes_of libvoicechan/include |
    grep -vE "include ($standard_header|\"voicechan/[a-z_]+\.hpp\")\$")

forbid 'Only the SQLite store includes sqlite3.h or its headers:' < <(
  includes_of "$library" "${other_code[@]}" | grep -v "^$library/sqlite/" |
    grep -E '[<"](sqlite3\.h|sqlite/)')

forbid 'Only the Redis adapter includes hiredis or its headers:' < <(
  includes_of "$library" "${other_code[@]}" | grep -v "^$library/redis/" |
    grep -E '[<"](hiredis/|redis/)')

forbid 'Only libvoicechan/src/redis/channel_event.cpp includes nlohmann/json:' < <(
  includes_of libvoicechan "${other_code[@]}" |
    grep -v "^$library/redis/channel_event\.cpp:" | grep 'nlohmann/')

forbid 'Only server/websocket_codec.cpp includes websocketpp:' < <(
  includes_of libvoicechan "${other_code[@]}" | grep -v '^server/websocket_codec\.cpp:' |
    grep 'websocketpp/')

# The server's side and the client's.
forbid 'Only server/http_codec.cpp and server/admin_client.cpp include Boost.Beast:' < <(
  includes_of libvoicechan "${other_code[@]}" | grep -vE '^server/(http_codec|admin_client)\.cpp:' |
    grep 'boost/beast')

forbid 'Only server/jwt_key.cpp includes cjose:' < <(
  includes_of libvoicechan "${other_code[@]}" | grep -v '^server/jwt_key\.cpp:' | grep 'cjose/')

forbid 'The core includes no I/O library:' < <(
  includes_of libvoicechan | grep -v "^$library/redis/" | grep -E '[<"](boost/)?asio|hiredis|openssl/')

# Private is what lies under libvoicechan/src, unless the folder has a file of that name itself.
forbid 'Server and examples include nothing private of the library:' < <(
  includes_of "${other_code[@]}" | while IFS=: read -r file line directive; do
    header=$(sed -E 's/.*[<"](.*)[>"].*/\1/' <<<"$directive")
    if [[ $header == *../* || -f $library/$header && ! -f ${file%%/*}/$header ]]; then
      echo "$file:$line:$directive"
    fi
  done)

exit "$broken"
