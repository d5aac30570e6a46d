'use strict';

// The rival of a shared semaphore: permits in a SharedArrayBuffer, taken by compare-and-swap, waited for with Atomics.wait
// or Atomics.waitAsync. As good as it gets with these, and what they cannot do is left out:
//
// - First come, first served. A place in the line could be a ticket number, but then each release has to wake the one
//   thread that has the next number, and Atomics.notify(…, 1) wakes whichever has slept longest: all would be woken, each
//   time, or each waiter would need a word of its own and a lock around the list of them. So who comes may overtake who
//   sleeps, and who is woken may find nothing and sleep again.
// - The dead. The permits of a thread that ends are lost, and with it a wake that was meant for it.
// - Keeping the loop alive: who only waits on Atomics.waitAsync is gone with the process.
//
// No wake is lost. A waiter counts itself in (WAITING) before it looks for a permit the last time, and a release adds the
// permit before it looks for waiters: whichever comes second sees the other. Atomics.wait and waitAsync sleep only while
// FREE is still 0. One permit wakes one waiter; if it was overtaken, who overtook it will release, and wake the next.

const FREE = 0;
const WAITING = 1;

const SPINS = 50; // of the blocking one, before it sleeps

class AtomicsSemaphore {
  static memoryFor(permits) {
    const words = new Int32Array(new SharedArrayBuffer(8));
    words[FREE] = permits;
    return words;
  }

  constructor(words) {
    this.words = words;
  }

  tryAcquire() {
    const { words } = this;
    for (let free = Atomics.load(words, FREE); free > 0;) {
      const seen = Atomics.compareExchange(words, FREE, free, free - 1);
      if (seen === free) return true;
      free = seen;
    }
    return false;
  }

  release() {
    const { words } = this;
    Atomics.add(words, FREE, 1);
    if (Atomics.load(words, WAITING) > 0) Atomics.notify(words, FREE, 1);
  }
}

/** Blocks the thread, loop and all. */
class BlockingSemaphore extends AtomicsSemaphore {
  acquire() {
    for (let spins = 0; spins < SPINS; spins++) if (this.tryAcquire()) return;
    const { words } = this;
    Atomics.add(words, WAITING, 1);
    while (!this.tryAcquire()) Atomics.wait(words, FREE, 0);
    Atomics.sub(words, WAITING, 1);
  }
}

/** Each waiter sleeps by itself. */
class AsyncSemaphore extends AtomicsSemaphore {
  /** @returns a promise; where a permit is free, undefined, which may be awaited too */
  acquire() {
    return this.tryAcquire() ? undefined : this.sleep();
  }

  async sleep() {
    const { words } = this;
    Atomics.add(words, WAITING, 1);
    while (!this.tryAcquire()) {
      const { async: isAsleep, value } = Atomics.waitAsync(words, FREE, 0);
      if (isAsleep) await value;
    }
    Atomics.sub(words, WAITING, 1);
  }
}

/**
 * One sleeper for each thread, who serves the line of its own; and a permit that comes back goes to that line first. It is
 * the fastest of all, since a permit hardly ever leaves its thread; and other threads starve as long as this one has work.
 */
class OwnLineSemaphore extends AtomicsSemaphore {
  constructor(words) {
    super(words);
    this.first = this.last = undefined; // { resolve, next }
    this.isServed = false;
  }

  acquire() {
    if (this.first === undefined && this.tryAcquire()) return undefined;
    return new Promise((resolve) => {
      const link = { resolve, next: undefined };
      if (this.first === undefined) this.first = link;
      else this.last.next = link;
      this.last = link;
      if (!this.isServed) this.serve();
    });
  }

  shift() {
    const { resolve, next } = this.first;
    this.first = next;
    resolve();
  }

  async serve() {
    const { words } = this;
    this.isServed = true;
    Atomics.add(words, WAITING, 1);
    while (this.first !== undefined) {
      while (this.first !== undefined && this.tryAcquire()) this.shift();
      if (this.first === undefined) break;
      const { async: isAsleep, value } = Atomics.waitAsync(words, FREE, 0);
      if (isAsleep) await value;
    }
    Atomics.sub(words, WAITING, 1);
    this.isServed = false;
    // A wake that was meant for this thread, which needs it no longer, goes on to the next.
    if (Atomics.load(words, FREE) > 0 && Atomics.load(words, WAITING) > 0) Atomics.notify(words, FREE, 1);
  }

  release() {
    if (this.first !== undefined) this.shift();
    else super.release();
  }
}

module.exports = { AsyncSemaphore, BlockingSemaphore, OwnLineSemaphore };
