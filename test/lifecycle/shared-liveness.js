'use strict';

// What of shared limits keeps a thread alive, and what does not. Arguments: the table, the case, and whether it runs on the
// main thread or on another ("main", "thread"). Written at its end: what happened, and how often the loop ran dry.
//
// What must not keep it alive would do so for an hour; what must do so waits for a thread that itself keeps nobody alive.

const { writeSync } = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { HOUR, library, tell } = require('./world');

const shared = 'liveness';
const rate = { max: 1, burst: 1, shared };
const never = () => new Promise(() => {});

/** Another thread has all permits; `use(semaphore)` begins something, and after it they come back, if they do. */
function held(permits, use, { comeBack = true } = {}) {
  const worker = new Worker(__filename, { workerData: { role: 'holder', permits } });
  worker.once('message', () => {
    worker.unref();
    use(new (library().Semaphore)(permits, { shared }));
    if (comeBack) worker.postMessage('give them back');
  });
}

function hold({ permits }) {
  const permit = new (library().Semaphore)(permits, { shared }).tryAcquire(permits);
  parentPort.once('message', () => setTimeout(() => permit.release(), 40));
  parentPort.postMessage('held');
}

function emptyLimiter(per) {
  const limiter = new (library().RateLimiter)({ ...rate, per });
  limiter.tryAcquire();
  return limiter;
}

const item = async (value) => value;

const keepsAlive = {
  'a wait for a permit': {
    run: (log) => held(1, (semaphore) => tell(log, semaphore.acquire())),
    log: ['fulfilled: [object Permit]'],
  },
  'a wait for several permits': {
    run: (log) => held(3, (semaphore) => tell(log, semaphore.acquire(2))),
    log: ['fulfilled: [object Permit]'],
  },
  'a wait for a permit with a signal': {
    run: (log) => held(1, (semaphore) => tell(log, semaphore.acquire({ signal: new AbortController().signal }))),
    log: ['fulfilled: [object Permit]'],
  },
  'use() that waits': {
    run: (log) => held(1, (semaphore) => tell(log, semaphore.use(() => 'used'))), // prettier-ignore
    log: ['fulfilled: used'],
  },
  'mapWithLimit that waits for its first permit': {
    run: (log) => held(1, (semaphore) => tell(log, library().mapWithLimit([1, 2], semaphore, item))),
    log: ['fulfilled: 1,2'],
  },
  'mapSettled that waits for its first permit': {
    run: (log) => held(2, (semaphore) => tell(log, library().mapSettled([], semaphore, item))),
    log: ['fulfilled: '],
  },
  'consume that waits for its first permit': {
    run: (log) => held(2, (workers) => tell(log, library().consume([1], item, { workers }).then(Boolean))),
    log: ['fulfilled: true'],
  },
  'a wait beside one whose time is over': {
    run: (log) =>
      held(1, (semaphore) => {
        tell(log, semaphore.acquire({ timeout: 0 }));
        tell(log, semaphore.acquire());
      }),
    log: ['TimeoutError', 'fulfilled: [object Permit]'],
  },
  'a wait with a timeout': {
    run: (log) => held(1, (semaphore) => tell(log, semaphore.acquire({ timeout: 40 })), { comeBack: false }),
    log: ['TimeoutError'],
  },
  'a wait for a token': {
    run: (log) => tell(log, emptyLimiter(40).acquire().then(Boolean)), // prettier-ignore
    log: ['fulfilled: true'],
  },
  'mapWithLimit that waits for a token': {
    run: (log) => tell(log, library().mapWithLimit([1, 2], 2, item, { rate: emptyLimiter(20) })),
    log: ['fulfilled: 1,2'],
  },
};

const letsGo = {
  'a semaphore': { run: () => void new (library().Semaphore)(1, { shared }) },
  'a mutex': { run: () => void new (library().Mutex)({ shared }) },
  'a rate limiter, empty and penalized,': { run: () => emptyLimiter(HOUR).penalize(HOUR) },
  'a permit that it holds': { run: () => void new (library().Semaphore)(2, { shared }).tryAcquire(2) },
  'a permit that it was given': {
    run: (log) => held(1, (semaphore) => tell(log, semaphore.acquire({ timeout: HOUR }))),
    log: ['fulfilled: [object Permit]'],
  },
  'a wait that was aborted': {
    run: (log) => {
      const controller = new AbortController();
      const use = (semaphore) => {
        tell(log, semaphore.acquire({ signal: controller.signal }));
        setImmediate(() => controller.abort(new Error('aborted')));
      };
      held(1, use, { comeBack: false });
    },
    log: ['aborted'],
  },
  'a wait that close() has ended': {
    run: (log) => {
      const use = (semaphore) => {
        tell(log, semaphore.acquire());
        setImmediate(() => semaphore.close());
      };
      held(1, use, { comeBack: false });
    },
    log: ['SluiceError'],
  },
  'a wait for a token with unref': { run: () => void emptyLimiter(HOUR).acquire({ unref: true }) },
  'a wait for a token that was aborted': {
    run: (log) => {
      const controller = new AbortController();
      tell(log, emptyLimiter(HOUR).acquire({ signal: controller.signal }));
      setImmediate(() => controller.abort(new Error('aborted')));
    },
    log: ['aborted'],
  },
  'a wait of another thread': {
    run: async () => {
      const permit = new (library().Semaphore)(1, { shared }).tryAcquire();
      const worker = new Worker(__filename, { workerData: { role: 'waiter' } });
      await new Promise((resolve) => worker.once('message', resolve));
      worker.unref();
      globalThis.kept = permit;
    },
  },
  'a mapper that runs under a permit of it': {
    run: () => void library().mapWithLimit([1], new (library().Semaphore)(2, { shared }), never),
  },
};

function wait() {
  new (library().Semaphore)(1, { shared }).acquire();
  parentPort.postMessage('waits');
}

const tables = { keepsAlive, letsGo };

function runHere(table, name) {
  const log = [];
  let beforeExit = 0;
  process.on('beforeExit', () => beforeExit++);
  process.on('exit', () => writeSync(1, `${JSON.stringify({ log, beforeExit })}\n`));
  tables[table][name].run((word) => log.push(word));
}

const roles = { holder: hold, waiter: wait, case: ({ table, name }) => runHere(table, name) };

if (!isMainThread) roles[workerData.role](workerData);
else if (require.main === module) {
  const [table, name, where] = process.argv.slice(2);
  if (where === 'main') runHere(table, name);
  else new Worker(__filename, { workerData: { role: 'case', table, name } });
}

module.exports = tables;
