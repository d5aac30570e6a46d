#!/bin/sh
# Compiles the core and its tests with the C compiler alone, under ASan and UBSan, and runs them. Node is nowhere near.
# Arguments go to the program: see main.c. CC chooses the compiler, CFLAGS are added.
# shellcheck disable=SC2086,SC2012,SC3013 # lists of words; names of ours; -nt is in every sh that is used
set -eu
cd "$(dirname "$0")/../.."

CC=${CC:-cc}
OUT=build-tests
WARNINGS='-Wall -Wextra -Wpedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes'
WARNINGS="$WARNINGS -Wvla -Wundef -Wcast-align -Wwrite-strings"
SANITIZERS='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'

command -v "${CC%% *}" >/dev/null || {
  echo "no C compiler: $CC (CC names another)" >&2
  exit 1
}
mkdir -p "$OUT"

# A compiler may know the flag and lack the library, so a program is built and run.
PROBE=$OUT/probe.$$
echo 'int main(void) { return 0; }' >"$PROBE.c"
if ! { $CC $SANITIZERS -o "$PROBE" "$PROBE.c" && "$PROBE"; } >"$OUT/probe.log" 2>&1; then
  echo "NOTE: $CC has no AddressSanitizer and UBSan here ($OUT/probe.log): the tests run without them"
  SANITIZERS=
fi
rm -f "$PROBE" "$PROBE.c"

FLAGS="-std=c11 -g -O1 -Isrc/core $WARNINGS $SANITIZERS ${CFLAGS:-}"

# The <uv.h> of src/uv/commons.c is a small one of the tests'.
C_INCLUDE_PATH=test/core/uv
export C_INCLUDE_PATH

# Objects of other flags stay where they are. Nothing is there before it is whole, so that two may run this at once.
OBJECTS=$OUT/$(echo "$CC $FLAGS" | cksum | tr -d ' ')
mkdir -p "$OBJECTS"

# What is newer than its object, or includes what may be, is compiled again.
newest_header=$(ls -t src/core/*.h src/uv/trace*.h src/uv/commons.h src/uv/driver.h test/core/*.h test/core/uv/*.h test/core/run.sh | head -n 1)
objects=
stale=
for source in src/core/*.c src/uv/trace.c test/core/*.c; do
  case $source in *fuzz_mailbox.c) continue ;; esac # its main is libFuzzer's
  object=$OBJECTS/$(echo "${source%.c}" | tr / .).o
  # It includes the other.
  case $source in test/core/commons.c) [ "$object" -nt src/uv/commons.c ] || rm -f "$object" ;; esac
  objects="$objects $object"
  [ "$object" -nt "$source" ] && [ "$object" -nt "$newest_header" ] || stale="$stale $source $object"
done
if [ -n "$stale" ]; then
  printf '%s\n' $stale | xargs -n 2 -P 2 sh -c "$CC $FLAGS -c -o \"\$1.$$\" \"\$0\" && mv \"\$1.$$\" \"\$1\""
fi
$CC $FLAGS -o "$OUT/core_tests.$$" $objects -lm -pthread
mv "$OUT/core_tests.$$" "$OUT/core_tests"

exec "$OUT/core_tests" "$@"
