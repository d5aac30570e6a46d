'use strict';

// The tests of local semaphores and rate limiters, run once more on ones that are shared by a name (support/all-shared.js).

const assert = require('node:assert/strict');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { text } = require('node:stream/consumers');

const MOCHA = require.resolve('mocha/bin/mocha.js');
const HOOK = require.resolve('../support/all-shared');

// What looks at a local one's insides: that C has it only while somebody waits with a condition.
const inside = [
  'keeps its order from JavaScript to C and back, again and again',
  'stands in C only while somebody waits with a condition, and is given back whatever ends that',
  '0: nobody waits, and what is free can be had',
];
// A handle that is closed, and of which nothing is out, has let go of the name: it tells of nothing that is free.
const closed = [
  'whatever one by shape does while it is listened to, the line stays whole',
  'turns away who comes later; tryAcquire() throws it; permits that are out can be given back',
  'may be called again and again, also in the middle of turning somebody away',
  'resize() of a closed one only counts',
];
const closedUnderCalls = [
  'rejects mapWithLimit, running and waiting, and tells what runs of it',
  'rejects mapSettled, running and waiting, and tells what runs of it',
  'rejects mapStream, running and waiting, and tells what runs of it',
  'rejects mapStream, unordered, running and waiting, and tells what runs of it',
  'rejects consume, running and waiting, and tells what runs of it',
  'of the semaphore of a call that drains: it waits for what runs, then rejects',
  'inside a mapper ends the calls there and then',
];

const suites = [
  // Their processes of their own, and the longest line, have nothing to do with sharing.
  { of: 'Semaphore', file: 'semaphore.test.js', without: 'the process|wait in order, and each', unlike: [...inside, ...closed], least: 100 }, // prettier-ignore
  { of: 'Semaphore', file: 'shared-limits.test.js', without: 'the process', unlike: closedUnderCalls, least: 70 },
  // Time is real for what all threads share: of these only what needs none.
  { of: 'RateLimiter', file: 'rate-limiter.test.js', only: 'misuse|aborted already', unlike: [], least: 14 },
];

async function run({ of: name, file, without, only }) {
  const which = only === undefined ? ['--grep', without, '--invert'] : ['--grep', only];
  const args = [MOCHA, '--require', HOOK, '--reporter', 'json', ...which, path.join(__dirname, file)];
  const env = { ...process.env, SLUICE_SHARED_CLASS: name };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return JSON.parse(stdout.slice(stdout.indexOf('{\n')));
}

describe('what holds for local limits holds for shared ones', function () {
  this.timeout(120_000);

  for (const suite of suites) {
    const count = suite.unlike.length;
    it(`${suite.file}, with each ${suite.of} shared${count > 0 ? `: all but ${count}` : ''}`, async () => {
      const { passes, failures } = await run(suite);
      assert.deepEqual(failures.map(({ title }) => title).sort(), [...suite.unlike].sort(), JSON.stringify(failures));
      assert.ok(passes.length >= suite.least, `${passes.length} passed`);
    });
  }
});
