/**
 * The heart beat in frames and milliseconds. Pure: no DOM, no Plotly.
 */

import { number } from './format.js';

/** How many frames ahead are fetched while the beat plays. */
const FRAMES_AHEAD = 6;

/**
 * @typedef {{frame: number, slice: number}} Place
 * @typedef {{left: number | null, right: number | null, name: 'ED' | 'ES'}} Phase
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
 * End-diastole and end-systole as they are marked on the curve.
 * @param {any} metrics
 * @returns {{name: 'ED' | 'ES', x: number}[]}
 */
export function curveMarks(metrics) {
  /** @type {['ED' | 'ES', any][]} */
  const phases = [
    ['ED', metrics?.phases?.ed_frame],
    ['ES', metrics?.phases?.es_frame],
  ];
  const marks = [];
  for (const [name, frame] of phases) {
    const x = timeOf(metrics, frame);
    if (x !== null) marks.push({ name, x });
  }
  return marks;
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
