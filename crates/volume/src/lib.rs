//! Volumes of cardiac cine MRI: shape, geometry, labels. No file format, no IO, no numbers that mean medicine.
//!
//! Every array is in the order frames, slices, rows, columns: shape `[T, Z, Y, X]`; one frame is `[Z, Y, X]`, one slice `[Y, X]`.
//!
//! Fields are public because every crate reads them; values that come from outside are made with the checking constructors
//! [`Shape::new`], [`Spacing::new`], [`Geometry::new`], [`Volume::new`] and [`Mask::new`], so that nobody downstream has to
//! ask again whether a spacing is positive or a size is zero.
//!
//! ```
//! use cinecor_volume::{Geometry, Label, Shape, ShapeLimits, Spacing};
//!
//! let shape = Shape::new(30, 12, 256, 224)?;
//! shape.within(&ShapeLimits::default())?;
//! let spacing = Spacing::new(1.5, 1.5, 8.0)?;
//! assert_eq!(spacing.voxel_ml() * 1000.0, 18.0);
//! let geometry = Geometry::axis_aligned(spacing, Some(35.0));
//! assert_eq!(geometry.point_in_mm(2.0, 0.0, 1.0), [3.0, 0.0, 8.0]);
//! assert_eq!(Label::LeftVentricle.code(), 3);
//! # Ok::<(), cinecor_volume::VolumeError>(())
//! ```

mod same_grid;
mod slice_axis;
mod turn;

use std::fmt;

use ndarray::{Array3, Array4};

pub use same_grid::{GridDifference, same_grid};
pub use slice_axis::SliceAxis;
pub use turn::Turn;

/// The smallest distance in mm between voxels that is taken for true. Cardiac MR is acquired at 0.7 to 3 mm in the plane; a
/// twentieth of a millimetre is below any scanner and is what a file in metres looks like when its unit is missing.
pub const MIN_SPACING_MM: f64 = 0.05;

/// The largest distance in mm between voxels that is taken for true; short-axis slices lie 5 to 15 mm apart.
pub const MAX_SPACING_MM: f64 = 100.0;

/// Why a shape, a spacing or a geometry cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// A size is zero.
    #[error("the volume has no {axis}: found 0, expected at least 1")]
    EmptyAxis {
        /// `frames`, `slices`, `rows` or `columns`.
        axis: &'static str,
    },
    /// A size is above its limit.
    #[error(
        "the volume has {found} {axis}, the limit is {limit}; crop it, or have the limit raised"
    )]
    TooLarge {
        /// `frames`, `slices`, `rows` or `columns`.
        axis: &'static str,
        /// The size that was asked for.
        found: usize,
        /// The largest size allowed.
        limit: usize,
    },
    /// The number of voxels does not fit the machine's word.
    #[error(
        "the number of voxels of {frames} frames x {slices} slices x {rows} rows x {columns} columns does not fit this machine"
    )]
    Overflow {
        /// Frames asked for.
        frames: usize,
        /// Slices asked for.
        slices: usize,
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
    },
    /// A spacing that is not a distance between voxels.
    #[error(
        "the {axis} spacing is {found} mm, expected a distance from {MIN_SPACING_MM} to {MAX_SPACING_MM} mm"
    )]
    BadSpacing {
        /// `row`, `column` or `slice`.
        axis: &'static str,
        /// What was found, in mm.
        found: f64,
    },
    /// A transform with a value that is not a finite number.
    #[error(
        "row {row}, column {column} of the voxel-to-scanner transform is {found}, expected a finite number"
    )]
    BadTransform {
        /// Row of the matrix, from 0.
        row: usize,
        /// Column of the matrix, from 0.
        column: usize,
        /// What was found.
        found: f64,
    },
    /// A time between frames that is not a positive number.
    #[error(
        "the time between frames is {found} ms, expected a positive finite number, or none when it is not known"
    )]
    BadFrameTime {
        /// What was found, in ms.
        found: f64,
    },
    /// A label code that means nothing.
    #[error(
        "a mask holds the code {found}, expected 0 background, 1 right ventricle, 2 myocardium or 3 left ventricle"
    )]
    BadLabel {
        /// What was found.
        found: u8,
    },
}

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
    pub const ALL: [Label; 4] = [
        Label::Background,
        Label::RightVentricle,
        Label::Myocardium,
        Label::LeftVentricle,
    ];
    /// The three structures that are measured.
    pub const STRUCTURES: [Label; 3] = [
        Label::RightVentricle,
        Label::Myocardium,
        Label::LeftVentricle,
    ];

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
    /// A shape whose sizes are all at least one and whose number of voxels fits a `usize`.
    ///
    /// # Errors
    /// [`VolumeError::EmptyAxis`] and [`VolumeError::Overflow`].
    pub fn new(
        frames: usize,
        slices: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Shape, VolumeError> {
        let shape = Shape {
            frames,
            slices,
            rows,
            columns,
        };
        if let Some((axis, _)) = shape.axes().into_iter().find(|(_, size)| *size == 0) {
            return Err(VolumeError::EmptyAxis { axis });
        }
        match shape
            .axes()
            .iter()
            .try_fold(1usize, |product, (_, size)| product.checked_mul(*size))
        {
            Some(_) => Ok(shape),
            None => Err(VolumeError::Overflow {
                frames,
                slices,
                rows,
                columns,
            }),
        }
    }

    /// Whether no size is above its limit.
    ///
    /// # Errors
    /// [`VolumeError::TooLarge`] for the first axis that is.
    pub fn within(&self, limits: &ShapeLimits) -> Result<(), VolumeError> {
        let limits = [limits.frames, limits.slices, limits.rows, limits.columns];
        for ((axis, found), limit) in self.axes().into_iter().zip(limits) {
            if found > limit {
                return Err(VolumeError::TooLarge { axis, found, limit });
            }
        }
        Ok(())
    }

    /// Voxels of one frame.
    pub fn voxels_per_frame(&self) -> usize {
        self.slices * self.rows * self.columns
    }

    /// Voxels of all frames.
    pub fn voxels(&self) -> usize {
        self.frames * self.voxels_per_frame()
    }

    fn axes(&self) -> [(&'static str, usize); 4] {
        [
            ("frames", self.frames),
            ("slices", self.slices),
            ("rows", self.rows),
            ("columns", self.columns),
        ]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} frames x {} slices x {} rows x {} columns",
            self.frames, self.slices, self.rows, self.columns
        )
    }
}

/// The largest sizes that are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeLimits {
    /// Most frames.
    pub frames: usize,
    /// Most slices.
    pub slices: usize,
    /// Most rows.
    pub rows: usize,
    /// Most columns.
    pub columns: usize,
}

impl Default for ShapeLimits {
    /// 100 frames, 64 slices, 512 rows, 512 columns: twice the largest cine of the public collections on every axis.
    fn default() -> ShapeLimits {
        ShapeLimits {
            frames: 100,
            slices: 64,
            rows: 512,
            columns: 512,
        }
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
    /// A spacing whose three distances lie between [`MIN_SPACING_MM`] and [`MAX_SPACING_MM`].
    ///
    /// # Errors
    /// [`VolumeError::BadSpacing`] for the first that does not, NaN included.
    pub fn new(row_mm: f64, column_mm: f64, slice_mm: f64) -> Result<Spacing, VolumeError> {
        for (axis, found) in [("row", row_mm), ("column", column_mm), ("slice", slice_mm)] {
            if !(MIN_SPACING_MM..=MAX_SPACING_MM).contains(&found) {
                return Err(VolumeError::BadSpacing { axis, found });
            }
        }
        Ok(Spacing {
            row_mm,
            column_mm,
            slice_mm,
        })
    }

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

impl Geometry {
    /// A geometry whose numbers are all finite.
    ///
    /// # Errors
    /// [`VolumeError::BadSpacing`], [`VolumeError::BadTransform`] and [`VolumeError::BadFrameTime`].
    pub fn new(
        spacing: Spacing,
        mm_from_voxel: [[f64; 4]; 3],
        frame_ms: Option<f64>,
    ) -> Result<Geometry, VolumeError> {
        let spacing = Spacing::new(spacing.row_mm, spacing.column_mm, spacing.slice_mm)?;
        for (row, values) in mm_from_voxel.iter().enumerate() {
            for (column, &found) in values.iter().enumerate() {
                if !found.is_finite() {
                    return Err(VolumeError::BadTransform { row, column, found });
                }
            }
        }
        match frame_ms {
            Some(found) if !(found.is_finite() && found > 0.0) => {
                Err(VolumeError::BadFrameTime { found })
            }
            _ => Ok(Geometry {
                spacing,
                mm_from_voxel,
                frame_ms,
            }),
        }
    }

    /// The geometry of a volume that lies along the scanner's axes with voxel (0, 0, 0) in the origin.
    pub fn axis_aligned(spacing: Spacing, frame_ms: Option<f64>) -> Geometry {
        let mm_from_voxel = [
            [spacing.column_mm, 0.0, 0.0, 0.0],
            [0.0, spacing.row_mm, 0.0, 0.0],
            [0.0, 0.0, spacing.slice_mm, 0.0],
        ];
        Geometry {
            spacing,
            mm_from_voxel,
            frame_ms,
        }
    }

    /// Whether columns, rows and slices make a right-handed system in the patient. `None` when they run exactly along the scanner's axes,
    /// each upwards: that is what a file says whose orientation was never written, and no short axis lies so.
    pub fn is_right_handed(&self) -> Option<bool> {
        let [x, y, z] = self.mm_from_voxel;
        let never_written = [x, y, z].iter().enumerate().all(|(row, values)| {
            values.iter().take(3).enumerate().all(|(column, &value)| {
                if row == column {
                    value > 0.0
                } else {
                    value == 0.0
                }
            })
        });
        let determinant = x[0] * (y[1] * z[2] - y[2] * z[1]) - x[1] * (y[0] * z[2] - y[2] * z[0])
            + x[2] * (y[0] * z[1] - y[1] * z[0]);
        (!never_written && determinant != 0.0).then_some(determinant > 0.0)
    }

    /// Where a voxel index lies in scanner coordinates, mm.
    pub fn point_in_mm(&self, column: f64, row: f64, slice: f64) -> [f64; 3] {
        self.mm_from_voxel
            .map(|m| m[0] * column + m[1] * row + m[2] * slice + m[3])
    }
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

impl Volume {
    /// A volume that has at least one voxel.
    ///
    /// # Errors
    /// [`VolumeError::EmptyAxis`].
    pub fn new(intensities: Array4<f32>, geometry: Geometry) -> Result<Volume, VolumeError> {
        let (frames, slices, rows, columns) = intensities.dim();
        Shape::new(frames, slices, rows, columns)?;
        Ok(Volume {
            intensities,
            geometry,
        })
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        let (frames, slices, rows, columns) = self.intensities.dim();
        Shape {
            frames,
            slices,
            rows,
            columns,
        }
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("shape", &self.shape())
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}

impl Mask {
    /// A mask that has at least one voxel and only codes that mean something.
    ///
    /// # Errors
    /// [`VolumeError::EmptyAxis`] and [`VolumeError::BadLabel`].
    pub fn new(labels: Array4<u8>, geometry: Geometry) -> Result<Mask, VolumeError> {
        let (frames, slices, rows, columns) = labels.dim();
        Shape::new(frames, slices, rows, columns)?;
        match labels
            .iter()
            .find(|code| Label::from_code(**code).is_none())
        {
            Some(&found) => Err(VolumeError::BadLabel { found }),
            None => Ok(Mask { labels, geometry }),
        }
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        let (frames, slices, rows, columns) = self.labels.dim();
        Shape {
            frames,
            slices,
            rows,
            columns,
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask")
            .field("shape", &self.shape())
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handedness_is_that_of_the_directions_and_unknown_where_none_was_written() {
        let spacing = Spacing::new(1.5, 1.5, 8.0).unwrap();
        let mut geometry = Geometry::axis_aligned(spacing, None);
        assert_eq!(geometry.is_right_handed(), None);
        geometry.mm_from_voxel[0][0] = -1.5;
        assert_eq!(geometry.is_right_handed(), Some(false));
        geometry.mm_from_voxel[1][1] = -1.5;
        assert_eq!(geometry.is_right_handed(), Some(true));
        // Columns to the front, rows to the right: two axes changed places.
        geometry.mm_from_voxel = [
            [0.0, 1.5, 0.0, 4.0],
            [1.5, 0.0, 0.0, 5.0],
            [0.0, 0.0, 8.0, 6.0],
        ];
        assert_eq!(geometry.is_right_handed(), Some(false));
        geometry.mm_from_voxel = [[0.0; 4]; 3];
        assert_eq!(geometry.is_right_handed(), None);
    }

    #[test]
    fn every_label_survives_its_code_and_no_other_code_is_a_label() {
        for label in Label::ALL {
            assert_eq!(Label::from_code(label.code()), Some(label));
        }
        assert_eq!(Label::from_code(4), None);
        assert_eq!(Label::from_code(255), None);
    }

    #[test]
    fn refuses_shapes_that_are_empty_too_large_or_overflow() {
        assert_eq!(
            Shape::new(1, 0, 2, 2),
            Err(VolumeError::EmptyAxis { axis: "slices" })
        );
        assert!(matches!(
            Shape::new(usize::MAX, 2, 1, 1),
            Err(VolumeError::Overflow { .. })
        ));
        let limits = ShapeLimits::default();
        assert!(
            Shape::new(100, 64, 512, 512)
                .unwrap()
                .within(&limits)
                .is_ok()
        );
        let wide = Shape::new(1, 1, 1, 513).unwrap();
        assert_eq!(
            wide.within(&limits),
            Err(VolumeError::TooLarge {
                axis: "columns",
                found: 513,
                limit: 512
            })
        );
    }

    #[test]
    fn refuses_spacings_that_are_no_distance() {
        for bad in [0.0, -1.5, f64::NAN, f64::INFINITY, 0.0014, 1400.0] {
            assert!(
                matches!(
                    Spacing::new(1.5, bad, 8.0),
                    Err(VolumeError::BadSpacing { axis: "column", .. })
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn voxel_volume_is_the_product_of_the_spacings() {
        // 1.25 mm x 1.5 mm x 10 mm = 18.75 mm^3.
        assert_eq!(Spacing::new(1.25, 1.5, 10.0).unwrap().voxel_ml(), 0.018_75);
    }

    #[test]
    fn refuses_a_geometry_with_a_number_that_is_none() {
        let spacing = Spacing::new(1.0, 1.0, 8.0).unwrap();
        let mut transform = Geometry::axis_aligned(spacing, None).mm_from_voxel;
        assert!(matches!(
            Geometry::new(spacing, transform, Some(0.0)),
            Err(VolumeError::BadFrameTime { .. })
        ));
        transform[1][3] = f64::NAN;
        let refused = Geometry::new(spacing, transform, None);
        assert!(matches!(
            refused,
            Err(VolumeError::BadTransform {
                row: 1,
                column: 3,
                ..
            })
        ));
    }

    #[test]
    fn refuses_a_mask_with_a_code_that_means_nothing_and_never_prints_voxels() {
        let geometry = Geometry::axis_aligned(Spacing::new(1.0, 1.0, 8.0).unwrap(), None);
        let mut labels = Array4::<u8>::zeros((1, 1, 2, 2));
        let mask = Mask::new(labels.clone(), geometry.clone()).unwrap();
        assert!(!format!("{mask:?}").contains("labels"));
        labels[[0, 0, 1, 1]] = 7;
        assert_eq!(
            Mask::new(labels, geometry).unwrap_err(),
            VolumeError::BadLabel { found: 7 }
        );
    }
}
