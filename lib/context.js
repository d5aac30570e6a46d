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
      if (lane !== null && lane.index === this.index && lane.attempt === this.attempt) {
        lane.controller = this.#controller;
        if (lane.isAborted) this.#controller.abort(lane.reason);
      }
    }
    return this.#controller.signal;
  }
}

/** What a context needs of its lane, for those that have no other. */
class Attempt {
  constructor(index, attempt) {
    this.index = index;
    this.attempt = attempt; // 0: none is open
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

module.exports = { Attempt, Context, abortAttempt };
