//! Whether the service runs, and whether its active model answers.

use std::cell::RefCell;

use cinecor_guest::{Answer, variable};
use cinecor_web::{Problem, ProblemKind};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use crate::bindings::cinecor::model::segmenter::{self, Grid, ModelPackage};
use crate::packages::{self, Package};

/// Seconds after which a caller may ask again; loading a graph takes about as long.
const RETRY_AFTER_S: u32 = 2;

/// Columns and rows of the warm-up slice: any size will do, the model brings it to its own.
const WARM_UP_SIZE: u32 = 32;

/// Spacing of the warm-up slice in mm, common in cine MRI.
const WARM_UP_SPACING_MM: f64 = 1.5;

thread_local! {
    /// The graph that this instance has seen answering, by digest, with what is told of it.
    static ANSWERED: RefCell<Option<(String, Value)>> = const { RefCell::new(None) };
}

pub(crate) fn live() -> Result<Answer, Problem> {
    Ok(uncached(Answer::json(&json!({ "status": "live" }))?))
}

/// 200 after one inference on the active model, which an instance makes once for each graph. The records are opened too: a service that
/// cannot keep studies is not ready.
pub(crate) async fn ready() -> Result<Answer, Problem> {
    let name = variable("default_model").await?.unwrap_or_default();
    let version = packages::active_version(&name).await.map_err(|cause| {
        not_ready("The records cannot be opened").caused_by(cause.cause().unwrap_or(cause.detail()))
    })?;
    let version = version.ok_or_else(|| {
        not_ready("The default model is not there").caused_by(format!("default_model is `{name}`"))
    })?;
    let package = Package::open(&name, &version)?;
    let digest = package.card.graph.file.digest.clone();
    let known = ANSWERED.with_borrow(|answered| {
        answered
            .as_ref()
            .filter(|(found, _)| *found == digest)
            .map(|(_, model)| model.clone())
    });
    let model = match known {
        Some(model) => model,
        None => {
            let model = warm_up(package).await?;
            ANSWERED.set(Some((digest, model.clone())));
            model
        }
    };
    Ok(uncached(Answer::json(
        &json!({ "status": "ready", "model": model }),
    )?))
}

async fn warm_up(package: Package) -> Result<Value, Problem> {
    let model = ModelPackage {
        name: package.name,
        version: package.version,
        card: package.text,
        precision: None,
    };
    let failed =
        |cause| not_ready("The active model does not answer").caused_by(format!("{cause:?}"));
    let described = segmenter::describe(model.clone()).await.map_err(failed)?;
    let grid = Grid {
        columns: WARM_UP_SIZE,
        rows: WARM_UP_SIZE,
        slices: 1,
        column_mm: WARM_UP_SPACING_MM,
        row_mm: WARM_UP_SPACING_MM,
        slice_mm: 8.0,
    };
    // A ramp: normalising has to have something to divide by.
    let intensities: Vec<f32> = (0..WARM_UP_SIZE * WARM_UP_SIZE)
        .map(|voxel| (voxel % WARM_UP_SIZE) as f32)
        .collect();
    let expected = intensities.len();
    let segmented = segmenter::segment(model, grid, intensities)
        .await
        .map_err(failed)?;
    if segmented.labels.len() != expected {
        return Err(
            not_ready("The active model does not answer").caused_by(format!(
                "{} labels for {expected} voxels",
                segmented.labels.len()
            )),
        );
    }
    Ok(json!({
        "name": described.name,
        "version": described.version,
        "digest": described.digest,
        "engine": described.engine,
        "device": described.device,
        "precision": described.precision,
    }))
}

fn not_ready(what: &str) -> Problem {
    Problem::new(
        ProblemKind::NotReady,
        format!("{what}; try again in a while. If it stays, the log of the service says why."),
    )
    .retry_after(RETRY_AFTER_S)
}

fn uncached(answer: Answer) -> Answer {
    answer.header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
