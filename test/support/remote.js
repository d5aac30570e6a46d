'use strict';

// The near side of answers.js: its server, and the ways to ask it.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');

/** Resolves with { url(path), asked(times), close() }; asked() resolves when it has been asked that often in all. */
async function startServer() {
  const child = fork(require.resolve('./answers'));
  const [{ port }] = await once(child, 'message');
  let count = 0;
  child.on('message', () => count++);
  return {
    url: (path) => `http://127.0.0.1:${port}${path}`,
    async asked(times) {
      while (count < times) await once(child, 'message');
    },
    get count() {
      return count;
    },
    close: () => child.disconnect(),
  };
}

// Each resolves with the length of the body.
const clients = {
  fetch: async (url, signal) => (await (await fetch(url, { signal })).arrayBuffer()).byteLength,
  'http.get': (url, signal) =>
    new Promise((resolve, reject) => {
      http
        .get(url, { signal }, (response) => {
          let length = 0;
          response.on('data', (chunk) => (length += chunk.length));
          response.on('end', () => resolve(length));
          response.on('error', reject);
        })
        .on('error', reject);
    }),
};

const block = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

// Each calls back in that phase of the loop.
const phases = {
  timers: (callback) => setTimeout(callback, 1),
  poll: (callback) => require('node:fs').stat(__filename, callback),
  check: (callback) => setImmediate(callback),
  'a microtask': (callback) => queueMicrotask(callback),
};

/** Blocks the loop in that phase; resolves afterwards with the performance.now() of the end. */
function blockIn(phase, ms) {
  return new Promise((resolve) => {
    phases[phase](() => {
      block(ms);
      resolve(performance.now());
    });
  });
}

module.exports = { block, blockIn, clients, phases, startServer };
