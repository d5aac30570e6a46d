'use strict';

// Promises, safely: what is captured here at load time, user code cannot replace later.

const { isPromise } = require('node:util').types;

const NativePromise = Promise;
const { then } = Promise.prototype;

const noop = () => {};

/** Objects and functions may be thenables; nothing else can be. */
function mayBeThenable(value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** A promise of this realm that is no subclass's: the native `then` may be called on it. Asking may run a getter. */
function isNative(value) {
  try {
    return value instanceof NativePromise && value.constructor === NativePromise;
  } catch {
    return false;
  }
}

/** A native promise for any value. A thenable that calls back twice, or throws, reaches nobody else from here. */
function toNative(value) {
  return isNative(value) ? value : new NativePromise((resolve) => resolve(value));
}

/**
 * The native `then`, whatever `promise.then` is by now. What only looks like a promise (a proxy of one) is a thenable. (To
 * ask each time, as isPromise() does, would cost 10 ns.)
 */
function listen(promise, onFulfilled, onRejected) {
  try {
    return then.call(promise, onFulfilled, onRejected);
  } catch {
    return then.call(new NativePromise((resolve) => resolve(promise)), onFulfilled, onRejected);
  }
}

/**
 * A rejection of this value, if it is a promise, of whatever realm, is somebody's business from now on. No other thenable
 * is touched: its `then` may be what starts the work.
 */
function markHandled(value) {
  if (!mayBeThenable(value)) return;
  try {
    const mayBePromise = value instanceof NativePromise || value[Symbol.toStringTag] === 'Promise';
    if (mayBePromise && isPromise(value)) listen(value, undefined, noop);
  } catch {
    // A getter that throws does so again when the item's turn comes, and fails the item.
  }
}

let resolveLatest;
let rejectLatest;
function capture(resolve, reject) {
  resolveLatest = resolve;
  rejectLatest = reject;
}

/** Promise.withResolvers, for Node 20, onto `target`: sets target.resolve and target.reject, returns the promise. */
function promiseFor(target) {
  const promise = new NativePromise(capture);
  target.resolve = resolveLatest;
  target.reject = rejectLatest;
  resolveLatest = rejectLatest = undefined;
  return promise;
}

/** The same, where only its `resolve` is wanted, at the end of a line. */
function pushed(line) {
  const promise = new NativePromise(capture);
  line.push(resolveLatest);
  return promise;
}

/** A promise of a value that is no thenable. */
function resolved(value) {
  return NativePromise.resolve(value);
}

/** A promise that never settles and that nobody else holds: who awaits it is garbage. */
function forever() {
  return new NativePromise(noop);
}

module.exports = {
  forever,
  isNative,
  listen,
  markHandled,
  mayBeThenable,
  noop,
  promiseFor,
  pushed,
  resolved,
  toNative,
};
