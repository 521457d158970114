/**
 * The table of numbers.
 */

import { element } from './elements.js';
import { numberRows, phaseSentence } from '../format.js';

/** @param {HTMLElement} root */
export function mount(root) {
  const body = element('tbody');
  const phases = element('p', { class: 'small' });
  const conventions = element('p', { class: 'small' });
  const head = ['', 'Left ventricle', 'Right ventricle', ''].map((text) => element('th', { scope: 'col' }, text));
  root.append(
    element('h2', {}, 'Numbers'),
    element('table', { class: 'numbers' }, element('thead', {}, element('tr', {}, ...head)), body),
    phases,
    conventions,
  );
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ metrics }) {
      if (metrics === shown) return;
      shown = metrics;
      if (!metrics) return;
      body.replaceChildren(
        ...numberRows(metrics).map(({ quantity, unit, left, right }) =>
          element(
            'tr',
            {},
            element('th', { scope: 'row' }, quantity),
            element('td', {}, left),
            element('td', {}, right),
            element('td', { class: 'unit' }, unit),
          ),
        ),
      );
      phases.textContent = phaseSentence(metrics);
      const { conventions: used, body: size } = metrics;
      conventions.textContent = [
        used?.papillary === 'cavity' ? 'Papillary muscles are counted as cavity.' : '',
        used?.myocardial_density_g_per_ml ? `Myocardial density ${used.myocardial_density_g_per_ml} g/ml.` : '',
        size?.bsa_m2 ? `Body surface ${size.bsa_m2.toFixed(2)} m² (${size.formula}).` : 'Not indexed: height and weight were not told.',
      ].join(' ');
    },
  };
}
