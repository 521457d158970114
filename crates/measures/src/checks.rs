//! Whether a result may be trusted unseen: one check a doubt, each with what was found, what is allowed and a sentence, and the rule that makes
//! a verdict of them. Nothing here corrects anything.
//!
//! Where a limit is a matter of custom it was measured on the expert masks of ACDC's training set (Bernard et al., IEEE TMI 2018;37:2514;
//! 78 patients of five groups, end-diastole and end-systole): what nearly all experts' own masks satisfy is not held against an
//! automatic one. Percentiles are those of `tests/golden/limits.py`.

use std::collections::BTreeSet;

use cinecor_volume::{Label, Spacing};

use crate::metrics::{Check, Metrics, Quality, Verdict};
use crate::profile::{FrameProfile, LongAxis, SliceProfile, long_axis};
use crate::{Counts, PhaseMethod, Rules};

/// Part of the largest section of the left ventricle that the one nearest to the apex may have: the 97.5th percentile at end-diastole
/// (0.416). Of stacks that lack their last slice 41 % are above it, of those that lack two 91 %.
const APICAL_SECTION_MAX: f64 = 0.42;
/// Length of the left ventricle over its width at end-diastole, where no slice lies above it: the 2.5th percentile (0.838). Of stacks that
/// lack their first slice 15 % are shorter, of those that lack two 37 %, three 77 %: a mask says little of what the picture does not show.
const LENGTH_OVER_WIDTH_MIN: f64 = 0.84;
/// Part of a structure's voxels that may lie apart from its largest piece, %: the most of any expert mask is 3.6.
const STRAY_PERCENT_MAX: f64 = 4.0;
/// Part of the cavity's outline that the wall has to border below the basal slice. It is all of it in every expert mask; 5 % leave an
/// automatic mask a few voxels.
const ENCLOSED_MIN: f64 = 0.95;
/// Part of the right ventricle's slices in which it borders the wall: the least of any expert mask is 0.857.
const BESIDE_MIN: f64 = 0.85;
/// Voxels that may lie in the picture's outermost rows and columns: no expert mask has any.
const AT_EDGE_MAX: f64 = 0.0;
/// How far the section of a slice may lie from the mean of its neighbours', as a part of the largest: the 97.5th percentile (0.160 at
/// end-diastole, 0.158 at end-systole).
const SECTION_JUMP_MAX: f64 = 0.16;
/// How far the middle of a slice may lie from the line between its neighbours', mm: the 97.5th percentile (12.6 and 13.5). Beyond, a slice was
/// held at another breath, triggered at another phase, or is wrong.
const SHIFT_MM_MAX: f64 = 13.0;
/// How far the two stroke volumes may lie apart, % of the left one: the 95th percentile (34.9) of the 15 healthy hearts, in which both must be
/// the same. Leaking valves and shunts make them differ; they belong before a person's eyes too.
const STROKE_VOLUMES_PERCENT_MAX: f64 = 35.0;
/// How far the mass at end-systole may lie from that at end-diastole, %: the 95th percentile (36.4). The wall does not change its mass; readers
/// include other slices.
const MASSES_PERCENT_MAX: f64 = 36.0;
/// What a choice may change of the ejection fraction, in points: the smallest spread between readers of seven core laboratories
/// (Suinesiaputra et al., J Cardiovasc Magn Reson 2015;17:63). Less is not told apart by people.
const EF_POINTS_MAX: f64 = 4.6;
/// Where the right ventricle lies from the left one in the picture at end-diastole, degrees anticlockwise from the right: the 2.5th and the
/// 97.5th percentile (120 and 224), where 180 is to the left. A picture that is turned or mirrored against those a network learned from is
/// segmented worse, and a right ventricle on another side may be none.
const RIGHT_SIDE_DEGREES: [f64; 2] = [120.0, 224.0];
/// How much brighter blood has to be than muscle at end-diastole, in standard deviations: the least of any patient is 1.55.
const CONTRAST_MIN: f64 = 1.5;
/// Distances between pixels, mm. ACDC has 0.70 to 1.95; half as much again on either side.
const IN_PLANE_MM: [f64; 2] = [0.45, 3.0];
/// Distances between slices, mm. ACDC has 5 to 10; half as much again on either side.
const SLICE_MM: [f64; 2] = [3.0, 15.0];
/// End-diastolic volume of the left ventricle, ml. Experts find 49 to 374; twice as much and half as much are left for children and giants.
/// A spacing in a wrong unit is off by a factor of five at least.
const EDV_ML: [f64; 2] = [24.0, 750.0];

/// From which score of the model on a result may pass: of volumes of ACDC's validation patients that were spoilt until their mean Dice fell
/// below .8, one in twenty scores higher (0.859 and 0.860 of cinecor-unet and the lite package when they looked at whole slices, 0.866 and 0.867
/// about the heart: `limits` in their cards, by `weights/cinecor_weights/calibrate.py`).
pub const SCORE_PASS: f64 = 0.86;
/// Below which score of the model a result is rejected: of the spoilt volumes that kept a mean Dice of .8, one in twenty scores lower (0.754
/// and 0.764, and 0.771 and 0.778, found with the ones above). What both limits make of such volumes now is `verdicts` in the cards.
pub const SCORE_REJECT: f64 = 0.76;

/// Checks without which the numbers mean nothing: failing one rejects.
const DECISIVE: [&str; 4] = ["structures_present", "ejection", "spacing", "heart_size"];

/// What a result is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The measured frames, in rising order.
    pub frames: &'a [FrameProfile],
    /// Which slices count: those that are left out neither fail a check nor help one to pass.
    pub rules: &'a Rules,
    /// What was measured.
    pub metrics: &'a Metrics,
    /// What would have been measured had no phase been told; `None` when none was.
    pub found: Option<&'a Metrics>,
    /// Distances between voxels.
    pub spacing: &'a Spacing,
    /// How many frames the whole study has; `None` when only the measured ones are known of.
    pub frames_in_study: Option<usize>,
}

/// The verdict of checks and of the model's own score, 0 to 1.
///
/// A failed decisive check or a score below [`SCORE_REJECT`] rejects. A result passes only when checks ran, all held and the score is
/// known and at least [`SCORE_PASS`]. Everything else is for a person to look at.
pub fn verdict(checks: &[Check], score: Option<f64>) -> Verdict {
    let failed = |decisive: bool| {
        checks
            .iter()
            .any(|check| !check.passed && DECISIVE.contains(&check.code) == decisive)
    };
    if failed(true) || score.is_some_and(|score| score < SCORE_REJECT) {
        Verdict::Reject
    } else if checks.is_empty() || failed(false) || !score.is_some_and(|score| score >= SCORE_PASS)
    {
        Verdict::Review
    } else {
        Verdict::Pass
    }
}

/// Runs every check that can be run and gives the verdict.
pub fn assess(judged: &Judged<'_>, score: Option<f64>) -> Quality {
    let checks = checks(judged);
    Quality {
        verdict: verdict(&checks, score),
        checks,
        score,
    }
}

/// Every check that can be run, in a fixed order. One that rests on what is not known is left out.
pub fn checks(judged: &Judged<'_>) -> Vec<Check> {
    let Judged {
        frames,
        rules,
        metrics,
        found,
        spacing,
        frames_in_study,
    } = *judged;
    let frames: Vec<Counting<'_>> = frames
        .iter()
        .map(|profile| Counting { profile, rules })
        .collect();
    let phases = metrics.phases.left_ventricle;
    let at = |frame: Option<usize>| {
        let mut frames = frames.iter().copied();
        frames.find(|counting| Some(counting.profile.frame) == frame)
    };
    // One frame alone stands for both phases.
    let ed = at(phases.ed_frame).or(frames.first().copied());
    let both: Vec<Counting<'_>> = ed
        .into_iter()
        .chain(at(phases.es_frame).filter(|_| phases.es_frame != ed.map(|ed| ed.profile.frame)))
        .collect();
    let mut list = vec![structures_present(&frames)];
    list.extend(base_covered(&both, spacing));
    list.extend(ed.and_then(apex_covered));
    list.push(contiguous(&both));
    list.extend(pieces(&frames));
    list.extend(enclosed(&both));
    list.extend(beside(&both));
    list.extend(ed.and_then(orientation));
    list.extend(field_of_view(&both));
    list.extend(sections(&both));
    list.extend(alignment(&both));
    list.extend(frame_jumps(metrics));
    list.extend(stroke_volumes(metrics));
    list.extend(masses(metrics));
    list.extend(ejection(metrics));
    list.extend(frames_in_study.and_then(|all| whole_beat(metrics, frames.len(), all)));
    list.extend(found.and_then(|found| told_phases(metrics, found)));
    list.push(spacing_plausible(spacing));
    list.extend(heart_size(metrics));
    list.extend(ed.and_then(contrast));
    list
}

/// A frame as far as its slices count.
#[derive(Clone, Copy)]
struct Counting<'a> {
    profile: &'a FrameProfile,
    rules: &'a Rules,
}

impl<'a> Counting<'a> {
    /// A slice that counts.
    fn slice(self, z: usize) -> Option<&'a SliceProfile> {
        self.profile
            .slices
            .get(z)
            .filter(|_| self.rules.counts_slice(z))
    }

    /// The slices that count, in the order of the volume.
    fn slices(self) -> impl DoubleEndedIterator<Item = &'a SliceProfile> {
        (0..self.profile.slices.len()).filter_map(move |z| self.slice(z))
    }

    fn counts(self) -> Counts {
        self.slices()
            .fold(Counts::default(), |sum, slice| sum + slice.counts)
    }

    /// The largest section of the left ventricle; `None` where there is none.
    fn largest(self) -> Option<u64> {
        let largest = self.slices().map(SliceProfile::heart).max();
        largest.filter(|&voxels| voxels > 0)
    }

    /// Whether the slices' order runs from base to apex. No slice that is left out changes that.
    fn is_toward_apex(self) -> Option<bool> {
        long_axis(&self.profile.slices).map(|axis| axis.apex >= axis.base)
    }

    /// The ends of the ventricle among the slices that count.
    fn axis(self) -> Option<LongAxis> {
        let mut shown = long_axis(&self.profile.slices)?
            .slices()
            .filter(|&z| self.slice(z).is_some_and(|slice| slice.heart() > 0));
        let base = shown.next()?;
        Some(LongAxis {
            base,
            apex: shown.last().unwrap_or(base),
        })
    }
}

fn check(code: &'static str, passed: bool, value: f64, limit: f64, detail: String) -> Check {
    Check {
        code,
        passed,
        value: value.is_finite().then_some(value),
        limit: Some(limit),
        detail,
    }
}

fn of_structure(counts: Counts, label: Label) -> u64 {
    match label {
        Label::Background => 0,
        Label::RightVentricle => counts.right_ventricle,
        Label::Myocardium => counts.myocardium,
        Label::LeftVentricle => counts.left_ventricle,
    }
}

fn in_words(label: Label) -> &'static str {
    match label {
        Label::Background => "background",
        Label::RightVentricle => "right ventricle",
        Label::Myocardium => "myocardium",
        Label::LeftVentricle => "left ventricle",
    }
}

fn structures_present(frames: &[Counting<'_>]) -> Check {
    let mut missing = Vec::new();
    for counting in frames {
        let counts = counting.counts();
        for label in Label::STRUCTURES {
            if of_structure(counts, label) == 0 {
                missing.push((counting.profile.frame, label));
            }
        }
    }
    let detail = match missing.first() {
        None => {
            "Left ventricle, myocardium and right ventricle are found in every frame.".to_owned()
        }
        Some((frame, label)) => format!(
            "A structure is missing {} times, first the {} in frame {frame}.",
            missing.len(),
            in_words(*label)
        ),
    };
    check(
        "structures_present",
        missing.is_empty(),
        missing.len() as f64,
        0.0,
        detail,
    )
}

fn base_covered(frames: &[Counting<'_>], spacing: &Spacing) -> Option<Check> {
    let ed = frames.first()?;
    let axis = ed.axis()?;
    let section_mm2 = ed.largest()? as f64 * spacing.row_mm * spacing.column_mm;
    let width_mm = 2.0 * (section_mm2 / std::f64::consts::PI).sqrt();
    let length_mm = axis.slices().count() as f64 * spacing.slice_mm;
    let value = length_mm / width_mm;
    // The base comes down in systole: where it leaves a slice free, the stack reaches above it.
    let is_toward_apex = ed.is_toward_apex()?;
    let is_free = frames.iter().any(|counting| {
        let mut slices = counting.slices();
        let above = if is_toward_apex {
            slices.next()
        } else {
            slices.next_back()
        };
        above.is_some_and(|slice| slice.heart() == 0)
    });
    let no_slice = if ed.rules.excluded_slices.is_empty() {
        "No slice"
    } else {
        "No slice that counts"
    };
    let passed = is_free || value >= LENGTH_OVER_WIDTH_MIN;
    let detail = if is_free {
        "The stack begins above the left ventricle: the base is covered.".to_owned()
    } else if passed {
        format!(
            "{no_slice} lies above the base; the ventricle is {length_mm:.0} mm long and {width_mm:.0} mm wide, as whole ventricles are."
        )
    } else {
        format!(
            "{no_slice} lies above the base, and the ventricle is {length_mm:.0} mm long for a width of {width_mm:.0} mm: the base may be missing."
        )
    };
    Some(check(
        "base_covered",
        passed,
        value,
        LENGTH_OVER_WIDTH_MIN,
        detail,
    ))
}

fn apex_covered(counting: Counting<'_>) -> Option<Check> {
    let apex = counting.slice(counting.axis()?.apex)?;
    let value = apex.heart() as f64 / counting.largest()? as f64;
    let passed = value <= APICAL_SECTION_MAX;
    let percent = 100.0 * value;
    Some(check(
        "apex_covered",
        passed,
        value,
        APICAL_SECTION_MAX,
        if passed {
            format!(
                "The ventricle ends towards the apex in {percent:.0} % of its largest section: the apex is covered."
            )
        } else {
            format!(
                "The ventricle ends towards the apex in {percent:.0} % of its largest section: the apex may be missing."
            )
        },
    ))
}

fn contiguous(frames: &[Counting<'_>]) -> Check {
    // A slice is one, in however many frames.
    let (mut gaps, mut left_out) = (BTreeSet::new(), BTreeSet::new());
    for counting in frames {
        for z in counting.axis().into_iter().flat_map(LongAxis::slices) {
            match counting.slice(z) {
                Some(slice) if slice.heart() > 0 => false,
                Some(_) => gaps.insert(z),
                None => left_out.insert(z),
            };
        }
    }
    let all = gaps.len() + left_out.len();
    let are_left_out = !left_out.is_empty();
    check(
        "slices_contiguous",
        all == 0,
        all as f64,
        0.0,
        match (all, are_left_out) {
            (0, _) => "The left ventricle is found in every slice from base to apex.".to_owned(),
            (1, false) => "1 slice between base and apex shows no left ventricle.".to_owned(),
            (_, false) => format!("{all} slices between base and apex show no left ventricle."),
            (1, true) => {
                "1 slice between base and apex is left out: what lies in it is missing in every volume."
                    .to_owned()
            }
            (_, true) => format!(
                "{all} slices between base and apex are left out or show no left ventricle: what lies in them is missing in every volume."
            ),
        },
    )
}

fn pieces(frames: &[Counting<'_>]) -> Option<Check> {
    let mut worst: Option<(f64, usize, Label)> = None;
    for counting in frames {
        let (all, apart) = (counting.counts(), counting.rules.stray(counting.profile));
        for label in Label::STRUCTURES {
            let voxels = of_structure(all, label);
            let percent = 100.0 * of_structure(apart, label) as f64 / voxels as f64;
            if voxels > 0 && worst.is_none_or(|(most, ..)| percent > most) {
                worst = Some((percent, counting.profile.frame, label));
            }
        }
    }
    let (percent, frame, label) = worst?;
    Some(check(
        "connected",
        percent <= STRAY_PERCENT_MAX,
        percent,
        STRAY_PERCENT_MAX,
        if percent == 0.0 {
            "Each structure is one piece in every frame.".to_owned()
        } else {
            format!(
                "{percent:.1} % of the {} lie apart from its largest piece in frame {frame}; up to {STRAY_PERCENT_MAX} % are accepted.",
                in_words(label)
            )
        },
    ))
}

fn enclosed(frames: &[Counting<'_>]) -> Option<Check> {
    let mut least: Option<(f64, usize, usize)> = None;
    for counting in frames {
        let Some(axis) = long_axis(&counting.profile.slices) else {
            continue;
        };
        // The most basal slice may look into the outflow tract. Where it is left out, the next one is no nearer to it.
        for z in axis.slices().skip(1) {
            if let Some(part) = counting.slice(z).and_then(|slice| slice.enclosed)
                && least.is_none_or(|(lowest, ..)| part < lowest)
            {
                least = Some((part, counting.profile.frame, z));
            }
        }
    }
    let (part, frame, slice) = least?;
    Some(check(
        "cavity_enclosed",
        part >= ENCLOSED_MIN,
        part,
        ENCLOSED_MIN,
        format!(
            "The wall borders {:.0} % of the left cavity's outline where it borders least, in slice {slice} of frame {frame}; at least {:.0} % are expected below the basal slice.",
            100.0 * part,
            100.0 * ENCLOSED_MIN
        ),
    ))
}

fn beside(frames: &[Counting<'_>]) -> Option<Check> {
    let part = frames
        .iter()
        .filter_map(|counting| {
            let touching: Vec<bool> = counting.slices().filter_map(|slice| slice.beside).collect();
            let count = touching.iter().filter(|&&touches| touches).count();
            (!touching.is_empty()).then(|| count as f64 / touching.len() as f64)
        })
        .reduce(f64::min)?;
    Some(check(
        "ventricles_adjacent",
        part >= BESIDE_MIN,
        part,
        BESIDE_MIN,
        format!(
            "The right ventricle borders the left one's wall in {:.0} % of its slices; at least {:.0} % are expected.",
            100.0 * part,
            100.0 * BESIDE_MIN
        ),
    ))
}

/// The middle over slices, each weighed by its voxels; the factor of voxels to volume is the same in all.
fn middle_over(slices: impl Iterator<Item = (Option<[f64; 2]>, u64)>) -> Option<[f64; 2]> {
    let (mut row, mut column, mut voxels) = (0.0, 0.0, 0.0);
    for (middle_mm, count) in slices {
        let count = count as f64;
        if let Some([row_mm, column_mm]) = middle_mm {
            row += row_mm * count;
            column += column_mm * count;
            voxels += count;
        }
    }
    (voxels > 0.0).then(|| [row / voxels, column / voxels])
}

/// Whether the right ventricle lies on the side of the left one where short-axis pictures that are shown as usual have it; `None` where one
/// of them is not there.
pub fn lies_as_usual(profile: &FrameProfile) -> Option<bool> {
    let [first, last] = RIGHT_SIDE_DEGREES;
    let rules = &Rules::default();
    right_side_degrees(Counting { profile, rules }).map(|degrees| (first..=last).contains(&degrees))
}

/// Where the right ventricle lies from the left one in the picture, degrees anticlockwise from the right.
fn right_side_degrees(counting: Counting<'_>) -> Option<f64> {
    let slices = || counting.slices();
    let left = middle_over(slices().map(|slice| (slice.middle_mm, slice.heart())))?;
    let right =
        middle_over(slices().map(|slice| (slice.right_middle_mm, slice.counts.right_ventricle)))?;
    // Rows go down, angles anticlockwise.
    let (up, across) = (left[0] - right[0], right[1] - left[1]);
    Some(up.atan2(across).to_degrees().rem_euclid(360.0))
}

fn orientation(counting: Counting<'_>) -> Option<Check> {
    let value = right_side_degrees(counting)?;
    let [first, last] = RIGHT_SIDE_DEGREES;
    let passed = (first..=last).contains(&value);
    // The nearer limit, the way round the circle.
    let apart = |limit: f64| {
        let turn = (value - limit).rem_euclid(360.0);
        turn.min(360.0 - turn)
    };
    let limit = if apart(first) < apart(last) {
        first
    } else {
        last
    };
    let place = format!(
        "The right ventricle lies {value:.0} degrees anticlockwise from the picture's right as seen from the left one"
    );
    let detail = if passed {
        format!("{place}: on the left, as in short-axis pictures that are shown as usual.")
    } else {
        format!(
            "{place}, where {first} to {last} are usual: the picture is turned or mirrored, or this is not the right ventricle."
        )
    };
    Some(check("orientation", passed, value, limit, detail))
}

fn field_of_view(frames: &[Counting<'_>]) -> Option<Check> {
    let voxels = frames
        .iter()
        .flat_map(|counting| counting.slices())
        .map(|slice| slice.at_edge)
        .sum::<Option<u64>>()?;
    let detail = if voxels == 0 {
        "The heart does not touch the picture's edge.".to_owned()
    } else {
        format!(
            "{voxels} voxels of the heart lie in the picture's outermost rows and columns: the field of view may cut it off."
        )
    };
    Some(check(
        "field_of_view",
        voxels == 0,
        voxels as f64,
        AT_EDGE_MAX,
        detail,
    ))
}

/// The largest of a value over the inner slices of the ventricle in each frame: it sees a slice between its two neighbours. A slice next to
/// one that is left out is not looked at: limits are those of neighbours.
fn largest_inner(
    frames: &[Counting<'_>],
    value: impl Fn(Counting<'_>, [&SliceProfile; 3]) -> Option<f64>,
) -> Option<(f64, usize, usize)> {
    let mut largest: Option<(f64, usize, usize)> = None;
    for &counting in frames {
        let Some(axis) = counting.axis() else {
            continue;
        };
        for z in axis.base.min(axis.apex) + 1..axis.base.max(axis.apex) {
            let [Some(before), Some(here), Some(after)] =
                [z - 1, z, z + 1].map(|z| counting.slice(z))
            else {
                continue;
            };
            if let Some(value) = value(counting, [before, here, after])
                && largest.is_none_or(|(most, ..)| value > most)
            {
                largest = Some((value, counting.profile.frame, z));
            }
        }
    }
    largest
}

fn sections(frames: &[Counting<'_>]) -> Option<Check> {
    let (value, frame, slice) = largest_inner(frames, |counting, three| {
        let [before, here, after] = three.map(|slice| slice.heart() as f64);
        Some((here - (before + after) / 2.0).abs() / counting.largest()? as f64)
    })?;
    Some(check(
        "slice_jumps",
        value <= SECTION_JUMP_MAX,
        value,
        SECTION_JUMP_MAX,
        format!(
            "The ventricle's section lies {:.1} % of the largest away from what its neighbours let expect, in slice {slice} of frame {frame}; up to {:.1} % are accepted.",
            100.0 * value,
            100.0 * SECTION_JUMP_MAX
        ),
    ))
}

fn alignment(frames: &[Counting<'_>]) -> Option<Check> {
    let (value, frame, slice) = largest_inner(frames, |_, three| {
        let [before, here, after] = three.map(|slice| slice.middle_mm);
        let (before, here, after) = (before?, here?, after?);
        let off = |axis: usize| here[axis] - (before[axis] + after[axis]) / 2.0;
        Some(off(0).hypot(off(1)))
    })?;
    Some(check(
        "slice_alignment",
        value <= SHIFT_MM_MAX,
        value,
        SHIFT_MM_MAX,
        if value <= SHIFT_MM_MAX {
            format!(
                "The slices lie one below the other; the largest step aside is {value:.1} mm, in slice {slice} of frame {frame}."
            )
        } else {
            format!(
                "Slice {slice} lies {value:.1} mm beside the line of its neighbours in frame {frame}: another breath, another trigger, or a wrong contour."
            )
        },
    ))
}

fn frame_jumps(metrics: &Metrics) -> Option<Check> {
    let edv_ml = metrics.left_ventricle.edv_ml?;
    let smooth_ml = metrics.beat.left_ventricle.ml.as_ref()?;
    let curve = &metrics.curve;
    let (points, frame) = curve
        .left_ventricle_ml
        .iter()
        .zip(smooth_ml)
        .zip(&curve.frames)
        .filter_map(|((raw, smooth), &frame)| {
            Some((100.0 * ((*raw)? - smooth).abs() / edv_ml, frame))
        })
        .reduce(|most, next| if next.0 > most.0 { next } else { most })?;
    Some(check(
        "frame_jumps",
        points <= EF_POINTS_MAX,
        points,
        EF_POINTS_MAX,
        format!(
            "The left ventricle's volume leaves its smoothed curve by {points:.1} % of the end-diastolic volume at most, in frame {frame}; up to {EF_POINTS_MAX} % are accepted."
        ),
    ))
}

fn stroke_volumes(metrics: &Metrics) -> Option<Check> {
    let (left, right) = (
        metrics.left_ventricle.sv_ml?,
        metrics.right_ventricle.sv_ml?,
    );
    if left <= 0.0 {
        return None;
    }
    let percent = 100.0 * (left - right).abs() / left;
    Some(check(
        "stroke_volumes",
        percent <= STROKE_VOLUMES_PERCENT_MAX,
        percent,
        STROKE_VOLUMES_PERCENT_MAX,
        format!(
            "The left ventricle ejects {left:.0} ml and the right one {right:.0} ml, {percent:.0} % apart; without a leak or a shunt both are the same, and readers differ by up to {STROKE_VOLUMES_PERCENT_MAX:.0} %."
        ),
    ))
}

fn masses(metrics: &Metrics) -> Option<Check> {
    let (ed, es) = (metrics.myocardium.ed_mass_g?, metrics.myocardium.es_mass_g?);
    let percent = 100.0 * (es - ed).abs() / ed;
    Some(check(
        "masses",
        percent <= MASSES_PERCENT_MAX,
        percent,
        MASSES_PERCENT_MAX,
        format!(
            "The wall weighs {ed:.0} g at end-diastole and {es:.0} g at end-systole, {percent:.0} % apart; it is the same wall, and readers differ by up to {MASSES_PERCENT_MAX:.0} %."
        ),
    ))
}

fn ejection(metrics: &Metrics) -> Option<Check> {
    let (ef_percent, which) = [
        (metrics.left_ventricle.ef_percent, "left"),
        (metrics.right_ventricle.ef_percent, "right"),
    ]
    .into_iter()
    .filter_map(|(ef, which)| Some((ef?, which)))
    .reduce(|least, next| if next.0 < least.0 { next } else { least })?;
    let passed = ef_percent > 0.0;
    Some(check(
        "ejection",
        passed,
        ef_percent,
        0.0,
        if passed {
            "Both ventricles are smaller at end-systole than at end-diastole.".to_owned()
        } else {
            format!(
                "The {which} ventricle is not smaller at end-systole than at end-diastole; if the phases were told, they may be the wrong way round."
            )
        },
    ))
}

/// A phase that is found is the largest or smallest of the frames that were measured, and of the beat only where all were.
fn whole_beat(metrics: &Metrics, measured: usize, all: usize) -> Option<Check> {
    let phases = metrics.phases.left_ventricle;
    phases.ed_frame.zip(phases.es_frame)?;
    let found = match metrics.phases.method {
        PhaseMethod::LargestAndSmallestCavity => "End-diastole and end-systole were found",
        PhaseMethod::EdTold => "End-systole was found",
        PhaseMethod::EsTold => "End-diastole was found",
        PhaseMethod::Told => return None,
    };
    let detail = if measured >= all {
        format!("{found} among all {all} frames of the study.")
    } else {
        format!(
            "{found} among {measured} of the study's {all} frames, and may lie in one that was not measured: tell the phases, or measure every frame."
        )
    };
    Some(check(
        "whole_beat",
        measured >= all,
        measured as f64,
        all as f64,
        detail,
    ))
}

fn told_phases(metrics: &Metrics, found: &Metrics) -> Option<Check> {
    if metrics.phases.method == PhaseMethod::LargestAndSmallestCavity {
        return None;
    }
    // Told phases are those of both ventricles, and the right one may be smallest at another time.
    let (points, which) = [
        (&metrics.left_ventricle, &found.left_ventricle, "left"),
        (&metrics.right_ventricle, &found.right_ventricle, "right"),
    ]
    .into_iter()
    .filter_map(|(told, found, which)| Some(((told.ef_percent? - found.ef_percent?).abs(), which)))
    .reduce(|most, next| if next.0 > most.0 { next } else { most })?;
    let phases = |of: &Metrics| match which {
        "left" => of.phases.left_ventricle,
        _ => of.phases.right_ventricle,
    };
    let name =
        |frame: Option<usize>| frame.map_or_else(|| "-".to_owned(), |frame| frame.to_string());
    let [told, by_volume] = [metrics, found].map(phases);
    Some(check(
        "told_phases",
        points <= EF_POINTS_MAX,
        points,
        EF_POINTS_MAX,
        format!(
            "With what was told the phases are frames {} and {}, by the volume of the {which} ventricle they are {} and {}; its ejection fraction differs by {points:.1} points, and up to {EF_POINTS_MAX} make no difference to readers.",
            name(told.ed_frame),
            name(told.es_frame),
            name(by_volume.ed_frame),
            name(by_volume.es_frame)
        ),
    ))
}

/// The value that is farthest outside its range, with the limit that it breaks; else the first with the nearer limit.
fn outside(found: &[(f64, [f64; 2])]) -> Option<(f64, f64, bool)> {
    let broken = found.iter().find_map(|&(value, [low, high])| {
        if value < low {
            Some((value, low, true))
        } else if value > high {
            Some((value, high, true))
        } else {
            None
        }
    });
    broken.or_else(|| {
        found
            .first()
            .map(|&(value, [_, high])| (value, high, false))
    })
}

fn spacing_plausible(spacing: &Spacing) -> Check {
    let found = [
        (spacing.row_mm, IN_PLANE_MM),
        (spacing.column_mm, IN_PLANE_MM),
        (spacing.slice_mm, SLICE_MM),
    ];
    let (value, limit, broken) = outside(&found).unwrap_or((spacing.row_mm, IN_PLANE_MM[1], false));
    let [low, high] = IN_PLANE_MM;
    let [thin, thick] = SLICE_MM;
    let all = format!(
        "{:.2} x {:.2} mm in the plane and {:.1} mm from slice to slice",
        spacing.row_mm, spacing.column_mm, spacing.slice_mm
    );
    let detail = if broken {
        format!(
            "Voxels lie {all} apart, where {low} to {high} and {thin} to {thick} are usual: a wrong unit or axis makes every volume wrong."
        )
    } else {
        format!("Voxels lie {all} apart, as in short-axis cines.")
    };
    check("spacing", !broken, value, limit, detail)
}

fn heart_size(metrics: &Metrics) -> Option<Check> {
    let ml = metrics.left_ventricle.edv_ml?;
    let (value, limit, broken) = outside(&[(ml, EDV_ML)])?;
    let [low, high] = EDV_ML;
    let detail = if broken {
        format!(
            "The left ventricle holds {ml:.0} ml at end-diastole, where {low} to {high} are possible: the spacing may be in a wrong unit, or the ventricle is not what was found."
        )
    } else {
        format!("The left ventricle holds {ml:.0} ml at end-diastole, as human hearts do.")
    };
    Some(check("heart_size", !broken, value, limit, detail))
}

fn contrast(counting: Counting<'_>) -> Option<Check> {
    let value = counting.profile.contrast?;
    let passed = value >= CONTRAST_MIN;
    // It is known of the whole frame alone.
    let slices = if counting.rules.excluded_slices.is_empty() {
        ""
    } else {
        ", in all slices, those that are left out too"
    };
    Some(check(
        "contrast",
        passed,
        value,
        CONTRAST_MIN,
        if passed {
            format!(
                "Blood is brighter than muscle by {value:.1} standard deviations at end-diastole{slices}."
            )
        } else {
            format!(
                "Blood is brighter than muscle by {value:.1} standard deviations only at end-diastole{slices}, where at least {CONTRAST_MIN} are usual: poor contrast, motion, or another kind of picture."
            )
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BasalRule, SEGMENTS, Wall};

    /// Voxels of 4 mm². A section of 707 of them has 2828 mm² and is as wide as a circle of 60.006 mm.
    const SPACING: Spacing = Spacing {
        row_mm: 2.0,
        column_mm: 2.0,
        slice_mm: 8.0,
    };

    /// Six slices are 48 mm long: 48 / 60.006 = 0.7999, too short for a whole ventricle.
    const SHORT: [u64; 6] = [707, 700, 600, 450, 300, 100];

    /// A frame whose slices show so many voxels of the left ventricle.
    fn profile(sections: &[u64]) -> FrameProfile {
        let slice = |&left_ventricle: &u64| SliceProfile {
            counts: Counts {
                left_ventricle,
                ..Counts::default()
            },
            ..SliceProfile::default()
        };
        FrameProfile {
            frame: 0,
            slices: sections.iter().map(slice).collect(),
            stray: Counts::default(),
            wall: Wall {
                segments_mm: [None; SEGMENTS],
                diameter_mm: None,
            },
            contrast: None,
        }
    }

    const ALL: Rules = Rules {
        basal_rule: BasalRule::AsSegmented,
        excluded_slices: Vec::new(),
    };

    fn without(slices: &[usize]) -> Rules {
        Rules {
            excluded_slices: slices.to_vec(),
            ..ALL
        }
    }

    #[track_caller]
    fn base(frames: &[&[u64]], value: f64, passed: bool) {
        base_under(&ALL, frames, value, passed);
    }

    #[track_caller]
    fn base_under(rules: &Rules, frames: &[&[u64]], value: f64, passed: bool) {
        let profiles: Vec<FrameProfile> = frames.iter().map(|frame| profile(frame)).collect();
        let counting: Vec<Counting<'_>> = profiles
            .iter()
            .map(|profile| Counting { profile, rules })
            .collect();
        let found = base_covered(&counting, &SPACING).unwrap();
        assert!((found.value.unwrap() - value).abs() < 1e-4, "{found:?}");
        assert_eq!(found.passed, passed, "{found:?}");
        assert_eq!(found.limit, Some(0.84));
    }

    #[test]
    fn a_ventricle_without_a_slice_above_it_has_to_be_as_long_as_whole_ones() {
        base(&[&SHORT], 0.7999, false);
        // One slice more: 56 / 60.006.
        base(&[&[707, 700, 650, 600, 450, 300, 100]], 0.9332, true);
        // A slice that shows nothing between the others is part of the length.
        base(&[&[707, 700, 650, 0, 450, 300, 100]], 0.9332, true);
    }

    #[test]
    fn a_slice_above_the_base_covers_it_in_either_phase_and_in_either_order() {
        base(&[&[0, 707, 700, 600, 450, 300, 100]], 0.7999, true);
        // The base comes down in systole.
        base(&[&SHORT, &[0, 500, 450, 400, 200, 50]], 0.7999, true);
        base(&[&SHORT, &[600, 500, 450, 400, 200, 50]], 0.7999, false);
        // A slice beyond the apex says nothing of the base.
        base(&[&[707, 700, 600, 450, 300, 100, 0]], 0.7999, false);
        // From apex to base.
        base(&[&[100, 300, 450, 600, 700, 707, 0]], 0.7999, true);
        base(&[&[0, 100, 300, 450, 600, 700, 707]], 0.7999, false);
    }

    #[test]
    fn a_ventricle_that_ends_wide_lacks_its_apex() {
        let apex_under = |rules: &Rules, sections: &[u64], value: f64, passed: bool| {
            let profile = &profile(sections);
            let found = apex_covered(Counting { profile, rules }).unwrap();
            assert!((found.value.unwrap() - value).abs() < 1e-4, "{found:?}");
            assert_eq!(found.passed, passed, "{found:?}");
            assert_eq!(found.limit, Some(0.42));
        };
        let apex =
            |sections: &[u64], value: f64, passed: bool| apex_under(&ALL, sections, value, passed);
        // 100 / 707, and in the other order.
        apex(&SHORT, 0.1414, true);
        apex(&[100, 300, 450, 600, 700, 707], 0.1414, true);
        // 296 / 707 and 298 / 707, on either side of the limit.
        apex(&[707, 700, 600, 450, 296], 0.4187, true);
        apex(&[707, 700, 600, 450, 298], 0.4215, false);
        // The widest slice need not be the first.
        apex(&[600, 707, 500, 298], 0.4215, false);
        // The last slice that counts is the end: 450 / 707, and with the first two left out 300 / 600.
        apex_under(&without(&[4, 5]), &SHORT, 0.6365, false);
        apex_under(&without(&[0, 1, 5]), &SHORT, 0.5, false);
        // A last slice that was drawn too wide does not count.
        apex_under(
            &without(&[6]),
            &[707, 700, 600, 450, 300, 100, 700],
            0.1414,
            true,
        );
        // Without a ventricle there is nothing to ask.
        let nothing = |sections: &[u64], rules: &Rules| {
            let profile = &profile(sections);
            let counting = Counting { profile, rules };
            assert_eq!(apex_covered(counting), None);
            assert_eq!(base_covered(&[counting], &SPACING), None);
        };
        nothing(&[0, 0], &ALL);
        nothing(&[0, 707], &without(&[1]));
    }

    #[test]
    fn a_base_is_covered_by_slices_that_count() {
        // Seven slices are long enough (56 / 60.006), six are not.
        let long: [u64; 7] = [707, 700, 650, 600, 450, 300, 100];
        base_under(&without(&[6]), &[&long], 0.7999, false);
        // Slices of 700 voxels are 59.708 mm wide; six of them are 48 mm long.
        base_under(&without(&[0]), &[&long], 0.8039, false);
        // A slice between the ends is part of the length, counting or not.
        base_under(&without(&[3]), &[&long], 0.9332, true);
        // The free slice above is left out: it covers nothing. Neither does one that is left out because it is drawn upon.
        let free = [0, 707, 700, 600, 450, 300, 100];
        base_under(&without(&[0]), &[&free], 0.7999, false);
        base_under(&without(&[0]), &[&long], 0.8039, false);
        // With two of them one is left.
        let two = [0, 0, 707, 700, 600, 450, 300, 100];
        base_under(&without(&[0]), &[&two], 0.7999, true);
        // Which end is the base is seen in all slices: those that count, 400, 0, 0, 600 and 400 voxels, would be heavier towards the apex.
        let blunt = [400, 707, 690, 600, 400, 0];
        base_under(&without(&[1, 2]), &[&blunt], 40.0 / 55.279, false);
    }

    #[test]
    fn slices_beside_one_that_is_left_out_are_not_held_against_it() {
        // The fourth is drawn too wide: 700 where 600 and 300 let expect 450, which is 250 / 707; the one after it, 300 where 700 and 100
        // let expect 400, less.
        let wide = [707, 700, 600, 700, 300, 100];
        let jumps = |rules: &Rules| {
            let profile = &profile(&wide);
            sections(&[Counting { profile, rules }]).unwrap()
        };
        let found = jumps(&ALL);
        assert!((found.value.unwrap() - 250.0 / 707.0).abs() < 1e-12);
        assert!(!found.passed, "{found:?}");
        // Left are 707, 700, 600 alone as neighbours: 700 where 653.5 is expected.
        let found = jumps(&without(&[3]));
        assert!((found.value.unwrap() - 46.5 / 707.0).abs() < 1e-12);
        assert!(found.passed, "{found:?}");
    }

    #[test]
    fn a_slice_that_is_left_out_between_base_and_apex_is_a_gap() {
        let gaps = |sections: &[u64], rules: &Rules| {
            let profile = &profile(sections);
            // In both phases.
            contiguous(&[Counting { profile, rules }; 2])
        };
        assert!(gaps(&SHORT, &without(&[0, 5])).passed);
        let found = gaps(&SHORT, &without(&[2, 3]));
        assert_eq!((found.passed, found.value), (false, Some(2.0)));
        assert!(found.detail.contains("left out"), "{}", found.detail);
        assert!(found.detail.starts_with("2 slices between"), "{found:?}");
        let found = gaps(&[707, 700, 0, 450, 300], &without(&[3]));
        assert_eq!((found.passed, found.value), (false, Some(2.0)));
        let found = gaps(&SHORT, &without(&[2]));
        assert_eq!((found.passed, found.value), (false, Some(1.0)));
        assert!(found.detail.starts_with("1 slice between"), "{found:?}");
        let found = gaps(&[707, 700, 0, 450, 300], &ALL);
        assert_eq!((found.passed, found.value), (false, Some(1.0)));
        assert!(found.detail.starts_with("1 slice between"), "{found:?}");
    }
}
