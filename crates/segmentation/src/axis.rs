//! One axis of a resampling: where each output pixel lies on the input's axis, worked out once and used for every slice.
//!
//! Both axes share their middle; positions are those of pixel centres. No voxels here.

/// For every output pixel the two input pixels around its centre, and the weight of the second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Axis {
    /// Index of the input pixel before; never decreases along the axis.
    pub(crate) low: Vec<u32>,
    /// Index of the input pixel after: `low` or `low + 1`.
    pub(crate) high: Vec<u32>,
    /// Weight of `high`, in [0, 1); that of `low` is the rest.
    pub(crate) weight: Vec<f32>,
}

impl Axis {
    /// The axis whose outputs lie at `positions`, in input pixels, clamped to the outermost pixel centres of `count` inputs.
    pub(crate) fn at(positions: impl Iterator<Item = f64>, count: u32) -> Axis {
        let last = count.saturating_sub(1);
        let mut axis = Axis::default();
        for position in positions {
            let at = position.clamp(0.0, f64::from(last));
            let low = at.floor();
            axis.low.push(low as u32);
            axis.high.push((low as u32).saturating_add(1).min(last));
            axis.weight.push((at - low) as f32);
        }
        axis
    }

    /// First input pixel used, and one past the last: the part of an input row that has to be looked at.
    pub(crate) fn used(&self) -> std::ops::Range<usize> {
        let first = self.low.first().map_or(0, |&low| low as usize);
        let last = self.high.last().map_or(0, |&high| high as usize + 1);
        first..last.max(first)
    }

    /// The output pixels that read any input pixel of `first..=last`; a contiguous range, since positions increase.
    pub(crate) fn touching(&self, first: u32, last: u32) -> std::ops::Range<usize> {
        let from = self.high.partition_point(|&high| high < first);
        let until = self.low.partition_point(|&low| low <= last);
        from..until.max(from)
    }
}

/// Where the centres of `out_count` pixels of `out_mm` lie on an axis of `in_count` pixels of `in_mm`, in input pixels.
pub(crate) fn position(index: f64, out_count: u32, in_count: u32, out_mm: f64, in_mm: f64) -> f64 {
    (index - f64::from(out_count.saturating_sub(1)) / 2.0) * (out_mm / in_mm)
        + f64::from(in_count.saturating_sub(1)) / 2.0
}

/// Pixels along an axis of `count` pixels of `in_mm` once it is resampled to `out_mm`: half is rounded up, at least one.
/// Saturates at `u32::MAX`; callers bound it.
pub(crate) fn resampled_count(count: u32, in_mm: f64, out_mm: f64) -> u32 {
    // A float-to-integer cast saturates, which is what is wanted of an absurd spacing.
    ((f64::from(count) * in_mm / out_mm + 0.5).floor() as u32).max(1)
}

/// Which part of an axis of `count` pixels is put on a canvas, and where: centred, the odd pixel after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// First pixel taken from the axis.
    pub(crate) first: u32,
    /// First pixel of the canvas that it is put on.
    pub(crate) put: u32,
    /// How many pixels.
    pub(crate) take: u32,
}

impl Window {
    /// The window of an axis of `count` pixels on a canvas of `canvas` pixels.
    pub(crate) fn centred(count: u32, canvas: u32) -> Window {
        let take = count.min(canvas);
        Window {
            first: (count - take) / 2,
            put: (canvas - take) / 2,
            take,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_spacing_puts_every_pixel_on_itself() {
        let axis = Axis::at((0..5).map(|i| position(f64::from(i), 5, 5, 1.4, 1.4)), 5);
        assert_eq!(axis.low, [0, 1, 2, 3, 4]);
        assert!(axis.weight.iter().all(|&w| w == 0.0));
    }

    #[test]
    fn halving_the_spacing_lies_a_quarter_off_the_centres() {
        // Two pixels of 2 mm span 4 mm: four pixels of 1 mm have their centres at -0.25, 0.25, 0.75 and 1.25 input pixels.
        let axis = Axis::at((0..4).map(|i| position(f64::from(i), 4, 2, 1.0, 2.0)), 2);
        assert_eq!(axis.low, [0, 0, 0, 1]);
        assert_eq!(axis.high, [1, 1, 1, 1]);
        assert_eq!(axis.weight, [0.0, 0.25, 0.75, 0.0]);
        assert_eq!(axis.used(), 0..2);
    }

    #[test]
    fn sizes_round_half_up_and_are_never_zero() {
        assert_eq!(resampled_count(7, 1.0, 2.0), 4);
        assert_eq!(resampled_count(256, 1.4, 1.4), 256);
        assert_eq!(resampled_count(1, 0.001, 1.4), 1);
        assert_eq!(resampled_count(u32::MAX, 1e300, 1.4), u32::MAX);
    }

    #[test]
    fn a_window_is_centred_and_leaves_the_odd_pixel_after() {
        assert_eq!(
            Window::centred(5, 8),
            Window {
                first: 0,
                put: 1,
                take: 5
            }
        );
        assert_eq!(
            Window::centred(9, 4),
            Window {
                first: 2,
                put: 0,
                take: 4
            }
        );
    }

    #[test]
    fn touching_finds_every_output_that_reads_the_inputs() {
        let axis = Axis::at((0..9).map(|i| position(f64::from(i), 9, 4, 1.0, 2.25)), 4);
        for first in 0..4_u32 {
            for last in first..4 {
                let expected: Vec<usize> = (0..9)
                    .filter(|&o| axis.high[o] >= first && axis.low[o] <= last)
                    .collect();
                assert_eq!(
                    axis.touching(first, last).collect::<Vec<_>>(),
                    expected,
                    "{first}..={last}"
                );
            }
        }
    }
}
