# What sanitize.sh and thread-sanitize.sh have in common, for them to read with `.`: a temporary copy of the tree, with an
# addon that is built there with a sanitizer, so that the addon that is there stays. Any report, in whichever process, fails
# the run: it is printed, and that process ends with code 99, which no test expects.
# shellcheck shell=sh

# Makes the copy, and goes there: $copy/tree. Arguments: what of the tree is needed beside what both need.
copy_tree() {
  root=$(cd "$(dirname "$0")/../.." && pwd)
  copy=$(mktemp -d "${TMPDIR:-/tmp}/sluice-sanitize.XXXXXX")
  trap 'rm -rf "$copy"' EXIT
  trap 'exit 130' INT TERM HUP
  mkdir "$copy/tree" "$copy/reports"
  cd "$root" || exit
  tar -cf - .mocharc.js binding.gyp package.json lib src test/*.js test/api test/lifecycle test/support "$@" |
    tar -xf - -C "$copy/tree"
  ln -s "$root/node_modules" "$copy/tree/node_modules"
  cd "$copy/tree" || exit
}

# Runs a command of which only a failure is of interest.
build() {
  "$@" >"$copy/build.log" 2>&1 || {
    cat "$copy/build.log"
    exit 1
  }
}

# Builds the addon from nothing. Arguments: the sanitizers, as the compiler names them; the start of a name that is in the
# addon only with them.
build_addon() {
  # Headers of the very Node that runs, where it brought them along; else node-gyp knows where to get them.
  prefix=$(node -p 'path.resolve(process.execPath, "../..")')
  if [ -f "$prefix/include/node/node_api.h" ]; then nodedir="--nodedir=$prefix"; else nodedir=; fi
  # shellcheck disable=SC2086 # an empty $nodedir is to be no argument
  build node node_modules/node-gyp/bin/node-gyp.js rebuild $nodedir -- "-Dsluice_sanitize=$1"
  nm -D build/Release/sluice.node | grep -q "$2" || {
    echo "${0##*/}: the addon has no sanitizer in it"
    exit 1
  }
}

# Options for each sanitizer, in *SAN_OPTIONS.
report_options() {
  echo "exitcode=99:log_path=$copy/reports/report"
}

# Ends the run, red where tests have failed or anything was reported. Arguments: what mocha ended with.
finish() {
  status=$1
  for report in "$copy"/reports/*; do
    [ -e "$report" ] || break
    cat "$report"
    status=1
  done
  exit "$status"
}
