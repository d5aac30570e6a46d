'use strict';

// Pictures of the page for a person to judge, in out/recording/: at 20, 2,000 and 50,000 items, light and dark, wide and
// narrow, zoomed. `node test/recording/screenshots.js [name of a scene ...]`

const { mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const { Recording } = require('../../lib/recording');
const { absent, launch } = require('../support/browser');
const { SCENES } = require('../support/recordings');

const folder = join(__dirname, '../../out/recording');

async function main(wanted) {
  if (absent !== null) throw new Error(absent);
  mkdirSync(folder, { recursive: true });
  const browser = await launch();
  try {
    for (const [name, scene] of Object.entries(SCENES)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      const html = new Recording(scene()).toHTML();
      writeFileSync(join(folder, `${name}.html`), html);
      await picture(browser, html, name, {});
      await picture(browser, html, `${name}-dark`, { colorScheme: 'dark' });
      await picture(browser, html, `${name}-narrow`, { viewport: { width: 420, height: 800 } });
      await picture(browser, html, `${name}-zoomed`, {}, zoomIn);
    }
  } finally {
    await browser.close();
  }
}

async function picture(browser, html, name, settings, before = () => {}) {
  const begun = performance.now();
  const page = await browser.open(html, settings);
  const opened = Math.round(performance.now() - begun);
  await before(page);
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path, fullPage: true });
  console.log(
    `${name}: ${Math.round(html.length / 1024)} KiB, open after ${opened} ms${page.problems.length > 0 ? `, ${page.problems}` : ''}`,
  );
  await page.context().close();
}

/** To the slowest item, with the pointer on it. */
async function zoomIn(page) {
  const button = page.locator('td button').first();
  if ((await button.count()) === 0) return;
  await button.click();
  const place = await page.evaluate(() => {
    const { chart, data } = globalThis.sluice;
    const at = chart.selected.segments.find((segment) => data.kind[segment] < 8);
    return chart.placeOf(at);
  });
  await page.mouse.move(place.x, place.y);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
