'use strict';

// consume: works through a source, and keeps nothing but the counts.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const fs = require('node:fs');
const readline = require('node:readline');
const { PassThrough, Readable } = require('node:stream');
const fc = require('fast-check');

const {
  PermanentError,
  Queue,
  RateLimiter,
  Semaphore,
  TimeoutError,
  consume,
  mapWithLimit,
  skip,
  stop,
} = require('../..');
const { agree } = require('../support/agreement');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { SOURCES, program, runCall } = require('../support/program');
const { AsyncLocalStorage } = require('../support/storage');
const { counted } = require('../support/stream-model');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 4);

const never = () => new Promise(() => {});
const noop = () => {};
const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const countsOf = (counts) => ({ total: counts.started, failed: 0, retried: 0, timedOut: 0, abandoned: 0, ...counts });

describe('consume', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  it(`is mapWithLimit that keeps nothing: starts and ends as the model does (seed ${SEED})`, function () {
    this.timeout(120_000);
    const drawnFrom = program.filter(({ collect }) => collect !== 'outcomes');
    const maxQueue = fc.constantFrom(undefined, 0, 1, 3, Infinity);
    const property = fc.asyncProperty(drawnFrom, maxQueue, async (drawn, maxQueue) => {
      clock.reset();
      const { items, limit, itemTimeout, rate, maxAbandoned, collect, drain, source } = drawn;
      const asked = [];
      let value;
      const run = await runCall(clock, drawn, async (elements, mapper, options) => {
        const wrapped = SOURCES[items.length === 0 ? 'array' : source](elements);
        const onError =
          collect === 'errors' ? (error, item, index) => void asked.push([error, item, index]) : undefined;
        const more = { itemTimeout, rate, maxAbandoned, drain, onError, maxQueue };
        value = await consume(wrapped, mapper, { ...options, ...more, workers: limit });
      });
      // With onError the call goes on, and ends well, where the model has it reject with all errors in the end.
      const shown = ({ status, reason, at }) => {
        if (reason?.aggregate !== undefined) return { status: 'fulfilled', at };
        return status === 'rejected' ? { status, reason, at } : { status, at };
      };
      agree({ ...run, outcome: shown(run.outcome) }, drawn, shown);
      if (value !== undefined) {
        assert.deepEqual(value, run.progress.at(-1), 'it resolves with the counts that were reported last');
        assert.equal(asked.length, collect === 'errors' ? value.failed : 0, 'asked of each item that failed, once');
      }
      assertNothingLeft();
    });
    return fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  describe('the counts', () => {
    it('are what it resolves with, of whatever source', async () => {
      const lines = () => {
        const input = new PassThrough();
        input.end('a\nb\nc\nd\ne');
        return readline.createInterface({ input });
      };
      const queue = new Queue();
      for (const item of numbers(5)) queue.tryPut(item);
      queue.close();
      const sources = {
        array: () => numbers(5),
        set: () => new Set(numbers(5)),
        generator: () => numbers(5).values(),
        'async iterable': () => SOURCES.asyncIterable(numbers(5)),
        async *'async generator'() {
          yield* numbers(5);
        },
        'object stream': () => Readable.from(numbers(5)),
        'the lines of a file': lines,
        Queue: () => queue,
      };
      clock.restore(); // streams take the loop's own time
      try {
        for (const [name, source] of Object.entries(sources)) {
          const seen = [];
          const counts = await consume(source(), (item, index) => void seen.push([String(item), index]), {
            workers: 2,
          });
          assert.deepEqual(counts, countsOf({ started: 5, done: 5 }), name);
          const items = name.startsWith('the lines') ? ['a', 'b', 'c', 'd', 'e'] : numbers(5).map(String);
          assert.deepEqual(seen, items.map((item, index) => [item, index])); // prettier-ignore
        }
      } finally {
        clock.reset();
      }
    });

    it('of nothing are zeros', async () => {
      for (const source of [[], new Set(), SOURCES.asyncIterable([])])
        assert.deepEqual(await over(consume(source, noop)), countsOf({ started: 0, done: 0 }));
    });

    it('tell of failures, retries and timeouts; what a worker returns is not kept, skip and stop have their meaning', async () => {
      const worker = (item, _index, { attempt }) => {
        if (item === 0) return skip;
        if (item === 1 && attempt === 1) throw new Error('again');
        if (item === 2) throw new Error('no');
        if (item === 3) return never();
        return item === 5 ? stop : item;
      };
      const options = { onError: noop, timeout: 10, retry: { retries: 1, delay: 1 } };
      const counts = await over(consume(numbers(50), worker, options));
      assert.deepEqual(counts, {
        total: 6,
        started: 6,
        done: 4,
        failed: 2,
        retried: 3,
        timedOut: 2,
        abandoned: 2,
      });
    });

    it('are reported by onProgress, and those reported last are those it resolves with', async () => {
      const reports = [];
      const source = SOURCES.asyncIterable(numbers(4));
      const counts = await over(consume(source, () => clock.sleep(5), { onProgress: (p) => reports.push(p) }));
      assert.deepEqual(reports.at(-1), counts);
      assert.ok(reports.length > 3);
      assert.equal(reports[0].total, undefined);
      assert.equal(counts.total, 4);
    });
  });

  describe('workers', () => {
    it('one unless it says otherwise; never more than that at once', async () => {
      for (const [workers, most] of [
        [undefined, 1],
        [3, 3],
        [Infinity, 10],
      ]) {
        // prettier-ignore
        for (const source of Object.values(SOURCES)) {
          let [running, seen] = [0, 0];
          const worker = async () => {
            seen = Math.max(seen, ++running);
            await clock.sleep(5);
            running--;
          };
          await over(consume(source(numbers(10)), worker, { workers }));
          assert.equal(seen, most);
        }
      }
    });

    it('a Semaphore bounds all the calls that share it', async () => {
      const semaphore = new Semaphore(2);
      let [running, most] = [0, 0];
      const worker = async () => {
        most = Math.max(most, ++running);
        await clock.sleep(5);
        running--;
      };
      const calls = Object.values(SOURCES).map((source) => consume(source(numbers(6)), worker, { workers: semaphore }));
      calls.push(mapWithLimit(numbers(3), semaphore, worker));
      await over(Promise.all(calls));
      assert.equal(most, 2);
      assert.equal(semaphore.available, 2);
    });

    it('a RateLimiter as the rate holds for all the calls that share it', async () => {
      const rate = new RateLimiter({ max: 1, per: 10, burst: 1 });
      const starts = [];
      const worker = () => void starts.push(clock.now);
      await over(
        Promise.all([
          consume(numbers(3), worker, { rate }),
          consume(SOURCES.asyncIterable(numbers(3)), worker, { rate }),
        ]),
      );
      assert.deepEqual(starts, [0, 10, 20, 30, 40, 50]);
      rate.close();
      await assert.rejects(consume([1], worker, { rate }), { code: 'ERR_SLUICE_CLOSED' });
    });

    it('that throw at once, reject, or return what is no promise', async () => {
      for (const source of Object.values(SOURCES)) {
        const boom = new Error('boom');
        const throwing = () => {
          throw boom;
        };
        assert.equal(await over(rejection(consume(source(numbers(3)), throwing))), boom);
        assert.equal(
          await over(rejection(consume(source(numbers(3)), () => Promise.reject(boom), { workers: 2 }))),
          boom,
        );
        const asked = [];
        const counts = await over(
          consume(source(numbers(3)), throwing, { onError: (error, item) => asked.push([error, item]) }),
        );
        assert.deepEqual(asked, numbers(3).map((item) => [boom, item])); // prettier-ignore
        assert.deepEqual(counts, countsOf({ started: 3, done: 0, failed: 3 }));
        const odd = [undefined, null, 0, { then: 5 }];
        assert.equal((await over(consume(source(odd), (item) => item))).done, 4);
      }
    });

    it('of items that are promises get what these come to; a rejected one is a failure of its item', async () => {
      const reasons = await unhandledDuring(async () => {
        for (const [kind, source] of Object.entries(SOURCES)) {
          const seen = [];
          const items = [
            Promise.resolve('a'),
            Promise.reject('bad'),
            { then: (done) => done('c') },
            Promise.reject('worse'),
          ];
          const asked = [];
          const options = { onError: (error, item, index) => void asked.push([error, item === items[index], index]) };
          const counts = await over(consume(source(items), (item) => void seen.push(item), options));
          assert.deepEqual(seen, ['a', 'c'], kind);
          assert.deepEqual(asked, [['bad', true, 1], ['worse', true, 3]]); // prettier-ignore
          assert.deepEqual([counts.done, counts.failed], [2, 2]);
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('rejected promises that were read ahead, and that no worker comes to, are not unhandled', async () => {
      const reasons = await unhandledDuring(async () => {
        const items = [1, Promise.reject('a'), Promise.reject('b'), Promise.reject('c')];
        for (const source of Object.values(SOURCES)) {
          const worker = () => clock.sleep(5).then(() => Promise.reject('first'));
          assert.equal(await over(rejection(consume(source(items), worker, { maxQueue: 10 }))), 'first');
        }
      });
      assert.deepEqual(reasons, []);
    });
  });

  describe('reading ahead', () => {
    /** An endless async source that knows how far it is ahead of who has begun. */
    function endless() {
      const counts = { taken: 0, inFlight: 0, mostInFlight: 0, closed: 0 };
      const source = {
        [Symbol.asyncIterator]: () => ({
          async next() {
            counts.mostInFlight = Math.max(counts.mostInFlight, ++counts.inFlight);
            counts.taken++;
            await undefined;
            counts.inFlight--;
            return { value: counts.taken, done: false };
          },
          return: () => (counts.closed++, {}),
        }),
      };
      return { source, counts };
    }

    for (const [name, workers, maxQueue, limit] of [
      ['one worker', () => 1, undefined, 1],
      ['four workers', () => 4, undefined, 4],
      ['a semaphore of five', () => new Semaphore(5), undefined, 5],
      ['two workers and maxQueue: 0', () => 2, 0, 0],
      ['two workers and maxQueue: 1', () => 2, 1, 1],
      ['one worker and maxQueue: 10', () => 1, 10, 10],
    ]) {
      it(`${name}: no more than ${limit} items and one next() ahead`, async () => {
        const { source, counts } = endless();
        const controller = new AbortController();
        let started = 0;
        const worker = () => (started++, clock.sleep(3));
        const call = rejection(consume(source, worker, { workers: workers(), maxQueue, signal: controller.signal }));
        for (let i = 0; i < 40; i++) {
          await clock.advance(1);
          assert.ok(counts.taken - started <= limit + 1, `${counts.taken} taken, ${started} started`);
          assert.ok(counts.taken - started >= limit, `${counts.taken} taken, ${started} started`);
        }
        assert.equal(counts.mostInFlight, 1);
        controller.abort('enough');
        assert.equal(await call, 'enough');
        assert.equal(counts.closed, 1);
        const { taken } = counts;
        await clock.advance(10);
        assert.equal(counts.taken, taken);
      });
    }

    it('items come in order, each once, whether the source or the workers are faster', async () => {
      const property = fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })), { maxLength: 20 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(undefined, 0, 1, 2, Infinity),
        async (waits, workers, maxQueue) => {
          clock.reset();
          async function* source() {
            for (const [index, [wait]] of waits.entries()) {
              if (wait > 0) await clock.sleep(wait);
              yield index;
            }
          }
          const seen = [];
          const worker = (item, index) => {
            assert.equal(item, index);
            seen.push(item);
            return clock.sleep(waits[item][1]);
          };
          const counts = await over(consume(source(), worker, { workers, maxQueue }));
          assert.deepEqual(seen, [...waits.keys()]);
          assert.equal(counts.done, waits.length);
        },
      );
      await fc.assert(property, { numRuns: 300, seed: SEED });
    });

    it('reading goes on while the workers are busy', async () => {
      const log = [];
      async function* source() {
        for (const item of numbers(4)) {
          log.push(`read ${item} at ${clock.now}`);
          yield item;
        }
      }
      await over(consume(source(), () => clock.sleep(10), { maxQueue: 2 }));
      assert.deepEqual(log, ['read 0 at 0', 'read 1 at 0', 'read 2 at 0', 'read 3 at 10']);
    });

    it('a source that is read at once is not read ahead', async () => {
      let taken = 0;
      function* source() {
        for (;;) yield taken++;
      }
      const controller = new AbortController();
      const call = rejection(
        consume(source(), () => clock.sleep(10), { workers: 2, maxQueue: 50, signal: controller.signal }),
      );
      await clock.advance(5);
      assert.equal(taken, 2);
      controller.abort('enough');
      await call;
    });

    const failures = {
      'throws at once': () => {
        throw 'source';
      },
      rejects: () => Promise.reject('source'),
      'answers what is no result': () => 5,
      'answers a promise of what is none': () => Promise.resolve(undefined),
      'answers with a `done` that throws': () => ({ get done() { throw 'source'; } }), // prettier-ignore
      'answers with a `value` that throws': () => ({ done: false, get value() { throw 'source'; } }), // prettier-ignore
    };
    for (const [name, fails] of Object.entries(failures)) {
      it(`a source whose next() ${name}: what was read before comes first, then the call rejects; it is not closed`, async () => {
        for (const maxQueue of [0, 1, 10]) {
          let [asked, closed] = [0, 0];
          const source = {
            [Symbol.asyncIterator]: () => ({
              next: () => (asked++ < 3 ? Promise.resolve({ value: asked, done: false }) : fails()),
              return: () => (closed++, {}),
            }),
          };
          const seen = [];
          const reasons = await unhandledDuring(async () => {
            const error = await over(
              rejection(consume(source, (item) => clock.sleep(1).then(() => seen.push(item)), { maxQueue })),
            );
            if (name.includes('no') && !name.includes('not')) assert.ok(error instanceof TypeError);
            else assert.equal(error, 'source');
          });
          assert.deepEqual(reasons, []);
          assert.deepEqual([seen, asked, closed], [[1, 2, 3], 4, 0]);
        }
      });
    }

    it('a source that has ended is not closed, also where a worker fails before its last items', async () => {
      const counts = { opened: 0, ended: 0, closed: 0 };
      const source = counted(SOURCES.asyncIterable(numbers(4)), counts);
      const worker = () => clock.sleep(5).then(() => Promise.reject('worker'));
      assert.equal(await over(rejection(consume(source, worker, { maxQueue: 10 }))), 'worker');
      assert.deepEqual(counts, { opened: 1, ended: 1, closed: 0 });
    });

    it('a source that fails while nobody waits for it, and whose call ends otherwise, is not unhandled', async () => {
      const reasons = await unhandledDuring(async () => {
        async function* source() {
          yield 1;
          throw new Error('source');
        }
        const worker = () => clock.sleep(5).then(() => Promise.reject('worker'));
        assert.equal(await over(rejection(consume(source(), worker, { maxQueue: 5 }))), 'worker');
      });
      assert.deepEqual(reasons, []);
    });

    it('what a next() comes to after the call has ended reaches nobody, and is not unhandled', async () => {
      const lates = [() => ({ value: Promise.reject('late'), done: false }), () => Promise.reject('late'), () => 5];
      for (const late of lates) {
        const reasons = await unhandledDuring(async () => {
          for (const maxQueue of [0, 2]) {
            const answer = deferred();
            const controller = new AbortController();
            let closed = 0;
            const source = {
              [Symbol.asyncIterator]: () => ({ next: () => answer.promise, return: () => (closed++, {}) }),
            };
            const call = rejection(consume(source, noop, { maxQueue, signal: controller.signal }));
            await clock.settleInstant();
            controller.abort('enough');
            assert.equal(await call, 'enough');
            answer.resolve(late());
            await clock.settleInstant();
            assert.equal(closed, 1);
          }
        });
        assert.deepEqual(reasons, []);
      }
    });

    it('a source that aborts the call in its own next()', async () => {
      for (const maxQueue of [0, 3]) {
        const controller = new AbortController();
        let [asked, closed] = [0, 0];
        const source = {
          [Symbol.asyncIterator]: () => ({
            next: async () => (++asked === 3 ? controller.abort('enough') : undefined, { value: asked, done: false }),
            return: () => (closed++, {}),
          }),
        };
        assert.equal(await over(rejection(consume(source, noop, { maxQueue, signal: controller.signal }))), 'enough');
        await clock.settleInstant();
        assert.deepEqual([asked, closed], [3, 1]);
      }
    });
  });

  describe('onError', () => {
    const failing = (bad) => (item) => (bad.includes(item) ? Promise.reject(`e${item}`) : item);

    it('absent: the first failure rejects the call, aborts the others, and closes the source', async () => {
      const counts = { opened: 0, ended: 0, closed: 0 };
      const reasons = [];
      const worker = (item, _index, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        return item === 2 ? clock.sleep(1).then(() => Promise.reject('bad')) : item > 2 ? never() : item;
      };
      const call = consume(counted(SOURCES.asyncIterable(numbers(9)), counts), worker, { workers: 2 });
      assert.equal(await over(rejection(call)), 'bad');
      assert.deepEqual(reasons, ['bad']);
      assert.deepEqual([counts.opened, counts.closed], [1, 1]);
    });

    it('is told of the error, the item and its index, and the call goes on, whatever it returns', async () => {
      for (const verdict of [undefined, null, false, 'stop', skip, Promise.resolve(5)]) {
        for (const source of Object.values(SOURCES)) {
          const asked = [];
          const options = { workers: 2, onError: (...given) => (asked.push(given), verdict) };
          const counts = await over(consume(source(['a', 'b', 'c', 'd']), failing(['b', 'd']), options));
          assert.deepEqual(asked, [['eb', 'b', 1], ['ed', 'd', 3]]); // prettier-ignore
          assert.deepEqual(counts, countsOf({ started: 4, done: 2, failed: 2 }));
        }
      }
    });

    it('is awaited: the worker takes no other item before', async () => {
      const log = [];
      const worker = (item) => {
        log.push(`${clock.now}: ${item}`);
        if (item === 0) throw 'bad';
      };
      await over(consume(numbers(3), worker, { onError: () => clock.sleep(10) }));
      assert.deepEqual(log, ['0: 0', '10: 1', '10: 2']);
    });

    it('that returns stop ends it well: nothing more is taken, what runs ends, the source is closed', async () => {
      for (const verdict of [stop, Promise.resolve(stop)]) {
        for (const [kind, source] of Object.entries(SOURCES)) {
          const counts = { opened: 0, ended: 0, closed: 0 };
          const [started, ended] = [[], []];
          const worker = async (item, _index, { signal }) => {
            started.push(item);
            await clock.sleep(item === 1 ? 5 : 20);
            assert.equal(signal.aborted, false);
            if (item === 1) throw 'bad';
            ended.push(item);
            if (kind !== 'array') assert.equal(counts.closed, 1); // at once
          };
          const options = { workers: 3, maxQueue: 2, onError: () => verdict };
          const result = await over(consume(counted(source(numbers(50)), counts), worker, options));
          assert.deepEqual([started, ended], [[0, 1, 2], [0, 2]]); // prettier-ignore
          assert.deepEqual(result, countsOf({ started: 3, done: 2, failed: 1 }));
          if (kind !== 'array') assert.deepEqual(counts, { opened: 1, ended: 0, closed: 1 });
          assert.equal(clock.now, 20);
          clock.reset();
        }
      }
    });

    it('that returns stop while another item fails: that one is asked about, too', async () => {
      const asked = [];
      const worker = (item) => clock.sleep(item + 1).then(() => Promise.reject(`e${item}`));
      const onError = (error) => (asked.push(error), error === 'e0' ? stop : undefined);
      const counts = await over(consume(numbers(50), worker, { workers: 3, onError }));
      assert.deepEqual(asked, ['e0', 'e1', 'e2']);
      assert.deepEqual([counts.started, counts.failed], [3, 3]);
    });

    it('that throws, or rejects, rejects the call with that, and aborts the others', async () => {
      for (const onError of [
        () => {
          throw 'verdict';
        },
        () => clock.sleep(2).then(() => Promise.reject('verdict')),
      ]) {
        // prettier-ignore
        for (const source of Object.values(SOURCES)) {
          const reasons = [];
          const worker = (item, _index, { signal }) => {
            signal.addEventListener('abort', () => reasons.push(signal.reason));
            return item === 0 ? Promise.reject('bad') : never();
          };
          assert.equal(await over(rejection(consume(source(numbers(9)), worker, { workers: 2, onError }))), 'verdict');
          assert.deepEqual(reasons, ['verdict']);
        }
      }
    });

    it('is asked after the last attempt only, and before none of the timeouts of others', async () => {
      const asked = [];
      const worker = (_item, _index, { attempt }) => Promise.reject(`attempt ${attempt}`);
      const options = {
        retry: { retries: 2, delay: 5, jitter: 'none', backoff: 'constant' },
        onError: (error) => asked.push([clock.now, error]),
      };
      const counts = await over(consume([1], worker, options));
      assert.deepEqual(asked, [[10, 'attempt 3']]);
      assert.deepEqual([counts.failed, counts.retried], [1, 2]);
    });

    it('is told of attempts that timed out, of items that did, and of what a PermanentError wraps', async () => {
      const asked = [];
      const onError = (error, item) => void asked.push([item, error.scope ?? error.message ?? error]);
      await over(consume([0], never, { timeout: 5, onError }));
      await over(consume([1], never, { itemTimeout: 5, retry: 3, onError }));
      await over(consume([2], () => { throw new PermanentError('no', { cause: 'the cause' }); }, { retry: 3, onError })); // prettier-ignore
      await over(consume([3], () => { throw new PermanentError('no'); }, { retry: 3, onError })); // prettier-ignore
      assert.deepEqual(asked, [[0, 'attempt'], [1, 'item'], [2, 'the cause'], [3, 'no']]); // prettier-ignore
    });

    it('is asked of an item whose retry a callback rules out: a wish that is too long, or no retry at all', async () => {
      const rulings = [{ retryAfter: () => 10, maxDelay: 5 }, { retryIf: () => false }, { retryOn: RangeError }];
      for (const ruling of rulings) {
        const asked = [];
        const options = {
          retry: { retries: 2, delay: 1, ...ruling },
          onError: (error, item) => void asked.push([error, item]),
        };
        const counts = await over(consume(['a', 'b'], () => Promise.reject('bad'), options));
        assert.deepEqual(asked, [['bad', 'a'], ['bad', 'b']]); // prettier-ignore
        assert.deepEqual([counts.started, counts.failed, counts.retried], [2, 2, 0]);
      }
    });

    it('that never answers holds its worker, and no longer than until the total timeout or the abort', async () => {
      const controller = new AbortController();
      const bounds = [{ totalTimeout: 10 }, { signal: controller.signal }];
      clock.setTimeout(() => controller.abort('enough'), 20);
      for (const bound of bounds) {
        const error = await over(rejection(consume([1, 2], () => Promise.reject('bad'), { ...bound, onError: never })));
        assert.equal(error.scope ?? error, bound.totalTimeout ? 'total' : 'enough');
      }
      assert.equal(clock.now, 20);
    });

    it('late answers of it reach nobody', async () => {
      const reasons = await unhandledDuring(async () => {
        for (const settle of ['resolve', 'reject']) {
          const verdict = deferred();
          const call = rejection(
            consume([1, 2], () => Promise.reject('bad'), { totalTimeout: 5, onError: () => verdict.promise }),
          );
          assert.equal((await over(call)).scope, 'total');
          verdict[settle](stop);
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('may abort the call itself, and start others', async () => {
      const controller = new AbortController();
      const onError = () => {
        controller.abort('of onError');
        return consume([1, 2], noop);
      };
      const call = consume(numbers(5), () => Promise.reject('bad'), { signal: controller.signal, onError });
      assert.equal(await over(rejection(call)), 'of onError');
    });

    it('is not told of what the source, the total timeout or the signal end', async () => {
      const onError = () => assert.fail('told');
      async function* broken() {
        yield 1;
        throw 'source';
      }
      assert.equal(await over(rejection(consume(broken(), noop, { onError }))), 'source');
      assert.equal((await over(rejection(consume([1], never, { totalTimeout: 5, onError })))).scope, 'total');
      assert.equal(await rejection(consume([1], never, { signal: AbortSignal.abort('before'), onError })), 'before');
    });

    it('with drain: what runs is waited for when it throws', async () => {
      const ended = [];
      const worker = async (item) => {
        await clock.sleep(item === 0 ? 1 : 20);
        if (item === 0) throw 'bad';
        ended.push(item);
      };
      const onError = () => Promise.reject('verdict');
      assert.equal(await over(rejection(consume(numbers(9), worker, { workers: 2, drain: true, onError }))), 'verdict');
      assert.deepEqual([ended, clock.now], [[1], 20]);
    });

    it('on a semaphore: the permit is held until it has answered', async () => {
      const semaphore = new Semaphore(1);
      const log = [];
      const worker = (item) => (log.push(`${clock.now}: ${item}`), item === 'a' ? Promise.reject('bad') : undefined);
      const calls = [
        consume(['a', 'b'], worker, { workers: semaphore, onError: () => clock.sleep(10) }),
        consume(['c'], worker, { workers: semaphore }),
      ];
      await over(Promise.all(calls));
      assert.deepEqual(log.toSorted(), ['0: a', '10: b', '10: c']);
      assert.equal(semaphore.available, 1);
    });
  });

  describe('ends', () => {
    it('an abort closes the source and aborts what runs; no listener is left', async () => {
      for (const [kind, source] of Object.entries(SOURCES)) {
        const counts = { opened: 0, ended: 0, closed: 0 };
        const controller = new AbortController();
        const heard = [];
        const worker = (_item, _index, { signal }) => {
          signal.addEventListener('abort', () => heard.push(signal.reason));
          return never();
        };
        const options = { workers: 2, signal: controller.signal };
        const call = rejection(consume(counted(source(numbers(9)), counts), worker, options));
        await clock.settleInstant();
        assert.equal(getEventListeners(controller.signal, 'abort').length, 1);
        controller.abort('enough');
        assert.equal(await call, 'enough');
        assert.deepEqual(heard, ['enough', 'enough']);
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
        if (kind !== 'array') assert.deepEqual(counts, { opened: 1, ended: 0, closed: 1 });
      }
    });

    it('a Node stream is destroyed when the call ends early', async () => {
      clock.restore();
      try {
        const file = fs.createReadStream(__filename, { highWaterMark: 64 });
        await assert.rejects(
          consume(file, () => Promise.reject(new Error('worker'))),
          /worker/,
        );
        if (!file.closed) await new Promise((resolve) => file.once('close', resolve));
        assert.ok(file.destroyed);
        const source = Readable.from(numbers(3));
        source.on('error', noop);
        const call = consume(source, () => turn());
        source.destroy(new Error('source'));
        await assert.rejects(call, /source/);
      } finally {
        clock.reset();
      }
    });

    it('the total timeout rejects; timeouts of items are failures', async () => {
      const error = await over(
        rejection(
          consume(SOURCES.asyncIterable(numbers(9)), () => clock.sleep(5), { totalTimeout: 12, label: 'rows' }),
        ),
      );
      assert.ok(error instanceof TimeoutError);
      assert.deepEqual([error.scope, error.timeout, error.label], ['total', 12, 'rows']);
    });

    it('a source that never answers: only the total timeout and the signal end the wait', async () => {
      const source = { [Symbol.asyncIterator]: () => ({ next: never }) };
      const error = await over(rejection(consume(source, noop, { totalTimeout: 5, timeout: 1, itemTimeout: 1 })));
      assert.equal(error.scope, 'total');
    });

    it('onProgress that throws rejects the call', async () => {
      const onProgress = () => {
        throw 'progress';
      };
      assert.equal(await over(rejection(consume([1], noop, { onProgress }))), 'progress');
    });
  });

  it('invalid arguments reject, and name themselves; nothing is opened or called', async () => {
    const source = { [Symbol.asyncIterator]: () => assert.fail('opened') };
    const call = () => assert.fail('called');
    await assert.rejects(consume(5, call), { ...invalid, message: /"source"/ });
    await assert.rejects(consume(source), { ...invalid, message: /"worker"/ });
    for (const given of [null, 5, []]) await assert.rejects(consume(source, call, given), invalid);
    for (const workers of [0, -1, 1.5, NaN]) await assert.rejects(consume(source, call, { workers }), outOfRange);
    for (const workers of ['1', {}, new RateLimiter(1)])
      await assert.rejects(consume(source, call, { workers }), invalid);
    for (const maxQueue of [-1, 1.5, NaN]) await assert.rejects(consume(source, call, { maxQueue }), outOfRange);
    await assert.rejects(consume(source, call, { maxQueue: '1' }), invalid);
    await assert.rejects(consume(source, call, { onError: 5 }), { ...invalid, message: /"options.onError"/ });
    for (const unknown of ['discard', 'stopOnError', 'limit', 'concurrency', 'highWaterMark', 'ordered'])
      await assert.rejects(consume(source, call, { [unknown]: true }), {
        ...invalid,
        message: new RegExp(`"options.${unknown}"`),
      });
    const closed = new Semaphore(1);
    closed.close();
    await assert.rejects(consume(source, call, { workers: closed }), { code: 'ERR_SLUICE_CLOSED' });
    const reasons = await unhandledDuring(async () => {
      await assert.rejects(consume([Promise.reject('a')], call, { workers: 0 }), outOfRange);
      assert.equal(
        await rejection(consume([Promise.reject('b')], call, { signal: AbortSignal.abort('before') })),
        'before',
      );
    });
    assert.deepEqual(reasons, []);
  });

  it("everything of the caller's runs in the caller's async context", async () => {
    const storage = new AsyncLocalStorage();
    const seen = { worker: new Set(), onError: new Set(), source: new Set(), progress: new Set() };
    const see = (where) => seen[where].add(storage.getStore());
    async function* source() {
      for (const item of numbers(8)) {
        see('source');
        if (item % 3 === 0) await clock.sleep(2);
        yield item;
      }
    }
    const worker = async (item, _index, { attempt }) => {
      see('worker');
      await clock.sleep(item % 4);
      see('worker');
      if (item === 2) throw 'bad';
      if (item === 4) await never();
      if (item === 5 && attempt === 1) throw 'again';
    };
    const options = {
      workers: 2,
      timeout: 8,
      retry: { retries: 1, delay: 3 },
      onError: () => see('onError'),
      onProgress: () => see('progress'),
    };
    await over(storage.run('caller', () => consume(source(), worker, options)));
    for (const [where, stores] of Object.entries(seen)) assert.deepEqual([...stores], ['caller'], where);
  });
});
