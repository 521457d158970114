//! The checks and the verdict: hearts spoilt one way at a time, and properties of every heart.

use cinecor_measures::score::FrameScore;
use cinecor_measures::{
    BasalRule, BsaFormula, Check, Cycle, Error, FrameProfile, Grid, Metrics, Place, RegionalWall,
    Rules, Sex, Subject, Verdict, measure_heart, references, verdict,
};
use cinecor_volume::Spacing;
use ndarray::{Array2, Array3, ArrayView3, Axis, s, stack};
use proptest::prelude::*;

const SPACING: Spacing = Spacing {
    row_mm: 1.5,
    column_mm: 1.5,
    slice_mm: 10.0,
};

/// A heart of nine slices from base to apex, in a stack with a free slice at either end: rings that shrink, the right ventricle beside the
/// first seven. `scale` 1 is diastole.
fn heart(scale: f64) -> Array3<u8> {
    Array3::from_shape_fn((11, 70, 90), |(z, row, column)| {
        if z == 0 || z == 10 {
            return 0;
        }
        let depth = z as f64 - 1.0;
        let (y, x) = (row as f64 - 35.0, column as f64 - 50.0);
        let reach = x.hypot(y);
        let section = (1.0 - (depth / 9.0).powi(2)).sqrt();
        let cavity = 17.0 * section * scale;
        // The wall keeps its area in the slice.
        let outer = ((23.0 * section).powi(2) - (17.0 * section).powi(2) + cavity * cavity).sqrt();
        match reach {
            _ if reach < cavity => 3,
            _ if reach < outer => 2,
            _ if depth < 7.0 && (x + 0.95 * outer).hypot(y * 0.7) < 16.0 * section * scale => 1,
            _ => 0,
        }
    })
}

const GRID: Grid = Grid {
    spacing: SPACING,
    right_handed: Some(false),
    mirrored: false,
};

fn of(
    masks: &[Array3<u8>],
    spacing: Spacing,
    subject: Subject,
    rules: &Rules,
) -> Result<Metrics, Error> {
    let grid = Grid { spacing, ..GRID };
    let profiles: Vec<FrameProfile> = masks
        .iter()
        .enumerate()
        .map(|(index, mask)| FrameProfile::of(index, mask.view(), None, &grid))
        .collect::<Result<_, _>>()?;
    let cycle = Cycle {
        frame_ms: Some(40.0),
        frames_in_study: Some(masks.len()),
    };
    let scores: Vec<FrameScore> = (0..masks.len())
        .map(|frame| FrameScore { frame, score: 0.95 })
        .collect();
    measure_heart(&profiles, rules, &spacing, &cycle, &subject, &scores)
}

fn measured(masks: &[Array3<u8>]) -> Metrics {
    of(masks, SPACING, Subject::default(), &Rules::default()).unwrap()
}

fn beat() -> [Array3<u8>; 2] {
    [heart(1.0), heart(0.6)]
}

fn found<'a>(metrics: &'a Metrics, code: &str) -> &'a Check {
    let check = metrics
        .quality
        .checks
        .iter()
        .find(|check| check.code == code);
    check.unwrap_or_else(|| panic!("{code} did not run"))
}

/// The codes of the checks that failed.
fn failed(metrics: &Metrics) -> Vec<&'static str> {
    let checks = metrics.quality.checks.iter();
    checks
        .filter(|check| !check.passed)
        .map(|check| check.code)
        .collect()
}

/// Some frames of a beat of three, the middle one the smallest.
fn some_of(frames: &[usize], subject: Subject) -> Metrics {
    let masks = [1.0, 0.6, 0.8].map(heart);
    let profiles: Vec<FrameProfile> = frames
        .iter()
        .map(|&frame| FrameProfile::of(frame, masks[frame].view(), None, &GRID).unwrap())
        .collect();
    let cycle = Cycle {
        frame_ms: None,
        frames_in_study: Some(3),
    };
    let scores: Vec<FrameScore> = (0..3)
        .map(|frame| FrameScore { frame, score: 0.95 })
        .collect();
    measure_heart(
        &profiles,
        &Rules::default(),
        &SPACING,
        &cycle,
        &subject,
        &scores,
    )
    .unwrap()
}

#[test]
fn phases_that_were_found_among_some_of_the_frames_are_for_review() {
    let whole = some_of(&[0, 1, 2], Subject::default());
    assert!(found(&whole, "whole_beat").passed);
    assert_eq!(whole.quality.verdict, Verdict::Pass);

    let part = some_of(&[0, 2], Subject::default());
    let check = found(&part, "whole_beat");
    assert_eq!((check.value, check.limit), (Some(2.0), Some(3.0)));
    assert_eq!(failed(&part), ["whole_beat"]);
    assert_eq!(part.quality.verdict, Verdict::Review);
    assert!(
        check.detail.contains("2 of the study's 3 frames"),
        "{check:?}"
    );

    // Who tells both phases knows them; who tells one has the other found.
    let ran = |metrics: &Metrics| {
        let mut checks = metrics.quality.checks.iter();
        checks.any(|check| check.code == "whole_beat")
    };
    let told = |es_frame| Subject {
        ed_frame: Some(0),
        es_frame,
        ..Subject::default()
    };
    assert!(!ran(&some_of(&[0, 1], told(Some(1)))));
    let one_told = some_of(&[0, 2], told(None));
    assert!(
        found(&one_told, "whole_beat")
            .detail
            .starts_with("End-systole was found")
    );
    // One frame alone has no phases.
    assert!(!ran(&some_of(&[1], Subject::default())));
}

#[test]
fn a_whole_heart_passes() {
    let metrics = measured(&beat());
    assert_eq!(failed(&metrics), Vec::<&str>::new());
    assert_eq!(metrics.quality.verdict, Verdict::Pass);
    for check in &metrics.quality.checks {
        assert!(
            check.detail.ends_with('.') && check.limit.is_some() && check.value.is_some(),
            "{check:?}"
        );
    }
    assert!(metrics.wall.ed_mm.iter().all(Option::is_some));
    // The cavity's area shrinks to 0.36, so the ejection fraction is 64 %.
    assert!((metrics.left_ventricle.ef_percent.unwrap() - 64.0).abs() < 1.0);
}

#[test]
fn a_missing_structure_rejects() {
    let [ed, es] = beat();
    let metrics = measured(&[ed, es.mapv(|code| if code == 1 { 0 } else { code })]);
    let check = found(&metrics, "structures_present");
    assert_eq!((check.passed, check.value), (false, Some(1.0)));
    assert!(
        check.detail.contains("right ventricle in frame 1"),
        "{}",
        check.detail
    );
    assert_eq!(metrics.quality.verdict, Verdict::Reject);
}

#[test]
fn a_stack_that_begins_half_way_down_or_ends_early_is_seen() {
    let cut = |slices: std::ops::Range<usize>| {
        beat().map(|mask| mask.slice(s![slices.clone(), .., ..]).to_owned())
    };
    assert!(failed(&measured(&cut(5..11))).contains(&"base_covered"));
    let metrics = measured(&cut(0..7));
    assert_eq!(failed(&metrics), ["apex_covered"]);
    assert_eq!(metrics.quality.verdict, Verdict::Review);
    // In the reversed stack the ends change places.
    let turned = cut(5..11).map(|mask| mask.slice(s![..;-1, .., ..]).to_owned());
    assert!(failed(&measured(&turned)).contains(&"base_covered"));
}

#[test]
fn a_missing_slice_a_shifted_one_and_a_grown_one_are_seen() {
    let spoil = |change: &dyn Fn(&mut Array3<u8>)| {
        let mut masks = beat();
        masks.iter_mut().for_each(change);
        measured(&masks)
    };
    let missing = spoil(&|mask| mask.index_axis_mut(Axis(0), 4).fill(0));
    assert_eq!(found(&missing, "slices_contiguous").value, Some(1.0));
    assert!(!found(&missing, "slice_jumps").passed);
    let shifted = spoil(&|mask| {
        // Ten columns of 1.5 mm.
        let slice = mask.slice(s![4, .., ..]).to_owned();
        mask.slice_mut(s![4, .., ..80])
            .assign(&slice.slice(s![.., 10..]));
    });
    assert!(!found(&shifted, "slice_alignment").passed && found(&shifted, "slice_jumps").passed);
    assert!((found(&shifted, "slice_alignment").value.unwrap() - 15.0).abs() < 0.5);
    let grown = spoil(&|mask| {
        let large = mask.slice(s![1, .., ..]).to_owned();
        mask.slice_mut(s![7, .., ..]).assign(&large);
    });
    assert!(!found(&grown, "slice_jumps").passed && found(&grown, "slice_alignment").passed);
}

#[test]
fn stray_pieces_an_open_wall_and_ventricles_apart_are_seen() {
    let spoil = |change: &dyn Fn(&mut Array3<u8>)| {
        let mut masks = beat();
        masks.iter_mut().for_each(change);
        failed(&measured(&masks))
    };
    assert_eq!(
        spoil(&|mask| mask.slice_mut(s![3..9, 1..13, 1..13]).fill(1)),
        ["connected"]
    );
    let open = spoil(&|mask| {
        for ((_, row, column), code) in mask.indexed_iter_mut() {
            // A gap as wide as an eighth of the circumference, away from the right ventricle.
            if *code == 2 && column > 50 && row.abs_diff(35) < 8 {
                *code = 0;
            }
        }
    });
    assert_eq!(open, ["cavity_enclosed"]);
    let apart = spoil(&|mask| {
        let right: Vec<_> = mask
            .indexed_iter()
            .filter(|(_, code)| **code == 1)
            .map(|(at, _)| at)
            .collect();
        for &at in &right {
            mask[at] = 0;
        }
        for (z, row, column) in right {
            if column > 8 && mask[[z, row, column - 8]] == 0 && column - 8 < 14 {
                mask[[z, row, column - 8]] = 1;
            }
        }
    });
    assert!(apart.contains(&"ventricles_adjacent"), "{apart:?}");
}

#[test]
fn a_slice_below_a_basal_one_that_is_left_out_has_to_be_enclosed() {
    let open = |slice: usize| {
        beat().map(|mut mask| {
            for ((row, column), code) in mask.index_axis_mut(Axis(0), slice).indexed_iter_mut() {
                if *code == 2 && column > 50 && row.abs_diff(35) < 8 {
                    *code = 0;
                }
            }
            mask
        })
    };
    let enclosed = |slice: usize, excluded_slices: &[usize]| {
        let rules = Rules {
            excluded_slices: excluded_slices.to_vec(),
            ..Rules::default()
        };
        let metrics = of(&open(slice), SPACING, Subject::default(), &rules).unwrap();
        found(&metrics, "cavity_enclosed").passed
    };
    // The first slice of the ventricle may be open, whichever are left out; no other one.
    assert!(enclosed(1, &[]) && enclosed(1, &[2]) && enclosed(2, &[1, 2]));
    assert!(!enclosed(2, &[]) && !enclosed(2, &[1]) && !enclosed(3, &[1, 2]));
}

#[test]
fn a_heart_that_is_shown_otherwise_than_usual_is_seen() {
    let value = |metrics: &Metrics| found(metrics, "orientation").value.unwrap();
    // The right ventricle lies to the left, and rows are symmetric about the middle.
    let usual = measured(&beat());
    assert!((value(&usual) - 180.0).abs() < 1e-9, "{}", value(&usual));
    let seen = |view: &dyn Fn(Array3<u8>) -> Array3<u8>, degrees: f64| {
        let metrics = measured(&beat().map(view));
        assert!((value(&metrics) - degrees).abs() < 1e-9, "{metrics:?}");
        let check = found(&metrics, "orientation");
        assert_eq!(failed(&metrics), ["orientation"]);
        assert_eq!(metrics.quality.verdict, Verdict::Review);
        assert!(check.detail.contains("turned or mirrored"));
        check.limit.unwrap()
    };
    let owned = |mask: ArrayView3<'_, u8>| mask.to_owned();
    // Mirrored it lies to the right; 120 degrees are as far from there as 240, and 224 are 136 away.
    assert_eq!(
        seen(&|mask| owned(mask.slice(s![.., .., ..;-1])), 0.0),
        120.0
    );
    // Rows for columns: above.
    assert_eq!(
        seen(&|mask| owned(mask.view().permuted_axes([0, 2, 1])), 90.0),
        120.0
    );
    // A quarter turn further: below.
    assert_eq!(
        seen(
            &|mask| owned(
                mask.view()
                    .permuted_axes([0, 2, 1])
                    .slice(s![.., ..;-1, ..])
            ),
            270.0
        ),
        224.0
    );
}

#[test]
fn a_field_of_view_that_ends_within_the_heart_is_seen() {
    assert!(found(&measured(&beat()), "field_of_view").passed);
    // The right ventricle reaches from column 12 on.
    let cut = |from: usize| beat().map(|mask| mask.slice(s![.., .., from..]).to_owned());
    let metrics = measured(&cut(20));
    let check = found(&metrics, "field_of_view");
    let edge: usize = cut(20)
        .iter()
        .map(|mask| {
            mask.slice(s![.., .., 0])
                .iter()
                .filter(|&&code| code > 0)
                .count()
        })
        .sum();
    assert!(edge > 0);
    assert_eq!((check.passed, check.value), (false, Some(edge as f64)));
    assert_eq!(metrics.quality.verdict, Verdict::Review);
}

#[test]
fn one_bad_frame_is_seen_in_the_curve() {
    let scale = |frame: usize| 0.8 + 0.2 * (frame as f64 / 20.0 * std::f64::consts::TAU).cos();
    let mut masks: Vec<_> = (0..20).map(|frame| heart(scale(frame))).collect();
    assert!(found(&measured(&masks), "frame_jumps").passed);
    masks[5] = heart(scale(0));
    let metrics = measured(&masks);
    let check = found(&metrics, "frame_jumps");
    assert!(
        !check.passed && check.detail.contains("frame 5"),
        "{}",
        check.detail
    );
}

#[test]
fn ventricles_that_eject_differently_and_a_wall_that_loses_weight_are_seen() {
    let [ed, es] = beat();
    let still = es.clone();
    let mut right_still = still.clone();
    for (at, &code) in ed.indexed_iter() {
        if code == 1 && right_still[at] == 0 {
            right_still[at] = 1;
        }
    }
    assert_eq!(
        failed(&measured(&[ed.clone(), right_still])),
        ["stroke_volumes"]
    );
    // Every other voxel column of the wall gone: half the mass, and a wall full of holes.
    let mut thin = es;
    for ((_, _, column), code) in thin.indexed_iter_mut() {
        if *code == 2 && column % 2 == 0 {
            *code = 0;
        }
    }
    assert!(failed(&measured(&[ed, thin])).contains(&"masses"));
}

#[test]
fn phases_told_the_wrong_way_round_reject() {
    let told = |ed, es| Subject {
        ed_frame: Some(ed),
        es_frame: Some(es),
        ..Subject::default()
    };
    let of = |subject| of(&beat(), SPACING, subject, &Rules::default()).unwrap();
    let wrong = of(told(1, 0));
    assert!(!found(&wrong, "ejection").passed && !found(&wrong, "told_phases").passed);
    assert_eq!(wrong.quality.verdict, Verdict::Reject);
    let right = of(told(0, 1));
    let check = found(&right, "told_phases");
    assert_eq!((check.passed, check.value), (true, Some(0.0)));
    // What nobody told is not compared.
    assert!(
        measured(&beat())
            .quality
            .checks
            .iter()
            .all(|check| check.code != "told_phases")
    );
}

#[test]
fn a_spacing_in_another_unit_rejects() {
    let spacing = Spacing {
        row_mm: 0.15,
        column_mm: 0.15,
        slice_mm: 1.0,
    };
    let metrics = of(&beat(), spacing, Subject::default(), &Rules::default()).unwrap();
    assert!(!found(&metrics, "spacing").passed && !found(&metrics, "heart_size").passed);
    assert_eq!(metrics.quality.verdict, Verdict::Reject);
}

#[test]
fn blood_that_is_no_brighter_than_muscle_is_seen() {
    let mask = heart(1.0);
    // Grey values with a chessboard of 10 to either side: a deviation of 10.
    let grey = |blood: f32| {
        let mut image = mask.mapv(|code| if code == 3 { blood } else { 100.0 });
        for ((z, row, column), value) in image.indexed_iter_mut() {
            *value += if (z + row + column) % 2 == 0 {
                10.0
            } else {
                -10.0
            };
        }
        image
    };
    for (blood, passes) in [(130.0, true), (112.0, false)] {
        let profile = FrameProfile::of(0, mask.view(), Some(grey(blood).view()), &GRID).unwrap();
        let metrics = measure_heart(
            &[profile],
            &Rules::default(),
            &SPACING,
            &Cycle::default(),
            &Subject::default(),
            &[],
        )
        .unwrap();
        let check = found(&metrics, "contrast");
        assert_eq!(check.passed, passes, "{}", check.detail);
        assert!((check.value.unwrap() - f64::from(blood - 100.0) / 10.0).abs() < 0.01);
    }
}

#[test]
fn the_verdict_rests_on_checks_and_score() {
    let check = |code, passed| Check {
        code,
        passed,
        value: None,
        limit: None,
        detail: String::new(),
    };
    let (good, bad, decisive) = (
        check("slice_jumps", true),
        check("slice_jumps", false),
        check("ejection", false),
    );
    let of = |checks: &[&Check], score| {
        let checks: Vec<Check> = checks.iter().map(|&check| check.clone()).collect();
        verdict(&checks, score)
    };
    assert_eq!(of(&[&good], Some(1.0)), Verdict::Pass);
    assert_eq!(of(&[&good], None), Verdict::Review);
    assert_eq!(of(&[], Some(1.0)), Verdict::Review);
    assert_eq!(of(&[&good, &bad], Some(1.0)), Verdict::Review);
    assert_eq!(of(&[&decisive], Some(1.0)), Verdict::Reject);
    assert_eq!(of(&[&good], Some(0.82)), Verdict::Review);
    assert_eq!(of(&[&good], Some(0.7)), Verdict::Reject);
    assert_eq!(of(&[&good], Some(f64::NAN)), Verdict::Review);
}

#[test]
fn excluded_slices_and_open_ones_do_not_count() {
    let with = |rules: &Rules| of(&beat(), SPACING, Subject::default(), rules);
    let all = with(&Rules::default()).unwrap();
    let excluded = Rules {
        excluded_slices: vec![1, 2],
        ..Rules::default()
    };
    let without = with(&excluded).unwrap();
    let mut erased = beat();
    for mask in &mut erased {
        mask.slice_mut(s![1..3, .., ..]).fill(0);
    }
    assert_eq!(without.left_ventricle, measured(&erased).left_ventricle);
    assert_eq!(without.right_ventricle, measured(&erased).right_ventricle);
    assert!(without.left_ventricle.edv_ml < all.left_ventricle.edv_ml);

    // Nor do they in the checks, but for the two basal slices of two frames that lack nothing between them: the ends move inwards.
    let checks = |metrics: &Metrics| metrics.quality.checks.clone();
    let of_erased = measured(&erased);
    assert_eq!(checks(&without).len(), checks(&of_erased).len());
    for (check, of_erased) in checks(&without).iter().zip(&checks(&of_erased)) {
        assert_eq!(check.code, of_erased.code);
        // What was erased covers the base, as the drawing says; what is left out covers nothing.
        if check.code != "base_covered" {
            let of = |check: &Check| (check.passed, check.value);
            assert_eq!(of(check), of(of_erased), "{check:?}");
        }
    }

    // The basal slice opens by more than half: a rule drops it from the left ventricle only.
    let opened = beat().map(|mut mask| {
        for ((row, column), code) in mask.index_axis_mut(Axis(0), 1).indexed_iter_mut() {
            if *code == 2 && (column > 40 || row > 40) {
                *code = 0;
            }
        }
        mask
    });
    let rule = Rules {
        basal_rule: BasalRule::MostlyEnclosed,
        ..Rules::default()
    };
    let dropped = of(&opened, SPACING, Subject::default(), &rule).unwrap();
    let kept = of(&opened, SPACING, Subject::default(), &Rules::default()).unwrap();
    assert_eq!(dropped.conventions.basal_rule, "mostly_enclosed");
    assert_eq!(dropped.right_ventricle.edv_ml, kept.right_ventricle.edv_ml);
    let slice_ml = opened[0]
        .slice(s![1, .., ..])
        .iter()
        .filter(|&&code| code == 3)
        .count() as f64
        * SPACING.voxel_ml();
    let difference = kept.left_ventricle.edv_ml.unwrap() - dropped.left_ventricle.edv_ml.unwrap();
    assert!((difference - slice_ml).abs() < 1e-9);

    let unknown = Rules {
        excluded_slices: vec![11],
        ..Rules::default()
    };
    assert_eq!(
        with(&unknown),
        Err(Error::UnknownSlice {
            found: 11,
            slices: 11
        })
    );
    assert_eq!(with(&unknown).unwrap_err().fact(), Some("excluded_slices"));
    let everything = Rules {
        excluded_slices: (0..11).collect(),
        ..Rules::default()
    };
    assert_eq!(with(&everything), Err(Error::NoSlices));
    for rule in BasalRule::ALL {
        assert_eq!(BasalRule::from_name(rule.name()), Some(rule));
    }
}

#[test]
fn what_hangs_on_the_basal_slice_is_what_excluding_it_makes_of_the_numbers() {
    let voxels = |mask: &Array3<u8>, slice: usize, code: u8| {
        let slice = mask.index_axis(Axis(0), slice);
        slice.iter().filter(|&&found| found == code).count() as f64
    };
    let excluding = |slices: &[usize]| Rules {
        excluded_slices: slices.to_vec(),
        ..Rules::default()
    };
    let with = |masks: &[Array3<u8>], rules: &Rules| {
        of(masks, SPACING, Subject::default(), rules).unwrap()
    };
    let upside_down = beat().map(|mask| mask.slice(s![..;-1, .., ..]).to_owned());
    for (masks, rules, slice) in [
        (beat(), excluding(&[]), 1),
        (beat(), excluding(&[1]), 2),
        (beat(), excluding(&[5]), 1),
        (upside_down, excluding(&[]), 9),
    ] {
        let metrics = with(&masks, &rules);
        let fewer = metrics.without_basal_slice.unwrap();
        assert_eq!(fewer.slice, slice);
        let lost = |before: Option<f64>, after: Option<f64>| before.unwrap() - after.unwrap();
        let ml = voxels(&masks[0], slice, 3) * SPACING.voxel_ml();
        let of_cavity = lost(metrics.left_ventricle.edv_ml, fewer.left_ventricle.edv_ml);
        assert!((of_cavity - ml).abs() < 1e-9, "{of_cavity} {ml}");
        let g = voxels(&masks[0], slice, 2) * SPACING.voxel_ml() * 1.05;
        let of_wall = lost(metrics.myocardium.ed_mass_g, fewer.myocardium.ed_mass_g);
        assert!((of_wall - g).abs() < 1e-9, "{of_wall} {g}");
        let mut all = rules.excluded_slices.clone();
        all.push(slice);
        let excluded = with(&masks, &excluding(&all));
        assert_eq!(
            (
                fewer.left_ventricle,
                fewer.myocardium,
                fewer.right_ventricle,
                fewer.right_phases
            ),
            (
                excluded.left_ventricle,
                excluded.myocardium,
                excluded.right_ventricle,
                excluded.phases.right_ventricle
            )
        );
    }

    // The slice opens by more than half, and a rule drops it: the next one is the most basal that counts.
    let opened = beat().map(|mut mask| {
        let mut slice = mask.index_axis_mut(Axis(0), 1);
        slice.mapv_inplace(|code| if code == 2 { 0 } else { code });
        mask
    });
    let mostly = Rules {
        basal_rule: BasalRule::MostlyEnclosed,
        ..Rules::default()
    };
    for (rules, slice) in [(mostly, 2), (Rules::default(), 1)] {
        let fewer = with(&opened, &rules).without_basal_slice;
        assert_eq!(fewer.map(|fewer| fewer.slice), Some(slice));
    }

    // Nothing would be left, or nothing is at end-diastole.
    let but_one: Vec<usize> = (0..11).filter(|&slice| slice != 4).collect();
    assert_eq!(
        with(&beat(), &excluding(&but_one)).without_basal_slice,
        None
    );
    assert_eq!(measured(&beat()[..1]).without_basal_slice, None);
}

#[test]
fn checks_are_of_the_slices_that_count() {
    let without = |masks: &[Array3<u8>], slices: &[usize]| {
        let rules = Rules {
            excluded_slices: slices.to_vec(),
            ..Rules::default()
        };
        of(masks, SPACING, Subject::default(), &rules).unwrap()
    };
    let spoil = |change: &dyn Fn(&mut Array3<u8>)| {
        let mut masks = beat();
        masks.iter_mut().for_each(change);
        masks
    };
    // One slice of both frames is spoilt, in one way after the other; without the last two of the ventricle, 8 and 9, nothing is wrong but
    // that the apex is missing.
    let cut = failed(&without(&beat(), &[8, 9]));
    assert_eq!(cut, ["apex_covered"]);
    for (code, spoilt) in [
        (
            "field_of_view",
            spoil(&|mask| mask.slice_mut(s![8, 0..3, ..]).fill(2)),
        ),
        (
            "slice_alignment",
            spoil(&|mask| {
                let slice = mask.slice(s![8, .., ..]).to_owned();
                mask.slice_mut(s![8, .., ..75])
                    .assign(&slice.slice(s![.., 15..]));
            }),
        ),
        (
            "slice_jumps",
            spoil(&|mask| {
                let large = mask
                    .slice(s![1, .., ..])
                    .mapv(|code| code & 2 | code >> 1 & code);
                mask.slice_mut(s![8, .., ..]).assign(&large);
            }),
        ),
        (
            "cavity_enclosed",
            spoil(&|mask| {
                let mut slice = mask.slice_mut(s![8, .., ..]);
                slice.mapv_inplace(|code| if code == 2 { 0 } else { code });
            }),
        ),
    ] {
        assert!(failed(&measured(&spoilt)).contains(&code), "{code}");
        assert_eq!(failed(&without(&spoilt, &[8, 9])), cut, "{code}");
        // Another slice that is left out excuses nothing.
        assert!(failed(&without(&spoilt, &[1])).contains(&code), "{code}");
    }

    // A piece of 6 x 12 voxels in each of two slices lies apart from the right ventricle. Without one of the slices half of it is left, and
    // without a slice that the ventricle goes through, that is still one piece.
    let apart = spoil(&|mask| mask.slice_mut(s![6..8, 1..7, 1..13]).fill(1));
    let right = |slices: &[usize]| {
        let counts = apart[1].indexed_iter();
        counts
            .filter(|((z, ..), code)| **code == 1 && !slices.contains(z))
            .count() as f64
    };
    for (slices, stray) in [
        (&[][..], 144.0),
        (&[7], 72.0),
        (&[6, 7], 0.0),
        (&[4], 144.0),
    ] {
        let metrics = without(&apart, slices);
        let value = found(&metrics, "connected").value.unwrap();
        // The right ventricle is smallest at end-systole.
        assert!(
            (value - 100.0 * stray / right(slices)).abs() < 1e-9,
            "{value}"
        );
    }
    // A profile that was kept without what each slice has of them: all of the frame is held against what is left.
    let profile = |mask: &Array3<u8>| {
        let mut profile = FrameProfile::of(0, mask.view(), None, &GRID).unwrap();
        for slice in &mut profile.slices {
            slice.stray = cinecor_measures::Counts::default();
        }
        profile
    };
    let rules = Rules {
        excluded_slices: vec![6, 7],
        ..Rules::default()
    };
    let old = measure_heart(
        &[profile(&apart[1])],
        &rules,
        &SPACING,
        &Cycle::default(),
        &Subject::default(),
        &[],
    )
    .unwrap();
    let value = found(&old, "connected").value.unwrap();
    assert!(
        (value - 100.0 * 144.0 / right(&[6, 7])).abs() < 1e-9,
        "{value}"
    );

    // The only slices with a right ventricle are left out.
    let metrics = without(&beat(), &[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(found(&metrics, "structures_present").value, Some(2.0));
    assert_eq!(metrics.quality.verdict, Verdict::Reject);
}

#[test]
fn ranges_are_given_within_their_cohorts_only() {
    let subject = Subject {
        height_cm: Some(175.0),
        weight_kg: Some(80.0),
        bsa_formula: BsaFormula::DuBois,
        ..Subject::default()
    };
    let metrics = of(&beat(), SPACING, subject, &Rules::default()).unwrap();
    assert_eq!(metrics.body.map(|body| body.formula), Some("dubois"));
    let of = |sex, age| references(&metrics, sex, age);
    let at = |list: &[cinecor_measures::Reference], quantity: &str| {
        *list
            .iter()
            .find(|range| range.quantity == quantity)
            .unwrap()
    };
    let ef = at(
        &of(Some(Sex::Female), Some(60.0)),
        "left_ventricle.ef_percent",
    );
    // 61 -/+ 1.96 · 5, and the heart ejects 64 %.
    assert!((ef.low.unwrap() - 51.2).abs() < 1e-9 && (ef.high.unwrap() - 70.8).abs() < 1e-9);
    assert_eq!(
        (ef.place, ef.source.is_some(), ef.cohort.is_some()),
        (Place::Within, true, true)
    );
    let mass = at(
        &of(Some(Sex::Male), Some(45.0)),
        "myocardium.ed_mass_g_per_m2",
    );
    assert!((mass.low.unwrap() - 35.36).abs() < 1e-9 && (mass.high.unwrap() - 70.64).abs() < 1e-9);
    for (sex, age) in [
        (None, Some(60.0)),
        (Some(Sex::Male), None),
        (Some(Sex::Male), Some(44.9)),
        (Some(Sex::Female), Some(75.0)),
        (Some(Sex::Female), Some(f64::NAN)),
    ] {
        let outside = at(&of(sex, age), "left_ventricle.ef_percent");
        assert_eq!(
            (outside.place, outside.low, outside.source),
            (Place::NoRange, None, None),
            "{sex:?} {age:?}"
        );
    }
    // The right ventricle's limits are of adults of both sexes.
    assert_eq!(
        at(&of(None, Some(30.0)), "right_ventricle.ef_percent").low,
        Some(50.0)
    );
    assert_eq!(
        at(&of(None, Some(12.0)), "right_ventricle.ef_percent").place,
        Place::NoRange
    );
}

fn turned(mask: &Array3<u8>, rows: bool, columns: bool, slices: bool) -> Array3<u8> {
    let mut view = mask.view();
    for (axis, turn) in [(0, slices), (1, rows), (2, columns)] {
        if turn {
            view.invert_axis(Axis(axis));
        }
    }
    view.to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn flips_change_neither_volumes_nor_checks_nor_with_their_handedness_segments(
        rows in any::<bool>(), columns in any::<bool>(), slices in any::<bool>(), stray in 0_usize..3000,
    ) {
        let masks = beat().map(|mut mask| {
            // Something uneven.
            mask.slice_mut(s![2, 10..12, 30..40]).fill(2);
            let place = stray % (70 * 90);
            mask[[5, place / 90, place % 90]] = 3;
            mask
        });
        let of = |masks: &[Array3<u8>], right_handed| -> Metrics {
            let grid = Grid { right_handed: Some(right_handed), ..GRID };
            let profiles: Vec<_> = masks.iter().enumerate()
                .map(|(index, mask)| FrameProfile::of(index, mask.view(), None, &grid).unwrap()).collect();
            measure_heart(&profiles, &Rules::default(), &SPACING, &Cycle::default(), &Subject::default(), &[]).unwrap()
        };
        let straight = of(&masks, false);
        let flipped = of(&masks.map(|mask| turned(&mask, rows, columns, slices)), rows ^ columns ^ slices);
        prop_assert_eq!(flipped.left_ventricle, straight.left_ventricle);
        prop_assert_eq!(flipped.right_ventricle, straight.right_ventricle);
        prop_assert_eq!(flipped.quality.verdict, straight.quality.verdict);
        for (found, expected) in flipped.quality.checks.iter().zip(&straight.quality.checks) {
            if found.code == "orientation" {
                // The one that asks how the picture is shown.
                let degrees = expected.value.unwrap();
                let degrees = if rows { -degrees } else { degrees };
                let degrees = if columns { 180.0 - degrees } else { degrees };
                let apart = (found.value.unwrap() - degrees).rem_euclid(360.0);
                prop_assert!(apart.min(360.0 - apart) < 1e-9, "{:?} {:?}", found, expected);
                continue;
            }
            prop_assert_eq!((found.code, found.passed), (expected.code, expected.passed));
            prop_assert!((found.value.unwrap() - expected.value.unwrap()).abs() < 1e-9, "{:?} {:?}", found, expected);
        }
        for (found, expected) in flipped.wall.ed_mm.iter().zip(&straight.wall.ed_mm) {
            // A ray that runs along the border between two voxels may fall to either after a flip.
            prop_assert!((found.unwrap() - expected.unwrap()).abs() < 0.1, "{:?} {:?}", found, expected);
        }
    }

    #[test]
    fn twice_the_spacing_makes_eight_times_the_volume_and_twice_the_wall(scale in 0.5..0.9_f64) {
        let masks = [heart(1.0), heart(scale)];
        let doubled = Spacing { row_mm: 3.0, column_mm: 3.0, slice_mm: 20.0 };
        let of = |spacing| of(&masks, spacing, Subject::default(), &Rules::default()).unwrap();
        let (one, two) = (of(SPACING), of(doubled));
        prop_assert!((two.left_ventricle.edv_ml.unwrap() / one.left_ventricle.edv_ml.unwrap() - 8.0).abs() < 1e-9);
        for (one, two) in one.wall.ed_mm.iter().zip(two.wall.ed_mm) {
            prop_assert!((two.unwrap() / one.unwrap() - 2.0).abs() < 0.05);
        }
    }

    #[test]
    fn slices_without_labels_change_no_volume_and_no_wall(before in 0_usize..4, after in 0_usize..4) {
        let padded = beat().map(|mask| {
            let mut padded = Array3::zeros((mask.len_of(Axis(0)) + before + after, 70, 90));
            padded.slice_mut(s![before..before + 11, .., ..]).assign(&mask);
            padded
        });
        let (plain, padded) = (measured(&beat()), measured(&padded));
        prop_assert_eq!(padded.left_ventricle, plain.left_ventricle);
        prop_assert_eq!(padded.right_ventricle, plain.right_ventricle);
        prop_assert_eq!(padded.wall, plain.wall);
        prop_assert_eq!(padded.quality.verdict, plain.quality.verdict);
    }

    #[test]
    fn any_mask_is_judged_without_a_panic(
        codes in proptest::collection::vec(0_u8..4, 3 * 7 * 8 * 2), slice_mm in 0.05..100.0_f64,
    ) {
        let masks: Vec<Array3<u8>> = codes.chunks(3 * 7 * 8)
            .map(|codes| Array3::from_shape_vec((3, 7, 8), codes.to_vec()).unwrap()).collect();
        let spacing = Spacing { slice_mm, ..SPACING };
        let metrics = of(&masks, spacing, Subject::default(), &Rules::default()).unwrap();
        for check in metrics.quality.checks {
            prop_assert!(check.value.is_none_or(f64::is_finite), "{:?}", check);
        }
    }
}

/// A ring in a picture of 120 × 120 voxels of 1 mm, with the right ventricle to the left of it; the upper quarter of the wall is `thicker_mm`
/// thicker.
fn ring(cavity_mm: f64, wall_mm: f64, thicker_mm: f64) -> Array2<u8> {
    Array2::from_shape_fn((120, 120), |(row, column)| {
        let (y, x) = (row as f64 - 59.5, column as f64 - 59.5);
        let reach = x.hypot(y);
        let thicker = if -y > x.abs() { thicker_mm } else { 0.0 };
        let outer = cavity_mm + wall_mm + thicker;
        match reach {
            _ if reach < cavity_mm => 3,
            _ if reach < outer => 2,
            _ if reach < outer + 12.0 && -x > 0.5 * reach => 1,
            _ => 0,
        }
    })
}

const MILLIMETRES: Spacing = Spacing {
    row_mm: 1.0,
    column_mm: 1.0,
    slice_mm: 8.0,
};

/// Two basal slices, of which the second is thick and wide, two middle and two apical ones.
fn uneven() -> Array3<u8> {
    let slices = [
        ring(20.0, 8.0, 0.0),
        ring(30.0, 14.0, 0.0),
        ring(20.0, 10.0, 0.0),
        ring(20.0, 10.0, 0.0),
        ring(18.0, 6.0, 0.0),
        ring(18.0, 6.0, 0.0),
    ];
    let views: Vec<_> = slices.iter().map(|slice| slice.view()).collect();
    stack(Axis(0), &views).unwrap()
}

fn without(profiles: &[FrameProfile], slices: &[usize]) -> RegionalWall {
    let rules = Rules {
        excluded_slices: slices.to_vec(),
        ..Rules::default()
    };
    let (cycle, subject) = (Cycle::default(), Subject::default());
    measure_heart(profiles, &rules, &MILLIMETRES, &cycle, &subject, &[])
        .unwrap()
        .wall
}

#[test]
fn excluded_slices_have_no_wall_and_no_diameter() {
    let grid = Grid {
        spacing: MILLIMETRES,
        ..GRID
    };
    let profiles =
        [0, 1].map(|frame| FrameProfile::of(frame, uneven().view(), None, &grid).unwrap());
    // By hand: the mean thickness of the two slices of each part, and twice the widest cavity's radius.
    let expect = |slices: &[usize], parts_mm: [Option<f64>; 3], diameter_mm: f64| {
        let found = without(&profiles, slices);
        let near = |found: f64, expected: f64| (found - expected).abs() < 0.4;
        for (index, mm) in found.ed_mm.iter().enumerate() {
            let expected = parts_mm[index / 6];
            let is_near = mm.zip(expected).is_none_or(|(mm, by)| near(mm, by));
            assert!(
                mm.is_some() == expected.is_some() && is_near,
                "{slices:?}, segment {}: {mm:?}, not {expected:?}",
                index + 1
            );
        }
        let found_mm = found.ed_diameter_mm.unwrap();
        assert!(near(found_mm, diameter_mm), "{slices:?}: {found_mm} mm");
        assert_eq!(found.es_mm, found.ed_mm);
        assert_eq!(found.es_diameter_mm, found.ed_diameter_mm);
        for (percent, mm) in found.thickening_percent.iter().zip(found.ed_mm) {
            assert_eq!(*percent, mm.map(|_| 0.0));
        }
    };
    let [thin, middle, apical] = [Some(8.0), Some(10.0), Some(6.0)];
    expect(&[], [Some(11.0), middle, apical], 60.0);
    expect(&[1], [thin, middle, apical], 40.0);
    expect(&[0], [Some(14.0), middle, apical], 60.0);
    expect(&[0, 1], [None, middle, apical], 40.0);
    expect(&[1, 2, 3], [thin, None, apical], 40.0);
    expect(&[4, 5], [Some(11.0), middle, None], 60.0);
}

#[test]
fn what_slices_add_is_not_known_of_profiles_that_were_kept_without() {
    let grid = Grid {
        spacing: MILLIMETRES,
        ..GRID
    };
    let mut mask = uneven();
    mask.slice_mut(s![5, .., ..]).fill(0);
    let mut profiles =
        [0, 1].map(|frame| FrameProfile::of(frame, mask.view(), None, &grid).unwrap());
    let all = without(&profiles, &[]);
    for profile in &mut profiles {
        for slice in &mut profile.slices {
            slice.wall = None;
        }
    }
    assert_eq!(without(&profiles, &[]), all);
    // There is no ventricle in the last slice.
    assert_eq!(without(&profiles, &[5]), all);
    assert_eq!(without(&profiles, &[1]), RegionalWall::default());
}

#[test]
fn the_front_of_a_mirrored_picture_is_below_unless_the_file_says_where_it_is() {
    let upright = stack(Axis(0), &[ring(20.0, 8.0, 6.0).view(); 3]).unwrap();
    let mut mirrored = upright.clone();
    mirrored.invert_axis(Axis(1));
    let of = |mask: &Array3<u8>, right_handed, mirrored| {
        let grid = Grid {
            spacing: MILLIMETRES,
            right_handed,
            mirrored,
        };
        let wall = FrameProfile::of(0, mask.view(), None, &grid).unwrap().wall;
        // Basal anterior, inferior, and the apical two.
        [0, 3, 12, 14].map(|segment| wall.segments_mm[segment].unwrap())
    };
    let is_anterior = |[front, back, apical_front, apical_back]: [f64; 4]| {
        // Sixty degrees within the ninety that are thick, and just those.
        (front - 14.0).abs() < 0.4
            && (back - 8.0).abs() < 0.4
            && (apical_front - 14.0).abs() < 0.4
            && (apical_back - 8.0).abs() < 0.4
    };
    let swapped = |[front, back, apical_front, apical_back]: [f64; 4]| {
        [back, front, apical_back, apical_front]
    };
    assert!(is_anterior(of(&upright, None, false)));
    assert!(is_anterior(of(&mirrored, None, true)));
    // Taken as usual it would be the other way round.
    assert!(is_anterior(swapped(of(&mirrored, None, false))));
    // What the file says goes before what is seen.
    for right_handed in [true, false] {
        let told = of(&mirrored, Some(right_handed), true);
        assert_eq!(told, of(&mirrored, Some(right_handed), false));
        assert_eq!(is_anterior(told), right_handed);
    }
}
