//! What is told about the subject, and the body surface area. Never a name, never a date of birth.

use crate::{Error, Sex};

/// How body surface area is worked out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BsaFormula {
    /// √(height in cm · weight in kg / 3600) (Mosteller, N Engl J Med 1987;317:1098).
    #[default]
    Mosteller,
    /// 0.007184 · weight in kg^0.425 · height in cm^0.725 (Du Bois and Du Bois, Arch Intern Med 1916;17:863).
    DuBois,
}

impl BsaFormula {
    /// Every formula.
    pub const ALL: [BsaFormula; 2] = [BsaFormula::Mosteller, BsaFormula::DuBois];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            BsaFormula::Mosteller => BSA_FORMULA,
            BsaFormula::DuBois => "dubois",
        }
    }

    /// The formula of a name on the wire.
    pub fn from_name(name: &str) -> Option<BsaFormula> {
        BsaFormula::ALL
            .into_iter()
            .find(|formula| formula.name() == name)
    }

    /// Body surface area in m² from cm and kg.
    pub fn bsa_m2(self, height_cm: f64, weight_kg: f64) -> f64 {
        match self {
            BsaFormula::Mosteller => (height_cm * weight_kg / 3600.0).sqrt(),
            BsaFormula::DuBois => 0.007_184 * weight_kg.powf(0.425) * height_cm.powf(0.725),
        }
    }
}

/// Name of the formula that holds when none is told.
pub const BSA_FORMULA: &str = "mosteller";

/// What may be told about the subject and the heart beat. What is not told is `None`, and what depends on it stays unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Subject {
    /// Height in cm, 20 to 280.
    pub height_cm: Option<f64>,
    /// Weight in kg, 0.3 to 700.
    pub weight_kg: Option<f64>,
    /// Heart beats per minute, 10 to 400.
    pub heart_rate_bpm: Option<f64>,
    /// End-diastolic frame, when a person says which it is.
    pub ed_frame: Option<usize>,
    /// End-systolic frame, when a person says which it is.
    pub es_frame: Option<usize>,
    /// How body surface area is worked out.
    pub bsa_formula: BsaFormula,
    /// Sex, for reference ranges.
    pub sex: Option<Sex>,
    /// Age in years, for reference ranges; 0 to 130.
    pub age_years: Option<f64>,
}

impl Subject {
    /// Checks that every fact can be that of a human. The limits lie beyond the known extremes; they catch metres and grams.
    ///
    /// # Errors
    /// [`Error::ImplausibleFact`] names the first fact that cannot.
    pub fn check(&self) -> Result<(), Error> {
        let facts = [
            ("height_cm", self.height_cm, 20.0, 280.0),
            ("weight_kg", self.weight_kg, 0.3, 700.0),
            ("heart_rate_bpm", self.heart_rate_bpm, 10.0, 400.0),
            ("age_years", self.age_years, 0.0, 130.0),
        ];
        for (name, value, low, high) in facts {
            if let Some(found) = value
                && !(low..=high).contains(&found)
            {
                return Err(Error::ImplausibleFact {
                    name,
                    found,
                    low,
                    high,
                });
            }
        }
        Ok(())
    }
}

/// Body surface area in m² by Mosteller's formula, from cm and kg.
pub fn bsa_m2(height_cm: f64, weight_kg: f64) -> f64 {
    BsaFormula::Mosteller.bsa_m2(height_cm, weight_kg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mosteller_of_180_cm_and_80_kg_is_two_square_metres() {
        assert_eq!(bsa_m2(180.0, 80.0), 2.0);
    }

    #[test]
    fn du_bois_of_180_cm_and_80_kg_is_a_little_less() {
        // log10: -2.14363 + 0.425 · 1.90309 + 0.725 · 2.25527 = 0.30026.
        let found = BsaFormula::DuBois.bsa_m2(180.0, 80.0);
        assert!((found - 1.9964).abs() < 5e-4, "{found}");
        for formula in BsaFormula::ALL {
            assert_eq!(BsaFormula::from_name(formula.name()), Some(formula));
        }
        assert_eq!(BsaFormula::from_name("haycock"), None);
    }

    #[test]
    fn refuses_a_height_in_metres_and_what_is_no_number() {
        let metres = Subject {
            height_cm: Some(1.75),
            ..Subject::default()
        };
        assert_eq!(
            metres.check(),
            Err(Error::ImplausibleFact {
                name: "height_cm",
                found: 1.75,
                low: 20.0,
                high: 280.0
            })
        );
        for found in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let subject = Subject {
                heart_rate_bpm: Some(found),
                ..Subject::default()
            };
            assert!(
                matches!(
                    subject.check(),
                    Err(Error::ImplausibleFact {
                        name: "heart_rate_bpm",
                        ..
                    })
                ),
                "{found}"
            );
        }
    }

    #[test]
    fn accepts_the_smallest_patients_of_acdc() {
        let subject = Subject {
            height_cm: Some(137.0),
            weight_kg: Some(35.0),
            heart_rate_bpm: Some(60.0),
            ..Subject::default()
        };
        assert_eq!(subject.check(), Ok(()));
    }
}
