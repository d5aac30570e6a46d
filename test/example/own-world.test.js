'use strict';

const assert = require('node:assert/strict');
const { readRows, run, scratch } = require('./fetch-all');

/** The fault table as kind -> injected. */
const faults = (stdout) =>
  Object.fromEntries([...stdout.matchAll(/│ (\w+) +│ +(\d+) │ +[\d.]+% │/g)].map(([, kind, count]) => [kind, +count]));

describe('example: fetch-all in its own world', function () {
  this.timeout(60_000);
  const files = scratch();

  it('succeeds, verifies every checksum and every fault, and prints the seed', async () => {
    const out = files.file('rows.jsonl');
    const { code, stdout, stderr } = await run(['--files', '200', '--out', out]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^seed \d+: 200 files from http:\/\/127\.0\.0\.1:\d+/);
    assert.match(stdout, /VERIFIED: 200 checksums and the faults of \d+ requests agree/);
    assert.match(stderr, /^\d+ of 200 done, \d+ failed, \d+ retries, \d+ timeouts$/m);
    assert.equal(new Set(readRows(out).map(({ url }) => url)).size, 200);
    const counts = faults(stdout);
    assert.deepEqual(Object.keys(counts).sort(), ['429', '503', 'reset', 'slow', 'stall']);
    assert.ok(
      Object.values(counts).every((count) => count >= 12),
      JSON.stringify(counts),
    ); // 200 / 16
  });

  it('the same seed injects the same faults', async () => {
    const args = ['--files', '60', '--seed', '7', '--timeout', '1000', '--out', files.file('seed.jsonl')];
    const first = await run([...args, '--concurrency', '60']);
    const second = await run([...args, '--concurrency', '20']);
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.equal(second.code, 0, second.stdout + second.stderr);
    assert.deepEqual(faults(first.stdout), faults(second.stdout));
  });
});
