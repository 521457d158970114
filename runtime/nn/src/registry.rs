//! Named graphs on disk: `name@version` is `<folder>/<name>/<version>/model.onnx`, or `model.xml` with `model.bin`, and
//! `name@version:int8` is `model.int8.onnx` beside it. Finds, reads and digests files; what is in them is for the engines. What no folder
//! has is looked for in the host's store, if it handed one over.

use crate::engine::{GraphFormat, Precision, RemoteModel};
use crate::stored::{Stored, StoredFile};
use crate::{Error, SetupError};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The file beside a graph that says what it is called on a server elsewhere.
const REMOTE: &str = "remote.json";

/// Longest name or version, in bytes.
const PART_MAX: usize = 128;

/// The folders of named graphs, and what was last seen there.
pub(crate) struct Registry {
    folders: Vec<PathBuf>,
    stored: Option<Stored>,
    /// Digests of files that have not changed since they were read, so that finding a loaded graph reads nothing.
    digests: Mutex<HashMap<PathBuf, (Stamp, Found)>>,
}

/// What tells that a file is still the one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(Vec<(u64, Option<SystemTime>)>);

/// A named graph that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) format: GraphFormat,
    /// SHA-256 of the graph file (`model.onnx` or `model.xml`), lower-case hexadecimal.
    pub(crate) digest: String,
    /// SHA-256 over all files of the graph; what a cache may go by.
    pub(crate) key: [u8; 32],
    place: Place,
}

/// Where the bytes of a graph are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Files(Vec<PathBuf>),
    Stored(Vec<StoredFile>),
}

/// The bytes of a graph's files.
pub(crate) struct Files {
    pub(crate) model: Vec<u8>,
    pub(crate) weights: Vec<u8>,
}

impl Registry {
    pub(crate) fn new(folders: Vec<PathBuf>, stored: Option<Stored>) -> Result<Self, SetupError> {
        for path in &folders {
            std::fs::read_dir(path).map_err(|source| SetupError::Models {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Self {
            folders,
            stored,
            digests: Mutex::default(),
        })
    }

    /// Finds the graph of this name and its digest. Reads the files when they are new or have changed, and then hands the bytes back as
    /// well.
    pub(crate) fn find(
        &self,
        name: &Name<'_>,
        precision: Precision,
    ) -> Result<(Found, Option<Files>), Error> {
        let Name { model, version, .. } = *name;
        let name = format!("{model}@{version}");
        let unreadable = |path: &Path, error: &std::io::Error| {
            // The path on the host is for its log, not for guests.
            tracing::error!(path = %path.display(), %error, "a named graph cannot be read");
            Error::runtime(format!(
                "the files of graph {name:?} cannot be read; the host's log says why"
            ))
        };
        for folder in &self.folders {
            let folder = folder.join(model).join(version);
            if graph(&folder, Precision::Fp32).is_none() {
                continue;
            }
            let Some((format, files)) = graph(&folder, precision) else {
                return Err(Error::not_found(format!(
                    "graph {name:?} is there in fp32, but not in {precision}: {}.onnx is not beside it",
                    stem(precision)
                )));
            };
            let stamp = stamp(&files).map_err(|error| unreadable(&folder, &error))?;
            let id = folder.join(stem(precision));
            if let Some((seen, found)) = self.lock().get(&id)
                && *seen == stamp
            {
                return Ok((found.clone(), None));
            }
            let mut bytes = files
                .iter()
                .map(std::fs::read)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| unreadable(&folder, &error))?
                .into_iter();
            let read = Files {
                model: bytes.next().unwrap_or_default(),
                weights: bytes.next().unwrap_or_default(),
            };
            let found = Found {
                format,
                digest: hex(&Sha256::digest(&read.model)),
                key: key(&read.model, &read.weights),
                place: Place::Files(files),
            };
            self.lock().insert(id, (stamp, found.clone()));
            return Ok((found, Some(read)));
        }
        let stored = match &self.stored {
            Some(stored) => stored.find(model, version, precision)?,
            None => None,
        };
        let found = stored.ok_or_else(|| {
            Error::not_found(format!(
                "no graph {name:?} is in the host's models folders or its store; the name is name@version"
            ))
        })?;
        Ok((
            Found {
                format: found.format,
                digest: found.digest,
                key: found.key,
                place: Place::Stored(found.files),
            },
            None,
        ))
    }

    /// What the graph of this name is called on a server elsewhere: what `remote.json` beside it says, or its own name and version.
    pub(crate) fn remote(&self, name: &Name<'_>) -> Result<RemoteModel, Error> {
        for folder in &self.folders {
            let folder = folder.join(name.model).join(name.version);
            if graph(&folder, Precision::Fp32).is_none() {
                continue;
            }
            let text = match std::fs::read(folder.join(REMOTE)) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                Err(error) => {
                    tracing::error!(folder = %folder.display(), %error, "{REMOTE} of a graph cannot be read");
                    return Err(Error::runtime(format!(
                        "{REMOTE} of graph {:?} cannot be read; the host's log says why",
                        name.shown()
                    )));
                }
            };
            return serde_json::from_slice(&text).map_err(|error| {
                Error::encoding(format!(
                    "{REMOTE} of graph {:?} cannot be used: {error}; it is {{\"model\": \"name\", \"version\": \"1\"}}, the version may be left out",
                    name.shown()
                ))
            });
        }
        Ok(RemoteModel {
            model: name.model.to_owned(),
            version: Some(name.version.to_owned()),
        })
    }

    /// Reads the files of a graph that was found before, and says no when they are not the same any more.
    pub(crate) fn read(&self, name: &str, found: &Found) -> Result<Files, Error> {
        let files = match (&found.place, &self.stored) {
            (Place::Files(files), _) => files,
            // Digested there, against what was described.
            (Place::Stored(files), Some(stored)) => return stored.read(name, files),
            (Place::Stored(_), None) => {
                return Err(Error::runtime("the host has no store of graphs any more"));
            }
        };
        let mut bytes = files
            .iter()
            .map(std::fs::read)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                Error::runtime(format!(
                    "the files of graph {name:?} cannot be read: {}",
                    error.kind()
                ))
            })?
            .into_iter();
        let files = Files {
            model: bytes.next().unwrap_or_default(),
            weights: bytes.next().unwrap_or_default(),
        };
        if key(&files.model, &files.weights) == found.key {
            Ok(files)
        } else {
            Err(Error::runtime(format!(
                "the files of graph {name:?} changed while they were read; try again"
            )))
        }
    }

    /// Names of all graphs that are there now, without their precisions, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        for (model, folder) in self.folders.iter().flat_map(|folder| subfolders(folder)) {
            for (version, folder) in subfolders(&folder) {
                let name = format!("{model}@{version}");
                if Name::parse(&name).is_ok() && graph(&folder, Precision::Fp32).is_some() {
                    names.insert(name);
                }
            }
        }
        names.into_iter().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Stamp, Found)>> {
        // The map is whole between statements: a panic elsewhere does not spoil it.
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn subfolders(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(_, path)| path.is_dir())
        .collect()
}

/// The name of a graph, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    model: &'a str,
    version: &'a str,
    /// The precision that it asks for, where it asks for one.
    pub(crate) precision: Option<Precision>,
}

impl<'a> Name<'a> {
    /// The name without its precision.
    fn shown(&self) -> String {
        format!("{}@{}", self.model, self.version)
    }

    /// Splits `name@version` or `name@version:precision`, and refuses whatever could leave the folder.
    pub(crate) fn parse(name: &'a str) -> Result<Self, Error> {
        let shown = || -> String { name.chars().take(PART_MAX).collect() };
        let (graph, precision) = match name.split_once(':') {
            None => (name, None),
            Some((graph, asked)) => {
                let known = Precision::ALL
                    .into_iter()
                    .find(|precision| precision.name() == asked);
                let precision = known.ok_or_else(|| {
                    Error::not_found(format!(
                        "{:?} asks for a precision that there is not; those that there are: fp32, bf16, int8",
                        shown()
                    ))
                })?;
                (graph, Some(precision))
            }
        };
        let parts = graph.split_once('@');
        let parts = parts.filter(|(model, version)| is_part(model) && is_part(version));
        let (model, version) = parts.ok_or_else(|| {
            Error::not_found(format!(
                "{:?} is not the name of a graph; one is name@version, each of letters, digits, '.', '_', '-' and '+', beginning with a letter or digit, and perhaps :precision",
                shown()
            ))
        })?;
        Ok(Self {
            model,
            version,
            precision,
        })
    }
}

/// What the files of a graph are called, without their endings.
fn stem(precision: Precision) -> String {
    match precision {
        Precision::Fp32 => "model".to_owned(),
        other => format!("model.{other}"),
    }
}

/// The files of a graph in its folder, if it is there.
fn graph(folder: &Path, precision: Precision) -> Option<(GraphFormat, Vec<PathBuf>)> {
    let stem = stem(precision);
    let file = |ending: &str| folder.join(format!("{stem}.{ending}"));
    if file("onnx").is_file() {
        Some((GraphFormat::Onnx, vec![file("onnx")]))
    } else if file("xml").is_file() {
        Some((GraphFormat::OpenvinoIr, vec![file("xml"), file("bin")]))
    } else {
        None
    }
}

fn is_part(part: &str) -> bool {
    part.len() <= PART_MAX
        && part.starts_with(|first: char| first.is_ascii_alphanumeric())
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
}

fn stamp(files: &[PathBuf]) -> std::io::Result<Stamp> {
    let stamp =
        |file: &PathBuf| std::fs::metadata(file).map(|data| (data.len(), data.modified().ok()));
    files.iter().map(stamp).collect::<Result<_, _>>().map(Stamp)
}

/// Whether a graph of so many bytes may be handed over, where `limit` are taken and 0 forbids it.
///
/// # Errors
/// `security` where only named graphs are, `too-large` for one beyond the limit.
pub(crate) fn check_handed_over(bytes: usize, limit: usize) -> Result<(), Error> {
    match limit {
        0 => Err(Error::new(
            crate::ErrorCode::Security,
            "this host loads graphs by name only; use load-by-name",
        )),
        limit if bytes > limit => Err(Error::too_large(format!(
            "the graph has {bytes} bytes; this host takes {limit} at most"
        ))),
        _ => Ok(()),
    }
}

/// SHA-256 over all bytes of a graph, with lengths in between so that no two graphs run together.
pub(crate) fn key(model: &[u8], weights: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [model, weights] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_are_not_found() {
        for name in [
            "../../etc@1",
            "a@../1",
            "a/b@1",
            "a@1/2",
            ".@1",
            "..@..",
            "a@",
            "@1",
            "a",
            "",
            "a@1\0",
            "a\\b@1",
            "a@1@2",
            "a@1:fp4",
            "a@1:",
            "a@1:INT8",
            "a:int8@1",
            "a@1:int8:int8",
            "a@1:../model",
        ] {
            assert!(Name::parse(name).is_err(), "{name:?} was let through");
        }
        for (name, precision) in [
            ("cinecor-unet@0.1.0+a.1", None),
            ("cinecor-unet@0.1.0+a.1:fp32", Some(Precision::Fp32)),
            ("cinecor-unet@0.1.0+a.1:int8", Some(Precision::Int8)),
        ] {
            let expected = Name {
                model: "cinecor-unet",
                version: "0.1.0+a.1",
                precision,
            };
            assert_eq!(parse(name), expected);
        }
    }

    fn parse(name: &str) -> Name<'_> {
        Name::parse(name).unwrap()
    }

    #[test]
    fn a_precision_is_a_graph_of_its_own_and_one_that_is_missing_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let version = folder.path().join("a/1");
        std::fs::create_dir_all(&version).unwrap();
        std::fs::write(version.join("model.onnx"), b"one").unwrap();
        std::fs::write(version.join("model.int8.onnx"), b"other").unwrap();
        let registry = Registry::new(vec![folder.path().to_owned()], None).unwrap();
        let find = |precision| registry.find(&parse("a@1"), precision);
        let whole = find(Precision::Fp32).unwrap().0;
        assert_ne!(find(Precision::Int8).unwrap().0.digest, whole.digest);
        // Each is still known when the other has been read in between.
        assert!(find(Precision::Fp32).unwrap().1.is_none());
        let error = find(Precision::Bf16).err().unwrap();
        assert_eq!(error.code, crate::ErrorCode::NotFound);
        assert!(error.text.contains("model.bf16.onnx"), "{error}");
        assert_eq!(registry.names(), ["a@1"]);
    }

    #[test]
    fn a_changed_file_gets_a_new_digest_and_an_unchanged_one_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let version = folder.path().join("a/1");
        std::fs::create_dir_all(&version).unwrap();
        std::fs::write(version.join("model.onnx"), b"one").unwrap();
        let registry = Registry::new(vec![folder.path().to_owned()], None).unwrap();
        let (first, files) = registry.find(&parse("a@1"), Precision::Fp32).unwrap();
        assert_eq!(files.unwrap().model, b"one");
        // `printf one | sha256sum`
        assert_eq!(
            first.digest,
            "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
        );
        let (again, files) = registry.find(&parse("a@1"), Precision::Fp32).unwrap();
        assert_eq!(again, first);
        assert!(files.is_none());
        std::fs::write(version.join("model.onnx"), b"other").unwrap();
        assert_ne!(
            registry
                .find(&parse("a@1"), Precision::Fp32)
                .unwrap()
                .0
                .digest,
            first.digest
        );
        assert_eq!(registry.names(), ["a@1"]);
    }
}
