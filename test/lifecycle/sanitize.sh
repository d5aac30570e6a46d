#!/bin/sh
# The lifecycle and API tests on an addon built with AddressSanitizer (leaks included) and UndefinedBehaviorSanitizer.
#
#   test/lifecycle/sanitize.sh [test file or pattern ...]
#
# It builds in a temporary copy of the tree, so the addon that is there stays. Any report of a sanitizer, in whichever
# process, fails the run: it is printed, and that process ends with code 99, which no test expects.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d "${TMPDIR:-/tmp}/sluice-sanitize.XXXXXX")
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM HUP
mkdir "$copy/tree" "$copy/reports"

cd "$root"
built=
[ ! -d build-tests ] || built=build-tests
# shellcheck disable=SC2086 # an empty $built is to be no argument
tar -cf - .mocharc.js binding.gyp package.json lib src test/*.js test/api test/core test/lifecycle test/support $built |
  tar -xf - -C "$copy/tree"
ln -s "$root/node_modules" "$copy/tree/node_modules"
cd "$copy/tree"

# The C program that replays recorded traffic; none of its own tests has this name.
sh test/core/run.sh only-build >"$copy/build.log" 2>&1 || [ -x build-tests/core_tests ] || {
  cat "$copy/build.log"
  exit 1
}

# Headers of the very Node that runs, where it brought them along; else node-gyp knows where to get them.
prefix=$(node -p 'path.resolve(process.execPath, "../..")')
if [ -f "$prefix/include/node/node_api.h" ]; then nodedir="--nodedir=$prefix"; else nodedir=; fi
# shellcheck disable=SC2086 # an empty $nodedir is to be no argument
if ! node node_modules/node-gyp/bin/node-gyp.js rebuild $nodedir -- -Dsluice_sanitize=address,undefined \
  >"$copy/build.log" 2>&1; then
  cat "$copy/build.log"
  exit 1
fi
nm -D build/Release/sluice.node | grep -q __asan_report || { echo 'sanitize.sh: the addon has no sanitizer in it'; exit 1; }

preload=$(gcc -print-file-name=libasan.so)
options="exitcode=99:log_path=$copy/reports/report"
if [ $# -eq 0 ]; then set -- 'test/lifecycle/*.test.js' 'test/api/*.test.js'; fi
status=0
LD_PRELOAD="$preload" \
  ASAN_OPTIONS="$options:detect_leaks=1" \
  UBSAN_OPTIONS="$options:halt_on_error=1:print_stacktrace=1" \
  LSAN_OPTIONS="suppressions=$copy/tree/test/lifecycle/lsan.supp:print_suppressions=0" \
  node node_modules/mocha/bin/mocha.js "$@" || status=$?

for report in "$copy"/reports/*; do
  [ -e "$report" ] || break
  cat "$report"
  status=1
done
exit $status
