'use strict';

// A server for one describe block: each path answers as its handler says, and its requests are logged as they arrive.

const { once } = require('node:events');
const http = require('node:http');

function tinyServer(handlers) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    log.push({ path: pathname, at: performance.now() });
    const handler = handlers[pathname] ?? ((_, answer) => answer.writeHead(404).end('no such thing'));
    handler(request, response, of(pathname).length);
    server.emit('asked');
  });
  const log = [];
  const of = (pathname) => log.filter(({ path }) => path === pathname);
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: (path) => `http://127.0.0.1:${server.address().port}${path}`,
    count: (path) => of(path).length,
    /** When the requests for `path` arrived, on performance.now()'s clock. */
    times: (path) => of(path).map(({ at }) => at),
    /** Resolves when `path` has been asked for `times` times. */
    async askedFor(path, times = 1) {
      while (this.count(path) < times) await once(server, 'asked');
    },
  };
}

module.exports = { tinyServer };
