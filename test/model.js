'use strict';
// The oracle of the property tests: what a call must do, as a plain discrete-event simulation written from sections 5-8
// of the design. It shares nothing with the implementation, least of all its shape.
//
// An instant has four phases, repeated until nothing is due: (1) what arrives (mapper timers, element promises), one by
// one; (2) the abort; (3) backoffs and tokens, as one batch, until none is left; (4) deadlines still open: what has
// arrived wins. A `burst` is one event, or a batch of them, with all the microtasks it causes.
// AMBIGUITY. The order of microtasks is not modelled. Until a burst has two events pending at once it is a chain, whose
// order is known; from then on it is `branched`. If nothing ends the call, order does not matter: items are pulled by
// index, the same ones whichever place is freed first. So what does (a final failure, or a `stop`) is held back until
// nothing else is left to do: it could be the first, and what the branched burst did is `suspect`, as it may belong after.
// The result shows the *most* that can have happened, and says where it may be less:
//   ambiguous: the reason is any of outcome.anyOf; ambiguousStarts: some starts at outcome.at may not have been;
//   ambiguousCounts: started, done, retried and timedOut may be lower; unordered: nothing is known but the invariants.
// Order is also known along a *strand* ('pull': by index; 'wake', 'gate': as they were armed). What one epoch armed on
// different strands is unordered: if it is due together, it fires as one branched burst.

const STEPS = { constant: () => 1, linear: (k) => k, exponential: (k, factor) => factor ** (k - 1) };
const LEFT_OUT = Symbol('left out');
const ENDS = new Set(['fulfill', 'skip', 'stop']); // of an attempt that did not fail

/** A token bucket; the time from one token to the next is a whole number. */
function bucketOf(rate) {
  const { max, per = 1000, burst } = typeof rate === 'number' ? { max: rate } : (rate ?? { max: Infinity });
  const every = per / max;
  const most = burst ?? Math.max(1, Math.floor(10 / every));
  let [tokens, since] = [0, -Infinity];
  return {
    take(now) {
      const accrued = every === 0 ? Infinity : Math.floor((now - since) / every);
      since = tokens + accrued >= most ? now : since + accrued * every; // a full one does not save up for the next
      tokens = Math.min(tokens + accrued, most);
      return tokens > 0 && tokens-- > 0;
    },
    readyAt: () => (tokens > 0 ? -Infinity : since + every),
  };
}

/** `collect`: 'outcomes' as mapSettled, 'errors' as `stopOnError: false`. A retry's callbacks are lists, by attempt. */
function runModel(program) {
  const {
    items,
    limit,
    timeout = Infinity,
    itemTimeout = Infinity,
    totalTimeout = Infinity,
    abortAt = Infinity,
  } = program;
  const { source = 'array', discard, retry, rate, maxAbandoned = Infinity, collect, drain } = program;
  const policy = { retries: retry ? 3 : 0, delay: 1000, backoff: 'exponential', factor: 2, maxDelay: 30000, ...retry };
  const hasSay = [policy.retryIf, policy.retryAfter].some(Boolean) || Array.isArray(policy.backoff);
  const bucket = bucketOf(rate);
  const total = { kind: 'total', reason: { timeout: 'total' } };
  const counts = { started: 0, done: 0, failed: 0, retried: 0, timedOut: 0 };
  const result = { starts: [], outcome: undefined, maxRunning: 0, counts };
  const queues = { arrival: [], backoff: [], deadline: [] }; // each in arming order, so epochs ascend
  const runs = []; // each item's newest attempt: waiting at the gate, then open until it has settled or timed out
  const outcomes = []; // of the items that are over
  const orphans = []; // attempts that were abandoned
  const itemDues = [];
  const settledElements = new Set();
  let waiting = []; // runs, for a token, or for abandoned attempts to end
  let [gateAt, abandoned, dropped, isStopped, ending] = [Infinity, 0, 0, false, undefined];
  let [now, epoch, begun, pulledAt] = [0, 0, 0, -1]; // what was armed in a lower epoch was certainly armed earlier
  let [ready, branched, suspects] = [[], false, []]; // the burst: its events still to be handled, and see above

  const arm = (queue, due, strand, event) => due < Infinity && queues[queue].push({ ...event, due, strand, epoch });
  const suspect = (what, run, strand) => branched && suspects.push({ what, run, strand });
  const isRunning = () => runs.some((run) => run.open);
  const elementEvent = (index) => ({ kind: 'element', index, reason: `p${index}` });
  const itemReason = (index) => ({ timeout: 'item', index, attempt: runs[index].attempt - !runs[index].begun });

  /** The wait before the next attempt; undefined: there is none. */
  function waitAfter(attempt) {
    if (attempt > policy.retries || policy.retryIf?.[attempt - 1] === false) return undefined;
    const { backoff, delay, factor } = policy;
    const own = Array.isArray(backoff) ? backoff[attempt - 1] : delay * STEPS[backoff](attempt, factor);
    const wish = policy.retryAfter?.[attempt - 1];
    if (wish !== undefined) return wish <= policy.maxDelay ? wish : undefined;
    return Math.min(own, policy.maxDelay);
  }

  /** The reason for which this event fails its item for good; undefined if it does not. */
  function finalReason({ kind, index, reason }) {
    if (kind === 'item') return itemReason(index);
    if (kind === 'permanent' || (kind === 'element' && items[index].element.outcome === 'reject')) return reason;
    if (kind !== 'reject' && kind !== 'timeout') return undefined;
    const wait = waitAfter(runs[index].attempt);
    if (wait === undefined) return reason;
    if (now + wait <= Math.min(totalTimeout, itemDues[index])) return undefined;
    return totalTimeout <= itemDues[index] ? total.reason : itemReason(index);
  }

  /** Whether this comes to an end only after the caller was asked, or at the end of the turn. */
  const isLater = (event) =>
    ['timeout', 'reject'].includes(event.kind) &&
    runs[event.index].attempt <= policy.retries &&
    (hasSay || finalReason(event) !== undefined);

  const fatalReason = (event) => {
    if (event.kind === 'total') return collect === 'outcomes' ? undefined : event.reason;
    return collect ? undefined : finalReason(event);
  };
  const isEnding = (event) => event.kind === 'stop' || fatalReason(event) !== undefined;

  function begin(run, strand) {
    const { index, attempt } = run;
    Object.assign(run, { strand, born: begun++, begun: true, open: true });
    result.maxRunning = Math.max(result.maxRunning, runs.filter((one) => one.open).length);
    arm('deadline', now + timeout, strand, {
      kind: 'timeout',
      index,
      run,
      reason: { timeout: 'attempt', index, attempt },
    });
    if ((items[index].element ?? 'plain') === 'plain') callMapper(run, strand);
    else if (settledElements.has(index)) ready.push(elementEvent(index));
  }

  function callMapper(run, strand) {
    const { index, attempt } = run;
    const { kind, after, outcome } = items[index].attempts[attempt - 1] ?? items[index].attempts.at(-1);
    const event = { kind: outcome, index, run, reason: `e${index}.${attempt}` };
    run.called = true;
    result.starts.push([now, index, attempt]);
    suspect('call', run, strand);
    if (kind === 'timer') arm('arrival', now + after, strand, event);
    if (kind === 'sync' || kind === 'microtask') ready.push(event);
    // A mapper that throws may end the call before the rest of its synchronous batch is called.
    if (kind === 'sync' && isEnding(event)) branched = true;
  }

  /** Attempts start in the order of asking; who finds somebody waiting waits behind him. */
  function ask(run, strand) {
    runs[run.index] = run;
    if (waiting.length === 0 && admits()) begin(run, strand);
    else waiting.push(run);
  }

  const admits = () => abandoned <= maxAbandoned && bucket.take(now);

  /** At the end of a turn. One that was armed before is time's, as a backoff is. */
  function armsGate() {
    if (waiting.length === 0) gateAt = Infinity;
    if (waiting.length === 0 || gateAt < Infinity || abandoned > maxAbandoned) return false;
    gateAt = Math.max(now, bucket.readyAt());
    return true;
  }

  /** An item holds its place from its pull until it is over. */
  function pull() {
    const hasPlace = () => counts.started - counts.done - counts.failed < limit;
    while (!isStopped && counts.started < items.length && hasPlace()) {
      const run = { index: counts.started++, attempt: 1, strand: 'pull', born: begun++ };
      itemDues[run.index] = now + itemTimeout;
      pulledAt = now;
      arm('deadline', itemDues[run.index], 'pull', { kind: 'item', index: run.index });
      suspect('pull', run, 'pull');
      ask(run, 'pull');
    }
  }

  function handle(event, strand) {
    const { kind, index, run = runs[index] } = event;
    if (!isOpen(event)) return undefined;
    if (kind === 'open') return pull();
    if (kind === 'late') return void abandoned--;
    if (kind === 'total') return end('fulfilled', { value: valueOf(total.reason) });
    if (kind === 'wake') return ask({ index, attempt: run.attempt + 1 }, strand);
    if (kind === 'gate') {
      for (gateAt = Infinity; waiting.length > 0 && admits();) begin(waiting.shift(), 'gate');
      return undefined;
    }
    if (isLater(event) && !event.isClosed) {
      close(run, kind);
      return void ready.push({ ...event, isClosed: true });
    }
    const reason = finalReason(event);
    if (kind === 'element' && reason === undefined) return callMapper(run, strand);
    if (!event.isClosed) close(run, kind);
    suspect('settled', run, strand);
    if (ENDS.has(kind)) {
      counts.done++;
      outcomes[index] = kind === 'fulfill' ? { status: 'fulfilled', value: `v${index}` } : LEFT_OUT;
      if (kind === 'stop') stop();
    } else if (reason !== undefined) {
      counts.failed++;
      outcomes[index] = { status: 'rejected', reason };
    } else {
      counts.retried++;
      return arm('backoff', now + waitAfter(run.attempt), strand, { kind: 'wake', index });
    }
    return pull();
  }

  /** The attempt is over, or nobody's any more. */
  function close(run, kind) {
    run.abandoned = Boolean(run.open) && (kind === 'timeout' || kind === 'item');
    counts.timedOut += run.abandoned;
    abandoned += run.abandoned;
    if (run.abandoned) orphans.push(run);
    run.open = false;
    waiting = waiting.filter((one) => one !== run);
  }

  function stop() {
    if (suspects.some(({ what }) => what === 'pull') || (source === 'asyncIterable' && pulledAt === now))
      result.unordered = true; // it may be that these were not pulled any more
    isStopped = true;
    for (const { index, attempt } of waiting) if (attempt === 1) dropped += Boolean((outcomes[index] = LEFT_OUT));
    waiting = waiting.filter(({ attempt }) => attempt > 1);
  }

  /** Whether somebody still waits for this. */
  function isOpen({ kind, index, run, isClosed }) {
    if (kind === 'late') return true;
    if (kind === 'wake' || kind === 'item' || isClosed) return outcomes[index] === undefined;
    return kind === 'element' ? Boolean(runs[index]?.open) : run?.open !== false;
  }

  function burst(events) {
    if (ending) return drainRuns(events);
    for (const { kind, index } of events) if (kind === 'element') settledElements.add(index);
    [ready, branched, suspects] = [events.filter(isOpen), false, []];
    for (const held = []; ;) {
      epoch += !branched;
      branched ||= ready.length + held.length > 1;
      held.push(...ready.filter(isEnding));
      ready = ready.filter((event) => !isEnding(event));
      const event = ready.shift() ?? held.find(({ kind }) => kind === 'stop');
      if (held.includes(event)) held.splice(held.indexOf(event), 1);
      if (event) handle(event, event.known ?? Symbol('unordered'));
      else if (held.length > 0) return fail(held);
      else if (isComplete()) return complete();
      else if (!armsGate() || gateAt > now) return undefined;
      else ready.push({ kind: 'gate' });
    }
  }

  const isComplete = () =>
    counts.done + counts.failed + dropped === counts.started && (isStopped || counts.started === items.length);

  function complete() {
    const errors = outcomes.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
    if (collect === 'errors' && errors.length) end('rejected', { reason: { aggregate: errors } });
    else end('fulfilled', { value: valueOf() });
  }

  /** `rest`: the reason of what is not over; none: everything is. */
  function valueOf(rest) {
    const length = rest && source === 'array' && !isStopped ? items.length : counts.started;
    const all = discard
      ? outcomes
      : Array.from({ length }, (_, i) => outcomes[i] ?? { status: 'rejected', reason: rest });
    const kept = all.filter((outcome) => outcome !== LEFT_OUT);
    if (discard) return kept.length;
    return collect === 'outcomes' ? kept : kept.map(({ value }) => value);
  }

  function fail(failures) {
    const isItems = ({ kind, index }) =>
      kind === 'timeout' && failures.some((one) => one.kind === 'item' && one.index === index);
    const reasons = failures.filter((event) => !isItems(event)); // on a tie it is the item's time that is over
    const anyOf = [...new Set(reasons.map((event) => JSON.stringify(fatalReason(event))))].map((s) => JSON.parse(s));
    const [first] = reasons;
    const failed = failures.map(({ index }) => runs[index]);
    counts.failed += first.kind !== 'total';
    counts.timedOut += first.kind === 'timeout' || (first.kind === 'item' && Boolean(failed[0].open));
    for (const run of failed) if (run) run.open = false;

    // What is certain led to each failure, or lies before it on its strand. A certain pull makes one `settled` certain.
    const isBefore = (s, run) => s.run === run || (s.strand === run.strand && s.run.born <= run.born);
    const all = (what) => suspects.filter((s) => s.what === what);
    const certain = (what) => Math.min(...failed.map((run) => all(what).filter((s) => isBefore(s, run)).length));
    if (anyOf.length > 1) result.ambiguous = true;
    if (all('call').length > certain('call')) result.ambiguousStarts = true;
    if (Math.max(all('pull').length, all('settled').length) > certain('pull')) result.ambiguousCounts = true;
    if (branched && (drain || failures.some(isLater))) result.ambiguousCounts = true;
    if (drain && failures.length > 1 && failures.some(({ kind }) => kind === 'item')) result.unordered = true; // who runs on
    end('rejected', { reason: anyOf[0], ...(anyOf.length > 1 && { anyOf }) });
  }

  /** With `drain` the mappers that run are waited for; nobody waits for an element any more. */
  function end(status, rest) {
    ending = { status, ...rest };
    queues.backoff = [];
    for (const run of runs) {
      if (run.open && drain && !run.called) result.ambiguousCounts = true;
      run.open &&= Boolean(drain && run.called);
    }
    if (isRunning()) result.decidedAt = now;
    else result.outcome = { ...ending, at: now };
  }

  function drainRuns(events) {
    for (const { kind, run } of events.filter(({ run }) => run?.open)) {
      run.open = false;
      counts[ENDS.has(kind) ? 'done' : 'failed']++;
      counts.timedOut += kind === 'timeout';
    }
    if (!isRunning()) result.outcome = { ...ending, at: now };
  }

  /** The ends of abandoned attempts, where they matter; an element's ends all those that waited for it. */
  function lateOf({ kind, index, run, strand, epoch: armed }) {
    if (maxAbandoned === Infinity || kind === 'timeout') return [];
    const isIts = (one) => (kind === 'element' ? one.index === index && !one.called : one === run);
    return orphans.filter(isIts).map(() => ({ kind: 'late', strand, epoch: armed }));
  }

  /** Takes what is due and still open: groups in firing order; a group of several has no known order. */
  function take(queue) {
    const all = queues[queue].filter((event) => event.due === now);
    const isDue = (event) => event.kind === 'element' || isOpen(event);
    const due = all.flatMap((event) => [...(isDue(event) ? [event] : []), ...lateOf(event)]);
    queues[queue] = queues[queue].filter((event) => event.due !== now);
    const groups = [...new Set(due.map((event) => event.epoch))].map((e) => due.filter((event) => event.epoch === e));
    const isOneStrand = (group) => group.every((event) => event.strand === group[0].strand);
    return groups.flatMap((group) => (isOneStrand(group) ? group.map((event) => [event]) : [group]));
  }

  const nameWakes = (group) => (group.length > 1 ? group : [{ ...group[0], known: 'wake' }]);
  if (abortAt <= 0) end('rejected', { reason: 'abort' });
  else if (items.length && totalTimeout <= 0) burst([total]);
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
    if (abortAt === now && !ending) end('rejected', { reason: 'abort' });
    for (let wakes; !ending && ((wakes = take('backoff')).length || gateAt <= now);) {
      burst([...wakes.flatMap(nameWakes), ...(gateAt <= now ? [{ kind: 'gate' }] : [])]);
      // Who waits behind whom is not known then.
      if (wakes.some((group) => group.length > 1) && waiting.length > 0) result.unordered = true;
    }
    // All are over before anything comes of one: of a freed place, of a caller who is asked, of a backoff that is too long.
    const groups = take('deadline');
    const isBatch = collect || groups.flat().some(isLater);
    const isTotal = (group) => group[0].kind === 'total';
    const batches = isBatch ? [groups.filter(isTotal).flat(), groups.filter((g) => !isTotal(g)).flat()] : groups;
    for (const group of batches) if (group.length > 0 && !result.outcome) burst(group);
    const dues = Object.values(queues).flatMap((queue) => queue.map((event) => event.due));
    now = Math.min(...dues, ending ? Infinity : gateAt, abortAt > now ? abortAt : Infinity);
    if (now === Infinity) result.outcome ??= { status: 'pending' };
  }
  result.starts.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  return result;
}

module.exports = { runModel };
