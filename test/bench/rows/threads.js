'use strict';

// Limits that all threads share: what it costs that they could, and what it costs when they do.

const assert = require('node:assert');
const { Crew } = require('../contender.js');

const few = 4; // permits that are free
const permits = 2; // permits that are fought for
const tasks = 16; // in each thread
const plenty = 1e9;

function uncontended({ sluice }) {
  const contestant = (name, run) => ({ name, needs: ['sluice.Semaphore'], check: assert.strictEqual, run });
  const work = async () => 1;
  const shared = { shared: 'bench' };
  return {
    name: 'threads-free',
    title: 'semaphore that all threads share, a permit that is free: acquire and release',
    unit: 'ns',
    n: 5e5,
    rounds: 7,
    anchor: 'sluice',
    note: 'sluice alone is the semaphore of one thread; nobody else is there in any of these',
    targets: [{ of: 'sluice, shared', against: 'sluice', most: 2 }],
    contestants: [
      contestant('sluice', async (n) => {
        const semaphore = new sluice.Semaphore(few);
        let count = 0;
        for (; count < n; count++) {
          const permit = await semaphore.acquire();
          permit.release();
        }
        return count;
      }),
      contestant('sluice, shared', async (n) => {
        const semaphore = new sluice.Semaphore(few, shared);
        let count = 0;
        for (; count < n; count++) {
          const permit = await semaphore.acquire();
          permit.release();
        }
        semaphore.close();
        return count;
      }),
      contestant('sluice, tryAcquire', async (n) => {
        const semaphore = new sluice.Semaphore(few);
        let count = 0;
        for (; count < n; count++) {
          const permit = semaphore.tryAcquire();
          permit.release();
        }
        return count;
      }),
      contestant('sluice, shared, tryAcquire', async (n) => {
        const semaphore = new sluice.Semaphore(few, shared);
        let count = 0;
        for (; count < n; count++) {
          const permit = semaphore.tryAcquire();
          permit.release();
        }
        semaphore.close();
        return count;
      }),
      contestant('sluice, use', async (n) => {
        const semaphore = new sluice.Semaphore(few);
        let count = 0;
        while (count < n) count += await semaphore.use(work);
        return count;
      }),
      contestant('sluice, shared, use', async (n) => {
        const semaphore = new sluice.Semaphore(few, shared);
        let count = 0;
        while (count < n) count += await semaphore.use(work);
        semaphore.close();
        return count;
      }),
    ],
  };
}

function rate({ sluice }) {
  const contestant = (name, run) => ({ name, needs: ['sluice.RateLimiter'], check: assert.strictEqual, run });
  const rate = { max: plenty, burst: plenty };
  const shared = { ...rate, shared: 'bench' };
  return {
    name: 'threads-rate',
    title: 'rate limiter that all threads share, a token that is there: acquire',
    unit: 'ns',
    n: 3e5,
    rounds: 7,
    anchor: 'sluice',
    contestants: [
      contestant('sluice', async (n) => {
        const limiter = new sluice.RateLimiter(rate);
        let count = 0;
        for (; count < n; count++) await limiter.acquire();
        return count;
      }),
      contestant('sluice, shared', async (n) => {
        const limiter = new sluice.RateLimiter(shared);
        let count = 0;
        for (; count < n; count++) await limiter.acquire();
        limiter.close();
        return count;
      }),
      contestant('sluice, tryAcquire', async (n) => {
        const limiter = new sluice.RateLimiter(rate);
        let count = 0;
        while (count < n && limiter.tryAcquire()) count++;
        return count;
      }),
      contestant('sluice, shared, tryAcquire', async (n) => {
        const limiter = new sluice.RateLimiter(shared);
        let count = 0;
        while (count < n && limiter.tryAcquire()) count++;
        limiter.close();
        return count;
      }),
    ],
  };
}

// Faces: the time per grant, and the longest that anybody has waited.
function contended(threads, hold) {
  let crew;
  const contestant = (name, kind, needs = [], n = undefined) => ({
    name,
    needs,
    n,
    async sample(n) {
      crew ??= new Crew(threads);
      await crew.contend({ kind, permits, tasks, hold }, Math.ceil(n / 10));
      const { time, longest } = await crew.contend({ kind, permits, tasks, hold }, n);
      return [(1000 * time) / n, longest];
    },
  });
  const name = `threads-${threads}${hold === 'turn' ? '-turn' : ''}`;
  const crowd = `${threads} ${threads === 1 ? 'thread' : 'threads'} of ${tasks} tasks`;
  const title = `${crowd} that fight for ${permits} permits, each held for a ${hold}`;
  return {
    name,
    title: `${title}: time per grant`,
    unit: 'us',
    perSecond: 'grants/s',
    n: hold === 'turn' ? 2e4 : 5e4,
    rounds: 5,
    least: 200,
    anchor: 'Atomics.waitAsync',
    note: 'Atomics.wait: one task in each thread, which blocks; nothing of Atomics is first come, first served',
    also: [{ name: `${name}-wait`, title: `${title}: the longest wait of all`, unit: 'ms' }],
    contestants: [
      contestant('Atomics.waitAsync', 'async'),
      contestant('Atomics.waitAsync, own line first', 'own line'),
      contestant('Atomics.wait', 'blocking'),
      contestant('sluice, shared', 'sluice', ['sluice.Semaphore']),
    ],
    end: () => crew?.end(),
  };
}

module.exports = (rivals) => [
  uncontended(rivals),
  rate(rivals),
  contended(1, 'microtask'),
  contended(2, 'microtask'),
  contended(4, 'microtask'),
  contended(4, 'turn'),
];
