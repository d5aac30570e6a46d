'use strict';

// Rate limiters that all threads of the process share by their name. Time is real here, since it is one for all threads;
// what is asserted holds however late a thread is.

const assert = require('node:assert/strict');

const { RateLimiter } = require('../..');
const { overfullWindow } = require('../support/bucket');
const { crewOf, words } = require('../support/crew');
const { isClosed, isFull, outOfRange } = require('../support/endings');
const { rejection } = require('../support/outcomes');

const COUNT = 3; // threads beside the main thread
const HOUR = 3_600_000;
const MS = 1_000_000n;

// What was granted in time may be noted late, when the thread that noted it had to wait for a processor.
const SLACK = 100; // milliseconds

/** Numbers of nanoseconds that all threads see: how many there are, and then them. */
const stamps = (count) => new BigInt64Array(new SharedArrayBuffer(8 * (count + 1)));

describe('a rate limiter shared by threads', function () {
  this.timeout(120_000);

  const crew = crewOf(COUNT);
  const { threads } = crew;

  describe('tokens', () => {
    it('what one thread takes is missing in all others', async () => {
      await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 4 });
      await crew.hold(threads[0], 3);
      await crew.assertLevels({ available: 1, waiting: 0 });
      assert.equal(await threads[1].run(({ it }) => it.tryAcquire(2)), false);
      assert.equal(await threads[1].run(({ it }) => it.acquire()), 0);
      assert.deepEqual(await crew.each(({ it }) => it.tryAcquire()), [false, false, false, false]);
      await crew.assertLevels({ available: 0, waiting: 0 });
    });

    it('two of one name in one thread are one, too; of other names there are others', async () => {
      const rate = { max: 1, per: HOUR, burst: 2 };
      const [one, other] = [1, 2].map(() => new RateLimiter({ ...rate, shared: crew.name }));
      const stranger = new RateLimiter({ ...rate, shared: `${crew.name} too` });
      one.tryAcquire(2);
      assert.deepEqual([other.available, other.tryAcquire(), stranger.available], [0, false, 2]);
      for (const limiter of [one, other, stranger]) limiter.close();
    });

    it('a number is tokens per second; Infinity is no limit', async () => {
      await crew.here.run((world, name) => {
        const { RateLimiter } = world.sluice;
        const limiter = new RateLimiter({ max: 200, shared: name });
        if (limiter.available !== 2) throw new Error(`${limiter.available}`);
        limiter.close();
      }, crew.name);
    });

    it('is waited for in one line, first come, first served; nobody overtakes', async () => {
      await crew.share('RateLimiter', { max: 1, per: 2, burst: 1 });
      await crew.here.run(({ it }) => it.penalize(60));
      const tooMany = words(1);
      const count = 20;
      for (let i = 0; i < count; i++) {
        await crew.all[(i * 7) % crew.all.length].run(
          (world, i, count, tooMany) => {
            // Who stood before has left the line by the time that this one does.
            const look = () => {
              if (world.it.waiting > count - 1 - i) Atomics.add(tooMany, 0, 1);
            };
            world.follow(i, world.it.acquire(1, [undefined, { timeout: 1e6 }][i % 2]).then(look));
          },
          i,
          count,
          tooMany,
        );
        assert.equal(crew.it.tryAcquire(), false);
      }
      for (let i = 0; i < count; i++)
        assert.equal((await crew.outcome(crew.all[(i * 7) % crew.all.length], i)).status, 'granted');
      assert.equal(tooMany[0], 0);
    });

    it('who asks for several is not overtaken by who asks for one, of another thread', async () => {
      await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 3 });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'heavy', { weight: 3 });
      await crew.acquire(threads[1], 'light');
      await crew.assertLevels({ available: 0, waiting: 2 });
      assert.equal(await threads[2].run(({ it }) => it.tryAcquire()), false);
      await crew.each(({ it }) => it.reconfigure({ per: 20 }));
      assert.equal((await crew.outcome(threads[1], 'light')).status, 'granted');
      assert.equal((await crew.outcome(threads[0], 'heavy')).status, 'granted');
    });

    for (const rate of [
      { max: 400, per: 1000, burst: 60 },
      { max: 3, per: 10, burst: 5 },
      { max: 1, per: 4, burst: 1 },
    ]) {
      it(`never more than burst + max * t / per in any time t, of all threads: ${JSON.stringify(rate)}`, async () => {
        const created = process.hrtime.bigint();
        await crew.share('RateLimiter', rate);
        const starts = stamps(4000);
        const until = created + 700n * MS;
        const counts = await crew.each(
          async (world, starts, until, burst) => {
            let taken = 0;
            const note = (tokens) => {
              const now = process.hrtime.bigint();
              for (let i = 0; i < tokens; i++) starts[1 + Number(Atomics.add(starts, 0, 1n))] = now;
              taken += tokens;
            };
            const asking = async (tokens) => {
              while (process.hrtime.bigint() < until) {
                await world.it.acquire(tokens);
                note(tokens);
              }
            };
            const trying = async () => {
              while (process.hrtime.bigint() < until) {
                if (world.it.tryAcquire()) note(1);
                await world.turn();
              }
            };
            await Promise.all([asking(1), asking(1), asking(Math.min(3, burst)), trying()]);
            return taken;
          },
          starts,
          until,
          rate.burst,
        );
        const total = Number(starts[0]);
        const ended = Number((process.hrtime.bigint() - created) / 1000n) / 1000;
        const fair = (rate.max * ended) / rate.per;
        assert.ok(total <= rate.burst + fair, `${total} in ${ended} ms`);
        assert.ok(total > rate.burst, 'they have waited');
        for (const count of counts) assert.ok(count > 0, `nobody starves: ${counts}`);
        const list = Array.from(starts.subarray(1, 1 + total), (at) => Number((at - created) / 1000n) / 1000);
        list.sort((one, other) => one - other);
        const most = { ...rate, burst: rate.burst + Math.ceil((rate.max * SLACK) / rate.per) };
        const found = overfullWindow(list.map((at) => ({ at, tokens: 1 })), most); // prettier-ignore
        assert.equal(found, undefined);
      });
    }

    it('calls of all threads under { rate } keep it together, and do all their items', async () => {
      const rate = { max: 2, per: 5, burst: 4 };
      const began = process.hrtime.bigint();
      await crew.share('RateLimiter', rate);
      const done = words(1);
      await crew.each(async (world, done) => {
        const mapper = () => void Atomics.add(done, 0, 1);
        const call = (kind) => world.call(kind, Array(10).keys(), 4, mapper, { rate: world.it });
        await Promise.all([call('mapWithLimit'), call('mapSettled'), call('mapStream'), call('consume')]);
      }, done);
      const ms = Number(process.hrtime.bigint() - began) / 1e6;
      assert.equal(done[0], 40 * crew.all.length);
      assert.ok(done[0] <= rate.burst + (rate.max * ms) / rate.per, `${done[0]} in ${ms} ms`);
      assert.equal(crew.it.waiting, 0);
    });

    it('a semaphore and a rate limiter, both shared, hold for the same calls', async () => {
      const rate = { max: 1, per: 1, burst: 3 };
      await crew.share('Semaphore', 2);
      crew.name = `${crew.name}, rate`;
      const inside = words(2);
      await crew.each(
        async (world, name, rate, inside) => {
          const semaphore = world.it;
          const limiter = world.share('RateLimiter', name, rate);
          const mapper = async () => {
            world.enter(inside);
            await world.turn();
            world.leave(inside);
          };
          await world.call('mapWithLimit', Array(30).keys(), semaphore, mapper, { rate: limiter });
        },
        crew.name,
        rate,
        inside,
      );
      assert.equal(inside[0], 0);
      assert.ok(inside[1] <= 2, `${inside[1]} were inside`);
    });
  });

  it('whatever threads do to it at once, nobody waits for ever', async () => {
    const rate = { max: 4, per: 1, burst: 8 };
    await crew.share('RateLimiter', rate);
    await crew.each(
      async (world, name, rate) => {
        const { RateLimiter } = world.sluice;
        const one = async (i) => {
          const handle = i % 5 === 0 ? new RateLimiter({ ...rate, shared: name }) : world.it;
          const tokens = 1 + (i % 3);
          try {
            if (i % 11 === 3) handle.reconfigure({ burst: 3 + (i % 6) });
            if (i % 13 === 3) handle.penalize(i % 3);
            if (i % 3 === 0) handle.tryAcquire(tokens);
            else await handle.acquire(tokens, i % 2 === 0 ? { timeout: 1 + (i % 50) } : undefined);
            if (handle.available > 8) throw new Error('too many');
          } catch (error) {
            if (error.name !== 'TimeoutError') throw error;
          }
          if (handle !== world.it) handle.close();
        };
        for (let round = 0; round < 8; round++)
          await Promise.all(Array.from({ length: 30 }, (_, i) => one(i * 7 + round)));
      },
      crew.name,
      rate,
    );
    assert.equal(crew.it.waiting, 0);
  });

  describe('a blocked thread', () => {
    it('whose turn it is does not hold up the others', async () => {
      await crew.share('RateLimiter', { max: 1, per: 30, burst: 1 });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'blocked');
      const unblock = await threads[0].block(); // it does not end before the others were let through
      for (let round = 0; round < 3; round++) {
        await crew.acquire(threads[1], `b${round}`);
        await crew.acquire(crew.here, `a${round}`);
        assert.equal((await crew.outcome(threads[1], `b${round}`)).status, 'granted');
        assert.equal((await crew.outcome(crew.here, `a${round}`)).status, 'granted');
      }
      unblock();
      assert.equal((await crew.outcome(threads[0], 'blocked')).status, 'granted');
      assert.equal(crew.it.waiting, 0);
    });

    it('of which many wait, at the head and in between, does not hold up the others', async () => {
      await crew.share('RateLimiter', { max: 1, per: 10, burst: 2 });
      await crew.hold(crew.here, 2);
      for (let i = 0; i < 5; i++) {
        await crew.acquire(threads[0], `blocked ${i}`);
        await crew.acquire(threads[1], i);
      }
      const unblock = await threads[0].block();
      for (let i = 0; i < 5; i++) assert.equal((await crew.outcome(threads[1], i)).status, 'granted');
      unblock();
      for (let i = 0; i < 5; i++) assert.equal((await crew.outcome(threads[0], `blocked ${i}`)).status, 'granted');
    });

    it('that ends while it is blocked, and waits at the head, does not hold up the others', async () => {
      const { Thread } = require('../support/threads');
      const [visitor] = await Thread.crew(1);
      await crew.share('RateLimiter', { max: 1, per: 20, burst: 1 }, undefined, [...crew.all, visitor]);
      await crew.hold(crew.here, 1);
      await crew.acquire(visitor, 'blocked');
      await visitor.block();
      await crew.acquire(threads[0], 'behind');
      await visitor.terminate();
      assert.equal((await crew.outcome(threads[0], 'behind')).status, 'granted');
      assert.equal(crew.it.waiting, 0);
    });
  });

  describe('who leaves the line', () => {
    const ends = {
      aborted: { form: 'signal', end: (crew, thread) => crew.abort(thread, 'first', 'enough') },
      'out of time': { form: 'timeout', timeout: 5, end: (crew, thread) => crew.outcome(thread, 'first') },
      closed: { end: (crew, thread) => crew.close(thread) },
    };
    for (const [how, { form, timeout, end }] of Object.entries(ends)) {
      it(`${how}: is out of it at once, for all threads, and takes no token`, async () => {
        await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 3 });
        await crew.hold(crew.here, 2); // one is left
        await crew.acquire(threads[0], 'first', { weight: 3, form, timeout });
        await crew.acquire(threads[1], 'second');
        await end(crew, threads[0]);
        assert.equal((await crew.outcome(threads[0], 'first')).status, 'rejected');
        assert.equal((await crew.outcome(threads[1], 'second')).status, 'granted');
        assert.deepEqual([crew.it.available, crew.it.waiting], [0, 0]);
        assert.equal(await threads[0].run((world) => world.usage.waiters), 0);
      });
    }

    it('maxWaiting looks at all who wait', async () => {
      await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 1 }, { maxWaiting: 2 });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'a', { form: 'signal' });
      await crew.acquire(threads[1], 'b', { form: 'signal' });
      await assert.rejects(crew.it.acquire(), isFull);
      const { code, message } = await rejection(threads[2].run(({ it }) => it.acquire()));
      assert.deepEqual([code, message], ['ERR_SLUICE_FULL', 'As many wait for the rate limiter as may: 2']);
      await crew.abort(threads[0], 'a', 'enough');
      await crew.acquire(crew.here, 'c', { form: 'signal' });
      await crew.abort(threads[1], 'b', 'enough');
      await crew.abort(crew.here, 'c', 'enough');
      assert.equal(crew.it.waiting, 0);
    });
  });

  describe('what one thread changes', () => {
    it('reconfigure() counts for all, and for who waits in other threads', async () => {
      await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 1 });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'a');
      await crew.acquire(threads[1], 'b');
      await threads[2].run(({ it }) => it.reconfigure({ per: 5 }));
      assert.equal((await crew.outcome(threads[0], 'a')).status, 'granted');
      assert.equal((await crew.outcome(threads[1], 'b')).status, 'granted');
      await threads[2].run(({ it }) => it.reconfigure({ burst: 7, max: 1000, per: 1 }));
      const rate = { max: 1, per: HOUR, burst: 1 };
      const late = new RateLimiter({ ...rate, shared: crew.name }); // the name stands for what it was first
      while (late.available < 7) await crew.here.world.turn();
      late.close();
    });

    it('reconfigure() changes what is given, and leaves what another thread has set', async () => {
      await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 5 });
      await crew.hold(crew.here, 5);
      await threads[0].run(({ it }) => it.reconfigure({ per: 1 }));
      await threads[1].run(({ it }) => it.reconfigure({ burst: 3 }));
      await threads[2].run(({ it }) => it.reconfigure({ max: 2 }));
      assert.equal((await rejection(crew.it.acquire(4))).code, 'ERR_OUT_OF_RANGE');
      await crew.it.acquire(3, { timeout: HOUR / 2 });
    });

    it('to a smaller burst turns away who asks for more than that, in any thread', async () => {
      await crew.share('RateLimiter', { max: 1, per: HOUR, burst: 4 });
      await crew.hold(crew.here, 4);
      await crew.acquire(threads[0], 'heavy', { weight: 4 });
      await crew.acquire(threads[1], 'light', { weight: 2, form: 'signal' });
      await threads[2].run(({ it }) => it.reconfigure({ burst: 2 }));
      const { status, value } = await crew.outcome(threads[0], 'heavy');
      assert.deepEqual([status, value.name, value.code], ['rejected', 'RangeError', 'ERR_OUT_OF_RANGE']);
      assert.match(value.message, /"tokens".*<= 2, the burst/);
      assert.deepEqual(await crew.levels(threads[1]), { available: 0, waiting: 1 });
      const message = /"tokens".*<= 2, the burst.*3/;
      await assert.rejects(crew.it.acquire(3), { ...outOfRange, message });
      assert.throws(() => crew.it.tryAcquire(3), { ...outOfRange, message });
      await crew.abort(threads[1], 'light', 'enough');
    });

    it('penalize() holds for all, and for who waits in other threads', async () => {
      await crew.share('RateLimiter', { max: 1000, per: 1, burst: 5 });
      await threads[0].run(({ it }, ms) => it.penalize(ms), HOUR);
      await crew.assertLevels({ available: 0, waiting: 0 });
      assert.deepEqual(await crew.each(({ it }) => it.tryAcquire()), [false, false, false, false]);
      await crew.acquire(threads[1], 'wait', { form: 'signal' });
      await crew.assertLevels({ available: 0, waiting: 1 });
      await crew.abort(threads[1], 'wait', 'enough');
    });

    it('a penalty of one thread is over for all when its time is', async () => {
      await crew.share('RateLimiter', { max: 1000, per: 1, burst: 5 });
      await crew.acquire(threads[2], 'before'); // at once
      const began = process.hrtime.bigint();
      await threads[0].run(({ it }) => it.penalize(50));
      await crew.acquire(threads[1], 'a');
      await crew.acquire(crew.here, 'b');
      assert.equal((await crew.outcome(threads[1], 'a')).status, 'granted');
      assert.ok(process.hrtime.bigint() - began >= 50n * MS);
      assert.equal((await crew.outcome(crew.here, 'b')).status, 'granted');
    });

    it('close() is of one handle', async () => {
      await crew.share('RateLimiter', { max: 1, per: 40, burst: 1 });
      await crew.hold(crew.here, 1);
      await crew.acquire(threads[0], 'mine');
      await crew.acquire(threads[1], 'theirs');
      await crew.close(threads[0]);
      assert.equal((await crew.outcome(threads[0], 'mine')).value.code, 'ERR_SLUICE_CLOSED');
      assert.equal((await rejection(threads[0].run(({ it }) => it.acquire()))).code, 'ERR_SLUICE_CLOSED');
      assert.equal((await crew.outcome(threads[1], 'theirs')).status, 'granted');
      crew.it.close();
      await assert.rejects(crew.it.acquire(), isClosed);
      assert.throws(() => crew.it.tryAcquire(), isClosed);
    });
  });
});
