/**
 * Revisions of a segmentation and what people said of them, in words. Pure.
 */

/** The longest note of a review, in characters: `REVIEW_NOTE_CHARS` of `crates/web`. */
export const NOTE_MAX_CHARACTERS = 2000;

/** Stands where the controls stood that a key does not allow. */
export const READS_ONLY = 'The key in use may look, but not review, correct or keep choices: that takes the key of a clinician.';

/**
 * What a revision changed, by the names of the service.
 * @type {Record<string, string>}
 */
export const CHANGES = {
  mask: 'mask',
  ed_frame: 'end-diastole',
  es_frame: 'end-systole',
  excluded_slices: 'slices left out',
  bsa_formula: 'formula of body surface',
  basal_rule: 'slices at the base',
};

/** @type {Record<string, string>} */
const STATES = { approved: 'Approved', rejected: 'Rejected' };

/**
 * Who did something. A service that asks for no keys knows nobody by name: its one user is `local`.
 * @param {string} author
 */
export function byWhom(author) {
  return author === 'local' ? 'by an unnamed user' : `by ${author}`;
}

/**
 * A review in a sentence, without its note.
 * @param {any} review that of the service; `null` where there is none
 * @param {(time: string) => string} [when] how a time is written
 */
export function reviewText(review, when = localTime) {
  if (!review) return 'Nobody has reviewed this revision yet.';
  return `${STATES[review.state] ?? review.state} ${byWhom(review.author)}, ${when(review.created_at)}.`;
}

/**
 * @typedef {{revision: number, title: string, detail: string, reviews: {text: string, note: string}[]}} Line
 */

/**
 * The history of a segmentation, in the order of the service.
 * @param {any[]} revisions
 * @param {(time: string) => string} [when]
 * @returns {Line[]}
 */
export function historyLines(revisions, when = localTime) {
  return revisions.map(({ revision, author, created_at: made, changed, frames, reviews }) => ({
    revision,
    title: `Revision ${revision}, ${when(made)}${author ? `, ${byWhom(author)}` : ''}`,
    detail: changed.length === 0 ? 'As the model made it.' : `Changed: ${changed.map((/** @type {string} */ field) => changeText(field, frames)).join(', ')}.`,
    reviews: reviews.map((/** @type {any} */ review) => ({ text: reviewText(review, when), note: review.note ?? '' })),
  }));
}

/** @param {string} field @param {number[]} frames whose mask is another one */
function changeText(field, frames) {
  const words = CHANGES[field] ?? field.replaceAll('_', ' ');
  if (field !== 'mask' || frames.length === 0) return words;
  return frames.length === 1 ? `${words} of frame ${frames[0]}` : `${words} of ${frames.length} frames`;
}

/** @param {string} time RFC 3339 */
function localTime(time) {
  return new Date(time).toLocaleString();
}

/**
 * Where the revision in view stands among all.
 * @param {any} segmentation
 * @param {any[]} revisions the last one first
 */
export function revisionText(segmentation, revisions) {
  const last = revisions[0]?.revision ?? segmentation.revision;
  if (segmentation.revision < last) return `This is revision ${segmentation.revision}; the last one is ${last}. Only the last one can be reviewed and changed.`;
  return last === 1 ? 'This is the first revision.' : `This is the last of ${last} revisions.`;
}
