'use strict';

// Which of the functions that were handed to us is on the stack: words that the watchdog's thread reads while JavaScript
// is stuck (src/uv/watchdog.h, struct sluice_running). All but the first is written only while somebody watches.
//
// A call of a mapper pays for two stores, always (lane.js): which lane's it is, and that it is over. Of which job that
// lane is, and at which attempt, is noted where C has answered START; the items of a granted run, which come without an
// answer, are in the grants' words.

const { names } = require('./binding');
const { nameJob } = require('./engine');
const { nameOf } = require('./names');

const { ON_STACK, CALL, IS_DEBUGGED, ROWS, rowCount, rowWords, bytes } = { ...names.running };
const memory = new ArrayBuffer(bytes);
const live = new Int32Array(memory);
const doubles = new Float64Array(memory);

// Of calls that are no jobs: no job has this slot. They have a number where a job has a generation.
const NO_JOB = -1;
// Less than C keeps names for: one in use is not to be pushed out.
const CALLS_OF_ONE_NAME = 1000;

let latestName;
let latestNumber = 0;
let callsOfName = 0;

/** A lane starts an attempt. */
function note({ slot, job, index, attempt }) {
  const row = ROWS + (slot % rowCount) * rowWords;
  live[row] = slot + 1;
  live[row + 1] = job.slot;
  live[row + 2] = job.generation;
  live[row + 3] = attempt;
  doubles[(row + 4) >> 1] = index;
}

/** Calls the function of a call that is no job. */
function call(fn, context, label, api) {
  const name = nameOf({ label, named: fn, api });
  if (name !== latestName || ++callsOfName > CALLS_OF_ONE_NAME) {
    latestName = name;
    callsOfName = 0;
    latestNumber = (latestNumber + 1) | 0;
    nameJob(NO_JOB, latestNumber, name);
  }
  const outer = live[ON_STACK];
  const outerCall = live[CALL];
  live[CALL] = latestNumber;
  live[ON_STACK] = NO_JOB;
  try {
    return fn(context);
  } finally {
    live[CALL] = outerCall;
    live[ON_STACK] = outer;
  }
}

function setDebugged(isDebugged) {
  live[IS_DEBUGGED] = isDebugged ? 1 : 0;
}

module.exports = { ON_STACK, call, live, memory, note, setDebugged };
