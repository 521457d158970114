/**
 * The left ventricle's wall as a bull's-eye: names and places of the American Heart Association's segments, and colours of their values.
 * Pure: no DOM.
 *
 * Segments, their names and their angles are those of Cerqueira et al., Circulation 2002;105:539. The view is from the apex towards the
 * base, as on short-axis slices: anterior at the top, the septum on the left. Angles run counterclockwise from the right, in degrees.
 */

import { number } from './format.js';

/**
 * @typedef {{number: number, name: string, ring: Ring, from: number, to: number}} Segment
 * @typedef {{name: string, inner: number, outer: number}} Ring
 * @typedef {{key: string, name: string, unit: string, digits: number, low: number, high: number}} Scale
 */

/** Radii in units of the drawing, whose middle is 0, 0. */
const RINGS = {
  basal: { name: 'basal', inner: 74, outer: 104 },
  mid: { name: 'mid', inner: 44, outer: 74 },
  apical: { name: 'apical', inner: 16, outer: 44 },
};

/** Radius of the apical cap, segment 17, which has no value. */
export const CAP_RADIUS = RINGS.apical.inner;

/** Half the width of the drawing; the ring's outside leaves room for the names of the walls. */
export const HALF_WIDTH = 126;

const SIXTHS = ['anterior', 'anteroseptal', 'inferoseptal', 'inferior', 'inferolateral', 'anterolateral'];
const QUARTERS = ['anterior', 'septal', 'inferior', 'lateral'];

/** @type {Segment[]} */
export const SEGMENTS = [
  ...around(RINGS.basal, SIXTHS, 1, 60),
  ...around(RINGS.mid, SIXTHS, 7, 60),
  ...around(RINGS.apical, QUARTERS, 13, 45),
];

/**
 * The segments of a ring; the first lies around the top.
 * @param {Ring} ring @param {string[]} walls @param {number} first number of the first @param {number} start where the first begins
 * @returns {Segment[]}
 */
function around(ring, walls, first, start) {
  const width = 360 / walls.length;
  return walls.map((wall, index) => ({ number: first + index, name: `${ring.name} ${wall}`, ring, from: start + index * width, to: start + (index + 1) * width }));
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
export function outline({ ring, from, to }) {
  const at = (/** @type {number} */ radius, /** @type {number} */ degrees) => point(radius, degrees).map((value) => value.toFixed(2)).join(' ');
  return [
    `M ${at(ring.outer, from)}`,
    `A ${ring.outer} ${ring.outer} 0 0 0 ${at(ring.outer, to)}`,
    `L ${at(ring.inner, to)}`,
    `A ${ring.inner} ${ring.inner} 0 0 1 ${at(ring.inner, from)}`,
    'Z',
  ].join(' ');
}

/**
 * Where the value of a segment is written.
 * @param {Segment} segment
 * @returns {[number, number]}
 */
export function middle({ ring, from, to }) {
  return point((ring.inner + ring.outer) / 2, (from + to) / 2);
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
  return SEGMENTS.map((segment, index) => {
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
  const segment = SEGMENTS[segmentNumber - 1];
  const parts = SCALES.map(({ key, name, unit, digits }) => {
    const text = number(metrics?.myocardium?.[key]?.segments?.[segmentNumber - 1], digits);
    return `${name.toLowerCase()} ${text} ${unit}`;
  });
  return `Segment ${segment.number}, ${segment.name}: ${parts.join(', ')}.`;
}

/**
 * The segment that an arrow key leads to: left and right go around the ring, up and down from ring to ring.
 * @param {number} segmentNumber
 * @param {string} key name of the key
 * @returns {number} the same where the key leads nowhere
 */
export function stepped(segmentNumber, key) {
  const here = SEGMENTS[segmentNumber - 1];
  const ring = SEGMENTS.filter((one) => one.ring === here.ring);
  const index = ring.indexOf(here);
  const turn = { ArrowLeft: 1, ArrowRight: -1 }[key];
  if (turn !== undefined) return ring[(index + turn + ring.length) % ring.length].number;
  const rings = Object.values(RINGS);
  const out = { ArrowUp: -1, ArrowDown: 1 }[key];
  const next = out === undefined ? undefined : rings[rings.indexOf(here.ring) + out];
  if (!next) return segmentNumber;
  const angle = (here.from + here.to) / 2;
  const away = (/** @type {Segment} */ one) => Math.abs(((angle - (one.from + one.to) / 2 + 540) % 360) - 180);
  return SEGMENTS.filter((one) => one.ring === next).reduce((best, one) => (away(one) < away(best) ? one : best)).number;
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
