'use strict';

// A server for one describe block: each path answers as its handler says, and counts its requests.

const { once } = require('node:events');
const http = require('node:http');

function tinyServer(handlers) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    asked.push(pathname);
    const handler = handlers[pathname] ?? ((_, answer) => answer.writeHead(404).end('no such thing'));
    handler(request, response, asked.filter((path) => path === pathname).length);
    server.emit('asked');
  });
  const asked = [];
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
    count: (path) => asked.filter((one) => one === path).length,
    /** Resolves when `path` has been asked for `times` times. */
    async askedFor(path, times = 1) {
      while (this.count(path) < times) await once(server, 'asked');
    },
  };
}

module.exports = { tinyServer };
