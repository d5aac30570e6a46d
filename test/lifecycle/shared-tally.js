'use strict';

// The independent count of shared-killer.js: who is inside of what, and when what was started.

const assert = require('node:assert/strict');

const LIMITS = { durable: 3, mutex: 1, fleeting: 2 };
const RATE = { max: 300, per: 1000, burst: 20 };
const NAMES = Object.keys(LIMITS);
const SLOTS = 8;
const DOOMED = 0x80;

// What was granted in time may be noted late, by a thread that had to wait for a processor.
const SLACK = 400; // milliseconds

const ENTRIES = 0; // words of `counts`
const VIOLATIONS = 1;
const STARTS = 2;

function memoryFor(seconds) {
  const most = Math.ceil((2 * RATE.max * 1000 * (seconds + 60)) / RATE.per);
  return {
    cells: new BigUint64Array(new SharedArrayBuffer(8 * NAMES.length)),
    counts: new Int32Array(new SharedArrayBuffer(16)),
    starts: new BigInt64Array(new SharedArrayBuffer(8 * most)),
  };
}

class Tally {
  constructor({ cells, counts, starts }, slot) {
    this.cells = cells;
    this.counts = counts;
    this.starts = starts;
    this.slot = slot;
    this.shift = BigInt(8 * slot);
  }

  enter(name, weight) {
    const added = BigInt(weight) << this.shift;
    const seen = Atomics.add(this.cells, NAMES.indexOf(name), added) + added;
    Atomics.add(this.counts, ENTRIES, 1);
    const bytes = bytesOf(seen);
    if ((bytes[this.slot] & DOOMED) !== 0) return;
    const inside = bytes.reduce((sum, byte) => ((byte & DOOMED) === 0 ? sum + byte : sum), 0);
    if (inside <= LIMITS[name]) return;
    Atomics.add(this.counts, VIOLATIONS, 1);
    throw new Error(`${inside} inside of "${name}", which has ${LIMITS[name]}: ${bytes}`);
  }

  leave(name, weight) {
    Atomics.sub(this.cells, NAMES.indexOf(name), BigInt(weight) << this.shift);
  }

  /** Whoever ends the thread says so before. */
  doom() {
    for (const i of NAMES.keys()) Atomics.or(this.cells, i, BigInt(DOOMED) << this.shift);
  }

  /** The thread is gone. */
  bury() {
    for (const i of NAMES.keys()) Atomics.and(this.cells, i, BigInt.asUintN(64, ~(0xffn << this.shift)));
  }

  /** A token was used. */
  start() {
    const now = process.hrtime.bigint();
    const i = Atomics.add(this.counts, STARTS, 1);
    if (i < this.starts.length) this.starts[i] = now;
  }

  get entries() {
    return this.counts[ENTRIES];
  }

  /** When all but the witness are gone. */
  check() {
    assert.equal(this.counts[VIOLATIONS], 0);
    for (const [i, name] of NAMES.entries()) assert.equal(this.cells[i], 0n, `inside of ${name}`);
  }

  /** Never more than burst + max * t / per in any time t. @returns how many there were */
  checkStarts(began) {
    const count = Math.min(this.counts[STARTS], this.starts.length);
    const stamps = Array.from(this.starts.subarray(0, count), (at) => Number(at - began) / 1e6);
    stamps.sort((one, other) => one - other);
    const speed = RATE.max / RATE.per;
    // A vessel that leaks at that speed and takes one for each start is never fuller than the burst: that is the same.
    const most = RATE.burst + Math.ceil(speed * SLACK);
    let level = 0;
    let last = 0;
    for (const at of stamps) {
      level = Math.max(0, level - speed * (at - last)) + 1;
      last = at;
      assert.ok(level <= most, `${level} starts too close together, ${at} ms after the beginning`);
    }
    assert.ok(count <= RATE.burst + speed * last, `${count} starts in ${last} ms`);
    return count;
  }
}

function bytesOf(word) {
  return Array.from({ length: SLOTS }, (_, slot) => Number((word >> BigInt(8 * slot)) & 0xffn));
}

module.exports = { LIMITS, RATE, Tally, memoryFor };
