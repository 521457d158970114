//! A segmentation: which model answered, on what, how long it took.

use std::collections::BTreeMap;

use cinecor_measures::{
    BsaFormula, Counts, Cycle, Doubt, Error, Factor, Factors, FrameCounts, Metrics, Rules,
    intervals, measure, measure_heart,
};
use cinecor_store::{
    DoubtRecord, FactorRecord, LabelCounts, ModelUsed, QualityRecord, SegmentationRecord, Subject,
    TimingsMs,
};
use cinecor_volume::{Label, Spacing};
use serde::{Deserialize, Serialize};

use crate::profile::{counts_of, profile_of};
use crate::{CheckJson, QualityJson, measured_with};

/// A segmentation. One that is not kept has no id and no links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationJson {
    /// Its id; `null` when it is not kept.
    pub id: Option<String>,
    /// The study that it is of; `null` when that is not kept.
    pub study_id: Option<String>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Counts from 1; a correction is a new one.
    pub revision: u32,
    /// Who answered.
    pub model: ModelJson,
    /// Structure to code in the mask.
    pub labels: LabelsJson,
    /// The frames of the study that were segmented, in the order of the mask.
    pub frames: Vec<usize>,
    /// Slices that do not count.
    pub excluded_slices: Vec<usize>,
    /// The end-diastolic frame.
    pub ed_frame: Option<usize>,
    /// The end-systolic frame.
    pub es_frame: Option<usize>,
    /// Whether the result may be trusted unseen.
    pub quality: QualityJson,
    /// A doctor's verdict; `null` until there is one.
    pub review: Option<serde_json::Value>,
    /// Where the time went.
    pub timings_ms: TimingsJson,
    /// Paths of the segmentation and its parts, by name; empty when it is not kept.
    pub links: BTreeMap<String, String>,
}

impl SegmentationJson {
    /// A kept segmentation with the left ventricle's phases and the quality of its numbers now ([`measure_kept`]): what is told of a study
    /// may change after the segmentation was made. `created_at` is its date in RFC 3339.
    pub fn kept(
        record: &SegmentationRecord,
        metrics: &Metrics,
        created_at: String,
    ) -> SegmentationJson {
        let phases = metrics.phases.left_ventricle;
        let path = format!(
            "/api/v1/studies/{}/segmentations/{}",
            record.study_id.as_str(),
            record.id.as_str()
        );
        SegmentationJson {
            id: Some(record.id.as_str().to_owned()),
            study_id: Some(record.study_id.as_str().to_owned()),
            created_at,
            revision: record.revision,
            model: ModelJson::from(&record.model),
            labels: LabelsJson::default(),
            frames: record.frames.clone(),
            excluded_slices: record.excluded_slices.clone(),
            ed_frame: phases.ed_frame,
            es_frame: phases.es_frame,
            quality: if record.profiles.is_empty() {
                QualityJson::from(&record.quality)
            } else {
                QualityJson::from(&metrics.quality)
            },
            review: None,
            timings_ms: TimingsJson::from(&record.timings),
            links: BTreeMap::from([
                (
                    "study".to_owned(),
                    format!("/api/v1/studies/{}", record.study_id.as_str()),
                ),
                ("mask".to_owned(), format!("{path}/mask.nii.gz")),
                ("metrics".to_owned(), format!("{path}/metrics")),
                ("report".to_owned(), format!("{path}/report")),
                ("self".to_owned(), path),
            ]),
        }
    }
}

/// The numbers of a kept segmentation, made anew with what is told of the study now and the slices that the segmentation excludes. A
/// told phase that is not among its frames is found among those that are.
///
/// # Errors
/// As [`measure_heart`].
pub fn measure_kept(
    record: &SegmentationRecord,
    subject: &Subject,
    spacing: &Spacing,
    cycle: &Cycle,
) -> Result<Metrics, Error> {
    let rules = Rules {
        excluded_slices: record.excluded_slices.clone(),
        ..Rules::default()
    };
    measure_kept_with(
        record,
        subject,
        spacing,
        cycle,
        &rules,
        BsaFormula::default(),
    )
}

/// The same under told rules. A record without profiles knows of no slices: no rule about them holds, and there is nothing to check.
///
/// # Errors
/// As [`measure_heart`].
pub fn measure_kept_with(
    record: &SegmentationRecord,
    subject: &Subject,
    spacing: &Spacing,
    cycle: &Cycle,
    rules: &Rules,
    bsa_formula: BsaFormula,
) -> Result<Metrics, Error> {
    let told = cinecor_measures::Subject {
        bsa_formula,
        ..measured_with(&subject.for_frames(&record.frames))
    };
    if record.profiles.is_empty() {
        let counts: Vec<FrameCounts> = record
            .frames
            .iter()
            .zip(&record.counts)
            .map(|(&frame, &counts)| FrameCounts {
                frame,
                counts: counts_of(counts),
            })
            .collect();
        return measure(&counts, spacing, cycle, &told);
    }
    let profiles: Vec<_> = record
        .frames
        .iter()
        .zip(&record.profiles)
        .map(|(&frame, profile)| profile_of(frame, profile))
        .collect();
    let score = record.quality.score;
    let mut metrics = measure_heart(&profiles, rules, spacing, cycle, &told, score)?;
    if let Some(doubt) = &record.doubt {
        metrics.intervals = intervals(
            &metrics,
            &doubts_of(doubt, &record.frames),
            &factors_of(doubt),
            spacing,
        );
    }
    Ok(metrics)
}

/// The doubts of the frames of a record.
fn doubts_of(record: &DoubtRecord, frames: &[usize]) -> Vec<Doubt> {
    let voxels = frames.iter().zip(&record.voxels);
    voxels
        .map(|(&frame, &[right, wall, left])| Doubt {
            frame,
            right_ventricle_voxels: right,
            myocardium_voxels: wall,
            left_ventricle_voxels: left,
        })
        .collect()
}

fn factors_of(record: &DoubtRecord) -> Factors {
    let of = record.factors.iter().map(|factor| Factor {
        quantity: factor.quantity.clone(),
        share: factor.share,
        low: factor.low,
        high: factor.high,
    });
    Factors {
        level: record.level,
        of: of.collect(),
    }
}

/// The doubt of frames and the factors of a model as they are kept.
pub fn doubt_record(doubts: &[Doubt], factors: &Factors) -> DoubtRecord {
    let factor = |factor: &Factor| FactorRecord {
        quantity: factor.quantity.clone(),
        share: factor.share,
        low: factor.low,
        high: factor.high,
    };
    let voxels = |doubt: &Doubt| {
        [
            doubt.right_ventricle_voxels,
            doubt.myocardium_voxels,
            doubt.left_ventricle_voxels,
        ]
    };
    DoubtRecord {
        level: factors.level,
        factors: factors.of.iter().map(factor).collect(),
        voxels: doubts.iter().map(voxels).collect(),
    }
}

/// Counts as they are kept.
pub fn label_counts(counts: Counts) -> LabelCounts {
    let Counts {
        right_ventricle,
        myocardium,
        left_ventricle,
    } = counts;
    LabelCounts {
        right_ventricle,
        myocardium,
        left_ventricle,
    }
}

impl From<&ModelUsed> for ModelJson {
    fn from(model: &ModelUsed) -> Self {
        let ModelUsed {
            name,
            version,
            digest,
            component_digest,
            engine,
            device,
            precision,
        } = model.clone();
        ModelJson {
            name,
            version,
            digest,
            component_digest,
            engine,
            device,
            precision,
        }
    }
}

impl From<&QualityRecord> for QualityJson {
    fn from(quality: &QualityRecord) -> Self {
        QualityJson {
            verdict: quality.verdict.clone(),
            checks: quality
                .checks
                .iter()
                .map(|check| CheckJson {
                    code: check.code.clone(),
                    passed: check.passed,
                    value: check.value,
                    limit: check.limit,
                    detail: check.detail.clone(),
                })
                .collect(),
            score: quality.score,
        }
    }
}

impl From<&TimingsMs> for TimingsJson {
    fn from(timings: &TimingsMs) -> Self {
        let TimingsMs {
            decode,
            preprocess,
            inference,
            postprocess,
            total,
        } = *timings;
        TimingsJson {
            decode,
            preprocess,
            inference,
            postprocess,
            total,
        }
    }
}

/// A page of segmentations, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationListJson {
    /// The segmentations.
    pub items: Vec<SegmentationJson>,
    /// Hand it back as `cursor` for the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// The model, component and engine that answered: with the input they decide every byte of a mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelJson {
    /// Name of the package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the graph.
    pub digest: String,
    /// SHA-256 of the component; `null` where the host cannot tell it.
    pub component_digest: Option<String>,
    /// Engine, for instance `onnxruntime`.
    pub engine: String,
    /// Device, for instance `cpu`.
    pub device: String,
    /// Arithmetic, for instance `fp32`.
    pub precision: String,
}

/// The code of each structure in a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelsJson {
    /// Everything else.
    pub background: u8,
    /// Cavity of the right ventricle.
    pub right_ventricle: u8,
    /// Wall of the left ventricle.
    pub myocardium: u8,
    /// Cavity of the left ventricle.
    pub left_ventricle: u8,
}

impl Default for LabelsJson {
    fn default() -> Self {
        LabelsJson {
            background: Label::Background.code(),
            right_ventricle: Label::RightVentricle.code(),
            myocardium: Label::Myocardium.code(),
            left_ventricle: Label::LeftVentricle.code(),
        }
    }
}

/// Where the time of a request went, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimingsJson {
    /// Reading the file, waiting for its bytes included.
    pub decode: f64,
    /// To the network's grid.
    pub preprocess: f64,
    /// In the engine, waiting for it included.
    pub inference: f64,
    /// Back on the study's grid, cleaned up.
    pub postprocess: f64,
    /// From the first byte to the result.
    pub total: f64,
}
