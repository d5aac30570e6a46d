'use strict';

// withTimeout, and the error it is known for.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const vm = require('node:vm');

const { TimeoutError, withTimeout } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};

describe('withTimeout', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);

  // The two forms, with what both can say.
  const forms = {
    positional: (work, ms, fallback) => withTimeout(work, ms, fallback),
    options: (work, ms, fallback) => withTimeout(work, { timeout: ms, fallback }),
  };

  for (const [form, guard] of Object.entries(forms)) {
    describe(`${form} form`, () => {
      const works = {
        'a promise': () => clock.sleep(3).then(() => 'value'),
        'a settled promise': () => Promise.resolve('value'),
        'a plain value': () => 'value',
        'a function': () => () => clock.sleep(3).then(() => 'value'),
        'a function that returns a plain value': () => () => 'value',
        'an async function': () => async () => 'value',
        'a thenable': () => ({ then: (resolve) => clock.setTimeout(() => resolve('value'), 3) }),
        'a thenable that calls back twice': () => ({ then: (resolve) => (resolve('value'), resolve('second')) }),
        'a function that returns a thenable': () => () => ({ then: (resolve) => resolve('value') }),
        "another realm's promise": () => vm.runInNewContext('Promise.resolve("value")'),
        'a promise of a subclass': () => class extends Promise {}.resolve('value'),
        'a promise of a subclass that calls back twice': () => {
          class Twice extends Promise {
            then(resolve) {
              resolve('value');
              resolve('second');
            }
          }
          return Twice.resolve('own');
        },
        'a promise whose then was replaced': () =>
          Object.assign(Promise.resolve('value'), { then: () => assert.fail('called') }),
      };
      for (const [name, make] of Object.entries(works)) {
        it(`${name} that is there in time`, async () => {
          assert.equal(await over(guard(make(), 10)), 'value');
          assert.equal(await over(guard(make(), Infinity)), 'value');
          assert.equal(await over(guard(make(), 10, 'fallback')), 'value');
        });
      }

      const error = new Error('work');
      const raise = () => {
        throw error;
      };
      const failures = {
        'a promise that rejects': () => clock.sleep(3).then(raise),
        'a rejected promise': () => Promise.reject(error),
        'a function that throws': () => raise,
        'a function whose promise rejects': () => async () => raise(),
        'a thenable that rejects': () => ({ then: (_resolve, reject) => reject(error) }),
        'a thenable that throws': () => ({ then: raise }),
        'a thenable whose then is a getter that throws': () => ({
          get then() {
            return raise();
          },
        }),
        'a promise whose constructor is a getter that throws': () =>
          Object.defineProperty(Promise.resolve(), 'constructor', { get: raise }),
      };
      for (const [name, make] of Object.entries(failures)) {
        it(`${name} rejects with that very error, not with a fallback`, async () => {
          const reasons = await unhandledDuring(async () => {
            assert.equal(await rejection(over(guard(make(), 10, 'fallback'))), error);
            assert.equal(await rejection(over(guard(make(), Infinity))), error);
          });
          assert.deepEqual(reasons, []);
        });
      }

      it('plain values are returned as they are, functions aside', async () => {
        for (const value of [0, '', null, undefined, NaN, false, 1n, {}, []]) {
          assert.equal(await guard(value, 10), value);
        }
      });

      it('what is not there in time rejects with a TimeoutError that tells all', async () => {
        for (const work of [never(), never, { then: noop }]) {
          const began = clock.now;
          const caught = await rejection(over(guard(work, 12.5)));
          assert.equal(clock.now - began, 12.5);
          assert.ok(caught instanceof TimeoutError && caught instanceof Error);
          const { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label } = caught;
          assert.deepEqual(
            { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label },
            {
              name: 'TimeoutError',
              code: 'ERR_SLUICE_TIMEOUT',
              scope: 'attempt',
              timeout: 12.5,
              elapsed: 12.5,
              loopBlocked: 0,
              index: undefined,
              attempt: 1,
              label: undefined,
            },
          );
          assert.match(caught.message, /12\.5 ms/);
          assert.match(caught.stack, /^TimeoutError: /);
        }
      });

      it('its late outcome is swallowed', async () => {
        const reasons = await unhandledDuring(async () => {
          for (const settle of [({ reject }) => reject(new Error('late')), ({ resolve }) => resolve('late')]) {
            const work = deferred();
            assert.ok((await rejection(over(guard(work.promise, 5)))) instanceof TimeoutError);
            settle(work);
            await turn();
          }
        });
        assert.deepEqual(reasons, []);
      });

      it('zero starts the work, and takes what is there at once', async () => {
        let calls = 0;
        assert.equal(await over(guard(async () => ++calls, 0)), 1);
        assert.equal(await over(guard(Promise.resolve('there'), 0)), 'there');
        assert.ok((await rejection(over(guard(() => (calls++, never()), 0)))) instanceof TimeoutError);
        assert.equal(calls, 2);
      });

      it('Infinity, and whatever is beyond 2^63 ns, never expires', async () => {
        for (const ms of [Infinity, 1e300, Number.MAX_VALUE]) {
          for (const work of [() => clock.sleep(1e9).then(() => 'late'), clock.sleep(1e9).then(() => 'late')]) {
            assert.equal(await over(guard(work, ms, 'fallback')), 'late');
          }
        }
      });

      it('a delay over 2^31 ms is waited for', async () => {
        const began = clock.now;
        await rejection(over(guard(never(), 2 ** 31 + 1000)));
        assert.equal(clock.now - began, 2 ** 31 + 1000);
      });

      it('a function is called once, before withTimeout returns, with nothing but a context', async () => {
        const calls = [];
        const result = guard(function work(...args) {
          calls.push([this, ...args]);
        }, 10);
        assert.equal(calls.length, 1);
        const [receiver, ctx, ...more] = calls[0];
        assert.deepEqual([receiver, more], [undefined, []]);
        assert.deepEqual([ctx.index, ctx.attempt], [0, 1]);
        await result;
      });

      it("its context's signal is aborted with the TimeoutError, also with a fallback and when it is read later", async () => {
        for (const fallback of [undefined, 'fallback']) {
          for (const isReadBefore of [true, false]) {
            let context;
            const work = (ctx) => {
              context = ctx;
              if (isReadBefore) assert.equal(ctx.signal.aborted, false);
              return never();
            };
            const result = over(guard(work, 5, fallback));
            if (fallback !== undefined) {
              assert.equal(await result, fallback);
            } else {
              const error = await rejection(result);
              assert.equal(context.signal.reason, error);
            }
            assert.ok(context.signal.aborted);
            assert.ok(context.signal.reason instanceof TimeoutError);
            assert.equal(context.signal, context.signal);
          }
        }
      });

      it("its context's signal is not aborted on a normal end, nor by its own failure", async () => {
        const contexts = [];
        await over(guard((ctx) => (contexts.push(ctx), clock.sleep(2)), 10));
        await rejection(over(guard((ctx) => (contexts.push(ctx), clock.sleep(2).then(raise)), 10)));
        await clock.advance(50);
        for (const { signal } of contexts) assert.equal(signal.aborted, false);
      });

      it('many at once, each with its own time', async () => {
        const results = Array.from({ length: 100 }, (_, i) => guard(clock.sleep(i), 50.5, 'late'));
        assert.deepEqual(
          await over(Promise.all(results)),
          results.map((_, i) => (i <= 50 ? undefined : 'late')),
        );
      });
    });
  }

  describe('fallback', () => {
    const values = [null, 0, false, '', NaN, noop, async () => 'called', {}, { signal: 'no AbortSignal' }, [], 5];
    for (const value of values) {
      it(`positional: ${inspect(value)} is the result, verbatim`, async () => {
        for (const work of [never, never()]) assert.equal(await over(withTimeout(work, 5, value)), value);
      });
    }

    for (const value of values.filter((one) => typeof one !== 'function')) {
      it(`options: ${inspect(value)} is the result`, async () => {
        assert.equal(await over(withTimeout(never(), { timeout: 5, fallback: value })), value);
      });
    }

    it('undefined is none', async () => {
      assert.ok((await rejection(over(withTimeout(never(), 5, undefined)))) instanceof TimeoutError);
      const options = { timeout: 5, fallback: undefined };
      assert.ok((await rejection(over(withTimeout(never(), options)))) instanceof TimeoutError);
    });

    it('options: a function is called when it is needed, and only then', async () => {
      let calls = 0;
      const fallback = (...args) => {
        assert.deepEqual(args, []);
        return `called ${++calls}`;
      };
      assert.equal(await over(withTimeout(async () => 'value', { timeout: 5, fallback })), 'value');
      assert.equal(await over(withTimeout(clock.sleep(1), { timeout: 5, fallback })), undefined);
      assert.equal(await rejection(withTimeout(Promise.reject('no'), { timeout: 5, fallback })), 'no');
      await clock.advance(20);
      assert.equal(calls, 0);
      assert.equal(await over(withTimeout(never(), { timeout: 5, fallback })), 'called 1');
      assert.equal(calls, 1);
    });

    it('options: what the function returns may be a promise', async () => {
      const slow = () => clock.sleep(50).then(() => 'slow');
      assert.equal(await over(withTimeout(never(), { timeout: 5, fallback: slow })), 'slow');
      assert.equal(
        await rejection(over(withTimeout(never(), { timeout: 5, fallback: async () => Promise.reject('no') }))),
        'no',
      );
    });

    it('options: what the function throws is what it rejects with', async () => {
      const error = new Error('fallback');
      const fallback = () => {
        throw error;
      };
      assert.equal(await rejection(over(withTimeout(never(), { timeout: 5, fallback }))), error);
    });

    it('is not used on abort', async () => {
      const fallback = () => assert.fail('called');
      const controller = new AbortController();
      const { signal } = controller;
      clock.setTimeout(() => controller.abort('enough'), 3);
      assert.equal(await rejection(over(withTimeout(never(), { timeout: 5, fallback, signal }))), 'enough');
      assert.equal(await rejection(withTimeout(never(), { timeout: 5, fallback, signal })), 'enough');
      await clock.advance(20);
    });

    it('a third argument that holds an AbortSignal is an error: it was meant as options', async () => {
      const foreign = vm.runInNewContext('({ aborted: false, addEventListener() {}, removeEventListener() {} })');
      for (const signal of [new AbortController().signal, AbortSignal.abort(), foreign]) {
        for (const make of [
          () => () => assert.fail('called'),
          Promise.resolve,
          () => Promise.reject(new Error('work')),
        ]) {
          const reasons = await unhandledDuring(async () => {
            const error = await rejection(withTimeout(make.call(Promise), 5, { signal }));
            assert.ok(error instanceof TypeError);
            assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
            assert.match(error.message, /fallback/);
          });
          assert.deepEqual(reasons, []);
        }
      }
    });

    it('a third argument beside options is an error', async () => {
      const error = await rejection(withTimeout(never(), { timeout: 5 }, 'fallback'));
      assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
    });
  });

  describe('signal and label', () => {
    it('rejects at once with the reason, and tells the work', async () => {
      for (const reason of [new Error('mine'), 'text', null, 0]) {
        const controller = new AbortController();
        let signal;
        const work = (ctx) => ((signal = ctx.signal), never());
        const result = withTimeout(work, { timeout: 5, signal: controller.signal });
        result.catch(noop);
        controller.abort(reason);
        assert.match(inspect(result), /<rejected>/);
        assert.equal(await rejection(result), reason);
        assert.equal(signal.reason, reason);
      }
    });

    it('is heard without a timeout, too', async () => {
      const controller = new AbortController();
      const result = withTimeout(never(), { timeout: Infinity, signal: controller.signal });
      controller.abort('enough');
      assert.equal(await rejection(result), 'enough');
    });

    it('already aborted: the work is not called, and a promise stays handled', async () => {
      const signal = AbortSignal.abort('before');
      const reasons = await unhandledDuring(async () => {
        for (const work of [() => assert.fail('called'), 'value', Promise.reject(new Error('work'))]) {
          assert.equal(await rejection(withTimeout(work, { timeout: 5, signal })), 'before');
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('aborted by the work itself: its signal, its context and its promise are seen to', async () => {
      const controller = new AbortController();
      let context;
      const work = (ctx) => {
        context = ctx;
        controller.abort('inside');
        return Promise.reject(new Error('work'));
      };
      const reasons = await unhandledDuring(async () => {
        assert.equal(await rejection(withTimeout(work, { timeout: 5, signal: controller.signal })), 'inside');
      });
      assert.deepEqual(reasons, []);
      assert.equal(context.signal.reason, 'inside');
    });

    it('an abort after the end changes nothing', async () => {
      const controller = new AbortController();
      let signal;
      const work = async (ctx) => {
        signal = ctx.signal;
        return 'value';
      };
      assert.equal(await withTimeout(work, { timeout: 5, signal: controller.signal }), 'value');
      await turn();
      controller.abort('late');
      assert.equal(signal.aborted, false);
    });

    it('a listener on the context signal that throws cannot change the result', async () => {
      const thrown = new Error('listener');
      const work = ({ signal }) => {
        signal.addEventListener('abort', () => {
          throw thrown;
        });
        return never();
      };
      const reasons = await unhandledDuring(async () => {
        assert.equal(await over(withTimeout(work, 5, 'fallback')), 'fallback');
        assert.ok((await rejection(over(withTimeout(work, 5)))) instanceof TimeoutError);
      });
      assert.deepEqual(reasons, [thrown, thrown]);
    });

    it('the label stands in the error and in its message', async () => {
      const error = await rejection(over(withTimeout(never(), { timeout: 5, label: 'load users' })));
      assert.equal(error.label, 'load users');
      assert.match(error.message, /load users/);
    });
  });

  it('rejected work is handled when the arguments are invalid', async () => {
    const reasons = await unhandledDuring(async () => {
      for (const second of [undefined, null, NaN, -1, '5', {}, { timeout: -1 }, { timeout: 5, timout: 5 }, noop]) {
        await rejection(withTimeout(Promise.reject(new Error('work')), second));
      }
    });
    assert.deepEqual(reasons, []);
  });

  it('a thenable is not asked when the arguments are invalid or the signal is aborted already, and else once', async () => {
    let count = 0;
    const lazy = { then: () => count++ };
    assert.equal((await rejection(withTimeout(lazy, -1))).code, 'ERR_OUT_OF_RANGE');
    assert.equal(await rejection(withTimeout(lazy, { timeout: 5, signal: AbortSignal.abort('before') })), 'before');
    await turn();
    assert.equal(count, 0);
    const counted = { then: (resolve) => resolve(++count) };
    assert.equal(await over(withTimeout(counted, 5)), 1);
    assert.equal(await over(withTimeout(counted, { timeout: 5, signal: new AbortController().signal })), 2);
  });

  it('a foreign thenable that calls back twice does not reach the next user of its guard', async () => {
    for (let i = 0; i < 50; i++) {
      let callBack;
      class Twice extends Promise {
        then(resolve) {
          callBack = resolve;
          resolve('first');
        }
      }
      assert.equal(await withTimeout(Twice.resolve(), 10), 'first');
      await turn();
      const next = withTimeout(
        clock.sleep(5).then(() => 'own'),
        10,
      );
      callBack('second');
      assert.equal(await over(next), 'own');
    }
  });

  it('a guard goes from call to call: each gets its own outcome', async () => {
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 50 }, (_, i) => {
        const kind = (i + round) % 4;
        if (kind === 0)
          return withTimeout(
            clock.sleep(i % 7).then(() => i),
            10,
          );
        if (kind === 1)
          return withTimeout(
            clock.sleep(20).then(() => 'late'),
            10,
            i,
          );
        if (kind === 2) return withTimeout(Promise.reject(i), 10).catch((reason) => reason);
        return withTimeout(Promise.resolve(i), 10);
      });
      assert.deepEqual(
        await over(Promise.all(calls)),
        calls.map((_, i) => i),
      );
    }
    await clock.advance(50);
  });
});

describe('TimeoutError', () => {
  it('name and code are on the prototype, as those of Node errors; it is told by code and by class', () => {
    assert.equal(TimeoutError.prototype.name, 'TimeoutError');
    assert.equal(TimeoutError.prototype.code, 'ERR_SLUICE_TIMEOUT');
    assert.ok(TimeoutError.prototype instanceof Error);
  });
});
