//! Where in a slice the network looks. With a card that has a region, the two slices in the middle are looked at whole, and of the others what
//! lies about the heart that was found there: the rest of a picture is most of it, and costs as much.

use std::ops::Range;

use cinecor_model_card::Values;
use cinecor_volume::Label;

use crate::{Error, Pipeline, length};

/// A part of the canvas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Region {
    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    /// Pixels.
    pub fn values(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

impl Pipeline {
    /// The whole canvas.
    pub fn whole(&self) -> Region {
        Region {
            rows: 0..self.canvas_rows as usize,
            columns: 0..self.canvas_columns as usize,
        }
    }

    /// The slices that are looked at whole, before the others: the two in the middle, so that two threads have one each; none where all are
    /// looked at alike.
    pub fn first_look(&self) -> Range<usize> {
        let slices = self.grid.slices as usize;
        if self.region.is_some() && slices > 2 {
            slices / 2 - 1..slices / 2 + 1
        } else {
            0..0
        }
    }

    /// The region to look at in the other slices, by the network's outputs `[N, 4, rows, columns]` for those that were looked at whole; the
    /// whole canvas where no heart is found, and where the card has no region.
    ///
    /// # Errors
    /// [`Error::Length`] for outputs that are not of the whole canvas.
    pub fn region(&self, outputs: &[f32]) -> Result<Region, Error> {
        let whole = self.whole();
        let Some(about) = self.region else {
            return Ok(whole);
        };
        let (canvas_rows, canvas_columns) = whole.size();
        let (mut rows, mut columns) = (None, None);
        for output in outputs.chunks(self.output_values(1, &whole)) {
            let hearts = self.hearts(output, &whole)?;
            for (row, hearts) in hearts.chunks_exact(canvas_columns).enumerate() {
                let Some(first) = hearts.iter().position(|heart| *heart) else {
                    continue;
                };
                let last = hearts.iter().rposition(|heart| *heart).unwrap_or(first);
                let (top, bottom) = rows.unwrap_or((row, row));
                rows = Some((row.min(top), row.max(bottom)));
                let (left, right) = columns.unwrap_or((first, last));
                columns = Some((first.min(left), last.max(right)));
            }
        }
        let (Some((top, bottom)), Some((left, right))) = (rows, columns) else {
            return Ok(whole);
        };
        let (margin, step) = (about.margin as usize, about.step as usize);
        let wanted = (bottom - top).max(right - left) + 1 + 2 * margin;
        let side = wanted.next_multiple_of(step);
        Ok(Region {
            rows: part(top, bottom, side, canvas_rows),
            columns: part(left, right, side, canvas_columns),
        })
    }

    /// Whether the heart in an output `[4, rows, columns]` of `region` comes so near to an edge of the region that more of it may lie beyond:
    /// nearer than a quarter of the card's margin, rounded down. The canvas's own edges do not count.
    ///
    /// # Errors
    /// [`Error::Length`] for an output of another size.
    pub fn leaves(&self, output: &[f32], region: &Region) -> Result<bool, Error> {
        if *region == self.whole() {
            return Ok(false);
        }
        let hearts = self.hearts(output, region)?;
        let near = self.region.map_or(0, |about| about.margin as usize / 4);
        let (rows, columns) = region.size();
        let in_rows = |row: usize| {
            (region.rows.start > 0 && row < near)
                || (region.rows.end < self.canvas_rows as usize && row + near >= rows)
        };
        let in_columns = |column: usize| {
            (region.columns.start > 0 && column < near)
                || (region.columns.end < self.canvas_columns as usize && column + near >= columns)
        };
        let mut pixels = hearts.iter().enumerate().filter(|(_, heart)| **heart);
        Ok(pixels.any(|(at, _)| in_rows(at / columns) || in_columns(at % columns)))
    }

    /// An output `[4, rows, columns]` of `region` on the whole canvas, in `scratch` unless the region is the whole canvas. What lies beyond the region
    /// is background, with certainty: that no heart is there is what the slices say that were looked at whole.
    ///
    /// # Errors
    /// [`Error::Length`] for an output of another size.
    pub fn on_canvas<'a>(
        &self,
        output: &'a [f32],
        region: &Region,
        scratch: &'a mut Vec<f32>,
    ) -> Result<&'a [f32], Error> {
        let expected = region.values() * self.labels.len();
        length("the network's output", output.len(), expected)?;
        if *region == self.whole() {
            return Ok(output);
        }
        // A softmax over logits that are so far apart gives the same numbers.
        let (background, others) = match self.values {
            Values::Probabilities => (1.0, 0.0),
            Values::Logits => (0.0, -1000.0),
        };
        scratch.clear();
        for (channel, label) in output.chunks_exact(region.values()).zip(self.labels) {
            let start = scratch.len();
            let beyond = if label == Label::Background {
                background
            } else {
                others
            };
            scratch.resize(start + self.canvas_values(), beyond);
            let rows = scratch[start..]
                .chunks_exact_mut(self.canvas_columns as usize)
                .skip(region.rows.start);
            for (there, here) in rows.zip(channel.chunks_exact(region.columns.len())) {
                if let Some(there) = there.get_mut(region.columns.clone()) {
                    there.copy_from_slice(here);
                }
            }
        }
        Ok(scratch)
    }

    /// Appends what the network sees of a canvas in `region`.
    pub(crate) fn see(&self, canvas: &[f32], region: &Region, seen: &mut Vec<f32>) {
        let rows = canvas.chunks_exact(self.canvas_columns as usize);
        let rows = rows.skip(region.rows.start).take(region.rows.len());
        for row in rows.filter_map(|row| row.get(region.columns.clone())) {
            seen.extend_from_slice(row);
        }
    }

    /// Where in an output of `region` something is more probable than background.
    fn hearts(&self, output: &[f32], region: &Region) -> Result<Vec<bool>, Error> {
        let values = region.values();
        length(
            "the network's output",
            output.len(),
            values * self.labels.len(),
        )?;
        let is_background = |label: &Label| *label == Label::Background;
        let background = self.labels.iter().position(is_background).unwrap_or(0);
        let background = output
            .get(background * values..)
            .and_then(|rest| rest.get(..values))
            .unwrap_or_default();
        let mut hearts = vec![false; values];
        for channel in output.chunks_exact(values) {
            for ((heart, value), background) in hearts.iter_mut().zip(channel).zip(background) {
                *heart |= value > background;
            }
        }
        Ok(hearts)
    }
}

/// `side` of `size` pixels with the middle of `first..=last` in their middle, as far as that is possible.
fn part(first: usize, last: usize, side: usize, size: usize) -> Range<usize> {
    let side = side.min(size);
    let start = usize::midpoint(first, last + 1).saturating_sub(side / 2);
    let start = start.min(size - side);
    start..start + side
}
