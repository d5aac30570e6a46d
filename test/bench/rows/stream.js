'use strict';

// mapStream: results read by `for await`, beside the map that gives them all at once.

const assert = require('node:assert');
const { Readable } = require('node:stream');
const { upTo } = require('../by-hand.js');

const limit = 16;
const increment = async (x) => x + 1;

module.exports = ({ sluice, twin }) => {
  const contestant = (name, needs, run, n) => ({
    name,
    needs,
    n,
    check: (sum, n) => assert.strictEqual(sum, (n * (n + 1)) / 2),
    run,
    prepare: () => import('p-map').catch(() => undefined),
  });
  return [
    {
      name: 'stream',
      title: 'mapStream, trivial async mapper, limit 16, read by for await',
      unit: 'ns',
      n: 3e5,
      rounds: 7,
      anchor: 'mapWithLimit of sluice',
      targets: [
        { of: 'sluice', against: 'mapWithLimit of sluice', most: 3 },
        { of: 'sluice', against: 'pMapIterable', most: 0.5 },
      ],
      contestants: [
        contestant('mapWithLimit of sluice', ['sluice'], async (n) => {
          let sum = 0;
          for (const value of await sluice.mapWithLimit(upTo(n), limit, increment)) sum += value;
          return sum;
        }),
        contestant('twin', [], async (n) => {
          let sum = 0;
          for await (const value of twin.mapStream(upTo(n), limit, increment)) sum += value;
          return sum;
        }),
        contestant('sluice', ['sluice.mapStream'], async (n) => {
          let sum = 0;
          for await (const value of sluice.mapStream(upTo(n), limit, increment)) sum += value;
          return sum;
        }),
        contestant('sluice, not ordered', ['sluice.mapStream'], async (n) => {
          let sum = 0;
          for await (const value of sluice.mapStream(upTo(n), limit, increment, { ordered: false })) sum += value;
          return sum;
        }),
        contestant(
          'pMapIterable',
          ['p-map'],
          async (n, { pMapIterable }) => {
            let sum = 0;
            for await (const value of pMapIterable(upTo(n), increment, { concurrency: limit })) sum += value;
            return sum;
          },
          1e5,
        ),
        contestant(
          'stream.map of Node',
          [],
          async (n) => {
            let sum = 0;
            for await (const value of Readable.from(upTo(n)).map(increment, { concurrency: limit })) sum += value;
            return sum;
          },
          1e5,
        ),
      ],
    },
  ];
};
