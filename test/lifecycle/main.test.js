'use strict';

const assert = require('node:assert/strict');
const { runMany } = require('../support/child');
const { endings, inWake, stages } = require('./stages');

const SCRIPT = require.resolve('./main-matrix');
const CODES = { natural: 0, 'process.exit()': 7, 'an uncaught throw': 1 };

const SURVIVES = `
  const { endings, stages } = require(${JSON.stringify(require.resolve('./stages'))});
  const { sleep } = require(${JSON.stringify(require.resolve('../../lib/index.js'))});
  process.once('uncaughtException', async ({ message }) => {
    await Promise.all([slept, sleep(1)]);
    console.log(message + ', slept');
  });
  stages[process.argv[1]](endings['an uncaught throw'], false);
  const slept = Promise.all([1, 1, 1, 2, 5].map((ms) => sleep(ms)));
`;

describe('lifecycle: the main thread', function () {
  this.timeout(120_000);
  const cells = Object.keys(stages).flatMap((stage) =>
    Object.keys(endings).map((ending) => ({ stage, ending, title: `${stage}; ${ending}` })),
  );
  let resultOf;
  before(() => {
    resultOf = runMany({
      ...Object.fromEntries(cells.map(({ stage, ending, title }) => [title, [SCRIPT, stage, ending]])),
      ...Object.fromEntries(Object.keys(inWake).map((stage) => [stage, ['-e', SURVIVES, stage]])),
    });
  });

  for (const { ending, title } of cells) {
    const code = CODES[ending];
    it(`${title}: the exit code is ${code}, and there is no signal`, async () => {
      const { stderr, ...end } = await resultOf(title);
      assert.deepEqual(end, { code, signal: null, stdout: 'here' }, stderr);
      if (ending === 'an uncaught throw') assert.match(stderr, /Error: thrown on purpose/);
      else assert.equal(stderr, '');
    });
  }

  for (const stage of Object.keys(inWake)) {
    it(`${stage}; a throw that "uncaughtException" takes: what the wake brings to others still comes`, async () => {
      const { stderr, ...end } = await resultOf(stage);
      assert.deepEqual(end, { code: 0, signal: null, stdout: 'thrown on purpose, slept\n' }, stderr);
    });
  }
});
