'use strict';

// What each argument may be. Invalid ones reject, before any callback has run and any iterator was taken.

const assert = require('node:assert/strict');

const sluice = require('../..');
const { usage } = require('../../lib/engine');
const { rejection, turn } = require('../support/outcomes');

const { allSettled, execute, mapSettled, mapWithLimit, retry, sleep, withTimeout } = sluice;

const TYPE = 'ERR_INVALID_ARG_TYPE';
const RANGE = 'ERR_OUT_OF_RANGE';
const FINE = 'fine';

// What is tried as every argument, by the words an error has to use for it.
const values = new Map([
  ['NaN', NaN],
  ['-1', -1],
  ['-Infinity', -Infinity],
  ['0', 0],
  ['0.5', 0.5],
  ['1.5', 1.5],
  [`${2 ** 60}`, 2 ** 60],
  ['Infinity', Infinity],
  ['1n', 1n],
  ['null', null],
  ["'5'", '5'],
  ['true', true],
  ['Symbol(s)', Symbol('s')],
  ['Object', {}],
  ['Array', [1]],
  ['function named', function named() {}],
]);

/** What becomes of each value; those that are not listed are of the wrong type. */
function kind(listed) {
  return Object.fromEntries([...values.keys()].map((name) => [name, listed[name] ?? TYPE]));
}

const LARGE = `${2 ** 60}`;
const kinds = {
  duration: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: FINE,
    0.5: FINE,
    1.5: FINE,
    [LARGE]: FINE,
    Infinity: FINE,
  }),
  wait: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: FINE,
    0.5: FINE,
    1.5: FINE,
    [LARGE]: FINE,
    Infinity: RANGE,
  }),
  total: kind({
    NaN: RANGE,
    '-1': FINE,
    '-Infinity': FINE,
    0: FINE,
    0.5: FINE,
    1.5: FINE,
    [LARGE]: FINE,
    Infinity: FINE,
  }),
  limit: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: RANGE,
    0.5: RANGE,
    1.5: RANGE,
    [LARGE]: FINE,
    Infinity: FINE,
  }),
  count: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: FINE,
    0.5: RANGE,
    1.5: RANGE,
    [LARGE]: FINE,
    Infinity: FINE,
  }),
  factor: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: RANGE,
    0.5: RANGE,
    1.5: FINE,
    [LARGE]: FINE,
    Infinity: RANGE,
  }),
  positive: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: RANGE,
    0.5: FINE,
    1.5: FINE,
    [LARGE]: FINE,
    Infinity: RANGE,
  }),
  rate: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: RANGE,
    0.5: FINE,
    1.5: FINE,
    [LARGE]: FINE,
    Infinity: FINE,
  }),
  burst: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: RANGE,
    0.5: RANGE,
    1.5: RANGE,
    [LARGE]: FINE,
    Infinity: RANGE,
  }),
  word: kind({ "'5'": RANGE }),
  backoff: kind({ "'5'": RANGE, 'function named': FINE }),
  boolean: kind({ true: FINE }),
  string: kind({ "'5'": FINE }),
  callback: kind({ 'function named': FINE }),
  signal: kind({}),
  policy: kind({
    NaN: RANGE,
    '-1': RANGE,
    '-Infinity': RANGE,
    0: FINE,
    0.5: RANGE,
    1.5: RANGE,
    [LARGE]: FINE,
    Infinity: FINE,
    Object: FINE,
  }),
};

/** A world in which everything that is user code writes down that it ran. */
function world() {
  const log = [];
  const note =
    (name, value) =>
    (...args) => {
      log.push(name);
      return typeof value === 'function' ? value(...args) : value;
    };
  const iterator = () => ({ next: note('next', { done: true }), return: note('return', {}) });
  return {
    log,
    note,
    items: {
      [Symbol.iterator]: note('iterator', iterator),
      get length() {
        log.push('length');
        return 0;
      },
    },
    asyncItems: { [Symbol.asyncIterator]: note('asyncIterator', iterator) },
    mapper: note('mapper'),
    // Valid options with callbacks, to stand beside the one that is tried.
    progress: { onProgress: note('onProgress') },
    asked: {
      backoff: note('backoff', 1),
      retryIf: note('retryIf', true),
      retryAfter: note('retryAfter'),
      onRetry: note('onRetry'),
    },
    fallback: note('fallback'),
  };
}

const optionsOf = (owner, table) => Object.entries(table).map(([key, kindName]) => [key, `${owner}.${key}`, kindName]);

const COMMON = { signal: 'signal', unref: 'boolean', label: 'string' };
const POLICY = {
  retries: 'count',
  delay: 'wait',
  backoff: 'backoff',
  factor: 'factor',
  maxDelay: 'duration',
  jitter: 'word',
  retryIf: 'callback',
  retryOn: 'callback',
  onRetry: 'callback',
  retryAfter: 'callback',
};
const RATE = { max: 'positive', per: 'positive', burst: 'burst' };
const SETTLED = {
  timeout: 'duration',
  itemTimeout: 'duration',
  totalTimeout: 'total',
  retry: 'policy',
  rate: 'rate',
  onProgress: 'callback',
  discard: 'boolean',
  drain: 'boolean',
  maxAbandoned: 'count',
  yieldAfter: 'duration',
  ...COMMON,
};
const MAP = { ...SETTLED, stopOnError: 'boolean' };
const RETRY = { ...POLICY, timeout: 'duration', totalTimeout: 'total', ...COMMON };
const TIMEOUT = { timeout: 'duration', ...COMMON };
const ALL_SETTLED = { totalTimeout: 'total', onProgress: 'callback', ...COMMON };
const SLEEP = { signal: 'signal', unref: 'boolean' };

/** A row for each option: `call` gets the world and the options, with one of them tried. */
const rowsOf = (owner, path, table, call, beside) =>
  optionsOf(path, table).map(([key, name, kindName]) => [
    owner,
    name,
    kindName,
    (made, value) => call(made, { ...beside?.(made), [key]: value }),
  ]);

const mapRows = Object.entries({ mapWithLimit: [mapWithLimit, MAP], mapSettled: [mapSettled, SETTLED] }).flatMap(
  ([owner, [map, table]]) => [
    [owner, 'limit', 'limit', ({ items, mapper }, value) => map(items, value, mapper)],
    [owner, 'mapper', 'callback', ({ items }, value) => map(items, 1, value)],
    ...rowsOf(
      owner,
      'options',
      table,
      ({ items, mapper }, options) => map(items, 1, mapper, options),
      (made) => made.progress,
    ),
    ...rowsOf(`${owner} of an async iterable`, 'options', table, ({ asyncItems, mapper }, options) =>
      map(asyncItems, 1, mapper, options),
    ),
    ...rowsOf(
      owner,
      'options.retry',
      POLICY,
      ({ items, mapper }, policy) => map(items, 1, mapper, { retry: policy }),
      (made) => made.asked,
    ),
    ...rowsOf(
      owner,
      'options.rate',
      RATE,
      ({ items, mapper }, rate) => map(items, 1, mapper, { rate }),
      () => ({ max: 2 ** 60, per: 1, burst: 1 }),
    ),
  ],
);

// function, argument as an error names it, kind, call with a value
const rows = [
  ...mapRows,
  ['withTimeout', 'ms', 'duration', ({ mapper }, value) => withTimeout(mapper, value)],
  ...rowsOf(
    'withTimeout',
    'options',
    TIMEOUT,
    ({ mapper }, options) => withTimeout(mapper, options),
    ({ fallback }) => ({ timeout: 5, fallback }),
  ),
  ['retry', 'fn', 'callback', (_world, value) => retry(value)],
  ['retry', 'fn', 'callback', (_world, value) => retry(value, {})],
  ['retry', 'maxRetries', 'count', ({ mapper }, value) => retry(mapper, value)],
  ['retry', 'delayMs', 'wait', ({ mapper }, value) => retry(mapper, 1, value)],
  ...rowsOf(
    'retry',
    'options',
    RETRY,
    ({ mapper }, options) => retry(mapper, options),
    (made) => made.asked,
  ),
  ['execute', 'fn', 'callback', (_world, value) => execute(value)],
  ['execute', 'fn', 'callback', (_world, value) => execute(value, {})],
  ...rowsOf(
    'execute',
    'options',
    RETRY,
    ({ mapper }, options) => execute(mapper, options),
    (made) => made.asked,
  ),
  ...rowsOf('allSettled', 'options', ALL_SETTLED, ({ items }, options) => allSettled(items, options)),
  ['sleep', 'ms', 'wait', (_world, value) => sleep(value, { signal: soon() })],
  ...rowsOf('sleep', 'options', SLEEP, (_world, options) => sleep(0, options)),
];

/** A signal that ends what would take long. */
function soon() {
  const controller = new AbortController();
  setImmediate(() => controller.abort('soon'));
  return controller.signal;
}

// The second argument of these tells two forms apart, so an object there is another argument; and an error about what is
// inside an object or an array names that.
const otherForm = {
  ms: ['null', 'Object', 'Array'],
  maxRetries: ['null', 'Object', 'Array'],
  'options.rate': ['Object'],
  'options.retryOn': ['Array'],
  'options.retry.retryOn': ['Array'],
};
const required = ['limit', 'mapper', 'fn', 'ms', 'options.rate.max'];

describe('arguments', () => {
  after(() => assert.equal(usage().jobs, 0));

  for (const [owner, name, kindName, call] of rows) {
    const expected = kinds[kindName];
    const tried = [...values].filter(([said]) => !(otherForm[name] ?? []).includes(said));

    it(`${owner}: ${name} that is invalid is named, with what it got, and nothing has run`, async () => {
      for (const [said, value] of tried) {
        const code = expected[said];
        if (code === FINE) continue;
        const { log, ...rest } = world();
        const error = await rejection(call(rest, value));
        assert.equal(error.code, code, `${said}: ${error.stack}`);
        assert.ok(error instanceof (code === TYPE ? TypeError : RangeError));
        assert.ok(error.message.includes(`"${name}"`), error.message);
        assert.ok(error.message.includes(said), `${said}: ${error.message}`);
        await turn();
        assert.deepEqual(log, [], said);
      }
    });

    it(`${owner}: ${name} that is valid, or undefined, is none`, async () => {
      for (const [said, value] of [...tried, ['undefined', undefined]]) {
        const isRequired = required.includes(name) || `${owner} ${name}` === 'withTimeout options.timeout';
        if (said === 'undefined' ? isRequired : expected[said] !== FINE) continue;
        await call(world(), value).catch(({ code }) => assert.ok(code !== TYPE && code !== RANGE, `${said} is fine`));
      }
    });
  }

  it('what is required is missed: the error names it', async () => {
    const called = () => assert.fail('called');
    const calls = [
      ...[mapWithLimit, mapSettled].flatMap((map) => [
        ['items', () => map()],
        ['limit', () => map([])],
        ['mapper', () => map([], 1)],
        ['options.rate.max', () => map([1], 1, called, { rate: {} })],
        ['options.rate.max', () => map([1], 1, called, { rate: { max: undefined, per: 5, burst: 5 } })],
      ]),
      ['ms', () => withTimeout(called)],
      ['options.timeout', () => withTimeout(called, {})],
      ['fn', () => retry()],
      ['fn', () => execute()],
      ['iterable', () => allSettled()],
    ];
    for (const [name, call] of calls) {
      const error = await rejection(call());
      assert.equal(error.code, TYPE, name);
      assert.ok(error.message.includes(`"${name}"`), error.message);
      assert.match(error.message, /undefined/);
    }
    const error = await rejection(sleep());
    assert.equal(error.code, TYPE);
    assert.match(error.message, /"ms"/);
  });

  it('what is neither an array nor an iterable is no items', async () => {
    for (const items of [undefined, null, 1, true, {}, () => {}, { length: 1, 0: 'a' }, { [Symbol.iterator]: 1 }]) {
      for (const call of [mapWithLimit(items, 1, () => {}), mapSettled(items, 1, () => {}), allSettled(items)]) {
        const error = await rejection(call);
        assert.equal(error.code, TYPE);
        assert.match(error.message, /"items"|"iterable"/);
      }
    }
  });

  const functions = {
    mapWithLimit: ({ items, mapper }, options) => mapWithLimit(items, 1, mapper, options),
    mapSettled: ({ items, mapper }, options) => mapSettled(items, 1, mapper, options),
    'mapWithLimit, retry': ({ items, mapper }, policy) => mapWithLimit(items, 1, mapper, { retry: policy }),
    'mapSettled, rate': ({ items, mapper }, given) => {
      const rate = Object.create({ max: 1 }, Object.getOwnPropertyDescriptors(given));
      return mapSettled(items, 1, mapper, { rate });
    },
    execute: ({ mapper }, options) => execute(mapper, options),
    withTimeout: ({ mapper, fallback }, options) => withTimeout(mapper, { timeout: 5, fallback, ...options }),
    retry: ({ mapper }, options) => retry(mapper, options),
    allSettled: ({ items }, options) => allSettled(items, options),
    sleep: (_world, options) => sleep(1, options),
  };
  const inner = { 'mapWithLimit, retry': 'retries', 'mapSettled, rate': 'per' }; // an option of what is no options itself
  for (const [name, call] of Object.entries(functions)) {
    it(`${name}: an unknown option is an error that names it, and nothing has run`, async () => {
      for (const value of [5000, null, 'x', () => assert.fail('called'), {}]) {
        const { log, ...rest } = world();
        const error = await rejection(call(rest, { timout: value }));
        assert.ok(error instanceof TypeError);
        assert.equal(error.code, TYPE);
        assert.match(error.message, /timout"/);
        await turn();
        assert.deepEqual(log, []);
      }
    });

    it(`${name}: an unknown option beside valid ones, before or after`, async () => {
      for (const key of ['timout', 'constructor', 'toString', '0', '']) {
        const known = inner[name] === undefined ? { unref: true } : { [inner[name]]: 1 };
        for (const options of [
          { [key]: 1, ...known },
          { ...known, [key]: 1 },
        ]) {
          const { log, ...rest } = world();
          const error = await rejection(call(rest, options));
          assert.equal(error.code, TYPE, key);
          assert.ok(error.message.includes(`${key}"`), error.message);
          assert.deepEqual(log, []);
        }
      }
    });

    it(`${name}: an option that is a getter that throws rejects it with that`, async () => {
      const thrown = new Error('getter');
      const options = {};
      const key = inner[name] ?? 'signal';
      Object.defineProperty(options, key, {
        enumerable: true,
        get() {
          throw thrown;
        },
      });
      if (name === 'withTimeout') {
        Object.defineProperty(options, 'timeout', { enumerable: true, value: 5 });
        assert.equal(await rejection(withTimeout(() => assert.fail('called'), options)), thrown);
      } else {
        const { log, ...rest } = world();
        assert.equal(await rejection(call(rest, options)), thrown);
        assert.deepEqual(log, []);
      }
    });

    it(`${name}: options without a prototype, frozen ones, and empty ones are fine`, async () => {
      for (const options of [Object.create(null), Object.freeze({}), {}]) {
        await call(world(), options);
      }
    });
  }

  it('options that are no object are an error', async () => {
    const calls = {
      mapWithLimit: ({ items, mapper }, options) => mapWithLimit(items, 1, mapper, options),
      mapSettled: ({ items, mapper }, options) => mapSettled(items, 1, mapper, options),
      allSettled: ({ items }, options) => allSettled(items, options),
      execute: ({ mapper }, options) => execute(mapper, options),
      sleep: (_world, options) => sleep(1, options),
    };
    for (const [name, call] of Object.entries(calls)) {
      for (const options of [null, 5, '5', true, [], () => {}, Symbol('s'), 1n]) {
        const { log, ...rest } = world();
        const error = await rejection(call(rest, options));
        assert.equal(error.code, TYPE, `${name} ${String(options)}`);
        assert.match(error.message, /"options"/);
        await turn();
        assert.deepEqual(log, []);
      }
    }
    for (const second of [null, []]) {
      const { log, mapper } = world();
      assert.equal((await rejection(withTimeout(mapper, second))).code, TYPE);
      assert.equal((await rejection(retry(mapper, second))).code, TYPE);
      assert.deepEqual(log, []);
    }
  });

  it('retry: a delayMs beside options is an error', async () => {
    const { log, mapper } = world();
    const error = await rejection(retry(mapper, {}, 10));
    assert.equal(error.code, TYPE);
    assert.match(error.message, /"delayMs"/);
    assert.deepEqual(log, []);
  });

  // What each function can be given; a name that only another one knows is unknown.
  const known = {
    mapWithLimit: [MAP, functions.mapWithLimit],
    mapSettled: [SETTLED, functions.mapSettled],
    'a policy of mapWithLimit': [POLICY, functions['mapWithLimit, retry']],
    'a rate of mapSettled': [RATE, functions['mapSettled, rate']],
    withTimeout: [{ ...TIMEOUT, fallback: 'anything' }, functions.withTimeout],
    retry: [RETRY, functions.retry],
    execute: [RETRY, functions.execute],
    allSettled: [ALL_SETTLED, functions.allSettled],
    sleep: [SLEEP, functions.sleep],
  };
  const allKeys = [...new Set(Object.values(known).flatMap(([table]) => Object.keys(table)))];
  for (const [name, [table, call]] of Object.entries(known)) {
    it(`${name}: an option of another function is unknown to it, and the error says which there are`, async () => {
      for (const key of allKeys.filter((one) => !Object.hasOwn(table, one))) {
        const { log, ...rest } = world();
        const error = await rejection(call(rest, { [key]: true }));
        assert.equal(error.code, TYPE, key);
        assert.ok(error.message.includes(`.${key}"`), error.message);
        for (const one of Object.keys(table)) assert.ok(error.message.includes(one), `${one}: ${error.message}`);
        assert.deepEqual(log, []);
      }
    });
  }

  it('mapSettled has no stopOnError: there is nothing that it would stop', async () => {
    for (const stopOnError of [true, false, undefined]) {
      const error = await rejection(mapSettled([1], 1, () => assert.fail('called'), { stopOnError }));
      assert.equal(error.code, TYPE);
      assert.match(error.message, /"options\.stopOnError"/);
    }
  });

  it('retryOn: each element of an array is a class, or it is named', async () => {
    for (const value of [1, null, undefined, 'Error', {}, [Error], () => true]) {
      for (const retryOn of [[value], [Error, value], value].slice(0, value === undefined ? 2 : 3)) {
        if (Array.isArray(retryOn) && retryOn[0] === Error && retryOn.length === 1) continue;
        const { log, ...rest } = world();
        const inRetry = await rejection(retry(rest.mapper, { retryOn }));
        const inMap = await rejection(mapWithLimit(rest.items, 1, rest.mapper, { retry: { retryOn } }));
        for (const error of [inRetry, inMap]) assert.equal(error.code, TYPE, String(value));
        assert.match(inRetry.message, /"options\.retryOn"/);
        assert.match(inMap.message, /"options\.retry\.retryOn"/);
        assert.deepEqual(log, []);
      }
    }
    for (const retryOn of [[], [Error], [Error, TypeError], Error, sluice.TimeoutError]) {
      assert.equal(await retry(() => 'value', { retryOn }), 'value');
    }
  });

  it('rate: so slow that starts are decades apart is out of range, however it is said', async () => {
    for (const rate of [1e-10, 5e-324, { max: 1, per: 2 ** 60 }, { max: 1e-300 }, { max: 5e-324, per: 1e300 }]) {
      const { log, ...rest } = world();
      const error = await rejection(mapWithLimit(rest.items, 1, rest.mapper, { rate }));
      assert.equal(error.code, RANGE, JSON.stringify(rate));
      assert.match(error.message, /"options\.rate"/);
      assert.deepEqual(log, []);
    }
    const fast = [Number.MAX_VALUE, { max: Number.MAX_VALUE, per: 5e-324 }, { max: 1, per: 5e-324, burst: 2 ** 53 }];
    const slow = [1e-9, { max: 1, per: 1e12 }, { max: 1e6, per: 1e13 }, { max: 1e300, per: 1e300 }];
    const tiny = [
      { max: 1e-300, per: 1e-300 },
      { max: 1e-7, per: 1e-7 },
    ];
    for (const rate of [...fast, ...slow, ...tiny]) {
      assert.deepEqual(await mapWithLimit([1], 1, () => 'value', { rate }), ['value'], JSON.stringify(rate));
    }
  });

  it('a count beyond what 32 bits hold is unlimited, and ends nowhere else', async () => {
    for (const count of [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 53, Number.MAX_VALUE, Infinity]) {
      for (const items of [[1, 2, 3], new Set([1, 2, 3])]) {
        assert.deepEqual(await mapWithLimit(items, count, (item) => item, { maxAbandoned: count }), [1, 2, 3]);
      }
      const again = ({ attempt }) => (attempt < 3 ? Promise.reject(new Error('again')) : attempt);
      assert.equal(await retry(again, { retries: count, delay: 0 }), 3);
      assert.equal(await retry(again, count, 0), 3);
    }
  });

  it('execute has no positional form', async () => {
    const { log, mapper } = world();
    const error = await rejection(execute(mapper, 3, 100));
    assert.equal(error.code, TYPE);
    assert.match(error.message, /"options".*number \(3\)/);
    assert.deepEqual(log, []);
  });

  it('the words of a policy', async () => {
    const fn = () => 'value';
    const backoffs = ['constant', 'linear', 'exponential', 'decorrelated'];
    for (const backoff of backoffs) assert.equal(await retry(fn, { backoff }), 'value');
    for (const jitter of ['none', 'full']) assert.equal(await retry(fn, { jitter }), 'value');
    for (const word of ['Constant', 'toString', '__proto__', '']) {
      for (const key of ['backoff', 'jitter']) {
        const error = await rejection(retry(fn, { [key]: word }));
        assert.equal(error.code, RANGE);
        assert.ok(error.message.includes(`"options.${key}"`) && error.message.includes(`'${word}'`), error.message);
      }
    }
  });

  it('nothing throws: every function called with nothing, and with hostile proxies, rejects', async () => {
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error('get');
        },
        ownKeys() {
          throw new Error('ownKeys');
        },
      },
    );
    const returnsPromise = (name) => !['mapStream', 'asCompleted', 'watchLoop'].includes(name); // these throw
    for (const name of Object.keys(sluice).filter((one) => /^[a-z]/.test(one) && typeof sluice[one] === 'function')) {
      if (!returnsPromise(name)) continue;
      assert.ok((await rejection(sluice[name]())) instanceof TypeError);
      const args = name === 'sleep' ? [hostile, hostile] : [hostile, hostile, hostile, hostile];
      assert.ok((await rejection(sluice[name](...args))) instanceof Error);
    }
    const onlyOptions = [
      () => mapWithLimit([1], 1, () => assert.fail('called'), hostile),
      () => withTimeout(() => assert.fail('called'), hostile),
      () => mapSettled([1], 1, () => assert.fail('called'), hostile),
      () => mapWithLimit([1], 1, () => assert.fail('called'), { retry: hostile }),
      () => mapWithLimit([1], 1, () => assert.fail('called'), { rate: hostile }),
      () => retry(() => assert.fail('called'), hostile),
      () => execute(() => assert.fail('called'), hostile),
      () => allSettled([1], hostile),
      () => sleep(1, hostile),
    ];
    for (const call of onlyOptions) assert.match((await rejection(call())).message, /^(get|ownKeys)$/);
  });

  it('require and import give the same functions, and no more', async () => {
    const module = await import('../../lib/index.mjs');
    const names = Object.keys(module).filter((name) => name !== 'default');
    assert.deepEqual(names.sort(), Object.keys(sluice).sort());
    for (const [name, value] of Object.entries(sluice)) assert.equal(module[name], value, name);
  });
});
