//! How the frames of a cine are shown to the model. A network knows hearts as short-axis pictures are usually shown; files hold them turned and
//! mirrored too, and what they say of it is often wrong or missing. So the first frame is looked at: where its mask is doubtful, or has the
//! right ventricle on an unusual side, a few slices are shown to the model in all eight ways, and the way with the best score serves all
//! frames, if it is better. Where none is, the next frames are looked at, a few of them, and those before are kept waiting: one cine is shown
//! in one way. Masks lie as the file's voxels do, whatever the model was shown.

use cinecor_guest::measure_problem;
use cinecor_measures::{Counts, FrameProfile, Grid, SCORE_PASS, SCORE_REJECT, lies_as_usual};
use cinecor_volume::{Frame, LabelFrame, Spacing, Turn};
use cinecor_web::Problem;
use cinecor_wire::TimingsJson;
use ndarray::{ArrayView3, s};

use crate::model::{Evidence, Model, SegmentedFrame};

/// How many slices are shown in all eight ways.
const SHOWN: usize = 3;
/// How many doubtful frames are shown so before they are taken as they lie.
const TRIES: usize = 3;
/// How much better a frame has to score turned: an upright heart whose right ventricle lies unusually stays upright.
const GAIN_MIN: f64 = 0.01;
/// Stacks of fewer slices cover no heart: they are for a person to look at whichever way they lie, and are shown as they are.
const SLICES_MIN: usize = 5;

/// A frame as the model sees it.
pub(crate) struct Seen {
    /// Codes `[Z, Y, X]`, as the frame lies.
    pub(crate) labels: LabelFrame,
    pub(crate) evidence: Evidence,
    /// The mean Dice that the labels are thought to have, when the model's card says how to tell.
    pub(crate) score: Option<f64>,
}

/// How the frames of one cine are shown; decided by the first that is good.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    turn: Option<Turn>,
    /// Frames that were shown in all eight ways, and no way was better.
    tried: usize,
}

impl Sight {
    /// How every frame is shown; `None` as long as it is not decided.
    pub(crate) fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// Takes what was seen as it is, for want of better: no way was found, and there are no more frames.
    pub(crate) fn settle(&mut self) -> Turn {
        *self.turn.get_or_insert_default()
    }

    /// Decides by a frame, of which `seen` was seen as it lies, if it can, and gives what is seen of it then. Before each of several looks
    /// `heard` is called: a client should hear that there is work.
    ///
    /// # Errors
    /// What the model refuses or fails at; what `heard` says when nobody listens any more.
    pub(crate) async fn judge(
        &mut self,
        model: &Model,
        spacing: &Spacing,
        grey: &Frame,
        seen: Seen,
        timings: &mut TimingsJson,
        heard: impl AsyncFnMut() -> Result<(), Problem>,
    ) -> Result<Seen, Problem> {
        if grey.dim().0 < SLICES_MIN || !is_doubtful(&seen, spacing)? {
            self.turn = Some(Turn::default());
            return Ok(seen);
        }
        // A frame may be bad in every way, and the next one good: what it did not decide, the next one may.
        self.tried += 1;
        if let Some(turn) = best_turn(model, spacing, grey, timings, heard).await? {
            let turned = see_turned(model, spacing, grey, turn, timings).await?;
            let better = turned.score.zip(seen.score);
            if better.is_some_and(|(turned, seen)| turned >= seen + GAIN_MIN) {
                self.turn = Some(turn);
                return Ok(turned);
            }
        }
        if self.tried == TRIES {
            self.settle();
        }
        Ok(seen)
    }
}

/// Whether another look may pay. Without a score there is nothing to choose by.
fn is_doubtful(seen: &Seen, spacing: &Spacing) -> Result<bool, Problem> {
    let Some(score) = seen.score else {
        return Ok(false);
    };
    Ok(score < SCORE_PASS || lies_as_usual(&profile(seen.labels.view(), spacing)?) == Some(false))
}

/// Of the seven other ways the one that the middle slices look best in, if it is better than the way they lie, and good
/// enough not to be rejected.
async fn best_turn(
    model: &Model,
    spacing: &Spacing,
    grey: &Frame,
    timings: &mut TimingsJson,
    mut heard: impl AsyncFnMut() -> Result<(), Problem>,
) -> Result<Option<Turn>, Problem> {
    // The mask is in doubt, and so is where it has the heart; the middle of a stack shows both ventricles.
    let slices = grey.dim().0;
    let first = slices.saturating_sub(SHOWN) / 2;
    let last = (first + SHOWN).min(slices);
    let part = grey.slice(s![first..last, .., ..]).to_owned();
    let mut best: Option<(Turn, f64)> = None;
    for turn in Turn::ALL {
        heard().await?;
        let spacing = turn.of_spacing(spacing);
        let shown = show(model, &spacing, turn.of(part.view()), timings).await?;
        let lies_well =
            turn.is_none() || lies_as_usual(&profile(shown.labels.view(), &spacing)?) == Some(true);
        let better = shown
            .score
            .filter(|score| lies_well && best.is_none_or(|(_, other)| *score > other));
        if let Some(score) = better {
            best = Some((turn, score));
        }
    }
    Ok(best
        .filter(|(turn, score)| !turn.is_none() && *score >= SCORE_REJECT)
        .map(|(turn, _)| turn))
}

/// Shows the model a frame turned, and turns what is seen back.
///
/// # Errors
/// What the model refuses or fails at.
pub(crate) async fn see_turned(
    model: &Model,
    spacing: &Spacing,
    grey: &Frame,
    turn: Turn,
    timings: &mut TimingsJson,
) -> Result<Seen, Problem> {
    let turned = turn.of(grey.view());
    let seen = show(model, &turn.of_spacing(spacing), turned, timings).await?;
    if turn.is_none() {
        return Ok(seen);
    }
    Ok(Seen {
        labels: turn.undone(seen.labels.view()),
        ..seen
    })
}

/// Has the model segment what it is shown.
async fn show(
    model: &Model,
    spacing: &Spacing,
    grey: Frame,
    timings: &mut TimingsJson,
) -> Result<Seen, Problem> {
    let shape = grey.dim();
    let SegmentedFrame {
        labels,
        preprocess_ms,
        postprocess_ms,
        evidence,
        ..
    } = model.segment(spacing, grey).await?;
    timings.preprocess += preprocess_ms;
    timings.postprocess += postprocess_ms;
    let labels = LabelFrame::from_shape_vec(shape, labels).map_err(Problem::internal)?;
    let counts =
        Counts::of(labels.view()).map_err(|error| measure_problem(error.fact(), &error))?;
    let score = model.score(labels.view(), &counts, &evidence, spacing);
    Ok(Seen {
        labels,
        evidence,
        score,
    })
}

fn profile(labels: ArrayView3<'_, u8>, spacing: &Spacing) -> Result<FrameProfile, Problem> {
    let grid = Grid {
        spacing: *spacing,
        right_handed: None,
        mirrored: false,
    };
    FrameProfile::of(0, labels, None, &grid).map_err(Problem::internal)
}
