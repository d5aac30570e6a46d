'use strict';

// Random trees of tasks, what a TaskGroup makes of one, and what it must have made of it: the log of a run against a plain
// reading of the rules, which knows nothing of how a group works.

const assert = require('node:assert/strict');

const fc = require('fast-check');

const delay = fc.nat({ max: 3 });

const limit = fc.constantFrom(undefined, 1, 2, 3);

// What a task does: waits, spawns others, waits again, ends. How it takes an abort: not at all; with the very reason; with
// an AbortError whose cause that is; with an error of its own; with an error of its own, a while later.
const { group: trees } = fc.letrec((tie) => ({
  group: fc.record({
    limit,
    tasks: fc.array(tie('node'), { maxLength: 6, size: 'max', depthIdentifier: 'tree' }),
    pause: delay,
    fails: rarely(false, true),
    awaits: fc.boolean(),
    totalTimeout: rarely(undefined, 4),
  }),
  node: fc.oneof(
    { depthSize: 'small', depthIdentifier: 'tree', withCrossShrink: true },
    tie('leaf'),
    tie('task'),
    tie('group'),
  ),
  leaf: task(fc.constant([])),
  task: task(fc.array(tie('node'), { maxLength: 3, depthIdentifier: 'tree' })),
}));

function rarely(usual, ...others) {
  return fc.oneof({ weight: 10 * others.length, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
}

function task(spawns) {
  return fc.record({
    spawns,
    before: delay,
    after: delay,
    ends: rarely('well', 'throws', 'throws at once'),
    onAbort: fc.constantFrom('ignores', 'honours', 'honours', 'wraps', 'fails', 'fails late'),
  });
}

/** Runs it. @returns the log: { groups, tasks, outcome } */
async function run(tree, TaskGroup, clock) {
  const log = { groups: [], tasks: [], time: 0 };
  const call = TaskGroup.run(bodyOf(tree, log, null, clock), optionsOf(tree));
  try {
    await clock.over(call);
    log.outcome = { isFulfilled: true };
  } catch (error) {
    log.outcome = { isFulfilled: false, error };
  }
  log.ended = log.time++;
  await clock.runUntil(() => false);
  return log;
}

function optionsOf({ limit: most, totalTimeout }) {
  return { limit: most, totalTimeout };
}

function bodyOf(tree, log, parent, clock) {
  return async (group) => {
    const mine = { tree, group, parent, added: 0, started: [], running: 0, most: 0, failed: Infinity, errors: [] };
    log.groups.push(mine);
    group.signal.addEventListener('abort', () => (mine.failed = log.time++));
    const results = tree.tasks.map((node) => start(node, mine, log, clock));
    // With a limit, who waits for tasks that wait for it would wait for ever.
    if (tree.awaits && tree.limit === undefined) for (const result of results) await result;
    await clock.sleep(tree.pause);
    if (tree.fails) throw failure(mine, log, 'body');
    return 'value';
  };
}

function failure(mine, log, name) {
  const error = new Error(name);
  mine.errors.push(error);
  (log.errors ??= []).push(error);
  return error;
}

function start(node, mine, log, clock) {
  const number = mine.added++;
  if (node.tasks !== undefined) {
    return mine.group.nest((inner) => {
      const entry = began(number, mine, log);
      return bodyOf(node, log, mine, clock)(inner).finally(() => (entry.bodyEnded = log.time++));
    }, optionsOf(node));
  }
  return mine.group.run((ctx) => {
    const entry = began(number, mine, log);
    mine.most = Math.max(mine.most, ++mine.running);
    const end = () => {
      mine.running--;
      entry.ended = log.time++;
    };
    if (node.ends === 'throws at once') {
      end();
      throw failure(mine, log, 'at once');
    }
    return live(node, ctx, mine, log, clock).finally(end);
  });
}

function began(number, mine, log) {
  const entry = { mine, number, began: log.time++, ended: undefined };
  mine.started.push(number);
  log.tasks.push(entry);
  return entry;
}

async function live(node, ctx, mine, log, clock) {
  await pause(node, node.before, ctx, mine, log, clock);
  for (const child of node.spawns) start(child, mine, log, clock);
  await pause(node, node.after, ctx, mine, log, clock);
  if (node.ends === 'throws') throw failure(mine, log, 'throws');
  return 'value';
}

function pause({ onAbort }, ms, ctx, mine, log, clock) {
  if (onAbort === 'ignores') return clock.sleep(ms);
  return new Promise((resolve, reject) => {
    const { signal } = ctx;
    const abort = () => {
      const cause = signal.reason;
      if (onAbort === 'honours') reject(cause);
      else if (onAbort === 'wraps') reject(Object.assign(new Error('aborted', { cause }), { name: 'AbortError' }));
      else if (onAbort === 'fails') reject(failure(mine, log, 'fails'));
      else clock.setTimeout(() => reject(failure(mine, log, 'fails late')), 2);
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    clock.setTimeout(() => {
      signal.removeEventListener('abort', abort);
      if (!signal.aborted) resolve();
    }, ms);
  });
}

function verify(tree, log) {
  for (const { tree: spec, group, most, started, errors } of log.groups) {
    assert.ok(most <= (spec.limit ?? Infinity), 'never more than the limit run');
    assert.deepEqual(
      started,
      [...started].sort((a, b) => a - b),
      'tasks start in the order of run()',
    );
    assert.equal(group.size, 0, 'nothing is left');
    if (errors.length > 0) assert.ok(group.signal.aborted, 'a failure aborts the group');
  }
  for (const entry of log.tasks) {
    assert.ok(entry.began < entry.mine.failed, 'nothing starts after a failure');
    const ended = entry.ended ?? entry.bodyEnded;
    assert.ok(ended < log.ended, 'everything has ended before the group settles');
  }
  const all = log.errors ?? [];
  if (log.outcome.isFulfilled) {
    assert.deepEqual(all, [], 'no failure is lost');
    assert.ok(!log.groups.some(({ group }) => group.signal.aborted));
    const count = log.groups.reduce((sum, { added, started }) => sum + added - started.length, 0);
    assert.equal(count, 0, 'every task was started');
    return;
  }
  const leaves = leavesOf(log.outcome.error);
  assert.equal(new Set(leaves).size, leaves.length, 'no failure is told of twice');
  const timeouts = leaves.filter(({ code }) => code === 'ERR_SLUICE_TIMEOUT');
  assert.deepEqual(new Set(leaves), new Set([...timeouts, ...all]), 'every failure is told of');
  if (timeouts.length > 0) return;
  // A nested group tells of its failures when all of it has ended; among its own they have their order.
  if (log.groups.length === 1) assert.deepEqual(leaves, all, 'failures stand in their order');
  assert.ok(
    log.groups.some(({ errors }) => errors[0] === leaves[0]),
    'the first failure stands first',
  );
}

function leavesOf(error) {
  return error instanceof AggregateError ? error.errors.flatMap(leavesOf) : [error];
}

module.exports = { run, trees, verify };
