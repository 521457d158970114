/**
 * Slices with their contours: sliders for slice and frame, the beat as a film, overlay and window.
 */

import { element, labelled } from './elements.js';
import { frameStep, frameText, neighbours, nextFrame } from '../beat.js';
import { boxAspect, pictureWidth } from '../geometry.js';
import { STRUCTURES } from '../labels.js';
import { drawSlice, fit } from '../plot.js';

/** Pixels a slice is drawn at when the screen does not say. */
const USUAL_WIDTH = 640;

/** How long a frame is shown while the beat plays and the frame time is not known, in ms. */
const USUAL_FRAME_MS = 50;

/** How far a wheel turns for one slice, in pixels. */
const WHEEL_STEP = 60;

/**
 * @param {HTMLElement} root
 * @param {{view: (change: Partial<import('../state.js').View>) => void, tick: () => void, picture: (wanted: any) => Promise<string>,
 *   pictureFailed: (cause: unknown) => void, pictureDrawn: () => void}} actions
 */
export function mount(root, actions) {
  const plot = element('div', {
    class: 'slice',
    tabIndex: 0,
    role: 'group',
    'aria-label': 'Slice. Left and right change the frame, up and down the slice, D and S lead to end-diastole and end-systole, space plays and stops.',
  });
  const slice = slider('Slice', 'slice', (value) => actions.view({ slice: value }));
  const frame = slider('Frame', 'frame', (value) => actions.view({ frame: value, playing: false }));
  const play = element('button', { type: 'button', class: 'quiet', id: 'play' }, 'Play');
  const toEd = element('button', { type: 'button', class: 'quiet', id: 'to-ed' }, 'End-diastole');
  const toEs = element('button', { type: 'button', class: 'quiet', id: 'to-es' }, 'End-systole');
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
  const opacity = labelled('Opacity', { type: 'range', id: 'opacity', min: '0.1', max: '1', step: '0.1' });
  const center = labelled('Window centre (grey value)', { type: 'number', id: 'window-center', placeholder: 'automatic', step: 'any' });
  const width = labelled('Window width (grey value)', { type: 'number', id: 'window-width', placeholder: 'automatic', step: 'any', min: '0' });
  const auto = element('button', { type: 'button', class: 'quiet', id: 'window-auto' }, 'Automatic');
  const hint = element('p', { class: 'small' }, 'Grey values of the file. Both are needed; while one is empty, the darkest and brightest hundredth of the frame are clipped.');
  root.append(
    plot,
    element('div', { class: 'sliders' }, slice.field, frame.field),
    element('div', { class: 'row' }, play, toEd, toEs),
    element('div', { class: 'row' }, element('label', { class: 'field' }, element('span', {}, 'Overlay'), overlay), opacity.field, ...boxes.map(({ field }) => field)),
    element('details', { class: 'facts' }, element('summary', {}, 'Brightness and contrast'), element('div', { class: 'fields' }, center.field, width.field, auto), hint),
    element('p', { class: 'small by-mouse' }, 'Arrow keys or the wheel on the picture move through frames and slices, D and S lead to end-diastole and end-systole, space plays; Ctrl and the wheel zoom.'),
  );

  /** @type {import('../state.js').State | null} */
  let state = null;
  const beats = () => state !== null && state.study.shape.frames > 1;
  play.addEventListener('click', () => state && actions.view({ playing: !state.view.playing }));
  toEd.addEventListener('click', () => state && actions.view({ frame: state.metrics.phases.ed_frame, playing: false }));
  toEs.addEventListener('click', () => state && actions.view({ frame: state.metrics.phases.es_frame, playing: false }));
  overlay.addEventListener('change', () => actions.view({ overlay: overlay.value }));
  opacity.input.addEventListener('input', () => actions.view({ opacity: Number(opacity.input.value) }));
  for (const { box } of boxes) {
    box.addEventListener('change', () => actions.view({ labels: boxes.filter((one) => one.box.checked).map((one) => Number(one.box.value)) }));
  }
  const readWindow = () => {
    const [windowCenter, windowWidth] = [center.input, width.input].map((input) => (input.value === '' ? null : Number(input.value)));
    const known = windowCenter !== null && windowWidth !== null && windowWidth > 0;
    actions.view(known ? { windowCenter, windowWidth } : { windowCenter: null, windowWidth: null });
  };
  center.input.addEventListener('change', readWindow);
  width.input.addEventListener('change', readWindow);
  auto.addEventListener('click', () => {
    center.input.value = width.input.value = '';
    readWindow();
  });
  plot.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (!state || event.target !== plot) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const frame = frameStep(event.key, state.view.frame, state.study.shape.frames, state.metrics);
    const slices = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === ' ' && beats()) actions.view({ playing: !state.view.playing });
    else if (slices) actions.view({ slice: state.view.slice + slices });
    else if (frame !== null) actions.view({ frame, playing: false });
    else return;
    event.preventDefault();
  });
  let turned = 0;
  plot.addEventListener(
    'wheel',
    (/** @type {WheelEvent} */ event) => {
      if (!state || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      turned += event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_STEP / 3 : 1);
      const steps = Math.trunc(turned / WHEEL_STEP);
      turned -= steps * WHEEL_STEP;
      if (steps !== 0) actions.view({ slice: state.view.slice + steps });
    },
    { passive: false, capture: true },
  );

  /** @param {number} frameIndex @param {number} sliceIndex */
  const fetchPicture = (frameIndex, sliceIndex) => {
    const { study, view } = /** @type {import('../state.js').State} */ (state);
    return actions.picture({
      slice: sliceIndex,
      frame: frameIndex,
      overlay: view.overlay,
      opacity: view.opacity,
      labels: view.labels,
      width: pictureWidth(study.shape.columns, (plot.clientWidth || USUAL_WIDTH) * window.devicePixelRatio),
      windowCenter: view.windowCenter,
      windowWidth: view.windowWidth,
    });
  };
  /** The neighbours are fetched early, and are asked for again, with the reason of a failure, once they are to be shown. */
  const fetchNeighbours = () => {
    const { study, view } = /** @type {import('../state.js').State} */ (state);
    for (const place of neighbours(view, study.shape)) fetchPicture(place.frame, place.slice).catch(() => {});
  };

  let stepping = false;
  /** One step of the beat: no earlier than its time, and no earlier than its picture is there. */
  const beat = async () => {
    if (stepping || !state?.view.playing) return;
    stepping = true;
    const { study, view } = state;
    const rest = new Promise((resolve) => { setTimeout(resolve, study.frame_ms ?? USUAL_FRAME_MS); });
    try {
      await Promise.all([rest, fetchPicture(nextFrame(view.frame, study.shape.frames), view.slice)]);
    } catch (cause) {
      actions.view({ playing: false });
      actions.pictureFailed(cause);
    }
    stepping = false;
    actions.tick();
  };

  let wanted = '';
  let shownStudy = '';
  return {
    /** @param {import('../state.js').State} next */
    update(next) {
      const { study, segmentation, metrics, view } = next;
      if (!study || !segmentation) return;
      state = next;
      const { shape } = study;
      slice.show(view.slice, shape.slices, `${view.slice} of 0–${shape.slices - 1}`);
      frame.show(view.frame, shape.frames, frameText(view.frame, shape.frames, study.frame_ms));
      slice.field.hidden = shape.slices < 2;
      frame.field.hidden = play.hidden = shape.frames < 2;
      play.textContent = view.playing ? 'Stop' : 'Play';
      const known = metrics?.phases?.ed_frame != null && metrics?.phases?.es_frame != null;
      toEd.hidden = toEs.hidden = !known;
      overlay.value = view.overlay;
      opacity.input.value = String(view.opacity);
      opacity.field.hidden = view.overlay !== 'fill';
      for (const { box } of boxes) {
        box.checked = view.labels.includes(Number(box.value));
        box.disabled = view.overlay === 'none';
      }
      if (shownStudy !== study.id) {
        shownStudy = study.id;
        plot.style.aspectRatio = String(boxAspect(shape, study.spacing_mm));
        center.input.value = width.input.value = '';
        if (plot.classList.contains('js-plotly-plot')) fit(plot);
      }
      beat();

      const name = JSON.stringify([study.id, segmentation.id, segmentation.revision, view.frame, view.slice, view.overlay, view.opacity, view.labels, view.windowCenter, view.windowWidth]);
      if (name === wanted) return;
      wanted = name;
      fetchPicture(view.frame, view.slice).then(
        async (url) => {
          if (wanted !== name) return;
          await drawSlice(plot, { shape, spacingMm: study.spacing_mm, picture: url, revision: study.id });
          plot.dataset.shown = `${view.slice}/${view.frame}/${view.overlay}`;
          actions.pictureDrawn();
          if (wanted === name) fetchNeighbours();
        },
        (cause) => {
          if (wanted === name) actions.pictureFailed(cause);
        },
      );
    },
  };
}

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
    /** @param {number} value @param {number} count @param {string} text */
    show(value, count, text) {
      input.max = String(count - 1);
      input.value = String(value);
      input.setAttribute('aria-valuetext', text);
      shown.textContent = text;
    },
  };
}
