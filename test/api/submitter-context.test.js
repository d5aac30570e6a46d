'use strict';

// Work runs in the context of the one who submitted it: what AsyncLocalStorage says in it is what it said where it was
// asked for, whoever let it go on. (Two requests share a semaphore, a queue, a rate; the end of one's work is what starts
// the other's.) Beside it, what happens with the same two requests in three packages of this kind: so that what we say of
// them stays true.

const assert = require('node:assert/strict');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const {
  Mutex,
  Queue,
  RateLimiter,
  Semaphore,
  TaskGroup,
  consume,
  mapSettled,
  mapStream,
  mapWithLimit,
} = require('../..');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const REQUESTS = ['A', 'B', 'C'];
const TASKS = [0, 1, 2];

/** One of the packages of the benchmark, where these have been installed. @returns undefined where not */
async function peer(name) {
  try {
    const module = await import(pathToFileURL(require.resolve(name, { paths: [path.join(__dirname, '../bench')] })));
    return module.default;
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}

describe("work runs in its submitter's async context", () => {
  const storage = new AsyncLocalStorage();

  const clock = virtualClock();

  async function* asyncly(values) {
    yield* values;
  }

  /** Takes a while, and sees before and after that. */
  async function work(see) {
    see();
    await clock.sleep(1);
    see();
  }

  // name -> () => submit(see), of what the requests share; submit() is called in the context of each, TASKS at once.
  const shared = {
    'Semaphore.use': () => {
      const semaphore = new Semaphore(1);
      return (see) => semaphore.use(() => work(see));
    },
    'Semaphore.use with a timeout': () => {
      const semaphore = new Semaphore(2);
      return (see) => semaphore.use(() => work(see), { weight: 2, timeout: 1000 });
    },
    'the continuation of Semaphore.acquire': () => {
      const semaphore = new Semaphore(1);
      return async (see) => {
        const permit = await semaphore.acquire({ signal: new AbortController().signal });
        await work(see);
        permit.release();
      };
    },
    'Mutex.runExclusive': () => {
      const mutex = new Mutex();
      return (see) => mutex.runExclusive(() => work(see));
    },
    'the continuation of RateLimiter.acquire': () => {
      const limiter = new RateLimiter({ max: 1, per: 5, burst: 1 });
      return async (see) => {
        await limiter.acquire();
        await work(see);
      };
    },
    'the continuations of Queue.put and Queue.get': () => {
      const queue = new Queue({ maxSize: 1 });
      return async (see) => {
        const put = async () => (await queue.put(0), see());
        const get = async () => (await queue.get(), await work(see));
        await Promise.all([put(), get(), put(), get()]);
      };
    },
    'a loop over a Queue': () => {
      const queue = new Queue();
      return async (see) => {
        const loop = async () => {
          for await (const item of queue) {
            await work(see);
            if (item === 0) return;
          }
        };
        const looping = loop();
        await clock.sleep(1);
        await queue.put(0);
        await looping;
      };
    },
    'TaskGroup.run with a semaphore as the limit': () => {
      const limit = new Semaphore(1);
      return (see) => TaskGroup.run(async (group) => TASKS.map(() => group.run(() => work(see))), { limit });
    },
    'TaskGroup.run with a limit': () => (see) =>
      TaskGroup.run(async (group) => TASKS.map(() => group.run(() => work(see))), { limit: 1 }),
    'mapWithLimit under a semaphore': () => {
      const semaphore = new Semaphore(1);
      return (see) => mapWithLimit(TASKS, semaphore, () => work(see));
    },
    'mapSettled under a semaphore and a rate limiter, with retries': () => {
      const semaphore = new Semaphore(2);
      const rate = new RateLimiter({ max: 1, per: 3, burst: 1 });
      const mapper = async (see, { attempt }) => {
        await work(see);
        if (attempt === 1) throw new Error('again');
      };
      const options = { rate, retry: { retries: 1, delay: 2 } };
      return (see) => mapSettled(TASKS, semaphore, (_item, _index, ctx) => mapper(see, ctx), options);
    },
    'mapStream under a semaphore, and the loop over it': () => {
      const semaphore = new Semaphore(1);
      return async (see) => {
        for await (const value of mapStream(TASKS, semaphore, () => work(see))) await work(() => see(value));
      };
    },
    'consume with a semaphore as its workers, of an async source': () => {
      const workers = new Semaphore(1);
      const fails = async (see) => {
        await work(see);
        throw new Error('for onError');
      };
      return (see) => consume(asyncly(TASKS), () => fails(see), { workers, onError: () => work(see) });
    },
    'consume of a Queue': () => {
      const queue = new Queue({ maxSize: 1 });
      for (const item of TASKS.slice(0, 1)) queue.tryPut(item);
      setImmediate(() => queue.close());
      return (see) => consume(queue, () => work(see), { workers: 2 });
    },
  };

  for (const [name, share] of Object.entries(shared)) {
    it(name, async () => {
      const seen = await clock.over(seenBy(share()));
      assert.ok([...seen.values()].some(({ size }) => size > 0));
      for (const [request, stores] of seen)
        assert.deepEqual(
          [...stores].filter((store) => store !== request),
          [],
        );
    });
  }

  /** Each request submits its tasks in its own context, interleaved with the others'. @returns request -> what was seen */
  async function seenBy(submit) {
    const seen = new Map(REQUESTS.map((request) => [request, new Set()]));
    const ends = [];
    for (let task = 0; task < TASKS.length; task++) {
      for (const request of REQUESTS) {
        const see = () => void seen.get(request).add(storage.getStore());
        ends.push(storage.run(request, () => submit(see)));
      }
    }
    await Promise.all(ends);
    return seen;
  }

  describe('and elsewhere (what the packages of test/bench do)', () => {
    beforeEach(() => clock.restore());
    afterEach(() => clock.reset());

    /** Whose context each task saw at its start, where each is submitted by another request. */
    async function startsOf(submit) {
      const saw = {};
      const tasks = REQUESTS.map((request) =>
        storage.run(request, () =>
          submit(async () => {
            saw[request] = storage.getStore();
            await new Promise(setImmediate);
          }),
        ),
      );
      await Promise.all(tasks);
      return saw;
    }

    const right = { A: 'A', B: 'B', C: 'C' };
    const wrong = { A: 'A', B: 'A', C: 'A' }; // the first one's, all along
    const peers = {
      'p-queue': {
        run: (PQueue) => {
          const queue = new PQueue({ concurrency: 1 });
          return (task) => queue.add(task);
        },
      },
      fastq: {
        run: (fastq) => {
          const queue = fastq.promise((task) => task(), 1);
          return (task) => queue.push(task);
        },
      },
      bottleneck: {
        run: (Bottleneck) => {
          const limiter = new Bottleneck({ maxConcurrent: 1 });
          return (task) => limiter.schedule(task);
        },
      },
    };

    it('a Semaphore, asked the same way, gets it right', async () => {
      const semaphore = new Semaphore(1);
      assert.deepEqual(await startsOf((task) => semaphore.use(task)), right);
    });

    for (const [name, { run }] of Object.entries(peers)) {
      it(`${name} runs the work of one request in the context of another`, async function () {
        const module = await peer(name);
        if (module === undefined) {
          this.test.title += ' (skipped: not installed; npm install --prefix test/bench)';
          this.skip();
        }
        assert.deepEqual(await startsOf(run(module)), wrong);
      });
    }
  });
});
