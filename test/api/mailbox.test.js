'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');

// Forged words in a process of their own: an error each, never a crash; and the package goes on working.
const FORGE = `
  const { mapWithLimit, sleep, withTimeout } = require('.');
  const { I, D, ints, doubles, operations, usage } = require('./lib/engine');
  const seed = Number(process.argv[1]);
  let state = seed;
  const random = (n) => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) % n;
  const INTS = [0, 1, 2, -1, 5, 255, 1 << 20, 2 ** 31 - 1, -(2 ** 31)];
  const DOUBLES = [0, 1, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300, 5e-324];
  const stale = [];
  const names = Object.keys(operations).filter((name) => name !== 'NEXT');
  let errors = 0;
  for (let i = 0; i < 30000; i++) {
    for (const word of Object.values(I)) ints[word] = INTS[random(INTS.length)];
    for (const word of Object.values(D)) doubles[word] = DOUBLES[random(DOUBLES.length)];
    for (let k = 0; k < 8; k++) ints[64 + random(1088)] = INTS[random(INTS.length)];
    const name = names[random(names.length)];
    // What is opened here nobody would ever hear of: only calls that name something, or that are refused.
    if (name === 'GUARD' || name === 'SLEEP') doubles[D.TIMEOUT] = NaN;
    if (name === 'OPEN') doubles[D.LIMIT] = 0;
    operations[name]();
    errors += ints[I.ACTION] < 0;
  }
  (async () => {
    const values = await mapWithLimit([1, 2, 3], 2, (x) => sleep(x).then(() => x), { timeout: 1000 });
    const late = await withTimeout(new Promise(() => {}), 1, 'late');
    console.log(JSON.stringify({ errors, values, late, jobs: usage().jobs, lanes: usage().lanes }));
  })();
`;

describe('the mailbox', function () {
  this.timeout(30_000);

  it('answers forged words with errors, and the package goes on working', () => {
    const seed = Date.now() % 100_000;
    const said = execFileSync(process.execPath, ['-e', FORGE, String(seed)], {
      cwd: `${__dirname}/../..`,
      encoding: 'utf8',
    });
    const { errors, ...rest } = JSON.parse(said);
    assert.equal(errors, 30_000, `seed ${seed}`);
    assert.deepEqual(rest, { values: [1, 2, 3], late: 'late', jobs: 0, lanes: 0 });
  });
});
