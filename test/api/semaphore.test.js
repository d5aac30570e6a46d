'use strict';

// Semaphore and Mutex: permits, for who comes in order.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');

const sluice = require('../..');
const { usage } = require('../../lib/engine');
const { linesOfScripts } = require('../support/child');
const { Log, assertNothingLeft, microtasks } = require('../support/endings');
const { invalidThis, invalidType, isClosed, isFull, isReleased, outOfRange } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const { Mutex, Semaphore, SluiceError, TimeoutError, mapWithLimit } = sluice;

const MANY = 160_000;
const never = () => new Promise(() => {});
const listenersOf = (signal) => getEventListeners(signal, 'abort').length;

// How those wait that come one after the other. A line of equals stands in JavaScript; with the first who sets a condition
// it moves to C.
const forms = {
  'who all wait without conditions': () => undefined,
  'who all have a timeout': () => ({ timeout: 1000 }),
  'who all have a signal': () => ({ signal: new AbortController().signal }),
  'of whom every other one has a timeout': (i) => (i % 2 === 1 ? { timeout: 1000 } : undefined),
  'of whom only the first has a timeout': (i) => (i === 0 ? { timeout: 1000 } : undefined),
  'of whom only the last has a timeout': (i) => (i === 5 ? { timeout: 1000 } : undefined),
};

/** One that aborts itself, throws or runs any code where it is listened to. */
class StrangeSignal extends EventTarget {
  aborted = false;
  reason = undefined;

  constructor({ onJoin = () => {}, onLeave = () => {} }) {
    super();
    this.onJoin = onJoin;
    this.onLeave = onLeave;
  }

  addEventListener(...args) {
    super.addEventListener(...args);
    this.onJoin(this);
  }

  removeEventListener(...args) {
    super.removeEventListener(...args);
    this.onLeave(this);
  }

  abort(reason) {
    this.aborted = true;
    this.reason = reason;
    this.dispatchEvent(new Event('abort'));
  }
}

describe('Semaphore', () => {
  const clock = virtualClock();
  let log;
  beforeEach(() => (log = new Log()));
  afterEach(assertNothingLeft);

  /** With all its permits out. */
  function taken(permits, given) {
    const semaphore = new Semaphore(permits, given);
    return { semaphore, held: Array.from({ length: permits }, () => semaphore.tryAcquire()) };
  }

  const levels = ({ permits, available, waiting }) => ({ permits, available, waiting });

  describe('the line', () => {
    for (const [form, wishOf] of Object.entries(forms)) {
      it(`lets in, in the order in which they came, those ${form}`, async () => {
        const { semaphore, held } = taken(2);
        const waits = Array.from({ length: 6 }, (_, i) => log.follow(i, semaphore.acquire(1, wishOf(i))));
        assert.deepEqual(levels(semaphore), { permits: 2, available: 0, waiting: 6 });
        assert.deepEqual(await log.next(), []);
        for (const permit of held) permit.release();
        assert.deepEqual(await log.next(), [[0, 'granted'], [1, 'granted']]); // prettier-ignore
        assert.equal(semaphore.waiting, 4);
        for (let i = 0; i < 6; i++) {
          (await waits[i]).release();
          assert.deepEqual(await log.next(), i < 4 ? [[i + 2, 'granted']] : []);
        }
        assert.deepEqual(levels(semaphore), { permits: 2, available: 2, waiting: 0 });
        await clock.advance(2000);
        assert.deepEqual(levels(semaphore), { permits: 2, available: 2, waiting: 0 });
      });

      it(`hands a permit over in the very turn in which it comes back, to those ${form}`, async () => {
        const { semaphore, held } = taken(1);
        const wait = log.follow('waiter', semaphore.acquire(1, wishOf(1)));
        await turn();
        held[0].release();
        assert.equal(semaphore.available, 0); // it is out again already
        assert.equal(semaphore.tryAcquire(), undefined);
        assert.deepEqual(await log.next(), [['waiter', 'granted']]);
        (await wait).release();
      });

      it(`turns away, when it is closed, those ${form}`, async () => {
        const { semaphore, held } = taken(1);
        const waits = Array.from({ length: 6 }, (_, i) => semaphore.acquire(1, wishOf(i)));
        waits.forEach((wait, i) => log.follow(i, wait));
        semaphore.close();
        const outcomes = (await log.next()).sort(([one], [other]) => one - other);
        assert.deepEqual(
          outcomes,
          waits.map((_, i) => [i, 'ERR_SLUICE_CLOSED']),
        );
        assert.equal(semaphore.waiting, 0);
        held[0].release();
      });

      it(`turns away who would be one too many, behind those ${form}`, async () => {
        const { semaphore, held } = taken(1, { maxWaiting: 6 });
        for (let i = 0; i < 6; i++) log.follow(i, semaphore.acquire(1, wishOf(i)));
        for (const wish of [undefined, { timeout: 5 }]) await assert.rejects(semaphore.acquire(1, wish), isFull);
        await assert.rejects(semaphore.use(never), isFull);
        held[0].release(); // the first goes on, and there is room for one
        log.follow('next', semaphore.acquire());
        await assert.rejects(semaphore.acquire(), isFull);
        semaphore.close();
        assert.equal((await log.next()).length, 7);
      });
    }

    it('keeps its order from JavaScript to C and back, again and again', async () => {
      const wishes = [
        () => undefined,
        () => ({ timeout: 1e6 }),
        () => undefined,
        () => ({ signal: new AbortController().signal }),
      ];
      const semaphore = new Semaphore(2);
      const out = [];
      let count = 0;
      let next = 0;
      const come = (wish) => {
        const name = count++;
        log.follow(
          name,
          semaphore.acquire(1, wish).then((permit) => out.push(permit)),
        );
      };
      for (let round = 0; round < 40; round++) {
        for (let i = 0; i <= round % 7; i++) come(wishes[(round + i * (round % 3)) % 4]());
        // Some rounds leave the line standing, others empty it: then C gives the count back.
        const leave = round % 5 === 0 ? 0 : round % 4;
        await microtasks();
        while (semaphore.waiting > leave || out.length > (leave === 0 ? 0 : 2)) {
          out.shift().release();
          await microtasks();
        }
        for (const [name] of log.entries.splice(0)) assert.equal(name, next++);
        if (semaphore.waiting === 0) assert.equal(usage().semaphores, 0);
      }
      while (out.length > 0) {
        out.shift().release();
        await microtasks();
      }
      for (const [name] of log.entries.splice(0)) assert.equal(name, next++);
      assert.equal(next, count);
      assert.deepEqual(levels(semaphore), { permits: 2, available: 2, waiting: 0 });
    });

    it('stands in C only while somebody waits with a condition, and is given back whatever ends that', async () => {
      const ends = {
        grant: ({ release }) => release(),
        timeout: () => clock.advance(5),
        abort: ({ controller }) => controller.abort('enough'),
        close: ({ semaphore }) => semaphore.close(),
        refusal: ({ semaphore }) => semaphore.resize(1),
      };
      for (const [name, end] of Object.entries(ends)) {
        const { semaphore, held } = taken(2);
        const controller = new AbortController();
        assert.equal(usage().semaphores, 0);
        const wait = semaphore.acquire(2, { timeout: 5, signal: controller.signal });
        wait.then((permit) => permit.release(), () => {}); // prettier-ignore
        assert.equal(usage().semaphores, 1);
        await end({ semaphore, controller, release: () => held.splice(0).forEach((permit) => permit.release()) });
        await microtasks();
        assert.equal(usage().semaphores, 0, name);
        for (const permit of held) permit.release();
        assert.equal(semaphore.available, semaphore.permits, name);
      }
    });

    it(`${MANY} wait in order, and each goes on in the turn of the one before`, async function () {
      this.timeout(120_000);
      for (const wishOf of [() => undefined, (i) => (i === 7 || i % 1000 === 999 ? { timeout: 1e9 } : undefined)]) {
        const { semaphore, held } = taken(1);
        let next = 0;
        const waits = Array.from({ length: MANY }, async (_, i) => {
          const permit = await semaphore.acquire(1, wishOf(i));
          assert.equal(next++, i);
          permit.release();
        });
        assert.equal(semaphore.waiting, MANY);
        let isFresh = true;
        setImmediate(() => (isFresh = false));
        held[0].release();
        await Promise.all(waits);
        assert.ok(isFresh, 'no other turn has begun');
        assert.deepEqual([next, semaphore.waiting, semaphore.available], [MANY, 0, 1]);
      }
    });

    it('that has got long and short again is still in order', async () => {
      // The ring that it stands in goes round and grows in between.
      const { semaphore, held } = taken(1);
      let come = 0;
      let gone = 0;
      let permit = held[0];
      const waits = [];
      for (let round = 1; round <= 60; round++) {
        for (let i = 0; i < (round * 13) % 50; i++) waits.push(semaphore.acquire().then((one) => [come++, one]));
        for (let i = 0; i < (round * 7) % 40 && waits.length > 0; i++) {
          permit.release();
          const [number, one] = await waits.shift();
          assert.equal(number, gone++);
          permit = one;
        }
      }
      for (const wait of waits) {
        permit.release();
        permit = (await wait)[1];
      }
      permit.release();
      assert.equal(semaphore.available, 1);
    });
  });

  describe('weights', () => {
    it('a permit stands for as many as its weight, and gives back as many', async () => {
      const semaphore = new Semaphore(5);
      const three = await semaphore.acquire(3);
      assert.deepEqual([three.weight, three.isReleased, semaphore.available], [3, false, 2]);
      const two = semaphore.tryAcquire(2);
      assert.deepEqual([two.weight, semaphore.available], [2, 0]);
      three.release();
      assert.deepEqual([three.weight, three.isReleased, semaphore.available], [3, true, 3]);
      two[Symbol.dispose]();
      assert.equal(semaphore.available, 5);
      assert.equal((await semaphore.acquire(5)).weight, 5);
    });

    it('who waits with a great weight is not overtaken by lighter ones, and so not starved by them', async () => {
      const { semaphore, held } = taken(3);
      held.pop().release();
      log.follow('heavy', semaphore.acquire(3));
      const lights = [1, 2, 3].map((i) => log.follow(`light ${i}`, semaphore.acquire()));
      assert.deepEqual(levels(semaphore), { permits: 3, available: 0, waiting: 4 }); // one is free, and kept for it
      assert.equal(semaphore.tryAcquire(), undefined);
      held.pop().release();
      assert.deepEqual(await log.next(), []);
      held.pop().release();
      assert.deepEqual(await log.next(), [['heavy', 'granted']]);
      semaphore.close();
      await Promise.allSettled(lights);
    });

    it('a heavy one that is let in leaves the rest to those behind it', async () => {
      const { semaphore, held } = taken(4);
      for (const [name, weight] of Object.entries({ a: 2, b: 1, c: 2, d: 1 }))
        log.follow(name, semaphore.acquire(weight));
      for (let i = 0; i < 3; i++) held.pop().release();
      assert.deepEqual(await log.next(), [['a', 'granted'], ['b', 'granted']]); // prettier-ignore
      held.pop().release();
      assert.deepEqual(await log.next(), []); // c needs two
      semaphore.close();
    });

    for (const [end, act] of Object.entries({
      'its time is over': () => clock.advance(5),
      'it is aborted': ({ controller }) => controller.abort(),
      'there are fewer permits than it asks for': ({ semaphore }) => semaphore.resize(2),
    })) {
      it(`a heavy one that leaves, since ${end}, lets in who stood behind it`, async () => {
        const semaphore = new Semaphore(3);
        const permit = semaphore.tryAcquire();
        const controller = new AbortController();
        const heavy = rejection(semaphore.acquire(3, { timeout: 5, signal: controller.signal }));
        const light = log.follow('light', semaphore.acquire(1, { timeout: 50 }));
        assert.equal(semaphore.available, 0);
        await act({ controller, semaphore });
        assert.deepEqual(await log.next(), [['light', 'granted']]);
        await heavy;
        (await light).release();
        permit.release();
        assert.equal(semaphore.available, semaphore.permits);
      });
    }

    it('more than there are is a RangeError that names it, at once', async () => {
      const semaphore = new Semaphore(2);
      const message = /"weight".*<= 2.*3/;
      await assert.rejects(semaphore.acquire(3), { ...outOfRange, message });
      assert.throws(() => semaphore.tryAcquire(3), { ...outOfRange, message });
      await assert.rejects(semaphore.use(never, { weight: 3 }), { ...outOfRange, message: /"options\.weight".*<= 2/ });
      assert.equal(semaphore.available, 2);
    });

    it('Infinity permits never run out', async () => {
      const semaphore = new Semaphore(Infinity);
      assert.deepEqual(levels(semaphore), { permits: Infinity, available: Infinity, waiting: 0 });
      const permits = await Promise.all([semaphore.acquire(), semaphore.acquire(1e9), semaphore.acquire(2 ** 40)]);
      assert.equal(semaphore.available, Infinity);
      for (const permit of permits) permit.release();
      semaphore.resize(1);
      assert.deepEqual(levels(semaphore), { permits: 1, available: 1, waiting: 0 });
      const one = semaphore.tryAcquire();
      const wait = semaphore.acquire({ timeout: 5 });
      semaphore.resize(Infinity); // in C
      (await wait).release();
      assert.equal(semaphore.available, Infinity);
      one.release();
    });

    it('permits are counted beyond 32 bits', async () => {
      const most = 2 ** 40;
      const semaphore = new Semaphore(most);
      const permit = await semaphore.acquire(most - 1);
      assert.equal(semaphore.available, 1);
      const wait = log.follow('rest', semaphore.acquire(2 ** 35, { timeout: 5 }));
      assert.deepEqual(await log.next(), []);
      permit.release();
      assert.equal(semaphore.available, most - 2 ** 35);
      (await wait).release();
      assert.equal(semaphore.available, most);
    });
  });

  describe('tryAcquire()', () => {
    it('takes what is free, and nothing where that is not enough', () => {
      const semaphore = new Semaphore(3);
      const two = semaphore.tryAcquire(2);
      assert.equal(semaphore.tryAcquire(2), undefined);
      assert.equal(semaphore.available, 1);
      const one = semaphore.tryAcquire();
      assert.equal(one.weight, 1);
      assert.equal(semaphore.tryAcquire(), undefined);
      two.release();
      one.release();
      assert.equal(semaphore.available, 3);
    });

    it('takes nothing while others wait, be there permits or not', async () => {
      const semaphore = new Semaphore(2);
      const permit = semaphore.tryAcquire();
      const heavy = semaphore.acquire(2);
      assert.equal(semaphore.tryAcquire(), undefined);
      permit.release();
      assert.equal(semaphore.tryAcquire(), undefined);
      (await heavy).release();
      semaphore.tryAcquire(2).release();
    });
  });

  describe('use()', () => {
    const failure = new Error('failed');
    const bodies = {
      'returns a value': [() => 'value', 'value'],
      'returns a promise': [() => turn().then(() => 'later'), 'later'],
      'returns a thenable': [() => ({ then: (resolve) => resolve('then') }), 'then'],
      throws: [
        () => {
          throw failure;
        },
        failure,
      ],
      rejects: [() => turn().then(() => Promise.reject(failure)), failure],
      'gives the permit back early and returns': [(permit) => (permit.release(), 'early'), 'early'],
      'gives the permit back early and throws': [
        (permit) => {
          permit[Symbol.dispose]();
          throw failure;
        },
        failure,
      ],
      'gives a thenable that throws': [
        () => ({
          then() {
            throw failure;
          },
        }),
        failure,
      ],
    };
    for (const [name, [fn, expected]] of Object.entries(bodies)) {
      for (const [state, isFree] of Object.entries({ 'at once': true, 'after a wait': false })) {
        it(`gives the permit back, called ${state}, where fn ${name}; and settles as fn does`, async () => {
          for (const wish of [undefined, { weight: 2, timeout: 50 }]) {
            const semaphore = new Semaphore(2);
            const held = isFree ? undefined : semaphore.tryAcquire(2);
            const result = semaphore.use(fn, wish);
            if (!isFree) {
              assert.equal(semaphore.waiting, 1);
              held.release();
            }
            if (expected === failure) assert.equal(await rejection(result), failure);
            else assert.equal(await result, expected);
            assert.deepEqual(levels(semaphore), { permits: 2, available: 2, waiting: 0 });
          }
        });
      }
    }

    it('holds the permit until what fn returned has settled, and hands fn the permit', async () => {
      const semaphore = new Semaphore(3);
      const end = deferred();
      let given;
      const result = semaphore.use((permit) => ((given = permit), end.promise), { weight: 2 });
      await turn();
      assert.deepEqual([given.weight, given.isReleased, semaphore.available], [2, false, 1]);
      end.resolve('end');
      assert.equal(await result, 'end');
      assert.deepEqual([given.isReleased, semaphore.available], [true, 3]);
    });

    it('calls fn at once where a permit is free, in the order of asking', async () => {
      const semaphore = new Semaphore(1);
      const called = [];
      const uses = [1, 2, 3].map((i) => semaphore.use(async () => (called.push(i), turn())));
      assert.deepEqual(called, [1]);
      await Promise.all(uses);
      assert.deepEqual(called, [1, 2, 3]);
    });

    it('does not call fn where the wait has failed', async () => {
      const { semaphore, held } = taken(1);
      const controller = new AbortController();
      const called = () => assert.fail('called');
      const late = semaphore.use(called, { timeout: 5 });
      const aborted = semaphore.use(called, { signal: controller.signal });
      const closed = semaphore.use(called);
      log.follow('late', late);
      log.follow('aborted', aborted);
      log.follow('closed', closed);
      await clock.advance(5);
      controller.abort('enough');
      semaphore.close();
      await assert.rejects(semaphore.use(called), isClosed);
      assert.deepEqual(await log.next(), [
        ['late', 'ERR_SLUICE_TIMEOUT'],
        ['aborted', 'enough'],
        ['closed', 'ERR_SLUICE_CLOSED'],
      ]);
      held[0].release();
    });

    it('timeout and signal are for the wait, not for fn', async () => {
      const semaphore = new Semaphore(1);
      const controller = new AbortController();
      const result = semaphore.use(() => clock.sleep(50), { timeout: 5, signal: controller.signal });
      await clock.advance(10);
      controller.abort('late');
      assert.equal(semaphore.available, 0);
      await clock.over(result);
      assert.equal(clock.now, 50);
    });

    it('the stack of what fn throws names who called use(), whether it had to wait or not', async () => {
      const semaphore = new Semaphore(1);
      async function theCaller(wish) {
        return await semaphore.use(async () => {
          await turn();
          throw new Error('from fn');
        }, wish);
      }
      for (const wish of [undefined, { timeout: 1000 }]) {
        for (const isFree of [true, false]) {
          const held = isFree ? undefined : semaphore.tryAcquire();
          const result = rejection(theCaller(wish));
          held?.release();
          assert.match((await result).stack, /at async theCaller/, JSON.stringify({ wish, isFree }));
        }
      }
    });
  });

  describe('resize()', () => {
    for (const [form, wishOf] of Object.entries(forms)) {
      it(`lets in, as far as the new permits go, those ${form}`, async () => {
        const { semaphore, held } = taken(1);
        const waits = Array.from({ length: 6 }, (_, i) => log.follow(i, semaphore.acquire(1, wishOf(i))));
        semaphore.resize(4);
        assert.deepEqual(levels(semaphore), { permits: 4, available: 0, waiting: 3 });
        assert.deepEqual((await log.next()).flat(), [0, 'granted', 1, 'granted', 2, 'granted']);
        semaphore.resize(100);
        assert.deepEqual(levels(semaphore), { permits: 100, available: 93, waiting: 0 });
        for (const wait of waits) (await wait).release();
        held[0].release();
        assert.equal(semaphore.available, 100);
      });

      it(`to fewer takes effect as permits come back, before it lets in those ${form}`, async () => {
        const { semaphore, held } = taken(4);
        const waits = Array.from({ length: 6 }, (_, i) => log.follow(i, semaphore.acquire(1, wishOf(i))));
        semaphore.resize(2);
        assert.deepEqual(levels(semaphore), { permits: 2, available: 0, waiting: 6 });
        held[0].release();
        held[1].release();
        assert.deepEqual(await log.next(), []);
        held[2].release();
        assert.deepEqual(await log.next(), [[0, 'granted']]);
        held[3].release();
        assert.deepEqual(await log.next(), [[1, 'granted']]);
        for (const wait of waits) (await wait).release();
        assert.equal(semaphore.available, 2);
      });
    }

    it('to fewer with nobody waiting: none is available until enough have come back', () => {
      const { semaphore, held } = taken(4);
      semaphore.resize(2);
      for (const available of [0, 0, 1, 2]) {
        held.pop().release();
        assert.equal(semaphore.available, available);
        if (available === 0) assert.equal(semaphore.tryAcquire(), undefined);
      }
    });

    it('turns away who asks for more than there are then, wherever he stands, and nobody else', async () => {
      const { semaphore, held } = taken(3);
      const controller = new AbortController();
      const refused = [
        semaphore.acquire(3),
        semaphore.acquire(3, { timeout: 50 }),
        semaphore.acquire(3, { signal: controller.signal }),
        semaphore.use(never, { weight: 3 }),
      ].map(rejection);
      const kept = log.follow('two', semaphore.acquire(2));
      semaphore.resize(2);
      for (const error of await Promise.all(refused)) {
        assert.deepEqual([error.name, error.code], ['RangeError', 'ERR_OUT_OF_RANGE']);
        assert.match(error.message, /"weight".*<= 2/);
      }
      assert.equal(listenersOf(controller.signal), 0);
      assert.deepEqual([semaphore.waiting, log.entries], [1, []]);
      for (const permit of held) permit.release();
      (await kept).release();
      assert.equal(semaphore.available, 2);
    });
  });

  describe('maxWaiting', () => {
    it('0: nobody waits, and what is free can be had', async () => {
      const semaphore = new Semaphore(1, { maxWaiting: 0 });
      const permit = await semaphore.acquire();
      for (const wish of [undefined, { timeout: 5 }, { signal: new AbortController().signal }]) {
        const error = await rejection(semaphore.acquire(1, wish));
        assert.ok(error instanceof SluiceError);
        assert.match(error.message, /wait for the semaphore.*: 0/);
        assert.equal(error.code, 'ERR_SLUICE_FULL');
      }
      assert.equal(usage().semaphores, 0);
      permit.release();
      (await semaphore.acquire({ timeout: 5 })).release();
    });

    it('counts who waits now: who has left makes room', async () => {
      const { semaphore, held } = taken(1, { maxWaiting: 1 });
      const controller = new AbortController();
      const ends = [() => clock.advance(5), () => controller.abort('enough')];
      for (const end of ends) {
        const left = rejection(semaphore.acquire({ timeout: 5, signal: controller.signal }));
        await assert.rejects(semaphore.acquire(), isFull);
        await end();
        await left;
      }
      const wait = semaphore.acquire();
      await assert.rejects(semaphore.acquire({ timeout: 5 }), isFull);
      held[0].release();
      (await wait).release();
    });

    it('who is turned away leaves the line as it was', async () => {
      const { semaphore, held } = taken(1, { maxWaiting: 2 });
      const waits = [log.follow('a', semaphore.acquire()), log.follow('b', semaphore.acquire())];
      await assert.rejects(semaphore.acquire({ timeout: 5 }), isFull); // it would have moved the line to C
      assert.equal(semaphore.waiting, 2);
      held[0].release();
      (await waits[0]).release();
      (await waits[1]).release();
      assert.deepEqual(log.names, ['a', 'b']);
      assert.equal(semaphore.available, 1);
    });
  });

  describe('timeout', () => {
    it('rejects with a TimeoutError that says what it was of, and leaves the line', async () => {
      const { semaphore, held } = taken(1);
      const waits = [semaphore.acquire({ timeout: 5 }), semaphore.acquire(1, { timeout: 5 })];
      waits.push(semaphore.use(never, { timeout: 5 }));
      const errors = Promise.all(waits.map(rejection));
      await clock.advance(4.9);
      assert.equal(semaphore.waiting, 3);
      await clock.advance(0.1);
      for (const error of await errors) {
        assert.ok(error instanceof TimeoutError);
        const { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label } = error;
        assert.deepEqual(
          { name, code, scope, timeout, elapsed, loopBlocked, index, attempt, label },
          {
            name: 'TimeoutError',
            code: 'ERR_SLUICE_TIMEOUT',
            scope: 'wait',
            timeout: 5,
            elapsed: 5,
            loopBlocked: 0,
            index: undefined,
            attempt: undefined,
            label: undefined,
          },
        );
        assert.equal(error.message, 'timed out after 5 ms of waiting: 5 ms had passed');
      }
      assert.equal(semaphore.waiting, 0);
      held[0].release();
      assert.equal(semaphore.available, 1);
    });

    it('each has its own, and who stays keeps the place', async () => {
      const { semaphore, held } = taken(1);
      const timeouts = [30, 10, undefined, 20, Infinity];
      timeouts.forEach((timeout, i) => log.follow(i, semaphore.acquire({ timeout })));
      await clock.advance(20);
      assert.deepEqual(await log.next(), [[1, 'ERR_SLUICE_TIMEOUT'], [3, 'ERR_SLUICE_TIMEOUT']]); // prettier-ignore
      held[0].release();
      assert.deepEqual(await log.next(), [[0, 'granted']]);
      await clock.advance(1e9);
      assert.deepEqual(await log.next(), []);
      assert.equal(semaphore.waiting, 2);
      semaphore.close();
    });

    it('what comes back in the instant in which the time is over still counts', async () => {
      const { semaphore, held } = taken(1);
      const wait = semaphore.acquire({ timeout: 5 });
      clock.setTimeout(() => held[0].release(), 5);
      (await clock.over(wait)).release();
      assert.equal(clock.now, 5);
    });

    it('0: what is free can be had, else the wait is over with the turn', async () => {
      const semaphore = new Semaphore(1);
      const permit = await semaphore.acquire({ timeout: 0 });
      const late = rejection(semaphore.acquire({ timeout: 0 }));
      await clock.settleInstant();
      assert.deepEqual([(await late).timeout, (await late).elapsed], [0, 0]);
      const inTime = semaphore.acquire({ timeout: 0 });
      permit.release();
      (await inTime).release();
    });
  });

  describe('signal', () => {
    it('rejects with the reason itself, at once, and leaves the line', async () => {
      const { semaphore, held } = taken(1);
      const controller = new AbortController();
      const { signal } = controller;
      const waits = [
        semaphore.acquire({ signal }),
        semaphore.acquire(1, { signal, timeout: 50 }),
        semaphore.use(never, { signal }),
      ];
      waits.forEach((wait, i) => log.follow(i, wait));
      const other = log.follow('other', semaphore.acquire());
      const reason = { enough: true };
      controller.abort(reason);
      assert.equal(semaphore.waiting, 1);
      for (const [name, error] of await log.next()) {
        assert.equal(error, reason);
        assert.notEqual(name, 'other');
      }
      held[0].release();
      (await other).release();
    });

    it('that is aborted already rejects, also where a permit is free', async () => {
      const semaphore = new Semaphore(1);
      const signal = AbortSignal.abort('before');
      assert.equal(await rejection(semaphore.acquire({ signal })), 'before');
      assert.equal(await rejection(semaphore.acquire(1, { signal, timeout: 5 })), 'before');
      assert.equal(await rejection(semaphore.use(() => assert.fail('called'), { signal })), 'before');
      const permit = semaphore.tryAcquire();
      assert.equal(await rejection(semaphore.acquire({ signal })), 'before');
      permit.release();
      assert.equal(listenersOf(signal), 0);
    });

    it('the first to come wins where a permit and the abort come in the same turn', async () => {
      for (const releasesFirst of [true, false]) {
        const { semaphore, held } = taken(1);
        const controller = new AbortController();
        const wait = semaphore.acquire({ signal: controller.signal });
        const settled = wait.catch((reason) => reason);
        if (releasesFirst) held[0].release();
        controller.abort('enough');
        if (!releasesFirst) held[0].release();
        if (releasesFirst) (await wait).release();
        else assert.equal(await settled, 'enough');
        assert.equal(semaphore.available, 1);
      }
    });

    it('a listener of its own that gives a permit back in the abort comes first, or too late', async () => {
      for (const isBefore of [true, false]) {
        const { semaphore, held } = taken(1);
        const controller = new AbortController();
        const release = () => held[0].release();
        if (isBefore) controller.signal.addEventListener('abort', release);
        const wait = semaphore.acquire({ signal: controller.signal });
        if (!isBefore) controller.signal.addEventListener('abort', release);
        log.follow('wait', wait);
        controller.abort('enough');
        assert.deepEqual(await log.next(), [['wait', isBefore ? 'granted' : 'enough']]);
        if (isBefore) (await wait).release();
        assert.equal(semaphore.available, 1);
      }
    });

    it('one listener however many wait, and none after the last has gone, however it went', async () => {
      const ends = {
        granted: ({ held }) => held.forEach((permit) => permit.release()),
        'timed out': () => clock.advance(5),
        aborted: ({ controller }) => controller.abort('enough'),
        closed: ({ semaphore }) => semaphore.close(),
        refused: ({ semaphore }) => semaphore.resize(1),
      };
      for (const [name, end] of Object.entries(ends)) {
        const { semaphore, held } = taken(4);
        const controller = new AbortController();
        const { signal } = controller;
        const settled = Promise.allSettled([2, 2].map((weight) => semaphore.acquire(weight, { signal, timeout: 5 })));
        assert.equal(listenersOf(signal), 1);
        await end({ semaphore, held, controller });
        assert.equal(listenersOf(signal), 0, name);
        for (const { value } of await settled) value?.release();
      }
      const { signal } = new AbortController();
      (await new Semaphore(1).acquire({ signal })).release();
      assert.equal(listenersOf(signal), 0, 'nobody has waited');
      const full = new Semaphore(1, { maxWaiting: 0 });
      const permit = full.tryAcquire();
      await assert.rejects(full.acquire({ signal }), isFull);
      assert.equal(listenersOf(signal), 0, 'turned away');
      permit.release();
    });

    it('all who wait with one signal leave with it, and others go on in their places in the same turn', async () => {
      const { semaphore, held } = taken(2);
      const controller = new AbortController();
      const { signal } = controller;
      for (let i = 0; i < 6; i++)
        log.follow(i, semaphore.acquire(i === 0 ? 2 : 1, i % 2 === 0 ? { signal } : undefined));
      held[0].release(); // one is free, and the first wants two
      assert.deepEqual(await log.next(), []);
      controller.abort('enough');
      const names = (await log.next()).map(([name, outcome]) => `${name} ${outcome}`);
      assert.deepEqual(names.sort(), ['0 enough', '1 granted', '2 enough', '4 enough']);
      semaphore.close();
    });

    it('whatever one by shape does while it is listened to, the line stays whole', async () => {
      const acts = {
        'aborts itself': ({ signal }) => signal.abort('by itself'),
        'is aborted without a word': ({ signal }) => Object.assign(signal, { aborted: true, reason: 'silently' }),
        throws: () => {
          throw new Error('no listeners');
        },
        'gives the permit back': ({ held }) => held.pop()?.release(),
        'closes the semaphore': ({ semaphore }) => semaphore.close(),
        'asks for a permit': ({ semaphore }) => semaphore.acquire({ timeout: 5 }).then((permit) => permit.release(), () => {}), // prettier-ignore
        'resizes it': ({ semaphore }) => semaphore.resize(2),
      };
      for (const [name, act] of Object.entries(acts)) {
        for (const when of ['onJoin', 'onLeave']) {
          const { semaphore, held } = taken(1);
          let isDone = false;
          const signal = new StrangeSignal({
            [when]: (self) => {
              if (isDone) return;
              isDone = true;
              act({ signal: self, semaphore, held });
            },
          });
          const waits = [{ signal, timeout: 9 }, undefined, { timeout: 9 }].map((wish) => semaphore.acquire(1, wish));
          const ended = Promise.allSettled(waits.map((wait) => wait.then((permit) => permit.release())));
          if (name === 'is aborted without a word' && when === 'onJoin')
            assert.equal(await rejection(waits[0]), 'silently');
          await microtasks();
          held.pop()?.release();
          await clock.advance(20);
          await clock.over(ended);
          assert.ok(isDone, `${name} ${when}`);
          // (The listener that a signal took before it threw is the signal's business.)
          if (name !== 'throws' || when !== 'onJoin') assert.equal(listenersOf(signal), 0, `${name}, ${when}`);
          await clock.advance(20);
          assert.deepEqual([semaphore.waiting, semaphore.available], [0, semaphore.permits], `${name}, ${when}`);
          assertNothingLeft();
        }
      }
    });
  });

  describe('close()', () => {
    it('turns away who comes later; tryAcquire() throws it; permits that are out can be given back', async () => {
      const { semaphore, held } = taken(2);
      semaphore.close();
      await assert.rejects(semaphore.acquire(), isClosed);
      await assert.rejects(semaphore.acquire({ timeout: 5 }), isClosed);
      await assert.rejects(semaphore.acquire(2), isClosed);
      await assert.rejects(semaphore.use(never), isClosed);
      assert.throws(() => semaphore.tryAcquire(), { ...isClosed, message: 'The semaphore is closed' });
      held[0].release();
      assert.equal(semaphore.available, 1);
      await assert.rejects(semaphore.acquire(), isClosed); // also where one is free
      await assert.rejects(semaphore.use(never), isClosed);
      assert.throws(() => semaphore.tryAcquire(), isClosed);
      held[1].release();
      assert.throws(() => held[1].release(), isReleased);
      assert.equal(semaphore.available, 2);
    });

    it('may be called again and again, also in the middle of turning somebody away', async () => {
      const { semaphore, held } = taken(1);
      const controller = new AbortController();
      const waits = [semaphore.acquire(), semaphore.acquire({ timeout: 5, signal: controller.signal })];
      const again = Promise.all(waits.map((wait) => rejection(wait).then(() => semaphore.close())));
      semaphore.close();
      semaphore.close();
      await again;
      assert.equal(listenersOf(controller.signal), 0);
      held[0].release();
      assert.equal(semaphore.available, 1);
    });

    it('errors are made for each: one that is changed is nobody else’s', async () => {
      const { semaphore, held } = taken(1);
      const [one, other] = [semaphore.acquire(), semaphore.acquire({ timeout: 5 })].map(rejection);
      semaphore.close();
      assert.notEqual(await one, await other);
      held[0].release();
    });

    it('resize() of a closed one only counts', () => {
      const { semaphore, held } = taken(1);
      semaphore.close();
      semaphore.resize(3);
      assert.deepEqual(levels(semaphore), { permits: 3, available: 2, waiting: 0 });
      held[0].release();
      assert.equal(semaphore.available, 3);
    });
  });

  describe('a permit', () => {
    for (const weight of [1, 3]) {
      it(`of ${weight} is released once: a second time is an error, and changes nothing`, async () => {
        const semaphore = new Semaphore(3);
        const permit = semaphore.tryAcquire(weight);
        assert.equal(permit.isReleased, false);
        permit.release();
        assert.equal(permit.isReleased, true);
        assert.throws(() => permit.release(), isReleased);
        assert.throws(() => permit.release(), SluiceError);
        assert.equal(semaphore.available, 3);
        const next = await semaphore.acquire(3);
        assert.throws(() => permit.release(), isReleased);
        assert.equal(semaphore.available, 0);
        next.release();
      });

      it(`of ${weight} is disposed any number of times, also behind release()`, () => {
        const semaphore = new Semaphore(3);
        const [one, other] = [semaphore.tryAcquire(weight), new Semaphore(weight).tryAcquire(weight)];
        one[Symbol.dispose]();
        one[Symbol.dispose]();
        assert.throws(() => one.release(), isReleased);
        other.release();
        assert.equal(other[Symbol.dispose](), undefined);
        assert.deepEqual([one.isReleased, other.isReleased, semaphore.available], [true, true, 3]);
      });
    }

    it('goes back to the semaphore that it came from, whose methods are called on it or not', async () => {
      const [one, other] = [new Semaphore(3), new Semaphore(3)];
      const [light, heavy, foreign] = [one.tryAcquire(), one.tryAcquire(2), other.tryAcquire(3)];
      // Methods of one kind on a permit of another kind: refused, or right.
      for (const [from, to] of [
        [light, heavy],
        [heavy, foreign],
      ]) {
        // prettier-ignore
        try {
          Reflect.get(from, 'release').call(to);
        } catch (error) {
          assert.equal(error.code, 'ERR_INVALID_THIS');
          to.release();
        }
      }
      light.release();
      assert.deepEqual([one.available, other.available], [3, 3]);
    });

    it('cannot be made by others', () => {
      const permits = [1, 2].map((weight) => new Semaphore(2).tryAcquire(weight));
      for (const permit of permits) {
        for (let at = permit; at !== null; at = Object.getPrototypeOf(at)) {
          const own = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
          assert.ok(own === undefined || own === Object, 'its class cannot be found');
        }
        assert.equal(Object.prototype.toString.call(permit), '[object Permit]');
      }
      assert.equal(sluice.Permit, undefined);
    });

    it('is nobody else: methods and getters on a stranger throw', () => {
      const semaphore = new Semaphore(2);
      for (const permit of [semaphore.tryAcquire(), semaphore.tryAcquire(1), new Semaphore(2).tryAcquire(2)]) {
        for (const stranger of [undefined, null, 1, {}, Object.create(permit), new Proxy(permit, {}), semaphore]) {
          assert.throws(() => permit.release.call(stranger), invalidThis);
          assert.throws(() => permit[Symbol.dispose].call(stranger), invalidThis);
          for (const key of ['weight', 'isReleased']) assert.throws(() => Reflect.apply(getterOf(permit, key), stranger, []), invalidThis); // prettier-ignore
        }
        permit.release();
      }
    });

    it('released inside the continuation of who waited, lets in the next in the same turn', async () => {
      for (const wishOf of Object.values(forms)) {
        const { semaphore, held } = taken(1);
        const order = [];
        const waits = Array.from({ length: 6 }, (_, i) =>
          semaphore.acquire(1, wishOf(i)).then((permit) => {
            permit.release();
            order.push(i, semaphore.waiting);
          }),
        );
        held[0].release();
        await microtasks();
        assert.deepEqual(order, [0, 4, 1, 3, 2, 2, 3, 1, 4, 0, 5, 0]);
        await Promise.all(waits);
      }
    });

    it('released in the abort listener of another wait reaches who waits', async () => {
      const { semaphore, held } = taken(1);
      const controller = new AbortController();
      const first = semaphore.acquire({ signal: controller.signal });
      const second = semaphore.acquire({ timeout: 5 });
      const left = rejection(first);
      controller.signal.addEventListener('abort', () => held[0].release());
      controller.abort('enough');
      assert.equal(await left, 'enough');
      (await second).release();
    });

    it('`then` on the prototype of all objects does not make it a thenable', async () => {
      const { semaphore, held } = taken(1);
      const wait = semaphore.acquire();
      // eslint-disable-next-line no-extend-native -- what user code may have done
      Object.prototype.then = () => assert.fail('called');
      try {
        held[0].release();
      } finally {
        delete Object.prototype.then;
      }
      (await wait).release();
    });
  });

  describe('the caller', () => {
    it('goes on in his own async context: the continuation, and fn', async () => {
      const storage = new AsyncLocalStorage();
      const { semaphore, held } = taken(1);
      const seen = [];
      const waits = [undefined, { timeout: 50 }, undefined].flatMap((wish, i) => [
        storage.run(`acquire ${i}`, async () => {
          const permit = await semaphore.acquire(1, wish);
          seen.push(storage.getStore());
          storage.run('release', () => permit.release());
        }),
        storage.run(`use ${i}`, () => semaphore.use(() => void seen.push(storage.getStore()), wish)),
      ]);
      storage.run('first', () => held[0].release());
      await Promise.all(waits);
      assert.deepEqual(seen, ['acquire 0', 'use 0', 'acquire 1', 'use 1', 'acquire 2', 'use 2']);
      await storage.run('free', () => semaphore.use(() => void seen.push(storage.getStore())));
      assert.equal(seen.pop(), 'free');
    });

    it('may use the package in every continuation: nested, mapped, and under several semaphores', async () => {
      const [one, other] = [new Semaphore(2), new Semaphore(1)];
      let running = 0;
      const work = (i) =>
        one.use(() =>
          other.use(async () => {
            assert.equal(++running, 1);
            await mapWithLimit([1, 2], 2, () => turn());
            running--;
            return i;
          }, i % 2 === 0 ? { timeout: 1e6 } : undefined),
        ); // prettier-ignore
      assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map(work)), [1, 2, 3, 4, 5]);
      assert.deepEqual([one.available, other.available], [2, 1]);
    });

    it('hears of each failure once, and nothing is unhandled that he has heard of', async () => {
      const reasons = await unhandledDuring(async () => {
        const { semaphore, held } = taken(1);
        const controller = new AbortController();
        const waits = [
          semaphore.acquire({ timeout: 5 }),
          semaphore.acquire({ signal: controller.signal }),
          semaphore.acquire(),
          semaphore.use(never),
        ];
        for (const wait of waits) wait.catch(() => {});
        await clock.advance(5);
        controller.abort('enough');
        semaphore.close();
        held[0].release();
        await turn();
      });
      assert.deepEqual(reasons, []);
    });
  });

  describe('misuse', () => {
    it('permits, maxWaiting: what is wrong is named', () => {
      for (const wrong of [undefined, null, '1', {}, true]) {
        assert.throws(() => new Semaphore(wrong), { ...invalidType, message: /"permits"/ });
      }
      for (const wrong of [0, -1, 1.5, NaN, -Infinity]) {
        assert.throws(() => new Semaphore(wrong), { ...outOfRange, message: /"permits"/ });
        assert.throws(() => new Semaphore(1).resize(wrong), { ...outOfRange, message: /"permits"/ });
      }
      assert.throws(() => new Semaphore(1).resize(), { ...invalidType, message: /"permits"/ });
      for (const wrong of ['1', null, true])
        assert.throws(() => new Semaphore(1, { maxWaiting: wrong }), {
          ...invalidType,
          message: /"options\.maxWaiting"/,
        });
      for (const wrong of [-1, 0.5, NaN])
        assert.throws(() => new Semaphore(1, { maxWaiting: wrong }), {
          ...outOfRange,
          message: /"options\.maxWaiting"/,
        });
      for (const wrong of [null, 1, 'options', [], () => {}])
        assert.throws(() => new Semaphore(1, wrong), { ...invalidType, message: /"options"/ });
      assert.throws(() => new Semaphore(1, { maxWait: 1 }), {
        ...invalidType,
        message: /"options\.maxWait".*no such option/,
      });
      assert.throws(() => Semaphore(1), TypeError);
      new Semaphore(1, { maxWaiting: undefined });
      new Semaphore(1, undefined);
    });

    const wrongWaits = {
      'a weight that is no number': [['two'], invalidType, /"weight"/],
      'a weight of null': [[null], invalidType, /"weight"/],
      'a weight of 0': [[0], outOfRange, /"weight"/],
      'a weight of 1.5': [[1.5], outOfRange, /"weight"/],
      'a weight of Infinity': [[Infinity], outOfRange, /"weight"/],
      'a weight that is NaN': [[NaN], outOfRange, /"weight"/],
      'options that are none': [[1, 5], invalidType, /"options"/],
      'options that are an array': [[[]], invalidType, /"options"/],
      'options after options': [[{}, {}], invalidType, /"options"/],
      'a signal for options': [[new AbortController().signal], invalidType, /"options/],
      'an unknown option': [[{ timout: 5 }], invalidType, /"options\.timout".*no such option/],
      'an unknown option behind a weight': [[1, { weight: 2 }], invalidType, /"options\.weight".*no such option/],
      'a timeout that is no number': [[{ timeout: '5' }], invalidType, /"options\.timeout"/],
      'a timeout below 0': [[1, { timeout: -1 }], outOfRange, /"options\.timeout"/],
      'a timeout that is NaN': [[{ timeout: NaN }], outOfRange, /"options\.timeout"/],
      'a signal that is none': [[{ signal: {} }], invalidType, /"options\.signal"/],
      'a controller for a signal': [[{ signal: new AbortController() }], invalidType, /"options\.signal"/],
    };
    for (const [name, [args, kind, message]] of Object.entries(wrongWaits)) {
      it(`acquire() rejects ${name}, free or not`, async () => {
        const semaphore = new Semaphore(1);
        await assert.rejects(semaphore.acquire(...args), { ...kind, message });
        const permit = semaphore.tryAcquire();
        await assert.rejects(semaphore.acquire(...args), { ...kind, message });
        assert.equal(semaphore.waiting, 0);
        permit.release();
      });
    }

    it('tryAcquire() throws of a wrong weight; use() rejects of what is wrong, and does not call fn', async () => {
      const semaphore = new Semaphore(2);
      assert.throws(() => semaphore.tryAcquire('1'), { ...invalidType, message: /"weight"/ });
      assert.throws(() => semaphore.tryAcquire(0), { ...outOfRange, message: /"weight"/ });
      const called = () => assert.fail('called');
      for (const fn of [undefined, null, {}, 'fn'])
        await assert.rejects(semaphore.use(fn), { ...invalidType, message: /"fn"/ });
      const wrong = [
        [{ weight: 0 }, outOfRange, /"options\.weight"/],
        [{ weight: '1' }, invalidType, /"options\.weight"/],
        [{ timeout: -1 }, outOfRange, /"options\.timeout"/],
        [{ signal: 1 }, invalidType, /"options\.signal"/],
        [{ retries: 1 }, invalidType, /"options\.retries".*no such option/],
        [5, invalidType, /"options"/],
      ];
      for (const [given, kind, message] of wrong)
        await assert.rejects(semaphore.use(called, given), { ...kind, message });
      assert.equal(semaphore.available, 2);
    });

    it('an option that is undefined is absent; a getter that throws rejects', async () => {
      const semaphore = new Semaphore(1);
      (await semaphore.acquire(undefined, { signal: undefined, timeout: undefined })).release();
      (await semaphore.acquire({ signal: undefined })).release();
      assert.equal(await semaphore.use(() => 'used', { weight: undefined }), 'used');
      const failure = new Error('getter');
      const given = {
        get timeout() {
          throw failure;
        },
      };
      assert.equal(await rejection(semaphore.acquire(given)), failure);
      assert.equal(await rejection(semaphore.use(never, given)), failure);
      assert.equal(semaphore.available, 1);
    });

    it('methods and getters on a stranger: TypeError, ERR_INVALID_THIS; what returns a promise rejects', async () => {
      const { prototype } = Semaphore;
      const semaphore = new Semaphore(1);
      for (const stranger of [undefined, null, 1, 'x', {}, Object.create(semaphore), new Proxy(semaphore, {})]) {
        for (const key of ['permits', 'available', 'waiting'])
          assert.throws(() => Reflect.apply(getterOf(semaphore, key), stranger, []), invalidThis);
        await assert.rejects(prototype.acquire.call(stranger), invalidThis);
        await assert.rejects(prototype.acquire.call(stranger, 1, { timeout: 5 }), invalidThis);
        await assert.rejects(prototype.use.call(stranger, never), invalidThis);
        assert.throws(() => prototype.tryAcquire.call(stranger), invalidThis);
        assert.throws(() => prototype.resize.call(stranger, 2), invalidThis);
        assert.throws(() => prototype.close.call(stranger), invalidThis);
        await assert.rejects(Mutex.prototype.runExclusive.call(stranger, never), invalidThis);
        assert.throws(() => Mutex.prototype.resize.call(stranger, 1), invalidThis);
        assert.throws(() => Reflect.apply(getterOf(new Mutex(), 'isLocked'), stranger, []), invalidThis);
      }
      await assert.rejects(async () => (0, semaphore.acquire)(), invalidThis);
    });

    it('a subclass is one too', async () => {
      class Pool extends Semaphore {
        constructor() {
          super(1);
        }
      }
      const pool = new Pool();
      const permit = await pool.acquire();
      const wait = pool.acquire();
      permit.release();
      (await wait).release();
      assert.deepEqual(await mapWithLimit([1, 2], pool, (item) => item), [1, 2]);
    });
  });

  describe('Mutex', () => {
    it('is a Semaphore of one', async () => {
      const mutex = new Mutex();
      assert.ok(mutex instanceof Semaphore);
      assert.deepEqual([mutex.isLocked, mutex.permits, mutex.available], [false, 1, 1]);
      const permit = await mutex.acquire();
      assert.deepEqual([mutex.isLocked, mutex.available], [true, 0]);
      const wait = mutex.acquire();
      assert.equal(mutex.waiting, 1);
      permit.release();
      assert.equal(mutex.isLocked, true);
      (await wait).release();
      assert.equal(mutex.isLocked, false);
    });

    it('runExclusive() runs one at a time, in the order of asking, and goes on behind failures', async () => {
      const mutex = new Mutex();
      const order = [];
      let running = 0;
      const run = (i) =>
        mutex.runExclusive(
          async () => {
            assert.equal(++running, 1);
            assert.equal(mutex.isLocked, true);
            order.push(i);
            await turn();
            running--;
            if (i % 3 === 0) throw new Error(`no ${i}`);
            return i;
          },
          i % 2 === 0 ? { timeout: 1e6 } : undefined,
        );
      const outcomes = await Promise.allSettled(Array.from({ length: 9 }, (_, i) => run(i)));
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      outcomes.forEach(({ value, reason }, i) => assert.equal(value ?? reason.message, i % 3 === 0 ? `no ${i}` : i));
      assert.equal(mutex.isLocked, false);
    });

    it('is not re-entrant: who holds it and asks again waits, and a timeout ends that', async () => {
      const mutex = new Mutex();
      const error = await clock.over(mutex.runExclusive(() => rejection(mutex.runExclusive(never, { timeout: 5 }))));
      assert.equal(error.scope, 'wait');
      assert.equal(mutex.isLocked, false);
    });

    it('of several that ask at once for the same, the first does the work', async () => {
      const mutex = new Mutex();
      let made = 0;
      let token;
      const current = () => mutex.runExclusive(async () => (token ??= (await turn(), ++made)));
      assert.deepEqual(await Promise.all([current(), current(), current()]), [1, 1, 1]);
      assert.equal(made, 1);
    });

    it('stays one: resize() to anything else is a RangeError', () => {
      const mutex = new Mutex();
      mutex.resize(1);
      for (const permits of [2, Infinity])
        assert.throws(() => mutex.resize(permits), { ...outOfRange, message: /"permits"/ });
      assert.throws(() => mutex.resize('1'), invalidType);
      assert.equal(mutex.permits, 1);
    });

    it('has maxWaiting, and says what it is in its errors', async () => {
      const mutex = new Mutex({ maxWaiting: 0 });
      const permit = mutex.tryAcquire();
      await assert.rejects(mutex.acquire(), { ...isFull, message: /wait for the mutex/ });
      await assert.rejects(mutex.acquire(2), outOfRange);
      mutex.close();
      await assert.rejects(mutex.runExclusive(never), { ...isClosed, message: 'The mutex is closed' });
      permit.release();
      assert.throws(() => new Mutex(1), { ...invalidType, message: /"options"/ });
      assert.throws(() => new Mutex({ permits: 1 }), { ...invalidType, message: /"options\.permits"/ });
    });

    it('runExclusive() takes no weight, and rejects of what is wrong', async () => {
      const mutex = new Mutex();
      await assert.rejects(mutex.runExclusive(never, { weight: 1 }), { ...invalidType, message: /"options\.weight"/ });
      await assert.rejects(mutex.runExclusive(), { ...invalidType, message: /"fn"/ });
      await assert.rejects(mutex.runExclusive(never, { timeout: -1 }), outOfRange);
      assert.equal(mutex.isLocked, false);
    });

    it('the stack of what fn throws names who called runExclusive()', async () => {
      const mutex = new Mutex();
      async function theCaller() {
        return await mutex.runExclusive(async () => {
          await turn();
          throw new Error('from fn');
        });
      }
      for (const isFree of [true, false]) {
        const held = isFree ? undefined : mutex.tryAcquire();
        const result = rejection(theCaller());
        held?.release();
        assert.match((await result).stack, /at async theCaller/);
      }
    });
  });

  const MAIN = `
    const { Mutex, Semaphore } = require(${JSON.stringify(require.resolve('../..'))});
    const { usage } = require(${JSON.stringify(require.resolve('../../lib/engine'))});
    const log = (what) => console.log(JSON.stringify(typeof what === 'object' && what !== null ? what : { what }));
    const semaphore = new Semaphore(1);
    const permit = semaphore.tryAcquire();
  `;
  const scripts = {
    'a wait without a timeout': `semaphore.acquire().then(log);`,
    'a wait with a signal': `semaphore.acquire({ signal: new AbortController().signal }).then(log);`,
    'use() that waits': `semaphore.use(log).then(log);`,
    'a wait without a timeout, beside one whose time is over': `
      semaphore.acquire().then(log);
      semaphore.acquire({ timeout: 20 }).catch(({ scope }) => log(scope));
      semaphore.acquire().then(log);`,
    'a wait with a timeout': `semaphore.acquire({ timeout: 40 }).catch(({ scope }) => log(scope));`,
    'use() with a timeout': `semaphore.use(log, { timeout: 40 }).catch(({ scope }) => log(scope));`,
    'a wait with a timeout that was granted': `
      semaphore.acquire({ timeout: 3_600_000 }).then(() => log('granted'));
      setImmediate(() => permit.release());`,
    garbage: `
      const collected = [];
      const registry = new FinalizationRegistry((name) => collected.push(name));
      const keep = (name, object) => (registry.register(object, name), object);
      (() => {
        const one = keep('plain', new Semaphore(1));
        keep('permit', one.tryAcquire());
        keep('waiter', one.acquire());
        const other = keep('other', new Semaphore(1));
        const held = other.tryAcquire();
        other.acquire({ timeout: 1e6, signal: new AbortController().signal }).catch(() => {});
        other.close();
        held.release();
      })();
      let left = 50;
      const look = () => {
        gc();
        if (collected.length < 4 && left-- > 0) return setImmediate(look);
        log({ collected: collected.sort(), semaphores: usage().semaphores, waiters: usage().waiters });
      };
      look();`,
  };

  describe('the process', function () {
    this.timeout(120_000);
    const linesOf = linesOfScripts(scripts, MAIN);
    for (const name of Object.keys(scripts).slice(0, 3))
      it(`is not kept alive by ${name}`, async () => assert.deepEqual(await linesOf(name), []));
    for (const name of Object.keys(scripts).slice(3, 6))
      it(`is kept alive by ${name}, until that`, async () => assert.deepEqual(await linesOf(name), [{ what: 'wait' }]));
    it('is not kept alive by a timeout whose wait is over', async () =>
      assert.deepEqual(await linesOf('a wait with a timeout that was granted'), [{ what: 'granted' }]));
    it('keeps no semaphore, permit or wait that nobody can reach', async () =>
      assert.deepEqual(await linesOf('garbage'), [
        { collected: ['other', 'permit', 'plain', 'waiter'], semaphores: 0, waiters: 0 },
      ]));
  });
});

/** The getter of this name, wherever it stands. */
function getterOf(object, key) {
  for (let at = object; at !== null; at = Object.getPrototypeOf(at)) {
    const descriptor = Object.getOwnPropertyDescriptor(at, key);
    if (descriptor !== undefined) return descriptor.get;
  }
  return assert.fail(`no ${key}`);
}
