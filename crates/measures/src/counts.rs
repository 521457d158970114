//! Voxels of each structure in one frame: all that the volumes need to know of a mask. No millilitres here.

use cinecor_volume::{Label, Spacing};
use ndarray::ArrayView3;

use crate::Error;

/// How many voxels of one frame each structure has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Voxels of the right ventricular cavity.
    pub right_ventricle: u64,
    /// Voxels of the left ventricular wall.
    pub myocardium: u64,
    /// Voxels of the left ventricular cavity.
    pub left_ventricle: u64,
}

/// The counts of one frame and which frame of the study it is, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCounts {
    /// Index of the frame in the study.
    pub frame: usize,
    /// What it holds.
    pub counts: Counts,
}

impl std::ops::Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            right_ventricle: self.right_ventricle + other.right_ventricle,
            myocardium: self.myocardium + other.myocardium,
            left_ventricle: self.left_ventricle + other.left_ventricle,
        }
    }
}

impl Counts {
    /// Counts the voxels of one frame of label codes, shape `[Z, Y, X]`.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] when a code is not that of a [`Label`].
    pub fn of(labels: ArrayView3<'_, u8>) -> Result<Self, Error> {
        let mut counts = Counts::default();
        for row in labels.rows() {
            let mut in_row = [0_u64; Label::ALL.len()];
            for &code in row {
                *in_row
                    .get_mut(usize::from(code))
                    .ok_or(Error::UnknownLabel { code })? += 1;
            }
            let [_, right_ventricle, myocardium, left_ventricle] = in_row;
            counts.right_ventricle += right_ventricle;
            counts.myocardium += myocardium;
            counts.left_ventricle += left_ventricle;
        }
        Ok(counts)
    }

    /// Volume of `structure` in ml, or `None` when the frame does not show it: a heart without it does not exist, so it was
    /// missed, and 0 ml would be a false number. The background has no volume.
    pub fn volume_ml(&self, structure: Label, spacing: &Spacing) -> Option<f64> {
        let voxels = match structure {
            Label::Background => 0,
            Label::RightVentricle => self.right_ventricle,
            Label::Myocardium => self.myocardium,
            Label::LeftVentricle => self.left_ventricle,
        };
        // A frame has far fewer than 2^53 voxels: the conversion is exact.
        (voxels > 0).then(|| voxels as f64 * spacing.voxel_ml())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn counts_every_structure_of_a_frame() {
        let labels =
            Array3::from_shape_vec((2, 2, 3), vec![0, 1, 1, 2, 2, 2, 3, 0, 0, 3, 3, 3]).unwrap();
        assert_eq!(
            Counts::of(labels.view()),
            Ok(Counts {
                right_ventricle: 2,
                myocardium: 3,
                left_ventricle: 4
            })
        );
    }

    #[test]
    fn refuses_a_code_that_is_no_label() {
        let labels = Array3::from_elem((1, 2, 2), 4);
        assert_eq!(
            Counts::of(labels.view()),
            Err(Error::UnknownLabel { code: 4 })
        );
    }

    #[test]
    fn a_missing_structure_has_no_volume() {
        let spacing = Spacing {
            row_mm: 2.0,
            column_mm: 2.5,
            slice_mm: 10.0,
        };
        let counts = Counts {
            right_ventricle: 0,
            myocardium: 0,
            left_ventricle: 30,
        };
        assert_eq!(counts.volume_ml(Label::RightVentricle, &spacing), None);
        // 30 × 2 × 2.5 × 10 mm³ = 1500 mm³.
        assert_eq!(counts.volume_ml(Label::LeftVentricle, &spacing), Some(1.5));
    }

    #[test]
    fn counts_views_that_are_not_contiguous() {
        let labels = Array3::from_shape_fn((4, 3, 2), |(z, y, x)| {
            u8::try_from((z + y + x) % 4).unwrap()
        });
        let straight = Counts::of(labels.view()).unwrap();
        assert_eq!(Counts::of(labels.view().reversed_axes()).unwrap(), straight);
    }
}
