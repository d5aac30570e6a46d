'use strict';

// Many open items: what a map holds for each attempt that is under way, the mapper's own pending promise included.

const assert = require('node:assert');
const { turn } = require('../harness.js');
const { upTo } = require('../by-hand.js');
const { heldBy } = require('../held.js');

const ms = 60_000;
const retries = 2;

function check(results, n) {
  assert.strictEqual(results.length, n);
  results.forEach((value, i) => assert.strictEqual(value, i));
}

/** Opens n items, lets a turn of the loop pass, and settles them. */
const openItems = (map) => async (n, look) => {
  const items = upTo(n);
  const resolvers = new Array(n).fill(null);
  let open = 0;
  const mapper = (i) =>
    new Promise((resolve) => {
      resolvers[i] = resolve;
      open++;
    });
  look();
  const results = map(items, mapper);
  while (open < n) await turn();
  await turn();
  look();
  resolvers.forEach((resolve, i) => resolve(i));
  check(await results, n);
};

module.exports = ({ sluice, twin, ...rivals }) => {
  const policy = () => ({ timeout: ms, retry: retries, signal: new AbortController().signal, onProgress() {} });
  const contestant = (name, needs, map) => ({ name, needs, sample: heldBy(openItems(map)) });
  return [
    {
      name: 'item-bytes',
      title: 'bytes per open item, 100k of them',
      unit: 'bytes',
      n: 1e5,
      rounds: 1,
      warmups: 0,
      least: 10_000,
      alone: true,
      anchor: 'Promise.all',
      note: 'heap of JavaScript and memory of C; the net: timeout, retry, signal, progress',
      also: [{ name: 'item-resident', title: 'the same, resident in memory', note: undefined }],
      contestants: [
        contestant('Promise.all', [], (items, mapper) => Promise.all(items.map(mapper))),
        contestant('sluice', ['sluice'], (items, mapper) => sluice.mapWithLimit(items, Infinity, mapper)),
        contestant('twin', [], (items, mapper) => twin.mapWithLimit(items, Infinity, mapper)),
        contestant('p-map', ['p-map'], (items, mapper) => rivals['p-map'](items, mapper)),
        contestant('p-limit', ['p-limit'], (items, mapper) => rivals['p-limit'](Infinity).map(items, mapper)),
        contestant('sluice, with net', ['sluice'], (items, mapper) =>
          sluice.mapWithLimit(items, Infinity, mapper, policy()),
        ),
        contestant('twin, with net', [], (items, mapper) => twin.mapWithLimit(items, Infinity, mapper, policy())),
        contestant('p-map + p-retry + p-timeout', ['p-map', 'p-retry', 'p-timeout'], (items, mapper) => {
          const [pMap, pRetry, pTimeout] = [rivals['p-map'], rivals['p-retry'], rivals['p-timeout']];
          const each = (item) => pRetry(() => pTimeout(mapper(item), { milliseconds: ms }), { retries });
          return pMap(items, each);
        }),
      ],
    },
  ];
};
