'use strict';

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { finish, limiters, semaphores } = require('../support/coordination-model');
const { SEED, runs } = require('../support/draws');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 5);

describe(`against a model with plain arrays, on a virtual clock (seed ${SEED}; SLUICE_SEED repeats it)`, function () {
  this.timeout(120_000);
  const clock = virtualClock();

  async function holds({ given, commands, setup }, numRuns) {
    const property = fc.asyncProperty(given, commands, async (drawn, program) => {
      clock.reset();
      let both;
      await fc.asyncModelRun(() => (both = setup(clock, drawn)), program);
      await finish(both.model, both.real);
    });
    await fc.assert(property, { numRuns, seed: SEED });
    assert.ok(numRuns > 0);
  }

  it('Semaphore: who is let in, in which order, and with what; how it stands after each step', () =>
    holds(semaphores, RUNS));

  it('RateLimiter: who is let through, in which order, and when; how it stands after each step', () =>
    holds(limiters, RUNS));
});
