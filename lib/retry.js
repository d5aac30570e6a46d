'use strict';

const { Context } = require('./context');
const { Job } = require('./job');
const { YIELD_AFTER } = require('./map');
const options = require('./options');
const { listen, toNative } = require('./promises');

const KEYS = new Set([...options.RETRY_KEYS, 'timeout', 'totalTimeout', 'signal', 'unref', 'label']);

function retry(fn, second, delayMs) {
  let call;
  try {
    options.callback('fn', fn);
    call = typeof second === 'object' ? parse(second, delayMs) : positional(second, delayMs);
  } catch (error) {
    return Promise.reject(error);
  }
  if (call.isBounded) return open(fn, call, undefined);
  // Nothing bounds the first attempt, so there is nothing to decide before it fails: the job is opened then.
  let promise;
  try {
    promise = toNative(fn(new Context(0, 1, null)));
  } catch (error) {
    return open(fn, call, { error });
  }
  return listen(promise, undefined, (error) => open(fn, call, { error }));
}

/** A job of one item; `failure` is its first attempt's, where that has been made. */
function open(fn, { policy, rest }, failure) {
  const source = { items: [undefined], isAsync: false, total: 1 };
  const job = new Job((_item, _index, context) => fn(context), source, policy, { ...rest, pick: first, failure });
  return job.promise;
}

function first(results) {
  return results[0];
}

function positional(maxRetries, delayMs) {
  const policy = {
    limit: 1,
    timeout: Infinity,
    totalTimeout: Infinity,
    yieldAfter: YIELD_AFTER,
    retry: options.positionalRetry(maxRetries, delayMs),
    flags: 0,
  };
  return { isBounded: false, policy, rest: undefined };
}

function parse(given, third) {
  options.absent('delayMs', third);
  const { timeout, totalTimeout, signal, unref, label } = options.object('options', given, KEYS);
  const policy = {
    limit: 1,
    timeout: options.duration('options.timeout', timeout),
    totalTimeout: options.total('options.totalTimeout', totalTimeout),
    yieldAfter: YIELD_AFTER,
    retry: options.retryFields('options', given),
    flags: options.unref('options.unref', unref),
  };
  const rest = {
    signal: options.signal('options.signal', signal),
    label: options.string('options.label', label),
  };
  const isBounded = policy.timeout !== Infinity || policy.totalTimeout !== Infinity || signal !== undefined;
  return { isBounded, policy, rest };
}

module.exports = { retry };
