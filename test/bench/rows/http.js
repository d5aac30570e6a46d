'use strict';

// Real requests to a server on this machine, in a process of its own: what the library costs beside the work it is for.
// "The net" is a timeout, retries, a signal that reaches the request, and progress. Each contestant is measured by the
// clock and, in a row of its own, by the processor time of this process: every thread of it, and not the server's.

const assert = require('node:assert');
const http = require('node:http');
const path = require('node:path');
const { setMaxListeners } = require('node:events');
const { fork } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const { lanes, upTo } = require('../by-hand.js');
const { processorTime } = require('../harness.js');

const limit = 50;
const ms = 5000;
const retries = 2;
const delay = 1000;

let server;
/** The port of a server that ends with this process. */
function serve() {
  server ??= new Promise((resolve, reject) => {
    const child = fork(path.join(__dirname, '../server.js'), { execArgv: [] });
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return server;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: limit });

/** As cheap as a request gets in Node: no stream of the body, no Headers, one string. */
const viaHttp = (port) => (id, signal) =>
  new Promise((resolve, reject) => {
    const request = http.get({ agent, host: '127.0.0.1', port, path: `/${id}`, signal }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(JSON.parse(body).id));
      response.on('error', reject);
    });
    request.on('error', reject);
  });

const viaFetch = (port) => async (id, signal) => {
  const response = await fetch(`http://127.0.0.1:${port}/${id}`, { signal });
  return (await response.json()).id;
};

/** One attempt with a controller of its own, which follows the caller's signal. */
async function withController(signal, attempt) {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  signal.addEventListener('abort', follow, { once: true });
  try {
    return await attempt(controller);
  } finally {
    signal.removeEventListener('abort', follow);
  }
}

/** The net as one writes it by hand, around attempts that end in time. */
function tryAgain(items, { signal, onProgress }, attempt) {
  let done = 0;
  return lanes(items, limit, async (id) => {
    for (let count = 1; ; count++) {
      try {
        const value = await attempt(id);
        onProgress({ done: ++done, total: items.length });
        return value;
      } catch (error) {
        if (count > retries || signal.aborted) throw error;
        await sleep(delay * count, undefined, { signal });
      }
    }
  });
}

function netByHand(items, get, options) {
  return tryAgain(items, options, (id) =>
    withController(options.signal, async (controller) => {
      const timer = setTimeout(() => controller.abort(new Error('timed out')), ms);
      try {
        return await get(id, controller.signal);
      } finally {
        clearTimeout(timer);
      }
    }),
  );
}

/** p-timeout stops waiting, not the request: that takes a controller. */
function netOfPs(rivals, items, get, { signal, onProgress }) {
  const [pMap, pRetry, pTimeout] = [rivals['p-map'], rivals['p-retry'], rivals['p-timeout']];
  let done = 0;
  const timed = (id) => (controller) =>
    pTimeout(get(id, controller.signal), { milliseconds: ms }).catch((error) => {
      controller.abort(error);
      throw error;
    });
  const each = async (id) => {
    const value = await pRetry(() => withController(signal, timed(id)), { retries, minTimeout: delay, signal });
    onProgress({ done: ++done, total: items.length });
    return value;
  };
  return pMap(items, each, { concurrency: limit, signal });
}

function contestantsOf({ sluice, twin, ...rivals }, connect) {
  let progress;
  const onProgress = (seen) => (progress = seen);
  const policy = () => {
    const { signal } = new AbortController();
    setMaxListeners(0, signal); // without it, rivals that listen once per request are warned of a leak
    return { timeout: ms, retry: retries, signal, onProgress };
  };

  const prepare = async (n) => ({ items: upTo(n), get: connect(await serve()) });
  const check = (results, n) => assert.deepStrictEqual(results, upTo(n));
  const bare = (name, needs, map) => ({ name, needs, prepare, check, run: (n, { items, get }) => map(items, get) });
  const withNet = (name, needs, map) => ({
    name,
    needs,
    prepare,
    check(results, n) {
      check(results, n);
      assert.strictEqual(progress.done, n);
    },
    run: (n, { items, get }) => map(items, get, policy()),
  });

  const alone = (get) => (id) => get(id);
  const signalled = (get) => (id) => get(id, new AbortController().signal);
  const guarded =
    (get) =>
    (id, _index, { signal }) =>
      get(id, signal);
  return [
    bare('hand-written lanes', [], (items, get) => lanes(items, limit, alone(get))),
    bare('sluice', ['sluice'], (items, get) => sluice.mapWithLimit(items, limit, alone(get))),
    bare('p-map', ['p-map'], (items, get) => rivals['p-map'](items, alone(get), { concurrency: limit })),
    bare('hand-written lanes, a signal each', [], (items, get) => lanes(items, limit, signalled(get))),
    withNet('hand-written, with net', [], netByHand),
    withNet('AbortSignal.any and .timeout', [], (items, get, options) =>
      tryAgain(items, options, (id) => get(id, AbortSignal.any([options.signal, AbortSignal.timeout(ms)]))),
    ),
    withNet('twin, with net', [], (items, get, options) => twin.mapWithLimit(items, limit, guarded(get), options)),
    withNet('sluice, with net', ['sluice'], (items, get, options) =>
      sluice.mapWithLimit(items, limit, guarded(get), options),
    ),
    withNet('p-map + p-retry + p-timeout', ['p-map', 'p-retry', 'p-timeout'], (items, get, options) =>
      netOfPs(rivals, items, get, options),
    ),
  ];
}

const wall = () => performance.now() * 1000;

function row(rivals, { name, title, connect, n, rounds, without = [] }) {
  return {
    name,
    title: `${title}, ${limit} at a time: time per request`,
    unit: 'us',
    perSecond: 'requests/s',
    n,
    rounds,
    anchor: 'hand-written lanes',
    note: 'the net: timeout, retry, a signal that reaches the request, progress',
    clock: wall,
    also: [{ name: `${name}-cpu`, title: `${title}: processor time of the client per request`, clock: processorTime }],
    contestants: contestantsOf(rivals, connect).filter((contestant) => !without.includes(contestant.name)),
  };
}

module.exports = (rivals) => [
  row(rivals, { name: 'http', title: 'GET of a small JSON by http.get', connect: viaHttp, n: 3000, rounds: 7 }),
  row(rivals, {
    name: 'fetch',
    title: 'GET of a small JSON by fetch',
    connect: viaFetch,
    n: 3000,
    rounds: 5,
    without: ['hand-written lanes, a signal each', 'AbortSignal.any and .timeout'],
  }),
];
