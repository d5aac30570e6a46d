'use strict';

// Limits that all threads of the process share by name (src/uv/commons.c). Their permits and tokens are C's, all the time;
// what a thread has of them is a handle, which C frees with the thread at the latest.

const { I, D, enums, doubles, ints, operations, share, currentEngine, failure } = require('./engine');
const { sluiceError } = require('./errors');
const { readRate } = require('./policy');

const { SEMAPHORE_CLOSE, LIMITER_CLOSE } = operations;
const { ACTION, EVENT } = I;
const { COMMON_SEMAPHORE, COMMON_MUTEX, COMMON_LIMITER } = enums;

// A handle that nobody can reach any more is closed in C: who waits, or holds a permit that can still be released, reaches it.
const registry = new FinalizationRegistry(close);

function close({ kind, slot, generation, engine }) {
  if (engine !== currentEngine()) return;
  if (kind === COMMON_LIMITER) {
    ints[I.LIMITER] = slot;
    ints[I.LIMITER_GENERATION] = generation;
    LIMITER_CLOSE();
  } else {
    ints[I.SEMAPHORE] = slot;
    ints[I.SEMAPHORE_GENERATION] = generation;
    SEMAPHORE_CLOSE();
  }
}

function describe(kind, isOurs) {
  if (kind === COMMON_MUTEX) return 'a Mutex';
  if (kind === COMMON_SEMAPHORE) return `a Semaphore of ${permitsWritten()} permits`;
  const { max, per, burst } = isOurs ?? readRate();
  return `a RateLimiter of ${max} per ${per} ms${burst === 0 ? '' : ` with a burst of ${burst}`}`;
}

function permitsWritten() {
  const permits = doubles[D.PERMITS];
  return permits >= Number.MAX_SAFE_INTEGER ? Infinity : permits;
}

/**
 * Leases the limit of this name, on the terms in the mailbox (`rate`: the same, for an error). It is `line`'s until
 * letGo(), or until nobody can reach that.
 */
function lease(line, kind, name, rate) {
  const asked = describe(kind, rate);
  share(kind, name);
  const error = ints[ACTION];
  if (error === enums.EMISMATCH) {
    const message = `The shared name ${JSON.stringify(name)} stands for ${describe(ints[EVENT])}, not for ${asked}`;
    throw sluiceError('ERR_SLUICE_SHARED_MISMATCH', message);
  }
  if (error < 0) throw failure();
  const isLimiter = kind === COMMON_LIMITER;
  line.slot = ints[isLimiter ? I.LIMITER : I.SEMAPHORE];
  line.generation = ints[isLimiter ? I.LIMITER_GENERATION : I.SEMAPHORE_GENERATION];
  const { slot, generation } = line;
  line.lent = { kind, slot, generation, engine: currentEngine() };
  registry.register(line, line.lent, line.lent);
}

/** Nobody waits by it, and nothing of it is out. */
function letGo(line) {
  registry.unregister(line.lent);
  close(line.lent);
  line.lent = null;
}

module.exports = { lease, letGo };
