'use strict';

const { AsyncResource } = require('node:async_hooks');

const OPTIONS = { requireManualDestroy: true };

/** The async context of whoever calls this: what runs in it later sees the caller's AsyncLocalStorage stores. */
function resourceHere() {
  return new AsyncResource('sluice', OPTIONS);
}

module.exports = { resourceHere };
