/**
 * The wall of the left ventricle, segment by segment: three bull's-eyes, and the same numbers as a table.
 */

import { capRadius, colourAt, HALF_WIDTH, middle, outline, SCALES, segmentsOf, segmentText, shownSegments, stepped, wallRules } from '../bullseye.js';
import { number } from '../format.js';
import { drawn, element } from './elements.js';

/** Where the names of the walls stand around a bull's-eye. */
const WALLS = [
  { name: 'anterior', x: 0, y: -112, turn: 0 },
  { name: 'septal', x: -112, y: 0, turn: -90 },
  { name: 'inferior', x: 0, y: 119, turn: 0 },
  { name: 'lateral', x: 112, y: 0, turn: 90 },
];

const HINT = 'Point at a segment, or move through them with the arrow keys, to read its numbers.';

/** @param {HTMLElement} root */
export function mount(root) {
  const maps = element('div', { class: 'bullseyes' });
  const readout = element('p', { class: 'readout' });
  const rules = element('p', { class: 'small' });
  const body = element('tbody');
  const head = ['Segment', ...SCALES.map(({ name, unit }) => `${name} (${unit})`)].map((text) => element('th', { scope: 'col' }, text));
  const table = element('details', { class: 'facts' }, element('summary', {}, 'The segments as a table'), element('div', { class: 'scroll' }, element('table', { class: 'segments' }, element('thead', {}, element('tr', {}, ...head)), body)));
  const NONE = 'No slice shows a closed wall together with the place where the right ventricle meets it, so the wall has no segments.';
  const note = element('p', { class: 'small' });
  root.append(element('h2', {}, 'Wall of the left ventricle'), maps, readout, table, rules, note);

  /** @type {any} */
  let shown = null;
  /** @param {number | null} segment */
  const point = (segment) => {
    readout.textContent = segment === null ? HINT : segmentText(shown, segment);
    for (const one of maps.querySelectorAll('.segment')) one.classList.toggle('pointed', segment !== null && one.dataset.segment === String(segment));
  };
  maps.addEventListener('pointerover', (/** @type {PointerEvent} */ event) => point(segmentOf(event.target)));
  maps.addEventListener('pointerleave', () => point(segmentOf(document.activeElement)));
  maps.addEventListener('focusin', (/** @type {FocusEvent} */ event) => point(segmentOf(event.target)));
  maps.addEventListener('focusout', () => point(null));
  maps.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const from = segmentOf(event.target);
    if (from === null || !event.key.startsWith('Arrow')) return;
    event.preventDefault();
    const map = /** @type {SVGElement} */ (/** @type {Element} */ (event.target).closest('svg'));
    const next = /** @type {SVGElement} */ (map.querySelector(`[data-segment="${stepped(segmentsOf(shown), from, event.key)}"]`));
    // One stop for the whole map: the tab key leads on from here.
    for (const one of map.querySelectorAll('.segment')) one.setAttribute('tabindex', one === next ? '0' : '-1');
    next.focus();
  });

  return {
    /** @param {import('../state.js').State} state */
    update({ metrics }) {
      if (metrics === shown) return;
      shown = metrics;
      const known = SCALES.map((scale) => ({ scale, segments: shownSegments(metrics, scale) })).filter(({ segments }) => segments.length > 0);
      maps.replaceChildren(...known.map(({ scale, segments }) => bullseye(scale, segments)));
      maps.hidden = readout.hidden = table.hidden = rules.hidden = known.length === 0;
      note.textContent = metrics?.myocardium?.segments_note ?? (known.length === 0 ? NONE : '');
      note.hidden = note.textContent === '';
      point(null);
      rules.textContent = wallRules(metrics?.conventions);
      body.replaceChildren(...segmentsOf(metrics).map((segment) => element(
        'tr',
        {},
        element('th', { scope: 'row' }, `${segment.number} ${segment.name}`),
        ...SCALES.map(({ key, digits }) => element('td', {}, number(metrics?.myocardium?.[key]?.segments?.[segment.number - 1], digits))),
      )));
    },
  };
}

/** @param {EventTarget | null} target @returns {number | null} */
function segmentOf(target) {
  const found = target instanceof Element ? target.closest('.segment') : null;
  return found instanceof SVGElement ? Number(found.dataset.segment) : null;
}

/**
 * @param {import('../bullseye.js').Scale} scale
 * @param {import('../bullseye.js').Shown[]} segments
 */
function bullseye(scale, segments) {
  const map = drawn(
    'svg',
    { viewBox: `${-HALF_WIDTH} ${-HALF_WIDTH} ${2 * HALF_WIDTH} ${2 * HALF_WIDTH}`, role: 'group', 'aria-label': `${scale.name}, by segment, in ${scale.unit}`, 'data-map': scale.key },
    ...WALLS.map(({ name, x, y, turn }) => drawn('text', { class: 'wall', x, y, transform: `rotate(${turn} ${x} ${y})` }, name)),
    drawn('circle', { class: 'unknown', r: capRadius(segments.map(({ segment }) => segment)) }),
    ...segments.map(({ segment, text, fill, ink, label }, index) => {
      const [x, y] = middle(segment);
      return drawn(
        'g',
        { class: 'segment', role: 'img', tabindex: index === 0 ? '0' : '-1', 'aria-label': label, 'data-segment': segment.number },
        drawn('path', fill ? { d: outline(segment), fill } : { class: 'unknown', d: outline(segment) }),
        drawn('text', ink ? { class: 'value', x, y, fill: ink } : { class: 'value unknown', x, y }, text),
      );
    }),
  );
  return element('figure', {}, element('figcaption', {}, `${scale.name} (${scale.unit})`), map, legend(scale));
}

/** @param {import('../bullseye.js').Scale} scale */
function legend({ low, high, unit }) {
  const bar = element('div', { class: 'scale' });
  bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(colourAt).join(', ')})`;
  return element('div', { class: 'legend', 'aria-hidden': 'true' }, element('span', {}, `≤ ${low}`), bar, element('span', {}, `≥ ${high} ${unit}`));
}
