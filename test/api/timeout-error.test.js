'use strict';

// TimeoutError: what it tells, in every scope and from every function that makes one; and the options that all of them
// share: `label`, `unref`, and times of any length.

const assert = require('node:assert/strict');
const vm = require('node:vm');

const { TimeoutError, allSettled, execute, mapSettled, mapWithLimit, retry, sleep, withTimeout } = require('../..');
const { runMany } = require('../support/child');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const fixed = { backoff: 'constant', jitter: 'none' };
const LONG = 2 ** 31 + 1000; // more milliseconds than setTimeout knows

async function* asyncly(values) {
  yield* values;
}

const reasonOf = ([first]) => first?.reason;
const errorOf = ({ error }) => error;

// How each function reports its error: (fn, options) => promise of the error. `fn` gets the context.
const retries = {
  retry: (fn, options) => rejection(retry(fn, options)),
  execute: (fn, options) => execute(fn, options).then(errorOf),
};
const maps = {
  'mapWithLimit, an array': (fn, options) => rejection(mapWithLimit([0, 0], 2, fn, options)),
  'mapWithLimit, an async iterable': (fn, options) => rejection(mapWithLimit(asyncly([0, 0]), 2, fn, options)),
  'mapWithLimit, with a rate': (fn, options) => rejection(mapWithLimit([0, 0], 2, fn, { rate: 1e6, ...options })),
  'mapWithLimit, stopOnError: false': (fn, options) =>
    rejection(mapWithLimit([0, 0], 2, fn, { stopOnError: false, ...options })).then(
      (error) => error.errors?.[0] ?? error,
    ),
  'mapWithLimit, drain': (fn, options) =>
    rejection(
      mapWithLimit([0, 0], 2, (item, index, ctx) => settledBy(ctx, fn(item, index, ctx)), { drain: true, ...options }),
    ),
  'mapSettled, a set': (fn, options) => mapSettled(new Set([1, 2]), 2, fn, options).then(reasonOf),
};

/** Who is told to stop does. */
function settledBy({ signal }, promise) {
  return Promise.race([promise, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
}

function describeErrors() {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);
  const cause = new Error('the last one');
  const fail = () => Promise.reject(cause);

  function told(error) {
    assert.ok(error instanceof TimeoutError && error instanceof Error, String(error?.stack ?? error));
    const { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label } = error;
    assert.deepEqual([name, code, loopBlocked], ['TimeoutError', 'ERR_SLUICE_TIMEOUT', 0]);
    assert.equal(Object.hasOwn(error, 'cause'), error.cause !== undefined, 'no cause is no property');
    return { scope, timeout, elapsed, index, attempt, label, cause: error.cause };
  }

  const expected = (fields) => ({
    index: undefined,
    attempt: undefined,
    label: undefined,
    cause: undefined,
    ...fields,
  });

  describe('scope attempt', () => {
    it('withTimeout: of its only attempt, and of no item', async () => {
      for (const call of [
        (work) => withTimeout(work, 12.5),
        (work) => withTimeout(work, { timeout: 12.5 }),
        (work) => withTimeout(work, { timeout: 12.5, signal: new AbortController().signal }),
      ]) {
        for (const work of [never(), never]) {
          const error = await rejection(over(call(work)));
          assert.deepEqual(told(error), expected({ scope: 'attempt', timeout: 12.5, elapsed: 12.5, attempt: 1 }));
          assert.equal(error.message, 'timed out after 12.5 ms: 12.5 ms had passed');
        }
      }
    });

    for (const [name, call] of Object.entries({ ...retries, ...maps })) {
      const isAlone = Object.hasOwn(retries, name);
      it(`${name}: which item, which attempt; its own time; no cause`, async () => {
        const policy = { retries: 2, delay: 100, ...fixed };
        const options = isAlone ? { ...policy, timeout: 10 } : { retry: policy, timeout: 10 };
        const error = await over(call(never, options));
        assert.deepEqual(told(error), expected({ scope: 'attempt', timeout: 10, elapsed: 10, index: 0, attempt: 3 }));
        const which = isAlone ? 'attempt 3' : 'item 0, attempt 3';
        assert.equal(error.message, `timed out after 10 ms (${which}): 10 ms had passed`);
      });
    }
  });

  describe('scope item', () => {
    for (const [name, call] of Object.entries(maps)) {
      it(`${name}: in a first attempt`, async () => {
        const error = await over(call(never, { itemTimeout: 25 }));
        assert.deepEqual(told(error), expected({ scope: 'item', timeout: 25, elapsed: 25, index: 0, attempt: 1 }));
        assert.equal(error.message, 'timed out after 25 ms (item 0, attempt 1): 25 ms had passed');
      });

      it(`${name}: in a later attempt, the cause is why the last one failed`, async () => {
        const fn = (_item, _index, { attempt }) => (attempt < 3 ? fail() : never());
        const error = await over(call(fn, { itemTimeout: 25, retry: { retries: 5, delay: 5, ...fixed } }));
        const fields = { scope: 'item', timeout: 25, elapsed: 25, index: 0, attempt: 3, cause };
        assert.deepEqual(told(error), expected(fields));
      });

      it(`${name}: in a later attempt, after one that timed out`, async () => {
        const options = { itemTimeout: 25, timeout: 10, retry: { retries: 5, delay: 5, ...fixed } };
        const { cause: last, ...error } = told(await over(call(never, options)));
        assert.deepEqual(
          { ...error, cause: undefined },
          expected({ scope: 'item', timeout: 25, elapsed: 25, index: 0, attempt: 2 }),
        );
        assert.deepEqual(told(last), expected({ scope: 'attempt', timeout: 10, elapsed: 10, index: 0, attempt: 1 }));
      });

      it(`${name}: a wait that would outlive it: at once, with the cause`, async () => {
        const fn = () => clock.sleep(6).then(fail);
        const error = await over(call(fn, { itemTimeout: 25, retry: { retries: 5, delay: 30, ...fixed } }));
        const fields = { scope: 'item', timeout: 25, elapsed: 6, index: 0, attempt: 1, cause };
        assert.deepEqual(told(error), expected(fields));
        const says = 'the wait before the next attempt would have ended after it';
        assert.equal(error.message, `timed out after 25 ms (item 0, attempt 1): 6 ms had passed, ${says}`);
      });

      it(`${name}: while a callback is asked`, async () => {
        const policy = { retries: 5, onRetry: never };
        const error = await over(call(fail, { itemTimeout: 25, retry: policy }));
        const fields = { scope: 'item', timeout: 25, elapsed: 25, index: 0, attempt: 1, cause };
        assert.deepEqual(told(error), expected(fields));
      });
    }

    it('while the item waits for a token: attempt 0, and no cause', async () => {
      const options = { rate: { max: 1, per: 1000, burst: 1 }, itemTimeout: 25 };
      const [first, second] = await over(mapSettled([1, 2], 2, (item) => item, options));
      assert.equal(first.value, 1);
      assert.deepEqual(
        told(second.reason),
        expected({ scope: 'item', timeout: 25, elapsed: 25, index: 1, attempt: 0 }),
      );
    });

    it('while a retry waits for a token: the attempt that was, and its error', async () => {
      const options = { rate: { max: 1, per: 1000, burst: 1 }, itemTimeout: 25, retry: { retries: 1, delay: 1 } };
      const [{ reason }] = await over(mapSettled([1], 2, fail, options));
      const fields = { scope: 'item', timeout: 25, elapsed: 25, index: 0, attempt: 1, cause };
      assert.deepEqual(told(reason), expected(fields));
    });

    it('no cause is left over from the item before it in the lane', async () => {
      const fn = (item) => (item === 0 ? fail() : never());
      const settled = await over(mapSettled([0, 1], 1, fn, { itemTimeout: 25 }));
      assert.deepEqual(
        told(settled[1].reason),
        expected({ scope: 'item', timeout: 25, elapsed: 25, index: 1, attempt: 1 }),
      );
    });
  });

  describe('scope total', () => {
    for (const [name, call] of Object.entries({ ...retries, ...maps })) {
      const isAlone = Object.hasOwn(retries, name);
      const given = (policy, rest) => (isAlone ? { ...policy, ...rest } : { retry: policy, ...rest });

      it(`${name}: in an attempt, in a wait, or in a callback: of no item, no attempt, and without a cause`, async () => {
        for (const [fn, policy] of [
          [never, {}],
          [fail, { retries: 5, onRetry: never }],
        ]) {
          const error = await over(call(fn, given(policy, { totalTimeout: 40 })));
          assert.deepEqual(told(error), expected({ scope: 'total', timeout: 40, elapsed: 40 }));
          assert.equal(error.message, 'timed out after 40 ms in total: 40 ms had passed');
        }
      });

      it(`${name}: over already, with the time that was given`, async () => {
        for (const totalTimeout of [0, -5]) {
          const error = await over(call(() => assert.fail('called'), given({}, { totalTimeout })));
          if (error === undefined) continue; // an iterable whose items nobody knows
          assert.deepEqual(told(error), expected({ scope: 'total', timeout: 0, elapsed: 0 }));
        }
      });

      it(`${name}: a wait that would outlive it: at once, with the cause`, async () => {
        const fn = () => clock.sleep(6).then(fail);
        const policy = { retries: 5, delay: 50, ...fixed };
        const error = await over(call(fn, given(policy, { totalTimeout: 40 })));
        const { elapsed, cause: last, ...rest } = told(error);
        if (name.includes('stopOnError')) return; // the first of them stands in an AggregateError
        assert.deepEqual([elapsed, last], [6, cause]);
        assert.deepEqual({ ...rest, elapsed, cause: undefined }, expected({ scope: 'total', timeout: 40, elapsed: 6 }));
        assert.match(error.message, /^timed out after 40 ms in total: 6 ms had passed, the wait before the next/);
      });
    }

    it('allSettled: what has not settled', async () => {
      const [first, second] = await over(allSettled([1, never()], { totalTimeout: 40 }));
      assert.deepEqual(first, { status: 'fulfilled', value: 1 });
      assert.deepEqual(told(second.reason), expected({ scope: 'total', timeout: 40, elapsed: 40 }));
    });
  });

  it('where several are over at once: the widest', async () => {
    const scopes = [];
    for (const rest of [
      { timeout: 10, itemTimeout: 10, totalTimeout: 10 },
      { timeout: 10, itemTimeout: 10 },
      { timeout: 10 },
    ]) {
      scopes.push((await rejection(over(mapWithLimit([0], 1, never, rest)))).scope);
    }
    assert.deepEqual(scopes, ['total', 'item', 'attempt']);
  });

  it('loopBlocked: how much of elapsed the loop was kept busy, and the message says so', async () => {
    for (const [scope, rest] of [
      ['attempt', { timeout: 50 }],
      ['item', { itemTimeout: 50 }],
      ['total', { totalTimeout: 50 }],
    ]) {
      clock.reset();
      const result = rejection(mapWithLimit([0], 1, never, rest));
      await clock.advance(10);
      clock.now += 30;
      clock.tell('TURN_BEGIN');
      clock.tell('TURN_END', 30e6);
      const error = await over(result);
      assert.deepEqual([error.scope, error.elapsed], [scope, 50]);
      assert.ok(Math.abs(error.loopBlocked - 30) < 1, `${error.loopBlocked} ms`);
      assert.match(error.message, /50 ms had passed, the event loop was blocked for \d+(\.\d)? ms of that$/);
    }
  });

  it('its fields are own properties, in a fixed order; name and code are of the class', async () => {
    const error = await rejection(over(withTimeout(never(), 5)));
    const fields = ['scope', 'timeout', 'elapsed', 'loopBlocked', 'index', 'attempt', 'label'];
    assert.deepEqual(Object.keys(error), fields);
    assert.deepEqual(
      Object.keys(JSON.parse(JSON.stringify(error))),
      fields.filter((key) => error[key] !== undefined),
    );
    assert.match(error.stack, /^TimeoutError: timed out after 5 ms/);
    assert.equal(vm.runInNewContext('error instanceof Error', { error }), false, 'of another realm: by its code');
    assert.equal(structuredClone(error).message, error.message);
  });

  it('each call that one timeout ends gets an error of its own; the items of one call share it', async () => {
    const [a, b] = await over(
      Promise.all([mapSettled([1, 2], 2, never, { totalTimeout: 5 }), mapSettled([1], 2, never, { totalTimeout: 5 })]),
    );
    assert.equal(a[0].reason, a[1].reason);
    assert.notEqual(a[0].reason, b[0].reason);
  });

  describe('label', () => {
    const calls = {
      withTimeout: [({ timeout, label }) => rejection(withTimeout(never, { timeout, label })), ['timeout']],
      ...Object.fromEntries(
        Object.entries(retries).map(([name, call]) => [
          name,
          [(options) => call(never, { retries: 0, ...options }), ['timeout', 'totalTimeout']],
        ]),
      ),
      ...Object.fromEntries(
        Object.entries(maps).map(([name, call]) => [
          name,
          [(options) => call(never, options), ['timeout', 'itemTimeout', 'totalTimeout']],
        ]),
      ),
      allSettled: [(options) => allSettled([never()], options).then(reasonOf), ['totalTimeout']],
    };
    for (const [name, [call, keys]] of Object.entries(calls)) {
      it(`${name}: stands in the message and on the error, also if it is empty`, async () => {
        for (const key of keys) {
          for (const label of ['load users', '', undefined]) {
            const error = await over(call({ [key]: 5, label }));
            assert.equal(error.label, label, key);
            const begins = label === undefined ? 'timed out after 5 ms' : `"${label}" timed out after 5 ms`;
            assert.ok(error.message.startsWith(begins), error.message);
          }
        }
      });
    }
  });

  describe('times over 2^31 ms', () => {
    const calls = {
      timeout: [(ms) => rejection(mapWithLimit([0], 1, never, { timeout: ms })), 'attempt'],
      itemTimeout: [(ms) => rejection(mapWithLimit([0], 1, never, { itemTimeout: ms })), 'item'],
      totalTimeout: [(ms) => rejection(mapWithLimit([0], 1, never, { totalTimeout: ms })), 'total'],
      "mapSettled's itemTimeout": [(ms) => mapSettled([0], 1, never, { itemTimeout: ms }).then(reasonOf), 'item'],
      "execute's totalTimeout": [(ms) => execute(never, { totalTimeout: ms }).then(errorOf), 'total'],
      "allSettled's totalTimeout": [(ms) => allSettled([never()], { totalTimeout: ms }).then(reasonOf), 'total'],
      withTimeout: [(ms) => rejection(withTimeout(never(), ms)), 'attempt'],
    };
    for (const [name, [call, scope]] of Object.entries(calls)) {
      it(`${name}: are waited for, not cut short`, async () => {
        for (const ms of [2 ** 31 - 1, 2 ** 31, LONG, 2 ** 33]) {
          clock.reset();
          const error = await over(call(ms));
          assert.deepEqual([error.scope, error.timeout, error.elapsed, clock.now], [scope, ms, ms, ms]);
        }
      });

      it(`${name}: beyond 2^63 ns it is never`, async () => {
        for (const ms of [1e13, 1e300, Number.MAX_VALUE]) {
          const { promise, resolve } = deferred();
          const slow = { timeout: ms, itemTimeout: ms, totalTimeout: ms };
          const key = Object.keys(slow).find((one) => name.includes(one)) ?? 'timeout';
          clock.setTimeout(resolve, LONG * 100);
          await over(mapSettled([0], 1, () => promise, { [key]: ms }));
        }
      });
    }

    it('rate: a token that comes after that', async () => {
      const times = [];
      const options = { rate: { max: 1, per: LONG, burst: 1 } };
      await over(mapWithLimit([0, 1], 2, () => void times.push(clock.now), options));
      assert.deepEqual(times, [0, LONG]);
    });

    it('a wait after that, decorrelated and linear', async () => {
      for (const backoff of ['decorrelated', 'linear']) {
        const times = [];
        const fn = ({ attempt }) => (times.push(clock.now), attempt < 2 ? fail() : 'value');
        clock.reset();
        await over(retry(fn, { retries: 1, delay: LONG, backoff, jitter: 'none', maxDelay: Infinity }));
        assert.ok(times[1] >= LONG && times[1] <= 3 * LONG, String(times));
      }
    });
  });
}

// Whether the process ends while something is pending. Each case runs in a process of its own, and prints how it ended.
const HOUR = 3_600_000;
const failing = () => Promise.reject(new Error('again'));
const waiting = { retries: 1, delay: HOUR, maxDelay: HOUR, ...fixed };

// With `unref: true` each of these lets the process end, without it none does: (unref) => promise.
const held = {
  'withTimeout, a function': (unref) => withTimeout(never, { timeout: HOUR, unref }),
  sleep: (unref) => sleep(HOUR, { unref }),
  'retry, totalTimeout': (unref) => retry(never, { totalTimeout: HOUR, unref }),
  'execute, timeout': (unref) => execute(never, { timeout: HOUR, unref }),
  'execute, totalTimeout': (unref) => execute(never, { totalTimeout: HOUR, unref }),
  'execute, a wait': (unref) => execute(failing, { ...waiting, unref }),
  'execute, a wait that a callback asked for': (unref) => execute(failing, { retryAfter: () => 20_000, unref }),
  'retry, a callback under totalTimeout': (unref) => retry(failing, { onRetry: never, totalTimeout: HOUR, unref }),
  'mapWithLimit, itemTimeout': (unref) => mapWithLimit([0], 1, never, { itemTimeout: HOUR, unref }),
  'mapWithLimit, a callback under itemTimeout': (unref) =>
    mapWithLimit([0], 1, failing, { itemTimeout: HOUR, retry: { onRetry: never }, unref }),
  'mapSettled, timeout': (unref) => mapSettled([0], 1, never, { timeout: HOUR, unref }),
  'mapSettled, itemTimeout': (unref) => mapSettled(new Set([0]), 1, never, { itemTimeout: HOUR, unref }),
  'mapSettled, totalTimeout': (unref) => mapSettled(asyncly([0]), 1, never, { totalTimeout: HOUR, unref }),
  'mapSettled, a wait': (unref) => mapSettled([0], 1, failing, { retry: waiting, unref }),
  'mapWithLimit, a token': (unref) => mapWithLimit([0, 1], 1, noop, { rate: { max: 1, per: HOUR, burst: 1 }, unref }),
  'allSettled, totalTimeout': (unref) => allSettled([never()], { totalTimeout: HOUR, unref }),
};

// These hold nothing: they wait for something that is not time.
const free = {
  'a retry with callbacks, in an attempt that hangs': () => retry(never, { onRetry: noop, retryIf: () => true }),
  'a retry whose callback hangs': () => retry(failing, { onRetry: never }),
  'an execute that hangs': () => execute(never),
  'a map with a decorrelated backoff that hangs': () =>
    mapWithLimit([0], 1, never, { retry: { backoff: 'decorrelated' } }),
  'a map that waits for abandoned attempts': () => mapSettled([0, 1], 1, never, { timeout: 5, maxAbandoned: 0 }),
  'a map with a rate, that hangs': () => mapSettled([0], 1, never, { rate: 5 }),
};

function runCase(kind, name) {
  if (kind === 'free') free[name]();
  else held[name](kind === 'unref').catch(noop);
  const began = Date.now();
  // Who is still there after a while, and has not been asked to be, is held.
  const timer = setTimeout(() => {
    process.stdout.write('{"isHeld":true}\n');
    process.exit();
  }, 400);
  timer.unref();
  process.once('exit', () => {
    if (Date.now() - began < 350) process.stdout.write('{"isHeld":false}\n');
  });
}

if (process.argv[2] === 'child') {
  runCase(process.argv[3], process.argv[4]);
} else {
  describe('TimeoutError', describeErrors);

  describe('unref: who keeps the process alive', function () {
    this.timeout(120_000);
    const all = [
      ...Object.keys(held).flatMap((name) => [
        ['held', name],
        ['unref', name],
      ]),
      ...Object.keys(free).map((name) => ['free', name]),
    ];
    let resultOf;
    before(() => {
      resultOf = runMany(
        Object.fromEntries(all.map(([kind, name]) => [`${kind} ${name}`, [__filename, 'child', kind, name]])),
      );
    });

    for (const [kind, name] of all) {
      const does = { held: 'keeps it', unref: 'with unref does not keep it', free: 'does not keep it' }[kind];
      it(`${name} ${does} alive`, async () => {
        const { code, signal, stdout, stderr } = await resultOf(`${kind} ${name}`);
        // A process that ends while a promise is pending that nobody awaits ends with code 0.
        assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
        assert.deepEqual(JSON.parse(stdout), { isHeld: kind === 'held' });
      });
    }
  });
}
