'use strict';

// The flight recorder on random programs: it changes nothing, and what it tells adds up.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const fc = require('fast-check');

const { recorder } = require('../..');
const { recorded } = require('../../lib/engine');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { program, runExecute, runProgram, runRetry, runTimeout, single } = require('../support/program');
const { checkWhole } = require('../support/recorded');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs();
const ENGINE_SEED = 42;
const CORE_TESTS = path.join(__dirname, '../../build-tests/core_tests');

describe(`recorder, on random programs (seed ${SEED}; SLUICE_SEED repeats it)`, function () {
  this.timeout(120_000);
  const clock = virtualClock(ENGINE_SEED);

  async function runRecorded(run, drawn) {
    clock.reset();
    recorder.start();
    const result = await run(clock, drawn);
    recorder.stop();
    return { result, recording: recorder.snapshot() };
  }

  /** Of a run without a recorder, and one with. */
  async function checkSame(run, drawn) {
    clock.reset();
    const without = shown(await run(clock, drawn));
    const { result, recording } = await runRecorded(run, drawn);
    assert.deepEqual(shown(result), without);
    assertNothingLeft();
    return recording;
  }

  function holds(arbitrary, numRuns, predicate) {
    return fc.assert(fc.asyncProperty(arbitrary, predicate), { numRuns: Math.ceil(numRuns), seed: SEED });
  }

  it('mapWithLimit does the same, and each start has one end', () =>
    holds(program, RUNS / 4, async (drawn) => {
      const recording = await checkSame(runProgram, drawn);
      const { open } = checkWhole(recording, drawn.limit);
      assert.equal(open.size, 0, 'the job was closed');
    }));

  it('what is recorded are the calls of the mapper, and the counts of the last report', () =>
    holds(program, RUNS / 4, async (drawn) => {
      const { result, recording } = await runRecorded(runProgram, drawn);
      const count = (kind, reason) => recording.events.filter((e) => e.kind === kind && e.reason === reason).length;
      // Not those that start while their element is still awaited, or are over before their turn comes.
      const isPlain = drawn.items.every(({ element }) => element === 'plain');
      const starts = recording.events.filter(({ kind }) => kind === 'start').map((e) => `${e.item}.${e.attempt}`);
      const calls = result.starts.map(([, item, attempt]) => `${item}.${attempt}`);
      if (isPlain && result.outcome.status === 'fulfilled') assert.deepEqual(starts.sort(), calls.sort());
      for (const call of calls) assert.ok(starts.includes(call), `${call} was called`);
      const last = result.progress.at(-1);
      if (result.outcome.status === 'pending' || last === undefined) return;
      assert.equal(count('settle'), last.done);
      assert.equal(count('timeout', 'attempt') + overTime(recording), last.timedOut);
    }));

  it('retry, execute and withTimeout do the same', () =>
    holds(single, RUNS / 20, async (drawn) => {
      checkWhole(await checkSame(runRetry, drawn), 1);
      checkWhole(await checkSame(runExecute, drawn), 1);
      checkWhole(await checkSame(runTimeout, { ...drawn, retry: undefined, totalTimeout: undefined }));
    }));

  it('the mailbox traffic of a run that is recorded replays in C, without a recorder: the same words', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-replay-'));
    let number = 0;
    await holds(program, 30, async (drawn) => {
      await runRecorded(runProgram, drawn);
      const file = path.join(folder, `${number++}.traffic`);
      fs.writeFileSync(file, recorded());
      const said = execFileSync(CORE_TESTS, ['--replay', file, String(ENGINE_SEED)], { encoding: 'utf8' });
      assert.match(said, /replayed [1-9]\d* operations: the same words/);
    });
    fs.rmSync(folder, { recursive: true });
  });
});

function shown({ starts, outcome, maxRunning, progress }) {
  return { starts, outcome, maxRunning, progress };
}

/** Attempts that ran when their item's time was over. */
function overTime({ events }) {
  return events.filter(
    (event, i) => event.kind === 'timeout' && event.reason === 'item' && abandons(events[i + 1], event),
  ).length;
}

function abandons(next, { lane }) {
  return next !== undefined && next.kind === 'abandon' && next.lane === lane;
}
