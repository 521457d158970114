/**
 * What is known of the patient and the recording, to be corrected: the numbers that rest on it are worked out anew.
 */

import { factsChange, factsOf } from '../facts.js';
import { element } from './elements.js';
import { factFields } from './fact-fields.js';

/**
 * @param {HTMLElement} root
 * @param {{tell: (change: object) => Promise<boolean>}} actions
 */
export function mount(root, actions) {
  const fields = factFields();
  const save = element('button', { type: 'submit', class: 'quiet', id: 'tell' }, 'Keep these facts');
  fields.form.append(
    element('p', { class: 'small whole' }, 'A field that is emptied takes away what was told. What the file’s header says comes back then: it can be replaced, not removed.'),
    element('div', { class: 'row whole' }, save),
  );
  const folded = element('details', { class: 'facts' }, element('summary', {}, 'Correct what is known of the patient and the recording'), fields.form);
  root.append(folded);

  /** @type {any} */
  let shown = null;
  fields.form.addEventListener('submit', async () => {
    const change = factsChange(factsOf(shown), fields.told());
    // What could not be taken away, since the file says it, stands there again.
    if (Object.keys(change).length > 0 && (await actions.tell(change))) fields.fill(factsOf(shown));
  });
  return {
    /** @param {import('../state.js').State} state */
    update({ study, changing, mayChange }) {
      root.hidden = !mayChange;
      save.disabled = changing;
      if (study === shown) return;
      const before = shown;
      shown = study;
      // What is being written stays while something else of the study changes; it is not for another one.
      if (study?.id === before?.id && !hasOtherFacts(before, study)) return;
      if (study?.id !== before?.id) folded.open = false;
      fields.fill(factsOf(study));
    },
  };
}

/** @param {any} before @param {any} after two states of a study */
function hasOtherFacts(before, after) {
  return Object.keys(factsChange(factsOf(before), factsOf(after))).length > 0;
}
