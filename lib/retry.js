'use strict';

const channels = require('./channels');
const { Context } = require('./context');
const { runJob } = require('./job');
const options = require('./options');
const { clock } = require('./engine');
const observing = require('./observing');
const { listen, toNative } = require('./promises');
const running = require('./running');

const KEYS = new Set([...options.RETRY_KEYS, 'timeout', ...options.COMMON_KEYS]);

// Of one item, which is nothing.
const SOURCE = { items: [undefined], isAsync: false, total: 1, open: undefined, prepare: undefined };

function retry(fn, second, third) {
  let policy;
  try {
    options.callback('fn', fn);
    if (typeof second === 'object') {
      options.absent('delayMs', third);
      policy = options.exponentialRetry();
      const call = read(fn, policy, second);
      if (call !== undefined) return runJob(call, SOURCE);
    } else {
      policy = options.positionalRetry(second, third);
    }
  } catch (error) {
    return Promise.reject(error);
  }
  // Else its first attempt would not be seen, nor its start told.
  if (observing.isRecording || channels.isHeard()) return runJob(callOf(fn, policy), SOURCE);
  // Nothing bounds the first attempt, so there is nothing to decide before it fails: the job is opened then.
  let promise;
  try {
    const context = new Context(0, 1, null);
    promise = toNative(observing.isWatched ? running.call(fn, context, undefined, 'retry') : fn(context));
  } catch (error) {
    return goOn(fn, policy, error);
  }
  return listen(promise, undefined, (error) => goOn(fn, policy, error));
}

/**
 * Reads the options into the policy, and, where they are more than that, into a call. (options.readEach() with its own
 * loop: a loop that all functions share sees all their shapes, and costs a retry that has nothing to do 100 ns.)
 */
function read(fn, policy, asked) {
  const given = options.plain('options', asked, KEYS);
  let call;
  for (const key in given) {
    const value = given[key];
    if (value === undefined) {
      options.known(key, value, 'options', KEYS);
    } else if (!options.readRetryField(policy, key, value, 'options')) {
      call ??= callOf(fn, policy);
      readField(call, key, value);
    }
  }
  // Its callbacks are told how long it has taken: the job's clock runs from the first attempt.
  if (policy.callbacks !== null) call ??= callOf(fn, policy);
  return call;
}

function execute(fn, given) {
  let call;
  let attempts = 0;
  const counted = (context) => {
    attempts = context.attempt;
    return fn(context);
  };
  try {
    options.callback('fn', fn);
    const policy = options.exponentialRetry();
    call = (given === undefined ? undefined : read(counted, policy, given)) ?? callOf(counted, policy);
  } catch (error) {
    return Promise.reject(error);
  }
  call.api = 'execute';
  call.named = fn;
  const began = clock();
  return report(call, () => ({ attempts, durationMs: clock() - began }));
}

async function report(call, describe) {
  try {
    const value = await runJob(call, SOURCE);
    return { success: true, value, ...describe() };
  } catch (error) {
    return { success: false, error, ...describe() };
  }
}

function goOn(fn, policy, error) {
  const call = callOf(fn, policy);
  call.failure = { error };
  return runJob(call, SOURCE);
}

function callOf(fn, policy) {
  const call = new options.Call(fn, 1, 'retry');
  call.isAttempt = true;
  call.retry = policy;
  return call;
}

function readField(call, key, value) {
  if (key === 'timeout') call.timeout = options.duration(key, value, 'options');
  else if (!options.readCommonField(call, key, value, 'options')) options.known(key, value, 'options', KEYS);
}

module.exports = { execute, retry };
