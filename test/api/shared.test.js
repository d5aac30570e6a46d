'use strict';

// One limit for several calls: a Semaphore in place of a number, a RateLimiter in place of a rate.

const assert = require('node:assert/strict');

const fc = require('fast-check');

const { RateLimiter, Semaphore, consume, mapSettled, mapStream, mapWithLimit, stop } = require('../..');
const { SEED } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { rejection } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const SOURCES = {
  array: (items) => items,
  iterator: (items) => items.values(),
  'async iterator': async function* asyncIterator(items) {
    yield* items;
  },
};
const CALLS = {
  mapWithLimit: (items, semaphore, mapper, options) => mapWithLimit(items, semaphore, mapper, options),
  mapSettled: (items, semaphore, mapper, options) => mapSettled(items, semaphore, mapper, options),
  consume: (items, workers, mapper, options) => consume(items, mapper, { ...options, workers }),
  async mapStream(items, semaphore, mapper, options) {
    const results = [];
    for await (const value of mapStream(items, semaphore, mapper, options)) results.push(value);
    return results;
  },
};

describe('shared limits', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  /** Mappers that take `ms`, and who counts them. */
  function counting(ms = 5) {
    const count = { running: 0, most: 0, log: [] };
    count.mapper = (name) => async (item) => {
      count.most = Math.max(count.most, ++count.running);
      count.log.push(name);
      await clock.sleep(ms);
      count.running--;
      return item;
    };
    return count;
  }

  for (const [source, open] of Object.entries(SOURCES)) {
    for (const [call, run] of Object.entries(CALLS)) {
      it(`${call} over an ${source}: calls that share a semaphore never run more than its permits, and use them all`, async () => {
        const semaphore = new Semaphore(3);
        const count = counting();
        const calls = ['a', 'b'].map((name) => run(open(numbers(7)), semaphore, count.mapper(name)));
        const results = await over(Promise.all(calls));
        assert.equal(count.most, 3);
        assert.equal(count.log.length, 14);
        if (call === 'mapWithLimit' || call === 'mapStream') assert.deepEqual(results, [numbers(7), numbers(7)]);
        assert.deepEqual([semaphore.available, semaphore.waiting], [3, 0]);
      });
    }
  }

  it('calls take turns: none waits until another has ended', async () => {
    const semaphore = new Semaphore(2);
    const count = counting();
    await over(Promise.all(['a', 'b', 'c'].map((name) => mapWithLimit(numbers(8), semaphore, count.mapper(name)))));
    for (const name of ['a', 'b', 'c']) {
      const half = count.log.slice(0, 12).filter((one) => one === name).length;
      assert.ok(half >= 2, `${name} had ${half} of the first 12 starts: ${count.log.join('')}`);
    }
  });

  it('acquire() and calls stand in one line', async () => {
    const semaphore = new Semaphore(1);
    const count = counting();
    const call = mapWithLimit(numbers(3), semaphore, count.mapper('call'));
    const waiter = semaphore.acquire().then((permit) => {
      count.log.push('permit');
      assert.equal(count.running, 0);
      permit.release();
    });
    await over(Promise.all([call, waiter]));
    // The call has stood in the line for a second lane since it began, so the waiter is behind that.
    assert.deepEqual(count.log, ['call', 'call', 'permit', 'call']);
  });

  it('an item keeps its permit through its retries and the waits between them', async () => {
    const semaphore = new Semaphore(1);
    const log = [];
    const failing = mapWithLimit(
      ['x'],
      semaphore,
      (_item, _index, { attempt }) => {
        log.push(`attempt ${attempt}`);
        if (attempt < 3) throw new Error('again');
      },
      { retry: { retries: 2, delay: 10, jitter: 'none' } },
    );
    const other = mapWithLimit(['y'], semaphore, () => void log.push('other'));
    await over(Promise.all([failing, other]));
    assert.deepEqual(log, ['attempt 1', 'attempt 2', 'attempt 3', 'other']);
  });

  it('a source that is empty is known to be empty without a permit', async () => {
    const semaphore = new Semaphore(1);
    const permit = semaphore.tryAcquire();
    assert.deepEqual(await over(mapWithLimit([], semaphore, assert.fail)), []);
    assert.deepEqual(await over(mapWithLimit([].values(), semaphore, assert.fail)), []);
    assert.deepEqual(await over(mapWithLimit(SOURCES['async iterator']([]), semaphore, assert.fail)), []);
    permit.release();
  });

  const ENDINGS = {
    'a failure': [(item) => (item === 2 ? Promise.reject(new Error('no')) : clock.sleep(5)), {}],
    'a failure, drained': [(item) => (item === 2 ? Promise.reject(new Error('no')) : clock.sleep(5)), { drain: true }],
    'the total timeout': [() => clock.sleep(50), { totalTimeout: 12 }],
    'attempts that time out': [() => clock.sleep(50), { timeout: 3, stopOnError: false }],
    stop: [(item) => (item === 2 ? stop : clock.sleep(5)), {}],
    'items that time out between attempts': [
      () => Promise.reject(new Error('no')),
      { itemTimeout: 5, retry: { retries: 9, delay: 2, jitter: 'none' }, stopOnError: false },
    ],
  };
  for (const [name, [mapper, options]] of Object.entries(ENDINGS)) {
    it(`permits are given back after ${name}, to whoever waits`, async () => {
      const semaphore = new Semaphore(2);
      const ended = mapWithLimit(numbers(6), semaphore, mapper, options).catch(() => {});
      const other = mapWithLimit(numbers(4), semaphore, (item) => clock.sleep(1).then(() => item));
      assert.deepEqual(await over(other), numbers(4));
      await over(ended);
      await clock.advance(100);
      assert.deepEqual([semaphore.available, semaphore.waiting], [2, 0]);
    });
  }

  it('an abort frees the place of a call for the next in the same turn', async () => {
    const semaphore = new Semaphore(1);
    const controller = new AbortController();
    const first = mapWithLimit([1], semaphore, () => new Promise(() => {}), { signal: controller.signal });
    let hasStarted = false;
    const second = mapWithLimit([2], semaphore, () => void (hasStarted = true));
    await clock.settleInstant();
    assert.equal(hasStarted, false);
    controller.abort(new Error('enough'));
    for (let i = 0; i < 20 && !hasStarted; i++) await undefined;
    assert.equal(hasStarted, true, 'without a turn of the loop');
    assert.match((await rejection(first)).message, /enough/);
    await over(second);
  });

  it('resize() while calls run: up lets more in at once, down takes effect between items', async () => {
    const semaphore = new Semaphore(1);
    const count = counting(10);
    const call = mapWithLimit(numbers(12), semaphore, count.mapper('x'));
    await clock.advance(5);
    assert.equal(count.running, 1);
    semaphore.resize(4);
    await clock.settleInstant();
    assert.equal(count.running, 4);
    semaphore.resize(2);
    await clock.advance(12);
    assert.equal(count.running, 2);
    assert.deepEqual(await over(call), numbers(12));
  });

  it('close() ends the calls that use it: ERR_SLUICE_CLOSED, and no call begins on it', async () => {
    const semaphore = new Semaphore(1);
    const limiter = new RateLimiter(1);
    const calls = [
      mapWithLimit(numbers(3), semaphore, () => clock.sleep(5)),
      mapSettled(numbers(3), 1, () => clock.sleep(5), { rate: limiter }),
    ];
    await clock.settleInstant();
    semaphore.close();
    limiter.close();
    for (const call of calls) assert.equal((await rejection(over(call))).code, 'ERR_SLUICE_CLOSED');
    assert.equal((await rejection(mapWithLimit([1], semaphore, assert.fail))).code, 'ERR_SLUICE_CLOSED');
    assert.equal((await rejection(mapWithLimit([1], 1, assert.fail, { rate: limiter }))).code, 'ERR_SLUICE_CLOSED');
    await clock.advance(10);
  });

  it('each mapper runs in the context of its own call, whoever gave the permit back', async () => {
    const storage = new AsyncLocalStorage();
    const semaphore = new Semaphore(1);
    const seen = [];
    const call = (name) =>
      storage.run(name, () =>
        mapWithLimit([1, 2], semaphore, async () => {
          seen.push([name, storage.getStore()]);
          await clock.sleep(1);
        }),
      );
    await over(Promise.all(['a', 'b', 'c'].map(call)));
    assert.equal(seen.length, 6);
    for (const [name, store] of seen) assert.equal(store, name);
  });

  it(`a limiter shared by calls and acquire(): never more starts than burst + max * t / per in any window (seed ${SEED})`, async () => {
    const property = fc.asyncProperty(
      fc.record({ max: fc.integer({ min: 1, max: 50 }), burst: fc.integer({ min: 1, max: 6 }) }),
      fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 5 }),
      async ({ max, burst }, arrivals) => {
        clock.reset();
        const limiter = new RateLimiter({ max, per: 100, burst });
        const starts = [];
        const start = () => void starts.push(clock.now);
        const calls = arrivals.map(async ([at, count], i) => {
          await clock.sleep(at);
          if (i % 2 === 0) await mapWithLimit(numbers(count), 3, start, { rate: limiter });
          else for (let k = 0; k < count; k++) start(await limiter.acquire());
        });
        await over(Promise.all(calls));
        assert.equal(
          starts.length,
          arrivals.reduce((sum, [, count]) => sum + count, 0),
        );
        for (let from = 0; from < starts.length; from++) {
          for (let to = from; to < starts.length; to++) {
            const allowed = burst + (max * (starts[to] - starts[from])) / 100;
            assert.ok(
              to - from + 1 <= allowed + 1e-6,
              `${to - from + 1} starts within ${starts[to] - starts[from]} ms`,
            );
          }
        }
      },
    );
    await fc.assert(property, { numRuns: 200, seed: SEED });
  });

  it('penalize() from inside a mapper holds up all calls that share the limiter', async () => {
    const limiter = new RateLimiter({ max: 1000, per: 1000, burst: 1 });
    const starts = [];
    const call = (name) =>
      mapWithLimit(
        numbers(3),
        1,
        (item) => {
          starts.push(clock.now);
          if (name === 'a' && item === 0) limiter.penalize(100);
        },
        { rate: limiter },
      );
    await over(Promise.all([call('a'), call('b')]));
    assert.deepEqual(starts.slice(0, 2), [0, 100]);
    assert.ok(starts.slice(2).every((at) => at > 100));
  });
});
