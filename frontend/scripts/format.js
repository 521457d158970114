/**
 * Numbers and facts in words. Pure. What is not known is said to be unknown, never shown as zero.
 */

/** Shown where a number is not known. */
export const UNKNOWN = '–';

/**
 * @param {number | null | undefined} value
 * @param {number} [digits] digits after the point
 */
export function number(value, digits = 0) {
  return typeof value === 'number' && Number.isFinite(value) ? value.toFixed(digits) : UNKNOWN;
}

/**
 * Milliseconds as people read them.
 * @param {number | null | undefined} ms
 */
export function duration(ms) {
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return UNKNOWN;
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * Size of a file.
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(0)} KiB`;
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}

/**
 * A remark of the service as a sentence that stands alone; a name of a field at its beginning stays as it is written.
 * @param {string} text
 */
export function sentence(text) {
  const begun = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/**
 * How far the work is, in words.
 * @param {{stage: string, done: number, total: number}} progress
 */
export function progressText({ stage, done, total }) {
  const words = STAGES[stage] ?? stage;
  if (stage === 'upload') return total > 0 ? `${words}: ${size(done)} of ${size(total)}` : `${words}…`;
  if (total > 1) return `${words}: ${done} of ${total} frames`;
  return `${words}…`;
}

/** @type {Record<string, string>} */
const STAGES = {
  upload: 'Sending the study',
  demo: 'Fetching the demonstration heart',
  decode: 'Reading the study',
  segment: 'Finding the contours',
  measure: 'Measuring',
};

/**
 * One row of the table of numbers. `null` is a cell that has no meaning, as the mass of the right ventricle has none; the true value
 * is empty where it is not known.
 * @typedef {{text: string, truth: string, range?: string, level?: number}} Cell
 * @typedef {{quantity: string, unit: string, left: Cell | null, right: Cell | null}} Row
 */

/** Rows that stand there even while their numbers are unknown. */
const ROWS_ALWAYS = 4;

/**
 * Rows of the table of numbers.
 * @param {any} metrics the metrics document of the service
 * @param {any} [truth] what is known of a phantom, in the same names
 * @returns {Row[]}
 */
export function numberRows(metrics, truth) {
  /**
   * Where a number probably lies, when that is known.
   * @param {string} part @param {string} key @param {number} digits
   */
  const range = (part, key, digits) => {
    const found = metrics?.intervals?.find((/** @type {any} */ one) => one.quantity === `${part}.${key}`);
    return found ? { range: `${number(found.low, digits)} – ${number(found.high, digits)}`, level: found.level } : {};
  };
  /** @param {'left_ventricle' | 'right_ventricle'} part @param {string} key @param {number} digits */
  const cell = (part, key, digits) => ({
    text: number(metrics?.[part]?.[key], digits),
    truth: truth ? number(truth[part]?.[key], digits).replace(UNKNOWN, '') : '',
    ...range(part, key, digits),
  });
  /** @param {string} quantity @param {string} unit @param {string} key @param {number} [digits] @returns {Row} */
  const ventricles = (quantity, unit, key, digits = 0) => ({
    quantity,
    unit,
    left: cell('left_ventricle', key, digits),
    right: cell('right_ventricle', key, digits),
  });
  // The mass of a frame that stands alone is told in the place of end-diastole, which it need not be.
  const phase = metrics?.curve?.left_ventricle_ml?.length === 1 ? 'of this frame' : 'ED';
  /** @param {string} quantity @param {string} unit @param {string} key @returns {Row} */
  const muscle = (quantity, unit, key) => ({ quantity, unit, left: { text: number(metrics?.myocardium?.[key]), truth: '', ...range('myocardium', key, 0) }, right: null });
  const rows = [
    ventricles('End-diastolic volume', 'ml', 'edv_ml'),
    ventricles('End-systolic volume', 'ml', 'esv_ml'),
    ventricles('Stroke volume', 'ml', 'sv_ml'),
    ventricles('Ejection fraction', '%', 'ef_percent', 1),
    ventricles('Cardiac output', 'l/min', 'co_l_min', 1),
    ventricles('End-diastolic volume index', 'ml/m²', 'edv_ml_per_m2'),
    ventricles('End-systolic volume index', 'ml/m²', 'esv_ml_per_m2'),
    ventricles('Stroke volume index', 'ml/m²', 'sv_ml_per_m2'),
    ventricles('Cardiac index', 'l/min/m²', 'co_l_min_per_m2', 1),
    muscle(`Myocardial mass, ${phase}`, 'g', 'ed_mass_g'),
    muscle('Myocardial mass, ES', 'g', 'es_mass_g'),
    muscle('Myocardial mass index', 'g/m²', 'ed_mass_g_per_m2'),
  ];
  const known = (/** @type {Cell | null} */ one) => one !== null && one.text !== UNKNOWN;
  return rows.filter(({ left, right }, index) => index < ROWS_ALWAYS || known(left) || known(right));
}

/**
 * Volumes of a study of one frame, which has a volume but no phases.
 * @param {any} metrics
 * @returns {string} empty where there is more than one frame
 */
export function singleFrameText(metrics) {
  const curve = metrics?.curve;
  if (curve?.left_ventricle_ml?.length !== 1) return '';
  const [left, right, muscle] = ['left_ventricle_ml', 'right_ventricle_ml', 'myocardium_ml'].map((key) => number(curve[key]?.[0]));
  return `In this frame: left ventricle ${left} ml, right ventricle ${right} ml, myocardium ${muscle} ml.`;
}

/**
 * How ED and ES were found, and what the next best choice would make of it.
 * @param {any} metrics
 */
export function phaseSentence(metrics) {
  const phases = metrics?.phases;
  if (!phases || phases.ed_frame == null || phases.es_frame == null) {
    return 'One frame alone has no end-diastole and no end-systole, and so no ejection fraction.';
  }
  const how = phases.method ? ` (${String(phases.method).replaceAll('_', ' ')})` : '';
  const sentences = [`End-diastole (ED) is frame ${phases.ed_frame}, end-systole (ES) frame ${phases.es_frame}${how}.`];
  const right = phases.right_ventricle;
  if (right?.ed_frame != null && right.es_frame != null && (right.ed_frame !== phases.ed_frame || right.es_frame !== phases.es_frame)) {
    sentences.push(`Right ventricle: frames ${right.ed_frame} and ${right.es_frame}.`);
  }
  const next = phases.runner_up;
  if (next) sentences.push(`The next best frames, ${next.ed_frame} and ${next.es_frame}, would make the left ejection fraction ${number(next.ef_percent, 1)} %.`);
  return sentences.join(' ');
}
