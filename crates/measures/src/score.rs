//! How good a mask is thought to be, without a reference: what its network's probabilities say of it and what its shape says against it,
//! weighed as a model's card tells. The weights are fitted by `weights/cinecor_weights/calibrate.py`, whose `evidence` this copies number
//! for number. No verdict here: that is `checks`.

use cinecor_volume::{Label, Spacing};
use ndarray::{ArrayView1, ArrayView3, s};
use std::f64::consts::{FRAC_PI_4, PI};

use crate::Phases;
use crate::profile::around;

/// Dice is taken to lie within these before its log-odds are taken.
const DICE_LIMITS: (f64, f64) = (0.02, 0.98);
/// A whole heart, both cavities and the wall, of an adult is taken to have between these ml; beyond, the logarithm of the excess counts.
const HEART_ML: (f64, f64) = (150.0, 750.0);
/// The most that this logarithm counts.
const EXCESS_MAX: f64 = 3.0;

/// What the probabilities say of one structure of a frame, in voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StructureEvidence {
    /// Sum of the probabilities: how many voxels it has if they are right.
    pub expected_voxels: f64,
    /// Sum of the probabilities where the mask has it.
    pub agreeing_voxels: f64,
    /// Voxels of the mask.
    pub labelled_voxels: u64,
    /// Voxels that the clean-up took away.
    pub removed_voxels: u64,
}

impl StructureEvidence {
    /// The Dice that the mask has if the probabilities are right; 0 where there is no mask.
    pub fn dice(&self) -> f64 {
        if self.labelled_voxels == 0 {
            return 0.0;
        }
        let both = self.expected_voxels + self.labelled_voxels as f64;
        if both > 0.0 {
            2.0 * self.agreeing_voxels / both
        } else {
            0.0
        }
    }
}

/// What a mask alone says against itself; every number is 0 where nothing is wrong, and at most 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Form {
    /// Share of the three structures that the frame lacks.
    pub missing: f64,
    /// Of the slices between the first and the last that show a structure, the share that does not show it; mean over the structures.
    pub gaps: f64,
    /// Share of the left ventricle's in-plane outline that borders on something else than its wall.
    pub open_wall: f64,
    /// One less the overlap of the heart in neighbouring slices, by the smaller of the two; mean over the pairs that both show it.
    pub jump: f64,
    /// One less the roundness of the heart's outline in a slice, 4 π area by the outline squared, at most 1; mean over the slices that
    /// show it.
    pub ragged: f64,
}

impl Form {
    /// The form of the labels `[Z, Y, X]` of one frame.
    pub fn of(labels: ArrayView3<'_, u8>, spacing: &Spacing) -> Form {
        let (rows, columns) = around(labels);
        let labels = labels.slice_move(s![.., rows, columns]);
        let structures = [
            Label::RightVentricle,
            Label::Myocardium,
            Label::LeftVentricle,
        ];
        let shown = structures.map(|label| {
            let shows =
                |slice: ndarray::ArrayView2<'_, u8>| slice.iter().any(|&code| code == label.code());
            labels.outer_iter().map(shows).collect::<Vec<bool>>()
        });
        let there = shown.iter().filter(|slices| slices.contains(&true)).count();
        let gaps: Vec<f64> = shown.iter().filter_map(|slices| gaps(slices)).collect();
        Form {
            missing: 1.0 - there as f64 / structures.len() as f64,
            gaps: mean(&gaps),
            open_wall: open_wall(labels),
            jump: jump(labels),
            ragged: ragged(labels, spacing),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f64>() / values.len() as f64
    }
}

/// The share of slices left out between the ends; `None` where nothing is shown.
fn gaps(slices: &[bool]) -> Option<f64> {
    let first = slices.iter().position(|&shown| shown)?;
    let last = slices.iter().rposition(|&shown| shown)?;
    let count = slices.iter().filter(|&&shown| shown).count();
    Some(1.0 - count as f64 / (last - first + 1) as f64)
}

fn open_wall(labels: ArrayView3<'_, u8>) -> f64 {
    let (ventricle, wall) = (Label::LeftVentricle.code(), Label::Myocardium.code());
    let (mut outline, mut open) = (0_u64, 0_u64);
    for slice in labels.outer_iter() {
        for ((row, column), _) in slice.indexed_iter().filter(|(_, code)| **code == ventricle) {
            let beside = [
                (row.checked_sub(1), Some(column)),
                (row.checked_add(1), Some(column)),
                (Some(row), column.checked_sub(1)),
                (Some(row), column.checked_add(1)),
            ];
            for place in beside {
                // What lies off the picture is no wall.
                let code = match place {
                    (Some(row), Some(column)) => slice.get((row, column)).copied(),
                    _ => None,
                };
                let code = code.unwrap_or(Label::Background.code());
                outline += u64::from(code != ventricle);
                open += u64::from(code != ventricle && code != wall);
            }
        }
    }
    if outline == 0 {
        0.0
    } else {
        open as f64 / outline as f64
    }
}

fn jump(labels: ArrayView3<'_, u8>) -> f64 {
    let size = |slice: ndarray::ArrayView2<'_, u8>| slice.iter().filter(|&&code| code > 0).count();
    let mut jumps = Vec::new();
    for (above, below) in labels.outer_iter().zip(labels.outer_iter().skip(1)) {
        let smaller = size(above).min(size(below));
        if smaller > 0 {
            let both = above
                .iter()
                .zip(below)
                .filter(|(a, b)| **a > 0 && **b > 0)
                .count();
            jumps.push(1.0 - both as f64 / smaller as f64);
        }
    }
    mean(&jumps)
}

/// What the mask's outline has more than that of a disc has.
fn ragged(labels: ArrayView3<'_, u8>, spacing: &Spacing) -> f64 {
    let mut raggedness = Vec::new();
    for slice in labels.outer_iter() {
        let voxels = slice.iter().filter(|&&code| code > 0).count();
        if voxels == 0 {
            continue;
        }
        let sides_in_rows: usize = slice.rows().into_iter().map(ends).sum();
        let sides_in_columns: usize = slice.columns().into_iter().map(ends).sum();
        let along_rows_mm = sides_in_columns as f64 * spacing.column_mm;
        let along_columns_mm = sides_in_rows as f64 * spacing.row_mm;
        // The sides of pixels around a disc are 4 / π times as long as its outline.
        let outline_mm = FRAC_PI_4 * (along_rows_mm + along_columns_mm);
        let area_mm2 = voxels as f64 * spacing.row_mm * spacing.column_mm;
        raggedness.push(1.0 - (4.0 * PI * area_mm2 / outline_mm.powi(2)).min(1.0));
    }
    mean(&raggedness)
}

/// How often a line of voxels goes into the heart or out of it; the picture's edge is outside.
fn ends(line: ArrayView1<'_, u8>) -> usize {
    let mut within = false;
    let mut ends = 0;
    for &code in line {
        ends += usize::from((code > 0) != within);
        within = code > 0;
    }
    ends + usize::from(within)
}

/// What a frame's score is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features {
    /// Log-odds of the mean Dice that the probabilities predict.
    pub dice_mean: f64,
    /// Log-odds of the worst structure's.
    pub dice_worst: f64,
    /// Share of the voxels that the clean-up took away.
    pub removed: f64,
    /// What the shape says.
    pub form: Form,
    /// The logarithm by which the heart is too large or too small for an adult's.
    pub volume: f64,
}

impl Features {
    /// The features of a frame: right ventricle, wall and left ventricle, the shape of its mask, and the volume of a voxel in ml.
    pub fn of(structures: &[StructureEvidence; 3], form: Form, voxel_ml: f64) -> Features {
        let dice = structures.map(|structure| structure.dice());
        let odds = |dice: f64| {
            let dice = dice.clamp(DICE_LIMITS.0, DICE_LIMITS.1);
            (dice / (1.0 - dice)).ln()
        };
        let sum = |of: fn(&StructureEvidence) -> u64| structures.iter().map(of).sum::<u64>() as f64;
        let (labelled, removed) = (sum(|s| s.labelled_voxels), sum(|s| s.removed_voxels));
        let ml = labelled * voxel_ml;
        let excess = (HEART_ML.0 / ml).ln().max((ml / HEART_ML.1).ln());
        Features {
            dice_mean: odds(mean(&dice)),
            dice_worst: odds(dice.iter().copied().fold(f64::INFINITY, f64::min)),
            removed: if removed > 0.0 {
                removed / (removed + labelled)
            } else {
                0.0
            },
            form,
            volume: if ml > 0.0 {
                excess.clamp(0.0, EXCESS_MAX)
            } else {
                0.0
            },
        }
    }
}

/// How the features are weighed: what the log-odds of the score are summed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// The log-odds where every feature is 0.
    pub intercept: f64,
    /// One for each feature.
    pub coefficients: Features,
}

impl Weights {
    /// The score of a frame, 0 to 1: the mean Dice that its mask is thought to have.
    pub fn score(&self, features: &Features) -> f64 {
        let (w, f) = (&self.coefficients, features);
        let odds = self.intercept
            + w.dice_mean * f.dice_mean
            + w.dice_worst * f.dice_worst
            + w.removed * f.removed
            + w.form.missing * f.form.missing
            + w.form.gaps * f.form.gaps
            + w.form.open_wall * f.form.open_wall
            + w.form.jump * f.form.jump
            + w.form.ragged * f.form.ragged
            + w.volume * f.volume;
        1.0 / (1.0 + (-odds).exp())
    }
}

/// A frame of a study and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameScore {
    /// The frame.
    pub frame: usize,
    /// Its score, 0 to 1.
    pub score: f64,
}

/// The score of a study: the mean over the frames that volumes at end-diastole and end-systole are of, which is what limits of a score were
/// fitted on; good frames in between hold no bad phase up. Over all frames where no phase is among them; `None` without any.
pub fn of_phases(scores: &[FrameScore], phases: &Phases) -> Option<f64> {
    let chosen = [phases.left_ventricle, phases.right_ventricle]
        .map(|pair| [pair.ed_frame, pair.es_frame])
        .concat();
    let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<f64> {
        let of = scores.iter().filter(|of| wanted(of.frame));
        of.map(|of| of.score).collect()
    };
    let found = of(&|frame| chosen.contains(&Some(frame)));
    let found = if found.is_empty() {
        of(&|_| true)
    } else {
        found
    };
    (!found.is_empty()).then(|| mean(&found))
}
