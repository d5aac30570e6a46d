'use strict';

// A thread that takes the main thread's stack while that is stuck. It sleeps in its loop until the watchdog's thread asks.
//
// The inspector's session interrupts the main thread: what it evaluates runs on top of whatever blocks there, be it a loop
// or a regular expression. In a native call it runs when that has returned. A session is only connected while it asks:
// process.exit() waits for one that is.

const { answerStack, serveStacks } = require('./binding');

// Shorter than what the watchdog's thread waits for this one.
const PATIENCE = 200;
// More than are handed on: the outermost ones tell the phase.
const DEPTH = 200;
const LINES = 50;
const LINE_LENGTH = 512;
// Between two microtasks there is nothing on the stack, and an interrupt often hits just there. Whoever asks again at once
// is answered at the same place.
const TRIES = 25;
const RETRY_AFTER = 1;
const SOURCE = 'sluice-takes-this-stack';

let Session;
let absence;
try {
  ({ Session } = require('node:inspector'));
} catch (error) {
  absence = `The inspector is not there: ${error.message}`;
}

/** Runs in the main thread, in the middle of anything; what it changes there it puts back. */
function takeStack(depth) {
  const { stackTraceLimit } = Error;
  const own = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  try {
    Error.stackTraceLimit = depth;
    if (own?.configurable)
      Object.defineProperty(Error, 'prepareStackTrace', { value: undefined, configurable: true, writable: true });
    return new Error('here').stack;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (own?.configurable) Object.defineProperty(Error, 'prepareStackTrace', own);
  }
}

const expression = `(${takeStack})(${DEPTH})\n//# sourceURL=${SOURCE}`;

function onAsked(request) {
  if (Session === undefined) {
    answer(request, null, absence);
    return;
  }
  const session = new Session();
  let isAnswered = false;
  const finish = (lines, reason) => {
    if (isAnswered) return;
    isAnswered = true;
    clearTimeout(timer);
    session.disconnect();
    answer(request, lines, reason);
  };
  const evaluate = (triesLeft) => {
    if (isAnswered) return;
    session.post('Runtime.evaluate', { expression, silent: true }, (error, evaluated) => {
      try {
        const frames = linesOf(error, evaluated);
        if (frames.length > 0) finish(frames, null);
        else if (triesLeft > 1) setTimeout(evaluate, RETRY_AFTER, triesLeft - 1);
        else finish(null, 'No JavaScript is on the stack');
      } catch ({ message }) {
        finish(null, message);
      }
    });
  };
  const timer = setTimeout(() => {
    finish(null, `The thread has not answered for ${PATIENCE} ms: it is in a native call, where no JavaScript can run`);
  }, PATIENCE);
  try {
    session.connectToMainThread();
    evaluate(TRIES);
  } catch ({ message }) {
    finish(null, message);
  }
}

/** The frames; throws where they are not to be had. */
function linesOf(error, evaluated) {
  if (error) throw new Error(`The inspector says: ${error.message}`);
  const { result, exceptionDetails } = evaluated;
  if (exceptionDetails || typeof result.value !== 'string') throw new Error('The stack could not be evaluated');
  const lines = result.value.split('\n').map((line) => line.trim());
  return lines.filter((line) => line.startsWith('at ') && !line.includes(SOURCE));
}

function answer(request, frames, reason) {
  const lines = frames && frames.slice(0, LINES).map((line) => line.slice(0, LINE_LENGTH));
  answerStack(request, JSON.stringify(lines), JSON.stringify(reason), phaseOf(frames ?? []));
}

/** The loop's own marks do not tell its timers from its immediates. */
function phaseOf(frames) {
  const isIn = (name) => frames.some((line) => line.includes(name) && line.includes('node:internal/timers'));
  if (isIn('processTimers')) return '"timers"';
  if (isIn('processImmediate')) return '"check"';
  return undefined;
}

serveStacks(onAsked);
