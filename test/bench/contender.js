'use strict';

// A thread in which tasks fight for permits that other threads want too; and, on the main thread, the crew of them.

const assert = require('node:assert');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { AsyncSemaphore, BlockingSemaphore, OwnLineSemaphore } = require('./atomics-semaphore.js');

const GO = 0; // threads sleep until it is 1
const LEFT = 1; // grants that are to come, of all threads
const INSIDE = 2; // tasks that hold a permit, of all threads
const PEAK = 3; // the most that there were
const WORDS = 4;

const now = () => performance.now();

/** One more inside; the most is kept, for who wants to check it. */
function enter(words) {
  const inside = Atomics.add(words, INSIDE, 1) + 1;
  for (let peak = Atomics.load(words, PEAK); inside > peak;) {
    const seen = Atomics.compareExchange(words, PEAK, peak, inside);
    if (seen === peak) break;
    peak = seen;
  }
}

const holds = {
  microtask: () => undefined,
  turn: () => new Promise(setImmediate),
};

// What each contestant is: a task passes the semaphore while there are grants left, and returns its longest wait.
const kinds = {
  sluice({ name, permits }) {
    const { Semaphore } = require('../..');
    const semaphore = new Semaphore(permits, { shared: name });
    return {
      end: () => semaphore.close(),
      async task(words, hold) {
        let longest = 0;
        for (let hasMore = true; hasMore;) {
          const asked = now();
          const permit = await semaphore.acquire();
          longest = Math.max(longest, now() - asked);
          enter(words);
          hasMore = Atomics.sub(words, LEFT, 1) > 1;
          await hold();
          Atomics.sub(words, INSIDE, 1);
          permit.release();
        }
        return longest;
      },
    };
  },
  async: ({ memory }) => byAtomics(new AsyncSemaphore(memory)),
  'own line': ({ memory }) => byAtomics(new OwnLineSemaphore(memory)),
  // One task to a thread: who waits blocks it.
  blocking({ memory }) {
    const semaphore = new BlockingSemaphore(memory);
    return {
      tasks: 1,
      end() {},
      async task(words, hold) {
        let longest = 0;
        for (let hasMore = true; hasMore;) {
          const asked = now();
          semaphore.acquire();
          longest = Math.max(longest, now() - asked);
          enter(words);
          hasMore = Atomics.sub(words, LEFT, 1) > 1;
          await hold();
          Atomics.sub(words, INSIDE, 1);
          semaphore.release();
        }
        return longest;
      },
    };
  },
};

function byAtomics(semaphore) {
  return {
    end() {},
    async task(words, hold) {
      let longest = 0;
      for (let hasMore = true; hasMore;) {
        const asked = now();
        await semaphore.acquire();
        longest = Math.max(longest, now() - asked);
        enter(words);
        hasMore = Atomics.sub(words, LEFT, 1) > 1;
        await hold();
        Atomics.sub(words, INSIDE, 1);
        semaphore.release();
      }
      return longest;
    },
  };
}

async function contend({ kind, words, tasks, hold, ...given }) {
  const contender = kinds[kind](given);
  parentPort.postMessage('ready');
  Atomics.wait(words, GO, 0);
  const all = Array.from({ length: contender.tasks ?? tasks }, () => contender.task(words, holds[hold]));
  const waits = await Promise.all(all);
  const ended = process.hrtime.bigint();
  contender.end();
  parentPort.postMessage({ ended, longest: Math.max(...waits) });
}

// Tasks go on until each has seen that none is left, so there are a few grants more than were asked for.
class Crew {
  constructor(count) {
    this.workers = Array.from({ length: count }, () => new Worker(__filename, { execArgv: [] }));
    this.runs = 0;
  }

  /** What all of them answer next. */
  answers() {
    return Promise.all(
      this.workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            const leave = (settle) => (value) => {
              worker.off('message', onMessage).off('error', onError).off('exit', onExit);
              settle(value);
            };
            const onMessage = leave(resolve);
            const onError = leave(reject);
            const onExit = leave((code) => reject(new Error(`a thread ended with ${code}`)));
            worker.on('message', onMessage).on('error', onError).on('exit', onExit);
          }),
      ),
    );
  }

  /** @returns { time, longest }, in milliseconds; `time` is for all grants */
  async contend({ kind, permits, tasks, hold }, grants) {
    const words = new Int32Array(new SharedArrayBuffer(4 * WORDS));
    words[LEFT] = grants;
    const memory = AsyncSemaphore.memoryFor(permits);
    const name = `bench ${this.runs++}`;
    const ready = this.answers();
    for (const worker of this.workers) worker.postMessage({ kind, words, memory, name, permits, tasks, hold });
    await ready;
    const results = this.answers();
    const began = process.hrtime.bigint();
    Atomics.store(words, GO, 1);
    Atomics.notify(words, GO);
    const ends = await results;
    assert.strictEqual(words[INSIDE], 0);
    assert.ok(words[LEFT] <= 0 && words[PEAK] <= permits, `${words[PEAK]} inside, and there are ${permits} permits`);
    const last = ends.reduce((latest, { ended }) => (ended > latest ? ended : latest), began);
    return { time: Number(last - began) / 1e6, longest: Math.max(...ends.map(({ longest }) => longest)) };
  }

  end() {
    return Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}

if (!isMainThread) parentPort.on('message', contend);

module.exports = { Crew };
