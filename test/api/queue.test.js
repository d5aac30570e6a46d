'use strict';

// Queue: items in order, for who comes in order; room for those who put, items for those who get.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const fc = require('fast-check');

const { Queue, SluiceError, TimeoutError } = require('../..');
const { usage } = require('../../lib/engine');
const { Ring } = require('../../lib/ring');
const { linesOfScripts } = require('../support/child');
const { SEED, runs } = require('../support/draws');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { Model, RealQueue, commands, finish } = require('../support/queue-model');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 6);
const MILLION = 1_000_000;

const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const isClosed = { name: 'SluiceError', code: 'ERR_SLUICE_CLOSED', message: 'The queue is closed' };

describe('Queue', () => {
  const clock = virtualClock();
  afterEach(() => {
    const { jobs, lanes, waiters, semaphores, limiters } = usage();
    assert.deepEqual({ jobs, lanes, waiters, semaphores, limiters }, nothing, 'nothing is left in C');
  });

  const nothing = { jobs: 0, lanes: 0, waiters: 0, semaphores: 0, limiters: 0 };

  /** Whether it has settled by now, at this instant. */
  async function isPending(promise) {
    let pending = true;
    const settled = () => (pending = false);
    promise.then(settled, settled);
    await clock.settleInstant();
    return pending;
  }

  async function drained(queue) {
    const items = [];
    for await (const item of queue) items.push(item);
    return items;
  }

  it(`does what plain arrays do, however operations, time and ends come (seed ${SEED})`, async function () {
    this.timeout(120_000);
    const maxSize = fc.constantFrom(1, 1, 2, 3, Infinity);
    const property = fc.asyncProperty(maxSize, commands, async (size, drawn) => {
      clock.reset();
      let both;
      const setup = () => (both = { model: new Model(size), real: new RealQueue(clock, size) });
      await fc.asyncModelRun(setup, drawn);
      await finish(both.model, both.real);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  describe('backpressure', () => {
    it('put() waits while maxSize items are in it, and goes on in the turn in which one is taken', async () => {
      const queue = new Queue({ maxSize: 2 });
      await queue.put('a');
      await queue.put('b');
      const third = queue.put('c');
      assert.equal(await isPending(third), true);
      assert.equal(queue.size, 2);
      assert.equal(await queue.get(), 'a');
      assert.equal(queue.size, 2); // the third has taken its place
      assert.equal(await isPending(third), false);
      queue.close();
      assert.deepEqual(await drained(queue), ['b', 'c']);
    });

    it('who waits with an item comes before who puts one later, also before tryPut()', async () => {
      const queue = new Queue({ maxSize: 1 });
      await queue.put(0);
      const puts = [1, 2, 3].map((item) => queue.put(item));
      assert.equal(queue.tryPut(4), false);
      assert.equal(queue.tryGet(), 0);
      assert.equal(queue.tryPut(4), false); // 1 has taken the room
      puts.push(queue.put(5));
      const got = [];
      while (queue.size > 0) got.push(await queue.get());
      assert.deepEqual(got, [1, 2, 3, 5]);
      await Promise.all(puts);
    });

    it('who waits for an item gets the next one, and who came first the first', async () => {
      const queue = new Queue();
      const gets = [queue.get(), queue.get({ timeout: 5 }), queue.get()];
      assert.equal(queue.tryGet(), undefined);
      for (const item of ['a', 'b', 'c', 'd']) assert.equal(queue.tryPut(item), true);
      assert.equal(queue.size, 1);
      assert.deepEqual(await Promise.all(gets), ['a', 'b', 'c']);
      assert.equal(queue.tryGet(), 'd');
    });

    it('an item whose put() has timed out or was aborted never comes', async () => {
      const queue = new Queue({ maxSize: 1 });
      const controller = new AbortController();
      await queue.put('first');
      const late = rejection(queue.put('late', { timeout: 5 }));
      const aborted = rejection(queue.put('aborted', { signal: controller.signal }));
      const last = queue.put('last');
      await clock.advance(5);
      const error = await late;
      assert.ok(error instanceof TimeoutError);
      const { scope, timeout, elapsed, loopBlocked, code } = error;
      assert.deepEqual(
        { scope, timeout, elapsed, loopBlocked, code },
        { scope: 'wait', timeout: 5, elapsed: 5, loopBlocked: 0, code: 'ERR_SLUICE_TIMEOUT' },
      );
      controller.abort('enough');
      assert.equal(await aborted, 'enough');
      queue.tryGet();
      await last;
      queue.close();
      assert.deepEqual(await drained(queue), ['last']);
    });

    it('no item is lost to a get() that has timed out or was aborted', async () => {
      const queue = new Queue();
      const controller = new AbortController();
      const late = rejection(queue.get({ timeout: 5 }));
      const aborted = rejection(queue.get({ signal: controller.signal, timeout: 50 }));
      const waiting = queue.get();
      await clock.advance(5);
      assert.equal((await late).scope, 'wait');
      controller.abort('enough');
      assert.equal(await aborted, 'enough');
      queue.tryPut('item');
      assert.equal(await waiting, 'item');
    });

    it('what comes in the instant in which the time is over has come', async () => {
      const queue = new Queue();
      const waiting = queue.get({ timeout: 5 });
      clock.setTimeout(() => queue.tryPut('in time'), 5);
      assert.equal(await clock.over(waiting), 'in time');
    });

    it('a signal that is aborted already rejects, also where there is an item, and room', async () => {
      const queue = new Queue();
      const signal = AbortSignal.abort('before');
      queue.tryPut('item');
      assert.equal(await rejection(queue.get({ signal })), 'before');
      assert.equal(await rejection(queue.put('other', { signal })), 'before');
      assert.equal(await rejection(queue.join({ signal })), 'before');
      assert.equal(queue.size, 1);
      queue.tryGet();
      queue.taskDone();
      assert.equal(await rejection(queue.join({ signal })), 'before');
    });

    it('an abort inside the continuation of another abort finds the queue as it must be', async () => {
      const queue = new Queue();
      const controller = new AbortController();
      const { signal } = controller;
      let second;
      // A listener of the signal's own that comes before the queue's.
      signal.addEventListener('abort', () => {
        queue.tryPut('x');
        second = rejection(queue.get({ signal }));
      });
      const first = queue.get({ signal });
      controller.abort('enough');
      assert.equal(await first, 'x');
      assert.equal(await second, 'enough');
      assert.equal(queue.size, 0);
    });
  });

  describe('close()', () => {
    it('turns away who waits with an item, and who comes with one; what is in it can still be got', async () => {
      const queue = new Queue({ maxSize: 1 });
      const controller = new AbortController();
      await queue.put('kept');
      const waits = [{}, { timeout: 50 }, { signal: controller.signal }].map((wish) =>
        rejection(queue.put('no', wish)),
      );
      assert.equal(queue.isClosed, false);
      queue.close();
      assert.equal(queue.isClosed, true);
      for (const error of await Promise.all(waits)) {
        assert.ok(error instanceof SluiceError);
        assert.equal(error.code, 'ERR_SLUICE_CLOSED');
      }
      await assert.rejects(queue.put('no'), isClosed);
      assert.throws(() => queue.tryPut('no'), isClosed);
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
      assert.equal(await queue.get(), 'kept');
      await assert.rejects(queue.get(), isClosed);
      assert.equal(queue.tryGet(), undefined);
    });

    it('turns away who waits for an item, however; a loop ends', async () => {
      const queue = new Queue();
      const controller = new AbortController();
      const waits = [{}, { timeout: 50 }, { signal: controller.signal }].map((wish) => rejection(queue.get(wish)));
      waits.push(rejection(queue.get()));
      const loops = [drained(queue), drained(queue)];
      queue.close();
      for (const error of await Promise.all(waits)) assert.equal(error.code, 'ERR_SLUICE_CLOSED');
      assert.deepEqual(await Promise.all(loops), [[], []]);
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
      await assert.rejects(queue.get({ timeout: 5 }), isClosed);
      assert.deepEqual(await drained(queue), []);
    });

    it('does not end join(): what was put must still be done', async () => {
      const queue = new Queue();
      queue.tryPut('a');
      const joined = queue.join();
      queue.close();
      assert.equal(await isPending(joined), true);
      queue.tryGet();
      queue.taskDone();
      await joined;
      await queue.join();
    });

    it('is idempotent', async () => {
      const queue = new Queue();
      queue.tryPut('a');
      queue.close();
      queue.close();
      assert.equal(await queue.get(), 'a');
      queue.close();
      await assert.rejects(queue.get(), isClosed);
    });

    it('with discard drops what is in it, which counts as done; also when it was closed before', async () => {
      for (const isClosedBefore of [false, true]) {
        const queue = new Queue({ maxSize: 3 });
        for (const item of ['got', 'a', 'b']) queue.tryPut(item);
        const putting = queue.put('c');
        queue.tryGet(); // lets the fourth in
        await putting;
        const refused = isClosedBefore ? undefined : rejection(queue.put('d'));
        const joined = queue.join();
        if (isClosedBefore) queue.close();
        queue.close({ discard: true });
        assert.equal(queue.size, 0);
        if (refused !== undefined) assert.equal((await refused).code, 'ERR_SLUICE_CLOSED');
        assert.equal(await isPending(joined), true); // the one that was got
        queue.taskDone();
        await joined;
        assert.throws(() => queue.taskDone(), { code: 'ERR_SLUICE_TASK_DONE' });
        await assert.rejects(queue.get(), isClosed);
        queue.close({ discard: true });
      }
    });

    it('with discard: false is a plain one', async () => {
      const queue = new Queue();
      queue.tryPut('a');
      queue.close({ discard: false });
      assert.equal(queue.size, 1);
      queue.close({ discard: true });
      assert.equal(queue.size, 0);
      await queue.join();
    });
  });

  describe('taskDone() and join()', () => {
    it('join() waits for every item that was put; an item in the line is none yet', async () => {
      const queue = new Queue({ maxSize: 1 });
      await queue.join();
      queue.tryPut('a');
      const controller = new AbortController();
      const waiting = queue.put('b', { signal: controller.signal });
      const joins = [queue.join(), queue.join({ timeout: 50 }), queue.join({ signal: controller.signal })];
      controller.signal.addEventListener('abort', () => {});
      assert.equal(await queue.get(), 'a'); // 'b' is in
      queue.taskDone();
      for (const join of joins) assert.equal(await isPending(join), true);
      assert.equal(await queue.get(), 'b');
      queue.taskDone();
      assert.deepEqual(await Promise.all(joins), [undefined, undefined, undefined]);
      await waiting;
      assert.equal(getEventListeners(controller.signal, 'abort').length, 1); // ours
    });

    it('join() with a timeout and a signal', async () => {
      const queue = new Queue();
      queue.tryPut('a');
      const controller = new AbortController();
      const late = rejection(queue.join({ timeout: 7 }));
      const aborted = rejection(queue.join({ signal: controller.signal, timeout: 10 }));
      const joined = queue.join();
      await clock.advance(6);
      assert.equal(await isPending(late), true);
      await clock.advance(1);
      assert.deepEqual([(await late).scope, (await late).elapsed], ['wait', 7]);
      controller.abort('enough');
      assert.equal(await aborted, 'enough');
      queue.tryGet();
      queue.taskDone();
      await joined;
    });

    it('who joins again after more was put waits again', async () => {
      const queue = new Queue();
      for (let round = 0; round < 3; round++) {
        queue.tryPut(round);
        const joined = queue.join();
        queue.tryGet();
        assert.equal(await isPending(joined), true);
        queue.taskDone();
        await joined;
      }
    });

    it('taskDone() too often is an error that changes nothing', async () => {
      const queue = new Queue();
      const tooOften = { name: 'SluiceError', code: 'ERR_SLUICE_TASK_DONE' };
      assert.throws(() => queue.taskDone(), tooOften);
      queue.tryPut('a');
      queue.tryPut('b');
      assert.throws(() => queue.taskDone(), tooOften); // none has been taken yet
      queue.tryGet();
      queue.taskDone();
      assert.throws(() => queue.taskDone(), tooOften);
      const joined = queue.join();
      queue.tryGet();
      queue.taskDone();
      await joined;
      assert.throws(() => queue.taskDone(), tooOften);
    });
  });

  describe('for await', () => {
    it('any number of loops share the items, each of which one of them gets, and end when it is closed', async () => {
      const queue = new Queue({ maxSize: 2 });
      const loops = [drained(queue), drained(queue), drained(queue)];
      for (let i = 0; i < 30; i++) await queue.put(i);
      queue.close();
      const got = await Promise.all(loops);
      assert.deepEqual(got.flat().sort((a, b) => a - b), [...Array(30).keys()]); // prettier-ignore
      for (const items of got) {
        assert.ok(items.length > 0);
        assert.deepEqual(items, items.toSorted?.((a, b) => a - b) ?? items);
      }
    });

    it('leaving a loop does not close the queue, and takes no item along', async () => {
      const queue = new Queue();
      for (const item of [1, 2, 3]) queue.tryPut(item);
      const seen = [];
      for await (const item of queue) if (seen.push(item) === 1) break;
      assert.deepEqual(seen, [1]);
      const throwing = async () => {
        for await (const item of queue) if (item === 2) throw new Error(`at ${item}`);
      };
      await assert.rejects(throwing(), /at 2/);
      assert.equal(queue.isClosed, false);
      assert.equal(await queue.get(), 3);
      assert.equal(queue.tryPut(4), true);
      assert.equal(await queue.get(), 4);
    });

    it("an iterator that was left is over, and its return() gives back what it is given; another one isn't", async () => {
      const queue = new Queue();
      const iterator = queue[Symbol.asyncIterator]();
      assert.equal(iterator[Symbol.asyncIterator](), iterator);
      assert.deepEqual(await iterator.return('value'), { value: 'value', done: true });
      queue.tryPut('a');
      assert.deepEqual(await iterator.next(), { value: undefined, done: true });
      assert.deepEqual(await queue[Symbol.asyncIterator]().next(), { value: 'a', done: false });
    });

    it('next() may be called ahead: the answers come in order', async () => {
      const queue = new Queue();
      const iterator = queue[Symbol.asyncIterator]();
      const answers = [iterator.next(), iterator.next(), iterator.next()];
      queue.tryPut('a');
      queue.tryPut('b');
      queue.close();
      assert.deepEqual(await Promise.all(answers), [
        { value: 'a', done: false },
        { value: 'b', done: false },
        { value: undefined, done: true },
      ]);
    });

    it('promises and undefined are items like others', async () => {
      const queue = new Queue();
      const promise = Promise.resolve('later');
      queue.tryPut(undefined);
      queue.tryPut(promise);
      const iterator = queue[Symbol.asyncIterator]();
      assert.deepEqual(await iterator.next(), { value: undefined, done: false });
      assert.equal((await iterator.next()).value, promise);
      queue.tryPut(promise);
      assert.equal(await queue.get(), 'later'); // as any promise of a promise
      queue.tryPut(promise);
      assert.equal(queue.tryGet(), promise);
    });
  });

  describe('misuse', () => {
    it('arguments that are no options, or unknown ones, are named; nothing is put, nothing is taken', async () => {
      assert.throws(() => Queue(), TypeError);
      for (const maxSize of [0, -1, 1.5, NaN]) assert.throws(() => new Queue({ maxSize }), outOfRange);
      for (const maxSize of ['1', null, {}]) assert.throws(() => new Queue({ maxSize }), invalid);
      for (const given of [null, 5, 'x', []]) assert.throws(() => new Queue(given), invalid);
      assert.throws(() => new Queue({ maxsize: 1 }), { ...invalid, message: /"options.maxsize"/ });
      assert.equal(new Queue({ maxSize: undefined }).maxSize, Infinity);

      const queue = new Queue({ maxSize: 2 });
      queue.tryPut('item');
      const calls = {
        put: (given) => queue.put('x', given),
        get: (given) => queue.get(given),
        join: (given) => queue.join(given),
      };
      for (const call of Object.values(calls)) {
        for (const given of [null, 5, 'x', [], { timeout: '5' }, { signal: {} }])
          await assert.rejects(call(given), invalid);
        for (const timeout of [-1, NaN]) await assert.rejects(call({ timeout }), outOfRange);
        await assert.rejects(call({ timout: 5 }), { ...invalid, message: /"options.timout"/ });
        await assert.rejects(call({ unref: true }), { ...invalid, message: /"options.unref"/ });
      }
      assert.equal(queue.size, 1);
      for (const given of [null, 5, { discard: 1 }, { discrad: true }])
        assert.throws(() => queue.close(given), invalid);
      assert.equal(queue.isClosed, false);
    });

    it("methods of a stranger's: those that return promises reject, the others throw", async () => {
      const methods = Queue.prototype;
      const invalidThis = { name: 'TypeError', code: 'ERR_INVALID_THIS' };
      for (const stranger of [undefined, null, 5, {}, Object.create(methods), new Proxy(new Queue(), {})]) {
        for (const name of ['put', 'get', 'join']) await assert.rejects(methods[name].call(stranger), invalidThis);
        for (const name of ['tryPut', 'tryGet', 'taskDone', 'close', Symbol.asyncIterator])
          assert.throws(() => methods[name].call(stranger), invalidThis, String(name));
        for (const name of ['size', 'maxSize', 'isClosed']) {
          const { get } = Object.getOwnPropertyDescriptor(methods, name);
          assert.throws(() => get.call(stranger), invalidThis, name);
        }
      }
    });

    it('a reader that is not one rejects', async () => {
      const { next, return: leave } = Object.getPrototypeOf(new Queue()[Symbol.asyncIterator]());
      await assert.rejects(next.call({}), TypeError);
      await assert.rejects(async () => leave.call({}), TypeError);
    });

    it('a timeout of 0 is no wait: there is an item, or there is none', async () => {
      const queue = new Queue();
      const waiting = rejection(queue.get({ timeout: 0 }));
      await clock.settleInstant();
      assert.equal((await waiting).timeout, 0);
      queue.tryPut('a');
      assert.equal(await queue.get({ timeout: 0 }), 'a');
    });

    it('an item whose `then` is a getter that throws, or that uses the queue, harms nobody else', async () => {
      const queue = new Queue({ maxSize: 1 });
      const boom = new Error('boom');
      const hostile = Object.defineProperty({}, 'then', { get: () => { throw boom; } }); // prettier-ignore
      const nosy = Object.defineProperty({}, 'then', {
        get: () => void (queue.tryGet(), queue.tryPut('of the getter')),
      });
      const reasons = await unhandledDuring(async () => {
        const gets = [rejection(queue.get()), queue.get(), queue.get({ timeout: 50 }), queue.get({ timeout: 50 })];
        queue.tryPut(hostile);
        queue.tryPut(nosy); // whoever waits next gets what is put in between
        queue.tryPut('c');
        assert.deepEqual(await Promise.all(gets), [boom, nosy, 'of the getter', 'c']);
      });
      assert.deepEqual(reasons, []);
      assert.equal(queue.size, 0);
    });
  });

  describe('of any length', () => {
    it('a million items come out in order, and so do those for whom a million gets and puts waited', async function () {
      this.timeout(60_000); // who moves all entries for each one would be at it for hours
      const queue = new Queue();
      for (let i = 0; i < MILLION; i++) assert.ok(queue.tryPut(i));
      assert.equal(queue.size, MILLION);
      for (let i = 0; i < MILLION; i++) if (queue.tryGet() !== i) assert.fail(`item ${i}`);
      let answered = 0;
      const count = (item) => {
        if (item !== answered++) assert.fail(`item ${item}`);
      };
      for (let i = 0; i < MILLION / 10; i++) queue.get().then(count);
      for (let i = 0; i < MILLION / 10; i++) queue.tryPut(i);
      await turn();
      assert.deepEqual([answered, queue.size], [MILLION / 10, 0]);
      const small = new Queue({ maxSize: 1 });
      for (let i = 0; i < MILLION / 10; i++) small.put(i);
      for (let i = 0; i < MILLION / 10; i++) if (small.tryGet() !== i) assert.fail(`item ${i}`);
      assert.equal(small.size, 0);
    });

    it('a hundred thousand waits with a timeout or a signal: in order, and nothing is left of them', async function () {
      this.timeout(60_000);
      const queue = new Queue();
      const { signal } = new AbortController();
      const wishes = [{ timeout: 1000 }, { signal }, undefined];
      const gets = Array.from({ length: MILLION / 10 }, (_, i) => queue.get(wishes[i % 3]));
      assert.equal(getEventListeners(signal, 'abort').length, 1);
      for (let i = 0; i < gets.length; i++) queue.tryPut(i);
      assert.deepEqual(await Promise.all(gets), [...gets.keys()]);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    });

    it('the ring of a long line is given up when it is empty; a ring does what an array does', () => {
      const ring = new Ring();
      for (let i = 0; i < 100_000; i++) ring.push(i);
      assert.ok(ring.entries.length < 400_000);
      for (let i = 0; i < 100_000; i++) assert.equal(ring.shift(), i);
      assert.equal(ring.entries.length, 16);
      const steps = fc.array(
        fc.oneof({ weight: 5, arbitrary: fc.nat() }, { weight: 4, arbitrary: fc.constant('shift') }),
        {
          size: 'max',
          maxLength: 300,
        },
      );
      const property = fc.property(steps, (drawn) => {
        const [own, array] = [new Ring(), []];
        for (const step of drawn) {
          if (step !== 'shift') {
            own.push(step);
            array.push(step);
          } else if (array.length > 0) {
            assert.equal(own.shift(), array.shift());
          }
          assert.equal(own.size, array.length);
        }
        while (array.length > 0) assert.equal(own.shift(), array.shift());
        assert.ok(
          own.entries.every((entry) => entry === undefined),
          'it keeps nothing',
        );
      });
      fc.assert(property, { seed: SEED });
    });
  });

  it('a queue and what is in it, its getters and its putters, are garbage together', async () => {
    const [{ collected }] = await linesOf('garbage');
    assert.deepEqual(collected, ['queue', 'item', 'putter', 'getter', 'loop']);
  });

  // Each in a process of its own, which ends by itself or is killed.
  const scripts = {
    'a get() without a timeout': `queue.get().then(log, log);`,
    'a get() with a signal': `queue.get({ signal: new AbortController().signal }).then(log, log);`,
    'a put() without a timeout': `queue.tryPut(1); queue.put(2).then(log, log);`,
    'a put() behind one with a signal': `
      queue.tryPut(1); queue.put(2, { signal: new AbortController().signal }).then(log, log); queue.put(3).then(log, log);`,
    'a join()': `queue.tryPut(1); queue.join().then(log, log);`,
    'a for await loop': `(async () => { for await (const item of queue) log(item); })();`,
    'a get() with a timeout': `queue.get({ timeout: 40 }).then(log, (error) => log(error.scope));`,
    'a put() with a timeout': `queue.tryPut(1); queue.put(2, { timeout: 40 }).then(log, (error) => log(error.scope));`,
    'a join() with a timeout': `queue.tryPut(1); queue.join({ timeout: 40 }).then(log, (error) => log(error.scope));`,
    'a get() with a timeout that has got its item': `queue.get({ timeout: 3_600_000 }).then(log); queue.tryPut('item');`,
    garbage: `
      const collected = [];
      const registry = new FinalizationRegistry((name) => collected.push(name));
      const keep = (name, object) => (registry.register(object, name), object);
      (() => {
        const one = keep('queue', new Queue({ maxSize: 1 }));
        one.tryPut(keep('item', {}));
        keep('putter', one.put({}));
        const other = new Queue();
        keep('getter', other.get());
        const iterator = other[Symbol.asyncIterator]();
        keep('loop', iterator);
        iterator.next();
      })();
      let left = 50;
      const look = () => {
        gc();
        if (collected.length < 5 && left-- > 0) return setImmediate(look);
        const order = ['queue', 'item', 'putter', 'getter', 'loop'];
        log({ collected: collected.sort((a, b) => order.indexOf(a) - order.indexOf(b)) });
      };
      look();`,
  };
  const MAIN = `
    const { Queue } = require(${JSON.stringify(require.resolve('../..'))});
    const queue = new Queue({ maxSize: 1 });
    const log = (what) => console.log(JSON.stringify(typeof what === 'object' && what !== null ? what : { what }));
  `;
  const linesOf = linesOfScripts(scripts, MAIN);

  describe('liveness', function () {
    this.timeout(120_000);
    const whatOf = async (name) => (await linesOf(name)).map(({ what }) => what);
    for (const name of Object.keys(scripts).slice(0, 6)) {
      it(`${name} does not keep the process alive`, async () => assert.deepEqual(await whatOf(name), []));
    }
    for (const name of Object.keys(scripts).slice(6, 9)) {
      it(`${name} keeps it alive until that`, async () => assert.deepEqual(await whatOf(name), ['wait']));
    }
    it('a wait that is over does not', async () => {
      assert.deepEqual(await whatOf('a get() with a timeout that has got its item'), ['item']);
    });
  });

  it('promises of waits that are settled are settled once, and none is unhandled', async () => {
    const reasons = await unhandledDuring(async () => {
      const queue = new Queue({ maxSize: 1 });
      const controller = new AbortController();
      const { promise, resolve } = deferred();
      const wait = queue.get({ signal: controller.signal, timeout: 5 });
      wait.then(resolve);
      queue.tryPut('a');
      controller.abort('late');
      queue.close();
      await clock.advance(10);
      assert.equal(await promise, 'a');
    });
    assert.deepEqual(reasons, []);
  });
});
