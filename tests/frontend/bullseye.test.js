/**
 * The bull's-eye: places, names and colours of the wall's segments. Run by `node --test`.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { colourAt, inkOn, luminance, middle, outline, SCALES, SEGMENTS, segmentText, shownSegments, stepped, wallRules } from '../../frontend/scripts/bullseye.js';
import { UNKNOWN } from '../../frontend/scripts/format.js';

const values = Array.from({ length: 16 }, (_, index) => index + 1);
const metrics = {
  myocardium: {
    wall_thickness_mm: { segments: values },
    es_wall_thickness_mm: { segments: values.map((value) => 2 * value) },
    wall_thickening_percent: { segments: values.map((_, index) => (index === 2 ? null : 100)) },
  },
};

test('segments are numbered and named as the American Heart Association does', () => {
  // Cerqueira et al., Circulation 2002;105:539, figures 3 and 4.
  assert.deepEqual(SEGMENTS.map(({ number, name }) => `${number} ${name}`), [
    '1 basal anterior', '2 basal anteroseptal', '3 basal inferoseptal', '4 basal inferior', '5 basal inferolateral', '6 basal anterolateral',
    '7 mid anterior', '8 mid anteroseptal', '9 mid inferoseptal', '10 mid inferior', '11 mid inferolateral', '12 mid anterolateral',
    '13 apical anterior', '14 apical septal', '15 apical inferior', '16 apical lateral',
  ]);
});

test('anterior is at the top, the septum on the left, inferior at the bottom, lateral on the right, base outside', () => {
  const place = (number) => middle(SEGMENTS[number - 1]);
  for (const [name, numbers, is] of [
    ['anterior', [1, 7, 13], ([x, y]) => Math.abs(x) < 1e-9 && y < 0],
    ['inferior', [4, 10, 15], ([x, y]) => Math.abs(x) < 1e-9 && y > 0],
    ['anteroseptal', [2, 8], ([x, y]) => x < 0 && y < 0],
    ['inferoseptal', [3, 9], ([x, y]) => x < 0 && y > 0],
    ['septal', [14], ([x, y]) => x < 0 && Math.abs(y) < 1e-9],
    ['anterolateral', [6, 12], ([x, y]) => x > 0 && y < 0],
    ['inferolateral', [5, 11], ([x, y]) => x > 0 && y > 0],
    ['lateral', [16], ([x, y]) => x > 0 && Math.abs(y) < 1e-9],
  ]) {
    for (const number of numbers) assert.ok(is(place(number)), `${name} ${number}: ${place(number)}`);
  }
  const away = (number) => Math.hypot(...place(number));
  assert.ok(away(1) > away(7) && away(7) > away(13));
});

test('the segments of a ring cover it once', () => {
  for (const ring of new Set(SEGMENTS.map((segment) => segment.ring))) {
    const own = SEGMENTS.filter((segment) => segment.ring === ring);
    assert.equal(own.reduce((sum, { from, to }) => sum + to - from, 0), 360);
    own.forEach(({ to }, index) => assert.equal(to % 360, own[(index + 1) % own.length].from % 360));
  }
  // The outer arc of segment 1 runs from 60 to 120 degrees on a radius of 104.
  assert.match(outline(SEGMENTS[0]), /^M 52\.00 -90\.07 A 104 104 0 0 0 -52\.00 -90\.07 L -37\.00 -64\.09 A 74 74 0 0 1 37\.00 -64\.09 Z$/);
});

test('the scale gets brighter all the way, and what is written on it can be read', () => {
  const parts = Array.from({ length: 101 }, (_, index) => index / 100);
  const lights = parts.map((part) => luminance(colourAt(part)));
  lights.slice(1).forEach((light, index) => assert.ok(light >= lights[index], `${parts[index + 1]}`));
  for (const part of parts) {
    const [one, other] = [luminance(colourAt(part)), luminance(inkOn(colourAt(part)))].sort((a, b) => b - a);
    assert.ok((one + 0.05) / (other + 0.05) >= 4.5, `contrast at ${part}`);
  }
  assert.deepEqual([colourAt(-1), colourAt(0), colourAt(1), colourAt(2)], ['#00224e', '#00224e', '#fee838', '#fee838']);
  assert.equal(luminance('#ffffff'), 1);
});

test('a segment has its own value, and none where it is not known', () => {
  const thickening = shownSegments(metrics, SCALES[2]);
  assert.deepEqual([thickening[2].text, thickening[2].fill, thickening[2].label], [UNKNOWN, null, '3 basal inferoseptal: not known']);
  const ed = shownSegments(metrics, SCALES[0]);
  assert.deepEqual(ed.map(({ text }) => text), values.map((value) => value.toFixed(1)));
  assert.equal(ed[8].label, '9 mid inferoseptal: 9.0 mm');
  assert.deepEqual(shownSegments({ myocardium: {} }, SCALES[0]), []);
  assert.equal(segmentText(metrics, 3), `Segment 3, basal inferoseptal: wall at end-diastole 3.0 mm, wall at end-systole 6.0 mm, thickening ${UNKNOWN} %.`);
});

test('arrow keys go around a ring and from ring to ring', () => {
  assert.deepEqual([stepped(1, 'ArrowLeft'), stepped(1, 'ArrowRight'), stepped(6, 'ArrowLeft'), stepped(13, 'ArrowRight')], [2, 6, 1, 16]);
  assert.deepEqual([stepped(1, 'ArrowDown'), stepped(10, 'ArrowDown'), stepped(16, 'ArrowUp'), stepped(14, 'ArrowUp')], [7, 15, 11, 8]);
  assert.deepEqual([stepped(1, 'ArrowUp'), stepped(13, 'ArrowDown'), stepped(5, 'Tab')], [1, 13, 5]);
});

test('the rule of the apex is told, and one that the page does not know keeps its name', () => {
  assert.match(wallRules({ apex_rule: 'apical_cap_not_measured' }), /segment 17, is not measured/);
  assert.equal(wallRules({ apex_rule: 'cap_is_guessed' }), 'Rule: cap is guessed.');
  assert.equal(wallRules(undefined), '');
});
