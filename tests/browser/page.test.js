/**
 * The page as its users live it: in Chromium, on the real host, with the demonstration heart.
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { STRUCTURES } from '../../frontend/scripts/labels.js';
import { openPage, PICTURES, startBrowser, startHost } from './harness.js';
import { dropRows, readMask } from './nifti.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const DONE = 'body[data-phase="done"]';
/** A cine takes a while where only the embedded engine is there. */
const PATIENCE = { timeout: 240_000 };

const browser = await startBrowser();

describe('the page', { skip: !browser, concurrency: false }, () => {
  /** @type {Awaited<ReturnType<typeof startHost>>} */
  let host;
  before(async () => { host = await startHost(); });
  after(async () => {
    await browser.close();
    await host.stop();
  });

  test('the demonstration heart becomes contours, numbers and a curve', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await page.screenshot({ path: join(PICTURES, 'start.png') });
    await page.click('#demo');
    await page.waitForSelector(DONE, PATIENCE);
    await page.waitForSelector('.slice[data-shown]');
    await page.waitForSelector('.curve .scatterlayer');
    const cells = await page.locator('.numbers tbody tr').nth(3).locator('td').allTextContents();
    const ef = Number(cells[0]);
    assert.ok(ef > 20 && ef < 90, `LV ejection fraction shown: ${cells[0]}`);
    assert.match(await page.locator('#provenance').innerText(), /[0-9a-f]{64}/);
    await page.screenshot({ path: join(PICTURES, 'result.png'), fullPage: true });
    await page.addScriptTag({ path: AXE }).catch(() => page.evaluate(readFileSync(AXE, 'utf8')));
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.filter(({ impact }) => impact === 'critical' || impact === 'serious').map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
    await page.focus('.slice');
    const before = await page.locator('.slice').getAttribute('data-shown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((old) => document.querySelector('.slice').dataset.shown !== old, before);
    await page.selectOption('#overlay', 'fill');
    await page.waitForSelector('.slice[data-shown$="/fill"]');
    await page.screenshot({ path: join(PICTURES, 'fill.png') });
    await page.click('#play');
    const frame = await page.locator('#frame').inputValue();
    await page.waitForFunction((old) => document.querySelector('#frame').value !== old, frame);
    await page.click('#play');
    assert.deepEqual(complaints.filter((text) => !/axe/i.test(text)), []);
    await page.close();
  });

  test('contour colours lie where the mask says, on a later frame and on non-square pixels', async () => {
    const { page } = await openPage(browser, host.url);
    const demo = await (await fetch(`${host.url}/demo/phantom.nii.gz`)).arrayBuffer();
    await page.setInputFiles('#file', { name: 'tall-pixels.nii.gz', mimeType: 'application/gzip', buffer: dropRows(Buffer.from(demo), 2) });
    await page.waitForSelector(DONE, PATIENCE);
    const { items } = await (await fetch(`${host.url}/api/v1/studies?limit=1`)).json();
    const [study] = items;
    assert.equal(Math.round(study.spacing_mm.row / study.spacing_mm.column), 2);
    const [segmentation] = (await (await fetch(`${host.url}/api/v1/studies/${study.id}/segmentations`)).json()).items;
    const file = await fetch(`${host.url}/api/v1/studies/${study.id}/segmentations/${segmentation.id}/mask.nii.gz`);
    const mask = readMask(Buffer.from(await file.arrayBuffer()));

    const frame = Math.min(3, mask.frames - 1);
    assert.ok(frame > 0, 'the demonstration has more than one frame');
    await page.locator('#frame').fill(String(frame));
    await page.selectOption('#overlay', 'contour');
    const slice = Number(await page.locator('#slice').inputValue());
    await page.waitForSelector(`.slice[data-shown="${slice}/${frame}/contour"]`);
    await page.waitForFunction(() => {
      const picture = document.querySelector('.slice image');
      return picture !== null && picture.getAttribute('href', 'http://www.w3.org/1999/xlink') !== '';
    });
    const box = await page.locator('.slice image').boundingBox();
    const aspect = (box.height / box.width) / ((study.shape.rows * study.spacing_mm.row) / (study.shape.columns * study.spacing_mm.column));
    assert.ok(Math.abs(aspect - 1) < 0.02, `the slice is ${aspect} times as tall as it should be`);
    const shot = await page.screenshot({ clip: box, path: join(PICTURES, 'tall-pixels.png') });
    const pixels = await decode(page, shot);

    for (const { code, colour, name } of STRUCTURES) {
      const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
      let coloured = 0;
      let inside = 0;
      for (let y = 0; y < pixels.height; y += 1) {
        for (let x = 0; x < pixels.width; x += 1) {
          const at = 4 * (y * pixels.width + x);
          if (wanted.some((value, channel) => Math.abs(value - pixels.data[at + channel]) > 12)) continue;
          coloured += 1;
          const column = Math.floor(((x + 0.5) / pixels.width) * mask.columns);
          const row = Math.floor(((y + 0.5) / pixels.height) * mask.rows);
          if (touches(mask, column, row, slice, frame, code)) inside += 1;
        }
      }
      assert.ok(coloured > 40, `${name}: ${coloured} pixels of its colour`);
      assert.ok(inside / coloured > 0.98, `${name}: ${inside} of ${coloured} coloured pixels lie on its voxels`);
    }
    await page.close();
  });

  test('a file that is no study is refused in words, and the next one is taken', async () => {
    const { page } = await openPage(browser, host.url);
    await page.setInputFiles('#file', { name: 'letter.nii.gz', mimeType: 'text/plain', buffer: Buffer.from('Dear doctor, this is a letter.') });
    await page.waitForSelector('.problem:not([hidden])');
    const words = await page.locator('.problem').innerText();
    assert.match(words, /NIfTI/);
    await page.screenshot({ path: join(PICTURES, 'refused.png') });
    assert.ok(await page.locator('#demo').isVisible());
    await page.close();
  });
});

describe('the page with keys', { skip: !browser, concurrency: false }, () => {
  const key = 'a-key-for-the-browser-test';
  /** @type {Awaited<ReturnType<typeof startHost>>} */
  let host;
  /** @type {import('playwright-core').Browser} */
  let chromium;
  before(async () => {
    chromium = await startBrowser();
    const digest = createHash('sha256').update(key).digest('hex');
    host = await startHost(['--variable', `api_keys=steward:tester:${digest}`]);
  });
  after(async () => {
    await chromium.close();
    await host.stop();
  });

  test('asks for a key, refuses a wrong one, and goes on with the right one', async () => {
    const { page } = await openPage(chromium, host.url);
    await page.waitForSelector('#key:not([hidden])');
    await page.fill('#key input', 'wrong');
    await page.click('#key button');
    await page.waitForFunction(() => document.querySelector('#key')?.textContent?.includes('not accepted'));
    await page.fill('#key input', key);
    await page.click('#key button');
    await page.waitForSelector('#key', { state: 'hidden' });
    assert.ok(await page.locator('#demo').isVisible());
    assert.ok(!(await page.content()).includes(key));
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
    await page.close();
  });
});

/**
 * @param {import('playwright-core').Page} page
 * @param {Buffer} png
 * @returns {Promise<{width: number, height: number, data: number[]}>}
 */
function decode(page, png) {
  return page.evaluate(async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    return { width, height, data: Array.from(data) };
  }, png.toString('base64'));
}

/** Whether the voxel or one next to it has the label: screen pixels fall between voxels at their edges. */
function touches(mask, column, row, slice, frame, code) {
  for (let dy = -1; dy <= 1; dy += 1) {
    for (let dx = -1; dx <= 1; dx += 1) {
      const x = column + dx;
      const y = row + dy;
      if (x < 0 || y < 0 || x >= mask.columns || y >= mask.rows) continue;
      if (mask.at(x, y, slice, frame) === code) return true;
    }
  }
  return false;
}
