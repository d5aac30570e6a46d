'use strict';

const { runJob } = require('./job');
const { MAP_KEYS, readMapField } = require('./map');
const options = require('./options');
const { readAhead } = require('./read-ahead');
const { markElementsHandled, sourceOf } = require('./source');

const KEYS = new Set([...MAP_KEYS, 'workers', 'maxQueue', 'onError']);
KEYS.delete('discard');
KEYS.delete('stopOnError');

// How many items may be read ahead where the number of workers is no number.
const MAX_QUEUE = 16;

function consume(source, worker, given) {
  try {
    const items = sourceOf('source', source);
    options.callback('worker', worker);
    const call = new options.Call(worker, 1, 'consume');
    call.leavesOut = true;
    call.discard = true;
    call.countsResults = true;
    const asked = { call, maxQueue: undefined };
    if (given !== undefined) options.readEach(asked, given, 'options', KEYS, readField);
    if (items.isAsync) {
      const workers = call.semaphore === null ? call.limit : call.semaphore.capacity;
      const most = asked.maxQueue ?? (workers === Infinity ? MAX_QUEUE : workers);
      const { open } = items;
      if (most > 0) items.open = () => readAhead(open(), most);
    }
    return runJob(call, items);
  } catch (error) {
    markElementsHandled(source);
    return Promise.reject(error);
  }
}

function readField(asked, key, value, owner) {
  const { call } = asked;
  switch (key) {
    case 'workers':
      options.setLimit(call, key, value, owner);
      return true;
    case 'maxQueue':
      asked.maxQueue = options.count(key, value, owner);
      return true;
    case 'onError':
      call.onError = options.callback(key, value, owner);
      return true;
    case 'discard':
    case 'stopOnError':
      return false;
    default:
      return readMapField(call, key, value, owner);
  }
}

module.exports = { consume };
