'use strict';

// What the document "Trace Event Format" demands of a file, as far as ours uses it. The reading of it in Perfetto's
// documentation is stricter about X: on one thread they must follow each other or nest, and so it is here.

const assert = require('node:assert/strict');

const PHASES = new Set(['X', 'i', 'b', 'e', 'C', 'M']);
const SCOPES = new Set(['g', 'p', 't']);
const METADATA = {
  process_name: 'name',
  thread_name: 'name',
  process_sort_index: 'sort_index',
  thread_sort_index: 'sort_index',
};

// The names that trace viewers have colours for.
const COLORS = new Set(
  `thread_state_uninterruptible thread_state_iowait thread_state_running thread_state_runnable thread_state_sleeping
  thread_state_unknown background_memory_dump light_memory_dump detailed_memory_dump vsync_highlight_color generic_work
  good bad terrible black grey white yellow olive rail_response rail_animation rail_idle rail_load startup
  heap_dump_stack_frame heap_dump_object_type heap_dump_child_node_arrow cq_build_running cq_build_passed cq_build_failed
  cq_build_abandoned cq_build_attempt_runnig cq_build_attempt_passed cq_build_attempt_failed`.split(/\s+/),
);

const nanoseconds = (us) => Math.round(us * 1000);

/** Throws where `text` is not what a viewer may expect; returns its events. */
function validated(text) {
  const file = JSON.parse(text);
  assert.ok(Array.isArray(file.traceEvents), 'the object form has traceEvents');
  assert.ok(['ms', 'ns'].includes(file.displayTimeUnit));
  const events = file.traceEvents;
  for (const event of events) checkEvent(event);
  checkNames(events);
  checkNesting(events.filter(({ ph }) => ph === 'X'));
  checkPairs(events.filter(({ ph }) => ph === 'b' || ph === 'e'));
  return events;
}

function checkEvent(event) {
  const { name, ph, pid, tid, ts, cat, args, cname } = event;
  const check = (isRight) => isRight || assert.fail(JSON.stringify(event));
  check(typeof name === 'string' && PHASES.has(ph));
  for (const number of [pid, tid]) check(Number.isInteger(number) && number > 0 && number < 2 ** 31);
  check(Number.isFinite(ts) && ts >= 0);
  check(cat === undefined || typeof cat === 'string');
  check(typeof args === 'object' && args !== null);
  check(cname === undefined || COLORS.has(cname));
  if (ph === 'X') check(Number.isFinite(event.dur) && event.dur >= 0);
  if (ph === 'i') check(SCOPES.has(event.s));
  if (ph === 'b' || ph === 'e') check(['number', 'string'].includes(typeof event.id) && typeof cat === 'string');
  if (ph === 'C') {
    const values = Object.values(args);
    check(values.length > 0 && values.every((value) => Number.isFinite(value) && value >= 0));
  }
  if (ph === 'M') {
    const argument = METADATA[name];
    check(argument !== undefined && typeof args[argument] === (argument === 'name' ? 'string' : 'number'));
  }
}

/** Each process, and each thread that something happens on, has a name, and only one. */
function checkNames(events) {
  const processes = new Set();
  const threads = new Set();
  for (const { ph, name, pid, tid } of events) {
    if (ph !== 'M') continue;
    const [set, key] = name === 'process_name' ? [processes, pid] : [threads, `${pid}:${tid}`];
    if (!name.endsWith('_name')) continue;
    assert.ok(!set.has(key), `${name} of ${key} is said twice`);
    set.add(key);
  }
  const processOf = new Map();
  for (const { ph, pid, tid } of events) {
    if (processOf.has(tid) && processOf.get(tid) !== pid) assert.fail(`thread ${tid} is in two processes`);
    processOf.set(tid, pid);
    if (!processes.has(pid)) assert.fail(`process ${pid} has no name`);
    if (ph === 'X' && !threads.has(`${pid}:${tid}`)) assert.fail(`thread ${pid}:${tid} has no name`);
  }
}

function checkNesting(slices) {
  const byThread = groupBy(slices);
  for (const each of byThread.values()) {
    const open = [];
    const sorted = each
      .map(({ ts, dur }) => ({ from: nanoseconds(ts), to: nanoseconds(ts) + nanoseconds(dur) }))
      .sort((one, other) => one.from - other.from || other.to - one.to);
    for (const { from, to } of sorted) {
      while (open.length > 0 && open.at(-1) <= from) open.pop();
      if (open.length > 0)
        assert.ok(to <= open.at(-1), `a slice from ${from} to ${to} overlaps one that ends at ${open.at(-1)}`);
      open.push(to);
    }
  }
}

function groupBy(slices) {
  const groups = new Map();
  for (const slice of slices) {
    const key = `${slice.pid}:${slice.tid}`;
    if (groups.has(key)) groups.get(key).push(slice);
    else groups.set(key, [slice]);
  }
  return groups;
}

function checkPairs(events) {
  const open = new Map();
  for (const { ph, cat, id, ts, pid } of events) {
    const key = `${pid}:${cat}:${id}`;
    if (ph === 'b') {
      assert.ok(!open.has(key), `${key} begins twice`);
      open.set(key, ts);
    } else {
      assert.ok(open.has(key) && open.get(key) <= ts, `${key} ends before it begins`);
      open.delete(key);
    }
  }
  assert.equal(open.size, 0, 'what begins also ends');
}

module.exports = { validated };
