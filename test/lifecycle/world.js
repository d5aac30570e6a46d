'use strict';

// What stages, cases and scenarios share. Nothing is loaded here before somebody asks for it.

const LIBRARY = require.resolve('../../lib/index.js');
const HOUR = 3_600_000;

const never = () => new Promise(() => {});
const failing = () => Promise.reject(new Error('again'));
const library = () => require(LIBRARY);

/** After the deadlines of this turn have been stamped, and the loop has been set to wake up for them. */
const nextTurn = (act) => setImmediate(() => setImmediate(act));

/** It may fail: that is nobody's business. */
const ignore = (...promises) => {
  for (const promise of promises) promise.catch(() => {});
};

/** Logs how the promise settles. */
const tell = (log, promise) =>
  promise.then(
    (value) => log(`fulfilled: ${value}`),
    (error) => log(error.name === 'Error' ? error.message : error.name),
  );

module.exports = { HOUR, LIBRARY, failing, ignore, library, never, nextTurn, tell };
