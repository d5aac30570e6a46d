'use strict';

// What a call leaves behind: nothing. The first part runs in a process of its own, which may collect garbage.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');

const { allSettled, execute, mapSettled, mapWithLimit, retry, sleep, stop, withTimeout } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { childOf, isChild, itCollects, tellAll } = require('../support/garbage');
const { deferred, rejection, turn } = require('../support/outcomes');

const never = () => new Promise(() => {});
const noop = () => {};

// name -> async (keep) => what the scenario holds on to; keep(name, object): the object must be collectable at its end.
const scenarios = {
  'the results of a call, while its abandoned attempts still run': async (keep) => {
    const open = [];
    const mapper = (item, _index, { attempt }) => {
      if (item === 1 && attempt === 1) {
        open.push(deferred());
        return open.at(-1).promise;
      }
      return { big: Buffer.alloc(1000) };
    };
    const results = await mapWithLimit([0, 1, 2], 2, mapper, { timeout: 2, retry: { retries: 1, delay: 0 } });
    keep('results', results);
    for (const result of results) keep('result', result);
    return open;
  },
  'the results of a call that was cut off, while its attempts still run': async (keep) => {
    const open = [];
    const mapper = (item) => {
      if (item > 0) {
        open.push(deferred());
        return open.at(-1).promise;
      }
      const result = { big: Buffer.alloc(1000) };
      keep('result', result);
      return result;
    };
    await rejection(mapWithLimit([0, 1, 2], 3, mapper, { totalTimeout: 2 }));
    return open;
  },
  'the items and the mapper of a call that is over, while its attempts still run': async (keep) => {
    const open = [deferred()];
    const items = [{ item: 1 }, { item: 2 }];
    const controller = new AbortController();
    const mapper = () => open[0].promise;
    const call = mapWithLimit(items, 1, mapper, { signal: controller.signal, timeout: 1000 });
    controller.abort('over');
    await rejection(call);
    for (const item of items) keep('item', item);
    keep('items', items);
    keep('mapper', mapper);
    return open;
  },
  'what an abandoned attempt comes to': async (keep) => {
    const open = deferred();
    await rejection(mapWithLimit([0], 1, () => open.promise, { timeout: 1 }));
    const late = { late: true };
    keep('late', late);
    open.resolve(late);
    await turn();
    return [];
  },
  'the outcomes of mapSettled, while the attempts of timed-out items still run': async (keep) => {
    const open = [];
    const mapper = (item) => {
      if (item === 1) open.push(deferred());
      return item === 1 ? open[0].promise : { big: Buffer.alloc(1000) };
    };
    const outcomes = await mapSettled([0, 1, 2], 2, mapper, { itemTimeout: 2 });
    keep('outcomes', outcomes);
    for (const outcome of outcomes) keep('outcome', outcome);
    keep('value', outcomes[2].value);
    return open;
  },
  'the outcomes of mapSettled on its total time, while its attempts still run': async (keep) => {
    const open = [];
    const mapper = (item) => {
      if (item > 0) open.push(deferred());
      return item > 0 ? open.at(-1).promise : { big: Buffer.alloc(1000) };
    };
    const outcomes = await mapSettled([0, 1, 2], 3, mapper, { totalTimeout: 2 });
    keep('outcomes', outcomes);
    keep('value', outcomes[0].value);
    return open;
  },
  'what the abandoned attempts come to, of items that timed out and of a drain': async (keep) => {
    const open = [deferred(), deferred(), deferred()];
    const mapper = (item) => open[item].promise;
    await mapSettled([0, 1], 2, mapper, { itemTimeout: 1, maxAbandoned: 1 });
    await rejection(mapWithLimit([2], 1, mapper, { totalTimeout: 1, timeout: 3, drain: true }));
    keep('mapper', mapper);
    for (const { resolve } of open) {
      const late = { late: true };
      keep('late', late);
      resolve(late);
    }
    await turn();
    return [];
  },
  'the values, the items and the mapper of a call that has drained, while what timed out in it still runs': async (
    keep,
  ) => {
    const open = deferred();
    const items = [{ item: 0 }, { item: 1 }, { item: 2 }];
    const mapper = ({ item }) => {
      if (item === 1) return open.promise;
      const value = { big: Buffer.alloc(1000) };
      keep('value', value);
      return item === 2 ? turn().then(() => Promise.reject('failed')) : value;
    };
    await rejection(mapWithLimit(items, 2, mapper, { drain: true, timeout: 20 }));
    keep('mapper', mapper);
    keep('items', items);
    for (const item of items) keep('item', item);
    return [open];
  },
  'the errors of a call that goes on after them, when it is over': async (keep) => {
    const open = [deferred()];
    const mapper = (item) => (item === 0 ? open[0].promise : Promise.reject({ item }));
    // (An attempt that hangs keeps its own TimeoutError, for whoever asks for its signal late.)
    const error = await rejection(mapWithLimit([0, 1, 2], 2, mapper, { timeout: 2, stopOnError: false }));
    keep('error', error);
    for (const one of error.errors.slice(1)) keep('one of its errors', one);
    return open;
  },
  'a call that waits for an abandoned attempt, when it is aborted': async (keep) => {
    const open = [deferred()];
    const controller = new AbortController();
    const mapper = () => open[0].promise;
    const call = mapSettled([0, 1], 1, mapper, { timeout: 1, maxAbandoned: 0, signal: controller.signal });
    setTimeout(() => controller.abort('over'), 5);
    await rejection(call);
    keep('mapper', mapper);
    return open;
  },
  'the callbacks of a retry policy that never answer, when the call is over': async (keep) => {
    const open = [deferred()];
    const retryIf = () => open[0].promise;
    const fn = () => Promise.reject('again');
    await execute(fn, { retryIf, totalTimeout: 2 });
    keep('retryIf', retryIf);
    keep('fn', fn);
    return open;
  },
  'the job of an async source that never answers': async (keep) => {
    const open = deferred();
    const controller = new AbortController();
    const mapper = () => {};
    const items = { [Symbol.asyncIterator]: () => ({ next: () => open.promise }) };
    const call = mapWithLimit(items, 4, mapper, { signal: controller.signal });
    await turn();
    controller.abort('over');
    await rejection(call);
    keep('mapper', mapper);
    return [open];
  },
  'the fallback and the signal of withTimeout, while its work still runs': async (keep) => {
    const open = deferred();
    const controller = new AbortController();
    const fallback = () => 'fallback';
    await withTimeout(open.promise, { timeout: 1, fallback, signal: controller.signal });
    keep('fallback', fallback);
    keep('signal', controller.signal);
    return [open];
  },
  'the value of withTimeout, while its guard waits in the pool': async (keep) => {
    const value = { value: true };
    keep('value', await withTimeout(Promise.resolve(value), 1000));
    await turn();
    return [];
  },
  'the function and the errors of retry': async (keep) => {
    const fn = async () => {
      const error = new Error('again');
      keep('error', error);
      throw error;
    };
    await rejection(retry(fn, { retries: 2, delay: 1 }));
    await rejection(retry(fn, 2, 0));
    keep('fn', fn);
    return [];
  },
  'the results of allSettled that was cut off, while its elements are pending': async (keep) => {
    const open = [deferred(), deferred()];
    const results = await allSettled([...open.map(({ promise }) => promise), { value: 1 }], { totalTimeout: 1 });
    keep('results', results);
    for (const result of results) keep('result', result);
    return open;
  },
  'a context, its controller and its signal': async (keep) => {
    const contexts = [];
    await mapWithLimit([1, 2, 3], 1, async (_item, _index, ctx) => void contexts.push(ctx, ctx.signal), {
      timeout: 1000,
    });
    for (const context of contexts) keep('context', context);
    return [];
  },
  'calls on a signal that lives on': async (keep) => {
    const controller = new AbortController();
    const mapper = async () => {};
    await mapWithLimit([1], 1, mapper, { signal: controller.signal });
    keep('mapper', mapper);
    const fallback = () => {};
    await withTimeout(Promise.resolve(), { timeout: 1000, signal: controller.signal, fallback });
    keep('fallback', fallback);
    return [controller];
  },
  'a signal that calls waited on': async (keep) => {
    const controller = new AbortController();
    keep('signal', controller.signal);
    await mapWithLimit([1], 1, async () => {}, { signal: controller.signal });
    await rejection(sleep(1000, { signal: AbortSignal.any([controller.signal, AbortSignal.timeout(1)]) }));
    return [];
  },
};

if (isChild) {
  tellAll(scenarios);
} else {
  describe('memory: in a process that collects garbage', () => {
    itCollects(scenarios, childOf(__filename));
  });

  describe('memory: nothing is left in the engine', () => {
    const failure = new Error('failure');
    const calls = {
      'mapWithLimit, fulfilled': (signal) =>
        mapWithLimit([1, 2, 3], 2, async () => {}, { timeout: 1000, retry: 1, signal }),
      'mapWithLimit, rejected': (signal) =>
        mapWithLimit([1, 2], 2, () => Promise.reject(failure), { timeout: 1000, signal }),
      'mapWithLimit, rejected in a backoff': () =>
        mapWithLimit(
          [1, 2],
          2,
          (item) => (item === 1 ? Promise.reject(failure) : turn().then(() => Promise.reject(1))),
          {
            retry: { retries: 1, delay: 20_000, jitter: 'none' },
            totalTimeout: 10_000,
          },
        ),
      'mapWithLimit, timed out': (signal) => mapWithLimit([1, 2], 2, never, { timeout: 1, signal }),
      'mapWithLimit, timed out in total': (signal) => mapWithLimit([1, 2, 3], 2, never, { totalTimeout: 1, signal }),
      'mapWithLimit, aborted': (signal) => mapWithLimit([1, 2, 3], 2, never, { signal, timeout: 1000 }),
      'mapWithLimit, aborted in a backoff': (signal) =>
        mapWithLimit([1], 1, () => Promise.reject(failure), { signal, retry: { retries: 1, delay: 10_000 } }),
      'mapWithLimit, aborted while it waits for next()': (signal) =>
        mapWithLimit({ [Symbol.asyncIterator]: () => ({ next: never }) }, 2, noop, { signal }),
      'mapWithLimit, its onProgress threw': () => mapWithLimit([1], 1, never, { onProgress: () => assert.fail() }),
      'mapWithLimit, its iterator threw': () =>
        mapWithLimit({ [Symbol.iterator]: () => ({ next: () => assert.fail() }) }, 2, noop, { timeout: 1000 }),
      'mapWithLimit, its yields': () => mapWithLimit(Array(50).fill(0), 4, noop, { yieldAfter: 0 }),
      'mapSettled, with failures': (signal) =>
        mapSettled([1, 2, 3], 2, () => Promise.reject(failure), { itemTimeout: 1000, retry: 1, signal }),
      'mapSettled, timed out in total': (signal) => mapSettled([1, 2, 3], 2, never, { totalTimeout: 1, signal }),
      'mapSettled, aborted': (signal) => mapSettled([1, 2, 3], 2, never, { signal, itemTimeout: 1000 }),
      'mapWithLimit, its item timed out': (signal) => mapWithLimit([1, 2], 2, never, { itemTimeout: 1, signal }),
      'mapWithLimit, aborted while it waits for a token': (signal) =>
        mapWithLimit([1, 2, 3], 3, noop, { rate: 0.01, itemTimeout: 10_000, signal }),
      'mapWithLimit, stopped while others wait for a token': () =>
        mapWithLimit([1, 2, 3], 3, () => stop, { rate: 0.01, itemTimeout: 10_000 }),
      'mapWithLimit, rejected while others wait for a token': () =>
        mapWithLimit([1, 2, 3], 3, () => Promise.reject(failure), { rate: 0.01 }),
      'mapWithLimit, aborted in a drain of what never ends, under its timeout': (signal) =>
        mapWithLimit([1, 2], 2, never, { signal, drain: true, timeout: 5 }),
      'mapWithLimit, its retryIf threw': () =>
        mapWithLimit([1], 1, () => Promise.reject(1), { retry: { retries: 1, retryIf: () => assert.fail() } }),
      'mapWithLimit, aborted while it waits for its retryIf': (signal) =>
        mapWithLimit([1], 1, () => Promise.reject(1), { signal, retry: { retries: 1, retryIf: never } }),
      'mapSettled, aborted while it waits for an abandoned attempt': (signal) =>
        mapSettled([1, 2], 1, never, { timeout: 0, maxAbandoned: 0, signal }),
      'execute, exhausted': (signal) => execute(() => Promise.reject(failure), { retries: 2, delay: 0, signal }),
      'execute, aborted in a backoff': (signal) => execute(() => Promise.reject(failure), { delay: 10_000, signal }),
      'withTimeout, in time': (signal) => withTimeout(Promise.resolve(), { timeout: 1000, signal }),
      'withTimeout, too late': (signal) => withTimeout(never(), { timeout: 1, signal }),
      'withTimeout, aborted': (signal) => withTimeout(never(), { timeout: 1000, signal }),
      'retry, exhausted': (signal) => retry(() => Promise.reject(failure), { retries: 2, delay: 0, signal }),
      'retry, aborted in a backoff': (signal) => retry(() => Promise.reject(failure), { delay: 10_000, signal }),
      'allSettled, cut off': (signal) => allSettled([never()], { totalTimeout: 1, signal }),
      'allSettled, aborted': (signal) => allSettled([never()], { signal }),
      'sleep, over': (signal) => sleep(1, { signal }),
      'sleep, aborted': (signal) => sleep(10_000, { signal }),
    };
    for (const [name, call] of Object.entries(calls)) {
      it(`${name}: no job, no lane, no listener`, async () => {
        const controller = new AbortController();
        const promise = call(controller.signal);
        setImmediate(() => name.includes('aborted') && controller.abort('over'));
        await promise.catch(noop);
        assertNothingLeft();
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
        await turn();
      });
    }
  });

  describe('memory: one listener per signal', () => {
    const COUNT = 10_000;
    const ways = {
      mapWithLimit: (signal) => mapWithLimit([1], 1, () => turn(), { signal }),
      withTimeout: (signal) => withTimeout(() => turn(), { timeout: 1000, signal }),
      mapSettled: (signal) => mapSettled([1], 1, () => turn(), { signal, itemTimeout: 10_000 }),
      retry: (signal) => retry(() => turn(), { signal }),
      execute: async (signal) => {
        const { success, error } = await execute(() => turn(), { signal });
        if (!success) throw error;
      },
      allSettled: (signal) => allSettled([turn()], { signal }),
      sleep: (signal) => sleep(1, { signal }),
    };

    async function warningsDuring(run) {
      const warnings = [];
      const listener = (warning) => warnings.push(warning.name);
      process.on('warning', listener);
      await run();
      await turn();
      process.off('warning', listener);
      return warnings;
    }

    for (const [name, call] of Object.entries(ways)) {
      it(`${COUNT} calls of ${name} on one signal: one listener while they run, none afterwards, no warning`, async () => {
        const { signal } = new AbortController();
        const warnings = await warningsDuring(async () => {
          const calls = Array.from({ length: COUNT }, () => call(signal));
          assert.equal(getEventListeners(signal, 'abort').length, 1);
          await Promise.all(calls);
          assert.equal(getEventListeners(signal, 'abort').length, 0);
        });
        assert.deepEqual(warnings, []);
      });

      it(`${COUNT} calls of ${name} on one signal, aborted: all hear of it, no listener is left`, async () => {
        const controller = new AbortController();
        const { signal } = controller;
        const calls = Array.from({ length: COUNT }, () => rejection(call(signal)));
        controller.abort('over');
        assert.equal(getEventListeners(signal, 'abort').length, 0);
        assert.deepEqual(new Set(await Promise.all(calls)), new Set(['over']));
        assertNothingLeft();
        await turn();
      });
    }

    it('calls that come and go in any order share it', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const open = Array.from({ length: 20 }, deferred);
      const calls = open.map(({ promise }) => withTimeout(promise, { timeout: 1000, signal }));
      for (const i of [0, 19, 7, 8, 3, 1, 18, 12]) {
        open[i].resolve(i);
        assert.equal(await calls[i], i);
        await undefined;
        assert.equal(getEventListeners(signal, 'abort').length, 1);
      }
      controller.abort('over');
      const outcomes = await Promise.allSettled(calls);
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 8);
      assert.ok(outcomes.every(({ status, reason }) => status === 'fulfilled' || reason === 'over'));
    });

    it('a call that ends when another one hears of the abort is told nothing', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const inner = new AbortController();
      const results = [];
      const ender = mapWithLimit(
        [1],
        1,
        (_item, _index, ctx) => {
          ctx.signal.addEventListener('abort', () => inner.abort('inner'));
          return never();
        },
        { signal },
      );
      const ended = sleep(1000, { signal: inner.signal });
      results.push(rejection(ended), rejection(ender));
      results.push(rejection(withTimeout(never(), { timeout: 1000, signal })));
      controller.abort('outer');
      assert.deepEqual(await Promise.all(results), ['inner', 'outer', 'outer']);
    });

    it('a call that is made while a signal is being aborted rejects', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      let late;
      const call = mapWithLimit(
        [1],
        1,
        (_item, _index, ctx) => {
          ctx.signal.addEventListener('abort', () => (late = rejection(sleep(1000, { signal }))));
          return never();
        },
        { signal },
      );
      controller.abort('over');
      assert.equal(await rejection(call), 'over');
      assert.equal(await late, 'over');
    });
  });
}
