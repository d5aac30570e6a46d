'use strict';

// One Semaphore or RateLimiter for many: calls, several at once, beside those who acquire by hand.

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { Mutex, RateLimiter, Semaphore, consume, mapSettled, mapStream, mapWithLimit, skip, stop } = require('../..');
const { overfullWindow } = require('../support/bucket');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft, invalidType, isClosed, microtasks } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 12);
const never = () => new Promise(() => {});

async function collected(stream) {
  const results = [];
  for await (const result of stream) results.push(result);
  return results;
}

/** Streams throw of wrong arguments at once. */
const promised = (call) => new Promise((resolve) => resolve(call()));

// Each: (items, semaphore or number, mapper, options) => promise.
const calls = {
  mapWithLimit,
  mapSettled,
  mapStream: (items, limit, mapper, options) => promised(() => collected(mapStream(items, limit, mapper, options))),
  'mapStream, unordered': (items, limit, mapper, options) =>
    promised(() => collected(mapStream(items, limit, mapper, { ...options, ordered: false }))),
  consume: (items, limit, mapper, options) => consume(items, mapper, { ...options, workers: limit }),
};

const sources = {
  'an array': (items) => items,
  *'an iterator'(items) {
    yield* items;
  },
  async *'an async iterator'(items) {
    yield* items;
  },
};

// What runs under a semaphore: never more than it has.
class Gauge {
  constructor(most) {
    this.most = most;
    this.running = 0;
    this.peak = 0;
  }

  enter(weight = 1) {
    this.running += weight;
    this.peak = Math.max(this.peak, this.running);
    assert.ok(this.running <= this.most, `${this.running} run, and there are ${this.most}`);
  }

  leave(weight = 1) {
    this.running -= weight;
  }

  /** What was abandoned does not count: its signal says so. */
  over(mapper) {
    return async (item, index, ctx) => {
      let isIn = true;
      const leave = () => {
        if (isIn) this.leave();
        isIn = false;
      };
      this.enter();
      ctx.signal.addEventListener('abort', leave, { once: true });
      try {
        return await mapper(item, index, ctx);
      } finally {
        leave();
      }
    };
  }
}

const numbers = (count) => Array.from({ length: count }, (_, i) => i);

describe('shared by calls', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);
  const levels = ({ permits, available, waiting }) => ({ permits, available, waiting });
  const unused = (semaphore) =>
    assert.deepEqual(levels(semaphore), { permits: semaphore.permits, available: semaphore.permits, waiting: 0 });

  describe('a Semaphore', () => {
    for (const [name, call] of Object.entries(calls)) {
      for (const [kind, sourceOf] of Object.entries(sources)) {
        it(`bounds ${name} of ${kind}, several at once, and who acquires by hand beside them`, async () => {
          const semaphore = new Semaphore(3);
          const gauge = new Gauge(3);
          const seen = [];
          const mapper = gauge.over(async (item) => {
            await clock.sleep(1 + (item % 3));
            seen.push(item);
            return item;
          });
          const byHand = async (weight, wish) => {
            const permit = await semaphore.acquire(weight, wish);
            gauge.enter(weight);
            await clock.sleep(2);
            gauge.leave(weight);
            permit.release();
          };
          await over(
            Promise.all([
              call(sourceOf(numbers(10)), semaphore, mapper),
              call(sourceOf(numbers(10)), semaphore, mapper),
              byHand(1),
              byHand(3),
              call(sourceOf(numbers(5)), semaphore, mapper, { timeout: 1000 }),
              byHand(2, { timeout: 1000 }),
            ]),
          );
          assert.equal(gauge.peak, 3);
          assert.equal(seen.length, 25);
          unused(semaphore);
        });
      }
    }

    it('gives results in the order of the items', async () => {
      const semaphore = new Semaphore(3);
      const mapper = (item) => clock.sleep(7 - (item % 7)).then(() => item * 2);
      const doubled = numbers(20).map((item) => item * 2);
      const lists = await over(
        Promise.all([
          mapWithLimit(numbers(20), semaphore, mapper),
          mapSettled(numbers(20).values(), semaphore, mapper),
          collected(mapStream(numbers(20), semaphore, mapper)),
          collected(mapStream(numbers(20), semaphore, mapper, { ordered: false })),
        ]),
      );
      assert.deepEqual(lists[0], doubled);
      assert.deepEqual(
        lists[1].map(({ value }) => value),
        doubled,
      );
      assert.deepEqual(lists[2], doubled);
      assert.deepEqual(
        lists[3].sort((a, b) => a - b),
        doubled,
      );
    });

    it('alone, it is the limit that it has permits', async () => {
      for (const permits of [1, 2, 5, 100]) {
        const semaphore = new Semaphore(permits);
        const gauge = new Gauge(permits);
        await over(mapWithLimit(numbers(20), semaphore, gauge.over(() => clock.sleep(1)))); // prettier-ignore
        assert.equal(gauge.peak, Math.min(20, permits));
        unused(semaphore);
      }
      const semaphore = new Semaphore(Infinity);
      assert.equal((await mapWithLimit(numbers(20), semaphore, () => 1)).length, 20);
      unused(semaphore);
    });

    it('a Mutex lets one item run at a time, of all calls', async () => {
      const mutex = new Mutex();
      const gauge = new Gauge(1);
      const mapper = gauge.over(() => clock.sleep(1));
      const all = Object.values(calls).map((call) => call(numbers(4), mutex, mapper));
      await over(Promise.all([...all, mutex.runExclusive(() => mapper(0, 0, new AbortController()))]));
      unused(mutex);
    });

    it('mappers that return plain values give way to others too', async () => {
      const semaphore = new Semaphore(1);
      const order = [];
      const first = mapWithLimit(numbers(4), semaphore, (item) => void order.push(`a${item}`));
      const second = mapWithLimit(numbers(4), semaphore, (item) => void order.push(`b${item}`));
      const hand = semaphore.use(() => void order.push('hand'));
      await Promise.all([first, second, hand]);
      assert.deepEqual([...order].sort(), ['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2', 'b3', 'hand']);
      unused(semaphore);
    });

    describe('whose turn it is', () => {
      for (const [name, call] of Object.entries(calls)) {
        it(`${name}: calls take turns, item by item: neither starves`, async () => {
          for (const permits of [1, 2, 3]) {
            const semaphore = new Semaphore(permits);
            const order = [];
            const mapperOf = (letter) => () => (order.push(letter), clock.sleep(1));
            await over(
              Promise.all([
                call(numbers(12), semaphore, mapperOf('a')),
                call(numbers(12), semaphore, mapperOf('b')),
                call(numbers(12), semaphore, mapperOf('c')),
              ]),
            );
            const counts = { a: 0, b: 0, c: 0 };
            const lead = 2 * permits; // the first one took all there were
            for (const letter of order) {
              counts[letter]++;
              const most = Math.max(...Object.values(counts));
              for (const count of Object.values(counts))
                assert.ok(count === 12 || most - count <= lead, order.join(''));
            }
          }
        });
      }

      it('of two calls under one permit, item for item', async () => {
        const semaphore = new Semaphore(1);
        const order = [];
        const mapperOf = (letter) => (item) => (order.push(`${letter}${item}`), clock.sleep(1));
        await over(
          Promise.all([
            mapWithLimit(numbers(4), semaphore, mapperOf('a')),
            mapSettled(numbers(4), semaphore, mapperOf('b')),
          ]),
        );
        // The first one stood in the line, for its second item, before the other one came.
        assert.deepEqual(order, ['a0', 'a1', 'b0', 'a2', 'b1', 'a3', 'b2', 'b3']);
      });

      it('a call goes on to use all there are, after others have come in between and gone', async () => {
        for (const sourceOf of Object.values(sources)) {
          const semaphore = new Semaphore(2);
          const first = semaphore.tryAcquire();
          let running = 0;
          const call = mapWithLimit(sourceOf(numbers(12)), semaphore, async () => {
            running++;
            await clock.sleep(10);
            running--;
          });
          await turn();
          const second = semaphore.acquire();
          await clock.advance(15);
          first.release();
          (await second).release();
          await clock.advance(10);
          assert.deepEqual([running, semaphore.available], [2, 0]);
          await over(call);
          unused(semaphore);
        }
      });

      it('who acquires by hand waits for one item of each call before him, and is not overtaken, however heavy', async () => {
        const semaphore = new Semaphore(2);
        const order = [];
        const mapper = (item) => (order.push(item), clock.sleep(2));
        const call = mapWithLimit(numbers(8), semaphore, mapper);
        const heavy = semaphore.use(() => (order.push('heavy'), clock.sleep(2)), { weight: 2 });
        const light = semaphore.use(() => (order.push('light'), clock.sleep(2)));
        await over(Promise.all([call, heavy, light]));
        assert.deepEqual(order.slice(0, 5), [0, 1, 2, 'heavy', 'light']); // it stood in the line for its third item
        unused(semaphore);
      });

      it('a lane goes on to its next item in the same turn where nobody else waits', async () => {
        const semaphore = new Semaphore(2);
        const started = [];
        const ends = numbers(5).map(deferred);
        const call = mapWithLimit(numbers(5), semaphore, (item) => (started.push(item), ends[item].promise));
        assert.deepEqual(started, [0, 1]);
        ends[1].resolve();
        await microtasks();
        assert.deepEqual(started, [0, 1, 2]);
        for (const end of ends) end.resolve();
        await call;
      });

      it('an item keeps its permit through its retries and their waits', async () => {
        const semaphore = new Semaphore(1);
        const log = [];
        const failing = (item, _index, { attempt }) => {
          log.push(`a${item}.${attempt} at ${clock.now}`);
          if (attempt < 3) throw new Error('again');
        };
        const retry = { retries: 2, delay: 10, backoff: 'constant', jitter: 'none' };
        const other = (item) => void log.push(`b${item} at ${clock.now}`);
        const first = mapWithLimit(numbers(3), semaphore, failing, { retry });
        await over(Promise.all([first, mapWithLimit(numbers(2), semaphore, other)]));
        const attempts = (item, from) => [1, 2, 3].map((one) => `a${item}.${one} at ${from + 10 * one - 10}`);
        assert.deepEqual(log, [...attempts(0, 0), ...attempts(1, 20), 'b0 at 40', ...attempts(2, 40), 'b1 at 60']);
        unused(semaphore);
      });

      it('an item that waits for its token holds its permit', async () => {
        const semaphore = new Semaphore(1);
        const rate = new RateLimiter({ max: 1, per: 10, burst: 1 });
        const call = mapWithLimit(numbers(2), semaphore, () => {}, { rate });
        await clock.advance(1);
        assert.equal(semaphore.available, 0);
        await over(call);
        assert.equal(clock.now, 10);
        unused(semaphore);
      });

      it('a call holds no permit for an item that its source does not have yet', async () => {
        const semaphore = new Semaphore(1);
        const next = deferred();
        const source = {
          [Symbol.asyncIterator]: () => ({ next: () => next.promise }),
        };
        const slow = mapWithLimit(source, semaphore, (item) => item);
        await turn();
        assert.equal(await semaphore.use(() => 'in between', { timeout: 5 }), 'in between');
        next.resolve({ done: true });
        assert.deepEqual(await slow, []);
        unused(semaphore);
      });

      it('calls with nothing to do take nothing, also where none is free', async () => {
        const semaphore = new Semaphore(1);
        const permit = semaphore.tryAcquire();
        for (const call of Object.values(calls)) {
          for (const sourceOf of Object.values(sources)) await call(sourceOf([]), semaphore, never);
        }
        permit.release();
        unused(semaphore);
      });
    });

    describe('however a call ends', () => {
      const failed = (item) => (item === 3 ? clock.sleep(2).then(() => Promise.reject('failed')) : clock.sleep(3));
      const ends = {
        'with all its results': [() => clock.sleep(1)],
        'with a failure': [failed],
        'with a mapper that throws': [
          (item) => {
            if (item === 2) throw new Error('failed');
            return clock.sleep(1);
          },
        ],
        'with failures, of which it goes on behind each': [failed, { stopOnError: false }, ['mapWithLimit']],
        'with a failure after retries': [failed, { retry: { retries: 2, delay: 1, jitter: 'none' } }],
        'by a signal': [never, () => ({ signal: abortedAt(2) })],
        'by a signal, in a backoff': [failed, () => ({ retry: { retries: 9, delay: 50 }, signal: abortedAt(4) })],
        'by timeouts of attempts': [never, { timeout: 2 }],
        'by timeouts of items': [never, { itemTimeout: 2 }],
        'by its total timeout': [never, { totalTimeout: 2 }],
        'draining, after a failure': [failed, { drain: true }],
        'draining, by a signal': [() => clock.sleep(5), () => ({ drain: true, signal: abortedAt(2) })],
        'draining, by its total timeout': [() => clock.sleep(5), { drain: true, totalTimeout: 2 }],
        'with `stop`': [(item) => clock.sleep(1).then(() => (item === 2 ? stop : item))],
        'with `skip`': [(item) => clock.sleep(1).then(() => (item % 2 === 0 ? skip : item))],
        'under a rate, by a signal': [
          () => clock.sleep(1),
          () => ({ rate: { max: 1, per: 4, burst: 1 }, signal: abortedAt(6) }),
        ],
        'under maxAbandoned': [(item) => clock.sleep(item === 0 ? 9 : 1), { timeout: 3, maxAbandoned: 0 }],
        'with a report that throws': [
          () => clock.sleep(1),
          {
            onProgress() {
              throw new Error('report');
            },
          },
        ],
      };
      const abortedAt = (ms) => {
        const controller = new AbortController();
        clock.setTimeout(() => controller.abort('aborted'), ms);
        return controller.signal;
      };
      for (const [name, [mapper, options, only = Object.keys(calls)]] of Object.entries(ends)) {
        it(`${name}, its permits are back, and others have gone on`, async () => {
          for (const callName of only) {
            for (const sourceOf of Object.values(sources)) {
              clock.reset();
              const semaphore = new Semaphore(2);
              const gauge = new Gauge(2);
              const given = typeof options === 'function' ? options() : options;
              const call = calls[callName](sourceOf(numbers(8)), semaphore, gauge.over(mapper), given);
              const other = mapWithLimit(numbers(4), semaphore, gauge.over(() => clock.sleep(1))); // prettier-ignore
              const hand = semaphore.use(() => gauge.over(() => clock.sleep(1))(0, 0, new AbortController()));
              await over(Promise.allSettled([call]));
              await over(Promise.all([other, hand]));
              await microtasks();
              unused(semaphore);
              assertNothingLeft();
              await clock.advance(100); // abandoned ones end
              unused(semaphore);
            }
          }
        });
      }

      it('a source that throws: its permits are back', async () => {
        const sources = [
          (function* () {
            yield 0;
            yield 1;
            throw new Error('source');
          })(),
          (async function* () {
            yield 0;
            yield 1;
            throw new Error('source');
          })(),
          new Proxy([], {
            get() {
              throw new Error('source');
            },
          }),
        ];
        for (const source of sources) {
          const semaphore = new Semaphore(2);
          const error = await over(rejection(promised(() => mapWithLimit(source, semaphore, () => clock.sleep(1)))));
          assert.equal(error.message, 'source');
          await microtasks();
          unused(semaphore);
        }
      });

      it('a stream that is left gives its permits back, and who waits goes on', async () => {
        const semaphore = new Semaphore(2);
        const stream = mapStream(numbers(50), semaphore, (item) => clock.sleep(1).then(() => item));
        const { value } = await over(stream.next());
        assert.equal(value, 0);
        const wait = semaphore.acquire(2);
        await stream.return();
        await microtasks();
        (await wait).release();
        unused(semaphore);
      });

      it('a stream whose reader is slow holds no permit while its results wait', async () => {
        const semaphore = new Semaphore(2);
        const stream = mapStream(numbers(50), semaphore, (item) => item, { highWaterMark: 1 });
        await stream.next();
        await clock.advance(5);
        assert.equal(await semaphore.use(() => 'mine', { weight: 2, timeout: 5 }), 'mine');
        assert.equal((await collected(stream)).length, 49);
        unused(semaphore);
      });
    });

    for (const [name, end] of Object.entries({
      'an abort': { act: ({ controller }) => controller.abort('enough') },
      'a failure': { act: ({ first }) => first.reject('failed') },
    })) {
      it(`${name} of one call frees its place for the next in the same turn`, async () => {
        for (const call of [mapWithLimit, calls.consume, calls.mapStream]) {
          const semaphore = new Semaphore(1);
          const controller = new AbortController();
          const first = deferred();
          const outcome = rejection(call([0, 1], semaphore, () => first.promise, { signal: controller.signal }));
          let hasStarted = false;
          const second = mapWithLimit([0], semaphore, () => (hasStarted = true));
          await turn();
          assert.equal(hasStarted, false);
          end.act({ controller, first });
          await microtasks();
          assert.equal(hasStarted, true);
          await Promise.all([outcome, second]);
          unused(semaphore);
        }
      });
    }

    it('the abort of a call that waits in the line lets in who stands behind it', async () => {
      const semaphore = new Semaphore(2);
      const permit = semaphore.tryAcquire();
      const other = semaphore.tryAcquire();
      const controller = new AbortController();
      const call = rejection(mapWithLimit([0], semaphore, never, { signal: controller.signal }));
      const wait = semaphore.acquire();
      assert.equal(semaphore.waiting, 2);
      controller.abort('enough');
      assert.equal(await call, 'enough');
      assert.equal(semaphore.waiting, 1);
      permit.release();
      (await wait).release();
      other.release();
      unused(semaphore);
    });

    it('the total time of a call runs while it waits in the line; it leaves then', async () => {
      const semaphore = new Semaphore(1);
      const permit = semaphore.tryAcquire();
      const errors = Object.values(calls).map((call) => call([0, 1], semaphore, never, { totalTimeout: 5 }));
      const [mapped, settled, streamed, , consumed] = await over(Promise.allSettled(errors));
      for (const { reason } of [mapped, streamed, consumed]) assert.equal(reason.scope, 'total');
      for (const { reason } of settled.value) assert.equal(reason.scope, 'total');
      assert.equal(semaphore.waiting, 0);
      permit.release();
      unused(semaphore);
    });

    describe('resize()', () => {
      it('while calls run: more start in the same turn; fewer as items end', async () => {
        const semaphore = new Semaphore(1);
        let running = 0;
        const ends = [];
        const mapper = () => {
          running++;
          const end = deferred();
          ends.push(end.resolve);
          return end.promise.then(() => running--);
        };
        const both = Promise.all([
          mapWithLimit(numbers(10), semaphore, mapper),
          mapWithLimit(numbers(10).values(), semaphore, mapper),
        ]);
        assert.equal(running, 1);
        semaphore.resize(4);
        await microtasks();
        assert.equal(running, 4);
        semaphore.resize(2);
        for (const expected of [3, 2, 2, 2]) {
          ends.shift()();
          await microtasks();
          assert.equal(running, expected);
        }
        semaphore.resize(100);
        await microtasks();
        assert.equal(running, 16);
        while (ends.length > 0) {
          ends.shift()();
          await microtasks();
        }
        await both;
        unused(semaphore);
      });

      it('to fewer holds for a call that is alone, too', async () => {
        for (const sourceOf of Object.values(sources)) {
          const semaphore = new Semaphore(5);
          const gauge = new Gauge(5);
          const call = mapWithLimit(sourceOf(numbers(30)), semaphore, gauge.over(() => clock.sleep(2))); // prettier-ignore
          await clock.advance(1);
          semaphore.resize(2);
          await clock.advance(2);
          gauge.most = 2;
          assert.equal(gauge.running, 2);
          await over(call);
          unused(semaphore);
        }
      });
    });

    describe('close()', () => {
      for (const [name, call] of Object.entries(calls)) {
        it(`rejects ${name}, running and waiting, and tells what runs of it`, async () => {
          for (const sourceOf of Object.values(sources)) {
            const semaphore = new Semaphore(1);
            const seen = [];
            const mapper = (_item, _index, { signal }) => {
              signal.addEventListener('abort', () => seen.push(signal.reason));
              return never();
            };
            const outcomes = [
              call(sourceOf(numbers(3)), semaphore, mapper),
              call(sourceOf(numbers(3)), semaphore, mapper),
            ].map(rejection);
            await turn();
            outcomes.push(rejection(semaphore.acquire()));
            semaphore.close();
            const errors = await Promise.all(outcomes);
            for (const error of errors)
              assert.deepEqual([error.name, error.code], ['SluiceError', 'ERR_SLUICE_CLOSED']);
            assert.deepEqual(seen, [errors[0]]);
            unused(semaphore);
          }
        });

        it(`rejects ${name} that comes later, whatever it is given; its source is not touched`, async () => {
          const semaphore = new Semaphore(1);
          const limiter = new RateLimiter(1);
          semaphore.close();
          limiter.close();
          const untouched = {
            [Symbol.iterator]: () => assert.fail('taken'),
          };
          await assert.rejects(call(untouched, semaphore, never), { ...isClosed, message: 'The semaphore is closed' });
          await assert.rejects(call([], semaphore, never), isClosed);
          const rate = limiter;
          await assert.rejects(call(untouched, 1, never, { rate }), {
            ...isClosed,
            message: 'The rate limiter is closed',
          });
        });
      }

      it('of the semaphore of a call that drains: it waits for what runs, then rejects', async () => {
        const semaphore = new Semaphore(1);
        const end = deferred();
        let isOver = false;
        const call = rejection(mapWithLimit(numbers(3), semaphore, () => end.promise, { drain: true }));
        call.then(() => (isOver = true));
        semaphore.close();
        await turn();
        assert.equal(isOver, false);
        end.resolve();
        assert.equal((await call).code, 'ERR_SLUICE_CLOSED');
        await microtasks();
        unused(semaphore);
      });

      it('inside a mapper ends the calls there and then', async () => {
        const semaphore = new Semaphore(2);
        const started = [];
        const mapper = async (item) => {
          started.push(item);
          await clock.sleep(1 + item);
          if (item === 0) semaphore.close();
        };
        assert.equal((await over(rejection(mapWithLimit(numbers(9), semaphore, mapper)))).code, 'ERR_SLUICE_CLOSED');
        await clock.advance(5);
        assert.deepEqual(started, [0, 1]);
        unused(semaphore);
      });
    });

    describe('nested', () => {
      it('calls under another semaphore, or under the same where there are enough', async () => {
        const outer = new Semaphore(2);
        const inner = new Semaphore(1);
        const gauges = [new Gauge(2), new Gauge(1)];
        const mapper = gauges[0].over(
          (item) =>
          mapWithLimit(numbers(3), inner, gauges[1].over((one) => clock.sleep(1).then(() => item * 10 + one))), // prettier-ignore
        );
        assert.deepEqual(
          await over(mapWithLimit(numbers(3), outer, mapper)),
          numbers(3).map((item) => numbers(3).map((one) => item * 10 + one)),
        );
        unused(outer);
        unused(inner);
        const same = new Semaphore(3);
        const sums = await over(
          mapWithLimit([1, 2], same, (item) =>
            mapWithLimit([10, 20], same, (one) => clock.sleep(1).then(() => item + one)),
          ),
        );
        assert.deepEqual(sums, [[11, 21], [12, 22]]); // prettier-ignore
        unused(same);
      });

      it('one that waits for itself is ended by a timeout, and the permits are back', async () => {
        const semaphore = new Semaphore(1);
        const mapper = () => mapWithLimit([0], semaphore, () => assert.fail('there was none'), { totalTimeout: 5 });
        const error = await over(rejection(mapWithLimit([0], semaphore, mapper)));
        assert.equal(error.scope, 'total');
        await microtasks();
        unused(semaphore);
      });
    });

    it('what a source does inside next() leaves the line whole', async () => {
      const semaphore = new Semaphore(1);
      const log = [];
      function* source() {
        for (let i = 0; i < 4; i++) {
          semaphore.use(() => void log.push(`hand ${i}`));
          yield i;
        }
      }
      await over(mapWithLimit(source(), semaphore, (item) => (log.push(item), clock.sleep(1))));
      await microtasks();
      assert.equal(log.length, 8);
      unused(semaphore);
    });
  });

  describe('a RateLimiter', () => {
    const rate = fc.record({
      max: fc.integer({ min: 1, max: 6 }),
      per: fc.integer({ min: 1, max: 20 }),
      burst: fc.integer({ min: 1, max: 5 }),
    });
    const callDrawn = fc.record({
      name: fc.constantFrom(...Object.keys(calls)),
      source: fc.constantFrom(...Object.keys(sources)),
      count: fc.nat({ max: 8 }),
      limit: fc.integer({ min: 1, max: 4 }),
      at: fc.nat({ max: 20 }),
      takes: fc.nat({ max: 4 }),
      failing: fc.nat({ max: 3 }), // each how-manieth item fails at first
    });
    const handDrawn = fc.record({ at: fc.nat({ max: 20 }), tokens: fc.integer({ min: 1, max: 5 }) });

    it(`never more starts than burst + max * t / per in any window t, of all calls (seed ${SEED})`, async function () {
      this.timeout(120_000);
      const drawn = fc.tuple(rate, fc.array(callDrawn, { maxLength: 4 }), fc.array(handDrawn, { maxLength: 5 }));
      const property = fc.asyncProperty(drawn, async ([given, drawnCalls, hands]) => {
        clock.reset();
        const limiter = new RateLimiter(given);
        const starts = [];
        const at = (ms, act) => new Promise((resolve) => clock.setTimeout(() => resolve(act()), ms));
        const ended = drawnCalls.map((call) => {
          const mapper = async (item, _index, { attempt }) => {
            starts.push({ at: clock.now, tokens: 1 });
            if (call.takes > 0) await clock.sleep(call.takes);
            if (call.failing > 0 && item % call.failing === 0 && attempt === 1) throw new Error('again');
          };
          const options = { rate: limiter, retry: { retries: 1, delay: 3, jitter: 'none' } };
          return at(call.at, () =>
            calls[call.name](sources[call.source](numbers(call.count)), call.limit, mapper, options),
          );
        });
        ended.push(
          ...hands.map((hand) =>
            at(hand.at, async () => {
              const tokens = Math.min(hand.tokens, given.burst);
              await limiter.acquire(tokens);
              starts.push({ at: clock.now, tokens });
            }),
          ),
        );
        await over(Promise.all(ended));
        const failures = drawnCalls.map(({ count, failing }) => (failing > 0 ? Math.ceil(count / failing) : 0));
        const expected = drawnCalls.reduce((sum, { count }, i) => sum + count + failures[i], hands.length);
        assert.equal(starts.length, expected, 'each attempt has started');
        assert.equal(overfullWindow(starts, given), undefined);
        assert.equal(limiter.waiting, 0);
        assertNothingLeft();
      });
      await fc.assert(property, { numRuns: RUNS, seed: SEED });
    });

    it('calls take turns at its tokens, attempt by attempt, and with who acquires by hand', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
      limiter.tryAcquire();
      const order = [];
      const mapperOf = (letter) => (item) => void order.push(`${letter}${item} ${clock.now}`);
      await over(
        Promise.all([
          mapWithLimit(numbers(3), 3, mapperOf('a'), { rate: limiter }),
          mapWithLimit(numbers(3), 3, mapperOf('b'), { rate: limiter }),
          limiter.acquire().then(() => order.push(`hand ${clock.now}`)),
        ]),
      );
      assert.deepEqual(order, ['a0 10', 'b0 20', 'hand 30', 'a1 40', 'b1 50', 'a2 60', 'b2 70']);
    });

    it('penalize() inside a mapper holds up all who share it', async () => {
      const limiter = new RateLimiter({ max: 1, per: 1, burst: 1 });
      const starts = [];
      const mapper = (item) => {
        starts.push(clock.now);
        if (item === 1) limiter.penalize(100);
      };
      await over(
        Promise.all([
          mapWithLimit(numbers(4), 2, mapper, { rate: limiter }),
          mapSettled(numbers(4).values(), 2, (_item) => void starts.push(clock.now), { rate: limiter }),
        ]),
      );
      assert.equal(starts.length, 8);
      const before = starts.filter((at) => at < 50);
      assert.deepEqual(
        starts.slice(before.length),
        numbers(8 - before.length).map((i) => before.at(-1) + 100 + i),
      );
    });

    it('reconfigure() counts for calls that wait', async () => {
      const limiter = new RateLimiter({ max: 1, per: 1000, burst: 1 });
      const starts = [];
      const call = mapWithLimit(numbers(4), 4, () => void starts.push(clock.now), { rate: limiter });
      await clock.advance(10);
      await clock.settleInstant();
      limiter.reconfigure({ per: 5 });
      await over(call);
      assert.deepEqual(starts, [0, 15, 20, 25]);
    });

    for (const [name, call] of Object.entries(calls)) {
      it(`close() rejects ${name} that uses it, whether it waits for a token or runs`, async () => {
        const limiter = new RateLimiter({ max: 1, per: 1000, burst: 1 });
        const outcomes = [call(numbers(3), 1, never, { rate: limiter }), call(numbers(3), 2, never, { rate: limiter })];
        const errors = Promise.all(outcomes.map(rejection));
        await clock.advance(1);
        limiter.close();
        for (const error of await errors)
          assert.deepEqual([error.code, error.message], ['ERR_SLUICE_CLOSED', 'The rate limiter is closed']);
        assert.equal(limiter.waiting, 0);
      });
    }

    it('the end of a call that waits for a token leaves it to the next', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
      limiter.tryAcquire();
      const controller = new AbortController();
      const call = rejection(mapWithLimit(numbers(3), 3, never, { rate: limiter, signal: controller.signal }));
      const other = limiter.acquire();
      await clock.advance(9);
      assert.equal(limiter.waiting, 2);
      controller.abort('enough');
      assert.equal(await call, 'enough');
      assert.equal(await over(other), 10);
    });
  });

  describe('both at once', () => {
    const callDrawn = fc.record({
      name: fc.constantFrom(...Object.keys(calls)),
      source: fc.constantFrom(...Object.keys(sources)),
      count: fc.nat({ max: 7 }),
      at: fc.nat({ max: 12 }),
      takes: fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 4 }),
      failing: fc.nat({ max: 4 }),
      isRated: fc.boolean(),
      abortAt: fc.option(fc.nat({ max: 25 }), { nil: undefined }),
      options: fc.record(
        {
          timeout: fc.nat({ max: 6 }),
          itemTimeout: fc.nat({ max: 12 }),
          totalTimeout: fc.nat({ max: 30 }),
          drain: fc.constant(true),
          retry: fc.record({ retries: fc.nat({ max: 2 }), delay: fc.nat({ max: 4 }), jitter: fc.constant('none') }),
          maxAbandoned: fc.nat({ max: 1 }),
        },
        { requiredKeys: [] },
      ),
    });
    const handDrawn = fc.record({
      at: fc.nat({ max: 25 }),
      weight: fc.integer({ min: 1, max: 3 }),
      takes: fc.nat({ max: 5 }),
      timeout: fc.option(fc.nat({ max: 10 }), { nil: undefined }),
    });
    const world = fc.record({
      permits: fc.integer({ min: 1, max: 3 }),
      rate: fc.record({
        max: fc.integer({ min: 1, max: 4 }),
        per: fc.nat({ max: 3 }),
        burst: fc.integer({ min: 1, max: 3 }),
      }),
      drawnCalls: fc.array(callDrawn, { minLength: 1, maxLength: 4 }),
      hands: fc.array(handDrawn, { maxLength: 4 }),
    });

    it(`whatever calls and hands come and however they end, all do, and all permits come back (seed ${SEED})`, async function () {
      this.timeout(120_000);
      const property = fc.asyncProperty(world, async ({ permits, rate, drawnCalls, hands }) => {
        clock.reset();
        const semaphore = new Semaphore(permits);
        const given = { ...rate, per: rate.per + 1 };
        const limiter = new RateLimiter(given);
        const gauge = new Gauge(permits);
        const starts = [];
        const at = (ms, act) => new Promise((resolve) => clock.setTimeout(() => resolve(act()), ms));
        const ended = drawnCalls.map((call) => {
          const controller = new AbortController();
          if (call.abortAt !== undefined) clock.setTimeout(() => controller.abort('aborted'), call.at + call.abortAt);
          const mapper = gauge.over(async (item, _index, { attempt }) => {
            if (call.isRated) starts.push({ at: clock.now, tokens: 1 });
            const takes = call.takes[item % call.takes.length];
            if (takes > 0) await clock.sleep(takes);
            if (call.failing > 0 && item % call.failing === call.failing - 1 && attempt === 1) throw new Error('again');
            return item;
          });
          const options = { ...call.options, signal: controller.signal };
          if (call.isRated) options.rate = limiter;
          const run = () => calls[call.name](sources[call.source](numbers(call.count)), semaphore, mapper, options);
          return at(call.at, () => Promise.allSettled([run()]));
        });
        for (const { at: when, weight, takes, timeout } of hands) {
          const heavy = Math.min(weight, permits);
          const use = async () => {
            gauge.enter(heavy);
            if (takes > 0) await clock.sleep(takes);
            gauge.leave(heavy);
          };
          ended.push(at(when, () => Promise.allSettled([semaphore.use(use, { weight: heavy, timeout })])));
        }
        const outcomes = await over(Promise.all(ended));
        for (const [{ reason }] of outcomes) assert.notEqual(reason?.name, 'AssertionError', reason?.message);
        await microtasks();
        unused(semaphore);
        assert.equal(limiter.waiting, 0);
        assert.equal(overfullWindow(starts, given), undefined);
        assertNothingLeft();
        await clock.advance(50);
        assert.equal(gauge.running, 0);
        unused(semaphore);
      });
      await fc.assert(property, { numRuns: RUNS, seed: SEED });
    });
  });

  describe('the caller', () => {
    it('each mapper runs in the context of its own call, whoever gave the permit or brought the token', async () => {
      const storage = new AsyncLocalStorage();
      const semaphore = new Semaphore(1);
      const limiter = new RateLimiter({ max: 1, per: 2, burst: 1 });
      for (const options of [undefined, { rate: limiter }, { timeout: 1000, retry: 1 }]) {
        for (const sourceOf of Object.values(sources)) {
          const seen = [];
          const mapper = (name) => async () => {
            seen.push(storage.getStore() === name);
            await clock.sleep(1);
            seen.push(storage.getStore() === name);
          };
          const all = Object.entries(calls).map(([name, call]) =>
            storage.run(name, () => call(sourceOf(numbers(3)), semaphore, mapper(name), options)),
          );
          await storage.run('clock', () => over(Promise.all(all)));
          assert.equal(seen.length, 6 * all.length);
          assert.ok(seen.every(Boolean));
        }
      }
    });

    it('the stack of what a mapper throws after its wait for a permit names who called', async () => {
      const semaphore = new Semaphore(1);
      async function theCaller(sourceOf) {
        return await mapWithLimit(sourceOf([0, 1]), semaphore, async () => {
          await turn();
          throw new Error('from the mapper');
        });
      }
      for (const sourceOf of Object.values(sources)) {
        const permit = semaphore.tryAcquire();
        const result = rejection(theCaller(sourceOf));
        await turn();
        permit.release();
        assert.match((await result).stack, /at async theCaller/);
        await microtasks();
        unused(semaphore);
      }
    });

    it('hears of each failure once, and nothing else is unhandled', async () => {
      const reasons = await unhandledDuring(async () => {
        const semaphore = new Semaphore(1);
        const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
        const all = Object.values(calls).map((call) =>
          call(numbers(3), semaphore, () => clock.sleep(1).then(() => Promise.reject('failed')), { rate: limiter }),
        );
        const settled = Promise.allSettled(all);
        await clock.advance(15);
        semaphore.close();
        limiter.close();
        await settled;
        await clock.advance(100);
      });
      assert.deepEqual(reasons, []);
    });

    it('limit, workers and rate: what is wrong is named', async () => {
      const limiter = new RateLimiter(1);
      const semaphore = new Semaphore(1);
      for (const wrong of [limiter, {}, Object.create(semaphore), new Proxy(semaphore, {}), '1']) {
        await assert.rejects(mapWithLimit([1], wrong, never), { ...invalidType, message: /"limit"/ });
        await assert.rejects(calls.mapStream([1], wrong, never), { ...invalidType, message: /"limit"/ });
        await assert.rejects(calls.consume([1], wrong, never), { ...invalidType, message: /"options\.workers"/ });
      }
      for (const wrong of [semaphore, Object.create(limiter), '1']) {
        await assert.rejects(mapWithLimit([1], 1, never, { rate: wrong }), {
          ...invalidType,
          message: /"options\.rate/,
        });
      }
    });
  });
});
