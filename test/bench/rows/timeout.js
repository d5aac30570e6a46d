'use strict';

// withTimeout on a promise that settles at once: what a timeout costs that never fires, by far the usual case.

const assert = require('node:assert');
const { race } = require('../by-hand.js');

const ms = 5000;
const work = async () => 1;

function settleOnce(promise, ms) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('timed out')), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

module.exports = ({ sluice, twin, ...rivals }) => {
  const contestant = (name, needs, timed, n) => ({
    name,
    needs,
    n,
    check: assert.strictEqual,
    async run(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await timed();
      return sum;
    },
  });
  let cockatiel;
  return [
    {
      name: 'timeout',
      title: 'withTimeout on a promise that settles at once',
      unit: 'ns',
      n: 2e5,
      anchor: 'hand-written race',
      targets: [{ of: 'sluice', against: 'hand-written race', most: 0.35 }],
      contestants: [
        contestant('no timeout at all', [], work),
        contestant('hand-written race', [], () => race(work(), ms)),
        contestant('hand-written new Promise', [], () => settleOnce(work(), ms)),
        contestant('twin', [], () => twin.withTimeout(work(), ms)),
        contestant('sluice', ['sluice'], () => sluice.withTimeout(work(), ms)),
        contestant('p-timeout', ['p-timeout'], () => rivals['p-timeout'](work(), { milliseconds: ms }), 5e4),
        contestant(
          'cockatiel',
          ['cockatiel'],
          () => {
            cockatiel ??= rivals.cockatiel.timeout(ms, rivals.cockatiel.TimeoutStrategy.Aggressive);
            return cockatiel.execute(work);
          },
          2e4,
        ),
      ],
    },
  ];
};
