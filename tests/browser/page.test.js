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
import { dropRows, readMask, relabel, takeFrames } from './nifti.js';

/** Run by the browser's debugger, which the page's content security policy does not bind. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const DONE = 'body[data-phase="done"]';
/** A cine takes a while where only the embedded engine is there. */
const PATIENCE = { timeout: 240_000 };

const browser = await startBrowser();

describe('the page', { skip: !browser, concurrency: false }, () => {
  /** @type {Awaited<ReturnType<typeof startHost>>} */
  let host;
  /** @type {Buffer} */
  let demo;
  before(async () => {
    host = await startHost();
    demo = Buffer.from(await (await fetch(`${host.url}/demo/phantom.nii.gz`)).arrayBuffer());
  });
  after(async () => {
    await browser.close();
    await host.stop();
  });

  test('the demonstration heart becomes contours, numbers and a curve', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await page.locator('#intake .facts summary').click();
    await page.screenshot({ path: join(PICTURES, 'start.png') });
    await isAccessible(page);
    await page.click('#demo');
    await page.waitForFunction(() => /contours: [1-9]\d* of 20/.test(document.querySelector('#progress').textContent), undefined, PATIENCE);
    await page.screenshot({ path: join(PICTURES, 'busy.png') });
    await isAccessible(page);
    await page.waitForSelector(DONE, PATIENCE);
    await page.waitForSelector('.slice[data-shown]');
    await page.waitForSelector('.curve .scatterlayer');
    assert.ok(await page.locator('.verdict').evaluate((element) => element === document.activeElement), 'reading goes on at the verdict');
    assert.match(await page.locator('.notice').innerText(), /not a certified medical device/);

    const truth = await (await fetch(`${host.url}/demo/phantom.json`)).json();
    const shown = await page.locator('.numbers tbody tr').evaluateAll((rows) =>
      rows.map((row) => [...row.querySelectorAll('td')].slice(0, 2).map((cell) => [...cell.querySelectorAll('span')].map((span) => span.textContent))),
    );
    for (const [side, part] of ['left_ventricle', 'right_ventricle'].entries()) {
      for (const [row, key, digits, within] of [[0, 'edv_ml', 0, 20], [1, 'esv_ml', 0, 20], [3, 'ef_percent', 1, 6]]) {
        const [measured, range, told] = shown[row][side];
        assert.match(range, /^[\d.]+ – [\d.]+$/, `${part} ${key}`);
        assert.equal(told, `true ${truth[part][key].toFixed(digits)}`, `${part} ${key}`);
        assert.ok(Math.abs(Number(measured) - truth[part][key]) < within, `${part} ${key}: ${measured} for ${truth[part][key]}`);
      }
    }
    const made = await page.locator('#provenance').innerText();
    assert.match(made, /cinecor-unet \d+\.\d+\.\d+/);
    for (const what of ['Weights', 'Component', 'nifti-1\\+gzip']) assert.match(made, new RegExp(`${what}[^]{0,30}SHA-256 [0-9a-f]{64}`));
    assert.ok(made.includes(truth.sha256));
    await page.screenshot({ path: join(PICTURES, 'result.png'), fullPage: true });
    await isAccessible(page);
    await page.click('#theme');
    await page.waitForSelector('html[data-theme="dark"]');
    await page.screenshot({ path: join(PICTURES, 'result-dark.png'), fullPage: true });
    await isAccessible(page);
    // Plotly's usual buttons hold one that sends what is drawn to its maker.
    assert.deepEqual(await page.locator('.modebar-btn').evaluateAll((all) => all.map((one) => one.dataset.title ?? one.getAttribute('aria-label'))), ['Zoom in', 'Zoom out', 'Reset axes']);

    await page.setViewportSize({ width: 400, height: 800 });
    await page.waitForFunction(() => document.querySelector('.curve .main-svg').getBoundingClientRect().width < 400);
    assert.ok(await page.locator('.curve').evaluate((curve) => curve.getBoundingClientRect().height >= 300), 'the curve keeps its place after it was drawn anew');
    await page.screenshot({ path: join(PICTURES, 'result-narrow.png'), fullPage: true });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing leads off a narrow page');
    await isAccessible(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('keys, wheel, sliders, buttons and the curve lead through the beat', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await reopen(page, '20 frames of 10 slices');
    const [ed, es] = await page.evaluate(() => document.querySelectorAll('.curve .annotation-text').values().map((mark) => mark.textContent).toArray());
    assert.deepEqual([ed, es], ['ED', 'ES']);
    const at = (/** @type {string} */ place) => page.waitForSelector(`.slice[data-shown="${place}"]`);
    await at('5/0/contour');
    await page.focus('.slice');
    await page.keyboard.press('ArrowDown');
    await at('6/0/contour');
    await page.keyboard.press('ArrowRight');
    await at('6/1/contour');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await at('6/0/contour');
    await page.hover('.slice');
    await page.mouse.wheel(0, -60);
    await at('5/0/contour');
    await page.click('#to-es');
    await at('5/7/contour');
    await page.waitForSelector('.curve[data-frame="7"]');
    await page.locator('#frame').fill('12');
    await at('5/12/contour');
    await page.locator('#frame').press('ArrowRight');
    await at('5/13/contour');
    await page.locator('.curve').scrollIntoViewIfNeeded();
    const curve = await page.locator('.curve .nsewdrag').boundingBox();
    await page.mouse.move(curve.x + curve.width / 2, curve.y + 5);
    await page.mouse.click(curve.x + 0.02 * curve.width, curve.y + curve.height / 2);
    await at('5/0/contour');

    await page.selectOption('#overlay', 'fill');
    await at('5/0/fill');
    const filled = await source(page);
    await page.locator('#opacity').fill('1');
    await page.waitForFunction(changed, filled);
    await page.screenshot({ path: join(PICTURES, 'fill.png') });
    const opaque = await source(page);
    await page.uncheck('.check >> text=Left ventricle');
    await page.waitForFunction(changed, opaque);
    await page.selectOption('#overlay', 'none');
    await at('5/0/none');
    const bare = await source(page);
    await page.click('summary:has-text("Brightness")');
    await page.fill('#window-center', '200');
    await page.fill('#window-width', '50');
    await page.press('#window-width', 'Tab');
    await page.waitForFunction(changed, bare);
    await page.screenshot({ path: join(PICTURES, 'window.png') });
    await page.click('#window-auto');
    await page.waitForFunction((old) => document.querySelector('.slice image').getAttribute('href') === old, bare);

    await page.click('.modebar-btn[data-title="Zoom in"]');
    const range = () => page.locator('.slice').evaluate((element) => element._fullLayout.xaxis.range.map(Math.round).join());
    await page.waitForFunction(() => Math.round(document.querySelector('.slice')._fullLayout.xaxis.range[0]) > 0);
    const zoomed = await range();
    await page.focus('.slice');
    await page.keyboard.press('Space');
    const seen = await page.evaluate(() => new Promise((resolve) => {
      const element = document.querySelector('.slice');
      const places = new Set();
      const observer = new MutationObserver(() => {
        places.add(element.dataset.shown);
        if (places.size < 20) return;
        observer.disconnect();
        resolve([...places]);
      });
      observer.observe(element, { attributes: true, attributeFilter: ['data-shown'] });
    }));
    assert.equal(seen.length, 20, 'every frame of the beat is shown');
    assert.equal(await page.locator('#play').innerText(), 'Stop');
    await page.keyboard.press('Space');
    assert.equal(await page.locator('#play').innerText(), 'Play');
    assert.equal(await range(), zoomed, 'the zoom is kept while the beat plays');
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('the mask and the numbers are saved as files', async () => {
    const { page } = await openPage(browser, host.url);
    await reopen(page, '20 frames of 10 slices');
    const [mask, numbers] = [await save(page, 'mask'), await save(page, 'csv')];
    assert.match(mask.name, /-mask\.nii\.gz$/);
    const { columns, rows, slices, frames } = readMask(mask.bytes);
    assert.deepEqual([columns, rows, slices, frames], [192, 160, 10, 20]);
    assert.match(numbers.name, /-metrics\.csv$/);
    const shown = await page.locator('.numbers tbody tr').nth(3).locator('.value').first().innerText();
    const line = numbers.bytes.toString().split(/\r?\n/).find((text) => text.includes('left_ventricle.ef_percent'));
    assert.ok(line, numbers.bytes.toString().slice(0, 400));
    assert.ok(line.split(',').some((cell) => cell !== '' && Number(cell).toFixed(1) === shown), `${line} for ${shown}`);
    const [volume, document] = [await save(page, 'volume'), await save(page, 'json')];
    const { study, metrics } = await kept(host.url);
    assert.equal(volume.name, `${study.id}-volume.nii.gz`);
    assert.ok(volume.bytes.length > 1_000_000 && volume.bytes[0] === 0x1f);
    assert.deepEqual(JSON.parse(document.bytes.toString()), metrics);
    const waiting = page.waitForEvent('popup');
    await page.click('#report');
    const report = await waiting;
    await report.waitForSelector('h1');
    assert.match(report.url(), /^blob:/);
    assert.ok((await report.locator('body').innerText()).includes(metrics.left_ventricle.ef_percent.toFixed(1)));
    await report.screenshot({ path: join(PICTURES, 'report.png') });
    await report.close();
    await page.close();
  });

  test('the wall is a bull\'s-eye that keys, pointers and screen readers can read', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await reopen(page, '20 frames of 10 slices');
    const { metrics } = await kept(host.url);
    for (const [key, digits] of [['wall_thickness_mm', 1], ['es_wall_thickness_mm', 1], ['wall_thickening_percent', 0]]) {
      const expected = metrics.myocardium[key].segments.map((value) => value.toFixed(digits));
      assert.deepEqual(await page.locator(`[data-map=${key}] .value`).allTextContents(), expected, key);
    }
    assert.match(await page.locator('#wall').innerText(), /apical cap, segment 17, is not measured/);
    // The pointer rests where it chose the study; what lies there now is not to be pointed at.
    await page.mouse.move(0, 0);
    await page.focus('[data-map=wall_thickness_mm] [data-segment="1"]');
    assert.match(await page.locator('#wall .readout').innerText(), /^Segment 1, basal anterior: /);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowLeft');
    const label = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    assert.equal(label, `8 mid anteroseptal: ${metrics.myocardium.wall_thickness_mm.segments[7].toFixed(1)} mm`);
    assert.equal(await page.locator('.segment.pointed').count(), 3, 'the same segment is marked in all three');
    await page.hover('[data-map=wall_thickening_percent] [data-segment="16"]');
    assert.match(await page.locator('#wall .readout').innerText(), /^Segment 16, apical lateral: .*thickening -?\d+ %\.$/);
    await page.click('#wall summary');
    assert.equal(await page.locator('.segments tbody tr').count(), 16);
    assert.match(await page.locator('.segments tbody tr').nth(7).innerText(), new RegExp(`^8 mid anteroseptal\\s+${metrics.myocardium.wall_thickness_mm.segments[7].toFixed(1)}\\s`));
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('every check is told, and the verdict stands with every headline', async () => {
    const { page } = await openPage(browser, host.url);
    await reopen(page, '20 frames of 10 slices');
    const { segmentation } = await kept(host.url);
    const { checks, verdict, score } = segmentation.quality;
    await page.locator('#verdict summary').click();
    for (const passed of [true, false]) {
      const shown = await page.locator(`.check-${passed ? 'passed' : 'failed'}`).evaluateAll((items) => items.map((item) => [item.dataset.check, item.querySelector('p').textContent]));
      assert.deepEqual(shown, checks.filter((check) => check.passed === passed).map(({ code, detail }) => [code, detail]));
    }
    assert.ok((await page.locator('.score').innerText()).startsWith(`Score ${(Math.floor(100 * score) / 100).toFixed(2)}:`));
    const badges = await page.locator('.tile .badge').evaluateAll((all) => all.map((badge) => badge.dataset.verdict));
    assert.deepEqual(badges, Array(6).fill(verdict));
    await page.close();
  });

  test('other phases, slices and rules show their numbers at once, beside those that are kept', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await reopen(page, '20 frames of 10 slices');
    const { base, metrics } = await kept(host.url);
    const row = (/** @type {string} */ name) => page.locator('.compared tbody tr', { hasText: name }).locator('td').allInnerTexts();
    const choose = async (/** @type {() => Promise<any>} */ act) => {
      const answer = page.waitForResponse((response) => response.url().includes('/metrics?'));
      await act();
      return (await answer).json();
    };
    await page.locator('#frame').fill('5');
    let tried = await choose(() => page.click('#choose-es-here'));
    assert.equal(tried.phases.es_frame, 5);
    await page.waitForFunction((ef) => document.querySelector('.compared')?.textContent.includes(ef), tried.left_ventricle.ef_percent.toFixed(1));
    assert.deepEqual((await row('LV ejection fraction')).slice(0, 2), [metrics.left_ventricle.ef_percent.toFixed(1), tried.left_ventricle.ef_percent.toFixed(1)]);
    tried = await choose(() => page.check('[name=excluded][value="4"]'));
    assert.deepEqual(tried.conventions.excluded_slices, [4]);
    await page.waitForFunction((edv) => document.querySelector('.compared').textContent.includes(edv), tried.left_ventricle.edv_ml.toFixed(0));
    assert.match((await row('LV end-diastolic volume'))[2], /^−\d+$/);
    tried = await choose(() => page.selectOption('#choose-basal', 'mostly_enclosed'));
    assert.deepEqual([tried.conventions.basal_rule, tried.conventions.excluded_slices, tried.phases.es_frame], ['mostly_enclosed', [4], 5]);
    await isAccessible(page);
    await page.locator('#measuring').screenshot({ path: join(PICTURES, 'measuring.png') });
    // Contradictions are told beside the choice; the numbers that are kept stay in view.
    assert.equal((await choose(() => page.selectOption('#choose-ed', '5'))).status, 422);
    await page.waitForFunction(() => /two frames/.test(document.querySelector('.trial .refused').textContent));
    assert.ok(await page.locator('.problem').isHidden());
    await page.click('#choices-undo');
    await page.waitForSelector('.trial', { state: 'hidden' });
    assert.deepEqual([await page.inputValue('#choose-es'), await page.isChecked('[name=excluded][value="4"]')], ['', false]);
    // What hangs on the basal slice is said before anybody asks, and one click shows all of it.
    const basal = metrics.without_basal_slice;
    assert.match(await page.innerText('#basal-slice'), new RegExp(`^Without slice ${basal.slice}, .* EDV would be ${basal.edv_ml.toFixed(0)} ml`));
    tried = await choose(() => page.click('#leave-basal'));
    assert.deepEqual([tried.conventions.excluded_slices, tried.left_ventricle.ef_percent], [[basal.slice], basal.ef_percent]);
    await page.click('#choices-undo');
    await page.waitForSelector('.trial', { state: 'hidden' });
    assert.deepEqual(await (await fetch(`${base}/metrics`)).json(), metrics, 'nothing was kept');
    assert.deepEqual(complaints, ['Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)']);
    await page.close();
  });

  test('the curve has points and lines, both ventricles\' phases and rates, and goes along with the beat', async () => {
    const { page } = await openPage(browser, host.url);
    await reopen(page, '20 frames of 10 slices');
    const { metrics } = await kept(host.url);
    const traces = await page.locator('.curve').evaluate((plot) => plot.data.map(({ mode, y, text }) => ({ mode, y, text })));
    const { curve } = metrics;
    for (const key of ['left_ventricle_ml', 'right_ventricle_ml', 'myocardium_ml']) {
      assert.ok(traces.some(({ mode, y }) => mode === 'markers' && String(y) === String(curve[key])), `${key} as measured`);
      assert.ok(traces.some(({ mode, y }) => mode === 'lines' && String(y) === String(curve.smoothed[key])), `${key} smoothed`);
    }
    assert.deepEqual(traces.flatMap(({ text }) => text ?? []), ['PER', 'PFR', 'PER', 'PFR']);
    await page.focus('.curve');
    await page.keyboard.press('s');
    await page.waitForSelector(`.slice[data-shown*="/${metrics.phases.es_frame}/"]`);
    assert.ok((await page.locator('#curve .readout').innerText()).startsWith(`Frame ${metrics.phases.es_frame}, `));
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector(`.slice[data-shown*="/${metrics.phases.es_frame + 1}/"]`);
    await page.keyboard.press('Space');
    const apart = await page.evaluate(() => new Promise((resolve) => {
      const plot = document.querySelector('.curve');
      const found = [];
      const observer = new MutationObserver(() => {
        found.push(plot.dataset.frame === document.querySelector('#frame').value);
        if (found.length < 10) return;
        observer.disconnect();
        resolve(found.filter((together) => !together).length);
      });
      observer.observe(plot, { attributes: true, attributeFilter: ['data-frame'] });
    }));
    assert.equal(apart, 0, 'line and slider are at the same frame while the beat plays');
    await page.keyboard.press('Space');
    await page.close();
  });

  test('a result is reviewed, measured and drawn otherwise, and every revision stays', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await page.setInputFiles('#file', { name: 'cine.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 8) });
    await page.waitForSelector(DONE, PATIENCE);
    const { base } = await kept(host.url, 8);
    const get = async (/** @type {string} */ path) => (await fetch(base + path)).json();
    const revision = (/** @type {number} */ number) => page.waitForSelector(`.history [aria-current] [data-revision="${number}"]`);
    await revision(1);
    assert.match(await page.locator('.reviewed').innerText(), /Nobody/);
    await page.fill('[name=note]', 'Base slice to be redrawn.');
    await page.click('#reject');
    await page.waitForSelector('.reviewed[data-review="rejected"]');
    assert.match(await page.locator('.reviewed').innerText(), /^Rejected by .*Base slice to be redrawn\./s);
    assert.equal(await page.inputValue('[name=note]'), '');
    assert.deepEqual(await page.locator('.tile .badge[data-verdict="rejected"]').allInnerTexts(), Array(6).fill('rejected by an unnamed user'));
    assert.match(await page.locator('.verdict').innerText(), /^Rejected by an unnamed user, .*Automatic checks: /);

    await page.selectOption('#choose-es', '5');
    await page.waitForSelector('.trial[data-ready="true"]');
    await page.click('#choices-keep');
    await revision(2);
    const second = await get('/metrics');
    assert.equal(second.phases.es_frame, 5);
    assert.equal(await page.locator('[data-quantity="left_ventricle.ef_percent"] .big').innerText(), `${second.left_ventricle.ef_percent.toFixed(1)} %`);
    assert.match(await page.locator('.history').innerText(), /Changed: end-systole\./);
    assert.match(await page.locator('.reviewed').innerText(), /Nobody/, 'a review is of its revision');

    await page.click('#mask-send');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'mask-file', 'a file is asked for');
    const mask = Buffer.from(await (await fetch(`${base}/mask.nii.gz`)).arrayBuffer());
    await page.setInputFiles('#mask-file', { name: 'drawn.nii.gz', mimeType: 'application/gzip', buffer: relabel(mask, 5, 3, 2) });
    const before = await source(page);
    await page.click('#mask-send');
    await revision(3);
    await page.waitForFunction(changed, before);
    const third = await get('/metrics');
    assert.ok(third.left_ventricle.edv_ml < second.left_ventricle.edv_ml - 5);
    assert.equal(await page.locator('[data-quantity="left_ventricle.edv_ml"] .big').innerText(), `${third.left_ventricle.edv_ml.toFixed(0)} ml`);
    assert.match(await page.locator('.history').innerText(), /Changed: mask of 8 frames\./);
    await page.locator('#review').screenshot({ path: join(PICTURES, 'review.png') });
    await isAccessible(page);

    await page.click('.history [data-revision="1"]');
    await revision(1);
    assert.match(await page.locator('#review').innerText(), /the last one is 3/);
    assert.ok(await page.locator('#approve').isHidden());
    const [numbers, first] = [await save(page, 'json'), await get('/metrics?revision=1')];
    assert.deepEqual(JSON.parse(numbers.bytes.toString()), first);
    await page.click('.history [data-revision="3"]');
    await revision(3);

    // Somebody else changes it meanwhile: what was not seen is not approved.
    const other = await fetch(base, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"excluded_slices": [0]}' });
    assert.equal(other.status, 200);
    await page.click('#approve');
    await page.waitForSelector('.problem:not([hidden])');
    await revision(4);
    assert.equal((await get('')).review, null);
    await page.click('#approve');
    await page.waitForSelector('.reviewed[data-review="approved"]');
    assert.ok(await page.locator('.problem').isHidden());
    assert.equal((await get('')).review.state, 'approved');
    assert.deepEqual(complaints, ['Failed to load resource: the server responded with a status of 412 (Precondition Failed)']);
    await page.close();
  });

  test('a model is chosen, is asked, and is named in the answer; nothing of a patient is in an address', async () => {
    const { page } = await openPage(browser, host.url);
    const addresses = [];
    page.on('request', (request) => addresses.push(request.url()));
    await page.waitForSelector('#models:not([hidden])');
    await page.click('#models summary');
    await page.selectOption('#models [name=model]', 'cinecor-unet-lite@1.1.0');
    await page.click('#intake .facts summary');
    await page.fill('[name=label]', 'bed 7 by the window');
    await page.fill('[name=age_years]', '61');
    await page.setInputFiles('#file', { name: 'somebody.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 1) });
    await page.waitForSelector(DONE, PATIENCE);
    assert.match(await page.locator('#provenance').innerText(), /cinecor-unet-lite 1\.1\.0/);
    const { study } = await kept(host.url, 1);
    assert.deepEqual([study.label, study.subject.age_years], ['bed 7 by the window', 61]);
    assert.ok(addresses.some((address) => address.endsWith('/api/v1/studies')));
    for (const address of addresses) assert.doesNotMatch(decodeURIComponent(address).replaceAll('+', ' '), /bed 7|window|somebody|age_years/);
    await page.click('#provenance summary');
    await page.selectOption('#provenance [name=model]', '');
    await page.click('#again');
    await page.waitForFunction(() => /cinecor-unet \d/.test(document.querySelector('#provenance').textContent), undefined, PATIENCE);
    await page.close();
  });

  test('contour colours lie where the mask says, on a later frame and on non-square pixels', async () => {
    const { page } = await openPage(browser, host.url);
    await page.setInputFiles('#file', { name: 'tall-pixels.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(dropRows(demo, 2), 4) });
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
    // What lies outside the window is not in a screenshot.
    await page.locator('.slice image').evaluate((image) => image.scrollIntoView({ block: 'end' }));
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

  test('one frame alone has volumes and no ejection fraction', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await page.setInputFiles('#file', { name: 'one-frame.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 1) });
    await page.waitForSelector(DONE, PATIENCE);
    await page.waitForSelector('.slice[data-shown]');
    const cells = await page.locator('.numbers tbody tr').evaluateAll((rows) => rows.slice(0, 4).flatMap((row) => [...row.querySelectorAll('.value')].map((cell) => cell.textContent)));
    assert.deepEqual(cells, Array(8).fill('–'));
    assert.match(await page.locator('#numbers').innerText(), /In this frame: left ventricle 1[0-9]{2} ml/);
    assert.match(await page.locator('#numbers').innerText(), /One frame alone/);
    for (const hidden of ['#curve', '#play', '#to-ed', '#to-es', 'label:has(#frame)']) assert.ok(await page.locator(hidden).isHidden(), hidden);
    await page.screenshot({ path: join(PICTURES, 'one-frame.png') });
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('what is told of one patient is shown with its source, and not sent with the next', async () => {
    const { page } = await openPage(browser, host.url);
    const told = { label: 'bed 7', height_cm: '62.5', weight_kg: '6', age_years: '0.5', heart_rate_bpm: '140', frame_ms: '33.33' };
    await page.click('#intake .facts summary');
    for (const [name, value] of Object.entries(told)) await page.fill(`[name=${name}]`, value);
    await page.selectOption('[name=sex]', 'male');
    await page.setInputFiles('#file', { name: 'infant.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 1) });
    await page.waitForSelector(DONE, PATIENCE);
    assert.equal(await page.locator('#facts').innerText(), 'Label: bed 7. Told: height 62.5 cm, weight 6 kg, sex male, age 0.5 years, heart rate 140/min, time between frames 33.3 ms.');
    await page.click('#start-again');
    for (const name of [...Object.keys(told), 'sex']) assert.equal(await page.inputValue(`#intake [name=${name}]`), '', name);
    await page.setInputFiles('#file', { name: 'next.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 2) });
    await page.waitForSelector(DONE, PATIENCE);
    assert.equal(await page.locator('#facts').innerText(), 'Not known: height, weight, sex, age, heart rate.');
    const { study } = await kept(host.url, 2);
    assert.deepEqual([study.label, study.subject.sources ?? {}], [null, {}]);
    await page.close();
  });

  test('what is known of a patient is corrected beside the numbers that rest on it', async () => {
    const { page, complaints } = await openPage(browser, host.url);
    await page.click('#intake .facts summary');
    await page.fill('#intake [name=height_cm]', '178.25');
    await page.fill('#intake [name=age_years]', '61');
    await page.setInputFiles('#file', { name: 'cine.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 2) });
    await page.waitForSelector(DONE, PATIENCE);
    assert.equal(await page.locator('#facts').innerText(), 'Told: height 178.3 cm, age 61 years. Not known: weight, sex, heart rate.');
    assert.match(await page.locator('#numbers').innerText(), /Not indexed: height and weight were not told/);
    await page.click('#about summary');
    const inForm = () => page.locator('#about :is(input, select)').evaluateAll((fields) => fields.map((field) => field.value));
    assert.deepEqual(await inForm(), ['', '178.25', '', '61', '', '', '']);
    await page.screenshot({ path: join(PICTURES, 'facts.png'), fullPage: true });
    await isAccessible(page);
    const said = (/** @type {string} */ text) => page.waitForFunction((wanted) => document.querySelector('#facts').textContent === wanted, text);

    await page.fill('#about [name=weight_kg]', '8000');
    await page.click('#tell');
    assert.ok(await page.locator('#about [name=weight_kg]').evaluate((field) => !field.checkValidity() && field === document.activeElement));
    await page.fill('#about [name=weight_kg]', '74');
    await page.fill('#about [name=age_years]', '');
    await page.selectOption('#about [name=sex]', 'female');
    // Something else of the study changes meanwhile: what is being written stays.
    await page.click('#approve');
    await page.waitForSelector('.reviewed[data-review="approved"]');
    assert.deepEqual(await inForm(), ['', '178.25', '74', '', '', '', 'female']);
    await page.click('#tell');
    await said('Told: height 178.3 cm, weight 74 kg, sex female. Not known: age, heart rate.');
    // √(178.25 · 74 / 3600), Mosteller.
    assert.match(await page.locator('#numbers').innerText(), /Body surface 1\.91 m²/);
    const { study } = await kept(host.url, 2);
    const { height_cm, weight_kg, sex, age_years } = study.subject;
    assert.deepEqual([height_cm, weight_kg, sex, age_years, study.label], [178.25, 74, 'female', null, null]);

    // Somebody else is faster: what they told is shown, and nothing of it is lost.
    const other = await fetch(`${host.url}/api/v1/studies/${study.id}`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"weight_kg": 75}' });
    assert.equal(other.status, 200);
    await page.fill('#about [name=height_cm]', '180');
    await page.click('#tell');
    await page.waitForSelector('.problem:not([hidden])');
    await said('Told: height 178.3 cm, weight 75 kg, sex female. Not known: age, heart rate.');
    assert.deepEqual(await inForm(), ['', '178.25', '75', '', '', '', 'female']);

    // What a file's header says comes back when its field is emptied.
    await page.route(`**/api/v1/studies/${study.id}`, async (route) => {
      if (route.request().method() !== 'GET') return route.continue();
      const response = await route.fetch();
      const json = await response.json();
      json.subject.age_years ??= 61;
      json.subject.sources.age_years ??= 'header';
      return route.fulfill({ response, json });
    });
    await page.click('#start-again');
    await page.locator('.studies .link').first().click();
    const known = 'Told: height 178.3 cm, weight 75 kg, sex female. From the file’s header: age 61 years. Not known: heart rate.';
    await said(known);
    await page.fill('#about [name=age_years]', '');
    await page.click('#tell');
    await page.waitForFunction(() => document.querySelector('#about [name=age_years]').value === '61');
    await said(known);
    assert.deepEqual(complaints, ['Failed to load resource: the server responded with a status of 412 (Precondition Failed)']);
    assert.equal((await fetch(`${host.url}/api/v1/studies/${study.id}`, { method: 'DELETE' })).status, 204);
    await page.close();
  });

  test('answers that come late are not shown with another revision or another study', async () => {
    const { study, base, first, second } = await twoRevisions(host.url, takeFrames(demo, 3));
    const { page, complaints } = await openPage(browser, host.url);
    await page.locator('.studies .link').first().click();
    await page.waitForSelector(DONE, PATIENCE);
    const inView = (/** @type {number} */ number) => page.waitForSelector(`.history [aria-current] [data-revision="${number}"]`);
    await inView(2);

    // A trial of the second revision, whose answer comes while the first is in view.
    const metrics = await hold(page, /\/metrics\?.*basal_rule/);
    await page.selectOption('#choose-basal', 'mostly_enclosed');
    await metrics.asked;
    await page.click('.history [data-revision="1"]');
    await inView(1);
    await metrics.release();
    assert.ok(await page.locator('.trial').isHidden());
    assert.equal(await page.inputValue('#choose-basal'), 'as_segmented');

    // The report is of the revision in view.
    assert.notEqual(first.left_ventricle.edv_ml.toFixed(1), second.left_ventricle.edv_ml.toFixed(1));
    const waiting = page.waitForEvent('popup');
    await page.click('#report');
    const report = await waiting;
    await report.waitForSelector('h1');
    assert.ok((await report.locator('body').innerText()).includes(first.left_ventricle.edv_ml.toFixed(1)));
    await report.close();

    // A review is done, and a new study is wanted before it is shown.
    await page.click('.history [data-revision="2"]');
    await inView(2);
    const revisions = await hold(page, /\/revisions\?/);
    await page.click('#approve');
    await revisions.asked;
    await page.click('#start-again');
    await page.waitForSelector('body[data-phase="empty"]');
    await revisions.release();
    await page.setInputFiles('#file', { name: 'letter.nii.gz', mimeType: 'text/plain', buffer: Buffer.from('Dear doctor, this is a letter.') });
    await page.waitForSelector('.problem:not([hidden])');
    assert.equal(await page.evaluate(() => document.body.dataset.phase), 'failed');
    assert.ok(await page.locator('#result').isHidden());
    assert.equal((await (await fetch(base)).json()).review.state, 'approved');

    // What becomes of a change is told even then, as what it is.
    await page.locator('.studies .link').first().click();
    await page.waitForSelector(DONE, PATIENCE);
    await inView(2);
    const review = await hold(page, /\/review$/, { status: 412, contentType: 'application/problem+json', body: '{"title": "It was changed", "detail": "Look again."}' });
    await page.click('#reject');
    await review.asked;
    await page.click('#start-again');
    await review.release();
    await page.waitForFunction(() => /Of the study before: It was changed/.test(document.querySelector('.problem').textContent));
    assert.ok(await page.locator('#intake').isVisible());
    assert.deepEqual(complaints.filter((text) => !text.startsWith('Failed to load resource')), []);
    assert.equal((await fetch(`${host.url}/api/v1/studies/${study.id}`, { method: 'DELETE' })).status, 204);
    await page.close();
  });

  test('nothing leads off a narrow page; a problem is closed by hand, and is over with the next success', async () => {
    const { study } = await twoRevisions(host.url, takeFrames(demo, 2));
    const { page } = await openPage(browser, host.url, { viewport: { width: 320, height: 640 } });
    await page.locator('.studies .link').first().click();
    await page.waitForSelector(DONE, PATIENCE);
    await page.waitForSelector('.slice[data-shown]');
    await page.selectOption('#choose-basal', 'mostly_enclosed');
    await page.waitForSelector('.trial[data-ready="true"]');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    await page.click('#choices-undo');
    const lose = async (/** @type {string} */ control) => {
      await page.route('**/api/v1/**', (route) => route.abort());
      await page.click(control);
      await page.waitForSelector('.problem:not([hidden])');
      await page.unroute('**/api/v1/**');
    };
    await lose('[data-save="csv"]');
    await page.screenshot({ path: join(PICTURES, 'problem-narrow.png') });
    await isAccessible(page);
    const close = page.getByRole('button', { name: 'Close this message' });
    await close.focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.problem', { state: 'hidden' });
    await lose('[data-save="csv"]');
    await save(page, 'csv');
    await page.waitForSelector('.problem', { state: 'hidden' });
    // A picture that did not come is over with the next one that does.
    await page.route('**/slices/**', (route) => route.abort());
    await page.locator('#slice').fill('0');
    await page.waitForSelector('.problem:not([hidden])');
    await page.unroute('**/slices/**');
    await page.locator('#slice').fill('9');
    await page.waitForSelector('.slice[data-shown^="9/"]');
    await page.waitForSelector('.problem', { state: 'hidden' });
    assert.equal((await fetch(`${host.url}/api/v1/studies/${study.id}`, { method: 'DELETE' })).status, 204);
    await page.close();
  });

  test('a file that is no study is refused in words, and the next one is taken', async () => {
    const { page } = await openPage(browser, host.url);
    await page.setInputFiles('#file', { name: 'letter.nii.gz', mimeType: 'text/plain', buffer: Buffer.from('Dear doctor, this is a letter.') });
    await page.waitForSelector('.problem:not([hidden])');
    assert.match(await page.locator('.problem').innerText(), /NIfTI/);
    await page.screenshot({ path: join(PICTURES, 'refused.png') });
    await isAccessible(page);
    assert.ok(await page.locator('#demo').isVisible());
    await drop(page, [takeFrames(demo, 1)]);
    await page.waitForSelector(DONE, PATIENCE);
    assert.ok(await page.locator('.problem').isHidden());
    await page.close();
  });

  test('files may be dropped anywhere, and those that are no study are refused in words', async () => {
    const { page } = await openPage(browser, host.url);
    await drop(page, [Buffer.from('one'), Buffer.from('two')]);
    await page.waitForSelector('.problem:not([hidden])');
    assert.match(await page.locator('.problem').innerText(), /NIfTI/);
    await drop(page, [takeFrames(demo, 1), takeFrames(demo, 1)]);
    await page.waitForFunction(() => /more than once/.test(document.querySelector('.problem')?.textContent ?? ''));
    assert.equal(new URL(page.url()).pathname, '/');
    await page.close();
  });

  test('a height that nobody has is pointed at, even where it is folded away', async () => {
    const { page } = await openPage(browser, host.url);
    await page.click('#intake .facts summary');
    await page.fill('[name=height_cm]', '900');
    await page.click('#intake .facts summary');
    await page.click('#demo');
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'height_cm');
    assert.equal(await page.evaluate(() => document.body.dataset.phase), 'empty');
    await page.close();
  });

  test('what is sent is counted, and can be given up', async () => {
    const { page } = await openPage(browser, host.url);
    const network = await page.context().newCDPSession(page);
    await network.send('Network.enable');
    await network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1_000_000 });
    const before = (await (await fetch(`${host.url}/api/v1/studies?limit=100`)).json()).items.length;
    await page.setInputFiles('#file', { name: 'cine.nii.gz', mimeType: 'application/gzip', buffer: demo });
    await page.waitForFunction(() => /Sending the study: [\d.]+ (Ki|Mi)B of 8\.5 MiB/.test(document.querySelector('#progress').textContent));
    await page.screenshot({ path: join(PICTURES, 'sending.png') });
    const given = page.waitForEvent('requestfailed', (request) => request.method() === 'POST');
    await page.click('#cancel');
    assert.match((await given).failure().errorText, /ABORTED/);
    await page.waitForSelector('#intake:not([hidden])');
    assert.ok(await page.locator('.problem').isHidden());
    assert.equal((await (await fetch(`${host.url}/api/v1/studies?limit=100`)).json()).items.length, before);
    await page.close();
  });

  test('a study is deleted after a question, and not without it', async () => {
    const { page } = await openPage(browser, host.url);
    const items = page.locator('.studies li');
    await items.first().waitFor();
    const before = await (await fetch(`${host.url}/api/v1/studies?limit=20`)).json();
    const [first, last] = [before.items.at(0), before.items.at(-1)];
    assert.notEqual(first.id, last.id);
    page.once('dialog', (dialog) => dialog.dismiss());
    await items.last().locator('.quiet').click();
    page.once('dialog', (dialog) => dialog.accept());
    await items.first().locator('.quiet').click();
    await page.waitForFunction((count) => document.querySelectorAll('.studies li').length === count - 1, before.items.length);
    const left = (await (await fetch(`${host.url}/api/v1/studies?limit=20`)).json()).items.map(({ id }) => id);
    assert.ok(!left.includes(first.id) && left.includes(last.id));
    await page.close();
  });
});

describe('the page and a service that ends', { skip: !browser, concurrency: false }, () => {
  test('says so, whatever it was waiting for', async () => {
    const chromium = await startBrowser();
    const host = await startHost();
    try {
      const { page } = await openPage(chromium, host.url);
      await page.click('#demo');
      await page.waitForFunction(() => /contours: [1-9]\d* of 20/.test(document.querySelector('#progress').textContent), undefined, PATIENCE);
      await host.kill();
      await page.waitForSelector('body[data-phase="failed"]');
      assert.match(await page.locator('.problem').innerText(), /The answer broke off/);
      await page.screenshot({ path: join(PICTURES, 'broken-off.png') });
      assert.ok(await page.locator('#demo').isVisible());
      await page.click('#demo');
      await page.waitForFunction(() => /cannot be reached/.test(document.querySelector('.problem').textContent));
      await page.setInputFiles('#file', { name: 'cine.nii.gz', mimeType: 'application/gzip', buffer: Buffer.from('anything') });
      await page.waitForFunction(() => /cannot be reached/.test(document.querySelector('.problem').textContent));
    } finally {
      await chromium.close();
      await host.stop();
    }
  });
});

describe('the page with keys', { skip: !browser, concurrency: false }, () => {
  const keys = { clinician: 'a-clinician-of-the-browser-test', reader: 'a-reader-of-the-browser-test' };
  /** @type {Awaited<ReturnType<typeof startHost>>} */
  let host;
  /** @type {import('playwright-core').Browser} */
  let chromium;
  before(async () => {
    chromium = await startBrowser();
    const entries = Object.entries(keys).map(([role, key]) => `${role}:tester:${createHash('sha256').update(key).digest('hex')}`);
    host = await startHost(['--variable', `api_keys=${entries.join(',')}`]);
  });
  after(async () => {
    await chromium.close();
    await host.stop();
  });

  test('asks for a key, refuses a wrong one, and goes on with the right one', async () => {
    const { page } = await openPage(chromium, host.url);
    await page.waitForSelector('#key:not([hidden])');
    await page.screenshot({ path: join(PICTURES, 'key.png') });
    await isAccessible(page);
    assert.ok(await page.locator('#intake').isHidden());
    await page.fill('#key input', 'wrong');
    await page.click('#key button');
    await page.waitForFunction(() => document.querySelector('#key')?.textContent?.includes('not accepted'));
    await enter(page, keys.clinician);
    assert.ok(!(await page.content()).includes(keys.clinician));
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
    const demo = Buffer.from(await (await fetch(`${host.url}/demo/phantom.nii.gz`)).arrayBuffer());
    await page.setInputFiles('#file', { name: 'one-frame.nii.gz', mimeType: 'application/gzip', buffer: takeFrames(demo, 1) });
    await page.waitForSelector(DONE, PATIENCE);
    await page.waitForSelector('.slice[data-shown]');
    assert.equal(readMask((await save(page, 'mask')).bytes).columns, 192);
    assert.ok(!(await page.content()).includes(keys.clinician));

    // The key is not accepted any longer: what it opened is not shown to whoever has the next one.
    await page.route('**/mask.nii.gz*', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"title": "Not known"}' }));
    await page.click('[data-save="mask"]');
    await page.waitForSelector('#key:not([hidden])');
    assert.ok(await page.locator('#result').isHidden());
    await enter(page, keys.clinician);
    await drop(page, []);
    await page.waitForSelector('.problem:not([hidden])');
    assert.ok(await page.locator('#result').isHidden());
    await page.close();
  });

  test('a reader looks at a kept study, and is told why another is not taken', async () => {
    const { page } = await openPage(chromium, host.url);
    await page.waitForSelector('#key:not([hidden])');
    await enter(page, keys.reader);
    await page.click('#demo');
    await page.waitForSelector('.problem:not([hidden])', PATIENCE);
    assert.match(await page.locator('.problem').innerText(), /clinician/);
    await page.screenshot({ path: join(PICTURES, 'reader.png') });
    await page.locator('.studies .link').first().click();
    await page.waitForSelector(DONE, PATIENCE);
    await page.waitForSelector('.slice[data-shown]');
    // What the key does not allow is not offered, and why stands there.
    assert.match(await page.locator('#denied').innerText(), /clinician/);
    for (const control of ['#approve', '#reject', '#mask-send']) assert.ok(await page.locator(control).isHidden(), control);
    await page.click('#again');
    await page.waitForSelector('.problem:not([hidden])', PATIENCE);
    assert.match(await page.locator('.problem').innerText(), /clinician/);
    await page.close();
  });
});

describe('the page and many studies', { skip: !browser, concurrency: false }, () => {
  test('lists the newest, and older ones when asked', async () => {
    const chromium = await startBrowser();
    const host = await startHost();
    try {
      const demo = takeFrames(Buffer.from(await (await fetch(`${host.url}/demo/phantom.nii.gz`)).arrayBuffer()), 1);
      for (let count = 0; count < 21; count += 1) {
        const answer = await fetch(`${host.url}/api/v1/studies?label=number-${count}`, { method: 'POST', body: demo });
        assert.equal(answer.status, 201);
      }
      const { page } = await openPage(chromium, host.url);
      await page.waitForFunction(() => document.querySelectorAll('.studies li').length === 20);
      await page.click('#older');
      await page.waitForFunction(() => document.querySelectorAll('.studies li').length === 21);
      assert.ok(await page.locator('#older').isHidden());
      assert.match(await page.locator('.studies li').first().innerText(), /number-20/);
      assert.match(await page.locator('.studies li').last().innerText(), /number-0/);
    } finally {
      await chromium.close();
      await host.stop();
    }
  });
});

/** @param {import('playwright-core').Page} page @param {string} key */
async function enter(page, key) {
  await page.fill('#key input', key);
  await page.click('#key button');
  await page.waitForSelector('#key', { state: 'hidden' });
  await page.waitForSelector('#intake:not([hidden])');
}

/** @param {import('playwright-core').Page} page */
async function isAccessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes[0].html}`), []);
}

/**
 * Opens a kept study from the list.
 * @param {import('playwright-core').Page} page
 * @param {string} words what its line holds
 */
async function reopen(page, words) {
  await page.locator('.studies li', { hasText: words }).first().locator('.link').click();
  await page.waitForSelector(DONE, PATIENCE);
  await page.waitForSelector('.slice[data-shown]');
}

/**
 * What the service keeps of the newest study of so many frames, asked without the page.
 * @param {string} url
 * @param {number} [frames]
 */
async function kept(url, frames = 20) {
  const get = async (/** @type {string} */ path) => (await fetch(url + path)).json();
  const study = (await get('/api/v1/studies?limit=100')).items.find(({ shape }) => shape.frames === frames);
  const [segmentation] = (await get(`/api/v1/studies/${study.id}/segmentations`)).items;
  const base = `${url}/api/v1/studies/${study.id}/segmentations/${segmentation.id}`;
  return { study, segmentation, base, metrics: await get(`/api/v1/studies/${study.id}/segmentations/${segmentation.id}/metrics`) };
}

/**
 * Keeps a study with two revisions, made without the page: as the model made it, and with a slice left out.
 * @param {string} url
 * @param {Buffer} volume
 */
async function twoRevisions(url, volume) {
  const json = async (/** @type {string} */ path, /** @type {RequestInit} */ options = {}) => {
    const answer = await fetch(url + path, { headers: { 'content-type': 'application/json' }, ...options });
    assert.ok(answer.ok, `${path} answered ${answer.status}`);
    return answer.json();
  };
  const study = await json('/api/v1/studies?height_cm=178&weight_kg=74&sex=male&age_years=52&heart_rate_bpm=62', { method: 'POST', headers: {}, body: volume });
  const { id } = await json(study.links.segmentations, { method: 'POST', body: '{}' });
  const path = `${study.links.segmentations}/${id}`;
  const first = await json(`${path}/metrics`);
  await json(path, { method: 'PATCH', body: '{"excluded_slices": [4]}' });
  return { study, base: url + path, first, second: await json(`${path}/metrics`) };
}

/**
 * Holds the next answer to a request back. `release` lets it come, and ends when the page has dealt with it.
 * @param {import('playwright-core').Page} page
 * @param {RegExp} path
 * @param {Parameters<import('playwright-core').Route['fulfill']>[0]} [answer] another one than that of the service
 */
async function hold(page, path, answer) {
  let ask = () => {};
  let free = () => {};
  const asked = new Promise((resolve) => { ask = () => resolve(undefined); });
  const open = new Promise((resolve) => { free = () => resolve(undefined); });
  const ended = Promise.race(['requestfinished', 'requestfailed'].map((event) => page.waitForEvent(/** @type {any} */ (event), (/** @type {any} */ request) => path.test(request.url()))));
  await page.route(path, async (route) => {
    ask();
    await open;
    // What the page has given up cannot be answered.
    await (answer ? route.fulfill(answer) : route.continue()).catch(() => {});
  }, { times: 1 });
  return {
    asked,
    release: async () => {
      free();
      await ended;
      await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
    },
  };
}

/** @param {import('playwright-core').Page} page @param {string} what */
async function save(page, what) {
  const waiting = page.waitForEvent('download');
  await page.click(`[data-save="${what}"]`);
  const download = await waiting;
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** The picture of the slice in view. @param {import('playwright-core').Page} page */
function source(page) {
  return page.locator('.slice image').getAttribute('href');
}

/** Whether another picture is in view: runs in the page. @param {string | null} old */
function changed(old) {
  return document.querySelector('.slice image').getAttribute('href') !== old;
}

/**
 * Drops files on the page, beside the box that is meant for them.
 * @param {import('playwright-core').Page} page
 * @param {Buffer[]} files
 */
async function drop(page, files) {
  const transfer = await page.evaluateHandle((contents) => {
    const data = new DataTransfer();
    for (const [index, content] of contents.entries()) {
      data.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], `file-${index}.nii.gz`));
    }
    return data;
  }, files.map((file) => file.toString('base64')));
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('.notice', type, { dataTransfer: transfer });
}

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
