/**
 * The report in a real Chromium: its own policy lets it be what it is, it fetches nothing, fits a telephone, prints, and can be heard.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PICTURES, openPage, startBrowser, startHost } from './harness.js';
import { takeFrames } from './nifti.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHANTOM = fileURLToPath(new URL('../../target/demo/phantom.nii.gz', import.meta.url));

test('a report is whole under its own policy, accessible, and fits paper and telephones', async (context) => {
  const browser = await startBrowser();
  if (!browser) return context.skip('no Chromium');
  const host = await startHost();
  try {
    const post = async (/** @type {string} */ path, /** @type {Buffer} */ body) => {
      const answer = await fetch(`${host.url}${path}`, { method: 'POST', body });
      assert.equal(answer.status, 201);
      return answer.json();
    };
    const study = await post('/api/v1/studies?label=phantom&height_cm=178&weight_kg=74&sex=male&age_years=52', takeFrames(readFileSync(PHANTOM), 6));
    const made = await post(study.links.segmentations);

    const { page, complaints } = await openPage(browser, 'about:blank');
    /** @type {string[]} */
    const asked = [];
    page.on('request', (request) => {
      if (!request.url().startsWith('data:')) asked.push(request.url());
    });
    await page.goto(`${host.url}${made.links.report}`);
    // What the policy forbids is told to the console.
    assert.deepEqual(complaints, []);
    assert.deepEqual(asked, [`${host.url}${made.links.report}`]);
    assert.equal(await page.locator('table').first().evaluate((table) => getComputedStyle(table).borderCollapse), 'collapse');
    const widths = await page.locator('img').evaluateAll((all) => all.map((/** @type {HTMLImageElement} */ one) => one.naturalWidth));
    assert.equal(widths.length, 6);
    assert.ok(widths.every((width) => width > 100), String(widths));
    assert.equal(await page.locator('.bullseye path').count(), 32);

    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes[0].html}`), []);

    await page.setViewportSize({ width: 360, height: 780 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const pdf = await page.pdf({ path: join(PICTURES, 'report.pdf'), preferCSSPageSize: true });
    // A4 in points, as the style sheet asks, and not as many pages as there are tables.
    const text = pdf.toString('latin1');
    assert.match(text, /\/MediaBox ?\[0 0 59[45]\.?\d* 84[12]\.?\d*\]/);
    const pages = text.match(/\/Type ?\/Page\b/g)?.length ?? 0;
    assert.ok(pages >= 4 && pages <= 9, `${pages} pages`);
  } finally {
    await browser.close();
    await host.stop();
  }
});
