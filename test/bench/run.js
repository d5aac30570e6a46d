'use strict';

// npm run bench -- [--quick] [--row NAME]... [--only NAME,...] [--rounds N] [--out file.json] [--svg file.svg]
//
// Each row runs in a process of its own, its contestants side by side in it (a row marked `alone` gives each contestant
// its own process: it measures resident memory). --node /path/to/node measures under another Node.

const fs = require('node:fs');
const path = require('node:path');
const { fork } = require('node:child_process');
const { parseArgs } = require('node:util');
const { measure, reports, facesOf } = require('./harness.js');
const { loadRivals, versions, machine } = require('./rivals.js');
const { printRow, printTargets } = require('./table.js');
const { chart } = require('./chart.js');

const root = path.join(__dirname, '../..');

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    row: { type: 'string', multiple: true },
    only: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string' },
    svg: { type: 'string' },
    node: { type: 'string' },
    list: { type: 'boolean', default: false },
    child: { type: 'string' },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 2 : 11));
const scale = options.quick ? 0.002 : 1;

function allRows(rivals) {
  const calls = ['map', 'limits', 'http', 'timeout', 'retry', 'settle', 'open', 'items', 'turns', 'scale'];
  const coordination = ['semaphore', 'rate', 'queue', 'stream', 'group', 'shared', 'threads', 'watching'];
  const files = [...calls, ...coordination];
  return files.flatMap((file) => require(`./rows/${file}.js`)(rivals));
}

function progress(row) {
  if (!process.stderr.isTTY) return () => {};
  return (text) => process.stderr.write(`\r\x1b[K${text === undefined ? '' : `${row.name}: ${text}`}`);
}

/** Whose names --only wants, and the anchor. */
function chosenIn({ anchor }) {
  const only = options.only?.split(',');
  return (name) => !only || name === anchor || only.some((part) => name.includes(part));
}

// In the child: one row, all its contestants or one.
async function measureHere(name, contestant) {
  const rowWith = (rivals) => allRows(rivals).find((row) => row.name === name);
  const rivals = await loadRivals(rowWith(await loadRivals([])).contestants.flatMap(({ needs = [] }) => needs));
  const row = rowWith(rivals);
  const chosen = contestant ? (name) => name === contestant : chosenIn(row);
  const log = progress(row);
  const result = await measure(row, rivals, { rounds, scale, chosen, log });
  log();
  process.send({ versions: versions(), ...result }, () => process.exit());
}

function measureInChild(row, contestant) {
  const child = fork(__filename, [...process.argv.slice(2), '--child', JSON.stringify([row.name, contestant])], {
    execPath: options.node ?? process.execPath,
    execArgv: ['--expose-gc', ...(row.flags ?? [])],
  });
  return new Promise((resolve, reject) => {
    let result;
    child.on('message', (message) => (result = message));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (result) resolve(result);
      else reject(new Error(`row ${row.name} ended with ${signal ?? code}`));
    });
  });
}

async function measureRow(row) {
  if (!row.alone) return measureInChild(row);
  const parts = [];
  for (const { name } of row.contestants.filter(({ name }) => chosenIn(row)(name))) {
    parts.push(await measureInChild(row, name));
  }
  return {
    versions: parts[0].versions,
    field: parts.flatMap(({ field }) => field),
    absent: parts.flatMap(({ absent }) => absent),
  };
}

function write(file, text) {
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  fs.writeFileSync(file, text);
  console.log(`written: ${path.relative(process.cwd(), file)}`);
}

async function main() {
  const all = allRows(await loadRivals([]));
  const rows = all.filter((row) => !options.row || facesOf(row).some(({ name }) => options.row.includes(name)));
  if (options.list || rows.length === 0) {
    for (const { name, title } of all.flatMap(facesOf)) console.log(`${name.padEnd(16)}${title}`);
    process.exitCode = options.list ? 0 : 1;
    return;
  }
  const results = {
    date: new Date().toISOString(),
    machine: machine(),
    versions: undefined,
    quick: options.quick,
    rows: [],
  };
  for (const row of rows) {
    try {
      const { versions, ...measured } = await measureRow(row);
      if (!results.versions) printHeading((results.versions = versions), results.machine);
      for (const reported of reports(row, measured)) {
        results.rows.push(reported);
        printRow(reported, options);
      }
    } catch (error) {
      console.error(`\n${row.name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
  if (!options.quick) printTargets(results.rows);

  const isFull = !options.quick && !options.row && !options.only && process.exitCode === undefined;
  const out = options.out ?? (isFull && path.join(__dirname, 'results', `node-${results.versions.node}.json`));
  const svg = options.svg ?? (isFull && !options.node && path.join(root, 'docs/bench.svg'));
  if (out) write(out, JSON.stringify(results, null, 2) + '\n');
  if (svg) write(svg, chart(results));
}

function printHeading(versions, { cpu, cores, memory, system }) {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  console.log(`${list.join(', ')}\n${cpu}, ${cores} cores, ${memory}, ${system}`);
  if (options.quick)
    console.log('Quick: sizes and rounds too small to mean anything; this only shows that every row runs.');
}

if (options.child) measureHere(...JSON.parse(options.child));
else main();
