'use strict';

const { runJob } = require('./job');
const options = require('./options');
const { markElementsHandled } = require('./source');
const { listen, mayBeThenable, noop, toNative } = require('./promises');

const KEYS = new Set(['onProgress', ...options.COMMON_KEYS]);

const itself = (value) => value;

function allSettled(iterable, given) {
  let elements;
  try {
    if (given !== undefined) return settleWith(iterable, given);
    elements = elementsOf(iterable);
  } catch (error) {
    markElementsHandled(iterable);
    return Promise.reject(error);
  }
  return settleInOrder(elements);
}

/** The elements, read at once; one shared handler marks each promise as handled. Who waits needs no callbacks then. */
function elementsOf(iterable) {
  if (!Array.isArray(iterable)) return readElements(options.iterable('iterable', iterable));
  const elements = [...iterable];
  for (let i = 0; i < elements.length; i++) elements[i] = listened(elements[i]);
  return elements;
}

/** An iterator may throw after it has given promises. */
function readElements(iterable) {
  const elements = [];
  for (const value of iterable) elements.push(listened(value));
  return elements;
}

function listened(value) {
  if (!mayBeThenable(value)) return value;
  const promise = toNative(value);
  listen(promise, undefined, noop);
  return promise;
}

/** The last one to settle decides when this ends, in whatever order they settle: so one wait after the other will do. */
async function settleInOrder(elements) {
  for (let i = 0; i < elements.length; i++) {
    let value = elements[i];
    try {
      if (mayBeThenable(value)) value = await value;
    } catch (reason) {
      elements[i] = { status: 'rejected', reason };
      continue;
    }
    elements[i] = { status: 'fulfilled', value };
  }
  return elements;
}

/** Bounded, or watched: every element is an item of a job with no limit and no mapper to speak of. */
function settleWith(iterable, given) {
  const call = new options.Call(itself, Infinity, 'allSettled');
  call.named = null;
  call.collects = true;
  options.readEach(call, given, 'options', KEYS, readField);
  options.iterable('iterable', iterable);
  if (call.signal !== undefined && call.signal.aborted) {
    markElementsHandled(iterable);
    return Promise.reject(call.signal.reason);
  }
  const items = elementsOf(iterable);
  const source = { items, isAsync: false, total: items.length, open: undefined, prepare: undefined };
  return runJob(call, source);
}

function readField(call, key, value, owner) {
  if (key !== 'onProgress') return options.readCommonField(call, key, value, owner);
  call.onProgress = options.callback(key, value, owner);
  return true;
}

module.exports = { allSettled };
