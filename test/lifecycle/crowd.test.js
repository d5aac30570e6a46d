'use strict';

const assert = require('node:assert/strict');
const { runNode } = require('../support/child');
const { COUNT } = require('./crowd');

const SCRIPT = require.resolve('./crowd');

describe('lifecycle: many environments in one process', function () {
  this.timeout(120_000);

  async function expectEnd(scenario, expected) {
    const { stderr, ...end } = await runNode([SCRIPT, scenario]);
    assert.deepEqual(end, { signal: null, ...expected }, stderr);
  }

  it(`${COUNT} workers that load and die at the same time each end as they should`, async () => {
    await expectEnd('all die', { code: 0, stdout: `${COUNT} of ${COUNT}` });
  });

  it('process.exit() on the main thread ends workers with open deadlines: its own exit code, no signal', async () => {
    await expectEnd('main exits', { code: 5, stdout: 'open' });
  });

  it('an uncaught throw on the main thread ends workers with open deadlines: exit code 1, no signal', async () => {
    await expectEnd('main throws', { code: 1, stdout: 'open' });
  });

  it('a main thread that ends takes unreferenced workers with open deadlines along: exit code 0, no signal', async () => {
    await expectEnd('main ends', { code: 0, stdout: 'open' });
  });
});
