'use strict';

// Semaphores: a permit that is free, permits that are fought for, a long line of waiters, and what a waiter weighs.
// Each library has its loops written out, so that no call in them is shared with another library's.

const assert = require('node:assert');
const { heldBy } = require('../held.js');

const few = 4;
const tasks = 64;

function uncontended({ sluice, twin, ...rivals }) {
  const contestant = (name, needs, run, n) => ({ name, needs, n, check: assert.strictEqual, run });
  const work = async () => 1;
  return {
    name: 'semaphore',
    title: 'semaphore, a permit that is free: acquire and release',
    unit: 'ns',
    n: 5e5,
    rounds: 7,
    anchor: 'async-sema',
    note: 'p-limit, cockatiel and "use" run an async function under the permit',
    targets: [{ of: 'sluice', against: 'async-sema', most: 1.1 }],
    contestants: [
      contestant('async-sema', ['async-sema'], async (n) => {
        const semaphore = new rivals['async-sema'].Sema(few);
        let count = 0;
        for (; count < n; count++) {
          await semaphore.acquire();
          semaphore.release();
        }
        return count;
      }),
      contestant('twin', [], async (n) => {
        const semaphore = new twin.Semaphore(few);
        let count = 0;
        for (; count < n; count++) {
          const permit = await semaphore.acquire();
          permit.release();
        }
        return count;
      }),
      contestant('sluice', ['sluice.Semaphore'], async (n) => {
        const semaphore = new sluice.Semaphore(few);
        let count = 0;
        for (; count < n; count++) {
          const permit = await semaphore.acquire();
          permit.release();
        }
        return count;
      }),
      contestant('sluice, tryAcquire', ['sluice.Semaphore'], async (n) => {
        const semaphore = new sluice.Semaphore(few);
        let count = 0;
        for (; count < n; count++) {
          const permit = semaphore.tryAcquire();
          permit.release();
        }
        return count;
      }),
      contestant('sluice, use', ['sluice.Semaphore'], async (n) => {
        const semaphore = new sluice.Semaphore(few);
        let count = 0;
        while (count < n) count += await semaphore.use(work);
        return count;
      }),
      contestant('sluice, Mutex', ['sluice.Mutex'], async (n) => {
        const mutex = new sluice.Mutex();
        let count = 0;
        while (count < n) count += await mutex.runExclusive(work);
        return count;
      }),
      contestant(
        'async-mutex',
        ['async-mutex'],
        async (n) => {
          const semaphore = new rivals['async-mutex'].Semaphore(few);
          let count = 0;
          for (; count < n; count++) {
            const [, release] = await semaphore.acquire();
            release();
          }
          return count;
        },
        2e5,
      ),
      contestant(
        'p-limit',
        ['p-limit'],
        async (n) => {
          const limit = rivals['p-limit'](few);
          let count = 0;
          while (count < n) count += await limit(work);
          return count;
        },
        2e5,
      ),
      contestant(
        'cockatiel',
        ['cockatiel'],
        async (n) => {
          const bulkhead = rivals.cockatiel.bulkhead(few);
          let count = 0;
          while (count < n) count += await bulkhead.execute(work);
          return count;
        },
        2e5,
      ),
    ],
  };
}

function contended({ sluice, twin, ...rivals }) {
  let running = 0;
  let most = 0;
  const enter = () => (most = Math.max(most, ++running));
  /** `loopOf(share)` makes one task, an async function that passes the semaphore while `share.left` lasts. */
  const contestant = (name, needs, loopOf, n) => ({
    name,
    needs,
    n,
    check() {
      assert.strictEqual(running, 0);
      assert.strictEqual(most, few);
      most = 0;
    },
    run(n) {
      const loop = loopOf({ left: n });
      return Promise.all(Array.from({ length: tasks }, () => loop()));
    },
  });
  return {
    name: 'contended',
    title: `semaphore, ${tasks} tasks that fight for ${few} permits: acquire, await undefined, release`,
    unit: 'ns',
    n: 3e5,
    rounds: 7,
    anchor: 'async-sema',
    targets: [{ of: 'sluice', against: 'async-sema', most: 0.7 }],
    contestants: [
      contestant('async-sema', ['async-sema'], (share) => {
        const semaphore = new rivals['async-sema'].Sema(few);
        return async () => {
          while (share.left-- > 0) {
            await semaphore.acquire();
            enter();
            await undefined;
            running--;
            semaphore.release();
          }
        };
      }),
      contestant('twin', [], (share) => {
        const semaphore = new twin.Semaphore(few);
        return async () => {
          while (share.left-- > 0) {
            const permit = await semaphore.acquire();
            enter();
            await undefined;
            running--;
            permit.release();
          }
        };
      }),
      contestant('sluice', ['sluice.Semaphore'], (share) => {
        const semaphore = new sluice.Semaphore(few);
        return async () => {
          while (share.left-- > 0) {
            const permit = await semaphore.acquire();
            enter();
            await undefined;
            running--;
            permit.release();
          }
        };
      }),
      contestant('sluice, use', ['sluice.Semaphore'], (share) => {
        const semaphore = new sluice.Semaphore(few);
        const work = async () => {
          enter();
          await undefined;
          running--;
        };
        return async () => {
          while (share.left-- > 0) await semaphore.use(work);
        };
      }),
      contestant('async-mutex', ['async-mutex'], (share) => {
        const semaphore = new rivals['async-mutex'].Semaphore(few);
        return async () => {
          while (share.left-- > 0) {
            const [, release] = await semaphore.acquire();
            enter();
            await undefined;
            running--;
            release();
          }
        };
      }),
      contestant('p-limit', ['p-limit'], (share) => {
        const limit = rivals['p-limit'](few);
        const work = async () => {
          enter();
          await undefined;
          running--;
        };
        return async () => {
          while (share.left-- > 0) await limit(work);
        };
      }),
      contestant(
        'cockatiel',
        ['cockatiel'],
        (share) => {
          const bulkhead = rivals.cockatiel.bulkhead(few, Infinity);
          const work = async () => {
            enter();
            await undefined;
            running--;
          };
          return async () => {
            while (share.left-- > 0) await bulkhead.execute(work);
          };
        },
        1e5,
      ),
    ],
  };
}

// A line of n behind the one permit. Each waiter lets the next one in; the last one's promise is the sample's end.
const libraries = ({ sluice, twin, ...rivals }) => [
  {
    name: 'async-sema',
    needs: ['async-sema'],
    async run(n) {
      const semaphore = new rivals['async-sema'].Sema(1);
      const leave = () => semaphore.release();
      await semaphore.acquire();
      for (let i = 1; i < n; i++) semaphore.acquire().then(leave);
      const last = semaphore.acquire().then(leave);
      semaphore.release();
      await last;
    },
  },
  {
    name: 'twin',
    needs: [],
    async run(n) {
      const semaphore = new twin.Semaphore(1);
      const leave = (permit) => permit.release();
      const held = await semaphore.acquire();
      for (let i = 1; i < n; i++) semaphore.acquire().then(leave);
      const last = semaphore.acquire().then(leave);
      held.release();
      await last;
    },
  },
  {
    name: 'sluice',
    needs: ['sluice.Semaphore'],
    async run(n) {
      const semaphore = new sluice.Semaphore(1);
      const leave = (permit) => permit.release();
      const held = await semaphore.acquire();
      for (let i = 1; i < n; i++) semaphore.acquire().then(leave);
      const last = semaphore.acquire().then(leave);
      held.release();
      await last;
    },
  },
  {
    name: 'async-mutex',
    needs: ['async-mutex'],
    isQuadratic: true,
    async run(n) {
      const semaphore = new rivals['async-mutex'].Semaphore(1);
      const leave = ([, release]) => release();
      const held = await semaphore.acquire();
      for (let i = 1; i < n; i++) semaphore.acquire().then(leave);
      const last = semaphore.acquire().then(leave);
      leave(held);
      await last;
    },
  },
  {
    name: 'cockatiel',
    needs: ['cockatiel'],
    isQuadratic: true,
    async run(n) {
      const bulkhead = rivals.cockatiel.bulkhead(1, Infinity);
      const nothing = async () => {};
      let leave;
      bulkhead.execute(() => new Promise((resolve) => (leave = resolve)));
      for (let i = 1; i < n; i++) bulkhead.execute(nothing);
      const last = bulkhead.execute(nothing);
      leave();
      await last;
    },
  },
];

function lines(rivals) {
  const size = (n) => `${n / 1e3}k`;
  const [short, middle, long] = [1e4, 4e4, 16e4];
  const all = libraries(rivals).map((library) => ({ ...library, most: library.isQuadratic ? middle : long }));
  const row = (libraries) => ({
    unit: 'ns',
    rounds: 3,
    anchor: `async-sema, ${size(long)}`,
    beside: libraries.map(({ name, most }) => ({ of: `${name}, ${size(most)}`, against: `${name}, ${size(short)}` })),
    contestants: libraries.flatMap(({ name, needs, run, most }) => [
      { name: `${name}, ${size(short)}`, needs, run, n: short, reps: long / short },
      { name: `${name}, ${size(most)}`, needs, run, n: most },
    ]),
  });
  return [
    {
      ...row(all),
      name: 'waiters',
      title: 'semaphore, a line of waiters behind one permit, let in one by one, per waiter',
      note: 'what grows with the length here is V8: it copies what waits as it ages; see the next row',
    },
    {
      ...row(all.filter(({ isQuadratic }) => !isQuadratic)),
      name: 'waiters-young',
      title: 'the same with a young generation that holds them all, so that V8 copies none',
      flags: ['--min-semi-space-size=128', '--max-semi-space-size=128'],
      targets: [{ of: `sluice, ${size(long)}`, against: `sluice, ${size(short)}`, most: 1.25 }],
    },
  ];
}

function weights({ sluice, twin, ...rivals }) {
  const ms = 600_000;
  const noPermit = () => new Promise(() => {});
  let kept; // whatever is looked at must not be garbage
  /** `open()` makes a semaphore whose permits are all out, and returns the function that waits for one. */
  const contestant = (name, needs, open) => ({
    name,
    needs,
    sample: heldBy(async (n, look) => {
      const wait = await open();
      const waiting = new Array(n).fill(null);
      kept = { wait, waiting };
      look();
      for (let i = 0; i < n; i++) waiting[i] = wait();
      await new Promise(setImmediate);
      look();
      assert.strictEqual(kept.waiting.length, n);
      kept = undefined;
    }),
  });
  return {
    name: 'waiter-bytes',
    title: 'bytes per waiting acquire, promise and all',
    unit: 'bytes',
    n: 1e5,
    rounds: 1,
    warmups: 0,
    least: 10_000,
    alone: true,
    anchor: 'async-sema',
    note: `heap of JavaScript and memory of C; ${ms / 60_000} minutes where there is a timeout`,
    contestants: [
      contestant('pending promise alone', [], async () => noPermit),
      contestant('async-sema', ['async-sema'], async () => {
        const semaphore = new rivals['async-sema'].Sema(1);
        await semaphore.acquire();
        return () => semaphore.acquire();
      }),
      contestant('twin', [], async () => {
        const semaphore = new twin.Semaphore(1);
        await semaphore.acquire();
        return () => semaphore.acquire();
      }),
      contestant('sluice', ['sluice.Semaphore'], async () => {
        const semaphore = new sluice.Semaphore(1);
        await semaphore.acquire();
        return () => semaphore.acquire();
      }),
      contestant('sluice, with timeout', ['sluice.Semaphore'], async () => {
        const semaphore = new sluice.Semaphore(1);
        await semaphore.acquire();
        return () => semaphore.acquire({ timeout: ms });
      }),
      contestant('sluice, with timeout and signal', ['sluice.Semaphore'], async () => {
        const semaphore = new sluice.Semaphore(1);
        await semaphore.acquire();
        const { signal } = new AbortController();
        return () => semaphore.acquire({ timeout: ms, signal });
      }),
      contestant('async-mutex', ['async-mutex'], async () => {
        const semaphore = new rivals['async-mutex'].Semaphore(1);
        await semaphore.acquire();
        return () => semaphore.acquire();
      }),
      contestant('async-mutex, with timeout', ['async-mutex'], async () => {
        const semaphore = rivals['async-mutex'].withTimeout(new rivals['async-mutex'].Semaphore(1), ms);
        await semaphore.acquire();
        return () => semaphore.acquire();
      }),
      contestant('p-limit', ['p-limit'], async () => {
        const limit = rivals['p-limit'](1);
        limit(noPermit);
        return () => limit(noPermit);
      }),
      contestant('cockatiel', ['cockatiel'], async () => {
        const bulkhead = rivals.cockatiel.bulkhead(1, Infinity);
        bulkhead.execute(noPermit);
        return () => bulkhead.execute(noPermit);
      }),
    ],
  };
}

module.exports = (rivals) => [uncontended(rivals), contended(rivals), ...lines(rivals), weights(rivals)];
