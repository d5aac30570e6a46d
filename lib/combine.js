'use strict';

// race, any and all: as the built-in ones, with an end from outside, and with functions among the elements, which hear of
// the end.

const { boundsOf, KEYS: BOUNDS_KEYS, overAlready, readBoundsField, Request } = require('./bounds');
const { Attempt, Context, abortAttempt } = require('./context');
const { outOfRange } = require('./errors');
const options = require('./options');
const { join } = require('./promise-hub');
const { forever, listen, markHandled, promiseFor } = require('./promises');
const { resourceHere } = require('./resource');
const { asResult, closeIterator, markElementsHandled } = require('./source');

const KEYS = new Set(BOUNDS_KEYS);

// What a function among the elements has been told about.
class Entry extends Attempt {
  constructor(index, combination) {
    super(index, 1);
    this.combination = combination; // null once it has an outcome, or nobody waits for one
  }

  remaining() {
    return this.combination === null ? 0 : this.combination.remaining();
  }
}

class Combination {
  constructor(rule) {
    this.rule = rule;
    this.count = 0; // elements
    this.open = 1; // elements without an outcome, and one for the reading of them
    this.outcomes = []; // values, or reasons, as the rule has it
    this.members = [];
    this.entries = null; // of functions, by index
    this.resource = null; // where there are functions
    this.bounds = null;
    this.lateness = null; // the TimeoutError, where the time was over before anything began
    this.isOver = false;
    this.link = { resolve: null, reject: null };
    this.resolve = null;
    this.reject = null;
  }

  remaining() {
    return this.bounds === null ? Infinity : this.bounds.remaining();
  }

  /** Each element has its reaction before the next one is asked for, as with the built-in ones. Much of it is user code. */
  read(iterable) {
    let iterator;
    let isDone = false;
    try {
      iterator = iterable[Symbol.iterator]();
      while (!this.isOver) {
        const result = asResult(iterator.next());
        isDone = Boolean(result.done);
        if (isDone) break;
        this.take(result.value);
      }
    } catch (error) {
      markElementsHandled(iterable);
      this.fail(error, error);
      return;
    }
    if (!this.isOver) {
      this.allRead(iterable);
      return;
    }
    if (!isDone) closeIterator(iterator);
    markElementsHandled(iterable);
  }

  take(element) {
    if (this.isOver || this.lateness !== null) {
      this.count++; // nothing starts any more
      markHandled(element);
    } else {
      this.add(element);
    }
  }

  allRead(iterable) {
    this.open--;
    if (this.lateness !== null && this.count > 0) this.fail(this.lateness, this.lateness);
    else this.rule.onRead(this, iterable);
  }

  add(element) {
    const index = this.count++;
    this.open++;
    this.outcomes.push(undefined); // dense, whoever settles first
    let value = element;
    if (typeof element === 'function') {
      value = this.start(element, index);
      if (this.isOver) {
        markHandled(value);
        return;
      }
    }
    this.members.push(join(value, this.link, this, index));
  }

  start(fn, index) {
    const entry = new Entry(index, this);
    this.entries ??= new Map();
    this.entries.set(index, entry);
    this.resource ??= resourceHere();
    try {
      return fn(new Context(index, 1, entry));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  onSettled(index, { isFulfilled, value }) {
    this.open--;
    const entry = this.entries?.get(index);
    if (entry !== undefined) {
      entry.combination = null;
      this.entries.delete(index);
    }
    if (isFulfilled) this.rule.onFulfilled(this, index, value);
    else this.rule.onRejected(this, index, value);
  }

  onBound(error) {
    this.fail(error, error);
  }

  // The endings. State is final before user code runs.

  fulfil(value) {
    this.end(this.resolve, value, RACE_OVER);
  }

  /** `reason`: what is told to the functions that still run. */
  fail(error, reason) {
    if (!this.isOver) this.end(this.reject, error, reason);
  }

  end(settle, result, reason) {
    const { members, entries, resource, link } = this;
    this.isOver = true;
    // (An error's stack holds on to this.)
    this.members = this.outcomes = this.entries = this.resource = this.resolve = this.reject = null;
    this.bounds?.close();
    for (const member of members) member.leave();
    settle(result);
    link.resolve(); // it is cut behind the settling
    if (resource === null) return;
    if (entries.size > 0) resource.runInAsyncScope(abortEach, undefined, entries.values(), reason);
    resource.emitDestroy();
  }
}

const RACE_OVER = Symbol('the race is over');

function abortEach(entries, asked) {
  const reason = asked === RACE_OVER ? new DOMException('The race is over', 'AbortError') : asked;
  for (const entry of entries) {
    entry.combination = null;
    abortAttempt(entry, reason);
  }
}

// What outcomes come to; onRead(): all elements have been read.

const RACE = {
  onFulfilled: (combination, _index, value) => combination.fulfil(value),
  onRejected: (combination, _index, reason) => combination.fail(reason, RACE_OVER),
  onRead: (combination, iterable) => {
    if (combination.count > 0 || combination.bounds !== null) return;
    const error =
      combination.lateness ?? outOfRange('iterable', 'not empty, since nothing else would end this', iterable);
    combination.fail(error, error);
  },
};

const ANY = {
  onFulfilled: (combination, _index, value) => combination.fulfil(value),
  onRejected: (combination, index, reason) => {
    combination.outcomes[index] = reason;
    ANY.onRead(combination);
  },
  onRead: (combination) => {
    if (combination.open > 0) return;
    combination.fail(new AggregateError(combination.outcomes, 'All promises were rejected'), RACE_OVER);
  },
};

const ALL = {
  onFulfilled: (combination, index, value) => {
    combination.outcomes[index] = value;
    ALL.onRead(combination);
  },
  onRejected: (combination, _index, reason) => combination.fail(reason, reason),
  onRead: (combination) => {
    if (combination.open === 0) combination.fulfil(combination.outcomes);
  },
};

function combine(rule, iterable, given) {
  const combination = new Combination(rule);
  try {
    const request = new Request();
    if (given !== undefined) options.readEach(request, given, 'options', KEYS, readBoundsField);
    options.iterable('iterable', iterable);
    const over = overAlready(request);
    if (over === undefined) combination.bounds = boundsOf(combination, request);
    else if (over.isLate) combination.lateness = over.error;
    else throw over.error;
  } catch (error) {
    markElementsHandled(iterable);
    return Promise.reject(error);
  }
  const promise = promiseFor(combination);
  // A link, since an element may never settle, and would keep the result alive.
  listen(promiseFor(combination.link), combination.resolve, combination.reject);
  combination.read(iterable);
  return promise;
}

function race(iterable, given) {
  return combine(RACE, iterable, given);
}

function any(iterable, given) {
  return combine(ANY, iterable, given);
}

function all(iterable, given) {
  return combine(ALL, iterable, given);
}

// One of each shape is kept alive: see shapes.js.
const kept = new Combination(RACE);
promiseFor(kept);
promiseFor(kept.link);
kept.add(forever());
kept.entries = new Map([[1, new Entry(1, kept)]]);

module.exports = { all, any, kept, race };
