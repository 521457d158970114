//! How the picture of a slice may lie: as it is, on its side, mirrored. A short axis without a written orientation can lie in any of the
//! eight ways, and whoever knows one of them only has to be shown that one.

use ndarray::{Array3, ArrayView3, Axis};

use crate::Spacing;

/// One of the eight ways in which rows and columns can be exchanged and reversed. Slices stay where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Rows become columns; before anything is reversed.
    pub transposed: bool,
    /// The last row becomes the first.
    pub rows_reversed: bool,
    /// The last column becomes the first.
    pub columns_reversed: bool,
}

impl Turn {
    /// All eight, the one that changes nothing first.
    pub const ALL: [Turn; 8] = {
        let mut all = [Turn {
            transposed: false,
            rows_reversed: false,
            columns_reversed: false,
        }; 8];
        let mut index = 0;
        while index < all.len() {
            all[index] = Turn {
                transposed: index & 4 != 0,
                rows_reversed: index & 2 != 0,
                columns_reversed: index & 1 != 0,
            };
            index += 1;
        }
        all
    };

    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        *self == Turn::default()
    }

    /// Whether what went round with the clock goes against it.
    pub fn is_mirror(&self) -> bool {
        self.transposed ^ self.rows_reversed ^ self.columns_reversed
    }

    /// What happens to a picture, to stand behind "was".
    pub fn in_words(&self) -> &'static str {
        match (self.transposed, self.rows_reversed, self.columns_reversed) {
            (false, false, false) => "left as it lies",
            (false, false, true) => "mirrored, left for right",
            (false, true, false) => "mirrored, top for bottom",
            (false, true, true) => "turned by half a turn",
            (true, false, false) => "mirrored, rows for columns",
            (true, false, true) => "turned by a quarter to the right",
            (true, true, false) => "turned by a quarter to the left",
            (true, true, true) => "turned by half a turn and mirrored, rows for columns",
        }
    }

    /// A frame `[Z, Y, X]` turned.
    pub fn of<T: Copy>(&self, frame: ArrayView3<'_, T>) -> Array3<T> {
        let frame = if self.transposed {
            frame.permuted_axes([0, 2, 1])
        } else {
            frame
        };
        self.reversed(frame).as_standard_layout().into_owned()
    }

    /// A frame that was turned, as it was.
    pub fn undone<T: Copy>(&self, frame: ArrayView3<'_, T>) -> Array3<T> {
        let frame = self.reversed(frame);
        let frame = if self.transposed {
            frame.permuted_axes([0, 2, 1])
        } else {
            frame
        };
        frame.as_standard_layout().into_owned()
    }

    /// The spacing of a turned frame.
    pub fn of_spacing(&self, spacing: &Spacing) -> Spacing {
        let (row_mm, column_mm) = if self.transposed {
            (spacing.column_mm, spacing.row_mm)
        } else {
            (spacing.row_mm, spacing.column_mm)
        };
        Spacing {
            row_mm,
            column_mm,
            slice_mm: spacing.slice_mm,
        }
    }

    fn reversed<'a, T>(&self, mut frame: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        if self.rows_reversed {
            frame.invert_axis(Axis(1));
        }
        if self.columns_reversed {
            frame.invert_axis(Axis(2));
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_become_columns_before_they_are_reversed() {
        let frame = array![[[1, 2, 3], [4, 5, 6]]];
        let turn = Turn {
            transposed: true,
            rows_reversed: true,
            columns_reversed: false,
        };
        assert_eq!(turn.of(frame.view()), array![[[3, 6], [2, 5], [1, 4]]]);
    }

    #[test]
    fn the_eight_ways_differ_and_each_is_undone() {
        let frame = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| 100 * z + 10 * y + x);
        let mut seen = std::collections::HashSet::new();
        for turn in Turn::ALL {
            let turned = turn.of(frame.view());
            assert!(turned.is_standard_layout());
            assert_eq!(turn.undone(turned.view()), frame, "{turn:?}");
            assert!(
                seen.insert((turned.dim(), turned.into_raw_vec_and_offset().0)),
                "{turn:?}"
            );
        }
        assert!(Turn::ALL[0].is_none());
        assert!(!Turn::ALL[1].is_none());
        for turn in Turn::ALL {
            let words = turn.in_words();
            assert_eq!(turn.is_mirror(), words.contains("mirrored"), "{words}");
        }
    }

    #[test]
    fn quarters_to_the_right_and_to_the_left_are_what_their_words_say() {
        // What was on top comes to lie on the right, or on the left.
        let frame = array![[[1, 1], [0, 0]]];
        for (words, turned) in [
            ("turned by a quarter to the right", array![[[0, 1], [0, 1]]]),
            ("turned by a quarter to the left", array![[[1, 0], [1, 0]]]),
        ] {
            let turn = Turn::ALL.iter().find(|turn| turn.in_words() == words);
            assert_eq!(turn.unwrap().of(frame.view()), turned, "{words}");
        }
        let words: std::collections::HashSet<&str> = Turn::ALL.iter().map(Turn::in_words).collect();
        assert_eq!(words.len(), 8);
    }

    #[test]
    fn spacings_follow_their_axes() {
        let spacing = Spacing::new(1.25, 1.5, 8.0).unwrap();
        let turned = Turn {
            transposed: true,
            ..Turn::default()
        };
        assert_eq!(
            turned.of_spacing(&spacing),
            Spacing::new(1.5, 1.25, 8.0).unwrap()
        );
        assert_eq!(Turn::default().of_spacing(&spacing), spacing);
    }
}
