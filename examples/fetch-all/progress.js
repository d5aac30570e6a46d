'use strict';

// Progress on standard error: a bar on a terminal, now and then a plain line anywhere else.

const { Presets, SingleBar } = require('cli-progress');

const LINE_EVERY_MS = 1000;

function bar(tally, total) {
  const format =
    '{bar} {value}/{total} | {failed} failed, {retries} retries, {timeouts} timeouts | {duration_formatted}';
  const single = new SingleBar(
    { format, stream: process.stderr, hideCursor: true, gracefulExit: false, emptyOnZero: true },
    Presets.shades_classic,
  );
  const numbers = () => ({ failed: tally.failed, retries: tally.retries, timeouts: tally.timeouts });
  single.start(0, 0, numbers());
  return {
    update({ started }) {
      single.setTotal(total ?? started);
      single.update(tally.urls, numbers());
    },
    stop: () => single.stop(),
  };
}

function lines(tally, total) {
  let next = performance.now() + LINE_EVERY_MS;
  return {
    update() {
      if (performance.now() < next) return;
      next = performance.now() + LINE_EVERY_MS;
      const { urls, failed, retries, timeouts } = tally;
      const of = total === undefined ? '' : ` of ${total}`;
      process.stderr.write(`${urls}${of} done, ${failed} failed, ${retries} retries, ${timeouts} timeouts\n`);
    },
    stop() {},
  };
}

const none = { update() {}, stop() {} };

/** `total`: undefined where it is not known. `rowsOnTerminal`: rows scroll by on the same terminal, a bar would tear them. */
function startProgress(tally, { total, rowsOnTerminal }) {
  if (rowsOnTerminal) return none;
  return process.stderr.isTTY ? bar(tally, total) : lines(tally, total);
}

module.exports = { startProgress };
