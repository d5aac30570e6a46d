'use strict';

// Time that does not lie: no timeout that was not one, none that is not told, none early. What is asserted here is
// counts and order, and "not before"; how late something is depends on the machine.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { TimeoutError, mapWithLimit, retry, sleep, withTimeout } = require('../../lib/index.js');
const { REQUESTS, SIZES } = require('../support/blocked-client');
const { parseLines, runMany } = require('../support/child');
const { blockIn, block, clients, phases, startServer } = require('../support/remote');

const never = () => new Promise(() => {});
const now = () => process.hrtime.bigint();
const msSince = (began) => Number(now() - began) / 1e6;

// The ways in which one piece of work, (signal) => promise, gets a timeout.
const guards = {
  withTimeout: (work, timeout) => withTimeout(({ signal }) => work(signal), { timeout }),
  mapWithLimit: async (work, timeout) => {
    const [value] = await mapWithLimit([0], 1, (_item, _index, { signal }) => work(signal), { timeout });
    return value;
  },
  retry: (work, timeout) => retry(({ signal }) => work(signal), { retries: 0, timeout }),
};

/** The error that the call is rejected with. */
async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: 'it was fulfilled' });
}

describe('time: an answer that has arrived wins', function () {
  this.timeout(240_000);
  let resultOf;
  before(() => {
    const script = require.resolve('../support/blocked-client');
    resultOf = runMany(Object.fromEntries(Object.keys(phases).map((phase) => [phase, [script, phase]])));
  });

  for (const phase of Object.keys(phases)) {
    it(`no false timeout against a server in another process, the loop blocked for 200 ms in ${phase}`, async () => {
      const { code, signal, stdout, stderr } = await resultOf(phase);
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      const tallies = parseLines(stdout);
      const sizes = tallies.map(({ size }) => size);
      assert.deepEqual(
        sizes,
        SIZES.map(({ size }) => size),
      );
      for (const { counted, tooSlow, falseTimeouts, errors } of tallies) {
        assert.deepEqual({ falseTimeouts, errors }, { falseTimeouts: 0, errors: [] }, stdout);
        assert.ok(counted >= REQUESTS, `${tooSlow} answers could not be read in time\n${stdout}`);
      }
      // The test bites: timers that are not ours fired while the answers waited.
      const fired = tallies.reduce((sum, { timersFired }) => sum + timersFired, 0);
      assert.ok(fired >= REQUESTS, stdout);
    });
  }

  for (const [name, guard] of Object.entries(guards)) {
    it(`${name}: a result and a deadline that come due in the same blocked turn: the result`, async () => {
      const timer = new Promise((resolve) => setTimeout(resolve, 20, 'result'));
      const result = guard(() => timer, 10);
      await blockIn('check', 60);
      assert.equal(await result, 'result');
    });
  }
});

describe('time: a true timeout is told', function () {
  this.timeout(60_000);
  let server;
  before(async () => (server = await startServer()));
  after(() => server.close());

  const TIMEOUT = 40;
  const COUNT = 20;
  const ways = Object.keys(guards).flatMap((guard) => Object.keys(clients).map((client) => [guard, client]));

  async function stall(guard, client, timeout) {
    const began = now();
    const error = await rejection(guards[guard]((signal) => clients[client](server.url('/stall'), signal), timeout));
    return { error, measured: msSince(began) };
  }

  function expectTimeout({ error, measured }, expectedTimeout) {
    assert.ok(error instanceof TimeoutError, String(error));
    const { name, code, scope, timeout, elapsed, loopBlocked } = error;
    const expected = { name: 'TimeoutError', code: 'ERR_SLUICE_TIMEOUT', scope: 'attempt', timeout: expectedTimeout };
    assert.deepEqual({ name, code, scope, timeout }, expected);
    assert.ok(elapsed >= timeout, `elapsed ${elapsed} ms`);
    assert.ok(measured >= elapsed, `elapsed ${elapsed} ms, measured ${measured} ms`);
    assert.ok(loopBlocked >= 0 && loopBlocked <= elapsed, `loopBlocked ${loopBlocked} ms of ${elapsed} ms`);
  }

  for (const [guard, client] of ways) {
    it(`${guard}, ${client}: ${COUNT} of ${COUNT} requests to a server that stalls, and an idle loop was not blocked`, async () => {
      const blocked = [];
      for (let i = 0; i < COUNT; i++) {
        const outcome = await stall(guard, client, TIMEOUT);
        expectTimeout(outcome, TIMEOUT);
        blocked.push(outcome.error.loopBlocked);
      }
      // A busy machine may take the processor away now and then.
      assert.ok(blocked.filter((ms) => ms === 0).length > COUNT / 2, String(blocked));
    });
  }

  for (const phase of Object.keys(phases)) {
    it(`also after a block in ${phase} that outlasts the deadline, and the error says so`, async () => {
      const asked = server.asked(server.count + ways.length);
      const calls = ways.map(([guard, client]) => stall(guard, client, 150));
      await asked;
      await blockIn(phase, 250);
      for (const outcome of await Promise.all(calls)) {
        expectTimeout(outcome, 150);
        const { loopBlocked, message } = outcome.error;
        assert.ok(loopBlocked >= 100, `loopBlocked ${loopBlocked} ms`);
        assert.match(message, /the event loop was blocked for [\d.]+ ms/);
      }
    });
  }

  it('also after a block that ends well before the deadline', async () => {
    const call = rejection(withTimeout(never(), 200));
    await blockIn('check', 60);
    const error = await call;
    assert.ok(error.elapsed >= 200, `elapsed ${error.elapsed} ms`);
    assert.ok(error.loopBlocked >= 50, `loopBlocked ${error.loopBlocked} ms`);
  });

  it('a block before the work started is none of its business', async () => {
    block(60);
    const error = await rejection(withTimeout(never(), 30));
    assert.ok(error.loopBlocked < 50, `loopBlocked ${error.loopBlocked} ms`);
  });

  it('a total timeout: scope, elapsed and the block', async () => {
    const call = rejection(mapWithLimit([1, 2], 1, never, { totalTimeout: TIMEOUT }));
    await blockIn('poll', 100);
    const { code, scope, timeout, elapsed, loopBlocked } = await call;
    assert.deepEqual({ code, scope, timeout }, { code: 'ERR_SLUICE_TIMEOUT', scope: 'total', timeout: TIMEOUT });
    assert.ok(elapsed >= TIMEOUT && loopBlocked >= 50 && loopBlocked <= elapsed, `${loopBlocked} of ${elapsed} ms`);
  });
});

describe('time: never early', function () {
  this.timeout(60_000);
  const COUNT = 1000;
  const randomMs = () => Math.random() * 100;

  const waits = {
    sleep: (ms) => sleep(ms),
    withTimeout: (ms) => rejection(withTimeout(never(), ms)),
    'the attempt timeout of mapWithLimit': (ms) => rejection(mapWithLimit([0], 1, never, { timeout: ms })),
    'the total timeout of mapWithLimit': (ms) => rejection(mapWithLimit([0], 1, never, { totalTimeout: ms })),
    'the backoff of retry': (ms) => rejection(retry(() => Promise.reject(new Error('again')), 1, ms)),
  };

  /** How long each took beyond what was asked for, in nanoseconds; below 0 is early. */
  async function excess(wait, ms) {
    const began = now();
    await wait(ms);
    return Number(now() - began) - ms * 1e6;
  }

  for (const [name, wait] of Object.entries(waits)) {
    it(`${name}: ${COUNT} times with random fractions of milliseconds, all armed together`, async () => {
      const excesses = await Promise.all(Array.from({ length: COUNT }, () => excess(wait, randomMs())));
      assert.deepEqual(
        excesses.filter((ns) => ns < 0),
        [],
      );
    });

    it(`${name}: armed in turns that were blocked, and that libuv's clock knows nothing of yet`, async () => {
      const excesses = [];
      for (let i = 0; i < 20; i++) {
        block(i % 4);
        const waiting = excess(wait, i / 3);
        block(i % 3);
        excesses.push(await waiting);
      }
      assert.deepEqual(
        excesses.filter((ns) => ns < 0),
        [],
      );
    });
  }
});

describe('time: delays of any length', function () {
  this.timeout(30_000);
  const LONG = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 0.5, 2 ** 32 + 1, 2 ** 53, 1e15, 1e300];

  it('a delay over 2^31 ms does not fire at once', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const settled = [];
    const calls = LONG.flatMap((ms) => [
      sleep(ms, { signal }),
      withTimeout(never(), { timeout: ms, signal }),
      mapWithLimit([0], 1, never, { timeout: ms, totalTimeout: ms, signal }),
      retry(never, { timeout: ms, totalTimeout: ms, signal }),
      retry(() => Promise.reject(new Error('again')), { delay: ms, maxDelay: ms, jitter: 'none', signal }),
    ]);
    const ends = calls.map((call, i) => rejection(call).then((error) => settled.push(i) && error));
    await sleep(60);
    assert.deepEqual(settled, []);
    const reason = new Error('enough');
    controller.abort(reason);
    for (const error of await Promise.all(ends)) assert.equal(error, reason);
  });

  it('a delay over 2^31 ms does not keep a shorter one from firing', async () => {
    const controller = new AbortController();
    const long = rejection(sleep(2 ** 33, { signal: controller.signal }));
    const { timeout } = await rejection(withTimeout(never(), 10));
    assert.equal(timeout, 10);
    controller.abort();
    await long;
  });

  it('a timeout of Infinity never fires', async () => {
    let settle;
    const promise = new Promise((resolve) => (settle = resolve));
    const calls = [withTimeout(promise, Infinity), mapWithLimit([0], 1, () => promise, { timeout: Infinity })];
    await sleep(20);
    settle('at last');
    assert.deepEqual(await Promise.all(calls), ['at last', ['at last']]);
  });

  for (const [name, guard] of Object.entries(guards)) {
    it(`${name} with 0 ms starts the work, and times out`, async () => {
      let isStarted = false;
      const error = await rejection(
        guard(() => {
          isStarted = true;
          return never();
        }, 0),
      );
      assert.ok(isStarted);
      assert.deepEqual([error.code, error.timeout], ['ERR_SLUICE_TIMEOUT', 0]);
    });

    it(`${name} with 0 ms: what settles without a turn of the loop is in time`, async () => {
      const long = async () => {
        for (let i = 0; i < 1000; i++) await undefined;
        return 'value';
      };
      assert.equal(await guard(long, 0), 'value');
      assert.equal((await rejection(guard(() => Promise.reject(new Error('reason')), 0))).message, 'reason');
    });
  }
});

describe('time: what has arrived when a timeout of 0 ms starts', function () {
  this.timeout(30_000);
  let echo;
  before(async () => (echo = await startEcho()));
  after(() => echo.stop());

  for (const [name, guard] of Object.entries(guards)) {
    it(`${name}: bytes that wait in the socket win`, async () => {
      const { socket } = echo;
      socket.write('x');
      block(100); // another process answers meanwhile
      const [chunk] = await guard(() => once(socket, 'data'), 0);
      assert.equal(String(chunk), 'x');
    });
  }
});

describe('time: order', function () {
  this.timeout(60_000);
  const COUNT = 500;

  const kinds = {
    withTimeout: { arm: (ms) => rejection(withTimeout(never(), ms)) },
    'attempts of mapWithLimit': { arm: (ms) => rejection(mapWithLimit([0], 1, never, { timeout: ms })) },
    'withTimeout, attempts and totals, mixed': {
      arm: (ms, i) => {
        if (i % 3 === 0) return rejection(withTimeout(never(), ms));
        return rejection(mapWithLimit([0], 1, never, i % 3 === 1 ? { timeout: ms } : { totalTimeout: ms }));
      },
    },
    sleeps: { arm: (ms) => sleep(ms) },
  };

  /** Arms them all in this turn; resolves with the order in which they fired, and that in which they should. */
  async function fire(arm, meanwhile) {
    const fired = [];
    const delays = Array.from({ length: COUNT }, () => 1 + Math.floor(Math.random() * 40) * 1.5);
    const calls = delays.map((ms, i) => arm(ms, i).then(() => fired.push(i)));
    await meanwhile();
    await Promise.all(calls);
    const expected = delays.map((_, i) => i).sort((a, b) => delays[a] - delays[b] || a - b);
    return { fired, expected };
  }

  for (const [name, { arm }] of Object.entries(kinds)) {
    it(`${name}: ${COUNT} armed together fire by when they are due, and equal ones as they were armed`, async () => {
      const { fired, expected } = await fire(arm, () => {});
      assert.deepEqual(fired, expected);
    });

    it(`${name}: also where the loop is blocked while half of them come due`, async () => {
      const { fired, expected } = await fire(arm, async () => {
        await sleep(20);
        block(60);
      });
      assert.deepEqual(fired, expected);
    });

    it(`${name}: also where a short block follows a long one, while what came due in that is still held`, async () => {
      const { fired, expected } = await fire(arm, async () => {
        await sleep(10);
        block(30);
        await new Promise(setImmediate);
        block(6);
      });
      assert.deepEqual(fired, expected);
    });

    it(`${name}: also among ten thousand others that are cancelled`, async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const others = Array.from({ length: 10_000 }, (_, i) => rejection(sleep(1000 + (i % 100), { signal })));
      const { fired, expected } = await fire(arm, () => controller.abort());
      assert.deepEqual(fired, expected);
      await Promise.all(others);
    });
  }
});

/** A connection to an echo in another process. */
async function startEcho() {
  const child = fork(require.resolve('../support/echo'));
  const [port] = await once(child, 'message');
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  return {
    socket,
    stop() {
      socket.destroy();
      child.disconnect();
    },
  };
}

describe('time: the loop keeps turning', function () {
  this.timeout(60_000);
  const COUNT = 1_000_000;
  let echo;
  before(async () => (echo = await startEcho()));
  after(() => echo.stop());

  /** What else the loop got done while `run` ran. */
  async function progressDuring(run) {
    const { socket } = echo;
    const counts = { ticks: 0, echoes: 0 };
    const interval = setInterval(() => counts.ticks++, 1);
    const onData = () => {
      counts.echoes++;
      socket.write('x');
    };
    socket.on('data', onData);
    socket.write('x');
    while (counts.ticks === 0 || counts.echoes === 0) await once(socket, 'data'); // both are under way
    counts.ticks = counts.echoes = 0;
    await run();
    const { ticks, echoes } = counts;
    clearInterval(interval);
    socket.off('data', onData);
    await once(socket, 'data'); // the last one
    return { ticks, echoes };
  }

  const items = Array(COUNT).fill(1);
  const runs = {
    'async mapper': (options) => mapWithLimit(items, 16, async (value) => value, options),
    'mapper that returns plain values': (options) => mapWithLimit(items, 16, (value) => value, options),
    'timeout, retry and progress': (options) =>
      mapWithLimit(items, 16, async (value) => value, { timeout: 10_000, retry: 2, onProgress: () => {}, ...options }),
    generator: (options) => mapWithLimit(items.values(), 16, async (value) => value, { discard: true, ...options }),
  };

  for (const [name, run] of Object.entries(runs)) {
    it(`a million items while timers and a socket make progress: ${name}`, async () => {
      const { ticks, echoes } = await progressDuring(() => run({}));
      assert.ok(ticks >= 3 && echoes >= 3, `${ticks} ticks, ${echoes} echoes`);
    });
  }

  it('yieldAfter: Infinity turns that off', async () => {
    assert.deepEqual(await progressDuring(() => runs['async mapper']({ yieldAfter: Infinity })), {
      ticks: 0,
      echoes: 0,
    });
  });

  it('the smaller yieldAfter, the more turns', async () => {
    const rare = await progressDuring(() => runs['async mapper']({ yieldAfter: 20 }));
    const often = await progressDuring(() => runs['async mapper']({ yieldAfter: 0.5 }));
    assert.ok(often.ticks > rare.ticks && often.echoes > rare.echoes, JSON.stringify({ rare, often }));
  });
});
