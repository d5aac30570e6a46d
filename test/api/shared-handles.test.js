'use strict';

// Handles of one shared limit in one thread: what another thread could do in between, done for certain.

const assert = require('node:assert/strict');
const { createHook } = require('node:async_hooks');

const { RateLimiter, Semaphore, mapWithLimit } = require('../..');

describe('shared: handles of one thread', () => {
  for (const [how, given] of [
    ['without conditions', undefined],
    ['with a timeout', { timeout: 60_000 }],
  ]) {
    it(`a permit that comes free between the look and the place in line is granted at once: ${how}`, async () => {
      const [one, other] = [1, 2].map(() => new Semaphore(1, { shared: `between, ${how}` }));
      const held = one.tryAcquire();
      // Behind the look, and before C is asked again, a promise is made: its hook runs there.
      const hook = createHook({
        init() {
          if (!held.isReleased) held.release();
        },
      }).enable();
      const waiting = other.acquire(given);
      hook.disable();
      assert.ok(held.isReleased);
      (await waiting).release();
      assert.deepEqual([one.available, one.waiting], [1, 0]);
      one.close();
      other.close();
    });
  }

  /** Behind the look at how many there are, and before C is asked, a promise is made: its hook runs there. */
  function between(act, ask) {
    const hook = createHook({
      init() {
        hook.disable();
        act();
      },
    }).enable();
    return ask();
  }

  it('a weight that has become too much between the look and the place in line is that error', async () => {
    const [one, other] = [1, 2].map(() => new Semaphore(3, { shared: 'fewer between' }));
    const held = one.tryAcquire();
    for (const ask of [() => one.acquire(3), () => one.use(() => {}, { weight: 3, timeout: 60_000 })]) {
      const refused = between(() => other.resize(2), ask);
      await assert.rejects(refused, { name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message: /weight.*<= 2/ });
      other.resize(3);
    }
    held.release();
    assert.deepEqual([one.available, one.waiting], [3, 0]);
    one.close();
    other.close();
  });

  it('tokens that have become too many there are, too', async () => {
    const [one, other] = [1, 2].map(() => new RateLimiter({ max: 1, burst: 3, shared: 'fewer tokens between' }));
    one.tryAcquire();
    const refused = between(
      () => other.reconfigure({ burst: 2 }),
      () => one.acquire(3),
    );
    await assert.rejects(refused, { name: 'RangeError', code: 'ERR_OUT_OF_RANGE', message: /tokens.*<= 2/ });
    assert.equal(one.waiting, 0);
    one.close();
    other.close();
  });

  it('calls that wait for a permit do not count for maxWaiting, as of a local one', async () => {
    const semaphore = new Semaphore(1, { maxWaiting: 1, shared: 'not counted' });
    const held = semaphore.tryAcquire();
    const calls = [1, 2].map(() => mapWithLimit(['a', 'b'], semaphore, (item) => item));
    const waiting = semaphore.acquire();
    assert.equal(semaphore.waiting, 3);
    await assert.rejects(semaphore.acquire(), { code: 'ERR_SLUICE_FULL' });
    held.release();
    (await waiting).release();
    assert.deepEqual(await Promise.all(calls), Array(2).fill(['a', 'b']));
    assert.deepEqual([semaphore.available, semaphore.waiting], [1, 0]);
    semaphore.close();
  });

  it('nor do calls that wait for a token', async () => {
    const limiter = new RateLimiter({ max: 50, burst: 1, maxWaiting: 1, shared: 'not counted either' });
    limiter.tryAcquire();
    const calls = [1, 2].map(() => mapWithLimit(['a', 'b'], 1, (item) => item, { rate: limiter }));
    const waiting = limiter.acquire();
    await assert.rejects(limiter.acquire(), { code: 'ERR_SLUICE_FULL' });
    assert.ok((await waiting) > 0);
    assert.deepEqual(await Promise.all(calls), Array(2).fill(['a', 'b']));
    limiter.close();
  });
});
