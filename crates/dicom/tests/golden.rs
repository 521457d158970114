//! Files that pydicom and its codecs wrote (`data/generate.py`), against what their pixels are.

use std::path::PathBuf;

use bytes::Bytes;
use cinecor_dicom::{DicomFile, Limits, Tag};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn read(name: &str) -> DicomFile {
    let bytes = std::fs::read(folder().join(format!("{name}.dcm"))).unwrap();
    DicomFile::read(Bytes::from(bytes), &Limits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What the script stores.
fn stored(frame: usize, rows: usize, columns: usize, bits: u32, signed: bool) -> Vec<i32> {
    (0..rows * columns)
        .map(|place| {
            let (row, column) = (place / columns, place % columns);
            let value = 100 + 13 * row + 7 * column + 200 * frame + (row * row + 3 * column) % 17;
            let value = (value as i64 & ((1i64 << bits) - 1)) as i32;
            if signed { value - 300 } else { value }
        })
        .collect()
}

/// Every file, with its frames, its bits and whether its pixels are signed.
const EXACT: [(&str, usize, u32, bool); 30] = [
    ("implicit_u16", 2, 12, false),
    ("implicit_i16", 1, 12, true),
    ("explicit_u16", 2, 12, false),
    ("explicit_i16", 1, 12, true),
    ("big_u16", 2, 12, false),
    ("big_i16", 1, 12, true),
    ("deflated_u16", 2, 12, false),
    ("deflated_i16", 1, 12, true),
    ("explicit_u8", 3, 8, false),
    ("big_u8_ob", 3, 8, false),
    ("big_u8_ow", 3, 8, false),
    ("explicit_u32", 2, 20, false),
    ("big_i32", 2, 32, true),
    ("rle_u8", 3, 8, false),
    ("rle_u16", 2, 12, false),
    ("rle_i16", 1, 16, true),
    ("lossless_1", 1, 12, false),
    ("lossless_2", 1, 12, false),
    ("lossless_3", 1, 12, false),
    ("lossless_4", 1, 12, false),
    ("lossless_5", 1, 12, false),
    ("lossless_6", 1, 12, false),
    ("lossless_7", 1, 12, false),
    ("lossless_i16", 2, 16, true),
    ("lossless_restart", 2, 16, true),
    ("lossless_u8", 3, 8, false),
    ("j2k_u16", 2, 12, false),
    ("j2k_i16", 2, 16, true),
    ("j2k_u8", 2, 8, false),
    ("j2k_large", 1, 12, false),
];

#[test]
fn every_pixel_of_every_lossless_way_is_what_was_stored() {
    let mut values = Vec::new();
    for (name, frames, bits, signed) in EXACT {
        let file = read(name);
        let pixels = *file.pixels().unwrap();
        assert_eq!(
            (pixels.frames, pixels.bits_stored, pixels.signed),
            (frames, bits, signed),
            "{name}"
        );
        for frame in 0..frames {
            file.frame(frame, &mut values)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                values,
                stored(frame, pixels.rows, pixels.columns, bits, signed),
                "{name} {frame}"
            );
        }
    }
}

#[test]
fn a_point_transform_is_undone() {
    let file = read("lossless_transform");
    let mut values = Vec::new();
    for frame in 0..2 {
        file.frame(frame, &mut values).unwrap();
        let expected: Vec<i32> = stored(frame, 13, 11, 12, false)
            .into_iter()
            .map(|value| value & !3)
            .collect();
        assert_eq!(values, expected);
    }
}

#[test]
fn lossy_codecs_give_what_libjpeg_turbo_and_openjpeg_give() {
    // The inverse cosine transform is that of libjpeg to the last bit; the wavelets of JPEG 2000 are floating-point numbers.
    for (name, within) in [("baseline", 0), ("extended", 0), ("j2k_lossy", 1)] {
        let expected = std::fs::read(folder().join(format!("{name}.values"))).unwrap();
        let (expected, _) = expected.as_chunks();
        let file = read(name);
        let mut values = Vec::new();
        for (frame, expected) in expected.chunks(13 * 11).enumerate() {
            file.frame(frame, &mut values)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(values.len(), expected.len());
            for (value, expected) in values.iter().zip(expected) {
                let expected = i32::from(i16::from_le_bytes(*expected));
                assert!(
                    (value - expected).abs() <= within,
                    "{name}: {value} for {expected}"
                );
            }
        }
    }
}

#[test]
fn headers_say_the_same_in_every_way_of_writing() {
    for (name, ..) in EXACT {
        let file = read(name);
        let data = file.data();
        assert_eq!(
            data.text(Tag(0x08, 0x20)).as_deref(),
            Some("20120000"),
            "{name}"
        );
        assert_eq!(
            data.text(Tag(0x10, 0x30)).as_deref(),
            Some("00000000"),
            "{name}"
        );
        assert_eq!(
            data.text(Tag(0x10, 0x10)).as_deref(),
            Some("Müller^Nobody"),
            "{name}"
        );
        assert_eq!(
            data.text(Tag(0x08, 0x18)).as_deref(),
            Some("1.3.6.1.4.1.9590.100.01.7"),
            "{name}"
        );
        assert_eq!(
            data.texts(Tag(0x08, 0x08)),
            ["ORIGINAL", "PRIMARY", "OTHER"],
            "{name}"
        );
        assert_eq!(data.number(Tag(0x18, 0x1060)), Some(37.5), "{name}");
        assert_eq!(
            data.numbers(Tag(0x20, 0x32)),
            Some(vec![-10.5, 20.0, 32.5]),
            "{name}"
        );
        assert_eq!(data.integer(Tag(0x20, 0x13)), Some(7), "{name}");
        assert_eq!(
            data.integer(Tag(0x28, 0x100)),
            Some(i64::from(file.pixels().unwrap().bits_allocated)),
            "{name}"
        );
        assert!(
            data.has(Tag(0x19, 0x1001)) && Tag(0x19, 0x1001).is_private(),
            "{name}"
        );
        let [middle] = data.items(Tag(0x08, 0x1110))[..] else {
            panic!("{name}")
        };
        assert_eq!(middle.number(Tag(0x18, 0x50)), Some(8.0), "{name}");
        let inner = middle.items(Tag(0x08, 0x1140));
        assert_eq!(inner.len(), 3, "{name}");
        assert_eq!(
            inner[2].text(Tag(0x08, 0x1155)).as_deref(),
            Some("1.2.3"),
            "{name}"
        );
        assert!(
            !inner[1].has(Tag(0x08, 0x1155)) && !data.has(Tag(0x08, 0x1155)),
            "{name}"
        );
    }
}
