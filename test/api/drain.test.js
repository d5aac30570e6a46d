'use strict';

// drain: the call settles when what runs has ended.

const assert = require('node:assert/strict');

const { mapSettled, mapWithLimit } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});

describe('drain', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  const drain = true;
  const error = new Error('no');
  const raise = () => {
    throw error;
  };
  /** Item 0 fails at 2, the others take until 10. */
  const mapperOf =
    (log) =>
    async (item, _index, { signal }) => {
      log.push(`start ${item}`);
      signal.addEventListener('abort', () => log.push(`abort ${item} at ${clock.now}`));
      await clock.sleep(item === 0 ? 2 : 10);
      log.push(`end ${item}`);
      if (item === 0) throw error;
    };
  const slowly = (log) => (item, index, ctx) => mapperOf(log)(item + 1, index, ctx);

  // What ends the call, at 2.
  const endings = {
    'a failure': (items, log, options) => mapWithLimit(items, 2, mapperOf(log), { ...options, drain }),
    'an abort': (items, log, options) => {
      const controller = new AbortController();
      clock.setTimeout(() => controller.abort(error), 2);
      return mapWithLimit(items, 2, slowly(log), { ...options, drain, signal: controller.signal });
    },
    'the total time': (items, log, options) =>
      mapWithLimit(items, 2, slowly(log), { ...options, drain, totalTimeout: 2 }),
    'a callback that throws': (items, log, options) => {
      const onProgress = () => clock.now === 2 && raise();
      const mapper = (item, index, ctx) => (item === 0 ? clock.sleep(2) : slowly(log)(item, index, ctx));
      return mapWithLimit(items, 2, mapper, { ...options, drain, onProgress });
    },
  };
  for (const [name, run] of Object.entries(endings)) {
    it(`after ${name} nothing starts, the running attempts are told at once, and it settles when they have ended`, async () => {
      const log = [];
      const reason = await rejection(over(run([0, 1, 2, 3, 4], log, {})));
      assert.ok(reason === error || reason.scope === 'total');
      assert.ok(clock.now >= 10 && clock.now <= 12, `${clock.now}`);
      const aborts = log.filter((line) => line.startsWith('abort'));
      assert.ok(aborts.length > 0 && aborts.every((line) => line.endsWith('at 2')), `${log}`);
      const count = (what) => log.filter((line) => line.startsWith(what)).length;
      assert.equal(count('start'), count('end'));
      assert.ok(count('start') <= 3);
      await clock.advance(50);
      assert.equal(count('start'), count('end'));
    });

    it(`after ${name} an attempt is still bounded by its timeout`, async () => {
      const log = [];
      await rejection(over(run([0, 1, 2], log, { timeout: 5 })));
      assert.ok(clock.now >= 5 && clock.now <= 7, `${clock.now}`);
    });
  }

  it('where nothing runs it settles at once', async () => {
    const options = { drain, retry: { retries: 1, delay: 1000 }, totalTimeout: 5 };
    assert.equal((await rejection(over(mapWithLimit([0], 1, raise, options)))).scope, 'total');
    assert.equal(await rejection(over(mapWithLimit([0, 1], 1, raise, { drain }))), error);
    assert.ok(clock.now <= 5);
  });

  it('a second failure, an abort and the total time change nothing while it drains', async () => {
    const controller = new AbortController();
    clock.setTimeout(() => controller.abort('abort'), 3);
    const mapper = (item) => clock.sleep(item).then(() => Promise.reject(`failed at ${item}`));
    const options = { drain, totalTimeout: 4, signal: controller.signal };
    assert.equal(await rejection(over(mapWithLimit([1, 2, 9], 3, mapper, options))), 'failed at 1');
    assert.equal(clock.now, 9);
  });

  it('attempts that had timed out before are not waited for', async () => {
    const mapper = (item, _index, { attempt }) => {
      if (item === 0) return attempt === 1 ? never() : clock.sleep(1).then(() => Promise.reject('failed'));
      return clock.sleep(4);
    };
    const options = { drain, timeout: 5, retry: { retries: 1, delay: 1, jitter: 'none' } };
    assert.equal(await rejection(over(mapWithLimit([0, 1, 2], 2, mapper, options))), 'failed');
    assert.equal(clock.now, 8); // item 2, from 4 on
  });

  it('items whose promise is awaited, and those in backoff or before a token, are not waited for', async () => {
    const called = [];
    const mapper = (item, _index, { attempt }) => {
      called.push(`${item}.${attempt}`);
      if (item === 'flaky') throw new Error('again');
      return clock.sleep(2).then(() => Promise.reject('failed'));
    };
    const retry = { retries: 1, delay: 5, jitter: 'none', retryIf: (error) => error !== 'failed' };
    const options = { drain, retry, rate: { max: 1, per: 1000, burst: 3 } };
    const items = ['flaky', clock.sleep(50), 'failing', 'waiting'];
    assert.equal(await rejection(over(mapWithLimit(items, 4, mapper, options))), 'failed');
    assert.equal(clock.now, 2);
    await clock.advance(100);
    assert.deepEqual(called, ['flaky.1', 'failing.1']);
  });

  // Between the decision that an attempt starts and its start there may be microtasks: the end comes in each of them.
  const starting = {
    'the next item of an async source': (gate) => {
      async function* items() {
        yield 0;
        await gate;
        yield* [1, 2];
      }
      return { items: items() };
    },
    'a retry without a wait': (gate) => ({
      items: [0, 1],
      retry: { retries: 1, delay: 0, retryIf: () => gate.then(() => true) },
    }),
  };
  for (const [step, make] of Object.entries(starting)) {
    it(`${step} does not start once the call has ended`, async () => {
      for (let microtasks = 0; microtasks < 20; microtasks++) {
        const gate = deferred();
        const running = deferred();
        const controller = new AbortController();
        const { items, ...options } = make(gate.promise);
        const started = [];
        const mapper = (item, _index, { attempt }) => {
          started.push(`${item}.${attempt}`);
          if (item === 0) return running.promise;
          return attempt === 1 ? Promise.reject('again') : running.promise;
        };
        const result = rejection(mapWithLimit(items, 3, mapper, { ...options, drain, signal: controller.signal }));
        await turn();
        gate.resolve();
        for (let i = 0; i < microtasks; i++) await undefined;
        controller.abort('enough');
        const atEnd = started.length;
        await turn();
        running.resolve();
        assert.ok(['enough', 'again'].includes(await result));
        assert.equal(started.length, atEnd, `${started}, ended after ${microtasks} microtasks`);
      }
    });
  }

  it('an attempt that took the place of one that timed out does not start once a listener has ended the call', async () => {
    const controller = new AbortController();
    const log = [];
    const mapper = (item, _index, { signal }) => {
      log.push(`start ${item}`);
      signal.addEventListener('abort', () => {
        if (item !== 1) return;
        controller.abort('enough'); // by now item 2 has been taken in the place of item 0
        log.push('end');
      });
      return never();
    };
    const options = { itemTimeout: 3, timeout: 50, stopOnError: false, drain, signal: controller.signal };
    const result = rejection(mapWithLimit([0, 1, 2, 3].values(), 2, mapper, options));
    assert.equal(await over(result), 'enough');
    assert.deepEqual(log, ['start 0', 'start 1', 'end']);
  });

  it('a report that throws while it drains changes nothing', async () => {
    let reports = 0;
    const mapper = (item) => clock.sleep(item).then(() => (item === 1 ? Promise.reject('failed') : item));
    const onProgress = ({ failed }) => {
      if (failed > 0) reports++;
      if (failed > 0) throw new Error('reported');
    };
    assert.equal(await rejection(over(mapWithLimit([1, 3, 5], 3, mapper, { drain, onProgress }))), 'failed');
    assert.equal(clock.now, 5);
    assert.ok(reports > 1);
  });

  it('an iterator that ends the call in its own next() is closed once if there was more, and not if it was done', async () => {
    for (const isDone of [true, false]) {
      const controller = new AbortController();
      let returns = 0;
      let calls = 0;
      const iterator = {
        next() {
          if (++calls === 1) return { done: false, value: 1 };
          controller.abort('enough');
          return { done: isDone, value: 2 };
        },
        return: () => (returns++, {}),
      };
      const items = { [Symbol.iterator]: () => iterator };
      const result = mapWithLimit(items, 2, () => clock.sleep(3), { drain, signal: controller.signal });
      assert.equal(await rejection(over(result)), 'enough');
      assert.equal(returns, isDone ? 0 : 1);
    }
  });

  it('mapSettled on its total time: the outcomes are of that time, and it resolves after the drain', async () => {
    const outcomes = await over(
      mapSettled([0, 1, 2], 2, (item) => clock.sleep(6 * item + 1).then(() => item), { drain, totalTimeout: 5 }),
    );
    assert.equal(clock.now, 14);
    assert.deepEqual(outcomes[0], { status: 'fulfilled', value: 0 });
    assert.deepEqual(
      outcomes.slice(1).map(({ reason }) => reason.scope),
      ['total', 'total'],
    );
  });

  it('a call that ends well does not wait for anything', async () => {
    assert.deepEqual(await over(mapWithLimit([1, 2], 2, (item) => item, { drain })), [1, 2]);
  });
});
