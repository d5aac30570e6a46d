'use strict';

// withTimeout and sleep: one deadline in C each, without a job around it.
//
// A guard comes from a pool and goes back when its promise has settled. It listens to native promises only, behind the
// result promise's own resolving functions (V8 follows those when it writes a stack). A guard whose time ran out still
// listens, so it does not go back.

const channels = require('./channels');
const { Attempt, Context, abortAttempt } = require('./context');
const { I, D, ints, doubles, operations, lanes, failure, remaining } = require('./engine');
const { TimeoutError, invalidType } = require('./errors');
const observing = require('./observing');
const options = require('./options');
const { isNative, listen, markHandled, mayBeThenable, promiseFor, toNative } = require('./promises');
const { resourceHere } = require('./resource');
const running = require('./running');
const signals = require('./signals');

const { GUARD, SLEEP, RELEASE } = operations;
const { LANE, LANE_GENERATION, ACTION, FLAGS } = I;
const { TIMEOUT } = D;

const SLEEP_KEYS = new Set(['signal', 'unref']);
const KEYS = new Set(['timeout', 'fallback', 'label', ...SLEEP_KEYS]);

const POOL_MAX = 1024;
const pool = [];

// The attempt of a function that is guarded.
class Work extends Attempt {
  constructor(timeout) {
    super(0, 1);
    this.timeout = timeout;
    this.guard = null; // once there is something to wait for
  }

  remaining() {
    if (this.guard === null) return this.timeout;
    return this.guard.remaining();
  }

  /** Nothing is left of it; its guard may be another call's by the time its context is asked. */
  end() {
    this.timeout = 0;
    this.guard = null;
  }
}

class Guard {
  constructor() {
    this.slot = -1; // no deadline is open
    this.generation = 0;
    this.timeout = 0;
    this.resolve = null;
    this.reject = null;
    this.extras = null; // what few calls have: { attempt, fallback, label, named, membership, resource, link }
    this.onSettled = () => this.settled();
  }

  /** Opens the deadline; throws where there is no memory for it. */
  open(timeout, flags) {
    doubles[TIMEOUT] = timeout;
    ints[FLAGS] = flags;
    GUARD();
    if (ints[ACTION] < 0) throw failure();
    this.slot = ints[LANE];
    this.generation = ints[LANE_GENERATION];
    this.timeout = timeout;
    lanes[this.slot] = this;
  }

  /** What it guards has settled, and the result promise with it. */
  settled() {
    if (this.slot < 0) return;
    this.release();
    this.resolve = this.reject = null;
    if (pool.length < POOL_MAX) pool.push(this);
  }

  release() {
    lanes[this.slot] = null;
    ints[LANE] = this.slot;
    ints[LANE_GENERATION] = this.generation;
    RELEASE();
    this.slot = -1;
    if (this.extras !== null) {
      this.extras.attempt.end();
      this.extras.membership?.leave();
      this.extras.resource.emitDestroy();
      this.extras = null;
    }
  }

  remaining() {
    return this.slot < 0 ? 0 : remaining(this);
  }

  onTime(_event, elapsed, loopBlocked) {
    this.slot = -1; // C has closed it
    const { resolve, reject, extras, timeout } = this;
    this.resolve = this.reject = this.extras = null;
    const error = new TimeoutError('attempt', timeout, { elapsed, loopBlocked, attempt: 1, label: extras?.label });
    if (extras === null) {
      reject(error);
      channels.tellGuardTimeout(undefined, null, error);
      return;
    }
    extras.membership?.leave();
    extras.resource.runInAsyncScope(expire, undefined, extras, error, resolve, reject);
    extras.resource.emitDestroy();
  }

  onAbort(reason) {
    const { reject, extras } = this;
    this.release();
    this.resolve = this.reject = null;
    reject(reason);
    extras.link.resolve();
    extras.resource.runInAsyncScope(abortAttempt, undefined, extras.attempt, reason);
  }
}

function expire({ attempt, fallback, label, named, link }, error, resolve, reject) {
  if (fallback === undefined) {
    reject(error);
  } else {
    try {
      resolve(fallback());
    } catch (thrown) {
      reject(thrown);
    }
  }
  link.resolve();
  abortAttempt(attempt, error);
  channels.tellGuardTimeout(label, named, error);
}

function withTimeout(work, second, fallback) {
  const isPlain = fallback === undefined && typeof second === 'number' && second >= 0 && isNative(work);
  if (isPlain && !channels.hearsTimeouts()) return guard(work, second);
  let call;
  try {
    call = typeof second === 'object' ? parse(second, fallback) : positional(second, fallback);
  } catch (error) {
    markHandled(work);
    return Promise.reject(error);
  }
  try {
    return run(work, call);
  } catch (error) {
    markHandled(work); // a getter of the signal threw
    return Promise.reject(error);
  }
}

/** The common case: a native promise, a number, and nothing else. */
function guard(promise, timeout) {
  if (timeout === Infinity) return listen(promise);
  const lane = pool.length > 0 ? pool.pop() : new Guard();
  try {
    lane.open(timeout, 0);
  } catch (error) {
    markHandled(promise);
    return Promise.reject(error);
  }
  const result = promiseFor(lane);
  listen(listen(promise, lane.resolve, lane.reject), lane.onSettled);
  return result;
}

function run(work, { timeout, fallback, signal, flags, label }) {
  if (signal !== undefined && signal.aborted) {
    markHandled(work);
    return Promise.reject(signal.reason);
  }
  const attempt = new Work(timeout);
  let value = work;
  if (typeof work === 'function') {
    try {
      const context = new Context(0, 1, attempt);
      value = observing.isWatched ? running.call(work, context, label, 'withTimeout') : work(context);
    } catch (error) {
      attempt.end();
      return Promise.reject(error);
    }
    if (signal !== undefined && signal.aborted) {
      markHandled(value);
      attempt.end();
      abortAttempt(attempt, signal.reason);
      return Promise.reject(signal.reason);
    }
  }
  if (!mayBeThenable(value)) {
    attempt.end();
    return Promise.resolve(value);
  }
  const promise = toNative(value);
  if (timeout === Infinity && signal === undefined) return listen(promise);
  const lane = pool.pop() ?? new Guard();
  const link = { resolve: null, reject: null };
  const named = typeof work === 'function' ? work : null;
  const extras = { attempt, fallback, label, named, membership: null, resource: null, link };
  try {
    if (signal !== undefined) extras.membership = signals.join(signal, lane);
    lane.open(timeout, flags);
  } catch (error) {
    extras.membership?.leave();
    markHandled(promise);
    return Promise.reject(error);
  }
  attempt.guard = lane;
  extras.resource = resourceHere();
  lane.extras = extras;
  const result = promiseFor(lane);
  // A link, since the work may never settle, and would keep the result's value alive; and so that the attempt is over
  // when whoever awaits the result goes on.
  listen(promiseFor(link), lane.resolve, lane.reject);
  listen(listen(promise, link.resolve, link.reject), lane.onSettled);
  return result;
}

// What withTimeout and sleep are asked for.
class Request {
  constructor() {
    this.timeout = undefined;
    this.fallback = undefined; // a function, called when it is needed
    this.signal = undefined;
    this.flags = 0;
    this.label = undefined;
  }
}

function positional(ms, fallback) {
  const request = new Request();
  request.timeout = options.duration('ms', ms);
  if (fallback !== null && typeof fallback === 'object' && options.isSignal(fallback.signal)) {
    throw invalidType('fallback', 'a value; options with a signal are the second argument', fallback);
  }
  if (fallback !== undefined) request.fallback = asIs(fallback);
  return request;
}

/** It may be a promise, and not be needed. */
function asIs(fallback) {
  markHandled(fallback);
  return () => fallback;
}

function parse(given, third) {
  options.absent('fallback', third);
  const request = options.readEach(new Request(), given, 'options', KEYS, readField);
  options.present('timeout', request.timeout, 'options');
  return request;
}

function readField(request, key, value, owner) {
  switch (key) {
    case 'timeout':
      request.timeout = options.duration(key, value, owner);
      return true;
    case 'fallback':
      request.fallback = typeof value === 'function' ? value : asIs(value);
      return true;
    case 'label':
      request.label = options.string(key, value, owner);
      return true;
    default:
      return readSleepField(request, key, value, owner);
  }
}

function readSleepField(request, key, value, owner) {
  switch (key) {
    case 'signal':
      request.signal = options.abortSignal(key, value, owner);
      return true;
    case 'unref':
      request.flags = options.unrefFlag(key, value, owner);
      return true;
    default:
      return false;
  }
}

class Sleeper {
  constructor() {
    this.slot = -1;
    this.generation = 0;
    this.resolve = null;
    this.reject = null;
    this.membership = null;
    this.promise = promiseFor(this);
  }

  onTime() {
    this.membership?.leave();
    this.resolve();
  }

  onAbort(reason) {
    lanes[this.slot] = null;
    ints[LANE] = this.slot;
    ints[LANE_GENERATION] = this.generation;
    RELEASE();
    this.reject(reason);
  }
}

function sleep(ms, given) {
  try {
    options.finiteDuration('ms', ms);
    const request = new Request();
    if (given !== undefined) options.readEach(request, given, 'options', SLEEP_KEYS, readSleepField);
    const { signal, flags } = request;
    if (signal !== undefined && signal.aborted) return Promise.reject(signal.reason);
    const sleeper = new Sleeper();
    if (signal !== undefined) sleeper.membership = signals.join(signal, sleeper);
    doubles[TIMEOUT] = ms;
    ints[FLAGS] = flags;
    SLEEP();
    if (ints[ACTION] < 0) {
      sleeper.membership?.leave();
      throw failure();
    }
    sleeper.slot = ints[LANE];
    sleeper.generation = ints[LANE_GENERATION];
    lanes[sleeper.slot] = sleeper;
    return sleeper.promise;
  } catch (error) {
    return Promise.reject(error);
  }
}

module.exports = { sleep, withTimeout };
