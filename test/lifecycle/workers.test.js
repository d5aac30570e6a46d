'use strict';

// A handle left open, or closed too late, aborts the process at the end of a worker, and only there; and only where the
// main thread has not loaded the addon does it show in every case. So each cell is run twice; both runs at the same time.

const assert = require('node:assert/strict');
const { parseLines, runMany } = require('../support/child');
const { cells, workerEndings } = require('./worker-matrix');

const SCRIPT = require.resolve('./worker-matrix');

let resultOf;
const run = () => (resultOf ??= runMany({ alone: [SCRIPT, 'alone'], beside: [SCRIPT, 'beside'] }));

for (const [where, title] of [
  ['alone', 'the main thread has not loaded the addon'],
  ['beside', 'the main thread uses the addon too'],
]) {
  describe(`lifecycle: a worker, where ${title}`, function () {
    this.timeout(120_000);
    let child;
    let lines;
    before(async () => {
      child = await run()(where);
      lines = parseLines(child.stdout);
    });

    it('no worker takes the process with it: exit code 0, no signal', () => {
      const { stage, ending } = lines.at(-1);
      const { code, signal, stderr } = child;
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, `last: ${stage}, ${ending}\n${stderr}`);
    });

    it(`the main thread ${where === 'alone' ? 'never loaded' : 'had loaded'} the addon`, () => {
      assert.deepEqual(lines.at(-1), { isLoaded: where === 'beside' });
    });

    for (const { stage, ending } of cells()) {
      const { code, error = null } = workerEndings[ending];
      it(`${stage}; ${ending}: the worker's exit code is ${code}`, () => {
        const line = lines.find((one) => one.stage === stage && one.ending === ending && one.outcome);
        assert.ok(line, `the process ended with ${child.code ?? child.signal} before this worker did`);
        assert.deepEqual(line.outcome, { reached: true, error, code });
      });
    }
  });
}
