'use strict';

// Recording#toHTML: what stands in the page. (What it does in a browser: test/recording.)

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const fc = require('fast-check');

const { Recording } = require('../../lib/recording');
const { firstAfter, isBar, unpack } = require('../../lib/recording-client-data');
const { duration, ticks } = require('../../lib/recording-client-words');
const { timelineOf } = require('../../lib/recording-timeline');
const { SEED, runs } = require('../support/draws');
const { SCENES } = require('../support/recordings');

const LIB = join(__dirname, '../../lib');

const dataOf = (html) => JSON.parse(/<script type="application\/json" id="data">([^]*?)<\/script>/.exec(html)[1]);

describe('Recording#toHTML', () => {
  it('asks for nothing from anywhere', () => {
    for (const scene of Object.keys(SCENES)) {
      const html = new Recording(SCENES[scene]()).toHTML();
      assert.doesNotMatch(
        html,
        /https?:|\/\/[a-z]+\.[a-z]|@import|\bimport\b\s*[({'"]|\bsrc=|url\(|<link|fetch\(|XMLHttpRequest/i,
      );
    }
  });

  it('is one document: each script in it ends where it should', () => {
    for (const file of readdirSync(LIB).filter((name) => name.startsWith('recording-client'))) {
      assert.doesNotMatch(readFileSync(join(LIB, file), 'utf8'), /<\/script|<!--/i, file);
    }
    const given = SCENES.twenty();
    given.jobs[0].name = '</script><!-- <script>';
    const html = new Recording(given).toHTML();
    assert.equal(html.match(/<script/g).length, 2);
    assert.equal(html.match(/<\/script>/g).length, 2);
    assert.equal(dataOf(html).groups[0].name, '</script><!-- <script>');
  });

  it('takes a title, else has the names of the calls', () => {
    const recording = new Recording(SCENES.twoThousand());
    assert.match(recording.toHTML({ title: 'a < b & "c"' }), /<title>a &#60; b &#38; &#34;c&#34;<\/title>/);
    assert.match(recording.toHTML(), /<title>fetchPage, save to the database, readIndex<\/title>/);
    assert.match(recording.toHTML({ title: undefined }), /<title>fetchPage/);
  });

  it('refuses what is no title, and options that it does not know', () => {
    const recording = new Recording(SCENES.twenty());
    const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => recording.toHTML({ title: 1 }), {
      ...invalid,
      message: /"options.title" argument must be of type string/,
    });
    assert.throws(() => recording.toHTML({ titel: 'x' }), {
      ...invalid,
      message: /there is no such option \(there are title\)/,
    });
    assert.throws(() => recording.toHTML('x'), invalid);
  });

  it('holds each attempt and each wait, to the microsecond', () => {
    for (const scene of ['twenty', 'twoThousand', 'manyCalls', 'cutOff']) {
      const recording = new Recording(SCENES[scene]());
      const { bars, waits } = timelineOf(recording);
      const data = unpack(dataOf(recording.toHTML()));
      assert.equal(data.size, bars.length + waits.length);
      const keyOf = ({ call, item, attempt, start }) => [call, item, attempt, start];
      const order = (one, other) => {
        const different = one.findIndex((value, index) => value !== other[index]);
        return different < 0 ? 0 : one[different] - other[different];
      };
      const known = [...bars, ...waits].map(keyOf).sort(order);
      const held = Array.from(data.start, (start, at) =>
        keyOf({ call: data.call[at], item: data.item[at], attempt: data.attempt[at], start }),
      ).sort(order);
      held.forEach(([call, item, attempt, start], index) => {
        assert.deepEqual([call, item, attempt], known[index].slice(0, 3));
        assert.ok(Math.abs(start - known[index][3]) <= 0.001);
      });
      for (const row of data.rows) {
        for (let at = row.from + 1; at < row.to; at++) assert.ok(data.end[at - 1] <= data.start[at]);
      }
    }
  });

  it('finds the first segment after a time as a dumb search does', () => {
    const data = unpack(dataOf(new Recording(SCENES.cutOff()).toHTML()));
    for (const row of data.rows) {
      for (let time = data.begin - 5; time < data.until + 5; time += 3.7) {
        let dumb = row.from;
        while (dumb < row.to && data.end[dumb] <= time) dumb++;
        assert.equal(firstAfter(data, row.from, row.to, time), dumb);
      }
    }
    assert.ok(data.rows.every((row) => isBar(data, row.from) || data.kind[row.from] >= 8));
  });

  it('puts ticks at whole steps, no more than asked for, each with a text of its own', () => {
    const span = fc.tuple(
      fc.double({ min: 0, max: 1e8, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e8, noNaN: true }),
    );
    fc.assert(
      fc.property(span, fc.integer({ min: 1, max: 20 }), ([from, length], most) => {
        const found = ticks(from, from + length, most);
        assert.ok(found.length <= most + 1);
        assert.ok(found.every(({ time }) => time >= from - length * 1e-6 && time <= from + length));
        // Below a microsecond in a day the numbers themselves end.
        if (length > from * 1e-9) assert.equal(new Set(found.map(({ text }) => text)).size, found.length);
      }),
      { seed: SEED, numRuns: runs(1 / 6) },
    );
  });

  it('has ticks in the unit that suits the axis', () => {
    const textsOf = (...view) => ticks(...view).map(({ text }) => text);
    assert.deepEqual(textsOf(0, 100, 5), ['0 ms', '20 ms', '40 ms', '60 ms', '80 ms', '100 ms']);
    assert.deepEqual(textsOf(1, 1.5, 3), ['1.0 ms', '1.2 ms', '1.4 ms']);
    assert.deepEqual(textsOf(900, 1100, 2), ['0.9 s', '1.0 s', '1.1 s']);
    assert.deepEqual(textsOf(0, 200_000, 4), ['0:00', '1:00', '2:00', '3:00']);
  });

  it('says durations in the unit that suits them', () => {
    const known = [
      [0, '0 ms'],
      [0.0004, '< 1 µs'],
      [0.42, '0.42 ms'],
      [4.24, '4.2 ms'],
      [9.96, '10 ms'],
      [48.4, '48 ms'],
      [999.7, '1.00 s'],
      [1017, '1.02 s'],
      [59_999, '1 min 0 s'],
      [125_000, '2 min 5 s'],
      [12_000_000, '3 h 20 min'],
    ];
    for (const [ms, text] of known) assert.equal(duration(ms), text);
  });
});
