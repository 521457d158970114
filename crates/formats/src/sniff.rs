//! What a file is by its first bytes, for a refusal that helps. Names and declared types are not looked at.

use std::fmt;

/// How many bytes from the start tell every kind apart (tar's mark ends at 262).
pub const SNIFF_BYTES: usize = 512;

/// What the content of a file says it is, when it is no single-file NIfTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// A DICOM file.
    Dicom,
    /// A file that is NIfTI and DICOM at once.
    DicomPolyglot,
    /// A zip archive.
    Zip,
    /// A tar archive.
    Tar,
    /// Gzip inside gzip.
    NestedGzip,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// BMP.
    Bmp,
    /// TIFF.
    Tiff,
    /// PDF.
    Pdf,
    /// HDF5, also MINC 2 and MATLAB 7.3.
    Hdf5,
    /// NRRD.
    Nrrd,
    /// MetaImage.
    MetaImage,
    /// FreeSurfer MGH.
    Mgh,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// NumPy.
    Numpy,
    /// The header of a two-file NIfTI.
    NiftiPair,
    /// The header of an Analyze 7.5 pair.
    Analyze,
    /// HTML or XML.
    Markup,
    /// JSON.
    Json,
    /// Some other text.
    Text,
    /// All of the first bytes are zero.
    Zeros,
    /// None of these.
    Unknown,
}

impl Found {
    /// What to do about it, as the end of a sentence.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Found::Dicom => {
                "send the files of the series together, or a zip of them, where DICOM is read"
            }
            Found::DicomPolyglot => {
                "send the one or the other: a file that is two formats at once is not believed"
            }
            Found::Zip | Found::Tar => "unpack it and send what is in it",
            Found::NestedGzip => "unpack it once",
            Found::Bzip2 | Found::Xz | Found::Zstd => "unpack it, or compress it with gzip",
            Found::NiftiPair | Found::Analyze => {
                "convert the pair of .hdr and .img to a single .nii"
            }
            Found::Nrrd | Found::MetaImage | Found::Mgh | Found::Hdf5 | Found::Numpy => {
                "convert it to NIfTI"
            }
            _ => "send the volume itself",
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Found::Dicom => "a DICOM file",
            Found::DicomPolyglot => "NIfTI and DICOM at the same time",
            Found::Zip => "a zip archive",
            Found::Tar => "a tar archive",
            Found::NestedGzip => "gzip inside gzip",
            Found::Png => "a PNG picture",
            Found::Jpeg => "a JPEG picture",
            Found::Gif => "a GIF picture",
            Found::Bmp => "a BMP picture",
            Found::Tiff => "a TIFF picture",
            Found::Pdf => "a PDF document",
            Found::Hdf5 => "an HDF5 file",
            Found::Nrrd => "an NRRD file",
            Found::MetaImage => "a MetaImage file",
            Found::Mgh => "a FreeSurfer MGH file",
            Found::Bzip2 => "compressed with bzip2",
            Found::Xz => "compressed with xz",
            Found::Zstd => "compressed with Zstandard",
            Found::Numpy => "a NumPy array",
            Found::NiftiPair => "the header of a two-file NIfTI pair",
            Found::Analyze => "the header of an Analyze 7.5 pair",
            Found::Markup => "an HTML or XML document",
            Found::Json => "a JSON document",
            Found::Text => "a text",
            Found::Zeros => "nothing but zeros at its start",
            Found::Unknown => "of no known kind",
        })
    }
}

/// Whether the bytes start a gzip member (RFC 1952, method deflate).
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Whether a file is to be read as NIfTI: it starts as one, or as gzip, in which nothing else is looked for. [`crate::Decoder`] says what is
/// wrong with it.
pub fn looks_like_nifti(start: &[u8]) -> bool {
    is_gzip(start) || crate::header::announced(start).is_some()
}

/// Whether a file starts as a zip archive.
pub fn looks_like_zip(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

/// Whether a DICOM part 10 mark stands behind the preamble.
pub(crate) fn is_dicom(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM")
}

/// What the first bytes of a file are that is no single-file NIfTI.
pub(crate) fn identify(start: &[u8]) -> Found {
    /// Mark, where it stands, what it means.
    const MARKS: &[(&[u8], usize, Found)] = &[
        (b"DICM", 128, Found::Dicom),
        (b"PK\x03\x04", 0, Found::Zip),
        (b"PK\x05\x06", 0, Found::Zip),
        (b"ustar", 257, Found::Tar),
        (b"\x89PNG\r\n\x1a\n", 0, Found::Png),
        (b"\xff\xd8\xff", 0, Found::Jpeg),
        (b"GIF8", 0, Found::Gif),
        (b"BM", 0, Found::Bmp),
        (b"II*\0", 0, Found::Tiff),
        (b"MM\0*", 0, Found::Tiff),
        (b"%PDF", 0, Found::Pdf),
        (b"\x89HDF\r\n\x1a\n", 0, Found::Hdf5),
        (b"NRRD", 0, Found::Nrrd),
        (b"ObjectType", 0, Found::MetaImage),
        (b"BZh", 0, Found::Bzip2),
        (b"\xfd7zXZ\0", 0, Found::Xz),
        (b"\x28\xb5\x2f\xfd", 0, Found::Zstd),
        (b"\x93NUMPY", 0, Found::Numpy),
        (b"\0\0\0\x01\0\0", 0, Found::Mgh),
        (&[0x1f, 0x8b], 0, Found::NestedGzip),
    ];
    for (mark, at, found) in MARKS {
        let there = start.get(*at..).is_some_and(|rest| rest.starts_with(mark));
        if there && (*found != Found::Bmp || !is_text(start)) {
            return *found;
        }
    }
    if start.iter().all(|byte| *byte == 0) {
        return Found::Zeros;
    }
    if is_text(start) {
        return match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'<') => Found::Markup,
            Some(b'{' | b'[') => Found::Json,
            _ => Found::Text,
        };
    }
    Found::Unknown
}

/// Printable characters and line ends only. UTF-8 beyond ASCII counts as text when it decodes up to a cut-off last character.
fn is_text(start: &[u8]) -> bool {
    let valid = match std::str::from_utf8(start) {
        Ok(_) => start.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    valid > 0
        && start
            .iter()
            .take(valid)
            .all(|byte| *byte >= 0x20 || byte.is_ascii_whitespace())
}
