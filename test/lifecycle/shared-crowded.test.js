'use strict';

// Threads that share limits live for some seconds on processors that others keep busy (`npm run soak:threads` does it for a
// minute): all that they begin comes to an end.

const assert = require('node:assert/strict');
const { parseLines, runMany } = require('../support/child');
const { SEED } = require('../support/draws');

describe('lifecycle: threads that share limits while others keep the processors busy', function () {
  this.timeout(120_000);
  let resultOf;
  before(() => {
    resultOf = runMany({ crowded: [require.resolve('./shared-crowded'), '3', String(SEED)] });
  });

  it(`nobody waits for ever, and never more than the limit are inside (seed ${SEED})`, async () => {
    const { code, signal, stdout, stderr } = await resultOf('crowded');
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    const [{ entries, starts }] = parseLines(stdout);
    for (const count of [entries, starts]) assert.ok(count > 0, stdout);
  });
});
