//! Files that a service on the network is sent sooner or later, each with the refusal that it has to get: cut, lying, broken,
//! of another kind, or made to exhaust memory. Made from code, so that none of them lies in the repository.
//!
//! Every case is refused by any route that takes a volume or a mask; [`Case::expected`] says how.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// One file and its refusal.
pub struct Case {
    /// What is wrong with it.
    pub name: String,
    /// Status of the answer.
    pub status: u16,
    /// Slug at the end of the problem's `type`.
    pub slug: &'static str,
    /// Code of the decoder's error.
    pub code: &'static str,
    /// Status, slug and code where a mask is expected, if they are others.
    pub as_mask: Option<(u16, &'static str, &'static str)>,
    /// Whether its header asks for more voxels than are compared at once.
    pub is_large: bool,
    make: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl Case {
    /// The file. Made anew each time: some are large for a moment.
    pub fn bytes(&self) -> Vec<u8> {
        (self.make)()
    }

    /// Status, slug and code of its refusal by a route that takes it as this.
    pub fn expected(&self, taken_as: TakenAs) -> (u16, &'static str, &'static str) {
        match (taken_as, self.as_mask) {
            // Both masks have to be in memory, so that the sizes alone are a reason.
            (TakenAs::Compared, _) if self.is_large => (413, "volume-too-large", "too_large"),
            (TakenAs::Measured | TakenAs::Compared, Some((status, slug, code))) => {
                (status, slug, code)
            }
            _ => (self.status, self.slug, self.code),
        }
    }
}

/// What a route takes a file as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAs {
    /// A volume.
    Volume,
    /// A mask that is measured.
    Measured,
    /// A mask that is compared with another.
    Compared,
}

/// The refusals that the files of the corpus get.
#[derive(Clone, Copy)]
enum Refused {
    /// Another kind of file.
    Kind,
    /// A volume above a limit.
    Volume,
    /// More inflated bytes than allowed.
    Body,
    /// A content that cannot be believed.
    Content,
}

impl Refused {
    fn answer(self) -> (u16, &'static str) {
        match self {
            Refused::Kind => (415, "unsupported-media-type"),
            Refused::Volume => (413, "volume-too-large"),
            Refused::Body => (413, "body-too-large"),
            Refused::Content => (422, "invalid-volume"),
        }
    }
}

/// A small good cine that the broken ones are made of: 6 columns x 5 rows x 4 slices x 3 frames of int16.
#[derive(Clone)]
pub struct Nifti {
    big_endian: bool,
    two: bool,
    bytes: Vec<u8>,
}

const COLUMNS: i64 = 6;
const ROWS: i64 = 5;
const SLICES: i64 = 4;
const FRAMES: i64 = 3;

impl Nifti {
    /// NIfTI-1, little-endian.
    pub fn one() -> Nifti {
        Nifti::new(false, false)
    }

    /// NIfTI-2, little-endian.
    pub fn two() -> Nifti {
        Nifti::new(true, false)
    }

    fn new(two: bool, big_endian: bool) -> Nifti {
        let mut nifti = Nifti {
            big_endian,
            two,
            bytes: vec![0; if two { 544 } else { 352 }],
        };
        nifti.put_i32(0, if two { 540 } else { 348 });
        nifti.put(
            if two { 4 } else { 344 },
            if two { b"n+2\0\r\n\x1a\n" } else { b"n+1\0" },
        );
        let mut nifti = nifti
            .dim([4, COLUMNS, ROWS, SLICES, FRAMES, 1, 1, 1])
            .datatype(4, 16);
        for (index, value) in [1.0, 1.5, 1.5, 8.0, 40.0].into_iter().enumerate() {
            nifti = nifti.pixdim(index, value);
        }
        nifti = nifti
            .vox_offset(if two { 544.0 } else { 352.0 })
            .scaling(1.0, 0.0);
        // Millimetres and milliseconds.
        if two {
            nifti.put_i32(500, 18)
        } else {
            nifti.put(123, &[18])
        }
        for voxel in 0..COLUMNS * ROWS * SLICES * FRAMES {
            // Labels repeat, so that the same file is a good mask.
            let stored = i16::try_from(voxel % 4).unwrap_or(0);
            let bytes = if big_endian {
                stored.to_be_bytes()
            } else {
                stored.to_le_bytes()
            };
            nifti.bytes.extend(bytes);
        }
        nifti
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The first frames of it alone.
    pub fn with_frames(self, frames: i64) -> Nifti {
        let voxels = 2 * COLUMNS * ROWS * SLICES * frames;
        let mut nifti = self.dim([4, COLUMNS, ROWS, SLICES, frames, 1, 1, 1]);
        let header = if nifti.two { 544 } else { 352 };
        nifti
            .bytes
            .truncate(header + usize::try_from(voxels).unwrap_or(0));
        nifti
    }

    /// The same with a name in every field of the header that can hold text, and in an extension behind it.
    pub fn with_name(mut self, name: &str) -> Nifti {
        // Offset and length: data_type, db_name, descrip, aux_file, intent_name; NIfTI-2 has the last three.
        let fields: &[(usize, usize)] = match self.two {
            true => &[(240, 80), (320, 24), (508, 16)],
            false => &[(4, 10), (14, 18), (148, 80), (228, 24), (328, 16)],
        };
        for &(at, length) in fields {
            let mut text = name.as_bytes().to_vec();
            text.resize(length, 0);
            self.put(at, &text);
        }
        let header = if self.two { 540 } else { 348 };
        self.put(header, &[1, 0, 0, 0]);
        // An extension of 32 bytes that is a comment.
        let mut extension = [32i32.to_le_bytes(), 6i32.to_le_bytes()].concat();
        extension.extend_from_slice(name.as_bytes());
        extension.resize(32, 0);
        self.bytes.splice(header + 4..header + 4, extension);
        let start = (header + 4 + 32) as f64;
        self.vox_offset(start)
    }

    /// One frame of 512 x 512 and so many slices of doubles without a pattern.
    pub fn largest_frame(slices: i64) -> Vec<u8> {
        let voxels = usize::try_from(512 * 512 * slices).unwrap_or(0);
        let mut bytes = noise(5, 8 * voxels);
        for double in bytes.chunks_exact_mut(8) {
            // From 1 to 1.9.., whatever the noise is.
            double[6] |= 0xf0;
            double[7] = 0x3f;
        }
        Nifti::one()
            .dim([3, 512, 512, slices, 1, 1, 1, 1])
            .datatype(64, 64)
            .voxels(bytes)
            .bytes()
    }

    /// A good mask of 512 x 512 and so many slices and frames, in gzip; it is mostly background.
    pub fn largest_mask(slices: i64, frames: i64) -> Vec<u8> {
        let head = Nifti::one()
            .dim([4, 512, 512, slices, frames, 1, 1, 1])
            .datatype(2, 8)
            .voxels(Vec::new())
            .bytes();
        let mut slice = vec![0u8; 512 * 512];
        for (index, voxel) in slice.iter_mut().enumerate().step_by(97) {
            *voxel = (index % 4) as u8;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing into memory does not fail.
        let _ = encoder.write_all(&head);
        for _ in 0..slices * frames {
            let _ = encoder.write_all(&slice);
        }
        encoder.finish().unwrap_or_default()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put_number<const N: usize>(&mut self, at: usize, mut little_endian: [u8; N]) {
        if self.big_endian {
            little_endian.reverse();
        }
        self.put(at, &little_endian);
    }

    fn put_i16(&mut self, at: usize, value: i16) {
        self.put_number(at, value.to_le_bytes());
    }

    fn put_i32(&mut self, at: usize, value: i32) {
        self.put_number(at, value.to_le_bytes());
    }

    /// A number that is single precision in NIfTI-1 and double in NIfTI-2, where they stand in the same order.
    fn put_float(&mut self, one: usize, two: usize, value: f64) {
        if self.two {
            self.put_number(two, value.to_le_bytes());
        } else {
            self.put_number(one, (value as f32).to_le_bytes());
        }
    }

    fn dim(mut self, dim: [i64; 8]) -> Nifti {
        for (index, size) in dim.into_iter().enumerate() {
            if self.two {
                self.put_number(16 + 8 * index, size.to_le_bytes());
            } else {
                self.put_i16(40 + 2 * index, i16::try_from(size).unwrap_or(i16::MAX));
            }
        }
        self
    }

    fn datatype(mut self, code: i16, bits: i16) -> Nifti {
        let at = if self.two { 12 } else { 70 };
        self.put_i16(at, code);
        self.put_i16(at + 2, bits);
        self
    }

    fn pixdim(mut self, index: usize, value: f64) -> Nifti {
        self.put_float(76 + 4 * index, 104 + 8 * index, value);
        self
    }

    fn vox_offset(mut self, value: f64) -> Nifti {
        if self.two {
            self.put_number(168, (value as i64).to_le_bytes());
        } else {
            self.put_number(108, (value as f32).to_le_bytes());
        }
        self
    }

    fn scaling(mut self, slope: f64, inter: f64) -> Nifti {
        self.put_float(112, 176, slope);
        self.put_float(116, 184, inter);
        self
    }

    fn magic(mut self, magic: &[u8]) -> Nifti {
        self.put(if self.two { 4 } else { 344 }, magic);
        self
    }

    /// Other voxels behind the header.
    fn voxels(mut self, voxels: Vec<u8>) -> Nifti {
        self.bytes.truncate(if self.two { 544 } else { 352 });
        self.bytes.extend(voxels);
        self
    }
}

/// A file as one gzip member, at the level that compresses most: bombs are packed well.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Bytes without a pattern, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// Gathers cases.
struct Corpus(Vec<Case>);

impl Corpus {
    fn add(
        &mut self,
        name: impl Into<String>,
        refused: Refused,
        code: &'static str,
        make: impl Fn() -> Vec<u8> + Send + Sync + 'static,
    ) -> &mut Case {
        let (status, slug) = refused.answer();
        self.0.push(Case {
            name: name.into(),
            status,
            slug,
            code,
            as_mask: None,
            is_large: false,
            make: Box::new(make),
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// A header field gone wrong, in every form of the file that can have it.
    fn add_forms(
        &mut self,
        name: &str,
        refused: Refused,
        code: &'static str,
        change: impl Fn(Nifti) -> Nifti + Clone + Send + Sync + 'static,
    ) {
        for (form, two, big_endian) in [
            ("NIfTI-1", false, false),
            ("big-endian NIfTI-1", false, true),
            ("NIfTI-2", true, false),
        ] {
            let change = change.clone();
            self.add(format!("{form}: {name}"), refused, code, move || {
                change(Nifti::new(two, big_endian)).bytes()
            });
        }
    }
}

/// Every case, more than 150.
pub fn cases() -> Vec<Case> {
    let mut corpus = Corpus(Vec::new());
    other_kinds(&mut corpus);
    cuts(&mut corpus);
    sizes(&mut corpus);
    fields(&mut corpus);
    voxels(&mut corpus);
    broken_gzip(&mut corpus);
    bombs(&mut corpus);
    corpus.0
}

fn other_kinds(corpus: &mut Corpus) {
    corpus.add("nothing", Refused::Content, "empty", Vec::new);
    let padded = |start: &[u8], length: usize| {
        let mut bytes = start.to_vec();
        bytes.resize(length.max(start.len()), 0x5a);
        bytes
    };
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM\x02\0\0\0UL\x04\0\x10\0\0\0");
    let mut tar = vec![b'a'; 512];
    tar[257..263].copy_from_slice(b"ustar\0");
    let kinds: Vec<(&str, Vec<u8>)> = vec![
        ("one byte", vec![7]),
        ("two bytes of a NIfTI header", vec![0x5c, 1]),
        ("a text", b"The patient is well.\n".to_vec()),
        ("a long text", b"The patient is well.\n".repeat(200)),
        (
            "a text in UTF-8",
            "Der Patient fühlt sich wohl. ".repeat(30).into_bytes(),
        ),
        ("HTML", b"<!doctype html><title>heart</title>".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><heart/>".to_vec()),
        ("JSON", br#"{"volume": []}"#.to_vec()),
        ("CSV", b"frame,ml\n0,130\n".to_vec()),
        ("PNG", padded(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 600)),
        ("JPEG", padded(b"\xff\xd8\xff\xe0\0\x10JFIF", 600)),
        ("GIF", padded(b"GIF89a", 600)),
        ("BMP", padded(b"BM\x36\0\x0c\0\0\0\0\0", 600)),
        ("TIFF", padded(b"II*\0\x08\0\0\0", 600)),
        ("PDF", padded(b"%PDF-1.7\n\x80\x81", 600)),
        ("a tar archive", tar),
        ("bzip2", padded(b"BZh91AY&SY\x80", 600)),
        ("xz", padded(b"\xfd7zXZ\0\0\x04", 600)),
        ("Zstandard", padded(b"\x28\xb5\x2f\xfd\x24", 600)),
        ("HDF5", padded(b"\x89HDF\r\n\x1a\n", 600)),
        ("NRRD", padded(b"NRRD0005\n# x\n\x80", 600)),
        ("MetaImage", padded(b"ObjectType = Image\n\x80", 600)),
        ("MGH", padded(b"\0\0\0\x01\0\0\x01\0", 600)),
        ("NumPy", padded(b"\x93NUMPY\x01\0", 600)),
        ("ELF", padded(b"\x7fELF\x02\x01\x01\0", 600)),
        ("WebAssembly", padded(b"\0asm\x01\0\0\0", 600)),
        ("zeros", vec![0; 1000]),
        ("ones", vec![0xff; 1000]),
    ];
    // As a volume these are DICOM, and broken; as a mask they are another kind of file.
    let as_mask = Some((415, "unsupported-media-type", "unsupported_format"));
    for (name, code, bytes) in [
        ("a zip archive", "bad_zip", padded(b"PK\x03\x04\x14\0", 600)),
        ("an empty zip archive", "bad_zip", padded(b"PK\x05\x06", 22)),
        ("DICOM", "not_dicom", dicom),
    ] {
        let inside = bytes.clone();
        corpus
            .add(name, Refused::Content, code, move || bytes.clone())
            .as_mask = as_mask;
        corpus.add(
            format!("{name} in gzip"),
            Refused::Kind,
            "unsupported_format",
            move || packed(&inside),
        );
    }
    for (name, bytes) in kinds {
        let inside = bytes.clone();
        corpus.add(name, Refused::Kind, "unsupported_format", move || {
            bytes.clone()
        });
        if inside.len() > 3 {
            corpus.add(
                format!("{name} in gzip"),
                Refused::Kind,
                "unsupported_format",
                move || packed(&inside),
            );
        }
    }
    for seed in 1..=6u64 {
        corpus.add(
            format!("noise of seed {seed}"),
            Refused::Kind,
            "unsupported_format",
            move || noise(seed, 5000),
        );
    }
    corpus.add(
        "100 MB of zeros",
        Refused::Kind,
        "unsupported_format",
        || vec![0; 100_000_000],
    );
    corpus.add(
        "100 MB of zeros in gzip",
        Refused::Kind,
        "unsupported_format",
        || packed(&vec![0; 100_000_000]),
    );
    corpus.add("nothing in gzip", Refused::Content, "empty", || packed(&[]));
    corpus.add(
        "a good file in gzip in gzip",
        Refused::Kind,
        "unsupported_format",
        || packed(&packed(&Nifti::one().bytes())),
    );
    corpus.add(
        "NIfTI and DICOM at once",
        Refused::Kind,
        "unsupported_format",
        || {
            let mut nifti = Nifti::one();
            nifti.put(128, b"DICM");
            nifti.bytes()
        },
    );
    corpus.add_forms(
        "the header of a pair",
        Refused::Kind,
        "unsupported_format",
        |nifti| {
            let magic: &[u8] = if nifti.two { b"ni2\0" } else { b"ni1\0" };
            nifti.magic(magic)
        },
    );
    for big_endian in [false, true] {
        corpus.add(
            format!("Analyze 7.5, big-endian {big_endian}"),
            Refused::Kind,
            "unsupported_format",
            move || Nifti::new(false, big_endian).magic(&[0; 4]).bytes(),
        );
    }
    corpus.add_forms(
        "an unknown version",
        Refused::Content,
        "not_nifti",
        |nifti| nifti.magic(b"n+7\0"),
    );
    corpus.add_forms(
        "the magic in capitals",
        Refused::Content,
        "not_nifti",
        |nifti| nifti.magic(b"N+1\0"),
    );
    corpus.add(
        "NIfTI-2's size and NIfTI-1's magic",
        Refused::Content,
        "not_nifti",
        || {
            let mut nifti = Nifti::one();
            nifti.put_i32(0, 540);
            nifti.bytes()
        },
    );
    corpus.add(
        "a header size of 347",
        Refused::Kind,
        "unsupported_format",
        || {
            let mut nifti = Nifti::one();
            nifti.put_i32(0, 347);
            nifti.bytes()
        },
    );
}

fn cuts(corpus: &mut Corpus) {
    for length in [4usize, 40, 200, 347, 348, 351, 352, 353, 500] {
        corpus.add(
            format!("NIfTI-1 cut after {length} bytes"),
            Refused::Content,
            "truncated",
            move || {
                let mut bytes = Nifti::one().bytes();
                bytes.truncate(length);
                bytes
            },
        );
    }
    for length in [4usize, 100, 539, 540, 544, 700] {
        corpus.add(
            format!("NIfTI-2 cut after {length} bytes"),
            Refused::Content,
            "truncated",
            move || {
                let mut bytes = Nifti::two().bytes();
                bytes.truncate(length);
                bytes
            },
        );
    }
    corpus.add_forms(
        "the last byte missing",
        Refused::Content,
        "truncated",
        |mut nifti| {
            nifti.bytes.pop();
            nifti
        },
    );
    for length in [2usize, 3, 9, 10, 12, 30, 50] {
        corpus.add(
            format!("gzip cut after {length} bytes"),
            Refused::Content,
            "truncated",
            move || {
                let mut bytes = packed(&Nifti::one().bytes());
                bytes.truncate(length);
                bytes
            },
        );
    }
    for missing in [1usize, 4, 8, 9] {
        corpus.add(
            format!("gzip without its last {missing} bytes"),
            Refused::Content,
            "truncated",
            move || {
                let mut bytes = packed(&Nifti::one().bytes());
                bytes.truncate(bytes.len() - missing);
                bytes
            },
        );
    }
    corpus.add(
        "a whole gzip of a cut file",
        Refused::Content,
        "truncated",
        || {
            let mut bytes = Nifti::one().bytes();
            bytes.truncate(600);
            packed(&bytes)
        },
    );
    corpus.add(
        "extensions that never come",
        Refused::Content,
        "truncated",
        || Nifti::one().vox_offset(1_000_000.0).bytes(),
    );
}

fn sizes(corpus: &mut Corpus) {
    let sized = |dim: [i64; 8]| move |nifti: Nifti| nifti.dim(dim);
    let lies = [
        (
            "no dimensions",
            "unsupported_dimensions",
            [0, 6, 5, 4, 3, 1, 1, 1],
        ),
        (
            "one dimension",
            "unsupported_dimensions",
            [1, 360, 1, 1, 1, 1, 1, 1],
        ),
        (
            "two dimensions",
            "unsupported_dimensions",
            [2, 18, 20, 1, 1, 1, 1, 1],
        ),
        (
            "five dimensions",
            "unsupported_dimensions",
            [5, 6, 5, 4, 1, 3, 1, 1],
        ),
        (
            "seven dimensions",
            "unsupported_dimensions",
            [7, 6, 5, 4, 1, 1, 1, 3],
        ),
        (
            "eight dimensions",
            "unsupported_dimensions",
            [8, 6, 5, 4, 3, 1, 1, 1],
        ),
        (
            "-1 dimensions",
            "unsupported_dimensions",
            [-1, 6, 5, 4, 3, 1, 1, 1],
        ),
        ("no columns", "bad_dimension", [4, 0, 5, 4, 3, 1, 1, 1]),
        ("no rows", "bad_dimension", [4, 6, 0, 4, 3, 1, 1, 1]),
        ("no slices", "bad_dimension", [4, 6, 5, 0, 3, 1, 1, 1]),
        ("no frames", "bad_dimension", [4, 6, 5, 4, 0, 1, 1, 1]),
        (
            "minus six columns",
            "bad_dimension",
            [4, -6, 5, 4, 3, 1, 1, 1],
        ),
        (
            "the smallest number of frames",
            "bad_dimension",
            [4, 6, 5, 4, i16::MIN as i64, 1, 1, 1],
        ),
        (
            "a frame more than there is",
            "truncated",
            [4, 6, 5, 4, 4, 1, 1, 1],
        ),
        (
            "a slice more than there is",
            "truncated",
            [4, 6, 5, 5, 3, 1, 1, 1],
        ),
        (
            "a frame fewer than there is",
            "trailing_data",
            [4, 6, 5, 4, 2, 1, 1, 1],
        ),
        (
            "one frame of three",
            "trailing_data",
            [3, 6, 5, 4, 3, 1, 1, 1],
        ),
    ];
    for (name, code, dim) in lies {
        corpus.add_forms(name, Refused::Content, code, sized(dim));
    }
    let large = [
        ("513 columns", [4, 513, 5, 4, 3, 1, 1, 1]),
        ("513 rows", [4, 6, 513, 4, 3, 1, 1, 1]),
        ("65 slices", [4, 6, 5, 65, 3, 1, 1, 1]),
        ("101 frames", [4, 6, 5, 4, 101, 1, 1, 1]),
        (
            "the largest 16-bit sizes",
            [4, 32767, 32767, 32767, 32767, 1, 1, 1],
        ),
    ];
    for (name, dim) in large {
        corpus.add_forms(name, Refused::Volume, "too_large", sized(dim));
    }
    corpus.add(
        "NIfTI-2: 2^40 columns",
        Refused::Volume,
        "too_large",
        || Nifti::two().dim([4, 1 << 40, 5, 4, 3, 1, 1, 1]).bytes(),
    );
    for (name, dim) in [
        ("2^62 columns", [3, 1 << 62, 5, 4, 1, 1, 1, 1]),
        (
            "2^32 on every axis",
            [4, 1 << 32, 1 << 32, 1 << 32, 1 << 32, 1, 1, 1],
        ),
        (
            "sizes whose product wraps to 360",
            [4, 360, 1 << 32, 1 << 32, 1, 1, 1, 1],
        ),
        (
            "the largest size",
            [4, i64::MAX, i64::MAX, i64::MAX, i64::MAX, 1, 1, 1],
        ),
    ] {
        corpus.add(
            format!("NIfTI-2: {name}"),
            Refused::Content,
            "dimension_overflow",
            move || Nifti::two().dim(dim).bytes(),
        );
    }
    corpus.add(
        "NIfTI-2: the smallest size",
        Refused::Content,
        "bad_dimension",
        || Nifti::two().dim([4, i64::MIN, 5, 4, 3, 1, 1, 1]).bytes(),
    );
}

fn fields(corpus: &mut Corpus) {
    for (index, axis) in [(1, "columns"), (2, "rows"), (3, "slices")] {
        for value in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.5,
            0.0,
            1e-5,
            1e6,
        ] {
            let name = format!("{axis} {value} mm apart");
            corpus.add(name, Refused::Content, "bad_spacing", move || {
                Nifti::one().pixdim(index, value).bytes()
            });
        }
    }
    corpus.add_forms("NaN spacing", Refused::Content, "bad_spacing", |nifti| {
        nifti.pixdim(3, f64::NAN)
    });
    corpus.add_forms(
        "negative spacing",
        Refused::Content,
        "bad_spacing",
        |nifti| nifti.pixdim(1, -1.5),
    );
    corpus.add_forms(
        "slices along the columns, or not",
        Refused::Content,
        "slice_axis",
        |nifti| nifti.pixdim(1, 8.0).pixdim(3, 6.0),
    );
    for (code, bits, name) in [
        (0, 16, "unknown"),
        (1, 1, "one bit a voxel"),
        (32, 64, "complex64"),
        (128, 24, "RGB24"),
        (1536, 128, "float128"),
        (1792, 128, "complex128"),
        (2048, 256, "complex256"),
        (2304, 32, "RGBA32"),
        (3, 16, "no datatype"),
        (-4, 16, "a negative datatype"),
        (i16::MAX, 16, "the largest datatype"),
    ] {
        corpus.add(
            format!("voxels of {name}"),
            Refused::Content,
            "unsupported_datatype",
            move || Nifti::one().datatype(code, bits).bytes(),
        );
    }
    corpus.add_forms(
        "colours",
        Refused::Content,
        "unsupported_datatype",
        |nifti| nifti.datatype(128, 24),
    );
    for (slope, inter) in [
        (f64::INFINITY, 0.0),
        (2.0, f64::NAN),
        (1.5, f64::NEG_INFINITY),
    ] {
        let name = format!("a scaling of {slope} and {inter}");
        corpus.add_forms(&name, Refused::Content, "bad_scaling", move |nifti| {
            nifti.scaling(slope, inter)
        });
    }
    for offset in [
        f64::NAN,
        f64::INFINITY,
        -352.0,
        1.0,
        347.0,
        352.5,
        3e9,
        1e30,
    ] {
        let name = format!("voxels from byte {offset}");
        corpus.add(name, Refused::Content, "bad_vox_offset", move || {
            Nifti::one().vox_offset(offset).bytes()
        });
    }
    for offset in [-1.0, 540.0, 1e15] {
        let name = format!("NIfTI-2: voxels from byte {offset}");
        corpus.add(name, Refused::Content, "bad_vox_offset", move || {
            Nifti::two().vox_offset(offset).bytes()
        });
    }
}

fn voxels(corpus: &mut Corpus) {
    let voxels = (COLUMNS * ROWS * SLICES * FRAMES) as usize;
    for (name, value) in [("NaN", f32::NAN), ("infinite", f32::INFINITY)] {
        corpus.add(
            format!("every voxel {name}"),
            Refused::Content,
            "no_finite_voxels",
            move || {
                Nifti::one()
                    .datatype(16, 32)
                    .voxels(value.to_le_bytes().repeat(voxels))
                    .bytes()
            },
        );
    }
    corpus.add(
        "every voxel beyond single precision",
        Refused::Content,
        "no_finite_voxels",
        move || {
            Nifti::one()
                .datatype(64, 64)
                .voxels(1e300f64.to_le_bytes().repeat(voxels))
                .bytes()
        },
    );
    corpus.add(
        "the second frame NaN",
        Refused::Content,
        "no_finite_voxels",
        move || {
            let one = 1f32.to_le_bytes().repeat(voxels / 3);
            let two = f32::NAN.to_le_bytes().repeat(voxels / 3);
            Nifti::one()
                .datatype(16, 32)
                .voxels([one.clone(), two, one].concat())
                .bytes()
        },
    );
    corpus.add(
        "a megabyte after the last voxel",
        Refused::Content,
        "trailing_data",
        || [Nifti::one().bytes(), noise(9, 1 << 20)].concat(),
    );
    corpus.add(
        "a second file after the first",
        Refused::Content,
        "trailing_data",
        || [Nifti::one().bytes(), Nifti::one().bytes()].concat(),
    );
    corpus.add(
        "a second file in a second gzip member",
        Refused::Content,
        "trailing_data",
        || [packed(&Nifti::one().bytes()), packed(&Nifti::one().bytes())].concat(),
    );
    corpus.add(
        "noise after the gzip stream",
        Refused::Content,
        "trailing_data",
        || [packed(&Nifti::one().bytes()), vec![0x77; 10_000]].concat(),
    );
}

fn broken_gzip(corpus: &mut Corpus) {
    let changed = |at: fn(usize) -> usize, byte: u8| {
        move || {
            let mut bytes = packed(&Nifti::one().bytes());
            let at = at(bytes.len());
            bytes[at] ^= byte;
            bytes
        }
    };
    corpus.add(
        "gzip of an unknown method",
        Refused::Content,
        "corrupt_gzip",
        changed(|_| 2, 1),
    );
    corpus.add(
        "gzip with reserved flags",
        Refused::Content,
        "corrupt_gzip",
        changed(|_| 3, 0x80),
    );
    corpus.add(
        "gzip with a reserved block",
        Refused::Content,
        "corrupt_gzip",
        changed(|_| 10, 0x06),
    );
    corpus.add(
        "gzip with a wrong checksum",
        Refused::Content,
        "corrupt_gzip",
        changed(|length| length - 8, 1),
    );
    corpus.add(
        "gzip with a wrong length",
        Refused::Content,
        "corrupt_gzip",
        changed(|length| length - 4, 1),
    );
    corpus.add(
        "gzip whose name never ends",
        Refused::Content,
        "truncated",
        || {
            let mut bytes = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
            bytes.extend(vec![b'a'; 1 << 20]);
            bytes
        },
    );
    corpus.add(
        "gzip whose extra field is longer than the file",
        Refused::Content,
        "truncated",
        || vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 1, 2, 3],
    );
    corpus.add(
        "gzip that refers to bytes before its start",
        Refused::Content,
        "corrupt_gzip",
        || {
            // A fixed block whose first symbol is a match: length 3, distance 1, with nothing before it.
            vec![
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x03, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ]
        },
    );
    corpus.add(
        "a stored block whose lengths do not agree",
        Refused::Content,
        "corrupt_gzip",
        || {
            vec![
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x01, 0x10, 0, 0x10, 0, 1, 2, 3, 4, 5, 6, 7, 8,
            ]
        },
    );
    for seed in 1..=4u64 {
        corpus.add(
            format!("noise of seed {seed} behind a gzip header and a reserved block"),
            Refused::Content,
            "corrupt_gzip",
            move || {
                let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x07];
                bytes.extend(noise(seed, 4000));
                bytes
            },
        );
    }
    corpus.add(
        "a good member and a broken one",
        Refused::Content,
        "corrupt_gzip",
        || {
            let file = Nifti::one().bytes();
            let mut second = packed(&file[400..]);
            second[2] = 9;
            [packed(&file[..400]), second].concat()
        },
    );
}

fn bombs(corpus: &mut Corpus) {
    /// The largest cine that the limits allow, 3.4 GB of which only zeros follow.
    fn large(bytes: usize) -> Vec<u8> {
        let mut file = Nifti::one().dim([4, 512, 512, 64, 100, 1, 1, 1]).bytes();
        file.truncate(352);
        file.resize(bytes, 0);
        file
    }
    for mib in [16usize, 64, 256] {
        let name = format!("{mib} MiB of a cine of zeros in gzip");
        corpus
            .add(name, Refused::Body, "inflate_ratio", move || {
                packed(&large(mib << 20))
            })
            .is_large = true;
    }
    // A mask is mostly zeros: there the ratio is no reason to refuse, and the missing end is.
    let many = corpus.add(
        "a bomb of many members",
        Refused::Body,
        "inflate_ratio",
        || {
            let mut bytes = packed(&large(352));
            let zeros = packed(&vec![0; 1 << 20]);
            for _ in 0..64 {
                bytes.extend(&zeros);
            }
            bytes
        },
    );
    many.as_mask = Some((422, "invalid-volume", "truncated"));
    many.is_large = true;
    corpus
        .add(
            "a header that asks for 3 GB and ends",
            Refused::Content,
            "truncated",
            || large(352),
        )
        .is_large = true;
    corpus
        .add(
            "a header in gzip that asks for 3 GB and ends",
            Refused::Content,
            "truncated",
            || packed(&large(352)),
        )
        .is_large = true;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use cinecor_formats::{DecodeError, Decoder, Event, Limits, Refusal, decode, decode_mask};

    use super::*;

    /// Reads as a service does, in chunks, dropping each frame.
    fn read(file: &[u8], limits: Limits) -> Result<usize, DecodeError> {
        let mut decoder = Decoder::new(limits);
        let mut frames = 0;
        for chunk in file.chunks(16 << 10) {
            let mut input = chunk;
            while let Some(event) = decoder.next(&mut input)? {
                frames += usize::from(matches!(event, Event::Frame(_)));
            }
        }
        decoder.finish()?;
        Ok(frames)
    }

    #[test]
    fn what_the_corpus_is_made_of_is_good() {
        for (two, big_endian) in [(false, false), (false, true), (true, false), (true, true)] {
            let file = Nifti::new(two, big_endian).bytes();
            let decoded = decode(&file, Limits::default()).unwrap();
            assert_eq!(decoded.volume.intensities[[2, 3, 4, 5]], 3.0);
            assert!(decode_mask(&packed(&file), Limits::for_masks()).is_ok());
        }
    }

    #[test]
    fn there_are_more_than_150_cases_with_names_of_their_own() {
        let cases = cases();
        assert!(cases.len() >= 150, "{}", cases.len());
        let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn the_decoder_refuses_every_case_with_its_code() {
        for case in cases() {
            let file = case.bytes();
            let error = match read(&file, Limits::default()) {
                Err(error) => error,
                Ok(frames) => panic!("{}: {frames} frames were taken in", case.name),
            };
            // Archives and DICOM are read elsewhere where they stand for a volume; this decoder takes them for what they are.
            if !["bad_zip", "not_dicom"].contains(&case.code) {
                assert_eq!(error.code(), case.code, "{}: {error}", case.name);
                let status = match error.refusal() {
                    Refusal::UnsupportedMedia => 415,
                    Refusal::TooLarge => 413,
                    Refusal::Unprocessable => 422,
                };
                assert_eq!(status, case.status, "{}: {error}", case.name);
            }
            let (_, _, code) = case.expected(TakenAs::Measured);
            let error = read(&file, Limits::for_masks()).expect_err(&case.name);
            assert_eq!(error.code(), code, "as a mask, {}: {error}", case.name);
        }
    }
}
