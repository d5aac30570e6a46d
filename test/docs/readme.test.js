'use strict';

// The examples of README.md that stand there as whole programs (```js run=name), run as a reader would run them.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { text } = require('node:stream/consumers');
const { parseLines } = require('../support/child');
const { createProject } = require('../support/project');

const README = readFileSync(join(__dirname, '../../README.md'), 'utf8');
const programs = Object.fromEntries(
  [...README.matchAll(/^```js run=(\S+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]),
);

describe('README', function () {
  this.timeout(60_000);
  let project;
  before(() => (project = createProject(programs)));
  after(() => project.remove());

  /** Runs a program in the project's folder. */
  async function run(name) {
    const options = { cwd: project.path('.'), stdio: ['ignore', 'pipe', 'pipe'] };
    const child = spawn(process.execPath, [name], options);
    const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
    return { code, stdout, stderr };
  }

  it('every program of it is run here', () => {
    assert.deepEqual(Object.keys(programs), ['threads.mjs', 'watch.mjs', 'record.mjs']);
  });

  it('limits that threads share: each thread does its work', async () => {
    const { code, stdout, stderr } = await run('threads.mjs');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const lines = [0, 1, 2, 3].flatMap((thread) =>
      ['a', 'b', 'c'].map((name) => `thread ${thread} has written ${name}`),
    );
    assert.deepEqual(stdout.trim().split('\n').toSorted(), lines.toSorted());
  });

  it('a watchdog: one line of what README shows, and one when it is over', async () => {
    const { code, stdout, stderr } = await run('watch.mjs');
    assert.equal(code, 0);
    const [report, ...others] = parseLines(stderr);
    assert.deepEqual(others, []);
    const shown = JSON.parse(README.match(/^```json\n(.*?)^```$/ms)[1]);
    assert.deepEqual(Object.keys(report), Object.keys(shown));
    for (const field of ['event', 'threshold', 'thread', 'phase', 'job', 'open'])
      assert.deepEqual(report[field], shown[field], field);
    const frames = ({ stack }) => stack.slice(0, 2).map((frame) => frame.replace(/file:.*\//, ''));
    assert.deepEqual(frames(report), frames(shown));
    assert.match(stdout, /^It turns again, after [\d.]+ ms\n$/);
  });

  it('a flight recorder: two files', async () => {
    const { code, stdout, stderr } = await run('record.mjs');
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
    assert.match(readFileSync(project.path('flight.html'), 'utf8'), /^<!doctype html>/i);
    assert.ok(JSON.parse(readFileSync(project.path('flight.trace.json'), 'utf8')).traceEvents.length >= 80);
  });
});
