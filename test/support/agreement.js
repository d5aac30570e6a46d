'use strict';

// Whether a run of the package is one that the model may come to: see model.js, and orders.js for the order of microtasks.

const assert = require('node:assert/strict');
const { isDeepStrictEqual } = require('node:util');

const { runModel } = require('../model');
const { everyResult } = require('./orders');

/** There is an order in which the model does what was seen. `shown`: what of an outcome of the model a run shows. */
function agree(run, drawn, shown = (outcome) => outcome) {
  const { total, abandoned = 0, timedOut = 0 } = run.progress.at(-1) ?? {};
  assert.ok(total === undefined || total <= drawn.items.length);
  assert.ok(abandoned <= timedOut);
  assert.ok(run.maxRunning <= drawn.limit, `${run.maxRunning} ran at once`);
  const isPossible = ({ starts }) => {
    const latest = Math.max(...starts.map(([time]) => time));
    const missing = new Set(run.starts.filter(([time]) => time < latest).map(String));
    const seen = new Set(run.starts.map(String));
    for (const start of starts) missing.delete(String(start));
    return missing.size === 0 && starts.every((start) => seen.has(String(start)));
  };
  const asShown = ({ outcome, ...result }) => ({ ...result, outcome: shown(outcome) });
  for (const result of everyResult((choose) => runModel(drawn, choose), isPossible))
    if (isDeepStrictEqual(seenOf(run, asShown(result)), asShown(result))) return;
  const one = asShown(runModel(drawn));
  assert.deepEqual(seenOf(run, one), one, 'and no other order explains it');
}

/** The run as the model's result; what the run does not show is as the model says. */
function seenOf({ starts, outcome, progress, ...run }, model) {
  const maxRunning = Math.max(run.maxRunning, model.maxRunning); // whose attempts run while they wait for an element, too
  if (outcome.status === 'pending' || progress.length === 0) return { ...model, starts, outcome, maxRunning };
  const { started, done, failed, retried, timedOut } = progress.at(-1);
  return { starts, outcome, maxRunning, counts: { started, done, failed, retried, timedOut } };
}

module.exports = { agree };
