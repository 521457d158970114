/**
 * Revisions and reviews in words, against the service's own sources. Run by `node --test`.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { CHANGES, historyLines, NOTE_MAX_CHARACTERS, reviewText, revisionText } from '../../frontend/scripts/review.js';

const source = (name) => readFileSync(new URL(`../../crates/web/src/${name}.rs`, import.meta.url), 'utf8');
const when = (time) => time.slice(0, 10);

test('what a revision may change has words here, and the note its limit', () => {
  const [, fields] = /fn changed_field\(\)[^]*?"enum": \[([^\]]+)\]/.exec(source('schemas')) ?? [];
  assert.deepEqual(fields.match(/[a-z_]+/g).sort(), Object.keys(CHANGES).sort());
  assert.match(source('operations'), new RegExp(`REVIEW_NOTE_CHARS: usize = ${NOTE_MAX_CHARACTERS};`));
});

const review = { revision: 2, state: 'rejected', note: 'Base.', author: 'ward-3', created_at: '2026-01-02T03:04:05Z' };
const first = { revision: 1, author: 'ward-3', created_at: '2026-01-01T00:00:00Z', changed: [], frames: [], reviews: [] };
const second = { revision: 2, author: null, created_at: '2026-01-02T00:00:00Z', changed: ['mask', 'basal_rule'], frames: [0, 7], reviews: [review] };

test('a review tells who and when, and its absence is told', () => {
  assert.equal(reviewText(review, when), 'Rejected by ward-3, 2026-01-02.');
  assert.match(reviewText(null), /Nobody/);
  // A service without keys knows no names.
  assert.equal(reviewText({ ...review, author: 'local' }, when), 'Rejected by an unnamed user, 2026-01-02.');
  assert.equal(historyLines([{ ...first, author: 'local' }], when)[0].title, 'Revision 1, 2026-01-01, by an unnamed user');
});

test('the history tells what each revision changed and what was said of it', () => {
  assert.deepEqual(historyLines([second, first], when), [
    { revision: 2, title: 'Revision 2, 2026-01-02', detail: 'Changed: mask of 2 frames, slices at the base.', reviews: [{ text: 'Rejected by ward-3, 2026-01-02.', note: 'Base.' }] },
    { revision: 1, title: 'Revision 1, 2026-01-01, by ward-3', detail: 'As the model made it.', reviews: [] },
  ]);
  const [line] = historyLines([{ ...second, changed: ['mask', 'something_new'], frames: [7], reviews: [{ ...review, note: null }] }], when);
  assert.deepEqual([line.detail, line.reviews[0].note], ['Changed: mask of frame 7, something new.', '']);
});

test('an earlier revision says that it is one', () => {
  assert.match(revisionText({ revision: 1 }, [second, first]), /revision 1; the last one is 2/);
  assert.equal(revisionText({ revision: 2 }, [second, first]), 'This is the last of 2 revisions.');
  assert.equal(revisionText({ revision: 1 }, []), 'This is the first revision.');
});
