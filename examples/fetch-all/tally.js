'use strict';

// What happened, in numbers: fed with rows and failed attempts, asked at the end.

const { TimeoutError } = require('../..');

/** What an attempt died of: 'timeout', an HTTP status as text, or 'network' for a broken connection. */
function causeOf(error) {
  if (error instanceof TimeoutError) return 'timeout';
  return error.status === undefined ? 'network' : String(error.status);
}

/** Nearest rank: the smallest value that at least `percent` of all do not exceed. */
function percentile(sorted, percent) {
  return sorted.length === 0 ? undefined : sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

class Tally {
  ok = 0;
  failed = 0;
  attempts = 0;
  retries = 0;
  timeouts = 0;
  bytes = 0;
  #durations = [];

  failedAttempt(error) {
    if (causeOf(error) === 'timeout') this.timeouts += 1;
  }

  row({ error, bytes, attempts, durationMs }) {
    if (error === null) this.ok += 1;
    else this.failed += 1;
    this.attempts += attempts;
    this.retries += Math.max(0, attempts - 1);
    this.bytes += bytes;
    if (attempts > 0) this.#durations.push(durationMs);
  }

  get urls() {
    return this.ok + this.failed;
  }

  /** The percentiles asked for, in milliseconds a URL took with all its attempts and waits. */
  durations(...percents) {
    const sorted = Float64Array.from(this.#durations).sort();
    return percents.map((percent) => percentile(sorted, percent));
  }
}

module.exports = { Tally, causeOf, percentile };
