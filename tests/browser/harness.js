/**
 * Starts the real host with a state folder of its own, and a real Chromium to look at it.
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Where screenshots are left to be looked at. */
export const PICTURES = join(ROOT, 'target/browser');
mkdirSync(PICTURES, { recursive: true });

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/**
 * Starts `cinecor up` on a free port.
 * @param {string[]} [more] further arguments
 * @returns {Promise<{url: string, stop: () => Promise<void>, kill: () => Promise<void>}>} `stop` ends it in order and removes its state,
 *   `kill` ends it as a power failure would
 */
export async function startHost(more = []) {
  const state = mkdtempSync(join(tmpdir(), 'cinecor-browser-'));
  const host = spawn(join(ROOT, 'target/release/cinecor'), ['up', '-f', join(ROOT, 'spin.toml'), '--listen', '127.0.0.1:0', '--state-dir', state, ...more], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  host.stderr.on('data', (text) => { log = (log + text).slice(-20_000); });
  const ended = new Promise((resolve) => host.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: host.stdout }).on('line', (line) => {
      const found = /^Serving (http\S+)/.exec(line);
      if (found) resolve(found[1].replace(/\/$/, ''));
    });
    host.once('error', reject);
    host.once('exit', (code) => reject(new Error(`the host ended with ${code} before it served:\n${log}`)));
  });
  return {
    url,
    kill: async () => {
      host.kill('SIGKILL');
      await ended;
    },
    stop: async () => {
      host.kill('SIGTERM');
      await ended;
      rmSync(state, { recursive: true, force: true });
    },
  };
}

/** Starts Chromium; `undefined` where there is none, with the reason printed. */
export async function startBrowser() {
  if (!CHROMIUM) {
    console.log('SKIP: no Chromium is installed; `cargo xtask doctor` says how to get it');
    return undefined;
  }
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/**
 * A page that remembers what went wrong in it.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage(browser, url, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 }, deviceScaleFactor: 1, ...options });
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints };
}
