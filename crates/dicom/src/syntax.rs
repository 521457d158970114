//! Transfer syntaxes (PS3.5, 10 and annex A; PS3.6, table A-1): how a data set is written, and how its pixels are.

/// How the elements of a data set are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Without value representations, little-endian.
    ImplicitLittle,
    /// With value representations, little-endian.
    ExplicitLittle,
    /// With value representations, big-endian; retired.
    ExplicitBig,
    /// As [`ExplicitLittle`](Encoding::ExplicitLittle), deflated behind the file meta information.
    DeflatedExplicitLittle,
}

/// How pixels are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// Run lengths (PS3.5, annex G).
    Rle,
    /// JPEG: baseline, extended, or lossless with any predictor.
    Jpeg,
    /// JPEG 2000, lossless or not.
    Jpeg2000,
    /// One that is not read.
    Unsupported,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferSyntax {
    /// Its unique identifier.
    pub uid: &'static str,
    /// Its name in the standard.
    pub name: &'static str,
    /// How its elements are written.
    pub encoding: Encoding,
    /// How its pixels are compressed.
    pub compression: Compression,
}

const fn native(uid: &'static str, name: &'static str, encoding: Encoding) -> TransferSyntax {
    TransferSyntax {
        uid,
        name,
        encoding,
        compression: Compression::None,
    }
}

const fn packed(uid: &'static str, name: &'static str, compression: Compression) -> TransferSyntax {
    TransferSyntax {
        uid,
        name,
        encoding: Encoding::ExplicitLittle,
        compression,
    }
}

/// Every transfer syntax of the standard that a file can have.
const KNOWN: &[TransferSyntax] = &[
    TransferSyntax::IMPLICIT_LITTLE,
    TransferSyntax::EXPLICIT_LITTLE,
    native(
        "1.2.840.10008.1.2.2",
        "Explicit VR Big Endian",
        Encoding::ExplicitBig,
    ),
    native(
        "1.2.840.10008.1.2.1.99",
        "Deflated Explicit VR Little Endian",
        Encoding::DeflatedExplicitLittle,
    ),
    packed(
        "1.2.840.10008.1.2.1.98",
        "Encapsulated Uncompressed Explicit VR Little Endian",
        Compression::Unsupported,
    ),
    packed("1.2.840.10008.1.2.5", "RLE Lossless", Compression::Rle),
    packed(
        "1.2.840.10008.1.2.4.50",
        "JPEG Baseline (Process 1)",
        Compression::Jpeg,
    ),
    packed(
        "1.2.840.10008.1.2.4.51",
        "JPEG Extended (Process 2 and 4)",
        Compression::Jpeg,
    ),
    packed(
        "1.2.840.10008.1.2.4.57",
        "JPEG Lossless, Non-Hierarchical (Process 14)",
        Compression::Jpeg,
    ),
    packed(
        "1.2.840.10008.1.2.4.70",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction",
        Compression::Jpeg,
    ),
    packed(
        "1.2.840.10008.1.2.4.80",
        "JPEG-LS Lossless",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.81",
        "JPEG-LS Lossy (Near-Lossless)",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.90",
        "JPEG 2000 (Lossless Only)",
        Compression::Jpeg2000,
    ),
    packed("1.2.840.10008.1.2.4.91", "JPEG 2000", Compression::Jpeg2000),
    packed(
        "1.2.840.10008.1.2.4.92",
        "JPEG 2000 Part 2 Multi-component (Lossless Only)",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.93",
        "JPEG 2000 Part 2 Multi-component",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.94",
        "JPIP Referenced",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.95",
        "JPIP Referenced Deflate",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.100",
        "MPEG2 Main Profile / Main Level",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.101",
        "MPEG2 Main Profile / High Level",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.102",
        "MPEG-4 AVC/H.264 High Profile / Level 4.1",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.103",
        "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.104",
        "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.105",
        "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.106",
        "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.107",
        "HEVC/H.265 Main Profile / Level 5.1",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.108",
        "HEVC/H.265 Main 10 Profile / Level 5.1",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.110",
        "JPEG XL Lossless",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.111",
        "JPEG XL JPEG Recompression",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.112",
        "JPEG XL",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.201",
        "High-Throughput JPEG 2000 (Lossless Only)",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.202",
        "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.4.203",
        "High-Throughput JPEG 2000",
        Compression::Unsupported,
    ),
    packed(
        "1.2.840.10008.1.2.8.1",
        "Deflated Image Frame Compression",
        Compression::Unsupported,
    ),
];

impl TransferSyntax {
    pub(crate) const IMPLICIT_LITTLE: TransferSyntax = native(
        "1.2.840.10008.1.2",
        "Implicit VR Little Endian",
        Encoding::ImplicitLittle,
    );
    pub(crate) const EXPLICIT_LITTLE: TransferSyntax = native(
        "1.2.840.10008.1.2.1",
        "Explicit VR Little Endian",
        Encoding::ExplicitLittle,
    );

    /// The syntax with this identifier; `None` for one that the standard does not know.
    pub fn of_uid(uid: &str) -> Option<TransferSyntax> {
        KNOWN.iter().find(|syntax| syntax.uid == uid).copied()
    }

    /// Whether the frames of a file can be read that has it.
    pub fn is_supported(&self) -> bool {
        self.compression != Compression::Unsupported
    }
}
