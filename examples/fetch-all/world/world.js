'use strict';

// Starts the misbehaving server as a child process and brings home its log.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const { mkdtemp, readFile, rm } = require('node:fs/promises');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { listFiles, pathOf } = require('./files');

const ROOT = join(__dirname, '..', '..', '..', 'node_modules');

async function startWorld({ seed, timeout, retries, files: max }) {
  const files = listFiles(ROOT, max);
  const scratch = await mkdtemp(join(tmpdir(), 'fetch-all-'));
  const log = join(scratch, 'requests.jsonl');
  const child = fork(join(__dirname, 'server.js'));
  const exited = once(child, 'exit');
  child.send({ root: ROOT, files, seed, timeout, retries, log });
  const [answer] = await Promise.race([once(child, 'message'), exited]);
  if (answer?.port === undefined) throw new Error('the server did not start');

  async function end() {
    if (child.connected) child.send('stop');
    const [code, signal] = await exited;
    const text = code === 0 ? await readFile(log, 'utf8') : undefined;
    await rm(scratch, { recursive: true, force: true });
    if (text === undefined) throw new Error(`the server ended with ${signal ?? `exit code ${code}`}`);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  const origin = `http://127.0.0.1:${answer.port}`;
  let ended;
  return {
    origin,
    /** url -> the file on disk it must equal */
    files: new Map(files.map((file) => [origin + pathOf(file), join(ROOT, file)])),
    /** Ends the server, once, and resolves with its log, an array of its lines. */
    stop: () => (ended ??= end()),
  };
}

module.exports = { startWorld };
