'use strict';

// Threads for tests. Each runs, on demand, functions that come as text: they see nothing of where they were written, but
// get the world of their thread and what else was sent along.
//
//   const [thread] = await Thread.crew(1);
//   await thread.run((world, name) => void world.share('Semaphore', name, 1), name);
//
// run() resolves behind what the function returns, so what it did has happened before whatever comes next: that is how the
// order between threads is made certain.

const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { runInThisContext } = require('node:vm');

/** What the functions of a thread share. */
class World {
  it = undefined; // the latest of share()
  permits = []; // what follow() was granted
  #handles = [];
  #waits = new Map();
  #controllers = new Map();

  get sluice() {
    return require('../..');
  }

  get usage() {
    return require('../../lib/engine').usage();
  }

  /** Makes one of that name, and keeps it until clear(). */
  share(kind, name, given, options) {
    const { [kind]: Kind } = this.sluice;
    const shared = { ...options, shared: name };
    if (kind === 'Semaphore') this.it = new Kind(given, shared);
    else if (kind === 'Mutex') this.it = new Kind(shared);
    else this.it = new Kind({ ...given, ...shared });
    this.#handles.push(this.it);
    return this.it;
  }

  /** Any of the functions that run a mapper on items. */
  async call(kind, items, limit, mapper, options) {
    const { mapWithLimit, mapSettled, mapStream, consume } = this.sluice;
    if (kind === 'mapWithLimit') return mapWithLimit(items, limit, mapper, options);
    if (kind === 'mapSettled') return mapSettled(items, limit, mapper, options);
    if (kind === 'consume') return consume(items, mapper, { ...options, workers: limit });
    const results = [];
    for await (const result of mapStream(items, limit, mapper, options)) results.push(result);
    return results;
  }

  /** A signal that abort(key) aborts. */
  signal(key) {
    const controller = new AbortController();
    this.#controllers.set(key, controller);
    return controller.signal;
  }

  abort(key, reason) {
    this.#controllers.get(key).abort(reason);
  }

  /** Remembers what becomes of it, under that name; and whatever it is granted. */
  follow(key, promise) {
    const wait = { status: 'pending', value: undefined };
    wait.over = promise.then(
      (value) => {
        if (typeof value?.release === 'function') this.permits.push(value);
        Object.assign(wait, { status: 'granted', value: typeof value === 'number' ? value : undefined });
      },
      (error) => Object.assign(wait, { status: 'rejected', value: described(error) }),
    );
    this.#waits.set(key, wait);
  }

  /** How it stands. */
  status(key) {
    return this.#waits.get(key).status;
  }

  /** What became of it, once it has. */
  async outcome(key) {
    const wait = this.#waits.get(key);
    await wait.over;
    return { status: wait.status, value: wait.value };
  }

  /** A permit that it was granted, the first of them, goes back. */
  release() {
    this.permits.shift().release();
  }

  /** `ints`, seen by all threads, holds a list: its length, then its entries. */
  note(ints, entry) {
    ints[1 + Atomics.add(ints, 0, 1)] = entry;
  }

  /** `ints`: how many are inside, of all threads; and the most that ever were. */
  enter(ints, weight = 1) {
    const inside = Atomics.add(ints, 0, weight) + weight;
    for (let peak = Atomics.load(ints, 1); inside > peak;) {
      const seen = Atomics.compareExchange(ints, 1, peak, inside);
      if (seen === peak) break;
      peak = seen;
    }
  }

  leave(ints, weight = 1) {
    Atomics.sub(ints, 0, weight);
  }

  turn() {
    return new Promise(setImmediate);
  }

  /** Blocks the thread: ints[0] is 1 from then on, until somebody makes it 2. Fails where that takes too long. */
  block(ints) {
    Atomics.store(ints, 0, 1);
    Atomics.notify(ints, 0);
    if (Atomics.wait(ints, 0, 1, 20_000) === 'timed-out') throw new Error('nobody ended the block');
  }

  /** Gives back what it holds, and lets go of what it shares. */
  clear() {
    for (const permit of this.permits.splice(0)) permit[Symbol.dispose]();
    for (const handle of this.#handles.splice(0)) handle.close();
    this.#waits.clear();
    this.#controllers.clear();
    this.it = undefined;
  }
}

async function perform(world, text, args) {
  return runInThisContext(`(${text})`)(world, ...args);
}

/** An error as it is seen from another thread. */
function described(error) {
  if (typeof error !== 'object' || error === null) return { thrown: error };
  const { name, code, message, scope } = error;
  return { name, code, message, scope };
}

class Thread {
  static async crew(count, options) {
    const threads = Array.from({ length: count }, () => new Thread(options));
    await Promise.all(threads.map((thread) => thread.run(() => {})));
    return threads;
  }

  constructor(options) {
    this.worker = new Worker(__filename, options);
    this.calls = new Map();
    this.count = 0;
    this.error = undefined; // that it ended with
    this.exit = new Promise((resolve) => this.worker.once('exit', resolve)).then((code) => {
      for (const { reject } of this.calls.values()) reject(this.error ?? new Error(`the thread ended with ${code}`));
      this.calls.clear();
      return code;
    });
    this.worker.on('error', (error) => (this.error = error));
    this.worker.on('message', ({ id, value, error }) => {
      const { resolve, reject } = this.calls.get(id);
      this.calls.delete(id);
      if (error === undefined) resolve(value);
      else reject(Object.assign(new Error(error.message), error));
    });
  }

  /** What fn(world, ...args) returns there; both ways what the structured clone takes. Rejects with what it threw, in words. */
  run(fn, ...args) {
    const id = this.count++;
    this.worker.postMessage({ id, text: fn.toString(), args });
    return new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
  }

  /** As run(), without an answer: the thread may not come to it. */
  tell(fn, ...args) {
    this.worker.postMessage({ id: undefined, text: fn.toString(), args });
  }

  /** Blocks it, until the function that this resolves with is called. */
  async block() {
    const ints = new Int32Array(new SharedArrayBuffer(4));
    this.tell((world, ints) => world.block(ints), ints);
    await Atomics.waitAsync(ints, 0, 0).value;
    return () => {
      Atomics.store(ints, 0, 2);
      Atomics.notify(ints, 0);
    };
  }

  /** @returns its exit code */
  async terminate() {
    await this.worker.terminate();
    return this.exit;
  }
}

/** The thread that this runs in, as one of them. */
class ThisThread {
  world = new World();

  async run(fn, ...args) {
    try {
      return await perform(this.world, fn.toString(), args);
    } catch (error) {
      throw Object.assign(new Error(error.message), described(error));
    }
  }
}

if (!isMainThread && require.main === module) {
  const world = new World();
  parentPort.on('message', async ({ id, text, args }) => {
    try {
      const value = await perform(world, text, args);
      if (id !== undefined) parentPort.postMessage({ id, value });
    } catch (error) {
      if (id === undefined) throw error;
      parentPort.postMessage({ id, error: described(error) });
    }
  });
}

module.exports = { Thread, ThisThread };
