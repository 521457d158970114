/**
 * What the page knows, and how it changes. Pure: data in, new data out.
 */

import { nextFrame } from './beat.js';
import { clampIndex } from './geometry.js';
import { settled } from './models.js';

/**
 * @typedef {'empty' | 'busy' | 'done' | 'failed'} Phase
 * @typedef {{title: string, detail: string, request_id?: string}} Problem
 * @typedef {{stage: string, done: number, total: number}} Progress
 * @typedef {'contour' | 'fill' | 'none'} Overlay
 * @typedef {{frame: number, slice: number, overlay: Overlay, opacity: number, labels: number[], playing: boolean,
 *   windowCenter: number | null, windowWidth: number | null}} View
 * @typedef {'dark' | 'light'} Theme
 * @typedef {{choices: import('./measuring.js').Choices, metrics: any, problem: Problem | null}} Trial
 * @typedef {{phase: Phase, needsKey: boolean, keyRefused: boolean, problem: Problem | null, progress: Progress | null,
 *   study: any, studyTag: string, segmentation: any, metrics: any, truth: any, trial: Trial | null, revisions: any[],
 *   tag: string, changing: boolean, mayChange: boolean, studies: any[], older: string | null, models: any[],
 *   wanted: import('./models.js').Wanted, theme: Theme, view: View}} State
 *
 * `trial` is how the mask would be measured with other choices; its `metrics` are `null` until they are there. `wanted` is the model that
 * the next request asks for. `revisions` are those of the segmentation, the last one first; `tag` is what the service knows the one in view
 * by, `studyTag` the same of the study; `changing` is whether a review or a change is on its way, `mayChange` is false once the service has said that the key allows none.
 * `truth` is what is known of the demonstration heart; `null` for every other study. `older` is where the list of kept studies goes on;
 * `null` where it is whole.
 */

/** @returns {State} */
export function initialState() {
  return {
    phase: 'empty',
    needsKey: false,
    keyRefused: false,
    problem: null,
    progress: null,
    study: null,
    studyTag: '',
    segmentation: null,
    metrics: null,
    truth: null,
    trial: null,
    revisions: [],
    tag: '',
    changing: false,
    mayChange: true,
    studies: [],
    older: null,
    models: [],
    wanted: { model: '', precision: '' },
    theme: 'dark',
    view: {
      frame: 0,
      slice: 0,
      overlay: 'contour',
      opacity: 0.4,
      labels: [1, 2, 3],
      playing: false,
      windowCenter: null,
      windowWidth: null,
    },
  };
}

/**
 * @param {State} state
 * @param {string} stage
 * @returns {State}
 */
export function started(state, stage) {
  return { ...state, phase: 'busy', problem: null, progress: { stage, done: 0, total: 0 }, study: null, studyTag: '', segmentation: null, metrics: null, truth: null, trial: null, revisions: [], tag: '', changing: false };
}

/**
 * @param {State} state
 * @param {Progress} progress
 * @returns {State}
 */
export function progressed(state, progress) {
  return { ...state, progress };
}

/**
 * The work failed.
 * @param {State} state
 * @param {Problem} problem
 * @returns {State}
 */
export function failed(state, problem) {
  return { ...state, phase: 'failed', progress: null, problem };
}

/**
 * Something beside the work went wrong, or with `null`, what went wrong is over: what is in view or under way stays.
 * @param {State} state
 * @param {Problem | null} problem
 * @returns {State}
 */
export function noted(state, problem) {
  return { ...state, problem };
}

/**
 * Whether what was asked about is still what the page shows: an answer may come when it is not.
 * @param {State} state
 * @param {{study: any, segmentation: any}} asked the state when it was asked
 */
export function isInView(state, { study, segmentation }) {
  return study !== null && state.study?.id === study.id && segmentation !== null && state.segmentation?.id === segmentation.id;
}

/**
 * The work was given up by the person who asked for it.
 * @param {State} state
 * @returns {State}
 */
export function cancelled(state) {
  return { ...state, phase: 'empty', progress: null, problem: null };
}

/**
 * A study was segmented and measured: the view starts at end-diastole in the middle of the stack.
 * @param {State} state
 * @param {{study: any, studyTag?: string, segmentation: any, metrics: any, revisions?: any[], tag?: string, truth?: any}} result
 * @returns {State}
 */
export function finished(state, { study, studyTag = '', segmentation, metrics, revisions = [], tag = '', truth = null }) {
  const frame = clampIndex(metrics?.phases?.ed_frame ?? 0, study.shape.frames);
  const slice = clampIndex((study.shape.slices - 1) / 2, study.shape.slices);
  return {
    ...state,
    phase: 'done',
    problem: null,
    progress: null,
    study,
    studyTag,
    segmentation,
    metrics,
    truth,
    trial: null,
    revisions,
    tag,
    changing: false,
    view: { ...state.view, frame, slice, playing: false, windowCenter: null, windowWidth: null },
  };
}

/**
 * Changes the view; frame and slice stay within the study.
 * @param {State} state
 * @param {Partial<View>} change
 * @returns {State}
 */
export function viewed(state, change) {
  const view = { ...state.view, ...change };
  if (state.study) {
    view.frame = clampIndex(view.frame, state.study.shape.frames);
    view.slice = clampIndex(view.slice, state.study.shape.slices);
  }
  return { ...state, view };
}

/**
 * One step of the beat while it plays.
 * @param {State} state
 * @returns {State}
 */
export function ticked(state) {
  if (!state.study || !state.view.playing) return state;
  return viewed(state, { frame: nextFrame(state.view.frame, state.study.shape.frames) });
}

/**
 * The service wants a key, or refused the one it was given: what an earlier one opened is not shown any longer.
 * @param {State} state
 * @param {boolean} refused
 * @returns {State}
 */
export function keyWanted(state, refused) {
  return { ...cleared(state), studies: [], older: null, needsKey: true, keyRefused: refused };
}

/**
 * @param {State} state
 * @param {any[]} studies
 * @param {string | null} [older]
 * @returns {State}
 */
export function listed(state, studies, older = null) {
  return { ...state, needsKey: false, keyRefused: false, studies, older };
}

/**
 * Back to the start; what the page knows of the service stays.
 * @param {State} state
 * @returns {State}
 */
export function cleared(state) {
  const { studies, older, models, mayChange, wanted, theme } = state;
  return { ...initialState(), studies, older, models, mayChange, wanted, theme };
}

/**
 * The segmentation is there in another revision, or the study with other facts; the view stays where it is. One that is not in view any
 * longer changes nothing.
 * @param {State} state
 * @param {{study?: any, studyTag?: string, segmentation: any, metrics: any, revisions: any[], tag: string}} result
 * @returns {State}
 */
export function revised(state, { study = state.study, studyTag = state.studyTag, segmentation, metrics, revisions, tag }) {
  if (!isInView(state, { study, segmentation })) return state;
  return { ...state, problem: null, study, studyTag, segmentation, metrics, revisions, tag, trial: null, changing: false };
}

/**
 * A review or a change is on its way, or has ended.
 * @param {State} state
 * @param {boolean} changing
 * @returns {State}
 */
export function changed(state, changing) {
  return { ...state, changing };
}

/**
 * The service has said whether the key allows reviews and changes, or there is another key, of which that is not known.
 * @param {State} state
 * @param {boolean} mayChange
 * @returns {State}
 */
export function allowed(state, mayChange) {
  return { ...state, mayChange };
}

/**
 * Other choices of how to measure are tried, answered, refused or, with `null`, given up. Those of a revision that is not in view any
 * longer change nothing.
 * @param {State} state
 * @param {Trial | null} trial
 * @param {{study: any, segmentation: any}} [asked] the state when they were tried
 * @returns {State}
 */
export function tried(state, trial, asked = state) {
  return isInView(state, asked) && state.segmentation.revision === asked.segmentation.revision ? { ...state, trial } : state;
}

/**
 * @param {State} state
 * @param {any[]} models
 * @returns {State}
 */
export function offered(state, models) {
  return { ...state, models };
}

/**
 * @param {State} state
 * @param {import('./models.js').Wanted} wanted
 * @returns {State}
 */
export function asked(state, wanted) {
  return { ...state, wanted: settled(state.models, wanted) };
}

/**
 * @param {State} state
 * @param {Theme} theme
 * @returns {State}
 */
export function themed(state, theme) {
  return { ...state, theme };
}

/**
 * Holds a state and tells its listeners when it changes.
 * @param {State} initial
 */
export function createStore(initial) {
  let state = initial;
  /** @type {Set<(state: State) => void>} */
  const listeners = new Set();
  return {
    get: () => state,
    /** @param {(state: State) => State} change */
    change(change) {
      const next = change(state);
      if (next === state) return;
      state = next;
      for (const listener of listeners) listener(state);
    },
    /** @param {(state: State) => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      listener(state);
    },
  };
}
