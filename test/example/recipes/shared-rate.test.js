'use strict';

const assert = require('node:assert/strict');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

const JITTER = 150; // milliseconds that a request may be on its way longer than another one, on a busy machine

describe('recipes: one rate limit for several calls', () => {
  const { createClient } = recipe('shared-rate');
  const arrivals = []; // [path, performance.now()]
  let refuseUntil = 0;

  function answer(request, response) {
    const now = performance.now();
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    arrivals.push([pathname, now]);
    const isFirst = arrivals.length === 1;
    if (isFirst && refuseUntil !== 0) refuseUntil = now + 1_000;
    if (now < refuseUntil) response.writeHead(429, { 'retry-after': '1' }).end();
    else response.end(searchParams.get('id'));
  }
  const server = tinyServer({ '/users': answer, '/orders': answer, '/broken/users': (_, r) => r.writeHead(400).end() });
  const ids = Array.from({ length: 12 }, (_, index) => index);

  beforeEach(() => {
    arrivals.length = 0;
    refuseUntil = 0;
  });

  it('two calls together keep to the rate, and neither waits for the other to end', async () => {
    const max = 50;
    const client = createClient(server.url(''), { max });
    assert.deepEqual(await Promise.all([client.users(ids), client.orders(ids)]), [ids, ids]);
    assert.equal(arrivals.length, 24);
    for (let from = 0; from < arrivals.length; from += 1) {
      for (let to = from; to < arrivals.length; to += 1) {
        const allowed = 1 + (max * (arrivals[to][1] - arrivals[from][1] + JITTER)) / 1_000;
        assert.ok(to - from + 1 <= allowed, `${to - from + 1} of ${allowed} allowed`);
      }
    }
    for (const path of ['/users', '/orders']) {
      const early = arrivals.slice(0, 12).filter(([name]) => name === path).length;
      assert.ok(early >= 3, `${early} of the first 12 are for ${path}`);
    }
  });

  it('a Retry-After that one call is given stops both', async () => {
    refuseUntil = Infinity; // from the first request on, for one second
    const client = createClient(server.url(''), { max: 100 });
    const few = ids.slice(0, 6);
    assert.deepEqual(await Promise.all([client.users(few), client.orders(few)]), [few, few]);
    const [[, first]] = arrivals;
    const meanwhile = arrivals.filter(([, at]) => at > first + 500 && at < first + 990);
    assert.deepEqual(meanwhile, []);
    // Those on their way when the answer came are the only ones that were refused.
    const refused = arrivals.filter(([, at]) => at <= first + 500).length;
    assert.equal(arrivals.length, 12 + refused);
  });

  it('what is our mistake is not tried again', async () => {
    const client = createClient(server.url('/broken'));
    await assert.rejects(client.users([1]), /HTTP 400 from .*\/broken\/users\?id=1/);
    assert.equal(server.count('/broken/users'), 1);
  });
});
