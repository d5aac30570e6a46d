'use strict';

// The blocks of docs/recipes.md that are named (```js recipe=name), run as modules, word for word.

const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { compileFunction } = require('node:vm');

const PAGE = join(__dirname, '..', '..', '..', 'docs', 'recipes.md');
const BLOCK = /^```js(?: recipe=([\w-]+))?\n(.*?)^```$/gms;

/** Every block as { name, code, line }: its name is undefined where it has none, `line` is the page's before it. */
function blocks() {
  const page = readFileSync(PAGE, 'utf8');
  return [...page.matchAll(BLOCK)].map(({ 1: name, 2: code, index }) => {
    return { name, code, line: page.slice(0, index).split('\n').length };
  });
}

/** The block's code, to be written to a file. */
function source(name) {
  return blocks().find((block) => block.name === name).code;
}

/** What the block exports. `require` is as if it stood in the page's folder, so 'sluice' is this repository. */
function recipe(name) {
  const { code, line } = blocks().find((block) => block.name === name);
  const module = { exports: {} };
  const options = { filename: PAGE, lineOffset: line };
  compileFunction(code, ['module', 'exports', 'require'], options)(module, module.exports, createRequire(PAGE));
  return module.exports;
}

module.exports = { blocks, recipe, source };
