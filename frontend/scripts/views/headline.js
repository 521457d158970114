/**
 * The numbers that a reader looks for first, each with where it probably lies, where healthy people lie, and whether it may be trusted.
 */

import { element } from './elements.js';
import { headlines } from '../format.js';
import { verdictOf } from '../quality.js';
import { byWhom } from '../review.js';

/** @param {HTMLElement} root */
export function mount(root) {
  const tiles = element('ul', { class: 'tiles' });
  root.append(tiles);
  /** @type {any} */
  let shown = null;
  return {
    /** @param {import('../state.js').State} state */
    update({ segmentation, metrics }) {
      if (segmentation === shown) return;
      shown = segmentation;
      const found = headlines(metrics);
      root.hidden = found.length === 0;
      const verdict = verdictOf(segmentation?.quality ?? metrics?.quality);
      tiles.replaceChildren(...found.map((one) => tile(one, verdict, segmentation?.review)));
    },
  };
}

/** @param {import('../format.js').Headline} headline @param {import('../quality.js').Verdict} verdict @param {any} review */
function tile({ path, name, text, unit, range, level, place }, { kind, badge }, review) {
  const lines = [];
  if (range) lines.push(element('span', { class: 'small' }, `${range} (aim:\u00a0${Math.round(100 * (level ?? 0))}\u00a0%)`));
  if (place) lines.push(element('span', { class: 'place', 'data-place': place.verdict }, `${place.verdict} (${place.limits})`));
  return element(
    'li',
    { class: 'tile', 'data-quantity': path },
    element('span', { class: 'small' }, name),
    element('span', { class: 'big' }, text, element('span', { class: 'unit' }, ` ${unit}`)),
    ...lines,
    element('span', { class: 'badges' }, element('span', { class: 'badge', 'data-verdict': kind }, badge), ...(review ? [element('span', { class: 'badge', 'data-verdict': review.state }, `${review.state} ${byWhom(review.author)}`)] : [])),
  );
}
