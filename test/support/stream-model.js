'use strict';

// What mapStream must do where its reader takes his time, as a discrete-event simulation; and how the real thing runs the
// same program on a virtual clock.
//
// No two events share an instant, so that their order is not in question: an attempt at item `i` ends so many whole
// milliseconds and i + 1 thousandths after the millisecond it began in, the reader comes at half ones, an abort at quarters.

const fc = require('fast-check');

const { Semaphore, mapStream, skip, stop } = require('../..');
const { SOURCES } = require('./program');

const endOf = (now, takes, index) => Math.ceil(round(now)) + takes + (index + 1) / 1000;
const backAt = (now, pause) => Math.ceil(round(now)) + pause - 0.5;
const round = (ms) => Math.round(ms * 1000) / 1000;

const item = fc.record({
  takes: fc.integer({ min: 1, max: 12 }),
  failures: fc.constantFrom(0, 0, 0, 0, 1, 2), // attempts that fail before the one that comes to `outcome`
  outcome: fc.oneof(
    { weight: 30, arbitrary: fc.constant('fulfill') },
    { weight: 3, arbitrary: fc.constant('skip') },
    { weight: 2, arbitrary: fc.constant('reject') },
    { weight: 1, arbitrary: fc.constant('stop') },
  ),
});
const seldom = (arbitrary) => fc.option(arbitrary, { nil: undefined, freq: 3 });
const program = fc.record({
  items: fc.array(item, { maxLength: 25, size: 'max' }),
  limit: fc.integer({ min: 1, max: 5 }),
  isSemaphore: fc.boolean(), // the limit, which comes to the same
  highWaterMark: fc.integer({ min: 1, max: 7 }),
  ordered: fc.boolean(),
  pauses: fc.array(fc.constantFrom(0, 0, 1, 2, 5, 20), { minLength: 1, maxLength: 6 }), // of the reader, round and round
  retries: fc.constantFrom(0, 1, 2),
  delay: fc.integer({ min: 1, max: 5 }),
  stopOnError: fc.boolean(),
  leavesAfter: seldom(fc.integer({ min: 1, max: 12 })),
  abortAt: seldom(fc.integer({ min: 0, max: 60 }).map((ms) => ms + 0.25)),
  source: fc.constantFrom('array', 'iterable', 'asyncIterable'),
});

class Model {
  /** `isLazy`: what was left out is told of together with the value behind it. */
  constructor(program, isLazy) {
    this.program = program;
    this.isLazy = isLazy;
    this.window = program.limit + program.highWaterMark;
    this.batch = Math.ceil(this.window / 4); // so many reads are told of together, unless the reader waits
    this.now = 0;
    this.events = [];
    this.held = new Map(); // index -> attempts so far, of items that have begun and are not over
    this.running = new Set();
    this.results = []; // as they will be read, with holes for what has not come
    this.errors = [];
    this.taken = this.read = this.told = 0;
    this.isExhausted = this.isStopped = false;
    this.leftAt = Infinity;
    this.isWaiting = true; // the reader
    this.ending = undefined;
    this.starts = [];
    this.reads = [];
    this.aborted = [];
  }

  run() {
    const { abortAt } = this.program;
    if (abortAt !== undefined) this.events.push({ at: abortAt, kind: 'abort' });
    this.rest();
    while (this.events.length > 0) {
      this.events.sort((a, b) => a.at - b.at);
      const { at, kind, index } = this.events.shift();
      this.now = at;
      if (kind === 'back') this.isWaiting = true;
      else if (this.ending === undefined) this[kind](index);
      this.rest();
    }
    return this;
  }

  rest() {
    this.startMore();
    while (this.isWaiting && this.results[this.read] !== undefined) {
      const { value } = this.results[this.read++];
      const isTold = !this.isLazy || value !== undefined || this.results[this.read] === undefined;
      if (isTold && this.read - this.told >= this.batch) this.told = this.read;
      if (value !== undefined) this.hand(value);
      this.startMore();
    }
    if (!this.isWaiting) return;
    if (this.told < this.read) {
      this.told = this.read;
      this.startMore();
    }
    if (this.ending === undefined) return;
    this.isWaiting = false;
    this.reads.push([round(this.now), 'end', this.ending]);
  }

  startMore() {
    const { items, limit } = this.program;
    while (this.ending === undefined && !this.isStopped && !this.isExhausted) {
      if (this.held.size === limit || this.taken - this.told === this.window) return;
      if (this.taken === items.length) this.isExhausted = true;
      else this.begin(this.taken++);
    }
    if (this.ending !== undefined || this.held.size > 0) return;
    this.ending = this.errors.length > 0 ? this.errors.sort((a, b) => a - b).map((index) => `e${index}`) : 'done';
  }

  begin(index) {
    const attempt = (this.held.get(index) ?? 0) + 1;
    this.held.set(index, attempt);
    this.running.add(index);
    this.starts.push([round(this.now), index, attempt]);
    this.events.push({ at: endOf(this.now, this.program.items[index].takes, index), kind: 'end', index });
  }

  end(index) {
    const { items, retries, delay, stopOnError, ordered } = this.program;
    const { failures, outcome } = items[index];
    const attempt = this.held.get(index);
    const hasFailed = outcome === 'reject' || attempt <= failures;
    this.running.delete(index);
    if (hasFailed && attempt <= retries) {
      this.events.push({ at: this.now + delay, kind: 'begin', index });
      return;
    }
    this.held.delete(index);
    if (hasFailed && stopOnError) {
      this.finish(`e${index}`, `e${index}`);
      return;
    }
    if (hasFailed) this.errors.push(index);
    const result = { value: !hasFailed && outcome === 'fulfill' ? index : undefined };
    if (ordered) this.results[index] = result;
    else this.results.push(result);
    if (!hasFailed && outcome === 'stop') this.isStopped = true;
  }

  abort() {
    this.results = [];
    this.finish('abort', 'abort');
  }

  /** The reader has it. */
  hand(value) {
    const { leavesAfter, pauses } = this.program;
    const count = this.reads.push([round(this.now), value]);
    const pause = pauses[count % pauses.length];
    this.isWaiting = count !== leavesAfter && pause === 0;
    if (count === leavesAfter) this.leave();
    else if (pause > 0) this.events.push({ at: backAt(this.now, pause), kind: 'back' });
  }

  leave() {
    this.leftAt = this.now;
    if (this.ending === undefined) this.finish('left', 'left');
  }

  /** Early. */
  finish(ending, reason) {
    this.ending = ending;
    for (const index of this.running) this.aborted.push([index, reason]);
  }

  /** Whether it is in question: the reader leaves in microtasks in which lanes take items. */
  isMoot(at) {
    return round(at) === round(this.leftAt);
  }
}

/** @returns what can be seen of it: starts, reads, aborted, whether everything has ended, and how the source was treated */
async function runStream(clock, program) {
  const { items, limit, isSemaphore, highWaterMark, ordered, pauses, retries, delay, stopOnError } = program;
  const { leavesAfter, abortAt } = program;
  const run = {
    starts: [],
    reads: [],
    aborted: [],
    source: { opened: 0, ended: 0, closed: 0 },
    most: 0,
    mostRunning: 0,
    isOver: false,
  };
  const controller = new AbortController();
  if (abortAt !== undefined) clock.setTimeout(() => controller.abort('abort'), abortAt);
  let [taken, got, running] = [0, 0, 0];
  const mapper = async (_item, index, { attempt, signal }) => {
    if (attempt === 1) taken++;
    run.starts.push([round(clock.now), index, attempt]);
    run.mostRunning = Math.max(run.mostRunning, ++running);
    let isRunning = true;
    const over = () => {
      if (isRunning) running--;
      isRunning = false;
    };
    signal.addEventListener('abort', () => {
      over();
      run.aborted.push([index, signal.reason.name === 'AbortError' ? 'left' : signal.reason]);
    });
    await clock.sleep(endOf(clock.now, items[index].takes, index) - clock.now);
    over();
    const { failures, outcome } = items[index];
    if (outcome === 'reject' || attempt <= failures) throw `e${index}`;
    if (outcome !== 'fulfill') got++; // nobody will
    return { skip, stop }[outcome] ?? index;
  };
  const retry = { retries, delay, backoff: 'constant', jitter: 'none' };
  const options = { highWaterMark, ordered, stopOnError, retry, signal: controller.signal };
  const source = counted(SOURCES[program.source](items), run.source);
  const read = async () => {
    for await (const value of mapStream(source, isSemaphore ? new Semaphore(limit) : limit, mapper, options)) {
      got++;
      const count = run.reads.push([round(clock.now), value]);
      if (count === leavesAfter) return;
      const pause = pauses[count % pauses.length];
      if (pause > 0) await clock.sleep(backAt(clock.now, pause) - clock.now);
    }
    run.reads.push([round(clock.now), 'end', 'done']);
  };
  const over = read()
    .catch((error) => run.reads.push([round(clock.now), 'end', error instanceof AggregateError ? error.errors : error]))
    .finally(() => (run.isOver = true));
  const look = () => (run.most = Math.max(run.most, taken - got)); // whenever nothing happens any more at an instant
  await clock.runUntil(() => look() < 0);
  if (run.isOver) await over;
  return run;
}

/** The same iterable, which counts how often it was opened, said that it had ended, and was closed. An array does not. */
function counted(iterable, counts) {
  if (Array.isArray(iterable)) return iterable;
  const symbol = Symbol.asyncIterator in iterable ? Symbol.asyncIterator : Symbol.iterator;
  const note = (result) => ((counts.ended += Number(result.done)), result);
  return {
    [symbol]() {
      const iterator = iterable[symbol]();
      counts.opened++;
      const next = () => note(iterator.next());
      const nextSoon = async () => note(await iterator.next());
      return { next: symbol === Symbol.iterator ? next : nextSoon, return: () => (counts.closed++, {}) };
    },
  };
}

module.exports = { Model, counted, program, runStream };
