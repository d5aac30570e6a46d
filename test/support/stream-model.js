'use strict';

// What mapStream must do where its reader takes his time, as a discrete-event simulation; and how the real thing runs the
// same program on a virtual clock.
//
// No two events share an instant, so that their order is not in question: an attempt at item `i` ends so many whole
// milliseconds and i + 1 thousandths after the millisecond it began in, the reader comes at half ones, an abort at quarters.

const fc = require('fast-check');

const { mapStream, skip, stop } = require('../..');

const endOf = (now, { takes }, index) => Math.ceil(now) + takes + (index + 1) / 1000;
const backAt = (now, pause) => Math.ceil(now) + pause - 0.5;
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
  highWaterMark: fc.integer({ min: 1, max: 7 }),
  isOrdered: fc.boolean(),
  pauses: fc.array(fc.constantFrom(0, 0, 1, 2, 5, 20), { minLength: 1, maxLength: 6 }), // of the reader, round and round
  retries: fc.constantFrom(0, 1, 2),
  delay: fc.integer({ min: 1, max: 5 }),
  stopsOnError: fc.boolean(),
  drains: fc.constantFrom(false, false, true),
  leavesAfter: seldom(fc.integer({ min: 1, max: 12 })),
  abortAt: seldom(fc.integer({ min: 0, max: 60 }).map((ms) => ms + 0.25)),
  source: fc.constantFrom('array', 'iterable', 'asyncIterable'),
});

/** @returns { starts, reads, ending, aborted, isClosed } */
function runModel(drawn) {
  const { items, limit, isOrdered, pauses, retries, delay, stopsOnError, drains, leavesAfter, abortAt = Infinity } = drawn;
  const window = limit + drawn.highWaterMark;
  const batch = Math.ceil(window / 4); // so many reads are told of together, unless the reader waits
  const result = { starts: [], reads: [], ending: undefined, aborted: [], isClosed: false };
  let events = [{ at: abortAt, kind: 'abort' }];
  let held = new Map(); // index -> attempts so far, of items that have begun and are not over
  const running = new Set();
  let results = []; // in the order they are read, with holes for what has not come
  let errors = [];
  let [now, taken, isExhausted, isStopped, isOver, isFailing, failure] = [0, 0, false, false, false, false, undefined];
  let [read, told, isWaiting] = [0, 0, false];

  const push = (at, kind, index) => events.push({ at, kind, index });

  function startMore() {
    while (!isOver && !isFailing && !isStopped && !isExhausted && held.size < limit && taken - told < window) {
      isExhausted = taken === items.length;
      if (!isExhausted) begin(taken++);
    }
    if (!isOver && held.size === 0 && (isExhausted || isStopped || isFailing)) end(failure ?? aggregate());
  }

  const aggregate = () => (errors.length > 0 ? errors.sort((a, b) => a - b).map((index) => `e${index}`) : 'done');

  function begin(index) {
    const attempt = (held.get(index) ?? 0) + 1;
    held.set(index, attempt);
    running.add(index);
    result.starts.push([round(now), index, attempt]);
    push(endOf(now, items[index], index), 'ended', index);
  }

  function ended(index) {
    running.delete(index);
    const { failures, outcome } = items[index];
    const hasFailed = outcome === 'reject' || held.get(index) <= failures;
    if (hasFailed && held.get(index) <= retries && !isFailing) {
      push(now + delay, 'again', index);
      return;
    }
    held.delete(index);
    if (!hasFailed) {
      put(index, outcome === 'fulfill' ? index : undefined);
      if (outcome === 'stop') isStopped = true;
    } else if (!stopsOnError) {
      errors.push(index);
      put(index, undefined);
    } else if (!isFailing) {
      fail(`e${index}`);
    }
  }

  function fail(error) {
    [failure, isFailing] = [error, true];
    abortRunning(error);
    held = new Map([...held].filter(([index]) => drains && running.has(index)));
    if (!drains) end(error);
  }

  function abortRunning(reason) {
    for (const index of running) result.aborted.push([index, reason]);
    result.isClosed ||= !isExhausted && !isStopped && taken > 0;
  }

  function put(index, value) {
    if (isOrdered) results[index] = { value };
    else results.push({ value });
  }

  function end(how) {
    [isOver, result.ending] = [true, how];
  }

  function lookUp() {
    while (isWaiting && !result.isLeft) {
      if (results[read] === undefined) {
        told = read;
        startMore();
        if (results[read] !== undefined || !isOver) return;
        result.reads.push([round(now), 'end', result.ending]);
        isWaiting = false;
        return;
      }
      const { value } = results[read++];
      if (read - told >= batch) told = read;
      if (value !== undefined) take(value);
      startMore();
    }
  }

  function take(value) {
    isWaiting = false;
    const count = result.reads.push([round(now), value]);
    if (count === leavesAfter) {
      result.isLeft = true;
      if (!isOver) {
        if (!isFailing) abortRunning('left');
        end('left');
      }
      return;
    }
    const pause = pauses[count % pauses.length];
    if (pause === 0) isWaiting = true;
    else push(backAt(now, pause), 'back');
  }

  function handle({ kind, index }) {
    if (kind === 'back') isWaiting = true;
    else if (kind === 'abort' && !isOver && !isFailing) {
      abortRunning('abort');
      [results, failure, isFailing] = [[], 'abort', true];
      read = told = 0;
      held = new Map([...held].filter(([one]) => drains && running.has(one)));
      if (!drains) end('abort');
    } else if (kind === 'ended' && running.has(index) && (!isOver || drains)) ended(index);
    else if (kind === 'again' && !isOver && !isFailing) begin(index);
  }

  isWaiting = true;
  startMore();
  lookUp();
  while (events.length > 0) {
    events.sort((a, b) => a.at - b.at);
    const event = events.shift();
    now = event.at;
    if (now === Infinity) break;
    handle(event);
    startMore();
    lookUp();
  }
  return result;
}

module.exports = { backAt, endOf, program, round, runModel };
