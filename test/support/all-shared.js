'use strict';

// For mocha's --require: each Semaphore, or each RateLimiter, that a test makes is shared by a name of its own. So the tests
// of local ones are those of shared ones too; see shared-as-local.test.js. SLUICE_SHARED_CLASS says which.

const sluice = require('../..');
const endings = require('./endings');
const { usage } = require('../../lib/engine');

const { SLUICE_SHARED_CLASS: name } = process.env;
const Local = sluice[name];
let count = 0;

const isPlain = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

function construct(target, args, newTarget) {
  const shared = { shared: `${name} ${count++}` };
  const [first, second] = args;
  if (name === 'Semaphore' && (second === undefined || isPlain(second))) args = [first, { ...second, ...shared }];
  if (name === 'RateLimiter' && isPlain(first)) args = [{ ...first, ...shared }];
  return Reflect.construct(target, args, newTarget);
}

sluice[name] = new Proxy(Local, { construct });

// A handle has its place in C until it is closed, or garbage.
endings.assertNothingLeft = () => {
  const { jobs, lanes, waiters } = usage();
  if (jobs + lanes + waiters !== 0) throw new Error('something is left in C');
};
