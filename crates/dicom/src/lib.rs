//! DICOM files to one short-axis cine: hostile input in, typed errors or a header and frames out. No IO, no network.
//!
//! Bytes to headers and stored values:
//!
//! - [`DicomFile`] is one file: its transfer syntax, its data set as [`Item`]s, and its frames as stored values.
//! - [`files_of_zip`] hands over the files of an archive, [`looks_like_dicom`] tells what one is.
//!
//! Many files to one study:
//!
//! - A [`Candidate`] is a file of an upload. Where it lies deflated in an archive, only its header is held until its frame is asked for.
//! - [`Study`] sorts images into frames and slices by where and when they were taken, finds the short axis among them and says why, and
//!   gives header, frames and warnings as `cinecor-formats` does for NIfTI.
//! - [`Facts`] and [`Equipment`] are what it tells of the subject and the scanner, [`Removed`] the tags of all that is not kept.
//!
//! Elements are walked over here and not by `dicom-rs` (0.10), which allocates by the lengths that a file declares and copies the pixels.
//! Here nothing is allocated by a declared length before it is held against the bytes that are there and against [`Limits`]; the bytes of a
//! file stay where they are, an element costs 16 bytes, and what is asked for is read in its place.

mod archive;
mod cursor;
mod deidentify;
mod error;
mod facts;
mod file;
mod fragments;
mod header;
mod inflate;
mod item;
mod jpeg;
mod jpeg2000;
mod limits;
mod modality;
mod pixels;
mod rle;
mod series;
mod study;
mod syntax;
mod tag;
mod vr;
mod walk;

pub use archive::{ArchivedFile, files_of_zip};
pub use deidentify::Removed;
pub use error::DicomError;
pub use facts::{Equipment, Facts, Sex};
pub use file::{DicomFile, looks_like_dicom};
pub use item::Item;
pub use limits::Limits;
pub use pixels::{Photometric, PixelLayout};
pub use series::SeriesError;
pub use study::{Candidate, Study, StudyError};
pub use syntax::{Compression, Encoding, TransferSyntax};
pub use tag::Tag;
