//! Named graphs in a key-value store of the host's: `name@version` is described by the value under `<prefix><name>/<version>/graph`, and
//! its bytes lie in pieces under the keys that the description lists. Who puts them there is not known here; every byte is checked
//! against the description's digests when a graph is read.
//!
//! The description is JSON:
//!
//! ```json
//! { "graphs": [ { "precision": "fp32", "format": "onnx",
//!                 "files": [ { "sha256": "<64 digits>", "bytes": 123, "chunks": ["<key>", "<key>"] } ] } ] }
//! ```
//!
//! with one file for `onnx` and two, the XML before the weights, for `openvino`. It is written after the pieces and never changed;
//! another graph under the same name has other keys.

use crate::engine::{GraphFormat, Precision};
use crate::registry::{Files, hex};
use crate::{Error, ErrorCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Where named graphs may lie besides the folders: bytes under keys.
pub trait GraphStore: Send + Sync + 'static {
    /// The value under `key`. May block.
    ///
    /// # Errors
    /// What the store says, for the host's log.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String>;
}

/// Largest graph that is read, in bytes: what ONNX's own encoding can hold.
const GRAPH_BYTES_MAX: u64 = 2 << 30;

/// A store and where in it graphs are described.
pub(crate) struct Stored {
    store: Arc<dyn GraphStore>,
    prefix: String,
}

/// The description under `<prefix><name>/<version>/graph`.
#[derive(Deserialize)]
struct Description {
    graphs: Vec<StoredGraph>,
}

/// One graph of a description.
#[derive(Deserialize)]
struct StoredGraph {
    precision: Precision,
    format: Format,
    files: Vec<StoredFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Onnx,
    Openvino,
}

/// One file of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct StoredFile {
    sha256: String,
    bytes: u64,
    chunks: Vec<String>,
}

/// A graph that is there.
pub(crate) struct FoundStored {
    pub(crate) format: GraphFormat,
    pub(crate) digest: String,
    pub(crate) key: [u8; 32],
    pub(crate) files: Vec<StoredFile>,
}

impl Stored {
    pub(crate) fn new(store: Arc<dyn GraphStore>, prefix: String) -> Self {
        Self { store, prefix }
    }

    /// The graph `model@version` in this precision; `None` when nothing is under the name.
    pub(crate) fn find(
        &self,
        model: &str,
        version: &str,
        precision: Precision,
    ) -> Result<Option<FoundStored>, Error> {
        let name = format!("{model}@{version}");
        let Some(value) = self.get(&format!("{}{model}/{version}/graph", self.prefix))? else {
            return Ok(None);
        };
        let unusable = |what: &str| {
            tracing::error!(
                graph = name,
                what,
                "the description of a stored graph cannot be used"
            );
            Error::runtime(format!(
                "the description of graph {name:?} in the host's store cannot be used; the host's log says why"
            ))
        };
        let description: Description =
            serde_json::from_slice(&value).map_err(|error| unusable(&error.to_string()))?;
        let Some(graph) = description
            .graphs
            .into_iter()
            .find(|graph| graph.precision == precision)
        else {
            return Err(Error::not_found(format!(
                "graph {name:?} is there, but not in {precision}"
            )));
        };
        let (format, count) = match graph.format {
            Format::Onnx => (GraphFormat::Onnx, 1),
            Format::Openvino => (GraphFormat::OpenvinoIr, 2),
        };
        if graph.files.len() != count {
            return Err(unusable("another number of files than its format has"));
        }
        let bytes = graph.files.iter().map(|file| file.bytes);
        if bytes.fold(0, u64::saturating_add) > GRAPH_BYTES_MAX {
            return Err(Error::too_large(format!(
                "graph {name:?} has more than {GRAPH_BYTES_MAX} bytes; that many are read at most"
            )));
        }
        let mut hash = Sha256::new();
        for file in &graph.files {
            hash.update(file.bytes.to_le_bytes());
            hash.update(file.sha256.as_bytes());
        }
        Ok(Some(FoundStored {
            format,
            digest: graph
                .files
                .first()
                .map(|file| file.sha256.clone())
                .unwrap_or_default(),
            key: hash.finalize().into(),
            files: graph.files,
        }))
    }

    /// The bytes of a graph that was found before.
    ///
    /// # Errors
    /// `not-found` when it was taken away meanwhile; `runtime-error` when its bytes are not those that were described.
    pub(crate) fn read(&self, name: &str, files: &[StoredFile]) -> Result<Files, Error> {
        let mut read = files.iter().map(|file| self.file(name, file));
        Ok(Files {
            model: read.next().transpose()?.unwrap_or_default(),
            weights: read.next().transpose()?.unwrap_or_default(),
        })
    }

    fn file(&self, name: &str, file: &StoredFile) -> Result<Vec<u8>, Error> {
        let damaged = || {
            Error::runtime(format!(
                "the bytes of graph {name:?} in the host's store are not those that its description names; store it again"
            ))
        };
        let mut bytes = Vec::new();
        for key in &file.chunks {
            let Some(chunk) = self.get(key)? else {
                return Err(Error::not_found(format!(
                    "graph {name:?} was taken away while it was read"
                )));
            };
            if (bytes.len() as u64).saturating_add(chunk.len() as u64) > file.bytes {
                return Err(damaged());
            }
            bytes.extend_from_slice(&chunk);
        }
        if hex(&Sha256::digest(&bytes)) == file.sha256 {
            Ok(bytes)
        } else {
            Err(damaged())
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.store.get(key).map_err(|error| {
            tracing::error!(error, "the store of graphs cannot be read");
            Error::new(
                ErrorCode::RuntimeError,
                "the host's store of graphs cannot be read; the host's log says why",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

    impl GraphStore for Memory {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
            Ok(self.0.lock().unwrap().get(key).cloned())
        }
    }

    fn digest(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    fn store(description: &str) -> (Stored, Arc<Memory>) {
        let memory = Arc::new(Memory::default());
        let put = |key: &str, value: &[u8]| {
            memory
                .0
                .lock()
                .unwrap()
                .insert(key.to_owned(), value.to_vec());
        };
        put("m/a/1/graph", description.as_bytes());
        put("one", b"gra");
        put("two", b"ph");
        (Stored::new(memory.clone(), "m/".to_owned()), memory)
    }

    fn describe(digest: &str, bytes: u64) -> String {
        format!(
            r#"{{"graphs":[{{"precision":"fp32","format":"onnx","files":[{{"sha256":"{digest}","bytes":{bytes},"chunks":["one","two"]}}]}}]}}"#
        )
    }

    #[test]
    fn pieces_are_joined_in_their_order_and_digested() {
        let (stored, memory) = store(&describe(&digest(b"graph"), 5));
        let found = stored.find("a", "1", Precision::Fp32).unwrap().unwrap();
        assert_eq!(found.digest, digest(b"graph"));
        assert_eq!(stored.read("a@1", &found.files).unwrap().model, b"graph");
        assert!(stored.find("a", "2", Precision::Fp32).unwrap().is_none());
        let other = stored.find("a", "1", Precision::Int8).err().unwrap();
        assert_eq!(other.code, ErrorCode::NotFound);
        memory.0.lock().unwrap().remove("two");
        let gone = stored.read("a@1", &found.files).err().unwrap();
        assert_eq!(gone.code, ErrorCode::NotFound);
    }

    #[test]
    fn bytes_that_are_not_those_described_are_an_error() {
        for (description, read) in [
            (describe(&digest(b"other"), 5), false),
            (describe(&digest(b"graph"), 4), false),
            (describe(&digest(b"graph"), 5), true),
        ] {
            let (stored, _) = store(&description);
            let found = stored.find("a", "1", Precision::Fp32).unwrap().unwrap();
            assert_eq!(
                stored.read("a@1", &found.files).is_ok(),
                read,
                "{description}"
            );
        }
        for description in [
            "",
            "{}",
            r#"{"graphs":[{"precision":"fp32","format":"onnx","files":[]}]}"#,
            r#"{"graphs":[{"precision":"fp32","format":"onnx","files":[{"sha256":"","bytes":18446744073709551615,"chunks":[]}]}]}"#,
        ] {
            let (stored, _) = store(description);
            assert!(
                stored.find("a", "1", Precision::Fp32).is_err(),
                "{description}"
            );
        }
    }
}
