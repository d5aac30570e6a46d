'use strict';

// One reaction per promise in the whole process, however many calls wait for it. A promise keeps its reactions until it
// settles: one that lives long, and is raced again and again, would keep what all those calls have come to. A member of its
// hub leaves in O(1), and nothing of it stays.
//
// Who joins hears of the promise exactly when a reaction of its own would have run, since that order decides races. The
// hub's reaction may already be on its way, ahead of promises that stand before this one in the call. So who joins a hub
// that exists sends a microtask after it, and the hub passes over members whose microtask has not come by. If the promise
// had settled before they joined, they hear of it then; if it had not, the hub's reaction comes later than that.
//
// The hub's derived promise never settles. It is there for V8, which follows it, when it writes an error's stack, into the
// link of the hub's first member (see lane.js for how, and for what a link is).

const { isPromise } = require('node:util').types;

const { forever, isNative, listen, mayBeThenable, toNative } = require('./promises');

const hubs = new WeakMap(); // of promises

// Promises of subclasses and of other realms, and the promise that stands for each here.
const adopted = new WeakMap();

const arrived = Promise.resolve();

class Hub {
  constructor(promise, member, link) {
    this.promise = promise;
    this.first = this.last = member; // in the order in which they have come, and are told
    this.outcome = null; // once it has settled
    const tail = listen(
      promise,
      (value) => this.settle({ isFulfilled: true, value }),
      (value) => this.settle({ isFulfilled: false, value }),
    );
    listen(tail, link.resolve, link.reject);
  }

  /** Who is told may have others leave, which changes nothing here any more, or start what joins the promise anew. */
  settle(outcome) {
    hubs.delete(this.promise);
    this.outcome = outcome;
    for (let member = this.first; member !== null; member = member.next) {
      if (member.isConfirmed) member.tell(outcome);
    }
    return forever();
  }
}

class Member {
  constructor(listener, index) {
    this.listener = listener; // its onSettled(index, outcome) is called; null once it has left, or has been told
    this.index = index;
    this.hub = null;
    this.isConfirmed = true; // whether its microtask has come by
    this.previous = null;
    this.next = null;
  }

  join(hub) {
    this.hub = hub;
    this.isConfirmed = false;
    this.previous = hub.last;
    if (hub.last === null) hub.first = this;
    else hub.last.next = this;
    hub.last = this;
    listen(arrived, () => this.confirm());
  }

  confirm() {
    this.isConfirmed = true;
    if (this.hub !== null && this.hub.outcome !== null) this.tell(this.hub.outcome);
  }

  tell(outcome) {
    const { listener, index } = this;
    this.listener = this.hub = null;
    listener?.onSettled(index, outcome);
  }

  /** May be called any number of times, also in the middle of what the hub tells. */
  leave() {
    const { hub } = this;
    this.listener = this.hub = null;
    if (hub === null || hub.outcome !== null) return;
    if (this.previous === null) hub.first = this.next;
    else this.previous.next = this.next;
    if (this.next === null) hub.last = this.previous;
    else this.next.previous = this.previous;
  }
}

/**
 * Calls listener.onSettled(index, { isFulfilled, value }) when the value, awaited, has settled; until the membership is
 * left. It is marked as handled for good.
 */
function join(value, link, listener, index) {
  const member = new Member(listener, index);
  if (isNative(value)) {
    joinPromise(value, link, member);
  } else if (isPromise(value)) {
    joinPromise(adopt(value), link, member);
  } else if (mayBeThenable(value)) {
    member.hub = new Hub(toNative(value), member, link);
  } else {
    listen(arrived, () => member.tell({ isFulfilled: true, value }));
  }
  return member;
}

function joinPromise(promise, link, member) {
  const hub = hubs.get(promise);
  if (hub === undefined) hubs.set(promise, (member.hub = new Hub(promise, member, link)));
  else member.join(hub);
}

/** Their `then` is called once: with each call they, too, would keep more. */
function adopt(promise) {
  let own = adopted.get(promise);
  if (own === undefined) adopted.set(promise, (own = toNative(promise)));
  return own;
}

module.exports = { join };
