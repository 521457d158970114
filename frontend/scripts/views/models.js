/**
 * Which model is to be asked, and in which precision it is to be computed: for the next study, and for the one in view again.
 */

import { element } from './elements.js';
import { modelOptions, precisionOptions } from '../models.js';

/**
 * @param {HTMLElement} root
 * @param {{want: (wanted: import('../models.js').Wanted) => void}} actions
 * @param {import('../state.js').Phase[]} phases in which it can be seen
 */
export function mount(root, actions, phases) {
  const model = element('select', { name: 'model' });
  const precision = element('select', { name: 'precision' });
  const why = element('p', { class: 'small' });
  const summary = element('summary');
  root.append(
    element('details', { class: 'facts wanted' },
      summary,
      element('div', { class: 'fields' },
        element('label', { class: 'field' }, element('span', {}, 'Model'), model),
        element('label', { class: 'field' }, element('span', {}, 'Precision'), precision)),
      why),
  );
  const chosen = () => actions.want({ model: model.value, precision: precision.value });
  model.addEventListener('change', chosen);
  precision.addEventListener('change', chosen);
  /** @type {any} */
  let shown = null;
  /** @type {any} */
  let shownWanted = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ phase, needsKey, models, wanted }) {
      root.hidden = needsKey || !phases.includes(phase) || models.length === 0;
      if (models === shown && wanted === shownWanted) return;
      shown = models;
      shownWanted = wanted;
      const options = modelOptions(models);
      const precisions = precisionOptions(models, wanted.model);
      model.replaceChildren(element('option', { value: '' }, 'the service’s own choice'), ...options.map(option));
      precision.replaceChildren(element('option', { value: '' }, 'as the service is set up'), ...precisions.map(option));
      model.value = wanted.model;
      precision.value = wanted.precision;
      summary.textContent = `Model of the next request: ${wanted.model.replace('@', ' ') || 'the service’s own choice'}${wanted.precision ? `, ${wanted.precision}` : ''}`;
      precision.disabled = precisions.length === 0;
      why.textContent = [...options, ...precisions].filter(({ disabled, why: reason }) => disabled && reason).map(({ name, why: reason }) => `${name} cannot run here: ${reason}`).join(' ');
    },
  };
}

/** @param {import('../models.js').Option} found */
function option({ value, name, disabled }) {
  return element('option', { value, disabled }, name);
}
