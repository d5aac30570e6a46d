'use strict';

const assert = require('node:assert/strict');
const { existsSync, readFileSync } = require('node:fs');
const { run, scratch, start } = require('./fetch-all');
const { tinyServer } = require('./tiny-server');

describe('example: fetch-all --trace', function () {
  this.timeout(20_000);
  const files = scratch();
  const server = tinyServer({
    '/a': (_, response) => response.end('alpha'),
    '/busy-once': (_, response, nth) => response.writeHead(nth === 1 ? 503 : 200).end('beta'),
    '/silent-once': (_, response, nth) => nth > 1 && response.end('gamma'),
    '/silent': () => {},
  });

  /** The names of a trace's slices, each with what became of it. */
  const slicesOf = (file) => {
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8'));
    return traceEvents.filter(({ ph }) => ph === 'X').map(({ cat }) => cat);
  };
  const count = (categories, name) => categories.filter((category) => category.split(',').includes(name)).length;

  it('a .json file has every attempt, and what became of it', async () => {
    const file = files.file('run.json');
    const urls = ['/a', '/busy-once', '/silent-once'].map(server.url);
    const { code, stderr } = await run(['--timeout', '500', '--trace', file, ...urls]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^trace: \d+ events in .*run\.json$/m);
    const categories = slicesOf(file);
    assert.equal(count(categories, 'attempt'), 5);
    assert.equal(count(categories, 'fulfilled'), 3);
    assert.equal(count(categories, 'retried'), 1);
    assert.equal(count(categories, 'timeout'), 1);
  });

  it('a .html file is one page that needs nothing else', async () => {
    const file = files.file('run.html');
    const { code, stderr } = await run(['-c', '3', '--trace', file, ...['/a?1', '/a?2'].map(server.url)]);
    assert.equal(code, 0, stderr);
    const page = readFileSync(file, 'utf8');
    assert.match(page, /^<!doctype html>/);
    assert.match(page, /<h1>fetch-all: 2 URLs, 3 at a time<\/h1>/);
    assert.doesNotMatch(page, /(src|href)="(https?:)?\/\//);
  });

  it('a run that was interrupted has its trace', async () => {
    const file = files.file('interrupted.json');
    const { result, interrupt } = start(['-c', '2', '--trace', file, ...['/a', '/silent'].map(server.url)]);
    await server.askedFor('/silent', 1);
    interrupt();
    assert.equal((await result).code, 130);
    assert.ok(count(slicesOf(file), 'attempt') >= 2);
  });

  it('a run that failed has its trace; without --trace there is none', async () => {
    const file = files.file('failed.html');
    assert.equal((await run(['-T', '300', '--trace', file, server.url('/silent')])).code, 1);
    assert.ok(existsSync(file));
    const { stderr } = await run([server.url('/a')]);
    assert.doesNotMatch(stderr, /trace/);
  });
});
