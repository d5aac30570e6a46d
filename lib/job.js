'use strict';

// A job, as JavaScript holds it: its source, its results, its promise and who is told what. The lanes are in lane.js,
// the decisions in C.

const channels = require('./channels');
const { abortAttempt } = require('./context');
const { I, D, enums, ints, doubles, operations, lanes, jobs, grantWordOfJob, failure } = require('./engine');
const { handOver, keepAnswer, nameJob, putBack, step } = require('./engine');
const { TimeoutError } = require('./errors');
const { Lane, accept, read, rejected, run } = require('./lane');
const { nameOf } = require('./names');
const { listen, markHandled, mayBeThenable, promiseFor, resolved, toNative } = require('./promises');
const { readCounts, writePolicy } = require('./policy');
const { closeIterator } = require('./source');
const { resourceHere } = require('./resource');
const observing = require('./observing');
const { live, ON_STACK } = require('./running');
const signals = require('./signals');
const { skip } = require('./symbols');

const { OPEN, JOIN, ABORT, COUNT } = operations;
const { LANE, LANE_GENERATION, ACTION, JOB, JOB_GENERATION } = I;
const { ACTION_START, ACTION_PULL, ACTION_PARK, ACTION_REST, ACTION_DONE } = enums;
const { ACTION_DRAIN, ACTION_FAIL } = enums;
const { OUTCOME_REJECTED } = enums;

// An array longer than this is better grown than allocated at once.
const PREALLOCATED_MAX = 1 << 25;

class Job {
  /** Of a call (options.js), over a source (source.js). */
  constructor(call, source) {
    this.call = call;
    this.mapper = call.mapper;
    this.isAttempt = call.isAttempt;
    this.collects = call.collects;
    this.isCollecting = call.collects || !call.stopsOnError; // failures
    this.leavesOut = call.leavesOut;
    this.isTimed = call.timeout !== Infinity || call.itemTimeout !== Infinity; // a lane with an item has a deadline in C
    this.items = source.items;
    this.iterator = null;
    this.isAsync = source.isAsync;
    // Where a start may have to wait, lanes rest meanwhile, and there is work for them again when one goes on.
    const mayWait = call.rate.max !== 0 || call.limiter !== null || call.maxAbandoned !== Infinity;
    this.wakesOthers = mayWait || call.semaphore !== null;
    this.handsOver = call.semaphore !== null; // what its lanes give back may be somebody else's at once
    this.sink = call.sink;
    this.isCutShort = false; // from outside, by a signal or the time
    this.isSourceOpen = false;
    this.isReading = false; // the source's next() is on the stack
    this.results = null;
    this.resultCount = 0;
    this.errors = null; // of failed items, where they are kept for the end
    this.leftOut = 0; // items for which the mapper returned `skip` or `stop`
    this.isStopped = false;
    this.stoppedAt = 0; // how many items had been taken then
    this.drained = null; // how the call ends once no attempt runs any more: { error } or { value }
    this.lanes = [];
    this.slot = -1;
    this.generation = 0;
    this.grantWord = -1;
    this.grantedEnd = 0; // lanes may take items below this without asking
    this.isOpen = false;
    this.membership = null;
    this.resource = null;
    this.told = null; // what diagnostics_channel knows of it
    this.link = null;
    this.resolve = null;
    this.reject = null;
  }

  /** Opens it in C and starts its first lanes; `resolve` and `reject` are the call's. */
  begin(source) {
    const { signal } = this.call;
    if (signal !== undefined && signal.aborted) {
      this.reject(signal.reason);
      source.prepare?.();
    } else {
      this.open(source);
    }
  }

  open(source) {
    const { call } = this;
    if (channels.isHeard()) this.told = channels.tellStart(call, source.total);
    try {
      if (call.semaphore?.isClosed) throw call.semaphore.closed();
      if (call.limiter?.isClosed) throw call.limiter.closed();
      call.semaphore?.attach(this);
    } catch (error) {
      this.refuse(error);
      return;
    }
    call.limiter?.attach(this);
    writePolicy(call, source);
    OPEN();
    const action = ints[ACTION];
    if (action < 0) {
      const error = failure();
      this.detach();
      this.refuse(error);
      return;
    }
    this.isOpen = true;
    if (action === ACTION_DONE || action === ACTION_FAIL) {
      if (!call.discard) this.makeResults();
      if (action === ACTION_DONE) this.finish();
      else this.failTotal(0, 0);
      source.prepare?.();
      return;
    }
    this.slot = ints[JOB];
    this.generation = ints[JOB_GENERATION];
    this.grantWord = grantWordOfJob(this.slot);
    if (observing.isOn) nameJob(this.slot, this.generation, nameOf(call));
    try {
      this.prepare(source);
      this.start(false);
    } catch (error) {
      this.abort(error); // a getter of a signal or an item; what is open must not stay so
    }
  }

  /** There is nothing to end in C. */
  refuse(error) {
    this.reject(error);
    if (this.told !== null) channels.tellEnd(this.told, { error });
  }

  /** Everything up to the first lane. Much of it is user code, which may abort the call. */
  prepare(source) {
    const { call } = this;
    // The engine's clock runs since OPEN: what a million items cost here counts before the loop gets its turn.
    source.prepare?.();
    if (!call.discard) this.makeResults();
    const isTold = call.totalTimeout !== Infinity || call.onProgress !== undefined || call.semaphore !== null;
    if (isTold) jobs[this.slot] = this;
    const isUserCodeWoken = this.items === null || this.wakesOthers;
    if (isTold || this.isTimed || call.signal !== undefined || isUserCodeWoken || this.told !== null)
      this.resource = resourceHere();
    // Lanes that can be abandoned while there are results to come are tied to a link, which is cut: see lane.js.
    const goesOn = call.retry.retries > 0 || this.isCollecting || call.drains;
    if ((this.isTimed && goesOn) || (this.collects && call.totalTimeout !== Infinity) || this.isAsync) {
      this.link = { resolve: null, reject: null };
      listen(promiseFor(this.link), this.resolve, this.reject);
    }
    if (call.signal !== undefined) {
      // Seeing to the items may have run user code.
      if (call.signal.aborted) {
        this.abort(call.signal.reason);
        return;
      }
      this.membership = signals.join(call.signal, this);
    }
    if (this.items === null) this.openSource(source);
  }

  openSource(source) {
    this.iterator = source.open();
    this.isSourceOpen = true;
    if (this.isOpen) return;
    this.closeSource(); // opening it is user code, and has aborted the signal
    this.iterator = null;
  }

  /** Starts lanes for as long as C has use for another one. `isFresh`: in drain(), see lane.js. */
  start(isFresh) {
    if (!this.isOpen) return;
    const { failure: past } = this.call;
    while (this.isOpen) {
      ints[JOB] = this.slot;
      ints[JOB_GENERATION] = this.generation;
      JOIN();
      const action = ints[ACTION];
      if (action === ACTION_REST) return;
      if (action < 0) {
        this.abort(failure());
        return;
      }
      const lane = new Lane(this, ints[LANE], ints[LANE_GENERATION]);
      accept(lane);
      read(lane);
      if (past !== null) rejected(lane, past.error);
      if (lane.job === null) continue;
      lane.isPending = isFresh;
      const outer = live[ON_STACK]; // whose mapper has begun this job
      this.tie(run(lane, isFresh));
      live[ON_STACK] = outer;
    }
  }

  /** For the stack of what is thrown in the lane: see lane.js. */
  tie(promise) {
    const target = this.link ?? this;
    listen(promise, target.resolve, target.reject);
  }

  /** Of what drain() was answered. Hooks of node:async_hooks run in between, and may use the mailbox. */
  runInContext(callback, ...args) {
    if (this.resource === null) {
      callback(...args);
      return;
    }
    keepAnswer();
    this.resource.runInAsyncScope(withAnswer, undefined, callback, args);
  }

  makeResults() {
    if (this.items !== null && this.items.length <= PREALLOCATED_MAX) this.resultCount = this.items.length;
    this.results = new Array(this.resultCount);
  }

  /** Results stay dense however far apart they arrive. */
  makeRoom(index) {
    if (this.results === null || index < this.resultCount) return;
    this.results[index] = undefined;
    this.resultCount = index + 1;
  }

  /** The lane's number goes to another lane, or to none. */
  letGo(lane) {
    const last = this.lanes.pop();
    if (last !== lane) {
      this.lanes[lane.position] = last;
      last.position = lane.position;
    }
    drop(lane);
  }

  // Items that leave no value.

  leaveOut(index) {
    this.leftOut++;
    this.markLeftOut(index);
  }

  markLeftOut(index) {
    if (this.results !== null) this.results[index] = skip;
    else if (this.sink !== null) this.sink.leaveOut(index);
  }

  collect(index, error) {
    if (!this.collects) (this.errors ??= []).push({ index, error });
    else if (this.results !== null) this.results[index] = { status: 'rejected', reason: error };
    if (this.sink === null) return;
    if (this.collects) this.sink.put(index, { status: 'rejected', reason: error });
    else this.sink.leaveOut(index);
  }

  /** A mapper has returned `stop`: no more items are taken than have been. */
  noteStop() {
    ints[JOB] = this.slot;
    ints[JOB_GENERATION] = this.generation;
    COUNT();
    this.stoppedAt = doubles[D.STARTED];
    this.isStopped = true;
  }

  /** After STOPPED: lanes that had started nothing are gone in C; the items they held are left out. */
  dropIdle() {
    for (const lane of [...this.lanes]) {
      const isParked = lane.action === ACTION_PARK && lane.nextAttempt <= 1;
      if (!isParked && lane.action !== ACTION_PULL) continue;
      if (isParked && lane.nextAttempt === 1) this.markLeftOut(lane.index);
      this.letGo(lane);
    }
  }

  // The endings. C has closed the job, or only waits for what runs: state is final before user code runs.

  /** Every item has settled, or the drain is over. */
  finish() {
    const counts = this.close();
    const { drained } = this;
    if (drained === null) this.complete(counts);
    else if (drained.isFailure) this.rejectAfterReport(drained.error, counts);
    else this.fulfil(drained.value, counts);
    this.closeSource();
    this.forget();
  }

  complete(counts) {
    if (this.errors !== null) {
      this.rejectAfterReport(this.aggregate(counts), counts);
      return;
    }
    const { results } = this;
    if (results !== null && results.length !== counts.started) results.length = counts.started;
    const value = this.isAttempt ? results[0] : this.valueOf(counts);
    this.fulfil(value, counts);
  }

  /** What the call resolves with. */
  valueOf(counts) {
    const { results } = this;
    if (this.call.countsResults) return this.describe(counts);
    if (results === null) return counts.done - this.leftOut + (this.collects ? counts.failed : 0);
    return this.leftOut > 0 ? results.filter(isKept) : results;
  }

  aggregate({ started }) {
    const errors = this.errors.sort((a, b) => a.index - b.index).map(({ error }) => error);
    return new AggregateError(errors, `${errors.length} of ${started} items failed`);
  }

  /** After the last report, which may still reject the call. */
  fulfil(value, counts) {
    const { resolve, reject, link, told } = this;
    this.link = null; // it is cut behind the settling
    const reported = this.reportLast(counts);
    if (reported === undefined) settle({ resolve, link, told }, value, counts);
    else settleAfter(reported, { resolve, reject, link, told }, value, counts);
  }

  rejectAfterReport(error, counts) {
    markHandled(this.reportLast(counts));
    this.reject(error);
    if (this.told !== null) channels.tellEnd(this.told, { error }, counts);
  }

  /** C says FAIL or DRAIN. */
  failWith(error) {
    if (ints[ACTION] === ACTION_DRAIN) this.drain({ isFailure: true, error }, error);
    else this.fail(error);
  }

  fail(error) {
    if (!this.isOpen) return;
    const running = this.lanes;
    this.rejectAfterReport(error, this.close());
    this.stop(running, error);
    this.forget();
  }

  /** C waits for the attempts that run; nothing else does anything any more. `ending`: see `drained`. */
  drain(ending, reason) {
    this.drained = ending;
    this.results = null;
    this.membership?.leave();
    const all = [...this.lanes];
    for (const lane of all) if (lane.action !== ACTION_START) this.letGo(lane);
    for (const lane of all) {
      if (lane.action !== ACTION_START || !lane.isPending) continue;
      step(lane, OUTCOME_REJECTED); // its mapper is not called any more, so there is nothing to wait for
      accept(lane);
    }
    this.stop(all, reason);
    if (this.told !== null) channels.tellTimeout(this.told);
  }

  failTotal(elapsed, loopBlocked) {
    const cause = this.errors === null ? undefined : this.aggregate(readCounts());
    const error = this.timeoutError('total', { elapsed, loopBlocked, cause });
    channels.holdTimeout(this, error);
    this.runInContext(endOnTotal, this, error);
  }

  timeoutError(scope, { index, attempt, ...details }) {
    const { timeout, itemTimeout, totalTimeout, label } = this.call;
    if (scope === 'total') return new TimeoutError(scope, totalTimeout, { ...details, label });
    const limit = scope === 'item' ? itemTimeout : timeout;
    return new TimeoutError(scope, limit, { ...details, index, attempt, label, isAlone: this.isAttempt });
  }

  /** Ends in JavaScript's own right: a signal, a source or a callback that threw. */
  abort(error) {
    if (!this.isOpen || this.drained !== null) return;
    ints[JOB] = this.slot;
    ints[JOB_GENERATION] = this.generation;
    ABORT();
    this.failWith(error);
  }

  /** On the total timeout: what there is, and the timeout for the rest. */
  settleRest(error) {
    const isDraining = ints[ACTION] === ACTION_DRAIN;
    const running = this.lanes;
    const counts = isDraining ? readCounts() : this.close();
    const { results } = this;
    const count = results === null ? 0 : (this.totalOf(counts) ?? counts.started);
    if (results !== null) results.length = count; // the array may have shrunk
    for (let i = 0; i < count; i++) results[i] ??= { status: 'rejected', reason: error };
    const value = this.valueOf(counts);
    if (isDraining) {
      this.drain({ isFailure: false, value }, error);
      return;
    }
    this.fulfil(value, counts);
    this.stop(running, error);
    this.forget();
  }

  /** Lets go of everything; returns the counts that C closed the job with. */
  close() {
    this.isOpen = false;
    const counts = readCounts();
    const { lanes: dropped } = this;
    this.lanes = [];
    for (let i = 0; i < dropped.length; i++) drop(dropped[i]);
    if (this.slot >= 0 && jobs[this.slot] === this) jobs[this.slot] = null;
    if (this.membership !== null) this.membership.leave();
    if (this.handsOver || this.call.limiter !== null) this.detach();
    return counts;
  }

  /** From what it shared with others. What it held is theirs in this turn, but not in the middle of our ending. */
  detach() {
    const { semaphore, limiter } = this.call;
    limiter?.detach(this);
    if (semaphore === null) return;
    semaphore.detach(this);
    listen(resolved(undefined), handOver);
  }

  /** After the call has settled: the attempts that still run hear of it, and the source is closed. */
  stop(running, reason) {
    for (let i = 0; i < running.length; i++) abortAttempt(running[i], reason);
    this.closeSource();
  }

  closeSource() {
    if (!this.isSourceOpen || this.isReading) return; // in the middle of next(): who called that closes it behind it
    this.isSourceOpen = false;
    closeIterator(this.iterator);
  }

  /** An error's stack holds on to the receivers of its frames until somebody reads it: to this, that is. */
  forget() {
    this.link?.resolve();
    this.resource?.emitDestroy();
    this.mapper = this.items = this.iterator = this.results = this.sink = this.call = this.errors = this.drained = null;
    this.link = this.resolve = this.reject = this.resource = this.told = null;
  }

  // What others tell it.

  onAbort(reason) {
    this.runInContext(abortJob, this, reason);
  }

  onTotal(elapsed, loopBlocked) {
    this.failTotal(elapsed, loopBlocked);
  }

  /** There is a permit for one more lane. */
  onRoom() {
    this.resource.runInAsyncScope(startMore, undefined, this);
  }

  onProgress() {
    this.runInContext(reportProgress, this, readCounts());
  }

  /** @returns a native promise where the callback returned a promise, or threw */
  reportLast(counts) {
    const { onProgress } = this.call;
    if (onProgress === undefined) return undefined;
    try {
      const returned = onProgress(this.describe(counts));
      return mayBeThenable(returned) ? toNative(returned) : undefined;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  describe(counts) {
    return { total: this.totalOf(counts), ...counts };
  }

  /** An array may grow and shrink while it is read. */
  totalOf({ started }) {
    if (this.isStopped) return this.stoppedAt;
    if (this.items !== null) return Math.max(started, this.items.length);
    return this.isSourceOpen ? undefined : started;
  }
}

/**
 * The last report rejects the call where its promise is rejected by now, or about to be. The call does not wait for more:
 * nothing bounds it any longer.
 */
async function settleAfter(reported, job, value, counts) {
  const { reject, told } = job;
  listen(reported, undefined, (error) => {
    reject(error);
    if (told !== null) channels.tellEnd(told, { error }, counts);
  });
  for (let i = 0; i < 4; i++) await undefined;
  settle(job, value, counts);
}

function settle({ resolve, link, told }, value, counts) {
  resolve(value);
  link?.resolve();
  if (told !== null) channels.tellEnd(told, null, counts);
}

/** @returns the call's promise, which the job does not hold */
function runJob(call, source) {
  const job = new Job(call, source);
  const promise = promiseFor(job);
  job.begin(source);
  return promise;
}

/** A lane that hangs may hang for ever, so it keeps nothing. */
function drop(lane) {
  if (lanes[lane.slot] === lane) lanes[lane.slot] = null;
  lane.job = null;
  lane.action = ACTION_REST;
  lane.item = undefined;
  lane.error = undefined;
}

function withAnswer(callback, args) {
  putBack();
  callback(...args);
}

function endOnTotal(job, error) {
  job.isCutShort = true;
  if (job.collects && job.sink === null) job.settleRest(error);
  else job.failWith(error);
}

function isKept(value) {
  return value !== skip;
}

function abortJob(job, reason) {
  job.isCutShort = true;
  job.abort(reason);
}

function startMore(job) {
  job.start(true);
}

function reportProgress(job, counts) {
  try {
    const { onProgress } = job.call;
    const returned = onProgress(job.describe(counts));
    if (mayBeThenable(returned)) listen(toNative(returned), undefined, (error) => job.abort(error));
  } catch (error) {
    job.abort(error);
  }
}

module.exports = { Job, runJob };
