//! What an engine is: something that loads graphs and runs them. One file each in [`engines`](crate::engines).
//!
//! An engine sees only graphs whose signature was read and inputs that were checked against it; everything about guests,
//! names, queues and caches is outside.

use crate::{Error, Signature, Tensor};
use std::sync::Arc;

/// A way of writing a graph down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GraphFormat {
    /// ONNX, one file with its weights inside.
    Onnx,
    /// OpenVINO's intermediate representation: XML and weights.
    OpenvinoIr,
}

/// The bytes of a graph.
pub struct GraphSource {
    /// How they are written.
    pub format: GraphFormat,
    /// The ONNX file or the XML.
    pub model: Vec<u8>,
    /// The weights, where they are apart.
    pub weights: Vec<u8>,
    /// What the graph takes and gives, where the format tells it without an engine (ONNX).
    pub signature: Option<Signature>,
    /// Arithmetic that it is computed in.
    pub precision: Precision,
    /// The remote model that it is, for engines that are told names: see [`Engine::by_name`].
    pub remote: Option<RemoteModel>,
}

/// What a named graph is called on a server elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteModel {
    /// Name of the model.
    pub model: String,
    /// Its version; none leaves the choice to the server.
    #[serde(default)]
    pub version: Option<String>,
}

/// Arithmetic that a graph is computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout: the same numbers within rounding on every engine.
    #[default]
    Fp32,
    /// Products of bf16 numbers, by instructions of the processor's; sums are fp32.
    Bf16,
    /// Products of 8-bit integers where the graph is quantised (QDQ); what it leaves in float is fp32.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fp32, Self::Bf16, Self::Int8];

    /// The name as settings, names of graphs and answers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// An engine on one device.
pub trait Engine: Send + Sync {
    /// Name of the engine, for instance `tract`.
    fn name(&self) -> &'static str;

    /// Version of the engine, as it gives it.
    fn version(&self) -> &str;

    /// Device it runs on, for instance `cpu`.
    fn device(&self) -> &str;

    /// Whether it computes in this precision, on this machine. An engine that says so and then cannot fails in [`Engine::load`]; it never
    /// computes in another.
    ///
    /// # Errors
    /// A sentence that says why not.
    fn computes(&self, precision: Precision) -> Result<(), String> {
        match precision {
            Precision::Fp32 => Ok(()),
            _ => Err(format!(
                "{} computes in fp32 only, not in {precision}",
                self.name()
            )),
        }
    }

    /// Whether it reads graphs of this format.
    fn reads(&self, format: GraphFormat) -> bool;

    /// Whether it is told the names of graphs that it has already, and cannot be given any.
    fn by_name(&self) -> bool {
        false
    }

    /// Items along a graph's batch dimension that one compute should carry. Fixed, so that equal requests are cut equally
    /// and give equal bytes.
    fn batch(&self) -> u32;

    /// How many computes run well side by side. More wait in the queue: they would only take memory.
    fn at_work_max(&self) -> usize;

    /// Loads a graph, in a precision that it computes in. Called on a thread that may block.
    ///
    /// # Errors
    /// `invalid-encoding` for bytes that are not a graph, `unsupported-operation` for a graph that the engine lacks something for.
    fn load(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error>;
}

/// A graph in an engine's memory. Dropping it frees what it took.
pub trait Graph: Send + Sync {
    /// The places for its computes, where they are not those of all graphs of the engine ([`Engine::at_work_max`]).
    #[cfg(feature = "host")]
    fn places(&self) -> Option<&std::sync::Arc<tokio::sync::Semaphore>> {
        None
    }

    /// What the graph takes and gives.
    fn signature(&self) -> &Signature;

    /// Runs the graph on `inputs`, which are in the signature's order and fit it; gives outputs in the signature's order. Called on
    /// threads that may block, on as many at once as the engine said.
    ///
    /// # Errors
    /// `runtime-error` with the engine's own words.
    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error>;
}
