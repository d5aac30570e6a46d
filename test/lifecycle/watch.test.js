'use strict';

// A process that is stuck says so while it is: each test reads the report before it lets the process go on.

const assert = require('node:assert/strict');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { once } = require('node:events');
const { setTimeout: wait } = require('node:timers/promises');
const { Watched, parse } = require('../support/watched');

const FIELDS = [
  'event',
  'time',
  'since',
  'blockedFor',
  'threshold',
  'pid',
  'thread',
  'phase',
  'job',
  'open',
  'stack',
  'stackError',
];
const JOB = { label: 'a "label"\n', item: 1, attempt: 2 };

describe('lifecycle: a watched loop that is stuck', function () {
  this.timeout(120_000);
  let watched;
  const start = (name, execArgv) => (watched = new Watched(name, execArgv));
  afterEach(() => watched?.dispose());

  function assertShape(report, { thread = 0, isOver = false } = {}) {
    const { pid } = watched.child;
    assert.deepEqual(Object.keys(report), FIELDS);
    assert.equal(report.event, 'loop-blocked');
    assert.deepEqual({ pid: report.pid, thread: report.thread }, { pid, thread });
    assert.equal(report.threshold, 100);
    assert.ok(report.blockedFor >= 100, `${report.blockedFor} ms`);
    const [since, time] = [report.since, report.time].map((text) => new Date(text));
    assert.equal(time.toISOString(), report.time);
    const ago = time - since;
    if (isOver) assert.ok(ago <= report.blockedFor + 2, 'it was written before the end');
    else assert.ok(Math.abs(ago - report.blockedFor) <= 2, 'it began as long ago as it lasts');
    assert.ok(Math.abs(Date.now() - time) < 60_000, 'it is now');
  }

  function assertOver(told, report) {
    assert.equal(told.length, 1, 'onBlocked is called once for a block');
    const { blockedFor, ...rest } = told[0].over;
    const { blockedFor: meanwhile, ...written } = report;
    assert.deepEqual(rest, written);
    assert.ok(blockedFor >= meanwhile, 'the whole duration is not less than what it was meanwhile');
  }

  for (const [name, job] of [
    ['busy outside', null],
    ['busy in a mapper', JOB],
  ]) {
    it(`${name}: the report has the stack, and is there before the loop turns`, async () => {
      start(name);
      const report = await watched.line('stderr');
      watched.letGo(); // it could not go on before
      assertShape(report);
      assert.deepEqual(report.job, job);
      if (job === null) assert.equal(report.phase, 'timers');
      assert.equal(report.stackError, null);
      assert.ok(
        report.stack.some((line) => line.includes('untilTheTestSaysGo') && line.includes('watch-cases.js')),
        report.stack.join('\n'),
      );
      const { code, signal, told, reports } = await watched.end();
      assert.deepEqual({ code, signal, reports: reports.length }, { code: 0, signal: null, reports: 1 });
      assertOver(told, report);
    });
  }

  for (const [name, job] of [
    ['fifo outside', null],
    ['fifo in a mapper', JOB],
  ]) {
    it(`${name}: a native call has no stack, and the report says so before it returns`, async () => {
      start(name);
      const report = await watched.line('stderr');
      assertShape(report);
      assert.deepEqual(report.job, job);
      assert.equal(report.stack, null);
      assert.match(report.stackError, /native call/);
      watched.feed();
      const { code, signal, told, reports } = await watched.end();
      assert.deepEqual({ code, signal, reports: reports.length }, { code: 0, signal: null, reports: 1 });
      assertOver(told, report);
    });
  }

  for (const [name, job] of [
    ['regex outside', null],
    ['regex in a mapper', JOB],
  ]) {
    it(`${name}: the report has the stack while the regular expression still runs`, async () => {
      start(name);
      const report = await watched.line('stderr');
      assertShape(report);
      assert.deepEqual(report.job, job);
      assert.ok(
        report.stack.some((line) => line.includes('matchesACatastrophe')),
        report.stack.join('\n'),
      );
      assert.deepEqual([watched.child.exitCode, watched.stdout], [null, ''], 'it is still stuck');
    });
  }

  for (const [name, phase] of [
    ['before the first turn', 'start'],
    ['an immediate', 'check'],
    ['what has arrived', 'poll'],
  ]) {
    it(`${name}: the phase is ${phase}`, async () => {
      start(name);
      const report = await watched.line('stderr');
      watched.letGo();
      assertShape(report);
      assert.equal(report.phase, phase);
      const { code, told } = await watched.end();
      assert.equal(code, 0);
      assertOver(told, report); // also where nothing is left that would make the loop turn again
    });
  }

  it('stack: false: the report says that none was asked for', async () => {
    start('no stack');
    const report = await watched.line('stderr');
    watched.letGo();
    assertShape(report);
    assert.deepEqual([report.stack, report.stackError], [null, 'No stack was asked for']);
    assert.equal((await watched.end()).code, 0);
  });

  it('log: a file: it is appended to, and stderr stays empty', async () => {
    start('to a file');
    writeFileSync(watched.file('log'), 'before\n');
    while (!readFileSync(watched.file('log'), 'utf8').endsWith('}\n')) await wait(10);
    const [before, line] = readFileSync(watched.file('log'), 'utf8').split('\n');
    watched.letGo();
    assert.equal(before, 'before');
    assertShape(JSON.parse(line));
    const { code } = await watched.end();
    assert.deepEqual([code, watched.stderr], [0, '']);
  });

  it('log: false: nothing is written, and onBlocked is called', async () => {
    start('nowhere');
    const { code, told } = await watched.end();
    assert.deepEqual([code, watched.stderr], [0, '']);
    assert.equal(told.length, 1);
    assertShape(told[0].over, { isOver: true });
    assert.ok(told[0].over.blockedFor >= 399, 'the whole duration');
  });

  it('what onBlocked throws is an uncaught exception, and watching goes on', async () => {
    start('a throw');
    await watched.line('stderr');
    watched.letGo();
    const { code, told } = await watched.end();
    assert.equal(code, 0);
    assert.deepEqual(told, [{ uncaught: 'from onBlocked' }, { again: true }]);
  });

  it("taking the stack leaves the program's own Error settings as they were", async () => {
    start('own prepareStackTrace');
    const { stack } = await watched.line('stderr');
    watched.letGo();
    assert.ok(stack.length > 3 && stack.at(-1).includes('processTimers'), stack.join('\n'));
    const { told } = await watched.end();
    assert.deepEqual(told, [{ limit: 3, isOwn: true }]);
  });

  it('intrinsics that are frozen: the stack is taken', async () => {
    start('busy outside', ['--no-warnings', '--frozen-intrinsics']);
    const { stack } = await watched.line('stderr');
    watched.letGo();
    assert.match(stack.join('\n'), /untilTheTestSaysGo/);
    assert.equal((await watched.end()).code, 0);
  });

  it('under the permission model no stack is asked for, which would end the process, and the report says so', async () => {
    const flag = process.versions.node.split('.')[0] < 22 ? '--experimental-permission' : '--permission';
    const files = ['--allow-fs-read=*', '--allow-fs-write=*'];
    start('busy outside', ['--no-warnings', flag, ...files, '--allow-worker', '--allow-addons']);
    const { stack, stackError } = await watched.line('stderr');
    watched.letGo();
    assert.deepEqual([stack, stackError.split(' ').slice(0, 3)], [null, ['The', 'permission', 'model']]);
    assert.equal((await watched.end()).code, 0);
  });

  for (const name of ['busy, then exit', 'fifo, then exit']) {
    it(`${name}: process.exit() right after a report has its way`, async () => {
      start(name);
      await watched.line('stderr');
      if (name.startsWith('fifo')) watched.feed();
      else watched.letGo();
      const { code, signal } = await watched.end();
      assert.deepEqual({ code, signal }, { code: 5, signal: null });
    });
  }

  it('a process that is stopped, and goes on, is not reported', async () => {
    start('bursts');
    await watched.line('stdout');
    await wait(200);
    for (let i = 0; i < 3; i++) {
      watched.child.kill('SIGSTOP');
      await wait(1200);
      watched.child.kill('SIGCONT');
      await wait(100);
    }
    watched.letGo();
    const { code, told } = await watched.end();
    assert.deepEqual([code, watched.stderr, told], [0, '', [{ ready: true }]]);
  });

  for (const [name, execArgv] of [
    ['debugged', ['--inspect=0']],
    ['debugged later', []],
  ]) {
    it(`${name}: a process whose inspector is open is not reported`, async () => {
      start(name, execArgv);
      const { told, reports } = await watched.end();
      assert.deepEqual([told, reports], [[], []]);
      assert.match(watched.stderr, /Debugger listening/);
    });
  }

  it('after stop() nothing is written, and the process ends', async () => {
    start('stopped');
    const { code } = await watched.end();
    assert.deepEqual([code, watched.stderr, watched.stdout], [0, '', '']);
  });

  it('children of fork, spawnSync and cluster are none the worse for it, and do not inherit the file', async () => {
    start('children');
    const { code, told } = await watched.end();
    const well = { code: 0, signal: null };
    assert.deepEqual([code, told], [0, [{ inherits: false, exits: [well, well] }]], watched.stderr);
  });

  it('in a worker: the thread is named, and its job; the inspector does not reach it', async () => {
    start('a worker');
    const report = await watched.line('stderr');
    watched.letGo();
    assertShape(report, { thread: 1 });
    assert.deepEqual(report.job, JOB);
    assert.equal(report.stack, null);
    assert.match(report.stackError, /main thread only/);
    const { code, told } = await watched.end();
    assert.equal(code, 0);
    assertOver([told[0]], report);
    assert.deepEqual(told.slice(1), [{ code: 0 }]);
  });

  it('a worker that is terminated while it is stuck takes nothing with it', async () => {
    start('a worker that is terminated');
    assertShape(await watched.line('stderr'), { thread: 1 });
    watched.letGo();
    const { code, signal, told } = await watched.end();
    assert.deepEqual({ code, signal, told }, { code: 0, signal: null, told: [{ code: 1 }] });
  });

  it('many watches, in several workers, that come and go', async () => {
    start('workers');
    const exit = once(watched.child, 'exit');
    await exit;
    const log = existsSync(watched.file('log')) ? parse(readFileSync(watched.file('log'), 'utf8')) : [];
    const { code, signal, told } = await watched.end();
    assert.deepEqual({ code, signal, last: told.at(-1) }, { code: 0, signal: null, last: { ended: true } });
    for (const report of log) assert.deepEqual(Object.keys(report), FIELDS);
  });
});
