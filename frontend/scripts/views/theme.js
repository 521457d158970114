/**
 * Light or dark: that of the system until a person chooses.
 */

import { element } from './elements.js';

/**
 * @param {HTMLElement} root
 * @param {{setTheme: (theme: import('../state.js').Theme) => void}} actions
 */
export function mount(root, actions) {
  const button = element('button', { type: 'button', class: 'quiet', id: 'theme' });
  root.append(button);
  /** @type {import('../state.js').Theme} */
  let other = 'light';
  button.addEventListener('click', () => actions.setTheme(other));
  return {
    /** @param {import('../state.js').State} state */
    update({ theme }) {
      other = theme === 'dark' ? 'light' : 'dark';
      button.textContent = other === 'light' ? 'Light' : 'Dark';
      button.setAttribute('aria-label', `Change to ${other} colours`);
      document.documentElement.dataset.theme = theme;
    },
  };
}
