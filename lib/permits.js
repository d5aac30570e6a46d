'use strict';

// What a semaphore comes to: permits, and who waits for them. Queues are made of these too.
//
// As long as all who wait are alike (one permit, no timeout, no signal) there is nothing to decide: the permits that are
// out are counted here, and the line is a list. (A crossing for each who comes and each who goes would cost more than all
// the rest of it.) With the first who is different C gets the count and the line, and decides from then on who is next
// (src/core/semaphore.c); when nobody waits any more, the count comes back. A job that is open on it needs C all the time.

const { I, D, enums, ints, doubles, operations, waiters } = require('./engine');
const { deliver, failure, handOver } = require('./engine');
const { closed } = require('./errors');
const { full, isBusy } = require('./line');
const observing = require('./observing');
const { Ring } = require('./ring');
const { Waiter } = require('./waiter');

const { SEMAPHORE, SEMAPHORE_CLOSE, ACQUIRE, GIVE, RESIZE, SEMAPHORE_LEVEL, SEMAPHORE_SHUT } = operations;
const { ACTION, EVENT, FLAGS, HANDED, LANE, LANE_GENERATION, SEMAPHORE_GENERATION } = I;
const { WEIGHT, TIMEOUT, MAX_WAITING, PERMITS, IN_USE } = D;

// More than anybody counts: what C takes for "no limit".
const MOST = Number.MAX_SAFE_INTEGER;

// So many entries that nobody waits for any more may stand in a line.
const FEW = 16;

// Those who wait without conditions are entries, of a kind that the subclass knows: grant(entry), refuse(entry, error), and
// turnAway(entry) where the line is shut.
class Permits {
  constructor(size, inUse, maxWaiting, what) {
    this.size = size;
    this.inUse = inUse; // while C does not have the count
    this.maxWaiting = maxWaiting;
    this.what = what; // for errors
    this.waiting = 0; // in C
    this.line = new Ring(); // here: what grant() and refuse() know to be a waiter
    this.gone = 0; // of these, entries that were forgotten
    this.jobs = null; // a Set of those that are open on it
    this.slot = -1; // C does not have the count
    this.generation = 0;
    this.isClosed = false;
  }

  /** What C is asked about. */
  name() {
    ints[I.SEMAPHORE] = this.slot;
    ints[SEMAPHORE_GENERATION] = this.generation;
  }

  /** Gives the count to C. Throws where it has no memory. */
  open() {
    if (this.slot >= 0) return;
    doubles[PERMITS] = this.size;
    doubles[IN_USE] = this.inUse;
    SEMAPHORE();
    if (ints[ACTION] < 0) throw failure();
    this.slot = ints[I.SEMAPHORE];
    this.generation = ints[SEMAPHORE_GENERATION];
    while (this.line.size > 0) this.moveIn(this.line.shift());
    this.gone = 0;
  }

  /** Somebody from the line here stands in C's. */
  moveIn(entry) {
    if (entry.isGone) return;
    this.ask(1, Infinity, Infinity);
    if (ints[ACTION] < 0) this.refuse(entry, failure());
    else this.enter(new PlainWaiter(this, entry));
  }

  enter(waiter) {
    waiter.slot = ints[LANE];
    waiter.generation = ints[LANE_GENERATION];
    waiters[waiter.slot] = waiter;
    this.waiting++;
  }

  /** Takes the count back once there is nothing to decide. */
  settle() {
    if (this.slot < 0 || isBusy(this)) return;
    this.name();
    SEMAPHORE_CLOSE();
    if (ints[ACTION] < 0) return;
    this.inUse = doubles[IN_USE];
    this.slot = -1;
  }

  /** @returns whether so many permits were free, and nobody waits before */
  tryTake(weight) {
    if (this.slot < 0) {
      if (weight > this.size - this.inUse) return false;
      this.inUse += weight;
      return true;
    }
    this.ask(weight, Infinity, 0);
    return ints[ACTION] >= 0;
  }

  ask(weight, timeout, maxWaiting) {
    this.name();
    doubles[WEIGHT] = weight;
    doubles[TIMEOUT] = timeout;
    doubles[MAX_WAITING] = maxWaiting;
    ints[FLAGS] = 0;
    ACQUIRE();
  }

  /** Somebody wants one permit, of which none is free, and sets no conditions. (The recorder sees who waits in C.) */
  waitPlainly(entry) {
    if (this.slot >= 0 || observing.isRecording) {
      this.wait(new PlainWaiter(this, entry), 1, Infinity);
    } else {
      if (this.line.size >= this.maxWaiting) throw this.full();
      this.line.push(entry);
    }
  }

  /** The waiter is granted its permits when its turn comes. */
  wait(waiter, weight, timeout) {
    this.open();
    this.ask(weight, timeout, this.maxWaiting);
    const error = ints[ACTION];
    if (error < 0) {
      this.settle();
      if (error === enums.EINVAL) throw waiter.refusal(); // another thread has taken permits away just now
      throw error === enums.ECROWDED ? this.full() : failure();
    }
    if (ints[EVENT] === enums.EVENT_GRANTED)
      waiter.granted(); // another thread has given it back just now
    else this.enter(waiter);
  }

  /** One that waited is gone from C. */
  left() {
    this.waiting--;
    this.settle();
  }

  /** Whoever gets the permits is told before this returns. */
  give(weight) {
    if (this.slot < 0) {
      this.inUse -= weight;
      if (this.line.size > 0) this.serve();
      return;
    }
    this.name();
    doubles[WEIGHT] = weight;
    GIVE();
    const hasMore = ints[HANDED] !== 0;
    deliver();
    if (hasMore) handOver();
  }

  /** Of the line here. */
  serve() {
    const { line } = this;
    while (line.size > 0 && this.inUse < this.size) {
      const entry = line.shift();
      if (entry.isGone) {
        this.gone--;
      } else {
        this.inUse++;
        this.grant(entry);
      }
    }
  }

  /** An entry, an object, waits no longer. O(1), since those that are gone are swept out once they are the most. */
  forget(entry) {
    if (this.slot >= 0) {
      entry.waiter.withdraw();
      return;
    }
    entry.isGone = true;
    this.gone++;
    if (this.gone < FEW || 2 * this.gone < this.line.size) return;
    for (let left = this.line.size; left > 0; left--) {
      const kept = this.line.shift();
      if (!kept.isGone) this.line.push(kept);
    }
    this.gone = 0;
  }

  resize(size) {
    this.size = size;
    if (this.slot < 0) {
      this.serve();
      return;
    }
    this.name();
    doubles[PERMITS] = size;
    RESIZE();
    handOver();
  }

  /** Everybody who waits is told that it was in vain. */
  shut() {
    while (this.line.size > 0) {
      const entry = this.line.shift();
      if (!entry.isGone) this.turnAway(entry);
    }
    this.gone = 0;
    if (this.slot < 0) return;
    this.name();
    SEMAPHORE_SHUT();
    handOver();
  }

  /** How many there are in all. */
  get capacity() {
    return this.size;
  }

  get available() {
    if (this.slot < 0) return Math.max(0, this.size - this.inUse);
    this.name();
    SEMAPHORE_LEVEL();
    return this.size === Infinity ? Infinity : doubles[D.AVAILABLE];
  }

  /** With the jobs that wait. */
  get waitingInAll() {
    if (this.slot < 0) return this.line.size;
    this.name();
    SEMAPHORE_LEVEL();
    return doubles[D.WAITERS];
  }

  attach(job) {
    this.open();
    (this.jobs ??= new Set()).add(job);
  }

  detach(job) {
    this.jobs.delete(job);
    this.settle();
  }

  full() {
    return full(this.what, this.maxWaiting);
  }

  closed() {
    return closed(this.what);
  }
}

// One of them, once the line is C's.
class PlainWaiter extends Waiter {
  constructor(permits, entry) {
    super(permits, Infinity);
    this.entry = entry;
    if (typeof entry === 'object') entry.waiter = this;
  }

  granted() {
    this.line.grant(this.entry);
  }

  shut() {
    this.line.turnAway(this.entry);
  }
}

module.exports = { MOST, Permits };
