/**
 * Asks for the access key once. The key stays in memory: it is gone when the page is closed.
 */

import { element, labelled } from './elements.js';

/**
 * @param {HTMLElement} root
 * @param {{useKey: (key: string) => void}} actions
 */
export function mount(root, actions) {
  const { field, input } = labelled('Access key', { type: 'password', autocomplete: 'off', required: true, name: 'key' });
  const hint = element('p', { class: 'small' });
  const form = element('form', { class: 'panel row' }, field, element('button', { type: 'submit' }, 'Continue'), hint);
  form.addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = input.value;
    input.value = '';
    actions.useKey(key);
  });
  root.append(form);
  return {
    /** @param {import('../state.js').State} state */
    update({ needsKey, keyRefused }) {
      if (root.hidden && needsKey) queueMicrotask(() => input.focus());
      root.hidden = !needsKey;
      hint.textContent = keyRefused
        ? 'This key was not accepted. Check it, or ask whoever runs the service.'
        : 'This service answers to people with a key. Ask whoever runs it.';
    },
  };
}
