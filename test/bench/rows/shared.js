'use strict';

// mapWithLimit under limits that calls share, beside the limit of its own.

const assert = require('node:assert');
const { upTo } = require('../by-hand.js');

const limit = 16;
const calls = 4;
const plenty = 1e9;
const increment = async (x) => x + 1;

const halves = new Map();
/** upTo(n) in `calls` parts, the same arrays each time. */
function parts(n) {
  if (!halves.has(n)) {
    const size = Math.ceil(n / calls);
    halves.set(
      n,
      Array.from({ length: calls }, (_, i) => upTo(n).slice(i * size, (i + 1) * size)),
    );
  }
  return halves.get(n);
}

module.exports = ({ sluice, ...rivals }) => {
  const contestant = (name, needs, map, n) => ({
    name,
    needs,
    n,
    check(results, n) {
      const all = results.flat();
      assert.strictEqual(all.length, n);
      all.forEach((value, i) => assert.strictEqual(value, i + 1));
    },
    run: (n) => map(n),
  });
  return [
    {
      name: 'shared',
      title: 'mapWithLimit under limits that calls share, trivial async mapper, per item',
      unit: 'ns',
      n: 3e5,
      rounds: 7,
      anchor: 'sluice, limit 16',
      note: `the rate is never reached; ${calls} calls: each has its part of the items`,
      contestants: [
        contestant('sluice, limit 16', ['sluice'], (n) => sluice.mapWithLimit(upTo(n), limit, increment)),
        contestant('sluice, Semaphore(16)', ['sluice.Semaphore'], (n) =>
          sluice.mapWithLimit(upTo(n), new sluice.Semaphore(limit), increment),
        ),
        contestant(`sluice, Semaphore(16), ${calls} calls`, ['sluice.Semaphore'], (n) => {
          const semaphore = new sluice.Semaphore(limit);
          return Promise.all(parts(n).map((items) => sluice.mapWithLimit(items, semaphore, increment)));
        }),
        contestant('sluice, rate of its own', ['sluice'], (n) =>
          sluice.mapWithLimit(upTo(n), limit, increment, { rate: { max: plenty, burst: plenty } }),
        ),
        contestant('sluice, RateLimiter', ['sluice.RateLimiter'], (n) => {
          const rate = new sluice.RateLimiter({ max: plenty, burst: plenty });
          return sluice.mapWithLimit(upTo(n), limit, increment, { rate });
        }),
        contestant(`sluice, RateLimiter, ${calls} calls`, ['sluice.RateLimiter'], (n) => {
          const rate = new sluice.RateLimiter({ max: plenty, burst: plenty });
          return Promise.all(parts(n).map((items) => sluice.mapWithLimit(items, limit, increment, { rate })));
        }),
        contestant(
          `p-limit, ${calls} calls`,
          ['p-limit'],
          (n) => {
            const shared = rivals['p-limit'](limit);
            return Promise.all(parts(n).map((items) => shared.map(items, increment)));
          },
          1e5,
        ),
      ],
    },
  ];
};
