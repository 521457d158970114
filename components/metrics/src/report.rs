//! The report of a kept segmentation, as HTML, as JSON, or its numbers as CSV.

use cinecor_guest::{Answer, Call, GuestStore, kept_card, kept_frame, kept_mask, open_store};
use cinecor_measures::Metrics;
use cinecor_model_card::Card;
use cinecor_report::{Phase, html, key_slices};
use cinecor_store::{SegmentationRecord, StudyRecord};
use cinecor_web::{CSV, HTML, Problem, rfc3339};
use cinecor_wire::{CardJson, PictureJson, ReportJson, SegmentationJson, StudyJson};
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

use crate::kept::{Wanted, numbers, tag_name};

/// `GET /api/v1/studies/{id}/segmentations/{sid}/report`.
///
/// # Errors
/// No such segmentation; told phases that it does not have.
pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    let form = call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    let wanted = Wanted::of(call, &study, &record)?;
    let metrics = wanted.measure(&study, &record)?;
    let numbers = numbers(&study, &record, &metrics)?;
    let verdict = numbers.quality.verdict.clone();
    let tell = |answer: Answer| answer.tagged(&tag_name(&record)).verdict(&verdict);
    if form == CSV {
        return Ok(tell(wanted.csv(
            &study,
            &record,
            &metrics,
            &numbers,
            "report.csv",
        )));
    }
    let segmentation = SegmentationJson::kept(&record, &metrics, &study.facts(), rfc3339);
    let report = ReportJson::of(
        StudyJson::kept(&study, rfc3339(study.created_at_ms)),
        match call.revision()? {
            Some(_) => segmentation.pinned(),
            None => segmentation,
        },
        numbers,
        card(&store, &record).await?,
        pictures(&store, &study, &record, &metrics).await?,
    );
    let report = if wanted.is_kept(&study, &record) {
        report
    } else {
        report.supposed(&wanted.rules, wanted.bsa_formula, &wanted.subject)
    };
    if form != HTML {
        return Answer::json(&report).map(tell);
    }
    let page = html(&report);
    // Other sites may not frame it; the rest of the policy stands in the file as well.
    let policy = format!("{}; frame-ancestors 'self'", page.policy);
    let policy = HeaderValue::from_str(&policy).map_err(Problem::internal)?;
    let answer = Answer::bytes(HTML, page.text).header(CONTENT_SECURITY_POLICY, policy);
    Ok(tell(answer))
}

/// What the card of the model says of its use; `None` when the package that segmented is not there any more.
async fn card(
    store: &GuestStore,
    record: &SegmentationRecord,
) -> Result<Option<CardJson>, Problem> {
    let model = &record.model;
    let Some(text) = kept_card(store, &model.name, &model.version).await? else {
        return Ok(None);
    };
    let card = Card::parse(&text).map_err(Problem::internal)?;
    let graph = card.in_precision(&model.precision);
    // Another package under the same name says nothing of this one.
    if graph.is_none_or(|graph| graph.file.digest != model.digest) {
        return Ok(None);
    }
    let calibration = card.calibration;
    Ok(Some(CardJson {
        title: card.title,
        licence: card.licence,
        intended_use: card.intended_use,
        limits: card.limits,
        has_intervals: calibration.is_some_and(|known| known.intervals.is_some()),
    }))
}

/// Slices at both phases of the left ventricle, or of the one frame that was segmented.
async fn pictures(
    store: &GuestStore,
    study: &StudyRecord,
    record: &SegmentationRecord,
    metrics: &Metrics,
) -> Result<Vec<PictureJson>, Problem> {
    let phases = metrics.phases.left_ventricle;
    let mut shown: Vec<(&str, usize)> = [("ed", phases.ed_frame), ("es", phases.es_frame)]
        .into_iter()
        .filter_map(|(name, frame)| Some((name, frame?)))
        .collect();
    if shown.is_empty() {
        shown.extend(record.frames.first().map(|&frame| ("frame", frame)));
    }
    let mut frames = Vec::new();
    for (name, frame) in shown {
        let grey = kept_frame(store, study, frame).await?;
        let labels = kept_mask(store, study, record, frame).await?;
        frames.push((name, frame, grey, labels));
    }
    let phases: Vec<Phase<'_>> = frames
        .iter()
        .map(|(name, frame, grey, labels)| Phase {
            name,
            frame: *frame,
            grey,
            labels,
        })
        .collect();
    let spacing = study.geometry().map_err(Problem::internal)?.spacing;
    key_slices(&phases, &spacing).map_err(Problem::internal)
}
