'use strict';

// Arguments to numbers: what is wrong with one is said here, before anything runs.

const { isDate } = require('node:util').types;

const { isObject, permitsOf, tokensOf } = require('./access');
const { invalidType, outOfRange } = require('./errors');
const { enums } = require('./engine');

const BACKOFF = {
  constant: enums.BACKOFF_CONSTANT,
  linear: enums.BACKOFF_LINEAR,
  exponential: enums.BACKOFF_EXPONENTIAL,
  decorrelated: enums.BACKOFF_DECORRELATED,
};
const JITTER = { none: enums.JITTER_NONE, full: enums.JITTER_FULL };
const RETRY_KEYS = new Set([
  'retries',
  'delay',
  'backoff',
  'factor',
  'maxDelay',
  'jitter',
  'retryIf',
  'retryOn',
  'onRetry',
  'retryAfter',
]);
const RATE_KEYS = new Set(['max', 'per', 'burst']);
const COMMON_KEYS = new Set(['totalTimeout', 'signal', 'unref', 'label']);

// Any wait grows beyond all bounds with it, and C computes with no more.
const FACTOR_MAX = 1e300;

class RetryPolicy {
  constructor(retries, delay, backoff, factor, maxDelay, jitter) {
    this.retries = retries;
    this.delay = delay;
    this.backoff = backoff;
    this.factor = factor;
    this.maxDelay = maxDelay;
    this.jitter = jitter;
    this.callbacks = null; // a Callbacks, where the caller has a say
  }
}

// Who is asked before a retry.
class Callbacks {
  constructor() {
    this.retryOn = undefined; // a list of classes
    this.retryIf = undefined;
    this.backoff = undefined;
    this.retryAfter = undefined;
    this.onRetry = undefined;
  }
}

// Attempt starts: `max` in each `per`; 0: no limit. `burst` 0: the default.
class Rate {
  constructor(max) {
    this.max = max;
    this.per = 1000;
    this.burst = 0;
  }
}

const NO_RATE = new Rate(0);

const NO_RETRY = new RetryPolicy(0, 0, enums.BACKOFF_CONSTANT, 2, Infinity, enums.JITTER_NONE);

function linearRetry(retries, delay) {
  return new RetryPolicy(retries, delay, enums.BACKOFF_LINEAR, 2, Infinity, enums.JITTER_NONE);
}

function exponentialRetry() {
  return new RetryPolicy(3, 1000, enums.BACKOFF_EXPONENTIAL, 2, 30000, enums.JITTER_FULL);
}

// What a call asks for, in the words of the mailbox: milliseconds, numbers, absent ones at their defaults.
class Call {
  /** @param api the function of the package that was called */
  constructor(mapper, limit, api) {
    this.mapper = mapper;
    this.limit = limit;
    this.api = api;
    this.named = mapper; // whose name the call goes by, where it has no label
    this.isAttempt = false; // `mapper` is a function of the context alone, and the call's value is its value
    this.failure = null; // { error }, where the first attempt has been made, and has failed
    this.timeout = Infinity;
    this.itemTimeout = Infinity;
    this.totalTimeout = Infinity;
    this.yieldAfter = 10;
    this.retry = NO_RETRY;
    this.rate = NO_RATE;
    this.semaphore = null; // the Permits that a Semaphore in place of a limit has
    this.limiter = null; // the Tokens that a RateLimiter in place of a rate has
    this.maxAbandoned = Infinity;
    this.window = Infinity; // items that are taken, and whose results are not read yet
    this.sink = null; // who takes the results one by one, in place of an array
    this.onError = undefined; // is asked about each item that has failed
    this.countsResults = false; // the call's value is its counts
    this.flags = 0;
    this.signal = undefined;
    this.onProgress = undefined;
    this.label = undefined;
    this.discard = false;
    this.collects = false; // outcomes, as allSettled has them, instead of values
    this.stopsOnError = true;
    this.drains = false;
    this.leavesOut = false; // the symbols `skip` and `stop` have their meaning
  }
}

/** The options `rate` and, in place of a limit, a Semaphore: what they come to. */
function setRate(call, key, value, owner) {
  const tokens = tokensOf(value);
  if (tokens === undefined) {
    call.rate = rate(key, value, owner);
  } else {
    if (tokens.isClosed) throw tokens.closed();
    call.limiter = tokens;
  }
}

function setLimit(call, key, value, owner) {
  const permits = permitsOf(value);
  if (permits === undefined) {
    call.limit = limit(key, value, owner);
  } else {
    if (permits.isClosed) throw permits.closed();
    call.semaphore = permits;
    call.limit = Infinity;
  }
}

// A validator takes an argument's name and value, and, where it is an option, the name of the object it is in. (They are
// joined only in an error: joining them in each call would cost more than the check.)

function number(name, value, owner, expected, isValid) {
  if (typeof value !== 'number') throw invalidType(nameOf(name, owner), 'of type number', value);
  if (!isValid(value)) throw outOfRange(nameOf(name, owner), expected, value);
  return value;
}

function nameOf(name, owner) {
  return owner === undefined ? name : `${owner}.${name}`;
}

const isDuration = (value) => value >= 0;
const isFiniteDuration = (value) => value >= 0 && value < Infinity;
const isCount = (value) => value >= 0 && (Number.isInteger(value) || value === Infinity);
const isLimit = (value) => value >= 1 && (Number.isInteger(value) || value === Infinity);
const isBurst = (value) => Number.isInteger(value) && value >= 1;
const isPositive = (value) => value > 0;
const isFinitePositive = (value) => value > 0 && value < Infinity;
const isThreshold = (value) => value >= 10 && value < Infinity;
const isFactor = (value) => value >= 1 && value < Infinity;
const isWeight = (value) => Number.isSafeInteger(value) && value >= 1;
const isNumber = (value) => !Number.isNaN(value);

/** A timeout in milliseconds; Infinity is never. */
function duration(name, value, owner) {
  return number(name, value, owner, '>= 0', isDuration);
}

/** A wait that somebody asked for: one without an end is a mistake. */
function finiteDuration(name, value, owner) {
  return number(name, value, owner, '>= 0 and finite', isFiniteDuration);
}

/** A total timeout may have passed already: callers compute "end minus now". */
function total(name, value, owner) {
  return Math.max(0, number(name, value, owner, 'a number', isNumber));
}

// C counts in 32 bits, and its last number is "unlimited". Whoever asks here whether there is a limit has to hear the same.
const COUNT_MAX = 2 ** 32 - 2;

function count(name, value, owner) {
  const given = number(name, value, owner, 'an integer >= 0 or Infinity', isCount);
  return given > COUNT_MAX ? Infinity : given;
}

function limit(name, value, owner) {
  return number(name, value, owner, 'an integer >= 1 or Infinity', isLimit);
}

function integer(name, value, owner, least, most) {
  const isWithin = (given) => Number.isInteger(given) && given >= least && given <= most;
  return number(name, value, owner, `an integer from ${least} to ${most}`, isWithin);
}

/** For how long a loop may be stuck: in less than that nobody can look twice. */
function threshold(name, value, owner) {
  return number(name, value, owner, '>= 10 and finite', isThreshold);
}

/** How many permits or tokens. */
function weight(name, value, owner) {
  return number(name, value, owner, 'an integer >= 1', isWeight);
}

function callback(name, value, owner) {
  if (typeof value !== 'function') throw invalidType(nameOf(name, owner), 'of type function', value);
  return value;
}

function boolean(name, value, owner) {
  if (typeof value !== 'boolean') throw invalidType(nameOf(name, owner), 'of type boolean', value);
  return value;
}

function string(name, value, owner) {
  if (typeof value !== 'string') throw invalidType(nameOf(name, owner), 'of type string', value);
  return value;
}

/** One that is not empty. */
function text(name, value, owner) {
  if (string(name, value, owner) === '') throw outOfRange(nameOf(name, owner), 'not empty', value);
  return value;
}

/** The flags of what does not keep the process alive. */
function unrefFlag(name, value, owner) {
  return boolean(name, value, owner) ? enums.FLAG_UNREF : 0;
}

/** Another realm's signal is as good: by shape. */
function isSignal(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof value.aborted === 'boolean' &&
    typeof value.addEventListener === 'function' &&
    typeof value.removeEventListener === 'function'
  );
}

function abortSignal(name, value, owner) {
  if (!isSignal(value)) throw invalidType(nameOf(name, owner), 'an AbortSignal', value);
  return value;
}

function oneOf(name, value, owner, values) {
  if (typeof value !== 'string') throw invalidType(nameOf(name, owner), 'of type string', value);
  if (!Object.hasOwn(values, value)) {
    throw outOfRange(nameOf(name, owner), `one of ${Object.keys(values).join(', ')}`, value);
  }
  return values[value];
}

function iterable(name, value) {
  if (value === null || value === undefined || typeof value[Symbol.iterator] !== 'function') {
    throw invalidType(name, 'an iterable', value);
  }
  return value;
}

/** An argument that must be given. */
function present(name, value, owner) {
  if (value === undefined) throw invalidType(nameOf(name, owner), 'of type number', value);
  return value;
}

/** An argument that the form of the others rules out. */
function absent(name, value) {
  if (value !== undefined) throw invalidType(name, 'absent, since the argument before it is an object', value);
}

/**
 * Hands each option that is there to read(target, key, value, owner), in a single pass; `undefined` is absent. An option
 * that is not among the known ones is an error that names it: `timout: 5000` must not be false safety.
 */
function readEach(target, given, owner, keys, read) {
  const options = plain(owner, given, keys);
  for (const key in options) {
    const value = options[key];
    if (value === undefined || !read(target, key, value, owner)) known(key, value, owner, keys);
  }
  return target;
}

/**
 * Options as a plain object, whose fields a loop sees. Of another (a class's, with getters) those with known names are
 * copied; one that has none is no options object: a promise that was not awaited, a Date.
 */
function plain(name, value, keys) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidType(name, 'of type object', value);
  }
  // (Asking for its prototype would cost 20 ns.)
  if (value.constructor === Object) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return value; // of another realm, or of none
  const copy = {};
  for (const key in value) copy[key] = value[key];
  for (const key of keys) if (key in value) copy[key] ??= value[key];
  if (Object.keys(copy).length === 0) throw invalidType(name, 'an object with options', value);
  return copy;
}

function known(key, value, owner, keys) {
  if (keys.has(key)) return;
  const expected = `absent: there is no such option (there are ${[...keys].join(', ')})`;
  throw invalidType(nameOf(key, owner), expected, value);
}

/** Of the callers that are asked: the policy has a place for them only where there is one. */
function ask(policy, key, value) {
  policy.callbacks ??= new Callbacks();
  policy.callbacks[key] = value;
}

/** What `instanceof` takes: not an arrow function, which was meant as `retryIf`. */
function isClass(value) {
  return typeof value === 'function' && typeof value.prototype === 'object' && value.prototype !== null;
}

function classes(name, value, owner) {
  const list = Array.isArray(value) ? value : [value];
  for (const one of list) {
    if (!isClass(one)) throw invalidType(nameOf(name, owner), 'an error class, or an array of them', one);
  }
  return [...list];
}

/** A field of a RetryPolicy. */
function readRetryField(policy, key, value, owner) {
  switch (key) {
    case 'retries':
      policy.retries = count(key, value, owner);
      return true;
    case 'delay':
      policy.delay = finiteDuration(key, value, owner);
      return true;
    case 'backoff':
      if (typeof value === 'function') ask(policy, key, value);
      else policy.backoff = oneOf(key, value, owner, BACKOFF);
      return true;
    case 'factor':
      policy.factor = Math.min(number(key, value, owner, '>= 1 and finite', isFactor), FACTOR_MAX);
      return true;
    case 'maxDelay':
      policy.maxDelay = duration(key, value, owner);
      return true;
    case 'jitter':
      policy.jitter = oneOf(key, value, owner, JITTER);
      return true;
    default:
      return readCallback(policy, key, value, owner);
  }
}

function readCallback(policy, key, value, owner) {
  switch (key) {
    case 'retryOn':
      ask(policy, key, classes(key, value, owner));
      return true;
    case 'retryIf':
    case 'retryAfter':
    case 'onRetry':
      ask(policy, key, callback(key, value, owner));
      return true;
    default:
      return false;
  }
}

// Beyond this, starts are so far apart that the time between two is not a number of nanoseconds any more.
const START_EVERY_MAX = 1e12;

/** Starts per second, or { max, per, burst }. */
function rate(name, value, owner) {
  if (typeof value === 'number') {
    number(name, value, owner, '> 0', isPositive);
    return value === Infinity ? NO_RATE : notTooSlow(new Rate(value), name, value, owner);
  }
  const read = readEach(new Rate(0), value, nameOf(name, owner), RATE_KEYS, readRateField);
  if (read.max === 0) present('max', undefined, nameOf(name, owner));
  return notTooSlow(read, name, value, owner);
}

function readRateField(target, key, value, owner) {
  switch (key) {
    case 'max':
      target.max = number(key, value, owner, '> 0 and finite', isFinitePositive);
      return true;
    case 'per':
      target.per = number(key, value, owner, '> 0 and finite', isFinitePositive);
      return true;
    case 'burst':
      target.burst = number(key, value, owner, 'an integer >= 1', isBurst);
      return true;
    default:
      return false;
  }
}

/** What a RateLimiter is made of: a rate, and `maxWaiting` beside it. */
function rateWith(name, given, keys) {
  const asked = { rate: NO_RATE, maxWaiting: Infinity, shared: undefined };
  if (typeof given === 'number') {
    asked.rate = rate(name, given);
    return asked;
  }
  asked.rate = new Rate(0);
  readEach(asked, given, name, keys, readLimiterField);
  if (asked.rate.max === 0) present('max', undefined, name);
  asked.rate = notTooSlow(asked.rate, name, given);
  return asked;
}

function readLimiterField(asked, key, value, owner) {
  if (key === 'maxWaiting') asked.maxWaiting = count(key, value, owner);
  else if (key === 'shared') asked.shared = text(key, value, owner);
  else return readRateField(asked.rate, key, value, owner);
  return true;
}

/** A rate with some of its fields changed. */
function changedRate(name, given, { max, per, burst }) {
  if (typeof given === 'number') return rate(name, given);
  const changed = readEach({ max, per, burst }, given, name, RATE_KEYS, readRateField);
  if (changed.max === 0) return NO_RATE; // there is no limit, and it stays so
  return notTooSlow(changed, name, given);
}

function notTooSlow(read, name, value, owner) {
  if (read.per / read.max <= START_EVERY_MAX) return countable(read);
  throw outOfRange(nameOf(name, owner), `at least one start in ${START_EVERY_MAX} ms`, value);
}

/** C counts `per` in nanoseconds, and not more of them than 2^63: the same rate, in a period that it can count. */
function countable(read) {
  const per = Math.min(Math.max(read.per, 1e-6), START_EVERY_MAX);
  if (per === read.per) return read;
  read.max *= per / read.per;
  read.per = per;
  return read;
}

/** The option `retry`: a number, or a RetryPolicy. */
function retry(name, value, owner) {
  const policy = exponentialRetry();
  if (typeof value === 'number') policy.retries = count(name, value, owner);
  else readEach(policy, value, nameOf(name, owner), RETRY_KEYS, readRetryField);
  return policy;
}

let latest = linearRetry(3, 1000);

/** retry(fn, maxRetries, delayMs): waits delayMs * attempt. Most callers say the same each time. */
function positionalRetry(maxRetries, delayMs) {
  const retries = maxRetries === undefined ? 3 : count('maxRetries', maxRetries);
  const delay = delayMs === undefined ? 1000 : finiteDuration('delayMs', delayMs);
  if (retries !== latest.retries || delay !== latest.delay) latest = linearRetry(retries, delay);
  return latest;
}

/** The options that every function with a job has. */
function readCommonField(call, key, value, owner) {
  switch (key) {
    case 'totalTimeout':
      call.totalTimeout = total(key, value, owner);
      return true;
    case 'signal':
      call.signal = abortSignal(key, value, owner);
      return true;
    case 'unref':
      call.flags |= unrefFlag(key, value, owner);
      return true;
    case 'label':
      call.label = string(key, value, owner);
      return true;
    default:
      return false;
  }
}

/** What every wait takes. */
function readWaitField(wish, key, value, owner) {
  switch (key) {
    case 'timeout':
      wish.timeout = duration(key, value, owner);
      return true;
    case 'signal':
      wish.signal = abortSignal(key, value, owner);
      return true;
    default:
      return false;
  }
}

/** What acquire(weight, options) or acquire(options) asks for. How great the weight may be the caller knows. */
function readWish(wish, first, given, keys, read) {
  if (isObject(first)) {
    absent('options', given);
    return readEach(wish, first, 'options', keys, read);
  }
  if (first !== undefined) wish.weight = first;
  return given === undefined ? wish : readEach(wish, given, 'options', keys, read);
}

/** What a callback of a RetryPolicy says of a wait. */
function wait(name, value) {
  return finiteDuration(`${name}()`, value, 'options.retry');
}

/** What `retryAfter` says: milliseconds, or the time when; a time that has passed is now. */
function wish(value) {
  if (value === undefined) return undefined;
  if (isDate(value)) return wait('retryAfter', Math.max(0, value.getTime() - Date.now()));
  if (typeof value !== 'number') {
    throw invalidType('options.retry.retryAfter()', 'a number of milliseconds, a Date or undefined', value);
  }
  return wait('retryAfter', value);
}

module.exports = {
  COMMON_KEYS,
  Call,
  RATE_KEYS,
  RETRY_KEYS,
  absent,
  abortSignal,
  boolean,
  callback,
  changedRate,
  count,
  duration,
  exponentialRetry,
  finiteDuration,
  integer,
  isSignal,
  iterable,
  known,
  limit,
  plain,
  positionalRetry,
  present,
  rateWith,
  readCommonField,
  readEach,
  readRetryField,
  readWaitField,
  readWish,
  retry,
  setLimit,
  setRate,
  string,
  text,
  threshold,
  unrefFlag,
  wait,
  weight,
  wish,
};
