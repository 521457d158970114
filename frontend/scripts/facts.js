/**
 * Facts about the patient and the recording: what may be told, and what is known of a study, in words. Pure.
 */

/**
 * The numbers that a person may tell, with the limits of `FACTS` in `crates/store/src/subject.rs`.
 * @type {{name: string, label: string, min: number, max: number}[]}
 */
export const TOLD = [
  { name: 'height_cm', label: 'Height (cm)', min: 20, max: 280 },
  { name: 'weight_kg', label: 'Weight (kg)', min: 0.3, max: 700 },
  { name: 'age_years', label: 'Age (years)', min: 0, max: 130 },
  { name: 'heart_rate_bpm', label: 'Heart rate (1/min)', min: 10, max: 400 },
  { name: 'frame_ms', label: 'Time between frames (ms)', min: 1, max: 2000 },
];

/** What a person may tell of a study, by the names that the service has for it. */
const FIELDS = ['label', ...TOLD.map(({ name }) => name), 'sex'];

/**
 * How a fact is said; `missed` are those whose absence is told, because indexed values or reference ranges go without them.
 * @type {{name: string, words: string, unit: string, missed: boolean}[]}
 */
const KNOWN = [
  { name: 'height_cm', words: 'height', unit: ' cm', missed: true },
  { name: 'weight_kg', words: 'weight', unit: ' kg', missed: true },
  { name: 'sex', words: 'sex', unit: '', missed: true },
  { name: 'age_years', words: 'age', unit: ' years', missed: true },
  { name: 'heart_rate_bpm', words: 'heart rate', unit: '/min', missed: true },
  { name: 'frame_ms', words: 'time between frames', unit: ' ms', missed: false },
  { name: 'ed_frame', words: 'end-diastole in frame', unit: '', missed: false },
  { name: 'es_frame', words: 'end-systole in frame', unit: '', missed: false },
];

/**
 * The label of a study and the facts that its numbers rest on, each by where it comes from.
 * @param {any} study
 * @returns {string[]} sentences
 */
export function factSentences(study) {
  const subject = study?.subject ?? {};
  const known = KNOWN.filter(({ name }) => subject[name] != null);
  const from = (/** @type {string} */ source) => known
    .filter(({ name }) => (subject.sources?.[name] === 'header' ? 'header' : 'told') === source)
    .map(({ name, words, unit }) => `${words} ${short(subject[name])}${unit}`);
  const missing = KNOWN.filter(({ name, missed }) => missed && subject[name] == null).map(({ words }) => words);
  const parts = [['Told', from('told')], ['From the file’s header', from('header')], ['Not known', missing]];
  return [
    ...(study?.label ? [`Label: ${study.label}.`] : []),
    ...parts.filter(([, facts]) => facts.length > 0).map(([name, facts]) => `${name}: ${/** @type {string[]} */ (facts).join(', ')}.`),
  ];
}

/**
 * What the fields of a study hold before anybody changes them.
 * @param {any} study
 * @returns {Record<string, string>}
 */
export function factsOf(study) {
  const known = { ...study?.subject, label: study?.label };
  return Object.fromEntries(FIELDS.filter((name) => known[name] != null).map((name) => [name, String(known[name])]));
}

/**
 * What a person changed, as the service is told it: `null` takes a fact away.
 * @param {Record<string, string>} before @param {Record<string, string>} after
 * @returns {Record<string, string | number | null>}
 */
export function factsChange(before, after) {
  const value = (/** @type {string} */ name) => (TOLD.some((fact) => fact.name === name) ? Number(after[name]) : after[name]);
  return Object.fromEntries(FIELDS.filter((name) => before[name] !== after[name]).map((name) => [name, after[name] === undefined ? null : value(name)]));
}

/** @param {number | string} value a number without more than one digit behind the point */
function short(value) {
  return typeof value === 'number' ? String(Number(value.toFixed(1))) : value;
}
