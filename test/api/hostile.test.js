'use strict';

// Values that misbehave where nobody expects user code: getters of items, proxies of promises, signals by shape, hooks.
// Nothing is thrown synchronously, nothing stays pending or open, no rejection is unhandled.

const assert = require('node:assert/strict');
const { createHook } = require('node:async_hooks');
const { runInNewContext } = require('node:vm');

const { allSettled, execute, mapSettled, mapWithLimit, retry, sleep, withTimeout } = require('../..');
const { usage } = require('../../lib/engine');
const { rejection, turn } = require('../support/outcomes');

const never = () => new Promise(() => {});
const soon = (value) => new Promise((resolve) => setImmediate(resolve, value));
const itself = (value) => value;

/** An array of which reading element `at` throws, from the `reads`th time on. */
function withGetter(length, at, reads = 1) {
  const items = Array.from({ length }, (_, index) => index);
  let count = 0;
  return Object.defineProperty(items, at, {
    get() {
      if (++count >= reads) throw new Error('getter');
      return at;
    },
  });
}

/** What `await` takes for a thenable, and `instanceof` for a promise. */
function proxyOf(promise) {
  return new Proxy(promise, {
    get: (target, key) => (key === 'then' ? target.then.bind(target) : Reflect.get(target, key)),
  });
}

describe('hostile values', () => {
  const unhandled = [];
  const note = (reason) => unhandled.push(reason);
  before(() => process.on('unhandledRejection', note));
  after(() => process.off('unhandledRejection', note));

  afterEach(async () => {
    await turn();
    await turn();
    const { jobs, lanes } = usage();
    assert.deepEqual({ jobs, lanes, unhandled }, { jobs: 0, lanes: 0, unhandled: [] });
  });

  describe('items', () => {
    for (const options of [undefined, { totalTimeout: 1000 }, { rate: 1e6 }, { drain: true }]) {
      it(`an element whose getter throws rejects the call: ${JSON.stringify(options)}`, async () => {
        assert.equal((await rejection(mapWithLimit(withGetter(1, 0), 1, itself, options))).message, 'getter');
      });

      it(`one that throws later does too, and nothing starts after it: ${JSON.stringify(options)}`, async () => {
        const started = [];
        const mapper = (item) => {
          started.push(item);
          return soon();
        };
        const call = mapWithLimit(withGetter(8, 3, 2), 2, mapper, options);
        assert.equal((await rejection(call)).message, 'getter');
        await turn();
        assert.deepEqual(started, [0, 1, 2]);
      });
    }

    for (const call of [(items) => mapWithLimit(items, 1, itself), (items) => allSettled(items)]) {
      it(`a proxy that throws, and one that is revoked, reject the call: ${call}`, async () => {
        const trap = () => {
          throw new Error('trap');
        };
        assert.equal((await rejection(call(new Proxy([], { get: trap })))).message, 'trap');
        const { proxy, revoke } = Proxy.revocable([], {});
        revoke();
        assert.ok((await rejection(call(proxy))) instanceof TypeError);
      });
    }

    it('a then getter that throws is an element that is rejected: it is asked once', async () => {
      let reads = 0;
      const element = {
        get then() {
          reads++;
          throw new Error('then');
        },
      };
      const call = mapWithLimit([element], 1, itself, { retry: { retries: 3, delay: 0 } });
      assert.equal((await rejection(call)).message, 'then');
      assert.equal(reads, 1);
    });

    it('a then getter that ends the call: the mapper is not called', async () => {
      const controller = new AbortController();
      const element = {
        get then() {
          controller.abort('ended');
          return undefined;
        },
      };
      const mapper = () => assert.fail('the mapper was called');
      assert.equal(await rejection(mapWithLimit([element], 1, mapper, { signal: controller.signal })), 'ended');
    });

    it('a getter that uses the package between a decision and its reading changes nothing', async () => {
      const element = {
        get [Symbol.toStringTag]() {
          const controller = new AbortController();
          const inner = mapWithLimit([1], 1, () => soon(), { drain: true, signal: controller.signal });
          inner.catch(() => {});
          controller.abort();
          return 'X';
        },
      };
      const error = await rejection(mapWithLimit([element], 2, itself, { totalTimeout: 0 }));
      assert.equal(error.scope, 'total');
      await soon();
    });

    it('an array that grows or shrinks: on the total timeout there is one outcome for each item there was', async () => {
      const growing = [0, 1, 2];
      const grow = () => {
        if (growing.length < 6) growing.push(growing.length);
        return never();
      };
      const grown = await mapSettled(growing, 10, grow, { totalTimeout: 1 });
      assert.deepEqual(
        grown.map(({ status }) => status),
        Array.from({ length: 6 }, () => 'rejected'),
      );
      const shrinking = [0, 1, 2, 3, 4];
      const shrink = () => {
        shrinking.length = 2;
        return never();
      };
      const reports = [];
      const onProgress = ({ total }) => reports.push(total);
      assert.equal((await mapSettled(shrinking, 1, shrink, { totalTimeout: 1, onProgress })).length, 2);
      assert.equal(reports.at(-1), 2);
    });
  });

  describe('what looks like a promise', () => {
    const ways = {
      'a proxy of a promise, guarded': () => withTimeout(proxyOf(soon('value')), 1000),
      'a proxy of a promise, as work': () => withTimeout(() => proxyOf(soon('value')), 1000),
      'a proxy of a promise, retried': () => retry(() => proxyOf(soon('value'))),
      'a proxy of a promise, from a mapper': async () => (await mapWithLimit([1], 1, () => proxyOf(soon('value'))))[0],
      'a proxy of a promise, settled': async () => (await allSettled([proxyOf(soon('value'))]))[0].value,
      'a proxy of a promise, from onProgress': async () =>
        (await mapWithLimit(['value'], 1, itself, { onProgress: () => proxyOf(soon()) }))[0],
    };
    for (const [name, call] of Object.entries(ways)) {
      it(`${name}: its value`, async () => assert.equal(await call(), 'value'));
    }

    it('an object whose prototype is that of promises is rejected, as the built-in has it', async () => {
      const thing = () => Object.create(Promise.prototype);
      const [{ status, reason }] = await allSettled([thing()]);
      assert.equal(status, 'rejected');
      assert.ok(reason instanceof TypeError);
      assert.ok((await rejection(withTimeout(thing(), 1000))) instanceof TypeError);
    });

    it('a fallback that is a rejected promise, and is not needed', async () => {
      assert.equal(await withTimeout(soon(1), 1000, Promise.reject(new Error('fallback'))), 1);
      const fallback = Promise.reject(new Error('fallback'));
      assert.equal(await withTimeout(soon(1), { timeout: 1000, fallback }), 1);
    });
  });

  describe('signals by shape', () => {
    const nothing = () => {};
    const signals = {
      'addEventListener throws': () => ({
        aborted: false,
        addEventListener() {
          throw new Error('signal');
        },
        removeEventListener: nothing,
      }),
      'aborted throws the second time': () => {
        let reads = 0;
        return {
          get aborted() {
            if (++reads > 1) throw new Error('signal');
            return false;
          },
          addEventListener: nothing,
          removeEventListener: nothing,
        };
      },
    };
    const calls = {
      withTimeout: (signal) => withTimeout(never(), { timeout: 5000, signal }),
      mapWithLimit: (signal) => mapWithLimit([1], 1, never, { totalTimeout: 5000, signal }),
      sleep: (signal) => sleep(5000, { signal }),
      retry: (signal) => retry(never, { timeout: 5000, signal }),
      execute: async (signal) => {
        const { error } = await execute(never, { timeout: 5000, signal });
        throw error;
      },
    };
    for (const [how, make] of Object.entries(signals)) {
      for (const [name, call] of Object.entries(calls)) {
        it(`${how}: ${name} rejects with that, and leaves nothing open`, async () => {
          assert.equal((await rejection(call(make()))).message, 'signal');
        });
      }
    }

    it('after withTimeout has resolved its attempt is over: an abort then is not heard, nothing remains', async () => {
      const controller = new AbortController();
      let context;
      const work = (ctx) => {
        context = ctx;
        void ctx.signal;
        return soon('value');
      };
      await withTimeout(work, { timeout: 5000, signal: controller.signal });
      assert.equal(context.remaining, 0);
      controller.abort();
      assert.equal(context.signal.aborted, false);
    });
  });

  it('hooks of async_hooks may use the package before a wake is heard', async () => {
    let isInside = false;
    const hook = createHook({
      before() {
        if (isInside) return;
        isInside = true;
        sleep(0).catch(() => {});
        isInside = false;
      },
    });
    hook.enable();
    try {
      assert.deepEqual(await mapWithLimit([1, 2, 3], 2, itself, { rate: { max: 1, per: 2 } }), [1, 2, 3]);
      const error = await rejection(mapWithLimit([1], 1, never, { timeout: 2, retry: { retries: 1, delay: 0 } }));
      assert.equal(error.attempt, 2);
    } finally {
      hook.disable();
    }
    await sleep(5);
  });

  describe('options', () => {
    class Options {
      get timeout() {
        return 1;
      }
    }

    it('getters of a class count', async () => {
      assert.equal((await rejection(mapWithLimit([1], 1, never, new Options()))).timeout, 1);
      assert.equal((await rejection(retry(never, Object.create({ retries: 0, timeout: 1 })))).timeout, 1);
    });

    it('objects without a prototype, or of another realm, are as good', async () => {
      for (const make of [() => Object.create(null), () => runInNewContext('({})')]) {
        assert.deepEqual(await mapWithLimit([1], 1, itself, make()), [1]);
        assert.equal((await rejection(mapWithLimit([1], 1, never, Object.assign(make(), { timeout: 1 })))).timeout, 1);
      }
    });

    for (const value of [Promise.resolve({ timeout: 1 }), new Date(), new Map([['timeout', 1]])]) {
      it(`an instance of ${value.constructor.name} is none, and is named`, async () => {
        const calls = [
          mapWithLimit([1], 1, itself, value),
          mapSettled([1], 1, itself, value),
          retry(itself, value),
          execute(itself, value),
          allSettled([], value),
          withTimeout(1, value),
          sleep(1, value),
        ];
        for (const call of calls) {
          const error = await rejection(call);
          assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
          assert.match(error.message, /"options"/);
        }
      });
    }

    it('an argument whose getters throw is an argument like any other', async () => {
      const value = {
        get constructor() {
          throw new Error('getter');
        },
      };
      const error = await rejection(mapWithLimit([1], value, itself));
      assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
      assert.match(error.message, /"limit"/);
    });
  });
});
