'use strict';

// The twin: sluice's lanes and newborn deadlines in plain JavaScript, without C. The rival in every row: what is fast here
// is the design's doing. Left out: grace, yields to the loop, total timeouts, async sources, backoff kinds, letting go.

let newborns = []; // armed in this turn; stamped at its end, if they are still open then: one clock, one timer
const open = new Map(); // milliseconds -> the stamped deadlines of that duration, which is the order of their due times

class Deadline {
  constructor() {
    this.ms = 0; // 0: not open
    this.due = 0;
    this.isNewborn = false;
  }
}

function arm(deadline, ms) {
  deadline.ms = ms;
  if (deadline.isNewborn) return;
  deadline.isNewborn = true;
  if (newborns.push(deadline) === 1) setImmediate(stamp);
}

function disarm(deadline) {
  const list = deadline.isNewborn || deadline.ms === 0 ? undefined : open.get(deadline.ms);
  if (list?.delete(deadline) && list.size === 0) clearTimeout(list.timer);
  deadline.ms = 0;
}

function stamp() {
  const [born, now] = [newborns, performance.now()];
  newborns = [];
  for (const deadline of born) {
    deadline.isNewborn = false;
    if (deadline.ms === 0) continue;
    if (!open.has(deadline.ms)) open.set(deadline.ms, new Set());
    const list = open.get(deadline.ms).add(deadline);
    deadline.due = now + deadline.ms;
    if (list.size === 1) list.timer = setTimeout(expire, deadline.ms, list);
  }
}

function expire(list) {
  for (const deadline of list) {
    const left = deadline.due - performance.now();
    if (left > 0) return (list.timer = setTimeout(expire, left + 1, list));
    disarm(deadline);
    deadline.expire(new Error('timed out'));
  }
}

class Context {
  constructor(index, attempt, lane) {
    this.index = index;
    this.attempt = attempt;
    this.lane = lane;
  }
  get signal() {
    return (this.lane.controller ??= new AbortController()).signal;
  }
}

class Lane extends Deadline {
  constructor(job, item, index, attempt) {
    super();
    this.job = job;
    this.item = item;
    this.index = index;
    this.attempt = attempt;
    this.controller = undefined;
  }
  expire(error) {
    const { job, item, index, attempt } = this;
    this.job = null; // abandoned
    this.controller?.abort(error);
    if (attempt > job.retries) job.end(error);
    else run(job.replace(this, new Lane(job, item, index, attempt + 1))).then(job.resolve, job.reject);
  }
}

class Job {
  constructor(items, mapper, { timeout = 0, retry = 0, signal, onProgress, discard }, resolve, reject) {
    Object.assign(this, { items, mapper, timeout, signal, onProgress, resolve, reject });
    this.retries = retry.retries ?? retry;
    this.iterator = items[Symbol.iterator]();
    this.lanes = [];
    this.results = discard ? undefined : new Array(items.length ?? 0);
    this.next = this.settled = this.reported = 0;
    this.isOver = false;
    signal?.addEventListener('abort', (this.onAbort = () => this.end(signal.reason)), { once: true });
    if (onProgress) setImmediate((this.report = () => this.isOver || this.tell()));
  }
  tell() {
    if (this.settled !== this.reported)
      this.onProgress({ total: this.items.length, done: (this.reported = this.settled) });
    setImmediate(this.report).unref();
  }
  replace(lane, other) {
    return (this.lanes[this.lanes.indexOf(lane)] = other);
  }
  end(error) {
    this.isOver = true;
    for (const { controller } of error ? this.lanes : []) controller?.abort(error);
    this.signal?.removeEventListener('abort', this.onAbort);
    this.onProgress?.({ total: this.items.length, done: this.settled });
    if (error) this.reject(error);
    else this.resolve(this.results ?? this.settled);
  }
  take(lane) {
    const { done, value } = this.isOver ? { done: true } : this.iterator.next();
    if (done) return false;
    lane.item = value;
    lane.index = this.next++;
    lane.attempt = 1;
    return true;
  }
}

async function run(lane) {
  const { job } = lane;
  const { mapper, timeout, results } = job;
  do {
    lane.controller = undefined;
    if (timeout !== 0) arm(lane, timeout);
    try {
      let value = mapper(lane.item, lane.index, new Context(lane.index, lane.attempt, lane));
      if (typeof value === 'object') value = await value;
      if (lane.job === null) break;
      if (results !== undefined) results[lane.index] = value;
      job.settled++;
      lane.attempt = 0;
    } catch (error) {
      if (lane.job === null) break;
      if (lane.attempt++ > job.retries) job.end(error);
    }
    if (timeout !== 0) disarm(lane);
  } while (lane.attempt > 0 ? !job.isOver : job.take(lane));
  if (!job.isOver && lane.job !== null && job.settled === job.next) job.end();
  await new Promise(() => {}); // tied to the result for the sake of its stack: it must not settle
}

function mapWithLimit(items, limit, mapper, options = {}) {
  return new Promise((resolve, reject) => {
    const job = new Job(items, mapper, options, resolve, reject);
    for (let lane, i = 0; i < limit && job.take((lane = new Lane(job))); i++) {
      job.lanes.push(lane);
      run(lane).then(resolve, reject);
    }
    if (job.next === 0) job.end();
  });
}

// The calls of one promise. A guard comes from a pool and goes back when its promise has settled.

const pool = [];
let resolveNew;
let rejectNew;
const capture = (resolve, reject) => ([resolveNew, rejectNew] = [resolve, reject]);

class Guard extends Deadline {
  constructor() {
    super();
    this.expire = null;
    this.done = () => {
      if (this.expire === null) return;
      disarm(this);
      this.expire = null;
      pool.push(this);
    };
  }
}

function withTimeout(promise, ms) {
  const guard = pool.pop() ?? new Guard();
  const result = new Promise(capture);
  guard.expire = rejectNew;
  arm(guard, ms);
  promise.then(resolveNew, rejectNew).then(guard.done); // the result's own functions: stacks stay whole
  return result;
}

function retry(fn, { retries }) {
  const again = (attempt, error) => {
    if (attempt > retries) throw error;
    return fn(new Context(0, attempt + 1, {})).then(undefined, (reason) => again(attempt + 1, reason));
  };
  return fn(new Context(0, 1, {})).then(undefined, (error) => again(1, error));
}

async function allSettled(promises) {
  const results = Array.from(promises);
  for (const promise of results) promise.then(undefined, () => {});
  for (let i = 0; i < results.length; i++) {
    try {
      results[i] = { status: 'fulfilled', value: await results[i] };
    } catch (reason) {
      results[i] = { status: 'rejected', reason };
    }
  }
  return results;
}

module.exports = {
  mapWithLimit,
  withTimeout,
  retry,
  allSettled,
  arm,
  disarm,
  Deadline,
  shapes: [new Lane(), new Context()],
};
