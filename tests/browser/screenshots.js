/**
 * Makes the pictures of README.md: `node tests/browser/screenshots.js`. The phantom is our own; the patient is of the Sunnybrook
 * cardiac data, which are in the public domain (CC0 1.0) and are found through CINECOR_DATA. Pictures of patients of ACDC, whose
 * licence forbids it, are never put into the repository.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPage, startBrowser, startHost } from './harness.js';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const PHANTOM = fileURLToPath(new URL('../../target/demo/phantom.nii.gz', import.meta.url));
/** A made-up adult, so that the report has a body surface and reference ranges. */
const FACTS = 'label=phantom&height_cm=178&weight_kg=74&sex=male&age_years=52&heart_rate_bpm=62';
const PATIENCE = { timeout: 240_000 };

const browser = await startBrowser();
if (browser) {
  mkdirSync(DOCS, { recursive: true });
  const host = await startHost();
  try {
    const { page } = await openPage(browser, host.url, { viewport: { width: 1280, height: 1120 }, colorScheme: 'dark' });
    await page.click('#demo');
    await shoot(page, 'page-phantom.png');
    await page.locator('#wall').screenshot({ path: join(DOCS, 'page-wall.png') });
    console.log(join('docs', 'page-wall.png'));
    await report(browser, host.url);
    if (process.env.CINECOR_DATA) {
      await page.click('#start-again');
      await page.setInputFiles('#file', join(process.env.CINECOR_DATA, 'sunnybrook-cine/SCD0000201_4d.nii.gz'));
      await page.waitForSelector('body[data-phase="busy"]');
      await shoot(page, 'page-patient.png', '#to-es');
    } else {
      console.log('SKIP: CINECOR_DATA is not set: no picture of a patient');
    }
  } finally {
    await browser.close();
    await host.stop();
  }
}

/**
 * The middle of the phantom's report: the curves and the bull's-eyes.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url of the host
 */
async function report(browser, url) {
  const json = async (/** @type {Response} */ answer) => {
    if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}`);
    return answer.json();
  };
  const study = await json(await fetch(`${url}/api/v1/studies?${FACTS}`, { method: 'POST', body: readFileSync(PHANTOM) }));
  const made = await json(await fetch(`${url}${study.links.segmentations}`, { method: 'POST' }));
  const page = await browser.newPage({ viewport: { width: 1000, height: 1180 } });
  await page.goto(`${url}${made.links.report}`);
  await page.locator('h2', { hasText: 'Phases and volume curves' }).evaluate((heading) => heading.scrollIntoView());
  await page.screenshot({ path: join(DOCS, 'report-phantom.png') });
  await page.close();
  console.log(join('docs', 'report-phantom.png'));
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {string} [button] pressed before the picture is taken
 */
async function shoot(page, name, button = '#to-ed') {
  await page.waitForSelector('body[data-phase="done"]', PATIENCE);
  await page.waitForSelector('.slice[data-shown]');
  await page.click(button);
  const frame = await page.locator('#frame').inputValue();
  await page.waitForSelector(`.slice[data-shown*="/${frame}/"]`);
  await page.waitForSelector(`.curve[data-frame="${frame}"] .scatterlayer`);
  await page.mouse.move(0, 0);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(DOCS, name) });
  console.log(join('docs', name));
}
