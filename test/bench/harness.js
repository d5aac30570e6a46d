'use strict';

// How a row is measured. A row is data:
//   { name, title, unit, perSecond?, note?, anchor?, n, clock?, also?, rounds?, warmups?, least?, alone?, flags?, targets?,
//     beside?, contestants, end? }
// and so is a contestant:
//   { name, needs?, n?, run, prepare?, check?, reps? }   or   { name, needs?, n?, sample }
// `run(n, prepared)` does the work on n items; its time divided by n is the sample, in nanoseconds or as the row's own
// `clock` counts. Where something else than time is measured, `sample(n)` returns it, or an array. What else is read off
// the same runs stands in `also`, as { name, title, clock?, ... }: each is reported as a row of its own. A target is
// { of, against?, most }; what stands `beside`, as { of, against }, is printed without one. `end()` takes down what the
// row has set up.
//
// Contestants run in turn, A B C, C B A, A B C, ..., so that what disturbs the machine disturbs them all. Before each
// sample comes a full collection, then a tenth of the work untimed: V8 throws optimized code away when the last object of
// a shape is collected, and a rival must not pay for our collecting.

const turn = () => new Promise(setImmediate);
const nanoseconds = () => Number(process.hrtime.bigint());

/** Of all threads of the process, in microseconds. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The rows that one row's runs are reported as. */
const facesOf = ({ also = [], ...row }) => [row, ...also.map((face) => ({ ...row, perSecond: undefined, ...face }))];

function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low);
}

function summary(samples) {
  const sorted = Float64Array.from(samples).sort();
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75), min: sorted[0] };
}

/** One value for each face of the row. */
async function samplesOf(contestant, n, clocks) {
  if (contestant.sample) return [await contestant.sample(n)].flat().slice(0, clocks.length);
  globalThis.gc?.();
  await turn();
  const warm = Math.ceil(n / 10);
  await contestant.run(warm, await contestant.prepare?.(warm));
  const reps = contestant.reps ?? 1;
  const prepared = await contestant.prepare?.(n);
  await turn();
  const began = clocks.map((clock) => clock());
  for (let i = 0; i < reps; i++) await contestant.run(n, prepared);
  return clocks.map((clock, i) => (clock() - began[i]) / (n * reps));
}

async function checkOnce(contestant, n) {
  if (!contestant.check) return;
  const result = await contestant.run(n, await contestant.prepare?.(n));
  contestant.check(result, n);
}

async function measure(row, rivals, { rounds, scale, chosen, log }) {
  const { field, absent } = lineUp(row, rivals, scale, chosen);
  for (const contestant of field) {
    log(`checking ${contestant.name}`);
    await checkOnce(contestant, Math.min(contestant.n, 10_000));
  }
  const clocks = facesOf(row).map(({ clock = nanoseconds }) => clock);
  const count = row.rounds ? Math.min(rounds, row.rounds) : rounds;
  for (let round = -(row.warmups ?? 1); round < count; round++) {
    for (const contestant of round % 2 === 0 ? field : field.toReversed()) {
      log(round < 0 ? `warm-up, ${contestant.name}` : `round ${round + 1} of ${count}, ${contestant.name}`);
      const values = await samplesOf(contestant, contestant.n, clocks);
      if (round >= 0) values.forEach((value, face) => contestant.samples[face].push(value));
    }
  }
  await row.end?.();
  return { field: field.map(({ name, n, samples }) => ({ name, n, samples })), absent };
}

function lineUp(row, rivals, scale, chosen) {
  const field = [];
  const absent = [];
  for (const contestant of row.contestants) {
    const { name, n = row.n, needs = [] } = contestant;
    if (!chosen(name)) continue;
    const lacks = needs.filter((peer) => rivals[peer] === undefined);
    const missing = contestant.missing ?? (lacks.length > 0 ? `without ${lacks.join(', ')}` : undefined);
    if (missing) absent.push({ name, missing });
    else
      field.push({
        ...contestant,
        n: Math.max(row.least ?? 100, Math.round(n * scale)),
        samples: facesOf(row).map(() => []),
      });
  }
  return { field, absent };
}

/** What was measured, one report for each of the row's faces. */
function reports(row, { field, absent }) {
  return facesOf(row).map((face, i) => {
    const seen = field.map(({ name, n, samples }) => ({ name, n, samples: samples[i] }));
    return report(face, { field: seen, absent });
  });
}

// A ratio is taken round by round against the anchor's sample of the same round; its median is what is reported.
function report(row, { field, absent }) {
  const { name, title, unit, perSecond, note, anchor, targets = [], beside = [] } = row;
  const samplesOf = (name) => field.find((contestant) => contestant.name === name)?.samples;
  const ratioOf = (samples, against) => summary(samples.map((value, round) => value / against[round]));
  const anchorSamples = samplesOf(anchor);
  function compared({ of, against }) {
    const samples = samplesOf(of);
    if (!samples || (against && !samplesOf(against))) return undefined;
    return (against ? ratioOf(samples, samplesOf(against)) : summary(samples)).median;
  }
  return {
    name,
    title,
    unit,
    perSecond,
    note,
    anchor,
    contestants: field.map(({ name, n, samples }) => ({
      name,
      n,
      ...summary(samples),
      ratio: anchorSamples && ratioOf(samples, anchorSamples),
      samples,
    })),
    absent,
    targets: targets.map((target) => {
      const value = compared(target);
      return {
        ...target,
        value,
        verdict: value === undefined ? 'not measured' : value <= target.most ? 'met' : 'missed',
      };
    }),
    beside: beside.map((pair) => ({ ...pair, value: compared(pair) })),
  };
}

module.exports = { measure, reports, facesOf, processorTime, summary, turn };
