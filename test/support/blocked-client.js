'use strict';

// Asks a server in another process, and blocks its own loop past the deadline while the answers come in.
// Argument: the phase to block in. Writes one line of JSON for each size of body.
//
// The promise is about answers that can be read within the grace that follows a block. Where the machine was too busy
// for that, or even for asking, a request counts as `tooSlow`, whatever came of it, and is made again.

const { writeSync } = require('node:fs');
const { mapWithLimit, withTimeout } = require('../../lib/index.js');
const { blockIn, clients, startServer } = require('./remote');

const REQUESTS = 20;
const ROUNDS_MAX = 60;
const BLOCK = 200;
const TIMEOUT = 180;
const ANSWERED_AFTER = 10;
const GRACE = 25;

// How many ask under one block: about as much as can be read in the grace that follows it. After a round in which it could
// not, half as many.
const SIZES = [
  { size: 1, together: 20 },
  { size: 256 << 10, together: 10 },
  { size: 1 << 20, together: 4 },
  { size: 4 << 20, together: 1 },
];

const guards = {
  withTimeout: (promise) => withTimeout(promise, TIMEOUT),
  'withTimeout on a function': (promise) => withTimeout(() => promise, { timeout: TIMEOUT }),
  mapWithLimit: (promise) => mapWithLimit([0], 1, () => promise, { timeout: TIMEOUT }),
};
const ways = Object.keys(guards).flatMap((guard) => Object.keys(clients).map((client) => ({ guard, client })));

class Tally {
  constructor(size) {
    this.size = size;
    this.counted = 0;
    this.tooSlow = 0;
    this.falseTimeouts = 0;
    this.timersFired = 0; // how many a race with setTimeout would have lost
    this.errors = [];
  }

  get asked() {
    return this.counted + this.tooSlow;
  }
}

/** Asks once; resolves with { error, readAt }. It goes on reading when it has timed out, to know how long that takes. */
async function ask(server, { guard, client }, size, tally) {
  const timer = setTimeout(() => tally.timersFired++, TIMEOUT);
  const answer = clients[client](server.url(`/bytes/${size}?after=${ANSWERED_AFTER}`));
  const read = answer.then((length) => {
    if (length !== size) tally.errors.push(`${length} bytes of ${size}`);
    return performance.now();
  });
  const error = await guards[guard](answer).then(
    () => null,
    (reason) => reason,
  );
  const readAt = await read;
  clearTimeout(timer);
  return { error, readAt };
}

/** One block; resolves with whether the machine was fast enough for all. */
async function round(server, phase, { size, together }, tally) {
  const tooSlowBefore = tally.tooSlow;
  const seen = server.count;
  const began = performance.now();
  const calls = Array.from({ length: together }, (_, i) =>
    ask(server, ways[(tally.asked + i) % ways.length], size, tally),
  );
  await server.asked(seen + together);
  const isAskedInTime = performance.now() - began < TIMEOUT / 2;
  const blockEnded = await blockIn(phase, BLOCK);
  for (const { error, readAt } of await Promise.all(calls)) {
    if (!isAskedInTime || readAt - blockEnded > GRACE) {
      tally.tooSlow++;
      continue;
    }
    tally.counted++;
    if (error?.code === 'ERR_SLUICE_TIMEOUT') tally.falseTimeouts++;
    else if (error !== null) tally.errors.push(String(error));
  }
  return tally.tooSlow === tooSlowBefore;
}

/** Opens the connections, and has the code compiled. */
async function warmUp(server, { size, together }) {
  for (const client of Object.values(clients)) {
    await Promise.all(Array.from({ length: together }, () => client(server.url(`/bytes/${size}?after=0`))));
  }
}

async function main(phase) {
  const server = await startServer();
  for (const load of SIZES) {
    await warmUp(server, load);
    const tally = new Tally(load.size);
    let { together } = load;
    for (let rounds = 0; tally.counted < REQUESTS && rounds < ROUNDS_MAX; rounds++) {
      const isFast = await round(server, phase, { size: load.size, together }, tally);
      if (!isFast) together = Math.ceil(together / 2);
    }
    writeSync(1, `${JSON.stringify(tally)}\n`);
  }
  server.close();
  process.exit(); // connections are kept alive
}

if (require.main === module) main(process.argv[2]);

module.exports = { REQUESTS, SIZES };
