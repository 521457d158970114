/**
 * The one place that talks to the service. The key is kept here, in memory, and nowhere else.
 */

import { formOf } from './files.js';
import { eventReader } from './sse.js';

const ROOT = '/api/v1';

/** Label of the demonstration study, by which it is known again among the kept ones. */
export const DEMO_LABEL = 'Demonstration heart';

/** How many kept studies are listed at once. */
const STUDIES_AT_ONCE = 20;

let key = '';

/**
 * @typedef {{title: string, detail: string, status: number, request_id?: string}} ProblemDocument
 */

/** An answer of the service that is a problem document. */
export class ServiceError extends Error {
  /** @param {ProblemDocument} problem */
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }

  /** Whether a key, or another key, may help. */
  get wantsKey() {
    return this.problem.status === 401;
  }
}

/**
 * Whether something ended because the page asked it to.
 * @param {unknown} cause
 */
export function isAbort(cause) {
  return cause instanceof DOMException && cause.name === 'AbortError';
}

/** What something fails with that the page itself has given up. */
export function givenUp() {
  return new DOMException('given up', 'AbortError');
}

/** @param {string} value */
export function useKey(value) {
  key = value.trim();
}

export function hasKey() {
  return key !== '';
}

/** Pictures that are kept hold at most this many characters together; the oldest go first. */
const PICTURES_MAX_CHARACTERS = 128 * 1024 * 1024;
/** @type {Map<string, {picture: Promise<string>, characters: number}>} */
const pictures = new Map();
let pictureCharacters = 0;

/**
 * @param {string} path
 * @param {RequestInit & {accept?: string}} [options]
 */
async function call(path, { accept = 'application/json', headers, ...options } = {}) {
  const response = await reach(() => fetch(ROOT + path, { ...options, headers: { ...authorization(), Accept: accept, ...headers } }));
  if (!response.ok) throw new ServiceError(await readProblem(response.status, () => response.text()));
  return response;
}

/**
 * Waits for something that fails only when the network does.
 * @template T
 * @param {() => Promise<T>} wait
 * @param {() => ServiceError} [problem]
 * @returns {Promise<T>}
 */
async function reach(wait, problem = unreachable) {
  try {
    return await wait();
  } catch (cause) {
    throw isAbort(cause) ? cause : problem();
  }
}

/** @returns {Record<string, string>} */
function authorization() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function unreachable() {
  return new ServiceError({
    title: 'The service cannot be reached',
    detail: 'No answer came back. Check that it is running and that the network is there, then try again.',
    status: 0,
  });
}

function brokenOff() {
  return new ServiceError({
    title: 'The answer broke off',
    detail: 'The service stopped before it was done. Check that it is running, then open the study again: what was sent is kept.',
    status: 0,
  });
}

/**
 * @param {number} status
 * @param {() => Promise<string> | string} read
 * @returns {Promise<ProblemDocument>}
 */
async function readProblem(status, read) {
  try {
    const problem = JSON.parse(await read());
    if (typeof problem.title === 'string') return { detail: '', ...problem, status };
  } catch {
    // Not a problem document, so something between the page and the service answered: say just that.
  }
  return { title: `Unexpected answer (${status})`, detail: 'Something other than the service answered. Check what stands between it and this page.', status };
}

/**
 * The document of an answer that has come so far.
 * @param {Response} response
 * @returns {Promise<any>}
 */
function readDocument(response) {
  return reach(() => response.json(), brokenOff);
}

/**
 * Sends the files of a volume to be kept. Uses XMLHttpRequest because fetch cannot tell how much has been sent.
 * @param {Blob[]} files
 * @param {Record<string, string>} facts
 * @param {(sent: number, total: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the study
 */
export function createStudy(files, facts, onProgress, signal) {
  const form = formOf(files, facts);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${ROOT}/studies`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.setRequestHeader('Accept', 'application/json');
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(givenUp());
    request.onload = async () => {
      if (request.status !== 201) {
        reject(new ServiceError(await readProblem(request.status, () => request.responseText)));
        return;
      }
      try {
        resolve(JSON.parse(request.responseText));
      } catch {
        reject(brokenOff());
      }
    };
    if (signal.aborted) {
      reject(givenUp());
      return;
    }
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

/**
 * Segments a kept study and tells how far it is.
 * @param {string} studyId
 * @param {object} wanted which model, in the words of the service
 * @param {(progress: {stage: string, done: number, total: number}) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the segmentation
 */
export async function segmentStudy(studyId, wanted, onProgress, signal) {
  const response = await call(`/studies/${encodeURIComponent(studyId)}/segmentations`, {
    method: 'POST',
    accept: 'text/event-stream',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(wanted),
    signal,
  });
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return readDocument(response);
  const read = eventReader();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reach(() => reader.read(), brokenOff);
    if (done) throw brokenOff();
    for (const { event, data } of read(value)) {
      const content = JSON.parse(data);
      if (event === 'progress') onProgress(content);
      if (event === 'problem') throw new ServiceError(content);
      if (event === 'result') return content.segmentation ?? content;
    }
  }
}

/**
 * The newest segmentation of every frame of a kept study.
 * @param {any} study
 * @param {AbortSignal} signal
 * @returns {Promise<any>} `undefined` where there is none
 */
export async function findSegmentation(study, signal) {
  const { items } = await readDocument(await call(`/studies/${encodeURIComponent(study.id)}/segmentations`, { signal }));
  return items.find((/** @type {any} */ segmentation) => segmentation.frames.length === study.shape.frames);
}

/**
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {number} revision
 * @param {AbortSignal} signal
 * @param {URLSearchParams} [choices] rules and phases that hold for this answer
 */
export async function getMetrics(studyId, segmentationId, revision, signal, choices) {
  const query = new URLSearchParams({ revision: String(revision), ...(choices ? Object.fromEntries(choices) : {}) });
  return readDocument(await call(`${segmentationPath(studyId, segmentationId)}/metrics?${query}`, { signal }));
}

/**
 * The models that may be asked for.
 * @returns {Promise<any[]>}
 */
export async function listModels() {
  return (await readDocument(await call('/models'))).items;
}

/**
 * Kept studies, the newest first.
 * @param {string | null} [cursor] where the page before this one ended
 * @returns {Promise<{items: any[], next_cursor: string | null}>}
 */
export async function listStudies(cursor) {
  const query = new URLSearchParams({ limit: String(STUDIES_AT_ONCE), ...(cursor ? { cursor } : {}) });
  return readDocument(await call(`/studies?${query}`));
}

/**
 * A kept study, and the tag by which the service knows it again.
 * @param {string} studyId
 * @param {AbortSignal} signal
 * @returns {Promise<{study: any, studyTag: string}>}
 */
export async function getStudy(studyId, signal) {
  const response = await call(`/studies/${encodeURIComponent(studyId)}`, { signal });
  return { study: await readDocument(response), studyTag: response.headers.get('etag') ?? '' };
}

/**
 * Tells facts about the subject of a study, or its label; `null` takes one away. The service refuses to change a study that is another by now.
 * @param {string} studyId
 * @param {string} tag
 * @param {object} change
 */
export async function changeStudy(studyId, tag, change) {
  await call(`/studies/${encodeURIComponent(studyId)}`, { method: 'PATCH', headers: { 'Content-Type': 'application/json', 'If-Match': tag }, body: JSON.stringify(change) });
}

/** @param {string} studyId */
export async function deleteStudy(studyId) {
  await call(`/studies/${encodeURIComponent(studyId)}`, { method: 'DELETE' });
}

/**
 * The demonstration study: a phantom, whose true volumes are known.
 * @param {AbortSignal} signal
 */
export async function getDemo(signal) {
  const response = await reach(() => fetch('/demo/phantom.nii.gz', { signal }));
  if (!response.ok) {
    throw new ServiceError({ title: 'The demonstration heart is missing', detail: 'It is made when the service is built: cargo xtask build.', status: response.status });
  }
  return reach(() => response.blob(), brokenOff);
}

/**
 * What is known of the demonstration heart, when the study is that: by its label, and then by the digest of its file.
 * @param {any} study
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the true volumes, or `null`
 */
export async function getTruth(study, signal) {
  if (study.label !== DEMO_LABEL) return null;
  const response = await reach(() => fetch('/demo/phantom.json', { signal }));
  if (!response.ok) return null;
  const truth = await readDocument(response);
  return truth.sha256 === study.source?.sha256 ? truth : null;
}

/**
 * A segmentation in its last revision, or in the one that is named, and the tag by which the service knows it again.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {AbortSignal} signal
 * @param {number} [revision]
 * @returns {Promise<{segmentation: any, tag: string}>}
 */
export async function getSegmentation(studyId, segmentationId, signal, revision) {
  const response = await call(`${segmentationPath(studyId, segmentationId)}${revision ? `?revision=${revision}` : ''}`, { signal });
  return { segmentation: await readDocument(response), tag: response.headers.get('etag') ?? '' };
}

/**
 * The history of a segmentation, the last revision first.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {AbortSignal} signal
 * @returns {Promise<any[]>}
 */
export async function listRevisions(studyId, segmentationId, signal) {
  const items = [];
  let cursor = '';
  do {
    const query = new URLSearchParams({ limit: '100', ...(cursor ? { cursor } : {}) });
    const page = await readDocument(await call(`${segmentationPath(studyId, segmentationId)}/revisions?${query}`, { signal }));
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/**
 * @typedef {{studyId: string, segmentationId: string, tag: string}} Seen what a person saw: the service refuses to change anything else
 */

/**
 * Approves or rejects what was seen.
 * @param {Seen} seen
 * @param {{state: 'approved' | 'rejected', note?: string}} review
 */
export async function reviewSegmentation({ studyId, segmentationId, tag }, review) {
  await call(`${segmentationPath(studyId, segmentationId)}/review`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'If-Match': tag }, body: JSON.stringify(review) });
}

/**
 * Tells phases and rules of a segmentation, as a new revision.
 * @param {Seen} seen
 * @param {object} change
 */
export async function changeSegmentation({ studyId, segmentationId, tag }, change) {
  await call(segmentationPath(studyId, segmentationId), { method: 'PATCH', headers: { 'Content-Type': 'application/json', 'If-Match': tag }, body: JSON.stringify(change) });
}

/**
 * Sends a corrected mask, as a new revision.
 * @param {Seen} seen
 * @param {Blob} file
 * @param {number | null} frame the one frame that it holds; `null` where it holds all
 */
export async function correctMask({ studyId, segmentationId, tag }, file, frame) {
  const query = frame === null ? '' : `?frame=${frame}`;
  await call(`${segmentationPath(studyId, segmentationId)}/mask.nii.gz${query}`, { method: 'PUT', headers: { 'Content-Type': 'application/octet-stream', 'If-Match': tag }, body: file });
}

/** @param {string} studyId @param {string} segmentationId */
function segmentationPath(studyId, segmentationId) {
  return `/studies/${encodeURIComponent(studyId)}/segmentations/${encodeURIComponent(segmentationId)}`;
}

/**
 * The files that can be saved: where they are, below the study or the segmentation, and in which form.
 * @type {Record<string, {of: 'study' | 'segmentation', path: string, accept: string, ending: string}>}
 */
export const FILES = {
  mask: { of: 'segmentation', path: 'mask.nii.gz', accept: 'application/gzip', ending: 'mask.nii.gz' },
  volume: { of: 'study', path: 'volume.nii.gz', accept: 'application/gzip', ending: 'volume.nii.gz' },
  csv: { of: 'segmentation', path: 'metrics', accept: 'text/csv', ending: 'metrics.csv' },
  json: { of: 'segmentation', path: 'metrics', accept: 'application/json', ending: 'metrics.json' },
};

/**
 * A file to be saved, as an object URL.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {number} revision
 * @param {string} what a name in `FILES`
 * @returns {Promise<{url: string, name: string}>} the name holds ids alone
 */
export async function getFile(studyId, segmentationId, revision, what) {
  const { of, path, accept, ending } = FILES[what];
  const address = of === 'study' ? `/studies/${encodeURIComponent(studyId)}/${path}` : `${segmentationPath(studyId, segmentationId)}/${path}?revision=${revision}`;
  const response = await call(address, { accept });
  return { url: URL.createObjectURL(await reach(() => response.blob(), brokenOff)), name: `${studyId}-${ending}` };
}

/**
 * The report to print, as an object URL of its page.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {number} revision
 */
export async function getReport(studyId, segmentationId, revision) {
  const response = await call(`${segmentationPath(studyId, segmentationId)}/report?revision=${revision}`, { accept: 'text/html' });
  return URL.createObjectURL(await reach(() => response.blob(), brokenOff));
}

/**
 * The picture of one slice, as a data URL: such a picture is there as soon as it is shown, so that a film does not flicker. Pictures
 * are kept, so that the beat plays without waiting.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {{revision: number, slice: number, frame: number, overlay: string, opacity: number, labels: number[], width: number,
 *   windowCenter: number | null, windowWidth: number | null}} wanted
 * @returns {Promise<string>}
 */
export function getPicture(studyId, segmentationId, wanted) {
  const query = new URLSearchParams({
    revision: String(wanted.revision),
    frame: String(wanted.frame),
    overlay: wanted.labels.length === 0 ? 'none' : wanted.overlay,
    width: String(wanted.width),
  });
  if (wanted.overlay === 'fill') query.set('opacity', String(wanted.opacity));
  if (wanted.labels.length > 0) query.set('labels', wanted.labels.join(','));
  if (wanted.windowCenter !== null && wanted.windowWidth !== null) {
    query.set('window_center', String(wanted.windowCenter));
    query.set('window_width', String(wanted.windowWidth));
  }
  const path = `${segmentationPath(studyId, segmentationId)}/slices/${wanted.slice}.png?${query}`;
  const known = pictures.get(path);
  if (known) {
    pictures.delete(path);
    pictures.set(path, known);
    return known.picture;
  }
  const kept = { picture: fetchPicture(path), characters: 0 };
  pictures.set(path, kept);
  kept.picture.then(
    (url) => {
      if (pictures.get(path) !== kept) return;
      kept.characters = url.length;
      pictureCharacters += url.length;
      forgetOldPictures(path);
    },
    () => pictures.delete(path),
  );
  return kept.picture;
}

/** @param {string} path @returns {Promise<string>} */
async function fetchPicture(path) {
  const response = await call(path, { accept: 'image/png' });
  const blob = await reach(() => response.blob(), brokenOff);
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(brokenOff());
    reader.readAsDataURL(blob);
  });
}

/** @param {string} latest path of the picture that stays in any case */
function forgetOldPictures(latest) {
  for (const [path, { characters }] of pictures) {
    if (pictureCharacters <= PICTURES_MAX_CHARACTERS) return;
    if (path === latest || characters === 0) continue;
    pictures.delete(path);
    pictureCharacters -= characters;
  }
}

/** Forgets every picture: the study was deleted, or another one comes. */
export function forgetPictures() {
  pictures.clear();
  pictureCharacters = 0;
}
