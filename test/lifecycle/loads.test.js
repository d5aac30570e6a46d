'use strict';

const assert = require('node:assert/strict');
const { parseLines, runNode } = require('../support/child');

const SCRIPT = require.resolve('./loads');

for (const where of ['on the main thread', 'in a worker']) {
  describe(`lifecycle: several loads in one environment, ${where}`, function () {
    this.timeout(120_000);

    async function expectOutcome(scenario, expected) {
      const { code, signal, stdout, stderr } = await runNode([SCRIPT, scenario, where]);
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      assert.deepEqual(parseLines(stdout), [{ outcome: expected }]);
    }

    it('a copy of everything, binary included, beside the first: both work, and both leave in peace', async () => {
      await expectOutcome('another binary instance', [true, 'works', 'works', 'first sleep']);
    });

    it('twenty copies at the same time all work', async () => {
      await expectOutcome('many binary instances', ['works']);
    });

    it('a semaphore, a rate limiter or a queue of one copy is none to the other, and is refused', async () => {
      const refused = ['TypeError ERR_INVALID_ARG_TYPE', 'TypeError ERR_INVALID_THIS', 5];
      await expectOutcome('each other’s', [...refused, ...refused]);
    });

    it('a copy of the JavaScript on the same binary, as after jest.resetModules(): both work', async () => {
      await expectOutcome('the same binary', ['works', 'works', 'first sleep']);
    });

    it('the JavaScript compiled in the realm of a vm context works', async () => {
      await expectOutcome('another realm', ['works']);
    });

    it('a second realm on the same binary, as the next file of a Jest worker: both work', async () => {
      await expectOutcome('one realm after the other', ['works', 'works']);
    });

    it('twenty realms on the same binary, each with deadlines and lines open at the end, all work', async () => {
      await expectOutcome('many realms', ['works']);
    });

    it('require() and import give the same functions', async () => {
      await expectOutcome('require and import', [true, 'works']);
    });
  });
}
