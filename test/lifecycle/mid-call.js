'use strict';

// Ends threads in the middle of native calls: from then on whatever a call asks of Node fails, at any of its lines.
// Writes a line of JSON for each kind of call.

const { writeSync } = require('node:fs');
const { Worker, isMainThread, workerData } = require('node:worker_threads');

const WORKERS = 6; // for each kind

// What a thread does again and again, once it has loaded the addon. Those that do little else than to read what they are
// given are cut off just there, sooner or later.
const calls = {
  'attach(), of a mailbox that may shrink'() {
    const binding = require('../../lib/binding');
    const { bytes } = binding.names;
    const memory = new ArrayBuffer(bytes, { maxByteLength: 2 * bytes });
    return () => {
      try {
        binding.attach(memory, () => {});
      } catch {
        // As it must be.
      }
    };
  },
  'nameJob()'() {
    const { nameJob } = require('../../lib/engine');
    return () => nameJob(0, 1, 'a call');
  },
  'stopWatch(), of none'() {
    const { stopWatch, takeReport } = require('../../lib/engine');
    const { watchLoop } = require('../..');
    watchLoop({ log: false, stack: false });
    return () => {
      stopWatch(0);
      takeReport();
    };
  },
  "the recorder's nameOf(), stopDump()"() {
    const { recorder } = require('../../lib/engine');
    return () => {
      recorder.nameOf(0, 1);
      recorder.stopDump(0);
    };
  },
  "the recorder's snapshot(), of two events"() {
    const { recorder } = require('../../lib/engine');
    const sluice = require('../..');
    sluice.recorder.start({ events: 2 });
    sluice.mapWithLimit([1], 1, () => new Promise(() => {}));
    return () => recorder.snapshot();
  },
  'attach()'() {
    const binding = require('../../lib/binding');
    const memory = new ArrayBuffer(binding.names.bytes);
    return () => binding.attach(memory, () => {});
  },
  'recorder.start(), snapshot()'() {
    const { recorder } = require('../..');
    return () => {
      recorder.start({ events: 64 });
      recorder.snapshot();
    };
  },
  'the name of a call'() {
    const { mapWithLimit, recorder } = require('../..');
    recorder.start();
    return () => mapWithLimit([], 1, () => {}, { label: 'a call' });
  },
  'watchLoop()'() {
    const { watchLoop } = require('../..');
    return () => watchLoop({ log: false }).stop();
  },
  'watchLoop(), no such file'() {
    const { watchLoop } = require('../..');
    return () => {
      try {
        watchLoop({ log: `${__filename}/none` });
      } catch {
        // As it must be.
      }
    };
  },
  'new Semaphore, shared'() {
    const { Semaphore } = require('../..');
    return () => new Semaphore(1, { shared: 'mid-call' }).close();
  },
  'a shared name that stands for something else'() {
    const { RateLimiter, Semaphore } = require('../..');
    new Semaphore(1, { shared: 'taken' });
    return () => {
      try {
        new RateLimiter({ max: 1, shared: 'taken' });
      } catch {
        // As it must be.
      }
    };
  },
  'an answer of the stack worker'() {
    const { answerStack } = require('../../lib/binding');
    return () => answerStack(0, '["at"]', 'null', undefined);
  },
  'dumpOnSignal()'() {
    const { recorder } = require('../..');
    return () => recorder.dumpOnSignal('SIGUSR2', __filename).stop();
  },
};

/** Until the thread is ended; `counts[0]` is how often it has called. */
function work({ kind, counts }) {
  const call = calls[kind]();
  for (;;) {
    call();
    Atomics.add(counts, 0, 1);
  }
}

async function cutOff(kind, round) {
  const counts = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(__filename, { workerData: { kind, counts } });
  let failure = null;
  worker.on('error', (error) => (failure = error));
  let isOver = false;
  const exit = new Promise((resolve) => worker.once('exit', resolve)).then(() => (isOver = true));
  while (!isOver && Atomics.load(counts, 0) < 10 + round) await new Promise(setImmediate);
  worker.terminate();
  await exit;
  if (failure !== null) throw failure;
}

async function main() {
  for (const kind of Object.keys(calls)) {
    for (let round = 0; round < WORKERS; round++) await cutOff(kind, round);
    writeSync(1, `${JSON.stringify({ kind, workers: WORKERS })}\n`);
  }
}

if (isMainThread) {
  if (require.main === module) main();
} else {
  work(workerData);
}

module.exports = { kinds: Object.keys(calls) };
