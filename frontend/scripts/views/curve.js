/**
 * Volumes over the heart beat. A click on the curve, or an arrow key in it, shows that frame; while the beat plays its line goes along.
 */

import { element } from './elements.js';
import { curveFrames, frameStep, frameVolumes, nearestFrame, rateMarks } from '../beat.js';
import { drawCurve, onCurveClick } from '../plot.js';

/**
 * @param {HTMLElement} root
 * @param {{view: (change: Partial<import('../state.js').View>) => void}} actions
 */
export function mount(root, actions) {
  const plot = element('div', { class: 'curve', tabIndex: 0, role: 'group', 'aria-label': 'Volume curve. Left and right change the frame, D and S lead to end-diastole and end-systole, space plays and stops.' });
  const readout = element('p', { class: 'readout' });
  const note = element('p', { class: 'small' });
  root.append(element('h2', {}, 'Heart beat'), plot, readout, note);
  /** @type {import('../state.js').State | null} */
  let state = null;
  plot.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (!state || event.target !== plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const frame = frameStep(event.key, state.view.frame, state.study.shape.frames, state.metrics);
    if (event.key === ' ') actions.view({ playing: !state.view.playing });
    else if (frame !== null) actions.view({ frame, playing: false });
    else return;
    event.preventDefault();
  });
  let listening = false;
  /** @type {any} */
  let drawn = {};
  return {
    /** @param {import('../state.js').State} next */
    update(next) {
      state = next;
      const { study, metrics, view, theme } = next;
      root.hidden = !study || curveFrames(metrics).length < 2;
      if (root.hidden) return;
      if (drawn.metrics === metrics && drawn.frame === view.frame && drawn.theme === theme) return;
      drawn = { metrics, frame: view.frame, theme };
      drawCurve(plot, drawn);
      readout.textContent = frameVolumes(metrics, view.frame);
      note.textContent = [
        metrics.curve.smoothed ? 'Points are the frames as they were measured, lines are smoothed.' : 'The curve is not smoothed: that takes five frames or more in a row.',
        rateMarks(metrics).length > 0 ? 'PER and PFR: peak ejection and filling rate.' : '',
        'Click on the curve to see that frame.',
      ].filter(Boolean).join(' ');
      plot.dataset.frame = String(view.frame);
      if (listening) return;
      listening = true;
      onCurveClick(plot, (x) => actions.view({ frame: nearestFrame(drawn.metrics, x), playing: false }));
    },
  };
}
