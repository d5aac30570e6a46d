'use strict';

// A server for one describe block: each path answers as its handler says, and its requests are logged as they arrive.

const { once } = require('node:events');
const http = require('node:http');

function tinyServer(handlers) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (!log.has(pathname)) log.set(pathname, []);
    const nth = log.get(pathname).push(performance.now());
    const handler = handlers[pathname] ?? ((_, answer) => answer.writeHead(404).end('no such thing'));
    handler(request, response, nth);
    server.emit('asked');
  });
  const log = new Map(); // path -> when its requests arrived
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
    count: (path) => log.get(path)?.length ?? 0,
    /** When the requests for `path` arrived, on performance.now()'s clock. */
    times: (path) => [...(log.get(path) ?? [])],
    /** Resolves when `path` has been asked for `times` times. */
    async askedFor(path, times = 1) {
      while (this.count(path) < times) await once(server, 'asked');
    },
  };
}

module.exports = { tinyServer };
