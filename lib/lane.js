'use strict';

// Lanes: how a job's decisions become calls of the mapper, and its outcomes a promise.
//
//   C decides                      a lane obeys
//   START item, attempt            reads the item (attempt 1), calls the mapper, awaits, answers FULFILLED or REJECTED
//   PULL                           takes the source's next item, answers PULLED or EXHAUSTED
//   REVIEW                         asks the caller's callbacks about a retry (review.js)
//   PARK                           awaits until C names it again
//   REST, DONE, DRAIN, FAIL        awaits for ever: the lane is garbage
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

const channels = require('./channels');
const { forever, markHandled, mayBeThenable } = require('./promises');
const { Attempt, Context, abortAttempt } = require('./context');
const {
  I,
  D,
  enums,
  ints,
  doubles,
  operations,
  lanes,
  grantWordOfLane,
  failure,
  handOver,
  note,
  remaining,
  step,
} = require('./engine');
const { isPermanent, unwrap } = require('./errors');
const observing = require('./observing');
const { readPlan, review } = require('./review');
const running = require('./running');
const { asResult, closeIterator } = require('./source');
const { skip, stop } = require('./symbols');

const { live, ON_STACK } = running;
const { STEP, LATE } = operations;
const { LANE, LANE_GENERATION, OUTCOME, ACTION, ITEM, ATTEMPT, JOB, JOB_GENERATION, GRANTED } = I;
const { ACTION_START, ACTION_PULL, ACTION_PARK, ACTION_REVIEW, ACTION_REST } = enums;
const { ACTION_DONE, ACTION_DRAIN, ACTION_FAIL } = enums;
const { OUTCOME_FULFILLED, OUTCOME_REJECTED, OUTCOME_REFUSED, OUTCOME_STOPPED } = enums;
const { OUTCOME_PULLED, OUTCOME_EXHAUSTED } = enums;

// Whose time is over.
const SCOPES = new Map([
  [enums.EVENT_TIMED_OUT, 'attempt'],
  [enums.EVENT_ITEM, 'item'],
  [enums.EVENT_ITEM_OUTLIVED, 'item'],
  [enums.EVENT_OUTLIVED, 'total'],
]);

class Lane extends Attempt {
  constructor(job, slot, generation) {
    super(0, 0);
    this.job = job; // null: the lane has let go
    this.slot = slot;
    this.generation = generation;
    this.grantWord = grantWordOfLane(slot);
    this.action = ACTION_REST;
    this.item = undefined;
    this.isPending = false; // an attempt is open whose mapper has not been called yet
    this.isRefused = false; // the attempt failed before the mapper was called: its element was a rejected promise
    this.error = undefined; // the last failed attempt's
    this.resume = null; // of a parked lane
    this.nextAttempt = 0; // of a parked lane; 0: it holds no item
    this.plan = null; // of a retry under review
    this.orphan = null; // of an abandoned lane: the job to tell when its attempt ends after all, and which that is
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

  /** The attempt's time is over, or the item's, or a backoff would have ended after that or the call's. */
  onTime(event, elapsed, loopBlocked) {
    const { job, index } = this;
    const scope = SCOPES.get(event);
    const isOutlived = event === enums.EVENT_OUTLIVED || event === enums.EVENT_ITEM_OUTLIVED;
    const attempt = this.latestAttempt();
    const hasFailed = attempt > 1 || (attempt === 1 && this.action !== ACTION_START);
    const cause = hasFailed && scope !== 'attempt' ? this.error : undefined; // else each would hold all before it
    const error = job.timeoutError(scope, { elapsed, loopBlocked, index, attempt, cause, isOutlived });
    channels.holdTimeout(job, error);
    const action = ints[ACTION];
    if (action === ACTION_FAIL || action === ACTION_DRAIN) {
      job.runInContext(failOnTime, this, error);
      return;
    }
    const fresh = new Lane(job, this.slot, ints[LANE_GENERATION]);
    fresh.index = index;
    fresh.item = this.item;
    fresh.isPending = true;
    this.abandon();
    job.runInContext(startAfresh, fresh, this, error);
  }

  /** The latest attempt at its item; 0: none was started. */
  latestAttempt() {
    return this.action === ACTION_PARK ? this.nextAttempt - 1 : this.attempt;
  }

  /** What its attempt comes to only counts as the end of one that still ran. */
  abandon() {
    const { slot, generation } = this.job;
    const { index: item, attempt } = this;
    const isRunning = this.action === ACTION_START;
    this.job.letGo(this);
    if (isRunning) this.orphan = { slot, generation, item, attempt };
  }

  /** Milliseconds to the first of the timeouts that its attempt is under. */
  remaining() {
    return this.job === null ? 0 : remaining(this);
  }
}

function goOn(lane) {
  const { job } = lane;
  lane.isPending = true;
  const hasItem = lane.nextAttempt > 0;
  accept(lane);
  if (!hasItem) read(lane);
  if (job.wakesOthers && job.isOpen) job.start(true); // lanes that rested meanwhile have work again
}

function failOnTime(lane, error) {
  const { job } = lane;
  if (ints[ACTION] === ACTION_DRAIN) {
    lane.abandon();
    job.failWith(error);
    abortAttempt(lane, error);
  } else {
    job.fail(error);
  }
}

/** A lane born in drain(), in the place of one that was abandoned. */
function startAfresh(lane, abandoned, error) {
  failed(lane, error);
  abortAttempt(abandoned, error);
  const { job } = lane;
  if (job === null) return; // it has ended; or a listener of that signal has ended the job
  read(lane);
  if (lane.job !== null) job.tie(run(lane, true));
  if (job.sink !== null) job.sink.acknowledgeSome();
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
    if (observing.isWatched) running.note(lane);
  } else {
    acceptRare(lane, action);
  }
}

function acceptRare(lane, action) {
  const { job } = lane;
  lane.attempt = 0;
  lane.controller = null;
  if (action === ACTION_PARK) {
    lane.nextAttempt = ints[ATTEMPT];
    if (lane.nextAttempt > 0) lane.index = ints[ITEM] >= 0 ? ints[ITEM] : doubles[D.ITEM_WIDE];
    lanes[lane.slot] = lane;
  } else if (action === ACTION_PULL) {
    lane.index = ints[ITEM] >= 0 ? ints[ITEM] : doubles[D.ITEM_WIDE]; // which it would be
  } else if (action === ACTION_REVIEW) {
    lane.attempt = ints[ATTEMPT] - 1; // the callbacks are about this one, and their signal ends with the review
    if (lane.attempt < 0) {
      lane.attempt = 0; // it has failed for good
      lane.plan = null;
    } else {
      lane.isReviewed = true;
      lane.plan = readPlan();
    }
  } else if (action === ACTION_REST) {
    job.letGo(lane);
  } else if (action === ACTION_DONE) {
    job.finish();
  } else if (action < 0) {
    job.abort(failure());
  }
}

/** A first attempt takes its item from the source, where it has not pulled it before. */
function read(lane) {
  if (lane.action === ACTION_START) {
    if (lane.attempt === 1 && !lane.job.isAsync) readFirst(lane);
  } else if (lane.action === ACTION_PULL && !lane.job.isAsync) {
    pullNow(lane);
  }
}

function readFirst(lane) {
  const { job, index } = lane;
  const { items } = job;
  if (items === null) {
    if (takeNext(lane)) job.makeRoom(index);
  } else if (index >= items.length) {
    answer(lane, OUTCOME_EXHAUSTED);
  } else if (takeElement(lane, index) && index >= job.resultCount) {
    job.makeRoom(index);
  }
}

/** PULL, of a source that has its items at once. */
function pullNow(lane) {
  const { job } = lane;
  if (job.items === null) {
    if (!takeNext(lane)) return;
  } else if (lane.index < job.items.length) {
    if (!takeElement(lane, lane.index)) return;
  } else {
    answer(lane, OUTCOME_EXHAUSTED);
    return;
  }
  answer(lane, OUTCOME_PULLED);
  if (lane.job !== null) job.makeRoom(lane.index);
}

/** Of an array, where a getter may stand. @returns whether the lane has it, and still wants it */
function takeElement(lane, index) {
  const { job } = lane;
  try {
    lane.item = job.items[index];
  } catch (error) {
    lane.isPending = true; // its mapper is not called
    job.abort(error);
    return false;
  }
  return lane.job !== null;
}

/** Asks the iterator. @returns whether there was an item, and the lane still wants it */
function takeNext(lane) {
  const { job } = lane;
  const { iterator } = job;
  const { isPending } = lane; // of a lane born in drain()
  let isDone;
  lane.isPending = job.isReading = true; // next() is user code, and may end the call
  try {
    const result = asResult(iterator.next());
    isDone = Boolean(result.done);
    if (!isDone) lane.item = result.value;
  } catch (error) {
    job.isSourceOpen = job.isReading = false;
    if (lane.job !== null) job.abort(error);
    return false;
  }
  lane.isPending = isPending;
  job.isReading = false;
  if (lane.job === null) {
    // next() has ended the call. Its item is nobody's.
    job.isSourceOpen = false; // the job may drain, and close it in the end
    if (isDone) return false;
    markHandled(lane.item);
    closeIterator(iterator);
    return false;
  }
  if (isDone) {
    job.isSourceOpen = false;
    answer(lane, OUTCOME_EXHAUSTED);
    return false;
  }
  markHandled(lane.item); // the call may end before the lane gets to it
  return true;
}

/** The source of a PULL that takes its time: one next() in flight at a time. */
async function pull(lane) {
  let result;
  let isDone;
  try {
    result = asResult(await lane.job.iterator.next());
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
    job.start(false);
  }
}

/** Tells C, and obeys. */
function answer(lane, outcome) {
  const { job } = lane;
  step(lane, outcome);
  accept(lane);
  tellReads(job);
}

/** Behind an answer that has been obeyed: what was read meanwhile, and what that and the answer have brought to others. */
function tellReads(job) {
  if (job.sink !== null) job.sink.acknowledgeSome();
  if (job.handsOver) handOver();
}

function fulfilled(lane, value) {
  const { job } = lane;
  if (job === null) {
    endedLate(lane);
    return;
  }
  if (typeof value === 'symbol' && job.leavesOut && (value === skip || value === stop)) {
    leaveOut(lane, value);
    return;
  }
  const { results } = job;
  if (results !== null) results[lane.index] = job.collects ? { status: 'fulfilled', value } : value;
  else if (job.sink !== null) job.sink.put(lane.index, job.collects ? { status: 'fulfilled', value } : value);
  const { grantWord } = job;
  if (grantWord >= 0 && lane.grantWord >= 0) {
    const next = ints[grantWord];
    if (next < job.grantedEnd) {
      // Inside a granted run the answer is known: START the next item.
      ints[grantWord] = next + 1;
      ints[lane.grantWord] = next;
      if (observing.isRecording) {
        ints[LANE] = lane.slot;
        note(); // C records it, and decides nothing
      }
      lane.index = next;
      lane.attempt = 1;
      readFirst(lane); // such a job does not pull
      if (job.sink !== null) job.sink.acknowledgeSome();
      return;
    }
  }
  ints[LANE] = lane.slot;
  ints[LANE_GENERATION] = lane.generation;
  ints[OUTCOME] = OUTCOME_FULFILLED;
  STEP();
  accept(lane);
  read(lane);
  tellReads(job);
}

/** The mapper has returned `skip` or `stop`. */
function leaveOut(lane, symbol) {
  const { job } = lane;
  job.leaveOut(lane.index);
  if (symbol === stop) {
    job.noteStop();
    step(lane, OUTCOME_STOPPED);
    job.dropIdle();
    accept(lane);
    job.closeSource();
    tellReads(job);
  } else {
    step(lane, OUTCOME_FULFILLED);
    accept(lane);
    read(lane);
    tellReads(job);
  }
}

function rejected(lane, error) {
  if (lane.job === null) {
    endedLate(lane);
    return;
  }
  const isFinal = lane.isRefused || isPermanent(error);
  const reason = isFinal && !lane.isRefused ? unwrap(error) : error;
  lane.isRefused = false;
  const { job } = lane;
  step(lane, isFinal ? OUTCOME_REFUSED : OUTCOME_REJECTED);
  failed(lane, reason);
  read(lane);
  tellReads(job);
}

/** An attempt has failed, and C has decided what that means. */
function failed(lane, error) {
  const { job, index } = lane;
  const action = ints[ACTION];
  lane.error = error;
  if (action === ACTION_FAIL || action === ACTION_DRAIN) {
    lane.attempt = 0; // it has ended: its signal has nothing to hear
    lane.action = ACTION_REST;
    job.failWith(error);
    return;
  }
  const isRetried = (action === ACTION_START || action === ACTION_PARK) && ints[ATTEMPT] > 1;
  if (!isRetried && action !== ACTION_REVIEW && job.isCollecting) job.collect(index, error);
  const again =
    isRetried && channels.hearsRetries() ? { index, attempt: ints[ATTEMPT] - 1, delay: delayOf(action), error } : null;
  accept(lane);
  if (again !== null || job.told?.timeout) tell(lane, job, again);
}

/** Of a retry, before it: one without a wait starts at once. */
function delayOf(action) {
  return action === ACTION_PARK ? doubles[D.DELAY] : 0;
}

/** Of what became of an attempt. Whoever is told may end the call, and what starts next has not been called yet. */
function tell(lane, job, again) {
  const { isPending } = lane;
  lane.isPending = true;
  if (job.told !== null) channels.tellTimeout(job.told);
  if (again !== null && lane.job !== null) channels.tellRetry(job, again);
  lane.isPending = isPending;
}

/** The callbacks were asked, and C has heard. */
function decided(lane) {
  const { job } = lane;
  lane.isReviewed = false;
  failed(lane, lane.error);
  if (lane.job !== null) read(lane);
  tellReads(job);
}

/** The attempt of a lane that has let go. */
function endedLate(lane) {
  lane.action = ACTION_REST;
  const { orphan } = lane;
  if (orphan === null) return;
  lane.orphan = null;
  ints[JOB] = orphan.slot;
  ints[JOB_GENERATION] = orphan.generation;
  const { item, attempt } = orphan;
  ints[ITEM] = item <= 0x7fffffff ? item : -1;
  doubles[D.ITEM_WIDE] = item;
  ints[ATTEMPT] = attempt;
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
    if (mayBeThenable(item)) {
      if (isThenable(lane, item)) return beginWith(lane, item, context);
      if (lane.job === null) return undefined; // asking has ended the call
    }
    // For the watchdog. (Always: to ask whether somebody watches costs more, and a second call of the mapper more than both.)
    live[ON_STACK] = lane.slot + 1;
    const value = isAttempt ? mapper(context) : mapper(item, index, context);
    live[ON_STACK] = 0;
    return value;
  } catch (error) {
    live[ON_STACK] = 0;
    return Promise.reject(error);
  }
}

/** Asking may run a getter; one that throws is an element that is rejected. */
function isThenable(lane, item) {
  try {
    return typeof item.then === 'function';
  } catch (error) {
    lane.isRefused = true;
    throw error;
  }
}

async function beginWith(lane, promise, context) {
  let item;
  lane.isPending = true;
  try {
    item = await promise;
  } catch (error) {
    if (lane.job !== null) lane.isRefused = true;
    throw error;
  } finally {
    lane.isPending = false;
  }
  if (lane.job === null) return undefined; // abandoned meanwhile: what this returns reaches nobody
  lane.item = item; // what a further attempt, and onError, are called with
  const { mapper } = lane.job;
  let value;
  live[ON_STACK] = lane.slot + 1;
  try {
    value = mapper(item, lane.index, context);
  } finally {
    live[ON_STACK] = 0;
  }
  return await value; // awaited here, for the stack of what it throws in its next tick
}

/** A lane's life, in one promise. `isFresh`: it was born in drain(), and gives way once. */
async function run(lane, isFresh) {
  if (isFresh) {
    await undefined;
    lane.isPending = false;
  }
  for (;;) {
    if (lane.action === ACTION_START) {
      let value;
      lane.isPending = false; // it may have been resumed before it had parked
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
      lane.isPending = false;
    } else if (lane.action === ACTION_PULL) {
      lane.isPending = true; // what it takes starts a few microtasks later
      await pull(lane);
      lane.isPending = false;
    } else if (lane.action === ACTION_REVIEW) {
      lane.isPending = true; // the same for a retry without a wait
      await review(lane, decided);
      lane.isPending = false;
    } else {
      endedLate(lane); // if it was abandoned before it began
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
