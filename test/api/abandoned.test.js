'use strict';

// maxAbandoned: starts wait while too many timed-out attempts still run.

const assert = require('node:assert/strict');

const { mapSettled, mapWithLimit } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

describe('maxAbandoned', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  /** A backend that hangs: its answers come when they are let go. */
  function hangingBackend() {
    const calls = [];
    const mapper = (item, _index, { attempt }) => {
      const call = { item, attempt, at: clock.now, ...deferred() };
      calls.push(call);
      return call.promise;
    };
    return { calls, mapper };
  }

  for (const [maxAbandoned, expected] of [
    [0, 1],
    [1, 2],
    [3, 4],
    [Infinity, 6],
  ]) {
    it(`${maxAbandoned}: no start while more than so many are out`, async () => {
      const { calls, mapper } = hangingBackend();
      const result = mapSettled([0, 1, 2, 3, 4, 5], 1, mapper, { timeout: 5, maxAbandoned });
      await clock.advance(100);
      assert.equal(calls.length, expected);
      for (let i = 0; i < 6; i++) {
        calls[i]?.resolve('late');
        await clock.advance(6);
      }
      const outcomes = await over(result);
      assert.ok(outcomes.every(({ status }) => status === 'rejected'));
      assert.equal(calls.length, 6);
    });
  }

  it('the end of one, fulfilled or rejected, lets the next one start in the same turn', async () => {
    for (const how of ['resolve', 'reject']) {
      const { calls, mapper } = hangingBackend();
      const result = mapSettled([0, 1], 1, mapper, { timeout: 5, maxAbandoned: 0 });
      await clock.advance(20);
      assert.equal(calls.length, 1);
      calls[0][how](new Error('late'));
      await clock.flush();
      assert.equal(calls.length, 2);
      calls[1].resolve('value');
      assert.deepEqual((await over(result))[1], { status: 'fulfilled', value: 'value' });
    }
  });

  it('a retry waits too', async () => {
    const { calls, mapper } = hangingBackend();
    const options = { timeout: 5, maxAbandoned: 0, retry: { retries: 1, delay: 1, jitter: 'none' } };
    const result = mapWithLimit([0], 1, mapper, options);
    await clock.advance(50);
    assert.equal(calls.length, 1);
    calls[0].resolve('late');
    await clock.advance(1);
    assert.deepEqual([calls.length, calls[1].attempt, calls[1].at], [2, 2, 50]);
    calls[1].resolve('second');
    assert.deepEqual(await over(result), ['second']);
  });

  it('together with a rate: both have to agree', async () => {
    const { calls, mapper } = hangingBackend();
    const options = { timeout: 5, maxAbandoned: 0, rate: { max: 1, per: 20, burst: 1 } };
    const result = mapSettled([0, 1, 2], 1, mapper, options);
    await clock.advance(8);
    calls[0].resolve();
    await clock.advance(30);
    calls[1].resolve();
    await clock.advance(30);
    calls[2].resolve();
    await over(result);
    assert.deepEqual(
      calls.map(({ at }) => at),
      [0, 20, 40],
    );
  });

  it("the item's and the total's time run while it waits, and abort wakes it", async () => {
    const ways = { itemTimeout: 20, totalTimeout: 20, signal: AbortSignal };
    for (const way of Object.keys(ways)) {
      const { calls, mapper } = hangingBackend();
      const controller = new AbortController();
      const options = { timeout: 5, maxAbandoned: 0, stopOnError: false };
      if (way === 'signal') clock.setTimeout(() => controller.abort('abort'), 20);
      const given = way === 'signal' ? { ...options, signal: controller.signal } : { ...options, [way]: 20 };
      const error = await rejection(over(mapWithLimit([0, 1], 1, mapper, given)));
      if (way === 'itemTimeout')
        assert.deepEqual(
          error.errors.map(({ scope, attempt }) => [scope, attempt]),
          [
            ['attempt', 1],
            ['item', 0],
          ],
        );
      else assert.ok(error === 'abort' || error.scope === 'total');
      assert.equal(calls.length, 1);
    }
  });

  it('progress counts those that still run', async () => {
    const { calls, mapper } = hangingBackend();
    const seen = [];
    const options = {
      timeout: 5,
      maxAbandoned: 1,
      onProgress: ({ abandoned, timedOut }) => seen.push([abandoned, timedOut]),
    };
    const result = mapSettled([0, 1], 2, mapper, options);
    await clock.advance(4);
    calls[1].resolve();
    await over(result);
    assert.deepEqual(seen.at(-1), [1, 1]);
  });
});
