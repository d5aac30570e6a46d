'use strict';

// The results as text.

const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1));
const ratio = (value) => `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)}x`;
const count = (n) => (n >= 1e6 ? `${n / 1e6}M` : n >= 1e3 ? `${n / 1e3}k` : `${n}`);

function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])));
    console.log(`  ${cells.join('   ').trimEnd()}`);
  }
}

function printRow({ name, title, unit, perSecond, note, anchor, contestants, absent, targets, beside }, { quick }) {
  console.log(`\n${name}: ${title}`);
  const per = unit === 'ns' ? 'ns/item' : unit;
  const lines = contestants.map((it) => [
    it.name,
    number(it.median),
    `${number(it.low)} .. ${number(it.high)}`,
    ...(perSecond ? [(1e6 / it.median).toFixed(0)] : []),
    count(it.n),
    ...(it.ratio ? [ratio(it.ratio.median), `${ratio(it.ratio.low)} .. ${ratio(it.ratio.high)}`] : ['', '']),
  ]);
  const against = anchor ? `x ${anchor}` : '';
  const head = [
    '',
    per,
    'middle half',
    ...(perSecond ? [perSecond] : []),
    'items',
    against,
    anchor ? 'middle half' : '',
  ];
  printTable([head, ...lines]);
  for (const { name, missing } of absent) console.log(`  ${name}: not measured, ${missing}`);
  if (note) console.log(`  (${note})`);
  for (const { of, against, value } of beside) {
    if (value !== undefined) console.log(`  ${of} is ${ratio(value)} ${against}`);
  }
  for (const target of quick ? [] : targets) console.log(`  target: ${describe(target, unit)}`);
}

function describe({ of, against, most, value, verdict }, unit) {
  const show = (value) => (against ? ratio(value) : `${number(value)} ${unit}`);
  const goal = against ? `${of} at most ${show(most)} ${against}` : `${of} at most ${show(most)}`;
  return value === undefined ? `${goal}: ${verdict}` : `${goal}: ${show(value)}, ${verdict}`;
}

function printTargets(rows) {
  const lines = rows.flatMap(({ name, unit, targets }) =>
    targets.map((target) => `  ${name}: ${describe(target, unit)}`),
  );
  if (lines.length > 0) console.log(`\ntargets\n${lines.join('\n')}`);
}

module.exports = { printRow, printTargets, number, ratio };
