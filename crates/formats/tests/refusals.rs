//! What is refused, with which code, and that nothing is taken for granted: properties over broken files.

use cinecor_formats::{
    DataType, DecodeError, Decoder, DeflatedChunk, Event, GzipStitcher, Limits, NiftiVersion,
    SourceHeader, VoxelFormat, decode, decode_mask, encode_mask, encode_volume, gzip,
};
use cinecor_volume::{Geometry, Shape, Spacing};
use ndarray::Array3;
use proptest::prelude::*;

const SHAPE: Shape = Shape {
    frames: 2,
    slices: 3,
    rows: 4,
    columns: 5,
};

fn source() -> SourceHeader {
    let geometry = Geometry::axis_aligned(Spacing::new(1.5, 1.25, 8.0).unwrap(), Some(40.0));
    SourceHeader::from_geometry(&geometry, SHAPE)
}

/// A good int16 file.
fn good() -> Vec<u8> {
    let raw: Vec<u8> = (0..SHAPE.voxels() as i16)
        .flat_map(i16::to_le_bytes)
        .collect();
    encode_volume(&source(), VoxelFormat::unscaled(DataType::I16), SHAPE, &raw).unwrap()
}

/// The good file with some bytes put elsewhere.
fn with(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = good();
    for (at, bytes) in changes {
        file[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    file
}

#[track_caller]
fn refused(file: &[u8], code: &str) -> DecodeError {
    let whole = decode(file, Limits::default()).expect_err("taken in");
    assert_eq!(whole.code(), code, "{whole}");
    let packed = decode(&gzip(file), Limits::default()).expect_err("taken in as gzip");
    // Nothing inside gzip is a broken member, and gzip inside gzip has a name of its own.
    if !file.is_empty() && !file.starts_with(&[0x1f]) {
        assert_eq!(packed.code(), code, "as gzip: {packed}");
    }
    whole
}

fn dims(dim: [i16; 8]) -> Vec<u8> {
    let bytes: Vec<u8> = dim.into_iter().flat_map(i16::to_le_bytes).collect();
    with(&[(40, &bytes)])
}

fn pixdim(index: usize, value: f32) -> Vec<u8> {
    with(&[(76 + 4 * index, &value.to_le_bytes())])
}

#[test]
fn takes_the_good_file_that_the_broken_ones_are_made_of() {
    assert!(
        decode(&good(), Limits::default())
            .unwrap()
            .header
            .warnings
            .is_empty()
    );
    let packed = decode(&gzip(&good()), Limits::default()).unwrap();
    assert_eq!(packed.header.container.name(), "nifti-1+gzip");
}

#[test]
fn refuses_what_is_no_nifti_and_says_what_it_is() {
    refused(b"", "empty");
    let mut dicom = vec![0; 400];
    dicom[128..132].copy_from_slice(b"DICM");
    for (file, what) in [
        (dicom.as_slice(), "a DICOM file"),
        (b"PK\x03\x04 and more", "a zip archive"),
        (b"\x89PNG\r\n\x1a\n and more", "a PNG picture"),
        (b"\xff\xd8\xff\xe0 and more", "a JPEG picture"),
        (b"My heart is beating.", "a text"),
        (b"<html></html>", "an HTML or XML document"),
        (b"{\"a\": 1}", "a JSON document"),
        (&[0; 1000], "nothing but zeros"),
        (&[7, 255, 3, 200, 1, 254, 0, 9], "of no known kind"),
        (&with(&[(344, b"ni1\0")]), "two-file NIfTI pair"),
        (&with(&[(344, &[0; 4])]), "Analyze"),
        (&with(&[(128, b"DICM")]), "NIfTI and DICOM"),
        (&gzip(&gzip(&good())), "gzip inside gzip"),
    ] {
        let error = refused(file, "unsupported_format");
        assert!(error.to_string().contains(what), "{error}");
    }
    refused(&with(&[(344, b"n+9\0")]), "not_nifti");
}

#[test]
fn refuses_every_cut_of_a_good_file() {
    let file = good();
    for length in 4..file.len() {
        refused(&file[..length], "truncated");
    }
    let packed = gzip(&file);
    for length in 2..packed.len() {
        let error =
            decode(&packed[..length], Limits::default()).expect_err("a cut gzip was taken in");
        assert_eq!(
            error.code(),
            "truncated",
            "{length} of {}: {error}",
            packed.len()
        );
    }
}

#[test]
fn refuses_sizes_that_lie() {
    refused(&dims([1, 5, 1, 1, 1, 1, 1, 1]), "unsupported_dimensions");
    refused(&dims([2, 5, 4, 1, 1, 1, 1, 1]), "unsupported_dimensions");
    refused(&dims([5, 5, 4, 3, 1, 2, 1, 1]), "unsupported_dimensions");
    refused(&dims([0, 5, 4, 3, 2, 1, 1, 1]), "unsupported_dimensions");
    refused(&dims([8, 5, 4, 3, 2, 1, 1, 1]), "unsupported_dimensions");
    refused(&dims([-1, 5, 4, 3, 2, 1, 1, 1]), "unsupported_dimensions");
    refused(&dims([4, 5, 0, 3, 2, 1, 1, 1]), "bad_dimension");
    refused(&dims([4, 5, 4, -3, 2, 1, 1, 1]), "bad_dimension");
    refused(&dims([4, 513, 4, 3, 2, 1, 1, 1]), "too_large");
    refused(&dims([4, 5, 4, 3, 101, 1, 1, 1]), "too_large");
    refused(&dims([4, 32767, 32767, 32767, 32767, 1, 1, 1]), "too_large");
    let mut header = source();
    header.version = NiftiVersion::Two;
    let mut two = header.mask_header(2);
    two[24..32].copy_from_slice(&(1i64 << 40).to_le_bytes());
    refused(&two, "too_large");
    two[32..40].copy_from_slice(&(1i64 << 40).to_le_bytes());
    refused(&two, "dimension_overflow");
    refused(&dims([4, 5, 4, 3, 3, 1, 1, 1]), "truncated");
    refused(&dims([4, 5, 4, 3, 1, 1, 1, 1]), "trailing_data");
}

#[test]
fn refuses_spacings_types_scalings_and_offsets_that_cannot_be() {
    for index in 1..=3 {
        for value in [f32::NAN, f32::INFINITY, -1.5, 0.0, 1e-6, 1e9] {
            refused(&pixdim(index, value), "bad_spacing");
        }
    }
    // Slices lie along the first axis of this one, or along the third: steps of 8 and of 6 mm may both be theirs.
    let dim: Vec<u8> = [3i16, 5, 4, 208, 1, 1, 1, 1]
        .into_iter()
        .flat_map(i16::to_le_bytes)
        .collect();
    let unsure: [(usize, &[u8]); 3] = [
        (80, &8f32.to_le_bytes()),
        (88, &6f32.to_le_bytes()),
        (254, &[0, 0]),
    ];
    refused(&with(&unsure), "slice_axis");
    // And what lies where slices belong is more than slices can be.
    refused(&with(&[&unsure[..], &[(40, &dim)]].concat()), "slice_axis");
    for code in [0i16, 1, 3, 32, 128, 1536, 1792, 2048, 2304, -4, 9999] {
        refused(&with(&[(70, &code.to_le_bytes())]), "unsupported_datatype");
    }
    refused(&with(&[(112, &f32::INFINITY.to_le_bytes())]), "bad_scaling");
    refused(
        &with(&[(112, &2f32.to_le_bytes()), (116, &f32::NAN.to_le_bytes())]),
        "bad_scaling",
    );
    for offset in [f32::NAN, f32::INFINITY, -352.0, 348.0, 352.5, 1e9] {
        refused(&with(&[(108, &offset.to_le_bytes())]), "bad_vox_offset");
    }
}

#[test]
fn refuses_a_frame_without_a_number_and_more_bytes_than_announced() {
    let raw: Vec<u8> = std::iter::repeat_n(f32::NAN.to_le_bytes(), SHAPE.voxels())
        .flatten()
        .collect();
    let empty =
        encode_volume(&source(), VoxelFormat::unscaled(DataType::F32), SHAPE, &raw).unwrap();
    refused(&empty, "no_finite_voxels");
    let mut longer = good();
    longer.extend([1; 40]);
    refused(&longer, "trailing_data");
    // Less than one slice (40 bytes) is padding.
    longer.truncate(good().len() + 39);
    assert_eq!(
        decode(&longer, Limits::default()).unwrap().header.warnings[0]
            .code
            .as_str(),
        "trailing_bytes"
    );
}

#[test]
fn refuses_gzip_that_is_broken_or_a_bomb() {
    let packed = gzip(&good());
    for at in [2, 3, packed.len() - 8, packed.len() - 4, 30] {
        let mut broken = packed.clone();
        broken[at] ^= 0xe0;
        let error = decode(&broken, Limits::default()).expect_err("taken in");
        assert_eq!(error.code(), "corrupt_gzip", "{at}: {error}");
    }
    // A header that announces the largest cine, and zeros: a thousand to one.
    let dim: Vec<u8> = [4i16, 512, 512, 64, 100, 1, 1, 1]
        .into_iter()
        .flat_map(i16::to_le_bytes)
        .collect();
    let mut bomb = with(&[(40, &dim)]);
    bomb.resize(40 << 20, 0);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &bomb).unwrap();
    let error = decode(&packer.finish().unwrap(), Limits::default()).expect_err("taken in");
    assert_eq!(error.code(), "inflate_ratio", "{error}");
    let small = Limits {
        inflated_bytes: 1000,
        ..Limits::default()
    };
    bomb.truncate(2000);
    assert_eq!(
        decode(&gzip(&bomb), small).unwrap_err().code(),
        "inflated_too_large"
    );
}

#[test]
fn reads_members_that_follow_one_another_as_one_file() {
    let file = good();
    let (head, tail) = file.split_at(200);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(
        decode(&members, Limits::default()).unwrap().header.shape,
        SHAPE
    );
}

#[test]
fn reads_over_the_optional_fields_of_a_gzip_header() {
    let packed = gzip(&good());
    // FEXTRA of 3 bytes, FNAME, FCOMMENT, FHCRC.
    let mut fields = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3];
    fields.extend([3, 0, 1, 2, 3]);
    fields.extend(b"name.nii\0comment\0\x12\x34");
    fields.extend(&packed[10..]);
    assert_eq!(
        decode(&fields, Limits::default()).unwrap().header.shape,
        SHAPE
    );
}

#[test]
fn is_spent_after_a_refusal() {
    let mut decoder = Decoder::new(Limits::default());
    assert!(decoder.push(&[9; 600]).is_err());
    assert_eq!(decoder.push(&good()).unwrap_err(), DecodeError::Spent);
    assert_eq!(decoder.finish().unwrap_err(), DecodeError::Spent);
}

#[test]
fn masks_hold_labels_only() {
    let mut frame = Array3::<u8>::zeros((3, 4, 5));
    frame[[1, 2, 3]] = 3;
    let written = encode_mask(&source(), [&frame, &frame].into_iter()).unwrap();
    let (header, mask) = decode_mask(&gzip(&written), Limits::for_masks()).unwrap();
    assert_eq!(header.source, source());
    assert_eq!(mask.labels.index_axis(ndarray::Axis(0), 1), frame);
    frame[[0, 0, 0]] = 4;
    let written = encode_mask(&source(), [&frame].into_iter()).unwrap();
    assert_eq!(
        decode_mask(&written, Limits::for_masks())
            .unwrap_err()
            .code(),
        "bad_label"
    );
    let halves = with(&[(112, &0.5f32.to_le_bytes())]);
    assert_eq!(
        decode_mask(&halves, Limits::for_masks())
            .unwrap_err()
            .code(),
        "bad_label"
    );
    // A voxel that is no number is no background either.
    for value in [f32::NAN, f32::INFINITY] {
        let mut voxels = vec![0u8; SHAPE.voxels() * 4];
        voxels[4..8].copy_from_slice(&value.to_le_bytes());
        let float = VoxelFormat::unscaled(DataType::F32);
        let file = encode_volume(&source(), float, SHAPE, &voxels).unwrap();
        assert!(decode(&file, Limits::default()).is_ok());
        let refused = decode_mask(&file, Limits::for_masks());
        assert_eq!(refused.unwrap_err().code(), "bad_label", "{value}");
    }
    let smaller = Array3::<u8>::zeros((3, 4, 4));
    assert!(encode_mask(&source(), [&smaller].into_iter()).is_err());
}

/// Feeds a decoder in chunks and counts the voxels that it gives; whatever it says, it must not panic.
fn survive(file: &[u8], chunk_bytes: usize) -> usize {
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(limits);
    let mut voxels = 0;
    for chunk in file.chunks(chunk_bytes.max(1)) {
        match decoder.push(chunk) {
            Ok(events) => {
                for event in events {
                    if let Event::Frame(frame) = event {
                        assert!(frame.intensities.iter().all(|value| value.is_finite()));
                        voxels += frame.intensities.len();
                    }
                }
            }
            Err(error) => {
                assert!(!error.to_string().is_empty() && !error.code().is_empty());
                return voxels;
            }
        }
    }
    let _ = decoder.finish();
    voxels
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn never_panics_on_a_header_with_some_bytes_changed(
        changes in prop::collection::vec((0usize..472, any::<u8>()), 1..12),
        two in any::<bool>(),
        chunk_bytes in 1usize..600,
    ) {
        let mut file = good();
        if two {
            file = [vec![0; 4], file].concat();
            file[..4].copy_from_slice(&540u32.to_le_bytes());
            file[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
            file.resize(1000, 1);
        }
        for (at, byte) in changes {
            file[at] = byte;
        }
        // What it gives was in the file: never more voxels than bytes.
        prop_assert!(survive(&file, chunk_bytes) <= file.len());
    }

    #[test]
    fn never_panics_on_numbers_that_are_extreme(
        at in prop::sample::select(vec![40usize, 42, 44, 46, 48, 50, 70, 72, 76, 80, 84, 88, 92, 108, 112, 116, 123, 252, 254, 256, 260, 264, 268, 280, 284, 300, 320]),
        bytes in prop::sample::select(vec![[0xffu8; 4], [0; 4], [0, 0, 0x80, 0x7f], [0, 0, 0xc0, 0x7f], [0xff, 0x7f, 0xff, 0x7f], [0, 0x80, 0, 0x80], [1, 0, 0, 0]]),
        qform in any::<bool>(),
    ) {
        let mut file = with(&[(at, &bytes)]);
        if qform {
            file[252..256].copy_from_slice(&[1, 0, 0, 0]);
        }
        survive(&file, 100);
    }

    #[test]
    fn never_panics_on_broken_gzip(at in 0usize..200, byte in any::<u8>(), cut in 0usize..400) {
        let mut packed = gzip(&good());
        let length = packed.len();
        packed[at.min(length - 1)] = byte;
        packed.truncate(length.saturating_sub(cut));
        survive(&packed, 33);
    }

    #[test]
    fn never_panics_on_noise(noise in prop::collection::vec(any::<u8>(), 0..800)) {
        survive(&noise, 64);
    }

    #[test]
    fn what_is_written_is_read_back(
        slices in 1usize..4, rows in 1usize..6, columns in 1usize..6, frames in 1usize..4,
        spacing in prop::array::uniform3(0.3f64..2.0),
        seed in any::<u64>(),
        kind in 0usize..10,
    ) {
        let shape = Shape { frames, slices, rows, columns };
        let voxels = VoxelFormat::unscaled(DataType::ALL[kind]);
        let [row, column, slice] = spacing;
        let geometry = Geometry::axis_aligned(Spacing::new(row, column, slice + 2.0).unwrap(), (frames > 1).then_some(33.0));
        let length = shape.voxels() * voxels.data_type.bytes();
        // A multiplicative sequence: any bytes do, as long as floats stay finite.
        let raw: Vec<u8> = (0..length as u64).map(|i| (i.wrapping_mul(seed | 1) >> 7) as u8 & 0x3f).collect();
        let header = SourceHeader::from_geometry(&geometry, shape);
        let file = encode_volume(&header, voxels, shape, &raw).unwrap();
        let mut decoder = Decoder::new(Limits::default());
        let mut back = Vec::new();
        for event in decoder.push(&gzip(&file)).unwrap() {
            match event {
                Event::Header(found) => {
                    prop_assert_eq!(found.shape, shape);
                    prop_assert!((found.geometry.spacing.row_mm - row).abs() < 1e-6);
                    prop_assert_eq!(found.geometry.frame_ms, geometry.frame_ms);
                }
                Event::Frame(frame) => back.extend(frame.raw),
            }
        }
        prop_assert!(decoder.finish().unwrap().warnings.is_empty());
        prop_assert_eq!(back, raw);
    }

    #[test]
    fn stitched_chunks_are_one_member_that_inflates_to_their_contents(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..6),
    ) {
        let chunks: Vec<DeflatedChunk> = contents.iter().map(|content| DeflatedChunk::compress(content)).collect();
        let mut stitcher = GzipStitcher::new();
        let mut file = GzipStitcher::HEADER.to_vec();
        for (chunk, content) in chunks.iter().zip(&contents) {
            prop_assert_eq!(&chunk.inflate().unwrap(), content);
            stitcher.add(chunk.crc32, chunk.len);
            file.extend(&chunk.bytes);
        }
        file.extend(stitcher.trailer());
        prop_assert_eq!(file.len() as u64, GzipStitcher::file_bytes(chunks.iter().map(|chunk| chunk.bytes.len() as u64)));
        let mut inflated = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(file.as_slice());
        std::io::Read::read_to_end(&mut reader, &mut inflated).unwrap();
        prop_assert_eq!(inflated, contents.concat());
        // One member: nothing is left behind it.
        prop_assert!(reader.into_inner().is_empty());
    }

    #[test]
    fn damaged_chunks_are_refused(content in prop::collection::vec(any::<u8>(), 1..2000), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut chunk = DeflatedChunk::compress(&content);
        let at = at.index(chunk.bytes.len());
        chunk.bytes[at] ^= flip;
        // The checksum catches whatever inflate itself does not; the flush behind the content is not part of it.
        if let Ok(found) = chunk.inflate() {
            prop_assert_eq!(found, content);
        }
    }
}
