//! A whole package as one zip archive: which files it may hold, and that they are those that its card describes. Bytes in, bytes out.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Card, Error, Graph, MAX_CARD_BYTES, PackedFile};

/// Name of the card in its package.
pub const CARD_FILE: &str = "model.json";

/// The most files of a package: the card, and two for each precision of its graph.
pub const PACKAGE_FILES_MAX: usize = 16;

/// How much a package may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageLimits {
    /// Bytes of all its files together.
    pub bytes: u64,
    /// Bytes of all its files for one byte of the archive.
    pub ratio: u64,
}

/// A package that is whole: its card can be read, its files are those that the card names, and their digests hold.
#[derive(Clone, PartialEq)]
pub struct Package {
    /// The text of the card.
    pub text: String,
    /// The card.
    pub card: Card,
    /// The other files, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why an archive is refused. Texts name no more than the first characters of what a file is called.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum PackageError {
    /// Not a zip archive.
    #[error(
        "the body is no zip archive; send model.json and the files that it names as one zip archive"
    )]
    NotZip,
    /// A zip archive that cannot be read.
    #[error("the zip archive cannot be read ({0}); make it again")]
    Broken(String),
    /// A feature of zip that is not read.
    #[error(
        "{name} in the zip archive is {what}; store it or compress it with deflate, without a password"
    )]
    Unsupported {
        /// Which entry.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// More entries than a package has.
    #[error(
        "the zip archive has {found} entries, a package at most {PACKAGE_FILES_MAX}; pack model.json and the files that it names"
    )]
    TooManyFiles {
        /// How many.
        found: usize,
    },
    /// An entry that is no plain file at the top, or whose name could lead elsewhere.
    #[error(
        "the zip archive holds {name}, expected plain file names at its top; pack the files without their folder"
    )]
    Name {
        /// Its name.
        name: String,
    },
    /// A name that is there twice.
    #[error("the zip archive holds a name twice; pack each file once")]
    Twice,
    /// A file that the card does not name.
    #[error(
        "the zip archive holds {name}, which its card does not name; a package is model.json and the files that it names"
    )]
    Extra {
        /// Its name.
        name: String,
    },
    /// A file that is not there.
    #[error("the zip archive has no {name}; pack model.json and every file that it names")]
    Missing {
        /// Its name.
        name: String,
    },
    /// More bytes than a package may have.
    #[error(
        "the files of the zip archive have more than {limit} bytes, which is the limit; send a smaller graph, or have the limit raised"
    )]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// More bytes for a byte of the archive than any graph has.
    #[error(
        "the files of the zip archive have more than {limit} bytes for each byte of it, which is the limit; no graph is compressed so far"
    )]
    Ratio {
        /// The limit.
        limit: u64,
    },
    /// The card, or a digest in it.
    #[error(transparent)]
    Card(#[from] Error),
}

impl Package {
    /// Unpacks an archive and checks what is in it.
    ///
    /// # Errors
    /// Any [`PackageError`].
    pub fn unpack(archive: &[u8], limits: PackageLimits) -> Result<Package, PackageError> {
        if !archive.starts_with(b"PK") {
            return Err(PackageError::NotZip);
        }
        let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(|error| broken(&error))?;
        if zip.has_duplicate_names() {
            return Err(PackageError::Twice);
        }
        if zip.len() > PACKAGE_FILES_MAX {
            return Err(PackageError::TooManyFiles { found: zip.len() });
        }
        let by_ratio = (archive.len() as u64).saturating_mul(limits.ratio);
        let mut left = limits.bytes.min(by_ratio);
        let mut files = BTreeMap::new();
        for index in 0..zip.len() {
            let (name, bytes) = entry(&mut zip, index, left)?;
            let Some(rest) = left.checked_sub(bytes.len() as u64) else {
                return Err(if by_ratio < limits.bytes {
                    PackageError::Ratio {
                        limit: limits.ratio,
                    }
                } else {
                    PackageError::TooLarge {
                        limit: limits.bytes,
                    }
                });
            };
            left = rest;
            files.insert(name, bytes);
        }
        let missing = |name: &str| PackageError::Missing {
            name: name.to_owned(),
        };
        let text = files.remove(CARD_FILE).ok_or_else(|| missing(CARD_FILE))?;
        if text.len() > MAX_CARD_BYTES {
            return Err(Error::TooLong { bytes: text.len() }.into());
        }
        let text =
            String::from_utf8(text).map_err(|_| Error::Syntax("it is not UTF-8".to_owned()))?;
        let card = Card::parse(&text)?;
        for file in card.files() {
            let bytes = files.get(&file.name).ok_or_else(|| missing(&file.name))?;
            file.check(bytes)?;
        }
        if let Some(name) = files
            .keys()
            .find(|name| !card.files().any(|file| file.name == **name))
        {
            return Err(PackageError::Extra { name: shown(name) });
        }
        Ok(Package { text, card, files })
    }
}

impl Card {
    /// Every graph of the package: the one that answers name, then the same network in other precisions.
    pub fn graphs(&self) -> impl Iterator<Item = &Graph> {
        std::iter::once(&self.graph).chain(&self.variants)
    }

    /// Every file of the package but the card, each once: two precisions may share one.
    pub fn files(&self) -> impl Iterator<Item = &PackedFile> {
        let mut seen: Vec<&str> = Vec::new();
        self.graphs()
            .flat_map(|graph| std::iter::once(&graph.file).chain(&graph.weights))
            .filter(move |file| {
                let new = !seen.contains(&file.name.as_str());
                seen.push(&file.name);
                new
            })
    }
}

/// The name and bytes of an entry; of a longer one than `left`, one byte more than that.
fn entry(
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    left: u64,
) -> Result<(String, Vec<u8>), PackageError> {
    let raw = zip.by_index_raw(index).map_err(|error| broken(&error))?;
    let name = raw.name().map_err(|error| broken(&error))?.into_owned();
    let plain = raw.is_file()
        && !raw.is_symlink()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !plain {
        return Err(PackageError::Name { name: shown(&name) });
    }
    let unsupported = |what| PackageError::Unsupported {
        name: shown(&name),
        what,
    };
    if raw.encrypted() {
        return Err(unsupported("encrypted"));
    }
    drop(raw);
    let read = match zip.by_index(index) {
        Ok(read) => read,
        Err(ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_)) => {
            return Err(unsupported("compressed in a way that is not read"));
        }
        Err(error) => return Err(broken(&error)),
    };
    let mut bytes = Vec::new();
    read.take(left.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| PackageError::Broken(error.kind().to_string()))?;
    Ok((name, bytes))
}

fn broken(error: &ZipError) -> PackageError {
    let what = match error {
        ZipError::InvalidArchive(what) => what.to_string(),
        ZipError::UnsupportedArchive(what) => (*what).to_owned(),
        ZipError::Io(error) => error.kind().to_string(),
        _ => "an entry is not as its directory says".to_owned(),
    };
    PackageError::Broken(shown(&what))
}

/// What a hostile archive holds goes into an error text: a bounded part of it, without control characters.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(60)
        .collect()
}
