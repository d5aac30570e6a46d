'use strict';

// The server of the HTTP rows, in a process of its own: GET /7 answers {"id":7,...}. Tells its parent the port, and goes
// when its parent does.

const http = require('node:http');

const server = http.createServer((request, response) => {
  const body = JSON.stringify({ id: Number(request.url.slice(1)), name: 'an item', tags: ['small', 'json'] });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
});
server.keepAliveTimeout = 0; // connections stay: what is measured is requests
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
