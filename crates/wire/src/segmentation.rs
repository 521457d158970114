//! A segmentation: which model answered, on what, how long it took.

use std::collections::BTreeMap;

use cinecor_measures::score::FrameScore;
use cinecor_measures::{
    BasalRule, BsaFormula, Conventions, Counts, Cycle, Doubt, Error, Factor, Factors, FrameCounts,
    FrameProfile, Metrics, Rules, SEGMENTS, intervals, measure, measure_heart,
};
use cinecor_store::{
    DoubtRecord, FactorRecord, LabelCounts, ModelUsed, QualityRecord, SegmentationRecord, Subject,
    TimingsMs,
};
use cinecor_volume::{Label, Spacing, Turn};
use serde::{Deserialize, Serialize};

use crate::profile::{counts_of, profile_of};
use crate::{CheckJson, MetricsJson, QualityJson, ReviewJson, WarningJson, measured_with};

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
    /// The phases that a person told for it.
    pub told: ToldPhasesJson,
    /// Which basal slices count.
    pub basal_rule: String,
    /// How body surface area is worked out.
    pub bsa_formula: String,
    /// What a person changed; `null` for the first revision.
    pub corrected: Option<CorrectedJson>,
    /// What was doubtful about how it was made and how it was settled.
    #[serde(default)]
    pub warnings: Vec<WarningJson>,
    /// Whether the result may be trusted unseen.
    pub quality: QualityJson,
    /// A doctor's verdict on this revision; `null` until there is one.
    pub review: Option<ReviewJson>,
    /// Where the time went.
    pub timings_ms: TimingsJson,
    /// Paths of the segmentation and its parts, by name; empty when it is not kept.
    pub links: BTreeMap<String, String>,
}

impl SegmentationJson {
    /// A kept segmentation with the left ventricle's phases and the quality of its numbers now ([`measure_kept`]): what is told of a study
    /// may change after the segmentation was made; `facts` is that. `time` writes ms since 1970 in RFC 3339.
    pub fn kept(
        record: &SegmentationRecord,
        metrics: &Metrics,
        facts: &Subject,
        time: impl Fn(i64) -> String,
    ) -> SegmentationJson {
        let (rules, bsa_formula) = kept_rules(record);
        let phases = metrics.phases.left_ventricle;
        let path = format!(
            "/api/v1/studies/{}/segmentations/{}",
            record.study_id.as_str(),
            record.id.as_str()
        );
        SegmentationJson {
            id: Some(record.id.as_str().to_owned()),
            study_id: Some(record.study_id.as_str().to_owned()),
            created_at: time(record.created_at_ms),
            revision: record.revision,
            model: ModelJson::from(&record.model),
            labels: LabelsJson::default(),
            frames: record.frames.clone(),
            excluded_slices: record.excluded_slices.clone(),
            ed_frame: phases.ed_frame,
            es_frame: phases.es_frame,
            told: ToldPhasesJson {
                ed_frame: record.told.ed_frame,
                es_frame: record.told.es_frame,
            },
            basal_rule: rules.basal_rule.name().to_owned(),
            bsa_formula: bsa_formula.name().to_owned(),
            corrected: record.change.as_ref().map(|change| CorrectedJson {
                author: change.author.clone(),
                created_at: time(change.at_ms),
                changed: change.fields.clone(),
                frames: record.drawn.iter().map(|drawn| drawn.frame).collect(),
            }),
            warnings: shown_turned(record.turn.into()),
            quality: kept_quality(record, metrics),
            review: record
                .review
                .as_ref()
                .map(|review| ReviewJson::of(review, facts, &time)),
            timings_ms: TimingsJson::from(&record.timings),
            links: BTreeMap::from([
                (
                    "study".to_owned(),
                    format!("/api/v1/studies/{}", record.study_id.as_str()),
                ),
                ("mask".to_owned(), format!("{path}/mask.nii.gz")),
                ("metrics".to_owned(), format!("{path}/metrics")),
                ("report".to_owned(), format!("{path}/report")),
                ("revisions".to_owned(), format!("{path}/revisions")),
                ("self".to_owned(), path),
            ]),
        }
    }

    /// The same under other phases or rules than its own: a review is none of them.
    #[must_use]
    pub fn supposed(
        self,
        rules: &Rules,
        bsa_formula: BsaFormula,
        subject: &Subject,
    ) -> SegmentationJson {
        SegmentationJson {
            excluded_slices: rules.excluded_slices.clone(),
            told: ToldPhasesJson {
                ed_frame: subject.ed_frame,
                es_frame: subject.es_frame,
            },
            basal_rule: rules.basal_rule.name().to_owned(),
            bsa_formula: bsa_formula.name().to_owned(),
            review: None,
            ..self
        }
    }

    /// The same with links that stay at this revision when there are later ones.
    #[must_use]
    pub fn pinned(mut self) -> SegmentationJson {
        for name in ["mask", "metrics", "report", "self"] {
            if let Some(link) = self.links.get_mut(name) {
                link.push_str(&format!("?revision={}", self.revision));
            }
        }
        self
    }
}

/// The warning that slices were shown to the model otherwise than they lie; none where they were not.
pub fn shown_turned(turn: Turn) -> Vec<WarningJson> {
    if turn.is_none() {
        return Vec::new();
    }
    let detail = format!(
        "the heart does not lie in the slices as it does in short-axis pictures, and what the model made of them was doubtful; so every slice was {} before the model saw it, which its score finds better, and the masks were turned back to lie as the file does; check what the file says of left and right",
        turn.in_words()
    );
    let detail = if turn.is_mirror() {
        format!(
            "{detail}; where the file does not say how the slices lie in the patient, the segments of the wall are those of the heart as the model saw it"
        )
    } else {
        detail
    };
    vec![WarningJson {
        code: "shown_turned".to_owned(),
        detail,
    }]
}

/// The quality of a kept segmentation now. A record without profiles has the one that it was kept with.
pub fn kept_quality(record: &SegmentationRecord, metrics: &Metrics) -> QualityJson {
    let quality = if record.profiles.is_empty() {
        QualityJson::from(&record.quality)
    } else {
        QualityJson::from(&metrics.quality)
    };
    QualityJson {
        score_reason: (!record.drawn.is_empty()).then(|| {
            "A person drew masks of this revision; a score is of a model's own masks.".to_owned()
        }),
        ..quality
    }
}

impl MetricsJson {
    /// The numbers of a kept segmentation, with the reasons for what is missing because a person drew masks.
    pub fn kept(record: &SegmentationRecord, metrics: &Metrics) -> MetricsJson {
        let phases = metrics.phases;
        let measured = [
            phases.left_ventricle.ed_frame,
            phases.left_ventricle.es_frame,
            phases.right_ventricle.ed_frame,
            phases.right_ventricle.es_frame,
        ];
        let counts = |frame| measured.contains(&Some(frame));
        let drawn = record.drawn.iter().any(|drawn| counts(drawn.frame));
        let mut json = MetricsJson::from(metrics);
        if json.myocardium.segments.is_empty() {
            json.myocardium.segments_note = no_segments(record, &metrics.conventions);
        }
        MetricsJson {
            intervals_reason: drawn.then(|| {
                "A person drew masks at end-diastole or end-systole; an interval is of a model's own masks."
                    .to_owned()
            }),
            quality: kept_quality(record, metrics),
            ..json
        }
    }
}

/// Why a record that was kept with less than is looked at now has no segments; `None` where that is not why.
fn no_segments(record: &SegmentationRecord, conventions: &Conventions) -> Option<String> {
    let mut slices = record.profiles.iter().flat_map(|profile| &profile.slices);
    let why = if record.profiles.is_empty() {
        "before its wall was looked at"
    } else if slices.all(|slice| slice.wall.is_some()) {
        return None;
    } else if Turn::from(record.turn).is_mirror() {
        "before it was asked which way round the heart of a mirrored picture goes, so that anterior and inferior may be exchanged"
    } else if !conventions.excluded_slices.is_empty() {
        "before it was looked at what each slice adds to the wall, and slices are left out"
    } else {
        return None;
    };
    Some(format!(
        "The segments of the wall are not known: the segmentation was kept {why}. A revision that is made now has them."
    ))
}

/// The rules that hold for a kept segmentation: those that a person told, or else the usual ones.
pub fn kept_rules(record: &SegmentationRecord) -> (Rules, BsaFormula) {
    let told = &record.told;
    told_rules(
        told.basal_rule.as_deref(),
        told.bsa_formula.as_deref(),
        record.excluded_slices.clone(),
    )
}

/// The rules of these names; the usual one where none is told.
pub fn told_rules(
    basal_rule: Option<&str>,
    bsa_formula: Option<&str>,
    excluded_slices: Vec<usize>,
) -> (Rules, BsaFormula) {
    let basal_rule = basal_rule.and_then(BasalRule::from_name);
    let bsa_formula = bsa_formula.and_then(BsaFormula::from_name);
    let rules = Rules {
        basal_rule: basal_rule.unwrap_or_default(),
        excluded_slices,
    };
    (rules, bsa_formula.unwrap_or_default())
}

/// What is told for the numbers of a kept segmentation: facts of the study, and phases of the segmentation before those of the study. A
/// phase of the study that is not among the frames, or is the other phase of the segmentation, is left to be found.
pub fn kept_subject(record: &SegmentationRecord, study: &Subject) -> Subject {
    let study = study.for_frames(&record.frames);
    let told = &record.told;
    let of_study = |told: Option<usize>, other: Option<usize>| told.filter(|_| told != other);
    Subject {
        ed_frame: told
            .ed_frame
            .or_else(|| of_study(study.ed_frame, told.es_frame)),
        es_frame: told
            .es_frame
            .or_else(|| of_study(study.es_frame, told.ed_frame)),
        ..study
    }
}

/// The numbers of a kept segmentation, made anew with what is told of the study now and of the segmentation.
///
/// # Errors
/// As [`measure_heart`].
pub fn measure_kept(
    record: &SegmentationRecord,
    subject: &Subject,
    spacing: &Spacing,
    cycle: &Cycle,
) -> Result<Metrics, Error> {
    let (rules, bsa_formula) = kept_rules(record);
    let subject = kept_subject(record, subject);
    measure_kept_with(record, &subject, spacing, cycle, &rules, bsa_formula)
}

/// The same under these rules and with these facts, none of which are looked up in the record. A record without profiles knows of no slices: no rule about them holds, and there is nothing to check.
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
        .map(|profile| without_doubtful_segments(profile, record.turn.into()))
        .collect();
    // What the model said of its own masks does not hold for those that a person drew.
    let scores = if record.drawn.is_empty() {
        frame_scores(record)
    } else {
        Vec::new()
    };
    let mut metrics = measure_heart(&profiles, rules, spacing, cycle, &told, &scores)?;
    if let Some(doubt) = &record.doubt {
        metrics.intervals = intervals(
            &metrics,
            &doubts_of(doubt, record),
            &factors_of(doubt),
            spacing,
        );
    }
    Ok(metrics)
}

/// A profile that was kept before anybody asked which way round the heart of a mirrored picture goes may have anterior and inferior
/// segments exchanged: they are not known.
fn without_doubtful_segments(mut profile: FrameProfile, turn: Turn) -> FrameProfile {
    if turn.is_mirror() && profile.slices.iter().any(|slice| slice.wall.is_none()) {
        profile.wall.segments_mm = [None; SEGMENTS];
    }
    profile
}

/// The scores of the frames of a record; that of the study for each of them where they were not kept.
fn frame_scores(record: &SegmentationRecord) -> Vec<FrameScore> {
    let frames = record.frames.iter().enumerate();
    frames
        .filter_map(|(index, &frame)| {
            let score = match record.scores.get(index) {
                Some(score) => *score,
                None => record.quality.score,
            };
            score.map(|score| FrameScore { frame, score })
        })
        .collect()
}

/// The doubts of the frames of a record whose masks are the model's.
fn doubts_of(doubt: &DoubtRecord, record: &SegmentationRecord) -> Vec<Doubt> {
    let voxels = record.frames.iter().zip(&doubt.voxels);
    let drawn = |frame: usize| record.drawn.iter().any(|drawn| drawn.frame == frame);
    voxels
        .filter(|(frame, _)| !drawn(**frame))
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
            score_reason: None,
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

/// The phases that a person told for a segmentation; `null` where none was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldPhasesJson {
    /// End-diastole.
    pub ed_frame: Option<usize>,
    /// End-systole.
    pub es_frame: Option<usize>,
}

/// What a person changed to make this revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectedJson {
    /// Who made this revision.
    pub author: String,
    /// When, RFC 3339 in UTC.
    pub created_at: String,
    /// What this revision changed: `mask`, or names of phases and rules.
    pub changed: Vec<String>,
    /// The frames whose mask a person drew, in this revision or an earlier one.
    pub frames: Vec<usize>,
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

/// Where the time of a request went, in ms. Frames of a cine overlap: what is decoded while others are at work is in no other number. What
/// is left of `total` is measuring and packing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimingsJson {
    /// Waiting for frames: reading the file and waiting for its bytes, as far as no frame was at work meanwhile.
    pub decode: f64,
    /// To the network's grid.
    pub preprocess: f64,
    /// The time with frames at work that none of the others is: in the engine, or waiting for it, for the store and for whoever reads progress.
    pub inference: f64,
    /// Back on the study's grid, cleaned up.
    pub postprocess: f64,
    /// From the first byte to the result.
    pub total: f64,
}
