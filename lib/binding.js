'use strict';

// The only file that knows where the binary lives.

const path = require('node:path');

const root = path.join(__dirname, '..', 'build');

/** @returns the addon; the error of the first place tried if it is in none */
function load() {
  let first;
  for (const configuration of ['Release', 'Debug']) {
    try {
      return require(path.join(root, configuration, 'sluice.node'));
    } catch (error) {
      first ??= error;
    }
  }
  throw new Error(`sluice: the native addon is not built: run "npm rebuild sluice" (${first.message})`, {
    cause: first,
  });
}

module.exports = load();
