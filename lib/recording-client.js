'use strict';

// The page: pointer, wheel, keys and buttons to the chart, and what is under the pointer in words.

const { Chart } = require('./recording-client-chart');
const { FIRST_REASON, isBar, nameOf, segmentsOf, unpack } = require('./recording-client-data');
const { swatch } = require('./recording-client-draw');
const { HEAD, OVERVIEW } = require('./recording-client-paint');
const { OUTCOMES, OUTCOME_WORDS, REASONS, REASON_WORDS, callText, duration } = require('./recording-client-words');

const byId = (id) => document.getElementById(id);
const tip = byId('tip');
const elements = Object.fromEntries(
  ['timeline', 'head', 'lanes', 'space', 'body', 'over', 'below'].map((id) => [id, byId(id)]),
);
const { timeline, lanes, body } = elements;

const data = unpack(JSON.parse(byId('data').textContent));
const chart = new Chart(data, elements);

let laidOut = '';

/** Where the window has another size than it had. */
function layOut() {
  const size = `${timeline.clientWidth} ${window.innerHeight} ${window.devicePixelRatio}`;
  if (size === laidOut) return;
  laidOut = size;
  chart.resize();
  chart.draw();
}

function placeOf(event) {
  const { left, top } = timeline.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

// --- What is under the pointer

function factsOf({ at, near, isTail }) {
  const more = data.more.get(at) ?? {};
  const row = data.rows[data.rowOf[at]];
  const facts = [];
  const took = data.end[at] - data.start[at];
  const say = (name, value) => facts.push([name, value]);
  if (isBar(data, at)) {
    say('outcome', outcomeText(at, more));
    say('attempt', String(data.attempt[at]));
    say(more.startsBefore ? 'took at least' : 'took', duration(took));
  } else {
    say('wait', REASON_WORDS[REASONS[data.kind[at] - FIRST_REASON]]);
    say(more.isOpen ? 'lasts' : 'lasted', `${duration(took)}${more.isOpen ? ', and was not over at the end' : ''}`);
    if (data.attempt[at] > 0) say('before attempt', String(data.attempt[at]));
  }
  say('clock', wallClock(data.start[at]));
  say('from', more.startsBefore ? 'before the recording began' : exact(data.start[at]));
  say('to', data.kind[at] === OUTCOMES.indexOf('open') ? 'the end of the recording' : exact(data.end[at]));
  if (more.delay !== undefined) say('next attempt', `after ${duration(more.delay)}`);
  if (more.tail !== undefined) {
    say('abandoned', tailText(at, more));
  }
  const attempts = segmentsOf(data, data.call[at], data.item[at]).filter((each) => isBar(data, each));
  if (attempts.length > 1) {
    const last = attempts.at(-1);
    say('item', `${attempts.length} attempts, ${duration(data.end[last] - data.start[attempts[0]])} altogether`);
  }
  say('call', `${row.group.name} (${callText(data.call[at]).replace('call ', '')})`);
  if (!row.group.isSeveral) say('lane', row.lane < 0 ? 'none' : String(row.lane));
  if (near > 2 && !isTail) say('here', `${near} attempts share this pixel: zoom in`);
  return facts;
}

function tailText(at, more) {
  const ran = duration(more.tail - data.end[at]);
  if (more.isTailUnknown) return 'ran on, longer than its call: nobody knows for how long';
  if (more.isTailOpen) return `still running at the end, ${ran} later`;
  const guess = more.isTailGuess ? ' (or another abandoned one of this call ended then)' : '';
  return `ran on for ${ran}, until ${exact(more.tail)}${guess}`;
}

function outcomeText(at, more) {
  const outcome = OUTCOMES[data.kind[at]];
  if (outcome !== 'timeout') return OUTCOME_WORDS[outcome];
  const scope = { item: ' (of the item)', total: ' (of the whole call)' }[more.scope] ?? '';
  return `timed out${scope}${more.isFinal ? ', the item failed' : ''}`;
}

/** Times count from the start of the recording. */
function exact(ms) {
  return ms < 1000 ? `${ms.toFixed(2)} ms` : `${(ms / 1000).toFixed(5)} s`;
}

function wallClock(ms) {
  const date = new Date(data.startedAt + ms);
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString().slice(11).replace('Z', ' UTC');
}

function showTip(found, event) {
  const { at } = found;
  const key = isBar(data, at) ? OUTCOMES[data.kind[at]] : REASONS[data.kind[at] - FIRST_REASON];
  const heading = document.createElement('h3');
  const dot = document.createElement('span');
  dot.className = `dot ${key}`;
  heading.append(dot, nameOf(data, at).long);
  const list = document.createElement('dl');
  for (const [name, value] of factsOf(found)) {
    const term = document.createElement('dt');
    const text = document.createElement('dd');
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  tip.replaceChildren(heading, list);
  tip.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = event.clientX + 16 + width > window.innerWidth ? event.clientX - 16 - width : event.clientX + 16;
  const top = event.clientY + 20 + height > window.innerHeight ? event.clientY - 14 - height : event.clientY + 20;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function hideTip() {
  tip.hidden = true;
  chart.hovered = null;
}

function hover(event) {
  chart.pointer = placeOf(event);
  const found = chart.segmentAt(chart.pointer.x, chart.pointer.y);
  if (found === null) {
    hideTip();
  } else {
    if (chart.hovered?.at !== found.at) {
      chart.hovered = { at: found.at, segments: segmentsOf(data, data.call[found.at], data.item[found.at]) };
    }
    showTip(found, event);
  }
  chart.redrawOver();
}

// --- Zoom, selection, movement

let drag = null; // { kind: 'select' | 'move' | 'overview', x, y, from, to }

function begin(event) {
  if (event.button !== 0) return;
  const { x, y } = placeOf(event);
  if (x < chart.gutter || x > chart.gutter + chart.plot) return;
  const kind = y <= OVERVIEW ? 'overview' : event.shiftKey ? 'move' : 'select';
  drag = { kind, x, y, from: chart.from, to: chart.to };
  if (kind === 'overview') overviewTo(x);
  timeline.setPointerCapture(event.pointerId);
}

/** The middle of what is shown goes there. */
function overviewTo(x) {
  const time = data.begin + ((x - chart.gutter) / chart.plot) * (data.until - data.begin);
  const half = (chart.to - chart.from) / 2;
  chart.show(time - half, time + half);
}

function dragTo(event) {
  const { x } = placeOf(event);
  if (drag.kind === 'overview') {
    overviewTo(x);
  } else if (drag.kind === 'move') {
    const by = ((drag.x - x) / chart.plot) * (drag.to - drag.from);
    chart.from = drag.from;
    chart.to = drag.to;
    chart.show(drag.from + by, drag.to + by);
  } else if (chart.selection !== null || Math.abs(x - drag.x) > 4) {
    const inside = Math.min(Math.max(x, chart.gutter), chart.gutter + chart.plot);
    chart.selection = [drag.x, inside];
    hideTip();
    chart.redrawOver();
  }
}

function end(event) {
  const { kind } = drag;
  drag = null;
  if (kind !== 'select') return;
  if (chart.selection === null) {
    click(event);
    return;
  }
  const [from, to] = chart.selection.map((x) => chart.timeAt(x)).sort((one, other) => one - other);
  chart.selection = null;
  chart.show(from, to);
}

/** Keeps the item under the pointer marked; beside every item, none. */
function click(event) {
  const { x, y } = placeOf(event);
  const found = chart.segmentAt(x, y);
  if (found === null) {
    chart.selected = null;
    chart.redrawOver();
  } else {
    chart.select(data.call[found.at], data.item[found.at]);
  }
}

function wheel(event) {
  const { x, y } = placeOf(event);
  if (x < chart.gutter && y > HEAD) return; // the names scroll
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    chart.move((sideways * unit) / chart.plot);
  } else {
    const inside = Math.min(Math.max(x, chart.gutter), chart.gutter + chart.plot);
    chart.zoom(Math.exp(Math.max(-2, Math.min(2, event.deltaY * unit * 0.002))), chart.timeAt(inside));
  }
  hover(event);
}

const scrollBy = (part) => () => {
  lanes.scrollTop += part * chart.height;
};

const ACTIONS = {
  in: () => chart.zoom(1 / 1.6),
  out: () => chart.zoom(1.6),
  all: () => {
    chart.selected = null;
    chart.showAll();
  },
  left: () => chart.move(-0.2),
  right: () => chart.move(0.2),
  up: scrollBy(-0.2),
  down: scrollBy(0.2),
  pageUp: scrollBy(-0.9),
  pageDown: scrollBy(0.9),
  first: () => chart.move(-Infinity),
  last: () => chart.move(Infinity),
};

const KEYS = {
  '+': 'in',
  '=': 'in',
  w: 'in',
  '-': 'out',
  '−': 'out',
  s: 'out',
  Escape: 'all',
  0: 'all',
  ArrowLeft: 'left',
  a: 'left',
  ArrowRight: 'right',
  d: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  PageUp: 'pageUp',
  PageDown: 'pageDown',
  Home: 'first',
  End: 'last',
};

// Of the whole page only Escape, plus and minus: the rest would take the page's own keys away.
const EVERYWHERE = new Set(['Escape', '+', '-']);

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!Object.hasOwn(KEYS, event.key)) return;
  if (!EVERYWHERE.has(event.key) && document.activeElement !== timeline) return;
  event.preventDefault();
  hideTip();
  if (event.key === 'Escape' && chart.selection !== null) {
    drag = null;
    chart.selection = null;
    chart.redrawOver();
  } else {
    ACTIONS[KEYS[event.key]]();
  }
}

timeline.addEventListener('pointerdown', begin);
timeline.addEventListener('pointermove', (event) => {
  if (drag !== null) dragTo(event);
  if (drag === null || chart.selection === null) hover(event);
});
timeline.addEventListener('pointerup', (event) => {
  if (drag !== null) end(event);
});
timeline.addEventListener('pointercancel', () => {
  drag = null;
  chart.selection = null;
  chart.redrawOver();
});
timeline.addEventListener('pointerleave', () => {
  chart.pointer = null;
  hideTip();
  chart.redrawOver();
});
timeline.addEventListener('wheel', wheel, { passive: false });
timeline.addEventListener('dblclick', ACTIONS.all);
lanes.addEventListener('scroll', () => chart.redraw(), { passive: true });
document.addEventListener('keydown', key);
document.addEventListener('click', ({ target }) => {
  const button = target.closest('button');
  if (button === null) return;
  if (button.dataset.do !== undefined) {
    ACTIONS[button.dataset.do]();
  } else if (button.dataset.item !== undefined) {
    chart.goTo(Number(button.dataset.call), Number(button.dataset.item));
    timeline.scrollIntoView({ block: 'nearest' });
  }
});
new ResizeObserver(() => layOut()).observe(timeline);
window.addEventListener('resize', layOut);

function paintSwatches() {
  for (const canvas of document.querySelectorAll('.legend canvas')) swatch(canvas, chart.theme);
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  chart.restyle();
  paintSwatches();
  chart.draw();
});

byId('empty').hidden = data.size > 0;
paintSwatches();
layOut();
body.dataset.ready = 'true';
window.sluice = { chart, data }; // for whoever opens the console
