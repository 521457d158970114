//! Facts about the subject and the acquisition that are told and not found. Never a name, never a date of birth.

use serde::{Deserialize, Serialize};

/// What a number among the facts may be. The limits lie beyond the known extremes of humans; they catch metres and grams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactRange {
    /// Name of the fact, with its unit.
    pub name: &'static str,
    /// The least that is taken.
    pub low: f64,
    /// The most that is taken.
    pub high: f64,
    /// Whether it counts something.
    pub whole: bool,
}

/// The ranges of every fact that is a number.
pub const FACTS: [FactRange; 7] = [
    FactRange {
        name: "height_cm",
        low: 20.0,
        high: 280.0,
        whole: false,
    },
    FactRange {
        name: "weight_kg",
        low: 0.3,
        high: 700.0,
        whole: false,
    },
    FactRange {
        name: "age_years",
        low: 0.0,
        high: 130.0,
        whole: false,
    },
    FactRange {
        name: "heart_rate_bpm",
        low: 10.0,
        high: 400.0,
        whole: false,
    },
    FactRange {
        name: "frame_ms",
        low: 1.0,
        high: 2000.0,
        whole: false,
    },
    FactRange {
        name: "ed_frame",
        low: 0.0,
        high: 999_999.0,
        whole: true,
    },
    FactRange {
        name: "es_frame",
        low: 0.0,
        high: 999_999.0,
        whole: true,
    },
];

/// Sex, for reference values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

impl Sex {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Sex::Female => "female",
            Sex::Male => "male",
        }
    }
}

/// A fact that cannot be. The text goes behind the name of the field: "is 1.8, expected …".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{says}")]
pub struct FactError {
    /// Name of the fact.
    pub name: &'static str,
    /// What was found and what is taken.
    pub says: String,
}

/// What is told of the subject. What is not told is `None`, and what depends on it stays unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// Height in cm.
    pub height_cm: Option<f64>,
    /// Weight in kg.
    pub weight_kg: Option<f64>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Age in years.
    pub age_years: Option<f64>,
    /// Heart beats per minute.
    pub heart_rate_bpm: Option<f64>,
    /// Time from frame to frame in ms; replaces that of the file.
    pub frame_ms: Option<f64>,
    /// The end-diastolic frame, from 0; replaces the one that is found.
    pub ed_frame: Option<usize>,
    /// The end-systolic frame, from 0; replaces the one that is found.
    pub es_frame: Option<usize>,
}

impl Subject {
    /// Whether a name is that of a fact.
    pub fn is_fact(name: &str) -> bool {
        name == "sex" || FACTS.iter().any(|fact| fact.name == name)
    }

    /// Tells a fact as a text, as queries and forms do. An empty text takes the fact away.
    ///
    /// # Errors
    /// [`FactError`] when the value cannot be true. A name that is no fact is an error too.
    pub fn tell_text(&mut self, name: &str, value: &str) -> Result<(), FactError> {
        let value = value.trim();
        if name == "sex" {
            self.sex = match value {
                "" => None,
                "female" => Some(Sex::Female),
                "male" => Some(Sex::Male),
                _ => {
                    return Err(FactError {
                        name: "sex",
                        says: "is neither female nor male; send one of them".to_owned(),
                    });
                }
            };
            return Ok(());
        }
        let fact = find(name)?;
        if value.is_empty() {
            return self.tell_number(name, None);
        }
        // The text is the caller's and may hold anything: it is not repeated.
        let number = value.parse().map_err(|_| FactError {
            name: fact.name,
            says: format!("is no number, expected {}", expected(fact)),
        })?;
        self.tell_number(name, Some(number))
    }

    /// Tells a fact that is a number, or takes it away.
    ///
    /// # Errors
    /// [`FactError`] when the value cannot be true, or the name is no fact that is a number.
    pub fn tell_number(&mut self, name: &str, value: Option<f64>) -> Result<(), FactError> {
        let fact = find(name)?;
        if let Some(found) = value
            && (!(fact.low..=fact.high).contains(&found) || (fact.whole && found.fract() != 0.0))
        {
            return Err(FactError {
                name: fact.name,
                says: format!(
                    "is {found}, expected {}: check the value and its unit",
                    expected(fact)
                ),
            });
        }
        // In range and without a fraction, as checked above.
        let frame = value.map(|found| found as usize);
        match fact.name {
            "height_cm" => self.height_cm = value,
            "weight_kg" => self.weight_kg = value,
            "age_years" => self.age_years = value,
            "heart_rate_bpm" => self.heart_rate_bpm = value,
            "frame_ms" => self.frame_ms = value,
            "ed_frame" => self.ed_frame = frame,
            _ => self.es_frame = frame,
        }
        Ok(())
    }

    /// These facts, and those of `found` where there is none.
    pub fn or(&self, found: &Subject) -> Subject {
        Subject {
            height_cm: self.height_cm.or(found.height_cm),
            weight_kg: self.weight_kg.or(found.weight_kg),
            sex: self.sex.or(found.sex),
            age_years: self.age_years.or(found.age_years),
            heart_rate_bpm: self.heart_rate_bpm.or(found.heart_rate_bpm),
            frame_ms: self.frame_ms.or(found.frame_ms),
            ed_frame: self.ed_frame.or(found.ed_frame),
            es_frame: self.es_frame.or(found.es_frame),
        }
    }

    /// The facts for a part of the study's frames. A phase that was told for the study need not be among them; it is left to be found
    /// among those that are.
    pub fn for_frames(&self, frames: &[usize]) -> Subject {
        let among = |told: Option<usize>| told.filter(|frame| frames.contains(frame));
        Subject {
            ed_frame: among(self.ed_frame),
            es_frame: among(self.es_frame),
            ..*self
        }
    }

    /// Checks what can only be checked against the study.
    ///
    /// # Errors
    /// [`FactError`] for a phase that is no frame of the study, or both phases being one frame.
    pub fn check_frames(&self, frames: usize) -> Result<(), FactError> {
        for (name, told) in [("ed_frame", self.ed_frame), ("es_frame", self.es_frame)] {
            if let Some(found) = told.filter(|found| *found >= frames) {
                let last = frames.saturating_sub(1);
                return Err(FactError {
                    name,
                    says: format!(
                        "is {found}, but the study has the frames 0 to {last}; choose one of them"
                    ),
                });
            }
        }
        self.check_apart()
    }

    /// Checks told phases against the frames that a segmentation has.
    ///
    /// # Errors
    /// [`FactError`] for a phase that is not among `frames`, or both phases being one frame.
    pub fn check_among(&self, frames: &[usize]) -> Result<(), FactError> {
        for (name, told) in [("ed_frame", self.ed_frame), ("es_frame", self.es_frame)] {
            if let Some(found) = told.filter(|found| !frames.contains(found)) {
                return Err(FactError {
                    name,
                    says: format!(
                        "is {found}, which is none of the {} frames that were segmented; choose one of them",
                        frames.len()
                    ),
                });
            }
        }
        self.check_apart()
    }

    fn check_apart(&self) -> Result<(), FactError> {
        match (self.ed_frame, self.es_frame) {
            (Some(ed), Some(es)) if ed == es => Err(FactError {
                name: "es_frame",
                says: format!(
                    "is {es}, the same as ed_frame; end-diastole and end-systole are two frames, correct one or leave it out"
                ),
            }),
            _ => Ok(()),
        }
    }
}

fn find(name: &str) -> Result<&'static FactRange, FactError> {
    FACTS
        .iter()
        .find(|fact| fact.name == name)
        .ok_or(FactError {
            name: "subject",
            says: "has a fact that is not known; the OpenAPI document lists those that are"
                .to_owned(),
        })
}

fn expected(fact: &FactRange) -> String {
    format!(
        "a {} from {} to {}",
        if fact.whole { "whole number" } else { "number" },
        fact.low,
        fact.high
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_facts_that_can_be_and_takes_them_away_again() {
        let mut subject = Subject::default();
        for (name, value) in [
            ("height_cm", "183.5"),
            ("weight_kg", " 80 "),
            ("sex", "female"),
            ("age_years", "0"),
            ("heart_rate_bpm", "61"),
            ("ed_frame", "0"),
            ("es_frame", "11"),
        ] {
            subject.tell_text(name, value).unwrap();
        }
        assert_eq!(
            (subject.height_cm, subject.sex, subject.es_frame),
            (Some(183.5), Some(Sex::Female), Some(11))
        );
        subject.tell_text("sex", "").unwrap();
        subject.tell_number("height_cm", None).unwrap();
        assert_eq!((subject.height_cm, subject.sex), (None, None));
    }

    #[test]
    fn a_phase_beyond_the_frames_at_hand_is_left_to_be_found() {
        let subject = Subject {
            height_cm: Some(170.0),
            ed_frame: Some(5),
            es_frame: Some(2),
            ..Subject::default()
        };
        let part = subject.for_frames(&[1, 2]);
        assert_eq!((part.ed_frame, part.es_frame), (None, Some(2)));
        assert_eq!(part.height_cm, Some(170.0));
        assert_eq!(subject.for_frames(&[2, 5]), subject);
    }

    #[test]
    fn refuses_facts_that_cannot_be_and_names_them() {
        for (name, value) in [
            ("height_cm", "1.83"),
            ("height_cm", "NaN"),
            ("height_cm", "inf"),
            ("height_cm", "tall"),
            ("weight_kg", "80000"),
            ("weight_kg", "-3"),
            ("sex", "F"),
            ("age_years", "131"),
            ("frame_ms", "0"),
            ("ed_frame", "1.5"),
            ("es_frame", "-1"),
        ] {
            let error = Subject::default().tell_text(name, value).unwrap_err();
            assert_eq!(error.name, name, "{value}");
        }
        assert!(Subject::default().tell_text("patient_name", "x").is_err());
    }

    #[test]
    fn phases_have_to_be_two_frames_of_the_study() {
        let told = |ed_frame, es_frame| Subject {
            ed_frame,
            es_frame,
            ..Subject::default()
        };
        assert!(told(Some(0), Some(29)).check_frames(30).is_ok());
        assert_eq!(
            told(None, Some(30)).check_frames(30).unwrap_err().name,
            "es_frame"
        );
        assert_eq!(
            told(Some(30), None).check_frames(30).unwrap_err().name,
            "ed_frame"
        );
        assert!(told(Some(3), Some(3)).check_frames(30).is_err());
    }

    #[test]
    fn phases_of_a_segmentation_are_among_its_frames() {
        let told = |ed_frame, es_frame| Subject {
            ed_frame,
            es_frame,
            ..Subject::default()
        };
        assert!(told(Some(2), Some(9)).check_among(&[2, 9]).is_ok());
        assert!(told(None, None).check_among(&[]).is_ok());
        let error = told(None, Some(3)).check_among(&[2, 9]).unwrap_err();
        assert_eq!(error.name, "es_frame");
        assert!(told(Some(2), Some(2)).check_among(&[2, 9]).is_err());
    }

    #[test]
    fn ranges_are_those_of_the_measures() {
        // The measures check again before they compute; a fact that is kept must not be refused there.
        for fact in FACTS
            .iter()
            .filter(|fact| ["height_cm", "weight_kg", "heart_rate_bpm"].contains(&fact.name))
        {
            for (value, taken) in [
                (fact.low, true),
                (fact.high, true),
                (fact.low * 0.99, false),
                (fact.high * 1.01, false),
            ] {
                let mut subject = cinecor_measures::Subject::default();
                match fact.name {
                    "height_cm" => subject.height_cm = Some(value),
                    "weight_kg" => subject.weight_kg = Some(value),
                    _ => subject.heart_rate_bpm = Some(value),
                }
                assert_eq!(subject.check().is_ok(), taken, "{} {value}", fact.name);
            }
        }
    }
}
