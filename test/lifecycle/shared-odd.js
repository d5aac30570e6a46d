'use strict';

// Odd uses of shared limits, in a process of its own (with --expose-gc). Writes one line of JSON for each: what came of it.

const { writeSync } = require('node:fs');
const vm = require('node:vm');
const { Worker } = require('node:worker_threads');
const { usage } = require('../../lib/engine');
const { LIBRARY, library } = require('./world');

const { RateLimiter, Semaphore, mapWithLimit } = library();
const turn = () => new Promise((resolve) => setImmediate(resolve));
const gc = () => globalThis.gc();

async function collected() {
  for (let i = 0; i < 50 && usage().semaphores + usage().limiters > 0; i++) {
    gc();
    await turn();
  }
}

const cases = {
  'thousands of names': () => {
    const names = Array.from({ length: 5000 }, (_, i) => `name ${i}`);
    const all = names.map((shared, i) => new Semaphore(i + 1, { shared }));
    const sum = all.reduce((sum, one) => sum + one.available, 0);
    for (const one of all) one.close();
    return sum;
  },
  'handles that nobody can reach': async () => {
    const make = (i) => {
      new Semaphore(i + 1, { shared: `semaphore ${i}` }).tryAcquire();
      new RateLimiter({ max: 1, shared: `limiter ${i}` }).tryAcquire();
    };
    for (let i = 0; i < 5000; i++) make(i);
    await collected();
    for (let i = 0; i < 5000; i++) new Semaphore(7000, { shared: `semaphore ${i}` }).close();
  },
  'a handle that nobody can reach, by which somebody waits': async () => {
    const semaphore = new Semaphore(1, { shared: 'waited for' });
    const permit = semaphore.tryAcquire();
    const wait = (() => new Semaphore(1, { shared: 'waited for' }).acquire())();
    for (let i = 0; i < 5; i++) {
      gc();
      await turn();
    }
    const before = semaphore.waiting;
    permit.release();
    (await wait).release();
    semaphore.close();
    await collected();
    return before;
  },
  'the last handle closed while its permit is out': () => {
    const semaphore = new Semaphore(1, { shared: 'out' });
    const permit = semaphore.tryAcquire();
    semaphore.close();
    const later = new Semaphore(1, { shared: 'out' });
    const levels = [later.available];
    permit.release();
    levels.push(later.available);
    later.close();
    new Semaphore(2, { shared: 'out' }).close();
    return levels;
  },
  'another realm': () => {
    const context = vm.createContext({ Semaphore, mapWithLimit });
    return vm.runInContext(
      `(async () => {
        const [one, other] = [1, 2].map(() => new Semaphore(1, { shared: 'realm' }));
        const permit = await one.acquire();
        const none = other.tryAcquire() === undefined;
        permit.release();
        const results = await mapWithLimit([1, 2, 3], other, async (item) => item * 2);
        one.close();
        other.close();
        return [none, ...results];
      })()`,
      context,
    );
  },
  'the package loaded twice in one thread': async () => {
    for (const key of Object.keys(require.cache)) if (!key.endsWith('.node')) delete require.cache[key];
    const second = require(LIBRARY);
    const [one, other] = [new Semaphore(2, { shared: 'twice' }), new second.Semaphore(2, { shared: 'twice' })];
    const permit = one.tryAcquire(2);
    const wait = other.acquire();
    const levels = [second.Semaphore === Semaphore, other.available, one.waiting];
    permit.release();
    (await wait).release();
    levels.push(one.available);
    one.close();
    other.close();
    return levels;
  },
  'workers of workers': async () => {
    const codeOf = (depth) => `
      const { Worker } = require('node:worker_threads');
      const { Semaphore } = require(${JSON.stringify(LIBRARY)});
      const child = ${JSON.stringify(depth === 0 ? '' : codeOf(depth - 1))};
      new Semaphore(3, { shared: 'deep' }).use(
        () => child && new Promise((resolve) => new Worker(child, { eval: true }).on('exit', resolve)),
      );`;
    const semaphore = new Semaphore(3, { shared: 'deep' });
    const code = await new Promise((resolve) => new Worker(codeOf(2), { eval: true }).on('exit', resolve));
    const levels = [code, semaphore.available, semaphore.waiting];
    semaphore.close();
    return levels;
  },
  'a closed handle changes nothing for who came later': () => {
    const semaphore = new Semaphore(1, { shared: 'past' });
    semaphore.close();
    const later = new Semaphore(2, { shared: 'past' });
    semaphore.resize(9);
    const limiter = new RateLimiter({ max: 1, burst: 1, shared: 'past rate' });
    limiter.close();
    const laterLimiter = new RateLimiter({ max: 2, burst: 2, shared: 'past rate' });
    limiter.penalize(1e6);
    limiter.reconfigure({ max: 9, burst: 9 });
    const levels = [later.permits, later.available, laterLimiter.available];
    later.close();
    laterLimiter.close();
    return levels;
  },
  'a call that is refused': async () => {
    const semaphore = new Semaphore(1, { shared: 'refused' });
    await mapWithLimit([1], semaphore, 5).catch(() => {});
    await mapWithLimit([1], semaphore, (item) => item, { timout: 1 }).catch(() => {});
    const { available } = semaphore;
    semaphore.close();
    new Semaphore(2, { shared: 'refused' }).close();
    return available;
  },
};

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    const value = await run();
    const { jobs, lanes, waiters, semaphores, limiters } = usage();
    writeSync(1, `${JSON.stringify({ name, value, left: jobs + lanes + waiters + semaphores + limiters })}\n`);
  }
}

if (require.main === module) main();
