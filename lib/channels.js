'use strict';

// What node:diagnostics_channel is told of calls: their start and end, timeouts, retries.
//
//   sluice:job:start         a call begins: its arguments are good, its signal is not aborted, nothing has run
//   sluice:attempt:timeout   the time of an attempt, an item or the whole call is over
//   sluice:attempt:retry     an attempt has failed, and there will be another
//   sluice:job:end           the call's promise has just been settled; who awaits it has not gone on yet
//
//   told of all these      mapWithLimit, mapSettled, consume, retry; execute ('rejected' where it reports a failure); mapStream
//                          (from the first read on; 'rejected' with an AbortError where it was left); asCompleted;
//                          allSettled with options
//   told of its timeouts   withTimeout, which is no job
//   told of nothing        waitFor, and what opens no job: allSettled without options, TaskGroup, race, semaphores, queues
//
// Free while nobody listens: whether anybody does is asked once where a call begins, and then only where an attempt has
// failed or a time is over. A call that began while nobody listened to starts or ends has neither for ever.
//
// Subscribers run at once, in the async context of the call, and may use the package: so each is told where the state is
// final and the mailbox has been read. What one throws node:diagnostics_channel reports by itself, later.

const { channel } = require('node:diagnostics_channel');

const { clock } = require('./engine');
const { nameOf } = require('./names');

const started = channel('sluice:job:start');
const ended = channel('sluice:job:end');
const timedOut = channel('sluice:attempt:timeout');
const retried = channel('sluice:attempt:retry');

// Of a call that ends before it has a job in C.
const NO_COUNTS = { started: 0, done: 0, failed: 0, retried: 0, timedOut: 0, abandoned: 0 };

let latestId = 0;

// A call that is told of.
class Told {
  constructor(call) {
    this.id = ++latestId;
    this.call = call;
    this.name = undefined; // once it is known
    this.began = 0;
    this.hasBegun = false; // its start was told, so its end will be
    this.timeout = null; // a TimeoutError that is told as soon as the state is final
  }

  /** What each message begins with. */
  describe() {
    this.name ??= nameOf(this.call);
    return { id: this.id, name: this.name, label: this.call.label };
  }
}

/** A poll that comes to nothing is no failure, and waitFor's errors are its own. */
function isTold(call) {
  return call.api !== 'waitFor';
}

/** Whether a call that begins now has to be told of. */
function isHeard() {
  return started.hasSubscribers || ended.hasSubscribers;
}

/** @param total how many items there are, where that is known */
function tellStart(call, total) {
  if (!isTold(call)) return null;
  const told = new Told(call);
  told.hasBegun = true;
  if (started.hasSubscribers) {
    const limit = call.semaphore === null ? call.limit : call.semaphore.capacity;
    started.publish({ ...told.describe(), items: total, limit });
  }
  told.began = clock();
  return told;
}

/** Once: the call's promise is settled. `failure`: { error }, or null. */
function tellEnd(told, failure, counts = NO_COUNTS) {
  tellTimeout(told);
  if (!told.hasBegun) return;
  told.hasBegun = false;
  if (!ended.hasSubscribers) return;
  const durationMs = clock() - told.began;
  const outcome = failure === null ? { outcome: 'fulfilled' } : { outcome: 'rejected', error: failure.error };
  ended.publish({ ...told.describe(), ...outcome, durationMs, counts: { ...counts } });
}

/** Some time is over, and nobody can be told yet: tellTimeout() follows, or tellEnd(). */
function holdTimeout(job, error) {
  if (!timedOut.hasSubscribers || !isTold(job.call)) return;
  job.told ??= new Told(job.call);
  job.told.timeout = error;
}

function tellTimeout(told) {
  const { timeout: error } = told;
  if (error === null) return;
  told.timeout = null;
  publishTimeout(told, error);
}

function publishTimeout(told, error) {
  const { scope, index, attempt, timeout, elapsed } = error;
  timedOut.publish({ ...told.describe(), scope, index, attempt, timeout, elapsed, error });
}

function hearsTimeouts() {
  return timedOut.hasSubscribers;
}

/** Of withTimeout, which is no job: nothing else is told of it. */
function tellGuardTimeout(label, named, error) {
  if (timedOut.hasSubscribers) publishTimeout(new Told({ label, named, api: 'withTimeout' }), error);
}

function hearsRetries() {
  return retried.hasSubscribers;
}

/** @param again { index, attempt, delay, error }: of the attempt that failed */
function tellRetry(job, again) {
  if (!isTold(job.call)) return;
  job.told ??= new Told(job.call);
  retried.publish({ ...job.told.describe(), ...again });
}

module.exports = {
  hearsRetries,
  hearsTimeouts,
  holdTimeout,
  isHeard,
  tellEnd,
  tellGuardTimeout,
  tellRetry,
  tellStart,
  tellTimeout,
};
