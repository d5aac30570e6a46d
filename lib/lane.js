'use strict';

// Lanes: how a job's decisions become calls of the mapper, and its outcomes a promise.
//
//   C decides                      a lane obeys
//   START item, attempt            reads the item (attempt 1), calls the mapper, awaits, answers FULFILLED or REJECTED
//   PULL                           awaits the source's next(), answers PULLED or EXHAUSTED
//   PARK                           awaits until C names it again
//   REST, DONE, FAIL               awaits for ever: the lane is garbage
//
// A lane is one async function that loops. Its promise never settles; it is tied to the result promise with that
// promise's own resolving functions, because V8 follows exactly these when it writes an error's stack: the function that
// called us stands in it, as under a bare `await`.
//
// The traps:
// - A lane that hangs on a promise that never settles keeps alive whatever its frame holds. So the frame holds the lane
//   and nothing else, and an abandoned lane drops its job. Where lanes can be abandoned while the job goes on, they are
//   tied to a link promise that is cut when the job settles: else they would keep the results alive.
// - The mailbox is read at once after each operation: any user code may use it next.
// - What runs from drain() is in nobody's async context and has no caller: user code runs in the job's resource, and a
//   lane born there gives way once, so that its mapper runs in a microtask that has a caller.

const { forever, markHandled, mayBeThenable } = require('./promises');
const { Attempt, Context, abortAttempt } = require('./context');
const { I, D, enums, ints, doubles, operations, lanes, grantWordOfLane, failure } = require('./engine');

const { closeIterator } = require('./source');

const { STEP, LATE } = operations;
const { LANE, LANE_GENERATION, OUTCOME, ACTION, ITEM, ATTEMPT, JOB, JOB_GENERATION, GRANTED } = I;
const { ACTION_START, ACTION_PULL, ACTION_PARK, ACTION_REST, ACTION_DONE, ACTION_FAIL } = enums;
const { OUTCOME_FULFILLED, OUTCOME_REJECTED, OUTCOME_REFUSED, OUTCOME_PULLED, OUTCOME_EXHAUSTED } = enums;

class Lane extends Attempt {
  constructor(job, slot, generation) {
    super(0, 0);
    this.job = job; // null: the lane has let go
    this.slot = slot;
    this.generation = generation;
    this.grantWord = grantWordOfLane(slot);
    this.action = ACTION_REST;
    this.item = undefined;
    this.isRefused = false; // the attempt failed before the mapper was called: its element was a rejected promise
    this.error = undefined; // the last failed attempt's
    this.resume = null; // of a parked lane
    this.orphan = null; // of an abandoned lane: the handle of the job to tell when its attempt ends after all
    this.position = job.lanes.push(this) - 1;
    if (job.isTimed) lanes[slot] = this;
  }

  onResumed() {
    const { job, resume } = this;
    if (!job.isTimed) lanes[this.slot] = null;
    this.resume = null;
    job.runInContext(goOn, this);
    resume?.(); // a lane born in this very batch has not parked yet, and reads its action when it would
  }

  onTime(event, elapsed, loopBlocked) {
    const { job, index, attempt } = this;
    if (event === enums.EVENT_OUTLIVED) {
      job.failTotal(elapsed, loopBlocked, this.error);
      return;
    }
    const error = job.timeoutError('attempt', { elapsed, loopBlocked, index, attempt });
    if (ints[ACTION] === ACTION_FAIL) {
      job.runInContext(failJob, job, error);
      return;
    }
    const fresh = new Lane(job, this.slot, ints[LANE_GENERATION]);
    fresh.index = index;
    fresh.item = this.item;
    job.letGo(this);
    this.orphan = { slot: job.slot, generation: job.generation };
    failed(fresh, error);
    job.runInContext(startAfresh, fresh, this, error);
  }
}

function goOn(lane) {
  accept(lane);
  read(lane);
}

function failJob(job, error) {
  job.fail(error);
}

function startAfresh(lane, abandoned, error) {
  abortAttempt(abandoned, error);
  if (lane.job === null) return; // a listener of that signal has ended the job
  read(lane);
  if (lane.job !== null) lane.job.tie(run(lane, true));
}

/** What C has decided for this lane, from the mailbox. */
function accept(lane) {
  const action = ints[ACTION];
  lane.action = action;
  if (action === ACTION_START) {
    const item = ints[ITEM];
    lane.index = item >= 0 ? item : doubles[D.ITEM_WIDE];
    lane.attempt = ints[ATTEMPT];
    lane.job.grantedEnd = ints[GRANTED];
  } else {
    acceptRare(lane, action);
  }
}

function acceptRare(lane, action) {
  const { job } = lane;
  lane.attempt = 0;
  lane.controller = null;
  if (action === ACTION_PARK) {
    lanes[lane.slot] = lane;
  } else if (action === ACTION_REST) {
    job.letGo(lane);
  } else if (action === ACTION_DONE) {
    job.finish();
  } else if (action < 0) {
    job.fail(failure());
  }
  // PULL: run() sees to it.
}

/** A first attempt takes its item from the source. */
function read(lane) {
  if (lane.action !== ACTION_START || lane.attempt !== 1) return;
  const { job } = lane;
  if (job.items !== null) {
    if (lane.index < job.items.length) {
      lane.item = job.items[lane.index];
      if (lane.index >= job.resultCount) job.makeRoom(lane.index);
    } else {
      answer(lane, OUTCOME_EXHAUSTED);
    }
  } else if (!job.isAsync) {
    readIterator(lane);
  }
}

function readIterator(lane) {
  const { job } = lane;
  const { iterator } = job;
  let isDone;
  job.isReading = true;
  try {
    const result = iterator.next();
    if (!mayBeThenable(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`);
    isDone = Boolean(result.done);
    if (!isDone) lane.item = result.value;
  } catch (error) {
    job.isSourceOpen = job.isReading = false;
    if (lane.job !== null) job.abort(error);
    return;
  }
  job.isReading = false;
  if (lane.job === null) {
    // next() has ended the call. Its item is nobody's.
    if (isDone) return;
    markHandled(lane.item);
    closeIterator(iterator);
  } else if (isDone) {
    job.isSourceOpen = false;
    answer(lane, OUTCOME_EXHAUSTED);
  } else {
    markHandled(lane.item); // the call may end before the lane gets to it
    job.makeRoom(lane.index);
  }
}

/** The source of a PULL: one next() in flight at a time. */
async function pull(lane) {
  let result;
  let isDone;
  try {
    result = await lane.job.iterator.next();
    if (!mayBeThenable(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`);
    isDone = result.done;
    if (!isDone) lane.item = result.value;
  } catch (error) {
    if (lane.job === null) return;
    lane.job.isSourceOpen = false;
    lane.job.abort(error);
    return;
  }
  const { job } = lane;
  if (!isDone) markHandled(lane.item); // the call may end before the lane gets to it
  if (job === null) return;
  if (isDone) {
    job.isSourceOpen = false;
    answer(lane, OUTCOME_EXHAUSTED);
  } else {
    answer(lane, OUTCOME_PULLED);
    if (lane.job === null) return;
    job.makeRoom(lane.index);
    job.start();
  }
}

/** Tells C, and obeys. */
function answer(lane, outcome) {
  ints[LANE] = lane.slot;
  ints[LANE_GENERATION] = lane.generation;
  ints[OUTCOME] = outcome;
  STEP();
  accept(lane);
}

function fulfilled(lane, value) {
  const { job } = lane;
  if (job === null) {
    endedLate(lane);
    return;
  }
  const { results } = job;
  if (results !== null) results[lane.index] = job.collects ? { status: 'fulfilled', value } : value;
  const { grantWord } = job;
  if (grantWord >= 0 && lane.grantWord >= 0) {
    const next = ints[grantWord];
    if (next < job.grantedEnd) {
      // Inside a granted run the answer is known: START the next item.
      ints[grantWord] = next + 1;
      ints[lane.grantWord] = next;
      lane.index = next;
      lane.attempt = 1;
      read(lane);
      return;
    }
  }
  ints[LANE] = lane.slot;
  ints[LANE_GENERATION] = lane.generation;
  ints[OUTCOME] = OUTCOME_FULFILLED;
  STEP();
  accept(lane);
  read(lane);
}

function rejected(lane, error) {
  if (lane.job === null) {
    endedLate(lane);
    return;
  }
  ints[LANE] = lane.slot;
  ints[LANE_GENERATION] = lane.generation;
  ints[OUTCOME] = lane.isRefused ? OUTCOME_REFUSED : OUTCOME_REJECTED;
  STEP();
  lane.isRefused = false;
  failed(lane, error);
  read(lane);
}

/** An attempt has failed, and C has decided what that means. */
function failed(lane, error) {
  const { job, index } = lane;
  lane.error = error;
  if (ints[ACTION] === ACTION_FAIL) {
    lane.attempt = 0; // it has ended: its signal has nothing to hear
    job.fail(error);
    return;
  }
  if (job.collects) {
    const isRetried = (ints[ACTION] === ACTION_START || ints[ACTION] === ACTION_PARK) && ints[ATTEMPT] > 1;
    if (!isRetried && job.results !== null) job.results[index] = { status: 'rejected', reason: error };
  }
  accept(lane);
}

/** The attempt of a lane that has let go. */
function endedLate(lane) {
  lane.action = ACTION_REST;
  const { orphan } = lane;
  if (orphan === null) return;
  lane.orphan = null;
  ints[JOB] = orphan.slot;
  ints[JOB_GENERATION] = orphan.generation;
  LATE();
}

/**
 * Calls the mapper. The element may be a promise; then its rejection is not the mapper's, and is not retried. A throw is
 * a rejection, so it comes no sooner: the other lanes of the same call start first.
 */
function begin(lane) {
  const { item, index } = lane;
  const { mapper, isAttempt } = lane.job; // called without a receiver: `this` is none of the mapper's business
  const context = new Context(index, lane.attempt, lane);
  lane.controller = null;
  try {
    if (mayBeThenable(item) && typeof item.then === 'function') return beginWith(lane, item, context);
    return isAttempt ? mapper(context) : mapper(item, index, context);
  } catch (error) {
    return Promise.reject(error);
  }
}

async function beginWith(lane, promise, context) {
  let item;
  try {
    item = await promise;
  } catch (error) {
    if (lane.job !== null) lane.isRefused = true;
    throw error;
  }
  if (lane.job === null) return undefined; // abandoned meanwhile: what this returns reaches nobody
  const { mapper } = lane.job;
  return await mapper(item, lane.index, context); // awaited here, for the stack of what it throws in its next tick
}

/** A lane's life, in one promise. `isFresh`: it was born in drain(), and gives way once. */
async function run(lane, isFresh) {
  if (isFresh) await undefined;
  for (;;) {
    if (lane.action === ACTION_START) {
      let value;
      try {
        value = begin(lane);
        if (mayBeThenable(value)) value = await value;
      } catch (error) {
        rejected(lane, error);
        continue;
      }
      fulfilled(lane, value);
    } else if (lane.action === ACTION_PARK) {
      await parked(lane);
    } else if (lane.action === ACTION_PULL) {
      await pull(lane);
    } else {
      await forever();
    }
  }
}

function parked(lane) {
  return new Promise((resolve) => {
    lane.resume = resolve;
  });
}

module.exports = { Lane, accept, read, rejected, run };
