//! The part of a card that says how far its network's probabilities are to be believed. Numbers are checked here; what is done with
//! them is in `cinecor-segmentation` and `cinecor-measures`.

use std::ops::RangeInclusive;

use crate::{Error, raw, refuse};

/// The temperatures that a card may state: beyond them a network is not calibrated but broken.
pub const TEMPERATURE: RangeInclusive<f64> = 0.5..=3.0;

/// The most factors of intervals that a card may have.
pub const MAX_FACTORS: usize = 64;

/// The largest factor or coefficient that a card may have, either sign.
const LARGEST: f64 = 1000.0;

/// How far a network's probabilities are to be believed, fitted on patients that it was not trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Probabilities are taken to the power of one over it and made to sum to one again; 1 leaves them as they are.
    pub temperature: f64,
    /// How far off the numbers may be; `None` when that was not fitted.
    pub intervals: Option<Intervals>,
    /// How good a mask is; `None` when that was not fitted.
    pub score: Option<Score>,
}

/// How far off the numbers may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervals {
    /// How often the truth lies inside, between 0 and 1.
    pub level: f64,
    /// One for each number that has an interval.
    pub factors: Vec<Factor>,
}

/// The interval of a number `v` with the doubt `u`: from `v − low · u` to `v + high · u`.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Which number, as its path in the metrics.
    pub quantity: String,
    /// Share of each volume that is added to its uncertain volume before the doubt is worked out.
    pub share: f64,
    /// How many doubts below the number the interval begins.
    pub low: f64,
    /// How many doubts above the number it ends; with `low` more than 0.
    pub high: f64,
}

/// What the log-odds of a score are summed from. The score is the mean Dice that a mask is thought to have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The log-odds where every feature is 0.
    pub intercept: f64,
    /// One for each feature.
    pub coefficients: Coefficients,
}

/// The weight of each feature of a frame in the log-odds of its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Of the log-odds of the mean Dice that the probabilities predict.
    pub dice_mean: f64,
    /// Of the log-odds of the worst structure's.
    pub dice_worst: f64,
    /// Of the share that the clean-up took away.
    pub removed: f64,
    /// Of the share of the structures that are missing.
    pub missing: f64,
    /// Of the share of slices left out between the ends of a structure.
    pub gaps: f64,
    /// Of the share of the cavity's outline that has no wall.
    pub open_wall: f64,
    /// Of the offset from slice to slice.
    pub jump: f64,
    /// Of how far the heart's outline is from round; 0 in cards that do not know it.
    pub ragged: f64,
    /// Of the logarithm by which the heart is too large or too small for an adult's.
    pub volume: f64,
}

pub(crate) fn check(raw: raw::Calibration) -> Result<Calibration, Error> {
    if !TEMPERATURE.contains(&raw.temperature) {
        return Err(refuse(
            "calibration.temperature",
            raw.temperature,
            format!("{} to {}", TEMPERATURE.start(), TEMPERATURE.end()),
        ));
    }
    Ok(Calibration {
        temperature: raw.temperature,
        intervals: raw.intervals.map(intervals).transpose()?,
        score: raw.score.map(score).transpose()?,
    })
}

fn intervals(raw: raw::Intervals) -> Result<Intervals, Error> {
    if !(raw.level > 0.0 && raw.level < 1.0) {
        return Err(refuse(
            "calibration.intervals.level",
            raw.level,
            "a number above 0 and below 1",
        ));
    }
    if raw.factors.len() > MAX_FACTORS {
        return Err(refuse(
            "calibration.intervals.factors",
            format!("a list of {}", raw.factors.len()),
            format!("at most {MAX_FACTORS}"),
        ));
    }
    let mut factors: Vec<Factor> = Vec::with_capacity(raw.factors.len());
    for raw::Factor {
        quantity,
        share,
        low,
        high,
    } in raw.factors
    {
        let is_path = !quantity.is_empty()
            && quantity.len() <= 64
            && quantity
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b));
        if !is_path || factors.iter().any(|other| other.quantity == quantity) {
            return Err(refuse(
                "calibration.intervals.factors.quantity",
                format!("“{quantity}”"),
                "the path of a number in the metrics, each once",
            ));
        }
        if !(0.0..=1.0).contains(&share) {
            return Err(refuse(
                "calibration.intervals.factors.share",
                share,
                "0 to 1",
            ));
        }
        if !(low.abs() <= LARGEST && high.abs() <= LARGEST && low + high > 0.0) {
            return Err(refuse(
                "calibration.intervals.factors",
                format!("low {low} and high {high}"),
                format!("at most {LARGEST} either way, together more than 0"),
            ));
        }
        factors.push(Factor {
            quantity,
            share,
            low,
            high,
        });
    }
    Ok(Intervals {
        level: raw.level,
        factors,
    })
}

fn score(raw: raw::Score) -> Result<Score, Error> {
    let raw::Coefficients {
        dice_mean,
        dice_worst,
        removed,
        missing,
        gaps,
        open_wall,
        jump,
        ragged,
        volume,
    } = raw.coefficients;
    let found = [
        raw.intercept,
        dice_mean,
        dice_worst,
        removed,
        missing,
        gaps,
        open_wall,
        jump,
        ragged,
        volume,
    ];
    if let Some(found) = found.iter().find(|found| found.abs() > LARGEST) {
        return Err(refuse(
            "calibration.score.coefficients",
            found,
            format!("at most {LARGEST} either way"),
        ));
    }
    Ok(Score {
        intercept: raw.intercept,
        coefficients: Coefficients {
            dice_mean,
            dice_worst,
            removed,
            missing,
            gaps,
            open_wall,
            jump,
            ragged,
            volume,
        },
    })
}
