'use strict';

// A token bucket as the contract says it, in exact numbers: what it holds is counted in parts of a token that accrue `max`
// in each nanosecond, `per` of them to a token.

const MS = 1_000_000;

const nanoseconds = (ms) => BigInt(Math.round(ms * MS));
const least = (a, b) => (a < b ? a : b);
const largest = (a, b) => (a > b ? a : b);

class Bucket {
  constructor({ max, per = 1000, burst }) {
    this.at = 0n; // up to when parts have accrued
    this.shut = 0n; // it gives nothing before
    this.change({ max, per, burst });
    this.parts = this.burst * this.per;
  }

  /** `max`, `per` and `burst` are whole numbers. What it holds, whole tokens, stays. */
  change({ max, per, burst }) {
    const held = this.parts === undefined ? 0n : this.parts / this.per;
    this.max = BigInt(max);
    this.per = BigInt(per) * BigInt(MS);
    this.burst = BigInt(burst ?? Math.max(1, Math.floor((max * 10) / per)));
    this.parts = least(held, this.burst) * this.per;
  }

  refill(now) {
    if (now <= this.at) return;
    this.parts = least(this.parts + (now - this.at) * this.max, this.burst * this.per);
    this.at = now;
  }

  /** When it has so many. */
  readyAt(tokens) {
    const missing = BigInt(tokens) * this.per - this.parts;
    const time = missing <= 0n ? 0n : (missing + this.max - 1n) / this.max;
    return largest(this.at + time, this.shut);
  }

  take(tokens, now) {
    this.refill(now);
    if (this.readyAt(tokens) > now) return false;
    this.parts -= BigInt(tokens) * this.per;
    return true;
  }

  level(now) {
    if (now < this.shut) return 0;
    this.refill(now);
    return Number(this.parts / this.per);
  }

  /** Nothing for so long; then one token, if there is one by then. */
  penalize(ms, now) {
    const until = now + nanoseconds(ms);
    if (until <= this.shut) return;
    this.shut = until;
    this.refill(now);
    if (this.parts < this.per && until > this.at) this.parts += (until - this.at) * this.max;
    if (this.parts >= this.per) this.parts = this.per;
    this.at = largest(until, this.at);
  }
}

/**
 * In no stretch of time t were more than burst + max * t / per taken. `starts`: { at, tokens }, in milliseconds, in order.
 * @returns the first stretch in which there were, or undefined
 */
function overfullWindow(starts, { max, per = 1000, burst }) {
  for (let from = 0; from < starts.length; from++) {
    let taken = 0n;
    for (let to = from; to < starts.length; to++) {
      taken += BigInt(starts[to].tokens);
      const time = nanoseconds(starts[to].at) - nanoseconds(starts[from].at);
      if ((taken - BigInt(burst)) * BigInt(per) * BigInt(MS) > BigInt(max) * time) return starts.slice(from, to + 1);
    }
  }
  return undefined;
}

module.exports = { Bucket, nanoseconds, overfullWindow };
