'use strict';
// The oracle of the property tests: what a call must do, as a plain discrete-event simulation written from sections 5-8
// of the design. It shares nothing with the implementation, least of all its shape.
//
// An instant has four phases, repeated until nothing is due: (1) what arrives (mapper timers, element promises), one by
// one; (2) the abort; (3) backoffs, as one batch, until none is left; (4) deadlines still open: what has arrived wins.
// A `burst` is one event, or a batch of them, with all the microtasks it causes.
// AMBIGUITY. The order of microtasks is not modelled. Until a burst has two events pending at once it is a chain, whose
// order is known; from then on it is `branched`. If no item finally fails, order does not matter: items are pulled by
// index, the same ones whichever place is freed first. So a burst's final failures are held back until nothing else is
// left to do: any of them could be the first, and what the branched burst did is `suspect`, as it may belong after one.
// The result shows the *most* that can have happened, and says where it may be less:
//   ambiguous: the reason is any of outcome.anyOf; ambiguousStarts: some starts at outcome.at may not have been;
//   ambiguousCounts: started, done, retried and timedOut may be lower.
// Order is also known along a *strand* ('pull': by index; 'wake': as the backoffs were armed). What one epoch armed on
// different strands is unordered: if it is due together, it fires as one branched burst.

const STEPS = { constant: () => 1, linear: (k) => k, exponential: (k, factor) => factor ** (k - 1) };

function runModel({ items, limit, timeout = Infinity, totalTimeout = Infinity, abortAt = Infinity, discard, retry }) {
  const policy = { retries: retry ? 3 : 0, delay: 1000, backoff: 'exponential', factor: 2, maxDelay: 30000, ...retry };
  const backoff = (k) => Math.min(policy.delay * STEPS[policy.backoff](k, policy.factor), policy.maxDelay);
  const value = discard ? items.length : items.map((_, index) => `v${index}`);
  const total = { kind: 'total', reason: { timeout: 'total' } };
  const counts = { started: 0, done: 0, failed: 0, retried: 0, timedOut: 0 };
  const result = { starts: [], outcome: undefined, maxRunning: 0, counts };
  const queues = { arrival: [], backoff: [], deadline: [] }; // each in arming order, so epochs ascend
  const runs = []; // each item's newest attempt, open until it has settled or timed out
  const settledElements = new Set();
  let [now, epoch, begun] = [0, 0, 0]; // what was armed in a lower epoch was certainly armed earlier
  let [ready, branched, suspects] = [[], false, []]; // the burst: its events still to be handled, and see above

  const arm = (queue, due, strand, event) => due < Infinity && queues[queue].push({ ...event, due, strand, epoch });
  const suspect = (what, run, strand) => branched && suspects.push({ what, run, strand });
  const end = (status, rest) => void (result.outcome ??= { status, ...rest, at: now });
  const elementEvent = (index) => ({ kind: 'element', index, reason: `p${index}` });

  /** The reason for which this event rejects the call; undefined if it does not. */
  function finalReason({ kind, index, reason }) {
    if (kind === 'total' || (kind === 'element' && items[index].element.outcome === 'reject')) return reason;
    if (kind !== 'reject' && kind !== 'timeout') return undefined;
    if (runs[index].attempt > policy.retries) return reason;
    return now + backoff(runs[index].attempt) > totalTimeout ? total.reason : undefined;
  }

  function begin(index, attempt, strand) {
    const run = (runs[index] = { index, attempt, strand, born: begun++, open: true });
    result.maxRunning = Math.max(result.maxRunning, runs.filter((r) => r.open).length);
    const reason = { timeout: 'attempt', index, attempt };
    arm('deadline', now + timeout, strand, { kind: 'timeout', index, run, reason });
    if (attempt === 1) suspect('pull', run, strand);
    if ((items[index].element ?? 'plain') === 'plain') callMapper(run, strand);
    else if (settledElements.has(index)) ready.push(elementEvent(index));
  }

  function callMapper(run, strand) {
    const { index, attempt } = run;
    const { kind, after, outcome } = items[index].attempts[attempt - 1] ?? items[index].attempts.at(-1);
    const event = { kind: outcome, index, run, reason: `e${index}.${attempt}` };
    result.starts.push([now, index, attempt]);
    suspect('call', run, strand);
    if (kind === 'timer') arm('arrival', now + after, strand, event);
    if (kind === 'sync' || kind === 'microtask') ready.push(event);
    // A mapper that throws may end the call before the rest of its synchronous batch is called.
    if (kind === 'sync' && finalReason(event)) branched = true;
  }

  /** An item holds its place from its pull until it is done: a failure either ends the call or waits in backoff. */
  function pull() {
    while (counts.started < items.length && counts.started - counts.done < limit) begin(counts.started++, 1, 'pull');
  }

  function handle({ kind, index, attempt }, strand) {
    const run = runs[index];
    if (kind === 'open') return pull();
    if (kind === 'element') return callMapper(run, strand);
    if (kind === 'wake') return begin(index, attempt, strand);
    run.open = false;
    suspect('settled', run, strand);
    if (kind === 'fulfill') return (counts.done++, pull());
    counts.retried++;
    counts.timedOut += kind === 'timeout';
    arm('backoff', now + backoff(run.attempt), strand, { kind: 'wake', index, attempt: run.attempt + 1 });
  }

  function burst(events) {
    for (const { kind, index } of events) if (kind === 'element') settledElements.add(index);
    const isAwaited = ({ kind, index }) => kind !== 'element' || runs[index]?.open;
    [ready, branched, suspects] = [events.filter(isAwaited), false, []];
    for (const failures = []; ;) {
      epoch += !branched;
      branched ||= ready.length + failures.length > 1;
      failures.push(...ready.filter(finalReason));
      ready = ready.filter((event) => !finalReason(event));
      const event = ready.shift();
      if (event) handle(event, event.known ?? Symbol('unordered'));
      else return failures.length ? fail(failures) : counts.done === items.length && end('fulfilled', { value });
    }
  }

  function fail(failures) {
    const anyOf = [...new Set(failures.map((event) => JSON.stringify(finalReason(event))))].map((s) => JSON.parse(s));
    end('rejected', { reason: anyOf[0], ...(anyOf.length > 1 && { anyOf }) });
    counts.failed += failures[0].kind !== 'total';
    counts.timedOut += failures[0].kind === 'timeout';

    // What is certain led to each failure, or lies before it on its strand. A certain pull makes one `settled` certain.
    const failed = failures.map(({ index }) => runs[index]);
    const isBefore = (s, run) => s.run === run || (s.strand === run.strand && s.run.born <= run.born);
    const all = (what) => suspects.filter((s) => s.what === what);
    const certain = (what) => Math.min(...failed.map((run) => all(what).filter((s) => isBefore(s, run)).length));
    if (anyOf.length > 1) result.ambiguous = true;
    if (all('call').length > certain('call')) result.ambiguousStarts = true;
    if (Math.max(all('pull').length, all('settled').length) > certain('pull')) result.ambiguousCounts = true;
  }

  /** Takes what is due and still open: groups in firing order; a group of several has no known order. */
  function take(queue) {
    const due = queues[queue].filter((event) => event.due === now && event.run?.open !== false);
    queues[queue] = queues[queue].filter((event) => event.due !== now);
    const groups = [...new Set(due.map((event) => event.epoch))].map((e) => due.filter((event) => event.epoch === e));
    const isOneStrand = (group) => group.every((event) => event.strand === group[0].strand);
    return groups.flatMap((group) => (isOneStrand(group) ? group.map((event) => [event]) : [group]));
  }

  const nameWakes = (group) => (group.length > 1 ? group : [{ ...group[0], known: 'wake' }]);
  if (abortAt <= 0) end('rejected', { reason: 'abort' });
  else if (items.length && totalTimeout <= 0) end('rejected', { reason: total.reason });
  else {
    items.forEach(({ element }, index) => {
      if (element?.after <= 0) settledElements.add(index);
      else if (element?.after) arm('arrival', element.after, 'element', elementEvent(index));
    });
    arm('deadline', totalTimeout, 'total', total);
    burst([{ kind: 'open' }]);
  }
  while (!result.outcome) {
    for (const group of take('arrival')) if (!result.outcome) burst(group);
    if (abortAt === now) end('rejected', { reason: 'abort' });
    for (let wakes; !result.outcome && (wakes = take('backoff')).length;) burst(wakes.flatMap(nameWakes));
    for (const group of take('deadline')) if (!result.outcome) burst(group);
    const dues = Object.values(queues).flatMap((queue) => queue.map((event) => event.due));
    now = Math.min(...dues, abortAt > now ? abortAt : Infinity);
    if (now === Infinity) result.outcome ??= { status: 'pending' };
  }
  result.starts.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return result;
}

module.exports = { runModel };
