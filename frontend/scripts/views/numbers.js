/**
 * The table of numbers; of the demonstration heart, the true ones beside them; and where they lie among healthy people.
 */

import { element } from './elements.js';
import { factSentences } from '../facts.js';
import { intervalSentence, noReferenceText, numberRows, phaseSentence, referencePlaces, sentence, singleFrameText } from '../format.js';
import { BSA_FORMULAS } from '../measuring.js';
import { judgedIntervals } from '../models.js';

/** @param {HTMLElement} root */
export function mount(root) {
  const facts = element('p', { class: 'small', id: 'facts' });
  const body = element('tbody');
  const levels = element('p', { class: 'small' });
  const truthNote = element('p', { class: 'small', hidden: true }, 'This heart is made up and its volumes are known: they stand below what was measured.');
  const single = element('p', {});
  const conventions = element('p', { class: 'small' });
  const head = ['Left ventricle', 'Right ventricle', 'Unit'].map((text) => element('th', { scope: 'col' }, text));
  const places = element('tbody');
  const sources = element('ul', { class: 'sources small' });
  const placesTable = element(
    'table',
    { class: 'numbers places' },
    element('thead', {}, element('tr', {}, ...['Number', 'Found', 'Healthy people', ''].map((text) => (text ? element('th', { scope: 'col' }, text) : element('td'))))),
    places,
  );
  const noPlaces = element('p', { class: 'small' });
  root.append(
    element('h2', {}, 'Numbers'),
    facts,
    element('table', { class: 'numbers' }, element('thead', {}, element('tr', {}, element('td'), ...head)), body),
    single,
    levels,
    truthNote,
    conventions,
    element('h3', {}, 'Among healthy people'),
    placesTable,
    sources,
    noPlaces,
  );
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ study, segmentation, metrics, truth, models }) {
      const levelText = intervalSentence(metrics, judgedIntervals(models, segmentation?.model));
      if (levels.textContent !== levelText) levels.textContent = levelText;
      if (metrics === shown) return;
      shown = metrics;
      if (!metrics) return;
      body.replaceChildren(
        ...numberRows(metrics, truth).map(({ quantity, unit, left, right }) =>
          element('tr', {}, element('th', { scope: 'row' }, quantity), numberCell(left), numberCell(right), element('td', { class: 'unit' }, unit)),
        ),
      );
      facts.textContent = factSentences(study).join(' ');
      truthNote.hidden = !truth;
      single.textContent = metrics.phases?.ed_frame == null ? [singleFrameText(metrics), phaseSentence(metrics)].filter(Boolean).join(' ') : '';
      single.hidden = single.textContent === '';
      const { conventions: used, body: size } = metrics;
      conventions.textContent = [
        used?.papillary === 'cavity' ? 'Papillary muscles are counted as cavity.' : '',
        used?.myocardial_density_g_per_ml ? `Myocardial density ${used.myocardial_density_g_per_ml} g/ml.` : '',
        size?.bsa_m2 ? `Body surface ${size.bsa_m2.toFixed(2)} m² (formula: ${BSA_FORMULAS.find(({ value }) => value === size.formula)?.name ?? size.formula}).` : 'Not indexed: height and weight were not told.',
      ].filter(Boolean).join(' ');
      const ranges = referencePlaces(metrics);
      placesTable.hidden = sources.hidden = ranges.length === 0;
      noPlaces.hidden = ranges.length > 0;
      noPlaces.textContent = noReferenceText(metrics);
      places.replaceChildren(...ranges.map(({ name, text, unit, limits, verdict }) => element(
        'tr',
        {},
        element('th', { scope: 'row' }, name),
        element('td', {}, `${text} ${unit}`),
        element('td', {}, limits),
        element('td', {}, element('span', { class: 'place', 'data-place': verdict }, verdict)),
      )));
      const cited = new Set(ranges.map(({ source, cohort }) => sentence(`${cohort}: ${source}`)));
      sources.replaceChildren(...[...cited].map((text) => element('li', {}, text)));
    },
  };
}

/** @param {import('../format.js').Cell | null} cell */
function numberCell(cell) {
  if (!cell) return element('td');
  const beside = [];
  if (cell.range) beside.push(element('span', { class: 'range' }, cell.range));
  if (cell.truth) beside.push(element('span', { class: 'truth' }, `true ${cell.truth}`));
  return element('td', {}, element('span', { class: 'value' }, cell.text), ...beside);
}
