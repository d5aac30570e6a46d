'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

describe('recipes: stop working when the client has left', () => {
  const { createServer } = recipe('client-leaves');
  const closed = [];
  const backends = tinyServer({
    '/one': (_, response) => response.end('1'),
    '/two': (_, response) => response.end('2'),
    '/silent': (_, response) => closed.push(once(response, 'close')),
    '/broken': (_, response) => response.writeHead(500).end(),
  });
  const servers = [];

  /** The recipe's server in front of these backends; resolves with its URL. */
  async function serve(paths, options) {
    const server = createServer(paths.map(backends.url), options);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${server.address().port}/`;
  }
  after(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  it('answers the client who stays', async () => {
    const response = await fetch(await serve(['/one', '/two']));
    assert.deepEqual([response.status, await response.json()], [200, [1, 2]]);
  });

  it('hangs up on its backends when the client leaves, and starts no further one', async () => {
    const client = new AbortController();
    const url = await serve(['/silent?1', '/silent?2', '/silent?3', '/silent?4', '/one?late'], { timeout: 60_000 });
    const before = backends.count('/one');
    const answer = fetch(url, { signal: client.signal });
    await backends.askedFor('/silent', 4);
    client.abort();
    await assert.rejects(answer, { name: 'AbortError' });
    await Promise.all(closed); // the test ends only if the connections do: no timeout closes them so soon
    assert.equal(backends.count('/one'), before);
    assert.equal(backends.count('/silent'), 4); // none was tried again
  });

  it('tells the client of a broken backend, after a second try', async () => {
    assert.equal((await fetch(await serve(['/one', '/broken']))).status, 502);
    assert.equal(backends.count('/broken'), 2);
  });

  it('tells the client of a backend that does not answer', async () => {
    assert.equal((await fetch(await serve(['/one', '/silent'], { timeout: 200 }))).status, 504);
  });
});
