'use strict';

const assert = require('node:assert/strict');
const { rmSync, mkdtempSync } = require('node:fs');
const { isBuiltin } = require('node:module');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { recipe } = require('./recipe');

const DRIVERS = { 'better-sqlite3': () => require('better-sqlite3') };
if (isBuiltin('node:sqlite')) DRIVERS['node:sqlite'] = () => require('node:sqlite').DatabaseSync;

for (const [driver, load] of Object.entries(DRIVERS)) {
  describe(`recipes: drain a database table, with ${driver}`, () => {
    const { drainTable } = recipe('table');
    let folder;
    let file;
    let connections;

    const open = () => {
      const Database = load();
      const db = new Database(file);
      connections.push(db);
      db.exec('PRAGMA synchronous = OFF'); // nobody pulls the plug here
      return db;
    };
    const states = (db) => db.prepare('SELECT state, count(*) AS count FROM jobs GROUP BY state ORDER BY state').all();
    const counts = (db) => Object.fromEntries(states(db).map(({ state, count }) => [state, count]));

    beforeEach(() => {
      connections = [];
      folder = mkdtempSync(join(tmpdir(), 'recipe-table-'));
      file = join(folder, 'jobs.db');
    });
    afterEach(() => {
      for (const db of connections) db.close();
      rmSync(folder, { recursive: true, force: true });
    });

    function tableOf(count) {
      const db = open();
      db.exec(`
        CREATE TABLE jobs (
          id INTEGER PRIMARY KEY, payload TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'ready',
          attempts INTEGER NOT NULL DEFAULT 0, error TEXT)`);
      const insert = db.prepare('INSERT INTO jobs (payload) VALUES (?)');
      for (let i = 1; i <= count; i += 1) insert.run(`payload ${i}`);
      return db;
    }

    it('does every job once, never more than the limit at a time', async () => {
      const db = tableOf(50);
      const done = [];
      let running = 0;
      let most = 0;
      const taken = await drainTable(
        db,
        async ({ id, payload }) => {
          most = Math.max(most, (running += 1));
          // As many are claimed as are being worked on: the table holds the rest.
          assert.ok(counts(db).taken <= 4);
          await new Promise(setImmediate);
          done.push([id, payload]);
          running -= 1;
        },
        { limit: 4 },
      );
      assert.equal(taken, 50);
      assert.equal(most, 4);
      assert.deepEqual(
        done.toSorted(([a], [b]) => a - b),
        Array.from({ length: 50 }, (_, index) => [index + 1, `payload ${index + 1}`]),
      );
      assert.deepEqual(counts(db), { done: 50 });
    });

    it('writes down attempts and the last error, and goes on', async () => {
      const db = tableOf(3);
      await drainTable(db, ({ id }, { attempt }) => {
        if (id === 2 || (id === 3 && attempt === 1)) throw new Error(`attempt ${attempt} failed`);
      });
      const rows = db.prepare('SELECT state, attempts, error FROM jobs ORDER BY id').all();
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [
          { state: 'done', attempts: 1, error: null },
          { state: 'failed', attempts: 3, error: 'Error: attempt 3 failed' },
          { state: 'done', attempts: 2, error: null },
        ],
      );
    });

    it('an abort puts back what was taken, before the call rejects', async () => {
      const db = tableOf(10);
      const controller = new AbortController();
      const reason = new Error('the process is asked to end');
      let started = 0;
      const draining = drainTable(
        db,
        ({ id }, { signal }) => {
          if (id === 1) return;
          if ((started += 1) === 4) setImmediate(() => controller.abort(reason));
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
        { limit: 4, signal: controller.signal },
      );
      const [error, left] = await draining.catch((error) => [error, counts(db)]); // at once, not a tick later
      assert.equal(error, reason);
      assert.deepEqual(left, { done: 1, ready: 9 });
    });

    it('two connections share the jobs between them', async () => {
      const dbs = [tableOf(40), open()];
      const owners = new Map();
      const work =
        (owner) =>
        async ({ id }) => {
          assert.equal(owners.has(id), false);
          owners.set(id, owner);
          await new Promise(setImmediate);
        };
      const taken = await Promise.all(dbs.map((db, owner) => drainTable(db, work(owner), { limit: 2 })));
      assert.equal(taken[0] + taken[1], 40);
      assert.ok(taken[0] > 0 && taken[1] > 0, `${taken}`);
      assert.deepEqual(counts(dbs[0]), { done: 40 });
    });
  });
}
