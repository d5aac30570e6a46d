'use strict';

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { blocks } = require('./recipe');

describe('recipes: the page', () => {
  it('every block of code has a name of its own, and a test that runs it', () => {
    const names = blocks().map(({ name }) => name);
    const tests = readdirSync(__dirname)
      .filter((file) => file.endsWith('.test.js'))
      .map((file) => readFileSync(join(__dirname, file), 'utf8'));
    const run = tests.flatMap((code) =>
      [...code.matchAll(/\b(?:recipe|source)\('([\w-]+)'\)/g)].map(([, name]) => name),
    );
    assert.deepEqual(names.toSorted(), run.toSorted());
  });
});
