'use strict';

// itemTimeout: one item's time, with all its attempts and waits.

const assert = require('node:assert/strict');

const { TimeoutError, mapSettled, mapWithLimit } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, unhandledDuring } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const none = { jitter: 'none' };

describe('itemTimeout', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  it('the TimeoutError names the item, the attempt and the scope; the running attempt hears that very error', async () => {
    let reason;
    const mapper = (item, _index, { signal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason));
      return item === 1 ? never() : item;
    };
    const error = await rejection(over(mapWithLimit([0, 1], 1, mapper, { itemTimeout: 8, label: 'step' })));
    assert.ok(error instanceof TimeoutError);
    const { scope, timeout, elapsed, index, attempt, label } = error;
    assert.deepEqual(
      { scope, timeout, elapsed, index, attempt, label },
      { scope: 'item', timeout: 8, elapsed: 8, index: 1, attempt: 1, label: 'step' },
    );
    assert.equal(reason, error);
    assert.ok(!Object.hasOwn(error, 'cause'));
  });

  it('covers all attempts and backoffs, and is not retried', async () => {
    const starts = [];
    const mapper = (_item, _index, { attempt }) => {
      starts.push(clock.now);
      return clock.sleep(4).then(() => Promise.reject(`failure ${attempt}`));
    };
    const options = { itemTimeout: 12, retry: { retries: 9, delay: 1, backoff: 'constant', ...none } };
    const error = await rejection(over(mapWithLimit([0], 1, mapper, options)));
    assert.deepEqual([error.scope, error.attempt, error.cause], ['item', 3, 'failure 2']);
    assert.deepEqual(starts, [0, 5, 10]);
    assert.equal(clock.now, 12);
  });

  it('begins with each item: taken late, it has the whole time', async () => {
    const mapper = (item) => clock.sleep(4).then(() => item);
    assert.deepEqual(await over(mapWithLimit([0, 1, 2], 1, mapper, { itemTimeout: 5 })), [0, 1, 2]);
    assert.equal(clock.now, 12);
  });

  it('a backoff that would outlive it fails the item at once, with the last error as cause', async () => {
    const options = { itemTimeout: 10, retry: { retries: 1, delay: 11, ...none } };
    const error = await rejection(over(mapWithLimit([0], 1, () => Promise.reject('last'), options)));
    assert.deepEqual([error.scope, error.cause, error.attempt, clock.now], ['item', 'last', 1, 0]);
  });

  it('covers a promise among the items', async () => {
    const error = await rejection(over(mapWithLimit([never()], 1, () => assert.fail('called'), { itemTimeout: 6 })));
    assert.deepEqual([error.scope, error.index, clock.now], ['item', 0, 6]);
  });

  it('on a tie: total before item before attempt', async () => {
    const scopes = [];
    for (const [timeout, itemTimeout, totalTimeout] of [
      [5, 5, 5],
      [5, 5, 6],
      [5, 6, 6],
      [6, 5, 5],
    ]) {
      scopes.push((await rejection(over(mapWithLimit([0], 1, never, { timeout, itemTimeout, totalTimeout })))).scope);
    }
    assert.deepEqual(scopes, ['total', 'item', 'attempt', 'total']);
  });

  it('the late outcome of what was left to itself is swallowed; it does not count against the limit', async () => {
    const open = deferred();
    const reports = [];
    const mapper = (item) => (item === 0 ? open.promise : item);
    const reasons = await unhandledDuring(async () => {
      const options = { itemTimeout: 3, onProgress: (progress) => reports.push(progress) };
      const outcomes = await over(mapSettled([0, 1, 2], 1, mapper, options));
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['rejected', 'fulfilled', 'fulfilled'],
      );
      assert.deepEqual([reports.at(-1).timedOut, reports.at(-1).abandoned], [1, 1]);
      open.reject(new Error('late'));
      await clock.flush();
    });
    assert.deepEqual(reasons, []);
  });

  it('ctx.remaining is what is left under the tightest of all', async () => {
    const seen = [];
    const mapper = async (_item, _index, ctx) => {
      seen.push(ctx.remaining);
      await clock.sleep(2);
      seen.push(ctx.remaining);
      if (ctx.attempt === 1) throw new Error('again');
    };
    const options = { timeout: 8, itemTimeout: 10, totalTimeout: 100, retry: { retries: 1, delay: 1, ...none } };
    await over(mapWithLimit([0], 1, mapper, options));
    assert.deepEqual(seen, [8, 6, 7, 5]);
  });

  it('zero: what is there at once is in time', async () => {
    assert.deepEqual(await over(mapWithLimit([1, 2], 1, async (item) => item, { itemTimeout: 0 })), [1, 2]);
    assert.equal((await rejection(over(mapWithLimit([1], 1, never, { itemTimeout: 0 })))).scope, 'item');
  });

  it('Infinity never expires', async () => {
    const mapper = () => clock.sleep(1e9).then(() => 'late');
    assert.deepEqual(await over(mapWithLimit([1], 1, mapper, { itemTimeout: Infinity })), ['late']);
  });
});
