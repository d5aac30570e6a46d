'use strict';

// How each thing looks: colours from the style sheet (one set for light, one for dark), and beside each colour another
// sign, so that nobody needs to tell colours apart. Bars fill their row, waits are thin lines in its middle, the tails of
// abandoned attempts run along its lower edge.

const { OUTCOMES } = require('./recording-client-words');

const LEGEND = [
  { key: 'fulfilled', text: 'fulfilled' },
  { key: 'retried', text: 'failed, retried' },
  { key: 'failed', text: 'failed' },
  { key: 'timeout', text: 'timed out' },
  { key: 'tail', text: 'abandoned, ran on' },
  { key: 'aborted', text: 'aborted' },
  { key: 'open', text: 'still running' },
  { key: 'backoff', text: 'backoff', isWait: true },
  { key: 'rate', text: 'waits for the rate', isWait: true },
  { key: 'limit', text: 'waits for a permit', isWait: true },
  { key: 'room', text: 'waits for room', isWait: true },
  { key: 'abandoned', text: 'waits for abandoned ones', isWait: true },
  { key: 'yield', text: 'lets the loop turn', isWait: true },
  { key: 'block', text: 'loop blocked' },
];

const GLYPHS = { retried: '↻', failed: '✕', timeout: '◷', aborted: '⊘', open: '…' };
const COLORS = [
  ...OUTCOMES,
  'backoff',
  'rate',
  'limit',
  'other',
  'block',
  'text',
  'faint',
  'grid',
  'ground',
  'area',
  'mark',
];

/** The colours of now, and the patterns made of them. */
function themeOf(element) {
  const style = getComputedStyle(element);
  const theme = { font: style.fontFamily, patterns: new Map() };
  for (const name of COLORS) theme[name] = style.getPropertyValue(`--${name}`).trim();
  for (const name of OUTCOMES) theme[`on-${name}`] = style.getPropertyValue(`--on-${name}`).trim();
  return theme;
}

const HATCHES = {
  retried: {
    size: 7,
    lines: [
      [-1, 8, 8, -1],
      [-1, 1, 1, -1],
      [6, 8, 8, 6],
    ],
    width: 1.6,
  },
  timeout: {
    size: 7,
    lines: [
      [-1, -1, 8, 8],
      [6, -1, 8, 1],
      [-1, 6, 1, 8],
    ],
    width: 1.6,
  },
  aborted: {
    size: 6,
    lines: [
      [-1, -1, 7, 7],
      [-1, 7, 7, -1],
    ],
    width: 1,
  },
  block: {
    size: 8,
    lines: [
      [-1, 9, 9, -1],
      [-1, 1, 1, -1],
      [7, 9, 9, 7],
    ],
    width: 1,
  },
};

/** Hatching over the colour of a bar, or null where it has none. */
function hatch(context, theme, key) {
  const known = theme.patterns.get(key);
  if (known !== undefined) return known;
  const shape = HATCHES[key];
  let pattern = null;
  if (shape !== undefined) {
    const tile = document.createElement('canvas');
    tile.width = tile.height = shape.size;
    const pen = tile.getContext('2d');
    pen.strokeStyle = key === 'block' ? theme.block : theme[`on-${key}`];
    pen.globalAlpha = key === 'block' ? 0.5 : 0.28;
    pen.lineWidth = shape.width;
    for (const [x0, y0, x1, y1] of shape.lines) {
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x1, y1);
      pen.stroke();
    }
    pattern = context.createPattern(tile, 'repeat');
  }
  theme.patterns.set(key, pattern);
  return pattern;
}

function bar(context, theme, key, x, y, width, height) {
  if (key === 'open') {
    openBar(context, theme, x, y, width, height);
    return;
  }
  context.fillStyle = theme[key];
  context.fillRect(x, y, width, height);
  if (width < 4) return;
  const pattern = hatch(context, theme, key);
  if (pattern !== null) {
    context.fillStyle = pattern;
    context.fillRect(x, y, width, height);
  }
}

/** Its right side is open: nobody knows when it ends. */
function openBar(context, theme, x, y, width, height) {
  context.fillStyle = theme.open;
  context.globalAlpha = 0.25;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
  context.fillRect(x, y, width, 1.5);
  context.fillRect(x, y + height - 1.5, width, 1.5);
  context.fillRect(x, y, Math.min(2, width), height);
}

/** The attempt had begun before the recording: its left side is torn. */
function torn(context, theme, x, y, height) {
  context.fillStyle = theme.ground;
  context.beginPath();
  context.moveTo(x, y);
  const teeth = Math.max(2, Math.round(height / 5));
  for (let tooth = 0; tooth < teeth; tooth++) {
    context.lineTo(x + 6, y + ((tooth + 0.5) * height) / teeth);
    context.lineTo(x, y + ((tooth + 1) * height) / teeth);
  }
  context.fill();
}

function tail(context, theme, x, y, width, height, isOpen) {
  const thick = Math.max(2, Math.min(4, height * 0.2));
  const top = y + height - thick;
  context.fillStyle = theme.timeout;
  for (let at = x; at < x + width; at += 6) context.fillRect(at, top, Math.min(4, x + width - at), thick);
  if (!isOpen) context.fillRect(x + width - 1.5, y + height * 0.45, 1.5, height * 0.55);
}

/** It runs on, nobody knows for how long: as far as is known, and then dots that go out. */
function lostTail(context, theme, x, y, width, height) {
  if (width > 1.5) tail(context, theme, x, y, width, height, true);
  const thick = Math.max(2, Math.min(4, height * 0.2));
  context.fillStyle = theme.timeout;
  for (let dot = 0; dot < 4; dot++) {
    context.globalAlpha = 0.9 - dot * 0.22;
    context.fillRect(x + Math.max(0, width) + 1 + dot * 4, y + height - thick, 2, thick);
  }
  context.globalAlpha = 1;
}

function wait(context, theme, key, x, y, width, height) {
  const middle = y + height / 2;
  context.fillStyle = theme[key] ?? theme.other;
  if (width < 5) {
    context.fillRect(x, middle - 0.75, Math.max(width, 0.5), 1.5);
  } else if (key === 'backoff') {
    const size = Math.min(2.5, height / 3);
    for (let at = x + 1; at < x + width - 1; at += 5) context.fillRect(at, middle - size / 2, size, size);
  } else if (key === 'rate') {
    const half = Math.min(4, height / 3);
    for (let at = x + 1; at < x + width - 1; at += 4) context.fillRect(at, middle - half, 1, 2 * half);
  } else if (key === 'limit') {
    const half = Math.min(3.5, height / 3);
    context.fillRect(x + 1, middle - 0.75, width - 2, 1.5);
    context.fillRect(x + 1, middle - half, 1.5, 2 * half);
    context.fillRect(x + width - 2.5, middle - half, 1.5, 2 * half);
  } else {
    for (let at = x + 1; at < x + width - 1; at += 7)
      context.fillRect(at, middle - 0.75, Math.min(4, x + width - at), 1.5);
  }
}

/** The loop was kept from running. */
function band(context, theme, x, y, width, height) {
  const wide = Math.max(width, 1.5);
  context.globalAlpha = 0.16;
  context.fillStyle = theme.block;
  context.fillRect(x, y, wide, height);
  context.globalAlpha = 1;
  if (width < 8) return;
  context.globalAlpha = 0.35;
  context.fillStyle = hatch(context, theme, 'block');
  context.fillRect(x, y, wide, height);
  context.globalAlpha = 0.8;
  context.fillStyle = theme.block;
  context.fillRect(x, y, 1, height);
  context.fillRect(x + width - 1, y, 1, height);
  context.globalAlpha = 1;
}

function swatch(canvas, theme) {
  const { key } = canvas.dataset;
  const context = sized(canvas, 26, 14);
  if (key === 'block') band(context, theme, 1, 0, 24, 14);
  else if (key === 'tail') tail(context, theme, 1, 0, 24, 14, false);
  else if (OUTCOMES.includes(key)) {
    bar(context, theme, key, 1, 1, 24, 12);
    if (GLYPHS[key] === undefined) return;
    context.fillStyle = theme[`on-${key}`];
    context.font = `10px ${theme.font}`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillText(GLYPHS[key], 13, 7.5);
  } else wait(context, theme, key, 1, 1, 24, 12);
}

/** A canvas of that size in the page's pixels, sharp on the screen's, empty. */
function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [real, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== real || canvas.height !== high) {
    canvas.width = real;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

module.exports = { GLYPHS, LEGEND, band, bar, lostTail, sized, swatch, tail, themeOf, torn, wait };
