'use strict';

const assert = require('node:assert/strict');
const { parseRows, run } = require('./fetch-all');
const { tinyServer } = require('./tiny-server');

describe('example: fetch-all --rate', function () {
  this.timeout(20_000);
  const server = tinyServer({
    '/a': (_, response) => response.end('alpha'),
    '/busy': (_, response) => response.writeHead(503).end(),
  });
  const RATE = 8; // with it the burst is 1

  // An attempt starts before its request arrives, and none before the process does. So at each arrival the bound holds for
  // the time since then, however long requests take.
  function assertBound(times, spawned) {
    times.forEach((at, index) => {
      const most = 1 + (RATE * (at - spawned)) / 1000;
      assert.ok(index + 1 <= most, `${index + 1} requests by ${at - spawned} ms`);
    });
  }

  it('starts no more URLs than that', async () => {
    const spawned = performance.now();
    const urls = Array.from({ length: 16 }, (_, index) => server.url(`/a?${index}`));
    const { code, stdout } = await run(['--rate', String(RATE), '--concurrency', '16', ...urls]);
    assert.equal(code, 0);
    assert.equal(parseRows(stdout).length, 16);
    assert.equal(server.count('/a'), 16);
    assertBound(server.times('/a'), spawned);
  });

  it('counts the further attempts too', async () => {
    const spawned = performance.now();
    const urls = Array.from({ length: 8 }, (_, index) => server.url(`/busy?${index}`));
    const { code, stdout } = await run(['--rate', String(RATE), '--retries', '1', ...urls]);
    assert.equal(code, 1);
    assert.ok(parseRows(stdout).every(({ attempts, error }) => attempts === 2 && error === 'HTTP 503'));
    assert.equal(server.count('/busy'), 16);
    assertBound(server.times('/busy'), spawned);
  });

  it('a URL that was still waiting when the total timeout came has its row', async () => {
    const urls = Array.from({ length: 4 }, (_, index) => server.url(`/a?last${index}`));
    const args = ['--rate', '0.001', '--total-timeout', '2000', '--concurrency', '2', '-'];
    const { code, stdout } = await run(args, { stdin: `${urls.join('\n')}\n` });
    assert.equal(code, 1);
    assert.deepEqual(
      parseRows(stdout).map(({ url, attempts, durationMs }) => [url, attempts, durationMs > 0]),
      [
        [urls[0], 1, true],
        [urls[1], 0, false],
        [urls[2], 0, false],
      ],
    );
  });
});
