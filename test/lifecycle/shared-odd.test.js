'use strict';

const assert = require('node:assert/strict');
const { parseLines, runNode } = require('../support/child');

const SCRIPT = require.resolve('./shared-odd');

const expected = {
  'thousands of names': (5000 * 5001) / 2,
  'handles that nobody can reach': undefined,
  'a handle that nobody can reach, by which somebody waits': 1,
  'the last handle closed while its permit is out': [0, 1],
  'another realm': [true, 2, 4, 6],
  'the package loaded twice in one thread': [false, 0, 1, 2],
  'workers of workers': [0, 3, 0],
  'a closed handle changes nothing for who came later': [2, 2, 2],
  'a call that is refused': 1,
};

describe('lifecycle: limits that threads share, used oddly', function () {
  this.timeout(120_000);
  let child;
  before(async () => (child = await runNode(['--expose-gc', SCRIPT])));

  for (const [name, value] of Object.entries(expected)) {
    it(`${name}: right, and nothing is left`, () => {
      const { code, signal, stdout, stderr } = child;
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      const line = parseLines(stdout).find((one) => one.name === name);
      assert.deepEqual(line, value === undefined ? { name, left: 0 } : { name, value, left: 0 });
    });
  }
});
