/**
 * The page's pure modules: no DOM, no network. Run by `node --test tests/frontend/`.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { curveFrames, curveMarks, curveTimes, frameStep, frameText, frameVolumes, nearestFrame, neighbours, nextFrame, rateMarks, timeOf } from '../../frontend/scripts/beat.js';
import { formOf, inside } from '../../frontend/scripts/files.js';
import { headlines, intervalSentence, noReferenceText, notKept, number, numberRows, phaseSentence, progressText, quantityName, referencePlaces, sentence, singleFrameText, UNKNOWN } from '../../frontend/scripts/format.js';
import { boxAspect, clampIndex, pictureWidth, sliceFrame } from '../../frontend/scripts/geometry.js';
import { judgedIntervals } from '../../frontend/scripts/models.js';
import { eventReader } from '../../frontend/scripts/sse.js';
import { asked, cancelled, changed, cleared, createStore, failed, finished, initialState, isInView, keyWanted, listed, noted, offered, progressed, revised, started, themed, ticked, tried, viewed } from '../../frontend/scripts/state.js';

const study = { id: 's', shape: { frames: 20, slices: 9, rows: 200, columns: 160 }, spacing_mm: { row: 1.4, column: 0.7, slice: 8 } };
const metrics = { phases: { ed_frame: 19, es_frame: 7, method: 'largest_and_smallest_left_ventricle' } };
const models = [{ name: 'm', active_version: '1', versions: [{ version: '1', engine: 'tract', variants: [] }] }];
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

test('the box of a slice has its shape, within what a page can show', () => {
  assert.equal(boxAspect(study.shape, study.spacing_mm), 0.7);
  assert.equal(boxAspect({ ...study.shape, rows: 160, columns: 192 }, { row: 1, column: 1, slice: 8 }), 1.2);
  assert.equal(boxAspect({ ...study.shape, rows: 1, columns: 192 }, { row: 1, column: 1, slice: 1 }), 1.8);
  assert.equal(boxAspect({ ...study.shape, rows: 0 }, { row: 1, column: 1, slice: 1 }), 1);
});

const timed = { curve: { frames: [0, 1, 2, 3], time_ms: [0, 40, 80, 120], left_ventricle_ml: [4, 3, 2, 1] }, phases: { ed_frame: 0, es_frame: 3 } };
const some = { curve: { frames: [2, 9], time_ms: null, left_ventricle_ml: [4, 1] }, phases: { ed_frame: 2, es_frame: 9 } };

test('a click on the curve takes the nearest frame, in the study\'s own count', () => {
  assert.equal(nearestFrame(timed, 95), 2);
  assert.equal(nearestFrame(timed, 1000), 3);
  assert.equal(nearestFrame(some, 8), 9);
  assert.equal(nearestFrame({}, 8), 0);
});

test('the curve runs over times where they are known, else over frames', () => {
  assert.deepEqual(curveTimes(timed), [0, 40, 80, 120]);
  assert.deepEqual(curveTimes(some), [2, 9]);
  assert.deepEqual(curveFrames({ curve: { left_ventricle_ml: [1, 2, 3] } }), [0, 1, 2]);
  assert.deepEqual(curveFrames(undefined), []);
});

test('end-diastole and end-systole are marked where the curve has them, and nowhere else', () => {
  const left = 'left_ventricle';
  assert.deepEqual(curveMarks(timed), [{ name: 'ED', x: 0, whose: left }, { name: 'ES', x: 120, whose: left }]);
  assert.deepEqual(curveMarks(some), [{ name: 'ED', x: 2, whose: left }, { name: 'ES', x: 9, whose: left }]);
  assert.deepEqual(curveMarks({ ...some, phases: { ed_frame: null, es_frame: 4 } }), []);
  assert.equal(timeOf(timed, undefined), null);
});

test('a phase of the right ventricle is marked where it differs from the left one\'s', () => {
  const phases = { ed_frame: 0, es_frame: 3, right_ventricle: { ed_frame: 0, es_frame: 2 } };
  assert.deepEqual(curveMarks({ ...timed, phases }).map(({ name, x, whose }) => [name, x, whose]), [
    ['ED', 0, 'left_ventricle'],
    ['ES', 120, 'left_ventricle'],
    ['RV ES', 80, 'right_ventricle'],
  ]);
});

test('peak rates are marked on the smoothed curve, around the end of the beat where they lie there', () => {
  const curve = {
    frames: [0, 1, 2, 3, 4],
    time_ms: [0, 40, 80, 120, 160],
    left_ventricle_ml: [9, 7, 4, 6, 10],
    smoothed: { method: 'm', left_ventricle_ml: [9.5, 7.5, 4.5, 6.5, 9] },
    // Peak ejection 80 ms after the end-diastole of frame 4 is frame 1; peak filling 40 ms after the end-systole of frame 2 is frame 3.
    rates: {
      left_ventricle: { peak_ejection_ml_per_s: 75, time_to_peak_ejection_ms: 80, peak_filling_ml_per_s: 60, time_to_peak_filling_ms: 40 },
      right_ventricle: { peak_ejection_ml_per_s: null, time_to_peak_ejection_ms: null, peak_filling_ml_per_s: null, time_to_peak_filling_ms: null },
    },
  };
  assert.deepEqual(rateMarks({ curve, phases: { ed_frame: 4, es_frame: 2, right_ventricle: { ed_frame: 4, es_frame: 2 } } }), [
    { name: 'PER', x: 40, y: 7.5, rate: 75, whose: 'left_ventricle' },
    { name: 'PFR', x: 120, y: 6.5, rate: 60, whose: 'left_ventricle' },
  ]);
  assert.deepEqual(rateMarks({ curve, phases: { ed_frame: null, es_frame: null } }), []);
  assert.deepEqual(rateMarks(timed), []);
});

test('the volumes of a frame are told in a line', () => {
  assert.equal(frameVolumes(timed, 2), `Frame 2, 80 ms: left ventricle 2 ml, myocardium ${UNKNOWN} ml, right ventricle ${UNKNOWN} ml.`);
  assert.equal(frameVolumes(some, 3), 'Frame 3 was not segmented.');
});

test('keys lead through the beat, and to its phases', () => {
  const lead = (key, frame = 1) => frameStep(key, frame, 4, timed);
  assert.deepEqual(['ArrowLeft', 'ArrowRight', 'Home', 'End', 'd', 'S'].map((key) => lead(key)), [0, 2, 0, 3, 0, 3]);
  assert.deepEqual([lead('ArrowLeft', 0), lead('ArrowRight', 3), lead('x'), frameStep('d', 0, 1, {})], [0, 3, null, null]);
});

test('the frame slider tells a time only where it is known', () => {
  assert.equal(frameText(3, 20, 45), '3 of 0–19, 135 ms');
  assert.equal(frameText(3, 20, null), '3 of 0–19');
});

test('the pictures around the one in view are fetched, none beyond the study', () => {
  const shape = { frames: 3, slices: 2 };
  assert.deepEqual(neighbours({ frame: 0, slice: 1, playing: false }, shape), [{ frame: 1, slice: 1 }, { frame: 0, slice: 0 }]);
  assert.deepEqual(neighbours({ frame: 0, slice: 0, playing: false }, { frames: 1, slices: 1 }), []);
  assert.deepEqual(neighbours({ frame: 2, slice: 1, playing: true }, shape), [{ frame: 0, slice: 1 }, { frame: 1, slice: 1 }]);
  const ahead = neighbours({ frame: 28, slice: 0, playing: true }, { frames: 30, slices: 1 }).map(({ frame }) => frame);
  assert.deepEqual(ahead.slice(0, 3), [29, 0, 1]);
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
  assert.ok(rows.every(({ left, right }) => left.text === UNKNOWN && right.text === UNKNOWN));
  assert.match(phaseSentence({ phases: { ed_frame: null, es_frame: null } }), /One frame alone/);
  const curve = { left_ventricle_ml: [120.4], right_ventricle_ml: [null], myocardium_ml: [101] };
  assert.equal(singleFrameText({ curve }), `In this frame: left ventricle 120 ml, right ventricle ${UNKNOWN} ml, myocardium 101 ml.`);
  assert.equal(singleFrameText(timed), '');
  assert.equal(numberRows({ curve, myocardium: { ed_mass_g: 106 } })[4].quantity, 'Myocardial mass, of this frame');
});

test('the table carries units and both ventricles; what has no meaning has no cell', () => {
  const rows = numberRows({ left_ventricle: { ef_percent: 61.23 }, right_ventricle: { ef_percent: 55.5 }, myocardium: { ed_mass_g: 120.4 } });
  assert.deepEqual(rows[3], { quantity: 'Ejection fraction', unit: '%', left: { text: '61.2', truth: '' }, right: { text: '55.5', truth: '' } });
  assert.deepEqual(rows[4], { quantity: 'Myocardial mass, ED', unit: 'g', left: { text: '120', truth: '' }, right: null });
});

test('true values stand beside the measured ones, and only where they are known', () => {
  const rows = numberRows({ left_ventricle: { edv_ml: 129.8, ef_percent: 58.2 } }, { left_ventricle: { edv_ml: 130, ef_percent: 60 } });
  assert.deepEqual(rows[0].left, { text: '130', truth: '130' });
  assert.deepEqual(rows[3].left, { text: '58.2', truth: '60.0' });
  assert.deepEqual(rows[1].left, { text: UNKNOWN, truth: '' });
  assert.deepEqual(rows[0].right, { text: UNKNOWN, truth: '' });
});

test('where a number probably lies stands beside it, with as many digits', () => {
  const intervals = [
    { quantity: 'left_ventricle.ef_percent', low: 54.04, high: 62.5, level: 0.9 },
    { quantity: 'myocardium.ed_mass_g', low: 110.2, high: 131.7, level: 0.9 },
  ];
  const rows = numberRows({ left_ventricle: { ef_percent: 58.2 }, myocardium: { ed_mass_g: 120 }, intervals });
  assert.deepEqual(rows[3].left, { text: '58.2', truth: '', range: '54.0 – 62.5', level: 0.9 });
  assert.deepEqual(rows[4].left, { text: '120', truth: '', range: '110 – 132', level: 0.9 });
  assert.deepEqual(rows[0].left, { text: UNKNOWN, truth: '' });
});

test('intervals are told as what they are meant to be, with what became of them in patients', () => {
  const card = { calibration: { judged: { patients: 25, by_quantity: { 'left_ventricle.esv_ml': 0.76, 'right_ventricle.esv_ml': 1 } } } };
  const listed = [{ name: 'm', active_version: '2', versions: [{ version: '1', card: {} }, { version: '2', card }] }];
  const judged = judgedIntervals(listed, { name: 'm', version: '2' });
  assert.deepEqual(judged, { patients: 25, least: 0.76, most: 1 });
  for (const model of [undefined, { name: 'm', version: '1' }, { name: 'm', version: '3' }, { name: 'n', version: '2' }]) assert.equal(judgedIntervals(listed, model), null);
  const intervals = [{ quantity: 'left_ventricle.ef_percent', low: 54, high: 62, level: 0.9 }];
  const meant = 'Below a number: an interval by the doubt of the model, meant to hold what an expert would find in 90 of 100 patients.';
  assert.equal(intervalSentence({ intervals }, judged), `${meant} In the 25 patients it was judged on, it did so in 76 to 100 %, by quantity.`);
  assert.equal(intervalSentence({ intervals }, null), meant);
  assert.equal(intervalSentence({ intervals: [], intervals_reason: 'A person drew it.' }, judged), 'How far off the numbers may be is not known for this mask. A person drew it.');
});

test('limits of healthy people are told with what is known of them, and nothing where there are none', () => {
  const reference = [
    { quantity: 'left_ventricle.ef_percent', value: 44.04, low: 48.2, high: 67.8, verdict: 'below', source: 'A paper', cohort: 'men' },
    { quantity: 'right_ventricle.edv_ml_per_m2', value: 90, low: null, high: 108, verdict: 'within', source: 'A book', cohort: 'adults' },
    { quantity: 'right_ventricle.ef_percent', value: 60, low: 50, high: null, verdict: 'within', source: 'A book', cohort: 'adults' },
    { quantity: 'myocardium.ed_mass_g_per_m2', value: 60, low: null, high: null, verdict: 'no range available', source: null, cohort: null },
  ];
  assert.deepEqual(referencePlaces({ reference }).map(({ name, text, unit, limits, verdict, source }) => [name, text, unit, limits, verdict, source]), [
    ['LV ejection fraction', '44.0', '%', '48.2 – 67.8', 'below', 'A paper'],
    ['RV end-diastolic volume index', '90', 'ml/m²', '≤ 108', 'within', 'A book'],
    ['RV ejection fraction', '60.0', '%', '≥ 50.0', 'within', 'A book'],
  ]);
  assert.deepEqual(referencePlaces({}), []);
  const reasons = ['the range is of adults', 'the range is of adults', 'A rule leaves out slices.', null].map((reason) => ({ quantity: 'a.b', reason }));
  assert.equal(noReferenceText({ reference: reasons }), 'No reference range is shown. The range is of adults. A rule leaves out slices.');
  assert.equal(noReferenceText({}), 'No reference range is shown.');
});

test('headlines carry interval and reference, and need phases', () => {
  const found = headlines({
    phases: { ed_frame: 0, es_frame: 7 },
    left_ventricle: { ef_percent: 44.04, edv_ml: 130 },
    right_ventricle: {},
    myocardium: { ed_mass_g: 101 },
    intervals: [{ quantity: 'left_ventricle.ef_percent', low: 41, high: 48, level: 0.9 }],
    reference: [{ quantity: 'left_ventricle.ef_percent', value: 44, low: 48, high: 68, verdict: 'below', source: 's', cohort: 'c' }],
  });
  assert.deepEqual(found.map(({ name, text }) => [name, text]), [
    ['LV ejection fraction', '44.0'],
    ['LV end-diastolic volume', '130'],
    ['LV end-systolic volume', UNKNOWN],
    ['LV mass, ED', '101'],
    ['RV ejection fraction', UNKNOWN],
    ['RV end-diastolic volume', UNKNOWN],
  ]);
  assert.deepEqual([found[0].range, found[0].place?.verdict, found[1].place], ['41.0 – 48.0', 'below', null]);
  assert.deepEqual(headlines({ phases: { ed_frame: null, es_frame: null } }), []);
  assert.equal(quantityName('lung.volume_l'), 'lung.volume_l');
});

test('the sentence on the phases tells other frames of the right ventricle and the next best choice', () => {
  const phases = { ed_frame: 0, es_frame: 7, method: 'told', right_ventricle: { ed_frame: 0, es_frame: 8 }, runner_up: { ed_frame: 1, es_frame: 6, ef_percent: 54.36 } };
  const text = phaseSentence({ phases });
  assert.match(text, /End-diastole \(ED\) is frame 0, end-systole \(ES\) frame 7 \(told\)\./);
  assert.match(text, /Right ventricle: frames 0 and 8\./);
  assert.match(text, /next best frames, 1 and 6, .* 54\.4 %/);
  assert.doesNotMatch(phaseSentence({ phases: { ...phases, right_ventricle: { ed_frame: 0, es_frame: 7 } } }), /Right ventricle/);
});

test('a remark of the service stands as a sentence', () => {
  assert.equal(sentence('pixdim[4] is 1'), 'pixdim[4] is 1.');
  assert.equal(sentence('the sform is a unit matrix'), 'The sform is a unit matrix.');
  assert.equal(sentence('Done.'), 'Done.');
});

test('progress is told in sizes while it is sent and in frames afterwards', () => {
  assert.equal(progressText({ stage: 'upload', done: 3 * 1024 * 1024, total: 12 * 1024 * 1024 }), 'Sending the study: 3.0 MiB of 12.0 MiB');
  assert.equal(progressText({ stage: 'upload', done: 0, total: 0 }), 'Sending the study…');
  assert.equal(progressText({ stage: 'segment', done: 7, total: 20 }), 'Finding the contours: 7 of 20 frames');
  assert.equal(progressText({ stage: 'decode', done: 0, total: 0 }), 'Reading the study…');
  assert.equal(progressText({ stage: 'something-new', done: 0, total: 1 }), 'something-new…');
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

test('a problem beside the work leaves what is in view or under way, and one of the work ends it', () => {
  const problem = { title: 'No', detail: 'why' };
  const busy = progressed(started(done, 'upload'), { stage: 'upload', done: 1, total: 2 });
  for (const before of [done, busy]) assert.deepEqual(noted(before, problem), { ...before, problem });
  assert.equal(noted(noted(done, problem), null).problem, null);
  const { phase, progress } = failed(busy, problem);
  assert.deepEqual([phase, progress], ['failed', null]);
});

test('answers about what is not in view any longer change nothing', () => {
  const answer = { segmentation: { id: 'g', revision: 2 }, metrics, revisions: [{ revision: 2 }], tag: '"t"' };
  const other = finished(done, { study: { ...study, id: 'r' }, segmentation: { id: 'h', revision: 1 }, metrics });
  for (const now of [cleared(done), started(done, 'upload'), other]) {
    assert.equal(revised(now, answer), now);
    assert.equal(tried(now, { choices: {}, metrics: {}, problem: null }, done), now);
    assert.ok(!isInView(now, done));
  }
  const later = revised(done, answer);
  assert.ok(isInView(later, done));
  assert.equal(tried(later, { choices: {}, metrics: {}, problem: null }, done), later, 'a trial is of its revision');
});

test('a key that is refused takes what an earlier one opened out of sight', () => {
  const { study: seen, segmentation, metrics: numbers, studies, older, revisions, theme } = keyWanted(listed(themed(done, 'light'), [study], 'next'), true);
  assert.deepEqual([seen, segmentation, numbers, studies, older, revisions, theme], [null, null, null, [], null, [], 'light']);
});

test('a wanted key is asked for and forgotten once it works', () => {
  const refused = keyWanted(initialState(), true);
  assert.deepEqual([refused.needsKey, refused.keyRefused], [true, true]);
  const { needsKey, keyRefused, studies } = listed(refused, [study]);
  assert.deepEqual({ needsKey, keyRefused, studies }, { needsKey: false, keyRefused: false, studies: [study] });
  const again = cleared(themed(asked(offered(listed(done, [study], 'next'), models), { model: 'm@1', precision: '' }), 'light'));
  assert.deepEqual([again.studies, again.older, again.models, again.wanted.model, again.theme], [[study], 'next', models, 'm@1', 'light']);
  assert.equal(listed(again, [study]).older, null);
});

test('work that is given up leaves neither its progress nor an old problem', () => {
  const busy = progressed(started(failed(initialState(), { title: 'No', detail: 'why' }), 'upload'), { stage: 'segment', done: 1, total: 2 });
  const { phase, progress, problem } = cancelled(busy);
  assert.deepEqual({ phase, progress, problem }, { phase: 'empty', progress: null, problem: null });
});

test('the truth of one study is not shown with the next', () => {
  const demo = finished(initialState(), { study, segmentation: { id: 'g' }, metrics, truth: { sha256: 'x' } });
  assert.deepEqual(demo.truth, { sha256: 'x' });
  assert.equal(started(demo, 'upload').truth, null);
  assert.equal(finished(demo, { study, segmentation: { id: 'h' }, metrics }).truth, null);
});

test('what was tried of one study is not shown with the next', () => {
  const trial = { choices: {}, metrics: {}, problem: null };
  assert.equal(tried(done, trial).trial, trial);
  assert.equal(started(tried(done, trial), 'upload').trial, null);
  assert.equal(finished(tried(done, trial), { study, segmentation: { id: 'h' }, metrics }).trial, null);
});

test('another revision leaves the view where it is, and ends what was tried and what was changing', () => {
  const before = changed(tried(viewed(done, { slice: 2, frame: 3 }), { choices: {}, metrics: {}, problem: null }), true);
  const after = revised(before, { segmentation: { id: 'g', revision: 2 }, metrics, revisions: [{ revision: 2 }], tag: '"t"' });
  assert.deepEqual([after.view.slice, after.view.frame, after.trial, after.changing, after.segmentation.revision, after.tag], [2, 3, null, false, 2, '"t"']);
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

test('files are sent behind what is told, and do not tell their names', () => {
  const form = formOf([new File(['a'], 'DOE^JANE.dcm'), new File(['b'], 'x')], { height_cm: '170' });
  assert.deepEqual([...form.keys()], ['height_cm', 'file', 'file']);
  assert.deepEqual(form.getAll('file').map((/** @type {any} */ sent) => sent.name), ['file-1', 'file-2']);
});

test('the files of folders in folders are found, however many pieces a folder is read in', async () => {
  const entry = (/** @type {string} */ name) => ({ isFile: true, file: (/** @type {(file: any) => void} */ done) => done({ name }) });
  const folder = (/** @type {any[][]} */ pieces) => ({
    isDirectory: true,
    createReader: () => {
      const left = [...pieces, []];
      return { readEntries: (/** @type {(piece: any[]) => void} */ done) => done(left.shift() ?? []) };
    },
  });
  const files = await inside([entry('1'), folder([[entry('2')], [folder([[entry('3')]]), entry('4')]]), folder([])]);
  assert.deepEqual(files.map(({ name }) => name), ['1', '2', '3', '4']);
});

test('what was not kept is listed by tag, and text in pixels is flagged', () => {
  assert.equal(notKept(undefined), UNKNOWN);
  assert.equal(notKept({ removed: [] }), 'nothing was there to remove');
  assert.equal(notKept({ removed: ['(0010,0010)', '(0010,0020)'], further: 3, burned_in: ['(0028,0301)'] }), '(0010,0010), (0010,0020) and 3 more; the pixels may hold text, by (0028,0301)');
});
