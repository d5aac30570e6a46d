'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');

const ROOT = path.join(__dirname, '../..');

/** Runs a script in a process with a collector to call, and returns what it prints as JSON. */
function runWithGc(script) {
  const prelude = `
    const { mapWithLimit, retry, withTimeout, allSettled, sleep } = require('.');
    const { usage, lanes, jobs } = require('./lib/engine');
    const { getEventListeners } = require('node:events');
    const never = () => new Promise(() => {});
    const collect = async () => { for (let i = 0; i < 5; i++) { await new Promise(setImmediate); gc(); } };
    const open = () => ({ jobs: usage().jobs, lanes: usage().lanes, listed: [...lanes, ...jobs].filter(Boolean).length });
    const print = (value) => console.log(JSON.stringify(value));
    const isCollected = (ref) => ref.deref() === undefined;`;
  const args = ['--expose-gc', '-e', `${prelude}\n(async () => {${script}})();`];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' }));
}

const NOTHING = { jobs: 0, lanes: 0, listed: 0 };

describe('memory', () => {
  it('the results of a call are collectable while an abandoned attempt of it never settles', () => {
    const said = runWithGc(`
      const hung = [];
      async function call() {
        const results = await mapWithLimit([1, 2], 1, (item, _index, { attempt }) => {
          if (item === 1 && attempt === 1) return new Promise((resolve) => hung.push(resolve));
          return { big: item };
        }, { timeout: 5, retry: { retries: 1, delay: 0 } });
        return [new WeakRef(results), new WeakRef(results[0]), new WeakRef(results[1])];
      }
      const refs = await call();
      await collect();
      print({ hung: hung.length, collected: refs.map(isCollected), ...open() });`);
    assert.deepEqual(said, { hung: 1, collected: [true, true, true], ...NOTHING });
  });

  it('the items and results of a call that failed are collectable while its other attempts never settle', () => {
    const said = runWithGc(`
      const hung = [];
      async function call() {
        const items = [{ item: 1 }, { item: 2 }];
        const refs = [new WeakRef(items), new WeakRef(items[0])];
        await mapWithLimit(items, 2, (_item, index) => {
          if (index === 0) return new Promise((resolve) => hung.push(resolve));
          return Promise.reject(new Error('first'));
        }).catch(() => {});
        return refs;
      }
      const refs = await call();
      await collect();
      print({ hung: hung.length, collected: refs.map(isCollected), ...open() });`);
    assert.deepEqual(said, { hung: 1, collected: [true, true], ...NOTHING });
  });

  it('what withTimeout resolved with, or timed out on, is not kept by a promise that never settles', () => {
    const said = runWithGc(`
      const hung = new Promise((resolve) => (globalThis.keep = resolve));
      async function call() {
        const value = await withTimeout(hung, { timeout: 1, fallback: () => ({ big: 1 }) });
        return new WeakRef(value);
      }
      const ref = await call();
      await collect();
      print({ collected: isCollected(ref), ...open() });`);
    assert.deepEqual(said, { collected: true, ...NOTHING });
  });

  it('10,000 calls of each kind on one signal leave no listener and no warning', () => {
    const said = runWithGc(`
      let warnings = 0;
      process.on('warning', () => warnings++);
      const { signal } = new AbortController();
      const most = [];
      const calls = [];
      for (let i = 0; i < 10_000; i++) {
        calls.push(mapWithLimit([1], 1, async () => {}, { signal }), retry(async () => {}, { signal }),
          withTimeout(async () => {}, { timeout: 1000, signal }), allSettled([sleep(1)], { signal }));
        if (i % 1000 === 0) most.push(getEventListeners(signal, 'abort').length);
      }
      await Promise.all(calls);
      print({ warnings, most: Math.max(...most), left: getEventListeners(signal, 'abort').length, ...open() });`);
    assert.deepEqual(said, { warnings: 0, most: 1, left: 0, ...NOTHING });
  });

  it('aborting 10,000 calls at once settles them all, and leaves nothing', () => {
    const said = runWithGc(`
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [];
      for (let i = 0; i < 2500; i++) {
        calls.push(mapWithLimit([1], 1, never, { signal }), retry(never, { signal }), sleep(1e6, { signal }),
          withTimeout(never, { timeout: 1e6, signal }));
      }
      controller.abort(new Error('over'));
      const outcomes = await Promise.allSettled(calls);
      const over = outcomes.filter(({ reason }) => reason?.message === 'over').length;
      print({ over, left: getEventListeners(signal, 'abort').length, ...open() });`);
    assert.deepEqual(said, { over: 10_000, left: 0, ...NOTHING });
  });

  it('a guard that comes from the pool never hears of its last user’s promise', () => {
    const said = runWithGc(`
      let settleLate;
      const late = new Promise((resolve) => (settleLate = resolve));
      await withTimeout(late, 1).catch(() => {});
      const next = withTimeout(new Promise((resolve) => setTimeout(resolve, 20, 'its own')), 1000);
      settleLate('the last one’s');
      const value = await next;
      await collect();
      print({ value, ...open() });`);
    assert.deepEqual(said, { value: 'its own', ...NOTHING });
  });

  it('three million items from a generator, their values discarded: memory stays flat', () => {
    const said = runWithGc(`
      function* source() {
        for (let i = 0; i < 3e6; i++) {
          if (i === 1e6) { gc(); base = process.memoryUsage().rss; }
          yield i;
        }
      }
      let base;
      const count = await mapWithLimit(source(), 16, async (item) => item, { discard: true });
      gc();
      print({ count, grownBy: (process.memoryUsage().rss - base) / 2 ** 20 < 20 ? 'little' : 'much' });`);
    assert.deepEqual(said, { count: 3e6, grownBy: 'little' });
  }).timeout(60_000);
});
