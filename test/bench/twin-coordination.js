'use strict';

// The twin of what calls share: a semaphore with permits, a token bucket, a queue, a stream, a group of tasks, as short as
// plain JavaScript allows. Left out: weights, signals, timeouts, bounds, closing, and whatever else is not measured here.

/** First in, first out: `push`, and `shift` or undefined, at the same cost at any length. */
class Line {
  constructor() {
    this.first = this.last = undefined;
  }
  push(value) {
    const link = { value, next: undefined };
    if (this.last === undefined) this.first = link;
    else this.last.next = link;
    this.last = link;
  }
  shift() {
    const { first } = this;
    if (first === undefined) return undefined;
    if ((this.first = first.next) === undefined) this.last = undefined;
    return first.value;
  }
}

class Permit {
  constructor(semaphore) {
    this.semaphore = semaphore;
  }
  release() {
    const { semaphore } = this;
    if (semaphore === undefined) throw new Error('released before');
    this.semaphore = undefined;
    const resolve = semaphore.line.shift();
    if (resolve === undefined) semaphore.free++;
    else resolve(new Permit(semaphore));
  }
}

class Semaphore {
  constructor(permits) {
    this.free = permits;
    this.line = new Line();
  }
  acquire() {
    if (this.free === 0) return new Promise((resolve) => this.line.push(resolve));
    this.free--;
    return Promise.resolve(new Permit(this));
  }
}

/** A bucket whose tokens do not run out: the answer to who has to wait is left out. */
class RateLimiter {
  constructor(max, burst) {
    this.perMs = max / 1000;
    this.burst = this.tokens = burst;
    this.filled = performance.now();
  }
  acquire() {
    const now = performance.now();
    this.tokens = Math.min(this.burst, this.tokens + (now - this.filled) * this.perMs);
    this.filled = now;
    return this.tokens-- < 1 ? Promise.reject(new Error('no token')) : Promise.resolve(0);
  }
}

class Queue {
  constructor() {
    this.entries = new Line();
    this.readers = new Line();
    this.size = 0;
  }
  put(item) {
    const resolve = this.readers.shift();
    if (resolve !== undefined) resolve(item);
    else {
      this.entries.push(item);
      this.size++;
    }
    return Promise.resolve();
  }
  get() {
    if (this.size === 0) return new Promise((resolve) => this.readers.push(resolve));
    this.size--;
    return Promise.resolve(this.entries.shift());
  }
}

/** A window of promises, read in order: as many ahead of the reader as `limit` says. */
async function* mapStream(items, limit, mapper) {
  const ahead = new Line();
  let next = 0;
  while (next < items.length && next < limit) ahead.push(mapper(items[next], next++));
  for (let read = 0; read < items.length; read++) {
    const value = await ahead.shift();
    if (next < items.length) ahead.push(mapper(items[next], next++));
    yield value;
  }
}

/** All tasks end before the group does; the first that fails aborts the others. */
async function runGroup(body) {
  const controller = new AbortController();
  let open = 1;
  let failure;
  let settle;
  const over = new Promise((resolve) => (settle = resolve));
  function leave() {
    if (--open === 0) settle();
  }
  function fail(error) {
    failure ??= { error };
    controller.abort(error);
    leave();
  }
  function run(task) {
    open++;
    const result = task(controller);
    result.then(leave, fail);
    return result;
  }
  const value = body(run);
  value.then(leave, fail);
  await over;
  if (failure) throw failure.error;
  return value;
}

module.exports = { Semaphore, RateLimiter, Queue, mapStream, runGroup };
