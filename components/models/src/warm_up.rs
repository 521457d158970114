//! One inference on a package through the component that segments, and whether its answer is one.

use std::cell::RefCell;
use std::collections::VecDeque;

use cinecor_guest::{engine_not_configured, engine_unreachable, sentence};
use cinecor_web::{Problem, ProblemKind};

use crate::bindings::cinecor::inference::graphs;
use crate::bindings::cinecor::model::segmenter::{self, Error, Grid, ModelPackage};
use crate::bindings::cinecor::model::types::Description;

/// Columns and rows of the warm-up slices: any size will do, the model brings it to its own.
const SIZE: u32 = 32;

/// Spacing of the warm-up slices in mm, common in cine MRI.
const SPACING_MM: f64 = 1.5;

/// The most slices that are tried, whatever the engine says of its batch.
const SLICES_MAX: u32 = 16;

/// Graphs that an instance remembers to have answered.
const ANSWERED_MAX: usize = 8;

thread_local! {
    /// The latest graphs that this instance has seen answering, as [`answering`] names them. Another component is another instance, and knows none.
    static ANSWERED: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

/// What answers, in one text.
fn answering(of: &Description) -> String {
    let Description {
        name,
        version,
        digest,
        engine,
        device,
        precision,
    } = of;
    format!("{name}@{version} {digest} {engine} {device} {precision}")
}

/// Why a package did not answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is the package's fault; a sentence that may be shown.
    Package(String),
    /// There was no room for it now.
    Busy(String),
    /// The engine is elsewhere and did not answer.
    Unreachable(String),
    /// There is no engine until a setting is given.
    NotConfigured(String),
}

impl Failure {
    /// As an answer: `of_package` says what the package's own fault is.
    pub(crate) fn problem(self, of_package: impl FnOnce(String) -> Problem) -> Problem {
        match self {
            Failure::Package(text) => of_package(text),
            Failure::Busy(text) => Problem::new(
                ProblemKind::Overloaded,
                "The inference engine has no room for the warm-up now; try again in a second.",
            )
            .caused_by(text)
            .retry_after(1),
            Failure::Unreachable(text) => engine_unreachable(&text),
            Failure::NotConfigured(text) => engine_not_configured(&text),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Package(text)
            | Failure::Busy(text)
            | Failure::Unreachable(text)
            | Failure::NotConfigured(text) => f.write_str(text),
        }
    }
}

/// Loads the package and, unless this instance has seen its graph answer, segments one slice. Then it costs no turn at the engine.
pub(crate) async fn warm_up_once(model: ModelPackage) -> Result<Description, Failure> {
    let described = segmenter::describe(model.clone()).await.map_err(failure)?;
    if ANSWERED.with_borrow(|seen| seen.contains(&answering(&described))) {
        return Ok(described);
    }
    warm_up(model, false).await
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
    ANSWERED.with_borrow_mut(|seen| {
        seen.push_front(answering(&described));
        seen.truncate(ANSWERED_MAX);
    });
    Ok(described)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Busy(text) => Failure::Busy(text),
        Error::Unreachable(text) => Failure::Unreachable(text),
        Error::NotConfigured(text) => Failure::NotConfigured(text),
        Error::InvalidCard(text)
        | Error::UnknownModel(text)
        | Error::UnsupportedGrid(text)
        | Error::UnsupportedPrecision(text)
        | Error::Engine(text) => Failure::Package(sentence(&text)),
    }
}
