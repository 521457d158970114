//! Intervals: worked by hand, and by what must hold for every heart.

use cinecor_measures::{
    Counts, Cycle, Doubt, Factor, Factors, FrameCounts, Interval, Metrics, Subject, intervals,
    measure,
};
use cinecor_volume::Spacing;
use proptest::prelude::*;

/// A voxel of 1 ml.
const ML: Spacing = Spacing {
    row_mm: 10.0,
    column_mm: 10.0,
    slice_mm: 10.0,
};

/// Left ventricle of 100 and 40 voxels, right of 120 and 60, a wall of 80 and 80.
fn heart(spacing: &Spacing) -> Metrics {
    let frame = |frame, right_ventricle, left_ventricle| FrameCounts {
        frame,
        counts: Counts {
            right_ventricle,
            myocardium: 80,
            left_ventricle,
        },
    };
    let frames = [frame(0, 120, 100), frame(1, 60, 40)];
    measure(&frames, spacing, &Cycle::default(), &Subject::default()).expect("two frames")
}

fn doubts(scale: f64) -> [Doubt; 2] {
    [0, 1].map(|frame| Doubt {
        frame,
        right_ventricle_voxels: 5.0 * scale,
        myocardium_voxels: 8.0 * scale,
        left_ventricle_voxels: [3.0, 4.0][frame] * scale,
    })
}

fn factors(share: f64) -> Factors {
    let quantities = [
        "left_ventricle.edv_ml",
        "left_ventricle.sv_ml",
        "left_ventricle.ef_percent",
        "right_ventricle.esv_ml",
        "myocardium.ed_mass_g",
        "myocardium.es_mass_g",
    ];
    let of = quantities.map(|quantity| Factor {
        quantity: quantity.to_owned(),
        share,
        low: 1.0,
        high: 2.0,
    });
    Factors {
        level: 0.9,
        of: of.to_vec(),
    }
}

fn ends(found: &[Interval], quantity: &str) -> (f64, f64) {
    let interval = found.iter().find(|interval| interval.quantity == quantity);
    interval.map_or((f64::NAN, f64::NAN), |interval| {
        (interval.low, interval.high)
    })
}

#[test]
fn an_interval_reaches_as_many_doubts_as_the_card_says() {
    let found = intervals(&heart(&ML), &doubts(1.0), &factors(0.0), &ML);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|interval| interval.level == 0.9));
    // 100 ml with 3 ml in doubt; 60 ml with 3 and 4, which is 5; 60 ml with 5.
    assert_eq!(ends(&found, "left_ventricle.edv_ml"), (97.0, 106.0));
    assert_eq!(ends(&found, "left_ventricle.sv_ml"), (55.0, 70.0));
    assert_eq!(ends(&found, "right_ventricle.esv_ml"), (55.0, 70.0));
    // 80 voxels of 1.05 g, 8 of them in doubt.
    for mass in ["myocardium.ed_mass_g", "myocardium.es_mass_g"] {
        let (low, high) = ends(&found, mass);
        assert!((low - 1.05 * 72.0).abs() < 1e-9 && (high - 1.05 * 96.0).abs() < 1e-9);
    }
    // 60 % with 100 √((40/100² · 3)² + (4/100)²) = 100 √(0.012² + 0.04²) points in doubt.
    let doubt = 100.0 * (0.012_f64.powi(2) + 0.04_f64.powi(2)).sqrt();
    let (low, high) = ends(&found, "left_ventricle.ef_percent");
    assert!((low - (60.0 - doubt)).abs() < 1e-9 && (high - (60.0 + 2.0 * doubt)).abs() < 1e-9);
    // A share of each volume beside it: 3 ml and 2 % of 100 ml.
    let found = intervals(&heart(&ML), &doubts(1.0), &factors(0.02), &ML);
    assert_eq!(ends(&found, "left_ventricle.edv_ml"), (95.0, 110.0));
}

#[test]
fn there_is_none_where_a_number_a_doubt_or_whole_slices_are_missing() {
    assert!(intervals(&heart(&ML), &[], &factors(0.0), &ML).is_empty());
    let mut metrics = heart(&ML);
    metrics.left_ventricle.edv_ml = None;
    let found = intervals(&metrics, &doubts(1.0), &factors(0.0), &ML);
    assert_eq!(found.len(), 3);
    let mut metrics = heart(&ML);
    metrics.conventions.excluded_slices = vec![0];
    assert!(intervals(&metrics, &doubts(1.0), &factors(0.0), &ML).is_empty());
    let mut unknown = factors(0.0);
    unknown.of[0].quantity = "left_atrium.edv_ml".to_owned();
    assert_eq!(intervals(&heart(&ML), &doubts(1.0), &unknown, &ML).len(), 5);
}

proptest! {
    #[test]
    fn twice_the_spacing_is_eight_times_the_volume_and_the_same_ejection_fraction(scale in 0.0..3.0_f64) {
        let twice = Spacing { row_mm: 20.0, column_mm: 20.0, slice_mm: 20.0 };
        let one = intervals(&heart(&ML), &doubts(scale), &factors(0.01), &ML);
        let other = intervals(&heart(&twice), &doubts(scale), &factors(0.01), &twice);
        for (one, other) in one.iter().zip(&other) {
            let times = if one.quantity.ends_with("percent") { 1.0 } else { 8.0 };
            prop_assert!((other.low - times * one.low).abs() < 1e-6);
            prop_assert!((other.high - times * one.high).abs() < 1e-6);
        }
        // More doubt, a wider interval.
        let more = intervals(&heart(&ML), &doubts(scale + 0.1), &factors(0.01), &ML);
        for (one, more) in one.iter().zip(&more) {
            prop_assert!(more.low <= one.low && more.high >= one.high);
        }
    }
}
