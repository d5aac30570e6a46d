'use strict';

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { writeFileSync } = require('node:fs');
const { scratch } = require('./fetch-all');
const { verify } = require('../../examples/fetch-all/world/verify');

const ORIGIN = 'http://127.0.0.1:1';
const SHA256 = createHash('sha256').update('content').digest('hex');

describe('example: the verdict of the own world', () => {
  const files = scratch();

  /** A story in which all agree: one path for each kind of fault. */
  function story() {
    const file = files.file('content');
    writeFileSync(file, 'content');
    const row = (path, attempts) => [ORIGIN + path, { error: null, sha256: SHA256, attempts }];
    const paths = ['/slow', '/stall', '/503', '/reset', '/429'];
    return {
      origin: ORIGIN,
      files: new Map(paths.map((path) => [ORIGIN + path, file])),
      rows: new Map(paths.map((path) => row(path, path === '/slow' ? 1 : 2))),
      failures: new Map([
        [`${ORIGIN}/stall`, ['timeout']],
        [`${ORIGIN}/503`, ['503']],
        [`${ORIGIN}/reset`, ['network']],
        [`${ORIGIN}/429`, ['429']],
      ]),
      log: [
        ...paths.map((path) => ({ path, ask: 1, fault: path.slice(1), at: 0 })),
        { path: '/stall', ask: 1, hungUp: true },
        ...paths.slice(1).map((path) => ({ path, ask: 2, fault: null, at: 1001 })),
      ],
    };
  }

  const disagreements = async (change) => {
    const changed = story();
    change(changed);
    return (await verify(changed)).disagreements.map(({ url, wrong }) => `${url} ${wrong.join('; ')}`).join('\n');
  };

  it('agrees when both tell the same story', async () => {
    const result = await verify(story());
    assert.deepEqual(result.disagreements, []);
    assert.equal(result.requests, 9);
    assert.deepEqual(
      result.faults.find(({ kind }) => kind === 'stall'),
      { kind: 'stall', injected: 1, share: 1 / 9, seenAs: 'timeout', seen: 1 },
    );
  });

  const row = (tale, path) => tale.rows.get(ORIGIN + path);
  const lies = [
    ['a checksum that is not the file’s', (tale) => (row(tale, '/slow').sha256 = 'f00d'), /\/slow sha256 f00d/],
    ['a missing row', (tale) => tale.rows.delete(`${ORIGIN}/slow`), /\/slow no row was written/],
    ['a failed row', (tale) => (row(tale, '/slow').error = 'HTTP 418'), /\/slow failed: HTTP 418/],
    ['an attempt the server never saw', (tale) => (row(tale, '/slow').attempts = 2), /\/slow 2 attempts.* saw 1/],
    ['a timeout nobody injected', (tale) => tale.failures.set(`${ORIGIN}/slow`, ['timeout']), /\/slow .*\[timeout\]/],
    ['a fault nobody saw', (tale) => tale.failures.delete(`${ORIGIN}/reset`), /\/reset .*injected \[network\]/],
    ['a fault seen as another', (tale) => tale.failures.set(`${ORIGIN}/429`, ['503']), /\/429 .*\[503\].*\[429\]/],
    ['a stall not hung up', (tale) => (tale.log = tale.log.filter(({ hungUp }) => !hungUp)), /\/stall .*never hung up/],
    ['an early retry', (tale) => (tale.log.findLast(({ path }) => path === '/503').at = 990), /\/503 .*990 ms/],
    ['a kind that is too rare', (tale) => (tale.log[0].fault = null), /too few requests were hit by 'slow'/],
  ];
  for (const [name, change, expected] of lies) {
    it(`names the URL of ${name}`, async () => assert.match(await disagreements(change), expected));
  }
});
