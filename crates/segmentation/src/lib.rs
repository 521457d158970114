//! From intensities to tensors and from probabilities to labels: everything a network of one card needs before and after it.
//!
//! No inference, no file, no clock. The steps and their numbers stand in `weights/README.md` ("Before and after the network"), and
//! the Python there is the reference that the golden tests are made with.
//!
//! A [`Pipeline`] is made once for a card and a grid and used for every frame: where each pixel lies is worked out once, so that a
//! frame costs multiplications only. Arrays are flat slices in the order slices, rows, columns (columns fastest).
//!
//! ```
//! use cinecor_segmentation::{keep_largest, Evidence, FrameGrid};
//!
//! let grid = FrameGrid { slices: 1, rows: 1, columns: 6, row_mm: 1.4, column_mm: 1.4 };
//! let (mut labels, mut confidence) = ([3, 3, 0, 0, 3, 0], [255; 6]);
//! let mut evidence = Evidence::default();
//! keep_largest(&mut labels, &mut confidence, &grid, true, None, &mut evidence);
//! assert_eq!(labels, [3, 3, 0, 0, 0, 0]);
//! assert_eq!(evidence.left_ventricle.removed_voxels, 1);
//! ```

mod axis;
mod components;
mod evidence;
mod prepare;
mod region;
mod restore;

use axis::{Axis, Window, position, resampled_count};
use cinecor_model_card::{About, Card, Keep, Values};
use cinecor_volume::Label;
use evidence::Calibration;
use thiserror::Error;

pub use components::keep_largest;
pub use evidence::{Evidence, StructureEvidence};
pub use region::Region;

/// The grid of one frame, as far as the network's input depends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameGrid {
    /// Slices of the frame.
    pub slices: u32,
    /// Rows of a slice.
    pub rows: u32,
    /// Columns of a slice.
    pub columns: u32,
    /// Distance from row to row in mm.
    pub row_mm: f64,
    /// Distance from column to column in mm.
    pub column_mm: f64,
}

/// The most voxels that a frame may have: 64 slices of 512 × 512, what the service takes, four times over.
pub const MAX_VOXELS: u64 = 64 * 512 * 512 * 4;

impl FrameGrid {
    /// Voxels of the frame, or `None` beyond [`MAX_VOXELS`].
    fn voxels(&self) -> Option<usize> {
        let slice = u64::from(self.rows).checked_mul(u64::from(self.columns))?;
        let voxels = slice.checked_mul(u64::from(self.slices))?;
        (voxels <= MAX_VOXELS)
            .then(|| usize::try_from(voxels).ok())
            .flatten()
    }

    /// Voxels of one slice; does not overflow for a grid that [`Pipeline::new`] took.
    fn slice_voxels(&self) -> usize {
        self.rows as usize * self.columns as usize
    }
}

/// Why a frame is not segmented.
#[derive(Debug, Error, PartialEq)]
pub enum Error {
    /// The grid has no voxel, or too many.
    #[error(
        "the frame has {slices} slices of {rows} x {columns} voxels, expected at least one of each and at most {MAX_VOXELS} in all"
    )]
    Size {
        /// Slices that were found.
        slices: u32,
        /// Rows that were found.
        rows: u32,
        /// Columns that were found.
        columns: u32,
    },
    /// A spacing is not one.
    #[error("the {axis} spacing is {found_mm} mm, expected a finite positive number")]
    Spacing {
        /// `row` or `column`.
        axis: &'static str,
        /// What was found, in mm.
        found_mm: f64,
    },
    /// A buffer does not have the length that the grid or the canvas asks for.
    #[error("{what} holds {found} values, expected {expected}")]
    Length {
        /// Which buffer.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A grey value is NaN or infinite.
    #[error("the frame holds a value that is not finite: replace it before segmenting")]
    NotFinite,
    /// An output of the network is not a probability.
    #[error(
        "the network's output holds a value that is not finite, so that nothing can be decided from it"
    )]
    OutputNotFinite,
}

/// What a network of one card needs before and after it, on one grid.
#[derive(Debug)]
pub struct Pipeline {
    grid: FrameGrid,
    canvas_rows: u32,
    canvas_columns: u32,
    padding: f32,
    clip_sd: f64,
    neighbours: usize,
    region: Option<About>,
    values: Values,
    /// The label of each channel.
    labels: [Label; 4],
    keep: Keep,
    calibration: Calibration,
    /// From the grid's rows to those of the canvas inside `row_window`, and the columns likewise.
    forward_rows: Axis,
    forward_columns: Axis,
    row_window: Window,
    column_window: Window,
    /// From the canvas's rows to those of the grid that lie on it, which start at `seen_rows.start`; the columns likewise.
    back_rows: Axis,
    back_columns: Axis,
    seen_rows: std::ops::Range<usize>,
    seen_columns: std::ops::Range<usize>,
    /// Scratch of `prepare` and `restore`, kept so that frames allocate nothing.
    row: Vec<f32>,
    mixed: Vec<[f32; 4]>,
    softmax: Vec<f32>,
}

/// One axis in both directions.
struct BothWays {
    forward: Axis,
    window: Window,
    back: Axis,
    seen: std::ops::Range<usize>,
}

/// An axis of `count` pixels of `mm` onto a canvas of `canvas` pixels of `canvas_mm`, and back.
fn both_ways(count: u32, mm: f64, canvas: u32, canvas_mm: f64) -> BothWays {
    let resampled = resampled_count(count, mm, canvas_mm);
    let window = Window::centred(resampled, canvas);
    let inside = (0..window.take).map(|i| f64::from(window.first) + f64::from(i));
    let forward = Axis::at(
        inside.map(|i| position(i, resampled, count, canvas_mm, mm)),
        count,
    );
    let on_canvas = |j: u32| {
        position(f64::from(j), count, resampled, mm, canvas_mm) - f64::from(window.first)
            + f64::from(window.put)
    };
    // A pixel was seen when its centre lies on the canvas, whose outermost pixels reach half a pixel beyond their centres.
    let is_seen = |j: &u32| (-0.5..=f64::from(canvas) - 0.5).contains(&on_canvas(*j));
    let first = (0..count).find(is_seen).unwrap_or(count);
    let seen = (first..count).take_while(is_seen);
    let until = seen.clone().last().map_or(first, |last| last + 1);
    BothWays {
        forward,
        window,
        back: Axis::at(seen.map(on_canvas), canvas),
        seen: first as usize..until as usize,
    }
}

impl Pipeline {
    /// The pipeline of `card` for frames on `grid`.
    ///
    /// # Errors
    /// [`Error::Size`] and [`Error::Spacing`].
    pub fn new(card: &Card, grid: FrameGrid) -> Result<Pipeline, Error> {
        if grid.voxels().is_none_or(|voxels| voxels == 0) {
            return Err(Error::Size {
                slices: grid.slices,
                rows: grid.rows,
                columns: grid.columns,
            });
        }
        for (axis, found_mm) in [("row", grid.row_mm), ("column", grid.column_mm)] {
            if !(found_mm.is_finite() && found_mm > 0.0) {
                return Err(Error::Spacing { axis, found_mm });
            }
        }
        let rows = both_ways(grid.rows, grid.row_mm, card.canvas.rows, card.row_mm);
        let columns = both_ways(
            grid.columns,
            grid.column_mm,
            card.canvas.columns,
            card.column_mm,
        );
        Ok(Pipeline {
            grid,
            canvas_rows: card.canvas.rows,
            canvas_columns: card.canvas.columns,
            padding: card.canvas.padding,
            clip_sd: card.clip_sd,
            neighbours: card.neighbours as usize,
            region: card.region,
            values: card.values,
            labels: card.labels,
            keep: card.keep,
            calibration: Calibration::of(
                card.calibration
                    .as_ref()
                    .map_or(1.0, |known| known.temperature),
            ),
            forward_rows: rows.forward,
            forward_columns: columns.forward,
            row_window: rows.window,
            column_window: columns.window,
            back_rows: rows.back,
            back_columns: columns.back,
            seen_rows: rows.seen,
            seen_columns: columns.seen,
            row: Vec::new(),
            mixed: Vec::new(),
            softmax: Vec::new(),
        })
    }

    /// The grid that this pipeline is for.
    pub fn grid(&self) -> &FrameGrid {
        &self.grid
    }

    /// Channels of the network's input: a slice, and its neighbours on either side.
    pub fn channels(&self) -> usize {
        1 + 2 * self.neighbours
    }

    /// Values of one slice on the canvas.
    pub fn canvas_values(&self) -> usize {
        self.canvas_rows as usize * self.canvas_columns as usize
    }

    /// Values of the output tensor for so many slices in `region`.
    pub fn output_values(&self, slices: usize, region: &Region) -> usize {
        slices * region.values() * self.labels.len()
    }

    /// Cleans up a whole frame as the card says: what is removed becomes background of confidence 0 and leaves the `evidence`.
    ///
    /// # Errors
    /// [`Error::Length`] when a buffer is not one of this grid.
    pub fn clean_up(
        &self,
        labels: &mut [u8],
        confidence: &mut [u8],
        evidence: &mut Evidence,
    ) -> Result<(), Error> {
        let expected = self.grid.slice_voxels() * self.grid.slices as usize;
        length("the labels", labels.len(), expected)?;
        length("the confidence", confidence.len(), expected)?;
        if let Keep::Largest { corners, share } = self.keep {
            keep_largest(labels, confidence, &self.grid, corners, share, evidence);
        }
        Ok(())
    }
}

/// Refuses a buffer of another length than `expected`.
fn length(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Length {
            what,
            found,
            expected,
        })
    }
}
