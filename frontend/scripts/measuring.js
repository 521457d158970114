/**
 * How a mask is measured: phases, slices, rules and formulas that a person may choose, and what they change. Pure.
 */

import { number, QUANTITIES, quantityName } from './format.js';

/**
 * @typedef {{edFrame: number | null, esFrame: number | null, excludedSlices: number[], basalRule: string, bsaFormula: string}} Choices
 *   a phase that is `null` is found by the service
 */

/** @type {{value: string, name: string}[]} */
export const BASAL_RULES = [
  { value: 'as_segmented', name: 'All labelled slices' },
  { value: 'mostly_enclosed', name: 'Mostly enclosed by wall' },
];

/** @type {{value: string, name: string}[]} */
export const BSA_FORMULAS = [
  { value: 'mosteller', name: 'Mosteller' },
  { value: 'dubois', name: 'DuBois' },
];

/**
 * What the numbers were measured by.
 * @param {any} metrics the metrics document of the service
 * @returns {Choices}
 */
export function choicesOf(metrics) {
  const { ed_frame: ed, es_frame: es, method } = metrics?.phases ?? {};
  const conventions = metrics?.conventions ?? {};
  return {
    edFrame: method === 'told' || method === 'ed_told' ? ed : null,
    esFrame: method === 'told' || method === 'es_told' ? es : null,
    excludedSlices: [...(conventions.excluded_slices ?? [])].sort((one, other) => one - other),
    basalRule: conventions.basal_rule ?? BASAL_RULES[0].value,
    bsaFormula: metrics?.body?.formula ?? BSA_FORMULAS[0].value,
  };
}

/** @param {Choices} one @param {Choices} other */
export function sameChoices(one, other) {
  return JSON.stringify(choicesBody(one)) === JSON.stringify(choicesBody(other));
}

/**
 * The choices as the body of a change.
 * @param {Choices} choices
 */
export function choicesBody({ edFrame, esFrame, excludedSlices, basalRule, bsaFormula }) {
  return {
    ed_frame: edFrame,
    es_frame: esFrame,
    excluded_slices: [...excludedSlices].sort((one, other) => one - other),
    basal_rule: basalRule,
    bsa_formula: bsaFormula,
  };
}

/**
 * The choices as a query. All are named, or what is kept would hold: an empty phase is one that is to be found.
 * @param {Choices} choices
 */
export function choicesQuery(choices) {
  const { excluded_slices: excluded, ...rest } = choicesBody(choices);
  const query = new URLSearchParams(Object.entries(rest).map(([name, value]) => [name, String(value ?? '')]));
  query.set('excluded_slices', excluded.join(',') || 'none');
  return query;
}

/**
 * What has to be told so that choices become others.
 * @param {Choices} from
 * @param {Choices} to
 */
export function choicesChange(from, to) {
  const before = Object.entries(choicesBody(from)).map(([name, value]) => [name, JSON.stringify(value)]);
  const after = /** @type {Record<string, any>} */ (choicesBody(to));
  return Object.fromEntries(before.filter(([name, value]) => JSON.stringify(after[name]) !== value).map(([name]) => [name, after[name]]));
}

/**
 * Which frames the phases would be, where those that are found would be others.
 * @param {any} metrics with what it would be without the most basal slice
 */
function otherFrames(metrics) {
  const { ed_frame: ed, es_frame: es } = metrics.without_basal_slice;
  const phases = metrics.phases;
  return ed === phases?.ed_frame && es === phases?.es_frame ? '' : `, between frames ${number(ed)} and ${number(es)}`;
}

/**
 * What hangs on the most basal slice of the left ventricle, about which readers differ.
 * @param {any} metrics
 * @returns {string} empty where the service tells nothing of it
 */
export function basalSentence(metrics) {
  const fewer = metrics?.without_basal_slice;
  const left = metrics?.left_ventricle;
  if (!fewer || !left) return '';
  const [right, rightFewer] = [metrics.right_ventricle, fewer.right_ventricle];
  const ofRight = right && rightFewer ? ` The right ventricle’s EDV would be ${number(rightFewer.edv_ml)} ml instead of ${number(right.edv_ml)}, its EF ${number(rightFewer.ef_percent, 1)} % instead of ${number(right.ef_percent, 1)}.` : '';
  return `Without slice ${fewer.slice}, the left ventricle's most basal at ED, EDV would be ${number(fewer.edv_ml)} ml instead of ${number(left.edv_ml)}, EF ${number(fewer.ef_percent, 1)} % instead of ${number(left.ef_percent, 1)}${otherFrames(metrics)}.${ofRight}`;
}

/**
 * What is kept, with the most basal slice left out.
 * @param {any} metrics
 * @returns {Choices}
 */
export function withoutBasal(metrics) {
  const kept = choicesOf(metrics);
  const slice = metrics?.without_basal_slice?.slice;
  return slice === undefined ? kept : { ...kept, excludedSlices: [...kept.excludedSlices, slice] };
}

/** Numbers that a choice can change, and that are compared. */
const COMPARED = [
  'left_ventricle.edv_ml',
  'left_ventricle.esv_ml',
  'left_ventricle.sv_ml',
  'left_ventricle.ef_percent',
  'left_ventricle.edv_ml_per_m2',
  'right_ventricle.edv_ml',
  'right_ventricle.esv_ml',
  'right_ventricle.sv_ml',
  'right_ventricle.ef_percent',
  'right_ventricle.edv_ml_per_m2',
  'myocardium.ed_mass_g',
  'myocardium.ed_mass_g_per_m2',
];

/** @param {any} metrics @param {string} path */
function at(metrics, path) {
  return path.split('.').reduce((value, key) => value?.[key], metrics);
}

/**
 * What the choices change.
 * @param {any} kept metrics as they are kept
 * @param {any} tried metrics with the choices
 * @returns {{name: string, unit: string, kept: string, tried: string, change: string}[]} numbers that are known on either side
 */
export function comparison(kept, tried) {
  return COMPARED.map((path) => ({ path, before: at(kept, path), after: at(tried, path) }))
    .filter(({ before, after }) => typeof before === 'number' || typeof after === 'number')
    .map(({ path, before, after }) => {
      const { unit, digits } = QUANTITIES[path.split('.')[1]];
      const both = typeof before === 'number' && typeof after === 'number';
      // The difference of the numbers as they stand there: a reader takes one from the other.
      const difference = Number(number(after, digits)) - Number(number(before, digits));
      const size = number(Math.abs(difference), digits);
      return {
        name: quantityName(path),
        unit,
        kept: number(before, digits),
        tried: number(after, digits),
        change: !both ? '' : Number(size) === 0 ? '0' : `${difference > 0 ? '+' : '−'}${size}`,
      };
    });
}

/**
 * Rows of the table of phases: whose, its frames, its ejection fraction.
 * @param {any} metrics
 * @returns {{name: string, ed: string, es: string, ef: string}[]} empty where there are no phases
 */
export function phaseRows(metrics) {
  const phases = metrics?.phases;
  if (phases?.ed_frame == null || phases.es_frame == null) return [];
  const row = (/** @type {string} */ name, /** @type {any} */ pair, /** @type {number} */ ef) => ({ name, ed: number(pair?.ed_frame), es: number(pair?.es_frame), ef: number(ef, 1) });
  const rows = [row('Left ventricle', phases, metrics.left_ventricle?.ef_percent)];
  if (phases.runner_up) rows.push(row('Left, next best', phases.runner_up, phases.runner_up.ef_percent));
  rows.push(row('Right ventricle', phases.right_ventricle, metrics.right_ventricle?.ef_percent));
  return rows;
}
