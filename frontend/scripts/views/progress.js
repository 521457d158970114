/**
 * How far the work is, in words and as a bar, and the way out of it.
 */

import { element } from './elements.js';
import { progressText } from '../format.js';

/**
 * @param {HTMLElement} root
 * @param {{cancel: () => void}} actions
 */
export function mount(root, actions) {
  const label = element('p', { 'aria-live': 'polite' });
  const bar = element('progress', { 'aria-label': 'Progress' });
  const cancel = element('button', { type: 'button', class: 'quiet', id: 'cancel' }, 'Cancel');
  cancel.addEventListener('click', () => actions.cancel());
  root.append(element('div', { class: 'panel' }, label, bar, element('div', { class: 'row' }, cancel)));
  return {
    /** @param {import('../state.js').State} state */
    update({ phase, progress }) {
      root.hidden = phase !== 'busy';
      if (!progress) return;
      const text = progressText(progress);
      if (label.textContent !== text) label.textContent = text;
      if (progress.total > 0) {
        bar.max = progress.total;
        bar.value = progress.done;
      } else {
        bar.removeAttribute('value');
      }
    },
  };
}
