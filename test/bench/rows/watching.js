'use strict';

// What it costs to be looked at, by the recorder and by the watchdog. In processor time, which neighbours on the
// machine disturb less; that of the thread that watches is in it.

const assert = require('node:assert');
const { bare, upTo } = require('../by-hand.js');
const { processorTime, summary } = require('../harness.js');

const limit = 16;
const rounds = 15; // in a sample, for a difference
const increment = async (x) => x + 1;
const itself = (value) => value;

/** About a microsecond's work. */
async function spin(x) {
  let sum = x;
  for (let i = 0; i < 1000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}

/** Nanoseconds of the second of two runs: with the first the ring becomes memory. */
async function timed(work, n) {
  await work(n);
  const began = processorTime();
  await work(n);
  return 1000 * (processorTime() - began);
}

/** How many events work(n) makes. */
async function eventsOf({ recorder }, work, n) {
  recorder.start();
  await work(n);
  recorder.stop();
  const { events, lost } = recorder.snapshot();
  assert.ok(events.length + lost >= 2 * n);
  return events.length + lost;
}

/** What an event costs that work(n) makes: as a part of an await, and in nanoseconds. */
async function costOfAnEvent({ recorder }, work, n) {
  const count = await eventsOf({ recorder }, work, n);
  const recorded = async () => {
    recorder.start();
    const time = await timed(work, n);
    recorder.stop();
    return time;
  };
  const costs = [];
  for (let i = 0; i < rounds; i++) {
    const awaits = await timed((n) => bare(upTo(n), increment), n);
    const without = await timed(work, n);
    const cost = ((await recorded()) - without) / count;
    costs.push({ part: (100 * cost) / (awaits / n), ns: cost });
  }
  return [summary(costs.map(({ part }) => part)).median, summary(costs.map(({ ns }) => ns)).median];
}

function recorded({ sluice }) {
  const policy = { timeout: 10_000, retry: 2 };
  const works = {
    mapWithLimit: (n) => sluice.mapWithLimit(upTo(n), limit, increment),
    'mapWithLimit, plain values': (n) => sluice.mapWithLimit(upTo(n), limit, itself),
    'mapWithLimit, timeout and retry': (n) => sluice.mapWithLimit(upTo(n), limit, increment, policy),
  };
  return {
    name: 'recorder',
    title: 'the flight recorder: an event that is recorded',
    unit: '% of an await',
    n: 5e4,
    rounds: 9,
    note:
      'processor time with it less that without it, as a part of what an await of a bare loop took just before; each item ' +
      'has two events. The target: 15 ns where an await takes 57 ns, as on the machine of the targets',
    targets: [{ of: 'mapWithLimit', most: (100 * 15) / 57 }],
    also: [{ name: 'recorder-ns', title: 'the same in time', unit: 'ns', note: undefined, targets: [] }],
    contestants: Object.entries(works).map(([name, work]) => ({
      name,
      needs: ['sluice.recorder'],
      sample: (n) => costOfAnEvent(sluice, work, n),
    })),
  };
}

/** How much longer work(n) takes while the loop is watched, in percent. */
async function costOfWatching({ watchLoop }, work, n) {
  const watched = async () => {
    const watch = watchLoop({ log: false, stack: false });
    const time = await timed(work, n);
    watch.stop();
    return time;
  };
  const costs = [];
  for (let i = 0; i < rounds; i++) {
    const first = i % 2 === 0 ? await watched() : undefined;
    const without = await timed(work, n);
    costs.push(100 * ((first ?? (await watched())) / without - 1));
  }
  return summary(costs).median;
}

function watched({ sluice }) {
  const works = {
    'mapWithLimit, trivial items': (n) => sluice.mapWithLimit(upTo(n), limit, increment),
    'mapWithLimit, items of 1 us': (n) => sluice.mapWithLimit(upTo(Math.ceil(n / 10)), limit, spin),
  };
  return {
    name: 'watched',
    title: 'watchLoop(): what is done while it watches takes longer by',
    unit: '%',
    n: 3e5,
    rounds: 9,
    note: 'processor time of all threads, beside that without it, in turns; the thread that takes stacks sleeps, and is not there',
    targets: [{ of: 'mapWithLimit, items of 1 us', most: 1 }],
    contestants: Object.entries(works).map(([name, work]) => ({
      name,
      needs: ['sluice.watchLoop'],
      sample: (n) => costOfWatching(sluice, work, n),
    })),
  };
}

module.exports = (rivals) => [recorded(rivals), watched(rivals)];
