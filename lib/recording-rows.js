'use strict';

// Which row each lane of each call is drawn in.
//
// Calls of one name stand together once there are more of them than a reader would want to see one by one: a server makes
// thousands. Each call takes rows that are free while it lasts.
const APART = 3;

function groupsOf(calls) {
  const byName = new Map();
  for (const call of calls) {
    if (lanesOf(call).length === 0) continue;
    const namesakes = byName.get(call.name);
    if (namesakes === undefined) byName.set(call.name, [call]);
    else namesakes.push(call);
  }
  const groups = [];
  for (const [name, namesakes] of byName) {
    if (namesakes.length > APART || namesakes[0].id < 0) groups.push(packed(name, namesakes));
    else for (const call of namesakes) groups.push(apart(call));
  }
  return groups.sort((one, other) => one.start - other.start);
}

/** The lanes in which something happened, in order. */
function lanesOf(call) {
  const lanes = [...call.lanes.values()].filter(({ bars, waits }) => bars.length + waits.length > 0);
  return lanes.sort((one, other) => one.number - other.number);
}

function spanOf(call) {
  let start = call.openedAt ?? Infinity;
  let end = call.closedAt ?? -Infinity;
  for (const { bars, waits } of call.lanes.values()) {
    for (const each of [bars, waits]) {
      if (each.length === 0) continue;
      start = Math.min(start, each[0].start);
      end = Math.max(end, each.at(-1).end);
    }
  }
  return { start, end };
}

function apart(call) {
  const rows = lanesOf(call).map(rowOf);
  return { name: call.name, calls: [call], isSingle: false, rows, ...spanOf(call) };
}

/** Lanes have numbers of the whole engine; in a call they are counted from 0. What has none comes first. */
function rowOf({ number, bars, waits }, index, lanes) {
  const lane = number < 0 ? number : index - (lanes[0].number < 0 ? 1 : 0);
  return { lane, bars, waits };
}

function packed(name, calls) {
  const rows = [];
  const freeFrom = [];
  const spans = calls.map((call) => ({ call, ...spanOf(call) })).sort((one, other) => one.start - other.start);
  for (const { call, start, end } of spans) {
    const lanes = lanesOf(call);
    let first = 0;
    for (let row = 0; row < first + lanes.length && row < rows.length; row++)
      if (freeFrom[row] > start) first = row + 1;
    lanes.forEach(({ bars, waits }, index) => {
      const row = (rows[first + index] ??= { lane: first + index, bars: [], waits: [] });
      for (const bar of bars) row.bars.push(bar);
      for (const wait of waits) row.waits.push(wait);
      freeFrom[first + index] = end;
    });
  }
  return {
    name,
    calls: spans.map(({ call }) => call),
    isSingle: calls.every(isOfOneItem),
    rows,
    start: spans[0].start,
    end: freeFrom.reduce((one, other) => Math.max(one, other)),
  };
}

/** What such a call did is known by the call: its item says nothing. */
function isOfOneItem({ lanes }) {
  let item = null;
  for (const { bars } of lanes.values()) {
    for (const bar of bars) {
      item ??= bar.item;
      if (bar.item !== item) return false;
    }
  }
  return true;
}

module.exports = { groupsOf };
