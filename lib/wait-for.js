'use strict';

// waitFor: a job of one item, whose attempts are the polls and whose retries come of nothing having been there yet.

const { enums } = require('./engine');
const { TimeoutError, invalidType, outOfRange } = require('./errors');
const { runJob } = require('./job');
const options = require('./options');

const KEYS = new Set(['interval', 'backoff', 'factor', 'maxDelay', 'timeout', 'signal', 'unref', 'label']);
const BACKOFFS = ['constant', 'linear', 'exponential'];

const INTERVAL = 100;
const MAX_DELAY = 30_000; // of waits that grow; an interval is kept as it is

// The shortest time in which anything starts: with none at all the first poll would not.
const SHORTEST = 1e-6;

const SOURCE = { items: [undefined], isAsync: false, total: 1, open: undefined, prepare: undefined };

/** What a poll that came to nothing is rejected with; nobody sees it. */
const notYet = new Error('not yet');

// What is asked for.
class Request {
  constructor(call) {
    this.call = call;
    this.timeout = Infinity;
    this.maxDelay = undefined;
  }
}

function waitFor(condition, given) {
  let request;
  try {
    options.callback('condition', condition);
    request = read(condition, given);
  } catch (error) {
    return Promise.reject(error);
  }
  return wait(request);
}

/** What the condition throws is its value here: the engine has its own mind about errors. */
function pollOf(condition) {
  return async (context) => {
    let value;
    try {
      value = await condition(context);
    } catch (error) {
      return { isThrown: true, value: error };
    }
    if (!value) throw notYet;
    return { isThrown: false, value };
  };
}

async function wait(request) {
  const { call } = request;
  let answer;
  try {
    answer = await runJob(call, SOURCE);
  } catch (error) {
    throw isTimeout(error) && error !== call.signal?.reason ? timeoutError(request, error) : error;
  }
  if (answer.isThrown) throw answer.value;
  return answer.value;
}

function isTimeout(error) {
  try {
    return error instanceof TimeoutError;
  } catch {
    return false; // some hostile reason
  }
}

/** The engine's tells of an attempt that failed, and why. Here nothing has. */
function timeoutError({ call, timeout }, { elapsed, loopBlocked }) {
  const isOutlived = elapsed < timeout;
  return new TimeoutError('total', timeout, { elapsed, loopBlocked, label: call.label, isOutlived });
}

function read(condition, given) {
  const poll = pollOf(condition);
  const call = new options.Call(poll, 1, 'waitFor');
  call.named = condition;
  call.isAttempt = true;
  call.retry = options.exponentialRetry();
  Object.assign(call.retry, {
    retries: Infinity,
    delay: INTERVAL,
    backoff: enums.BACKOFF_CONSTANT,
    jitter: enums.JITTER_NONE,
  });
  const request = new Request(call);
  if (given !== undefined) options.readEach(request, given, 'options', KEYS, readField);
  call.totalTimeout = Math.max(request.timeout, SHORTEST);
  call.retry.maxDelay = request.maxDelay ?? Math.max(MAX_DELAY, call.retry.delay);
  return request;
}

function readField(request, key, value, owner) {
  const { call } = request;
  switch (key) {
    case 'interval':
      call.retry.delay = options.finiteDuration(key, value, owner);
      return true;
    case 'backoff':
      return options.readRetryField(call.retry, key, backoff(key, value, owner), owner);
    case 'factor':
      return options.readRetryField(call.retry, key, value, owner);
    case 'maxDelay':
      request.maxDelay = options.duration(key, value, owner);
      return true;
    case 'timeout':
      request.timeout = options.duration(key, value, owner);
      return true;
    case 'signal':
    case 'unref':
    case 'label':
      return options.readCommonField(call, key, value, owner);
    default:
      return false;
  }
}

/** Fewer of them than a RetryPolicy has. */
function backoff(key, value, owner) {
  if (typeof value !== 'string') throw invalidType(`${owner}.${key}`, 'of type string', value);
  if (!BACKOFFS.includes(value)) throw outOfRange(`${owner}.${key}`, `one of ${BACKOFFS.join(', ')}`, value);
  return value;
}

module.exports = { waitFor };
