//! One inference on a package through the component that segments, and whether its answer is one.

use std::cell::RefCell;
use std::collections::VecDeque;

use cinecor_guest::{engine_not_configured, engine_unreachable, sentence};
use cinecor_model_card::Card;
use cinecor_web::{Problem, ProblemKind};
use futures::future::join;
use serde_json::Value;

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

/// Loads the package and segments so many slices that a full batch and the rest of one are computed, whole and, where its card has the network look
/// about the heart, in the smallest region: there is no heart in a warm-up that could be looked about.
pub(crate) async fn warm_up_wholly(model: ModelPackage) -> Result<Description, Failure> {
    let cards = of_smallest_region(&model.card).zip(without_region(&model.card));
    let Some((region, whole)) = cards else {
        return warm_up(model, true).await;
    };
    for card in [region, whole] {
        let other = ModelPackage {
            card,
            ..model.clone()
        };
        warm_up(other, true).await?;
    }
    // As it is, at last: what is kept of it is what requests will ask for.
    warm_up(model, false).await
}

/// The card without its region, so that every slice is looked at whole; `None` where it has none.
fn without_region(card: &str) -> Option<String> {
    let mut card: Value = serde_json::from_str(card).ok()?;
    let preprocessing = card.get_mut("preprocessing")?.as_object_mut()?;
    preprocessing
        .remove("region")
        .filter(|region| !region.is_null())?;
    Some(card.to_string())
}

/// The card of a network whose canvas is the smallest region of this one; `None` where it has no region.
fn of_smallest_region(card: &str) -> Option<String> {
    let region = Card::parse(card).ok()?.region?;
    let mut card: Value = serde_json::from_str(&without_region(card)?).ok()?;
    let canvas = card.pointer_mut("/preprocessing/canvas")?;
    let side = (1 + 2 * region.margin).next_multiple_of(region.step);
    for axis in ["rows", "columns"] {
        let whole = canvas.get(axis)?.as_u64()?;
        canvas[axis] = whole.min(u64::from(side)).into();
    }
    Some(card.to_string())
}

/// Loads the package and segments one slice; with `whole_batch` so many slices that a full batch and the rest of one are computed.
async fn warm_up(model: ModelPackage, whole_batch: bool) -> Result<Description, Failure> {
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
    let wrong = |what: String| Err(Failure::Package(what));
    let again = async {
        match whole_batch {
            true => Some(segmenter::segment(model.clone(), grid, intensities.clone()).await),
            false => None,
        }
    };
    let first = segmenter::segment(model.clone(), grid, intensities.clone());
    // A cine's frames come several at once.
    let (frame, again) = join(first, again).await;
    let (frame, again) = (frame.map_err(failure)?, again.transpose().map_err(failure)?);
    if again.is_some_and(|again| again.labels != frame.labels) {
        return wrong(
            "The model answered the same slices with other labels when it was asked twice at once."
                .to_owned(),
        );
    }
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
