'use strict';

const { Job } = require('./job');
const { DEFAULT_POLICY } = require('./map');
const options = require('./options');
const { listen, mayBeThenable, noop, toNative } = require('./promises');

const KEYS = new Set(['totalTimeout', 'signal', 'onProgress', 'unref', 'label']);

const itself = (value) => value;

function allSettled(iterable, given) {
  let elements;
  try {
    if (given !== undefined) return settleWith(iterable, parse(given));
    elements = Array.from(checked(iterable), listened);
  } catch (error) {
    return Promise.reject(error);
  }
  return settleInOrder(elements);
}

/** One shared handler marks each promise as handled; who waits for it later needs no callbacks of its own. */
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

function checked(iterable) {
  return options.iterable('iterable', iterable);
}

/** Bounded, or watched: every element is an item of a job of its own kind, with no limit and no mapper to speak of. */
function settleWith(iterable, { policy, rest }) {
  const items = Array.from(checked(iterable), listened);
  const job = new Job(itself, { items, isAsync: false, total: items.length }, policy, rest);
  return job.promise;
}

function parse(given) {
  const { totalTimeout, signal, onProgress, unref, label } = options.object('options', given, KEYS);
  const policy = {
    ...DEFAULT_POLICY,
    limit: Infinity,
    totalTimeout: options.total('options.totalTimeout', totalTimeout),
    flags: options.unref('options.unref', unref) | options.COLLECT,
  };
  const rest = {
    signal: options.signal('options.signal', signal),
    onProgress: options.optionalCallback('options.onProgress', onProgress),
    label: options.string('options.label', label),
    collects: true,
  };
  return { policy, rest };
}

module.exports = { allSettled };
