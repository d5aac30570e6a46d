'use strict';

// rate: how fast attempts may start.

const assert = require('node:assert/strict');

const { mapSettled, mapWithLimit } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { rejection } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

describe('rate', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  /** When the mapper of so many items was called. */
  async function startsOf(count, options, limit = Infinity, mapper = () => {}) {
    const starts = [];
    const call = (item, index, ctx) => (starts.push(clock.now), mapper(item, index, ctx));
    await over(mapWithLimit(Array(count).fill(0), limit, call, options));
    return starts;
  }

  const given = {
    'a number is starts per second; the burst is what accrues in 10 ms': [200, 5, [0, 0, 5, 10, 15]],
    'a slow one: a burst of 1': [10, 3, [0, 100, 200]],
    'max and per': [{ max: 2, per: 10 }, 5, [0, 0, 5, 10, 15]],
    'per is a second where it is not given': [{ max: 4 }, 3, [0, 250, 500]],
    'a burst of its own': [{ max: 1, per: 10, burst: 3 }, 5, [0, 0, 0, 10, 20]],
    'a burst larger than max': [{ max: 1, per: 4, burst: 4 }, 6, [0, 0, 0, 0, 4, 8]],
    'fractions: less than one in a second': [0.5, 2, [0, 2000]],
    'Infinity is no limit': [Infinity, 4, [0, 0, 0, 0]],
  };
  for (const [name, [rate, count, expected]] of Object.entries(given)) {
    it(`${name}`, async () => assert.deepEqual(await startsOf(count, { rate }), expected));
  }

  it('a full bucket does not save up: after a pause there is one burst, not two', async () => {
    const options = { rate: { max: 1, per: 10, burst: 2 } };
    const mapper = (_item, index) => (index === 0 ? clock.sleep(1000) : undefined);
    assert.deepEqual(await startsOf(5, options, 1, mapper), [0, 1000, 1000, 1010, 1020]);
  });

  it('three in ten: the remainder is carried, so that no rate drifts', async () => {
    const starts = await startsOf(302, { rate: { max: 3, per: 10, burst: 2 } });
    assert.equal(starts.at(-1), 1000);
    starts
      .slice(1)
      .forEach((at, i) => assert.ok(at >= (i * 10) / 3 && at < (i * 10) / 3 + 1e-5, `start ${i} at ${at}`));
  });

  it('a retry takes a token too, and waits behind who asked before it', async () => {
    const log = [];
    const mapper = async (item, _index, { attempt }) => {
      log.push([clock.now, item, attempt]);
      if (item === 0 && attempt === 1) throw new Error('again');
    };
    const options = { rate: { max: 1, per: 10, burst: 1 }, retry: { retries: 1, delay: 1, jitter: 'none' } };
    await over(mapWithLimit([0, 1, 2], 3, mapper, options));
    assert.deepEqual(log, [
      [0, 0, 1],
      [10, 1, 1],
      [20, 2, 1],
      [30, 0, 2],
    ]);
  });

  it('who waits for a token holds his lane, and his item is taken; it counts as started', async () => {
    let pulled = 0;
    function* endless() {
      for (;;) yield pulled++;
    }
    const controller = new AbortController();
    let last;
    const options = { rate: 1, signal: controller.signal, onProgress: (progress) => (last = progress) };
    const result = rejection(mapWithLimit(endless(), 3, () => {}, options));
    await clock.advance(999);
    assert.deepEqual([pulled, last.started, last.done], [4, 4, 1]); // one has run, three hold the lanes
    controller.abort('enough');
    assert.equal(await result, 'enough');
    assert.equal(pulled, 4);
  });

  it('the call ends without waiting for a token that nobody needs', async () => {
    const sources = [[1, 2], new Set([1, 2]), (async function* () { yield* [1, 2]; })()]; // prettier-ignore
    for (const items of sources) {
      const began = clock.now;
      assert.deepEqual(
        await over(mapWithLimit(items, 2, (item) => item, { rate: { max: 1, per: 10, burst: 2 } })),
        [1, 2],
      );
      assert.equal(clock.now, began);
    }
  });

  it('nothing starts after a failure, an abort or the total time, however many wait', async () => {
    const rate = { max: 1, per: 10, burst: 1 };
    const controller = new AbortController();
    clock.setTimeout(() => controller.abort('abort'), 5);
    const started = [];
    const fails = (item) => (started.push(item), clock.sleep(3).then(() => Promise.reject('failed')));
    const stays = (item) => (started.push(item), new Promise(() => {}));
    const ends = [
      mapWithLimit([0, 1, 2], 3, fails, { rate }),
      mapWithLimit([0, 1, 2], 3, stays, { rate, signal: controller.signal }),
      mapWithLimit([0, 1, 2], 3, stays, { rate, totalTimeout: 5 }),
    ].map(rejection);
    const [failure, abort, total] = await over(Promise.all(ends));
    assert.deepEqual([failure, abort, total.scope], ['failed', 'abort', 'total']);
    await clock.advance(100);
    assert.deepEqual(started, [0, 0, 0]);
  });

  it("no attempt's clock runs while it waits for a token; the item's and the total's do", async () => {
    const slow = () => clock.sleep(4);
    const rate = { max: 1, per: 10, burst: 1 };
    assert.equal((await over(mapWithLimit([0, 1, 2], 3, slow, { rate, timeout: 5 }))).length, 3);
    const outcomes = await over(mapSettled([0, 1, 2], 3, slow, { rate, itemTimeout: 15 }));
    const scopes = outcomes.map(({ reason }) => reason?.scope);
    assert.deepEqual(scopes, [undefined, undefined, 'item']);
    assert.equal(outcomes[2].reason.attempt, 0); // none was started
  });

  it('lanes that rested while another one gave way to the loop before its pull go on with it', async () => {
    let running = 0;
    let mostLater = 0;
    let together; // three end in the same turn
    const mapper = async (_item, index) => {
      running++;
      await (together ??= clock.sleep(1).finally(() => (together = undefined)));
      if (index > 10) mostLater = Math.max(mostLater, running);
      running--;
    };
    const result = mapWithLimit(Array(40).fill(0), 3, mapper, { rate: 1e9, yieldAfter: 0 });
    let isOver = false;
    result.finally(() => (isOver = true));
    for (let i = 0; i < 100 && !isOver; i++) await clock.advance(1);
    assert.ok(isOver);
    assert.equal(mostLater, 3);
  });

  it('each call has its own', async () => {
    const starts = await Promise.all([startsOf(2, { rate: 100 }), startsOf(2, { rate: 100 })]);
    assert.deepEqual(starts, [
      [0, 10],
      [0, 10],
    ]);
  });
});
