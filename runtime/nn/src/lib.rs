//! wasi:nn for wasmtime hosts, with engines behind one trait.
//!
//! Gives components the imports `wasi:nn@0.2.0-rc-2024-10-28` and `cinecor:inference/graphs@0.1.0`, on tract (compiled in), ONNX
//! Runtime or OpenVINO (shared libraries, found when the host starts), or a server elsewhere. Knows nothing of what the graphs compute, of HTTP, or of
//! how a host is configured beyond [`Config`].
//!
//! Without the feature `host` there is no wasmtime in it and no runtime of threads: [`Alone`] then gives the same names, checks, errors and
//! engine to one caller, which may itself be a component.

mod alone;
#[cfg(feature = "onnxruntime")]
mod apart;
#[cfg(feature = "host")]
mod choose;
mod config;
mod engine;
mod engines;
mod error;
#[cfg(feature = "host")]
mod nn;
mod onnx;
#[cfg(any(feature = "onnxruntime", feature = "openvino"))]
mod processor;
mod registry;
mod signature;
mod source;
#[cfg(feature = "host")]
mod stats;
mod stored;
mod tensor;
#[cfg(feature = "host")]
mod wit;

pub use alone::{Alone, AloneGraph};
pub use config::{Config, EngineChoice, Kserve, TensorForm};
pub use engine::{Engine, Graph, GraphFormat, GraphSource, Precision, RemoteModel};
#[cfg(feature = "kserve")]
pub use engines::kserve::{Reply, Transport, TransportError, kserve};
pub use error::{Error, ErrorCode, SetupError};
#[cfg(feature = "host")]
pub use nn::{LoadedGraph, Nn};
pub use signature::{Dim, Signature, TensorSpec};
pub use source::{Encoding, GraphInfo};
#[cfg(feature = "host")]
pub use stats::{ComputeReport, Stats};
pub use stored::GraphStore;
pub use tensor::{Tensor, TensorType, byte_length};
#[cfg(feature = "host")]
pub use wit::{
    ExecutionContext, GuestTensor, NnCtx, NnCtxView, NnView, UNDER_WAY_MAX, add_to_linker,
};
