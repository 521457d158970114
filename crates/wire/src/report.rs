//! The report of a kept segmentation: the study, the segmentation, the numbers, pictures, and field by field what the guideline's tables ask
//! for and what is there of it. The same document is sent as JSON and made into HTML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cinecor_measures::{BsaFormula, Rules};
use cinecor_store::Subject;
use serde::{Deserialize, Serialize};

use crate::{MetricsJson, SegmentationJson, StudyJson};

/// The guideline whose tables give the order of the fields. Both tables were read at the publisher.
pub const GUIDELINE: &str = "Society for Cardiovascular Magnetic Resonance (SCMR) guidelines for reporting cardiovascular magnetic resonance examinations, 2022, doi 10.1186/s12968-021-00827-z, tables 1 and 2";

/// What the order of the fields is, and is not.
pub const GUIDELINE_NOTE: &str = "The fields stand in the order of these tables. That is no claim that the report meets the guideline: much of what it asks for is not in a cine, was not told, or is a physician's to write.";

/// What the report is for.
pub const INTENDED_USE: &str = "Cinecor is research software and not a certified medical device. This report is made automatically, it is no diagnosis, and a physician has to check every contour and every number before anything is done with it.";

/// How far the shown intervals are to be believed.
pub const INTERVAL_NOTE: &str = "Intervals come from the doubt in the network's probabilities, widened as its card says. They hold for hearts like those that the card was fitted on, and know nothing of faults of the scan.";

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportJson {
    /// What it is a report of.
    pub title: String,
    /// [`INTENDED_USE`].
    pub intended_use: String,
    /// [`GUIDELINE`].
    pub guideline: String,
    /// [`GUIDELINE_NOTE`].
    pub guideline_note: String,
    /// Whether the request told phases or rules that are not those of the revision: then nobody has reviewed these numbers, and they are not
    /// kept.
    pub what_if: bool,
    /// The study.
    pub study: StudyJson,
    /// The segmentation.
    pub segmentation: SegmentationJson,
    /// The numbers.
    pub metrics: MetricsJson,
    /// Why numbers have intervals, or have none.
    pub interval_note: String,
    /// What the card of the model says of its use; `null` when the package is not there any more.
    pub card: Option<CardJson>,
    /// Every field of the guideline's tables and what is there of it, in their order.
    pub fields: Vec<FieldJson>,
    /// Slices at both phases.
    pub pictures: Vec<PictureJson>,
}

/// What a model's card says of its use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardJson {
    /// One line for people.
    pub title: Option<String>,
    /// Licence of the weights, an SPDX name.
    pub licence: String,
    /// What it is meant for.
    pub intended_use: String,
    /// What it was not made for.
    pub limits: Vec<String>,
    /// Whether it says how wide intervals are.
    pub has_intervals: bool,
}

impl CardJson {
    /// Whether the licence forbids commercial use, as far as its SPDX name tells.
    pub fn is_non_commercial(&self) -> bool {
        self.licence.split('-').any(|part| part == "NC")
    }
}

/// What is there of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldState {
    /// It is in the report.
    Given,
    /// It could be, and was not told or could not be measured.
    Missing,
    /// The service does not assess it.
    NotAssessed,
    /// It is the physician's to write.
    LeftToPhysician,
}

impl FieldState {
    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            FieldState::Given => "given",
            FieldState::Missing => "not told",
            FieldState::NotAssessed => "not assessed",
            FieldState::LeftToPhysician => "left to the physician",
        }
    }
}

/// One field of the guideline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldJson {
    /// Number of the guideline's table; `null` for what stands in neither of the two.
    pub table: Option<u8>,
    /// The group of fields there.
    pub section: String,
    /// The field.
    pub field: String,
    /// `recommended`, `if_acquired` or `optional`.
    pub level: String,
    /// What is there of it.
    pub state: FieldState,
    /// In words; `null` where numbers say it or nothing is there.
    pub text: Option<String>,
    /// The numbers that say it, as paths in the metrics.
    pub quantities: Vec<String>,
}

/// A slice with its contours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureJson {
    /// `ed`, `es`, or `frame` where a frame alone was segmented.
    pub phase: String,
    /// `base`, `mid` or `apex`.
    pub level: String,
    /// The frame that it shows.
    pub frame: usize,
    /// The slice that it shows.
    pub slice: usize,
    /// `image/png`.
    pub media_type: String,
    /// `base64`.
    pub encoding: String,
    /// The file.
    pub data: String,
}

impl PictureJson {
    /// Of a PNG file.
    pub fn of(phase: &str, level: &str, frame: usize, slice: usize, png: &[u8]) -> PictureJson {
        PictureJson {
            phase: phase.to_owned(),
            level: level.to_owned(),
            frame,
            slice,
            media_type: "image/png".to_owned(),
            encoding: "base64".to_owned(),
            data: STANDARD.encode(png),
        }
    }
}

impl ReportJson {
    /// Of its parts. `metrics` are those of `segmentation` with what is told of `study` now.
    pub fn of(
        study: StudyJson,
        segmentation: SegmentationJson,
        metrics: MetricsJson,
        card: Option<CardJson>,
        pictures: Vec<PictureJson>,
    ) -> ReportJson {
        ReportJson {
            title: "Cardiac cine MRI: measurements of both ventricles".to_owned(),
            intended_use: INTENDED_USE.to_owned(),
            guideline: GUIDELINE.to_owned(),
            guideline_note: GUIDELINE_NOTE.to_owned(),
            fields: fields(&study, &segmentation, &metrics),
            interval_note: interval_note(&metrics, card.as_ref()),
            what_if: false,
            study,
            segmentation,
            metrics,
            card,
            pictures,
        }
    }

    /// The same of numbers that follow other phases or rules than the revision's: what was said of the revision is not said of them.
    pub fn supposed(self, rules: &Rules, bsa_formula: BsaFormula, subject: &Subject) -> ReportJson {
        ReportJson {
            what_if: true,
            segmentation: self.segmentation.supposed(rules, bsa_formula, subject),
            ..self
        }
    }
}

fn interval_note(metrics: &MetricsJson, card: Option<&CardJson>) -> String {
    if !metrics.intervals.is_empty() {
        let others = metrics.intervals_reason.as_deref().unwrap_or(
            "A number without an interval is one for which the card's calibration has none.",
        );
        return format!("{INTERVAL_NOTE} {others}");
    }
    if let Some(reason) = &metrics.intervals_reason {
        return format!("There are no intervals. {reason}");
    }
    let why = match card {
        Some(card) if !card.has_intervals => "the card of the model does not say how wide they are",
        _ if !metrics.conventions.excluded_slices.is_empty() => {
            "slices are left out, and the doubt is that of whole frames"
        }
        _ if metrics.conventions.basal_rule != cinecor_measures::BASAL_RULE => {
            "a rule leaves out basal slices, and the doubt is that of whole frames"
        }
        _ => "the segmentation was kept without the doubt of its probabilities",
    };
    format!("There are no intervals: {why}.")
}

/// The fields under way.
struct Fields {
    of: Vec<FieldJson>,
    table: Option<u8>,
    section: &'static str,
    level: &'static str,
}

impl Fields {
    fn section(&mut self, table: Option<u8>, section: &'static str) -> &mut Self {
        self.table = table;
        self.section = section;
        self.level = "recommended";
        self
    }

    fn level(&mut self, level: &'static str) -> &mut Self {
        self.level = level;
        self
    }

    fn add(
        &mut self,
        field: &str,
        state: FieldState,
        text: Option<String>,
        quantities: &[&str],
    ) -> &mut Self {
        self.of.push(FieldJson {
            table: self.table,
            section: self.section.to_owned(),
            field: field.to_owned(),
            level: self.level.to_owned(),
            state,
            text,
            quantities: quantities.iter().map(|path| (*path).to_owned()).collect(),
        });
        self
    }

    /// What was told, where it was.
    fn told(&mut self, field: &str, text: Option<String>) -> &mut Self {
        let state = match text {
            Some(_) => FieldState::Given,
            None => FieldState::Missing,
        };
        self.add(field, state, text, &[])
    }

    fn missing(&mut self, field: &str, text: &str) -> &mut Self {
        self.add(field, FieldState::Missing, Some(text.to_owned()), &[])
    }

    fn not_assessed(&mut self, field: &str) -> &mut Self {
        self.add(field, FieldState::NotAssessed, None, &[])
    }

    fn left(&mut self, field: &str, text: &str) -> &mut Self {
        self.add(
            field,
            FieldState::LeftToPhysician,
            Some(text.to_owned()),
            &[],
        )
    }

    /// Numbers, the first of which decides whether the field is given.
    fn numbers(&mut self, field: &str, first: Option<f64>, quantities: &[&str]) -> &mut Self {
        let state = match first {
            Some(_) => FieldState::Given,
            None => FieldState::Missing,
        };
        self.add(field, state, None, quantities)
    }
}

fn fields(
    study: &StudyJson,
    segmentation: &SegmentationJson,
    metrics: &MetricsJson,
) -> Vec<FieldJson> {
    let mut fields = Fields {
        of: Vec::new(),
        table: None,
        section: "",
        level: "",
    };
    general(&mut fields, study, segmentation, metrics);
    structures(&mut fields, segmentation, metrics);
    fields.of
}

/// Table 1.
fn general(
    fields: &mut Fields,
    study: &StudyJson,
    segmentation: &SegmentationJson,
    metrics: &MetricsJson,
) {
    let source = &study.source;
    let scanner: Vec<String> = source
        .manufacturer
        .iter()
        .cloned()
        .chain(source.magnetic_field_t.map(|field| format!("{field} T")))
        .collect();
    let subject = &study.subject;
    let shape = study.shape;
    let segmented = match segmentation.frames.len() {
        all if all == shape.frames => "segmented".to_owned(),
        some => format!("{some} of them segmented"),
    };
    let described = format!(
        "Short-axis cine, {} frames of {} slices, {segmented} and measured automatically{}",
        shape.frames,
        shape.slices,
        if drawn(segmentation).is_empty() {
            ""
        } else {
            ", corrected by hand"
        }
    );
    fields
        .section(Some(1), "Administrative")
        .missing("Site of service", "not told")
        .told("Scanner", (!scanner.is_empty()).then(|| scanner.join(", ")));
    fields
        .section(Some(1), "Demographics")
        .missing(
            "Unique patient ID",
            "not kept: nothing here names the patient; the id of the study stands for it",
        )
        .told("Age in years", subject.age_years.map(|age| age.to_string()))
        .told("Patient sex", subject.sex.clone())
        .left(
            "Reasons for limited examination",
            "warnings of the file and failed checks are given below",
        )
        .left("Summary of test findings", "to be written below")
        .left("Physician signature and date", "to be signed below")
        .told("Description of test", Some(described))
        .missing("Comparison with previous related studies", "none was made")
        .level("optional")
        .missing("Race or ethnicity", "not told");
    fields
        .section(Some(1), "Study referral data")
        .missing("Referring physician", "not told");
    fields
        .section(Some(1), "Scheduling and performance of study")
        .missing(
            "Date of procedure",
            &format!("not kept; received {}", study.created_at),
        )
        .missing("Personnel involved in procedure", "not told")
        .level("optional")
        .missing("Time of procedure", "not kept");
    fields
        .section(Some(1), "Listing of sequences used")
        .told("Cine", Some("short axis".to_owned()));
    for sequence in [
        "Black-blood",
        "Late gadolinium enhancement",
        "Edema",
        "Strain",
        "Perfusion",
        "Flow",
        "Iron",
        "MR angiography",
    ] {
        fields.not_assessed(sequence);
    }
    let bsa = metrics
        .body
        .bsa_m2
        .map(|m2| format!("{m2:.2} m² ({})", formula_in_words(&metrics.body.formula)));
    fields
        .section(Some(1), "History and risk factors")
        .told("Height", subject.height_cm.map(|cm| format!("{cm} cm")))
        .told("Weight", subject.weight_kg.map(|kg| format!("{kg} kg")))
        .told("Body surface area", bsa)
        .told(
            "Heart rate",
            subject
                .heart_rate_bpm
                .map(|rate| format!("{rate} beats per minute")),
        )
        .missing("Rhythm", "not told")
        .missing("Blood pressure", "not told");
}

/// The frames whose mask a person drew.
fn drawn(segmentation: &SegmentationJson) -> &[usize] {
    let corrected = segmentation.corrected.as_ref();
    corrected.map_or(&[], |by| by.frames.as_slice())
}

/// Table 2, and what stands in neither.
fn structures(fields: &mut Fields, segmentation: &SegmentationJson, metrics: &MetricsJson) {
    let acquisition =
        || Some("Short-axis cine as it was sent; the sequence is not known".to_owned());
    let model = &segmentation.model;
    let by_hand = match drawn(segmentation) {
        [] => String::new(),
        frames => {
            let frames: Vec<String> = frames.iter().map(usize::to_string).collect();
            format!(
                ", masks of frames {} drawn by hand after it",
                frames.join(", ")
            )
        }
    };
    let analysis = || {
        Some(format!(
            "Automatic segmentation of every slice by {} {}{by_hand}; volumes are voxels times voxel volume, without a model of the heart's shape",
            model.name, model.version
        ))
    };
    let (left, right) = (&metrics.left_ventricle, &metrics.right_ventricle);
    let wall = &metrics.myocardium;
    let thickness = wall
        .wall_thickness_mm
        .and_then(|of| of.segments.into_iter().flatten().next());
    fields
        .section(Some(2), "Left ventricular structure and function")
        .told("Method of acquisition", acquisition())
        .told("Method of analysis", analysis())
        .numbers(
            "LVEDV/LVEDVI",
            left.edv_ml,
            &["left_ventricle.edv_ml", "left_ventricle.edv_ml_per_m2"],
        )
        .numbers(
            "LVESV/LVESVI",
            left.esv_ml,
            &["left_ventricle.esv_ml", "left_ventricle.esv_ml_per_m2"],
        )
        .numbers(
            "LVSV/LVSVI",
            left.sv_ml,
            &["left_ventricle.sv_ml", "left_ventricle.sv_ml_per_m2"],
        )
        .numbers("LVEF", left.ef_percent, &["left_ventricle.ef_percent"])
        .numbers(
            "CO/CI",
            left.co_l_min,
            &["left_ventricle.co_l_min", "left_ventricle.co_l_min_per_m2"],
        )
        .numbers(
            "LVM/LVM index",
            wall.ed_mass_g,
            &["myocardium.ed_mass_g", "myocardium.ed_mass_g_per_m2"],
        )
        .numbers(
            "LV end diastolic wall thickness",
            thickness,
            &["myocardium.wall_thickness_mm"],
        )
        .not_assessed("Regional wall motion")
        .not_assessed("Aneurysms")
        .level("optional")
        .add(
            "Qualitative assessment of wall thickening",
            FieldState::NotAssessed,
            Some("thickening is measured instead".to_owned()),
            &["myocardium.wall_thickening_percent"],
        );
    fields
        .section(Some(2), "Right ventricular structure and function")
        .told("Method of acquisition", acquisition())
        .told("Method of analysis", analysis())
        .numbers("RVEF", right.ef_percent, &["right_ventricle.ef_percent"])
        .not_assessed("Regional wall motion")
        .level("optional")
        .numbers(
            "RVEDV/RVEDVI",
            right.edv_ml,
            &["right_ventricle.edv_ml", "right_ventricle.edv_ml_per_m2"],
        )
        .numbers(
            "RVESV/RVESVI",
            right.esv_ml,
            &["right_ventricle.esv_ml", "right_ventricle.esv_ml_per_m2"],
        )
        .numbers(
            "RVSV/RVSVI",
            right.sv_ml,
            &["right_ventricle.sv_ml", "right_ventricle.sv_ml_per_m2"],
        )
        .not_assessed("RV mass")
        .not_assessed("Qualitative assessment of wall thickening")
        .not_assessed("Curvature of the interventricular septum");
    for section in [
        "First pass perfusion",
        "Late gadolinium enhancement",
        "Stress perfusion",
        "Stress function",
        "Blood flow",
        "Advanced tissue characterization (T1, T2, T2*)",
    ] {
        fields
            .section(Some(2), section)
            .level("if_acquired")
            .not_assessed(section);
    }
    fields.section(None, "Beyond the ventricles");
    for structure in [
        "Left atrium",
        "Right atrium",
        "Valves",
        "Pericardium",
        "Aorta and pulmonary arteries",
        "Thrombus and masses",
        "Findings outside the heart",
    ] {
        fields.level("if_acquired").not_assessed(structure);
    }
}

/// The name of a formula of body surface area as people write it.
fn formula_in_words(name: &str) -> &str {
    match name {
        "mosteller" => "Mosteller",
        "dubois" => "Du Bois",
        other => other,
    }
}
