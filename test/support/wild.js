'use strict';

// Programs beyond the model: sources, mappers and thenables that misbehave at every step, calls from inside callbacks,
// aborts from anywhere. What they come to is not predicted; what was seen must keep the invariants of the design.

const assert = require('node:assert/strict');
const fc = require('fast-check');

const sluice = require('../..');
const { unhandledDuring } = require('./outcomes');

const { PermanentError, TimeoutError, mapSettled, mapWithLimit, skip, stop } = sluice;

const often = (value, weight, ...others) =>
  fc.oneof(
    { weight, arbitrary: fc.constant(value) },
    ...others.map((one) => ({ weight: 1, arbitrary: fc.constant(one) })),
  );
const maybe = (arbitrary, percent) =>
  fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(undefined) }, { weight: percent, arbitrary });
const ms = (max) => fc.integer({ min: 0, max: 4 * max }).map((quarters) => quarters / 4);

// What comes of a call, or stands as an element: how, and when it settles. 'never' and 'silent' settle when the program
// is over.
const KINDS = ['plain', 'throws', 'microtask', 'later', 'laterRejects', 'never', 'permanent', 'skip', 'stop'];
const THENABLES = [
  'inAndOut',
  'bothWays',
  'twice',
  'throwsAfter',
  'throwsAtOnce',
  'getterThrows',
  'silent',
  'nested',
  'subclass',
];
const behaviour = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('plain', 'microtask', 'later', 'later') },
    { weight: 3, arbitrary: fc.constantFrom(...KINDS) },
    { weight: 3, arbitrary: fc.constantFrom(...THENABLES) },
  ),
  after: ms(8),
});
const element = often('plain', 8, 'promise', 'rejection', 'later', ...THENABLES);
const STEPS = ['throws', 'noObject', 'doneThrows', 'valueThrows', 'never', 'rejects', 'thenable', 'doneAndMore'];
const RETURNS = ['throws', 'rejects', 'never', 'noFunction', 'absent'];
// Which call of which callback does something: it aborts the signal, or calls everything else there is.
const PLACES = ['mapper', 'next', 'onProgress', 'retryIf', 'aborted'];
const trick = fc.record({
  place: fc.constantFrom(...PLACES),
  nth: fc.integer({ min: 1, max: 4 }),
  deed: fc.constantFrom('abort', 'nest', 'nest'),
});

const wildProgram = fc.record({
  isSettled: fc.boolean(),
  elements: fc.array(element, { maxLength: 9 }),
  attempts: fc.array(behaviour, { minLength: 1, maxLength: 8 }),
  limit: fc.constantFrom(1, 2, 3, Infinity),
  source: fc.record({
    kind: fc.constantFrom('array', 'iterable', 'asyncIterable'),
    step: maybe(fc.record({ what: fc.constantFrom(...STEPS), at: fc.integer({ min: 0, max: 5 }) }), 40),
    onReturn: often('fine', 5, ...RETURNS),
  }),
  options: fc.record({
    timeout: maybe(ms(12), 50),
    itemTimeout: maybe(ms(20), 25),
    totalTimeout: maybe(ms(40), 25),
    rate: maybe(
      fc.record({
        max: fc.integer({ min: 1, max: 40 }),
        per: fc.integer({ min: 3, max: 50 }),
        burst: fc.integer({ min: 1, max: 3 }),
      }),
      30,
    ),
    maxAbandoned: maybe(fc.integer({ min: 0, max: 2 }), 20),
    drain: maybe(fc.constant(true), 30),
    discard: fc.boolean(),
  }),
  stopOnError: often(true, 3, false),
  retry: maybe(
    fc.record({
      retries: fc.integer({ min: 0, max: 3 }),
      delay: ms(4),
      backoff: fc.constantFrom('constant', 'exponential', 'decorrelated'),
      jitter: fc.constantFrom('none', 'full'),
      callbacks: often('none', 3, 'fine', 'late', 'throws', 'NaN', 'refuses'),
    }),
    50,
  ),
  abortAt: maybe(ms(30), 20),
  tricks: fc.array(trick, { maxLength: 2 }),
});

/** Runs it on this clock, and asserts what must hold of it. */
async function runWild(clock, program) {
  const world = new World(clock, program);
  assert.deepEqual(await unhandledDuring(() => world.run()), [], 'unhandled');
  world.judge();
}

class World {
  constructor(clock, program) {
    Object.assign(this, { clock, program, controller: new AbortController() });
    this.calls = Object.fromEntries(PLACES.map((place) => [place, 0]));
    this.hanging = []; // what settles only when we say so
    this.nested = []; // promises of calls within calls
    this.starts = []; // { at, index, attempt }
    this.open = new Set(); // of these, those that run
    this.wrong = [];
    this.source = { isOpened: false, isOver: false, returns: 0 };
    this.isOver = false; // somebody has heard that the call has ended early
    this.outcome = undefined;
  }

  async run() {
    const { clock, program, controller } = this;
    const { isSettled, limit, stopOnError, abortAt } = program;
    const options = { ...program.options, retry: this.retry(), signal: controller.signal };
    options.onProgress = (progress) => void (this.enter('onProgress'), (this.progress = progress));
    if (abortAt !== undefined) clock.setLateTimeout(() => this.abort(), abortAt);
    const mapper = (_item, index, ctx) => this.map(index, ctx);
    const call = isSettled
      ? mapSettled(this.items(), limit, mapper, options)
      : mapWithLimit(this.items(), limit, mapper, { ...options, stopOnError });
    call.then(
      (value) => (this.outcome = { value, at: clock.now }),
      (error) => (this.outcome = { error, at: clock.now }),
    );
    await clock.runUntil(() => this.outcome !== undefined && this.nested.length === 0);
    for (let i = 0; i < 50 && (this.hanging.length > 0 || this.outcome === undefined); i++) {
      if (i > 40) this.abort();
      for (const letGo of this.hanging.splice(0)) letGo();
      await clock.runUntil(() => false);
    }
    await clock.runUntil(() => false); // late outcomes, and the timers of those who were let go
    assert.ok(this.outcome !== undefined, 'what it waited on has settled, and it has not');
    assert.deepEqual(this.nested, [], 'calls within calls are pending');
  }

  abort() {
    this.controller.abort('abort');
    this.isOver = true;
  }

  /** A callback is called: it may be one that does something. */
  enter(place) {
    const nth = ++this.calls[place];
    for (const trick of this.program.tricks) {
      if (trick.place !== place || trick.nth !== nth) continue;
      if (trick.deed === 'abort') this.abort();
      else this.nest();
    }
  }

  nest() {
    const controller = new AbortController();
    const { signal } = controller;
    const slow = () => this.clock.sleep(1);
    const calls = [
      mapWithLimit([1, 2, 3], 2, slow, { timeout: 3, rate: 1000, signal }),
      mapSettled(new Set([1, 2]), 1, () => Promise.reject(1), { retry: { retries: 1, delay: 1 }, drain: true, signal }),
      mapWithLimit([1, 2], 1, () => stop),
      sluice.retry(() => Promise.reject(1), 1, 1),
      sluice.execute(() => Promise.reject(1), { retries: 1, delay: 1, onRetry: () => {} }),
      sluice.withTimeout(slow, { timeout: 0.5, signal }),
      sluice.allSettled([slow()], { totalTimeout: 0.5 }),
      sluice.sleep(1, { signal }),
    ];
    if (this.calls.mapper % 2 === 0) controller.abort('nested');
    for (const call of calls) {
      this.nested.push(call);
      const done = () => this.nested.splice(this.nested.indexOf(call), 1);
      call.then(done, done);
    }
  }

  retry() {
    const { retry } = this.program;
    if (retry === undefined) return undefined;
    const { callbacks, ...policy } = retry;
    if (callbacks === 'none') return policy;
    const said = { fine: true, late: true, throws: true, NaN: true, refuses: false }[callbacks];
    return {
      ...policy,
      retryIf: () => {
        this.enter('retryIf');
        if (callbacks === 'throws' && this.calls.retryIf === 2) throw new Error('retryIf');
        return callbacks === 'late' ? this.clock.sleep(1).then(() => said) : said;
      },
      ...(callbacks === 'NaN' && { backoff: () => (this.calls.retryIf === 2 ? NaN : 1) }),
      ...(callbacks === 'late' && { retryAfter: (_error, { attempt }) => (attempt === 2 ? undefined : 0) }),
    };
  }

  map(index, ctx) {
    const { clock, program } = this;
    const start = { at: clock.now, index, attempt: ctx.attempt };
    if (this.isOver) this.wrong.push(`item ${index}, attempt ${ctx.attempt} started after the end`);
    this.starts.push(start);
    this.open.add(start);
    const { limit } = program;
    if (this.open.size > limit) this.wrong.push(`${this.open.size} ran at once`);
    const isIts = (one) => one.index === index && one !== start;
    if ([...this.open].some(isIts)) this.wrong.push(`two attempts of item ${index} at once`);
    ctx.signal.addEventListener('abort', () => this.aborted(start, ctx.signal.reason));
    this.enter('mapper');
    const end = () => this.open.delete(start);
    return this.make(program.attempts[(index + 3 * ctx.attempt) % program.attempts.length], `v${index}`, end);
  }

  aborted(start, reason) {
    this.open.delete(start);
    this.enter('aborted');
    const isTimeout = reason instanceof TimeoutError && reason.scope !== 'total';
    const isIts = isTimeout && reason.index === start.index && !reason.message.includes('would have ended');
    const isPlain = this.program.elements[start.index] === 'plain'; // the attempt is older than its mapper's call, else
    if (isIts && isPlain && reason.scope === 'attempt' && this.clock.now - start.at < reason.timeout - 1e-6)
      this.wrong.push('early');
    if (isIts) return;
    this.isOver = true; // the call, that is: nobody else ends an attempt
  }

  /** A value that behaves so; `end` is called when it has settled, at the latest before anybody else can hear of it. */
  make({ kind, after = 1 }, value, end = () => {}) {
    const { clock, hanging } = this;
    const later = (settle) => clock.setTimeout(() => (end(), settle()), after);
    const ended = (result) => (end(), result);
    const thenable = (then) => ({ then });
    switch (kind) {
      case 'plain':
        return ended(value);
      case 'skip':
        return ended(skip);
      case 'stop':
        return ended(stop);
      case 'throws':
        end();
        throw new Error('thrown');
      case 'permanent':
        end();
        throw new PermanentError('permanent', after > 4 ? { cause: 'cause' } : undefined);
      case 'promise':
      case 'microtask':
        return Promise.resolve().then(() => ended(value));
      case 'rejection':
        return Promise.reject(new Error('rejected'));
      case 'later':
        return new Promise((resolve) => later(() => resolve(value)));
      case 'laterRejects':
        return new Promise((_resolve, reject) => later(() => reject(new Error('later'))));
      case 'never':
        return new Promise((resolve) => hanging.push(() => (end(), resolve(value))));
      case 'inAndOut':
        return thenable((resolve) => (end(), resolve(value)));
      case 'bothWays':
        return thenable((resolve, reject) => later(() => (resolve(value), reject(new Error('second')))));
      case 'twice':
        return thenable((resolve) => later(() => (resolve(value), clock.setTimeout(() => resolve('second'), 1))));
      case 'throwsAfter':
        return thenable((resolve) => {
          end();
          resolve(value);
          throw new Error('after');
        });
      case 'throwsAtOnce':
        return thenable(() => {
          end();
          throw new Error('at once');
        });
      case 'getterThrows':
        return {
          get then() {
            end();
            throw new Error('getter');
          },
        };
      case 'silent':
        return thenable((resolve) => void hanging.push(() => (end(), resolve(value))));
      case 'nested':
        return thenable((resolve) => resolve(thenable((inner) => later(() => inner(value)))));
      case 'subclass': {
        class Hasty extends Promise {
          then(resolve) {
            end();
            resolve(value);
            resolve('second');
            return this;
          }
        }
        return Hasty.resolve('own');
      }
      default:
        throw new Error(`there is no ${kind}`);
    }
  }

  items() {
    const { elements, source } = this.program;
    const made = elements.map((kind, index) => this.make({ kind }, index));
    if (source.kind === 'array') return made;
    // What nobody asks for is ours.
    for (const one of made) if (one instanceof Promise) Promise.prototype.then.call(one, undefined, () => {});
    const symbol = source.kind === 'iterable' ? Symbol.iterator : Symbol.asyncIterator;
    return { [symbol]: () => this.iterator(made, symbol === Symbol.asyncIterator) };
  }

  iterator(made, isAsync) {
    const { program, source } = this;
    const { onReturn, step } = program.source;
    let position = 0;
    let isBusy = false;
    source.isOpened = true;
    const answer = (result) => (isAsync ? Promise.resolve(result) : result);
    const iterator = {
      next: () => {
        if (isBusy) this.wrong.push('two next() at once');
        if (source.isOver) this.wrong.push('next() after the end of the source');
        if (this.isOver) this.wrong.push('next() after the end of the call');
        isBusy = isAsync;
        this.enter('next');
        const result = this.step(step?.at === position ? step.what : 'item', made, position++, isAsync, answer);
        if (isAsync)
          Promise.resolve(result).then(
            () => (isBusy = false),
            () => {},
          );
        return result;
      },
      return: () => {
        source.returns++;
        if (source.isOver) this.wrong.push('return() after the end of the source');
        if (onReturn === 'throws') throw new Error('return');
        if (onReturn === 'rejects') return Promise.reject(new Error('return'));
        return onReturn === 'never' ? new Promise(() => {}) : answer({});
      },
    };
    if (onReturn === 'absent') delete iterator.return;
    if (onReturn === 'noFunction') iterator.return = 'no function';
    return iterator;
  }

  step(what, made, position, isAsync, answer) {
    const { source } = this;
    // What an async one says is heard a few microtasks later; until then the call may end and close it.
    const hear = async () => {
      for (let i = 0; isAsync && i < 6; i++) await undefined;
      source.isOver = true;
    };
    const end = (result) => {
      if (isAsync) hear();
      else source.isOver = true;
      return result;
    };
    const item = { done: false, value: made[position] };
    const isDone = position >= made.length;
    switch (what) {
      case 'throws':
        end();
        throw new Error('next');
      case 'noObject':
        return end(answer(1));
      case 'doneThrows':
        return answer({ get done() { end(); return raise(); } }); // prettier-ignore
      case 'valueThrows':
        return answer({ done: false, get value() { end(); return raise(); } }); // prettier-ignore
      case 'rejects':
        if (isAsync) return end(Promise.reject(new Error('next')));
        break;
      case 'never':
        if (!isAsync) break;
        return new Promise((resolve) => this.hanging.push(() => resolve(end({ done: true }))));
      case 'thenable':
        if (isAsync && !isDone) return { then: (resolve) => (resolve(item), resolve({ done: true })) };
        break;
      case 'doneAndMore':
        return end(answer({ done: true, value: 'a value' }));
      default:
    }
    return isDone ? end(answer({ done: true, value: undefined })) : answer(item);
  }

  judge() {
    const { program, starts, source, outcome } = this;
    assert.deepEqual(this.wrong, []);
    this.judgeAttempts();
    // The attempt that waits for its element has started, and has its token.
    const isPlain = program.elements.every((kind) => kind === 'plain');
    if (program.options.rate !== undefined && isPlain) judgeRate(starts, program.options.rate);
    if (outcome.error instanceof TimeoutError) judgeTimeout(outcome.error);
    assert.ok(
      starts.every(({ at }) => at <= outcome.at),
      'nothing starts after the call has settled',
    );
    if (source.isOpened && !['absent', 'noFunction'].includes(program.source.onReturn)) {
      assert.equal(
        source.returns,
        source.isOver && source.returns === 0 ? 0 : 1,
        'return() is called once on an early end',
      );
    }
    if (!program.options.discard && outcome.value !== undefined) this.judgeResults(outcome.value);
    const { started, done, failed, timedOut, abandoned, retried } = this.progress ?? {};
    assert.ok(this.progress === undefined || done + failed <= started);
    assert.ok(this.progress === undefined || (abandoned <= timedOut && retried <= started * 3));
  }

  judgeAttempts() {
    const latest = new Map();
    for (const { index, attempt } of this.starts) {
      const isNext = attempt > (latest.get(index) ?? 0);
      assert.ok(isNext && attempt <= 1 + (this.program.retry?.retries ?? 0), `item ${index}, attempt ${attempt}`);
      latest.set(index, attempt);
    }
    const firsts = this.starts.filter(({ attempt }) => attempt === 1).map(({ index }) => index);
    assert.equal(new Set(firsts).size, firsts.length, 'an item starts once');
  }

  /** Each value is its item's, and they stand in the order of the items. */
  judgeResults(results) {
    const { isSettled, attempts, source, elements } = this.program;
    const values = results.map((one) => (isSettled ? one.value : one));
    const indices = values.flatMap((value) => (typeof value === 'string' ? [Number(value.slice(1))] : []));
    assert.ok(
      indices.every((index, i) => i === 0 || index > indices[i - 1]),
      `in order: ${values}`,
    );
    if (isSettled) {
      for (const one of results) assert.ok(['fulfilled', 'rejected'].includes(one?.status));
      for (const { reason } of results) if (reason instanceof TimeoutError) judgeTimeout(reason);
    }
    if (attempts.some(({ kind }) => kind === 'skip' || kind === 'stop')) return;
    assert.ok(
      values.every((value, i) => (isSettled && value === undefined) || value === `v${i}`),
      `all there: ${values}`,
    );
    if (source.kind === 'array') assert.equal(results.length, elements.length);
  }
}

function raise() {
  throw new Error('raised');
}

/** In any time t no more than burst + max * t / per. */
function judgeRate(starts, { max, per, burst }) {
  starts.forEach(({ at: first }, i) => {
    starts.slice(i).forEach(({ at: last }, j) => {
      const most = burst + (max * (last - first)) / per;
      assert.ok(j + 1 <= most + 1e-6, `${j + 1} starts in ${last - first} ms`);
    });
  });
}

function judgeTimeout({ timeout, elapsed, message }) {
  assert.ok(elapsed >= timeout || message.includes('would have ended'), message);
}

module.exports = { runWild, wildProgram };
