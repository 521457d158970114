//! Files written by nibabel, read here: every number type, byte order and version, and the ways a header can say where the
//! voxels lie. What each voxel has to be is computed from the formula in `data/generate.py`.

use std::fs;
use std::path::PathBuf;

use cinecor_formats::{
    Container, DataType, Decoded, Decoder, Event, Limits, NiftiVersion, SourceHeader, WarningCode,
    decode, encode_volume,
};

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str) -> Decoded {
    decode(&file(name), Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn codes(decoded: &Decoded) -> Vec<&'static str> {
    decoded
        .header
        .warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

/// The ramp of `generate.py`.
fn stored(x: usize, y: usize, z: usize, t: usize) -> f32 {
    (x + 10 * y + 100 * z + 20 * t) as f32
}

#[track_caller]
fn check_ramp(name: &str, decoded: &Decoded, frames: usize, expected: impl Fn(f32) -> f32) {
    assert_eq!(
        decoded.volume.intensities.dim(),
        (frames, 3, 4, 5),
        "{name}"
    );
    for ((t, z, y, x), &found) in decoded.volume.intensities.indexed_iter() {
        assert_eq!(
            found,
            expected(stored(x, y, z, t)),
            "{name} at frame {t} slice {z} row {y} column {x}"
        );
    }
}

#[track_caller]
fn check_near(found: [[f64; 4]; 3], expected: [[f64; 4]; 3]) {
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        // Headers hold single precision.
        assert!(
            (found - expected).abs() < 1e-5,
            "found {found}, expected {expected}"
        );
    }
}

const AFFINE: [[f64; 4]; 3] = [
    [0.0, -1.5, 0.0, 10.0],
    [-1.25, 0.0, 0.0, -20.0],
    [0.0, 0.0, 8.0, 30.0],
];

#[test]
fn reads_every_number_type_in_both_byte_orders_and_versions() {
    let names = [
        "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64",
    ];
    let types = [
        DataType::U8,
        DataType::I8,
        DataType::U16,
        DataType::I16,
        DataType::U32,
        DataType::I32,
        DataType::U64,
        DataType::I64,
        DataType::F32,
        DataType::F64,
    ];
    for (name, data_type) in names.into_iter().zip(types) {
        for (version, expected) in [("v1", NiftiVersion::One), ("v2", NiftiVersion::Two)] {
            for order in ["le", "be"] {
                let name = format!("{name}_{version}_{order}.nii.gz");
                let decoded = read(&name);
                let offset = if data_type == DataType::I8 {
                    -128.0
                } else {
                    0.0
                };
                check_ramp(&name, &decoded, 2, |value| value + offset);
                let header = &decoded.header;
                assert_eq!(
                    (header.container, header.voxels.data_type),
                    (
                        Container::Nifti {
                            version: expected,
                            gzip: true
                        },
                        data_type
                    ),
                    "{name}"
                );
                assert_eq!(header.geometry.frame_ms, Some(40.0), "{name}");
                let spacing = header.geometry.spacing;
                assert_eq!(
                    (spacing.column_mm, spacing.row_mm, spacing.slice_mm),
                    (1.25, 1.5, 8.0),
                    "{name}"
                );
                check_near(header.geometry.mm_from_voxel, AFFINE);
                assert_eq!(codes(&decoded), [""; 0], "{name}");
            }
        }
    }
}

#[test]
fn reads_a_plain_file_of_one_frame() {
    let decoded = read("plain_3d.nii");
    check_ramp("plain_3d.nii", &decoded, 1, |value| value);
    assert_eq!(decoded.header.container.name(), "nifti-1");
    assert_eq!(decoded.header.geometry.frame_ms, None);
    assert_eq!(codes(&decoded), [""; 0]);
}

#[test]
fn reads_seven_dimensions_of_which_the_last_three_are_one() {
    let decoded = read("seven_dimensions.nii.gz");
    check_ramp("seven_dimensions.nii.gz", &decoded, 2, |value| value);
}

#[test]
fn scales_stored_numbers_to_values() {
    let decoded = read("scaled.nii.gz");
    check_ramp("scaled.nii.gz", &decoded, 2, |value| 0.5 * value - 3.25);
}

#[test]
fn reads_over_extensions_and_does_not_write_them_back() {
    let decoded = read("extension.nii.gz");
    check_ramp("extension.nii.gz", &decoded, 2, |value| value);
    let header = decoded
        .header
        .source
        .volume_header(decoded.header.voxels, 2);
    assert_eq!(header.len(), 352);
    assert_eq!(header[348..], [0; 4]);
}

#[test]
fn takes_directions_from_the_qform_when_there_is_no_sform() {
    let decoded = read("qform_only.nii.gz");
    let (sin, cos) = 30f64.to_radians().sin_cos();
    let expected = [
        [cos * 1.25, -sin * 1.5, 0.0, 1.0],
        [sin * 1.25, cos * 1.5, 0.0, 2.0],
        [0.0, 0.0, -8.0, 3.0],
    ];
    check_near(decoded.header.geometry.mm_from_voxel, expected);
    assert_eq!(codes(&decoded), [""; 0]);
}

#[test]
fn lies_along_the_axes_with_a_warning_when_nothing_says_otherwise() {
    let decoded = read("no_orientation.nii.gz");
    check_near(
        decoded.header.geometry.mm_from_voxel,
        [
            [1.25, 0.0, 0.0, 0.0],
            [0.0, 1.5, 0.0, 0.0],
            [0.0, 0.0, 8.0, 0.0],
        ],
    );
    assert_eq!(codes(&decoded), ["orientation_unknown"]);
}

#[test]
fn believes_pixdim_over_a_sform_of_unit_length() {
    let decoded = read("sform_unit_matrix.nii.gz");
    let spacing = decoded.header.geometry.spacing;
    assert_eq!(
        (spacing.column_mm, spacing.row_mm, spacing.slice_mm),
        (1.25, 1.5, 8.0)
    );
    check_near(
        decoded.header.geometry.mm_from_voxel,
        [
            [1.25, 0.0, 0.0, 0.0],
            [0.0, 1.5, 0.0, 0.0],
            [0.0, 0.0, 8.0, 0.0],
        ],
    );
    assert_eq!(decoded.header.geometry.frame_ms, None);
    assert_eq!(codes(&decoded), ["sform_unit_matrix", "frame_time_unknown"]);
}

#[test]
fn converts_metres_and_microns_seconds_and_microseconds() {
    for name in ["metres.nii.gz", "microns.nii.gz"] {
        let decoded = read(name);
        let spacing = decoded.header.geometry.spacing;
        for (found, expected) in [
            (spacing.column_mm, 1.25),
            (spacing.row_mm, 1.5),
            (spacing.slice_mm, 8.0),
            (decoded.header.geometry.frame_ms.unwrap(), 40.0),
        ] {
            // Single precision in the file.
            assert!((found / expected - 1.0).abs() < 1e-6, "{name}: {found}");
        }
        check_near(decoded.header.geometry.mm_from_voxel, AFFINE);
        assert_eq!(codes(&decoded), [""; 0], "{name}");
    }
}

#[test]
fn replaces_voxels_that_are_no_numbers_and_counts_them() {
    let decoded = read("non_finite.nii.gz");
    let values = &decoded.volume.intensities;
    for hole in [[0, 0, 2, 1], [1, 2, 3, 4], [1, 1, 0, 0]] {
        assert_eq!(values[hole], 0.0);
    }
    assert_eq!(values[[0, 0, 2, 2]], stored(2, 2, 0, 0));
    let warning = decoded
        .header
        .warnings
        .iter()
        .find(|warning| warning.code == WarningCode::NonFiniteVoxels);
    assert!(warning.unwrap().detail.starts_with("3 voxels"));
}

#[test]
fn gives_the_same_events_whatever_the_chunks() {
    for name in [
        "i16_v1_be.nii.gz",
        "f64_v2_le.nii.gz",
        "plain_3d.nii",
        "extension.nii.gz",
    ] {
        let bytes = file(name);
        let whole = read(name);
        for chunk_bytes in [1, 2, 3, 7, 64, 349] {
            let mut decoder = Decoder::new(Limits::default());
            let mut frames = Vec::new();
            let mut headers = 0;
            for chunk in bytes.chunks(chunk_bytes) {
                for event in decoder.push(chunk).unwrap() {
                    match event {
                        Event::Header(_) => headers += 1,
                        Event::Frame(frame) => frames.push(frame),
                    }
                }
            }
            decoder.finish().unwrap();
            assert_eq!(
                (headers, frames.len()),
                (1, whole.header.shape.frames),
                "{name} in chunks of {chunk_bytes}"
            );
            for (index, frame) in frames.iter().enumerate() {
                assert_eq!(frame.index, index);
                assert_eq!(
                    frame.intensities,
                    whole.volume.intensities.index_axis(ndarray::Axis(0), index)
                );
            }
        }
    }
}

#[test]
fn raw_frames_written_back_are_the_same_volume_on_the_same_grid() {
    for name in [
        "i16_v1_be.nii.gz",
        "f64_v2_be.nii.gz",
        "scaled.nii.gz",
        "sform_unit_matrix.nii.gz",
        "qform_only.nii.gz",
    ] {
        let first = read(name);
        let mut decoder = Decoder::new(Limits::default());
        let raw: Vec<u8> = decoder
            .push(&file(name))
            .unwrap()
            .into_iter()
            .filter_map(|event| match event {
                Event::Frame(frame) => Some(frame.raw),
                Event::Header(_) => None,
            })
            .flatten()
            .collect();
        let kept = SourceHeader::from_bytes(&first.header.source.to_bytes()).unwrap();
        assert_eq!(kept, first.header.source, "{name}");
        let written = encode_volume(&kept, first.header.voxels, first.header.shape, &raw).unwrap();
        let second = decode(&written, Limits::default()).unwrap();
        assert_eq!(
            second.volume.intensities, first.volume.intensities,
            "{name}"
        );
        assert_eq!(second.header.geometry, first.header.geometry, "{name}");
        assert_eq!(second.header.source, first.header.source, "{name}");
        assert_eq!(codes(&second), codes(&first), "{name}");
    }
}
