'use strict';

// Recordings, for tests.

const assert = require('node:assert/strict');

/** Events in words: "5 retry 0 3.1 100" is attempt 1 of item 3 in lane 0, at 5 ms, to be made again after 100 ms. */
function inWords({ events }) {
  return events.map(({ time, kind, lane, item, attempt, reason, ms }) => {
    const row = lane >= 2 ** 31 ? `w${lane - 2 ** 31}` : lane;
    const words = [
      time,
      kind,
      lane < 0 ? null : row,
      item < 0 ? null : `${item}.${attempt}`,
      reason ?? null,
      ms ?? null,
    ];
    return words.filter((word) => word !== null).join(' ');
  });
}

const ENDS = new Set(['settle', 'fail', 'retry', 'timeout']);

/**
 * What is true of every recording that is whole: times do not go back; between two starts on a lane there is exactly one
 * end, and behind a timeout maybe a retry; every attempt that is not over when its job is ends with it; no more run at once than `limit`.
 */
function checkWhole({ events, jobs, lost, duration }, limit = Infinity) {
  assert.equal(lost, 0);
  let latest = 0;
  const running = new Map(); // by lane: "job item.attempt"
  const open = new Set();
  const overdue = new Map(); // by lane: the attempt that timed out there last
  for (const event of events) {
    const { time, kind, job, lane, item, attempt } = event;
    assert.ok(time >= latest && time <= duration, `at ${time}, behind ${latest}`);
    latest = time;
    const what = `${job} ${item}.${attempt}`;
    if (kind === 'open') {
      assert.ok(job >= 0 && !open.has(job));
      open.add(job);
    } else if (job >= 0) {
      assert.ok(open.has(job), `${kind} of a job that is not open`);
    }
    if (kind === 'start') {
      assert.ok(!running.has(lane), `a second start on lane ${lane}`);
      running.set(lane, what);
      const ofJob = [...running.values()].filter((one) => one.startsWith(`${job} `));
      assert.ok(job < 0 || ofJob.length <= limit, `${ofJob.length} run at once`);
    } else if (ENDS.has(kind) && running.has(lane)) {
      assert.equal(what, running.get(lane), `${kind} of what does not run`);
      running.delete(lane);
      if (kind === 'timeout') overdue.set(lane, what);
    } else if (kind === 'retry') {
      assert.equal(what, overdue.get(lane), 'retry of what has not failed');
      overdue.delete(lane);
    } else if (ENDS.has(kind)) {
      assert.equal(kind, 'timeout', `${kind} of nothing`); // of a wait, or a whole job
    } else if (kind === 'close') {
      open.delete(job);
      for (const [its, ran] of running) if (ran.startsWith(`${job} `)) running.delete(its);
    }
  }
  for (const { id, name } of jobs) assert.ok(name.length > 0, `job ${id} has no name`);
  return { running, open };
}

module.exports = { checkWhole, inWords };
