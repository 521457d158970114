//! A volume in, its mask and numbers out; nothing is kept.

use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use cinecor_formats::{DecodedFrame, Event, Header};
use cinecor_guest::{Answer, Call, FileFacts, Upload, VolumeFiles, fact_problem, now_ms};
use cinecor_measures::{BsaFormula, Rules};
use cinecor_store::Subject;
use cinecor_web::{GZIP, JSON, NIFTI, Problem, SSE, rfc3339};
use cinecor_wire::{
    DeidentificationJson, LabelsJson, MetricsJson, ModelJson, OneShot, SegmentationJson,
    SourceJson, StudyJson, SubjectJson, ToldPhasesJson, WarningJson, shown_turned, told_rules,
};

use futures::channel::mpsc;
use futures::future::{Either, select, try_join};
use futures::{SinkExt, StreamExt};

use crate::mask::MaskFile;
use crate::model::{Model, precision};
use crate::progress::Listener;
use crate::work::{Cine, Looked, Outcome, Wanted, Work, milliseconds};

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
    let job = Job {
        started: Instant::now(),
        model,
        wanted,
        subject,
    };
    match form {
        SSE => Ok(Answer::events(move |sink| async move {
            let mut listener = Listener::Events(sink);
            let outcome = job.run(&call, upload, &mut listener).await;
            // Nobody is left to be told of it.
            if listener.is_gone() {
                return;
            }
            listener.end(outcome.and_then(|done| done.to_json())).await;
        })),
        _ => {
            let done = job.run(&call, upload, &mut Listener::Silent).await?;
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
}

/// What goes from whoever reads the body to whoever segments, one at a time.
enum Step {
    /// The frames are for another model than that of the query: the form names a precision.
    Model(Box<Model>),
    /// With what was told before it.
    Header(Box<Header>, Subject),
    Frame(DecodedFrame),
}

/// What comes next for whoever segments.
enum Next {
    Step(Step),
    Looked(Looked),
}

/// What the body held beside its frames.
struct Read {
    file: FileFacts,
    /// What was told.
    subject: Subject,
}

/// What was made of the frames.
struct Segmented {
    header: Header,
    model: Rc<Model>,
    work: Work,
    /// Time that passed while there was no frame to work on, and while there was one.
    waited_ms: f64,
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

/// Reads the body to its end and hands on what is to be segmented; the frames of DICOM files come when the last file has.
struct Reader<'a> {
    call: &'a Call,
    subject: Subject,
    steps: mpsc::Sender<Step>,
}

impl Reader<'_> {
    async fn read(mut self, upload: Upload) -> Result<Read, Problem> {
        let mut files = VolumeFiles::new(self.call.settings.limits);
        match upload {
            Upload::Raw(mut body) => {
                files
                    .body(&mut body, async |event| self.hand(event).await)
                    .await?;
            }
            Upload::Form(mut form) => {
                while let Some(mut part) = form.next().await? {
                    if part.is_file() {
                        files
                            .part(&mut part, async |event| self.hand(event).await)
                            .await?;
                    } else if part.name() == "precision" {
                        let value = part.text().await?;
                        if files.any() {
                            return Err(Problem::field(
                                "precision",
                                "comes after the file, which is segmented as it arrives; send it before",
                            ));
                        }
                        if self.call.query.text("precision").is_some() {
                            return Err(Problem::field(
                                "precision",
                                "is there twice, in the query and in the form; send one of them",
                            ));
                        }
                        let precision = precision(&value)?;
                        let name = self.call.query.text("model");
                        let model = Model::chosen(name, Some(precision)).await?;
                        self.send(Step::Model(Box::new(model))).await?;
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
        let file = files.end(async |event| self.hand(event).await).await?;
        Ok(Read {
            file,
            subject: self.subject,
        })
    }

    async fn hand(&mut self, event: Event) -> Result<(), Problem> {
        self.send(match event {
            Event::Header(header) => Step::Header(header, self.subject),
            Event::Frame(frame) => Step::Frame(frame),
        })
        .await
    }

    /// Waits until the step is taken.
    async fn send(&mut self, step: Step) -> Result<(), Problem> {
        self.steps.send(step).await.map_err(Problem::internal)
    }
}

/// Segments what it is handed.
struct Segmenter<'a> {
    model: Rc<Model>,
    wanted: &'a Wanted,
    listener: &'a mut Listener,
    begun: Option<(Header, Work)>,
    /// Time that passed while the model looked at no frame.
    waited_ms: f64,
}

impl Segmenter<'_> {
    /// Takes steps until there are no more; `None` where no header was among them.
    async fn run(mut self, steps: mpsc::Receiver<Step>) -> Result<Option<Segmented>, Problem> {
        let started = Instant::now();
        let ended = self.all(steps).await;
        if let Some((_, work)) = &mut self.begun {
            work.rest().await;
        }
        ended?;
        let working_ms = milliseconds(started) - self.waited_ms;
        Ok(self.begun.map(|(header, work)| Segmented {
            header,
            model: self.model,
            work,
            waited_ms: self.waited_ms,
            working_ms,
        }))
    }

    async fn all(&mut self, mut steps: mpsc::Receiver<Step>) -> Result<(), Problem> {
        while let Some(next) = self.next(&mut steps).await {
            match (next, &mut self.begun) {
                (Next::Step(step), _) => self.take(step).await?,
                (Next::Looked(looked), Some((_, work))) => {
                    work.see(looked, self.listener).await?;
                    self.listener.segmented(work.done(), work.total()).await?;
                }
                (Next::Looked(_), None) => {}
            }
        }
        Ok(())
    }

    /// What comes first: a step, as long as the model has room for a frame, or what it saw of one.
    async fn next(&mut self, steps: &mut mpsc::Receiver<Step>) -> Option<Next> {
        let work = self.begun.as_mut().map(|(_, work)| work);
        let Some(work) = work.filter(|work| work.is_looking()) else {
            let waiting = Instant::now();
            let step = steps.next().await;
            self.waited_ms += milliseconds(waiting);
            return step.map(Next::Step);
        };
        if !work.is_full() {
            let step = match select(pin!(work.looked()), steps.next()).await {
                Either::Left((looked, _)) => return looked.map(Next::Looked),
                Either::Right((step, _)) => step,
            };
            if let Some(step) = step {
                return Some(Next::Step(step));
            }
        }
        work.looked().await.map(Next::Looked)
    }

    async fn take(&mut self, step: Step) -> Result<(), Problem> {
        match (step, &mut self.begun) {
            (Step::Model(model), _) => self.model = Rc::new(*model),
            (Step::Header(header, told), _) => {
                let cine = Cine::of(header.shape, &header.geometry, header.source.slice_axis());
                let (model, wanted) = (self.model.clone(), self.wanted.clone());
                let work = Work::begin(model, wanted, cine, &told)?;
                self.listener.segmented(0, work.total()).await?;
                self.begun = Some((*header, work));
            }
            (Step::Frame(frame), Some((_, work))) if work.wants(frame.index) => {
                work.look(frame.index, frame.intensities).await;
            }
            (Step::Frame(_), _) => {}
        }
        Ok(())
    }
}

impl Job {
    async fn run(
        self,
        call: &Call,
        upload: Upload,
        listener: &mut Listener,
    ) -> Result<Done, Problem> {
        // While frames are segmented the next one is decoded, and waits to be taken.
        let (sender, steps) = mpsc::channel(0);
        let reader = Reader {
            call,
            subject: self.subject,
            steps: sender,
        };
        let segmenter = Segmenter {
            model: Rc::new(self.model),
            wanted: &self.wanted,
            listener,
            begun: None,
            waited_ms: 0.0,
        };
        // Where segmenting fails, reading ends with the frame under way; where reading does, frames at work come to their end.
        let reading = async { Ok(reader.read(upload).await) };
        let (read, segmented) = try_join(reading, segmenter.run(steps)).await?;
        let read = read?;
        let segmented =
            segmented.ok_or_else(|| Problem::internal("a file was decoded without a header"))?;
        finish(self.started, &self.wanted, read, segmented)
    }
}

/// Measures, and words the answer.
fn finish(
    started: Instant,
    wanted: &Wanted,
    read: Read,
    segmented: Segmented,
) -> Result<Done, Problem> {
    let Segmented {
        header,
        model,
        mut work,
        waited_ms,
        working_ms,
    } = segmented;
    // What was told goes before what the header says.
    let facts = read.subject.or(&read.file.found);
    let frame_ms = facts.frame_ms.or(header.geometry.frame_ms);
    work.settle(working_ms)?;
    let mut outcome = work.finish(&facts, frame_ms)?;
    outcome.timings.decode = waited_ms;
    let created_at = rfc3339(now_ms());
    let metrics = MetricsJson::from(&outcome.metrics)
        .with_front(header.geometry.is_right_handed(), outcome.turn.is_mirror());
    let masks = std::mem::take(&mut outcome.masks).into_iter();
    let masks = masks.map(|mask| mask.chunk).collect();
    let mask = MaskFile::new(&header.source, masks);
    outcome.timings.total = milliseconds(started);
    let segmentation = SegmentationJson {
        id: None,
        study_id: None,
        created_at: created_at.clone(),
        revision: 1,
        model: ModelJson::from(&model.used()),
        labels: LabelsJson::default(),
        frames: outcome.frames.clone(),
        excluded_slices: metrics.conventions.excluded_slices.clone(),
        ed_frame: metrics.phases.ed_frame,
        es_frame: metrics.phases.es_frame,
        told: ToldPhasesJson {
            ed_frame: read.subject.ed_frame,
            es_frame: read.subject.es_frame,
        },
        basal_rule: metrics.conventions.basal_rule.clone(),
        bsa_formula: wanted.bsa_formula.name().to_owned(),
        corrected: None,
        warnings: shown_turned(outcome.turn),
        quality: metrics.quality.clone(),
        review: None,
        timings_ms: outcome.timings,
        links: BTreeMap::new(),
    };
    let study = study_of(&header, &read, frame_ms, created_at);
    Ok(Done {
        study,
        segmentation,
        metrics,
        mask,
        outcome,
    })
}

fn study_of(header: &Header, read: &Read, frame_ms: Option<f64>, created_at: String) -> StudyJson {
    let warnings = header.warnings.iter().chain(&read.file.warnings);
    StudyJson {
        id: None,
        created_at,
        label: None,
        consent: "none".to_owned(),
        shape: header.shape.into(),
        spacing_mm: header.geometry.spacing.into(),
        frame_ms,
        source: SourceJson::from(&read.file.source),
        subject: SubjectJson::of(&read.subject, &read.file.found),
        deidentification: Some(DeidentificationJson::from(&read.file.deidentification)),
        warnings: warnings
            .map(|warning| WarningJson {
                code: warning.code.as_str().to_owned(),
                detail: warning.detail.clone(),
            })
            .collect(),
        links: BTreeMap::new(),
    }
}
