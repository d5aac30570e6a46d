'use strict';

// allSettled: the built-in's results, and what it can do beyond.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const vm = require('node:vm');
const fc = require('fast-check');

const { TimeoutError, allSettled } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const ForeignPromise = vm.runInNewContext('Promise');
const never = () => new Promise(() => {});
const noop = () => {};
const fulfilled = (value) => ({ status: 'fulfilled', value });
const rejected = (reason) => ({ status: 'rejected', reason });

describe('allSettled', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const over = (promise) => clock.over(promise);

  // The built-in's results, in both rooms that give them.
  const ways = {
    'without options': (iterable) => allSettled(iterable),
    'with options': (iterable) => allSettled(iterable, { totalTimeout: 1e6, onProgress: noop }),
    'with empty options': (iterable) => allSettled(iterable, {}),
  };

  // What fast-check draws: a recipe, made twice, once for each side.
  const recipe = fc.record({
    kind: fc.constantFrom(
      'value',
      'settled',
      'microtask',
      'timer',
      'thenable',
      'twice',
      'throws',
      'lateThrow',
      'getter',
      'subclass',
      'foreign',
      'nested',
    ),
    isRejected: fc.boolean(),
    value: fc.oneof(fc.integer(), fc.constantFrom(undefined, null, '', false, noop)),
    after: fc.integer({ min: 0, max: 5 }),
  });
  const container = fc.constantFrom('array', 'Set', 'generator', 'values');

  const kinds = {
    value: ({ value }) => value,
    settled: ({ isRejected, value }) => (isRejected ? Promise.reject(value) : Promise.resolve(value)),
    microtask: (drawn) => Promise.resolve().then(() => kinds.settled(drawn)),
    timer: (drawn) => clock.sleep(drawn.after).then(() => kinds.settled(drawn)),
    thenable: ({ isRejected, value }) => ({
      then: (resolve, reject) => (isRejected ? reject(value) : resolve(value)),
    }),
    twice: ({ isRejected, value, after }) => ({
      then(resolve, reject) {
        clock.setTimeout(() => {
          if (isRejected) reject(value);
          resolve(value);
          reject('second');
        }, after);
      },
    }),
    throws: ({ value }) => ({
      then() {
        throw value;
      },
    }),
    lateThrow: ({ value }) => ({
      then(resolve) {
        resolve(value);
        throw new Error('after');
      },
    }),
    getter: ({ value }) => ({
      get then() {
        throw value;
      },
    }),
    subclass: ({ isRejected, value }) => {
      class Sub extends Promise {}
      return isRejected ? Sub.reject(value) : Sub.resolve(value);
    },
    foreign: ({ isRejected, value }) => ForeignPromise[isRejected ? 'reject' : 'resolve'](value),
    nested: (drawn) => Promise.resolve({ then: (resolve) => resolve(kinds.settled(drawn)) }),
  };
  const containers = {
    array: (elements) => elements,
    Set: (elements) => new Set(elements),
    *generator(elements) {
      yield* elements;
    },
    values: (elements) => elements.values(),
  };

  for (const [name, call] of Object.entries(ways)) {
    it(`${name}: the results of Promise.allSettled for any iterable`, async () => {
      const property = fc.asyncProperty(fc.array(recipe, { maxLength: 12 }), container, async (drawn, kind) => {
        const make = () => containers[kind](drawn.map((one) => kinds[one.kind](one)));
        const [ours, theirs] = await over(Promise.all([call(make()), Promise.allSettled(make())]));
        assert.deepEqual(ours, theirs);
        assert.ok(ours.every((one, i) => Object.keys(one).join() === Object.keys(theirs[i]).join()));
      });
      await fc.assert(property, { numRuns: 400 });
    });

    it(`${name}: an empty iterable is an empty array`, async () => {
      for (const iterable of [[], new Set(), '', new Map()]) assert.deepEqual(await call(iterable), []);
    });

    it(`${name}: holes are undefined, strings are read by characters`, async () => {
      // eslint-disable-next-line no-sparse-arrays -- what this is about
      assert.deepEqual(await call([1, , 3]), [1, undefined, 3].map(fulfilled));
      assert.deepEqual(await call('a😀'), ['a', '😀'].map(fulfilled));
    });

    it(`${name}: the array that was given is not changed`, async () => {
      const given = [1, Promise.resolve(2)];
      const copy = [...given];
      const result = await call(given);
      assert.deepEqual(given, copy);
      assert.notEqual(result, given);
    });

    it(`${name}: the iterable is read at the call, and once`, async () => {
      const given = [1, 2];
      const result = call(given);
      given.push(3);
      given[0] = 'changed';
      assert.deepEqual(await result, [1, 2].map(fulfilled));
    });

    it(`${name}: an element whose then is a getter that throws is rejected with that, the others are there`, async () => {
      const make = (value) => kinds.getter({ value });
      assert.deepEqual(await call([make('a'), 1, make('b')]), [rejected('a'), fulfilled(1), rejected('b')]);
    });

    const error = new Error('iterator');
    const raise = () => {
      throw error;
    };
    const iterables = {
      'Symbol.iterator': { [Symbol.iterator]: raise },
      next: { [Symbol.iterator]: () => ({ next: raise }) },
      'the getter done': {
        [Symbol.iterator]: () => ({
          next: () => ({
            get done() {
              return raise();
            },
          }),
        }),
      },
      'the getter value': {
        [Symbol.iterator]: () => ({
          next: () => ({
            get value() {
              return raise();
            },
          }),
        }),
      },
      'a generator, later': (function* () {
        yield 1;
        raise();
      })(),
    };
    for (const [step, iterable] of Object.entries(iterables)) {
      it(`${name}: an iterator that throws rejects it with that: ${step}`, async () => {
        assert.equal(await rejection(call(iterable)), error);
      });
    }

    it(`${name}: promises that an iterator gave before it threw are handled`, async () => {
      const reasons = await unhandledDuring(async () => {
        const iterable = (function* () {
          yield Promise.reject(new Error('element'));
          raise();
        })();
        assert.equal(await rejection(call(iterable)), error);
      });
      assert.deepEqual(reasons, []);
    });

    it(`${name}: what is no iterable rejects with a TypeError that names it`, async () => {
      for (const value of [undefined, null, 1, {}, noop, (async function* () {})()]) {
        const caught = await rejection(call(value));
        assert.ok(caught instanceof TypeError);
        assert.equal(caught.code, 'ERR_INVALID_ARG_TYPE');
        assert.match(caught.message, /iterable/);
      }
    });

    it(`${name}: no rejection is unhandled, not even one that comes before its turn`, async () => {
      const slow = deferred();
      const reasons = await unhandledDuring(async () => {
        const result = call([slow.promise, Promise.reject(1), clock.sleep(2).then(() => Promise.reject(2))]);
        await clock.advance(5);
        slow.reject(0);
        assert.deepEqual(await over(result), [0, 1, 2].map(rejected));
      });
      assert.deepEqual(reasons, []);
    });

    it(`${name}: a hundred thousand`, async () => {
      const elements = Array.from({ length: 100_000 }, (_, i) => (i % 2 === 0 ? Promise.resolve(i) : i));
      const result = await over(call(elements));
      assert.equal(result.length, 100_000);
      assert.ok(result.every(({ status, value }, i) => status === 'fulfilled' && value === i));
    });
  }

  describe('totalTimeout', () => {
    it('resolves with what there is: what is open is rejected with the one TimeoutError', async () => {
      const began = clock.now;
      const elements = [clock.sleep(5), never(), 'value', Promise.reject('no'), clock.sleep(50), { then: noop }];
      const result = await over(allSettled(elements, { totalTimeout: 10, label: 'pages' }));
      assert.equal(clock.now - began, 10);
      const { reason } = result[1];
      assert.ok(reason instanceof TimeoutError);
      const { scope, timeout, elapsed, label } = reason;
      assert.deepEqual(
        { scope, timeout, elapsed, label },
        { scope: 'total', timeout: 10, elapsed: 10, label: 'pages' },
      );
      assert.deepEqual(result, [
        fulfilled(undefined),
        rejected(reason),
        fulfilled('value'),
        rejected('no'),
        rejected(reason),
        rejected(reason),
      ]);
      for (const i of [4, 5]) assert.equal(result[i].reason, reason);
    });

    it('what is late is swallowed, and the results stay as they were', async () => {
      const open = [deferred(), deferred()];
      const reasons = await unhandledDuring(async () => {
        const elements = open.map(({ promise }) => promise);
        const result = await over(allSettled(elements, { totalTimeout: 10 }));
        const copy = structuredClone(result.map(({ status }) => status));
        open[0].resolve('late');
        open[1].reject(new Error('late'));
        await turn();
        assert.deepEqual(
          result.map(({ status }) => status),
          copy,
        );
        assert.deepEqual(copy, ['rejected', 'rejected']);
      });
      assert.deepEqual(reasons, []);
    });

    it('zero or less resolves all the same; no rejection is unhandled', async () => {
      const reasons = await unhandledDuring(async () => {
        for (const totalTimeout of [0, -5]) {
          const result = await over(allSettled([never(), Promise.reject('no')], { totalTimeout }));
          assert.equal(result.length, 2);
          assert.ok(result[0].reason instanceof TimeoutError);
          assert.ok(result.every(({ status }) => status === 'rejected'));
          assert.deepEqual(await allSettled([], { totalTimeout }), []);
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('is over early when all are settled', async () => {
      const began = clock.now;
      assert.deepEqual(await over(allSettled([clock.sleep(3)], { totalTimeout: 100 })), [fulfilled(undefined)]);
      assert.equal(clock.now - began, 3);
    });
  });

  describe('signal', () => {
    it('rejects at once with the reason; the promises stay handled', async () => {
      const controller = new AbortController();
      const late = deferred();
      const reasons = await unhandledDuring(async () => {
        const result = allSettled([Promise.reject(1), late.promise], { signal: controller.signal });
        result.catch(noop);
        controller.abort('enough');
        assert.match(inspect(result), /<rejected>/);
        assert.equal(await rejection(result), 'enough');
        late.reject(new Error('late'));
      });
      assert.deepEqual(reasons, []);
    });

    it('already aborted: the promises stay handled', async () => {
      const signal = AbortSignal.abort('before');
      const reasons = await unhandledDuring(async () => {
        const result = allSettled([Promise.reject(1), never()], { signal, onProgress: () => assert.fail('called') });
        assert.equal(await rejection(result), 'before');
        assert.equal(await rejection(allSettled([], { signal })), 'before');
      });
      assert.deepEqual(reasons, []);
    });

    it('already aborted: no iterator is taken', async () => {
      const iterable = { [Symbol.iterator]: () => assert.fail('taken') };
      assert.equal(await rejection(allSettled(iterable, { signal: AbortSignal.abort('before') })), 'before');
    });

    it('aborted by the iterator that is being read: it rejects, the promises stay handled', async () => {
      const controller = new AbortController();
      const reasons = await unhandledDuring(async () => {
        const iterable = (function* () {
          yield Promise.reject(1);
          controller.abort('inside');
          yield Promise.reject(2);
        })();
        assert.equal(await rejection(allSettled(iterable, { signal: controller.signal })), 'inside');
      });
      assert.deepEqual(reasons, []);
    });

    it('a result that came first wins', async () => {
      const controller = new AbortController();
      const result = await over(allSettled([1], { signal: controller.signal }));
      controller.abort('late');
      assert.deepEqual(result, [fulfilled(1)]);
    });
  });

  it('the promises of an array are handled when an option is invalid', async () => {
    const reasons = await unhandledDuring(async () => {
      for (const options of [null, 1, { totalTimeout: 'x' }, { limit: 3 }]) {
        await rejection(allSettled([Promise.reject(new Error('element'))], options));
      }
    });
    assert.deepEqual(reasons, []);
  });

  describe('onProgress', () => {
    it('counts what has settled, at most once per turn, and once before it resolves', async () => {
      const reports = [];
      const onProgress = (progress) => {
        assert.ok(!reports.includes(progress));
        reports.push(progress);
      };
      const elements = [
        clock.sleep(2),
        'value',
        Promise.reject('no'),
        clock.sleep(9).then(() => Promise.reject('late')),
      ];
      await over(allSettled(elements, { onProgress }));
      assert.deepEqual(
        reports.map(({ total, started, done, failed }) => [total, started, done, failed]),
        [
          [4, 4, 1, 1],
          [4, 4, 2, 1],
          [4, 4, 2, 2],
        ],
      );
    });

    it('is called once also for nothing', async () => {
      const totals = [];
      assert.deepEqual(await over(allSettled([], { onProgress: ({ total }) => totals.push(total) })), []);
      assert.deepEqual(totals, [0]);
    });

    it('is called before it resolves on its total time', async () => {
      let order = '';
      const options = { totalTimeout: 5, onProgress: () => (order += 'p') };
      await over(allSettled([never()], options).then(() => (order += 'r')));
      assert.match(order, /^p+r$/);
    });

    const error = new Error('progress');
    const raise = () => {
      throw error;
    };
    it('a throw from it, or a rejected promise, when the total time is over rejects the call', async () => {
      for (const answer of [raise, async () => raise()]) {
        clock.reset();
        const onProgress = () => (clock.now === 5 ? answer() : undefined);
        assert.equal(await rejection(over(allSettled([never()], { totalTimeout: 5, onProgress }))), error);
      }
    });

    for (const [name, onProgress] of Object.entries({ 'a throw': raise, 'a rejected promise': async () => raise() })) {
      it(`${name} from it rejects the call; the promises stay handled`, async () => {
        const reasons = await unhandledDuring(async () => {
          const elements = [clock.sleep(5), clock.sleep(3).then(() => Promise.reject('late'))];
          assert.equal(await rejection(over(allSettled(elements, { onProgress }))), error);
          await clock.advance(20);
        });
        assert.deepEqual(reasons, []);
      });
    }
  });
});
