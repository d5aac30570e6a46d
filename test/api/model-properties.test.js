'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const fc = require('fast-check');

const binding = require('../../lib/engine');
const { runModel } = require('../model');
const { program, single, runExecute, runProgram, runRetry, runTimeout } = require('../support/program');
const { VirtualClock } = require('../support/virtual-clock');

const RUNS = Number(process.env.SLUICE_RUNS ?? 6000); // and others in proportion to it: 10,000 in all and more
const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 31);
const ENGINE_SEED = 42;
const CORE_TESTS = path.join(__dirname, '../../build-tests/core_tests');

describe(`against the model, on a virtual clock (seed ${SEED}; SLUICE_SEED repeats it)`, function () {
  this.timeout(120_000);
  let clock;
  before(() => {
    clock = new VirtualClock(ENGINE_SEED);
  });
  after(() => clock.restore());

  async function check(drawn, run) {
    clock.reset();
    agree(await run(clock, drawn), runModel(drawn), drawn);
    assert.deepEqual(open(), { jobs: 0, lanes: 0 }, 'nothing outlives the call');
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

function open() {
  const { jobs, lanes } = binding.usage();
  return { jobs, lanes };
}

function agree(run, model, { limit, items, source, drain }) {
  assert.ok(run.maxRunning <= limit, `${run.maxRunning} ran at once`);
  if (model.unordered) return;
  const { anyOf, ...expected } = model.outcome;
  const { reason } = run.outcome;
  if (model.ambiguous && anyOf?.some((one) => isSame(one, reason))) expected.reason = reason;
  if (source === 'asyncIterable' && (expected.status === 'rejected' || model.decidedAt !== undefined)) {
    // The model pulls at once what it can; an async source answers one by one, and a failure may come in between.
    model.ambiguousStarts = true;
    if (expected.status === 'rejected' && items.some(({ element }) => element !== 'plain')) expected.reason = reason;
  }
  const endedAt = model.decidedAt ?? expected.at;
  if (drain && model.ambiguousStarts) {
    // Who started in the end is not known, so neither is how long the drain lasts.
    assert.ok(run.outcome.at === undefined || run.outcome.at >= endedAt);
    for (const outcome of [expected, run.outcome]) delete outcome.at;
    if (expected.status === 'pending' || run.outcome.status === 'pending') return;
  }
  assert.deepEqual(run.outcome, expected);
  if (model.ambiguousStarts) assertWithin(run.starts, model.starts, endedAt);
  else assert.deepEqual(run.starts, model.starts);
  assert.ok(run.maxRunning <= model.maxRunning, `${run.maxRunning} ran at once`);
  if (expected.status === 'pending' || run.progress.length === 0) return;
  const { total, abandoned, ...counts } = run.progress.at(-1);
  assert.ok(total === undefined || total <= items.length);
  assert.ok(abandoned <= counts.timedOut);
  if (!model.ambiguousCounts && !model.ambiguousStarts) assert.deepEqual(counts, model.counts);
}

/** What happened before the end is certain; at the end, the model shows the most that can have been. */
function assertWithin(starts, most, at) {
  const isBefore = ([time]) => time < at;
  assert.deepEqual(starts.filter(isBefore), most.filter(isBefore));
  for (const start of starts)
    assert.ok(
      most.some((one) => isSame(one, start)),
      `start ${start}`,
    );
}

function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
