//! A volume in, its mask and numbers out; nothing is kept.

use std::collections::BTreeMap;
use std::time::Instant;

use cinecor_formats::{Event, Header};
use cinecor_guest::{Answer, Call, FileFacts, Upload, VolumeFiles, fact_problem, now_ms};
use cinecor_measures::{BsaFormula, Rules};
use cinecor_store::Subject;
use cinecor_web::{GZIP, JSON, NIFTI, Problem, SSE, rfc3339};
use cinecor_wire::{
    DeidentificationJson, LabelsJson, MetricsJson, ModelJson, OneShot, SegmentationJson,
    SourceJson, StudyJson, SubjectJson, ToldPhasesJson, WarningJson, shown_turned, told_rules,
};

use crate::mask::MaskFile;
use crate::model::{Model, precision};
use crate::progress::Listener;
use crate::work::{Cine, Outcome, Wanted, Work};

/// `POST /api/v1/segment`.
///
/// # Errors
/// Whatever is wrong with the request, the volume or the model. Once events have begun, a problem is the last of them.
pub(crate) async fn segment(mut call: Call) -> Result<Answer, Problem> {
    let form = call.accepted()?;
    let (rules, bsa_formula) = rules(&call)?;
    let wanted = Wanted {
        frames: call
            .query
            .integers("frames")
            .map(Wanted::sorted)
            .transpose()?,
        // Pictures belong to the JSON; a mask file has no place for them.
        previews: call.query.flag("previews").unwrap_or(false) && (form == JSON || form == SSE),
        marked: call.query.text("verdict") != Some("none"),
        rules,
        bsa_formula,
    };
    let mut subject = Subject::default();
    for (name, value) in call.query.facts() {
        subject
            .tell_text(name, value)
            .map_err(|error| fact_problem(&error))?;
    }
    let upload = Upload::open(&mut call)?;
    let model = Model::chosen(call.query.text("model"), call.query.text("precision")).await?;
    let mut job = Job {
        started: Instant::now(),
        model,
        wanted,
        subject,
        facts: subject,
        listener: Listener::Silent,
        work: None,
        header: None,
        file: None,
        working_ms: 0.0,
    };
    match form {
        SSE => Ok(Answer::events(move |sink| async move {
            job.listener = Listener::Events(sink);
            let outcome = job.run(&call, upload).await;
            // Nobody is left to be told of it.
            if job.listener.is_gone() {
                return;
            }
            let listener = std::mem::replace(&mut job.listener, Listener::Silent);
            listener.end(outcome.and_then(|done| done.to_json())).await;
        })),
        _ => {
            let done = job.run(&call, upload).await?;
            let verdict = done.metrics.quality.verdict.clone();
            let answer = match form {
                NIFTI => Answer::bytes(NIFTI, done.mask.to_plain()?).saved_as("mask.nii"),
                GZIP => Answer::bytes(GZIP, done.mask.into_bytes()).saved_as("mask.nii.gz"),
                _ => Answer::bytes(JSON, done.to_json()?),
            };
            Ok(answer.verdict(&verdict))
        }
    }
}

/// The rules that the query tells. The table of operations has checked the words.
fn rules(call: &Call) -> Result<(Rules, BsaFormula), Problem> {
    let word = |name| call.query.text(name);
    let excluded = call.query.integers("excluded_slices").unwrap_or_default();
    Ok(told_rules(
        word("basal_rule"),
        word("bsa_formula"),
        Wanted::sorted(excluded)?,
    ))
}

/// A one shot under way.
struct Job {
    started: Instant,
    model: Model,
    wanted: Wanted,
    /// What was told.
    subject: Subject,
    /// What is known in the end.
    facts: Subject,
    listener: Listener,
    work: Option<Work>,
    header: Option<Header>,
    file: Option<FileFacts>,
    /// Time spent in the work itself; the rest of the loop is reading.
    working_ms: f64,
}

/// What came of a one shot.
struct Done {
    study: StudyJson,
    segmentation: SegmentationJson,
    metrics: MetricsJson,
    mask: MaskFile,
    outcome: Outcome,
}

impl Done {
    fn to_json(&self) -> Result<Vec<u8>, Problem> {
        let mask = self.mask.pieces();
        let answer = OneShot {
            study: &self.study,
            segmentation: &self.segmentation,
            metrics: &self.metrics,
            mask: &mask,
            previews: &self.outcome.previews,
        };
        answer.to_json().map_err(Problem::internal)
    }
}

impl Job {
    async fn run(&mut self, call: &Call, upload: Upload) -> Result<Done, Problem> {
        self.read(call, upload).await?;
        self.finish()
    }

    /// Reads the body to its end, segmenting as frames arrive; those of DICOM files arrive when the last file has.
    async fn read(&mut self, call: &Call, upload: Upload) -> Result<(), Problem> {
        let mut files = VolumeFiles::new(call.settings.limits);
        match upload {
            Upload::Raw(mut body) => {
                files
                    .body(&mut body, async |event| self.take(event).await)
                    .await?;
            }
            Upload::Form(mut form) => {
                while let Some(mut part) = form.next().await? {
                    if part.is_file() {
                        files
                            .part(&mut part, async |event| self.take(event).await)
                            .await?;
                    } else if part.name() == "precision" {
                        let value = part.text().await?;
                        if files.any() {
                            return Err(Problem::field(
                                "precision",
                                "comes after the file, which is segmented as it arrives; send it before",
                            ));
                        }
                        if call.query.text("precision").is_some() {
                            return Err(Problem::field(
                                "precision",
                                "is there twice, in the query and in the form; send one of them",
                            ));
                        }
                        let precision = precision(&value)?;
                        self.model =
                            Model::chosen(call.query.text("model"), Some(precision)).await?;
                    } else if Subject::is_fact(part.name()) {
                        let value = part.text().await?;
                        self.subject
                            .tell_text(part.name(), &value)
                            .map_err(|error| fact_problem(&error))?;
                    } else {
                        let shown: String = part
                            .name()
                            .chars()
                            .filter(|c| !c.is_control())
                            .take(40)
                            .collect();
                        return Err(Problem::field(
                            &shown,
                            "is not known; a form takes one NIfTI file or the DICOM files of one study, a precision before them, and facts about the subject",
                        ));
                    }
                }
            }
        }
        let file = files.end(async |event| self.take(event).await).await?;
        // What was told goes before what the header says.
        self.facts = self.subject.or(&file.found);
        self.file = Some(file);
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<(), Problem> {
        let started = Instant::now();
        let taken = match event {
            Event::Header(header) => self.begin(*header).await,
            Event::Frame(frame) => match &mut self.work {
                Some(work) if work.wants(frame.index) => {
                    work.frame(
                        &self.model,
                        frame.index,
                        frame.intensities,
                        &mut self.listener,
                    )
                    .await?;
                    self.listener.segmented(work.done(), work.total()).await
                }
                _ => Ok(()),
            },
        };
        self.working_ms += started.elapsed().as_secs_f64() * 1000.0;
        taken
    }

    async fn begin(&mut self, header: Header) -> Result<(), Problem> {
        let cine = Cine::of(header.shape, &header.geometry, header.source.slice_axis());
        let work = Work::begin(self.wanted.clone(), cine, &self.subject)?;
        let total = work.total();
        self.work = Some(work);
        self.header = Some(header);
        self.listener.segmented(0, total).await
    }

    /// Measures, and words the answer.
    fn finish(&mut self) -> Result<Done, Problem> {
        let missing = || Problem::internal("a file was decoded without a header");
        let (mut work, header, file) = (
            self.work.take().ok_or_else(missing)?,
            self.header.take().ok_or_else(missing)?,
            self.file.take().ok_or_else(missing)?,
        );
        let reading_ms = self.started.elapsed().as_secs_f64() * 1000.0 - self.working_ms;
        let frame_ms = self.facts.frame_ms.or(header.geometry.frame_ms);
        work.settle(&self.model)?;
        let mut outcome = work.finish(&self.facts, frame_ms)?;
        outcome.timings.decode = reading_ms.max(0.0);
        let created_at = rfc3339(now_ms());
        let metrics = MetricsJson::from(&outcome.metrics)
            .with_front(header.geometry.is_right_handed(), outcome.turn.is_mirror());
        let masks = std::mem::take(&mut outcome.masks).into_iter();
        let masks = masks.map(|mask| mask.chunk).collect();
        let mask = MaskFile::new(&header.source, masks);
        outcome.timings.total = self.started.elapsed().as_secs_f64() * 1000.0;
        let segmentation = SegmentationJson {
            id: None,
            study_id: None,
            created_at: created_at.clone(),
            revision: 1,
            model: ModelJson::from(&self.model.used()),
            labels: LabelsJson::default(),
            frames: outcome.frames.clone(),
            excluded_slices: metrics.conventions.excluded_slices.clone(),
            ed_frame: metrics.phases.ed_frame,
            es_frame: metrics.phases.es_frame,
            told: ToldPhasesJson {
                ed_frame: self.subject.ed_frame,
                es_frame: self.subject.es_frame,
            },
            basal_rule: metrics.conventions.basal_rule.clone(),
            bsa_formula: self.wanted.bsa_formula.name().to_owned(),
            corrected: None,
            warnings: shown_turned(outcome.turn),
            quality: metrics.quality.clone(),
            review: None,
            timings_ms: outcome.timings,
            links: BTreeMap::new(),
        };
        let study = self.study(&header, file, frame_ms, created_at);
        Ok(Done {
            study,
            segmentation,
            metrics,
            mask,
            outcome,
        })
    }

    fn study(
        &self,
        header: &Header,
        file: FileFacts,
        frame_ms: Option<f64>,
        created_at: String,
    ) -> StudyJson {
        let warnings = header.warnings.iter().chain(&file.warnings);
        StudyJson {
            id: None,
            created_at,
            label: None,
            consent: "none".to_owned(),
            shape: header.shape.into(),
            spacing_mm: header.geometry.spacing.into(),
            frame_ms,
            source: SourceJson::from(&file.source),
            subject: SubjectJson::of(&self.subject, &file.found),
            deidentification: Some(DeidentificationJson::from(&file.deidentification)),
            warnings: warnings
                .map(|warning| WarningJson {
                    code: warning.code.as_str().to_owned(),
                    detail: warning.detail.clone(),
                })
                .collect(),
            links: BTreeMap::new(),
        }
    }
}
