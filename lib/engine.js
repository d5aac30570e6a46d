'use strict';

// The mailbox, seen from JavaScript: the words, the operations, and what time brings. See docs/architecture.md.

const binding = require('./binding');
const observing = require('./observing');

const { errors, bytes, grants } = binding.names;
// Copies: an object filled from C is a hash table to V8, and reading it costs as much as a crossing.
const I = { ...binding.names.ints };
const D = { ...binding.names.doubles };
const enums = { ...binding.names.enums };
const memory = new ArrayBuffer(bytes);
const ints = new Int32Array(memory);
const doubles = new Float64Array(memory);
const { operations, share, note, ...forTests } = binding.attach(memory, drain);

// The words without the grants: the answer of the latest operation.
const words = new Int32Array(memory, 0, grants.jobs);

// Answers that are kept, the latest last: each is put back before another is kept above it, or behind it. (A fresh copy
// for each would be 512 bytes outside the heap: a third of the cost of four calls under one semaphore.)
const kept = [];
let keptCount = 0;

/** Where user code may run before an answer is read: putBack() makes what was kept the answer again. */
function keepAnswer() {
  if (keptCount === kept.length) kept.push(new Int32Array(words.length));
  kept[keptCount++].set(words);
}

function putBack() {
  words.set(kept[--keptCount]);
}

// Who is told when time brings something, by the number C knows them by. Lanes are listed only while C holds a deadline
// or a parked entry for them, so that nothing here keeps alive what nobody waits for.
const lanes = [];
const jobs = [];
const waiters = [];

const { NEXT, HAND } = operations;
const { LANE, EVENT, JOB, ACTION, HANDED } = I;
const { ELAPSED, LOOP_BLOCKED } = D;

// Called by the driver once per batch, and by nobody else. Each answer is a fresh decision: what one listener does may
// change the next.
function drain() {
  do NEXT();
  while (deliver());
}

/** The same for what an operation has brought: whoever waited for a permit goes on in the same turn. */
function handOver() {
  while (ints[HANDED] !== 0) {
    HAND();
    deliver();
  }
}

/** Tells whom the answer in the mailbox is about. @returns whether there was anybody */
function deliver() {
  switch (ints[EVENT]) {
    case enums.EVENT_NONE:
      return false;
    case enums.EVENT_RESUMED:
      lanes[ints[LANE]].onResumed();
      break;
    case enums.EVENT_GRANTED:
      takeWaiter().onGranted(doubles[ELAPSED]);
      break;
    case enums.EVENT_TIMED_OUT:
    case enums.EVENT_ITEM:
    case enums.EVENT_OUTLIVED:
    case enums.EVENT_ITEM_OUTLIVED:
    case enums.EVENT_EXPIRED:
    case enums.EVENT_SLEPT:
      takeLane(ints[LANE]).onTime(ints[EVENT], doubles[ELAPSED], doubles[LOOP_BLOCKED]);
      break;
    case enums.EVENT_TOTAL:
      jobs[ints[JOB]].onTotal(doubles[ELAPSED], doubles[LOOP_BLOCKED]);
      break;
    case enums.EVENT_PROGRESS:
      jobs[ints[JOB]].onProgress();
      break;
    case enums.EVENT_ROOM:
      jobs[ints[JOB]].onRoom();
      break;
    case enums.EVENT_OVERTIME:
      takeWaiter().onOvertime(doubles[ELAPSED], doubles[LOOP_BLOCKED]);
      break;
    case enums.EVENT_REFUSED:
      takeWaiter().onRefused();
      break;
    case enums.EVENT_SHUT:
      takeWaiter().onShut();
      break;
  }
  return true;
}

function takeWaiter() {
  const number = ints[LANE];
  const waiter = waiters[number];
  waiters[number] = null;
  return waiter;
}

function takeLane(number) {
  const lane = lanes[number];
  lanes[number] = null;
  return lane;
}

/** The word of a job's grant, or -1: such a job is never granted anything. */
function grantWordOfJob(slot) {
  return slot < grants.jobCount ? grants.jobs + slot : -1;
}

/** The word a lane of a granted job writes its item to, or -1: such a lane asks each time. */
function grantWordOfLane(slot) {
  return slot < grants.laneCount ? grants.lanes + slot : -1;
}

/** Tells C what became of a lane's attempt or pull; the answer is in the mailbox. */
function step(lane, outcome) {
  ints[LANE] = lane.slot;
  ints[I.LANE_GENERATION] = lane.generation;
  ints[I.OUTCOME] = outcome;
  operations.STEP();
}

/** Milliseconds to the first of the timeouts that a lane's attempt, or a guard, is under; 0 where none is open. */
function remaining(lane) {
  ints[LANE] = lane.slot;
  ints[I.LANE_GENERATION] = lane.generation;
  operations.REMAINING();
  return ints[ACTION] < 0 ? 0 : doubles[D.REMAINING];
}

/** The driver's clock, in milliseconds. */
function clock() {
  operations.CLOCK();
  return doubles[D.NOW] / 1e6;
}

/** An operation that failed did nothing. Out of memory is the only failure that correct code sees. */
function failure() {
  const error = new Error(`sluice: ${errors[ints[ACTION]] ?? ints[ACTION]}`);
  error.code = 'ERR_SLUICE_ENGINE';
  return error;
}

// What is given back late, by the garbage collector, must not reach the engine that a rehearsal has put in the place of
// its own: the same names have another meaning there.
let engineNumber = 0;

function currentEngine() {
  return engineNumber;
}

function rehearse(...args) {
  forTests.rehearse(...args);
  observing.set('isRecording', false);
  engineNumber++;
}

// For tests: usage(), rehearse() and recorded(); and drain(), which the driver calls by itself, on virtual time.
module.exports = {
  I,
  D,
  enums,
  ints,
  doubles,
  operations,
  share,
  note,
  lanes,
  jobs,
  waiters,
  deliver,
  handOver,
  grantWordOfJob,
  grantWordOfLane,
  clock,
  failure,
  remaining,
  step,
  keepAnswer,
  putBack,
  drain,
  currentEngine,
  ...forTests,
  rehearse,
};
