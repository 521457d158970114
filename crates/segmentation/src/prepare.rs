//! Before the network: resample in the plane, crop, normalise over the frame, pad.

use crate::{Error, Pipeline, Region, length};

impl Pipeline {
    /// One frame `[Z, Y, X]` of grey values on the network's grid, `[Z, rows, columns]`, which replaces what `tensor` holds.
    ///
    /// # Errors
    /// [`Error::Length`] when `intensities` is not of this grid, [`Error::NotFinite`] when one of them is NaN or infinite.
    pub fn prepare(&mut self, intensities: &[f32], tensor: &mut Vec<f32>) -> Result<(), Error> {
        let slice_voxels = self.grid.slice_voxels();
        length(
            "the frame",
            intensities.len(),
            slice_voxels * self.grid.slices as usize,
        )?;
        let canvas_columns = self.canvas_columns as usize;
        let canvas_voxels = self.canvas_values();
        tensor.clear();
        tensor.resize(canvas_voxels * self.grid.slices as usize, self.padding);

        let (rows, columns) = (self.row_window, self.column_window);
        let inside = |slice: &mut [f32], visit: &mut dyn FnMut(usize, &mut [f32])| {
            let put = columns.put as usize..(columns.put + columns.take) as usize;
            let put_rows = slice
                .chunks_exact_mut(canvas_columns)
                .skip(rows.put as usize)
                .take(rows.take as usize);
            for (index, row) in put_rows.enumerate() {
                if let Some(row) = row.get_mut(put.clone()) {
                    visit(index, row);
                }
            }
        };

        let mut sum = 0.0;
        for (slice, canvas) in intensities
            .chunks_exact(slice_voxels)
            .zip(tensor.chunks_exact_mut(canvas_voxels))
        {
            inside(canvas, &mut |index, row| {
                resample_row(
                    slice,
                    self.grid.columns as usize,
                    &self.forward_rows,
                    &self.forward_columns,
                    index,
                    &mut self.row,
                    row,
                );
                sum += row.iter().map(|&value| f64::from(value)).sum::<f64>();
            });
        }
        let count = f64::from(rows.take) * f64::from(columns.take) * f64::from(self.grid.slices);
        let mean = sum / count;
        let mut squares = 0.0;
        for canvas in tensor.chunks_exact_mut(canvas_voxels) {
            inside(canvas, &mut |_, row| {
                squares += row
                    .iter()
                    .map(|&value| (f64::from(value) - mean) * (f64::from(value) - mean))
                    .sum::<f64>();
            });
        }
        let deviation = (squares / count).sqrt();
        // The frame outside the canvas is not looked at, here or anywhere: a value there cannot do harm.
        if !deviation.is_finite() {
            return Err(Error::NotFinite);
        }
        for canvas in tensor.chunks_exact_mut(canvas_voxels) {
            inside(canvas, &mut |_, row| {
                if deviation > 0.0 {
                    for value in row {
                        *value = ((f64::from(*value) - mean) / deviation)
                            .clamp(-self.clip_sd, self.clip_sd)
                            as f32;
                    }
                } else {
                    row.fill(0.0);
                }
            });
        }
        Ok(())
    }

    /// The network's input `[slices, channels, rows, columns]` for some slices of the frame that [`Pipeline::prepare`] put into `canvases`, as far
    /// as they lie in `region`: each between its neighbours in the order of the stack, the outermost slice repeated where there is none.
    /// It replaces what `batch` holds.
    ///
    /// # Errors
    /// [`Error::Length`] when `canvases` is not of this grid or a slice lies beyond it.
    pub fn batch(
        &self,
        canvases: &[f32],
        slices: &[usize],
        region: &Region,
        batch: &mut Vec<f32>,
    ) -> Result<(), Error> {
        let values = self.canvas_values();
        let count = self.grid.slices as usize;
        length("the canvases", canvases.len(), values * count)?;
        batch.clear();
        for &slice in slices {
            if slice >= count {
                length("the batch", slice + 1, count)?;
            }
            for channel in 0..self.channels() {
                let seen = (slice + channel)
                    .saturating_sub(self.neighbours)
                    .min(count - 1);
                self.see(&canvases[seen * values..(seen + 1) * values], region, batch);
            }
        }
        Ok(())
    }
}

/// One row of the canvas: between two rows of the slice, then between neighbouring columns, in the reference's order.
fn resample_row(
    slice: &[f32],
    slice_columns: usize,
    rows: &crate::Axis,
    columns: &crate::Axis,
    index: usize,
    scratch: &mut Vec<f32>,
    out: &mut [f32],
) {
    let (Some(&low), Some(&high), Some(&weight)) = (
        rows.low.get(index),
        rows.high.get(index),
        rows.weight.get(index),
    ) else {
        return;
    };
    let used = columns.used();
    let part = |row: u32| {
        let start = row as usize * slice_columns;
        slice
            .get(start + used.start..start + used.end)
            .unwrap_or_default()
    };
    scratch.clear();
    let rest = 1.0 - weight;
    scratch.extend(
        part(low)
            .iter()
            .zip(part(high))
            .map(|(&a, &b)| a * rest + b * weight),
    );
    let places = columns.low.iter().zip(&columns.high).zip(&columns.weight);
    for (out, ((&low, &high), &weight)) in out.iter_mut().zip(places) {
        let (low, high) = (low as usize - used.start, high as usize - used.start);
        *out = scratch[low] * (1.0 - weight) + scratch[high] * weight;
    }
}
