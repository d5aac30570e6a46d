'use strict';

// Retries: of retry() in both forms, of execute(), and of an item of mapWithLimit and mapSettled. (What the callbacks of a
// policy have to say is in review.test.js.)

const assert = require('node:assert/strict');
const { inspect } = require('node:util');

const { PermanentError, TimeoutError, execute, mapSettled, mapWithLimit, retry } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { rejection, turn, unhandledDuring } = require('../support/outcomes');
const { failing } = require('../support/failing');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const none = { jitter: 'none' };
const raise = (error) => {
  throw error;
};

describe('retry', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);

  // Every way to have something retried by a policy: (fn, policy, rest) => promise.
  const ways = {
    'retry(fn, options)': (fn, policy, rest) => retry(fn, { ...policy, ...rest }),
    'execute(fn, options)': async (fn, policy, rest) => {
      const { success, value, error } = await execute(fn, { ...policy, ...rest });
      if (!success) throw error;
      return value;
    },
    'mapSettled, an array': async (fn, policy, rest) => {
      const options = { retry: policy, ...rest };
      const [only] = await mapSettled([0], 1, (_item, _index, ctx) => fn(ctx), options);
      if (only.status === 'rejected') throw only.reason;
      return only.value;
    },
    'mapWithLimit, an array': async (fn, policy, rest) => {
      const [value] = await mapWithLimit([0], 1, (_item, _index, ctx) => fn(ctx), { retry: policy, ...rest });
      return value;
    },
    'mapWithLimit, an async iterable': async (fn, policy, rest) => {
      const items = (async function* () {
        yield 0;
      })();
      const [value] = await mapWithLimit(items, 2, (_item, _index, ctx) => fn(ctx), { retry: policy, ...rest });
      return value;
    },
  };

  for (const [name, call] of Object.entries(ways)) {
    describe(name, () => {
      it('the first success is the result, and no further attempt is made', async () => {
        const attempts = [];
        const fn = async ({ attempt, index }) => {
          attempts.push([index, attempt]);
          if (attempt < 3) throw new Error('again');
          return 'value';
        };
        assert.equal(await over(call(fn, { retries: 5, delay: 10, ...none })), 'value');
        await clock.advance(100);
        assert.deepEqual(attempts, [
          [0, 1],
          [0, 2],
          [0, 3],
        ]);
      });

      it('exhausted: it rejects with the last error itself, unchanged', async () => {
        for (const retries of [0, 1, 3]) {
          const { fn, calls } = failing(clock);
          const error = await rejection(over(call(fn, { retries, delay: 1 })));
          assert.equal(calls.length, retries + 1);
          assert.equal(error, calls.at(-1).error);
          assert.deepEqual(Object.getOwnPropertyNames(error).sort(), ['message', 'stack']);
        }
        for (const reason of [undefined, null, 0, 'text']) {
          assert.equal(await rejection(over(call(() => Promise.reject(reason), { retries: 2, delay: 1 }))), reason);
        }
      });

      it('a synchronous throw, and a thenable that rejects, are failures like any other', async () => {
        const fn = ({ attempt }) => {
          if (attempt === 1) throw new Error('thrown');
          if (attempt === 2) return { then: (_resolve, reject) => reject(new Error('thenable')) };
          return { then: (resolve) => resolve(`value ${attempt}`) };
        };
        assert.equal(await over(call(fn, { retries: 2, delay: 1 })), 'value 3');
      });

      it('without a delay the next attempt starts in the same turn', async () => {
        const { fn, calls } = failing(clock);
        let turns = 0;
        const result = rejection(call(fn, { retries: 20, delay: 0 }));
        setImmediate(() => turns++);
        const error = await result;
        assert.equal(turns, name.includes('async') ? turns : 0);
        assert.equal(calls.length, 21);
        assert.equal(error.message, 'attempt 21');
      });

      it('a thousand attempts that throw at once: no recursion', async () => {
        let count = 0;
        const fn = () => {
          count++;
          throw new Error('again');
        };
        await rejection(over(call(fn, { retries: 20_000, delay: 0 })));
        assert.equal(count, 20_001);
      });

      const kinds = {
        constant: [{ backoff: 'constant', delay: 10 }, [10, 10, 10, 10]],
        linear: [{ backoff: 'linear', delay: 10 }, [10, 20, 30, 40]],
        exponential: [{ backoff: 'exponential', delay: 10 }, [10, 20, 40, 80]],
        'exponential with a factor': [{ backoff: 'exponential', delay: 10, factor: 3 }, [10, 30, 90, 270]],
        'exponential with a factor of 1': [{ backoff: 'exponential', delay: 10, factor: 1 }, [10, 10, 10, 10]],
        'exponential with a fraction': [{ backoff: 'exponential', delay: 8, factor: 1.5 }, [8, 12, 18, 27]],
        'linear under maxDelay': [{ backoff: 'linear', delay: 10, maxDelay: 25 }, [10, 20, 25, 25]],
        'exponential under maxDelay': [{ delay: 10, maxDelay: 35 }, [10, 20, 35, 35]],
        'constant under maxDelay': [{ backoff: 'constant', delay: 10, maxDelay: 4 }, [4, 4, 4, 4]],
        'a maxDelay of Infinity': [{ delay: 20_000, maxDelay: Infinity }, [20_000, 40_000, 80_000, 160_000]],
        'the default maxDelay of 30 s': [{ delay: 20_000 }, [20_000, 30_000, 30_000, 30_000]],
        'the default delay of 1 s, exponential': [{}, [1000, 2000, 4000, 8000]],
        fractions: [{ backoff: 'constant', delay: 0.25 }, [0.25, 0.25, 0.25, 0.25]],
        'delays over 2^31 ms': [
          { backoff: 'constant', delay: 2 ** 31 + 1, maxDelay: Infinity },
          Array(4).fill(2 ** 31 + 1),
        ],
      };
      for (const [kind, [policy, waits]] of Object.entries(kinds)) {
        it(`backoff: ${kind}`, async () => {
          const run = failing(clock);
          await rejection(over(call(run.fn, { retries: 4, ...none, ...policy })));
          const expected = waits.reduce((times, wait) => [...times, times.at(-1) + wait], [0]);
          assert.deepEqual(run.times, expected);
        });
      }

      it('backoff: decorrelated: each wait evenly between delay and three times the one before', async () => {
        const firsts = [];
        const seconds = [];
        for (let i = 0; i < 60; i++) {
          const run = failing(clock);
          await rejection(over(call(run.fn, { retries: 6, delay: 10, backoff: 'decorrelated', factor: 50 })));
          let previous = 10;
          run.times.slice(1).forEach((time, k) => {
            const wait = time - run.times[k];
            assert.ok(wait >= 10 - 1e-6 && wait <= previous * 3 + 1e-6, `${wait} after ${previous}`);
            previous = wait;
          });
          firsts.push(run.times[1]);
          seconds.push((run.times[2] - run.times[1] - 10) / (run.times[1] * 3 - 10));
        }
        assert.ok(Math.min(...firsts) < 14 && Math.max(...firsts) > 26, String(firsts));
        assert.ok(Math.min(...seconds) < 0.2 && Math.max(...seconds) > 0.8, 'of all that it may be');
        const mean = firsts.reduce((sum, wait) => sum + wait) / firsts.length;
        assert.ok(mean > 16 && mean < 24, `${mean}: evenly`);
      });

      it('backoff: decorrelated: maxDelay caps it, also below delay; jitter and a delay of 0 change nothing', async () => {
        for (const jitter of ['none', 'full']) {
          let capped = 0;
          for (let i = 0; i < 20; i++) {
            const run = failing(clock);
            await rejection(
              over(call(run.fn, { retries: 5, delay: 10, backoff: 'decorrelated', maxDelay: 25, jitter })),
            );
            run.times.slice(1).forEach((time, k) => {
              const wait = time - run.times[k];
              assert.ok(wait >= 10 - 1e-6 && wait <= 25 + 1e-6, String(wait));
              capped += Math.abs(wait - 25) < 1e-6;
            });
          }
          assert.ok(capped > 10, `${capped} at the cap`);
          const short = failing(clock);
          await rejection(
            over(call(short.fn, { retries: 3, delay: 10, backoff: 'decorrelated', maxDelay: 4, jitter })),
          );
          assert.deepEqual(short.times, [0, 4, 8, 12]);
          const none = failing(clock);
          await rejection(over(call(none.fn, { retries: 3, delay: 0, backoff: 'decorrelated', jitter })));
          assert.deepEqual(none.times, [0, 0, 0, 0]);
        }
      });

      it('three retries and full jitter by default: each wait between 0 and what it would have been', async () => {
        const waits = [];
        for (let i = 0; i < 50; i++) {
          const run = failing(clock);
          await rejection(over(call(run.fn, { delay: 100 })));
          const { times } = run;
          assert.equal(times.length, 4);
          waits.push([times[1], times[2] - times[1], times[3] - times[2]]);
        }
        [100, 200, 400].forEach((most, i) => {
          const drawn = waits.map((three) => three[i]);
          assert.ok(Math.min(...drawn) >= 0 && Math.max(...drawn) <= most, String(drawn));
          assert.ok(Math.min(...drawn) < most / 4 && Math.max(...drawn) > (most * 3) / 4, String(drawn));
        });
      });

      it('the cap comes first, then the jitter', async () => {
        const waits = [];
        for (let i = 0; i < 50; i++) {
          const run = failing(clock);
          await rejection(over(call(run.fn, { retries: 1, delay: 1000, maxDelay: 100, jitter: 'full' })));
          waits.push(run.times[1]);
        }
        assert.ok(Math.max(...waits) <= 100, String(waits));
        assert.ok(Math.min(...waits) < 50, 'they would all be 100 the other way round');
      });

      it('retries: Infinity goes on until it succeeds', async () => {
        const fn = async ({ attempt }) => {
          if (attempt < 500) throw new Error('again');
          return attempt;
        };
        assert.equal(await over(call(fn, { retries: Infinity, delay: 1, factor: 1 })), 500);
      });

      it('an attempt that times out is one that failed; the next one has the whole time', async () => {
        const signals = [];
        const fn = (ctx) => {
          signals.push(ctx.signal);
          return ctx.attempt < 3 ? never() : clock.sleep(9).then(() => 'value');
        };
        const began = clock.now;
        const policy = { retries: 2, delay: 5, backoff: 'constant', ...none };
        assert.equal(await over(call(fn, policy, { timeout: 10 })), 'value');
        assert.equal(clock.now - began, 10 + 5 + 10 + 5 + 9);
        const reasons = signals.map(({ reason }) => reason);
        assert.deepEqual(
          reasons.map((reason) => reason?.attempt),
          [1, 2, undefined],
        );
      });

      it('exhausted by timeouts: the last TimeoutError', async () => {
        const error = await rejection(over(call(never, { retries: 1, delay: 5, ...none }, { timeout: 10 })));
        assert.ok(error instanceof TimeoutError);
        assert.deepEqual([error.scope, error.timeout, error.attempt], ['attempt', 10, 2]);
      });

      it('the attempt clock does not run during a backoff', async () => {
        const run = failing(clock);
        const policy = { retries: 1, delay: 100, ...none };
        assert.equal((await rejection(over(call(run.fn, policy, { timeout: 10 })))).message, 'attempt 2');
        assert.deepEqual(run.times, [0, 100]);
      });

      it('the total time runs during a backoff, and ends it', async () => {
        const began = clock.now;
        const fn = ({ attempt }) => (attempt === 1 ? Promise.reject(new Error('again')) : never());
        const error = await rejection(over(call(fn, { retries: 1, delay: 10, ...none }, { totalTimeout: 25 })));
        assert.equal(clock.now - began, 25);
        assert.deepEqual([error.scope, error.timeout, error.elapsed], ['total', 25, 25]);
      });

      it('a backoff that would outlive the total time rejects now, with the last error as cause', async () => {
        const began = clock.now;
        const run = failing(clock, { after: 5 });
        const policy = { retries: 3, delay: 10, backoff: 'constant', ...none };
        const error = await rejection(over(call(run.fn, policy, { totalTimeout: 28 })));
        assert.deepEqual(run.times, [0, 15]);
        assert.ok(error instanceof TimeoutError);
        assert.equal(error.scope, 'total');
        assert.equal(error.cause, run.calls.at(-1).error);
        assert.equal(clock.now - began, 20, 'not one instant later');
        assert.equal(error.elapsed, 20);
      });

      it('a cause that is undefined or null is told, too', async () => {
        const options = { totalTimeout: 20 };
        const error = await rejection(
          over(call(() => Promise.reject(null), { retries: 1, delay: 50, ...none }, options)),
        );
        assert.equal(error.scope, 'total');
        assert.equal(error.cause, null);
      });

      it('abort wakes a backoff at once', async () => {
        const controller = new AbortController();
        const run = failing(clock);
        const result = call(run.fn, { retries: 3, delay: 1000, ...none }, { signal: controller.signal });
        result.catch(noop);
        await clock.advance(500);
        controller.abort('enough');
        assert.equal(await rejection(result), 'enough');
        await clock.advance(10_000);
        assert.deepEqual(run.times, [0]);
      });

      it('aborted by an attempt that then fails: no further attempt', async () => {
        const controller = new AbortController();
        let calls = 0;
        const fn = async () => {
          calls++;
          controller.abort('enough');
          throw new Error('again');
        };
        const error = await rejection(over(call(fn, { retries: 3, delay: 0 }, { signal: controller.signal })));
        assert.equal(error, 'enough');
        assert.equal(calls, 1);
      });

      it('signal already aborted: no attempt is made', async () => {
        const signal = AbortSignal.abort('before');
        assert.equal(await rejection(call(() => assert.fail('called'), { retries: 3 }, { signal })), 'before');
      });

      it('the total time over already: no attempt is made', async () => {
        for (const totalTimeout of [0, -10]) {
          const error = await rejection(call(() => assert.fail('called'), { retries: 3 }, { totalTimeout }));
          assert.equal(error.scope, 'total');
        }
      });

      it("each attempt's signal: aborted while it runs, with the caller's reason; not if it had failed before", async () => {
        const controller = new AbortController();
        const contexts = [];
        const fn = (ctx) => {
          contexts.push(ctx);
          assert.equal(ctx.signal.aborted, false);
          return ctx.attempt === 1 ? Promise.reject(new Error('again')) : never();
        };
        const result = call(fn, { retries: 1, delay: 0 }, { signal: controller.signal });
        result.catch(noop);
        await clock.flush();
        controller.abort('enough');
        assert.deepEqual(
          contexts.map(({ signal }) => [signal.aborted, signal.reason]),
          [
            [false, undefined],
            [true, 'enough'],
          ],
        );
      });

      describe('PermanentError', () => {
        class Sub extends PermanentError {}
        const cause = new TypeError('the one that counts');
        const kinds = {
          'with a cause: the cause is the failure': [() => new PermanentError('no', { cause }), cause],
          'of a subclass, with a cause': [() => new Sub('no', { cause }), cause],
          'whose cause is null': [() => new PermanentError('no', { cause: null }), null],
          'whose cause is false': [() => new PermanentError('no', { cause: false }), false],
          'whose cause is another one: it is unwrapped once': [
            () => new PermanentError('no', { cause: new PermanentError('inner', { cause: 'innermost' }) }),
            undefined,
            'inner',
          ],
          'without a cause: it is the failure itself': [() => new PermanentError('no'), undefined, 'no'],
          'of a subclass, without a cause': [() => new Sub('sub'), undefined, 'sub'],
          'whose cause is undefined': [() => new PermanentError('no', { cause: undefined }), undefined, 'no'],
        };
        for (const [kind, [make, expected, message]] of Object.entries(kinds)) {
          it(`${kind}; no attempt follows`, async () => {
            for (const last of [1, 3]) {
              for (const how of [
                (error) => Promise.reject(error),
                raise,
                (error) => clock.sleep(5).then(() => raise(error)),
              ]) {
                const attempts = [];
                const fn = (ctx) => {
                  attempts.push(ctx.attempt);
                  return ctx.attempt < last ? Promise.reject(new Error('again')) : how(make());
                };
                const error = await rejection(over(call(fn, { retries: 9, delay: 1 }, { timeout: 100 })));
                if (message === undefined) {
                  assert.equal(error, expected);
                } else {
                  assert.ok(error instanceof PermanentError);
                  assert.equal(error.message, message);
                }
                assert.equal(attempts.length, last);
              }
            }
          });
        }

        it('as the cause of another error it means nothing', async () => {
          const run = failing(clock);
          const fn = (ctx) =>
            run.fn(ctx).catch((error) => raise(new Error('outer', { cause: new PermanentError(error) })));
          await rejection(over(call(fn, { retries: 2, delay: 1 })));
          assert.equal(run.calls.length, 3);
        });

        it('from an attempt that has timed out: it is late, and the next attempt goes on', async () => {
          const reasons = await unhandledDuring(async () => {
            const fn = async ({ attempt }) => {
              await clock.sleep(attempt === 1 ? 15 : 8);
              if (attempt === 1) throw new PermanentError('late', { cause });
              return attempt;
            };
            assert.equal(await over(call(fn, { retries: 1, delay: 1, ...none }, { timeout: 10 })), 2);
            await clock.advance(100);
          });
          assert.deepEqual(reasons, []);
        });

        it('from an attempt whose signal was aborted by its timeout: still a timeout', async () => {
          const fn = ({ signal }) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => reject(new PermanentError('told', { cause })));
            });
          const error = await rejection(over(call(fn, { retries: 1, delay: 1 }, { timeout: 10 })));
          assert.deepEqual([error.name, error.attempt], ['TimeoutError', 2]);
        });

        it('whose cause is a getter that throws, or a proxy: it is the failure itself, and nothing stays open', async () => {
          class Hostile extends PermanentError {
            get cause() {
              throw cause;
            }
          }
          const proxy = new Proxy(new PermanentError('no'), {
            get: (_target, key) => (key === 'cause' ? raise(cause) : undefined),
          });
          for (const error of [new Hostile('no'), proxy]) {
            let calls = 0;
            const fn = () => (calls++, raise(error));
            assert.equal(await rejection(over(call(fn, { retries: 1, delay: 1 }))), error);
            assert.equal(calls, 1);
          }
        });
      });

      it('late outcomes of abandoned attempts are swallowed', async () => {
        const reasons = await unhandledDuring(async () => {
          const fn = async ({ attempt }) => {
            await clock.sleep(15);
            throw new Error(`late ${attempt}`);
          };
          assert.equal((await rejection(over(call(fn, { retries: 2, delay: 1 }, { timeout: 10 })))).attempt, 3);
          await clock.advance(100);
        });
        assert.deepEqual(reasons, []);
      });

      it('the label stands in every TimeoutError', async () => {
        const policy = { retries: 1, delay: 5, ...none };
        const attempt = await rejection(over(call(never, policy, { timeout: 10, label: 'send' })));
        const total = await rejection(over(call(never, policy, { totalTimeout: 10, label: 'send' })));
        for (const error of [attempt, total]) {
          assert.equal(error.label, 'send');
          assert.match(error.message, /send/);
        }
      });
    });
  }

  describe('retry(fn, maxRetries, delayMs)', () => {
    it('waits delayMs * attempt: linear, without jitter', async () => {
      const run = failing(clock);
      const error = await rejection(over(retry(run.fn, 4, 10)));
      assert.deepEqual(run.times, [0, 10, 30, 60, 100]);
      assert.equal(error, run.calls.at(-1).error);
    });

    it('three retries and 1000 ms where they are not given, or undefined', async () => {
      for (const args of [[], [undefined], [undefined, undefined], [3], [3, undefined], [undefined, 1000]]) {
        const run = failing(clock);
        await rejection(over(retry(run.fn, ...args)));
        assert.deepEqual(run.times, [0, 1000, 3000, 6000]);
      }
    });

    it('no longest delay: 30 s is a default of the options form', async () => {
      const run = failing(clock);
      await rejection(over(retry(run.fn, 2, 40_000)));
      assert.deepEqual(run.times, [0, 40_000, 120_000]);
    });

    it('no retries: one attempt', async () => {
      const run = failing(clock);
      assert.equal(await rejection(retry(run.fn, 0, 10)), run.calls[0].error);
      assert.deepEqual(run.times, [0]);
    });

    it('no delay: the next attempt starts in the same turn', async () => {
      const run = failing(clock);
      let hasTurned = false;
      const result = rejection(retry(run.fn, 5, 0));
      setImmediate(() => (hasTurned = true));
      await result;
      assert.equal(hasTurned, false);
      assert.equal(run.calls.length, 6);
    });

    it('calls with different numbers do not mix', async () => {
      const runs = [
        [failing(clock), 1, 5],
        [failing(clock), 2, 7],
        [failing(clock), 1, 5],
      ];
      const results = runs.map(([{ fn }, retries, delay]) => rejection(retry(fn, retries, delay)));
      await over(Promise.all(results));
      assert.deepEqual(
        runs.map(([run]) => run.times),
        [
          [0, 5],
          [0, 7, 21],
          [0, 5],
        ],
      );
    });
  });

  describe('fn', () => {
    const forms = { positional: (fn) => retry(fn, 2, 1), options: (fn) => retry(fn, { retries: 2, delay: 1 }) };
    for (const [form, call] of Object.entries(forms)) {
      it(`${form}: is called at once, with nothing but a context, and no receiver; a fresh one for each attempt`, async () => {
        const calls = [];
        const result = call(function fn(...args) {
          calls.push([this, ...args]);
          if (calls.length < 3) throw new Error('again');
        });
        assert.equal(calls.length, 1);
        await over(result);
        assert.deepEqual(
          calls.map(([receiver, ctx, ...more]) => [receiver, ctx.index, ctx.attempt, more]),
          [1, 2, 3].map((attempt) => [undefined, 0, attempt, []]),
        );
        assert.equal(new Set(calls.map(([, ctx]) => ctx)).size, 3);
      });

      it(`${form}: its signals are never aborted on a normal end`, async () => {
        const contexts = [];
        const fn = async (ctx) => {
          contexts.push(ctx);
          assert.ok(ctx.signal instanceof AbortSignal);
          if (ctx.attempt < 3) throw new Error('again');
          return ctx.signal;
        };
        assert.equal((await over(call(fn))).aborted, false);
        await turn();
        for (const { signal } of contexts) assert.equal(signal.aborted, false);
      });

      it(`${form}: what it returns may be anything`, async () => {
        for (const value of [0, '', null, undefined, false, noop, {}]) {
          assert.equal(await call(() => value), value);
          assert.equal(await call(async () => value), value);
        }
      });

      it(`${form}: the signal of an attempt that failed is not aborted, the last one's neither`, async () => {
        const contexts = [];
        const fn = (ctx) => (contexts.push(ctx), Promise.reject(new Error('no')));
        await rejection(over(call(fn)));
        for (const { signal } of contexts) assert.equal(signal.aborted, false);
      });
    }

    it('the call is pending while an attempt runs', async () => {
      const result = retry(() => clock.sleep(1000).then(() => 'value'), 3, 10);
      await clock.advance(999);
      assert.match(inspect(result), /<pending>/);
      assert.equal(await over(result), 'value');
    });
  });

  it('PermanentError: name and code are on the prototype, the cause is the own property of an Error', () => {
    const bare = new PermanentError('no');
    const caused = new PermanentError('no', { cause: 'cause' });
    for (const error of [bare, caused]) {
      assert.ok(error instanceof Error);
      assert.deepEqual([error.name, error.code, error.message], ['PermanentError', 'ERR_SLUICE_PERMANENT', 'no']);
      assert.match(error.stack, /^PermanentError: no\n/);
    }
    assert.equal(Object.hasOwn(bare, 'cause'), false);
    assert.equal(caused.cause, 'cause');
    assert.deepEqual(Object.keys(caused), []);
    assert.equal(new PermanentError().message, '');
  });

  it('retry(fn, n): a PermanentError of the first attempt, and of a later one', async () => {
    for (const last of [1, 2]) {
      let calls = 0;
      const fn = ({ attempt }) => {
        calls++;
        throw attempt < last ? new Error('again') : new PermanentError('no', { cause: 'cause' });
      };
      assert.equal(await rejection(over(retry(fn, 3, 1))), 'cause');
      assert.equal(calls, last);
    }
  });

  it('mapSettled: a PermanentError is the outcome of its item alone, mapWithLimit: the end of all', async () => {
    const started = [];
    const mapper = (item, _index, { attempt }) => {
      started.push(`${item}.${attempt}`);
      if (item === 'b') throw new PermanentError('no', { cause: 'cause' });
      if (attempt === 1) throw new Error('again');
      return item;
    };
    const options = { retry: { retries: 2, delay: 1 } };
    assert.deepEqual(await over(mapSettled(['a', 'b', 'c'], 1, mapper, options)), [
      { status: 'fulfilled', value: 'a' },
      { status: 'rejected', reason: 'cause' },
      { status: 'fulfilled', value: 'c' },
    ]);
    assert.deepEqual(started, ['a.1', 'a.2', 'b.1', 'c.1', 'c.2']);
    started.length = 0;
    assert.equal(await rejection(over(mapWithLimit(['a', 'b', 'c'], 1, mapper, options))), 'cause');
    assert.deepEqual(started, ['a.1', 'a.2', 'b.1']);
    const { errors } = await rejection(over(mapWithLimit(['b', 'b'], 1, mapper, { ...options, stopOnError: false })));
    assert.deepEqual(errors, ['cause', 'cause']);
  });

  it("a PermanentError that is an element's, not the mapper's, is that item's failure as it is", async () => {
    const error = new PermanentError('element', { cause: 'cause' });
    const [{ reason }] = await over(mapSettled([Promise.reject(error)], 1, noop, { retry: 3 }));
    assert.equal(reason, error);
  });

  it('mapWithLimit: `retry: n` is `retry: { retries: n }`', async () => {
    for (const policy of [2, { retries: 2 }]) {
      clock.reset();
      const run = failing(clock);
      await rejection(over(mapWithLimit([0], 1, (_item, _index, ctx) => run.fn(ctx), { retry: policy })));
      assert.equal(run.times.length, 3);
      assert.ok(run.times[1] <= 1000 && run.times[2] - run.times[1] <= 2000);
      assert.ok(run.times[2] > 0);
    }
  });

  it('mapWithLimit: an item in backoff holds its lane', async () => {
    const started = [];
    const mapper = async (item, _index, { attempt }) => {
      started.push(`${item}.${attempt}`);
      if (item === 0 && attempt === 1) throw new Error('again');
    };
    const result = mapWithLimit([0, 1], 1, mapper, { retry: { retries: 1, delay: 100, ...none } });
    await clock.advance(99);
    assert.deepEqual(started, ['0.1']);
    await over(result);
    assert.deepEqual(started, ['0.1', '0.2', '1.1']);
  });

  it('mapWithLimit: the retries of one item do not reorder the results of all', async () => {
    const mapper = async (item, _index, { attempt }) => {
      if (item % 2 === 0 && attempt < 3) throw new Error('again');
      return item;
    };
    const items = Array.from({ length: 20 }, (_, i) => i);
    assert.deepEqual(await over(mapWithLimit(items, 3, mapper, { retry: { retries: 2, delay: 7 } })), items);
  });
});
