//! The phantom as others use it: its mask against its truth, its picture, its refusals.

use cinecor_phantom::{Generator, MAX_GREY, Phantom, PhantomError, Settings};
use cinecor_volume::{Label, Shape, Spacing};
use ndarray::Axis;

fn ml(phantom: &Phantom, frame: usize, label: Label) -> f64 {
    let labels = phantom.mask.labels.index_axis(Axis(0), frame);
    let voxels = labels.iter().filter(|code| **code == label.code()).count();
    voxels as f64 * phantom.mask.geometry.spacing.voxel_ml()
}

#[test]
fn the_mask_has_the_volumes_of_the_truth_at_the_ends_of_the_beat() {
    // Two frames: the first is the end of diastole, the second that of systole.
    let shape = Shape {
        frames: 2,
        ..Settings::default().shape
    };
    let settings = Settings {
        shape,
        ..Settings::default()
    };
    let phantom = Phantom::generate(&settings).unwrap();
    assert_eq!(settings.es_frame(), 1);
    let expected = [[150.0, 110.0, 130.0], [67.5, 110.0, 52.0]];
    for (frame, expected) in expected.into_iter().enumerate() {
        for (label, expected) in Label::STRUCTURES.into_iter().zip(expected) {
            let found = ml(&phantom, frame, label);
            // Voxels of 1.4 x 1.4 x 8 mm on curved surfaces: two percent.
            assert!(
                (found / expected - 1.0).abs() < 0.02,
                "frame {frame}, {}: {found} ml",
                label.name()
            );
        }
    }
    let [ed, es] = [phantom.truth[0], phantom.truth[1]];
    assert_eq!([ed.left_ventricle_ml, es.left_ventricle_ml], [130.0, 52.0]);
    assert_eq!([ed.myocardium_ml, es.myocardium_ml], [110.0, 110.0]);
    assert_eq!(
        [ed.right_ventricle_ml, es.right_ventricle_ml],
        [150.0, 67.5]
    );
}

#[test]
fn a_sick_heart_has_the_volumes_that_were_asked_for() {
    let shape = Shape {
        frames: 2,
        slices: 16,
        ..Settings::default().shape
    };
    let settings = Settings {
        shape,
        lv_edv_ml: 240.0,
        lv_esv_ml: 180.0,
        rv_edv_ml: 130.0,
        rv_esv_ml: 80.0,
        myocardium_ml: 160.0,
        ..Settings::default()
    };
    let phantom = Phantom::generate(&settings).unwrap();
    for (frame, expected) in [[130.0, 160.0, 240.0], [80.0, 160.0, 180.0]]
        .into_iter()
        .enumerate()
    {
        for (label, expected) in Label::STRUCTURES.into_iter().zip(expected) {
            let found = ml(&phantom, frame, label);
            assert!(
                (found / expected - 1.0).abs() < 0.03,
                "frame {frame}, {}: {found} ml",
                label.name()
            );
        }
    }
}

#[test]
fn lies_as_short_axis_stacks_do() {
    let phantom = Phantom::generate(&Settings::small()).unwrap();
    let labels = phantom.mask.labels.index_axis(Axis(0), 0);
    let middle = |slice: usize, label: Label| {
        let plane = labels.index_axis(Axis(0), slice);
        let (mut row_sum, mut column_sum, mut count) = (0, 0, 0);
        for ((row, column), code) in plane.indexed_iter() {
            if *code == label.code() {
                (row_sum, column_sum, count) = (row_sum + row, column_sum + column, count + 1);
            }
        }
        (
            row_sum as f64 / f64::from(count),
            column_sum as f64 / f64::from(count),
            count,
        )
    };
    let (left, right) = (
        middle(2, Label::LeftVentricle),
        middle(2, Label::RightVentricle),
    );
    assert!(
        right.1 < left.1 && right.0 < left.0,
        "the right ventricle is to the left and above"
    );
    let areas: Vec<i32> = (0..8)
        .map(|slice| middle(slice, Label::LeftVentricle).2)
        .collect();
    assert!(
        areas.is_sorted_by(|base, apex| base >= apex),
        "slices run from base to apex: {areas:?}"
    );
    // Towards the apex is towards the feet here, and the image's right is the patient's left: RAS+ falls on every axis.
    let geometry = &phantom.volume.geometry;
    let (origin, next) = (
        geometry.point_in_mm(0.0, 0.0, 0.0),
        geometry.point_in_mm(1.0, 1.0, 1.0),
    );
    for (origin, next) in origin.into_iter().zip(next) {
        assert!(next < origin);
    }
    let center = geometry.point_in_mm(63.5, 51.5, 4.5);
    assert!(center.iter().all(|value| value.abs() < 1e-9), "{center:?}");
}

#[test]
fn blood_is_bright_muscle_dark_and_lung_nearly_black() {
    let settings = Settings::small();
    let frame = Generator::new(&settings).unwrap().frame(0);
    let mean = |label: Label| {
        let values: Vec<f32> = frame
            .intensities
            .iter()
            .zip(&frame.labels)
            .filter(|(_, code)| **code == label.code())
            .map(|(value, _)| *value)
            .collect();
        values.iter().sum::<f32>() / values.len() as f32
    };
    let (left, right, wall) = (
        mean(Label::LeftVentricle),
        mean(Label::RightVentricle),
        mean(Label::Myocardium),
    );
    assert!(
        left > 2.0 * wall && right > 2.0 * wall,
        "{left} {right} {wall}"
    );
    // Air is noise alone: the Rayleigh mean of a deviation of 5 is 6.3.
    let corner = frame
        .intensities
        .slice(ndarray::s![0, ..6, ..6])
        .mean()
        .unwrap();
    assert!((5.0..8.0).contains(&corner), "{corner}");
    for value in &frame.intensities {
        assert!(
            (0.0..=MAX_GREY).contains(value) && value.fract() == 0.0,
            "{value}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_phantom_and_another_gives_other_noise_and_the_same_truth() {
    let settings = Settings::small();
    let once = Phantom::generate(&settings).unwrap();
    let again = Phantom::generate(&settings).unwrap();
    assert_eq!(once.volume.intensities, again.volume.intensities);
    // Frames do not depend on those drawn before.
    let alone = Generator::new(&settings).unwrap().frame(2);
    assert_eq!(
        once.volume.intensities.index_axis(Axis(0), 2),
        alone.intensities
    );
    let other = Phantom::generate(&Settings {
        seed: 2,
        ..settings
    })
    .unwrap();
    assert_ne!(once.volume.intensities, other.volume.intensities);
    assert_eq!(once.mask.labels, other.mask.labels);
    assert_eq!(once.truth, other.truth);
}

#[test]
fn refuses_hearts_and_fields_of_view_that_cannot_be() {
    let refused = |settings: Settings| Generator::new(&settings).err();
    let good = Settings::small;
    let short = Shape {
        slices: 5,
        ..good().shape
    };
    assert!(matches!(
        refused(Settings {
            shape: short,
            ..good()
        }),
        Some(PhantomError::FieldTooSmall { axis: "slices", .. })
    ));
    let narrow = Shape {
        columns: 40,
        ..good().shape
    };
    assert!(matches!(
        refused(Settings {
            shape: narrow,
            ..good()
        }),
        Some(PhantomError::FieldTooSmall {
            axis: "columns",
            ..
        })
    ));
    let none = Shape {
        frames: 0,
        ..good().shape
    };
    assert!(matches!(
        refused(Settings {
            shape: none,
            ..good()
        }),
        Some(PhantomError::Volume(_))
    ));
    let flat = Spacing {
        slice_mm: 0.0,
        ..good().spacing
    };
    assert!(matches!(
        refused(Settings {
            spacing: flat,
            ..good()
        }),
        Some(PhantomError::Volume(_))
    ));
    for bad in [
        Settings {
            lv_esv_ml: 140.0,
            ..good()
        },
        Settings {
            rv_esv_ml: f64::NAN,
            ..good()
        },
        Settings {
            lv_edv_ml: 1e9,
            ..good()
        },
        Settings {
            noise_sd: -1.0,
            ..good()
        },
        Settings {
            rr_ms: 0.0,
            ..good()
        },
    ] {
        assert!(
            matches!(refused(bad.clone()), Some(PhantomError::BadHeart { .. })),
            "{bad:?}"
        );
    }
}
