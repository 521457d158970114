//! NIfTI bytes to volumes and back: hostile input in, typed errors or volumes out. No IO, no HTTP, no resampling; DICOM is read by the crate
//! `dicom`, which gives headers, frames and warnings as they are said here.
//!
//! - [`Decoder`] is pushed the bytes of a `.nii` or `.nii.gz` file as they arrive and gives one frame at a time, so that memory
//!   follows one frame and not the study. Everything a header says is held against [`Limits`] before anything is allocated.
//! - [`SourceHeader`] is the part of a header that says where the voxels lie; it writes masks and volumes back on the grid of
//!   the input, without the fields that can hold a patient's name.
//! - [`DeflatedChunk`] and [`GzipStitcher`] keep compressed frames that are joined to one gzip member without recompressing.
//!
//! The header is parsed here and not by the `nifti` crate (0.18), whose affine code panics on a negative pixdim, on a qfac
//! other than ±1, on a quaternion longer than 1 and on 2-D files, and which reads up to the size that a header declares: in a
//! component a panic is a trap, and the size is the attacker's.
//!
//! Frames have slices first, whatever the file has; files are written in their own order of axes.
//!
//! Where a header contradicts itself the reading that can be believed is taken and said in a [`Warning`]; where none can be,
//! the file is refused. The rules stand in [`geometry`](Header::geometry)'s type and in `geometry.rs`.
//!
//! ```
//! use cinecor_formats::{DataType, Decoder, Event, Limits, SourceHeader, VoxelFormat, encode_volume};
//! use cinecor_volume::{Geometry, Shape, Spacing};
//!
//! let shape = Shape::new(2, 3, 4, 5)?;
//! let geometry = Geometry::axis_aligned(Spacing::new(1.5, 1.25, 8.0)?, Some(40.0));
//! let header = SourceHeader::from_geometry(&geometry, shape);
//! let raw: Vec<u8> = (0..shape.voxels() as i16).flat_map(i16::to_le_bytes).collect();
//! let file = encode_volume(&header, VoxelFormat::unscaled(DataType::I16), shape, &raw)?;
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let mut frames = 0;
//! for chunk in file.chunks(100) {
//!     for event in decoder.push(chunk)? {
//!         match event {
//!             Event::Header(header) => assert_eq!(header.geometry.spacing.slice_mm, 8.0),
//!             Event::Frame(frame) => {
//!                 assert_eq!(frame.intensities.dim(), (3, 4, 5));
//!                 frames += 1;
//!             }
//!         }
//!     }
//! }
//! assert!(decoder.finish()?.warnings.is_empty());
//! assert_eq!(frames, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decode;
mod encode;
mod error;
mod geometry;
mod gunzip;
mod gzip;
mod header;
mod limits;
mod sniff;
mod voxels;
mod warning;

pub use decode::{Decoded, DecodedFrame, Decoder, Event, Summary, decode, decode_mask};
pub use encode::{EncodeError, encode_mask, encode_volume, gzip};
pub use error::{DecodeError, Refusal};
pub use gunzip::Gunzip;
pub use gzip::{DeflatedChunk, DeflatedPart, GzipStitcher};
pub use header::{Container, Header, NiftiVersion, SourceHeader};
pub use limits::Limits;
pub use sniff::{Found, SNIFF_BYTES, looks_like_nifti, looks_like_zip};
pub use voxels::{DataType, Intensities, VoxelFormat, labels_of};
pub use warning::{Warning, WarningCode};
