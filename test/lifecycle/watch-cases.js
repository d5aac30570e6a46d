'use strict';

// What a watched process does, one case for each run: node watch-cases.js <case> <folder>. What it blocks on lasts until
// the test lets it go: by a file `go` in the folder, or by writing to the fifo there.

const { existsSync, mkdirSync, readFileSync, writeSync } = require('node:fs');
const path = require('node:path');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { library } = require('./world');

const hasStacks = () => require('../../lib/binding').hasStacks();

const [name, folder] = isMainThread ? process.argv.slice(2) : workerData;
const file = (base) => path.join(folder, base);
const write = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

const blocks = {
  busy: function untilTheTestSaysGo() {
    while (!existsSync(file('go')));
  },
  fifo: function readsAFifo() {
    readFileSync(file('fifo'));
  },
  regex: function matchesACatastrophe() {
    /^(a+)+$/.test(`${'a'.repeat(40)}b`); // for hours
  },
};

/** Its work takes CPU time, not only time: a process that is stopped does not get on with it. */
function work(rounds) {
  let sum = 0;
  for (let i = 0; i < rounds * 1e6; i++) sum += Math.sqrt(i);
  return sum;
}

const watch = (options) => library().watchLoop({ threshold: 100, ...options });
const tells = (options) => watch({ onBlocked: (report) => write({ over: report }), ...options });
/** In a timer, once the stack worker is there; in a worker, and under the permission model, there is none. */
function soon(act) {
  if (isMainThread && process.permission === undefined && !hasStacks()) setTimeout(soon, 10, act);
  else setTimeout(act, 1);
}
const inMapper = (block) =>
  library().mapWithLimit(
    ['first', 'second'],
    1,
    (item, index, { attempt }) => {
      if (index === 0) return;
      if (attempt === 1) throw new Error('once');
      block();
    },
    { label: 'a "label"\n', retry: { retries: 1, delay: 0 } },
  );

const cases = {};
for (const [kind, block] of Object.entries(blocks)) {
  cases[`${kind} outside`] = () => {
    tells();
    soon(block);
  };
  cases[`${kind} in a mapper`] = () => {
    tells();
    soon(() => inMapper(block));
  };
}

Object.assign(cases, {
  'before the first turn': () => {
    tells();
    blocks.busy();
  },
  'an immediate': () => {
    tells();
    soon(() => setImmediate(blocks.busy));
  },
  'what has arrived': () => {
    tells();
    soon(() => require('node:fs').readFile(__filename, blocks.busy));
  },
  'no stack': () => {
    tells({ stack: false });
    setTimeout(blocks.busy, 1);
  },
  'to a file': () => {
    watch({ log: file('log') });
    soon(blocks.busy);
  },
  nowhere: () => {
    tells({ log: false });
    setTimeout(() => {
      const end = Date.now() + 400;
      while (Date.now() < end);
    }, 150);
  },
  'a throw': () => {
    process.on('uncaughtException', ({ message }) => {
      write({ uncaught: message });
      watch({ onBlocked: () => write({ again: true }) }); // it still works
      soon(() => work(100));
    });
    const first = watch({
      onBlocked: () => {
        first.stop();
        throw new Error('from onBlocked');
      },
    });
    soon(blocks.busy);
  },
  'busy, then exit': () => {
    watch();
    soon(() => {
      blocks.busy();
      process.exit(5);
    });
  },
  'fifo, then exit': () => {
    watch();
    soon(() => {
      blocks.fifo();
      process.exit(5);
    });
  },
  'own prepareStackTrace': () => {
    watch();
    Error.stackTraceLimit = 3;
    const own = () => 'mine';
    Error.prepareStackTrace = own;
    soon(() => {
      blocks.busy();
      write({ limit: Error.stackTraceLimit, isOwn: Error.prepareStackTrace === own });
    });
  },
  bursts: () => {
    watch({ threshold: 400, onBlocked: (report) => write({ over: report }) });
    const turn = () => {
      work(5);
      if (!existsSync(file('go'))) setImmediate(turn);
    };
    turn();
    write({ ready: true });
  },
  stopped: () => {
    const handle = watch();
    handle.stop();
    handle.stop();
    handle[Symbol.dispose]();
    setTimeout(() => work(100), 1);
  },
  debugged: () => {
    tells();
    soon(() => work(100));
  },
  'debugged later': () => {
    tells();
    require('node:inspector').open(0);
    setTimeout(() => {
      work(100);
      process.exit();
    }, 2500);
  },
  children: async () => {
    const { fork, spawnSync } = require('node:child_process');
    const cluster = require('node:cluster');
    if (process.send) {
      watch();
      soon(() => process.send('child', () => process.disconnect()));
      return;
    }
    watch({ log: file('log'), threshold: 10_000 });
    const exits = [fork(__filename, [name, folder]), cluster.fork().process].map(
      (child) => new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal }))),
    );
    const { stdout } = spawnSync('ls', ['-l', '/proc/self/fd']);
    write({ inherits: String(stdout).includes(file('log')), exits: await Promise.all(exits) });
  },
  'a worker': () => {
    const worker = new Worker(__filename, { workerData: ['in a worker', folder] });
    worker.on('exit', (code) => write({ code }));
  },
  'in a worker': () => {
    tells();
    soon(() => inMapper(blocks.busy));
  },
  'a worker that is terminated': () => {
    const worker = new Worker(__filename, { workerData: ['in a busy worker', folder] });
    worker.on('exit', (code) => write({ code }));
    const look = setInterval(() => {
      if (!existsSync(file('go'))) return;
      clearInterval(look);
      worker.terminate();
    }, 20);
  },
  'in a busy worker': () => {
    watch();
    for (;;);
  },
  workers: () => {
    mkdirSync(file('never'));
    let left = 4;
    const ended = () => {
      if (--left === 0) write({ ended: true });
    };
    for (let i = 0; i < 4; i++) new Worker(__filename, { workerData: ['one of some', folder] }).on('exit', ended);
  },
  'one of some': () => {
    const watches = [10, 20, 50].map((threshold) => tells({ threshold, log: file('log') }));
    let rounds = 5;
    const turn = () => {
      work(30);
      watches.pop()?.stop();
      watches.push(tells({ threshold: 10 * rounds, log: file('log') }));
      if (--rounds > 0) setTimeout(turn, rounds);
    };
    turn();
  },
});

if (require.main === module || !isMainThread) cases[name]();
