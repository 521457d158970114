/**
 * The one place that talks to the service. The key is kept here, in memory, and nowhere else.
 */

import { eventReader } from './sse.js';

const ROOT = '/api/v1';

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

/** @param {string} value */
export function useKey(value) {
  key = value.trim();
}

export function hasKey() {
  return key !== '';
}

/** Keeps at most this many pictures; the oldest go first. */
const MAX_PICTURES = 400;
/** @type {Map<string, Promise<string>>} */
const pictures = new Map();

/**
 * @param {string} path
 * @param {RequestInit & {accept?: string}} [options]
 */
async function call(path, { accept = 'application/json', headers, ...options } = {}) {
  let response;
  try {
    response = await fetch(ROOT + path, { ...options, headers: { ...authorization(), Accept: accept, ...headers } });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw unreachable();
  }
  if (!response.ok) throw new ServiceError(await readProblem(response.status, await response.text()));
  return response;
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

/**
 * @param {number} status
 * @param {string} text
 * @returns {Promise<ProblemDocument>}
 */
async function readProblem(status, text) {
  try {
    const problem = JSON.parse(text);
    if (typeof problem.title === 'string') return { detail: '', ...problem, status };
  } catch {
    // Not a problem document, so something between the page and the service answered: say just that.
  }
  return { title: `Unexpected answer (${status})`, detail: 'Something other than the service answered. Check what stands between it and this page.', status };
}

/**
 * Sends a volume to be kept. Uses XMLHttpRequest because fetch cannot tell how much has been sent.
 * @param {Blob} file
 * @param {Record<string, string>} facts
 * @param {(sent: number, total: number) => void} onProgress
 * @returns {Promise<any>} the study
 */
export function createStudy(file, facts, onProgress) {
  const query = new URLSearchParams(facts).toString();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${ROOT}/studies${query ? `?${query}` : ''}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.setRequestHeader('Accept', 'application/json');
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onerror = () => reject(unreachable());
    request.onload = async () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText));
      else reject(new ServiceError(await readProblem(request.status, request.responseText)));
    };
    request.send(file);
  });
}

/**
 * Segments a kept study and tells how far it is.
 * @param {string} studyId
 * @param {(progress: {stage: string, done: number, total: number}) => void} onProgress
 * @returns {Promise<any>} the segmentation
 */
export async function segmentStudy(studyId, onProgress) {
  const response = await call(`/studies/${encodeURIComponent(studyId)}/segmentations`, {
    method: 'POST',
    accept: 'text/event-stream',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  });
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response.json();
  const read = eventReader();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    for (const { event, data } of read(value)) {
      const content = JSON.parse(data);
      if (event === 'progress') onProgress(content);
      if (event === 'problem') throw new ServiceError(content);
      if (event === 'result') return content.segmentation ?? content;
    }
  }
  throw new ServiceError({ title: 'The answer broke off', detail: 'The service stopped before it was done. Try again.', status: 0 });
}

/** @param {string} studyId @param {string} segmentationId */
export async function getMetrics(studyId, segmentationId) {
  return (await call(`${segmentationPath(studyId, segmentationId)}/metrics`)).json();
}

export async function listStudies() {
  return (await (await call('/studies?limit=20')).json()).items;
}

/** @param {string} studyId */
export async function getStudy(studyId) {
  return (await call(`/studies/${encodeURIComponent(studyId)}`)).json();
}

/** @param {string} studyId */
export async function deleteStudy(studyId) {
  await call(`/studies/${encodeURIComponent(studyId)}`, { method: 'DELETE' });
}

/** The demonstration study: a phantom, whose true volumes are known. */
export async function getDemo() {
  const response = await fetch('/demo/phantom.nii.gz');
  if (!response.ok) {
    throw new ServiceError({ title: 'The demonstration study is missing', detail: 'It is made when the service is built: cargo xtask build.', status: response.status });
  }
  return response.blob();
}

/** @param {string} studyId @param {string} segmentationId */
function segmentationPath(studyId, segmentationId) {
  return `/studies/${encodeURIComponent(studyId)}/segmentations/${encodeURIComponent(segmentationId)}`;
}

/**
 * A file of the segmentation to be saved, as an object URL.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {'mask.nii.gz' | 'metrics'} what
 * @param {string} accept
 */
export async function getFile(studyId, segmentationId, what, accept) {
  const response = await call(`${segmentationPath(studyId, segmentationId)}/${what}`, { accept });
  return URL.createObjectURL(await response.blob());
}

/**
 * The picture of one slice, as an object URL. Pictures are kept, so that the beat plays without waiting.
 * @param {string} studyId
 * @param {string} segmentationId
 * @param {{slice: number, frame: number, overlay: string, opacity: number, labels: number[], width: number,
 *   windowCenter: number | null, windowWidth: number | null}} wanted
 * @returns {Promise<string>}
 */
export function getPicture(studyId, segmentationId, wanted) {
  const query = new URLSearchParams({
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
    return known;
  }
  const picture = call(path, { accept: 'image/png' }).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
  picture.catch(() => pictures.delete(path));
  pictures.set(path, picture);
  forgetOldPictures();
  return picture;
}

function forgetOldPictures() {
  for (const [path, picture] of pictures) {
    if (pictures.size <= MAX_PICTURES) return;
    pictures.delete(path);
    picture.then((url) => URL.revokeObjectURL(url), () => {});
  }
}
