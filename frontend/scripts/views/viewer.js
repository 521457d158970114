/**
 * Slices with their contours: sliders for slice and frame, the beat as a film, overlay and window.
 */

import { element, labelled } from './elements.js';
import { nextFrame, pictureWidth } from '../geometry.js';
import { STRUCTURES } from '../labels.js';
import { drawSlice } from '../plot.js';

/** Pixels a slice is drawn at when the screen does not say. */
const USUAL_WIDTH = 640;

/**
 * @param {HTMLElement} root
 * @param {{view: (change: Partial<import('../state.js').View>) => void, picture: (wanted: any) => Promise<string>,
 *   problem: (cause: unknown) => void}} actions
 */
export function mount(root, actions) {
  const plot = element('div', { class: 'slice', tabIndex: 0, role: 'group', 'aria-label': 'Slice. Arrow keys: left and right change the frame, up and down the slice.' });
  const slice = slider('Slice', 'slice', (value) => actions.view({ slice: value }));
  const frame = slider('Frame', 'frame', (value) => actions.view({ frame: value, playing: false }));
  const play = element('button', { type: 'button', class: 'quiet', id: 'play' }, 'Play');
  const toEd = element('button', { type: 'button', class: 'quiet' }, 'End-diastole');
  const toEs = element('button', { type: 'button', class: 'quiet' }, 'End-systole');
  const overlay = element(
    'select',
    { id: 'overlay' },
    element('option', { value: 'contour' }, 'Contours'),
    element('option', { value: 'fill' }, 'Filled'),
    element('option', { value: 'none' }, 'None'),
  );
  const boxes = STRUCTURES.map(({ code, name, colour }) => {
    const box = element('input', { type: 'checkbox', checked: true, name: 'label', value: String(code) });
    const swatch = element('span', { class: 'swatch' });
    swatch.style.backgroundColor = colour;
    return { box, field: element('label', { class: 'check' }, box, swatch, name) };
  });
  const center = labelled('Window centre', { type: 'number', placeholder: 'auto', step: 'any' });
  const width = labelled('Window width', { type: 'number', placeholder: 'auto', step: 'any', min: '0' });
  root.append(
    plot,
    element('div', { class: 'sliders' }, slice.field, frame.field),
    element('div', { class: 'row' }, play, toEd, toEs),
    element('div', { class: 'row' }, element('label', { class: 'field' }, element('span', {}, 'Overlay'), overlay), ...boxes.map(({ field }) => field)),
    element('details', { class: 'facts' }, element('summary', {}, 'Brightness and contrast'), element('div', { class: 'fields' }, center.field, width.field)),
  );

  /** @type {import('../state.js').State | null} */
  let state = null;
  play.addEventListener('click', () => state && actions.view({ playing: !state.view.playing }));
  toEd.addEventListener('click', () => state && actions.view({ frame: state.metrics.phases.ed_frame, playing: false }));
  toEs.addEventListener('click', () => state && actions.view({ frame: state.metrics.phases.es_frame, playing: false }));
  overlay.addEventListener('change', () => actions.view({ overlay: overlay.value }));
  for (const { box } of boxes) {
    box.addEventListener('change', () => actions.view({ labels: boxes.filter((one) => one.box.checked).map((one) => Number(one.box.value)) }));
  }
  const readWindow = () => {
    const values = [center.input, width.input].map((input) => (input.value === '' ? null : Number(input.value)));
    if (values[0] !== null && values[1] !== null && values[1] > 0) actions.view({ windowCenter: values[0], windowWidth: values[1] });
    if (values[0] === null && values[1] === null) actions.view({ windowCenter: null, windowWidth: null });
  };
  center.input.addEventListener('change', readWindow);
  width.input.addEventListener('change', readWindow);
  plot.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const step = KEYS[event.key];
    if (!step || !state) return;
    event.preventDefault();
    actions.view({ frame: state.view.frame + step.frame, slice: state.view.slice + step.slice, playing: false });
  });

  let wanted = '';
  return {
    /** @param {import('../state.js').State} next */
    update(next) {
      state = next;
      const { study, segmentation, metrics, view } = next;
      if (!study || !segmentation) return;
      const { shape } = study;
      slice.show(view.slice, shape.slices);
      frame.show(view.frame, shape.frames);
      frame.field.hidden = shape.frames < 2;
      play.hidden = shape.frames < 2;
      play.textContent = view.playing ? 'Pause' : 'Play';
      const known = metrics?.phases?.ed_frame != null && metrics?.phases?.es_frame != null;
      toEd.hidden = toEs.hidden = !known;
      overlay.value = view.overlay;
      if (view.windowCenter === null) center.input.value = width.input.value = '';

      const picture = (/** @type {number} */ frameIndex) => ({
        slice: view.slice,
        frame: frameIndex,
        overlay: view.overlay,
        opacity: view.opacity,
        labels: view.labels,
        width: pictureWidth(shape.columns, (plot.clientWidth || USUAL_WIDTH) * window.devicePixelRatio),
        windowCenter: view.windowCenter,
        windowWidth: view.windowWidth,
      });
      const now = picture(view.frame);
      const name = JSON.stringify([study.id, segmentation.id, now]);
      if (name === wanted) return;
      wanted = name;
      actions.picture(now).then(
        (url) => {
          if (wanted !== name) return;
          return drawSlice(plot, { shape, spacingMm: study.spacing_mm, picture: url, revision: study.id }).then(() => {
            plot.dataset.shown = `${view.slice}/${view.frame}/${view.overlay}`;
          });
        },
        (cause) => {
          if (wanted === name) actions.problem(cause);
        },
      );
      if (view.playing) actions.picture(picture(nextFrame(view.frame, shape.frames))).catch(() => {});
    },
  };
}

/** @type {Record<string, {frame: number, slice: number}>} */
const KEYS = {
  ArrowLeft: { frame: -1, slice: 0 },
  ArrowRight: { frame: 1, slice: 0 },
  ArrowUp: { frame: 0, slice: -1 },
  ArrowDown: { frame: 0, slice: 1 },
};

/**
 * @param {string} name
 * @param {string} id
 * @param {(value: number) => void} onInput
 */
function slider(name, id, onInput) {
  const { field, input } = labelled(name, { type: 'range', id, min: '0', step: '1', value: '0' });
  const shown = element('output', { for: id });
  field.append(shown);
  input.addEventListener('input', () => onInput(Number(input.value)));
  return {
    field,
    /** @param {number} value @param {number} count */
    show(value, count) {
      input.max = String(count - 1);
      input.value = String(value);
      shown.textContent = `${value} of 0–${count - 1}`;
    },
  };
}
