'use strict';

// A project of somebody else's: a folder with files of its own, in which 'sluice' is this repository.

const { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const ROOT = join(__dirname, '..', '..');

/** `files`: name -> text. Returns { path(name), remove() }. */
function createProject(files) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-project-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'sluice'), 'junction');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

module.exports = { createProject };
