'use strict';

// What keeps a process alive, and what does not. Each case runs in a process of its own, which then ends by itself.
//
//   run(log)   starts it; log(word) is for what happens
//   log        what happens before the process ends, in order
//   atLeast    the process lives that many milliseconds
//   beforeExit how often the loop runs dry; 1 unless it says otherwise
//
// What must not keep the process alive would do so for an hour.

const { mapWithLimit, allSettled, retry, sleep, withTimeout } = require('../../lib/index.js');
const coordination = require('./liveness-coordination');
const { HOUR, failing, never, tell } = require('./world');

const backoff = (delay, more) => ({ retries: 1, delay, maxDelay: HOUR, jitter: 'none', ...more });

const keepsAlive = {
  'a pending withTimeout': {
    run: (log) => tell(log, withTimeout(never(), 60)),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a pending withTimeout with a fallback': {
    run: (log) => tell(log, withTimeout(never(), { timeout: 60, fallback: () => 'late' })),
    log: ['fulfilled: late'],
    atLeast: 60,
  },
  'a pending withTimeout of 0 ms': { run: (log) => tell(log, withTimeout(never(), 0)), log: ['TimeoutError'] },
  'a withTimeout that is held, because the loop was blocked when it was due,': {
    run: (log) => {
      tell(log, withTimeout(never(), 20));
      setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60), 1);
    },
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a sleep': { run: (log) => tell(log, sleep(60)), log: ['fulfilled: undefined'], atLeast: 60 },
  'a sleep of 0 ms': { run: (log) => tell(log, sleep(0)), log: ['fulfilled: undefined'] },
  'a retry in backoff': {
    run: (log) => tell(log, retry(failing, 1, 60)),
    log: ['again'],
    atLeast: 60,
  },
  'a retry in backoff, opened with options,': {
    run: (log) => tell(log, retry(failing, backoff(60, { timeout: HOUR, totalTimeout: HOUR }))),
    log: ['again'],
    atLeast: 60,
  },
  'an attempt timeout of retry': {
    run: (log) => tell(log, retry(never, { retries: 1, delay: 10, jitter: 'none', timeout: 30 })),
    log: ['TimeoutError'],
    atLeast: 70,
  },
  'a total timeout of retry': {
    run: (log) => tell(log, retry(never, { totalTimeout: 60 })),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'an attempt timeout of mapWithLimit': {
    run: (log) => tell(log, mapWithLimit([1, 2], 1, never, { timeout: 60 })),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a total timeout of mapWithLimit': {
    run: (log) => tell(log, mapWithLimit([1, 2], 1, never, { totalTimeout: 60 })),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'an item of mapWithLimit in backoff': {
    run: (log) => tell(log, mapWithLimit([1], 1, failing, { retry: backoff(60) })),
    log: ['again'],
    atLeast: 60,
  },
  'a total timeout of allSettled': {
    run: async (log) => {
      const [{ status, reason }] = await allSettled([never()], { totalTimeout: 60 });
      log(`${status}: ${reason.name}`);
    },
    log: ['rejected: TimeoutError'],
    atLeast: 60,
  },
  'a turn that lanes have given way to': {
    run: (log) =>
      tell(
        log,
        mapWithLimit(Array(2000).keys(), 2, async () => {}, { yieldAfter: 0, discard: true }),
      ),
    log: ['fulfilled: 2000'],
  },
  'a progress report that is due': {
    run: (log) => mapWithLimit([1, 2], 1, never, { onProgress: ({ started }) => log(`started ${started}`) }),
    log: ['started 1'],
  },
  'the longest of several sleeps, whatever was armed and settled meanwhile,': {
    run: (log) => {
      tell(log, sleep(60));
      tell(log, sleep(10));
      tell(log, withTimeout(sleep(20), HOUR));
      withTimeout(Promise.resolve(), HOUR);
    },
    log: ['fulfilled: undefined', 'fulfilled: undefined', 'fulfilled: undefined'],
    atLeast: 60,
  },
  'a sleep that a timer callback arms': {
    run: (log) => setTimeout(() => tell(log, sleep(60)), 1),
    log: ['fulfilled: undefined'],
    atLeast: 60,
  },
  'a sleep that a check callback arms': {
    run: (log) => setImmediate(() => tell(log, sleep(60))),
    log: ['fulfilled: undefined'],
    atLeast: 60,
  },
  'a sleep that follows a sleep, armed inside the wake,': {
    run: (log) =>
      tell(
        log,
        sleep(1).then(() => sleep(60)),
      ),
    log: ['fulfilled: undefined'],
    atLeast: 61,
  },
  'a sleep that "beforeExit" arms': {
    run: (log) => process.once('beforeExit', () => tell(log, sleep(60))),
    log: ['fulfilled: undefined'],
    atLeast: 60,
    beforeExit: 2,
  },
  'a sleep beside an unreferenced one': {
    run: (log) => {
      sleep(HOUR, { unref: true });
      tell(log, sleep(60));
    },
    log: ['fulfilled: undefined'],
    atLeast: 60,
  },
};

const letsGo = {
  'a withTimeout with unref': { run: (log) => tell(log, withTimeout(never(), { timeout: HOUR, unref: true })) },
  'a sleep with unref': { run: (log) => tell(log, sleep(HOUR, { unref: true })) },
  'a retry in backoff with unref': { run: (log) => tell(log, retry(failing, backoff(HOUR, { unref: true }))) },
  'an open timeout of a retry with unref': {
    run: (log) => tell(log, retry(never, { timeout: HOUR, totalTimeout: HOUR, unref: true })),
  },
  'an open timeout of a mapWithLimit with unref': {
    run: (log) => tell(log, mapWithLimit([1, 2], 1, never, { timeout: HOUR, totalTimeout: HOUR, unref: true })),
  },
  'an item in backoff of a mapWithLimit with unref': {
    run: (log) => tell(log, mapWithLimit([1], 1, failing, { retry: backoff(HOUR), unref: true })),
  },
  'the total timeout of an allSettled with unref': {
    run: (log) => tell(log, allSettled([never()], { totalTimeout: HOUR, unref: true })),
  },
  'a withTimeout with unref, while something else does not end either,': {
    run: (log) => {
      const interval = setInterval(() => {}, 1);
      tell(log, withTimeout(never(), { timeout: 10, unref: true })).then(() => clearInterval(interval));
      tell(log, withTimeout(never(), { timeout: HOUR, unref: true }));
    },
    log: ['TimeoutError'],
    atLeast: 10,
  },
  'a sleep with unref, armed inside a wake,': {
    run: (log) =>
      tell(
        log,
        sleep(1).then(() => sleep(HOUR, { unref: true })),
      ),
  },
  'a withTimeout whose promise had settled': {
    run: (log) => tell(log, withTimeout(Promise.resolve(1), HOUR)),
    log: ['fulfilled: 1'],
  },
  'a withTimeout whose promise was rejected': {
    run: (log) => tell(log, withTimeout(failing(), HOUR)),
    log: ['again'],
  },
  'a withTimeout whose promise settles later': {
    run: (log) => tell(log, withTimeout(new Promise((resolve) => setTimeout(resolve, 20, 1)), HOUR)),
    log: ['fulfilled: 1'],
    atLeast: 15, // setTimeout's own clock is coarse
  },
  'a withTimeout that was aborted': {
    run: (log) => {
      const controller = new AbortController();
      tell(log, withTimeout(never(), { timeout: HOUR, signal: controller.signal }));
      controller.abort(new Error('aborted'));
    },
    log: ['aborted'],
  },
  'a withTimeout that is aborted in a later turn': {
    run: (log) => {
      const controller = new AbortController();
      tell(log, withTimeout(never(), { timeout: HOUR, signal: controller.signal }));
      setImmediate(() => setImmediate(() => controller.abort(new Error('aborted'))));
    },
    log: ['aborted'],
  },
  'a sleep that was aborted': {
    run: (log) => {
      const controller = new AbortController();
      tell(log, sleep(HOUR, { signal: controller.signal }));
      setImmediate(() => controller.abort(new Error('aborted')));
    },
    log: ['aborted'],
  },
  'a retry that is aborted in its backoff': {
    run: (log) => {
      const controller = new AbortController();
      tell(log, retry(failing, backoff(HOUR, { signal: controller.signal })));
      setImmediate(() => controller.abort(new Error('aborted')));
    },
    log: ['aborted'],
  },
  'a retry that succeeded': {
    run: (log) =>
      tell(
        log,
        retry(() => 1, { timeout: HOUR }),
      ),
    log: ['fulfilled: 1'],
  },
  'a retry that is exhausted': {
    run: (log) => tell(log, retry(failing, { retries: 2, delay: 1, timeout: HOUR, totalTimeout: HOUR })),
    log: ['again'],
  },
  'a mapWithLimit that is done': {
    run: (log) =>
      tell(
        log,
        mapWithLimit([1, 2, 3], 2, async (x) => x, { timeout: HOUR, totalTimeout: HOUR, retry: 1 }),
      ),
    log: ['fulfilled: 1,2,3'],
  },
  'a mapWithLimit that failed beside attempts with open timeouts': {
    run: (log) =>
      tell(
        log,
        mapWithLimit([1, 2, 3], 3, (x) => (x === 3 ? failing() : never()), { timeout: HOUR, totalTimeout: HOUR }),
      ),
    log: ['again'],
  },
  'a mapWithLimit that timed out as a whole, beside open timeouts and backoffs,': {
    run: (log) =>
      tell(
        log,
        mapWithLimit([1, 2, 3], 3, (x) => (x === 3 ? failing() : never()), {
          timeout: HOUR,
          totalTimeout: 20,
          retry: { retries: 2, delay: 1, jitter: 'none', factor: 1000 },
        }),
      ),
    log: ['TimeoutError'],
  },
  'a mapWithLimit that was aborted': {
    run: (log) => {
      const controller = new AbortController();
      tell(log, mapWithLimit([1, 2], 1, never, { timeout: HOUR, signal: controller.signal, onProgress: () => {} }));
      controller.abort(new Error('aborted'));
    },
    log: ['aborted'],
  },
  'a mapWithLimit that its mapper aborts': {
    run: (log) => {
      const controller = new AbortController();
      const mapper = () => (controller.abort(new Error('aborted')), never());
      tell(log, mapWithLimit([1, 2], 1, mapper, { timeout: HOUR, signal: controller.signal }));
    },
    log: ['aborted'],
  },
  'a mapper that never settles, without a timeout,': { run: (log) => tell(log, mapWithLimit([1, 2], 1, never)) },
  'a mapper that never settles, with progress,': {
    run: () => mapWithLimit([1, 2], 1, never, { onProgress: () => {} }),
  },
  'an attempt that was abandoned': {
    run: (log) =>
      tell(
        log,
        mapWithLimit([1], 1, (_, __, { attempt }) => attempt > 1 || never(), { timeout: 5, retry: 1 }),
      ),
    log: ['fulfilled: true'],
  },
  'a source that never answers, without a total timeout,': {
    run: (log) =>
      tell(log, mapWithLimit({ [Symbol.asyncIterator]: () => ({ next: never }) }, 2, never, { timeout: HOUR })),
  },
  'a timeout of Infinity': {
    run: (log) => {
      tell(log, withTimeout(never(), Infinity));
      tell(log, withTimeout(never, { timeout: Infinity, signal: new AbortController().signal }));
      tell(log, mapWithLimit([1], 1, never, { timeout: Infinity, totalTimeout: Infinity }));
    },
  },
  'a timeout beyond all clocks': { run: (log) => tell(log, withTimeout(never(), 1e300)) },
  'the package, loaded': { run: () => {} },
};

module.exports = {
  keepsAlive: { ...keepsAlive, ...coordination.keepsAlive },
  letsGo: { ...letsGo, ...coordination.letsGo },
};
