//! Errors of the crates as problems.

use cinecor_dicom::{DicomError, SeriesError, StudyError};
use cinecor_formats::{DecodeError, Refusal};
use cinecor_store::{FactError, StoreError};
use cinecor_volume::VolumeError;
use cinecor_web::{Problem, ProblemKind};

/// A file that is refused.
pub fn decode_problem(error: &DecodeError) -> Problem {
    let kind = match (error.refusal(), error) {
        (Refusal::UnsupportedMedia, _) => ProblemKind::UnsupportedMediaType,
        (Refusal::TooLarge, DecodeError::TooLarge { .. }) => ProblemKind::VolumeTooLarge,
        (Refusal::TooLarge, _) => ProblemKind::BodyTooLarge,
        (Refusal::Unprocessable, _) => ProblemKind::InvalidVolume,
    };
    Problem::new(kind, sentence(&error.to_string())).with("code", error.code())
}

/// A DICOM file or an archive that is refused.
pub(crate) fn dicom_problem(error: &DicomError) -> Problem {
    Problem::new(dicom_kind(error), sentence(&error.to_string())).with("code", error.code())
}

fn dicom_kind(error: &DicomError) -> ProblemKind {
    match error {
        DicomError::TooLarge { .. } => ProblemKind::VolumeTooLarge,
        DicomError::InflatedTooLarge { .. }
        | DicomError::InflateRatio { .. }
        | DicomError::HeaderTooLarge { .. }
        | DicomError::TooManyElements { .. }
        | DicomError::TooManyFiles { .. } => ProblemKind::BodyTooLarge,
        DicomError::UnknownSyntax | DicomError::UnsupportedSyntax { .. } => {
            ProblemKind::UnsupportedMediaType
        }
        _ => ProblemKind::InvalidVolume,
    }
}

/// DICOM files that make no study.
pub(crate) fn study_problem(error: &StudyError) -> Problem {
    let kind = match error {
        StudyError::File { error, .. } => dicom_kind(error),
        StudyError::Series(SeriesError::Geometry(VolumeError::TooLarge { .. })) => {
            ProblemKind::VolumeTooLarge
        }
        StudyError::Series(SeriesError::TooManyImages { .. }) => ProblemKind::BodyTooLarge,
        _ => ProblemKind::InvalidVolume,
    };
    Problem::new(kind, sentence(&error.to_string())).with("code", error.code())
}

/// A fact that cannot be.
pub fn fact_problem(error: &FactError) -> Problem {
    Problem::field(error.name, error)
}

/// A measure's refusal, in its own words; `fact` is the fact about the subject that it names, where it names one.
pub fn measure_problem(fact: Option<&str>, refusal: &dyn std::fmt::Display) -> Problem {
    let said = sentence(&refusal.to_string());
    match fact {
        Some(fact) => Problem::new(ProblemKind::InvalidField, said).with("field", fact),
        None => Problem::new(ProblemKind::NotMeasurable, said),
    }
}

/// A failure of the store.
pub fn storage_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Gone { what } => Problem::new(
            ProblemKind::Conflict,
            format!(
                "{} was taken away while it was being written: writing it took too long, or another deleted what it belongs to. Send the request again.",
                sentence(what).trim_end_matches('.')
            ),
        ),
        StoreError::Contended { what } => Problem::new(
            ProblemKind::Conflict,
            format!(
                "Others changed {what} again and again at the same time; read it and try again."
            ),
        ),
        StoreError::FrameTooLarge { .. } => Problem::new(
            ProblemKind::VolumeTooLarge,
            format!(
                "{}; save the volume with fewer bits a voxel, or crop it.",
                sentence(&error.to_string()).trim_end_matches('.')
            ),
        ),
        other => Problem::internal(other),
    }
}

/// An inference server on another machine that did not answer; the cause is for the log.
pub fn engine_unreachable(cause: &str) -> Problem {
    Problem::new(
        ProblemKind::EngineUnreachable,
        "The server that infers did not answer, or went away before it had; what was kept is kept. Send the request again, and give the request id to whoever runs the service if it stays.",
    )
    .caused_by(cause)
}

/// No engine until a setting is given, which `what` names; who runs the service reads it in the answer.
pub fn engine_not_configured(what: &str) -> Problem {
    Problem::new(
        ProblemKind::EngineNotConfigured,
        format!("Inference is not configured: {}", sentence(what)),
    )
    .caused_by(what)
}

/// A text with a capital at its start and a full stop at its end.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let stop = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.to_uppercase(), characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_tells_its_reason_under_the_right_status() {
        let problem = decode_problem(&DecodeError::Empty);
        assert_eq!(
            (
                problem.status().as_u16(),
                problem.document("")["code"].as_str()
            ),
            (422, Some("empty"))
        );
        assert!(
            problem.detail().starts_with("The file is empty") && problem.detail().ends_with('.'),
            "{problem}"
        );
        let bomb = DecodeError::InflatedTooLarge { limit: 10 };
        assert_eq!(decode_problem(&bomb).kind(), ProblemKind::BodyTooLarge);
    }

    #[test]
    fn what_was_taken_away_meanwhile_is_no_stalled_body() {
        let problem = storage_problem(StoreError::Gone { what: "the study" });
        assert_eq!(problem.kind(), ProblemKind::Conflict);
        assert!(
            problem.detail().starts_with("The study was taken away"),
            "{problem}"
        );
    }

    #[test]
    fn a_measure_that_names_a_fact_blames_the_field() {
        let problem = measure_problem(Some("age_years"), &"the fact age_years is -1");
        assert_eq!(problem.kind(), ProblemKind::InvalidField);
        assert_eq!(problem.document("")["field"], "age_years");
        let problem = measure_problem(None, &"the mask holds the value 9");
        assert_eq!(problem.kind(), ProblemKind::NotMeasurable);
        assert_eq!(problem.detail(), "The mask holds the value 9.");
    }

    #[test]
    fn the_ranges_of_facts_in_the_table_are_those_of_the_store() {
        use cinecor_web::{OPERATIONS, Place, ValueKind};
        let mut seen = 0;
        for parameter in OPERATIONS
            .iter()
            .flat_map(|operation| operation.parameters)
            .filter(|parameter| parameter.place == Place::Fact)
        {
            let Some(fact) = cinecor_store::FACTS
                .iter()
                .find(|fact| fact.name == parameter.name)
            else {
                assert!(
                    ["sex", "label", "consent"].contains(&parameter.name),
                    "{}",
                    parameter.name
                );
                continue;
            };
            seen += 1;
            match parameter.kind {
                ValueKind::Number { min, max } => assert_eq!(
                    (min, max, fact.whole),
                    (fact.low, fact.high, false),
                    "{}",
                    fact.name
                ),
                ValueKind::Integer { min, max } => assert_eq!(
                    (min as f64, max as f64, fact.whole),
                    (fact.low, fact.high, true),
                    "{}",
                    fact.name
                ),
                other => panic!("{} is {other:?}", fact.name),
            }
        }
        assert!(seen >= 7);
    }
}
