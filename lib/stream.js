'use strict';

// mapStream and asCompleted: a job whose results are read one by one. C keeps lanes from taking more items than the window
// (src/core/window.c); here stand the results that nobody has read yet, and the readers that no result has come for yet.

const { I, D, ints, doubles, operations, handOver } = require('./engine');
const { invalidThis } = require('./errors');
const { Job } = require('./job');
const { readMapField, MAP_KEYS } = require('./map');
const options = require('./options');
const { markHandled, promiseFor, resolved } = require('./promises');
const { resourceHere } = require('./resource');
const { Ring } = require('./ring');
const { markElementsHandled, sourceOf } = require('./source');

const { READ } = operations;

const KEYS = new Set([...MAP_KEYS, 'ordered', 'highWaterMark']);
KEYS.delete('discard');
const COMPLETED_KEYS = new Set(['settle', ...options.COMMON_KEYS]);

const NOTHING = Symbol('no result yet');
const LEFT_OUT = Symbol('left out');

// Results in the order of their items. Those between the next one to be read and the last one that came stand in an array
// that is used round and round.
class InOrder {
  constructor() {
    this.entries = new Array(16).fill(NOTHING);
    this.next = 0; // the index that is read next
    this.end = 0; // behind the last one that came
  }

  add(index, value) {
    while (index - this.next >= this.entries.length) this.grow();
    this.entries[index & (this.entries.length - 1)] = value;
    if (index >= this.end) this.end = index + 1;
  }

  grow() {
    const { entries, next, end } = this;
    const grown = new Array(2 * entries.length).fill(NOTHING);
    for (let i = next; i < end; i++) grown[i & (grown.length - 1)] = entries[i & (entries.length - 1)];
    this.entries = grown;
  }

  /** NOTHING: it has not come yet. */
  take() {
    const place = this.next & (this.entries.length - 1);
    const value = this.entries[place];
    if (value === NOTHING) return NOTHING;
    this.entries[place] = NOTHING;
    this.next++;
    return value;
  }
}

// Results as they come. `describe`: what the reader gets.
class AsTheyCome {
  constructor(describe) {
    this.line = new Ring();
    this.describe = describe;
  }

  add(index, value) {
    this.line.push(value === LEFT_OUT ? LEFT_OUT : this.describe(index, value));
  }

  take() {
    return this.line.size > 0 ? this.line.shift() : NOTHING;
  }
}

// Of a stream that ends at once, or that nobody reads any more.
const NO_RESULTS = { add() {}, take: () => NOTHING };

class Stream {
  constructor(call, source, buffer) {
    this.call = call;
    this.source = source;
    this.buffer = buffer;
    this.resource = resourceHere(); // mappers run in the context of who asked for the stream, whoever reads it
    this.job = null; // nobody has read yet
    this.readers = new Ring();
    this.read = 0; // results that C has not heard of
    // C is told of a quarter of the window at a time: rare enough, and soon enough that no lane runs dry.
    this.batch = call.window === Infinity ? Infinity : Math.ceil(call.window / 4);
    this.isOver = false; // nothing comes any more
    this.failure = null; // { error }, to be thrown behind what there is
    call.sink = this;
    call.discard = true;
  }

  start() {
    this.job = new Job(this.call, this.source);
    this.job.resolve = () => this.end(null);
    this.job.reject = (error) => this.fail(error);
    this.resource.runInAsyncScope(beginJob, undefined, this.job, this.source);
  }

  next() {
    if (this.job === null && !this.isOver) return this.nextAtStart();
    if (this.readers.size === 0) {
      const value = this.take();
      if (this.read >= this.batch) this.acknowledge();
      if (value !== NOTHING) return resolved({ value, done: false });
    }
    const reader = { resolve: null, reject: null };
    const promise = promiseFor(reader);
    if (this.isOver) {
      this.dismiss(reader);
    } else {
      this.readers.push(reader);
      this.acknowledge();
    }
    return promise;
  }

  /** The first one stands in the line before any user code runs. */
  nextAtStart() {
    const reader = { resolve: null, reject: null };
    const promise = promiseFor(reader);
    this.readers.push(reader);
    this.start();
    return promise;
  }

  /** Nobody reads any more. */
  leave() {
    const { job } = this;
    this.buffer = NO_RESULTS;
    if (this.isOver) {
      this.failure = null;
      return;
    }
    this.end(null);
    if (job !== null) job.onAbort(new DOMException('The loop over the results was left', 'AbortError'));
  }

  /** The next result; NOTHING: none has come yet. */
  take() {
    let value;
    do {
      value = this.buffer.take();
      if (value === NOTHING) return NOTHING;
      this.read++;
    } while (value === LEFT_OUT);
    return value;
  }

  /** C hears how many results have been read: lanes that waited for that go on. */
  acknowledge() {
    const count = this.read;
    if (count === 0 || this.batch === Infinity || this.job === null) return;
    const { slot, generation, isOpen } = this.job;
    this.read = 0;
    if (!isOpen) return;
    ints[I.JOB] = slot;
    ints[I.JOB_GENERATION] = generation;
    doubles[D.WEIGHT] = count;
    READ();
    handOver();
  }

  /** To those who wait for it, what has come. */
  deliver() {
    while (this.readers.size > 0) {
      const value = this.take();
      if (value === NOTHING) break;
      this.readers.shift().resolve({ value, done: false });
    }
    if (this.readers.size === 0) return;
    if (this.isOver) while (this.readers.size > 0) this.dismiss(this.readers.shift());
  }

  /** Behind a put(), once whoever told of the result has read what C answered it: the mailbox is C's next answer's. */
  acknowledgeSome() {
    if (this.read >= this.batch || this.readers.size > 0) this.acknowledge();
  }

  /** Behind the last result: the failure, once, then the end. */
  dismiss(reader) {
    const failure = this.failure;
    this.failure = null;
    if (failure === null) reader.resolve({ value: undefined, done: true });
    else reader.reject(failure.error);
  }

  end(failure) {
    if (this.isOver) return;
    this.isOver = true;
    this.failure = failure;
    this.deliver();
    this.resource.emitDestroy();
  }

  fail(error) {
    if (this.job.isCutShort && !this.isOver) this.buffer = NO_RESULTS; // not behind what there is
    this.end({ error });
  }

  // What the job tells.

  put(index, value) {
    if (this.isOver) return;
    this.buffer.add(index, value);
    if (this.readers.size === 0) return;
    this.deliver();
  }

  leaveOut(index) {
    this.put(index, LEFT_OUT);
  }
}

function beginJob(job, source) {
  job.begin(source);
}

// A reader may let go in the middle, without a word: then nobody reads any more.
const dropped = new FinalizationRegistry((stream) => stream.leave());

// What the reader holds.
class Results {
  #stream;

  constructor(stream) {
    this.#stream = stream;
    dropped.register(this, stream);
  }

  static #of(results) {
    if (typeof results !== 'object' || results === null || !(#stream in results))
      throw invalidThis('stream of results');
    return results.#stream;
  }

  next() {
    try {
      return Results.#of(this).next();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  return(value) {
    try {
      Results.#of(this).leave();
      return resolved(undefined).then(() => ({ value, done: true }));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  throw(error) {
    try {
      Results.#of(this).leave();
      return Promise.reject(error);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async [Symbol.asyncDispose]() {
    await this.return();
  }
}

function mapStream(items, limit, mapper, given) {
  try {
    const source = sourceOf('items', items);
    const call = new options.Call(mapper, 1, 'mapStream');
    options.setLimit(call, 'limit', limit);
    options.callback('mapper', mapper);
    call.leavesOut = true;
    const asked = { call, isOrdered: true, highWaterMark: undefined };
    if (given !== undefined) options.readEach(asked, given, 'options', KEYS, readField);
    const lanes = call.semaphore === null ? call.limit : call.semaphore.capacity;
    // Where nothing limits the lanes, the mark alone does, if there is one.
    call.window = lanes === Infinity ? (asked.highWaterMark ?? Infinity) : lanes + (asked.highWaterMark ?? lanes);
    source.prepare?.(); // promises among the items are ours from now on
    return new Results(new Stream(call, source, asked.isOrdered ? new InOrder() : new AsTheyCome(justValue)));
  } catch (error) {
    markElementsHandled(items);
    throw error;
  }
}

function readField(asked, key, value, owner) {
  switch (key) {
    case 'ordered':
      asked.isOrdered = options.boolean(key, value, owner);
      return true;
    case 'highWaterMark':
      asked.highWaterMark = options.limit(key, value, owner);
      return true;
    case 'discard':
      return false;
    default:
      return readMapField(asked.call, key, value, owner);
  }
}

const justValue = (_index, value) => value;
const itself = (value) => value;
const withIndex = (index, value) => ({ index, value });
const outcomeWithIndex = (index, outcome) => ({ index, ...outcome });

function asCompleted(promises, given) {
  try {
    const call = new options.Call(itself, Infinity, 'asCompleted');
    call.named = null;
    if (given !== undefined) options.readEach(call, given, 'options', COMPLETED_KEYS, readCompletedField);
    const items = [];
    for (const element of options.iterable('promises', promises)) {
      markHandled(element); // the iterable may throw behind it
      items.push(element);
    }
    const source = { items, isAsync: false, total: items.length, open: undefined, prepare: undefined };
    const stream = new Stream(call, source, new AsTheyCome(call.collects ? outcomeWithIndex : withIndex));
    stream.start(); // no user code: the order is that of settling, whenever it is read
    return new Results(stream);
  } catch (error) {
    markElementsHandled(promises);
    throw error;
  }
}

function readCompletedField(call, key, value, owner) {
  if (key !== 'settle') return options.readCommonField(call, key, value, owner);
  call.collects = options.boolean(key, value, owner);
  return true;
}

module.exports = { asCompleted, mapStream };
