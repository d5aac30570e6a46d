'use strict';

// Programs for the model and for the package: what fast-check draws, and how the real thing runs one.

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { PermanentError, execute, mapSettled, mapWithLimit, skip, stop, withTimeout } = require('../..');
const { retry: retryFunction } = require('../..');

const settling = fc.constantFrom('fulfill', 'fulfill', 'fulfill', 'reject');
const outcome = fc.oneof(
  { weight: 20, arbitrary: settling },
  { weight: 1, arbitrary: fc.constantFrom('skip', 'stop', 'permanent') },
);
const behaviour = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync'), outcome }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('microtask'), outcome }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('timer'), after: fc.integer({ min: 1, max: 12 }), outcome }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'never', outcome: 'fulfill' }) },
);
const element = fc.oneof(
  { weight: 6, arbitrary: fc.constant('plain') },
  {
    weight: 1,
    arbitrary: fc.record({ after: fc.integer({ min: 0, max: 10 }), outcome: settling }),
  },
);
const item = fc.record({ element, attempts: fc.array(behaviour, { minLength: 1, maxLength: 4 }) });
// A retry without a delay starts in the same turn, which the model, to whom a backoff is an event of its own, cannot say:
// map.test.js says it.
/** Present in so many percent of the draws. */
const maybe = (arbitrary, percent = 50) =>
  fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(undefined) }, { weight: percent, arbitrary });
const waits = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 3 });
const retry = fc.record(
  {
    retries: fc.integer({ min: 0, max: 3 }),
    delay: fc.integer({ min: 1, max: 6 }),
    backoff: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom('constant', 'linear', 'exponential') },
      { weight: 1, arbitrary: waits },
    ),
    factor: fc.integer({ min: 1, max: 3 }),
    maxDelay: fc.integer({ min: 1, max: 12 }),
    // By attempt; a list says what the callback does.
    retryIf: maybe(fc.array(fc.boolean(), { maxLength: 3 }), 20),
    retryAfter: maybe(fc.array(maybe(fc.integer({ min: 1, max: 13 })), { maxLength: 3 }), 20),
  },
  { requiredKeys: ['retries', 'delay', 'backoff', 'factor', 'maxDelay'] },
);
// The model's times are whole, so a token comes every so many whole milliseconds.
const rate = fc.oneof(
  fc.constantFrom(100, 200, 250, 500, 1000),
  fc
    .record({
      max: fc.integer({ min: 1, max: 3 }),
      every: fc.integer({ min: 1, max: 6 }),
      burst: maybe(fc.integer({ min: 1, max: 3 })),
    })
    .map(({ max, every, burst }) => ({ max, per: max * every, ...(burst && { burst }) })),
);

/** A call of mapWithLimit or mapSettled on a virtual clock. */
const program = fc
  .record({
    items: fc.array(item, { maxLength: 7 }),
    limit: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Infinity)),
    timeout: maybe(fc.integer({ min: 0, max: 15 })),
    itemTimeout: maybe(fc.integer({ min: 0, max: 25 }), 25),
    totalTimeout: maybe(fc.integer({ min: 0, max: 40 }), 30),
    retry: maybe(retry),
    rate: maybe(rate, 30),
    maxAbandoned: maybe(fc.integer({ min: 0, max: 2 }), 15),
    collect: fc.constantFrom(undefined, undefined, undefined, 'outcomes', 'errors'),
    drain: maybe(fc.constant(true), 25),
    abortAt: maybe(fc.integer({ min: 0, max: 30 }), 20),
    discard: fc.boolean(),
    source: fc.constantFrom('array', 'iterable', 'asyncIterable'),
    isWarm: fc.boolean(),
  })
  .map(modelled);

/** Without what the model has no words for: an attempt of no time that starts when its item's or the total is over. */
function modelled(drawn) {
  const isBounded = drawn.itemTimeout !== undefined || drawn.totalTimeout !== undefined;
  return drawn.timeout === 0 && isBounded ? { ...drawn, timeout: 1 } : drawn;
}

/**
 * Runs a program on this clock, by way of mapWithLimit(), until it has settled, or until nothing is due any more: then it
 * is pending, and aborted, so that nothing of it outlives the run.
 * @returns { starts, outcome, maxRunning } as the model's, and progress: all reports
 */
function runProgram(clock, program) {
  const { items, limit, itemTimeout, rate, maxAbandoned, collect, drain, discard, source } = program;
  return runCall(clock, program, async (elements, mapper, options) => {
    const given = { ...options, itemTimeout, rate, maxAbandoned, drain, discard };
    const wrapped = SOURCES[items.length === 0 ? 'array' : source](elements);
    if (collect !== 'outcomes') {
      return mapWithLimit(wrapped, limit, mapper, { ...given, stopOnError: collect !== 'errors' });
    }
    const results = await mapSettled(wrapped, limit, mapper, given);
    return discard
      ? results
      : results.map((one) => (one.status === 'fulfilled' ? one : { ...one, reason: reasonOf(one.reason) }));
  });
}

/** The same for a program of one plain item, by way of retry(). */
function runRetry(clock, program) {
  return runCall(clock, program, async (_elements, mapper, { onProgress: _none, retry: policy, ...options }) => {
    return [await retryFunction((ctx) => mapper(0, ctx.index, ctx), { ...options, ...(policy ?? { retries: 0 }) })];
  });
}

/** The same, by way of execute(). */
function runExecute(clock, program) {
  return runCall(clock, program, async (_elements, mapper, { onProgress: _none, retry: policy, ...options }) => {
    const began = clock.now;
    let calls = 0;
    const fn = (ctx) => (calls++, mapper(0, ctx.index, ctx));
    const result = await execute(fn, { ...options, ...(policy ?? { retries: 0 }) });
    assert.deepEqual([result.attempts, result.durationMs], [calls, clock.now - began]);
    if (!result.success) throw result.error;
    return [result.value];
  });
}

/** The same for a program of one plain item without retries and total timeout, by way of withTimeout(). */
function runTimeout(clock, program) {
  return runCall(clock, program, async (_elements, mapper, { timeout = Infinity, signal }) => {
    const work = (ctx) => mapper(0, ctx.index, ctx);
    // There is nothing to retry, so nothing to be permanent about: the error is as it was thrown.
    return [await withTimeout(work, { timeout, signal }).catch((error) => Promise.reject(error.cause ?? error))];
  });
}

async function runCall(clock, program, call) {
  const { items, timeout, totalTimeout, retry: policy, abortAt, source, isWarm } = program;
  const run = { starts: [], outcome: undefined, maxRunning: 0, progress: [], hanging: [], isSettled: false };
  const controller = new AbortController();
  if (isWarm) clock.warmUp();
  const elements = items.map((item, index) => elementOf(clock, item.element, index));
  // Promises in an array are marked as handled by the call; those that an iterator may never be asked for are ours.
  if (source !== 'array') for (const element of elements) Promise.resolve(element).catch(() => {});
  if (abortAt > 0) clock.setLateTimeout(() => controller.abort('abort'), abortAt);
  else if (abortAt !== undefined) controller.abort('abort');
  const options = {
    timeout,
    totalTimeout,
    retry: policy && policyOf(policy),
    signal: controller.signal,
    onProgress: (progress) => run.progress.push(progress),
  };
  const settled = (outcome) => {
    run.isSettled = true;
    run.outcome ??= { ...outcome, at: clock.now };
  };
  call(elements, mapperOf(clock, items, run), options).then(
    (value) => settled({ status: 'fulfilled', value }),
    (error) => settled({ status: 'rejected', reason: reasonOf(error) }),
  );
  await clock.runUntil(() => run.outcome !== undefined);
  if (run.outcome === undefined) {
    run.outcome = { status: 'pending' };
    controller.abort('over');
    for (const letGo of run.hanging) letGo();
    await clock.flush();
    assert.ok(run.isSettled, 'what it waited on has settled, and it has not');
  }
  run.starts.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return run;
}

const SOURCES = {
  array: (elements) => elements,
  iterable: (elements) => elements.values(),
  asyncIterable: (elements) => ({
    [Symbol.asyncIterator]() {
      const iterator = elements.values();
      return { next: async () => iterator.next() };
    },
  }),
};

function policyOf({ backoff, retryIf, retryAfter, ...policy }) {
  const saying = (list) => list && ((_error, { attempt }) => list[attempt - 1]);
  const isList = Array.isArray(backoff);
  return {
    jitter: 'none',
    ...policy,
    backoff: isList ? saying(backoff) : backoff,
    retryIf: retryIf && ((_error, { attempt }) => retryIf[attempt - 1] ?? true),
    retryAfter: saying(retryAfter),
  };
}

function elementOf(clock, element, index) {
  if (element === 'plain') return index;
  const settled = () => (element.outcome === 'fulfill' ? index : Promise.reject(`p${index}`));
  if (element.after > 0) return clock.sleep(element.after).then(settled);
  return Promise.resolve().then(settled);
}

function mapperOf(clock, items, run) {
  let running = 0;
  return (_element, index, ctx) => {
    run.starts.push([clock.now, index, ctx.attempt]);
    run.maxRunning = Math.max(run.maxRunning, ++running);
    let isOver = false;
    const end = () => {
      if (!isOver) running--;
      isOver = true;
    };
    ctx.signal.addEventListener('abort', end);
    const { kind, after, outcome } = items[index].attempts[ctx.attempt - 1] ?? items[index].attempts.at(-1);
    const settle = () => {
      end();
      const reason = `e${index}.${ctx.attempt}`;
      if (outcome === 'permanent') throw new PermanentError('permanent', { cause: reason });
      if (outcome === 'reject') throw reason;
      return { skip, stop }[outcome] ?? `v${index}`;
    };
    if (kind === 'sync') return settle();
    if (kind === 'microtask') return Promise.resolve().then(settle);
    return kind === 'timer' ? clock.sleep(after).then(settle) : new Promise((resolve) => run.hanging.push(resolve));
  };
}

function reasonOf(error) {
  if (error instanceof AggregateError) return { aggregate: error.errors.map(reasonOf) };
  if (error?.code !== 'ERR_SLUICE_TIMEOUT') return error;
  const { scope, index, attempt } = error;
  return scope === 'total' ? { timeout: scope } : { timeout: scope, index: index ?? 0, attempt };
}

/** Programs of one plain item, and of what retry() can be told. */
const single = program
  .filter(({ items }) => items.length > 0)
  .map(({ items: [{ attempts }], timeout, totalTimeout, retry, abortAt, isWarm }) => {
    const kept = attempts.map((one) =>
      one.outcome === 'skip' || one.outcome === 'stop' ? { ...one, outcome: 'fulfill' } : one,
    );
    const items = [{ element: 'plain', attempts: kept }];
    return { items, timeout, totalTimeout, retry, abortAt, isWarm, limit: 1, discard: false, source: 'array' };
  });

module.exports = { SOURCES, program, runCall, single, runExecute, runProgram, runRetry, runTimeout };
