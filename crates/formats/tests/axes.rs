//! One volume in every order of its axes, as nibabel turns it: where each voxel lies in the scanner stays, slices are slices, and what is
//! written back lies in the file as it did.

use std::io::Read;

use cinecor_formats::{
    DataType, Decoder, Event, Limits, SourceHeader, VoxelFormat, decode, decode_mask, encode_mask,
    encode_volume,
};
use cinecor_volume::{Geometry, Shape, SliceAxis, Spacing};
use flate2::read::GzDecoder;
use ndarray::Axis;
use proptest::prelude::*;

/// Of the volume that `data/generate.py` turns: its size, and where its voxels lie.
const SHAPE: Shape = Shape {
    frames: 2,
    slices: 3,
    rows: 4,
    columns: 5,
};
const AFFINE: [[f64; 4]; 3] = [
    [0.658_175_980_6, -0.941_260_307_4, 4.588_611_490_8, 10.0],
    [1.057_431_217_1, 0.680_616_357_9, -2.241_331_996_7, -20.0],
    [-0.105_563_249_6, 0.949_099_787_7, 6.158_009_050_6, 30.0],
];

/// The 48 orders and reversals, each by a sform and by a qform.
fn files() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    GzDecoder::new(&include_bytes!("data/axes.gz")[..])
        .read_to_end(&mut all)
        .unwrap();
    let one = 352 + SHAPE.voxels() * 2;
    let files: Vec<Vec<u8>> = all.chunks(one).map(<[u8]>::to_vec).collect();
    assert_eq!(files.len(), 96);
    files
}

fn close(found: [f64; 3], expected: [f64; 3]) -> bool {
    // Headers hold single precision.
    found
        .iter()
        .zip(expected)
        .all(|(found, expected)| (found - expected).abs() < 1e-4)
}

#[test]
fn all_48_orders_and_flips_under_a_sform_or_a_qform_are_one_volume() {
    let original = Geometry::new(Spacing::new(1.5, 1.25, 8.0).unwrap(), AFFINE, None).unwrap();
    let mut met = [0; 3];
    for (number, file) in files().iter().enumerate() {
        let decoded = decode(file, Limits::default()).unwrap();
        let header = &decoded.header;
        let slice_axis = header.source.slice_axis();
        met[usize::from(slice_axis.number()) - 1] += 1;
        let codes: Vec<&str> = header
            .warnings
            .iter()
            .map(|warning| warning.code.as_str())
            .collect();
        match slice_axis {
            SliceAxis::Third => assert_eq!(codes, [""; 0], "{number}"),
            _ => assert_eq!(codes, ["axes_exchanged"], "{number}"),
        }
        let spacing = header.geometry.spacing;
        assert!(
            (spacing.slice_mm - 8.0).abs() < 1e-5,
            "{number}: {spacing:?}"
        );
        assert_eq!(header.geometry.frame_ms, Some(40.0));
        assert_eq!(header.shape.slices, SHAPE.slices);
        assert_eq!(header.shape.voxels(), SHAPE.voxels());
        for ((t, slice, row, column), &value) in decoded.volume.intensities.indexed_iter() {
            // The ramp says which voxel of the original this is.
            let value = value as usize - 20 * t;
            let (x, y, z) = (value % 10, value / 10 % 10, value / 100);
            let found = header
                .geometry
                .point_in_mm(column as f64, row as f64, slice as f64);
            let expected = original.point_in_mm(x as f64, y as f64, z as f64);
            assert!(
                close(found, expected),
                "{number} frame {t} slice {slice} row {row} column {column}: {found:?} instead of {expected:?}"
            );
        }
        assert_eq!(
            header.geometry.is_right_handed().is_some(),
            original.is_right_handed().is_some()
        );
    }
    assert_eq!(met, [32; 3]);
}

#[test]
fn masks_and_volumes_are_written_back_voxel_for_voxel_as_the_file_lies() {
    for (number, file) in files().iter().enumerate() {
        let decoded = decode(file, Limits::default()).unwrap();
        let source = SourceHeader::from_bytes(&decoded.header.source.to_bytes()).unwrap();
        assert_eq!(source, decoded.header.source, "{number}");
        let labels = decoded
            .volume
            .intensities
            .mapv(|value| (value as u32 % 4) as u8);
        let frames: Vec<_> = labels.outer_iter().map(|frame| frame.to_owned()).collect();
        let mask = encode_mask(&source, frames.iter()).unwrap();
        // As a reader without any idea of slices has it: sizes, steps and transforms are those of the file, and so is every place in it.
        for (from, to) in [(40, 56), (80, 96), (252, 328)] {
            assert_eq!(mask[from..to], file[from..to], "{number}");
        }
        let stored = file[352..]
            .as_chunks::<2>()
            .0
            .iter()
            .map(|bytes| (i16::from_le_bytes(*bytes) % 4) as u8);
        assert!(stored.eq(mask[352..].iter().copied()), "{number}");
        let (header, back) = decode_mask(&mask, Limits::for_masks()).unwrap();
        assert_eq!(back.labels, labels, "{number}");
        assert_eq!(header.geometry, decoded.header.geometry, "{number}");

        let raw: Vec<u8> = Decoder::new(Limits::default())
            .push(file)
            .unwrap()
            .into_iter()
            .filter_map(|event| match event {
                Event::Frame(frame) => Some(frame.raw),
                Event::Header(_) => None,
            })
            .flatten()
            .collect();
        assert_eq!(raw, file[352..], "{number}");
        let voxels = decoded.header.voxels;
        let written = encode_volume(&source, voxels, decoded.header.shape, &raw).unwrap();
        let again = decode(&written, Limits::default()).unwrap();
        assert_eq!(again.volume.intensities, decoded.volume.intensities);
        let smaller = frames[0].slice_axis(Axis(0), (..1).into()).to_owned();
        assert!(encode_mask(&source, [&smaller].into_iter()).is_err());
    }
}

/// A file of bytes whose axes have these sizes and steps, without any transform.
fn plain([first, second, third]: [usize; 3], steps_mm: [f32; 3]) -> Vec<u8> {
    let shape = Shape::new(1, third, second, first).unwrap();
    let spacing = Spacing::new(1.5, 1.5, 8.0).unwrap();
    let header = SourceHeader::from_geometry(&Geometry::axis_aligned(spacing, None), shape);
    let raw: Vec<u8> = (0..shape.voxels())
        .map(|index| (index % 251) as u8)
        .collect();
    let mut file =
        encode_volume(&header, VoxelFormat::unscaled(DataType::U8), shape, &raw).unwrap();
    for (index, step) in steps_mm.iter().enumerate() {
        file[80 + 4 * index..84 + 4 * index].copy_from_slice(&step.to_le_bytes());
    }
    file[254..256].copy_from_slice(&[0, 0]);
    file
}

#[test]
fn the_axis_with_by_far_the_longest_steps_is_that_of_the_slices() {
    let axis = |steps_mm| {
        let decoded = decode(&plain([6, 5, 4], steps_mm), Limits::default());
        decoded.map(|decoded| decoded.header.source.slice_axis())
    };
    for (steps_mm, expected) in [
        ([1.5, 1.5, 8.0], SliceAxis::Third),
        ([8.0, 1.5, 1.25], SliceAxis::First),
        ([1.25, 8.0, 1.5], SliceAxis::Second),
        // Exactly twice as long, and a little less.
        ([3.0, 1.5, 1.5], SliceAxis::First),
        ([2.9, 1.5, 1.5], SliceAxis::Third),
        // Pixels that are no squares are no slices.
        ([1.5, 3.0, 8.0], SliceAxis::Third),
        ([1.0, 1.0, 1.0], SliceAxis::Third),
        // Steps from slice to slice that nobody wrote.
        ([2.2, 2.2, 1.0], SliceAxis::Third),
    ] {
        assert_eq!(axis(steps_mm).unwrap(), expected, "{steps_mm:?}");
    }
    for steps_mm in [[8.0, 1.5, 6.0], [1.5, 8.0, 4.1]] {
        assert_eq!(axis(steps_mm).unwrap_err().code(), "slice_axis");
    }
}

#[test]
fn limits_are_those_of_slices_rows_and_columns_wherever_they_lie() {
    let code = |sizes, steps_mm| match decode(&plain(sizes, steps_mm), Limits::default()) {
        Ok(decoded) => Ok(decoded.header.shape),
        Err(error) => Err((error.code(), error.to_string())),
    };
    let shape = code([3, 4, 208], [8.0, 1.5, 1.5]).unwrap();
    assert_eq!((shape.slices, shape.rows, shape.columns), (3, 4, 208));
    let shape = code([4, 3, 208], [1.5, 8.0, 1.5]).unwrap();
    assert_eq!((shape.slices, shape.rows, shape.columns), (3, 208, 4));
    for (sizes, steps_mm, axis) in [
        ([65, 4, 5], [8.0, 1.5, 1.5], "65 slices"),
        ([4, 65, 5], [1.5, 8.0, 1.5], "65 slices"),
        ([4, 5, 513], [8.0, 1.5, 1.5], "513 columns"),
        ([4, 5, 513], [1.5, 8.0, 1.5], "513 rows"),
        ([4, 5, 65], [1.5, 1.5, 1.5], "65 slices"),
    ] {
        let (code, text) = code(sizes, steps_mm).unwrap_err();
        assert_eq!(code, "too_large");
        assert!(text.contains(axis), "{text}");
    }
    // One slice, one row, one column: what is thin is still what its steps say.
    for sizes in [[1, 4, 5], [4, 1, 5], [4, 5, 1], [1, 1, 1]] {
        for axis in SliceAxis::ALL {
            let shape = code(sizes, axis.exchanged([1.5, 1.5, 8.0])).unwrap();
            assert_eq!(
                [shape.columns, shape.rows, shape.slices],
                axis.exchanged(sizes)
            );
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_axes_changes_no_voxel(
        sizes in prop::array::uniform3(1usize..7), axis in 0usize..3, seed in any::<u64>(),
    ) {
        let axis = SliceAxis::ALL[axis];
        let stored: Vec<u8> = (0..sizes.iter().product::<usize>() as u64)
            .map(|index| (index.wrapping_mul(seed | 1) >> 7) as u8)
            .collect();
        let [columns, rows, slices] = axis.exchanged(sizes);
        let shape = Shape::new(1, slices, rows, columns).unwrap();
        let mut file = plain(sizes, axis.exchanged([1.5, 1.5, 8.0]));
        file[352..].copy_from_slice(&stored);
        let decoded = decode(&file, Limits::default()).unwrap();
        prop_assert_eq!(decoded.header.shape, shape);
        for ((_, slice, row, column), &value) in decoded.volume.intensities.indexed_iter() {
            let [first, second, third] = axis.exchanged([column, row, slice]);
            let at = first + sizes[0] * (second + sizes[1] * third);
            prop_assert_eq!(value, f32::from(stored[at]));
        }
    }
}
