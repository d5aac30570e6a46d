'use strict';

// TaskGroup: many trivial tasks in one group, beside what knows nothing of a group.

const assert = require('node:assert');

const increment = (i) => async () => i + 1;

const tasksOf = new Map();
/** The same n functions each time: they are not what is measured. */
function tasks(n) {
  if (!tasksOf.has(n)) {
    const made = Array.from({ length: n }, (_, i) => increment(i));
    tasksOf.set(n, made);
  }
  return tasksOf.get(n);
}

function check(results, n) {
  assert.strictEqual(results.length, n);
  results.forEach((value, i) => assert.strictEqual(value, i + 1));
}

module.exports = ({ sluice, twin, ...rivals }) => {
  const contestant = (name, needs, run, n) => ({ name, needs, n, check, run: (n) => run(tasks(n)) });
  const dropped = (contestant) => ({ ...contestant, check: undefined });
  return [
    {
      name: 'group',
      title: 'TaskGroup, 100k trivial async tasks',
      unit: 'ns',
      n: 1e5,
      rounds: 9,
      anchor: 'Promise.all',
      note: '"collected": the body gathers what the tasks give; effect: all of them as fibers, 20k',
      targets: [{ of: 'sluice', against: 'Promise.all', most: 1.3 }],
      contestants: [
        contestant('Promise.all', [], (tasks) => Promise.all(tasks.map((task) => task()))),
        dropped(
          contestant('twin', [], (tasks) =>
            twin.runGroup(async (run) => {
              for (const task of tasks) run(task);
            }),
          ),
        ),
        dropped(
          contestant('sluice', ['sluice.TaskGroup'], (tasks) =>
            sluice.TaskGroup.run(async (group) => {
              for (const task of tasks) group.run(task);
            }),
          ),
        ),
        contestant('sluice, collected', ['sluice.TaskGroup'], (tasks) =>
          sluice.TaskGroup.run((group) => Promise.all(tasks.map((task) => group.run(task)))),
        ),
        dropped(
          contestant('sluice, limit 16', ['sluice.TaskGroup'], (tasks) =>
            sluice.TaskGroup.run(
              async (group) => {
                for (const task of tasks) group.run(task);
              },
              { limit: 16 },
            ),
          ),
        ),
        contestant(
          'effect',
          ['effect'],
          (tasks) => {
            const { Effect } = rivals.effect;
            return Effect.runPromise(
              Effect.forEach(tasks, (task) => Effect.promise(task), { concurrency: 'unbounded' }),
            );
          },
          2e4,
        ),
      ],
    },
  ];
};
