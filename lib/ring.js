'use strict';

// A first-in first-out line in one array that is used round and round: O(1) at any length, and no object per entry. It
// grows by doubling, and is given up for a small one when a long line has emptied.

const SMALL = 16;
const LARGE = 1 << 16;

class Ring {
  constructor() {
    this.entries = new Array(SMALL).fill(undefined);
    this.head = 0;
    this.size = 0;
  }

  push(entry) {
    const { entries, size } = this;
    if (size === entries.length) {
      this.grow();
      this.entries[size] = entry;
    } else {
      entries[(this.head + size) & (entries.length - 1)] = entry;
    }
    this.size = size + 1;
  }

  /** Of one that is not empty. */
  shift() {
    const { entries, head } = this;
    const entry = entries[head];
    entries[head] = undefined;
    this.head = (head + 1) & (entries.length - 1);
    if (--this.size === 0 && entries.length > LARGE) this.clear();
    return entry;
  }

  grow() {
    const { entries, head } = this;
    const grown = new Array(2 * entries.length);
    for (let i = 0; i < grown.length; i++)
      grown[i] = i < entries.length ? entries[(head + i) & (entries.length - 1)] : undefined;
    this.entries = grown;
    this.head = 0;
  }

  clear() {
    this.entries = new Array(SMALL).fill(undefined);
    this.head = 0;
    this.size = 0;
  }
}

module.exports = { Ring };
