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
