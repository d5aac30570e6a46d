'use strict';

const assert = require('node:assert/strict');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

describe('recipes: retry when the server says so', () => {
  const { getAll } = recipe('retry-after');
  const times = new Map(); // path -> [performance.now(), Date.now()] of each request

  /** Answers the second request; the first gets a 429 with what `wish` returns. */
  const later = (wish) => (request, response, nth) => {
    times.set(request.url, [...(times.get(request.url) ?? []), [performance.now(), Date.now()]]);
    if (nth > 1) response.end('"waited"');
    else response.writeHead(429, { 'retry-after': wish() }).end();
  };
  let date;
  const server = tinyServer({
    '/seconds': later(() => '1'),
    '/date': later(() => (date = new Date(Date.now() + 2000).toUTCString())),
    '/past': later(() => new Date(0).toUTCString()),
    '/nonsense': later(() => 'soon'),
    '/hour': later(() => '3600'),
    '/torn': (_, response, nth) => (nth === 1 ? response.destroy() : response.end('"mended"')),
    '/mistake': (_, response) => response.writeHead(400).end(),
  });
  const get = (path) => getAll([server.url(path)]);

  it('asks again no sooner than after that many seconds', async () => {
    assert.deepEqual(await get('/seconds'), ['waited']);
    const [[first], [second]] = times.get('/seconds');
    assert.ok(second - first >= 1000, `${second - first}`);
  });

  it('asks again no sooner than at that date', async () => {
    assert.deepEqual(await get('/date'), ['waited']);
    const [, second] = times.get('/date').at(-1);
    assert.ok(second >= Date.parse(date) - 5, `${second - Date.parse(date)}`); // two clocks
  });

  it('a date in the past and a wish that makes no sense do no harm', async () => {
    assert.deepEqual(await getAll(['/past', '/nonsense'].map(server.url)), ['waited', 'waited']);
  });

  it('fails now where the server asks for more than maxDelay', async () => {
    await assert.rejects(get('/hour'), /HTTP 429 from .*\/hour/);
    assert.equal(server.count('/hour'), 1);
  });

  it('tries again what has no answer, and not what is our mistake', async () => {
    assert.deepEqual(await get('/torn'), ['mended']);
    await assert.rejects(get('/mistake'), /HTTP 400/);
    assert.equal(server.count('/mistake'), 1);
  });
});
