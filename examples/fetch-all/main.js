#!/usr/bin/env node
'use strict';

// From the command line to the exit code; see --help and README.md.

const { mkdirSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { TimeoutError } = require('../..');
const { HELP, UsageError, parse } = require('./cli');
const { fetchAll } = require('./fetcher');
const { startProgress } = require('./progress');
const { summary, verdict } = require('./report');
const { openRows } = require('./rows');
const { openSource } = require('./sources');
const { Tally, causeOf } = require('./tally');
const { openTrace } = require('./trace');
const { verify } = require('./world/verify');
const { startWorld } = require('./world/world');

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 };
const OWN_WORLD_OUT = join(__dirname, '..', '..', 'out', 'fetch-all.jsonl');

const interrupt = new AbortController();
const { signal } = interrupt;

process.on('SIGINT', () => {
  if (signal.aborted) process.exit(EXIT.interrupted); // the second Ctrl-C does not wait for anything
  interrupt.abort(new Error('interrupted'));
});

// A reader that has gone (`| head`) gets no more text; what was fetched still decides the exit code.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

/** Fetches `urls` into `rows`; resolves with the error that cut it short, or undefined. */
async function fetchInto(rows, urls, options, { tally, onRow, onFailedAttempt }) {
  const { concurrency, timeout, retries, rate, totalTimeout } = options;
  const keep = (row) => {
    // Ctrl-C writes what is done, and a URL it cut off is not.
    if (signal.aborted && row.error !== null) return undefined;
    tally.row(row);
    onRow(row);
    return rows.write(row);
  };
  // The length of an array; a stream's end is not known before it comes.
  const progress = startProgress(tally, { total: urls.length, rowsOnTerminal: rows.toStdout && process.stdout.isTTY });
  const tellings = { onProgress: progress.update, onRow: keep, onFailedAttempt };
  try {
    await fetchAll(urls, { concurrency, timeout, retries, rate, totalTimeout, signal, ...tellings });
    return undefined;
  } catch (error) {
    if (error instanceof TimeoutError && Array.isArray(urls)) {
      // Every URL has its row, those that never started too. (What standard input still holds stays unread.)
      for (const url of urls.slice(tally.urls)) {
        await keep({ url, status: null, bytes: 0, sha256: null, attempts: 0, durationMs: 0, error: 'not started' });
      }
    }
    return error;
  } finally {
    progress.stop();
  }
}

async function fetchAndReport(rows, urls, options, { world, trace }) {
  const say = (text) => (rows.toStdout ? process.stderr : process.stdout).write(text);
  const { seed, out = OWN_WORLD_OUT } = options;
  if (world) say(`seed ${seed}: ${urls.length} files from ${world.origin}, rows in ${out}\n`);

  const tally = new Tally();
  const kept = new Map(); // rows and failures by URL, for the own world's verdict only
  const failures = new Map();
  trace?.start();
  const start = performance.now();
  const cutShort = await fetchInto(rows, urls, options, {
    tally,
    onRow: (row) => world && kept.set(row.url, row),
    onFailedAttempt(url, error) {
      tally.failedAttempt(error);
      if (world) failures.set(url, [...(failures.get(url) ?? []), causeOf(error)]);
    },
  });
  const elapsed = performance.now() - start;
  trace?.stop();
  await rows.close();
  say(summary(tally, elapsed));
  if (trace) say(await trace.write(`fetch-all: ${tally.urls} URLs, ${options.concurrency} at a time`));

  if (cutShort) throw cutShort;
  if (!world) return tally.failed === 0 ? EXIT.ok : EXIT.failed;

  const log = await world.stop();
  const { origin, files } = world;
  const result = await verify({ origin, files, rows: kept, failures, log, signal });
  say(verdict(result, files.size));
  return tally.failed === 0 && result.disagreements.length === 0 ? EXIT.ok : EXIT.failed;
}

async function run(options) {
  // In this order: a wrong URL must not empty yesterday's result file, nor a wrong file name leave a server behind.
  const given = options.ownWorld ? undefined : await openSource(options);
  if (options.out === undefined) mkdirSync(dirname(OWN_WORLD_OUT), { recursive: true });
  const trace = options.trace === undefined ? undefined : await openTrace(options.trace);
  const rows = await openRows(options.out ?? OWN_WORLD_OUT);
  const world = options.ownWorld ? await startWorld(options) : undefined;
  const urls = given ?? [...world.files.keys()];
  try {
    return await fetchAndReport(rows, urls, options, { world, trace });
  } finally {
    await world?.stop();
    await trace?.close();
    if (!Array.isArray(urls)) process.stdin.destroy(); // a line still awaited must not keep the process
  }
}

async function main(argv) {
  const options = parse(argv);
  if (!options.help) return run(options);
  process.stdout.write(HELP);
  return EXIT.ok;
}

function exitCodeOf(error) {
  if (signal.aborted) return EXIT.interrupted;
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error) => {
    process.exitCode = exitCodeOf(error);
    process.stderr.write(`fetch-all: ${error.message}${process.exitCode === EXIT.usage ? ' (see --help)' : ''}\n`);
  },
);
