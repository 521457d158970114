/**
 * What went wrong, in the words of the service.
 */

import { element } from './elements.js';

/** @param {HTMLElement} root */
export function mount(root) {
  const title = element('strong');
  const detail = element('p');
  const id = element('p', { class: 'small' });
  const box = element('div', { class: 'problem', hidden: true }, title, detail, id);
  root.append(box);
  return {
    /** @param {import('../state.js').State} state */
    update({ problem }) {
      box.hidden = problem === null;
      title.textContent = problem?.title ?? '';
      detail.textContent = problem?.detail ?? '';
      id.textContent = problem?.request_id ? `Request ${problem.request_id}` : '';
    },
  };
}
