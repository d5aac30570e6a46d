'use strict';

// Which of the functions that were handed to us is on the stack: words that the watchdog's thread reads while JavaScript
// is stuck (src/uv/watchdog.h). They are only written while somebody watches.

const { names } = require('./binding');
const { nameJob } = require('./engine');
const { nameOf } = require('./names');

const { bytes, ...words } = names.running;
const { IS_RUNNING, SLOT, GENERATION, ATTEMPT, ITEM, IS_DEBUGGED } = { ...words };
const memory = new ArrayBuffer(bytes);
const ints = new Int32Array(memory);
const doubles = new Float64Array(memory);

// Of calls that are no jobs: no job has this slot. They have a number where a job has a generation.
const NO_JOB = -1;
// As many names as C keeps; a name in use is not to be pushed out.
const CALLS_OF_ONE_NAME = 1000;

let latestName;
let latestNumber = 0;
let callsOfName = 0;

class Outer {
  constructor() {
    this.slot = ints[SLOT];
    this.generation = ints[GENERATION];
    this.item = doubles[ITEM];
    this.attempt = ints[ATTEMPT];
  }
}

/** @returns what was on the stack before, for leave(): one mapper may begin another's job */
function enter(slot, generation, item, attempt) {
  const outer = ints[IS_RUNNING] === 0 ? null : new Outer();
  write(slot, generation, item, attempt);
  return outer;
}

function leave(outer) {
  if (outer === null) ints[IS_RUNNING] = 0;
  else write(outer.slot, outer.generation, outer.item, outer.attempt);
}

function write(slot, generation, item, attempt) {
  ints[SLOT] = slot;
  ints[GENERATION] = generation;
  doubles[ITEM] = item;
  ints[ATTEMPT] = attempt;
  ints[IS_RUNNING] = 1;
}

/** Calls the function of a call that is no job. */
function call(fn, context, label, api) {
  const name = nameOf({ label, named: fn, api });
  if (name !== latestName || ++callsOfName > CALLS_OF_ONE_NAME) {
    latestName = name;
    callsOfName = 0;
    latestNumber++;
    nameJob(NO_JOB, latestNumber, name);
  }
  const outer = enter(NO_JOB, latestNumber, context.index, context.attempt);
  try {
    return fn(context);
  } finally {
    leave(outer);
  }
}

function setDebugged(isDebugged) {
  ints[IS_DEBUGGED] = isDebugged ? 1 : 0;
}

module.exports = { call, enter, leave, memory, setDebugged };
