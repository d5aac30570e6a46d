'use strict';

// What the mailbox is told of a call and of a rate, and what it tells of a job and of a rate.

const { I, D, enums, ints, doubles } = require('./engine');

const { FLAGS, SOURCE, BACKOFF, JITTER } = I;

function readCounts() {
  return {
    started: doubles[D.STARTED],
    done: doubles[D.DONE],
    failed: doubles[D.FAILED],
    retried: doubles[D.RETRIED],
    timedOut: doubles[D.TIMED_OUT],
    abandoned: doubles[D.ABANDONED],
  };
}

function writeRate({ max, per, burst }) {
  doubles[D.RATE_MAX] = max;
  doubles[D.RATE_PER] = per;
  doubles[D.RATE_BURST] = burst;
}

function readRate() {
  return { max: doubles[D.RATE_MAX], per: doubles[D.RATE_PER], burst: doubles[D.RATE_BURST] };
}

function writePolicy(call, source) {
  doubles[D.ITEMS] = source.total === 0 ? 0 : Infinity;
  doubles[D.LIMIT] = call.limit;
  doubles[D.TIMEOUT] = call.timeout;
  doubles[D.ITEM_TIMEOUT] = call.itemTimeout;
  doubles[D.TOTAL_TIMEOUT] = call.totalTimeout;
  doubles[D.YIELD_AFTER] = call.yieldAfter;
  doubles[D.MAX_ABANDONED] = call.maxAbandoned;
  const { retry } = call;
  writeRate(call.rate);
  doubles[D.WINDOW] = call.window;
  ints[I.SEMAPHORE_GENERATION] = ints[I.LIMITER_GENERATION] = 0;
  call.semaphore?.name();
  call.limiter?.name();
  doubles[D.RETRIES] = retry.retries;
  doubles[D.DELAY] = retry.delay;
  doubles[D.FACTOR] = retry.factor;
  doubles[D.MAX_DELAY] = retry.maxDelay;
  ints[BACKOFF] = retry.backoff;
  ints[JITTER] = retry.jitter;
  ints[SOURCE] = source.isAsync ? enums.SOURCE_ASYNC : enums.SOURCE_SYNC;
  let { flags } = call;
  if (call.collects || !call.stopsOnError) flags |= enums.FLAG_COLLECT;
  if (call.onError !== undefined) flags |= enums.FLAG_COLLECT | enums.FLAG_VERDICT;
  if (call.drains) flags |= enums.FLAG_DRAIN;
  if (retry.callbacks !== null) flags |= enums.FLAG_REVIEW;
  if (call.onProgress !== undefined) flags |= enums.FLAG_PROGRESS;
  ints[FLAGS] = flags;
}

module.exports = { readCounts, readRate, writePolicy, writeRate };
