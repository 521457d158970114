//! How far off a number may be: normalised conformal intervals (Lei et al., J Am Stat Assoc 2018;113:1094). The doubt of a number comes from
//! the probabilities of the voxels it was counted from, how many doubts wide its interval is from the model's card, where
//! `weights/cinecor_weights/calibrate.py` has fitted it. Numbers without a factor have no interval.

use cinecor_volume::Spacing;

use crate::metrics::{BASAL_RULE, MYOCARDIAL_DENSITY_G_PER_ML, Metrics, PhasePair};

/// How many doubts wide the interval of a number is.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The number, as its path in the metrics: `left_ventricle.edv_ml`.
    pub quantity: String,
    /// Share of each volume that is in doubt beside what the probabilities say.
    pub share: f64,
    /// How many doubts below the number the interval begins.
    pub low: f64,
    /// How many doubts above the number it ends.
    pub high: f64,
}

/// How often an interval holds the truth, and the factors of those that there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Factors {
    /// Between 0 and 1.
    pub level: f64,
    /// One for each number that has an interval.
    pub of: Vec<Factor>,
}

/// The voxels of a frame that are in doubt: of each structure the sum of `p (1 − p)` over its probabilities `p`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Doubt {
    /// Which frame of the study, from 0.
    pub frame: usize,
    /// Of the right ventricle's cavity.
    pub right_ventricle_voxels: f64,
    /// Of the wall.
    pub myocardium_voxels: f64,
    /// Of the left ventricle's cavity.
    pub left_ventricle_voxels: f64,
}

/// Where a number probably lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// The number, as its path in the metrics.
    pub quantity: String,
    /// Lower end, in the number's unit.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How often such an interval holds the truth, between 0 and 1.
    pub level: f64,
}

/// The intervals of measured numbers. There are none where slices are left out: the doubt is that of whole frames.
///
/// Volumes end at 0 ml and ejection fractions at 100 %.
pub fn intervals(
    metrics: &Metrics,
    doubts: &[Doubt],
    factors: &Factors,
    spacing: &Spacing,
) -> Vec<Interval> {
    let rules = &metrics.conventions;
    if rules.basal_rule != BASAL_RULE || !rules.excluded_slices.is_empty() {
        return Vec::new();
    }
    let found = |factor: &Factor| {
        let (value, doubt) = measured(metrics, doubts, factor, spacing)?;
        let (least, most) = match factor.quantity.rsplit_once('.') {
            Some((_, "ef_percent")) => (f64::NEG_INFINITY, 100.0),
            Some((_, "sv_ml")) => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (0.0, f64::INFINITY),
        };
        Some(Interval {
            quantity: factor.quantity.clone(),
            low: (value - factor.low * doubt).max(least),
            high: (value + factor.high * doubt).min(most),
            level: factors.level,
        })
    };
    factors.of.iter().filter_map(found).collect()
}

/// The number of a factor and its doubt, both in the number's unit.
fn measured(
    metrics: &Metrics,
    doubts: &[Doubt],
    factor: &Factor,
    spacing: &Spacing,
) -> Option<(f64, f64)> {
    let (structure, quantity) = factor.quantity.split_once('.')?;
    let off_ml = |frame: Option<usize>, voxels: fn(&Doubt) -> f64, ml: f64| {
        let doubt = doubts.iter().find(|doubt| Some(doubt.frame) == frame)?;
        Some(voxels(doubt) * spacing.voxel_ml() + factor.share * ml)
    };
    if structure == "myocardium" {
        let phases = metrics.phases.left_ventricle;
        let (mass_g, frame) = match quantity {
            "ed_mass_g" => (metrics.myocardium.ed_mass_g?, phases.ed_frame),
            "es_mass_g" => (metrics.myocardium.es_mass_g?, phases.es_frame),
            _ => return None,
        };
        let ml = mass_g / MYOCARDIAL_DENSITY_G_PER_ML;
        let off = off_ml(frame, |doubt| doubt.myocardium_voxels, ml)?;
        return Some((mass_g, MYOCARDIAL_DENSITY_G_PER_ML * off));
    }
    let (ventricle, PhasePair { ed_frame, es_frame }, voxels): (_, _, fn(&Doubt) -> f64) =
        match structure {
            "left_ventricle" => (
                &metrics.left_ventricle,
                metrics.phases.left_ventricle,
                |doubt| doubt.left_ventricle_voxels,
            ),
            "right_ventricle" => (
                &metrics.right_ventricle,
                metrics.phases.right_ventricle,
                |doubt| doubt.right_ventricle_voxels,
            ),
            _ => return None,
        };
    let (edv, esv) = (ventricle.edv_ml?, ventricle.esv_ml?);
    let (ed_off, es_off) = (
        off_ml(ed_frame, voxels, edv)?,
        off_ml(es_frame, voxels, esv)?,
    );
    match quantity {
        "edv_ml" => Some((edv, ed_off)),
        "esv_ml" => Some((esv, es_off)),
        "sv_ml" => Some((ventricle.sv_ml?, ed_off.hypot(es_off))),
        // The partial derivatives of 100 (1 − ESV / EDV).
        "ef_percent" => {
            let off = (esv / (edv * edv) * ed_off).hypot(es_off / edv);
            Some((ventricle.ef_percent?, 100.0 * off))
        }
        _ => None,
    }
}
