/**
 * Facts about the patient, against the service's own limits. Run by `node --test`.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { factsChange, factSentences, factsOf, TOLD } from '../../frontend/scripts/facts.js';

test('what may be told has the limits of the service', () => {
  const source = readFileSync(new URL('../../crates/store/src/subject.rs', import.meta.url), 'utf8');
  const limits = [...source.matchAll(/name: "([a-z_]+)",\s+low: ([\d._]+),\s+high: ([\d._]+),\s+whole: false/g)]
    .map(([, name, low, high]) => [name, Number(low), Number(high)]);
  assert.deepEqual(TOLD.map(({ name, min, max }) => [name, min, max]), limits);
});

test('facts are said by where they come from, and missing ones too', () => {
  const subject = {
    height_cm: 178.25, weight_kg: 74, sex: 'male', age_years: 0.5, heart_rate_bpm: null, frame_ms: 33.3, ed_frame: 0, es_frame: null,
    sources: { height_cm: 'told', weight_kg: 'header', sex: 'header', age_years: 'told', frame_ms: 'told', ed_frame: 'told' },
  };
  assert.deepEqual(factSentences({ label: 'bed 7', subject }), [
    'Label: bed 7.',
    'Told: height 178.3 cm, age 0.5 years, time between frames 33.3 ms, end-diastole in frame 0.',
    'From the file’s header: weight 74 kg, sex male.',
    'Not known: heart rate.',
  ]);
  assert.deepEqual(factSentences({ label: null, subject: {} }), ['Not known: height, weight, sex, age, heart rate.']);
});

test('what was changed is told, and nothing else', () => {
  const before = factsOf({ label: 'bed 7', subject: { height_cm: 178.25, weight_kg: 74, sex: 'male', age_years: null, ed_frame: 0, sources: {} } });
  assert.deepEqual(before, { label: 'bed 7', height_cm: '178.25', weight_kg: '74', sex: 'male' });
  assert.deepEqual(factsChange(before, before), {});
  assert.deepEqual(factsChange(before, { height_cm: '178.25', weight_kg: '72.5', sex: 'female', age_years: '61' }), {
    label: null, weight_kg: 72.5, age_years: 61, sex: 'female',
  });
  assert.deepEqual(factsOf(null), {});
});
