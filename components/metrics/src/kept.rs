//! The numbers of a kept segmentation, made anew from its counts with the facts that the study has now.

use cinecor_guest::{Answer, Call, open_store, storage_problem};
use cinecor_measures::{Counts, Cycle, FrameCounts, measure};
use cinecor_web::Problem;
use cinecor_wire::measured_with;

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
    let counts: Vec<FrameCounts> = record
        .frames
        .iter()
        .zip(&record.counts)
        .map(|(&frame, counts)| FrameCounts {
            frame,
            counts: Counts {
                right_ventricle: counts.right_ventricle,
                myocardium: counts.myocardium,
                left_ventricle: counts.left_ventricle,
            },
        })
        .collect();
    let geometry = study.geometry().map_err(Problem::internal)?;
    let cycle = Cycle {
        frame_ms: study.frame_ms(),
        frames_in_study: Some(study.shape().map_err(Problem::internal)?.frames),
    };
    let mut subject = measured_with(&study.subject);
    // A phase told for the study need not be among the frames of this segmentation; it is found among those that are.
    for told in [&mut subject.ed_frame, &mut subject.es_frame] {
        *told = told.filter(|frame| record.frames.contains(frame));
    }
    let metrics = measure(&counts, &geometry.spacing, &cycle, &subject)
        .map_err(|error| not_measurable(&error))?;
    in_form(form, &metrics)
}
