/**
 * The heart beat in frames and milliseconds. Pure: no DOM, no Plotly.
 */

import { number } from './format.js';
import { STRUCTURES } from './labels.js';

/** How many frames ahead are fetched while the beat plays. */
const FRAMES_AHEAD = 6;

/**
 * @typedef {{frame: number, slice: number}} Place
 */

/**
 * The frame after this one; the heart beat begins again after its last frame.
 * @param {number} frame
 * @param {number} frames
 */
export function nextFrame(frame, frames) {
  return frames > 0 ? (frame + 1) % frames : 0;
}

/**
 * Frames of the study that the curve has points for.
 * @param {any} metrics the metrics document of the service
 * @returns {number[]}
 */
export function curveFrames(metrics) {
  const points = metrics?.curve?.left_ventricle_ml?.length ?? 0;
  return metrics?.curve?.frames ?? Array.from({ length: points }, (_, index) => index);
}

/**
 * The horizontal axis of the curve: times in ms where they are known, else frames.
 * @param {any} metrics
 * @returns {number[]}
 */
export function curveTimes(metrics) {
  return metrics?.curve?.time_ms ?? curveFrames(metrics);
}

/**
 * The frame of the study that is nearest to a place on the curve's horizontal axis.
 * @param {any} metrics
 * @param {number} x
 */
export function nearestFrame(metrics, x) {
  const times = curveTimes(metrics);
  let best = 0;
  times.forEach((candidate, index) => {
    if (Math.abs(candidate - x) < Math.abs(times[best] - x)) best = index;
  });
  return curveFrames(metrics)[best] ?? 0;
}

/**
 * Where a frame lies on the curve's horizontal axis; `null` where the curve has no such frame.
 * @param {any} metrics
 * @param {number | null | undefined} frame
 * @returns {number | null}
 */
export function timeOf(metrics, frame) {
  const index = typeof frame === 'number' ? curveFrames(metrics).indexOf(frame) : -1;
  return index < 0 ? null : curveTimes(metrics)[index];
}

/**
 * @typedef {{name: string, x: number, whose: 'left_ventricle' | 'right_ventricle'}} Mark
 *
 * End-diastole and end-systole as they are marked on the curve; a phase that both ventricles share is marked once.
 * @param {any} metrics
 * @returns {Mark[]}
 */
export function curveMarks(metrics) {
  /** @type {Mark[]} */
  const marks = [];
  /** @type {['ED' | 'ES', 'ed_frame' | 'es_frame'][]} */
  const phases = [['ED', 'ed_frame'], ['ES', 'es_frame']];
  for (const [name, key] of phases) {
    const left = timeOf(metrics, metrics?.phases?.[key]);
    const right = timeOf(metrics, metrics?.phases?.right_ventricle?.[key]);
    if (left !== null) marks.push({ name, x: left, whose: 'left_ventricle' });
    if (right !== null && right !== left) marks.push({ name: `RV ${name}`, x: right, whose: 'right_ventricle' });
  }
  return marks;
}

/**
 * @typedef {{name: 'PER' | 'PFR', x: number, y: number, rate: number, whose: 'left_ventricle' | 'right_ventricle'}} RateMark
 *
 * The steepest places of the smoothed curves. Their times count from the phase before, and go on around the end of the beat.
 * @param {any} metrics
 * @returns {RateMark[]}
 */
export function rateMarks(metrics) {
  const { smoothed, rates, time_ms: times } = metrics?.curve ?? {};
  if (!smoothed || !rates || !times || times.length < 2) return [];
  const frames = curveFrames(metrics);
  const frameMs = times[1] - times[0];
  /** @type {RateMark[]} */
  const marks = [];
  for (const whose of /** @type {const} */ (['left_ventricle', 'right_ventricle'])) {
    const phases = whose === 'left_ventricle' ? metrics.phases : metrics.phases?.right_ventricle;
    for (const { name, from, rate, after } of RATES) {
      const start = frames.indexOf(phases?.[from]);
      const value = rates[whose]?.[rate];
      const wait = rates[whose]?.[after];
      const index = (start + Math.round(wait / frameMs)) % times.length;
      const y = smoothed[`${whose}_ml`]?.[index];
      if (start < 0 || typeof value !== 'number' || typeof wait !== 'number' || typeof y !== 'number') continue;
      marks.push({ name, x: times[index], y, rate: value, whose });
    }
  }
  return marks;
}

/** @type {{name: 'PER' | 'PFR', from: string, rate: string, after: string}[]} */
const RATES = [
  { name: 'PER', from: 'ed_frame', rate: 'peak_ejection_ml_per_s', after: 'time_to_peak_ejection_ms' },
  { name: 'PFR', from: 'es_frame', rate: 'peak_filling_ml_per_s', after: 'time_to_peak_filling_ms' },
];

/**
 * The volumes of a frame, in a line.
 * @param {any} metrics
 * @param {number} frame
 */
export function frameVolumes(metrics, frame) {
  const index = curveFrames(metrics).indexOf(frame);
  if (index < 0) return `Frame ${frame} was not segmented.`;
  const time = metrics.curve.time_ms?.[index];
  const volumes = STRUCTURES.toReversed().map(({ key, name }) => `${name.toLowerCase()} ${number(metrics.curve[`${key}_ml`]?.[index])} ml`);
  return `Frame ${frame}${typeof time === 'number' ? `, ${number(time)} ms` : ''}: ${volumes.join(', ')}.`;
}

/**
 * What the frame slider says: the frame, how many there are, and its time where that is known.
 * @param {number} frame
 * @param {number} frames
 * @param {number | null | undefined} frameMs
 */
export function frameText(frame, frames, frameMs) {
  const place = `${frame} of 0–${frames - 1}`;
  return typeof frameMs === 'number' ? `${place}, ${number(frame * frameMs)} ms` : place;
}

/**
 * The frame that a key leads to; `null` where the key leads nowhere.
 * @param {string} key name of the key
 * @param {number} frame
 * @param {number} frames
 * @param {any} metrics
 * @returns {number | null}
 */
export function frameStep(key, frame, frames, metrics) {
  switch (key) {
    case 'ArrowLeft': return Math.max(frame - 1, 0);
    case 'ArrowRight': return Math.min(frame + 1, frames - 1);
    case 'Home': return 0;
    case 'End': return frames - 1;
    case 'd': case 'D': return metrics?.phases?.ed_frame ?? null;
    case 's': case 'S': return metrics?.phases?.es_frame ?? null;
    default: return null;
  }
}

/**
 * Pictures that are likely to be wanted next, the likeliest first.
 * @param {Place & {playing: boolean}} view
 * @param {{frames: number, slices: number}} shape
 * @returns {Place[]}
 */
export function neighbours({ frame, slice, playing }, { frames, slices }) {
  if (playing) {
    const ahead = Math.min(FRAMES_AHEAD, frames - 1);
    return Array.from({ length: ahead }, (_, index) => ({ frame: (frame + 1 + index) % frames, slice }));
  }
  return [
    { frame: frame + 1, slice },
    { frame: frame - 1, slice },
    { frame, slice: slice + 1 },
    { frame, slice: slice - 1 },
  ].filter((place) => place.frame >= 0 && place.frame < frames && place.slice >= 0 && place.slice < slices);
}
