'use strict';

const { runJob } = require('./job');
const options = require('./options');
const { markElementsHandled, sourceOf } = require('./source');

const SETTLED_KEYS = new Set([
  'timeout',
  'itemTimeout',
  'retry',
  'rate',
  'onProgress',
  'discard',
  'drain',
  'maxAbandoned',
  'yieldAfter',
  ...options.COMMON_KEYS,
]);
const KEYS = new Set([...SETTLED_KEYS, 'stopOnError']);

function mapWithLimit(items, limit, mapper, given) {
  try {
    const source = sourceOf('items', items);
    const call = callOf(limit, mapper, 'mapWithLimit');
    if (given !== undefined) options.readEach(call, given, 'options', KEYS, readField);
    return runJob(call, source);
  } catch (error) {
    return refuse(items, error);
  }
}

function mapSettled(items, limit, mapper, given) {
  try {
    const source = sourceOf('items', items);
    const call = callOf(limit, mapper, 'mapSettled');
    call.collects = true;
    if (given !== undefined) options.readEach(call, given, 'options', SETTLED_KEYS, readSettledField);
    return runJob(call, source);
  } catch (error) {
    return refuse(items, error);
  }
}

function callOf(limit, mapper, api) {
  const call = new options.Call(mapper, 1, api);
  options.setLimit(call, 'limit', limit);
  options.callback('mapper', mapper);
  call.leavesOut = true;
  return call;
}

function refuse(items, error) {
  markElementsHandled(items);
  return Promise.reject(error);
}

function readField(call, key, value, owner) {
  if (key !== 'stopOnError') return readSettledField(call, key, value, owner);
  call.stopsOnError = options.boolean(key, value, owner);
  return true;
}

function readSettledField(call, key, value, owner) {
  switch (key) {
    case 'timeout':
      call.timeout = options.duration(key, value, owner);
      return true;
    case 'itemTimeout':
      call.itemTimeout = options.duration(key, value, owner);
      return true;
    case 'retry':
      call.retry = options.retry(key, value, owner);
      return true;
    case 'rate':
      options.setRate(call, key, value, owner);
      return true;
    case 'maxAbandoned':
      call.maxAbandoned = options.count(key, value, owner);
      return true;
    case 'onProgress':
      call.onProgress = options.callback(key, value, owner);
      return true;
    case 'discard':
      call.discard = options.boolean(key, value, owner);
      return true;
    case 'drain':
      call.drains = options.boolean(key, value, owner);
      return true;
    case 'yieldAfter':
      call.yieldAfter = options.duration(key, value, owner);
      return true;
    default:
      return options.readCommonField(call, key, value, owner);
  }
}

module.exports = { MAP_KEYS: KEYS, mapSettled, mapWithLimit, readMapField: readField };
