#!/bin/sh
# The tests of limits that threads share, on an addon built with ThreadSanitizer.
#
#   test/lifecycle/thread-sanitize.sh [test file or pattern ...]
#
# It works in a copy of the tree, and any report fails it: see sanitized-copy.sh. Node itself is not instrumented, so what
# it does is not looked at, and a lock that only Node holds is not seen: the addon's threads must agree by themselves.
#
# A run that finds nothing says little where nothing can be found: so first a lock is left out (PLANT below), and the
# same tests must lead to a report.
set -eu
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/sanitized-copy.sh"

# shellcheck disable=SC2119 # what this script is given is for mocha
copy_tree

# Runs tests; what was reported lies in $copy/reports. Arguments: more options for the sanitizer, then mocha's.
tests() {
  more=$1
  shift
  rm -f "$copy"/reports/*
  LD_PRELOAD=$(gcc -print-file-name=libtsan.so) \
    TSAN_OPTIONS="$(report_options):ignore_noninstrumented_modules=1$more" \
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
build_addon thread __tsan_
echo 'With a lock left out:'
tests :halt_on_error=1 --reporter dot test/api/shared-threads.test.js --grep 'thousands' >"$copy/planted.log" 2>&1 || true
grep -lq 'data race' "$copy"/reports/* 2>/dev/null || {
  cat "$copy/planted.log"
  echo 'thread-sanitize.sh: a lock was left out, and nothing was reported'
  exit 1
}
echo "  reported, as it must be: $(sed -n 's/^SUMMARY: //p' "$copy"/reports/* | sort -u | head -n 1)"

cp "$copy/commons.c" "$source"
build node node_modules/node-gyp/bin/node-gyp.js build # of what has changed
if [ $# -eq 0 ]; then
  set -- 'test/api/shared-threads*.test.js' 'test/lifecycle/shared-[cko]*.test.js' 'test/api/recorder-dump.test.js'
fi
status=0
tests '' "$@" || status=$?
finish $status
