#!/bin/sh
# Compiles the core and its tests with the C compiler alone, under ASan and UBSan, and runs them. Node is nowhere near.
# Arguments go to the program: see main.c. CC chooses the compiler, CFLAGS are added.
set -eu
cd "$(dirname "$0")/../.."

CC=${CC:-cc}
OUT=build-tests
WARNINGS='-Wall -Wextra -Wpedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-align
  -Wwrite-strings'
SANITIZERS='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'

mkdir -p "$OUT"

# A compiler may know the flag and lack the library, so a program is built and run.
echo 'int main(void) { return 0; }' >"$OUT/probe.c"
if ! { $CC $SANITIZERS -o "$OUT/probe" "$OUT/probe.c" && "$OUT/probe"; } >"$OUT/probe.log" 2>&1; then
  echo "NOTE: $CC has no AddressSanitizer and UBSan here ($OUT/probe.log): the tests run without them"
  SANITIZERS=
fi

FLAGS="-std=c11 -g -O1 -Isrc/core $WARNINGS $SANITIZERS ${CFLAGS:-}"

# Each object is its source's path with dots. What is newer than its object, or includes what is, is compiled again.
newest_header=$(ls -t src/core/*.h src/uv/trace*.h test/core/*.h test/core/run.sh | head -n 1)
[ "$(cat "$OUT/flags" 2>/dev/null)" = "$CC $FLAGS" ] || rm -f "$OUT"/*.o
echo "$CC $FLAGS" >"$OUT/flags"
objects=
stale=
for source in src/core/*.c src/uv/trace.c test/core/*.c; do
  case $source in *fuzz_mailbox.c) continue ;; esac # has a main of libFuzzer's
  object=$OUT/$(echo "${source%.c}" | tr / .).o
  objects="$objects $object"
  if [ ! -e "$object" ] || [ "$source" -nt "$object" ] || [ "$newest_header" -nt "$object" ]; then
    rm -f "$object"
    stale="$stale $source $object"
  fi
done
if [ -n "$stale" ]; then
  # shellcheck disable=SC2086 # these are lists of words
  printf '%s\n' $stale | xargs -P 2 -n 2 sh -c "$CC $(echo $FLAGS) -c -o \"\$1\" \"\$0\""
fi
# shellcheck disable=SC2086
$CC $FLAGS -o "$OUT/core_tests" $objects -lm

exec "$OUT/core_tests" "$@"
