//! Volumes of cardiac cine MRI: shape, geometry, labels. No file format, no IO, no numbers that mean medicine.
//!
//! Every array is in the order frames, slices, rows, columns: shape `[T, Z, Y, X]`; one frame is `[Z, Y, X]`, one slice `[Y, X]`.

use ndarray::{Array3, Array4};

/// What a voxel is.
///
/// The discriminants are the codes of every mask that Cinecor writes (the ACDC convention); no other code may rely on
/// integers, [`Label::code`] and [`Label::from_code`] are the one place where they are turned into anatomy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Label {
    /// Everything that is none of the others.
    Background = 0,
    /// The cavity of the right ventricle.
    RightVentricle = 1,
    /// The wall of the left ventricle.
    Myocardium = 2,
    /// The cavity of the left ventricle, papillary muscles included.
    LeftVentricle = 3,
}

impl Label {
    /// Every label, in the order of their codes.
    pub const ALL: [Label; 4] = [Label::Background, Label::RightVentricle, Label::Myocardium, Label::LeftVentricle];
    /// The three structures that are measured.
    pub const STRUCTURES: [Label; 3] = [Label::RightVentricle, Label::Myocardium, Label::LeftVentricle];

    /// The code of this label in a mask file.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The label of a mask file's code, or `None` for a code that means nothing.
    pub fn from_code(code: u8) -> Option<Label> {
        Label::ALL.get(usize::from(code)).copied()
    }

    /// The name on the wire, as in model cards and JSON: `left_ventricle`.
    pub fn name(self) -> &'static str {
        match self {
            Label::Background => "background",
            Label::RightVentricle => "right_ventricle",
            Label::Myocardium => "myocardium",
            Label::LeftVentricle => "left_ventricle",
        }
    }
}

/// How many frames, slices, rows and columns a volume has. Each is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Phases of the heart beat.
    pub frames: usize,
    /// Short-axis slices.
    pub slices: usize,
    /// Rows of a slice (image height).
    pub rows: usize,
    /// Columns of a slice (image width).
    pub columns: usize,
}

impl Shape {
    /// Voxels of one frame.
    pub fn voxels_per_frame(&self) -> usize {
        self.slices * self.rows * self.columns
    }
}

/// Distance in mm between the centres of neighbouring voxels; each is finite and positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spacing {
    /// From row to row.
    pub row_mm: f64,
    /// From column to column.
    pub column_mm: f64,
    /// From slice to slice.
    pub slice_mm: f64,
}

impl Spacing {
    /// Volume of one voxel in millilitres.
    pub fn voxel_ml(&self) -> f64 {
        self.row_mm * self.column_mm * self.slice_mm / 1000.0
    }
}

/// Where a volume lies and how it runs in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Distance between voxel centres.
    pub spacing: Spacing,
    /// Maps the voxel index (column, row, slice, 1) to scanner coordinates in mm (RAS+, as NIfTI); row-major.
    pub mm_from_voxel: [[f64; 4]; 3],
    /// Time from one frame to the next in ms; `None` when it is not known.
    pub frame_ms: Option<f64>,
}

/// Grey values of one frame, shape `[Z, Y, X]`.
pub type Frame = Array3<f32>;

/// Label codes of one frame, shape `[Z, Y, X]`, each a [`Label::code`].
pub type LabelFrame = Array3<u8>;

/// A whole cine. Its `Debug` never prints voxels.
#[derive(Clone)]
pub struct Volume {
    /// Grey values, shape `[T, Z, Y, X]`.
    pub intensities: Array4<f32>,
    /// Where it lies.
    pub geometry: Geometry,
}

/// Label codes of a whole cine on the grid of its volume.
#[derive(Clone)]
pub struct Mask {
    /// Label codes, shape `[T, Z, Y, X]`, each a [`Label::code`].
    pub labels: Array4<u8>,
    /// Where it lies.
    pub geometry: Geometry,
}
