'use strict';

// Arguments to numbers: what is wrong with one is said here, before anything runs.

const { invalidType, outOfRange } = require('./errors');
const { enums } = require('./engine');

const BACKOFF = {
  constant: enums.BACKOFF_CONSTANT,
  linear: enums.BACKOFF_LINEAR,
  exponential: enums.BACKOFF_EXPONENTIAL,
};
const JITTER = { none: enums.JITTER_NONE, full: enums.JITTER_FULL };

const NO_RETRY = retryPolicy(0, BACKOFF.constant, 0, Infinity);

function retryPolicy(retries, backoff, delay, maxDelay) {
  return { retries, backoff, delay, factor: 2, maxDelay, jitter: JITTER.none };
}

function number(name, value, expected, isValid) {
  if (typeof value !== 'number') throw invalidType(name, 'of type number', value);
  if (!isValid(value)) throw outOfRange(name, expected, value);
  return value;
}

const isDuration = (value) => value >= 0;
const isFiniteDuration = (value) => value >= 0 && value < Infinity;
const isCount = (value) => value >= 0 && (Number.isInteger(value) || value === Infinity);
const isLimit = (value) => value >= 1 && (Number.isInteger(value) || value === Infinity);
const isFactor = (value) => value >= 1 && value < 1e300;
const isNumber = (value) => !Number.isNaN(value);

/** A timeout in milliseconds; absent is never. */
function duration(name, value) {
  return value === undefined ? Infinity : number(name, value, '>= 0', isDuration);
}

/** A wait that somebody asked for: one without an end is a mistake. */
function finiteDuration(name, value) {
  return number(name, value, '>= 0 and finite', isFiniteDuration);
}

/** An argument that must be given. */
function present(name, value) {
  if (value === undefined) throw invalidType(name, 'of type number', value);
  return value;
}

/** An argument that the form of the others rules out. */
function absent(name, value) {
  if (value !== undefined) throw invalidType(name, 'absent, since the argument before it is an object', value);
}

function iterable(name, value) {
  if (value === null || value === undefined || typeof value[Symbol.iterator] !== 'function') {
    throw invalidType(name, 'an iterable', value);
  }
  return value;
}

/** A total timeout may have passed already: callers compute "end minus now". */
function total(name, value) {
  return value === undefined ? Infinity : Math.max(0, number(name, value, 'a number', isNumber));
}

function limit(name, value) {
  return number(name, value, 'an integer >= 1 or Infinity', isLimit);
}

function callback(name, value) {
  if (typeof value !== 'function') throw invalidType(name, 'of type function', value);
  return value;
}

function optionalCallback(name, value) {
  return value === undefined ? undefined : callback(name, value);
}

function boolean(name, value) {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw invalidType(name, 'of type boolean', value);
  return value;
}

/** The flags of what does not keep the process alive. */
function unref(name, value) {
  return boolean(name, value) ? enums.FLAG_UNREF : 0;
}

function string(name, value) {
  if (value !== undefined && typeof value !== 'string') throw invalidType(name, 'of type string', value);
  return value;
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

function signal(name, value) {
  if (value !== undefined && !isSignal(value)) throw invalidType(name, 'an AbortSignal', value);
  return value;
}

function oneOf(name, value, values) {
  if (typeof value !== 'string') throw invalidType(name, 'of type string', value);
  if (!Object.hasOwn(values, value)) throw outOfRange(name, `one of ${Object.keys(values).join(', ')}`, value);
  return values[value];
}

/** `options` itself, or an empty object where it is absent; an unknown option is an error that names it. */
function object(name, options, known) {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidType(name, 'of type object', options);
  }
  for (const key of Object.keys(options)) {
    if (!known.has(key)) throw unknownOption(name, key, options[key], known);
  }
  return options;
}

function unknownOption(name, key, value, known) {
  const others = [...known].join(', ');
  return invalidType(`${name}.${key}`, `absent: there is no such option (there are ${others})`, value);
}

const RETRY_KEYS = new Set(['retries', 'delay', 'backoff', 'factor', 'maxDelay', 'jitter']);

/** A RetryPolicy object; each field may be absent. `prefix` names it in errors. */
function retryFields(prefix, options) {
  const { retries = 3, delay = 1000, backoff = 'exponential', factor = 2, maxDelay = 30000, jitter = 'full' } = options;
  return {
    retries: number(`${prefix}.retries`, retries, 'an integer >= 0 or Infinity', isCount),
    delay: finiteDuration(`${prefix}.delay`, delay),
    backoff: oneOf(`${prefix}.backoff`, backoff, BACKOFF),
    factor: number(`${prefix}.factor`, factor, '>= 1 and finite', isFactor),
    maxDelay: number(`${prefix}.maxDelay`, maxDelay, '>= 0', isDuration),
    jitter: oneOf(`${prefix}.jitter`, jitter, JITTER),
  };
}

/** The option `retry`: a number, or a RetryPolicy. */
function retry(name, value) {
  if (value === undefined) return NO_RETRY;
  if (typeof value === 'number') {
    number(name, value, 'an integer >= 0 or Infinity', isCount);
    return retryFields(name, { retries: value });
  }
  return retryFields(name, object(name, value, RETRY_KEYS));
}

/** retry(fn, maxRetries, delayMs): waits delayMs * attempt. */
function positionalRetry(maxRetries = 3, delayMs = 1000) {
  number('maxRetries', maxRetries, 'an integer >= 0 or Infinity', isCount);
  finiteDuration('delayMs', delayMs);
  return retryPolicy(maxRetries, BACKOFF.linear, delayMs, Infinity);
}

module.exports = {
  COLLECT: enums.FLAG_COLLECT,
  NO_RETRY,
  RETRY_KEYS,
  absent,
  boolean,
  callback,
  duration,
  finiteDuration,
  isSignal,
  iterable,
  limit,
  object,
  optionalCallback,
  positionalRetry,
  present,
  retry,
  retryFields,
  signal,
  string,
  total,
  unref,
};
