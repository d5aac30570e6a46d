'use strict';

// Semaphores and mutexes that all threads of the process share by their name. The order in which threads do things is made
// certain by waiting for what each has done (see support/threads.js); nothing here looks at how long anything takes.

const assert = require('node:assert/strict');

const { Mutex, RateLimiter, Semaphore, SluiceError } = require('../..');
const { invalidType, isClosed, outOfRange } = require('../support/endings');
const { rejection } = require('../support/outcomes');
const { crewOf, words } = require('../support/crew');
const { Thread } = require('../support/threads');

const COUNT = 3; // threads beside the main thread
const isMismatch = { name: 'SluiceError', code: 'ERR_SLUICE_SHARED_MISMATCH' };
const granted = { status: 'granted', value: undefined };

// How those wait that come one after the other.
const forms = {
  'who all wait without conditions': [],
  'who all have a timeout': ['timeout'],
  'who all have a signal': ['signal'],
  'of whom some have a timeout, and some a signal': [undefined, 'timeout', undefined, undefined, 'signal'],
};

describe('shared by threads', function () {
  this.timeout(120_000);

  const crew = crewOf(COUNT);
  const { threads } = crew;

  describe('one count', () => {
    it('what one thread holds is missing in all others, and comes back for all', async () => {
      await crew.share('Semaphore', 3);
      await crew.hold(threads[0], 2);
      await crew.assertLevels({ available: 1, waiting: 0 });
      assert.equal(await threads[1].run(({ it }) => it.tryAcquire(2)), undefined);
      await crew.hold(threads[1], 1);
      await crew.assertLevels({ available: 0, waiting: 0 });
      assert.equal(crew.it.tryAcquire(), undefined);
      await crew.release(threads[0]);
      await crew.assertLevels({ available: 2, waiting: 0 });
      await crew.release(threads[1]);
      await crew.assertLevels({ available: 3, waiting: 0 });
    });

    it('two of one name in one thread are one, too', async () => {
      const [one, other] = [new Semaphore(2, { shared: crew.name }), new Semaphore(2, { shared: crew.name })];
      const permit = one.tryAcquire(2);
      assert.deepEqual([other.available, other.tryAcquire()], [0, undefined]);
      const wait = other.acquire();
      assert.equal(one.waiting, 1);
      permit.release();
      (await wait).release();
      assert.deepEqual([one.available, other.available], [2, 2]);
      one.close();
      other.close();
    });

    it('of other names there are others; a local one is nobody else', async () => {
      await crew.share('Semaphore', 1);
      const other = new Semaphore(1, { shared: `${crew.name} too` });
      const local = new Semaphore(1);
      await crew.hold(threads[0], 1);
      assert.deepEqual([crew.it.available, other.available, local.available], [0, 1, 1]);
      other.close();
    });

    it('Infinity permits, and more than 32 bits hold', async () => {
      for (const permits of [Infinity, 2 ** 40]) {
        crew.name = `${crew.name}, ${permits}`;
        await crew.share('Semaphore', permits);
        await threads[0].run(({ it, permits }) => void permits.push(it.tryAcquire(2 ** 39)));
        const { available } = await crew.levels(threads[1]);
        assert.equal(available, permits - 2 ** 39);
        await crew.release(threads[0]);
        assert.equal(crew.it.available, permits);
        await crew.each((world) => world.clear());
      }
    });

    it('a mutex is locked for all; runExclusive() of all threads runs one at a time', async () => {
      await crew.share('Mutex');
      await crew.hold(threads[0], 1);
      assert.deepEqual(
        await crew.each(({ it }) => it.isLocked),
        crew.all.map(() => true),
      );
      const inside = words(2);
      const runs = crew.each(async (world, inside) => {
        const work = async () => {
          world.enter(inside);
          await world.turn();
          world.leave(inside);
          return 1;
        };
        const done = await Promise.all(Array.from({ length: 10 }, () => world.it.runExclusive(work)));
        return done.length;
      }, inside);
      await crew.release(threads[0]);
      assert.deepEqual(await runs, [10, 10, 10, 10]);
      assert.deepEqual([...inside], [0, 1]);
      assert.equal(crew.it.isLocked, false);
    });
  });

  describe('the line', () => {
    for (const [form, cycle] of Object.entries(forms)) {
      it(`lets in, in the order in which they came to it from all threads, those ${form}`, async () => {
        await crew.share('Semaphore', 1);
        await crew.hold(crew.here, 1);
        const log = words(1 + 16);
        for (let i = 0; i < 16; i++) {
          await crew.all[(i * 7) % crew.all.length].run(
            async (world, i, form, log) => {
              const wish = form === 'timeout' ? { timeout: 1e6 } : form && { signal: world.signal(i) };
              const wait = world.it.acquire(1, wish).then((permit) => {
                world.note(log, i);
                permit.release();
              });
              world.follow(i, wait);
            },
            i,
            cycle[i % cycle.length],
            log,
          );
          assert.equal(crew.it.waiting, i + 1);
        }
        await crew.assertLevels({ available: 0, waiting: 16 });
        assert.equal(log[0], 0);
        await crew.release(crew.here);
        for (let i = 0; i < 16; i++)
          assert.deepEqual(await crew.outcome(crew.all[(i * 7) % crew.all.length], i), granted);
        assert.deepEqual(
          [...log.slice(1)],
          Array.from({ length: 16 }, (_, i) => i),
        );
        await crew.assertLevels({ available: 1, waiting: 0 });
      });
    }

    it('hands a permit over: nobody gets in between, also while the thread that it goes to is blocked', async () => {
      await crew.share('Semaphore', 1);
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'first');
      const unblock = await threads[0].block();
      await crew.release(crew.here);
      assert.deepEqual([crew.it.available, crew.it.tryAcquire()], [0, undefined]);
      await crew.acquire(threads[1], 'second');
      assert.equal(await threads[1].run(({ it }) => it.tryAcquire()), undefined);
      unblock();
      assert.deepEqual(await crew.outcome(threads[0], 'first'), granted);
      assert.equal(await crew.status(threads[1], 'second'), 'pending');
      await crew.release(threads[0]);
      assert.deepEqual(await crew.outcome(threads[1], 'second'), granted);
    });

    it('lets in as many as there are permits for, whatever threads they are of', async () => {
      await crew.share('Semaphore', 3);
      await crew.hold(crew.here, 3);
      for (let i = 0; i < 6; i++) await crew.acquire(threads[i % 3], i);
      await crew.release(crew.here);
      for (let i = 0; i < 3; i++) assert.deepEqual(await crew.outcome(threads[i], i), granted);
      await crew.assertLevels({ available: 0, waiting: 3 });
      for (let i = 0; i < 3; i++) {
        await crew.release(threads[2 - i]);
        assert.deepEqual(await crew.outcome(threads[i], 3 + i), granted);
      }
      await crew.assertLevels({ available: 0, waiting: 0 });
    });

    it('who waits with a great weight is not overtaken by lighter ones of other threads', async () => {
      await crew.share('Semaphore', 3);
      await crew.hold(threads[0], 1);
      await crew.hold(threads[1], 2);
      await crew.acquire(threads[2], 'heavy', { weight: 3 });
      await crew.acquire(threads[0], 'light');
      await crew.release(threads[1]); // two are free, and kept for it
      assert.deepEqual([crew.it.tryAcquire(), crew.it.available, crew.it.waiting], [undefined, 0, 2]);
      assert.equal(await crew.status(threads[0], 'light'), 'pending');
      await crew.release(threads[0]);
      assert.deepEqual(await crew.outcome(threads[2], 'heavy'), granted);
      assert.equal(await crew.status(threads[0], 'light'), 'pending');
      await crew.release(threads[2]);
      assert.deepEqual(await crew.outcome(threads[0], 'light'), granted);
    });

    it('who waits with a great weight is let in though others never stop to ask for less', async () => {
      await crew.share('Semaphore', 2);
      const isOver = words(1);
      const loops = threads.map((thread) =>
        thread.run(async (world, isOver) => {
          for (let i = 0; Atomics.load(isOver, 0) === 0; i++) {
            const permit = await world.it.acquire();
            if (i % 2 === 0) await world.turn();
            permit.release();
          }
        }, isOver),
      );
      for (let i = 0; i < 20; i++) (await crew.it.acquire(2)).release();
      Atomics.store(isOver, 0, 1);
      await Promise.all(loops);
      await crew.assertLevels({ available: 2, waiting: 0 });
    });

    it('maxWaiting looks at all who wait, whatever threads they are of', async () => {
      await crew.share('Semaphore', 1, { maxWaiting: 2 });
      const roomy = new Semaphore(1, { shared: crew.name, maxWaiting: 3 });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'a');
      await crew.acquire(threads[1], 'b');
      for (const thread of crew.all) {
        const { code, message } = await rejection(thread.run(({ it }) => it.acquire()));
        assert.deepEqual([code, message], ['ERR_SLUICE_FULL', 'As many wait for the semaphore as may: 2']);
      }
      const wait = roomy.acquire();
      assert.equal(crew.it.waiting, 3);
      await crew.release(crew.here);
      assert.deepEqual(await crew.outcome(threads[0], 'a'), granted);
      await assert.rejects(crew.it.acquire(), { code: 'ERR_SLUICE_FULL' });
      await crew.release(threads[0]);
      await crew.outcome(threads[1], 'b');
      await crew.release(threads[1]);
      (await wait).release();
      roomy.close();
    });
  });

  describe('who leaves the line', () => {
    const ends = {
      aborted: {
        form: 'signal',
        end: () => crew.abort(threads[0], 'first', 'enough'),
        value: { thrown: 'enough' },
      },
      'out of time': {
        form: 'timeout',
        timeout: 5,
        end: () => crew.outcome(threads[0], 'first'),
        value: { name: 'TimeoutError', code: 'ERR_SLUICE_TIMEOUT', scope: 'wait' },
      },
      closed: {
        end: () => crew.close(threads[0]),
        value: { name: 'SluiceError', code: 'ERR_SLUICE_CLOSED' },
      },
    };
    for (const [how, { form, timeout, end, value }] of Object.entries(ends)) {
      it(`${how}: is out of it at once, for all threads, and who stood behind goes on`, async () => {
        await crew.share('Semaphore', 3);
        await crew.hold(crew.here, 1);
        await crew.acquire(threads[0], 'first', { weight: 3, form, timeout });
        await crew.acquire(threads[1], 'second', { weight: 2 });
        await crew.acquire(threads[2], 'third');
        await end();
        const { status: how, value: error } = await crew.outcome(threads[0], 'first');
        assert.equal(how, 'rejected');
        for (const [key, expected] of Object.entries(value)) assert.equal(error[key], expected);
        assert.deepEqual(await crew.levels(crew.here), { available: 0, waiting: 1 });
        assert.deepEqual(await crew.outcome(threads[1], 'second'), granted);
        await crew.release(crew.here);
        assert.deepEqual(await crew.outcome(threads[2], 'third'), granted);
        assert.equal(await threads[0].run((world) => world.usage.waiters), 0);
      });

      it(`${how}, from the middle: takes nobody along`, async () => {
        await crew.share('Semaphore', 1);
        await crew.hold(crew.here, 1);
        await crew.acquire(threads[1], 'before');
        await crew.acquire(threads[0], 'first', { form, timeout });
        await crew.acquire(threads[2], 'behind');
        await end();
        assert.equal((await crew.outcome(threads[0], 'first')).status, 'rejected');
        assert.deepEqual(await crew.levels(crew.here), { available: 0, waiting: 2 });
        await crew.release(crew.here);
        assert.deepEqual(await crew.outcome(threads[1], 'before'), granted);
        await crew.release(threads[1]);
        assert.deepEqual(await crew.outcome(threads[2], 'behind'), granted);
      });
    }

    it('a permit that was given to a blocked thread before the time was over is its permit', async () => {
      await crew.share('Semaphore', 1);
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'wait', { form: 'timeout', timeout: 50 });
      const unblock = await threads[0].block();
      await crew.release(crew.here);
      await new Promise((resolve) => setTimeout(resolve, 100)); // the time is over there, and cannot be looked at
      unblock();
      assert.deepEqual(await crew.outcome(threads[0], 'wait'), granted);
      await crew.release(threads[0]);
      await crew.assertLevels({ available: 1, waiting: 0 });
    });

    it('an abort that comes when the permit was given already gives it back, or comes too late: none is lost', async () => {
      for (const end of ['abort', 'close']) {
        await crew.share('Semaphore', 1);
        await crew.hold(crew.here, 1);
        await crew.acquire(threads[0], 'wait', { form: 'signal' });
        const unblock = await threads[0].block();
        await crew.release(crew.here); // it is given to the thread, which does not know
        const ended = end === 'abort' ? crew.abort(threads[0], 'wait', 'enough') : crew.close(threads[0]);
        unblock();
        await ended;
        const { status } = await crew.outcome(threads[0], 'wait');
        if (status === 'granted') await crew.release(threads[0]);
        (await crew.it.acquire()).release();
        assert.deepEqual([crew.it.available, crew.it.waiting], [1, 0]);
        await crew.each((world) => world.clear());
      }
    });

    it('thousands come and go in all threads at once; none is lost, none is left', async () => {
      await crew.share('Semaphore', 4);
      const inside = words(2);
      const counts = await crew.each(async (world, inside) => {
        let granted = 0;
        const one = async (i) => {
          const weight = 1 + (i % 3);
          const controller = new AbortController();
          const wish = [undefined, { timeout: i % 7 }, { signal: controller.signal }, { timeout: 1e6 }][i % 4];
          if (i % 8 === 2) setImmediate(() => controller.abort());
          try {
            const permit = await world.it.acquire(weight, wish);
            world.enter(inside, weight);
            if (i % 5 === 0) await world.turn();
            world.leave(inside, weight);
            permit.release();
            granted++;
          } catch (error) {
            if (error.name !== 'AbortError' && error.name !== 'TimeoutError') throw error;
          }
        };
        for (let round = 0; round < 20; round++)
          await Promise.all(Array.from({ length: 100 }, (_, i) => one(round + i)));
        return granted;
      }, inside);
      for (const granted of counts) assert.ok(granted >= 1000, `${granted}: those without conditions, at least`);
      assert.equal(inside[0], 0);
      assert.ok(inside[1] <= 4, `${inside[1]} were inside, and there are 4`);
      await crew.assertLevels({ available: 4, waiting: 0 });
    });
  });

  it('whatever threads do to it at once, what is counted stays right', async () => {
    await crew.share('Semaphore', 4);
    await crew.each(async (world, name) => {
      const { Semaphore } = world.sluice;
      const one = async (i) => {
        const handle = i % 5 === 0 ? new Semaphore(4, { shared: name }) : world.it;
        const weight = 1 + (i % 2);
        try {
          if (i % 11 === 3) handle.resize(2 + (i % 5));
          const permit =
            i % 3 === 0 ? handle.tryAcquire(weight) : await handle.acquire(weight, { timeout: 1 + (i % 50) });
          if (i % 4 === 0) await world.turn();
          if (handle.available > 6 || handle.waiting > 4000) throw new Error('too many');
          if (i % 10 === 0 && handle !== world.it) handle.close();
          permit?.release();
        } catch (error) {
          if (error.name !== 'TimeoutError') throw error;
        }
        if (handle !== world.it) handle.close();
      };
      for (let round = 0; round < 10; round++)
        await Promise.all(Array.from({ length: 50 }, (_, i) => one(i * 7 + round)));
    }, crew.name);
    crew.it.resize(4);
    await crew.assertLevels({ available: 4, waiting: 0 });
  });

  describe('resize()', () => {
    it('in one thread counts for all, and lets in who waits in others', async () => {
      await crew.share('Semaphore', 1);
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'a');
      await crew.acquire(threads[1], 'b');
      await threads[2].run(({ it }) => it.resize(3));
      assert.deepEqual(await crew.outcome(threads[0], 'a'), granted);
      assert.deepEqual(await crew.outcome(threads[1], 'b'), granted);
      assert.deepEqual(await crew.each(({ it }) => it.permits), [3, 3, 3, 3]);
      await crew.assertLevels({ available: 0, waiting: 0 });
    });

    it('to fewer takes effect as permits come back, and turns away who asks for more than there are, anywhere', async () => {
      await crew.share('Semaphore', 4);
      await crew.hold(crew.here, 3);
      await crew.acquire(threads[0], 'heavy', { weight: 4 });
      await crew.acquire(threads[1], 'light', { weight: 2 });
      await threads[2].run(({ it }) => it.resize(2));
      const { value } = await crew.outcome(threads[0], 'heavy');
      assert.deepEqual([value.name, value.code], ['RangeError', 'ERR_OUT_OF_RANGE']);
      assert.match(value.message, /"weight".*<= 2/);
      assert.deepEqual(await crew.levels(threads[1]), { available: 0, waiting: 1 });
      const error = await rejection(threads[0].run(({ it }) => it.acquire(3)));
      assert.match(error.message, /"weight".*<= 2.*3/);
      await crew.release(crew.here);
      assert.deepEqual(await crew.outcome(threads[1], 'light'), granted);
      await crew.release(threads[1]);
      await crew.assertLevels({ available: 2, waiting: 0 });
    });

    it('does not change what the name stands for: who comes later says the first count', async () => {
      await crew.share('Semaphore', 2);
      crew.it.resize(5);
      const late = new Semaphore(2, { shared: crew.name });
      assert.equal(late.permits, 5);
      late.close();
      assert.throws(() => new Semaphore(5, { shared: crew.name }), isMismatch);
    });
  });

  describe('close()', () => {
    it('is of one handle: its own waiters are turned away, and all others go on', async () => {
      await crew.share('Semaphore', 1);
      const beside = new Semaphore(1, { shared: crew.name });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'theirs');
      const mine = crew.it.acquire({ timeout: 1e6 });
      const besideIt = beside.acquire();
      crew.it.close();
      crew.it.close();
      await assert.rejects(mine, { ...isClosed, message: 'The semaphore is closed' });
      await assert.rejects(crew.it.acquire(), isClosed);
      assert.throws(() => crew.it.tryAcquire(), isClosed);
      assert.equal(beside.waiting, 2);
      await crew.release(crew.here); // what it was given before, it gives back
      assert.deepEqual(await crew.outcome(threads[0], 'theirs'), granted);
      await crew.release(threads[0]);
      (await besideIt).release();
      beside.close();
    });

    it('ends the calls of this thread that are open on it, and no other', async () => {
      await crew.share('Semaphore', 2);
      const call = (thread) =>
        thread.run((world) => {
          const mapper = () => new Promise((resolve) => (world.finish = resolve));
          world.follow('call', world.sluice.mapWithLimit([1], world.it, mapper));
        });
      await call(threads[0]);
      await call(threads[1]);
      await crew.close(threads[0]);
      const { value } = await crew.outcome(threads[0], 'call');
      assert.equal(value.code, 'ERR_SLUICE_CLOSED');
      assert.equal(await crew.status(threads[1], 'call'), 'pending');
      await threads[1].run((world) => world.finish());
      assert.equal((await crew.outcome(threads[1], 'call')).status, 'granted');
      assert.equal(crew.it.available, 2);
    });

    it('of the last one frees the name: another count, or another kind, may have it', async () => {
      await crew.share('Semaphore', 2);
      for (const thread of threads) {
        await crew.close(thread);
        assert.throws(() => new Semaphore(3, { shared: crew.name }), isMismatch);
      }
      crew.it.close();
      new Semaphore(3, { shared: crew.name }).close();
      new Mutex({ shared: crew.name }).close();
      new RateLimiter({ max: 1, shared: crew.name }).close();
    });

    it('a thread that ends lets go of its own', async () => {
      const [visitor] = await Thread.crew(1);
      await crew.share('Semaphore', 2, undefined, [visitor]);
      assert.throws(() => new Semaphore(3, { shared: crew.name }), isMismatch);
      await visitor.terminate();
      const other = new Semaphore(3, { shared: crew.name });
      other.close();
    });
  });

  describe('a name that stands for something else', () => {
    const rate = { max: 10, per: 100, burst: 5 };
    const makers = {
      Semaphore: (shared) => new Semaphore(2, { shared }),
      Mutex: (shared) => new Mutex({ shared }),
      RateLimiter: (shared) => new RateLimiter({ ...rate, shared }),
    };
    const others = {
      Semaphore: [
        [(shared) => new Semaphore(3, { shared }), /2.*3|3.*2/s],
        [(shared) => new Semaphore(Infinity, { shared }), /Infinity/],
        [makers.Mutex, /[Mm]utex/],
        [makers.RateLimiter, /[Rr]ate ?[Ll]imiter/],
      ],
      Mutex: [
        [(shared) => new Semaphore(1, { shared }), /[Ss]emaphore/],
        [makers.RateLimiter, /[Rr]ate ?[Ll]imiter/],
      ],
      RateLimiter: [
        [(shared) => new RateLimiter({ ...rate, max: 11, shared }), /11/],
        [(shared) => new RateLimiter({ ...rate, per: 101, shared }), /101/],
        [(shared) => new RateLimiter({ ...rate, burst: 6, shared }), /6/],
        [(shared) => new RateLimiter(Object.assign({ ...rate, shared }, { burst: undefined })), /burst/],
        [makers.Semaphore, /[Ss]emaphore/],
        [makers.Mutex, /[Mm]utex/],
      ],
    };
    for (const [kind, list] of Object.entries(others)) {
      for (const [i, [make, message]] of list.entries()) {
        it(`${kind}, ${i}: is an error that says both, in every thread, and changes nothing`, async () => {
          const given = { Semaphore: 2, RateLimiter: rate }[kind];
          await crew.share(kind, given, undefined, threads);
          for (let times = 0; times < 2; times++) {
            assert.throws(
              () => make(crew.name),
              (error) => {
                assert.ok(error instanceof SluiceError, error.stack);
                assert.deepEqual([error.name, error.code], ['SluiceError', 'ERR_SLUICE_SHARED_MISMATCH']);
                assert.ok(error.message.includes(crew.name), error.message);
                assert.match(error.message, message);
                return true;
              },
            );
          }
          const same = makers[kind](crew.name);
          await crew.close(threads[0]);
          await crew.close(threads[1]);
          await crew.close(threads[2]);
          same.close();
          make(crew.name).close();
        });
      }
    }
  });

  describe('misuse', () => {
    it('a name is a string that is not empty; what else it is, is named', () => {
      const makers = [
        (shared) => new Semaphore(1, { shared }),
        (shared) => new Mutex({ shared }),
        (shared) => new RateLimiter({ max: 1, shared }),
      ];
      for (const make of makers) {
        for (const wrong of [null, 1, true, {}, Symbol('name'), ['name'], Object('name')])
          assert.throws(() => make(wrong), { ...invalidType, message: /"options\.shared"/ });
        make(undefined);
      }
    });

    it('a name may be any string', async () => {
      const names = ['__proto__', 'constructor', 'a\0b', 'a', 'a\0', '\0', 'ä', 'a\u0308', '\u{1F980}', '\ud800', '\udc00', '\ufffd', ' ', 'x'.repeat(1e6)]; // prettier-ignore
      const semaphores = names.map((shared) => new Semaphore(1, { shared }));
      for (const [i, one] of semaphores.entries()) {
        const permit = one.tryAcquire();
        semaphores.forEach((other, j) => assert.equal(other.available, i === j ? 0 : 1, names[j].slice(0, 9)));
        await threads[0].run((world, name) => void world.share('Semaphore', name, 1), names[i]);
        assert.deepEqual(await crew.levels(threads[0]), { available: 0, waiting: 0 });
        permit.release();
      }
      for (const one of semaphores) one.close();
    });

    it('weights that are more than there are, and resize() of a mutex', async () => {
      await crew.share('Semaphore', 2);
      await assert.rejects(crew.it.acquire(3), { ...outOfRange, message: /"weight".*<= 2.*3/ });
      assert.throws(() => crew.it.tryAcquire(3), { ...outOfRange, message: /"weight".*<= 2.*3/ });
      const mutex = new Mutex({ shared: `${crew.name}, mutex` });
      assert.throws(() => mutex.resize(2), { ...outOfRange, message: /"permits"/ });
      mutex.close();
    });
  });

  describe('calls', () => {
    const kinds = ['mapWithLimit', 'mapSettled', 'mapStream', 'consume'];
    const together = async (world, kinds, inside, done) => {
      const mapper = async (item) => {
        world.enter(inside);
        if (item % 3 !== 0) await world.turn();
        world.leave(inside);
        Atomics.add(done, 0, 1);
        return item;
      };
      const items = Array.from({ length: 40 }, (_, i) => i);
      const calls = kinds.map((kind) => world.call(kind, items, world.it, mapper));
      return (await Promise.all(calls)).map((results) => results?.length);
    };
    for (const some of [...kinds.map((kind) => [kind]), kinds]) {
      const what = some.length > 1 ? 'all of these at once' : some[0];
      it(`${what} in every thread: never more than the limit inside, in all threads together; all is done`, async () => {
        await crew.share('Semaphore', 3);
        const [inside, done] = [words(2), words(1)];
        await crew.each(together, some, inside, done);
        assert.deepEqual([inside[0], done[0]], [0, 40 * some.length * crew.all.length]);
        assert.ok(inside[1] <= 3, `${inside[1]} were inside`);
        await crew.assertLevels({ available: 3, waiting: 0 });
      });
    }

    it('calls and who acquires by hand, of all threads, stand in one line', async () => {
      await crew.share('Semaphore', 2);
      const inside = words(2);
      await crew.each(async (world, inside) => {
        const mapper = async () => {
          world.enter(inside);
          await world.turn();
          world.leave(inside);
        };
        const byHand = async (weight) => {
          const permit = await world.it.acquire(weight);
          world.enter(inside, weight);
          await world.turn();
          world.leave(inside, weight);
          permit.release();
        };
        const calls = [1, 2].map(() => world.call('mapWithLimit', Array(20).keys(), world.it, mapper));
        await Promise.all([...calls, byHand(1), byHand(2), byHand(2)]);
      }, inside);
      assert.equal(inside[0], 0);
      assert.ok(inside[1] <= 2, `${inside[1]} were inside`);
      await crew.assertLevels({ available: 2, waiting: 0 });
    });

    it('a call takes its turn behind who waits in other threads, item by item', async () => {
      await crew.share('Semaphore', 1);
      const log = words(1 + 8);
      const began = crew.here.run((world) => {
        const mapper = () => new Promise((resolve) => (world.finish = resolve));
        world.follow('call', world.call('mapWithLimit', [1, 2], world.it, mapper));
      });
      await began;
      // It stands in the line, for its second item, before the others come.
      for (const [i, thread] of threads.entries()) {
        await thread.run(
          (world, i, log) => {
            const wait = world.it.use(() => world.note(log, i));
            world.follow(i, wait);
          },
          i,
          log,
        );
      }
      assert.equal(crew.it.waiting, 4);
      const { finish } = crew.here.world;
      finish();
      while (crew.here.world.finish === finish) await crew.here.world.turn();
      assert.equal(log[0], 0, 'its second item comes first');
      crew.here.world.finish();
      await crew.outcome(crew.here, 'call');
      for (const [i, thread] of threads.entries()) await crew.outcome(thread, i);
      assert.deepEqual([...log.slice(0, 4)], [3, 0, 1, 2]);
    });

    for (const [how, kinds] of Object.entries({
      'that fails': ['mapWithLimit', 'mapStream'],
      'that is aborted': ['mapWithLimit', 'mapSettled', 'mapStream', 'consume'],
    }))
      // prettier-ignore
      for (const kind of kinds)
        it(`${kind} ${how} gives back what it held, and leaves the line, for all threads`, async () => {
          await crew.share('Semaphore', 2);
          await threads[0].run(
            (world, kind, how) => {
              const signal = world.signal('call');
              const mapper = (item) => {
                if (how === 'that is aborted') return new Promise(() => {});
                return item === 3 ? Promise.reject(new Error('failed')) : world.turn();
              };
              world.follow('call', world.call(kind, Array(9).keys(), world.it, mapper, { signal }));
            },
            kind,
            how,
          );
          await crew.acquire(threads[1], 'other', { weight: 2 });
          if (how === 'that is aborted') await crew.abort(threads[0], 'call', 'enough');
          assert.deepEqual(await crew.outcome(threads[1], 'other'), granted);
          await crew.release(threads[1]);
          assert.equal((await crew.outcome(threads[0], 'call')).status, 'rejected');
          await crew.assertLevels({ available: 2, waiting: 0 });
        });
  });
});
