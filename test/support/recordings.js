'use strict';

// Recordings of worlds that never ran: a small simulation of calls, lanes, retries, rates, semaphores and a loop that is
// kept from running, which tells what the recorder would have told. The same seed tells the same story.
//
//     recordingOf({ seed: 1, calls: [{ name: 'fetchUser', items: 20, limit: 4, ... }], blocks: [[120, 90]], until: 900 })
//
// gives the fields of a Recording. What happens while the loop is blocked happens when it turns again.

/** Numbers in [0, 1) by a seed (mulberry32). */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What is to happen, earliest first; at the same time, in the order it was asked for. */
class Agenda {
  constructor() {
    this.heap = [];
    this.asked = 0;
  }

  add(time, run) {
    const { heap } = this;
    heap.push({ time, order: this.asked++, run });
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at], heap[parent])) break;
      [heap[at], heap[parent]] = [heap[parent], heap[at]];
      at = parent;
    }
  }

  take() {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isBefore(heap[child], heap[least])) least = child;
      }
      if (least === at) return first;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }

  get isEmpty() {
    return this.heap.length === 0;
  }
}

function isBefore(one, other) {
  return one.time < other.time || (one.time === other.time && one.order < other.order);
}

/** A semaphore that several calls share. */
class Permits {
  constructor(count) {
    this.free = count;
    this.line = [];
  }

  take(granted) {
    if (this.free === 0) {
      this.line.push(granted);
      return false;
    }
    this.free--;
    return true;
  }

  give() {
    const next = this.line.shift();
    if (next === undefined) this.free++;
    else next();
  }
}

const DEFAULTS = {
  at: 0, // when the call begins
  items: 20,
  limit: 4,
  median: 30, // of the durations, ms; they are log-normal
  spread: 0.5,
  failing: 0, // the share of attempts that fail
  hanging: 0, // the share of attempts that take twenty times as long
  timeout: Infinity,
  retries: 0,
  delay: 40,
  rate: null, // { max, per }
  semaphore: null, // the name of one
  stopsOnError: false,
  abortAt: Infinity,
};

class World {
  constructor({ seed = 1, calls, guards = [], blocks = [], semaphores = {}, until = Infinity, firstJob = 1 }) {
    this.random = randomOf(seed);
    this.agenda = new Agenda();
    this.blocks = [...blocks].sort((one, other) => one[0] - other[0]);
    this.semaphores = new Map(Object.entries(semaphores).map(([name, count]) => [name, new Permits(count)]));
    this.until = until;
    this.now = 0;
    this.jobs = [];
    this.events = [];
    calls.forEach((call, index) => {
      const job = new Call(this, firstJob + index, { ...DEFAULTS, ...call });
      this.agenda.add(job.plan.at, () => job.open());
    });
    guards.forEach((guard, index) => new Guard(this, 100 + (index % 8), guard));
    for (const [at, ms] of this.blocks) this.agenda.add(at + ms, () => this.tell('block', { ms }));
  }

  run() {
    const { agenda } = this;
    while (!agenda.isEmpty) {
      const { time, run } = agenda.take();
      if (time > this.until) break;
      const end = this.endOfBlock(time);
      if (end > time) {
        agenda.add(end, run);
      } else {
        this.now = time;
        run();
      }
    }
    return Number.isFinite(this.until) ? this.until : this.now;
  }

  endOfBlock(time) {
    for (const [at, ms] of this.blocks) if (time > at && time < at + ms) return at + ms;
    return time;
  }

  after(ms, run) {
    this.agenda.add(this.now + ms, run);
  }

  tell(kind, { job = -1, lane = -1, item = -1, attempt = 0, reason, ms }) {
    const event = { time: this.now, kind, job, lane, item, attempt };
    if (reason !== undefined) event.reason = reason;
    if (ms !== undefined) event.ms = ms;
    this.events.push(event);
  }
}

class Call {
  constructor(world, id, plan) {
    this.world = world;
    this.id = id;
    this.plan = plan;
    this.taken = 0;
    this.lanes = 0;
    this.running = new Map(); // lane -> what runs in it
    this.isOver = false;
    this.nextToken = 0;
  }

  open() {
    const { world, plan } = this;
    const named = { id: this.id, name: plan.label ?? plan.name };
    if (plan.label !== undefined) named.label = plan.label;
    world.jobs.push(named);
    this.nextToken = world.now;
    this.tell('open', {});
    if (plan.abortAt < Infinity) world.agenda.add(Math.max(world.now, plan.abortAt), () => this.abort());
    const lanes = Math.min(plan.limit, plan.items);
    this.lanes = lanes;
    for (let lane = 0; lane < lanes; lane++) this.pull(lane);
    if (lanes === 0) this.close('done');
  }

  tell(kind, fields) {
    this.world.tell(kind, { job: this.id, ...fields });
  }

  pull(lane) {
    if (this.isOver) return;
    if (this.taken === this.plan.items) {
      if (--this.lanes === 0) this.close('done');
      return;
    }
    this.admit({ lane, item: this.taken++, attempt: 1 });
  }

  /** Past the semaphore, then past the rate, and the attempt begins. */
  admit(what) {
    const { plan, world } = this;
    if (this.isOver) return;
    const semaphore = world.semaphores.get(plan.semaphore);
    if (semaphore === undefined) {
      this.paced(what);
    } else if (semaphore.take(() => this.woken(what, 'limit'))) {
      this.paced(what);
    } else {
      this.tell('park', { ...what, reason: 'limit' });
    }
  }

  woken(what, reason) {
    if (this.isOver) return;
    this.tell('wake', { ...what, reason });
    this.paced(what);
  }

  paced(what) {
    const { plan, world } = this;
    if (plan.rate === null) {
      this.start(what);
      return;
    }
    const at = Math.max(this.nextToken, world.now);
    this.nextToken = at + plan.rate.per / plan.rate.max;
    if (at <= world.now) {
      this.start(what);
      return;
    }
    this.tell('park', { ...what, reason: 'rate' });
    world.agenda.add(at, () => {
      if (this.isOver) return;
      this.tell('wake', { ...what, reason: 'rate' });
      this.start(what);
    });
  }

  start(what) {
    const { plan, world } = this;
    this.tell('start', what);
    const normal = Math.sqrt(-2 * Math.log(1 - world.random())) * Math.cos(2 * Math.PI * world.random());
    const hangs = world.random() < plan.hanging;
    const takes = plan.median * Math.exp(plan.spread * normal) * (hangs ? 20 : 1);
    const fails = world.random() < plan.failing;
    const run = { what, isOpen: true };
    this.running.set(what.lane, run);
    world.after(takes, () => this.ended(run, fails));
    if (plan.timeout < takes) world.after(plan.timeout, () => this.timedOut(run));
  }

  ended(run, fails) {
    if (!run.isOpen) {
      if (!this.isOver) this.tell('late', {});
      return;
    }
    this.running.delete(run.what.lane);
    if (fails) {
      this.failed(run.what);
    } else {
      this.tell('settle', run.what);
      this.released(run.what);
    }
  }

  timedOut(run) {
    if (!run.isOpen) return;
    run.isOpen = false;
    this.running.delete(run.what.lane);
    this.tell('timeout', { ...run.what, reason: 'attempt' });
    this.tell('abandon', run.what);
    this.failed(run.what, true);
  }

  /** `isTold`: of an attempt that timed out, which is told once. */
  failed(what, isTold = false) {
    const { plan, world } = this;
    if (what.attempt <= plan.retries) {
      const ms = plan.delay * 2 ** (what.attempt - 1) * (0.5 + world.random());
      this.tell('retry', { ...what, ms });
      world.semaphores.get(plan.semaphore)?.give();
      const again = { ...what, attempt: what.attempt + 1 };
      this.tell('park', { ...again, reason: 'backoff', ms });
      world.after(ms, () => {
        if (this.isOver) return;
        this.tell('wake', { ...again, reason: 'backoff' });
        this.admit(again);
      });
      return;
    }
    if (!isTold) this.tell('fail', what);
    if (plan.stopsOnError) this.stop('fail');
    else this.released(what);
  }

  released(what) {
    this.world.semaphores.get(this.plan.semaphore)?.give();
    this.pull(what.lane);
  }

  abort() {
    if (this.isOver) return;
    this.tell('abort', {});
    this.stop('fail');
  }

  /** Nobody waits for the rest, and nobody hears of it again. */
  stop(reason) {
    const semaphore = this.world.semaphores.get(this.plan.semaphore);
    for (const run of this.running.values()) {
      run.isOpen = false;
      semaphore?.give();
    }
    this.running.clear();
    this.close(reason);
  }

  close(reason) {
    if (this.isOver) return;
    this.isOver = true;
    this.tell('close', { reason });
  }
}

/** withTimeout() outside of calls: an attempt without a job. */
class Guard {
  constructor(world, lane, { at, takes, timeout }) {
    world.agenda.add(at, () => {
      world.tell('start', { lane, attempt: 1 });
      if (takes <= timeout) {
        world.after(takes, () => world.tell('settle', { lane, attempt: 1 }));
        return;
      }
      world.after(timeout, () => {
        world.tell('timeout', { lane, attempt: 1, reason: 'attempt' });
        world.tell('abandon', { lane, attempt: 1 });
      });
    });
  }
}

/** The fields of a Recording of that world. `keep`: only the last so many events are still in the ring. */
function recordingOf({ keep = Infinity, ...plan }) {
  const world = new World(plan);
  const duration = world.run();
  const lost = Math.max(0, world.events.length - keep);
  return {
    version: 1,
    startedAt: Date.UTC(2026, 10, 21, 9, 30, 0),
    duration,
    lost,
    thread: 0,
    pid: 4321,
    jobs: world.jobs,
    events: world.events.slice(lost),
  };
}

// The three that people look at, and some that are hard to draw.
const SCENES = {
  twenty: () =>
    recordingOf({
      seed: 11,
      calls: [
        {
          name: 'fetchUser',
          items: 20,
          limit: 4,
          median: 48,
          failing: 0.18,
          hanging: 0.08,
          timeout: 180,
          retries: 2,
          delay: 45,
        },
      ],
      blocks: [[212, 70]],
    }),
  twoThousand: () =>
    recordingOf({
      seed: 5,
      semaphores: { database: 6 },
      calls: [
        {
          name: 'fetchPage',
          items: 1500,
          limit: 16,
          median: 60,
          failing: 0.05,
          hanging: 0.006,
          timeout: 400,
          retries: 3,
          delay: 120,
          rate: { max: 220, per: 1000 },
        },
        {
          name: 'saveRow',
          label: 'save to the database',
          at: 900,
          items: 420,
          limit: 8,
          median: 80,
          semaphore: 'database',
        },
        {
          name: 'readIndex',
          at: 2100,
          items: 80,
          limit: 4,
          median: 110,
          semaphore: 'database',
          failing: 0.1,
          abortAt: 4300,
        },
      ],
      blocks: [
        [1500, 240],
        [3900, 420],
      ],
    }),
  fiftyThousand: () =>
    recordingOf({
      seed: 9,
      calls: [
        {
          name: 'fetchUrl',
          items: 50_000,
          limit: 50,
          median: 28,
          spread: 0.8,
          failing: 0.03,
          hanging: 0.002,
          timeout: 350,
          retries: 3,
          delay: 90,
        },
      ],
      blocks: [
        [6000, 900],
        [21_000, 1500],
      ],
    }),
  manyLanes: () =>
    recordingOf({
      seed: 3,
      calls: [{ name: 'crawl', items: 4000, limit: 1000, median: 200, failing: 0.04, retries: 1 }],
    }),
  manyCalls: () =>
    recordingOf({
      seed: 4,
      guards: Array.from({ length: 200 }, (_, index) => ({
        at: 40 * index,
        takes: 20 + ((index * 37) % 90),
        timeout: 100,
      })),
      calls: Array.from({ length: 3000 }, (_, index) => ({
        name: index % 3 === 0 ? 'retry' : 'loadOrder',
        at: index * 3,
        items: 1,
        limit: 1,
        median: 40,
        timeout: 120,
        hanging: 0.01,
      })),
    }),
  cutOff: () =>
    recordingOf({
      seed: 7,
      keep: 160,
      until: 640,
      calls: [
        { name: 'resize', items: 90, limit: 6, median: 40, failing: 0.1, retries: 1, hanging: 0.05, timeout: 150 },
        { name: 'upload', at: 100, items: 30, limit: 3, median: 70 },
      ],
    }),
};

module.exports = { SCENES, randomOf, recordingOf };
