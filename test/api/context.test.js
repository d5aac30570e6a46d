'use strict';

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('node:async_hooks');
const { allSettled, mapWithLimit, retry, sleep, withTimeout } = require('../..');

const storage = new AsyncLocalStorage();
const never = () => new Promise(() => {});
const turn = () => new Promise(setImmediate);

describe('async context: every user callback runs in its caller’s', () => {
  /** Runs a call in a store of its own, beside another in another store; what each callback saw must be its own. */
  async function inOwnStore(call) {
    const seen = { a: [], b: [] };
    const see = (name) => (what) => seen[name].push([what, storage.getStore()]);
    const calls = ['a', 'b'].map((name) => storage.run(name, () => call(see(name))));
    await storage.run('outside', () => Promise.all(calls));
    for (const name of ['a', 'b']) {
      assert.ok(seen[name].length > 0);
      for (const [what, store] of seen[name]) assert.equal(store, name, what);
    }
    return seen.a.map(([what]) => what);
  }

  it('the first items, later ones, and those after a turn of the loop', () =>
    inOwnStore((see) =>
      mapWithLimit([1, 2, 3, 4, 5], 2, async (item) => {
        see(`item ${item}`);
        await turn();
        see(`item ${item}, later`);
      }),
    ));

  it('a retry after a backoff', async () => {
    const seen = await inOwnStore((see) =>
      mapWithLimit(
        [1, 2],
        2,
        (item, _index, { attempt }) => (see(`attempt ${attempt}`), attempt < 3 ? never() : item),
        {
          timeout: 1,
          retry: { retries: 3, delay: 1 },
        },
      ),
    );
    assert.ok(seen.includes('attempt 3'));
  });

  it('a retry of retry(), after a timer', async () => {
    const seen = await inOwnStore((see) =>
      retry(({ attempt }) => (see(`attempt ${attempt}`), attempt < 3 ? Promise.reject(new Error('again')) : 1), 3, 1),
    );
    assert.ok(seen.includes('attempt 3'));
  });

  it('the abort of ctx.signal by an attempt timeout, a total timeout and a first failure', async () => {
    const listen = (see, what, signal) => signal.addEventListener('abort', () => see(what));
    await inOwnStore((see) =>
      mapWithLimit([1], 1, (_1, _2, { signal }) => (listen(see, 'attempt', signal), never()), { timeout: 1 }).catch(
        String,
      ),
    );
    await inOwnStore((see) =>
      mapWithLimit([1], 1, (_1, _2, { signal }) => (listen(see, 'total', signal), never()), { totalTimeout: 1 }).catch(
        String,
      ),
    );
    await inOwnStore((see) =>
      mapWithLimit([1, 2], 2, async (item, _2, { signal }) => {
        listen(see, 'failure', signal);
        await turn();
        if (item === 1) throw new Error('first');
        return never();
      }).catch(String),
    );
    await inOwnStore((see) =>
      withTimeout(({ signal }) => (listen(see, 'withTimeout', signal), never()), 1).catch(String),
    );
  });

  it('the abort of ctx.signal by the caller’s signal, aborted from elsewhere', async () => {
    const controller = new AbortController();
    const calls = inOwnStore((see) =>
      mapWithLimit([1], 1, (_1, _2, { signal }) => (signal.addEventListener('abort', () => see('abort')), never()), {
        signal: controller.signal,
      }).catch(String),
    );
    storage.run('elsewhere', () => controller.abort());
    await calls;
  });

  it('onProgress, and a fallback', async () => {
    await inOwnStore((see) => mapWithLimit([1, 2, 3], 1, turn, { onProgress: () => see('progress') }));
    await inOwnStore((see) => withTimeout(never(), { timeout: 1, fallback: () => see('fallback') }));
    await inOwnStore((see) => allSettled([turn(), sleep(2)], { onProgress: () => see('progress') }));
  });

  it('after a yield, and in an iterator that is read from a wake', async () => {
    const seen = await inOwnStore((see) => {
      function* source() {
        for (let i = 0; i < 5; i++) {
          see('next');
          yield i;
        }
      }
      return mapWithLimit(source(), 1, () => see('mapper'), { yieldAfter: 0 });
    });
    assert.deepEqual(seen.slice(0, 4), ['next', 'mapper', 'next', 'mapper']);
  });

  it('an async source', () =>
    inOwnStore((see) => {
      async function* source() {
        for (let i = 0; i < 3; i++) {
          see('next');
          await turn();
          yield i;
        }
      }
      return mapWithLimit(source(), 2, async () => (await turn(), see('mapper')));
    }));
});

describe('stacks: an error names the function that called, as under a bare await', () => {
  async function stackOf(call) {
    // The name is looked for in the stack, so it must be a function's own.
    async function theCaller() {
      await call();
    }
    const error = await theCaller().then(assert.fail, (reason) => reason);
    return error.stack;
  }

  const boom = () => new Error('boom');
  const cases = {
    'a mapper that throws at once, among the first items': () =>
      mapWithLimit([1], 1, () => {
        throw boom();
      }),
    'a mapper, after an await': () =>
      mapWithLimit([1, 2], 2, async () => {
        await turn();
        throw boom();
      }),
    'a mapper that throws at once, at a later item': () =>
      mapWithLimit([1, 2, 3], 1, async (item) => {
        if (item === 3) throw boom();
        await turn();
      }),
    'a mapper of a call with every option': () =>
      mapWithLimit(
        [1, 2, 3],
        2,
        async (item) => {
          await turn();
          if (item === 3) throw boom();
        },
        { timeout: 1000, totalTimeout: 1000, signal: new AbortController().signal, onProgress() {} },
      ),
    'a mapper, in a retry after a backoff': () =>
      mapWithLimit(
        [1],
        1,
        async () => {
          await turn();
          throw boom();
        },
        { retry: { retries: 2, delay: 1 } },
      ),
    'a mapper, in the attempt after a timeout, at once': () =>
      mapWithLimit(
        [1],
        1,
        (_1, _2, { attempt }) => {
          if (attempt === 1) return never();
          throw boom();
        },
        { timeout: 1, retry: { retries: 1, delay: 0 } },
      ),
    'a mapper of an async source': () =>
      mapWithLimit(
        (async function* source() {
          yield 1;
        })(),
        1,
        async () => {
          await turn();
          throw boom();
        },
      ),
    'a mapper after a yield': () =>
      mapWithLimit(
        [1, 2, 3],
        1,
        (item) => {
          if (item === 3) throw boom();
        },
        { yieldAfter: 0 },
      ),
    'the work of withTimeout, a promise': () =>
      withTimeout(
        (async () => {
          await turn();
          throw boom();
        })(),
        1000,
      ),
    'the work of withTimeout, a function': () =>
      withTimeout(
        async () => {
          await turn();
          throw boom();
        },
        { timeout: 1000, signal: new AbortController().signal },
      ),
    'the function of retry, first attempt': () =>
      retry(async () => {
        await turn();
        throw boom();
      }, 0),
    'the function of retry, after backoffs': () =>
      retry(
        async () => {
          await turn();
          throw boom();
        },
        2,
        1,
      ),
    'the function of retry, with a timeout, after backoffs': () =>
      retry(
        async () => {
          await turn();
          throw boom();
        },
        { retries: 2, delay: 1, timeout: 1000 },
      ),
  };
  for (const [name, call] of Object.entries(cases)) {
    it(name, async () => {
      const stack = await stackOf(call);
      assert.match(stack, /boom/);
      assert.match(stack, /theCaller/);
    });
  }
});
