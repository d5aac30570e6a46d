'use strict';

// Somebody who waits: for permits, for tokens, for an item, for room. C holds the place in the line and the timeout, the
// hub of the signal the rest; whichever comes first takes the waiter out of all of them, and settles its promise.

const { I, ints, operations, waiters, handOver } = require('./engine');
const { TimeoutError } = require('./errors');
const signals = require('./signals');

const { WITHDRAW } = operations;
const { LANE, LANE_GENERATION } = I;

class Waiter {
  /** `line`: what it waits in, whose left() is called when it is gone. */
  constructor(line, timeout) {
    this.line = line;
    this.timeout = timeout;
    this.slot = -1; // it stands in no line
    this.generation = 0;
    this.membership = null;
    this.resolve = null;
    this.reject = null;
  }

  /** Out of the signal's hub, and out of the line, which has let go of it. */
  leave() {
    this.slot = -1;
    this.membership?.leave();
    this.line.left();
  }

  // What C decides. Subclasses say what being granted means; some also what it means that the line is shut.

  onGranted(elapsed) {
    this.leave();
    this.granted(elapsed);
  }

  onOvertime(elapsed, loopBlocked) {
    this.leave();
    this.reject(new TimeoutError('wait', this.timeout, { elapsed, loopBlocked }));
  }

  onRefused() {
    this.leave();
    this.reject(this.refusal());
  }

  onShut() {
    this.leave();
    this.shut();
  }

  shut() {
    this.reject(this.line.closed());
  }

  // What the signal says.

  onAbort(reason) {
    this.reject(reason);
    this.withdraw();
  }

  withdraw() {
    waiters[this.slot] = null;
    ints[LANE] = this.slot;
    ints[LANE_GENERATION] = this.generation;
    WITHDRAW();
    this.leave();
    handOver(); // to whom it stood in the way
  }

  /**
   * Once it has its place in the line. A signal by shape may run any code here: it may end the wait, close the line, abort
   * itself, or throw.
   */
  follow(signal) {
    if (signal === undefined) return;
    try {
      this.membership = signals.join(signal, this);
      if (this.slot < 0) this.membership.leave();
      else if (signal.aborted) this.onAbort(signal.reason);
    } catch (error) {
      if (this.slot >= 0) this.onAbort(error);
    }
  }
}

module.exports = { Waiter };
