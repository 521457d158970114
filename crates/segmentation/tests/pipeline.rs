//! The steps before and after the network: worked by hand, against NumPy and SciPy, and by what must hold for every frame.

use cinecor_model_card::{About, Calibration, Card, Keep, Values};
use cinecor_segmentation::{Error, Evidence, FrameGrid, Pipeline, keep_largest};
use cinecor_volume::Label;
use proptest::prelude::*;
use serde::Deserialize;

const CARD: &str = include_str!("../../model-card/tests/data/model.json");

fn card(canvas: u32) -> Card {
    let mut card = Card::parse(CARD).expect("the fixture is a card");
    card.canvas.rows = canvas;
    card.canvas.columns = canvas;
    card
}

fn grid(slices: u32, rows: u32, columns: u32, mm: f64) -> FrameGrid {
    FrameGrid {
        slices,
        rows,
        columns,
        row_mm: mm,
        column_mm: mm,
    }
}

/// Labels and confidence of a frame from the network's output for it.
fn restored(pipeline: &mut Pipeline, output: &[f32]) -> (Vec<u8>, Vec<u8>) {
    let (labels, confidence, _) = restored_with_evidence(pipeline, output);
    (labels, confidence)
}

/// Labels, confidence and evidence of a frame, before it is cleaned up.
fn restored_with_evidence(pipeline: &mut Pipeline, output: &[f32]) -> (Vec<u8>, Vec<u8>, Evidence) {
    let mut evidence = Evidence::default();
    let per_slice = (pipeline.grid().rows * pipeline.grid().columns) as usize;
    let count = per_slice * pipeline.grid().slices as usize;
    // Filled with what must be overwritten.
    let (mut labels, mut confidence) = (vec![9; count], vec![9; count]);
    let slices = labels
        .chunks_exact_mut(per_slice)
        .zip(confidence.chunks_exact_mut(per_slice));
    for (output, (labels, confidence)) in output
        .chunks_exact(pipeline.output_values(1, &pipeline.whole()))
        .zip(slices)
    {
        pipeline
            .restore(output, labels, confidence, &mut evidence)
            .expect("the buffers fit");
    }
    (labels, confidence, evidence)
}

/// The output of a network that is certain of `label(slice, row, column)` everywhere on its canvas.
fn certain(slices: usize, canvas: usize, label: impl Fn(usize, usize, usize) -> u8) -> Vec<f32> {
    let mut output = vec![0.0; slices * 4 * canvas * canvas];
    for z in 0..slices {
        for y in 0..canvas {
            for x in 0..canvas {
                output[((z * 4 + usize::from(label(z, y, x))) * canvas + y) * canvas + x] = 1.0;
            }
        }
    }
    output
}

#[derive(Deserialize)]
struct Golden {
    canvas: u32,
    temperature: f64,
    cases: Vec<Case>,
    components: Vec<Components>,
    regions: Vec<Regions>,
}

#[derive(Deserialize)]
struct Regions {
    margin: u32,
    step: u32,
    /// Rows and columns.
    canvas: [u32; 2],
    /// What is found in the slice that is looked at whole.
    first: Vec<String>,
    /// What is found in another one, of which only the region is looked at.
    other: Vec<String>,
    /// First row of the region and one past its last; its columns likewise.
    rows: [usize; 2],
    columns: [usize; 2],
    /// Whether the other slice is looked at again.
    leaves: bool,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    shape: [u32; 3],
    row_mm: f64,
    column_mm: f64,
    frame: Vec<f32>,
    tensor: Vec<f32>,
    weights: Vec<u32>,
    labels: Vec<String>,
    confidence: Vec<u8>,
    /// Before and after a clean-up, of right ventricle, wall and left ventricle: expected, agreeing, uncertain and removed voxels.
    evidence: [[[f64; 4]; 3]; 2],
}

impl Case {
    /// The network's output, `[Z, 4, canvas, canvas]`.
    fn output(&self, canvas: u32) -> Vec<f32> {
        let pixels = (canvas * canvas) as usize;
        self.weights
            .chunks_exact(4 * pixels)
            .flat_map(|slice| {
                (0..4 * pixels).map(move |i| {
                    let sum: u32 = (0..4).map(|c| slice[c * pixels + i % pixels]).sum();
                    (f64::from(slice[i]) / f64::from(sum)) as f32
                })
            })
            .collect()
    }

    fn grid(&self) -> FrameGrid {
        let [slices, rows, columns] = self.shape;
        FrameGrid {
            slices,
            rows,
            columns,
            row_mm: self.row_mm,
            column_mm: self.column_mm,
        }
    }
}

#[derive(Deserialize)]
struct Components {
    shape: [u32; 3],
    labels: Vec<String>,
    kept: Vec<String>,
    /// With a share of a quarter.
    kept_large: Vec<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/golden.json")).expect("golden.json is readable")
}

fn digits(rows: &[String]) -> Vec<u8> {
    rows.iter()
        .flat_map(|row| row.bytes().map(|b| b - b'0'))
        .collect()
}

#[test]
fn tensors_and_labels_are_those_of_numpy_and_scipy() {
    let golden = golden();
    for case in golden.cases {
        let mut pipeline = Pipeline::new(&card(golden.canvas), case.grid()).expect("a good grid");
        let mut tensor = vec![7.0; 3];
        pipeline
            .prepare(&case.frame, &mut tensor)
            .expect("a good frame");
        assert_eq!(tensor.len(), case.tensor.len(), "{}", case.name);
        for (index, (found, expected)) in tensor.iter().zip(&case.tensor).enumerate() {
            // Seven decimals are written, and single precision has as many digits.
            assert!(
                (found - expected).abs() <= 1e-6,
                "{} at {index}: {found}, NumPy {expected}",
                case.name
            );
        }
        let (labels, confidence) = restored(&mut pipeline, &case.output(golden.canvas));
        assert_eq!(labels, digits(&case.labels), "{}", case.name);
        assert_eq!(confidence, case.confidence, "{}", case.name);
    }
}

#[test]
fn evidence_is_that_of_numpy_before_and_after_the_clean_up() {
    let golden = golden();
    let mut card = card(golden.canvas);
    card.keep = Keep::Largest {
        corners: true,
        share: Some(0.25),
    };
    card.calibration = Some(Calibration {
        temperature: golden.temperature,
        intervals: None,
        score: None,
    });
    let mut removed_anywhere = 0.0;
    for case in golden.cases {
        let mut pipeline = Pipeline::new(&card, case.grid()).expect("a good grid");
        let output = case.output(golden.canvas);
        let (mut labels, mut confidence, mut evidence) =
            restored_with_evidence(&mut pipeline, &output);
        // Calibration moves no label.
        assert_eq!(labels, digits(&case.labels), "{}", case.name);
        for (stage, expected) in case.evidence.iter().enumerate() {
            if stage == 1 {
                pipeline
                    .clean_up(&mut labels, &mut confidence, &mut evidence)
                    .expect("the buffers fit");
            }
            let found = [
                evidence.right_ventricle,
                evidence.myocardium,
                evidence.left_ventricle,
            ];
            for (found, expected) in found.iter().zip(expected) {
                let [.., removed] = *expected;
                removed_anywhere += removed;
                assert_eq!(found.removed_voxels as f64, removed, "{}", case.name);
                // Single precision along a row; and of each voxel that was removed only a rounded byte is known.
                let off = 1e-3 + removed / 510.0;
                let sums = [
                    found.expected_voxels,
                    found.agreeing_voxels,
                    found.uncertain_voxels,
                ];
                for (found, expected) in sums.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() <= off,
                        "{}, stage {stage}: {found}, NumPy {expected}",
                        case.name
                    );
                }
            }
        }
    }
    assert!(removed_anywhere > 0.0, "no case removes a voxel");
}

#[test]
fn largest_components_are_those_of_scipy() {
    for case in golden().components {
        let [slices, rows, columns] = case.shape;
        let mut labels = digits(&case.labels);
        let mut confidence = vec![200; labels.len()];
        keep_largest(
            &mut labels,
            &mut confidence,
            &grid(slices, rows, columns, 1.0),
            true,
            None,
            &mut Evidence::default(),
        );
        assert_eq!(labels, digits(&case.kept));
        let mut large = digits(&case.labels);
        let mut unused = vec![200; large.len()];
        keep_largest(
            &mut large,
            &mut unused,
            &grid(slices, rows, columns, 1.0),
            true,
            Some(0.25),
            &mut Evidence::default(),
        );
        assert_eq!(large, digits(&case.kept_large));
        for ((before, after), confidence) in
            digits(&case.labels).iter().zip(&labels).zip(&confidence)
        {
            assert_eq!(*confidence, if before == after { 200 } else { 0 });
        }
    }
}

#[test]
fn normalises_over_the_whole_frame_and_pads_with_the_mean() {
    // Two slices of one row, values 1 1 and 3 3: mean 2, deviation 1; on a canvas of 4 the pixels lie at index 1 of the columns.
    let mut pipeline = Pipeline::new(&card(4), grid(2, 1, 2, 1.4)).expect("a good grid");
    let mut tensor = Vec::new();
    pipeline
        .prepare(&[1.0, 1.0, 3.0, 3.0], &mut tensor)
        .expect("a good frame");
    let mut expected = vec![0.0; 32];
    expected[4 + 1] = -1.0;
    expected[4 + 2] = -1.0;
    expected[16 + 4 + 1] = 1.0;
    expected[16 + 4 + 2] = 1.0;
    assert_eq!(tensor, expected);
}

#[test]
fn a_slice_goes_to_the_network_between_its_neighbours() {
    let mut card = card(1);
    let batch = |card: &Card, slices: &[usize]| {
        let pipeline = Pipeline::new(card, grid(4, 1, 1, 1.4)).expect("a good grid");
        let mut batch = vec![7.0];
        pipeline
            .batch(&[0.0, 1.0, 2.0, 3.0], slices, &pipeline.whole(), &mut batch)
            .map(|()| batch)
    };
    // Alone, with one on either side, with two; the outermost again where the stack has ended.
    assert_eq!(batch(&card, &[1, 2]), Ok(vec![1.0, 2.0]));
    card.neighbours = 1;
    let expected = [[0.0, 0.0, 1.0], [0.0, 1.0, 2.0]].concat();
    assert_eq!(batch(&card, &[0, 1]), Ok(expected));
    card.neighbours = 2;
    let expected = [[0.0, 1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0, 3.0, 3.0]].concat();
    assert_eq!(batch(&card, &[2, 3]), Ok(expected));
    assert_eq!(
        batch(&card, &[2, 3, 4]),
        Err(Error::Length {
            what: "the batch",
            found: 5,
            expected: 4
        })
    );
}

#[test]
fn an_even_frame_is_all_zero() {
    let mut pipeline = Pipeline::new(&card(4), grid(1, 2, 2, 1.4)).expect("a good grid");
    let mut tensor = Vec::new();
    pipeline
        .prepare(&[5.0; 4], &mut tensor)
        .expect("a good frame");
    assert_eq!(tensor, [0.0; 16]);
}

#[test]
fn an_outlier_is_limited_to_five_deviations() {
    let mut frame = vec![0.0; 100];
    frame[55] = 1e30;
    let mut pipeline = Pipeline::new(&card(10), grid(1, 10, 10, 1.4)).expect("a good grid");
    let mut tensor = Vec::new();
    pipeline.prepare(&frame, &mut tensor).expect("a good frame");
    assert_eq!(tensor[55], 5.0);
    assert!(tensor.iter().all(|v| (-5.0..=5.0).contains(v)));
}

#[test]
fn a_tie_goes_to_the_lower_label_whatever_its_channel() {
    let mut other = card(1);
    other.labels = [
        Label::LeftVentricle,
        Label::Myocardium,
        Label::RightVentricle,
        Label::Background,
    ];
    for (output, expected) in [
        ([0.25, 0.25, 0.25, 0.25], 0),
        ([0.4, 0.4, 0.1, 0.1], 2),
        ([0.7, 0.1, 0.1, 0.1], 3),
    ] {
        let mut pipeline = Pipeline::new(&other, grid(1, 1, 1, 1.4)).expect("a good grid");
        let (labels, confidence) = restored(&mut pipeline, &output);
        assert_eq!(labels, [expected]);
        assert_eq!(confidence, [(output[0] * 255.0_f32).round() as u8]);
    }
}

#[test]
fn logits_become_probabilities_first() {
    let mut logits = card(1);
    logits.values = Values::Logits;
    let mut pipeline = Pipeline::new(&logits, grid(1, 1, 1, 1.4)).expect("a good grid");
    // exp(ln 6) = 6 of 6 + 1 + 2 + 1 parts, far from zero so that an unshifted exponential would overflow.
    let output = [100.0, 100.0 + 6.0_f32.ln(), 100.0 + 2.0_f32.ln(), 100.0];
    let (labels, confidence) = restored(&mut pipeline, &output);
    assert_eq!((labels, confidence), (vec![1], vec![153]));
}

#[test]
fn what_the_canvas_does_not_cover_is_background_of_no_confidence() {
    let mut pipeline = Pipeline::new(&card(4), grid(1, 4, 8, 1.4)).expect("a good grid");
    let (labels, confidence) = restored(&mut pipeline, &certain(1, 4, |_, _, _| 3));
    for row in labels.chunks(8) {
        assert_eq!(row, [0, 0, 3, 3, 3, 3, 0, 0]);
    }
    for row in confidence.chunks(8) {
        assert_eq!(row, [0, 0, 255, 255, 255, 255, 0, 0]);
    }
}

#[test]
fn components_by_faces_part_where_corners_join() {
    let labels = [2, 0, 0, 2];
    for (corners, expected) in [(true, [2, 0, 0, 2]), (false, [2, 0, 0, 0])] {
        let (mut found, mut confidence) = (labels, [255; 4]);
        keep_largest(
            &mut found,
            &mut confidence,
            &grid(1, 2, 2, 1.0),
            corners,
            None,
            &mut Evidence::default(),
        );
        assert_eq!(found, expected, "corners {corners}");
    }
}

#[test]
fn components_reach_across_slices() {
    let mut confidence = [255; 15];
    // A voxel and the one diagonally in the next slice against two in a row: by faces the row is larger, by corners it is a tie.
    for (corners, expected) in [
        (false, [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (true, [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut labels = [1, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        keep_largest(
            &mut labels,
            &mut confidence,
            &grid(3, 1, 5, 1.0),
            corners,
            None,
            &mut Evidence::default(),
        );
        assert_eq!(labels, expected, "corners {corners}");
    }
    // One voxel in each of three slices against two in one.
    let mut labels = [1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    keep_largest(
        &mut labels,
        &mut confidence,
        &grid(3, 1, 5, 1.0),
        false,
        None,
        &mut Evidence::default(),
    );
    assert_eq!(labels, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn a_component_of_enough_of_the_largest_stays() {
    // Four voxels, two and one.
    let scattered = [3, 3, 3, 3, 0, 3, 3, 0, 3];
    for (share, expected) in [
        (None, [3, 3, 3, 3, 0, 0, 0, 0, 0]),
        (Some(0.51), [3, 3, 3, 3, 0, 0, 0, 0, 0]),
        (Some(0.5), [3, 3, 3, 3, 0, 3, 3, 0, 0]),
        (Some(0.25), scattered),
    ] {
        let (mut labels, mut confidence) = (scattered, [255; 9]);
        keep_largest(
            &mut labels,
            &mut confidence,
            &grid(1, 1, 9, 1.0),
            true,
            share,
            &mut Evidence::default(),
        );
        assert_eq!(labels, expected, "{share:?}");
    }
}

#[test]
fn clean_up_is_what_the_card_says() {
    let mut everything = card(4);
    everything.keep = Keep::All;
    let pipeline = Pipeline::new(&everything, grid(1, 1, 3, 1.4)).expect("a good grid");
    let mut labels = [1, 0, 1];
    pipeline
        .clean_up(&mut labels, &mut [255; 3], &mut Evidence::default())
        .expect("the buffers fit");
    assert_eq!(labels, [1, 0, 1]);
}

#[test]
fn refuses_grids_and_frames_that_are_none() {
    let card = card(8);
    for (rows, columns) in [(0, 4), (4, 0), (u32::MAX, u32::MAX), (65536, 65536)] {
        assert!(
            matches!(
                Pipeline::new(&card, grid(1, rows, columns, 1.0)),
                Err(Error::Size { .. })
            ),
            "{rows} x {columns}"
        );
    }
    assert!(matches!(
        Pipeline::new(&card, grid(0, 4, 4, 1.0)),
        Err(Error::Size { .. })
    ));
    for mm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            matches!(
                Pipeline::new(&card, grid(1, 4, 4, mm)),
                Err(Error::Spacing { .. })
            ),
            "{mm} mm"
        );
    }
    let mut pipeline = Pipeline::new(&card, grid(1, 2, 2, 1.4)).expect("a good grid");
    let mut tensor = Vec::new();
    assert!(matches!(
        pipeline.prepare(&[0.0; 5], &mut tensor),
        Err(Error::Length {
            found: 5,
            expected: 4,
            ..
        })
    ));
    for value in [f32::NAN, f32::INFINITY] {
        assert_eq!(
            pipeline.prepare(&[0.0, 1.0, value, 2.0], &mut tensor),
            Err(Error::NotFinite)
        );
    }
    let mut output = certain(1, 8, |_, _, _| 0);
    assert!(matches!(
        pipeline.restore(
            &output[1..],
            &mut [0; 4],
            &mut [0; 4],
            &mut Evidence::default()
        ),
        Err(Error::Length { .. })
    ));
    assert!(matches!(
        pipeline.restore(&output, &mut [0; 3], &mut [0; 4], &mut Evidence::default()),
        Err(Error::Length { .. })
    ));
    output[17] = f32::NAN;
    assert_eq!(
        pipeline.restore(&output, &mut [0; 4], &mut [0; 4], &mut Evidence::default()),
        Err(Error::OutputNotFinite)
    );
}

#[test]
fn absurd_spacings_neither_panic_nor_take_memory() {
    for mm in [f64::MIN_POSITIVE, 1e-9, 1e9, f64::MAX] {
        let mut pipeline =
            Pipeline::new(&card(8), grid(1, 512, 512, mm)).expect("finite and positive");
        let mut tensor = Vec::new();
        pipeline
            .prepare(&vec![1.0; 512 * 512], &mut tensor)
            .expect("finite values");
        assert_eq!(tensor.len(), 64);
        restored(&mut pipeline, &certain(1, 8, |_, _, _| 1));
    }
}

/// Rows and columns, fewer than 20, and their spacing, which are even numbers of pixels on the network's grid: those are centred exactly on an
/// even canvas, where odd ones lie half a pixel off the middle.
fn evenly_resampled() -> impl Strategy<Value = (usize, usize, f64)> {
    (0.7_f64..2.0).prop_flat_map(|mm| {
        let even = move |count: &usize| {
            ((*count as f64 * mm / 1.4 + 0.5).floor().max(1.0) as usize).is_multiple_of(2)
        };
        let even: Vec<usize> = (1..20).filter(even).collect();
        let sides = proptest::sample::select(even);
        (sides.clone(), sides, Just(mm))
    })
}

proptest! {
    #[test]
    fn equal_spacing_changes_no_label(
        rows in 1_u32..12, columns in 1_u32..12, seed in proptest::collection::vec(0_u8..4, 2 * 16 * 16)
    ) {
        let mut pipeline = Pipeline::new(&card(16), grid(2, rows, columns, 1.4)).expect("a good grid");
        let label = |z: usize, y: usize, x: usize| seed[(z * 16 + y) * 16 + x];
        let (labels, confidence) = restored(&mut pipeline, &certain(2, 16, label));
        let (top, left) = ((16 - rows as usize) / 2, (16 - columns as usize) / 2);
        for (index, found) in labels.iter().enumerate() {
            let (z, rest) = (index / (rows * columns) as usize, index % (rows * columns) as usize);
            let (y, x) = (rest / columns as usize, rest % columns as usize);
            prop_assert_eq!(*found, label(z, top + y, left + x));
        }
        prop_assert!(confidence.iter().all(|&c| c == 255));
    }

    #[test]
    fn a_mirrored_frame_gives_a_mirrored_tensor(
        (rows, columns, mm) in evenly_resampled(), values in proptest::collection::vec(0_f32..1000.0, 400)
    ) {
        let frame: Vec<f32> = values[..rows * columns].to_vec();
        let mirrored: Vec<f32> = frame.chunks(columns).rev().flat_map(|row| row.iter().rev().copied()).collect();
        let mut pipeline = Pipeline::new(&card(16), grid(1, rows as u32, columns as u32, mm)).expect("a good grid");
        let (mut tensor, mut other) = (Vec::new(), Vec::new());
        pipeline.prepare(&frame, &mut tensor).expect("finite");
        pipeline.prepare(&mirrored, &mut other).expect("finite");
        for (a, b) in tensor.iter().zip(other.iter().rev()) {
            // Weights are rounded differently from either side.
            prop_assert!((a - b).abs() < 2e-5, "{} {}", a, b);
        }
    }

    #[test]
    fn scale_and_offset_of_the_grey_values_do_not_matter(
        scale in 0.01_f32..100.0, offset in -500_f32..500.0, values in proptest::collection::vec(0_f32..1000.0, 64)
    ) {
        let mut pipeline = Pipeline::new(&card(16), grid(1, 8, 8, 1.1)).expect("a good grid");
        let (mut tensor, mut other) = (Vec::new(), Vec::new());
        pipeline.prepare(&values, &mut tensor).expect("finite");
        let changed: Vec<f32> = values.iter().map(|v| v * scale + offset).collect();
        pipeline.prepare(&changed, &mut other).expect("finite");
        for (a, b) in tensor.iter().zip(&other) {
            // An offset of 500 on a range of 10 leaves five digits.
            prop_assert!((a - b).abs() < 1e-3, "{} {}", a, b);
        }
    }

    #[test]
    fn clean_up_twice_is_clean_up_once(
        labels in proptest::collection::vec(0_u8..4, 3 * 5 * 7),
        corners: bool,
        share in proptest::option::of(0.05_f64..1.0),
    ) {
        let grid = grid(3, 5, 7, 1.0);
        let mut once = labels.clone();
        let mut confidence = vec![255; once.len()];
        keep_largest(&mut once, &mut confidence, &grid, corners, share, &mut Evidence::default());
        let mut twice = once.clone();
        keep_largest(&mut twice, &mut confidence, &grid, corners, share, &mut Evidence::default());
        prop_assert_eq!(&once, &twice);
        for code in 1..4 {
            prop_assert_eq!(labels.contains(&code), once.contains(&code));
        }
        prop_assert!(once.iter().zip(&labels).all(|(after, before)| *after == 0 || after == before));
    }
}

/// The output of a network for one slice, certain of `labels`, a row a string of digits.
fn certain_of(labels: &[String]) -> Vec<f32> {
    let labels = digits(labels);
    let mut output = vec![0.0; 4 * labels.len()];
    for (at, label) in labels.iter().enumerate() {
        output[usize::from(*label) * labels.len() + at] = 1.0;
    }
    output
}

/// A pipeline that looks about the heart, whose canvas is `rows` × `columns`, for a frame of three slices of that size.
fn looking_about(margin: u32, step: u32, rows: u32, columns: u32) -> Pipeline {
    let mut card = card(1);
    card.canvas.rows = rows;
    card.canvas.columns = columns;
    card.region = Some(About { margin, step });
    Pipeline::new(&card, grid(3, rows, columns, 1.4)).expect("a good grid")
}

#[test]
fn regions_are_those_of_numpy() {
    let cases = golden().regions;
    // Cases that decide something: a golden that never leaves would hold for a function that always says no.
    assert!(cases.iter().any(|case| case.leaves));
    for (number, case) in cases.into_iter().enumerate() {
        let [rows, columns] = case.canvas;
        let pipeline = looking_about(case.margin, case.step, rows, columns);
        let region = pipeline
            .region(&certain_of(&case.first))
            .expect("an output of the canvas");
        let [top, bottom] = case.rows;
        let [left, right] = case.columns;
        assert_eq!(region.size(), (bottom - top, right - left), "case {number}");
        // Numbered pixels tell where the region lies.
        let numbered: Vec<f32> = (0..3 * rows * columns).map(|at| at as f32).collect();
        let mut seen = Vec::new();
        pipeline
            .batch(&numbered, &[0], &region, &mut seen)
            .expect("a slice of the frame");
        assert_eq!(
            (seen.first().copied(), seen.last().copied()),
            (
                Some((top * columns as usize + left) as f32),
                Some(((bottom - 1) * columns as usize + right - 1) as f32)
            ),
            "case {number}"
        );
        let other: Vec<String> = case.other[top..bottom]
            .iter()
            .map(|row| row[left..right].to_owned())
            .collect();
        let output = certain_of(&other);
        let leaves = pipeline.leaves(&output, &region);
        assert_eq!(leaves, Ok(case.leaves), "case {number}");
        // On the canvas again it is what it was, and background all about.
        let mut scratch = Vec::new();
        let whole = pipeline
            .on_canvas(&output, &region, &mut scratch)
            .expect("an output of the region");
        let expected: Vec<String> = case
            .other
            .iter()
            .enumerate()
            .map(|(row, labels)| {
                let inside =
                    |column: usize| (top..bottom).contains(&row) && (left..right).contains(&column);
                let kept = labels.chars().enumerate();
                kept.map(|(column, label)| if inside(column) { label } else { '0' })
                    .collect()
            })
            .collect();
        assert_eq!(whole, certain_of(&expected), "case {number}");
    }
}

#[test]
fn a_region_lies_about_the_heart_and_inside_the_canvas() {
    // A heart of 3 rows and 5 columns: the longer side and twice the margin are 5 + 4 = 9 pixels, which is 12 in steps of 4.
    let pipeline = looking_about(2, 4, 20, 32);
    let heart = |top: usize, left: usize| {
        let mut output = vec![0.0; 4 * 20 * 32];
        output[..20 * 32].fill(1.0);
        for row in top..top + 3 {
            for column in left..left + 5 {
                output[row * 32 + column] = 0.0;
                output[2 * 20 * 32 + row * 32 + column] = 1.0;
            }
        }
        output
    };
    let seen = |output: &[f32]| {
        let region = pipeline.region(output).expect("an output of the canvas");
        let numbered: Vec<f32> = (0..3 * 20 * 32).map(|at| at as f32).collect();
        let mut seen = Vec::new();
        pipeline
            .batch(&numbered, &[0], &region, &mut seen)
            .expect("a slice of the frame");
        (region.size(), seen[0] as usize / 32, seen[0] as usize % 32)
    };
    // Rows 9 to 11, columns 14 to 18: middles 10 and 16, the later where there are two.
    assert_eq!(seen(&heart(9, 14)), ((12, 12), 4, 10));
    // At the corners it is moved back onto the canvas.
    assert_eq!(seen(&heart(0, 0)), ((12, 12), 0, 0));
    assert_eq!(seen(&heart(17, 27)), ((12, 12), 8, 20));
    // Without a heart it is the whole canvas, and with a region that would be larger than the canvas's rows, all of them.
    let mut none = vec![0.0; 4 * 20 * 32];
    none[..20 * 32].fill(1.0);
    assert_eq!(seen(&none), ((20, 32), 0, 0));
    let wide = looking_about(8, 4, 20, 32);
    let region = wide.region(&heart(9, 14)).expect("an output of the canvas");
    assert_eq!(region.size(), (20, 24));
    // A heart in the first row, which is the canvas's own: nothing lies beyond it.
    let mut top = vec![0.0; 4 * 20 * 24];
    top[2 * 20 * 24 + 12] = 1.0;
    assert_eq!(wide.leaves(&top, &region), Ok(false));
}

#[test]
fn a_heart_near_an_edge_of_its_region_may_reach_beyond_it() {
    // One pixel and twice 8 are 17, which is 20; nearer than 2 pixels to an edge is near.
    let pipeline = looking_about(8, 4, 60, 60);
    let pixel = |size: usize, row: usize, column: usize| {
        let mut labels = vec!["0".repeat(size); size];
        labels[row].replace_range(column..=column, "1");
        certain_of(&labels)
    };
    let region = pipeline
        .region(&pixel(60, 30, 30))
        .expect("an output of the canvas");
    assert_eq!(region.size(), (20, 20));
    for (row, column, expected) in [
        (1, 10, true),
        (2, 10, false),
        (18, 10, true),
        (17, 10, false),
        (10, 1, true),
        (10, 2, false),
        (10, 18, true),
        (10, 17, false),
    ] {
        let leaves = pipeline.leaves(&pixel(20, row, column), &region);
        assert_eq!(leaves, Ok(expected), "row {row}, column {column}");
    }
}

#[test]
fn the_two_in_the_middle_are_looked_at_first_where_there_are_others_and_a_region() {
    let mut card = card(4);
    card.region = Some(About { margin: 1, step: 2 });
    let first = |card: &Card, slices| {
        Pipeline::new(card, grid(slices, 4, 4, 1.4))
            .expect("a good grid")
            .first_look()
    };
    for (slices, expected) in [(1, 0..0), (2, 0..0), (3, 0..2), (4, 1..3), (11, 4..6)] {
        assert_eq!(first(&card, slices), expected, "{slices} slices");
    }
    card.region = None;
    assert_eq!(first(&card, 11), 0..0);
}

#[test]
fn a_region_lies_about_all_that_is_found() {
    let pipeline = looking_about(1, 2, 20, 32);
    let pixel = |row: usize, column: usize| {
        let mut labels = vec!["0".repeat(32); 20];
        labels[row].replace_range(column..=column, "3");
        certain_of(&labels)
    };
    // Rows 4 and 9, columns 6 and 10: six rows and twice one are 8.
    let both = [pixel(9, 6), pixel(4, 10)].concat();
    let region = pipeline.region(&both).expect("outputs of the canvas");
    assert_eq!(region.size(), (8, 8));
    let mut seen = Vec::new();
    let numbered: Vec<f32> = (0..3 * 20 * 32).map(|at| at as f32).collect();
    pipeline
        .batch(&numbered, &[0], &region, &mut seen)
        .expect("a slice of the frame");
    // Middles 7 and 8.
    assert_eq!(seen[0], (3 * 32 + 4) as f32);
}

#[test]
fn beyond_a_region_logits_say_background_as_probabilities_do() {
    let mut card = card(8);
    card.values = Values::Logits;
    card.region = Some(About { margin: 1, step: 2 });
    let mut pipeline = Pipeline::new(&card, grid(2, 8, 8, 1.4)).expect("a good grid");
    let mut first = vec![0.0; 4 * 64];
    first[2 * 64 + 3 * 8 + 3] = 5.0;
    let region = pipeline.region(&first).expect("an output of the canvas");
    assert_eq!(region.size(), (4, 4));
    // The myocardium all over the region.
    let mut output = vec![0.0; 4 * 16];
    output[2 * 16..3 * 16].fill(30.0);
    let mut scratch = Vec::new();
    let whole = pipeline
        .on_canvas(&output, &region, &mut scratch)
        .expect("an output of the region")
        .to_vec();
    let (mut labels, mut confidence) = (vec![9; 64], vec![9; 64]);
    let mut evidence = Evidence::default();
    pipeline
        .restore(&whole, &mut labels, &mut confidence, &mut evidence)
        .expect("the buffers fit");
    assert_eq!(labels.iter().filter(|label| **label == 2).count(), 16);
    assert_eq!(labels.iter().filter(|label| **label == 0).count(), 48);
    assert!(confidence.iter().all(|confidence| *confidence == 255));
}

#[test]
fn an_output_of_another_size_is_refused() {
    let pipeline = looking_about(2, 4, 20, 32);
    let whole = pipeline.whole();
    let refused = Error::Length {
        what: "the network's output",
        found: 7,
        expected: 4 * 20 * 32,
    };
    assert_eq!(pipeline.region(&[0.0; 7]), Err(refused));
    let part = pipeline
        .region(&certain_of(&{
            let mut labels = vec!["0".repeat(32); 20];
            labels[9].replace_range(14..15, "1");
            labels
        }))
        .expect("an output of the canvas");
    assert!(pipeline.leaves(&[0.0; 7], &part).is_err());
    assert!(
        pipeline
            .on_canvas(&[0.0; 7], &whole, &mut Vec::new())
            .is_err()
    );
}
