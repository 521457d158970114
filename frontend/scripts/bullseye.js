/**
 * The left ventricle's wall as a bull's-eye: colours of the segments' values, and how they are drawn. Which segments there are, their names
 * and their places are the service's (`myocardium.segments` of the metrics). Pure: no DOM.
 *
 * The view is from the apex towards the base, as on short-axis slices: anterior at the top, the septum on the left. Angles run
 * counterclockwise from the right, in degrees.
 */

import { number } from './format.js';

/**
 * @typedef {{number: number, name: string, inner: number, outer: number, from: number, to: number}} Segment
 *   radii in units of the drawing, whose middle is 0, 0
 * @typedef {{key: string, name: string, unit: string, digits: number, low: number, high: number}} Scale
 */

/** Radius of the plot. */
const RADIUS = 104;

/** Half the width of the drawing; the ring's outside leaves room for the names of the walls. */
export const HALF_WIDTH = 126;

/**
 * The segments of the wall, in the order of their values.
 * @param {any} metrics the metrics document of the service
 * @returns {Segment[]} empty where none is known
 */
export function segmentsOf(metrics) {
  return (metrics?.myocardium?.segments ?? []).map((/** @type {any} */ { number: place, name, inner, outer, from_degrees: from, to_degrees: to }) => ({
    number: place,
    name,
    inner: inner * RADIUS,
    outer: outer * RADIUS,
    from,
    to,
  }));
}

/**
 * Radius of the apical cap within the innermost ring, which has no value.
 * @param {Segment[]} segments
 */
export function capRadius(segments) {
  return Math.min(...segments.map(({ inner }) => inner));
}

/**
 * What is shown. The ends of the scales are fixed, so that two hearts can be compared by eye; a value beyond has the colour of the end.
 * @type {Scale[]}
 */
export const SCALES = [
  { key: 'wall_thickness_mm', name: 'Wall at end-diastole', unit: 'mm', digits: 1, low: 4, high: 16 },
  { key: 'es_wall_thickness_mm', name: 'Wall at end-systole', unit: 'mm', digits: 1, low: 4, high: 16 },
  { key: 'wall_thickening_percent', name: 'Thickening', unit: '%', digits: 0, low: 0, high: 80 },
];

/**
 * @param {number} radius
 * @param {number} degrees
 * @returns {[number, number]} x to the right, y downwards
 */
function point(radius, degrees) {
  const angle = (degrees * Math.PI) / 180;
  return [radius * Math.cos(angle), -radius * Math.sin(angle)];
}

/**
 * Outline of a segment as the `d` of an SVG path.
 * @param {Segment} segment
 */
export function outline({ inner, outer, from, to }) {
  const at = (/** @type {number} */ radius, /** @type {number} */ degrees) => point(radius, degrees).map((value) => value.toFixed(2)).join(' ');
  return [
    `M ${at(outer, from)}`,
    `A ${outer} ${outer} 0 0 0 ${at(outer, to)}`,
    `L ${at(inner, to)}`,
    `A ${inner} ${inner} 0 0 1 ${at(inner, from)}`,
    'Z',
  ].join(' ');
}

/**
 * Where the value of a segment is written.
 * @param {Segment} segment
 * @returns {[number, number]}
 */
export function middle({ inner, outer, from, to }) {
  return point((inner + outer) / 2, (from + to) / 2);
}

/**
 * Cividis, from dark to bright: lightness rises evenly, so that it reads in grey and with any colour vision (Nuñez, Anderton and Renslow,
 * PLoS ONE 2018;13:e0199239).
 */
const CIVIDIS = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173', '#8a8678', '#a59c74', '#c3b369', '#e1cc55', '#fee838'].map(channels);

/** @param {string} hex @returns {number[]} */
function channels(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

/**
 * Colour of a part of the scale.
 * @param {number} part 0 to 1; what lies beyond takes the end's
 */
export function colourAt(part) {
  const place = Math.min(Math.max(part, 0), 1) * (CIVIDIS.length - 1);
  const below = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const [from, to] = [CIVIDIS[below], CIVIDIS[below + 1]];
  return `#${from.map((value, channel) => Math.round(value + (place - below) * (to[channel] - value)).toString(16).padStart(2, '0')).join('')}`;
}

/**
 * Relative luminance of a colour by WCAG 2, 0 to 1.
 * @param {string} hex
 */
export function luminance(hex) {
  const [red, green, blue] = channels(hex).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * Black or white, whichever is read better on a colour.
 * @param {string} hex
 */
export function inkOn(hex) {
  const light = luminance(hex) + 0.05;
  return light / 0.05 > 1.05 / light ? '#000000' : '#ffffff';
}

/**
 * @typedef {{segment: Segment, text: string, fill: string | null, ink: string | null, label: string}} Shown
 *   `fill` and `ink` are `null` where the segment is not known
 */

/**
 * Every segment with its value.
 * @param {any} metrics the metrics document of the service
 * @param {Scale} scale
 * @returns {Shown[]} empty where no segment is known
 */
export function shownSegments(metrics, scale) {
  const values = metrics?.myocardium?.[scale.key]?.segments;
  if (!values) return [];
  return segmentsOf(metrics).map((segment, index) => {
    const value = values[index];
    const text = number(value, scale.digits);
    const name = `${segment.number} ${segment.name}`;
    if (typeof value !== 'number') return { segment, text, fill: null, ink: null, label: `${name}: not known` };
    const fill = colourAt((value - scale.low) / (scale.high - scale.low));
    return { segment, text, fill, ink: inkOn(fill), label: `${name}: ${text} ${scale.unit}` };
  });
}

/**
 * All that is known of one segment, in a line.
 * @param {any} metrics
 * @param {number} segmentNumber
 */
export function segmentText(metrics, segmentNumber) {
  const segment = segmentsOf(metrics)[segmentNumber - 1];
  if (!segment) return '';
  const parts = SCALES.map(({ key, name, unit, digits }) => {
    const text = number(metrics?.myocardium?.[key]?.segments?.[segmentNumber - 1], digits);
    return `${name.toLowerCase()} ${text} ${unit}`;
  });
  return `Segment ${segment.number}, ${segment.name}: ${parts.join(', ')}.`;
}

/**
 * The segment that an arrow key leads to: left and right go around the ring, up and down from ring to ring.
 * @param {Segment[]} segments
 * @param {number} segmentNumber
 * @param {string} key name of the key
 * @returns {number} the same where the key leads nowhere
 */
export function stepped(segments, segmentNumber, key) {
  const here = segments.find((one) => one.number === segmentNumber);
  if (!here) return segmentNumber;
  const ring = segments.filter((one) => one.outer === here.outer);
  const index = ring.indexOf(here);
  const turn = { ArrowLeft: 1, ArrowRight: -1 }[key];
  if (turn !== undefined) return ring[(index + turn + ring.length) % ring.length].number;
  const rings = [...new Set(segments.map(({ outer }) => outer))].sort((one, other) => other - one);
  const out = { ArrowUp: -1, ArrowDown: 1 }[key];
  const next = out === undefined ? undefined : rings[rings.indexOf(here.outer) + out];
  if (!next) return segmentNumber;
  const angle = (here.from + here.to) / 2;
  const away = (/** @type {Segment} */ one) => Math.abs(((angle - (one.from + one.to) / 2 + 540) % 360) - 180);
  return segments.filter((one) => one.outer === next).reduce((best, one) => (away(one) < away(best) ? one : best)).number;
}

/** @type {Record<string, string>} */
const RULES = {
  apical_cap_not_measured: 'The apical cap, segment 17, is not measured: beyond the last cavity a short-axis slice shows no thickness.',
  in_plane_along_rays_from_the_cavitys_middle: 'Thickness is measured in the plane of the slice, along rays from the middle of the cavity: where the wall leans, as near the apex, that is more than across it.',
};

/**
 * The rules by which the wall was measured, as sentences; one that the page does not know keeps its name.
 * @param {any} conventions those of the metrics document
 */
export function wallRules(conventions) {
  return [conventions?.apex_rule, conventions?.wall_rule]
    .filter(Boolean)
    .map((rule) => RULES[rule] ?? `Rule: ${rule.replaceAll('_', ' ')}.`)
    .join(' ');
}
