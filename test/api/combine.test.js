'use strict';

// race, any and all.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const vm = require('node:vm');

const fc = require('fast-check');

const { TimeoutError, all, any, race } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { childOf, isChild, itCollects, tellAll } = require('../support/garbage');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { resourcesDuring } = require('../support/resources');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const failure = new Error('failure');
const functions = { race, any, all };
const each = Object.entries(functions);
const builtIn = (name) => (iterable) => Promise[name](iterable);

function throwing() {
  throw failure;
}

/** What came of it, comparable. */
function outcome(promise) {
  return promise.then(
    (value) => ({ value }),
    (error) => (error instanceof AggregateError ? { errors: error.errors, message: error.message } : { error }),
  );
}

function combineTests() {
  describe('as the built-in ones', () => {
    const inputs = {
      'no elements': () => [],
      values: () => [1, 'two', null, undefined, {}],
      'promises that are there': () => [Promise.resolve(1), Promise.resolve(2)],
      'a rejected promise first': () => [Promise.reject(failure), Promise.resolve(2)],
      'a rejected promise last': () => [turn().then(noop), Promise.reject(failure)],
      'rejected promises only': () => [Promise.reject(1), Promise.reject(2), turn().then(() => Promise.reject(3))],
      thenables: () => [{ then: (resolve) => resolve(1) }, { then: (_resolve, reject) => reject(failure) }],
      'a thenable that calls back twice': () => [
        { then: (resolve, reject) => (resolve(1), resolve(2), reject(failure)) },
      ],
      'a thenable that throws': () => [{ then: throwing }],
      'a thenable whose then is a getter that throws': () => [Object.defineProperty({}, 'then', { get: throwing })],
      "another realm's promises": () => [
        vm.runInNewContext('Promise.resolve(1)'),
        vm.runInNewContext('Promise.reject(2)'),
      ],
      'promises of a subclass': () => [class extends Promise {}.resolve(1)],
      'a string': () => 'ab',
      'a set': () => new Set([Promise.resolve(1), 2]),
      'a generator': () =>
        (function* () {
          yield Promise.resolve(1);
          yield 2;
        })(),
      'the same promise twice': () => [Promise.resolve(1)].flatMap((one) => [one, one]),
      'an iterator that throws': () =>
        (function* () {
          yield Promise.reject(new Error('unnoticed'));
          throw failure;
        })(),
    };
    for (const [name, combine] of each) {
      for (const [what, input] of Object.entries(inputs)) {
        if (name === 'race' && what === 'no elements') continue;
        it(`${name}: ${what}`, async () => {
          const reasons = await unhandledDuring(async () => {
            assert.deepEqual(await outcome(combine(input())), await outcome(builtIn(name)(input())));
            const { signal } = new AbortController();
            const options = { signal, totalTimeout: 10_000 };
            assert.deepEqual(await outcome(combine(input(), options)), await outcome(builtIn(name)(input())));
            assert.equal(getEventListeners(signal, 'abort').length, 0);
          });
          assert.deepEqual(reasons, []);
        });
      }
    }

    it('random programs settle in the same order, in the same microtask', async () => {
      await fc.assert(
        fc.asyncProperty(programs, async (program) => {
          const ours = await execute(program, functions);
          const theirs = await execute(program, { race: builtIn('race'), any: builtIn('any'), all: builtIn('all') });
          assert.deepEqual(ours, theirs);
        }),
        { numRuns: 1000 },
      );
    });
  });

  it('race of nothing, which would never settle, is a RangeError; with an end from outside it waits for that', async () => {
    for (const nothing of [[], new Set(), '']) {
      const error = await rejection(race(nothing));
      assert.ok(error instanceof RangeError);
      assert.equal(error.code, 'ERR_OUT_OF_RANGE');
      assert.equal((await rejection(race(nothing, { totalTimeout: Infinity }))).code, 'ERR_OUT_OF_RANGE');
      assert.equal((await rejection(race(nothing, { totalTimeout: 1 }))).code, 'ERR_SLUICE_TIMEOUT');
      const controller = new AbortController();
      const waiting = rejection(race(nothing, { signal: controller.signal }));
      controller.abort('over');
      assert.equal(await waiting, 'over');
    }
  });

  describe('functions among the elements', () => {
    for (const [name, combine] of each) {
      it(`${name} calls them at once, in order, with their context`, async () => {
        const seen = [];
        const call = combine([
          (...given) => {
            assert.equal(given.length, 1);
            const { index, attempt, signal, remaining } = given[0];
            seen.push([index, attempt, signal.aborted, remaining]);
          },
          Promise.resolve(),
          ({ index }) => seen.push(index),
        ]);
        assert.deepEqual(seen, [[0, 1, false, Infinity], 2]);
        await call;
      });

      it(`${name}: what they return counts, and what they throw`, async () => {
        assert.deepEqual(await combine([() => 'value']), name === 'all' ? ['value'] : 'value');
        assert.deepEqual(await combine([async () => 'value']), name === 'all' ? ['value'] : 'value');
        const error = await rejection(combine([throwing]));
        assert.equal(name === 'any' ? error.errors[0] : error, failure);
      });

      it(`${name}: an error in one names who called`, async () => {
        async function whoAsks() {
          await combine([
            async () => {
              await turn();
              throw new Error('in the function');
            },
          ]);
        }
        const error = await rejection(whoAsks());
        assert.match((error.errors?.[0] ?? error).stack, /whoAsks/);
      });
    }

    for (const [name, settle] of [
      ['race', ({ resolve }) => resolve(1)],
      ['race', ({ reject }) => reject(1)],
      ['any', ({ resolve }) => resolve(1)],
    ]) {
      it(`${name}: the signals of the losers abort when it is over, the winner's does not`, async () => {
        const winner = deferred();
        const contexts = [];
        const reasons = [];
        let isSettled = false;
        const losing = (context) => {
          contexts.push(context);
          context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
          return never();
        };
        let mine;
        const call = functions[name]([
          losing,
          (ctx) => ((mine = ctx), winner.promise),
          losing,
          (ctx) => (contexts.push(ctx), never()),
        ]);
        call.then(noop, noop).then(() => (isSettled = true));
        settle(winner);
        await undefined;
        assert.equal(isSettled, false, 'it has just settled');
        assert.equal(reasons.length, 2);
        assert.equal(reasons[0], reasons[1]);
        assert.equal(reasons[0].name, 'AbortError');
        assert.ok(reasons[0] instanceof DOMException);
        assert.equal(contexts[2].signal.reason, reasons[0], 'who asks late hears of it too');
        assert.equal(mine.signal.aborted, false);
        assert.equal(contexts[0].remaining, 0);
        await call.catch(noop);
      });
    }

    it('all: the first error aborts the others, those that have ended aside', async () => {
      for (const error of [failure, null, 'reason']) {
        const contexts = [];
        const call = all([
          async (ctx) => void contexts.push(ctx, ctx.signal),
          (ctx) => (contexts.push(ctx), ctx.signal, never()),
          () => turn().then(() => Promise.reject(error)),
        ]);
        assert.equal(await rejection(call), error);
        assert.equal(contexts[0].signal.aborted, false);
        assert.equal(contexts[2].signal.reason, error);
      }
    });

    it('any: a function that failed is not aborted; when all have failed nobody is', async () => {
      const contexts = [];
      const failing = async (ctx) => {
        contexts.push(ctx);
        return Promise.reject(ctx.signal);
      };
      await rejection(any([failing, failing]));
      await any([failing, turn]);
      for (const { signal } of contexts) assert.equal(signal.aborted, false);
    });

    it('an iterator that throws behind them aborts them with its error', async () => {
      for (const [, combine] of each) {
        let signal;
        const reasons = await unhandledDuring(async () => {
          const call = combine(
            (function* () {
              yield (ctx) => (({ signal } = ctx), turn().then(() => Promise.reject(new Error('late'))));
              yield Promise.reject(new Error('unnoticed'));
              throw failure;
            })(),
          );
          assert.equal(await rejection(call), failure);
        });
        assert.deepEqual(reasons, []);
        assert.equal(signal.reason, failure);
      }
    });

    it('there is no time left for one that has ended, though the others go on', async () => {
      const contexts = [];
      const call = all([async (ctx) => void contexts.push(ctx), (ctx) => (contexts.push(ctx), turn())]);
      await undefined;
      await undefined;
      assert.deepEqual(
        contexts.map(({ remaining }) => remaining),
        [0, Infinity],
      );
      await call;
    });

    it('what they take for the context of who called is given back', async () => {
      const { taken, out } = await resourcesDuring(async () => {
        await race([never(), noop, (ctx) => (ctx.signal, never())]);
        await rejection(all([throwing, () => never()]));
        await all([noop], { totalTimeout: 1000 });
      });
      assert.deepEqual({ taken, out }, { taken: 4, out: 0 });
    });

    it('listeners run in the context of who called, whoever ends it', async () => {
      const storage = new AsyncLocalStorage();
      const shared = deferred();
      const controller = new AbortController();
      const seen = [];
      const listening = (i) => (ctx) => {
        ctx.signal.addEventListener('abort', () => seen.push([i, storage.getStore()]));
        return never();
      };
      const calls = [
        storage.run(0, () => race([shared.promise, listening(0)])),
        storage.run(1, () => race([shared.promise, listening(1)])),
        storage.run(2, () => race([listening(2)], { signal: controller.signal })),
        storage.run(3, () => race([listening(3)], { totalTimeout: 0.01 })),
      ];
      storage.run('stranger', () => controller.abort('over'));
      storage.run('stranger', () => shared.resolve());
      await Promise.allSettled(calls);
      assert.deepEqual(
        seen.sort(([a], [b]) => a - b),
        [0, 1, 2, 3].map((i) => [i, i]),
      );
    });
  });

  describe('an end from outside', () => {
    const clock = virtualClock();
    afterEach(assertNothingLeft);

    for (const [name, combine] of each) {
      it(`${name}: the total time`, async () => {
        const contexts = [];
        const call = combine([never(), (ctx) => (contexts.push(ctx), never())], { totalTimeout: 12.5, label: 'calls' });
        assert.equal(contexts[0].remaining, 12.5);
        await clock.advance(2.5);
        assert.equal(contexts[0].remaining, 10);
        const error = await rejection(clock.over(call));
        assert.ok(error instanceof TimeoutError);
        const { scope, timeout, elapsed, label, index, attempt } = error;
        assert.deepEqual(
          { scope, timeout, elapsed, label, index, attempt },
          { scope: 'total', timeout: 12.5, elapsed: 12.5, label: 'calls', index: undefined, attempt: undefined },
        );
        assert.equal(contexts[0].signal.reason, error);
        assert.equal(contexts[0].remaining, 0);
      });

      it(`${name}: in time, and what has arrived wins`, async () => {
        const call = combine([clock.sleep(5).then(() => 'value')], { totalTimeout: 5 });
        assert.deepEqual(await clock.over(call), name === 'all' ? ['value'] : 'value');
        assert.deepEqual(await combine(['value'], { totalTimeout: 5 }), name === 'all' ? ['value'] : 'value');
      });

      it(`${name}: a total time that has passed already starts nothing`, async () => {
        const reasons = await unhandledDuring(async () => {
          for (const totalTimeout of [0, -1]) {
            const elements = [() => assert.fail('called'), Promise.reject(failure)];
            for (const given of [elements, elements.values()]) {
              assert.equal((await rejection(combine(given, { totalTimeout }))).code, 'ERR_SLUICE_TIMEOUT');
            }
          }
        });
        assert.deepEqual(reasons, []);
      });

      it(`${name}: a signal`, async () => {
        const controller = new AbortController();
        const { signal } = controller;
        const late = deferred();
        const reasons = await unhandledDuring(async () => {
          let context;
          const call = combine([late.promise, (ctx) => ((context = ctx), never())], { signal });
          controller.abort('over');
          assert.equal(context.signal.reason, 'over');
          assert.equal(await rejection(call), 'over');
          late.reject(failure);
        });
        assert.deepEqual(reasons, []);
        assert.equal(getEventListeners(signal, 'abort').length, 0);
      });

      it(`${name}: a signal that is aborted already: no iterator is taken, no function called`, async () => {
        const signal = AbortSignal.abort('over');
        const reasons = await unhandledDuring(async () => {
          const untouched = { [Symbol.iterator]: () => assert.fail('taken') };
          assert.equal(await rejection(combine(untouched, { signal })), 'over');
          assert.equal(
            await rejection(combine([() => assert.fail('called'), Promise.reject(failure)], { signal })),
            'over',
          );
          assert.equal((await rejection(combine(undefined, { signal }))).code, 'ERR_INVALID_ARG_TYPE');
        });
        assert.deepEqual(reasons, []);
      });

      it(`${name}: a function that aborts the call itself: the rest is not started, and what was opened is closed`, async () => {
        const reasons = await unhandledDuring(async () => {
          const controller = new AbortController();
          let isClosed = false;
          const signals = [];
          function* elements() {
            try {
              yield ({ signal }) => (signals.push(signal), Promise.reject(failure));
              yield ({ signal }) => {
                signals.push(signal);
                controller.abort('over');
                return Promise.reject(failure);
              };
              yield () => assert.fail('called');
            } finally {
              isClosed = true;
            }
          }
          assert.equal(await rejection(combine(elements(), { signal: controller.signal })), 'over');
          assert.ok(isClosed);
          for (const { reason } of signals) assert.equal(reason, 'over');
          const again = new AbortController();
          const array = [() => again.abort('over'), Promise.reject(failure), () => assert.fail('called')];
          assert.equal(await rejection(combine(array, { signal: again.signal })), 'over');
        });
        assert.deepEqual(reasons, []);
      });
    }

    for (const [name, combine] of each) {
      it(`${name}: an iterator that aborts the call itself`, async () => {
        const reasons = await unhandledDuring(async () => {
          for (const last of [
            { done: false, value: () => assert.fail('called') },
            { done: false, value: Promise.reject(failure) },
            { done: true },
          ]) {
            for (const where of ['next', 'done']) {
              const controller = new AbortController();
              let closed = 0;
              let count = 0;
              const iterator = {
                next() {
                  if (++count < 3) return { done: false, value: never() };
                  if (where === 'next') controller.abort('over');
                  return {
                    get done() {
                      if (where === 'done') controller.abort('over');
                      return last.done;
                    },
                    value: last.value,
                  };
                },
                return() {
                  closed++;
                  return Promise.reject(failure);
                },
              };
              const call = combine({ [Symbol.iterator]: () => iterator }, { signal: controller.signal });
              assert.equal(await rejection(call), 'over');
              assert.deepEqual([count, closed], [3, last.done ? 0 : 1]);
            }
          }
        });
        assert.deepEqual(reasons, []);
      });
    }

    it('of nothing, what is known without time', async () => {
      assert.deepEqual(await all([], { totalTimeout: 0 }), []);
      assert.deepEqual(await all(new Set(), { totalTimeout: 0 }), []);
      assert.ok((await rejection(any([], { totalTimeout: 0 }))) instanceof AggregateError);
      assert.equal((await rejection(race([], { totalTimeout: 0 }))).code, 'ERR_SLUICE_TIMEOUT');
    });
  });

  describe('arguments', () => {
    it('what is wrong with them is said, and promises among the elements stay handled', async () => {
      const cases = {
        'no iterable': [undefined],
        'an object': [{}],
        'a number': [5],
        'an unknown option': [[1], { timout: 5 }],
        'unref, which there is not': [[1], { unref: true }],
        'totalTimeout: NaN': [[1], { totalTimeout: NaN }],
        'signal: an object': [[1], { signal: {} }],
        'options: null': [[1], null],
        'options: a number': [[1], 5],
      };
      for (const [, combine] of each) {
        for (const [what, [iterable, options]] of Object.entries(cases)) {
          const error = await rejection(combine(iterable, options));
          assert.match(error.code, /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/, what);
        }
        const reasons = await unhandledDuring(async () => {
          await rejection(combine([Promise.reject(failure), () => assert.fail('called')], { timout: 1 }));
        });
        assert.deepEqual(reasons, []);
        assert.match((await rejection(combine([1], { timout: 5 }))).message, /options\.timout/);
        await combine([1], { signal: undefined, totalTimeout: undefined, label: undefined });
        await combine([1], undefined);
      }
    });

    it('a getter among the elements that throws ends the call, and promises behind it stay handled', async () => {
      const reasons = await unhandledDuring(async () => {
        for (const [, combine] of each) {
          const elements = [1, Promise.reject(new Error('unnoticed'))];
          Object.defineProperty(elements, 0, { get: throwing });
          assert.equal(await rejection(combine(elements)), failure);
        }
      });
      assert.deepEqual(reasons, []);
    });

    it('hostile elements', async () => {
      const trap = () => assert.fail('trap');
      const proxy = new Proxy({}, { get: throwing, getPrototypeOf: throwing });
      const strange = Object.defineProperty(Promise.resolve(), 'constructor', { get: throwing });
      for (const element of [proxy, strange]) {
        for (const [name, combine] of each) {
          const error = await rejection(combine([element]));
          assert.equal(name === 'any' ? error.errors[0] : error, failure);
        }
      }
      const replaced = Object.assign(Promise.resolve('value'), { then: trap });
      assert.equal(await race([replaced]), 'value');
      for (const iterator of [null, 5, { next: () => 5 }, { next: throwing }, {}]) {
        for (const [, combine] of each) await rejection(combine({ [Symbol.iterator]: () => iterator }));
      }
    });

    it("a subclass's promise that calls back twice counts once, and is asked once, however often it is raced", async () => {
      let asked = 0;
      class Twice extends Promise {
        then(resolve) {
          asked++;
          resolve('value');
          resolve('second');
        }
      }
      const promise = new Twice(noop);
      assert.deepEqual(await all([promise, promise]), ['value', 'value']);
      assert.equal(await race([promise, never()]), 'value');
      assert.equal(asked, 1);
    });
  });

  describe('members of a promise’s hub', () => {
    it('come and go in any order', async () => {
      const shared = deferred();
      const own = Array.from({ length: 8 }, deferred);
      const calls = own.map(({ promise }) => race([shared.promise, promise]));
      for (const i of [0, 7, 3, 4]) {
        own[i].resolve(i);
        assert.equal(await calls[i], i);
      }
      shared.resolve('shared');
      for (const i of [1, 2, 5, 6]) assert.equal(await calls[i], 'shared');
    });

    it('are told though one of them has the others leave, or joins anew', async () => {
      const shared = deferred();
      const controller = new AbortController();
      const late = [];
      const listening = (ctx) => {
        ctx.signal.addEventListener('abort', () => {
          controller.abort('over');
          late.push(race([shared.promise, never()]));
        });
        return never();
      };
      const calls = [
        race([shared.promise, never()]),
        race([shared.promise, shared.promise], { signal: controller.signal }),
        race([shared.promise, listening]),
        race([shared.promise, never()], { signal: controller.signal }),
      ].map(outcome);
      await turn();
      shared.resolve('shared');
      const outcomes = await Promise.all(calls);
      assert.deepEqual(outcomes[0], { value: 'shared' });
      assert.deepEqual(outcomes[2], { value: 'shared' });
      for (const one of [outcomes[1], outcomes[3]]) assert.ok(one.value === 'shared' || one.error === 'over');
      assert.deepEqual(await Promise.all(late), ['shared']);
    });
  });
}

// A program: elements by number, calls of the three over some of them, promises that settle, microtasks that go by.

const COUNT = 6;
const index = fc.nat({ max: COUNT - 1 });
const element = fc.constantFrom('value', 'fulfilled', 'rejected', 'open', 'open', 'open', 'thenable', 'late thenable');
const operation = fc.oneof(
  fc.record({
    kind: fc.constant('call'),
    name: fc.constantFrom('race', 'any', 'all'),
    of: fc.array(index, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('settle'), which: index, isFulfilled: fc.boolean() }),
  fc.record({ kind: fc.constant('wait'), ticks: fc.integer({ min: 1, max: 3 }) }),
);
const programs = fc.record({
  elements: fc.array(element, { minLength: COUNT, maxLength: COUNT }),
  operations: fc.array(operation, { maxLength: 14, size: 'max' }),
});

/** What its calls come to, and in which microtask. */
async function execute({ elements, operations }, combine) {
  const made = elements.map(make);
  const log = [];
  let tick = 0;
  let calls = 0;
  const noteOn = (promise) => {
    const call = calls++;
    promise.then(
      (value) => log.push({ call, tick, value }),
      (error) => log.push({ call, tick, error: error instanceof AggregateError ? error.errors : error }),
    );
  };
  for (const { kind, name, of, which, isFulfilled, ticks } of operations) {
    if (kind === 'call') noteOn(combine[name](of.map((i) => made[i].value)));
    else if (kind === 'settle') made[which][isFulfilled ? 'resolve' : 'reject']?.(`${which} ${isFulfilled}`);
    else for (let i = 0; i < ticks; i++) await tick++;
  }
  for (const { resolve } of made) resolve?.('in the end');
  for (let i = 0; i < 30; i++) await tick++;
  return log;
}

function make(kind, i) {
  switch (kind) {
    case 'value':
      return { value: i };
    case 'fulfilled':
      return { value: Promise.resolve(i) };
    case 'rejected':
      return { value: handled(Promise.reject(i)) };
    case 'thenable':
      return { value: { then: (resolve) => resolve(i) } };
    case 'late thenable':
      return { value: { then: async (_resolve, reject) => (await undefined, reject(i)) } };
    default: {
      const open = deferred();
      handled(open.promise);
      return { value: open.promise, resolve: open.resolve, reject: open.reject };
    }
  }
}

function handled(promise) {
  promise.catch(noop);
  return promise;
}

// name -> async (keep) => what the scenario holds on to; keep(name, object): the object must be collectable at its end.
const scenarios = {
  'what was raced against a promise that lives on': async (keep) => {
    const open = deferred();
    for (const combine of [race, any]) {
      for (let i = 0; i < 3; i++) {
        const value = { big: Buffer.alloc(1000) };
        const own = Promise.resolve(value);
        const call = combine([open.promise, own, () => open.promise]);
        keep('value', await call);
        keep('call', call);
        keep('own', own);
      }
    }
    return [open];
  },
  'a call with a promise that lives on, when it was cut off': async (keep) => {
    const open = deferred();
    const controller = new AbortController();
    for (const combine of [race, any, all]) {
      const fn = ({ signal }) => (keep('signal', signal), open.promise);
      const own = { own: true };
      keep('fn', fn);
      keep('own', own);
      const ends = [{ totalTimeout: 1 }, { signal: controller.signal }];
      const calls = ends.map((end) => rejection(combine([open.promise, fn, open.promise, turn().then(never)], end)));
      setTimeout(() => controller.abort(own), 5);
      keep('error', await calls[0]);
      await calls[1];
    }
    return [open];
  },
  'a call beside one that still waits, when what both waited for is there': async (keep) => {
    const shared = deferred();
    const open = deferred();
    const call = all([shared.promise, open.promise]);
    all([shared.promise, ({ signal }) => (keep('signal', signal), never())]);
    shared.resolve();
    await turn();
    return [open, call];
  },
  "what was raced against another realm's promise, and a subclass's": async (keep) => {
    const realm = vm.runInNewContext('new Promise(() => {})');
    const own = new (class extends Promise {})(noop);
    for (const lasting of [realm, own]) {
      const value = { value: true };
      keep('value', await race([lasting, Promise.resolve(value)]));
    }
    return [realm, own];
  },
};

/** How much promises that live on keep of so many races. */
async function grow([lastingOnes, count]) {
  const lasting = lastingOnes();
  const heap = () => {
    global.gc();
    return process.memoryUsage().heapUsed;
  };
  const racing = async (times) => {
    for (let i = 0; i < times; i++) await race([...lasting, i]);
  };
  await racing(10_000);
  const before = heap();
  await racing(count);
  return { grown: heap() - before };
}

const growing = {
  'a promise that lives on, raced a million times': [() => [never()], 1_000_000],
  "another realm's": [() => [vm.runInNewContext('new Promise(() => {})')], 100_000],
  'one that has settled': [() => [never(), Promise.resolve()], 100_000],
};

if (isChild) {
  tellAll(scenarios).then(() => tellAll(growing, grow));
} else {
  describe('race, any, all', () => {
    combineTests();

    describe('what they leave behind', () => {
      const told = childOf(__filename);
      itCollects(scenarios, told);

      for (const name of Object.keys(growing)) {
        it(`keeps nothing: ${name}`, () => {
          const { grown } = told(name);
          assert.ok(grown < 1_000_000, `${grown} bytes more`);
        });
      }
    });
  });
}
