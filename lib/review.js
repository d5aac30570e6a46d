'use strict';

// A failed attempt that may be made again, where the caller has a say. C has planned the wait; the callbacks of the
// RetryPolicy are asked in this order, each awaited, and C hears what they said:
//
//   retryOn, retryIf   whether at all                      REFUSED: the item has failed
//   backoff            a wait instead of the planned one   WAIT: capped, with jitter
//   retryAfter         the server's wish                   WISH: verbatim; beyond maxDelay the item fails
//   onRetry            is told                             RETRY: the wait begins
//
// What one of them throws ends the whole call. Meanwhile the lane may be let go, by an abort or a timeout: after each
// wait it is asked whether it still has a job.

const { RetryContext } = require('./context');
const { I, D, enums, ints, doubles, step } = require('./engine');
const options = require('./options');
const { stop } = require('./symbols');

const { ACTION, ATTEMPT } = I;
const { ACTION_REVIEW, OUTCOME_REFUSED, OUTCOME_RETRY, OUTCOME_STOPPED, OUTCOME_WAIT, OUTCOME_WISH } = enums;

/** What C says of the retry that is to be reviewed; from the mailbox. */
function readPlan() {
  return { retriesLeft: doubles[D.RETRIES_LEFT], delay: doubles[D.DELAY], elapsed: doubles[D.ITEM_ELAPSED] };
}

/** Plans another wait. @returns whether there is still something to decide */
function plan(lane, outcome, delay, context) {
  doubles[D.DELAY] = delay;
  step(lane, outcome);
  if (ints[ACTION] !== ACTION_REVIEW || ints[ATTEMPT] === 0) return false; // it has failed for good
  context.delay = doubles[D.DELAY];
  return true;
}

function isOneOf(error, classes) {
  return classes === undefined || classes.some((one) => error instanceof one);
}

function has(lane, name) {
  return lane.job.call.retry.callbacks[name] !== undefined;
}

function ask(lane, name, context) {
  const callback = lane.job.call.retry.callbacks[name];
  return callback(lane.error, context);
}

/**
 * Asks them all, and tells C, whose answer is in the mailbox when decided(lane) is called. A callback may never answer:
 * then the frame here holds the lane, which lets go, and the context.
 */
async function review(lane, decided) {
  if (lane.plan === null) {
    await judge(lane, decided);
    return;
  }
  const context = new RetryContext(lane.index, lane.attempt, lane, lane.plan);
  lane.plan = null;
  // Where a function says how long to wait no formula does: until it has, the plan is the option `delay`.
  if (has(lane, 'backoff')) context.delay = lane.job.call.retry.delay;
  try {
    const isRetryable = isOneOf(lane.error, lane.job.call.retry.callbacks.retryOn);
    const isAgreed = isRetryable && (!has(lane, 'retryIf') || (await ask(lane, 'retryIf', context)));
    if (lane.job === null) return;
    if (!isAgreed) {
      step(lane, OUTCOME_REFUSED);
      decided(lane);
      return;
    }
    if (has(lane, 'backoff')) {
      const delay = options.wait('backoff', await ask(lane, 'backoff', context));
      if (lane.job === null) return;
      plan(lane, OUTCOME_WAIT, delay, context);
    }
    if (has(lane, 'retryAfter')) {
      const delay = options.wish(await ask(lane, 'retryAfter', context));
      if (lane.job === null) return;
      if (delay !== undefined && !plan(lane, OUTCOME_WISH, delay, context)) {
        decided(lane);
        return;
      }
    }
    if (has(lane, 'onRetry')) {
      await ask(lane, 'onRetry', context);
      if (lane.job === null) return;
    }
  } catch (thrown) {
    lane.job?.abort(thrown);
    return;
  }
  step(lane, OUTCOME_RETRY);
  decided(lane);
}

/** An item has failed for good: whoever is asked about that lets the call go on, or stops it, or throws. */
async function judge(lane, decided) {
  try {
    const { onError } = lane.job.call;
    const verdict = await onError(lane.error, lane.item, lane.index);
    if (lane.job === null) return;
    if (verdict === stop) {
      stopAt(lane, decided);
      return;
    }
  } catch (thrown) {
    lane.job?.abort(thrown);
    return;
  }
  step(lane, OUTCOME_REFUSED);
  decided(lane);
}

/** No item is taken any more. */
function stopAt(lane, decided) {
  const { job } = lane;
  job.noteStop();
  step(lane, OUTCOME_STOPPED);
  job.dropIdle();
  decided(lane);
  job.closeSource();
}

module.exports = { readPlan, review };
