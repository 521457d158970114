//! Means, errors and their bootstrap intervals over patients. Seeded: the same figures give the same intervals.

use serde_json::{Value, json};

/// Resamples of the patients.
const RESAMPLES: usize = 2000;

/// A figure with its 95 % interval; NaN throughout where there was nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(crate) mean: f64,
    low: f64,
    high: f64,
}

impl Mean {
    /// The mean of the values.
    pub(crate) fn of(values: &[f64]) -> Self {
        Self::by(values, mean)
    }

    fn by(values: &[f64], figure: fn(&[f64]) -> f64) -> Self {
        let mut random = SplitMix(1);
        let mut figures: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let sample: Vec<f64> = values
                    .iter()
                    .filter_map(|_| values.get(random.below(values.len())).copied())
                    .collect();
                figure(&sample)
            })
            .collect();
        figures.sort_by(f64::total_cmp);
        let rank = |part: f64| {
            figures
                .get((part * (RESAMPLES - 1) as f64).round() as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        Self {
            mean: figure(values),
            low: rank(0.025),
            high: rank(0.975),
        }
    }

    /// `.965 [.951, .977]`, with so many decimals.
    pub(crate) fn text(&self, decimals: usize) -> String {
        format!(
            "{:.decimals$} [{:.decimals$}, {:.decimals$}]",
            self.mean, self.low, self.high
        )
    }

    /// `{mean, low, high}`.
    pub(crate) fn json(&self) -> Value {
        json!({"mean": self.mean, "low": self.low, "high": self.high})
    }
}

/// Errors of paired values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    /// Mean of found − reference.
    pub(crate) bias: Mean,
    /// Standard deviation of found − reference, n − 1.
    pub(crate) sd: Mean,
    /// Pearson's correlation.
    pub(crate) r: f64,
}

impl Errors {
    /// Of pairs (reference, found).
    pub(crate) fn of(pairs: &[(f64, f64)]) -> Self {
        let differences: Vec<f64> = pairs
            .iter()
            .map(|(reference, found)| found - reference)
            .collect();
        let reference: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let found: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        let (reference_mean, found_mean) = (mean(&reference), mean(&found));
        let together: f64 = pairs
            .iter()
            .map(|(r, f)| (r - reference_mean) * (f - found_mean))
            .sum();
        let spread = |values: &[f64], middle: f64| {
            values
                .iter()
                .map(|value| (value - middle).powi(2))
                .sum::<f64>()
        };
        let r = together / (spread(&reference, reference_mean) * spread(&found, found_mean)).sqrt();
        Self {
            bias: Mean::of(&differences),
            sd: Mean::by(&differences, deviation),
            r,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let middle = mean(values);
    (values
        .iter()
        .map(|value| (value - middle).powi(2))
        .sum::<f64>()
        / (values.len() as f64 - 1.0))
        .sqrt()
}

/// Repeatable random numbers.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The remainder's unevenness is below 1e-15 for the few patients of a set.
        usize::try_from((mixed ^ (mixed >> 31)) % (count as u64).max(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_case_worked_by_hand() {
        // Differences 1, -1, 3: mean 1, deviations 0, -2, 2, so SD = sqrt(8 / 2) = 2.
        let errors = Errors::of(&[(10.0, 11.0), (20.0, 19.0), (30.0, 33.0)]);
        assert!((errors.bias.mean - 1.0).abs() < 1e-12 && (errors.sd.mean - 2.0).abs() < 1e-12);
        // Deviations of the references -10, 0, 10; of the found -10, -2, 12: r = 220 / sqrt(200 · 248).
        assert!((errors.r - 220.0 / (200.0_f64 * 248.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn interval_holds_the_mean_and_narrows_with_more_patients() {
        let few: Vec<f64> = (0..10).map(f64::from).collect();
        let many: Vec<f64> = (0..1000).map(|index| f64::from(index % 10)).collect();
        let (few, many) = (Mean::of(&few), Mean::of(&many));
        assert!(few.low < few.mean && few.mean < few.high);
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
    }

    #[test]
    fn equal_values_have_no_interval() {
        let figure = Mean::of(&[0.5; 7]);
        assert_eq!((figure.mean, figure.low, figure.high), (0.5, 0.5, 0.5));
    }
}
