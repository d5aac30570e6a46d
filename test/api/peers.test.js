'use strict';

// What other packages of this kind get wrong, each by its name, in every way in which it could be gotten wrong here.
// (Where a file of its own says it of a function already, that is not repeated.)

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const timers = require('node:timers/promises');

const { execute, mapSettled, mapWithLimit, retry, stop } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const fail = () => Promise.reject('failed');
const LONG = 2 ** 31 + 5; // as a 32-bit number of milliseconds it would be over long ago

describe('peers: a delay over 2^31 ms is not over at once', () => {
  const given = (retry) => ({ retry: { retries: 1, ...retry } });
  const waits = {
    itemTimeout: (signal) => mapWithLimit([0], 1, never, { signal, itemTimeout: LONG }),
    'totalTimeout of mapSettled': (signal) => mapSettled([0], 1, never, { signal, totalTimeout: LONG }),
    'a wait for a token': (signal) => mapWithLimit([0, 1], 2, noop, { signal, rate: { max: 1, per: LONG } }),
    delay: (signal) =>
      mapSettled([0], 1, fail, { signal, ...given({ delay: LONG, maxDelay: Infinity, jitter: 'none' }) }),
    'a backoff function': (signal) =>
      mapWithLimit([0], 1, fail, { signal, ...given({ backoff: () => LONG, maxDelay: Infinity, jitter: 'none' }) }),
    'retryAfter, milliseconds': (signal) =>
      mapWithLimit([0], 1, fail, { signal, ...given({ retryAfter: () => LONG, maxDelay: Infinity }) }),
    'retryAfter, a Date': (signal) =>
      retry(fail, { signal, retries: 1, retryAfter: () => new Date(Date.now() + LONG), maxDelay: Infinity }),
    'timeout of execute': async (signal) => {
      throw (await execute(never, { signal, timeout: LONG })).error;
    },
  };
  for (const [name, wait] of Object.entries(waits)) {
    it(name, async () => {
      const controller = new AbortController();
      let isOver = false;
      const call = rejection(wait(controller.signal)).finally(() => (isOver = true));
      await timers.setTimeout(20);
      assert.ok(!isOver);
      controller.abort('enough');
      assert.equal(await call, 'enough');
      assertNothingLeft();
    });
  }
});

describe('peers: many calls on one AbortSignal', () => {
  it('10,000 calls that overlap touch it twice: one listener is added, one is removed', async () => {
    const { signal } = new AbortController();
    const touched = { addEventListener: 0, removeEventListener: 0 };
    for (const name of Object.keys(touched)) {
      signal[name] = function counted(...args) {
        touched[name]++;
        return AbortSignal.prototype[name].apply(this, args);
      };
    }
    const calls = [];
    for (let i = 0; i < 2500; i++) {
      calls.push(
        mapWithLimit([1], 1, () => turn(), { signal, rate: 1000 }),
        mapSettled([1], 1, () => turn(), { signal, itemTimeout: 10_000 }),
        retry(() => turn(), { signal }),
        execute(() => turn(), { signal, timeout: 10_000 }),
      );
    }
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    await Promise.all(calls);
    assert.deepEqual(touched, { addEventListener: 1, removeEventListener: 1 });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
});

describe('peers', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  describe('abort wakes whoever waits, at once', () => {
    const policy = (more) => ({ retries: 5, delay: 1e6, maxDelay: Infinity, jitter: 'none', ...more });
    const waits = {
      'a backoff in mapSettled': (signal) => mapSettled([0], 1, fail, { signal, retry: policy() }),
      'a backoff in execute': async (signal) => {
        throw (await execute(fail, { signal, ...policy() })).error;
      },
      'a backoff that a server asked for': (signal) =>
        mapWithLimit([0], 1, fail, { signal, retry: policy({ retryAfter: () => 1e6 }) }),
      'a callback that was asked about a retry': (signal) =>
        mapWithLimit([0], 1, fail, { signal, retry: policy({ retryIf: never }) }),
      onRetry: (signal) => mapSettled([0], 1, fail, { signal, retry: policy({ onRetry: never }) }),
      'a wait for a token': (signal) => mapWithLimit([0, 1], 2, noop, { signal, rate: 0.001 }),
      'a wait for an abandoned attempt': (signal) =>
        mapSettled([0, 1], 1, never, { signal, timeout: 1, maxAbandoned: 0 }),
      'a drain of nothing': (signal) => mapWithLimit([0], 1, fail, { signal, drain: true, retry: policy() }),
      "an async source's next()": (signal) =>
        mapSettled({ [Symbol.asyncIterator]: () => ({ next: never }) }, 1, noop, { signal }),
    };
    for (const [name, wait] of Object.entries(waits)) {
      it(name, async () => {
        const controller = new AbortController();
        clock.setTimeout(() => controller.abort('abort'), 7);
        assert.equal(await rejection(over(wait(controller.signal))), 'abort');
        assert.equal(clock.now, 7);
      });
    }
  });

  describe('promises handed to mapSettled are never unhandled', () => {
    const error = new Error('input');
    const endings = {
      'their turn comes late': (items) => over(mapSettled([clock.sleep(5), ...items], 1, noop)),
      'their turn never comes: a stop': (items) => mapSettled([0, ...items], 1, () => stop),
      'their turn never comes: an abort': (items) => mapSettled(items, 1, noop, { signal: AbortSignal.abort('no') }),
      'their turn never comes: no time': (items) => mapSettled(items, 1, noop, { totalTimeout: 0 }),
      'their turn never comes: no token': (items) =>
        over(mapSettled([0, ...items], 1, noop, { rate: 0.001, totalTimeout: 5 })),
      'an option is wrong': (items) => mapSettled(items, 1, noop, { rate: 0 }),
      'an option is unknown': (items) => mapSettled(items, 1, noop, { stopOnError: true }),
    };
    for (const [name, run] of Object.entries(endings)) {
      it(name, async () => {
        const reasons = await unhandledDuring(async () => {
          await run([Promise.reject(error), Promise.reject(error)]).catch(noop);
          await turn();
        });
        assert.deepEqual(reasons, []);
      });
    }
  });

  describe('late outcomes are never unhandled', () => {
    const endings = {
      'after an item timeout': (work) => mapWithLimit([0], 1, work, { itemTimeout: 2 }),
      'after the total time of mapSettled': (work) => mapSettled([0, 1], 2, work, { totalTimeout: 2 }),
      'after a timeout in a drain': (work) =>
        mapWithLimit([0, 1], 2, work, { timeout: 3, totalTimeout: 2, drain: true }),
      'after a timeout in execute': (work) => execute(work, { retries: 0, timeout: 2 }),
      'after an AggregateError': (work) => mapWithLimit([0, 1], 1, work, { timeout: 2, stopOnError: false }),
      'of a callback that was asked about a retry': (work) =>
        mapWithLimit([0], 1, fail, { totalTimeout: 2, retry: { retries: 1, retryIf: work } }),
      'of onRetry, under an item timeout': (work) =>
        mapWithLimit([0], 1, fail, { itemTimeout: 2, retry: { retries: 1, onRetry: work } }),
      'of a report': (work) => mapWithLimit([0], 1, never, { totalTimeout: 2, onProgress: work }),
    };
    for (const [name, run] of Object.entries(endings)) {
      it(name, async () => {
        const open = [];
        const work = () => (open.push(deferred()), open.at(-1).promise);
        const reasons = await unhandledDuring(async () => {
          await over(run(work).catch(noop));
          assert.ok(open.length > 0);
          for (const { reject } of open) reject(new Error('late'));
          await clock.flush();
        });
        assert.deepEqual(reasons, []);
      });
    }
  });

  describe('the source is closed once', () => {
    const endings = {
      'mapSettled, on its total time': (items) => mapSettled(items, 2, never, { totalTimeout: 3 }),
      'mapSettled, on an abort': (items, signal) => mapSettled(items, 2, never, { signal }),
      'an item timeout': (items) => mapWithLimit(items, 2, never, { itemTimeout: 3 }),
      'a failure and a drain': (items) =>
        mapWithLimit(items, 2, (item) => clock.sleep(item).then(fail), { drain: true }),
      'an abort and a drain': (items, signal) => mapWithLimit(items, 2, () => clock.sleep(5), { drain: true, signal }),
      'a failure while others wait for a token': (items) =>
        mapWithLimit(items, 3, () => clock.sleep(1).then(fail), { rate: 0.001 }),
      'two stops': (items) => mapWithLimit(items, 2, () => clock.sleep(1).then(() => stop)),
      'a stop and then a failure': (items) =>
        mapWithLimit(items, 2, (item) => (item === 1 ? stop : clock.sleep(2).then(fail))),
      'a callback that throws': (items) =>
        mapSettled(items, 2, fail, { retry: { retries: 1, retryIf: () => assert.fail('asked') } }),
      'an abort from its own return()': (items, signal, abort) => {
        const result = mapWithLimit(items, 1, fail, { signal });
        items.onReturn = abort;
        return result;
      },
    };
    for (const kind of ['iterable', 'async iterable']) {
      for (const [name, run] of Object.entries(endings)) {
        it(`${kind}: ${name}`, async () => {
          const controller = new AbortController();
          clock.setTimeout(() => controller.abort('abort'), 3);
          let returns = 0;
          let i = 0;
          const answer = (result) => (kind === 'iterable' ? result : Promise.resolve(result));
          const iterator = {
            next: () => (assert.equal(returns, 0), answer({ done: false, value: i++ })),
            return: () => (returns++, items.onReturn?.(), answer({})),
          };
          const items = { [kind === 'iterable' ? Symbol.iterator : Symbol.asyncIterator]: () => iterator };
          await over(run(items, controller.signal, () => controller.abort('abort')).catch(noop));
          await clock.advance(10);
          assert.equal(returns, 1);
        });
      }
    }
  });

  describe('nothing starts after the first failure', () => {
    const options = {
      'with a rate': { rate: { max: 1, per: 1, burst: 2 } },
      'with retries of others pending': {
        retry: { retries: 3, delay: 2, jitter: 'none', retryIf: (e) => e !== 'final' },
      },
      'with a callback that is still asked': {
        retry: { retries: 3, retryIf: (e) => (e === 'final' ? false : clock.sleep(2)) },
      },
      'with maxAbandoned': {
        timeout: 2,
        maxAbandoned: 0,
        retry: { retries: 1, delay: 1, retryIf: (e) => e !== 'final' },
      },
      'with yields': { yieldAfter: 0 },
      'with a drain': { drain: true },
      'with an item timeout': { itemTimeout: 50 },
    };
    const sources = { array: (items) => items, iterable: (items) => items.values(), 'async iterable': asyncly };
    async function* asyncly(items) {
      yield* items;
    }
    for (const [name, given] of Object.entries(options)) {
      for (const [source, wrap] of Object.entries(sources)) {
        it(`${name}, ${source}`, async () => {
          const log = [];
          const mapper = async (item, _index, { attempt, signal }) => {
            log.push('start');
            signal.addEventListener('abort', () => signal.reason === 'final' && log.push('end'));
            if (item === 3) throw 'final';
            if (item === 1 && attempt === 1) throw 'again';
            return item % 2 ? never() : clock.sleep(1);
          };
          const hanging = given.drain === true ? { ...given, timeout: 5 } : given;
          const result = mapWithLimit(wrap([0, 1, 2, 3, 4, 5, 6, 7]), 4, mapper, hanging);
          result.catch(() => log.push('end'));
          assert.ok(['final', 'again'].includes(await rejection(over(result).catch((error) => Promise.reject(error)))));
          await clock.advance(100);
          assert.ok(log.includes('end'));
          assert.ok(!log.slice(log.indexOf('end')).includes('start'), `${log}`);
        });
      }
    }
  });
});
