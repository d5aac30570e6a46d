#!/bin/sh
# npm run soak -- [MINUTES]: the random tests, in C and in JavaScript, with new seeds and more rounds until the time is over.
# The first failure ends it; the seed it was drawn from stands in what it prints.
set -eu
cd "$(dirname "$0")/.."

end=$(($(date +%s) + ${1:-30} * 60))
random=$(grep -lE "require\('../support/draws'\)" test/api/*.test.js)

while [ "$(date +%s)" -lt "$end" ]; do
  SLUICE_SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
  export SLUICE_SEED
  echo "=== SLUICE_SEED=$SLUICE_SEED"
  SLUICE_ROUNDS=5 sh test/core/run.sh
  # shellcheck disable=SC2086 # a list of files
  SLUICE_RUNS=${SLUICE_RUNS:-12000} npx mocha --timeout 600000 --reporter dot $random
done
