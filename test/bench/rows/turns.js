'use strict';

// The longest time a map keeps the event loop from turning: what timers, sockets and health checks have to wait.

const assert = require('node:assert');

const { turn } = require('../harness.js');

const limit = 16;
const increment = async (x) => x + 1;

function check(results, n) {
  assert.strictEqual(results.length, n);
  assert.strictEqual(results[n - 1], n);
}

async function longestGap(work) {
  let longest = 0;
  let last = performance.now();
  let isOver = false;
  function tick() {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) setImmediate(tick);
  }
  setImmediate(tick);
  await turn();
  longest = 0;
  await work();
  isOver = true;
  await turn();
  return longest;
}

module.exports = ({ sluice, twin, ...rivals }) => {
  const contestant = (name, needs, map) => ({
    name,
    needs,
    async sample(n) {
      const items = Array.from({ length: n }, (_, i) => i);
      globalThis.gc?.();
      return longestGap(async () => check(await map(items), n));
    },
  });
  return [
    {
      name: 'gap',
      title: 'longest gap without a loop turn, 1M trivial items',
      unit: 'ms',
      n: 1e6,
      rounds: 3,
      warmups: 0,
      targets: [{ of: 'sluice', most: 15 }],
      contestants: [
        contestant('sluice', ['sluice'], (items) => sluice.mapWithLimit(items, limit, increment)),
        contestant('twin', [], (items) => twin.mapWithLimit(items, limit, increment)),
        contestant('p-map', ['p-map'], (items) => rivals['p-map'](items, increment, { concurrency: limit })),
        contestant('async.mapLimit', ['async'], (items) => rivals.async.mapLimit(items, limit, increment)),
        contestant('p-limit', ['p-limit'], (items) => rivals['p-limit'](limit).map(items, increment)),
      ],
    },
  ];
};
