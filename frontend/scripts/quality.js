/**
 * The verdict, the checks behind it and the score, in words. Pure. The service decides; nothing is judged here.
 */

import { number } from './format.js';

/**
 * @typedef {'most' | 'least' | 'range' | 'nearest'} Sense
 * @typedef {{name: string, unit: string, digits: number, sense: Sense}} Named
 * @typedef {{code: string, passed: boolean, value?: number | null, limit?: number | null, detail: string}} Check
 */

/**
 * What the checks are called and what their numbers are, by the codes of `crates/measures`; `range` is a value
 * between two limits, of which the one that is broken is told, or the upper; `nearest` is one of which the nearer limit is told.
 * @type {Record<string, Named>}
 */
export const CHECKS = {
  structures_present: { name: 'Structures found', unit: 'missing', digits: 0, sense: 'most' },
  base_covered: { name: 'Base covered', unit: 'length over width', digits: 2, sense: 'least' },
  apex_covered: { name: 'Apex covered', unit: 'of the largest section', digits: 2, sense: 'most' },
  slices_contiguous: { name: 'No slice left out', unit: 'slices', digits: 0, sense: 'most' },
  connected: { name: 'One piece each', unit: '% apart', digits: 1, sense: 'most' },
  cavity_enclosed: { name: 'Cavity inside wall', unit: 'of its outline', digits: 2, sense: 'least' },
  ventricles_adjacent: { name: 'Ventricles side by side', unit: 'of the slices', digits: 2, sense: 'least' },
  orientation: { name: 'Right ventricle on the left', unit: '°', digits: 0, sense: 'nearest' },
  field_of_view: { name: 'Heart inside the picture', unit: 'voxels at its edge', digits: 0, sense: 'most' },
  slice_jumps: { name: 'Sections follow on', unit: 'of the largest section', digits: 2, sense: 'most' },
  slice_alignment: { name: 'Slices in line', unit: 'mm', digits: 1, sense: 'most' },
  frame_jumps: { name: 'Frames follow on', unit: '% of EDV', digits: 1, sense: 'most' },
  stroke_volumes: { name: 'Stroke volumes agree', unit: '%', digits: 0, sense: 'most' },
  masses: { name: 'Masses agree', unit: '%', digits: 0, sense: 'most' },
  ejection: { name: 'Ventricles eject', unit: '%', digits: 1, sense: 'least' },
  whole_beat: { name: 'Whole beat measured', unit: 'frames', digits: 0, sense: 'least' },
  told_phases: { name: 'Told phases', unit: 'points of EF', digits: 1, sense: 'most' },
  spacing: { name: 'Spacing', unit: 'mm', digits: 2, sense: 'range' },
  heart_size: { name: 'Size of the heart', unit: 'ml', digits: 0, sense: 'range' },
  contrast: { name: 'Contrast of blood', unit: 'standard deviations', digits: 1, sense: 'least' },
};

/** Checks of which one that fails rejects, and the limits of the score, of `crates/measures/src/checks.rs`: they tell why a verdict is what it is. */
export const DECISIVE = ['structures_present', 'ejection', 'spacing', 'heart_size'];
export const SCORE_PASS = 0.86;
export const SCORE_REJECT = 0.76;

/** @type {Record<string, {name: string, advice: string, badge: string}>} */
const VERDICTS = {
  pass: { name: 'Checks passed', advice: 'Look at the contours before using these numbers.', badge: 'checks passed' },
  review: { name: 'For review', advice: 'Check the contours on every slice before using these numbers.', badge: 'for review' },
  reject: { name: 'Rejected', advice: 'Do not use these numbers.', badge: 'rejected' },
};

/**
 * @typedef {{kind: string, sentence: string, badge: string, because: string}} Verdict
 * @param {any} quality that of the segmentation or its metrics
 * @returns {Verdict} what is not known is for review; `because` is empty where nothing speaks against the numbers, or what does is not known
 */
export function verdictOf(quality) {
  const kind = VERDICTS[quality?.verdict] ? quality.verdict : 'review';
  const { name, advice, badge } = VERDICTS[kind];
  const because = kind === 'pass' ? '' : [checksAgainst(quality, kind), scoreAgainst(quality, kind)].filter(Boolean).join(', and ');
  return { kind, badge, because, sentence: `${name}${because ? `: ${because}` : ''}. ${advice}` };
}

/** @param {any} quality @param {string} kind */
function checksAgainst(quality, kind) {
  const failed = checksOf(quality).failed.filter(({ code }) => kind === 'review' || DECISIVE.includes(code));
  if (failed.length === 0) return kind === 'review' && checksOf(quality).passed.length === 0 ? 'no checks were made' : '';
  const names = failed.map((check) => `“${checkName(check)}”`);
  if (failed.length > 3) return `${failed.length} checks failed`;
  return failed.length === 1 ? `the check ${names[0]} failed` : `the checks ${names.slice(0, -1).join(', ')} and ${names.at(-1)} failed`;
}

/** @param {any} quality @param {string} kind */
function scoreAgainst(quality, kind) {
  const limit = kind === 'reject' ? SCORE_REJECT : SCORE_PASS;
  const score = quality?.score;
  if (typeof score !== 'number') return kind === 'review' ? 'there is no score of the model' : '';
  return score < limit ? `the model’s score of ${scoreNumber(score)} is below ${limit}` : '';
}

/** Cut to two digits: rounded, one below a limit would stand there as the limit. @param {number} score */
function scoreNumber(score) {
  return number(Math.floor(100 * score + 1e-9) / 100, 2);
}

/**
 * @param {any} quality
 * @returns {{failed: Check[], passed: Check[]}} each in the order of the service
 */
export function checksOf(quality) {
  /** @type {Check[]} */
  const checks = quality?.checks ?? [];
  return { failed: checks.filter(({ passed }) => !passed), passed: checks.filter(({ passed }) => passed) };
}

/** @param {Check} check */
export function checkName({ code }) {
  return CHECKS[code]?.name ?? code.replaceAll('_', ' ').replace(/^./, (letter) => letter.toUpperCase());
}

/**
 * What was found and what is allowed.
 * @param {Check} check
 * @returns {string} empty where neither is known
 */
export function checkNumbers({ code, passed, value, limit }) {
  const { unit, digits, sense } = CHECKS[code] ?? { unit: '', digits: 2, sense: null };
  // A value that broke its limit is not to stand there as the limit.
  const alike = !passed && typeof value === 'number' && typeof limit === 'number' && number(value, digits) === number(limit, digits);
  const written = (/** @type {number} */ one) => number(one, alike ? digits + 2 : digits);
  const low = sense === 'least' || (sense === 'range' && !passed && typeof value === 'number' && typeof limit === 'number' && value < limit);
  const word = sense === null ? 'limit' : sense === 'nearest' ? 'nearest limit' : low ? 'at least' : 'at most';
  const parts = [
    typeof value === 'number' ? `found ${written(value)}` : '',
    typeof limit === 'number' ? `${word} ${written(limit)}` : '',
  ].filter(Boolean);
  return parts.length > 0 && unit ? `${parts.join(', ')} ${unit}` : parts.join(', ');
}

/**
 * What the score says.
 * @param {any} quality
 */
export function scoreText(quality) {
  const score = quality?.score;
  if (typeof score !== 'number') return quality?.score_reason ? `There is no score. ${quality.score_reason}` : 'There is no score: it is worked out of the probabilities of a model, and of this mask none are known.';
  return `Score ${scoreNumber(score)}: the mean Dice with an expert’s contours that this mask is thought to have, from 0, useless, to 1. A low one keeps a result from passing, a very low one rejects it.`;
}
