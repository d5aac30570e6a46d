'use strict';

// What watching costs: mapWithLimit over a million trivial items, watched and not, in turns; medians of wall and CPU time.
//
//   node test/bench/watch-cost.js [rounds]

const { mapWithLimit, watchLoop } = require('../..');

const ITEMS = 1_000_000;
const LIMIT = 16;
const rounds = Number(process.argv[2] ?? 21);

const items = Array.from({ length: ITEMS }, (_, index) => index);
const mapper = async (item) => item;

/** Until nothing else takes CPU time: the stack worker has started, or ended. */
async function idle() {
  for (;;) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 250));
    const { user, system } = process.cpuUsage(before);
    if (user + system < 5000) return;
  }
}

async function measure(isWatched) {
  const watch = isWatched ? watchLoop({ log: false }) : null;
  await idle();
  globalThis.gc?.();
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  await mapWithLimit(items, LIMIT, mapper);
  const wall = performance.now() - before;
  const { user, system } = process.cpuUsage(cpuBefore);
  watch?.stop();
  return { wall, cpu: (user + system) / 1000 };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

async function main() {
  const runs = { watched: [], not: [] };
  for (let i = 0; i < rounds + 2; i++) {
    for (const name of i % 2 === 0 ? ['watched', 'not'] : ['not', 'watched']) {
      const run = await measure(name === 'watched');
      if (i >= 2) runs[name].push(run); // the first ones are warm-up
    }
  }
  for (const key of ['wall', 'cpu']) {
    const of = (name) => median(runs[name].map((run) => run[key]));
    const each = median(runs.watched.map((run, i) => run[key] / runs.not[i][key]));
    console.log(
      `${key}: not watched ${of('not').toFixed(1)} ms, watched ${of('watched').toFixed(1)} ms; ` +
        `${((of('watched') / of('not') - 1) * 100).toFixed(2)} % (of pairs ${((each - 1) * 100).toFixed(2)} %)`,
    );
  }
}

main();
