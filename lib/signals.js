'use strict';

// One listener per AbortSignal in the whole process, however many calls share it: joining and leaving is O(1), and the
// listener goes with the last one who waits.

const hubs = new WeakMap();

class Hub {
  constructor(signal) {
    this.signal = signal;
    this.first = null;
    this.listener = () => this.abort();
    signal.addEventListener('abort', this.listener, { once: true });
  }

  abort() {
    hubs.delete(this.signal);
    // Detach the batch, then run it: who joins now joins an aborted signal, and is told so by its own check.
    let member = this.first;
    this.first = null;
    const { reason } = this.signal;
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
    hub.signal.removeEventListener('abort', hub.listener);
  }
}

/** Calls listener.onAbort(reason) when the signal, which is not aborted yet, is; until the membership is left. */
function join(signal, listener) {
  let hub = hubs.get(signal);
  if (hub === undefined) hubs.set(signal, (hub = new Hub(signal)));
  return new Membership(hub, listener);
}

module.exports = { join };
