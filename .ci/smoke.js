'use strict';

// Runs in an empty folder with nothing but the packed package: does what was published work?

const assert = require('node:assert/strict');
const sluice = require('sluice');

const { TimeoutError, allSettled, execute, mapSettled, mapWithLimit, retry, skip, sleep, withTimeout } = sluice;

async function main() {
  assert.deepEqual(await mapWithLimit([1, 2, 3], 2, (n) => sleep(1).then(() => n * 2), { timeout: 5000 }), [2, 4, 6]);
  assert.equal(await retry(({ attempt }) => (attempt < 3 ? Promise.reject(new Error('again')) : attempt), 2, 1), 3);
  await assert.rejects(withTimeout(sleep(60_000, { unref: true }), 5), TimeoutError);
  assert.deepEqual(await allSettled([7]), [{ status: 'fulfilled', value: 7 }]);
  assert.deepEqual(await mapSettled([1, 2], 2, (n) => (n === 1 ? skip : n), { rate: 1000 }), [
    { status: 'fulfilled', value: 2 },
  ]);
  const { success, attempts } = await execute(() => Promise.reject(new sluice.PermanentError('no')));
  assert.deepEqual({ success, attempts }, { success: false, attempts: 1 });
  assert.throws(() => require('sluice/lib/binding.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
  console.log('require: works');
}

main();
