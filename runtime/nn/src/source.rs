//! What comes from a guest or from disk on its way to an engine: how a graph is written, what is told of it, and the guard around engine
//! code. Nothing is found or kept here.

use crate::engine::{GraphFormat, GraphSource, RemoteModel};
use crate::registry::Files;
use crate::{Error, Precision, onnx};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a guest says that a graph is written, as far as the host has engines for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// ONNX.
    Onnx,
    /// OpenVINO IR: two parts, XML and weights.
    Openvino,
    /// Told from the bytes: two parts are OpenVINO IR, one is ONNX.
    Autodetect,
    /// One that no engine here reads.
    Other,
}

/// Where a named graph runs, or would run once loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphInfo {
    /// SHA-256 of the graph file, lower-case hexadecimal.
    pub digest: String,
    /// Engine that runs it.
    pub engine: String,
    /// Version of the engine.
    pub engine_version: String,
    /// Device it runs on.
    pub device: String,
    /// Precision of the arithmetic.
    pub precision: Precision,
    /// Why this engine and device were taken.
    pub reason: String,
    /// Whether the graph is in memory now.
    pub loaded: bool,
    /// Items of a batch that one compute should carry.
    pub batch: u32,
}

/// Makes a graph of the files that lie under a name.
///
/// # Errors
/// As the signature of an ONNX file; OpenVINO's is read by its engine.
pub(crate) fn named_source(
    format: GraphFormat,
    files: Files,
    precision: Precision,
    remote: Option<RemoteModel>,
) -> Result<GraphSource, Error> {
    let signature = (format == GraphFormat::Onnx)
        .then(|| onnx::signature(&files.model))
        .transpose()?;
    Ok(GraphSource {
        format,
        model: files.model,
        weights: files.weights,
        signature,
        precision,
        remote,
    })
}

/// Makes a graph of the parts that a guest handed over.
pub(crate) fn source(parts: Vec<Vec<u8>>, encoding: Encoding) -> Result<GraphSource, Error> {
    let count = parts.len();
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_default();
    match (encoding, count) {
        (Encoding::Onnx | Encoding::Autodetect, 1) => {
            let signature = Some(onnx::signature(&first)?);
            Ok(GraphSource {
                format: GraphFormat::Onnx,
                model: first,
                weights: Vec::new(),
                signature,
                precision: Precision::Fp32,
                remote: None,
            })
        }
        (Encoding::Openvino | Encoding::Autodetect, 2) => Ok(GraphSource {
            format: GraphFormat::OpenvinoIr,
            model: first,
            weights: parts.next().unwrap_or_default(),
            signature: None,
            precision: Precision::Fp32,
            remote: None,
        }),
        (Encoding::Other, _) => Err(Error::encoding(
            "no engine of this host reads graphs of that encoding; use onnx or openvino",
        )),
        (encoding, count) => Err(Error::encoding(format!(
            "a graph of {count} parts cannot be {encoding:?}: ONNX is one part, OpenVINO two (XML, weights)"
        ))),
    }
}

/// Runs engine code, and makes an error of a panic in it: one bad graph must not take the host down.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Error::runtime(format!("the engine gave up: {what}")))
    })
}
