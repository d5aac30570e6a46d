'use strict';

// How far an environment has come when it ends, and how it ends: the two sides of the matrix. Both run in a worker or on
// a main thread, on an addon that is loaded here.

const coordination = require('./coordination-stages');
const { HOUR, library, never, nextTurn } = require('./world');

/** Open for an hour, or for as long as something else keeps the environment alive. */
function openDeadline(open) {
  return (act, unref) => {
    open(library(), unref).catch(() => {});
    nextTurn(act);
  };
}

// Each calls act(), once. `unref`: nothing it leaves open may keep the environment alive.
const outside = {
  'the binary loaded, nothing attached': (act) => {
    require('../../lib/binding.js'); // not engine.js, which attaches
    act();
  },
  'required, nothing called': (act) => {
    library();
    act();
  },
  'idle after use': async (act) => {
    const { mapWithLimit, retry, sleep, withTimeout } = library();
    await mapWithLimit([1, 2, 3], 2, async (value) => value, { timeout: HOUR, onProgress: () => {} });
    await withTimeout(sleep(1), HOUR);
    await withTimeout(never(), 1, 'fallback');
    await retry(async ({ attempt }) => attempt > 1 || Promise.reject(new Error('once')), 1, 1);
    nextTurn(act);
  },
  'withTimeout pending': openDeadline(({ withTimeout }, unref) => withTimeout(never(), { timeout: HOUR, unref })),
  'mapWithLimit with timeouts pending': openDeadline(({ mapWithLimit }, unref) =>
    mapWithLimit([1, 2, 3], 2, never, { timeout: HOUR, totalTimeout: 2 * HOUR, retry: 2, unref }),
  ),
  'sleep pending': openDeadline(({ sleep }, unref) => sleep(HOUR, { unref })),
  'retry in backoff': openDeadline(({ retry }, unref) =>
    retry(() => Promise.reject(new Error('again')), { retries: 3, delay: HOUR, maxDelay: HOUR, jitter: 'none', unref }),
  ),
  'waiting for a token of a rate': openDeadline(({ mapWithLimit }, unref) =>
    mapWithLimit([1, 2], 2, never, { rate: { max: 1, per: HOUR }, itemTimeout: 2 * HOUR, unref }),
  ),
  'a drain that lasts': openDeadline(({ mapWithLimit }, unref) =>
    mapWithLimit([1, 2], 2, (item) => (item === 1 ? Promise.reject(new Error('first')) : never()), {
      timeout: HOUR,
      drain: true,
      unref,
    }),
  ),
  'deadlines armed in this very turn': (act, unref) => {
    const { mapWithLimit, sleep, withTimeout } = library();
    withTimeout(never(), { timeout: HOUR, unref });
    sleep(HOUR, { unref });
    mapWithLimit([1], 1, never, { timeout: HOUR, unref });
    act();
  },
  'a watch on': (act) => {
    library().watchLoop({ threshold: 10, log: false, onBlocked: () => {} });
    nextTurn(act);
  },
  ...coordination.outside,
};

const inWake = {
  'inside onProgress': (act) => {
    const { mapWithLimit, sleep } = library();
    let isFirst = true;
    const onProgress = () => {
      if (isFirst) act();
      isFirst = false;
    };
    mapWithLimit([1, 2], 1, () => sleep(1), { timeout: HOUR, onProgress });
  },
  'inside an abort listener': (act) => {
    const { withTimeout } = library();
    const work = ({ signal }) => {
      signal.addEventListener('abort', act);
      return never();
    };
    withTimeout(work, { timeout: 1, fallback: 'late' });
  },
  'inside an abort listener of mapWithLimit': (act) => {
    const { mapWithLimit } = library();
    const mapper = (_, index, { signal }) => {
      signal.addEventListener('abort', () => index === 0 && act());
      return never();
    };
    mapWithLimit([1, 2, 3], 2, mapper, { timeout: 1 }).catch(() => {});
  },
  'inside a fallback': (act) => {
    const { withTimeout } = library();
    withTimeout(never(), { timeout: 1, fallback: () => act() });
  },
  'inside an attempt that a backoff woke': (act) => {
    const { retry } = library();
    retry(({ attempt }) => (attempt === 1 ? Promise.reject(new Error('once')) : act()), { delay: 1, jitter: 'none' });
  },
  'inside what follows a sleep': (act) => {
    const { sleep } = library();
    sleep(1).then(act);
  },
  'inside onBlocked': (act) => {
    const watch = library().watchLoop({ threshold: 10, log: false, onBlocked });
    let isTold = false;
    function onBlocked() {
      isTold = true;
      watch.stop();
      act();
    }
    // Again and again: a thread that has no processor meanwhile takes a block for a suspended process.
    setTimeout(function block() {
      const end = Date.now() + 100;
      while (Date.now() < end);
      if (!isTold) setTimeout(block, 20);
    }, 1);
  },
  ...coordination.inWake,
};

const stages = { ...outside, ...inWake };

// Thrown in the same callback scope, but not into the hands of the package, which would make a rejection of it.
const throwUncaught = () =>
  process.nextTick(() => {
    throw new Error('thrown on purpose');
  });
const spin = () => {
  for (;;);
};

// What a worker or a main thread does at that stage. The matrix adds what its parent does, and what both see.
const endings = {
  natural: () => {},
  'process.exit()': () => process.exit(7),
  'an uncaught throw': throwUncaught,
};

module.exports = { endings, inWake, outside, spin, stages };
