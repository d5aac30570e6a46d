'use strict';

// What can be collected once a call is over: each scenario runs in a child process, which may collect garbage, and the tests
// look at what it tells. The child is the test file itself.

const assert = require('node:assert/strict');

const { usage } = require('../../lib/engine');
const { parseLines, runNode } = require('./child');
const { turn } = require('./outcomes');

/** Whether this process is the child of a test file. */
const isChild = process.argv[2] === 'child';

/** In the child: which of the objects that were to be kept are still there. */
async function collect(scenario) {
  const kept = [];
  const held = await scenario((name, object) => kept.push([name, new WeakRef(object)]));
  const alive = () => kept.filter(([, ref]) => ref.deref() !== undefined).map(([name]) => name);
  for (let i = 0; i < 20 && alive().length > 0; i++) {
    await turn();
    global.gc();
  }
  const { jobs, lanes } = usage();
  return { count: kept.length, alive: alive(), jobs, lanes, held: held.length };
}

/**
 * In the child: tells what comes of each. A scenario is an async function of `keep` that returns what it holds on to, an
 * array; of what keep(name, object) has named, nothing may be alive then. (Or whatever `look` makes something of.)
 */
async function tellAll(scenarios, look = collect) {
  for (const [name, scenario] of Object.entries(scenarios))
    process.stdout.write(`${JSON.stringify({ name, ...(await look(scenario)) })}\n`);
}

/** In the tests: runs the child of this file, and returns what it tells of a name. */
function childOf(file) {
  let outcomes;
  before(async function () {
    this.timeout(110_000);
    const { code, stdout, stderr } = await runNode(['--expose-gc', file, 'child']);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    outcomes = new Map(parseLines(stdout).map((outcome) => [outcome.name, outcome]));
  });
  return (name) => outcomes.get(name);
}

/** Tests, one of each scenario. `told`: what childOf() returns. */
function itCollects(scenarios, told) {
  for (const name of Object.keys(scenarios)) {
    it(`can be collected: ${name}`, () => {
      const { count, alive, jobs, lanes } = told(name);
      assert.ok(count > 0);
      assert.deepEqual({ alive, jobs, lanes }, { alive: [], jobs: 0, lanes: 0 });
    });
  }
}

module.exports = { childOf, isChild, itCollects, tellAll };
