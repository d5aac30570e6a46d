'use strict';

// Time that only moves when a test moves it: the engine's, and that of the timers it stands beside.
//
// An instant is processed as the driver and the loop would process it: what has arrived, one by one with its microtasks;
// then the end of the turn, which stamps what was armed; then sleeps and backoffs that are due; then the judgement of
// timeouts that are still open. Until nothing is due at this instant any more.

const assert = require('node:assert/strict');

const binding = require('../../lib/engine');
const { D, I, doubles, ints, drain, operations } = require('../../lib/engine');

const MS = 1e6;
const LATEST = 2 ** 62; // nanoseconds: what is due later is due never, as the mailbox takes no such time

class VirtualClock {
  /** Time is the loop's own until reset() is called. */
  constructor(seed = 1) {
    this.seed = seed;
  }

  /** A fresh engine, at time 0. The record of the former one is gone. */
  reset() {
    binding.rehearse(BigInt(this.seed));
    this.now = 0;
    this.isWarm = false;
    this.timers = []; // in the order of (due, arming)
    this.late = []; // the same
  }

  /** In milliseconds. Who asks the engine for the time, or for what is left of it, is told by this word. */
  get now() {
    return this.ms;
  }

  set now(ms) {
    this.ms = ms;
    doubles[D.NOW] = Math.round(ms * MS);
  }

  /** Back to the loop's own time. */
  restore() {
    binding.rehearse();
  }

  /** Makes the engine grant long runs of items, as it does when steps follow each other fast. */
  warmUp() {
    this.isWarm = true;
    for (let i = 0; i < 10; i++) this.tell('OBSERVE');
  }

  setTimeout(callback, ms) {
    insert(this.timers, { due: this.now + ms, callback });
  }

  /** Comes after everything that arrives at its instant, and before any deadline. */
  setLateTimeout(callback, ms) {
    insert(this.late, { due: this.now + ms, callback });
  }

  sleep(ms) {
    return new Promise((resolve) => this.setTimeout(resolve, ms));
  }

  tell(operation, span = 0) {
    doubles[D.NOW] = Math.round(this.now * MS);
    doubles[D.SPAN] = span;
    operations[operation]();
  }

  /** All microtasks, and the end of a turn. */
  async flush() {
    await new Promise(setImmediate);
    this.tell('TURN_BEGIN');
    drain();
    await new Promise(setImmediate);
    this.tell('TURN_END');
    const isReady = (ints[I.WAITING] & 1) !== 0;
    if (this.isWarm) this.warmUp();
    if (isReady) {
      drain();
      await this.flush();
    }
  }

  /** The present instant, until nothing is due in it. */
  async settleInstant() {
    await this.flush();
    for (;;) {
      const timer = takeDue(this.timers, this.now) ?? takeDue(this.late, this.now);
      if (timer !== undefined) {
        timer.callback();
        await this.flush();
      } else if (!(await this.bringTime('EXPIRE')) && !(await this.bringTime('JUDGE'))) {
        return;
      }
    }
  }

  async bringTime(operation) {
    this.tell(operation);
    if ((ints[I.WAITING] & 1) === 0) return false;
    drain();
    await this.flush();
    return true;
  }

  /** The next instant at which anything is due, in milliseconds. */
  get next() {
    this.tell('TURN_END');
    const expiry = doubles[D.NEXT_EXPIRY] < LATEST ? doubles[D.NEXT_EXPIRY] / MS : Infinity;
    return Math.min(dueOf(this.timers), dueOf(this.late), expiry);
  }

  /** Moves on by `ms`, instant by instant. */
  async advance(ms) {
    const end = this.now + ms;
    await this.settleInstant();
    while (this.next <= end) {
      this.now = this.next;
      await this.settleInstant();
    }
    this.now = end;
  }

  /** Moves on until the promise has settled; returns it. */
  async over(promise) {
    let isSettled = false;
    const done = () => (isSettled = true);
    promise.then(done, done);
    await this.runUntil(() => isSettled);
    assert.ok(isSettled, 'it is pending, and nothing is due');
    return promise;
  }

  /** Moves on until `isDone()`, or nothing is due any more. */
  async runUntil(isDone) {
    await this.settleInstant();
    while (!isDone() && this.next < Infinity) {
      this.now = this.next;
      await this.settleInstant();
    }
  }
}

function insert(timers, timer) {
  const after = timers.findIndex((other) => other.due > timer.due);
  if (after < 0) timers.push(timer);
  else timers.splice(after, 0, timer);
}

function takeDue(timers, now) {
  return dueOf(timers) <= now ? timers.shift() : undefined;
}

function dueOf(timers) {
  return timers.length > 0 ? timers[0].due : Infinity;
}

/** For the tests of a suite: a clock that stands at 0 before each of them. `seed`: the engine's. */
function virtualClock(seed) {
  return forEachTest(new VirtualClock(seed));
}

/** The same of a clock that is there. */
function forEachTest(clock) {
  before(() => clock.reset());
  beforeEach(() => clock.reset());
  after(() => clock.restore());
  return clock;
}

module.exports = { VirtualClock, forEachTest, virtualClock };
