'use strict';

// The flight recorder: what C keeps in its ring (src/core/recorder.h), as plain data.

const { constants } = require('node:os');
const path = require('node:path');
const { getSystemErrorName } = require('node:util');
const { threadId } = require('node:worker_threads');

const { recorder: native } = require('./engine');
const { outOfRange, sluiceError } = require('./errors');
const observing = require('./observing');
const options = require('./options');
const { Recording } = require('./recording');

// Copies: see engine.js.
const kinds = [...native.kinds];
const reasons = [...native.reasons];
const COLUMNS = { ...native.columns };

const EVENTS = 65_536;
const EVENTS_MAX = 2 ** 21; // a snapshot of as many takes 300 MB of the heap
const KEYS = new Set(['events']);

function start(given) {
  const asked = { events: EVENTS };
  if (given !== undefined) options.readEach(asked, given, 'options', KEYS, readField);
  native.start(asked.events, Date.now(), threadId, process.pid);
  observing.set('isRecording', true);
}

function readField(asked, key, value, owner) {
  if (key !== 'events') return false;
  asked.events = options.integer(key, value, owner, 1, EVENTS_MAX);
  return true;
}

function stop() {
  observing.set('isRecording', false);
  native.stop();
}

function snapshot() {
  const taken = native.snapshot();
  if (taken === null)
    throw sluiceError('ERR_SLUICE_NOT_RECORDING', 'Nothing was recorded: recorder.start() comes first');
  const { startedAt, duration, lost, thread, pid } = taken;
  const jobs = new Jobs();
  const events = eventsOf(taken.rows, taken.count, jobs);
  return new Recording({ version: 1, startedAt, duration, lost, thread, pid, jobs: jobs.list, events });
}

// Jobs by their handle, numbered in the order in which they appear.
class Jobs {
  constructor() {
    this.ids = new Map();
    this.list = [];
  }

  idOf(slot, generation) {
    if (generation === 0) return -1;
    const handle = generation * 2 ** 32 + slot;
    const key = Number.isSafeInteger(handle) ? handle : `${slot}/${generation}`;
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.list.length;
      this.ids.set(key, id);
      this.list.push({ id, name: native.nameOf(slot, generation) });
    }
    return id;
  }
}

function eventsOf(rows, count, jobs) {
  const events = new Array(count);
  for (let i = 0; i < count; i++) events[i] = eventOf(rows, i * COLUMNS.Columns, jobs);
  return events;
}

function eventOf(rows, row, jobs) {
  const event = {
    time: rows[row + COLUMNS.Time],
    kind: kinds[rows[row + COLUMNS.Kind]],
    job: jobs.idOf(rows[row + COLUMNS.Slot], rows[row + COLUMNS.Generation]),
    lane: rows[row + COLUMNS.Lane],
    item: rows[row + COLUMNS.Item],
    attempt: rows[row + COLUMNS.Attempt],
  };
  const reason = reasons[rows[row + COLUMNS.Reason]];
  if (reason !== '') event.reason = reason;
  const value = rows[row + COLUMNS.Value];
  if (value >= 0) event.ms = value;
  return event;
}

// Not to be had: those that nobody can catch, the inspector's, the profiler's and libuv's own, and those that say that the
// process is broken.
const TAKEN = new Set(['SIGKILL', 'SIGSTOP', 'SIGUSR1', 'SIGPROF', 'SIGVTALRM', 'SIGCHLD', 'SIGPIPE', 'SIGTRAP']);
for (const signal of ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSYS', 'SIGABRT', 'SIGIOT']) TAKEN.add(signal);

/** A file that is there, whole, soon after each such signal: also while JavaScript is stuck. */
function dumpOnSignal(signal, file) {
  const number = numberOf(options.string('signal', signal));
  const target = path.resolve(options.text('file', file));
  if (target.includes('\0')) throw outOfRange('file', 'a path, without a NUL', file);
  let dump = native.dump(number, target);
  if (dump < 0) {
    const code = getSystemErrorName(dump);
    throw Object.assign(new Error(`dumpOnSignal(${signal}): ${code}`), { code });
  }
  const stopDump = () => {
    if (dump >= 0) native.stopDump(dump);
    dump = -1;
  };
  return { stop: stopDump, [Symbol.dispose]: stopDump };
}

function numberOf(signal) {
  const number = Object.hasOwn(constants.signals, signal) ? constants.signals[signal] : undefined;
  if (number !== undefined && !TAKEN.has(signal)) return number;
  const expected = 'the name of a signal that is free to be used, as SIGUSR2 or SIGHUP are';
  throw outOfRange('signal', expected, signal);
}

const recorder = {
  start,
  stop,
  snapshot,
  dumpOnSignal,

  toChromeTrace: () => snapshot().toChromeTrace(),
  toHTML: (given) => snapshot().toHTML(given),

  get isRecording() {
    return observing.isRecording;
  },
};

module.exports = { recorder };
