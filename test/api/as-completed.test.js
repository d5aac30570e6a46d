'use strict';

// asCompleted: what promises come to, in the order in which they settle.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const { runInNewContext } = require('node:vm');
const fc = require('fast-check');

const { TimeoutError, asCompleted } = require('../..');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 6);

const never = () => new Promise(() => {});
const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };

describe('asCompleted', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  const soon = (ms, outcome = ms) => clock.sleep(ms).then(() => outcome);
  const failing = (ms, reason) => clock.sleep(ms).then(() => Promise.reject(reason));

  /** What comes out of it, when, and how it ends. */
  function read(stream, pause) {
    const run = async () => {
      const seen = [];
      try {
        for await (const one of stream) {
          seen.push([clock.now, one]);
          if (pause !== undefined) await clock.sleep(pause);
        }
        return { seen, ending: [clock.now, 'end'] };
      } catch (error) {
        return { seen, ending: [clock.now, error] };
      }
    };
    return clock.over(run());
  }

  const fulfilled = (index, value) => ({ index, status: 'fulfilled', value });
  const rejected = (index, reason) => ({ index, status: 'rejected', reason });

  it(`yields in the order of settling what is asked for, however it is read (seed ${SEED})`, async function () {
    this.timeout(120_000);
    const element = fc.record({
      after: fc.integer({ min: 0, max: 20 }),
      fails: fc.constantFrom(false, false, false, true),
    });
    const drawnFrom = fc.record({
      elements: fc.array(element, { maxLength: 12 }),
      settle: fc.boolean(),
      pause: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
      abortAt: fc.option(fc.integer({ min: 0, max: 25 }), { nil: undefined, freq: 4 }),
    });
    const property = fc.asyncProperty(drawnFrom, async ({ elements, settle, pause, abortAt }) => {
      clock.reset();
      const controller = new AbortController();
      // No two settle at once, nor does anything else happen then: the thousandths tell them apart.
      const due = elements.map(({ after }, index) => after + index / 1000);
      const promises = elements.map(({ fails }, index) =>
        fails ? failing(due[index], `e${index}`) : soon(due[index], index),
      );
      if (abortAt !== undefined) clock.setTimeout(() => controller.abort('abort'), abortAt + 0.5);
      const { seen, ending } = await read(
        asCompleted(promises, { settle, signal: controller.signal }),
        pause && pause + 0.01,
      );

      const order = [...elements.keys()].sort((a, b) => due[a] - due[b]);
      const firstFailure = settle ? -1 : order.findIndex((index) => elements[index].fails);
      const settled = firstFailure < 0 ? order : order.slice(0, firstFailure);
      const shown = settled.map((index) => {
        if (!settle) return { index, value: index };
        return elements[index].fails ? rejected(index, `e${index}`) : fulfilled(index, index);
      });
      const end = firstFailure < 0 ? 'end' : `e${order[firstFailure]}`;
      const overAt = due[order.at(firstFailure < 0 ? -1 : firstFailure)] ?? 0; // then nothing can be aborted any more
      assert.deepEqual(
        seen.map(([, one]) => one),
        shown.slice(0, seen.length),
      );
      if (abortAt + 0.5 < overAt) {
        assert.equal(ending[1], 'abort');
        assert.ok(seen.every(([at]) => at < abortAt + 0.5));
      } else {
        assert.equal(seen.length, shown.length);
        assert.equal(ending[1], end);
      }
      seen.forEach(([at], i) => {
        const free = i === 0 ? 0 : seen[i - 1][0] + (pause === undefined ? 0 : pause + 0.01);
        assert.ok(Math.abs(at - Math.max(free, due[settled[i]])) < 1e-6, `${i} at ${at}`);
      });
      assertNothingLeft();
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  it('yields { index, value } as each is fulfilled', async () => {
    const { seen, ending } = await read(asCompleted([soon(30, 'a'), soon(10, 'b'), soon(20, 'c')]));
    assert.deepEqual(seen, [[10, { index: 1, value: 'b' }], [20, { index: 2, value: 'c' }], [30, { index: 0, value: 'a' }]]); // prettier-ignore
    assert.deepEqual(ending, [30, 'end']);
  });

  it('yields values that are there at once in their order', async () => {
    const { seen } = await read(asCompleted([Promise.resolve('a'), 'b', undefined, Promise.resolve('d')]));
    assert.deepEqual(seen.map(([, { index }]) => index).sort(), [0, 1, 2, 3]); // prettier-ignore
    const plain = await read(asCompleted(['a', 'b', 'c']));
    assert.deepEqual(plain.seen.map(([, one]) => one), ['a', 'b', 'c'].map((value, index) => ({ index, value }))); // prettier-ignore
  });

  it('the order is that of settling, however late the first is asked for', async () => {
    const stream = asCompleted([soon(20, 'a'), soon(10, 'b'), soon(30, 'c')]);
    await clock.advance(100);
    const { seen } = await read(stream);
    assert.deepEqual(seen.map(([, { value }]) => value), ['b', 'a', 'c']); // prettier-ignore
  });

  it('of nothing it is over at once', async () => {
    for (const settle of [false, true]) {
      for (const none of [[], new Set(), ''])
        assert.deepEqual(await read(asCompleted(none, { settle })), { seen: [], ending: [0, 'end'] });
    }
  });

  it('a rejection is thrown behind what has been fulfilled before it', async () => {
    const stream = asCompleted([soon(1, 'a'), failing(5, 'bad'), soon(9, 'c'), soon(3, 'd')]);
    const { seen, ending } = await read(stream, 100);
    assert.deepEqual(seen.map(([, { value }]) => value), ['a', 'd']); // prettier-ignore
    assert.deepEqual(ending, [201, 'bad']);
    assert.deepEqual(await stream.next(), { value: undefined, done: true });
  });

  it('settle: true yields rejections, too, as the outcomes they are', async () => {
    const { seen, ending } = await read(asCompleted([soon(2, 'a'), failing(1, 'bad'), 'c'], { settle: true }));
    assert.deepEqual(seen.map(([, one]) => one), [fulfilled(2, 'c'), rejected(1, 'bad'), fulfilled(0, 'a')]); // prettier-ignore
    assert.equal(ending[1], 'end');
  });

  it('an abort is thrown at once', async () => {
    for (const settle of [false, true]) {
      const controller = new AbortController();
      const stream = asCompleted([soon(1), soon(2), soon(30), never()], { signal: controller.signal, settle });
      assert.equal((await clock.over(stream.next())).value.index, 0);
      await clock.advance(10);
      controller.abort('enough');
      assert.equal(await rejection(stream.next()), 'enough');
      assert.deepEqual(await stream.next(), { value: undefined, done: true });
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    }
    const stream = asCompleted(['there'], { signal: AbortSignal.abort('before') });
    assert.equal(await rejection(stream.next()), 'before');
  });

  it('the total timeout is thrown at once, and names the label', async () => {
    const stream = asCompleted([soon(1), soon(2), never()], { totalTimeout: 10, label: 'mirrors' });
    assert.equal((await clock.over(stream.next())).value.index, 0);
    await clock.advance(20);
    const error = await rejection(stream.next());
    assert.ok(error instanceof TimeoutError);
    assert.deepEqual([error.scope, error.timeout, error.label], ['total', 10, 'mirrors']);
  });

  it('with settle: true the total timeout does not pass for the end: what has not settled is not left out in silence', async () => {
    const { seen, ending } = await read(asCompleted([soon(1, 'a'), never()], { settle: true, totalTimeout: 10 }));
    assert.deepEqual(seen, [[1, fulfilled(0, 'a')]]);
    assert.equal(ending[0], 10);
    assert.ok(ending[1] instanceof TimeoutError, `it was "${ending[1]}"`);
    assert.equal(ending[1].scope, 'total');
  });

  it('a total timeout that has passed already is thrown, unless there is nothing to wait for', async () => {
    for (const totalTimeout of [0, -5]) {
      const stream = asCompleted(['a'], { totalTimeout });
      assert.equal((await rejection(clock.over(stream.next()))).scope, 'total');
      assert.deepEqual((await read(asCompleted([], { totalTimeout }))).ending, [clock.now, 'end']);
    }
  });

  it('leaving the loop lets go of the rest, which is not unhandled', async () => {
    const reasons = await unhandledDuring(async () => {
      const late = deferred();
      const seen = [];
      const loop = async () => {
        for await (const { value } of asCompleted([soon(1, 'a'), late.promise, failing(5, 'bad')]))
          if (seen.push(value)) break;
      };
      await clock.over(loop());
      assertNothingLeft();
      late.reject(new Error('late'));
      await clock.advance(10);
      assert.deepEqual(seen, ['a']);
    });
    assert.deepEqual(reasons, []);
  });

  it('promises are handled from the call on, whether anybody reads or not', async () => {
    const reasons = await unhandledDuring(() => {
      asCompleted([Promise.reject('a')]);
      asCompleted(new Set([Promise.reject('b')]));
      asCompleted(new Set([Promise.reject('aborted')]), { signal: AbortSignal.abort('before') });
      asCompleted(new Set([Promise.reject('too late')]), { totalTimeout: 0 });
      assert.throws(() => asCompleted([Promise.reject('c')], { settle: 1 }), invalid);
      assert.throws(() => asCompleted([Promise.reject('d')], { timout: 1 }), {
        ...invalid,
        message: /"options.timout"/,
      });
    });
    assert.deepEqual(reasons, []);
  });

  it('an iterable that throws: that is thrown, and promises it has given are not unhandled', async () => {
    const boom = new Error('boom');
    const reasons = await unhandledDuring(() => {
      function* broken() {
        yield Promise.reject('given');
        throw boom;
      }
      assert.throws(() => asCompleted(broken()), boom);
    });
    assert.deepEqual(reasons, []);
  });

  it('invalid arguments are thrown at once; nothing is iterated', () => {
    const untouched = { [Symbol.iterator]: () => assert.fail('iterated') };
    for (const none of [undefined, null, 5, {}, never()])
      assert.throws(() => asCompleted(none), { ...invalid, message: /"promises"|"iterable"/ });
    assert.throws(() => asCompleted(untouched, { settle: 'yes' }), { ...invalid, message: /"options.settle"/ });
    assert.throws(() => asCompleted(untouched, { totalTimeout: NaN }), {
      name: 'RangeError',
      code: 'ERR_OUT_OF_RANGE',
    });
    assert.throws(() => asCompleted(untouched, { signal: {} }), invalid);
    for (const unknown of ['timeout', 'ordered', 'retry', 'rate', 'onProgress'])
      assert.throws(() => asCompleted(untouched, { [unknown]: 1 }), invalid, unknown);
  });

  it('any iterable, with values, thenables and promises of others', async () => {
    function* mixed() {
      yield 'plain';
      yield { then: (done) => done('thenable') };
      yield runInNewContext('Promise.resolve("of another realm")');
      yield { then: (_done, fail) => fail('of a thenable') };
      yield { get then() { throw new Error('getter'); } }; // prettier-ignore
    }
    const { seen } = await read(asCompleted(mixed(), { settle: true }));
    const byIndex = seen.map(([, one]) => one).sort((a, b) => a.index - b.index);
    assert.deepEqual(
      byIndex.map(({ value, reason }) => value ?? reason?.message ?? reason),
      ['plain', 'thenable', 'of another realm', 'of a thenable', 'getter'],
    );
  });

  it('a thenable that calls back twice, or throws behind, has called once', async () => {
    const twice = { then: (done, fail) => (done('once'), done('twice'), fail('failed')) };
    const throwing = { then: (done) => { done('done'); throw new Error('behind'); } }; // prettier-ignore
    const { seen, ending } = await read(asCompleted([twice, throwing]));
    assert.deepEqual(seen.map(([, { value }]) => value).sort(), ['done', 'once']);
    assert.equal(ending[1], 'end');
  });

  it('the same promise more than once comes as often', async () => {
    const one = soon(5, 'a');
    const { seen } = await read(asCompleted([one, soon(1, 'b'), one, one]));
    assert.deepEqual(seen.map(([, { index }]) => index), [1, 0, 2, 3]); // prettier-ignore
    const bad = failing(5, 'bad');
    const { seen: settled } = await read(asCompleted([bad, bad], { settle: true }));
    assert.deepEqual(settled.map(([, one]) => one), [rejected(0, 'bad'), rejected(1, 'bad')]); // prettier-ignore
  });

  it('no array is changed, and what is done to it afterwards changes nothing', async () => {
    const promises = [soon(2, 'a'), soon(1, 'b')];
    const stream = asCompleted(promises);
    promises.length = 0;
    promises.push(never());
    const { seen } = await read(stream);
    assert.deepEqual(seen.map(([, { value }]) => value), ['b', 'a']); // prettier-ignore
  });

  it('symbols that leave items out elsewhere are values here', async () => {
    const { skip, stop } = require('../..');
    const { seen } = await read(asCompleted([skip, Promise.resolve(stop), 'c']));
    assert.deepEqual(new Set(seen.map(([, { value }]) => value)), new Set([skip, stop, 'c']));
  });

  it("the loop's body runs in the reader's async context", async () => {
    const storage = new AsyncLocalStorage();
    const stream = storage.run('maker', () => asCompleted([soon(1), soon(2), soon(3)]));
    const stores = [];
    const loop = async () => {
      for await (const { value } of stream) stores.push([value, storage.getStore()]);
    };
    await clock.over(storage.run('reader', loop));
    assert.deepEqual(stores, [[1, 'reader'], [2, 'reader'], [3, 'reader']]); // prettier-ignore
  });

  it('twenty thousand promises, each in its turn', async () => {
    const all = Array.from({ length: 20_000 }, deferred);
    const stream = asCompleted(all.map(({ promise }) => promise));
    const order = [...all.keys()].map((i) => (i * 7919) % all.length);
    const first = stream.next();
    for (const i of order) all[i].resolve(i);
    const seen = [(await first).value.index];
    for await (const { index } of stream) seen.push(index);
    assert.deepEqual(seen, order);
  });
});
