/**
 * Puts the page together: state in the middle, views around it, the service behind `api.js`.
 */

import * as api from './api.js';
import * as state from './state.js';
import { choicesChange, choicesOf, choicesQuery } from './measuring.js';
import { requestBody } from './models.js';
import { mount as mountBullseye } from './views/bullseye.js';
import { mount as mountCurve } from './views/curve.js';
import { mount as mountFacts } from './views/facts.js';
import { mount as mountHeadline } from './views/headline.js';
import { mount as mountIntake } from './views/intake.js';
import { mount as mountKey } from './views/key.js';
import { mount as mountMeasuring } from './views/measuring.js';
import { mount as mountMessage } from './views/message.js';
import { mount as mountModels } from './views/models.js';
import { mount as mountNumbers } from './views/numbers.js';
import { mount as mountProgress } from './views/progress.js';
import { mount as mountProvenance } from './views/provenance.js';
import { mount as mountReview } from './views/review.js';
import { mount as mountTheme } from './views/theme.js';
import { mount as mountVerdict } from './views/verdict.js';
import { mount as mountViewer } from './views/viewer.js';

/** A file that is saved is kept for it this long. */
const SAVE_WITHIN_MS = 60_000;

const store = state.createStore(state.initialState());

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

/** What is under way: `cancel` ends it. */
let work = new AbortController();

/** What is looked at or tried beside the work: the next ends the one before. */
let aside = new AbortController();

/** What kept a picture from being shown: over with the next one. @type {state.Problem | null} */
let pictureProblem = null;

/** Ends what is under way and what is looked at: nothing of it is to be shown any longer. */
function endAll() {
  work.abort();
  aside.abort();
  work = new AbortController();
  api.forgetPictures();
}

/** Ends what is looked at or tried, for something else. */
function lookAside() {
  aside.abort();
  aside = new AbortController();
  return aside.signal;
}

/**
 * @param {unknown} cause
 * @param {(now: state.State, problem: state.Problem) => state.State} [become] what a problem makes of the page
 */
function fail(cause, become = state.noted) {
  if (api.isAbort(cause)) return;
  if (cause instanceof api.ServiceError && cause.wantsKey) {
    endAll();
    store.change((now) => state.keyWanted(now, api.hasKey()));
    return;
  }
  if (!(cause instanceof api.ServiceError)) console.error(cause);
  const problem = cause instanceof api.ServiceError ? cause.problem : { title: 'The page failed', detail: 'Reload it and try again. If this happens again, tell whoever runs the service.' };
  store.change((now) => become(now, problem));
}

/**
 * Does something beside the work. Once it is done, a problem from before it is over.
 * @param {() => Promise<void>} act
 */
async function attempt(act) {
  const { problem } = store.get();
  try {
    await act();
    store.change((now) => (problem !== null && now.problem === problem ? state.noted(now, null) : now));
  } catch (cause) {
    fail(cause);
  }
}

/** @param {state.Progress} progress */
function report(progress) {
  store.change((now) => state.progressed(now, progress));
}

async function refreshList() {
  const { items, next_cursor: older } = await api.listStudies();
  store.change((now) => state.listed(now, items, older));
}

async function refreshAll() {
  await refreshList();
  const models = await api.listModels();
  store.change((now) => state.offered(now, models));
}

/** @param {string} stage @param {(signal: AbortSignal) => Promise<void>} run */
async function start(stage, run) {
  endAll();
  const { signal } = work;
  store.change((now) => state.started(now, stage));
  try {
    await run(signal);
  } catch (cause) {
    learn(cause);
    fail(cause, state.failed);
  }
}

/**
 * Uploads, reviews and changes all take a clinician's key: where one of them is refused, the others would be.
 * @param {unknown} cause
 */
function learn(cause) {
  if (cause instanceof api.ServiceError && cause.problem.status === 403) store.change((now) => state.allowed(now, false));
}

/** @param {any} study @param {AbortSignal} signal */
async function analyse(study, signal) {
  const segmentation = await api.segmentStudy(study.id, requestBody(store.get().wanted), report, signal);
  await show(study.id, segmentation.id, signal);
}

/** @param {string} studyId @param {string} segmentationId @param {AbortSignal} signal */
async function show(studyId, segmentationId, signal) {
  report({ stage: 'measure', done: 0, total: 0 });
  const kept = await api.getStudy(studyId, signal);
  const found = await revision(studyId, segmentationId, signal);
  const truth = await api.getTruth(kept.study, signal);
  store.change((now) => state.finished(now, { ...kept, ...found, truth }));
}

/**
 * A segmentation in its last revision or in a named one, with its numbers and its history.
 * @param {string} studyId @param {string} segmentationId @param {AbortSignal} signal @param {number} [wanted]
 */
async function revision(studyId, segmentationId, signal, wanted) {
  const { segmentation, tag } = await api.getSegmentation(studyId, segmentationId, signal, wanted);
  const metrics = await api.getMetrics(studyId, segmentationId, segmentation.revision, signal);
  const revisions = await api.listRevisions(studyId, segmentationId, signal);
  return { segmentation, tag, metrics, revisions };
}

/**
 * Changes what is in view and shows what became of it.
 * @param {(seen: api.Seen) => Promise<void>} change
 * @returns {Promise<boolean>} whether it was done
 */
async function alter(change) {
  const asked = store.get();
  const { study, segmentation, tag } = asked;
  const { signal } = work;
  const refresh = async () => {
    const kept = await api.getStudy(study.id, signal);
    const found = await revision(study.id, segmentation.id, signal);
    store.change((now) => state.revised(now, { ...kept, ...found }));
  };
  aside.abort();
  store.change((now) => state.changed(now, true));
  try {
    await change({ studyId: study.id, segmentationId: segmentation.id, tag });
    await refresh();
    return true;
  } catch (cause) {
    // Somebody else was faster: what they did is shown with the refusal.
    if (cause instanceof api.ServiceError && cause.problem.status === 412) await attempt(refresh);
    learn(cause);
    fail(cause, (now, problem) => {
      if (state.isInView(now, asked)) return state.noted(state.changed(now, false), problem);
      return state.noted(now, { ...problem, title: `Of the study before: ${problem.title}` });
    });
    return false;
  }
}

/** @param {Blob[]} files @param {Record<string, string>} facts @param {AbortSignal} signal */
async function upload(files, facts, signal) {
  const sent = (/** @type {number} */ done, /** @type {number} */ total) =>
    report(done < total ? { stage: 'upload', done, total } : { stage: 'decode', done: 0, total: 0 });
  const study = await api.createStudy(files, facts, sent, signal);
  await analyse(study, signal);
}

/** @param {import('./measuring.js').Choices | null} choices @param {AbortSignal} signal */
async function tryOut(choices, signal) {
  store.change((now) => state.tried(now, choices && { choices, metrics: now.trial?.metrics ?? null, problem: null }));
  if (!choices) return;
  const asked = store.get();
  const { study, segmentation } = asked;
  const answer = (/** @type {Partial<state.Trial>} */ found) =>
    store.change((now) => (signal.aborted ? now : state.tried(now, { choices, metrics: null, problem: null, ...found }, asked)));
  try {
    answer({ metrics: await api.getMetrics(study.id, segmentation.id, segmentation.revision, signal, choicesQuery(choices)) });
  } catch (cause) {
    // Choices that contradict each other are no failure of the page: what is wrong stands beside them.
    if (cause instanceof api.ServiceError && !cause.wantsKey) answer({ problem: cause.problem });
    else fail(cause);
  }
}

const actions = {
  /** @param {Blob[]} files @param {Record<string, string>} facts */
  open: (files, facts) => start('upload', (signal) => upload(files, facts, signal)),
  /** @param {Record<string, string>} facts */
  openDemo: (facts) => start('demo', async (signal) => upload([await api.getDemo(signal)], { ...facts, label: api.DEMO_LABEL }, signal)),
  /** @param {any} study */
  reopen: (study) => start('decode', async (signal) => {
    const { study: kept } = await api.getStudy(study.id, signal);
    const segmentation = await api.findSegmentation(kept, signal);
    await (segmentation ? show(kept.id, segmentation.id, signal) : analyse(kept, signal));
  }),
  again: () => {
    const { study } = store.get();
    return start('segment', (signal) => analyse(study, signal));
  },
  cancel: () => {
    endAll();
    store.change(state.cancelled);
    return attempt(refreshList);
  },
  listOlder: () => attempt(async () => {
    const { older: from } = store.get();
    const { items, next_cursor: older } = await api.listStudies(from);
    // A list that was fetched anew meanwhile ends elsewhere.
    store.change((now) => (now.older === from ? state.listed(now, [...now.studies, ...items], older) : now));
  }),
  /** @param {any} study */
  remove: (study) => attempt(async () => {
    await api.deleteStudy(study.id);
    await refreshList();
  }),
  /** @param {string} key */
  useKey: (key) => attempt(() => {
    api.useKey(key);
    store.change((now) => state.allowed(now, true));
    return refreshAll();
  }),
  /** @param {Partial<state.View>} change */
  view: (change) => store.change((now) => state.viewed(now, change)),
  tick: () => store.change(state.ticked),
  /** @param {string} title @param {string} detail */
  refuse: (title, detail) => store.change((now) => state.noted(now, { title, detail })),
  dismiss: () => store.change((now) => state.noted(now, null)),
  /** @param {any} wanted */
  picture: async (wanted) => {
    const asked = store.get();
    const { study, segmentation } = asked;
    try {
      return await api.getPicture(study.id, segmentation.id, { ...wanted, revision: segmentation.revision });
    } catch (cause) {
      throw state.isInView(store.get(), asked) ? cause : api.givenUp();
    }
  },
  /** @param {unknown} cause */
  pictureFailed: (cause) => {
    fail(cause);
    pictureProblem = store.get().problem;
  },
  pictureDrawn: () => store.change((now) => (pictureProblem !== null && now.problem === pictureProblem ? state.noted(now, null) : now)),
  /** @param {string} what a name in `api.FILES` */
  save: (what) => attempt(async () => {
    const { study, segmentation } = store.get();
    const { url, name } = await api.getFile(study.id, segmentation.id, segmentation.revision, what);
    const link = document.createElement('a');
    link.href = url;
    link.download = name;
    link.click();
    // The browser has read it by then, whatever it asks of the person first.
    setTimeout(() => URL.revokeObjectURL(url), SAVE_WITHIN_MS);
  }),
  /** The report, in a page of its own: it is fetched with the key, so that no address of it works without one. */
  report: () => {
    // Opened before anything is waited for, or the browser takes it for an advertisement.
    const tab = window.open('', '_blank');
    return attempt(async () => {
      const { study, segmentation } = store.get();
      try {
        const url = await api.getReport(study.id, segmentation.id, segmentation.revision);
        if (tab) tab.location.href = url;
        setTimeout(() => URL.revokeObjectURL(url), SAVE_WITHIN_MS);
      } catch (cause) {
        tab?.close();
        throw cause;
      }
    });
  },
  /** @param {import('./measuring.js').Choices | null} choices */
  tryChoices: (choices) => tryOut(choices, lookAside()),
  /** What is tried becomes a new revision. */
  keepChoices: () => {
    const { metrics, trial: tried } = store.get();
    if (!tried) return Promise.resolve(false);
    return alter((seen) => api.changeSegmentation(seen, choicesChange(choicesOf(metrics), tried.choices)));
  },
  /** @param {object} change facts about the subject, or the label */
  tell: (change) => {
    const { studyTag } = store.get();
    return alter(({ studyId }) => api.changeStudy(studyId, studyTag, change));
  },
  /** @param {'approved' | 'rejected'} decision @param {string} note */
  review: (decision, note) => alter((seen) => api.reviewSegmentation(seen, { state: decision, ...(note ? { note } : {}) })),
  /** @param {Blob} file @param {number | null} frame */
  correct: (file, frame) => alter((seen) => api.correctMask(seen, file, frame)),
  /** @param {number} wanted a revision */
  look: (wanted) => attempt(async () => {
    store.change((now) => state.tried(now, null));
    const { study, segmentation } = store.get();
    const found = await revision(study.id, segmentation.id, lookAside(), wanted);
    store.change((now) => state.revised(now, found));
  }),
  /** @param {import('./models.js').Wanted} wanted */
  want: (wanted) => store.change((now) => state.asked(now, wanted)),
  /** @param {state.Theme} theme */
  setTheme: (theme) => store.change((now) => state.themed(now, theme)),
};

const views = [
  mountMessage(byId('message'), actions),
  mountTheme(byId('appearance'), actions),
  mountKey(byId('key'), actions),
  mountModels(byId('models'), actions, ['empty', 'failed']),
  mountIntake(byId('intake'), actions),
  mountProgress(byId('progress'), actions),
];
/** Plotly measures the space it is given, so these are updated only while they can be seen. */
const resultViews = [
  mountVerdict(byId('verdict')),
  mountHeadline(byId('headline')),
  mountViewer(byId('viewer'), actions),
  mountNumbers(byId('numbers')),
  mountFacts(byId('about'), actions),
  mountCurve(byId('curve'), actions),
  mountBullseye(byId('wall')),
  mountMeasuring(byId('measuring'), actions),
  mountReview(byId('review'), actions),
  mountProvenance(byId('provenance'), actions),
];

const light = window.matchMedia('(prefers-color-scheme: light)');
const asTheSystem = () => actions.setTheme(light.matches ? 'light' : 'dark');
light.addEventListener('change', asTheSystem);
asTheSystem();

const again = /** @type {HTMLButtonElement} */ (byId('start-again'));
again.addEventListener('click', () => {
  endAll();
  store.change(state.cleared);
  document.getElementById('file')?.focus();
  attempt(refreshList);
});

let wasDone = false;
store.subscribe((now) => {
  document.body.dataset.phase = now.phase;
  const done = now.phase === 'done';
  byId('result').hidden = !done;
  again.hidden = !done;
  for (const view of done ? [...views, ...resultViews] : views) view.update(now);
  // What had the focus is gone when a result comes: reading goes on at its verdict.
  if (done && !wasDone) queueMicrotask(() => /** @type {HTMLElement | null} */ (byId('verdict').querySelector('.verdict'))?.focus({ preventScroll: true }));
  wasDone = done;
});

attempt(refreshAll);
