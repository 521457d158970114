/**
 * Phases and rules: what the numbers were measured by, other choices with their numbers as soon as they are made, and keeping them.
 */

import { element } from './elements.js';
import { phaseSentence } from '../format.js';
import { verdictOf } from '../quality.js';
import { READS_ONLY } from '../review.js';
import { BASAL_RULES, basalSentence, BSA_FORMULAS, choicesOf, comparison, phaseRows, sameChoices, withoutBasal } from '../measuring.js';

/** What stands in a list of frames for one that the service finds. */
const FOUND = '';

/**
 * @param {HTMLElement} root
 * @param {{tryChoices: (choices: import('../measuring.js').Choices | null) => void, keepChoices: () => void}} actions
 */
export function mount(root, actions) {
  const phases = element('tbody');
  const phaseHead = ['', 'ED frame', 'ES frame', 'EF (%)'].map((text) => (text ? element('th', { scope: 'col' }, text) : element('td')));
  const phaseTable = element('table', { class: 'numbers phases' }, element('thead', {}, element('tr', {}, ...phaseHead)), phases);
  const words = element('p', { class: 'small' });

  const ed = frameChoice('End-diastole', 'choose-ed', 'Frame in view');
  const es = frameChoice('End-systole', 'choose-es', 'Frame in view');
  const basal = choice('Slices at the base', 'choose-basal', BASAL_RULES);
  const bsa = choice('Body surface', 'choose-bsa', BSA_FORMULAS);
  const slices = element('fieldset', { class: 'slices' }, element('legend', {}, 'Slices that count to no volume or wall'));
  const basalWords = element('span', {});
  const leaveBasal = element('button', { type: 'button', class: 'quiet', id: 'leave-basal' }, 'Try it');
  const basalLine = element('p', { class: 'small', id: 'basal-slice', hidden: true }, basalWords, ' ', leaveBasal);
  const undo = element('button', { type: 'button', class: 'quiet', id: 'choices-undo' }, 'Back to what is kept');
  const keep = element('button', { type: 'button', id: 'choices-keep' }, 'Keep as a new revision');
  const compared = element('tbody');
  const comparedHead = ['', 'kept', 'as chosen', 'change', 'Unit'].map((text) => (text ? element('th', { scope: 'col' }, text) : element('td')));
  const comparedTable = element('table', { class: 'numbers compared' }, element('thead', {}, element('tr', {}, ...comparedHead)), compared);
  const said = element('p', { class: 'refused', role: 'status' });
  const judged = element('p', { class: 'small' });
  const denied = element('p', { class: 'small', hidden: true }, READS_ONLY);
  const trial = element('div', { class: 'trial', hidden: true }, element('h3', {}, 'With these choices'), said, element('div', { class: 'scroll' }, comparedTable), judged, denied, element('div', { class: 'row' }, keep, undo));
  const hint = element('p', { class: 'small' }, 'Choose another phase, leave out a slice or take another rule: what the numbers would be stands here beside those that are kept.');
  root.append(
    element('h2', {}, 'Phases and rules'),
    element('div', { class: 'halves' },
      element('div', {}, phaseTable, words, element('form', { class: 'fields' }, ed.field, es.field, basal.field, bsa.field), slices, basalLine),
      element('div', {}, hint, trial)),
  );

  /** @type {import('../state.js').State | null} */
  let state = null;
  const read = () => ({
    edFrame: ed.select.value === FOUND ? null : Number(ed.select.value),
    esFrame: es.select.value === FOUND ? null : Number(es.select.value),
    excludedSlices: [...slices.querySelectorAll('input')].filter((box) => box.checked).map((box) => Number(box.value)),
    basalRule: basal.select.value,
    bsaFormula: bsa.select.value,
  });
  const chosen = () => {
    if (!state) return;
    const choices = read();
    actions.tryChoices(sameChoices(choices, choicesOf(state.metrics)) ? null : choices);
  };
  root.addEventListener('change', chosen);
  for (const { select, here } of [ed, es]) {
    here.addEventListener('click', () => {
      select.value = String(state?.view.frame);
      chosen();
    });
  }
  leaveBasal.addEventListener('click', () => {
    if (!state) return;
    // What the sentence tells is of what is kept, not of other choices that are being tried.
    write(withoutBasal(state.metrics));
    chosen();
  });
  keep.addEventListener('click', () => actions.keepChoices());
  undo.addEventListener('click', () => actions.tryChoices(null));

  /** @param {import('../measuring.js').Choices} choices */
  const write = (choices) => {
    ed.select.value = choices.edFrame === null ? FOUND : String(choices.edFrame);
    es.select.value = choices.esFrame === null ? FOUND : String(choices.esFrame);
    basal.select.value = choices.basalRule;
    bsa.select.value = choices.bsaFormula;
    for (const box of slices.querySelectorAll('input')) box.checked = choices.excludedSlices.includes(Number(box.value));
  };

  /** @type {any} */
  let shown = null;
  /** @type {any} */
  let shownTrial = null;
  return {
    /** @param {import('../state.js').State} next */
    update(next) {
      const { study, segmentation, metrics, trial: tried } = next;
      state = next;
      if (!study || !metrics) return;
      if (metrics !== shown) {
        shown = metrics;
        shownTrial = null;
        const rows = phaseRows(metrics);
        phaseTable.hidden = rows.length === 0;
        phases.replaceChildren(...rows.map(({ name, ed: edFrame, es: esFrame, ef }) => element('tr', {}, element('th', { scope: 'row' }, name), ...[edFrame, esFrame, ef].map((text) => element('td', {}, text)))));
        words.textContent = phaseSentence(metrics);
        basalWords.textContent = basalSentence(metrics);
        basalLine.hidden = basalWords.textContent === '';
        for (const { select, field } of [ed, es]) {
          field.hidden = segmentation.frames.length < 2;
          select.replaceChildren(element('option', { value: FOUND }, 'found by volume'), ...segmentation.frames.map((/** @type {number} */ frame) => element('option', { value: String(frame) }, `frame ${frame}`)));
        }
        slices.replaceChildren(slices.firstElementChild, ...Array.from({ length: study.shape.slices }, (_, slice) => sliceBox(slice)));
        bsa.field.hidden = !metrics.body?.bsa_m2;
        write(choicesOf(metrics));
      }
      const isLast = segmentation.revision === (next.revisions[0]?.revision ?? segmentation.revision);
      keep.hidden = !isLast || !next.mayChange;
      denied.hidden = next.mayChange;
      keep.disabled = next.changing || !tried?.metrics;
      if (tried === shownTrial && trial.hidden === !tried) return;
      shownTrial = tried;
      trial.hidden = !tried;
      hint.hidden = Boolean(tried);
      if (!tried) {
        write(choicesOf(metrics));
        return;
      }
      said.textContent = tried.problem ? `${tried.problem.title}: ${tried.problem.detail}` : '';
      comparedTable.hidden = judged.hidden = !tried.metrics;
      trial.dataset.ready = String(Boolean(tried.metrics));
      if (!tried.metrics) return;
      judged.textContent = verdictOf(tried.metrics.quality).sentence;
      compared.replaceChildren(...comparison(metrics, tried.metrics).map(({ name, unit, kept, tried: now, change }) => element(
        'tr',
        change === '0' ? {} : { class: 'changed' },
        element('th', { scope: 'row' }, name),
        ...[kept, now, change].map((text) => element('td', {}, text)),
        element('td', { class: 'unit' }, unit),
      )));
    },
  };
}

/** @param {string} label @param {string} id @param {{value: string, name: string}[]} options */
function choice(label, id, options) {
  const select = element('select', { id }, ...options.map(({ value, name }) => element('option', { value }, name)));
  return { field: element('label', { class: 'field' }, element('span', {}, label), select), select };
}

/** @param {string} label @param {string} id @param {string} words of the button that takes the frame in view */
function frameChoice(label, id, words) {
  const select = element('select', { id });
  const here = element('button', { type: 'button', class: 'quiet', id: `${id}-here`, 'aria-label': `${label}: ${words.toLowerCase()}` }, words);
  return { field: element('div', { class: 'field' }, element('label', { for: id }, label), element('div', { class: 'beside' }, select, here)), select, here };
}

/** @param {number} slice */
function sliceBox(slice) {
  return element('label', { class: 'check' }, element('input', { type: 'checkbox', name: 'excluded', value: String(slice) }), String(slice));
}
