'use strict';

// What permits (permits.js) and tokens (limiter.js) have in common: `line` is either, somebody waits in it, and jobs are open
// on it.

const { sluiceError } = require('./errors');

/** Whether anybody waits in it, or may still want something of it. */
function isBusy({ waiting, jobs }) {
  return waiting > 0 || (jobs !== null && jobs.size > 0);
}

/** Of one that is shared by threads: whether nothing stands in the way of letting go of that. */
function isOver(line) {
  return line.isClosed && line.lent !== null && !isBusy(line);
}

/** Once: whoever waits is told, and the jobs that are open on it end. */
function close(line) {
  if (line.isClosed) return;
  line.isClosed = true;
  line.shut();
  for (const job of line.jobs ?? []) job.onAbort(line.closed());
  line.settle();
}

/** For who would be one too many. */
function full(what, maxWaiting) {
  return sluiceError('ERR_SLUICE_FULL', `As many wait for the ${what} as may: ${maxWaiting}`);
}

module.exports = { close, full, isBusy, isOver };
