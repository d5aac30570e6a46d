'use strict';
// The oracle of the property tests: what a call must do, as a plain discrete-event simulation written from sections 5-8
// of the design. It shares nothing with the implementation, least of all its shape.
//
// support/orders.js is its clock. The order of microtasks is not specified: where several things may come next,
// `choose(steps, state, result)` says which one does. A run is right if in one of these orders the model comes to the same.

const { Schedule } = require('./support/orders');
const { bucketOf, hasCallbacks, waitAfter } = require('./support/policies');

const FAILURES = ['reject', 'permanent', 'timeout'];
const LEFT_OUT = { status: 'left out' };
const TOTAL = { timeout: 'total' };

/** `collect`: 'outcomes' as mapSettled, 'errors' as `stopOnError: false`. */
function runModel(program, choose = ([first]) => first) {
  const { items, limit, source = 'array', discard, rate, drain, collect, maxAbandoned = Infinity } = program;
  const { timeout = Infinity, itemTimeout = Infinity, totalTimeout = Infinity, abortAt = Infinity } = program;
  const isAsync = source === 'asyncIterable';
  const policy = program.retry ?? { retries: 0 };
  const counts = { started: 0, done: 0, failed: 0, retried: 0, timedOut: 0 };
  const result = { starts: [], outcome: undefined, maxRunning: 0, counts };
  const bucket = bucketOf(rate);
  const time = new Schedule();
  const runs = []; // by item: its newest attempt
  const outcomes = []; // by item, if it is over
  const hasSettled = items.map(({ element }) => !(element?.after > 0)); // the promises among the items
  let orphans = []; // abandoned attempts that still run
  let waiting = []; // runs, for a token or for orphans to end
  let [isStopped, ending] = [false, undefined];

  // An item holds its place from its pull until it is over.

  const over = () => Object.keys(outcomes).length;
  const isComplete = () => over() === counts.started && (isStopped || over() === items.length);

  /** An async source answers one by one, in microtasks. */
  function pulls() {
    const isFull = counts.started - over() >= limit || time.ready.some(({ kind }) => kind === 'taken');
    return ending || isStopped || isFull || counts.started === items.length ? [] : [{ kind: 'pull' }];
  }

  function pull() {
    const index = counts.started++;
    runs[index] = {
      index,
      attempt: 0,
      itemDue: time.now + itemTimeout,
      isOpen: false,
      isCalled: false,
      hasItem: false,
    };
    if (isAsync) time.ready.push({ kind: 'taken', index });
    else taken({ index });
  }

  function taken({ index }) {
    if (ending) counts.failed += drain ? 1 : 0;
    else if (isStopped) finish(index, LEFT_OUT);
    else {
      time.arm('deadline', itemTimeout, { kind: 'item', index });
      ask({ index });
    }
  }

  function finish(index, outcome) {
    outcomes[index] = outcome;
    waiting = waiting.filter((run) => run.index !== index);
  }

  function fail(index, reason) {
    counts.failed++;
    finish(index, { status: 'rejected', reason });
    if (!collect) end({ status: 'rejected', reason });
  }

  // Attempts start in the order of asking: who finds somebody waiting waits behind him.

  const admits = () => orphans.length <= maxAbandoned && bucket.take(time.now);

  function ask({ index }) {
    if (waiting.length === 0 && admits()) begin(runs[index]);
    else waiting.push(runs[index]);
  }

  /** One that waits may start, and then the next. */
  function openGate() {
    time.queues.gate = [];
    if (waiting.length === 0 || !admits()) return;
    begin(waiting.shift());
    time.turn.unshift({ kind: 'gate' });
  }

  /** At the end of a turn. It opens now, or when there is a token. */
  function armGate() {
    if (waiting.length === 0) time.queues.gate = [];
    if (waiting.length === 0 || time.queues.gate.length > 0 || orphans.length > maxAbandoned) return [];
    if (bucket.readyAt() <= time.now) return [{ kind: 'gate' }];
    time.arm('gate', bucket.readyAt() - time.now, { kind: 'gate' });
    return [];
  }

  function begin(run) {
    const { index } = run;
    const attempt = ++run.attempt;
    [run.isOpen, run.isCalled] = [true, false];
    result.maxRunning = Math.max(result.maxRunning, runs.filter(({ isOpen }) => isOpen).length);
    time.arm('deadline', timeout, { kind: 'timeout', index, attempt, reason: { timeout: 'attempt', index, attempt } });
    if (items[index].element?.after === undefined || run.hasItem) callMapper(run);
    else if (hasSettled[index]) time.ready.push({ kind: 'element', index });
  }

  function callMapper(run) {
    const { index, attempt } = run;
    const { kind, after, outcome } = items[index].attempts[attempt - 1] ?? items[index].attempts.at(-1);
    const event = { kind: outcome, index, attempt, reason: `e${index}.${attempt}`, isSync: kind === 'sync' };
    run.isCalled = run.hasItem = true; // a further attempt does not ask the promise among the items again
    result.starts.push([time.now, index, attempt]);
    if (kind === 'timer') time.arm('arrival', after, event);
    else if (kind !== 'never') time.ready.push(event);
  }

  /** The promise among the items has settled: for the attempt that waits for it, and for abandoned ones that did. */
  function settleElement({ index }) {
    const run = runs[index];
    hasSettled[index] = true;
    orphans = orphans.filter((one) => one.index !== index || one.isCalled);
    if (ending || !run?.isOpen || run.isCalled) return;
    if (items[index].element.outcome === 'fulfill') callMapper(run);
    else settle({ kind: 'permanent', index, attempt: run.attempt, reason: `p${index}` });
  }

  /** An attempt has settled, or its time is over. */
  function settle({ kind, index, attempt, reason }) {
    const run = runs[index];
    if (kind !== 'timeout') orphans = orphans.filter((one) => one.index !== index || one.attempt !== attempt);
    if (run.attempt !== attempt || !run.isOpen) return;
    if (kind === 'timeout') abandon(run);
    run.isOpen = false;
    if (ending) counts[FAILURES.includes(kind) ? 'failed' : 'done']++;
    else if (kind === 'permanent') fail(index, reason);
    else if (FAILURES.includes(kind)) retryOrFail({ index, reason });
    else {
      counts.done++;
      finish(index, kind === 'fulfill' ? { status: 'fulfilled', value: `v${index}` } : LEFT_OUT);
      if (kind === 'stop') stop();
    }
  }

  function abandon(run) {
    counts.timedOut++;
    orphans.push({ ...run });
    run.isOpen = false;
  }

  /** The caller's callbacks are asked while a retry is left. A wait that is too long fails the item at the end of the turn. */
  function retryOrFail({ index, reason, wasAsked = !hasCallbacks(policy) }) {
    const { attempt, itemDue } = runs[index];
    const wait = waitAfter(attempt, policy);
    if (attempt <= policy.retries && !wasAsked) time.ready.push({ kind: 'asked', index, reason, wasAsked: true });
    else if (wait === undefined) fail(index, reason);
    else {
      counts.retried++;
      if (time.now + wait > Math.min(totalTimeout, itemDue)) time.turnEnd.push({ kind: 'tooLong', index });
      else time.arm('backoff', wait, { kind: 'wake', index });
    }
  }

  function failTooLong({ index }) {
    counts.retried--;
    fail(index, totalTimeout <= runs[index].itemDue ? TOTAL : { timeout: 'item', index, attempt: runs[index].attempt });
  }

  function expireItem({ index }) {
    const run = runs[index];
    if (outcomes[index]) return;
    if (run.isOpen) abandon(run);
    fail(index, { timeout: 'item', index, attempt: run.attempt });
  }

  // The end.

  /** Nothing more is taken; what was taken and has not started is left out. */
  function stop() {
    isStopped = true;
    for (const { index, attempt } of waiting) if (attempt === 0) finish(index, LEFT_OUT);
  }

  /** With `drain` the mappers that run are waited for; what was about to be called fails. */
  function end(how) {
    [ending, waiting, time.queues.backoff, time.queues.gate] = [how, [], [], []];
    for (const run of runs.filter(({ isOpen }) => isOpen)) {
      if (drain && !run.isCalled) counts.failed++;
      run.isOpen = Boolean(drain && run.isCalled);
    }
  }

  function complete() {
    const reasons = outcomes.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
    if (collect === 'errors' && reasons.length > 0) end({ status: 'rejected', reason: { aggregate: reasons } });
    else end({ status: 'fulfilled', value: valueOf(outcomes) });
  }

  function expireTotal() {
    const length = source === 'array' && !isStopped ? items.length : counts.started;
    const all = Array.from({ length }, (_, index) => outcomes[index] ?? { status: 'rejected', reason: TOTAL });
    if (collect === 'outcomes') end({ status: 'fulfilled', value: valueOf(discard ? outcomes : all) });
    else end({ status: 'rejected', reason: TOTAL });
  }

  function valueOf(all) {
    const kept = all.filter((outcome) => outcome !== LEFT_OUT);
    if (discard) return kept.length;
    return collect === 'outcomes' ? kept : kept.map(({ value }) => value);
  }

  // The order of events.

  const abort = () => end({ status: 'rejected', reason: 'abort' });
  const retries = { wake: ask, asked: retryOrFail, tooLong: failTooLong };
  const untilTheEnd = { pull, gate: openGate, ...retries, item: expireItem, total: expireTotal, abort };
  const always = { taken, element: settleElement };

  function handle(event) {
    const handler = untilTheEnd[event.kind];
    if (!handler) (always[event.kind] ?? settle)(event);
    else if (!ending) handler(event);
  }

  function rest() {
    if (!ending && isComplete()) complete();
    if (ending && !runs.some(({ isOpen }) => isOpen)) result.outcome ??= { ...ending, at: time.now };
    return ending ? [] : armGate();
  }

  /** All that tells one order from another. */
  function state() {
    const starts = result.starts.map(String).sort();
    return JSON.stringify([time, runs, outcomes, orphans, waiting, bucket, isStopped, ending, { ...result, starts }]);
  }

  const call = { handle, pulls, rest, isAsync, choose: (steps) => choose(steps, state, result) };
  items.forEach(({ element }, index) => {
    if (!hasSettled[index]) time.arm('arrival', element.after, { kind: 'element', index });
  });
  time.arm('abort', abortAt, { kind: 'abort' });
  time.arm('deadline', totalTimeout, { kind: 'total' });
  if (abortAt <= 0) abort();
  else if (items.length > 0 && totalTimeout <= 0) expireTotal();
  time.burst([], call);
  while (!result.outcome) if (!time.advance(call)) result.outcome = { status: 'pending' };
  result.starts.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return result;
}

module.exports = { runModel };
