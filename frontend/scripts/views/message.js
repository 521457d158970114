/**
 * What went wrong, in the words of the service, until it is over or closed.
 */

import { element } from './elements.js';

/**
 * @param {HTMLElement} root
 * @param {{dismiss: () => void}} actions
 */
export function mount(root, actions) {
  const title = element('strong');
  const detail = element('p');
  const id = element('p', { class: 'small' });
  const close = element('button', { type: 'button', class: 'quiet close', 'aria-label': 'Close this message' }, '×');
  const box = element('div', { class: 'problem', hidden: true }, title, detail, id, close);
  close.addEventListener('click', () => actions.dismiss());
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
