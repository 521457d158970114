/**
 * The fields in which a person tells about the patient and the recording: of a study that comes, and of one that is there.
 */

import { TOLD } from '../facts.js';
import { element, labelled } from './elements.js';

/**
 * @returns {{form: HTMLFormElement, told: () => Record<string, string>, wrong: () => HTMLInputElement | undefined, fill: (values: Record<string, string>) => void}}
 *   `told` gives what is filled in, by its name; `wrong` is the first field that holds what cannot be
 */
export function factFields() {
  const label = labelled('Label (no patient’s name)', { type: 'text', name: 'label', maxLength: 200, autocomplete: 'off' });
  const numbers = TOLD.map(({ label: words, name, min, max }) => labelled(words, { type: 'number', inputMode: 'decimal', name, min: String(min), max: String(max), step: 'any' }));
  const sex = element(
    'select',
    { name: 'sex' },
    element('option', { value: '' }, 'not told'),
    element('option', { value: 'female' }, 'female'),
    element('option', { value: 'male' }, 'male'),
  );
  const form = element('form', { class: 'fields' }, label.field, ...numbers.map(({ field }) => field), element('label', { class: 'field' }, element('span', {}, 'Sex'), sex));
  form.addEventListener('submit', (/** @type {Event} */ event) => event.preventDefault());
  const inputs = [label.input, ...numbers.map(({ input }) => input), sex];
  return {
    form,
    told: () => Object.fromEntries(inputs.map(({ name, value }) => [name, value.trim()]).filter(([, value]) => value !== '')),
    wrong: () => inputs.find((input) => !input.checkValidity()),
    fill: (values) => {
      for (const input of inputs) input.value = values[input.name] ?? '';
    },
  };
}
