//! New revisions of kept segmentations: a mask that a person drew, phases and rules that a person told.
//!
//! A revision is made of the last one. Where another became the next meanwhile it is made anew of that, unless the caller said by
//! `If-Match` which one is meant.

use cinecor_formats::{DeflatedChunk, Event as FileEvent, Header};
use cinecor_guest::{
    Answer, Call, GuestStore, Upload, chunk_from, chunk_into, decode_problem, kept_frame,
    kept_mask, mask_limits, now_ms, open_store, random_id, sentence, storage_problem,
};
use cinecor_measures::{BasalRule, BsaFormula, FrameProfile};
use cinecor_store::{
    Action, ChangeRecord, DrawnRecord, Revised, SegmentationRecord, Staging, StoreError,
    StudyRecord,
};
use cinecor_volume::{Shape, Turn, same_grid};
use cinecor_web::{Problem, ProblemKind};
use cinecor_wire::{label_counts, profile_of, profile_record};
use ndarray::Array3;
use serde_json::{Map, Value};

use crate::kept::{changed, measured, quality_record, require_seen};
use crate::work::Cine;

/// How often a revision is made anew because another was faster. Every time another succeeded.
pub(crate) const MOST_TRIES: usize = 64;

/// `PUT /api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz`.
///
/// # Errors
/// No such segmentation or frame; a file that is no mask on the study's grid; a lost race under `If-Match`.
pub(crate) async fn put_mask(mut call: Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    // What cannot succeed is refused before a body of any size is read.
    require_seen(&call, &record, &study)?;
    let frames = match call.query.integer("frame") {
        None => record.frames.clone(),
        Some(frame) => {
            let frame = usize::try_from(frame).map_err(Problem::internal)?;
            if !record.frames.contains(&frame) {
                return Err(crate::mask::no_frame());
            }
            vec![frame]
        }
    };
    let cine = Cine::kept(&study)?;
    let mut revision = Revision {
        store: &store,
        study: &study,
        cine,
        turn: record.turn.into(),
        staging: None,
        frames,
        sent: Vec::new(),
    };
    revision.read(&mut call).await?;
    revision.begin(&record).await?;
    let action = Action::CorrectSegmentation;
    let outcome = revision
        .keep(&call, action, record, |_| Ok(vec!["mask".to_owned()]))
        .await;
    revision.settle(outcome).await
}

/// `PATCH /api/v1/studies/{id}/segmentations/{sid}`.
///
/// # Errors
/// No such segmentation; fields that are unknown or cannot be; a lost race under `If-Match`.
pub(crate) async fn update(mut call: Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    let members = call.json().await?.filter(|members| !members.is_empty());
    let members = members.ok_or_else(|| {
        Problem::field("body", "is empty; send an object with the fields to change")
    })?;
    let told = Told::read(&members)?;
    require_seen(&call, &record, &study)?;
    let cine = Cine::kept(&study)?;
    let mut revision = Revision {
        store: &store,
        study: &study,
        cine,
        turn: record.turn.into(),
        staging: None,
        frames: Vec::new(),
        sent: Vec::new(),
    };
    revision.begin(&record).await?;
    let action = Action::UpdateSegmentation;
    let outcome = revision
        .keep(&call, action, record, |record| told.apply(record))
        .await;
    revision.settle(outcome).await
}

/// What the body of a PATCH tells: each field that is there, `null` as `None`.
#[derive(Default)]
struct Told {
    ed_frame: Option<Option<usize>>,
    es_frame: Option<Option<usize>>,
    excluded_slices: Option<Vec<usize>>,
    bsa_formula: Option<Option<BsaFormula>>,
    basal_rule: Option<Option<BasalRule>>,
}

impl Told {
    fn read(members: &Map<String, Value>) -> Result<Told, Problem> {
        let mut told = Told::default();
        for (name, value) in members {
            match name.as_str() {
                "ed_frame" => told.ed_frame = Some(frame_or_null("ed_frame", value)?),
                "es_frame" => told.es_frame = Some(frame_or_null("es_frame", value)?),
                "excluded_slices" => told.excluded_slices = Some(slices(value)?),
                "bsa_formula" => {
                    told.bsa_formula = Some(word(name, value, BsaFormula::from_name)?);
                }
                "basal_rule" => told.basal_rule = Some(word(name, value, BasalRule::from_name)?),
                other => {
                    let shown: String =
                        other.chars().filter(|c| !c.is_control()).take(40).collect();
                    return Err(Problem::field(
                        &shown,
                        "is not known; the body takes ed_frame, es_frame, excluded_slices, bsa_formula and basal_rule",
                    ));
                }
            }
        }
        Ok(told)
    }

    /// Tells it to a record; gives the names of what was told.
    fn apply(&self, record: &mut SegmentationRecord) -> Result<Vec<String>, Problem> {
        let mut names = Vec::new();
        let mut name = |name: &str| names.push(name.to_owned());
        if let Some(frame) = self.ed_frame {
            name("ed_frame");
            record.told.ed_frame = frame;
        }
        if let Some(frame) = self.es_frame {
            name("es_frame");
            record.told.es_frame = frame;
        }
        if let Some(slices) = &self.excluded_slices {
            name("excluded_slices");
            record.excluded_slices.clone_from(slices);
        }
        if let Some(formula) = self.bsa_formula {
            name("bsa_formula");
            record.told.bsa_formula = formula.map(|formula| formula.name().to_owned());
        }
        if let Some(rule) = self.basal_rule {
            name("basal_rule");
            record.told.basal_rule = rule.map(|rule| rule.name().to_owned());
        }
        let phases = [
            ("ed_frame", record.told.ed_frame),
            ("es_frame", record.told.es_frame),
        ];
        for (name, told) in phases {
            if let Some(frame) = told.filter(|frame| !record.frames.contains(frame)) {
                return Err(Problem::field(
                    name,
                    format!(
                        "is {frame}, which the segmentation does not have; choose one of its `frames`"
                    ),
                ));
            }
        }
        Ok(names)
    }
}

fn frame_or_null(name: &str, value: &Value) -> Result<Option<usize>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    let frame = value.as_u64().and_then(|frame| usize::try_from(frame).ok());
    frame.map(Some).ok_or_else(|| {
        Problem::field(
            name,
            "is no whole number from 0; send a frame of the segmentation, or null to take it back",
        )
    })
}

fn slices(value: &Value) -> Result<Vec<usize>, Problem> {
    let refused = || {
        Problem::field(
            "excluded_slices",
            "is no list of different whole numbers from 0; send such a list, or null for none",
        )
    };
    let mut slices = match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_u64().and_then(|slice| usize::try_from(slice).ok()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(refused)?,
        _ => return Err(refused()),
    };
    let told = slices.len();
    slices.sort_unstable();
    slices.dedup();
    if slices.len() == told {
        Ok(slices)
    } else {
        Err(refused())
    }
}

fn word<T>(
    name: &str,
    value: &Value,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => from_name(text).map(Some).ok_or_else(|| {
            Problem::field(
                name,
                "is none that there is; the OpenAPI document lists them",
            )
        }),
        _ => Err(Problem::field(
            name,
            "is neither a text nor null; send one of them",
        )),
    }
}

/// Whether two masks are the same, however they were deflated.
fn is_alike(one: &DeflatedChunk, other: &DeflatedChunk) -> Result<bool, Problem> {
    let inflated = |chunk: &DeflatedChunk| chunk.inflate().map_err(Problem::internal);
    Ok(one.bytes == other.bytes || inflated(one)? == inflated(other)?)
}

/// A revision under way.
struct Revision<'a> {
    store: &'a GuestStore,
    study: &'a StudyRecord,
    cine: Cine,
    /// How its frames were shown to the model.
    turn: Turn,
    /// What is being written; taken when it is there, or given up.
    staging: Option<Staging>,
    /// The frames of the study that the file holds, in its order.
    frames: Vec<usize>,
    /// Those that have come.
    sent: Vec<Sent>,
}

/// A frame that a person sent.
struct Sent {
    frame: usize,
    profile: FrameProfile,
    mask: DeflatedChunk,
    is_put: bool,
}

impl Revision<'_> {
    /// Reads the mask in the body. Frames that are deflated are small, so that nothing is written before the last has come.
    async fn read(&mut self, call: &mut Call) -> Result<(), Problem> {
        let limits = mask_limits(&call.settings.limits);
        let mut form = match Upload::open(call)? {
            Upload::Raw(mut body) => {
                body.decode(limits, async |event| self.take(event).await)
                    .await?;
                return Ok(());
            }
            Upload::Form(form) => form,
        };
        let mut files = 0;
        while let Some(mut part) = form.next().await? {
            if !part.is_file() {
                let shown: String = part
                    .name()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(40)
                    .collect();
                return Err(Problem::field(
                    &shown,
                    "is not known; a form takes the mask as one file",
                ));
            }
            files += 1;
            if files > 1 {
                return Err(Problem::field(
                    "file",
                    "is there twice; send the mask as one file",
                ));
            }
            part.decode(limits, async |event| self.take(event).await)
                .await?;
        }
        match files {
            0 => Err(Problem::field(
                "file",
                "is missing; send the mask as a part with a file name",
            )),
            _ => Ok(()),
        }
    }

    async fn take(&mut self, event: FileEvent) -> Result<(), Problem> {
        match event {
            FileEvent::Header(header) => self.check_grid(&header),
            FileEvent::Frame(frame) => {
                let labels = frame.labels().map_err(|error| decode_problem(&error))?;
                let of = self.frames.get(frame.index).copied();
                let of =
                    of.ok_or_else(|| Problem::internal("a mask has more frames than it told"))?;
                let profile = self.profile(of, &labels).await?;
                self.sent.push(Sent {
                    frame: of,
                    profile,
                    mask: self.cine.deflated(labels),
                    is_put: false,
                });
                Ok(())
            }
        }
    }

    /// Begins to write.
    async fn begin(&mut self, record: &SegmentationRecord) -> Result<(), Problem> {
        let begun = self
            .store
            .begin_revision(
                &self.study.id,
                &record.id,
                &random_id(),
                &self.frames,
                now_ms(),
            )
            .await
            .map_err(storage_problem)?;
        self.staging = Some(begun.ok_or_else(Call::no_segmentation)?);
        Ok(())
    }

    fn check_grid(&self, header: &Header) -> Result<(), Problem> {
        let (found, expected) = (header.shape.frames, self.frames.len());
        if found != expected {
            return Err(Problem::new(
                ProblemKind::NotMeasurable,
                format!(
                    "The mask has {found} frames, expected {expected}; send the frames of the segmentation in their order, or one of them and say which by the parameter frame."
                ),
            )
            .with("code", "frames"));
        }
        let study = self.study.geometry().map_err(Problem::internal)?;
        let shape = Shape {
            frames: found,
            ..self.cine.shape
        };
        same_grid((shape, &study), (header.shape, &header.geometry)).map_err(|error| {
            Problem::new(
                ProblemKind::NotMeasurable,
                format!(
                    "The mask does not lie on the grid of its study, {error}; take the study's volume to draw on, and leave its header as it is."
                ),
            )
            .with("code", "grid")
        })
    }

    /// What a mask of a frame says, together with the study's grey values.
    async fn profile(&self, frame: usize, labels: &Array3<u8>) -> Result<FrameProfile, Problem> {
        let grey = kept_frame(self.store, self.study, frame).await?;
        let grid = self.cine.grid(self.turn);
        FrameProfile::of(frame, labels.view(), Some(grey.view()), &grid).map_err(Problem::internal)
    }

    /// Keeps a revision of the last one, `first` when nobody was faster: the frames that were sent, and what `change` makes of the rest.
    /// `change` gives the names of what it changed.
    async fn keep(
        &mut self,
        call: &Call,
        action: Action,
        first: SegmentationRecord,
        change: impl Fn(&mut SegmentationRecord) -> Result<Vec<String>, Problem>,
    ) -> Result<Answer, Problem> {
        let (study_id, id) = (first.study_id.clone(), first.id.clone());
        let mut last = Some(first);
        for _ in 0..MOST_TRIES {
            let base = match last.take() {
                Some(base) => base,
                None => {
                    let base = self.store.segmentation(&study_id, &id).await;
                    let base = base.map_err(storage_problem)?;
                    let base = base.ok_or_else(Call::no_segmentation)?;
                    require_seen(call, &base, self.study)?;
                    base
                }
            };
            let now = now_ms();
            let mut record = self.profiled(base).await?;
            let told = (record.told.clone(), record.excluded_slices.clone());
            let frames = self.draw(&mut record).await?;
            let fields = change(&mut record)?;
            if self.sent.is_empty() && (&record.told, &record.excluded_slices) == (&told.0, &told.1)
            {
                // A review is of a revision: one that tells what the last one tells would drop it for nothing.
                return changed(&record, self.study);
            }
            record.revision += 1;
            record.review = None;
            record.change = Some(ChangeRecord {
                author: call.identity.subject.clone(),
                at_ms: now,
                fields,
                frames,
            });
            let metrics = measured(&record, self.study)?;
            let phases = metrics.phases.left_ventricle;
            (record.ed_frame, record.es_frame) = (phases.ed_frame, phases.es_frame);
            record.quality = quality_record(&metrics.quality);
            let mut event = call.event(action, Some(&study_id), Some(&id));
            event.at_ms = now;
            event.revision = Some(record.revision);
            let staging = self.staging.take();
            let staging =
                staging.ok_or_else(|| Problem::internal("the revision under way was lost"))?;
            let kept = self.store.commit_revision(staging, &record, &event).await;
            match kept.map_err(storage_problem)? {
                Revised::Kept => return changed(&record, self.study),
                Revised::Raced(staging) => self.staging = Some(staging),
                Revised::Gone => return Err(Call::no_segmentation()),
            }
        }
        Err(storage_problem(StoreError::Contended {
            what: "the segmentation",
        }))
    }

    /// Puts the frames that were sent and are another than the record has into it; gives their numbers. A frame that is as it was stays
    /// whosever it is.
    async fn draw(&mut self, record: &mut SegmentationRecord) -> Result<Vec<usize>, Problem> {
        let mut changed = Vec::new();
        for index in 0..self.sent.len() {
            let Some(sent) = self.sent.get(index) else {
                continue;
            };
            if self.is_same(record, sent).await? {
                continue;
            }
            let (frame, info) = (sent.frame, chunk_into(sent.mask.clone()).info());
            let lost = || Problem::internal("the revision under way was lost");
            let is_models = self.is_models(record, sent).await?;
            let staging = self.staging.as_mut().ok_or_else(lost)?;
            if !sent.is_put && !is_models {
                let chunk = chunk_into(sent.mask.clone());
                self.store
                    .put_frame(staging, frame, &chunk, now_ms())
                    .await
                    .map_err(storage_problem)?;
            }
            let correction = staging.id().clone();
            let Some(sent) = self.sent.get_mut(index) else {
                continue;
            };
            sent.is_put |= !is_models;
            let place = record.frames.iter().position(|found| *found == frame);
            let place = place.ok_or_else(crate::mask::no_frame)?;
            if let Some(counts) = record.counts.get_mut(place) {
                *counts = label_counts(sent.profile.counts());
            }
            if let Some(profile) = record.profiles.get_mut(place) {
                *profile = profile_record(&sent.profile);
            }
            if let Some(chunk) = record.chunks.get_mut(place) {
                *chunk = info;
            }
            record.drawn.retain(|drawn| drawn.frame != frame);
            if !is_models {
                record.drawn.push(DrawnRecord { frame, correction });
                record.drawn.sort_by_key(|drawn| drawn.frame);
            }
            changed.push(frame);
        }
        Ok(changed)
    }

    /// Whether a frame that was sent in place of a drawn one is the model's again, voxel for voxel.
    async fn is_models(&self, record: &SegmentationRecord, sent: &Sent) -> Result<bool, Problem> {
        if record.drawn.iter().all(|drawn| drawn.frame != sent.frame) {
            return Ok(false);
        }
        let mut undrawn = record.clone();
        undrawn.drawn.retain(|drawn| drawn.frame != sent.frame);
        let kept = self.store.mask_frame(&undrawn, sent.frame).await;
        let kept = chunk_from(kept.map_err(storage_problem)?);
        Ok(kept.crc32 == sent.mask.crc32 && is_alike(&kept, &sent.mask)?)
    }

    /// Whether a frame that was sent is the one that the record has, voxel for voxel.
    async fn is_same(&self, record: &SegmentationRecord, sent: &Sent) -> Result<bool, Problem> {
        let place = record.frames.iter().position(|found| *found == sent.frame);
        let kept = place.and_then(|place| record.chunks.get(place));
        if kept.is_none_or(|kept| kept.crc32 != sent.mask.crc32 || kept.len != sent.mask.len) {
            return Ok(false);
        }
        let kept = self.store.mask_frame(record, sent.frame).await;
        let kept = chunk_from(kept.map_err(storage_problem)?);
        is_alike(&kept, &sent.mask)
    }

    /// The record with a profile of every frame: one that was kept without, or with less than is looked at now, is given them, so that
    /// rules and checks hold for it.
    async fn profiled(
        &self,
        mut record: SegmentationRecord,
    ) -> Result<SegmentationRecord, Problem> {
        let mut kept = record.frames.iter().zip(&record.profiles);
        if !record.profiles.is_empty()
            && kept.all(|(&frame, profile)| profile_of(frame, profile).is_complete())
        {
            return Ok(record);
        }
        let mut profiles = Vec::with_capacity(record.frames.len());
        for &frame in &record.frames {
            let labels = kept_mask(self.store, self.study, &record, frame).await?;
            profiles.push(profile_record(&self.profile(frame, &labels).await?));
        }
        record.profiles = profiles;
        Ok(record)
    }

    /// Removes what was written of a revision that did not come to its end. A failure of that does not hide the first one: the sweep
    /// tries again.
    async fn settle(mut self, outcome: Result<Answer, Problem>) -> Result<Answer, Problem> {
        let Some(staging) = self.staging.take() else {
            return outcome;
        };
        match (outcome, self.store.abort(staging).await) {
            (Err(problem), Err(cause)) => Err(problem.caused_by(sentence(&cause.to_string()))),
            (outcome, _) => outcome,
        }
    }
}
