'use strict';

// node test/bench/readme.js results.json [other-node.json]: puts the measured table into the README, between its marks.

const fs = require('node:fs');
const path = require('node:path');
const { ratio } = require('./table.js');

const README = path.join(__dirname, '../../README.md');
const START = '<!-- bench: written by test/bench/readme.js -->';
const END = '<!-- /bench -->';

// row, what a reader calls it, and the peers worth a column of words
const ROWS = [
  [
    'map',
    '`mapWithLimit`, 1M trivial async items, limit 16',
    ['async.mapLimit', 'p-map', 'p-limit', 'fastq', 'effect'],
  ],
  [
    'map-policy',
    'the same with timeout, retry, signal and progress',
    ['hand-written timers', 'effect', 'p-map + p-retry + p-timeout', 'p-map + cockatiel'],
  ],
  ['timeout', '`withTimeout` on a promise that settles at once', ['p-timeout', 'cockatiel']],
  ['retry', '`retry`, first attempt succeeds', ['async.retry', 'p-retry', 'cockatiel']],
  ['settle', '`allSettled`, 100k promises', []],
  ['open', 'a million open timeouts, arm and cancel (deadlines alone)', []],
];

function cell(row, of) {
  const found = row.contestants.find(({ name }) => name === of);
  return found?.ratio ? ratio(found.ratio.median) : '';
}

function line(results, [name, title, peers]) {
  const row = results.rows.find((one) => one.name === name);
  const target = row.targets.find(({ against }) => against === row.anchor);
  const named = peers.map((peer) => [peer, cell(row, peer)]).filter(([, value]) => value !== '');
  const ours = name === 'open' ? 'sluice in C' : 'sluice';
  const twin = name === 'open' ? 'twin deadlines' : 'twin';
  return [
    title,
    row.anchor,
    `**${cell(row, ours)}**`,
    target ? `${ratio(target.most)}` : '',
    cell(row, twin),
    named.map(([peer, value]) => `${peer} ${value}`).join(', '),
  ];
}

function tableOf(results) {
  const { versions, machine } = results;
  const head = ['work', '1x is', 'sluice', 'target', 'twin', 'others'];
  const lines = [head, head.map(() => '---'), ...ROWS.map((row) => line(results, row))];
  const { node, ...rest } = versions;
  const list = Object.entries(rest).map(([name, version]) => `${name} ${version}`);
  return [
    `Ratios of the median time per item, rivals interleaved in one process, Node ${node} (${machine.cpu}, ${machine.cores} cores):`,
    '',
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `(${list.join(', ')})`,
  ].join('\n');
}

const [file] = process.argv.slice(2);
const readme = fs.readFileSync(README, 'utf8');
const [before, rest] = readme.split(START);
const after = rest.split(END)[1];
const table = tableOf(JSON.parse(fs.readFileSync(file, 'utf8')));
fs.writeFileSync(README, `${before}${START}\n\n${table}\n\n![the same as a chart](docs/bench.svg)\n\n${END}${after}`);
