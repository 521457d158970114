/**
 * Makes the pictures of README.md: `node tests/browser/screenshots.js`. The phantom is our own; the patient is of the Sunnybrook
 * cardiac data, which are in the public domain (CC0 1.0) and are found through CINECOR_DATA. Pictures of patients of ACDC, whose
 * licence forbids it, are never put into the repository.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPage, startBrowser, startHost } from './harness.js';

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const PATIENCE = { timeout: 240_000 };

const browser = await startBrowser();
if (browser) {
  mkdirSync(DOCS, { recursive: true });
  const host = await startHost();
  try {
    const { page } = await openPage(browser, host.url, { viewport: { width: 1280, height: 970 } });
    await page.click('#demo');
    await shoot(page, 'page-phantom.png');
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
  await page.screenshot({ path: join(DOCS, name) });
  console.log(join('docs', name));
}
