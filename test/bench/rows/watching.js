'use strict';

// What it costs to be looked at, by the recorder and by the watchdog. In processor time, which neighbours on the
// machine disturb less; that of the thread that watches is in it.

const assert = require('node:assert');
const { upTo } = require('../by-hand.js');

const limit = 16;
const pairs = 5; // in a sample, for a difference
const increment = async (x) => x + 1;
const itself = (value) => value;

function processorTime() {
  const { user, system } = process.cpuUsage();
  return 1000 * (user + system);
}

/** Until nothing else takes time: the thread that takes stacks has started, or ended. */
async function idle() {
  for (;;) {
    const before = processorTime();
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (processorTime() - before < 2e6) return;
  }
}

function check(results, n) {
  assert.strictEqual(results.length, n);
  assert.strictEqual(results[n - 1], n);
}

/** Nanoseconds for each event that `work(n)` has decided. */
async function costOfAnEvent({ recorder }, work, n) {
  const timed = async (isRecorded) => {
    if (isRecorded) recorder.start();
    globalThis.gc?.();
    const began = processorTime();
    await work(n);
    const took = processorTime() - began;
    if (!isRecorded) return { took };
    recorder.stop();
    const { events, lost } = recorder.snapshot();
    return { took, count: events.length + lost };
  };
  const differences = [];
  for (let i = 0; i < pairs; i++) {
    const [one, other] = [await timed(i % 2 === 0), await timed(i % 2 !== 0)];
    const [on, off] = i % 2 === 0 ? [one, other] : [other, one];
    assert.ok(on.count >= n);
    differences.push((on.took - off.took) / on.count);
  }
  return differences.sort((one, other) => one - other)[pairs >> 1];
}

function recorded({ sluice }) {
  const policy = { timeout: 10_000, retry: 2 };
  const works = {
    mapWithLimit: (n) => sluice.mapWithLimit(upTo(n), limit, increment),
    'mapWithLimit, plain values': (n) => sluice.mapWithLimit(upTo(n), limit, itself),
    'mapWithLimit, timeout and retry': (n) => sluice.mapWithLimit(upTo(n), limit, increment, policy),
  };
  return {
    name: 'recorder',
    title: 'the flight recorder: an event that is recorded',
    unit: 'ns',
    n: 3e5,
    rounds: 9,
    note: `processor time with it less that without it, of ${pairs} pairs in turns; the start and the end of each item are events`,
    targets: [{ of: 'mapWithLimit', most: 15 }],
    contestants: Object.entries(works).map(([name, work]) => ({
      name,
      needs: ['sluice.recorder'],
      sample: (n) => costOfAnEvent(sluice, work, n),
    })),
  };
}

function watched({ sluice }) {
  const contestant = (name, start) => {
    let stop;
    return {
      name,
      needs: ['sluice.watchLoop'],
      check,
      async prepare() {
        stop = start();
        await idle();
      },
      async run(n) {
        const results = await sluice.mapWithLimit(upTo(n), limit, increment);
        stop();
        return results;
      },
    };
  };
  return {
    name: 'watched',
    title: 'mapWithLimit, 1M trivial async items, while it is looked at',
    unit: 'ns',
    n: 1e6,
    rounds: 15,
    clock: processorTime,
    anchor: 'by nobody',
    note: 'processor time, of all threads',
    targets: [{ of: 'watchLoop()', against: 'by nobody', most: 1.01 }],
    contestants: [
      contestant('by nobody', () => () => {}),
      contestant('watchLoop()', () => {
        const watch = sluice.watchLoop({ log: false });
        return () => watch.stop();
      }),
      contestant('recorder', () => {
        sluice.recorder.start();
        return () => sluice.recorder.stop();
      }),
    ],
  };
}

module.exports = (rivals) => [recorded(rivals), watched(rivals)];
