'use strict';

// retry whose first attempt succeeds: what the readiness to try again costs.

const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');

const retries = 3;
const work = async () => 1;

async function loop(work, retries, delay) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      if (attempt > retries) throw error;
      await sleep(delay * attempt);
    }
  }
}

module.exports = ({ sluice, twin, ...rivals }) => {
  const contestant = (name, needs, retried, n) => ({
    name,
    needs,
    n,
    check: assert.strictEqual,
    async run(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await retried();
      return sum;
    },
  });
  let cockatiel;
  return [
    {
      name: 'retry',
      title: 'retry, first attempt succeeds',
      unit: 'ns',
      n: 3e5,
      anchor: 'hand-written loop',
      targets: [{ of: 'sluice', against: 'hand-written loop', most: 0.8 }],
      contestants: [
        contestant('hand-written loop', [], () => loop(work, retries, 1000)),
        contestant('twin', [], () => twin.retry(work, { retries })),
        contestant('sluice', ['sluice'], () => sluice.retry(work, retries)),
        contestant('sluice, options object', ['sluice'], () => sluice.retry(work, { retries })),
        contestant(
          'async.retry',
          ['async'],
          () => rivals.async.retry({ times: retries + 1, interval: 1000 }, work),
          5e4,
        ),
        contestant('p-retry', ['p-retry'], () => rivals['p-retry'](work, { retries }), 2e4),
        contestant(
          'cockatiel',
          ['cockatiel'],
          () => {
            const { retry, handleAll, ExponentialBackoff } = rivals.cockatiel;
            cockatiel ??= retry(handleAll, { maxAttempts: retries, backoff: new ExponentialBackoff() });
            return cockatiel.execute(work);
          },
          5e4,
        ),
      ],
    },
  ];
};
