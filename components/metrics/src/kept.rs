//! The numbers of a kept segmentation, made anew from its counts with the facts that the study has now.

use cinecor_guest::{Answer, Call, open_store, storage_problem};
use cinecor_measures::Cycle;
use cinecor_web::Problem;
use cinecor_wire::measure_kept;

use crate::{in_form, not_measurable};

/// `GET /api/v1/studies/{id}/segmentations/{sid}/metrics`.
///
/// # Errors
/// No such segmentation; told phases that it does not have.
pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    let form = call.accepted()?;
    let (study_id, id) = (call.id("id")?, call.id("sid")?);
    let store = open_store().await?;
    let record = store
        .segmentation(&study_id, &id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_segmentation)?;
    let study = store
        .study(&study_id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_study)?;
    let geometry = study.geometry().map_err(Problem::internal)?;
    let cycle = Cycle {
        frame_ms: study.frame_ms(),
        frames_in_study: Some(study.shape().map_err(Problem::internal)?.frames),
    };
    let metrics = measure_kept(&record, &study.subject, &geometry.spacing, &cycle)
        .map_err(|error| not_measurable(&error))?;
    in_form(form, &metrics)
}
