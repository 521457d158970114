//! Agreement of two masks: cases worked out by hand, refusals, and properties that hold for every pair.

use cinecor_measures::{Error, StructureAgreement, compare};
use cinecor_volume::Spacing;
use ndarray::{Array4, s};
use proptest::prelude::*;

const SPACING: Spacing = Spacing {
    row_mm: 1.5,
    column_mm: 1.0,
    slice_mm: 10.0,
};

fn left(reference: &Array4<u8>, prediction: &Array4<u8>) -> StructureAgreement {
    compare(reference.view(), prediction.view(), &SPACING)
        .unwrap()
        .left_ventricle
}

fn empty() -> Array4<u8> {
    Array4::zeros((1, 3, 8, 9))
}

fn with_block(
    mut mask: Array4<u8>,
    z: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) -> Array4<u8> {
    mask.slice_mut(s![0, z, rows, columns]).fill(3);
    mask
}

#[test]
fn a_block_moved_by_two_columns_by_hand() {
    let reference = with_block(empty(), 1, 2..5, 1..5);
    let prediction = with_block(empty(), 1, 2..5, 3..7);
    let found = left(&reference, &prediction);
    // 12 voxels each, 6 in common.
    assert_eq!(found.dice, Some(0.5));
    // One slice thick, so every voxel is surface. From the reference columns at distance 2, 1, 0, 0; the same back.
    assert_eq!((found.hausdorff_mm, found.assd_mm), (Some(2.0), Some(0.75)));
    assert_eq!(
        (found.volume_error_ml, found.volume_error_percent),
        (Some(0.0), Some(0.0))
    );
}

#[test]
fn distances_count_rows_columns_and_slices_in_their_own_millimetres() {
    let reference = with_block(empty(), 0, 1..2, 1..2);
    for (prediction, expected) in [
        (with_block(empty(), 0, 3..4, 1..2), 3.0),
        (with_block(empty(), 0, 1..2, 5..6), 4.0),
        (with_block(empty(), 2, 1..2, 1..2), 20.0),
        (with_block(empty(), 0, 3..4, 5..6), 5.0),
    ] {
        let found = left(&reference, &prediction);
        assert_eq!(
            (found.dice, found.hausdorff_mm, found.hd95_mm, found.assd_mm),
            (Some(0.0), Some(expected), Some(expected), Some(expected))
        );
    }
}

#[test]
fn a_voxel_in_the_interior_is_no_surface() {
    // The prediction lacks a voxel in the middle of 3×5×5: the hole makes its six neighbours surface. Two of them
    // lie one column from the outer ring, two one row, and two on a lid.
    let mut reference = empty();
    reference.slice_mut(s![0, .., 1..6, 2..7]).fill(3);
    let mut prediction = reference.clone();
    prediction[[0, 1, 3, 4]] = 0;
    let found = left(&reference, &prediction);
    assert_eq!(found.hausdorff_mm, Some(1.5));
    // 66 of 75 voxels are surface (all of both lids, 16 of the ring): 50 + 16; the prediction has four more, and their way is 5 mm in all.
    assert!((found.assd_mm.unwrap() - 5.0 / 70.0 / 2.0).abs() < 1e-12);
    assert_eq!(found.volume_error_ml, Some(-0.015));
}

#[test]
fn two_empty_masks_are_unknown_and_one_empty_is_zero() {
    let full = with_block(empty(), 1, 2..5, 1..5);
    assert_eq!(left(&empty(), &empty()), StructureAgreement::default());
    let missed = left(&full, &empty());
    assert_eq!(
        (
            missed.dice,
            missed.hausdorff_mm,
            missed.hd95_mm,
            missed.assd_mm
        ),
        (Some(0.0), None, None, None)
    );
    assert_eq!(
        (missed.volume_error_ml, missed.volume_error_percent),
        (Some(-0.18), Some(-100.0))
    );
    let invented = left(&empty(), &full);
    assert_eq!(
        (
            invented.dice,
            invented.volume_error_ml,
            invented.volume_error_percent
        ),
        (Some(0.0), Some(0.18), None)
    );
}

#[test]
fn structures_do_not_mix() {
    let mut reference = with_block(empty(), 1, 2..5, 1..5);
    reference[[0, 0, 0, 0]] = 1;
    let prediction = with_block(empty(), 1, 2..5, 1..5);
    let found = compare(reference.view(), prediction.view(), &SPACING).unwrap();
    assert_eq!(
        (
            found.left_ventricle.dice,
            found.right_ventricle.dice,
            found.myocardium.dice
        ),
        (Some(1.0), Some(0.0), None)
    );
}

#[test]
fn refuses_other_shapes_other_codes_and_spacings_that_are_none() {
    let other = Array4::zeros((1, 3, 9, 8));
    assert_eq!(
        compare(empty().view(), other.view(), &SPACING),
        Err(Error::ShapesDiffer {
            reference: [1, 3, 8, 9],
            prediction: [1, 3, 9, 8]
        })
    );
    let mut unknown = empty();
    unknown[[0, 0, 0, 0]] = 200;
    assert_eq!(
        compare(empty().view(), unknown.view(), &SPACING),
        Err(Error::UnknownLabel { code: 200 })
    );
    let flat = Spacing {
        row_mm: 0.0,
        ..SPACING
    };
    assert!(matches!(
        compare(empty().view(), empty().view(), &flat),
        Err(Error::NotPositive {
            name: "spacing_mm.row",
            ..
        })
    ));
    let nothing = Array4::zeros((0, 3, 8, 9));
    assert_eq!(
        compare(nothing.view(), nothing.view(), &SPACING),
        Err(Error::NoFrames)
    );
}

#[test]
fn a_full_size_volume_is_compared_exactly() {
    // Two balls of radius 100 voxels, 7 columns apart, in 24 slices of 512×512: comparing all pairs would take 10^9 steps a slice.
    let ball = |middle: f64| {
        Array4::from_shape_fn((1, 24, 512, 512), |(_, z, y, x)| {
            let squared = ((z as f64 - 11.5) * 8.0).powi(2)
                + (y as f64 - 255.0).powi(2)
                + (x as f64 - middle).powi(2);
            if squared < 1e4 { 3_u8 } else { 0 }
        })
    };
    let found = left(&ball(255.0), &ball(262.0));
    assert_eq!(found.hausdorff_mm, Some(7.0));
    assert!(
        found.dice.is_some_and(|dice| (0.94..0.96).contains(&dice)),
        "{:?}",
        found.dice
    );
}

fn pair() -> impl Strategy<Value = (Array4<u8>, Array4<u8>)> {
    let mask = || {
        proptest::collection::vec(0..4_u8, 2 * 3 * 5 * 6)
            .prop_map(|codes| Array4::from_shape_vec((2, 3, 5, 6), codes).unwrap())
    };
    (mask(), mask())
}

fn all(one: StructureAgreement) -> [Option<f64>; 4] {
    [one.dice, one.hausdorff_mm, one.hd95_mm, one.assd_mm]
}

proptest! {
    #[test]
    fn a_mask_agrees_with_itself((mask, _) in pair()) {
        let found = compare(mask.view(), mask.view(), &SPACING).unwrap();
        for structure in [found.right_ventricle, found.myocardium, found.left_ventricle] {
            prop_assert_eq!(all(structure), [Some(1.0), Some(0.0), Some(0.0), Some(0.0)]);
        }
    }

    #[test]
    fn it_does_not_matter_which_mask_is_the_reference((one, other) in pair()) {
        let there = compare(one.view(), other.view(), &SPACING).unwrap().myocardium;
        let back = compare(other.view(), one.view(), &SPACING).unwrap().myocardium;
        prop_assert_eq!([there.dice, there.hausdorff_mm], [back.dice, back.hausdorff_mm]);
        prop_assert!((there.assd_mm.unwrap() - back.assd_mm.unwrap()).abs() < 1e-12);
        prop_assert_eq!(there.volume_error_ml, back.volume_error_ml.map(|ml| -ml));
    }

    #[test]
    fn twice_the_spacing_is_twice_the_distance_and_eight_times_the_error((one, other) in pair()) {
        let double = Spacing { row_mm: 3.0, column_mm: 2.0, slice_mm: 20.0 };
        let small = compare(one.view(), other.view(), &SPACING).unwrap().left_ventricle;
        let large = compare(one.view(), other.view(), &double).unwrap().left_ventricle;
        prop_assert_eq!(small.dice, large.dice);
        for (small, large) in [(small.hausdorff_mm, large.hausdorff_mm), (small.hd95_mm, large.hd95_mm), (small.assd_mm, large.assd_mm)] {
            prop_assert!((2.0 * small.unwrap() - large.unwrap()).abs() < 1e-9);
        }
        prop_assert!((8.0 * small.volume_error_ml.unwrap() - large.volume_error_ml.unwrap()).abs() < 1e-9);
        prop_assert_eq!(small.volume_error_percent, large.volume_error_percent);
    }

    #[test]
    fn distances_are_ordered((one, other) in pair()) {
        let found = compare(one.view(), other.view(), &SPACING).unwrap().right_ventricle;
        prop_assert!(found.assd_mm <= found.hausdorff_mm && found.hd95_mm <= found.hausdorff_mm);
    }
}
