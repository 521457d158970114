//! The numbers of a kept segmentation, made anew from its counts with the facts that the study has now.

use cinecor_guest::{Answer, Call, fact_problem, open_store};
use cinecor_measures::{BsaFormula, Cycle, Metrics, Rules};
use cinecor_store::{SegmentationRecord, StudyRecord, Subject};
use cinecor_volume::Turn;
use cinecor_web::{CSV, Problem, rfc3339};
use cinecor_wire::{
    MetricsJson, SegmentationJson, kept_csv, kept_rules, kept_subject, measure_kept_with,
};

use crate::not_measurable;
use crate::rules::rules;

/// `GET /api/v1/studies/{id}/segmentations/{sid}/metrics`.
///
/// # Errors
/// No such segmentation; told phases that it does not have, or that are one frame.
pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    let form = call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    let wanted = Wanted::of(call, &study, &record)?;
    let metrics = wanted.measure(&study, &record)?;
    let numbers = numbers(&study, &record, &metrics)?;
    let answer = match form {
        CSV => wanted.csv(&study, &record, &metrics, &numbers, "metrics.csv"),
        _ => Answer::json(&numbers)?,
    };
    Ok(answer
        .verdict(&numbers.quality.verdict)
        .tagged(&tag_name(&record)))
}

/// The numbers as they are worded.
pub(crate) fn numbers(
    study: &StudyRecord,
    record: &SegmentationRecord,
    metrics: &Metrics,
) -> Result<MetricsJson, Problem> {
    let geometry = study.geometry().map_err(Problem::internal)?;
    let mirrored = Turn::from(record.turn).is_mirror();
    Ok(MetricsJson::kept(record, metrics).with_front(geometry.is_right_handed(), mirrored))
}

/// What the tags of a revision begin with.
pub(crate) fn tag_name(record: &SegmentationRecord) -> String {
    format!("{}-{}", record.id.as_str(), record.revision)
}

/// The rules, phases and facts that numbers are wanted under: those of the query, and for the rest those that are kept.
pub(crate) struct Wanted {
    pub(crate) rules: Rules,
    pub(crate) bsa_formula: BsaFormula,
    pub(crate) subject: Subject,
}

impl Wanted {
    /// # Errors
    /// Told phases that the segmentation does not have, or that are one frame; a fact that cannot be.
    pub(crate) fn of(
        call: &Call,
        study: &StudyRecord,
        record: &SegmentationRecord,
    ) -> Result<Wanted, Problem> {
        let (rules, bsa_formula) = rules(call, Some(record))?;
        let mut subject = kept_subject(record, &study.facts());
        if !call.query.facts().is_empty() {
            for (name, value) in call.query.facts() {
                subject
                    .tell_text(name, value)
                    .map_err(|error| fact_problem(&error))?;
            }
            subject
                .check_among(&record.frames)
                .map_err(|error| fact_problem(&error))?;
        }
        Ok(Wanted {
            rules,
            bsa_formula,
            subject,
        })
    }

    /// Whether they are the ones that are kept.
    pub(crate) fn is_kept(&self, study: &StudyRecord, record: &SegmentationRecord) -> bool {
        let (rules, bsa_formula) = kept_rules(record);
        self.rules == rules
            && self.bsa_formula == bsa_formula
            && self.subject == kept_subject(record, &study.facts())
    }

    /// The numbers under them as a CSV file, with what they are of.
    pub(crate) fn csv(
        &self,
        study: &StudyRecord,
        record: &SegmentationRecord,
        metrics: &Metrics,
        numbers: &MetricsJson,
        file_name: &str,
    ) -> Answer {
        let of = SegmentationJson::kept(record, metrics, &study.facts(), rfc3339);
        let is_kept = self.is_kept(study, record);
        let of = if is_kept {
            of
        } else {
            of.supposed(&self.rules, self.bsa_formula, &self.subject)
        };
        Answer::bytes(CSV, kept_csv(numbers, &of, !is_kept)).saved_as(file_name)
    }

    /// The numbers under them.
    ///
    /// # Errors
    /// A slice that is not there.
    pub(crate) fn measure(
        &self,
        study: &StudyRecord,
        record: &SegmentationRecord,
    ) -> Result<Metrics, Problem> {
        let geometry = study.geometry().map_err(Problem::internal)?;
        let cycle = Cycle {
            frame_ms: study.frame_ms(),
            frames_in_study: Some(study.shape().map_err(Problem::internal)?.frames),
        };
        measure_kept_with(
            record,
            &self.subject,
            &geometry.spacing,
            &cycle,
            &self.rules,
            self.bsa_formula,
        )
        .map_err(|error| not_measurable(&error))
    }
}
