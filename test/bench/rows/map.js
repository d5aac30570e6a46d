'use strict';

// mapWithLimit: (a) the limit alone, (b) with timeout, retry, signal and progress, (c) the same under other mappers.

const assert = require('node:assert');
const { Readable } = require('node:stream');
const { setTimeout: sleep } = require('node:timers/promises');
const { bare, lanes, upTo } = require('../by-hand.js');

const limit = 16;
const ms = 5000;
const retries = 2;
const fewer = 'slow rivals get fewer items, which favours them: less to collect';

const increment = async (x) => x + 1;

function check(result, n) {
  assert.strictEqual(result.length, n);
  for (let i = 0; i < n; i++) assert.strictEqual(result[i], i + 1);
}

// The bare loop as one writes it grows its results by push, which is a quarter of its time; every map here that knows
// the length allocates them at once. So this one is shown too: what the loop itself costs.
async function bareAllocated(items, mapper) {
  const results = new Array(items.length);
  for (let i = 0; i < items.length; i++) results[i] = await mapper(items[i], i);
  return results;
}

// What one writes by hand: lanes, and around each attempt a race against a timer that is cleared.
function timedLanes(items, mapper, { signal, onProgress, delay = 1000 }) {
  let done = 0;
  async function attempts(item, index) {
    for (let attempt = 1; ; attempt++) {
      let timer;
      try {
        const expiry = new Promise((_, reject) => {
          timer = setTimeout(() => reject(new Error('timed out')), ms);
        });
        const value = await Promise.race([mapper(item, index), expiry]);
        onProgress({ done: ++done, total: items.length });
        return value;
      } catch (error) {
        if (attempt > retries || signal.aborted) throw error;
        if (delay > 0) await sleep(delay * attempt, undefined, { signal });
      } finally {
        clearTimeout(timer);
      }
    }
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    lanes(items, limit, attempts)
      .finally(() => signal.removeEventListener('abort', onAbort))
      .then(resolve, reject);
  });
}

let progress;
const onProgress = (seen) => (progress = seen);
const policy = (retry = retries) => ({ timeout: ms, retry, signal: new AbortController().signal, onProgress });

function limitOnly({ sluice, twin, ...rivals }) {
  const contestant = (name, needs, map, n) => ({ name, needs, n, check, run: (n) => map(upTo(n)) });
  return {
    name: 'map',
    title: 'mapWithLimit, trivial async mapper, limit 16',
    unit: 'ns',
    n: 1e6,
    anchor: 'bare await loop',
    note: fewer,
    targets: [{ of: 'sluice', against: 'bare await loop', most: 1.2 }],
    contestants: [
      contestant('bare await loop', [], (items) => bare(items, increment)),
      contestant('bare loop, no push', [], (items) => bareAllocated(items, increment)),
      contestant('hand-written lanes', [], (items) => lanes(items, limit, increment)),
      contestant('twin', [], (items) => twin.mapWithLimit(items, limit, increment)),
      contestant('sluice', ['sluice'], (items) => sluice.mapWithLimit(items, limit, increment)),
      contestant('async.mapLimit', ['async'], (items) => rivals.async.mapLimit(items, limit, increment)),
      contestant('p-map', ['p-map'], (items) => rivals['p-map'](items, increment, { concurrency: limit }), 2e5),
      contestant('p-limit', ['p-limit'], (items) => rivals['p-limit'](limit).map(items, increment), 1e5),
      contestant(
        'fastq',
        ['fastq'],
        (items) => {
          const queue = rivals.fastq.promise(increment, limit);
          return Promise.all(items.map((item) => queue.push(item)));
        },
        1e5,
      ),
      contestant(
        'effect',
        ['effect'],
        (items) => {
          const { Effect } = rivals.effect;
          const each = (item) => Effect.promise(() => increment(item));
          return Effect.runPromise(Effect.forEach(items, each, { concurrency: limit }));
        },
        1e5,
      ),
      contestant(
        'stream.map of Node',
        [],
        (items) => Readable.from(items).map(increment, { concurrency: limit }).toArray(),
        1e5,
      ),
    ],
  };
}

function pTrio(rivals, items, mapper, { signal, onProgress, delay = 1000 }) {
  const [pMap, pRetry, pTimeout] = [rivals['p-map'], rivals['p-retry'], rivals['p-timeout']];
  let done = 0;
  const attempts = async (item) => {
    const value = await pRetry(() => pTimeout(mapper(item), { milliseconds: ms }), {
      retries,
      signal,
      minTimeout: delay,
    });
    onProgress({ done: ++done, total: items.length });
    return value;
  };
  return pMap(items, attempts, { concurrency: limit, signal });
}

function withPolicy({ sluice, twin, ...rivals }) {
  const contestant = (name, needs, map, n) => ({
    name,
    needs,
    n,
    check(result, n) {
      check(result, n);
      assert.strictEqual(progress.done, n);
    },
    run: (n) => map(upTo(n), policy()),
  });
  return {
    name: 'map-policy',
    title: 'mapWithLimit + timeout + retry + signal + onProgress',
    unit: 'ns',
    n: 1e6,
    anchor: 'bare await loop',
    note: fewer,
    targets: [{ of: 'sluice', against: 'bare await loop', most: 1.35 }],
    contestants: [
      { ...contestant('bare await loop', [], (items) => bare(items, increment)), check },
      { ...contestant('bare loop, no push', [], (items) => bareAllocated(items, increment)), check },
      contestant('twin', [], (items, options) => twin.mapWithLimit(items, limit, increment, options)),
      contestant('sluice', ['sluice'], (items, options) => sluice.mapWithLimit(items, limit, increment, options)),
      contestant('hand-written timers', [], (items, options) => timedLanes(items, increment, options), 2e5),
      contestant(
        'p-map + p-retry + p-timeout',
        ['p-map', 'p-retry', 'p-timeout'],
        (items, options) => pTrio(rivals, items, increment, options),
        1e4,
      ),
      contestant(
        'effect',
        ['effect'],
        (items, { signal, onProgress }) => {
          const { Effect } = rivals.effect;
          let done = 0;
          const each = (item) =>
            Effect.tryPromise(() => increment(item)).pipe(
              Effect.timeout(ms),
              Effect.retry({ times: retries }),
              Effect.tap(() => Effect.sync(() => onProgress({ done: ++done, total: items.length }))),
            );
          return Effect.runPromise(Effect.forEach(items, each, { concurrency: limit }), { signal });
        },
        1e4,
      ),
      contestant(
        'p-map + cockatiel',
        ['p-map', 'cockatiel'],
        (items, { signal, onProgress }) => {
          const { retry, handleAll, timeout, TimeoutStrategy, ExponentialBackoff, wrap } = rivals.cockatiel;
          const attempts = wrap(
            retry(handleAll, { maxAttempts: retries, backoff: new ExponentialBackoff() }),
            timeout(ms, TimeoutStrategy.Aggressive),
          );
          let done = 0;
          const each = async (item) => {
            const value = await attempts.execute(() => increment(item), signal);
            onProgress({ done: ++done, total: items.length });
            return value;
          };
          return rivals['p-map'](items, each, { concurrency: limit, signal });
        },
        1e4,
      ),
    ],
  };
}

const now = { retries, delay: 0 };

// Each mapper as it is written for a function that passes a context, and as it is written for one that does not.
const mappers = [
  { name: 'map-attempt', title: 'reads ctx.attempt', ours: async (x, i, ctx) => x + ctx.attempt, theirs: increment },
  {
    name: 'map-signal',
    title: 'reads ctx.signal',
    n: 5e4,
    ours: async (x, i, { signal }) => (signal.aborted ? 0 : x + 1),
    theirs: async (x) => (new AbortController().signal.aborted ? 0 : x + 1),
  },
  { name: 'map-plain', title: 'returns plain values', ours: (x) => x + 1, theirs: (x) => x + 1 },
  {
    name: 'map-immediate',
    title: 'settles on setImmediate',
    n: 2e5,
    ours: (x) => new Promise((resolve) => setImmediate(resolve, x + 1)),
  },
  {
    name: 'map-failing',
    title: 'fails 1 % of first attempts',
    retries: true,
    n: 2e5,
    prepare: () => new Set(),
    ours: async (x, failed) => {
      if (x % 100 === 7 && !failed.has(x)) {
        failed.add(x);
        throw new Error('once');
      }
      return x + 1;
    },
  },
];

function otherMappers({ sluice, twin, ...rivals }) {
  return mappers.map(({ name, title, n = 5e5, ours, theirs = ours, prepare, retries: fails }) => {
    const bind = (mapper, failed) => (failed ? (x) => mapper(x, failed) : mapper);
    const contestant = (name, needs, map, mapper, n) => ({
      name,
      needs,
      n,
      check,
      prepare,
      run: (n, failed) => map(upTo(n), bind(mapper, failed), policy(now)),
    });
    const pMap = (items, mapper) => rivals['p-map'](items, mapper, { concurrency: limit });
    return {
      name,
      title: `the same, and the mapper ${title}`,
      unit: 'ns',
      n,
      anchor: 'twin',
      note: fails ? 'retried without a delay' : 'p-map: its limit alone, no timeout, no retry, no progress',
      contestants: [
        contestant('twin', [], (items, mapper, options) => twin.mapWithLimit(items, limit, mapper, options), ours),
        contestant(
          'sluice',
          ['sluice'],
          (items, mapper, options) => sluice.mapWithLimit(items, limit, mapper, options),
          ours,
        ),
        fails
          ? contestant(
              'p-map + p-retry + p-timeout',
              ['p-map', 'p-retry', 'p-timeout'],
              (items, mapper, options) => pTrio(rivals, items, mapper, { ...options, delay: 0 }),
              theirs,
              1e4,
            )
          : contestant('p-map', ['p-map'], pMap, theirs, Math.min(n, 2e5)),
        ...(fails
          ? [
              contestant(
                'hand-written timers',
                [],
                (items, mapper, options) => timedLanes(items, mapper, { ...options, delay: 0 }),
                theirs,
                1e5,
              ),
            ]
          : []),
      ],
    };
  });
}

module.exports = (rivals) => [limitOnly(rivals), withPolicy(rivals), ...otherMappers(rivals)];
