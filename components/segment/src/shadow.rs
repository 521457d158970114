//! A second version of the model on a study that was just segmented: the frames of end-diastole and end-systole, once the answer is sent.
//! What goes wrong here is noted with the study and in the log, and touches no answer.

use cinecor_guest::{GuestStore, kept_frame, kept_mask, now_ms, storage_problem};
use cinecor_measures::compare;
use cinecor_store::{SegmentationRecord, ShadowResult, StudyRecord};
use cinecor_volume::Label;
use cinecor_web::Problem;
use cinecor_wire::TimingsJson;
use ndarray::{Array4, ArrayView4, Axis, concatenate};

use crate::model::Model;
use crate::sight::see_turned;

/// Runs the shadow of the model that made `record`, if it has one, and keeps how the two agree.
pub(crate) async fn run(store: &GuestStore, study: &StudyRecord, record: &SegmentationRecord) {
    if let Err(problem) = compare_and_keep(store, study, record).await {
        eprintln!(
            "{}",
            serde_json::json!({"level": "warn", "what": "a shadow was not compared", "cause": problem.cause().unwrap_or(problem.detail())})
        );
    }
}

async fn compare_and_keep(
    store: &GuestStore,
    study: &StudyRecord,
    record: &SegmentationRecord,
) -> Result<(), Problem> {
    let model = &record.model;
    let Some(shadow) = store.shadow(&model.name).await.map_err(storage_problem)? else {
        return Ok(());
    };
    if shadow.version == model.version {
        return Ok(());
    }
    let mut frames: Vec<usize> = [record.ed_frame, record.es_frame]
        .into_iter()
        .flatten()
        .collect();
    if frames.is_empty() {
        frames.extend(record.frames.first());
    }
    frames.dedup();
    let mut result = ShadowResult {
        study_id: study.id.clone(),
        segmentation_id: record.id.clone(),
        at_ms: now_ms(),
        active_version: model.version.clone(),
        active_digest: model.digest.clone(),
        shadow_version: shadow.version.clone(),
        shadow_digest: None,
        frames: frames.clone(),
        dice: [None; 3],
        ef_difference_points: None,
        comparing: true,
        failed: None,
    };
    // A component that traps takes this one along: what is kept before is what is told of it.
    store
        .put_shadow_result(&model.name, &result)
        .await
        .map_err(storage_problem)?;
    match agree(store, study, record, &frames, &shadow.version).await {
        Ok(agreed) => {
            result.shadow_digest = Some(agreed.digest);
            result.dice = agreed.dice;
            result.ef_difference_points = agreed.ef_difference_points;
        }
        Err(problem) => result.failed = Some(problem.detail().to_owned()),
    }
    result.comparing = false;
    result.at_ms = now_ms();
    store
        .put_shadow_result(&model.name, &result)
        .await
        .map_err(storage_problem)
}

/// How the two agree.
struct Agreed {
    /// SHA-256 of the shadow's graph.
    digest: String,
    /// Of the right ventricle, the myocardium and the left ventricle.
    dice: [Option<f64>; 3],
    ef_difference_points: Option<f64>,
}

async fn agree(
    store: &GuestStore,
    study: &StudyRecord,
    record: &SegmentationRecord,
    frames: &[usize],
    version: &str,
) -> Result<Agreed, Problem> {
    let Masks {
        answered,
        shadow,
        digest,
    } = masks(store, study, record, frames, version).await?;
    let spacing = study.geometry().map_err(Problem::internal)?.spacing;
    let agreement = compare(answered.view(), shadow.view(), &spacing).map_err(Problem::internal)?;
    let ef = ef_percent(shadow.view()).zip(ef_percent(answered.view()));
    Ok(Agreed {
        digest,
        dice: [
            agreement.right_ventricle.dice,
            agreement.myocardium.dice,
            agreement.left_ventricle.dice,
        ],
        ef_difference_points: ef.map(|(shadow, answered)| shadow - answered),
    })
}

/// Labels of the same frames, shape `[T, Z, Y, X]`.
struct Masks {
    answered: Array4<u8>,
    shadow: Array4<u8>,
    /// SHA-256 of the shadow's graph.
    digest: String,
}

async fn masks(
    store: &GuestStore,
    study: &StudyRecord,
    record: &SegmentationRecord,
    frames: &[usize],
    version: &str,
) -> Result<Masks, Problem> {
    let reference = format!("{}@{version}", record.model.name);
    let model = Model::chosen(Some(&reference), None).await?;
    let spacing = study.geometry().map_err(Problem::internal)?.spacing;
    // Both have to see the same: how the other was shown the slices is no difference of models.
    let turn = record.turn.into();
    let (mut answered, mut beside) = (Vec::new(), Vec::new());
    for &frame in frames {
        let labels = kept_mask(store, study, record, frame).await?;
        answered.push(labels.insert_axis(Axis(0)));
        let intensities = kept_frame(store, study, frame).await?;
        let timings = &mut TimingsJson::default();
        let seen = see_turned(&model, &spacing, &intensities, turn, timings).await?;
        beside.push(seen.labels.insert_axis(Axis(0)));
    }
    let joined = |frames: &[Array4<u8>]| {
        let views: Vec<ArrayView4<'_, u8>> = frames.iter().map(|frame| frame.view()).collect();
        concatenate(Axis(0), &views).map_err(Problem::internal)
    };
    Ok(Masks {
        answered: joined(&answered)?,
        shadow: joined(&beside)?,
        digest: model.used().digest,
    })
}

/// The left ejection fraction of two frames, end-diastole first, in percent: of equal voxels the volumes' ratio is the counts'.
fn ef_percent(labels: ArrayView4<'_, u8>) -> Option<f64> {
    let code = Label::LeftVentricle.code();
    let counts: Vec<usize> = labels
        .axis_iter(Axis(0))
        .map(|frame| frame.iter().filter(|label| **label == code).count())
        .collect();
    match counts.as_slice() {
        [ed, es] if *ed > 0 => Some(100.0 * (*ed as f64 - *es as f64) / *ed as f64),
        _ => None,
    }
}
