//! The work on one cine: a frame comes in, is segmented, counted, packed and let go, while the model looks at the next one. What stays is
//! small: deflated masks, counts, and the slices that pictures may need.

use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use cinecor_formats::DeflatedChunk;
use cinecor_guest::{deflated_frame, measure_problem, slice_axis};
use cinecor_measures::score::FrameScore;
use cinecor_measures::{
    BsaFormula, Counts, Cycle, Doubt, Factors, FrameCounts, FrameProfile, Grid, Metrics, Rules,
    Subject as Told, intervals, measure, measure_heart,
};
use cinecor_render::{Overlay, Picture, Style, Verdict, render};
use cinecor_store::{StudyRecord, Subject};
use cinecor_volume::{Frame, Geometry, Label, Shape, SliceAxis, Spacing, Turn};
use cinecor_web::{Problem, ProblemKind};
use cinecor_wire::{Preview, TimingsJson, measured_with};
use futures::future::{LocalBoxFuture, ready};
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt, poll};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};

use crate::model::Model;
use crate::progress::Listener;
use crate::sight::{Seen, Sight, see_turned};

/// What is wanted of a cine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The frames to segment, in rising order; `None` is all.
    pub(crate) frames: Option<Vec<usize>>,
    /// Whether pictures are drawn.
    pub(crate) previews: bool,
    /// Whether pictures are marked where the verdict is not pass.
    pub(crate) marked: bool,
    /// Which slices count.
    pub(crate) rules: Rules,
    /// How body surface is worked out.
    pub(crate) bsa_formula: BsaFormula,
}

impl Wanted {
    /// The numbers of frames or slices in rising order.
    ///
    /// # Errors
    /// None that a number of the contract's range can cause.
    pub(crate) fn sorted(frames: Vec<u64>) -> Result<Vec<usize>, Problem> {
        let mut frames = frames
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<Vec<_>, _>>()
            .map_err(Problem::internal)?;
        frames.sort_unstable();
        Ok(frames)
    }
}

/// The grid of the cine at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cine {
    pub(crate) shape: Shape,
    pub(crate) spacing: Spacing,
    /// Where the file has what are slices here; masks are written as it has them.
    pub(crate) slice_axis: SliceAxis,
    /// As [`Geometry::is_right_handed`].
    right_handed: Option<bool>,
}

impl Cine {
    pub(crate) fn of(shape: Shape, geometry: &Geometry, slice_axis: SliceAxis) -> Cine {
        Cine {
            shape,
            spacing: geometry.spacing,
            slice_axis,
            right_handed: geometry.is_right_handed(),
        }
    }

    /// That of a study.
    ///
    /// # Errors
    /// A 500 for a record that another hand has changed.
    pub(crate) fn kept(study: &StudyRecord) -> Result<Cine, Problem> {
        let shape = study.shape().map_err(Problem::internal)?;
        let geometry = study.geometry().map_err(Problem::internal)?;
        Ok(Cine::of(shape, &geometry, slice_axis(study)?))
    }

    /// The mask of a frame `[Z, Y, X]`, deflated as its file has it.
    pub(crate) fn deflated(&self, labels: Array3<u8>) -> DeflatedChunk {
        deflated_frame(
            &self.slice_axis.stored(labels),
            &self.shape,
            self.slice_axis,
        )
    }

    /// What the profile of a frame has to know of it, and of how it was turned for the model to see a heart as usual.
    pub(crate) fn grid(&self, turn: Turn) -> Grid {
        Grid {
            spacing: self.spacing,
            right_handed: self.right_handed,
            mirrored: turn.is_mirror(),
        }
    }
}

/// How many frames the model looks at at once. While the engine is at work on one, what comes before and after the engine is done of the
/// others, and what one leaves idle of the processors another takes. Two of them tend to end together, so that there are three.
const LOOKS: usize = 3;
/// Frames of more voxels are looked at one by one: they are rare, and each takes hundreds of megabytes until it is let go.
const VOXELS_AT_ONCE_MAX: usize = 4 << 20;

/// The work under way.
pub(crate) struct Work {
    model: Rc<Model>,
    taken: Taken,
    timings: TimingsJson,
    sight: Sight,
    /// In the order of the frames.
    looks: FuturesOrdered<LocalBoxFuture<'static, Looked>>,
    /// Frames that were seen before it was decided how frames are shown: at most two.
    seen: Vec<(usize, Frame, Seen)>,
    /// What measuring and packing took.
    taking_ms: f64,
}

/// What the model saw of a frame that was shown by `turn`.
pub(crate) struct Looked {
    index: usize,
    grey: Frame,
    turn: Turn,
    seen: Result<Seen, Problem>,
    timings: TimingsJson,
}

/// What is kept of the frames that were seen.
struct Taken {
    wanted: Wanted,
    cine: Cine,
    masks: Vec<PackedMask>,
    profiles: Vec<FrameProfile>,
    /// Of the frames, where the model's card says how to score them.
    scores: Vec<FrameScore>,
    doubts: Vec<Doubt>,
    factors: Option<Factors>,
    pictures: Vec<Candidate>,
    told: [Option<usize>; 2],
}

/// The mask of a frame, deflated as its file has it.
pub(crate) struct PackedMask {
    pub(crate) frame: usize,
    pub(crate) chunk: DeflatedChunk,
}

/// A slice that may become a preview.
struct Candidate {
    frame: usize,
    left_ventricle_voxels: u64,
    slice: usize,
    grey: Array2<f32>,
    labels: Array2<u8>,
}

/// What came of it.
pub(crate) struct Outcome {
    /// The frames that were segmented.
    pub(crate) frames: Vec<usize>,
    /// Those of their masks that were not taken away before, in the same order.
    pub(crate) masks: Vec<PackedMask>,
    /// How frames were shown to the model.
    pub(crate) turn: Turn,
    pub(crate) profiles: Vec<FrameProfile>,
    pub(crate) doubts: Vec<Doubt>,
    pub(crate) scores: Vec<FrameScore>,
    pub(crate) metrics: Metrics,
    pub(crate) previews: Vec<Preview>,
    pub(crate) timings: TimingsJson,
}

impl Work {
    /// Begins with a cine.
    ///
    /// # Errors
    /// A frame that is wanted, or told to be a phase, and is not there.
    pub(crate) fn begin(
        model: Rc<Model>,
        wanted: Wanted,
        cine: Cine,
        subject: &Subject,
    ) -> Result<Work, Problem> {
        let frames = cine.shape.frames;
        if let Some(missing) = wanted
            .frames
            .iter()
            .flatten()
            .find(|&&frame| frame >= frames)
        {
            return Err(Problem::new(
                ProblemKind::NotMeasurable,
                format!(
                    "Frame {missing} was asked for, the study has the frames 0 to {}; ask for some of them.",
                    frames.saturating_sub(1)
                ),
            )
            .with("parameter", "frames"));
        }
        let work = Work {
            taken: Taken {
                factors: model.factors().cloned(),
                wanted,
                cine,
                masks: Vec::new(),
                profiles: Vec::new(),
                scores: Vec::new(),
                doubts: Vec::new(),
                pictures: Vec::new(),
                told: [subject.ed_frame, subject.es_frame],
            },
            timings: TimingsJson::default(),
            sight: Sight::default(),
            looks: FuturesOrdered::new(),
            seen: Vec::new(),
            taking_ms: 0.0,
            model,
        };
        let taken = &work.taken;
        taken
            .wanted
            .rules
            .check(taken.cine.shape.slices)
            .map_err(|error| not_measurable(&error))?;
        // What is told wrong is refused now, before minutes of inference: what the masks hold does not matter for it.
        let empty: Vec<_> = work
            .selected()
            .map(|frame| FrameCounts {
                frame,
                counts: Counts::default(),
            })
            .collect();
        let cycle = taken.cycle(subject.frame_ms);
        let told = measured_with(subject);
        measure(&empty, &taken.cine.spacing, &cycle, &told)
            .map_err(|error| not_measurable(&error))?;
        Ok(work)
    }

    /// The frames that are segmented, in rising order.
    pub(crate) fn selected(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.taken.cine.shape.frames).filter(|frame| self.wants(*frame))
    }

    /// How many frames are segmented.
    pub(crate) fn total(&self) -> usize {
        let taken = &self.taken;
        let wanted = taken.wanted.frames.as_ref();
        wanted.map_or(taken.cine.shape.frames, Vec::len)
    }

    /// How many of them the model has seen.
    pub(crate) fn done(&self) -> usize {
        self.taken.profiles.len() + self.seen.len()
    }

    /// Whether this frame is segmented.
    pub(crate) fn wants(&self, frame: usize) -> bool {
        let wanted = self.taken.wanted.frames.as_ref();
        wanted.is_none_or(|frames| frames.contains(&frame))
    }

    /// Whether no further frame is to be shown before one of those that the model looks at was seen.
    pub(crate) fn is_full(&self) -> bool {
        let shape = &self.taken.cine.shape;
        let voxels = [shape.slices, shape.rows, shape.columns]
            .into_iter()
            .fold(1, usize::saturating_mul);
        let most = if voxels > VOXELS_AT_ONCE_MAX {
            1
        } else {
            LOOKS
        };
        self.looks.len() >= most
    }

    /// Whether the model looks at any frame.
    pub(crate) fn is_looking(&self) -> bool {
        !self.looks.is_empty()
    }

    /// Has the model begin to look at a frame. Frames come in rising order.
    pub(crate) async fn look(&mut self, index: usize, grey: Frame) {
        let (model, spacing) = (self.model.clone(), self.taken.cine.spacing);
        let turn = self.sight.turn().unwrap_or_default();
        let mut look = async move {
            let mut timings = TimingsJson::default();
            let seen = see_turned(&model, &spacing, &grey, turn, &mut timings).await;
            Looked {
                index,
                grey,
                turn,
                seen,
                timings,
            }
        }
        .boxed_local();
        // What is not polled has not begun.
        let begun = poll!(&mut look);
        self.looks.push_back(match begun {
            Poll::Ready(looked) => ready(looked).boxed_local(),
            Poll::Pending => look,
        });
    }

    /// Waits for the first of the frames that the model looks at; `None` when there is none. May be given up and called again.
    pub(crate) async fn looked(&mut self) -> Option<Looked> {
        self.looks.next().await
    }

    /// Waits until the model looks at nothing any more, whatever it says. A call that is under way is not to be given up.
    pub(crate) async fn rest(&mut self) {
        while self.looks.next().await.is_some() {}
    }

    /// Takes what the model saw of a frame. Until it is decided how frames are shown, they wait.
    ///
    /// # Errors
    /// What the model refuses or fails at; what `listener` says when its client has gone away.
    pub(crate) async fn see(
        &mut self,
        looked: Looked,
        listener: &mut Listener,
    ) -> Result<(), Problem> {
        let (done, total) = (self.done(), self.total());
        let (model, spacing) = (self.model.clone(), self.taken.cine.spacing);
        let Looked {
            index,
            grey,
            turn,
            seen,
            timings,
        } = looked;
        self.timings.preprocess += timings.preprocess;
        self.timings.postprocess += timings.postprocess;
        let decided = self.sight.turn();
        let seen = match decided {
            None => {
                let heard = async || listener.segmented(done, total).await;
                let timings = &mut self.timings;
                self.sight
                    .judge(&model, &spacing, &grey, seen?, timings, heard)
                    .await?
            }
            // It was shown before that was decided, and what the model said of it then is nothing to anybody.
            Some(decided) if decided != turn => {
                see_turned(&model, &spacing, &grey, decided, &mut self.timings).await?
            }
            Some(_) => seen?,
        };
        let mut ready = std::mem::take(&mut self.seen);
        let Some(shown) = self.sight.turn() else {
            ready.push((index, grey, seen));
            self.seen = ready;
            return Ok(());
        };
        if decided.is_none() && !shown.is_none() {
            for (_, grey, seen) in &mut ready {
                let timings = &mut self.timings;
                *seen = see_turned(&model, &spacing, grey, shown, timings).await?;
            }
        }
        ready.push((index, grey, seen));
        let taking = Instant::now();
        self.taken.all(ready, shown)?;
        self.taking_ms += milliseconds(taking);
        Ok(())
    }

    /// Takes the frames that were seen and still wait, when there are no more; `working_ms` passed while there were frames to work on.
    ///
    /// # Errors
    /// None that a mask of the model can cause.
    pub(crate) fn settle(&mut self, working_ms: f64) -> Result<(), Problem> {
        let turn = self.sight.settle();
        let TimingsJson {
            preprocess,
            postprocess,
            ..
        } = self.timings;
        let others_ms = preprocess + postprocess + self.taking_ms;
        self.timings.inference = (working_ms - others_ms).max(0.0);
        self.taken.all(std::mem::take(&mut self.seen), turn)
    }

    /// Takes the masks away that are done, for whoever keeps them elsewhere.
    pub(crate) fn take_masks(&mut self) -> Vec<PackedMask> {
        std::mem::take(&mut self.taken.masks)
    }

    /// Measures and draws, after [`Work::settle`]. The facts may have come after the volume, so that they are looked at only now.
    ///
    /// # Errors
    /// Facts that no human has, phases that are not there.
    pub(crate) fn finish(
        self,
        subject: &Subject,
        frame_ms: Option<f64>,
    ) -> Result<Outcome, Problem> {
        let (turn, timings) = (self.sight.turn().unwrap_or_default(), self.timings);
        let taken = self.taken;
        let told = Told {
            bsa_formula: taken.wanted.bsa_formula,
            ..measured_with(subject)
        };
        let mut metrics = measure_heart(
            &taken.profiles,
            &taken.wanted.rules,
            &taken.cine.spacing,
            &taken.cycle(frame_ms),
            &told,
            &taken.scores,
        )
        .map_err(|error| not_measurable(&error))?;
        if let Some(factors) = &taken.factors {
            metrics.intervals = intervals(&metrics, &taken.doubts, factors, &taken.cine.spacing);
        }
        let phases = metrics.phases.left_ventricle;
        let mut shown: Vec<usize> = phases.ed_frame.into_iter().chain(phases.es_frame).collect();
        if shown.is_empty() {
            shown.extend(taken.pictures.first().map(|picture| picture.frame));
        }
        let candidates = shown.iter().filter_map(|frame| {
            taken
                .pictures
                .iter()
                .find(|picture| picture.frame == *frame)
        });
        let verdict = Verdict::from_name(metrics.quality.verdict.name());
        let marked = taken.wanted.marked;
        let previews = candidates
            .filter_map(|picture| picture.draw(&taken.cine.spacing, verdict, marked))
            .collect();
        Ok(Outcome {
            frames: taken.profiles.iter().map(|profile| profile.frame).collect(),
            masks: taken.masks,
            turn,
            profiles: taken.profiles,
            doubts: taken.doubts,
            scores: taken.scores,
            metrics,
            previews,
            timings,
        })
    }
}

impl Taken {
    /// Measures and packs what was seen of frames, which were shown by `turn`.
    fn all(&mut self, seen: Vec<(usize, Frame, Seen)>, turn: Turn) -> Result<(), Problem> {
        for (index, grey, seen) in seen {
            self.take(index, &grey, seen, turn)?;
        }
        Ok(())
    }

    fn take(&mut self, index: usize, grey: &Frame, seen: Seen, turn: Turn) -> Result<(), Problem> {
        let Seen {
            labels,
            evidence,
            score,
        } = seen;
        let view = labels.view();
        let grid = self.cine.grid(turn);
        let profile =
            FrameProfile::of(index, view, Some(grey.view()), &grid).map_err(Problem::internal)?;
        self.scores.extend(score.map(|score| FrameScore {
            frame: index,
            score,
        }));
        self.doubts.push(Doubt {
            frame: index,
            right_ventricle_voxels: evidence.right_ventricle.uncertain_voxels,
            myocardium_voxels: evidence.myocardium.uncertain_voxels,
            left_ventricle_voxels: evidence.left_ventricle.uncertain_voxels,
        });
        if self.wanted.previews {
            self.keep_picture(index, profile.counts().left_ventricle, grey, view);
        }
        self.profiles.push(profile);
        self.masks.push(PackedMask {
            frame: index,
            chunk: self.cine.deflated(labels),
        });
        Ok(())
    }

    /// Keeps the middle slice of a frame as long as it may be the picture of end-diastole or end-systole.
    fn keep_picture(
        &mut self,
        frame: usize,
        left_ventricle_voxels: u64,
        grey: &Frame,
        labels: ArrayView3<'_, u8>,
    ) {
        let slice = middle_slice(labels);
        self.pictures.push(Candidate {
            frame,
            left_ventricle_voxels,
            slice,
            grey: grey.index_axis(Axis(0), slice).to_owned(),
            labels: labels.index_axis(Axis(0), slice).to_owned(),
        });
        // The smallest and the largest ventricle so far, the first frame, and what a person told: nothing else becomes a picture. Of
        // equals it is the first, as the measures have it; `max_by_key` takes the last.
        let seen = self
            .pictures
            .iter()
            .filter(|picture| picture.left_ventricle_voxels > 0);
        let smallest = seen
            .clone()
            .min_by_key(|picture| picture.left_ventricle_voxels)
            .map(|picture| picture.frame);
        let largest = seen
            .rev()
            .max_by_key(|picture| picture.left_ventricle_voxels)
            .map(|picture| picture.frame);
        let first = self.pictures.first().map(|picture| picture.frame);
        let kept = [smallest, largest, first, self.told[0], self.told[1]];
        self.pictures
            .retain(|picture| kept.contains(&Some(picture.frame)));
    }

    fn cycle(&self, frame_ms: Option<f64>) -> Cycle {
        Cycle {
            frame_ms,
            frames_in_study: Some(self.cine.shape.frames),
        }
    }
}

impl Candidate {
    /// The picture, with contours. There is none where voxels are so long and thin that it would pass the largest side of a picture.
    fn draw(&self, spacing: &Spacing, verdict: Option<Verdict>, marked: bool) -> Option<Preview> {
        let mut overlay = Overlay::new(self.labels.view(), Style::Contour);
        if let Some(verdict) = verdict {
            overlay = overlay.with_verdict(verdict, marked);
        }
        let png = render(
            self.grey.view(),
            spacing,
            &Picture::default(),
            Some(&overlay),
        )
        .ok()?;
        Some(Preview {
            frame: self.frame,
            slice: self.slice,
            png,
        })
    }
}

/// The middle of the slices that show the left ventricle; the middle of all when none does.
fn middle_slice(labels: ArrayView3<'_, u8>) -> usize {
    let shows = |slice: &ArrayView2<'_, u8>| {
        slice
            .iter()
            .any(|&code| code == Label::LeftVentricle.code())
    };
    let slices: Vec<usize> = labels
        .outer_iter()
        .enumerate()
        .filter(|(_, slice)| shows(slice))
        .map(|(index, _)| index)
        .collect();
    slices
        .get(slices.len() / 2)
        .copied()
        .unwrap_or(labels.dim().0 / 2)
}

/// A measure's refusal as a problem that names the fact.
pub(crate) fn not_measurable(error: &cinecor_measures::Error) -> Problem {
    measure_problem(error.fact(), error)
}

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
