'use strict';

// How many programs the property tests draw, and from which seed.
//
// `npm test` draws the same programs each time, so that a red run is a change's doing. `npm run soak` draws new ones
// for as long as it is told, and more of each. SLUICE_SEED and SLUICE_RUNS repeat what it reports.

const SEED = Number(process.env.SLUICE_SEED ?? 20_261_121);
const RUNS = Number(process.env.SLUICE_RUNS ?? 6000);

/** @param part how expensive one run is: a fourth, say, is drawn a fourth as often */
function runs(part = 1) {
  return Math.ceil(RUNS * part);
}

module.exports = { SEED, runs };
