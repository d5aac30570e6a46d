'use strict';

// withResource: what was acquired is released, whatever comes in between.
//
//   acquiring   -> using -> releasing        one async function, from top to bottom
//       |            |
//      end          end                      from outside: the time, or the signal
//       |            +-> released at once, and awaited; what the use comes to is nobody's business any more
//       +-> the call is over; the resource is released when it arrives, if it does
//
// What was left behind may hang for ever, so the frame holds the call, and the call drops what it does not need: see
// lane.js, also for the link that ties the function to the result.

const { boundsOf, Request } = require('./bounds');
const { Attempt, Context, abortAttempt } = require('./context');
const options = require('./options');
const { forever, listen, noop, promiseFor } = require('./promises');

const KEYS = new Set(['signal', 'timeout', 'label']);

class ResourceCall extends Attempt {
  constructor(acquire, release, use) {
    super(0, 1);
    this.acquire = acquire;
    this.release = release;
    this.use = use;
    this.context = new Context(0, 1, this);
    this.resource = undefined;
    this.isHeld = false; // the resource has arrived
    this.bounds = null;
    this.isCut = false; // from outside; `reason` says why
    this.link = null;
    this.resolve = null;
    this.reject = null;
  }

  remaining() {
    return this.bounds === null ? Infinity : this.bounds.remaining();
  }

  // The user's functions are called without a receiver.

  startAcquire() {
    const { acquire, context } = this;
    return acquire(context);
  }

  startUse() {
    const { use, resource, context } = this;
    return use(resource, context);
  }

  startRelease(outcome) {
    const { release, resource } = this;
    this.release = this.resource = undefined;
    return release(resource, outcome);
  }

  /** Nothing ends it from outside any more. */
  close() {
    this.bounds?.close();
    this.attempt = 0;
  }

  onBound(reason) {
    const { bounds, resolve, reject, link } = this;
    this.isCut = true;
    this.acquire = this.use = this.context = this.resolve = this.reject = this.link = undefined;
    if (this.isHeld) {
      abortAttempt(this, reason);
      // What time brings has no caller, and would not stand in a stack: it gives way once.
      const released = releaseAfter(this, bounds.isTimedOut ? arrived : undefined, { status: 'rejected', reason });
      listen(listen(released, resolve, reject), () => link.resolve());
    } else {
      reject(reason);
      link.resolve();
      abortAttempt(this, reason);
    }
  }
}

const arrived = Promise.resolve();

async function live(call) {
  try {
    call.resource = await call.startAcquire();
  } catch (error) {
    call.close();
    throw error;
  }
  if (call.isCut) {
    listen(release(call, { status: 'rejected', reason: call.reason }), noop, noop);
    return undefined; // the call has been rejected
  }
  call.isHeld = true;
  let outcome;
  try {
    outcome = { status: 'fulfilled', value: await call.startUse() };
  } catch (reason) {
    outcome = { status: 'rejected', reason };
  }
  if (call.isCut) return await forever(); // who has cut it off sees to the release
  call.close();
  return await release(call, outcome);
}

async function releaseAfter(call, wait, outcome) {
  if (wait !== undefined) await wait;
  return await release(call, outcome);
}

/** What the call comes to. */
async function release(call, outcome) {
  const errors = outcome.status === 'rejected' ? [outcome.reason] : [];
  try {
    await call.startRelease(outcome);
  } catch (error) {
    errors.push(error);
  }
  if (errors.length > 1) throw new AggregateError(errors, 'The use of a resource failed, and so did its release');
  if (errors.length > 0) throw errors[0];
  return outcome.value;
}

function withResource(acquire, releaser, use, given) {
  let call;
  try {
    options.callback('acquire', acquire);
    options.callback('release', releaser);
    options.callback('use', use);
    const request = new Request();
    if (given !== undefined) options.readEach(request, given, 'options', KEYS, readField);
    const { signal } = request;
    if (signal !== undefined && signal.aborted) return Promise.reject(signal.reason);
    call = new ResourceCall(acquire, releaser, use);
    call.bounds = boundsOf(call, request);
  } catch (error) {
    return Promise.reject(error);
  }
  if (call.bounds === null) return live(call);
  const promise = promiseFor(call);
  const link = { resolve: null, reject: null };
  listen(promiseFor(link), call.resolve, call.reject);
  call.link = link;
  listen(live(call), link.resolve, link.reject); // (acquire() may end the call)
  return promise;
}

function readField(request, key, value, owner) {
  switch (key) {
    case 'timeout':
      request.totalTimeout = options.duration(key, value, owner);
      return true;
    case 'signal':
    case 'label':
      return options.readCommonField(request, key, value, owner);
    default:
      return false;
  }
}

module.exports = { withResource };
