'use strict';

// allSettled beside the built-in: promises that have settled when it is called, and promises that settle later.

const assert = require('node:assert');

function check(results, n) {
  assert.strictEqual(results.length, n);
  for (let i = 0; i < n; i++) assert.deepStrictEqual(results[i], { status: 'fulfilled', value: i });
}

const settled = (n) => Array.from({ length: n }, (_, i) => Promise.resolve(i));

function pending(n) {
  const resolvers = [];
  const promises = Array.from({ length: n }, () => new Promise((resolve) => resolvers.push(resolve)));
  return { promises, settle: () => resolvers.forEach((resolve, i) => resolve(i)) };
}

module.exports = ({ sluice, twin }) => {
  const contestants = (prepare, run) =>
    [
      ['Promise.allSettled', [], (promises) => Promise.allSettled(promises)],
      ['twin', [], (promises) => twin.allSettled(promises)],
      ['sluice', ['sluice'], (promises) => sluice.allSettled(promises)],
    ].map(([name, needs, allSettled]) => ({ name, needs, check, prepare, run: (n, input) => run(allSettled, input) }));
  const row = { unit: 'ns', n: 1e5, anchor: 'Promise.allSettled', rounds: 15 };
  return [
    {
      ...row,
      name: 'settle',
      title: 'allSettled, 100k promises',
      targets: [{ of: 'sluice', against: 'Promise.allSettled', most: 0.85 }],
      contestants: contestants(settled, (allSettled, promises) => allSettled(promises)),
    },
    {
      ...row,
      name: 'settle-later',
      title: 'allSettled, 100k promises that settle after the call',
      contestants: contestants(pending, (allSettled, { promises, settle }) => {
        const results = allSettled(promises);
        settle();
        return results;
      }),
    },
  ];
};
