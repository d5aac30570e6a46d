'use strict';

// What ends a call from outside: its time, and its signal. Whichever comes first is told to the owner, once, in the async
// context of the call.

const { I, D, ints, doubles, operations, lanes, failure, remaining } = require('./engine');
const { TimeoutError } = require('./errors');
const options = require('./options');
const { resourceHere } = require('./resource');
const signals = require('./signals');

const { GUARD, RELEASE } = operations;
const { LANE, LANE_GENERATION, ACTION, FLAGS } = I;

class Bounds {
  constructor(owner, { signal, totalTimeout, label }) {
    this.owner = owner; // its onBound(error) is called
    this.timeout = totalTimeout;
    this.label = label;
    this.slot = -1; // no deadline is open
    this.generation = 0;
    this.isTimedOut = false;
    this.membership = signal === undefined ? null : signals.join(signal, this);
    this.resource = resourceHere();
  }

  arm() {
    doubles[D.TIMEOUT] = this.timeout;
    ints[FLAGS] = 0;
    GUARD();
    if (ints[ACTION] < 0) throw failure();
    this.slot = ints[LANE];
    this.generation = ints[LANE_GENERATION];
    lanes[this.slot] = this;
  }

  /** Nobody is told any more. May be called any number of times. */
  close() {
    if (this.owner === null) return;
    this.detach();
    this.resource.emitDestroy();
  }

  detach() {
    this.owner = null;
    this.membership?.leave();
    if (this.slot < 0) return;
    lanes[this.slot] = null;
    ints[LANE] = this.slot;
    ints[LANE_GENERATION] = this.generation;
    RELEASE();
    this.slot = -1;
  }

  /** Milliseconds; Infinity where there is no time to be over. */
  remaining() {
    if (this.timeout === Infinity) return Infinity;
    return this.slot < 0 ? 0 : remaining(this);
  }

  onTime(_event, elapsed, loopBlocked) {
    this.slot = -1; // C has closed it
    this.isTimedOut = true;
    this.end(new TimeoutError('total', this.timeout, { elapsed, loopBlocked, label: this.label }));
  }

  onAbort(reason) {
    this.end(reason);
  }

  end(error) {
    const { owner, resource } = this;
    this.detach();
    resource.runInAsyncScope(tell, undefined, owner, error);
    resource.emitDestroy();
  }
}

function tell(owner, error) {
  owner.onBound(error);
}

/** @returns null where nothing bounds it; throws where there is no memory for it */
function boundsOf(owner, request) {
  if (request.signal === undefined && request.totalTimeout === Infinity) return null;
  const bounds = new Bounds(owner, request);
  if (request.totalTimeout === Infinity) return bounds;
  try {
    bounds.arm();
  } catch (error) {
    bounds.close();
    throw error;
  }
  return bounds;
}

/** @returns { error, isLate }, where the signal, or else the time, says that nothing is to be started any more */
function overAlready({ signal, totalTimeout, label }) {
  if (signal !== undefined && signal.aborted) return { error: signal.reason, isLate: false };
  if (totalTimeout > 0) return undefined;
  const error = new TimeoutError('total', totalTimeout, { elapsed: 0, loopBlocked: 0, label });
  return { error, isLate: true };
}

const KEYS = ['signal', 'totalTimeout', 'label'];

/** The options that make a Request: to be handed to options.readEach(). */
function readBoundsField(request, key, value, owner) {
  return KEYS.includes(key) && options.readCommonField(request, key, value, owner);
}

// What is asked for.
class Request {
  constructor() {
    this.signal = undefined;
    this.totalTimeout = Infinity;
    this.label = undefined;
  }
}

module.exports = { KEYS, Request, boundsOf, overAlready, readBoundsField };
