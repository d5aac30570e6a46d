'use strict';

// A process that can be asked by a signal what it does: run by recorder-dump.test.js with the name of a case and a folder.

const fs = require('node:fs');
const path = require('node:path');
const { Worker, isMainThread, threadId, workerData } = require('node:worker_threads');

const { mapWithLimit, recorder } = require('../..');

const [name, folder] = isMainThread ? process.argv.slice(2) : workerData;
const file = path.join(folder, 'dump.json');
const released = path.join(folder, 'release');

function say(line) {
  fs.writeSync(1, `${line}\n`);
}

/** Until the parent says so: nothing else runs meanwhile. */
function beStuck() {
  say('stuck');
  while (!fs.existsSync(released)) continue;
}

async function work() {
  const items = Array.from({ length: 100 }, (_, i) => i);
  await mapWithLimit(items, 3, async function crunch(item) {
    if (item === 50) beStuck();
  });
}

function readsOne(pipe) {
  try {
    return fs.readSync(pipe, Buffer.alloc(1)) === 1;
  } catch (error) {
    if (error.code === 'EAGAIN') return false;
    throw error;
  }
}

const cases = {
  async stuck() {
    recorder.start();
    recorder.dumpOnSignal('SIGUSR2', file);
    await work();
    say('done');
  },

  async working() {
    recorder.start({ events: 1000 });
    recorder.dumpOnSignal('SIGUSR2', file);
    say('ready');
    const items = Array.from({ length: 3000 }, (_, i) => i);
    while (!fs.existsSync(released)) {
      await mapWithLimit(items, 5, async (item) => item);
      await new Promise(setImmediate);
      recorder.start({ events: 1000 });
    }
  },

  'stuck in a worker'() {
    if (isMainThread) {
      new Worker(__filename, { workerData: [name, folder] }).on('exit', () => say('done'));
      return;
    }
    recorder.start();
    recorder.dumpOnSignal('SIGUSR2', file);
    say(`thread ${threadId}`);
    work();
  },

  'nothing else to do'() {
    recorder.start();
    recorder.dumpOnSignal('SIGUSR2', file);
    process.on('exit', () => say('done'));
  },

  stopped() {
    recorder.start();
    const dump = recorder.dumpOnSignal('SIGUSR2', file);
    dump.stop();
    dump.stop();
    setInterval(() => {}, 1000);
    say('ready');
  },

  'nothing recorded'() {
    recorder.dumpOnSignal('SIGUSR2', file);
    setInterval(() => {
      if (fs.existsSync(released)) process.exit();
    }, 10);
    say('ready');
  },

  'no such folder'() {
    recorder.start();
    recorder.dumpOnSignal('SIGUSR2', path.join(folder, 'none', 'dump.json'));
    setInterval(() => {
      if (fs.existsSync(released)) process.exit();
    }, 10);
    say('ready');
  },

  /** The parent has made the pipe. It is open for reading here, and one byte of it is read. */
  async 'a pipe that is read no further'() {
    const pipe = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    recorder.start();
    await mapWithLimit(Array.from({ length: 3000 }), 5, async () => {});
    const dump = recorder.dumpOnSignal('SIGUSR2', file);
    say('ready');
    while (!readsOne(pipe)) await new Promise(setImmediate);
    recorder.snapshot();
    recorder.stop();
    recorder.start();
    say('recording');
    dump.stop();
    say('done');
  },

  'a device'() {
    fs.symlinkSync('/dev/full', file);
    recorder.start();
    recorder.dumpOnSignal('SIGUSR2', file);
    setInterval(() => {
      if (fs.existsSync(released)) process.exit();
    }, 10);
    say('ready');
  },

  // So many events that each writes for a while.
  async 'several for one file'() {
    recorder.start();
    await mapWithLimit(Array.from({ length: 20_000 }), 8, async () => {});
    for (let i = 0; i < 4; i++) recorder.dumpOnSignal('SIGUSR2', file);
    setInterval(() => {
      if (fs.existsSync(released)) process.exit();
    }, 10);
    say('ready');
  },

  'beside listeners'() {
    recorder.start();
    const heard = (who) => () => say(`${who} heard`);
    const first = heard('first');
    process.on('SIGUSR2', first);
    recorder.dumpOnSignal('SIGUSR2', file);
    process.on('SIGUSR2', heard('second'));
    process.once('SIGUSR2', () => {
      setImmediate(() => {
        process.removeAllListeners('SIGUSR2');
        say('alone');
      });
    });
    setInterval(() => {
      if (fs.existsSync(released)) process.exit();
    }, 10);
    say('ready');
  },

  async 'a worker that is terminated'() {
    if (isMainThread) {
      const worker = new Worker(__filename, { workerData: [name, folder] });
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
      say('done');
      return;
    }
    recorder.start();
    recorder.dumpOnSignal('SIGUSR2', file);
    recorder.dumpOnSignal('SIGHUP', file);
    require('node:worker_threads').parentPort.postMessage('up');
    for (;;);
  },
};

cases[name]();
