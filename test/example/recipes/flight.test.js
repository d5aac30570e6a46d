'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { text } = require('node:stream/consumers');
const { runNode } = require('../../support/child');
const { createProject } = require('../../support/project');
const { source } = require('./recipe');

// A service that is stuck at its third item, once the others have ended, until there is a file `go`.
const SERVICE = `
const { existsSync, writeSync } = require('node:fs');
const { mapWithLimit, sleep } = require('sluice');
const { recordFlights } = require('./flight.js');

recordFlights(__dirname + '/flight.json');

let ended = 0;
async function render(name, index, { attempt }) {
  await sleep(1);
  if (index === 1 && attempt === 1) throw new Error('try again');
  if (name !== 'heavy') {
    ended += 1;
    return;
  }
  while (ended < 2) await sleep(1);
  writeSync(1, 'stuck\\n');
  while (!existsSync(__dirname + '/go'));
}
mapWithLimit(['a', 'b', 'heavy'], 3, render, { label: 'pages', retry: { retries: 1, delay: 0 } });
`;

describe('recipes: a flight recording of a process that is stuck', function () {
  this.timeout(60_000);
  let project;
  let service;

  beforeEach(() => {
    const files = { 'flight.js': source('flight'), 'read-flight.js': source('read-flight'), 'service.js': SERVICE };
    project = createProject(files);
    service = spawn(process.execPath, [project.path('service.js')], { stdio: ['ignore', 'pipe', 'pipe'] });
  });
  afterEach(() => {
    service.kill('SIGKILL');
    project.remove();
  });

  it('is written while it is stuck, says in what, and opens as a page', async () => {
    const ended = Promise.all([once(service, 'close'), text(service.stderr)]);
    await once(service.stdout, 'data');
    service.kill('SIGUSR2');
    const [dump, page] = ['flight.json', 'flight.html'].map(project.path);
    while (!existsSync(dump)) await new Promise((resolve) => setTimeout(resolve, 5)); // nobody tells of it
    const read = await runNode([project.path('read-flight.js'), dump, page]);
    assert.deepEqual({ code: read.code, stderr: read.stderr }, { code: 0, stderr: '' });
    assert.match(read.stdout, /^pages, item 2, attempt 1: under way for \d+ ms\n$/);
    assert.match(readFileSync(page, 'utf8'), /^<!doctype html>/i);
    assert.match(readFileSync(page, 'utf8'), new RegExp(`process ${service.pid}`));

    writeFileSync(project.path('go'), ''); // up to here it was stuck
    const [[code], stderr] = await ended;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });
});
