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
Object.defineProperty(TimeoutError.prototype, 'name', { value: 'TimeoutError', writable: true, configurable: true });
Object.defineProperty(TimeoutError.prototype, 'code', {
  value: 'ERR_SLUICE_TIMEOUT',
  writable: true,
  configurable: true,
});

function message(scope, timeout, { label, index, attempt, elapsed, loopBlocked }) {
  const what = label !== undefined ? `"${label}" ` : '';
  const which = scope === 'attempt' && index !== undefined ? ` (item ${index}, attempt ${attempt})` : '';
  const of = scope === 'total' ? ' in total' : '';
  const blocked = loopBlocked > 0 ? `, the event loop was blocked for ${round(loopBlocked)} ms of that` : '';
  return `${what}timed out after ${timeout} ms${of}${which}: ${round(elapsed)} ms had passed${blocked}`;
}

function round(ms) {
  return Math.round(ms * 10) / 10;
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

function describe(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`;
  return `type ${typeof value} (${inspect(value, { breakLength: Infinity }).slice(0, 40)})`;
}

module.exports = { TimeoutError, invalidType, outOfRange };
