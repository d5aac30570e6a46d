'use strict';

// What a person asks of a recording first, in numbers.

const { OUTCOMES } = require('./recording-client-words');

const TOP = 10;

/** The value that so many percent of the sorted ones do not exceed (nearest rank). */
function percentile(sorted, percent) {
  if (sorted.length === 0) return null;
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

/** How many attempts ran at once: at most, since when, and on average. */
function concurrencyOf(bars, begin, end) {
  const lasting = bars.filter((bar) => bar.end > bar.start);
  const starts = Float64Array.from(lasting, (bar) => bar.start).sort();
  const ends = Float64Array.from(lasting, (bar) => bar.end).sort();
  let most = Math.min(1, bars.length);
  let at = begin;
  let busy = 0;
  for (let start = 0, ended = 0; start < starts.length; start++) {
    while (ends[ended] <= starts[start]) ended++;
    const running = start + 1 - ended;
    if (running > most) [most, at] = [running, starts[start]];
  }
  for (const bar of bars) busy += bar.end - bar.start;
  return { most, at, mean: end > begin ? busy / (end - begin) : 0 };
}

/** Each item's attempts taken together: when the first began, when the last ended. */
function itemsOf(bars) {
  const calls = new Map();
  const all = [];
  for (const bar of bars) {
    let items = calls.get(bar.call);
    if (items === undefined) calls.set(bar.call, (items = new Map()));
    let item = items.get(bar.item);
    if (item === undefined) {
      item = { call: bar.call, item: bar.item, start: bar.start, end: bar.end, attempts: 0, last: bar };
      items.set(bar.item, item);
      all.push(item);
    }
    item.attempts++;
    item.last = bar;
    item.end = bar.end;
  }
  for (const item of all) {
    const { delay, outcome } = item.last;
    item.outcome = delay !== null && outcome !== 'aborted' ? 'open' : outcome;
  }
  return all;
}

function countBy(list, keyOf) {
  const counts = {};
  for (const each of list) {
    const key = keyOf(each);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function sum(list, valueOf) {
  return list.reduce((total, each) => total + valueOf(each), 0);
}

/** The first few of those that are in, in that order. */
function top(list, isIn, order) {
  const first = [];
  for (const each of list) {
    if (!isIn(each) || (first.length === TOP && order(first.at(-1), each) <= 0)) continue;
    const place = first.findIndex((other) => order(each, other) < 0);
    first.splice(place < 0 ? first.length : place, 0, each);
    if (first.length > TOP) first.pop();
  }
  return first;
}

function summaryOf(timeline) {
  const { bars, waits, blocks, begin, end } = timeline;
  const items = itemsOf(bars);
  const counts = countBy(bars, ({ outcome }) => outcome);
  const ended = bars.filter(
    ({ outcome, startsBefore }) => !startsBefore && outcome !== 'open' && outcome !== 'aborted',
  );
  const durations = Float64Array.from(ended, (bar) => bar.end - bar.start).sort();
  const duration = (item) => item.end - item.start;
  const tails = bars.filter(({ tail }) => tail !== null);
  const waited = {};
  for (const wait of waits) waited[wait.reason] = (waited[wait.reason] ?? 0) + wait.end - wait.start;
  return {
    duration: end - begin,
    calls: timeline.calls.length,
    items: items.length,
    itemsBy: countBy(items, ({ outcome }) => outcome),
    attempts: bars.length,
    attemptsBy: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, counts[outcome] ?? 0])),
    retries: bars.filter(({ delay }) => delay !== null).length,
    abandoned: {
      total: tails.length,
      running: tails.filter(({ tail }) => tail.isOpen).length,
      unknown: tails.filter(({ tail }) => tail.isUnknown).length,
    },
    strays: timeline.strays.length,
    percentiles: {
      p50: percentile(durations, 50),
      p90: percentile(durations, 90),
      p99: percentile(durations, 99),
      max: durations.at(-1) ?? null,
    },
    concurrency: concurrencyOf(bars, begin, end),
    blocked: {
      times: blocks.length,
      total: sum(blocks, (block) => block.end - block.start),
      longest: blocks.reduce((most, block) => Math.max(most, block.end - block.start), 0),
    },
    waited,
    timeouts: bars.filter(({ outcome }) => outcome === 'timeout').slice(0, TOP),
    slowest: top(
      items,
      () => true,
      (one, other) => duration(other) - duration(one),
    ),
    mostTried: top(
      items,
      ({ attempts }) => attempts > 1,
      (one, other) => other.attempts - one.attempts || duration(other) - duration(one),
    ),
  };
}

module.exports = { percentile, summaryOf };
