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
 * What of the files was not kept, as tags and names.
 * @param {{removed: string[], further?: number, burned_in?: string[]} | undefined} deidentification
 */
export function notKept(deidentification) {
  if (!deidentification) return UNKNOWN;
  const { removed, further = 0, burned_in: burnedIn = [] } = deidentification;
  const list = removed.length === 0 ? 'nothing was there to remove' : `${removed.join(', ')}${further > 0 ? ` and ${further} more` : ''}`;
  return burnedIn.length === 0 ? list : `${list}; the pixels may hold text, by ${burnedIn.join(', ')}`;
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
 * What the numbers of a ventricle or of the wall are called, by their names in the metrics.
 * @type {Record<string, {name: string, unit: string, digits: number}>}
 */
export const QUANTITIES = {
  edv_ml: { name: 'End-diastolic volume', unit: 'ml', digits: 0 },
  esv_ml: { name: 'End-systolic volume', unit: 'ml', digits: 0 },
  sv_ml: { name: 'Stroke volume', unit: 'ml', digits: 0 },
  ef_percent: { name: 'Ejection fraction', unit: '%', digits: 1 },
  co_l_min: { name: 'Cardiac output', unit: 'l/min', digits: 1 },
  edv_ml_per_m2: { name: 'End-diastolic volume index', unit: 'ml/m²', digits: 0 },
  esv_ml_per_m2: { name: 'End-systolic volume index', unit: 'ml/m²', digits: 0 },
  sv_ml_per_m2: { name: 'Stroke volume index', unit: 'ml/m²', digits: 0 },
  co_l_min_per_m2: { name: 'Cardiac index', unit: 'l/min/m²', digits: 1 },
  ed_mass_g: { name: 'Mass, ED', unit: 'g', digits: 0 },
  es_mass_g: { name: 'Mass, ES', unit: 'g', digits: 0 },
  ed_mass_g_per_m2: { name: 'Mass index, ED', unit: 'g/m²', digits: 0 },
  es_mass_g_per_m2: { name: 'Mass index, ES', unit: 'g/m²', digits: 0 },
  ed_diameter_mm: { name: 'Diameter, ED', unit: 'mm', digits: 0 },
  es_diameter_mm: { name: 'Diameter, ES', unit: 'mm', digits: 0 },
  peak_ejection_ml_per_s: { name: 'Peak ejection rate', unit: 'ml/s', digits: 0 },
  peak_filling_ml_per_s: { name: 'Peak filling rate', unit: 'ml/s', digits: 0 },
  time_to_peak_ejection_ms: { name: 'ED to peak ejection', unit: 'ms', digits: 0 },
  time_to_peak_filling_ms: { name: 'ES to peak filling', unit: 'ms', digits: 0 },
};

/** @type {Record<string, string>} */
const PARTS = { left_ventricle: 'LV', right_ventricle: 'RV', myocardium: 'LV' };

/**
 * A number's name for people.
 * @param {string} path its path in the metrics, for instance `left_ventricle.ef_percent`
 */
export function quantityName(path) {
  const [part, key] = path.split('.');
  const known = QUANTITIES[key];
  if (!known || !PARTS[part]) return path;
  const name = /^[A-Z][a-z]/.test(known.name) ? known.name.charAt(0).toLowerCase() + known.name.slice(1) : known.name;
  return `${PARTS[part]} ${name}`;
}

/**
 * A cell of the table of numbers: the true value is empty where it is not known.
 * @typedef {{text: string, truth: string, range?: string, level?: number}} Cell
 *
 * One row of the table of numbers. `null` is a cell that has no meaning, as the mass of the right ventricle has none.
 * @typedef {{quantity: string, unit: string, left: Cell | null, right: Cell | null}} Row
 */

/** Rows that stand there even while their numbers are unknown. */
const ROWS_ALWAYS = 4;

/**
 * Where a number probably lies, when that is known.
 * @param {any} metrics @param {string} path @param {number} digits
 * @returns {{range?: string, level?: number}}
 */
function rangeOf(metrics, path, digits) {
  const found = metrics?.intervals?.find((/** @type {any} */ one) => one.quantity === path);
  return found ? { range: `${number(found.low, digits)} – ${number(found.high, digits)}`, level: found.level } : {};
}

/**
 * What the intervals are worth.
 * @param {any} metrics
 * @param {{patients: number, least: number, most: number} | null} judged how often they held in patients the model was judged on
 */
export function intervalSentence(metrics, judged) {
  const level = metrics?.intervals?.[0]?.level;
  const percent = (/** @type {number} */ share) => number(100 * share);
  const parts = level
    ? [
      `Below a number: an interval by the doubt of the model, meant to hold what an expert would find in ${percent(level)} of 100 patients.`,
      judged ? `In the ${judged.patients} patients it was judged on, it did so in ${percent(judged.least)} to ${percent(judged.most)} %, by quantity.` : '',
    ]
    : ['How far off the numbers may be is not known for this mask.'];
  return [...parts, metrics?.intervals_reason].filter(Boolean).join(' ');
}

/**
 * Rows of the table of numbers.
 * @param {any} metrics the metrics document of the service
 * @param {any} [truth] what is known of a phantom, in the same names
 * @returns {Row[]}
 */
export function numberRows(metrics, truth) {
  /** @param {string} part @param {string} key @returns {Cell} */
  const cell = (part, key) => {
    const { digits } = QUANTITIES[key];
    return {
      text: number(metrics?.[part]?.[key], digits),
      truth: truth ? number(truth[part]?.[key], digits).replace(UNKNOWN, '') : '',
      ...rangeOf(metrics, `${part}.${key}`, digits),
    };
  };
  /** @param {string} key @returns {Row} */
  const ventricles = (key) => ({ quantity: QUANTITIES[key].name, unit: QUANTITIES[key].unit, left: cell('left_ventricle', key), right: cell('right_ventricle', key) });
  /** @param {string} quantity @param {string} key @param {string} [part] @returns {Row} */
  const left = (quantity, key, part = 'myocardium') => ({ quantity, unit: QUANTITIES[key].unit, left: { ...cell(part, key), truth: '' }, right: null });
  const rates = (/** @type {string} */ key) => {
    const of = (/** @type {string} */ part) => ({ text: number(metrics?.curve?.rates?.[part]?.[key], QUANTITIES[key].digits), truth: '' });
    return { quantity: QUANTITIES[key].name, unit: QUANTITIES[key].unit, left: of('left_ventricle'), right: of('right_ventricle') };
  };
  // The mass of a frame that stands alone is told in the place of end-diastole, which it need not be.
  const phase = metrics?.curve?.left_ventricle_ml?.length === 1 ? 'of this frame' : 'ED';
  const rows = [
    ventricles('edv_ml'),
    ventricles('esv_ml'),
    ventricles('sv_ml'),
    ventricles('ef_percent'),
    ventricles('co_l_min'),
    ventricles('edv_ml_per_m2'),
    ventricles('esv_ml_per_m2'),
    ventricles('sv_ml_per_m2'),
    ventricles('co_l_min_per_m2'),
    left(`Myocardial mass, ${phase}`, 'ed_mass_g'),
    left('Myocardial mass, ES', 'es_mass_g'),
    left('Myocardial mass index', 'ed_mass_g_per_m2'),
    left('Diameter, ED', 'ed_diameter_mm', 'left_ventricle'),
    left('Diameter, ES', 'es_diameter_mm', 'left_ventricle'),
    rates('peak_ejection_ml_per_s'),
    rates('peak_filling_ml_per_s'),
  ];
  const known = (/** @type {Cell | null} */ one) => one !== null && one.text !== UNKNOWN;
  return rows.filter(({ left: one, right: other }, index) => index < ROWS_ALWAYS || known(one) || known(other));
}

/**
 * What a reader looks for first.
 * @typedef {{path: string, name: string, text: string, unit: string, range?: string, level?: number, place: Place | null}} Headline
 *
 * Where a number lies among healthy people.
 * @typedef {{path: string, name: string, text: string, unit: string, limits: string, verdict: string, source: string, cohort: string}} Place
 */

const HEADLINES = ['left_ventricle.ef_percent', 'left_ventricle.edv_ml', 'left_ventricle.esv_ml', 'myocardium.ed_mass_g', 'right_ventricle.ef_percent', 'right_ventricle.edv_ml'];

/**
 * @param {any} metrics
 * @returns {Headline[]} empty where there are no phases
 */
export function headlines(metrics) {
  if (metrics?.phases?.ed_frame == null || metrics.phases.es_frame == null) return [];
  const places = referencePlaces(metrics);
  return HEADLINES.map((path) => {
    const [part, key] = path.split('.');
    const { unit, digits } = QUANTITIES[key];
    return {
      path,
      name: quantityName(path),
      text: number(metrics[part]?.[key], digits),
      unit,
      ...rangeOf(metrics, path, digits),
      place: places.find((place) => place.path === path) ?? null,
    };
  });
}

/**
 * The numbers that have a range for this person.
 * @param {any} metrics
 * @returns {Place[]}
 */
export function referencePlaces(metrics) {
  return (metrics?.reference ?? [])
    .filter((/** @type {any} */ { low, high }) => typeof low === 'number' || typeof high === 'number')
    .map((/** @type {any} */ { quantity, value, low, high, verdict, source, cohort }) => {
      const { unit, digits } = QUANTITIES[quantity.split('.')[1]] ?? { unit: '', digits: 1 };
      const [from, to] = [low, high].map((limit) => number(limit, digits));
      const limits = typeof low !== 'number' ? `≤ ${to}` : typeof high !== 'number' ? `≥ ${from}` : `${from} – ${to}`;
      return { path: quantity, name: quantityName(quantity), text: number(value, digits), unit, limits, verdict, source: source ?? '', cohort: cohort ?? '' };
    });
}

/**
 * Why no number has a range: what the service says of each, once.
 * @param {any} metrics
 */
export function noReferenceText(metrics) {
  const reasons = new Set((metrics?.reference ?? []).map((/** @type {any} */ { reason }) => reason).filter(Boolean).map(sentence));
  return ['No reference range is shown.', ...reasons].join(' ');
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
