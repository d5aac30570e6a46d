'use strict';

// The result file: one JSON line per URL, in the order in which they end.

const { once } = require('node:events');
const { createWriteStream } = require('node:fs');
const { finished } = require('node:stream/promises');
const { UsageError } = require('./cli');

async function openRows(out) {
  const toStdout = out === '-';
  let stream = process.stdout;
  if (!toStdout) {
    try {
      stream = createWriteStream(out);
      await once(stream, 'open');
    } catch (error) {
      throw new UsageError(`cannot write the rows: ${error.message}`);
    }
  }
  let broken; // a full disk, or a reader of the pipe that has gone
  let draining; // one wait that all writers share
  stream.on('error', (error) => (broken ??= error));

  return {
    toStdout,

    /** Resolves when there is room for more, so a slow disk slows the fetching down instead of filling the memory. */
    async write(row) {
      if (broken) throw broken;
      if (stream.write(`${JSON.stringify(row)}\n`)) return;
      draining ??= once(stream, 'drain').finally(() => (draining = undefined));
      await draining;
    },

    async close() {
      if (toStdout) return;
      stream.end();
      await finished(stream);
    },
  };
}

module.exports = { openRows };
