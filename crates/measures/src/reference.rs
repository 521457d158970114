//! Where numbers lie among healthy people. Only ranges that were read in their publication stand here, each with its source and cohort; for
//! everyone and everything else there is no range, and none is guessed.
//!
//! A range belongs to a way of measuring. Those of the left ventricle are of readers who counted papillary muscles as cavity, as the masks
//! here do: ranges that count them as wall differ by up to nine points of ejection fraction and are not given.

use crate::{BASAL_RULE, Metrics, PAPILLARY_RULE, PhaseMethod};

/// Sex, as ranges distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Where a number lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below the lower limit.
    Below,
    /// Between the limits, or at one.
    Within,
    /// Above the upper limit.
    Above,
    /// There is no range for this subject, or no number.
    NoRange,
}

impl Place {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Place::Below => "below",
            Place::Within => "within",
            Place::Above => "above",
            Place::NoRange => "no range available",
        }
    }
}

/// One number among those of healthy people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// Path of the number in the answer.
    pub quantity: &'static str,
    /// The number.
    pub value: Option<f64>,
    /// The lower limit, where there is one.
    pub low: Option<f64>,
    /// The upper limit, where there is one.
    pub high: Option<f64>,
    /// Where the number lies.
    pub place: Place,
    /// Where the limits are published; `None` without a range.
    pub source: Option<&'static str>,
    /// Whom they were measured on, and how the limits follow from it.
    pub cohort: Option<&'static str>,
    /// Why the number has no place among them, in a sentence.
    pub reason: Option<&'static str>,
}

const FACTS_MISSING: &str =
    "Sex and age have to be told: the range is that of one sex at certain ages.";
const AGE_MISSING: &str = "The age has to be told: the range is that of adults.";
const OTHER_AGE: &str = "The cohort was 45 to 74 years old.";
const CHILD: &str = "The range is that of adults.";
const OTHER_RULE: &str = "The range was measured with papillary muscles as cavity.";
const OTHER_SLICES: &str =
    "The range is of whole ventricles; a rule leaves out slices of this one.";
const NO_PHASE: &str =
    "The range is of end-diastole; of one frame alone it has to be told that it is that.";
const NO_NUMBER: &str = "There is no number to place: it takes an end-diastole and an end-systole in which the ventricle is seen.";
const NO_BODY: &str =
    "There is no number to place: one per body surface area needs height and weight.";

/// Petersen et al., J Cardiovasc Magn Reson 2017;19:18: mean and standard deviation of the abstract.
const UK_BIOBANK: &str =
    "Petersen et al., J Cardiovasc Magn Reson 2017;19:18, doi 10.1186/s12968-017-0327-9";
const UK_BIOBANK_MEN: &str = "368 healthy men of 45 to 74 years, UK Biobank, 1.5 T, papillary muscles as cavity; mean -/+ 1.96 SD";
const UK_BIOBANK_WOMEN: &str = "432 healthy women of 45 to 74 years, UK Biobank, 1.5 T, papillary muscles as cavity; mean -/+ 1.96 SD";
/// The cohort's ages in years, full years as people tell them.
const UK_BIOBANK_YEARS: std::ops::Range<f64> = 45.0..75.0;

/// Limits of the right ventricle, part B of the table of this title. The publisher's page of the table names neither authors nor year; its
/// number there is the way to it.
const RIGHT_HEART: &str = "Heart (BMJ), table 1 B of \"Echocardiographic (A) and cardiovascular magnetic resonance (B) reference values of RV and right atrial size and function in healthy adults\", heart.bmj.com/highwire/markup/121466";
const RIGHT_HEART_COHORT: &str = "healthy adults of both sexes; abnormal beyond the limit";
const ADULT_YEARS: std::ops::RangeInclusive<f64> = 18.0..=130.0;

/// Half the width of the interval that holds 95 % of a normal distribution, in standard deviations.
const NORMAL_95: f64 = 1.96;

/// A published range.
struct Range {
    low: Option<f64>,
    high: Option<f64>,
    source: &'static str,
    cohort: &'static str,
}

/// Every number that has a range for someone, placed for this subject. A subject whose sex or age is not told, or lies outside the
/// cohort, has no range.
pub fn references(metrics: &Metrics, sex: Option<Sex>, age_years: Option<f64>) -> Vec<Reference> {
    let conventions = &metrics.conventions;
    let whole = conventions.excluded_slices.is_empty() && conventions.basal_rule == BASAL_RULE;
    let normal = |men: (f64, f64), women: (f64, f64)| {
        if !whole {
            return Err(OTHER_SLICES);
        }
        let (Some(sex), Some(age)) = (sex, age_years) else {
            return Err(FACTS_MISSING);
        };
        if metrics.conventions.papillary != PAPILLARY_RULE {
            return Err(OTHER_RULE);
        }
        if !UK_BIOBANK_YEARS.contains(&age) {
            return Err(OTHER_AGE);
        }
        let ((mean, sd), cohort) = match sex {
            Sex::Male => (men, UK_BIOBANK_MEN),
            Sex::Female => (women, UK_BIOBANK_WOMEN),
        };
        Ok(Range {
            low: Some(mean - NORMAL_95 * sd),
            high: Some(mean + NORMAL_95 * sd),
            source: UK_BIOBANK,
            cohort,
        })
    };
    let limit = |low, high| match age_years {
        _ if !whole => Err(OTHER_SLICES),
        None => Err(AGE_MISSING),
        Some(age) if !ADULT_YEARS.contains(&age) => Err(CHILD),
        Some(_) => Ok(Range {
            low,
            high,
            source: RIGHT_HEART,
            cohort: RIGHT_HEART_COHORT,
        }),
    };
    let told_ed = matches!(
        metrics.phases.method,
        PhaseMethod::EdTold | PhaseMethod::Told
    );
    let right = &metrics.right_ventricle;
    let place = |quantity: &'static str, value, range| {
        let missing = if quantity.ends_with("_per_m2") && metrics.body.is_none() {
            NO_BODY
        } else {
            NO_NUMBER
        };
        place(quantity, value, range, missing)
    };
    vec![
        place(
            "left_ventricle.ef_percent",
            metrics.left_ventricle.ef_percent,
            normal((58.0, 5.0), (61.0, 5.0)),
        ),
        place(
            "myocardium.ed_mass_g_per_m2",
            metrics.myocardium.ed_mass_g_per_m2,
            // A frame alone counts as end-diastole until it is told to be another.
            if metrics.phases.left_ventricle.ed_frame.is_some() || told_ed {
                normal((53.0, 9.0), (42.0, 7.0))
            } else {
                Err(NO_PHASE)
            },
        ),
        place(
            "right_ventricle.edv_ml_per_m2",
            right.edv_ml_per_m2,
            limit(None, Some(108.0)),
        ),
        place(
            "right_ventricle.esv_ml_per_m2",
            right.esv_ml_per_m2,
            limit(None, Some(48.0)),
        ),
        place(
            "right_ventricle.ef_percent",
            right.ef_percent,
            limit(Some(50.0), None),
        ),
    ]
}

fn place(
    quantity: &'static str,
    value: Option<f64>,
    range: Result<Range, &'static str>,
    missing: &'static str,
) -> Reference {
    let range = match range {
        Ok(range) => range,
        Err(reason) => {
            return Reference {
                quantity,
                value,
                low: None,
                high: None,
                place: Place::NoRange,
                source: None,
                cohort: None,
                reason: Some(reason),
            };
        }
    };
    let place = match value {
        None => Place::NoRange,
        Some(value) if range.low.is_some_and(|low| value < low) => Place::Below,
        Some(value) if range.high.is_some_and(|high| value > high) => Place::Above,
        Some(_) => Place::Within,
    };
    Reference {
        quantity,
        value,
        low: range.low,
        high: range.high,
        place,
        source: Some(range.source),
        cohort: Some(range.cohort),
        reason: value.is_none().then_some(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: f64, sex: Sex) -> Reference {
        let (men, women) = ((58.0, 5.0), (61.0, 5.0));
        let (mean, sd) = if sex == Sex::Male { men } else { women };
        place(
            "left_ventricle.ef_percent",
            Some(value),
            Ok(Range {
                low: Some(mean - NORMAL_95 * sd),
                high: Some(mean + NORMAL_95 * sd),
                source: UK_BIOBANK,
                cohort: UK_BIOBANK_MEN,
            }),
            NO_NUMBER,
        )
    }

    #[test]
    fn a_value_lies_below_within_or_above() {
        // Men: 58 -/+ 9.8.
        assert_eq!(at(48.1, Sex::Male).place, Place::Below);
        assert_eq!(at(48.3, Sex::Male).place, Place::Within);
        assert_eq!(at(67.9, Sex::Male).place, Place::Above);
        // Women: 61 -/+ 9.8.
        assert_eq!(at(51.0, Sex::Female).place, Place::Below);
    }

    #[test]
    fn no_number_has_no_place_and_a_limit_may_stand_alone() {
        let limit = || {
            Ok(Range {
                low: Some(50.0),
                high: None,
                source: RIGHT_HEART,
                cohort: RIGHT_HEART_COHORT,
            })
        };
        let place = |name, value, range| super::place(name, value, range, NO_BODY);
        assert_eq!(place("x", None, limit()).place, Place::NoRange);
        assert_eq!(place("x", None, limit()).reason, Some(NO_BODY));
        assert_eq!(place("x", Some(90.0), limit()).reason, None);
        assert_eq!(place("x", Some(49.9), limit()).place, Place::Below);
        assert_eq!(place("x", Some(90.0), limit()).place, Place::Within);
        let none = place("x", Some(90.0), Err("why"));
        assert_eq!(
            (none.place, none.source, none.value, none.reason),
            (Place::NoRange, None, Some(90.0), Some("why"))
        );
    }
}
