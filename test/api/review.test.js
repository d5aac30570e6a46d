'use strict';

// The callbacks of a RetryPolicy: who is asked before a retry, in which order, what they are told, and what comes of what
// they say.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const vm = require('node:vm');

const { PermanentError, TimeoutError, execute, mapSettled, mapWithLimit, retry, sleep } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { failing: failingOn } = require('../support/failing');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const none = { jitter: 'none' };
const fixed = { backoff: 'constant', ...none };
const isPending = (promise) => inspect(promise).includes('<pending>');

async function* asyncly(values) {
  yield* values;
}

// Every way to have something retried by a policy: (fn, policy, rest) => promise of what fn comes to.
const ways = {
  'retry()': (fn, policy, rest) => retry(fn, { ...policy, ...rest }),
  'execute()': async (fn, policy, rest) => {
    const { success, value, error } = await execute(fn, { ...policy, ...rest });
    if (!success) throw error;
    return value;
  },
  'mapWithLimit, an array': async (fn, policy, rest) => {
    const [value] = await mapWithLimit([0], 1, (_item, _index, ctx) => fn(ctx), { retry: policy, ...rest });
    return value;
  },
  'mapWithLimit, an async iterable': async (fn, policy, rest) => {
    const [value] = await mapWithLimit(asyncly([0]), 2, (_item, _index, ctx) => fn(ctx), { retry: policy, ...rest });
    return value;
  },
  'mapSettled, a set': async (fn, policy, rest) => {
    const items = new Set([0]);
    const [only] = await mapSettled(items, 1, (_item, _index, ctx) => fn(ctx), { retry: policy, ...rest });
    if (only.status === 'rejected') throw only.reason;
    return only.value;
  },
};

describe('the callbacks of a RetryPolicy', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);

  const failing = (options) => failingOn(clock, options);

  /** The waits between attempts that fail at once. */
  const waitsOf = ({ times }) => times.slice(1).map((time, i) => time - times[i]);

  for (const [name, call] of Object.entries(ways)) {
    describe(name, () => {
      describe('retryOn and retryIf', () => {
        class Mine extends Error {}
        class Sub extends Mine {}
        class Other extends Error {}

        const choices = {
          'one class': [Mine, [Mine, Sub, Other]],
          'an array of classes': [
            [TypeError, Mine],
            [TypeError, Sub, Mine, Other],
          ],
          'a class that is none of them': [[TypeError, Mine], [Other]],
          'no class': [[], [Error]],
        };
        for (const [choice, [retryOn, classes]] of Object.entries(choices)) {
          it(`retryOn, ${choice}: errors that are instances are retried, the first that is none is the failure`, async () => {
            const run = failing({ classes });
            const error = await rejection(over(call(run.fn, { retries: 9, delay: 1, retryOn })));
            assert.equal(run.calls.length, classes.length);
            assert.equal(error, run.errors.at(-1));
          });
        }

        it('retryOn: what is no object is an instance of nothing', async () => {
          for (const reason of [undefined, null, 0, 'text']) {
            let calls = 0;
            const fn = () => (calls++, Promise.reject(reason));
            assert.equal(await rejection(over(call(fn, { retries: 3, delay: 1, retryOn: [Error, Object] }))), reason);
            assert.equal(calls, 1);
          }
        });

        it('retryOn: an array is read at the call, and changing it later changes nothing', async () => {
          const retryOn = [Mine];
          const run = failing({ classes: [Mine] });
          const result = call(run.fn, { retries: 2, delay: 1, retryOn });
          retryOn.length = 0;
          await rejection(over(result));
          assert.equal(run.calls.length, 3);
        });

        for (const [kind, say] of Object.entries({
          'what it returns': (value) => value,
          'what it promises': (value) => Promise.resolve(value),
          'what comes of it later': (value) => clock.sleep(3).then(() => value),
          'a thenable': (value) => ({ then: (resolve) => resolve(value) }),
        })) {
          it(`retryIf: ${kind} is read as true or false`, async () => {
            for (const value of [true, 1, 'yes', {}, false, 0, '', null, undefined, NaN]) {
              const run = failing();
              const error = await rejection(over(call(run.fn, { retries: 1, delay: 1, retryIf: () => say(value) })));
              assert.equal(run.calls.length, value ? 2 : 1, String(value));
              assert.equal(error, run.errors.at(-1));
              assert.equal(error.cause, undefined);
            }
          });
        }

        it('retryIf: gets the error and a context, nothing else, and no receiver', async () => {
          const run = failing();
          const calls = [];
          const retryIf = function (...args) {
            calls.push([this, ...args]);
            return true;
          };
          await rejection(over(call(run.fn, { retries: 2, delay: 1, retryIf })));
          assert.deepEqual(
            calls.map(([receiver, error, ctx, ...more]) => [receiver, error, ctx.attempt, more]),
            [
              [undefined, run.errors[0], 1, []],
              [undefined, run.errors[1], 2, []],
            ],
          );
        });

        it('both must agree; where retryOn says no, nobody else is asked', async () => {
          for (const [retryOn, says, attempts, asked] of [
            [Mine, true, 2, 1],
            [Mine, false, 1, 1],
            [Other, true, 1, 0],
            [Other, false, 1, 0],
          ]) {
            const run = failing({ classes: [Mine] });
            let count = 0;
            const retryIf = () => (count++, says);
            await rejection(over(call(run.fn, { retries: 1, delay: 1, retryOn, retryIf })));
            assert.deepEqual([run.calls.length, count], [attempts, asked]);
          }
        });

        it('an attempt that timed out is asked about like any other failure', async () => {
          const options = { timeout: 10 };
          const asked = [];
          const policy = { retries: 2, delay: 5, ...fixed, retryOn: TimeoutError };
          const retryIf = (error) => (asked.push([error.scope, error.attempt]), error.attempt < 2);
          const began = clock.now;
          const error = await rejection(over(call(never, { ...policy, retryIf }, options)));
          assert.deepEqual(asked, [
            ['attempt', 1],
            ['attempt', 2],
          ]);
          assert.deepEqual([error.scope, error.attempt, clock.now - began], ['attempt', 2, 25]);
          const once = await rejection(over(call(never, { ...policy, retryOn: Mine }, options)));
          assert.equal(once.attempt, 1);
        });
      });

      describe('order', () => {
        const ask = (log, values = {}) => ({
          retryIf: (...args) => (log.push(['retryIf', ...args]), values.retryIf ?? true),
          backoff: (...args) => (log.push(['backoff', ...args]), values.backoff ?? 7),
          retryAfter: (...args) => (log.push(['retryAfter', ...args]), values.retryAfter),
          onRetry: (...args) => void log.push(['onRetry', ...args]),
        });
        const names = (log) => log.map(([one]) => one);
        const all = ['retryIf', 'backoff', 'retryAfter', 'onRetry'];

        it('retryIf, backoff, retryAfter, onRetry, then the wait, then the next attempt; all about the same error', async () => {
          const log = [];
          const run = failing();
          const fn = (ctx) => (log.push([`attempt ${ctx.attempt}`]), run.fn(ctx));
          await rejection(over(call(fn, { retries: 2, ...none, ...ask(log) })));
          assert.deepEqual(names(log), ['attempt 1', ...all, 'attempt 2', ...all, 'attempt 3']);
          assert.deepEqual(run.times, [0, 7, 14]);
          for (const [one, error, ctx, ...more] of log.slice(1, 5)) {
            assert.deepEqual([error, ctx.attempt, more], [run.errors[0], 1, []], one);
          }
          assert.equal(new Set(log.slice(1, 5).map(([, , ctx]) => ctx)).size, 1, 'one context for one retry');
          assert.notEqual(log[1][2], log[6][2], 'a fresh one for the next');
        });

        it('each is awaited before the next is asked', async () => {
          const log = [];
          const slow = (one, value) => async () => {
            log.push([one, clock.now]);
            await clock.sleep(10);
            return value;
          };
          const policy = {
            retries: 1,
            retryIf: slow('retryIf', true),
            backoff: slow('backoff', 5),
            retryAfter: slow('retryAfter', undefined),
            onRetry: slow('onRetry'),
          };
          const fn = ({ attempt }) => {
            log.push([`attempt ${attempt}`, clock.now]);
            return Promise.reject(new Error('no'));
          };
          await rejection(over(call(fn, { ...policy, ...none })));
          const expected = [
            ['attempt 1', 0],
            ['retryIf', 0],
            ['backoff', 10],
            ['retryAfter', 20],
            ['onRetry', 30],
            ['attempt 2', 45],
          ];
          assert.deepEqual(log, expected);
        });

        it('nobody is asked when there is no retry left, nor on success', async () => {
          for (const retries of [0, 2]) {
            const log = [];
            await rejection(over(call(failing().fn, { retries, ...none, ...ask(log) })));
            assert.equal(log.length, retries * 4);
          }
          const log = [];
          assert.equal(await over(call(async () => 'value', { retries: 3, ...ask(log) })), 'value');
          assert.deepEqual(log, []);
        });

        it('nobody is asked about a PermanentError', async () => {
          const log = [];
          const error = new PermanentError('no');
          const fn = () => Promise.reject(error);
          assert.equal(await rejection(over(call(fn, { retries: 3, ...ask(log) }))), error);
          assert.deepEqual(log, []);
        });

        it('after a retryIf that says no nobody else is asked, and no attempt is made', async () => {
          const log = [];
          const run = failing();
          const policy = { retries: 3, ...ask(log, { retryIf: Promise.resolve(false) }) };
          assert.equal(await rejection(over(call(run.fn, policy))), run.errors[0]);
          await clock.advance(1000);
          assert.deepEqual([names(log), run.calls.length], [['retryIf'], 1]);
        });

        it('callbacks that answer at once, and no wait: the next attempt starts in the same turn', async () => {
          const log = [];
          const run = failing();
          const result = rejection(call(run.fn, { retries: 3, ...none, ...ask(log, { backoff: 0 }) }));
          let turns = 0;
          setImmediate(() => turns++);
          await result;
          assert.equal(run.calls.length, 4);
          if (!name.includes('async')) assert.equal(turns, 0);
        });
      });

      describe('backoff as a function', () => {
        it('without jitter its milliseconds are the wait, exactly', async () => {
          const waits = [10, 0.25, 0, 1e-6, 12_345.678, 29_999];
          const run = failing();
          const backoff = (_error, { attempt }) => waits[attempt - 1];
          await rejection(over(call(run.fn, { retries: waits.length, backoff, ...none })));
          waitsOf(run).forEach((wait, i) => assert.ok(Math.abs(wait - waits[i]) < 1e-6, `${wait}, not ${waits[i]}`));
        });

        it('a promise of milliseconds is awaited first', async () => {
          const run = failing();
          const backoff = () => clock.sleep(100).then(() => 20);
          await rejection(over(call(run.fn, { retries: 2, backoff, ...none })));
          assert.deepEqual(run.times, [0, 120, 240]);
        });

        it('maxDelay caps it: 30 s where it is not given', async () => {
          for (const [maxDelay, wait] of [
            [undefined, 30_000],
            [50, 50],
            [0, 0],
            [Infinity, 1e7],
          ]) {
            const run = failing();
            await rejection(over(call(run.fn, { retries: 1, backoff: () => 1e7, maxDelay, ...none })));
            assert.deepEqual(waitsOf(run), [wait]);
          }
        });

        it('full jitter comes after the cap: each wait between 0 and what is left of it; onRetry hears which', async () => {
          const waits = [];
          const told = [];
          const onRetry = (_error, { delay }) => told.push(delay);
          for (let i = 0; i < 60; i++) {
            const run = failing();
            await rejection(over(call(run.fn, { retries: 1, backoff: () => 1000, maxDelay: 100, onRetry })));
            waits.push(run.times[1]);
          }
          assert.ok(Math.min(...waits) >= 0 && Math.max(...waits) <= 100, String(waits));
          assert.ok(Math.min(...waits) < 25 && Math.max(...waits) > 75, String(waits));
          told.forEach((delay, i) => assert.ok(Math.abs(delay - waits[i]) < 1e-5, `${delay}, then ${waits[i]}`));
        });

        it('up to it, the context has the `delay` of the options, whatever the jitter and the attempt', async () => {
          const told = [];
          const note = (_error, { delay }) => (told.push(delay), 5);
          for (const jitter of ['none', 'full']) {
            const policy = { retries: 2, delay: 70, jitter, retryIf: note, backoff: note };
            await rejection(over(call(failing().fn, policy)));
          }
          assert.deepEqual(told, Array(8).fill(70));
        });

        it('waits over 2^31 ms are waited for', async () => {
          const run = failing();
          await rejection(over(call(run.fn, { retries: 1, backoff: () => 2 ** 31 + 5, maxDelay: Infinity, ...none })));
          assert.deepEqual(waitsOf(run), [2 ** 31 + 5]);
        });

        it('a wait that would outlive the total time is the TimeoutError now, with the last error as its cause', async () => {
          const run = failing({ after: 5 });
          const began = clock.now;
          const policy = { retries: 3, backoff: () => 50, ...none };
          const error = await rejection(over(call(run.fn, policy, { totalTimeout: 40 })));
          assert.deepEqual([error.scope, error.elapsed, clock.now - began], ['total', 5, 5]);
          assert.equal(error.cause, run.errors[0]);
        });
      });

      describe('retryAfter', () => {
        it('milliseconds are waited verbatim: no jitter, no formula', async () => {
          for (const wait of [0, 0.5, 123, 30_000]) {
            const run = failing();
            await rejection(over(call(run.fn, { retries: 2, delay: 5, jitter: 'full', retryAfter: () => wait })));
            assert.deepEqual(waitsOf(run), [wait, wait]);
          }
        });

        it('undefined leaves the wait as it was planned', async () => {
          for (const nothing of [undefined, Promise.resolve(undefined)]) {
            const run = failing();
            const policy = { retries: 3, delay: 10, backoff: 'linear', ...none };
            const retryAfter = (_error, { attempt }) => (attempt === 2 ? 100 : nothing);
            await rejection(over(call(run.fn, { ...policy, retryAfter })));
            assert.deepEqual(waitsOf(run), [10, 100, 30]);
          }
        });

        it('it counts for one retry: the next is planned by the formula again', async () => {
          const run = failing();
          const retryAfter = (_error, { attempt }) => (attempt === 1 ? 5000 : undefined);
          await rejection(over(call(run.fn, { retries: 3, delay: 10, retryAfter, ...none })));
          assert.deepEqual(waitsOf(run), [5000, 20, 40]);
        });

        it('it has the last word over a backoff function', async () => {
          const run = failing();
          const told = [];
          const retryAfter = (_error, { delay }) => (told.push(delay), 33);
          const onRetry = (_error, { delay }) => told.push(delay);
          await rejection(over(call(run.fn, { retries: 1, backoff: () => 8, retryAfter, onRetry, ...none })));
          assert.deepEqual(waitsOf(run), [33]);
          assert.deepEqual(told, [8, 33]);
        });

        describe('a Date', () => {
          const now = 1_700_000_000_000;
          let former;
          beforeEach(() => {
            former = Date.now;
            Date.now = () => now;
          });
          afterEach(() => {
            Date.now = former;
          });

          it('is waited for; one that has passed is now; another realm has Dates, too', async () => {
            const foreign = vm.runInNewContext(`new Date(${now + 70})`);
            for (const [date, wait] of [
              [new Date(now + 250), 250],
              [new Date(now), 0],
              [new Date(now - 1), 0],
              [new Date(0), 0],
              [foreign, 70],
              [Promise.resolve(new Date(now + 9)), 9],
            ]) {
              const run = failing();
              await rejection(over(call(run.fn, { retries: 1, delay: 1000, retryAfter: () => date })));
              assert.deepEqual(waitsOf(run), [wait]);
            }
          });

          it('beyond maxDelay fails the item now', async () => {
            const run = failing();
            const policy = { retries: 1, retryAfter: () => new Date(now + 30_001) };
            assert.equal(await rejection(over(call(run.fn, policy))), run.errors[0]);
          });
        });

        it('more than maxDelay: the item fails now, with its own error, and onRetry is not told', async () => {
          for (const [maxDelay, wait, attempts] of [
            [undefined, 30_000, 2],
            [undefined, 30_000.001, 1],
            [50, 50, 2],
            [50, 51, 1],
            [0, 1, 1],
            [Infinity, 1e9, 2],
          ]) {
            const run = failing();
            const began = clock.now;
            const onRetry = () => assert.equal(attempts, 2, 'told of a retry that is not made');
            const policy = { retries: 1, maxDelay, retryAfter: () => wait, onRetry };
            assert.equal(await rejection(over(call(run.fn, policy))), run.errors.at(-1));
            assert.equal(run.calls.length, attempts, `${wait} of ${maxDelay}`);
            assert.equal(clock.now - began, attempts === 2 ? wait : 0);
          }
        });

        it('more than the total time has left: the TimeoutError, with the last error as its cause', async () => {
          const run = failing({ after: 5 });
          const policy = { retries: 1, retryAfter: () => 96 };
          const error = await rejection(over(call(run.fn, policy, { totalTimeout: 100 })));
          assert.deepEqual([error.scope, error.timeout, error.elapsed], ['total', 100, 5]);
          assert.equal(error.cause, run.errors[0]);
        });

        it('a wait over 2^31 ms is waited for', async () => {
          const run = failing();
          await rejection(over(call(run.fn, { retries: 1, maxDelay: Infinity, retryAfter: () => 2 ** 31 + 5 })));
          assert.deepEqual(waitsOf(run), [2 ** 31 + 5]);
        });
      });

      describe('what they are told', () => {
        it('index, attempt, retriesLeft, delay, elapsed, remaining and a signal, before each retry', async () => {
          const told = [];
          const onRetry = (_error, ctx) => {
            const { index, attempt, retriesLeft, delay, elapsed, remaining, signal } = ctx;
            told.push({ index, attempt, retriesLeft, delay, elapsed, remaining, isAborted: signal.aborted });
          };
          const policy = { retries: 3, delay: 10, onRetry, ...none };
          await rejection(over(call(failing({ after: 4 }).fn, policy, { totalTimeout: 1000, timeout: 6 })));
          const common = { index: 0, isAborted: false };
          assert.deepEqual(told, [
            { ...common, attempt: 1, retriesLeft: 3, delay: 10, elapsed: 4, remaining: 996 },
            { ...common, attempt: 2, retriesLeft: 2, delay: 20, elapsed: 18, remaining: 982 },
            { ...common, attempt: 3, retriesLeft: 1, delay: 40, elapsed: 42, remaining: 958 },
          ]);
        });

        it('elapsed counts from the first attempt, also where no timeout was given', async () => {
          const told = [];
          const onRetry = (_error, { elapsed }) => told.push(elapsed);
          const policy = { retries: 2, delay: 10, ...fixed, onRetry };
          await rejection(over(call(failing({ after: 4 }).fn, policy)));
          assert.deepEqual(told, [4, 18]);
        });

        it('the attempt after it has its own time and signal', async () => {
          const controller = new AbortController();
          const seen = [];
          let signal;
          const fn = (ctx) => {
            seen.push(ctx.remaining);
            if (ctx.attempt < 3) return Promise.reject(new Error('again'));
            signal = ctx.signal;
            return never();
          };
          const policy = { retries: 5, delay: 10, ...fixed, retryIf: () => true };
          const result = call(fn, policy, { timeout: 50, signal: controller.signal });
          result.catch(noop);
          await clock.advance(30);
          controller.abort('enough');
          assert.equal(await rejection(result), 'enough');
          assert.deepEqual([seen, signal.reason], [[50, 50, 50], 'enough']);
        });

        it('Infinity: retriesLeft where there is no end of them, remaining where nothing bounds the item', async () => {
          const told = [];
          const onRetry = (_error, { retriesLeft, remaining, elapsed }) => told.push([retriesLeft, remaining, elapsed]);
          const fn = ({ attempt }) => (attempt < 4 ? Promise.reject(new Error('again')) : 'value');
          await over(call(fn, { retries: Infinity, delay: 10, ...fixed, onRetry }, { timeout: 5 }));
          assert.deepEqual(told, [
            [Infinity, Infinity, 0],
            [Infinity, Infinity, 10],
            [Infinity, Infinity, 20],
          ]);
        });

        it('remaining falls while the callback takes its time', async () => {
          const told = [];
          const onRetry = async (_error, ctx) => {
            told.push(ctx.remaining);
            await clock.sleep(30);
            told.push(ctx.remaining);
          };
          const policy = { retries: 1, delay: 10, onRetry, ...none };
          await rejection(over(call(failing().fn, policy, { totalTimeout: 100 })));
          assert.deepEqual(told, [100, 70]);
        });

        it('an attempt that timed out: elapsed has its time', async () => {
          const told = [];
          const onRetry = (_error, { attempt, elapsed, delay }) => told.push([attempt, elapsed, delay]);
          await rejection(over(call(never, { retries: 2, delay: 3, ...fixed, onRetry }, { timeout: 10 })));
          assert.deepEqual(told, [
            [1, 10, 3],
            [2, 23, 3],
          ]);
        });

        it('after the retry has begun, their context is over: 0 remains, and its signal is never aborted', async () => {
          const controller = new AbortController();
          const contexts = [];
          const onRetry = (_error, ctx) => void contexts.push(ctx);
          const fn = ({ attempt }) => (attempt === 1 ? Promise.reject(new Error('no')) : never());
          const rest = { totalTimeout: 1000, signal: controller.signal };
          const result = call(fn, { retries: 1, delay: 10, onRetry, ...none }, rest);
          result.catch(noop);
          for (const ms of [5, 100]) {
            await clock.advance(ms);
            assert.equal(contexts[0].remaining, 0);
          }
          controller.abort('enough');
          assert.equal(await rejection(result), 'enough');
          assert.equal(contexts[0].signal.aborted, false);
        });

        it('the context of the attempt that failed is over while they are asked, and keeps its own signal', async () => {
          const controller = new AbortController();
          let attemptContext;
          let retryContext;
          const fn = (ctx) => ((attemptContext = ctx), Promise.reject(new Error('no')));
          const onRetry = (_error, ctx) => {
            retryContext = ctx;
            assert.equal(ctx.signal.aborted, false);
            assert.equal(attemptContext.signal.aborted, false);
            assert.notEqual(attemptContext.signal, ctx.signal);
            assert.deepEqual([attemptContext.remaining, ctx.remaining], [0, 1000]);
            return never();
          };
          const rest = { totalTimeout: 1000, signal: controller.signal };
          const result = call(fn, { retries: 1, onRetry }, rest);
          result.catch(noop);
          await clock.settleInstant();
          controller.abort('enough');
          assert.equal(await rejection(result), 'enough');
          assert.equal(retryContext.signal.reason, 'enough');
          assert.equal(attemptContext.signal.aborted, false, 'it had ended');
        });
      });

      describe('their time', () => {
        it('the attempt clock does not run, and the next attempt has all of its own', async () => {
          const run = failing({ after: 9 });
          const onRetry = () => clock.sleep(500);
          await rejection(over(call(run.fn, { retries: 2, delay: 0, onRetry }, { timeout: 10 })));
          assert.deepEqual(run.times, [0, 509, 1018]);
          assert.deepEqual(
            run.errors.map(({ message }) => message),
            ['attempt 1', 'attempt 2', 'attempt 3'],
          );
        });

        for (const which of ['retryIf', 'backoff', 'retryAfter', 'onRetry']) {
          it(`${which} that never settles: totalTimeout ends the call, and tells its signal`, async () => {
            let signal;
            const policy = { retries: 1, delay: 1, [which]: (_error, ctx) => ((signal = ctx.signal), never()) };
            const error = await rejection(over(call(failing({ after: 5 }).fn, policy, { totalTimeout: 50 })));
            assert.deepEqual([error.scope, error.elapsed, clock.now], ['total', 50, 50]);
            assert.equal(signal.reason, error);
          });

          it(`${which} is pending: an abort rejects at once, and tells its signal, also when that is read later`, async () => {
            for (const isReadBefore of [true, false]) {
              const controller = new AbortController();
              const { promise, resolve } = deferred();
              let context;
              const callback = (_error, ctx) => {
                context = ctx;
                if (isReadBefore) assert.equal(ctx.signal.aborted, false);
                return promise;
              };
              const run = failing();
              const asked = ['retryIf', 'backoff', 'retryAfter', 'onRetry'];
              const others = [];
              const after = asked.slice(asked.indexOf(which) + 1).map((one) => [one, () => others.push(one)]);
              const policy = { retries: 3, delay: 1, [which]: callback, ...Object.fromEntries(after) };
              const result = call(run.fn, policy, { signal: controller.signal });
              result.catch(noop);
              await clock.settleInstant();
              controller.abort('enough');
              if (name === 'retry()') assert.ok(!isPending(result), 'at once');
              assert.equal(await rejection(result), 'enough');
              assert.equal(context.signal.reason, 'enough');
              assert.equal(context.remaining, 0);
              resolve(which === 'onRetry' ? undefined : 5);
              await clock.advance(1000);
              assert.deepEqual(others, [], 'nobody else is asked');
              assert.equal(run.calls.length, 1, 'nothing comes of what it says');
            }
          });

          it(`${which} fails after the call has ended: nobody is told`, async () => {
            const reasons = await unhandledDuring(async () => {
              const policy = {
                retries: 1,
                delay: 1,
                [which]: () => clock.sleep(50).then(() => Promise.reject('late')),
              };
              const error = await rejection(over(call(failing().fn, policy, { totalTimeout: 20 })));
              assert.equal(error.scope, 'total');
              await clock.advance(100);
            });
            assert.deepEqual(reasons, []);
          });
        }

        it('the total time is over while a callback is asked: the TimeoutError is that, without a cause', async () => {
          const onRetry = () => clock.sleep(100);
          const error = await rejection(
            over(call(failing().fn, { retries: 1, delay: 1, onRetry }, { totalTimeout: 50 })),
          );
          assert.deepEqual([error.scope, error.elapsed, error.cause], ['total', 50, undefined]);
        });

        it('the wait begins when they have answered, and may then outlive the total time', async () => {
          const run = failing();
          const policy = { retries: 1, delay: 60, ...none, onRetry: () => clock.sleep(50) };
          const error = await rejection(over(call(run.fn, policy, { totalTimeout: 100 })));
          assert.deepEqual([error.scope, error.elapsed], ['total', 50]);
          assert.equal(error.cause, run.errors[0]);
        });
      });

      describe('a mistake in one of them rejects the whole call', () => {
        const thrown = new Error('mistake');
        const raise = () => {
          throw thrown;
        };
        for (const which of ['retryIf', 'backoff', 'retryAfter', 'onRetry']) {
          for (const [how, callback] of Object.entries({
            throws: raise,
            rejects: () => Promise.reject(thrown),
            'rejects later': () => clock.sleep(5).then(raise),
            'returns a thenable that throws': () => ({ then: raise }),
          })) {
            it(`${which} ${how}: with that, and nothing more is tried`, async () => {
              const run = failing();
              const policy = { retries: 3, delay: 1, [which]: callback };
              assert.equal(await rejection(over(call(run.fn, policy))), thrown);
              await clock.advance(100);
              assert.equal(run.calls.length, 1);
            });
          }
        }

        it('retryOn: a class that throws when it is asked', async () => {
          const retryOn = class {
            static [Symbol.hasInstance]() {
              throw thrown;
            }
          };
          assert.equal(await rejection(over(call(failing().fn, { retries: 3, retryOn }))), thrown);
        });

        const RANGE = 'ERR_OUT_OF_RANGE';
        const TYPE = 'ERR_INVALID_ARG_TYPE';
        const answers = [
          [NaN, RANGE, 'NaN'],
          [-1, RANGE, '-1'],
          [-Infinity, RANGE, '-Infinity'],
          [Infinity, RANGE, 'Infinity'],
          ['5', TYPE, "'5'"],
          [null, TYPE, 'null'],
          [true, TYPE, 'true'],
          [1n, TYPE, '1n'],
          [{}, TYPE, 'Object'],
        ];
        for (const [which, more] of [
          [
            'backoff',
            [
              [undefined, TYPE, 'undefined'],
              [new Date(), TYPE, 'Date'],
            ],
          ],
          ['retryAfter', [[new Date(NaN), RANGE, 'NaN']]],
        ]) {
          it(`${which} that answers with what is no wait: an error that names it, and what it got`, async () => {
            for (const [answer, code, said] of [...answers, ...more]) {
              for (const callback of [() => answer, async () => answer]) {
                const run = failing();
                const error = await rejection(over(call(run.fn, { retries: 3, [which]: callback })));
                assert.equal(error.code, code, `${said}: ${error.stack}`);
                assert.ok(error instanceof (code === TYPE ? TypeError : RangeError));
                assert.ok(error.message.includes(`"options.retry.${which}()"`), error.message);
                assert.ok(error.message.includes(said), error.message);
                assert.equal(run.calls.length, 1);
              }
            }
          });
        }
      });

      it('the stack of an error after a retry names who called', async () => {
        async function whoAsksForTrouble() {
          const fn = async () => {
            await clock.sleep(1);
            throw new Error('no');
          };
          const policy = { retries: 2, delay: 1, retryIf: () => true, backoff: async () => 1, onRetry: noop };
          await call(fn, policy);
        }
        const { stack } = await rejection(over(whoAsksForTrouble()));
        assert.match(stack, /whoAsksForTrouble/);
      });
    });
  }

  it('retryAfter and backoff that outlive the item time: the TimeoutError of the item, with its cause', async () => {
    for (const policy of [{ retryAfter: () => 50 }, { backoff: () => 50 }, { delay: 50 }]) {
      for (const map of [mapWithLimit, mapSettled]) {
        clock.reset();
        const run = failing({ after: 5 });
        const retry = { retries: 2, ...none, ...policy };
        const result = map(['a', 'b'], 1, (_item, _index, ctx) => run.fn(ctx), { retry, itemTimeout: 40 });
        const settled = await over(map === mapSettled ? result : result.catch((reason) => [{ reason }]));
        settled.forEach(({ reason }, index) => {
          const { scope, timeout, elapsed, attempt } = reason;
          assert.deepEqual([scope, timeout, elapsed, reason.index, attempt], ['item', 40, 5, index, 1]);
          assert.equal(reason.cause, run.errors[index]);
        });
      }
    }
  });

  it('itemTimeout runs while a callback is asked, tells its signal, and fails that item alone', async () => {
    for (const which of ['retryIf', 'backoff', 'retryAfter', 'onRetry']) {
      clock.reset();
      const signals = [];
      const ask = (_error, ctx) => (signals.push(ctx.signal), never());
      const mapper = (item) => (item === 'bad' ? Promise.reject(new Error('no')) : item);
      const options = { itemTimeout: 30, retry: { retries: 2, delay: 1, [which]: ask } };
      const [bad, good] = await over(mapSettled(['bad', 'good'], 1, mapper, options));
      assert.equal(good.value, 'good');
      const { scope, elapsed, attempt, cause } = bad.reason;
      assert.deepEqual([scope, elapsed, attempt, cause.message], ['item', 30, 1, 'no'], which);
      assert.equal(signals[0].reason, bad.reason);
      assert.equal(signals.length, 1);
    }
  });

  it('remaining: the tighter of item and total time', async () => {
    for (const [itemTimeout, totalTimeout, left] of [
      [40, 100, 35],
      [100, 40, 35],
      [Infinity, 40, 35],
      [40, Infinity, 35],
    ]) {
      const told = [];
      const onRetry = (_error, { remaining }) => told.push(remaining);
      const run = failing({ after: 5 });
      const options = { timeout: 10, itemTimeout, totalTimeout, retry: { retries: 1, delay: 1, onRetry } };
      await rejection(over(mapWithLimit([0], 1, (_item, _index, ctx) => run.fn(ctx), options)));
      assert.deepEqual(told, [left]);
    }
  });

  it('an item under review holds its lane; the others go on', async () => {
    const started = [];
    const mapper = async (item, _index, { attempt }) => {
      started.push(`${item}.${attempt} at ${clock.now}`);
      await clock.sleep(10);
      if (item === 0 && attempt === 1) throw new Error('again');
    };
    const retry = { retries: 1, delay: 5, ...none, onRetry: () => clock.sleep(100) };
    await over(mapWithLimit([0, 1, 2], 2, mapper, { retry }));
    assert.deepEqual(started, ['0.1 at 0', '1.1 at 0', '2.1 at 10', '0.2 at 115']);
  });

  it("a failure elsewhere while a callback is asked: the call's error is the reason of its signal", async () => {
    let signal;
    const retry = { retries: 1, delay: 5, retryIf: (error, ctx) => error.isFirst && ((signal = ctx.signal), never()) };
    const mapper = async (item) => {
      if (item === 0) throw Object.assign(new Error('first'), { isFirst: true });
      await clock.sleep(10);
      throw new Error('second');
    };
    const error = await rejection(over(mapWithLimit([0, 1], 2, mapper, { retry })));
    assert.equal(error.message, 'second');
    assert.equal(signal.reason, error);
  });

  for (const [name, map] of Object.entries({
    mapWithLimit: (...args) => mapWithLimit(...args),
    'mapWithLimit, stopOnError: false': (items, limit, mapper, options) =>
      mapWithLimit(items, limit, mapper, { ...options, stopOnError: false }),
    mapSettled: (...args) => mapSettled(...args),
  })) {
    it(`${name}: a callback that throws rejects the whole call; what runs is told, nothing more starts`, async () => {
      const thrown = new Error('mistake');
      const signals = [];
      const started = [];
      const mapper = (item, _index, { signal }) => {
        started.push(item);
        signals.push(signal);
        return item === 1 ? clock.sleep(10).then(() => Promise.reject(new Error('no'))) : never();
      };
      const onRetry = () => {
        throw thrown;
      };
      const result = map([0, 1, 2, 3, 4], 3, mapper, { retry: { retries: 1, delay: 1, onRetry } });
      assert.equal(await rejection(over(result)), thrown);
      assert.deepEqual(started, [0, 1, 2]);
      assert.deepEqual(
        signals.map(({ reason }) => reason),
        [thrown, undefined, thrown],
      );
    });

    it(`${name}: items are asked about each by itself, with their own numbers`, async () => {
      const told = [];
      const onRetry = (error, { index, attempt, retriesLeft }) =>
        told.push([error.message, index, attempt, retriesLeft]);
      const mapper = async (item, index, { attempt }) => {
        await clock.sleep(item);
        if (attempt <= index) throw new Error(`item ${item}`);
        return item;
      };
      const retry = { retries: 3, delay: 1000, ...fixed, onRetry };
      await over(map([10, 20, 30], 3, mapper, { retry }));
      assert.deepEqual(told, [
        ['item 20', 1, 1, 3],
        ['item 30', 2, 1, 3],
        ['item 30', 2, 2, 2],
      ]);
    });
  }

  it('mapSettled: what a policy refuses is that item, and the next one goes on', async () => {
    const mapper = async (item, _index, { attempt }) => {
      if (item % 2 === 0) throw new Error(`item ${item}, attempt ${attempt}`);
      return item;
    };
    const retry = { retries: 3, delay: 1, retryIf: (_error, { index, attempt }) => index > 0 && attempt < 2 };
    const settled = await over(mapSettled([0, 1, 2, 3], 1, mapper, { retry }));
    assert.deepEqual(
      settled.map(({ value, reason }) => value ?? reason.message),
      ['item 0, attempt 1', 1, 'item 2, attempt 2', 3],
    );
  });

  it('drain: true: a callback that is asked is not waited for, and no attempt follows', async () => {
    const run = failing();
    let signal;
    const onRetry = (_error, ctx) => ((signal = ctx.signal), never());
    const mapper = (item, _index, ctx) => (item === 0 ? run.fn(ctx) : clock.sleep(50));
    const options = { drain: true, totalTimeout: 20, retry: { retries: 1, onRetry } };
    const began = clock.now;
    const error = await rejection(over(mapWithLimit([0, 1], 2, mapper, options)));
    assert.deepEqual([error.scope, clock.now - began, run.calls.length], ['total', 50, 1]);
    assert.equal(signal.reason, error);
  });

  it('drain: true: the mistake of a callback rejects when what runs has ended', async () => {
    const thrown = new Error('mistake');
    for (const map of [mapWithLimit, mapSettled]) {
      clock.reset();
      const signals = [];
      const mapper = (item, _index, { signal }) => {
        signals.push(signal);
        return item === 0 ? clock.sleep(5).then(() => Promise.reject(new Error('no'))) : clock.sleep(40);
      };
      const policy = { retries: 1, onRetry: () => Promise.reject(thrown) };
      const result = rejection(map([0, 1, 2], 2, mapper, { drain: true, retry: policy }));
      await clock.advance(5);
      assert.equal(signals[1].reason, thrown, 'told at once');
      assert.equal(await over(result), thrown);
      assert.deepEqual([clock.now, signals.length], [40, 2]);
    }
  });

  it('stop: an item under review may finish', async () => {
    const { stop } = require('../..');
    const { promise, resolve } = deferred();
    const mapper = async (item, _index, { attempt }) => {
      if (item === 'stop') {
        await clock.sleep(10);
        return stop;
      }
      if (attempt === 1) throw new Error('again');
      return item;
    };
    clock.setTimeout(resolve, 30);
    const retry = { retries: 1, delay: 0, onRetry: () => promise };
    assert.deepEqual(await over(mapWithLimit(['a', 'stop', 'c'], 2, mapper, { retry })), ['a']);
  });

  it("an element that is a rejected promise is nobody's to ask about", async () => {
    const retry = { retries: 3, retryIf: () => assert.fail('asked') };
    const [{ reason }] = await over(mapSettled([Promise.reject(new Error('element'))], 1, noop, { retry }));
    assert.equal(reason.message, 'element');
  });

  it('any function of the package may be called inside a callback', async () => {
    const onRetry = async (_error, { index }) => {
      await sleep(1);
      assert.deepEqual(await mapWithLimit([1, 2], 2, (item) => item + index), [1 + index, 2 + index]);
      assert.equal(await retry(({ attempt }) => (attempt < 2 ? Promise.reject(0) : attempt), 1, 1), 2);
    };
    const fn = async (item, _index, { attempt }) => {
      if (attempt === 1) throw new Error('again');
      return item;
    };
    const policy = { retries: 1, delay: 1, onRetry };
    assert.deepEqual(await over(mapWithLimit([5, 6], 2, fn, { retry: policy })), [5, 6]);
  });

  it('an abort inside a callback ends the call; what the callback says is nothing any more', async () => {
    for (const which of ['retryIf', 'backoff', 'retryAfter', 'onRetry']) {
      for (const say of [() => 5, () => NaN, () => Promise.reject(new Error('late'))]) {
        const controller = new AbortController();
        const run = failing();
        const callback = () => (controller.abort('enough'), say());
        const policy = { retries: 2, delay: 1, [which]: callback, signal: controller.signal };
        const reasons = await unhandledDuring(async () => {
          assert.equal(await rejection(over(retry(run.fn, policy))), 'enough');
        });
        assert.deepEqual([reasons, run.calls.length], [[], 1]);
      }
    }
  });

  it('20,000 retries under review in one turn: no recursion', async () => {
    let calls = 0;
    const fn = () => {
      calls++;
      throw new Error('again');
    };
    await rejection(over(retry(fn, { retries: 20_000, delay: 0, retryIf: () => true })));
    assert.equal(calls, 20_001);
  });

  it('on real time: retries without a wait do not keep the loop from turning', async () => {
    clock.restore();
    const controller = new AbortController();
    setTimeout(() => controller.abort('enough'), 20);
    const policy = { retries: Infinity, delay: 0, retryIf: () => true, onRetry: noop };
    const error = await rejection(
      retry(() => Promise.reject(new Error('again')), { ...policy, signal: controller.signal }),
    );
    assert.equal(error, 'enough');
  });

  describe('async context', () => {
    const storage = new AsyncLocalStorage();
    const failTwice = ({ attempt }) => (attempt < 3 ? Promise.reject(new Error('again')) : 'value');
    const callbacks = (see) => ({
      retryIf: () => (see(), true),
      backoff: () => (see(), 1),
      retryAfter: () => (see(), undefined),
      onRetry: see,
    });
    const mapper = (fn) => (_item, _index, ctx) => fn(ctx);

    // Where the failure that is asked about comes from: (see) => promise; each time all four callbacks see twice.
    const scenarios = {
      'attempts that fail at once': (see) => retry(failTwice, { retries: 2, ...callbacks(see) }),
      'attempts that throw': (see) =>
        retry(({ attempt }) => (attempt < 3 ? assert.fail('no') : 'value'), { retries: 2, ...callbacks(see) }),
      'attempts that fail later': (see) =>
        retry((ctx) => clock.sleep(2).then(() => failTwice(ctx)), { retries: 2, ...callbacks(see) }),
      'attempts that time out': (see) =>
        retry(({ attempt }) => (attempt < 3 ? never() : 'value'), { retries: 2, timeout: 5, ...callbacks(see) }),
      execute: (see) => execute(failTwice, { retries: 2, ...callbacks(see) }),
      'execute, attempts that time out': (see) =>
        execute(({ attempt }) => (attempt < 3 ? never() : 'value'), { retries: 2, timeout: 5, ...callbacks(see) }),
      'items of an array': (see) =>
        mapWithLimit([0], 1, mapper(failTwice), { retry: { retries: 2, ...callbacks(see) } }),
      'items of an async iterable': (see) =>
        mapWithLimit(asyncly([0]), 2, mapper(failTwice), { retry: { retries: 2, ...callbacks(see) } }),
      'items that wait for a token': (see) =>
        mapSettled([0], 1, mapper(failTwice), { rate: { max: 1, burst: 1 }, retry: { retries: 2, ...callbacks(see) } }),
      'items of a pulled set, timed out': (see) =>
        mapSettled(
          new Set([0]),
          1,
          mapper(({ attempt }) => (attempt < 3 ? never() : 'value')),
          {
            timeout: 5,
            maxAbandoned: 5,
            retry: { retries: 2, ...callbacks(see) },
          },
        ),
      'items after a yield': (see) =>
        mapWithLimit([0], 1, mapper(failTwice), { yieldAfter: 0, retry: { retries: 2, ...callbacks(see) } }),
    };
    for (const [scenario, run] of Object.entries(scenarios)) {
      it(`${scenario}: the callbacks, and the listeners of their signals, are in the caller's`, async () => {
        const seen = { a: [], b: [] };
        const call = (caller) => storage.run(caller, () => run(() => void seen[caller].push(storage.getStore())));
        await storage.run('nobody', () => over(Promise.all([call('a'), call('b')])));
        for (const caller of ['a', 'b']) assert.deepEqual(seen[caller], Array(8).fill(caller));
      });
    }

    it('the listener of a signal, told by an abort or a timeout from elsewhere', async () => {
      for (const rest of [{ totalTimeout: 20 }, { signal: true }, { itemTimeout: 20 }]) {
        const seen = [];
        const controller = new AbortController();
        storage.run('somebody', () => clock.setTimeout(() => controller.abort('enough'), 10));
        const result = storage.run('caller', () => {
          const onRetry = (_error, { signal }) => {
            signal.addEventListener('abort', () => seen.push(storage.getStore()));
            return never();
          };
          const options = { ...rest, retry: { retries: 1, onRetry } };
          if (rest.signal) options.signal = controller.signal;
          return mapWithLimit([0], 1, () => Promise.reject(new Error('no')), options);
        });
        await storage.run('nobody', () => rejection(over(result)));
        assert.deepEqual(seen, ['caller']);
      }
    });
  });

  it('nothing is unhandled, whatever ends a call under review', async () => {
    const reasons = await unhandledDuring(async () => {
      for (const rest of [{ totalTimeout: 10 }, { signal: AbortSignal.abort('before') }, {}]) {
        const policy = { retries: 1, delay: 1, retryIf: () => Promise.reject(new Error('mistake')), ...rest };
        await rejection(over(retry(failing({ after: 20 }).fn, policy)));
        await clock.advance(100);
        await turn();
      }
    });
    assert.deepEqual(reasons, []);
  });
});
