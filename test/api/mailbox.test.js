'use strict';

// The mailbox against forged words: an answer below zero, never a crash. Each case runs in a process of its own.

const assert = require('node:assert/strict');

const binding = require('../../lib/binding');
const { parseLines, runNode } = require('../support/child');
const { SEED } = require('../support/draws');
const { turn } = require('../support/outcomes');

const COUNT = 20_000;

const { names } = binding;
const TIME_OPERATIONS = ['OBSERVE', 'TURN_BEGIN', 'TURN_END', 'EXPIRE', 'JUDGE'];
const HANDLE_OPERATIONS = ['JOIN', 'STEP', 'ABORT', 'LATE', 'COUNT', 'RELEASE', 'REMAINING'];
const OUTCOMES = Object.entries(names.enums).filter(([name]) => name.startsWith('OUTCOME_'));
const PLANS = [names.enums.OUTCOME_WAIT, names.enums.OUTCOME_WISH];

/** Mulberry32: the same words for the same seed. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Forger {
  constructor(engine) {
    this.engine = engine;
    this.random = randomFrom(SEED);
  }

  pick(values) {
    return values[Math.floor(this.random() * values.length)];
  }

  int() {
    const edges = [0, 1, -1, 2, 3, 4, 5, 7, 100, 1023, 1024, 65535, 2 ** 31 - 1, -(2 ** 31)];
    return this.random() < 0.6 ? this.pick(edges) : Math.floor((this.random() - 0.5) * 2 ** 32) | 0;
  }

  double() {
    const edges = [0, -0, 1, -1, 0.5, 1.5, NaN, Infinity, -Infinity, 5e-324, 2 ** 32, 2 ** 53, 2 ** 63, 1e300, -1e300];
    return this.random() < 0.7 ? this.pick(edges) : (this.random() - 0.5) * 10 ** (this.random() * 40);
  }

  forge() {
    const { ints, doubles } = this.engine;
    for (const word of Object.values(names.ints)) ints[word] = this.int();
    for (const word of Object.values(names.doubles)) doubles[word] = this.double();
  }

  /** Calls it, and gives its answer. */
  tell(operation) {
    const { operations, ints } = this.engine;
    operations[operation]();
    return ints[names.ints.ACTION];
  }
}

/** A policy that is good. */
function writePolicy({ doubles, ints }) {
  const { ints: I, doubles: D, enums } = names;
  for (const word of Object.values(D)) doubles[word] = 0;
  for (const word of Object.values(I)) ints[word] = 0;
  ints[I.SOURCE] = enums.SOURCE_SYNC;
  Object.assign(doubles, { [D.ITEMS]: Infinity, [D.LIMIT]: 2, [D.FACTOR]: 2, [D.YIELD_AFTER]: 10 });
  const unbounded = [D.TIMEOUT, D.ITEM_TIMEOUT, D.TOTAL_TIMEOUT, D.MAX_DELAY, D.MAX_ABANDONED];
  for (const word of unbounded) doubles[word] = Infinity;
}

const handlesOf = (engine) => {
  const { ints: I } = names;
  return {
    get: (word) => [engine.ints[I[word]], engine.ints[I[`${word}_GENERATION`]]],
    set: (word, handle) => ([engine.ints[I[word]], engine.ints[I[`${word}_GENERATION`]]] = handle),
  };
};

/** A job with one lane that runs its first attempt; what `change` writes is its policy's. */
function openLane(engine, change) {
  const forger = new Forger(engine);
  const handles = handlesOf(engine);
  writePolicy(engine);
  change?.(engine, names);
  forger.tell('OPEN');
  const job = handles.get('JOB');
  forger.tell('JOIN');
  const lane = handles.get('LANE');
  return {
    forger,
    job,
    lane,
    step(outcome) {
      handles.set('LANE', lane);
      engine.ints[names.ints.OUTCOME] = outcome;
      return forger.tell('STEP');
    },
    tell(operation) {
      handles.set('LANE', lane);
      handles.set('JOB', job);
      return forger.tell(operation);
    },
  };
}

/** What the package must still be able to do. */
async function use() {
  const { allSettled, execute, mapSettled, mapWithLimit, retry, sleep, withTimeout } = require('../..');
  const never = () => new Promise(() => {});
  const flaky = ({ attempt }) => (attempt < 3 ? Promise.reject(new Error('again')) : attempt);
  const options = { timeout: 1000, totalTimeout: 5000, retry: 1, onProgress() {} };
  const doubled = await mapWithLimit([1, 2, 3], 2, async (item) => item * 2, options);
  const scope = await mapWithLimit([1], 1, never, { timeout: 2 }).catch((error) => error.scope);
  const attempts = await retry(flaky, 2, 1);
  const executed = await execute(flaky, { retries: 2, delay: 1, retryIf: () => true, backoff: () => 1 });
  const bounded = { itemTimeout: 2, rate: 1000, maxAbandoned: 5 };
  const settled = await mapSettled([1], 1, never, bounded);
  const [{ value }] = await allSettled([Promise.resolve('settled')], { totalTimeout: 1000 });
  await sleep(1);
  return {
    doubled,
    scope,
    attempts,
    executed: executed.attempts,
    settled: settled.map(({ reason }) => reason.scope),
    value,
    late: await withTimeout(never(), 2, 'late'),
  };
}
const USED = {
  doubled: [2, 4, 6],
  scope: 'attempt',
  attempts: 3,
  executed: 3,
  settled: ['item'],
  value: 'settled',
  late: 'late',
};

// name -> async (engine) => what went wrong, in words; run in the child.
const cases = {
  'every operation that takes a handle, with forged words, where nothing is open'(engine) {
    const forger = new Forger(engine);
    const wrong = [];
    for (let i = 0; i < COUNT; i++) {
      forger.forge();
      const operation = forger.pick(HANDLE_OPERATIONS);
      const answer = forger.tell(operation);
      if (!(answer in names.errors)) wrong.push(`${operation}: ${answer}`);
    }
    return wrong;
  },

  'only the loop moves real time'(engine) {
    const forger = new Forger(engine);
    const wrong = [];
    for (let i = 0; i < 1000; i++) {
      forger.forge();
      const operation = forger.pick(TIME_OPERATIONS);
      const answer = forger.tell(operation);
      if (!(answer in names.errors)) wrong.push(`${operation}: ${answer}`);
    }
    return wrong;
  },

  'NEXT with nothing to tell'(engine) {
    const forger = new Forger(engine);
    const wrong = [];
    for (let i = 0; i < 1000; i++) {
      forger.forge();
      forger.tell('NEXT');
      const event = engine.ints[names.ints.EVENT];
      if (event !== names.enums.EVENT_NONE) wrong.push(`event ${event}`);
    }
    return wrong;
  },

  'a policy with a word that is out of its range'(engine) {
    const forger = new Forger(engine);
    const { ints: I, doubles: D, enums } = names;
    const counts = [D.ITEMS, D.LIMIT, D.RETRIES, D.MAX_ABANDONED, D.RATE_BURST].flatMap((word) =>
      [NaN, -1, 0.5, 1.5, -Infinity].map((v) => [word, v]),
    );
    const durations = [
      ...[D.TIMEOUT, D.ITEM_TIMEOUT, D.TOTAL_TIMEOUT, D.YIELD_AFTER, D.DELAY, D.MAX_DELAY, D.RATE_PER],
    ].map((word) => [word, NaN]);
    const rates = [NaN, -1, -0.5, -Infinity, 5e-324].map((v) => [D.RATE_MAX, v]);
    const factors = [NaN, 0, 0.5, -1, Infinity].map((v) => [D.FACTOR, v]);
    const kinds = [I.BACKOFF, I.JITTER, I.SOURCE].flatMap((word) => [-1, 99, 2 ** 31 - 1].map((v) => [word, v, true]));
    const wrong = [];
    writePolicy(engine);
    if (forger.tell('OPEN') !== 0 || forger.tell('ABORT') !== enums.ACTION_FAIL)
      wrong.push('the policy without one is good');
    kinds.push([I.BACKOFF, enums.BACKOFF_DECORRELATED + 1, true], [I.FLAGS, 64, true], [I.FLAGS, -1, true]);
    for (const [word, value, isInt] of [...counts, ...durations, ...rates, ...factors, ...kinds, [D.LIMIT, 0]]) {
      writePolicy(engine);
      engine.doubles[D.RATE_PER] = 1000;
      (isInt ? engine.ints : engine.doubles)[word] = value;
      const answer = forger.tell('OPEN');
      if (answer !== -1) wrong.push(`word ${word} = ${value}: ${answer}`);
    }
    for (const per of [0, -1, Infinity]) {
      writePolicy(engine);
      Object.assign(engine.doubles, { [D.RATE_MAX]: 5, [D.RATE_PER]: per });
      const answer = forger.tell('OPEN');
      if (answer !== -1) wrong.push(`a rate of 5 in ${per} ms: ${answer}`);
    }
    for (const operation of ['GUARD', 'SLEEP']) {
      engine.doubles[D.TIMEOUT] = NaN;
      const answer = forger.tell(operation);
      if (answer !== -1) wrong.push(`${operation}: ${answer}`);
    }
    return wrong;
  },

  'OPEN, GUARD and SLEEP with forged words: an error, or something that can be closed again'(engine) {
    const forger = new Forger(engine);
    const wrong = [];
    const opened = { OPEN: 0, GUARD: 0, SLEEP: 0 };
    for (let i = 0; i < COUNT; i++) {
      forger.forge();
      const operation = forger.pick(['OPEN', 'GUARD', 'SLEEP']);
      if (forger.random() < 0.5) {
        writePolicy(engine);
        engine.ints[forger.pick(Object.values(names.ints))] = forger.int();
        engine.doubles[forger.pick(Object.values(names.doubles))] = forger.double();
      }
      const answer = forger.tell(operation);
      if (answer < 0) {
        if (!(answer in names.errors)) wrong.push(`${operation}: ${answer}`);
      } else if (operation !== 'OPEN') {
        opened[operation]++;
        const released = forger.tell('RELEASE');
        if (released !== 0) wrong.push(`RELEASE: ${released}`);
      } else if (answer === 0) {
        opened[operation]++;
        const aborted = forger.tell('ABORT');
        if (aborted < 0) wrong.push(`ABORT: ${aborted}`);
      }
    }
    for (const [operation, count] of Object.entries(opened)) {
      if (count < 100) wrong.push(`only ${count} ${operation} were good: the test does not bite`);
    }
    return wrong;
  },

  'handles of what has been closed'(engine) {
    const forger = new Forger(engine);
    const { ints, doubles } = engine;
    const { ints: I, doubles: D, enums } = names;
    const wrong = [];
    const expect = (operation, answer) => {
      const got = forger.tell(operation);
      if (got !== answer) wrong.push(`${operation}: ${got}, not ${answer}`);
    };
    for (let i = 0; i < 100; i++) {
      for (const operation of ['GUARD', 'SLEEP']) {
        doubles[D.TIMEOUT] = 1000;
        ints[I.FLAGS] = 0;
        expect(operation, 0);
        const handle = [ints[I.LANE], ints[I.LANE_GENERATION]];
        expect('RELEASE', 0);
        for (const late of ['RELEASE', 'STEP', 'REMAINING']) {
          [ints[I.LANE], ints[I.LANE_GENERATION]] = handle;
          ints[I.OUTCOME] = enums.OUTCOME_FULFILLED;
          expect(late, -3);
        }
      }
      writePolicy(engine);
      expect('OPEN', 0);
      const job = [ints[I.JOB], ints[I.JOB_GENERATION]];
      expect('JOIN', enums.ACTION_START);
      const lane = [ints[I.LANE], ints[I.LANE_GENERATION]];
      ints[I.OUTCOME] = enums.OUTCOME_EXHAUSTED;
      expect('STEP', enums.ACTION_DONE);
      for (const late of HANDLE_OPERATIONS) {
        [ints[I.LANE], ints[I.LANE_GENERATION]] = lane;
        [ints[I.JOB], ints[I.JOB_GENERATION]] = job;
        ints[I.OUTCOME] = enums.OUTCOME_FULFILLED;
        expect(late, -3);
      }
    }
    return wrong;
  },

  'an outcome that is none, or that does not fit, leaves the lane as it was'(engine) {
    const { enums } = names;
    const wrong = [];
    const { step, tell } = openLane(engine);
    const foreign = [enums.OUTCOME_PULLED, enums.OUTCOME_RETRY, ...PLANS];
    for (const outcome of [-1, 0, 10, 99, 2 ** 31 - 1, -(2 ** 31), ...foreign]) {
      const answer = step(outcome);
      if (!(answer in names.errors)) wrong.push(`outcome ${outcome}: ${answer}`);
    }
    const released = tell('RELEASE');
    if (!(released in names.errors)) wrong.push(`RELEASE of a job's lane: ${released}`);
    if (step(enums.OUTCOME_FULFILLED) !== enums.ACTION_START) wrong.push('it does not go on');
    if (tell('ABORT') !== enums.ACTION_FAIL) wrong.push('it does not end');
    return wrong;
  },

  'a lane under review: what does not fit, and waits that are none, leave it there'(engine) {
    const { ints: I, doubles: D, enums } = names;
    const { doubles } = engine;
    const wrong = [];
    const expect = (what, got, answer) => {
      if (got !== answer) wrong.push(`${what}: ${got}, not ${answer}`);
    };
    const { step, tell } = openLane(engine, () => {
      engine.ints[I.FLAGS] = enums.FLAG_REVIEW;
      Object.assign(doubles, { [D.RETRIES]: 3, [D.DELAY]: 50, [D.MAX_DELAY]: 1000 });
    });
    expect('REJECTED', step(enums.OUTCOME_REJECTED), enums.ACTION_REVIEW);
    expect('retries left', doubles[D.RETRIES_LEFT], 3);
    const fitting = ['OUTCOME_REFUSED', 'OUTCOME_RETRY', 'OUTCOME_WAIT', 'OUTCOME_WISH'];
    for (const [name, outcome] of OUTCOMES) if (!fitting.includes(name)) expect(name, step(outcome), -4);
    for (const outcome of [-1, 0, 10, 99, 2 ** 31 - 1, -(2 ** 31)]) expect(outcome, step(outcome), -1);
    for (const outcome of PLANS) {
      doubles[D.DELAY] = NaN;
      expect('a wait that is NaN', step(outcome), -1);
      doubles[D.DELAY] = -5;
      expect('a wait below 0', step(outcome), enums.ACTION_REVIEW);
      expect('is 0', doubles[D.DELAY], 0);
    }
    doubles[D.DELAY] = 1e300;
    expect('a wait that is too long', step(enums.OUTCOME_WAIT), enums.ACTION_REVIEW);
    expect('is the longest', doubles[D.DELAY], 1000);
    expect('RELEASE', tell('RELEASE'), -4);
    expect('REMAINING', tell('REMAINING'), 0);
    expect('unbounded', doubles[D.REMAINING], Infinity);
    expect('RETRY', step(enums.OUTCOME_RETRY), enums.ACTION_PARK);
    for (const [name, outcome] of OUTCOMES) expect(`${name}, parked`, step(outcome), -4);
    expect('REMAINING, parked', tell('REMAINING'), -4);
    expect('ABORT', tell('ABORT'), enums.ACTION_FAIL);
    return wrong;
  },

  'a lane that waits at the gate: a pull first, and no outcome while it waits'(engine) {
    const { doubles: D, enums } = names;
    const wrong = [];
    const expect = (what, got, answer) => {
      if (got !== answer) wrong.push(`${what}: ${got}, not ${answer}`);
    };
    const { step, tell, forger } = openLane(engine, () => {
      Object.assign(engine.doubles, { [D.RATE_MAX]: 1, [D.RATE_PER]: 3_600_000, [D.RATE_BURST]: 1 });
    });
    expect('JOIN', engine.ints[names.ints.ACTION], enums.ACTION_PULL);
    const pulling = ['OUTCOME_PULLED', 'OUTCOME_EXHAUSTED'];
    for (const [name, outcome] of OUTCOMES) if (!pulling.includes(name)) expect(name, step(outcome), -4);
    expect('REMAINING, pulling', tell('REMAINING'), -4);
    expect('PULLED', step(enums.OUTCOME_PULLED), enums.ACTION_START);
    expect('FULFILLED', step(enums.OUTCOME_FULFILLED), enums.ACTION_PULL);
    expect('PULLED', step(enums.OUTCOME_PULLED), enums.ACTION_PARK);
    for (const [name, outcome] of OUTCOMES) expect(`${name}, waiting`, step(outcome), -4);
    expect('REMAINING, waiting', tell('REMAINING'), -4);
    expect('LATE, with none out', tell('LATE'), -4);
    expect('JOIN of another', tell('JOIN'), enums.ACTION_PULL);
    forger.forge();
    expect('ABORT', tell('ABORT'), enums.ACTION_FAIL);
    return wrong;
  },

  'REMAINING and CLOCK with forged words: an error or a number, and no time but the real one'(engine) {
    const forger = new Forger(engine);
    const { ints: I, doubles: D } = names;
    const { ints, doubles } = engine;
    const handles = handlesOf(engine);
    const wrong = [];
    doubles[D.TIMEOUT] = 60_000;
    ints[I.FLAGS] = 0;
    forger.tell('GUARD');
    const guard = handles.get('LANE');
    forger.tell('CLOCK');
    let latest = doubles[D.NOW];
    for (let i = 0; i < 1000; i++) {
      forger.forge();
      const clock = forger.tell('CLOCK');
      if (clock !== 0 || !(doubles[D.NOW] >= latest)) wrong.push(`CLOCK: ${clock}, ${doubles[D.NOW]}`);
      latest = doubles[D.NOW];
      forger.forge();
      handles.set('LANE', guard);
      const answer = forger.tell('REMAINING');
      const left = doubles[D.REMAINING];
      if (answer !== 0 || !(left > 0 && left <= 60_000)) wrong.push(`REMAINING: ${answer}, ${left}`);
      forger.forge();
      handles.set('LANE', [guard[0], guard[1] + 1 + Math.floor(forger.random() * 1000)]);
      const stale = forger.tell('REMAINING');
      if (stale !== -3) wrong.push(`REMAINING of another generation: ${stale}`);
    }
    handles.set('LANE', guard);
    if (forger.tell('RELEASE') !== 0) wrong.push('it cannot be released');
    return wrong;
  },

  'an operation that failed writes no other word'(engine) {
    const forger = new Forger(engine);
    const { ints } = engine;
    const wrong = [];
    for (let i = 0; i < 2000; i++) {
      forger.forge();
      const former = [[...ints]];
      const operation = forger.pick([...HANDLE_OPERATIONS, ...TIME_OPERATIONS]);
      const answer = forger.tell(operation);
      if (!(answer in names.errors)) wrong.push(`${operation}: ${answer}`);
      former[0][names.ints.ACTION] = answer;
      const isNow = (index) => operation === 'REMAINING' && Math.floor(index / 2) === names.doubles.NOW; // the driver's
      const changed = [...ints].findIndex((word, index) => word !== former[0][index] && !isNow(index));
      if (changed >= 0) wrong.push(`${operation}: word ${changed}`);
    }
    return wrong;
  },

  async 'forged handles beside calls that run'(engine) {
    const { mapWithLimit, withTimeout } = require('../..');
    const forger = new Forger(engine);
    const wrong = [];
    const attack = () => {
      for (let i = 0; i < 20; i++) {
        forger.forge();
        // Generations that no handle has reached here.
        for (const word of [names.ints.LANE_GENERATION, names.ints.JOB_GENERATION]) {
          engine.ints[word] = (2 ** 24 + forger.random() * 2 ** 30) | 0;
        }
        const operation = forger.pick(HANDLE_OPERATIONS);
        const answer = forger.tell(operation);
        if (!(answer in names.errors)) wrong.push(`${operation}: ${answer}`);
      }
    };
    const items = Array.from({ length: 500 }, (_, i) => i);
    const mapper = async (item, _index, { attempt }) => {
      attack();
      if (item % 10 === 0) await turn();
      attack();
      if (item % 7 === 0 && attempt === 1) throw new Error('again');
      return item;
    };
    const [values, guarded] = await Promise.all([
      mapWithLimit(items, 8, mapper, { timeout: 10_000, retry: { retries: 1, delay: 1 } }),
      Promise.all(
        items.map((item) =>
          withTimeout(
            turn().then(() => (attack(), item)),
            10_000,
          ),
        ),
      ),
    ]);
    for (const list of [values, guarded]) if (String(list) !== String(items)) wrong.push('other results');
    return wrong;
  },

  'operations called with arguments, and with any receiver'(engine) {
    const wrong = [];
    for (const [name, operation] of Object.entries(engine.operations)) {
      if (name === 'OPEN' || name === 'GUARD' || name === 'SLEEP') continue;
      for (const receiver of [undefined, null, 1, {}, engine]) {
        const answer = Reflect.apply(operation, receiver, [NaN, {}, 'x', -1]);
        if (answer !== undefined) wrong.push(`${name}: ${String(answer)}`);
      }
    }
    return wrong;
  },

  'attach() with what is no mailbox'() {
    const wrong = [];
    const big = new ArrayBuffer(names.bytes);
    const lists = [
      [],
      [big],
      [big, null],
      [null, () => {}],
      [new ArrayBuffer(0), () => {}],
      [new ArrayBuffer(names.bytes - 1), () => {}],
      [new SharedArrayBuffer(names.bytes), () => {}],
      [new Uint8Array(names.bytes), () => {}],
      [{ byteLength: names.bytes }, () => {}],
    ];
    for (const [i, list] of lists.entries()) {
      try {
        binding.attach(...list);
        wrong.push(`list ${i} is accepted`);
      } catch (error) {
        if (!(error instanceof TypeError)) wrong.push(`list ${i}: ${error}`);
      }
    }
    return wrong;
  },
};

// Here valid handles are in play, too, and the grants: nothing is promised but that the process lives.
async function anything(engine) {
  const { mapSettled, mapWithLimit, withTimeout } = require('../..');
  process.on('uncaughtException', () => {}); // the listeners of lanes that were forged are nobody
  process.on('unhandledRejection', () => {});
  const forger = new Forger(engine);
  const { ints } = engine;
  const operations = Object.keys(engine.operations);
  const handles = [];
  for (let round = 0; round < 60; round++) {
    mapWithLimit(Array(50).fill(0), 8, () => turn(), { timeout: 1, retry: { retries: 1, delay: 1 }, onProgress() {} });
    mapSettled(Array(50).fill(0), 8, (_item, index) => (index % 5 === 0 ? turn() : Promise.reject(index)), {
      itemTimeout: 2,
      rate: { max: 100, per: 10, burst: 5 },
      maxAbandoned: 3,
      drain: true,
      retry: { retries: 2, delay: 1, backoff: 'decorrelated', retryIf: () => true, retryAfter: () => turn() },
    });
    withTimeout(({ signal, remaining }) => turn().then(() => [signal, remaining]), 1);
    for (let i = 0; i < 500; i++) {
      if (forger.random() < 0.2) {
        writePolicy(engine);
      } else {
        forger.forge();
      }
      if (handles.length > 0) {
        const [a, b] = [forger.pick(handles), forger.pick(handles)];
        if (forger.random() < 0.8) [ints[names.ints.LANE], ints[names.ints.LANE_GENERATION]] = a;
        if (forger.random() < 0.8) [ints[names.ints.JOB], ints[names.ints.JOB_GENERATION]] = b;
      }
      if (forger.random() < 0.8) ints[names.ints.OUTCOME] = Math.floor(forger.random() * 11);
      if (forger.random() < 0.3) ints[Math.floor(forger.random() * ints.length)] = forger.int();
      forger.tell(forger.pick(operations));
      handles.push(
        [ints[names.ints.LANE], ints[names.ints.LANE_GENERATION]],
        [ints[names.ints.JOB], ints[names.ints.JOB_GENERATION]],
      );
      if (handles.length > 64) handles.splice(0, 2);
    }
    await turn();
  }
  process.stdout.write(`${JSON.stringify({ isAlive: true })}\n`);
  process.exit();
}

async function main(name) {
  const engine = require('../../lib/engine');
  if (name === 'anything') {
    await anything(engine);
    return;
  }
  // Everything as it is before the package has done anything, and again in the middle of its life.
  const early = await cases[name](engine);
  const used = await use();
  const late = await cases[name](engine);
  const { jobs, lanes } = engine.usage();
  const outcome = { wrong: [...early, ...late].slice(0, 10), used: [used, await use()], jobs, lanes };
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

if (process.argv[2] === 'child') {
  main(process.argv[3]);
} else {
  describe(`mailbox: forged words (seed ${SEED}; SLUICE_SEED repeats it)`, () => {
    for (const name of Object.keys(cases)) {
      it(name, async () => {
        const { code, signal, stdout, stderr } = await runNode([__filename, 'child', name]);
        assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
        const [{ wrong, used, jobs, lanes }] = parseLines(stdout);
        assert.deepEqual(wrong, []);
        assert.deepEqual(used, [USED, USED], 'the package works as before');
        assert.deepEqual({ jobs, lanes }, { jobs: 0, lanes: 0 });
      });
    }

    it('anything, with valid handles and forged grants: the process lives', async () => {
      const { code, signal, stdout, stderr } = await runNode([__filename, 'child', 'anything'], { limit: 15_000 });
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
      assert.deepEqual(parseLines(stdout), [{ isAlive: true }]);
    });
  });
}
