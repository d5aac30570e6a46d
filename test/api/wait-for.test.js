'use strict';

// waitFor: polls until there is something.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');

const { PermanentError, TimeoutError, waitFor } = require('../..');
const { runNode } = require('../support/child');
const { assertNothingLeft } = require('../support/endings');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};

describe('waitFor', () => {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  /** A condition that holds with its n-th poll, and when it was polled. */
  function holdsAt(n, value = 'value') {
    const times = [];
    const condition = () => times.push(clock.now) >= n && value;
    return { times, condition };
  }

  it('polls at once, in the call, and resolves with what is truthy', async () => {
    for (const value of ['value', 1, {}, [], Symbol('truthy'), -1n]) {
      const { times, condition } = holdsAt(1, value);
      const call = waitFor(condition);
      assert.deepEqual(times, [0]);
      assert.equal(await clock.over(call), value);
    }
  });

  it('takes no falsy value for an answer', async () => {
    const falsy = [undefined, null, false, 0, -0, 0n, '', NaN];
    const left = falsy.flatMap((value) => [value, Promise.resolve(value)]);
    const call = waitFor(() => (left.length > 0 ? left.shift() : 'value'), { interval: 1 });
    assert.equal(await clock.over(call), 'value');
    assert.equal(clock.now, 2 * falsy.length);
  });

  const conditions = {
    'an async function': (condition) => async () => condition(),
    'a thenable': (condition) => () => ({ then: (resolve) => (resolve(condition()), resolve('second')) }),
    'a promise that takes its time': (condition) => () => turn().then(condition),
  };
  for (const [name, from] of Object.entries(conditions)) {
    it(`the condition may be ${name}`, async () => {
      const { times, condition } = holdsAt(3);
      assert.equal(await clock.over(waitFor(from(condition), { interval: 10 })), 'value');
      assert.deepEqual(times, [0, 10, 20]);
    });
  }

  const waits = [
    [undefined, [0, 100, 200, 300, 400]],
    [{}, [0, 100, 200, 300, 400]],
    [{ interval: 7 }, [0, 7, 14, 21, 28]],
    [{ interval: 0 }, [0, 0, 0, 0, 0]],
    [{ interval: 0.5 }, [0, 0.5, 1, 1.5, 2]],
    [{ interval: 50_000 }, [0, 50_000, 100_000, 150_000, 200_000]],
    [{ interval: 10, backoff: 'linear' }, [0, 10, 30, 60, 100]],
    [{ interval: 10, backoff: 'exponential' }, [0, 10, 30, 70, 150]],
    [{ interval: 10, backoff: 'exponential', factor: 3 }, [0, 10, 40, 130, 400]],
    [{ interval: 10, backoff: 'exponential', maxDelay: 25 }, [0, 10, 30, 55, 80]],
    [{ interval: 10_000, backoff: 'exponential' }, [0, 10_000, 30_000, 60_000, 90_000]],
    [{ interval: 40_000, backoff: 'linear' }, [0, 40_000, 80_000, 120_000, 160_000]],
    [{ interval: 10, maxDelay: 5 }, [0, 5, 10, 15, 20]],
  ];
  for (const [options, expected] of waits) {
    it(`waits in between: ${JSON.stringify(options)}`, async () => {
      const { times, condition } = holdsAt(5);
      await clock.over(waitFor(condition, options));
      assert.deepEqual(times, expected);
    });
  }

  it('the interval is from the end of one poll to the next', async () => {
    const times = [];
    const call = waitFor(() => (times.push(clock.now), clock.sleep(5).then(() => times.length === 3)), {
      interval: 10,
    });
    await clock.over(call);
    assert.deepEqual(times, [0, 15, 30]);
  });

  it('polls that never wait let the loop turn', async () => {
    let isThere = false;
    setImmediate(() => (isThere = true));
    clock.restore();
    assert.equal(await waitFor(() => isThere, { interval: 0 }), true);
  });

  it('the condition is told which poll it is, and how long there is left', async () => {
    const seen = [];
    const condition = (...given) => {
      assert.equal(given.length, 1);
      const { index, attempt, remaining, signal } = given[0];
      seen.push([index, attempt, remaining, signal.aborted]);
      return seen.length === 3;
    };
    await clock.over(waitFor(condition, { interval: 10, timeout: 50 }));
    assert.deepEqual(seen, [
      [0, 1, 50, false],
      [0, 2, 40, false],
      [0, 3, 30, false],
    ]);
  });

  describe('what the condition throws rejects at once, unchanged', () => {
    const raised = [
      new Error('failure'),
      new PermanentError('failure', { cause: new Error('cause') }),
      new TimeoutError('attempt', 5, { elapsed: 5, loopBlocked: 0 }),
      undefined,
      null,
      false,
      'failure',
    ];
    const ways = {
      'a throw': (error) => () => {
        throw error;
      },
      'a rejection': (error) => () => Promise.reject(error),
      'a late one': (error) => async () => {
        await turn();
        throw error;
      },
      'that of a thenable': (error) => () => ({ then: (_resolve, reject) => reject(error) }),
    };
    for (const error of raised) {
      for (const [name, way] of Object.entries(ways)) {
        it(`${name}: ${String(error)}`, async () => {
          const reasons = await unhandledDuring(async () => {
            let polls = 0;
            const fail = way(error);
            const call = waitFor(() => ++polls === 2 && fail(), { interval: 1, timeout: 100 });
            assert.equal(await rejection(clock.over(call)), error);
            assert.equal(polls, 2);
          });
          assert.deepEqual(reasons, []);
        });
      }
    }

    it('its stack names who called', async () => {
      async function whoAsks() {
        let polls = 0;
        await waitFor(
          async () => {
            await undefined;
            if (++polls === 3) throw new Error('in the condition');
          },
          { interval: 1 },
        );
      }
      assert.match((await rejection(clock.over(whoAsks()))).stack, /whoAsks/);
    });
  });

  describe('timeout', () => {
    it('is over all polls: a TimeoutError of scope total, which tells of no attempt and of no cause', async () => {
      const reasons = [];
      const condition = ({ signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        return never();
      };
      const error = await rejection(clock.over(waitFor(condition, { timeout: 12.5, label: 'the server' })));
      assert.equal(clock.now, 12.5);
      assert.ok(error instanceof TimeoutError);
      const { scope, timeout, elapsed, loopBlocked, label, index, attempt } = error;
      assert.deepEqual(
        { scope, timeout, elapsed, loopBlocked, label, index, attempt },
        {
          scope: 'total',
          timeout: 12.5,
          elapsed: 12.5,
          loopBlocked: 0,
          label: 'the server',
          index: undefined,
          attempt: undefined,
        },
      );
      assert.ok(!('cause' in error));
      assert.doesNotMatch(error.message, /\(|attempt \d/);
      assert.match(error.message, /^"the server" timed out after 12\.5 ms in total/);
      assert.equal(reasons.length, 1);
      assert.equal(reasons[0].scope, 'total');
    });

    it('when no further poll comes in time it rejects at once, as a retry does', async () => {
      for (const [timeout, polls, at] of [
        [250, 3, 200],
        [50, 1, 0],
        [0, 1, 0],
      ]) {
        clock.reset();
        const { times, condition } = holdsAt(Infinity);
        const error = await rejection(clock.over(waitFor(condition, { timeout })));
        assert.equal(times.length, polls);
        assert.equal(clock.now, at);
        assert.ok(error instanceof TimeoutError && !('cause' in error));
        const { scope, attempt, index, elapsed } = error;
        assert.deepEqual(
          { scope, attempt, index, elapsed, timeout: error.timeout },
          { scope: 'total', attempt: undefined, index: undefined, elapsed: at, timeout },
        );
      }
    });

    it('of zero polls once, and takes what is there at once', async () => {
      assert.equal(await clock.over(waitFor(() => 'there', { timeout: 0 })), 'there');
      assert.equal(await clock.over(waitFor(async () => 'there', { timeout: 0 })), 'there');
      const error = await rejection(clock.over(waitFor(never, { timeout: 0 })));
      assert.equal(error.timeout, 0);
    });

    it('a condition that is late is nobody’s business', async () => {
      const late = deferred();
      const reasons = await unhandledDuring(async () => {
        await rejection(clock.over(waitFor(() => late.promise, { timeout: 1 })));
        late.reject(new Error('late'));
      });
      assert.deepEqual(reasons, []);
    });
  });

  describe('signal', () => {
    it('rejects with its reason, in a poll and between two', async () => {
      for (const condition of [never, noop]) {
        const controller = new AbortController();
        let mine;
        const call = waitFor((ctx) => (([mine] = [ctx.signal]), condition()), { signal: controller.signal });
        await clock.advance(10);
        controller.abort('over');
        assert.equal(await rejection(call), 'over');
        assert.equal(mine.reason, condition === never ? 'over' : undefined);
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
      }
    });

    it('that is aborted already: nothing is polled', async () => {
      const signal = AbortSignal.abort('over');
      assert.equal(await rejection(waitFor(() => assert.fail('polled'), { signal })), 'over');
    });

    it('a reason that is a TimeoutError is passed on as it is', async () => {
      const reason = new TimeoutError('attempt', 5, { elapsed: 5, loopBlocked: 0, attempt: 3, cause: 'cause' });
      const controller = new AbortController();
      const call = waitFor(() => controller.abort(reason), { signal: controller.signal, timeout: 10 });
      assert.equal(await rejection(call), reason);
    });
  });

  it('polls run in the async context of the call', async () => {
    const storage = new AsyncLocalStorage();
    const seen = [];
    const call = storage.run('mine', () => waitFor(() => seen.push(storage.getStore()) === 3, { interval: 5 }));
    await storage.run('stranger', () => clock.over(call));
    assert.deepEqual(seen, ['mine', 'mine', 'mine']);
  });

  it('keeps the process alive, unless it is told not to', async () => {
    const script = (options) => `
      const { waitFor } = require(${JSON.stringify(require.resolve('../..'))});
      let polls = 0;
      process.on('exit', () => console.log(polls));
      waitFor(() => ++polls === 3, ${options});
    `;
    const outputs = await Promise.all(
      ['{ interval: 1 }', '{ interval: 1, unref: true }'].map((options) => runNode(['-e', script(options)])),
    );
    assert.deepEqual(
      outputs.map(({ code, stdout }) => [code, stdout]),
      [
        [0, '3\n'],
        [0, '1\n'],
      ],
    );
  });

  it('what is wrong with the arguments is said before anything is polled', async () => {
    const cases = {
      'no condition': [undefined],
      'an object': [{}],
      'an unknown option': [noop, { intervall: 5 }],
      'retries, which are none': [noop, { retries: 5 }],
      'interval: -1': [noop, { interval: -1 }],
      'interval: Infinity': [noop, { interval: Infinity }],
      'interval: a string': [noop, { interval: '5' }],
      'timeout: NaN': [noop, { timeout: NaN }],
      'timeout: -1': [noop, { timeout: -1 }],
      'backoff: a function': [noop, { backoff: () => 5 }],
      'backoff: decorrelated': [noop, { backoff: 'decorrelated' }],
      'backoff: a method of Object': [noop, { backoff: 'toString' }],
      'factor: 0': [noop, { factor: 0 }],
      'maxDelay: -1': [noop, { maxDelay: -1 }],
      'signal: an object': [noop, { signal: {} }],
      'unref: 1': [noop, { unref: 1 }],
      'label: 5': [noop, { label: 5 }],
      'options: null': [noop, null],
      'options: a number': [noop, 5],
    };
    for (const [what, [condition, options]] of Object.entries(cases)) {
      const error = await rejection(waitFor(condition && (() => assert.fail('polled')), options));
      const given = condition === noop ? error : await rejection(waitFor(condition, options));
      assert.match(given.code, /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/, what);
    }
    assert.match((await rejection(waitFor(noop, { intervall: 5 }))).message, /options\.intervall/);
    const absent = { interval: undefined, backoff: undefined, factor: undefined, maxDelay: undefined };
    const options = { ...absent, timeout: undefined, signal: undefined, unref: undefined, label: undefined };
    assert.equal(await clock.over(waitFor(() => 1, options)), 1);
  });
});
