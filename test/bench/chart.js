'use strict';

// The results as one SVG: for each row that has an anchor, its contestants' time as a multiple of the anchor's, on a
// logarithmic scale. It stands on a card of its own, so it reads on a light and on a dark page.

const { ratio } = require('./table.js');

const shown = ['map', 'map-policy', 'http', 'timeout', 'retry', 'settle', 'open-promises'];
const size = { width: 860, left: 230, right: 70, top: 64, bar: 16, group: 46 };

const style = `
  svg { font: 12px -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif }
  .card { fill: #fff; stroke: #d1d9e0 } .text { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d1d9e0 }
  .title { font-weight: 600; paint-order: stroke; stroke: #fff; stroke-width: 5px }
  .one { stroke: #59636e } .bar { fill: #9aa4b0 } .twin { fill: #d29922 } .sluice { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d } .text { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #30363d }
    .title { stroke: #0d1117 } .one { stroke: #9198a1 } .bar { fill: #656c76 } .twin { fill: #bb8009 } .sluice { fill: #4493f8 }
  }`;

const escape = (text) => text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]);
const text = (x, y, kind, content, anchor = 'start') =>
  `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escape(content)}</text>`;
const line = (x, from, to, kind) => `<line x1="${x}" x2="${x}" y1="${from}" y2="${to}" class="${kind}"/>`;

function groupsOf({ rows }) {
  return rows
    .filter(({ name }) => shown.includes(name))
    .map(({ title, anchor, contestants }) => ({
      title: `${title} (1 = ${anchor})`,
      bars: contestants
        .filter(({ ratio, name }) => ratio && name !== anchor)
        .map(({ name, ratio }) => ({ name, value: ratio.median }))
        .sort((a, b) => a.value - b.value),
    }))
    .filter(({ bars }) => bars.length > 0);
}

function chart(results) {
  const groups = groupsOf(results);
  const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value));
  const low = Math.floor(Math.log10(Math.min(1, ...values)));
  const high = Math.ceil(Math.log10(Math.max(10, ...values)));
  const { width, left, right, top, bar } = size;
  const at = (value) => +(left + ((Math.log10(value) - low) / (high - low)) * (width - left - right)).toFixed(1);

  const parts = [];
  let y = top;
  for (const { title, bars } of groups) {
    parts.push(text(16, y + 18, 'text title', title));
    y += 28;
    for (const { name, value } of bars) {
      const kind = name.startsWith('sluice') ? 'sluice' : name.startsWith('twin') ? 'twin' : 'bar';
      const [from, to] = [Math.min(at(1), at(value)), Math.max(at(1), at(value))];
      parts.push(text(left - 8, y + 11, kind === 'bar' ? 'soft' : 'text', name, 'end'));
      parts.push(
        `<rect x="${from}" y="${y + 1}" width="${Math.max(to - from, 1.5).toFixed(1)}" height="${bar - 4}" rx="2" class="${kind}"/>`,
      );
      parts.push(text(to + 6, y + 11, 'text', ratio(value)));
      y += bar;
    }
    y += size.group - 28;
  }

  const grid = [];
  for (let power = low; power <= high; power++) {
    const x = at(10 ** power);
    grid.push(
      line(x, top - 6, y - 6, power === 0 ? 'one' : 'grid'),
      text(x, top - 12, 'soft', `${10 ** power}x`, 'middle'),
    );
  }
  const { node, sluice } = results.versions;
  const heading = 'Time per item as a multiple of the plain way: left of the line is faster';
  const footing = `twin: the same design in plain JavaScript. sluice ${sluice}, Node ${node}, ${results.machine.cpu}, ${results.date.slice(0, 10)}`;
  const height = y + 22;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escape(heading)}</title>
<style>${style}
</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6" class="card"/>
${text(16, 26, 'text title', heading)}
${grid.join('\n')}
${parts.join('\n')}
${text(16, height - 12, 'soft', footing)}
</svg>
`;
}

module.exports = { chart };
