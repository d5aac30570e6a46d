'use strict';

// How calls and waits end, for tests: with which errors, in which order, and that nothing is left of them.

const assert = require('node:assert/strict');

const { usage } = require('../../lib/engine');

const invalidType = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const invalidThis = { name: 'TypeError', code: 'ERR_INVALID_THIS' };
const isClosed = { name: 'SluiceError', code: 'ERR_SLUICE_CLOSED' };
const isFull = { name: 'SluiceError', code: 'ERR_SLUICE_FULL' };
const isReleased = { name: 'SluiceError', code: 'ERR_SLUICE_RELEASED' };

/** Nobody waits, runs or is open in C. A rate limiter has its place there as long as it can be reached. */
function assertNothingLeft() {
  const { jobs, lanes, waiters, semaphores } = usage();
  assert.deepEqual(
    { jobs, lanes, waiters, semaphores },
    { jobs: 0, lanes: 0, waiters: 0, semaphores: 0 },
    'nothing is left in C',
  );
}

/** The rest of this turn, as far as a few microtasks go; no other turn begins. */
async function microtasks() {
  for (let i = 0; i < 20; i++) await undefined;
}

/** Writes down how each promise settles, under its name, in the order in which they do. */
class Log {
  entries = [];

  follow(name, promise, describe = () => 'granted') {
    promise.then(
      (value) => this.entries.push([name, describe(value)]),
      (error) => this.entries.push([name, error?.code ?? error]),
    );
    return promise;
  }

  get names() {
    return this.entries.map(([name]) => name);
  }

  /** Those that settled since it was asked last, after the microtasks of this turn. */
  async next() {
    await microtasks();
    return this.entries.splice(0);
  }
}

module.exports = {
  Log,
  assertNothingLeft,
  invalidThis,
  invalidType,
  isClosed,
  isFull,
  isReleased,
  microtasks,
  outOfRange,
};
