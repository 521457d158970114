//! The phantom's volumes, mass and wall, which are known by formula, recovered from its true masks.

use cinecor_measures::{
    Cycle, FrameProfile, Grid, MYOCARDIAL_DENSITY_G_PER_ML, Metrics, Rules, SEGMENTS, Subject,
    measure_heart,
};
use cinecor_phantom::{Settings, TrueFrame};
use cinecor_volume::{Shape, Spacing};

/// A heart of two frames, diastole and systole, and its numbers. The phantom's columns run to the left, its rows to the back and its
/// slices to the feet: a left-handed system.
fn measured(settings: &Settings) -> ([TrueFrame; 2], Vec<FrameProfile>, Metrics) {
    let frames = [0, 1].map(|index| TrueFrame::generate(settings, index).unwrap());
    let grid = Grid {
        spacing: settings.spacing,
        right_handed: Some(false),
        mirrored: false,
    };
    let profiles: Vec<FrameProfile> = frames
        .iter()
        .enumerate()
        .map(|(index, frame)| FrameProfile::of(index, frame.labels.view(), None, &grid).unwrap())
        .collect();
    let metrics = measure_heart(
        &profiles,
        &Rules::default(),
        &grid.spacing,
        &Cycle::default(),
        &Subject::default(),
        &[],
    )
    .unwrap();
    (frames, profiles, metrics)
}

fn two_frames(slices: usize, rows: usize, columns: usize) -> Shape {
    Shape {
        frames: 2,
        slices,
        rows,
        columns,
    }
}

/// A beat of two frames ends systole in the second.
#[track_caller]
fn volumes_are_recovered(settings: &Settings, metrics: &Metrics, percent: f64) {
    let close = |what: &str, found: Option<f64>, expected: f64| {
        let found = found.unwrap();
        let off = 100.0 * (found / expected - 1.0).abs();
        println!("{what}: {found:.2}, by formula {expected:.2}, {off:.2} %");
        assert!(off <= percent, "{what}: {found}, by formula {expected}");
    };
    let mass_g = settings.myocardium_ml * MYOCARDIAL_DENSITY_G_PER_ML;
    close("LVEDV", metrics.left_ventricle.edv_ml, settings.lv_edv_ml);
    close("LVESV", metrics.left_ventricle.esv_ml, settings.lv_esv_ml);
    close("RVEDV", metrics.right_ventricle.edv_ml, settings.rv_edv_ml);
    close("RVESV", metrics.right_ventricle.esv_ml, settings.rv_esv_ml);
    close("mass at ED", metrics.myocardium.ed_mass_g, mass_g);
    close("mass at ES", metrics.myocardium.es_mass_g, mass_g);
    let ef = |edv: f64, esv: f64| 100.0 * (edv - esv) / edv;
    close(
        "LVEF",
        metrics.left_ventricle.ef_percent,
        ef(settings.lv_edv_ml, settings.lv_esv_ml),
    );
    close(
        "RVEF",
        metrics.right_ventricle.ef_percent,
        ef(settings.rv_edv_ml, settings.rv_esv_ml),
    );
}

/// Segments against the mean of the wall's thickness in the middle planes of their slices.
#[track_caller]
fn walls_are_recovered(frames: &[TrueFrame; 2], metrics: &Metrics, mm: f64) {
    for (frame, found) in frames.iter().zip([metrics.wall.ed_mm, metrics.wall.es_mm]) {
        // Slices whose mask shows a cavity, from base to apex.
        let slices: Vec<f64> = frame
            .labels
            .outer_iter()
            .zip(&frame.wall_mm)
            .filter(|(labels, _)| labels.iter().any(|&code| code == 3))
            .map(|(_, wall_mm)| wall_mm.unwrap())
            .collect();
        for segment in 0..SEGMENTS {
            let part: Vec<f64> = slices
                .iter()
                .enumerate()
                .filter(|(index, _)| 3 * index / slices.len() == (segment / 6).min(2))
                .map(|(_, &wall_mm)| wall_mm)
                .collect();
            let expected = part.iter().sum::<f64>() / part.len() as f64;
            let found = found[segment].unwrap();
            println!(
                "segment {}: {found:.2} mm, by formula {expected:.2}",
                segment + 1
            );
            assert!(
                (found - expected).abs() <= mm,
                "segment {}: {found}, by formula {expected}",
                segment + 1
            );
        }
    }
}

#[test]
fn a_fine_grid_recovers_volumes_within_one_percent() {
    // A small heart, so that the grid of half a millimetre stays small.
    let settings = Settings {
        shape: two_frames(140, 400, 400),
        spacing: Spacing {
            row_mm: 0.5,
            column_mm: 0.5,
            slice_mm: 0.5,
        },
        lv_edv_ml: 60.0,
        lv_esv_ml: 25.0,
        rv_edv_ml: 70.0,
        rv_esv_ml: 32.0,
        myocardium_ml: 55.0,
        ..Settings::default()
    };
    let (_, _, metrics) = measured(&settings);
    volumes_are_recovered(&settings, &metrics, 1.0);
}

#[test]
fn a_clinical_grid_recovers_volumes_within_three_percent_and_the_wall_within_half_a_millimetre() {
    let settings = Settings {
        shape: two_frames(12, 208, 256),
        spacing: Spacing {
            row_mm: 1.4,
            column_mm: 1.4,
            slice_mm: 8.0,
        },
        ..Settings::default()
    };
    let (frames, _, metrics) = measured(&settings);
    volumes_are_recovered(&settings, &metrics, 3.0);
    walls_are_recovered(&frames, &metrics, 0.5);
    for (found, ed, es) in metrics
        .wall
        .thickening_percent
        .iter()
        .zip(metrics.wall.ed_mm)
        .zip(metrics.wall.es_mm)
        .map(|((found, ed), es)| (found.unwrap(), ed.unwrap(), es.unwrap()))
    {
        assert!((found - 100.0 * (es / ed - 1.0)).abs() < 1e-9);
    }
    // The middle of the first slice is 4 mm below the base plane, where the half ellipsoid of 80 mm and 130 ml is 55.6 mm wide.
    let diameter_mm = metrics.wall.ed_diameter_mm.unwrap();
    assert!((diameter_mm - 55.6).abs() < 1.0, "{diameter_mm}");
}

#[test]
fn a_healthy_heart_passes_every_check_of_its_mask() {
    let settings = Settings {
        shape: two_frames(12, 208, 256),
        ..Settings::default()
    };
    let (_, _, metrics) = measured(&settings);
    for check in &metrics.quality.checks {
        println!("{}", check.detail);
        assert!(check.passed, "{check:?}");
    }
}
