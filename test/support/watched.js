'use strict';

// A watched process, and what it says while it is stuck.

const { spawn, execFileSync } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const SCRIPT = require.resolve('../lifecycle/watch-cases');
const LIMIT = 100_000;

class Watched {
  stdout = '';
  stderr = '';

  constructor(name, execArgv = []) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'sluice-watch-'));
    if (name.startsWith('fifo')) execFileSync('mkfifo', [this.file('fifo')]);
    const args = [...execArgv, SCRIPT, name, this.folder];
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.closed = once(this.child, 'close');
    this.child.stdout.on('data', (data) => (this.stdout += data));
    this.child.stderr.on('data', (data) => (this.stderr += data));
    this.timer = setTimeout(() => this.child.kill('SIGKILL'), LIMIT);
  }

  file(base) {
    return path.join(this.folder, base);
  }

  /** The first line of a stream; fails where the process ends before there is one. */
  async line(stream) {
    while (!this[stream].includes('\n')) {
      if (this.child.stdout.closed) throw new Error(`it has ended, and says:\n${this.stdout}${this.stderr}`);
      await Promise.race([once(this.child[stream], 'data'), this.closed]);
    }
    return JSON.parse(this[stream].slice(0, this[stream].indexOf('\n')));
  }

  /** What blocks it is over. */
  letGo() {
    writeFileSync(this.file('go'), '');
  }

  /** Whoever reads the fifo goes on. */
  feed() {
    writeFileSync(this.file('fifo'), 'here it is');
  }

  /** Its exit: { code, signal }, and what it has written, as objects. */
  async end() {
    const [code, signal] = await this.closed;
    this.dispose();
    return { code, signal, told: parse(this.stdout), reports: parse(this.stderr) };
  }

  dispose() {
    clearTimeout(this.timer);
    this.child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function parse(text) {
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

module.exports = { Watched, parse };
