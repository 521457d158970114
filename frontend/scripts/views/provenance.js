/**
 * Which model, engine and file made this, and files to take away.
 */

import { element } from './elements.js';
import { duration } from '../format.js';

/**
 * @param {HTMLElement} root
 * @param {{save: (what: 'mask.nii.gz' | 'metrics') => void}} actions
 */
export function mount(root, actions) {
  const facts = element('dl');
  const save = [
    ['mask.nii.gz', 'Save mask (NIfTI)'],
    ['metrics', 'Save numbers (CSV)'],
  ].map(([what, text]) => {
    const button = element('button', { type: 'button', class: 'quiet' }, text);
    button.addEventListener('click', () => actions.save(/** @type {any} */ (what)));
    return button;
  });
  root.append(element('h2', {}, 'How this was made'), facts, element('div', { class: 'row' }, ...save));
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ study, segmentation }) {
      if (segmentation === shown) return;
      shown = segmentation;
      if (!segmentation) return;
      const { model, timings_ms: timings } = segmentation;
      const { shape, spacing_mm: spacing, source } = study;
      const rows = [
        ['Model', `${model.name} ${model.version}`],
        ['Digest', model.digest],
        ['Engine', `${model.engine} on ${model.device}, ${model.precision}`],
        ['Grid', `${shape.columns} × ${shape.rows} × ${shape.slices}, ${shape.frames} frames`],
        ['Spacing', `${spacing.column.toFixed(2)} × ${spacing.row.toFixed(2)} × ${spacing.slice.toFixed(1)} mm`],
        ['Source', source?.sha256 ? `${source.format}, SHA-256 ${source.sha256}` : source?.format ?? ''],
        ['Time', `${duration(timings?.total)}, of which the engine ${duration(timings?.inference)}`],
      ];
      facts.replaceChildren(...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
    },
  };
}
