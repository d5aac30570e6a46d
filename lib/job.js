'use strict';

// A job, as JavaScript holds it: its source, its results, its promise and who is told what. The lanes are in lane.js,
// the decisions in C.

const { abortAttempt } = require('./context');
const { I, D, enums, ints, doubles, operations, lanes, jobs, grantWordOfJob, failure } = require('./engine');
const { TimeoutError } = require('./errors');
const { Lane, accept, read, rejected, run } = require('./lane');
const { listen, markHandled, mayBeThenable, promiseFor, toNative } = require('./promises');
const { closeIterator } = require('./source');
const { resourceHere } = require('./resource');
const signals = require('./signals');

const { OPEN, JOIN, ABORT } = operations;
const { LANE, LANE_GENERATION, ACTION, JOB, JOB_GENERATION, FLAGS, SOURCE, BACKOFF, JITTER } = I;
const { ACTION_REST, ACTION_DONE, ACTION_FAIL } = enums;

// An array longer than this is better grown than allocated at once.
const PREALLOCATED_MAX = 1 << 25;

class Job {
  /** Of a call (options.js), over a source (source.js). */
  constructor(call, source) {
    this.call = call;
    this.mapper = call.mapper;
    this.isAttempt = call.isAttempt;
    this.collects = call.collects;
    this.isTimed = call.timeout !== Infinity; // a lane with an open attempt has a deadline in C
    this.items = source.items;
    this.iterator = null;
    this.isAsync = source.isAsync;
    this.isSourceOpen = false;
    this.isReading = false; // the source's next() is on the stack
    this.total = source.total;
    this.results = null;
    this.resultCount = 0;
    this.lanes = [];
    this.slot = -1;
    this.generation = 0;
    this.grantWord = -1;
    this.grantedEnd = 0; // lanes may take items below this without asking
    this.isOpen = false;
    this.membership = null;
    this.resource = null;
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
    writePolicy(call, source);
    OPEN();
    const action = ints[ACTION];
    if (action < 0) {
      this.reject(failure());
      return;
    }
    this.isOpen = true;
    if (action !== ACTION_DONE && action !== ACTION_FAIL) {
      this.slot = ints[JOB];
      this.generation = ints[JOB_GENERATION];
      this.grantWord = grantWordOfJob(this.slot);
    }
    // The engine's clock runs since OPEN: what a million items cost here counts before the loop gets its turn.
    source.prepare?.();
    if (!call.discard) this.makeResults();
    if (action === ACTION_DONE) {
      this.finish();
      return;
    }
    if (action === ACTION_FAIL) {
      this.failTotal(0, 0, undefined);
      return;
    }
    const isTold = call.totalTimeout !== Infinity || call.onProgress !== undefined;
    if (isTold) jobs[this.slot] = this;
    if (isTold || this.isTimed || call.signal !== undefined || this.items === null) this.resource = resourceHere();
    // Lanes that can be abandoned while there are results to come are tied to a link, which is cut: see lane.js.
    const isBounded = this.isTimed || call.totalTimeout !== Infinity;
    if ((this.isTimed && call.retry.retries > 0) || (this.collects && isBounded)) {
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
    if (this.items === null && !this.openSource(source)) return;
    this.start();
  }

  openSource(source) {
    try {
      this.iterator = source.open();
      this.isSourceOpen = true;
    } catch (error) {
      this.abort(error);
    }
    if (this.isOpen) return true;
    this.stop([], undefined); // opening it is user code, and has aborted the signal
    this.iterator = null;
    return false;
  }

  /** Starts lanes for as long as C has use for another one. */
  start() {
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
      if (lane.job !== null) this.tie(run(lane, false));
    }
  }

  /** For the stack of what is thrown in the lane: see lane.js. */
  tie(promise) {
    const target = this.link ?? this;
    listen(promise, target.resolve, target.reject);
  }

  runInContext(callback, ...args) {
    if (this.resource === null) callback(...args);
    else this.resource.runInAsyncScope(callback, undefined, ...args);
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

  // The endings. C has closed the job: state is final before user code runs.

  finish() {
    const counts = this.close();
    let { results } = this;
    if (results === null) results = counts.done;
    else if (results.length !== counts.started) results.length = counts.started;
    this.fulfil(this.isAttempt ? results[0] : results, counts);
    this.forget();
  }

  /** After the last report, which may still reject the call. */
  fulfil(value, counts) {
    const { resolve, reject, link } = this;
    const settle = () => {
      resolve(value);
      link?.resolve();
    };
    this.link = null; // it is cut behind the settling
    const reported = this.reportLast(counts);
    if (reported === undefined) settle();
    else settleAfter(reported, settle, reject);
  }

  fail(error) {
    if (!this.isOpen) return;
    const running = this.lanes;
    const counts = this.close();
    markHandled(this.reportLast(counts));
    this.reject(error);
    this.stop(running, error);
    this.forget();
  }

  failTotal(elapsed, loopBlocked, cause) {
    const error = this.timeoutError('total', { elapsed, loopBlocked, cause });
    this.runInContext(endOnTotal, this, error);
  }

  timeoutError(scope, details) {
    const { timeout, totalTimeout, label } = this.call;
    return new TimeoutError(scope, scope === 'total' ? totalTimeout : timeout, { ...details, label });
  }

  /** Ends in JavaScript's own right: a signal, a source or a callback that threw. */
  abort(error) {
    if (!this.isOpen) return;
    ints[JOB] = this.slot;
    ints[JOB_GENERATION] = this.generation;
    ABORT();
    this.fail(error);
  }

  /** What there is, and the timeout for the rest. */
  settleRest(error) {
    const running = this.lanes;
    const counts = this.close();
    const { results } = this;
    const count = this.total ?? counts.started;
    for (let i = 0; i < count; i++) results[i] ??= { status: 'rejected', reason: error };
    this.fulfil(results, counts);
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
    return counts;
  }

  /** After the call has settled: the attempts that still run hear of it, and the source is closed. */
  stop(running, reason) {
    for (let i = 0; i < running.length; i++) abortAttempt(running[i], reason);
    if (!this.isSourceOpen || this.isReading) return; // in the middle of next(): readIterator() closes it behind that
    this.isSourceOpen = false;
    closeIterator(this.iterator);
  }

  /** An error's stack holds on to the receivers of its frames until somebody reads it: to this, that is. */
  forget() {
    this.link?.resolve();
    this.resource?.emitDestroy();
    this.mapper = this.items = this.iterator = this.results = this.call = null;
    this.link = this.resolve = this.reject = this.resource = null;
  }

  // What others tell it.

  onAbort(reason) {
    this.runInContext(abortJob, this, reason);
  }

  onTotal(elapsed, loopBlocked) {
    this.failTotal(elapsed, loopBlocked, undefined);
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
    return { total: this.total ?? (this.isSourceOpen ? undefined : counts.started), ...counts };
  }
}

/**
 * The last report rejects the call where its promise is rejected by now, or about to be. The call does not wait for more:
 * nothing bounds it any longer.
 */
async function settleAfter(reported, settle, reject) {
  listen(reported, undefined, reject);
  for (let i = 0; i < 4; i++) await undefined;
  settle();
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

function endOnTotal(job, error) {
  if (job.collects) job.settleRest(error);
  else job.fail(error);
}

function abortJob(job, reason) {
  job.abort(reason);
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

function readCounts() {
  return {
    started: doubles[D.STARTED],
    done: doubles[D.DONE],
    failed: doubles[D.FAILED],
    retried: doubles[D.RETRIED],
    timedOut: doubles[D.TIMED_OUT],
    abandoned: doubles[D.ABANDONED],
  };
}

function writePolicy(call, source) {
  doubles[D.ITEMS] = source.total === 0 ? 0 : Infinity;
  doubles[D.LIMIT] = call.limit;
  doubles[D.TIMEOUT] = call.timeout;
  doubles[D.TOTAL_TIMEOUT] = call.totalTimeout;
  doubles[D.YIELD_AFTER] = call.yieldAfter;
  const { retry } = call;
  doubles[D.RETRIES] = retry.retries;
  doubles[D.DELAY] = retry.delay;
  doubles[D.FACTOR] = retry.factor;
  doubles[D.MAX_DELAY] = retry.maxDelay;
  ints[BACKOFF] = retry.backoff;
  ints[JITTER] = retry.jitter;
  ints[SOURCE] = source.isAsync ? enums.SOURCE_ASYNC : enums.SOURCE_SYNC;
  let { flags } = call;
  if (call.collects) flags |= enums.FLAG_COLLECT;
  if (call.onProgress !== undefined) flags |= enums.FLAG_PROGRESS;
  ints[FLAGS] = flags;
}

module.exports = { Job, runJob };
