'use strict';

// A rate limiter: the bucket and the line are C's (src/core/limiter.c), all the time.

const { isObject, setTokensOf, tokensOf } = require('./access');
const { I, D, enums, ints, doubles, operations, waiters, currentEngine, failure, handOver } = require('./engine');
const { closed, invalidThis, outOfRange } = require('./errors');
const line = require('./line');
const options = require('./options');
const { MOST } = require('./permits');
const { readRate, writeRate } = require('./policy');
const { promiseFor, resolved } = require('./promises');
const { lease, letGo } = require('./shared');
const { Waiter } = require('./waiter');

const { LIMITER, LIMITER_CLOSE, DRAW, RECONFIGURE, PENALIZE, LIMITER_LEVEL, LIMITER_SHUT } = operations;
const { ACTION, EVENT, FLAGS, LANE, LANE_GENERATION, LIMITER_GENERATION } = I;
const { WEIGHT, TIMEOUT, MAX_WAITING, DELAY } = D;

const WAIT_KEYS = new Set(['signal', 'timeout', 'unref']);
const MAKE_KEYS = new Set([...options.RATE_KEYS, 'maxWaiting', 'shared']);

// A limiter that nobody can reach any more is freed in C; who waits for it, or uses it, reaches it.
const registry = new FinalizationRegistry(free);

function free({ slot, generation, engine }) {
  if (engine !== currentEngine()) return;
  ints[I.LIMITER] = slot;
  ints[LIMITER_GENERATION] = generation;
  LIMITER_CLOSE();
}

class Tokens {
  constructor({ rate, maxWaiting, shared }) {
    this.rate = rate;
    this.maxWaiting = maxWaiting;
    this.jobs = null; // a Set of those that are open on it
    this.waiting = 0;
    this.isClosed = false;
    this.lent = null; // or what all threads share by a name, until it has let go of that
    this.slot = -1;
    this.generation = 0;
    writeRate(rate);
    if (shared === undefined) this.make();
    else lease(this, enums.COMMON_LIMITER, shared, rate);
  }

  make() {
    LIMITER();
    if (ints[ACTION] < 0) throw failure();
    this.slot = ints[I.LIMITER];
    this.generation = ints[LIMITER_GENERATION];
    registry.register(this, { slot: this.slot, generation: this.generation, engine: currentEngine() });
  }

  /** What C is asked about. */
  name() {
    ints[I.LIMITER] = this.slot;
    ints[LIMITER_GENERATION] = this.generation;
  }

  /** @returns whether they are granted at once; else the waiter's place is in the mailbox, or an error */
  ask(tokens, timeout, maxWaiting, flags) {
    ints[I.LIMITER] = this.slot;
    ints[LIMITER_GENERATION] = this.generation;
    doubles[WEIGHT] = tokens;
    doubles[TIMEOUT] = timeout;
    doubles[MAX_WAITING] = maxWaiting;
    ints[FLAGS] = flags;
    DRAW();
    return ints[ACTION] >= 0 && ints[EVENT] === enums.EVENT_GRANTED;
  }

  left() {
    this.waiting--;
    this.settle();
  }

  /** Lets go of what is shared, once it is closed and nothing stands in the way. */
  settle() {
    if (!line.isOver(this)) return;
    letGo(this);
    this.slot = -1;
  }

  /** @returns one of the words of the level, without an upper bound where there is none; 0 after letting go */
  look(word) {
    if (this.slot < 0) return 0;
    this.name();
    LIMITER_LEVEL();
    const value = doubles[word];
    return value >= MOST ? Infinity : value;
  }

  get available() {
    return this.look(D.AVAILABLE);
  }

  get burst() {
    return this.look(D.CAPACITY);
  }

  get waitingInAll() {
    return this.look(D.WAITERS);
  }

  /** Another thread may have changed it. */
  rateNow() {
    if (this.lent === null) return this.rate;
    this.name();
    LIMITER_LEVEL();
    return readRate();
  }

  reconfigure(rate) {
    this.rate = rate;
    writeRate(rate);
    this.name();
    RECONFIGURE();
    handOver();
  }

  penalize(ms) {
    doubles[DELAY] = ms;
    this.name();
    PENALIZE();
  }

  shut() {
    this.name();
    LIMITER_SHUT();
    handOver();
  }

  attach(job) {
    (this.jobs ??= new Set()).add(job);
  }

  detach(job) {
    this.jobs.delete(job);
    this.settle();
  }

  full() {
    return line.full('rate limiter', this.maxWaiting);
  }

  closed() {
    return closed('rate limiter');
  }
}

class TokenWaiter extends Waiter {
  constructor(tokens, wish) {
    super(tokens, wish.timeout);
    this.weight = wish.weight;
  }

  granted(elapsed) {
    this.resolve(elapsed);
  }

  refusal() {
    return tooMany(this.weight, this.line);
  }
}

// What a wait is asked for with.
class Wish {
  constructor() {
    this.weight = 1;
    this.signal = undefined;
    this.timeout = Infinity;
    this.flags = 0;
  }
}

class RateLimiter {
  #tokens;

  static {
    setTokensOf((value) => (#tokens in value ? value.#tokens : undefined));
  }

  constructor(given) {
    const asked = options.rateWith('options', given, MAKE_KEYS);
    this.#tokens = new Tokens(asked);
  }

  get available() {
    return own(this).available;
  }

  get waiting() {
    return own(this).waitingInAll;
  }

  acquire(tokens, given) {
    try {
      if (tokens === undefined && given === undefined && isObject(this) && #tokens in this) {
        const mine = this.#tokens;
        if (!mine.isClosed && mine.ask(1, Infinity, 0, 0)) return resolved(0);
      }
      const wish = options.readWish(new Wish(), tokens, given, WAIT_KEYS, readWaitField);
      return acquire(own(this), wish);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryAcquire(tokens = 1) {
    const mine = own(this);
    options.weight('tokens', tokens);
    if (mine.isClosed) throw mine.closed();
    if (mine.ask(tokens, Infinity, 0, 0)) return true;
    if (ints[ACTION] === enums.EINVAL) throw tooMany(tokens, mine);
    return false;
  }

  reconfigure(given) {
    const mine = own(this);
    mine.reconfigure(options.changedRate('options', given, mine.rateNow()));
  }

  penalize(ms) {
    const mine = own(this);
    mine.penalize(options.finiteDuration('ms', ms));
  }

  close() {
    line.close(own(this));
  }
}

function own(limiter) {
  const tokens = tokensOf(limiter);
  if (tokens === undefined) throw invalidThis('RateLimiter');
  return tokens;
}

function readWaitField(wish, key, value, owner) {
  if (key !== 'unref') return options.readWaitField(wish, key, value, owner);
  wish.flags = options.unrefFlag(key, value, owner);
  return true;
}

function tooMany(tokens, { burst }) {
  return outOfRange('tokens', `<= ${burst}, the burst`, tokens);
}

/** @returns a promise of the milliseconds it waited */
function acquire(mine, wish) {
  const { signal } = wish;
  options.weight('tokens', wish.weight);
  if (wish.weight > 1 && wish.weight > mine.burst) throw tooMany(wish.weight, mine);
  if (mine.isClosed) throw mine.closed();
  if (signal !== undefined && signal.aborted) return Promise.reject(signal.reason);
  const waiter = new TokenWaiter(mine, wish);
  const promise = promiseFor(waiter);
  if (mine.ask(wish.weight, wish.timeout, mine.maxWaiting, wish.flags)) {
    waiter.resolve(0);
    return promise;
  }
  const error = ints[ACTION];
  if (error === enums.EINVAL) throw waiter.refusal(); // another thread has lowered the burst just now
  if (error < 0) throw error === enums.ECROWDED ? mine.full() : failure();
  waiter.slot = ints[LANE];
  waiter.generation = ints[LANE_GENERATION];
  waiters[waiter.slot] = waiter;
  mine.waiting++;
  waiter.follow(signal);
  return promise;
}

module.exports = { RateLimiter };
