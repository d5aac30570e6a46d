'use strict';

// Fetches many URLs. One that cannot be fetched becomes a row that says so; it never ends the others.

const { createHash } = require('node:crypto');
const { PermanentError, consume, withTimeout } = require('../..');

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
const POLICY = {
  delay: 100, // exponential, with full jitter
  maxDelay: 30_000,
  retryIf: ({ status = 503, wait = 0 }) => TRANSIENT.has(status) && wait <= POLICY.maxDelay, // without a status: broken
  retryAfter: ({ wait }) => wait,
};

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

async function fetchAll(urls, { concurrency, timeout, retries, onFailedAttempt, onRow, ...call }) {
  const open = new Map(); // rows to hand in, at the latest when the call ends -> when their first attempt started
  let late; // the first TimeoutError of a URL whose next attempt would have come after the total timeout
  async function* rows() {
    for await (const url of urls) {
      const row = { url, status: null, bytes: 0, sha256: null, attempts: 0, durationMs: 0, error: 'not started' };
      open.set(row, NaN);
      yield row;
    }
  }
  const handIn = async (row) => {
    row.durationMs = Math.round((performance.now() - open.get(row)) * 10) / 10 || 0;
    if (open.delete(row)) await onRow(row);
  };
  const fetchOne = async (row, _index, { signal }) => {
    if (row.attempts++ === 0) open.set(row, performance.now());
    try {
      Object.assign(row, await withTimeout((ctx) => download(row.url, ctx.signal), { timeout, signal }));
    } catch (error) {
      const { status = null, message, cause } = error;
      Object.assign(row, { status, error: cause ? `${message}: ${cause.code ?? cause.message}` : message });
      if (!signal.aborted) onFailedAttempt(row.url, error);
      throw error; // it is made again, or was the last
    }
    await handIn(row).catch((cause) => Promise.reject(new PermanentError('', { cause }))); // a slow disk holds the worker
  };
  const onError = async (error, row) => {
    if (!open.has(row)) throw error; // it could not be handed in, and ends the call
    if (error.scope === 'total') late ??= error;
    await handIn(row);
  };
  const options = { ...call, workers: concurrency, maxQueue: 0, retry: { ...POLICY, retries }, drain: true, onError };
  await consume(rows(), fetchOne, options).finally(() => Promise.all([...open.keys()].map(handIn)));
  if (late) throw late;
}

module.exports = { fetchAll };
