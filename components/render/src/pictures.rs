//! From a call to a picture: reads the frame and the mask that it names, and nothing else.
//!
//! A picture's tag is worked out of what it is made of, before anything is read or drawn: asking again for one that the caller has
//! costs two records. Grey levels are chosen from the whole frame, so that slices of one frame can be compared.

use cinecor_guest::{
    Answer, Call, GuestStore, KeptSlice, kept_mask_slice, kept_slice, open_store, sentence,
    storage_problem,
};
use cinecor_measures::Cycle;
use cinecor_render::{Overlay, Picture, RenderError, Style, Verdict, Window, render};
use cinecor_store::{SegmentationRecord, StudyRecord};
use cinecor_volume::{Label, Shape};
use cinecor_web::{Etag, PNG, Problem, ProblemKind};
use cinecor_wire::{kept_quality, measure_kept};
use ndarray::{Array2, Axis};

/// Part of every tag: to be raised when the same parameters draw something else.
const DRAWING: u32 = 2;

/// `GET /api/v1/studies/{id}/slices/{slice}.png`.
///
/// # Errors
/// No such study, slice or frame; a window or width that is none.
pub(crate) async fn study(call: &Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let id = call.id("id")?;
    let store = open_store().await?;
    let study = store
        .study(&id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_study)?;
    let shape = study.shape().map_err(Problem::internal)?;
    let frame = frame_of(call, 0, |frame| frame < shape.frames)?;
    draw(call, &store, &study, shape, frame, None).await
}

/// `GET /api/v1/studies/{id}/segmentations/{sid}/slices/{slice}.png`.
///
/// # Errors
/// No such segmentation, slice or frame; a window, width or opacity that is none.
pub(crate) async fn segmentation(call: &Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    let shape = study.shape().map_err(Problem::internal)?;
    let first = record.frames.first().copied().unwrap_or(0);
    let frame = frame_of(call, first, |frame| record.frames.contains(&frame))?;
    draw(call, &store, &study, shape, frame, Some(&record)).await
}

/// The frame that is asked for, or `first`.
fn frame_of(call: &Call, first: usize, exists: impl Fn(usize) -> bool) -> Result<usize, Problem> {
    let frame = call
        .query
        .integer("frame")
        .map(usize::try_from)
        .transpose()
        .map_err(Problem::internal)?
        .unwrap_or(first);
    match exists(frame) {
        true => Ok(frame),
        false => Err(Problem::new(
            ProblemKind::NotFound,
            format!(
                "There is no frame {frame} here; ask for one of the segmentation's `frames`, or of a study for one from 0 to one less than `shape.frames`."
            ),
        )),
    }
}

async fn draw(
    call: &Call,
    store: &GuestStore,
    study: &StudyRecord,
    shape: Shape,
    frame: usize,
    record: Option<&SegmentationRecord>,
) -> Result<Answer, Problem> {
    let slice = usize::try_from(call.path.number("slice")).map_err(Problem::internal)?;
    if slice >= shape.slices {
        return Err(Problem::new(
            ProblemKind::NotFound,
            format!(
                "There is no slice {slice} here; ask for one of the slices 0 to {}.",
                shape.slices.saturating_sub(1)
            ),
        ));
    }
    let window = window(call)?;
    let width = call
        .query
        .integer("width")
        .map(u32::try_from)
        .transpose()
        .map_err(Problem::internal)?;
    let record = record.filter(|_| call.query.text("overlay") != Some("none"));
    let verdict = record.map(|record| verdict(study, record)).transpose()?;
    let tell = |answer: Answer| match verdict {
        Some(verdict) => answer.verdict(verdict.name()),
        None => answer,
    };
    let etag = tag(call, study, record.zip(verdict), frame, slice);
    if etag.matches_none(&call.headers) {
        return Ok(tell(Answer::not_modified(&etag)));
    }

    let (grey, at, chosen) = match kept_slice(store, study, frame, slice).await? {
        KeptSlice::Alone(grey, (center, width)) => {
            let kept = Window::new(center, width).map_err(Problem::internal)?;
            (grey, 0, window.unwrap_or(kept))
        }
        KeptSlice::Within(grey) => {
            let chosen = window.unwrap_or_else(|| Window::of_frame(&grey));
            (grey, slice, chosen)
        }
    };
    let picture = Picture {
        window: Some(chosen),
        width,
    };
    let labels = match record {
        Some(record) => Some(kept_mask_slice(store, study, record, frame, slice).await?),
        None => None,
    };
    let spacing = study.geometry().map_err(Problem::internal)?.spacing;
    let overlay = match labels.as_ref().zip(verdict) {
        Some((labels, verdict)) => {
            let marked = call.query.text("verdict") != Some("none");
            Some(overlay(call, labels)?.with_verdict(verdict, marked))
        }
        None => None,
    };
    let png = render(
        grey.index_axis(Axis(0), at),
        &spacing,
        &picture,
        overlay.as_ref(),
    )
    .map_err(|error| not_drawn(&error))?;
    Ok(tell(Answer::bytes(PNG, png).etag(&etag)))
}

/// The verdict on a revision as it is now: what is told of a study may change it.
fn verdict(study: &StudyRecord, record: &SegmentationRecord) -> Result<Verdict, Problem> {
    let spacing = study.geometry().map_err(Problem::internal)?.spacing;
    let cycle = Cycle {
        frame_ms: study.frame_ms(),
        frames_in_study: Some(study.shape().map_err(Problem::internal)?.frames),
    };
    let metrics =
        measure_kept(record, &study.facts(), &spacing, &cycle).map_err(Problem::internal)?;
    let verdict = kept_quality(record, &metrics).verdict;
    Verdict::from_name(&verdict).ok_or_else(|| Problem::internal("a verdict that there is not"))
}

/// The grey window that is asked for; both of its parts, or none.
fn window(call: &Call) -> Result<Option<Window>, Problem> {
    match (
        call.query.number("window_center"),
        call.query.number("window_width"),
    ) {
        (None, None) => Ok(None),
        (Some(center), Some(width)) => Window::new(center as f32, width as f32)
            .map(Some)
            .map_err(|error| not_drawn(&error)),
        (Some(_), None) => Err(Problem::parameter(
            "window_width",
            "is missing; a window has a center and a width, send both or none",
        )),
        (None, Some(_)) => Err(Problem::parameter(
            "window_center",
            "is missing; a window has a center and a width, send both or none",
        )),
    }
}

fn overlay<'a>(call: &Call, labels: &'a Array2<u8>) -> Result<Overlay<'a>, Problem> {
    let style = match call.query.text("overlay") {
        Some("fill") => Style::Fill,
        _ => Style::Contour,
    };
    let mut overlay = Overlay::new(labels.view(), style);
    if let Some(opacity) = call.query.number("opacity") {
        overlay = overlay
            .with_opacity(opacity as f32)
            .map_err(|error| not_drawn(&error))?;
    }
    if let Some(codes) = call.query.integers("labels") {
        let shown: Vec<Label> = codes
            .iter()
            .filter_map(|&code| Label::from_code(u8::try_from(code).ok()?))
            .collect();
        overlay = overlay.with_labels(&shown);
    }
    Ok(overlay)
}

/// A tag that differs wherever a byte of the picture may: what is drawn never changes under its ids.
fn tag(
    call: &Call,
    study: &StudyRecord,
    labels: Option<(&SegmentationRecord, Verdict)>,
    frame: usize,
    slice: usize,
) -> Etag {
    let text = |name: &str| call.query.text(name).unwrap_or("-");
    let mask = labels.map_or_else(
        || "grey".to_owned(),
        |(record, verdict)| {
            let (id, verdict) = (record.id.as_str(), verdict.name());
            format!("{id}.{}.{verdict}", record.revision)
        },
    );
    let parts = [
        "overlay",
        "opacity",
        "labels",
        "verdict",
        "window_center",
        "window_width",
        "width",
    ]
    .map(text)
    .join("_");
    Etag::of(&format!(
        "{DRAWING}_{}_{mask}_{frame}_{slice}_{parts}",
        study.id.as_str()
    ))
}

/// A drawing's refusal as a problem that names the parameter.
fn not_drawn(error: &RenderError) -> Problem {
    let parameter = match error {
        RenderError::BadWindow { .. } => "window_width",
        RenderError::BadOpacity { .. } => "opacity",
        RenderError::BadSize { .. } => "width",
        other => return Problem::internal(other),
    };
    Problem::new(ProblemKind::InvalidParameter, sentence(&error.to_string()))
        .with("parameter", parameter)
}
