'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const fc = require('fast-check');

const binding = require('../../lib/engine');
const { agree } = require('../support/agreement');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { program, single, runExecute, runProgram, runRetry, runTimeout } = require('../support/program');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(); // and others in proportion to it: 10,000 in all and more
const ENGINE_SEED = 42;
const CORE_TESTS = path.join(__dirname, '../../build-tests/core_tests');

describe(`against the model, on a virtual clock (seed ${SEED}; SLUICE_SEED repeats it)`, function () {
  this.timeout(120_000);
  const clock = virtualClock(ENGINE_SEED);

  async function check(drawn, run) {
    clock.reset();
    agree(await run(clock, drawn), drawn);
    assertNothingLeft();
  }

  it('mapWithLimit settles at the time and with the outcome it must, and starts what it must', () =>
    holds(program, RUNS, (drawn) => check(drawn, runProgram)));

  it('retry is mapWithLimit of one item', () => holds(single, RUNS / 6, (drawn) => check(drawn, runRetry)));

  it('execute reports what retry settles with', () => holds(single, RUNS / 6, (drawn) => check(drawn, runExecute)));

  it('withTimeout is mapWithLimit of one item without retries', () =>
    holds(single, RUNS / 6, (drawn) => check({ ...drawn, retry: undefined, totalTimeout: undefined }, runTimeout)));

  it('the mailbox traffic of a run replays in C without Node: the same words in, the same words out', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-replay-'));
    const files = [];
    const withJitter = fc.tuple(program, fc.constantFrom('none', 'full'));
    await holds(withJitter, 60, async ([drawn, jitter]) => {
      clock.reset();
      await runProgram(clock, { ...drawn, retry: drawn.retry && { ...drawn.retry, jitter } });
      const file = path.join(folder, `${files.length}.traffic`);
      fs.writeFileSync(file, binding.recorded());
      files.push(file);
    });
    for (const file of files) {
      assert.ok(fs.statSync(file).size > 0);
      const said = execFileSync(CORE_TESTS, ['--replay', file, String(ENGINE_SEED)], { encoding: 'utf8' });
      assert.match(said, /replayed [1-9]\d* operations: the same words/);
    }
    fs.rmSync(folder, { recursive: true });
  });
});

function holds(arbitrary, numRuns, predicate) {
  return fc.assert(fc.asyncProperty(arbitrary, predicate), { numRuns: Math.ceil(numRuns), seed: SEED });
}
