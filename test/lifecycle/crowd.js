'use strict';

// Many workers at once. Argument: what becomes of them.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const { spin } = require('./stages');
const { HOUR, ignore, library, never } = require('./world');

const COUNT = 50;

function openEverything() {
  const { Queue, RateLimiter, Semaphore, mapStream, mapWithLimit, retry, sleep, withTimeout } = library();
  const again = { retries: 3, delay: HOUR, maxDelay: HOUR };
  withTimeout(never(), HOUR);
  sleep(HOUR);
  retry(() => Promise.reject(new Error('again')), again);
  mapWithLimit([1, 2, 3], 2, never, { timeout: HOUR, totalTimeout: HOUR, onProgress: () => {} });
  const semaphore = new Semaphore(1);
  const rate = new RateLimiter({ max: 1, per: HOUR });
  mapWithLimit([1, 2], semaphore, never, { rate });
  mapStream([1, 2], semaphore, never, { rate }).next();
  ignore(semaphore.acquire({ timeout: HOUR }), rate.acquire(), new Queue().get({ timeout: HOUR }));
}

const lives = {
  'finishes its work': async () => {
    const { RateLimiter, Semaphore, mapWithLimit, sleep } = library();
    await mapWithLimit([1, 2, 3, 4], 2, (ms) => sleep(ms), { timeout: HOUR, onProgress: () => {} });
    const [semaphore, rate] = [new Semaphore(1), new RateLimiter(1000)];
    const done = [1, 2].map(() => mapWithLimit([1, 2], semaphore, (ms) => sleep(ms), { rate }));
    await Promise.all([...done, semaphore.use(() => sleep(1), { timeout: HOUR })]);
  },
  'exits with open deadlines': () => {
    openEverything();
    setImmediate(() => process.exit(7));
  },
  'throws with open deadlines': () => {
    openEverything();
    setImmediate(() => {
      throw new Error('thrown on purpose');
    });
  },
  'is terminated with open deadlines': () => {
    openEverything();
    setImmediate(() => parentPort.postMessage('terminate me'));
  },
  'is terminated in a busy loop': () => {
    openEverything();
    parentPort.postMessage('terminate me');
    spin();
  },
  'is terminated while it loads': () => {
    parentPort.postMessage('terminate me');
    openEverything();
    spin();
  },
};
const CODES = { 'finishes its work': 0, 'exits with open deadlines': 7 };

/** Resolves with whether the worker ended as it should have. */
function live(life) {
  const worker = new Worker(__filename, { workerData: life });
  worker.on('message', () => worker.terminate());
  worker.on('error', () => {});
  return new Promise((resolve) => worker.once('exit', (code) => resolve(code === (CODES[life] ?? 1))));
}

/** Resolves when all of them have deadlines open. */
function openAll(count) {
  const workers = Array.from({ length: count }, () => new Worker(__filename, { workerData: 'stays' }));
  return Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', () => resolve(worker)))));
}

lives.stays = () => {
  openEverything();
  setImmediate(() => parentPort.postMessage('open'));
};

const scenarios = {
  async 'all die'() {
    const kinds = Object.keys(lives).filter((life) => life !== 'stays');
    const ended = await Promise.all(Array.from({ length: COUNT }, (_, i) => live(kinds[i % kinds.length])));
    writeSync(1, `${ended.filter(Boolean).length} of ${ended.length}`);
  },
  async 'main exits'() {
    await openAll(4);
    writeSync(1, 'open');
    process.exit(5);
  },
  async 'main throws'() {
    await openAll(4);
    writeSync(1, 'open');
    process.nextTick(() => {
      throw new Error('thrown on purpose');
    });
  },
  async 'main ends'() {
    for (const worker of await openAll(4)) worker.unref();
    writeSync(1, 'open');
  },
};

if (!isMainThread) lives[workerData]();
else if (require.main === module) scenarios[process.argv[2]]();

module.exports = { COUNT };
