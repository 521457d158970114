//! Phases, volumes and mass: cases worked out by hand, refusals, and properties that hold for every heart.

use cinecor_measures::{
    Counts, Cycle, Error, FrameCounts, Metrics, PhaseMethod, PhasePair, Subject, Ventricle,
    Verdict, measure,
};
use cinecor_volume::Spacing;
use proptest::prelude::*;

/// One voxel is 0.1 ml.
const SPACING: Spacing = Spacing {
    row_mm: 2.0,
    column_mm: 5.0,
    slice_mm: 10.0,
};

/// Left ventricle, right ventricle and wall, in voxels, frame by frame.
fn frames(voxels: &[(u64, u64, u64)]) -> Vec<FrameCounts> {
    let counts = |&(left_ventricle, right_ventricle, myocardium)| Counts {
        right_ventricle,
        myocardium,
        left_ventricle,
    };
    voxels
        .iter()
        .enumerate()
        .map(|(frame, v)| FrameCounts {
            frame,
            counts: counts(v),
        })
        .collect()
}

fn whole(
    voxels: &[(u64, u64, u64)],
    frame_ms: Option<f64>,
    subject: Subject,
) -> Result<Metrics, Error> {
    measure(
        &frames(voxels),
        &SPACING,
        &Cycle {
            frame_ms,
            frames_in_study: Some(voxels.len()),
        },
        &subject,
    )
}

/// Left ventricle 150, 120, 60, 50, 90, 140 ml; right 140, 145, 90, 75, 70, 120 ml; wall 100 ml, 110 ml at frame 3.
const BEAT: [(u64, u64, u64); 6] = [
    (1500, 1400, 1000),
    (1200, 1450, 1000),
    (600, 900, 1000),
    (500, 750, 1100),
    (900, 700, 1000),
    (1400, 1200, 1000),
];

fn close(found: Option<f64>, expected: f64) {
    assert!(
        found.is_some_and(|found| (found - expected).abs() < 1e-9),
        "{found:?}, by hand {expected}"
    );
}

#[test]
fn one_beat_by_hand() {
    let subject = Subject {
        height_cm: Some(180.0),
        weight_kg: Some(80.0),
        heart_rate_bpm: Some(75.0),
        ..Subject::default()
    };
    // 800 ms / 6 frames at 75 beats per minute.
    let found = whole(&BEAT, Some(800.0 / 6.0), subject).unwrap();

    assert_eq!(
        found.phases.left_ventricle,
        PhasePair {
            ed_frame: Some(0),
            es_frame: Some(3)
        }
    );
    assert_eq!(
        found.phases.right_ventricle,
        PhasePair {
            ed_frame: Some(1),
            es_frame: Some(4)
        }
    );
    assert_eq!(found.phases.method, PhaseMethod::LargestAndSmallestCavity);
    close(found.left_ventricle.edv_ml, 150.0);
    close(found.left_ventricle.esv_ml, 50.0);
    close(found.left_ventricle.sv_ml, 100.0);
    close(found.left_ventricle.ef_percent, 100.0 * 2.0 / 3.0);
    close(found.left_ventricle.co_l_min, 7.5);
    close(found.right_ventricle.edv_ml, 145.0);
    close(found.right_ventricle.esv_ml, 70.0);
    // Body surface area is 2 m².
    assert_eq!(
        found.body.map(|b| (b.bsa_m2, b.formula)),
        Some((2.0, "mosteller"))
    );
    close(found.left_ventricle.edv_ml_per_m2, 75.0);
    close(found.left_ventricle.co_l_min_per_m2, 3.75);
    close(found.myocardium.ed_mass_g, 105.0);
    close(found.myocardium.es_mass_g, 115.5);
    close(found.myocardium.ed_mass_g_per_m2, 52.5);
    // Fastest fall 60 ml from frame 1 to 2, fastest rise 50 ml from frame 4 to 5, each in 800/6 ms.
    close(found.curve.peak_ejection_ml_per_s, 450.0);
    close(found.curve.peak_filling_ml_per_s, 375.0);
    // The second largest is frame 5 with 140 ml, the second smallest frame 2 with 60 ml.
    let runner_up = found.phases.runner_up.unwrap();
    assert_eq!((runner_up.ed_frame, runner_up.es_frame), (5, 2));
    close(Some(runner_up.ef_percent), 100.0 * 80.0 / 140.0);
    assert_eq!(found.quality.verdict, Verdict::Review);
}

#[test]
fn told_phases_hold_for_both_ventricles() {
    let subject = Subject {
        ed_frame: Some(5),
        es_frame: Some(2),
        ..Subject::default()
    };
    let found = whole(&BEAT, None, subject).unwrap();
    let told = PhasePair {
        ed_frame: Some(5),
        es_frame: Some(2),
    };
    assert_eq!(
        (found.phases.left_ventricle, found.phases.right_ventricle),
        (told, told)
    );
    assert_eq!(
        (found.phases.method, found.phases.runner_up),
        (PhaseMethod::Told, None)
    );
    close(found.left_ventricle.edv_ml, 140.0);
    close(found.right_ventricle.esv_ml, 90.0);
}

#[test]
fn the_phase_that_is_not_told_is_found() {
    let found = whole(
        &BEAT,
        None,
        Subject {
            es_frame: Some(0),
            ..Subject::default()
        },
    )
    .unwrap();
    assert_eq!(
        found.phases.left_ventricle,
        PhasePair {
            ed_frame: Some(5),
            es_frame: Some(0)
        }
    );
    assert_eq!(
        found.phases.right_ventricle,
        PhasePair {
            ed_frame: Some(1),
            es_frame: Some(0)
        }
    );
    assert_eq!(found.phases.method, PhaseMethod::EsTold);
    // What is told stays: the runner-up has another end-diastole, 120 ml, and the told end-systole, 150 ml.
    let runner_up = found.phases.runner_up.unwrap();
    assert_eq!((runner_up.ed_frame, runner_up.es_frame), (1, 0));
    close(Some(runner_up.ef_percent), -25.0);
}

#[test]
fn a_told_frame_without_the_ventricle_has_no_runner_up() {
    let beat = [(100, 1, 1), (80, 1, 1), (0, 1, 1), (60, 1, 1), (70, 1, 1)];
    let found = whole(
        &beat,
        None,
        Subject {
            es_frame: Some(2),
            ..Subject::default()
        },
    )
    .unwrap();
    assert_eq!(
        (found.phases.runner_up, found.left_ventricle.ef_percent),
        (None, None)
    );
}

#[test]
fn one_frame_alone_has_a_curve_and_a_mass_but_no_phases() {
    let found = whole(
        &[(1000, 900, 1200)],
        Some(30.0),
        Subject {
            heart_rate_bpm: Some(60.0),
            ..Subject::default()
        },
    )
    .unwrap();
    assert_eq!(found.phases.left_ventricle, PhasePair::default());
    assert_eq!(
        (found.left_ventricle, found.right_ventricle),
        (Ventricle::default(), Ventricle::default())
    );
    assert_eq!(found.curve.left_ventricle_ml, [Some(100.0)]);
    assert_eq!(found.curve.time_ms, Some(vec![0.0]));
    close(found.myocardium.ed_mass_g, 126.0);
    assert_eq!(
        (
            found.myocardium.es_mass_g,
            found.curve.peak_ejection_ml_per_s
        ),
        (None, None)
    );
    let told = whole(
        &[(1000, 900, 1200)],
        None,
        Subject {
            es_frame: Some(0),
            ..Subject::default()
        },
    )
    .unwrap();
    close(told.myocardium.es_mass_g, 126.0);
    assert_eq!(
        (told.myocardium.ed_mass_g, told.phases.runner_up),
        (None, None)
    );
}

#[test]
fn a_ventricle_that_no_frame_shows_is_unknown() {
    let found = whole(
        &[(100, 0, 50), (60, 0, 50), (80, 0, 0)],
        Some(30.0),
        Subject::default(),
    )
    .unwrap();
    assert_eq!(found.right_ventricle, Ventricle::default());
    assert_eq!(found.phases.right_ventricle, PhasePair::default());
    assert_eq!(found.curve.right_ventricle_ml, [None; 3]);
    assert_eq!(found.curve.myocardium_ml, [Some(5.0), Some(5.0), None]);
    close(found.left_ventricle.ef_percent, 40.0);
    let empty = whole(&[(0, 0, 0), (0, 0, 0)], None, Subject::default()).unwrap();
    assert_eq!(
        (empty.left_ventricle, empty.phases.left_ventricle),
        (Ventricle::default(), PhasePair::default())
    );
    assert_eq!(empty.myocardium.ed_mass_g, None);
}

#[test]
fn a_frame_that_misses_the_ventricle_is_not_its_end_systole() {
    let found = whole(
        &[(100, 80, 50), (60, 60, 50), (0, 70, 50), (80, 75, 50)],
        Some(30.0),
        Subject::default(),
    )
    .unwrap();
    assert_eq!(
        found.phases.left_ventricle,
        PhasePair {
            ed_frame: Some(0),
            es_frame: Some(1)
        }
    );
    close(found.left_ventricle.ef_percent, 40.0);
    // With a hole in the curve the fastest change is not known.
    assert_eq!(
        (
            found.curve.peak_ejection_ml_per_s,
            found.curve.peak_filling_ml_per_s
        ),
        (None, None)
    );
    // Of four frames three show the left ventricle: there is no runner-up.
    assert_eq!(found.phases.runner_up, None);
}

#[test]
fn a_ventricle_in_a_single_frame_has_no_ejection_fraction() {
    let found = whole(&[(100, 80, 50), (0, 60, 50)], None, Subject::default()).unwrap();
    assert_eq!(
        (found.left_ventricle, found.phases.left_ventricle),
        (Ventricle::default(), PhasePair::default())
    );
    close(found.right_ventricle.ef_percent, 25.0);
    let told = whole(
        &[(100, 80, 50), (0, 60, 50)],
        None,
        Subject {
            ed_frame: Some(0),
            es_frame: Some(1),
            ..Subject::default()
        },
    )
    .unwrap();
    close(told.left_ventricle.edv_ml, 10.0);
    assert_eq!(
        (told.left_ventricle.esv_ml, told.left_ventricle.ef_percent),
        (None, None)
    );
}

#[test]
fn the_earlier_of_two_equal_frames_is_taken() {
    let found = whole(
        &[(80, 1, 1), (100, 1, 1), (60, 1, 1), (100, 1, 1), (60, 1, 1)],
        None,
        Subject::default(),
    )
    .unwrap();
    assert_eq!(
        found.phases.left_ventricle,
        PhasePair {
            ed_frame: Some(1),
            es_frame: Some(2)
        }
    );
    let still = whole(&[(80, 1, 1), (80, 1, 1)], None, Subject::default()).unwrap();
    assert_eq!(
        still.phases.left_ventricle,
        PhasePair {
            ed_frame: Some(0),
            es_frame: Some(1)
        }
    );
    close(still.left_ventricle.ef_percent, 0.0);
}

#[test]
fn a_part_of_the_frames_keeps_their_numbers_and_times_but_has_no_rates() {
    let mut some = frames(&BEAT);
    some.retain(|f| f.frame == 0 || f.frame == 3 || f.frame == 5);
    let cycle = Cycle {
        frame_ms: Some(40.0),
        frames_in_study: Some(6),
    };
    let found = measure(&some, &SPACING, &cycle, &Subject::default()).unwrap();
    assert_eq!(
        found.phases.left_ventricle,
        PhasePair {
            ed_frame: Some(0),
            es_frame: Some(3)
        }
    );
    assert_eq!(
        (found.curve.frames, found.curve.time_ms),
        (vec![0, 3, 5], Some(vec![0.0, 120.0, 200.0]))
    );
    assert_eq!(found.curve.peak_filling_ml_per_s, None);
}

#[test]
fn the_last_frame_is_followed_by_the_first_unless_the_beat_is_longer() {
    // The largest rise, 9 ml, is from the last frame to the first.
    let beat = [(200, 1, 1), (150, 1, 1), (100, 1, 1), (110, 1, 1)];
    let filling = |subject| {
        whole(&beat, Some(100.0), subject)
            .unwrap()
            .curve
            .peak_filling_ml_per_s
    };
    close(filling(Subject::default()), 90.0);
    // 150 beats per minute are 400 ms, all of it seen; 60 are 1000 ms, of which the cine shows 400.
    close(
        filling(Subject {
            heart_rate_bpm: Some(150.0),
            ..Subject::default()
        }),
        90.0,
    );
    close(
        filling(Subject {
            heart_rate_bpm: Some(60.0),
            ..Subject::default()
        }),
        10.0,
    );
    let part = measure(
        &frames(&beat),
        &SPACING,
        &Cycle {
            frame_ms: Some(100.0),
            frames_in_study: Some(9),
        },
        &Subject::default(),
    )
    .unwrap();
    close(part.curve.peak_filling_ml_per_s, 10.0);
}

#[test]
fn a_beat_that_is_cut_off_is_not_closed() {
    let filling = |beat: &[(u64, u64, u64)]| {
        let found = whole(beat, Some(100.0), Subject::default()).unwrap();
        found.curve.peak_filling_ml_per_s
    };
    // From 130 back to 200 are 70 voxels, no more than twice the 40 of the largest other step: 7 ml in 100 ms.
    let closed = [
        (200, 1, 1),
        (160, 1, 1),
        (120, 1, 1),
        (100, 1, 1),
        (130, 1, 1),
    ];
    close(filling(&closed), 70.0);
    // From 110 back to 200 are 90, more than twice 40: what is left is the rise of 10 in the picture.
    let cut_off = [
        (200, 1, 1),
        (160, 1, 1),
        (120, 1, 1),
        (100, 1, 1),
        (110, 1, 1),
    ];
    close(filling(&cut_off), 10.0);
}

#[test]
fn unknown_time_gives_no_times_and_no_rates() {
    let found = whole(&BEAT, None, Subject::default()).unwrap();
    assert_eq!(
        (found.curve.time_ms, found.curve.peak_ejection_ml_per_s),
        (None, None)
    );
    assert_eq!((found.left_ventricle.co_l_min, found.body), (None, None));
}

#[test]
fn refuses_what_cannot_be() {
    let spacing = |mm| Spacing {
        slice_mm: mm,
        ..SPACING
    };
    let of = |spacing: &Spacing| {
        measure(
            &frames(&BEAT),
            spacing,
            &Cycle::default(),
            &Subject::default(),
        )
    };
    for mm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            matches!(
                of(&spacing(mm)),
                Err(Error::NotPositive {
                    name: "spacing_mm.slice",
                    ..
                })
            ),
            "{mm}"
        );
        assert!(
            matches!(
                whole(&BEAT, Some(mm), Subject::default()),
                Err(Error::NotPositive {
                    name: "frame_ms",
                    ..
                })
            ),
            "{mm}"
        );
    }
    assert_eq!(
        measure(&[], &SPACING, &Cycle::default(), &Subject::default()),
        Err(Error::NoFrames)
    );
    let twice = [frames(&BEAT)[1], frames(&BEAT)[1]];
    assert_eq!(
        measure(&twice, &SPACING, &Cycle::default(), &Subject::default()),
        Err(Error::FramesOutOfOrder {
            before: 1,
            found: 1
        })
    );
    let told = |ed_frame, es_frame| {
        whole(
            &BEAT,
            None,
            Subject {
                ed_frame,
                es_frame,
                ..Subject::default()
            },
        )
    };
    assert_eq!(
        told(None, Some(6)),
        Err(Error::UnknownFrame {
            name: "es_frame",
            found: 6,
            measured: "0 to 5".into()
        })
    );
    assert_eq!(told(Some(2), Some(2)), Err(Error::SamePhases { frame: 2 }));
    let metres = Subject {
        height_cm: Some(1.8),
        ..Subject::default()
    };
    assert!(matches!(
        whole(&BEAT, None, metres),
        Err(Error::ImplausibleFact {
            name: "height_cm",
            ..
        })
    ));
}

fn beats() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    proptest::collection::vec((0..20_000_u64, 0..20_000_u64, 0..20_000_u64), 2..40)
}

fn nearly(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(1.0),
        (one, other) => one == other,
    }
}

proptest! {
    #[test]
    fn twice_the_spacing_is_eight_times_the_volume_and_the_same_ejection_fraction(beat in beats(), row_mm in 0.5..3.0_f64, column_mm in 0.5..3.0_f64, slice_mm in 3.0..12.0_f64) {
        let small = Spacing { row_mm, column_mm, slice_mm };
        let large = Spacing { row_mm: 2.0 * row_mm, column_mm: 2.0 * column_mm, slice_mm: 2.0 * slice_mm };
        let of = |spacing| measure(&frames(&beat), spacing, &Cycle { frame_ms: Some(25.0), frames_in_study: None }, &Subject::default()).unwrap();
        let (small, large) = (of(&small), of(&large));
        prop_assert_eq!(small.phases.left_ventricle, large.phases.left_ventricle);
        prop_assert!(nearly(small.left_ventricle.edv_ml.map(|ml| 8.0 * ml), large.left_ventricle.edv_ml));
        prop_assert!(nearly(small.right_ventricle.sv_ml.map(|ml| 8.0 * ml), large.right_ventricle.sv_ml));
        prop_assert!(nearly(small.myocardium.ed_mass_g.map(|g| 8.0 * g), large.myocardium.ed_mass_g));
        prop_assert!(nearly(small.curve.peak_ejection_ml_per_s.map(|rate| 8.0 * rate), large.curve.peak_ejection_ml_per_s));
        prop_assert!(nearly(small.left_ventricle.ef_percent, large.left_ventricle.ef_percent));
    }

    #[test]
    fn a_beat_may_start_at_any_frame(beat in beats(), by in 0..40_usize) {
        let mut turned = beat.clone();
        turned.rotate_left(by % beat.len());
        // As long as the beat is told to be: no number of these has to look like a heart's.
        let heart_rate_bpm = Some(600.0 / beat.len() as f64);
        let of = |beat: &[(u64, u64, u64)]| whole(beat, Some(100.0), Subject { heart_rate_bpm, ..Subject::default() }).unwrap();
        let (one, other) = (of(&beat), of(&turned));
        prop_assert_eq!(one.left_ventricle, other.left_ventricle);
        prop_assert_eq!(one.right_ventricle, other.right_ventricle);
        prop_assert!(nearly(one.curve.peak_ejection_ml_per_s, other.curve.peak_ejection_ml_per_s));
        prop_assert!(nearly(one.curve.peak_filling_ml_per_s, other.curve.peak_filling_ml_per_s));
    }

    #[test]
    fn found_phases_bound_the_curve_and_the_ejection_fraction(beat in beats()) {
        let found = whole(&beat, None, Subject::default()).unwrap();
        for (ventricle, curve) in [(found.left_ventricle, &found.curve.left_ventricle_ml), (found.right_ventricle, &found.curve.right_ventricle_ml)] {
            for &ml in curve.iter().flatten() {
                prop_assert!(ml > 0.0);
                prop_assert!(ventricle.edv_ml.is_none_or(|edv| ml <= edv) && ventricle.esv_ml.is_none_or(|esv| esv <= ml));
            }
            prop_assert!(ventricle.ef_percent.is_none_or(|ef| (0.0..100.0).contains(&ef)));
        }
        if let Some(runner_up) = found.phases.runner_up {
            prop_assert!(runner_up.ef_percent <= found.left_ventricle.ef_percent.unwrap());
        }
    }

    #[test]
    fn four_times_the_weight_is_twice_the_body_and_half_of_what_is_per_square_metre(beat in beats(), height_cm in 100.0..220.0_f64, weight_kg in 5.0..170.0_f64) {
        let of = |weight_kg| whole(&beat, None, Subject { height_cm: Some(height_cm), weight_kg: Some(weight_kg), heart_rate_bpm: Some(70.0), ..Subject::default() }).unwrap();
        let (light, heavy) = (of(weight_kg), of(4.0 * weight_kg));
        prop_assert!(nearly(light.body.map(|body| 2.0 * body.bsa_m2), heavy.body.map(|body| body.bsa_m2)));
        prop_assert_eq!(light.left_ventricle.edv_ml, heavy.left_ventricle.edv_ml);
        let half = |value: Option<f64>| value.map(|value| value / 2.0);
        for (one, other) in [(light.left_ventricle, heavy.left_ventricle), (light.right_ventricle, heavy.right_ventricle)] {
            prop_assert!(nearly(half(one.edv_ml_per_m2), other.edv_ml_per_m2) && nearly(half(one.esv_ml_per_m2), other.esv_ml_per_m2));
            prop_assert!(nearly(half(one.sv_ml_per_m2), other.sv_ml_per_m2) && nearly(half(one.co_l_min_per_m2), other.co_l_min_per_m2));
        }
        prop_assert!(nearly(half(light.myocardium.ed_mass_g_per_m2), heavy.myocardium.ed_mass_g_per_m2));
        prop_assert!(nearly(half(light.myocardium.es_mass_g_per_m2), heavy.myocardium.es_mass_g_per_m2));
    }

    #[test]
    fn twice_the_heart_rate_is_twice_the_output_and_nothing_else(beat in beats(), bpm in 20.0..190.0_f64) {
        let of = |bpm| whole(&beat, None, Subject { heart_rate_bpm: Some(bpm), ..Subject::default() }).unwrap();
        let (slow, fast) = (of(bpm), of(2.0 * bpm));
        prop_assert!(nearly(slow.left_ventricle.co_l_min.map(|co| 2.0 * co), fast.left_ventricle.co_l_min));
        prop_assert_eq!(slow.left_ventricle.sv_ml, fast.left_ventricle.sv_ml);
    }
}
