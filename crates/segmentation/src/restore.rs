//! After the network: probabilities back on the frame's grid, and what is most probable there. The clean-up is in `components`.

use cinecor_model_card::Values;
use cinecor_volume::Label;

use crate::evidence::{Evidence, Sums};
use crate::{Error, Pipeline, length};

impl Pipeline {
    /// One slice of the network's output `[4, rows, columns]` as label codes and confidence (0 none, 255 certain) on the grid
    /// `[Y, X]`, and what its probabilities say is added to `evidence`. A pixel that the canvas does not cover is background of
    /// confidence 0.
    ///
    /// # Errors
    /// [`Error::Length`] when a buffer has another size, [`Error::OutputNotFinite`] when the output holds NaN or infinity.
    pub fn restore(
        &mut self,
        output: &[f32],
        labels: &mut [u8],
        confidence: &mut [u8],
        evidence: &mut Evidence,
    ) -> Result<(), Error> {
        length(
            "the network's output",
            output.len(),
            self.output_values(1, &self.whole()),
        )?;
        length("the labels", labels.len(), self.grid.slice_voxels())?;
        length("the confidence", confidence.len(), self.grid.slice_voxels())?;
        // Multiplied by zero everything finite is zero; a NaN or an infinity leaves NaN. The sums run side by side.
        let mut lanes = [0.0_f32; 8];
        for chunk in output.chunks_exact(8) {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value * 0.0;
            }
        }
        let rest: f32 = output
            .chunks_exact(8)
            .remainder()
            .iter()
            .map(|value| value * 0.0)
            .sum();
        if lanes.iter().sum::<f32>() + rest != 0.0 {
            return Err(Error::OutputNotFinite);
        }
        labels.fill(Label::Background.code());
        confidence.fill(0);

        let mut softmax = std::mem::take(&mut self.softmax);
        let probabilities = match self.values {
            Values::Probabilities => output,
            Values::Logits => {
                probabilities_of(output, self.canvas_values(), &mut softmax);
                &softmax
            }
        };
        self.decide(probabilities, labels, confidence, evidence);
        self.softmax = softmax;
        Ok(())
    }

    /// The rows of the grid that the canvas covers, one after the other.
    fn decide(
        &mut self,
        probabilities: &[f32],
        labels: &mut [u8],
        confidence: &mut [u8],
        evidence: &mut Evidence,
    ) {
        let calibration = self.calibration;
        let certain = calibration.sure;
        let columns = self.canvas_columns as usize;
        let mut channels = [&[][..]; 4];
        for (channel, label) in probabilities
            .chunks_exact(self.canvas_values())
            .zip(self.labels)
        {
            if let Some(slot) = channels.get_mut(usize::from(label.code())) {
                *slot = channel;
            }
        }
        let row_of = |channel: &'_ [f32], row: u32| -> std::ops::Range<usize> {
            let start = row as usize * columns;
            start..(start + columns).min(channel.len())
        };
        let background = channels[0];
        // The stretch of each canvas row outside of which background is certain.
        let stretches: Vec<Option<(u32, u32)>> = background
            .chunks_exact(columns)
            .map(|row| uncertain(row, certain))
            .collect();
        let stretch = |row: u32| stretches.get(row as usize).copied().flatten();

        let width = self.grid.columns as usize;
        let grid_rows = labels
            .chunks_exact_mut(width)
            .zip(confidence.chunks_exact_mut(width))
            .skip(self.seen_rows.start);
        let places = self
            .back_rows
            .low
            .iter()
            .zip(&self.back_rows.high)
            .zip(&self.back_rows.weight);
        for ((label_row, confidence_row), ((&low, &high), &weight)) in grid_rows.zip(places) {
            let (Some(label_row), Some(confidence_row)) = (
                label_row.get_mut(self.seen_columns.clone()),
                confidence_row.get_mut(self.seen_columns.clone()),
            ) else {
                continue;
            };
            confidence_row.fill(u8::MAX);
            let (first, last) = match (stretch(low), stretch(high)) {
                (Some(one), Some(other)) => (one.0.min(other.0), one.1.max(other.1)),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => continue,
            };
            let outputs = self.back_columns.touching(first, last);
            let (Some(from), Some(until)) = (
                self.back_columns.low.get(outputs.start).copied(),
                outputs
                    .end
                    .checked_sub(1)
                    .and_then(|index| self.back_columns.high.get(index))
                    .copied(),
            ) else {
                continue;
            };
            let used = from as usize..until as usize + 1;

            // Between the two canvas rows, the four labels side by side, as one SIMD register holds them.
            self.mixed.clear();
            self.mixed.resize(used.len(), [0.0; 4]);
            let rest = 1.0 - weight;
            for (lane, channel) in channels.iter().enumerate() {
                let part = |row: u32| {
                    channel
                        .get(row_of(channel, row))
                        .and_then(|row| row.get(used.clone()))
                        .unwrap_or_default()
                };
                for ((mixed, &a), &b) in self.mixed.iter_mut().zip(part(low)).zip(part(high)) {
                    mixed[lane] = a * rest + b * weight;
                }
            }

            let (Some(label_row), Some(confidence_row)) = (
                label_row.get_mut(outputs.clone()),
                confidence_row.get_mut(outputs.clone()),
            ) else {
                continue;
            };
            let mut row = Sums::default();
            for ((index, label), confidence) in outputs.zip(label_row).zip(confidence_row) {
                let (low, high) = (
                    self.back_columns.low[index] as usize - used.start,
                    self.back_columns.high[index] as usize - used.start,
                );
                let (a, b) = (&self.mixed[low], &self.mixed[high]);
                if a[0] >= certain && b[0] >= certain {
                    continue;
                }
                let weight = self.back_columns.weight[index];
                let rest = 1.0 - weight;
                let mut p = [0.0_f32; 4];
                for (p, (&a, &b)) in p.iter_mut().zip(a.iter().zip(b)) {
                    *p = a * rest + b * weight;
                }
                let mut best = p[0];
                // A strict comparison gives the lower label on a tie.
                for code in 1..4_u8 {
                    if p[usize::from(code)] > best {
                        best = p[usize::from(code)];
                        *label = code;
                    }
                }
                if p[0] >= certain {
                    continue;
                }
                calibration.apply(&mut p, best);
                row.add(&p, *label);
                // The cast saturates, so that a network whose channels do not sum to one cannot wrap.
                *confidence = (p[usize::from(*label)] * 255.0 + 0.5) as u8;
            }
            row.end(evidence);
        }
    }
}

/// First and last column of a row of background probabilities where background is not certain.
fn uncertain(row: &[f32], certain: f32) -> Option<(u32, u32)> {
    // Whole rows without heart are the rule: they are passed over eight pixels at a time.
    let doubtful = |chunk: &[f32]| chunk.iter().fold(false, |found, &p| found | (p < certain));
    let first_chunk = row.chunks(8).position(doubtful)?;
    let start = first_chunk * 8;
    let first = start + row.get(start..)?.iter().position(|&p| p < certain)?;
    let last = row.iter().rposition(|&p| p < certain)?;
    Some((u32::try_from(first).ok()?, u32::try_from(last).ok()?))
}

/// Softmax over the four channels of `logits` (`[4, pixels]`) into `out`.
fn probabilities_of(logits: &[f32], pixels: usize, out: &mut Vec<f32>) {
    out.clear();
    out.extend_from_slice(logits);
    for pixel in 0..pixels {
        let at = |channel: usize| channel * pixels + pixel;
        let largest = (0..4).map(|c| out[at(c)]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for c in 0..4 {
            let value = (out[at(c)] - largest).exp();
            out[at(c)] = value;
            sum += value;
        }
        for c in 0..4 {
            out[at(c)] /= sum;
        }
    }
}
