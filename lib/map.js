'use strict';

const { Job } = require('./job');
const options = require('./options');
const { sourceOf } = require('./source');

const KEYS = new Set([
  'timeout',
  'totalTimeout',
  'retry',
  'signal',
  'onProgress',
  'discard',
  'yieldAfter',
  'unref',
  'label',
]);

const YIELD_AFTER = 10;
const NO_OPTIONS = Object.freeze({});

const DEFAULT_POLICY = { timeout: Infinity, totalTimeout: Infinity, yieldAfter: YIELD_AFTER, retry: options.NO_RETRY, flags: 0 };

function mapWithLimit(items, limit, mapper, given) {
  let job;
  try {
    const source = sourceOf('items', items);
    options.limit('limit', limit);
    options.callback('mapper', mapper);
    const { policy, rest } = given === undefined ? { policy: DEFAULT_POLICY, rest: NO_OPTIONS } : parse(given);
    job = new Job(mapper, source, { ...policy, limit }, rest);
  } catch (error) {
    return Promise.reject(error);
  }
  return job.promise;
}

function parse(given) {
  const { timeout, totalTimeout, retry, signal, onProgress, discard, yieldAfter, unref, label } = options.object(
    'options',
    given,
    KEYS,
  );
  const policy = {
    timeout: options.duration('options.timeout', timeout),
    totalTimeout: options.total('options.totalTimeout', totalTimeout),
    retry: options.retry('options.retry', retry),
    yieldAfter: yieldAfter === undefined ? YIELD_AFTER : options.duration('options.yieldAfter', yieldAfter),
    flags: options.unref('options.unref', unref),
  };
  const rest = {
    signal: options.signal('options.signal', signal),
    onProgress: options.optionalCallback('options.onProgress', onProgress),
    discard: options.boolean('options.discard', discard),
    label: options.string('options.label', label),
  };
  return { policy, rest };
}

module.exports = { DEFAULT_POLICY, YIELD_AFTER, mapWithLimit };
