//! Surfaces of voxel structures and exact Euclidean distances between them, in mm, on voxels of any proportions.
//!
//! A surface voxel is a voxel of the structure with a face neighbour that is not of it; what lies beyond the array is not of it (as in
//! MedPy and SciPy's `binary_erosion` of one face-connected step). An axis of one voxel is no axis: a single slice has a contour, not two lids.
//! Distances run between voxel centres.

use cinecor_volume::Spacing;
use ndarray::{Array3, ArrayView3, Axis, Zip};

/// The surface voxels of `inside`, shape `[Z, Y, X]`. `flat` says of each axis whether the volume that `inside` is a part of has one voxel along it.
pub(crate) fn surface(inside: ArrayView3<'_, bool>, flat: [bool; 3]) -> Array3<bool> {
    // Interior until an axis says otherwise; then the surface is what is inside but not interior.
    let mut interior = inside.to_owned();
    for (axis, flat) in flat.into_iter().enumerate() {
        if !flat {
            Zip::from(interior.lanes_mut(Axis(axis)))
                .and(inside.lanes(Axis(axis)))
                .for_each(|mut interior, inside| {
                    let before = std::iter::once(false).chain(inside.iter().copied());
                    let after = inside.iter().copied().skip(1).chain(std::iter::once(false));
                    for ((voxel, before), after) in interior.iter_mut().zip(before).zip(after) {
                        *voxel &= before && after;
                    }
                });
        }
    }
    Zip::from(&mut interior)
        .and(inside)
        .for_each(|voxel, &inside| *voxel = inside && !*voxel);
    interior
}

/// Squared distance in mm² from every voxel to the nearest of `seeds`, shape `[Z, Y, X]`; infinite where there is none.
///
/// Felzenszwalb and Huttenlocher, Theory of Computing 2012;8:415: one pass an axis, time linear in the voxels.
pub(crate) fn squared_distance_mm2(seeds: &Array3<bool>, spacing: &Spacing) -> Array3<f64> {
    let mut distance = seeds.map(|&seed| if seed { 0.0 } else { f64::INFINITY });
    let mut envelope = Envelope::default();
    for (axis, step_mm) in [
        (2, spacing.column_mm),
        (1, spacing.row_mm),
        (0, spacing.slice_mm),
    ] {
        for mut lane in distance.lanes_mut(Axis(axis)) {
            envelope.build(lane.iter().copied(), step_mm);
            envelope.write(lane.iter_mut(), step_mm);
        }
    }
    distance
}

/// The lower envelope of the parabolas that stand on the finite values of one lane. Kept from lane to lane for its memory.
#[derive(Default)]
struct Envelope {
    parabolas: Vec<Parabola>,
}

#[derive(Clone, Copy)]
struct Parabola {
    /// Where its foot lies, mm.
    foot_mm: f64,
    /// Its height there, mm².
    height_mm2: f64,
    /// From where on it is the lowest, mm.
    from_mm: f64,
}

impl Envelope {
    fn build(&mut self, values_mm2: impl Iterator<Item = f64>, step_mm: f64) {
        self.parabolas.clear();
        for (index, height_mm2) in values_mm2.enumerate() {
            if !height_mm2.is_finite() {
                continue;
            }
            let foot_mm = index as f64 * step_mm;
            let mut from_mm = f64::NEG_INFINITY;
            while let Some(last) = self.parabolas.last() {
                // Where this parabola and the last one meet; feet are a step apart at least, so nothing is divided by zero.
                from_mm = ((height_mm2 + foot_mm * foot_mm)
                    - (last.height_mm2 + last.foot_mm * last.foot_mm))
                    / (2.0 * (foot_mm - last.foot_mm));
                if from_mm > last.from_mm {
                    break;
                }
                // The last one is the lowest nowhere.
                self.parabolas.pop();
                from_mm = f64::NEG_INFINITY;
            }
            self.parabolas.push(Parabola {
                foot_mm,
                height_mm2,
                from_mm,
            });
        }
    }

    fn write<'a>(&self, values_mm2: impl Iterator<Item = &'a mut f64>, step_mm: f64) {
        let mut parabolas = self.parabolas.iter().peekable();
        let Some(mut current) = parabolas.next() else {
            return;
        };
        for (index, value) in values_mm2.enumerate() {
            let at_mm = index as f64 * step_mm;
            while let Some(next) = parabolas.next_if(|next| next.from_mm <= at_mm) {
                current = next;
            }
            *value = current.height_mm2 + (at_mm - current.foot_mm) * (at_mm - current.foot_mm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CUBE: [bool; 3] = [false; 3];

    #[test]
    fn surface_of_a_full_cube_is_its_shell() {
        let cube = Array3::from_elem((3, 3, 3), true);
        let shell = surface(cube.view(), CUBE);
        assert_eq!(shell.iter().filter(|&&s| s).count(), 26);
        assert!(!shell[[1, 1, 1]]);
    }

    #[test]
    fn surface_of_a_single_slice_is_its_contour() {
        let slice = Array3::from_elem((1, 4, 5), true);
        let contour = surface(slice.view(), [true, false, false]);
        assert_eq!(contour.iter().filter(|&&s| s).count(), 14);
        assert_eq!(surface(slice.view(), CUBE), slice);
    }

    #[test]
    fn a_corner_neighbour_does_not_open_the_interior() {
        let mut cube = Array3::from_elem((3, 3, 3), true);
        cube[[0, 0, 0]] = false;
        assert!(!surface(cube.view(), CUBE)[[1, 1, 1]]);
        cube[[0, 1, 1]] = false;
        assert!(surface(cube.view(), CUBE)[[1, 1, 1]]);
    }

    #[test]
    fn nothing_is_near_where_there_is_no_seed() {
        let spacing = Spacing {
            row_mm: 1.0,
            column_mm: 1.0,
            slice_mm: 1.0,
        };
        assert!(
            squared_distance_mm2(&Array3::from_elem((2, 3, 4), false), &spacing)
                .iter()
                .all(|d| d.is_infinite())
        );
    }

    proptest! {
        #[test]
        fn distance_equals_that_of_comparing_all_pairs(
            seeds in proptest::collection::vec(proptest::bool::weighted(0.08), 4 * 6 * 7),
            row_mm in 0.3..3.0_f64, column_mm in 0.3..3.0_f64, slice_mm in 0.3..12.0_f64,
        ) {
            let seeds = Array3::from_shape_vec((4, 6, 7), seeds).unwrap();
            let spacing = Spacing { row_mm, column_mm, slice_mm };
            let found = squared_distance_mm2(&seeds, &spacing);
            for ((z, y, x), &found) in found.indexed_iter() {
                let expected = seeds.indexed_iter().filter(|&(_, &seed)| seed).map(|((sz, sy, sx), _)| {
                    let squared = |a: usize, b: usize, mm: f64| (a.abs_diff(b) as f64 * mm).powi(2);
                    squared(z, sz, slice_mm) + squared(y, sy, row_mm) + squared(x, sx, column_mm)
                }).fold(f64::INFINITY, f64::min);
                // The order of the sums differs: a few units in the last place.
                prop_assert!(found == expected || (found - expected).abs() <= 1e-9 * expected.max(1.0), "{found} {expected}");
            }
        }
    }
}
