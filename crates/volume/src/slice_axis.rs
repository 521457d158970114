//! Along which axis of a file slices follow one another. Arrays here have slices first; a file may have them anywhere.

use ndarray::{Array3, ShapeError};

use crate::Shape;

/// The axis of a file that slices follow one another along. Where it is not the third, it and the third change places on the way in and once
/// more on the way out, so that doing it twice does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SliceAxis {
    /// The one along which neighbours in the file are neighbours in space.
    First,
    /// The one behind it.
    Second,
    /// Where slices usually are: nothing changes.
    #[default]
    Third,
}

impl SliceAxis {
    /// All three, in their order.
    pub const ALL: [SliceAxis; 3] = [SliceAxis::First, SliceAxis::Second, SliceAxis::Third];

    /// As NIfTI counts axes: 1, 2 or 3.
    pub fn number(self) -> u8 {
        match self {
            SliceAxis::First => 1,
            SliceAxis::Second => 2,
            SliceAxis::Third => 3,
        }
    }

    /// The axis of a number as NIfTI counts them.
    pub fn from_number(number: u8) -> Option<SliceAxis> {
        SliceAxis::ALL
            .into_iter()
            .find(|axis| axis.number() == number)
    }

    /// What belongs to first, second and third axis of the file as what belongs to columns, rows and slices, and back.
    pub fn exchanged<T>(self, mut of_axes: [T; 3]) -> [T; 3] {
        of_axes.swap(usize::from(self.number()) - 1, 2);
        of_axes
    }

    /// The voxels of a frame of `shape` as a file stores them, the first axis fastest, as `[Z, Y, X]` in standard layout.
    ///
    /// # Errors
    /// When they are not as many as the shape has.
    pub fn frame<T: Copy>(self, stored: Vec<T>, shape: &Shape) -> Result<Array3<T>, ShapeError> {
        let [first, second, third] = self.exchanged([shape.columns, shape.rows, shape.slices]);
        let stored = Array3::from_shape_vec((third, second, first), stored)?;
        Ok(self.exchanged_voxels(stored))
    }

    /// The voxels of a frame `[Z, Y, X]` as a file stores them: the way back from [`SliceAxis::frame`].
    pub fn stored<T: Copy>(self, frame: Array3<T>) -> Vec<T> {
        self.exchanged_voxels(frame).into_raw_vec_and_offset().0
    }

    fn exchanged_voxels<T: Copy>(self, mut frame: Array3<T>) -> Array3<T> {
        // The first axis of a file is the last of an array.
        frame.swap_axes(3 - usize::from(self.number()), 0);
        match frame.is_standard_layout() {
            true => frame,
            false => frame.as_standard_layout().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_of_slices_and_the_third_change_places_and_change_back() {
        // The value of a voxel says its place in the file: 4 along the first axis, 3 along the second, 2 along the third.
        let stored: Vec<usize> = (0..24)
            .map(|index| index % 4 + 10 * (index / 4 % 3) + 100 * (index / 12))
            .collect();
        for axis in SliceAxis::ALL {
            let [columns, rows, slices] = axis.exchanged([4, 3, 2]);
            let shape = Shape::new(1, slices, rows, columns).unwrap();
            let frame = axis.frame(stored.clone(), &shape).unwrap();
            assert_eq!(frame.dim(), (slices, rows, columns), "{axis:?}");
            assert!(frame.is_standard_layout());
            for ((slice, row, column), &value) in frame.indexed_iter() {
                let [first, second, third] = axis.exchanged([column, row, slice]);
                assert_eq!(value, first + 10 * second + 100 * third, "{axis:?}");
            }
            assert_eq!(axis.stored(frame), stored, "{axis:?}");
            assert!(axis.frame(vec![0; 23], &shape).is_err());
            assert_eq!(SliceAxis::from_number(axis.number()), Some(axis));
        }
        assert_eq!(
            SliceAxis::First.exchanged([8.0, 1.5, 1.25]),
            [1.25, 1.5, 8.0]
        );
        assert_eq!(
            SliceAxis::Second.exchanged([1.25, 8.0, 1.5]),
            [1.25, 1.5, 8.0]
        );
        assert_eq!(SliceAxis::from_number(0), None);
        assert_eq!(SliceAxis::from_number(4), None);
    }
}
