'use strict';

// Fetches many URLs. One that cannot be fetched becomes a row that says so; it never ends the others.

const { createHash } = require('node:crypto');
const { allSettled, mapWithLimit, retry, sleep, withTimeout } = require('../..');

const BACKOFF = { delay: 100, backoff: 'exponential', maxDelay: 30_000, jitter: 'full' };
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);

async function download(url, signal) {
  const { ok, status, headers, body } = await fetch(url, { signal });
  if (!ok) {
    await body?.cancel();
    const wish = headers.get('retry-after'); // seconds or an HTTP date
    const wait = Number(wish) * 1000 || Date.parse(wish) - Date.now() || 0;
    if (!TRANSIENT.has(status) || wait > BACKOFF.maxDelay) return { status, error: `HTTP ${status}` };
    throw Object.assign(new Error(`HTTP ${status}`), { status, wait });
  }
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of body ?? []) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { status, bytes, sha256: hash.digest('hex') };
}

async function fetchOne(url, { timeout, retries, onFailedAttempt }, signal) {
  const row = { url, status: null, bytes: 0, sha256: null, attempts: 0, durationMs: 0, error: null };
  const start = performance.now();
  let wait = 0;
  const attempt = async (ctx) => {
    if (wait > 0) await sleep(wait, { signal }); // the server's wish, so no attempt's timeout runs
    row.attempts = ctx.attempt;
    const work = withTimeout((one) => download(url, one.signal), { timeout, signal });
    const failed = (error) => {
      ({ status: row.status = null, wait = 0 } = error);
      if (!signal.aborted) onFailedAttempt(url, error);
      throw error;
    };
    Object.assign(row, await work.catch(failed));
  };
  const describe = ({ message, cause }) => (cause ? `${message}: ${cause.code ?? cause.message}` : message);
  await retry(attempt, { ...BACKOFF, retries, signal }).catch((error) => (row.error = describe(error)));
  return Object.assign(row, { durationMs: Math.round((performance.now() - start) * 10) / 10 });
}

async function fetchAll(urls, { concurrency, each, onRow, ...call }) {
  const rows = new Set();
  const one = (url, index, ctx) => {
    const row = fetchOne(url, each, ctx.signal).then(onRow);
    rows.add(row);
    return row.then(() => rows.delete(row));
  };
  // However the call ends, everything that had started has handed in its row.
  return mapWithLimit(urls, concurrency, one, { ...call, discard: true }).finally(() => allSettled(rows));
}

module.exports = { fetchAll };
