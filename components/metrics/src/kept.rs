//! The numbers of a kept segmentation, made anew from its counts with the facts that the study has now.

use cinecor_guest::{Answer, Call, fact_problem, open_store};
use cinecor_measures::{Cycle, Metrics};
use cinecor_store::{SegmentationRecord, StudyRecord};
use cinecor_web::Problem;
use cinecor_wire::{MetricsJson, kept_subject, measure_kept_with};

use crate::rules::rules;
use crate::{in_form, not_measurable};

/// `GET /api/v1/studies/{id}/segmentations/{sid}/metrics`.
///
/// # Errors
/// No such segmentation; told phases that it does not have, or that are one frame.
pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    let form = call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    let metrics = measured(call, &study, &record)?;
    let answer = in_form(form, &MetricsJson::kept(&record, &metrics))?;
    Ok(answer.tagged(&tag_name(&record)))
}

/// What the tags of a revision begin with.
pub(crate) fn tag_name(record: &SegmentationRecord) -> String {
    format!("{}-{}", record.id.as_str(), record.revision)
}

/// The numbers under the rules and phases that the query tells.
///
/// # Errors
/// Told phases that the segmentation does not have, or that are one frame; a slice that is not there.
pub(crate) fn measured(
    call: &Call,
    study: &StudyRecord,
    record: &SegmentationRecord,
) -> Result<Metrics, Problem> {
    let geometry = study.geometry().map_err(Problem::internal)?;
    let cycle = Cycle {
        frame_ms: study.frame_ms(),
        frames_in_study: Some(study.shape().map_err(Problem::internal)?.frames),
    };
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
    measure_kept_with(
        record,
        &subject,
        &geometry.spacing,
        &cycle,
        &rules,
        bsa_formula,
    )
    .map_err(|error| not_measurable(&error))
}
