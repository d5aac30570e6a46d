'use strict';

// mapWithLimit: what it reads, what it calls, what it comes to.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const vm = require('node:vm');

const { TimeoutError, mapWithLimit } = require('../..');
const { usage } = require('../../lib/engine');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const double = async (value) => value * 2;

/** A mapper whose calls are settled by hand: calls[i] is { item, index, ctx, promise, resolve, reject }. */
function manual() {
  const calls = [];
  const mapper = (item, index, ctx) => {
    const call = { item, index, ctx, ...deferred() };
    calls.push(call);
    return call.promise;
  };
  return { calls, mapper };
}

describe('mapWithLimit, a million times', () => {
  it('a million plain values: a loop, no recursion', async () => {
    let sum = 0;
    const values = await mapWithLimit(Array(1_000_000).fill(1), 1, (value) => (sum += value), {
      yieldAfter: Infinity,
    });
    assert.equal(values.length, 1_000_000);
    assert.equal(values.at(-1), 1_000_000);
  });

  it('a million items of an iterator that is done at once', async () => {
    const items = Array(1_000_000).fill(1).values();
    assert.equal(await mapWithLimit(items, 1, (value) => value, { discard: true, yieldAfter: Infinity }), 1_000_000);
  });
});

describe('mapWithLimit', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);

  describe('results and limit', () => {
    it('values stand in the order of the items, whatever order they settle in', async () => {
      const delays = [5, 1, 4, 2, 3];
      const settled = [];
      const result = over(
        mapWithLimit(delays, 3, async (ms, index) => {
          await clock.sleep(ms);
          settled.push(index);
          return `v${index}`;
        }),
      );
      assert.deepEqual(await result, ['v0', 'v1', 'v2', 'v3', 'v4']);
      assert.notDeepEqual(settled, [0, 1, 2, 3, 4]);
    });

    for (const limit of [1, 2, 7, Infinity]) {
      it(`never more than limit = ${limit} mappers run, and no fewer while there are items`, async () => {
        let running = 0;
        let most = 0;
        const mapper = async () => {
          most = Math.max(most, ++running);
          await clock.sleep(3);
          running--;
        };
        await over(mapWithLimit(Array(20).fill(0), limit, mapper));
        assert.equal(most, Math.min(limit, 20));
      });
    }

    it('the first `limit` calls are made before it returns, in order, and no more', async () => {
      const { calls, mapper } = manual();
      const result = mapWithLimit(['a', 'b', 'c'], 2, mapper);
      assert.deepEqual(
        calls.map(({ item, index }) => [item, index]),
        [
          ['a', 0],
          ['b', 1],
        ],
      );
      await turn();
      assert.equal(calls.length, 2);
      for (const { resolve } of calls) resolve();
      await turn();
      calls[2].resolve('last');
      assert.deepEqual(await result, [undefined, undefined, 'last']);
    });

    it('a freed lane takes the next item in the same turn', async () => {
      const { calls, mapper } = manual();
      const result = mapWithLimit([0, 1, 2], 1, mapper);
      let hasTurned = false;
      setImmediate(() => (hasTurned = true));
      for (let i = 0; i < 3; i++) {
        assert.equal(calls.length, i + 1);
        calls[i].resolve(i);
        for (let j = 0; j < 10; j++) await undefined;
      }
      assert.deepEqual(await result, [0, 1, 2]);
      assert.ok(!hasTurned);
    });

    it('the mapper gets the item, its index and a context, and no receiver', async () => {
      const seen = [];
      await mapWithLimit(['a'], 1, function mapper(...args) {
        seen.push(this, args.length, args[0], args[1], args[2].index, args[2].attempt);
      });
      assert.deepEqual(seen, [undefined, 3, 'a', 0, 0, 1]);
    });

    it('plain values are results as they are', async () => {
      const values = [0, '', null, undefined, NaN, false, Symbol.iterator, 1n, noop, { a: 1 }];
      assert.deepEqual(await mapWithLimit(values, 3, (value) => value), values);
    });

    it('no items: an empty array, and the mapper is not called', async () => {
      const mapper = () => assert.fail('called');
      for (const items of [[], new Set(), (async function* () {})()]) {
        assert.deepEqual(await over(mapWithLimit(items, 2, mapper)), []);
      }
      assert.deepEqual(await mapWithLimit([], 2, mapper, { totalTimeout: 0 }), []);
      assert.deepEqual(await mapWithLimit([], 2, mapper, { totalTimeout: -5 }), []);
    });

    it('discard: the number of items instead of their values', async () => {
      assert.equal(await mapWithLimit([1, 2, 3], 2, double, { discard: true }), 3);
      assert.equal(await mapWithLimit(new Set([1, 2]), 2, double, { discard: true }), 2);
      assert.equal(await mapWithLimit([], 2, double, { discard: true }), 0);
      assert.deepEqual(await mapWithLimit([1], 2, double, { discard: false }), [2]);
      const error = new Error('no');
      assert.equal(await rejection(mapWithLimit([1], 1, () => Promise.reject(error), { discard: true })), error);
    });
  });

  describe('thenables', () => {
    // Each settles once, as the language has it, with what came first.
    const thrown = new Error('thrown');
    const hostile = {
      'calls back synchronously': [(resolve) => resolve('first'), 'first'],
      'fulfills twice': [(resolve) => (resolve('first'), resolve('second')), 'first'],
      'fulfills and rejects': [(resolve, reject) => (resolve('first'), reject(thrown)), 'first'],
      'rejects and fulfills': [(resolve, reject) => (reject(thrown), resolve('second')), thrown],
      'rejects twice': [(resolve, reject) => (reject(thrown), reject(new Error('second'))), thrown],
      'fulfills, then throws': [
        (resolve) => {
          resolve('first');
          throw thrown;
        },
        'first',
      ],
      throws: [
        () => {
          throw thrown;
        },
        thrown,
      ],
      'calls back late, twice': [
        (resolve) => clock.setTimeout(() => (resolve('first'), clock.setTimeout(() => resolve('second'), 1)), 1),
        'first',
      ],
      'fulfills with a thenable': [(resolve) => resolve({ then: (inner) => inner('first') }), 'first'],
    };
    const places = {
      'a mapper returns': (make) => mapWithLimit([0, 1, 2], 2, make),
      'an array holds': (make) => mapWithLimit([make(), make(), make()], 2, (value) => value),
      'an iterable yields': (make) => mapWithLimit([make(), make(), make()].values(), 2, (value) => value),
    };
    for (const [place, call] of Object.entries(places)) {
      for (const [name, [then, expected]] of Object.entries(hostile)) {
        it(`a thenable that ${place} and that ${name}`, async () => {
          const reasons = await unhandledDuring(async () => {
            const result = over(call(() => ({ then })));
            if (expected === thrown) assert.equal(await rejection(result), thrown);
            else assert.deepEqual(await result, [expected, expected, expected]);
          });
          assert.deepEqual(reasons, []);
        });
      }

      it(`a thenable that ${place} and whose then is a getter that throws`, async () => {
        const make = () => ({
          get then() {
            throw thrown;
          },
        });
        assert.equal(await rejection(call(make)), thrown);
      });

      it(`a promise of a subclass that ${place} and that calls back twice`, async () => {
        class Twice extends Promise {
          then(resolve) {
            resolve('first');
            resolve('second');
            return undefined;
          }
        }
        assert.deepEqual(await over(call(() => Twice.resolve('own'))), ['first', 'first', 'first']);
      });

      it(`a thenable that ${place} and that never calls back is timed out`, async () => {
        const thenable = { then: noop };
        const calls = {
          'a mapper returns': () => mapWithLimit([0], 1, () => thenable, { timeout: 5 }),
          'an array holds': () => mapWithLimit([thenable], 1, noop, { timeout: 5 }),
          'an iterable yields': () => mapWithLimit(new Set([thenable]), 1, noop, { timeout: 5 }),
        };
        assert.ok((await rejection(over(calls[place]()))) instanceof TimeoutError);
      });
    }
  });

  describe('items', () => {
    async function* asyncValues(values) {
      yield* values;
    }
    const sources = {
      array: [1, 2, 3],
      'typed array': Uint8Array.of(1, 2, 3),
      Set: new Set([1, 2, 3]),
      'map iterator': new Map([[1], [2], [3]]).keys(),
      generator: (function* () {
        yield* [1, 2, 3];
      })(),
      'async generator': asyncValues([1, 2, 3]),
      'iterator that answers with thenables': {
        [Symbol.asyncIterator]: () => ({
          i: 0,
          next() {
            this.i++;
            return { then: (resolve) => resolve({ done: this.i > 3, value: this.i }) };
          },
        }),
      },
      'async iterator that answers with no promise': {
        [Symbol.asyncIterator]: () => ({ i: 0, next: () => ({ done: ++sources.i > 3, value: sources.i }) }),
      },
      "another realm's array": vm.runInNewContext('[1, 2, 3]'),
      "another realm's generator": vm.runInNewContext('(function* () { yield* [1, 2, 3]; })()'),
      'array with promises': [1, Promise.resolve(2), { then: (resolve) => resolve(3) }],
      "another realm's promises": vm.runInNewContext('[1, 2, 3].map((value) => Promise.resolve(value))'),
      'iterable with promises': new Set([Promise.resolve(1), 2, Promise.resolve(3)]),
    };
    Object.defineProperty(sources, 'i', { value: 0, writable: true, enumerable: false });
    for (const [name, items] of Object.entries(sources)) {
      it(`are read from: ${name}`, async () => {
        assert.deepEqual(await over(mapWithLimit(items, 2, double)), [2, 4, 6]);
      });
    }

    it('a string is read by characters', async () => {
      assert.deepEqual(await mapWithLimit('a😀', 2, (character) => character), ['a', '😀']);
    });

    it('an array that grows is read to its end', async () => {
      const items = [0];
      const mapper = async (item) => {
        if (item < 100) items.push(item + 1);
        return item;
      };
      const values = await mapWithLimit(items, 1, mapper);
      assert.equal(values.length, 101);
      assert.deepEqual(values, items);
    });

    it('an array that shrinks ends sooner', async () => {
      const items = Array.from({ length: 100 }, (_, i) => i);
      const mapper = async (item) => {
        if (item === 1) items.length = 50;
        return item;
      };
      assert.deepEqual(await mapWithLimit(items, 2, mapper), items);
    });

    it('an array is read when the item starts, not before', async () => {
      const items = ['a', 'b', 'c'];
      const mapper = async (item, index) => {
        if (index === 0) items[2] = 'changed';
        return item;
      };
      assert.deepEqual(await mapWithLimit(items, 1, mapper), ['a', 'b', 'changed']);
    });

    it('holes of an array are undefined', async () => {
      // eslint-disable-next-line no-sparse-arrays -- what this is about
      const items = [1, , 3];
      const seen = [];
      const values = await mapWithLimit(items, 2, async (item, index) => {
        seen.push([item, index]);
        return index;
      });
      assert.deepEqual(seen, [
        [1, 0],
        [undefined, 1],
        [3, 2],
      ]);
      assert.deepEqual(values, [0, 1, 2]);
    });

    it('an array with an iterator of its own is read by that', async () => {
      const items = [1, 2, 3];
      items[Symbol.iterator] = function* () {
        yield 10;
      };
      assert.deepEqual(await mapWithLimit(items, 2, double), [20]);
    });

    it('arrays are read by their iterator as it is: a patched one counts', async () => {
      const prototype = Object.getPrototypeOf([][Symbol.iterator]());
      const { next } = prototype;
      const items = [1, 2, 3];
      let result;
      prototype.next = function patched() {
        const answer = Reflect.apply(next, this, []);
        return typeof answer.value === 'number' ? { done: false, value: answer.value + 100 } : answer;
      };
      try {
        result = mapWithLimit(items, Infinity, (value) => value);
      } finally {
        prototype.next = next;
      }
      assert.deepEqual(await result, [101, 102, 103]);

      const { values } = Array.prototype;
      // eslint-disable-next-line no-extend-native -- what this is about; undone at once
      Array.prototype[Symbol.iterator] = function patched() {
        return Reflect.apply(values, this === items ? [7] : this, []);
      };
      try {
        result = mapWithLimit(items, Infinity, (value) => value);
      } finally {
        // eslint-disable-next-line no-extend-native -- as it was
        Array.prototype[Symbol.iterator] = values;
      }
      assert.deepEqual(await result, [7]);
    });

    it("the package's own arrays are not read by a patched iterator", async () => {
      const prototype = Object.getPrototypeOf([][Symbol.iterator]());
      const { next } = prototype;
      let result;
      prototype.next = () => ({ done: true, value: undefined });
      try {
        result = mapWithLimit(['a', 'b'].values(), 2, (value) => value);
      } finally {
        prototype.next = next;
      }
      assert.deepEqual(await result, []);
      prototype.next = () => {
        throw new Error('patched');
      };
      try {
        result = mapWithLimit({ [Symbol.iterator]: () => ({ next: () => ({ done: true }) }) }, 2, (value) => value);
      } finally {
        prototype.next = next;
      }
      assert.deepEqual(await result, []);
    });

    it('an iterable is pulled only when a lane is free', async () => {
      let pulled = 0;
      function* endless() {
        for (;;) yield pulled++;
      }
      const controller = new AbortController();
      const { calls, mapper } = manual();
      const result = mapWithLimit(endless(), 3, mapper, { signal: controller.signal });
      await turn();
      assert.equal(pulled, 3);
      calls[1].resolve();
      await turn();
      assert.equal(pulled, 4);
      assert.deepEqual(
        calls.map(({ item }) => item),
        [0, 1, 2, 3],
      );
      controller.abort('enough');
      assert.equal(await rejection(result), 'enough');
      await turn();
      assert.equal(pulled, 4);
    });

    it('an async iterable is pulled only when a lane is free, one next() in flight at a time', async () => {
      const requests = [];
      const items = {
        [Symbol.asyncIterator]: () => ({
          next() {
            const request = deferred();
            requests.push(request);
            return request.promise;
          },
        }),
      };
      const { calls, mapper } = manual();
      const result = mapWithLimit(items, 2, mapper);
      await turn();
      assert.equal(requests.length, 1);
      requests[0].resolve({ done: false, value: 'a' });
      await turn();
      assert.deepEqual([requests.length, calls.length], [2, 1]);
      requests[1].resolve({ done: false, value: 'b' });
      await turn();
      assert.deepEqual([requests.length, calls.length], [2, 2]);
      calls[1].resolve('B');
      await turn();
      assert.deepEqual([requests.length, calls.length], [3, 2]);
      calls[0].resolve('A');
      await turn();
      assert.deepEqual([requests.length, calls.length], [3, 2]);
      requests[2].resolve({ done: true });
      assert.deepEqual(await result, ['A', 'B']);
      await turn();
      assert.equal(requests.length, 3);
    });

    it('a rejected promise among them fails the call, unretried, and the mapper is not called for it', async () => {
      const error = new Error('element');
      for (const items of [[Promise.reject(error)], new Set([Promise.reject(error)])]) {
        const mapper = () => assert.fail('called');
        let retried;
        const options = { retry: { retries: 3, delay: 0 }, onProgress: (progress) => ({ retried } = progress) };
        assert.equal(await rejection(mapWithLimit(items, 1, mapper, options)), error);
        assert.equal(retried, 0);
      }
    });

    it('a promise among them is awaited under the timeout', async () => {
      const error = await rejection(over(mapWithLimit([never()], 1, noop, { timeout: 7 })));
      assert.ok(error instanceof TimeoutError);
      const { scope, timeout, index, attempt } = error;
      assert.deepEqual({ scope, timeout, index, attempt }, { scope: 'attempt', timeout: 7, index: 0, attempt: 1 });
      assert.equal(clock.now >= 7, true);
    });

    it('a thenable among them is asked once, and only when its turn comes: it may be a query that then() starts', async () => {
      for (const wrap of [(items) => items, (items) => new Set(items)]) {
        const log = [];
        const lazy = (name) => ({
          then(resolve) {
            log.push(`then ${name}`);
            resolve(name);
          },
        });
        await over(mapWithLimit(wrap([lazy('a'), lazy('b')]), 1, async (name) => log.push(`mapper ${name}`)));
        assert.deepEqual(log, ['then a', 'mapper a', 'then b', 'mapper b']);
      }
    });

    it('a thenable among them is not asked by a call that never comes to it', async () => {
      let count = 0;
      const lazy = { then: () => count++ };
      assert.equal(await rejection(mapWithLimit([lazy], 1, noop, { signal: AbortSignal.abort('before') })), 'before');
      assert.equal((await rejection(mapWithLimit([lazy], 0, noop))).code, 'ERR_OUT_OF_RANGE');
      assert.equal(await rejection(mapWithLimit([0, lazy], 1, () => Promise.reject('first'))), 'first');
      await turn();
      assert.equal(count, 0);
    });

    it('a promise among them is awaited once, however often its mapper fails', async () => {
      let attempts = 0;
      const mapper = async (item) => {
        if (++attempts < 3) throw new Error('again');
        return item;
      };
      const items = [Promise.resolve('value')];
      assert.deepEqual(await over(mapWithLimit(items, 1, mapper, { retry: { retries: 5, delay: 0 } })), ['value']);
      assert.equal(attempts, 3);
    });
  });

  describe('promises in an array are handled from the call on', () => {
    const boom = () => Promise.reject(new Error('element'));
    const foreign = () => vm.runInNewContext('Promise.reject(new Error("element"))');
    const aborted = AbortSignal.abort('aborted');
    const patched = (items) => Object.assign(items, { [Symbol.iterator]: Array.prototype.values.bind([1]) });
    const ways = {
      'while others run': (items) => over(mapWithLimit([clock.sleep(5), ...items], 1, noop)),
      'the call failed at once': (items) => mapWithLimit([0, ...items], 1, () => Promise.reject(new Error('first'))),
      'the signal was aborted already': (items) => mapWithLimit(items, 1, noop, { signal: aborted }),
      'the total time was over already': (items) => mapWithLimit(items, 1, noop, { totalTimeout: 0 }),
      'the array has an iterator of its own': (items) => mapWithLimit(patched(items), 1, noop),
      'the limit is invalid': (items) => mapWithLimit(items, 0, noop),
      'the mapper is invalid': (items) => mapWithLimit(items, 1, 'mapper'),
      'an option is invalid': (items) => mapWithLimit(items, 1, noop, { timeout: -1 }),
      'an option is unknown': (items) => mapWithLimit(items, 1, noop, { timout: 1 }),
    };
    for (const [name, call] of Object.entries(ways)) {
      it(`${name}: no rejection is unhandled`, async () => {
        const reasons = await unhandledDuring(async () => {
          await call([boom(), boom(), foreign()]).catch(noop);
          await turn();
        });
        assert.deepEqual(reasons, []);
      });
    }

    const kinds = { iterable: Symbol.iterator, 'async iterable': Symbol.asyncIterator };
    for (const [kind, symbol] of Object.entries(kinds)) {
      const answer = (value) => {
        const result = { done: false, value };
        return symbol === Symbol.iterator ? result : Promise.resolve(result);
      };

      it(`an ${kind}'s when they are pulled, also by a call that next() has ended`, async () => {
        const controller = new AbortController();
        const next = () => {
          controller.abort('enough');
          return answer(boom());
        };
        const reasons = await unhandledDuring(async () => {
          const items = { [symbol]: () => ({ next }) };
          assert.equal(await rejection(mapWithLimit(items, 1, noop, { signal: controller.signal })), 'enough');
        });
        assert.deepEqual(reasons, []);
      });

      it(`an ${kind}'s that were pulled before next() threw`, async () => {
        const thrown = new Error('next');
        const reasons = await unhandledDuring(async () => {
          let count = 0;
          const next = () => {
            if (++count > 1) throw thrown;
            return answer(boom());
          };
          assert.equal(await rejection(mapWithLimit({ [symbol]: () => ({ next }) }, 3, noop)), thrown);
        });
        assert.deepEqual(reasons, []);
      });
    }
  });

  describe('the end of an iterator', () => {
    /** An endless source, sync or async, that writes down what is asked of it; `steps` overrides parts of it. */
    function tracked(symbol, steps = {}) {
      const log = [];
      const isAsync = symbol === Symbol.asyncIterator;
      const iterator = {
        next() {
          log.push('next');
          const result = steps.next ? steps.next() : { done: false, value: log.length };
          return isAsync ? Promise.resolve(result) : result;
        },
        return(...args) {
          log.push(`return ${args.length}`);
          if (steps.return) return steps.return();
          return isAsync ? Promise.resolve({ done: true }) : { done: true };
        },
      };
      return { log, items: { [symbol]: () => iterator } };
    }
    const kinds = { iterable: Symbol.iterator, 'async iterable': Symbol.asyncIterator };
    const failure = new Error('mapper');
    const endings = {
      'a mapper failed': (items) => mapWithLimit(items, 1, () => Promise.reject(failure)),
      'a mapper threw': (items) =>
        mapWithLimit(items, 1, () => {
          throw failure;
        }),
      'the signal was aborted': (items) => {
        const controller = new AbortController();
        clock.setTimeout(() => controller.abort(failure), 3);
        return mapWithLimit(items, 1, never, { signal: controller.signal });
      },
      'the total time was over': (items) => mapWithLimit(items, 1, never, { totalTimeout: 5 }),
      'an attempt timed out': (items) => mapWithLimit(items, 1, never, { timeout: 5 }),
      'onProgress threw': (items) =>
        mapWithLimit(items, 1, never, {
          onProgress() {
            throw failure;
          },
        }),
    };
    for (const [kind, symbol] of Object.entries(kinds)) {
      for (const [ending, call] of Object.entries(endings)) {
        it(`return() of an ${kind} is called once when ${ending}`, async () => {
          const { log, items } = tracked(symbol);
          await rejection(over(call(items)));
          await clock.flush();
          assert.deepEqual(
            log.filter((entry) => entry !== 'next'),
            ['return 0'],
          );
          assert.equal(log.at(-1), 'return 0');
        });
      }

      const answers = {
        'never settles': never,
        rejects: () => Promise.reject(new Error('return')),
        throws: () => {
          throw new Error('return');
        },
        'answers undefined': noop,
      };
      for (const [name, answer] of Object.entries(answers)) {
        it(`a return() of an ${kind} that ${name} changes nothing`, async () => {
          const { items } = tracked(symbol, { return: answer });
          const reasons = await unhandledDuring(async () => {
            assert.equal(await rejection(mapWithLimit(items, 1, () => Promise.reject(failure))), failure);
          });
          assert.deepEqual(reasons, []);
        });
      }

      it(`an ${kind} without return() may end early`, async () => {
        const { items } = tracked(symbol);
        items[symbol]().return = undefined;
        assert.equal(await rejection(mapWithLimit(items, 1, () => Promise.reject(failure))), failure);
      });

      it(`a return of an ${kind} that is a getter that throws changes nothing`, async () => {
        const { items } = tracked(symbol);
        Object.defineProperty(items[symbol](), 'return', {
          get() {
            throw new Error('return');
          },
        });
        assert.equal(await rejection(mapWithLimit(items, 1, () => Promise.reject(failure))), failure);
      });

      it(`return() of an ${kind} is not called when it was done, also if a mapper fails afterwards`, async () => {
        let count = 0;
        const { log, items } = tracked(symbol, { next: () => ({ done: ++count > 2, value: count }) });
        assert.deepEqual(await mapWithLimit(items, 3, double), [2, 4]);
        count = 0;
        const late = async () => {
          await clock.sleep(5);
          throw failure;
        };
        assert.equal(await rejection(over(mapWithLimit(items, 3, late))), failure);
        assert.ok(!log.includes('return 0'));
      });

      const error = new Error('step');
      const raise = () => {
        throw error;
      };
      const steps = {
        'its next() throws': raise,
        'a getter done throws': () => ({
          get done() {
            return raise();
          },
        }),
        'a getter value throws': () => ({
          done: false,
          get value() {
            return raise();
          },
        }),
      };
      for (const [name, next] of Object.entries(steps)) {
        for (const isFirst of [true, false]) {
          const when = isFirst ? 'at the first item' : 'later, while a mapper runs: that one is told';
          it(`an ${kind} rejects the call at once when ${name}, ${when}, and return() is not called`, async () => {
            let count = 0;
            const { log, items } = tracked(symbol, {
              next() {
                if (isFirst) return next();
                if (++count === 1) return { done: false, value: count };
                return symbol === Symbol.iterator ? next() : turn().then(next);
              },
            });
            const signals = [];
            const mapper = (_item, _index, { signal }) => {
              signals.push(signal);
              return never();
            };
            assert.equal(await rejection(mapWithLimit(items, 2, mapper)), error);
            await turn();
            assert.deepEqual(
              signals.map(({ reason }) => reason),
              isFirst ? [] : [error],
            );
            assert.deepEqual(log, isFirst ? ['next'] : ['next', 'next']);
          });
        }
      }

      for (const answer of [undefined, null, 1, 'done']) {
        it(`an ${kind} whose next() answers ${answer} rejects the call with a TypeError`, async () => {
          const { log, items } = tracked(symbol, { next: () => answer });
          assert.ok((await rejection(mapWithLimit(items, 1, noop))) instanceof TypeError);
          assert.deepEqual(log, ['next']);
        });
      }

      const openings = {
        'is a getter that throws': {
          get [symbol]() {
            return raise();
          },
        },
        throws: { [symbol]: raise },
      };
      for (const [name, items] of Object.entries(openings)) {
        it(`an ${kind} whose ${String(symbol)} ${name} rejects the call with that`, async () => {
          assert.equal(await rejection(mapWithLimit(items, 1, noop)), error);
        });
      }

      it(`an ${kind} whose iterator is no object rejects the call with a TypeError`, async () => {
        assert.ok((await rejection(mapWithLimit({ [symbol]: () => 1 }, 1, noop))) instanceof TypeError);
      });

      it(`an ${kind} whose iterator has no next() rejects the call with a TypeError`, async () => {
        assert.ok((await rejection(mapWithLimit({ [symbol]: () => ({}) }, 1, noop))) instanceof TypeError);
      });
    }

    it('an async next() that is pending when the call ends is not waited for, and its late outcome is swallowed', async () => {
      for (const settle of [(request) => request.reject(new Error('late')), (request) => request.resolve(1)]) {
        const request = deferred();
        const controller = new AbortController();
        const items = { [Symbol.asyncIterator]: () => ({ next: () => request.promise }) };
        const reasons = await unhandledDuring(async () => {
          const result = mapWithLimit(items, 2, noop, { signal: controller.signal });
          controller.abort('over');
          assert.equal(await rejection(result), 'over');
          settle(request);
        });
        assert.deepEqual(reasons, []);
      }
    });

    it('only the total time covers next()', async () => {
      const items = { [Symbol.asyncIterator]: () => ({ next: never }) };
      const error = await rejection(over(mapWithLimit(items, 2, noop, { timeout: 3, totalTimeout: 20 })));
      assert.equal(error.scope, 'total');
    });
  });

  describe('the first failure', () => {
    it('is what the call is rejected with, whatever it is', async () => {
      for (const reason of [new Error('e'), undefined, null, 0, false, 'text', Symbol.iterator]) {
        assert.equal(await rejection(mapWithLimit([0, 1], 2, () => Promise.reject(reason))), reason);
        const thrower = () => {
          throw reason;
        };
        assert.equal(await rejection(mapWithLimit([0, 1], 2, thrower)), reason);
      }
    });

    it('a synchronous throw is a rejection: it does not keep the other first calls from being made', async () => {
      const started = [];
      const error = new Error('first');
      const mapper = (item) => {
        started.push(item);
        if (item === 0) throw error;
        return never();
      };
      const result = mapWithLimit([0, 1, 2, 3], 3, mapper);
      assert.deepEqual(started, [0, 1, 2]);
      assert.equal(await rejection(result), error);
      await turn();
      assert.deepEqual(started, [0, 1, 2]);
    });

    it('state is final, then the call rejects, then the running attempts hear of it: with that very error', async () => {
      const error = new Error('first');
      const { calls, mapper } = manual();
      const result = mapWithLimit([0, 1, 2, 3], 3, mapper);
      const heard = [];
      for (const { index, ctx } of [calls[0], calls[2]]) {
        const { signal } = ctx;
        signal.addEventListener('abort', () => {
          heard.push({
            index,
            reason: signal.reason,
            jobs: usage().jobs,
            call: inspect(result).includes('<rejected>'),
          });
        });
      }
      calls[1].reject(error);
      assert.equal(await rejection(result), error);
      const one = { reason: error, jobs: 0, call: true };
      heard.sort((a, b) => a.index - b.index);
      assert.deepEqual(heard, [
        { index: 0, ...one },
        { index: 2, ...one },
      ]);
    });

    it('is that of an attempt that does not run any more: its own signal is not aborted', async () => {
      for (const isReadBefore of [true, false]) {
        const { calls, mapper } = manual();
        const result = mapWithLimit([0, 1], 2, mapper);
        if (isReadBefore) assert.equal(calls[0].ctx.signal.aborted, false);
        calls[0].reject('first');
        assert.equal(await rejection(result), 'first');
        await turn();
        assert.equal(calls[1].ctx.signal.aborted, true);
        assert.equal(calls[0].ctx.signal.aborted, false);
      }
    });

    it('is not kept waiting by what still runs, and nothing starts after it', async () => {
      const { calls, mapper } = manual();
      const result = mapWithLimit([0, 1, 2, 3], 2, mapper);
      calls[0].reject('first');
      assert.equal(await rejection(result), 'first');
      calls[1].resolve();
      await clock.advance(10);
      assert.equal(calls.length, 2);
    });

    it('ends a backoff: no attempt is made after it', async () => {
      const attempts = [];
      const mapper = async (item) => {
        attempts.push(item);
        if (item === 1) await clock.sleep(5);
        throw `${item}`;
      };
      const error = await rejection(
        over(mapWithLimit([0, 1], 2, mapper, { retry: { retries: 1, delay: 100, jitter: 'none' } }).catch(rethrow)),
      );
      assert.equal(error, '0');
      assert.deepEqual(attempts, [0, 1, 0]);
      await clock.advance(500);
      assert.deepEqual(attempts, [0, 1, 0]);
    });

    it('late outcomes are swallowed', async () => {
      const { calls, mapper } = manual();
      const reasons = await unhandledDuring(async () => {
        const result = mapWithLimit([0, 1, 2], 3, mapper);
        calls[0].reject('first');
        assert.equal(await rejection(result), 'first');
        calls[1].reject(new Error('late'));
        calls[2].resolve('late');
      });
      assert.deepEqual(reasons, []);
    });

    it('two in the same turn: the first counts', async () => {
      const { calls, mapper } = manual();
      const result = mapWithLimit([0, 1], 2, mapper);
      calls[1].reject('one');
      calls[0].reject('zero');
      assert.equal(await rejection(result), 'one');
    });
  });

  describe('the context', () => {
    it('is one object for each attempt', async () => {
      const seen = [];
      const mapper = async (item, _index, ctx) => {
        seen.push(ctx);
        if (ctx.attempt < 3) throw new Error('again');
      };
      await mapWithLimit(['a', 'b'], 1, mapper, { retry: { retries: 2, delay: 0 } });
      assert.deepEqual(
        seen.map(({ index, attempt }) => [index, attempt]),
        [
          [0, 1],
          [0, 2],
          [0, 3],
          [1, 1],
          [1, 2],
          [1, 3],
        ],
      );
      assert.equal(new Set(seen).size, 6);
      assert.equal(new Set(seen.map(({ signal }) => signal)).size, 6);
    });

    it('its signal is an AbortSignal, the same each time it is read', async () => {
      await mapWithLimit([0], 1, (_item, _index, ctx) => {
        const { signal } = ctx;
        assert.ok(signal instanceof AbortSignal);
        assert.equal(ctx.signal, signal);
        assert.equal(signal.aborted, false);
      });
    });

    it('its signal is never aborted on a normal end: neither by the next item, nor by a retry, nor by a later failure', async () => {
      const contexts = [];
      const read = [];
      const mapper = async (item, _index, ctx) => {
        if (item !== 3) contexts.push(ctx);
        if (item === 0 || item === 2) read.push(ctx.signal);
        if (item === 1 && ctx.attempt === 1) throw new Error('again');
        if (item === 3) throw new Error('last');
        await clock.sleep(2);
      };
      await rejection(over(mapWithLimit([0, 1, 2, 3], 1, mapper, { retry: { retries: 1, delay: 1 } })));
      await clock.flush();
      for (const signal of read) assert.equal(signal.aborted, false);
      for (const { signal } of contexts) assert.equal(signal.aborted, false, 'also when it is first read afterwards');
    });

    for (const [source, wrap] of Object.entries({
      array: (items) => items,
      iterable: (items) => items.values(),
      async *'async iterable'(items) {
        yield* items;
      },
    })) {
      for (const isRead of [true, false]) {
        const when = isRead ? 'was read in time' : 'is first read afterwards';
        it(`an attempt that has ended is not told when its lane's next one is aborted, ${source}, its signal ${when}`, async () => {
          const controller = new AbortController();
          const contexts = [];
          const mapper = async (item, _index, ctx) => {
            contexts.push(ctx);
            if (isRead && contexts.length < 3) assert.equal(ctx.signal.aborted, false);
            if (item === 1 && ctx.attempt === 1) throw new Error('again');
            return item === 0 ? undefined : never();
          };
          const options = { signal: controller.signal, retry: { retries: 1, delay: 0 } };
          const result = mapWithLimit(wrap([0, 1]), 1, mapper, options);
          result.catch(noop);
          await clock.flush();
          controller.abort('over');
          const aborted = contexts.map(({ signal }) => signal.aborted);
          assert.deepEqual(aborted, [false, false, true]);
        });
      }
    }

    it("a listener on a timed-out attempt's signal may abort the call: no retry starts", async () => {
      const controller = new AbortController();
      let calls = 0;
      const mapper = (_item, _index, { signal }) => {
        calls++;
        signal.addEventListener('abort', () => controller.abort('enough'));
        return never();
      };
      const options = { timeout: 5, retry: { retries: 3, delay: 0 }, signal: controller.signal };
      assert.equal(await rejection(over(mapWithLimit([0, 1], 1, mapper, options))), 'enough');
      await clock.advance(50);
      assert.equal(calls, 1);
    });

    const reasons = {
      "the attempt's TimeoutError": (mapper) => mapWithLimit([0], 1, mapper, { timeout: 5 }),
      "the total's TimeoutError": (mapper) => mapWithLimit([0], 1, mapper, { totalTimeout: 5 }),
      'the first failure': (mapper) => {
        const failing = async () => {
          await clock.sleep(5);
          throw new Error('first');
        };
        return mapWithLimit([0, 1], 2, (item, index, ctx) => (item === 0 ? mapper(item, index, ctx) : failing()));
      },
      "the caller's reason": (mapper) => {
        const controller = new AbortController();
        clock.setTimeout(() => controller.abort({ why: 'enough' }), 5);
        return mapWithLimit([0], 1, mapper, { signal: controller.signal });
      },
      'what onProgress threw': (mapper) => {
        const onProgress = () => {
          throw new Error('progress');
        };
        return mapWithLimit([0], 1, mapper, { onProgress });
      },
    };
    for (const [name, call] of Object.entries(reasons)) {
      it(`its signal's reason is ${name}, which the call is rejected with`, async () => {
        const signals = [];
        const error = await rejection(over(call((_item, _index, { signal }) => (signals.push(signal), never()))));
        assert.equal(signals.length, 1);
        assert.equal(signals[0].aborted, true);
        assert.equal(signals[0].reason, error);
      });

      it(`its signal, first read after the abort, is aborted with ${name}`, async () => {
        let context;
        const error = await rejection(over(call((_item, _index, ctx) => ((context = ctx), never()))));
        assert.equal(context.signal.aborted, true);
        assert.equal(context.signal.reason, error);
      });
    }

    it("each timed-out attempt's signal has its own TimeoutError, and its successor's is fresh", async () => {
      const signals = [];
      const mapper = (_item, _index, { signal }) => {
        signals.push(signal);
        assert.equal(signal.aborted, false);
        return signals.length < 3 ? never() : 'done';
      };
      const result = over(mapWithLimit([0], 1, mapper, { timeout: 5, retry: { retries: 2, delay: 1 } }));
      assert.deepEqual(await result, ['done']);
      assert.deepEqual(
        signals.map(({ reason }) => reason?.attempt),
        [1, 2, undefined],
      );
      assert.deepEqual(
        signals.map(({ reason }) => reason?.index),
        [0, 0, undefined],
      );
    });

    it('a listener on its signal that throws cannot change the result', async () => {
      const error = new Error('first');
      const thrown = new Error('listener');
      const reasons = await unhandledDuring(async () => {
        const mapper = (item, _index, { signal }) => {
          if (item === 0) return Promise.reject(error);
          signal.addEventListener('abort', () => {
            throw thrown;
          });
          return never();
        };
        assert.equal(await rejection(mapWithLimit([0, 1, 2], 3, mapper)), error);
      });
      assert.deepEqual(reasons, [thrown, thrown], 'Node tells the process of them');
    });
  });

  describe('signal', () => {
    it('rejects at once with its reason, whatever it is, before abort() returns', () => {
      for (const reason of [new Error('mine'), 'text', null, 0]) {
        const controller = new AbortController();
        const result = mapWithLimit([0], 1, never, { signal: controller.signal });
        result.catch(noop);
        controller.abort(reason);
        assert.match(inspect(result), /<rejected>/);
      }
    });

    it('the reason is the very one, an AbortError where none was given', async () => {
      const controller = new AbortController();
      const result = mapWithLimit([0], 1, never, { signal: controller.signal });
      controller.abort();
      assert.equal(await rejection(result), controller.signal.reason);
      assert.equal(controller.signal.reason.name, 'AbortError');
    });

    it('already aborted: no iterator taken, no callback called', async () => {
      const touch = () => assert.fail('touched');
      const options = { signal: AbortSignal.abort('before'), onProgress: touch };
      for (const symbol of [Symbol.iterator, Symbol.asyncIterator]) {
        assert.equal(await rejection(mapWithLimit({ [symbol]: touch }, 1, touch, options)), 'before');
      }
      assert.equal(await rejection(mapWithLimit([1], 1, touch, options)), 'before');
      assert.equal(await rejection(mapWithLimit([], 1, touch, options)), 'before');
    });

    it('aborted inside a mapper: nothing more starts', async () => {
      const controller = new AbortController();
      const started = [];
      const mapper = (item) => {
        started.push(item);
        if (item === 1) controller.abort('enough');
      };
      assert.equal(await rejection(mapWithLimit([0, 1, 2, 3], 4, mapper, { signal: controller.signal })), 'enough');
      await turn();
      assert.deepEqual(started, [0, 1]);
    });

    it('a result and an abort in the same turn: the first wins', async () => {
      for (const isAbortFirst of [true, false]) {
        const controller = new AbortController();
        const { calls, mapper } = manual();
        const result = mapWithLimit([0], 1, mapper, { signal: controller.signal });
        const abort = () => controller.abort('abort');
        if (isAbortFirst) abort();
        calls[0].resolve('value');
        if (!isAbortFirst) {
          await result;
          abort();
          assert.deepEqual(await result, ['value']);
        } else {
          assert.equal(await rejection(result), 'abort');
        }
      }
    });

    for (const place of ['taken', 'pulled from']) {
      it(`aborted by the iterator that is being ${place}: no mapper is called, and return() is`, async () => {
        const controller = new AbortController();
        const log = [];
        const items = {
          [Symbol.iterator]() {
            if (place === 'taken') controller.abort('enough');
            return {
              next() {
                log.push('next');
                controller.abort('enough');
                return { done: false, value: 1 };
              },
              return() {
                log.push('return');
                return {};
              },
            };
          },
        };
        const mapper = () => log.push('mapper');
        assert.equal(await rejection(mapWithLimit(items, 2, mapper, { signal: controller.signal })), 'enough');
        await turn();
        assert.deepEqual(log, place === 'taken' ? ['return'] : ['next', 'return']);
      });
    }

    for (const kind of ['generator', 'async generator']) {
      it(`aborted by the ${kind} that is being pulled from: it is closed when it yields`, async () => {
        const controller = new AbortController();
        let isClosed = false;
        const sources = {
          *generator() {
            try {
              controller.abort('enough');
              yield 1;
            } finally {
              isClosed = true;
            }
          },
          async *'async generator'() {
            yield* sources.generator();
          },
        };
        const options = { signal: controller.signal };
        assert.equal(await rejection(mapWithLimit(sources[kind](), 2, noop, options)), 'enough');
        await turn();
        assert.ok(isClosed);
      });
    }

    it("another realm's signal is as good", async () => {
      // Node's other contexts have no AbortSignal of their own: one by shape, made there.
      const signal = vm.runInNewContext(`({
        aborted: false, reason: undefined, listeners: new Set(),
        addEventListener(_type, listener) { this.listeners.add(listener); },
        removeEventListener(_type, listener) { this.listeners.delete(listener); },
        abort(reason) { this.aborted = true; this.reason = reason; for (const listener of this.listeners) listener({ type: 'abort' }); },
      })`);
      const result = mapWithLimit([0], 1, never, { signal });
      assert.equal(signal.listeners.size, 1);
      signal.abort('theirs');
      assert.equal(await rejection(result), 'theirs');
      assert.equal(await rejection(mapWithLimit([0], 1, never, { signal })), 'theirs');
      assert.deepEqual(await mapWithLimit([1], 1, double, { signal: Object.assign(signal, { aborted: false }) }), [2]);
    });
  });

  describe('totalTimeout', () => {
    it('rejects with a TimeoutError that tells all, and tells the running attempts', async () => {
      const began = clock.now;
      const error = await rejection(over(mapWithLimit([0, 1], 1, never, { totalTimeout: 20, label: 'import' })));
      assert.equal(clock.now - began, 20);
      const { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label } = error;
      assert.deepEqual(
        { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label },
        {
          name: 'TimeoutError',
          code: 'ERR_SLUICE_TIMEOUT',
          scope: 'total',
          timeout: 20,
          elapsed: 20,
          loopBlocked: 0,
          index: undefined,
          attempt: undefined,
          label: 'import',
        },
      );
      assert.match(error.message, /import/);
      assert.ok(!Object.hasOwn(error, 'cause'));
    });

    it('zero or less, with items: nothing starts, no iterator is taken', async () => {
      const touch = () => assert.fail('touched');
      for (const totalTimeout of [0, -1, -Infinity]) {
        for (const items of [[1], { [Symbol.iterator]: touch }, { [Symbol.asyncIterator]: touch }]) {
          const error = await rejection(mapWithLimit(items, 1, touch, { totalTimeout }));
          assert.ok(error instanceof TimeoutError);
          assert.equal(error.scope, 'total');
        }
      }
    });

    it('Infinity, and numbers beyond 2^63 ns, never expire', async () => {
      for (const never of [Infinity, 1e300, Number.MAX_VALUE, 2 ** 60]) {
        const options = { totalTimeout: never, timeout: never, yieldAfter: never };
        const result = mapWithLimit([1], 1, () => clock.sleep(1e9).then(() => 'late'), options);
        assert.deepEqual(await over(result), ['late']);
      }
    });
  });

  describe('timeout', () => {
    it('of an attempt: the TimeoutError names the item and the attempt', async () => {
      const mapper = (item) => (item === 2 ? never() : item);
      const error = await rejection(over(mapWithLimit([0, 1, 2], 1, mapper, { timeout: 8, label: 'step' })));
      const { scope, timeout, elapsed, loopBlocked, index, attempt, label } = error;
      assert.deepEqual(
        { scope, timeout, elapsed, loopBlocked, index, attempt, label },
        { scope: 'attempt', timeout: 8, elapsed: 8, loopBlocked: 0, index: 2, attempt: 1, label: 'step' },
      );
    });

    it('each item has its own', async () => {
      const began = clock.now;
      const mapper = (item) => clock.sleep(4).then(() => item);
      assert.deepEqual(await over(mapWithLimit([0, 1, 2, 3], 1, mapper, { timeout: 5 })), [0, 1, 2, 3]);
      assert.equal(clock.now - began, 16);
    });

    it('zero starts the work and takes what is there at once', async () => {
      assert.deepEqual(await over(mapWithLimit([1, 2, 3], 1, double, { timeout: 0 })), [2, 4, 6]);
      assert.equal((await rejection(over(mapWithLimit([1], 1, never, { timeout: 0 })))).timeout, 0);
    });

    it('an abandoned attempt does not count against the limit, and its late outcome is swallowed', async () => {
      const calls = [];
      const mapper = (item, _index, { attempt }) => {
        const call = { item, attempt, ...deferred() };
        calls.push(call);
        return call.promise;
      };
      const reasons = await unhandledDuring(async () => {
        const result = mapWithLimit(['a'], 1, mapper, { timeout: 5, retry: { retries: 2, delay: 0 } });
        await clock.advance(11);
        assert.equal(calls.length, 3);
        calls[2].resolve('third');
        assert.deepEqual(await over(result), ['third']);
        calls[0].reject(new Error('late'));
        calls[1].resolve('late');
        await clock.flush();
      });
      assert.deepEqual(reasons, []);
    });
  });

  describe('onProgress', () => {
    const KEYS = ['abandoned', 'done', 'failed', 'retried', 'started', 'timedOut', 'total'];

    it('gets a fresh object with the seven counts, at most once per turn, and the last before the call settles', async () => {
      const reports = [];
      let isSettled = false;
      const onProgress = (progress) => {
        assert.ok(!isSettled);
        assert.deepEqual(Object.keys(progress).sort(), KEYS);
        reports.push({ ...progress, at: clock.now });
        progress.done = -1; // it is ours to spoil
      };
      const mapper = (item) => (item < 3 ? item : clock.sleep(item));
      const began = clock.now;
      const result = over(mapWithLimit([0, 1, 2, 3, 8], 1, mapper, { onProgress }));
      result.then(() => (isSettled = true));
      await result;
      const counts = reports.map(({ started, done, at }) => [at - began, started, done]);
      assert.deepEqual(counts, [
        [0, 4, 3],
        [3, 5, 4],
        [11, 5, 5],
      ]);
      for (const { total, failed, retried, timedOut, abandoned } of reports) {
        assert.deepEqual([total, failed, retried, timedOut, abandoned], [5, 0, 0, 0, 0]);
      }
    });

    it('is called once, also for no items', async () => {
      for (const items of [[], new Set(), (async function* () {})()]) {
        const reports = [];
        await over(mapWithLimit(items, 1, noop, { onProgress: (progress) => reports.push(progress) }));
        assert.deepEqual(reports, [
          { total: 0, started: 0, done: 0, failed: 0, retried: 0, timedOut: 0, abandoned: 0 },
        ]);
      }
    });

    it('total is undefined while it is unknown', async () => {
      const totals = [];
      const mapper = () => clock.sleep(2);
      await over(
        mapWithLimit(new Set([1, 2, 3]), 1, mapper, { onProgress: ({ total, done }) => totals.push([done, total]) }),
      );
      assert.deepEqual(totals, [
        [0, undefined],
        [1, undefined],
        [2, undefined],
        [3, 3],
      ]);
    });

    it('counts retries, timeouts and what was abandoned and still runs', async () => {
      const hanging = [];
      const reports = [];
      const mapper = (_item, _index, { attempt }) => {
        if (attempt === 1) return Promise.reject(new Error('again'));
        if (attempt === 3) return clock.sleep(4);
        hanging.push(deferred());
        return hanging.at(-1).promise;
      };
      const result = over(
        mapWithLimit([0, 1], 1, mapper, {
          timeout: 5,
          retry: { retries: 2, delay: 0 },
          onProgress: (progress) => {
            reports.push(progress);
            if (reports.length === 3) hanging[0].resolve();
          },
        }),
      );
      await result;
      const last = reports.at(-1);
      assert.deepEqual(last, { total: 2, started: 2, done: 2, failed: 0, retried: 4, timedOut: 2, abandoned: 1 });
      assert.ok(reports.some(({ abandoned, timedOut }) => abandoned === 1 && timedOut === 1));
    });

    it('is called a last time before the call rejects, and counts the failure', async () => {
      const reports = [];
      const options = { onProgress: (progress) => reports.push(progress) };
      await rejection(mapWithLimit([0, 1, 2], 1, (item) => (item === 1 ? Promise.reject(1) : item), options));
      const { started, done, failed } = reports.at(-1);
      assert.deepEqual({ started, done, failed }, { started: 2, done: 1, failed: 1 });
      const count = reports.length;
      await clock.advance(10);
      assert.equal(reports.length, count);
    });

    it('is called before the call rejects on its signal and on its total time', async () => {
      for (const make of [
        () => ({ totalTimeout: 3 }),
        () => {
          const controller = new AbortController();
          clock.setTimeout(() => controller.abort('over'), 3);
          return { signal: controller.signal };
        },
      ]) {
        let order = '';
        const result = mapWithLimit([0], 1, never, { ...make(), onProgress: () => (order += 'p') });
        result.catch(() => (order += 'r'));
        await rejection(over(result));
        assert.match(order, /^p+r$/);
      }
    });

    const error = new Error('progress');
    const raise = () => {
      throw error;
    };
    const failures = {
      'a throw': raise,
      'a rejected promise': () => Promise.reject(error),
      'a thenable that rejects': () => ({ then: (_resolve, reject) => reject(error) }),
      'a then that is a getter that throws': () => ({
        get then() {
          return raise();
        },
      }),
    };
    for (const [name, onProgress] of Object.entries(failures)) {
      it(`${name} from it rejects the call, while it runs`, async () => {
        const started = [];
        const mapper = (item) => (started.push(item), clock.sleep(5));
        assert.equal(await rejection(over(mapWithLimit([0, 1, 2], 1, mapper, { onProgress }))), error);
        await clock.advance(20);
        assert.deepEqual(started, [0]);
      });

      it(`${name} from its last call rejects the call that would have been fulfilled`, async () => {
        const last = (progress) => (progress.done === 1 ? onProgress() : undefined);
        const reasons = await unhandledDuring(async () => {
          const result = mapWithLimit([0], 1, (item) => item, { onProgress: last });
          assert.equal(await rejection(result), error);
        });
        assert.deepEqual(reasons, []);
      });

      it(`${name} from its last call does not hide the failure`, async () => {
        const last = ({ failed }) => (failed === 1 ? onProgress() : undefined);
        const reasons = await unhandledDuring(async () => {
          const result = mapWithLimit([0], 1, () => Promise.reject('first'), { onProgress: last });
          assert.equal(await rejection(result), 'first');
        });
        assert.deepEqual(reasons, []);
      });
    }

    it('may abort the call', async () => {
      const controller = new AbortController();
      const onProgress = () => controller.abort('enough');
      const options = { signal: controller.signal, onProgress };
      assert.equal(await rejection(over(mapWithLimit([0], 1, never, options))), 'enough');
    });
  });
});

function rethrow(error) {
  throw error;
}
