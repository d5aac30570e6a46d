'use strict';

const assert = require('node:assert/strict');
const { mapWithLimit } = require('../..');

describe('onProgress', () => {
  const options = { timeout: 1000, retry: 1 }; // lanes that could be abandoned: the result hangs on a link

  for (const [name, onProgress] of Object.entries({
    'an object': (progress) => progress,
    'a promise': async (progress) => progress,
    'a promise that never settles': () => new Promise(() => {}),
  })) {
    it(`returns ${name}: the call is fulfilled with its own results all the same`, async () => {
      assert.deepEqual(await mapWithLimit([1, 2], 2, async (item) => item, { ...options, onProgress }), [1, 2]);
      assert.deepEqual(await mapWithLimit([1, 2], 2, async (item) => item, { onProgress }), [1, 2]);
    });
  }

  it('returns a rejected promise in the end: the call is rejected with its reason', async () => {
    const reason = new Error('from the report');
    const call = mapWithLimit([1], 1, (item) => item, { ...options, onProgress: () => Promise.reject(reason) });
    assert.equal(await call.catch((error) => error), reason);
  });
});
