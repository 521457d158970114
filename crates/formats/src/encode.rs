//! Volumes and masks to NIfTI bytes that are whole in memory: for one-shot answers, fixtures and tests. Studies that are kept
//! are stitched from stored frames instead, see [`GzipStitcher`].

use cinecor_volume::{LabelFrame, Shape};

use crate::gzip::{DeflatedChunk, GzipStitcher};
use crate::header::SourceHeader;
use crate::voxels::VoxelFormat;

/// Why a volume or a mask cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Voxels that are not those of the grid.
    #[error("{found} bytes of voxels do not make {shape}, expected {expected}")]
    WrongLength {
        /// Bytes given.
        found: usize,
        /// Bytes that the shape has.
        expected: usize,
        /// The shape, in words.
        shape: String,
    },
    /// A shape that is not the header's grid.
    #[error("the frame has {found}, expected the header's {expected}")]
    WrongGrid {
        /// The shape given, in words.
        found: String,
        /// The header's, in words.
        expected: String,
    },
}

/// A `.nii` file of raw voxels (little-endian, in the file's own order of axes, the first fastest, all frames) on the grid of a header.
///
/// # Errors
/// [`EncodeError`] when the voxels or the shape do not fit.
pub fn encode_volume(
    header: &SourceHeader,
    voxels: VoxelFormat,
    shape: Shape,
    raw: &[u8],
) -> Result<Vec<u8>, EncodeError> {
    check_grid(header, shape.slices, shape.rows, shape.columns)?;
    let expected = voxels.frame_bytes(&shape) * shape.frames;
    if raw.len() != expected {
        return Err(EncodeError::WrongLength {
            found: raw.len(),
            expected,
            shape: shape.to_string(),
        });
    }
    let mut file = header.volume_header(voxels, shape.frames);
    file.extend_from_slice(raw);
    Ok(file)
}

/// A `.nii` file of label frames (unsigned 8 bits) on the grid of a header.
///
/// # Errors
/// [`EncodeError`] when a frame is not on that grid.
pub fn encode_mask<'a>(
    header: &SourceHeader,
    frames: impl ExactSizeIterator<Item = &'a LabelFrame>,
) -> Result<Vec<u8>, EncodeError> {
    let mut file = header.mask_header(frames.len());
    for frame in frames {
        let (slices, rows, columns) = frame.dim();
        check_grid(header, slices, rows, columns)?;
        file.extend(header.slice_axis.stored(frame.clone()));
    }
    Ok(file)
}

/// A file as one gzip member, the same bytes for the same file.
pub fn gzip(file: &[u8]) -> Vec<u8> {
    let chunk = DeflatedChunk::compress(file);
    let mut stitcher = GzipStitcher::new();
    stitcher.add(chunk.crc32, chunk.len);
    [
        GzipStitcher::HEADER.as_slice(),
        &chunk.bytes,
        &stitcher.trailer(),
    ]
    .concat()
}

fn check_grid(
    header: &SourceHeader,
    slices: usize,
    rows: usize,
    columns: usize,
) -> Result<(), EncodeError> {
    let [_, first, second, third, ..] = header.dim;
    let own = header.slice_axis.exchanged([first, second, third]);
    let found = [columns, rows, slices].map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    if found == own {
        return Ok(());
    }
    let in_words = |[columns, rows, slices]: [i64; 3]| {
        format!("{slices} slices x {rows} rows x {columns} columns")
    };
    let expected = in_words(own);
    Err(EncodeError::WrongGrid {
        found: in_words(found),
        expected,
    })
}
