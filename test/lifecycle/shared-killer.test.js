'use strict';

// Threads that share limits are killed at random for some seconds (`npm run soak:threads` does it for a minute): what they
// held comes back, and nobody waits for the dead. Once from a main thread that never loaded the addon, and once from one
// that shares the limits too.

const assert = require('node:assert/strict');
const { parseLines, runMany } = require('../support/child');
const { SEED } = require('../support/draws');

const SCRIPT = require.resolve('./shared-killer');
const SECONDS = '3';

describe('lifecycle: threads that share limits and are killed at random', function () {
  this.timeout(120_000);
  let resultOf;
  before(() => {
    const runs = ['alone', 'beside'].map((where) => [where, [SCRIPT, SECONDS, where, String(SEED)]]);
    resultOf = runMany(Object.fromEntries(runs));
  });

  for (const [where, title] of [
    ['alone', 'the main thread has not loaded the addon'],
    ['beside', 'the main thread shares them too'],
  ]) {
    it(`${title}: never more than the limit inside, and nothing is lost (seed ${SEED})`, async () => {
      const { code, signal, stdout, stderr } = await resultOf(where);
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      const [{ ends, rounds, entries, starts }] = parseLines(stdout);
      const killed = Object.values(ends).reduce((sum, count) => sum + count, 0);
      // Not vacuously: threads have lived and died, been inside, and the witness has had all permits in between.
      for (const count of [killed, rounds, entries, starts]) assert.ok(count > 0, stdout);
    });
  }
});
