'use strict';

// mapStream: the results of a map, read one by one, at the reader's pace.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const fs = require('node:fs');
const { Readable, Writable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const fc = require('fast-check');

const { RateLimiter, Semaphore, TimeoutError, mapStream, retry, skip, stop, withTimeout } = require('../..');
const { agree } = require('../support/agreement');
const { parseLines, runNode } = require('../support/child');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { SOURCES, program: mapProgram, runCall } = require('../support/program');
const { AsyncLocalStorage } = require('../support/storage');
const { Model, counted, program: streamProgram, runStream } = require('../support/stream-model');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs();

const never = () => new Promise(() => {});
const itself = (item) => item;
const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const numbers = (count) => Array.from({ length: count }, (_, i) => i);

/** 0, 1, 2, …; counts.taken is how many were taken. */
const endless = {
  iterable: (counts) => ({
    *[Symbol.iterator]() {
      for (counts.taken = 0; ;) yield counts.taken++;
    },
  }),
  asyncIterable: (counts) => ({
    async *[Symbol.asyncIterator]() {
      for (counts.taken = 0; ;) yield counts.taken++;
    },
  }),
};

describe('mapStream', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

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
        assert.ok(
          !areFulfilled || run.most <= drawn.limit + drawn.highWaterMark,
          `${run.most} between source and reader`,
        );
        const { opened, ended, closed } = run.source;
        assert.ok(opened <= 1 && closed <= 1);
        if (drawn.source === 'iterable') assert.equal(ended + closed, opened, 'it is closed unless it has ended');
        if (drawn.source === 'asyncIterable')
          assert.ok(ended + closed >= opened, 'the same, but its end may be on its way');
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
        assertNothingLeft();
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
      for (const items of [[], new Set(), SOURCES.asyncIterable([])])
        assert.deepEqual(await all(mapStream(items, 3, itself)), []);
    });

    it('thousands that were left out come to nothing, however few are read at once', async () => {
      for (const ordered of [true, false]) {
        const mapper = (item) => (item % 1000 === 999 ? item : skip);
        const values = await all(mapStream(numbers(5000), 3, mapper, { ordered, highWaterMark: 1 }));
        assert.deepEqual(values, [999, 1999, 2999, 3999, 4999]);
      }
    });

    it('stand where they belong when the last of many comes first', async () => {
      const takes = (item) => (item === 99 ? 1 : item === 0 ? 2 : 3 + item);
      const stream = mapStream(numbers(100), 100, (item) => clock.sleep(takes(item)).then(() => item));
      assert.deepEqual(await all(stream), numbers(100));
    });

    it('stand where they belong when the first is late and more come than the window holds at first', async () => {
      const stream = mapStream(numbers(200), 100, (item) => clock.sleep(item === 0 ? 1000 : 1).then(() => item));
      assert.deepEqual(await all(stream), numbers(200));
      const wide = mapStream(numbers(200), Infinity, (item) => clock.sleep(200 - item).then(() => item), {
        highWaterMark: Infinity,
      });
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
        assert.throws(() => mapStream(items, 1, call, { highWaterMark }), {
          ...outOfRange,
          message: /"options.highWaterMark"/,
        });
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
      let touched = 0;
      const items = { [Symbol.iterator]: () => (touched++, [1].values()) };
      const stream = mapStream(items, 3, () => touched++);
      assert.deepEqual(await stream.return('value'), { value: 'value', done: true });
      assert.deepEqual(await stream.next(), { value: undefined, done: true });
      const other = mapStream(items, 3, () => touched++);
      assert.equal(await rejection(other.throw('thrown')), 'thrown');
      assert.deepEqual(await other.next(), { value: undefined, done: true });
      await clock.settleInstant();
      assert.equal(touched, 0);
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
      it(`${name}: with a reader that pauses, limit + highWaterMark are between the source and him, and no more`, async () => {
        for (const ordered of [true, false]) {
          for (const [limit, highWaterMark] of [
            [1, 1],
            [4, undefined],
            [3, 10],
            [10, 2],
          ]) {
            // prettier-ignore
            const counts = {};
            const stream = mapStream(source(counts), limit, itself, { ordered, highWaterMark });
            const window = limit + (highWaterMark ?? limit);
            for (let read = 1; read <= 50; read++) {
              assert.deepEqual(await clock.over(stream.next()), { value: read - 1, done: false });
              await clock.settleInstant();
              const between = counts.taken - read;
              assert.ok(between <= window && between > window / 2, `${between} of ${window}`);
            }
            await stream.return();
            await clock.settleInstant();
          }
        }
      });
    }

    it('the permits of a semaphore are its limit', async () => {
      const counts = {};
      const semaphore = new Semaphore(3);
      const stream = mapStream(endless.asyncIterable(counts), semaphore, itself, { highWaterMark: 2 });
      for (let read = 1; read <= 30; read++) {
        assert.equal((await clock.over(stream.next())).value, read - 1);
        await clock.settleInstant();
        assert.ok(counts.taken - read <= 5, `${counts.taken} taken, ${read} read`);
      }
      assert.equal(semaphore.available, 3); // who waits for the reader holds none
      await stream.return();
    });

    it('a slow first item holds up the others only when the window is full', async () => {
      const started = [];
      const mapper = (item) => (started.push(item), clock.sleep(item === 0 ? 100 : 1));
      const stream = mapStream(numbers(50), 2, mapper, { highWaterMark: 3 });
      const first = stream.next();
      await clock.advance(99);
      assert.deepEqual(started, [0, 1, 2, 3, 4]);
      await clock.over(first);
      await stream.next();
      await clock.settleInstant();
      assert.deepEqual(started, [0, 1, 2, 3, 4, 5, 6]); // five have not been read
      await stream.return();
    });

    it('without an order a slow first item holds up nobody', async () => {
      const started = [];
      const mapper = (item) => (started.push(item), clock.sleep(item === 0 ? 100 : 1).then(() => item));
      const stream = mapStream(numbers(50), 2, mapper, { highWaterMark: 3, ordered: false });
      const values = await all(stream);
      assert.deepEqual(values.sort((a, b) => a - b), numbers(50)); // prettier-ignore
      assert.equal(clock.now, 100);
    });

    for (const [name, source] of Object.entries(SOURCES)) {
      it(`${name}: when the reader has made room, every lane that is free goes on, also beside a long item`, async () => {
        for (const limit of [2, new Semaphore(2)]) {
          const starts = [];
          // 1 and 2 fill the window beside 0; when 0 is read, one lane takes 3, and there is nothing for the other.
          const takes = [50, 1, 1, 1000];
          const mapper = async (item) => (starts.push(item), await clock.sleep(takes[item] ?? 1), item);
          const stream = mapStream(source(numbers(10)), limit, mapper, { highWaterMark: 1 });
          await clock.over(stream.next());
          await clock.advance(10);
          assert.deepEqual(starts, [0, 1, 2, 3]);
          await clock.over(stream.next());
          await clock.over(stream.next());
          await clock.advance(10);
          assert.deepEqual(starts, [0, 1, 2, 3, 4, 5]); // 1 and 2 have been read; 3, 4 and 5 have not
          assert.deepEqual((await all(stream)).length, 7);
        }
      });
    }

    it('Infinity as the limit: the mark alone holds up an endless source', async () => {
      const counts = {};
      async function* source() {
        for (counts.taken = 0; counts.taken < 1000;) yield counts.taken++;
      }
      const stream = mapStream(source(), Infinity, itself, { highWaterMark: 5 });
      await clock.over(stream.next());
      await clock.settleInstant();
      await stream.return();
      assert.ok(counts.taken <= 10, `${counts.taken} were taken, one was read`);
    });

    it('retries and their waits hold their place in it', async () => {
      const starts = [];
      const mapper = (item, _index, { attempt }) => {
        starts.push([clock.now, item, attempt]);
        if (item === 0 && attempt < 3) throw new Error('again');
        return item;
      };
      const options = { highWaterMark: 1, retry: { retries: 2, delay: 10, backoff: 'constant', jitter: 'none' } };
      const stream = mapStream(numbers(4), 1, mapper, options);
      assert.deepEqual(await all(stream), [0, 1, 2, 3]);
      assert.deepEqual(starts.slice(0, 4), [[0, 0, 1], [10, 0, 2], [20, 0, 3], [20, 1, 1]]); // prettier-ignore
    });

    it('rate, retry and timeouts are as in mapWithLimit', async () => {
      const starts = [];
      const mapper = async (item, _index, { attempt }) => {
        starts.push([clock.now, item]);
        if (item === 1 && attempt === 1) await never();
        return item;
      };
      const options = { rate: { max: 1, per: 10, burst: 1 }, timeout: 5, retry: { retries: 1, delay: 0 } };
      assert.deepEqual(await all(mapStream([0, 1, 2], 1, mapper, options)), [0, 1, 2]);
      assert.deepEqual(starts, [[0, 0], [10, 1], [20, 1], [30, 2]]); // prettier-ignore
    });

    it('progress is reported while it is read, and once more at the end', async () => {
      const reports = [];
      const stream = mapStream(numbers(5), 1, itself, { highWaterMark: 1, onProgress: (p) => reports.push(p.done) });
      await all(stream);
      assert.equal(reports.at(-1), 5);
    });
  });

  describe('concurrent next()', () => {
    it('calls are answered in order, also by values, the failure, and the end', async () => {
      const stream = mapStream([30, 10, 20], 3, (ms) => clock.sleep(ms).then(() => ms), { ordered: false });
      const log = [];
      const nexts = numbers(5).map((i) => stream.next().then(({ value, done }) => log.push([i, value, done])));
      await clock.over(Promise.all(nexts));
      assert.deepEqual(log, [[0, 10, false], [1, 20, false], [2, 30, false], [3, undefined, true], [4, undefined, true]]); // prettier-ignore
      const failing = mapStream([1, 2], 1, (item) => (item === 2 ? Promise.reject('two') : item));
      const answers = await clock.over(Promise.allSettled(numbers(4).map(() => failing.next())));
      assert.deepEqual(
        answers.map(({ status, value, reason }) => [status, value?.value, reason]),
        [
          ['fulfilled', 1, undefined],
          ['rejected', undefined, 'two'],
          ['fulfilled', undefined, undefined],
          ['fulfilled', undefined, undefined],
        ],
      );
    });

    it('calls ahead read what the window would hold up', async () => {
      const started = [];
      const stream = mapStream(numbers(20), 1, (item) => (started.push(item), item), { highWaterMark: 1 });
      const nexts = numbers(10).map(() => stream.next());
      const values = (await clock.over(Promise.all(nexts))).map(({ value }) => value);
      assert.deepEqual(values, numbers(10));
      await clock.settleInstant();
      assert.ok(started.length >= 11 && started.length <= 12, `${started.length}`);
      await stream.return();
    });

    it('return() behind a next() that waits ends both', async () => {
      const stream = mapStream([1], 1, never);
      const waiting = [stream.next(), stream.next()];
      await clock.settleInstant();
      assert.deepEqual(await stream.return(), { value: undefined, done: true });
      assert.deepEqual(await Promise.all(waiting), Array(2).fill({ value: undefined, done: true }));
    });

    it('after the end, and after what was thrown, there is nothing more', async () => {
      const stream = mapStream([1], 1, () => Promise.reject('failed'));
      assert.equal(await rejection(clock.over(stream.next())), 'failed');
      for (let i = 0; i < 3; i++) assert.deepEqual(await stream.next(), { value: undefined, done: true });
      assert.deepEqual(await stream.return('x'), { value: 'x', done: true });
    });
  });

  describe('leaving', () => {
    const ways = {
      'return()': (stream) => stream.return(),
      'throw()': (stream) => stream.throw('thrown').catch(() => {}),
      'its disposal': (stream) => stream[Symbol.asyncDispose](),
    };
    for (const [name, leave] of Object.entries(ways)) {
      for (const [kind, sourceFrom] of Object.entries(SOURCES)) {
        it(`${name} aborts what runs, closes the source once (${kind}), and nothing starts afterwards`, async () => {
          const counts = { opened: 0, ended: 0, closed: 0 };
          const started = [];
          const reasons = [];
          const mapper = (item, _index, { signal }) => {
            started.push(item);
            signal.addEventListener('abort', () => reasons.push(signal.reason));
            return item === 0 ? item : never();
          };
          const stream = mapStream(counted(sourceFrom(numbers(10)), counts), 3, mapper);
          assert.deepEqual(await clock.over(stream.next()), { value: 0, done: false });
          await clock.settleInstant();
          await leave(stream);
          assert.equal(reasons.length, 3);
          for (const reason of reasons)
            assert.deepEqual([reason instanceof DOMException, reason.name], [true, 'AbortError']);
          assert.deepEqual(started, [0, 1, 2, 3]);
          assertNothingLeft();
          await leave(stream);
          await clock.advance(1000);
          assert.deepEqual(started, [0, 1, 2, 3]);
          if (kind !== 'array') assert.deepEqual(counts, { opened: 1, ended: 0, closed: 1 });
          assert.deepEqual(await stream.next(), { value: undefined, done: true });
        });
      }
    }

    it('results that were finished, and not read before, do not come any more', async () => {
      for (const ordered of [true, false]) {
        const stream = mapStream(numbers(9), 3, itself, { ordered });
        assert.equal((await clock.over(stream.next())).value, 0);
        await clock.settleInstant();
        await stream.return();
        assert.deepEqual(await stream.next(), { value: undefined, done: true });
      }
    });

    it('break, and a throw in the body, leave; the throw is what comes out of the loop', async () => {
      for (const isThrown of [false, true]) {
        const counts = { opened: 0, ended: 0, closed: 0 };
        const boom = new Error('boom');
        const loop = async () => {
          for await (const value of mapStream(counted(numbers(9).values(), counts), 2, itself)) {
            if (value < 2) continue;
            if (isThrown) throw boom;
            break;
          }
          return 'left';
        };
        assert.equal(await clock.over(loop().catch(itself)), isThrown ? boom : 'left');
        assert.deepEqual([counts.opened, counts.closed], [1, 1]);
        assertNothingLeft();
      }
    });

    it('the end of the loop does not abort anything, nor close what has ended', async () => {
      const counts = { opened: 0, ended: 0, closed: 0 };
      const signals = [];
      const mapper = (item, _index, { signal }) => (signals.push(signal), item);
      await all(mapStream(counted(numbers(5).values(), counts), 2, mapper));
      assert.deepEqual([counts.opened, counts.closed], [1, 0]);
      assert.ok(signals.every(({ aborted }) => !aborted));
    });

    it('who leaves with a failure that was not read yet never hears of it', async () => {
      const reasons = await unhandledDuring(async () => {
        const stream = mapStream([0, 1], 2, (item) => (item === 1 ? Promise.reject('unread') : item));
        assert.equal((await clock.over(stream.next())).value, 0);
        await clock.settleInstant();
        await stream.return();
        assert.deepEqual(await stream.next(), { value: undefined, done: true });
      });
      assert.deepEqual(reasons, []);
    });

    it('late outcomes of what was aborted reach nobody', async () => {
      const reasons = await unhandledDuring(async () => {
        const late = [deferred(), deferred()];
        const stream = mapStream([0, 1], 2, (item) => late[item].promise);
        const waiting = stream.next();
        await clock.settleInstant();
        await stream.return();
        late[0].resolve('late');
        late[1].reject(new Error('late'));
        assert.deepEqual(await waiting, { value: undefined, done: true });
      });
      assert.deepEqual(reasons, []);
    });

    it("a source's return() that throws, rejects or hangs is nobody's business", async () => {
      const endings = [() => { throw new Error('no'); }, () => Promise.reject(new Error('no')), never]; // prettier-ignore
      const reasons = await unhandledDuring(async () => {
        for (const ending of endings) {
          const items = { [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1 }), return: ending }) };
          const stream = mapStream(items, 1, itself);
          await clock.over(stream.next());
          await stream.return();
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('a source that leaves the stream in its own next() is closed behind it', async () => {
      for (const after of numbers(8)) {
        let [count, closed] = [0, 0];
        const items = {
          [Symbol.iterator]: () => ({
            next: () => {
              if (count === after) stream.return();
              return { value: count++, done: false };
            },
            return: () => (closed++, {}),
          }),
        };
        const mapper = (item) => (item % 2 ? clock.sleep(1).then(() => item) : item);
        const stream = mapStream(items, 2, mapper, { highWaterMark: 1 });
        const values = await all(stream);
        assert.deepEqual(values, numbers(values.length));
        assert.deepEqual([count, closed], [after + 1, 1]);
        assertNothingLeft();
      }
    });

    it('a mapper that leaves the stream starts nothing more', async () => {
      const started = [];
      const mapper = (item) => {
        started.push(item);
        if (item === 2) stream.return();
        return item;
      };
      const stream = mapStream(numbers(10), 2, mapper);
      const values = await all(stream);
      assert.ok(values.length <= 2);
      assert.deepEqual(started, [0, 1, 2]);
    });
  });

  describe('failures', () => {
    const failAt = (bad, ms) => async (item) => {
      await clock.sleep(ms[item]);
      if (item === bad) throw 'bad';
      return item;
    };

    it('ordered: what stands before without a gap comes first, then the error, then nothing', async () => {
      // 3 is done before 2 fails, and 1 has not come by then.
      const mapper = failAt(2, [1, 30, 10, 2]);
      assert.deepEqual(await clock.over(untilThrown(mapStream([0, 1, 2, 3], 4, mapper))), {
        values: [0],
        error: 'bad',
      });
      const other = failAt(3, [1, 2, 3, 10]);
      assert.deepEqual(await clock.over(untilThrown(mapStream([0, 1, 2, 3], 4, other))), {
        values: [0, 1, 2],
        error: 'bad',
      });
    });

    it('in any order: all that is finished comes first', async () => {
      const mapper = failAt(2, [1, 30, 10, 2]);
      const stream = mapStream([0, 1, 2, 3], 4, mapper, { ordered: false });
      assert.deepEqual(await clock.over(untilThrown(stream)), { values: [0, 3], error: 'bad' });
    });

    it('finished results wait for a reader who comes late, and the error behind them', async () => {
      for (const ordered of [true, false]) {
        const stream = mapStream([0, 1, 2, 3, 4, 5], 4, failAt(3, [1, 2, 3, 10, 40, 40]), { ordered });
        assert.equal((await clock.over(stream.next())).value, 0);
        await clock.advance(1000);
        assertNothingLeft(); // the map is over
        assert.equal((await stream.next()).value, 1);
        assert.equal((await stream.next()).value, 2);
        assert.equal(await rejection(stream.next()), 'bad');
        assert.deepEqual(await stream.next(), { value: undefined, done: true });
      }
    });

    it('aborts the others with that error, at once, and closes the source', async () => {
      const counts = { opened: 0, ended: 0, closed: 0 };
      const reasons = [];
      const mapper = async (item, _index, { signal }) => {
        signal.addEventListener('abort', () => reasons.push([clock.now, item, signal.reason]));
        await clock.sleep(item === 1 ? 5 : 50);
        throw 'bad';
      };
      const stream = mapStream(counted(numbers(9).values(), counts), 3, mapper);
      assert.deepEqual(await clock.over(untilThrown(stream)), { values: [], error: 'bad' });
      assert.deepEqual(reasons, [[5, 0, 'bad'], [5, 2, 'bad']]); // prettier-ignore
      assert.deepEqual(counts, { opened: 1, ended: 0, closed: 1 });
    });

    it('stopOnError: false yields what there is, and throws all errors in the end, in the order of the items', async () => {
      for (const [kind, source] of Object.entries(SOURCES)) {
        for (const ordered of [true, false]) {
          const mapper = async (item) => (await clock.sleep(10 - item), item % 2 ? Promise.reject(`e${item}`) : item);
          const stream = mapStream(source(numbers(6)), 6, mapper, { stopOnError: false, ordered });
          const { values, error } = await clock.over(untilThrown(stream));
          assert.deepEqual(values, ordered ? [0, 2, 4] : [4, 2, 0], kind);
          assert.ok(error instanceof AggregateError);
          assert.deepEqual(error.errors, ['e1', 'e3', 'e5']);
        }
      }
    });

    it('stopOnError: false with a mapper that throws at once: each item is tried, once, and the loop ends', async () => {
      for (const [kind, source] of Object.entries(SOURCES)) {
        for (const highWaterMark of [1, 2, 100]) {
          const tried = [];
          const mapper = (item) => {
            tried.push(item);
            throw `e${item}`;
          };
          const stream = mapStream(source(numbers(20)), 2, mapper, { stopOnError: false, highWaterMark });
          const { error } = await clock.over(untilThrown(stream));
          assert.deepEqual(tried, numbers(20), kind);
          assert.equal(error.errors.length, 20);
        }
      }
    });

    it("an error's stack names who called, as under a bare await", async () => {
      const throwing = async () => {
        await turn();
        throw new Error('boom');
      };
      async function caller() {
        for await (const value of mapStream([1], 1, throwing)) assert.fail(`${value}`);
      }
      assert.match((await clock.over(rejection(caller()))).stack, /throwing/);
    });

    it('a source that throws: what is finished comes first, then that', async () => {
      const items = {
        *[Symbol.iterator]() {
          yield* [0, 1, 2, 3, 4];
          throw 'source';
        },
      };
      const asyncItems = {
        async *[Symbol.asyncIterator]() {
          yield* items[Symbol.iterator]();
        },
      };
      for (const [source, limit] of [
        [items, 1],
        [asyncItems, 1],
        [items, 3],
        [asyncItems, 2],
      ]) {
        // prettier-ignore
        for (const ordered of [true, false]) {
          const reasons = await unhandledDuring(async () => {
            const stream = mapStream(source, limit, itself, { ordered, highWaterMark: 1 });
            const { values, error } = await clock.over(untilThrown(stream));
            assert.equal(error, 'source');
            assert.deepEqual(values, numbers(values.length));
            assert.ok(values.length >= 5 - limit, `${values.length} with ${limit}`);
          });
          assert.deepEqual(reasons, []);
          assertNothingLeft();
        }
      }
    });

    it("drain: the error waits for what runs, and what that comes to is still the reader's", async () => {
      const mapper = async (item) => (
        await clock.sleep([1, 5, 20, 20][item]),
        item === 1 ? Promise.reject('bad') : item
      );
      const stream = mapStream([0, 1, 2, 3], 3, mapper, { drain: true, ordered: false });
      const log = [];
      const error = await clock.over(
        (async () => {
          for await (const value of stream) log.push([clock.now, value]);
        })().catch(itself),
      );
      assert.deepEqual([error, clock.now], ['bad', 21]);
      assert.deepEqual(log, [[1, 0], [20, 2], [21, 3]]); // prettier-ignore
    });
  });

  describe('ends from outside', () => {
    it('an abort is thrown at once: finished results do not come any more', async () => {
      for (const ordered of [true, false]) {
        const controller = new AbortController();
        const heard = [];
        const mapper = (item, _index, { signal }) => {
          signal.addEventListener('abort', () => heard.push(signal.reason));
          return item < 3 ? item : never();
        };
        const stream = mapStream(numbers(9), 4, mapper, { signal: controller.signal, ordered });
        assert.equal((await clock.over(stream.next())).value, 0);
        await clock.settleInstant();
        assert.equal(getEventListeners(controller.signal, 'abort').length, 1);
        controller.abort('enough');
        assert.deepEqual(new Set(heard), new Set(['enough']));
        assert.equal(await rejection(stream.next()), 'enough');
        assert.deepEqual(await stream.next(), { value: undefined, done: true });
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
        assertNothingLeft();
      }
    });

    it('an abort reaches who waits in next()', async () => {
      const controller = new AbortController();
      const stream = mapStream([1], 1, never, { signal: controller.signal });
      const waiting = rejection(stream.next());
      await clock.settleInstant();
      controller.abort('enough');
      assert.equal(await waiting, 'enough');
    });

    it('a signal that is aborted already: nothing is opened, the first next() rejects', async () => {
      const items = { [Symbol.iterator]: () => assert.fail('opened') };
      const stream = mapStream(items, 1, itself, { signal: AbortSignal.abort('before') });
      assert.equal(await rejection(stream.next()), 'before');
      assert.deepEqual(await stream.next(), { value: undefined, done: true });
    });

    it('an abort after everything was finished, and before it is read, changes what is read', async () => {
      const controller = new AbortController();
      const stream = mapStream([0, 1, 2], 3, itself, { signal: controller.signal });
      assert.equal((await clock.over(stream.next())).value, 0);
      await clock.settleInstant();
      assertNothingLeft(); // the map is over: it has not been aborted
      controller.abort('late');
      assert.equal((await stream.next()).value, 1);
      assert.equal((await stream.next()).value, 2);
      assert.deepEqual(await stream.next(), { value: undefined, done: true });
    });

    it('the total timeout is thrown at once', async () => {
      for (const ordered of [true, false]) {
        const mapper = (item) => clock.sleep(item === 3 ? 100 : 1).then(() => item);
        const stream = mapStream(numbers(9), 4, mapper, { totalTimeout: 10, ordered });
        assert.equal((await clock.over(stream.next())).value, 0);
        await clock.advance(50);
        const error = await rejection(stream.next());
        assert.ok(error instanceof TimeoutError);
        assert.deepEqual([error.scope, error.timeout, error.elapsed], ['total', 10, 10]);
        assert.deepEqual(await stream.next(), { value: undefined, done: true });
      }
    });

    it("a mapper's own call that timed out in total is a failure like others: finished results come first", async () => {
      const mapper = (item) => (item < 2 ? item : retry(never, { totalTimeout: 5 }));
      const stream = mapStream([0, 1, 2, 3], 4, mapper);
      assert.equal((await clock.over(stream.next())).value, 0);
      await clock.advance(50);
      assert.deepEqual((await stream.next()).value, 1);
      assert.equal((await rejection(stream.next())).scope, 'total');
    });

    it("an item's timeout is a failure like others", async () => {
      const mapper = (item) => (item < 2 ? item : never());
      const { values, error } = await clock.over(untilThrown(mapStream([0, 1, 2], 3, mapper, { timeout: 5 })));
      assert.deepEqual([values, error.scope, error.index], [[0, 1], 'attempt', 2]);
    });

    it('closing the semaphore it runs on ends it', async () => {
      const semaphore = new Semaphore(2);
      const stream = mapStream(numbers(5), semaphore, never);
      const waiting = rejection(stream.next());
      await clock.settleInstant();
      semaphore.close();
      assert.equal((await waiting).code, 'ERR_SLUICE_CLOSED');
    });
  });

  describe('with the streams of Node', () => {
    beforeEach(() => clock.restore());
    afterEach(() => clock.reset());

    it('Readable.from(mapStream(...)) in a pipeline, with backpressure', async () => {
      const counts = {};
      const written = [];
      const slow = new Writable({
        objectMode: true,
        highWaterMark: 1,
        write(chunk, _encoding, done) {
          written.push(chunk);
          setImmediate(done);
        },
      });
      const source = endless.asyncIterable(counts);
      const until = async function* (values) {
        for await (const value of values) {
          if (value === 100) return;
          yield value;
        }
      };
      const readable = Readable.from(mapStream(source, 4, itself), { highWaterMark: 1 });
      await pipeline(readable, until, slow);
      assert.deepEqual(written, numbers(100));
      assert.ok(counts.taken <= 100 + 8 + 6, `${counts.taken} taken`);
    });

    it('pipeline() takes it as a source, and closes it when the sink fails', async () => {
      const counts = { opened: 0, ended: 0, closed: 0 };
      const sink = new Writable({
        objectMode: true,
        write: (chunk, _encoding, done) => done(chunk === 3 ? new Error('sink') : null),
      });
      const stream = mapStream(counted(SOURCES.asyncIterable(numbers(1000)), counts), 2, itself);
      await assert.rejects(pipeline(stream, sink), /sink/);
      for (let i = 0; i < 5 && counts.closed === 0; i++) await turn();
      assert.equal(counts.closed, 1);
      assertNothingLeft();
    });

    it('an error of the map destroys the pipeline', async () => {
      const stream = mapStream(numbers(9), 2, (item) => (item === 4 ? Promise.reject(new Error('map')) : item));
      const chunks = [];
      const sink = new Writable({ objectMode: true, write: (chunk, _, done) => (chunks.push(chunk), done()) });
      await assert.rejects(pipeline(Readable.from(stream), sink), /map/);
      assert.deepEqual(chunks, numbers(chunks.length));
    });

    it('a file stream as the source; leaving early destroys it', async () => {
      const file = fs.createReadStream(__filename, { highWaterMark: 64 });
      let length = 0;
      for await (const size of mapStream(file, 3, (chunk) => chunk.length)) length += size;
      assert.equal(length, fs.statSync(__filename).size);
      const other = fs.createReadStream(__filename, { highWaterMark: 64 });
      const sizes = [];
      for await (const size of mapStream(other, 3, (chunk) => chunk.length)) if (sizes.push(size) === 1) break;
      assert.deepEqual(sizes, [64]);
      if (!other.closed) await new Promise((resolve) => other.once('close', resolve));
      assert.ok(other.destroyed);
    });

    it('an object stream as the source; its error is thrown', async () => {
      const source = new Readable({ objectMode: true, read() {} });
      for (const item of [1, 2, 3]) source.push(item);
      const stream = mapStream(source, 2, (item) => item * 2);
      assert.equal((await stream.next()).value, 2);
      source.destroy(new Error('source'));
      await assert.rejects(async () => {
        for await (const value of stream) assert.ok(value === 4 || value === 6);
      }, /source/);
    });
  });

  describe('async context', () => {
    const storage = new AsyncLocalStorage();

    it("mappers, the source and progress run in the context of who made the stream, the loop's body in the reader's", async () => {
      const seen = { mapper: new Set(), source: new Set(), progress: new Set(), body: new Set() };
      const see = (where) => seen[where].add(storage.getStore());
      const mapper = async (item, _index, { attempt }) => {
        see('mapper');
        await clock.sleep(1);
        see('mapper');
        if (item === 3 && attempt === 1) throw new Error('again');
        if (item === 5 && attempt === 1) await never();
        return item;
      };
      function* source() {
        for (const item of numbers(12)) {
          see('source');
          yield item;
        }
      }
      const options = {
        highWaterMark: 1,
        timeout: 5,
        retry: { retries: 1, delay: 2 },
        onProgress: () => see('progress'),
      };
      const stream = storage.run('maker', () => mapStream(source(), 2, mapper, options));
      const read = async () => {
        for await (const value of stream) {
          see('body');
          if (value % 3 === 0) await clock.sleep(7);
          see('body');
        }
      };
      await storage.run('reader', () => clock.over(read()));
      const all = Object.fromEntries(Object.entries(seen).map(([where, stores]) => [where, [...stores]]));
      assert.deepEqual(all, { mapper: ['maker'], source: ['maker'], progress: ['maker'], body: ['reader'] });
    });

    it('also with an async source and a semaphore that another request holds up', async () => {
      const seen = new Set();
      const semaphore = new Semaphore(1);
      const permit = await storage.run('other', () => semaphore.acquire());
      const mapper = (item) => (seen.add(storage.getStore()), clock.sleep(1).then(() => item));
      const stream = storage.run('maker', () => mapStream(SOURCES.asyncIterable(numbers(5)), semaphore, mapper));
      const result = storage.run('reader', () => collect(stream));
      await clock.settleInstant();
      storage.run('other', () => permit.release());
      assert.deepEqual(await clock.over(result), numbers(5));
      assert.deepEqual([...seen], ['maker']);
    });
  });

  it('300,000 items and a reader who is slow: what is held is the window, not the items or the results', async function () {
    this.timeout(120_000);
    const script = `
      const { mapStream } = require(${JSON.stringify(require.resolve('../..'))});
      const alive = { items: 0, results: 0 };
      const registry = new FinalizationRegistry((kind) => alive[kind]--);
      const made = (kind) => { const object = { kind }; alive[kind]++; registry.register(object, kind); return object; };
      async function* source() { for (let i = 0; i < 300_000; i++) yield made('items'); }
      const most = { items: 0, results: 0 };
      (async () => {
        let read = 0;
        for await (const _result of mapStream(source(), 8, () => made('results'), { highWaterMark: 8 })) {
          if (++read % 20_000 !== 0) continue;
          for (let i = 0; i < 5; i++) { await new Promise(setImmediate); gc(); }
          await new Promise(setImmediate);
          for (const kind of ['items', 'results']) most[kind] = Math.max(most[kind], alive[kind]);
        }
        console.log(JSON.stringify({ read, most }));
      })();`;
    const { code, stdout, stderr } = await runNode(['--expose-gc', '-e', script]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const [{ read, most }] = parseLines(stdout);
    assert.equal(read, 300_000);
    assert.ok(most.items <= 20 && most.results <= 20, JSON.stringify(most));
  });

  it('many streams at once, each within another, come to what they must', async () => {
    const inner = (item) =>
      mapStream(numbers(5), 2, (other) => withTimeout(clock.sleep(1), 50).then(() => item * 10 + other));
    const stream = mapStream(numbers(20), 4, (item) => collect(inner(item)));
    const values = await all(stream);
    assert.deepEqual(values, numbers(20).map((item) => numbers(5).map((other) => item * 10 + other))); // prettier-ignore
  });
});
