//! The crate against NumPy and SciPy: `golden/make_golden.py` makes the expected numbers and the masks they belong to.

use cinecor_measures::{
    Counts, Cycle, FrameCounts, FrameProfile, Grid, Rules, StructureAgreement, Subject, Ventricle,
    compare, measure, measure_heart,
};
use cinecor_volume::Spacing;
use ndarray::{Array3, Array4};
use serde_json::Value;

/// Both sides sum the same float64 numbers in another order.
const RELATIVE_TOLERANCE: f64 = 1e-9;

fn cases(text: &str) -> Vec<Value> {
    let Value::Array(cases) = serde_json::from_str(text).unwrap() else {
        panic!("the golden file is a list")
    };
    assert!(!cases.is_empty());
    cases
}

fn spacing(case: &Value) -> Spacing {
    let mm = |axis: &str| case["spacing_mm"][axis].as_f64().unwrap();
    Spacing {
        row_mm: mm("row"),
        column_mm: mm("column"),
        slice_mm: mm("slice"),
    }
}

#[track_caller]
fn check(what: &str, case: &Value, found: Option<f64>, expected: &Value) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => {
            assert!(
                (found - expected).abs() <= RELATIVE_TOLERANCE * expected.abs().max(1e-3),
                "{} {what}: {found}, golden {expected}",
                case["name"]
            );
        }
        (None, None) if expected.is_null() => (),
        (found, _) => panic!("{} {what}: {found:?}, golden {expected}", case["name"]),
    }
}

/// The three-dimensional mask of a case.
fn mask(case: &Value) -> Array3<u8> {
    let shape: Vec<usize> = case["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| usize::try_from(n.as_u64().unwrap()).unwrap())
        .collect();
    let codes = case["mask"].as_str().unwrap().bytes();
    let codes = codes.map(|digit| digit - b'0').collect();
    Array3::from_shape_vec((shape[0], shape[1], shape[2]), codes).unwrap()
}

#[test]
fn profiles_and_checks_equal_scipy() {
    for case in cases(include_str!("golden/quality.json")) {
        let labels = mask(&case);
        let image = case["image"].as_array().map(|values| {
            let values = values.iter().map(|v| v.as_f64().unwrap() as f32).collect();
            Array3::from_shape_vec(labels.dim(), values).unwrap()
        });
        let grid = Grid {
            spacing: spacing(&case),
            right_handed: Some(false),
            mirrored: false,
        };
        let image = image.as_ref().map(|image| image.view());
        let profile = FrameProfile::of(0, labels.view(), image, &grid).unwrap();
        let expected = &case["expected"];
        check("contrast", &case, profile.contrast, &expected["contrast"]);
        let triple = |counts: Counts| {
            [
                counts.right_ventricle,
                counts.myocardium,
                counts.left_ventricle,
            ]
        };
        for (z, (found, slice)) in profile
            .slices
            .iter()
            .zip(expected["slices"].as_array().unwrap())
            .enumerate()
        {
            let what = |name: &str| format!("slice {z} {name}");
            check(&what("enclosed"), &case, found.enclosed, &slice["enclosed"]);
            assert_eq!(
                found.beside,
                slice["beside"].as_bool(),
                "{}",
                what("beside")
            );
            for axis in 0..2 {
                let middle = found.middle_mm.map(|middle| middle[axis]);
                let expected = &slice["middle_mm"][axis];
                check(&what("middle_mm"), &case, middle, expected);
                let middle = found.right_middle_mm.map(|middle| middle[axis]);
                let expected = &slice["right_middle_mm"][axis];
                check(&what("right_middle_mm"), &case, middle, expected);
            }
            assert_eq!(
                found.at_edge,
                slice["at_edge"].as_u64(),
                "{}",
                what("at_edge")
            );
            for (found, expected) in triple(found.counts)
                .into_iter()
                .zip(slice["counts"].as_array().unwrap())
            {
                assert_eq!(Some(found), expected.as_u64(), "{}", what("counts"));
            }
        }
        for (found, expected) in triple(profile.stray)
            .into_iter()
            .zip(expected["stray"].as_array().unwrap())
        {
            assert_eq!(Some(found), expected.as_u64(), "{} stray", case["name"]);
        }
        let heart = measure_heart(
            &[profile],
            &Rules::default(),
            &grid.spacing,
            &Cycle::default(),
            &Subject::default(),
            &[],
        )
        .unwrap();
        for name in [
            "base_covered",
            "apex_covered",
            "slices_contiguous",
            "connected",
            "cavity_enclosed",
            "ventricles_adjacent",
            "orientation",
            "field_of_view",
            "slice_jumps",
            "slice_alignment",
        ] {
            let found = heart.quality.checks.iter().find(|check| check.code == name);
            check(
                name,
                &case,
                found.and_then(|check| check.value),
                &expected[name],
            );
        }
    }
}

#[test]
fn segments_are_as_thick_as_the_areas_of_their_sectors_say() {
    for case in cases(include_str!("golden/wall.json")) {
        let grid = Grid {
            spacing: spacing(&case),
            right_handed: case["right_handed"].as_bool(),
            mirrored: false,
        };
        let profile = FrameProfile::of(0, mask(&case).view(), None, &grid).unwrap();
        for (segment, (found, expected)) in profile
            .wall
            .segments_mm
            .iter()
            .zip(case["expected"].as_array().unwrap())
            .enumerate()
        {
            let (found, expected) = (found.unwrap(), expected.as_f64().unwrap());
            // Two ways to a mean thickness on pixels of about 1 mm, and two ways to the septum's middle.
            assert!(
                (found - expected).abs() < 0.3,
                "{} segment {}: {found} mm, from areas {expected}",
                case["name"],
                segment + 1
            );
        }
    }
}

#[test]
fn smoothed_curves_and_rates_equal_scipy() {
    for case in cases(include_str!("golden/smooth.json")) {
        let frames: Vec<FrameCounts> = case["voxels"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(frame, voxels)| FrameCounts {
                frame,
                counts: Counts {
                    left_ventricle: voxels.as_u64().unwrap(),
                    ..Counts::default()
                },
            })
            .collect();
        let closes = case["closes"].as_bool().unwrap();
        let cycle = Cycle {
            frame_ms: Some(40.0),
            // A study of more frames than are measured does not close.
            frames_in_study: Some(frames.len() + usize::from(!closes)),
        };
        // One voxel is 0.02 ml.
        let spacing = Spacing {
            row_mm: 1.0,
            column_mm: 2.0,
            slice_mm: 10.0,
        };
        let found = measure(&frames, &spacing, &cycle, &Subject::default()).unwrap();
        let found = found.beat.left_ventricle;
        for (index, ml) in found.ml.unwrap().into_iter().enumerate() {
            check("smooth_ml", &case, Some(ml), &case["smooth_ml"][index]);
        }
        for (name, rate, time) in [
            (
                "ejection",
                found.peak_ejection_ml_per_s,
                found.time_to_peak_ejection_ms,
            ),
            (
                "filling",
                found.peak_filling_ml_per_s,
                found.time_to_peak_filling_ms,
            ),
        ] {
            check(name, &case, rate, &case[name][0]);
            check(name, &case, time, &case[name][1]);
        }
    }
}

#[test]
fn agreement_equals_scipy() {
    for case in cases(include_str!("golden/agreement.json")) {
        let shape: Vec<usize> = case["shape"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| usize::try_from(n.as_u64().unwrap()).unwrap())
            .collect();
        let mask = |name: &str| {
            let codes = case[name]
                .as_str()
                .unwrap()
                .bytes()
                .map(|digit| digit - b'0')
                .collect();
            Array4::from_shape_vec((shape[0], shape[1], shape[2], shape[3]), codes).unwrap()
        };
        let found = compare(
            mask("reference").view(),
            mask("prediction").view(),
            &spacing(&case),
        )
        .unwrap();
        for (name, found) in [
            ("right_ventricle", found.right_ventricle),
            ("myocardium", found.myocardium),
            ("left_ventricle", found.left_ventricle),
        ] {
            let StructureAgreement {
                dice,
                hausdorff_mm,
                hd95_mm,
                assd_mm,
                volume_error_ml,
                volume_error_percent,
            } = found;
            let expected = &case["expected"][name];
            for (what, found) in [
                ("dice", dice),
                ("hausdorff_mm", hausdorff_mm),
                ("hd95_mm", hd95_mm),
                ("assd_mm", assd_mm),
                ("volume_error_ml", volume_error_ml),
                ("volume_error_percent", volume_error_percent),
            ] {
                check(&format!("{name} {what}"), &case, found, &expected[what]);
            }
        }
    }
}

#[test]
fn metrics_equal_numpy() {
    for case in cases(include_str!("golden/metrics.json")) {
        let counts = |structure: &str| -> Vec<u64> {
            case["counts"][structure]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_u64().unwrap())
                .collect()
        };
        let (left, right, wall) = (
            counts("left_ventricle"),
            counts("right_ventricle"),
            counts("myocardium"),
        );
        let frames: Vec<FrameCounts> = (0..left.len())
            .map(|frame| FrameCounts {
                frame,
                counts: Counts {
                    right_ventricle: right[frame],
                    myocardium: wall[frame],
                    left_ventricle: left[frame],
                },
            })
            .collect();
        let cycle = Cycle {
            frame_ms: case["frame_ms"].as_f64(),
            frames_in_study: Some(frames.len()),
        };
        let fact = |name: &str| case[name].as_f64();
        let subject = Subject {
            height_cm: fact("height_cm"),
            weight_kg: fact("weight_kg"),
            heart_rate_bpm: fact("heart_rate_bpm"),
            ..Subject::default()
        };
        let found = measure(&frames, &spacing(&case), &cycle, &subject).unwrap();
        let expected = &case["expected"];

        let frame = |frame: Option<usize>| frame.map(|frame| frame as f64);
        let runner_up = found.phases.runner_up.unwrap();
        for (what, found) in [
            ("ed_frame", frame(found.phases.left_ventricle.ed_frame)),
            ("es_frame", frame(found.phases.left_ventricle.es_frame)),
            (
                "right_ed_frame",
                frame(found.phases.right_ventricle.ed_frame),
            ),
            (
                "right_es_frame",
                frame(found.phases.right_ventricle.es_frame),
            ),
            ("runner_up_ed_frame", frame(Some(runner_up.ed_frame))),
            ("runner_up_es_frame", frame(Some(runner_up.es_frame))),
            ("runner_up_ef_percent", Some(runner_up.ef_percent)),
            ("ed_mass_g", found.myocardium.ed_mass_g),
            ("es_mass_g", found.myocardium.es_mass_g),
            ("ed_mass_g_per_m2", found.myocardium.ed_mass_g_per_m2),
            ("es_mass_g_per_m2", found.myocardium.es_mass_g_per_m2),
            ("peak_ejection_ml_per_s", found.curve.peak_ejection_ml_per_s),
            ("peak_filling_ml_per_s", found.curve.peak_filling_ml_per_s),
            ("bsa_m2", found.body.map(|b| b.bsa_m2)),
        ] {
            check(what, &case, found, &expected[what]);
        }
        for (name, found) in [
            ("left_ventricle", found.left_ventricle),
            ("right_ventricle", found.right_ventricle),
        ] {
            let Ventricle {
                edv_ml,
                esv_ml,
                sv_ml,
                ef_percent,
                co_l_min,
                edv_ml_per_m2,
                esv_ml_per_m2,
                sv_ml_per_m2,
                co_l_min_per_m2,
            } = found;
            for (what, found) in [
                ("edv_ml", edv_ml),
                ("esv_ml", esv_ml),
                ("sv_ml", sv_ml),
                ("ef_percent", ef_percent),
                ("co_l_min", co_l_min),
                ("edv_ml_per_m2", edv_ml_per_m2),
                ("esv_ml_per_m2", esv_ml_per_m2),
                ("sv_ml_per_m2", sv_ml_per_m2),
                ("co_l_min_per_m2", co_l_min_per_m2),
            ] {
                check(
                    &format!("{name} {what}"),
                    &case,
                    found,
                    &expected[name][what],
                );
            }
        }
        for (index, found) in found.curve.time_ms.unwrap().into_iter().enumerate() {
            check("time_ms", &case, Some(found), &expected["time_ms"][index]);
        }
    }
}
