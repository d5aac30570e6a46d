'use strict';

// Many open timeouts: armed, left open for a turn of the loop (so that what is put off to its end is paid for), cancelled.

const assert = require('node:assert');
const { turn } = require('../harness.js');

const ms = 60_000;

async function timers(n) {
  const open = new Array(n);
  for (let i = 0; i < n; i++) open[i] = setTimeout(assert.fail, ms);
  await turn();
  for (let i = 0; i < n; i++) clearTimeout(open[i]);
}

async function twinDeadlines({ arm, disarm, Deadline }, n) {
  const open = new Array(n);
  for (let i = 0; i < n; i++) arm((open[i] = new Deadline()), ms);
  await turn();
  for (let i = 0; i < n; i++) disarm(open[i]);
}

/** The same in C, without a promise each: one crossing to arm, one to cancel. */
async function guards(n) {
  const { D, I, doubles, ints, operations } = require('../../../lib/engine');
  const { GUARD, RELEASE } = operations;
  const { LANE, LANE_GENERATION, FLAGS } = I;
  const [slots, generations] = [new Int32Array(n), new Int32Array(n)];
  doubles[D.TIMEOUT] = ms;
  ints[FLAGS] = 0;
  for (let i = 0; i < n; i++) {
    GUARD();
    slots[i] = ints[LANE];
    generations[i] = ints[LANE_GENERATION];
  }
  const used = require('../../../lib/engine').usage();
  await turn();
  for (let i = 0; i < n; i++) {
    ints[LANE] = slots[i];
    ints[LANE_GENERATION] = generations[i];
    RELEASE();
  }
  return { bytes: used.memory / used.lanes };
}

async function race(promise, ms) {
  let timer;
  try {
    const expiry = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('timed out')), ms);
    });
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

async function openPromises(withTimeout, n, whileOpen) {
  const resolvers = new Array(n);
  const results = new Array(n);
  for (let i = 0; i < n; i++) {
    const promise = new Promise((resolve) => (resolvers[i] = resolve));
    results[i] = withTimeout(promise, ms);
  }
  await turn();
  whileOpen?.();
  for (let i = 0; i < n; i++) resolvers[i](i);
  return Promise.all(results);
}

function check(results, n) {
  assert.strictEqual(results.length, n);
  results.forEach((value, i) => assert.strictEqual(value, i));
}

function memoryOf(work) {
  return async (n) => {
    const used = () => (globalThis.gc?.(), process.memoryUsage.rss());
    const before = used();
    let after;
    await work(n, () => (after = used()));
    return (after - before) / n;
  };
}

module.exports = ({ sluice, twin, ...rivals }) => {
  const native = sluice && guards;
  const wrappers = [
    ['hand-written race', [], race],
    ['twin', [], twin.withTimeout],
    ['sluice', ['sluice'], (promise, ms) => sluice.withTimeout(promise, ms)],
    ['p-timeout', ['p-timeout'], (promise, milliseconds) => rivals['p-timeout'](promise, { milliseconds })],
  ];
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
      contestants: [
        { name: 'setTimeout + clearTimeout', run: timers },
        { name: 'twin deadlines', run: (n) => twinDeadlines(twin, n) },
        { name: 'sluice in C', run: native, missing: native ? undefined : 'no internal hook' },
      ],
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
      name: 'open-bytes',
      title: 'resident bytes per open timeout, promise and all',
      unit: 'bytes',
      n: 2e5,
      rounds: 1,
      warmups: 0,
      alone: true,
      contestants: [
        ...[['pending promise alone', [], (promise) => promise], ...wrappers].map(([name, needs, withTimeout]) => ({
          name,
          needs,
          sample: memoryOf((n, whileOpen) => openPromises(withTimeout, n, whileOpen)),
        })),
      ],
    },
  ];
};
