'use strict';

// Two witnesses, the client and the server, must tell the same story, and every checksum must be the file's on disk.

const { createHash } = require('node:crypto');
const { createReadStream } = require('node:fs');
const { pipeline } = require('node:stream/promises');
const { mapWithLimit } = require('../../..');
const { KINDS, SEEN_AS } = require('./faults');

const RETRY_AFTER_MS = 1000;
const LEAST_SHARE = 0.02;

async function sha256Of(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The log as url -> its requests in order, each with `hungUp` where the client dropped it. */
function requestsByUrl(log, origin) {
  const requests = new Map();
  for (const { path, ask, ...entry } of log) {
    const url = origin + path;
    if (!requests.has(url)) requests.set(url, []);
    const asked = requests.get(url);
    asked[ask - 1] = { ...asked[ask - 1], ...entry };
  }
  return requests;
}

/** What disagrees about one URL, as sentences. */
function compare({ row, failures, requests, sha256 }) {
  if (row === undefined) return ['no row was written'];
  const wrong = [];
  if (row.error !== null) wrong.push(`failed: ${row.error}`);
  else if (row.sha256 !== sha256) wrong.push(`sha256 ${row.sha256}, on disk ${sha256}`);
  if (row.attempts !== requests.length) wrong.push(`${row.attempts} attempts, the server saw ${requests.length}`);

  const injected = requests.map(({ fault }) => SEEN_AS[fault] ?? null).filter((seen) => seen !== null);
  if (failures.join() !== injected.join()) {
    wrong.push(`the client saw [${failures.join(', ')}], the server injected [${injected.join(', ')}]`);
  }
  requests.forEach(({ fault, at, hungUp }, index) => {
    if (fault === 'stall' && !hungUp) wrong.push(`request ${index + 1} timed out but was never hung up`);
    const next = requests[index + 1];
    if (fault === '503' && next?.at - at < RETRY_AFTER_MS) {
      wrong.push(`asked again ${Math.round(next.at - at)} ms after a Retry-After of ${RETRY_AFTER_MS} ms`);
    }
  });
  return wrong;
}

/**
 * `files` url -> file, `rows` url -> row, `failures` url -> what each failed attempt died of, `log` the server's lines; an abort of
 * `signal` rejects.
 * Resolves with { requests, faults: [{ kind, injected, share, seenAs, seen }], disagreements: [{ url, wrong }] }.
 */
async function verify({ origin, files, rows, failures, log, signal }) {
  const requests = requestsByUrl(log, origin);
  const disagreements = [];
  await mapWithLimit(
    files,
    8,
    async ([url, file]) => {
      const sha256 = await sha256Of(file);
      const evidence = {
        row: rows.get(url),
        failures: failures.get(url) ?? [],
        requests: requests.get(url) ?? [],
        sha256,
      };
      const wrong = compare(evidence);
      if (wrong.length > 0) disagreements.push({ url, wrong });
    },
    { discard: true, signal },
  );

  const all = [...requests.values()].flat();
  const seenBy = [...failures.values()].flat();
  const faults = KINDS.map((kind) => {
    const injected = all.filter(({ fault }) => fault === kind).length;
    const seenAs = SEEN_AS[kind];
    const seen = seenAs && seenBy.filter((cause) => cause === seenAs).length;
    return { kind, injected, share: injected / all.length, seenAs, seen };
  });
  for (const { kind, share } of faults) {
    if (!(share >= LEAST_SHARE)) disagreements.push({ url: origin, wrong: [`too few requests were hit by '${kind}'`] });
  }
  return { requests: all.length, faults, disagreements };
}

module.exports = { verify };
