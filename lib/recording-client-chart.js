'use strict';

// The timeline: which part of the time it shows, where each row and each time is, and what is at a place.

const { concurrency, firstAfter, isBar, segmentsOf } = require('./recording-client-data');
const { themeOf } = require('./recording-client-draw');
const { GROUP_HEAD, HEAD, paintBody, paintHead, paintOver } = require('./recording-client-paint');
const { SEVERITY, count, ticks } = require('./recording-client-words');

const GROUP_GAP = 10;
const ROW_MOST = 30;
const ROW_LEAST = 9;

class Chart {
  constructor(data, elements) {
    this.data = data;
    this.elements = elements; // { timeline, head, lanes, space, body, over }
    this.running = concurrency(data);
    this.problems = problemsOf(data);
    this.fit = fitOf(data);
    [this.from, this.to] = this.fit;
    this.hovered = null; // a segment
    this.selected = null; // { call, item, segments }
    this.pointer = null; // { x, y }
    this.selection = null; // [x0, x1]
    this.isDue = false; // something is to be drawn before the next frame,
    this.isStale = false; // all of it
    this.drawn = 0; // rectangles, when last drawn
    this.restyle();
  }

  restyle() {
    this.theme = themeOf(this.elements.timeline);
  }

  /** Where everything is, by the size of the window. */
  resize() {
    const { data, elements } = this;
    this.width = elements.timeline.clientWidth;
    this.gutter = this.width < 640 ? 58 : 96;
    const groups = data.groups.length;
    const rows = Math.max(1, data.rows.length);
    const room = Math.max(240, window.innerHeight * 0.62);
    const free = room - groups * (GROUP_HEAD + GROUP_GAP);
    this.rowHeight = Math.max(ROW_LEAST, Math.min(ROW_MOST, Math.floor(free / rows)));
    let y = 0;
    for (const group of data.groups) {
      group.y = y;
      y += GROUP_HEAD;
      for (let row = group.first; row < group.first + group.rows.length; row++) {
        data.rows[row].y = y;
        y += this.rowHeight;
      }
      y += GROUP_GAP;
    }
    this.total = y;
    this.height = Math.min(this.total, Math.round(room));
    elements.lanes.style.height = `${this.height}px`;
    elements.space.style.height = `${Math.max(0, this.total - this.height)}px`;
    this.isScrolling = this.total > this.height;
    this.plot = Math.max(50, (this.isScrolling ? elements.lanes.clientWidth : this.width) - this.gutter);
  }

  x(time) {
    return this.gutter + ((time - this.from) / (this.to - this.from)) * this.plot;
  }

  timeAt(x) {
    return this.from + ((x - this.gutter) / this.plot) * (this.to - this.from);
  }

  rowAt(y) {
    const { rows } = this.data;
    const top = y - HEAD + this.scroll;
    if (y < HEAD || y > HEAD + this.height) return null;
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (rows[middle].y <= top) low = middle;
      else high = middle - 1;
    }
    const row = rows[low];
    return row !== undefined && top >= row.y && top < row.y + this.rowHeight ? row : null;
  }

  get scroll() {
    return this.elements.lanes.scrollTop;
  }

  // --- Looking elsewhere

  /** At least a microsecond, at most everything. */
  show(from, to) {
    const { begin, until } = this.data;
    const span = Math.min(Math.max(to - from, 0.001), until - begin || 1);
    this.from = Math.max(begin, Math.min(from, until - span));
    this.to = this.from + span;
    this.redraw();
  }

  zoom(factor, time = (this.from + this.to) / 2) {
    this.show(time - (time - this.from) * factor, time + (this.to - time) * factor);
  }

  move(part) {
    const by = (this.to - this.from) * part;
    this.show(this.from + by, this.to + by);
  }

  /** All that happened; and, asked again, all that was recorded. */
  showAll() {
    const [from, to] = this.fit;
    const isFit = Math.abs(this.from - from) < 1e-6 && Math.abs(this.to - to) < 1e-6;
    if (isFit) this.show(this.data.begin, this.data.until);
    else this.show(from, to);
  }

  select(call, item) {
    const segments = segmentsOf(this.data, call, item);
    this.selected = segments.length === 0 ? null : { call, item, segments };
    this.redrawOver();
  }

  /** Goes to an item, with some of what is around it. */
  goTo(call, item) {
    this.select(call, item);
    if (this.selected === null) return;
    const { segments } = this.selected;
    const { data } = this;
    const start = data.start[segments[0]];
    const endOf = (at) => {
      const { tail, isTailUnknown } = data.more.get(at) ?? {};
      return tail === undefined || isTailUnknown ? data.end[at] : tail;
    };
    const end = segments.reduce((last, at) => Math.max(last, endOf(at)), start);
    const around = Math.max((end - start) * 0.35, 0.01);
    const row = data.rows[data.rowOf[segments[0]]];
    this.elements.lanes.scrollTop = row.y - this.height / 2;
    this.show(start - around, end + around);
  }

  // --- What is where

  /** The segment at that place, bars before tails and waits; and how many share its pixel. */
  segmentAt(x, y) {
    const row = this.rowAt(y);
    if (row === null || x < this.gutter) return null;
    const { data } = this;
    const reach = (this.to - this.from) / this.plot;
    const time = this.timeAt(x);
    let best = null;
    let bestDistance = 2.5 * reach;
    let near = 0;
    for (let at = firstAfter(data, row.from, row.to, time - 3 * reach); at < row.to; at++) {
      if (data.start[at] > time + 3 * reach) break;
      const distance = Math.max(0, data.start[at] - time, time - data.end[at]);
      if (isBar(data, at) && distance <= reach / 2) near++;
      const handicap = isBar(data, at) ? 0 : reach;
      if (distance + handicap < bestDistance) [best, bestDistance] = [at, distance + handicap];
    }
    const onTail = row.tails.find((at) => data.end[at] <= time && time <= data.more.get(at).tail);
    if (onTail !== undefined && (best === null || !isBar(data, best))) return { at: onTail, near: 1, isTail: true };
    return best === null ? null : { at: best, near, isTail: false };
  }

  /** Where a segment is in the page, for whoever wants to point at it. */
  placeOf(at) {
    const row = this.data.rows[this.data.rowOf[at]];
    const { left, top } = this.elements.timeline.getBoundingClientRect();
    const middle = (Math.max(this.data.start[at], this.from) + Math.min(this.data.end[at], this.to)) / 2;
    return { x: left + this.x(middle), y: top + HEAD + row.y - this.scroll + this.rowHeight / 2 };
  }

  // --- Drawing

  /** Before the next frame, however often it is asked for until then. */
  redraw() {
    this.isStale = true;
    this.redrawOver();
  }

  /** Only what follows the pointer. */
  redrawOver() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      if (this.isStale) this.draw();
      else paintOver(this);
    });
  }

  draw() {
    this.isStale = false;
    this.drawn = 0;
    const { timeline } = this.elements;
    this.ticks = ticks(this.from, this.to, this.plot / 90);
    paintHead(this);
    paintBody(this);
    paintOver(this);
    this.tellBelow();
    timeline.dataset.from = this.from;
    timeline.dataset.to = this.to;
    timeline.dataset.drawn = this.drawn;
  }

  /** How many rows there are that one has to scroll to. */
  tellBelow() {
    const { below } = this.elements;
    below.hidden = !this.isScrolling;
    if (!this.isScrolling) return;
    const { rows } = this.data;
    const isIn = (row) => row.y + this.rowHeight > this.scroll && row.y < this.scroll + this.height;
    const first = rows.findIndex(isIn);
    const last = rows.findLastIndex(isIn);
    below.textContent = `rows ${count(first + 1)} to ${count(last + 1)} of ${count(rows.length)}: scroll over the names, or by Page Up and Page Down`;
  }
}

function problemsOf(data) {
  const found = [];
  for (let at = 0; at < data.size; at++) if (isBar(data, at) && SEVERITY[data.kind[at]] > 2) found.push(at);
  return found;
}

/** What to show first: everything, or where less than half of the time has something in it, that. */
function fitOf(data) {
  const { begin, until } = data;
  let first = Infinity;
  let last = -Infinity;
  for (let at = 0; at < data.size; at++) {
    if (data.start[at] < first) first = data.start[at];
    if (data.end[at] > last) last = data.end[at];
  }
  if (last - first > (until - begin) / 2 || last <= first) return [begin, until > begin ? until : begin + 1];
  const around = (last - first) * 0.02;
  return [Math.max(begin, first - around), Math.min(until, last + around)];
}

module.exports = { Chart };
