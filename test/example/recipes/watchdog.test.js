'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createInterface } = require('node:readline');
const { createProject } = require('../../support/project');
const { source } = require('./recipe');

// A service whose loop is stuck from a request on until there is a file `go`.
const SERVICE = `
const { existsSync } = require('node:fs');
const http = require('node:http');
const { mapWithLimit } = require('sluice');
const { watchService } = require('./watchdog.js');

const logger = { warn: (fields, message) => console.log(JSON.stringify({ message, ...fields })) };
const { seen } = watchService(logger, { threshold: 100, log: process.argv[2] });

function layOut() {
  while (!existsSync(__dirname + '/go'));
}
function render(name) {
  if (name === 'heavy') layOut();
}

http.createServer(async (request, response) => {
  if (request.url === '/render') await mapWithLimit(['light', 'heavy'], 1, render, { label: 'render' });
  else await new Promise(setImmediate); // the report is there with the next turn
  response.end(JSON.stringify(seen));
}).listen(0, '127.0.0.1', function () {
  console.log(JSON.stringify({ port: this.address().port }));
});
`;

describe('recipes: a watchdog in a service', function () {
  this.timeout(60_000);
  let project;
  let service;

  beforeEach(() => (project = createProject({ 'watchdog.js': source('watchdog'), 'service.js': SERVICE })));
  async function start(log) {
    service = spawn(process.execPath, [project.path('service.js'), log], { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines = createInterface({ input: service.stdout })[Symbol.asyncIterator]();
    const nextLine = async () => JSON.parse((await lines.next()).value);
    const { port } = await nextLine();
    const get = async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).json();
    return { get, nextLine };
  }
  afterEach(async () => {
    const closed = once(service, 'close');
    service.kill('SIGKILL');
    await closed;
    project.remove();
  });

  it('says on stderr what the loop is stuck in while it is, and tells the logger when it is over', async () => {
    const { get, nextLine } = await start('stderr');
    const answer = get('/render');
    const [line] = await once(createInterface({ input: service.stderr }), 'line'); // it is stuck until we say so
    const report = JSON.parse(line);
    assert.equal(report.event, 'loop-blocked');
    assert.equal(report.pid, service.pid);
    assert.deepEqual(report.job, { label: 'render', item: 1, attempt: 1 });
    assert.match(report.stack.join('\n'), /layOut.*service\.js/);
    assert.ok(report.blockedFor >= 100, `${report.blockedFor} ms`);

    writeFileSync(project.path('go'), '');
    await answer;
    const told = await nextLine();
    assert.equal(told.message, 'the event loop was blocked');
    assert.ok(told.blockedFor >= report.blockedFor);
    assert.equal(told.since, report.since);
    assert.match(told.at, /service\.js/);
    const seen = await get('/seen');
    assert.deepEqual(seen, { blocks: 1, longest: told.blockedFor, total: told.blockedFor });
  });

  it('writes to a file where it is given one', async () => {
    const log = project.path('stuck.jsonl');
    const { get, nextLine } = await start(log);
    const answer = get('/render');
    // Nobody tells of a line in a file: it is looked for.
    while (!existsSync(log) || !readFileSync(log, 'utf8').endsWith('\n')) await new Promise((r) => setTimeout(r, 5));
    assert.equal(JSON.parse(readFileSync(log, 'utf8')).job.label, 'render');
    writeFileSync(project.path('go'), '');
    await Promise.all([answer, nextLine()]);
  });
});
