'use strict';

const assert = require('node:assert/strict');
const { PermanentError } = require('../../..');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

describe('recipes: successes here, failures there', () => {
  const { importAll } = recipe('split');
  const answer = (status) => (_, response) => response.writeHead(status).end();
  const server = tinyServer({
    '/entries/1': answer(204),
    '/entries/2': answer(422),
    '/entries/3': (_, response, nth) => response.writeHead(nth < 3 ? 500 : 204).end(),
    '/entries/4': answer(500),
    '/entries/5': answer(204),
  });

  it('has each entry in one of the lists, and tries again what may pass', async () => {
    const entries = [1, 2, 3, 4, 5].map((id) => ({ id }));
    const { imported, failed } = await importAll(server.url(''), entries);
    assert.deepEqual(imported, [{ id: 1 }, { id: 3 }, { id: 5 }]);
    assert.deepEqual(
      failed.map(({ entry, reason }) => [entry, reason.message]),
      [
        [{ id: 2 }, 'HTTP 422'],
        [{ id: 4 }, 'HTTP 500'],
      ],
    );
    assert.ok(failed[0].reason instanceof PermanentError);
    assert.deepEqual(
      entries.map(({ id }) => server.count(`/entries/${id}`)),
      [1, 1, 3, 4, 1],
    );
  });
});
