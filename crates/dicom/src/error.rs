//! Why bytes are refused. One variant a reason, each with a stable code; no text of a file is ever in a message.

use crate::tag::Tag;

/// Why bytes are not taken as a DICOM file, as a frame, or as an archive of files. The text says what was found, what was expected and
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DicomError {
    /// No DICOM.
    #[error(
        "the file has no DICM mark behind a preamble and does not start as a data set; expected a DICOM file, export the series again"
    )]
    NotDicom,
    /// The file ends too early.
    #[error(
        "the file ends in the middle of {tag}: {found} of {expected} bytes are there; send the whole file"
    )]
    Truncated {
        /// The attribute, item or mark.
        tag: Tag,
        /// Bytes that are there.
        found: u64,
        /// Bytes that it says it has.
        expected: u64,
    },
    /// The file ends in the head of an element.
    #[error(
        "the file ends {found} bytes into an element, before its length is known; send the whole file"
    )]
    Cut {
        /// Bytes that are there of the element.
        found: u64,
    },
    /// A transfer syntax that the standard does not know.
    #[error(
        "the transfer syntax of the file is none of the standard's; export the series as Explicit VR Little Endian"
    )]
    UnknownSyntax,
    /// A transfer syntax whose pixels are not read.
    #[error(
        "the pixels are compressed as {name}, which is not read; export the series as Explicit VR Little Endian, or with JPEG lossless, JPEG 2000 or RLE"
    )]
    UnsupportedSyntax {
        /// Its name in the standard.
        name: &'static str,
    },
    /// An element that cannot be.
    #[error("the element {tag} cannot be read: {reason}; export the file again")]
    BadElement {
        /// The attribute, item or mark.
        tag: Tag,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Sequences in sequences.
    #[error(
        "sequences are nested more than {limit} deep, which is the limit; export the images alone"
    )]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Too much before the pixel data.
    #[error(
        "the file has more than {limit} bytes before its pixel data, which is the limit; send images only"
    )]
    HeaderTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Too many elements.
    #[error(
        "the file has more than {limit} elements and fragments, which is the limit; send images only"
    )]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// More inflated bytes than allowed.
    #[error(
        "the {what} inflates to more than the limit of {limit} bytes; send less at once, or have the limit raised"
    )]
    InflatedTooLarge {
        /// `data set` or `zip archive`.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// Compressed better than any image is.
    #[error(
        "the {what} inflates from {compressed_bytes} bytes to more than {limit} times as many; no image compresses like this, send it uncompressed if it is one"
    )]
    InflateRatio {
        /// `data set` or `zip archive`.
        what: &'static str,
        /// Compressed bytes.
        compressed_bytes: u64,
        /// The limit, inflated bytes per compressed byte.
        limit: u64,
    },
    /// A broken deflate stream.
    #[error(
        "the deflated data set is broken or cut; export the file again, or send the whole of it"
    )]
    CorruptDeflate,
    /// Pixels without what says how they are written.
    #[error("the file has pixel data but no readable {name} {tag}; export the file again")]
    MissingAttribute {
        /// Which attribute.
        tag: Tag,
        /// Its name.
        name: &'static str,
    },
    /// A description of pixels that cannot be.
    #[error("the {name} {tag} of the file is {found}, expected {expected}; export the file again")]
    BadAttribute {
        /// Which attribute.
        tag: Tag,
        /// Its name.
        name: &'static str,
        /// What was found.
        found: i64,
        /// What was expected.
        expected: &'static str,
    },
    /// A size above its limit.
    #[error(
        "the file has {found} {axis}, the limit is {limit}; crop the images, or have the limit raised"
    )]
    TooLarge {
        /// `frames`, `rows` or `columns`.
        axis: &'static str,
        /// What was found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// Fewer bytes of pixels than the sizes need.
    #[error(
        "the pixel data has {found} bytes, but the sizes of the image need {expected}; send the whole file"
    )]
    PixelsTruncated {
        /// Bytes that are there.
        found: u64,
        /// Bytes that are needed.
        expected: u64,
    },
    /// No pixels.
    #[error("the file has no pixel data; send the images of the cine")]
    NoPixels,
    /// Colour.
    #[error(
        "the image is {found}, expected shades of grey (MONOCHROME1 or MONOCHROME2); send the images as they were acquired"
    )]
    NotGrey {
        /// Its photometric interpretation in words.
        found: &'static str,
    },
    /// A frame that is not there.
    #[error("frame {index} was asked for, the file has {frames}, counted from 0")]
    NoSuchFrame {
        /// Which.
        index: usize,
        /// How many there are.
        frames: usize,
    },
    /// Fragments that make no frames.
    #[error(
        "the compressed frames cannot be told apart: {reason}; export the file again, uncompressed if possible"
    )]
    BadFragments {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// A compressed frame that cannot be decoded.
    #[error(
        "a frame cannot be decoded as {codec}: {reason}; export the file again, uncompressed if possible"
    )]
    BadFrame {
        /// `RLE`, `JPEG` or `JPEG 2000`.
        codec: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A compressed frame of another kind than the header says.
    #[error(
        "the {codec} data of a frame has {found} {what}, the header of the file says {expected}; export the file again"
    )]
    FrameMismatch {
        /// As in [`BadFrame`](DicomError::BadFrame).
        codec: &'static str,
        /// `rows`, `columns`, `samples a pixel`, `bits` or `segments`.
        what: &'static str,
        /// What the compressed data says.
        found: u64,
        /// What the header says.
        expected: u64,
    },
    /// A stored value that is larger than any image has.
    #[error(
        "a pixel holds a value above {}, which is larger than any image needs; export the file again",
        i32::MAX
    )]
    ValueTooLarge,
    /// No zip archive, or a broken one.
    #[error("the zip archive cannot be read: {reason}; pack the series again")]
    BadZip {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More files than allowed.
    #[error(
        "the zip archive has more than {limit} files, which is the limit; pack one series, or have the limit raised"
    )]
    TooManyFiles {
        /// The limit.
        limit: usize,
    },
}

impl DicomError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            DicomError::NotDicom => "not_dicom",
            DicomError::Truncated { .. } | DicomError::Cut { .. } => "truncated",
            DicomError::UnknownSyntax => "unknown_transfer_syntax",
            DicomError::UnsupportedSyntax { .. } => "unsupported_transfer_syntax",
            DicomError::BadElement { .. } => "bad_element",
            DicomError::TooDeep { .. } => "too_deep",
            DicomError::HeaderTooLarge { .. } => "header_too_large",
            DicomError::TooManyElements { .. } => "too_many_elements",
            DicomError::InflatedTooLarge { .. } => "inflated_too_large",
            DicomError::InflateRatio { .. } => "inflate_ratio",
            DicomError::CorruptDeflate => "corrupt_deflate",
            DicomError::MissingAttribute { .. } => "missing_attribute",
            DicomError::BadAttribute { .. } => "bad_attribute",
            DicomError::TooLarge { .. } => "too_large",
            DicomError::PixelsTruncated { .. } => "pixels_truncated",
            DicomError::NoPixels => "no_pixels",
            DicomError::NotGrey { .. } => "not_grey",
            DicomError::NoSuchFrame { .. } => "no_such_frame",
            DicomError::BadFragments { .. } => "bad_fragments",
            DicomError::BadFrame { .. } => "bad_frame",
            DicomError::FrameMismatch { .. } => "frame_mismatch",
            DicomError::ValueTooLarge => "value_too_large",
            DicomError::BadZip { .. } => "bad_zip",
            DicomError::TooManyFiles { .. } => "too_many_files",
        }
    }
}
