'use strict';

const fc = require('fast-check');

const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { virtualClock } = require('../support/virtual-clock');
const { runWild, wildProgram } = require('../support/wild');

const RUNS = runs();

describe(`beyond the model, on a virtual clock (seed ${SEED}; SLUICE_SEED repeats it)`, function () {
  this.timeout(120_000);
  const clock = virtualClock();

  it('sources, mappers and thenables that misbehave, calls within calls, aborts from anywhere: the invariants hold', () => {
    const property = fc.asyncProperty(wildProgram, async (drawn) => {
      clock.reset();
      await runWild(clock, drawn);
      assertNothingLeft();
    });
    return fc.assert(property, { numRuns: Math.ceil(RUNS / 2), seed: SEED });
  });
});
