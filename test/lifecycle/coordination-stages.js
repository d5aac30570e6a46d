'use strict';

// Stages (see stages.js) in which calls wait for each other: for permits, tokens, items, room, a reader, the end of tasks.
// A wait of an hour keeps an environment alive, so there is none where `unref` is given.

const { HOUR, failing, ignore, library, never, nextTurn } = require('./world');

const bounds = (unref, given) => (unref ? {} : given);

async function* numbers() {
  for (let i = 0; ; i++) yield i;
}

const outside = {
  'acquire() waiting': (act, unref) => {
    const { Mutex, Semaphore } = library();
    const { signal } = new AbortController();
    const semaphore = new Semaphore(2);
    semaphore.tryAcquire();
    ignore(
      semaphore.acquire(2, bounds(unref, { timeout: HOUR })),
      semaphore.acquire({ signal }),
      semaphore.acquire(bounds(unref, { timeout: 2 * HOUR })),
      semaphore.acquire(),
    );
    const mutex = new Mutex(); // whose line stands in JavaScript
    ignore(mutex.runExclusive(never), mutex.runExclusive(never), mutex.acquire());
    nextTurn(act);
  },
  'RateLimiter.acquire() waiting': (act, unref) => {
    const { RateLimiter } = library();
    const { signal } = new AbortController();
    const limiter = new RateLimiter({ max: 1, per: HOUR, burst: 2 });
    limiter.tryAcquire();
    ignore(
      limiter.acquire(2, { unref }),
      limiter.acquire({ timeout: HOUR, unref }),
      limiter.acquire({ signal, unref }),
    );
    const penalized = new RateLimiter(1000);
    penalized.penalize(HOUR);
    ignore(penalized.acquire({ unref }));
    nextTurn(act);
  },
  'get(), put() and join() of queues waiting': (act, unref) => {
    const { Queue } = library();
    const wish = bounds(unref, { timeout: HOUR });
    const full = new Queue({ maxSize: 1 });
    full.tryPut(1);
    ignore(full.put(2, wish), full.put(3), full.join(wish), full.join());
    const empty = new Queue();
    ignore(empty.get(wish), empty.get(), empty[Symbol.asyncIterator]().next());
    nextTurn(act);
  },
  'streams, half read': async (act, unref) => {
    const { asCompleted, mapStream } = library();
    const read = mapStream(Array(9).keys(), 2, async (item) => item, { totalTimeout: HOUR, unref });
    await read.next(); // its lanes wait for the reader
    const waiting = mapStream(numbers(), 3, (item) => item || never(), { ordered: false, timeout: HOUR, unref });
    await waiting.next();
    ignore(mapStream([1, 2], 1, never, { timeout: HOUR, unref }).next(), asCompleted([never()]).next());
    nextTurn(act);
  },
  'consume() under way': (act, unref) => {
    const { consume } = library();
    ignore(
      consume(numbers(), never, { workers: 2, maxQueue: 3, timeout: HOUR, onProgress: () => {}, unref }),
      consume([1, 2], failing, { onError: never, totalTimeout: HOUR, unref }),
    );
    nextTurn(act);
  },
  'a TaskGroup with tasks': (act, unref) => {
    const { Semaphore, TaskGroup } = library();
    const watching = ({ signal }) => (signal.addEventListener('abort', () => {}), never());
    const body = (group) => {
      ignore(group.run(never), group.run(watching), group.run(never));
      return never();
    };
    const family = (group) => ignore(group.run(watching), group.nest(body, { limit: new Semaphore(1) }));
    ignore(
      TaskGroup.run(family, bounds(unref, { totalTimeout: HOUR })),
      TaskGroup.run(body, { limit: 2, signal: new AbortController().signal }),
    );
    const failed = new TaskGroup();
    ignore(failed.run(watching), failed.run(failing), failed.close()); // it waits for the first
    nextTurn(act);
  },
  'calls in the line of a semaphore and of a rate limiter that they share': (act, unref) => {
    const { RateLimiter, Semaphore, consume, mapSettled, mapStream, mapWithLimit } = library();
    const semaphore = new Semaphore(1);
    const rate = new RateLimiter({ max: 1, per: HOUR });
    ignore(
      mapWithLimit([1, 2], semaphore, never, { rate, timeout: HOUR, unref }),
      mapWithLimit([1, 2], semaphore, never, { itemTimeout: HOUR, unref }),
      mapSettled([1, 2], 2, never, { rate, totalTimeout: HOUR, unref }),
      consume(numbers(), never, { workers: semaphore, unref }),
      mapStream([1, 2], semaphore, never, { unref }).next(),
      semaphore.acquire(),
      rate.acquire({ unref }),
    );
    nextTurn(act);
  },
  'race, any, all, waitFor and withResource under way': (act, unref) => {
    const { all, any, race, waitFor, withResource } = library();
    const given = bounds(unref, { totalTimeout: HOUR });
    const shared = never();
    ignore(
      race([shared, never], given),
      any([shared, failing(), ({ signal }) => (signal.addEventListener('abort', () => {}), never())], given),
      all([shared, 1], given),
      waitFor(() => false, { interval: HOUR, timeout: 2 * HOUR, unref }),
      withResource(
        () => 'held',
        () => {},
        never,
        bounds(unref, { timeout: HOUR }),
      ),
      withResource(never, () => {}, never),
    );
    nextTurn(act);
  },
};

const inWake = {
  'inside what follows a wait for a token': (act) => {
    const { RateLimiter } = library();
    const limiter = new RateLimiter({ max: 1, per: 1, burst: 1 });
    limiter.tryAcquire();
    limiter.acquire().then(act);
    ignore(limiter.acquire(), limiter.acquire());
  },
  'inside what follows a wait for permits that has timed out, and has let others pass': (act) => {
    const { Semaphore } = library();
    const semaphore = new Semaphore(2);
    semaphore.tryAcquire();
    semaphore.acquire(2, { timeout: 1 }).catch(act);
    ignore(semaphore.acquire(), semaphore.acquire());
  },
  'inside a mapper that got the permit of a call that timed out': (act) => {
    const { Semaphore, mapWithLimit } = library();
    const semaphore = new Semaphore(1);
    const mapper = (item) => (item === 1 ? act() : item);
    ignore(
      mapWithLimit([1], semaphore, never, { timeout: 1 }),
      mapWithLimit([1, 2], semaphore, mapper, { timeout: HOUR }),
      mapWithLimit([3], semaphore, (item) => item),
    );
  },
  'inside an abort listener of a TaskGroup': (act) => {
    const { TaskGroup } = library();
    const body = (group) => {
      group.signal.addEventListener('abort', act);
      ignore(group.run(never), group.run(never));
    };
    ignore(TaskGroup.run(body, { limit: 1, totalTimeout: 1 }));
  },
  'inside onError of consume()': (act) => {
    const { consume } = library();
    ignore(consume([1, 2], never, { timeout: 1, onError: (_, item) => item === 1 && act() }));
  },
  'inside a release of withResource()': (act) => {
    const { withResource } = library();
    ignore(
      withResource(
        () => 'held',
        () => act(),
        never,
        { timeout: 1 },
      ),
    );
  },
};

module.exports = { inWake, outside };
