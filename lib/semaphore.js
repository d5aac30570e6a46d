'use strict';

const { isObject, permitsOf, setPermitsOf } = require('./access');
const { I, D, doubles, enums, ints, operations, handOver } = require('./engine');
const { invalidThis, outOfRange, sluiceError } = require('./errors');
const line = require('./line');
const options = require('./options');
const { MOST, Permits } = require('./permits');
const { promiseFor, pushed, resolved } = require('./promises');
const { lease, letGo } = require('./shared');
const { Waiter } = require('./waiter');

const { TAKE, PUT, SEMAPHORE_LEVEL } = operations;
const { ACTION, HANDED } = I;

const KEYS = new Set(['maxWaiting', 'shared']);
const WAIT_KEYS = new Set(['signal', 'timeout']);
const USE_KEYS = new Set(['weight', ...WAIT_KEYS]);

// Of one.
class Permit {
  #permits; // null: it is released

  constructor(permits) {
    this.#permits = permits;
  }

  get weight() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    return 1;
  }

  get isReleased() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    return this.#permits === null;
  }

  release() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    const permits = this.#permits;
    if (permits === null) throw released();
    this.#permits = null;
    permits.give(1);
  }

  [Symbol.dispose]() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    if (this.#permits !== null) this.release();
  }
}

// Of more than one. (No subclass: the methods of the other would give back one of them.)
class HeavyPermit {
  #permits;
  #weight;

  constructor(permits, weight) {
    this.#permits = permits;
    this.#weight = weight;
  }

  get weight() {
    if (!isObject(this) || !(#weight in this)) throw invalidThis('Permit');
    return this.#weight;
  }

  get isReleased() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    return this.#permits === null;
  }

  release() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    const permits = this.#permits;
    if (permits === null) throw released();
    this.#permits = null;
    permits.give(this.#weight);
  }

  [Symbol.dispose]() {
    if (!isObject(this) || !(#permits in this)) throw invalidThis('Permit');
    if (this.#permits !== null) this.release();
  }
}

// Nobody else makes one: the classes cannot be reached from a permit. (To check who made it would cost 5 ns each time.)
for (const { prototype } of [Permit, HeavyPermit]) {
  Reflect.deleteProperty(prototype, 'constructor');
  Object.defineProperty(prototype, Symbol.toStringTag, { value: 'Permit' });
  // A promise that is resolved with a permit looks for this, and need not look further.
  Object.defineProperty(prototype, 'then', { value: undefined });
}

function released() {
  return sluiceError('ERR_SLUICE_RELEASED', 'The permit is released already');
}

function permitOf(permits, weight) {
  return weight === 1 ? new Permit(permits) : new HeavyPermit(permits, weight);
}

// Whoever waits without conditions is the function that resolves its promise.
class SemaphorePermits extends Permits {
  grant(resolve) {
    resolve(new Permit(this));
  }

  refuse(resolve, error) {
    resolve(Promise.reject(error));
  }

  turnAway(resolve) {
    this.refuse(resolve, this.closed());
  }
}

// Of all threads that name it. C has the count all the time; this is a handle, and what it closes is itself.
class SharedPermits extends SemaphorePermits {
  constructor(kind, size, maxWaiting, what, name) {
    super(size, 0, maxWaiting, what);
    this.lent = null; // once it has let go
    doubles[D.PERMITS] = size;
    lease(this, kind, name);
  }

  open() {}

  /** Something that stood in the way of letting go is gone. */
  settle() {
    if (!line.isOver(this)) return;
    this.level();
    if (doubles[D.HELD] === 0) letGo(this);
  }

  /** Crossings that do nothing else: they cost less than the permit and its promise. */
  tryTake(weight) {
    if (weight !== 1) return super.tryTake(weight);
    this.name();
    TAKE();
    return ints[ACTION] > 0;
  }

  give(weight) {
    if (weight === 1) {
      this.name();
      PUT();
      if (ints[HANDED] !== 0) handOver();
    } else {
      super.give(weight);
    }
    if (this.isClosed) this.settle();
  }

  level() {
    this.name();
    SEMAPHORE_LEVEL();
  }

  /** @returns one of the words of the level; 0 after letting go */
  look(word) {
    if (this.lent === null) return 0;
    this.level();
    return doubles[word];
  }

  get capacity() {
    return this.lent === null ? this.size : finite(this.look(D.CAPACITY));
  }

  get available() {
    const available = this.look(D.AVAILABLE);
    return available > 0 && finite(doubles[D.CAPACITY]) === Infinity ? Infinity : available;
  }

  get waitingInAll() {
    return this.look(D.WAITERS);
  }
}

function finite(value) {
  return value >= MOST ? Infinity : value;
}

class PermitWaiter extends Waiter {
  constructor(permits, weight, timeout) {
    super(permits, timeout);
    this.weight = weight;
  }

  granted() {
    this.resolve(permitOf(this.line, this.weight));
  }

  refusal() {
    return tooHeavy('weight', undefined, this.weight, this.line);
  }
}

// What a wait is asked for with.
class Wish {
  constructor() {
    this.weight = 1;
    this.signal = undefined;
    this.timeout = Infinity;
  }
}

const PLAIN = new Wish();

class Semaphore {
  #permits;

  static {
    setPermitsOf((value) => (#permits in value ? value.#permits : undefined));
  }

  constructor(permits, given) {
    options.limit('permits', permits);
    this.#permits = permitsFor('semaphore', permits, given, this instanceof Mutex);
  }

  get permits() {
    return own(this).capacity;
  }

  get available() {
    return own(this).available;
  }

  get waiting() {
    return own(this).waitingInAll;
  }

  acquire(weight, given) {
    if (weight === undefined && given === undefined && isObject(this) && #permits in this) {
      const permits = this.#permits;
      if (permits.slot < 0 && !permits.isClosed) {
        if (permits.inUse < permits.size) {
          permits.inUse++;
          return resolved(new Permit(permits));
        }
        if (permits.line.size < permits.maxWaiting) return pushed(permits.line);
      } else if (!permits.isClosed && permits.tryTake(1)) {
        return resolved(new Permit(permits));
      }
    }
    try {
      const wish = options.readWish(new Wish(), weight, given, WAIT_KEYS, options.readWaitField);
      return acquire(own(this), wish, undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryAcquire(weight = 1) {
    const permits = own(this);
    checkWeight('weight', undefined, weight, permits);
    if (permits.isClosed) throw permits.closed();
    return permits.tryTake(weight) ? permitOf(permits, weight) : undefined;
  }

  use(fn, given) {
    try {
      const permits = own(this);
      options.callback('fn', fn);
      const wish = given === undefined ? PLAIN : options.readEach(new Wish(), given, 'options', USE_KEYS, readUseField);
      return use(permits, wish, fn);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  resize(permits) {
    const mine = own(this);
    options.limit('permits', permits);
    mine.resize(permits);
  }

  close() {
    line.close(own(this));
  }
}

class Mutex extends Semaphore {
  constructor(given) {
    super(1, given);
    own(this).what = 'mutex';
  }

  get isLocked() {
    return own(this).available === 0;
  }

  runExclusive(fn, given) {
    try {
      const permits = own(this);
      options.callback('fn', fn);
      if (given === undefined) return use(permits, PLAIN, fn);
      return use(permits, options.readEach(new Wish(), given, 'options', WAIT_KEYS, options.readWaitField), fn);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  resize(permits) {
    own(this);
    options.limit('permits', permits);
    if (permits !== 1) throw outOfRange('permits', '1, of a mutex', permits);
  }
}

/** The permits of a semaphore, of whatever is handed in as one. */
function own(semaphore) {
  const permits = permitsOf(semaphore);
  if (permits === undefined) throw invalidThis('Semaphore');
  return permits;
}

function permitsFor(what, size, given, isMutex) {
  const asked = { maxWaiting: Infinity, shared: undefined };
  if (given !== undefined) options.readEach(asked, given, 'options', KEYS, readField);
  if (asked.shared === undefined) return new SemaphorePermits(size, 0, asked.maxWaiting, what);
  const kind = isMutex ? enums.COMMON_MUTEX : enums.COMMON_SEMAPHORE;
  return new SharedPermits(kind, size, asked.maxWaiting, what, asked.shared);
}

function readField(asked, key, value, owner) {
  if (key === 'maxWaiting') asked.maxWaiting = options.count(key, value, owner);
  else if (key === 'shared') asked.shared = options.text(key, value, owner);
  else return false;
  return true;
}

function readUseField(wish, key, value, owner) {
  if (key !== 'weight') return options.readWaitField(wish, key, value, owner);
  wish.weight = value;
  return true;
}

function tooHeavy(name, owner, weight, { capacity }) {
  return outOfRange(
    owner === undefined ? name : `${owner}.${name}`,
    `<= ${capacity}, as many permits as there are`,
    weight,
  );
}

function checkWeight(name, owner, weight, permits) {
  options.weight(name, weight, owner);
  if (weight > 1 && weight > permits.capacity) throw tooHeavy(name, owner, weight, permits);
}

/** For one permit, without conditions. */
function waitPlainly(permits) {
  const plain = { resolve: null, reject: null };
  const promise = promiseFor(plain);
  permits.waitPlainly(plain.resolve);
  return promise;
}

/** @returns a promise of a Permit */
function acquire(permits, wish, owner) {
  const { signal, weight } = wish;
  checkWeight('weight', owner, weight, permits);
  if (permits.isClosed) throw permits.closed();
  if (signal !== undefined && signal.aborted) return Promise.reject(signal.reason);
  if (permits.tryTake(weight)) return resolved(permitOf(permits, weight));
  if (weight === 1 && signal === undefined && wish.timeout === Infinity) return waitPlainly(permits);
  const waiter = new PermitWaiter(permits, weight, wish.timeout);
  const promise = promiseFor(waiter);
  permits.wait(waiter, weight, wish.timeout);
  waiter.follow(signal);
  return promise;
}

/** Where no permit is free, fn is called behind the wait: in a frame of its own, since each frame costs an await. */
function use(permits, wish, fn) {
  const isFree = wish === PLAIN && !permits.isClosed && permits.tryTake(1);
  return isFree ? useNow(new Permit(permits), fn) : useLater(acquire(permits, wish, 'options'), fn);
}

async function useNow(permit, fn) {
  try {
    return await fn(permit);
  } finally {
    permit[Symbol.dispose]();
  }
}

async function useLater(acquired, fn) {
  const permit = await acquired;
  try {
    return await fn(permit);
  } finally {
    permit[Symbol.dispose]();
  }
}

module.exports = { Mutex, Semaphore };
