'use strict';

// A Node process of its own, run to its end.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { text } = require('node:stream/consumers');

// Who is still alive by then hangs. It is generous: builds with sanitizers are slow.
const LIMIT = 110_000;

/** Resolves with { code, signal, stdout, stderr }; a process that hangs is killed, and its signal is SIGKILL. */
async function runNode(args, { limit = LIMIT } = {}) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), limit);
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ]);
  clearTimeout(timer);
  return { code, signal, stdout, stderr };
}

/** Runs many, two at a time; returns a function from a name to the promise of its result. `argsOf`: name -> arguments. */
function runMany(argsOf) {
  const waiting = Object.entries(argsOf);
  const settlers = new Map();
  const results = new Map(waiting.map(([name]) => [name, new Promise((...both) => settlers.set(name, both))]));
  const next = () => {
    if (waiting.length === 0) return;
    const [name, args] = waiting.shift();
    runNode(args)
      .then(...settlers.get(name))
      .then(next);
  };
  next();
  next();
  return (name) => results.get(name);
}

/** The lines that a child wrote as JSON. */
function parseLines(stdout) {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

/**
 * For the tests of a suite: runs scripts, name -> text behind `main`, in processes that may collect garbage. Returns an
 * async function from a name to the lines that it wrote; the process must have ended by itself, and well.
 */
function linesOfScripts(scripts, main) {
  let resultOf;
  before(() => {
    const argsOf = ([name, script]) => [name, ['--expose-gc', '-e', main + script]];
    resultOf = runMany(Object.fromEntries(Object.entries(scripts).map(argsOf)));
  });
  return async (name) => {
    const { code, signal, stdout, stderr } = await resultOf(name);
    assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    return parseLines(stdout);
  };
}

module.exports = { linesOfScripts, parseLines, runMany, runNode };
