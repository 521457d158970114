//! The store itself: every statement and every key is here.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::audit::{AuditEntry, Event, FIRST_PREVIOUS_HASH};
use crate::backend::{BackendError, Database, KeyValue, SqlValue};
use crate::chunk::{Chunk, ChunkPart};
use crate::id::Id;
use crate::revisions::{LATEST, SEEN};
use crate::segmentations::{SegmentationRecord, correction_key, mask_key};
use crate::studies::StudyRecord;

/// How long a staged study may go untouched before it counts as left behind by a crash, and how long a deletion or an owed entry of the
/// audit waits to be ended by another. A study that arrives is touched at least every [`TOUCH_EVERY_MS`]; a body that stalls is given up
/// after 10 s.
pub const STALE_MS: i64 = 60_000;

/// The same of a staged segmentation or revision whose study is there. These are touched when a frame is done, and a frame may wait for the
/// engine behind those of others: so this is longer than any request may take, which is 10 min to the head of its answer and 30 after it.
pub const WORK_STALE_MS: i64 = 2_700_000;

/// Of segmentations or revisions: whether a row was last touched before it may be ended, by [`STALE_MS`] (the first parameter) or, where
/// work on it may go on, by [`WORK_STALE_MS`] (the second).
pub(crate) const UNTOUCHED: &str = "touched_at_ms < CASE WHEN state <> 'staging' OR NOT EXISTS \
    (SELECT 1 FROM studies WHERE studies.id = study_id AND studies.state = 'kept') THEN ? ELSE ? END";

/// How often a staged row is touched while work goes on.
const TOUCH_EVERY_MS: i64 = 5_000;

/// How often something that another request may change at the same time is tried again. Every try fails only because another
/// succeeded, so that this is never reached unless hundreds of requests change one row at once.
pub(crate) const MOST_TRIES: usize = 64;

/// The most compressed bytes of a frame: what Spin hands over in one value is 128 MiB, with what goes with it.
const FRAME_BYTES_MAX: usize = 127 << 20;

/// Why something was not kept, found or deleted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key-value store or the database failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// What was read is not what was written.
    #[error(
        "{what} cannot be read: {cause}; it was written by another version or changed by another hand"
    )]
    Corrupt {
        /// What it is.
        what: String,
        /// Why.
        cause: String,
    },
    /// What was being written has been taken away meanwhile.
    #[error("{what} was taken away while it was being written")]
    Gone {
        /// What it is.
        what: &'static str,
    },
    /// A frame that no value of a store can hold.
    #[error("frame {frame} has {bytes} bytes when it is compressed, at most {limit} can be kept")]
    FrameTooLarge {
        /// Which frame, from 0.
        frame: usize,
        /// Its compressed bytes.
        bytes: usize,
        /// The most that are kept.
        limit: usize,
    },
    /// Too many changed the same thing at once.
    #[error("{what} was changed by others {MOST_TRIES} times while it was to be changed")]
    Contended {
        /// What it is.
        what: &'static str,
    },
}

/// Something that is being written and does not exist yet.
#[derive(Debug)]
pub struct Staging {
    pub(crate) id: Id,
    pub(crate) part: Part,
    pub(crate) frames: Vec<usize>,
    pub(crate) touched_at_ms: i64,
}

/// What is being written.
#[derive(Debug)]
pub(crate) enum Part {
    Study,
    Segmentation { study_id: Id },
    Revision { study_id: Id, segmentation_id: Id },
}

/// What came of keeping a segmentation.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// It exists now.
    Kept,
    /// An equal one came first; this one was taken away again.
    Exists(Box<SegmentationRecord>),
    /// Its study was deleted meanwhile; it was taken away again.
    StudyGone,
}

/// What was read of a frame for one of its slices.
#[derive(Debug, PartialEq)]
pub enum Sliced {
    /// The slice alone.
    Alone(ChunkPart),
    /// The frame: it was kept as a whole.
    Within(Chunk),
}

/// Studies, segmentations and the audit over a key-value store and a database.
pub struct Store<K, D> {
    keys: K,
    database: D,
}

const SCHEMA: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS studies (id TEXT PRIMARY KEY, state TEXT NOT NULL, created_at_ms BIGINT NOT NULL, \
     touched_at_ms BIGINT NOT NULL, frames TEXT NOT NULL, revision BIGINT NOT NULL, record TEXT NOT NULL, owed TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS studies_by_age ON studies (state, created_at_ms DESC, id DESC)",
    "CREATE TABLE IF NOT EXISTS segmentations (id TEXT PRIMARY KEY, study_id TEXT NOT NULL, state TEXT NOT NULL, created_at_ms BIGINT NOT NULL, \
     touched_at_ms BIGINT NOT NULL, frames TEXT NOT NULL, lookup TEXT NOT NULL, record TEXT NOT NULL, owed TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS segmentations_by_study ON segmentations (study_id, state, created_at_ms DESC, id DESC)",
    "CREATE INDEX IF NOT EXISTS segmentations_by_lookup ON segmentations (lookup, state)",
    "CREATE TABLE IF NOT EXISTS audit (sequence BIGINT PRIMARY KEY, study_id TEXT NOT NULL, request_id TEXT NOT NULL, action TEXT NOT NULL, \
     event TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS audit_by_request ON audit (request_id)",
];

impl<K: KeyValue, D: Database> Store<K, D> {
    /// A store over these two.
    pub fn new(keys: K, database: D) -> Store<K, D> {
        Store { keys, database }
    }

    /// The key-value store.
    pub fn keys(&self) -> &K {
        &self.keys
    }

    /// Makes the tables that are missing. Has to be called once before anything else, and may be called again.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn prepare(&self) -> Result<(), StoreError> {
        for statement in SCHEMA
            .into_iter()
            .chain(crate::revisions::SCHEMA)
            .chain(crate::models::SCHEMA)
            .chain(crate::shadow::SCHEMA)
        {
            self.run(statement, &[]).await?;
        }
        Ok(())
    }

    // Studies.

    /// Begins a study of `frames` frames. Nothing can be seen of it until [`Store::commit_study`].
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn begin_study(
        &self,
        id: &Id,
        frames: usize,
        now_ms: i64,
    ) -> Result<Staging, StoreError> {
        let frames: Vec<usize> = (0..frames).collect();
        self.run(
            "INSERT INTO studies (id, state, created_at_ms, touched_at_ms, frames, revision, record, owed) VALUES (?, 'staging', ?, ?, ?, 0, '', '')",
            &[id.as_str().into(), now_ms.into(), now_ms.into(), to_json(&frames)?.into()],
        )
        .await?;
        Ok(Staging {
            id: id.clone(),
            part: Part::Study,
            frames,
            touched_at_ms: now_ms,
        })
    }

    /// Puts a frame of what is being written under its key.
    ///
    /// # Errors
    /// [`StoreError::FrameTooLarge`], [`StoreError::Gone`] when it was swept, [`StoreError::Backend`].
    pub async fn put_frame(
        &self,
        staging: &mut Staging,
        frame: usize,
        chunk: &Chunk,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if chunk.bytes.len() > FRAME_BYTES_MAX {
            return Err(StoreError::FrameTooLarge {
                frame,
                bytes: chunk.bytes.len(),
                limit: FRAME_BYTES_MAX,
            });
        }
        self.keep_alive(staging, now_ms).await?;
        self.keys
            .set(&staging.key(frame), &chunk.to_value())
            .await?;
        Ok(())
    }

    /// Says that work on it goes on, so that it is not swept. Cheap: writes only when the last touch is a while ago.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was swept, [`StoreError::Backend`].
    pub async fn keep_alive(&self, staging: &mut Staging, now_ms: i64) -> Result<(), StoreError> {
        if now_ms - staging.touched_at_ms < TOUCH_EVERY_MS {
            return Ok(());
        }
        let table = staging.table();
        let touched = format!(
            "UPDATE {table} SET touched_at_ms = ? WHERE id = ? AND state = 'staging' RETURNING id"
        );
        if self
            .run(&touched, &[now_ms.into(), staging.id.as_str().into()])
            .await?
            .is_empty()
        {
            return Err(StoreError::Gone {
                what: staging.what(),
            });
        }
        staging.touched_at_ms = now_ms;
        Ok(())
    }

    /// Makes the study exist. From here on it is there whatever happens.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was swept, [`StoreError::Backend`].
    pub async fn commit_study(
        &self,
        staging: Staging,
        record: &StudyRecord,
        event: &Event,
    ) -> Result<(), StoreError> {
        let kept = self
            .run(
                "UPDATE studies SET state = 'kept', created_at_ms = ?, touched_at_ms = ?, record = ?, owed = ? WHERE id = ? AND state = 'staging' RETURNING id",
                &[
                    record.created_at_ms.into(),
                    event.at_ms.into(),
                    to_json(record)?.into(),
                    to_json(event)?.into(),
                    staging.id.as_str().into(),
                ],
            )
            .await?;
        if kept.is_empty() {
            return Err(StoreError::Gone {
                what: staging.what(),
            });
        }
        self.pay_study_audit(&staging.id, event).await
    }

    /// Gives up what is being written and removes what was written of it.
    ///
    /// # Errors
    /// [`StoreError::Backend`]; the sweep will try again.
    pub async fn abort(&self, staging: Staging) -> Result<(), StoreError> {
        for frame in &staging.frames {
            self.keys.delete(&staging.key(*frame)).await?;
        }
        let table = staging.table();
        let remove = format!("DELETE FROM {table} WHERE id = ? AND state = 'staging'");
        self.run(&remove, &[staging.id.as_str().into()]).await?;
        Ok(())
    }

    /// A study.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn study(&self, id: &Id) -> Result<Option<StudyRecord>, StoreError> {
        let rows = self
            .run(
                "SELECT record FROM studies WHERE id = ? AND state = 'kept'",
                &[id.as_str().into()],
            )
            .await?;
        rows.first()
            .map(|row| from_json(row, 0, "the record of a study"))
            .transpose()
    }

    /// At most `limit` studies, newest first, behind the one with this time and id.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn studies(
        &self,
        limit: usize,
        behind: Option<(i64, &str)>,
    ) -> Result<Vec<StudyRecord>, StoreError> {
        let (at_ms, id) = behind.unwrap_or((i64::MAX, ""));
        let rows = self
            .run(
                "SELECT record FROM studies WHERE state = 'kept' AND (created_at_ms < ? OR (created_at_ms = ? AND id < ?)) ORDER BY created_at_ms DESC, id DESC LIMIT ?",
                &[at_ms.into(), at_ms.into(), id.into(), count(limit)],
            )
            .await?;
        rows.iter()
            .map(|row| from_json(row, 0, "the record of a study"))
            .collect()
    }

    /// One frame of a study.
    ///
    /// # Errors
    /// [`StoreError::Backend`], and [`StoreError::Corrupt`] when it is not there or no chunk.
    pub async fn frame(&self, id: &Id, frame: usize) -> Result<Chunk, StoreError> {
        self.chunk(&frame_key(id, frame)).await
    }

    /// One slice of a frame of a study that has `slices` of them, without the others where it was kept slice by slice.
    ///
    /// # Errors
    /// As [`Store::frame`].
    pub async fn frame_slice(
        &self,
        id: &Id,
        frame: usize,
        slice: usize,
        slices: usize,
    ) -> Result<Sliced, StoreError> {
        self.sliced(&frame_key(id, frame), slice, slices).await
    }

    /// Changes a study. `change` may be called more than once, when others change the study at the same time. `None` when there is no such study.
    ///
    /// # Errors
    /// What `change` refuses, [`StoreError`] wrapped by `E`.
    pub async fn update_study<E: From<StoreError>>(
        &self,
        id: &Id,
        event: &Event,
        mut change: impl FnMut(&mut StudyRecord) -> Result<(), E>,
    ) -> Result<Option<StudyRecord>, E> {
        for _ in 0..MOST_TRIES {
            let Some((mut record, revision)) = self.study_now(id).await? else {
                return Ok(None);
            };
            change(&mut record)?;
            let updated = self
                .run(
                    "UPDATE studies SET record = ?, revision = revision + 1, touched_at_ms = ?, owed = ? WHERE id = ? AND state = 'kept' AND revision = ? AND owed = '' RETURNING id",
                    &[to_json(&record)?.into(), event.at_ms.into(), to_json(event)?.into(), id.as_str().into(), revision.into()],
                )
                .await?;
            if !updated.is_empty() {
                self.pay_study_audit(id, event).await?;
                return Ok(Some(record));
            }
            // Another request changed it, or its audit entry is still owed; in the second case this pays it.
            self.pay_owed_of_study(id).await?;
        }
        Err(StoreError::Contended { what: "the study" }.into())
    }

    /// Deletes a study and all that was derived from it. `false` when there is no such study.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: the study is out of sight already if its deletion was recorded; the sweep finishes it.
    pub async fn delete_study(&self, id: &Id, event: &Event) -> Result<bool, StoreError> {
        self.delete_study_if(id, event, |_| Ok(())).await
    }

    /// As [`Store::delete_study`], of a study that `agreed` lets go. It is asked anew when the study was changed meanwhile, so that what goes is
    /// what it saw.
    ///
    /// # Errors
    /// What `agreed` refuses, [`StoreError`] wrapped by `E`.
    pub async fn delete_study_if<E: From<StoreError>>(
        &self,
        id: &Id,
        event: &Event,
        mut agreed: impl FnMut(&StudyRecord) -> Result<(), E>,
    ) -> Result<bool, E> {
        for _ in 0..MOST_TRIES {
            let Some((record, revision)) = self.study_now(id).await? else {
                return Ok(false);
            };
            agreed(&record)?;
            self.pay_owed_of_study(id).await?;
            let deleted = self
                .run(
                    "UPDATE studies SET state = 'deleting', touched_at_ms = ?, record = '', owed = ? WHERE id = ? AND state = 'kept' AND revision = ? AND owed = '' \
                     RETURNING id",
                    &[
                        event.at_ms.into(),
                        to_json(event)?.into(),
                        id.as_str().into(),
                        revision.into(),
                    ],
                )
                .await?;
            if !deleted.is_empty() {
                self.finish_deleting_study(id).await?;
                return Ok(true);
            }
        }
        Err(StoreError::Contended { what: "the study" }.into())
    }

    /// A study, and how often it was changed.
    async fn study_now(&self, id: &Id) -> Result<Option<(StudyRecord, i64)>, StoreError> {
        let rows = self
            .run(
                "SELECT record, revision FROM studies WHERE id = ? AND state = 'kept'",
                &[id.as_str().into()],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some((
            from_json(row, 0, "the record of a study")?,
            integer(row, 1, "the revision of a study")?,
        )))
    }

    async fn finish_deleting_study(&self, id: &Id) -> Result<(), StoreError> {
        let segmentations = self
            .run(
                "SELECT id, frames, owed FROM segmentations WHERE study_id = ? AND state <> 'staging'",
                &[id.as_str().into()],
            )
            .await?;
        for row in &segmentations {
            let segmentation = id_of(row, 0)?;
            self.pay_before_removal(row, 2).await?;
            self.remove_segmentation(
                id,
                &segmentation,
                &from_json::<Vec<usize>>(row, 1, "the frames of a segmentation")?,
            )
            .await?;
        }
        let rows = self
            .run(
                "SELECT frames, owed FROM studies WHERE id = ? AND state = 'deleting'",
                &[id.as_str().into()],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        for frame in from_json::<Vec<usize>>(row, 0, "the frames of a study")? {
            self.keys.delete(&frame_key(id, frame)).await?;
        }
        if !text(row, 1, "what a study owes")?.is_empty() {
            self.append_once(&from_json(row, 1, "what a study owes")?)
                .await?;
        }
        self.run(
            "DELETE FROM studies WHERE id = ? AND state = 'deleting'",
            &[id.as_str().into()],
        )
        .await?;
        Ok(())
    }

    // Segmentations.

    /// Begins a segmentation of these frames of a study. `None` when there is no such study.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn begin_segmentation(
        &self,
        study_id: &Id,
        id: &Id,
        frames: &[usize],
        now_ms: i64,
    ) -> Result<Option<Staging>, StoreError> {
        let begun = self
            .run(
                "INSERT INTO segmentations (id, study_id, state, created_at_ms, touched_at_ms, frames, lookup, record, owed) \
                 SELECT ?, ?, 'staging', ?, ?, ?, '', '', '' WHERE EXISTS (SELECT 1 FROM studies WHERE id = ? AND state = 'kept') RETURNING id",
                &[
                    id.as_str().into(),
                    study_id.as_str().into(),
                    now_ms.into(),
                    now_ms.into(),
                    to_json(&frames)?.into(),
                    study_id.as_str().into(),
                ],
            )
            .await?;
        Ok((!begun.is_empty()).then(|| Staging {
            id: id.clone(),
            part: Part::Segmentation {
                study_id: study_id.clone(),
            },
            frames: frames.to_vec(),
            touched_at_ms: now_ms,
        }))
    }

    /// Makes the segmentation exist, unless an equal one came first or its study was deleted.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was swept, [`StoreError::Backend`].
    pub async fn commit_segmentation(
        &self,
        staging: Staging,
        record: &SegmentationRecord,
        event: &Event,
    ) -> Result<Committed, StoreError> {
        let lookup = record.lookup_key();
        let kept = self
            .run(
                "UPDATE segmentations SET state = 'kept', created_at_ms = ?, touched_at_ms = ?, lookup = ?, record = ?, owed = ? \
                 WHERE id = ? AND state = 'staging' AND EXISTS (SELECT 1 FROM studies WHERE id = ? AND state = 'kept') \
                 AND NOT EXISTS (SELECT 1 FROM segmentations AS other WHERE other.lookup = ? AND other.state = 'kept') RETURNING id",
                &[
                    record.created_at_ms.into(),
                    event.at_ms.into(),
                    lookup.as_str().into(),
                    to_json(record)?.into(),
                    to_json(event)?.into(),
                    staging.id.as_str().into(),
                    record.study_id.as_str().into(),
                    lookup.as_str().into(),
                ],
            )
            .await?;
        if !kept.is_empty() {
            self.pay_segmentation_audit(&staging.id, event).await?;
            return Ok(Committed::Kept);
        }
        let study_is_there = self.study(&record.study_id).await?.is_some();
        let existing = self.find_segmentation(&lookup).await?;
        self.abort(staging).await?;
        match (existing, study_is_there) {
            (_, false) => Ok(Committed::StudyGone),
            (Some(existing), true) => Ok(Committed::Exists(Box::new(existing))),
            (None, true) => Err(StoreError::Gone {
                what: "the segmentation",
            }),
        }
    }

    /// The last revision of the segmentation under a [`lookup_key`](crate::lookup_key).
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn find_segmentation(
        &self,
        lookup: &str,
    ) -> Result<Option<SegmentationRecord>, StoreError> {
        let rows = self
            .run(
                &format!("SELECT {LATEST} FROM segmentations WHERE lookup = ? AND state = 'kept'"),
                &[lookup.into()],
            )
            .await?;
        rows.first().map(|row| segmentation_of(row)).transpose()
    }

    /// The last revision of a segmentation of a study.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn segmentation(
        &self,
        study_id: &Id,
        id: &Id,
    ) -> Result<Option<SegmentationRecord>, StoreError> {
        let rows = self
            .run(
                &format!(
                    "SELECT {LATEST} FROM segmentations WHERE id = ? AND study_id = ? AND state = 'kept' \
                     AND EXISTS (SELECT 1 FROM studies WHERE id = ? AND state = 'kept')"
                ),
                &[id.as_str().into(), study_id.as_str().into(), study_id.as_str().into()],
            )
            .await?;
        rows.first().map(|row| segmentation_of(row)).transpose()
    }

    /// At most `limit` segmentations of a study, each in its last revision, newest first, behind the one with this time and id.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn segmentations(
        &self,
        study_id: &Id,
        limit: usize,
        behind: Option<(i64, &str)>,
    ) -> Result<Vec<SegmentationRecord>, StoreError> {
        let (at_ms, id) = behind.unwrap_or((i64::MAX, ""));
        let rows = self
            .run(
                &format!(
                    "SELECT {LATEST} FROM segmentations WHERE study_id = ? AND state = 'kept' AND (created_at_ms < ? OR (created_at_ms = ? AND id < ?)) \
                     ORDER BY created_at_ms DESC, id DESC LIMIT ?"
                ),
                &[study_id.as_str().into(), at_ms.into(), at_ms.into(), id.into(), count(limit)],
            )
            .await?;
        rows.iter().map(|row| segmentation_of(row)).collect()
    }

    /// One frame of the mask of this revision; `frame` is the frame of the study.
    ///
    /// # Errors
    /// [`StoreError::Backend`], and [`StoreError::Corrupt`] when it is not there or no chunk.
    pub async fn mask_frame(
        &self,
        record: &SegmentationRecord,
        frame: usize,
    ) -> Result<Chunk, StoreError> {
        self.chunk(&record.mask_key(frame)).await
    }

    /// One slice of a frame of the mask of this revision, as [`Store::frame_slice`].
    ///
    /// # Errors
    /// As [`Store::mask_frame`].
    pub async fn mask_slice(
        &self,
        record: &SegmentationRecord,
        frame: usize,
        slice: usize,
        slices: usize,
    ) -> Result<Sliced, StoreError> {
        self.sliced(&record.mask_key(frame), slice, slices).await
    }

    /// Deletes a segmentation with all of its revisions and reviews. `false` when there is no such segmentation.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: it is out of sight already if its deletion was recorded; the sweep finishes it.
    pub async fn delete_segmentation(
        &self,
        study_id: &Id,
        id: &Id,
        event: &Event,
    ) -> Result<bool, StoreError> {
        self.delete_segmentation_if(study_id, id, event, |_, _| Ok(()))
            .await
    }

    /// As [`Store::delete_segmentation`], of one that `agreed` lets go, which is shown its last revision and its study. It is asked anew when
    /// either was changed or reviewed meanwhile, so that what goes is what it saw.
    ///
    /// # Errors
    /// What `agreed` refuses, [`StoreError`] wrapped by `E`.
    pub async fn delete_segmentation_if<E: From<StoreError>>(
        &self,
        study_id: &Id,
        id: &Id,
        event: &Event,
        mut agreed: impl FnMut(&SegmentationRecord, &StudyRecord) -> Result<(), E>,
    ) -> Result<bool, E> {
        for _ in 0..MOST_TRIES {
            let Some((study, study_revision)) = self.study_now(study_id).await? else {
                return Ok(false);
            };
            let Some(record) = self.segmentation(study_id, id).await? else {
                return Ok(false);
            };
            agreed(&record, &study)?;
            let owing = self
                .run(
                    "SELECT owed FROM segmentations WHERE id = ? AND study_id = ? AND state = 'kept' AND owed <> ''",
                    &[id.as_str().into(), study_id.as_str().into()],
                )
                .await?;
            if let Some(row) = owing.first() {
                self.pay_before_removal(row, 0).await?;
            }
            let review = record.review.as_ref().map_or(0, |review| review.number);
            let deleted = self
                .run(
                    &format!(
                        "UPDATE segmentations SET state = 'deleting', touched_at_ms = ?, record = '', owed = ? WHERE id = ? AND study_id = ? AND state = 'kept' \
                         AND {SEEN} RETURNING frames"
                    ),
                    &[
                        event.at_ms.into(),
                        to_json(event)?.into(),
                        id.as_str().into(),
                        study_id.as_str().into(),
                        i64::from(record.revision).into(),
                        i64::from(record.revision).into(),
                        i64::from(review).into(),
                        study_revision.into(),
                    ],
                )
                .await?;
            let Some(row) = deleted.first() else {
                continue;
            };
            let frames: Vec<usize> = from_json(row, 0, "the frames of a segmentation")?;
            self.append_once(event).await?;
            self.remove_segmentation(study_id, id, &frames).await?;
            return Ok(true);
        }
        Err(StoreError::Contended {
            what: "the segmentation",
        }
        .into())
    }

    async fn remove_segmentation(
        &self,
        study_id: &Id,
        id: &Id,
        frames: &[usize],
    ) -> Result<(), StoreError> {
        for frame in frames {
            self.keys.delete(&mask_key(study_id, id, *frame)).await?;
        }
        self.remove_revisions(study_id, id).await?;
        for statement in [
            "DELETE FROM model_shadow_results WHERE segmentation_id = ?",
            "DELETE FROM segmentations WHERE id = ?",
        ] {
            self.run(statement, &[id.as_str().into()]).await?;
        }
        Ok(())
    }

    // The audit.

    /// Adds an entry to the audit.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Contended`].
    pub async fn append_audit(&self, event: &Event) -> Result<(), StoreError> {
        for _ in 0..MOST_TRIES {
            let last = self
                .run(
                    "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1",
                    &[],
                )
                .await?;
            let (sequence, previous_hash) = match last.first() {
                None => (1, FIRST_PREVIOUS_HASH.to_owned()),
                Some(row) => (
                    integer(row, 0, "the audit")? + 1,
                    text(row, 1, "the audit")?.to_owned(),
                ),
            };
            let entry = AuditEntry::chained(sequence, event.clone(), previous_hash);
            let added = self
                .run(
                    "INSERT INTO audit (sequence, study_id, request_id, action, event, previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?) \
                     ON CONFLICT DO NOTHING RETURNING sequence",
                    &[
                        entry.sequence.into(),
                        event.study_id.as_ref().map_or("", Id::as_str).into(),
                        event.request_id.as_str().into(),
                        event.action.name().into(),
                        to_json(event)?.into(),
                        entry.previous_hash.into(),
                        entry.hash.into(),
                    ],
                )
                .await?;
            if !added.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Contended { what: "the audit" })
    }

    /// At most `limit` entries, newest first, from before the one with this sequence number.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn audit(
        &self,
        limit: usize,
        before: Option<i64>,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = self
            .run(
                "SELECT sequence, event, previous_hash, hash FROM audit WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
                &[before.unwrap_or(i64::MAX).into(), count(limit)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditEntry {
                    sequence: integer(row, 0, "the audit")?,
                    event: from_json(row, 1, "an entry of the audit")?,
                    previous_hash: text(row, 2, "the audit")?.to_owned(),
                    hash: text(row, 3, "the audit")?.to_owned(),
                })
            })
            .collect()
    }

    /// Adds an entry unless a crash came between adding it and taking note of that.
    pub(crate) async fn append_once(&self, event: &Event) -> Result<(), StoreError> {
        let study_id = event.study_id.as_ref().map_or("", Id::as_str);
        let there = self
            .run(
                "SELECT event FROM audit WHERE request_id = ? AND action = ? AND study_id = ?",
                &[
                    event.request_id.as_str().into(),
                    event.action.name().into(),
                    study_id.into(),
                ],
            )
            .await?;
        let json = to_json(event)?;
        if there
            .iter()
            .any(|row| row.first().and_then(SqlValue::text) == Some(&json))
        {
            return Ok(());
        }
        self.append_audit(event).await
    }

    async fn pay_study_audit(&self, id: &Id, event: &Event) -> Result<(), StoreError> {
        self.append_once(event).await?;
        self.run(
            "UPDATE studies SET owed = '' WHERE id = ? AND owed = ?",
            &[id.as_str().into(), to_json(event)?.into()],
        )
        .await?;
        Ok(())
    }

    async fn pay_segmentation_audit(&self, id: &Id, event: &Event) -> Result<(), StoreError> {
        self.append_once(event).await?;
        self.run(
            "UPDATE segmentations SET owed = '' WHERE id = ? AND owed = ?",
            &[id.as_str().into(), to_json(event)?.into()],
        )
        .await?;
        Ok(())
    }

    async fn pay_owed_of_study(&self, id: &Id) -> Result<(), StoreError> {
        let rows = self
            .run(
                "SELECT owed FROM studies WHERE id = ? AND state = 'kept' AND owed <> ''",
                &[id.as_str().into()],
            )
            .await?;
        match rows.first() {
            None => Ok(()),
            Some(row) => {
                self.pay_study_audit(id, &from_json(row, 0, "what a study owes")?)
                    .await
            }
        }
    }

    // The sweep.

    /// Ends what crashes have left half done. Cheap when there is nothing: a select a table. Returns how much it ended.
    ///
    /// # Errors
    /// [`StoreError::Backend`], [`StoreError::Corrupt`].
    pub async fn sweep(&self, now_ms: i64) -> Result<usize, StoreError> {
        let stale = SqlValue::Integer(now_ms - STALE_MS);
        let untouched = [
            stale.clone(),
            SqlValue::Integer(now_ms.saturating_sub(WORK_STALE_MS)),
        ];
        let segmentations = self
            .run(
                &format!(
                    "SELECT id, study_id, state, frames, owed, touched_at_ms FROM segmentations WHERE {UNTOUCHED} AND (state <> 'kept' OR owed <> '')"
                ),
                &untouched,
            )
            .await?;
        for row in &segmentations {
            let (id, study_id) = (id_of(row, 0)?, id_of(row, 1)?);
            let owed = text(row, 4, "what a segmentation owes")?;
            if !owed.is_empty() {
                self.pay_segmentation_audit(&id, &from_json(row, 4, "what a segmentation owes")?)
                    .await?;
            }
            match text(row, 2, "the state of a segmentation")? {
                "kept" => continue,
                "staging" => {
                    let claimed = self
                        .run(
                            "UPDATE segmentations SET state = 'deleting' WHERE id = ? AND state = 'staging' AND touched_at_ms = ? RETURNING id",
                            &[
                                id.as_str().into(),
                                integer(row, 5, "the last touch of a segmentation")?.into(),
                            ],
                        )
                        .await?;
                    if claimed.is_empty() {
                        continue;
                    }
                }
                _ => {}
            }
            self.remove_segmentation(
                &study_id,
                &id,
                &from_json::<Vec<usize>>(row, 3, "the frames of a segmentation")?,
            )
            .await?;
        }
        let revisions = self.sweep_revisions(&untouched).await?;
        let studies = self
            .run("SELECT id, state FROM studies WHERE touched_at_ms < ? AND (state <> 'kept' OR owed <> '')", std::slice::from_ref(&stale))
            .await?;
        for row in &studies {
            let id = id_of(row, 0)?;
            match text(row, 1, "the state of a study")? {
                "kept" => {
                    self.pay_owed_of_study(&id).await?;
                    continue;
                }
                "staging" => {
                    let claimed = self
                        .run(
                            "UPDATE studies SET state = 'deleting' WHERE id = ? AND state = 'staging' AND touched_at_ms < ? RETURNING id",
                            &[id.as_str().into(), stale.clone()],
                        )
                        .await?;
                    if claimed.is_empty() {
                        continue;
                    }
                }
                _ => {}
            }
            self.finish_deleting_study(&id).await?;
        }
        Ok(segmentations.len() + revisions + studies.len() + self.sweep_models(now_ms).await?)
    }

    async fn chunk(&self, key: &str) -> Result<Chunk, StoreError> {
        chunk_in(key, self.value(key).await?)
    }

    /// The part `part` of the value under this key where it has `parts` of them, else all of it.
    async fn sliced(&self, key: &str, part: usize, parts: usize) -> Result<Sliced, StoreError> {
        let value = self.value(key).await?;
        match Chunk::part_of(&value, part, parts) {
            Some(part) => Ok(Sliced::Alone(part)),
            None => chunk_in(key, value).map(Sliced::Within),
        }
    }

    async fn value(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.keys
            .get(key)
            .await?
            .ok_or_else(|| corrupt(key, "there is no such key"))
    }

    pub(crate) async fn run(
        &self,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Vec<Vec<SqlValue>>, StoreError> {
        Ok(self.database.execute(statement, parameters).await?)
    }
}

impl Staging {
    /// The id of what is being written.
    pub fn id(&self) -> &Id {
        &self.id
    }

    fn key(&self, frame: usize) -> String {
        match &self.part {
            Part::Study => frame_key(&self.id, frame),
            Part::Segmentation { study_id } => mask_key(study_id, &self.id, frame),
            Part::Revision {
                study_id,
                segmentation_id,
            } => correction_key(study_id, segmentation_id, &self.id, frame),
        }
    }

    fn table(&self) -> &'static str {
        match self.part {
            Part::Study => "studies",
            Part::Segmentation { .. } => "segmentations",
            Part::Revision { .. } => "revisions",
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        match self.part {
            Part::Study => "the study",
            Part::Segmentation { .. } => "the segmentation",
            Part::Revision { .. } => "the revision",
        }
    }
}

fn chunk_in(key: &str, value: Vec<u8>) -> Result<Chunk, StoreError> {
    Chunk::from_value(value)
        .ok_or_else(|| corrupt(key, "the value is too short, or its index does not fit it"))
}

fn corrupt(key: &str, cause: &str) -> StoreError {
    StoreError::Corrupt {
        what: key.to_owned(),
        cause: cause.to_owned(),
    }
}

/// The key of a frame of a study.
pub fn frame_key(id: &Id, frame: usize) -> String {
    format!("study/{id}/frame/{frame}")
}

pub(crate) fn count(limit: usize) -> SqlValue {
    SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX))
}

/// A segmentation of the columns of [`LATEST`].
pub(crate) fn segmentation_of(row: &[SqlValue]) -> Result<SegmentationRecord, StoreError> {
    let mut record: SegmentationRecord = from_json(row, 0, "the record of a segmentation")?;
    record.review = match row.get(1) {
        Some(SqlValue::Null) | None => None,
        Some(_) => Some(from_json(row, 1, "the review of a segmentation")?),
    };
    Ok(record)
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|cause| StoreError::Corrupt {
        what: "a record".to_owned(),
        cause: cause.to_string(),
    })
}

pub(crate) fn from_json<T: DeserializeOwned>(
    row: &[SqlValue],
    column: usize,
    what: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text(row, column, what)?).map_err(|cause| StoreError::Corrupt {
        what: what.to_owned(),
        cause: cause.to_string(),
    })
}

pub(crate) fn text<'a>(
    row: &'a [SqlValue],
    column: usize,
    what: &str,
) -> Result<&'a str, StoreError> {
    row.get(column)
        .and_then(SqlValue::text)
        .ok_or_else(|| StoreError::Corrupt {
            what: what.to_owned(),
            cause: format!("column {column} is no text"),
        })
}

pub(crate) fn integer(row: &[SqlValue], column: usize, what: &str) -> Result<i64, StoreError> {
    row.get(column)
        .and_then(SqlValue::integer)
        .ok_or_else(|| StoreError::Corrupt {
            what: what.to_owned(),
            cause: format!("column {column} is no number"),
        })
}

pub(crate) fn id_of(row: &[SqlValue], column: usize) -> Result<Id, StoreError> {
    Id::parse(text(row, column, "an id")?).ok_or_else(|| StoreError::Corrupt {
        what: "an id".to_owned(),
        cause: "it is not 32 digits".to_owned(),
    })
}
