'use strict';

// What a mapper is told about its attempt. Its signal, which costs a microsecond, is made on first use.
//
// An attempt and its lane know each other in one direction: the context points at the lane. (A pointer from the lane,
// which is old, to each new context would pay the collector's write barrier for each item.) The lane is at this attempt
// as long as its index and attempt say so, and keeps the controller once there is one.

class Context {
  #lane;
  #controller = null;

  constructor(index, attempt, lane) {
    this.index = index;
    this.attempt = attempt;
    this.#lane = lane;
  }

  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      const lane = this.#lane;
      if (lane !== null && isAt(lane, this)) {
        lane.controller = this.#controller;
        if (lane.isAborted) this.#controller.abort(lane.reason);
      }
    }
    return this.#controller.signal;
  }

  get remaining() {
    const lane = this.#lane;
    if (lane === null) return Infinity; // nothing bounds it
    return isAt(lane, this) ? lane.remaining() : 0;
  }
}

/** Whether the lane is still at what this tells of: an attempt, or, once that has failed, the retry that is reviewed. */
function isAt(lane, context) {
  const isSame = lane.index === context.index && lane.attempt === context.attempt;
  return isSame && lane.isReviewed === context instanceof RetryContext;
}

// What the callbacks of a RetryPolicy are told: `attempt` is the one that failed.
class RetryContext extends Context {
  constructor(index, attempt, lane, { retriesLeft, delay, elapsed }) {
    super(index, attempt, lane);
    this.retriesLeft = retriesLeft;
    this.delay = delay;
    this.elapsed = elapsed;
  }
}

/** What a context needs of its lane, for those that have no other. */
class Attempt {
  constructor(index, attempt) {
    this.index = index;
    this.attempt = attempt; // 0: none is open
    this.isReviewed = false; // it has failed, and the caller is asked about the next one
    this.controller = null; // of the attempt's signal, once it was asked for
    this.isAborted = false;
    this.reason = undefined;
  }
}

/** Ends the signal of the lane's present attempt, whether anybody has asked for it yet or not. */
function abortAttempt(lane, reason) {
  if (lane.attempt === 0 || lane.isAborted) return;
  lane.isAborted = true;
  lane.reason = reason;
  if (lane.controller !== null) lane.controller.abort(reason);
}

module.exports = { Attempt, Context, RetryContext, abortAttempt };
