'use strict';

const assert = require('node:assert/strict');
const { TimeoutError } = require('../../..');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

describe('recipes: limits for each tenant', () => {
  const { createTenants } = recipe('tenants');
  const seen = new Map(); // tenant -> { running, most, times }
  const held = [];
  const server = tinyServer({
    '/work': (request, response) => {
      const { searchParams } = new URL(request.url, 'http://localhost');
      const tenant = searchParams.get('tenant');
      if (!seen.has(tenant)) seen.set(tenant, { running: 0, most: 0, times: [] });
      const here = seen.get(tenant);
      here.times.push(performance.now());
      here.most = Math.max(here.most, (here.running += 1));
      const answer = () => {
        here.running -= 1;
        response.end();
      };
      if (searchParams.has('hold')) held.push(answer);
      else setTimeout(answer, Math.random() * 4);
    },
  });
  const ask = async (tenant, query = '') => {
    const response = await fetch(server.url(`/work?tenant=${tenant}${query}`));
    await response.text();
    return response.status;
  };
  beforeEach(() => seen.clear());
  afterEach(() => {
    for (const answer of held.splice(0)) answer();
  });

  it('each tenant has its permits, used to the full and never exceeded, while tenants come and go', async () => {
    const tenants = createTenants({ permits: 2, maxWaiting: Infinity, max: 1e6, burst: 100, keep: 3 });
    const names = Array.from({ length: 8 }, (_, index) => `tenant${index}`);
    let left = 240;
    // Twenty clients, each with one request after the other for anybody: semaphores become unused all the time.
    const client = async () => {
      while ((left -= 1) >= 0) {
        const name = names[Math.trunc(Math.random() * names.length)];
        assert.equal(await tenants.run(name, () => ask(name)), 200);
      }
    };
    await Promise.all(Array.from({ length: 20 }, client));
    assert.equal(Math.max(...names.map((name) => seen.get(name).most)), 2);
    assert.equal(
      [...seen.values()].reduce((sum, { times }) => sum + times.length, 0),
      240,
    ); // none lost, none twice
  });

  it('keeps nobody who has gone, and everybody who is there', async () => {
    const tenants = createTenants({ permits: 1, max: 1e6, burst: 1, keep: 10 });
    const busy = tenants.run('busy', () => ask('busy', '&hold'));
    await server.askedFor('/work', server.count('/work') + 1);
    for (let i = 0; i < 200; i += 1) {
      await tenants.run(`passer-by ${i}`, () => i);
      await new Promise(setImmediate); // a limiter fills from turn to turn
      assert.ok(tenants.size() <= 11, `${tenants.size()} tenants`);
    }
    let began = false;
    const next = tenants.run('busy', () => (began = true)); // has it been swept, this one has a permit of its own
    await tenants.run('another', () => {});
    assert.equal(began, false);
    held.shift()();
    await Promise.all([busy, next]);
    assert.equal(began, true);
  });

  it('a limiter that has given its burst is not exchanged for a fresh one', async () => {
    const tenants = createTenants({ max: 10, burst: 2, keep: 1 });
    const start = performance.now();
    for (let i = 0; i < 5; i += 1) {
      await tenants.run('greedy', () => ask('greedy'));
      await tenants.run(`passer-by ${i}`, () => {}); // sweeps
    }
    // Two at once, and three more at ten a second.
    assert.ok(performance.now() - start >= 299, `${performance.now() - start} ms`);
  });

  it('who is too many hears it at once, and nobody else does', async () => {
    const tenants = createTenants({ permits: 1, maxWaiting: 2 });
    const before = server.count('/work');
    const calls = [1, 2, 3].map(() => tenants.run('crowd', () => ask('crowd', '&hold')));
    await assert.rejects(
      tenants.run('crowd', () => assert.fail('it has begun')),
      { name: 'SluiceError', code: 'ERR_SLUICE_FULL' },
    );
    assert.equal(await tenants.run('other', () => ask('other')), 200);
    for (let i = 1; i <= calls.length; i += 1) {
      await server.askedFor('/work', before + 1 + i);
      held.shift()();
    }
    assert.deepEqual(await Promise.all(calls), [200, 200, 200]);
    assert.equal(seen.get('crowd').most, 1);
  });

  it('who waits too long, or no longer wants to, leaves the line', async () => {
    const tenants = createTenants({ permits: 1, keep: 1 });
    const before = server.count('/work');
    const first = tenants.run('slow', () => ask('slow', '&hold'));
    const never = () => assert.fail('it has begun');
    await assert.rejects(tenants.run('slow', never, { timeout: 20 }), (error) => {
      return error instanceof TimeoutError && error.scope === 'wait';
    });
    const reason = new Error('the client has left');
    const controller = new AbortController();
    const left = tenants.run('slow', never, { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(left, reason);
    await server.askedFor('/work', before + 1);
    held.shift()();
    assert.equal(await first, 200);
    assert.equal(await tenants.run('slow', () => 'free again'), 'free again');
  });

  it('work that fails gives its permit back', async () => {
    const tenants = createTenants({ permits: 1 });
    await assert.rejects(
      tenants.run('clumsy', () => {
        throw new RangeError('no');
      }),
      RangeError,
    );
    assert.equal(await tenants.run('clumsy', () => 'done'), 'done');
  });
});
