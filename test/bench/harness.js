'use strict';

// How a row is measured. A row is data:
//   { name, title, unit, note?, anchor?, n, rounds?, warmups?, least?, alone?, targets?, contestants }
// and so is a contestant:
//   { name, needs?, n?, run, prepare?, check?, reps? }   or   { name, needs?, n?, sample }
// `run(n, prepared)` does the work on n items; its time divided by n is the sample. Where something else than time is
// measured, `sample(n)` returns it. Contestants run in turn, A B C, C B A, A B C, ..., so that what disturbs the machine
// disturbs them all. Before each sample comes a full collection, then a tenth of the work untimed: V8 throws optimized code
// away when the last object of a shape is collected, and a rival must not pay for our collecting.

const turn = () => new Promise(setImmediate);

function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low);
}

function summary(samples) {
  const sorted = Float64Array.from(samples).sort();
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75), min: sorted[0] };
}

async function sampleOf(contestant, n) {
  if (contestant.sample) return contestant.sample(n);
  globalThis.gc?.();
  await turn();
  const warm = Math.ceil(n / 10);
  await contestant.run(warm, await contestant.prepare?.(warm));
  const reps = contestant.reps ?? 1;
  const prepared = await contestant.prepare?.(n);
  await turn();
  const began = process.hrtime.bigint();
  for (let i = 0; i < reps; i++) await contestant.run(n, prepared);
  return Number(process.hrtime.bigint() - began) / (n * reps);
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
  const count = row.rounds ? Math.min(rounds, row.rounds) : rounds;
  for (let round = -(row.warmups ?? 1); round < count; round++) {
    for (const contestant of round % 2 === 0 ? field : field.toReversed()) {
      log(round < 0 ? `warm-up, ${contestant.name}` : `round ${round + 1} of ${count}, ${contestant.name}`);
      const value = await sampleOf(contestant, contestant.n);
      if (round >= 0) contestant.samples.push(value);
    }
  }
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
    else field.push({ ...contestant, n: Math.max(row.least ?? 100, Math.round(n * scale)), samples: [] });
  }
  return { field, absent };
}

// A ratio is taken round by round against the anchor's sample of the same round; its median is what is reported.
function report(row, { field, absent }) {
  const { name, title, unit, note, anchor, targets = [] } = row;
  const samplesOf = (name) => field.find((contestant) => contestant.name === name)?.samples;
  const ratioOf = (samples, against) => summary(samples.map((value, round) => value / against[round]));
  const anchorSamples = samplesOf(anchor);
  return {
    name,
    title,
    unit,
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
      const samples = samplesOf(target.of);
      const against = target.against ? samplesOf(target.against) : [];
      if (!samples || !against) return { ...target, verdict: 'not measured' };
      const value = target.against ? ratioOf(samples, against).median : summary(samples).median;
      return { ...target, value, verdict: value <= target.most ? 'met' : 'missed' };
    }),
  };
}

module.exports = { measure, report, turn };
