'use strict';

// A recording in the Trace Event Format, as Perfetto and chrome://tracing read it (its definition is the document "Trace
// Event Format" of the Chromium project).
//
//     a call                      a process, so that it folds; its number is made up, and 1 is what belongs to no call
//     a lane                      a thread of it; the numbers of threads differ over all processes, and none is 0: Perfetto
//                                 has taken equal ones for one thread, and 0 for 1
//     an attempt, a wait          X, with ts and dur; on one thread they follow each other or nest, as the format demands
//     an abandoned attempt        b and e: it overlaps what its lane does next, which only async events may
//     retry, timeout, abort, ...  i, with the scope s
//     how much runs at once       C, one counter a call
//
// Times are microseconds with three decimals. All are whole nanoseconds first: a sum of two rounded numbers that ended
// beyond the next one's start would be an overlap.

const { timelineOf } = require('./recording-timeline');

const LOOP = 1; // the process of what belongs to no call; a process's first thread has its number, as a main thread has

const WORDS = {
  fulfilled: 'fulfilled',
  retried: 'failed, and tried again',
  failed: 'failed',
  timeout: 'timed out',
  aborted: 'aborted',
  open: 'still open at the end of the recording',
};

// Names that the viewers have colours for; they know no others.
const COLORS = {
  fulfilled: 'good',
  retried: 'bad',
  failed: 'terrible',
  timeout: 'detailed_memory_dump',
  aborted: 'grey',
  open: 'rail_response',
  backoff: 'thread_state_iowait',
  rate: 'thread_state_runnable',
  limit: 'thread_state_sleeping',
};

const nanoseconds = (ms) => Math.round(ms * 1e6);
const micro = (ns) => ns / 1000;

class Trace {
  constructor(recording, timeline) {
    this.timeline = timeline;
    this.recording = recording;
    this.labels = new Map(recording.jobs.map(({ id, label }) => [id, label]));
    this.events = [];
    this.nextId = 1;
    this.nextThread = LOOP + 1 + timeline.groups.length;
    this.threads = new Map(); // row -> its thread's number
  }

  push(ph, pid, tid, name, ns, more) {
    this.events.push({ name, ph, ts: micro(ns), pid, tid, ...more });
  }

  meta(name, pid, tid, args) {
    this.events.push({ name, ph: 'M', ts: 0, pid, tid, cat: '__metadata', args });
  }

  complete(pid, tid, name, cat, start, end, cname, args) {
    this.push('X', pid, tid, name, start, { cat, dur: micro(end - start), ...(cname && { cname }), args });
  }

  instant(pid, tid, name, ms, s, args) {
    this.push('i', pid, tid, name, nanoseconds(ms), { cat: 'decision', s, args });
  }

  loop() {
    const { recording, timeline } = this;
    const { thread, pid } = recording;
    this.meta('process_name', LOOP, LOOP, { name: `event loop (pid ${pid}, thread ${thread})` });
    this.meta('process_sort_index', LOOP, LOOP, { sort_index: 0 });
    this.meta('thread_name', LOOP, LOOP, { name: 'blocked' });
    this.meta('thread_sort_index', LOOP, LOOP, { sort_index: 1 });
    for (const { start, end } of timeline.blocks) {
      const [from, to] = [nanoseconds(start), nanoseconds(end)];
      this.complete(LOOP, LOOP, 'loop blocked', 'block', from, to, 'terrible', { ms: end - start });
    }
    if (recording.lost > 0) {
      this.instant(LOOP, LOOP, `${recording.lost} events before this were overwritten`, timeline.begin, 'g', {
        lost: recording.lost,
      });
    }
    for (const event of timeline.strays) {
      const { job, item, attempt } = event;
      this.instant(LOOP, LOOP, 'late end of an attempt from before the recording', event.time, 'p', {
        job,
        item,
        attempt,
      });
    }
  }

  group(group, pid) {
    const { name, calls, rows } = group;
    const which = calls.length > 1 || calls[0].id < 0 ? plural(calls.length) : `call ${calls[0].id}`;
    const label = `${name} (${which})`;
    this.meta('process_name', pid, pid, { name: label });
    this.meta('process_sort_index', pid, pid, { sort_index: pid });
    this.meta('thread_name', pid, pid, { name: 'begin and end' });
    this.meta('thread_sort_index', pid, pid, { sort_index: pid });
    for (const call of calls) this.call(call, pid);
    for (const row of rows) {
      const tid = this.nextThread++;
      this.threads.set(row, tid);
      this.meta('thread_name', pid, tid, { name: row.lane < 0 ? 'the call' : `lane ${row.lane}` });
      this.meta('thread_sort_index', pid, tid, { sort_index: tid });
      this.row(row, pid, tid);
    }
    this.counter(rows, pid);
  }

  call(call, pid) {
    const args = { call: call.id, name: call.name, ...(call.label !== undefined && { label: call.label }) };
    if (call.openedAt !== null) this.instant(pid, pid, 'call opened', call.openedAt, 'p', args);
    if (call.abortedAt !== null) this.instant(pid, pid, 'call aborted', call.abortedAt, 'p', args);
    if (call.closedAt !== null)
      this.instant(pid, pid, 'call closed', call.closedAt, 'p', { ...args, reason: call.reason });
  }

  row({ bars, waits }, pid, tid) {
    const slices = [...bars.map((bar) => ({ bar, ...bar })), ...waits.map((wait) => ({ wait, ...wait }))];
    slices.sort((one, other) => one.start - other.start || one.end - other.end);
    let free = 0; // the end of the slice before: none may begin earlier, by not even a rounding
    for (const { bar, wait, start, end } of slices) {
      const from = Math.max(free, nanoseconds(start));
      const to = Math.max(from, nanoseconds(end));
      free = to;
      if (bar !== undefined) this.attempt(bar, pid, tid, from, to);
      else this.wait(wait, pid, tid, from, to);
    }
  }

  attempt(bar, pid, tid, from, to) {
    const args = this.argsOf(bar);
    this.complete(pid, tid, nameOf(bar), `attempt,${bar.outcome}`, from, to, COLORS[bar.outcome], args);
    const { call, item, attempt } = bar;
    const what = { call, item, attempt };
    if (bar.scope !== null) this.instant(pid, tid, `timeout (${bar.scope})`, bar.end, 't', what);
    if (bar.delay !== null) this.instant(pid, tid, 'retry', bar.end, 't', { ...what, delay: bar.delay });
    if (bar.tail === null) return;
    const cat = 'abandoned';
    const id = this.nextId++;
    const name = `${nameOf(bar)}, abandoned`;
    const begin = nanoseconds(bar.tail.start);
    const end = Math.max(begin, nanoseconds(bar.tail.end));
    this.push('b', pid, tid, name, begin, { cat, id, args: { ...what, ...tailArgs(bar.tail) } });
    this.push('e', pid, tid, name, end, { cat, id, args: {} });
    if (!bar.tail.isOpen && !bar.tail.isUnknown) this.instant(pid, tid, 'late end', bar.tail.end, 't', what);
  }

  argsOf(bar) {
    const label = this.labels.get(bar.call);
    const args = {
      call: bar.call,
      item: bar.item,
      attempt: bar.attempt,
      outcome: bar.outcome,
      means: WORDS[bar.outcome],
    };
    if (label !== undefined) args.label = label;
    if (bar.delay !== null) args.delay = bar.delay;
    if (bar.scope !== null) args.scope = bar.scope;
    if (bar.startsBefore) args.startsBeforeRecording = true;
    if (bar.outcome === 'open') args.isOpenAtEnd = true;
    return args;
  }

  wait(wait, pid, tid, from, to) {
    const { call, item, attempt, reason } = wait;
    const args = { call, item, attempt, reason };
    if (wait.startsBefore) args.startsBeforeRecording = true;
    if (wait.isOpen) args.isOpenAtEnd = true;
    this.complete(pid, tid, `waits: ${reason}`, `wait,${reason}`, from, to, COLORS[reason], args);
  }

  /** One event at each time at which a number changes. */
  counter(rows, pid) {
    const changes = [];
    for (const { bars } of rows) {
      for (const bar of bars) {
        changes.push([nanoseconds(bar.start), 1, 0], [nanoseconds(bar.end), -1, 0]);
        if (bar.tail !== null) changes.push([nanoseconds(bar.tail.start), 0, 1], [nanoseconds(bar.tail.end), 0, -1]);
      }
    }
    changes.sort((one, other) => one[0] - other[0]);
    let running = 0;
    let abandoned = 0;
    changes.forEach(([time, started, left], index) => {
      running += started;
      abandoned += left;
      if (changes[index + 1]?.[0] === time) return;
      this.push('C', pid, pid, 'attempts', time, { cat: 'concurrency', args: { running, abandoned } });
    });
  }

  marks(pidOf) {
    for (const { time, kind, job, lane, item } of this.timeline.marks) {
      const [pid, tid] = pidOf(job, lane);
      if (kind === 'yield' || lane >= 0) this.instant(pid, tid, kind, time, 't', { call: job, item });
    }
  }
}

function plural(calls) {
  return calls === 1 ? '1 call' : `${calls} calls`;
}

function tailArgs({ isOpen, isUnknown, isGuess }) {
  return {
    ...(isOpen && { isOpenAtEnd: true }),
    ...(isUnknown && { endIsUnknown: true }),
    ...(isGuess && { endMayBeAnothers: true }),
  };
}

function nameOf({ item, attempt, call }) {
  const what = item >= 0 ? `item ${item}` : call < 0 ? 'attempt' : `call ${call}`;
  return attempt > 1 ? `${what}, attempt ${attempt}` : what;
}

function traceOf(recording) {
  const timeline = timelineOf(recording);
  const trace = new Trace(recording, timeline);
  trace.loop();
  const places = new Map(); // "call:lane" -> [pid, tid]
  timeline.groups.forEach((group, index) => {
    const pid = LOOP + 1 + index;
    trace.group(group, pid);
    for (const row of group.rows) {
      const tid = trace.threads.get(row);
      for (const { call, lane } of [...row.bars, ...row.waits]) places.set(`${call}:${lane}`, [pid, tid]);
    }
  });
  trace.marks((call, lane) => places.get(`${call}:${lane}`) ?? [LOOP, LOOP]);
  const { startedAt, duration, lost, pid, thread, version } = recording;
  return JSON.stringify({
    traceEvents: trace.events,
    displayTimeUnit: 'ms',
    otherData: {
      producer: 'sluice',
      version,
      startedAt: new Date(startedAt).toISOString(),
      duration,
      lost,
      pid,
      thread,
    },
  });
}

module.exports = { traceOf };
