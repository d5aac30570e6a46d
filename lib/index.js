'use strict';

const { TimeoutError } = require('./errors');
const { mapWithLimit } = require('./map');
const { retry } = require('./retry');
const { allSettled } = require('./settle');
const { sleep, withTimeout } = require('./timeout');

require('./shapes');

module.exports = { TimeoutError, allSettled, mapWithLimit, retry, sleep, withTimeout };
