//! Files made byte by byte, one for each way of writing a data set.

use bytes::Bytes;
use cinecor_dicom::{DicomError, DicomFile, Limits, Tag, looks_like_dicom};

/// Which way a file is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Implicit,
    Explicit,
    Big,
}

impl Way {
    fn uid(self) -> &'static str {
        match self {
            Way::Implicit => "1.2.840.10008.1.2",
            Way::Explicit => "1.2.840.10008.1.2.1",
            Way::Big => "1.2.840.10008.1.2.2",
        }
    }

    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Way::Big => value.to_be_bytes(),
            _ => value.to_le_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Way::Big => value.to_be_bytes(),
            _ => value.to_le_bytes(),
        }
    }

    fn tag(self, tag: (u16, u16)) -> Vec<u8> {
        [self.u16(tag.0), self.u16(tag.1)].concat()
    }

    fn element(self, tag: (u16, u16), vr: &str, value: &[u8]) -> Vec<u8> {
        let mut bytes = self.tag(tag);
        let length = value.len() as u32;
        if self == Way::Implicit {
            bytes.extend(self.u32(length));
        } else {
            bytes.extend(vr.as_bytes());
            if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
                bytes.extend([0, 0]);
                bytes.extend(self.u32(length));
            } else {
                bytes.extend(self.u16(length as u16));
            }
        }
        bytes.extend(value);
        bytes
    }

    fn short(self, tag: (u16, u16), value: u16) -> Vec<u8> {
        self.element(tag, "US", &self.u16(value))
    }
}

/// Preamble, mark and file meta information.
fn meta(uid: &str) -> Vec<u8> {
    let mut uid = uid.as_bytes().to_vec();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(Way::Explicit.element((2, 0x10), "UI", &uid));
    file
}

/// 2 rows of 3 columns, 12 bits of 16, signed.
fn image(way: Way) -> Vec<u8> {
    let mut set = way.element((0x10, 0x10), "PN", b"Nobody^Here ");
    set.extend(way.element((0x18, 0x50), "DS", b"8.5 "));
    set.extend(way.element((0x28, 0x04), "CS", b"MONOCHROME2 "));
    for (element, value) in [
        (0x02, 1),
        (0x10, 2),
        (0x11, 3),
        (0x100, 16),
        (0x101, 12),
        (0x102, 11),
        (0x103, 1),
    ] {
        set.extend(way.short((0x28, element), value));
    }
    let pixels: Vec<u8> = [0u16, 1, 0x7ff, 0x800, 0xfff, 0xf001]
        .into_iter()
        .flat_map(|value| way.u16(value))
        .collect();
    set.extend(way.element((0x7fe0, 0x10), "OW", &pixels));
    set
}

fn read(bytes: Vec<u8>) -> Result<DicomFile, DicomError> {
    DicomFile::read(Bytes::from(bytes), &Limits::default())
}

#[test]
fn reads_each_way_of_writing_a_data_set() {
    for way in [Way::Implicit, Way::Explicit, Way::Big] {
        let bytes = [meta(way.uid()), image(way)].concat();
        assert!(looks_like_dicom(&bytes), "{way:?}");
        let file = read(bytes).unwrap();
        assert_eq!(file.transfer_syntax().uid, way.uid());
        assert_eq!(file.data().number(Tag(0x18, 0x50)), Some(8.5), "{way:?}");
        assert_eq!(file.data().integer(Tag(0x28, 0x11)), Some(3), "{way:?}");
        let mut frame = vec![7];
        file.frame(0, &mut frame).unwrap();
        assert_eq!(frame, [0, 1, 2047, -2048, -1, 1], "{way:?}");
        assert!(!format!("{file:?} {:?}", file.data()).contains("Nobody"));
    }
}

#[test]
fn reads_a_data_set_without_preamble_and_meta_information() {
    for way in [Way::Implicit, Way::Explicit, Way::Big] {
        let start = way.element((8, 5), "CS", b"ISO_IR 100");
        let bytes = [start, image(way)].concat();
        assert!(looks_like_dicom(&bytes), "{way:?}");
        let file = read(bytes).unwrap();
        assert_eq!(file.transfer_syntax().uid, way.uid());
        assert_eq!(file.pixels().unwrap().rows, 2);
    }
}

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const UNDEFINED: [u8; 4] = [0xff; 4];
const ITEM: [u8; 4] = [0xfe, 0xff, 0x00, 0xe0];
const ITEM_END: [u8; 8] = [0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0];
const SEQUENCE_END: [u8; 8] = [0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0];

/// An explicit file with more elements in front of its image.
fn explicit(more: &[u8]) -> DicomFile {
    let file = read([&meta(EXPLICIT)[..], more, &image(Way::Explicit)].concat());
    let file = file.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(file.pixels().unwrap().columns, 3);
    file
}

fn tag(tag: (u16, u16)) -> Vec<u8> {
    Way::Explicit.tag(tag)
}

#[test]
fn sequences_end_at_their_marks_where_they_have_no_length() {
    let inner = Way::Explicit.element((0x20, 0x13), "IS", b"3 ");
    let open = [&tag((8, 0x1140))[..], b"SQ\0\0", &UNDEFINED].concat();
    let sequence = [
        &open[..],
        &ITEM,
        &UNDEFINED,
        &inner,
        &ITEM_END,
        &ITEM,
        &[0; 4],
        &SEQUENCE_END,
    ]
    .concat();
    let file = explicit(&sequence);
    let items = file.data().items(Tag(8, 0x1140));
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].integer(Tag(0x20, 0x13)), Some(3));
}

#[test]
fn what_is_unknown_and_has_no_length_is_read_without_value_representations() {
    let inner = Way::Implicit.element((0x20, 0x13), "IS", b"3 ");
    let nested = [
        &tag((9, 0x1002))[..],
        &UNDEFINED,
        &ITEM,
        &UNDEFINED,
        &inner,
        &ITEM_END,
        &SEQUENCE_END,
    ]
    .concat();
    let open = [&tag((9, 0x1001))[..], b"UN\0\0", &UNDEFINED].concat();
    let file = explicit(
        &[
            &open[..],
            &ITEM,
            &UNDEFINED,
            &nested,
            &ITEM_END,
            &SEQUENCE_END,
        ]
        .concat(),
    );
    let item = file.data().items(Tag(9, 0x1001))[0];
    assert_eq!(
        item.items(Tag(9, 0x1002))[0].integer(Tag(0x20, 0x13)),
        Some(3)
    );
}

#[test]
fn unknown_bytes_that_only_look_like_items_are_a_value() {
    let value = [&ITEM[..], &[200, 0, 0, 0], b"not an item after all"].concat();
    let file = explicit(&Way::Explicit.element((9, 0x1001), "UN", &value));
    let data = file.data();
    assert!(data.has(Tag(9, 0x1001)) && data.items(Tag(9, 0x1001)).is_empty());
    // It is there once, and nothing of what was tried is left behind.
    let with: Vec<Tag> = data.tags().collect();
    let without = explicit(&[]);
    let expected: Vec<Tag> = [Tag(9, 0x1001)]
        .into_iter()
        .chain(without.data().tags())
        .collect();
    assert_eq!(with, expected);
    assert!(data.text(Tag(9, 0x1001)).unwrap().ends_with("after all"));
}

#[test]
fn unknown_values_of_known_attributes_are_numbers() {
    let file = explicit(&Way::Explicit.element((0x20, 0x9057), "UN", &[7, 0, 0, 0]));
    assert_eq!(file.data().integer(Tag(0x20, 0x9057)), Some(7));
}

#[test]
fn values_of_odd_length_are_read_as_long_as_they_are() {
    let file = explicit(&Way::Explicit.element((0x08, 0x60), "CS", b"MRI"));
    assert_eq!(file.data().text(Tag(8, 0x60)).as_deref(), Some("MRI"));
}

#[test]
fn a_picture_inside_a_sequence_is_not_the_pixels() {
    let icon = [
        &Way::Explicit.short((0x28, 0x11), 99)[..],
        &tag((0x7fe0, 0x10)),
        b"OB\0\0",
        &UNDEFINED,
        &ITEM,
        &[0; 4],
        &ITEM,
        &[2, 0, 0, 0, 0xff, 0xd8],
        &SEQUENCE_END,
    ]
    .concat();
    let open = [&tag((0x88, 0x200))[..], b"SQ\0\0", &UNDEFINED].concat();
    let file = explicit(
        &[
            &open[..],
            &ITEM,
            &UNDEFINED,
            &icon,
            &ITEM_END,
            &SEQUENCE_END,
        ]
        .concat(),
    );
    assert_eq!(
        file.data().items(Tag(0x88, 0x200))[0].integer(Tag(0x28, 0x11)),
        Some(99)
    );
    assert_eq!(file.data().integer(Tag(0x28, 0x11)), Some(3));
}

#[test]
fn the_length_of_the_meta_information_is_not_believed() {
    for length in [None, Some(0), Some(4), Some(9999)] {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        if let Some(length) = length {
            file.extend(Way::Explicit.element((2, 0), "UL", &u32::to_le_bytes(length)));
        }
        file.extend(&meta(EXPLICIT)[132..]);
        file.extend(image(Way::Explicit));
        assert_eq!(read(file).unwrap().transfer_syntax().uid, EXPLICIT);
    }
}

#[test]
fn meta_information_without_a_preamble_is_read() {
    let file = [&meta(EXPLICIT)[132..], &image(Way::Explicit)].concat();
    assert!(looks_like_dicom(&file));
    assert_eq!(read(file).unwrap().pixels().unwrap().rows, 2);
}

#[test]
fn a_data_set_that_is_not_written_as_its_file_says_is_read_as_it_is() {
    let start = |way: Way| way.element((8, 5), "CS", b"ISO_IR 100");
    for (said, way) in [
        (Way::Implicit, Way::Explicit),
        (Way::Explicit, Way::Implicit),
    ] {
        let file = [meta(said.uid()), start(way), image(way)].concat();
        assert_eq!(read(file).unwrap().pixels().unwrap().rows, 2, "{way:?}");
    }
}

#[test]
fn what_fills_a_file_up_is_stepped_over() {
    let padding = Way::Explicit.element((0xfffc, 0xfffc), "OB", &[0; 10]);
    let file = [meta(EXPLICIT), image(Way::Explicit), padding, vec![0; 7]].concat();
    assert_eq!(read(file).unwrap().pixels().unwrap().frames, 1);
    let without = [
        meta(EXPLICIT),
        Way::Explicit.element((8, 0x60), "CS", b"MR"),
        vec![0; 51],
    ]
    .concat();
    let file = read(without).unwrap();
    assert!(file.pixels().is_none() && file.data().has(Tag(8, 0x60)));
    assert_eq!(file.frame(0, &mut Vec::new()), Err(DicomError::NoPixels));
}

#[test]
fn the_value_around_the_image_is_as_signed_as_its_pixels() {
    for (vr, value, expected) in [
        ("US", 0xf830u16, -2000),
        ("SS", 0xf830, -2000),
        ("US", 5, 5),
    ] {
        let file = explicit(&Way::Explicit.element((0x28, 0x120), vr, &value.to_le_bytes()));
        let padding = file.pixels().unwrap().padding;
        assert_eq!(padding, Some([expected; 2]), "{vr}");
    }
}

#[test]
fn a_range_of_values_around_the_image_is_read_in_either_direction() {
    let range = |way: Way, elements: &[(u16, u16)]| {
        let elements: Vec<u8> = elements
            .iter()
            .flat_map(|(tag, value)| way.short((0x28, *tag), *value))
            .collect();
        let file = [meta(way.uid()), elements, image(way)].concat();
        read(file).unwrap().pixels().unwrap().padding
    };
    for way in [Way::Implicit, Way::Explicit, Way::Big] {
        // -2000 to -5: the pixels have a sign.
        let (value, limit) = (0xf830, 0xfffb);
        let expected = Some([-2000, -5]);
        assert_eq!(range(way, &[(0x120, value), (0x121, limit)]), expected);
        assert_eq!(range(way, &[(0x120, limit), (0x121, value)]), expected);
        // A limit alone limits nothing.
        assert_eq!(range(way, &[(0x121, limit)]), None);
    }
}

#[test]
fn numbers_are_numbers_or_nothing() {
    for (text, expected) in [
        ("1.5\\-2e1 ", Some(vec![1.5, -20.0])),
        (" 7", Some(vec![7.0])),
        ("+3", Some(vec![3.0])),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("1\\", None),
        ("one", None),
        ("", None),
    ] {
        let file = explicit(&Way::Explicit.element((0x20, 0x32), "DS", text.as_bytes()));
        assert_eq!(file.data().numbers(Tag(0x20, 0x32)), expected, "{text}");
    }
    let file = explicit(&Way::Explicit.element((0x18, 0x9073), "FD", &f64::NAN.to_le_bytes()));
    assert_eq!(file.data().number(Tag(0x18, 0x9073)), None);
    let file = explicit(&Way::Explicit.element((0x20, 0x9057), "UL", &[1, 2, 3]));
    assert_eq!(file.data().number(Tag(0x20, 0x9057)), None);
}

#[test]
fn what_is_no_dicom_does_not_look_like_it() {
    for bytes in [
        &b""[..],
        &[0; 200],
        b"PK\x03\x04 and so on and so on",
        b"\x08\x00\x05\x00\xff\xff\xff\xff",
        b"\x5c\x01\x00\x00 a NIfTI header",
        b"{\"a\": 1}",
    ] {
        assert!(!looks_like_dicom(bytes), "{bytes:?}");
        assert_eq!(read(bytes.to_vec()).unwrap_err(), DicomError::NotDicom);
    }
}

#[test]
fn a_frame_that_is_not_there_is_refused() {
    let file = explicit(&[]);
    let refused = file.frame(1, &mut Vec::new());
    assert_eq!(
        refused,
        Err(DicomError::NoSuchFrame {
            index: 1,
            frames: 1
        })
    );
}

#[test]
fn values_without_a_sign_that_need_all_32_bits_are_refused() {
    let mut set = Way::Explicit.element((0x28, 4), "CS", b"MONOCHROME2 ");
    for (tag, value) in [(0x10, 1), (0x11, 1), (0x100, 32)] {
        set.extend(Way::Explicit.short((0x28, tag), value));
    }
    set.extend(Way::Explicit.element((0x7fe0, 0x10), "OW", &[0, 0, 0, 0x80]));
    let file = read([meta(EXPLICIT), set].concat()).unwrap();
    assert_eq!(
        file.frame(0, &mut Vec::new()),
        Err(DicomError::ValueTooLarge)
    );
}

#[test]
fn what_is_binary_is_known_where_no_file_says_it() {
    let way = Way::Implicit;
    let set = [
        way.element((0x18, 0x9074), "DT", b"20260131120000.5"),
        way.element((0x18, 0x9220), "FD", &41.5f64.to_le_bytes()),
        way.element((0x20, 0x9153), "FD", &812.25f64.to_le_bytes()),
        way.element((0x20, 0x9157), "UL", &[1, 0, 0, 0, 9, 0, 0, 0]),
        way.element((0x20, 0x9241), "FL", &37.5f32.to_le_bytes()),
        image(way),
    ];
    let file = read([meta(way.uid()), set.concat()].concat()).unwrap();
    let data = file.data();
    assert_eq!(
        data.text(Tag(0x18, 0x9074)).as_deref(),
        Some("20260131120000.5")
    );
    assert_eq!(data.number(Tag(0x18, 0x9220)), Some(41.5));
    assert_eq!(data.number(Tag(0x20, 0x9153)), Some(812.25));
    assert_eq!(data.numbers(Tag(0x20, 0x9157)), Some(vec![1.0, 9.0]));
    assert_eq!(data.number(Tag(0x20, 0x9241)), Some(37.5));
    // Binary is no text, wherever it stands.
    assert_eq!(data.text(Tag(0x20, 0x9153)), None);
}

#[test]
fn the_offset_table_says_which_fragments_make_a_frame() {
    // 1 row of 2 columns of 8 bits: a literal of two values. The second frame is split in the middle of its header.
    let frame = |values: [u8; 2]| {
        let mut frame = [1u32, 64].map(u32::to_le_bytes).concat();
        frame.resize(64, 0);
        [&frame[..], &[1], &values, &[0]].concat()
    };
    let item = |value: &[u8]| [&ITEM[..], &(value.len() as u32).to_le_bytes(), value].concat();
    let (first, second) = (frame([7, 8]), frame([9, 250]));
    let mut set = Way::Explicit.element((0x28, 4), "CS", b"MONOCHROME2 ");
    set.extend(Way::Explicit.element((0x28, 8), "IS", b"2 "));
    for (tag, value) in [(0x10, 1), (0x11, 2), (0x100, 8)] {
        set.extend(Way::Explicit.short((0x28, tag), value));
    }
    set.extend([&tag((0x7fe0, 0x10))[..], b"OB\0\0", &UNDEFINED].concat());
    let file = |table: &[u32]| {
        let table: Vec<u8> = table
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect();
        let pixels = [
            item(&table),
            item(&first),
            item(&second[..20]),
            item(&second[20..]),
        ]
        .concat();
        read(
            [
                &meta("1.2.840.10008.1.2.5")[..],
                &set,
                &pixels,
                &SEQUENCE_END,
            ]
            .concat(),
        )
    };
    let behind_first = 8 + first.len() as u32;
    let good = file(&[0, behind_first]).unwrap();
    let mut values = Vec::new();
    good.frame(0, &mut values).unwrap();
    assert_eq!(values, [7, 8]);
    good.frame(1, &mut values).unwrap();
    assert_eq!(values, [9, 250]);
    for lie in [
        &[][..],
        &[0],
        &[0, 0],
        &[0, behind_first + 2],
        &[behind_first, 0],
        &[8, behind_first],
    ] {
        assert!(
            matches!(file(lie), Err(DicomError::BadFragments { .. })),
            "{lie:?}"
        );
    }
}
