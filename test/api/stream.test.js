'use strict';

// mapStream: the results of a map, read one by one, at the reader's pace.

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('node:async_hooks');
const { getEventListeners, once } = require('node:events');
const fs = require('node:fs');
const { Readable, Writable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const fc = require('fast-check');

const { RateLimiter, Semaphore, TimeoutError, mapStream, retry, skip, stop, withTimeout } = require('../..');
const { usage } = require('../../lib/engine');
const { agree } = require('../support/agreement');
const { parseLines, runNode } = require('../support/child');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { SOURCES, program: mapProgram, runCall } = require('../support/program');
const { Model, counted, program: streamProgram, runStream } = require('../support/stream-model');
const { VirtualClock } = require('../support/virtual-clock');

const RUNS = Number(process.env.SLUICE_RUNS ?? 6000);
const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 31);

const never = () => new Promise(() => {});
const itself = (item) => item;
const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const numbers = (count) => Array.from({ length: count }, (_, i) => i);

/** 0, 1, 2, …; counts.taken is how many were taken. */
const endless = {
  iterable: (counts) => ({
    *[Symbol.iterator]() {
      for (counts.taken = 0; ; ) yield counts.taken++;
    },
  }),
  asyncIterable: (counts) => ({
    async *[Symbol.asyncIterator]() {
      for (counts.taken = 0; ; ) yield counts.taken++;
    },
  }),
};

describe('mapStream', () => {
  let clock;
  before(() => {
    clock = new VirtualClock();
  });
  beforeEach(() => clock.reset());
  afterEach(() => assert.deepEqual(open(), nothing, 'nothing is left in C'));
  after(() => clock.restore());

  const nothing = { jobs: 0, lanes: 0, waiters: 0, semaphores: 0 };
  function open() {
    const { jobs, lanes, waiters, semaphores } = usage();
    return { jobs, lanes, waiters, semaphores };
  }

  /** All that a stream yields, on the virtual clock. */
  const all = (stream) => clock.over(Array.fromAsync?.(stream) ?? collect(stream));
  async function collect(stream) {
    const values = [];
    for await (const value of stream) values.push(value);
    return values;
  }

  /** What it yields, and then throws. */
  async function untilThrown(stream) {
    const values = [];
    try {
      for await (const value of stream) values.push(value);
    } catch (error) {
      return { values, error };
    }
    return assert.fail('nothing was thrown');
  }

  describe(`against models (seed ${SEED})`, function () {
    this.timeout(120_000);

    it('with a reader who is always there: starts, yields and throws what mapWithLimit would', () => {
      const drawnFrom = mapProgram.filter(({ collect }) => collect !== 'outcomes');
      return holds(RUNS / 4, fc.tuple(drawnFrom, fc.boolean()), async ([{ discard: _none, ...drawn }, ordered]) => {
        const { items, limit, itemTimeout, rate, maxAbandoned, collect, drain, source } = drawn;
        const values = [];
        const run = await runCall(clock, drawn, async (elements, mapper, options) => {
          const more = { itemTimeout, rate, maxAbandoned, drain, stopOnError: collect !== 'errors' };
          const given = { ...options, ...more, highWaterMark: 100, ordered };
          const wrapped = SOURCES[items.length === 0 ? 'array' : source](elements);
          for await (const value of mapStream(wrapped, limit, mapper, given)) values.push(value);
          return values;
        });
        const inAnyOrder = (outcome) =>
          outcome.status === 'fulfilled' && !ordered ? { ...outcome, value: [...outcome.value].sort() } : outcome;
        agree({ ...run, outcome: inAnyOrder(run.outcome) }, drawn, inAnyOrder);
      });
    });

    it('with a reader who takes his time: takes, starts, yields, throws and leaves off when it must', () =>
      holds(RUNS / 2, streamProgram, async (drawn) => {
        const run = await runStream(clock, drawn);
        assert.ok(run.isOver, 'nothing is due any more, and the loop has not ended');
        try {
          compare(run, new Model(drawn, true).run());
        } catch {
          compare(run, new Model(drawn, false).run());
        }
        assert.ok(run.mostRunning <= drawn.limit, `${run.mostRunning} ran at once`);
        const areFulfilled = drawn.items.every(({ outcome, failures }) => outcome === 'fulfill' && failures === 0);
        assert.ok(!areFulfilled || run.most <= drawn.limit + drawn.highWaterMark, `${run.most} between source and reader`);
        const { opened, ended, closed } = run.source;
        assert.ok(opened <= 1 && closed <= 1);
        if (drawn.source === 'iterable') assert.equal(ended + closed, opened, 'it is closed unless it has ended');
        if (drawn.source === 'asyncIterable') assert.ok(ended + closed >= opened, 'the same, but its end may be on its way');
      }));

    function compare(run, model) {
      // The reader leaves in microtasks, in which lanes may take items or not.
      const firm = ({ starts }) => asSet(starts.filter(([at]) => !model.isMoot(at)));
      assert.deepEqual(firm(run), firm(model));
      assert.deepEqual(run.reads, model.reads);
      const begun = new Set(run.starts.filter(([at]) => !model.isMoot(at)).map(([, index]) => index));
      const aborted = (list) => asSet(list.filter(([index]) => begun.has(index)));
      assert.deepEqual(aborted(run.aborted), aborted(model.aborted));
    }

    const asSet = (list) => list.map(String).sort();

    function holds(numRuns, arbitrary, predicate) {
      const property = fc.asyncProperty(arbitrary, async (drawn) => {
        clock.reset();
        await predicate(drawn);
        assert.deepEqual(open(), nothing);
      });
      return fc.assert(property, { numRuns: Math.ceil(numRuns), seed: SEED });
    }
  });

  describe('results', () => {
    it('come in the order of the items; with ordered: false each as soon as it is there', async () => {
      const mapper = async (ms) => (await clock.sleep(ms), ms);
      assert.deepEqual(await all(mapStream([30, 10, 20], 3, mapper)), [30, 10, 20]);
      assert.deepEqual(await all(mapStream([30, 10, 20], 3, mapper, { ordered: false })), [10, 20, 30]);
      assert.deepEqual(await all(mapStream([30, 10, 20], 3, mapper, { ordered: true })), [30, 10, 20]);
    });

    it('are what the mapper returns, whatever that is; symbols leave items out', async () => {
      const values = [undefined, null, 0, false, NaN, Symbol.iterator, { done: true }];
      for (const ordered of [true, false]) {
        assert.deepEqual(await all(mapStream(values, 2, itself, { ordered })), values);
        const odd = (item) => (item % 2 ? item : skip);
        assert.deepEqual(await all(mapStream([0, 1, 2, 3, 4], 2, odd, { ordered })), [1, 3]);
        assert.deepEqual(await all(mapStream([0, 2, 4], 2, odd, { ordered })), []);
        const until = (item) => (item === 3 ? stop : item);
        assert.deepEqual(await all(mapStream(numbers(100), 1, until, { ordered })), [0, 1, 2]);
      }
    });

    it('of no items are none', async () => {
      for (const items of [[], new Set(), SOURCES.asyncIterable([])]) assert.deepEqual(await all(mapStream(items, 3, itself)), []);
    });

    it('thousands that were left out come to nothing, however few are read at once', async () => {
      for (const ordered of [true, false]) {
        const mapper = (item) => (item % 1000 === 999 ? item : skip);
        const values = await all(mapStream(numbers(5000), 3, mapper, { ordered, highWaterMark: 1 }));
        assert.deepEqual(values, [999, 1999, 2999, 3999, 4999]);
      }
    });

    it('stand where they belong when the first is late and more come than the window holds at first', async () => {
      const stream = mapStream(numbers(200), 100, (item) => clock.sleep(item === 0 ? 1000 : 1).then(() => item));
      assert.deepEqual(await all(stream), numbers(200));
      const wide = mapStream(numbers(200), Infinity, (item) => clock.sleep(200 - item).then(() => item), { highWaterMark: Infinity });
      assert.deepEqual(await all(wide), numbers(200));
    });
  });

  describe('arguments', () => {
    it('that are invalid are thrown at once, and name themselves; nothing is opened or called', () => {
      const items = { [Symbol.iterator]: () => assert.fail('opened') };
      const call = () => assert.fail('called');
      assert.throws(() => mapStream(5, 1, call), { ...invalid, message: /"items"/ });
      assert.throws(() => mapStream(items, '1', call), { ...invalid, message: /"limit"/ });
      for (const limit of [0, -1, 1.5, NaN]) assert.throws(() => mapStream(items, limit, call), outOfRange);
      assert.throws(() => mapStream(items, 1), { ...invalid, message: /"mapper"/ });
      for (const given of [null, 5, []]) assert.throws(() => mapStream(items, 1, call, given), invalid);
      for (const highWaterMark of [0, -1, 1.5, NaN])
        assert.throws(() => mapStream(items, 1, call, { highWaterMark }), { ...outOfRange, message: /"options.highWaterMark"/ });
      assert.throws(() => mapStream(items, 1, call, { highWaterMark: '1' }), invalid);
      assert.throws(() => mapStream(items, 1, call, { ordered: 1 }), { ...invalid, message: /"options.ordered"/ });
      assert.throws(() => mapStream(items, 1, call, { discard: true }), { ...invalid, message: /"options.discard"/ });
      assert.throws(() => mapStream(items, 1, call, { timout: 1 }), { ...invalid, message: /"options.timout"/ });
    });

    it('a semaphore or a rate limiter that is closed is an error at once', () => {
      const semaphore = new Semaphore(1);
      semaphore.close();
      const limiter = new RateLimiter(1);
      limiter.close();
      const isClosed = { name: 'SluiceError', code: 'ERR_SLUICE_CLOSED' };
      assert.throws(() => mapStream([], semaphore, itself), isClosed);
      assert.throws(() => mapStream([], 1, itself, { rate: limiter }), isClosed);
    });

    it('promises among the items of a call that is refused are not unhandled', async () => {
      const reasons = await unhandledDuring(() => {
        assert.throws(() => mapStream([Promise.reject('a')], 0, itself), outOfRange);
        assert.throws(() => mapStream([Promise.reject('b')], 1, itself, { ordered: 1 }), invalid);
      });
      assert.deepEqual(reasons, []);
    });

    it("methods of a stranger's reject", async () => {
      const stream = mapStream([], 1, itself);
      const prototype = Object.getPrototypeOf(stream);
      for (const stranger of [undefined, null, 5, {}, Object.create(prototype)]) {
        for (const name of ['next', 'return', 'throw'])
          await assert.rejects(prototype[name].call(stranger), { name: 'TypeError', code: 'ERR_INVALID_THIS' });
      }
      assert.equal(stream[Symbol.asyncIterator](), stream);
    });
  });

  describe('a lazy start', () => {
    it('nothing is opened or called before the first next(); then everything the limit allows, in the call', async () => {
      let opened = 0;
      const items = { [Symbol.iterator]: () => (opened++, numbers(5).values()) };
      const started = [];
      const stream = mapStream(items, 3, (item) => (started.push(item), clock.sleep(1)));
      await clock.advance(10);
      assert.deepEqual([opened, started], [0, []]);
      const first = stream.next();
      assert.deepEqual([opened, started], [1, [0, 1, 2]]);
      await clock.over(first);
      await stream.return();
    });

    it('who leaves before it has started nothing and opens nothing', async () => {
      const items = { [Symbol.iterator]: () => assert.fail('opened') };
      const stream = mapStream(items, 3, () => assert.fail('called'));
      assert.deepEqual(await stream.return('value'), { value: 'value', done: true });
      assert.deepEqual(await stream.next(), { value: undefined, done: true });
      const other = mapStream(items, 3, () => assert.fail('called'));
      assert.equal(await rejection(other.throw('thrown')), 'thrown');
      assert.deepEqual(await other.next(), { value: undefined, done: true });
    });

    it('the total time begins with the first next()', async () => {
      const stream = mapStream([10], 1, (ms) => clock.sleep(ms), { totalTimeout: 15 });
      await clock.advance(100);
      assert.deepEqual(await all(stream), [undefined]);
    });

    it('rejected promises among the items are handled from the call on, also if nobody ever reads', async () => {
      const reasons = await unhandledDuring(async () => {
        mapStream([Promise.reject('never read')], 1, itself);
        const { values, error } = await untilThrown(mapStream([1, Promise.reject('read'), 3], 1, itself));
        assert.deepEqual([values, error], [[1], 'read']);
      });
      assert.deepEqual(reasons, []);
    });

    it('an element that is a promise is awaited; a rejected one is not retried', async () => {
      const items = [Promise.resolve(1), { then: (done) => done(2) }, clock.sleep(5).then(() => 3)];
      assert.deepEqual(await all(mapStream(items, 2, (item) => item * 10)), [10, 20, 30]);
      let calls = 0;
      const stream = mapStream([Promise.reject('no')], 1, () => calls++, { retry: { retries: 3, delay: 0 } });
      assert.deepEqual(await untilThrown(stream), { values: [], error: 'no' });
      assert.equal(calls, 0);
    });
  });

  describe('the window', () => {
    for (const [name, source] of Object.entries(endless)) {
      it(`${name}: a reader that pauses stops the source at limit + highWaterMark`, async () => {
        for (const ordered of [true, false]) {
          for (const [limit, highWaterMark] of [[1, 1], [4, undefined], [3, 10], [10, 2], [Infinity, 5], [Infinity, undefined]]) { // prettier-ignore
            const counts = {};
            const stream = mapStream(source(counts), limit, itself, { ordered, highWaterMark });
            const lanes = limit === Infinity ? 0 : limit;
            // Where the limit is no number, the window is the mark alone beside it: never more than the first is.
            const window = limit === Infinity ? Infinity : lanes + (highWaterMark ?? limit);
            if (window === Infinity) {
              await stream.return();
              continue;
            }
            let read = 0;
            for (; read < 50; read++) {
              assert.deepEqual(await clock.over(stream.next()), { value: read, done: false });
              await clock.settleInstant();
              assert.ok(counts.taken - (read + 1) <= window, `${counts.taken} taken, ${read + 1} read`);
            }
            await stream.return();
          }
        }
      });
    }
  });
});
