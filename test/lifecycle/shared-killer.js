'use strict';

// Kills threads that share limits, at random, and looks whether anything is lost or given twice:
//
//   node test/lifecycle/shared-killer.js [SECONDS] [alone|beside] [SEED]
//
// How it counts exactly. Of each semaphore, one 64-bit word that all threads see holds a byte for each slot in which a
// thread lives: how many permits it is inside with; the top bit says that it is doomed, and is set by whoever ends the
// thread, before that. So each change is one atomic instruction, whose answer is the state of all slots at one instant: the
// sum of those that are not doomed is never above the limit. (A sum over words of their own would count who left the one
// and entered the other in between.) A byte is cleared when the thread that lived in it is gone.
//
// A witness that nobody kills asks for all the permits, again and again: it gets them only while none is lost. In the end,
// when all are dead, they can be had at once; and when the witness has let go too, the names may stand for something else.
//
// alone: the main thread never loads the addon, and the witness is a thread. beside: the main thread is the witness.

const assert = require('node:assert/strict');
const { writeSync } = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { rngOf } = require('./shared-rng');
const { live } = require('./shared-victim');
const { LIMITS, RATE, Tally, memoryFor } = require('./shared-tally');

const VICTIMS = [1, 2, 3, 4, 5]; // slots; 0 is the witness's
const CHILDREN = [6, 7]; // of victims that start a thread of their own
const PATIENCE = 20_000; // of the witness, for all permits; whoever holds one dies long before
const LIFE = 120; // milliseconds, at most, from the start of a thread; loading takes some of it
const ENDINGS = ['terminate', 'terminate', 'spin', 'sleep', 'return', 'exit', 'throw'];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Until `isOver()`: takes all permits, and looks that nobody else has any. */
async function witness(memory, isOver) {
  const { Mutex, RateLimiter, Semaphore } = require('../..');
  const tally = new Tally(memory, 0);
  const [durable, mutex] = [new Semaphore(LIMITS.durable, { shared: 'durable' }), new Mutex({ shared: 'mutex' })];
  const limiter = new RateLimiter({ ...RATE, shared: 'rate' });
  let rounds = 0;
  for (; !isOver(); rounds++) {
    for (const [name, semaphore] of Object.entries({ durable, mutex })) {
      const permit = await semaphore.acquire(LIMITS[name], { timeout: PATIENCE });
      tally.enter(name, LIMITS[name]);
      if (rounds % 3 === 0) await sleep(1);
      tally.leave(name, LIMITS[name]);
      permit.release();
    }
    await limiter.acquire();
    tally.start();
    await sleep(rounds % 8);
  }
  return {
    rounds,
    /** Once everybody else is gone. */
    end() {
      for (const semaphore of [durable, mutex]) {
        const { permits, available, waiting } = semaphore;
        assert.deepEqual({ available, waiting }, { available: permits, waiting: 0 });
        semaphore.tryAcquire(permits).release();
      }
      assert.equal(limiter.waiting, 0);
      for (const one of [durable, mutex, limiter]) one.close();
      // The names are free: they may stand for something else.
      for (const name of ['durable', 'mutex', 'rate', 'fleeting'])
        for (const permits of [7, 8]) new Semaphore(permits, { shared: name }).close();
      new Mutex({ shared: 'durable' }).close();
    },
  };
}

/** The witness, wherever it is: { isOver, ended }. `end()` resolves with how often it had all permits. */
async function startWitness(where, memory) {
  if (where === 'beside') {
    let isOver = false;
    const watching = witness(memory, () => isOver);
    watching.catch(() => {});
    return {
      failed: watching.then(() => new Promise(() => {})),
      async end() {
        isOver = true;
        const { rounds, end } = await watching;
        end();
        return rounds;
      },
    };
  }
  const worker = new Worker(__filename, { workerData: { role: 'witness', memory } });
  const failed = new Promise((_, reject) => worker.once('error', reject));
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  const answer = () => Promise.race([failed, new Promise((resolve) => worker.once('message', resolve))]);
  await answer();
  return {
    failed,
    async end() {
      worker.postMessage('end');
      const rounds = await answer();
      assert.equal(await exit, 0);
      return rounds;
    },
  };
}

async function bearWitness({ memory }) {
  let isOver = false;
  parentPort.once('message', () => (isOver = true));
  parentPort.postMessage('here');
  const { rounds, end } = await witness(memory, () => isOver);
  end();
  parentPort.postMessage(rounds);
}

/** One slot: a victim after the other, until the time is over. */
async function keepKilling(slot, { memory, rng, until, children, ends }) {
  while (Date.now() < until) {
    const ending = rng.pick(ENDINGS);
    const childSlot = children.length > 0 && rng.chance(0.25) ? children.pop() : undefined;
    const slots = [slot, ...(childSlot === undefined ? [] : [childSlot])];
    const life = rng.below(LIFE);
    await takeLife({ slot, slots, childSlot, memory, ending, life, seed: rng.seed() });
    for (const one of slots) new Tally(memory, one).bury();
    if (childSlot !== undefined) children.push(childSlot);
    ends[ending] = (ends[ending] ?? 0) + 1;
  }
}

/** Resolves when the thread is gone, and with it its child. */
function takeLife({ slot, slots, childSlot, memory, ending, life, seed }) {
  const worker = new Worker(__filename, {
    workerData: { role: 'victim', slot, childSlot, memory, ending, life, seed },
    stderr: true,
  });
  let timer;
  const kill = () => {
    for (const one of slots) new Tally(memory, one).doom();
    worker.terminate();
  };
  // It begins to spin, or to sleep, and says so. (Then it is killed where it does not; others end by themselves.)
  worker.on('message', kill);
  if (ending === 'terminate') timer = setTimeout(kill, life);
  return new Promise((resolve, reject) => {
    worker.on('error', (error) => {
      if (error.message !== 'thrown on purpose') reject(error);
    });
    worker.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function main(seconds, where, seed) {
  const rng = rngOf(seed);
  const memory = memoryFor(seconds);
  const began = process.hrtime.bigint();
  const until = Date.now() + 1000 * seconds;
  const watching = await startWitness(where, memory);
  const [children, ends] = [[...CHILDREN], {}];
  const killing = VICTIMS.map((slot) => keepKilling(slot, { memory, rng: rngOf(rng.seed()), until, children, ends }));
  await Promise.race([Promise.all(killing), watching.failed]);
  const rounds = await watching.end();
  const tally = new Tally(memory, 0);
  tally.check();
  const starts = tally.checkStarts(began);
  const isLoaded = Object.keys(require.cache).some((file) => file.endsWith('.node'));
  assert.equal(isLoaded, where === 'beside');
  writeSync(1, `${JSON.stringify({ seconds, where, seed, ends, rounds, entries: tally.entries, starts })}\n`);
  process.exitCode = 0;
}

if (!isMainThread) {
  if (workerData.role === 'witness') bearWitness(workerData);
  else live(workerData);
} else if (require.main === module) {
  process.exitCode = 1; // also where nothing is left to wait for
  const [seconds = '60', where = 'alone', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
  main(Number(seconds), where, Number(seed)).catch((error) => {
    writeSync(2, `seed ${seed}, ${where}: ${error.stack}\n`);
    process.exit(1);
  });
}
