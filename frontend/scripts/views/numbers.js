/**
 * The table of numbers; of the demonstration heart, the true ones beside them.
 */

import { element } from './elements.js';
import { numberRows, phaseSentence, singleFrameText } from '../format.js';

/** @param {HTMLElement} root */
export function mount(root) {
  const body = element('tbody');
  const truthNote = element('p', { class: 'small', hidden: true }, 'This heart is made up and its volumes are known: they stand below what was measured.');
  const single = element('p', {});
  const phases = element('p', { class: 'small' });
  const conventions = element('p', { class: 'small' });
  const head = ['Left ventricle', 'Right ventricle', 'Unit'].map((text) => element('th', { scope: 'col' }, text));
  root.append(
    element('h2', {}, 'Numbers'),
    element('table', { class: 'numbers' }, element('thead', {}, element('tr', {}, element('td'), ...head)), body),
    single,
    truthNote,
    phases,
    conventions,
  );
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ metrics, truth }) {
      if (metrics === shown) return;
      shown = metrics;
      if (!metrics) return;
      body.replaceChildren(
        ...numberRows(metrics, truth).map(({ quantity, unit, left, right }) =>
          element('tr', {}, element('th', { scope: 'row' }, quantity), numberCell(left), numberCell(right), element('td', { class: 'unit' }, unit)),
        ),
      );
      truthNote.hidden = !truth;
      single.textContent = singleFrameText(metrics);
      single.hidden = single.textContent === '';
      phases.textContent = phaseSentence(metrics);
      const { conventions: used, body: size } = metrics;
      conventions.textContent = [
        used?.papillary === 'cavity' ? 'Papillary muscles are counted as cavity.' : '',
        used?.myocardial_density_g_per_ml ? `Myocardial density ${used.myocardial_density_g_per_ml} g/ml.` : '',
        size?.bsa_m2 ? `Body surface ${size.bsa_m2.toFixed(2)} m² (formula: ${size.formula}).` : 'Not indexed: height and weight were not told.',
      ].filter(Boolean).join(' ');
    },
  };
}

/** @param {import('../format.js').Cell | null} cell */
function numberCell(cell) {
  if (!cell) return element('td');
  const value = element('span', { class: 'value' }, cell.text);
  const beside = [];
  if (cell.range) {
    const title = `The true number lies between these ${Math.round(100 * (cell.level ?? 0))} times in 100.`;
    beside.push(element('span', { class: 'range', title }, cell.range));
  }
  if (cell.truth) beside.push(element('span', { class: 'truth' }, `true ${cell.truth}`));
  return element('td', {}, value, ...beside);
}
