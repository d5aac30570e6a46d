'use strict';

const { PermanentError, SluiceError, TimeoutError } = require('./errors');
const { mapSettled, mapWithLimit } = require('./map');
const { execute, retry } = require('./retry');
const { allSettled } = require('./settle');
const { skip, stop } = require('./symbols');
const { sleep, withTimeout } = require('./timeout');

require('./shapes');

module.exports = {
  PermanentError,
  SluiceError,
  TimeoutError,
  allSettled,
  execute,
  mapSettled,
  mapWithLimit,
  retry,
  skip,
  sleep,
  stop,
  withTimeout,
};
