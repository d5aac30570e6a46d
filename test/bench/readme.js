'use strict';

// node test/bench/readme.js results.json [other-node.json]: puts the measured table into the README, between its marks.

const fs = require('node:fs');
const path = require('node:path');
const { number, ratio } = require('./table.js');

const README = path.join(__dirname, '../../README.md');
const START = '<!-- bench: written by test/bench/readme.js -->';
const END = '<!-- /bench -->';

const NET = ['hand-written, with net', 'AbortSignal.any and .timeout', 'p-map + p-retry + p-timeout'];
const WITH_NET = { ours: 'sluice, with net', twin: 'twin, with net' };

// row, what a reader calls it, the peers worth a column of words, and what we and the twin are called in it
const CALLS = [
  [
    'map',
    '`mapWithLimit`, 1M trivial async items, limit 16',
    ['hand-written lanes', 'async.mapLimit', 'p-map', 'p-limit', 'fastq', 'effect'],
  ],
  [
    'map-policy',
    'the same with timeout, retry, signal and progress',
    ['hand-written timers', 'effect', 'p-map + p-retry + p-timeout', 'p-map + cockatiel'],
  ],
  ['http', 'real HTTP requests to a local server, 50 at a time', ['p-map']],
  [
    'http',
    'the same with timeout, retry, progress and a signal for each request',
    ['hand-written lanes, a signal each', ...NET],
    WITH_NET,
  ],
  ['http-cpu', 'that in processor time of the client', ['hand-written lanes, a signal each', ...NET], WITH_NET],
  ['timeout', '`withTimeout` on a promise that settles at once', ['p-timeout', 'cockatiel']],
  ['retry', '`retry`, first attempt succeeds', ['async.retry', 'p-retry', 'cockatiel']],
  ['settle', '`allSettled`, 100k promises', []],
  [
    'open',
    'a million open timeouts, arm and cancel (deadlines alone)',
    [],
    { ours: 'sluice in C', twin: 'twin deadlines' },
  ],
  ['open-bytes', 'memory of an open `withTimeout`, promise and all', ['p-timeout']],
  [
    'item-bytes',
    'memory of an open item of `mapWithLimit`, with timeout, retry, signal and progress',
    ['p-map', 'p-limit', 'p-map + p-retry + p-timeout'],
    WITH_NET,
  ],
];

const COORDINATION = [
  ['semaphore', 'semaphore, acquire and release of a free permit', ['cockatiel', 'async-mutex', 'p-limit']],
  ['contended', 'the same, 64 tasks that fight for 4 permits', ['async-mutex', 'p-limit', 'cockatiel']],
  [
    'waiters',
    'one of 160k waiters in line (async-mutex, cockatiel: of 40k), let in one by one',
    ['cockatiel, 40k', 'async-mutex, 40k'],
    { ours: 'sluice, 160k', twin: 'twin, 160k' },
  ],
  [
    'waiter-bytes',
    'memory of a waiter, promise and all',
    ['sluice, with timeout', 'async-mutex', 'cockatiel', 'p-limit', 'async-mutex, with timeout'],
  ],
  ['rate-limiter', '`RateLimiter.acquire`, a token is there', ['p-throttle', 'bottleneck']],
  [
    'queue',
    '`Queue`, 100k items put, then got by a consumer',
    ['sluice, for await', 'fastq, callbacks', 'sluice, consume', 'async.queue', 'p-queue'],
  ],
  [
    'queue-lockstep',
    'the same, put and got in lockstep',
    ['sluice, for await', 'sluice, consume', 'async.queue', 'p-queue'],
  ],
  ['stream', '`mapStream`, limit 16, read by `for await`', ['pMapIterable', 'stream.map of Node']],
  ['group', '`TaskGroup`, 100k trivial tasks', ['sluice, collected', 'effect']],
  [
    'shared',
    '`mapWithLimit` under a shared `Semaphore(16)`',
    ['sluice, Semaphore(16), 4 calls', 'sluice, RateLimiter', 'p-limit, 4 calls'],
    { ours: 'sluice, Semaphore(16)' },
  ],
];

const SHARED = { ours: 'sluice, shared' };
const ATOMICS = ['Atomics.waitAsync, own line first', 'Atomics.wait'];

const THREADS = [
  ['threads-free', '`Semaphore` with `shared`, acquire and release of a free permit', [], SHARED],
  ['threads-rate', '`RateLimiter` with `shared`, a token is there: `acquire`', [], SHARED],
  ['threads-1', 'one thread, 16 tasks that fight for 2 permits', ATOMICS, SHARED],
  ['threads-2', '2 threads of 16 tasks that fight for 2 permits', ATOMICS, SHARED],
  ['threads-2-wait', 'the longest wait in that', ATOMICS, SHARED],
  ['threads-4', '4 threads of 16 tasks that fight for 2 permits', ATOMICS, SHARED],
  ['threads-4-wait', 'the longest wait in that', ATOMICS, SHARED],
  ['threads-4-turn', '4 threads, each permit held for a turn of the loop', ATOMICS, SHARED],
  ['threads-4-turn-wait', 'the longest wait in that', ATOMICS, SHARED],
];

function cell(row, of) {
  const found = row.contestants.find(({ name }) => name === of);
  return found?.ratio ? ratio(found.ratio.median) : '';
}

function anchorOf({ anchor, unit, perSecond, contestants }) {
  const { median } = contestants.find(({ name }) => name === anchor);
  return `${anchor}: ${perSecond ? `${(1e6 / median).toFixed(0)} ${perSecond}` : `${number(median)} ${unit}`}`;
}

function line(results, [name, title, peers, { ours = 'sluice', twin = 'twin' } = {}]) {
  const row = results.rows.find((one) => one.name === name);
  const target = row.targets.find(({ of, against }) => of === ours && against === row.anchor);
  const named = peers.map((peer) => [peer, cell(row, peer)]).filter(([, value]) => value !== '');
  return [
    title,
    anchorOf(row),
    `**${cell(row, ours)}**`,
    target ? `${ratio(target.most)}` : '',
    cell(row, twin),
    named.map(([peer, value]) => `${peer} ${value}`).join(', '),
  ];
}

function table(results, rows) {
  const head = ['work', '1x is', 'sluice', 'target', 'twin', 'others'];
  const lines = [head, head.map(() => '---'), ...rows.map((row) => line(results, row))];
  return lines.map((cells) => `| ${cells.join(' | ')} |`);
}

/** What was measured, where it is no ratio. */
function cost({ rows }, name, of) {
  const { contestants, unit } = rows.find((row) => row.name === name);
  return `${number(contestants.find((one) => one.name === of).median)} ${unit}`;
}

function targetOf({ rows }, name) {
  const { targets, unit } = rows.find((row) => row.name === name);
  return `target: ${number(targets[0].most)} ${unit}`;
}

/** What the recorder and the watchdog cost, as sentences. */
function lookedAt(results) {
  const [event, ns] = [cost(results, 'recorder', 'mapWithLimit'), cost(results, 'recorder-ns', 'mapWithLimit')];
  const working = cost(results, 'watched', 'mapWithLimit, items of 1 us');
  const trivial = cost(results, 'watched', 'mapWithLimit, trivial items');
  return [
    `To be looked at costs processor time: an event of the recorder ${event} of a bare loop, ${ns}`,
    `(${targetOf(results, 'recorder')}); \`watchLoop()\` ${working} more where an item is a microsecond's work`,
    `(${targetOf(results, 'watched')}), ${trivial} more where it is none.`,
  ];
}

function textOf(results) {
  const { versions, machine } = results;
  const { node, ...rest } = versions;
  const list = Object.entries(rest).map(([name, version]) => `${name} ${version}`);
  return [
    `Ratios of the median time per item (or of what the row names): less is better. _twin_: the same design in plain JavaScript. Rivals interleaved in one process, Node ${node} (${machine.cpu}, ${machine.cores} cores):`,
    '',
    ...table(results, CALLS),
    '',
    'What calls share, measured in the same way (the twin here is as short as it gets):',
    '',
    ...table(results, COORDINATION),
    '',
    'What threads share. The rival: permits in a `SharedArrayBuffer`, by [`Atomics`](test/bench/atomics-semaphore.js). It grants',
    'faster, but not first come, first served: a sleeper is overtaken, and waits until the others have no work left. Where threads',
    `take turns each turn wakes another one: ${cost(results, 'threads-2', 'sluice, shared')} a grant with two of them, which shows where permits are held for less`,
    '(a microtask), and less where they are held for longer (the last two rows).',
    '',
    ...table(results, THREADS),
    '',
    ...lookedAt(results),
    '',
    `(${list.join(', ')})`,
  ].join('\n');
}

const [file] = process.argv.slice(2);
const readme = fs.readFileSync(README, 'utf8');
const [before, rest] = readme.split(START);
const after = rest.split(END)[1];
const text = textOf(JSON.parse(fs.readFileSync(file, 'utf8')));
fs.writeFileSync(README, `${before}${START}\n\n${text}\n\n![the same as a chart](docs/bench.svg)\n\n${END}${after}`);
