/**
 * The quality verdict, the checks behind it, the score, and the warnings about the file and how it was segmented.
 */

import { element } from './elements.js';
import { sentence } from '../format.js';
import { checkName, checkNumbers, checksOf, scoreText, verdictOf } from '../quality.js';
import { reviewText } from '../review.js';

/** @param {HTMLElement} root */
export function mount(root) {
  const verdict = element('h2', { class: 'verdict', tabIndex: -1 });
  const failed = element('ul', { class: 'checks', 'aria-label': 'Checks that failed' });
  const score = element('p', { class: 'small score' });
  const passed = element('ul', { class: 'checks', 'aria-label': 'Checks that passed' });
  const summary = element('summary');
  const rest = element('details', { class: 'facts' }, summary, passed);
  const warnings = element('ul', { class: 'warnings', 'aria-label': 'Warnings about this study' });
  root.append(verdict, failed, score, rest, warnings);
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ study, segmentation, metrics }) {
      if (segmentation === shown) return;
      shown = segmentation;
      if (!segmentation) return;
      const quality = segmentation.quality ?? metrics?.quality;
      const { kind, sentence: words } = verdictOf(quality);
      // What a physician said goes before what checks say.
      const { review } = segmentation;
      verdict.dataset.verdict = review?.state === 'rejected' ? 'reject' : kind;
      verdict.textContent = review ? `${reviewText(review)} Automatic checks: ${words}` : words;
      const checks = checksOf(quality);
      failed.replaceChildren(...checks.failed.map(checkItem));
      failed.hidden = checks.failed.length === 0;
      passed.replaceChildren(...checks.passed.map(checkItem));
      rest.hidden = checks.passed.length === 0;
      summary.textContent = `${checks.passed.length} of ${checks.passed.length + checks.failed.length} checks passed`;
      score.textContent = scoreText(quality);
      const doubts = [...(study?.warnings ?? []), ...(segmentation.warnings ?? [])];
      warnings.replaceChildren(...doubts.map((/** @type {any} */ { detail }) => element('li', {}, sentence(detail))));
      warnings.hidden = warnings.childElementCount === 0;
    },
  };
}

/** @param {import('../quality.js').Check} check */
function checkItem(check) {
  return element(
    'li',
    { class: check.passed ? 'check-passed' : 'check-failed', 'data-check': check.code },
    element('strong', {}, checkName(check)),
    element('span', { class: 'small' }, checkNumbers(check)),
    element('p', {}, sentence(check.detail)),
  );
}
