'use strict';

// From events to what can be drawn: bars (attempts), waits, tails (abandoned attempts that still run), bands (the loop was
// kept from running), sorted into groups (calls) and rows (lanes).
//
//     start ───────── settle | fail | retry | timeout       the bar of an attempt
//                                             timeout ─ ─ ─ ─ late        its tail, where it was abandoned
//                               retry · · · · · · · start    a wait: park to wake, else from what `retry` said
//
// A late end that tells only the call, where several abandoned attempts of it still ran, is shown as the end of the one that
// was abandoned first, and says so (`isGuess`). Of those that outlived their call nobody hears (`isUnknown`).
//
// What runs or waits outside of calls (job -1: withTimeout, who waits in a line) is a call of its own here, each time, with
// a number below -1: else all of it would be one item.
//
// A ring forgets the oldest. So an end may come without its start: its bar begins where the recording begins, or where
// the lane was last busy, and says so (`startsBefore`). What has no end yet ends with the recording and says so, too
// (outcome `open`, `isOpen`). Every `start` is one bar; no bar is shorter than nothing; in a row bars do not overlap.

const { groupsOf } = require('./recording-rows');

const OUTSIDE = -2; // the number of the first thing outside of calls; the next ones lie below
// Without a call and a lane only these make sense.
const OF_NOBODY = new Set(['block', 'abort', 'late', 'yield']);
const FIRST_WAITER = 2 ** 31; // the recorder counts lanes of waiters from here

class Bar {
  constructor(call, event, start) {
    this.call = call;
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
    this.tail = null; // a Tail
  }
}

class Tail {
  constructor(start, end) {
    this.start = start;
    this.end = end;
    this.isOpen = true; // it still ran at the end of the recording
    this.isUnknown = false; // nobody knows for how long
    this.isGuess = false; // another one may have ended then
  }
}

class Wait {
  constructor(call, event, start) {
    this.call = call;
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
  constructor(call, number) {
    this.call = call; // its number
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
    this.name = name || `call ${id}`;
    this.label = label;
    this.openedAt = null;
    this.closedAt = null;
    this.reason = null; // of the close
    this.abortedAt = null;
    this.lanes = new Map();
    this.tails = []; // of abandoned attempts that have not ended, oldest first
  }

  lane(number) {
    let lane = this.lanes.get(number);
    if (lane === undefined) this.lanes.set(number, (lane = new Lane(this.id, number)));
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
    this.outside = new Map(); // lane -> what runs or waits there outside of calls
    this.bars = [];
    this.waits = [];
    this.blocks = [];
    this.marks = []; // yields and aborts
    this.strays = []; // late ends whose attempt was overwritten
    this.abandoned = new Map(); // "call:item:attempt" -> bars that may still run, oldest first
    this.outsiders = 0;
    this.nobody = new Call(-1, { name: 'outside of calls' });
  }

  read() {
    for (const event of this.events) {
      const call = event.job === -1 ? this.callOutside(event) : this.call(event.job);
      if (call !== this.nobody || OF_NOBODY.has(event.kind)) this[`on_${event.kind}`]?.(event, call);
    }
    for (const call of this.calls.values()) {
      for (const lane of call.lanes.values()) {
        if (lane.bar !== null) this.endBar(lane, 'open', this.end);
        if (lane.wait !== null) this.endWait(lane, this.end, true);
      }
    }
    return this;
  }

  call(id, named = this.names.get(id)) {
    let call = this.calls.get(id);
    if (call === undefined) this.calls.set(id, (call = new Call(id, named)));
    return call;
  }

  /** What stands for a call where there is none: from a start, or a park, on that lane until the next. */
  callOutside({ kind, lane }) {
    if (lane < 0) return this.nobody;
    let call = this.outside.get(lane);
    if (kind === 'start' || kind === 'park' || call === undefined) {
      const name = lane < FIRST_WAITER ? 'withTimeout' : 'waiting outside of calls';
      call = this.call(OUTSIDE - this.outsiders++, { name });
      this.outside.set(lane, call);
    }
    return call;
  }

  /** The lane an event speaks of: late news of an attempt may not have one. */
  laneOf(call, event) {
    if (event.lane >= 0) return call.lane(event.lane);
    for (const lane of call.lanes.values()) if (isOf(lane.bar, event)) return lane;
    return call.lane(-1);
  }

  addBar(lane, event, start) {
    const bar = new Bar(lane.call, event, start);
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
      if (lane.last.wasCut && lane.busyUntil === lane.last.end && (outcome === 'fulfilled' || outcome === 'failed')) {
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
    const wait = new Wait(lane.call, event, Math.max(start, lane.bar === null ? lane.busyUntil : start));
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
    for (const bar of call.tails.splice(0)) this.loseSight(bar, event.time);
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
    let bar = this.abandoned.get(keyOf(call.id, event))?.find(({ tail }) => tail === null);
    if (bar === undefined) {
      bar = this.ended(call, event, 'aborted');
      if (bar === null) return;
      this.mayStillRun(bar);
    } else if (bar === lane.bar) {
      this.endBar(lane, 'aborted', event.time);
    }
    bar.tail = new Tail(bar.end, this.end);
    if (call.closedAt !== null || call.id < 0) this.loseSight(bar, bar.end);
    else call.tails.push(bar);
  }

  /** Nobody will tell when it ends. */
  loseSight({ tail }, time) {
    tail.end = Math.max(tail.start, time);
    tail.isOpen = false;
    tail.isUnknown = true;
  }

  on_late(event, call) {
    const bar = event.attempt > 0 ? this.abandoned.get(keyOf(call.id, event))?.shift() : call.tails[0];
    if (bar === undefined) {
      this.strays.push(event);
      return;
    }
    const isGuess = event.attempt === 0 && call.tails.length > 1;
    call.tails = call.tails.filter((each) => each !== bar);
    bar.tail = new Tail(bar.end, Math.max(bar.end, event.time));
    bar.tail.isOpen = false;
    bar.tail.isGuess = isGuess;
  }

  on_abort(event, call) {
    this.marks.push(event);
    if (event.lane < 0) {
      call.abortedAt = event.time;
      this.cut(call, 'aborted', event.time);
      return;
    }
    const lane = call.lane(event.lane);
    if (lane.bar !== null) this.mayStillRun(this.endBar(lane, 'aborted', event.time));
    else if (lane.wait !== null) this.endWait(lane, event.time, false);
  }

  on_park(event, call) {
    const lane = call.lane(event.lane);
    if (lane.wait !== null) this.endWait(lane, event.time, false);
    this.addWait(lane, event, event.time);
  }

  on_wake(event, call) {
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
