'use strict';

// Rate limiters whose tokens do not run out: what it costs to be let through at once.

const assert = require('node:assert');

const plenty = 1e9; // a second, and at once

module.exports = ({ sluice, twin, ...rivals }) => {
  const contestant = (name, needs, run, n) => ({ name, needs, n, check: assert.strictEqual, run });
  const work = async () => 1;
  return [
    {
      name: 'rate-limiter',
      title: 'rate limiter, a token that is there: acquire',
      unit: 'ns',
      n: 3e5,
      rounds: 7,
      least: 20, // of what takes milliseconds each
      anchor: 'limiter',
      note: 'bottleneck (100 jobs: each waits for timers) and p-throttle run an async function; the twin cannot wait',
      targets: [{ of: 'sluice', against: 'limiter', most: 0.3 }],
      contestants: [
        contestant('limiter', ['limiter'], async (n) => {
          const limiter = new rivals.limiter.RateLimiter({ tokensPerInterval: plenty, interval: 'second' });
          let count = 0;
          for (; count < n; count++) await limiter.removeTokens(1);
          return count;
        }),
        contestant('twin', [], async (n) => {
          const limiter = new twin.RateLimiter(plenty, plenty);
          let count = 0;
          for (; count < n; count++) await limiter.acquire();
          return count;
        }),
        contestant('sluice', ['sluice.RateLimiter'], async (n) => {
          const limiter = new sluice.RateLimiter({ max: plenty, burst: plenty });
          let count = 0;
          for (; count < n; count++) await limiter.acquire();
          return count;
        }),
        contestant('sluice, tryAcquire', ['sluice.RateLimiter'], async (n) => {
          const limiter = new sluice.RateLimiter({ max: plenty, burst: plenty });
          let count = 0;
          while (count < n && limiter.tryAcquire()) count++;
          return count;
        }),
        contestant(
          'p-throttle',
          ['p-throttle'],
          async (n) => {
            const throttled = rivals['p-throttle']({ limit: plenty, interval: 1000 })(work);
            let count = 0;
            while (count < n) count += await throttled();
            return count;
          },
          1e5,
        ),
        contestant(
          'bottleneck',
          ['bottleneck'],
          async (n) => {
            const limiter = new rivals.bottleneck({
              reservoir: plenty,
              reservoirRefreshAmount: plenty,
              reservoirRefreshInterval: 1000,
            });
            let count = 0;
            while (count < n) count += await limiter.schedule(work);
            await limiter.disconnect();
            return count;
          },
          100,
        ),
      ],
    },
  ];
};
