/**
 * Volumes over the heart beat. A click on the curve shows that frame.
 */

import { element } from './elements.js';
import { nearestFrame } from '../geometry.js';
import { curveTimes, drawCurve, onCurveClick } from '../plot.js';

/**
 * @param {HTMLElement} root
 * @param {{view: (change: Partial<import('../state.js').View>) => void}} actions
 */
export function mount(root, actions) {
  const plot = element('div', { class: 'curve' });
  root.append(element('h2', {}, 'Heart beat'), plot);
  /** @type {any} */
  let latest = null;
  let listening = false;
  return {
    /** @param {import('../state.js').State} state */
    update({ study, metrics, view }) {
      const frames = metrics?.curve?.left_ventricle_ml?.length ?? 0;
      root.hidden = frames < 2;
      if (frames < 2 || !study) return;
      const same = latest && latest.metrics === metrics && latest.frame === view.frame;
      latest = { metrics, frame: view.frame, frames };
      if (same) return;
      drawCurve(plot, latest);
      if (listening) return;
      listening = true;
      onCurveClick(plot, (x) => actions.view({ frame: nearestFrame(curveTimes(latest.metrics, latest.frames), x), playing: false }));
    },
  };
}
