'use strict';

// Runs the example's command line as a child process, as a user does.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { text } = require('node:stream/consumers');

const MAIN = join(__dirname, '..', '..', 'examples', 'fetch-all', 'main.js');
const PROBE = ['--require', join(__dirname, 'heap-probe.js')];

/** A directory that lives as long as the running describe block. */
function scratch() {
  const box = {};
  before(() => (box.path = mkdtempSync(join(tmpdir(), 'fetch-all-test-'))));
  after(() => rmSync(box.path, { recursive: true, force: true }));
  return { file: (name) => join(box.path, name) };
}

/**
 * `stdin`: text, null for a pipe that stays open (`child.stdin`), or another child's output. `result` resolves with
 * { code, stdout, stderr } when it has ended; living() with { rows, promises } on its heap, where it is `probed`. In a
 * process group of its own, as a shell does.
 */
function start(args, { stdin = '', probed = false } = {}) {
  const isShared = typeof stdin === 'object' && stdin !== null;
  const child = spawn(process.execPath, [...(probed ? PROBE : []), MAIN, ...args], {
    detached: true,
    stdio: [isShared ? stdin : 'pipe', 'pipe', 'pipe', ...(probed ? ['ipc'] : [])],
  });
  if (isShared)
    stdin.destroy(); // the child has its own now, and who writes hears when that is closed
  else child.stdin.on('error', () => {}); // it may end before it has read everything
  if (typeof stdin === 'string') child.stdin.end(stdin);
  const result = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]).then(
    ([[code, signal], stdout, stderr]) => ({ code, signal, stdout, stderr }),
  );
  const living = async () => {
    child.send('how many?');
    return (await once(child, 'message'))[0];
  };
  return { child, result, living, interrupt: () => process.kill(-child.pid, 'SIGINT') };
}

const run = (args, options) => start(args, options).result;

const parseRows = (jsonLines) =>
  jsonLines
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

const readRows = (file) => parseRows(readFileSync(file, 'utf8'));

module.exports = { parseRows, readRows, run, scratch, start };
