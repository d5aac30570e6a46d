'use strict';

const { runJob } = require('./job');
const options = require('./options');
const { markElementsHandled, sourceOf } = require('./source');

const KEYS = new Set(['timeout', 'retry', 'onProgress', 'discard', 'yieldAfter', ...options.COMMON_KEYS]);

function mapWithLimit(items, limit, mapper, given) {
  try {
    const source = sourceOf('items', items);
    options.limit('limit', limit);
    options.callback('mapper', mapper);
    const call = new options.Call(mapper, limit);
    if (given !== undefined) options.readEach(call, given, 'options', KEYS, readField);
    return runJob(call, source);
  } catch (error) {
    markElementsHandled(items);
    return Promise.reject(error);
  }
}

function readField(call, key, value, owner) {
  switch (key) {
    case 'timeout':
      call.timeout = options.duration(key, value, owner);
      return true;
    case 'retry':
      call.retry = options.retry(key, value, owner);
      return true;
    case 'onProgress':
      call.onProgress = options.callback(key, value, owner);
      return true;
    case 'discard':
      call.discard = options.boolean(key, value, owner);
      return true;
    case 'yieldAfter':
      call.yieldAfter = options.duration(key, value, owner);
      return true;
    default:
      return options.readCommonField(call, key, value, owner);
  }
}

module.exports = { mapWithLimit };
