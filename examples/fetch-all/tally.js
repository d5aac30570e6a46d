'use strict';

// What happened, in numbers: fed with rows and failed attempts, asked at the end.

const { TimeoutError } = require('../..');

/** What an attempt died of: 'timeout', an HTTP status as text, or 'network' for a broken connection. */
function causeOf(error) {
  if (error instanceof TimeoutError) return 'timeout';
  return error.status === undefined ? 'network' : String(error.status);
}

class Tally {
  ok = 0;
  failed = 0;
  attempts = 0;
  retries = 0;
  timeouts = 0;
  bytes = 0;
  #durations = new Map(); // whole milliseconds -> how many URLs took so long: an endless list has no more of them than time

  failedAttempt(error) {
    if (causeOf(error) === 'timeout') this.timeouts += 1;
  }

  row({ error, bytes, attempts, durationMs }) {
    if (error === null) this.ok += 1;
    else this.failed += 1;
    this.attempts += attempts;
    this.retries += Math.max(0, attempts - 1);
    this.bytes += bytes;
    if (attempts === 0) return;
    const ms = Math.round(durationMs);
    this.#durations.set(ms, (this.#durations.get(ms) ?? 0) + 1);
  }

  get urls() {
    return this.ok + this.failed;
  }

  /**
   * The percentiles asked for, in milliseconds a URL took with all its attempts and waits. Nearest rank: the
   * smallest value that at least so many percent do not exceed; undefined where there is none.
   */
  durations(...percents) {
    const sorted = [...this.#durations].sort(([a], [b]) => a - b);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    return percents.map((percent) => {
      let below = 0;
      return sorted.find(([, count]) => (below += count) >= (percent / 100) * total)?.[0];
    });
  }
}

module.exports = { Tally, causeOf };
