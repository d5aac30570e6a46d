'use strict';

// The closing tables, as text.

const Table = require('cli-table3');

const percent = new Intl.NumberFormat('en', { style: 'percent', minimumFractionDigits: 1 });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

const ms = (duration) => (duration === undefined ? '-' : `${whole.format(duration)} ms`);

// No colours: the table also ends up in files and in continuous integration logs. No lines between the rows.
const PLAIN = { style: { head: [], border: [], compact: true } };
const table = (options) => new Table({ ...PLAIN, ...options });

function summary(tally, elapsedMs) {
  const rows = table({ colAligns: ['left', 'right'] });
  const [p50, p95, p99] = tally.durations(50, 95, 99);
  rows.push(
    ['URLs', whole.format(tally.urls)],
    ['succeeded', whole.format(tally.ok)],
    ['failed', whole.format(tally.failed)],
    ['attempts', whole.format(tally.attempts)],
    ['retries', whole.format(tally.retries)],
    ['timeouts', whole.format(tally.timeouts)],
    ['p50 per URL', ms(p50)],
    ['p95 per URL', ms(p95)],
    ['p99 per URL', ms(p99)],
    ['bytes', bytes(tally.bytes)],
    ['bytes/s', `${bytes((tally.bytes / elapsedMs) * 1000)}/s`],
    ['time', `${(elapsedMs / 1000).toFixed(1)} s`],
  );
  return `${rows}\n`;
}

function verdict({ requests, faults, disagreements }, files) {
  const rows = table({
    head: ['fault', 'injected', 'of requests', 'client saw'],
    colAligns: ['left', 'right', 'right'],
  });
  for (const { kind, injected, share, seenAs, seen } of faults) {
    rows.push([kind, whole.format(injected), percent.format(share), seenAs ? `${seen} x ${seenAs}` : 'a success']);
  }
  const agree = `${whole.format(files)} checksums and the faults of ${whole.format(requests)} requests`;
  const lines = disagreements.map(({ url, wrong }) => `DISAGREES ${url}: ${wrong.join('; ')}\n`);
  const end = lines.length === 0 ? `VERIFIED: ${agree} agree\n` : `NOT VERIFIED: ${lines.length} disagreements\n`;
  return `${rows}\n${lines.join('')}${end}`;
}

module.exports = { summary, verdict };
