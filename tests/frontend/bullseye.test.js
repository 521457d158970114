/**
 * The bull's-eye: places, names and colours of the wall's segments. Run by `node --test`.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { capRadius, colourAt, inkOn, luminance, middle, outline, SCALES, segmentsOf, segmentText, shownSegments, stepped, wallRules } from '../../frontend/scripts/bullseye.js';
import { UNKNOWN } from '../../frontend/scripts/format.js';

const values = Array.from({ length: 16 }, (_, index) => index + 1);
const SIXTHS = ['anterior', 'anteroseptal', 'inferoseptal', 'inferior', 'inferolateral', 'anterolateral'];
const QUARTERS = ['anterior', 'septal', 'inferior', 'lateral'];
/** As the service sends them (Cerqueira et al., Circulation 2002;105:539): each ring begins with the anterior segment around the top. */
const segments = [['basal', 1, SIXTHS, 60], ['mid', 0.75, SIXTHS, 60], ['apical', 0.5, QUARTERS, 45]].flatMap(([ring, outer, walls, start], index) => {
  const width = 360 / walls.length;
  return walls.map((wall, at) => ({
    number: 6 * index + 1 + at, name: `${ring} ${wall}`, ring, inner: outer - 0.25, outer, from_degrees: start + at * width, to_degrees: start + (at + 1) * width,
  }));
});
const metrics = {
  myocardium: {
    segments,
    wall_thickness_mm: { segments: values },
    es_wall_thickness_mm: { segments: values.map((value) => 2 * value) },
    wall_thickening_percent: { segments: values.map((_, index) => (index === 2 ? null : 100)) },
  },
};

const SEGMENTS = segmentsOf(metrics);

test('segments are those of the answer, and none where there are none', () => {
  assert.deepEqual(SEGMENTS.map(({ number, name }) => [number, name]), segments.map(({ number, name }) => [number, name]));
  assert.equal(capRadius(SEGMENTS), 26);
  assert.deepEqual(segmentsOf({ myocardium: {} }), []);
  assert.deepEqual(segmentsOf(null), []);
  assert.deepEqual(shownSegments({ myocardium: { ...metrics.myocardium, segments: [] } }, SCALES[0]), []);
  assert.equal(segmentText({}, 3), '');
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
  for (const ring of new Set(SEGMENTS.map(({ outer }) => outer))) {
    const own = SEGMENTS.filter(({ outer }) => outer === ring);
    assert.equal(own.reduce((sum, { from, to }) => sum + to - from, 0), 360);
    own.forEach(({ to }, index) => assert.equal(to % 360, own[(index + 1) % own.length].from % 360));
  }
  // The outer arc of segment 1 runs from 60 to 120 degrees on a radius of 104.
  assert.match(outline(SEGMENTS[0]), /^M 52\.00 -90\.07 A 104 104 0 0 0 -52\.00 -90\.07 L -39\.00 -67\.55 A 78 78 0 0 1 39\.00 -67\.55 Z$/);
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
  assert.deepEqual([stepped(SEGMENTS, 1, 'ArrowLeft'), stepped(SEGMENTS, 1, 'ArrowRight'), stepped(SEGMENTS, 6, 'ArrowLeft'), stepped(SEGMENTS, 13, 'ArrowRight')], [2, 6, 1, 16]);
  assert.deepEqual([stepped(SEGMENTS, 1, 'ArrowDown'), stepped(SEGMENTS, 10, 'ArrowDown'), stepped(SEGMENTS, 16, 'ArrowUp'), stepped(SEGMENTS, 14, 'ArrowUp')], [7, 15, 11, 8]);
  assert.deepEqual([stepped(SEGMENTS, 1, 'ArrowUp'), stepped(SEGMENTS, 13, 'ArrowDown'), stepped(SEGMENTS, 5, 'Tab')], [1, 13, 5]);
});

test('the rule of the apex is told, and one that the page does not know keeps its name', () => {
  assert.match(wallRules({ apex_rule: 'apical_cap_not_measured' }), /segment 17, is not measured/);
  assert.equal(wallRules({ apex_rule: 'cap_is_guessed' }), 'Rule: cap is guessed.');
  assert.equal(wallRules(undefined), '');
});
