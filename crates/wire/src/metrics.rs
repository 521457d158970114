//! The numbers of a heart beat.

use cinecor_measures as measures;
use serde::{Deserialize, Serialize};

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsJson {
    /// Which frames are end-diastole and end-systole.
    pub phases: PhasesJson,
    /// Cavity of the left ventricle at its phases.
    pub left_ventricle: VentricleJson,
    /// Cavity of the right ventricle at its phases.
    pub right_ventricle: VentricleJson,
    /// Wall of the left ventricle.
    pub myocardium: MyocardiumJson,
    /// What excluding the most basal slice would make of the left ventricle's numbers; absent where no other slice would be left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_basal_slice: Option<WithoutBasalSliceJson>,
    /// Volumes over the heart beat.
    pub curve: CurveJson,
    /// Body surface area.
    pub body: BodyJson,
    /// What has to be known to compare the numbers with others.
    pub conventions: ConventionsJson,
    /// Where the numbers lie among healthy people; empty where no range applies.
    pub reference: Vec<ReferenceJson>,
    /// How far off the numbers may be; empty where that was not worked out.
    pub intervals: Vec<IntervalJson>,
    /// Why some have no interval, where the model would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals_reason: Option<String>,
    /// Whether the numbers may be trusted unseen.
    pub quality: QualityJson,
}

/// Which frames are end-diastole and end-systole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhasesJson {
    /// Of the left ventricle.
    pub ed_frame: Option<usize>,
    /// Of the left ventricle.
    pub es_frame: Option<usize>,
    /// How they came about.
    pub method: String,
    /// Of the right ventricle.
    pub right_ventricle: PhasePairJson,
    /// The next best choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_up: Option<RunnerUpJson>,
}

/// End-diastolic and end-systolic frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhasePairJson {
    /// End-diastole.
    pub ed_frame: Option<usize>,
    /// End-systole.
    pub es_frame: Option<usize>,
}

/// The frames that would have been taken had the chosen ones been missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerUpJson {
    /// End-diastole.
    pub ed_frame: usize,
    /// End-systole.
    pub es_frame: usize,
    /// The ejection fraction between the two.
    pub ef_percent: f64,
}

/// The numbers with the left ventricle's most basal slice excluded in every frame, as `excluded_slices` would have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WithoutBasalSliceJson {
    /// The slice: the most basal one of the left cavity at end-diastole that counts.
    pub slice: usize,
    /// End-diastole then; where phases are found they may be other frames.
    pub ed_frame: Option<usize>,
    /// End-systole then.
    pub es_frame: Option<usize>,
    /// End-diastolic volume.
    pub edv_ml: Option<f64>,
    /// End-systolic volume.
    pub esv_ml: Option<f64>,
    /// Stroke volume.
    pub sv_ml: Option<f64>,
    /// Ejection fraction.
    pub ef_percent: Option<f64>,
    /// Mass of the wall at end-diastole.
    pub ed_mass_g: Option<f64>,
    /// Mass of the wall at end-systole.
    pub es_mass_g: Option<f64>,
    /// The right ventricle, which has its own phases.
    pub right_ventricle: RightWithoutBasalSliceJson,
}

/// The right ventricle's numbers with that slice excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RightWithoutBasalSliceJson {
    /// Its end-diastole then.
    pub ed_frame: Option<usize>,
    /// Its end-systole then.
    pub es_frame: Option<usize>,
    /// End-diastolic volume.
    pub edv_ml: Option<f64>,
    /// End-systolic volume.
    pub esv_ml: Option<f64>,
    /// Stroke volume.
    pub sv_ml: Option<f64>,
    /// Ejection fraction.
    pub ef_percent: Option<f64>,
}

impl From<measures::WithoutBasalSlice> for WithoutBasalSliceJson {
    fn from(found: measures::WithoutBasalSlice) -> Self {
        let measures::WithoutBasalSlice {
            slice,
            phases,
            left_ventricle,
            myocardium,
            right_phases,
            right_ventricle,
        } = found;
        WithoutBasalSliceJson {
            slice,
            ed_frame: phases.ed_frame,
            es_frame: phases.es_frame,
            edv_ml: left_ventricle.edv_ml,
            esv_ml: left_ventricle.esv_ml,
            sv_ml: left_ventricle.sv_ml,
            ef_percent: left_ventricle.ef_percent,
            ed_mass_g: myocardium.ed_mass_g,
            es_mass_g: myocardium.es_mass_g,
            right_ventricle: RightWithoutBasalSliceJson {
                ed_frame: right_phases.ed_frame,
                es_frame: right_phases.es_frame,
                edv_ml: right_ventricle.edv_ml,
                esv_ml: right_ventricle.esv_ml,
                sv_ml: right_ventricle.sv_ml,
                ef_percent: right_ventricle.ef_percent,
            },
        }
    }
}

/// Volumes of a ventricle's cavity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VentricleJson {
    /// End-diastolic volume.
    pub edv_ml: Option<f64>,
    /// End-systolic volume.
    pub esv_ml: Option<f64>,
    /// Stroke volume.
    pub sv_ml: Option<f64>,
    /// Ejection fraction.
    pub ef_percent: Option<f64>,
    /// Cardiac output, where the heart rate is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub co_l_min: Option<f64>,
    /// End-diastolic volume per body surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edv_ml_per_m2: Option<f64>,
    /// End-systolic volume per body surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub esv_ml_per_m2: Option<f64>,
    /// Stroke volume per body surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sv_ml_per_m2: Option<f64>,
    /// Cardiac output per body surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub co_l_min_per_m2: Option<f64>,
    /// Width of the left cavity at end-diastole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ed_diameter_mm: Option<f64>,
    /// Width of the left cavity at end-systole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub es_diameter_mm: Option<f64>,
}

/// Mass of the left ventricular wall.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MyocardiumJson {
    /// At end-diastole.
    pub ed_mass_g: Option<f64>,
    /// At end-systole.
    pub es_mass_g: Option<f64>,
    /// At end-diastole per body surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ed_mass_g_per_m2: Option<f64>,
    /// At end-systole per body surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub es_mass_g_per_m2: Option<f64>,
    /// Thickness at end-diastole; absent when no segment is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_thickness_mm: Option<SegmentsJson>,
    /// Thickness at end-systole; absent when no segment is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub es_wall_thickness_mm: Option<SegmentsJson>,
    /// How much thicker each segment is at end-systole, % of end-diastole; absent when no segment is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_thickening_percent: Option<SegmentsJson>,
    /// Which segments these are and where a bull's-eye shows them, in the order of the values; absent when no segment is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentJson>,
    /// What is doubtful about the segments, or why none is known, where there is more to say than that no slice shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments_note: Option<String>,
}

impl MetricsJson {
    /// The same with a word of where the front of the wall's segments is believed to be, where the file does not say how slices lie in the
    /// patient: whether `right_handed`, as a volume's geometry tells it, and whether the pictures were `mirrored` for the model.
    #[must_use]
    pub fn with_front(mut self, right_handed: Option<bool>, mirrored: bool) -> MetricsJson {
        let wall = &mut self.myocardium;
        if right_handed.is_none() && !wall.segments.is_empty() {
            let shown = if mirrored {
                "mirrored, as the model was shown them"
            } else {
                "as they lie in the file"
            };
            wall.segments_note = Some(format!(
                "The file does not say how its slices lie in the patient. Its pictures are taken to be short-axis pictures as they are usually shown, {shown}; a picture that is upside down may look the same, and then anterior and inferior are exchanged."
            ));
        }
        self
    }
}

/// One of the American Heart Association's segments, and its sector on a bull's-eye that looks from the apex to the base: the front is up,
/// the septum left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentJson {
    /// From 1.
    pub number: usize,
    /// For instance `basal anteroseptal`.
    pub name: String,
    /// `basal`, `mid` or `apical`.
    pub ring: String,
    /// Where the ring begins, part of the plot's radius.
    pub inner: f64,
    /// Where the ring ends.
    pub outer: f64,
    /// Where the sector begins, degrees against the clock from the right.
    pub from_degrees: f64,
    /// Where it ends; above `from_degrees`.
    pub to_degrees: f64,
}

impl From<&measures::SegmentPlace> for SegmentJson {
    fn from(place: &measures::SegmentPlace) -> Self {
        let measures::SegmentPlace {
            number,
            wall,
            ring,
            from_degrees,
            to_degrees,
        } = *place;
        SegmentJson {
            number,
            name: format!("{} {wall}", ring.name()),
            ring: ring.name().to_owned(),
            inner: ring.inner(),
            outer: ring.outer(),
            from_degrees,
            to_degrees,
        }
    }
}

/// A value for each of the American Heart Association's segments 1 to 16; `null` where a segment is not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentsJson {
    /// In the order of their numbers.
    pub segments: [Option<f64>; measures::SEGMENTS],
}

impl SegmentsJson {
    fn of(segments: [Option<f64>; measures::SEGMENTS]) -> Option<SegmentsJson> {
        segments
            .iter()
            .any(Option::is_some)
            .then_some(SegmentsJson { segments })
    }
}

/// Volumes over the heart beat; all lists have one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurveJson {
    /// The frames that were measured.
    pub frames: Vec<usize>,
    /// When they are, from frame 0; `null` when the time between frames is not known.
    pub time_ms: Option<Vec<f64>>,
    /// Cavity of the left ventricle.
    pub left_ventricle_ml: Vec<Option<f64>>,
    /// Cavity of the right ventricle.
    pub right_ventricle_ml: Vec<Option<f64>>,
    /// Wall of the left ventricle.
    pub myocardium_ml: Vec<Option<f64>>,
    /// Fastest fall of the left ventricle's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_ejection_ml_per_s: Option<f64>,
    /// Fastest rise of the left ventricle's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_filling_ml_per_s: Option<f64>,
    /// The curves smoothed, frame by frame as `frames` has them; absent where they could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothed: Option<SmoothedJson>,
    /// How fast the ventricles empty and fill, off the smoothed curves; absent where they are or where the time between frames is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<RatesJson>,
}

/// Smoothed volumes over the heart beat; the raw ones stand beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SmoothedJson {
    /// Name of the smoother.
    pub method: String,
    /// Cavity of the left ventricle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ventricle_ml: Option<Vec<f64>>,
    /// Cavity of the right ventricle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_ventricle_ml: Option<Vec<f64>>,
    /// Wall of the left ventricle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub myocardium_ml: Option<Vec<f64>>,
}

/// The steepest places of both smoothed curves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RatesJson {
    /// Of the left ventricle.
    pub left_ventricle: VentricleRatesJson,
    /// Of the right ventricle.
    pub right_ventricle: VentricleRatesJson,
}

/// The steepest fall and rise of one ventricle's smoothed curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VentricleRatesJson {
    /// Steepest fall from end-diastole to end-systole.
    pub peak_ejection_ml_per_s: Option<f64>,
    /// From end-diastole to it.
    pub time_to_peak_ejection_ms: Option<f64>,
    /// Steepest rise from end-systole to the next end-diastole.
    pub peak_filling_ml_per_s: Option<f64>,
    /// From end-systole to it.
    pub time_to_peak_filling_ms: Option<f64>,
}

impl From<&measures::SmoothCurve> for VentricleRatesJson {
    fn from(curve: &measures::SmoothCurve) -> Self {
        VentricleRatesJson {
            peak_ejection_ml_per_s: curve.peak_ejection_ml_per_s,
            time_to_peak_ejection_ms: curve.time_to_peak_ejection_ms,
            peak_filling_ml_per_s: curve.peak_filling_ml_per_s,
            time_to_peak_filling_ms: curve.time_to_peak_filling_ms,
        }
    }
}

/// Body surface area.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodyJson {
    /// In m²; `null` unless height and weight are told.
    pub bsa_m2: Option<f64>,
    /// By which formula it is worked out.
    pub formula: String,
}

/// What has to be known to compare the numbers with others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConventionsJson {
    /// Density of the wall.
    pub myocardial_density_g_per_ml: f64,
    /// Where papillary muscles count.
    pub papillary: String,
    /// Which basal slices count.
    pub basal_rule: String,
    /// How a volume is made from a mask.
    pub volume_rule: String,
    /// How the wall's thickness is measured.
    pub wall_rule: String,
    /// What becomes of the apex among the wall's segments.
    pub apex_rule: String,
    /// How the cavity's width is measured.
    pub diameter_rule: String,
    /// Slices that count to no volume, wall thickness or diameter.
    pub excluded_slices: Vec<usize>,
}

/// A number among those of healthy people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceJson {
    /// Which number, as its path in this document.
    pub quantity: String,
    /// What it is.
    pub value: Option<f64>,
    /// Lower limit.
    pub low: Option<f64>,
    /// Upper limit.
    pub high: Option<f64>,
    /// `below`, `within`, `above`, or `no range available`.
    pub verdict: String,
    /// Where the limits are published.
    pub source: Option<String>,
    /// Whom they were measured on.
    pub cohort: Option<String>,
    /// Why there is no range, or no place in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far off a number may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalJson {
    /// Which number, as its path in this document.
    pub quantity: String,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How often the truth lies inside, 0 to 1.
    pub level: f64,
}

/// Whether a result may be trusted unseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QualityJson {
    /// `pass`, `review` or `reject`.
    pub verdict: String,
    /// What was checked.
    pub checks: Vec<CheckJson>,
    /// 0, useless, to 1; `null` when no score was worked out.
    pub score: Option<f64>,
    /// Why there is no score, where the model would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_reason: Option<String>,
}

/// One automatic check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckJson {
    /// A stable name.
    pub code: String,
    /// Whether it held.
    pub passed: bool,
    /// What was found.
    pub value: Option<f64>,
    /// What was allowed.
    pub limit: Option<f64>,
    /// In a sentence.
    pub detail: String,
}

impl From<&measures::Metrics> for MetricsJson {
    fn from(metrics: &measures::Metrics) -> Self {
        let measures::Phases {
            left_ventricle,
            right_ventricle,
            method,
            runner_up,
        } = metrics.phases;
        MetricsJson {
            phases: PhasesJson {
                ed_frame: left_ventricle.ed_frame,
                es_frame: left_ventricle.es_frame,
                method: method.name().to_owned(),
                right_ventricle: PhasePairJson {
                    ed_frame: right_ventricle.ed_frame,
                    es_frame: right_ventricle.es_frame,
                },
                runner_up: runner_up.map(
                    |measures::RunnerUp {
                         ed_frame,
                         es_frame,
                         ef_percent,
                     }| RunnerUpJson {
                        ed_frame,
                        es_frame,
                        ef_percent,
                    },
                ),
            },
            left_ventricle: VentricleJson {
                ed_diameter_mm: metrics.wall.ed_diameter_mm,
                es_diameter_mm: metrics.wall.es_diameter_mm,
                ..metrics.left_ventricle.into()
            },
            right_ventricle: metrics.right_ventricle.into(),
            myocardium: MyocardiumJson {
                wall_thickness_mm: SegmentsJson::of(metrics.wall.ed_mm),
                es_wall_thickness_mm: SegmentsJson::of(metrics.wall.es_mm),
                wall_thickening_percent: SegmentsJson::of(metrics.wall.thickening_percent),
                segments: segments(&metrics.wall),
                ..metrics.myocardium.into()
            },
            without_basal_slice: metrics.without_basal_slice.map(WithoutBasalSliceJson::from),
            curve: CurveJson {
                smoothed: smoothed(&metrics.beat),
                rates: rates(&metrics.beat),
                ..(&metrics.curve).into()
            },
            body: BodyJson {
                bsa_m2: metrics.body.map(|body| body.bsa_m2),
                formula: metrics
                    .body
                    .map_or(measures::BSA_FORMULA, |body| body.formula)
                    .to_owned(),
            },
            conventions: (&metrics.conventions).into(),
            reference: metrics.reference.iter().map(ReferenceJson::from).collect(),
            intervals: metrics
                .intervals
                .iter()
                .map(|interval| IntervalJson {
                    quantity: interval.quantity.clone(),
                    low: interval.low,
                    high: interval.high,
                    level: interval.level,
                })
                .collect(),
            intervals_reason: None,
            quality: (&metrics.quality).into(),
        }
    }
}

impl From<measures::Ventricle> for VentricleJson {
    fn from(ventricle: measures::Ventricle) -> Self {
        let measures::Ventricle {
            edv_ml,
            esv_ml,
            sv_ml,
            ef_percent,
            co_l_min,
            edv_ml_per_m2,
            esv_ml_per_m2,
            sv_ml_per_m2,
            co_l_min_per_m2,
        } = ventricle;
        VentricleJson {
            edv_ml,
            esv_ml,
            sv_ml,
            ef_percent,
            co_l_min,
            edv_ml_per_m2,
            esv_ml_per_m2,
            sv_ml_per_m2,
            co_l_min_per_m2,
            ed_diameter_mm: None,
            es_diameter_mm: None,
        }
    }
}

impl From<measures::Myocardium> for MyocardiumJson {
    fn from(wall: measures::Myocardium) -> Self {
        let measures::Myocardium {
            ed_mass_g,
            es_mass_g,
            ed_mass_g_per_m2,
            es_mass_g_per_m2,
        } = wall;
        MyocardiumJson {
            ed_mass_g,
            es_mass_g,
            ed_mass_g_per_m2,
            es_mass_g_per_m2,
            ..MyocardiumJson::default()
        }
    }
}

/// Where the wall's segments lie, when any of them was measured.
fn segments(wall: &measures::RegionalWall) -> Vec<SegmentJson> {
    let known = wall.ed_mm.iter().chain(&wall.es_mm).any(Option::is_some);
    let places = measures::SEGMENT_PLACES.iter().filter(|_| known);
    places.map(SegmentJson::from).collect()
}

fn smoothed(beat: &measures::Beat) -> Option<SmoothedJson> {
    let found = SmoothedJson {
        method: measures::SMOOTHER.to_owned(),
        left_ventricle_ml: beat.left_ventricle.ml.clone(),
        right_ventricle_ml: beat.right_ventricle.ml.clone(),
        myocardium_ml: beat.myocardium_ml.clone(),
    };
    let any = found.left_ventricle_ml.is_some()
        || found.right_ventricle_ml.is_some()
        || found.myocardium_ml.is_some();
    any.then_some(found)
}

fn rates(beat: &measures::Beat) -> Option<RatesJson> {
    let found = RatesJson {
        left_ventricle: (&beat.left_ventricle).into(),
        right_ventricle: (&beat.right_ventricle).into(),
    };
    (found != RatesJson::default()).then_some(found)
}

impl From<&measures::Reference> for ReferenceJson {
    fn from(reference: &measures::Reference) -> Self {
        ReferenceJson {
            quantity: reference.quantity.to_owned(),
            value: reference.value,
            low: reference.low,
            high: reference.high,
            verdict: reference.place.name().to_owned(),
            source: reference.source.map(str::to_owned),
            cohort: reference.cohort.map(str::to_owned),
            reason: reference.reason.map(str::to_owned),
        }
    }
}

impl From<&measures::Curve> for CurveJson {
    fn from(curve: &measures::Curve) -> Self {
        let curve = curve.clone();
        CurveJson {
            frames: curve.frames,
            time_ms: curve.time_ms,
            left_ventricle_ml: curve.left_ventricle_ml,
            right_ventricle_ml: curve.right_ventricle_ml,
            myocardium_ml: curve.myocardium_ml,
            peak_ejection_ml_per_s: curve.peak_ejection_ml_per_s,
            peak_filling_ml_per_s: curve.peak_filling_ml_per_s,
            smoothed: None,
            rates: None,
        }
    }
}

impl From<&measures::Conventions> for ConventionsJson {
    fn from(conventions: &measures::Conventions) -> Self {
        ConventionsJson {
            myocardial_density_g_per_ml: conventions.myocardial_density_g_per_ml,
            papillary: conventions.papillary.to_owned(),
            basal_rule: conventions.basal_rule.to_owned(),
            volume_rule: conventions.volume_rule.to_owned(),
            wall_rule: measures::WALL_RULE.to_owned(),
            apex_rule: measures::APEX_RULE.to_owned(),
            diameter_rule: measures::DIAMETER_RULE.to_owned(),
            excluded_slices: conventions.excluded_slices.clone(),
        }
    }
}

impl From<&measures::Quality> for QualityJson {
    fn from(quality: &measures::Quality) -> Self {
        let check = |check: &measures::Check| CheckJson {
            code: check.code.to_owned(),
            passed: check.passed,
            value: check.value,
            limit: check.limit,
            detail: check.detail.clone(),
        };
        QualityJson {
            verdict: quality.verdict.name().to_owned(),
            checks: quality.checks.iter().map(check).collect(),
            score: quality.score,
            score_reason: None,
        }
    }
}
