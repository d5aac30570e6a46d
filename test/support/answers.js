'use strict';

// An HTTP server in a process of its own, so that it answers while its client's loop is blocked.
//
//   /bytes/N?after=MS   N bytes, MS milliseconds after it was asked
//   /stall              nothing, ever
//
// It tells its parent the port, and then of each request as it comes.

const http = require('node:http');

const bodies = new Map();
function body(size) {
  if (!bodies.has(size)) bodies.set(size, Buffer.alloc(size, 'sluice'));
  return bodies.get(size);
}

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  process.send('asked');
  if (pathname === '/stall') return;
  setTimeout(() => response.end(body(Number(pathname.split('/')[2]))), Number(searchParams.get('after')));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
