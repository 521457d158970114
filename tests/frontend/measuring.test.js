/**
 * Choices of how to measure, and of the model that is asked. Run by `node --test`.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { basalSentence, choicesBody, choicesChange, choicesOf, choicesQuery, comparison, phaseRows, sameChoices, withoutBasal } from '../../frontend/scripts/measuring.js';
import { modelOptions, precisionOptions, requestBody, settled } from '../../frontend/scripts/models.js';

const metrics = {
  phases: { ed_frame: 0, es_frame: 7, method: 'es_told', right_ventricle: { ed_frame: 19, es_frame: 8 }, runner_up: { ed_frame: 1, es_frame: 7, ef_percent: 55.55 } },
  left_ventricle: { edv_ml: 130, esv_ml: 60, ef_percent: 53.8 },
  right_ventricle: { edv_ml: 140, ef_percent: 50.04 },
  myocardium: { ed_mass_g: 100 },
  conventions: { excluded_slices: [9, 2], basal_rule: 'mostly_enclosed' },
  body: { bsa_m2: 1.9, formula: 'dubois' },
};

test('the choices that are kept are read off the numbers: what was found is no choice', () => {
  assert.deepEqual(choicesOf(metrics), { edFrame: null, esFrame: 7, excludedSlices: [2, 9], basalRule: 'mostly_enclosed', bsaFormula: 'dubois' });
  const found = { ...metrics, phases: { ...metrics.phases, method: 'largest_and_smallest_left_ventricle' } };
  assert.deepEqual([choicesOf(found).edFrame, choicesOf(found).esFrame], [null, null]);
  const told = { ...metrics, phases: { ...metrics.phases, method: 'told' } };
  assert.deepEqual([choicesOf(told).edFrame, choicesOf(told).esFrame], [0, 7]);
});

test('choices go into a query and a body, and a phase that is to be found says so', () => {
  const choices = { ...choicesOf(metrics), excludedSlices: [3, 0] };
  assert.equal(String(choicesQuery(choices)), 'ed_frame=&es_frame=7&basal_rule=mostly_enclosed&bsa_formula=dubois&excluded_slices=0%2C3');
  assert.match(String(choicesQuery({ ...choices, excludedSlices: [] })), /excluded_slices=none$/);
  assert.deepEqual(choicesBody(choices), { ed_frame: null, es_frame: 7, excluded_slices: [0, 3], basal_rule: 'mostly_enclosed', bsa_formula: 'dubois' });
  assert.ok(sameChoices(choices, { ...choices, excludedSlices: [0, 3] }));
  assert.ok(!sameChoices(choices, { ...choices, esFrame: null }));
});

test('only what is another choice is told as a change', () => {
  const from = choicesOf(metrics);
  assert.deepEqual(choicesChange(from, from), {});
  assert.deepEqual(choicesChange(from, { ...from, esFrame: null, excludedSlices: [] }), { es_frame: null, excluded_slices: [] });
});

test('what a choice changes is told with its sign, and what it does not as 0', () => {
  const tried = { ...metrics, left_ventricle: { edv_ml: 120.4, esv_ml: 60.2, ef_percent: 50, sv_ml: 70.4 }, right_ventricle: { edv_ml: null, ef_percent: 52 } };
  const before = { ...metrics, left_ventricle: { ...metrics.left_ventricle, sv_ml: 70.6 } };
  assert.deepEqual(comparison(before, tried).map(({ name, kept, tried: now, change, unit }) => [name, kept, now, change, unit]), [
    ['LV end-diastolic volume', '130', '120', '−10', 'ml'],
    ['LV end-systolic volume', '60', '60', '0', 'ml'],
    ['LV stroke volume', '71', '70', '−1', 'ml'],
    ['LV ejection fraction', '53.8', '50.0', '−3.8', '%'],
    ['RV end-diastolic volume', '140', '–', '', 'ml'],
    ['RV ejection fraction', '50.0', '52.0', '+2.0', '%'],
    ['LV mass, ED', '100', '100', '0', 'g'],
  ]);
});

test('phases of both ventricles stand beside the next best choice', () => {
  assert.deepEqual(phaseRows(metrics).map(({ name, ed, es, ef }) => [name, ed, es, ef]), [
    ['Left ventricle', '0', '7', '53.8'],
    ['Left, next best', '1', '7', '55.5'],
    ['Right ventricle', '19', '8', '50.0'],
  ]);
  assert.deepEqual(phaseRows({ phases: { ed_frame: null, es_frame: null } }), []);
});

test('what hangs on the most basal slice stands with the numbers as they are', () => {
  const without = { slice: 2, ed_frame: 0, es_frame: 7, edv_ml: 117.6, esv_ml: 60, ef_percent: 48.98 };
  assert.equal(basalSentence({ ...metrics, without_basal_slice: without }), "Without slice 2, the left ventricle's most basal at ED, EDV would be 118 ml instead of 130, EF 49.0 % instead of 53.8.");
  assert.match(basalSentence({ ...metrics, without_basal_slice: { ...without, es_frame: 8 } }), / instead of 53\.8, between frames 0 and 8\.$/);
  const right = { edv_ml: 164.4, ef_percent: 27.42 };
  assert.match(basalSentence({ ...metrics, without_basal_slice: { ...without, right_ventricle: right } }), / instead of 53\.8\. The right ventricle’s EDV would be 164 ml instead of 140, its EF 27\.4 % instead of 50\.0\.$/);
  assert.equal(basalSentence(metrics), '');
  const { excludedSlices, ...rest } = withoutBasal({ ...metrics, without_basal_slice: { ...without, slice: 3 } });
  assert.deepEqual([excludedSlices, rest], [[2, 9, 3], { edFrame: null, esFrame: 7, basalRule: 'mostly_enclosed', bsaFormula: 'dubois' }]);
  assert.deepEqual(withoutBasal(metrics), choicesOf(metrics));
  assert.equal(basalSentence(null), '');
});

const models = [
  {
    name: 'unet',
    active_version: '2.0.0',
    versions: [
      { version: '2.0.0', engine: 'openvino', variants: [{ precision: 'fp32', runs: true, engine: 'openvino' }, { precision: 'int8', runs: false, engine: null, reason: 'no such processor' }] },
      { version: '1.0.0', engine: null, reason: 'no engine reads it', variants: [] },
    ],
  },
];

test('a version that no engine runs and a precision that does not run cannot be chosen', () => {
  assert.deepEqual(modelOptions(models).map(({ value, name, disabled }) => [value, name, disabled]), [
    ['unet@2.0.0', 'unet 2.0.0 (active)', false],
    ['unet@1.0.0', 'unet 1.0.0', true],
  ]);
  assert.deepEqual(precisionOptions(models, 'unet@2.0.0').map(({ value, disabled, why }) => [value, disabled, why]), [['fp32', false, ''], ['int8', true, 'no such processor']]);
  assert.deepEqual([precisionOptions(models, ''), precisionOptions(models, 'other@1')], [[], []]);
});

test('a request names what was chosen, and a precision only where it is there', () => {
  assert.deepEqual(requestBody({ model: '', precision: '' }), {});
  assert.deepEqual(requestBody(settled(models, { model: 'unet@2.0.0', precision: 'fp32' })), { model: 'unet@2.0.0', precision: 'fp32' });
  assert.deepEqual(requestBody(settled(models, { model: 'unet@2.0.0', precision: 'int8' })), { model: 'unet@2.0.0' });
  assert.deepEqual(requestBody(settled(models, { model: '', precision: 'fp32' })), {});
});
