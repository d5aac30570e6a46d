'use strict';

// From events to what can be drawn: bars (attempts), waits, tails (abandoned attempts that still run), bands (the loop was
// kept from running), sorted into groups (calls) and rows (lanes).
//
//     start ───────── settle | fail | retry | timeout       the bar of an attempt
//                                             timeout ─ ─ ─ ─ late        its tail, where it was abandoned
//                               retry · · · · · · · start    a wait: park to wake, else from what `retry` said
//
// A ring forgets the oldest. So an end may come without its start: its bar begins where the recording begins, or where
// the lane was last busy, and says so (`startsBefore`). What has no end yet ends with the recording and says so, too
// (outcome `open`, `isOpen`). Every `start` is one bar; no bar is shorter than nothing; in a row bars do not overlap.

class Bar {
  constructor(event, start) {
    this.call = event.job;
    this.lane = event.lane;
    this.item = event.item;
    this.attempt = event.attempt;
    this.start = start;
    this.end = start;
    this.outcome = 'open';
    this.startsBefore = false; // when it really started is not known
    this.delay = null; // ms until the next attempt, where there is to be one
    this.scope = null; // of a timeout: 'attempt', 'item' or 'total'
    this.isFinal = false; // with it the item failed
    this.wasCut = false; // it ended because its call ended
    this.tail = null; // { start, end, isOpen }
  }
}

class Wait {
  constructor(event, start) {
    this.call = event.job;
    this.lane = event.lane;
    this.item = event.item;
    this.attempt = event.attempt;
    this.reason = event.reason ?? 'unknown';
    this.start = start;
    this.end = start;
    this.startsBefore = false;
    this.isOpen = false;
  }
}

class Lane {
  constructor(number) {
    this.number = number;
    this.bar = null; // that runs
    this.last = null; // that ended
    this.wait = null; // that lasts
    this.busyUntil = -Infinity;
    this.bars = [];
    this.waits = [];
  }
}

class Call {
  constructor(id, { name, label } = {}) {
    this.id = id;
    this.name = name ?? (id === -1 ? 'outside of calls' : `call ${id}`);
    this.label = label;
    this.openedAt = null;
    this.closedAt = null;
    this.reason = null; // of the close
    this.abortedAt = null;
    this.lanes = new Map();
  }

  lane(number) {
    let lane = this.lanes.get(number);
    if (lane === undefined) this.lanes.set(number, (lane = new Lane(number)));
    return lane;
  }
}

class Reader {
  constructor({ events, jobs, lost, duration }) {
    const inOrder = events.every((event, index) => index === 0 || events[index - 1].time <= event.time);
    this.events = inOrder ? events : [...events].sort((one, other) => one.time - other.time);
    this.begin = lost > 0 && events.length > 0 ? this.events[0].time : 0;
    this.end = Math.max(duration, this.begin, this.events.at(-1)?.time ?? 0);
    this.names = new Map(jobs.map((job) => [job.id, job]));
    this.calls = new Map();
    this.bars = [];
    this.waits = [];
    this.blocks = [];
    this.marks = []; // yields and aborts
    this.strays = []; // late ends whose attempt was overwritten
    this.abandoned = new Map(); // "call:item:attempt" -> bars that may still run, oldest first
  }

  read() {
    for (const event of this.events) this[`on_${event.kind}`]?.(event, this.call(event.job));
    for (const call of this.calls.values()) {
      for (const lane of call.lanes.values()) {
        if (lane.bar !== null) this.endBar(lane, 'open', this.end);
        if (lane.wait !== null) this.endWait(lane, this.end, true);
      }
    }
    for (const { tail } of this.bars) {
      if (tail === null || !tail.isOpen) continue;
      tail.end = this.end;
    }
    return this;
  }

  call(id) {
    let call = this.calls.get(id);
    if (call === undefined) this.calls.set(id, (call = new Call(id, this.names.get(id))));
    return call;
  }

  /** The lane an event speaks of: late news of an attempt may not have one. */
  laneOf(call, event) {
    if (event.lane >= 0) return call.lane(event.lane);
    for (const lane of call.lanes.values()) if (isOf(lane.bar, event)) return lane;
    return call.lane(-1);
  }

  addBar(lane, event, start) {
    const bar = new Bar(event, start);
    bar.lane = lane.number;
    lane.bar = bar;
    lane.bars.push(bar);
    this.bars.push(bar);
    return bar;
  }

  /** The attempt ran already when the recording, or what is left of it, began. */
  addBarFromBefore(lane, event) {
    const bar = this.addBar(lane, event, Math.min(event.time, Math.max(this.begin, lane.busyUntil)));
    bar.startsBefore = true;
    return bar;
  }

  endBar(lane, outcome, time) {
    const { bar } = lane;
    bar.outcome = outcome;
    bar.end = time;
    lane.bar = null;
    lane.last = bar;
    lane.busyUntil = time;
    if (lane.wait !== null) lane.wait.start = Math.max(lane.wait.start, time);
    return bar;
  }

  /** The bar that an event ends: the one that runs; the one that has just ended for the same reason; or one from before. */
  ended(call, event, outcome) {
    const lane = this.laneOf(call, event);
    if (lane.bar !== null) return this.endBar(lane, outcome, event.time);
    if (isOf(lane.last, event)) {
      if (lane.last.wasCut && (outcome === 'fulfilled' || outcome === 'failed')) {
        lane.last.outcome = outcome;
        lane.last.end = lane.busyUntil = event.time;
      }
      return lane.last;
    }
    if (event.attempt === 0) return null; // it never ran
    this.addBarFromBefore(lane, event);
    return this.endBar(lane, outcome, event.time);
  }

  endWait(lane, time, isOpen) {
    const { wait } = lane;
    lane.wait = null;
    wait.end = Math.max(wait.start, time);
    wait.isOpen = isOpen;
    lane.busyUntil = wait.end;
  }

  addWait(lane, event, start) {
    const wait = new Wait(event, Math.max(start, lane.bar === null ? lane.busyUntil : start));
    wait.lane = lane.number;
    lane.wait = wait;
    lane.waits.push(wait);
    this.waits.push(wait);
    return wait;
  }

  /** Of an attempt that its call no longer waits for we may hear again. */
  mayStillRun(bar) {
    const key = keyOf(bar.call, bar);
    const known = this.abandoned.get(key);
    if (known === undefined) this.abandoned.set(key, [bar]);
    else if (!known.includes(bar)) known.push(bar);
  }

  cut(call, outcome, time) {
    for (const lane of call.lanes.values()) {
      if (lane.bar === null) continue;
      const bar = this.endBar(lane, outcome, time);
      bar.wasCut = true;
      this.mayStillRun(bar);
    }
  }

  on_open(event, call) {
    call.openedAt = event.time;
  }

  on_close(event, call) {
    call.closedAt = event.time;
    call.reason = event.reason ?? null;
    this.cut(call, 'aborted', event.time);
    for (const lane of call.lanes.values()) if (lane.wait !== null) this.endWait(lane, event.time, false);
  }

  on_start(event, call) {
    const lane = call.lane(event.lane);
    if (lane.bar !== null) this.mayStillRun(this.endBar(lane, 'aborted', event.time));
    if (lane.wait !== null) {
      this.endWait(lane, event.time, false);
    } else if (lane.last?.delay > 0 && lane.busyUntil === lane.last.end && lane.last.item === event.item) {
      this.addWait(lane, { ...event, reason: 'backoff' }, lane.last.end);
      this.endWait(lane, Math.min(event.time, lane.last.end + lane.last.delay), false);
    }
    this.addBar(lane, event, event.time);
  }

  on_settle(event, call) {
    this.ended(call, event, 'fulfilled');
  }

  on_fail(event, call) {
    const bar = this.ended(call, event, 'failed');
    if (bar !== null) bar.isFinal = true;
  }

  on_retry(event, call) {
    const bar = this.ended(call, event, 'retried');
    if (bar !== null) bar.delay = event.ms ?? 0;
  }

  on_timeout(event, call) {
    const lane = this.laneOf(call, event);
    if (event.reason === 'wait') {
      if (lane.wait !== null) this.endWait(lane, event.time, false);
      return;
    }
    if (event.reason === 'total' && event.lane < 0 && lane.bar === null) {
      for (const { bar } of call.lanes.values()) if (bar !== null) bar.scope = 'total';
      this.cut(call, 'timeout', event.time);
      return;
    }
    if (lane.bar === null && lane.wait !== null) this.endWait(lane, event.time, false);
    else if (lane.bar !== null || event.attempt > 0) {
      const bar = this.ended(call, event, 'timeout');
      if (bar === null) return;
      bar.scope = event.reason ?? 'attempt';
      this.mayStillRun(bar);
    }
  }

  on_abandon(event, call) {
    const lane = this.laneOf(call, event);
    const known = this.abandoned.get(keyOf(call.id, event))?.find(({ tail }) => tail === null);
    let bar = known;
    if (bar === undefined) {
      bar = this.ended(call, event, 'aborted');
      if (bar === null) return;
      this.mayStillRun(bar);
    } else if (bar === lane.bar) {
      this.endBar(lane, 'aborted', event.time);
    }
    bar.tail = { start: bar.end, end: this.end, isOpen: true };
  }

  on_late(event, call) {
    const key = keyOf(call.id, event);
    const bar = this.abandoned.get(key)?.shift();
    if (bar === undefined) {
      this.strays.push(event);
      return;
    }
    bar.tail = { start: bar.end, end: Math.max(bar.end, event.time), isOpen: false };
  }

  on_abort(event, call) {
    this.marks.push(event);
    if (event.lane < 0) {
      call.abortedAt = event.time;
      this.cut(call, 'aborted', event.time);
    } else if (call.lane(event.lane).bar !== null) {
      this.mayStillRun(this.endBar(call.lane(event.lane), 'aborted', event.time));
    }
  }

  on_park(event, call) {
    if (event.job === -1 && event.lane < 0) return;
    const lane = call.lane(event.lane);
    if (lane.wait !== null) this.endWait(lane, event.time, false);
    this.addWait(lane, event, event.time);
  }

  on_wake(event, call) {
    if (event.job === -1 && event.lane < 0) return;
    const lane = call.lane(event.lane);
    if (lane.wait === null) {
      if (lane.bar !== null || lane.busyUntil >= event.time) return;
      this.addWait(lane, event, Math.max(this.begin, lane.busyUntil)).startsBefore = true;
    }
    this.endWait(lane, event.time, false);
  }

  on_yield(event) {
    this.marks.push(event);
  }

  on_block(event) {
    const last = this.blocks.at(-1);
    const start = Math.max(this.begin, event.time - (event.ms ?? 0), last?.end ?? 0);
    if (event.time > start) this.blocks.push({ start, end: event.time });
  }
}

function isOf(bar, event) {
  return bar !== null && bar.item === event.item && bar.attempt === event.attempt;
}

function keyOf(call, { item, attempt }) {
  return `${call}:${item}:${attempt}`;
}

// Calls of one name stand together once there are more of them than a reader would want to see one by one: a server makes
// thousands. Each call takes rows that are free while it lasts.
const APART = 3;

function groupsOf(calls) {
  const byName = new Map();
  for (const call of calls) {
    if (call.lanes.size === 0) continue;
    const namesakes = byName.get(call.name);
    if (namesakes === undefined) byName.set(call.name, [call]);
    else namesakes.push(call);
  }
  const groups = [];
  for (const [name, namesakes] of byName) {
    if (namesakes.length > APART) groups.push(packed(name, namesakes));
    else for (const call of namesakes) groups.push(apart(call));
  }
  return groups.sort((one, other) => one.start - other.start);
}

function sortedLanes(call) {
  return [...call.lanes.values()].sort((one, other) => one.number - other.number);
}

function spanOf(call) {
  let start = call.openedAt ?? Infinity;
  let end = call.closedAt ?? -Infinity;
  for (const { bars, waits } of call.lanes.values()) {
    for (const each of [bars, waits]) {
      if (each.length === 0) continue;
      start = Math.min(start, each[0].start);
      end = Math.max(end, each.at(-1).end);
    }
  }
  return { start, end };
}

function apart(call) {
  const rows = sortedLanes(call).map(({ number, bars, waits }) => ({ lane: number, bars, waits }));
  return { name: call.name, calls: [call], isSingle: false, rows, ...spanOf(call) };
}

function packed(name, calls) {
  const rows = [];
  const freeFrom = [];
  const spans = calls.map((call) => ({ call, ...spanOf(call) })).sort((one, other) => one.start - other.start);
  for (const { call, start, end } of spans) {
    const lanes = sortedLanes(call);
    let first = 0;
    for (let row = 0; row < first + lanes.length && row < rows.length; row++)
      if (freeFrom[row] > start) first = row + 1;
    lanes.forEach(({ bars, waits }, index) => {
      const row = (rows[first + index] ??= { lane: first + index, bars: [], waits: [] });
      for (const bar of bars) row.bars.push(bar);
      for (const wait of waits) row.waits.push(wait);
      freeFrom[first + index] = end;
    });
  }
  return {
    name,
    calls: spans.map(({ call }) => call),
    isSingle: calls.every(isOfOneItem),
    rows,
    start: spans[0].start,
    end: freeFrom.reduce((one, other) => Math.max(one, other)),
  };
}

/** What such a call did is known by the call: its item says nothing. */
function isOfOneItem({ lanes }) {
  let item = null;
  for (const { bars } of lanes.values()) {
    for (const bar of bars) {
      item ??= bar.item;
      if (bar.item !== item) return false;
    }
  }
  return true;
}

/**
 * { begin, end (ms), groups: [{ name, calls, isSingle, rows: [{ lane, bars, waits }], start, end }], calls: [Call], bars: [Bar],
 * waits: [Wait], blocks: [{ start, end }], marks: [event], strays: [event] }
 */
function timelineOf(recording) {
  const { begin, end, calls, bars, waits, blocks, marks, strays } = new Reader(recording).read();
  return {
    begin,
    end,
    groups: groupsOf(calls.values()),
    calls: [...calls.values()],
    bars,
    waits,
    blocks,
    marks,
    strays,
  };
}

module.exports = { timelineOf };
