'use strict';

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('../../support/storage');
const { mapWithLimit, retry } = require('../../..');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

describe('recipes: spans for a tracing system', () => {
  const { traceCalls } = recipe('spans');
  const requestSpan = new AsyncLocalStorage();
  let spans;
  let stopTracing;

  const server = tinyServer({
    '/flaky': (_, response, nth) => response.writeHead(nth % 2 === 1 ? 503 : 200).end(),
    '/silent': () => {},
    '/fine': (_, response) => response.end(),
  });
  async function get(path, _index, { signal }) {
    const response = await fetch(server.url(path), { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
  }
  beforeEach(() => {
    spans = [];
    stopTracing = traceCalls(
      (span) => spans.push(span),
      () => requestSpan.getStore(),
    );
  });
  afterEach(() => stopTracing());

  it('a span for each call, with its retries, its counts and the span that it began in', async () => {
    const before = Date.now();
    await requestSpan.run({ spanId: 'the request' }, async () => {
      await new Promise(setImmediate);
      await mapWithLimit(['/fine', '/flaky', '/fine'], 2, get, { retry: { retries: 2, delay: 1 }, label: 'pages' });
    });
    const [{ spanId, startTime, endTime, events, ...span }] = spans;
    assert.equal(spans.length, 1);
    assert.match(spanId, /^[0-9a-f]{16}$/);
    assert.ok(startTime >= before && endTime >= startTime && endTime <= Date.now() + 1);
    assert.deepEqual(span, {
      name: 'pages',
      parentSpanId: 'the request',
      status: { code: 'OK' },
      attributes: {
        'sluice.items': 3,
        'sluice.limit': 2,
        'sluice.started': 3,
        'sluice.done': 3,
        'sluice.failed': 0,
        'sluice.retried': 1,
        'sluice.timedOut': 0,
        'sluice.abandoned': 0,
      },
    });
    assert.deepEqual(
      events.map(({ name, attributes: { index, attempt } }) => [name, index, attempt]),
      [['retry', 1, 1]],
    );
    assert.match(events[0].attributes['exception.message'], /HTTP 503/);
  });

  it('a call that fails is a span that says so, a timeout an event of it', async () => {
    const silent = ({ signal }) => get('/silent', 0, { signal });
    await assert.rejects(retry(silent, { timeout: 20, retries: 1, delay: 1 }));
    const [{ name, parentSpanId, status, events, attributes }] = spans;
    assert.equal(name, 'silent');
    assert.equal(parentSpanId, undefined);
    assert.equal(status.code, 'ERROR');
    assert.match(status.message, /timed out after 20 ms/);
    assert.deepEqual(
      events.map((event) => event.name),
      ['timeout', 'retry', 'timeout'],
    );
    assert.equal(events[0].attributes.scope, 'attempt');
    assert.equal(attributes['sluice.timedOut'], 2);
  });

  it('after its end nothing is told', async () => {
    stopTracing();
    await mapWithLimit(['/fine'], 1, get);
    assert.deepEqual(spans, []);
  });
});
