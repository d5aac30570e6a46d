#!/bin/sh
# Fuzzes the mailbox with clang's libFuzzer: test/core/fuzz.sh [SECONDS, 60 by default] [libFuzzer's arguments]
# What it finds is written to build-tests/fuzz/; run it again with that file's name as an argument to see it.
set -eu
cd "$(dirname "$0")/../.."

CLANG=${CLANG:-clang}
OUT=build-tests/fuzz
seconds=${1:-60}
[ $# -eq 0 ] || shift

command -v "$CLANG" >/dev/null || {
  echo "no $CLANG, and libFuzzer is clang's: nothing was fuzzed" >&2
  exit 1
}
mkdir -p "$OUT/corpus"
$CLANG -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc/core \
  -Wall -Wextra -Wpedantic -Werror -o "$OUT/fuzz_mailbox" \
  src/core/*.c test/core/fuzz.c test/core/fuzz_mailbox.c test/core/world.c -lm
exec "$OUT/fuzz_mailbox" -max_total_time="$seconds" -max_len=4096 -artifact_prefix="$OUT/" "$@" "$OUT/corpus"
