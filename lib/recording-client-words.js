'use strict';

// Durations, times and outcomes in words. (Runs in the page, and where the page is written.)

const OUTCOMES = ['fulfilled', 'retried', 'failed', 'timeout', 'aborted', 'open'];
const REASONS = ['backoff', 'rate', 'limit', 'room', 'abandoned', 'yield', 'unknown'];

const OUTCOME_WORDS = {
  fulfilled: 'fulfilled',
  retried: 'failed, then retried',
  failed: 'failed',
  timeout: 'timed out',
  aborted: 'aborted',
  open: 'still running at the end',
};

const REASON_WORDS = {
  backoff: 'waiting to retry (backoff)',
  rate: 'waiting for the rate',
  limit: 'waiting for a permit',
  room: 'waiting for room',
  abandoned: 'waiting for abandoned attempts',
  yield: 'let the loop turn',
  unknown: 'waiting',
};

// What went wrong shows above what went well.
const SEVERITY = ['fulfilled', 'open', 'aborted', 'retried', 'timeout', 'failed'].reduce((order, name, rank) => {
  order[OUTCOMES.indexOf(name)] = rank;
  return order;
}, []);

/** 0.42 ms, 4.2 ms, 48 ms, 1.02 s, 2 min 5 s, 3 h 20 min */
function duration(ms) {
  if (ms === 0) return '0 ms';
  if (ms < 0.001) return '< 1 µs';
  if (ms < 9.95) return `${ms.toPrecision(2)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** With spaces between the thousands, thin and unbreakable. */
function count(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

// Steps that a reader can count in: 1, 2, 5 and their tens; of minutes and hours, their usual parts.
const MINUTE = 60_000;
const LONG_STEPS = [1, 2, 5, 10, 15, 30].flatMap((n) => [n * 1000, n * MINUTE, n * 60 * MINUTE]).sort((a, b) => a - b);

/** The smallest step, in milliseconds, that is not below `least`. */
function stepFrom(least) {
  if (least > 5000) {
    const long = LONG_STEPS.find((step) => step >= least);
    if (long !== undefined) return long;
  }
  const ten = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5, 10]) if (factor * ten >= least * (1 - 1e-9)) return factor * ten;
  return 10 * ten;
}

/** Ticks at whole steps in [from, to], at most `most` of them: [{ time, text }] */
function ticks(from, to, most) {
  const step = stepFrom((to - from) / Math.max(1, most));
  const found = [];
  for (let n = Math.ceil(from / step - 1e-9); n * step <= to; n++) {
    const time = n * step;
    found.push({ time, text: timeText(time, step, to) });
  }
  return found;
}

/** One unit for a whole axis, by where it ends; as many decimals as its steps need. */
function timeText(time, step, to) {
  if (to >= 2 * MINUTE && step >= 1000) {
    const seconds = Math.round(time / 1000);
    const minutes = Math.floor(seconds / 60);
    return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
  }
  if (to < 1000) return `${time.toFixed(decimals(step))} ms`;
  return `${(time / 1000).toFixed(decimals(step / 1000))} s`;
}

function decimals(step) {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}

/** What runs outside of calls has a number below -1 instead: it is counted from 1. */
function callText(call) {
  return call < 0 ? `#${-1 - call}` : `call ${call}`;
}

module.exports = { OUTCOMES, OUTCOME_WORDS, REASONS, REASON_WORDS, SEVERITY, callText, count, duration, ticks };
