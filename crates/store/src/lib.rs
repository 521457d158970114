//! Studies, segmentations, uploaded models and the audit, kept in a key-value store (frames) and an SQL database (records). Both are behind traits, so
//! that all of it is tested natively; there is no HTTP, no Spin, no clock and no source of randomness here.
//!
//! # What is kept where
//! - `study/{id}/frame/{t}`: one frame of grey values, the numbers as the file held them (little-endian, columns fastest), which is the
//!   most compact exact form: `i16` for what scanners write. Deflated, slice by slice where slices follow one another, see [`Chunk`].
//! - `study/{id}/segmentation/{sid}/frame/{t}`: one frame of label codes, deflated.
//! - `study/{id}/segmentation/{sid}/correction/{cid}/frame/{t}`: the same as a person drew it.
//! - `models/…`: graphs of uploaded models; `models` says how.
//! - `studies`, `segmentations`: one row each with its state and its record as JSON. `audit`: one row an entry.
//! - `revisions`: one row for each revision of a segmentation but the first, which is the segmentation's own row and never changes.
//!   `reviews`: one row each. The last revision is the one with the highest number; nothing else says so.
//!
//! # What a crash can leave
//! Statements are atomic, and nothing here needs two of them to be atomic together, because connections may be shared by requests:
//! a study begins as a row in the state `staging`, gets its frames, and exists from the one `UPDATE` on that sets it to `kept`.
//! Deleting sets it to `deleting`, which takes it out of sight, then removes its keys, then the row. [`Store::sweep`] ends what a
//! crash has left half done: staged rows that nobody has touched for [`STALE_MS`] are removed with their keys, deletions are
//! finished, audit entries that are owed are written.
//!
//! ```
//! use cinecor_store::{Chunk, Id};
//!
//! let id = Id::from_random([0xab; 16]);
//! assert_eq!(id.as_str(), "abababababababababababababababab");
//! assert_eq!(Id::parse("../etc/passwd"), None);
//! let chunk = Chunk { bytes: vec![1, 2, 3], crc32: 7, len: 900, parts: vec![(2, 4), (1, 5)], window: None };
//! assert_eq!(Chunk::from_value(chunk.to_value()), Some(chunk));
//! ```

mod assembly;
mod audit;
mod backend;
mod chunk;
mod id;
mod models;
mod revisions;
mod segmentations;
mod shadow;
mod store;
mod studies;
mod subject;

pub use assembly::{Assembly, Piece};
pub use audit::{Action, AuditEntry, Event, chain_holds};
pub use backend::{BackendError, Database, KeyValue, SqlValue};
pub use chunk::{Chunk, ChunkInfo, ChunkPart};
pub use id::Id;
pub use models::{
    Activated, Before, MODEL_CHUNK_BYTES, MODEL_LEASE_MS, MODEL_STALE_MS, ModelDeleted, ModelFile,
    ModelGraph, ModelRecord, ModelStaging, RolledBack, graph_key,
};
pub use revisions::{Reviewed, Revised, RevisionRecord};
pub use segmentations::{
    ChangeRecord, CheckRecord, DoubtRecord, DrawnRecord, FactorRecord, LabelCounts, ModelUsed,
    ProfileRecord, QualityRecord, ReviewRecord, ReviewState, SegmentShareRecord,
    SegmentationRecord, SliceRecord, TimingsMs, ToldRecord, TurnRecord, WallShareRecord,
    lookup_key, mask_key,
};
pub use shadow::{SHADOW_RESULTS_MAX, SHADOW_SILENCE_MS, Shadow, ShadowResult, ShadowState};
pub use store::{
    Committed, STALE_MS, Sliced, Staging, Store, StoreError, WORK_STALE_MS, frame_key,
};
pub use studies::{
    Consent, DeidentificationRecord, SourceRecord, StudyRecord, VoxelRecord, WarningRecord,
};
pub use subject::{FACTS, FactError, FactRange, Sex, Subject};
