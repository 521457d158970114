//! One inference on a package through the component that segments, and whether its answer is one.

use cinecor_guest::sentence;

use crate::bindings::cinecor::inference::graphs;
use crate::bindings::cinecor::model::segmenter::{self, Error, Grid, ModelPackage};
use crate::bindings::cinecor::model::types::Description;

/// Columns and rows of the warm-up slices: any size will do, the model brings it to its own.
const SIZE: u32 = 32;

/// Spacing of the warm-up slices in mm, common in cine MRI.
const SPACING_MM: f64 = 1.5;

/// The most slices that are tried, whatever the engine says of its batch.
const SLICES_MAX: u32 = 16;

/// Why a package did not answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is the package's fault; a sentence that may be shown.
    Package(String),
    /// There was no room for it now.
    Busy(String),
    /// The engine is elsewhere and did not answer.
    Unreachable(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Package(text) | Failure::Busy(text) | Failure::Unreachable(text) => {
                f.write_str(text)
            }
        }
    }
}

/// Loads the package and segments one slice; with `whole_batch` so many slices that a full batch and the rest of one are computed.
pub(crate) async fn warm_up(
    model: ModelPackage,
    whole_batch: bool,
) -> Result<Description, Failure> {
    let described = segmenter::describe(model.clone()).await.map_err(failure)?;
    let slices = if whole_batch {
        let batch = graphs::describe(&format!("{}@{}", model.name, model.version))
            .map_or(1, |info| info.batch);
        batch.saturating_add(1).min(SLICES_MAX)
    } else {
        1
    };
    let grid = Grid {
        columns: SIZE,
        rows: SIZE,
        slices,
        column_mm: SPACING_MM,
        row_mm: SPACING_MM,
        slice_mm: 8.0,
    };
    // A ramp: normalising has to have something to divide by.
    let intensities: Vec<f32> = (0..SIZE * SIZE * slices)
        .map(|voxel| (voxel % SIZE) as f32)
        .collect();
    let expected = intensities.len();
    let frame = segmenter::segment(model, grid, intensities)
        .await
        .map_err(failure)?;
    let wrong = |what: String| Err(Failure::Package(what));
    if frame.labels.len() != expected || frame.confidence.len() != expected {
        return wrong(format!(
            "The model answered {} labels and {} confidences for {expected} voxels.",
            frame.labels.len(),
            frame.confidence.len()
        ));
    }
    if let Some(label) = frame.labels.iter().find(|label| **label > 3) {
        return wrong(format!(
            "The model answered the label {label}; labels are 0 to 3."
        ));
    }
    Ok(described)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Busy(text) => Failure::Busy(text),
        Error::Unreachable(text) => Failure::Unreachable(text),
        Error::InvalidCard(text)
        | Error::UnknownModel(text)
        | Error::UnsupportedGrid(text)
        | Error::UnsupportedPrecision(text)
        | Error::Engine(text) => Failure::Package(sentence(&text)),
    }
}
