//! From the counts of each frame to phases, volumes, ejection fractions, mass and the volume curve. No voxels and no files here.
//!
//! Volumes are voxel counts times the voxel's volume. The left ventricle's end-diastole is the frame with its largest cavity and
//! end-systole the one with its smallest, the earlier frame on a tie; the right ventricle has its own. A frame that is told
//! replaces the found one for both ventricles.

use cinecor_volume::{Label, Spacing};

use crate::beat::{Beat, smooth_curve};
use crate::reference::{Reference, references};
use crate::subject::Subject;
use crate::{Error, FrameCounts, Interval, RegionalWall};

/// Myocardial density, g/ml (1.05; Vinnakota and Bassingthwaighte, Am J Physiol Heart Circ Physiol 2004;286:H1742).
pub const MYOCARDIAL_DENSITY_G_PER_ML: f64 = 1.05;
/// Where papillary muscles and trabeculae count: in the cavity, as in the training data.
pub const PAPILLARY_RULE: &str = "cavity";
/// Which basal slices count: those that the mask labels, none is added or dropped.
pub const BASAL_RULE: &str = "as_segmented";
/// How a volume is made from a mask.
pub const VOLUME_RULE: &str = "voxel_count_times_voxel_volume";

/// The fewest neighbouring frames from which a rate of change is told; two frames are a difference, not a curve.
const MIN_FRAMES_FOR_RATES: usize = 3;

/// How the frames lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cycle {
    /// Time from one frame of the study to the next in ms; `None` when it is not known.
    pub frame_ms: Option<f64>,
    /// How many frames the whole study has; `None` when only the measured ones are known of. When every one of them is measured, the
    /// last is followed by the first.
    pub frames_in_study: Option<usize>,
}

/// Everything that was measured. `None` is "not known".
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Which frames are end-diastole and end-systole.
    pub phases: Phases,
    /// The left ventricle at its phases.
    pub left_ventricle: Ventricle,
    /// The right ventricle at its own phases.
    pub right_ventricle: Ventricle,
    /// The left ventricular wall.
    pub myocardium: Myocardium,
    /// The wall on the segments of the American Heart Association; unknown as long as only counts are measured.
    pub wall: RegionalWall,
    /// The numbers had the most basal slice not counted; `None` where there are no phases, no slice besides it, or only counts are measured.
    pub without_basal_slice: Option<WithoutBasalSlice>,
    /// Volumes over the heart beat.
    pub curve: Curve,
    /// The same curves smoothed, with rates and their times.
    pub beat: Beat,
    /// Body surface area; `None` unless height and weight are told.
    pub body: Option<Body>,
    /// Where numbers lie among healthy people.
    pub reference: Vec<Reference>,
    /// How far off numbers may be: [`crate::intervals`] of them, where their model says how to tell.
    pub intervals: Vec<Interval>,
    /// What the numbers mean.
    pub conventions: Conventions,
    /// Whether the numbers may be trusted unseen.
    pub quality: Quality,
}

/// End-diastolic and end-systolic frame, counted from 0 in the study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhasePair {
    /// The frame of end-diastole.
    pub ed_frame: Option<usize>,
    /// The frame of end-systole.
    pub es_frame: Option<usize>,
}

/// How the phases came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseMethod {
    /// Both found: the largest and the smallest cavity.
    LargestAndSmallestCavity,
    /// End-diastole told, end-systole found.
    EdTold,
    /// End-systole told, end-diastole found.
    EsTold,
    /// Both told.
    Told,
}

impl PhaseMethod {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            PhaseMethod::LargestAndSmallestCavity => "largest_and_smallest_cavity",
            PhaseMethod::EdTold => "ed_told",
            PhaseMethod::EsTold => "es_told",
            PhaseMethod::Told => "told",
        }
    }
}

/// The phases of both ventricles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phases {
    /// Of the left ventricle, and of the study.
    pub left_ventricle: PhasePair,
    /// Of the right ventricle.
    pub right_ventricle: PhasePair,
    /// How they came about.
    pub method: PhaseMethod,
    /// The next best choice of the left ventricle's found phases, where there are frames enough; a small difference in EF says that the choice matters little.
    pub runner_up: Option<RunnerUp>,
}

/// The frames that would have been taken had the chosen ones been missing. A phase that was told stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunnerUp {
    /// Frame with the second largest left ventricular cavity.
    pub ed_frame: usize,
    /// Frame with the second smallest left ventricular cavity.
    pub es_frame: usize,
    /// The left ventricle's ejection fraction between the two, %.
    pub ef_percent: f64,
}

/// The numbers with the most basal slice left out, as [`Rules::excluded_slices`](crate::Rules) leaves it out. Readers differ about whether
/// that slice still is ventricle, and one slice more or less changed the left ventricle's volumes by up to 15 % ± 6 in 26 patients (Marterer
/// et al., I J Radiol 2019;16:e74219): how far these numbers are from the others says how much hangs on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WithoutBasalSlice {
    /// The slice, which is the most basal one of the left cavity at end-diastole that counts.
    pub slice: usize,
    /// The phases of the left ventricle then: those that are found may be other frames.
    pub phases: PhasePair,
    /// The cavity of the left ventricle.
    pub left_ventricle: Ventricle,
    /// Its wall.
    pub myocardium: Myocardium,
    /// The phases of the right ventricle then.
    pub right_phases: PhasePair,
    /// The right ventricle, whose base lies in the same slices and moves further.
    pub right_ventricle: Ventricle,
}

/// Volumes of one ventricle's cavity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ventricle {
    /// End-diastolic volume, ml.
    pub edv_ml: Option<f64>,
    /// End-systolic volume, ml.
    pub esv_ml: Option<f64>,
    /// Stroke volume, ml: EDV − ESV.
    pub sv_ml: Option<f64>,
    /// Ejection fraction, %: 100 · SV / EDV.
    pub ef_percent: Option<f64>,
    /// Cardiac output, l/min: SV · heart rate; only when the heart rate is told.
    pub co_l_min: Option<f64>,
    /// End-diastolic volume per body surface area, ml/m².
    pub edv_ml_per_m2: Option<f64>,
    /// End-systolic volume per body surface area, ml/m².
    pub esv_ml_per_m2: Option<f64>,
    /// Stroke volume per body surface area, ml/m².
    pub sv_ml_per_m2: Option<f64>,
    /// Cardiac output per body surface area, l/min/m².
    pub co_l_min_per_m2: Option<f64>,
}

/// Mass of the left ventricular wall at the left ventricle's phases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Myocardium {
    /// At end-diastole, g. Of one frame alone it is the mass of that frame, unless the frame is told to be end-systole.
    pub ed_mass_g: Option<f64>,
    /// At end-systole, g.
    pub es_mass_g: Option<f64>,
    /// At end-diastole per body surface area, g/m².
    pub ed_mass_g_per_m2: Option<f64>,
    /// At end-systole per body surface area, g/m².
    pub es_mass_g_per_m2: Option<f64>,
}

/// Volume of each structure in each measured frame, all of one length. A structure that a frame does not show is `None` there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The frames of the study that were measured, in rising order.
    pub frames: Vec<usize>,
    /// Time of each frame since frame 0 of the study in ms; `None` when the time between frames is not known.
    pub time_ms: Option<Vec<f64>>,
    /// Cavity of the left ventricle, ml.
    pub left_ventricle_ml: Vec<Option<f64>>,
    /// Cavity of the right ventricle, ml.
    pub right_ventricle_ml: Vec<Option<f64>>,
    /// Wall of the left ventricle, ml.
    pub myocardium_ml: Vec<Option<f64>>,
    /// The fastest fall of the left ventricle's volume between neighbouring frames, ml/s, positive.
    pub peak_ejection_ml_per_s: Option<f64>,
    /// The fastest rise of the left ventricle's volume between neighbouring frames, ml/s, positive.
    pub peak_filling_ml_per_s: Option<f64>,
}

/// Body surface area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Body {
    /// In m².
    pub bsa_m2: f64,
    /// Name of the formula.
    pub formula: &'static str,
}

/// What has to be known to compare these numbers with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Conventions {
    /// [`MYOCARDIAL_DENSITY_G_PER_ML`].
    pub myocardial_density_g_per_ml: f64,
    /// [`PAPILLARY_RULE`].
    pub papillary: &'static str,
    /// [`BASAL_RULE`].
    pub basal_rule: &'static str,
    /// [`VOLUME_RULE`].
    pub volume_rule: &'static str,
    /// Slices that count to no volume, wall thickness or diameter.
    pub excluded_slices: Vec<usize>,
}

impl Default for Conventions {
    fn default() -> Self {
        Conventions {
            myocardial_density_g_per_ml: MYOCARDIAL_DENSITY_G_PER_ML,
            papillary: PAPILLARY_RULE,
            basal_rule: BASAL_RULE,
            volume_rule: VOLUME_RULE,
            excluded_slices: Vec::new(),
        }
    }
}

/// Whether a result may be trusted unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check passed.
    Pass,
    /// A person has to look.
    Review,
    /// The result is not to be used.
    Reject,
}

impl Verdict {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Review => "review",
            Verdict::Reject => "reject",
        }
    }
}

/// One automatic check of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Stable name.
    pub code: &'static str,
    /// Whether it held.
    pub passed: bool,
    /// What was found.
    pub value: Option<f64>,
    /// What was allowed.
    pub limit: Option<f64>,
    /// The check in a sentence.
    pub detail: String,
}

/// The verdict and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// `Review` as long as no check runs: nothing passes by default.
    pub verdict: Verdict,
    /// The checks that ran.
    pub checks: Vec<Check>,
    /// From 0, useless, to 1.
    pub score: Option<f64>,
}

/// Measures a heart beat from the counts of its frames, given in rising order; a part of the study's frames will do.
///
/// One frame alone has no phases: its volumes stand in the curve and its mass with the wall, all else is `None`. So is everything
/// that rests on a structure that no frame shows.
///
/// # Errors
/// No frame, frames out of order, a spacing or a frame time that is not above 0, a fact that no human has, a told phase that
/// was not measured, or one frame told to be both phases.
pub fn measure(
    frames: &[FrameCounts],
    spacing: &Spacing,
    cycle: &Cycle,
    subject: &Subject,
) -> Result<Metrics, Error> {
    check(frames, spacing, cycle, subject)?;
    let volumes = |structure| {
        frames
            .iter()
            .map(|f| f.counts.volume_ml(structure, spacing))
            .collect::<Vec<_>>()
    };
    let (left_ml, right_ml, wall_ml) = (
        volumes(Label::LeftVentricle),
        volumes(Label::RightVentricle),
        volumes(Label::Myocardium),
    );
    let left = points(frames, &left_ml);
    let right = points(frames, &right_ml);
    let wall = points(frames, &wall_ml);

    let body = match (subject.height_cm, subject.weight_kg) {
        (Some(height_cm), Some(weight_kg)) => Some(Body {
            bsa_m2: subject.bsa_formula.bsa_m2(height_cm, weight_kg),
            formula: subject.bsa_formula.name(),
        }),
        _ => None,
    };
    let bsa = body.map(|b| b.bsa_m2);

    let left_phases = phases_of(&left, subject, frames.len());
    let right_phases = phases_of(&right, subject, frames.len());
    let mass =
        |frame: Option<usize>| volume_at(&wall, frame).map(|ml| ml * MYOCARDIAL_DENSITY_G_PER_ML);
    let (wall_ed, wall_es) = match frames {
        [only] if subject.es_frame == Some(only.frame) => (None, Some(only.frame)),
        [only] => (Some(only.frame), None),
        _ => (left_phases.ed_frame, left_phases.es_frame),
    };

    let mut metrics = Metrics {
        phases: Phases {
            left_ventricle: left_phases,
            right_ventricle: right_phases,
            method: match (subject.ed_frame, subject.es_frame) {
                (None, None) => PhaseMethod::LargestAndSmallestCavity,
                (Some(_), None) => PhaseMethod::EdTold,
                (None, Some(_)) => PhaseMethod::EsTold,
                (Some(_), Some(_)) => PhaseMethod::Told,
            },
            runner_up: runner_up(&left, subject, left_phases),
        },
        left_ventricle: ventricle(&left, left_phases, subject.heart_rate_bpm, bsa),
        right_ventricle: ventricle(&right, right_phases, subject.heart_rate_bpm, bsa),
        myocardium: Myocardium {
            ed_mass_g: mass(wall_ed),
            es_mass_g: mass(wall_es),
            ed_mass_g_per_m2: per(mass(wall_ed), bsa),
            es_mass_g_per_m2: per(mass(wall_es), bsa),
        },
        wall: RegionalWall::default(),
        without_basal_slice: None,
        intervals: Vec::new(),
        beat: beat(
            frames,
            cycle,
            subject,
            [&left_ml, &right_ml, &wall_ml],
            [left_phases, right_phases],
        ),
        curve: curve(frames, cycle, subject, left_ml, right_ml, wall_ml),
        body,
        conventions: Conventions::default(),
        quality: Quality {
            verdict: Verdict::Review,
            checks: Vec::new(),
            score: None,
        },
        reference: Vec::new(),
    };
    metrics.reference = references(&metrics, subject.sex, subject.age_years);
    Ok(metrics)
}

/// Volume of a structure in a frame that shows it.
#[derive(Clone, Copy)]
struct Point {
    frame: usize,
    ml: f64,
}

fn check(
    frames: &[FrameCounts],
    spacing: &Spacing,
    cycle: &Cycle,
    subject: &Subject,
) -> Result<(), Error> {
    if frames.is_empty() {
        return Err(Error::NoFrames);
    }
    for (one, next) in frames.iter().zip(frames.iter().skip(1)) {
        if next.frame <= one.frame {
            return Err(Error::FramesOutOfOrder {
                before: one.frame,
                found: next.frame,
            });
        }
    }
    check_spacing(spacing)?;
    if let Some(found) = cycle.frame_ms {
        positive("frame_ms", found)?;
    }
    subject.check()?;
    for (name, told) in [
        ("ed_frame", subject.ed_frame),
        ("es_frame", subject.es_frame),
    ] {
        if let Some(found) = told
            && frames.iter().all(|f| f.frame != found)
        {
            return Err(Error::UnknownFrame {
                name,
                found,
                measured: in_words(frames),
            });
        }
    }
    match (subject.ed_frame, subject.es_frame) {
        (Some(ed), Some(es)) if ed == es => Err(Error::SamePhases { frame: ed }),
        _ => Ok(()),
    }
}

/// That all three distances are above 0.
pub(crate) fn check_spacing(spacing: &Spacing) -> Result<(), Error> {
    positive("spacing_mm.row", spacing.row_mm)?;
    positive("spacing_mm.column", spacing.column_mm)?;
    positive("spacing_mm.slice", spacing.slice_mm)
}

fn positive(name: &'static str, found: f64) -> Result<(), Error> {
    if found.is_finite() && found > 0.0 {
        Ok(())
    } else {
        Err(Error::NotPositive { name, found })
    }
}

/// "0 to 29", or the numbers themselves where some between are missing.
fn in_words(frames: &[FrameCounts]) -> String {
    match (frames.first(), frames.last()) {
        (Some(first), Some(last))
            if frames.len() > 1 && last.frame - first.frame == frames.len() - 1 =>
        {
            format!("{} to {}", first.frame, last.frame)
        }
        _ => frames
            .iter()
            .map(|f| f.frame.to_string())
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn points(frames: &[FrameCounts], volumes_ml: &[Option<f64>]) -> Vec<Point> {
    frames
        .iter()
        .zip(volumes_ml)
        .filter_map(|(f, &ml)| {
            Some(Point {
                frame: f.frame,
                ml: ml?,
            })
        })
        .collect()
}

fn volume_at(points: &[Point], frame: Option<usize>) -> Option<f64> {
    points.iter().find(|p| Some(p.frame) == frame).map(|p| p.ml)
}

/// The largest volume, the earlier frame on a tie, among the frames other than `but`.
fn largest(points: &[Point], but: &[Option<usize>]) -> Option<Point> {
    let others = points.iter().filter(|p| !but.contains(&Some(p.frame)));
    others
        .copied()
        .reduce(|best, p| if p.ml > best.ml { p } else { best })
}

/// The smallest volume, the earlier frame on a tie, among the frames other than `but`.
fn smallest(points: &[Point], but: &[Option<usize>]) -> Option<Point> {
    let others = points.iter().filter(|p| !but.contains(&Some(p.frame)));
    others
        .copied()
        .reduce(|best, p| if p.ml < best.ml { p } else { best })
}

/// The phases of one ventricle. What was told holds; what was not is found among the other frames that show the ventricle.
fn phases_of(points: &[Point], subject: &Subject, measured: usize) -> PhasePair {
    if measured < 2 {
        return PhasePair::default();
    }
    let ed_frame = subject
        .ed_frame
        .or_else(|| largest(points, &[subject.es_frame]).map(|p| p.frame));
    // Excluding end-diastole keeps the phases apart when every frame has the same volume.
    let es_frame = subject
        .es_frame
        .or_else(|| smallest(points, &[ed_frame]).map(|p| p.frame));
    match (ed_frame, es_frame) {
        (Some(_), Some(_)) => PhasePair { ed_frame, es_frame },
        // A ventricle that a single frame shows has no phases but those it is told.
        _ => PhasePair {
            ed_frame: subject.ed_frame,
            es_frame: subject.es_frame,
        },
    }
}

fn runner_up(points: &[Point], subject: &Subject, chosen: PhasePair) -> Option<RunnerUp> {
    // Where no phases were chosen, as of one frame alone, there is no second choice; nor where both are told.
    chosen.ed_frame.zip(chosen.es_frame)?;
    if subject.ed_frame.is_some() && subject.es_frame.is_some() {
        return None;
    }
    let told = |frame: usize| points.iter().find(|p| p.frame == frame).copied();
    let ed = match subject.ed_frame {
        Some(frame) => told(frame),
        None => largest(points, &[chosen.ed_frame, chosen.es_frame]),
    }?;
    let es = match subject.es_frame {
        Some(frame) => told(frame),
        None => smallest(points, &[chosen.ed_frame, chosen.es_frame, Some(ed.frame)]),
    }?;
    Some(RunnerUp {
        ed_frame: ed.frame,
        es_frame: es.frame,
        ef_percent: ef_percent(ed.ml, es.ml),
    })
}

/// Ejection fraction in %; `edv_ml` is above 0, as every volume of a [`Point`] is.
fn ef_percent(edv_ml: f64, esv_ml: f64) -> f64 {
    100.0 * (edv_ml - esv_ml) / edv_ml
}

fn per(value: Option<f64>, bsa_m2: Option<f64>) -> Option<f64> {
    Some(value? / bsa_m2?)
}

fn ventricle(
    points: &[Point],
    phases: PhasePair,
    heart_rate_bpm: Option<f64>,
    bsa_m2: Option<f64>,
) -> Ventricle {
    let edv_ml = volume_at(points, phases.ed_frame);
    let esv_ml = volume_at(points, phases.es_frame);
    let both = edv_ml.zip(esv_ml);
    let sv_ml = both.map(|(edv, esv)| edv - esv);
    // ml per beat × beats per minute / 1000 = l/min.
    let co_l_min = sv_ml.zip(heart_rate_bpm).map(|(sv, bpm)| sv * bpm / 1000.0);
    Ventricle {
        edv_ml,
        esv_ml,
        sv_ml,
        ef_percent: both.map(|(edv, esv)| ef_percent(edv, esv)),
        co_l_min,
        edv_ml_per_m2: per(edv_ml, bsa_m2),
        esv_ml_per_m2: per(esv_ml, bsa_m2),
        sv_ml_per_m2: per(sv_ml, bsa_m2),
        co_l_min_per_m2: per(co_l_min, bsa_m2),
    }
}

fn curve(
    frames: &[FrameCounts],
    cycle: &Cycle,
    subject: &Subject,
    left_ventricle_ml: Vec<Option<f64>>,
    right_ventricle_ml: Vec<Option<f64>>,
    myocardium_ml: Vec<Option<f64>>,
) -> Curve {
    let rates = cycle
        .frame_ms
        .and_then(|frame_ms| rate_extremes(frames, &left_ventricle_ml, frame_ms, cycle, subject));
    Curve {
        frames: frames.iter().map(|f| f.frame).collect(),
        time_ms: cycle
            .frame_ms
            .map(|frame_ms| frames.iter().map(|f| f.frame as f64 * frame_ms).collect()),
        left_ventricle_ml,
        right_ventricle_ml,
        myocardium_ml,
        peak_ejection_ml_per_s: rates.map(|(lowest, _)| -lowest).filter(|&rate| rate > 0.0),
        peak_filling_ml_per_s: rates.map(|(_, highest)| highest).filter(|&rate| rate > 0.0),
    }
}

/// The smoothed curves of left ventricle, right ventricle and wall.
fn beat(
    frames: &[FrameCounts],
    cycle: &Cycle,
    subject: &Subject,
    [left_ml, right_ml, wall_ml]: [&[Option<f64>]; 3],
    [left, right]: [PhasePair; 2],
) -> Beat {
    let indices: Vec<usize> = frames.iter().map(|f| f.frame).collect();
    let closes = closes(frames, cycle, subject);
    let of = |raw_ml, phases| smooth_curve(&indices, raw_ml, phases, cycle.frame_ms, closes);
    Beat {
        left_ventricle: of(left_ml, left),
        right_ventricle: of(right_ml, right),
        myocardium_ml: of(wall_ml, PhasePair::default()).ml,
    }
}

/// The lowest and the highest rate of change in ml/s; `None` where a frame between is missing or does not show the ventricle.
fn rate_extremes(
    frames: &[FrameCounts],
    volumes_ml: &[Option<f64>],
    frame_ms: f64,
    cycle: &Cycle,
    subject: &Subject,
) -> Option<(f64, f64)> {
    let neighbours = frames
        .iter()
        .zip(frames.iter().skip(1))
        .all(|(one, next)| next.frame - one.frame == 1);
    let mut volumes_ml = volumes_ml.iter().copied().collect::<Option<Vec<f64>>>()?;
    if !neighbours || volumes_ml.len() < MIN_FRAMES_FOR_RATES {
        return None;
    }
    if closes(frames, cycle, subject) {
        volumes_ml.extend(volumes_ml.first().copied());
    }
    let per_second = volumes_ml
        .iter()
        .zip(volumes_ml.iter().skip(1))
        .map(|(one, next)| (next - one) * 1000.0 / frame_ms);
    Some(per_second.fold((0.0_f64, 0.0_f64), |(low, high), rate| {
        (low.min(rate), high.max(rate))
    }))
}

/// How much larger than any other the step around the end of a closed beat may be. Volumes go up and down over several frames, so that
/// neighbouring steps are alike, wherever in the beat the first frame lies.
const STEP_AROUND_MAX: u64 = 2;

/// Whether the last frame is followed by the first. A prospectively triggered cine stops before the beat ends: a told heart rate
/// that leaves more than one frame's time between the end of the cine and that of the beat gives it away. Where that is not known, the left
/// ventricle does: a beat that is cut off steps more than [`STEP_AROUND_MAX`] times as far from its last frame to its first as anywhere else.
fn closes(frames: &[FrameCounts], cycle: &Cycle, subject: &Subject) -> bool {
    let whole = cycle.frames_in_study == Some(frames.len());
    let beat_is_covered = match subject.heart_rate_bpm.zip(cycle.frame_ms) {
        Some((bpm, frame_ms)) => {
            let beat_ms = 60_000.0 / bpm;
            (beat_ms - frames.len() as f64 * frame_ms).abs() <= frame_ms
        }
        None => {
            let left = |frame: &FrameCounts| frame.counts.left_ventricle;
            let step = |one: &FrameCounts, next: &FrameCounts| left(one).abs_diff(left(next));
            let within = frames.iter().zip(frames.iter().skip(1));
            let around = frames.last().zip(frames.first());
            let largest = within.map(|(one, next)| step(one, next)).max();
            let most = largest.map(|step| STEP_AROUND_MAX.saturating_mul(step));
            around.map(|(last, first)| step(last, first)) <= most
        }
    };
    whole && beat_is_covered
}
