'use strict';

// What each argument may be. Invalid ones reject, before any callback has run and any iterator was taken.

const assert = require('node:assert/strict');

const sluice = require('../..');
const { usage } = require('../../lib/engine');
const { rejection, turn } = require('../support/outcomes');

const { allSettled, mapWithLimit, retry, sleep, withTimeout } = sluice;

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
  word: kind({ "'5'": RANGE }),
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
    onProgress: note('onProgress'),
    fallback: note('fallback'),
  };
}

const optionsOf = (owner, table) => Object.entries(table).map(([key, kindName]) => [key, `${owner}.${key}`, kindName]);

const COMMON = { signal: 'signal', unref: 'boolean', label: 'string' };
const POLICY = {
  retries: 'count',
  delay: 'wait',
  backoff: 'word',
  factor: 'factor',
  maxDelay: 'duration',
  jitter: 'word',
};
const MAP = {
  timeout: 'duration',
  totalTimeout: 'total',
  retry: 'policy',
  onProgress: 'callback',
  discard: 'boolean',
  yieldAfter: 'duration',
  ...COMMON,
};
const RETRY = { ...POLICY, timeout: 'duration', totalTimeout: 'total', ...COMMON };

// function, argument as an error names it, kind, call with a value
const rows = [
  ['mapWithLimit', 'limit', 'limit', ({ items, mapper }, value) => mapWithLimit(items, value, mapper)],
  ['mapWithLimit', 'mapper', 'callback', ({ items }, value) => mapWithLimit(items, 1, value)],
  ...optionsOf('options', MAP).map(([key, name, kindName]) => [
    'mapWithLimit',
    name,
    kindName,
    ({ items, mapper }, value) => mapWithLimit(items, 1, mapper, { [key]: value }),
  ]),
  ...optionsOf('options', MAP).map(([key, name, kindName]) => [
    'mapWithLimit of an async iterable',
    name,
    kindName,
    ({ asyncItems, mapper }, value) => mapWithLimit(asyncItems, 1, mapper, { [key]: value }),
  ]),
  ...optionsOf('options.retry', POLICY).map(([key, name, kindName]) => [
    'mapWithLimit',
    name,
    kindName,
    ({ items, mapper }, value) => mapWithLimit(items, 1, mapper, { retry: { [key]: value } }),
  ]),
  ['withTimeout', 'ms', 'duration', ({ mapper }, value) => withTimeout(mapper, value)],
  ...optionsOf('options', { timeout: 'duration', ...COMMON }).map(([key, name, kindName]) => [
    'withTimeout',
    name,
    kindName,
    ({ mapper }, value) => withTimeout(mapper, { timeout: 5, [key]: value }),
  ]),
  ['retry', 'fn', 'callback', (_world, value) => retry(value)],
  ['retry', 'fn', 'callback', (_world, value) => retry(value, {})],
  ['retry', 'maxRetries', 'count', ({ mapper }, value) => retry(mapper, value)],
  ['retry', 'delayMs', 'wait', ({ mapper }, value) => retry(mapper, 1, value)],
  ...optionsOf('options', RETRY).map(([key, name, kindName]) => [
    'retry',
    name,
    kindName,
    ({ mapper }, value) => retry(mapper, { [key]: value }),
  ]),
  ...optionsOf('options', { totalTimeout: 'total', onProgress: 'callback', ...COMMON }).map(([key, name, kindName]) => [
    'allSettled',
    name,
    kindName,
    ({ items }, value) => allSettled(items, { [key]: value }),
  ]),
  ['sleep', 'ms', 'wait', (_world, value) => sleep(value, { signal: soon() })],
  ...optionsOf('options', { signal: 'signal', unref: 'boolean' }).map(([key, name, kindName]) => [
    'sleep',
    name,
    kindName,
    (_world, value) => sleep(0, { [key]: value }),
  ]),
];

/** A signal that ends what would take long. */
function soon() {
  const controller = new AbortController();
  setImmediate(() => controller.abort('soon'));
  return controller.signal;
}

// The second argument of these tells two forms apart, so an object there is another argument.
const otherForm = { ms: ['null', 'Object', 'Array'], maxRetries: ['null', 'Object', 'Array'] };

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
        const isRequired =
          ['limit', 'mapper', 'fn', 'ms'].includes(name) || `${owner} ${name}` === 'withTimeout options.timeout';
        if (said === 'undefined' ? isRequired : expected[said] !== FINE) continue;
        await call(world(), value).catch(({ code }) => assert.ok(code !== TYPE && code !== RANGE, `${said} is fine`));
      }
    });
  }

  it('what is required is missed: the error names it', async () => {
    const calls = {
      items: () => mapWithLimit(),
      limit: () => mapWithLimit([]),
      mapper: () => mapWithLimit([], 1),
      ms: () => withTimeout(() => assert.fail('called')),
      'options.timeout': () => withTimeout(() => assert.fail('called'), {}),
      fn: () => retry(),
      iterable: () => allSettled(),
    };
    for (const [name, call] of Object.entries(calls)) {
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
      for (const call of [mapWithLimit(items, 1, () => {}), allSettled(items)]) {
        const error = await rejection(call);
        assert.equal(error.code, TYPE);
        assert.match(error.message, /"items"|"iterable"/);
      }
    }
  });

  const functions = {
    mapWithLimit: ({ items, mapper }, options) => mapWithLimit(items, 1, mapper, options),
    'mapWithLimit, retry': ({ items, mapper }, policy) => mapWithLimit(items, 1, mapper, { retry: policy }),
    withTimeout: ({ mapper, fallback }, options) => withTimeout(mapper, { timeout: 5, fallback, ...options }),
    retry: ({ mapper }, options) => retry(mapper, options),
    allSettled: ({ items }, options) => allSettled(items, options),
    sleep: (_world, options) => sleep(1, options),
  };
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
        const known = name === 'mapWithLimit, retry' ? { retries: 1 } : { unref: true };
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
      const key = name === 'mapWithLimit, retry' ? 'retries' : 'signal';
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
      allSettled: ({ items }, options) => allSettled(items, options),
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

  it('the words of a policy', async () => {
    const fn = () => 'value';
    for (const backoff of ['constant', 'linear', 'exponential']) assert.equal(await retry(fn, { backoff }), 'value');
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
    for (const name of ['mapWithLimit', 'withTimeout', 'retry', 'allSettled', 'sleep']) {
      assert.ok((await rejection(sluice[name]())) instanceof TypeError);
      const args = name === 'sleep' ? [hostile, hostile] : [hostile, hostile, hostile, hostile];
      assert.ok((await rejection(sluice[name](...args))) instanceof Error);
    }
    const onlyOptions = [
      () => mapWithLimit([1], 1, () => assert.fail('called'), hostile),
      () => withTimeout(() => assert.fail('called'), hostile),
      () => retry(() => assert.fail('called'), hostile),
      () => allSettled([1], hostile),
      () => sleep(1, hostile),
    ];
    for (const call of onlyOptions) assert.equal((await rejection(call())).message, 'ownKeys');
  });

  it('require and import give the same functions, and no more', async () => {
    const module = await import('../../lib/index.mjs');
    const names = Object.keys(module).filter((name) => name !== 'default');
    assert.deepEqual(names.sort(), Object.keys(sluice).sort());
    for (const [name, value] of Object.entries(sluice)) assert.equal(module[name], value, name);
  });
});
