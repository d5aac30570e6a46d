'use strict';

// The real files the world serves: what is installed under node_modules, in the same order every time.

const { readdirSync } = require('node:fs');
const { join } = require('node:path');

/** Every regular file below `root` as a path relative to it with forward slashes. Dot entries are tools' scratch space. */
function* walk(root, below = '') {
  for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* walk(root, path);
    else if (entry.isFile()) yield path;
  }
}

/** The first `max` files in code-unit order, which no locale changes. */
function listFiles(root, max) {
  return [...walk(root)].sort().slice(0, max);
}

/** The request path of a file; names may hold anything. */
function pathOf(file) {
  return `/${file.split('/').map(encodeURIComponent).join('/')}`;
}

module.exports = { listFiles, pathOf };
