'use strict';

// RateLimiter: tokens, for who comes in order, never more than the rate allows.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const fc = require('fast-check');

const { RateLimiter, SluiceError, TimeoutError } = require('../..');
const { Bucket, nanoseconds, overfullWindow } = require('../support/bucket');
const { linesOfScripts } = require('../support/child');
const { SEED, runs } = require('../support/draws');
const { Log, assertNothingLeft } = require('../support/endings');
const { invalidThis, invalidType, isClosed, isFull, outOfRange } = require('../support/endings');
const { rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const RUNS = runs(1 / 20);
const listenersOf = (signal) => getEventListeners(signal, 'abort').length;

describe('RateLimiter', () => {
  const clock = virtualClock();
  let log;
  beforeEach(() => (log = new Log()));
  afterEach(assertNothingLeft);

  /** Moves on, and lets the engine know how late it is. */
  async function pass(ms) {
    await clock.advance(ms);
    await clock.settleInstant();
  }

  /** With no token in it. */
  function empty(options) {
    const limiter = new RateLimiter(options);
    limiter.tryAcquire(limiter.available);
    return limiter;
  }

  /** When so many that ask at once for one token each are let through. */
  async function startsOf(limiter, count, given) {
    const starts = [];
    const waits = Array.from({ length: count }, async () => {
      const began = clock.now;
      const waited = await limiter.acquire(given);
      assert.equal(nanoseconds(waited), nanoseconds(clock.now - began), 'the wait that it tells of');
      starts.push(clock.now);
    });
    await clock.over(Promise.all(waits));
    return starts;
  }

  const rates = {
    'a number is tokens per second; the burst is what accrues in 10 ms': [200, 5, [0, 0, 5, 10, 15]],
    'a slow one: a burst of 1': [10, 3, [0, 100, 200]],
    'max and per': [{ max: 2, per: 10 }, 5, [0, 0, 5, 10, 15]],
    'per is a second where it is not given': [{ max: 4 }, 3, [0, 250, 500]],
    'a burst of its own': [{ max: 1, per: 10, burst: 3 }, 5, [0, 0, 0, 10, 20]],
    'a burst above max': [{ max: 1, per: 4, burst: 4 }, 6, [0, 0, 0, 0, 4, 8]],
    'a burst below what accrues in 10 ms': [{ max: 1, per: 1, burst: 2 }, 4, [0, 0, 1, 2]],
    'fractions of a token per second': [0.5, 2, [0, 2000]],
    'fractions of a millisecond': [{ max: 8, per: 1, burst: 1 }, 4, [0, 0.125, 0.25, 0.375]],
    'Infinity is no limit': [Infinity, 4, [0, 0, 0, 0]],
    'absent where it is undefined': [{ max: 4, per: undefined, burst: undefined, maxWaiting: undefined }, 2, [0, 250]],
  };
  for (const [name, [rate, count, expected]] of Object.entries(rates)) {
    it(name, async () => assert.deepEqual(await startsOf(new RateLimiter(rate), count), expected));
  }

  describe('tokens', () => {
    const rate = fc.record({
      max: fc.integer({ min: 1, max: 12 }),
      per: fc.integer({ min: 1, max: 40 }),
      burst: fc.integer({ min: 1, max: 6 }),
    });
    const arrival = fc.record({
      at: fc.oneof(fc.nat({ max: 60 }), fc.double({ min: 0, max: 60, noNaN: true })),
      tokens: fc.oneof(
        { weight: 3, arbitrary: fc.constant(1) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) },
      ),
      kind: fc.constantFrom('acquire', 'acquire', 'acquire', 'tryAcquire', 'timed'),
      timeout: fc.nat({ max: 30 }),
    });

    it(`never more than burst + max * t / per in any window t, whoever comes when (seed ${SEED})`, async function () {
      this.timeout(120_000);
      const property = fc.asyncProperty(rate, fc.array(arrival, { maxLength: 24 }), async (given, arrivals) => {
        clock.reset();
        const limiter = new RateLimiter(given);
        const starts = [];
        const ended = arrivals.map(
          ({ at, kind, timeout, ...arrival }) =>
            new Promise((resolve) =>
              clock.setTimeout(async () => {
                const tokens = Math.min(arrival.tokens, given.burst);
                const start = () => starts.push({ at: clock.now, tokens });
                if (kind === 'tryAcquire') {
                  if (limiter.tryAcquire(tokens)) start();
                } else {
                  const wish = kind === 'timed' ? { timeout } : undefined;
                  await limiter.acquire(tokens, wish).then(start, (error) => assert.equal(error.scope, 'wait'));
                }
                resolve();
              }, at),
            ),
        );
        await clock.over(Promise.all(ended));
        assert.equal(overfullWindow(starts, given), undefined);
        assertNothingLeft();
      });
      await fc.assert(property, { numRuns: RUNS, seed: SEED });
    });

    it(`never later than the bucket has them, and in the order of asking (seed ${SEED})`, async function () {
      this.timeout(120_000);
      const property = fc.asyncProperty(rate, fc.array(arrival, { maxLength: 24 }), async (given, arrivals) => {
        clock.reset();
        const limiter = new RateLimiter(given);
        const starts = [];
        const asked = [];
        const ended = arrivals.map(
          ({ at, ...arrival }) =>
            new Promise((resolve) =>
              clock.setTimeout(async () => {
                const tokens = Math.min(arrival.tokens, given.burst);
                asked.push({ at: clock.now, tokens });
                const waited = await limiter.acquire(tokens);
                assert.equal(nanoseconds(waited), nanoseconds(clock.now) - nanoseconds(at));
                starts.push({ at: nanoseconds(clock.now), tokens });
                resolve();
              }, at),
            ),
        );
        await clock.over(Promise.all(ended));
        const bucket = new Bucket(given);
        let free = 0n; // who came before has what he asked for
        const expected = asked.map(({ at, tokens }) => {
          const now = nanoseconds(at);
          bucket.refill(now);
          const ready = bucket.readyAt(tokens);
          free = [now, ready, free].reduce((a, b) => (a > b ? a : b));
          assert.ok(bucket.take(tokens, free));
          return { at: free, tokens };
        });
        assert.deepEqual(starts, expected);
      });
      await fc.assert(property, { numRuns: RUNS, seed: SEED });
    });

    it('a full bucket does not save up: after a pause there is one burst, not two', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 2 });
      await pass(1000);
      assert.deepEqual(await startsOf(limiter, 4), [1000, 1000, 1010, 1020]);
    });

    it('three in ten: the remainder is carried, so that no rate drifts, however often it is asked', async () => {
      const limiter = empty({ max: 3, per: 10, burst: 3 });
      let taken = 0;
      for (let i = 0; i < 100; i++) {
        await pass(0.5);
        if (limiter.tryAcquire()) taken++;
      }
      assert.equal(taken, 15);
      assert.equal((await startsOf(limiter, 285)).at(-1), 1000);
    });

    it('who asks for several waits for all of them, and who comes later does not overtake', async () => {
      const limiter = empty({ max: 1, per: 10, burst: 3 });
      const waits = [3, 1, 2].map((tokens, i) => log.follow(i, limiter.acquire(tokens), (waited) => waited));
      await pass(29);
      assert.deepEqual([limiter.waiting, limiter.available, limiter.tryAcquire(), log.entries], [3, 0, false, []]);
      await pass(1);
      assert.deepEqual(await log.next(), [[0, 30]]);
      await clock.over(Promise.all(waits));
      assert.deepEqual(await log.next(), [[1, 40], [2, 60]]); // prettier-ignore
    });

    it('tryAcquire() takes them where they are, and none while others wait', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 3 });
      assert.deepEqual([limiter.tryAcquire(2), limiter.tryAcquire(2), limiter.tryAcquire()], [true, false, true]);
      const wait = limiter.acquire(2);
      await pass(19);
      assert.equal(limiter.tryAcquire(), false); // one has come, and is kept
      assert.equal(await clock.over(wait), 20);
      await pass(10);
      assert.equal(limiter.tryAcquire(), true);
    });

    it('available and waiting tell how it stands', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 3 });
      const levels = () => [limiter.available, limiter.waiting];
      assert.deepEqual(levels(), [3, 0]);
      limiter.tryAcquire();
      assert.deepEqual(levels(), [2, 0]);
      const wait = limiter.acquire(3);
      assert.deepEqual(levels(), [0, 1]);
      await clock.over(wait);
      assert.deepEqual([clock.now, ...levels()], [10, 0, 0]);
      await pass(15);
      assert.deepEqual(levels(), [1, 0]);
      await pass(1000);
      assert.deepEqual(levels(), [3, 0]);
      assert.equal(new RateLimiter(Infinity).available, Infinity);
    });

    it('more than the burst is a RangeError that names it, at once; also where others wait', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 2 });
      const message = /"tokens".*<= 2, the burst.*3/;
      await assert.rejects(limiter.acquire(3), { ...outOfRange, message });
      assert.throws(() => limiter.tryAcquire(3), { ...outOfRange, message });
      assert.equal(limiter.available, 2);
      limiter.tryAcquire(2);
      const wait = limiter.acquire();
      await assert.rejects(limiter.acquire(3), { ...outOfRange, message });
      assert.throws(() => limiter.tryAcquire(3), { ...outOfRange, message });
      await clock.over(wait);
      await new RateLimiter(Infinity).acquire(1e9);
    });

    it('each limiter has its own', async () => {
      const both = await Promise.all([startsOf(new RateLimiter(100), 2), startsOf(new RateLimiter(100), 2)]);
      assert.deepEqual(both, [[0, 10], [0, 10]]); // prettier-ignore
    });
  });

  describe('timeout and signal', () => {
    it('a TimeoutError says what it was of; who leaves takes no token', async () => {
      const limiter = empty({ max: 1, per: 10, burst: 1 });
      const late = rejection(limiter.acquire({ timeout: 5 }));
      const behind = limiter.acquire(1, { timeout: 50 });
      await pass(5);
      const error = await late;
      assert.ok(error instanceof TimeoutError);
      const { name, code, scope, timeout, elapsed, loopBlocked } = error;
      assert.deepEqual(
        { name, code, scope, timeout, elapsed, loopBlocked },
        { name: 'TimeoutError', code: 'ERR_SLUICE_TIMEOUT', scope: 'wait', timeout: 5, elapsed: 5, loopBlocked: 0 },
      );
      assert.equal(limiter.waiting, 1);
      assert.equal(await clock.over(behind), 10);
    });

    it('a token that comes in the instant in which the time is over still counts', async () => {
      const limiter = empty({ max: 1, per: 10, burst: 1 });
      assert.equal(await clock.over(limiter.acquire({ timeout: 10 })), 10);
    });

    it('0: what is there can be had, else the wait is over with the turn', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
      assert.equal(await limiter.acquire({ timeout: 0 }), 0);
      assert.equal((await clock.over(rejection(limiter.acquire({ timeout: 0 })))).elapsed, 0);
      assert.equal(clock.now, 0);
    });

    it('who leaves lets those behind go on as soon as there is enough for them', async () => {
      const ends = [
        ({ controller }) => controller.abort('enough'),
        ({ limiter }) => limiter.reconfigure({ burst: 2 }),
        () => {}, // its timeout
      ];
      for (const end of ends) {
        clock.reset();
        const limiter = new RateLimiter({ max: 1, per: 10, burst: 3 });
        limiter.tryAcquire(2); // one is left
        const controller = new AbortController();
        const heavy = rejection(limiter.acquire(3, { signal: controller.signal, timeout: 5 }));
        const light = limiter.acquire();
        await clock.settleInstant();
        assert.equal(limiter.waiting, 2);
        await pass(4);
        end({ controller, limiter });
        const waited = await clock.over(light);
        assert.ok(waited <= 5, `${waited}`);
        await heavy;
        assert.equal(limiter.waiting, 0);
      }
    });

    it('an abort rejects with the reason itself, at once; no listener is left, however it ends', async () => {
      const reason = { enough: true };
      const ends = {
        aborted: ({ controller }) => controller.abort(reason),
        granted: () => pass(10),
        'timed out': () => pass(5),
        closed: ({ limiter }) => limiter.close(),
        refused: ({ limiter }) => limiter.reconfigure({ burst: 1 }),
      };
      for (const [name, end] of Object.entries(ends)) {
        const limiter = empty({ max: 1, per: 5, burst: 2 });
        const controller = new AbortController();
        const { signal } = controller;
        const waits = [limiter.acquire(2, { signal, timeout: name === 'timed out' ? 5 : 100 })];
        const settled = Promise.allSettled(waits);
        assert.equal(listenersOf(signal), 1);
        await end({ controller, limiter });
        const [{ value, reason: error }] = await settled;
        assert.equal(listenersOf(signal), 0, name);
        if (name === 'aborted') assert.equal(error, reason);
        if (name === 'granted') assert.equal(value, 10);
        if (name === 'refused') assert.match(error.message, /"tokens".*<= 1, the burst/);
        assert.equal(limiter.waiting, 0);
      }
    });

    it('that is aborted already rejects, also where there are tokens; and takes none', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
      const signal = AbortSignal.abort('before');
      assert.equal(await rejection(limiter.acquire({ signal })), 'before');
      assert.equal(await rejection(limiter.acquire(1, { signal, timeout: 5 })), 'before');
      assert.deepEqual([limiter.available, limiter.waiting, listenersOf(signal)], [1, 0, 0]);
    });
  });

  describe('maxWaiting', () => {
    it('who would be one too many is turned away at once, and counts no more than who has left', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1, maxWaiting: 1 });
      limiter.tryAcquire();
      const controller = new AbortController();
      const left = rejection(limiter.acquire({ signal: controller.signal }));
      const error = await rejection(limiter.acquire());
      assert.ok(error instanceof SluiceError);
      assert.deepEqual([error.name, error.code], ['SluiceError', 'ERR_SLUICE_FULL']);
      assert.match(error.message, /wait for the rate limiter.*: 1/);
      await assert.rejects(limiter.acquire({ timeout: 5 }), isFull);
      controller.abort('enough');
      assert.equal(await left, 'enough');
      assert.equal(await clock.over(limiter.acquire()), 10);
    });

    it('0: nobody waits', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1, maxWaiting: 0 });
      assert.equal(await limiter.acquire(), 0);
      await assert.rejects(limiter.acquire(), isFull);
      await pass(10);
      assert.equal(await limiter.acquire(), 0);
    });
  });

  describe('reconfigure()', () => {
    it('changes what is given, and leaves the rest as it was', async () => {
      const limiter = empty({ max: 1, per: 100, burst: 2 });
      limiter.reconfigure({ per: 10 });
      assert.deepEqual(await startsOf(limiter, 2), [10, 20]);
      limiter.reconfigure({ max: 2 });
      assert.deepEqual(await startsOf(limiter, 2), [25, 30]);
      limiter.reconfigure({ burst: 4 });
      await pass(1000);
      assert.equal(limiter.available, 4);
      limiter.reconfigure({});
      limiter.reconfigure({ max: undefined, per: undefined, burst: undefined });
      assert.equal(limiter.available, 4);
    });

    it('counts from now on, for who waits too', async () => {
      const limiter = empty({ max: 1, per: 1000, burst: 1 });
      const waits = [limiter.acquire(), limiter.acquire()];
      await pass(50);
      limiter.reconfigure({ per: 10 });
      await clock.over(waits[0]);
      assert.equal(clock.now, 60); // a fraction of a token at the former rate is not worth as much at this one
      limiter.reconfigure({ per: 100 });
      assert.equal(await clock.over(waits[1]), 160);
    });

    it('to a smaller burst keeps no more than that, and turns away who asks for more, wherever he stands', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 4 });
      limiter.reconfigure({ burst: 2 });
      assert.equal(limiter.available, 2);
      limiter.reconfigure({ burst: 4 });
      assert.equal(limiter.available, 2); // what is gone is gone
      limiter.tryAcquire(2);
      const outcomes = [1, 4, 2, 3].map((tokens) => log.follow(tokens, limiter.acquire(tokens), (waited) => waited));
      limiter.reconfigure({ burst: 2 });
      assert.deepEqual(await log.next(), [[4, 'ERR_OUT_OF_RANGE'], [3, 'ERR_OUT_OF_RANGE']]); // prettier-ignore
      await clock.over(Promise.allSettled(outcomes));
      assert.deepEqual(await log.next(), [[1, 10], [2, 30]]); // prettier-ignore
    });

    it('says what is wrong, and changes nothing then', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
      const wrong = [
        [undefined, invalidType, /"options"/],
        [null, invalidType, /"options"/],
        [{ max: 0 }, outOfRange, /"options\.max"/],
        [{ max: '1' }, invalidType, /"options\.max"/],
        [{ max: Infinity }, outOfRange, /"options\.max"/],
        [{ max: 100, per: 0 }, outOfRange, /"options\.per"/],
        [{ burst: 0 }, outOfRange, /"options\.burst"/],
        [{ burst: 1.5 }, outOfRange, /"options\.burst"/],
        [{ max: 5, maxWaiting: 1 }, invalidType, /"options\.maxWaiting".*no such option/],
      ];
      for (const [given, kind, message] of wrong)
        assert.throws(() => limiter.reconfigure(given), { ...kind, message }, JSON.stringify(given));
      assert.deepEqual(await startsOf(limiter, 2), [0, 10]);
    });

    it('of one without a limit', async () => {
      const limiter = new RateLimiter(Infinity);
      await limiter.acquire(1000);
      limiter.reconfigure({ max: 1, per: 10, burst: 2 });
      assert.deepEqual(await startsOf(limiter, 4), [0, 0, 10, 20]);
    });
  });

  describe('penalize()', () => {
    it('no token for that long; then one at once, and from there the rate', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 5 });
      await pass(7);
      limiter.penalize(100);
      assert.deepEqual([limiter.available, limiter.tryAcquire()], [0, false]);
      assert.deepEqual(await startsOf(limiter, 4), [107, 117, 127, 137]);
    });

    it('holds for who waits already, in the order in which they came', async () => {
      const limiter = empty({ max: 1, per: 10, burst: 2 });
      const waits = ['a', 'b'].map((name) => log.follow(name, limiter.acquire(), (waited) => waited));
      await pass(9);
      limiter.penalize(50);
      await clock.over(Promise.all(waits));
      assert.deepEqual(await log.next(), [['a', 59], ['b', 69]]); // prettier-ignore
    });

    it('a shorter one within a longer one changes nothing; a longer one counts', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 2 });
      limiter.penalize(100);
      limiter.penalize(10);
      await pass(50);
      limiter.penalize(40);
      assert.deepEqual(await startsOf(limiter, 2), [100, 110]);
      limiter.penalize(20);
      await pass(10);
      limiter.penalize(20);
      assert.deepEqual(await startsOf(limiter, 1), [140]);
    });

    it('a short one gives nobody a token that has not accrued', async () => {
      const limiter = empty({ max: 1, per: 100, burst: 1 });
      limiter.penalize(10);
      await pass(10);
      assert.equal(limiter.available, 0);
      assert.deepEqual(await startsOf(limiter, 2), [100, 200]);
    });

    it('saves up nothing: after a long one there is one token, and after a pause behind it the burst', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 3 });
      limiter.penalize(1000);
      await pass(1000);
      assert.equal(limiter.available, 1);
      await pass(20);
      assert.equal(limiter.available, 3);
    });

    it('outlasts reconfigure(), and holds without a limit too', async () => {
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 2 });
      limiter.penalize(100);
      limiter.reconfigure({ max: 2 });
      assert.equal(limiter.available, 0);
      assert.deepEqual(await startsOf(limiter, 2), [100, 105]);
      const unlimited = new RateLimiter(Infinity);
      unlimited.penalize(50);
      assert.deepEqual([unlimited.tryAcquire(), await startsOf(unlimited, 2)], [false, [155, 155]]);
    });

    it('a timeout within it is over in its time', async () => {
      const limiter = new RateLimiter(1000);
      limiter.penalize(100);
      assert.equal((await clock.over(rejection(limiter.acquire({ timeout: 20 })))).elapsed, 20);
    });

    it('0 and fractions are durations; what is none is named', () => {
      const limiter = new RateLimiter(1);
      limiter.penalize(0);
      limiter.penalize(0.5);
      for (const wrong of [undefined, null, '5'])
        assert.throws(() => limiter.penalize(wrong), { ...invalidType, message: /"ms"/ });
      for (const wrong of [-1, NaN, Infinity])
        assert.throws(() => limiter.penalize(wrong), { ...outOfRange, message: /"ms"/ });
    });
  });

  describe('close()', () => {
    it('turns away who waits and who comes later; tryAcquire() throws it; idempotent', async () => {
      const limiter = empty({ max: 1, per: 10, burst: 1 });
      const controller = new AbortController();
      const wishes = [{}, { timeout: 50 }, { signal: controller.signal }, { unref: true }];
      const errors = Promise.all(wishes.map((wish) => rejection(limiter.acquire(wish))));
      limiter.close();
      limiter.close();
      for (const error of await errors) {
        assert.ok(error instanceof SluiceError);
        assert.deepEqual([error.code, error.message], ['ERR_SLUICE_CLOSED', 'The rate limiter is closed']);
      }
      assert.deepEqual([limiter.waiting, listenersOf(controller.signal)], [0, 0]);
      await pass(1000);
      await assert.rejects(limiter.acquire(), isClosed);
      await assert.rejects(limiter.acquire({ timeout: 5 }), isClosed);
      assert.throws(() => limiter.tryAcquire(), isClosed);
      limiter.penalize(5);
      limiter.reconfigure({ max: 5 });
      limiter.close();
    });
  });

  describe('the caller', () => {
    it('goes on in his own async context', async () => {
      const storage = new AsyncLocalStorage();
      const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
      const seen = [];
      const ask = async (wish) => {
        await limiter.acquire(wish);
        seen.push(storage.getStore());
      };
      const waits = [undefined, { timeout: 500 }, undefined].map((wish, i) => storage.run(i, ask, wish));
      await storage.run('other', () => clock.over(Promise.all(waits)));
      assert.deepEqual(seen, [0, 1, 2]);
    });

    it('may ask, close and change it in every continuation', async () => {
      const limiter = empty({ max: 1, per: 10, burst: 2 });
      const starts = [];
      const one = async (i) => {
        await limiter.acquire();
        starts.push(clock.now);
        if (i === 1) limiter.penalize(50);
        if (i === 2) limiter.reconfigure({ per: 1 });
        if (i < 3) await one(i + 1);
        else limiter.close();
      };
      const greedy = async () => {
        for (;;) await limiter.acquire(2);
      };
      const other = rejection(greedy());
      await clock.over(one(0));
      assert.equal((await other).code, 'ERR_SLUICE_CLOSED');
      assert.deepEqual(starts, [30, 60, 130, 133]);
    });

    it('hears of each failure once, and nothing is unhandled that he has heard of', async () => {
      const reasons = await unhandledDuring(async () => {
        const limiter = empty({ max: 1, per: 10, burst: 1 });
        const controller = new AbortController();
        const waits = [
          limiter.acquire({ timeout: 5 }),
          limiter.acquire({ signal: controller.signal }),
          limiter.acquire(),
        ];
        for (const wait of waits) wait.catch(() => {});
        await pass(5);
        controller.abort('enough');
        limiter.close();
        await turn();
      });
      assert.deepEqual(reasons, []);
    });
  });

  describe('misuse', () => {
    it('the rate: what is wrong is named', () => {
      const wrong = [
        [undefined, invalidType, /"options"/],
        [null, invalidType, /"options"/],
        ['5', invalidType, /"options"/],
        [[], invalidType, /"options"/],
        [0, outOfRange, /"options"/],
        [-1, outOfRange, /"options"/],
        [NaN, outOfRange, /"options"/],
        [{}, invalidType, /"options\.max"/],
        [{ per: 5 }, invalidType, /"options\.max"/],
        [{ max: 0 }, outOfRange, /"options\.max"/],
        [{ max: '1' }, invalidType, /"options\.max"/],
        [{ max: Infinity }, outOfRange, /"options\.max"/],
        [{ max: 1, per: 0 }, outOfRange, /"options\.per"/],
        [{ max: 1, per: null }, invalidType, /"options\.per"/],
        [{ max: 1, burst: 0 }, outOfRange, /"options\.burst"/],
        [{ max: 1, burst: 1.5 }, outOfRange, /"options\.burst"/],
        [{ max: 1, burst: Infinity }, outOfRange, /"options\.burst"/],
        [{ max: 1, maxWaiting: -1 }, outOfRange, /"options\.maxWaiting"/],
        [{ max: 1, maxWaiting: '1' }, invalidType, /"options\.maxWaiting"/],
        [{ max: 1, interval: 5 }, invalidType, /"options\.interval".*no such option/],
        [1e-10, outOfRange, /"options"/],
      ];
      for (const [given, kind, message] of wrong)
        assert.throws(() => new RateLimiter(given), { ...kind, message }, JSON.stringify(given));
      assert.throws(() => RateLimiter(1), TypeError);
    });

    const wrongWaits = {
      'tokens that are no number': [['two'], invalidType, /"tokens"/],
      'tokens of null': [[null], invalidType, /"tokens"/],
      'tokens of 0': [[0], outOfRange, /"tokens"/],
      'tokens of 1.5': [[1.5], outOfRange, /"tokens"/],
      'tokens of Infinity': [[Infinity], outOfRange, /"tokens"/],
      'options that are none': [[1, 5], invalidType, /"options"/],
      'options after options': [[{}, {}], invalidType, /"options"/],
      'an unknown option': [[{ timout: 5 }], invalidType, /"options\.timout".*no such option/],
      'a timeout that is no number': [[{ timeout: '5' }], invalidType, /"options\.timeout"/],
      'a timeout below 0': [[1, { timeout: -1 }], outOfRange, /"options\.timeout"/],
      'a signal that is none': [[{ signal: {} }], invalidType, /"options\.signal"/],
      'an unref that is no boolean': [[{ unref: 1 }], invalidType, /"options\.unref"/],
    };
    for (const [name, [args, kind, message]] of Object.entries(wrongWaits)) {
      it(`acquire() rejects ${name}, and takes no token`, async () => {
        const limiter = new RateLimiter({ max: 1, per: 10, burst: 1 });
        await assert.rejects(limiter.acquire(...args), { ...kind, message });
        assert.equal(limiter.available, 1);
        limiter.tryAcquire();
        await assert.rejects(limiter.acquire(...args), { ...kind, message });
        assert.equal(limiter.waiting, 0);
      });
    }

    it('tryAcquire() throws of wrong tokens', () => {
      const limiter = new RateLimiter(1);
      for (const wrong of ['1', null, {}])
        assert.throws(() => limiter.tryAcquire(wrong), { ...invalidType, message: /"tokens"/ });
      for (const wrong of [0, -1, 0.5, NaN, Infinity])
        assert.throws(() => limiter.tryAcquire(wrong), { ...outOfRange, message: /"tokens"/ });
      assert.equal(limiter.available, 1);
    });

    it('methods and getters on a stranger: TypeError, ERR_INVALID_THIS; what returns a promise rejects', async () => {
      const { prototype } = RateLimiter;
      const limiter = new RateLimiter(1);
      for (const stranger of [undefined, null, 1, 'x', {}, Object.create(limiter), new Proxy(limiter, {})]) {
        for (const key of ['available', 'waiting']) {
          const { get } = Object.getOwnPropertyDescriptor(prototype, key);
          assert.throws(() => Reflect.apply(get, stranger, []), invalidThis);
        }
        await assert.rejects(prototype.acquire.call(stranger), invalidThis);
        await assert.rejects(prototype.acquire.call(stranger, 1, { timeout: 5 }), invalidThis);
        assert.throws(() => prototype.tryAcquire.call(stranger), invalidThis);
        assert.throws(() => prototype.reconfigure.call(stranger, { max: 1 }), invalidThis);
        assert.throws(() => prototype.penalize.call(stranger, 1), invalidThis);
        assert.throws(() => prototype.close.call(stranger), invalidThis);
      }
    });
  });

  const MAIN = `
    const { RateLimiter } = require(${JSON.stringify(require.resolve('../..'))});
    const { usage } = require(${JSON.stringify(require.resolve('../../lib/engine'))});
    const log = (what) => console.log(JSON.stringify(typeof what === 'object' && what !== null ? what : { what }));
    const emptyOf = (per) => {
      const limiter = new RateLimiter({ max: 1, per, burst: 1 });
      limiter.tryAcquire();
      return limiter;
    };
    const HOUR = 3_600_000;
  `;
  const scripts = {
    'a wait': `emptyOf(40).acquire().then(() => log('granted'));`,
    'a wait beside those with unref': `
      const limiter = emptyOf(20);
      limiter.acquire({ unref: true }).then(() => log('granted'));
      limiter.acquire().then(() => log('granted'));`,
    'a wait with unref': `emptyOf(HOUR).acquire({ unref: true }).then(log);`,
    'a wait with unref and a timeout': `emptyOf(HOUR).acquire({ unref: true, timeout: HOUR }).then(log, log);`,
    'an empty limiter': `globalThis.limiter = emptyOf(HOUR); limiter.penalize(HOUR);`,
    'a wait that was aborted': `
      const controller = new AbortController();
      emptyOf(HOUR).acquire({ signal: controller.signal }).catch(log);
      setImmediate(() => setImmediate(() => controller.abort('aborted')));`,
    garbage: `
      (async () => {
        for (let i = 0; i < 100_000; i++) {
          const limiter = new RateLimiter(1000);
          limiter.tryAcquire();
          if (i % 1000 === 0) await limiter.acquire({ timeout: 1000 });
          if (i % 10_000 === 9_999) {
            gc();
            await new Promise(setImmediate);
          }
        }
        for (let i = 0; i < 50 && usage().limiters > 10; i++) {
          gc();
          await new Promise(setImmediate);
        }
        const { limiters, waiters } = usage();
        log({ areFew: limiters <= 10, waiters });
      })();`,
    'somebody waits': `
      let isOver = false;
      (() => {
        const limiter = emptyOf(30);
        limiter.acquire().then(() => limiter.acquire()).then(() => (isOver = true));
      })();
      const look = () => {
        gc();
        if (!isOver) setImmediate(look);
        else log('granted');
      };
      look();`,
  };

  describe('the process', function () {
    this.timeout(120_000);
    const linesOf = linesOfScripts(scripts, MAIN);
    it('is kept alive by a wait, until the token comes', async () =>
      assert.deepEqual(await linesOf('a wait'), [{ what: 'granted' }]));
    it('is kept alive by a wait that stands behind one with unref', async () =>
      assert.deepEqual(await linesOf('a wait beside those with unref'), [{ what: 'granted' }, { what: 'granted' }]));
    for (const name of ['a wait with unref', 'a wait with unref and a timeout', 'an empty limiter'])
      it(`is not kept alive by ${name}`, async () => assert.deepEqual(await linesOf(name), []));
    it('is not kept alive by a wait that was aborted', async () =>
      assert.deepEqual(await linesOf('a wait that was aborted'), [{ what: 'aborted' }]));
    it('keeps no limiter that nobody can reach: 100,000 leave few behind', async () =>
      assert.deepEqual(await linesOf('garbage'), [{ areFew: true, waiters: 0 }]));
    it('keeps a limiter for which somebody waits, though nobody else can reach it', async () =>
      assert.deepEqual(await linesOf('somebody waits'), [{ what: 'granted' }]));
  });
});
