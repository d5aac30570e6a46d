'use strict';

const assert = require('node:assert/strict');
const { KINDS, SEEN_AS, planFaults } = require('../../examples/fetch-all/world/faults');

const pathsOf = (count) => Array.from({ length: count }, (_, index) => `/package/${index}.js`);

/** Every request of a client that asks again after each failure: its faults, path by path. */
function play({ seed, paths, retries }) {
  const faultOf = planFaults({ seed, paths, retries });
  return paths.map((path) => {
    const faults = [];
    do faults.push(faultOf(path, faults.length + 1)?.kind ?? null);
    while ((SEEN_AS[faults.at(-1)] ?? null) !== null);
    return faults;
  });
}

describe('example: the fault plan', () => {
  it('hits at least 2 % of the requests with each kind, for any number of paths from 5 on', () => {
    for (const count of [5, 6, 15, 16, 17, 31, 32, 33, 100, 200, 1500]) {
      for (let seed = 0; seed < 20; seed += 1) {
        const requests = play({ seed, paths: pathsOf(count), retries: 3 }).flat();
        for (const kind of KINDS) {
          const share = requests.filter((fault) => fault === kind).length / requests.length;
          assert.ok(share >= 0.02, `${kind} hits ${share} of ${count} paths with seed ${seed}`);
        }
      }
    }
  });

  it('never fails a path more often than the retries make good', () => {
    for (const retries of [1, 2, 3]) {
      const lengths = play({ seed: 1, paths: pathsOf(2000), retries }).map((faults) => faults.length);
      assert.equal(Math.max(...lengths), retries + 1);
    }
  });

  it('depends on seed, path and request number only', () => {
    const paths = pathsOf(300);
    assert.deepEqual(play({ seed: 5, paths, retries: 3 }), play({ seed: 5, paths, retries: 3 }));
    assert.notDeepEqual(play({ seed: 5, paths, retries: 3 }), play({ seed: 6, paths, retries: 3 }));
    const [forwards, backwards] = [paths, paths.toReversed()].map((order) => {
      const faultOf = planFaults({ seed: 5, paths: order, retries: 3 });
      return new Map(order.map((path) => [path, [faultOf(path, 1), faultOf(path, 2)]]));
    });
    for (const path of paths) assert.deepEqual(forwards.get(path), backwards.get(path));
  });
});
