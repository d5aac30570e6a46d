'use strict';

// Which request goes wrong, and how: a function of the seed, the path and how often that path was asked, nothing else,
// so a seed gives the same faults however the requests happen to interleave.
//
//   first request   the paths are shuffled by their draw; of every BLOCK in that order the first five get one kind each.
//                   So each kind hits 1 in 16 paths, exactly, and with the further requests counted in still > 2 %.
//   further ones    an independent draw, one in four goes wrong.
//
// A client asks again only after a failure, so request number n has n - 1 failures behind it: from request `retries + 1`
// on no failure is planned, and every URL can succeed.

const { createHash } = require('node:crypto');

/** Every kind, and what the client must see of it: null is a success. */
const SEEN_AS = Object.freeze({ slow: null, stall: 'timeout', 503: '503', reset: 'network', 429: '429' });
const KINDS = Object.freeze(Object.keys(SEEN_AS));

const BLOCK = 16;
const AGAIN = 0.25;

/** Two numbers in [0, 1) for one request. */
function draw(seed, path, ask) {
  const digest = createHash('sha256').update(`${seed}\n${ask}\n${path}`).digest();
  return { which: digest.readUInt32LE(0) / 2 ** 32, how: digest.readUInt32LE(4) / 2 ** 32 };
}

/** Returns (path, ask) -> null, or { kind, how }: `how` in [0, 1) is for the server to choose the details with. */
function planFaults({ seed, paths, retries }) {
  const shuffled = paths.map((path) => [draw(seed, path, 1).which, path]).sort(([a], [b]) => a - b);
  const first = new Map(shuffled.map(([, path], rank) => [path, KINDS[rank % BLOCK]]));

  return (path, ask) => {
    const { which, how } = draw(seed, path, ask);
    const kind = ask === 1 ? first.get(path) : KINDS[Math.floor((which / AGAIN) * KINDS.length)];
    if (kind === undefined || (SEEN_AS[kind] !== null && ask > retries)) return null;
    return { kind, how };
  };
}

module.exports = { KINDS, SEEN_AS, planFaults };
