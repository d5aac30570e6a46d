#!/bin/sh
# The tests of limits that threads share, on an addon built with ThreadSanitizer.
#
#   test/lifecycle/thread-sanitize.sh [test file or pattern ...]
#
# It builds in a temporary copy of the tree, so the addon that is there stays. Node itself is not instrumented, so what
# it does is not looked at, and a lock that only Node holds is not seen: the addon's threads must agree by themselves.
# Any report fails the run: it is printed, and that process ends with code 99, which no test expects.
#
# A run that finds nothing says little where nothing can be found: so first a lock is left out (PLANT below), and the
# same tests must lead to a report.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d "${TMPDIR:-/tmp}/sluice-tsan.XXXXXX")
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM HUP
mkdir "$copy/tree" "$copy/reports"

cd "$root"
tar -cf - .mocharc.js binding.gyp package.json lib src test/*.js test/api test/lifecycle test/support | tar -xf - -C "$copy/tree"
ln -s "$root/node_modules" "$copy/tree/node_modules"
cd "$copy/tree"

# Headers of the very Node that runs, where it brought them along; else node-gyp knows where to get them.
prefix=$(node -p 'path.resolve(process.execPath, "../..")')
if [ -f "$prefix/include/node/node_api.h" ]; then nodedir="--nodedir=$prefix"; else nodedir=; fi

# Arguments: node-gyp's.
gyp() {
  node node_modules/node-gyp/bin/node-gyp.js "$@" >"$copy/build.log" 2>&1 || {
    cat "$copy/build.log"
    exit 1
  }
}

# Runs tests; what was reported lies in $copy/reports. Arguments: more options for the sanitizer, then mocha's.
tests() {
  more=$1
  shift
  rm -f "$copy"/reports/*
  LD_PRELOAD=$(gcc -print-file-name=libtsan.so) \
    TSAN_OPTIONS="ignore_noninstrumented_modules=1:exitcode=99:log_path=$copy/reports/report$more" \
    node node_modules/mocha/bin/mocha.js "$@"
}

# PLANT: a limit without its lock.
source=src/uv/commons.c
cp "$source" "$copy/commons.c"
sed 's/uv_mutex_lock(&limit->lock);//; s/uv_mutex_unlock(&limit->lock);//' "$copy/commons.c" >"$source"
if cmp -s "$copy/commons.c" "$source"; then
  echo "thread-sanitize.sh: there is no such lock in $source"
  exit 1
fi
# shellcheck disable=SC2086 # an empty $nodedir is to be no argument
gyp rebuild $nodedir -- -Dsluice_sanitize=thread
nm -D build/Release/sluice.node | grep -q __tsan_ || { echo 'thread-sanitize.sh: the addon has no sanitizer in it'; exit 1; }
echo 'With a lock left out:'
tests :halt_on_error=1 --reporter dot test/api/shared-threads.test.js --grep 'thousands' >"$copy/planted.log" 2>&1 || true
grep -lq 'data race' "$copy"/reports/* 2>/dev/null || {
  cat "$copy/planted.log"
  echo 'thread-sanitize.sh: a lock was left out, and nothing was reported'
  exit 1
}
echo "  reported, as it must be: $(sed -n 's/^SUMMARY: //p' "$copy"/reports/* | sort -u | head -n 1)"

cp "$copy/commons.c" "$source"
gyp build # of what has changed
if [ $# -eq 0 ]; then
  set -- 'test/api/shared-threads*.test.js' 'test/lifecycle/shared-[ko]*.test.js' 'test/api/recorder-dump.test.js'
fi
status=0
tests '' "$@" || status=$?
for report in "$copy"/reports/*; do
  [ -e "$report" ] || break
  cat "$report"
  status=1
done
exit $status
