'use strict';

// What a Queue must do, with plain arrays; and the commands that fast-check draws, which run on both.
//
// A turn is a few operations without a microtask in between; then the `for await` loops that have got an item go on, in the
// order in which they got it, each until it has to wait. Then whatever is due at this instant is due.

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { Queue } = require('../..');
const { assertNothingLeft } = require('./endings');
const { Real, SIGNALS, Step, abortAll, attempt, commandsOf, compareWaits, maybe, named, signal } = require('./steps');

class Model {
  constructor(maxSize) {
    this.maxSize = maxSize;
    this.items = [];
    this.lines = { put: [], get: [], join: [] }; // { id, item, due, signal, loop }
    this.unfinished = 0;
    this.isClosed = false;
    this.isAborted = Array(SIGNALS).fill(false);
    this.outcomes = {}; // by id
    this.ready = []; // loops that have got an item
    this.now = 0;
    this.count = 0; // operations
  }

  settle(id, outcome) {
    assert.ok(!(id in this.outcomes), 'the model settles once');
    this.outcomes[id] = outcome;
  }

  enter(line, waiter, { timeout = Infinity, signal }) {
    this.lines[line].push({ ...waiter, due: this.now + timeout, signal });
  }

  put({ id, item, ...wish }) {
    if (this.isClosed) this.settle(id, 'closed');
    else if (this.isAborted[wish.signal]) this.settle(id, `aborted ${wish.signal}`);
    else if (this.items.length >= this.maxSize) this.enter('put', { id, item }, wish);
    else this.add({ id, item });
  }

  add({ id, item }) {
    if (id !== undefined) this.settle(id, 'done');
    this.unfinished++;
    this.items.push(item);
    if (this.lines.get.length > 0) this.hand(this.lines.get.shift());
  }

  hand({ id, loop }) {
    const item = this.take();
    if (loop === undefined) this.settle(id, { item });
    else this.ready.push({ loop, item });
  }

  take() {
    const item = this.items.shift();
    if (this.lines.put.length > 0) this.add(this.lines.put.shift());
    return item;
  }

  get({ id, ...wish }) {
    if (this.isAborted[wish.signal]) this.settle(id, `aborted ${wish.signal}`);
    else if (this.items.length > 0) this.hand({ id });
    else if (this.isClosed) this.settle(id, 'closed');
    else this.enter('get', { id }, wish);
  }

  tryPut({ item }) {
    if (this.isClosed) return 'ERR_SLUICE_CLOSED';
    if (this.items.length >= this.maxSize) return false;
    this.add({ item });
    return true;
  }

  tryGet() {
    return this.items.length > 0 ? this.take() : undefined;
  }

  loop({ id, most }) {
    this.ask({ id, most, got: [] });
  }

  ask(loop) {
    if (this.items.length > 0) this.hand({ loop });
    else if (this.isClosed) this.settle(loop.id, loop.got);
    else this.enter('get', { loop }, {});
  }

  runLoops() {
    while (this.ready.length > 0) {
      const { loop, item } = this.ready.shift();
      loop.got.push(item);
      this.taskDone(); // somebody else may have said so already
      if (loop.got.length < loop.most) this.ask(loop);
      else this.settle(loop.id, loop.got);
    }
  }

  finish(count) {
    this.unfinished -= count;
    if (this.unfinished === 0) for (const { id } of this.lines.join.splice(0)) this.settle(id, 'done');
  }

  taskDone() {
    if (this.unfinished === this.items.length) return 'ERR_SLUICE_TASK_DONE';
    this.finish(1);
    return undefined;
  }

  join({ id, ...wish }) {
    if (this.isAborted[wish.signal]) this.settle(id, `aborted ${wish.signal}`);
    else if (this.unfinished === 0) this.settle(id, 'done');
    else this.enter('join', { id }, wish);
  }

  close({ discard }) {
    this.isClosed = true;
    for (const { id } of this.lines.put.splice(0)) this.settle(id, 'closed');
    for (const { id, loop } of this.lines.get.splice(0))
      this.settle(id ?? loop.id, loop === undefined ? 'closed' : loop.got);
    const dropped = discard ? this.items.splice(0).length : 0;
    if (dropped > 0) this.finish(dropped);
  }

  abort({ signal }) {
    this.isAborted[signal] = true;
    this.dismiss((waiter) => waiter.signal === signal, `aborted ${signal}`);
  }

  renew({ signal }) {
    this.isAborted[signal] = false;
  }

  dismiss(isMeant, outcome) {
    for (const [name, line] of Object.entries(this.lines)) {
      for (const { id } of line.filter(isMeant)) this.settle(id, outcome);
      this.lines[name] = line.filter((waiter) => !isMeant(waiter));
    }
  }

  expire() {
    this.dismiss(({ due }) => due <= this.now, 'timeout');
  }

  get waiting() {
    return Object.values(this.lines).flat();
  }
}

class RealQueue extends Real {
  constructor(clock, maxSize) {
    super(clock);
    this.queue = new Queue({ maxSize });
  }

  rejectionOf(error) {
    if (error?.code === 'ERR_SLUICE_CLOSED') return 'closed';
    if (error?.code !== 'ERR_SLUICE_TIMEOUT') return error;
    assert.equal(error.scope, 'wait');
    assert.equal(error.elapsed, error.timeout);
    return 'timeout';
  }

  put({ id, item, ...wish }) {
    this.note(id, this.queue.put(item, this.wishOf(wish)), (value) => (value === undefined ? 'done' : { value }));
  }

  get({ id, ...wish }) {
    this.note(id, this.queue.get(this.wishOf(wish)), (item) => ({ item }));
  }

  join({ id, ...wish }) {
    this.note(id, this.queue.join(this.wishOf(wish)), (value) => (value === undefined ? 'done' : { value }));
  }

  tryPut({ item }) {
    return attempt(() => this.queue.tryPut(item));
  }

  tryGet() {
    return this.queue.tryGet();
  }

  taskDone() {
    return attempt(() => this.queue.taskDone());
  }

  loop({ id, most }) {
    const { queue } = this;
    const run = async () => {
      const got = [];
      for await (const item of queue) {
        got.push(item);
        attempt(() => queue.taskDone());
        if (got.length === most) break;
      }
      return got;
    };
    this.note(id, run(), (got) => got);
  }

  close({ discard }) {
    this.queue.close(discard === undefined ? undefined : { discard });
  }
}

/** What must be so whenever nothing happens any more at this instant. */
function compare(model, real) {
  assert.deepEqual(real.outcomes, model.outcomes);
  const { size, maxSize, isClosed } = real.queue;
  assert.deepEqual(
    { size, maxSize, isClosed },
    { size: model.items.length, maxSize: model.maxSize, isClosed: model.isClosed },
  );
  compareWaits(model.waiting, real);
}

class Turn extends Step {
  async run(model, real) {
    for (const { name, ...fields } of this.what) {
      const id = model.count++;
      const given = { id, item: `item ${id}`, ...fields };
      assert.deepEqual(real[name](given), model[name](given), name);
    }
    model.runLoops();
    model.expire();
    await real.clock.settleInstant();
    compare(model, real);
  }
}

class Advance extends Step {
  async run(model, real) {
    model.now += this.what;
    model.expire();
    await real.clock.advance(this.what);
    compare(model, real);
  }
}

const wish = { timeout: maybe(fc.integer({ min: 0, max: 8 })), signal: maybe(signal) };
const plainly = { timeout: fc.constant(undefined), signal: fc.constant(undefined) };
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(named('put', wish), named('put', plainly)) },
  { weight: 6, arbitrary: fc.oneof(named('get', wish), named('get', plainly)) },
  { weight: 2, arbitrary: named('tryPut') },
  { weight: 2, arbitrary: named('tryGet') },
  { weight: 2, arbitrary: named('loop', { most: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: named('taskDone') },
  { weight: 2, arbitrary: named('join', wish) },
  { weight: 2, arbitrary: named('abort', { signal }) },
  { weight: 2, arbitrary: named('renew', { signal }) },
);
const close = named('close', { discard: fc.constantFrom(undefined, false, true) });

const commands = commandsOf(operation, close, { Turn, Advance }, { operations: 5, ms: 9, advances: 4, commands: 30 });

/** Whoever waits is let go, and everything is said to be done: then nothing is pending, and nothing is left in C. */
async function finish(model, real) {
  await new Turn([...abortAll, { name: 'close', discard: true }]).run(model, real);
  const rest = Array(model.unfinished).fill({ name: 'taskDone' });
  await new Turn([...rest, { name: 'taskDone' }]).run(model, real);
  assert.deepEqual(model.waiting, []);
  assertNothingLeft();
}

module.exports = { Model, RealQueue, commands, finish };
