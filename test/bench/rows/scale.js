'use strict';

// Size: 10M items against 100k per item, and resident memory while 10M items come from a generator and are dropped.

const assert = require('node:assert');
const { Readable } = require('node:stream');

const limit = 16;
const increment = async (x) => x + 1;

function lengths({ sluice, twin }) {
  const items = new Map();
  const upTo = (n) =>
    items.get(n) ??
    items
      .set(
        n,
        Array.from({ length: n }, (_, i) => i),
      )
      .get(n);
  const check = (result, n) => assert.strictEqual(result[n - 1], n);
  const bare = async (items) => {
    const results = [];
    for (let i = 0; i < items.length; i++) results.push(await increment(items[i], i));
    return results;
  };
  const contestants = [
    ['sluice', ['sluice'], (items) => sluice.mapWithLimit(items, limit, increment)],
    ['twin', [], (items) => twin.mapWithLimit(items, limit, increment)],
    ['bare await loop', [], bare],
  ].flatMap(([name, needs, map]) => [
    { name: `${name}, 100k`, needs, check, n: 1e5, reps: 20, run: (n) => map(upTo(n)) },
    { name: `${name}, 10M`, needs, check, n: 1e7, run: (n) => map(upTo(n)) },
  ]);
  return {
    name: 'scale',
    title: 'mapWithLimit, 10M items against 100k, per item',
    unit: 'ns',
    rounds: 3,
    anchor: 'bare await loop, 100k',
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
