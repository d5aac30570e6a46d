'use strict';

// What node:diagnostics_channel is told of calls, and that whoever listens changes none of them.

const assert = require('node:assert/strict');
const { channel, subscribe, unsubscribe } = require('node:diagnostics_channel');
const { inspect } = require('node:util');
const fc = require('fast-check');

const {
  RateLimiter,
  Semaphore,
  TaskGroup,
  allSettled,
  asCompleted,
  consume,
  execute,
  mapSettled,
  mapStream,
  mapWithLimit,
  retry,
  sleep,
  waitFor,
  withTimeout,
} = require('../..');
const binding = require('../../lib/engine');
const { SEED, runs } = require('../support/draws');
const { assertNothingLeft } = require('../support/endings');
const { program, runCall, runExecute, runProgram, runRetry, single } = require('../support/program');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const START = 'sluice:job:start';
const END = 'sluice:job:end';
const TIMEOUT = 'sluice:attempt:timeout';
const RETRY = 'sluice:attempt:retry';
const ALL = [START, END, TIMEOUT, RETRY];

const NONE = { started: 0, done: 0, failed: 0, retried: 0, timedOut: 0, abandoned: 0 };

const never = () => new Promise(() => {});
const fails = async () => {
  throw new Error('no');
};

/** Runs `work` while `listener(message, channel)` hears these channels. */
async function heard(listener, work, names = ALL) {
  for (const name of names) subscribe(name, listener);
  try {
    return await work();
  } finally {
    for (const name of names) unsubscribe(name, listener);
  }
}

/** All messages of what `work` does, as [channel, message]. */
async function messagesOf(work, names) {
  const messages = [];
  await heard((message, name) => messages.push([name, message]), work, names);
  return messages;
}

function only(messages, name) {
  return messages.filter(([from]) => from === name).map(([, message]) => message);
}

function channelsOf(messages) {
  return messages.map(([name]) => name);
}

describe('diagnostics_channel', () => {
  describe('the messages', () => {
    it('of a call: what it was asked for, and what came of it', async () => {
      const messages = await messagesOf(() =>
        mapWithLimit([1, 2, 3], 2, async function double(value) {
          return 2 * value;
        }),
      );
      assert.deepEqual(channelsOf(messages), [START, END]);
      const [{ id, ...start }, { id: same, durationMs, ...end }] = messages.map(([, message]) => message);
      assert.ok(Number.isInteger(id) && id > 0);
      assert.equal(same, id);
      assert.ok(durationMs >= 0);
      assert.deepEqual(start, { name: 'double', label: undefined, items: 3, limit: 2 });
      const counts = { ...NONE, started: 3, done: 3 };
      assert.deepEqual(end, { name: 'double', label: undefined, outcome: 'fulfilled', counts });
    });

    it('of a failure: the very error', async () => {
      const error = new Error('no');
      const messages = await messagesOf(() => mapWithLimit([1], 1, () => Promise.reject(error)).catch(() => {}));
      const [end] = only(messages, END);
      assert.equal(end.outcome, 'rejected');
      assert.equal(end.error, error);
      assert.deepEqual(end.counts, { ...NONE, started: 1, failed: 1 });
    });

    it('of a retry: the attempt that failed, why, and the wait that is planned', async () => {
      const errors = [new Error('first'), new Error('second')];
      const policy = { retries: 2, delay: 1, backoff: 'linear', jitter: 'none' };
      const messages = await messagesOf(() =>
        mapWithLimit(
          ['a', 'b'],
          1,
          async (item, _index, ctx) => {
            if (item === 'b' && ctx.attempt < 3) throw errors[ctx.attempt - 1];
          },
          { retry: policy, label: 'two' },
        ),
      );
      const [{ id }] = only(messages, START);
      const about = { id, name: 'two', label: 'two', index: 1 };
      assert.deepEqual(only(messages, RETRY), [
        { ...about, attempt: 1, delay: 1, error: errors[0] },
        { ...about, attempt: 2, delay: 2, error: errors[1] },
      ]);
    });

    it('of a retry that starts at once: a wait of 0', async () => {
      const policy = { retries: 1, delay: 0 };
      const messages = await messagesOf(() => mapWithLimit([1], 1, fails, { retry: policy }).catch(() => {}));
      const [{ delay, attempt }] = only(messages, RETRY);
      assert.deepEqual([delay, attempt], [0, 1]);
    });

    it('of a retry that callbacks have a say in: what they have decided', async () => {
      const policy = { retries: 3, retryIf: (_error, { attempt }) => attempt < 2, retryAfter: () => 3 };
      const messages = await messagesOf(() => mapWithLimit([1], 1, fails, { retry: policy }).catch(() => {}));
      assert.deepEqual(
        only(messages, RETRY).map(({ attempt, delay }) => [attempt, delay]),
        [[1, 3]],
      );
    });

    it('of a timeout, whose ever it is: before what comes of it', async () => {
      const attempt = await messagesOf(() =>
        mapWithLimit([1], 1, never, { timeout: 2, retry: { retries: 1, delay: 0 } }).catch(() => {}),
      );
      assert.deepEqual(channelsOf(attempt), [START, TIMEOUT, RETRY, TIMEOUT, END]);
      const [first, second] = only(attempt, TIMEOUT);
      assert.deepEqual([first.scope, first.index, first.attempt, first.timeout], ['attempt', 0, 1, 2]);
      assert.ok(first.elapsed >= 2);
      assert.equal(first.error, only(attempt, RETRY)[0].error);
      assert.equal(second.attempt, 2);
      assert.equal(second.error, only(attempt, END)[0].error);

      const item = await messagesOf(() => mapSettled([1, 2], 2, never, { itemTimeout: 2 }));
      assert.deepEqual(channelsOf(item), [START, TIMEOUT, TIMEOUT, END]);
      assert.deepEqual(
        only(item, TIMEOUT).map(({ scope, index }) => [scope, index]),
        [
          ['item', 0],
          ['item', 1],
        ],
      );

      const total = await messagesOf(() => mapSettled([1, 2], 2, never, { totalTimeout: 2 }));
      assert.deepEqual(channelsOf(total), [START, TIMEOUT, END]);
      const [{ scope, index, timeout }] = only(total, TIMEOUT);
      assert.deepEqual([scope, index, timeout], ['total', undefined, 2]);
      assert.equal(only(total, END)[0].outcome, 'fulfilled');
    });

    it('of a timeout while the call drains: at once, and the end when it has ended', async () => {
      const work = { resolve: undefined };
      const held = new Promise((resolve) => (work.resolve = resolve));
      const messages = await messagesOf(async () => {
        const call = mapWithLimit([1], 1, () => held, { totalTimeout: 2, drain: true });
        await heard(
          () => setImmediate(work.resolve),
          () => assert.rejects(call, { scope: 'total' }),
          [TIMEOUT],
        );
      });
      assert.deepEqual(channelsOf(messages), [START, TIMEOUT, END]);
      assert.equal(only(messages, END)[0].counts.done, 1);
    });

    it('name a call by its label, its function, or the function of the package', async () => {
      const nameOf = async (work) => only(await messagesOf(work), START)[0].name;
      const named = async () => {};
      assert.equal(await nameOf(() => mapWithLimit([1], 1, named, { label: 'it' })), 'it');
      assert.equal(await nameOf(() => mapWithLimit([1], 1, named)), 'named');
      assert.equal(await nameOf(() => mapWithLimit([1], 1, () => {})), 'mapWithLimit');
      assert.equal(await nameOf(() => mapSettled([1], 1, () => {})), 'mapSettled');
      assert.equal(await nameOf(() => consume([1], () => {})), 'consume');
      assert.equal(await nameOf(() => retry(() => {})), 'retry');
      assert.equal(await nameOf(() => execute(() => {})), 'execute');
      assert.equal(await nameOf(() => execute(named)), 'named');
      assert.equal(await nameOf(() => allSettled([1], { totalTimeout: 1000 })), 'allSettled');
      assert.equal(await nameOf(() => mapStream([1], 1, () => {}).next()), 'mapStream');
      assert.equal(await nameOf(() => asCompleted([1]).next()), 'asCompleted');
    });

    it('name a call by the function of the package where asking for the name throws, or there is none', async () => {
      const trapped = new Proxy(() => {}, {
        get() {
          throw new Error('trap');
        },
      });
      const odd = Object.defineProperty(() => {}, 'name', { value: 7 });
      for (const mapper of [trapped, odd]) {
        const [{ name }] = only(await messagesOf(() => mapWithLimit([1], 1, mapper)), START);
        assert.equal(name, 'mapWithLimit');
      }
    });

    it('say how many items there are where that is known, and the limit: of a semaphore, its permits', async () => {
      const about = async (work) => {
        const [{ items, limit }] = only(await messagesOf(work), START);
        return [items, limit];
      };
      assert.deepEqual(await about(() => mapWithLimit([1, 2], Infinity, () => {})), [2, Infinity]);
      assert.deepEqual(await about(() => mapWithLimit(new Set([1]), 3, () => {})), [undefined, 3]);
      assert.deepEqual(await about(() => mapWithLimit([], new Semaphore(5), () => {})), [0, 5]);
      assert.deepEqual(await about(() => retry(() => {})), [1, 1]);
    });

    it('have ids that count up', async () => {
      const messages = await messagesOf(async () => {
        for (let i = 0; i < 3; i++) await mapWithLimit([1], 1, () => {});
      });
      const [first, ...others] = only(messages, START).map(({ id }) => id);
      assert.deepEqual(others, [first + 1, first + 2]);
    });

    it("are the receiver's own: what is done to one reaches nobody else", async () => {
      const seen = [];
      const spoil = (message) => {
        seen.push(message);
        if (message.counts !== undefined) message.counts.done = 99;
        message.id = 0;
      };
      const count = await heard(spoil, () => consume([1, 2], () => {}));
      assert.equal(count.done, 2);
      assert.equal(new Set(seen).size, seen.length);
      for (let i = 0; i < 2; i++) {
        const semaphore = new Semaphore(1);
        const messages = await heardClosing([semaphore], () => mapWithLimit([], semaphore, () => {}).catch(() => {}));
        const [end] = only(messages, END);
        assert.deepEqual(end.counts, NONE);
        end.counts.done = 99;
      }
    });
  });

  describe('of which call', () => {
    it('arguments that are no good, or a signal that is aborted: neither start nor end', async () => {
      const messages = await messagesOf(async () => {
        await assert.rejects(mapWithLimit([1], 0, () => {}));
        await assert.rejects(mapWithLimit([1], 1, () => {}, { timout: 5 }));
        await assert.rejects(retry(1));
        await assert.rejects(mapWithLimit([1], 1, () => {}, { signal: AbortSignal.abort() }));
      });
      assert.deepEqual(messages, []);
    });

    it('a semaphore or a limiter that is closed before it starts: an end without any counts', async () => {
      const semaphore = new Semaphore(1);
      const limiter = new RateLimiter({ max: 1, per: 1 });
      const messages = await heardClosing([semaphore, limiter], async () => {
        await assert.rejects(
          mapWithLimit([1], semaphore, () => {}),
          { code: 'ERR_SLUICE_CLOSED' },
        );
        await assert.rejects(
          mapWithLimit([1], 1, () => {}, { rate: limiter }),
          { code: 'ERR_SLUICE_CLOSED' },
        );
      });
      assert.deepEqual(channelsOf(messages), [START, END, START, END]);
      for (const { outcome, counts } of only(messages, END)) assert.deepEqual([outcome, counts], ['rejected', NONE]);
    });

    it('one without items, or without any time: both', async () => {
      const messages = await messagesOf(async () => {
        await mapWithLimit([], 1, () => {});
        await assert.rejects(
          mapWithLimit([1], 1, () => {}, { totalTimeout: 0 }),
          { scope: 'total' },
        );
      });
      assert.deepEqual(channelsOf(messages), [START, END, START, TIMEOUT, END]);
    });

    it('one that is aborted', async () => {
      const controller = new AbortController();
      const messages = await messagesOf(async () => {
        const call = mapWithLimit([1], 1, never, { signal: controller.signal });
        controller.abort('enough');
        await assert.rejects(call, (reason) => reason === 'enough');
      });
      assert.deepEqual(channelsOf(messages), [START, END]);
      assert.equal(only(messages, END)[0].error, 'enough');
    });

    it('one whose last report rejects it: its end says so, once', async () => {
      const thrown = new Error('report');
      const onProgress = async () => {
        throw thrown;
      };
      const messages = await messagesOf(async () => {
        await assert.rejects(
          mapWithLimit([], 1, () => {}, { onProgress }),
          thrown,
        );
        await new Promise(setImmediate);
      });
      assert.deepEqual(channelsOf(messages), [START, END]);
      assert.equal(only(messages, END)[0].error, thrown);
    });

    it('retry: with the first attempt, which is made in the call', async () => {
      const order = [];
      const call = heard(
        (_message, name) => order.push(name),
        () => {
          const promise = retry(async () => void order.push('fn'));
          order.push('returned');
          return promise;
        },
      );
      await call;
      assert.deepEqual(order, [START, 'fn', 'returned', END]);
    });

    it('execute: rejected, where it reports a failure', async () => {
      let result;
      const messages = await messagesOf(async () => (result = await execute(fails, { retries: 0 })));
      const [{ outcome, error }] = only(messages, END);
      assert.deepEqual([outcome, error], ['rejected', result.error]);
    });

    it('mapStream: from the first read on; left early, it was aborted', async () => {
      const messages = await messagesOf(async () => {
        const results = mapStream([1, 2, 3], 1, (item) => item, { highWaterMark: 1 });
        assert.deepEqual(only(await messagesOf(async () => {}), START), []);
        await results.next();
        await results.return();
      });
      assert.deepEqual(channelsOf(messages), [START, END]);
      const [{ outcome, error }] = only(messages, END);
      assert.deepEqual([outcome, error.name], ['rejected', 'AbortError']);
    });

    it('withTimeout: only that its time is over', async () => {
      function query() {
        return never();
      }
      const messages = await messagesOf(async () => {
        await withTimeout(Promise.resolve(1), 1000);
        await assert.rejects(withTimeout(never(), 1));
        await assert.rejects(withTimeout(query, 1));
        await withTimeout(query, { timeout: 1, fallback: 7, label: 'it' });
      });
      assert.deepEqual(channelsOf(messages), [TIMEOUT, TIMEOUT, TIMEOUT]);
      const told = only(messages, TIMEOUT);
      assert.deepEqual(
        told.map(({ name, label, scope, attempt, timeout }) => [name, label, scope, attempt, timeout]),
        [
          ['withTimeout', undefined, 'attempt', 1, 1],
          ['query', undefined, 'attempt', 1, 1],
          ['it', 'it', 'attempt', 1, 1],
        ],
      );
      assert.equal(new Set(told.map(({ id }) => id)).size, 3);
    });

    it('none of what is no job, and waitFor, whose polls do not fail', async () => {
      const messages = await messagesOf(async () => {
        await waitFor((ctx) => ctx.attempt > 2, { interval: 1 });
        await assert.rejects(waitFor(() => false, { interval: 1, timeout: 3 }));
        const group = new TaskGroup();
        group.run(() => sleep(1));
        await group.close();
        await allSettled([1, Promise.resolve(2)]);
        await new Semaphore(1).use(() => {});
      });
      assert.deepEqual(messages, []);
    });

    it('one that began while nobody listened: its timeouts and retries, and no end', async () => {
      const messages = [];
      const listener = (message, name) => messages.push([name, message]);
      const policy = { retries: 1, delay: 0 };
      const call = mapWithLimit([1], 1, never, { timeout: 2, retry: policy });
      await heard(listener, () => call.catch(() => {}));
      assert.deepEqual(channelsOf(messages), [TIMEOUT, RETRY, TIMEOUT]);
      assert.equal(new Set(messages.map(([, { id }]) => id)).size, 1);
    });

    it('each channel on its own', async () => {
      const work = () => mapWithLimit([1], 1, never, { timeout: 1, retry: { retries: 1, delay: 0 } }).catch(() => {});
      const counts = { [START]: 1, [END]: 1, [TIMEOUT]: 2, [RETRY]: 1 };
      for (const name of ALL) {
        const messages = await messagesOf(work, [name]);
        assert.deepEqual(channelsOf(messages), new Array(counts[name]).fill(name));
      }
    });
  });

  describe('when and where', () => {
    it('the start comes before anything has run, the end when the promise is settled and nobody has gone on', async () => {
      const order = [];
      let call;
      const listener = (_message, name) => {
        order.push(name);
        if (name === END) order.push(inspect(call).includes('pending') ? 'pending' : 'settled');
      };
      await heard(listener, async () => {
        call = mapWithLimit([1], 1, () => order.push('mapper'));
        const after = call.then(() => order.push('went on'));
        await after;
      });
      assert.deepEqual(order, [START, 'mapper', END, 'settled', 'went on']);
    });

    it('a call that has not settled has no end', async () => {
      const work = { resolve: undefined };
      const held = new Promise((resolve) => (work.resolve = resolve));
      const messages = [];
      const isOver = { resolve: undefined };
      const over = new Promise((resolve) => (isOver.resolve = resolve));
      const listener = (_message, name) => {
        messages.push(name);
        if (name === TIMEOUT) isOver.resolve();
      };
      await heard(listener, async () => {
        const call = mapWithLimit([1], 1, () => held, { totalTimeout: 2, drain: true }).catch(() => {});
        await over;
        await new Promise(setImmediate);
        assert.deepEqual(messages, [START, TIMEOUT]);
        work.resolve();
        await call;
        assert.deepEqual(messages, [START, TIMEOUT, END]);
      });
    });

    it("subscribers run in the call's async context", async () => {
      const storage = new AsyncLocalStorage();
      const seen = [];
      const listener = (_message, name) => seen.push([name.slice('sluice:'.length), storage.getStore()]);
      const inContext = (name, work) => storage.run(name, () => work().catch(() => {}));
      const retried = { retries: 1, delay: 1 };
      await heard(listener, async () => {
        await inContext('attempt', () => mapWithLimit([1], 1, never, { timeout: 1, retry: retried }));
        await inContext('failing', () => mapWithLimit([1], 1, fails, { retry: retried }));
        await inContext('total', () => mapWithLimit([1], 1, never, { totalTimeout: 1 }));
        await inContext('guard', () => withTimeout(never(), 1));
        await inContext('guarded', () => withTimeout(() => never(), 1));
        await inContext('retry', () => retry(fails, 1, 1));
        await inContext('rate', () => mapWithLimit([1, 2], 1, () => {}, { rate: { max: 1, per: 2 } }));
        await inContext('yields', () => mapWithLimit([1, 2, 3], 1, () => {}, { yieldAfter: 0 }));
      });
      const of = (...names) => names.map((name) => seen.filter(([from]) => from === name).map(([, store]) => store));
      const jobs = ['attempt', 'failing', 'total', 'retry', 'rate', 'yields'];
      assert.deepEqual(of('job:start', 'job:end'), [jobs, jobs]);
      assert.deepEqual(of('attempt:timeout'), [['attempt', 'attempt', 'total', 'guard', 'guarded']]);
      assert.deepEqual(of('attempt:retry'), [['attempt', 'failing', 'retry']]);
    });

    it('an item that is fulfilled asks nobody whether anybody listens', async () => {
      let asked = 0;
      const count = { configurable: true, get: () => (asked++, false) };
      const channels = ALL.map((name) => channel(name));
      for (const one of channels) Object.defineProperty(one, 'hasSubscribers', count);
      try {
        const askedBy = async (items) => {
          asked = 0;
          await mapWithLimit(items, 4, async () => {}, { timeout: 1000, retry: 2 });
          return asked;
        };
        assert.equal(await askedBy([1]), await askedBy(new Array(500).fill(1)));
      } finally {
        for (const one of channels) delete one.hasSubscribers;
      }
    });
  });

  describe('a subscriber that ends the call', () => {
    /** The calls of the mapper, where the messages of this channel abort the call; and who was told. */
    async function endedIn(name, items, options) {
      const controller = new AbortController();
      const calls = [];
      const mapper = async (item, _index, { attempt, signal }) => {
        calls.push([item, attempt]);
        if (item === 'fails') throw new Error('no');
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      };
      const call = () => mapWithLimit(items, 2, mapper, { ...options, signal: controller.signal });
      const abort = () => controller.abort('enough');
      const messages = await messagesOf(() =>
        heard(abort, () => assert.rejects(call(), (reason) => reason === 'enough'), [name]),
      );
      return { calls, channels: channelsOf(messages) };
    }

    for (const drain of [false, true]) {
      const given = { drain, retry: { retries: 3, delay: 0 } };
      const suffix = drain ? ', though it drains' : '';

      it(`at its start: nothing runs${suffix}`, async () => {
        const { calls, channels } = await endedIn(START, ['fails', 'hangs'], given);
        assert.deepEqual([calls, channels], [[], [START, END]]);
      });

      it(`at a retry: which does not come${suffix}`, async () => {
        const { calls, channels } = await endedIn(RETRY, ['fails', 'hangs'], given);
        assert.deepEqual(calls, [
          ['fails', 1],
          ['hangs', 1],
        ]);
        assert.deepEqual(channels, [START, RETRY, END]);
      });

      it(`at a timeout: behind which there is no retry${suffix}`, async () => {
        const { calls, channels } = await endedIn(TIMEOUT, ['hangs', 'hangs too'], { ...given, timeout: 2 });
        assert.deepEqual(calls, [
          ['hangs', 1],
          ['hangs too', 1],
        ]);
        assert.ok(!channels.includes(RETRY));
        assert.deepEqual([channels.at(0), channels.at(-1)], [START, END]);
      });
    }
  });

  describe('a subscriber that throws', () => {
    it("changes nothing: it is the process's uncaught exception", async () => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const caught = [];
      process.on('uncaughtException', (error) => caught.push(error.message));
      try {
        const listener = (_message, name) => {
          throw new Error(name);
        };
        const result = await heard(listener, () =>
          mapSettled([1, 2], 1, (item) => (item === 1 ? never() : item), {
            timeout: 2,
            retry: { retries: 1, delay: 0 },
          }),
        );
        assert.deepEqual(
          result.map(({ status }) => status),
          ['rejected', 'fulfilled'],
        );
        await new Promise(setImmediate);
        assert.deepEqual(caught, [START, TIMEOUT, RETRY, TIMEOUT, END]);
      } finally {
        process.removeAllListeners('uncaughtException');
        for (const listener of listeners) process.on('uncaughtException', listener);
      }
    });
  });
});

/** All messages, while a call's start closes these. */
async function heardClosing(closables, work) {
  const left = [...closables];
  return messagesOf(() => heard(() => left.shift().close(), work, [START]));
}

describe(`diagnostics_channel, of random programs on a virtual clock (seed ${SEED})`, function () {
  this.timeout(120_000);
  const clock = virtualClock();

  const holds = (arbitrary, part, predicate) =>
    fc.assert(fc.asyncProperty(arbitrary, predicate), { numRuns: runs(part), seed: SEED });

  /** Of a program, run by `run`: all messages, each with its time, and what the run saw. */
  async function watch(run, drawn) {
    clock.reset();
    const told = [];
    const listener = (message, name) => told.push({ ...message, on: name, at: clock.now });
    const seen = await heard(listener, () => run(clock, drawn));
    assertNothingLeft();
    return { told, seen };
  }

  function agrees({ told, seen }, drawn) {
    if (drawn.abortAt === 0) {
      assert.deepEqual(told, []);
      return;
    }
    assert.equal(new Set(told.map(({ id }) => id)).size, 1);
    assert.deepEqual([told[0].on, told.at(-1).on], [START, END]);
    const [start, end] = [told[0], told.at(-1)];
    const between = told.slice(1, -1);
    assert.ok(between.every(({ on }) => on === TIMEOUT || on === RETRY));
    assert.equal(start.at, 0);
    assert.equal(end.durationMs, end.at);
    const { status, at } = seen.outcome;
    if (status === 'pending') {
      assert.equal(end.at, clock.now, 'before it was aborted there was no end');
      if (drawn.abortAt === undefined && !drawn.drain) assert.equal(end.error, 'over');
    } else {
      assert.equal(end.at, at);
    }
    const { counts } = end;
    if (seen.progress.length > 0) {
      const { total } = seen.progress.at(-1);
      if (status !== 'pending') assert.deepEqual({ total, ...counts }, seen.progress.at(-1));
    }
    // Each attempt that was not an item's first was told of before, at the time that was planned for it. (One that had
    // to wait for a token, for abandoned ones or for its element came later.)
    const retries = between.filter(({ on }) => on === RETRY);
    for (const [time, index, attempt] of seen.starts) {
      if (attempt === 1) continue;
      const before = retries.filter((one) => one.index === index && one.attempt === attempt - 1);
      assert.equal(before.length, 1);
      const isElementAwaited = drawn.items[index].element !== 'plain';
      const isDelayed = isElementAwaited || drawn.rate !== undefined || drawn.maxAbandoned !== undefined;
      const planned = before[0].at + before[0].delay;
      if (isDelayed) assert.ok(time >= planned);
      else assert.equal(time, planned);
    }
    const outlived = between.filter(({ on, error }) => on === TIMEOUT && error.message.includes('would have ended'));
    assert.equal(retries.length, counts.retried + outlived.length);
    const running = between.filter(({ on, scope }) => on === TIMEOUT && scope === 'attempt');
    assert.ok(running.length <= counts.timedOut);
  }

  it('each call that begins has one start and, once it has settled, one end, with all that happened between them', () =>
    holds(program, 0.25, async (drawn) => agrees(await watch(runProgram, drawn), drawn)));

  it('the same for retry', () =>
    holds(single, 0.1, async (drawn) => agrees(await watch(runRetry, drawn), { ...drawn, rate: undefined })));

  it('a call does the same whether anybody listens or not', () =>
    holds(fc.tuple(program, fc.constantFrom(runProgram, runRetry, runExecute)), 0.25, async ([drawn, run]) => {
      if (run !== runProgram && drawn.items.length === 0) return;
      clock.reset();
      const alone = await run(clock, drawn);
      const { seen } = await watch(run, drawn);
      for (const one of [alone, seen]) delete one.hanging;
      assert.deepEqual(seen, alone);
    }));

  const act = fc.record({
    at: fc.integer({ min: 0, max: 6 }), // in which message
    what: fc.constantFrom('abort', 'map', 'retry', 'guard', 'semaphore', 'stream'),
  });

  it('a subscriber may use the package, and end the call', () =>
    holds(fc.tuple(program, fc.array(act, { minLength: 1, maxLength: 4 })), 0.25, async ([drawn, acts]) => {
      clock.reset();
      const ids = new Map();
      const inner = [];
      let number = 0;
      let depth = 0;
      const mine = new AbortController();
      const listener = ({ id, label }, name) => {
        const events = ids.get(id) ?? [];
        ids.set(id, events);
        events.push(name);
        if (label === 'inner' || depth > 0) return;
        depth++;
        for (const { at, what } of acts) if (at === number) inner.push(ACTS[what](mine));
        depth--;
        number++;
      };
      const run = await heard(listener, async () => {
        const ended = await runCall(clock, drawn, (elements, mapper, options) => {
          const { limit, itemTimeout, rate, maxAbandoned, collect, drain, discard } = drawn;
          const signal = AbortSignal.any([options.signal, mine.signal]);
          const given = { ...options, itemTimeout, rate, maxAbandoned, drain, discard, signal };
          const checked = (...args) => {
            assert.ok(!mine.signal.aborted, 'an attempt has started after the end');
            return mapper(...args);
          };
          return collect === 'outcomes'
            ? mapSettled(elements, limit, checked, given)
            : mapWithLimit(elements, limit, checked, { ...given, stopOnError: collect !== 'errors' });
        });
        await clock.over(Promise.all(inner));
        return ended;
      });
      const isMine = run.outcome.status === 'rejected' && run.outcome.reason === 'mine';
      assert.ok(!isMine || mine.signal.aborted);
      for (const events of ids.values()) {
        assert.equal(events.filter((name) => name === END).length, events.filter((name) => name === START).length);
        if (events[0] === START) assert.equal(events.at(-1), END);
      }
      for (let i = 0; i < 20 && binding.usage().lanes > 0; i++) await clock.advance(1000);
      assertNothingLeft();
    }));
});

const ACTS = {
  abort: (controller) => controller.abort('mine'),
  map: async () => {
    assert.deepEqual(
      await mapWithLimit([1, 2, 3], 2, async (item) => 2 * item, { label: 'inner', timeout: 50 }),
      [2, 4, 6],
    );
  },
  retry: async () => {
    const work = async ({ attempt }) => {
      if (attempt < 2) throw new Error('first');
      return attempt;
    };
    assert.equal(await retry(work, { retries: 2, delay: 0, label: 'inner' }), 2);
  },
  guard: async () => {
    assert.equal(await withTimeout(Promise.resolve(7), 5), 7);
  },
  semaphore: async () => {
    const semaphore = new Semaphore(1);
    const values = [1, 2].map((value) => semaphore.use(async () => value));
    assert.deepEqual(await Promise.all(values), [1, 2]);
    semaphore.close();
  },
  stream: async () => {
    for await (const value of mapStream([1, 2], 1, (item) => item, { label: 'inner' })) if (value === 1) break;
  },
};
