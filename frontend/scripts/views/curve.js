/**
 * Volumes over the heart beat. A click on the curve shows that frame.
 */

import { element } from './elements.js';
import { curveFrames, nearestFrame } from '../beat.js';
import { drawCurve, onCurveClick } from '../plot.js';

/**
 * @param {HTMLElement} root
 * @param {{view: (change: Partial<import('../state.js').View>) => void}} actions
 */
export function mount(root, actions) {
  const plot = element('div', { class: 'curve' });
  root.append(element('h2', {}, 'Heart beat'), plot, element('p', { class: 'small' }, 'Click on the curve to see that frame.'));
  /** @type {any} */
  let latest = null;
  let listening = false;
  return {
    /** @param {import('../state.js').State} state */
    update({ study, metrics, view }) {
      root.hidden = !study || curveFrames(metrics).length < 2;
      if (root.hidden) return;
      const same = latest && latest.metrics === metrics && latest.frame === view.frame;
      latest = { metrics, frame: view.frame };
      if (same) return;
      drawCurve(plot, latest);
      plot.dataset.frame = String(view.frame);
      if (listening) return;
      listening = true;
      onCurveClick(plot, (x) => actions.view({ frame: nearestFrame(latest.metrics, x), playing: false }));
    },
  };
}
