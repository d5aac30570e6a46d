'use strict';

// skip and stop: items that leave no value, and the end before the end.

const assert = require('node:assert/strict');

const { mapSettled, mapWithLimit, retry, skip, stop } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { rejection } = require('../support/outcomes');
const { virtualClock } = require('../support/virtual-clock');

const fulfilled = (value) => ({ status: 'fulfilled', value });

describe('skip and stop', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);
  const over = (promise) => clock.over(promise);

  it('are symbols that are nobody else', () => {
    assert.deepEqual([typeof skip, typeof stop], ['symbol', 'symbol']);
    assert.notEqual(skip, stop);
    assert.ok([skip, stop].every((one) => Symbol.keyFor(one) === undefined));
  });

  describe('skip', () => {
    const evens = {
      'as a value': (item) => (item % 2 ? skip : item),
      'as a promise': async (item) => (item % 2 ? skip : item),
    };
    for (const [name, mapper] of Object.entries(evens)) {
      it(`${name}: the item is left out, the others stay in order`, async () => {
        assert.deepEqual(await mapWithLimit([0, 1, 2, 3, 4], 2, mapper), [0, 2, 4]);
        assert.deepEqual(await mapSettled([0, 1, 2], 2, mapper), [fulfilled(0), fulfilled(2)]);
        assert.deepEqual(await mapWithLimit(new Set([0, 1, 2]), 2, mapper), [0, 2]);
        assert.equal(await mapWithLimit([0, 1, 2, 3, 4], 2, mapper, { discard: true }), 3);
      });
    }

    it('counts as done', async () => {
      let last;
      await mapWithLimit([0, 1, 2], 1, () => skip, { onProgress: (progress) => (last = progress) });
      assert.deepEqual([last.started, last.done, last.failed], [3, 3, 0]);
    });

    it('of every item: an empty array', async () => {
      assert.deepEqual(await mapWithLimit([1, 2], 1, () => skip), []);
    });

    it('of retry is a value like any other', async () => {
      assert.equal(await retry(() => skip, 0), skip);
      assert.equal(await retry(() => stop, { retries: 1, timeout: 10 }), stop);
    });
  });

  describe('stop', () => {
    it('nothing more starts, what runs may finish, and its own item is left out', async () => {
      const started = [];
      const mapper = async (item) => {
        started.push(item);
        await clock.sleep(item === 1 ? 2 : 5);
        return item === 1 ? stop : item;
      };
      assert.deepEqual(await over(mapWithLimit([0, 1, 2, 3, 4, 5], 3, mapper)), [0, 2]);
      assert.deepEqual(started, [0, 1, 2]);
      assert.equal(clock.now, 5);
    });

    it('in mapSettled and with discard: what there is', async () => {
      const mapper = (item) => (item === 2 ? stop : item === 1 ? Promise.reject('no') : item);
      const outcomes = await mapSettled([0, 1, 2, 3], 1, mapper);
      assert.deepEqual(outcomes, [fulfilled(0), { status: 'rejected', reason: 'no' }]);
      assert.equal(await mapWithLimit([0, 1, 2, 3], 1, (item) => (item === 2 ? stop : item), { discard: true }), 2);
    });

    it('an item in backoff may finish', async () => {
      const mapper = async (item, _index, { attempt }) => {
        if (item === 0 && attempt === 1) throw new Error('again');
        await clock.sleep(1);
        return item === 1 ? stop : item;
      };
      const options = { retry: { retries: 1, delay: 10, jitter: 'none' } };
      assert.deepEqual(await over(mapWithLimit([0, 1, 2], 2, mapper, options)), [0]);
      assert.equal(clock.now, 11);
    });

    it('a failure after it still rejects', async () => {
      const mapper = (item) => (item === 1 ? stop : clock.sleep(3).then(() => Promise.reject('late')));
      assert.equal(await rejection(over(mapWithLimit([0, 1, 2], 2, mapper))), 'late');
    });

    it('items that wait for a token are left out, and the call does not wait for one', async () => {
      const started = [];
      const mapper = async (item) => {
        started.push(item);
        await clock.sleep(1);
        return item === 1 ? stop : item;
      };
      const options = { rate: { max: 1, per: 1000, burst: 2 } };
      assert.deepEqual(await over(mapWithLimit([0, 1, 2, 3], 4, mapper, options)), [0]);
      assert.deepEqual(started, [0, 1]);
      assert.equal(clock.now, 1);
    });

    for (const kind of ['iterable', 'async iterable']) {
      it(`the ${kind} is closed at once, once, and not asked again`, async () => {
        const log = [];
        const answer = (result) => (kind === 'iterable' ? result : Promise.resolve(result));
        let i = 0;
        const iterator = {
          next: () => (log.push('next'), answer({ done: false, value: i++ })),
          return: () => (log.push(`return at ${clock.now}`), answer({})),
        };
        const items = { [kind === 'iterable' ? Symbol.iterator : Symbol.asyncIterator]: () => iterator };
        const mapper = async (item) => {
          await clock.sleep(item === 1 ? 2 : 6);
          return item === 1 ? stop : item;
        };
        assert.deepEqual(await over(mapWithLimit(items, 2, mapper)), [0]);
        assert.deepEqual(log, ['next', 'next', 'return at 2']);
      });
    }

    it("the item that an async iterable gives after it is nobody's, and a rejection of it is handled", async () => {
      let answer;
      let calls = 0;
      const next = () =>
        calls++ === 0 ? Promise.resolve({ done: false, value: 0 }) : new Promise((r) => (answer = r));
      const items = { [Symbol.asyncIterator]: () => ({ next, return: () => Promise.resolve({}) }) };
      const seen = [];
      const mapper = (item) => (seen.push(item), clock.sleep(1).then(() => stop));
      assert.deepEqual(await over(mapWithLimit(items, 2, mapper)), []);
      answer({ done: false, value: Promise.reject(new Error('late')) });
      await clock.flush();
      assert.deepEqual(seen, [0]);
    });

    it('twice: the second one changes nothing', async () => {
      assert.deepEqual(await over(mapWithLimit([0, 1, 2, 3], 2, (item) => clock.sleep(item + 1).then(() => stop))), []);
    });

    it('the total of the progress is what was taken', async () => {
      let last;
      const mapper = (item) => (item === 1 ? stop : item);
      await mapWithLimit([0, 1, 2, 3], 1, mapper, { onProgress: (progress) => (last = progress) });
      assert.deepEqual([last.total, last.started, last.done], [2, 2, 2]);
    });
  });
});
