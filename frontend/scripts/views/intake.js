/**
 * Where a study comes in: a dropped file, a chosen one, the demonstration, or one that is kept.
 */

import { element, labelled } from './elements.js';

const FACTS = [
  { name: 'height_cm', label: 'Height (cm)', min: 30, max: 250, step: 0.1 },
  { name: 'weight_kg', label: 'Weight (kg)', min: 1, max: 400, step: 0.1 },
  { name: 'age_years', label: 'Age (years)', min: 0, max: 120, step: 1 },
  { name: 'heart_rate_bpm', label: 'Heart rate (1/min)', min: 20, max: 250, step: 1 },
  { name: 'frame_ms', label: 'Time between frames (ms)', min: 1, max: 1000, step: 0.1 },
];

/**
 * @param {HTMLElement} root
 * @param {{open: (file: Blob, facts: Record<string, string>) => void, openDemo: (facts: Record<string, string>) => void,
 *   reopen: (study: any) => void, remove: (study: any) => void}} actions
 */
export function mount(root, actions) {
  const picker = element('input', { type: 'file', id: 'file', class: 'visually-hidden', accept: '.nii,.gz' });
  const drop = element(
    'label',
    { class: 'drop', for: 'file' },
    element('strong', {}, 'Drop a short-axis cine here, or choose a file'),
    element('span', { class: 'small' }, 'NIfTI (.nii or .nii.gz), one frame or a whole heart beat. It stays on this service until you delete it.'),
  );
  const demo = element('button', { type: 'button', id: 'demo', class: 'quiet' }, 'Try the demonstration heart');
  const inputs = FACTS.map(({ label, ...rest }) => labelled(label, { type: 'number', inputMode: 'decimal', ...rest, min: String(rest.min), max: String(rest.max), step: String(rest.step) }));
  const sex = element(
    'select',
    { name: 'sex' },
    element('option', { value: '' }, 'not told'),
    element('option', { value: 'female' }, 'female'),
    element('option', { value: 'male' }, 'male'),
  );
  const facts = element(
    'details',
    { class: 'facts' },
    element('summary', {}, 'About the patient (for indexed values and times)'),
    element('form', { class: 'fields' }, ...inputs.map(({ field }) => field), element('label', { class: 'field' }, element('span', {}, 'Sex'), sex)),
  );
  const kept = element('ul', { class: 'studies' });
  const keptBox = element('div', { hidden: true }, element('h2', {}, 'Kept studies'), kept);
  root.append(element('div', { class: 'panel' }, picker, drop, demo, facts), keptBox);

  const told = () => {
    /** @type {Record<string, string>} */
    const values = {};
    for (const { input } of inputs) if (input.value !== '') values[input.name] = input.value;
    if (sex.value) values.sex = sex.value;
    return values;
  };
  const valid = () => inputs.every(({ input }) => input.reportValidity());
  const take = (/** @type {File | undefined} */ file) => {
    if (file && valid()) actions.open(file, told());
  };
  picker.addEventListener('change', () => {
    take(picker.files?.[0]);
    picker.value = '';
  });
  for (const name of ['dragenter', 'dragover']) {
    drop.addEventListener(name, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
  }
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    drop.classList.remove('over');
    take(event.dataTransfer?.files[0]);
  });
  demo.addEventListener('click', () => {
    if (valid()) actions.openDemo(told());
  });

  /** @type {any[] | null} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ phase, needsKey, studies }) {
      root.hidden = needsKey || (phase !== 'empty' && phase !== 'failed');
      keptBox.hidden = studies.length === 0;
      if (studies === shown) return;
      shown = studies;
      kept.replaceChildren(...studies.map((study) => studyItem(study, actions)));
    },
  };
}

/**
 * @param {any} study
 * @param {{reopen: (study: any) => void, remove: (study: any) => void}} actions
 */
function studyItem(study, actions) {
  const { frames, slices, rows, columns } = study.shape;
  const name = study.label || `Study of ${new Date(study.created_at).toLocaleString()}`;
  const open = element('button', { type: 'button', class: 'link' }, name);
  const remove = element('button', { type: 'button', class: 'quiet', 'aria-label': `Delete ${name}` }, 'Delete');
  open.addEventListener('click', () => actions.reopen(study));
  remove.addEventListener('click', () => {
    if (window.confirm('Delete this study and all that was made from it? This cannot be undone.')) actions.remove(study);
  });
  return element('li', {}, open, element('span', { class: 'small' }, `${frames} × ${slices} slices, ${columns} × ${rows}`), remove);
}
