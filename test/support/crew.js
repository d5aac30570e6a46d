'use strict';

// The main thread and some others, that do the same things with what they share.

const assert = require('node:assert/strict');

const { assertNothingLeft } = require('./endings');
const { ThisThread, Thread } = require('./threads');

let names = 0;

class Crew {
  here = new ThisThread();
  threads = []; // beside this one; the same array all the time
  all = [];
  name = ''; // of what they share

  async start(count) {
    this.threads.push(...(await Thread.crew(count)));
    this.all = [this.here, ...this.threads];
  }

  end() {
    return Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  begin() {
    this.name = `test ${names++}`;
  }

  /** Everybody lets go of everything, and nothing is left. */
  async clear() {
    await this.each((world) => world.clear());
    await this.each((world) => {
      const { jobs, lanes, waiters, semaphores } = world.usage;
      if (jobs + lanes + waiters + semaphores !== 0) throw new Error('something is left in C');
    });
    assertNothingLeft();
  }

  /** What is shared, in this thread. */
  get it() {
    return this.here.world.it;
  }

  /** In all of them at once. @returns what it came to in each */
  each(fn, ...args) {
    return Promise.all(this.all.map((thread) => thread.run(fn, ...args)));
  }

  /** All of them make it, one after the other. */
  async share(kind, given, options, threads = this.all) {
    const args = [kind, this.name, given, options];
    for (const thread of threads) await thread.run((world, ...args) => void world.share(...args), ...args);
  }

  /** Asks for that many. `form`: 'timeout', 'signal' or nothing. What comes of it stands under the key. */
  acquire(thread, key, { weight = 1, form = undefined, timeout = 1e6 } = {}) {
    return thread.run(
      (world, key, weight, form, timeout) => {
        const wish = form === undefined ? undefined : form === 'timeout' ? { timeout } : { signal: world.signal(key) };
        world.follow(key, world.it.acquire(weight, wish));
      },
      key,
      weight,
      form,
      timeout,
    );
  }

  outcome(thread, key) {
    return thread.run((world, key) => world.outcome(key), key);
  }

  status(thread, key) {
    return thread.run((world, key) => world.status(key), key);
  }

  release(thread) {
    return thread.run((world) => world.release());
  }

  abort(thread, key, reason) {
    return thread.run((world, key, reason) => world.abort(key, reason), key, reason);
  }

  close(thread) {
    return thread.run(({ it }) => it.close());
  }

  /** Takes that many permits, or tokens, that are free. */
  hold(thread, weight) {
    return thread.run((world, weight) => {
      const taken = world.it.tryAcquire(weight);
      if (!taken) throw new Error('not as many are free');
      if (taken !== true) world.permits.push(taken);
    }, weight);
  }

  levels(thread) {
    return thread.run(({ it }) => ({ available: it.available, waiting: it.waiting }));
  }

  /** Every thread sees the same. */
  async assertLevels(expected) {
    for (const thread of this.all) assert.deepEqual(await this.levels(thread), expected);
  }
}

/** For the tests of a suite: this thread and so many others; each test begins with a new name, and leaves nothing behind. */
function crewOf(count) {
  const crew = new Crew();
  before(() => crew.start(count));
  beforeEach(() => crew.begin());
  afterEach(() => crew.clear());
  after(() => crew.end());
  return crew;
}

/** Words that all threads see. */
const words = (count) => new Int32Array(new SharedArrayBuffer(4 * count));

module.exports = { crewOf, words };
