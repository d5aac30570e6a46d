'use strict';
// What the model knows of a rate and of a retry policy.

const FACTORS = { constant: () => 1, linear: (k) => k, exponential: (k, factor) => factor ** (k - 1) };

/** A token bucket; the time from one token to the next is a whole number. */
function bucketOf(rate) {
  const { max, per = 1000, burst } = typeof rate === 'number' ? { max: rate } : (rate ?? { max: Infinity });
  const every = per / max;
  const most = burst ?? Math.max(1, Math.floor(10 / every));
  return {
    tokens: 0,
    since: -Infinity,
    take(now) {
      const accrued = every === 0 ? Infinity : Math.floor((now - this.since) / every);
      const isFull = this.tokens + accrued >= most;
      this.tokens = isFull ? most : this.tokens + accrued;
      this.since = isFull ? now : this.since + accrued * every; // a full one does not save up for the next
      return this.tokens > 0 && this.tokens-- > 0;
    },
    readyAt() {
      return this.tokens > 0 ? -Infinity : this.since + every;
    },
  };
}

/** How long to wait after this attempt; undefined: there is no other. The callbacks are lists, by attempt. */
function waitAfter(attempt, { retries, backoff, delay, factor, maxDelay, retryIf, retryAfter }) {
  if (attempt > retries || retryIf?.[attempt - 1] === false) return undefined;
  const own = Array.isArray(backoff) ? backoff[attempt - 1] : delay * FACTORS[backoff](attempt, factor);
  const wish = retryAfter?.[attempt - 1] ?? Math.min(own, maxDelay);
  return wish <= maxDelay ? wish : undefined;
}

/** Whether any callback is asked before the next attempt. */
function hasCallbacks({ backoff, retryIf, retryAfter }) {
  return Array.isArray(backoff) || [retryIf, retryAfter].some(Boolean);
}

module.exports = { bucketOf, hasCallbacks, waitAfter };
