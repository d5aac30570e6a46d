'use strict';

// Recording: read and written as JSON; from events to attempts, waits and numbers; the trace that other tools open.

const assert = require('node:assert/strict');
const fc = require('fast-check');

const { Recording } = require('../../lib/recording');
const { summaryOf } = require('../../lib/recording-summary');
const { timelineOf } = require('../../lib/recording-timeline');
const { SEED, runs } = require('../support/draws');
const { SCENES, recordingOf } = require('../support/recordings');
const { validated } = require('../support/trace-event-format');

const RUNS = runs(1 / 30);

/** A recording of these events: [time, kind, { lane, item, attempt, ... }] of call 1, if they do not say another. */
function recording(events, fields = {}) {
  return new Recording({
    version: 1,
    startedAt: 1_700_000_000_000,
    duration: 1000,
    lost: 0,
    thread: 0,
    pid: 1,
    jobs: [{ id: 1, name: 'load' }],
    events: events.map(([time, kind, more]) => ({ time, kind, job: 1, lane: 0, item: 0, attempt: 1, ...more })),
    ...fields,
  });
}

const barsOf = (events, fields) => timelineOf(recording(events, fields)).bars;

const anyCall = fc.record({
  name: fc.constantFrom('load', 'save', 'fetch'),
  at: fc.integer({ min: 0, max: 200 }),
  items: fc.integer({ min: 0, max: 15 }),
  limit: fc.integer({ min: 1, max: 5 }),
  failing: fc.constantFrom(0, 0.3, 1),
  hanging: fc.constantFrom(0, 0.3),
  timeout: fc.constantFrom(Infinity, 60),
  retries: fc.integer({ min: 0, max: 2 }),
  rate: fc.constantFrom(null, { max: 3, per: 50 }),
  semaphore: fc.constantFrom(null, 'shared'),
  stopsOnError: fc.boolean(),
  abortAt: fc.constantFrom(Infinity, 90),
});
const anyWorld = fc.record({
  seed: fc.nat(),
  calls: fc.array(anyCall, { maxLength: 6 }),
  blocks: fc.constantFrom([], [[50, 40]]),
  semaphores: fc.constant({ shared: 2 }),
  until: fc.constantFrom(Infinity, 150),
});

// Not what any program does: every kind at any time, so that no reader falls over what it did not expect.
const KINDS =
  'open start settle fail retry timeout abandon late park wake yield abort close block something-of-a-later-version'.split(
    ' ',
  );
const anyEvents = fc.array(
  fc.record({
    after: fc.constantFrom(0, 0, 0.25, 3, 40),
    kind: fc.constantFrom(...KINDS, 'start', 'settle'),
    job: fc.integer({ min: -1, max: 3 }),
    lane: fc.integer({ min: -1, max: 2 }),
    item: fc.integer({ min: -1, max: 3 }),
    attempt: fc.integer({ min: 0, max: 2 }),
    reason: fc.constantFrom(undefined, 'attempt', 'total', 'wait', 'backoff', 'rate', 'fail', 'what'),
    ms: fc.constantFrom(undefined, 0, 7, 900),
  }),
  { maxLength: 60 },
);

function chaosOf(list, lost) {
  let time = 0;
  const events = list.map(({ after, reason, ms, ...event }) => ({
    time: (time += after),
    ...event,
    ...(reason !== undefined && { reason }),
    ...(ms !== undefined && { ms }),
  }));
  const jobs = [1, 2, 3].map((id) => ({ id, name: 'same' }));
  return new Recording({ startedAt: 0, duration: time, lost, thread: 1, pid: 2, jobs, events });
}

const anyChaos = fc.tuple(anyEvents, fc.constantFrom(0, 5)).map(([list, lost]) => chaosOf(list, lost));

function check(property, part = 1) {
  fc.assert(property, { seed: SEED, numRuns: Math.ceil(RUNS * part) });
}

/** Of whatever was recorded. */
function checkTimeline(given) {
  const { begin, end, groups, bars, waits, blocks } = timelineOf(given);
  const starts = given.events.filter(({ kind, job, lane }) => kind === 'start' && (job >= 0 || lane >= 0)).map(idOf);
  const begun = bars.filter(({ startsBefore }) => !startsBefore);
  const shown = begun.map((bar) => idOf({ ...bar, time: bar.start, job: Math.max(-1, bar.call) }));
  assert.deepEqual(shown.sort(), starts.sort());
  for (const each of [...bars, ...waits, ...blocks]) {
    assert.ok(begin <= each.start && each.start <= each.end && each.end <= end, JSON.stringify(each));
  }
  for (const { end: ended, tail } of bars) {
    if (tail !== null) assert.ok(tail.start === ended && tail.end >= ended && tail.end <= end);
  }
  const rows = groups.flatMap((group) => group.rows);
  assert.equal(rows.flatMap((row) => row.bars).length, bars.length, 'each bar is in a row');
  assert.equal(new Set(rows.flatMap((row) => row.bars)).size, bars.length, 'and in only one');
  assert.equal(new Set(rows.flatMap((row) => row.waits)).size, waits.length);
  for (const row of rows) {
    for (let index = 1; index < row.bars.length; index++) {
      assert.ok(row.bars[index - 1].end <= row.bars[index].start, 'bars of a row do not overlap');
    }
  }
}

function idOf({ time, job, lane, item, attempt }) {
  return `${time} ${job} ${lane} ${item} ${attempt}`;
}

describe('Recording', () => {
  describe('as JSON', () => {
    it('comes back as it was', () => {
      check(
        fc.property(anyWorld, (plan) => {
          const original = new Recording(recordingOf(plan));
          const back = Recording.read(JSON.stringify(original));
          assert.ok(back instanceof Recording);
          assert.deepEqual(back, original);
        }),
      );
    });

    it('is read from a string, a Buffer, and a part of an ArrayBuffer', () => {
      const original = recording([[1, 'start']]);
      const text = JSON.stringify(original);
      const bytes = new TextEncoder().encode(`###${text}###`);
      for (const source of [
        text,
        Buffer.from(text),
        bytes.subarray(3, -3),
        new DataView(bytes.buffer, 3, text.length),
      ]) {
        assert.deepEqual(Recording.read(source), original);
      }
    });

    it('says what is wrong with what is none', () => {
      const good = recording([[1, 'start']]).toJSON();
      const bad = [
        ['', /not JSON, or not all of it/],
        [JSON.stringify(good).slice(0, -5), /not JSON, or not all of it/],
        ['null', /not an object/],
        ['[]', /not an object/],
        ['{}', /its version is undefined, and this package reads 1/],
        [{ ...good, version: 2 }, /its version is 2/],
        [{ ...good, duration: -1 }, /duration is not a number of milliseconds: -1/],
        [{ ...good, lost: 0.5 }, /lost is not a count: 0.5/],
        [{ ...good, startedAt: null }, /startedAt is not a time/],
        [{ ...good, events: {} }, /events is not a list: \{\}/],
        [{ ...good, jobs: [{ id: 1 }] }, /jobs\[0\]\.name is not a string: undefined/],
        [{ ...good, jobs: [7] }, /jobs\[0\] is no object/],
        [
          { ...good, events: [good.events[0], { ...good.events[0], time: 'x'.repeat(99) }] },
          /events\[1\]\.time is not .*: "x{59}…$/,
        ],
        [{ ...good, events: [{ ...good.events[0], lane: -2 }] }, /events\[0\]\.lane is not a number or -1: -2/],
        [{ ...good, events: [{ ...good.events[0], reason: 3 }] }, /events\[0\]\.reason/],
      ];
      for (const [source, message] of bad) {
        const text = typeof source === 'string' ? source : JSON.stringify(source);
        assert.throws(() => Recording.read(text), { name: 'SluiceError', code: 'ERR_SLUICE_RECORDING', message });
      }
    });

    it('asks for a string or bytes', () => {
      for (const source of [undefined, null, 1, {}, []]) {
        assert.throws(() => Recording.read(source), {
          name: 'TypeError',
          code: 'ERR_INVALID_ARG_TYPE',
          message: /The "source" argument must be a string or a Buffer/,
        });
      }
    });
  });

  describe('as a timeline', () => {
    it('has each start as one bar, and no time that cannot be, whatever was recorded', () => {
      check(
        fc.property(anyWorld, fc.constantFrom(Infinity, 20), (plan, keep) =>
          checkTimeline(recordingOf({ ...plan, keep })),
        ),
      );
      check(fc.property(anyChaos, checkTimeline), 4);
    });

    it('tells of a whole recording exactly what happened', () => {
      check(
        fc.property(anyWorld, (plan) => {
          const given = recordingOf({ ...plan, until: Infinity });
          const { bars, strays } = timelineOf(given);
          const told = (kind) => given.events.filter((event) => event.kind === kind).length;
          const shown = (outcome) => bars.filter((bar) => bar.outcome === outcome).length;
          assert.equal(shown('fulfilled'), told('settle'));
          assert.equal(shown('timeout'), told('timeout'));
          assert.equal(shown('failed'), told('fail'));
          const backoffs = given.events.filter(({ kind, reason }) => kind === 'park' && reason === 'backoff');
          assert.equal(bars.filter(({ delay }) => delay !== null).length, backoffs.length);
          assert.equal(backoffs.length, told('retry'));
          const tails = bars.map(({ tail }) => tail).filter((tail) => tail !== null);
          assert.equal(tails.length, told('abandon'));
          assert.equal(tails.filter(({ isUnknown }) => !isUnknown).length, told('late'));
          assert.ok(tails.every(({ isOpen }) => !isOpen));
          const ended = told('settle') + told('fail') + shown('retried') + told('timeout');
          assert.equal(shown('aborted'), told('start') - ended, 'who did not end by himself was stopped');
          assert.equal(shown('open'), 0);
          assert.ok(bars.every(({ startsBefore }) => !startsBefore));
          assert.deepEqual(strays, []);
        }),
      );
    });

    it('leaves the events as they are', () => {
      const given = SCENES.twenty();
      for (const event of given.events) Object.freeze(event);
      Object.freeze(given.events);
      timelineOf(given);
    });

    it('takes events that are not in order as they happened', () => {
      const [bar] = barsOf([
        [9, 'settle'],
        [4, 'start'],
      ]);
      assert.deepEqual([bar.start, bar.end, bar.outcome], [4, 9, 'fulfilled']);
    });

    it('begins an attempt whose start was overwritten where the ring now begins, and says so', () => {
      const events = [
        [300, 'yield', { lane: 1 }],
        [320, 'settle'],
        [350, 'start', { item: 1 }],
      ];
      const [before, known] = barsOf(events, { lost: 8 });
      assert.deepEqual([before.start, before.end, before.startsBefore], [300, 320, true]);
      assert.equal(known.startsBefore, false);
    });

    it('does not begin it before its lane was free', () => {
      const bars = barsOf(
        [
          [300, 'settle', { item: 0 }],
          [340, 'settle', { item: 1 }],
        ],
        { lost: 8 },
      );
      assert.deepEqual(
        bars.map(({ item, start, end }) => [item, start, end]),
        [
          [0, 300, 300],
          [1, 300, 340],
        ],
      );
    });

    it('ends with the recording what has no end yet, and says so', () => {
      const { bars, waits } = timelineOf(
        recording([
          [100, 'start'],
          [200, 'park', { lane: 1, reason: 'rate' }],
        ]),
      );
      assert.deepEqual([bars[0].end, bars[0].outcome], [1000, 'open']);
      assert.deepEqual([waits[0].end, waits[0].isOpen], [1000, true]);
    });

    it('shows how long an abandoned attempt ran on, though its lane does other work', () => {
      const [slow, next] = barsOf([
        [0, 'start'],
        [50, 'timeout', { reason: 'attempt' }],
        [50, 'abandon'],
        [50, 'fail'],
        [50, 'start', { item: 1 }],
        [90, 'late', { lane: -1 }],
      ]);
      assert.deepEqual([slow.outcome, slow.scope, slow.end, slow.isFinal], ['timeout', 'attempt', 50, true]);
      assert.deepEqual({ ...slow.tail }, { start: 50, end: 90, isOpen: false, isUnknown: false, isGuess: false });
      assert.equal(next.tail, null);
    });

    it('keeps two abandoned attempts of the same item apart', () => {
      const bars = barsOf([
        [0, 'start', { item: -1, lane: 0 }],
        [0, 'start', { item: -1, lane: 1 }],
        [10, 'abandon', { item: -1, lane: 0 }],
        [20, 'abandon', { item: -1, lane: 1 }],
        [30, 'late', { item: -1, lane: -1 }],
      ]);
      assert.deepEqual(
        bars.map(({ tail }) => tail.isOpen),
        [false, true],
      );
    });

    const fates = (bars) => bars.map(({ tail }) => tail && [tail.end, tail.isOpen, tail.isUnknown, tail.isGuess]);
    const ofTheCall = { lane: -1, item: -1, attempt: 0 };

    it('takes the late end of some attempt for that of the first abandoned one, and says that it guesses', () => {
      const bars = barsOf([
        [0, 'start', { lane: 0, item: 0 }],
        [0, 'start', { lane: 1, item: 1 }],
        [10, 'timeout', { lane: 0, item: 0, reason: 'attempt' }],
        [10, 'abandon', { lane: 0, item: 0 }],
        [12, 'timeout', { lane: 1, item: 1, reason: 'attempt' }],
        [12, 'abandon', { lane: 1, item: 1 }],
        [20, 'late', ofTheCall],
        [30, 'late', ofTheCall],
      ]);
      assert.deepEqual(fates(bars), [
        [20, false, false, true],
        [30, false, false, false],
      ]);
    });

    it('says that nobody knows when an attempt ended that outlived its call', () => {
      const bars = barsOf([
        [0, 'start'],
        [10, 'timeout', { reason: 'attempt' }],
        [10, 'abandon'],
        [50, 'close', { ...ofTheCall, reason: 'done' }],
      ]);
      assert.deepEqual(fates(bars), [[50, false, true, false]]);
    });

    it('has what runs outside of calls apart, each time', () => {
      const outside = { job: -1, item: -1 };
      const { groups } = timelineOf(
        recording([
          [0, 'start', { ...outside, lane: 7 }],
          [5, 'start', { ...outside, lane: 8 }],
          [10, 'timeout', { ...outside, lane: 7, reason: 'attempt' }],
          [10, 'abandon', { ...outside, lane: 7 }],
          [20, 'start', { ...outside, lane: 7 }],
          [25, 'settle', { ...outside, lane: 8 }],
          [30, 'settle', { ...outside, lane: 7 }],
          [40, 'park', { ...outside, lane: 2 ** 31, attempt: 0, reason: 'limit' }],
          [45, 'wake', { ...outside, lane: 2 ** 31, attempt: 0, reason: 'limit' }],
        ]),
      );
      assert.deepEqual(
        groups.map(({ name, calls, rows }) => [name, calls.length, rows.length]),
        [
          ['withTimeout', 3, 2],
          ['waiting outside of calls', 1, 1],
        ],
      );
      const bars = groups[0].rows.flatMap((row) => row.bars);
      assert.equal(new Set(bars.map(({ call }) => call)).size, 3);
      assert.deepEqual(bars.map(({ outcome }) => outcome).sort(), ['fulfilled', 'fulfilled', 'timeout']);
      assert.deepEqual(fates(bars.filter(({ tail }) => tail !== null)), [[10, false, true, false]]);
    });

    it('knows of an attempt that timed out that it is tried again', () => {
      const [first] = barsOf([
        [0, 'start'],
        [10, 'timeout', { reason: 'attempt' }],
        [10, 'abandon'],
        [10, 'retry', { ms: 25 }],
        [10, 'park', { attempt: 2, reason: 'backoff', ms: 25 }],
        [36, 'wake', { attempt: 2, reason: 'backoff' }],
        [36, 'start', { attempt: 2 }],
      ]);
      assert.deepEqual([first.outcome, first.delay], ['timeout', 25]);
    });

    it('counts the late end of an attempt that nothing else is known of', () => {
      const { bars, strays } = timelineOf(recording([[300, 'late', { lane: -1 }]], { lost: 3 }));
      assert.deepEqual([bars.length, strays.length], [0, 1]);
    });

    for (const [kind, more, outcome, known] of [
      ['abort', { lane: -1, item: -1, attempt: 0 }, 'aborted', 1000],
      ['close', { lane: -1, item: -1, attempt: 0, reason: 'fail' }, 'aborted', 40],
      ['timeout', { lane: -1, item: -1, attempt: 0, reason: 'total' }, 'timeout', 1000],
    ]) {
      it(`ends by ${kind} of the call whatever runs in it`, () => {
        const bars = barsOf([
          [0, 'start', { lane: 0, item: 0 }],
          [5, 'start', { lane: 1, item: 1 }],
          [40, kind, more],
          [40, 'abandon', { lane: 0, item: 0 }],
          [70, 'late', { lane: -1, item: 1 }],
        ]);
        assert.deepEqual(
          bars.map((bar) => [bar.outcome, bar.end, bar.tail.end]),
          [
            [outcome, 40, known],
            [outcome, 40, 70],
          ],
        );
      });
    }

    it('lets what its call still waits for end as it ends', () => {
      const [bar] = barsOf([
        [0, 'start'],
        [40, 'close', { lane: -1, item: -1, attempt: 0, reason: 'drain' }],
        [60, 'settle'],
      ]);
      assert.deepEqual([bar.outcome, bar.end, bar.tail], ['fulfilled', 60, null]);
    });

    it('knows the wait before a retry by its delay where nobody told of one', () => {
      const { waits } = timelineOf(
        recording([
          [0, 'start'],
          [10, 'retry', { ms: 30 }],
          [45, 'start', { attempt: 2 }],
        ]),
      );
      assert.deepEqual(
        waits.map(({ reason, start, end }) => [reason, start, end]),
        [['backoff', 10, 40]],
      );
    });

    it('bounds a blocked time by the one before and the beginning', () => {
      const { blocks } = timelineOf(
        recording([
          [30, 'block', { ms: 50 }],
          [60, 'block', { ms: 40 }],
          [61, 'block', { ms: 0 }],
        ]),
      );
      assert.deepEqual(
        blocks,
        [
          { start: 0, end: 30 },
          { start: 30, end: 60 },
          { start: 60, end: 61 },
        ].slice(0, blocks.length),
      );
      assert.equal(blocks.length, 2, 'and leaves out one without length');
    });

    it('puts many calls of one name into few rows, each where its lanes are free', () => {
      const events = [0, 1, 2, 3, 4].flatMap((call) => [
        [call * 10, 'start', { job: call }],
        [call * 10 + 15, 'settle', { job: call }],
      ]);
      const jobs = [0, 1, 2, 3, 4].map((id) => ({ id, name: 'load' }));
      const { groups } = timelineOf(
        recording(
          events.sort(([one], [other]) => one - other),
          { jobs },
        ),
      );
      assert.equal(groups.length, 1);
      assert.deepEqual(
        groups[0].rows.map(({ bars }) => bars.map(({ call }) => call)),
        [
          [0, 2, 4],
          [1, 3],
        ],
      );
    });

    it('keeps a few calls of one name apart', () => {
      const events = [1, 2].map((job) => [job, 'start', { job }]);
      const jobs = [1, 2].map((id) => ({ id, name: 'load' }));
      assert.equal(timelineOf(recording(events, { jobs })).groups.length, 2);
    });
  });

  describe('in numbers', () => {
    it('counts what runs at once as a dumb count does', () => {
      check(
        fc.property(anyWorld, (plan) => {
          const timeline = timelineOf(recordingOf(plan));
          const { bars } = timeline;
          const most = bars.map(({ start }) => bars.filter((bar) => bar.start <= start && start < bar.end).length);
          assert.equal(summaryOf(timeline).concurrency.most, Math.max(Math.min(1, bars.length), ...most));
        }),
      );
    });

    it('has the slowest and the most retried items first', () => {
      const summary = summaryOf(timelineOf(SCENES.twoThousand()));
      const took = summary.slowest.map(({ start, end }) => end - start);
      assert.deepEqual(
        took,
        [...took].sort((one, other) => other - one),
      );
      assert.ok(
        summary.mostTried.every(({ attempts }, index, list) => index === 0 || attempts <= list[index - 1].attempts),
      );
      assert.ok(summary.mostTried[0].attempts > 1);
    });

    it('has percentiles of the attempts that ended by themselves, by nearest rank', () => {
      const events = Array.from({ length: 10 }, (_, lane) => [
        [0, 'start', { lane, item: lane }],
        [(lane + 1) * 10, 'settle', { lane, item: lane }],
      ]).flat();
      events.push([0, 'start', { lane: 10, item: 10 }]);
      const { percentiles } = summaryOf(timelineOf(recording(events)));
      assert.deepEqual(percentiles, { p50: 50, p90: 90, p99: 100, max: 100 });
    });

    it('has no percentile of nothing', () => {
      const { percentiles, concurrency } = summaryOf(timelineOf(recording([])));
      assert.deepEqual(percentiles, { p50: null, p90: null, p99: null, max: null });
      assert.deepEqual(concurrency, { most: 0, at: 0, mean: 0 });
    });
  });

  describe('as a Chrome trace', () => {
    for (const scene of Object.keys(SCENES)) {
      it(`keeps the rules of the format: ${scene}`, () => {
        const given = new Recording(SCENES[scene]());
        const events = validated(given.toChromeTrace());
        const attempts = events.filter(({ ph, args }) => ph === 'X' && 'attempt' in args && 'outcome' in args);
        assert.equal(attempts.length, timelineOf(given).bars.length);
      });
    }

    it('keeps them whatever was recorded', () => {
      check(fc.property(anyWorld, (plan) => void validated(new Recording(recordingOf(plan)).toChromeTrace())));
      check(
        fc.property(anyChaos, (given) => void validated(given.toChromeTrace())),
        2,
      );
    });

    it('says what each attempt was, and marks what is not whole', () => {
      const given = recording(
        [
          [300, 'retry', { ms: 25, attempt: 2 }],
          [330, 'start', { attempt: 3 }],
          [400, 'timeout', { attempt: 3, reason: 'attempt' }],
          [400, 'abandon', { attempt: 3 }],
          [410, 'start', { item: 1 }],
        ],
        { lost: 2, jobs: [{ id: 1, name: 'load', label: 'load </script> "it"' }] },
      );
      const events = validated(given.toChromeTrace());
      const named = (name) => events.filter((event) => event.name === name);
      const [retried] = named('item 0, attempt 2');
      assert.deepEqual([retried.ph, retried.ts, retried.dur], ['X', 300_000, 0]);
      assert.deepEqual(
        [retried.args.outcome, retried.args.delay, retried.args.startsBeforeRecording, retried.args.label],
        ['retried', 25, true, 'load </script> "it"'],
      );
      const [timedOut] = named('item 0, attempt 3');
      assert.deepEqual([timedOut.ts, timedOut.dur, timedOut.args.outcome], [330_000, 70_000, 'timeout']);
      const [open] = named('item 1');
      assert.deepEqual([open.dur, open.args.outcome, open.args.isOpenAtEnd], [590_000, 'open', true]);
      const tail = events.filter(({ cat }) => cat === 'abandoned');
      assert.deepEqual(
        tail.map(({ ph, ts, args }) => [ph, ts, args.isOpenAtEnd]),
        [
          ['b', 400_000, true],
          ['e', 1_000_000, undefined],
        ],
      );
      assert.deepEqual(named('timeout (attempt)').length, 1);
      assert.deepEqual(named('2 events before this were overwritten').length, 1);
      assert.deepEqual(
        named('attempts').map(({ ts, args }) => [ts, args.running, args.abandoned]),
        [
          [300_000, 0, 0],
          [330_000, 1, 0],
          [400_000, 0, 1],
          [410_000, 1, 1],
          [1_000_000, 0, 0],
        ],
      );
    });
  });
});
