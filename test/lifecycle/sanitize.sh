#!/bin/sh
# The lifecycle and API tests on an addon built with AddressSanitizer (leaks included) and UndefinedBehaviorSanitizer.
#
#   test/lifecycle/sanitize.sh [test file or pattern ...]
#
# It works in a copy of the tree, and any report fails it: see sanitized-copy.sh.
set -eu
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/sanitized-copy.sh"

copy_tree test/core
[ ! -d "$root/build-tests" ] || cp -Rp "$root/build-tests" .

# The C program that replays recorded traffic; none of its own tests has this name.
sh test/core/run.sh only-build >"$copy/build.log" 2>&1 || [ -x build-tests/core_tests ] || {
  cat "$copy/build.log"
  exit 1
}
build_addon address,undefined __asan_report

if [ $# -eq 0 ]; then set -- 'test/lifecycle/*.test.js' 'test/api/*.test.js'; fi
options=$(report_options)
status=0
LD_PRELOAD=$(gcc -print-file-name=libasan.so) \
  ASAN_OPTIONS="$options:detect_leaks=1" \
  UBSAN_OPTIONS="$options:halt_on_error=1:print_stacktrace=1" \
  LSAN_OPTIONS="suppressions=$copy/tree/test/lifecycle/lsan.supp:print_suppressions=0" \
  node node_modules/mocha/bin/mocha.js "$@" || status=$?
finish $status
