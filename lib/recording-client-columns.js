'use strict';

// Attempts too narrow to be seen one by one, put together pixel by pixel: as dark as their lane was busy in it, and what
// went wrong in it on top, however short it was. Neighbours that look the same are drawn at once.

const { OUTCOMES, SEVERITY } = require('./recording-client-words');

const LEVELS = 8;
const MARK = 2; // pixels that a mishap is wide, at least

const OUTCOME_OF_RANK = [];
SEVERITY.forEach((rank, kind) => {
  OUTCOME_OF_RANK[rank] = OUTCOMES[kind];
});

class Columns {
  constructor(width) {
    this.covered = new Float32Array(width);
    this.worst = new Uint8Array(width); // ranks of SEVERITY
    this.from = width;
    this.to = 0;
  }

  /** From x0 to x1, in pixels. */
  add(x0, x1, kind) {
    const { covered, worst } = this;
    const rank = SEVERITY[kind];
    const first = Math.max(0, Math.floor(x0));
    const last = Math.min(covered.length - 1, Math.floor(x1));
    for (let column = first; column <= last; column++) {
      // (Even what takes no time is seen.)
      covered[column] += Math.max(0.02, Math.min(x1, column + 1) - Math.max(x0, column));
      if (rank > worst[column]) worst[column] = rank;
    }
    if (first < this.from) this.from = first;
    if (last >= this.to) this.to = last + 1;
  }

  /** Draws them, and is empty. Returns how many rectangles that took. */
  flush(context, theme, left, y, height) {
    const { covered, worst, from, to } = this;
    let drawn = 0;
    context.fillStyle = theme.fulfilled;
    runs(covered, from, to, levelOf, (level, first, last) => {
      context.globalAlpha = 0.5 + (0.5 * level) / LEVELS; // (a lonely short one is to be seen, too)
      context.fillRect(left + first, y, last - first, height);
      drawn++;
    });
    context.globalAlpha = 1;
    runs(worst, from, to, Number, (rank, first, last) => {
      context.fillStyle = theme[OUTCOME_OF_RANK[rank]];
      context.fillRect(left + first, y, Math.max(MARK, last - first), height);
      drawn++;
    });
    if (from < to) {
      covered.fill(0, from, to);
      worst.fill(0, from, to);
    }
    this.from = covered.length;
    this.to = 0;
    return drawn;
  }
}

function levelOf(covered) {
  return Math.min(LEVELS, Math.ceil(covered * LEVELS));
}

/** Calls draw(value, first, end) for each run of columns that have the same value, and not 0. */
function runs(columns, from, to, valueOf, draw) {
  let first = from;
  let value = 0;
  for (let column = from; column <= to; column++) {
    const next = column < to ? valueOf(columns[column]) : 0;
    if (next === value) continue;
    if (value !== 0) draw(value, first, column);
    first = column;
    value = next;
  }
}

module.exports = { Columns };
