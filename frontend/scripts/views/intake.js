/**
 * Where a study comes in: dropped files and folders, chosen ones, the demonstration, or one that is kept.
 */

import { dropped } from '../files.js';
import { element } from './elements.js';
import { factFields } from './fact-fields.js';

/**
 * @param {HTMLElement} root
 * @param {{open: (files: Blob[], facts: Record<string, string>) => void, openDemo: (facts: Record<string, string>) => void,
 *   reopen: (study: any) => void, remove: (study: any) => void, listOlder: () => void, refuse: (title: string, detail: string) => void}} actions
 */
export function mount(root, actions) {
  // DICOM files often have no extension, so that none is asked for.
  const picker = element('input', { type: 'file', id: 'file', class: 'visually-hidden', multiple: true });
  const folderPicker = element('input', { type: 'file', id: 'folder', hidden: true, multiple: true, webkitdirectory: true });
  const drop = element(
    'label',
    { class: 'drop', for: 'file' },
    element('strong', {}, 'Drop a short-axis cine here, or choose its files'),
    element('span', { class: 'small' }, 'NIfTI (.nii or .nii.gz), or DICOM: the files, a folder of them or a zip. The short axis is found among the series. What names a patient is not kept; the rest stays on this service until you delete it.'),
  );
  const folder = element('button', { type: 'button', class: 'quiet', id: 'choose-folder' }, 'Choose a folder of DICOM files');
  folder.addEventListener('click', () => folderPicker.click());
  const demo = element('button', { type: 'button', id: 'demo', class: 'quiet' }, 'Try the demonstration heart');
  const demoRow = element('div', { class: 'row middle' }, demo, element('span', { class: 'small' }, 'A made-up beating heart whose true volumes are known; nobody’s images.'));
  const fields = factFields();
  const facts = element(
    'details',
    { class: 'facts' },
    element('summary', {}, 'About the study and the patient: label, and what indexed values and times need'),
    fields.form,
  );
  const kept = element('ul', { class: 'studies' });
  const more = element('button', { type: 'button', class: 'quiet', id: 'older' }, 'Show older studies');
  more.addEventListener('click', () => actions.listOlder());
  const keptBox = element('div', { hidden: true }, element('h2', {}, 'Kept studies'), kept, more);
  root.append(element('div', { class: 'panel' }, picker, drop, folderPicker, element('div', { class: 'row middle' }, folder), demoRow, facts), keptBox);

  const valid = () => {
    const wrong = fields.wrong();
    if (!wrong) return true;
    // What is folded away cannot be pointed at.
    facts.open = true;
    wrong.reportValidity();
    return false;
  };
  const take = (/** @type {File[]} */ files) => {
    if (files.length > 0 && valid()) actions.open(files, fields.told());
  };
  for (const input of [picker, folderPicker]) {
    input.addEventListener('change', () => {
      take([...(input.files ?? [])]);
      input.value = '';
    });
  }
  // A file that is dropped beside the box is meant for it; left alone, the browser would show the file instead of the page.
  for (const name of ['dragenter', 'dragover']) {
    window.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
  }
  window.addEventListener('dragleave', (event) => {
    if (!(/** @type {DragEvent} */ (event).relatedTarget)) drop.classList.remove('over');
  });
  window.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    const transfer = /** @type {DragEvent} */ (event).dataTransfer;
    if (root.hidden || !transfer) return;
    dropped(transfer).then(
      (files) => (files.length > 0 ? take(files) : actions.refuse('Nothing to read', 'What was dropped holds no file. Drop the files of one study, or the folder they are in.')),
      () => actions.refuse('The files cannot be read', 'The browser could not read what was dropped. Check that it is still there, and try again.'),
    );
  });
  demo.addEventListener('click', () => {
    if (valid()) actions.openDemo(fields.told());
  });

  /** @type {any[] | null} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ phase, needsKey, studies, older }) {
      const hide = needsKey || (phase !== 'empty' && phase !== 'failed');
      // What was told holds for one study: the next patient is another one.
      if (hide && !root.hidden) fields.form.reset();
      root.hidden = hide;
      if (hide) drop.classList.remove('over');
      keptBox.hidden = studies.length === 0;
      more.hidden = !older;
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
  const made = new Date(study.created_at).toLocaleString();
  const name = study.label ? `${study.label}, ${made}` : `Study of ${made}`;
  const open = element('button', { type: 'button', class: 'link' }, name);
  const remove = element('button', { type: 'button', class: 'quiet', 'aria-label': `Delete ${name}` }, 'Delete');
  open.addEventListener('click', () => actions.reopen(study));
  remove.addEventListener('click', () => {
    if (window.confirm('Delete this study and all that was made from it? This cannot be undone.')) actions.remove(study);
  });
  return element('li', {}, open, element('span', { class: 'small' }, `${frames} ${frames === 1 ? 'frame' : 'frames'} of ${slices} ${slices === 1 ? 'slice' : 'slices'}, ${columns} × ${rows} pixels`), remove);
}
