'use strict';

// What recording-page.js packed, as columns: one entry per segment (an attempt or a wait), row by row, in the order of time.
//
//     row.packed: [kind, gap, length, item, attempt, kind, ...]   gap and length in whole microseconds, the gap from the end
//                                                                 of the segment before; item as the difference to its
//     kind: 0.. an outcome; FIRST_REASON.. the reason of a wait
//     row.more: { "3": { tail, delay, ... } }                     what few segments have, by their place in the row

const { callText } = require('./recording-client-words');

const FIRST_REASON = 8;
const FIELDS = 5;

function unpack(packed) {
  let size = 0;
  for (const group of packed.groups) for (const row of group.rows) size += row.packed.length / FIELDS;
  const data = {
    ...packed,
    size,
    start: new Float64Array(size), // ms, as in the recording
    end: new Float64Array(size),
    kind: new Uint8Array(size),
    item: new Float64Array(size),
    attempt: new Uint32Array(size),
    call: new Float64Array(size),
    rowOf: new Uint32Array(size),
    more: new Map(), // segment -> { tail, isTailOpen, isTailUnknown, isTailGuess, delay, scope, ... }: see recording-page.js
    rows: [],
  };
  let at = 0;
  for (const group of packed.groups) {
    group.first = data.rows.length;
    for (const row of group.rows) at = unpackRow(data, group, row, at);
  }
  return data;
}

function unpackRow(data, group, row, from) {
  const { packed, calls, more } = row;
  const last = from + packed.length / FIELDS;
  let time = 0;
  let item = 0;
  let call = group.call ?? 0;
  for (let at = from, field = 0; at < last; at++, field += FIELDS) {
    time += packed[field + 1];
    data.start[at] = data.begin + time / 1000;
    time += packed[field + 2];
    data.end[at] = data.begin + time / 1000;
    data.kind[at] = packed[field];
    data.item[at] = item += packed[field + 3];
    data.attempt[at] = packed[field + 4];
    data.call[at] = call = calls === undefined ? call : call + calls[at - from];
    data.rowOf[at] = data.rows.length;
  }
  for (const index in more) data.more.set(from + Number(index), more[index]);
  data.rows.push({ lane: row.lane, group, from, to: last, tails: tailsOf(data, from, last) });
  return last;
}

function tailsOf(data, from, to) {
  const tails = [];
  for (let at = from; at < to; at++) if (data.more.get(at)?.tail !== undefined) tails.push(at);
  return tails;
}

/** The first segment in [from, to) that ends after `time`: in a row they do not overlap. */
function firstAfter(data, from, to, time) {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.end[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBar(data, at) {
  return data.kind[at] < FIRST_REASON;
}

/** How many attempts run, as steps: from times[i] on, counts[i]. */
function concurrency(data) {
  const starts = new Float64Array(data.size);
  const ends = new Float64Array(data.size);
  let bars = 0;
  for (let at = 0; at < data.size; at++) {
    if (!isBar(data, at)) continue;
    starts[bars] = data.start[at];
    ends[bars++] = data.end[at];
  }
  const begun = starts.subarray(0, bars).sort();
  const ended = ends.subarray(0, bars).sort();
  const times = new Float64Array(2 * bars);
  const counts = new Uint32Array(2 * bars);
  let most = 0;
  let steps = 0;
  for (let b = 0, e = 0; e < bars;) {
    const time = b < bars && begun[b] < ended[e] ? begun[b] : ended[e];
    while (b < bars && begun[b] <= time) b++;
    while (e < bars && ended[e] <= time && e < b) e++;
    times[steps] = time;
    counts[steps++] = b - e;
    most = Math.max(most, b - e);
  }
  return { times: times.subarray(0, steps), counts: counts.subarray(0, steps), most };
}

/** The index of the last time that is not after this one, or -1. */
function lastNotAfter(times, time) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** What a segment is of: its item, or where its call has but one, the call. */
function nameOf(data, at) {
  const { group } = data.rows[data.rowOf[at]];
  const item = data.item[at];
  const call = data.call[at];
  if (item < 0 || group.isSingle) return { long: callText(call), short: callText(call).replace('call ', '') };
  return { long: group.isSeveral ? `call ${call}, item ${item}` : `item ${item}`, short: String(item) };
}

/** All segments of one item, in the order of time. */
function segmentsOf(data, call, item) {
  const found = [];
  for (let at = 0; at < data.size; at++) if (data.item[at] === item && data.call[at] === call) found.push(at);
  return found.sort((one, other) => data.start[one] - data.start[other]);
}

module.exports = { FIELDS, FIRST_REASON, concurrency, firstAfter, isBar, lastNotAfter, nameOf, segmentsOf, unpack };
