'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createInterface } = require('node:readline');
const { readRows, scratch, start } = require('./fetch-all');
const { tinyServer } = require('./tiny-server');

// Writes `total` lines as fast as they are taken, and says how many that were. Whoever reads may go.
const WRITER = `
  const { writeSync } = require('node:fs');
  const [, url, total] = process.argv;
  try {
    for (let line = 1; line <= total; line += 1) {
      writeSync(1, \`\${url}?\${line}\\n\`);
      if (line % 100 === 0) writeSync(2, \`\${line}\\n\`);
    }
  } catch (error) {
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error;
  }
`;
const STANDSTILL_MS = 1000;

const write = (url, total) =>
  spawn(process.execPath, ['-e', WRITER, url, String(total)], { stdio: ['ignore', 'pipe', 'pipe'] });

/** How many lines a writer got rid of, when it has not got rid of any more for a while. */
function standstill(writer) {
  return new Promise((resolve) => {
    let lines = 0;
    const timer = setTimeout(() => resolve(lines), STANDSTILL_MS);
    createInterface({ input: writer.stderr }).on('line', (line) => {
      lines = Number(line);
      timer.refresh();
    });
  });
}

describe('example: fetch-all, a long list on standard input', function () {
  this.timeout(60_000);
  const files = scratch();
  const FLAT = 3_000;
  let answerLast;
  const server = tinyServer({
    '/held': () => {},
    '/a': (_, response, nth) => {
      if (nth < FLAT) response.end('alpha');
      else answerLast = () => response.end('alpha');
    },
  });

  it('is read only as fast as it is fetched: who writes it has to wait', async () => {
    const total = 100_000;
    const writer = write(server.url('/held'), total);
    const exited = once(writer, 'exit');
    const { result, interrupt } = start(['--concurrency', '4', '-'], { stdin: writer.stdout });
    await server.askedFor('/held', 4);
    const written = await standstill(writer);
    assert.ok(written < total / 5, `${written} of ${total} lines were taken`); // what pipes and readline hold
    assert.equal(server.count('/held'), 4);
    interrupt();
    assert.equal((await result).code, 130);
    assert.deepEqual(await exited, [0, null]);
  });

  it('takes no more memory the longer it is', async () => {
    const out = files.file('rows.jsonl');
    const writer = write(server.url('/a'), FLAT);
    const { result, living } = start(['-c', '64', '-o', out, '-'], { stdin: writer.stdout, probed: true });
    await server.askedFor('/a', FLAT / 3);
    const early = await living();
    await server.askedFor('/a', FLAT);
    const late = await living();
    answerLast();
    const { code, stdout, stderr } = await result;
    assert.equal(code, 0, stdout + stderr);
    assert.equal(new Set(readRows(out).map(({ url }) => url)).size, FLAT);

    assert.ok(early.rows <= 2 * 64 && late.rows <= 2 * 64, `${early.rows} rows, and later ${late.rows}`);
    const more = late.promises - early.promises;
    assert.ok(more < FLAT / 3, `${early.promises} promises, and ${more} more later`);
  });
});
