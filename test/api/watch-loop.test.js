'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const { mapSettled, mapWithLimit, retry, watchLoop, withTimeout } = require('../..');
const { hasStacks } = require('../../lib/binding');
const { invalidThis, invalidType, outOfRange } = require('../support/endings');
const { AsyncLocalStorage } = require('../support/storage');

// What keeps the loop from turning here lasts several times the threshold; a machine that is busy may do so too, for less.
const THRESHOLD = 60;
const BLOCK = 300;

function turn() {
  return new Promise(setImmediate);
}

function block() {
  const end = performance.now() + BLOCK;
  while (performance.now() < end);
}

describe('watchLoop', () => {
  let watch;
  afterEach(() => watch?.stop());

  /** Watches, runs what blocks, and resolves with the report. */
  function reported(act) {
    return new Promise((resolve) => {
      watch = watchOurs(resolve);
      setImmediate(act);
    });
  }

  function watchOurs(tell, threshold = THRESHOLD) {
    const onBlocked = (report) => report.blockedFor >= BLOCK - 1 && tell(report);
    return watchLoop({ threshold, stack: false, log: false, onBlocked });
  }

  for (const [given, error, message] of [
    [{ threshold: '200' }, invalidType, /"options.threshold"/],
    [{ threshold: 9.9 }, outOfRange, /"options.threshold".*>= 10/],
    [{ threshold: NaN }, outOfRange, /"options.threshold"/],
    [{ threshold: Infinity }, outOfRange, /"options.threshold".*finite/],
    [{ stack: 1 }, invalidType, /"options.stack".*boolean/],
    [{ onBlocked: 'no' }, invalidType, /"options.onBlocked".*function/],
    [{ log: true }, invalidType, /"options.log"/],
    [{ log: '' }, invalidType, /"options.log"/],
    [{ log: 'a\0b' }, invalidType, /"options.log"/],
    [{ treshold: 100 }, invalidType, /"options.treshold".*no such option/],
    [null, invalidType, /"options"/],
    [200, invalidType, /"options"/],
  ]) {
    it(`throws on ${given === null ? given : JSON.stringify(given)}, and says why`, () => {
      assert.throws(() => watchLoop(given), { ...error, message });
    });
  }

  it('a file that cannot be opened is an error that names it', () => {
    const log = `${__filename}/none`;
    assert.throws(() => watchLoop({ stack: false, log }), { code: 'ENOTDIR', syscall: 'open', path: log });
  });

  it('a pipe that nobody reads is such a file, and is not waited for', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-watch-'));
    const log = path.join(folder, 'pipe');
    try {
      execFileSync('mkfifo', [log]);
      // In a process of its own: whoever waits there can be woken by nobody.
      const program = `try { require(${JSON.stringify(path.resolve(__dirname, '../..'))})
        .watchLoop({ stack: false, log: ${JSON.stringify(log)} }) } catch ({ code, path }) { console.log(code, path) }`;
      const said = execFileSync(process.execPath, ['-e', program], { timeout: 20_000, encoding: 'utf8' });
      assert.equal(said, `ENXIO ${log}\n`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('undefined options are absent ones', () => {
    watch = watchLoop({ threshold: undefined, stack: false, onBlocked: undefined, log: undefined });
  });

  it('stop() and dispose may be called again, and belong to a watch', () => {
    watch = watchLoop({ stack: false, log: false });
    watch.stop();
    watch.stop();
    watch[Symbol.dispose]();
    assert.throws(() => watch.stop.call({}), invalidThis);
    assert.throws(() => watch[Symbol.dispose].call(null), invalidThis);
  });

  it('onBlocked is called with the whole duration, in the context of who called watchLoop', async () => {
    const storage = new AsyncLocalStorage();
    const report = await storage.run('here', () => {
      const blocked = new Promise((resolve) => {
        watch = watchOurs((told) => resolve({ told, store: storage.getStore() }));
      });
      storage.exit(() => setImmediate(block));
      return blocked;
    });
    assert.equal(report.store, 'here');
    assert.equal(report.told.phase, 'check');
  });

  it('each block is reported once', async () => {
    let count = 0;
    let told;
    watch = watchOurs(() => {
      count++;
      told();
    });
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => {
        told = resolve;
        setImmediate(block);
      });
    }
    assert.equal(count, 3);
  });

  it('a line that is cut, since its reader is slow, does not spoil the next one', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-watch-'));
    const log = path.join(folder, 'pipe');
    execFileSync('mkfifo', [log]);
    const reader = openSync(log, constants.O_RDONLY | constants.O_NONBLOCK);
    const chunk = Buffer.alloc(2 ** 20);
    let text = '';
    const read = () => {
      try {
        for (;;) text += chunk.toString('utf8', 0, readSync(reader, chunk));
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error;
      }
    };
    // Its lines are as long as lines can be.
    const deep = { ['f'.repeat(600)]: (left) => (left > 0 ? deep['f'.repeat(600)](left - 1) : block()) };
    const long = deep['f'.repeat(600)];
    try {
      watch = watchLoop({ threshold: THRESHOLD, log });
      while (!hasStacks()) await turn();
      for (let i = 0; i < 5; i++) {
        long(60);
        await turn();
      }
      read();
      const before = text;
      assert.doesNotMatch(before, /\n$/);
      while (!text.endsWith('}\n')) {
        long(60);
        await turn();
        read();
      }
      const lines = text.split('\n');
      assert.ok(lines.includes(before.slice(before.lastIndexOf('\n') + 1)), 'the one that is cut stands alone');
      assert.equal(JSON.parse(lines.at(-2)).event, 'loop-blocked');
    } finally {
      closeSync(reader);
      rmSync(folder, { recursive: true });
    }
  });

  it('an async function that never lets the loop turn is on the stack', async () => {
    const reports = [];
    async function greedy() {
      const end = performance.now() + BLOCK;
      while (performance.now() < end) await null;
    }
    watch = watchLoop({
      threshold: THRESHOLD,
      log: false,
      onBlocked: (report) => report.blockedFor >= BLOCK - 1 && reports.push(report),
    });
    while (!hasStacks()) await turn();
    for (let i = 0; i < 5; i++) {
      await greedy();
      await turn();
    }
    while (reports.length < 5) await turn();
    assert.ok(reports.some(({ stack }) => /greedy/.test(stack)));
    for (const { stackError } of reports) assert.doesNotMatch(`${stackError}`, /No JavaScript/);
  });

  it('two watches of one loop have thresholds of their own', async () => {
    const told = [];
    const other = watchOurs(() => told.push('the slow one'), 60_000);
    const { threshold } = await reported(block);
    other.stop();
    assert.deepEqual([threshold, told], [THRESHOLD, []]);
  });

  it('after stop() onBlocked is not called, even for a block that was reported', async () => {
    const told = [];
    watch = watchOurs(() => told.push('told'));
    await new Promise((resolve) => {
      setImmediate(() => {
        block();
        watch.stop();
        setImmediate(() => setImmediate(resolve));
      });
    });
    assert.deepEqual(told, []);
  });

  describe('names what is on the stack', () => {
    it('by the label, the item and the attempt', async () => {
      const mapper = (item, index, { attempt }) => {
        if (index === 2 && attempt === 1) throw new Error('once');
        if (index === 2) block();
      };
      const { job } = await reported(() =>
        mapWithLimit([0, 1, 2, 3], 2, mapper, { label: 'pages', retry: { delay: 0 } }),
      );
      assert.deepEqual(job, { label: 'pages', item: 2, attempt: 2 });
    });

    it('by a label of any characters', async () => {
      const label = 'a "b"\\\n\0\u001f\u007f\u2028</c> d\u00e9\u{1f600}';
      const { job } = await reported(() => mapWithLimit([1], 1, block, { label }));
      assert.equal(job.label, label);
    });

    it("by the mapper's name where there is no label", async () => {
      const { job } = await reported(() => mapSettled(['a'], 1, function crunch() { block(); })); // prettier-ignore
      assert.deepEqual(job, { label: 'crunch', item: 0, attempt: 1 });
    });

    it('in the middle of a long run of items that come without an answer of their own', async () => {
      const items = Array.from({ length: 5000 }, (_, index) => index);
      const mapper = async (item) => item === 4321 && block();
      const { job } = await reported(() => mapWithLimit(items, 3, mapper));
      assert.deepEqual(job, { label: 'mapper', item: 4321, attempt: 1 });
    });

    it('with a limit beyond the lanes that are known by heart', async () => {
      const items = Array.from({ length: 3000 }, (_, index) => index);
      const mapper = (item) => item === 2900 && block();
      const { job } = await reported(() => mapWithLimit(items, Infinity, mapper));
      assert.deepEqual(job, { label: 'mapper', item: 2900, attempt: 1 });
    });

    it('of an element that is a promise', async () => {
      const { job } = await reported(() => mapWithLimit([1, Promise.resolve(2)], 1, (item) => item === 2 && block()));
      assert.deepEqual(job.item, 1);
    });

    it('the outer one again, when the job that it has begun goes on without it', async () => {
      const outer = () => {
        mapWithLimit([1, 2], 2, async () => {});
        withTimeout(async () => {}, 1000);
        retry(async () => {});
        block();
      };
      const { job } = await reported(() => mapWithLimit(['a', 'b'], 1, (item) => item === 'b' && outer()));
      assert.deepEqual(job.item, 1);
    });

    it('of withTimeout and retry', async () => {
      const first = await reported(() => withTimeout(() => block(), { timeout: 1000, label: 'work' }));
      assert.deepEqual(first.job, { label: 'work', item: 0, attempt: 1 });
      watch.stop();
      const second = await reported(() => retry(function again() { block(); })); // prettier-ignore
      assert.deepEqual(second.job, { label: 'again', item: 0, attempt: 1 });
    });

    it('nothing behind the synchronous part, or when it has thrown', async () => {
      const later = await reported(() =>
        mapWithLimit([1], 1, async () => {
          await undefined;
          block();
        }),
      );
      assert.equal(later.job, null);
      watch.stop();
      const thrower = () => {
        throw new Error('at once');
      };
      const thrown = await reported(() => {
        mapWithLimit([1], 1, thrower).catch(() => {});
        block();
      });
      assert.equal(thrown.job, null);
    });
  });

  it('counts what was open at the end of the latest turn', async () => {
    let end;
    const pending = new Promise((resolve) => (end = resolve));
    const job = mapWithLimit([1, 2], 2, () => pending);
    const { open } = await reported(() => setImmediate(block));
    end();
    await job;
    assert.deepEqual(open, { jobs: 1, lanes: 2, waiters: 0 });
  });
});
