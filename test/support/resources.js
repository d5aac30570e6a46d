'use strict';

// The AsyncResources that calls take, for the context of who called: each is given back.

const { createHook } = require('node:async_hooks');

const { turn } = require('./outcomes');

/** How many were taken, and how many of them are still out, when `run` is over. */
async function resourcesDuring(run) {
  const out = new Set();
  let taken = 0;
  const hook = createHook({
    init(id, type) {
      if (type !== 'sluice') return;
      taken++;
      out.add(id);
    },
    destroy(id) {
      out.delete(id);
    },
  });
  hook.enable();
  try {
    await run();
    await turn();
    await turn();
  } finally {
    hook.disable();
  }
  return { taken, out: out.size };
}

module.exports = { resourcesDuring };
