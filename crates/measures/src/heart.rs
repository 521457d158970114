//! Everything about a heart at once, from the profiles of its frames: volumes under the told rules, the wall, and the quality of it all.

use cinecor_volume::Spacing;

use crate::score::{self, FrameScore};
use crate::{
    Cycle, Error, FrameProfile, Judged, Metrics, PhaseMethod, RegionalWall, Rules, Subject,
    WithoutBasalSlice, assess, measure, references,
};

/// Measures a heart beat from the profiles of its frames, given in rising order; a part of the study's frames will do. `scores` are the model's
/// own, of the frames that have one.
///
/// # Errors
/// As [`measure`] and [`Rules::check`].
pub fn measure_heart(
    frames: &[FrameProfile],
    rules: &Rules,
    spacing: &Spacing,
    cycle: &Cycle,
    subject: &Subject,
    scores: &[FrameScore],
) -> Result<Metrics, Error> {
    rules.check(frames.first().map_or(0, |frame| frame.slices.len()))?;
    let counts = rules.counts_of(frames);
    let mut metrics = measure(&counts, spacing, cycle, subject)?;
    metrics.conventions.basal_rule = rules.basal_rule.name();
    metrics.conventions.excluded_slices = rules.excluded_slices.clone();
    metrics.reference = references(&metrics, subject.sex, subject.age_years);
    let at = |frame: Option<usize>| {
        let profile = frames.iter().find(|profile| Some(profile.frame) == frame)?;
        Some(rules.wall(profile))
    };
    let phases = metrics.phases.left_ventricle;
    metrics.wall = RegionalWall::of(at(phases.ed_frame), at(phases.es_frame));
    let at_ed = frames
        .iter()
        .find(|profile| Some(profile.frame) == phases.ed_frame);
    if let Some((slice, rules)) = at_ed.and_then(|profile| rules.without_basal_slice(profile)) {
        let fewer = measure(&rules.counts_of(frames), spacing, cycle, subject)?;
        metrics.without_basal_slice = Some(WithoutBasalSlice {
            slice,
            phases: fewer.phases.left_ventricle,
            left_ventricle: fewer.left_ventricle,
            myocardium: fewer.myocardium,
            right_phases: fewer.phases.right_ventricle,
            right_ventricle: fewer.right_ventricle,
        });
    }
    let found = match metrics.phases.method {
        PhaseMethod::LargestAndSmallestCavity => None,
        _ => Some(measure(
            &counts,
            spacing,
            cycle,
            &Subject {
                ed_frame: None,
                es_frame: None,
                ..*subject
            },
        )?),
    };
    let score = score::of_phases(scores, &metrics.phases);
    metrics.quality = assess(
        &Judged {
            frames,
            rules,
            metrics: &metrics,
            found: found.as_ref(),
            spacing,
            frames_in_study: cycle.frames_in_study,
        },
        score,
    );
    Ok(metrics)
}
