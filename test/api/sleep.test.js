'use strict';

// sleep: never before its time, and gone when it is aborted.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');

const { sleep } = require('../..');
const { usage } = require('../../lib/engine');
const { assertNothingLeft } = require('../support/endings');
const { rejection, turn } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const noop = () => {};
const isPending = (promise) => inspect(promise).includes('<pending>');

describe('sleep', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  for (const ms of [0, 0.25, 1, 1.5, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1]) {
    it(`${ms} ms: resolves with undefined after that, not before`, async () => {
      const result = sleep(ms);
      assert.ok(isPending(result));
      if (ms > 0) {
        await clock.advance(ms - 0.001);
        assert.ok(isPending(result));
        await clock.advance(0.001);
      } else {
        await clock.advance(0);
      }
      assert.ok(!isPending(result));
      assert.equal(await result, undefined);
    });
  }

  it('many resolve in the order of their times, those with equal times in the order of the calls', async () => {
    const order = [];
    const times = [5, 1, 3, 1, 5, 0, 3];
    const all = times.map((ms, i) => sleep(ms).then(() => order.push(i)));
    await clock.advance(10);
    await Promise.all(all);
    assert.deepEqual(order, [5, 1, 3, 2, 6, 0, 4]);
  });

  it('abort rejects at once with the reason, and leaves nothing behind', async () => {
    for (const reason of [new Error('mine'), 'text', null, 0]) {
      const controller = new AbortController();
      const result = sleep(1000, { signal: controller.signal });
      result.catch(noop);
      controller.abort(reason);
      assert.ok(!isPending(result));
      assert.equal(usage().lanes, 0);
      assert.equal(await rejection(result), reason);
    }
  });

  it('already aborted: rejects with the reason', async () => {
    assert.equal(await rejection(sleep(10, { signal: AbortSignal.abort('before') })), 'before');
    assert.equal(usage().lanes, 0);
  });

  it('an abort after the end changes nothing', async () => {
    const controller = new AbortController();
    const result = sleep(5, { signal: controller.signal });
    await clock.advance(5);
    controller.abort('late');
    assert.equal(await result, undefined);
  });

  it('one signal for many: each hears of it', async () => {
    const controller = new AbortController();
    const all = Array.from({ length: 100 }, (_, i) => rejection(sleep(10 + i, { signal: controller.signal })));
    controller.abort('enough');
    assert.deepEqual(new Set(await Promise.all(all)), new Set(['enough']));
  });

  it('Infinity is an error: nobody waits for that on purpose', async () => {
    const error = await rejection(sleep(Infinity));
    assert.equal(error.code, 'ERR_OUT_OF_RANGE');
    await turn();
  });
});
