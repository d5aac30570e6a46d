'use strict';

// withResource: what was acquired is released, whatever comes in between.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');

const { TimeoutError, withResource } = require('../..');
const { assertNothingLeft } = require('../support/endings');
const { childOf, isChild, itCollects, tellAll } = require('../support/garbage');
const { deferred, rejection, turn, unhandledDuring } = require('../support/outcomes');
const { AsyncLocalStorage } = require('../support/storage');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});
const noop = () => {};
const failure = new Error('failure');
const second = new Error('release');

function throwing() {
  throw failure;
}

function resourceTests() {
  const clock = virtualClock();
  afterEach(assertNothingLeft);

  // With an end from outside, and without one.
  const bounds = { 'without bounds': undefined, 'with a timeout': { timeout: 1000 }, 'with a signal': 'signal' };
  for (const [name, given] of Object.entries(bounds)) {
    describe(name, () => {
      const optionsOf = () => (given === 'signal' ? { signal: new AbortController().signal } : given);

      it('acquires, uses and releases, one after the other, each awaited', async () => {
        const log = [];
        const note = (what, value) => async () => {
          log.push(what);
          await clock.sleep(1);
          log.push(`${what} is over`);
          return value;
        };
        const call = withResource(note('acquire', 'resource'), note('release'), note('use', 'value'), optionsOf());
        assert.deepEqual(log, ['acquire'], 'in the call');
        assert.equal(await clock.over(call), 'value');
        assert.deepEqual(
          log,
          ['acquire', 'use', 'release'].flatMap((what) => [what, `${what} is over`]),
        );
      });

      it('each is told what it has to know', async () => {
        const context = [];
        const released = [];
        const value = await clock.over(
          withResource(
            (...args) => (context.push(...args), 'resource'),
            (...args) => (released.push(...args), 'ignored'),
            (...args) => (assert.deepEqual(args, ['resource', context[0]]), 'value'),
            optionsOf(),
          ),
        );
        assert.equal(value, 'value');
        assert.deepEqual(released, ['resource', { status: 'fulfilled', value: 'value' }]);
        assert.equal(context.length, 1);
        const { index, attempt, signal, remaining } = context[0];
        assert.deepEqual({ index, attempt, aborted: signal.aborted }, { index: 0, attempt: 1, aborted: false });
        assert.equal(remaining, 0, 'when it is over');
      });

      it('plain values and thenables will do, and undefined is a resource', async () => {
        let released;
        const thenable = (value) => ({ then: (resolve) => (resolve(value), resolve('second')) });
        const call = withResource(
          noop,
          (resource) => ((released = [resource]), thenable()),
          () => thenable(3),
          optionsOf(),
        );
        assert.equal(await clock.over(call), 3);
        assert.deepEqual(released, [undefined]);
      });

      it('an acquire that fails: nothing is used, nothing released', async () => {
        for (const acquire of [throwing, async () => throwing(), () => turn().then(throwing)]) {
          const refuse = () => assert.fail('called');
          assert.equal(await rejection(clock.over(withResource(acquire, refuse, refuse, optionsOf()))), failure);
        }
      });

      it('a use that fails: what was acquired is released, and the error is the use’s', async () => {
        for (const use of [throwing, async () => throwing(), () => turn().then(throwing)]) {
          const outcomes = [];
          const call = withResource(noop, (_resource, outcome) => outcomes.push(outcome), use, optionsOf());
          assert.equal(await rejection(clock.over(call)), failure);
          assert.deepEqual(outcomes, [{ status: 'rejected', reason: failure }]);
        }
      });

      it('a release that fails: its error; after a use that failed both', async () => {
        for (const release of [() => Promise.reject(second), () => turn().then(() => Promise.reject(second))]) {
          assert.equal(await rejection(clock.over(withResource(noop, release, noop, optionsOf()))), second);
          const error = await rejection(clock.over(withResource(noop, release, throwing, optionsOf())));
          assert.ok(error instanceof AggregateError);
          assert.deepEqual(error.errors, [failure, second]);
        }
      });

      it('any value may be thrown', async () => {
        for (const value of [undefined, null, 0, 'failure']) {
          const fail = () => Promise.reject(value);
          assert.equal(await rejection(clock.over(withResource(fail, noop, noop, optionsOf()))), value);
          assert.equal(await rejection(clock.over(withResource(noop, noop, fail, optionsOf()))), value);
          assert.equal(await rejection(clock.over(withResource(noop, fail, noop, optionsOf()))), value);
        }
      });

      it('an error in each of the three names who called', async () => {
        const fails = async () => {
          await turn();
          throw new Error('in it');
        };
        for (const functions of [
          [fails, noop, noop],
          [noop, noop, fails],
          [noop, fails, noop],
        ]) {
          async function whoAsks() {
            await withResource(...functions, optionsOf());
          }
          assert.match((await rejection(clock.over(whoAsks()))).stack, /whoAsks/);
        }
      });

      it('no rejection is unhandled but the call’s own', async () => {
        const reasons = await unhandledDuring(async () => {
          await rejection(withResource(throwing, noop, noop, optionsOf()));
          await rejection(withResource(noop, throwing, throwing, optionsOf()));
        });
        assert.deepEqual(reasons, []);
      });
    });
  }

  // How a call can be ended from outside.
  const ends = {
    'the time': { options: () => ({ timeout: 10, label: 'lease' }), end: () => clock.advance(10), isReason: isTimeout },
    'a signal': {
      options() {
        this.controller = new AbortController();
        return { signal: this.controller.signal };
      },
      async end() {
        await turn();
        this.controller.abort(failure);
      },
      isReason: (reason) => reason === failure,
    },
  };
  function isTimeout(error) {
    const { scope, timeout, elapsed, label, attempt, index } = error;
    assert.deepEqual(
      { scope, timeout, elapsed, label, attempt, index },
      { scope: 'total', timeout: 10, elapsed: 10, label: 'lease', attempt: undefined, index: undefined },
    );
    return error instanceof TimeoutError;
  }
  for (const [name, way] of Object.entries(ends)) {
    describe(`ended by ${name}`, () => {
      it('in the use: the signal aborts, it is released at once, that is awaited, and then the call rejects', async () => {
        const log = [];
        const releasing = deferred();
        let reason;
        const use = (_resource, { signal }) => {
          signal.addEventListener('abort', () => log.push('abort'));
          return never();
        };
        const release = (resource, outcome) => {
          log.push('release', resource);
          assert.equal(outcome.status, 'rejected');
          ({ reason } = outcome);
          return releasing.promise;
        };
        const call = withResource(() => 'resource', release, use, way.options());
        let isSettled = false;
        const caught = rejection(call).finally(() => (isSettled = true));
        await way.end();
        await turn();
        assert.deepEqual(log, ['abort', 'release', 'resource']);
        assert.equal(isSettled, false);
        releasing.resolve();
        assert.equal(await caught, reason);
        assert.ok(way.isReason(reason));
      });

      it('in the use: what that comes to is nobody’s business, and it is released once', async () => {
        for (const settle of [({ resolve }) => resolve('late'), ({ reject }) => reject(new Error('late'))]) {
          const using = deferred();
          let released = 0;
          const reasons = await unhandledDuring(async () => {
            const caught = rejection(
              withResource(
                noop,
                () => void released++,
                () => using.promise,
                way.options(),
              ),
            );
            await way.end();
            assert.ok(way.isReason(await caught));
            settle(using);
          });
          assert.deepEqual(reasons, []);
          assert.equal(released, 1);
        }
      });

      it('in the use: a release that fails is told of too', async () => {
        for (const release of [() => Promise.reject(second), () => turn().then(() => Promise.reject(second))]) {
          const caught = rejection(withResource(noop, release, never, way.options()));
          await way.end();
          const { errors } = await caught;
          assert.equal(errors.length, 2);
          assert.ok(way.isReason(errors[0]));
          assert.equal(errors[1], second);
        }
      });

      it('in the use: an error of the release names who called', async () => {
        const releases = [
          async () => {
            await turn();
            throw new Error('late');
          },
        ];
        if (name === 'the time') {
          releases.push(() => {
            throw new Error('at once');
          });
        }
        for (const release of releases) {
          async function whoAsks() {
            await withResource(noop, release, never, way.options());
          }
          const caught = rejection(whoAsks());
          await way.end();
          assert.match((await caught).errors[1].stack, /whoAsks/);
        }
      });

      it('in the acquire: it rejects at once; what arrives later is released when it does, and that is nobody’s business', async () => {
        for (const release of [noop, throwing, () => Promise.reject(failure)]) {
          const arriving = deferred();
          const released = [];
          let signal;
          const reasons = await unhandledDuring(async () => {
            const call = withResource(
              (ctx) => (({ signal } = ctx), arriving.promise),
              (...args) => (released.push(args), release()),
              () => assert.fail('used'),
              way.options(),
            );
            const caught = rejection(call);
            await way.end();
            const reason = await caught;
            assert.ok(way.isReason(reason));
            assert.equal(signal.reason, reason);
            assert.deepEqual(released, []);
            arriving.resolve('late');
            await turn();
            assert.deepEqual(released, [['late', { status: 'rejected', reason }]]);
          });
          assert.deepEqual(reasons, []);
        }
      });

      it('in the acquire: one that fails later is nobody’s business', async () => {
        const arriving = deferred();
        const reasons = await unhandledDuring(async () => {
          const caught = rejection(
            withResource(
              () => arriving.promise,
              () => assert.fail('released'),
              noop,
              way.options(),
            ),
          );
          await way.end();
          await caught;
          arriving.reject(new Error('late'));
        });
        assert.deepEqual(reasons, []);
      });

      it('in the release: that is awaited, and the call ends as its use did', async () => {
        const releasing = deferred();
        let mine;
        const call = withResource(
          (ctx) => void ({ signal: mine } = ctx),
          () => releasing.promise,
          () => 'value',
          way.options(),
        );
        await turn();
        await way.end();
        releasing.resolve();
        assert.equal(await call, 'value');
        assert.equal(mine.aborted, false);
      });

      it('listeners and the release run in the context of the call', async () => {
        const storage = new AsyncLocalStorage();
        const seen = [];
        const see = () => void seen.push(storage.getStore());
        const use = (_resource, { signal }) => (signal.addEventListener('abort', see), never());
        const caught = rejection(storage.run('mine', () => withResource(noop, see, use, way.options())));
        await storage.run('stranger', () => way.end());
        await caught;
        assert.deepEqual(seen, ['mine', 'mine']);
      });
    });
  }

  it('remaining is what is left of the time', async () => {
    const seen = [];
    const call = withResource(
      (ctx) => (seen.push(ctx.remaining), clock.sleep(3)),
      noop,
      (_resource, ctx) => void seen.push(ctx.remaining),
      { timeout: 10 },
    );
    await clock.over(call);
    assert.deepEqual(seen, [10, 7]);
  });

  it('a timeout of zero starts, and takes what is there at once', async () => {
    assert.equal(await clock.over(withResource(noop, noop, async () => 'value', { timeout: 0 })), 'value');
    assert.ok((await rejection(clock.over(withResource(noop, noop, never, { timeout: 0 })))) instanceof TimeoutError);
  });

  it('a signal that is aborted already: nothing is called', async () => {
    const refuse = () => assert.fail('called');
    assert.equal(await rejection(withResource(refuse, refuse, refuse, { signal: AbortSignal.abort('over') })), 'over');
  });

  it('an abort in the middle of each of the three', async () => {
    const reasons = await unhandledDuring(async () => {
      for (const where of ['acquire', 'use', 'release', 'listener']) {
        const controller = new AbortController();
        const { signal } = controller;
        const released = [];
        const call = withResource(
          (ctx) => {
            ctx.signal.addEventListener('abort', () => where === 'listener' && controller.abort('again'));
            if (where === 'acquire') controller.abort('over');
            return 'resource';
          },
          (resource) => {
            if (where === 'release') controller.abort('over');
            released.push(resource);
          },
          () => {
            if (where === 'use' || where === 'listener') controller.abort('over');
            return 'value';
          },
          { signal },
        );
        if (where === 'release') assert.equal(await call, 'value');
        else assert.equal(await rejection(call), 'over');
        await turn();
        assert.deepEqual(released, ['resource'], where);
        assert.equal(getEventListeners(signal, 'abort').length, 0);
      }
    });
    assert.deepEqual(reasons, []);
  });

  it('what is wrong with the arguments is said before anything is acquired', async () => {
    const refuse = () => assert.fail('called');
    const cases = {
      'no acquire': [undefined, noop, noop],
      'no release': [refuse, undefined, noop],
      'no use': [refuse, noop],
      'an unknown option': [refuse, noop, noop, { timout: 5 }],
      'totalTimeout, which is timeout here': [refuse, noop, noop, { totalTimeout: 5 }],
      'timeout: -1': [refuse, noop, noop, { timeout: -1 }],
      'timeout: NaN': [refuse, noop, noop, { timeout: NaN }],
      'signal: an object': [refuse, noop, noop, { signal: {} }],
      'label: 5': [refuse, noop, noop, { label: 5 }],
      'options: null': [refuse, noop, noop, null],
    };
    for (const [what, args] of Object.entries(cases)) {
      assert.match((await rejection(withResource(...args))).code, /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/, what);
    }
    assert.match((await rejection(withResource(...cases['an unknown option']))).message, /options\.timout/);
    const options = { timeout: undefined, signal: undefined, label: undefined };
    assert.equal(await withResource(noop, noop, () => 1, options), 1);
  });
}

// name -> async (keep) => what the scenario holds on to; keep(name, object): the object must be collectable at its end.
const scenarios = {
  'what a use was about that was left behind': async (keep) => {
    const open = deferred();
    const resource = { resource: true };
    const functions = [() => resource, () => {}, () => open.promise];
    // (The error stays, for whoever asks for the signal late.)
    await rejection(withResource(...functions, { timeout: 1 }));
    keep('resource', resource);
    for (const one of functions) keep('function', one);
    return [open];
  },
  'the use and the promise of what has not arrived in time': async (keep) => {
    const open = deferred();
    const use = () => {};
    const call = withResource(
      () => open.promise,
      () => {},
      use,
      { timeout: 1 },
    );
    await rejection(call);
    keep('use', use);
    keep('promise', call);
    return [open];
  },
  'a call on a signal that lives on': async (keep) => {
    const controller = new AbortController();
    const use = () => ({ value: true });
    keep('value', await withResource(noop, noop, use, { signal: controller.signal, timeout: 1000 }));
    keep('use', use);
    return [controller];
  },
};

if (isChild) {
  tellAll(scenarios);
} else {
  describe('withResource', () => {
    resourceTests();

    describe('what it leaves behind', () => {
      itCollects(scenarios, childOf(__filename));
    });
  });
}
