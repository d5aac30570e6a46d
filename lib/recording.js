'use strict';

// What the recorder knows, as it was at one time, and the forms it can be read in.

const { invalidType, sluiceError } = require('./errors');

const VERSION = 1;

class Recording {
  constructor({ version = VERSION, startedAt, duration, lost, thread, pid, jobs, events }) {
    this.version = version;
    this.startedAt = startedAt;
    this.duration = duration;
    this.lost = lost;
    this.thread = thread;
    this.pid = pid;
    this.jobs = jobs;
    this.events = events;
  }

  /** Of what JSON.stringify() made of one, or dumpOnSignal() wrote. */
  static read(source) {
    const read = parsed(textOf(source));
    const wrong = mistakeIn(read);
    if (wrong !== null) throw unreadable(wrong);
    return new Recording(read);
  }

  // The forms are loaded when they are asked for: most programs never do.

  toChromeTrace() {
    return require('./recording-trace').traceOf(this);
  }

  toHTML(options = {}) {
    return require('./recording-page').pageOf(this, options);
  }

  toJSON() {
    const { version, startedAt, duration, lost, thread, pid, jobs, events } = this;
    return { version, startedAt, duration, lost, thread, pid, jobs, events };
  }
}

function unreadable(why) {
  return sluiceError('ERR_SLUICE_RECORDING', `This is no recording: ${why}`);
}

function textOf(source) {
  if (typeof source === 'string') return source;
  if (!ArrayBuffer.isView(source)) throw invalidType('source', 'a string or a Buffer', source);
  return Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString('utf8');
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable(`it is not JSON, or not all of it (${error.message})`);
  }
}

const isTime = (value) => Number.isFinite(value) && value >= 0;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isNumberOrNone = (value) => Number.isSafeInteger(value) && value >= -1;

const FIELDS = {
  startedAt: [Number.isFinite, 'a time in milliseconds'],
  duration: [isTime, 'a number of milliseconds'],
  lost: [isCount, 'a count'],
  thread: [isCount, 'a count'],
  pid: [isCount, 'a count'],
  jobs: [Array.isArray, 'a list'],
  events: [Array.isArray, 'a list'],
};
const JOB = {
  id: [isNumberOrNone, 'a number'],
  name: [(value) => typeof value === 'string', 'a string'],
  label: [(value) => value === undefined || typeof value === 'string', 'a string or absent'],
};
const EVENT = {
  time: [isTime, 'a number of milliseconds'],
  kind: [(value) => typeof value === 'string', 'a string'],
  job: [isNumberOrNone, 'a number or -1'],
  lane: [isNumberOrNone, 'a number or -1'],
  item: [isNumberOrNone, 'a number or -1'],
  attempt: [isCount, 'a count'],
  reason: [(value) => value === undefined || typeof value === 'string', 'a string or absent'],
  ms: [(value) => value === undefined || isTime(value), 'a number of milliseconds or absent'],
};

/** What is wrong with it, in words, or null. */
function mistakeIn(read) {
  if (!isObject(read)) return 'it is not an object';
  if (read.version !== VERSION)
    return `its version is ${JSON.stringify(read.version)}, and this package reads ${VERSION}`;
  const wrong = mistakeOf('', read, FIELDS);
  if (wrong !== null) return wrong;
  for (const [name, rules] of [
    ['jobs', JOB],
    ['events', EVENT],
  ]) {
    for (let index = 0; index < read[name].length; index++) {
      const entry = read[name][index];
      const mistake = isObject(entry)
        ? mistakeOf(`${name}[${index}].`, entry, rules)
        : `${name}[${index}] is no object`;
      if (mistake !== null) return mistake;
    }
  }
  return null;
}

function mistakeOf(where, object, rules) {
  for (const field in rules) {
    const [isRight, expected] = rules[field];
    if (!isRight(object[field])) return `${where}${field} is not ${expected}: ${short(object[field])}`;
  }
  return null;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function short(value) {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

module.exports = { Recording };
