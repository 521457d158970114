//! Revisions of segmentations and their reviews. A revision is written as a study is: a staged row, its frames, and one statement from
//! which on it is there; two that are made of the same revision at the same time cannot both become the next.

use crate::audit::Event;
use crate::backend::{Database, KeyValue, SqlValue};
use crate::id::Id;
use crate::segmentations::{ChangeRecord, ReviewRecord, SegmentationRecord, correction_key};
use crate::store::{
    Part, Staging, Store, StoreError, UNTOUCHED, count, from_json, id_of, integer, segmentation_of,
    text, to_json,
};

pub(crate) const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS revisions (id TEXT PRIMARY KEY, study_id TEXT NOT NULL, segmentation_id TEXT NOT NULL, state TEXT NOT NULL, \
     touched_at_ms BIGINT NOT NULL, frames TEXT NOT NULL, revision BIGINT NOT NULL, change TEXT NOT NULL, record TEXT NOT NULL, owed TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS revisions_by_segmentation ON revisions (segmentation_id, state, revision)",
    // Where statements run beside one another, what the commit asks for is not enough.
    "CREATE UNIQUE INDEX IF NOT EXISTS revisions_by_number ON revisions (segmentation_id, revision) WHERE state = 'kept'",
    "CREATE TABLE IF NOT EXISTS reviews (segmentation_id TEXT NOT NULL, revision BIGINT NOT NULL, number BIGINT NOT NULL, \
     touched_at_ms BIGINT NOT NULL, record TEXT NOT NULL, owed TEXT NOT NULL, PRIMARY KEY (segmentation_id, revision, number))",
];

/// Columns of a select from `segmentations`: the record of the last revision, and the last review of that.
pub(crate) const LATEST: &str = "COALESCE((SELECT r.record FROM revisions AS r WHERE r.segmentation_id = segmentations.id AND r.state = 'kept' \
     ORDER BY r.revision DESC LIMIT 1), segmentations.record), \
     (SELECT v.record FROM reviews AS v WHERE v.segmentation_id = segmentations.id AND v.revision = \
     COALESCE((SELECT MAX(r.revision) FROM revisions AS r WHERE r.segmentation_id = segmentations.id AND r.state = 'kept'), 1) \
     ORDER BY v.number DESC LIMIT 1)";

/// Of a row of `segmentations`: that its last revision is the one with this number, the last review of that the one with that number, and its
/// study as often changed. Four parameters: the revision, again, the review (0 for none), and the changes of the study.
pub(crate) const SEEN: &str = "COALESCE((SELECT MAX(r.revision) FROM revisions AS r WHERE r.segmentation_id = segmentations.id AND r.state = 'kept'), 1) = ? \
     AND COALESCE((SELECT MAX(v.number) FROM reviews AS v WHERE v.segmentation_id = segmentations.id AND v.revision = ?), 0) = ? \
     AND EXISTS (SELECT 1 FROM studies WHERE studies.id = segmentations.study_id AND studies.revision = ?)";

/// That the segmentation and its study are there: two parameters, their ids.
const BOTH_KEPT: &str = "EXISTS (SELECT 1 FROM segmentations WHERE segmentations.id = ? AND segmentations.state = 'kept') \
     AND EXISTS (SELECT 1 FROM studies WHERE studies.id = ? AND studies.state = 'kept')";

/// What came of keeping a revision.
#[derive(Debug)]
pub enum Revised {
    /// It is the last one now.
    Kept,
    /// Another became the next first; this one can be made anew of that. Its frames are kept as they were put.
    Raced(Staging),
    /// Its segmentation or study was deleted meanwhile; it was taken away again.
    Gone,
}

/// What came of keeping a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reviewed {
    /// It holds now.
    Kept,
    /// Another review or a new revision came first.
    Raced,
    /// There is no such segmentation.
    Gone,
}

/// A revision in the history of a segmentation.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionRecord {
    /// Its number, from 1.
    pub revision: u32,
    /// When it was made, ms since 1970.
    pub at_ms: i64,
    /// By whom; unknown of first revisions that were kept without.
    pub author: Option<String>,
    /// What made it of the one before; absent in the first.
    pub change: Option<ChangeRecord>,
    /// Its reviews, the oldest first; the last one holds.
    pub reviews: Vec<ReviewRecord>,
}

impl<K: KeyValue, D: Database> Store<K, D> {
    /// A revision of a segmentation of a study, with the last review of it.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn segmentation_revision(
        &self,
        study_id: &Id,
        id: &Id,
        revision: u32,
    ) -> Result<Option<SegmentationRecord>, StoreError> {
        let number = i64::from(revision);
        let rows = self
            .run(
                &format!(
                    "SELECT found.record, (SELECT v.record FROM reviews AS v WHERE v.segmentation_id = ? AND v.revision = ? ORDER BY v.number DESC LIMIT 1) \
                     FROM (SELECT record FROM segmentations WHERE id = ? AND study_id = ? AND state = 'kept' AND ? = 1 \
                     UNION ALL SELECT record FROM revisions WHERE segmentation_id = ? AND study_id = ? AND state = 'kept' AND revision = ?) AS found \
                     WHERE {BOTH_KEPT}"
                ),
                &[
                    id.as_str().into(),
                    number.into(),
                    id.as_str().into(),
                    study_id.as_str().into(),
                    number.into(),
                    id.as_str().into(),
                    study_id.as_str().into(),
                    number.into(),
                    id.as_str().into(),
                    study_id.as_str().into(),
                ],
            )
            .await?;
        rows.first().map(|row| segmentation_of(row)).transpose()
    }

    /// At most `limit` revisions of a segmentation, the last one first, from before the one with this number.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn revisions(
        &self,
        study_id: &Id,
        id: &Id,
        limit: usize,
        before: Option<u32>,
    ) -> Result<Vec<RevisionRecord>, StoreError> {
        let before = before.map_or(i64::MAX, i64::from);
        let rows = self
            .run(
                &format!(
                    "SELECT revision, change FROM revisions WHERE segmentation_id = ? AND study_id = ? AND state = 'kept' AND revision < ? AND {BOTH_KEPT} \
                     ORDER BY revision DESC LIMIT ?"
                ),
                &[
                    id.as_str().into(),
                    study_id.as_str().into(),
                    before.into(),
                    id.as_str().into(),
                    study_id.as_str().into(),
                    count(limit),
                ],
            )
            .await?;
        let mut found = Vec::with_capacity(rows.len() + 1);
        for row in &rows {
            let change: ChangeRecord = from_json(row, 1, "what made a revision")?;
            found.push(RevisionRecord {
                revision: revision_of(row, 0)?,
                at_ms: change.at_ms,
                author: Some(change.author.clone()),
                change: Some(change),
                reviews: Vec::new(),
            });
        }
        if found.len() < limit
            && before > 1
            && let Some(first) = self.segmentation_revision(study_id, id, 1).await?
        {
            found.push(RevisionRecord {
                revision: 1,
                at_ms: first.created_at_ms,
                author: first.author,
                change: None,
                reviews: Vec::new(),
            });
        }
        let (Some(newest), Some(oldest)) = (found.first(), found.last()) else {
            return Ok(found);
        };
        let reviews = self
            .run(
                "SELECT record FROM reviews WHERE segmentation_id = ? AND revision >= ? AND revision <= ? ORDER BY revision, number",
                &[
                    id.as_str().into(),
                    i64::from(oldest.revision).into(),
                    i64::from(newest.revision).into(),
                ],
            )
            .await?;
        for row in &reviews {
            let review: ReviewRecord = from_json(row, 0, "the review of a segmentation")?;
            let of = found
                .iter_mut()
                .find(|entry| entry.revision == review.revision);
            if let Some(entry) = of {
                entry.reviews.push(review);
            }
        }
        Ok(found)
    }

    /// Begins a revision of a segmentation, with masks of these frames of the study at most. Nothing can be seen of it until
    /// [`Store::commit_revision`]. `None` when there is no such segmentation.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn begin_revision(
        &self,
        study_id: &Id,
        segmentation_id: &Id,
        id: &Id,
        frames: &[usize],
        now_ms: i64,
    ) -> Result<Option<Staging>, StoreError> {
        let begun = self
            .run(
                &format!(
                    "INSERT INTO revisions (id, study_id, segmentation_id, state, touched_at_ms, frames, revision, change, record, owed) \
                     SELECT ?, ?, ?, 'staging', ?, ?, 0, '', '', '' WHERE {BOTH_KEPT} RETURNING id"
                ),
                &[
                    id.as_str().into(),
                    study_id.as_str().into(),
                    segmentation_id.as_str().into(),
                    now_ms.into(),
                    to_json(&frames)?.into(),
                    segmentation_id.as_str().into(),
                    study_id.as_str().into(),
                ],
            )
            .await?;
        Ok((!begun.is_empty()).then(|| Staging {
            id: id.clone(),
            part: Part::Revision {
                study_id: study_id.clone(),
                segmentation_id: segmentation_id.clone(),
            },
            frames: frames.to_vec(),
            touched_at_ms: now_ms,
        }))
    }

    /// Makes the revision the last one, unless another has its number by now or its segmentation was deleted. The record's `revision` is
    /// one above that which it was made of.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was swept, [`StoreError::Corrupt`] for a record without a change, [`StoreError::Backend`].
    pub async fn commit_revision(
        &self,
        staging: Staging,
        record: &SegmentationRecord,
        event: &Event,
    ) -> Result<Revised, StoreError> {
        let change = record.change.as_ref().ok_or_else(|| StoreError::Corrupt {
            what: "a new revision".to_owned(),
            cause: "it does not say what made it".to_owned(),
        })?;
        let number = i64::from(record.revision);
        let kept = self
            .run(
                &format!(
                    "UPDATE revisions SET state = 'kept', touched_at_ms = ?, revision = ?, change = ?, record = ?, owed = ? \
                     WHERE id = ? AND state = 'staging' AND {BOTH_KEPT} AND NOT EXISTS (SELECT 1 FROM revisions AS other \
                     WHERE other.segmentation_id = ? AND other.state = 'kept' AND other.revision >= ?) RETURNING id"
                ),
                &[
                    event.at_ms.into(),
                    number.into(),
                    to_json(change)?.into(),
                    to_json(record)?.into(),
                    to_json(event)?.into(),
                    staging.id.as_str().into(),
                    record.id.as_str().into(),
                    record.study_id.as_str().into(),
                    record.id.as_str().into(),
                    number.into(),
                ],
            )
            .await?;
        if !kept.is_empty() {
            self.pay_revision_audit(&staging.id, event).await?;
            return Ok(Revised::Kept);
        }
        match self.segmentation(&record.study_id, &record.id).await? {
            None => {
                self.abort(staging).await?;
                Ok(Revised::Gone)
            }
            Some(last) if last.revision >= record.revision => Ok(Revised::Raced(staging)),
            Some(_) => Err(StoreError::Gone {
                what: staging.what(),
            }),
        }
    }

    /// Keeps a review of the last revision. Its number has to be the next of that revision, so that of two that were written to the same
    /// one only the first is kept.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn review(
        &self,
        study_id: &Id,
        id: &Id,
        review: &ReviewRecord,
        event: &Event,
    ) -> Result<Reviewed, StoreError> {
        let (revision, number) = (i64::from(review.revision), i64::from(review.number));
        let kept = self
            .run(
                &format!(
                    "INSERT INTO reviews (segmentation_id, revision, number, touched_at_ms, record, owed) SELECT ?, ?, ?, ?, ?, ? WHERE {BOTH_KEPT} \
                     AND COALESCE((SELECT MAX(r.revision) FROM revisions AS r WHERE r.segmentation_id = ? AND r.state = 'kept'), 1) = ? \
                     AND COALESCE((SELECT MAX(v.number) FROM reviews AS v WHERE v.segmentation_id = ? AND v.revision = ?), 0) = ? RETURNING number"
                ),
                &[
                    id.as_str().into(),
                    revision.into(),
                    number.into(),
                    event.at_ms.into(),
                    to_json(review)?.into(),
                    to_json(event)?.into(),
                    id.as_str().into(),
                    study_id.as_str().into(),
                    id.as_str().into(),
                    revision.into(),
                    id.as_str().into(),
                    revision.into(),
                    (number - 1).into(),
                ],
            )
            .await?;
        if !kept.is_empty() {
            self.pay_review_audit(id, revision, number, event).await?;
            return Ok(Reviewed::Kept);
        }
        Ok(match self.segmentation(study_id, id).await? {
            Some(_) => Reviewed::Raced,
            None => Reviewed::Gone,
        })
    }

    /// Removes what there is of a segmentation's revisions and reviews. The segmentation is being deleted: no more can come. Staged ones
    /// are left to whoever writes them, or to the sweep.
    pub(crate) async fn remove_revisions(
        &self,
        study_id: &Id,
        segmentation_id: &Id,
    ) -> Result<(), StoreError> {
        let of: SqlValue = segmentation_id.as_str().into();
        let revisions = self
            .run(
                "SELECT id, frames, owed FROM revisions WHERE segmentation_id = ? AND state <> 'staging'",
                std::slice::from_ref(&of),
            )
            .await?;
        for row in &revisions {
            self.pay_before_removal(row, 2).await?;
            let frames: Vec<usize> = from_json(row, 1, "the frames of a revision")?;
            self.remove_revision(study_id, segmentation_id, &id_of(row, 0)?, &frames)
                .await?;
        }
        let reviews = self
            .run(
                "SELECT owed FROM reviews WHERE segmentation_id = ? AND owed <> ''",
                std::slice::from_ref(&of),
            )
            .await?;
        for row in &reviews {
            self.pay_before_removal(row, 0).await?;
        }
        self.run("DELETE FROM reviews WHERE segmentation_id = ?", &[of])
            .await?;
        Ok(())
    }

    async fn remove_revision(
        &self,
        study_id: &Id,
        segmentation_id: &Id,
        id: &Id,
        frames: &[usize],
    ) -> Result<(), StoreError> {
        for frame in frames {
            let key = correction_key(study_id, segmentation_id, id, *frame);
            self.keys().delete(&key).await?;
        }
        self.run("DELETE FROM revisions WHERE id = ?", &[id.as_str().into()])
            .await?;
        Ok(())
    }

    /// Ends what crashes have left half done of revisions and reviews; returns how much it ended.
    /// `untouched` are the parameters of [`UNTOUCHED`].
    pub(crate) async fn sweep_revisions(
        &self,
        untouched: &[SqlValue; 2],
    ) -> Result<usize, StoreError> {
        let [stale, _] = untouched;
        let revisions = self
            .run(
                &format!(
                    "SELECT id, study_id, segmentation_id, state, frames, owed, touched_at_ms FROM revisions WHERE {UNTOUCHED} AND (state <> 'kept' OR owed <> '')"
                ),
                untouched,
            )
            .await?;
        for row in &revisions {
            let id = id_of(row, 0)?;
            if !text(row, 5, "what a revision owes")?.is_empty() {
                self.pay_revision_audit(&id, &from_json(row, 5, "what a revision owes")?)
                    .await?;
            }
            if text(row, 3, "the state of a revision")? == "kept" {
                continue;
            }
            let claimed = self
                .run(
                    "UPDATE revisions SET state = 'deleting' WHERE id = ? AND state <> 'kept' AND touched_at_ms = ? RETURNING id",
                    &[
                        id.as_str().into(),
                        integer(row, 6, "the last touch of a revision")?.into(),
                    ],
                )
                .await?;
            if claimed.is_empty() {
                continue;
            }
            let frames: Vec<usize> = from_json(row, 4, "the frames of a revision")?;
            self.remove_revision(&id_of(row, 1)?, &id_of(row, 2)?, &id, &frames)
                .await?;
        }
        let reviews = self
            .run(
                "SELECT segmentation_id, revision, number, owed FROM reviews WHERE touched_at_ms < ? AND owed <> ''",
                std::slice::from_ref(stale),
            )
            .await?;
        for row in &reviews {
            self.pay_review_audit(
                &id_of(row, 0)?,
                integer(row, 1, "the revision of a review")?,
                integer(row, 2, "the number of a review")?,
                &from_json(row, 3, "what a review owes")?,
            )
            .await?;
        }
        Ok(revisions.len() + reviews.len())
    }

    pub(crate) async fn pay_before_removal(
        &self,
        row: &[SqlValue],
        column: usize,
    ) -> Result<(), StoreError> {
        if text(row, column, "what is owed")?.is_empty() {
            return Ok(());
        }
        self.append_once(&from_json(row, column, "what is owed")?)
            .await
    }

    async fn pay_revision_audit(&self, id: &Id, event: &Event) -> Result<(), StoreError> {
        self.append_once(event).await?;
        self.run(
            "UPDATE revisions SET owed = '' WHERE id = ? AND owed = ?",
            &[id.as_str().into(), to_json(event)?.into()],
        )
        .await?;
        Ok(())
    }

    async fn pay_review_audit(
        &self,
        segmentation_id: &Id,
        revision: i64,
        number: i64,
        event: &Event,
    ) -> Result<(), StoreError> {
        self.append_once(event).await?;
        self.run(
            "UPDATE reviews SET owed = '' WHERE segmentation_id = ? AND revision = ? AND number = ?",
            &[
                segmentation_id.as_str().into(),
                revision.into(),
                number.into(),
            ],
        )
        .await?;
        Ok(())
    }
}

/// A revision's number, which is small.
fn revision_of(row: &[SqlValue], column: usize) -> Result<u32, StoreError> {
    let number = integer(row, column, "the number of a revision")?;
    u32::try_from(number).map_err(|cause| StoreError::Corrupt {
        what: "the number of a revision".to_owned(),
        cause: cause.to_string(),
    })
}
