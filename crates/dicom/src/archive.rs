//! The files of a zip archive, within limits. Names are neither used nor shown, and what the archive says about sizes is not believed.

use std::io::{Cursor, Read};

use bytes::Bytes;
use flate2::read::DeflateDecoder;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::error::DicomError;
use crate::inflate::check;
use crate::limits::Limits;

const WHAT: &str = "zip archive";

const BROKEN: &str = "a file in it is broken";

/// The record of zip64 that says how many entries there are, and where in it the numbers of two disks and of the entries stand.
const ZIP64_END: &[u8] = b"PK\x06\x06";
const DISKS_AT: usize = 16;
const ENTRIES_AT: usize = 32;

/// A file of an archive while it is looked at.
#[derive(Clone, Debug)]
pub struct ArchivedFile {
    /// All its bytes.
    pub bytes: Bytes,
    /// Where it lies deflated in the archive; `None` for one that is stored, whose bytes are those of the archive.
    pub(crate) packed: Option<Packed>,
}

/// A deflated file in its archive. It was inflated once, within the limits and with the checksum that it has to have.
#[derive(Clone)]
pub(crate) struct Packed {
    deflated: Bytes,
    /// Bytes it inflates to.
    length: usize,
}

impl Packed {
    /// All its bytes.
    ///
    /// # Errors
    /// [`DicomError::BadZip`], which no file causes that could be inflated before.
    pub(crate) fn unpack(&self) -> Result<Bytes, DicomError> {
        let mut file = Vec::with_capacity(self.length);
        DeflateDecoder::new(self.deflated.as_ref())
            .take(self.length as u64)
            .read_to_end(&mut file)
            .map_err(|_| bad(BROKEN))?;
        Ok(file.into())
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed")
            .field("deflated", &self.deflated.len())
            .field("length", &self.length)
            .finish()
    }
}

/// Hands every file of a zip archive to `take`, in its order; folders and empty files are left out, and so are the side files that macOS
/// packs. One file is inflated at a time, and what it costs is bounded by the limits before it is spent; one that is stored stays where it
/// is. An archive in the archive is a file like others.
///
/// # Errors
/// [`DicomError::BadZip`], [`DicomError::TooManyFiles`], [`DicomError::InflatedTooLarge`], [`DicomError::InflateRatio`]; files before the
/// one that is refused have been handed over.
pub fn files_of_zip(
    bytes: Bytes,
    limits: &Limits,
    mut take: impl FnMut(ArchivedFile),
) -> Result<(), DicomError> {
    if !bytes.starts_with(b"PK") {
        return Err(bad("it does not start as one"));
    }
    check_announced(&bytes, limits)?;
    let mut archive =
        ZipArchive::new(Cursor::new(bytes.clone())).map_err(|error| refused(&error))?;
    if archive.len() > limits.files {
        return Err(DicomError::TooManyFiles {
            limit: limits.files,
        });
    }
    if archive.has_duplicate_names() {
        return Err(bad("two of its files have the same name"));
    }
    if archive
        .has_overlapping_entries()
        .map_err(|error| refused(&error))?
    {
        return Err(bad("its files overlap"));
    }
    let mut inflated_bytes = 0;
    let mut compressed_bytes = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| refused(&error))?;
        if !entry.is_file() || is_side_file(entry.name_raw()) {
            continue;
        }
        compressed_bytes += entry.compressed_size();
        let place = place(&entry.data_start(), entry.compressed_size(), &bytes);
        let file = match (entry.compression(), place) {
            (CompressionMethod::Stored, Some(file)) => {
                // Read for its checksum alone.
                std::io::copy(&mut entry, &mut std::io::sink()).map_err(|_| bad(BROKEN))?;
                ArchivedFile {
                    bytes: file,
                    packed: None,
                }
            }
            (method, place) => {
                let file = inflated(&mut entry, compressed_bytes, &mut inflated_bytes, limits)?;
                let is_deflated = method == CompressionMethod::Deflated;
                ArchivedFile {
                    packed: place.filter(|_| is_deflated).map(|deflated| Packed {
                        deflated,
                        length: file.len(),
                    }),
                    bytes: file,
                }
            }
        };
        if file.bytes.len() as u64 != entry.size() {
            return Err(bad("a file in it has another size than it says"));
        }
        if !file.bytes.is_empty() {
            take(file);
        }
    }
    Ok(())
}

/// Where the bytes of a file lie in the archive.
fn place(start: &Option<u64>, length: u64, bytes: &Bytes) -> Option<Bytes> {
    let start = usize::try_from((*start)?).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= bytes.len()).then(|| bytes.slice(start..end))
}

fn inflated(
    entry: &mut impl Read,
    compressed_bytes: u64,
    inflated_bytes: &mut u64,
    limits: &Limits,
) -> Result<Bytes, DicomError> {
    let mut file = Vec::new();
    let mut step = vec![0; 64 << 10];
    loop {
        let read = entry.read(&mut step).map_err(|_| bad(BROKEN))?;
        if read == 0 {
            file.shrink_to_fit();
            return Ok(file.into());
        }
        *inflated_bytes += read as u64;
        check(WHAT, compressed_bytes, *inflated_bytes, limits)?;
        file.extend_from_slice(step.get(..read).unwrap_or(&step));
    }
}

/// A list of entries is allocated by the number that zip64 announces: more than the limit is refused before that.
fn check_announced(bytes: &[u8], limits: &Limits) -> Result<(), DicomError> {
    let mut rest = bytes;
    while let Some(at) = find(rest, ZIP64_END) {
        let record = rest.get(at..).unwrap_or_default();
        let number = |at| crate::cursor::array(record, at).map(u64::from_le_bytes);
        let disks = crate::cursor::array::<8>(record, DISKS_AT);
        // Compressed bytes that happen to look like the mark do not name one disk.
        if disks == Some([0; 8])
            && number(ENTRIES_AT).is_some_and(|entries| entries > limits.files as u64)
        {
            return Err(DicomError::TooManyFiles {
                limit: limits.files,
            });
        }
        rest = record.get(ZIP64_END.len()..).unwrap_or_default();
    }
    Ok(())
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, mark)
}

/// `__MACOSX/` and `.DS_Store`.
fn is_side_file(name: &[u8]) -> bool {
    name.starts_with(b"__MACOSX/") || name.ends_with(b".DS_Store")
}

fn bad(reason: &'static str) -> DicomError {
    DicomError::BadZip { reason }
}

/// What the reader of archives says, without its words: they may hold a name.
fn refused(error: &ZipError) -> DicomError {
    bad(match error {
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            "a file in it has a password or is compressed with something else than deflate"
        }
        ZipError::InvalidPassword => "a file in it has a password",
        _ => "it is broken",
    })
}
