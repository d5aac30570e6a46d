'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { text } = require('node:stream/consumers');
const { sleep } = require('../../..');
const { recipe } = require('./recipe');

const MARGIN = 2_000; // milliseconds that a busy machine may be late

describe('recipes: shut a server down', () => {
  const { createService } = recipe('shutdown');
  let service;
  let port;
  let agent;
  let keeps; // what each answer said of its connection
  let asked; // how many requests have arrived

  async function start(options) {
    service = createService(options);
    service.server.listen(0, '127.0.0.1');
    await once(service.server, 'listening');
    ({ port } = service.server.address());
    agent = new http.Agent({ keepAlive: true });
    keeps = [];
    asked = 0;
    service.server.on('request', () => (asked += 1));
  }
  /** Resolves with the status and the body, or with the error's code. */
  async function get(path) {
    try {
      const request = http.get({ port, path, agent });
      const [response] = await once(request, 'response');
      keeps.push(response.headers.connection);
      return [response.statusCode, await text(response)];
    } catch (error) {
      return error.code;
    }
  }
  afterEach(() => {
    agent.destroy();
    service.server.close();
    service.server.closeAllConnections();
  });

  /** An answer that waits until it is released or aborted; and how many wait. */
  function gate() {
    const held = [];
    const wait = ({ signal }) =>
      new Promise((resolve, reject) => {
        held.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const holds = async (count) => {
      while (held.length < count) await new Promise(setImmediate);
    };
    return { held, wait, holds };
  }
  const noJobs = () => assert.fail('there are none');

  it('finishes what runs, and what was promised', async () => {
    const { held, wait, holds } = gate();
    const done = [];
    const body = 'thank you'.repeat(1e6); // more than the system takes in one go
    let keptLater;
    await start({
      async answer({ url }, { signal, later }) {
        keptLater = later;
        await wait({ signal });
        for (const job of ['mail', 'bill']) await later(`${job} for ${url}`);
        return body;
      },
      async work(job) {
        await Promise.all(answers);
        await sleep(20); // nobody else has anything to wait for
        done.push(job);
      },
      workers: 1,
    });
    const answers = ['/a', '/b', '/c'].map(get);
    await holds(3);
    const ended = service.shutdown({ within: 60_000 });
    assert.equal(await get('/late'), 'ECONNREFUSED');
    for (const release of held) release();
    assert.deepEqual(await Promise.all(answers), new Array(3).fill([200, body]));
    assert.deepEqual(keeps, ['close', 'close', 'close']);
    assert.deepEqual(await ended, []);
    assert.deepEqual(done.toSorted(), ['a', 'b', 'c'].flatMap((x) => [`bill for /${x}`, `mail for /${x}`]).toSorted());
    await assert.rejects(keptLater('too late'), { code: 'ERR_SLUICE_CLOSED' }); // and not silently nothing
  });

  it('says 503 to who has a connection and comes too late', async () => {
    const { held, wait, holds } = gate();
    await start({
      async answer(_, { signal }) {
        await wait({ signal });
        return 'in time';
      },
      work: noJobs,
    });
    const connected = once(service.server, 'connection');
    const socket = net.connect(port);
    await connected;
    const early = get('/');
    await holds(1);
    const ended = service.shutdown({ within: 60_000 });
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1.1 503 [^]*connection: close/i); // and it is closed
    held[0]();
    assert.deepEqual(await early, [200, 'in time']);
    assert.deepEqual(await ended, []);
  });

  it('does not cut off an answer that is on its way', async () => {
    const body = 'x'.repeat(2e7); // more than the system takes in one go
    await start({ answer: () => body, work: noJobs });
    const slow = net.connect(port);
    slow.pause();
    slow.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [, response] = await once(service.server, 'request');
    while (!response.writableEnded) await new Promise(setImmediate);
    const ended = service.shutdown({ within: 60_000 });
    const received = await text(slow);
    assert.ok(received.length > body.length && received.endsWith('\r\n0\r\n\r\n'), `${received.length} characters`);
    assert.deepEqual(await ended, []);
  });

  it('aborts what does not end in time, and accounts for every job', async () => {
    const { held, wait, holds } = gate();
    const { wait: waitForWork, holds: worksOn } = gate();
    const JOBS = 7;
    const began = [];
    await start({
      async answer({ url }, { signal, later }) {
        if (url === '/hang') return wait({ signal });
        for (let job = 0; job < JOBS; job += 1) await later(job);
        return 'accepted';
      },
      async work(job, { signal, attempt }) {
        began.push(job);
        if (job === 0) return;
        if (job === 1) throw new Error(`attempt ${attempt}`);
        await waitForWork({ signal });
      },
      limit: 3,
      workers: 3,
    });
    assert.deepEqual(await get('/jobs'), [200, 'accepted']);
    const hanging = ['/hang', '/hang', '/hang', '/hang'].map(get); // the last one waits for the limit
    await holds(3);
    await worksOn(2);
    while (asked < 5) await once(service.server, 'request');
    assert.equal(held.length, 3);
    const start0 = performance.now();
    const undone = await service.shutdown({ within: 450, grace: 60_000 });
    const took = performance.now() - start0;
    assert.ok(took >= 449 && took < 450 + MARGIN, `${took} ms`);
    assert.deepEqual(await Promise.all(hanging), new Array(4).fill([503, '']));

    assert.deepEqual(undone.map(({ job }) => job).toSorted(), [1, 2, 3, 4, 5, 6]);
    const errorOf = (job) => undone.find((each) => each.job === job).error.message;
    assert.equal(errorOf(1), 'attempt 3');
    for (const job of [2, 3, 4, 5, 6]) assert.equal(errorOf(job), 'The server is shutting down');
    assert.ok(!began.includes(5) && !began.includes(6), `${began}`); // three workers: 1 made room for 4
  });

  it('does not wait for ever for what does not heed its signal, nor for a client that does not read', async () => {
    const body = 'x'.repeat(5e7);
    await start({ answer: ({ url }) => (url === '/deaf' ? new Promise(() => {}) : body), work: noJobs });
    const answer = get('/deaf');
    const lazy = net.connect(port); // asks, and never reads
    lazy.pause();
    lazy.on('error', () => {});
    lazy.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    while (asked < 2) await once(service.server, 'request');
    const start0 = performance.now();
    assert.deepEqual(await service.shutdown({ within: 100, grace: 100 }), []);
    const took = performance.now() - start0;
    assert.ok(took >= 199 && took < 200 + MARGIN, `${took} ms`);
    assert.deepEqual(await answer, [503, '']);
    lazy.resume();
    await new Promise((resolve) => lazy.once('close', resolve));
  });

  it('an answer that fails is a 500, and takes nobody else with it', async () => {
    await start({
      answer({ url }) {
        if (url === '/bad') throw new Error('no');
        return Promise.resolve(url);
      },
      work: noJobs,
    });
    const answers = await Promise.all(['/bad', '/good', '/bad', '/fine'].map(get));
    assert.deepEqual(answers, [[500, ''], [200, '/good'], [500, ''], [200, '/fine']]); // prettier-ignore
    assert.deepEqual(await service.shutdown(), []); // the keep-alive connections are no reason to wait
  });

  let child;
  after(() => child.kill('SIGKILL')); // whatever became of it
  it('a process that gets SIGTERM answers, and ends by itself', async () => {
    child = spawn(
      process.execPath,
      [
        '-e',
        `const { recipe } = require('./recipe');
         const { createService } = recipe("shutdown");
         const { server, shutdown } = createService({
           answer: (_, { later }) => new Promise((resolve) => process.once('SIGTERM', () => resolve(later('a job'))))
             .then(() => 'bye'),
           work: async (job) => console.log(job),
         });
         process.once('SIGTERM', async () => console.log(JSON.stringify(await shutdown())));
         server.listen(0, '127.0.0.1', () => console.log(server.address().port));
         server.on('request', () => console.log('asked'));`,
      ],
      { cwd: __dirname, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    child.stdout.setEncoding('utf8');
    const chunks = child.stdout[Symbol.asyncIterator]();
    let output = '';
    const says = async (pattern) => {
      while (!pattern.test(output)) {
        const { done, value } = await chunks.next();
        assert.ok(!done, `it has ended, and said ${output}`);
        output += value;
      }
    };
    await says(/^\d+\n/);
    const answer = fetch(`http://127.0.0.1:${Number.parseInt(output, 10)}/`);
    await says(/asked/);
    child.kill('SIGTERM');
    assert.equal(await (await answer).text(), 'bye');
    const closed = once(child, 'close');
    await says(/asked\na job\n\[\]\n$/);
    const [code] = await closed;
    assert.equal(code, 0);
  });
});
