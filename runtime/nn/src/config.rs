//! The settings of a host's inference, as the table `[nn]` of a settings file writes them. A key that is not one of these is
//! an error of the parser.

use crate::Precision;
use std::path::PathBuf;

/// Which engine is to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The first that is there and has the device, in the order of [`EngineChoice::ORDER`].
    #[default]
    Auto,
    /// ONNX Runtime, loaded from a shared library.
    Onnxruntime,
    /// OpenVINO, loaded from a shared library.
    Openvino,
    /// tract, compiled in.
    Tract,
    /// A server elsewhere that speaks the Open Inference Protocol v2; `auto` never takes it.
    Kserve,
}

impl EngineChoice {
    /// The order in which `auto` tries the engines. Those that have to be installed are faster, and were installed on purpose; of them
    /// ONNX Runtime is first because it carries every tensor type exactly, where OpenVINO computes i64 in 32 bits.
    pub const ORDER: [Self; 3] = [Self::Onnxruntime, Self::Openvino, Self::Tract];

    /// The name as settings and answers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Onnxruntime => "onnxruntime",
            Self::Openvino => "openvino",
            Self::Tract => "tract",
            Self::Kserve => "kserve",
        }
    }
}

/// Settings of [`Nn`](crate::Nn).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Engine that serves.
    pub engine: EngineChoice,
    /// Device it runs on, in the engine's words: `cpu`, `gpu`, `npu`, and `remote` with `kserve` alone. Missing is an error; nothing falls back to the processor.
    pub device: String,
    /// Precision of graphs that are named without one. It must be to be had; nothing falls back to another.
    pub precision: Precision,
    /// Further precisions that a guest may name (`name@version:precision`).
    pub precisions_allowed: Vec<Precision>,
    /// Folders in which named graphs are looked for, as `<folder>/<name>/<version>/model.onnx` (or `model.xml` and `model.bin`), and those of
    /// another precision as `model.<precision>.onnx` beside it.
    pub models: Vec<PathBuf>,
    /// Label of a key-value store of the host's in which named graphs are looked for that no folder has. It is the host that opens it, and
    /// hands it to [`Nn::with_store`](crate::Nn::with_store).
    pub store: Option<String>,
    /// What the keys of that store begin with that describe graphs.
    pub store_prefix: String,
    /// ONNX Runtime's shared library (`libonnxruntime.so.1.…`); else the environment's `CINECOR_ONNXRUNTIME_LIB`.
    pub onnxruntime_lib: Option<PathBuf>,
    /// OpenVINO's C library (`libopenvino_c.so`), or the folder it is in; else the environment's `CINECOR_OPENVINO_LIB`.
    pub openvino_lib: Option<PathBuf>,
    /// The server that `kserve` asks.
    pub kserve: Kserve,
    /// Threads that an engine computes with; 0 is one for each core.
    pub threads: usize,
    /// Computes that OpenVINO runs side by side on the processor, each on its share of the threads; other engines share theirs anyway.
    pub streams: usize,
    /// Items of a batch per compute that guests are told; 0 is the engine's own figure.
    pub batch: u32,
    /// Computes that may wait for the engine; one more is refused with `timeout`.
    pub waiting_max: usize,
    /// Largest graph that a guest may hand over, in bytes; 0 forbids it, and only named graphs can be used.
    pub guest_graph_bytes_max: usize,
    /// Tensors that one store's guest may hold at once, in bytes.
    pub tensor_bytes_max: usize,
    /// Graphs that are kept in memory though nothing uses them.
    pub unused_graphs_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: EngineChoice::default(),
            device: "cpu".to_owned(),
            precision: Precision::default(),
            precisions_allowed: Vec::new(),
            models: Vec::new(),
            store: None,
            store_prefix: "models/".to_owned(),
            onnxruntime_lib: None,
            openvino_lib: None,
            kserve: Kserve::default(),
            threads: 0,
            streams: 1,
            batch: 0,
            waiting_max: 64,
            guest_graph_bytes_max: 256 << 20,
            tensor_bytes_max: 1 << 30,
            unused_graphs_max: 2,
        }
    }
}

/// Settings of the engine `kserve`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kserve {
    /// Where the server is, before `/v2`: `http://triton:8000`, or `https://` with a certificate that the operating system's roots vouch for.
    pub url: String,
    /// Variable of the environment that holds a bearer token.
    pub token_variable: Option<String>,
    /// File that holds a bearer token instead; read for each request, so that a token that is changed is used.
    pub token_file: Option<PathBuf>,
    /// Time that the server has for a whole answer, in ms.
    pub timeout_ms: u64,
    /// Time that it has to accept a connection, in ms.
    pub connect_timeout_ms: u64,
    /// Computes that are sent to it at once; more wait here.
    pub in_flight_max: usize,
    /// Longest answer that is read, in bytes.
    pub answer_bytes_max: u64,
    /// How tensors are written.
    pub tensors: TensorForm,
}

impl Default for Kserve {
    fn default() -> Self {
        Self {
            url: String::new(),
            token_variable: None,
            token_file: None,
            timeout_ms: 60_000,
            connect_timeout_ms: 5_000,
            in_flight_max: 4,
            answer_bytes_max: 256 << 20,
            tensors: TensorForm::default(),
        }
    }
}

/// How tensors are written to a remote server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorForm {
    /// In binary where the server says that it takes that, or is known to.
    #[default]
    Auto,
    /// In binary.
    Binary,
    /// As JSON numbers.
    Json,
}

/// Most threads, and most computes side by side, that the settings can ask for: engines start what they are asked to.
const THREADS_MAX: usize = 1024;

impl Config {
    /// Refuses numbers that no engine survives.
    pub(crate) fn check(&self) -> Result<(), crate::SetupError> {
        for (key, found) in [("threads", self.threads), ("streams", self.streams)] {
            if found > THREADS_MAX {
                return Err(crate::SetupError::Setting {
                    key,
                    found,
                    most: THREADS_MAX,
                });
            }
        }
        Ok(())
    }

    /// Whether guests may have graphs computed in this precision.
    ///
    /// # Errors
    /// `security` where they may not.
    pub(crate) fn allow(&self, precision: Precision) -> Result<(), crate::Error> {
        if precision == self.precision || self.precisions_allowed.contains(&precision) {
            return Ok(());
        }
        Err(crate::Error::new(
            crate::ErrorCode::Security,
            format!(
                "this host's settings do not allow {precision}; `precisions_allowed` names what guests may ask for beside {}",
                self.precision
            ),
        ))
    }

    /// Threads that an engine computes with.
    #[cfg(any(feature = "tract", feature = "onnxruntime", feature = "openvino"))]
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}
