//! The crate against NumPy and SciPy: `golden/make_golden.py` makes the expected numbers and the masks they belong to.

use cinecor_measures::{
    Counts, Cycle, FrameCounts, StructureAgreement, Subject, Ventricle, compare, measure,
};
use cinecor_volume::Spacing;
use ndarray::Array4;
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
