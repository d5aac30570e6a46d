'use strict';

// ctx.remaining: how long an attempt still has, for whoever works for it.

const assert = require('node:assert/strict');

const { allSettled, execute, mapSettled, mapWithLimit, retry, withTimeout } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { rejection, turn } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const fixed = { backoff: 'constant', jitter: 'none' };

async function* asyncly(values) {
  yield* values;
}

const mapper = (fn) => (_item, _index, ctx) => fn(ctx);

// Who gives a context, and which timeouts it knows: (fn, { timeout, itemTimeout, totalTimeout, ...rest }) => promise.
const ways = {
  'withTimeout, positional': { knows: ['timeout'], call: (fn, { timeout = Infinity }) => withTimeout(fn, timeout) },
  'withTimeout, options': {
    knows: ['timeout'],
    call: (fn, { timeout = Infinity, signal }) => withTimeout(fn, { timeout, signal }),
  },
  'withTimeout, options, with a fallback': {
    knows: ['timeout'],
    call: (fn, { timeout = Infinity, signal }) =>
      withTimeout(fn, { timeout, signal, fallback: () => Promise.reject(new Error('fallback')) }),
  },
  retry: { knows: ['timeout', 'totalTimeout'], call: (fn, rest) => retry(fn, { retries: 0, ...rest }) },
  'retry with callbacks': {
    knows: ['timeout', 'totalTimeout'],
    call: (fn, rest) => retry(fn, { retries: 0, onRetry: noop, ...rest }),
  },
  execute: {
    knows: ['timeout', 'totalTimeout'],
    call: async (fn, rest) => {
      const { success, value, error } = await execute(fn, { retries: 0, ...rest });
      if (!success) throw error;
      return value;
    },
  },
  'mapWithLimit, an array': {
    knows: ['timeout', 'itemTimeout', 'totalTimeout'],
    call: (fn, rest) => mapWithLimit([0], 1, mapper(fn), rest),
  },
  'mapWithLimit, an async iterable': {
    knows: ['timeout', 'itemTimeout', 'totalTimeout'],
    call: (fn, rest) => mapWithLimit(asyncly([0]), 1, mapper(fn), rest),
  },
  'mapWithLimit, with a rate': {
    knows: ['timeout', 'itemTimeout', 'totalTimeout'],
    call: (fn, rest) => mapWithLimit([0], 1, mapper(fn), { rate: 1000, ...rest }),
  },
  'mapSettled, a set': {
    knows: ['timeout', 'itemTimeout', 'totalTimeout'],
    call: async (fn, rest) => {
      const [{ status, value, reason }] = await mapSettled(new Set([0]), 1, mapper(fn), rest);
      if (status === 'rejected') throw reason;
      return value;
    },
  },
};

describe('ctx.remaining', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);

  /** Later, in a turn of its own: nothing has been judged yet. */
  function moveOn(ms) {
    clock.now += ms;
    clock.tell('OBSERVE');
  }

  for (const [name, { knows, call }] of Object.entries(ways)) {
    describe(name, () => {
      it('in the turn that the attempt started in: all of its time, before and after an await', async () => {
        for (const key of knows) {
          for (const ms of [0.5, 12.5, 1000, 2 ** 31 + 1]) {
            const seen = [];
            const fn = async (ctx) => {
              seen.push(ctx.remaining);
              await undefined;
              seen.push(ctx.remaining);
            };
            await over(call(fn, { [key]: ms }));
            assert.deepEqual(seen, [ms, ms], key);
          }
        }
      });

      it('it falls with the time, and never below 0', async () => {
        for (const key of knows) {
          const seen = [];
          let context;
          const fn = async (ctx) => {
            context = ctx;
            for (const ms of [0, 4, 4.5]) {
              await clock.sleep(ms);
              seen.push(ctx.remaining);
            }
            return never();
          };
          const result = call(fn, { [key]: 10 });
          result.catch(noop);
          await clock.advance(9);
          moveOn(1);
          assert.equal(context.remaining, 0, 'over, and nobody has said so');
          moveOn(5);
          assert.equal(context.remaining, 0);
          await rejection(over(result));
          assert.deepEqual(seen, [10, 6, 1.5], key);
        }
      });

      it('the tightest of the timeouts counts', async () => {
        const all = [10, 20, 30];
        const orders = [
          [0, 1, 2],
          [1, 2, 0],
          [2, 0, 1],
        ];
        for (const order of orders) {
          const given = Object.fromEntries(knows.map((key, i) => [key, all[order[i]]]));
          const least = Math.min(...Object.values(given));
          const seen = [];
          const fn = async (ctx) => {
            seen.push(ctx.remaining);
            await clock.sleep(3);
            seen.push(ctx.remaining);
          };
          await over(call(fn, given));
          assert.deepEqual(seen, [least, least - 3], JSON.stringify(given));
        }
      });

      it('Infinity where nothing bounds it', async () => {
        const seen = [];
        const fn = async (ctx) => {
          seen.push(ctx.remaining);
          await clock.sleep(3);
          seen.push(ctx.remaining);
        };
        await over(call(fn, {}));
        await over(call(fn, Object.fromEntries(knows.map((key) => [key, Infinity]))));
        assert.deepEqual(seen, Array(4).fill(Infinity));
      });

      it('0 once the attempt is over: with a value, at once or later, or with an error', async () => {
        const ends = {
          'a plain value': () => 'value',
          'a promise': async () => 'value',
          'a promise, later': () => clock.sleep(3),
          'a throw': () => {
            throw new Error('no');
          },
          'a rejection': async () => {
            throw new Error('no');
          },
          'a rejection, later': () => clock.sleep(3).then(() => Promise.reject(new Error('no'))),
        };
        for (const key of knows) {
          for (const [end, run] of Object.entries(ends)) {
            let context;
            const fn = (ctx) => {
              context = ctx;
              return run();
            };
            await over(call(fn, { [key]: 100 }).catch(noop));
            await turn();
            assert.equal(context.remaining, 0, `${key}, ${end}`);
            // Whoever comes after it in its place is another one.
            const next = withTimeout(never(), 50);
            next.catch(noop);
            assert.equal(context.remaining, 0, `${key}, ${end}, and another call follows`);
            await rejection(over(next));
            assert.equal(context.remaining, 0);
          }
        }
      });

      it('0 once its time is over, though it still runs', async () => {
        for (const key of knows) {
          const contexts = [];
          await rejection(over(call((ctx) => (contexts.push(ctx), never()), { [key]: 10 })));
          const others = [withTimeout(never(), 50), call((ctx) => (contexts.push(ctx), never()), { [key]: 60 })];
          await turn();
          assert.equal(contexts[0].remaining, 0, key);
          if (!name.includes('async')) assert.equal(contexts[1].remaining, 60);
          for (const other of others) await rejection(over(other));
        }
      });

      it('0 once the caller has aborted', async () => {
        if (name === 'withTimeout, positional') return;
        let context;
        const controller = new AbortController();
        const result = call((ctx) => ((context = ctx), never()), { [knows[0]]: 100, signal: controller.signal });
        result.catch(noop);
        await clock.advance(5);
        assert.equal(context.remaining, 95);
        controller.abort('enough');
        assert.equal(context.remaining, 0);
        assert.equal(await rejection(result), 'enough');
      });

      it('in a listener of its signal, 0', async () => {
        let seen;
        const fn = (ctx) => {
          ctx.signal.addEventListener('abort', () => (seen = ctx.remaining));
          return never();
        };
        await rejection(over(call(fn, { [knows.at(-1)]: 10 })));
        assert.equal(seen, 0);
      });
    });
  }

  it('each attempt has its own time, and what is left of the others', async () => {
    const seen = [];
    const fn = async (ctx) => {
      seen.push(ctx.remaining);
      await clock.sleep(15);
      seen.push(ctx.remaining);
      throw new Error('again');
    };
    const policy = { retries: 2, delay: 10, ...fixed };
    await rejection(over(retry(fn, { ...policy, timeout: 40, totalTimeout: 80 })));
    assert.deepEqual(seen, [40, 25, 40, 25, 30, 15]);
    seen.length = 0;
    const options = { retry: policy, timeout: 40, itemTimeout: 80, totalTimeout: 1000 };
    await over(mapSettled([0, 1], 1, mapper(fn), options));
    const one = [40, 25, 40, 25, 30, 15];
    assert.deepEqual(seen, [...one, ...one], 'each item has its own');
  });

  it('a retry(fn, n) knows no timeout', async () => {
    const seen = [];
    await rejection(
      over(
        retry(
          ({ remaining }) => {
            seen.push(remaining);
            throw new Error('again');
          },
          2,
          5,
        ),
      ),
    );
    assert.deepEqual(seen, [Infinity, Infinity, Infinity]);
  });

  it('an item that waited for a token has less of its own time', async () => {
    const seen = [];
    const options = { rate: { max: 1, per: 20, burst: 1 }, itemTimeout: 100, timeout: 90 };
    await over(mapWithLimit([0, 1, 2], 3, (_item, _index, { remaining }) => seen.push(remaining), options));
    assert.deepEqual(seen, [90, 80, 60]);
  });

  it('an element that is a promise is awaited first, and its time counts', async () => {
    const seen = [];
    const options = { timeout: 50 };
    await over(mapWithLimit([clock.sleep(20)], 1, (_item, _index, { remaining }) => seen.push(remaining), options));
    assert.deepEqual(seen, [30]);
  });

  it('each item of a lane: of one that settled nothing is left, whatever the next one has', async () => {
    clock.warmUp();
    const contexts = [];
    const fn = async (_item, _index, ctx) => {
      for (const former of contexts) assert.equal(former.remaining, 0);
      contexts.push(ctx);
      assert.equal(ctx.remaining, 50);
      await undefined;
      assert.equal(ctx.remaining, 50);
    };
    await over(mapWithLimit(Array(40).fill(0), 1, fn, { timeout: 50 }));
    assert.equal(contexts.length, 40);
  });

  it('an attempt that was abandoned has nothing, the one in its place all', async () => {
    const contexts = [];
    const fn = (ctx) => (contexts.push(ctx), never());
    const result = retry(fn, { retries: 1, delay: 0, timeout: 10 });
    result.catch(noop);
    await clock.advance(14);
    moveOn(0);
    assert.deepEqual(
      contexts.map(({ remaining }) => remaining),
      [0, 6],
    );
    await rejection(over(result));
  });

  it('while a call drains: what the attempt itself has left', async () => {
    let context;
    const fn = (item, _index, ctx) => {
      if (item === 1) return clock.sleep(10).then(() => Promise.reject(new Error('no')));
      context = ctx;
      return clock.sleep(30);
    };
    const result = mapWithLimit([0, 1], 2, fn, { drain: true, timeout: 100, totalTimeout: 50, itemTimeout: 60 });
    result.catch(noop);
    await clock.advance(20);
    moveOn(0);
    assert.equal(context.remaining, 80);
    await rejection(over(result));
    assert.equal(context.remaining, 0);
  });

  it('allSettled has no attempts, and its totalTimeout nobody to tell', async () => {
    const settled = await over(allSettled([clock.sleep(5).then(() => 'value')], { totalTimeout: 10 }));
    assert.deepEqual(settled, [{ status: 'fulfilled', value: 'value' }]);
  });

  describe('on real time', () => {
    beforeEach(() => clock.restore());

    for (const [name, { knows, call }] of Object.entries(ways)) {
      it(`${name}: all of it while the turn lasts, however long, then less`, async () => {
        for (const key of knows) {
          const seen = [];
          const fn = async (ctx) => {
            const began = performance.now();
            while (performance.now() - began < 15);
            seen.push(ctx.remaining);
            await new Promise((resolve) => setTimeout(resolve, 10));
            seen.push(ctx.remaining);
          };
          await call(fn, { [key]: 60_000 });
          assert.equal(seen[0], 60_000);
          assert.ok(seen[1] < 60_000 && seen[1] > 50_000, `${key}: ${seen[1]}`);
        }
      });
    }
  });
});
