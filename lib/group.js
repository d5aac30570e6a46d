'use strict';

// TaskGroup: tasks that end together. Nobody leaves before the last of them has ended, and the first failure ends the rest.
//
//   open      run() starts tasks, or has them wait for the limit
//   failing   the first failure, an abort, the total time: every signal is aborted, nothing starts any more
//   ended     the body has ended, or close() was called, and no task runs or waits: nothing is held
//
// A task costs one reaction, and what its context needs. The traps:
// - run() returns the derived promise of the task's own one, which has no other reaction: V8 follows such a chain when it
//   writes an error's stack, so that whoever awaits the task stands in it. Hence that promise is marked handled only in
//   the very moment it rejects.
// - Who has ended is only asked of tasks with a signal, or with a permit; to know it costs a second closure each, and in a
//   crowd of tasks each closure is copied twice by the collector. So all the others share the group's own.
// - A failure is noted before the failed task's permit is given back: else another would start on it.

const { permitsOf } = require('./access');
const { boundsOf, KEYS: BOUNDS_KEYS, overAlready, readBoundsField, Request } = require('./bounds');
const { closed, invalidThis } = require('./errors');
const options = require('./options');
const { isNative, listen, mayBeThenable, noop, promiseFor, toNative } = require('./promises');
const { Semaphore } = require('./semaphore');

const KEYS = new Set(['limit', ...BOUNDS_KEYS]);

// The errors that an AggregateError of a group was made of.
const partsOf = new WeakMap();

let isWatched;
let endTask;

// What a task is told. Its signal is made on first use.
class TaskContext {
  #group;
  #controller = null;
  #ending = null; // the task's promise, where nobody else says when it ends

  constructor(index, group) {
    this.index = index;
    this.attempt = 1;
    this.#group = group;
  }

  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      this.#group?.watch(this.#controller);
      if (this.#ending !== null) {
        const end = () => endTask(this);
        listen(this.#ending, end, end);
      }
    }
    return this.#controller.signal;
  }

  get remaining() {
    return this.#group === null ? 0 : this.#group.remaining();
  }

  static {
    /** Whether endTask() has to be called. Else the context sees to it by itself, if it has to, by the task's promise. */
    isWatched = (context, fn, promise) => {
      if (context.#controller !== null || hasParameters(fn)) return true;
      context.#ending = promise; // it may still ask for its context: `arguments` has it
      return false;
    };

    endTask = (context) => {
      const group = context.#group;
      context.#group = context.#ending = null;
      if (context.#controller !== null) group?.unwatch(context.#controller);
    };
  }
}

/** A proxy's trap may throw. */
function hasParameters(fn) {
  try {
    return fn.length !== 0;
  } catch {
    return true;
  }
}

class Group {
  /** Throws what a hostile signal throws, or where there is no memory for the deadline. */
  constructor(request, parent) {
    this.limit = request.limit;
    this.label = request.label;
    this.parent = parent; // of a nested group
    this.size = 0;
    this.started = 0; // the index of the next task
    this.isFailing = false;
    this.isEnded = false;
    this.reason = undefined;
    this.abortReason = undefined; // what signals are told: there, undefined means something else
    this.errors = [];
    this.known = null; // the errors that are objects, once there are several: who awaits a task may fail with its error
    this.controller = null; // of group.signal
    this.controllers = null; // of the tasks' signals
    this.children = null; // nested groups
    this.turnstile = null; // where tasks wait for the limit
    this.ending = null; // the promise of the end, once somebody waits for it
    this.resolve = null;
    this.reject = null;
    this.onFulfilled = (value) => {
      this.taskEnded();
      return value;
    };
    this.bounds = null;
    const over = overAlready(request);
    if (over !== undefined) this.fail(over.error);
    else this.bounds = boundsOf(this, request);
    if (parent !== null) parent.adopt(this);
  }

  // Signals, and whoever else hears of a failure.

  watch(controller) {
    if (this.isFailing) controller.abort(this.abortReason);
    else if (!this.isEnded) (this.controllers ??= new Set()).add(controller);
  }

  unwatch(controller) {
    this.controllers?.delete(controller);
  }

  adopt(child) {
    if (this.isFailing) child.fail(this.reason);
    else (this.children ??= new Set()).add(child);
  }

  get signal() {
    if (this.controller === null) {
      this.controller = new AbortController();
      if (this.isFailing) this.controller.abort(this.abortReason);
    }
    return this.controller.signal;
  }

  remaining() {
    if (this.isFailing || this.isEnded) return 0;
    const own = this.bounds === null ? Infinity : this.bounds.remaining();
    return this.parent === null ? own : Math.min(own, this.parent.remaining());
  }

  // Tasks.

  run(fn) {
    if (this.isFailing || this.isEnded) return this.refuse();
    const context = new TaskContext(this.started++, this);
    this.size++;
    if (this.limit !== Infinity) return runInTurn(this, context, fn);
    const promise = call(fn, context);
    return isWatched(context, fn, promise) ? followWatched(this, context, promise) : follow(this, context, promise);
  }

  refuse() {
    if (this.isEnded) return Promise.reject(closed('task group'));
    const promise = Promise.reject(this.reason);
    listen(promise, undefined, noop); // the group tells of it
    return promise;
  }

  taskEnded() {
    this.size--;
    if (this.size === 0 && this.ending !== null) this.end();
  }

  /** Of the task whose promise is `result`, which is about to reject. */
  taskFailed(context, result, error) {
    listen(result, undefined, noop);
    endTask(context);
    this.failed(error);
    this.taskEnded();
  }

  // Failures. State is final before user code runs.

  /** A task, or the body. */
  failed(error) {
    if (this.isFailing || this.isEnded) this.note(error);
    else this.fail(error);
  }

  onBound(error) {
    this.fail(error);
  }

  fail(reason) {
    if (this.isFailing || this.isEnded) return;
    this.errors.push(reason);
    this.stop(reason);
  }

  stop(reason) {
    const { controllers, children } = this;
    this.isFailing = true;
    this.reason = reason;
    this.abortReason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
    this.controllers = this.children = null;
    this.bounds?.close();
    this.turnstile?.shut(this.abortReason);
    if (controllers !== null) for (const controller of controllers) controller.abort(this.abortReason);
    if (children !== null) for (const child of children) child.fail(reason);
    this.controller?.abort(this.abortReason);
  }

  /** A later failure, unless it only says that the abort was heard. */
  note(error) {
    if (this.isEcho(error)) return;
    const parts = partsOf.get(error);
    if (parts === undefined || !this.isEcho(parts[0])) this.add(error);
    else for (const part of parts.slice(1)) this.add(part); // a group within, which has heard of it, and has seen more
  }

  add(error) {
    this.known ??= new Set(this.errors);
    if (this.known.has(error) && mayBeThenable(error)) return;
    this.known.add(error);
    this.errors.push(error);
  }

  isEcho(error) {
    if (!this.isFailing) return false;
    return this.isReason(error) || this.isReason(causeOfAbort(error));
  }

  isReason(value) {
    return Object.is(value, this.reason) || Object.is(value, this.abortReason);
  }

  // The end.

  /** Resolves, or rejects, when nothing runs any more. The same promise each time. */
  close() {
    if (this.ending === null) {
      this.ending = promiseFor(this);
      if (this.size === 0) this.end();
    }
    return this.ending;
  }

  dispose() {
    if (this.ending !== null) return listen(this.ending, noop, noop);
    if (!this.isFailing) this.stop(new DOMException('The task group was left before it was closed', 'AbortError'));
    return this.close();
  }

  end() {
    const { resolve, reject } = this;
    this.isEnded = true;
    this.bounds?.close();
    this.parent?.children?.delete(this);
    this.resolve =
      this.reject =
      this.bounds =
      this.parent =
      this.controllers =
      this.children =
      this.turnstile =
      this.known =
        null;
    if (this.errors.length === 0) resolve();
    else reject(this.failure());
  }

  /** What the group has come to, where that is a failure. */
  failure() {
    const { errors, label } = this;
    if (errors.length === 1) return errors[0];
    const what = label === undefined ? '' : `"${label}" `;
    const error = new AggregateError(errors, `${what}failed with ${errors.length} errors`);
    partsOf.set(error, [...errors]);
    return error;
  }
}

/** What an AbortError says that it was caused by; whatever its getters do. */
function causeOfAbort(error) {
  try {
    return error.name === 'AbortError' && 'cause' in error ? error.cause : notAnAbort;
  } catch {
    return notAnAbort;
  }
}

const notAnAbort = Symbol('not an abort');

function call(fn, context) {
  try {
    const value = fn(context);
    return isNative(value) ? value : toNative(value);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** @returns the promise of the task */
function follow(group, context, promise) {
  const result = listen(promise, group.onFulfilled, (error) => {
    group.taskFailed(context, result, error);
    throw error;
  });
  return result;
}

function followWatched(group, context, promise) {
  const onFulfilled = (value) => {
    endTask(context);
    group.taskEnded();
    return value;
  };
  const result = listen(promise, onFulfilled, (error) => {
    group.taskFailed(context, result, error);
    throw error;
  });
  return result;
}

// With a limit.

function runInTurn(group, context, fn) {
  group.turnstile ??= turnstileOf(group.limit);
  const turn = { permit: undefined };
  const promise = takeTurn(group, context, fn, turn);
  const onFulfilled = (value) => {
    endTask(context);
    group.taskEnded();
    turn.permit.release();
    return value;
  };
  const result = listen(promise, onFulfilled, (error) => {
    group.taskFailed(context, result, error);
    turn.permit?.release();
    throw error;
  });
  return result;
}

/** @returns { semaphore, wish, shut }: what is waited for, the options of that, and how all who wait are sent away */
function turnstileOf(limit) {
  if (typeof limit === 'number') {
    const semaphore = new Semaphore(limit);
    return { semaphore, wish: undefined, shut: () => semaphore.close() }; // to wait with a signal costs twice as much
  }
  const controller = new AbortController();
  return { semaphore: limit, wish: { signal: controller.signal }, shut: (reason) => controller.abort(reason) };
}

/** @returns the task's promise: it starts at once if there is a permit, and nobody waits for one */
function takeTurn(group, context, fn, turn) {
  try {
    turn.permit = group.turnstile.semaphore.tryAcquire();
  } catch (error) {
    return Promise.reject(error); // a shared one that was closed
  }
  return turn.permit === undefined ? waitForTurn(group, context, fn, turn) : call(fn, context);
}

/** (An async function is in its caller's async context by itself, and stands in the stack.) */
async function waitForTurn(group, context, fn, turn) {
  const { semaphore, wish } = group.turnstile;
  try {
    turn.permit = await semaphore.acquire(wish);
  } catch (error) {
    throw group.isFailing ? group.reason : error;
  }
  if (group.isFailing) throw group.reason; // while the permit was on its way
  return await fn(context);
}

/** TaskGroup.run, and what a nested group does as a task: `parent`, or null. */
function runGroup(body, request, parent) {
  let group;
  let promise;
  try {
    group = new Group(request, parent);
    if (group.isFailing) return Promise.reject(group.reason);
    promise = call(body, new TaskGroup(group));
  } catch (error) {
    return Promise.reject(error);
  }
  return listen(
    promise,
    (value) => bodyEnded(group, value),
    (error) => {
      group.failed(error);
      return bodyEnded(group, undefined);
    },
  );
}

async function bodyEnded(group, value) {
  await listen(group.close(), noop, noop);
  if (group.errors.length > 0) throw group.failure();
  return value;
}

let groupOf;

class TaskGroup {
  #group;

  /** (With a Group instead of options: the face of that one.) */
  constructor(given) {
    this.#group = given instanceof Group ? given : new Group(read(given), null);
  }

  static run(body, given) {
    try {
      return runGroup(options.callback('body', body), read(given), null);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  run(fn) {
    let group;
    try {
      group = groupOf(this);
      options.callback('fn', fn);
    } catch (error) {
      return Promise.reject(error);
    }
    return group.run(fn);
  }

  nest(body, given) {
    let request;
    let group;
    try {
      group = groupOf(this);
      options.callback('body', body);
      request = read(given);
    } catch (error) {
      return Promise.reject(error);
    }
    return group.run(() => runGroup(body, request, group));
  }

  close() {
    try {
      return groupOf(this).close();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** After close() that one's promise tells of failures: `await using` would report each a second time. */
  [Symbol.asyncDispose]() {
    try {
      return groupOf(this).dispose();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  get signal() {
    return groupOf(this).signal;
  }

  get size() {
    return groupOf(this).size;
  }

  get limit() {
    return groupOf(this).limit;
  }

  static {
    groupOf = (value) => {
      if (typeof value !== 'object' || value === null || !(#group in value)) throw invalidThis('TaskGroup');
      return value.#group;
    };
  }
}

class GroupRequest extends Request {
  constructor() {
    super();
    this.limit = Infinity; // or a Semaphore
  }
}

function read(given) {
  const request = new GroupRequest();
  return given === undefined ? request : options.readEach(request, given, 'options', KEYS, readField);
}

function readField(request, key, value, owner) {
  if (key !== 'limit') return readBoundsField(request, key, value, owner);
  const permits = permitsOf(value);
  if (permits?.isClosed) throw permits.closed();
  request.limit = permits === undefined ? options.limit(key, value, owner) : value;
  return true;
}

// One of each shape is kept alive, as in shapes.js: with a collection in between, the next group took 20 times as long.
const kept = [new TaskGroup()];
kept[0].run((context) => kept.push(context));
kept[0].run((...given) => kept.push(...given));

module.exports = { TaskGroup, kept };
