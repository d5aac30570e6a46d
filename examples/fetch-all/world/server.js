'use strict';

// The misbehaving server, a process of its own: a stalled client cannot hide behind a stalled server.
//
// The parent sends { root, files, seed, timeout, retries, log }, gets { port }, and sends 'stop' when it is done.
// Every request is one line of the log, written before it is answered: { path, ask, fault, at }. A stalled request gets
// a second line { path, ask, hungUp: true } when the client gives up on it.

const { openSync, writeSync } = require('node:fs');
const { readFile } = require('node:fs/promises');
const http = require('node:http');
const { join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { planFaults } = require('./faults');
const { pathOf } = require('./files');

const RETRY_AFTER_SECONDS = 1; // the header's smallest step
const FLUSH_MS = 10; // long enough for half a body to leave before the connection is reset
const HANG_UP_GRACE_MS = 2000; // how long a client may take to drop what it has given up on

/** What a kind of fault does to an answer. `how` in [0, 1) picks head or body, and how long. */
const misbehave = {
  async slow({ response, body, how, timeout }) {
    const ms = timeout * (0.1 + 0.15 * how); // well within the timeout: no reason to ask again
    if (how < 0.5) await delay(ms);
    begin(response, body);
    if (how >= 0.5) {
      response.write(body.subarray(0, body.length / 2));
      await delay(ms);
      return response.end(body.subarray(body.length / 2));
    }
    response.end(body);
  },

  stall({ response, body, how, hungUp }) {
    response.on('close', hungUp);
    if (how < 0.5) return; // not even a header
    begin(response, body);
    response.write(body.subarray(0, body.length / 2));
  },

  503({ response }) {
    response.writeHead(503, { 'retry-after': RETRY_AFTER_SECONDS }).end('come back later\n');
  },

  async reset({ response, body }) {
    begin(response, body);
    response.write(body.subarray(0, body.length / 2));
    await delay(FLUSH_MS);
    response.socket?.resetAndDestroy();
  },

  429({ response }) {
    response.writeHead(429).end('too many requests\n');
  },
};

/** An empty body goes out in chunks: with a length of 0 the head alone would be a complete answer. */
function begin(response, body) {
  response.writeHead(200, body.length > 0 ? { 'content-length': body.length } : {});
  response.flushHeaders();
}

function serve({ root, files, seed, timeout, retries, log }) {
  const fileOf = new Map(files.map((file) => [pathOf(file), join(root, file)]));
  const faultOf = planFaults({ seed, paths: [...fileOf.keys()], retries });
  const asks = new Map();
  const descriptor = openSync(log, 'w');
  const note = (entry) => writeSync(descriptor, `${JSON.stringify(entry)}\n`);
  let stopping = false;

  const server = http.createServer(async (request, response) => {
    const path = request.url;
    if (!fileOf.has(path)) return response.writeHead(404).end();
    const ask = (asks.get(path) ?? 0) + 1;
    asks.set(path, ask);
    const fault = faultOf(path, ask);
    note({ path, ask, fault: fault?.kind ?? null, at: performance.now() });

    const body = await readFile(fileOf.get(path));
    if (!fault) {
      begin(response, body);
      return response.end(body);
    }
    const hungUp = () => stopping || note({ path, ask, hungUp: true });
    await misbehave[fault.kind]({ response, body, how: fault.how, timeout, hungUp });
  });
  const unused = new Set(); // connections opened ahead, without a request so far
  server.on('connection', (socket) => unused.add(socket.on('close', () => unused.delete(socket))));
  server.on('request', ({ socket }) => unused.delete(socket));
  server.keepAliveTimeout = 60_000; // never closes a connection the client is about to use: that would be no fault of ours
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));

  return function stop() {
    // close() takes along the connections that are idle after a request, not the unused ones. What is then left is open
    // because the client has not let go of a stalled request.
    server.close(() => process.disconnect());
    for (const socket of unused) socket.destroy();
    setTimeout(() => {
      stopping = true;
      server.closeAllConnections();
    }, HANG_UP_GRACE_MS).unref();
  };
}

let stop = () => process.disconnect();
process.on('message', (message) => {
  if (message === 'stop') stop();
  else stop = serve(message);
});
process.on('disconnect', () => process.exit()); // also when the parent was killed
process.on('SIGINT', () => {}); // Ctrl-C reaches the whole process group; the parent says when to stop
