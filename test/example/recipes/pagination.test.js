'use strict';

const assert = require('node:assert/strict');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

const PAGE_SIZE = 5;
const COUNT = 13;

describe('recipes: follow a cursor', () => {
  const { allOrders } = recipe('pagination');
  const json = (response, value) => response.end(JSON.stringify(value));
  const held = [];
  let holds = false;
  let broken;

  const ordersOf = (id) => (_, response) => {
    if (id === broken) response.writeHead(500).end();
    else if (holds) held.push(() => json(response, [`order of ${id}`]));
    else json(response, [`order of ${id}`]);
  };
  const server = tinyServer({
    '/customers': (request, response) => {
      const start = Number(new URL(request.url, 'http://localhost').searchParams.get('cursor'));
      const end = Math.min(start + PAGE_SIZE, COUNT);
      const customers = Array.from({ length: end - start }, (_, index) => ({ id: start + index }));
      json(response, { customers, next: end < COUNT ? end : null });
    },
    '/ping': (_, response) => response.end(),
    ...Object.fromEntries(Array.from({ length: COUNT }, (_, id) => [`/customers/${id}/orders`, ordersOf(id)])),
  });
  const asked = () => Array.from({ length: COUNT }, (_, id) => server.count(`/customers/${id}/orders`));
  const origin = () => server.url('');

  it('finds the orders of all customers, in the order of the listing', async () => {
    const orders = await allOrders(origin(), { limit: 3 });
    assert.deepEqual(
      orders,
      Array.from({ length: COUNT }, (_, id) => [`order of ${id}`]),
    );
    assert.equal(server.count('/customers'), Math.ceil(COUNT / PAGE_SIZE));
  });

  it('asks for a page only when a lane is free for its first entry', async () => {
    const [pages, before] = [server.count('/customers'), asked()];
    const running = () => asked().reduce((sum, count, id) => sum + count - before[id], 0);
    holds = true;
    const done = allOrders(origin(), { limit: PAGE_SIZE });
    for (let id = 0; id < PAGE_SIZE; id += 1) await server.askedFor(`/customers/${id}/orders`, before[id] + 1);
    await fetch(server.url('/ping')); // a listing that ran ahead would have asked by now
    assert.equal(running(), PAGE_SIZE);
    assert.equal(server.count('/customers'), pages + 1);

    held.shift()();
    await server.askedFor('/customers', pages + 2);
    holds = false;
    for (const answer of held.splice(0)) answer();
    assert.equal((await done).length, COUNT);
  });

  it('a request that fails for good ends the listing', async () => {
    const pages = server.count('/customers');
    broken = 0;
    await assert.rejects(allOrders(origin(), { limit: 1 }), /HTTP 500 from .*\/customers\/0\/orders/);
    broken = undefined;
    assert.equal(server.count('/customers'), pages + 1);
  });

  it('a signal ends both', async () => {
    const [pages, before] = [server.count('/customers'), server.count('/customers/0/orders')];
    const reason = new Error('enough');
    const controller = new AbortController();
    holds = true;
    const done = allOrders(origin(), { limit: 1, signal: controller.signal });
    await server.askedFor('/customers/0/orders', before + 1);
    controller.abort(reason);
    await assert.rejects(done, reason);
    holds = false;
    held.length = 0;
    assert.equal(server.count('/customers'), pages + 1);
  });
});
