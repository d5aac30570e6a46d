'use strict';
// The oracle is only worth something if it is right: every number here was worked out by hand.

const assert = require('node:assert/strict');
const { runModel } = require('../model.js');
const { everyResult } = require('../support/orders');

const timer = (after, outcome = 'fulfill') => ({ kind: 'timer', after, outcome });
const microtask = (outcome = 'fulfill') => ({ kind: 'microtask', outcome });
const sync = (outcome = 'fulfill') => ({ kind: 'sync', outcome });
const never = { kind: 'never' };
const item = (...attempts) => ({ attempts });
const awaiting = (after, outcome, ...attempts) => ({ element: { after, outcome }, attempts });
const constant = (retries, delay) => ({ retries, delay, backoff: 'constant', factor: 1, maxDelay: 1000 });
const rejected = (reason, at) => ({ status: 'rejected', reason, at });
const fulfilled = (value, at) => ({ status: 'fulfilled', value, at });
const total = { timeout: 'total' };
const attemptTimeout = (index, attempt) => ({ timeout: 'attempt', index, attempt });

/** All that a program can come to, by the order of its microtasks. */
function possible(program) {
  const results = new Set();
  for (const result of everyResult((choose) => runModel({ limit: 1, ...program }, choose)))
    results.add(JSON.stringify(result));
  return [...results].map((result) => JSON.parse(result));
}

/** Starts and outcome as given, in every order. */
function expectExactly(program, starts, outcome) {
  const result = runModel({ limit: 1, ...program });
  assert.deepEqual(result.starts, starts);
  assert.deepEqual(result.outcome, outcome);
  for (const one of possible(program)) assert.deepEqual([one.starts, one.outcome], [starts, outcome]);
  return result;
}

describe('model: limit and results', () => {
  it('a freed place takes the next item in the same instant', () => {
    const items = [item(timer(5)), item(timer(3)), item(timer(4))];
    const result = expectExactly(
      { items, limit: 2 },
      [
        [0, 0, 1],
        [0, 1, 1],
        [3, 2, 1],
      ],
      fulfilled(['v0', 'v1', 'v2'], 7),
    );
    assert.equal(result.maxRunning, 2);
    assert.deepEqual(result.counts, { started: 3, done: 3, failed: 0, retried: 0, timedOut: 0 });
  });

  it('sync and microtask items follow each other within one instant', () => {
    const items = [item(sync()), item(microtask()), item(timer(2)), item(sync())];
    const starts = [
      [0, 0, 1],
      [0, 1, 1],
      [0, 2, 1],
      [2, 3, 1],
    ];
    expectExactly({ items, discard: true }, starts, fulfilled(4, 2));
  });

  it('no items fulfil at once, even without any time', () => {
    expectExactly({ items: [], totalTimeout: 0 }, [], fulfilled([], 0));
    expectExactly({ items: [], discard: true }, [], fulfilled(0, 0));
  });

  it('what never settles and is not bounded stays pending', () => {
    expectExactly({ items: [item(never)] }, [[0, 0, 1]], { status: 'pending' });
  });

  it('the first final failure rejects and nothing more starts', () => {
    const items = [item(timer(5)), item(timer(3, 'reject')), item(sync())];
    const result = expectExactly(
      { items, limit: 2 },
      [
        [0, 0, 1],
        [0, 1, 1],
      ],
      rejected('e1.1', 3),
    );
    assert.deepEqual(result.counts, { started: 2, done: 0, failed: 1, retried: 0, timedOut: 0 });
  });
});

describe('model: retry', () => {
  it('waits the same, linearly or exponentially longer, capped', () => {
    const always = [item(sync('reject'))];
    const times = (backoff) =>
      runModel({
        items: always,
        limit: 1,
        retry: { retries: 3, delay: 10, backoff, factor: 3, maxDelay: 50 },
      }).starts.map(([time]) => time);
    assert.deepEqual(times('constant'), [0, 10, 20, 30]);
    assert.deepEqual(times('linear'), [0, 10, 30, 60]);
    assert.deepEqual(times('exponential'), [0, 10, 40, 90]);
  });

  it('rejects with the last error once the retries are exhausted', () => {
    const program = { items: [item(sync('reject'))], retry: constant(1, 10) };
    const result = expectExactly(
      program,
      [
        [0, 0, 1],
        [10, 0, 2],
      ],
      rejected('e0.2', 10),
    );
    assert.deepEqual(result.counts, { started: 1, done: 0, failed: 1, retried: 1, timedOut: 0 });
  });

  it('an item in backoff keeps its place', () => {
    const items = [item(timer(2, 'reject'), sync()), item(sync())];
    expectExactly(
      { items, retry: constant(1, 3) },
      [
        [0, 0, 1],
        [5, 0, 2],
        [5, 1, 1],
      ],
      fulfilled(['v0', 'v1'], 5),
    );
  });
});

describe('model: timeouts', () => {
  it('a timed out attempt is retried like a failed one', () => {
    const program = { items: [item(never)], timeout: 5, retry: constant(1, 2) };
    const result = expectExactly(
      program,
      [
        [0, 0, 1],
        [7, 0, 2],
      ],
      rejected(attemptTimeout(0, 2), 12),
    );
    assert.deepEqual(result.counts, { started: 1, done: 0, failed: 1, retried: 1, timedOut: 2 });
    assert.equal(result.maxRunning, 1);
  });

  it('the late outcome of a timed out attempt changes nothing', () => {
    const program = { items: [item(timer(9, 'reject'), timer(4))], timeout: 5, retry: constant(1, 2) };
    expectExactly(
      program,
      [
        [0, 0, 1],
        [7, 0, 2],
      ],
      fulfilled(['v0'], 11),
    );
  });

  it('what has arrived wins over a deadline in the same instant', () => {
    expectExactly({ items: [item(timer(5))], timeout: 5 }, [[0, 0, 1]], fulfilled(['v0'], 5));
    expectExactly({ items: [item(microtask())], timeout: 0 }, [[0, 0, 1]], fulfilled(['v0'], 0));
    expectExactly({ items: [item(timer(1))], timeout: 0 }, [[0, 0, 1]], rejected(attemptTimeout(0, 1), 0));
  });

  it('the total fires when it is due with or before an attempt', () => {
    const program = { items: [item(never)], timeout: 5, totalTimeout: 5 };
    const result = expectExactly(program, [[0, 0, 1]], rejected(total, 5));
    assert.deepEqual(result.counts, { started: 1, done: 0, failed: 0, retried: 0, timedOut: 0 });
    expectExactly({ items: [item(never)], totalTimeout: 0 }, [], rejected(total, 0));
  });

  it('a backoff that would outlive the total rejects now; one that ends with it does not', () => {
    const program = { items: [item(timer(3, 'reject'), never)], retry: constant(1, 3) };
    expectExactly({ ...program, totalTimeout: 5 }, [[0, 0, 1]], rejected(total, 3));
    expectExactly(
      { ...program, totalTimeout: 6 },
      [
        [0, 0, 1],
        [6, 0, 2],
      ],
      rejected(total, 6),
    );
  });
});

describe('model: elements that are promises', () => {
  it('are awaited before the mapper, under the timeout of the attempt', () => {
    expectExactly({ items: [awaiting(3, 'fulfill', timer(2))], timeout: 5 }, [[3, 0, 1]], fulfilled(['v0'], 5));
    const late = { items: [awaiting(3, 'fulfill', timer(3))], timeout: 5 };
    expectExactly(late, [[3, 0, 1]], rejected(attemptTimeout(0, 1), 5));
  });

  it('fail their item when they reject, without a retry', () => {
    expectExactly({ items: [awaiting(3, 'reject', sync())], retry: constant(2, 1) }, [], rejected('p0', 3));
  });

  it('exist from the beginning, so that a later item or attempt finds them settled', () => {
    const items = [item(timer(4)), awaiting(3, 'fulfill', sync())];
    expectExactly(
      { items },
      [
        [0, 0, 1],
        [4, 1, 1],
      ],
      fulfilled(['v0', 'v1'], 4),
    );
    const again = { items: [awaiting(3, 'fulfill', sync())], timeout: 2, retry: constant(1, 1) };
    expectExactly(again, [[3, 0, 2]], fulfilled(['v0'], 3));
  });
});

describe('model: abort', () => {
  it('before the call nothing starts, and no items are read', () => {
    expectExactly({ items: [item(sync())], abortAt: 0, totalTimeout: 0 }, [], rejected('abort', 0));
    expectExactly({ items: [], abortAt: 0 }, [], rejected('abort', 0));
  });

  it('comes after the arrivals of its instant and before the backoffs', () => {
    expectExactly({ items: [item(timer(5))], abortAt: 5 }, [[0, 0, 1]], fulfilled(['v0'], 5));
    const program = { items: [item(timer(2, 'reject'), sync())], retry: constant(1, 3), abortAt: 5 };
    expectExactly(program, [[0, 0, 1]], rejected('abort', 5));
  });
});

describe('model: order within one instant', () => {
  const failing = timer(5, 'reject');

  it('is known for timers, by arming', () => {
    expectExactly(
      { items: [item(failing), item(failing)], limit: 2 },
      [
        [0, 0, 1],
        [0, 1, 1],
      ],
      rejected('e0.1', 5),
    );
    const items = [item(timer(2)), item(failing), item(timer(3, 'reject'))];
    expectExactly(
      { items, limit: 2 },
      [
        [0, 0, 1],
        [0, 1, 1],
        [2, 2, 1],
      ],
      rejected('e1.1', 5),
    );
  });

  it('is known for a chain of microtasks in one place', () => {
    const items = [item(sync()), item(microtask()), item(microtask('reject'))];
    expectExactly(
      { items },
      [
        [0, 0, 1],
        [0, 1, 1],
        [0, 2, 1],
      ],
      rejected('e2.1', 0),
    );
  });

  it('is known for retries whose failures came one after the other', () => {
    const program = { items: [item(failing), item(failing)], limit: 2, retry: constant(1, 1) };
    expectExactly(
      program,
      [
        [0, 0, 1],
        [0, 1, 1],
        [6, 0, 2],
        [6, 1, 2],
      ],
      rejected('e0.2', 11),
    );
  });

  it('is not known for failures that are microtasks, nor for what these armed', () => {
    const twice = [item(microtask('reject'), failing), item(microtask('reject'), failing)];
    const reasons = (program) => possible(program).map(({ outcome }) => [outcome.reason, outcome.at]);
    assert.deepEqual(new Set(reasons({ items: twice, limit: 2 }).map(String)), new Set(['e0.1,0', 'e1.1,0']));
    const later = { items: twice, limit: 2, retry: constant(1, 1) };
    assert.deepEqual(new Set(reasons(later).map(String)), new Set(['e0.2,6', 'e1.2,6']));
  });

  it('may leave starts or counts open while the reason is known', () => {
    const seen = (...items) =>
      possible({ items, limit: 2 }).map(({ starts, counts, outcome }) => [
        outcome.reason,
        starts.length,
        counts.started,
        counts.done,
      ]);
    const failing = item(microtask('reject'));
    assert.deepEqual(seen(item(microtask()), failing, item(never)).sort(), [
      ['e1.1', 2, 2, 0],
      ['e1.1', 3, 3, 1],
    ]);
    assert.deepEqual(
      seen(item(sync('reject')), item(never)).sort(),
      [
        ['e0.1', 1, 1, 0],
        ['e0.1', 2, 2, 0],
      ],
      'a throw may end the synchronous batch',
    );
    assert.deepEqual(seen(item(microtask()), failing).sort(), [
      ['e1.1', 2, 2, 0],
      ['e1.1', 2, 2, 1],
    ]);
    assert.deepEqual(seen(failing, item(never)), [['e0.1', 2, 2, 0]], 'the first ones are called before any microtask');
  });
});

describe('model: a rate', () => {
  it('starts with a full bucket, then a token at a time, in the order of asking', () => {
    const items = [item(sync()), item(sync()), item(sync()), item(sync())];
    const starts = [
      [0, 0, 1],
      [0, 1, 1],
      [5, 2, 1],
      [10, 3, 1],
    ];
    expectExactly({ items, rate: { max: 1, per: 5, burst: 2 }, discard: true }, starts, fulfilled(4, 10));
    expectExactly({ items, rate: 200, discard: true }, starts, fulfilled(4, 10)); // two accrue in 10 ms
  });

  it('a retry takes a token; no attempt clock runs while it waits, the total does', () => {
    const program = {
      items: [item(timer(1, 'reject'), timer(2))],
      retry: constant(1, 1),
      rate: { max: 1, per: 10 },
      timeout: 3,
    };
    const starts = [
      [0, 0, 1],
      [10, 0, 2],
    ];
    expectExactly(program, starts, fulfilled(['v0'], 12));
    expectExactly({ ...program, totalTimeout: 9 }, [[0, 0, 1]], rejected(total, 9));
  });

  it('does not save up beyond its burst', () => {
    const items = [item(timer(100)), item(sync()), item(sync()), item(sync())];
    const times = runModel({ items, limit: 1, rate: { max: 1, per: 10, burst: 2 } }).starts.map(([time]) => time);
    assert.deepEqual(times, [0, 100, 100, 110]);
  });
});

describe('model: the time of an item', () => {
  const itemTimeout = (index, attempt) => ({ timeout: 'item', index, attempt });

  it('runs from its pull, through attempts and backoffs, and is not retried', () => {
    const items = [item(timer(2)), item(timer(3, 'reject'), never)];
    const starts = [
      [0, 0, 1],
      [2, 1, 1],
      [6, 1, 2],
    ];
    const result = expectExactly(
      { items, itemTimeout: 6, retry: constant(5, 1) },
      starts,
      rejected(itemTimeout(1, 2), 8),
    );
    assert.deepEqual(result.counts, { started: 2, done: 1, failed: 1, retried: 1, timedOut: 1 });
  });

  it('fails an item that waits for its first token as attempt 0, and one whose backoff would outlive it at once', () => {
    const waiting = {
      items: [item(never), item(sync())],
      limit: 2,
      rate: { max: 1, per: 50 },
      itemTimeout: 9,
      timeout: 20,
    };
    expectExactly(
      { ...waiting, collect: 'errors' },
      [[0, 0, 1]],
      rejected({ aggregate: [itemTimeout(0, 1), itemTimeout(1, 0)] }, 9),
    );
    const outlived = { items: [item(timer(2, 'reject'))], itemTimeout: 4, retry: constant(1, 3) };
    expectExactly(outlived, [[0, 0, 1]], rejected(itemTimeout(0, 1), 2));
  });

  it('on a tie: total before item before attempt', () => {
    const scope = (program) => runModel({ items: [item(never)], limit: 1, ...program }).outcome.reason.timeout;
    assert.equal(scope({ timeout: 5, itemTimeout: 5, totalTimeout: 5 }), 'total');
    assert.equal(scope({ timeout: 5, itemTimeout: 5 }), 'item');
    assert.equal(scope({ timeout: 5, itemTimeout: 6 }), 'attempt');
  });
});

describe('model: failures that end nothing', () => {
  const settled = [
    { status: 'fulfilled', value: 'v0' },
    { status: 'rejected', reason: 'e1.1' },
  ];
  const items = [item(timer(4)), item(timer(2, 'reject')), item(timer(1))];

  it('outcomes: of each, in order; on the total time of all that an array holds', () => {
    const outcomes = { items, limit: 2, collect: 'outcomes' };
    const starts = [
      [0, 0, 1],
      [0, 1, 1],
      [2, 2, 1],
    ];
    expectExactly(outcomes, starts, fulfilled([...settled, { status: 'fulfilled', value: 'v2' }], 4));
    const rest = { status: 'rejected', reason: total };
    expectExactly({ ...outcomes, limit: 1, totalTimeout: 3 }, [[0, 0, 1]], fulfilled([rest, rest, rest], 3));
    expectExactly({ ...outcomes, limit: 1, totalTimeout: 3, source: 'iterable' }, [[0, 0, 1]], fulfilled([rest], 3));
  });

  it('errors: all of them, in order, when everything is over', () => {
    const failing = [item(timer(4, 'reject')), ...items];
    const starts = [
      [0, 0, 1],
      [0, 1, 1],
      [4, 2, 1],
      [4, 3, 1],
    ];
    const program = { items: failing, limit: 2, collect: 'errors' };
    expectExactly(program, starts, rejected({ aggregate: ['e0.1', 'e2.1'] }, 6));
  });
});

describe('model: the ends of a call', () => {
  it('drain: settles when what runs has ended, or timed out; nothing starts', () => {
    const items = [item(timer(2, 'reject')), item(timer(9)), item(sync())];
    const starts = [
      [0, 0, 1],
      [0, 1, 1],
    ];
    const result = runModel({ items, limit: 2, drain: true });
    assert.deepEqual([result.starts, result.outcome], [starts, rejected('e0.1', 9)]);
    assert.deepEqual(result.counts, { started: 2, done: 1, failed: 1, retried: 0, timedOut: 0 });
    assert.equal(runModel({ items, limit: 2, drain: true, timeout: 5 }).outcome.at, 5);
    assert.deepEqual(runModel({ items, limit: 2, drain: true, abortAt: 1 }).outcome, rejected('abort', 9));
    assert.equal(runModel({ items: [item(never)], limit: 1, drain: true, abortAt: 1 }).outcome.status, 'pending');
  });

  it('skip leaves an item out; stop ends it after what runs, and leaves out who waits for a token', () => {
    const items = [item(sync('skip')), item(timer(1, 'stop')), item(timer(3)), item(sync())];
    const starts = [
      [0, 0, 1],
      [0, 1, 1],
      [0, 2, 1],
    ];
    expectExactly({ items, limit: 2 }, starts, fulfilled(['v2'], 3));
    expectExactly({ items, limit: 4, rate: { max: 1, per: 50, burst: 3 } }, starts, fulfilled(['v2'], 3));
  });

  it('a stop among other microtasks may come before or after the next pull', () => {
    const items = [item(microtask('stop')), item(microtask()), item(timer(1))];
    const outcomes = possible({ items, limit: 2 }).map(({ outcome }) => [outcome.value, outcome.at]);
    assert.deepEqual(outcomes.sort(), [
      [['v1'], 0],
      [['v1', 'v2'], 1],
    ]);
  });
});

describe('model: abandoned attempts and callbacks', () => {
  it('a start waits while too many still run, until one has ended', () => {
    const items = [item(timer(9)), item(sync())];
    const starts = [
      [0, 0, 1],
      [9, 1, 1],
    ];
    const program = { items, timeout: 2, maxAbandoned: 0, collect: 'outcomes', discard: true };
    expectExactly(program, starts, fulfilled(2, 9));
    const unbounded = runModel({ ...program, limit: 1, maxAbandoned: 1 });
    assert.deepEqual(unbounded.starts[1], [2, 1, 1]);
  });

  it('what the callbacks of a policy say, by attempt', () => {
    const always = [item(sync('reject'))];
    const times = (more) =>
      runModel({ items: always, limit: 1, retry: { ...constant(3, 5), ...more } }).starts.map(([time]) => time);
    assert.deepEqual(times({ backoff: [1, 2, 3] }), [0, 1, 3, 6]);
    assert.deepEqual(times({ backoff: [1, 20, 3], maxDelay: 4 }), [0, 1, 5, 8]);
    assert.deepEqual(times({ retryIf: [true, false] }), [0, 5]);
    assert.deepEqual(times({ retryAfter: [7, undefined, 9] }), [0, 7, 12, 21]);
    assert.deepEqual(times({ retryAfter: [7, 9], maxDelay: 8 }), [0, 7]); // more than the longest: the item fails
    assert.equal(runModel({ items: [item(sync('permanent'))], limit: 1, retry: constant(3, 5) }).outcome.at, 0);
  });
});
