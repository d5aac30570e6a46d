'use strict';

// Fetches many URLs. One that cannot be fetched becomes a row that says so; it never ends the others.

const { createHash } = require('node:crypto');
const { consume } = require('../..');

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
const POLICY = {
  delay: 100, // exponential, with full jitter
  maxDelay: 30_000,
  retryAfter: ({ wait }) => wait,
};

/** Whether it may pass; without a status the connection was broken, or the time over. */
const mayPass = ({ status = 503, wait = 0 }) => TRANSIENT.has(status) && wait <= POLICY.maxDelay;

async function download(url, signal) {
  const { ok, status, headers, body } = await fetch(url, { signal });
  if (!ok) {
    await body?.cancel();
    const wish = headers.get('retry-after'); // seconds or an HTTP date
    const wait = Math.max(0, Number(wish) * 1000 || Date.parse(wish) - Date.now()) || undefined;
    throw Object.assign(new Error(`HTTP ${status}`), { status, wait });
  }
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of body ?? []) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { status, bytes, sha256: hash.digest('hex'), error: null };
}

async function fetchAll(urls, { concurrency, retries, onFailedAttempt, onRow, ...call }) {
  const open = new Map(); // the rows to hand in, at the latest when the call ends, by the number of their URL
  const began = new WeakMap(); // when a row's first attempt was made
  let taken = 0;
  let handedIn; // resolves when the rows so far have been
  let late; // the first TimeoutError of a URL whose next attempt would have come after the total timeout
  async function* rows() {
    for await (const url of urls) {
      await handedIn; // a slow disk slows the fetching down, and is no timeout
      const row = { url, status: null, bytes: 0, sha256: null, attempts: 0, durationMs: 0, error: 'not started' };
      open.set(taken++, row);
      yield row;
    }
  }
  const handIn = async (row, index) => {
    row.durationMs = Math.round((performance.now() - began.get(row)) * 10) / 10 || 0;
    if (open.delete(index)) await onRow(row);
  };
  const describe = (row, { status = null, message, cause }) =>
    Object.assign(row, { status, error: cause ? `${message}: ${cause.code ?? cause.message}` : message });
  const noteFailed = (row, error) => onFailedAttempt(describe(row, error).url, error);
  const noteTimeout = (row, error) => error.scope === 'attempt' && noteFailed(row, error);

  const fetchOne = async (row, index, { signal }) => {
    if (row.attempts++ === 0) began.set(row, performance.now());
    try {
      Object.assign(row, await download(row.url, signal));
    } catch (error) {
      if (!signal.aborted) noteFailed(row, error);
      else if (signal.reason.scope !== 'attempt') describe(row, signal.reason); // else it is the next attempt's by now
      throw error; // it is made again, or was the last
    }
    handedIn = Promise.all([handedIn, handIn(row, index)]).then(() => {});
    handedIn.catch(() => {}); // that ends the call when it takes the next URL, or in the end
  };
  const retryIf = (error, { index }) => {
    noteTimeout(open.get(index), error);
    return mayPass(error);
  };
  const onError = async (error, row, index) => {
    noteTimeout(row, error);
    if (error.scope === 'total') late ??= error;
    await handIn(row, index);
  };
  const retry = { ...POLICY, retries, retryIf };
  await consume(rows(), fetchOne, { ...call, workers: concurrency, maxQueue: 0, retry, drain: true, onError }).finally(
    () => Promise.all([handedIn, ...[...open].map(([index, row]) => handIn(row, index))]),
  );
  if (late) throw late;
}

module.exports = { fetchAll };
