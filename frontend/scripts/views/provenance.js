/**
 * Which model, engine and file made this, and which are to make the next.
 */

import { element } from './elements.js';
import { mount as mountModels } from './models.js';
import { duration, notKept, number, size } from '../format.js';

/**
 * @param {HTMLElement} root
 * @param {{again: () => void, want: (wanted: import('../models.js').Wanted) => void}} actions
 */
export function mount(root, actions) {
  const facts = element('dl');
  const again = element('button', { type: 'button', class: 'quiet', id: 'again', title: 'The same result comes back unless the model, its precision, its engine or its component is another one.' }, 'Segment again');
  again.addEventListener('click', () => actions.again());
  const picker = element('div');
  const models = mountModels(picker, actions, ['done']);
  root.append(element('h2', {}, 'How this was made'), facts, picker, element('div', { class: 'row' }, again));
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update(state) {
      models.update(state);
      const { study, segmentation } = state;
      if (segmentation === shown) return;
      shown = segmentation;
      if (!segmentation) return;
      const { model, timings_ms: timings } = segmentation;
      const { shape, spacing_mm: spacing, source, frame_ms: frameMs } = study;
      const rows = [
        ['Model', `${model.name} ${model.version}`],
        ['Weights', `SHA-256 ${model.digest}`],
        ['Component', model.component_digest ? `SHA-256 ${model.component_digest}` : 'not told by this host'],
        ['Engine', `${model.engine} on ${model.device}, ${model.precision}`],
        ['Grid', `${shape.columns} × ${shape.rows} pixels, ${shape.slices} slices, ${shape.frames} ${shape.frames === 1 ? 'frame' : 'frames'}`],
        ['Spacing', `${number(spacing.column, 2)} × ${number(spacing.row, 2)} × ${number(spacing.slice, 1)} mm${frameMs == null ? '' : `, ${number(frameMs, 1)} ms from frame to frame`}`],
        ['File', `${source?.format ?? ''}${source?.bytes ? `, ${size(source.bytes)}` : ''}${source?.sha256 ? `, SHA-256 ${source.sha256}` : ''}`],
        ['Not kept', notKept(study.deidentification)],
        ['Made', new Date(segmentation.created_at).toLocaleString()],
        ['Time', `${duration(timings?.total)}, of which with the engine ${duration(timings?.inference)}`],
      ];
      facts.replaceChildren(...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
    },
  };
}
