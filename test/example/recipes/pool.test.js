'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const Database = require('better-sqlite3');
const { recipe } = require('./recipe');

describe('recipes: a pool of connections', () => {
  const { createPool, createServer } = recipe('pool');
  let folder;
  let opened;
  let server;
  let pool;

  const openDatabase = () => {
    const db = new Database(join(folder, 'accounts.db'));
    db.pragma('synchronous = OFF'); // nobody pulls the plug here
    opened.push(db);
    return db;
  };
  const stillOpen = () => opened.filter((db) => db.open).length;

  /** Serves `answer` with a pool of these options; resolves with its URL. */
  async function serve(answer, options, open = openDatabase) {
    pool = createPool(open, options);
    server = createServer(pool, answer);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${server.address().port}/`;
  }
  const get = async (url) => {
    const response = await fetch(url);
    return [response.status, response.headers.get('retry-after'), await response.text()];
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'recipe-pool-'));
    opened = [];
    const db = openDatabase();
    db.exec('CREATE TABLE accounts (id INTEGER PRIMARY KEY, money INTEGER); INSERT INTO accounts VALUES (1, 0)');
    db.pragma('journal_mode = WAL');
    db.close();
    opened = [];
  });
  afterEach(() => {
    pool.close();
    assert.equal(stillOpen(), 0);
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  it('never more connections than its size, each for one request at a time, and used again', async () => {
    const inUse = new Set();
    let most = 0;
    const url = await serve(
      async (db) => {
        assert.equal(inUse.has(db), false);
        inUse.add(db);
        most = Math.max(most, inUse.size);
        db.exec('BEGIN');
        const before = db.prepare('SELECT money FROM accounts').get();
        do
          await new Promise(setImmediate); // others would come between
        while (most < 3);
        db.exec('COMMIT');
        inUse.delete(db);
        return before;
      },
      { size: 3 },
    );
    const answers = await Promise.all(Array.from({ length: 40 }, () => get(url)));
    assert.deepEqual(
      answers,
      answers.map(() => [200, null, '{"money":0}']),
    );
    assert.equal(most, 3);
    assert.equal(opened.length, 3);
    assert.equal(stillOpen(), 3);
  });

  it('who is one too many gets a 503 at once, the others their answer', async () => {
    const held = [];
    const url = await serve(() => new Promise((resolve) => held.push(() => resolve('late'))), {
      size: 2,
      maxWaiting: 3,
      wait: 60_000,
    });
    const settled = [];
    const requests = Array.from({ length: 9 }, () => get(url).then((answer) => settled.push(answer)));
    while (settled.length < 4) await new Promise(setImmediate);
    assert.deepEqual(settled, new Array(4).fill([503, '1', '']));
    while (settled.length < 9) {
      held.shift()?.();
      await new Promise(setImmediate);
    }
    await Promise.all(requests);
    assert.deepEqual(settled.slice(4), new Array(5).fill([200, null, '"late"']));
  });

  it('who has waited too long gets a 503 too', async () => {
    const held = [];
    const url = await serve(() => new Promise((resolve) => held.push(resolve)), { size: 1, wait: 50 });
    const first = get(url);
    while (held.length === 0) await new Promise(setImmediate);
    assert.deepEqual(await get(url), [503, '1', '']);
    held[0]('late');
    assert.deepEqual(await first, [200, null, '"late"']);
    assert.equal(opened.length, 1);
  });

  it('an error in the middle of a transaction is a 500, and leaves nothing behind', async () => {
    const url = await serve(
      async (db, request) => {
        if (request.url === '/look') return db.prepare('SELECT money FROM accounts').get();
        db.exec('BEGIN IMMEDIATE');
        db.exec('UPDATE accounts SET money = 1000000');
        await new Promise(setImmediate);
        throw new Error('where was I?');
      },
      { size: 1 },
    );
    assert.deepEqual(await get(url), [500, null, '']);
    assert.deepEqual(await get(`${url}look`), [200, null, '{"money":0}']); // a connection that works
    assert.equal(opened.length, 2);
    assert.equal(stillOpen(), 1);
  });

  it('work that does not end loses its connection, and the next one gets another', async () => {
    let aborted;
    const url = await serve(
      (db, request, { signal }) => {
        if (request.url === '/look') return db.prepare('SELECT money FROM accounts').get();
        db.exec('BEGIN IMMEDIATE');
        aborted = once(signal, 'abort');
        return new Promise(() => {});
      },
      { size: 1, timeout: 50 },
    );
    assert.deepEqual(await get(url), [500, null, '']);
    await aborted;
    assert.deepEqual(await get(`${url}look`), [200, null, '{"money":0}']);
    assert.equal(stillOpen(), 1);
  });

  it('a connection that cannot be opened gives its permit back', async () => {
    let isDown = true;
    const url = await serve(
      (db) => db.prepare('SELECT money FROM accounts').get(),
      { size: 1, wait: 60_000 },
      async () => {
        if (isDown) throw new Error('the database is down');
        return openDatabase();
      },
    );
    assert.deepEqual(await get(url), [500, null, '']);
    isDown = false;
    assert.deepEqual(await get(url), [200, null, '{"money":0}']);
  });

  it('after the end who waits is sent away, and what is in use is closed when it comes back', async () => {
    const held = [];
    const url = await serve(() => new Promise((resolve) => held.push(resolve)), { size: 1, wait: 60_000 });
    const requests = [get(url)];
    while (held.length === 0) await new Promise(setImmediate);
    requests.push(get(url));
    await new Promise((resolve) => server.once('request', resolve)); // it waits for the connection
    pool.close();
    assert.deepEqual(await requests[1], [503, '1', '']);
    assert.equal(stillOpen(), 1);
    held[0]('last');
    assert.deepEqual(await requests[0], [200, null, '"last"']);
    assert.equal(stillOpen(), 0);
    assert.deepEqual(await get(url), [503, '1', '']);
  });
});
