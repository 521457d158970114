/**
 * Verdict, checks and score in words, against the service's own sources. Run by `node --test`.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { checkName, checkNumbers, CHECKS, checksOf, DECISIVE, SCORE_PASS, SCORE_REJECT, scoreText, verdictOf } from '../../frontend/scripts/quality.js';

const SOURCE = readFileSync(new URL('../../crates/measures/src/checks.rs', import.meta.url), 'utf8').split('#[cfg(test)]')[0];

test('every check of the service has a name and a unit here, and no other', () => {
  const codes = [...SOURCE.matchAll(/\bcheck\(\s*"([a-z_]+)"/g)].map(([, code]) => code);
  assert.ok(codes.length > 10, `${codes.length} checks in the source`);
  assert.deepEqual([...new Set(codes)].sort(), Object.keys(CHECKS).sort());
});

test('what decides a verdict is what decides it in the service', () => {
  const [, codes] = /const DECISIVE: \[&str; \d+\] = \[([^\]]+)\]/.exec(SOURCE) ?? [];
  assert.deepEqual(codes.match(/[a-z_]+/g), DECISIVE);
  const limit = (name) => Number(new RegExp(`pub const ${name}: f64 = ([\\d.]+);`).exec(SOURCE)?.[1]);
  assert.deepEqual([limit('SCORE_PASS'), limit('SCORE_REJECT')], [SCORE_PASS, SCORE_REJECT]);
});

test('a verdict names its cause: a check, the score, or both', () => {
  const all = (failed) => ['ejection', 'masses', 'apex_covered', 'contrast', 'connected'].map((code) => ({ code, passed: !failed.includes(code), detail: '' }));
  const because = (verdict, failed, score) => verdictOf({ verdict, checks: all(failed), score }).because;
  assert.equal(because('reject', [], 0.7599), 'the model’s score of 0.75 is below 0.76');
  assert.equal(because('reject', ['ejection', 'masses'], 0.9), 'the check “Ventricles eject” failed');
  assert.equal(because('reject', ['ejection'], 0.5), 'the check “Ventricles eject” failed, and the model’s score of 0.50 is below 0.76');
  assert.equal(because('review', ['masses', 'contrast'], 0.9), 'the checks “Masses agree” and “Contrast of blood” failed');
  assert.equal(because('review', ['masses', 'contrast', 'connected', 'apex_covered'], 0.8), '4 checks failed, and the model’s score of 0.80 is below 0.86');
  assert.equal(because('review', [], null), 'there is no score of the model');
  assert.equal(verdictOf({ verdict: 'review', checks: [] }).because, 'no checks were made, and there is no score of the model');
  assert.equal(because('pass', [], 0.9), '');
  assert.equal(verdictOf({ verdict: 'reject', checks: all([]), score: 0.5 }).sentence, 'Rejected: the model’s score of 0.50 is below 0.76. Do not use these numbers.');
  // A service with other limits is not contradicted.
  assert.equal(verdictOf({ verdict: 'reject', checks: all([]), score: 0.8 }).sentence, 'Rejected. Do not use these numbers.');
});

test('the score says what it means, and why there is none', () => {
  assert.match(scoreText({ score: 0.914 }), /^Score 0\.91: the mean Dice/);
  assert.match(scoreText({ score: null }), /no score/);
  assert.equal(scoreText({ score: null, score_reason: 'A person drew it.' }), 'There is no score. A person drew it.');
});

test('a verdict that is not known is for review', () => {
  assert.deepEqual(['pass', 'review', 'reject', 'splendid'].map((verdict) => verdictOf({ verdict }).kind), ['pass', 'review', 'reject', 'review']);
  assert.equal(verdictOf(undefined).badge, 'for review');
});

test('a check tells what was found and what is allowed, in its unit and its sense', () => {
  const numbers = (code, passed, value, limit) => checkNumbers({ code, passed, value, limit, detail: '' });
  assert.equal(numbers('masses', false, 40.4, 36), 'found 40, at most 36 %');
  assert.equal(numbers('slice_jumps', false, 0.1643, 0.16), 'found 0.1643, at most 0.1600 of the largest section');
  assert.equal(numbers('contrast', true, 2.04, 1.5), 'found 2.0, at least 1.5 standard deviations');
  assert.equal(numbers('spacing', false, 0.2, 0.45), 'found 0.20, at least 0.45 mm');
  assert.equal(numbers('spacing', true, 1.4, 3), 'found 1.40, at most 3.00 mm');
  assert.equal(numbers('orientation', true, 170, 120), 'found 170, nearest limit 120 °');
  assert.equal(numbers('heart_size', false, 900, 750), 'found 900, at most 750 ml');
  assert.equal(numbers('something_new', true, 3, 4), 'found 3.00, limit 4.00');
  assert.equal(numbers('masses', true, null, null), '');
  assert.equal(checkName({ code: 'something_new' }), 'Something new');
});

test('failed checks and passed ones keep their order', () => {
  const checks = ['a', 'b', 'c', 'd'].map((code, index) => ({ code, passed: index % 2 === 0, detail: '' }));
  const { failed, passed } = checksOf({ checks });
  assert.deepEqual([failed.map(({ code }) => code), passed.map(({ code }) => code)], [['b', 'd'], ['a', 'c']]);
  assert.deepEqual(checksOf(undefined), { failed: [], passed: [] });
});
