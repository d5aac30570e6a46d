'use strict';

// A queue is two semaphores: of the room in it, and of what stands in it. put() takes room and gives an item; get() takes an
// item and gives room (Dijkstra's bounded buffer, EWD 123). So its lines, timeouts and aborts are theirs; only the items
// themselves are kept here.

const { closed, invalidThis, sluiceError } = require('./errors');
const options = require('./options');
const { MOST, Permits } = require('./permits');
const { promiseFor, resolved } = require('./promises');
const { Ring } = require('./ring');
const { Waiter } = require('./waiter');

const KEYS = new Set(['maxSize']);
const WAIT_KEYS = new Set(['signal', 'timeout']);
const CLOSE_KEYS = new Set(['discard']);

// Of those who wait without conditions the entry in the line is what settles their promise: { item, resolve, reject } of a
// put, the same without an item of a get.

class Room extends Permits {
  constructor(state, size) {
    super(size, 0, Infinity, 'queue');
    this.state = state;
  }

  grant(entry) {
    this.state.add(entry.item);
    entry.resolve();
  }

  refuse(entry, error) {
    entry.reject(error);
  }

  turnAway(entry) {
    entry.reject(this.closed());
  }
}

class Stock extends Permits {
  constructor(state) {
    super(MOST, MOST, Infinity, 'queue');
    this.state = state;
  }

  grant(entry) {
    const item = this.state.take();
    if (entry.reader === null) {
      entry.resolve(item);
    } else {
      entry.reader.served(entry);
      entry.resolve({ value: item, done: false });
    }
  }

  refuse(entry, error) {
    entry.reject(error);
  }

  turnAway(entry) {
    if (entry.reader === null) entry.reject(this.closed());
    else entry.resolve({ value: undefined, done: true });
  }
}

// Those who join: nobody is ever granted anything; when all is done the line is shut.
class Joiners extends Permits {
  constructor() {
    super(1, 1, Infinity, 'queue');
  }

  refuse(entry, error) {
    entry.reject(error);
  }

  turnAway(entry) {
    entry.resolve();
  }
}

// With conditions.
class EntryWaiter extends Waiter {
  constructor(line, timeout, entry) {
    super(line, timeout);
    this.entry = entry;
    this.reject = entry.reject;
  }

  granted() {
    this.line.grant(this.entry);
  }

  shut() {
    this.line.turnAway(this.entry);
  }
}

class State {
  constructor(maxSize) {
    this.items = new Ring();
    this.room = new Room(this, maxSize);
    this.stock = new Stock(this);
    this.joiners = new Joiners();
    this.unfinished = 0;
    this.isClosed = false;
  }

  /** Into the room that was taken. */
  add(item) {
    this.items.push(item);
    this.unfinished++;
    this.stock.give(1);
  }

  /** The item that was granted. Its room is the next one's. */
  take() {
    const item = this.items.shift();
    this.room.give(1);
    return item;
  }

  finish(count) {
    this.unfinished -= count;
    if (this.unfinished === 0) this.joiners.shut();
  }

  close() {
    this.isClosed = true;
    this.room.shut();
    if (this.items.size === 0) this.stock.shut();
  }

  discard() {
    const { size } = this.items;
    for (let i = 0; i < size && this.stock.tryTake(1); i++) this.take();
    if (size > 0) this.finish(size);
  }
}

// What a wait is asked for with.
class Wish {
  constructor() {
    this.signal = undefined;
    this.timeout = Infinity;
  }
}

const NO_WISH = new Wish();

class Queue {
  #state;

  constructor(given) {
    const asked = { maxSize: Infinity };
    if (given !== undefined) options.readEach(asked, given, 'options', KEYS, readField);
    this.#state = new State(asked.maxSize);
  }

  static #of(queue) {
    if (typeof queue !== 'object' || queue === null || !(#state in queue)) throw invalidThis('Queue');
    return queue.#state;
  }

  get size() {
    return Queue.#of(this).items.size;
  }

  get maxSize() {
    return Queue.#of(this).room.size;
  }

  get isClosed() {
    return Queue.#of(this).isClosed;
  }

  put(item, given) {
    try {
      const state = Queue.#of(this);
      const wish = wishOf(given);
      if (state.isClosed) throw closed('queue');
      if (wish.signal !== undefined && wish.signal.aborted) return Promise.reject(wish.signal.reason);
      if (!state.room.tryTake(1))
        return wait(state.room, wish, { item, reader: null, isGone: false, waiter: null, resolve: null, reject: null });
      state.add(item);
      return resolved(undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  get(given) {
    try {
      const state = Queue.#of(this);
      const wish = wishOf(given);
      if (wish.signal !== undefined && wish.signal.aborted) return Promise.reject(wish.signal.reason);
      if (state.stock.tryTake(1)) return resolved(state.take());
      if (state.isClosed) throw closed('queue');
      return wait(state.stock, wish, entryOf(null));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tryPut(item) {
    const state = Queue.#of(this);
    if (state.isClosed) throw closed('queue');
    if (!state.room.tryTake(1)) return false;
    state.add(item);
    return true;
  }

  tryGet() {
    const state = Queue.#of(this);
    return state.stock.tryTake(1) ? state.take() : undefined;
  }

  taskDone() {
    const state = Queue.#of(this);
    if (state.unfinished <= state.items.size)
      throw sluiceError('ERR_SLUICE_TASK_DONE', 'taskDone() was called more often than items were taken');
    state.finish(1);
  }

  join(given) {
    try {
      const state = Queue.#of(this);
      const wish = wishOf(given);
      if (wish.signal !== undefined && wish.signal.aborted) return Promise.reject(wish.signal.reason);
      if (state.unfinished === 0) return resolved(undefined);
      return wait(state.joiners, wish, entryOf(null));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  close(given) {
    const state = Queue.#of(this);
    const asked = { discard: false };
    if (given !== undefined) options.readEach(asked, given, 'options', CLOSE_KEYS, readCloseField);
    if (!state.isClosed) state.close();
    if (asked.discard) state.discard();
  }

  [Symbol.asyncIterator]() {
    return new Reader(Queue.#of(this));
  }
}

// A `for await` loop: any number of them share the items.
class Reader {
  #state;
  #isOver = false;
  #waiting = new Set(); // entries of next() that wait

  constructor(state) {
    this.#state = state;
  }

  next() {
    try {
      const state = this.#state;
      if (this.#isOver) return resolved({ value: undefined, done: true });
      if (state.stock.tryTake(1)) return resolved({ value: state.take(), done: false });
      if (state.isClosed) return resolved({ value: undefined, done: true });
      const entry = entryOf(this);
      this.#waiting.add(entry);
      return wait(state.stock, NO_WISH, entry);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** An item has come for it. */
  served(entry) {
    this.#waiting.delete(entry);
  }

  /** What waits leaves the line: else the next item would be nobody's. */
  return(value) {
    this.#isOver = true;
    for (const entry of this.#waiting) {
      this.#state.stock.forget(entry);
      entry.resolve({ value: undefined, done: true });
    }
    this.#waiting.clear();
    return resolved({ value, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

function readField(asked, key, value, owner) {
  if (key !== 'maxSize') return false;
  asked.maxSize = options.limit(key, value, owner);
  return true;
}

function readCloseField(asked, key, value, owner) {
  if (key !== 'discard') return false;
  asked.discard = options.boolean(key, value, owner);
  return true;
}

function wishOf(given) {
  if (given === undefined) return NO_WISH;
  return options.readEach(new Wish(), given, 'options', WAIT_KEYS, options.readWaitField);
}

function entryOf(reader) {
  return { item: undefined, reader, isGone: false, waiter: null, resolve: null, reject: null };
}

function wait(line, wish, entry) {
  const promise = promiseFor(entry);
  if (wish === NO_WISH) {
    line.waitPlainly(entry);
    return promise;
  }
  const waiter = new EntryWaiter(line, wish.timeout, entry);
  line.wait(waiter, 1, wish.timeout);
  waiter.follow(wish.signal);
  return promise;
}

module.exports = { Queue };
