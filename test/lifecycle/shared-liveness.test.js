'use strict';

// A wait for what another thread has keeps this one alive, since it may be granted; everything else of a shared limit does not.

const assert = require('node:assert/strict');
const { parseLines, runMany } = require('../support/child');
const tables = require('./shared-liveness');

const SCRIPT = require.resolve('./shared-liveness');

for (const [table, promise] of Object.entries({
  keepsAlive: 'keeps it alive until it is over; then the loop runs dry, once',
  letsGo: 'does not keep it alive; the loop runs dry, once',
})) {
  for (const where of ['main', 'thread']) {
    const title = where === 'main' ? 'the main thread' : 'another thread';
    describe(`liveness, limits that threads share, ${title}`, function () {
      this.timeout(120_000);
      let resultOf;
      before(() => {
        resultOf = runMany(
          Object.fromEntries(Object.keys(tables[table]).map((name) => [name, [SCRIPT, table, name, where]])),
        );
      });

      for (const [name, { log = [] }] of Object.entries(tables[table])) {
        it(`${name} ${promise}`, async () => {
          const { code, signal, stdout, stderr } = await resultOf(name); // SIGKILL: it hung
          assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
          assert.deepEqual(parseLines(stdout), [{ log, beforeExit: 1 }]);
        });
      }
    });
  }
}
