'use strict';

// Programs for the model and for the package: what fast-check draws, and how the real thing runs one.

const fc = require('fast-check');

const { mapWithLimit, retry: retryFunction, withTimeout } = require('../..');

const outcome = fc.constantFrom('fulfill', 'fulfill', 'fulfill', 'reject');
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
    arbitrary: fc.record({ after: fc.integer({ min: 0, max: 10 }), outcome }),
  },
);
const item = fc.record({ element, attempts: fc.array(behaviour, { minLength: 1, maxLength: 4 }) });
// A retry without a delay starts in the same turn, which the model, to whom a backoff is an event of its own, cannot say:
// map.test.js says it.
const retry = fc.record({
  retries: fc.integer({ min: 0, max: 3 }),
  delay: fc.integer({ min: 1, max: 6 }),
  backoff: fc.constantFrom('constant', 'linear', 'exponential'),
  factor: fc.integer({ min: 1, max: 3 }),
  maxDelay: fc.integer({ min: 1, max: 12 }),
});
const maybe = (arbitrary, freq = 2) => fc.option(arbitrary, { nil: undefined, freq });

/** A call of mapWithLimit on a virtual clock. */
const program = fc.record({
  items: fc.array(item, { maxLength: 7 }),
  limit: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Infinity)),
  timeout: maybe(fc.integer({ min: 0, max: 15 })),
  totalTimeout: maybe(fc.integer({ min: 0, max: 40 }), 1),
  retry: maybe(retry),
  abortAt: maybe(fc.integer({ min: 0, max: 30 }), 1),
  discard: fc.boolean(),
  source: fc.constantFrom('array', 'iterable', 'asyncIterable'),
  isWarm: fc.boolean(),
});

/**
 * Runs a program on this clock, by way of mapWithLimit(), until it has settled, or until nothing is due any more: then it is pending, and aborted,
 * so that nothing of it outlives the run.
 * @returns { starts, outcome, maxRunning, progress }, as the model's
 */
function runProgram(clock, program) {
  const { items, limit, discard, source } = program;
  return runCall(clock, program, (elements, mapper, options) => {
    const { timeout, totalTimeout, retry: policy, signal, onProgress } = options;
    const given = { timeout, totalTimeout, retry: policy, signal, onProgress, discard };
    return mapWithLimit(SOURCES[items.length === 0 ? 'array' : source](elements), limit, mapper, given);
  });
}

/** The same for a program of one plain item, by way of retry(). */
function runRetry(clock, program) {
  return runCall(clock, program, async (_elements, mapper, { timeout, totalTimeout, retry: policy, signal }) => {
    const given = { timeout, totalTimeout, signal, ...(policy ?? { retries: 0 }) };
    return [await retryFunction((ctx) => mapper(0, ctx.index, ctx), given)];
  });
}

/** The same for a program of one plain item without retries and total timeout, by way of withTimeout(). */
function runTimeout(clock, program) {
  return runCall(clock, program, async (_elements, mapper, { timeout = Infinity, signal }) => {
    return [await withTimeout((ctx) => mapper(0, ctx.index, ctx), { timeout, signal })];
  });
}

async function runCall(clock, program, call) {
  const { items, timeout, totalTimeout, retry: policy, abortAt, source, isWarm } = program;
  const run = { starts: [], outcome: undefined, maxRunning: 0, progress: [] };
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
    retry: policy && { jitter: 'none', ...policy },
    signal: controller.signal,
    onProgress: (progress) => run.progress.push(progress),
  };
  call(elements, mapperOf(clock, items, run), options).then(
    (value) => (run.outcome ??= { status: 'fulfilled', value, at: clock.now }),
    (error) => (run.outcome ??= { status: 'rejected', reason: reasonOf(error), at: clock.now }),
  );
  await clock.runUntil(() => run.outcome !== undefined);
  if (run.outcome === undefined) {
    run.outcome = { status: 'pending' };
    controller.abort('over');
    await clock.flush();
  }
  run.starts.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
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
      if (outcome === 'reject') throw `e${index}.${ctx.attempt}`;
      return `v${index}`;
    };
    if (kind === 'sync') return settle();
    if (kind === 'microtask') return Promise.resolve().then(settle);
    return kind === 'timer' ? clock.sleep(after).then(settle) : new Promise(() => {});
  };
}

function reasonOf(error) {
  if (error?.code !== 'ERR_SLUICE_TIMEOUT') return error;
  const { scope, index, attempt } = error;
  return scope === 'total' ? { timeout: 'total' } : { timeout: 'attempt', index: index ?? 0, attempt };
}

/** Programs of one plain item. */
const single = program
  .filter(({ items }) => items.length > 0)
  .map((drawn) => {
    const items = [{ ...drawn.items[0], element: 'plain' }];
    return { ...drawn, items, limit: 1, discard: false, source: 'array' };
  });

module.exports = { program, single, runProgram, runRetry, runTimeout };
