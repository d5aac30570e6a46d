'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

describe('recipes: partial results', () => {
  const { compare } = recipe('partial');
  const silent = [];
  const server = tinyServer({
    '/quick/offers': (_, response) => response.end('[{"price":3},{"price":2}]'),
    '/other/offers': (_, response) => response.end('[{"price":5}]'),
    '/broken/offers': (_, response) => response.writeHead(500).end(),
    '/silent/offers': (_, response) => silent.push(once(response, 'close')),
  });
  const shops = (...names) => names.map((name) => server.url(`/${name}`));

  it('has every offer where every shop answers, and does not wait', async () => {
    const { offers, late } = await compare(shops('quick', 'other', 'broken'), { within: 1e9 });
    assert.deepEqual(offers, [{ price: 3 }, { price: 2 }, { price: 5 }]);
    assert.deepEqual(late, []);
  });

  it('answers in time with what there is, and hangs up on the late ones', async () => {
    const { offers, late } = await compare(shops('silent', 'quick', 'other'));
    assert.deepEqual(offers, [{ price: 3 }, { price: 2 }, { price: 5 }]);
    assert.deepEqual(late, shops('silent'));
    await Promise.all(silent.splice(0)); // the test ends only if the connection does
  });

  it('a shop whose turn never came is late too', async () => {
    const { offers, late } = await compare(shops('quick', 'silent', 'other'), { limit: 1 });
    assert.deepEqual(offers, [{ price: 3 }, { price: 2 }]);
    assert.deepEqual(late, shops('silent', 'other'));
    assert.equal(server.count('/other/offers'), 2); // by the tests above
    await Promise.all(silent.splice(0));
  });
});
