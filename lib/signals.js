'use strict';

// One listener per AbortSignal in the whole process, however many calls share it: joining and leaving is O(1), and the
// listener goes with the last one who waits.

const { listen, resolved } = require('./promises');

const hubs = new WeakMap();

class Hub {
  constructor(signal) {
    this.signal = signal;
    this.first = null;
    this.isOver = false; // it has been aborted
    this.listener = () => this.abort();
    signal.addEventListener('abort', this.listener, { once: true });
  }

  abort() {
    if (this.isOver) return;
    this.isOver = true;
    hubs.delete(this.signal);
    const reason = reasonOf(this.signal);
    // Detach the batch, then run it: who joins now joins an aborted signal, and is told so by its own check.
    let member = this.first;
    this.first = null;
    while (member !== null) {
      const { next } = member;
      const { listener } = member;
      member.hub = member.previous = member.next = member.listener = null;
      listener?.onAbort(reason);
      member = next;
    }
  }
}

class Membership {
  constructor(hub, listener) {
    this.hub = hub;
    this.listener = listener;
    this.previous = null;
    this.next = hub.first;
    if (hub.first !== null) hub.first.previous = this;
    hub.first = this;
  }

  /** May be called any number of times, also after the abort and in the middle of it. */
  leave() {
    const { hub } = this;
    this.listener = null;
    if (hub === null) return;
    this.hub = null;
    if (hub.first === null) return;
    if (this.previous === null) hub.first = this.next;
    else this.previous.next = this.next;
    if (this.next !== null) this.next.previous = this.previous;
    this.previous = this.next = null;
    if (hub.first !== null) return;
    hubs.delete(hub.signal);
    try {
      hub.signal.removeEventListener('abort', hub.listener);
    } catch {
      // A signal by shape. Who leaves has a better reason to.
    }
  }
}

/** A getter that throws must not keep anybody waiting. */
function reasonOf(signal) {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}

/** A signal by shape that aborted itself while it was listened to: the listener does not expect that yet. */
function tellSoon(membership, reason) {
  listen(resolved(undefined), () => {
    const { listener } = membership;
    membership.leave();
    listener?.onAbort(reason);
  });
}

/** Calls listener.onAbort(reason) when the signal, which is not aborted yet, is; until the membership is left. */
function join(signal, listener) {
  let hub = hubs.get(signal);
  if (hub === undefined) {
    hub = new Hub(signal);
    if (!hub.isOver) hubs.set(signal, hub);
  }
  const membership = new Membership(hub, listener);
  if (hub.isOver) tellSoon(membership, reasonOf(signal));
  return membership;
}

module.exports = { join };
