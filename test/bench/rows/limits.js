'use strict';

// Limits: one lane, a few, many. First with nothing to wait for, so that the lanes' own work shows; then with the net and
// items that take a turn of the event loop each, so that every deadline meets the clock.

const assert = require('node:assert');
const { bare, lanes, upTo } = require('../by-hand.js');

const limits = [1, 16, 1000];
const increment = async (x) => x + 1;
const later = (x) => new Promise((resolve) => setImmediate(resolve, x + 1));

function check(results, n) {
  assert.strictEqual(results.length, n);
  for (let i = 0; i < n; i++) assert.strictEqual(results[i], i + 1);
}

const atEach = (name, needs, map, n) =>
  limits.map((limit) => ({ name: `${name}, ${limit}`, needs, n, check, run: (n) => map(upTo(n), limit) }));

function trivial({ sluice, twin, ...rivals }) {
  return {
    name: 'limits',
    title: 'mapWithLimit, trivial async mapper, limits 1, 16 and 1000',
    unit: 'ns',
    n: 5e5,
    anchor: 'bare await loop',
    contestants: [
      { name: 'bare await loop', check, run: (n) => bare(upTo(n), increment) },
      ...atEach('hand-written lanes', [], (items, limit) => lanes(items, limit, increment)),
      ...atEach('twin', [], (items, limit) => twin.mapWithLimit(items, limit, increment)),
      ...atEach('sluice', ['sluice'], (items, limit) => sluice.mapWithLimit(items, limit, increment)),
      ...atEach('async.mapLimit', ['async'], (items, limit) => rivals.async.mapLimit(items, limit, increment), 2e5),
      ...atEach('p-map', ['p-map'], (items, concurrency) => rivals['p-map'](items, increment, { concurrency }), 5e4),
    ],
  };
}

function turning({ sluice, twin, ...rivals }) {
  const policy = () => ({ timeout: 5000, retry: 2, signal: new AbortController().signal, onProgress() {} });
  return {
    name: 'limits-turn',
    title: 'the same with timeout, retry, signal and progress, and the mapper settles on setImmediate',
    unit: 'ns',
    n: 1e5,
    rounds: 7,
    anchor: 'hand-written lanes, 16',
    note: 'hand-written lanes and p-map: the limit alone, no timeout, no retry, no progress',
    contestants: [
      ...atEach('hand-written lanes', [], (items, limit) => lanes(items, limit, later)),
      ...atEach('twin', [], (items, limit) => twin.mapWithLimit(items, limit, later, policy())),
      ...atEach('sluice', ['sluice'], (items, limit) => sluice.mapWithLimit(items, limit, later, policy())),
      ...atEach('p-map', ['p-map'], (items, concurrency) => rivals['p-map'](items, later, { concurrency }), 5e4),
    ],
  };
}

module.exports = (rivals) => [trivial(rivals), turning(rivals)];
