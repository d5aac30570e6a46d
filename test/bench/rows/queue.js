'use strict';

// Queues: items from one producer to one consumer, which handles each with the same async function.

const assert = require('node:assert');

const sumTo = (n) => (n * (n - 1)) / 2;
const check = (sum, n) => assert.strictEqual(sum, sumTo(n));

/** Each library's way from items to a handler, in one function of its own. */
function libraries({ sluice, twin, ...rivals }) {
  return {
    twin: {
      needs: [],
      async filled(n) {
        const queue = new twin.Queue();
        for (let i = 0; i < n; i++) queue.put(i);
        let sum = 0;
        const handle = async (item) => void (sum += item);
        for (let i = 0; i < n; i++) await handle(await queue.get());
        return sum;
      },
      async lockstep(n) {
        const queue = new twin.Queue();
        let sum = 0;
        const handle = async (item) => void (sum += item);
        async function consumer() {
          for (let i = 0; i < n; i++) await handle(await queue.get());
        }
        const consumed = consumer();
        for (let i = 0; i < n; i++) await queue.put(i);
        await consumed;
        return sum;
      },
    },
    sluice: {
      needs: ['sluice.Queue'],
      async filled(n) {
        const queue = new sluice.Queue();
        for (let i = 0; i < n; i++) queue.put(i);
        let sum = 0;
        const handle = async (item) => void (sum += item);
        for (let i = 0; i < n; i++) await handle(await queue.get());
        return sum;
      },
      async lockstep(n) {
        const queue = new sluice.Queue();
        let sum = 0;
        const handle = async (item) => void (sum += item);
        async function consumer() {
          for (let i = 0; i < n; i++) await handle(await queue.get());
        }
        const consumed = consumer();
        for (let i = 0; i < n; i++) await queue.put(i);
        await consumed;
        return sum;
      },
    },
    'sluice, for await': {
      needs: ['sluice.Queue'],
      async filled(n) {
        const queue = new sluice.Queue();
        for (let i = 0; i < n; i++) queue.put(i);
        queue.close();
        let sum = 0;
        const handle = async (item) => void (sum += item);
        for await (const item of queue) await handle(item);
        return sum;
      },
      async lockstep(n) {
        const queue = new sluice.Queue();
        let sum = 0;
        const handle = async (item) => void (sum += item);
        async function consumer() {
          for await (const item of queue) await handle(item);
        }
        const consumed = consumer();
        for (let i = 0; i < n; i++) await queue.put(i);
        queue.close();
        await consumed;
        return sum;
      },
    },
    'sluice, tryPut and tryGet': {
      needs: ['sluice.Queue'],
      async filled(n) {
        const queue = new sluice.Queue();
        for (let i = 0; i < n; i++) queue.tryPut(i);
        let sum = 0;
        const handle = async (item) => void (sum += item);
        for (let i = 0; i < n; i++) await handle(queue.tryGet());
        return sum;
      },
    },
    'sluice, maxSize 1': {
      needs: ['sluice.Queue'],
      async lockstep(n) {
        const queue = new sluice.Queue({ maxSize: 1 });
        let sum = 0;
        const handle = async (item) => void (sum += item);
        async function consumer() {
          for (let i = 0; i < n; i++) await handle(await queue.get());
        }
        const consumed = consumer();
        for (let i = 0; i < n; i++) await queue.put(i);
        await consumed;
        return sum;
      },
    },
    'sluice, consume': {
      needs: ['sluice.Queue', 'sluice.consume'],
      async filled(n) {
        const queue = new sluice.Queue();
        for (let i = 0; i < n; i++) queue.put(i);
        queue.close();
        let sum = 0;
        await sluice.consume(queue, async (item) => void (sum += item));
        return sum;
      },
      async lockstep(n) {
        const queue = new sluice.Queue();
        let sum = 0;
        const consumed = sluice.consume(queue, async (item) => void (sum += item));
        for (let i = 0; i < n; i++) await queue.put(i);
        queue.close();
        await consumed;
        return sum;
      },
    },
    fastq: {
      needs: ['fastq'],
      async filled(n) {
        let sum = 0;
        const queue = rivals.fastq.promise(async (item) => void (sum += item), 1);
        for (let i = 0; i < n; i++) queue.push(i);
        await queue.drained();
        return sum;
      },
      async lockstep(n) {
        let sum = 0;
        const queue = rivals.fastq.promise(async (item) => void (sum += item), 1);
        for (let i = 0; i < n; i++) await queue.push(i);
        return sum;
      },
    },
    'fastq, callbacks': {
      needs: ['fastq'],
      async filled(n) {
        let sum = 0;
        const handle = async (item) => void (sum += item);
        const queue = rivals.fastq((item, done) => handle(item).then(() => done(null), done), 1);
        for (let i = 0; i < n; i++) queue.push(i);
        await new Promise((resolve) => (queue.drain = resolve));
        return sum;
      },
    },
    'p-queue': {
      needs: ['p-queue'],
      async filled(n) {
        let sum = 0;
        const queue = new rivals['p-queue']({ concurrency: 1 });
        const handle = async (item) => void (sum += item);
        for (let i = 0; i < n; i++) queue.add(() => handle(i));
        await queue.onIdle();
        return sum;
      },
      async lockstep(n) {
        let sum = 0;
        const queue = new rivals['p-queue']({ concurrency: 1 });
        const handle = async (item) => void (sum += item);
        for (let i = 0; i < n; i++) await queue.add(() => handle(i));
        return sum;
      },
    },
    'async.queue': {
      needs: ['async'],
      n: 2e4,
      async filled(n) {
        let sum = 0;
        const queue = rivals.async.queue(async (item) => void (sum += item), 1);
        for (let i = 0; i < n; i++) queue.push(i);
        await queue.drain();
        return sum;
      },
      async lockstep(n) {
        let sum = 0;
        const queue = rivals.async.queue(async (item) => void (sum += item), 1);
        for (let i = 0; i < n; i++) await queue.pushAsync(i);
        return sum;
      },
    },
  };
}

const halfOf = (...rivals) => rivals.map((against) => ({ of: 'sluice', against, most: 0.5 }));

function passing(rivals) {
  const all = Object.entries(libraries(rivals));
  const contestants = (way) =>
    all
      .filter(([, library]) => library[way])
      .map(([name, { needs, n, [way]: run }]) => ({ name, needs, n, run, check }));
  const row = {
    unit: 'ns',
    n: 1e5,
    rounds: 7,
    anchor: 'fastq',
  };
  return [
    {
      ...row,
      name: 'queue',
      title: 'queue, filled first, then emptied by one consumer, per item',
      targets: halfOf('fastq', 'fastq, callbacks', 'p-queue'),
      contestants: contestants('filled'),
    },
    {
      ...row,
      name: 'queue-lockstep',
      title: 'queue, put and got in lockstep, per item',
      note: 'the producer awaits each put: fastq, p-queue and async.queue settle it when the item is handled, the others when it is in',
      targets: halfOf('fastq', 'p-queue'),
      contestants: contestants('lockstep'),
    },
  ];
}

function lengths({ sluice, twin, ...rivals }) {
  const sizes = [
    [1e4, '10k', 50],
    [1e6, '1M', 1],
  ];
  const contestants = [
    [
      'sluice',
      ['sluice.Queue'],
      async (n) => {
        const queue = new sluice.Queue();
        for (let i = 0; i < n; i++) queue.put(i);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += await queue.get();
        return sum;
      },
    ],
    [
      'twin',
      [],
      async (n) => {
        const queue = new twin.Queue();
        for (let i = 0; i < n; i++) queue.put(i);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += await queue.get();
        return sum;
      },
    ],
    ['fastq', ['fastq'], libraries({ sluice, twin, ...rivals }).fastq.filled],
  ].flatMap(([name, needs, run]) =>
    sizes.map(([n, size, reps]) => ({ name: `${name}, ${size}`, needs, run, check, n, reps })),
  );
  return {
    name: 'queue-scale',
    title: 'queue, all put, then all got, 10k and 1M, per entry',
    unit: 'ns',
    rounds: 3,
    anchor: 'fastq, 1M',
    targets: [{ of: 'sluice, 1M', against: 'sluice, 10k', most: 1.5 }],
    beside: ['twin', 'fastq'].map((name) => ({ of: `${name}, 1M`, against: `${name}, 10k` })),
    contestants,
  };
}

module.exports = (rivals) => [...passing(rivals), lengths(rivals)];
