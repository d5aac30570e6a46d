'use strict';

// What a thread does until shared-killer.js, or it itself, ends it: everything that shared limits are for, at random.

const { Worker, parentPort } = require('node:worker_threads');
const { rngOf } = require('./shared-rng');
const { LIMITS, RATE, Tally } = require('./shared-tally');

const AT_ONCE = 5; // activities

const turn = () => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Victim {
  constructor({ slot, childSlot, memory, ending, life, seed }) {
    this.rng = rngOf(seed);
    this.tally = new Tally(memory, slot);
    this.child = childSlot === undefined ? undefined : new Tally(memory, childSlot);
    this.ending = ending;
    this.life = life;
    this.isOver = false;
    this.controller = new AbortController(); // of what it waits for
    this.kept = []; // permits that it holds until it dies
    this.running = new Set(); // activities

    const { Mutex, RateLimiter, Semaphore } = require('../..');
    this.sluice = require('../..');
    this.handles = {
      durable: new Semaphore(LIMITS.durable, { shared: 'durable' }),
      mutex: new Mutex({ shared: 'mutex' }),
      fleeting: new Semaphore(LIMITS.fleeting, { shared: 'fleeting' }),
    };
    this.limiter = new RateLimiter({ ...RATE, shared: 'rate' });
  }

  /** For a while, of some kind. */
  hold() {
    const { rng } = this;
    const kind = rng.below(6);
    if (kind === 0) return undefined;
    if (kind === 1) return Promise.resolve();
    if (kind <= 3) return turn();
    if (kind === 4) return sleep(rng.below(4));
    for (const end = performance.now() + rng.below(3); performance.now() < end;);
    return undefined;
  }

  /** Which semaphore, and how many of its permits. */
  draw() {
    const name = this.rng.pick(['durable', 'durable', 'mutex', 'fleeting']);
    return { name, semaphore: this.handles[name], weight: 1 + this.rng.below(LIMITS[name]) };
  }

  async inside(name, weight) {
    this.tally.enter(name, weight);
    await this.hold();
    this.tally.leave(name, weight);
  }

  get signal() {
    return this.controller.signal;
  }

  async acquiring() {
    const { name, semaphore, weight } = this.draw();
    const permit = await semaphore.acquire(weight, this.rng.pick([{ signal: this.signal }, { signal: this.signal, timeout: this.rng.below(6) }])); // prettier-ignore
    await this.inside(name, weight);
    permit.release();
  }

  async aborting() {
    const { name, semaphore, weight } = this.draw();
    const controller = new AbortController();
    const waiting = semaphore.acquire(weight, { signal: AbortSignal.any([controller.signal, this.signal]) });
    this.rng.pick([setImmediate, queueMicrotask, (abort) => setTimeout(abort, 1)])(() => controller.abort());
    const permit = await waiting;
    await this.inside(name, weight);
    permit[Symbol.dispose]();
  }

  async trying() {
    const { name, semaphore, weight } = this.draw();
    const permit = semaphore.tryAcquire(weight);
    if (permit === undefined) return turn();
    await this.inside(name, weight);
    permit.release();
  }

  using() {
    const { name, semaphore, weight } = this.draw();
    return semaphore.use(() => this.inside(name, weight), { weight, signal: this.signal });
  }

  /** It keeps a permit for as long as it lives, or some of that. */
  async keeping() {
    if (this.kept.length > 0) return this.rng.chance(0.5) ? this.kept.pop()() : turn();
    const { name, semaphore } = this.draw();
    const permit = await semaphore.acquire(1, { signal: this.signal, timeout: 50 });
    this.tally.enter(name, 1);
    this.kept.push(() => {
      this.tally.leave(name, 1);
      permit.release();
    });
  }

  async mapping() {
    const { name, semaphore } = this.draw();
    const { mapWithLimit, mapSettled, mapStream, consume } = this.sluice;
    const mapper = async () => {
      if (this.rng.chance(0.3)) {
        await this.limiter.acquire({ signal: this.signal });
        this.tally.start();
      }
      await this.inside(name, 1);
    };
    const items = Array(1 + this.rng.below(6)).keys();
    const options = { signal: this.signal };
    switch (this.rng.below(6)) {
      case 0:
        return mapWithLimit(items, semaphore, mapper, options);
      case 1:
        return mapSettled(items, semaphore, mapper, options);
      case 2:
        return consume(items, mapper, { ...options, workers: semaphore });
      case 3:
        return this.reading(mapStream(items, semaphore, mapper, options), 0);
      case 4:
        // Who stops to read gives back the permits of mappers that still run: they are not counted.
        return this.reading(
          mapStream(items, semaphore, () => this.hold(), options),
          0.3,
        );
      default:
        return mapWithLimit(items, 3, () => this.tally.start(), { ...options, rate: this.limiter });
    }
  }

  async reading(stream, chance) {
    let isEnough = this.rng.chance(chance);
    for await (const result of stream) {
      if (result !== undefined) throw new Error('not what the mapper returned');
      if (isEnough) break;
      isEnough = this.rng.chance(chance);
    }
  }

  async drawing() {
    const wish = { signal: this.signal, timeout: this.rng.below(30), unref: this.rng.chance(0.2) };
    await this.limiter.acquire(wish);
    this.tally.start();
  }

  /** A second handle of that name, that comes and goes. */
  async opening() {
    const { name, weight } = this.draw();
    const { Mutex, Semaphore } = this.sluice;
    const other = name === 'mutex' ? new Mutex({ shared: name }) : new Semaphore(LIMITS[name], { shared: name });
    const waiting = other.acquire(weight, { signal: this.signal });
    if (this.rng.chance(0.3)) other.close();
    const permit = await waiting;
    await this.inside(name, weight);
    permit.release();
    if (this.rng.chance(0.5)) other.close(); // else it is garbage
  }

  /** Some at once. @returns the promises of their ends, once it is over */
  start(activities) {
    return Array.from({ length: AT_ONCE }, () => this.keepBusy(activities));
  }

  /** One thing after the other. What is refused is so by an abort, a timeout or close(). */
  async keepBusy(activities) {
    while (!this.isOver) {
      const activity = { name: this.rng.pick(activities) };
      this.running.add(activity);
      try {
        await this[activity.name]();
      } catch (error) {
        const isExpected = ['AbortError', 'TimeoutError'].includes(error.name) || error.code === 'ERR_SLUICE_CLOSED';
        if (!isExpected) throw error;
      }
      this.running.delete(activity);
    }
  }

  doom() {
    this.tally.doom();
    this.child?.doom();
  }

  end() {
    switch (this.ending) {
      case 'terminate':
        break; // when it is told to
      case 'spin':
        parentPort.postMessage('kill me');
        for (;;);
      case 'sleep':
        parentPort.postMessage('kill me');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        break;
      case 'return': // with the permits that it holds
        this.doom();
        this.isOver = true;
        this.controller.abort();
        break;
      case 'exit':
        this.doom();
        process.exit();
        break;
      case 'throw':
        this.doom();
        throw new Error('thrown on purpose');
    }
  }
}

function live(given) {
  if (given.childSlot !== undefined) {
    const { childSlot: slot, memory, seed } = given;
    const child = new Worker(require.resolve('./shared-killer'), {
      workerData: { role: 'victim', slot, memory, ending: 'terminate', life: 1e9, seed: seed + 1 },
    });
    child.unref();
  }
  const victim = new Victim(given);
  if (victim.ending !== 'terminate') setTimeout(() => victim.end(), victim.life);
  victim.start(['acquiring', 'aborting', 'trying', 'using', 'keeping', 'mapping', 'drawing', 'opening']);
}

module.exports = { Victim, live };
