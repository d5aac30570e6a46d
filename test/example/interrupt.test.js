'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { readRows, scratch, start } = require('./fetch-all');
const { tinyServer } = require('./tiny-server');

describe('example: fetch-all, Ctrl-C', function () {
  this.timeout(20_000);
  const files = scratch();
  let hungUp = 0;
  const server = tinyServer({
    '/a': (_, response) => response.end('alpha'),
    '/silent': (_, response) => response.on('close', () => (hungUp += 1)),
  });

  it('cancels what is in flight, writes what is done, exits 130', async () => {
    const out = files.file('rows.jsonl');
    const urls = ['/a?1', '/a?2', '/a?3', '/silent?1', '/silent?2', '/a?4'].map(server.url);
    const { result, interrupt } = start(['--concurrency', '2', '--out', out, ...urls]);
    await server.askedFor('/silent', 2); // both lanes are held, so the three before them are done
    interrupt();
    const { code, stdout, stderr } = await result;
    assert.equal(code, 130);
    assert.match(stderr, /interrupted/);
    assert.match(stdout, /│ succeeded +│ +3 │/);
    assert.deepEqual(
      readRows(out)
        .map(({ url, error }) => [url, error])
        .sort(),
      urls.slice(0, 3).map((url) => [url, null]),
    );
    assert.equal(hungUp, 2);
  });

  it('does not wait for a line of standard input', async () => {
    const { child, result, interrupt } = start(['-'], { stdin: null });
    const before = server.count('/a');
    child.stdin.write(`${server.url('/a')}\n`);
    await server.askedFor('/a', before + 1);
    interrupt();
    assert.equal((await result).code, 130);
  });

  it('ends the own server too', async () => {
    const out = files.file('own.jsonl');
    const { child, result, interrupt } = start(['--files', '200', '--out', out]);
    const [chunk] = await once(child.stdout, 'data');
    const [origin] = /http:\/\/127\.0\.0\.1:\d+/.exec(chunk);
    let progress = '';
    while (!/\d of 200 done/.test(progress)) progress += (await once(child.stderr, 'data'))[0];
    interrupt();
    const { code } = await result;
    assert.equal(code, 130);
    const rows = readRows(out);
    assert.ok(rows.length > 0 && rows.length < 200, `${rows.length} rows`);
    assert.ok(rows.every(({ error }) => error === null));
    await assert.rejects(fetch(origin), (error) => error.cause.code === 'ECONNREFUSED');
  });
});
