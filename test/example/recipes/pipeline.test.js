'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

const PAGE_SIZE = 5;
const PAGES = 8;
const COUNT = PAGE_SIZE * PAGES;

describe('recipes: workers on a listing', () => {
  const { synchronise } = recipe('pipeline');
  const isDead = (id) => id % 10 === 3; // 3, 13, 23, 33
  const isShaky = (id) => id % 10 === 7; // fails once
  let world;

  /** What a test may set, and what it counts. */
  const freshWorld = () => ({
    page: (_, json) => json(),
    sync: (id, nth, response) => {
      if (isDead(id)) response.writeHead(422).end();
      else if (isShaky(id) && nth === 1) response.writeHead(500).end();
      else setImmediate(() => response.end('"ok"'));
    },
    pages: [],
    asked: new Map(), // id -> how often
    running: [], // responses
    most: 0,
  });
  const handlers = {
    '/entries': (request, response) => {
      const page = Number(new URL(request.url, 'http://localhost').searchParams.get('page'));
      world.pages.push(page);
      const entries = Array.from({ length: PAGE_SIZE }, (_, index) => ({ id: (page - 1) * PAGE_SIZE + index }));
      const json = () => response.end(JSON.stringify({ entries, next: page < PAGES ? page + 1 : null }));
      world.page(page, json, response);
    },
    '/ping': (_, response) => response.end(),
  };
  for (let id = 0; id < COUNT; id += 1) {
    handlers[`/sync/${id}`] = (_, response) => {
      const here = world;
      here.asked.set(id, (here.asked.get(id) ?? 0) + 1);
      here.running = here.running
        .filter(({ writableEnded, destroyed }) => !writableEnded && !destroyed)
        .concat(response);
      here.most = Math.max(here.most, here.running.length);
      here.sync(id, here.asked.get(id), response);
    };
  }
  const server = tinyServer(handlers);
  const origin = () => server.url('');
  beforeEach(() => (world = freshWorld()));

  it('every entry is done or dead, and tried as often as it deserves', async () => {
    world.page = (page, json, response) => {
      // The third page comes at the second try only.
      if (page === 3 && world.pages.filter((asked) => asked === 3).length === 1) response.writeHead(503).end();
      else json();
    };
    const { done, dead, isComplete } = await synchronise(origin(), { workers: 4 });
    assert.equal(done, COUNT - 4);
    assert.deepEqual(
      dead.toSorted((a, b) => a.entry.id - b.entry.id),
      [3, 13, 23, 33].map((id) => ({
        entry: { id },
        error: `PermanentError: HTTP 422 from ${origin()}/sync/${id}`,
      })),
    );
    assert.equal(isComplete, true);
    assert.deepEqual(world.pages, [1, 2, 3, 3, 4, 5, 6, 7, 8]);
    assert.ok(world.most <= 4, `${world.most} at once`);
    for (let id = 0; id < COUNT; id += 1) assert.equal(world.asked.get(id), isShaky(id) ? 2 : 1, `entry ${id}`);
  });

  it('the listing runs ahead of the workers by so much, and no further', async () => {
    const held = [];
    world.sync = (_id, _nth, response) => held.push(response);
    const done = synchronise(origin(), { workers: 4 });
    await server.askedFor('/sync/3', 2); // by the test above it has been asked for once
    for (let i = 0; i < 20; i += 1) await fetch(server.url('/ping')); // further pages would have been asked for by now
    // 4 in hand and 4 ahead: with one to come the generator stands in the second page.
    assert.deepEqual(world.pages, [1, 2]);
    assert.equal(world.running.length, 4);
    world.sync = (_id, _nth, response) => response.end('"ok"');
    for (const response of held.splice(0)) response.end('"ok"');
    assert.equal((await done).done, COUNT);
  });

  it('too many dead ones end it: what runs ends, nothing else begins', async () => {
    world.sync = (_id, _nth, response) => response.writeHead(422).end();
    const { done, dead, isComplete } = await synchronise(origin(), { workers: 2, maxDead: 5 });
    assert.equal(done, 0);
    assert.equal(isComplete, false);
    assert.ok(dead.length >= 5 && dead.length <= 6, `${dead.length}`);
    assert.equal(world.asked.size, dead.length);
    assert.ok(world.pages.length <= 3, `${world.pages.length} pages`);
  });

  it('a listing that cannot be read rejects the call, and hangs up on what runs', async () => {
    const closed = [];
    world.sync = (id, _nth, response) => (id < 2 ? response.end('"ok"') : closed.push(once(response, 'close')));
    world.page = (page, json, response) => (page === 1 ? json() : response.writeHead(500).end());
    await assert.rejects(synchronise(origin(), { workers: 4 }), /HTTP 500 from .*entries\?page=2/);
    assert.deepEqual(world.pages, [1, 2, 2, 2, 2]);
    assert.equal(closed.length, PAGE_SIZE - 2); // what was read before it was begun before it
    await Promise.all(closed); // the test ends only if the connections do: the timeout is far away
  });

  it('a signal ends listing and workers', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const closed = [];
    world.sync = (_id, _nth, response) => {
      closed.push(once(response, 'close'));
      if (closed.length === 2) controller.abort(reason);
    };
    await assert.rejects(synchronise(origin(), { workers: 2, signal: controller.signal }), reason);
    await Promise.all(closed);
    assert.equal(world.asked.size, 2);
    // While the listing is asked for its first page there is nobody else to hear of it.
    const early = new AbortController();
    world.page = () => early.abort(reason);
    await assert.rejects(synchronise(origin(), { signal: early.signal }), reason);
  });
});
