'use strict';

// What a Semaphore and a RateLimiter must do, with plain arrays; and the commands that fast-check draws, which run on both.
//
// A turn is a few operations without a microtask in between; then those who have been granted something go on, in the order
// of the grants (some give their permit back at once); then whatever is due at this instant is due.

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { RateLimiter, Semaphore } = require('../..');
const { Bucket, nanoseconds } = require('./bucket');
const { assertNothingLeft } = require('./endings');
const { Real, SIGNALS, Step, abortAll, attempt, commandsOf, compareWaits, maybe, named, signal } = require('./steps');

const RANGE = 'ERR_OUT_OF_RANGE';
const CLOSED = 'ERR_SLUICE_CLOSED';
const FULL = 'ERR_SLUICE_FULL';
const TIMEOUT = 'ERR_SLUICE_TIMEOUT';

// A line of those who wait, whatever for.
class Line {
  constructor(maxWaiting) {
    this.maxWaiting = maxWaiting;
    this.line = []; // { id, weight, due, since, signal, ... }
    this.outcomes = {}; // by id
    this.grants = []; // in order
    this.isClosed = false;
    this.isAborted = Array(SIGNALS).fill(false);
    this.now = 0;
    this.count = 0; // operations
  }

  settle(id, outcome) {
    assert.ok(!(id in this.outcomes), 'the model settles once');
    this.outcomes[id] = outcome;
  }

  acquire({ id, weight, timeout = Infinity, signal, ...rest }) {
    if (weight > this.most) return this.settle(id, RANGE);
    if (this.isClosed) return this.settle(id, CLOSED);
    if (this.isAborted[signal]) return this.settle(id, `aborted ${signal}`);
    const waiter = { id, weight, due: this.now + timeout, since: this.now, signal, ...rest };
    if (this.line.length === 0 && this.take(weight)) return this.grant(waiter);
    if (this.line.length >= this.maxWaiting) return this.settle(id, FULL);
    this.line.push(waiter);
    return undefined;
  }

  serve() {
    while (this.line.length > 0 && this.take(this.line[0].weight)) this.grant(this.line.shift());
  }

  dismiss(isMeant, outcome) {
    for (const { id } of this.line.filter(isMeant)) this.settle(id, outcome);
    this.line = this.line.filter((waiter) => !isMeant(waiter));
  }

  abort({ signal }) {
    this.isAborted[signal] = true;
    this.dismiss((waiter) => waiter.signal === signal, `aborted ${signal}`);
    this.afterLeaving();
  }

  renew({ signal }) {
    this.isAborted[signal] = false;
  }

  close() {
    this.isClosed = true;
    this.dismiss(() => true, CLOSED);
  }
}

class SemaphoreModel extends Line {
  constructor({ permits, maxWaiting }) {
    super(maxWaiting);
    this.most = permits;
    this.out = new Map(); // id -> weight, of permits that are out
    this.known = []; // of these, those whose owners have gone on: in the order of the grants
    this.goingOn = []; // those who have not yet
  }

  get inUse() {
    return [...this.out.values()].reduce((sum, weight) => sum + weight, 0);
  }

  take(weight) {
    return weight <= this.most - this.inUse;
  }

  grant({ id, weight, isBrief }) {
    this.settle(id, { weight });
    this.out.set(id, weight);
    this.goingOn.push({ id, isBrief });
  }

  afterLeaving() {
    this.serve();
  }

  tryAcquire({ id, weight }) {
    if (weight > this.most) return RANGE;
    if (this.isClosed) return CLOSED;
    if (this.line.length > 0 || !this.take(weight)) return undefined;
    this.out.set(id, weight);
    this.known.push(id);
    return weight;
  }

  /** The one whose turn it is to give a permit back, or undefined. */
  chosen({ which }) {
    return this.known[which % this.known.length];
  }

  release(given) {
    const id = this.chosen(given);
    if (id === undefined) return;
    this.known.splice(this.known.indexOf(id), 1);
    this.giveBack(id);
  }

  giveBack(id) {
    this.out.delete(id);
    this.serve();
  }

  resize({ permits }) {
    this.most = permits;
    this.dismiss(({ weight }) => weight > permits, RANGE);
    this.serve();
  }

  goOn() {
    while (this.goingOn.length > 0) {
      const { id, isBrief } = this.goingOn.shift();
      this.grants.push(id);
      if (isBrief) this.giveBack(id);
      else this.known.push(id);
    }
  }

  /** Who leaves lets in who stood behind, who may have been about to leave as well. */
  instant() {
    this.goOn();
    for (let due; (due = this.line.find((waiter) => waiter.due <= this.now)) !== undefined;) {
      this.dismiss((waiter) => waiter === due, TIMEOUT);
      this.serve();
    }
    this.goOn();
  }

  levels() {
    const { most, line, inUse } = this;
    return { permits: most, available: line.length > 0 ? 0 : Math.max(0, most - inUse), waiting: line.length };
  }
}

class LimiterModel extends Line {
  constructor({ rate, maxWaiting }) {
    super(maxWaiting);
    this.rate = rate;
    this.bucket = new Bucket(rate);
  }

  get most() {
    return this.rate.burst;
  }

  take(weight) {
    return this.bucket.take(weight, nanoseconds(this.now));
  }

  grant({ id, since }) {
    this.settle(id, { waited: nanoseconds(this.now) - nanoseconds(since) });
    this.grants.push(id);
  }

  /** Tokens are handed out with the end of the turn. */
  afterLeaving() {}

  tryAcquire({ weight }) {
    if (this.isClosed) return CLOSED;
    if (weight > this.most) return RANGE;
    return this.line.length === 0 && this.take(weight);
  }

  penalize({ ms }) {
    this.bucket.penalize(ms, nanoseconds(this.now));
  }

  reconfigure({ change }) {
    for (const [key, value] of Object.entries(change))
      if (value !== undefined) this.rate = { ...this.rate, [key]: value };
    this.bucket.refill(nanoseconds(this.now));
    this.bucket.change(this.rate);
    this.dismiss(({ weight }) => weight > this.most, RANGE);
  }

  instant() {
    this.serve();
    this.dismiss(({ due }) => due <= this.now, TIMEOUT);
    this.serve();
  }

  levels() {
    const { line } = this;
    return { available: line.length > 0 ? 0 : this.bucket.level(nanoseconds(this.now)), waiting: line.length };
  }

  /** The next instant at which a token comes or a time is over. */
  get next() {
    const times = this.line.map(({ due }) => due);
    if (this.line.length > 0) times.push(Number(this.bucket.readyAt(this.line[0].weight)) / 1e6);
    return Math.min(...times);
  }
}

// The real things, with the same operations.

class RealSemaphore extends Real {
  constructor(clock, { permits, maxWaiting }) {
    super(clock);
    this.semaphore = new Semaphore(permits, { maxWaiting });
    this.permits = new Map(); // by id
  }

  acquire({ id, weight, isBrief, isShort, ...wish }) {
    const given = this.wishOf(wish);
    const promise =
      isShort && given === undefined && weight === 1 ? this.semaphore.acquire() : this.semaphore.acquire(weight, given);
    this.note(id, promise, (permit) => {
      const { weight: held } = permit;
      if (isBrief) permit.release();
      else this.permits.set(id, permit);
      return { weight: held };
    });
  }

  tryAcquire({ id, weight }) {
    return attempt(() => {
      const permit = this.semaphore.tryAcquire(weight);
      if (permit !== undefined) this.permits.set(id, permit);
      return permit?.weight;
    });
  }

  release({ chosen }) {
    if (chosen === undefined) return;
    this.permits.get(chosen).release();
    this.permits.delete(chosen);
  }

  resize({ permits }) {
    this.semaphore.resize(permits);
  }

  close() {
    this.semaphore.close();
  }

  levels() {
    const { permits, available, waiting } = this.semaphore;
    return { permits, available, waiting };
  }
}

class RealLimiter extends Real {
  constructor(clock, { rate, maxWaiting }) {
    super(clock);
    this.limiter = new RateLimiter({ ...rate, maxWaiting });
  }

  acquire({ id, weight, isBrief: _, isShort, ...wish }) {
    const given = this.wishOf(wish);
    const promise =
      isShort && given === undefined && weight === 1 ? this.limiter.acquire() : this.limiter.acquire(weight, given);
    this.note(id, promise, (waited) => ({ waited: nanoseconds(waited) }));
  }

  tryAcquire({ weight }) {
    return attempt(() => this.limiter.tryAcquire(weight));
  }

  penalize({ ms }) {
    this.limiter.penalize(ms);
  }

  reconfigure({ change }) {
    this.limiter.reconfigure(change);
  }

  close() {
    this.limiter.close();
  }

  levels() {
    const { available, waiting } = this.limiter;
    return { available, waiting };
  }
}

/** What must be so whenever nothing happens any more at this instant. */
function compare(model, real) {
  assert.deepEqual(real.outcomes, model.outcomes);
  assert.deepEqual(real.grants, model.grants, 'in this order');
  assert.deepEqual(real.levels(), model.levels());
  compareWaits(model.line, real);
}

class Turn extends Step {
  async run(model, real) {
    await real.clock.settleInstant(); // the engine knows what time it is
    for (const { name, ...fields } of this.what) {
      const given = { id: model.count++, ...fields };
      if (name === 'release') given.chosen = model.chosen(given);
      assert.deepEqual(real[name](given), model[name](given), name);
      assert.deepEqual(real.levels(), { ...model.levels() }, `levels after ${name}`);
    }
    model.instant();
    await real.clock.settleInstant();
    compare(model, real);
  }
}

class Advance extends Step {
  async run(model, real) {
    const end = model.now + this.what;
    while (nextOf(model) <= end) {
      model.now = nextOf(model);
      model.instant();
    }
    model.now = end;
    model.instant();
    await real.clock.advance(this.what);
    await real.clock.settleInstant();
    compare(model, real);
  }
}

function nextOf(model) {
  return model.next ?? Math.min(...model.line.map(({ due }) => due));
}

const weight = fc.oneof(
  { weight: 4, arbitrary: fc.constant(1) },
  { weight: 2, arbitrary: fc.integer({ min: 2, max: 5 }) },
);
const wishes = { timeout: maybe(fc.nat({ max: 8 })), signal: maybe(signal) };
const acquire = fc.oneof(
  named('acquire', { weight, isBrief: fc.boolean(), ...wishes }),
  named('acquire', { weight: fc.constant(1), isBrief: fc.boolean(), isShort: fc.boolean() }),
  named('acquire', { weight: fc.constant(1), isBrief: fc.boolean(), isShort: fc.boolean() }),
);
const shared = [
  { weight: 10, arbitrary: acquire },
  { weight: 2, arbitrary: named('tryAcquire', { weight }) },
  { weight: 2, arbitrary: named('abort', { signal }) },
  { weight: 2, arbitrary: named('renew', { signal }) },
];
const semaphoreOperation = fc.oneof(
  ...shared,
  { weight: 8, arbitrary: named('release', { which: fc.nat({ max: 10 }) }) },
  { weight: 1, arbitrary: named('resize', { permits: fc.integer({ min: 1, max: 5 }) }) },
);
const change = fc.record({
  max: maybe(fc.integer({ min: 1, max: 5 })),
  per: maybe(fc.integer({ min: 1, max: 12 })),
  burst: maybe(fc.integer({ min: 1, max: 5 })),
});
const limiterOperation = fc.oneof(
  ...shared,
  { weight: 1, arbitrary: named('penalize', { ms: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: named('reconfigure', { change }) },
);

const steps = (operation) =>
  commandsOf(operation, named('close'), { Turn, Advance }, { operations: 6, ms: 7, advances: 6, commands: 16 });
const maxWaiting = fc.oneof(
  { weight: 3, arbitrary: fc.constant(Infinity) },
  { weight: 1, arbitrary: fc.nat({ max: 4 }) },
);
const semaphores = {
  given: fc.record({ permits: fc.integer({ min: 1, max: 5 }), maxWaiting }),
  commands: steps(semaphoreOperation),
  setup: (clock, given) => ({ model: new SemaphoreModel(given), real: new RealSemaphore(clock, given) }),
};
const limiters = {
  given: fc.record({
    rate: fc.record({
      max: fc.integer({ min: 1, max: 5 }),
      per: fc.integer({ min: 1, max: 12 }),
      burst: fc.integer({ min: 1, max: 5 }),
    }),
    maxWaiting,
  }),
  commands: steps(limiterOperation),
  setup: (clock, given) => ({ model: new LimiterModel(given), real: new RealLimiter(clock, given) }),
};

/** Whoever waits is let go, and every permit comes back: then nothing is pending, and nothing is left in C. */
async function finish(model, real) {
  await new Turn([...abortAll, { name: 'close' }]).run(model, real);
  if (model.known !== undefined) {
    await new Turn(Array(model.known.length).fill({ name: 'release', which: 0 })).run(model, real);
    assert.deepEqual([model.levels().available, real.permits.size], [model.most, 0]);
  }
  assert.deepEqual(model.line, []);
  assertNothingLeft();
}

module.exports = { finish, limiters, semaphores };
