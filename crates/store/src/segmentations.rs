//! The record of a segmentation as it lies in the database, and the key under which an equal one is found.

use cinecor_volume::Turn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::chunk::ChunkInfo;
use crate::id::{Id, hex};
use crate::subject::Subject;

/// What segmented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUsed {
    /// Name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the graph.
    pub digest: String,
    /// SHA-256 of the component that ran it; `None` where the host cannot tell.
    pub component_digest: Option<String>,
    /// The engine.
    pub engine: String,
    /// The device.
    pub device: String,
    /// The precision of the arithmetic.
    pub precision: String,
}

/// Voxels of each label in one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// Voxels of the right ventricular cavity.
    pub right_ventricle: u64,
    /// Voxels of the left ventricular wall.
    pub myocardium: u64,
    /// Voxels of the left ventricular cavity.
    pub left_ventricle: u64,
}

impl LabelCounts {
    /// Whether no voxel has a label. Records do without what most slices have none of.
    fn are_none(&self) -> bool {
        *self == LabelCounts::default()
    }
}

/// What the mask of a frame says of one slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SliceRecord {
    /// Voxels of each label.
    pub counts: LabelCounts,
    /// Those of them that are not of the frame's largest piece of their structure.
    #[serde(default, skip_serializing_if = "LabelCounts::are_none")]
    pub stray: LabelCounts,
    /// The part of the left cavity's outline that the wall borders.
    pub enclosed: Option<f64>,
    /// Whether the right cavity borders the wall.
    pub beside: Option<bool>,
    /// Middle of the left ventricle as row and column, mm.
    pub middle_mm: Option<[f64; 2]>,
    /// Middle of the right cavity, likewise. What was kept before it was looked for has none.
    #[serde(default)]
    pub right_middle_mm: Option<[f64; 2]>,
    /// Voxels of any structure in the picture's outermost rows and columns, likewise.
    #[serde(default)]
    pub at_edge: Option<u64>,
    /// What it adds to the wall of its frame, likewise.
    #[serde(default)]
    pub wall: Option<WallShareRecord>,
}

/// What a slice adds to the wall of its frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WallShareRecord {
    /// To each segment that it shows.
    pub segments: Vec<SegmentShareRecord>,
    /// Width of its cavity, mm.
    pub diameter_mm: Option<f64>,
}

/// What a slice adds to one segment of the wall. A record has hundreds of them: each is three numbers there, without names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(usize, u32, f64)", into = "(usize, u32, f64)")]
pub struct SegmentShareRecord {
    /// The segment, from 1.
    pub number: usize,
    /// Rays that meet the wall there.
    pub rays: u32,
    /// Their ways through the wall together, mm.
    pub sum_mm: f64,
}

impl From<(usize, u32, f64)> for SegmentShareRecord {
    fn from((number, rays, sum_mm): (usize, u32, f64)) -> SegmentShareRecord {
        SegmentShareRecord {
            number,
            rays,
            sum_mm,
        }
    }
}

impl From<SegmentShareRecord> for (usize, u32, f64) {
    fn from(share: SegmentShareRecord) -> (usize, u32, f64) {
        (share.number, share.rays, share.sum_mm)
    }
}

/// What the mask of one frame says: all that rules about slices, the wall and checks need of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Its slices, in the order of the volume.
    pub slices: Vec<SliceRecord>,
    /// Voxels that are not of their structure's largest piece.
    pub stray: LabelCounts,
    /// Thickness of the wall's segments, mm.
    pub segments_mm: Vec<Option<f64>>,
    /// Width of the left cavity, mm.
    pub diameter_mm: Option<f64>,
    /// Contrast of cavity and wall.
    pub contrast: Option<f64>,
}

/// One automatic check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// Stable name.
    pub code: String,
    /// Whether it held.
    pub passed: bool,
    /// What was found.
    pub value: Option<f64>,
    /// What was allowed.
    pub limit: Option<f64>,
    /// The check in a sentence.
    pub detail: String,
}

/// The verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityRecord {
    /// `pass`, `review` or `reject`.
    pub verdict: String,
    /// The checks that ran.
    pub checks: Vec<CheckRecord>,
    /// From 0, useless, to 1.
    pub score: Option<f64>,
}

/// Where the time went, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimingsMs {
    /// Reading frames.
    pub decode: f64,
    /// Before inference.
    pub preprocess: f64,
    /// Waiting for the engine.
    pub inference: f64,
    /// After inference.
    pub postprocess: f64,
    /// From the request to the answer.
    pub total: f64,
}

/// A segmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationRecord {
    /// Its id.
    pub id: Id,
    /// The study that it is of.
    pub study_id: Id,
    /// When it was kept, ms since 1970.
    pub created_at_ms: i64,
    /// From 1.
    pub revision: u32,
    /// What segmented.
    pub model: ModelUsed,
    /// The frames of the study that were segmented, in rising order.
    pub frames: Vec<usize>,
    /// Slices that are left out of the numbers.
    pub excluded_slices: Vec<usize>,
    /// End-diastole of the left ventricle.
    pub ed_frame: Option<usize>,
    /// End-systole of the left ventricle.
    pub es_frame: Option<usize>,
    /// Voxels of each label, one entry for each of `frames`: all that volumes need.
    pub counts: Vec<LabelCounts>,
    /// What the masks say slice by slice, one entry for each of `frames`; empty in records that were made without.
    #[serde(default)]
    pub profiles: Vec<ProfileRecord>,
    /// How far off the numbers may be; absent where the model does not say.
    #[serde(default)]
    pub doubt: Option<DoubtRecord>,
    /// The model's score of each of `frames`, where it has one; empty in records that were made without.
    #[serde(default)]
    pub scores: Vec<Option<f64>>,
    /// The verdict.
    pub quality: QualityRecord,
    /// Where the time went.
    pub timings: TimingsMs,
    /// What is known of the stored mask frames, one for each of `frames`.
    pub chunks: Vec<ChunkInfo>,
    /// Who had it made; absent in records that were made without.
    #[serde(default)]
    pub author: Option<String>,
    /// How frames were turned before the model saw them; not at all in records that were made without.
    #[serde(default)]
    pub turn: TurnRecord,
    /// What a person told of it, in place of what is found or is usual.
    #[serde(default)]
    pub told: ToldRecord,
    /// The frames whose mask a person drew, in rising order.
    #[serde(default)]
    pub drawn: Vec<DrawnRecord>,
    /// What made this revision of the one before; absent in the first.
    #[serde(default)]
    pub change: Option<ChangeRecord>,
    /// The last review of this revision. It lies in a table of its own.
    #[serde(skip)]
    pub review: Option<ReviewRecord>,
}

/// A [`Turn`] as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Rows became columns; before anything was reversed.
    pub transposed: bool,
    /// The last row became the first.
    pub rows_reversed: bool,
    /// The last column became the first.
    pub columns_reversed: bool,
}

impl From<Turn> for TurnRecord {
    fn from(turn: Turn) -> TurnRecord {
        TurnRecord {
            transposed: turn.transposed,
            rows_reversed: turn.rows_reversed,
            columns_reversed: turn.columns_reversed,
        }
    }
}

impl From<TurnRecord> for Turn {
    fn from(record: TurnRecord) -> Turn {
        Turn {
            transposed: record.transposed,
            rows_reversed: record.rows_reversed,
            columns_reversed: record.columns_reversed,
        }
    }
}

/// Phases and rules that a person told for a segmentation; what is not told is found, or is the usual rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldRecord {
    /// End-diastole, by its frame of the study; goes before the one that is told of the study.
    pub ed_frame: Option<usize>,
    /// End-systole, likewise.
    pub es_frame: Option<usize>,
    /// Name of the formula of body surface area.
    pub bsa_formula: Option<String>,
    /// Name of the rule for basal slices.
    pub basal_rule: Option<String>,
}

/// A frame whose mask a person drew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnRecord {
    /// The frame of the study.
    pub frame: usize,
    /// The correction that its mask is kept under.
    pub correction: Id,
}

/// What made a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Who.
    pub author: String,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What was told or sent: `mask`, or names of rules and phases.
    pub fields: Vec<String>,
    /// The frames whose mask is another than before.
    pub frames: Vec<usize>,
}

/// A person's verdict on a revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewRecord {
    /// The revision.
    pub revision: u32,
    /// Its place among the reviews of the revision, from 1; the last one holds.
    pub number: u32,
    /// Whether the person stands by the result.
    pub state: ReviewState,
    /// What the person wrote to it.
    pub note: Option<String>,
    /// Who.
    pub author: String,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What was known of the subject then, on which the numbers rest that the person saw; `None` in records from before it was kept.
    #[serde(default)]
    pub facts: Option<Subject>,
}

impl ReviewRecord {
    /// Whether what is known of the subject is something else by now, so that the numbers may not be those that were reviewed.
    pub fn is_stale(&self, facts: &Subject) -> bool {
        self.facts.is_some_and(|reviewed| reviewed != *facts)
    }
}

/// What a review says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// The result may be used.
    Approved,
    /// It may not.
    Rejected,
}

impl ReviewState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            ReviewState::Approved => "approved",
            ReviewState::Rejected => "rejected",
        }
    }

    /// The state of a name on the wire.
    pub fn from_name(name: &str) -> Option<ReviewState> {
        [ReviewState::Approved, ReviewState::Rejected]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// What intervals are worked out from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoubtRecord {
    /// How often an interval holds the truth, between 0 and 1.
    pub level: f64,
    /// How wide intervals are.
    pub factors: Vec<FactorRecord>,
    /// Voxels in doubt of right ventricle, wall and left ventricle, one entry for each of the record's `frames`.
    pub voxels: Vec<[f64; 3]>,
}

/// How wide the interval of a number is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactorRecord {
    /// The number, as its path in the metrics.
    pub quantity: String,
    /// Share of each volume that is in doubt beside what the probabilities say.
    pub share: f64,
    /// How many doubts below the number the interval begins.
    pub low: f64,
    /// How many doubts above the number it ends.
    pub high: f64,
}

impl SegmentationRecord {
    /// The key under which an equal request finds it.
    pub fn lookup_key(&self) -> String {
        lookup_key(&self.study_id, &self.frames, &self.model)
    }

    /// The key of the mask of a frame of the study.
    pub fn mask_key(&self, frame: usize) -> String {
        let drawn = self.drawn.iter().find(|drawn| drawn.frame == frame);
        match drawn {
            Some(drawn) => correction_key(&self.study_id, &self.id, &drawn.correction, frame),
            None => mask_key(&self.study_id, &self.id, frame),
        }
    }

    /// When this revision was made, ms since 1970, and by whom.
    pub fn made(&self) -> (i64, Option<&str>) {
        match &self.change {
            Some(change) => (change.at_ms, Some(&change.author)),
            None => (self.created_at_ms, self.author.as_deref()),
        }
    }
}

/// The key of a frame of the mask that a model made.
pub fn mask_key(study_id: &Id, id: &Id, frame: usize) -> String {
    format!("study/{study_id}/segmentation/{id}/frame/{frame}")
}

/// The key of a frame of the mask that a person sent.
pub(crate) fn correction_key(study_id: &Id, id: &Id, correction: &Id, frame: usize) -> String {
    format!("study/{study_id}/segmentation/{id}/correction/{correction}/frame/{frame}")
}

/// The key of a segmentation of these frames of a study by this model, component, engine, device and precision. Frames are in rising order.
pub fn lookup_key(study_id: &Id, frames: &[usize], model: &ModelUsed) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        // Length first, so that no two lists of parts run together to the same bytes.
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    };
    add(study_id.as_str());
    let frames: Vec<String> = frames.iter().map(usize::to_string).collect();
    add(&frames.join(","));
    add(&model.digest);
    add(model.component_digest.as_deref().unwrap_or(""));
    add(&model.engine);
    add(&model.device);
    add(&model.precision);
    // Name and version belong to the answer, so that two packages with one graph are two models.
    add(&model.name);
    add(&model.version);
    hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelUsed {
        ModelUsed {
            name: "unet".to_owned(),
            version: "1".to_owned(),
            digest: "d".to_owned(),
            component_digest: None,
            engine: "tract".to_owned(),
            device: "cpu".to_owned(),
            precision: "fp32".to_owned(),
        }
    }

    #[test]
    fn every_part_of_what_answered_makes_another_key() {
        let id = Id::from_random([1; 16]);
        let base = lookup_key(&id, &[0, 7], &model());
        assert_eq!(base, lookup_key(&id, &[0, 7], &model()));
        let others = [
            lookup_key(&Id::from_random([2; 16]), &[0, 7], &model()),
            lookup_key(&id, &[0], &model()),
            lookup_key(
                &id,
                &[0, 7],
                &ModelUsed {
                    digest: "e".to_owned(),
                    ..model()
                },
            ),
            lookup_key(
                &id,
                &[0, 7],
                &ModelUsed {
                    component_digest: Some("c".to_owned()),
                    ..model()
                },
            ),
            lookup_key(
                &id,
                &[0, 7],
                &ModelUsed {
                    engine: "openvino".to_owned(),
                    ..model()
                },
            ),
            lookup_key(
                &id,
                &[0, 7],
                &ModelUsed {
                    device: "gpu".to_owned(),
                    ..model()
                },
            ),
            lookup_key(
                &id,
                &[0, 7],
                &ModelUsed {
                    precision: "bf16".to_owned(),
                    ..model()
                },
            ),
            lookup_key(
                &id,
                &[0, 7],
                &ModelUsed {
                    version: "2".to_owned(),
                    ..model()
                },
            ),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
