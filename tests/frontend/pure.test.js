/**
 * The page's pure modules: no DOM, no network. Run by `node --test tests/frontend/`.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { number, numberRows, phaseSentence, UNKNOWN } from '../../frontend/scripts/format.js';
import { clampIndex, nearestFrame, nextFrame, pictureWidth, sliceFrame } from '../../frontend/scripts/geometry.js';
import { eventReader } from '../../frontend/scripts/sse.js';
import { cleared, createStore, failed, finished, initialState, keyWanted, listed, started, ticked, viewed } from '../../frontend/scripts/state.js';

const study = { id: 's', shape: { frames: 20, slices: 9, rows: 200, columns: 160 }, spacing_mm: { row: 1.4, column: 0.7, slice: 8 } };
const metrics = { phases: { ed_frame: 19, es_frame: 7, method: 'largest_and_smallest_left_ventricle' } };
const done = finished(initialState(), { study, segmentation: { id: 'g' }, metrics });

test('a slice covers its voxels from edge to edge, rows downwards', () => {
  assert.deepEqual(sliceFrame(study.shape, study.spacing_mm), { x: [-0.5, 159.5], y: [199.5, -0.5], rowPerColumn: 2 });
});

test('pictures are a whole multiple of the columns wide and bounded', () => {
  for (const columns of [1, 108, 160, 216, 428, 512]) {
    for (const wanted of [1, 300, 640, 1500, 4000]) {
      const width = pictureWidth(columns, wanted);
      assert.equal(width % columns, 0);
      assert.ok(width >= columns && width <= 1024);
    }
  }
  assert.equal(pictureWidth(160, 640), 640);
});

test('the frame after the last is the first', () => {
  assert.equal(nextFrame(19, 20), 0);
  assert.equal(nextFrame(0, 1), 0);
});

test('an index that is off the study is brought back', () => {
  assert.deepEqual([-1, 0, 8, 9, Number.NaN].map((index) => clampIndex(index, 9)), [0, 0, 8, 8, 0]);
});

test('a click on the curve takes the nearest frame', () => {
  assert.equal(nearestFrame([0, 40, 80, 120], 95), 2);
  assert.equal(nearestFrame([0, 40, 80, 120], 1000), 3);
});

test('events are read whole however the text is cut', () => {
  const text = 'event: progress\ndata: {"stage":"segment",\ndata: "done":1}\n\n: a comment\n\nevent: result\r\ndata: {}\r\n\r\n';
  const expected = [
    { event: 'progress', data: '{"stage":"segment",\n"done":1}' },
    { event: 'result', data: '{}' },
  ];
  for (let cut = 1; cut <= text.length; cut += 1) {
    const read = eventReader();
    const events = [];
    for (let at = 0; at < text.length; at += cut) events.push(...read(text.slice(at, at + cut)));
    assert.deepEqual(events, expected, `cut every ${cut}`);
  }
});

test('a number that is not known is never shown as zero', () => {
  for (const value of [null, undefined, Number.NaN]) assert.equal(number(value), UNKNOWN);
  assert.equal(number(0), '0');
});

test('one frame alone has rows without numbers, and says so', () => {
  const rows = numberRows({ left_ventricle: { edv_ml: null }, right_ventricle: {}, myocardium: { ed_mass_g: null } });
  assert.equal(rows.length, 4);
  assert.ok(rows.every(({ left, right }) => left === UNKNOWN && right === UNKNOWN));
  assert.match(phaseSentence({ phases: { ed_frame: null, es_frame: null } }), /One frame alone/);
});

test('the table carries units and both ventricles', () => {
  const rows = numberRows({ left_ventricle: { ef_percent: 61.23 }, right_ventricle: { ef_percent: 55.5 }, myocardium: { ed_mass_g: 120.4 } });
  assert.deepEqual(rows[3], { quantity: 'Ejection fraction', unit: '%', left: '61.2', right: '55.5' });
  assert.deepEqual(rows[4], { quantity: 'Myocardial mass, end-diastole', unit: 'g', left: '120', right: UNKNOWN });
});

test('a result opens at end-diastole in the middle of the stack', () => {
  assert.equal(done.view.frame, 19);
  assert.equal(done.view.slice, 4);
  assert.equal(done.phase, 'done');
});

test('the view stays within the study and the beat goes round', () => {
  assert.equal(viewed(done, { slice: 99 }).view.slice, 8);
  assert.equal(viewed(done, { frame: -3 }).view.frame, 0);
  assert.equal(ticked(done), done);
  assert.equal(ticked(viewed(done, { playing: true })).view.frame, 0);
});

test('a problem after a result leaves the result in view', () => {
  const problem = { title: 'No', detail: 'why' };
  assert.equal(failed(done, problem).phase, 'done');
  assert.equal(failed(started(done, 'upload'), problem).phase, 'failed');
});

test('a wanted key is asked for and forgotten once it works', () => {
  const asked = keyWanted(initialState(), true);
  assert.deepEqual([asked.needsKey, asked.keyRefused], [true, true]);
  const { needsKey, keyRefused, studies } = listed(asked, [study]);
  assert.deepEqual({ needsKey, keyRefused, studies }, { needsKey: false, keyRefused: false, studies: [study] });
  assert.deepEqual(cleared(listed(done, [study])).studies, [study]);
});

test('listeners hear of a change and not of its absence', () => {
  const store = createStore(initialState());
  let calls = 0;
  store.subscribe(() => { calls += 1; });
  store.change((now) => now);
  store.change((now) => ({ ...now }));
  assert.equal(calls, 2);
});

test('only api.js talks to the service, only plot.js calls Plotly, nothing is set as HTML', () => {
  const root = new URL('../../frontend/scripts/', import.meta.url);
  for (const name of readdirSync(root, { recursive: true }).filter((file) => file.endsWith('.js'))) {
    const source = readFileSync(new URL(name, root), 'utf8');
    assert.ok(source.startsWith('/**'), `${name} opens with what it is`);
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/, name);
    if (name !== 'api.js') assert.doesNotMatch(source, /\bfetch\(|XMLHttpRequest/, name);
    if (name !== 'plot.js') assert.doesNotMatch(source, /Plotly\.\w/, name);
  }
});
