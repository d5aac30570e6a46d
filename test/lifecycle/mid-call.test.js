'use strict';

// terminate() may come at any line of a native call. What Node answers from then on is an error without an exception, of
// which node-addon-api makes the end of the process where an argument is coerced or a property is read.

const assert = require('node:assert/strict');
const { parseLines, runMany } = require('../support/child');
const { kinds } = require('./mid-call');

describe('lifecycle: threads that are ended in the middle of a native call', function () {
  this.timeout(120_000);
  let child;
  before(async () => {
    child = await runMany({ midCall: [require.resolve('./mid-call')] })('midCall');
  });

  it('none takes the process with it: exit code 0, no signal', () => {
    const { code, signal, stdout, stderr } = child;
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, `last: ${stdout}`);
  });

  for (const kind of kinds) {
    it(`${kind}: some were`, () => {
      const line = parseLines(child.stdout).find((one) => one.kind === kind);
      assert.ok(line?.workers > 0, 'the process ended before them');
    });
  }
});
