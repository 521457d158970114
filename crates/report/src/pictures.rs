//! Which slices a report shows, and their pictures: base, middle and apex at end-diastole and, the same slices, at end-systole, cut out around
//! the heart.

use std::ops::Range;

use cinecor_measures::{FrameProfile, Grid, base_to_apex};
use cinecor_render::{Overlay, Picture, RenderError, Style, Window, render};
use cinecor_volume::{Frame, Spacing};
use cinecor_wire::PictureJson;
use ndarray::{Array3, s};

/// What is left around the heart, mm: enough to see what it is attached to.
const MARGIN_MM: f64 = 15.0;

/// The longer side of a picture in pixels. Three stand side by side on paper 17 cm wide: 120 pixels a centimetre, where a line of one
/// pixel is still seen.
const PIXELS: f64 = 288.0;

/// A frame with its labels.
pub struct Phase<'a> {
    /// `ed`, `es`, or `frame` for a frame alone.
    pub name: &'a str,
    /// Its index in the study.
    pub frame: usize,
    /// Grey values, shape `[Z, Y, X]`.
    pub grey: &'a Frame,
    /// Label codes on the same grid.
    pub labels: &'a Array3<u8>,
}

/// Why there are no pictures.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PictureError {
    /// The labels cannot be read.
    #[error(transparent)]
    Labels(#[from] cinecor_measures::Error),
    /// A slice cannot be drawn.
    #[error(transparent)]
    Drawing(#[from] RenderError),
}

/// The pictures of these frames. The first decides which slices are shown; there are none where it shows no left ventricle.
///
/// # Errors
/// A code that is no label, frames of different shapes.
pub fn key_slices(
    phases: &[Phase<'_>],
    spacing: &Spacing,
) -> Result<Vec<PictureJson>, PictureError> {
    let Some(first) = phases.first() else {
        return Ok(Vec::new());
    };
    let grid = Grid {
        spacing: *spacing,
        right_handed: None,
        mirrored: false,
    };
    let profile = FrameProfile::of(first.frame, first.labels.view(), None, &grid)?;
    let slices = thirds(&base_to_apex(&profile.slices));
    let (rows, columns) = around(phases, spacing);
    let mut pictures = Vec::new();
    for phase in phases {
        // One window for a frame, as the service's other pictures have it.
        let window = Window::of(phase.grey);
        for &(level, slice) in &slices {
            let cut = s![slice, rows.clone(), columns.clone()];
            let overlay = Overlay::new(phase.labels.slice(cut), Style::Contour);
            let picture = Picture {
                window: Some(window),
                width: Some(width(rows.len(), columns.len(), spacing)),
            };
            let png = match render(phase.grey.slice(cut), spacing, &picture, Some(&overlay)) {
                Ok(png) => png,
                // A cut-out thinner than a pixel has no picture.
                Err(RenderError::BadSize { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            pictures.push(PictureJson::of(phase.name, level, phase.frame, slice, &png));
        }
    }
    Ok(pictures)
}

/// The middle of each third, from base to apex; no slice twice.
fn thirds(slices: &[usize]) -> Vec<(&'static str, usize)> {
    let mut shown: Vec<(&'static str, usize)> = Vec::new();
    for (level, sixth) in [("base", 1), ("mid", 3), ("apex", 5)] {
        if let Some(&slice) = slices.get(slices.len() * sixth / 6)
            && shown.iter().all(|(_, other)| *other != slice)
        {
            shown.push((level, slice));
        }
    }
    shown
}

/// Rows and columns around everything that any frame labels, with a margin.
fn around(phases: &[Phase<'_>], spacing: &Spacing) -> (Range<usize>, Range<usize>) {
    let (mut rows, mut columns) = (None, None);
    let mut ends = (0, 0);
    for phase in phases {
        let (_, height, width) = phase.labels.dim();
        ends = (height, width);
        for ((_, row, column), &code) in phase.labels.indexed_iter() {
            if code != 0 {
                rows = Some(with(rows, row));
                columns = Some(with(columns, column));
            }
        }
    }
    let widened = |range: Option<(usize, usize)>, step_mm: f64, end: usize| {
        let Some((first, last)) = range else {
            return 0..end;
        };
        // A float cast saturates; the end is that of the image.
        let margin = (MARGIN_MM / step_mm).ceil() as usize;
        first.saturating_sub(margin)..last.saturating_add(1 + margin).min(end)
    };
    (
        widened(rows, spacing.row_mm, ends.0),
        widened(columns, spacing.column_mm, ends.1),
    )
}

/// The first and the last, one more place seen.
fn with(range: Option<(usize, usize)>, place: usize) -> (usize, usize) {
    range.map_or((place, place), |(first, last)| {
        (first.min(place), last.max(place))
    })
}

/// Width in pixels with which the longer side has [`PIXELS`].
fn width(rows: usize, columns: usize, spacing: &Spacing) -> u32 {
    let (down_mm, across_mm) = (
        rows as f64 * spacing.row_mm,
        columns as f64 * spacing.column_mm,
    );
    (PIXELS * (across_mm / down_mm).min(1.0)).round().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Spacing = Spacing {
        row_mm: 3.0,
        column_mm: 1.5,
        slice_mm: 8.0,
    };

    #[test]
    fn every_third_shows_its_middle_and_no_slice_twice() {
        let of = |count: usize| thirds(&(0..count).collect::<Vec<_>>());
        assert_eq!(of(9), [("base", 1), ("mid", 4), ("apex", 7)]);
        assert_eq!(of(3), [("base", 0), ("mid", 1), ("apex", 2)]);
        assert_eq!(of(2), [("base", 0), ("mid", 1)]);
        assert_eq!(of(1), [("base", 0)]);
        assert!(of(0).is_empty());
    }

    #[test]
    fn the_cut_is_the_heart_and_a_margin_inside_the_image() {
        let mut labels = Array3::<u8>::zeros((2, 60, 60));
        labels[[0, 20, 3]] = 3;
        labels[[1, 30, 40]] = 1;
        let grey = Frame::zeros((2, 60, 60));
        let phase = Phase {
            name: "ed",
            frame: 0,
            grey: &grey,
            labels: &labels,
        };
        // 15 mm are 5 rows and 10 columns.
        assert_eq!(around(&[phase], &SPACING), (15..36, 0..51));
        // 63 mm high and 76.5 mm wide.
        assert_eq!(width(21, 51, &SPACING), 288);
        assert_eq!(width(51, 51, &SPACING), 144);
    }

    #[test]
    fn a_cut_thinner_than_a_pixel_has_no_picture() {
        let mut labels = Array3::<u8>::zeros((1, 60, 1));
        labels.fill(3);
        let grey = Frame::zeros((1, 60, 1));
        let phase = Phase {
            name: "ed",
            frame: 0,
            grey: &grey,
            labels: &labels,
        };
        let thin = Spacing {
            row_mm: 20.0,
            column_mm: 0.1,
            slice_mm: 8.0,
        };
        assert_eq!(key_slices(&[phase], &thin), Ok(Vec::new()));
    }

    #[test]
    fn frames_without_a_left_ventricle_have_no_pictures() {
        let labels = Array3::<u8>::zeros((2, 6, 6));
        let grey = Frame::zeros((2, 6, 6));
        let phase = Phase {
            name: "ed",
            frame: 0,
            grey: &grey,
            labels: &labels,
        };
        assert_eq!(key_slices(&[phase], &SPACING), Ok(Vec::new()));
        assert_eq!(key_slices(&[], &SPACING), Ok(Vec::new()));
    }
}
