'use strict';

// Handles of one shared limit in one thread: what another thread could do in between, done for certain.

const assert = require('node:assert/strict');
const { createHook } = require('node:async_hooks');

const { Semaphore } = require('../..');

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
});
