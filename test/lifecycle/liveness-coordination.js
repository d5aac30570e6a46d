'use strict';

// What keeps a process alive where calls wait for each other: see liveness-cases.js. A wait for a permit, an item, room or a
// reader does not: whoever is waited for would. A timeout does, and so do tokens, which come by themselves.

const {
  Mutex,
  Queue,
  RateLimiter,
  Semaphore,
  TaskGroup,
  all,
  any,
  asCompleted,
  consume,
  mapSettled,
  mapStream,
  mapWithLimit,
  race,
  waitFor,
  withResource,
} = require('../../lib/index.js');
const { HOUR, failing, ignore, never, nextTurn, tell } = require('./world');

/** With nothing to give. */
function emptySemaphore(permits = 1) {
  const semaphore = new Semaphore(permits);
  const permit = semaphore.tryAcquire(permits);
  return { semaphore, permit };
}

function emptyLimiter(per) {
  const limiter = new RateLimiter({ max: 1, per, burst: 1 });
  limiter.tryAcquire();
  return limiter;
}

function fullQueue() {
  const queue = new Queue({ maxSize: 1 });
  queue.tryPut('first');
  return queue;
}

/** Ends with its signal. */
const untilAborted = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** A signal that is aborted in a later turn, when what is open has been stamped. */
function abortedLater() {
  const controller = new AbortController();
  nextTurn(() => controller.abort(new Error('aborted')));
  return controller.signal;
}

const hasWaited = () => 'has waited';

const keepsAlive = {
  'a wait for a permit, with a timeout,': {
    run: (log) => tell(log, emptySemaphore().semaphore.acquire({ timeout: 60 })),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a wait for a permit, with a timeout, behind some without one': {
    run: (log) => {
      const { semaphore } = emptySemaphore(2);
      tell(log, semaphore.acquire());
      tell(log, semaphore.acquire(2));
      tell(log, semaphore.use(never, { timeout: 60 }));
    },
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a wait for permits that times out, until those behind have been told that it is their turn,': {
    run: (log) => {
      const semaphore = new Semaphore(2);
      semaphore.tryAcquire();
      tell(log, semaphore.acquire(2, { timeout: 30 }));
      tell(log, semaphore.acquire().then(hasWaited));
    },
    log: ['TimeoutError', 'fulfilled: has waited'],
    atLeast: 30,
  },
  'a wait for a mutex, with a timeout, that "beforeExit" starts': {
    run: (log) => {
      const mutex = new Mutex();
      mutex.runExclusive(never);
      process.once('beforeExit', () => tell(log, mutex.acquire({ timeout: 60 })));
    },
    log: ['TimeoutError'],
    atLeast: 60,
    beforeExit: 2,
  },
  'a wait for a token': {
    run: (log) => tell(log, emptyLimiter(60).acquire().then(hasWaited)),
    log: ['fulfilled: has waited'],
    atLeast: 60,
  },
  'a wait for a token behind an unreferenced one': {
    run: (log) => {
      const limiter = emptyLimiter(30);
      tell(log, limiter.acquire({ unref: true }).then(hasWaited));
      tell(log, limiter.acquire().then(hasWaited));
      tell(log, limiter.acquire({ unref: true }));
    },
    log: ['fulfilled: has waited', 'fulfilled: has waited'],
    atLeast: 60,
  },
  'a wait for a token that a penalty puts off': {
    run: (log) => {
      const limiter = new RateLimiter(1000);
      limiter.penalize(60);
      tell(log, limiter.acquire().then(hasWaited));
    },
    log: ['fulfilled: has waited'],
    atLeast: 60,
  },
  'a wait for a token of a rate that is changed meanwhile': {
    run: (log) => {
      const limiter = emptyLimiter(HOUR);
      tell(log, limiter.acquire().then(hasWaited));
      nextTurn(() => limiter.reconfigure({ per: 60 }));
    },
    log: ['fulfilled: has waited'],
    atLeast: 60,
  },
  'a timeout of a wait for a token': {
    run: (log) => tell(log, emptyLimiter(HOUR).acquire({ timeout: 60 })),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a call that waits for a token of a shared limiter': {
    run: (log) => {
      const rate = emptyLimiter(30);
      tell(log, rate.acquire({ unref: true }).then(hasWaited));
      tell(
        log,
        mapWithLimit(['mapped'], 2, (item) => item, { rate }),
      );
    },
    log: ['fulfilled: has waited', 'fulfilled: mapped'],
    atLeast: 60,
  },
  'timeouts of get(), put() and join()': {
    run: (log) => {
      const queue = fullQueue();
      tell(log, queue.put('second', { timeout: 20 }));
      tell(log, new Queue().get({ timeout: 40 }));
      tell(log, queue.join({ timeout: 60 }));
    },
    log: ['TimeoutError', 'TimeoutError', 'TimeoutError'],
    atLeast: 60,
  },
  'a timeout of a call that waits in the line of a semaphore': {
    run: (log) => {
      const { semaphore } = emptySemaphore();
      tell(log, mapWithLimit([1, 2], semaphore, never, { itemTimeout: 30 }));
      tell(log, mapWithLimit([1, 2], semaphore, never, { totalTimeout: 60 }));
    },
    log: ['TimeoutError', 'TimeoutError'],
    atLeast: 60,
  },
  'a call that goes on with a permit of one that times out': {
    run: (log) => {
      const semaphore = new Semaphore(1);
      tell(log, mapWithLimit([1], semaphore, never, { timeout: 30 }));
      tell(
        log,
        mapWithLimit(['mapped'], semaphore, (item) => item),
      );
    },
    log: ['TimeoutError', 'fulfilled: mapped'],
    atLeast: 30,
  },
  'a timeout in a stream, while it is read,': {
    run: (log) => {
      tell(log, mapStream([1], 1, never, { timeout: 20 }).next());
      tell(log, mapStream([1], 1, never, { totalTimeout: 40 }).next());
      tell(log, asCompleted([never()], { totalTimeout: 60 }).next());
    },
    log: ['TimeoutError', 'TimeoutError', 'TimeoutError'],
    atLeast: 60,
  },
  'a timeout in a stream that nobody reads any further': {
    run: (log) => {
      const mapper = (item) => (item === 1 ? item : untilAborted({ signal: AbortSignal.timeout(HOUR) }));
      tell(
        log,
        mapStream([1, 2], 2, mapper, { timeout: 60 })
          .next()
          .then(({ value }) => value),
      );
    },
    log: ['fulfilled: 1'],
    atLeast: 60,
  },
  'a timeout of a worker of consume()': {
    run: (log) => {
      const onError = ({ name }) => log(name);
      tell(
        log,
        consume([1, 2], never, { timeout: 30, onError }).then(({ failed }) => failed),
      );
    },
    log: ['TimeoutError', 'TimeoutError', 'fulfilled: 2'],
    atLeast: 60,
  },
  'a total timeout of a TaskGroup': {
    run: (log) =>
      tell(
        log,
        TaskGroup.run((group) => void ignore(group.run(untilAborted)), { totalTimeout: 60 }),
      ),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a total timeout of race, any and all': {
    run: (log) => {
      const shared = never();
      tell(log, race([shared], { totalTimeout: 20 }));
      tell(log, any([shared, failing()], { totalTimeout: 40 }));
      tell(log, all([shared, 1], { totalTimeout: 60 }));
    },
    log: ['TimeoutError', 'TimeoutError', 'TimeoutError'],
    atLeast: 60,
  },
  'a waitFor between two polls': {
    run: (log) =>
      tell(
        log,
        waitFor(({ attempt }) => attempt > 2, { interval: 30 }),
      ),
    log: ['fulfilled: true'],
    atLeast: 60,
  },
  'a timeout of waitFor': {
    run: (log) => tell(log, waitFor(never, { timeout: 60 })),
    log: ['TimeoutError'],
    atLeast: 60,
  },
  'a timeout of withResource': {
    run: (log) => {
      const release = () => log('released');
      tell(
        log,
        withResource(() => 'held', release, never, { timeout: 60 }),
      );
    },
    log: ['released', 'TimeoutError'],
    atLeast: 60,
  },
};

const letsGo = {
  'a wait for a permit': {
    run: (log) => {
      const { semaphore } = emptySemaphore();
      tell(log, semaphore.acquire());
      tell(log, semaphore.use(never));
      tell(log, new Semaphore(1).use(never));
    },
  },
  'a wait for several permits, for one with a signal, for one with all the time in the world,': {
    run: (log) => {
      const { semaphore } = emptySemaphore(2);
      tell(log, semaphore.acquire(2));
      tell(log, semaphore.acquire({ signal: new AbortController().signal }));
      tell(log, semaphore.acquire({ timeout: Infinity }));
      tell(log, semaphore.acquire({ timeout: 1e300 }));
    },
  },
  'a wait with a timeout, once its permit has come,': {
    run: (log) => {
      const { semaphore, permit } = emptySemaphore();
      tell(log, semaphore.acquire({ timeout: HOUR }).then(hasWaited));
      nextTurn(() => permit.release());
    },
    log: ['fulfilled: has waited'],
  },
  'a wait with a timeout, once it was aborted,': {
    run: (log) => tell(log, emptySemaphore().semaphore.acquire({ timeout: HOUR, signal: abortedLater() })),
    log: ['aborted'],
  },
  'a wait with a timeout, once it can only be in vain,': {
    run: (log) => {
      const { semaphore } = emptySemaphore(2);
      tell(log, semaphore.acquire({ timeout: HOUR }));
      tell(log, semaphore.acquire(2, { timeout: HOUR }));
      nextTurn(() => {
        semaphore.resize(1);
        nextTurn(() => semaphore.close());
      });
    },
    log: ['RangeError', 'SluiceError'],
  },
  'a wait for a token with unref': {
    run: (log) => {
      const limiter = emptyLimiter(HOUR);
      tell(log, limiter.acquire({ unref: true }));
      tell(log, limiter.acquire({ timeout: HOUR, unref: true }));
    },
  },
  'a wait for a token with unref, once those without have left,': {
    run: (log) => {
      const limiter = emptyLimiter(HOUR);
      const controller = new AbortController();
      tell(log, limiter.acquire({ unref: true }));
      tell(log, limiter.acquire({ timeout: HOUR, signal: controller.signal }));
      tell(log, limiter.acquire({ timeout: 1 })).then(() => controller.abort(new Error('aborted')));
    },
    log: ['TimeoutError', 'aborted'],
  },
  'a wait for a token, once it can only be in vain,': {
    run: (log) => {
      const limiter = new RateLimiter({ max: 1, per: HOUR, burst: 2 });
      limiter.tryAcquire(2);
      tell(log, limiter.acquire({ timeout: HOUR }));
      tell(log, limiter.acquire(2));
      nextTurn(() => {
        limiter.reconfigure({ burst: 1 });
        nextTurn(() => limiter.close());
      });
    },
    log: ['RangeError', 'SluiceError'],
  },
  'a rate limiter that nobody waits for, empty or penalized,': {
    run: () => {
      emptyLimiter(HOUR);
      new RateLimiter(1).penalize(HOUR);
    },
  },
  'a call with unref that waits for a token of a shared limiter': {
    run: (log) => {
      const rate = emptyLimiter(HOUR);
      tell(log, mapWithLimit([1, 2], 2, never, { rate, unref: true }));
      tell(log, mapWithLimit([1, 2], 2, never, { rate, signal: abortedLater() }));
    },
    log: ['aborted'],
  },
  'get(), put(), join() and a loop over a queue, waiting': {
    run: (log) => {
      const empty = new Queue();
      const full = fullQueue();
      tell(log, empty.get());
      tell(log, empty[Symbol.asyncIterator]().next());
      tell(log, empty.get({ signal: new AbortController().signal }));
      tell(log, full.put('second'));
      tell(log, full.join());
    },
  },
  'timeouts of get(), put() and join(), once they have what they waited for,': {
    run: (log) => {
      const queue = fullQueue();
      tell(log, queue.put('second', { timeout: HOUR }));
      tell(log, queue.join({ timeout: HOUR }));
      nextTurn(() => {
        tell(log, queue.get());
        tell(log, queue.get());
        tell(log, queue.get({ timeout: HOUR }));
        nextTurn(() => {
          queue.tryPut('third');
          for (let i = 0; i < 3; i++) queue.taskDone();
        });
      });
    },
    log: ['fulfilled: undefined', 'fulfilled: first', 'fulfilled: second', 'fulfilled: third', 'fulfilled: undefined'],
  },
  'timeouts of get() and put(), once the queue was closed,': {
    run: (log) => {
      const empty = new Queue();
      const full = fullQueue();
      tell(log, empty.get({ timeout: HOUR }));
      tell(log, full.put('second', { timeout: HOUR }));
      nextTurn(() => {
        empty.close();
        full.close();
      });
    },
    log: ['SluiceError', 'SluiceError'],
  },
  'calls that wait in the line of a semaphore': {
    run: (log) => {
      const { semaphore } = emptySemaphore();
      tell(log, mapWithLimit([1, 2], semaphore, never));
      tell(log, mapSettled([1, 2], semaphore, never));
      tell(log, consume([1, 2], never, { workers: semaphore, totalTimeout: HOUR, unref: true }));
      tell(log, mapWithLimit([1, 2], semaphore, never, { itemTimeout: HOUR, signal: abortedLater() }));
    },
    log: ['aborted'],
  },
  'a stream that nobody has begun to read': {
    run: () => {
      mapStream([1, 2], 1, never, { timeout: HOUR, totalTimeout: HOUR });
      asCompleted([never()]);
      asCompleted([never()], { totalTimeout: HOUR, unref: true }); // its time runs from the call on
    },
  },
  'a stream whose results nobody reads any further': {
    run: (log) => {
      const stream = mapStream(Array(20).keys(), 2, (item) => item, { timeout: HOUR });
      tell(
        log,
        stream.next().then(({ value }) => value),
      );
    },
    log: ['fulfilled: 0'],
  },
  'a stream that is read, with mappers that never settle,': {
    run: (log) => {
      tell(log, mapStream([1, 2], 1, never).next());
      tell(log, mapStream([1, 2], 1, never, { timeout: HOUR, totalTimeout: HOUR, unref: true }).next());
      tell(log, asCompleted([never()]).next());
    },
  },
  'a stream that was left, beside open timeouts,': {
    run: (log) => {
      const stream = mapStream([1, 2, 3], 2, (item) => (item === 1 ? item : never()), {
        timeout: HOUR,
        totalTimeout: HOUR,
      });
      tell(
        log,
        stream
          .next()
          .then(() => stream.return('left'))
          .then(({ value }) => value),
      );
    },
    log: ['fulfilled: left'],
  },
  'a consume() with nothing to do': {
    run: (log) => {
      const source = { [Symbol.asyncIterator]: () => ({ next: never }) };
      tell(log, consume(source, never, { workers: 2, timeout: HOUR }));
      tell(log, consume([1, 2], never));
      tell(log, consume([1, 2], failing, { timeout: HOUR, onError: never }));
      tell(log, consume([1, 2], never, { timeout: HOUR, totalTimeout: HOUR, unref: true }));
    },
  },
  'a consume() that is over': {
    run: (log) =>
      tell(
        log,
        consume([1, 2], async () => {}, { timeout: HOUR, totalTimeout: HOUR }).then(({ done }) => done),
      ),
    log: ['fulfilled: 2'],
  },
  'a TaskGroup with tasks that never end, started or waiting,': {
    run: (log) =>
      tell(
        log,
        TaskGroup.run((group) => ignore(group.run(never), group.run(never)), { limit: 1 }),
      ),
  },
  'a total timeout of a TaskGroup that has ended, or failed,': {
    run: (log) => {
      tell(
        log,
        TaskGroup.run((group) => group.run(() => 'done'), { totalTimeout: HOUR }),
      );
      tell(
        log,
        TaskGroup.run((group) => void ignore(group.run(untilAborted), group.run(failing)), { totalTimeout: HOUR }),
      );
      tell(
        log,
        TaskGroup.run((group) => ignore(group.run(never), group.run(failing)), { totalTimeout: HOUR }), // it waits
      );
    },
    log: ['fulfilled: done', 'again'],
  },
  'race, any and all without a total timeout, or once they are over,': {
    run: (log) => {
      const shared = never();
      for (const combine of [race, any, all]) tell(log, combine([shared]));
      tell(log, race([shared, 1], { totalTimeout: HOUR }));
      tell(log, any([failing(), 2], { totalTimeout: HOUR }));
      tell(log, all([3], { totalTimeout: HOUR }));
    },
    log: ['fulfilled: 1', 'fulfilled: 2', 'fulfilled: 3'],
  },
  'a waitFor that is over': {
    run: (log) =>
      tell(
        log,
        waitFor(() => 'there', { timeout: HOUR }),
      ),
    log: ['fulfilled: there'],
  },
  'a waitFor that was aborted, or has unref,': {
    run: (log) => {
      const given = { interval: HOUR, timeout: HOUR };
      tell(
        log,
        waitFor(() => false, { ...given, signal: abortedLater() }),
      );
      tell(
        log,
        waitFor(() => false, { ...given, unref: true }),
      );
    },
    log: ['aborted'],
  },
  'a withResource without a timeout, or once it is over,': {
    run: (log) => {
      const nothing = () => {};
      tell(log, withResource(nothing, nothing, never));
      tell(
        log,
        withResource(nothing, nothing, () => 'used', { timeout: HOUR }),
      );
    },
    log: ['fulfilled: used'],
  },
};

module.exports = { keepsAlive, letsGo };
