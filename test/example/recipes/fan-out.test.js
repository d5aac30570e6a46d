'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { WebSocket, WebSocketServer } = require('ws');
const { recipe } = require('./recipe');

// A message that the system's own buffers take only so many of.
const BIG = 'x'.repeat(256 * 1024);

describe('recipes: fan out to WebSockets', () => {
  const { createHub } = recipe('fan-out');
  let server;
  let hub;
  let sockets; // the server's
  let clients;

  async function listen(options) {
    hub = createHub(options);
    server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 1_000 });
    server.on('connection', (socket) => {
      sockets.push(socket);
      hub.add(socket);
    });
    await once(server, 'listening');
  }
  /** A client with what it got, without the ballast. */
  async function connect() {
    const before = hub.size();
    const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
    clients.push(client);
    client.got = [];
    client.on('message', (data) => client.got.push(String(data).split('|')[0]));
    client.on('error', () => {});
    await once(client, 'open');
    while (hub.size() === before) await new Promise(setImmediate);
    return client;
  }
  const gets = async (client, count) => {
    while (client.got.length < count) await once(client, 'message');
  };
  beforeEach(() => {
    sockets = [];
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.terminate();
    const closed = once(server, 'close');
    server.close();
    await closed; // which it is only when all connections are
    while (hub.size() > 0) await new Promise(setImmediate);
  });

  it('each client that reads gets each message, in order', async () => {
    await listen({ maxSize: 1_000 });
    const all = [await connect(), await connect(), await connect()];
    const expected = Array.from({ length: 500 }, (_, index) => `${index}`);
    for (const message of expected) hub.publish(message, message);
    await Promise.all(all.map((client) => gets(client, 500)));
    for (const client of all) assert.deepEqual(client.got, expected);
  });

  it('one that stops reading costs no more than its queue, and holds up nobody; later it gets what is newest', async () => {
    const KEYS = 5;
    const ROUNDS = 60;
    await listen({ maxSize: KEYS });
    const [reads, stalls] = [await connect(), await connect()];
    stalls.pause();
    let most = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (let key = 0; key < KEYS; key += 1) hub.publish(key, `${key}:${round}|${BIG}`);
      await gets(reads, round * KEYS); // the one who reads misses nothing
      most = Math.max(most, sockets[1].bufferedAmount);
    }
    assert.equal(hub.size(), 2);
    assert.ok(most < 2 * BIG.length, `${most} bytes buffered`); // one message on its way

    stalls.resume();
    const last = Array.from({ length: KEYS }, (_, key) => `${key}:${ROUNDS}`);
    while (!last.every((message) => stalls.got.includes(message))) await once(stalls, 'message');
    assert.ok(stalls.got.length < reads.got.length, `${stalls.got.length} of ${reads.got.length}`);
    for (let key = 0; key < KEYS; key += 1) {
      const rounds = stalls.got.filter((message) => message.startsWith(`${key}:`)).map((each) => Number(each.slice(2)));
      assert.deepEqual(
        rounds,
        [...new Set(rounds)].toSorted((a, b) => a - b),
        `of key ${key}`,
      ); // nothing twice or late
    }
    hub.publish('once more', 'once more');
    await Promise.all([gets(reads, ROUNDS * KEYS + 1), once(stalls, 'message')]);
    assert.equal(stalls.got.at(-1), 'once more');
  });

  it('one for whom too many messages wait is dropped, and the others are not', async () => {
    await listen({ maxSize: 8 });
    const [reads, stalls, newcomer] = [await connect(), await connect(), await connect()];
    stalls.pause();
    const dropped = once(sockets[1], 'close');
    let count = 0;
    while (hub.size() === 3) {
      count += 1;
      hub.publish(count, `${count}|${BIG}`);
      await Promise.all([gets(reads, count), gets(newcomer, count)]);
      assert.ok(count < 200, 'it is never dropped');
    }
    await dropped;
    assert.ok(count > 8, `after ${count}`);
    hub.publish('end', 'end');
    await Promise.all([gets(reads, count + 1), gets(newcomer, count + 1)]);
    assert.deepEqual(
      reads.got,
      Array.from({ length: count + 1 }, (_, index) => (index < count ? `${index + 1}` : 'end')),
    );
  });

  it('a client that leaves, goes down or talks nonsense is forgotten', async () => {
    await listen();
    const [polite, rude, wrong] = [await connect(), await connect(), await connect()];
    polite.close();
    rude.terminate();
    wrong.send('x'.repeat(2_000)); // an error on the server's side
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    assert.equal(hub.size(), 0);
    hub.publish('news', 'for nobody');
  });
});
