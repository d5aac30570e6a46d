// As smoke.js, for import.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import sluice, { mapWithLimit } from 'sluice';

const required = createRequire(import.meta.url)('sluice');
assert.deepEqual(await mapWithLimit(['a', 'b'], 1, (text) => text.toUpperCase()), ['A', 'B']);
assert.equal(sluice, required);
assert.deepEqual(Object.keys(await import('sluice')).sort(), [...Object.keys(required), 'default'].sort());
console.log('import: works');
