'use strict';

// Size: 10k to 10M items, per item, and resident memory while 10M items come from a generator and are dropped.

const assert = require('node:assert');
const { Readable } = require('node:stream');
const { bare, upTo } = require('../by-hand.js');

const limit = 16;
const increment = async (x) => x + 1;

// size, name, and how often a sample goes through it
const sizes = [
  [1e4, '10k', 100],
  [1e5, '100k', 20],
  [1e6, '1M', 2],
  [1e7, '10M', 1],
];

function lengths({ sluice, twin, ...rivals }) {
  const check = (result, n) => assert.strictEqual(result[n - 1], n);
  const pMap = (items) => rivals['p-map'](items, increment, { concurrency: limit });
  const contestants = [
    ['sluice', ['sluice'], (items) => sluice.mapWithLimit(items, limit, increment)],
    ['twin', [], (items) => twin.mapWithLimit(items, limit, increment)],
    ['bare await loop', [], (items) => bare(items, increment)],
    ['p-map', ['p-map'], pMap, 1e6],
  ].flatMap(([name, needs, map, most = Infinity]) =>
    sizes
      .filter(([n]) => n <= most)
      .map(([n, size, reps]) => ({
        name: `${name}, ${size}`,
        needs,
        check,
        n,
        reps: most < Infinity ? Math.ceil(reps / 4) : reps,
        run: (n) => map(upTo(n)),
      })),
  );
  return {
    name: 'scale',
    title: 'mapWithLimit, 10k to 10M items, limit 16, per item',
    unit: 'ns',
    rounds: 3,
    anchor: 'bare await loop, 100k',
    note: 'p-map up to 1M',
    targets: [{ of: 'sluice, 10M', against: 'sluice, 100k', most: 1.15 }],
    contestants,
  };
}

// Resident memory at the last item less that at a tenth, in MB. Both are read by the source itself, after a collection.
async function growth(n, consume) {
  const seen = [];
  function* source() {
    for (let i = 1; i <= n; i++) {
      if (i === n / 10 || i === n) {
        globalThis.gc?.();
        seen.push(process.memoryUsage.rss());
      }
      yield i;
    }
  }
  await consume(source());
  assert.strictEqual(seen.length, 2);
  return (seen[1] - seen[0]) / 1e6;
}

function memory({ sluice, twin, ...rivals }) {
  const contestant = (name, needs, consume, n) => ({ name, needs, n, sample: (n) => growth(n, consume) });
  return {
    name: 'memory',
    title: '10M items from a generator, results discarded: growth of resident memory from item 1M to 10M',
    unit: 'MB',
    n: 1e7,
    rounds: 1,
    warmups: 0,
    least: 1000,
    alone: true,
    note: 'p-map and async.eachLimit in their own idiom; stream.forEach of Node at 1M',
    targets: [{ of: 'sluice', most: 10 }],
    contestants: [
      contestant('sluice', ['sluice'], (source) => sluice.mapWithLimit(source, limit, increment, { discard: true })),
      contestant('twin', [], (source) => twin.mapWithLimit(source, limit, increment, { discard: true })),
      contestant('async.eachLimit', ['async'], (source) => rivals.async.eachLimit(source, limit, increment)),
      contestant('p-map', ['p-map'], (source) => rivals['p-map'](source, increment, { concurrency: limit })),
      contestant(
        'stream.forEach of Node',
        [],
        (source) => Readable.from(source).forEach(increment, { concurrency: limit }),
        1e6,
      ),
    ],
  };
}

module.exports = (rivals) => [lengths(rivals), memory(rivals)];
