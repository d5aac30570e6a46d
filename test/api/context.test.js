'use strict';

// Whose call it is: the async context and the stack of the caller, and calls within calls.

const assert = require('node:assert/strict');
const timers = require('node:timers/promises');

const { allSettled, execute, mapSettled, mapWithLimit, retry, sleep, stop, withTimeout } = require('../..');
const { I, ints } = require('../../lib/engine');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { VirtualClock, forEachTest } = require('../support/virtual-clock');

const WANTS_TURN = 2; // of the word WAITING
const never = () => new Promise(() => {});
const noop = () => {};
const none = { jitter: 'none' };
const slowly = { max: 1, per: 3, burst: 1 };

/** What is tried on the virtual clock, where somebody else's context brings the time, and on the loop's own. */
class RealTime {
  sleep = timers.setTimeout;
  setTimeout = setTimeout;
  over = (promise) => promise;
  restore() {}
  reset() {}
}

class TestedTime extends VirtualClock {
  async over(promise) {
    let isSettled = false;
    const done = () => (isSettled = true);
    promise.then(done, done);
    await this.runUntil(() => isSettled);
    while (!isSettled && ints[I.WAITING] & WANTS_TURN) {
      await this.settleInstant(); // who yielded goes on
      await this.runUntil(() => isSettled);
    }
    assert.ok(isSettled, 'it is pending, and nothing is due');
    return promise;
  }
}

const times = { 'a virtual clock': () => new TestedTime(), "the loop's own time": () => new RealTime() };

async function* asyncly(values) {
  yield* values;
}

describe('async context', () => {
  const storage = new AsyncLocalStorage();

  // What user code sees is what (see, time) => promise has it see: `see` is called so often, and each time in the
  // caller's context.
  const scenarios = {
    'mapper, first calls': [(see) => mapWithLimit([1, 2], 2, see), 2],
    'mapper, later items': [
      (see, time) => mapWithLimit([1, 2, 3], 1, () => (see(), time.sleep(1)), { timeout: 1000 }),
      3,
    ],
    'mapper, later items that are plain': [(see) => mapWithLimit([1, 2, 3], 1, see), 3],
    'mapper, items of an async iterable': [
      (see, time) => mapWithLimit(asyncly([1, 2, 3]), 1, () => (see(), time.sleep(1))),
      3,
    ],
    'mapper, items that are promises': [(see, time) => mapWithLimit([time.sleep(1), time.sleep(2)], 2, see), 2],
    'mapper, retried at once': [
      (see) => mapWithLimit([1], 1, failingTwice(see), { retry: { retries: 2, delay: 0 } }),
      3,
    ],
    'mapper, retried after a backoff': [
      (see) => mapWithLimit([1], 1, failingTwice(see), { retry: { retries: 2, delay: 1 } }),
      3,
    ],
    'mapper, retried after a timeout': [
      (see) =>
        mapWithLimit([1], 1, (_item, _index, { attempt }) => (see(), attempt < 3 ? never() : 1), {
          timeout: 2,
          retry: { retries: 2, delay: 0 },
        }),
      3,
    ],
    'mapper, retried after a timeout and a backoff': [
      (see) =>
        mapWithLimit([1], 1, (_item, _index, { attempt }) => (see(), attempt < 3 ? never() : 1), {
          timeout: 2,
          retry: { retries: 2, delay: 1 },
        }),
      3,
    ],
    'mapper, next items in the lane after a timeout': [
      (see) =>
        mapWithLimit([1, 2, 3], 1, (item, _index, { attempt }) => (see(), item + attempt === 2 ? never() : 1), {
          timeout: 2,
          retry: { retries: 1, delay: 0 },
        }),
      4,
    ],
    'mapper, after a yield': [(see) => mapWithLimit(Array(40).fill(0), 3, see, { yieldAfter: 0 }), 40],
    'mapper, after a yield, of an iterable': [
      (see) => mapWithLimit(Array(40).fill(0).values(), 3, see, { yieldAfter: 0 }),
      40,
    ],
    'mapper, after a wait for a token': [(see) => mapWithLimit([1, 2, 3], 3, see, { rate: slowly }), 3],
    'mapper, after a wait for a token, of an iterable': [
      (see) => mapWithLimit([1, 2, 3].values(), 3, see, { rate: slowly }),
      3,
    ],
    'mapper, after a wait for a token, of an async iterable': [
      (see) => mapWithLimit(asyncly([1, 2, 3]), 3, see, { rate: slowly }),
      3,
    ],
    'mapper, retried after a wait for a token': [
      (see) => mapWithLimit([1], 1, failingTwice(see), { rate: slowly, retry: { retries: 2, delay: 0 } }),
      3,
    ],
    'mapper, after an abandoned attempt has ended': [
      (see, time) => mapSettled([1, 2], 1, () => (see(), time.sleep(6)), { timeout: 2, maxAbandoned: 0 }),
      2,
    ],
    'mapper, next items in the lane after an item timeout': [
      (see) => mapSettled([1, 2, 3], 1, (item) => (see(), item === 3 ? item : never()), { itemTimeout: 2 }),
      3,
    ],
    'mapper, next items in the lane after a failure': [
      (see, time) => mapSettled([1, 2, 3], 1, () => (see(), time.sleep(1).then(() => Promise.reject(0)))),
      3,
    ],
    'the callbacks of a retry policy': [(see) => mapWithLimit([1], 1, failingTwice(noop), { retry: asking(see) }), 8],
    'the callbacks of a retry policy, after a timeout': [
      (see) => rejection(mapWithLimit([1], 1, never, { timeout: 2, retry: asking(see) })),
      8,
    ],
    "the callbacks of retry's policy": [(see) => retry((ctx) => failingTwice(noop)(0, 0, ctx), asking(see)), 8],
    'execute, after a timeout': [
      (see) => execute(({ attempt }) => (see(), attempt < 3 ? never() : 1), { retries: 2, delay: 1, timeout: 2 }),
      3,
    ],
    "ctx.signal's listener, its item timed out": [
      (see) => rejection(mapWithLimit([1], 1, listening(see), { itemTimeout: 2 })),
      1,
    ],
    "ctx.signal's listener, the call drains": [
      (see, time) =>
        rejection(
          mapWithLimit([1, 2], 2, (item, index, ctx) => (listening(see)(item, index, ctx), time.sleep(60)), {
            drain: true,
            totalTimeout: 2,
          }),
        ),
      2,
    ],
    'onProgress, after a drain': [
      (see, time) =>
        rejection(
          mapWithLimit([1], 1, () => time.sleep(60), {
            drain: true,
            totalTimeout: 2,
            onProgress: once(({ done }) => done === 1, see),
          }),
        ),
      1,
    ],
    "an iterator's next(), after a wait for a token": [
      (see) => mapWithLimit(counting(see, Symbol.iterator), 1, noop, { rate: slowly }),
      4,
    ],
    "an iterator's return(), on a stop": [
      (see, time) => {
        const items = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 1 }), return: see }) };
        return mapWithLimit(items, 1, () => time.sleep(1).then(() => stop));
      },
      1,
    ],
    'retry, positional': [(see) => retry((ctx) => failingTwice(see)(0, 0, ctx), 2, 1), 3],
    'retry, positional, at once': [(see) => retry((ctx) => failingTwice(see)(0, 0, ctx), 2, 0), 3],
    'retry, options': [(see) => retry((ctx) => failingTwice(see)(0, 0, ctx), { retries: 2, delay: 1 }), 3],
    'retry, after a timeout': [
      (see) => retry(({ attempt }) => (see(), attempt < 3 ? never() : 1), { retries: 2, delay: 1, timeout: 2 }),
      3,
    ],
    'withTimeout, work': [(see) => withTimeout(see, 5), 1],
    'withTimeout, fallback': [(see) => withTimeout(never(), { timeout: 2, fallback: see }), 1],
    'withTimeout, fallback of a function': [(see) => withTimeout(never, { timeout: 2, fallback: see }), 1],
    "a thenable's then": [(see) => mapWithLimit([1, 2], 1, () => ({ then: (resolve) => (see(), resolve()) })), 2],
    "an item's then": [
      (see) =>
        mapWithLimit([{ then: (resolve) => (see(), resolve()) }, { then: (resolve) => (see(), resolve()) }], 1, noop),
      2,
    ],
    "allSettled, an element's then": [(see) => allSettled([{ then: (resolve) => (see(), resolve()) }]), 1],
    onProgress: [
      (see) => {
        const { promise, resolve } = deferred();
        return mapWithLimit([1], 1, () => promise, { onProgress: () => (see(), resolve()) });
      },
      2,
    ],
    'onProgress, before it fails on its total time': [
      (see) =>
        rejection(
          mapWithLimit([1], 1, never, { totalTimeout: 4, onProgress: once((progress) => progress.started === 1, see) }),
        ),
      1,
    ],
    'onProgress of allSettled': [
      (see) => {
        const { promise, resolve } = deferred();
        return allSettled([promise], { onProgress: () => (see(), resolve()) });
      },
      2,
    ],
    "an iterator's next()": [(see, time) => mapWithLimit(counting(see, Symbol.iterator), 1, () => time.sleep(1)), 4],
    "an iterator's next(), after a yield": [
      (see) => mapWithLimit(counting(see, Symbol.iterator), 1, noop, { yieldAfter: 0 }),
      4,
    ],
    "an async iterator's next()": [
      (see, time) => mapWithLimit(counting(see, Symbol.asyncIterator), 1, () => time.sleep(1)),
      4,
    ],
    "an iterator's return(), on the total time": [
      (see) => {
        const items = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 1 }), return: see }) };
        return rejection(mapWithLimit(items, 1, never, { totalTimeout: 2 }));
      },
      1,
    ],
    "ctx.signal's listener, its attempt timed out": [
      (see) => rejection(mapWithLimit([1], 1, listening(see), { timeout: 2 })),
      1,
    ],
    "ctx.signal's listener, its attempt timed out and is retried": [
      (see) =>
        mapWithLimit([1], 1, (...args) => (args[2].attempt === 2 ? 1 : listening(see)(...args)), {
          timeout: 2,
          retry: { retries: 1, delay: 1 },
        }),
      1,
    ],
    "ctx.signal's listener, the total time is over": [
      (see) => rejection(mapWithLimit([1], 1, listening(see), { totalTimeout: 2 })),
      1,
    ],
    "ctx.signal's listener, another item failed": [
      (see, time) =>
        rejection(
          mapWithLimit([1, 2], 2, (item, index, ctx) =>
            item === 1 ? listening(see)(item, index, ctx) : time.sleep(1).then(() => Promise.reject(0)),
          ),
        ),
      1,
    ],
    "ctx.signal's listener, a backoff would outlive the total time": [
      (see, time) =>
        rejection(
          mapWithLimit(
            [1, 2],
            2,
            (item, index, ctx) =>
              item === 1 ? listening(see)(item, index, ctx) : time.sleep(1).then(() => Promise.reject(0)),
            { totalTimeout: 50, retry: { retries: 1, delay: 1000, ...none } },
          ),
        ),
      1,
    ],
    "ctx.signal's listener, the caller's signal is aborted by somebody else": [
      (see, time, abortLater) => rejection(mapWithLimit([1], 1, listening(see), { signal: abortLater() })),
      1,
    ],
    "ctx.signal's listener of withTimeout": [(see) => rejection(withTimeout((ctx) => listening(see)(0, 0, ctx), 2)), 1],
    "ctx.signal's listener of withTimeout, the caller's signal is aborted by somebody else": [
      (see, time, abortLater) =>
        rejection(withTimeout((ctx) => listening(see)(0, 0, ctx), { timeout: 1000, signal: abortLater() })),
      1,
    ],
    "ctx.signal's listener of retry": [
      (see) => rejection(retry((ctx) => listening(see)(0, 0, ctx), { retries: 0, timeout: 2 })),
      1,
    ],
    'what comes after an await': [
      async (see) => {
        await sleep(1);
        see();
        await withTimeout(never(), 1, 'fallback');
        see();
        await mapWithLimit([1], 1, never, { timeout: 1 }).catch(see);
      },
      3,
    ],
  };

  /** Two retries, each of which asks four times. */
  function asking(see) {
    return {
      retries: 2,
      retryIf: () => (see(), true),
      backoff: () => (see(), 1),
      retryAfter: async () => void see(),
      onRetry: () => see(),
    };
  }

  function failingTwice(see) {
    return async (_item, _index, { attempt }) => {
      see();
      if (attempt < 3) throw new Error('again');
    };
  }

  function listening(see) {
    return (_item, _index, { signal }) => {
      signal.addEventListener('abort', () => see());
      return never();
    };
  }

  function counting(see, symbol) {
    let i = 0;
    const result = () => ({ done: i++ === 3, value: i });
    return {
      [symbol]: () => ({ next: () => (see(), symbol === Symbol.iterator ? result() : Promise.resolve(result())) }),
    };
  }

  function once(condition, see) {
    let isSeen = false;
    return (progress) => {
      if (isSeen || !condition(progress)) return;
      isSeen = true;
      see();
    };
  }

  for (const [name, makeTime] of Object.entries(times)) {
    describe(`of the caller, on ${name}`, () => {
      const time = forEachTest(makeTime());

      for (const [scenario, [run, count]] of Object.entries(scenarios)) {
        it(`${scenario}; two callers do not mix`, async () => {
          const seen = { a: [], b: [] };
          const call = (caller) =>
            storage.run(caller, () => {
              const see = () => void seen[caller].push(storage.getStore());
              return run(see, time, () => {
                const controller = new AbortController();
                storage.run('somebody', () => time.setTimeout(() => controller.abort('somebody'), 1));
                return controller.signal;
              });
            });
          await storage.run('nobody', () => time.over(Promise.all([call('a'), call('b')])));
          for (const caller of ['a', 'b']) assert.deepEqual(seen[caller], Array(count).fill(caller));
        });
      }
    });
  }

  it('an abort by a caller in his own context reaches each call in its own', async () => {
    const controller = new AbortController();
    const seen = [];
    const call = (caller) =>
      storage.run(caller, () => {
        const mapper = listening(() => seen.push([caller, storage.getStore()]));
        return rejection(mapWithLimit([1], 1, mapper, { signal: controller.signal }));
      });
    const calls = ['a', 'b', 'c'].map(call);
    storage.run('aborter', () => controller.abort());
    await Promise.all(calls);
    assert.deepEqual(
      seen.sort(),
      ['a', 'b', 'c'].map((caller) => [caller, caller]),
    );
  });

  it('the yield that the scenarios rely on gives the loop its turn', async () => {
    let turns = 0;
    const count = () => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await mapWithLimit(Array(40).fill(0), 3, noop, { yieldAfter: 0 });
    clearImmediate(immediate);
    assert.ok(turns > 1, `${turns} turns`);
  });
});

describe('stack traces', () => {
  /** Its error is made here, at once or after an await. */
  const raise = () => {
    throw new Error('raised');
  };
  const raiseLater = async () => {
    await undefined;
    throw new Error('raised');
  };
  const raiseDeep = async (time) => {
    await time.sleep(1);
    await raiseLater();
  };

  const options = {
    'no options': {},
    timeout: { timeout: 1000 },
    'timeout and retry': { timeout: 1000, retry: { retries: 1, delay: 1 } },
    retry: { retry: { retries: 1, delay: 1 } },
    'retry at once': { retry: { retries: 1, delay: 0 } },
    everything: {
      timeout: 1000,
      totalTimeout: 10_000,
      retry: { retries: 1, delay: 1 },
      signal: new AbortController().signal,
      onProgress: noop,
    },
    'yieldAfter: 0': { yieldAfter: 0 },
    rate: { rate: { max: 1, per: 2, burst: 1 } },
    itemTimeout: { itemTimeout: 1000 },
    drain: { drain: true, timeout: 1000 },
    maxAbandoned: { maxAbandoned: 0, timeout: 1000 },
    'retry with callbacks': { retry: { retries: 1, retryIf: () => true, backoff: () => 1, onRetry: noop } },
  };
  const raisers = { 'at once': raise, 'after an await': raiseLater, 'after a timer': raiseDeep };
  const sources = {
    array: (items) => items,
    iterable: (items) => items.values(),
    'async iterable': asyncly,
    'array of promises': (items) => items.map((item) => Promise.resolve(item)),
  };

  async function reasonOfLast(call) {
    const outcomes = await call;
    throw outcomes.at(-1).reason;
  }

  const scenarios = {};
  for (const [given, policy] of Object.entries(options)) {
    for (const [when, raiser] of Object.entries(raisers)) {
      for (const [source, wrap] of Object.entries(sources)) {
        for (const [position, index] of Object.entries({ 'a first item': 1, 'a later item': 5 })) {
          scenarios[`mapper, ${given}, ${source}, ${position}, ${when}`] = (time) =>
            mapWithLimit(
              wrap([0, 1, 2, 3, 4, 5, 6]),
              2,
              (item) => (item === index ? raiser(time) : time.sleep(1)),
              policy,
            );
        }
      }
    }
  }
  for (const [when, raiser] of Object.entries(raisers)) {
    Object.assign(scenarios, {
      [`mapper, in a fresh lane after a timeout, ${when}`]: (time) =>
        mapWithLimit([0], 1, (_item, _index, { attempt }) => (attempt === 1 ? never() : raiser(time)), {
          timeout: 3,
          retry: { retries: 1, delay: 0 },
        }),
      [`mapper, in a fresh lane after a timeout and a backoff, ${when}`]: (time) =>
        mapWithLimit([0], 1, (_item, _index, { attempt }) => (attempt === 1 ? never() : raiser(time)), {
          timeout: 3,
          retry: { retries: 1, delay: 1 },
        }),
      [`mapper, an item after the one that timed out, ${when}`]: (time) =>
        mapWithLimit(
          [0, 1, 2],
          1,
          (item, _index, { attempt }) => {
            if (item === 2) return raiser(time);
            return attempt === 1 ? never() : item;
          },
          { timeout: 3, retry: { retries: 1, delay: 0 } },
        ),
      [`mapper, in the lane after an item timeout, ${when}`]: (time) =>
        reasonOfLast(mapSettled([0, 1], 1, (item) => (item === 0 ? never() : raiser(time)), { itemTimeout: 3 })),
      [`mapper, after an abandoned attempt has ended, ${when}`]: (time) =>
        reasonOfLast(
          mapSettled([0, 1], 1, (item) => (item === 0 ? time.sleep(5) : raiser(time)), { timeout: 2, maxAbandoned: 0 }),
        ),
      [`mapSettled, ${when}`]: (time) => reasonOfLast(mapSettled([0, 1], 1, (item) => item && raiser(time))),
      [`stopOnError: false, ${when}`]: async (time) => {
        const call = mapWithLimit([0, 1], 1, (item) => item && raiser(time), { stopOnError: false });
        try {
          await call;
        } catch ({ errors }) {
          throw errors[0];
        }
      },
      [`execute, ${when}`]: async (time) => {
        throw (await execute(() => raiser(time), { retries: 1, delay: 1, onRetry: noop })).error;
      },
      [`mapper, plain values before it, after a yield, ${when}`]: (time) =>
        mapWithLimit(Array(50).fill(0), 2, (_item, index) => (index === 49 ? raiser(time) : 0), { yieldAfter: 0 }),
      [`retry, positional, first attempt, ${when}`]: (time) => retry(() => raiser(time), 0, 1),
      [`retry, positional, last attempt, ${when}`]: (time) => retry(() => raiser(time), 2, 1),
      [`retry, positional, last attempt at once, ${when}`]: (time) => retry(() => raiser(time), 2, 0),
      [`retry, options, ${when}`]: (time) => retry(() => raiser(time), { retries: 2, delay: 1 }),
      [`retry, options with a timeout, ${when}`]: (time) =>
        retry(() => raiser(time), { retries: 2, delay: 1, timeout: 1000 }),
      [`retry, after a timeout, ${when}`]: (time) =>
        retry(({ attempt }) => (attempt === 1 ? never() : raiser(time)), { retries: 1, delay: 1, timeout: 3 }),
      [`withTimeout, a function, ${when}`]: (time) => withTimeout(() => raiser(time), 1000),
      [`withTimeout, a function, Infinity, ${when}`]: (time) => withTimeout(() => raiser(time), Infinity),
      [`withTimeout, a function, options, ${when}`]: (time) =>
        withTimeout(() => raiser(time), { timeout: 1000, signal: new AbortController().signal, label: 'work' }),
    });
    if (raiser === raise) continue;
    scenarios[`withTimeout, a promise, ${when}`] = (time) => withTimeout(raiser(time), 1000);
    scenarios[`withTimeout, a promise, Infinity, ${when}`] = (time) => withTimeout(raiser(time), Infinity);
    scenarios[`withTimeout, a promise, options, ${when}`] = (time) =>
      withTimeout(raiser(time), { timeout: 1000, signal: new AbortController().signal });
  }

  for (const [name, makeTime] of Object.entries(times)) {
    describe(`name the caller, on ${name}`, () => {
      const time = forEachTest(makeTime());

      async function whoAsksForTrouble(run) {
        await run(time);
      }

      // Grouped by what they read from, as they are many: a failure names all those that are wrong.
      const groups = new Map();
      for (const key of Object.keys(scenarios)) {
        const parts = key.split(', ');
        const group = parts.length === 5 ? `${parts[0]} of an ${parts[2]}` : parts.slice(0, -1).join(', ');
        groups.set(group, [...(groups.get(group) ?? []), key]);
      }
      for (const [group, keys] of groups) {
        it(`${group}: ${keys.length} ways`, async () => {
          const wrong = [];
          const calls = keys.map(async (key) => {
            const error = await rejection(whoAsksForTrouble(scenarios[key]));
            assert.equal(error.message, 'raised', key);
            if (!error.stack.includes('whoAsksForTrouble')) wrong.push(`${key}\n${error.stack}`);
          });
          await time.over(Promise.all(calls));
          assert.deepEqual(wrong, []);
        });
      }
    });
  }
});

describe('re-entrancy', () => {
  const clock = forEachTest(new TestedTime());
  afterEach(assertNothingLeft);

  /** Calls everything there is, and gives the promise of all outcomes. */
  function everything() {
    const controller = new AbortController();
    const flaky = ({ attempt }) => (attempt < 3 ? Promise.reject(new Error('again')) : 'tried');
    const calls = [
      mapWithLimit([1, 2, 3], 2, (item) => item * 2, { timeout: 50, totalTimeout: 500, retry: 1, onProgress: noop }),
      mapWithLimit(new Set([1, 2]), 1, async (item) => item, { discard: true }),
      mapWithLimit(asyncly([1, 2]), 1, async (item) => item),
      mapWithLimit([1], 1, never, { timeout: 2 }).catch(({ scope }) => scope),
      mapWithLimit([1], 1, never, { signal: controller.signal }).catch((reason) => reason),
      mapSettled([1, 2], 1, (item) => (item === 1 ? Promise.reject('no') : item), { rate: 1000, drain: true }),
      mapWithLimit([1, 2, 3], 1, (item) => (item === 2 ? stop : item), { itemTimeout: 50, maxAbandoned: 0 }),
      execute(flaky, { retries: 2, delay: 1, retryIf: () => true }).then(({ success, attempts }) => [
        success,
        attempts,
      ]),
      withTimeout(Promise.resolve('in time'), 50),
      withTimeout(never(), 3, 'fallback'),
      withTimeout(never, { timeout: 3, fallback: () => 'called', signal: new AbortController().signal }),
      retry(flaky, 2, 0),
      retry(flaky, { retries: 2, delay: 1 }),
      allSettled([1, Promise.resolve(2)]),
      allSettled([never()], { totalTimeout: 2 }).then(([{ status }]) => status),
      sleep(1),
      sleep(1000, { signal: controller.signal }).catch((reason) => reason),
    ];
    controller.abort('enough');
    return Promise.all(calls);
  }
  const EVERYTHING = [
    [2, 4, 6],
    2,
    [1, 2],
    'attempt',
    'enough',
    [
      { status: 'rejected', reason: 'no' },
      { status: 'fulfilled', value: 2 },
    ],
    [1],
    [true, 3],
    'in time',
    'fallback',
    'called',
    'tried',
    'tried',
    [
      { status: 'fulfilled', value: 1 },
      { status: 'fulfilled', value: 2 },
    ],
    'rejected',
    undefined,
    'enough',
  ];

  const source = (symbol, nested, place) => ({
    [symbol]() {
      if (place === 'take') nested();
      let i = 0;
      return {
        next() {
          if (place === 'next') nested();
          const result = { done: i === 4, value: i++ };
          return symbol === Symbol.iterator ? result : Promise.resolve(result);
        },
        return() {
          if (place === 'return') nested();
          return {};
        },
      };
    },
  });
  const double = (item) => item * 2;
  const doubled = [0, 2, 4, 6];
  const settled = [0, 1].map((value) => ({ status: 'fulfilled', value }));

  // (nested) => [promise, what it comes to]; nested() is called where the name says.
  const places = {
    'a mapper': (nested) => [mapWithLimit([0, 1, 2, 3], 2, (item) => (nested(), double(item))), doubled],
    'a mapper, after an await': (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, async (item) => (await undefined, nested(), double(item)), { timeout: 50 }),
      doubled,
    ],
    'a mapper that is retried': (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, retried(nested), { timeout: 50, retry: { retries: 1, delay: 1 } }),
      doubled,
    ],
    'a mapper in a fresh lane': (nested) => [
      mapWithLimit(
        [0, 1, 2, 3],
        2,
        (item, _index, { attempt }) => (attempt === 1 ? never() : (nested(), double(item))),
        {
          timeout: 2,
          retry: { retries: 1, delay: 0 },
        },
      ),
      doubled,
    ],
    'a mapper, after a yield': (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, (item) => (nested(), double(item)), { yieldAfter: 0 }),
      doubled,
    ],
    'a mapper, after a wait for a token': (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, (item) => (nested(), double(item)), { rate: slowly }),
      doubled,
    ],
    'the callbacks of a retry policy': (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, retried(noop), {
        retry: { retries: 1, retryIf: () => (nested(), true), backoff: () => (nested(), 1), onRetry: () => nested() },
      }),
      doubled,
    ],
    "ctx.signal's listener, the call drains": (nested) => [
      mapWithLimit(
        [0, 1],
        2,
        (_item, _index, { signal }) => {
          signal.addEventListener('abort', nested);
          return clock.sleep(4);
        },
        { totalTimeout: 2, drain: true },
      ).catch(({ scope }) => scope),
      'total',
    ],
    'return(), on a stop': (nested) => [
      mapWithLimit(source(Symbol.iterator, nested, 'return'), 2, (item) => (item === 2 ? stop : item)),
      [0, 1],
    ],
    onProgress: (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, (item) => clock.sleep(1).then(() => double(item)), { onProgress: () => nested() }),
      doubled,
    ],
    'onProgress, the last one': (nested) => [mapWithLimit([], 1, noop, { onProgress: () => nested() }), []],
    "ctx.signal's listener, another item failed": (nested) => [
      mapWithLimit([0, 1, 2], 3, (item, _index, { signal }) => {
        signal.addEventListener('abort', nested);
        return item === 2 ? clock.sleep(1).then(() => Promise.reject('failed')) : never();
      }).catch((reason) => reason),
      'failed',
    ],
    "ctx.signal's listener, its attempt timed out": (nested) => [
      mapWithLimit(
        [0, 1, 2, 3],
        2,
        (item, _index, { attempt, signal }) => {
          signal.addEventListener('abort', nested);
          return attempt === 1 ? never() : double(item);
        },
        { timeout: 2, retry: { retries: 1, delay: 0 } },
      ),
      doubled,
    ],
    "ctx.signal's listener, the total time is over": (nested) => [
      mapWithLimit(
        [0, 1],
        2,
        (_item, _index, { signal }) => {
          signal.addEventListener('abort', nested);
          return never();
        },
        { totalTimeout: 2 },
      ).catch(({ scope }) => scope),
      'total',
    ],
    "a listener on the caller's signal": (nested) => {
      const controller = new AbortController();
      controller.signal.addEventListener('abort', nested);
      clock.setTimeout(() => controller.abort('over'), 2);
      return [mapWithLimit([0, 1], 2, never, { signal: controller.signal }).catch((reason) => reason), 'over'];
    },
    'Symbol.iterator': (nested) => [mapWithLimit(source(Symbol.iterator, nested, 'take'), 2, double), doubled],
    'next()': (nested) => [mapWithLimit(source(Symbol.iterator, nested, 'next'), 2, double), doubled],
    'return()': (nested) => [
      mapWithLimit(source(Symbol.iterator, nested, 'return'), 2, () => Promise.reject('no')).catch((reason) => reason),
      'no',
    ],
    'Symbol.asyncIterator': (nested) => [
      mapWithLimit(source(Symbol.asyncIterator, nested, 'take'), 2, double),
      doubled,
    ],
    'an async next()': (nested) => [mapWithLimit(source(Symbol.asyncIterator, nested, 'next'), 2, double), doubled],
    'an async return()': (nested) => [
      mapWithLimit(source(Symbol.asyncIterator, nested, 'return'), 2, () => Promise.reject('no')).catch(
        (reason) => reason,
      ),
      'no',
    ],
    "a result's then": (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, (item) => ({ then: (resolve) => (nested(), resolve(double(item))) })),
      doubled,
    ],
    "a getter of a result's then": (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, (item) => ({
        get then() {
          nested();
          return (resolve) => resolve(double(item));
        },
      })),
      doubled,
    ],
    "an item's then": (nested) => [
      mapWithLimit(
        [0, 1, 2, 3].map((item) => ({ then: (resolve) => (nested(), resolve(item)) })),
        2,
        double,
      ),
      doubled,
    ],
    "an array's getter": (nested) => {
      const items = [0, 1, 2, 3];
      Object.defineProperty(items, 2, {
        get() {
          nested();
          return 2;
        },
      });
      return [mapWithLimit(items, 2, double), doubled];
    },
    'an option that is a getter': (nested) => [
      mapWithLimit([0, 1, 2, 3], 2, double, {
        get timeout() {
          nested();
          return 50;
        },
      }),
      doubled,
    ],
    "retry's fn": (nested) => [retry(({ attempt }) => retried(nested)(1, 0, { attempt }), 1, 1), 2],
    "retry's fn, options": (nested) => [
      retry(({ attempt }) => retried(nested)(1, 0, { attempt }), { retries: 1, delay: 0, timeout: 50 }),
      2,
    ],
    "withTimeout's work": (nested) => [withTimeout(() => (nested(), 'value'), 50), 'value'],
    "withTimeout's work, a thenable": (nested) => [
      withTimeout({ then: (resolve) => (nested(), resolve('value')) }, 50),
      'value',
    ],
    "withTimeout's fallback": (nested) => [
      withTimeout(never, { timeout: 2, fallback: () => (nested(), 'fallback') }),
      'fallback',
    ],
    'the iterable of allSettled': (nested) => [
      allSettled(
        (function* () {
          nested();
          yield 0;
          nested();
          yield 1;
        })(),
      ),
      settled,
    ],
    'the iterable of allSettled with options': (nested) => [
      allSettled(
        (function* () {
          nested();
          yield 0;
          nested();
          yield 1;
        })(),
        { totalTimeout: 50 },
      ),
      settled,
    ],
    'an element of allSettled': (nested) => [
      allSettled([0, { then: (resolve) => (nested(), resolve(1)) }], { totalTimeout: 50 }),
      settled,
    ],
  };

  function retried(nested) {
    return async (item, _index, { attempt }) => {
      nested();
      if (attempt === 1) throw new Error('again');
      return item * 2;
    };
  }

  for (const [place, run] of Object.entries(places)) {
    it(`every function may be called in ${place}`, async () => {
      const inner = [];
      const reasons = await unhandledDuring(async () => {
        const [promise, expected] = run(() => void inner.push(everything()));
        assert.deepEqual(await clock.over(promise), expected);
        assert.ok(inner.length > 0);
        for (const outcomes of await clock.over(Promise.all(inner))) assert.deepEqual(outcomes, EVERYTHING);
      });
      assert.deepEqual(reasons, []);
    });
  }

  it('a call within a call within a call, a hundred deep', async () => {
    const nest = (depth) => (depth === 0 ? 'bottom' : mapWithLimit([depth], 1, () => nest(depth - 1)));
    const result = await nest(100);
    assert.deepEqual(result.flat(Infinity), ['bottom']);
    await turn();
  });
});
