'use strict';

// The page of a recording in a browser: what a person does with pointer, wheel and keys, and what is seen. The pictures it
// takes lie in out/recording/.

const assert = require('node:assert/strict');
const { mkdirSync } = require('node:fs');
const { join } = require('node:path');

const { Recording } = require('../../lib/recording');
const { absent, launch } = require('../support/browser');
const { SCENES } = require('../support/recordings');

const PICTURES = join(__dirname, '../../out/recording');
const NASTY = `</script><script>window.harm = 1</script><img src=x onerror="window.harm = 2"> "it's" & 💧 \u2028 <!--`;

const htmlOf = (scene) => new Recording(SCENES[scene]()).toHTML();

describe(`The page of a recording${absent === null ? '' : ` (not tested: ${absent})`}`, function suite() {
  this.timeout(60_000);
  let browser;
  let page;

  before(async function start() {
    if (absent !== null) this.skip();
    mkdirSync(PICTURES, { recursive: true });
    browser = await launch();
  });
  after(() => browser?.close());
  afterEach(async () => {
    if (page === undefined) return;
    const { problems } = page;
    await page.context().close();
    page = undefined;
    assert.deepEqual(problems, [], 'nothing on the console, nothing from the network');
  });

  const view = () => page.evaluate(() => globalThis.sluice.chart).then(({ from, to }) => [from, to]);
  const onChart = (run, argument) => page.evaluate(`(${run})(globalThis.sluice, ${JSON.stringify(argument)})`);
  const picture = (name) => page.screenshot({ path: join(PICTURES, `test-${name}.png`), fullPage: true });

  /** The place of the first attempt of that item. */
  const placeOf = (item) =>
    onChart(({ chart, data }, wanted) => {
      const at = data.item.findIndex((each, index) => each === wanted && data.kind[index] < 8);
      return chart.placeOf(at);
    }, item);

  async function open(html, settings) {
    page = await browser.open(html, settings);
    return page;
  }

  /** What the chart writes and how often it draws, when drawn anew. */
  const drawing = () =>
    onChart(({ chart }) => {
      const texts = [];
      const { fillText } = globalThis.CanvasRenderingContext2D.prototype;
      globalThis.CanvasRenderingContext2D.prototype.fillText = function spy(text, ...where) {
        texts.push(text);
        return fillText.call(this, text, ...where);
      };
      chart.draw();
      globalThis.CanvasRenderingContext2D.prototype.fillText = fillText;
      return { texts, drawn: chart.drawn };
    });

  for (const scene of Object.keys(SCENES)) {
    it(`opens from a file, without a complaint, dark and narrow, too: ${scene}`, async () => {
      const html = htmlOf(scene);
      await open(html);
      await picture(scene);
      assert.ok((await onChart(({ chart }) => chart.drawn)) > 0);
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 400, height: 700 });
      await picture(`${scene}-dark-narrow`);
      assert.equal(
        await page.evaluate(() => globalThis.document.documentElement.scrollWidth > globalThis.innerWidth),
        false,
      );
    });
  }

  it('writes into each of twenty items’ bars which it is', async () => {
    await open(htmlOf('twenty'));
    const { texts } = await drawing();
    for (let item = 0; item < 20; item++) {
      assert.ok(
        texts.some((text) => new RegExp(`^(\\S )?(item )?${item}( ·.*)?$`).test(text)),
        `item ${item}`,
      );
    }
  });

  it('draws what it can show of fifty thousand attempts, not all of them', async () => {
    await open(htmlOf('fiftyThousand'));
    const { size, most } = await onChart(({ chart, data }) => ({
      size: data.size,
      most: data.rows.length * chart.plot,
    }));
    const { drawn } = await drawing();
    assert.ok(drawn < most && drawn < size, `${drawn} of ${size}`);
    await onChart(({ chart }) => chart.show(10_000, 10_100));
    assert.ok((await drawing()).drawn < 1000);
  });

  it('zooms by the wheel around the time under the pointer', async () => {
    await open(htmlOf('twenty'));
    const place = await placeOf(15);
    await page.mouse.move(Math.round(place.x), Math.round(place.y));
    const timeThere = () => onChart(({ chart }) => chart.timeAt(chart.pointer.x));
    const time = await timeThere();
    const [from, to] = await view();
    await page.mouse.wheel(0, -600);
    await page.waitForFunction(
      (span) => globalThis.sluice.chart.to - globalThis.sluice.chart.from < span / 2,
      to - from,
    );
    assert.ok(Math.abs((await timeThere()) - time) < 1e-6);
    await page.mouse.wheel(0, 6000);
    await page.waitForFunction((span) => globalThis.sluice.chart.to - globalThis.sluice.chart.from === span, to - from);
    assert.deepEqual(await view(), [from, to]);
  });

  it('shows what was selected by dragging, and everything again at a double click or Escape', async () => {
    await open(htmlOf('twenty'));
    const all = await view();
    const box = await page.locator('#timeline').boundingBox();
    for (const back of [() => page.keyboard.press('Escape'), () => page.mouse.dblclick(box.x + 600, box.y + 180)]) {
      const wanted = await onChart(({ chart }) => [chart.timeAt(300), chart.timeAt(500)]);
      await page.mouse.move(box.x + 300, box.y + 150);
      await page.mouse.down();
      await page.mouse.move(box.x + 400, box.y + 160, { steps: 4 });
      await page.mouse.move(box.x + 500, box.y + 160);
      await page.mouse.up();
      const [from, to] = await view();
      assert.ok(Math.abs(from - wanted[0]) < 1 && Math.abs(to - wanted[1]) < 1);
      await back();
      assert.deepEqual(await view(), all);
    }
  });

  it('gives up a selection at Escape', async () => {
    await open(htmlOf('twenty'));
    const all = await view();
    const box = await page.locator('#timeline').boundingBox();
    await page.mouse.move(box.x + 300, box.y + 150);
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 160, { steps: 4 });
    await page.keyboard.press('Escape');
    await page.mouse.up();
    assert.deepEqual(await view(), all);
  });

  it('moves by the arrow keys, by Shift and dragging, by a sideways wheel, and by the overview', async () => {
    await open(htmlOf('twenty'));
    await onChart(({ chart }) => chart.show(200, 400));
    const box = await page.locator('#timeline').boundingBox();
    const middle = async () => (await view()).reduce((from, to) => (from + to) / 2);
    const moves = [
      [() => page.locator('#timeline').press('ArrowRight'), 340],
      [() => page.locator('#timeline').press('ArrowLeft'), 300],
    ];
    for (const [move, expected] of moves) {
      await move();
      assert.ok(Math.abs((await middle()) - expected) < 1e-6);
    }
    await page.keyboard.down('Shift');
    await page.mouse.move(box.x + 700, box.y + 150);
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 150, { steps: 3 });
    await page.mouse.up();
    await page.keyboard.up('Shift');
    const [from, to] = await view();
    assert.ok(from > 220 && Math.abs(to - from - 200) < 1e-6);
    await page.mouse.wheel(-300, 0);
    await page.waitForFunction((before) => globalThis.sluice.chart.from < before, from);
    await page.mouse.click(box.x + 96 + (box.width - 96) * 0.75, box.y + 8);
    assert.ok(Math.abs((await middle()) - 0.75 * 1017) < 10);
  });

  it('zooms by keys and buttons', async () => {
    await open(htmlOf('twenty'));
    const span = async () => (await view()).reduce((from, to) => to - from);
    const whole = await span();
    await page.keyboard.press('+');
    await page.getByRole('button', { name: 'Zoom in' }).click();
    assert.ok(Math.abs((await span()) - whole / 1.6 ** 2) < 1e-6);
    await page.keyboard.press('-');
    await page.locator('[data-do=out]').click();
    assert.equal(await span(), whole);
    await page.keyboard.press('+');
    await page.locator('[data-do=all]').click();
    assert.equal(await span(), whole);
  });

  it('tells all about the attempt under the pointer, and nothing beside it', async () => {
    await open(htmlOf('twenty'));
    const place = await placeOf(7);
    await page.mouse.move(place.x, place.y);
    const tip = page.locator('#tip');
    await tip.waitFor({ state: 'visible' });
    const text = await tip.innerText();
    for (const part of [
      'item 7',
      'timed out',
      'attempt',
      '218 ms',
      '64.21 ms',
      '282.00 ms',
      'after 60 ms',
      'ran on',
      '3 attempts',
      'fetchUser',
    ]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    await picture('hover');
    const { x, y } = await placeOf(19);
    await page.mouse.move(x, y - 60);
    await tip.waitFor({ state: 'hidden' });
  });

  it('tells of a wait what for, and of an attempt without an end that it has none', async () => {
    await open(htmlOf('cutOff'));
    const placeAt = (condition) =>
      onChart(`({ chart, data }) => chart.placeOf(data.kind.findIndex((kind, at) => ${condition}))`);
    const tip = page.locator('#tip');
    for (const [condition, parts] of [
      [
        'kind === 5 && data.end[at] - data.start[at] > 20',
        ['still running at the end', 'took', 'the end of the recording'],
      ],
      ['kind === 8 && data.end[at] - data.start[at] > 20', ['waiting to retry (backoff)', 'before attempt']],
      [
        'kind < 8 && data.more.get(at)?.startsBefore && data.end[at] - data.start[at] > 9',
        ['took at least', 'before the recording began'],
      ],
    ]) {
      const { x, y } = await placeAt(condition);
      await page.mouse.move(x, y);
      await tip.waitFor({ state: 'visible' });
      const text = await tip.innerText();
      for (const part of parts) assert.ok(text.includes(part), `${part} in ${text}`);
    }
  });

  it('goes to an item of the tables, and marks all its attempts', async () => {
    await open(htmlOf('fiftyThousand'));
    const button = page.locator('.table').nth(1).locator('td button').first();
    const item = Number(await button.getAttribute('data-item'));
    await button.click();
    const { selected, shown } = await onChart(({ chart, data }) => ({
      selected: chart.selected,
      shown: chart.selected.segments.every((at) => data.start[at] >= chart.from && data.end[at] <= chart.to),
    }));
    assert.equal(selected.item, item);
    assert.ok(selected.segments.length >= 4 && shown);
    await picture('jump');
    await page.keyboard.press('Escape');
    assert.equal(await onChart(({ chart }) => chart.selected), null);
  });

  it('marks an item that is clicked on', async () => {
    await open(htmlOf('twenty'));
    const place = await placeOf(12);
    await page.mouse.click(place.x, place.y);
    assert.equal(await onChart(({ chart }) => chart.selected.item), 12);
    await page.mouse.click(place.x + 700, place.y);
    assert.equal(await onChart(({ chart }) => chart.selected), null);
  });

  it('scrolls through a thousand lanes, by keys and by the wheel over their names', async () => {
    await open(htmlOf('manyLanes'));
    assert.match(await page.locator('#below').innerText(), /^rows 1 to \d+ of 1\u202f000/);
    await page.locator('#timeline').press('PageDown');
    const top = () => onChart(({ chart }) => chart.scroll);
    const paged = await top();
    assert.ok(paged > 300);
    const box = await page.locator('#timeline').boundingBox();
    const before = await view();
    await page.mouse.move(box.x + 40, box.y + 300);
    await page.mouse.wheel(0, 400);
    await page.waitForFunction((least) => globalThis.sluice.chart.scroll > least, paged);
    assert.deepEqual(await view(), before, 'that does not zoom');
    const { x, y, item } = await onChart(({ chart, data }) => {
      const row = data.rows.find((each) => each.y > chart.scroll + 100);
      return { ...chart.placeOf(row.from), item: data.item[row.from] };
    });
    await page.mouse.move(x, y);
    await page.locator('#tip').waitFor({ state: 'visible' });
    assert.ok((await page.locator('#tip').innerText()).startsWith(`item ${item}\n`));
  });

  it('shows names as they are, whatever is in them', async () => {
    const given = SCENES.twenty();
    given.jobs = [{ id: 1, name: NASTY, label: NASTY }];
    await open(new Recording(given).toHTML({ title: NASTY }));
    assert.equal(await page.title(), NASTY);
    assert.equal(await page.locator('h1').textContent(), NASTY);
    assert.equal(await onChart(({ data }) => data.groups[0].name), NASTY);
    assert.equal(await page.evaluate(() => globalThis.harm), undefined);
    const place = await placeOf(7);
    await page.mouse.move(place.x, place.y);
    await page.locator('#tip').waitFor({ state: 'visible' });
    assert.ok((await page.locator('#tip').textContent()).includes(NASTY));
    assert.equal(await page.locator('img').count(), 0);
  });

  it('follows the colour scheme and the size of the window while it is open', async () => {
    await open(htmlOf('twenty'));
    const state = () => onChart(({ chart }) => [chart.theme.ground, chart.width]);
    const [light, wide] = await state();
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 700, height: 600 });
    await page.waitForFunction((before) => globalThis.sluice.chart.width < before, wide);
    const [dark, narrow] = await state();
    assert.notEqual(dark, light);
    assert.ok(narrow < 700);
  });

  it('warns where events were overwritten', async () => {
    await open(htmlOf('cutOff'));
    assert.match(await page.locator('.warning').first().innerText(), /Incomplete\. \d+ earlier events did not fit/);
  });

  it('says so where nothing was recorded', async () => {
    const given = { startedAt: 0, duration: 5, lost: 0, thread: 3, pid: 1, jobs: [], events: [] };
    await open(new Recording(given).toHTML());
    assert.ok(await page.locator('#empty').isVisible());
    assert.match(await page.locator('.facts').innerText(), /0 calls · process 1, thread 3/);
    await page.keyboard.press('+');
    await page.locator('#timeline').hover();
    await picture('empty');
  });
});
