//! DICOM files and zip archives that a service on the network is sent sooner or later, each with the refusal that it has to get. Made from
//! code, so that none of them lies in the repository.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One DICOM file.
    File,
    /// A zip archive, refused as a whole.
    Archive,
    /// A zip archive that can be read, whose files are refused.
    Files,
}

/// One upload and its refusal.
pub struct DicomCase {
    /// What is wrong with it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Code of the reader's error, when the header is read, or else when the first frame is.
    pub code: &'static str,
    make: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl DicomCase {
    /// The bytes. Made anew each time: some are large for a moment.
    pub fn bytes(&self) -> Vec<u8> {
        (self.make)()
    }
}

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const RLE: &str = "1.2.840.10008.1.2.5";
const JPEG: &str = "1.2.840.10008.1.2.4.70";
const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";

type Tag = (u16, u16);

const PIXELS: Tag = (0x7fe0, 0x0010);
const ITEM: [u8; 4] = [0xfe, 0xff, 0x00, 0xe0];
const SEQUENCE_END: [u8; 8] = [0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0];
const UNDEFINED: u32 = 0xffff_ffff;

/// The head of an element with a length that need not be true.
fn head((group, element): Tag, vr: &str, length: u32) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
    bytes.extend(vr.as_bytes());
    if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
        bytes.extend([0, 0]);
        bytes.extend(length.to_le_bytes());
    } else {
        bytes.extend((length as u16).to_le_bytes());
    }
    bytes
}

fn element(tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
    [head(tag, vr, value.len() as u32), value.to_vec()].concat()
}

fn short(tag: Tag, value: u16) -> Vec<u8> {
    element(tag, "US", &value.to_le_bytes())
}

fn item(content: &[u8]) -> Vec<u8> {
    [&ITEM[..], &(content.len() as u32).to_le_bytes(), content].concat()
}

/// Preamble, mark and file meta information.
fn meta(syntax: &str) -> Vec<u8> {
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(element((2, 0x10), "UI", &uid));
    file
}

/// A data set that describes an image; the values of some attributes can be others.
#[derive(Clone)]
struct Image {
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Image {
    /// 4 rows of 6 columns, 12 bits of 16.
    fn new() -> Image {
        let mut attributes = vec![
            (0x02, short((0x28, 0x02), 1)),
            (0x04, element((0x28, 0x04), "CS", b"MONOCHROME2 ")),
        ];
        for (tag, value) in [
            (0x10, 4),
            (0x11, 6),
            (0x100, 16),
            (0x101, 12),
            (0x102, 11),
            (0x103, 0),
        ] {
            attributes.push((tag, short((0x28, tag), value)));
        }
        Image { attributes }
    }

    /// With another element in the place of an attribute of group 0028, or one more.
    fn with(mut self, tag: u16, element: Vec<u8>) -> Image {
        self.attributes.retain(|(there, _)| *there != tag);
        self.attributes.push((tag, element));
        self.attributes.sort_by_key(|(tag, _)| *tag);
        self
    }

    fn number(self, tag: u16, value: u16) -> Image {
        self.with(tag, short((0x28, tag), value))
    }

    fn frames(self, frames: &str) -> Image {
        self.with(0x08, element((0x28, 0x08), "IS", frames.as_bytes()))
    }

    fn set(&self) -> Vec<u8> {
        let start = element((0x08, 0x60), "CS", b"MR");
        let attributes = self
            .attributes
            .iter()
            .flat_map(|(_, element)| element.iter().copied());
        start.into_iter().chain(attributes).collect()
    }

    /// A whole file with pixels that are not compressed.
    fn native(&self) -> Vec<u8> {
        let pixels: Vec<u8> = (0..24u16).flat_map(u16::to_le_bytes).collect();
        [meta(EXPLICIT), self.set(), element(PIXELS, "OW", &pixels)].concat()
    }

    /// A whole file with fragments, the first of which is the offset table.
    fn fragments(&self, syntax: &str, fragments: &[&[u8]]) -> Vec<u8> {
        let items = fragments.iter().flat_map(|fragment| item(fragment));
        let mut file = [meta(syntax), self.set(), head(PIXELS, "OB", UNDEFINED)].concat();
        file.extend(items);
        file.extend(SEQUENCE_END);
        file
    }
}

/// An RLE frame of so many segments that start at these places.
fn rle(segments: u32, offsets: &[u32], data: &[u8]) -> Vec<u8> {
    let mut frame = segments.to_le_bytes().to_vec();
    frame.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
    frame.resize(64, 0);
    frame.extend(data);
    frame
}

/// A lossless JPEG image of these sizes whose only Huffman table has so many codes of each length.
fn jpeg(rows: u16, columns: u16, counts: [u8; 16], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xc3, 0, 11, 12];
    bytes.extend(rows.to_be_bytes());
    bytes.extend(columns.to_be_bytes());
    bytes.extend([1, 1, 0x11, 0]);
    let codes: usize = counts.iter().map(|count| usize::from(*count)).sum();
    bytes.extend([0xff, 0xc4]);
    bytes.extend((19 + codes as u16).to_be_bytes());
    bytes.push(0);
    bytes.extend(counts);
    bytes.extend((0..codes).map(|code| code as u8));
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0]);
    bytes.extend(data);
    bytes.extend([0xff, 0xd9]);
    bytes
}

/// The start of a JPEG 2000 codestream of these sizes with so many components.
fn codestream(rows: u32, columns: u32, components: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0x4f, 0xff, 0x51];
    bytes.extend((38 + 3 * components).to_be_bytes());
    bytes.extend([0, 0]);
    for size in [columns, rows, 0, 0, columns, rows, 0, 0] {
        bytes.extend(size.to_be_bytes());
    }
    bytes.extend(components.to_be_bytes());
    for _ in 0..components {
        bytes.extend([11, 1, 1]);
    }
    bytes
}

/// A whole codestream of 512 x 512: five times halved, every precinct of the size with these exponents, and nothing in it.
fn empty_codestream(precincts: u8, tile: u32) -> Vec<u8> {
    let mut bytes = codestream(512, 512, 1);
    for at in [24, 28] {
        if let Some(size) = bytes.get_mut(at..at + 4) {
            size.copy_from_slice(&tile.to_be_bytes());
        }
    }
    bytes.extend([0xff, 0x52, 0, 18, 1, 0, 0, 1, 0, 5, 0, 0, 0, 1]);
    bytes.extend([precincts; 6]);
    bytes.extend([0xff, 0x5c, 0, 19, 0x40]);
    bytes.extend([0x60; 16]);
    bytes.extend([0xff, 0x90, 0, 10, 0, 0, 0, 0, 0, 24, 0, 1, 0xff, 0x93]);
    bytes.extend([0; 10]);
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// An archive of these files.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        // Writing into memory does not fail.
        let _ = writer.start_file(*name, options);
        let _ = writer.write_all(bytes);
    }
    writer.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// An archive with the bytes at a distance from each mark replaced.
fn forged(files: &[(&str, &[u8])], mark: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = archive(files);
    let mut from = 0;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| rest.windows(mark.len()).position(|window| window == mark))
    {
        let start = from + found + at;
        if let Some(place) = bytes.get_mut(start..start + with.len()) {
            place.copy_from_slice(with);
        }
        from += found + mark.len();
    }
    bytes
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";

/// Ten entries of a directory that all lie at the same place, which zip programs unpack ten times.
fn overlapping() -> Vec<u8> {
    let good = Image::new().native();
    let names: Vec<String> = (0..10).map(|index| format!("{index}")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), good.as_slice()))
        .collect();
    // The place of the local header is at 42 of an entry.
    forged(&files, CENTRAL, 42, &[0; 4])
}

/// A directory that says it has hundreds of millions of entries, in a record of zip64.
fn many_announced() -> Vec<u8> {
    let mut bytes = archive(&[("a", &Image::new().native())]);
    let end = bytes.len() - 22;
    let directory = bytes.get(end + 12..end + 20).unwrap_or_default().to_vec();
    let (size, start) = directory.split_at(4);
    let tail = bytes.split_off(end);
    let record_at = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(300_000_000u64.to_le_bytes());
    bytes.extend(300_000_000u64.to_le_bytes());
    for part in [size, start] {
        bytes.extend(part);
        bytes.extend([0; 4]);
    }
    bytes.extend(b"PK\x06\x07");
    bytes.extend([0; 4]);
    bytes.extend(record_at.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    let mut tail = tail;
    if let Some(counts) = tail.get_mut(8..20) {
        counts.fill(0xff);
    }
    bytes.extend(tail);
    bytes
}

/// Every case.
pub fn cases() -> Vec<DicomCase> {
    let mut cases = Vec::new();
    let mut add = |name, kind, code, make: Box<dyn Fn() -> Vec<u8> + Send + Sync>| {
        cases.push(DicomCase {
            name,
            kind,
            code,
            make,
        });
    };
    macro_rules! file {
        ($name:literal, $code:literal, $make:expr) => {
            add($name, Kind::File, $code, Box::new(move || $make))
        };
    }
    macro_rules! zipped {
        ($name:literal, $kind:expr, $code:literal, $make:expr) => {
            add($name, $kind, $code, Box::new(move || $make))
        };
    }

    // What is no DICOM, and what is cut.
    file!("only a preamble", "not_dicom", vec![0; 128]);
    file!(
        "a picture",
        "not_dicom",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".repeat(20)
    );
    file!("cut in the head of an element", "truncated", {
        let mut file = [meta(EXPLICIT), Image::new().set()].concat();
        file.truncate(file.len() - 5);
        file
    });
    file!("cut in its pixels", "pixels_truncated", {
        let mut file = Image::new().native();
        file.truncate(file.len() - 1);
        file
    });
    file!("cut in its file meta information", "truncated", {
        let mut file = meta(EXPLICIT);
        file.truncate(file.len() - 3);
        file
    });

    // Lengths that lie.
    file!("a text of four gigabytes", "truncated", {
        let text = head((0x08, 0x103e), "UT", 0xffff_fffe);
        [meta(EXPLICIT), text, Image::new().native()].concat()
    });
    file!(
        "a text of four gigabytes without a representation",
        "truncated",
        {
            [
                meta(IMPLICIT),
                vec![0x08, 0, 0x3e, 0x10, 0xfe, 0xff, 0xff, 0xff],
                vec![0; 64],
            ]
            .concat()
        }
    );
    file!(
        "a name of four gigabytes in the file meta information",
        "truncated",
        {
            let mut file = vec![0; 128];
            file.extend(b"DICM");
            file.extend(head((2, 0x102), "OB", 0xffff_fffe));
            file
        }
    );
    file!("a text without a length", "bad_element", {
        [
            meta(EXPLICIT),
            head((0x08, 0x103e), "UT", UNDEFINED),
            Image::new().set(),
        ]
        .concat()
    });
    file!("an item that is longer than its sequence", "truncated", {
        let sequence = [&ITEM[..], &[0xff, 0xff, 0xff, 0x7f]].concat();
        [meta(EXPLICIT), element((0x08, 0x1140), "SQ", &sequence)].concat()
    });
    file!("a sequence of no items", "bad_element", {
        let sequence = element((0x08, 0x60), "CS", b"MR");
        [meta(EXPLICIT), element((0x08, 0x1140), "SQ", &sequence)].concat()
    });
    file!("a sequence without an end", "truncated", {
        let sequence = head((0x08, 0x1140), "SQ", UNDEFINED);
        [meta(EXPLICIT), sequence, item(&[])].concat()
    });
    file!("an item outside of any sequence", "bad_element", {
        [meta(EXPLICIT), Image::new().set(), item(&[])].concat()
    });
    file!("a value representation that is none", "bad_element", {
        [meta(EXPLICIT), Image::new().set(), head((0x30, 0), "?!", 0)].concat()
    });

    // Work and memory out of little.
    file!("ten thousand sequences in one another", "too_deep", {
        let open = [
            head((0x08, 0x1140), "SQ", UNDEFINED),
            ITEM.to_vec(),
            UNDEFINED.to_le_bytes().to_vec(),
        ]
        .concat();
        [meta(EXPLICIT), open.repeat(10_000)].concat()
    });
    file!(
        "sequences in one another that are said to be unknown",
        "too_deep",
        {
            let mut inner = Vec::new();
            for _ in 0..100 {
                inner = element((0x09, 0x1001), "UN", &item(&inner));
            }
            let open = [
                head((0x09, 0x1001), "UN", UNDEFINED),
                ITEM.to_vec(),
                UNDEFINED.to_le_bytes().to_vec(),
            ]
            .concat();
            // Inside of what is unknown nothing has a representation.
            let implicit = [
                &[0x09, 0, 1, 0x10, 0xff, 0xff, 0xff, 0xff][..],
                &ITEM,
                &UNDEFINED.to_le_bytes(),
            ]
            .concat();
            [meta(EXPLICIT), open, implicit.repeat(100), inner].concat()
        }
    );
    file!("a million empty elements", "too_many_elements", {
        [
            meta(EXPLICIT),
            head((0x09, 0x1001), "LO", 0).repeat(1_000_000),
        ]
        .concat()
    });
    file!("a million empty items", "too_many_elements", {
        [
            meta(EXPLICIT),
            element((0x08, 0x1140), "SQ", &item(&[]).repeat(1_000_000)),
        ]
        .concat()
    });
    file!("a million empty fragments", "too_many_elements", {
        let mut file = Image::new().fragments(JPEG, &[]);
        file.truncate(file.len() - SEQUENCE_END.len());
        file.extend(item(&[]).repeat(1_000_000));
        file.extend(SEQUENCE_END);
        file
    });
    file!("forty megabytes before the pixels", "header_too_large", {
        [
            meta(EXPLICIT),
            element((0x08, 0x103e), "UT", &vec![b' '; 40 << 20]),
            Image::new().native(),
        ]
        .concat()
    });
    file!("a deflate bomb", "inflate_ratio", {
        [
            meta(DEFLATED),
            deflated(&element((0x08, 0x103e), "UT", &vec![b' '; 24 << 20])),
        ]
        .concat()
    });
    file!("a deflated data set that is cut", "corrupt_deflate", {
        let mut file = [meta(DEFLATED), deflated(&Image::new().set())].concat();
        file.truncate(file.len() - 8);
        file
    });
    file!("a deflated data set that is none", "corrupt_deflate", {
        [meta(DEFLATED), Image::new().set()].concat()
    });

    // Sizes that lie.
    file!("65,535 rows and columns", "too_large", {
        Image::new()
            .number(0x10, 0xffff)
            .number(0x11, 0xffff)
            .frames("2147483647")
            .native()
    });
    file!(
        "more frames than can be counted",
        "too_large",
        Image::new().frames("99999999999").native()
    );
    file!(
        "512 x 512 of which 48 bytes are there",
        "pixels_truncated",
        {
            Image::new()
                .number(0x10, 512)
                .number(0x11, 512)
                .frames("6400")
                .native()
        }
    );
    file!("rows of 32 bits where 16 are expected", "too_large", {
        Image::new()
            .with(
                0x10,
                element((0x28, 0x10), "UL", &0x0001_0004u32.to_le_bytes()),
            )
            .native()
    });
    file!(
        "no rows",
        "bad_attribute",
        Image::new().number(0x10, 0).native()
    );
    file!(
        "no frames",
        "bad_attribute",
        Image::new().frames("0 ").native()
    );
    file!(
        "less than no frames",
        "bad_attribute",
        Image::new().frames("-1").native()
    );
    file!("columns that are a text", "missing_attribute", {
        Image::new()
            .with(0x11, element((0x28, 0x11), "LO", b"many"))
            .native()
    });
    file!(
        "17 bits stored in 16",
        "bad_attribute",
        Image::new().number(0x101, 17).native()
    );
    file!(
        "no bits stored",
        "bad_attribute",
        Image::new().number(0x101, 0).native()
    );
    file!(
        "a high bit that leaves no room",
        "bad_attribute",
        Image::new().number(0x102, 3).native()
    );
    file!(
        "a high bit above those allocated",
        "bad_attribute",
        Image::new().number(0x102, 16).native()
    );
    file!(
        "65,535 bits allocated",
        "bad_attribute",
        Image::new().number(0x100, 0xffff).native()
    );
    file!(
        "65,535 samples a pixel",
        "bad_attribute",
        Image::new().number(0x02, 0xffff).native()
    );
    file!("a palette that is not there", "not_grey", {
        Image::new()
            .with(0x04, element((0x28, 0x04), "CS", b"PALETTE COLOR "))
            .with(0x1101, element((0x28, 0x1101), "US", &[0xff; 6]))
            .native()
    });
    file!("colours", "not_grey", {
        Image::new()
            .with(0x04, element((0x28, 0x04), "CS", b"RGB "))
            .number(0x02, 3)
            .native()
    });
    file!(
        "no pixels",
        "no_pixels",
        [meta(EXPLICIT), Image::new().set()].concat()
    );

    // Transfer syntaxes that lie or are not read.
    file!(
        "a transfer syntax that is none",
        "unknown_transfer_syntax",
        { [meta("1.2.826.0.1.3680043.10.999"), Image::new().set()].concat() }
    );
    file!("JPEG-LS", "unsupported_transfer_syntax", {
        Image::new().fragments("1.2.840.10008.1.2.4.80", &[&[], &[0xff, 0xd8]])
    });
    file!("a film", "unsupported_transfer_syntax", {
        Image::new().fragments("1.2.840.10008.1.2.4.102", &[&[], &[0, 0, 1, 0xb3]])
    });
    file!(
        "pixels that are said to be compressed and are not",
        "bad_fragments",
        {
            [
                meta(JPEG),
                Image::new().set(),
                element(PIXELS, "OW", &[0; 48]),
            ]
            .concat()
        }
    );
    file!(
        "pixels that are said not to be compressed and are",
        "pixels_truncated",
        { Image::new().fragments(EXPLICIT, &[&[], &[0; 48]]) }
    );

    // Fragments.
    file!("a fragment beyond the end", "truncated", {
        let mut file = Image::new().fragments(RLE, &[&[], &rle(2, &[64, 66], &[0; 8])]);
        file.truncate(file.len() - 10);
        file
    });
    file!("a fragment of four gigabytes", "truncated", {
        let mut file = Image::new().fragments(RLE, &[&[]]);
        file.truncate(file.len() - SEQUENCE_END.len());
        [file, ITEM.to_vec(), vec![0xfe, 0xff, 0xff, 0xff]].concat()
    });
    file!("fragments without an end", "truncated", {
        let mut file = Image::new().fragments(RLE, &[&[], &rle(2, &[64, 66], &[0; 8])]);
        file.truncate(file.len() - SEQUENCE_END.len());
        file
    });
    file!(
        "one small frame in many large fragments",
        "bad_fragments",
        {
            let large = vec![0x80; 1 << 20];
            Image::new().fragments(RLE, &[&[], &large, &large, &large])
        }
    );
    file!("fewer fragments than frames", "bad_fragments", {
        Image::new()
            .frames("3 ")
            .fragments(RLE, &[&[], &[0; 64], &[0; 64]])
    });
    file!(
        "an offset table that points beyond the end",
        "bad_fragments",
        {
            let table = [0u32, 0xffff_fff0].map(u32::to_le_bytes).concat();
            Image::new()
                .frames("2 ")
                .fragments(JPEG, &[&table, &[0; 8], &[0; 8], &[0; 8]])
        }
    );
    file!("an element among fragments", "bad_element", {
        let mut file = Image::new().fragments(RLE, &[&[]]);
        file.truncate(file.len() - SEQUENCE_END.len());
        [file, element((0x08, 0x60), "CS", b"MR")].concat()
    });

    // Codecs.
    file!("RLE of fifteen segments", "frame_mismatch", {
        Image::new().fragments(RLE, &[&[], &rle(15, &[64; 15], &[0; 64])])
    });
    file!("RLE of a segment beyond the end", "bad_frame", {
        Image::new().fragments(RLE, &[&[], &rle(2, &[64, 0xffff_fff0], &[0; 64])])
    });
    file!("RLE of a segment inside its header", "bad_frame", {
        Image::new().fragments(RLE, &[&[], &rle(2, &[0, 64], &[0; 64])])
    });
    file!("RLE that ends before the last pixel", "bad_frame", {
        Image::new().fragments(RLE, &[&[], &rle(2, &[64, 66], &[0xfe, 7, 0xe9, 7])])
    });
    file!("RLE of runs that have no byte", "bad_frame", {
        Image::new().fragments(RLE, &[&[], &rle(2, &[64, 65], &[0x81; 2])])
    });
    file!("RLE that says nothing, very long", "bad_fragments", {
        Image::new().fragments(RLE, &[&[], &rle(2, &[64, 65], &vec![0x80; 8 << 20])])
    });
    file!("JPEG of 65,535 x 65,535", "frame_mismatch", {
        Image::new().fragments(JPEG, &[&[], &jpeg(0xffff, 0xffff, [0; 16], &[])])
    });
    file!("JPEG with more codes than there are", "bad_frame", {
        Image::new().fragments(
            JPEG,
            &[
                &[],
                &jpeg(
                    4,
                    6,
                    [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    &[0; 9],
                ),
            ],
        )
    });
    file!("JPEG without a code", "bad_frame", {
        Image::new().fragments(JPEG, &[&[], &jpeg(4, 6, [0; 16], &[0; 64])])
    });
    file!("JPEG that ends before its last sample", "bad_frame", {
        Image::new().fragments(
            JPEG,
            &[
                &[],
                &jpeg(4, 6, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0]),
            ],
        )
    });
    file!("JPEG that is progressive", "bad_frame", {
        let mut image = jpeg(4, 6, [0; 16], &[]);
        if let Some(marker) = image.get_mut(3) {
            *marker = 0xc2;
        }
        Image::new().fragments(JPEG, &[&[], &image])
    });
    file!("JPEG of markers alone", "bad_frame", {
        Image::new().fragments(
            JPEG,
            &[&[], &[vec![0xff, 0xd8], vec![0xff; 100_000]].concat()],
        )
    });
    file!("JPEG 2000 of four billion rows", "frame_mismatch", {
        Image::new().fragments(JPEG_2000, &[&[], &codestream(0xffff_ffff, 6, 1)])
    });
    file!("JPEG 2000 of 16,384 components", "frame_mismatch", {
        Image::new().fragments(JPEG_2000, &[&[], &codestream(4, 6, 16_384)])
    });
    file!("JPEG 2000 that ends behind its sizes", "bad_frame", {
        Image::new().fragments(JPEG_2000, &[&[], &codestream(4, 6, 1)])
    });

    let of_512 = || Image::new().number(0x10, 512).number(0x11, 512);
    file!("JPEG 2000 of a million precincts", "bad_frame", {
        of_512().fragments(JPEG_2000, &[&[], &empty_codestream(0x11, 512)])
    });
    file!("JPEG 2000 of a quarter of a million tiles", "bad_frame", {
        of_512().fragments(JPEG_2000, &[&[], &empty_codestream(0xff, 1)])
    });
    file!("JPEG 2000 that ends in its data", "bad_frame", {
        let mut stream = empty_codestream(0xff, 512);
        stream.truncate(stream.len() - 4);
        of_512().fragments(JPEG_2000, &[&[], &stream])
    });

    // Archives.
    zipped!("an archive that is cut", Kind::Archive, "bad_zip", {
        let mut bytes = archive(&[("a", &Image::new().native())]);
        bytes.truncate(bytes.len() - 30);
        bytes
    });
    zipped!(
        "an archive of no bytes behind its mark",
        Kind::Archive,
        "bad_zip",
        LOCAL.to_vec()
    );
    zipped!(
        "a bomb",
        Kind::Archive,
        "inflate_ratio",
        archive(&[("a", &vec![0; 24 << 20])])
    );
    zipped!("a bomb in many files", Kind::Archive, "inflate_ratio", {
        let zeros = vec![0; 1 << 20];
        let names: Vec<String> = (0..24).map(|index| format!("{index}")).collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), zeros.as_slice()))
            .collect();
        archive(&files)
    });
    zipped!(
        "a file that inflates to more than it says",
        Kind::Archive,
        "bad_zip",
        { forged(&[("a", &Image::new().native())], CENTRAL, 24, &[1, 0, 0, 0]) }
    );
    zipped!(
        "a file that says it inflates to four gigabytes",
        Kind::Archive,
        "bad_zip",
        {
            forged(
                &[("a", &Image::new().native())],
                CENTRAL,
                24,
                &[0xfe, 0xff, 0xff, 0xff],
            )
        }
    );
    zipped!(
        "a file whose compressed bytes reach beyond the archive",
        Kind::Archive,
        "bad_zip",
        {
            forged(
                &[("a", &Image::new().native())],
                CENTRAL,
                20,
                &[0xfe, 0xff, 0xff, 0x7f],
            )
        }
    );
    zipped!("a wrong checksum", Kind::Archive, "bad_zip", {
        forged(&[("a", &Image::new().native())], CENTRAL, 16, &[1, 2, 3, 4])
    });
    zipped!(
        "files that overlap",
        Kind::Archive,
        "bad_zip",
        overlapping()
    );
    zipped!(
        "hundreds of millions of files, announced",
        Kind::Archive,
        "too_many_files",
        many_announced()
    );
    zipped!(
        "twenty thousand and one files",
        Kind::Archive,
        "too_many_files",
        {
            let names: Vec<String> = (0..20_001).map(|index| format!("{index}")).collect();
            let files: Vec<(&str, &[u8])> =
                names.iter().map(|name| (name.as_str(), &b""[..])).collect();
            archive(&files)
        }
    );
    zipped!("a file with a password", Kind::Archive, "bad_zip", {
        forged(&[("a", &Image::new().native())], CENTRAL, 8, &[1, 0])
    });
    zipped!(
        "a file compressed with something else",
        Kind::Archive,
        "bad_zip",
        { forged(&[("a", &Image::new().native())], CENTRAL, 10, &[14, 0]) }
    );
    zipped!("two files of one name", Kind::Archive, "bad_zip", {
        let good = Image::new().native();
        // The writer refuses it, so that the second name is changed behind its back.
        let bytes = archive(&[("a", &good), ("b", &good)]);
        let mut twice = bytes.clone();
        for (at, window) in bytes.windows(4).enumerate() {
            let name_at = match window {
                window if window == LOCAL => at + 30,
                window if window == CENTRAL => at + 46,
                _ => continue,
            };
            if let Some(name) = twice.get_mut(name_at) {
                *name = b'a';
            }
        }
        twice
    });
    zipped!("an archive in an archive", Kind::Files, "not_dicom", {
        let inner = archive(&[("a", &Image::new().native())]);
        archive(&[("inner.zip", &inner)])
    });
    zipped!(
        "names that lead elsewhere, in front of a file that is cut",
        Kind::Files,
        "truncated",
        {
            let mut file = [meta(EXPLICIT), Image::new().set()].concat();
            file.truncate(file.len() - 5);
            archive(&[
                ("../../../../etc/passwd", &file),
                ("C:\\windows\\system32\\a", &file),
            ])
        }
    );
    cases
}

/// Uploads that look like an attack and are good: they have to be read. Each is one file.
pub fn good() -> Vec<(&'static str, Vec<u8>)> {
    let with_preamble = |preamble: &[u8]| {
        let mut file = Image::new().native();
        if let Some(place) = file.get_mut(..preamble.len()) {
            place.copy_from_slice(preamble);
        }
        file
    };
    vec![
        (
            "a preamble that is a program",
            with_preamble(b"MZ\x90\0\x03\0\0\0"),
        ),
        (
            "a preamble that is a picture",
            with_preamble(b"II*\0\x10\0\0\0"),
        ),
        (
            "a script in the preamble",
            with_preamble(b"#!/bin/sh\nexit\n"),
        ),
    ]
}
