'use strict';

// Loading the package more than once in one process. Argument: how. Writes what came of it.

const { writeSync } = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const vm = require('node:vm');
const { HOUR, LIBRARY, ignore, never } = require('./world');

const ROOT = path.join(path.dirname(LIBRARY), '..');

/** Forgets the package's modules; with the binary, or only what is JavaScript. */
function forget(isBinaryToo) {
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(path.join(ROOT, 'lib')) || (isBinaryToo && file.endsWith('.node'))) delete require.cache[file];
  }
}

/** As a test runner does: each file compiled in the realm of a fresh vm context, the binary from Node's own require. */
function loadInRealm() {
  const globals = { AbortController, AbortSignal, DOMException, Event, EventTarget, console, process };
  const context = vm.createContext(globals);
  const cache = new Map();
  const load = (file) => {
    if (cache.has(file)) return cache.get(file).exports;
    const module = { exports: {} };
    cache.set(file, module);
    const source = require('node:fs').readFileSync(file, 'utf8');
    const compiled = vm.runInContext(Module.wrap(source), context, { filename: file });
    const real = Module.createRequire(file);
    const requireHere = (id) => {
      const found = real.resolve(id);
      return path.isAbsolute(found) && found.endsWith('.js') ? load(found) : real(id);
    };
    compiled.call(module.exports, module.exports, requireHere, module, file, path.dirname(file));
    return module.exports;
  };
  return load(LIBRARY);
}

/** Everything that needs the engine and time. */
async function use(copy) {
  const { mapWithLimit, retry, sleep, withTimeout, TimeoutError } = copy;
  let progress = 0;
  const values = await mapWithLimit([1, 2, 3], 2, (ms) => sleep(ms).then(() => ms * 2), {
    timeout: HOUR,
    onProgress: () => progress++,
  });
  const error = await withTimeout(never(), 1).catch((reason) => reason);
  const attempts = await retry(({ attempt }) => (attempt < 3 ? Promise.reject(new Error('again')) : attempt), 2, 1);
  const works = String(values) === '2,4,6' && progress > 0 && error instanceof TimeoutError && attempts === 3;
  return works && (await coordinate(copy)) ? 'works' : 'does not work';
}

/** @returns whether those who wait for each other find each other */
async function coordinate({
  Queue,
  RateLimiter,
  Semaphore,
  TaskGroup,
  TimeoutError,
  consume,
  mapStream,
  mapWithLimit,
  sleep,
}) {
  const semaphore = new Semaphore(2);
  const rate = new RateLimiter(1000);
  const calls = [1, 2].map((factor) =>
    mapWithLimit([1, 2, 3], semaphore, (item) => sleep(1).then(() => item * factor), { rate }),
  );
  const heavy = semaphore.use(() => sleep(1), { weight: 2, timeout: HOUR });
  const late = semaphore.acquire(2, { timeout: 0 }).catch((reason) => reason);
  const results = [...(await Promise.all(calls)).flat(), (await late) instanceof TimeoutError];
  await heavy;

  const queue = new Queue({ maxSize: 1 });
  const puts = [1, 2, 3].map((item) => queue.put(item, { timeout: HOUR }));
  Promise.all(puts).then(() => queue.close());
  const { done } = await consume(queue, (item) => results.push(item), { rate });
  for await (const item of mapStream([1, 2, 3], semaphore, (item) => sleep(item).then(() => item), { rate })) {
    if (item === 2) break;
    results.push(item);
  }
  const sum = await TaskGroup.run((group) => Promise.all([1, 2].map((ms) => group.run(() => sleep(ms)))), { limit: 1 });
  const isClean = done === 3 && sum.length === 2 && semaphore.available === 2 && semaphore.waiting + rate.waiting === 0;
  return isClean && String(results) === '1,2,3,2,4,6,true,1,2,3,1';
}

/** @returns what the one says of what is the other's */
async function misuse(one, other) {
  const codes = [];
  const note = (promise) => promise.catch(({ name, code }) => codes.push(`${name} ${code}`));
  const semaphore = new other.Semaphore(1);
  const rate = new other.RateLimiter(1);
  await note(one.mapWithLimit([1], semaphore, () => 1));
  await note(one.mapWithLimit([1], 1, () => 1, { rate }));
  await note(one.Semaphore.prototype.acquire.call(semaphore));
  await note(one.RateLimiter.prototype.acquire.call(rate));
  await note(one.Queue.prototype.get.call(new other.Queue()));
  return [...new Set(codes), codes.length];
}

const scenarios = {
  async 'another binary instance'() {
    const first = require(LIBRARY);
    const pending = first.sleep(20).then(() => 'first sleep');
    forget(true);
    const second = require(LIBRARY);
    first.withTimeout(never(), { timeout: HOUR, unref: true });
    second.withTimeout(never(), { timeout: HOUR, unref: true });
    return [first !== second, ...(await Promise.all([use(first), use(second), pending]))];
  },
  async 'many binary instances'() {
    const copies = Array.from({ length: 20 }, () => {
      forget(true);
      return require(LIBRARY);
    });
    return [...new Set(await Promise.all(copies.map(use)))];
  },
  async 'each other’s'() {
    const first = require(LIBRARY);
    forget(true);
    const second = require(LIBRARY);
    return [...(await misuse(first, second)), ...(await misuse(second, first))];
  },
  async 'the same binary'() {
    const first = require(LIBRARY);
    const pending = first.sleep(20).then(() => 'first sleep');
    forget(false);
    return [...(await Promise.all([use(require(LIBRARY)), use(first), pending]))];
  },
  async 'another realm'() {
    return [await use(loadInRealm())];
  },
  async 'one realm after the other'() {
    const first = loadInRealm();
    return [...(await Promise.all([use(loadInRealm()), use(first)]))];
  },
  async 'many realms'() {
    const copies = Array.from({ length: 20 }, loadInRealm);
    for (const { RateLimiter, Semaphore, mapWithLimit, sleep } of copies) {
      const semaphore = new Semaphore(1);
      const rate = new RateLimiter({ max: 1, per: HOUR });
      sleep(HOUR, { unref: true });
      mapWithLimit([1, 2], semaphore, never, { rate, unref: true });
      ignore(semaphore.acquire(), rate.acquire({ unref: true }));
    }
    return [...new Set(await Promise.all(copies.map(use)))];
  },
  async 'require and import'() {
    const required = require(LIBRARY);
    const imported = await import(pathToFileURL(LIBRARY.replace(/\.js$/, '.mjs')));
    return [Object.keys(required).every((name) => required[name] === imported[name]), await use(imported)];
  },
};

async function main(scenario, isInWorker) {
  if (isInWorker) new Worker(__filename, { workerData: scenario });
  else writeSync(1, `${JSON.stringify({ outcome: await scenarios[scenario]() })}\n`);
}

if (isMainThread) main(process.argv[2], process.argv[3] === 'in a worker');
else main(workerData, false);
