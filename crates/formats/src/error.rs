//! Why a file is refused. One variant a reason, each with a stable code and a class; no HTTP here.

use cinecor_volume::ShapeLimits;

use crate::sniff::Found;

/// Why bytes are not taken as a volume. The text says what was found, what was expected and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not one byte.
    #[error("the file is empty; expected a NIfTI-1 or NIfTI-2 volume (.nii or .nii.gz)")]
    Empty,
    /// Something, but not a NIfTI file.
    #[error("the file is {found}; expected a NIfTI-1 or NIfTI-2 volume (.nii or .nii.gz), {}", .found.advice())]
    UnsupportedFormat {
        /// What its content says it is.
        found: Found,
    },
    /// A NIfTI header size without the magic that has to follow.
    #[error(
        "the header size says {version} but the magic bytes are {magic:02x?}; expected the magic of a single-file NIfTI, save the volume again"
    )]
    NotNifti {
        /// `NIfTI-1` or `NIfTI-2`.
        version: &'static str,
        /// The bytes where the magic has to be.
        magic: [u8; 4],
    },
    /// The file ends before what its header announces.
    #[error(
        "the file ends {missing} bytes before the end of its {part}: {found} of {expected} bytes were there; send the whole file"
    )]
    Truncated {
        /// `header`, `extensions`, `voxels` or `gzip stream`.
        part: &'static str,
        /// Bytes of that part that were there.
        found: u64,
        /// Bytes that it has.
        expected: u64,
        /// Bytes that are missing.
        missing: u64,
    },
    /// The gzip stream ends in the middle.
    #[error(
        "the gzip stream ends in the middle, after {inflated_bytes} inflated bytes; send the whole file"
    )]
    TruncatedGzip {
        /// Bytes that it gave until then.
        inflated_bytes: u64,
    },
    /// The gzip stream is broken.
    #[error(
        "the gzip stream is broken after {inflated_bytes} inflated bytes ({reason}); compress the volume again"
    )]
    CorruptGzip {
        /// Bytes that it gave until then.
        inflated_bytes: u64,
        /// What is broken.
        reason: &'static str,
    },
    /// More inflated bytes than allowed.
    #[error(
        "the gzip stream inflates to more than the limit of {limit} bytes; send fewer frames, or have the limit raised"
    )]
    InflatedTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Compressed better than any image is.
    #[error(
        "the {compressed_bytes} bytes of the gzip stream so far inflate to {inflated_bytes}, more than the limit of {limit}:1; no image compresses like this, send it uncompressed if it is one"
    )]
    InflateRatio {
        /// Compressed bytes read.
        compressed_bytes: u64,
        /// Bytes they gave.
        inflated_bytes: u64,
        /// The limit, inflated bytes per compressed byte.
        limit: u64,
    },
    /// A number of dimensions that is not a volume or a cine.
    #[error(
        "the volume has dimensions {found}; expected three (columns, rows, slices) or four (and frames)"
    )]
    UnsupportedDimensions {
        /// The sizes as the header says them.
        found: String,
    },
    /// A size of zero or below.
    #[error(
        "dim[{index}] of the header is {found}, expected at least 1; save the volume again with its real size"
    )]
    BadDimension {
        /// Index into `dim`.
        index: usize,
        /// What was found.
        found: i64,
    },
    /// Sizes whose product does not fit a machine word.
    #[error(
        "the sizes {found} of the header ask for more bytes than can be counted; save the volume again with its real size"
    )]
    DimensionOverflow {
        /// The sizes as the header says them.
        found: String,
    },
    /// A size above its limit.
    #[error(
        "the volume has {found} {axis}, the limit is {limit} (at most {} frames x {} slices x {} rows x {} columns); crop it, or have the limit raised",
        .limits.frames, .limits.slices, .limits.rows, .limits.columns
    )]
    TooLarge {
        /// `frames`, `slices`, `rows` or `columns`.
        axis: &'static str,
        /// The size that the header says.
        found: u64,
        /// The limit of that axis.
        limit: u64,
        /// All limits.
        limits: ShapeLimits,
    },
    /// A datatype that is no plain number.
    #[error(
        "the voxels are of datatype {code} ({name}); expected an integer of 8 to 64 bits, float32 or float64, convert the volume"
    )]
    UnsupportedDatatype {
        /// The code in the header.
        code: i16,
        /// Its name.
        name: &'static str,
    },
    /// A distance between voxels that cannot be one.
    #[error(
        "pixdim[{index}] of the header is {found}{unit}, expected a distance between voxels from 0.05 to 100 mm; write the real spacing into the header"
    )]
    BadSpacing {
        /// Index into `pixdim`: 1 column, 2 row, 3 slice.
        index: usize,
        /// What was found, in the header's unit.
        found: f64,
        /// The unit, with a space before it.
        unit: &'static str,
    },
    /// The slices may lie along another axis than the third, and which is not clear.
    #[error(
        "voxels are {first_mm} x {second_mm} x {third_mm} mm apart along the first, second and third axis, and none of these is at least twice as long as the others, so that it is not clear along which axis the slices lie; transpose the volume so that slices come last, and check pixdim"
    )]
    SliceAxis {
        /// Along the first.
        first_mm: f64,
        /// Along the second.
        second_mm: f64,
        /// Along the third.
        third_mm: f64,
    },
    /// The voxels start where they cannot.
    #[error(
        "vox_offset of the header is {found}, expected a whole number from {least} to {most}; save the volume again"
    )]
    BadVoxOffset {
        /// What was found.
        found: f64,
        /// The end of the header.
        least: u64,
        /// The limit.
        most: u64,
    },
    /// A scaling that is no number.
    #[error(
        "scl_slope {slope} and scl_inter {inter} of the header are no scaling, expected finite numbers; save the volume again"
    )]
    BadScaling {
        /// `scl_slope`.
        slope: f64,
        /// `scl_inter`.
        inter: f64,
    },
    /// A frame without a single number.
    #[error(
        "frame {frame} holds no finite number, all {voxels} voxels are NaN or infinite; expected grey values"
    )]
    NoFiniteVoxels {
        /// The frame, from 0.
        frame: usize,
        /// Its voxels.
        voxels: usize,
    },
    /// More after the last voxel than padding.
    #[error(
        "at least {found} bytes follow the last voxel that the header announces ({expected} bytes of voxels); the header's sizes do not fit the file, save it again"
    )]
    TrailingData {
        /// Bytes seen after the last voxel.
        found: u64,
        /// Bytes of voxels announced.
        expected: u64,
    },
    /// A mask voxel that is no label.
    #[error(
        "frame {frame} of the mask holds the value {found}, expected 0 background, 1 right ventricle, 2 myocardium or 3 left ventricle"
    )]
    BadLabel {
        /// The frame, from 0.
        frame: usize,
        /// What was found.
        found: f32,
    },
    /// The decoder was used after it had refused the file.
    #[error("the file was refused already; start again with a new decoder")]
    Spent,
}

/// The class of a refusal, for whoever turns it into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another kind of file than is read here.
    UnsupportedMedia,
    /// Above a limit.
    TooLarge,
    /// The right kind of file with a content that cannot be taken.
    Unprocessable,
}

impl DecodeError {
    /// A stable name of the reason: `truncated`, `bad_spacing`.
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::Empty => "empty",
            DecodeError::UnsupportedFormat { .. } => "unsupported_format",
            DecodeError::NotNifti { .. } => "not_nifti",
            DecodeError::Truncated { .. } | DecodeError::TruncatedGzip { .. } => "truncated",
            DecodeError::CorruptGzip { .. } => "corrupt_gzip",
            DecodeError::InflatedTooLarge { .. } => "inflated_too_large",
            DecodeError::InflateRatio { .. } => "inflate_ratio",
            DecodeError::UnsupportedDimensions { .. } => "unsupported_dimensions",
            DecodeError::BadDimension { .. } => "bad_dimension",
            DecodeError::DimensionOverflow { .. } => "dimension_overflow",
            DecodeError::TooLarge { .. } => "too_large",
            DecodeError::UnsupportedDatatype { .. } => "unsupported_datatype",
            DecodeError::BadSpacing { .. } => "bad_spacing",
            DecodeError::SliceAxis { .. } => "slice_axis",
            DecodeError::BadVoxOffset { .. } => "bad_vox_offset",
            DecodeError::BadScaling { .. } => "bad_scaling",
            DecodeError::NoFiniteVoxels { .. } => "no_finite_voxels",
            DecodeError::TrailingData { .. } => "trailing_data",
            DecodeError::BadLabel { .. } => "bad_label",
            DecodeError::Spent => "spent",
        }
    }

    /// The class of the reason.
    pub fn refusal(&self) -> Refusal {
        match self {
            DecodeError::UnsupportedFormat { .. } => Refusal::UnsupportedMedia,
            DecodeError::InflatedTooLarge { .. }
            | DecodeError::InflateRatio { .. }
            | DecodeError::TooLarge { .. } => Refusal::TooLarge,
            _ => Refusal::Unprocessable,
        }
    }
}
