//! Whether two volumes lie on one grid, so that their voxels may be compared one by one. No resampling.

use crate::{Geometry, Shape};

/// How far the corners of two volumes may lie apart on what is still one grid, in voxels of the smallest spacing. What single precision
/// and a quaternion make of one grid lies a thousand times below; a shift by half a voxel lies above.
const APART_VOXELS: f64 = 0.1;

/// How far spacings may differ on what is still one grid, as a part of themselves. Headers hold them in single precision.
const SPACING_PART: f64 = 1e-3;

/// Why two volumes do not lie on one grid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridDifference {
    /// The sizes differ.
    #[error("the shapes differ: {one} against {other}")]
    Shape {
        /// Of the first.
        one: Shape,
        /// Of the second.
        other: Shape,
    },
    /// The distances between voxels differ.
    #[error("the spacings differ: {one_mm:?} mm against {other_mm:?} mm (column, row, slice)")]
    Spacing {
        /// Of the first.
        one_mm: [f64; 3],
        /// Of the second.
        other_mm: [f64; 3],
    },
    /// They lie at different places or are turned.
    #[error(
        "the affines differ: corners lie up to {apart_mm:.2} mm apart, at most {allowed_mm:.2} mm is taken for one grid"
    )]
    Place {
        /// The largest distance of two corners.
        apart_mm: f64,
        /// What would be allowed.
        allowed_mm: f64,
    },
}

/// Checks that two volumes lie on one grid: same shape, same spacing, same place.
///
/// # Errors
/// [`GridDifference`] says the first of these that differs.
pub fn same_grid(one: (Shape, &Geometry), other: (Shape, &Geometry)) -> Result<(), GridDifference> {
    let ((shape, geometry), (other_shape, other_geometry)) = (one, other);
    if shape != other_shape {
        return Err(GridDifference::Shape {
            one: shape,
            other: other_shape,
        });
    }
    let spacing = |geometry: &Geometry| {
        [
            geometry.spacing.column_mm,
            geometry.spacing.row_mm,
            geometry.spacing.slice_mm,
        ]
    };
    let (one_mm, other_mm) = (spacing(geometry), spacing(other_geometry));
    if one_mm
        .iter()
        .zip(&other_mm)
        .any(|(one, other)| (one - other).abs() > SPACING_PART * one)
    {
        return Err(GridDifference::Spacing { one_mm, other_mm });
    }
    let allowed_mm = APART_VOXELS
        * one_mm
            .iter()
            .fold(f64::INFINITY, |least, &mm| least.min(mm));
    let mut apart_mm: f64 = 0.0;
    // Two affine grids of one shape differ most at a corner.
    let ends = |count: usize| [0.0, count.saturating_sub(1) as f64];
    for column in ends(shape.columns) {
        for row in ends(shape.rows) {
            for slice in ends(shape.slices) {
                let (a, b) = (
                    geometry.point_in_mm(column, row, slice),
                    other_geometry.point_in_mm(column, row, slice),
                );
                let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                apart_mm = apart_mm.max(squared.sqrt());
            }
        }
    }
    if apart_mm > allowed_mm {
        Err(GridDifference::Place {
            apart_mm,
            allowed_mm,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spacing;

    fn grid() -> (Shape, Geometry) {
        let spacing = Spacing {
            row_mm: 1.5,
            column_mm: 1.25,
            slice_mm: 8.0,
        };
        (
            Shape {
                frames: 2,
                slices: 10,
                rows: 200,
                columns: 160,
            },
            Geometry::axis_aligned(spacing, None),
        )
    }

    #[test]
    fn a_grid_is_itself_and_what_single_precision_makes_of_it() {
        let (shape, geometry) = grid();
        let mut rounded = geometry.clone();
        for value in rounded.mm_from_voxel.iter_mut().flatten() {
            *value = f64::from(*value as f32) + 1e-5;
        }
        rounded.frame_ms = Some(40.0);
        assert_eq!(same_grid((shape, &geometry), (shape, &rounded)), Ok(()));
    }

    #[test]
    fn another_shape_spacing_or_place_is_another_grid() {
        let (shape, geometry) = grid();
        let taller = Shape { rows: 201, ..shape };
        assert!(matches!(
            same_grid((shape, &geometry), (taller, &geometry)),
            Err(GridDifference::Shape { .. })
        ));

        let mut stretched = geometry.clone();
        stretched.spacing.slice_mm = 8.1;
        assert!(matches!(
            same_grid((shape, &geometry), (shape, &stretched)),
            Err(GridDifference::Spacing { .. })
        ));

        // Half of a column to the side: 0.625 mm, where 0.125 mm are allowed.
        let mut shifted = geometry.clone();
        shifted.mm_from_voxel[0][3] += 0.625;
        let Err(GridDifference::Place {
            apart_mm,
            allowed_mm,
        }) = same_grid((shape, &geometry), (shape, &shifted))
        else {
            panic!("a shift was not seen");
        };
        assert!((apart_mm - 0.625).abs() < 1e-9 && (allowed_mm - 0.125).abs() < 1e-9);

        // Turned about the origin: the corner there stays, the others do not.
        let mut flipped = geometry.clone();
        flipped.mm_from_voxel[0][0] *= -1.0;
        assert!(matches!(
            same_grid((shape, &geometry), (shape, &flipped)),
            Err(GridDifference::Place { .. })
        ));
    }
}
