'use strict';

const { inspect } = require('node:util');

class TimeoutError extends Error {
  constructor(scope, timeout, details) {
    super(message(scope, timeout, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.scope = scope;
    this.timeout = timeout;
    this.elapsed = details.elapsed;
    this.loopBlocked = details.loopBlocked;
    this.index = details.index;
    this.attempt = details.attempt;
    this.label = details.label;
  }
}
identify(TimeoutError, 'TimeoutError', 'ERR_SLUICE_TIMEOUT');

function identify({ prototype }, name, code) {
  Object.defineProperty(prototype, 'name', { value: name, writable: true, configurable: true });
  Object.defineProperty(prototype, 'code', { value: code, writable: true, configurable: true });
}

const SCOPES = { total: ' in total', wait: ' of waiting' };

function message(scope, timeout, { label, index, attempt, isAlone, isOutlived, elapsed, loopBlocked }) {
  const what = label !== undefined ? `"${label}" ` : '';
  const item = isAlone ? '' : `item ${index}, `;
  const which = index !== undefined ? ` (${item}attempt ${attempt})` : '';
  const of = SCOPES[scope] ?? '';
  const blocked = loopBlocked > 0 ? `, the event loop was blocked for ${round(loopBlocked)} ms of that` : '';
  const wait = isOutlived ? ', the wait before the next attempt would have ended after it' : '';
  return `${what}timed out after ${timeout} ms${of}${which}: ${round(elapsed)} ms had passed${wait}${blocked}`;
}

function round(ms) {
  return Math.round(ms * 10) / 10;
}

/** What a mapper or a retried function throws when another attempt would be no use. */
class PermanentError extends Error {}
identify(PermanentError, 'PermanentError', 'ERR_SLUICE_PERMANENT');

/** What the state of a semaphore, a queue or a group does not allow; `code` says which. */
class SluiceError extends Error {}
identify(SluiceError, 'SluiceError', undefined);

function sluiceError(code, text) {
  const error = new SluiceError(text);
  error.code = code;
  return error;
}

/** Somebody has waited in vain: `what` is what for. */
function closed(what) {
  return sluiceError('ERR_SLUICE_CLOSED', `The ${what} is closed`);
}

/** A method was called on an object that is not one of ours. */
function invalidThis(name) {
  const error = new TypeError(`Value of "this" must be a ${name}`);
  error.code = 'ERR_INVALID_THIS';
  return error;
}

// Asking an error may run a getter, or a proxy's trap: what throws there says nothing.

/** The failure itself: a PermanentError may wrap the one that counts. */
function unwrap(error) {
  try {
    const { cause } = error;
    return cause === undefined ? error : cause;
  } catch {
    return error;
  }
}

function isPermanent(error) {
  try {
    return error instanceof PermanentError;
  } catch {
    return false;
  }
}

function invalidType(name, expected, received) {
  const error = new TypeError(`The "${name}" argument must be ${expected}. Received ${describe(received)}`);
  error.code = 'ERR_INVALID_ARG_TYPE';
  return error;
}

function outOfRange(name, expected, received) {
  const error = new RangeError(
    `The value of "${name}" is out of range. It must be ${expected}. Received ${describe(received)}`,
  );
  error.code = 'ERR_OUT_OF_RANGE';
  return error;
}

/** Of any value, whatever its getters do. */
function describe(value) {
  try {
    return describePlain(value);
  } catch {
    return `type ${typeof value}`;
  }
}

function describePlain(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return `type ${typeof value} (${inspect(value, { breakLength: Infinity }).slice(0, 40)})`;
}

module.exports = {
  PermanentError,
  SluiceError,
  TimeoutError,
  closed,
  invalidThis,
  invalidType,
  isPermanent,
  outOfRange,
  sluiceError,
  unwrap,
};
