'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { allSettled, mapWithLimit, retry, sleep, withTimeout } = require('../..');

const ROOT = path.join(__dirname, '../..');

// What each argument takes of these; everything else is an error. (undefined is absent, and not among them.)
const VALUES = [NaN, -1, 0, 1, 1.5, 2 ** 60, Infinity, null, '5', {}, true, () => {}];

const TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

const KINDS = {
  timeout: (value) => typeof value === 'number' && value >= 0,
  total: (value) => typeof value === 'number' && !Number.isNaN(value),
  count: (value) => (Number.isInteger(value) && value >= 0) || value === Infinity,
  limit: (value) => (Number.isInteger(value) && value >= 1) || value === Infinity,
  delay: (value) => typeof value === 'number' && value >= 0 && value < Infinity,
  factor: (value) => typeof value === 'number' && value >= 1 && value < Infinity,
  callback: (value) => typeof value === 'function',
  boolean: (value) => typeof value === 'boolean',
  never: () => false,
};

/** Every numeric, callback and boolean argument: its name in errors, what it takes, and a call with it. */
function calls(log) {
  const mapper = () => void log.push('mapper');
  const fn = () => void log.push('fn');
  const items = { [Symbol.iterator]: () => (log.push('iterator'), [1].values()) };
  const work = () => void log.push('work');
  const map = (options) => mapWithLimit(items, 1, mapper, options);
  const policy = { retries: 'count', delay: 'delay', factor: 'factor', maxDelay: 'timeout' };
  const list = [
    ['limit', 'limit', (value) => mapWithLimit(items, value, mapper)],
    ['mapper', 'callback', (value) => mapWithLimit(items, 1, value)],
    ['options.timeout', 'timeout', (timeout) => map({ timeout })],
    ['options.totalTimeout', 'total', (totalTimeout) => map({ totalTimeout })],
    ['options.yieldAfter', 'timeout', (yieldAfter) => map({ yieldAfter })],
    ['options.discard', 'boolean', (discard) => map({ discard })],
    ['options.unref', 'boolean', (unref) => map({ unref })],
    ['options.onProgress', 'callback', (onProgress) => map({ onProgress })],
    ['options.label', 'never', (label) => (label === '5' ? assert.fail() : map({ label })), ['5']],
    ['options.signal', 'never', (signal) => map({ signal })],
    ['options.retry.backoff', 'never', (backoff) => map({ retry: { backoff } })],
    ['options.retry.jitter', 'never', (jitter) => map({ retry: { jitter } })],
    ['fn', 'callback', (value) => retry(value)],
    ['maxRetries', 'count', (value) => retry(fn, value), [null, {}]],
    ['delayMs', 'delay', (value) => retry(fn, 1, value)],
    ['options.timeout', 'timeout', (timeout) => retry(fn, { timeout })],
    ['options.totalTimeout', 'total', (totalTimeout) => retry(fn, { totalTimeout })],
    ['options.backoff', 'never', (backoff) => retry(fn, { backoff })],
    ['ms', 'timeout', (value) => withTimeout(work, value), [null, {}]],
    ['options.timeout', 'timeout', (timeout) => withTimeout(work, { timeout })],
    ['options.unref', 'boolean', (unref) => withTimeout(work, { timeout: 1, unref })],
    ['ms', 'delay', (value) => sleep(value), [1, 1.5, 2 ** 60]],
    ['options.unref', 'boolean', (unref) => sleep(0, { unref })],
    ['options.totalTimeout', 'total', (totalTimeout) => allSettled([], { totalTimeout })],
    ['options.onProgress', 'callback', (onProgress) => allSettled([], { onProgress })],
  ];
  for (const [field, kind] of Object.entries(policy)) {
    list.push([`options.retry.${field}`, kind, (value) => map({ retry: { [field]: value } })]);
    list.push([`options.${field}`, kind, (value) => retry(fn, { [field]: value })]);
  }
  return list;
}

describe('arguments', () => {
  const log = [];
  for (const [name, kind, call, skipped = []] of calls(log)) {
    for (const value of VALUES) {
      if (skipped.includes(value) || skipped.some((one) => typeof one === 'object' && typeof value === 'object'))
        continue;
      if (KINDS[kind](value)) continue;
      const shown = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value));
      it(`${call.toString().slice(0, 60)}: ${name} = ${shown} is an error that names it, and nothing has run`, async () => {
        log.length = 0;
        const promise = call(value);
        assert.deepEqual(log, [], 'no callback has run and no iterator was taken');
        const error = await promise.then(assert.fail, (reason) => reason);
        const { name: type, code, message } = error;
        const isRange = code === 'ERR_OUT_OF_RANGE';
        assert.deepEqual({ name: type, code }, isRange ? RANGE : TYPE);
        assert.ok(message.includes(`"${name}"`), message);
        assert.match(message, /Received .+/);
        if (typeof value === 'number' || typeof value === 'string') assert.ok(message.includes(String(value)), message);
        assert.deepEqual(log, []);
      });
    }
  }

  const unknown = {
    mapWithLimit: (options) => mapWithLimit([1], 1, () => log.push('mapper'), options),
    'mapWithLimit, retry': (options) => mapWithLimit([1], 1, () => log.push('mapper'), { retry: options }),
    retry: (options) => retry(() => log.push('fn'), options),
    withTimeout: (options) => withTimeout(() => log.push('work'), { timeout: 1, ...options }),
    sleep: (options) => sleep(0, options),
    allSettled: (options) => allSettled([], options),
  };
  for (const [name, call] of Object.entries(unknown)) {
    for (const value of [5000, undefined]) {
      it(`${name}: an unknown option is an error that names it, also as ${value}`, async () => {
        log.length = 0;
        await assert.rejects(call({ timout: value }), (error) => {
          assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
          return error.message.includes('timout"') && error.message.includes('no such option');
        });
        assert.deepEqual(log, []);
      });
    }

    it(`${name}: an option that is undefined is absent`, async () => {
      await call({ [name.endsWith('retry') ? 'retries' : 'signal']: undefined });
    });

    for (const options of [null, 5, 'x', [], true].slice(0, name === 'mapWithLimit' || name === 'sleep' ? 5 : 0)) {
      it(`${name}: options = ${JSON.stringify(options)} is an error`, () => assert.rejects(call(options), TYPE));
    }
  }

  for (const items of [undefined, null, 5, {}, { length: 1 }]) {
    it(`mapWithLimit: items = ${JSON.stringify(items)} is an error`, () =>
      assert.rejects(mapWithLimit(items, 1, String), { ...TYPE, message: /"items"/ }));
    it(`allSettled: iterable = ${JSON.stringify(items)} is an error`, () =>
      assert.rejects(allSettled(items), { ...TYPE, message: /"iterable"/ }));
  }

  it('withTimeout: a third argument that holds a signal was meant as options, and is an error', () =>
    assert.rejects(withTimeout(Promise.resolve(), 5, { signal: AbortSignal.timeout(1000) }), {
      ...TYPE,
      message: /"fallback"/,
    }));

  const lost = {
    withTimeout: "withTimeout(Promise.reject(1), 'soon')",
    'withTimeout, options': 'withTimeout(Promise.reject(1), { timeot: 5 })',
    mapWithLimit: 'mapWithLimit([Promise.reject(1)], 0, String)',
    'mapWithLimit, aborted': 'mapWithLimit([Promise.reject(1)], 1, String, { signal: AbortSignal.abort() })',
    'mapWithLimit, out of time': 'mapWithLimit([Promise.reject(1)], 1, String, { totalTimeout: 0 })',
    allSettled: 'allSettled([Promise.reject(1)], { timeout: 1 })',
  };
  for (const [name, call] of Object.entries(lost)) {
    it(`${name}: a rejected promise that was handed in with bad arguments, or too late, is never unhandled`, () => {
      // In a process of its own, which an unhandled rejection ends with exit code 1.
      const script = `const { allSettled, mapWithLimit, withTimeout } = require('.');
        ${call}.then(() => process.exit(2), (error) => console.log(error.name));`;
      assert.match(execFileSync(process.execPath, ['-e', script], { cwd: ROOT, encoding: 'utf8' }), /Error/);
    });
  }
});
