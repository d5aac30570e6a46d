'use strict';

// What comes of promises, for tests.

const assert = require('node:assert/strict');

/** What the promise is rejected with. */
function rejection(promise) {
  return promise.then(
    (value) => assert.fail(`fulfilled with ${String(value)}`),
    (error) => error,
  );
}

/** { promise, resolve, reject } */
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

/** One turn of the event loop, and with it whatever is due at once. */
function turn() {
  return new Promise(setImmediate);
}

const EVENTS = ['unhandledRejection', 'uncaughtException'];

/** The reasons that the process was told of, instead of the test runner, while `run` ran. */
async function unhandledDuring(run) {
  const reasons = [];
  const former = EVENTS.map((event) => [event, process.listeners(event)]);
  const listener = (reason) => reasons.push(reason);
  for (const event of EVENTS) process.removeAllListeners(event).on(event, listener);
  try {
    await run();
    await turn();
    await turn();
  } finally {
    for (const [event, listeners] of former) {
      process.removeAllListeners(event);
      for (const one of listeners) process.on(event, one);
    }
  }
  return reasons;
}

module.exports = { deferred, rejection, turn, unhandledDuring };
