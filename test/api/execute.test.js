'use strict';

// execute: retry that reports. What it resolves with, whatever happens, and that only an invalid argument rejects it.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const fc = require('fast-check');

const { PermanentError, TimeoutError, execute, retry } = require('../..');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 10);
const ENGINE_SEED = 7;

const never = () => new Promise(() => {});
const noop = () => {};
const fixed = { backoff: 'constant', jitter: 'none' };
const isPending = (promise) => inspect(promise).includes('<pending>');
const raise = (error) => {
  throw error;
};

describe('execute', () => {
  const clock = virtualClock(ENGINE_SEED);
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);
  const success = (value, attempts, durationMs) => ({ success: true, value, attempts, durationMs });
  const failure = (error, attempts, durationMs) => ({ success: false, error, attempts, durationMs });

  describe('success', () => {
    it('the value, one attempt, and how long it took', async () => {
      assert.deepEqual(await over(execute(() => clock.sleep(12.5).then(() => 'value'))), success('value', 1, 12.5));
      assert.deepEqual(await over(execute(() => 'plain')), success('plain', 1, 0));
      const thenable = { then: (resolve) => clock.setTimeout(() => resolve('value'), 3) };
      assert.deepEqual(await over(execute(() => thenable)), success('value', 1, 3));
    });

    it('whatever the value is', async () => {
      for (const value of [undefined, null, 0, '', false, NaN, noop, new Error('a value'), { success: false }]) {
        assert.deepEqual(await over(execute(() => value)), success(value, 1, 0));
        assert.deepEqual(await over(execute(async () => value, {})), success(value, 1, 0));
      }
    });

    it('after failures: all attempts count, and the time of their waits', async () => {
      const fn = async ({ attempt }) => {
        await clock.sleep(5);
        return attempt < 3 ? raise(new Error('again')) : attempt;
      };
      assert.deepEqual(await over(execute(fn, { retries: 5, delay: 10, ...fixed })), success(3, 3, 35));
    });

    it('after attempts that timed out: those count, too', async () => {
      const fn = ({ attempt }) => (attempt < 3 ? never() : clock.sleep(1).then(() => 'value'));
      const options = { retries: 2, delay: 4, timeout: 10, ...fixed };
      assert.deepEqual(await over(execute(fn, options)), success('value', 3, 29));
    });

    it('a late outcome of an attempt that timed out changes nothing', async () => {
      const fn = ({ attempt }) => clock.sleep(attempt === 1 ? 50 : 1).then(() => attempt);
      const result = await over(execute(fn, { retries: 1, delay: 0, timeout: 10 }));
      await clock.advance(100);
      assert.deepEqual(result, success(2, 2, 11));
    });
  });

  describe('failure', () => {
    it('three retries by default; the last error itself, unchanged', async () => {
      const errors = [];
      const fn = async () => {
        errors.push(new Error(`${errors.length}`));
        throw errors.at(-1);
      };
      for (const args of [[], [undefined], [{}]]) {
        const began = clock.now;
        const result = await over(execute(fn, ...args));
        assert.deepEqual(result, failure(errors.at(-1), 4, clock.now - began));
        assert.equal(result.error, errors.at(-1));
      }
      assert.equal(errors.length, 12);
    });

    it('whatever is thrown, at once or later', async () => {
      for (const reason of [undefined, null, 0, 'text', { then: 1 }, new Error('no')]) {
        for (const fn of [
          () => raise(reason),
          () => Promise.reject(reason),
          () => clock.sleep(0).then(() => raise(reason)),
        ]) {
          assert.deepEqual(await over(execute(fn, { retries: 1, delay: 2, ...fixed })), failure(reason, 2, 2));
        }
      }
    });

    it('no retries: one attempt', async () => {
      assert.deepEqual(await over(execute(() => raise('no'), { retries: 0 })), failure('no', 1, 0));
    });

    it('a PermanentError: its cause, or itself', async () => {
      const bare = new PermanentError('no');
      for (const [error, expected] of [
        [bare, bare],
        [new PermanentError('no', { cause: 'cause' }), 'cause'],
      ]) {
        const fn = ({ attempt }) => (attempt === 1 ? raise(new Error('again')) : raise(error));
        assert.deepEqual(await over(execute(fn, { retries: 5, delay: 3, ...fixed })), failure(expected, 2, 3));
      }
    });

    it('a callback of the policy that throws, or answers nonsense, is reported: it is no invalid argument', async () => {
      const thrown = new Error('mistake');
      for (const which of ['retryIf', 'backoff', 'retryAfter', 'onRetry']) {
        const callback = () => clock.sleep(5).then(() => raise(thrown));
        const result = await over(execute(() => raise(new Error('no')), { [which]: callback }));
        assert.deepEqual(result, failure(thrown, 1, 5));
        assert.equal(result.error, thrown);
      }
      const { success: isSuccess, error } = await over(execute(() => raise(new Error('no')), { backoff: () => NaN }));
      assert.deepEqual([isSuccess, error.code], [false, 'ERR_OUT_OF_RANGE']);
    });
  });

  describe('timeouts', () => {
    const scopeOf = ({ success: isSuccess, error, attempts, durationMs }) => {
      assert.equal(isSuccess, false);
      assert.ok(error instanceof TimeoutError);
      return [error.scope, error.attempt, attempts, durationMs];
    };

    it('of the attempts', async () => {
      const result = await over(execute(never, { retries: 1, delay: 5, timeout: 10, ...fixed }));
      assert.deepEqual(scopeOf(result), ['attempt', 2, 2, 25]);
    });

    it('of the whole call: in an attempt, in a wait, and where a wait would outlast it', async () => {
      assert.deepEqual(scopeOf(await over(execute(never, { totalTimeout: 30 }))), ['total', undefined, 1, 30]);
      const slow = () => clock.sleep(4).then(() => raise('no'));
      const outlived = await over(execute(slow, { delay: 27, totalTimeout: 30, ...fixed }));
      assert.deepEqual(scopeOf(outlived), ['total', undefined, 1, 4]);
      assert.equal(outlived.error.cause, 'no');
      const asked = await over(execute(slow, { onRetry: never, totalTimeout: 30 }));
      assert.deepEqual(scopeOf(asked), ['total', undefined, 1, 30]);
    });

    it('of the whole call, over already: no attempt was started', async () => {
      for (const totalTimeout of [0, -1, -Infinity]) {
        const result = await over(execute(() => assert.fail('called'), { totalTimeout }));
        assert.deepEqual(scopeOf(result), ['total', undefined, 0, 0]);
      }
    });
  });

  describe('abort', () => {
    it('before: no attempt was started', async () => {
      const options = { signal: AbortSignal.abort('before') };
      assert.deepEqual(await over(execute(() => assert.fail('called'), options)), failure('before', 0, 0));
    });

    const moments = {
      'in an attempt': [never, {}, 1],
      'in a wait': [() => raise('no'), { delay: 1000, ...fixed }, 1],
      'in a callback': [() => raise('no'), { retryIf: never }, 1],
      'in a later attempt': [({ attempt }) => (attempt === 1 ? raise('no') : never()), { delay: 5, ...fixed }, 2],
    };
    for (const [moment, [fn, options, attempts]] of Object.entries(moments)) {
      it(`${moment}: the reason, and what was started until then`, async () => {
        for (const reason of [new Error('mine'), 'text', null]) {
          const controller = new AbortController();
          clock.setTimeout(() => controller.abort(reason), 20);
          const result = await over(execute(fn, { ...options, signal: controller.signal }));
          assert.deepEqual(result, failure(reason, attempts, 20));
        }
      });
    }

    it('by fn itself', async () => {
      const controller = new AbortController();
      const fn = () => (controller.abort('inside'), 'value');
      assert.deepEqual(await over(execute(fn, { signal: controller.signal })), failure('inside', 1, 0));
    });

    it('after the end it changes nothing', async () => {
      const controller = new AbortController();
      const result = await over(execute(() => 'value', { signal: controller.signal }));
      controller.abort('late');
      await turn();
      assert.deepEqual(result, success('value', 1, 0));
    });
  });

  it('fn is called at once, once for each attempt, with nothing but a context of its own and no receiver', async () => {
    const calls = [];
    const result = execute(
      function fn(...args) {
        calls.push([this, ...args]);
        if (calls.length < 3) throw new Error('again');
      },
      { delay: 0 },
    );
    assert.equal(calls.length, 1);
    await over(result);
    assert.deepEqual(
      calls.map(([receiver, ctx, ...more]) => [receiver, ctx.index, ctx.attempt, more]),
      [1, 2, 3].map((attempt) => [undefined, 0, attempt, []]),
    );
    assert.equal(new Set(calls.map(([, ctx]) => ctx)).size, 3);
  });

  it('calls at the same time count for themselves', async () => {
    const call = (failures, ms) =>
      execute(({ attempt }) => (attempt <= failures ? raise('no') : clock.sleep(ms)), { delay: ms, ...fixed });
    const results = await over(Promise.all([call(0, 7), call(1, 10), call(3, 2)]));
    assert.deepEqual(
      results.map(({ attempts, durationMs }) => [attempts, durationMs]),
      [
        [1, 7],
        [2, 20],
        [4, 8],
      ],
    );
  });

  it('an invalid argument rejects, with the error that names it; nothing has run', async () => {
    for (const args of [[], ['fn'], [noop, null], [noop, 3], [noop, { retries: -1 }], [noop, { timout: 5 }]]) {
      const error = await rejection(execute(...args));
      assert.match(error.code, /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/);
    }
    assert.match((await rejection(execute(raise, { delay: NaN }))).message, /"options\.delay"/);
  });

  it('the stack of the error that is reported names who called', async () => {
    const raisers = {
      'at once': () => raise(new Error('no')),
      'after an await': async () => {
        await undefined;
        throw new Error('no');
      },
      'after a timer': async () => {
        await clock.sleep(1);
        throw new Error('no');
      },
    };
    for (const [when, raiser] of Object.entries(raisers)) {
      for (const options of [
        { retries: 0 },
        { retries: 2, delay: 1 },
        { retries: 1, timeout: 100, retryIf: () => true },
      ]) {
        const whoAsksForTrouble = async () => {
          const { error } = await execute(() => raiser(), options);
          return error.stack;
        };
        assert.match(await over(whoAsksForTrouble()), /whoAsksForTrouble/, when);
      }
    }
  });

  it('the async context is that of the caller, in every attempt and after it', async () => {
    const storage = new AsyncLocalStorage();
    const seen = [];
    const fn = ({ attempt }) => {
      seen.push(storage.getStore());
      return attempt < 3 ? never() : 'value';
    };
    const result = storage.run('caller', async () => {
      await execute(fn, { retries: 2, timeout: 5, delay: 1 });
      seen.push(storage.getStore());
    });
    await storage.run('nobody', () => over(result));
    assert.deepEqual(seen, Array(4).fill('caller'));
  });

  it('label and unref are known to it; the label stands in the error that is reported', async () => {
    const { error } = await over(execute(never, { retries: 0, timeout: 5, unref: true, label: 'send' }));
    assert.equal(error.label, 'send');
    assert.match(error.message, /"send"/);
  });

  it('on real time: durationMs is what has passed', async () => {
    clock.restore();
    const began = process.hrtime.bigint();
    const { durationMs, attempts } = await execute(
      async ({ attempt }) => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        if (attempt === 1) throw new Error('again');
      },
      { delay: 10, ...fixed },
    );
    const passed = Number(process.hrtime.bigint() - began) / 1e6;
    assert.equal(attempts, 2);
    assert.ok(durationMs >= 25 && durationMs <= passed, `${durationMs} of ${passed} ms`);
    const started = process.hrtime.bigint();
    const result = await execute(() => {
      while (process.hrtime.bigint() - started < 20_000_000n);
    });
    assert.ok(result.durationMs >= 19, `${result.durationMs} ms: also what fn does before it returns`);
  });

  // What fn does in each attempt, and the rest of a call: what retry would have settled with is what execute reports.
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 30 }),
    how: fc.constantFrom('value', 'error', 'error', 'error', 'permanent', 'throw', 'never'),
  });
  const drawn = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 6 }),
    options: fc.record(
      {
        retries: fc.integer({ min: 0, max: 5 }),
        delay: fc.integer({ min: 0, max: 40 }),
        backoff: fc.constantFrom('constant', 'linear', 'exponential', 'decorrelated'),
        maxDelay: fc.constantFrom(0, 20, 1000),
        jitter: fc.constantFrom('none', 'full'),
        timeout: fc.constantFrom(0, 10, 20, Infinity),
        totalTimeout: fc.constantFrom(-1, 0, 15, 60, Infinity),
      },
      { requiredKeys: [] },
    ),
    asks: fc.constantFrom('nobody', 'yes', 'no', 'slow', 'throws', 'nonsense', 'wish'),
    abortAt: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
  });

  const callbacks = {
    nobody: () => ({}),
    yes: () => ({ retryIf: () => true }),
    no: () => ({ retryIf: (_error, { attempt }) => attempt < 2 }),
    slow: () => ({ onRetry: () => clock.sleep(7) }),
    throws: () => ({ retryIf: (_error, { attempt }) => attempt < 2 || raise(new Error('mistake')) }),
    nonsense: () => ({ backoff: () => -1 }),
    wish: () => ({ retryAfter: () => 11 }),
  };

  async function run(call, { steps, options, asks, abortAt }) {
    clock.reset();
    const controller = new AbortController();
    if (abortAt !== undefined) clock.setTimeout(() => controller.abort('aborted'), abortAt);
    let attempts = 0;
    const fn = (ctx) => {
      attempts = ctx.attempt;
      const { ms, how } = steps[(ctx.attempt - 1) % steps.length];
      if (how === 'throw') throw new Error(`thrown ${ctx.attempt}`);
      if (how === 'never') return never();
      return clock.sleep(ms).then(() => {
        if (how === 'value') return `value ${ctx.attempt}`;
        throw how === 'error' ? new Error(`error ${ctx.attempt}`) : new PermanentError('no', { cause: 'cause' });
      });
    };
    const given = { ...options, ...callbacks[asks](), signal: controller.signal };
    let ended;
    const result = call(fn, given).finally(() => (ended = clock.now));
    clock.setTimeout(() => controller.abort('at last'), 1000);
    const outcome = await over(
      result.then(
        (value) => ({ value }),
        (reason) => ({ reason }),
      ),
    );
    await clock.advance(2000);
    return { ...outcome, attempts, ended };
  }

  const nanoseconds = (ms) => Math.round(ms * 1e6);
  const told = (error) =>
    error instanceof Error ? { ...error, message: error.message, cause: error.cause?.message } : error;

  it(`reports what retry settles with, and never rejects (seed ${SEED}; SLUICE_SEED repeats it)`, async function () {
    this.timeout(60_000);
    const reasons = await unhandledDuring(async () => {
      const property = fc.asyncProperty(drawn, async (one) => {
        const retried = await run(retry, one);
        const { value: result, reason, ended, attempts } = await run(execute, one);
        assert.equal(reason, undefined, 'it rejects');
        assert.deepEqual([result.attempts, nanoseconds(result.durationMs)], [attempts, nanoseconds(ended)]);
        assert.deepEqual([attempts, ended], [retried.attempts, retried.ended]);
        if (result.success) assert.deepEqual({ value: result.value }, { value: retried.value });
        else assert.deepEqual(told(result.error), told(retried.reason));
        assert.deepEqual(Object.keys(result), [
          'success',
          result.success ? 'value' : 'error',
          'attempts',
          'durationMs',
        ]);
      });
      await fc.assert(property, { numRuns: RUNS, seed: SEED });
    });
    assert.deepEqual(reasons, []);
  });

  it('the call is pending while an attempt runs', async () => {
    const result = execute(() => clock.sleep(100));
    await clock.advance(99);
    assert.ok(isPending(result));
    await over(result);
  });
});
