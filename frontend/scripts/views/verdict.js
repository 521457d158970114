/**
 * The quality verdict, what a doctor has to look at, and the warnings about the file.
 */

import { element } from './elements.js';
import { sentence } from '../format.js';

/** @type {Record<string, string>} */
const WORDS = {
  pass: 'Checks passed: look at the contours before using these numbers.',
  review: 'For review: check the contours on every slice before using these numbers.',
  reject: 'Rejected: the checks failed. Do not use these numbers.',
};

/** @param {HTMLElement} root */
export function mount(root) {
  const verdict = element('h2', { class: 'verdict', tabIndex: -1 });
  const warnings = element('ul', { class: 'warnings', 'aria-label': 'Warnings about this study' });
  root.append(verdict, warnings);
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ study, segmentation, metrics }) {
      if (segmentation === shown) return;
      shown = segmentation;
      if (!segmentation) return;
      const quality = segmentation.quality ?? metrics?.quality;
      verdict.dataset.verdict = quality?.verdict ?? 'review';
      verdict.textContent = WORDS[quality?.verdict] ?? WORDS.review;
      const failedChecks = (quality?.checks ?? []).filter((/** @type {any} */ check) => !check.passed);
      warnings.replaceChildren(
        ...[...failedChecks, ...(study?.warnings ?? [])].map(({ detail }) => element('li', {}, sentence(detail))),
      );
      warnings.hidden = warnings.childElementCount === 0;
      // What had the focus is gone by now: reading goes on here.
      queueMicrotask(() => verdict.focus({ preventScroll: true }));
    },
  };
}
