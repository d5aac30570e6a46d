'use strict';

// The README's picture, docs/trace.png: the main job with a rate, and what `--trace` shows of it.
// `node test/recording/readme-picture.js`, on a machine that does nothing else: what blocks the loop is in the picture.

const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const { absent, launch } = require('../support/browser');

const MAIN = join(__dirname, '../../examples/fetch-all/main.js');
const PICTURE = join(__dirname, '../../docs/trace.png');
const RUN = ['--files', '240', '--seed', '5', '--concurrency', '12', '--rate', '100', '--timeout', '700'];
const VIEW = { width: 1200, height: 752 };

function trace() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-picture-'));
  try {
    const file = join(folder, 'trace.html');
    execFileSync(process.execPath, [MAIN, ...RUN, '--out', join(folder, 'rows.jsonl'), '--trace', file]);
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function main() {
  if (absent !== null) throw new Error(absent);
  const html = trace();
  const browser = await launch();
  try {
    const page = await browser.open(html, { viewport: VIEW, colorScheme: 'light' });
    await page.screenshot({ path: PICTURE });
  } finally {
    await browser.close();
  }
}

main();
