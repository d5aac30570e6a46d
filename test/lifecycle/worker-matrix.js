'use strict';

// Takes workers through every stage and ending, one after the other, and writes one line of JSON for each.
// Arguments: whether the main thread has loaded the addon too ("alone" or "beside").

const { writeSync } = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { endings, inWake, spin, stages } = require('./stages');
const { HOUR, ignore, library, never } = require('./world');

const HANG_LIMIT = 20_000;

/** Waits without running anything: in poll, or inside a wake where it is not to return. */
function waitHere(isInWake) {
  if (isInWake) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  else parentPort.ref();
}

// `act` is the worker's part, once it has told its parent that it is there; `code` is its exit code.
const workerEndings = {
  natural: { act: endings.natural, code: 0 },
  'terminate() while it waits': { act: waitHere, code: 1, terminated: true },
  'terminate() in a busy loop': { act: spin, code: 1, terminated: true },
  'process.exit()': { act: endings['process.exit()'], code: 7 },
  'an uncaught throw': { act: endings['an uncaught throw'], code: 1, error: 'thrown on purpose' },
};

function cells() {
  return Object.keys(stages).flatMap((stage) => Object.keys(workerEndings).map((ending) => ({ stage, ending })));
}

async function take(stage, ending) {
  const worker = new Worker(__filename, { workerData: { stage, ending } });
  const outcome = { reached: false, error: null };
  worker.on('message', () => {
    outcome.reached = true;
    if (workerEndings[ending].terminated) worker.terminate();
  });
  worker.on('error', ({ message }) => (outcome.error = message));
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  let timer;
  const hang = new Promise((resolve) => {
    timer = setTimeout(resolve, HANG_LIMIT, 'hangs');
  });
  outcome.code = await Promise.race([exit, hang]);
  clearTimeout(timer);
  await worker.terminate();
  return outcome;
}

const write = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

async function main(isLoadedHere) {
  if (isLoadedHere) {
    const { RateLimiter, Semaphore, mapWithLimit, withTimeout } = library();
    const semaphore = new Semaphore(1);
    const rate = new RateLimiter({ max: 1, per: HOUR });
    withTimeout(never(), { timeout: HOUR, unref: true });
    mapWithLimit([1, 2], semaphore, never, { rate, unref: true });
    ignore(semaphore.acquire(), rate.acquire({ unref: true }));
    await mapWithLimit([1, 2, 3], 2, async (value) => value, { timeout: HOUR });
  }
  for (const { stage, ending } of cells()) {
    write({ stage, ending, began: true });
    write({ stage, ending, outcome: await take(stage, ending) });
  }
  const isLoaded = Object.keys(require.cache).some((file) => file.endsWith('.node'));
  write({ isLoaded });
}

function work({ stage, ending }) {
  parentPort.on('message', () => {});
  parentPort.unref();
  const act = () => {
    parentPort.postMessage('here');
    workerEndings[ending].act(stage in inWake);
  };
  stages[stage](act, ending === 'natural');
}

if (!isMainThread) work(workerData);
else if (require.main === module) main(process.argv[2] === 'beside');

module.exports = { cells, workerEndings };
