//! The score of a mask: worked by hand, against NumPy, and by what must hold for every mask.

use cinecor_measures::score::{self, Features, Form, FrameScore, StructureEvidence, Weights};
use cinecor_measures::{PhaseMethod, PhasePair, Phases};
use cinecor_volume::Spacing;
use ndarray::{Array3, ArrayView3};
use proptest::prelude::*;
use serde_json::Value;

const GOLDEN: &str = include_str!("golden/score.json");

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect()
}

/// Pixels of one millimetre.
const EVEN: Spacing = Spacing {
    row_mm: 1.0,
    column_mm: 1.0,
    slice_mm: 8.0,
};

fn spacing(mm: &[f64]) -> Spacing {
    Spacing {
        row_mm: mm[0],
        column_mm: mm[1],
        slice_mm: 8.0,
    }
}

/// In the order of the golden's list.
fn features(of: &[f64]) -> Features {
    Features {
        dice_mean: of[0],
        dice_worst: of[1],
        removed: of[2],
        form: Form {
            missing: of[3],
            gaps: of[4],
            open_wall: of[5],
            jump: of[6],
            ragged: of[7],
        },
        volume: of[8],
    }
}

fn list(of: &Features) -> [f64; 9] {
    let Form {
        missing,
        gaps,
        open_wall,
        jump,
        ragged,
    } = of.form;
    [
        of.dice_mean,
        of.dice_worst,
        of.removed,
        missing,
        gaps,
        open_wall,
        jump,
        ragged,
        of.volume,
    ]
}

fn structure(expected: f64, agreeing: f64, labelled: u64, removed: u64) -> StructureEvidence {
    StructureEvidence {
        expected_voxels: expected,
        agreeing_voxels: agreeing,
        labelled_voxels: labelled,
        removed_voxels: removed,
    }
}

#[test]
fn features_and_scores_are_those_of_numpy() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the golden is JSON");
    let weights = numbers(&golden["weights"]);
    let weights = Weights {
        intercept: weights[0],
        coefficients: features(&weights[1..]),
    };
    for case in golden["cases"].as_array().expect("a list") {
        let shape = numbers(&case["shape"]);
        let codes = case["labels"]
            .as_str()
            .expect("digits")
            .bytes()
            .map(|b| b - b'0')
            .collect();
        let labels = Array3::from_shape_vec(
            (shape[0] as usize, shape[1] as usize, shape[2] as usize),
            codes,
        )
        .expect("it fits");
        let rows: Vec<Vec<f64>> = case["structures"]
            .as_array()
            .expect("a list")
            .iter()
            .map(numbers)
            .collect();
        let structures = [0, 1, 2]
            .map(|i| structure(rows[i][0], rows[i][1], rows[i][2] as u64, rows[i][3] as u64));
        let found = Features::of(
            &structures,
            Form::of(labels.view(), &spacing(&numbers(&case["spacing_mm"]))),
            case["voxel_ml"].as_f64().expect("ml"),
        );
        for (found, expected) in list(&found).iter().zip(numbers(&case["features"])) {
            // Sums of double precision in another order.
            assert!(
                (found - expected).abs() < 1e-9,
                "{}: {found}, NumPy {expected}",
                case["name"]
            );
        }
        let score = weights.score(&found);
        assert!(
            (score - case["score"].as_f64().expect("a number")).abs() < 1e-9,
            "{}",
            case["name"]
        );
    }
}

#[test]
fn a_ventricle_in_its_wall_has_no_open_outline_and_a_bare_one_has() {
    // One voxel of cavity: walled on three sides, free on the fourth.
    let labels = [0, 2, 0, 2, 3, 2, 0, 0, 0];
    let form = Form::of(
        ArrayView3::from_shape((1, 3, 3), &labels).expect("3 by 3"),
        &EVEN,
    );
    assert_eq!((form.open_wall, form.gaps, form.jump), (0.25, 0.0, 0.0));
    assert!((form.missing - 1.0 / 3.0).abs() < 1e-12);
    // Of three slices the middle one shows nothing; the outer two are no neighbours.
    let labels = [3, 0, 3];
    let form = Form::of(
        ArrayView3::from_shape((3, 1, 1), &labels).expect("3 slices"),
        &EVEN,
    );
    assert!((form.gaps - 1.0 / 3.0).abs() < 1e-12);
    // Two slices of two voxels that share one.
    let labels = [1, 1, 0, 0, 1, 1];
    let form = Form::of(
        ArrayView3::from_shape((2, 1, 3), &labels).expect("2 slices"),
        &EVEN,
    );
    assert_eq!(form.jump, 0.5);
}

#[test]
fn an_outline_is_ragged_by_what_it_has_more_than_a_disc() {
    // Four pixels 2 mm high and 1 mm wide, one above the other: an outline of 18 mm around 8 mm².
    let form = Form::of(
        ArrayView3::from_shape((1, 4, 1), &[1, 2, 2, 3]).expect("4 rows"),
        &spacing(&[2.0, 1.0]),
    );
    let pi = std::f64::consts::PI;
    let expected = 1.0 - 4.0 * pi * 8.0 / (pi / 4.0 * 18.0_f64).powi(2);
    assert!((form.ragged - expected).abs() < 1e-12, "{}", form.ragged);
    // A square comes out rounder than round, which is no more than round; and an empty slice beside it does not count.
    let square = [3, 0, 0, 0];
    let form = Form::of(
        ArrayView3::from_shape((2, 1, 2), &square).expect("2 slices"),
        &EVEN,
    );
    assert_eq!(form.ragged, 0.0);
}

#[test]
fn a_mask_that_its_network_is_sure_of_scores_as_its_dice_predicts() {
    // Expected 10, agreeing 9, labelled 10: a Dice of 18/20 in each structure.
    let sure = [structure(10.0, 9.0, 10, 0); 3];
    assert_eq!(sure[0].dice(), 0.9);
    let weights = Weights {
        intercept: 0.0,
        coefficients: Features {
            dice_mean: 1.0,
            ..features(&[0.0; 9])
        },
    };
    let score = weights.score(&Features::of(&sure, Form::default(), 10.0));
    assert!((score - 0.9).abs() < 1e-12, "{score}");
}

#[test]
fn a_study_has_the_score_of_its_phases() {
    let pair = |ed_frame, es_frame| PhasePair { ed_frame, es_frame };
    let phases = |left_ventricle, right_ventricle| Phases {
        left_ventricle,
        right_ventricle,
        method: PhaseMethod::LargestAndSmallestCavity,
        runner_up: None,
    };
    // Twenty-seven good frames between, and a bad end-systole.
    let scores: Vec<FrameScore> = (0..30)
        .map(|frame| FrameScore {
            frame,
            score: if (9..12).contains(&frame) { 0.5 } else { 0.9 },
        })
        .collect();
    let of = |phases| (score::of_phases(&scores, &phases).unwrap() * 1000.0).round() / 1000.0;
    let both = pair(Some(0), Some(10));
    assert_eq!(of(phases(both, both)), 0.7);
    // (0.9 + 0.5 + 0.5) / 3: a frame counts once.
    assert_eq!(of(phases(both, pair(Some(0), Some(11)))), 0.633);
    assert_eq!(of(phases(PhasePair::default(), PhasePair::default())), 0.86);
    assert_eq!(score::of_phases(&[], &phases(both, both)), None);
}

proptest! {
    #[test]
    fn features_are_finite_and_doubt_never_raises_a_score(
        labels in prop::collection::vec(0_u8..5, 24),
        expected in 0.0..100.0_f64,
        agreeing in 0.0..1.0_f64,
        labelled in 0_u64..50,
        removed in 0_u64..50,
        voxel_ml in 0.0..100.0_f64,
    ) {
        let form = Form::of(ArrayView3::from_shape((2, 3, 4), &labels).expect("2 by 3 by 4"), &EVEN);
        let weights = Weights {
            intercept: 0.2,
            coefficients: features(&[1.0, 0.5, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]),
        };
        let of = |share: f64| {
            let one = structure(expected, share * agreeing * expected.min(labelled as f64), labelled, removed);
            Features::of(&[one; 3], form, voxel_ml)
        };
        prop_assert!(list(&of(1.0)).iter().all(|value| value.is_finite()));
        prop_assert!(weights.score(&of(0.5)) <= weights.score(&of(1.0)));
    }
}
