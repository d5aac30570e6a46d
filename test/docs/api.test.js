'use strict';

// In processes of their own: what a compiler leaves in memory would slow this one's collector down.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { runNode } = require('../support/child');

const at = (name) => path.join(__dirname, '../..', name);

describe('the documentation', function () {
  this.timeout(120_000);

  it('docs/api.md is what lib/index.d.ts says (npm run docs writes it)', async () => {
    const { stdout, stderr } = await runNode([at('test/docs/api.js'), '--print']);
    assert.equal(stderr, '');
    assert.equal(readFileSync(at('docs/api.md'), 'utf8'), stdout);
  });

  it('what lib/index.d.ts declares is what the package exports, by both of its doors', async () => {
    const { code, stdout, stderr } = await runNode([at('test/docs/exports.js')]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
  });

  it('each function and each class has an example, and all examples compile', async () => {
    const { code, stdout, stderr } = await runNode([at('test/docs/examples.js')]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
  });
});
