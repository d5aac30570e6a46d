'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { createProject } = require('../../support/project');
const { tinyServer } = require('../tiny-server');
const { recipe, source } = require('./recipe');

const MAX = 50; // a second, as the recipe has it
const JITTER = 150; // milliseconds that a request may be on its way longer than another one, on a busy machine

describe('recipes: one rate limit for a pool of threads', function () {
  this.timeout(60_000);
  const { createPool } = recipe('thread-pool');
  let project;
  let pool;
  let threads; // those that this test's pool has started
  let arrivals; // [batch, performance.now()]
  let refuses; // the first request of the test, which is told to wait for a second

  const server = tinyServer({
    '/place': (request, response) => {
      const { searchParams } = new URL(request.url, 'http://localhost');
      const now = performance.now();
      arrivals.push([searchParams.get('batch'), now]);
      if (arrivals.length === 1 && refuses) response.writeHead(429, { 'retry-after': '1' }).end();
      else response.end(searchParams.get('id'));
    },
  });
  const batch = (name, size) => Array.from({ length: size }, (_, id) => server.url(`/place?batch=${name}&id=${id}`));
  const found = (size) => Array.from({ length: size }, (_, value) => ({ status: 'fulfilled', value }));
  const note = (worker) => threads.push(worker);

  before(() => (project = createProject({ 'worker.js': source('thread-worker') })));
  after(() => project.remove());
  beforeEach(() => {
    arrivals = [];
    refuses = false;
    threads = [];
    process.on('worker', note);
    pool = createPool(project.path('worker.js'), 3);
  });
  afterEach(async () => {
    process.off('worker', note);
    await pool.close();
  });

  it('all threads together keep to the rate, and none waits for another one to end', async () => {
    const batches = ['a', 'b', 'c'].map((name) => pool.run(batch(name, 24)));
    assert.deepEqual(await Promise.all(batches), [found(24), found(24), found(24)]);
    assert.equal(threads.length, 3);
    assert.equal(arrivals.length, 72);
    for (let from = 0; from < arrivals.length; from += 1) {
      for (let to = from; to < arrivals.length; to += 1) {
        const allowed = 1 + (MAX * (arrivals[to][1] - arrivals[from][1] + JITTER)) / 1_000;
        assert.ok(to - from + 1 <= allowed, `${to - from + 1} of ${allowed} allowed`);
      }
    }
  });

  it('a Retry-After that one thread is given stops all of them', async () => {
    refuses = true;
    const batches = ['a', 'b', 'c'].map((name) => pool.run(batch(name, 20))); // alone each would need 0.4 s
    assert.deepEqual(await Promise.all(batches), [found(20), found(20), found(20)]);
    const [[, first]] = arrivals;
    // If they were not stopped, 49 would have come by then; the others hear of it when the answer has been read.
    const meanwhile = arrivals.filter(([, at]) => at < first + 990).length;
    assert.ok(meanwhile <= 30, `${meanwhile} of ${arrivals.length} came before the second was over`);
  });

  it('a thread that is terminated takes no place in the line with it, and is replaced', async () => {
    const lost = pool.run(batch('lost', 1_000)); // for twenty seconds
    await server.askedFor('/place', server.count('/place') + 1);
    const kept = pool.run(batch('kept', 3));
    const [worker] = threads;
    const exited = once(worker, 'exit');
    worker.terminate();
    await exited;
    await assert.rejects(lost, /The thread has ended, with code 1/);
    assert.deepEqual(await kept, found(3));
    const again = ['a', 'b', 'c'].map((name) => pool.run(batch(name, 1)));
    assert.deepEqual(await Promise.all(again), [found(1), found(1), found(1)]);
    assert.equal(threads.length, 4);
  });
});
