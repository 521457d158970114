//! Means, errors, ranks and their bootstrap intervals over patients. Seeded: the same figures give the same intervals.
//!
//! An interval is a percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): whole patients
//! are drawn with replacement, so that what belongs to one patient stays together.

use serde_json::{Value, json};

use crate::random::SplitMix;

/// Resamples of the patients.
pub(crate) const RESAMPLES: usize = 2000;

/// Standard deviations on either side of the bias within which 95 % of normal differences lie (Bland and Altman, Lancet 1986;i:307).
const LIMITS_OF_AGREEMENT_SD: f64 = 1.96;

/// A figure with its 95 % interval; NaN throughout where there was nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Figure {
    /// The mean of the values, one a patient.
    pub(crate) fn mean(values: &[f64]) -> Self {
        Self::of(values, mean)
    }

    /// Any figure of the patients. Resamples of which the figure is no number, such as a correlation of one patient drawn over and over,
    /// do not count.
    pub(crate) fn of<T: Copy>(patients: &[T], figure: impl Fn(&[T]) -> f64) -> Self {
        let mut random = SplitMix::new(1);
        let mut figures: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let sample: Vec<T> = patients
                    .iter()
                    .filter_map(|_| patients.get(random.below(patients.len())).copied())
                    .collect();
                figure(&sample)
            })
            .filter(|figure| figure.is_finite())
            .collect();
        figures.sort_by(f64::total_cmp);
        let rank = |part: f64| {
            let last = figures.len().saturating_sub(1) as f64;
            // A part of a length is an index.
            figures
                .get((part * last).round() as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        Self {
            value: figure(patients),
            low: rank(0.025),
            high: rank(0.975),
        }
    }

    /// `.965 [.951, .977]`, with so many decimals; a dash where there was nothing.
    pub(crate) fn text(&self, decimals: usize) -> String {
        if !self.value.is_finite() {
            return "–".to_owned();
        }
        let value = |value: f64| number(value, decimals);
        if self.low.is_finite() {
            format!(
                "{} [{}, {}]",
                value(self.value),
                value(self.low),
                value(self.high)
            )
        } else {
            value(self.value)
        }
    }

    /// `{value, low, high}` with the value under this name.
    pub(crate) fn json(&self, name: &str) -> Value {
        json!({name: self.value, "low": self.low, "high": self.high})
    }
}

/// A number with so many decimals and a minus that is one; nought has no sign.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().any(|digit| ('1'..='9').contains(&digit)) => format!("−{rest}"),
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Errors of paired values, found − reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    /// Their mean.
    pub(crate) bias: Figure,
    /// Their standard deviation, n − 1.
    pub(crate) sd: Figure,
    /// Pearson's correlation of the two.
    pub(crate) r: Figure,
    /// The lower limit of agreement: bias − 1.96 SD.
    pub(crate) lower: Figure,
    /// The upper one.
    pub(crate) upper: Figure,
}

/// (reference, found) of one patient.
pub(crate) type Pair = (f64, f64);

impl Errors {
    /// Of one pair a patient.
    pub(crate) fn of(pairs: &[Pair]) -> Self {
        let limit = |side: f64| {
            Figure::of(pairs, move |pairs| {
                let differences = differences(pairs);
                mean(&differences) + side * LIMITS_OF_AGREEMENT_SD * deviation(&differences)
            })
        };
        Self {
            bias: Figure::of(pairs, |pairs| mean(&differences(pairs))),
            sd: Figure::of(pairs, |pairs| deviation(&differences(pairs))),
            r: Figure::of(pairs, correlation),
            lower: limit(-1.0),
            upper: limit(1.0),
        }
    }
}

fn differences(pairs: &[Pair]) -> Vec<f64> {
    pairs
        .iter()
        .map(|(reference, found)| found - reference)
        .collect()
}

/// The mean; NaN of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation over n − 1; NaN of fewer than two.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// Pearson's correlation; NaN where one side does not vary.
pub(crate) fn correlation(pairs: &[Pair]) -> f64 {
    let first: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let second: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let (first_mean, second_mean) = (mean(&first), mean(&second));
    let together: f64 = pairs
        .iter()
        .map(|(a, b)| (a - first_mean) * (b - second_mean))
        .sum();
    let spread = |values: &[f64], middle: f64| {
        values
            .iter()
            .map(|value| (value - middle).powi(2))
            .sum::<f64>()
    };
    together / (spread(&first, first_mean) * spread(&second, second_mean)).sqrt()
}

/// Spearman's rank correlation, equal values sharing their mean rank.
pub(crate) fn rank_correlation(pairs: &[Pair]) -> f64 {
    let first: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let second: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let ranked: Vec<Pair> = ranks(&first).into_iter().zip(ranks(&second)).collect();
    correlation(&ranked)
}

/// Ranks from 1, equal values sharing their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .map(|value| {
            let below = values.iter().filter(|other| *other < value).count() as f64;
            let equal = values.iter().filter(|other| *other == value).count() as f64;
            below + (equal + 1.0) / 2.0
        })
        .collect()
}

/// How well a score that should be low on bad cases tells bad from good: the chance that a bad one scores below a good one, ties
/// counting half (the area under the ROC curve; Hanley and McNeil, Radiology 1982;143:29). Cases are (score, is bad). NaN where all
/// are good or all are bad.
pub(crate) fn auroc(cases: &[(f64, bool)]) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for (bad, _) in cases.iter().filter(|case| case.1) {
        for (good, _) in cases.iter().filter(|case| !case.1) {
            all += 1.0;
            if bad < good {
                right += 1.0;
            } else if bad == good {
                right += 0.5;
            }
        }
    }
    right / all
}

/// A quantile of values, linear between ranks, as NumPy's default; NaN of nothing.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    // A part of a length is an index.
    let before = place.floor() as usize;
    let at = |index: usize| sorted.get(index.min(last)).copied().unwrap_or(f64::NAN);
    at(before) + (at(before + 1) - at(before)) * (place - before as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() <= tolerance,
            "found {found}, expected {expected} ± {tolerance}"
        );
    }

    #[test]
    fn errors_of_a_case_worked_by_hand() {
        // Differences 1, -1, 3: mean 1, deviations 0, -2, 2, so SD = sqrt(8 / 2) = 2.
        let errors = Errors::of(&[(10.0, 11.0), (20.0, 19.0), (30.0, 33.0)]);
        close(errors.bias.value, 1.0, 1e-12);
        close(errors.sd.value, 2.0, 1e-12);
        // Limits of agreement: 1 ± 1.96 · 2.
        close(errors.lower.value, -2.92, 1e-12);
        close(errors.upper.value, 4.92, 1e-12);
        // Deviations of the references -10, 0, 10; of the found -10, -2, 12: r = 220 / sqrt(200 · 248).
        close(errors.r.value, 220.0 / (200.0_f64 * 248.0).sqrt(), 1e-12);
    }

    #[test]
    fn interval_of_two_patients_worked_by_hand() {
        // Resamples of 0 and 1 have the mean 0 or 1 with a chance of a quarter each: the 2.5 % and 97.5 % ranks are 0 and 1.
        let figure = Figure::mean(&[0.0, 1.0]);
        assert_eq!((figure.value, figure.low, figure.high), (0.5, 0.0, 1.0));
    }

    #[test]
    fn interval_holds_the_mean_and_narrows_with_more_patients() {
        let few: Vec<f64> = (0..10).map(f64::from).collect();
        let many: Vec<f64> = (0..1000).map(|index| f64::from(index % 10)).collect();
        let (few, many) = (Figure::mean(&few), Figure::mean(&many));
        assert!(few.low < few.value && few.value < few.high);
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
    }

    #[test]
    fn equal_values_have_no_interval() {
        let figure = Figure::mean(&[0.5; 7]);
        assert_eq!((figure.value, figure.low, figure.high), (0.5, 0.5, 0.5));
    }

    #[test]
    fn one_patient_has_no_deviation_and_nothing_has_no_figure() {
        assert_eq!(Errors::of(&[(1.0, 2.0)]).sd.text(2), "–");
        assert_eq!(Errors::of(&[(1.0, 2.0)]).bias.text(1), "1.0 [1.0, 1.0]");
        assert_eq!(Figure::mean(&[]).text(3), "–");
    }

    #[test]
    fn errors_scale_with_their_unit_and_correlation_does_not() {
        let pairs = [(10.0, 12.0), (20.0, 17.0), (35.0, 36.0), (50.0, 54.0)];
        let twice = pairs.map(|(reference, found)| (2.0 * reference, 2.0 * found));
        let (once, twice) = (Errors::of(&pairs), Errors::of(&twice));
        close(twice.bias.value, 2.0 * once.bias.value, 1e-12);
        close(twice.bias.low, 2.0 * once.bias.low, 1e-12);
        close(twice.sd.high, 2.0 * once.sd.high, 1e-12);
        close(twice.r.value, once.r.value, 1e-12);
    }

    #[test]
    fn area_under_the_curve_of_a_case_worked_by_hand() {
        // Bad .2 and .5 against good .4, .5, .9: .2 is below all three, .5 below one and equal to one: (3 + 1.5) / 6.
        let cases = [
            (0.2, true),
            (0.5, true),
            (0.4, false),
            (0.5, false),
            (0.9, false),
        ];
        close(auroc(&cases), 0.75, 1e-12);
        assert!(auroc(&cases[2..]).is_nan());
    }

    #[test]
    fn a_minus_is_a_minus_and_nought_has_none() {
        assert_eq!(number(-1.25, 1), "−1.2");
        assert_eq!(number(-0.04, 1), "0.0");
        assert_eq!(number(0.5, 0), "0");
    }

    /// Numbers that `golden/make_golden.py` makes with NumPy and SciPy, independently of this module.
    #[test]
    fn figures_equal_numpy_and_scipy() {
        let golden: Value = serde_json::from_str(include_str!("golden/statistics.json")).unwrap();
        let list = |name: &str| -> Vec<f64> {
            let values = golden[name].as_array().unwrap();
            values.iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let expected = |name: &str| golden[name].as_f64().unwrap();
        let pairs: Vec<Pair> = list("reference").into_iter().zip(list("found")).collect();
        let errors = Errors::of(&pairs);
        for (found, name) in [
            (errors.bias.value, "bias"),
            (errors.sd.value, "sd"),
            (errors.r.value, "r"),
            (errors.lower.value, "lower"),
            (errors.upper.value, "upper"),
            (rank_correlation(&pairs), "spearman"),
            (quantile(&list("found"), 0.25), "first_quartile"),
            (quantile(&list("found"), 0.5), "median"),
            (quantile(&list("found"), 0.9), "ninth_decile"),
        ] {
            close(found, expected(name), 1e-9);
        }
        let scored: Vec<(f64, bool)> = list("score")
            .into_iter()
            .zip(list("bad"))
            .map(|(score, bad)| (score, bad > 0.5))
            .collect();
        close(auroc(&scored), expected("auroc"), 1e-12);
        // SciPy's own 100,000 resamples. The end of an interval of 2,000 scatters by 2 to 5 % of the interval's width.
        for (figure, name) in [(errors.bias, "bias"), (errors.sd, "sd"), (errors.r, "r")] {
            let (low, high) = (
                expected(&format!("{name}_low")),
                expected(&format!("{name}_high")),
            );
            close(figure.low, low, 0.1 * (high - low));
            close(figure.high, high, 0.1 * (high - low));
        }
    }
}
