'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { createReadStream, createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Writable } = require('node:stream');
const { text } = require('node:stream/consumers');
const { tinyServer } = require('../tiny-server');
const { recipe } = require('./recipe');

const LINE = 32; // bytes, the end of the line included
const CHUNK = 16; // lines that a read gives
const LIMIT = 4;
// What may be read and not yet answered: LIMIT requests, as many answers, a chunk that is being split,
// two in the stream's buffer and one that is being read.
const AHEAD = 2 * LIMIT + 4 * CHUNK;

describe('recipes: a large file, line by line', () => {
  const { convert, convertFile } = recipe('lines');
  let answerTo;
  let running = []; // responses
  let most = 0;
  let asked = 0;
  const server = tinyServer({
    '/lookup': async (request, response, nth) => {
      running = running.filter(({ writableEnded, destroyed }) => !writableEnded && !destroyed).concat(response);
      most = Math.max(most, running.length);
      asked += 1;
      answerTo(await text(request), response, nth);
    },
    '/ping': (_, response) => response.end(),
  });
  const echo = (line, response) => response.end(`<${line}>`);

  /** Resolves when the stream is closed; the test ends only if it is. */
  const closing = (stream) => stream.closed || new Promise((resolve) => stream.once('close', resolve));

  let folder;
  const file = (name) => join(folder, name);
  const line = (index) => `line ${index} `.padEnd(LINE - 1, '.');
  const lines = (count) => Array.from({ length: count }, (_, index) => line(index));
  function fileOf(count) {
    writeFileSync(file('in.txt'), lines(count).join('\n'));
    return file('in.txt');
  }
  const open = (path) => createReadStream(path, { encoding: 'utf8', highWaterMark: CHUNK * LINE });
  const expected = (count) => lines(count).map((each) => `<${each}>\n`);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'recipe-lines-'));
    [running, most, asked] = [[], 0, 0];
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('never reads further ahead of a slow server than a few lines', async () => {
    const COUNT = 160;
    const input = open(fileOf(COUNT));
    let answered = 0;
    let furthest = 0;
    answerTo = async (each, response) => {
      do await new Promise(setImmediate);
      while (most < LIMIT); // as many as may
      furthest = Math.max(furthest, input.bytesRead / LINE - answered);
      answered += 1;
      echo(each, response);
    };
    await convert(input, createWriteStream(file('out.txt')), server.url(''), { limit: LIMIT });
    assert.equal(readFileSync(file('out.txt'), 'utf8'), expected(COUNT).join(''));
    assert.ok(furthest <= AHEAD, `${furthest} lines ahead`);
    assert.equal(most, LIMIT);
  });

  it('a disk that does not write slows down the requests, and the reading', async () => {
    const COUNT = 120;
    answerTo = echo;
    const input = open(fileOf(COUNT));
    const written = [];
    const held = [];
    const disk = new Writable({
      highWaterMark: 1, // each write waits for the one before
      decodeStrings: false,
      write(chunk, _encoding, done) {
        written.push(chunk);
        if (written.length < COUNT / 2) done();
        else held.push(done);
      },
    });
    const converted = convert(input, disk, server.url(''), { limit: LIMIT });
    while (held.length === 0) await new Promise(setImmediate);
    for (let i = 0; i < 10; i += 1) await fetch(server.url('/ping')); // others would have been asked for by now
    assert.ok(asked <= written.length + 2 * LIMIT + 1, `${asked} requests for ${written.length} written`);
    assert.ok(input.bytesRead / LINE <= written.length + AHEAD, `${input.bytesRead / LINE} lines read`);

    while (written.length < COUNT || held.length > 0) {
      held.shift()?.();
      await new Promise(setImmediate);
    }
    await converted;
    assert.deepEqual(written, expected(COUNT));
  });

  it('gives the file its name when it is complete, whatever its lines end with', async () => {
    answerTo = echo;
    writeFileSync(file('in.txt'), 'one\r\ntwo\n\nfünf ≠ 6');
    const converted = convertFile(file('in.txt'), file('out.txt'), server.url(''));
    assert.equal(existsSync(file('out.txt')), false);
    await converted;
    assert.equal(readFileSync(file('out.txt'), 'utf8'), '<one>\n<two>\n<>\n<fünf ≠ 6>\n');
  });

  it('a line that fails for good ends it: the answers before it are there, the final file is not', async () => {
    answerTo = (each, response) => (each === line(20) ? response.writeHead(400).end() : echo(each, response));
    await assert.rejects(convertFile(fileOf(60), file('out.txt'), server.url('')), /HTTP 400 for line 20 /);
    const part = readFileSync(file('out.txt.part'), 'utf8');
    assert.ok(expected(20).join('').startsWith(part), part); // what the stream still held when it was destroyed is lost
    assert.equal(existsSync(file('out.txt')), false);
  });

  it('no such file, and a disk that is full: both are the call’s error, and nothing stays open', async () => {
    answerTo = echo;
    await assert.rejects(convertFile(file('nothing'), file('out.txt'), server.url('')), { code: 'ENOENT' });

    const closed = [];
    answerTo = (each, response) => (each === line(0) ? echo(each, response) : closed.push(once(response, 'close')));
    const full = new Writable({
      write(_chunk, _encoding, done) {
        setImmediate(done, Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
      },
    });
    const input = open(fileOf(60));
    await assert.rejects(convert(input, full, server.url(''), { limit: LIMIT }), { code: 'ENOSPC' });
    await Promise.all(closed); // the requests that ran were aborted
    await closing(input);
  });

  it('a signal ends reading, requests and writing', async () => {
    const controller = new AbortController();
    const closed = [];
    answerTo = (_each, response) => {
      closed.push(once(response, 'close'));
      if (closed.length === LIMIT) controller.abort();
    };
    const input = open(fileOf(60));
    const output = createWriteStream(file('out.txt'));
    const { signal } = controller;
    await assert.rejects(convert(input, output, server.url(''), { limit: LIMIT, signal }), { name: 'AbortError' });
    await Promise.all(closed);
    await Promise.all([input, output].map(closing));
    assert.equal(asked, LIMIT);
  });
});
