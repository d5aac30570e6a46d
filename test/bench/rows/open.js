'use strict';

// Many open timeouts: armed, left open for a turn of the loop (so that what is put off to its end is paid for), cancelled.

const assert = require('node:assert');
const { turn } = require('../harness.js');
const { race } = require('../by-hand.js');
const { heldBy } = require('../held.js');

const ms = 60_000;

// `look`, here and below, is for memory: called before anything is open, and when all are.

async function timers(n, look) {
  const open = new Array(n).fill(null);
  look?.();
  for (let i = 0; i < n; i++) open[i] = setTimeout(assert.fail, ms);
  await turn();
  look?.();
  for (let i = 0; i < n; i++) clearTimeout(open[i]);
}

async function twinDeadlines({ arm, disarm, Deadline }, n, look) {
  const open = new Array(n).fill(null);
  look?.();
  for (let i = 0; i < n; i++) arm((open[i] = new Deadline()), ms);
  await turn();
  look?.();
  for (let i = 0; i < n; i++) disarm(open[i]);
}

/** The same in C, without a promise each: one crossing to arm, one to cancel. */
async function guards(n, look) {
  const { D, I, doubles, ints, operations } = require('../../../lib/engine');
  const { GUARD, RELEASE } = operations;
  const { LANE, LANE_GENERATION, FLAGS } = I;
  const [slots, generations] = [new Int32Array(n), new Int32Array(n)];
  look?.();
  doubles[D.TIMEOUT] = ms;
  ints[FLAGS] = 0;
  for (let i = 0; i < n; i++) {
    GUARD();
    slots[i] = ints[LANE];
    generations[i] = ints[LANE_GENERATION];
  }
  await turn();
  look?.();
  for (let i = 0; i < n; i++) {
    ints[LANE] = slots[i];
    ints[LANE_GENERATION] = generations[i];
    RELEASE();
  }
}

async function openPromises(withTimeout, n, look) {
  const resolvers = new Array(n).fill(null);
  const results = new Array(n).fill(null);
  look?.();
  for (let i = 0; i < n; i++) {
    const promise = new Promise((resolve) => (resolvers[i] = resolve));
    results[i] = withTimeout(promise, ms);
  }
  await turn();
  look?.();
  for (let i = 0; i < n; i++) resolvers[i](i);
  return Promise.all(results);
}

function check(results, n) {
  assert.strictEqual(results.length, n);
  results.forEach((value, i) => assert.strictEqual(value, i));
}

module.exports = ({ sluice, twin, ...rivals }) => {
  const deadlines = [
    { name: 'setTimeout + clearTimeout', run: timers },
    { name: 'twin deadlines', run: (n, look) => twinDeadlines(twin, n, look) },
    { name: 'sluice in C', needs: ['sluice'], run: guards },
  ];
  const wrappers = [
    ['hand-written race', [], race],
    ['twin', [], twin.withTimeout],
    ['sluice', ['sluice'], (promise, ms) => sluice.withTimeout(promise, ms)],
    ['p-timeout', ['p-timeout'], (promise, milliseconds) => rivals['p-timeout'](promise, { milliseconds })],
  ];
  const bytes = { unit: 'bytes', rounds: 1, warmups: 0, least: 10_000, alone: true };
  return [
    {
      name: 'open',
      title: 'one million open timeouts: arm, one turn, cancel',
      unit: 'ns',
      n: 1e6,
      rounds: 5,
      anchor: 'setTimeout + clearTimeout',
      note: 'deadlines alone, no promise',
      targets: [{ of: 'sluice in C', against: 'setTimeout + clearTimeout', most: 0.25 }],
      contestants: deadlines,
    },
    {
      name: 'open-promises',
      title: 'open withTimeout calls: call, one turn, settle',
      unit: 'ns',
      n: 1e5,
      rounds: 7,
      anchor: 'hand-written race',
      note: 'the making and settling of the pending promise included',
      contestants: wrappers.map(([name, needs, withTimeout]) => ({
        name,
        needs,
        check,
        run: (n) => openPromises(withTimeout, n),
      })),
    },
    {
      ...bytes,
      name: 'deadline-bytes',
      title: 'bytes per open timeout, the deadline alone',
      n: 1e6,
      anchor: 'setTimeout + clearTimeout',
      note: 'heap of JavaScript and memory of C, which is taken in chunks: the target of 64 leaves one for the last',
      targets: [{ of: 'sluice in C', most: 65 }],
      contestants: deadlines.map(({ run, ...contestant }) => ({ ...contestant, sample: heldBy(run) })),
    },
    {
      ...bytes,
      name: 'open-bytes',
      title: 'bytes per open timeout, promise and all',
      n: 2e5,
      anchor: 'hand-written race',
      note: 'heap of JavaScript and memory of C',
      also: [{ name: 'open-resident', title: 'the same, resident in memory', note: undefined }],
      contestants: [
        ...[['pending promise alone', [], (promise) => promise], ...wrappers].map(([name, needs, withTimeout]) => ({
          name,
          needs,
          sample: heldBy((n, look) => openPromises(withTimeout, n, look)),
        })),
      ],
    },
  ];
};
