'use strict';

// A recording as one HTML page that needs nothing else: the numbers are written here, as tables; the timeline is drawn in
// the page, from packed data, by the files lib/recording-client*.js, which are put into it as they are.

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const { FIRST_REASON } = require('./recording-client-data');
const { OUTCOMES, REASONS, callText, count, duration } = require('./recording-client-words');
const { LEGEND } = require('./recording-client-draw');
const { readEach, string } = require('./options');
const { summaryOf } = require('./recording-summary');
const { timelineOf } = require('./recording-timeline');

const OPTIONS = new Set(['title']);
const MODULES = [
  'recording-client-words',
  'recording-client-data',
  'recording-client-draw',
  'recording-client-columns',
  'recording-client-paint',
  'recording-client-chart',
  'recording-client',
];

function pageOf(recording, given) {
  const options = readEach({ title: undefined }, given, 'options', OPTIONS, (target, key, value, owner) => {
    if (key !== 'title') return false;
    target.title = string('title', value, owner);
    return true;
  });
  const timeline = timelineOf(recording);
  const summary = summaryOf(timeline);
  const title = options.title ?? titleOf(timeline);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${raw(fileOf('recording-page.css'))}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="facts">${factsOf(recording, summary)}</p>
        </header>
        ${warningOf(recording, summary)}
        <section class="tiles" aria-label="Summary">${tilesOf(summary)}</section>
        <section class="chart" aria-label="Timeline">
          <div class="bar">
            <ul class="legend">
              ${legendOf(summary, timeline)}
            </ul>
            <div class="tools" role="group" aria-label="Zoom">
              <button data-do="out" title="Zoom out (−)" aria-label="Zoom out">−</button
              ><button data-do="in" title="Zoom in (+)" aria-label="Zoom in">+</button
              ><button data-do="all" title="Show everything (Esc)" aria-label="Show everything">all</button>
            </div>
          </div>
          <div
            id="timeline"
            tabindex="0"
            role="application"
            aria-label="Timeline of attempts: arrow keys move, plus and minus zoom, Escape shows everything"
          >
            <canvas id="head"></canvas>
            <div id="lanes">
              <canvas id="body"></canvas>
              <div id="space"></div>
            </div>
            <canvas id="over"></canvas>
            <p id="empty" hidden>No attempt was recorded.</p>
          </div>
          <p id="below" hidden></p>
          <p class="hint">
            Wheel or <kbd>+</kbd> <kbd>−</kbd> zooms, drag selects, <kbd>Shift</kbd>+drag, the arrow keys or the bar on
            top move, double click or <kbd>Esc</kbd> shows everything. Over the names of the lanes the wheel scrolls.
            Times count from the start of the recording.
          </p>
        </section>
        <section class="tables">${tablesOf(summary, timeline)}</section>
        <div id="tip" role="tooltip" hidden></div>
        <noscript><p class="warning">The timeline needs JavaScript; the numbers do not.</p></noscript>
        <script type="application/json" id="data">
          ${raw(embedded(packed(recording, timeline)))}
        </script>
        <script>
          ${raw(script())};
        </script>
      </body>
    </html> `.text;
}

// Text is escaped where it is put into markup, unless it is markup.

class Markup {
  constructor(text) {
    this.text = text;
  }
}

const raw = (text) => new Markup(text);

function html(parts, ...values) {
  return raw(String.raw({ raw: parts.map((part) => part) }, ...values.map(markupOf)));
}

function markupOf(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(markupOf).join('');
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** JSON that cannot end the script element it stands in. */
function embedded(value) {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

const files = new Map();

function fileOf(name) {
  if (!files.has(name)) files.set(name, readFileSync(join(__dirname, name), 'utf8'));
  return files.get(name);
}

/** The modules in one function, with as much of `require` as they use. */
function script() {
  const bodies = MODULES.map((name) => `'./${name}'(module, require) {\n${fileOf(`${name}.js`)}}`);
  return `(() => {
const bodies = {
${bodies.join(',\n')}
};
const loaded = {};
function require(name) {
  if (loaded[name] === undefined) {
    loaded[name] = { exports: {} };
    bodies[name](loaded[name], require);
  }
  return loaded[name].exports;
}
require('./${MODULES.at(-1)}');
})();
`;
}

// --- The numbers

function titleOf({ groups }) {
  const names = [...new Set(groups.map(({ name }) => name))];
  if (names.length === 0) return 'Recording';
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

function factsOf({ startedAt, pid, thread }, { duration: ms, calls }) {
  const date = new Date(startedAt);
  const when = Number.isNaN(date.getTime())
    ? 'unknown'
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' UTC');
  const where = thread === 0 ? 'main thread' : `thread ${thread}`;
  return `Recorded ${when} · ${duration(ms)} · ${plural(calls, 'call')} · process ${pid}, ${where}`;
}

function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? '' : 's'}`;
}

function warningOf({ lost }, { strays }) {
  if (lost === 0 && strays === 0) return '';
  const parts = [];
  if (lost > 0) {
    parts.push(
      `${plural(lost, 'earlier event')} did not fit into the ring and ${lost === 1 ? 'is' : 'are'} not shown: what began before shows from where the recording now begins. A larger "events" keeps more.`,
    );
  }
  if (strays > 0) parts.push(`${plural(strays, 'attempt')} from before that ended late cannot be placed.`);
  return html`<p class="warning" role="status"><strong>Incomplete.</strong> ${parts.join(' ')}</p>`;
}

function tilesOf(summary) {
  const { items, itemsBy, attempts, attemptsBy, percentiles, concurrency, blocked, abandoned, retries } = summary;
  const isIn = (value) => value !== undefined && value > 0;
  const fates = [
    [itemsBy.fulfilled, 'fulfilled'],
    [itemsBy.failed, 'failed'],
    [itemsBy.timeout, 'timed out'],
    [itemsBy.aborted, 'aborted'],
    [itemsBy.open, 'open'],
  ];
  const fate = fates.filter(([value]) => isIn(value)).map(([value, word]) => `${count(value)} ${word}`);
  const ms = (value) => (value === null ? '–' : duration(value));
  const tiles = [
    ['Items', count(items), fate.join(', ') || 'none'],
    ['Attempts', count(attempts), `${plural(retries, 'retry').replace('retrys', 'retries')}`],
    ['Timeouts', count(attemptsBy.timeout), fateOf(abandoned)],
    ['At once', count(concurrency.most), `attempts at most, ${concurrency.mean.toFixed(1)} on average`],
    [
      'Median attempt',
      ms(percentiles.p50),
      `p90 ${ms(percentiles.p90)} · p99 ${ms(percentiles.p99)} · max ${ms(percentiles.max)}`,
    ],
    [
      'Loop blocked',
      duration(blocked.total),
      blocked.times === 0 ? 'never' : `${plural(blocked.times, 'time')}, ${duration(blocked.longest)} at most`,
    ],
  ];
  return tiles.map(
    ([name, value, more]) =>
      html`<div class="tile">
        <h2>${name}</h2>
        <p class="value">${value}</p>
        <p class="more">${more}</p>
      </div> `,
  );
}

function fateOf({ total, running, unknown }) {
  if (total === 0) return 'nothing abandoned';
  const parts = [`${count(total)} abandoned`];
  if (running > 0) parts.push(`${count(running)} still running`);
  if (unknown > 0) parts.push(`${count(unknown)} outlived their call`);
  return running + unknown === 0 ? `${parts[0]}, all ended since` : parts.join(', ');
}

function legendOf({ attemptsBy, waited, blocked, abandoned }) {
  const numbers = { ...attemptsBy, tail: abandoned.total, block: blocked.times };
  return LEGEND.map(({ key, text, isWait }) => {
    const number = isWait ? undefined : numbers[key];
    const isAbsent = isWait ? waited[key] === undefined : number === 0;
    if (isAbsent && (isWait || key === 'tail' || key === 'block')) return '';
    const total = isWait ? duration(waited[key]) : count(number);
    return html`<li${raw(isAbsent ? ' class="none"' : '')}><canvas data-key="${key}" width="26" height="14" aria-hidden="true"></canvas>${text} <b>${total}</b></li>`;
  });
}

function tablesOf({ slowest, mostTried, timeouts }, { groups }) {
  const groupOf = new Map(groups.flatMap((group) => group.calls.map(({ id }) => [id, group])));
  const who = ({ call, item }) => {
    const group = groupOf.get(call);
    const name = groups.length > 1 ? html` <small>${group.name}</small>` : '';
    if (item < 0 || group.isSingle) return html`${callText(call)}${name}`;
    return html`${group.calls.length > 1 ? `call ${call}, ` : ''}item ${item}${name}`;
  };
  const row = (entry, cells) =>
    html`<tr>
      <td><button data-call="${entry.call}" data-item="${entry.item}">${who(entry)}</button></td>
      ${cells.map((cell) => html`<td>${cell}</td>`)}
    </tr> `;
  const table = (title, heads, rows) =>
    rows.length === 0
      ? ''
      : html`<div class="table">
          <h2>${title}</h2>
          <table>
            <thead>
              <tr>
                ${heads.map((head) => html`<th scope="col">${head}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${rows}
            </tbody>
          </table>
        </div> `;
  const outcome = ({ outcome: key }) => html`<span class="dot ${key}"></span>${key === 'timeout' ? 'timed out' : key}`;
  return [
    table(
      'Slowest items',
      ['item', 'took', 'attempts', 'outcome'],
      slowest.map((item) => row(item, [duration(item.end - item.start), item.attempts, outcome(item)])),
    ),
    table(
      'Most retried',
      ['item', 'attempts', 'took', 'outcome'],
      mostTried.map((item) => row(item, [item.attempts, duration(item.end - item.start), outcome(item)])),
    ),
    table(
      'First timeouts',
      ['item', 'attempt', 'after', 'retried in', 'ran on for'],
      timeouts.map((bar) =>
        row(bar, [
          bar.attempt,
          duration(bar.end - bar.start),
          bar.delay === null ? '–' : duration(bar.delay),
          ranOn(bar),
        ]),
      ),
    ),
  ];
}

function ranOn({ tail }) {
  if (tail === null) return '–';
  if (tail.isUnknown) return 'unknown';
  return tail.isOpen ? 'still runs' : `${tail.isGuess ? '≈ ' : ''}${duration(tail.end - tail.start)}`;
}

// --- The data of the timeline: recording-client-data.js says how it is packed

function packed({ startedAt }, timeline) {
  const { begin, end, groups, blocks, marks } = timeline;
  const micro = (ms) => Math.round((ms - begin) * 1000);
  return {
    begin,
    until: end,
    startedAt,
    blocks: blocks.flatMap((block) => [micro(block.start), micro(block.end)]),
    aborts: marks.filter(({ kind }) => kind === 'abort').map(({ time, job }) => [micro(time), job]),
    groups: groups.map((group) => packedGroup(group, micro)),
  };
}

function packedGroup({ name, calls, rows, isSingle }, micro) {
  const group = {
    name,
    isSingle,
    count: calls.length,
    rows: rows.map((row) => packedRow(row, calls.length > 1 || calls[0].id < 0, micro)),
  };
  if (calls.length > 1 || calls[0].id < 0) return { ...group, isSeveral: true };
  const [{ id, openedAt, closedAt, reason }] = calls;
  return { ...group, call: id, openedAt, closedAt, reason };
}

function packedRow({ lane, bars, waits }, isOfSeveral, micro) {
  const segments = [...bars, ...waits].sort((one, other) => one.start - other.start || one.end - other.end);
  const row = { lane, packed: [], more: {} };
  if (isOfSeveral) row.calls = [];
  let time = 0;
  let item = 0;
  let call = 0;
  segments.forEach((segment, index) => {
    const start = Math.max(time, micro(segment.start));
    const end = Math.max(start, micro(segment.end));
    row.packed.push(kindOf(segment), start - time, end - start, segment.item - item, segment.attempt);
    if (isOfSeveral) row.calls.push(segment.call - call);
    [time, item, call] = [end, segment.item, segment.call];
    const more = moreOf(segment);
    if (more !== null) row.more[index] = more;
  });
  return row;
}

function kindOf({ outcome, reason }) {
  if (outcome !== undefined) return OUTCOMES.indexOf(outcome);
  const known = REASONS.indexOf(reason);
  return FIRST_REASON + (known < 0 ? REASONS.length - 1 : known);
}

function moreOf({ tail, delay, scope, startsBefore, isOpen, isFinal, outcome }) {
  const more = {};
  if (startsBefore) more.startsBefore = 1;
  if (isOpen) more.isOpen = 1;
  if (isFinal && outcome !== 'failed') more.isFinal = 1;
  if (typeof delay === 'number') more.delay = Math.round(delay * 1000) / 1000;
  if (scope) more.scope = scope;
  if (tail) {
    more.tail = Math.round(tail.end * 1000) / 1000;
    if (tail.isOpen) more.isTailOpen = 1;
    if (tail.isUnknown) more.isTailUnknown = 1;
    if (tail.isGuess) more.isTailGuess = 1;
  }
  return Object.keys(more).length === 0 ? null : more;
}

module.exports = { pageOf };
