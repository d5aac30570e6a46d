'use strict';

const assert = require('node:assert/strict');
const { parseLines, runMany } = require('../support/child');
const tables = require('./liveness-cases');

const SCRIPT = require.resolve('./liveness-main');

for (const [table, title, promise] of [
  ['keepsAlive', 'what keeps a process alive', 'keeps it alive until it has ended; then the loop runs dry, once'],
  ['letsGo', 'what does not keep a process alive', 'does not keep it alive; the loop runs dry, once'],
]) {
  describe(`liveness: ${title}`, function () {
    this.timeout(120_000);
    const cases = tables[table];
    let resultOf;
    before(() => {
      resultOf = runMany(Object.fromEntries(Object.keys(cases).map((name) => [name, [SCRIPT, table, name]])));
    });

    for (const [name, { log = [], atLeast = 0, beforeExit = 1 }] of Object.entries(cases)) {
      it(`${name} ${promise}`, async () => {
        const { code, signal, stdout, stderr } = await resultOf(name); // SIGKILL: it hung
        assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
        const [{ lived, ...end }] = parseLines(stdout);
        assert.deepEqual(end, { log, beforeExit });
        assert.ok(lived >= atLeast, `lived ${lived} ms, less than ${atLeast} ms`);
      });
    }
  });
}
