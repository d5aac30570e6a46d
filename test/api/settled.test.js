'use strict';

// mapSettled and `stopOnError: false`: what becomes of every item.

const assert = require('node:assert/strict');

const { TimeoutError, mapSettled, mapWithLimit, skip, stop } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const fulfilled = (value) => ({ status: 'fulfilled', value });
const rejected = (reason) => ({ status: 'rejected', reason });
const oddFails = async (item) => (item % 2 === 1 ? Promise.reject(`odd ${item}`) : item * 10);

const sources = {
  array: (items) => items,
  iterable: (items) => items.values(),
  async *'async iterable'(items) {
    yield* items;
  },
};

describe('mapSettled', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  for (const [name, wrap] of Object.entries(sources)) {
    it(`of an ${name}: each outcome in the order of the items, as Promise.allSettled has them`, async () => {
      const items = [0, 1, 2, 3, 4];
      const outcomes = await over(mapSettled(wrap(items), 2, oddFails));
      assert.deepEqual(outcomes, await Promise.allSettled(items.map(oddFails)));
      const keys = outcomes.map((one) => Object.keys(one).join());
      assert.deepEqual(keys, ['status,value', 'status,reason', 'status,value', 'status,reason', 'status,value']);
    });

    it(`of an ${name}: on its total time it resolves with what there is`, async () => {
      const mapper = (item) => (item === 0 ? 'first' : item === 1 ? Promise.reject('second') : never());
      const outcomes = await over(mapSettled(wrap([0, 1, 2, 3, 4]), 2, mapper, { totalTimeout: 5, label: 'all' }));
      assert.equal(clock.now, 5);
      assert.deepEqual(outcomes.slice(0, 2), [fulfilled('first'), rejected('second')]);
      // Of an iterator nobody knows what it would still have given.
      assert.equal(outcomes.length, name === 'array' ? 5 : 4);
      const reasons = new Set(outcomes.slice(2).map(({ reason }) => reason));
      assert.equal(reasons.size, 1);
      const [error] = reasons;
      assert.ok(error instanceof TimeoutError);
      assert.deepEqual([error.scope, error.timeout, error.elapsed, error.label], ['total', 5, 5, 'all']);
    });
  }

  it('a failed item frees its lane for the next one in the same turn', async () => {
    const started = [];
    const result = mapSettled([0, 1, 2], 1, async (item) => (started.push(item), Promise.reject(item)));
    for (let i = 0; i < 20; i++) await undefined;
    assert.deepEqual(started, [0, 1, 2]);
    assert.deepEqual(await result, [0, 1, 2].map(rejected));
  });

  it('a throw, a rejected element and a thenable that rejects are outcomes like any other; nothing is unhandled', async () => {
    const items = [0, Promise.reject('element'), 2];
    const mapper = (item) => {
      if (item === 0) throw 'thrown';
      return { then: (_resolve, reject) => reject('thenable') };
    };
    const reasons = await unhandledDuring(async () => {
      assert.deepEqual(await mapSettled(items, 1, mapper), ['thrown', 'element', 'thenable'].map(rejected));
    });
    assert.deepEqual(reasons, []);
  });

  it('a timeout is an outcome, and the late one of its attempt is swallowed', async () => {
    const open = deferred();
    const reasons = await unhandledDuring(async () => {
      const mapper = (item) => (item === 0 ? open.promise : item);
      const [first, second] = await over(mapSettled([0, 1], 1, mapper, { timeout: 3 }));
      assert.equal(first.reason.scope, 'attempt');
      assert.deepEqual(second, fulfilled(1));
      open.reject('late');
      await clock.flush();
      assert.equal(first.reason.scope, 'attempt');
    });
    assert.deepEqual(reasons, []);
  });

  it('what failed in the end is what the last attempt failed with', async () => {
    const mapper = (item, _index, { attempt }) => (item === attempt ? item : Promise.reject(`${item}.${attempt}`));
    const options = { retry: { retries: 1, delay: 1, jitter: 'none' } };
    const outcomes = await over(mapSettled([1, 2, 3], 2, mapper, options));
    assert.deepEqual(outcomes, [fulfilled(1), fulfilled(2), rejected('3.2')]);
  });

  it('an item whose backoff would outlive the total fails at once; the others go on', async () => {
    const mapper = (item) => (item === 0 ? Promise.reject('last') : clock.sleep(8).then(() => item));
    const options = { totalTimeout: 10, retry: { retries: 1, delay: 11, jitter: 'none' } };
    const [first, second, third] = await over(mapSettled([0, 1, 2], 2, mapper, options));
    assert.deepEqual([first.reason.scope, first.reason.cause, first.reason.elapsed], ['total', 'last', 0]);
    assert.deepEqual(second, fulfilled(1));
    assert.deepEqual(third, fulfilled(2));
    assert.equal(clock.now, 8);
  });

  it('no items: []; no time: nothing starts, and each item of an array is rejected with the TimeoutError', async () => {
    const called = () => assert.fail('called');
    assert.deepEqual(await mapSettled([], 1, called), []);
    const outcomes = await mapSettled([1, 2], 1, called, { totalTimeout: 0 });
    assert.deepEqual(
      outcomes.map(({ reason }) => reason.scope),
      ['total', 'total'],
    );
    assert.deepEqual(await mapSettled(new Set([1]), 1, called, { totalTimeout: -1 }), []);
  });

  it('discard: how many outcomes there were', async () => {
    assert.equal(await mapSettled([0, 1, 2], 2, oddFails, { discard: true }), 3);
    assert.equal(await mapSettled([0, 1, 2], 2, (item) => (item === 1 ? skip : item), { discard: true }), 2);
  });

  const error = new Error('no');
  const raise = () => {
    throw error;
  };
  const endings = {
    'its signal': (started) => {
      const controller = new AbortController();
      clock.setTimeout(() => controller.abort(error), 2);
      return mapSettled([0, 1, 2], 1, () => (started.push(1), never()), { signal: controller.signal });
    },
    'its onProgress': (started) => mapSettled([0, 1, 2], 1, () => (started.push(1), never()), { onProgress: raise }),
    'its retryIf': (started) =>
      mapSettled([0, 1, 2], 1, () => (started.push(1), Promise.reject(0)), { retry: { retries: 1, retryIf: raise } }),
    'its iterator': (started) => {
      let i = 0;
      const next = () => (i++ === 1 ? raise() : { done: false, value: i });
      return mapSettled({ [Symbol.iterator]: () => ({ next }) }, 1, () => started.push(1));
    },
  };
  for (const [name, run] of Object.entries(endings)) {
    it(`${name} rejects the call, and nothing more starts`, async () => {
      const started = [];
      assert.equal(await rejection(over(run(started))), error);
      await clock.advance(10);
      assert.equal(started.length, 1);
    });
  }

  it('stopOnError is none of its options', async () => {
    const rejectedWith = await rejection(mapSettled([1], 1, noop, { stopOnError: false }));
    assert.equal(rejectedWith.code, 'ERR_INVALID_ARG_TYPE');
    assert.match(rejectedWith.message, /stopOnError/);
  });

  it('progress counts failures beside what is done', async () => {
    let last;
    await mapSettled([0, 1, 2], 1, oddFails, { onProgress: (progress) => (last = progress) });
    assert.deepEqual(last, { total: 3, started: 3, done: 2, failed: 1, retried: 0, timedOut: 0, abandoned: 0 });
  });
});

describe('stopOnError: false', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);
  const options = { stopOnError: false };

  it('runs everything, then rejects with an AggregateError, its errors in the order of the items', async () => {
    const started = [];
    const mapper = async (item) => {
      started.push(item);
      await clock.sleep(5 - item);
      return oddFails(item);
    };
    const error = await rejection(over(mapWithLimit([0, 1, 2, 3, 4], 4, mapper, options)));
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, ['odd 1', 'odd 3']);
    assert.match(error.message, /^2 of 5 items failed$/);
    assert.deepEqual(started, [0, 1, 2, 3, 4]);
  });

  it('the values, where none failed', async () => {
    assert.deepEqual(await mapWithLimit([0, 2], 1, oddFails, options), [0, 20]);
    assert.equal(await mapWithLimit([0, 2], 1, oddFails, { ...options, discard: true }), 2);
  });

  it('one failure is an AggregateError too; it comes with discard as well', async () => {
    const error = await rejection(mapWithLimit([0, 1, 2], 1, oddFails, { ...options, discard: true }));
    assert.deepEqual(error.errors, ['odd 1']);
  });

  it('the total time: the TimeoutError, its cause what had failed by then; the running attempts hear of it', async () => {
    const reasons = [];
    const mapper = (item, _index, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason));
      return item === 0 ? Promise.reject('first') : never();
    };
    const error = await rejection(over(mapWithLimit([0, 1, 2], 2, mapper, { ...options, totalTimeout: 4 })));
    assert.equal(error.scope, 'total');
    assert.deepEqual(error.cause.errors, ['first']);
    assert.deepEqual(reasons, [error, error]);
  });

  it('abort rejects at once with the reason', async () => {
    const controller = new AbortController();
    const result = mapWithLimit([1, 2], 1, oddFails, { ...options, signal: controller.signal });
    controller.abort('enough');
    assert.equal(await rejection(result), 'enough');
    await turn();
  });

  it('after a stop the failures still reject', async () => {
    const mapper = (item) =>
      item === 1 ? stop : item === 0 ? clock.sleep(2).then(() => Promise.reject('late')) : item;
    const error = await rejection(over(mapWithLimit([0, 1, 2], 2, mapper, options)));
    assert.deepEqual(error.errors, ['late']);
  });
});
