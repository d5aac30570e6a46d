'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { TimeoutError } = require('../../..');
const { recipe } = require('./recipe');

describe('recipes: when not to use it', () => {
  it('steps that need one another run one after the other', async () => {
    const { migrate } = recipe('sequential');
    const log = [];
    const step = (name) => async (db) => {
      log.push(`${name} begins on ${db}`);
      await new Promise(setImmediate);
      log.push(`${name} ends`);
    };
    await migrate('db', ['a', 'b'].map(step));
    assert.deepEqual(log, ['a begins on db', 'a ends', 'b begins on db', 'b ends']);
  });

  describe('work for the processor', () => {
    const { onTheLoop, inThreads } = recipe('cpu');
    let folder;
    before(() => (folder = mkdtempSync(join(tmpdir(), 'recipe-cpu-'))));
    after(() => rmSync(folder, { recursive: true, force: true }));

    function script(name, code) {
      const file = join(folder, name);
      writeFileSync(file, `const { parentPort, workerData } = require('node:worker_threads');\n${code}\n`);
      return file;
    }

    it('on the loop: one after the other whatever the limit, the loop stands still, no timeout fires', async () => {
      let turns = 0;
      setImmediate(() => (turns += 1));
      let running = 0;
      const results = await onTheLoop([1, 2, 3, 4], (input) => {
        running += 1;
        assert.equal(running, 1);
        const until = performance.now() + 20; // twice the timeout
        while (performance.now() < until);
        assert.equal(turns, 0);
        running -= 1;
        return input * 2;
      });
      assert.deepEqual(results, [2, 4, 6, 8]);
    });

    it('in threads: as many at once as the limit says, and the loop turns', async () => {
      // Each thread waits until another one runs beside it: with one at a time this would never end.
      const file = script(
        'meet.js',
        `const here = new Int32Array(workerData.here);
         Atomics.add(here, 0, 1);
         Atomics.notify(here, 0);
         while (Atomics.load(here, 0) < 2) Atomics.wait(here, 0, 1);
         parentPort.postMessage(workerData.input * 2);`,
      );
      const here = new SharedArrayBuffer(4);
      let turns = 0;
      setImmediate(() => (turns += 1));
      const inputs = [1, 2].map((input) => ({ input, here }));
      assert.deepEqual(await inThreads(inputs, file, { limit: 2 }), [2, 4]);
      assert.equal(turns, 1);
    });

    it('in threads: one that takes too long is terminated', async () => {
      const file = script('endless.js', 'for (;;);');
      const born = once(process, 'worker');
      const done = inThreads([1], file, { limit: 1, timeout: 200 });
      const [worker] = await born;
      const exited = once(worker, 'exit');
      await assert.rejects(done, TimeoutError);
      await exited; // the test ends only if the thread does
    });

    it('in threads: an error in one is the call’s', async () => {
      const file = script('throws.js', "throw new RangeError('no such number');");
      await assert.rejects(inThreads([1], file), { name: 'RangeError', message: 'no such number' });
    });
  });
});
