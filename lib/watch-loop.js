'use strict';

// watchLoop: the watchdog's thread (src/uv/watchdog.c) sees that this loop is stuck, and writes its report meanwhile. Here
// is what JavaScript must do before and after that.

const path = require('node:path');
const { Worker, isMainThread, threadId } = require('node:worker_threads');

const { startWatch, stopWatch, takeReport, touchWatch } = require('./engine');
const { invalidThis, invalidType } = require('./errors');
const { isObject } = require('./access');
const observing = require('./observing');
const options = require('./options');
const { resourceHere } = require('./resource');
const running = require('./running');

// As they are now: whoever replaces them later (fake timers) does not mean ours.
const { setInterval, clearInterval } = globalThis;

const KEYS = new Set(['threshold', 'stack', 'onBlocked', 'log']);
const STDERR = 2;
const NOWHERE = -1;
const INSPECTOR_CHECK = 1000;

const NOT_ASKED = 'No stack was asked for';
const NOT_MAIN = 'The inspector reaches the main thread only, and this is a worker';
const NOT_PERMITTED = 'The permission model keeps the inspector from the threads of this process';

let inspector = null;
try {
  inspector = require('node:inspector');
} catch {
  // This Node has none, so nobody debugs with it.
}

const watches = new Map(); // by their numbers
let latestId = 0;
let timer = null;

class Wish {
  constructor() {
    this.threshold = 200;
    this.stack = true;
    this.onBlocked = undefined;
    this.log = STDERR;
  }
}

class LoopWatch {
  #watch; // null: it is stopped

  constructor(watch) {
    this.#watch = watch;
  }

  stop() {
    if (!isObject(this) || !(#watch in this)) throw invalidThis('LoopWatch');
    const watch = this.#watch;
    this.#watch = null;
    if (watch !== null) end(watch);
  }

  [Symbol.dispose]() {
    if (!isObject(this) || !(#watch in this)) throw invalidThis('LoopWatch');
    this.stop();
  }
}

function watchLoop(given) {
  const wish = new Wish();
  if (given !== undefined) options.readEach(wish, given, 'options', KEYS, readField);
  return new LoopWatch(begin(wish));
}

function readField(wish, key, value, owner) {
  switch (key) {
    case 'threshold':
      wish.threshold = options.threshold(key, value, owner);
      return true;
    case 'stack':
      wish.stack = options.boolean(key, value, owner);
      return true;
    case 'onBlocked':
      wish.onBlocked = options.callback(key, value, owner);
      return true;
    case 'log':
      wish.log = logOf(value, `${owner}.${key}`);
      return true;
    default:
      return false;
  }
}

function logOf(value, name) {
  if (value === false) return NOWHERE;
  if (value === 'stderr') return STDERR;
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return path.resolve(value);
  throw invalidType(name, "'stderr', the path of a file, or false", value);
}

function begin({ threshold, stack, onBlocked, log }) {
  const id = ++latestId;
  const watch = { id, onBlocked, resource: null, hasStacks: false };
  const unasked = stack ? joinStacks(watch) : NOT_ASKED;
  const [asks, tells] = [unasked === null, onBlocked !== undefined];
  running.setDebugged(isDebugged());
  try {
    startWatch(running.memory, deliver, id, threadId, threshold, log, asks, tells, JSON.stringify(unasked));
  } catch (error) {
    leaveStacks(watch);
    if (typeof log === 'string') Object.assign(error, { syscall: 'open', path: log });
    throw error;
  }
  if (onBlocked !== undefined) {
    watch.resource = resourceHere();
    if (++listenerCount === 1) process.on('beforeExit', deliverRest);
  }
  watches.set(id, watch);
  if (watches.size === 1) {
    observing.set('isWatched', true);
    timer = setInterval(() => running.setDebugged(isDebugged()), INSPECTOR_CHECK).unref();
  }
  return watch;
}

function end(watch) {
  watches.delete(watch.id);
  stopWatch(watch.id);
  leaveStacks(watch);
  if (watch.resource !== null) {
    watch.resource.emitDestroy();
    if (--listenerCount === 0) process.removeListener('beforeExit', deliverRest);
  }
  if (watches.size > 0) return;
  observing.set('isWatched', false);
  clearInterval(timer);
  timer = null;
}

/** Somebody debugs, or could at once. A worker's inspector does not say so. */
function isDebugged() {
  if (inspector !== null && inspector.url() !== undefined) return true;
  return !isMainThread && process.execArgv.some((argument) => argument.startsWith('--inspect'));
}

// Reports of blocks that are over.

let listenerCount = 0;

/** One report; what onBlocked throws is its caller's uncaught exception. @returns whether there was one */
function deliver() {
  const report = takeReport();
  if (report === undefined) return false;
  const watch = watches.get(report.id); // it may have been stopped
  if (watch !== undefined) watch.resource.runInAsyncScope(tell, undefined, watch, report);
  return true;
}

function tell({ onBlocked }, { text, duration }) {
  onBlocked({ ...JSON.parse(text), blockedFor: Math.round(duration * 10) / 10 });
}

/** Nothing keeps the loop alive any more: it might not turn again. */
function deliverRest() {
  touchWatch();
  while (deliver());
}

// The worker that takes stacks: one for all watches of this thread.

let stackWorker = null;
let stackCount = 0;

/** @returns why there will be no stacks, or null */
function joinStacks(watch) {
  if (!isMainThread) return NOT_MAIN;
  // There a worker that asks for the main thread ends the process: an assertion of Node's.
  if (process.permission !== undefined && !process.permission.has('inspector')) return NOT_PERMITTED;
  if (stackWorker === null) {
    try {
      // An environment of its own, so that NODE_OPTIONS loads nothing into it.
      stackWorker = new Worker(path.join(__dirname, 'stack-worker.js'), {
        execArgv: [],
        env: {},
        name: 'sluice-stack',
      });
    } catch (error) {
      return `There is no thread to take stacks: ${error.message}`;
    }
    const worker = stackWorker;
    worker.on('error', () => {}); // then no stack is taken, and reports say so
    worker.on('exit', () => {
      if (stackWorker === worker) stackWorker = null;
    });
    worker.unref();
  }
  stackCount++;
  watch.hasStacks = true;
  return null;
}

function leaveStacks(watch) {
  if (!watch.hasStacks || --stackCount > 0 || stackWorker === null) return;
  stackWorker.terminate();
  stackWorker = null;
}

module.exports = { watchLoop };
