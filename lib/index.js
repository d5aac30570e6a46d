'use strict';

const { all, any, race } = require('./combine');
const { consume } = require('./consume');
const { PermanentError, SluiceError, TimeoutError } = require('./errors');
const { TaskGroup } = require('./group');
const { RateLimiter } = require('./limiter');
const { mapSettled, mapWithLimit } = require('./map');
const { Queue } = require('./queue');
const { recorder } = require('./recorder');
const { Recording } = require('./recording');
const { execute, retry } = require('./retry');
const { Mutex, Semaphore } = require('./semaphore');
const { allSettled } = require('./settle');
const { asCompleted, mapStream } = require('./stream');
const { skip, stop } = require('./symbols');
const { sleep, withTimeout } = require('./timeout');
const { waitFor } = require('./wait-for');
const { watchLoop } = require('./watch-loop');
const { withResource } = require('./with-resource');

require('./shapes');

module.exports = {
  Mutex,
  PermanentError,
  Queue,
  RateLimiter,
  Recording,
  Semaphore,
  SluiceError,
  TaskGroup,
  TimeoutError,
  all,
  allSettled,
  any,
  asCompleted,
  consume,
  execute,
  mapSettled,
  mapStream,
  mapWithLimit,
  race,
  recorder,
  retry,
  skip,
  sleep,
  stop,
  waitFor,
  watchLoop,
  withResource,
  withTimeout,
};
