/**
 * Puts the page together: state in the middle, views around it, the service behind `api.js`.
 */

import * as api from './api.js';
import * as state from './state.js';
import { mount as mountCurve } from './views/curve.js';
import { mount as mountIntake } from './views/intake.js';
import { mount as mountKey } from './views/key.js';
import { mount as mountMessage } from './views/message.js';
import { mount as mountNumbers } from './views/numbers.js';
import { mount as mountProgress } from './views/progress.js';
import { mount as mountProvenance } from './views/provenance.js';
import { mount as mountVerdict } from './views/verdict.js';
import { mount as mountViewer } from './views/viewer.js';

/** How long a frame is shown while the beat plays and the frame time is not known, in ms. */
const USUAL_FRAME_MS = 50;

const store = state.createStore(state.initialState());

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/** @param {unknown} cause */
function fail(cause) {
  if (cause instanceof api.ServiceError) {
    if (cause.wantsKey) store.change((now) => state.keyWanted(now, api.hasKey()));
    else store.change((now) => state.failed(now, cause.problem));
    return;
  }
  console.error(cause);
  store.change((now) => state.failed(now, { title: 'The page failed', detail: 'Reload it and try again. If this happens again, tell whoever runs the service.' }));
}

/** @param {() => Promise<void>} work */
async function attempt(work) {
  try {
    await work();
  } catch (cause) {
    fail(cause);
  }
}

/** @param {state.Progress} progress */
function report(progress) {
  store.change((now) => state.progressed(now, progress));
}

async function refreshList() {
  const studies = await api.listStudies();
  store.change((now) => state.listed(now, studies));
}

/** @param {any} study */
async function analyse(study) {
  const segmentation = await api.segmentStudy(study.id, report);
  report({ stage: 'measure', done: 0, total: 0 });
  const metrics = await api.getMetrics(study.id, segmentation.id);
  store.change((now) => state.finished(now, { study, segmentation, metrics }));
}

/** @param {Blob} file @param {Record<string, string>} facts */
async function upload(file, facts) {
  const study = await api.createStudy(file, facts, (done, total) => report({ stage: 'upload', done, total }));
  report({ stage: 'decode', done: 0, total: 0 });
  await analyse(study);
}

const actions = {
  /** @param {Blob} file @param {Record<string, string>} facts */
  open: (file, facts) => attempt(() => {
    store.change((now) => state.started(now, 'upload'));
    return upload(file, facts);
  }),
  /** @param {Record<string, string>} facts */
  openDemo: (facts) => attempt(async () => {
    store.change((now) => state.started(now, 'demo'));
    await upload(await api.getDemo(), facts);
  }),
  /** @param {any} study */
  reopen: (study) => attempt(async () => {
    store.change((now) => state.started(now, 'decode'));
    await analyse(await api.getStudy(study.id));
  }),
  /** @param {any} study */
  remove: (study) => attempt(async () => {
    await api.deleteStudy(study.id);
    await refreshList();
  }),
  /** @param {string} key */
  useKey: (key) => attempt(() => {
    api.useKey(key);
    return refreshList();
  }),
  /** @param {Partial<state.View>} change */
  view: (change) => store.change((now) => state.viewed(now, change)),
  /** @param {any} wanted */
  picture: (wanted) => {
    const { study, segmentation } = store.get();
    return api.getPicture(study.id, segmentation.id, wanted);
  },
  /** @param {'mask.nii.gz' | 'metrics'} what */
  save: (what) => attempt(async () => {
    const { study, segmentation } = store.get();
    const csv = what === 'metrics';
    const url = await api.getFile(study.id, segmentation.id, what, csv ? 'text/csv' : 'application/gzip');
    const link = document.createElement('a');
    link.href = url;
    link.download = csv ? `${study.id}-metrics.csv` : `${study.id}-mask.nii.gz`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 0);
  }),
  problem: fail,
};

const views = [
  mountMessage(byId('message')),
  mountKey(byId('key'), actions),
  mountIntake(byId('intake'), actions),
  mountProgress(byId('progress')),
];
/** Plotly measures the space it is given, so these are updated only while they can be seen. */
const resultViews = [
  mountVerdict(byId('verdict')),
  mountViewer(byId('viewer'), actions),
  mountNumbers(byId('numbers')),
  mountCurve(byId('curve'), actions),
  mountProvenance(byId('provenance'), actions),
];

const again = /** @type {HTMLButtonElement} */ (byId('start-again'));
again.addEventListener('click', () => {
  store.change(state.cleared);
  attempt(refreshList);
});

/** @type {ReturnType<typeof setTimeout> | undefined} */
let beat;
/** @param {state.State} now */
function keepBeating(now) {
  if (!now.view.playing) {
    clearTimeout(beat);
    beat = undefined;
  } else if (beat === undefined) {
    beat = setTimeout(() => {
      beat = undefined;
      store.change(state.ticked);
    }, now.study?.frame_ms ?? USUAL_FRAME_MS);
  }
}

store.subscribe((now) => {
  document.body.dataset.phase = now.phase;
  const done = now.phase === 'done';
  byId('result').hidden = !done;
  again.hidden = !done && now.phase !== 'failed';
  for (const view of done ? [...views, ...resultViews] : views) view.update(now);
  keepBeating(now);
});

attempt(refreshList);
