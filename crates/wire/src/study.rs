//! A study, kept or only passing through.

use std::collections::BTreeMap;

use cinecor_store::{DeidentificationRecord, Sex, SourceRecord, StudyRecord, Subject};
use cinecor_volume::{Shape, Spacing};
use serde::{Deserialize, Serialize};

/// A study. One that is not kept has no id and no links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyJson {
    /// Its id; `null` when it is not kept.
    pub id: Option<String>,
    /// When it was kept, or when it came where it is not kept; RFC 3339 in UTC.
    pub created_at: String,
    /// What a person calls it.
    pub label: Option<String>,
    /// `none` or `research`.
    pub consent: String,
    /// How many frames, slices, rows and columns.
    pub shape: ShapeJson,
    /// Distance between voxel centres in mm.
    pub spacing_mm: SpacingJson,
    /// Time from frame to frame in ms.
    pub frame_ms: Option<f64>,
    /// What was sent.
    pub source: SourceJson,
    /// What is known of the subject.
    pub subject: SubjectJson,
    /// What of the files was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deidentification: Option<DeidentificationJson>,
    /// What was doubtful and how it was settled.
    pub warnings: Vec<WarningJson>,
    /// Paths of the study and its parts, by name; empty when it is not kept.
    pub links: BTreeMap<String, String>,
}

impl StudyJson {
    /// A kept study; `created_at` is its date in RFC 3339.
    pub fn kept(record: &StudyRecord, created_at: String) -> StudyJson {
        let [frames, slices, rows, columns] = record.shape;
        let [row, column, slice] = record.spacing_mm;
        let path = format!("/api/v1/studies/{}", record.id.as_str());
        StudyJson {
            id: Some(record.id.as_str().to_owned()),
            created_at,
            label: record.label.clone(),
            consent: record.consent.name().to_owned(),
            shape: ShapeJson {
                frames,
                slices,
                rows,
                columns,
            },
            spacing_mm: SpacingJson { row, column, slice },
            frame_ms: record.frame_ms(),
            source: SourceJson::from(&record.source),
            subject: SubjectJson::of(&record.subject, &record.found),
            deidentification: record
                .deidentification
                .as_ref()
                .map(DeidentificationJson::from),
            warnings: record
                .warnings
                .iter()
                .map(|warning| WarningJson {
                    code: warning.code.clone(),
                    detail: warning.detail.clone(),
                })
                .collect(),
            links: BTreeMap::from([
                ("volume".to_owned(), format!("{path}/volume.nii.gz")),
                ("segmentations".to_owned(), format!("{path}/segmentations")),
                ("self".to_owned(), path),
            ]),
        }
    }
}

/// A page of studies, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyListJson {
    /// The studies.
    pub items: Vec<StudyJson>,
    /// Hand it back as `cursor` for the next page; `null` on the last.
    pub next_cursor: Option<String>,
}

/// Size of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeJson {
    /// Phases of the heart beat.
    pub frames: usize,
    /// Short-axis slices.
    pub slices: usize,
    /// Rows of a slice.
    pub rows: usize,
    /// Columns of a slice.
    pub columns: usize,
}

impl From<Shape> for ShapeJson {
    fn from(shape: Shape) -> Self {
        let Shape {
            frames,
            slices,
            rows,
            columns,
        } = shape;
        ShapeJson {
            frames,
            slices,
            rows,
            columns,
        }
    }
}

/// Distances between voxel centres in mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpacingJson {
    /// From row to row.
    pub row: f64,
    /// From column to column.
    pub column: f64,
    /// From slice to slice.
    pub slice: f64,
}

impl From<Spacing> for SpacingJson {
    fn from(spacing: Spacing) -> Self {
        SpacingJson {
            row: spacing.row_mm,
            column: spacing.column_mm,
            slice: spacing.slice_mm,
        }
    }
}

/// The file or the files that were sent, as far as they name no patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceJson {
    /// `nifti-1`, `nifti-1+gzip`, …, `dicom`
    pub format: String,
    /// SHA-256 of the bytes that were sent, lower-case hexadecimal; of several DICOM files that of their sorted digests.
    pub sha256: String,
    /// How many they were; of several files all together.
    pub bytes: u64,
    /// DICOM: the SOP class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sop_class: Option<String>,
    /// DICOM: the modality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modality: Option<String>,
    /// DICOM: who made the scanner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// DICOM: its field in tesla.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnetic_field_t: Option<f64>,
}

impl From<&SourceRecord> for SourceJson {
    fn from(record: &SourceRecord) -> Self {
        let SourceRecord {
            format,
            sha256,
            bytes,
            sop_class,
            modality,
            manufacturer,
            magnetic_field_t,
        } = record.clone();
        SourceJson {
            format,
            sha256,
            bytes,
            sop_class,
            modality,
            manufacturer,
            magnetic_field_t,
        }
    }
}

/// What of the files was not kept: names and tags, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeidentificationJson {
    /// By which rules.
    pub profile: String,
    /// Tags of DICOM attributes such as `(0010,0010)`, or names of fields of a NIfTI header such as `descrip`.
    pub removed: Vec<String>,
    /// How many more values were removed than are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub further: Option<usize>,
    /// DICOM: tags of attributes that say there may be text in the pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub burned_in: Vec<String>,
}

impl From<&DeidentificationRecord> for DeidentificationJson {
    fn from(record: &DeidentificationRecord) -> Self {
        DeidentificationJson {
            profile: record.profile.clone(),
            removed: record.removed.clone(),
            further: Some(record.further).filter(|further| *further > 0),
            burned_in: record.burned_in.clone(),
        }
    }
}

/// What is known of the subject and the heart beat: told, or from the header of DICOM files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubjectJson {
    /// Height in cm.
    pub height_cm: Option<f64>,
    /// Weight in kg.
    pub weight_kg: Option<f64>,
    /// `female` or `male`.
    pub sex: Option<String>,
    /// Age in years.
    pub age_years: Option<f64>,
    /// Heart beats per minute.
    pub heart_rate_bpm: Option<f64>,
    /// Time from frame to frame in ms, where a person said it; replaces that of the file.
    pub frame_ms: Option<f64>,
    /// The end-diastolic frame, where a person said which it is.
    pub ed_frame: Option<usize>,
    /// The end-systolic frame, where a person said which it is.
    pub es_frame: Option<usize>,
    /// Where each fact comes from that is known: `told` or `header`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
}

impl SubjectJson {
    /// What was told, and for the rest what was found in the header.
    pub fn of(told: &Subject, found: &Subject) -> Self {
        let known = |subject: &Subject| {
            [
                ("height_cm", subject.height_cm.is_some()),
                ("weight_kg", subject.weight_kg.is_some()),
                ("sex", subject.sex.is_some()),
                ("age_years", subject.age_years.is_some()),
                ("heart_rate_bpm", subject.heart_rate_bpm.is_some()),
                ("frame_ms", subject.frame_ms.is_some()),
                ("ed_frame", subject.ed_frame.is_some()),
                ("es_frame", subject.es_frame.is_some()),
            ]
        };
        let sources = known(told)
            .into_iter()
            .zip(known(found))
            .filter_map(
                |((name, is_told), (_, is_found))| match (is_told, is_found) {
                    (true, _) => Some((name.to_owned(), "told".to_owned())),
                    (false, true) => Some((name.to_owned(), "header".to_owned())),
                    (false, false) => None,
                },
            )
            .collect();
        let Subject {
            height_cm,
            weight_kg,
            sex,
            age_years,
            heart_rate_bpm,
            frame_ms,
            ed_frame,
            es_frame,
        } = told.or(found);
        let sex = sex.map(|sex| sex.name().to_owned());
        SubjectJson {
            height_cm,
            weight_kg,
            sex,
            age_years,
            heart_rate_bpm,
            frame_ms,
            ed_frame,
            es_frame,
            sources,
        }
    }
}

/// What of the told facts the measures use.
pub fn measured_with(subject: &Subject) -> cinecor_measures::Subject {
    let Subject {
        height_cm,
        weight_kg,
        heart_rate_bpm,
        ed_frame,
        es_frame,
        sex,
        age_years,
        ..
    } = *subject;
    cinecor_measures::Subject {
        height_cm,
        weight_kg,
        heart_rate_bpm,
        ed_frame,
        es_frame,
        sex: sex.map(|sex| match sex {
            Sex::Female => cinecor_measures::Sex::Female,
            Sex::Male => cinecor_measures::Sex::Male,
        }),
        age_years,
        ..cinecor_measures::Subject::default()
    }
}

/// A doubt about what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningJson {
    /// A stable name.
    pub code: String,
    /// What was found, what was believed and why.
    pub detail: String,
}
