'use strict';

// --trace: what the fetching came to, request by request, as a page to look at or as a trace for Perfetto.

const { open } = require('node:fs/promises');
const { extname } = require('node:path');
const { recorder } = require('../..');
const { UsageError } = require('./cli');

// Three events a request, five with a rate; where there are more, the latest stay.
const EVENTS = 2 ** 18;

async function openTrace(file) {
  let handle;
  try {
    handle = await open(file, 'w');
  } catch (error) {
    throw new UsageError(`cannot write the trace: ${error.message}`);
  }
  return {
    start: () => recorder.start({ events: EVENTS }),
    stop: () => recorder.stop(),

    /** Resolves with a line that says what was written. */
    async write(title) {
      const recording = recorder.snapshot();
      const isPage = extname(file).toLowerCase() === '.html';
      await handle.writeFile(isPage ? recording.toHTML({ title }) : recording.toChromeTrace());
      const [count, lost] = [recording.events.length, recording.lost].map((number) => number.toLocaleString('en'));
      const missing = recording.lost > 0 ? `, ${lost} before them were lost` : '';
      return `trace: ${count} events in ${file}${missing}\n`;
    },

    close: () => handle.close(),
  };
}

module.exports = { openTrace };
