'use strict';

// A headless Chromium for tests of pages: the machine's own. Where it has none, `absent` says so.

const { accessSync, constants, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { delimiter, join } = require('node:path');
const { pathToFileURL } = require('node:url');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function find() {
  const named = process.env.SLUICE_CHROMIUM;
  if (named !== undefined) return named;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // not here
      }
    }
  }
  return null;
}

const path = find();
const absent = path === null ? `no Chromium on this machine (looked for ${NAMES.join(', ')})` : null;

/** A browser, and a folder for the pages it opens from files: { open(html, settings), close() } */
async function launch() {
  const { chromium } = require('playwright-core');
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'));
  const browser = await chromium.launch({ executablePath: path, args: FLAGS });
  let pages = 0;
  return {
    /** The page of that text, opened from a file. `page.problems`: what the console and the network said meanwhile. */
    async open(html, settings = {}) {
      const file = join(folder, `${pages++}.html`);
      writeFileSync(file, html);
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...settings });
      const page = await context.newPage();
      page.problems = [];
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') page.problems.push(message.text());
      });
      page.on('pageerror', (error) => page.problems.push(String(error)));
      page.on('request', (request) => {
        if (!/^(file|data):/.test(request.url())) page.problems.push(`asked for ${request.url()}`);
      });
      await page.goto(pathToFileURL(file).href);
      await page.locator('#body[data-ready="true"]').waitFor({ state: 'attached' });
      return page;
    },
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

module.exports = { absent, launch };
