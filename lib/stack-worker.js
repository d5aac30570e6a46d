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
  const timer = setTimeout(() => {
    finish(null, `The thread has not answered for ${PATIENCE} ms: it is in a native call, where no JavaScript can run`);
  }, PATIENCE);
  try {
    session.connectToMainThread();
    session.post('Runtime.evaluate', { expression, silent: true }, (error, evaluated) => {
      try {
        finish(linesOf(error, evaluated), null);
      } catch ({ message }) {
        finish(null, message);
      }
    });
  } catch ({ message }) {
    finish(null, message);
  }
}

/** The frames; throws where there are none. */
function linesOf(error, evaluated) {
  if (error) throw new Error(`The inspector says: ${error.message}`);
  const { result, exceptionDetails } = evaluated;
  if (exceptionDetails || typeof result.value !== 'string') throw new Error('The stack could not be evaluated');
  const lines = result.value.split('\n').map((line) => line.trim());
  const frames = lines.filter((line) => line.startsWith('at ') && !line.includes(SOURCE));
  if (frames.length === 0) throw new Error('No JavaScript is on the stack');
  return frames;
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
