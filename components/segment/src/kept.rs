//! Segmentations of kept studies: made once, found again, listed, deleted.

use std::rc::Rc;
use std::time::Instant;

use cinecor_guest::{
    Answer, Call, GuestStore, chunk_into, content_tag, kept_frame, now_ms, open_store, random_id,
    storage_problem,
};
use cinecor_measures::{Cycle, Metrics, Quality};
use cinecor_store::{
    Action, CheckRecord, ChunkInfo, Committed, Event, QualityRecord, SegmentationRecord, Staging,
    StoreError, StudyRecord, TimingsMs, ToldRecord, lookup_key,
};
use cinecor_web::{Cursor, Etag, JSON, Problem, SSE, require_match, rfc3339};
use cinecor_wire::{
    SegmentationJson, SegmentationListJson, doubt_record, label_counts, measure_kept,
    profile_record,
};
use futures::FutureExt;
use serde_json::{Map, Value};

use crate::model::{Model, precision};
use crate::progress::Listener;
use crate::shadow;
use crate::work::{Cine, Looked, Wanted, Work, milliseconds, not_measurable};

/// How many segmentations a page has unless told.
pub(crate) const PAGE: u64 = 20;

/// `POST /api/v1/studies/{id}/segmentations`.
///
/// # Errors
/// Whatever is wrong with the request, the study or the model. Once events have begun, a problem is the last of them.
pub(crate) async fn create(mut call: Call) -> Result<Answer, Problem> {
    let form = call.accepted()?;
    let study_id = call.id("id")?;
    let asked = Asked::read(call.json().await?.unwrap_or_default())?;
    let store = open_store().await?;
    let study = store
        .study(&study_id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_study)?;
    let model = Model::chosen(asked.model.as_deref(), asked.precision).await?;
    let cine = Cine::kept(&study)?;
    let wanted = Wanted {
        frames: asked.frames,
        ..Wanted::default()
    };
    let facts = match &wanted.frames {
        Some(frames) => study.facts().for_frames(frames),
        None => study.facts(),
    };
    let model = Rc::new(model);
    let work = Work::begin(model.clone(), wanted, cine, &facts)?;
    let frames: Vec<usize> = work.selected().collect();

    let lookup = lookup_key(&study_id, &frames, &model.used());
    if let Some(record) = store
        .find_segmentation(&lookup)
        .await
        .map_err(storage_problem)?
    {
        return Ok(match form {
            SSE => {
                let json = to_json(&record, &study)?;
                Answer::events(move |sink| Listener::Events(sink).end(Ok(json)))
            }
            _ => worded(&record, &study, false)?,
        });
    }
    let id = random_id();
    let event = call.event(Action::CreateSegmentation, Some(&study_id), Some(&id));
    let begun = store
        .begin_segmentation(&study_id, &id, &frames, now_ms())
        .await
        .map_err(storage_problem)?;
    let staging = begun.ok_or_else(Call::no_study)?;
    let mut job = Job {
        started: Instant::now(),
        store,
        study,
        model,
        event,
        listener: Listener::Silent,
        staging: Some(staging),
    };
    if form == SSE {
        return Ok(Answer::events(move |sink| async move {
            job.listener = Listener::Events(sink);
            let outcome = job.run(work).await;
            let fresh = outcome
                .as_ref()
                .ok()
                .filter(|(_, is_new)| *is_new)
                .map(|(record, _)| record.clone());
            if !job.listener.is_gone() {
                let listener = std::mem::replace(&mut job.listener, Listener::Silent);
                listener
                    .end(outcome.and_then(|(record, _)| to_json(&record, &job.study)))
                    .await;
            }
            if let Some(record) = fresh {
                shadow::run(&job.store, &job.study, &record).await;
            }
        }));
    }
    let (record, is_new) = job.run(work).await?;
    let answer = worded(&record, &job.study, false)?;
    Ok(if is_new {
        answer
            .created(&path_of(&record))
            .then(move || async move { shadow::run(&job.store, &job.study, &record).await })
    } else {
        answer
    })
}

/// `GET /api/v1/studies/{id}/segmentations`.
///
/// # Errors
/// No such study, or a cursor that is none.
pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let study_id = call.id("id")?;
    let limit =
        usize::try_from(call.query.integer("limit").unwrap_or(PAGE)).map_err(Problem::internal)?;
    let cursor = call.query.text("cursor").map(Cursor::decode).transpose()?;
    let store = open_store().await?;
    let study = store
        .study(&study_id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_study)?;
    let behind = cursor
        .as_ref()
        .map(|cursor| (cursor.created_at_ms, cursor.id.as_str()));
    // One more than asked for says whether there is a next page.
    let mut records = store
        .segmentations(&study_id, limit + 1, behind)
        .await
        .map_err(storage_problem)?;
    let more = records.len() > limit;
    records.truncate(limit);
    let last = records.last().filter(|_| more);
    let next_cursor = last.map(|record| {
        Cursor {
            created_at_ms: record.created_at_ms,
            id: record.id.as_str().to_owned(),
        }
        .encode()
    });
    let items = records
        .iter()
        .map(|record| in_words(record, &study, false))
        .collect::<Result<_, _>>()?;
    Answer::json(&SegmentationListJson { items, next_cursor })
}

/// `GET /api/v1/studies/{id}/segmentations/{sid}`.
///
/// # Errors
/// No such segmentation.
pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    worded(&record, &study, call.revision()?.is_some())
}

/// `DELETE /api/v1/studies/{id}/segmentations/{sid}`.
///
/// # Errors
/// No such segmentation.
pub(crate) async fn delete(call: &Call) -> Result<Answer, Problem> {
    let (study_id, id) = (call.id("id")?, call.id("sid")?);
    let event = call.event(Action::DeleteSegmentation, Some(&study_id), Some(&id));
    let store = open_store().await?;
    let deleted = store.delete_segmentation_if(&study_id, &id, &event, |record, study| {
        require_seen(call, record, study).map_err(Refused)
    });
    match deleted.await.map_err(|Refused(problem)| problem)? {
        true => Ok(Answer::no_content()),
        false => Err(Call::no_segmentation()),
    }
}

/// A refusal of a deletion, beside those of the store.
struct Refused(Problem);

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Refused(storage_problem(error))
    }
}

/// A segmentation as an answer: with the verdict, and with the tag by which it is found changed. `pinned` is one that was asked for by its
/// revision.
pub(crate) fn worded(
    record: &SegmentationRecord,
    study: &StudyRecord,
    pinned: bool,
) -> Result<Answer, Problem> {
    let json = in_words(record, study, pinned)?;
    let bytes = serde_json::to_vec(&json).map_err(Problem::internal)?;
    let answer = Answer::bytes(JSON, bytes).tagged(&tag_name(record));
    Ok(answer.verdict(&json.quality.verdict))
}

/// The answer to a change: the segmentation as it is now, and where it is.
pub(crate) fn changed(record: &SegmentationRecord, study: &StudyRecord) -> Result<Answer, Problem> {
    Ok(worded(record, study, false)?.located(&path_of(record)))
}

fn path_of(record: &SegmentationRecord) -> String {
    format!(
        "/api/v1/studies/{}/segmentations/{}",
        record.study_id.as_str(),
        record.id.as_str()
    )
}

/// What the tags of a revision begin with.
fn tag_name(record: &SegmentationRecord) -> String {
    format!("{}-{}", record.id.as_str(), record.revision)
}

/// Checks `If-Match` against every tag that the segmentation, or its mask, has in this revision.
///
/// # Errors
/// [`ProblemKind::PreconditionFailed`](cinecor_web::ProblemKind::PreconditionFailed).
pub(crate) fn require_seen(
    call: &Call,
    record: &SegmentationRecord,
    study: &StudyRecord,
) -> Result<(), Problem> {
    if !call.headers.contains_key("if-match") {
        return Ok(());
    }
    let tag = |pinned: bool| -> Result<Etag, Problem> {
        let json = in_words(record, study, pinned)?;
        let bytes = serde_json::to_vec(&json).map_err(Problem::internal)?;
        Ok(content_tag(Some(&tag_name(record)), &bytes))
    };
    let frames = record.frames.iter().map(|frame| Some(*frame));
    let mut tags: Vec<Etag> = frames
        .chain([None])
        .map(|frame| crate::mask::tag(record, frame))
        .collect();
    tags.extend([tag(false)?, tag(true)?]);
    require_match(&call.headers, &tags)
}

fn to_json(record: &SegmentationRecord, study: &StudyRecord) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(&in_words(record, study, false)?).map_err(Problem::internal)
}

/// A segmentation with the phases that its numbers have now.
fn in_words(
    record: &SegmentationRecord,
    study: &StudyRecord,
    pinned: bool,
) -> Result<SegmentationJson, Problem> {
    let metrics = measured(record, study)?;
    let json = SegmentationJson::kept(record, &metrics, &study.facts(), rfc3339);
    Ok(if pinned { json.pinned() } else { json })
}

/// The numbers of a segmentation now.
pub(crate) fn measured(
    record: &SegmentationRecord,
    study: &StudyRecord,
) -> Result<Metrics, Problem> {
    let spacing = study.geometry().map_err(Problem::internal)?.spacing;
    let cycle = Cycle {
        frame_ms: study.frame_ms(),
        frames_in_study: Some(study.shape().map_err(Problem::internal)?.frames),
    };
    measure_kept(record, &study.facts(), &spacing, &cycle).map_err(|error| not_measurable(&error))
}

/// A quality as it is kept.
pub(crate) fn quality_record(quality: &Quality) -> QualityRecord {
    let checks = quality.checks.iter().map(|check| CheckRecord {
        code: check.code.to_owned(),
        passed: check.passed,
        value: check.value,
        limit: check.limit,
        detail: check.detail.clone(),
    });
    QualityRecord {
        verdict: quality.verdict.name().to_owned(),
        checks: checks.collect(),
        score: quality.score,
    }
}

/// What the body asks for.
#[derive(Default)]
struct Asked {
    model: Option<String>,
    precision: Option<&'static str>,
    frames: Option<Vec<usize>>,
}

impl Asked {
    fn read(members: Map<String, Value>) -> Result<Asked, Problem> {
        let mut asked = Asked::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("model", Value::String(model)) => asked.model = Some(model),
                ("model", _) => {
                    return Err(Problem::field(
                        "model",
                        "is no text; it takes the name of a model, or name@version",
                    ));
                }
                ("precision", Value::String(text)) => asked.precision = Some(precision(&text)?),
                ("precision", _) => {
                    return Err(Problem::field(
                        "precision",
                        "is no text; it takes the name of a precision",
                    ));
                }
                ("frames", Value::String(all)) if all == "all" => asked.frames = None,
                ("frames", Value::Array(frames)) => asked.frames = Some(frame_list(&frames)?),
                ("frames", _) => {
                    return Err(Problem::field(
                        "frames",
                        "is neither \"all\" nor a list of frames; send one of them",
                    ));
                }
                (other, _) => {
                    let shown: String =
                        other.chars().filter(|c| !c.is_control()).take(40).collect();
                    return Err(Problem::field(
                        &shown,
                        "is not known; the body takes model, precision and frames",
                    ));
                }
            }
        }
        Ok(asked)
    }
}

fn frame_list(values: &[Value]) -> Result<Vec<usize>, Problem> {
    let refused = || {
        Problem::field(
            "frames",
            "is no list of different whole numbers from 0; send such a list, or \"all\"",
        )
    };
    let number = |value: &Value| {
        value
            .as_u64()
            .and_then(|frame| usize::try_from(frame).ok())
            .ok_or_else(refused)
    };
    let mut frames = values.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let asked = frames.len();
    frames.sort_unstable();
    frames.dedup();
    if frames.is_empty() || frames.len() != asked {
        Err(refused())
    } else {
        Ok(frames)
    }
}

/// A segmentation under way.
struct Job {
    started: Instant,
    store: GuestStore,
    study: StudyRecord,
    model: Rc<Model>,
    event: Event,
    listener: Listener,
    /// What is being written; taken when it is there, or given up.
    staging: Option<Staging>,
}

impl Job {
    /// The record, and whether it is new. What was written of a segmentation that does not come to its end is removed.
    async fn run(&mut self, work: Work) -> Result<(SegmentationRecord, bool), Problem> {
        let outcome = self.segment(work).await;
        if let Some(staging) = self.staging.take() {
            // The sweep tries again where this fails; the problem of the work is what the caller has to know.
            if let Err(error) = self.store.abort(staging).await {
                eprintln!(
                    "{}",
                    serde_json::json!({"level": "warn", "request_id": self.event.request_id, "cause": error.to_string()})
                );
            }
        }
        outcome
    }

    /// Puts the masks that are done away.
    async fn put(&mut self, work: &mut Work, chunks: &mut Vec<ChunkInfo>) -> Result<(), Problem> {
        for mask in work.take_masks() {
            let chunk = chunk_into(mask.chunk);
            chunks.push(chunk.info());
            let staging = self.staging.as_mut().ok_or_else(lost)?;
            self.store
                .put_frame(staging, mask.frame, &chunk, now_ms())
                .await
                .map_err(storage_problem)?;
        }
        Ok(())
    }

    /// Has the model look at frames, and puts their masks away. Frames are read and masks written while it looks at others.
    async fn look_at_all(
        &mut self,
        work: &mut Work,
        frames: &[usize],
        chunks: &mut Vec<ChunkInfo>,
        decode_ms: &mut f64,
    ) -> Result<(), Problem> {
        for &frame in frames {
            // What was seen already goes first, so that progress is told of it before more is shown.
            while work.is_looking() {
                let looked = match work.is_full() {
                    true => Some(work.looked().await),
                    false => work.looked().now_or_never(),
                };
                match looked {
                    Some(Some(looked)) => self.see(work, looked, chunks).await?,
                    _ => break,
                }
            }
            let (reading, idle) = (Instant::now(), !work.is_looking());
            let intensities = match kept_frame(&self.store, &self.study, frame).await {
                Ok(intensities) => intensities,
                // What is wrong with the frames before is told first.
                Err(problem) => {
                    self.see_rest(work, chunks).await?;
                    return Err(problem);
                }
            };
            if idle {
                *decode_ms += milliseconds(reading);
            }
            work.look(frame, intensities).await;
        }
        self.see_rest(work, chunks).await
    }

    async fn see_rest(
        &mut self,
        work: &mut Work,
        chunks: &mut Vec<ChunkInfo>,
    ) -> Result<(), Problem> {
        while let Some(looked) = work.looked().await {
            self.see(work, looked, chunks).await?;
        }
        Ok(())
    }

    async fn see(
        &mut self,
        work: &mut Work,
        looked: Looked,
        chunks: &mut Vec<ChunkInfo>,
    ) -> Result<(), Problem> {
        work.see(looked, &mut self.listener).await?;
        self.put(work, chunks).await?;
        self.listener.segmented(work.done(), work.total()).await
    }

    async fn segment(&mut self, mut work: Work) -> Result<(SegmentationRecord, bool), Problem> {
        let (total, selected) = (work.total(), work.selected().collect::<Vec<_>>());
        let mut chunks = Vec::with_capacity(total);
        self.listener.segmented(0, total).await?;
        let (started, mut decode_ms) = (Instant::now(), 0.0);
        let looked = self
            .look_at_all(&mut work, &selected, &mut chunks, &mut decode_ms)
            .await;
        work.rest().await;
        looked?;
        work.settle(milliseconds(started) - decode_ms)?;
        self.put(&mut work, &mut chunks).await?;
        let facts = self.study.facts().for_frames(&selected);
        let outcome = work.finish(&facts, self.study.frame_ms())?;
        let staging = self.staging.take().ok_or_else(lost)?;
        let phases = outcome.metrics.phases.left_ventricle;
        let now = now_ms();
        self.event.at_ms = now;
        let record = SegmentationRecord {
            id: staging.id().clone(),
            study_id: self.study.id.clone(),
            created_at_ms: now,
            revision: 1,
            model: self.model.used(),
            frames: outcome.frames,
            excluded_slices: Vec::new(),
            ed_frame: phases.ed_frame,
            es_frame: phases.es_frame,
            counts: outcome
                .profiles
                .iter()
                .map(|profile| label_counts(profile.counts()))
                .collect(),
            profiles: outcome.profiles.iter().map(profile_record).collect(),
            doubt: self
                .model
                .factors()
                .map(|factors| doubt_record(&outcome.doubts, factors)),
            scores: outcome
                .profiles
                .iter()
                .map(|profile| {
                    let mut scores = outcome.scores.iter();
                    let of = scores.find(|of| of.frame == profile.frame);
                    of.map(|of| of.score)
                })
                .collect(),
            quality: quality_record(&outcome.metrics.quality),
            timings: TimingsMs {
                decode: decode_ms,
                preprocess: outcome.timings.preprocess,
                inference: outcome.timings.inference,
                postprocess: outcome.timings.postprocess,
                total: milliseconds(self.started),
            },
            chunks,
            author: Some(self.event.subject.clone()),
            turn: outcome.turn.into(),
            told: ToldRecord::default(),
            drawn: Vec::new(),
            change: None,
            review: None,
        };
        match self
            .store
            .commit_segmentation(staging, &record, &self.event)
            .await
            .map_err(storage_problem)?
        {
            Committed::Kept => Ok((record, true)),
            Committed::Exists(first) => Ok((*first, false)),
            Committed::StudyGone => Err(Call::no_study()),
        }
    }
}

fn lost() -> Problem {
    Problem::internal("the segmentation under way was lost")
}
