'use strict';

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { usage } = require('../../lib/engine');
const { SEED, runs } = require('../support/draws');
const { VirtualClock } = require('../support/virtual-clock');
const { runWild, wildProgram } = require('../support/wild');

const RUNS = runs();

describe(`beyond the model, on a virtual clock (seed ${SEED}; SLUICE_SEED repeats it)`, function () {
  this.timeout(120_000);
  let clock;
  before(() => {
    clock = new VirtualClock();
  });
  after(() => clock.restore());

  it('sources, mappers and thenables that misbehave, calls within calls, aborts from anywhere: the invariants hold', () => {
    const property = fc.asyncProperty(wildProgram, async (drawn) => {
      clock.reset();
      await runWild(clock, drawn);
      const { jobs, lanes } = usage();
      assert.deepEqual({ jobs, lanes }, { jobs: 0, lanes: 0 }, 'nothing outlives the call');
    });
    return fc.assert(property, { numRuns: Math.ceil(RUNS / 2), seed: SEED });
  });
});
