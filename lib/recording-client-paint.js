'use strict';

// Draws what can be seen of the chart. Three canvases: the head (overview, attempts at once, axis), the body (the lanes),
// and over both what follows the pointer.

const { Columns } = require('./recording-client-columns');
const { FIRST_REASON, firstAfter, isBar, lastNotAfter, nameOf } = require('./recording-client-data');
const { GLYPHS, band, bar, lostTail, sized, tail, torn, wait } = require('./recording-client-draw');
const { OUTCOMES, REASONS, SEVERITY, count, duration } = require('./recording-client-words');

const OVERVIEW = 16;
const STRIP = 54;
const AXIS = 24;
const HEAD = OVERVIEW + 8 + STRIP + AXIS;
const GROUP_HEAD = 26;
const TEXT_FROM = 11; // a bar that high has text in it
const GLYPH_FROM = 14;
const RETRIED = SEVERITY[OUTCOMES.indexOf('retried')];
const NARROW = 3; // pixels: less is drawn together with its neighbours

function paintHead(chart) {
  const { theme, gutter, plot, data } = chart;
  const context = sized(chart.elements.head, chart.width, HEAD);
  const strip = OVERVIEW + 8;
  overview(chart, context);
  bands(chart, context, strip, STRIP);
  concurrency(chart, context, strip);
  context.font = `11px ${theme.font}`;
  context.textBaseline = 'alphabetic';
  context.fillStyle = theme.text;
  context.textAlign = 'right';
  context.fillText(String(chart.running.most), gutter - 8, strip + 11);
  context.fillStyle = theme.faint;
  context.fillText(chart.gutter < 90 ? 'running' : 'running at once', gutter - 8, strip + STRIP / 2 + 6);
  context.fillText('0', gutter - 8, strip + STRIP + 3);
  context.textAlign = 'center';
  for (const { time, text } of chart.ticks) {
    const x = chart.x(time);
    context.fillStyle = theme.grid;
    context.fillRect(x, strip, 1, STRIP + 6);
    context.fillStyle = theme.text;
    const half = context.measureText(text).width / 2;
    if (x + half <= gutter + plot + 2) context.fillText(text, Math.max(x, gutter + half), strip + STRIP + 18);
  }
  context.font = `600 11px ${theme.font}`;
  for (let at = 0; at < data.blocks.length; at += 2) {
    const [x0, x1] = blockAt(chart, at);
    const text = `loop blocked ${duration((data.blocks[at + 1] - data.blocks[at]) / 1000)}`;
    if (x1 < gutter || x0 > gutter + plot || context.measureText(text).width > x1 - x0 - 8) continue;
    context.fillStyle = theme.block;
    context.fillText(text, (Math.max(x0, gutter) + Math.min(x1, gutter + plot)) / 2, strip + 12);
  }
}

/** All of the recording, what went wrong in it, and the part that is shown. */
function overview(chart, context) {
  const { theme, gutter, plot, data } = chart;
  const whole = data.until - data.begin || 1;
  const scale = plot / whole;
  context.fillStyle = theme.area;
  context.fillRect(gutter, 0, plot, OVERVIEW);
  for (let at = 0; at < data.blocks.length; at += 2) {
    const x = gutter + (data.blocks[at] / 1000) * scale;
    band(context, theme, x, 0, ((data.blocks[at + 1] - data.blocks[at]) / 1000) * scale, OVERVIEW);
  }
  const columns = new Uint8Array(Math.ceil(plot) + 1);
  for (const at of chart.problems) {
    const column = Math.floor((data.end[at] - data.begin) * scale);
    const rank = SEVERITY[data.kind[at]];
    if (rank > columns[column]) columns[column] = rank;
  }
  columns.forEach((rank, column) => {
    if (rank === 0) return;
    context.fillStyle = theme[OUTCOMES[SEVERITY.indexOf(rank)]];
    // Retries are many, and mostly harmless: they stay low.
    if (rank === RETRIED) context.fillRect(gutter + column, OVERVIEW - 6, 1, 4);
    else context.fillRect(gutter + column, 3, 2, OVERVIEW - 6);
  });
  const x0 = gutter + (chart.from - data.begin) * scale;
  const x1 = gutter + (chart.to - data.begin) * scale;
  context.fillStyle = theme.ground;
  context.globalAlpha = 0.7;
  context.fillRect(gutter, 0, x0 - gutter, OVERVIEW);
  context.fillRect(x1, 0, gutter + plot - x1, OVERVIEW);
  context.globalAlpha = 1;
  context.strokeStyle = theme.mark;
  context.lineWidth = 1.5;
  context.strokeRect(x0 + 0.75, 0.75, Math.max(3, x1 - x0) - 1.5, OVERVIEW - 1.5);
  context.font = `11px ${theme.font}`;
  context.textBaseline = 'alphabetic';
  context.textAlign = 'right';
  context.fillStyle = theme.faint;
  context.fillText(chart.gutter < 90 ? 'all' : 'whole time', gutter - 8, 12);
}

function concurrency(chart, context, top) {
  const { theme, gutter, plot } = chart;
  const { times, counts, most } = chart.running;
  if (most === 0) return;
  const base = top + STRIP;
  const heightOf = (value) => (value / most) * (STRIP - 6);
  const columns = new Uint32Array(Math.ceil(plot) + 1);
  let at = lastNotAfter(times, chart.from);
  for (let column = 0; column < columns.length; column++) {
    const until = chart.timeAt(gutter + column + 1);
    let highest = at >= 0 ? counts[at] : 0;
    while (at + 1 < times.length && times[at + 1] < until) highest = Math.max(highest, counts[++at]);
    columns[column] = highest;
  }
  context.fillStyle = theme.fulfilled;
  context.globalAlpha = 0.35;
  columns.forEach((value, column) => context.fillRect(gutter + column, base - heightOf(value), 1, heightOf(value)));
  context.globalAlpha = 1;
  context.strokeStyle = theme.fulfilled;
  context.lineWidth = 1.5;
  context.beginPath();
  columns.forEach((value, column) => context.lineTo(gutter + column + 0.5, base - heightOf(value)));
  context.stroke();
  context.fillStyle = theme.grid;
  context.fillRect(gutter, base, plot, 1);
}

function blockAt(chart, at) {
  const { begin, blocks } = chart.data;
  return [chart.x(begin + blocks[at] / 1000), chart.x(begin + blocks[at + 1] / 1000)];
}

function bands(chart, context, top, height) {
  const { theme, gutter, plot, data } = chart;
  for (let at = 0; at < data.blocks.length; at += 2) {
    const [x0, x1] = blockAt(chart, at);
    if (x1 < gutter || x0 > gutter + plot) continue;
    const left = Math.max(gutter, x0);
    band(context, theme, left, top, Math.min(gutter + plot, x1) - left, height);
  }
}

/** Over the bars only as much of a band as leaves them their colours. */
function edges(chart, context, height) {
  const { theme, data } = chart;
  context.fillStyle = theme.block;
  for (let at = 0; at < data.blocks.length; at += 2) {
    const [x0, x1] = blockAt(chart, at);
    if (x1 - x0 < 8) continue;
    context.globalAlpha = 0.08;
    context.fillRect(x0, 0, x1 - x0, height);
    context.globalAlpha = 0.8;
    context.fillRect(x0, 0, 1, height);
    context.fillRect(x1 - 1, 0, 1, height);
  }
  context.globalAlpha = 1;
}

function paintBody(chart) {
  const { theme, gutter, plot, height, data, rowHeight } = chart;
  const context = sized(chart.elements.body, gutter + plot, height);
  const { scroll } = chart;
  context.fillStyle = theme.grid;
  for (const { time } of chart.ticks) context.fillRect(chart.x(time), 0, 1, height);
  const pad = rowHeight >= 20 ? 3 : rowHeight >= 12 ? 1.5 : 1;
  context.save();
  context.beginPath();
  context.rect(gutter, 0, plot, height);
  context.clip();
  for (const row of data.rows) {
    const y = row.y - scroll;
    if (y + rowHeight < 0 || y > height) continue;
    context.fillStyle = theme.area;
    context.fillRect(gutter, y + pad, plot, rowHeight - 2 * pad);
  }
  bands(chart, context, 0, height);
  const columns = new Columns(Math.ceil(plot));
  for (const row of data.rows) {
    const y = row.y - scroll;
    if (y + rowHeight < 0 || y > height) continue;
    lane(chart, context, columns, row, y + pad, rowHeight - 2 * pad);
  }
  edges(chart, context, height);
  context.restore();
  names(chart, context, scroll);
}

function lane(chart, context, columns, row, y, height) {
  const { data, theme, plot, gutter } = chart;
  const scale = plot / (chart.to - chart.from);
  const right = gutter + plot;
  for (let at = firstAfter(data, row.from, row.to, chart.from); at < row.to; at++) {
    if (data.start[at] >= chart.to) break;
    const x0 = Math.max(gutter - 20, gutter + (data.start[at] - chart.from) * scale);
    const x1 = Math.min(right + 20, gutter + (data.end[at] - chart.from) * scale);
    const width = x1 - x0;
    const kind = data.kind[at];
    if (kind >= FIRST_REASON) {
      if (width >= 1) wait(context, theme, REASONS[kind - FIRST_REASON], x0, y, width, height);
      chart.drawn += width >= 1 ? 1 : 0;
    } else if (width < NARROW) {
      columns.add(x0 - gutter, x1 - gutter, kind);
    } else {
      const gap = width > 4 ? 1 : 0;
      bar(context, theme, OUTCOMES[kind], x0, y, width - gap, height);
      if (data.more.get(at)?.startsBefore && width > 10 && x0 > gutter - 3) torn(context, theme, x0, y, height);
      if (height >= TEXT_FROM) label(chart, context, at, Math.max(x0, gutter), Math.min(x1, right) - gap, y, height);
      chart.drawn++;
    }
  }
  chart.drawn += columns.flush(context, theme, gutter, y, height);
  for (const at of row.tails) {
    const more = data.more.get(at);
    if (more.tail + (more.isTailUnknown ? 20 / scale : 0) < chart.from || data.end[at] > chart.to) continue;
    const x0 = Math.max(gutter, chart.x(data.end[at]));
    const length = Math.min(right, chart.x(more.tail)) - x0;
    if (more.isTailUnknown) lostTail(context, theme, x0, y, length, height);
    else tail(context, theme, x0, y, Math.max(1.5, length), height, more.isTailOpen);
  }
}

/** As much as fits: what it is, which attempt, how long it took. */
function label(chart, context, at, x0, x1, y, height) {
  const room = x1 - x0 - 7;
  if (room < 9) return;
  const { data, theme } = chart;
  const outcome = OUTCOMES[data.kind[at]];
  const glyph = GLYPHS[outcome] === undefined || height < GLYPH_FROM ? '' : `${GLYPHS[outcome]} `;
  const { long, short } = nameOf(data, at);
  const attempt = data.attempt[at] > 1 ? ` · attempt ${data.attempt[at]}` : '';
  const took = duration(data.end[at] - data.start[at]);
  context.font = `${Math.min(12, Math.max(9, Math.floor(height * 0.62)))}px ${theme.font}`;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  const choices = [
    `${glyph}${long}${attempt} · ${took}`,
    `${glyph}${long} · ${took}`,
    `${glyph}${long}`,
    `${glyph}${short}`,
    short,
  ];
  const text = choices.find((choice) => choice.length * 4 < room + 8 && context.measureText(choice).width <= room);
  if (text === undefined) return;
  if (outcome !== 'fulfilled' && outcome !== 'open') {
    context.fillStyle = theme[outcome]; // hatching would run through the text
    context.fillRect(x0 + 2, y + 1, context.measureText(text).width + 4, height - 2);
  }
  context.fillStyle = theme[`on-${outcome}`];
  context.fillText(text, x0 + 4, y + height / 2 + 0.5);
}

function names(chart, context, scroll) {
  const { theme, gutter, plot, height, data, rowHeight } = chart;
  context.textBaseline = 'middle';
  for (const group of data.groups) {
    const y = group.y - scroll;
    if (y + GROUP_HEAD > 0 && y < height) {
      context.textAlign = 'left';
      context.font = `600 13px ${theme.font}`;
      const name = fitted(context, group.name, (gutter + plot) * 0.6);
      const after = 2 + context.measureText(name).width + 10;
      context.font = `12px ${theme.font}`;
      const facts = fitted(context, factsOf(group), gutter + plot - after);
      context.fillStyle = theme.ground;
      context.globalAlpha = 0.85;
      context.fillRect(0, y + 6, after + context.measureText(facts).width + 4, GROUP_HEAD - 8);
      context.globalAlpha = 1;
      context.font = `600 13px ${theme.font}`;
      context.fillStyle = theme.text;
      context.fillText(name, 2, y + GROUP_HEAD / 2 + 2);
      context.font = `12px ${theme.font}`;
      context.fillStyle = theme.faint;
      context.fillText(facts, after, y + GROUP_HEAD / 2 + 2);
    }
  }
  context.font = `11px ${theme.font}`;
  context.textAlign = 'right';
  const every = rowHeight >= 11 ? 1 : rowHeight * 2 >= 18 ? 2 : 5;
  for (const row of data.rows) {
    const y = row.y - scroll;
    if (y + rowHeight < 0 || y > height || (row.group.first + row.lane) % every !== row.group.first % every) continue;
    context.fillStyle = theme.faint;
    const text =
      row.lane < 0
        ? 'call'
        : rowHeight >= 16 && gutter > 90
          ? `${row.group.isSeveral ? 'row' : 'lane'} ${row.lane}`
          : String(row.lane);
    context.fillText(text, gutter - 8, y + rowHeight / 2 + 0.5);
  }
}

/** What follows the pointer: the item under it, a line through its time, what is being selected. */
function paintOver(chart) {
  const { theme, gutter, plot, pointer, selection, data } = chart;
  const context = sized(chart.elements.over, chart.width, HEAD + chart.height);
  context.strokeStyle = theme.mark;
  const outlined = new Set(chart.selected?.segments);
  if (chart.hovered !== null) for (const at of chart.hovered.segments) outlined.add(at);
  context.save();
  context.beginPath();
  context.rect(gutter - 2, HEAD, plot + 4, chart.height);
  context.clip();
  for (const at of outlined) {
    if (!isBar(data, at)) continue;
    const x0 = Math.max(gutter - 20, chart.x(data.start[at]));
    const x1 = Math.min(gutter + plot + 20, chart.x(data.end[at]));
    const y = HEAD + data.rows[data.rowOf[at]].y - chart.scroll;
    context.lineWidth = at === chart.hovered?.at ? 2.5 : 1.5;
    context.strokeRect(x0 - 1, y + 0.5, Math.max(2, x1 - x0) + 1, chart.rowHeight - 1);
  }
  context.restore();
  if (selection !== null) {
    const [x0, x1] = [...selection].sort((one, other) => one - other);
    context.fillStyle = theme.mark;
    context.globalAlpha = 0.15;
    context.fillRect(x0, OVERVIEW + 8, x1 - x0, HEAD + chart.height);
    context.globalAlpha = 1;
    flag(chart, context, (x0 + x1) / 2, duration(chart.timeAt(x1) - chart.timeAt(x0)));
  } else if (pointer !== null && pointer.x > gutter && pointer.x < gutter + plot && pointer.y > OVERVIEW) {
    context.fillStyle = theme.mark;
    context.globalAlpha = 0.5;
    context.fillRect(pointer.x, OVERVIEW + 8, 1, HEAD + chart.height);
    context.globalAlpha = 1;
    const time = chart.timeAt(pointer.x);
    const running = chart.running.counts[lastNotAfter(chart.running.times, time)] ?? 0;
    flag(chart, context, pointer.x, `${clock(time, chart.to - chart.from)} · ${running} running`);
  }
}

function flag(chart, context, x, text) {
  const { theme, gutter, plot } = chart;
  context.font = `11px ${theme.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const half = context.measureText(text).width / 2 + 6;
  const middle = Math.min(Math.max(x, gutter + half), gutter + plot - half);
  const y = OVERVIEW + 8 + STRIP + 13;
  context.fillStyle = theme.mark;
  context.fillRect(middle - half, y - 9, 2 * half, 18);
  context.fillStyle = theme.ground;
  context.fillText(text, middle, y + 0.5);
}

function factsOf(group) {
  const rows = group.rows.length;
  if (group.isSeveral)
    return `${count(group.count)} ${group.count === 1 ? 'call' : 'calls'}, in ${count(rows)} ${rows === 1 ? 'row' : 'rows'}`;
  const parts = [`call ${group.call}`, `${count(rows)} ${rows === 1 ? 'lane' : 'lanes'}`];
  if (group.reason === 'fail') parts.push('rejected');
  if (group.closedAt === null) parts.push('still open at the end');
  return parts.join(' · ');
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && context.measureText(`${characters.join('')}…`).width > width) characters.pop();
  return `${characters.join('')}…`;
}

/** A time, as finely as the view shows it. */
function clock(ms, span) {
  const places = Math.max(0, Math.ceil(-Math.log10(span / 1000)));
  if (ms < 1000 && span < 1000) return `${ms.toFixed(Math.min(3, places))} ms`;
  return `${(ms / 1000).toFixed(Math.min(6, places + 3))} s`;
}

module.exports = { GROUP_HEAD, HEAD, OVERVIEW, paintBody, paintHead, paintOver };
