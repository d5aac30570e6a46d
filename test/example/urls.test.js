'use strict';

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { existsSync, writeFileSync } = require('node:fs');
const { parseRows, readRows, run, scratch, start } = require('./fetch-all');
const { tinyServer } = require('./tiny-server');

const sha256 = (content) => createHash('sha256').update(content).digest('hex');
const byUrl = (rows) => new Map(rows.map((row) => [row.url, row]));

describe('example: fetch-all with given URLs', function () {
  this.timeout(20_000);
  const files = scratch();
  let date;
  const big = Buffer.alloc(300_000, 'sluice');
  const server = tinyServer({
    '/a': (_, response) => response.end('alpha'),
    '/b': (_, response) => response.end('beta'),
    '/big': (_, response) => response.end(big),
    '/empty': (_, response) => response.end(),
    '/busy-once': (_, response, nth) => (nth === 1 ? response.writeHead(503).end() : response.end('at last')),
    '/busy': (_, response) => response.writeHead(503).end(),
    '/later': (_, response, nth) =>
      nth === 1 ? response.writeHead(429, { 'retry-after': '1' }).end() : response.end('waited'),
    '/at-a-date': (_, response, nth) => {
      if (nth > 1) return response.end('waited');
      date = new Date(Date.now() + 2000).toUTCString(); // whole seconds, so it is 1 to 2 s from now
      return response.writeHead(503, { 'retry-after': date }).end();
    },
    '/in-the-past': (_, response, nth) =>
      nth === 1 ? response.writeHead(503, { 'retry-after': new Date(0).toUTCString() }).end() : response.end('at once'),
    '/nonsense': (_, response, nth) =>
      nth === 1 ? response.writeHead(503, { 'retry-after': '-5 or so' }).end() : response.end('anyway'),
    '/after-the-end': (_, response) => response.writeHead(503, { 'retry-after': '20' }).end(),
    // Fails when the other one has, and is tried again after that.
    '/soon-enough': (_, response, nth) =>
      nth > 1 ? response.end('in time') : server.askedFor('/after-the-end').then(() => response.writeHead(503).end()),
    '/much-later': (_, response) => response.writeHead(503, { 'retry-after': '3600' }).end(),
    '/never': (_, response) => response.writeHead(503, { 'retry-after': 'Infinity' }).end(),
    '/silent': () => {},
    '/silent-body': (_, response) => response.writeHead(200, { 'content-length': 10 }).write('half'),
    '/silent-once': (_, response, nth) => nth > 1 && response.end('awake'),
    '/torn': (_, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half');
      setImmediate(() => response.destroy());
    },
  });

  it('writes one JSON line per URL given as an argument, with the documented fields', async () => {
    const { code, stdout } = await run([server.url('/a'), server.url('/b')]);
    assert.equal(code, 0);
    const rows = byUrl(parseRows(stdout));
    const row = rows.get(server.url('/a'));
    assert.deepEqual(Object.keys(row), ['url', 'status', 'bytes', 'sha256', 'attempts', 'durationMs', 'error']);
    assert.equal(row.durationMs >= 0, true);
    assert.deepEqual(
      { ...row, durationMs: 0 },
      {
        url: server.url('/a'),
        status: 200,
        bytes: 5,
        sha256: sha256('alpha'),
        attempts: 1,
        durationMs: 0,
        error: null,
      },
    );
    assert.equal(rows.get(server.url('/b')).sha256, sha256('beta'));
  });

  it('reads URLs from a file, without its blank lines and comments, into --out, and ends with the table', async () => {
    const [input, out] = [files.file('urls.txt'), files.file('rows.jsonl')];
    writeFileSync(input, `# two of them\r\n\r\n${server.url('/big')}\r\n  ${server.url('/empty')}`);
    const { code, stdout } = await run(['--input', input, '--out', out]);
    assert.equal(code, 0);
    const rows = byUrl(readRows(out));
    assert.equal(rows.size, 2);
    assert.equal(rows.get(server.url('/big')).sha256, sha256(big));
    assert.equal(rows.get(server.url('/big')).bytes, big.length);
    assert.equal(rows.get(server.url('/empty')).sha256, sha256(''));
    for (const name of ['succeeded', 'failed', 'retries', 'timeouts', 'p50', 'p95', 'p99', 'bytes/s']) {
      assert.match(stdout, new RegExp(`│ ${name}`));
    }
  });

  it('reads URLs from standard input only as it has room for them', async () => {
    const { child, result } = start(['--concurrency', '1', '-'], { stdin: null });
    child.stdin.write(`${server.url('/a?stdin')}\n`);
    const before = server.count('/a');
    await server.askedFor('/a', before + 1); // fetched although the input has not ended
    child.stdin.end(`${server.url('/b')}\n`);
    const { code, stdout } = await result;
    assert.equal(code, 0);
    assert.deepEqual(
      parseRows(stdout).map((row) => row.url),
      [server.url('/a?stdin'), server.url('/b')],
    );
  });

  it('a failing URL has its row, the others succeed, the exit code is 1', async () => {
    const { code, stdout } = await run(['--retries', '2', server.url('/busy'), server.url('/a'), server.url('/torn')]);
    assert.equal(code, 1);
    const rows = byUrl(parseRows(stdout));
    assert.equal(rows.get(server.url('/a')).error, null);
    const busy = rows.get(server.url('/busy'));
    assert.deepEqual([busy.status, busy.attempts, busy.error, busy.sha256], [503, 3, 'HTTP 503', null]);
    const torn = rows.get(server.url('/torn'));
    assert.deepEqual([torn.status, torn.attempts, torn.bytes, torn.sha256], [null, 3, 0, null]);
    assert.match(torn.error, /terminated/);
  });

  it('what may pass is tried again; what will not, is not', async () => {
    const { code, stdout } = await run(['/busy-once', '/missing', '/much-later', '/never'].map(server.url));
    assert.equal(code, 1);
    const rows = byUrl(parseRows(stdout));
    const outcome = (path) => [rows.get(server.url(path)).attempts, rows.get(server.url(path)).error];
    assert.deepEqual(outcome('/busy-once'), [2, null]);
    assert.deepEqual(outcome('/missing'), [1, 'HTTP 404']);
    assert.deepEqual(outcome('/much-later'), [1, 'HTTP 503']);
    assert.deepEqual(outcome('/never'), [1, 'HTTP 503']);
  });

  it('waits as long as Retry-After asks, outside the attempt timeout', async () => {
    const { code, stdout } = await run(['--timeout', '700', server.url('/later')]);
    assert.equal(code, 0);
    const [row] = parseRows(stdout);
    assert.equal(row.attempts, 2);
    assert.ok(row.durationMs >= 1000, `${row.durationMs}`);
    const [first, second] = server.times('/later');
    assert.ok(second - first >= 1000, `asked again after ${second - first} ms`);
  });

  it('waits until the date in Retry-After; one in the past, or no date at all, does no harm', async () => {
    const { code, stdout } = await run(['/at-a-date', '/in-the-past', '/nonsense'].map(server.url));
    assert.equal(code, 0);
    assert.deepEqual(
      parseRows(stdout).map(({ attempts }) => attempts),
      [2, 2, 2],
    );
    const asked = performance.timeOrigin + server.times('/at-a-date')[1];
    assert.ok(asked >= Date.parse(date) - 50, `asked again ${Date.parse(date) - asked} ms too soon`); // clocks drift apart
  });

  it('a stalled answer times out, in the head and in the body, and is tried again', async () => {
    const urls = ['/silent', '/silent-body', '/silent-once'].map(server.url);
    const { code, stdout, stderr } = await run(['--timeout', '300', '--retries', '1', ...urls]);
    assert.equal(code, 1);
    const rows = byUrl(parseRows(stdout));
    assert.deepEqual(
      urls.map((url) => [rows.get(url).attempts, rows.get(url).error === null]),
      [
        [2, false],
        [2, false],
        [2, true],
      ],
    );
    assert.match(stderr, /│ timeouts +│ +5 │/);
  });

  it('a wait that would outlast --total-timeout ends its URL, and not the others', async () => {
    const urls = ['/soon-enough', '/after-the-end'].map(server.url);
    const { code, stdout, stderr } = await run(['-T', '10000', ...urls]);
    assert.equal(code, 1);
    const rows = byUrl(parseRows(stdout));
    assert.deepEqual([...rows.keys()], urls.toReversed()); // it is not kept for the end
    const outcome = (url) => [rows.get(url).attempts, rows.get(url).status, rows.get(url).error];
    assert.deepEqual(urls.map(outcome), [
      [2, 200, null],
      [1, 503, 'HTTP 503'],
    ]);
    assert.match(stderr, /fetch-all: timed out after 10000 ms in total/);
  });

  it('--total-timeout ends the run; every URL has its row, those never started too', async () => {
    const { code, stdout } = await run(['-c', '1', '-T', '400', ...['/a', '/silent', '/b'].map(server.url)]);
    assert.equal(code, 1);
    const rows = parseRows(stdout);
    assert.deepEqual(
      rows.map(({ url, attempts }) => [url, attempts]),
      [
        [server.url('/a'), 1],
        [server.url('/silent'), 1],
        [server.url('/b'), 0],
      ],
    );
    assert.deepEqual([rows[0].error, rows[2].error], [null, 'not started']);
    assert.match(rows[1].error, /timed out after 400 ms in total/);
  });

  for (const path of ['/a', '/missing']) {
    // Where there is no such device nothing else is always full.
    (existsSync('/dev/full') ? it : it.skip)(`rows that cannot be written end the run (${path})`, async () => {
      const { child, result } = start(['--concurrency', '2', '--out', '/dev/full', '-'], { stdin: null });
      let isOver = false;
      const over = result.then(() => (isOver = true));
      child.stdin.write(`${server.url('/silent')}\n`); // is not waited for
      while (!isOver) {
        child.stdin.write(`${server.url(path)}\n`);
        await Promise.race([server.askedFor(path, server.count(path) + 1), over]);
      }
      const { code, stderr } = await result;
      assert.equal(code, 1);
      assert.match(stderr, /ENOSPC/);
    });
  }
});
