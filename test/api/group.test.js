'use strict';

// TaskGroup: tasks that end together.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const vm = require('node:vm');

const fc = require('fast-check');

const { Semaphore, SluiceError, TaskGroup, TimeoutError } = require('../..');
const { usage } = require('../../lib/engine');
const { assertNothingLeft } = require('../support/endings');
const { childOf, isChild, itCollects, tellAll } = require('../support/garbage');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { resourcesDuring } = require('../support/resources');
const { AsyncLocalStorage } = require('../support/storage');
const { run, trees, verify } = require('../support/task-trees');
const { virtualClock } = require('../support/virtual-clock');

const noop = () => {};
const failure = new Error('failure');

/** A task that ends when its signal is aborted, with that reason. */
function untilAborted({ signal }) {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

/** How it stands with a promise by now. */
async function state(promise) {
  let known = 'pending';
  promise.then(
    () => (known = 'fulfilled'),
    () => (known = 'rejected'),
  );
  await turn();
  return known;
}

function groupTests() {
  describe('run', () => {
    it('resolves with the value of the body, after the body and all tasks have ended', async () => {
      const tasks = [deferred(), deferred()];
      const log = [];
      const call = TaskGroup.run(async (group) => {
        for (const [i, { promise }] of tasks.entries()) group.run(() => promise.then(() => log.push(i)));
        await turn();
        log.push('body');
        return 'value';
      });
      assert.equal(await state(call), 'pending');
      tasks[1].resolve();
      assert.equal(await state(call), 'pending');
      tasks[0].resolve();
      assert.equal(await call, 'value');
      assert.deepEqual(log, ['body', 1, 0]);
    });

    it('a body without tasks, and one that is no async function', async () => {
      assert.equal(await TaskGroup.run(async () => 1), 1);
      assert.equal(await TaskGroup.run(() => 2), 2);
      assert.equal(await TaskGroup.run(() => ({ then: (resolve) => resolve(3) })), 3);
    });

    it('a task starts synchronously, and its promise has its value', async () => {
      await TaskGroup.run(async (group) => {
        let started = 0;
        const results = [
          group.run(async () => ++started),
          group.run(() => ++started),
          group.run(() => ({ then: (resolve) => (resolve(++started), resolve('again')) })),
          group.run(() => vm.runInNewContext('Promise.resolve(4)')),
          group.run(() => class extends Promise {}.resolve(5)),
        ];
        assert.equal(started, 2);
        assert.deepEqual(await Promise.all(results), [1, 2, 3, 4, 5]);
      });
    });

    it('a task is told its index, its only attempt, a signal, and what time is left', async () => {
      await TaskGroup.run(async (group) => {
        const seen = [];
        for (let i = 0; i < 3; i++) {
          group.run((...given) => {
            assert.equal(given.length, 1);
            const { index, attempt, signal, remaining } = given[0];
            seen.push([index, attempt, signal.aborted, remaining]);
          });
        }
        assert.deepEqual(
          seen,
          [0, 1, 2].map((index) => [index, 1, false, Infinity]),
        );
      });
    });

    it('a task may run more tasks, also when the body has ended', async () => {
      const log = [];
      await TaskGroup.run((group) => {
        const spawn = async (depth) => {
          await turn();
          log.push(depth);
          if (depth < 3) group.run(() => spawn(depth + 1));
        };
        group.run(() => spawn(0));
      });
      assert.deepEqual(log, [0, 1, 2, 3]);
    });

    it('size counts the tasks that have not ended', async () => {
      await TaskGroup.run(async (group) => {
        const task = deferred();
        assert.equal(group.size, 0);
        const first = group.run(() => (assert.equal(group.size, 1), task.promise));
        group.run(noop);
        assert.equal(group.size, 2);
        await turn();
        assert.equal(group.size, 1);
        task.resolve();
        await first;
        assert.equal(group.size, 0);
      });
    });
  });

  describe('the first failure', () => {
    const ways = {
      'of a task that throws': () => {
        throw failure;
      },
      'of an async task': async () => {
        throw failure;
      },
      'of a task later on': () => turn().then(() => Promise.reject(failure)),
      'of a thenable': () => ({ then: (_resolve, reject) => reject(failure) }),
      'of a thenable that throws': () => ({
        get then() {
          throw failure;
        },
      }),
    };
    for (const [name, fail] of Object.entries(ways)) {
      it(`${name}: aborts the siblings with that very error, waits for them, and rejects with it`, async () => {
        const slow = deferred();
        let groupSignal;
        const signals = [];
        const reasons = await unhandledDuring(async () => {
          const call = TaskGroup.run(async (group) => {
            groupSignal = group.signal;
            group.run((ctx) => (signals.push(ctx.signal), untilAborted(ctx)));
            group.run((ctx) => (signals.push(ctx.signal), slow.promise));
            group.run(fail);
          });
          assert.equal(await state(call), 'pending');
          await turn();
          for (const signal of [groupSignal, ...signals]) assert.equal(signal.reason, failure);
          slow.resolve('late');
          assert.equal(await rejection(call), failure);
        });
        assert.deepEqual(reasons, []);
      });
    }

    it('of the body', async () => {
      let signal;
      const call = TaskGroup.run(async (group) => {
        group.run((ctx) => ((signal = ctx.signal), untilAborted(ctx)));
        throw failure;
      });
      assert.equal(await rejection(call), failure);
      assert.equal(signal.reason, failure);
    });

    it('of a body that throws synchronously', async () => {
      const call = TaskGroup.run((group) => {
        group.run(untilAborted);
        throw failure;
      });
      assert.equal(await rejection(call), failure);
    });

    it('of a task that the body awaits is one error', async () => {
      const call = TaskGroup.run(async (group) => {
        await group.run(() => Promise.reject(failure));
      });
      assert.equal(await rejection(call), failure);
    });

    it('the group waits for its body too', async () => {
      const body = deferred();
      const call = TaskGroup.run((group) => {
        group.run(() => Promise.reject(failure));
        return body.promise;
      });
      assert.equal(await state(call), 'pending');
      body.resolve('value');
      assert.equal(await rejection(call), failure);
    });

    for (const value of [undefined, null, 0, NaN, 'reason']) {
      it(`may be any value: ${value}`, async () => {
        const call = TaskGroup.run((group) => {
          group.run(untilAborted);
          group.run(async ({ signal }) => {
            await turn();
            const { reason } = signal;
            throw value === undefined
              ? reason
              : Object.assign(new Error('of node'), { name: 'AbortError', cause: reason });
          });
          group.run(() => Promise.reject(value));
        });
        assert.equal(await rejection(call), value);
      });
    }

    it('of the body behind close(), which has said that all was well', async () => {
      for (const value of [failure, undefined]) {
        const call = TaskGroup.run(async (group) => {
          await group.close();
          throw value;
        });
        assert.equal(await rejection(call), value);
      }
    });

    it('ends what bounds the group, and leaves no time to it', async () => {
      const { signal } = new AbortController();
      for (const options of [{ signal, totalTimeout: 10_000 }, undefined]) {
        const slow = deferred();
        let context;
        const call = TaskGroup.run((group) => {
          group.run((ctx) => ((context = ctx), slow.promise));
          group.run(() => Promise.reject(failure));
        }, options);
        await turn();
        assert.equal(context.signal.reason, failure);
        assert.equal(context.remaining, 0);
        assert.equal(usage().lanes, 0);
        assert.equal(getEventListeners(signal, 'abort').length, 0);
        slow.resolve();
        assert.equal(await rejection(call), failure);
      }
    });

    it('and others are an AggregateError that names the group', async () => {
      const call = TaskGroup.run(
        (group) => {
          group.run(() => Promise.reject(failure));
          group.run(() => Promise.reject(new Error('other')));
        },
        { label: 'crowd' },
      );
      assert.match((await rejection(call)).message, /^"crowd" failed with 2 errors$/);
    });

    it('and others are an AggregateError, in the order of failing', async () => {
      const [a, b, c] = [new Error('a'), new Error('b'), new Error('c')];
      const open = [deferred(), deferred(), deferred()];
      const call = TaskGroup.run((group) => {
        for (const { promise } of open) group.run(() => promise);
        group.run(untilAborted);
      });
      open[1].reject(b);
      await turn();
      open[2].reject(c);
      await turn();
      open[0].reject(a);
      const error = await rejection(call);
      assert.ok(error instanceof AggregateError);
      assert.deepEqual(error.errors, [b, c, a]);
      assert.match(error.message, /3 errors/);
    });

    it('errors that only say that the abort was heard are no errors of their own', async () => {
      const call = TaskGroup.run((group) => {
        group.run(untilAborted);
        group.run((ctx) =>
          untilAborted(ctx).catch((cause) => {
            throw Object.assign(new Error('aborted', { cause }), { name: 'AbortError' });
          }),
        );
        group.run(() => Promise.reject(failure));
      });
      assert.equal(await rejection(call), failure);
    });

    it('an AbortError of another cause is an error of its own, and so is what throws when it is asked', async () => {
      const other = new DOMException('other', 'AbortError');
      const hostile = new Proxy(new Error('hostile'), {
        get() {
          throw new Error('trap');
        },
      });
      const call = TaskGroup.run((group) => {
        group.run(() => Promise.reject(failure));
        group.run(() => turn().then(() => Promise.reject(other)));
        group.run(() => turn().then(() => Promise.reject(hostile)));
      });
      const error = await rejection(call);
      assert.equal(error.errors.length, 3);
      assert.ok(error.errors[0] === failure && error.errors[1] === other && error.errors[2] === hostile);
    });

    it('the same later error, passed on by who awaits its task, counts once', async () => {
      const later = new Error('later');
      const call = TaskGroup.run((group) => {
        const task = group.run(() => turn().then(() => Promise.reject(later)));
        group.run(() => task);
        group.run(async () => void (await task));
        group.run(() => Promise.reject(failure));
      });
      assert.deepEqual((await rejection(call)).errors, [failure, later]);
    });

    it("the failed task's own signal, and those of tasks that have ended, are not aborted", async () => {
      const signals = [];
      const late = [];
      const call = TaskGroup.run(async (group) => {
        await group.run(async (ctx) => void signals.push(ctx.signal));
        await group.run((ctx) => turn().then(() => signals.push(ctx.signal)));
        await group.run(async (...given) => void (await turn(), signals.push(given[0].signal)));
        await group.run(async (ctx) => void late.push(ctx));
        await group.run(async (ctx) => {
          signals.push(ctx.signal);
          throw failure;
        });
      });
      assert.equal(await rejection(call), failure);
      signals.push(late[0].signal);
      for (const signal of signals) assert.equal(signal.aborted, false);
      assert.equal(late[0].remaining, 0);
      assert.equal(signals.length, 5);
    });

    it('a signal that is asked for late hears of it, and one that is asked for after it is aborted', async () => {
      const seen = [];
      const call = TaskGroup.run((group) => {
        const ask = async ({ signal }) => {
          const abort = () => seen.push(signal.reason);
          if (signal.aborted) abort();
          else signal.addEventListener('abort', abort);
          await turn();
        };
        group.run(async (...given) => ask((await undefined, given[0])));
        group.run((ctx) =>
          turn()
            .then(() => turn())
            .then(() => ask(ctx)),
        );
        group.run((...given) =>
          turn()
            .then(() => turn())
            .then(() => ask(given[0])),
        );
        group.run(() => turn().then(() => Promise.reject(failure)));
      });
      assert.equal(await rejection(call), failure);
      assert.deepEqual(seen, [failure, failure, failure]);
    });

    it('nothing starts any more: run() rejects with the reason, and that is nobody’s business', async () => {
      let started = 0;
      const refused = [];
      const reasons = await unhandledDuring(async () => {
        const call = TaskGroup.run(async (group) => {
          group.run(({ signal }) => {
            signal.addEventListener('abort', () => refused.push(group.run(() => started++)));
            return turn();
          });
          group.run(() => Promise.reject(failure));
          await turn();
          refused.push(
            group.run(() => started++),
            group.nest(() => started++),
          );
          group.run(() => started++);
        });
        assert.equal(await rejection(call), failure);
      });
      assert.deepEqual(reasons, []);
      assert.equal(started, 0);
      assert.equal(refused.length, 3);
      for (const promise of refused) assert.equal(await rejection(promise), failure);
    });

    it('the promise of a task that failed is handled, and still tells', async () => {
      const reasons = await unhandledDuring(async () => {
        for (const fail of [() => Promise.reject(failure), (_ctx) => Promise.reject(failure)]) {
          let task;
          const call = TaskGroup.run((group) => {
            task = group.run(fail);
          });
          await rejection(call);
          await turn();
          assert.equal(await rejection(task), failure);
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('a listener that throws changes nothing', async () => {
      const reasons = await unhandledDuring(async () => {
        const call = TaskGroup.run((group) => {
          group.run((ctx) => {
            ctx.signal.addEventListener('abort', () => {
              throw new Error('listener');
            });
            return untilAborted(ctx);
          });
          group.run(untilAborted);
          group.run(() => Promise.reject(failure));
        });
        assert.equal(await rejection(call), failure);
      });
      assert.deepEqual(
        reasons.map(({ message }) => message),
        ['listener'],
      );
    });
  });

  describe('signal', () => {
    it('aborts with its reason, and waits for what runs', async () => {
      const controller = new AbortController();
      const slow = deferred();
      const seen = [];
      const call = TaskGroup.run(
        (group) => {
          group.run((ctx) => (ctx.signal.addEventListener('abort', () => seen.push(ctx.signal.reason)), slow.promise));
          group.run(untilAborted);
        },
        { signal: controller.signal },
      );
      controller.abort('over');
      assert.deepEqual(seen, ['over']);
      assert.equal(await state(call), 'pending');
      slow.resolve();
      assert.equal(await rejection(call), 'over');
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    });

    it('that is aborted already: no body is called, after the arguments were looked at', async () => {
      const signal = AbortSignal.abort('over');
      assert.equal(await rejection(TaskGroup.run(() => assert.fail('called'), { signal })), 'over');
      assert.equal((await rejection(TaskGroup.run(1, { signal }))).code, 'ERR_INVALID_ARG_TYPE');
      const group = new TaskGroup({ signal });
      assert.equal(group.signal.reason, 'over');
      assert.equal(await rejection(group.run(() => assert.fail('called'))), 'over');
      assert.equal(await rejection(group.close()), 'over');
    });

    it('a listener is there while the group is, and no longer', async () => {
      const { signal } = new AbortController();
      for (const body of [noop, () => Promise.reject(failure)]) {
        const task = deferred();
        const call = TaskGroup.run((group) => (group.run(() => task.promise), body()), { signal });
        task.resolve();
        await call.catch(noop);
        assert.equal(getEventListeners(signal, 'abort').length, 0);
      }
    });

    it('an abort in the middle of a task, of the body, of its own listener', async () => {
      for (const where of ['task', 'body', 'listener']) {
        const controller = new AbortController();
        const call = TaskGroup.run(
          (group) => {
            if (where === 'body') controller.abort('over');
            group.run(({ signal }) => {
              signal.addEventListener('abort', () => controller.abort('again'));
              if (where === 'task') controller.abort('over');
            });
            if (where === 'listener') group.run(() => Promise.reject('over'));
          },
          { signal: controller.signal },
        );
        assert.equal(await rejection(call), 'over', where);
      }
    });
  });

  describe('totalTimeout', () => {
    const clock = virtualClock();
    afterEach(assertNothingLeft);

    it('aborts with a TimeoutError of scope total, and waits for what runs', async () => {
      let reason;
      let ended;
      const call = TaskGroup.run(
        (group) => {
          group.run(async ({ signal }) => {
            await clock.sleep(20);
            ({ reason } = signal);
            ended = clock.now;
          });
          group.run(untilAborted);
        },
        { totalTimeout: 12.5, label: 'crowd' },
      );
      const error = await rejection(clock.over(call));
      assert.ok(error instanceof TimeoutError);
      assert.equal(error, reason);
      const { scope, timeout, elapsed, loopBlocked, label, index, attempt } = error;
      assert.deepEqual(
        { scope, timeout, elapsed, loopBlocked, label, index, attempt },
        {
          scope: 'total',
          timeout: 12.5,
          elapsed: 12.5,
          loopBlocked: 0,
          label: 'crowd',
          index: undefined,
          attempt: undefined,
        },
      );
      assert.equal(ended, 20);
    });

    it('a group that ends in time leaves no deadline', async () => {
      assert.equal(await clock.over(TaskGroup.run(() => 'value', { totalTimeout: 10 })), 'value');
      assert.equal(await rejection(TaskGroup.run(() => Promise.reject('failed'), { totalTimeout: 10 })), 'failed');
    });

    it('that has passed before it began: nothing starts', async () => {
      for (const totalTimeout of [0, -5]) {
        const error = await rejection(TaskGroup.run(() => assert.fail('called'), { totalTimeout }));
        assert.ok(error instanceof TimeoutError);
        assert.equal(error.timeout, 0);
      }
    });

    it('remaining is what is left of it, in a nested group the least', async () => {
      const seen = [];
      const look = async (ctx) => {
        seen.push(ctx.remaining);
        await clock.sleep(4);
        seen.push(ctx.remaining);
      };
      const call = TaskGroup.run(
        async (group) => {
          await group.run(look);
          await group.nest((inner) => inner.run(look), { totalTimeout: 100 });
          await group.nest((inner) => inner.run(look), { totalTimeout: 5 });
        },
        { totalTimeout: 20 },
      );
      await clock.over(call);
      assert.deepEqual(seen, [20, 16, 16, 12, 5, 1]);
    });

    it('of the group ends nested groups too, which wait for their own', async () => {
      const log = [];
      const call = TaskGroup.run(
        (group) => {
          group.nest((inner) => {
            inner.run(({ signal }) => clock.sleep(30).then(() => log.push(signal.reason.scope, clock.now)));
          });
        },
        { totalTimeout: 10 },
      );
      assert.equal((await rejection(clock.over(call))).timeout, 10);
      assert.deepEqual(log, ['total', 30]);
    });

    it('of a nested group is a failure of its task', async () => {
      let inner;
      const call = TaskGroup.run(
        (group) => {
          inner = group.nest((nested) => void nested.run(untilAborted), { totalTimeout: 5 });
          group.run(untilAborted);
        },
        { totalTimeout: 10 },
      );
      const error = await rejection(clock.over(call));
      assert.equal(error.timeout, 5);
      assert.equal(await rejection(inner), error);
    });
  });

  describe('nest', () => {
    it('resolves with the value of its body, and counts as one task', async () => {
      await TaskGroup.run(async (group) => {
        const task = deferred();
        const nested = group.nest((inner) => {
          inner.run(() => task.promise);
          inner.run(() => task.promise);
          assert.equal(inner.size, 2);
          return 'value';
        });
        assert.equal(group.size, 1);
        assert.equal(await state(nested), 'pending');
        task.resolve();
        assert.equal(await nested, 'value');
      });
    });

    it('a failure in it fails the outer group, and one outside aborts it', async () => {
      for (const where of ['inner', 'outer']) {
        const signals = [];
        const call = TaskGroup.run((group) => {
          group.run((ctx) => (signals.push(ctx.signal), untilAborted(ctx)));
          group.nest((inner) => {
            signals.push(inner.signal);
            inner.run((ctx) => (signals.push(ctx.signal), untilAborted(ctx)));
            if (where === 'inner') inner.run(() => Promise.reject(failure));
          });
          if (where === 'outer') group.run(() => Promise.reject(failure));
        });
        assert.equal(await rejection(call), failure);
        for (const { reason } of signals) assert.equal(reason, failure);
        assert.equal(signals.length, 3);
      }
    });

    it('a failure in it that somebody sees to does not spread: it is a group of its own that is awaited', async () => {
      const value = await TaskGroup.run(async (group) => {
        const safe = group.run(() =>
          TaskGroup.run((inner) => inner.run(() => Promise.reject(failure))).catch(() => 'safe'),
        );
        return await safe;
      });
      assert.equal(value, 'safe');
    });

    it('what it has seen besides the abort counts, and the abort counts once', async () => {
      const [own, other] = [new Error('own'), new Error('other')];
      const call = TaskGroup.run((group) => {
        group.nest((inner) => {
          inner.nest((innermost) => {
            innermost.run((ctx) => untilAborted(ctx).catch(() => Promise.reject(own)));
          });
          inner.run((ctx) => untilAborted(ctx).catch(() => turn().then(() => Promise.reject(other))));
        });
        group.run(() => Promise.reject(failure));
      });
      assert.deepEqual((await rejection(call)).errors, [failure, own, other]);
    });

    it('its own signal is one reason more to end', async () => {
      const controller = new AbortController();
      let outer;
      const call = TaskGroup.run((group) => {
        group.nest((inner) => void inner.run(untilAborted), { signal: controller.signal });
        outer = group.signal;
      });
      controller.abort('over');
      assert.equal(await rejection(call), 'over');
      assert.equal(outer.reason, 'over');
    });

    it('in a group that is failing does not start', async () => {
      const call = TaskGroup.run(async (group) => {
        group.run(() => Promise.reject(failure));
        await turn();
        assert.equal(await rejection(group.nest(() => assert.fail('called'))), failure);
      });
      assert.equal(await rejection(call), failure);
    });
  });

  describe('limit', () => {
    for (const kind of ['a number', 'a Semaphore']) {
      const limitOf = (n) => (kind === 'a number' ? n : new Semaphore(n));

      it(`${kind}: never more run than that, in the order of run(), at once where there is room`, async () => {
        let running = 0;
        let most = 0;
        const order = [];
        const open = [];
        const call = TaskGroup.run(
          async (group) => {
            for (let i = 0; i < 7; i++) {
              group.run(async ({ index }) => {
                order.push(index);
                most = Math.max(most, ++running);
                open.push(deferred());
                await open.at(-1).promise;
                running--;
              });
              assert.equal(order.length, Math.min(i + 1, 3));
              assert.equal(group.size, i + 1);
            }
          },
          { limit: limitOf(3) },
        );
        for (const i of [1, 0, 2, 4, 3, 6, 5]) {
          await turn();
          open[i].resolve();
        }
        await call;
        assert.equal(most, 3);
        assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6]);
      });

      it(`${kind}: those that wait when it fails never start, and reject with the reason`, async () => {
        let started = 0;
        let waiting;
        const reasons = await unhandledDuring(async () => {
          const call = TaskGroup.run(
            (group) => {
              group.run(() => turn().then(() => Promise.reject(failure)));
              waiting = Array.from({ length: 3 }, () => group.run(async () => ++started));
              assert.equal(group.size, 4);
            },
            { limit: limitOf(1) },
          );
          assert.equal(await rejection(call), failure);
        });
        assert.deepEqual(reasons, []);
        assert.equal(started, 0);
        for (const task of waiting) assert.equal(await rejection(task), failure);
      });

      it(`${kind}: those that wait when it fails are told at once, whoever still runs`, async () => {
        const slow = deferred();
        const call = TaskGroup.run(
          async (group) => {
            group.run(() => slow.promise);
            group.run(() => assert.fail('started')).catch(slow.resolve);
            throw failure;
          },
          { limit: limitOf(1) },
        );
        assert.equal(await rejection(call), failure);
        assert.equal(await slow.promise, failure);
      });

      it(`${kind}: the signals of tasks that have ended are not aborted, and a failure still tells`, async () => {
        let signal;
        let failing;
        const call = TaskGroup.run(
          async (group) => {
            group.run(turn);
            await group.run(async (ctx) => void ({ signal } = ctx));
            failing = group.run(() => Promise.reject(failure));
          },
          { limit: limitOf(1) },
        );
        assert.equal(await rejection(call), failure);
        assert.equal(await rejection(failing), failure);
        assert.equal(signal.aborted, false);
      });

      it(`${kind}: an error after a wait names who called, in its async context`, async () => {
        const storage = new AsyncLocalStorage();
        const call = TaskGroup.run(
          async (group) => {
            const first = group.run(turn);
            const seen = await storage.run('mine', () => group.run(async () => (await turn(), storage.getStore())));
            await first;
            assert.equal(seen, 'mine');
            group.run(turn);
            await (async function whoAsks() {
              await group.run(async () => {
                await turn();
                throw new Error('in the task');
              });
            })();
          },
          { limit: limitOf(1) },
        );
        assert.match((await rejection(call)).stack, /whoAsks/);
      });
    }

    it('is what was given', () => {
      const semaphore = new Semaphore(2);
      assert.equal(new TaskGroup().limit, Infinity);
      assert.equal(new TaskGroup({ limit: 3 }).limit, 3);
      assert.equal(new TaskGroup({ limit: semaphore }).limit, semaphore);
    });

    it('a Semaphore that groups share holds for all of them, and all is given back', async () => {
      const limit = new Semaphore(2);
      let running = 0;
      let most = 0;
      const body = (group) => {
        for (let i = 0; i < 5; i++) {
          group.run(async () => {
            most = Math.max(most, ++running);
            await turn();
            running--;
            if (i === 3) throw failure;
          });
        }
      };
      const calls = Array.from({ length: 4 }, () => rejection(TaskGroup.run(body, { limit })));
      await Promise.all(calls);
      assert.equal(most, 2);
      assert.equal(limit.available, 2);
      assert.equal(limit.waiting, 0);
    });

    it('an abort while a permit is on its way to a task: it does not start, and the permit is given back', async () => {
      const controller = new AbortController();
      const limit = new Semaphore(1);
      const permit = limit.tryAcquire();
      const call = TaskGroup.run((group) => void group.run(() => assert.fail('started')), {
        limit,
        signal: controller.signal,
      });
      await turn();
      permit.release();
      controller.abort('over');
      assert.equal(await rejection(call), 'over');
      await turn();
      assert.equal(limit.available, 1);
    });

    it('a Semaphore that is closed fails those that wait, those that come, and new groups', async () => {
      const limit = new Semaphore(1);
      const first = deferred();
      const call = TaskGroup.run(
        (group) => {
          group.run(() => first.promise);
          group.run(() => assert.fail('started'));
        },
        { limit },
      );
      const idle = new TaskGroup({ limit });
      limit.close();
      await turn();
      first.resolve();
      assert.equal((await rejection(call)).code, 'ERR_SLUICE_CLOSED');
      assert.equal((await rejection(idle.run(() => assert.fail('started')))).code, 'ERR_SLUICE_CLOSED');
      assert.equal((await rejection(idle.close())).code, 'ERR_SLUICE_CLOSED');
      const late = TaskGroup.run(() => assert.fail('called'), { limit });
      assert.equal((await rejection(late)).code, 'ERR_SLUICE_CLOSED');
    });
  });

  describe('close', () => {
    it('resolves when all tasks have ended: the same promise each time', async () => {
      const group = new TaskGroup();
      const task = deferred();
      const result = group.run(() => task.promise);
      const closed = group.close();
      assert.equal(group.close(), closed);
      assert.equal(await state(closed), 'pending');
      task.resolve('value');
      assert.equal(await closed, undefined);
      assert.equal(await result, 'value');
      assert.equal(group.close(), closed);
    });

    it('of a group without tasks', async () => {
      assert.equal(await new TaskGroup().close(), undefined);
    });

    it('rejects as run does', async () => {
      const group = new TaskGroup();
      group.run(untilAborted);
      group.run(() => Promise.reject(failure));
      assert.equal(await rejection(group.close()), failure);
    });

    it('rejects with what failed before it was called', async () => {
      const reasons = await unhandledDuring(async () => {
        const group = new TaskGroup();
        group.run(() => Promise.reject(failure));
        await turn();
        assert.equal(group.signal.reason, failure);
        assert.equal(group.size, 0);
        assert.equal(await rejection(group.run(noop)), failure);
        assert.equal(await rejection(group.close()), failure);
      });
      assert.deepEqual(reasons, []);
    });

    it('tasks may run more tasks until the last has ended; then run() rejects with ERR_SLUICE_CLOSED', async () => {
      const group = new TaskGroup();
      let isLate = false;
      group.run(async () => {
        await turn();
        group.run(async () => {
          await turn();
          isLate = true;
        });
      });
      await group.close();
      assert.ok(isLate);
      for (const promise of [group.run(noop), group.nest(noop)]) {
        const error = await rejection(promise);
        assert.ok(error instanceof SluiceError);
        assert.equal(error.code, 'ERR_SLUICE_CLOSED');
      }
    });

    it('in a task of the group, or in the body of run()', async () => {
      const group = new TaskGroup();
      group.run(() => void group.close());
      await group.close();
      const value = await TaskGroup.run(async (inner) => {
        inner.run(turn);
        await inner.close();
        assert.equal((await rejection(inner.run(noop))).code, 'ERR_SLUICE_CLOSED');
        return 'value';
      });
      assert.equal(value, 'value');
      const call = TaskGroup.run(async (inner) => {
        await inner.close();
        throw failure;
      });
      assert.equal(await rejection(call), failure);
    });

    it('run() in a group of run() that has ended', async () => {
      let kept;
      await TaskGroup.run((group) => void (kept = group));
      assert.equal((await rejection(kept.run(noop))).code, 'ERR_SLUICE_CLOSED');
      assert.equal(kept.size, 0);
      assert.equal(kept.signal.aborted, false);
    });
  });

  describe('asyncDispose', () => {
    const dispose = (group) => group[Symbol.asyncDispose]();

    it('aborts what runs, waits for it, and does not reject because of that', async () => {
      const group = new TaskGroup({ limit: 2 });
      const slow = deferred();
      let reason;
      group.run(untilAborted);
      group.run(({ signal }) => slow.promise.then(() => ({ reason } = signal)));
      group.run(() => assert.fail('started'));
      const disposed = dispose(group);
      assert.equal(await state(disposed), 'pending');
      slow.resolve();
      assert.equal(await disposed, undefined);
      assert.equal(reason.name, 'AbortError');
      assert.equal(reason, group.signal.reason);
      assert.equal((await rejection(group.run(noop))).code, 'ERR_SLUICE_CLOSED');
    });

    it("rejects with a task's own error, before it or after it", async () => {
      const late = new TaskGroup();
      late.run((ctx) => untilAborted(ctx).catch(() => Promise.reject(failure)));
      assert.equal(await rejection(dispose(late)), failure);
      const early = new TaskGroup();
      early.run(() => Promise.reject(failure));
      await turn();
      assert.equal(await rejection(dispose(early)), failure);
    });

    it('after close() aborts nothing, waits, and leaves the failures to the promise of that', async () => {
      const group = new TaskGroup();
      const task = deferred();
      group.run(() => task.promise);
      const closed = rejection(group.close());
      const disposed = dispose(group);
      assert.equal(await state(disposed), 'pending');
      assert.equal(group.signal.aborted, false);
      task.reject(failure);
      assert.equal(await disposed, undefined);
      assert.equal(await closed, failure);
    });

    it('twice, and of a group without tasks', async () => {
      const group = new TaskGroup();
      assert.equal(await dispose(group), undefined);
      assert.equal(await dispose(group), undefined);
      assert.equal(await group.close(), undefined);
    });
  });

  describe('arguments', () => {
    it('what is wrong with them is said before anything runs', async () => {
      const cases = {
        'body: undefined': [undefined],
        'body: an object': [{}],
        'an unknown option': [noop, { timout: 5 }],
        'unref, which a group does not have': [noop, { unref: true }],
        'limit: 0': [noop, { limit: 0 }],
        'limit: a fraction': [noop, { limit: 1.5 }],
        'limit: an object': [noop, { limit: {} }],
        'limit: null': [noop, { limit: null }],
        'totalTimeout: NaN': [noop, { totalTimeout: NaN }],
        'totalTimeout: a string': [noop, { totalTimeout: '5' }],
        'signal: an object': [noop, { signal: {} }],
        'label: a number': [noop, { label: 5 }],
        'options: null': [noop, null],
        'options: a number': [noop, 5],
      };
      for (const [name, [body, options]] of Object.entries(cases)) {
        const error = await rejection(TaskGroup.run(body, options));
        assert.match(error.code, /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/, name);
        await TaskGroup.run(async (group) => {
          assert.equal((await rejection(group.nest(body, options))).code, error.code, name);
        });
        if (body === noop) assert.throws(() => new TaskGroup(options), { code: error.code }, name);
      }
      for (const fn of [undefined, null, {}, Promise.resolve()]) {
        await TaskGroup.run(async (group) => {
          assert.equal((await rejection(group.run(fn))).code, 'ERR_INVALID_ARG_TYPE');
          assert.equal(group.size, 0);
        });
      }
      assert.match((await rejection(TaskGroup.run(noop, { timout: 5 }))).message, /options\.timout/);
    });

    it('options may be undefined, and each of them', async () => {
      const options = { limit: undefined, signal: undefined, totalTimeout: undefined, label: undefined };
      assert.equal(await TaskGroup.run(() => 1, options), 1);
      assert.equal(await TaskGroup.run(() => 1, undefined), 1);
    });

    it("a stranger's `this` is told so", async () => {
      const { run, nest, close, [Symbol.asyncDispose]: dispose } = TaskGroup.prototype;
      for (const stranger of [undefined, null, 1, {}, Object.create(TaskGroup.prototype)]) {
        for (const method of [run, nest, close, dispose]) {
          assert.equal((await rejection(Reflect.apply(method, stranger, [noop]))).code, 'ERR_INVALID_THIS');
        }
        for (const name of ['size', 'signal', 'limit']) {
          const { get } = Object.getOwnPropertyDescriptor(TaskGroup.prototype, name);
          assert.throws(() => Reflect.apply(get, stranger, []), { code: 'ERR_INVALID_THIS' });
        }
      }
      const { run: asFunction } = TaskGroup;
      assert.equal(await asFunction(() => 1), 1);
    });

    it('a hostile signal', async () => {
      const signal = {
        aborted: false,
        removeEventListener: noop,
        addEventListener() {
          throw failure;
        },
      };
      assert.equal(await rejection(TaskGroup.run(() => assert.fail('called'), { signal, totalTimeout: 10 })), failure);
      assert.throws(() => new TaskGroup({ signal }), failure);
      assert.equal(usage().lanes, 0);
    });

    it('hostile functions: a proxy whose traps throw, a promise whose constructor does', async () => {
      const proxy = new Proxy(async () => 'value', {
        get() {
          throw new Error('trap');
        },
      });
      const strange = Object.defineProperty(Promise.resolve(), 'constructor', {
        get() {
          throw failure;
        },
      });
      assert.equal(await TaskGroup.run((group) => group.run(proxy)), 'value');
      assert.equal(await rejection(TaskGroup.run((group) => void group.run(() => strange))), failure);
    });
  });

  describe('whose call it is', () => {
    const takers = {
      'a function without parameters': (fn) => () => fn(),
      'a function that takes its context': (fn) => (_ctx) => fn(),
      'a function that asks for its signal late': (fn) => (ctx) => fn().finally(() => ctx.signal),
    };
    for (const [name, taker] of Object.entries(takers)) {
      it(`the stack of an error names who awaits the task, who runs it, and who awaits the group: ${name}`, async () => {
        async function fails() {
          await turn();
          throw new Error('in the task');
        }
        async function whoAsksForTheTask(group) {
          await group.run(taker(fails));
        }
        async function whoAsksForTheGroup() {
          await TaskGroup.run((group) => whoAsksForTheTask(group));
        }
        const { stack } = await rejection(whoAsksForTheGroup());
        assert.match(stack, /fails/);
        assert.match(stack, /whoAsksForTheTask/);
        assert.match(stack, /whoAsksForTheGroup/);
      });
    }

    it('the stack of an error in a nested group names who asked for the outer one', async () => {
      async function whoAsks() {
        await TaskGroup.run((group) =>
          group.nest((inner) =>
            inner.run(async () => {
              await turn();
              throw new Error('in the task');
            }),
          ),
        );
      }
      assert.match((await rejection(whoAsks())).stack, /whoAsks/);
    });

    it('what it takes for that is given back', async () => {
      const controller = new AbortController();
      const { taken, out } = await resourcesDuring(async () => {
        await TaskGroup.run(noop, { signal: controller.signal });
        await rejection(TaskGroup.run(() => Promise.reject(failure), { totalTimeout: 1000 }));
        await rejection(TaskGroup.run((group) => void group.run(untilAborted), { totalTimeout: 1 }));
        const call = TaskGroup.run((group) => void group.run(untilAborted), { signal: controller.signal });
        controller.abort('over');
        await rejection(call);
      });
      assert.deepEqual({ taken, out }, { taken: 4, out: 0 });
    });

    it('listeners hear of an abort, and of the time, in the context of the group', async () => {
      const storage = new AsyncLocalStorage();
      const controller = new AbortController();
      const ends = [{ signal: controller.signal }, { totalTimeout: 1 }];
      const seen = [];
      const calls = ends.map((options, i) =>
        storage.run(i, () =>
          TaskGroup.run((group) => {
            group.run((ctx) => {
              ctx.signal.addEventListener('abort', () => seen.push([i, storage.getStore()]));
              return untilAborted(ctx);
            });
          }, options),
        ),
      );
      storage.run('stranger', () => controller.abort('over'));
      await Promise.all(calls.map(rejection));
      assert.deepEqual(seen, [
        [0, 0],
        [1, 1],
      ]);
    });
  });
}

function treeTests() {
  const clock = virtualClock();

  it('keep every promise, whatever fails, hears of an abort, spawns and nests', async function () {
    this.timeout(60_000);
    const property = fc.asyncProperty(trees, async (tree) => {
      clock.reset();
      const reasons = await unhandledDuring(async () => verify(tree, await run(tree, TaskGroup, clock)));
      assert.deepEqual(reasons, []);
      assertNothingLeft();
    });
    await fc.assert(property, { numRuns: 500 });
  });
}

// name -> async (keep) => what the scenario holds on to; keep(name, object): the object must be collectable at its end.
const scenarios = {
  'the values and the functions of tasks that have ended, while the group is open': async (keep) => {
    const group = new TaskGroup();
    const tasks = [async () => ({}), async (ctx) => ctx.signal, (ctx) => turn().then(() => ctx)];
    for (const task of tasks) {
      const value = await group.run(task);
      keep('value', value);
      keep('task', task);
    }
    await group.nest(async (inner) => {
      keep('nested group', inner);
      keep('its signal', inner.signal);
    });
    return [group];
  },
  'what a group was about that has ended': async (keep) => {
    let kept;
    const body = async (group) => {
      kept = group;
      const value = { value: true };
      keep('value', value);
      await group.run(async (ctx) => (keep('context', ctx), value));
      return value;
    };
    await TaskGroup.run(body, { totalTimeout: 1000, signal: new AbortController().signal, limit: 2 });
    keep('body', body);
    return [kept];
  },
  'a group on a signal that lives on': async (keep) => {
    const controller = new AbortController();
    await TaskGroup.run(
      async (group) => {
        keep('group', group);
        await group.run(noop);
      },
      { signal: controller.signal },
    );
    return [controller];
  },
};

if (isChild) {
  tellAll(scenarios);
} else {
  describe('TaskGroup', () => {
    groupTests();
    describe('random trees of tasks', treeTests);

    describe('what it leaves behind', () => {
      itCollects(scenarios, childOf(__filename));
    });
  });
}
