//! The record of a study as it lies in the database. It is the form on disk, not the form on the wire.

use cinecor_volume::{Geometry, Shape, Spacing, VolumeError};
use serde::{Deserialize, Serialize};

use crate::chunk::ChunkInfo;
use crate::id::Id;
use crate::subject::Subject;

/// What a study may be used for beyond the care of the patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nothing.
    #[default]
    None,
    /// Research.
    Research,
}

impl Consent {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Consent::None => "none",
            Consent::Research => "research",
        }
    }

    /// The consent of a name on the wire.
    pub fn from_name(name: &str) -> Option<Consent> {
        [Consent::None, Consent::Research]
            .into_iter()
            .find(|consent| consent.name() == name)
    }
}

/// The file, or the files, that a study was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Its format, for instance `nifti-1+gzip`.
    pub format: String,
    /// SHA-256 of its bytes as they came, lower-case hexadecimal; of several files that of their sorted digests.
    pub sha256: String,
    /// Its length in bytes as it came; of several files all together.
    pub bytes: u64,
    /// DICOM: the SOP class.
    #[serde(default)]
    pub sop_class: Option<String>,
    /// DICOM: the modality.
    #[serde(default)]
    pub modality: Option<String>,
    /// DICOM: who made the scanner.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// DICOM: the field of the scanner in tesla.
    #[serde(default)]
    pub magnetic_field_t: Option<f64>,
}

/// What of the files was not kept. Names and tags, never values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeidentificationRecord {
    /// By which rules.
    pub profile: String,
    /// Tags of DICOM attributes, or names of fields of a NIfTI header.
    pub removed: Vec<String>,
    /// How many more values were removed than are listed.
    pub further: usize,
    /// Tags of attributes that say there may be text in the pixels.
    pub burned_in: Vec<String>,
}

/// One doubt about the file and how it was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningRecord {
    /// Which doubt; stable.
    pub code: String,
    /// What was found, what was believed and why.
    pub detail: String,
}

/// How the numbers of stored frames become grey values: `value = slope x stored + inter`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoxelRecord {
    /// The `datatype` code of NIfTI.
    pub nifti_datatype: i16,
    /// Slope and inter; `None` when the stored numbers are the values.
    pub scaling: Option<(f64, f64)>,
}

/// A study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyRecord {
    /// Its id.
    pub id: Id,
    /// When it was kept, ms since 1970.
    pub created_at_ms: i64,
    /// A name that is no patient's.
    pub label: Option<String>,
    /// What it may be used for.
    pub consent: Consent,
    /// Frames, slices, rows, columns.
    pub shape: [usize; 4],
    /// From row to row, column to column, slice to slice, mm.
    pub spacing_mm: [f64; 3],
    /// Scanner coordinates in mm of (column, row, slice, 1); row-major.
    pub mm_from_voxel: [[f64; 4]; 3],
    /// Time from frame to frame in ms as the file says it.
    pub frame_ms: Option<f64>,
    /// How stored numbers become grey values.
    pub voxels: VoxelRecord,
    /// The grid as the file's header words it, for writing masks and volumes back; made and read by the formats crate.
    pub header: Vec<u8>,
    /// The file.
    pub source: SourceRecord,
    /// What is told of the subject.
    pub subject: Subject,
    /// What the file's header says of the subject. What is told goes before it.
    #[serde(default)]
    pub found: Subject,
    /// What was not kept; `None` in records that are older than the list.
    #[serde(default)]
    pub deidentification: Option<DeidentificationRecord>,
    /// Doubts about the file.
    pub warnings: Vec<WarningRecord>,
    /// What is known of the stored frames, in order.
    pub chunks: Vec<ChunkInfo>,
}

impl StudyRecord {
    /// Its shape.
    ///
    /// # Errors
    /// [`VolumeError`] when the record was changed by another hand.
    pub fn shape(&self) -> Result<Shape, VolumeError> {
        let [frames, slices, rows, columns] = self.shape;
        Shape::new(frames, slices, rows, columns)
    }

    /// Where it lies. The time between frames is the one that was told, or else that of the file.
    ///
    /// # Errors
    /// [`VolumeError`] when the record was changed by another hand.
    pub fn geometry(&self) -> Result<Geometry, VolumeError> {
        let [row_mm, column_mm, slice_mm] = self.spacing_mm;
        Geometry::new(
            Spacing {
                row_mm,
                column_mm,
                slice_mm,
            },
            self.mm_from_voxel,
            self.frame_ms(),
        )
    }

    /// What is known of the subject: what was told, and for the rest what the file's header says.
    pub fn facts(&self) -> Subject {
        self.subject.or(&self.found)
    }

    /// Time from frame to frame in ms: the one that was told, or else that of the file.
    pub fn frame_ms(&self) -> Option<f64> {
        self.subject.frame_ms.or(self.frame_ms)
    }

    /// Takes over a shape and a geometry.
    pub fn place(&mut self, shape: Shape, geometry: &Geometry) {
        self.shape = [shape.frames, shape.slices, shape.rows, shape.columns];
        self.spacing_mm = [
            geometry.spacing.row_mm,
            geometry.spacing.column_mm,
            geometry.spacing.slice_mm,
        ];
        self.mm_from_voxel = geometry.mm_from_voxel;
        self.frame_ms = geometry.frame_ms;
    }
}
