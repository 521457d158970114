/**
 * How far the work is, in words and as a bar.
 */

import { element } from './elements.js';

/** @type {Record<string, string>} */
const STAGES = {
  upload: 'Sending the study',
  demo: 'Fetching the demonstration heart',
  decode: 'Reading the volume',
  preprocess: 'Preparing the slices',
  inference: 'Finding the contours',
  segment: 'Finding the contours',
  postprocess: 'Cleaning up',
  measure: 'Measuring',
};

/** @param {HTMLElement} root */
export function mount(root) {
  const label = element('p');
  const bar = element('progress', { 'aria-label': 'Progress' });
  root.append(element('div', { class: 'panel' }, label, bar));
  return {
    /** @param {import('../state.js').State} state */
    update({ phase, progress }) {
      root.hidden = phase !== 'busy';
      if (!progress) return;
      const counted = progress.stage !== 'upload' && progress.total > 1;
      label.textContent = (STAGES[progress.stage] ?? progress.stage) + (counted ? `: ${progress.done} of ${progress.total}` : '…');
      if (progress.total > 0) {
        bar.max = progress.total;
        bar.value = progress.done;
      } else {
        bar.removeAttribute('value');
      }
    },
  };
}
