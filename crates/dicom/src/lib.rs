//! DICOM bytes to headers and stored pixel values: hostile input in, typed errors or numbers out. No IO, no network, no series, no meaning
//! of a heart: what belongs together and how bright it is are decided elsewhere.
//!
//! - [`DicomFile`] is one file: its transfer syntax, its data set as [`Item`]s, and its frames as stored values.
//! - [`files_of_zip`] gives the files of an archive, [`looks_like_dicom`] tells what one is.
//!
//! Elements are walked over here and not by `dicom-rs` (0.10), which allocates by the lengths that a file declares and copies the pixels.
//! Here nothing is allocated by a declared length before it is held against the bytes that are there and against [`Limits`]; the bytes of a
//! file stay where they are, an element costs 16 bytes, and what is asked for is read in its place.

mod archive;
mod cursor;
mod error;
mod file;
mod fragments;
mod inflate;
mod item;
mod jpeg;
mod jpeg2000;
mod limits;
mod pixels;
mod rle;
mod syntax;
mod tag;
mod vr;
mod walk;

pub use archive::files_of_zip;
pub use error::DicomError;
pub use file::{DicomFile, looks_like_dicom};
pub use item::Item;
pub use limits::Limits;
pub use pixels::{Photometric, PixelLayout};
pub use syntax::{Compression, Encoding, TransferSyntax};
pub use tag::Tag;
