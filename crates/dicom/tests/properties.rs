//! What is written is what is read, and nothing that is done to a good file makes the reader panic.

use bytes::Bytes;
use cinecor_dicom::{DicomFile, Item, Limits, Tag, files_of_zip, looks_like_dicom};
use proptest::prelude::*;

/// Which way a data set is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Implicit,
    Explicit,
    Big,
}

impl Way {
    fn number(self, value: u64, bytes: usize) -> Vec<u8> {
        match self {
            Way::Big => value.to_be_bytes()[8 - bytes..].to_vec(),
            _ => value.to_le_bytes()[..bytes].to_vec(),
        }
    }

    fn element(self, tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
        let mut bytes = [self.number(tag.0.into(), 2), self.number(tag.1.into(), 2)].concat();
        let is_long = ["OB", "OW", "SQ", "UN", "UT"].contains(&vr);
        if self != Way::Implicit {
            bytes.extend(vr.as_bytes());
            bytes.extend(is_long.then_some([0, 0]).into_iter().flatten());
        }
        let width = if self == Way::Implicit || is_long {
            4
        } else {
            2
        };
        bytes.extend(self.number(value.len() as u64, width));
        bytes.extend(value);
        bytes
    }

    fn item(self, content: &[u8]) -> Vec<u8> {
        let mut bytes = [self.number(0xfffe, 2), self.number(0xe000, 2)].concat();
        bytes.extend(self.number(content.len() as u64, 4));
        bytes.extend(content);
        bytes
    }

    fn file(self, set: &[u8]) -> Bytes {
        let uid: &[u8] = match self {
            Way::Implicit => b"1.2.840.10008.1.2\0",
            Way::Explicit => b"1.2.840.10008.1.2.1\0",
            Way::Big => b"1.2.840.10008.1.2.2\0",
        };
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        file.extend(Way::Explicit.element(Tag(2, 0x10), "UI", uid));
        file.extend(set);
        file.into()
    }
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![Just(Way::Implicit), Just(Way::Explicit), Just(Way::Big)]
}

/// Everything that can be asked, of every element.
fn ask(item: &Item<'_>) {
    for tag in item.tags() {
        assert!(item.has(tag));
        let _ = (
            item.text(tag),
            item.texts(tag),
            item.numbers(tag),
            item.integer(tag),
        );
        item.items(tag).iter().for_each(ask);
    }
}

/// Reads a file to the end, whatever it is.
fn exhaust(bytes: Vec<u8>) {
    let limits = Limits {
        inflated_bytes: 1 << 20,
        ..Limits::default()
    };
    let bytes = Bytes::from(bytes);
    let _ = looks_like_dicom(&bytes);
    if let Ok(file) = DicomFile::read(bytes, &limits) {
        ask(&file.data());
        let mut values = Vec::new();
        for frame in 0..file.pixels().map_or(1, |pixels| pixels.frames.min(4)) {
            if file.frame(frame, &mut values).is_ok() {
                assert_eq!(
                    Some(values.len()),
                    file.pixels().map(|pixels| pixels.rows * pixels.columns)
                );
            }
        }
    }
}

fn good_files() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "dcm"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// A change: where, in parts of the whole length, and what is put there in place of how many bytes.
fn changes() -> impl Strategy<Value = Vec<(f64, Vec<u8>, usize)>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        Just(vec![0xff; 4]),
        Just(vec![0xfe, 0xff, 0x00, 0xe0]),
        Just(vec![0xfe, 0xff, 0xdd, 0xe0]),
    ];
    proptest::collection::vec((0.0..1.0f64, bytes, 0usize..5), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_good_file_panics(changes in changes(), end in 0.0..1.3f64) {
        for mut file in good_files() {
            // Where a header ends and pixels start is where most can go wrong.
            for (at, bytes, replaced) in &changes {
                let at = (at * file.len() as f64) as usize;
                let to = (at + replaced).min(file.len());
                file.splice(at..to, bytes.iter().copied());
            }
            file.truncate((end * file.len() as f64) as usize);
            exhaust(file);
        }
    }

    #[test]
    fn no_bytes_at_all_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), mark in any::<bool>()) {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        let file = if mark { [file, bytes.clone()].concat() } else { bytes.clone() };
        exhaust(file);
        let _ = files_of_zip([b"PK\x03\x04".to_vec(), bytes].concat().into(), &Limits::default(), drop);
    }

    #[test]
    fn values_come_back(way in way(), text in "[A-Za-z0-9^]{1,20}", number in -9999i32..9999, count in 1usize..5, depth in 0usize..5) {
        let numbers = vec![number.to_string(); count].join("\\");
        let mut set = way.element(Tag(8, 0x60), "CS", text.as_bytes());
        set.extend(way.element(Tag(0x20, 0x32), "DS", numbers.as_bytes()));
        set.extend(way.element(Tag(0x20, 0x9057), "UL", &way.number(number.unsigned_abs().into(), 4)));
        set.extend(way.element(Tag(0x20, 0x9153), "FD", &way.number(f64::from(number).to_bits(), 8)));
        set.extend(way.element(Tag(0x20, 0x4000), "LT", b""));
        let mut nested = set.clone();
        for _ in 0..depth {
            let items = [way.item(&nested), way.item(&[])].concat();
            nested = [way.element(Tag(8, 0x1140), "SQ", &items), set.clone()].concat();
        }
        let file = DicomFile::read(way.file(&nested), &Limits::default()).unwrap();
        let mut item = file.data();
        for _ in 0..depth {
            let items = item.items(Tag(8, 0x1140));
            prop_assert_eq!(items.len(), 2);
            prop_assert_eq!(items[1].tags().count(), 0);
            item = items[0];
        }
        let found = item.text(Tag(8, 0x60));
        prop_assert_eq!(found.as_deref(), Some(text.as_str()));
        prop_assert_eq!(item.numbers(Tag(0x20, 0x32)), Some(vec![f64::from(number); count]));
        prop_assert_eq!(item.integer(Tag(0x20, 0x9057)), Some(i64::from(number.abs())));
        prop_assert_eq!(item.number(Tag(0x20, 0x9153)), Some(f64::from(number)));
        prop_assert_eq!(item.text(Tag(0x20, 0x4000)), None);
        prop_assert!(item.has(Tag(0x20, 0x4000)) && !item.has(Tag(8, 0x1140)));
    }

    #[test]
    fn stored_values_are_the_bits_that_the_header_names(
        way in way(),
        width in prop_oneof![Just(1usize), Just(2), Just(4)],
        stored in 1u32..=32,
        above in 0u32..32,
        signed in any::<bool>(),
        raw in proptest::collection::vec(any::<u32>(), 6),
    ) {
        let allocated = 8 * width as u32;
        let stored = stored.min(allocated).min(31);
        let high = (stored - 1 + above).min(allocated - 1);
        let mut set = way.element(Tag(0x28, 4), "CS", b"MONOCHROME1 ");
        for (tag, value) in [
            (0x10, 2), (0x11, 3), (0x100, allocated), (0x101, stored), (0x102, high), (0x103, u32::from(signed)),
        ] {
            set.extend(way.element(Tag(0x28, tag), "US", &way.number(value.into(), 2)));
        }
        let pixels: Vec<u8> = raw.iter().flat_map(|value| way.number(u64::from(*value) & ((1 << allocated) - 1), width)).collect();
        set.extend(way.element(Tag(0x7fe0, 0x10), "OB", &pixels));
        let file = DicomFile::read(way.file(&set), &Limits::default()).unwrap();
        let mut values = Vec::new();
        file.frame(0, &mut values).unwrap();
        let expected: Vec<i32> = raw.iter().map(|value| {
            let value = (i64::from(*value) >> (high + 1 - stored)) & ((1 << stored) - 1);
            let sign = signed && value >= 1 << (stored - 1);
            (if sign { value - (1 << stored) } else { value }) as i32
        }).collect();
        prop_assert_eq!(values, expected);
    }

    #[test]
    fn run_lengths_come_back(values in proptest::collection::vec(prop_oneof![3 => Just(7u16), 1 => any::<u16>()], 12)) {
        // A run where two follow each other that are the same, else a literal; both as short as can be and as long.
        let packed = |bytes: Vec<u8>| {
            let mut packed = Vec::new();
            let mut at = 0;
            while at < bytes.len() {
                let run = bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count();
                if run > 1 {
                    packed.extend([(257 - run) as u8, bytes[at]]);
                    at += run;
                } else {
                    packed.extend([0, bytes[at], 0x80]);
                    at += 1;
                }
            }
            packed
        };
        let high = packed(values.iter().map(|value| (value >> 8) as u8).collect());
        let low = packed(values.iter().map(|value| *value as u8).collect());
        let mut frame = [2u32, 64, 64 + high.len() as u32].map(u32::to_le_bytes).concat();
        frame.resize(64, 0);
        frame.extend(high);
        frame.extend(low);
        let file = compressed("1.2.840.10008.1.2.5", 3, 4, &frame);
        let file = DicomFile::read(file, &Limits::default()).unwrap();
        let mut found = Vec::new();
        file.frame(0, &mut found).unwrap();
        prop_assert_eq!(found, values.iter().map(|value| i32::from(*value)).collect::<Vec<_>>());
    }
}

/// A file with one compressed frame of 16 bits.
fn compressed(uid: &str, rows: u64, columns: u64, frame: &[u8]) -> Bytes {
    let way = Way::Explicit;
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(way.element(Tag(2, 0x10), "UI", uid.as_bytes()));
    file.extend(way.element(Tag(0x28, 4), "CS", b"MONOCHROME2 "));
    for (tag, value) in [(0x10, rows), (0x11, columns), (0x100, 16)] {
        file.extend(way.element(Tag(0x28, tag), "US", &way.number(value, 2)));
    }
    file.extend([
        0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ]);
    file.extend(way.item(&[]));
    file.extend(way.item(frame));
    file.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    file.into()
}
