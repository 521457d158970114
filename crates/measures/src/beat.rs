//! The volume curve smoothed, and how fast the ventricles empty and fill. The raw curve stays beside it; volumes are those of the raw one.
//!
//! The smoother is that of Savitzky and Golay (Anal Chem 1964;36:1627): at each frame the parabola that fits the five frames around it
//! best. Unlike a sum of harmonics it does not ring at the sharp end of diastole, it needs no closed beat, and a rate is the slope of the
//! same parabola. It takes away half of the variance of noise from frame to frame and keeps the fifth harmonic of a beat of thirty frames
//! to nine tenths. Where the last frame is followed by the first, the five frames go around; else the first and last parabola hold to the
//! end.

use crate::metrics::PhasePair;

/// Name of the smoother.
pub const SMOOTHER: &str = "savitzky_golay_5_frames_degree_2";

/// Frames to either side of the one that is smoothed.
const HALF: usize = 2;
/// Frames of a parabola.
const WINDOW: usize = 2 * HALF + 1;

/// The smoothed curves. Empty where a frame between is missing or does not show the structure, and where there are fewer than five frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beat {
    /// Cavity of the left ventricle.
    pub left_ventricle: SmoothCurve,
    /// Cavity of the right ventricle.
    pub right_ventricle: SmoothCurve,
    /// Wall of the left ventricle; it neither ejects nor fills.
    pub myocardium_ml: Option<Vec<f64>>,
}

/// One ventricle's smoothed curve and its steepest places. Rates need the time between frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SmoothCurve {
    /// Volume at each frame of the curve, ml.
    pub ml: Option<Vec<f64>>,
    /// The steepest fall from end-diastole to end-systole, ml/s, positive.
    pub peak_ejection_ml_per_s: Option<f64>,
    /// From end-diastole to that frame, ms.
    pub time_to_peak_ejection_ms: Option<f64>,
    /// The steepest rise from end-systole to the next end-diastole, ml/s, positive.
    pub peak_filling_ml_per_s: Option<f64>,
    /// From end-systole to that frame, ms.
    pub time_to_peak_filling_ms: Option<f64>,
}

/// The value of the best parabola through five values, `at` frames from the middle one, and its slope there per frame.
fn parabola(values: [f64; WINDOW], at: f64) -> (f64, f64) {
    // Least squares on -2..=2: the sums of squares are 10 and of fourth powers 34.
    let mut sums = [0.0; 3];
    for (value, x) in values.into_iter().zip([-2.0, -1.0, 0.0, 1.0, 2.0]) {
        sums[0] += value;
        sums[1] += value * x;
        sums[2] += value * x * x;
    }
    let [sum, by_x, by_x2] = sums;
    let slope = by_x / 10.0;
    let bend = (by_x2 - 2.0 * sum) / 14.0;
    let middle = sum / 5.0 - 2.0 * bend;
    (middle + at * (slope + at * bend), slope + 2.0 * at * bend)
}

/// Every frame's smoothed volume and its slope per frame.
fn smooth(raw_ml: &[f64], closes: bool) -> Option<Vec<(f64, f64)>> {
    let count = raw_ml.len();
    let last_middle = count.checked_sub(WINDOW)? + HALF;
    (0..count)
        .map(|frame| {
            let middle = if closes {
                frame
            } else {
                frame.clamp(HALF, last_middle)
            };
            let mut window = [0.0; WINDOW];
            for (offset, value) in window.iter_mut().enumerate() {
                *value = *raw_ml.get((middle + count + offset - HALF) % count)?;
            }
            Some(parabola(window, frame as f64 - middle as f64))
        })
        .collect()
}

/// Smooths one ventricle's curve. `frames` are those of the curve, without a gap; `closes` says whether the first follows the last.
pub(crate) fn smooth_curve(
    frames: &[usize],
    raw_ml: &[Option<f64>],
    phases: PhasePair,
    frame_ms: Option<f64>,
    closes: bool,
) -> SmoothCurve {
    let Some(smoothed) = values(frames, raw_ml).and_then(|raw_ml| smooth(&raw_ml, closes)) else {
        return SmoothCurve::default();
    };
    let at = |frame: Option<usize>| frames.iter().position(|&measured| Some(measured) == frame);
    let (ed, es) = (at(phases.ed_frame), at(phases.es_frame));
    let count = frames.len();
    let steepest = |from: Option<usize>, to: Option<usize>, sign: f64| -> Option<(f64, f64)> {
        let (from, to, frame_ms) = (from?, to?, frame_ms?);
        let steps = if closes {
            (to + count - from) % count
        } else {
            // A beat that does not close has no way back to its beginning.
            if to > from { to } else { count - 1 }.checked_sub(from)?
        };
        (0..=steps)
            .filter_map(|step| {
                let (_, slope) = smoothed.get((from + step) % count)?;
                Some((sign * slope * 1000.0 / frame_ms, step as f64 * frame_ms))
            })
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .filter(|(rate, _)| *rate > 0.0)
    };
    let ejection = steepest(ed, es, -1.0);
    let filling = steepest(es, ed, 1.0);
    SmoothCurve {
        peak_ejection_ml_per_s: ejection.map(|(rate, _)| rate),
        time_to_peak_ejection_ms: ejection.map(|(_, time)| time),
        peak_filling_ml_per_s: filling.map(|(rate, _)| rate),
        time_to_peak_filling_ms: filling.map(|(_, time)| time),
        ml: Some(smoothed.into_iter().map(|(ml, _)| ml).collect()),
    }
}

/// The curve as plain numbers when no frame between is missing and each shows the structure.
fn values(frames: &[usize], raw_ml: &[Option<f64>]) -> Option<Vec<f64>> {
    let neighbours = frames
        .iter()
        .zip(frames.iter().skip(1))
        .all(|(one, next)| next - one == 1);
    neighbours
        .then(|| raw_ml.iter().copied().collect())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(
        raw_ml: &[f64],
        ed: usize,
        es: usize,
        frame_ms: Option<f64>,
        closes: bool,
    ) -> SmoothCurve {
        let frames: Vec<usize> = (0..raw_ml.len()).collect();
        let raw_ml: Vec<_> = raw_ml.iter().copied().map(Some).collect();
        let phases = PhasePair {
            ed_frame: Some(ed),
            es_frame: Some(es),
        };
        smooth_curve(&frames, &raw_ml, phases, frame_ms, closes)
    }

    #[test]
    fn the_weights_are_those_of_savitzky_and_golay() {
        // Their table for a parabola through five points: -3, 12, 17, 12, -3 over 35; slope -2 to 2 over 10.
        for (index, (weight, slope)) in [
            (-3.0, -2.0),
            (12.0, -1.0),
            (17.0, 0.0),
            (12.0, 1.0),
            (-3.0, 2.0),
        ]
        .into_iter()
        .enumerate()
        {
            let mut values = [0.0; WINDOW];
            values[index] = 1.0;
            let found = parabola(values, 0.0);
            assert!((found.0 - weight / 35.0).abs() < 1e-15, "{found:?}");
            assert!((found.1 - slope / 10.0).abs() < 1e-15, "{found:?}");
        }
    }

    #[test]
    fn a_peak_goes_around_the_end_of_a_closed_beat() {
        // 35 ml at frame 0 alone: the weights in ml, around the end.
        let found = curve(
            &[35.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            0,
            3,
            Some(100.0),
            true,
        );
        let expected = [17.0, 12.0, -3.0, 0.0, 0.0, -3.0, 12.0];
        for (found, expected) in found.ml.unwrap().into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        // The steepest slope is that of frame 2, two frames from the peak: 35 · 2 / 10 ml in 100 ms.
        assert!((found.peak_ejection_ml_per_s.unwrap() - 70.0).abs() < 1e-9);
        assert_eq!(found.time_to_peak_ejection_ms, Some(200.0));
        // And that of frame 5, two frames from the systole of frame 3.
        assert!((found.peak_filling_ml_per_s.unwrap() - 70.0).abs() < 1e-9);
        assert_eq!(found.time_to_peak_filling_ms, Some(200.0));
    }

    #[test]
    fn end_diastole_in_the_last_frame_ejects_over_the_end() {
        let straight = curve(
            &[100.0, 80.0, 60.0, 50.0, 70.0, 90.0],
            0,
            3,
            Some(50.0),
            true,
        );
        let turned = curve(
            &[80.0, 60.0, 50.0, 70.0, 90.0, 100.0],
            5,
            2,
            Some(50.0),
            true,
        );
        assert!(
            (straight.peak_ejection_ml_per_s.unwrap() - turned.peak_ejection_ml_per_s.unwrap())
                .abs()
                < 1e-9
        );
        assert_eq!(
            straight.time_to_peak_ejection_ms,
            turned.time_to_peak_ejection_ms
        );
        assert_eq!(
            straight.time_to_peak_filling_ms,
            turned.time_to_peak_filling_ms
        );
    }

    #[test]
    fn what_has_gaps_or_is_short_is_not_smoothed() {
        assert_eq!(
            curve(&[4.0, 3.0, 2.0, 1.0], 0, 3, Some(50.0), true),
            SmoothCurve::default()
        );
        let phases = PhasePair::default();
        let raw = [Some(1.0), Some(2.0), None, Some(2.0), Some(1.0)];
        assert_eq!(
            smooth_curve(&[0, 1, 2, 3, 4], &raw, phases, None, true).ml,
            None
        );
        let raw = [Some(1.0); 5];
        assert_eq!(
            smooth_curve(&[0, 1, 2, 3, 9], &raw, phases, None, false).ml,
            None
        );
        // Without the time between frames there is a curve and no rate.
        let found = smooth_curve(&[3, 4, 5, 6, 7], &raw, phases, None, false);
        assert_eq!(
            (found.ml.is_some(), found.peak_ejection_ml_per_s),
            (true, None)
        );
    }

    proptest! {
        #[test]
        fn a_parabola_stays_as_it_is_when_the_beat_does_not_close(
            start in 20.0..300.0_f64, slope in -9.0..9.0_f64, bend in -0.5..0.5_f64, count in 5_usize..40,
        ) {
            let raw: Vec<f64> = (0..count).map(|frame| {
                let x = frame as f64;
                start + slope * x + bend * x * x
            }).collect();
            let found = curve(&raw, 0, 1, None, false).ml.unwrap();
            for (found, raw) in found.into_iter().zip(raw) {
                prop_assert!((found - raw).abs() < 1e-8, "{found} {raw}");
            }
        }

        #[test]
        fn smoothing_keeps_the_mean_of_a_closed_beat_and_turns_with_it(
            raw in proptest::collection::vec(10.0..300.0_f64, 5..40), by in 0_usize..40,
        ) {
            let by = by % raw.len();
            let straight = curve(&raw, 0, 1, None, true).ml.unwrap();
            let sum: f64 = straight.iter().sum();
            prop_assert!((sum - raw.iter().sum::<f64>()).abs() < 1e-7);
            let mut turned = raw.clone();
            turned.rotate_left(by);
            let mut expected = straight;
            expected.rotate_left(by);
            for (found, expected) in curve(&turned, 0, 1, None, true).ml.unwrap().into_iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
        }
    }
}
