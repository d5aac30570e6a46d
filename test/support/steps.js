'use strict';

// What fast-check's commands on a model and on the real thing have in common, where the real thing is one in which somebody
// waits, with a timeout or a signal.

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const fc = require('fast-check');

const { usage } = require('../../lib/engine');

const SIGNALS = 3;

// The real thing, with the same operations as the model. Subclasses say what an error is in the model's words.
class Real {
  constructor(clock) {
    this.clock = clock;
    this.controllers = Array.from({ length: SIGNALS }, () => new AbortController());
    this.outcomes = {}; // by id
    this.grants = []; // in order
  }

  wishOf({ timeout, signal }) {
    if (timeout === undefined && signal === undefined) return undefined;
    return { timeout, signal: this.controllers[signal]?.signal };
  }

  note(id, promise, outcomeOf) {
    const settle = (outcome) => {
      assert.ok(!(id in this.outcomes), 'settled once');
      this.outcomes[id] = outcome;
    };
    promise.then(
      (value) => {
        this.grants.push(id);
        settle(outcomeOf(value));
      },
      (error) => settle(this.rejectionOf(error)),
    );
  }

  rejectionOf(error) {
    return error?.code ?? error;
  }

  abort({ signal }) {
    this.controllers[signal].abort(`aborted ${signal}`);
  }

  renew({ signal }) {
    if (this.controllers[signal].signal.aborted) this.controllers[signal] = new AbortController();
  }
}

/** What it returns, or the code of what it throws. */
function attempt(call) {
  try {
    return call();
  } catch (error) {
    return error.code;
  }
}

/** Each signal has a listener while somebody waits with it, and nobody waits in C whom the model does not have waiting. */
function compareWaits(waiting, { controllers }) {
  controllers.forEach(({ signal }, number) => {
    const listeners = waiting.some((waiter) => waiter.signal === number) ? 1 : 0;
    assert.equal(getEventListeners(signal, 'abort').length, listeners, 'one listener while somebody waits with it');
  });
  const { waiters, semaphores } = usage();
  assert.ok(waiters <= waiting.length, 'nobody waits in C whom the model does not have waiting');
  if (waiting.length === 0) assert.deepEqual({ waiters, semaphores }, { waiters: 0, semaphores: 0 });
}

// A command of fast-check. Subclasses have an async run(model, real).
class Step {
  constructor(what) {
    this.what = what; // operations, or milliseconds
  }

  check() {
    return true;
  }

  toString() {
    return `${this.constructor.name} ${JSON.stringify(this.what)}`;
  }
}

const maybe = (arbitrary) => fc.option(arbitrary, { nil: undefined });
const signal = fc.nat({ max: SIGNALS - 1 });
const named = (name, fields = {}) => fc.record({ name: fc.constant(name), ...fields });
const abortAll = Array.from({ length: SIGNALS }, (_, number) => ({ name: 'abort', signal: number }));

/**
 * fc.commands: turns of operations, and now and then `close` among them. Turn and Advance are Steps. How many there are at
 * most: `operations` in a turn, `ms` in a step forward, `commands`; and `advances` steps forward for each `close`.
 */
function commandsOf(operation, close, { Turn, Advance }, { operations, ms, advances, commands }) {
  const some = fc.array(operation, { minLength: 1, maxLength: operations });
  const closing = fc.tuple(some, close, some).map(([before, one, after]) => [...before, one, ...after]);
  const turn = some.map((all) => new Turn(all));
  const lastTurn = closing.map((all) => new Turn(all)); // nothing much happens behind it
  const advance = fc.integer({ min: 1, max: ms }).map((some) => new Advance(some));
  const seldom = fc.oneof({ weight: advances, arbitrary: advance }, { weight: 1, arbitrary: lastTurn });
  return fc.commands([turn, turn, turn, advance, seldom], { maxCommands: commands, size: 'max' });
}

module.exports = {
  Real,
  SIGNALS,
  Step,
  abortAll,
  attempt,
  commandsOf,
  compareWaits,
  maybe,
  named,
  signal,
};
