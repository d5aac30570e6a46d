'use strict';

// The flight recorder: what it tells of a call.

const assert = require('node:assert/strict');

const sluice = require('../..');
const { consume, execute, mapSettled, mapStream, mapWithLimit, retry, waitFor, withTimeout } = require('../..');
const { RateLimiter, Recording, Semaphore, recorder, skip, stop } = require('../..');
const { rejection, turn } = require('../support/outcomes');
const { checkWhole, inWords } = require('../support/recorded');
const { virtualClock } = require('../support/virtual-clock');

const never = () => new Promise(() => {});

describe('recorder, on a virtual clock', () => {
  const clock = virtualClock();
  beforeEach(() => recorder.start());

  /** What is recorded of this call, and of nothing else. */
  async function eventsOf(call, limit) {
    await clock.over(call()).catch(() => {});
    const recording = recorder.snapshot();
    checkWhole(recording, limit);
    return inWords(recording);
  }

  it('tells of items that are fulfilled', async () => {
    const call = () => mapWithLimit([3, 1, 2], 2, (ms) => clock.sleep(ms));
    assert.deepEqual(await eventsOf(call, 2), [
      '0 open',
      '0 start 0 0.1',
      '0 start 1 1.1',
      '1 settle 1 1.1',
      '1 start 1 2.1',
      '3 settle 0 0.1',
      '3 settle 1 2.1',
      '3 close done',
    ]);
  });

  it('tells of retries with their waits, of timeouts, of what is abandoned and ends late', async () => {
    const mapper = (item, _index, { attempt }) => {
      if (item === 'flaky' && attempt === 1) return Promise.reject(new Error('once'));
      if (item === 'broken') return Promise.reject(new Error('always'));
      return clock.sleep(item === 'slow' ? 25 : 2);
    };
    const retryPolicy = { retries: 1, delay: 5, backoff: 'constant', jitter: 'none' };
    const call = () => mapSettled(['flaky', 'slow', 'broken'], 2, mapper, { timeout: 10, retry: retryPolicy });
    assert.deepEqual(await eventsOf(call, 2), [
      '0 open',
      '0 start 0 0.1',
      '0 start 1 1.1',
      '0 retry 0 0.1 5',
      '0 park 0 0.2 backoff 5',
      '5 wake 0 0.2 backoff',
      '5 start 0 0.2',
      '7 settle 0 0.2',
      '7 start 0 2.1',
      '7 retry 0 2.1 5',
      '7 park 0 2.2 backoff 5',
      '10 timeout 1 1.1 attempt',
      '10 abandon 1 1.1',
      '10 retry 1 1.1 5',
      '10 park 1 1.2 backoff 5',
      '12 wake 0 2.2 backoff',
      '12 start 0 2.2',
      '12 fail 0 2.2',
      '15 wake 1 1.2 backoff',
      '15 start 1 1.2',
      '25 late 1.1',
      '25 timeout 1 1.2 attempt',
      '25 abandon 1 1.2',
      '25 close done',
    ]);
  });

  it('tells of the late end of an abandoned attempt', async () => {
    const mapper = (item) => clock.sleep(item);
    const call = () => mapSettled([15, 9, 9], 1, mapper, { timeout: 10 });
    assert.deepEqual(await eventsOf(call, 1), [
      '0 open',
      '0 start 0 0.1',
      '10 timeout 0 0.1 attempt',
      '10 abandon 0 0.1',
      '10 start 0 1.1',
      '15 late 0.1',
      '19 settle 0 1.1',
      '19 start 0 2.1',
      '28 settle 0 2.1',
      '28 close done',
    ]);
  });

  it('tells of the first failure, which ends the others', async () => {
    const call = () =>
      mapWithLimit([1, 2, 3], 2, (ms) => clock.sleep(ms).then(() => Promise.reject(new Error('first'))));
    assert.deepEqual(await eventsOf(call, 2), [
      '0 open',
      '0 start 0 0.1',
      '0 start 1 1.1',
      '1 fail 0 0.1',
      '1 close fail',
    ]);
  });

  it('tells of a drain', async () => {
    const mapper = (ms) => (ms === 1 ? clock.sleep(1).then(() => Promise.reject(new Error('x'))) : clock.sleep(ms));
    const call = () => mapWithLimit([1, 9, 5], 2, mapper, { drain: true });
    assert.deepEqual(await eventsOf(call, 2), [
      '0 open',
      '0 start 0 0.1',
      '0 start 1 1.1',
      '1 fail 0 0.1',
      '9 settle 1 1.1',
      '9 close drain',
    ]);
  });

  it('tells of the times of an item and of the call', async () => {
    const call = () => mapSettled([0, 0], 1, never, { itemTimeout: 10, totalTimeout: 15 });
    assert.deepEqual(await eventsOf(call, 1), [
      '0 open',
      '0 start 0 0.1',
      '10 timeout 0 0.1 item',
      '10 abandon 0 0.1',
      '10 start 0 1.1',
      '15 timeout total',
      '15 close fail',
    ]);
  });

  it('tells of an abort', async () => {
    const controller = new AbortController();
    clock.setTimeout(() => controller.abort(), 4);
    const call = () => mapWithLimit([0], 1, never, { signal: controller.signal });
    assert.deepEqual(await eventsOf(call, 1), ['0 open', '0 start 0 0.1', '4 abort', '4 close fail']);
  });

  it('tells who waits for a token, of a rate or a limiter', async () => {
    const expected = [
      '0 open',
      '0 start 0 0.1',
      '0 settle 0 0.1',
      '0 park 0 1.1 rate',
      '10 wake 0 1.1 rate',
      '10 start 0 1.1',
      '10 settle 0 1.1',
      '10 close done',
    ];
    const rate = { max: 1, per: 10, burst: 1 };
    assert.deepEqual(await eventsOf(() => mapWithLimit([0, 0], 2, () => {}, { rate })), expected);
    clock.reset();
    recorder.start();
    assert.deepEqual(
      await eventsOf(() => mapWithLimit([0, 0], 2, () => {}, { rate: new RateLimiter(rate) })),
      expected,
    );
  });

  it('tells who waits for a permit, be it an item or somebody else', async () => {
    const semaphore = new Semaphore(1);
    const permit = semaphore.tryAcquire();
    const patient = semaphore.acquire({ timeout: 100 }).then((granted) => granted.release());
    const late = rejection(semaphore.acquire({ timeout: 5 }));
    clock.setTimeout(() => permit.release(), 7);
    const call = () => mapWithLimit([0], semaphore, () => {});
    const seen = eventsOf(call);
    assert.deepEqual(await seen, [
      '0 park w0 limit',
      '0 park w1 limit',
      '0 open',
      '0 park 0 0.1 limit',
      '5 timeout w1 wait',
      '7 wake w0 limit',
      '7 wake 0 0.1 limit',
      '7 start 0 0.1',
      '7 settle 0 0.1',
      '7 close done',
    ]);
    await Promise.all([patient, late]);
  });

  it('tells of an item that is left out, and of a stop', async () => {
    const mapper = (item) => clock.sleep(1).then(() => item);
    assert.deepEqual(await eventsOf(() => mapWithLimit([skip, stop, 0], 1, mapper), 1), [
      '0 open',
      '0 start 0 0.1',
      '1 settle 0 0.1',
      '1 start 0 1.1',
      '2 settle 0 1.1',
      '2 close done',
    ]);
  });

  it('tells of a guard, without a job', async () => {
    const call = async () => {
      await withTimeout(clock.sleep(3), 10);
      await withTimeout(never(), 10).catch(() => {});
    };
    assert.deepEqual(await eventsOf(call), [
      '0 start 0',
      '3 start 1',
      '3 settle 0',
      '13 timeout 1 attempt',
      '13 abandon 1',
    ]);
    assert.deepEqual(recorder.snapshot().jobs, []);
  });

  it('tells of the first attempt of a retry that nothing bounds', async () => {
    const fn = ({ attempt }) => clock.sleep(2).then(() => attempt > 1 || Promise.reject(new Error('once')));
    assert.deepEqual(await eventsOf(() => retry(fn, 1, 10), 1), [
      '0 open',
      '0 start 0 0.1',
      '2 retry 0 0.1 10',
      '2 park 0 0.2 backoff 10',
      '12 wake 0 0.2 backoff',
      '12 start 0 0.2',
      '14 settle 0 0.2',
      '14 close done',
    ]);
  });

  it('tells of every item, also of those that C granted and does not see', async () => {
    const items = Array.from({ length: 500 }, (_, i) => i);
    clock.warmUp();
    await clock.over(mapWithLimit(items, 7, async (item) => item));
    const recording = recorder.snapshot();
    checkWhole(recording, 7);
    const starts = recording.events.filter(({ kind }) => kind === 'start').map(({ item }) => item);
    assert.deepEqual(starts, items);
    assert.equal(recording.events.filter(({ kind }) => kind === 'settle').length, 500);
  });

  it('a mapper that blocks in a granted run: the time is that item’s, and of those that ran beside it', async () => {
    const items = Array.from({ length: 200 }, (_, i) => i);
    clock.warmUp();
    const slow = (item) => {
      if (item === 103) clock.now += 100;
    };
    await clock.over(mapWithLimit(items, 4, async (item) => slow(item)));
    const { events } = recorder.snapshot();
    const began = new Map(events.filter(({ kind }) => kind === 'start').map(({ item, time }) => [item, time]));
    const ended = new Map(events.filter(({ kind }) => kind === 'settle').map(({ item, time }) => [item, time]));
    assert.equal(ended.get(103) - began.get(103), 100);
    for (const item of items.slice(0, 100)) assert.equal(ended.get(item), began.get(103), `${item} was over before`);
    for (const item of items.slice(107)) assert.equal(began.get(item), ended.get(103), `${item} came behind`);
  });

  it('tells in the middle of a granted run who runs', async () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    clock.warmUp();
    let recording;
    await clock.over(
      mapWithLimit(items, 2, async (item) => {
        if (item === 50) recording = recorder.snapshot();
      }),
    );
    const { running } = checkWhole(recording, 2);
    assert.ok([...running.values()].includes('0 50.1'), [...running.values()].join());
  });

  it('keeps the latest, and counts those that are lost', async () => {
    recorder.start({ events: 4 });
    await clock.over(mapWithLimit([0, 0, 0], 1, () => clock.sleep(1)));
    const recording = recorder.snapshot();
    assert.deepEqual(inWords(recording), ['2 start 0 2.1', '3 settle 0 2.1', '3 close done']); // and a start that came to nothing
    assert.equal(recording.lost, 5);
  });

  it('numbers jobs as they appear, and names them', async () => {
    const controller = new AbortController();
    async function fetchPage() {}
    const calls = [
      [() => mapWithLimit([0], 1, fetchPage, { label: 'pages' }), 'pages'],
      [() => mapWithLimit([0], 1, fetchPage), 'fetchPage'],
      [() => mapWithLimit([0], 1, () => {}), 'mapWithLimit'],
      [() => mapSettled([0], 1, () => {}), 'mapSettled'],
      [() => consume([0], () => {}), 'consume'],
      [() => retry(() => {}, { signal: controller.signal }), 'retry'],
      [() => retry(fetchPage), 'fetchPage'],
      [() => execute(() => {}), 'execute'],
      [() => execute(fetchPage), 'fetchPage'],
      [() => waitFor(() => true), 'waitFor'],
      [
        () =>
          waitFor(function isUp() {
            return true;
          }),
        'isUp',
      ],
      [() => sluice.allSettled([0], { totalTimeout: 10 }), 'allSettled'],
      [() => mapStream([0], 1, () => {}).next(), 'mapStream'],
      [() => sluice.asCompleted([0]).next(), 'asCompleted'],
    ];
    for (const [call] of calls) await clock.over(call());
    const { jobs } = recorder.snapshot();
    assert.deepEqual(
      jobs,
      calls.map(([, name], id) => ({ id, name })),
    );
  });

  it('takes a name that is no text for none', async () => {
    const mappers = ['', 5, Symbol('s'), null].map((value) => Object.defineProperty(() => {}, 'name', { value }));
    mappers.push(
      Object.defineProperty(() => {}, 'name', {
        get() {
          throw new Error('not to be had');
        },
      }),
    );
    for (const mapper of mappers) await clock.over(mapWithLimit([0], 1, mapper));
    assert.deepEqual(new Set(recorder.snapshot().jobs.map(({ name }) => name)), new Set(['mapWithLimit']));
  });

  it('cuts a long name at a character', async () => {
    await clock.over(mapWithLimit([0], 1, () => {}, { label: 'ä'.repeat(60) }));
    assert.equal(recorder.snapshot().jobs[0].name, 'ä'.repeat(47)); // 94 bytes of 95
  });
});

describe('recorder', () => {
  afterEach(() => recorder.stop());

  it('is off until it is started, and again when it is stopped', async () => {
    assert.equal(recorder.isRecording, false);
    recorder.start();
    assert.equal(recorder.isRecording, true);
    await mapWithLimit([0], 1, () => {});
    recorder.stop();
    assert.equal(recorder.isRecording, false);
    await mapWithLimit([0], 1, () => {});
    const recording = recorder.snapshot();
    assert.ok(recording instanceof Recording);
    assert.equal(recording.events.filter(({ kind }) => kind === 'open').length, 1);
    await turn();
    assert.equal(recorder.snapshot().duration, recording.duration, 'it ended with stop()');
    recorder.stop();
  });

  it('starts afresh', async () => {
    recorder.start();
    await mapWithLimit([0], 1, () => {});
    recorder.start();
    assert.deepEqual(recorder.snapshot().events, []);
    await mapWithLimit([0], 1, () => {});
    checkWhole(recorder.snapshot(), 1);
  });

  it('says whose it is, and since when', async () => {
    const before = Date.now();
    recorder.start();
    await turn();
    const { version, startedAt, duration, lost, thread, pid } = recorder.snapshot();
    assert.deepEqual({ version, lost, thread, pid }, { version: 1, lost: 0, thread: 0, pid: process.pid });
    assert.ok(startedAt >= before && startedAt <= Date.now());
    assert.ok(duration > 0 && duration <= Date.now() - before + 1, `${duration} ms`);
  });

  it('started in the middle of a call, it tells of what comes', async () => {
    let ended = 0;
    const items = Array.from({ length: 2000 }, (_, i) => i);
    await mapWithLimit(items, 4, async () => {
      if (++ended === 1000) recorder.start();
    });
    const { events, jobs } = recorder.snapshot();
    assert.deepEqual(jobs.length, 1);
    assert.equal(events.at(-1).kind, 'close');
    const starts = events.filter(({ kind }) => kind === 'start').map(({ item }) => item);
    assert.ok(starts.length >= 900);
    assert.deepEqual(starts, items.slice(-starts.length));
  });

  it('tells that the loop was blocked, and for how long, also where nothing has a deadline', async () => {
    recorder.start();
    await turn();
    const began = performance.now();
    while (performance.now() - began < 30) continue;
    const spun = performance.now() - began;
    await turn();
    await turn();
    const isIt = ({ kind, ms }) => kind === 'block' && ms >= spun - 1; // others may keep the processor from us for a while
    const blocks = recorder.snapshot().events.filter(isIt);
    assert.equal(blocks.length, 1);
    const [{ ms, time, job, lane, item, attempt }] = blocks;
    assert.deepEqual({ job, lane, item, attempt }, { job: -1, lane: -1, item: -1, attempt: 0 });
    assert.ok(ms <= time, `${ms} ms of ${spun}, at ${time}`);
  });

  it('does not take sleep for a block', async () => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    recorder.start(); // in the turn whose poll has slept
    await new Promise((resolve) => setTimeout(resolve, 30));
    await turn();
    assert.deepEqual(
      recorder.snapshot().events.filter(({ kind, ms }) => kind === 'block' && ms > 25),
      [],
    );
  });

  it('goes through JSON as it is', async () => {
    recorder.start();
    await mapSettled([1, 2, 3], 2, (item) => item === 2 && Promise.reject(new Error('x')), {
      retry: { retries: 1, delay: 1 },
    });
    const recording = recorder.snapshot();
    const copy = JSON.parse(JSON.stringify(recording));
    assert.deepEqual(copy, { ...recording });
  });

  const wrong = {
    'recorder.start(null)': [() => recorder.start(null), 'ERR_INVALID_ARG_TYPE'],
    'an unknown option': [() => recorder.start({ event: 5 }), 'ERR_INVALID_ARG_TYPE'],
    'events: "1"': [() => recorder.start({ events: '1' }), 'ERR_INVALID_ARG_TYPE'],
    'events: 0': [() => recorder.start({ events: 0 }), 'ERR_OUT_OF_RANGE'],
    'events: 1.5': [() => recorder.start({ events: 1.5 }), 'ERR_OUT_OF_RANGE'],
    'events: Infinity': [() => recorder.start({ events: Infinity }), 'ERR_OUT_OF_RANGE'],
    'a signal that is none': [() => recorder.dumpOnSignal('SIGNONE', 'x'), 'ERR_OUT_OF_RANGE'],
    'a number for a signal': [() => recorder.dumpOnSignal(12, 'x'), 'ERR_INVALID_ARG_TYPE'],
    'a signal that nobody can catch': [() => recorder.dumpOnSignal('SIGKILL', 'x'), 'ERR_OUT_OF_RANGE'],
    'the signal of the inspector': [() => recorder.dumpOnSignal('SIGUSR1', 'x'), 'ERR_OUT_OF_RANGE'],
    'a signal of a broken process': [() => recorder.dumpOnSignal('SIGSEGV', 'x'), 'ERR_OUT_OF_RANGE'],
    'no file': [() => recorder.dumpOnSignal('SIGUSR2'), 'ERR_INVALID_ARG_TYPE'],
    'a file that ends in the middle of its name': [() => recorder.dumpOnSignal('SIGUSR2', 'a\0b'), 'ERR_OUT_OF_RANGE'],
    'a file without a name': [() => recorder.dumpOnSignal('SIGUSR2', ''), 'ERR_OUT_OF_RANGE'],
  };
  for (const [name, [call, code]] of Object.entries(wrong)) it(`refuses ${name}`, () => assert.throws(call, { code }));
});
