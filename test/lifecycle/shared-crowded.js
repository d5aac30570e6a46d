'use strict';

// Threads that share limits and live, on processors that others keep busy: whoever waits is granted what it waits for.
//
//   node test/lifecycle/shared-crowded.js [SECONDS] [SEED]
//
// Each thread does what shared-victim.js does at random, but for what it keeps while it waits for more (that may lock up by
// itself). When the time is over, nobody begins anything more, and everything that was begun must come to an end. Threads
// that only spin stop them wherever they are; a grant that is lost between two looks at a limit is lost then, if ever.

const assert = require('node:assert/strict');
const { writeSync } = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { rngOf } = require('./shared-rng');
const { Victim } = require('./shared-victim');
const { LIMITS, Tally, memoryFor } = require('./shared-tally');

const THREADS = 3; // beside the main thread, which shares the limits too
const SPINNERS = 2;
const PATIENCE = 20_000; // milliseconds, for what was begun

/** A living one, and what it says of itself: it resolves with what has not ended, by name, once that is nothing or too old. */
class Survivor {
  constructor(slot, memory, seed) {
    this.victim = new Victim({ slot, memory, seed });
    this.ends = this.victim.start(['acquiring', 'aborting', 'trying', 'using', 'mapping', 'drawing', 'opening']);
  }

  async end() {
    const { victim, ends } = this;
    victim.isOver = true;
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE)));
    await Promise.race([Promise.all(ends), late]);
    clearTimeout(timer);
    return [...victim.running];
  }
}

function startThread(slot, memory, seed) {
  const worker = new Worker(__filename, { workerData: { slot, memory, seed } });
  const failed = new Promise((_, reject) => worker.once('error', reject));
  failed.catch(() => {});
  return {
    failed,
    async end() {
      worker.postMessage('end');
      const unfinished = await Promise.race([failed, new Promise((resolve) => worker.once('message', resolve))]);
      await worker.terminate();
      return unfinished;
    },
  };
}

async function main(seconds, seed) {
  const rng = rngOf(seed);
  const memory = memoryFor(seconds);
  const began = process.hrtime.bigint();
  const spinners = Array.from({ length: SPINNERS }, () => new Worker('for (;;);', { eval: true }));
  const threads = Array.from({ length: THREADS }, (_, i) => startThread(1 + i, memory, rng.seed()));
  const here = new Survivor(0, memory, rng.seed());
  const over = new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  await Promise.race([over, ...threads.map((thread) => thread.failed)]);
  const unfinished = await Promise.all([here, ...threads].map((thread) => thread.end()));
  await Promise.all(spinners.map((spinner) => spinner.terminate()));
  assert.deepEqual(unfinished, Array(1 + THREADS).fill([]));

  const tally = new Tally(memory, 0);
  tally.check();
  const starts = tally.checkStarts(began);
  for (const [name, semaphore] of Object.entries(here.victim.handles)) {
    const { available, waiting } = semaphore;
    assert.deepEqual({ available, waiting }, { available: LIMITS[name], waiting: 0 }, name);
    semaphore.close();
  }
  writeSync(1, `${JSON.stringify({ seconds, seed, entries: tally.entries, starts })}\n`);
  process.exitCode = 0;
}

function live({ slot, memory, seed }) {
  const survivor = new Survivor(slot, memory, seed);
  parentPort.once('message', async () => parentPort.postMessage(await survivor.end()));
}

if (!isMainThread) {
  live(workerData);
} else if (require.main === module) {
  process.exitCode = 1; // also where nothing is left to wait for
  const [seconds = '60', seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
  main(Number(seconds), Number(seed)).catch((error) => {
    writeSync(2, `seed ${seed}: ${error.stack}\n`);
    process.exit(1);
  });
}
