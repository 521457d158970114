/**
 * What people say of a segmentation: approve or reject it, correct its mask, look at its history, take its files and its report away.
 */

import { element } from './elements.js';
import { historyLines, NOTE_MAX_CHARACTERS, READS_ONLY, reviewText, revisionText } from '../review.js';

/** @type {[string, string][]} */
const FILES = [
  ['mask', 'Save mask (NIfTI)'],
  ['volume', 'Save volume (NIfTI)'],
  ['csv', 'Save numbers (CSV)'],
  ['json', 'Save numbers (JSON)'],
];

/**
 * @param {HTMLElement} root
 * @param {{review: (state: 'approved' | 'rejected', note: string) => Promise<boolean>, correct: (file: Blob, frame: number | null) => void,
 *   look: (revision: number) => void, save: (what: string) => void, report: () => void}} actions
 */
export function mount(root, actions) {
  const state = element('p', { class: 'reviewed' });
  const note = element('textarea', { rows: 2, maxLength: NOTE_MAX_CHARACTERS, name: 'note' });
  const approve = element('button', { type: 'button', id: 'approve' }, 'Approve');
  const reject = element('button', { type: 'button', class: 'quiet', id: 'reject' }, 'Reject');
  const denied = element('p', { class: 'small', id: 'denied', hidden: true }, READS_ONLY);
  const verdict = element('div', {}, element('label', { class: 'field' }, element('span', {}, 'Note (no patient’s name)'), note), element('div', { class: 'row' }, approve, reject));

  const file = element('input', { type: 'file', id: 'mask-file', accept: '.nii,.gz' });
  const alone = element('input', { type: 'checkbox', id: 'mask-alone' });
  const send = element('button', { type: 'button', class: 'quiet', id: 'mask-send' }, 'Send the corrected mask');
  const correction = element(
    'div',
    {},
    element('h3', {}, 'Correct the mask'),
    element('p', { class: 'small' }, 'Save the mask, correct it in a program of your own, and send it back as NIfTI on the same grid: 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle. It becomes a new revision; the one before stays.'),
    element('div', { class: 'row middle' }, element('label', { class: 'field' }, element('span', {}, 'Corrected mask'), file), element('label', { class: 'check' }, alone, 'It holds the frame in view alone')),
    element('div', { class: 'row' }, send),
  );

  const save = FILES.map(([what, text]) => {
    const button = element('button', { type: 'button', class: 'quiet', 'data-save': what }, text);
    button.addEventListener('click', () => actions.save(what));
    return button;
  });
  const report = element('button', { type: 'button', class: 'quiet', id: 'report' }, 'Report to print');
  report.addEventListener('click', () => actions.report());
  const where = element('p', { class: 'small' });
  const history = element('ol', { class: 'history' });

  root.append(
    element('h2', {}, 'Review'),
    element('div', { class: 'halves' },
      element('div', {}, state, where, denied, verdict, correction),
      element('div', {}, element('h3', {}, 'Report and files'), element('div', { class: 'row' }, report, ...save), element('h3', {}, 'History'), history)),
  );

  /** @param {'approved' | 'rejected'} decision */
  const decide = async (decision) => {
    if (await actions.review(decision, note.value.trim())) note.value = '';
  };
  approve.addEventListener('click', () => decide('approved'));
  reject.addEventListener('click', () => decide('rejected'));
  let frame = 0;
  send.addEventListener('click', () => {
    const chosen = file.files?.[0];
    file.setCustomValidity(chosen ? '' : 'Choose the corrected mask first.');
    if (!file.reportValidity()) return;
    actions.correct(chosen, alone.checked ? frame : null);
    file.value = '';
  });
  file.addEventListener('change', () => file.setCustomValidity(''));

  /** @type {any} */
  let shown = null;
  /** @type {any} */
  let shownRevisions = null;
  return {
    /** @param {import('../state.js').State} next */
    update({ segmentation, revisions, changing, mayChange, view }) {
      if (!segmentation) return;
      frame = view.frame;
      const isLast = segmentation.revision === (revisions[0]?.revision ?? segmentation.revision);
      verdict.hidden = correction.hidden = !isLast || !mayChange;
      denied.hidden = mayChange;
      for (const button of [approve, reject, send]) button.disabled = changing;
      if (segmentation === shown && revisions === shownRevisions) return;
      shown = segmentation;
      shownRevisions = revisions;
      const { review } = segmentation;
      state.textContent = reviewText(review);
      state.dataset.review = review?.state ?? '';
      if (review?.note) state.append(element('q', {}, review.note));
      where.textContent = revisionText(segmentation, revisions);
      history.replaceChildren(...historyLines(revisions).map((line) => historyItem(line, segmentation.revision, actions)));
    },
  };
}

/**
 * @param {import('../review.js').Line} line
 * @param {number} inView
 * @param {{look: (revision: number) => void}} actions
 */
function historyItem({ revision, title, detail, reviews }, inView, actions) {
  const look = element('button', { type: 'button', class: 'link', disabled: revision === inView, 'data-revision': String(revision) }, title);
  look.addEventListener('click', () => actions.look(revision));
  return element(
    'li',
    revision === inView ? { 'aria-current': 'true' } : {},
    look,
    element('p', { class: 'small' }, detail),
    ...reviews.map(({ text, note }) => element('p', { class: 'small' }, text, ...(note ? [' ', element('q', {}, note)] : []))),
  );
}
