'use strict';

// recorder.dumpOnSignal: a file, whatever JavaScript does.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

const { Recording } = require('../..');
const { checkWhole } = require('../support/recorded');

const CHILD = require.resolve('../support/dumping-child');

describe('recorder.dumpOnSignal', function () {
  this.timeout(60_000);
  let folder;
  let children;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-dump-'));
    children = [];
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true });
  });

  function run(name) {
    const child = spawn(process.execPath, [CHILD, name, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const complaints = readline.createInterface({ input: child.stderr })[Symbol.asyncIterator]();
    return {
      child,
      ended: once(child, 'exit'),
      signal: () => child.kill('SIGUSR2'),
      release: () => fs.writeFileSync(path.join(folder, 'release'), ''),
      said: async (expected) => assert.equal((await lines.next()).value, expected),
      complained: async () => (await complaints.next()).value,
    };
  }

  /** The file appears by renaming, so whoever sees it sees all of it. */
  async function dumped() {
    const file = path.join(folder, 'dump.json');
    while (!fs.existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
    const text = fs.readFileSync(file, 'utf8');
    assert.deepEqual(fs.readdirSync(folder), ['dump.json'], 'nothing is left beside it');
    fs.rmSync(file);
    return text;
  }

  it('writes what runs while JavaScript is stuck in it', async () => {
    const { child, ended, signal, release, said } = run('stuck');
    await said('stuck');
    signal();
    const recording = JSON.parse(await dumped());
    assert.equal(recording.pid, child.pid);
    assert.equal(recording.thread, 0);
    assert.deepEqual(recording.jobs, [{ id: 0, name: 'crunch' }]);
    const { running } = checkWhole(recording, 3);
    assert.ok([...running.values()].includes('0 50.1'), [...running.values()].join());
    signal(); // and again
    const again = JSON.parse(await dumped());
    assert.ok(again.duration > recording.duration);
    assert.deepEqual(again.events.length, recording.events.length);
    release();
    await said('done');
    assert.deepEqual(await ended, [0, null]);
  });

  it('writes what Recording.read() reads', async () => {
    assert.equal(typeof Recording.read, 'function');
    const { signal, release, said, ended } = run('stuck');
    await said('stuck');
    signal();
    const text = await dumped();
    const recording = Recording.read(text);
    assert.ok(recording instanceof Recording);
    assert.deepEqual(JSON.parse(JSON.stringify(recording)), JSON.parse(text));
    release();
    await ended;
  });

  it('writes while the engine works and the ring goes round', async () => {
    const { said, signal, release, ended } = run('working');
    await said('ready');
    for (let i = 0; i < 20; i++) {
      signal();
      const { events, lost } = Recording.read(await dumped());
      assert.ok(lost >= 0);
      for (let j = 1; j < events.length; j++) assert.ok(events[j].time >= events[j - 1].time, `event ${j}`);
    }
    release();
    assert.deepEqual(await ended, [0, null]);
  });

  it('in a worker that is stuck, too', async () => {
    const { signal, release, said, ended } = run('stuck in a worker');
    await said('thread 1');
    await said('stuck');
    signal();
    const recording = JSON.parse(await dumped());
    assert.equal(recording.thread, 1);
    checkWhole(recording, 3);
    release();
    await said('done');
    assert.deepEqual(await ended, [0, null]);
  });

  it('keeps no process alive', async () => {
    const { said, ended } = run('nothing else to do');
    await said('done');
    assert.deepEqual(await ended, [0, null]);
  });

  it('stopped, it leaves the signal what it was', async () => {
    const { said, signal, ended } = run('stopped');
    await said('ready');
    signal();
    assert.deepEqual(await ended, [null, 'SIGUSR2']);
    assert.deepEqual(fs.readdirSync(folder), []);
  });

  it('does not disturb listeners of the same signal, nor they it, whoever comes and goes first', async () => {
    const { said, signal, release, ended } = run('beside listeners');
    await said('ready');
    signal();
    await said('first heard');
    await said('second heard');
    await said('alone');
    JSON.parse(await dumped());
    signal(); // which would end a process without a listener
    JSON.parse(await dumped());
    release();
    assert.deepEqual(await ended, [0, null]);
  });

  it('says on stderr why there is no file', async () => {
    const cases = {
      'nothing recorded': /dump\.json was not written: nothing was recorded/,
      'no such folder': /ENOENT|no such/,
    };
    for (const [name, expected] of Object.entries(cases)) {
      const { said, signal, complained, release, ended } = run(name);
      await said('ready');
      signal();
      assert.match(await complained(), expected);
      release();
      assert.deepEqual(await ended, [0, null]);
      fs.rmSync(path.join(folder, 'release'));
      assert.deepEqual(fs.readdirSync(folder), []);
    }
  });

  it('writes to a device, and does not take its place', async () => {
    const { said, signal, complained, release, ended } = run('a device');
    await said('ready');
    signal();
    assert.match(await complained(), /dump\.json was not written: write: no space left/);
    assert.ok(fs.lstatSync(path.join(folder, 'dump.json')).isSymbolicLink());
    release();
    assert.deepEqual(await ended, [0, null]);
  });

  it('keeps nobody waiting for a pipe that is read no further', async () => {
    execFileSync('mkfifo', [path.join(folder, 'dump.json')]);
    const { said, signal, complained, ended } = run('a pipe that is read no further');
    await said('ready');
    signal();
    await said('recording');
    await said('done');
    assert.match(await complained(), /dump\.json was not written: write: operation canceled/);
    assert.deepEqual(await ended, [0, null]);
  });

  it('writes all of it to a pipe that is read slowly', async () => {
    execFileSync('mkfifo', [path.join(folder, 'dump.json')]);
    const pipe = fs.openSync(path.join(folder, 'dump.json'), fs.constants.O_RDWR);
    const { said, signal, release, ended } = run('working');
    await said('ready');
    const reader = new net.Socket({ fd: pipe, readable: true, writable: false });
    let text = '';
    signal();
    for await (const chunk of reader) {
      text += chunk;
      if (text.endsWith('}\n')) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    Recording.read(text);
    release();
    assert.deepEqual(await ended, [0, null]);
  });

  it('leaves a whole file where several write to the same one', async () => {
    const { child, said, signal, release, ended } = run('several for one file');
    let complaints = '';
    child.stderr.on('data', (text) => (complaints += text));
    await said('ready');
    for (let round = 0; round < 5; round++) {
      signal();
      do await new Promise((resolve) => setTimeout(resolve, 20));
      while (fs.readdirSync(folder).join() !== 'dump.json');
      Recording.read(fs.readFileSync(path.join(folder, 'dump.json')));
    }
    release();
    assert.deepEqual(await ended, [0, null]);
    assert.equal(complaints, '');
  });

  it('ends with its thread, also one that is terminated in a busy loop', async () => {
    const { said, ended } = run('a worker that is terminated');
    await said('done');
    assert.deepEqual(await ended, [0, null]);
  });
});
