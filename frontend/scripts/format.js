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
 * Rows of the table of numbers: quantity, unit, left and right ventricle.
 * @param {any} metrics the metrics document of the service
 * @returns {{quantity: string, unit: string, left: string, right: string}[]}
 */
export function numberRows(metrics) {
  const left = metrics?.left_ventricle ?? {};
  const right = metrics?.right_ventricle ?? {};
  const muscle = metrics?.myocardium ?? {};
  const rows = [
    row('End-diastolic volume', 'ml', left.edv_ml, right.edv_ml),
    row('End-systolic volume', 'ml', left.esv_ml, right.esv_ml),
    row('Stroke volume', 'ml', left.sv_ml, right.sv_ml),
    row('Ejection fraction', '%', left.ef_percent, right.ef_percent, 1),
    row('Cardiac output', 'l/min', left.co_l_min, right.co_l_min, 1),
    row('End-diastolic volume index', 'ml/m²', left.edv_ml_per_m2, right.edv_ml_per_m2),
    row('End-systolic volume index', 'ml/m²', left.esv_ml_per_m2, right.esv_ml_per_m2),
    row('Myocardial mass, end-diastole', 'g', muscle.ed_mass_g, undefined),
    row('Myocardial mass, end-systole', 'g', muscle.es_mass_g, undefined),
    row('Myocardial mass index', 'g/m²', muscle.ed_mass_g_per_m2, undefined),
  ];
  const always = 4;
  return rows.filter((entry, index) => index < always || entry.left !== UNKNOWN || entry.right !== UNKNOWN);
}

/**
 * @param {string} quantity
 * @param {string} unit
 * @param {number | null | undefined} left
 * @param {number | null | undefined} right
 * @param {number} [digits]
 */
function row(quantity, unit, left, right, digits = 0) {
  return { quantity, unit, left: number(left, digits), right: number(right, digits) };
}

/**
 * One sentence on how ED and ES were found.
 * @param {any} metrics
 */
export function phaseSentence(metrics) {
  const phases = metrics?.phases;
  if (!phases || phases.ed_frame == null || phases.es_frame == null) {
    return 'One frame alone has no end-diastole and end-systole: volumes of that frame only.';
  }
  const how = phases.method ? ` (${String(phases.method).replaceAll('_', ' ')})` : '';
  return `End-diastole is frame ${phases.ed_frame}, end-systole frame ${phases.es_frame}${how}.`;
}
